"""Batteries placed by the decomposition, against optima that HiGHS proves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.decomposition.cores import Cores
from gridopt.decomposition.dual import Dual
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.priced import Priced, rounded
from gridopt.decomposition.record import Record
from gridopt.decomposition.windows import chosen
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.grid import Grid
from gridopt.highs_model import Clock
from gridopt.placement import Placement
from gridopt.registry import make, solver_class
from gridopt.requirements import Reserves
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.solution import Termination
from gridopt.solvers.decomposition import Decomposition
from gridopt.solvers.greedy import Greedy
from gridopt.solvers.highs import HiGHS
from gridopt.study import Scenario, Study

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]
MakeGrid = Callable[..., Grid]

EXACT = HiGHS(gap=1e-9)

FORMS: dict[str, dict[str, object]] = {
    "sites": {"count": 1},
    "sizes": {"modules_max": 3, "budget": 700.0},
    "both": {"count": 2, "modules_max": 4, "modules_min": 2},
    "profile": {"count": 2, "operation": "profile", "modules_max": 2},
    "reserve": {"count": 1, "modules_max": 3, "holds_reserve": True},
}


def drawn(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules, form: str, seed: int
) -> Study:
    """Return a study of three buses and units, a line that binds, and two kinds of module."""
    rng = np.random.default_rng(seed)
    T = int(rng.integers(3, 7))
    share = rng.uniform(0.2, 1.0, T)
    demand = np.array([[0.1], [0.6], [0.3]]) * 150.0 * share * rng.uniform(0.8, 1.0)
    kinds = make_modules(
        power_mw=np.array([5.0, 10.0]),
        energy_mwh=np.array([10.0, 15.0]),
        annual_cost=8760.0 * rng.uniform(0.0, 12.0, 2),
    )
    study = make_study(
        demand,
        grid=make_triangle(rating_mw=float(rng.uniform(25.0, 60.0))),
        unserved_cost_per_mwh=300.0,
        surplus_cost_per_mwh=50.0,
        reserves=Reserves.spinning(0.05 * demand.sum(axis=0)),
    )
    return with_sites(study, None, kinds, **FORMS[form])  # type: ignore[arg-type]


def method(**options: object) -> Decomposition:
    given = {"sampler": "anneal", "reads": 4, "sweeps": 50, "gap": 1e-6, "core_bits": 30, **options}
    made = make(solver_class("decomposition"), "decomposition", given)
    assert isinstance(made, Decomposition)
    return made


@pytest.mark.parametrize("network", ["copperplate", "dc"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(2))
def test_bounds_hold_and_plans_are_feasible(
    make_study: MakeStudy,
    make_triangle: MakeGrid,
    make_modules: Modules,
    form: str,
    network: str,
    seed: int,
) -> None:
    study = drawn(make_study, make_triangle, make_modules, form, seed)
    problem = BatteryPlacement(network=network)  # type: ignore[arg-type]
    exact = gridopt.solve(study, problem, EXACT)
    assert exact.termination is Termination.OPTIMAL
    run = gridopt.solve(study, problem, method(windows=False))
    assert run.is_feasible
    assert isinstance(run.plan, Placement)
    slack = 1e-6 * abs(exact.cost)
    assert run.bound <= exact.cost + slack
    assert run.cost >= exact.cost - slack
    assert run.bound >= 0.9 * exact.cost
    priced = Dual(Parts.of(problem.build(study)), Clock(None))
    rng = np.random.default_rng(seed)
    for _ in range(5):
        prices = priced.best.prices + rng.normal(0.0, 20.0, len(priced.best.prices))
        low, high = np.isinf(priced.parts.upper), np.isinf(priced.parts.lower)
        prices = np.where(low, np.abs(prices), np.where(high, -np.abs(prices), prices))
        costs = priced.parts.costs(prices)
        assert priced.parts.bound(prices, costs, priced.parts.agents.answers(costs)) <= exact.cost


@pytest.mark.parametrize("seed", range(3))
def test_with_windows_the_optimum_is_found(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules, seed: int
) -> None:
    study = drawn(make_study, make_triangle, make_modules, "both", seed)
    problem = BatteryPlacement(network="dc")
    exact = gridopt.solve(study, problem, EXACT)
    run = gridopt.solve(study, problem, method())
    assert run.is_feasible
    assert run.cost == pytest.approx(exact.cost, rel=1e-3)


def test_same_seed_same_answer(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules
) -> None:
    study = drawn(make_study, make_triangle, make_modules, "both", 1)
    program = BatteryPlacement(network="dc").build(study)
    one, other = method(seed=3).solve(program), method(seed=3).solve(program)
    assert one.x is not None
    assert other.x is not None
    assert np.array_equal(one.x, other.x)
    assert one.bound == other.bound


@pytest.mark.parametrize("voltage_cost", [None, 200.0])
@pytest.mark.parametrize("operation", ["optimized", "profile"])
def test_feeders_tie_sites_by_their_flows_and_voltages(
    make_tree: MakeStudy, make_modules: Modules, voltage_cost: float | None, operation: str
) -> None:
    study = with_sites(
        make_tree(slope=0.5),
        None,
        make_modules("small"),
        count=2,
        operation=operation,  # type: ignore[arg-type]
        vm_min_pu=0.9 if voltage_cost is None else 0.985,
        voltage_cost_per_pu_h=voltage_cost,
    )
    exact = gridopt.solve(study, "battery_placement", EXACT)
    run = gridopt.solve(study, "battery_placement", method(windows=False))
    assert run.is_feasible
    assert isinstance(run.plan, Placement)
    assert run.plan.network == "radial"
    assert run.bound <= exact.cost * (1.0 + 1e-6)
    assert exact.cost * (1.0 - 1e-6) <= run.cost <= 1.02 * exact.cost


def test_one_choice_for_several_scenarios(make_tree: MakeStudy, make_modules: Modules) -> None:
    study = make_tree()
    nothing = study.renewables.p_max_mw
    halves = tuple(
        Scenario(name, share, factor * study.demand_mw, nothing, nothing)
        for name, share, factor in (("low", 0.4, 0.7), ("high", 0.6, 1.1))
    )
    sited = with_sites(replace(study, scenarios=halves), None, make_modules(), count=2)
    exact = gridopt.solve(sited, "battery_placement", EXACT)
    run = gridopt.solve(sited, "battery_placement", method())
    assert run.is_feasible
    assert isinstance(run.plan, Placement)
    assert len(run.plan.schedules) == 2
    assert run.bound <= exact.cost * (1.0 + 1e-6)
    assert run.cost == pytest.approx(exact.cost, rel=1e-3)


def priced_of(study: Study) -> Priced:
    program = BatteryPlacement(network="copperplate").build(study)
    return Priced(Parts.of(program), Record(program, 1e-9, Clock(None)), None)


def test_rows_of_decisions_alone_have_a_scale_of_their_own(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules
) -> None:
    """A site is worth thousands where a MWh is worth tens."""
    study = drawn(make_study, make_triangle, make_modules, "both", 0)
    dear = replace(study.sites.modules, annual_cost=np.full(2, 8760.0 * 5000.0))
    priced = priced_of(replace(study, sites=replace(study.sites, modules=dear)))
    parts, T = priced.parts, study.n_periods
    named = [parts.program.row_place(int(row))[0] for row in parts.ties[parts.is_decided]]
    assert named == ["site_count"]
    worth = float(priced.typical[parts.is_decided][0])
    assert worth == pytest.approx(2 * 5000.0 * T, rel=0.1)
    rest = priced.typical[~parts.is_decided]
    assert (rest == rest[0]).all()
    assert rest[0] < 100.0


def test_numbers_of_sites_are_settled_before_any_dispatch(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules
) -> None:
    priced = priced_of(drawn(make_study, make_triangle, make_modules, "both", 0))
    program, columns = priced.parts.program, priced.pool.columns
    for number in (0, 3):
        x = np.zeros(program.n_columns)
        x[program.columns("modules")[:number, 0]] = 2.0
        x[program.columns("site")[:number]] = 1.0
        settled = priced.settled(priced.pool.decisions(x))
        values = dict(zip(columns.tolist(), settled.tolist(), strict=True))
        has = [values[int(column)] for column in program.columns("site")]
        modules = [[values[int(c)] for c in row] for row in program.columns("modules")]
        assert sum(has) == 2
        assert [sum(row) >= 2 for row in modules] == [bool(bit) for bit in has]
    assert priced.dispatch.calls == 0


def test_the_best_mix_keeps_the_tying_rows(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules
) -> None:
    study = drawn(make_study, make_triangle, make_modules, "both", 0)
    program = BatteryPlacement(network="dc").build(study)
    dual = Dual(Parts.of(program), Clock(None))
    while not dual.is_converged:
        dual.step()
    mix, parts = dual.mix(), dual.parts
    assert mix is not None
    activity = parts.A @ mix
    assert (activity >= parts.lower - 1e-6).all()
    assert (activity <= parts.upper + 1e-6).all()
    assert mix[parts.decided] == pytest.approx(dual.mixed())
    owner = parts.agents.owner
    for agent in range(parts.n_agents):
        shares = sum(dual._shares(k)[agent] for k in range(len(dual._master.answer)))
        assert shares == pytest.approx(1.0)
    assert (mix[owner >= 0] >= -1e-9).all()


def test_integers_are_rounded_as_their_rows_allow(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules
) -> None:
    study = drawn(make_study, make_triangle, make_modules, "sizes", 0)
    program = BatteryPlacement(network="copperplate", exclusive="always").build(study)
    x = EXACT.solve(program).x
    assert x is not None
    bits = program.columns("battery_charging")
    charge, most = program.value("battery_charge_mw", x), program.upper[bits]
    assert charge.max() > 1.0
    part = x.copy()
    part[bits] = np.where(charge > 1e-6, 0.4, 0.0 * most)
    assert not program.is_feasible(part)
    assert program.is_feasible(rounded(program, part))


def test_numbers_between_those_that_prices_ask_for_are_among_the_schedules(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules
) -> None:
    priced = priced_of(drawn(make_study, make_triangle, make_modules, "both", 0))
    program = priced.parts.program
    x = np.zeros(program.n_columns)
    x[program.columns("on")] = 1.0
    x[program.columns("site")[:2]] = 1.0
    x[program.columns("modules")[:2]] = [[2.0, 0.0], [0.0, 3.0]]
    best = priced.take(priced.pool.decisions(x), "given")
    assert best is not None
    Cores(priced, Greedy(), 40, np.random.default_rng(0)).step(best)
    schedules = priced.pool.alternatives(np.full(len(priced.pool.columns), -1))  # all of them
    numbers = [{tuple(map(int, schedule[:2])) for schedule in schedules[2 + c]} for c in range(3)]
    assert {(3, 0), (2, 1)} <= numbers[0]
    assert {(1, 3), (0, 2), (0, 4)} <= numbers[1]
    assert (1, 0) not in numbers[0]  # fewer than two are not allowed
    assert all(sum(pair) in (0, 2, 3, 4) for pair in set().union(*numbers))


def test_windows_have_their_share_of_each_kind_of_decision(
    make_study: MakeStudy, make_triangle: MakeGrid, make_modules: Modules
) -> None:
    """Sites that are all alike would else leave no room for units."""
    parts = priced_of(drawn(make_study, make_triangle, make_modules, "both", 0)).parts
    block = np.array([parts.program.column_label(int(j)).split("[")[0] for j in parts.decided])
    excess = np.where(block == "on", np.arange(len(block)) + 1.0, 0.0)
    few = chosen(parts, excess, np.inf, len(block) // 2, "nearest", np.random.default_rng(0), 0.0)
    for name in ("modules", "site", "on"):
        share = (block[few] == name).sum() / (block == name).sum()
        assert 0.3 <= share <= 0.7
    on = np.sort(few[block[few] == "on"])
    assert np.array_equal(on, np.flatnonzero(block == "on")[: len(on)])
