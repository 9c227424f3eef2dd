"""Network limits that are added where they are violated: nothing missed, nothing too many."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pandapower.networks
import pytest
from scipy.optimize import linprog
from typer.testing import CliRunner

import gridopt
from gridopt.arrays import FloatArray, IntArray
from gridopt.cli import app
from gridopt.elements import CostCurve, ThermalUnits
from gridopt.errors import Issue, OptionError
from gridopt.formulations.blocks.injections import Injection
from gridopt.formulations.blocks.network import (
    Flows,
    branch_limits,
    interface_limits,
    network_notes,
    outage_limits,
)
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.grid import Grid, Interfaces
from gridopt.io.net_grid import read_grid
from gridopt.lazy import LazyRows
from gridopt.program import Program
from gridopt.results import Schedule
from gridopt.security import flow_checks, without
from gridopt.solution import Solution
from gridopt.solvers.highs import HiGHS
from gridopt.study import Scenario, Study

MakeStudy = Callable[..., Study]

EXPORT = Interfaces(("export",), np.array([[1.0, 0.0, 1.0]]), np.array([-np.inf]), np.array([65.0]))

TIGHT: dict[str, tuple[str, dict[str, object]]] = {
    "branch": ("none", {"rating_mw": np.array([30.0, np.inf, np.inf])}),
    "interface": ("none", {"interfaces": EXPORT}),
    "outages": ("n-1", {"rating_mw": np.array([70.0, 60.0, 75.0])}),
    "emergency ratings": (
        "n-1",
        {
            "rating_mw": np.array([32.0, np.inf, np.inf]),
            "emergency_rating_mw": np.array([np.inf, 60.0, 66.0]),
        },
    ),
    "one outage": (
        "n-1",
        {"rating_mw": np.array([50.0, 50.0, 60.0]), "may_fail": np.array([True, False, False])},
    ),
    "all": (
        "n-1",
        {
            "rating_mw": np.array([30.0, np.inf, 60.0]),
            "emergency_rating_mw": np.array([62.0, 60.0, 75.0]),
            "interfaces": EXPORT,
        },
    ),
}


@pytest.fixture
def on_triangle(
    make_study: MakeStudy,
    make_units: Callable[..., ThermalUnits],
    make_triangle: Callable[..., Grid],
) -> Callable[..., Study]:
    """Return a function: cheap unit at bus 0, dear one at bus 1, half of the demand there."""

    def make(demand_mw: tuple[float, ...], **changes: object) -> Study:
        fresh = {"rating_mw": np.full(3, np.inf), "emergency_rating_mw": np.array(np.nan)}
        shifted = {"shift_rad": np.array([0.002, 0.0, -0.003]), "shunt_mw": np.array([0, 1.0, 0])}
        grid = replace(make_triangle(), **{**fresh, **shifted, **changes})  # type: ignore[arg-type]
        share = np.array([[0.0], [0.5], [0.5]])
        return make_study(share * demand_mw, grid=grid, thermal=make_units(bus=np.array([0, 1])))

    return make


def built(study: Study, security: str = "n-1") -> Program:
    return UnitCommitment("dc", security).build(study)  # type: ignore[arg-type]


def solved_by_separation(program: Program) -> tuple[Solution, int]:
    """Solve, add what is violated, and so on; return the answer and the number of rows added."""
    added = 0
    for _ in range(50):
        found = HiGHS(gap=1e-9).solve(replace(program, lazy=()))
        assert found.x is not None
        missed = program.separate(found.x, 3)
        if not len(missed):
            return found, added
        program, added = program.with_rows(missed), added + len(missed)
    pytest.fail("50 rounds were not enough")


@pytest.mark.parametrize("name", TIGHT)
def test_adding_violated_rows_ends_where_listing_all_does(
    name: str, on_triangle: Callable[..., Study]
) -> None:
    security, changes = TIGHT[name]
    study = on_triangle((70.0, 110.0, 60.0, 45.0), **changes)
    program = built(study, security)
    every = HiGHS(gap=1e-9).solve(program.complete())
    found, added = solved_by_separation(program)
    assert found.x is not None
    assert program.is_feasible(found.x)
    assert found.objective == pytest.approx(every.objective, rel=1e-8)
    free = HiGHS(gap=1e-9).solve(replace(program, lazy=()))
    assert free.objective < every.objective - 1.0
    assert 0 < added < sum(lazy.n_rows for lazy in program.lazy)
    plan = UnitCommitment("dc", security).decode(study, program, found.x)  # type: ignore[arg-type]
    assert gridopt.verify(study, plan).is_feasible
    assert isinstance(plan, Schedule)
    assert (plan.network, plan.security) == ("dc", security)


def after_outages(study: Study, output_mw: list[IntArray]) -> tuple[FloatArray, FloatArray]:
    """Return A and b of A x ≤ b: flows after no outage and after each, the grid cut up anew.

    Flows are affine in the power of the two units, whose columns are given: as differences.
    """
    grid, T = study.grid, study.n_periods
    rows, sides = [], []
    units, n = study.thermal, 1 + max(int(columns.max()) for columns in output_mw)
    for lost in (None, *np.flatnonzero(grid.may_fail)):
        left = grid if lost is None else without(grid, int(lost))
        limit = grid.rating_mw if lost is None else left.emergency_rating_mw
        base = left.flows(-study.demand_mw)
        slope = [left.flows(unit) - left.flows(0 * unit) for unit in np.eye(3)[units.bus]]
        for line, t, sign in product(np.flatnonzero(np.isfinite(limit)), range(T), (1.0, -1.0)):
            row = np.zeros(n)
            for g, columns in enumerate(output_mw):
                row[columns[t]] = sign * slope[g][line]
            rows.append(row)
            sides.append(limit[line] - sign * base[line, t])
    return np.array(rows), np.array(sides)


@pytest.mark.parametrize("name", ["outages", "emergency ratings", "one outage"])
def test_a_plan_that_stands_outages_is_the_best_of_all_commitments(
    name: str, on_triangle: Callable[..., Study], make_units: Callable[..., ThermalUnits]
) -> None:
    """Each commitment of the copperplate program, with outages as rows of a linear program."""
    study = on_triangle((70.0, 110.0, 85.0), **TIGHT[name][1])
    linear = make_units(bus=np.array([0, 1]), cost=tuple(map(chord, study.thermal.cost)))
    study = replace(study, thermal=linear)
    program = UnitCommitment().build(study)
    on, above = program.columns("on"), program.columns("above_min_mw")
    A, b = after_outages(study, list(above))
    A = np.hstack([A, np.zeros((len(A), program.n_columns - A.shape[1]))])
    standing = A[:, above.ravel()] * np.repeat(study.thermal.p_min_mw, study.n_periods)
    A[:, on.ravel()] += standing
    least = np.inf
    for bits in product((0.0, 1.0), repeat=on.size):
        held = program.fixed(on.ravel(), np.array(bits))
        if (held.lower < program.lower).any() or (held.upper > program.upper).any():
            continue
        rows, low, high = held.A.toarray(), held.row_lower, held.row_upper
        A_ub = np.vstack([A, rows[np.isfinite(high)], -rows[np.isfinite(low)]])
        b_ub = np.concatenate([b, high[np.isfinite(high)], -low[np.isfinite(low)]])
        bounds = list(zip(held.lower.tolist(), held.upper.tolist(), strict=True))
        found = linprog(held.c, A_ub, b_ub, bounds=bounds)
        if found.status == 0 and found.fun is not None:
            least = min(least, found.fun + held.c0)
    assert np.isfinite(least)
    assert HiGHS(gap=1e-9).solve(built(study).complete()).objective == pytest.approx(least)
    assert HiGHS(gap=1e-9).solve(program).objective < least - 1.0


def chord(curve: CostCurve) -> CostCurve:
    """Return the curve as a straight line from its lowest to its highest output."""
    ends = np.array([curve.power_mw[0], curve.power_mw[-1]])
    return CostCurve(tuple(ends), tuple(curve.cost(ends)))


def test_an_interface_limits_what_leaves_a_bus(on_triangle: Callable[..., Study]) -> None:
    study = on_triangle((70.0, 110.0, 85.0), interfaces=EXPORT)
    found, _ = solved_by_separation(built(study, "none"))
    assert found.x is not None
    plan = UnitCommitment("dc").decode(study, built(study), found.x)
    assert isinstance(plan, Schedule)
    assert plan.power_mw[0].max() == pytest.approx(65.0)
    assert plan.power_mw[1].tolist() == pytest.approx([10.0, 46.0, 21.0])


@cache
def grid_of(name: str) -> Grid:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        issues: list[Issue] = []
        grid = read_grid(getattr(pandapower.networks, name)(), issues).grid
    rng = np.random.default_rng(3)
    weight = np.zeros((2, grid.n_branches))
    weight[0, :3], weight[1, 5:9] = (1.0, -1.0, 1.0), 1.0
    interfaces = Interfaces(("a", "b"), weight, np.array([-5.0, -np.inf]), np.array([5.0, 40.0]))
    shift = rng.normal(scale=0.01, size=grid.n_branches)
    rating = np.where(rng.random(grid.n_branches) < 0.8, grid.rating_mw, np.inf)
    emergency = rating * rng.choice([1.0, 1.2, np.inf], grid.n_branches)
    may_fail = rng.random(grid.n_branches) < 0.7
    return replace(grid, shift_rad=shift, rating_mw=rating, emergency_rating_mw=emergency,
                   may_fail=may_fail, interfaces=interfaces)  # fmt: skip


def at_every_bus(grid: Grid, periods: int, demand_mw: FloatArray) -> tuple[Flows, list[LazyRows]]:
    """Return flows and limits of columns that inject at every bus, in order of the columns."""
    bus = np.arange(grid.n_buses)
    columns = np.arange(grid.n_buses * periods).reshape(grid.n_buses, periods)
    flows = Flows(grid, demand_mw, Injection(bus, np.ones(len(bus)), columns))
    return flows, [branch_limits(flows), interface_limits(flows), outage_limits(flows)]


@pytest.mark.parametrize("name", ["case24_ieee_rts", "case30"])
@pytest.mark.parametrize("scale", [3.0, 30.0, 150.0])
def test_rows_say_what_the_verifier_says(
    name: str, scale: float, make_study: MakeStudy, make_units: Callable[..., ThermalUnits]
) -> None:
    """What is injected is put down as demand not served; only its flows are looked at."""
    grid, T, rng = grid_of(name), 3, np.random.default_rng(4)
    demand = rng.normal(scale=scale, size=(grid.n_buses, T))
    study = make_study(demand, grid=grid, thermal=make_units(), unserved_cost_per_mwh=1e4)
    injected = rng.normal(scale=scale, size=(grid.n_buses, T))
    empty, zero = np.zeros((0, T)), np.zeros((2, T))
    schedule = Schedule(
        study=study,
        network="dc",
        committed=zero > 0,
        power_mw=zero,
        reserve_mw=np.zeros((0, 2, T)),
        **dict.fromkeys(("renewable_mw", "charge_mw", "discharge_mw", "soc_mwh"), empty),
        import_mw=empty,
        unserved_mw=injected,
        surplus_mw=np.zeros_like(demand),
        security="n-1",
    )
    worst: dict[str, float] = {}
    for check in flow_checks(schedule):
        over = float((check.flow_mw - check.limit_mw).max(initial=-np.inf))
        worst[check.rule] = max(worst.get(check.rule, -np.inf), over, 0.0)
    x = injected.ravel()
    for lazy in at_every_bus(grid, T, demand)[1]:
        assert lazy.violation(x) == pytest.approx(worst[lazy.name], abs=1e-7)
        listed = lazy.every_row(len(x))
        assert len(listed) == lazy.n_rows
        assert len(set(listed.label)) == lazy.n_rows
        activity = listed.A @ x
        over = np.maximum(activity - listed.upper, listed.lower - activity)
        assert max(over.max(), 0.0) == pytest.approx(max(lazy.violation(x), 0.0), abs=1e-7)


def test_the_worst_come_first_and_one_outage_for_each_line_and_period() -> None:
    grid, T = grid_of("case24_ieee_rts"), 3
    x = np.random.default_rng(5).normal(scale=150.0, size=grid.n_buses * T)
    _, families = at_every_bus(grid, T, np.zeros((grid.n_buses, T)))
    for lazy in families:
        found = lazy.separate(x, 1000, 1e-6)
        over = np.maximum(found.A @ x - found.upper, found.lower - found.A @ x)
        assert over[0] == pytest.approx(lazy.violation(x))
        assert (over > 1e-6).all()
        assert (np.diff(over) <= 1e-9).all()
        places = [(label.split(" after ")[0], label.split(", ")[-1]) for label in found.label]
        assert len(set(places)) == len(places)
        assert len(places) > 1
        few = lazy.separate(x, 2, 1e-6)
        assert few.label == found.label[:2]
        np.testing.assert_array_equal(few.A.toarray(), found.A[:2].toarray())
        some = lazy.separate(x, 1000, float(over[1]) - 1e-6)
        assert some.label == found.label[: len(some)]
        assert 2 <= len(some) < max(len(found), 3)
        assert not len(lazy.separate(x, 1000, float(over[0]) + 1e-6))


def test_rows_of_outages_that_no_plan_needs_are_no_rows(
    make_triangle: Callable[..., Grid],
) -> None:
    grid = replace(make_triangle(50.0), emergency_rating_mw=np.array([np.inf, 60.0, np.inf]))
    _, (branch, interface, outage) = at_every_bus(grid, 2, np.zeros((3, 2)))
    assert (branch.n_rows, interface.n_rows, outage.n_rows) == (2, 0, 4)
    sure = replace(grid, may_fail=np.zeros(3, dtype=bool))
    _, (*_, outage) = at_every_bus(sure, 2, np.zeros((3, 2)))
    assert outage.n_rows == 0
    assert outage.violation(np.full(6, 1e3)) == 0.0
    assert not len(outage.separate(np.full(6, 1e3), 10, 1e-6))


def test_limits_hold_in_every_scenario(on_triangle: Callable[..., Study]) -> None:
    study = on_triangle((70.0, 110.0), **TIGHT["all"][1])
    infeeds = study.renewables.p_max_mw
    scenarios = tuple(
        Scenario(name, 0.5, factor * study.demand_mw, infeeds, infeeds)
        for name, factor in (("low", 0.9), ("high", 1.05))
    )
    study = replace(study, scenarios=scenarios)
    program = built(study)
    assert [lazy.name for lazy in program.lazy] == [
        f"{kind}_limit@{name}"
        for name in ("low", "high")
        for kind in ("branch", "interface", "outage")
    ]
    found, _ = solved_by_separation(program)
    assert found.x is not None
    plan = UnitCommitment("dc", "n-1").decode(study, program, found.x)
    assert gridopt.verify(study, plan).is_feasible


def test_choices_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(OptionError, match=r"security = 'n-1', expected none, or n-1 with network"):
        UnitCommitment(security="n-1")
    with pytest.raises(OptionError, match="security = 'n-2'"):
        UnitCommitment("dc", "n-2")  # type: ignore[arg-type]


def test_what_a_network_cannot_limit_is_noted(make_triangle: Callable[..., Grid]) -> None:
    assert network_notes(make_triangle(50.0), "n-1") == ()
    assert network_notes(replace(make_triangle(), interfaces=EXPORT), "none") == ()
    (note,) = network_notes(make_triangle(), "n-1")
    assert "no branch has an effective rating" in note
    (note,) = network_notes(grid_of("case30"), "n-1")
    bridges = [n for n, cut in zip(grid_of("case30").branch_name, grid_of("case30").bridges,
                                   strict=True) if cut]  # fmt: skip
    assert 0 < sum(name in note for name in bridges) <= len(bridges)
    assert network_notes(grid_of("case30"), "none") == ()


@pytest.mark.parametrize("security", ["none", "n-1"])
def test_the_command_line_says_that_a_net_has_no_ratings(security: str) -> None:
    args = ["solve", "unit-commitment", "case14", "--units", "typical", "--hours", "2"]
    args += ["--network", "dc", "--security", security]
    shown = CliRunner().invoke(app, args, env={"COLUMNS": "300"})
    assert shown.exit_code == 0, shown.output
    assert "the DC network limits nothing: no branch has an effective rating" in shown.output
    assert ("1 of 20 branches are bridges" in shown.output) == (security == "n-1")
    record = json.loads(CliRunner().invoke(app, [*args, "--json"]).stdout)
    assert any("limits nothing" in note for note in record["assumptions"])
    assert record["formulation_options"]["security"] == security
