"""Candidate sites as agents: their answers against exact programs of one site each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gridopt.agents import NOBODY, JointAgents
from gridopt.arrays import FloatArray
from gridopt.decomposition.parts import Parts
from gridopt.errors import UnsupportedError
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.formulations.blocks.site_agents import SiteAgents
from gridopt.requirements import Reserves
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.solvers.decomposition import Decomposition
from gridopt.study import Scenario, Study

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]
ExactLeast = Callable[[Parts, int, FloatArray], float]

T = 5

LIMITS: dict[str, dict[str, object]] = {
    "one module": {"count": 1},
    "any number": {"modules_max": 3},
    "at least two": {"modules_max": 4, "modules_min": 2},
    "counted": {"count": 1, "modules_max": 3, "budget": 500.0},
    "a profile": {"count": 1, "modules_max": 2, "operation": "profile"},
}


def sited(
    make_study: MakeStudy, make_modules: Modules, name: str, kinds: int = 2, **changes: object
) -> Study:
    """Return a study of one bus with two units, whose sites have one or two kinds of module."""
    study = make_study((70.0, 110.0, 60.0, 45.0, 95.0), unserved_cost_per_mwh=500.0, **changes)
    modules = make_modules(*("small", "large")[:kinds], annual_cost=np.full(kinds, 8760.0))
    return with_sites(study, None, modules, **LIMITS[name])  # type: ignore[arg-type]


def parts_of(study: Study, exclusive: str = "never") -> Parts:
    return Parts.of(BatteryPlacement("copperplate", exclusive=exclusive).build(study))  # type: ignore[arg-type]


def drawn_costs(parts: Parts, seed: int) -> FloatArray:
    """Return costs at random prices, often at hourly ones that make the battery worth its cost."""
    rng = np.random.default_rng(seed)
    prices = rng.uniform(-5.0, 60.0, len(parts.ties)) * rng.choice([0.1, 1.0, 4.0])
    prices = np.where(np.isinf(parts.upper), np.maximum(prices, 0.0), prices)
    prices = np.where(np.isinf(parts.lower), -np.abs(prices) / 500.0, prices)
    return parts.costs(prices)


@pytest.mark.parametrize("kinds", [1, 2])
@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("seed", range(6))
def test_answers_are_exact(
    make_study: MakeStudy,
    make_modules: Modules,
    exact_least: ExactLeast,
    name: str,
    kinds: int,
    seed: int,
) -> None:
    parts = parts_of(sited(make_study, make_modules, name, kinds))
    site = parts.n_agents - 1
    costs = drawn_costs(parts, seed)
    answers = parts.agents.answers(costs)
    assert answers.least[site] == pytest.approx(exact_least(parts, site, costs), abs=1e-5)
    own = np.where(parts.agents.owner == site, answers.x, 0.0)
    assert costs @ own == pytest.approx(answers.least[site], abs=1e-6)
    held = parts.agents.answers(costs, answers.x)
    assert held.least[site] == pytest.approx(answers.least[site], abs=1e-9)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("seed", range(4))
def test_marginals_are_the_best_and_the_next(
    make_study: MakeStudy,
    make_modules: Modules,
    exact_least: ExactLeast,
    with_bounds: Callable[[Parts, int, float, float], Parts],
    name: str,
    seed: int,
) -> None:
    parts = parts_of(sited(make_study, make_modules, name))
    site = parts.n_agents - 1
    costs = drawn_costs(parts, seed)
    marginals = parts.agents.marginals(costs)
    decided = parts.decided[parts.agents.owner[parts.decided] == site]
    assert len(decided) in (2, 3)
    for column in map(int, decided):
        values = range(int(parts.program.upper[column]) + 1)
        each = [exact_least(with_bounds(parts, column, v, v), site, costs) for v in values]
        assert marginals[:, column] == pytest.approx(np.sort(each)[:2], abs=1e-5)
    rest = np.setdiff1d(np.flatnonzero(parts.agents.owner == site), decided)
    assert np.isneginf(marginals[:, rest]).all()


@pytest.mark.parametrize("seed", range(6))
def test_with_bits_that_keep_charging_apart_answers_are_bounds(
    make_study: MakeStudy, make_modules: Modules, exact_least: ExactLeast, seed: int
) -> None:
    parts = parts_of(sited(make_study, make_modules, "any number"), "always")
    site = parts.n_agents - 1
    usual = drawn_costs(parts, seed)
    assert parts.agents.answers(usual).least[site] <= exact_least(parts, site, usual) + 1e-6
    paid = parts.costs(np.full(len(parts.ties), -30.0 - seed))  # for what is lost
    least, exact = parts.agents.answers(paid).least[site], exact_least(parts, site, paid)
    assert least < exact - 1e-3
    bits = parts.program.columns("battery_charging")
    assert not parts.agents.decides[bits].any()
    assert (parts.agents.owner[bits] == site).all()


@pytest.mark.parametrize("efficiency", [1.0, 0.9])
@pytest.mark.parametrize("seed", range(8))
def test_reserve_of_batteries_is_bounded_and_exact_without_losses(
    make_study: MakeStudy,
    make_modules: Modules,
    exact_least: ExactLeast,
    seed: int,
    efficiency: float,
) -> None:
    spinning = Reserves.spinning(np.full(T, 15.0))
    study = make_study((70.0, 110.0, 60.0, 45.0, 95.0), reserves=spinning)
    both = np.full(2, efficiency)
    kinds = make_modules(charge_efficiency=both, discharge_efficiency=both)
    parts = parts_of(with_sites(study, None, kinds, modules_max=3, holds_reserve=True))
    site = parts.n_agents - 1
    costs = drawn_costs(parts, seed)
    answers = parts.agents.answers(costs)
    exact = exact_least(parts, site, costs)
    assert answers.least[site] <= exact + 1e-6
    assert answers.least[site] >= (1.25 if efficiency < 1.0 else 1.0) * exact - 1e-5
    own = np.where(parts.agents.owner == site, answers.x, 0.0)
    assert costs @ own == pytest.approx(answers.least[site], abs=1e-6)
    assert (answers.least[site] < 0.0) == (own[parts.program.columns("modules")].sum() > 0)


def test_other_costs_than_those_of_the_rows_are_refused(
    make_study: MakeStudy, make_modules: Modules
) -> None:
    parts = parts_of(sited(make_study, make_modules, "any number"))
    c = parts.program.c.copy()
    c[parts.program.columns("battery_soc_mwh")] += 1.0
    with pytest.raises(ValueError, match="only modules, sites and what they feed in"):
        parts.agents.answers(c)


def test_what_a_site_may_not_have_costs_infinitely_much(
    make_study: MakeStudy, make_modules: Modules
) -> None:
    parts = parts_of(sited(make_study, make_modules, "at least two", kinds=1))
    site, program = parts.n_agents - 1, parts.program
    modules, bit = int(program.columns("modules")[0, 0]), int(program.columns("site")[0])
    for number, has, allowed in ((0, 0, 1), (1, 1, 0), (2, 1, 1), (2, 0, 0), (0, 1, 0), (5, 1, 0)):
        held = np.zeros(program.n_columns)
        held[modules], held[bit] = number, has
        least = parts.agents.answers(program.c, held).least[site]
        assert np.isfinite(least) == bool(allowed)


def test_units_come_first_then_sites(make_study: MakeStudy, make_modules: Modules) -> None:
    program = BatteryPlacement("copperplate").build(sited(make_study, make_modules, "counted"))
    agents = program.agents
    assert isinstance(agents, JointAgents)
    owner = agents.owner
    assert (owner[program.columns("on")] == [[0], [1]]).all()
    for name in ("modules", "site", "battery_charge_mw", "battery_soc_mwh", "battery_charging"):
        assert (owner[program.columns(name)] == 2).all()
    assert (owner[program.columns("unserved_mw")] == NOBODY).all()
    assert np.array_equal(
        np.flatnonzero(agents.decides),
        np.sort(np.concatenate([program.columns(n).ravel() for n in ("modules", "site", "on")])),
    )
    rows = Parts.of(program).ties
    tied = {program.row_place(int(row))[0] for row in rows}
    assert {"balance", "site_count", "budget"} <= tied
    assert not {"battery_soc", "battery_power", "site_most", "site_least"} & tied


def test_scenarios_have_agents_where_there_are_no_units(
    make_study: MakeStudy, make_tree: MakeStudy, make_modules: Modules
) -> None:
    study = make_tree()
    nothing = study.renewables.p_max_mw
    halves = tuple(
        Scenario(name, share, factor * study.demand_mw, nothing, nothing)
        for name, share, factor in (("low", 0.4, 0.9), ("high", 0.6, 1.1))
    )
    traded = with_sites(replace(study, scenarios=halves), None, make_modules("small"), count=1)
    program = BatteryPlacement("copperplate").build(traded)
    agents = program.agents
    assert isinstance(agents, SiteAgents)
    for name in ("battery_charge_mw@low", "battery_charge_mw@high"):
        assert (agents.owner[program.columns(name)].ravel()[:4] == 0).all()
    units = replace(sited(make_study, make_modules, "counted"), scenarios=())
    demand = units.demand_mw
    none = units.renewables.p_max_mw
    both = (Scenario("a", 0.5, demand, none, none), Scenario("b", 0.5, demand, none, none))
    with pytest.raises(UnsupportedError, match="without scenarios where there are thermal units"):
        Decomposition().solve(BatteryPlacement("copperplate").build(replace(units, scenarios=both)))
