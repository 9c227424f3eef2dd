"""Identical units counted together cost what they cost one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest

import gridopt
from gridopt.arrays import BoolArray
from gridopt.elements import CostCurve, Exchange, Renewables, StartupCost, Storage, ThermalUnits
from gridopt.errors import StudyError
from gridopt.formulations.blocks.identical import identical_units, shared_out
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.grid import Grid
from gridopt.program import Program
from gridopt.requirements import EnergyLimits, Reserves
from gridopt.solvers.highs import HiGHS
from gridopt.study import FIXED_ON, FORCED_OUT, FREE, Scenario, Study
from gridopt.verification import verify

SEPARATE = UnitCommitment(identical_units="separate")
TOGETHER = UnitCommitment()


def alike(n: int, **changes: object) -> ThermalUnits:
    """Return n units without ramps that differ in their names only."""
    given: dict[str, object] = {
        "p_min_mw": 9.0,
        "p_max_mw": 10.0,
        "ramp_up_mw_per_h": np.inf,
        "ramp_down_mw_per_h": np.inf,
        "startup_ramp_mw": np.inf,
        "shutdown_ramp_mw": np.inf,
        "min_up_time_h": 1.0,
        "min_down_time_h": 1.0,
        "initial_status_h": 5.0,
        "initial_power_mw": np.nan,
        "must_run": False,
        "cost": CostCurve((9.0, 10.0), (90.0, 105.0)),
        "startup_cost": StartupCost((1.0,), (50.0,)),
    }
    spread = {
        name: (value,) * n if isinstance(value, (CostCurve, StartupCost)) else np.full(n, value)
        for name, value in {**given, **changes}.items()
    }
    return ThermalUnits(
        element=tuple(("gen", g) for g in range(n)),
        name=tuple(f"unit {g}" for g in range(n)),
        bus=np.zeros(n, dtype=np.int64),
        **spread,  # type: ignore[arg-type]
    )


def joined(*parts: ThermalUnits) -> ThermalUnits:
    """Return the units of all parts, named anew."""
    n = sum(len(part) for part in parts)

    def join(name: str) -> object:
        values = [getattr(part, name) for part in parts]
        return sum(values, ()) if isinstance(values[0], tuple) else np.concatenate(values)

    first = alike(n)
    return replace(
        first,
        **{
            name: join(name)
            for name in first.__dataclass_fields__
            if name not in ("element", "name", "bus")
        },  # type: ignore[arg-type]
    )


def study_of(demand_mw: object, thermal: ThermalUnits, **changes: object) -> Study:
    demand = np.atleast_2d(np.asarray(demand_mw, dtype=float))
    T = demand.shape[1]
    given: dict[str, object] = {
        "name": "identical",
        "grid": Grid.single_bus(),
        "time": pd.RangeIndex(T),
        "period_h": 1.0,
        "demand_mw": demand,
        "thermal": thermal,
        "renewables": Renewables.none(T),
        "storage": Storage.none(),
        "exchange": Exchange.none(T),
        "unserved_cost_per_mwh": 1000.0,
        "surplus_cost_per_mwh": 1000.0,
    }
    return Study(**{**given, **changes})  # type: ignore[arg-type]


def solved(program: Program) -> float:
    """Return the optimum as HiGHS alone finds it; inf where there is none."""
    return HiGHS(gap=1e-8, plain=True).solve(replace(program, equivalent=None)).objective


def agree(study: Study) -> None:
    """Check that counts give the optimum, and that they can be shared out at that cost."""
    program = TOGETHER.build(study)
    expected = solved(program)
    assert program.equivalent is not None
    counted = program.equivalent
    found = HiGHS(gap=1e-8, plain=True).solve(counted.program)
    assert found.objective == pytest.approx(expected, rel=1e-6, abs=1e-4)
    if np.isinf(expected):
        return
    assert found.x is not None
    decided = program.fixed(program.is_decision, counted.decisions(found.x))
    assert solved(decided) == pytest.approx(expected, rel=1e-6, abs=1e-4)
    run = gridopt.solve(study, TOGETHER, HiGHS(gap=1e-7))
    assert run.verification is not None
    assert run.verification.violations == ()
    assert run.cost == pytest.approx(expected, rel=1e-6, abs=1e-4)
    assert run.bound <= expected + 1e-6 * abs(expected) + 1e-4


# --- random studies


def drawn_units(rng: np.random.Generator, n: int, period_h: float) -> ThermalUnits:
    low = float(rng.integers(1, 4)) * 5
    high = low + float(rng.integers(1, 6)) * 5
    quadratic = float(rng.uniform(0.0, 0.2)) * (rng.random() < 0.3)
    limited = rng.random() < 0.6 and not quadratic
    startup, shutdown = rng.uniform(low, high, 2) if limited else (np.inf, np.inf)
    up_h, down_h = rng.integers(1, 4, 2) * period_h
    categories = int(rng.integers(1, 4))
    lags = down_h + period_h * np.cumsum([0, *rng.integers(1, 3, categories - 1)])
    costs = np.sort(rng.integers(50, 101, categories)) * float(rng.choice([1.0, 10.0]))
    status = float(rng.choice([-8, -3, -2, -1, 1, 2, 6])) * period_h
    points = np.array([low, low + float(rng.uniform(0.2, 0.8)) * (high - low), high])
    slopes = np.sort(rng.uniform(5.0, 30.0, 2))
    cost = rng.integers(50, 300) + np.cumsum([0.0, *np.diff(points) * slopes])
    return alike(
        n,
        p_min_mw=low,
        p_max_mw=high,
        startup_ramp_mw=startup,
        shutdown_ramp_mw=shutdown,
        min_up_time_h=up_h,
        min_down_time_h=down_h,
        initial_status_h=status,
        initial_power_mw=float(rng.uniform(low, high)) if status > 0 else 0.0,
        must_run=status > 0 and rng.random() < 0.1,
        cost=CostCurve(tuple(points.tolist()), tuple(cost.tolist()), quadratic),
        startup_cost=StartupCost(tuple(lags.tolist()), tuple(costs.tolist())),
    )


def drawn_study(seed: int) -> Study | None:
    """Return a study with one or two groups, None where the draw contradicts itself."""
    rng = np.random.default_rng(seed)
    T, period_h = int(rng.integers(4, 8)), float(rng.choice([1.0, 0.5]))
    sizes = [int(rng.integers(2, 5))] if rng.random() < 0.5 else [3, 2]
    groups = [drawn_units(rng, n, period_h) for n in sizes]
    thermal = joined(*groups)
    total = thermal.p_max_mw.sum()
    demand = rng.uniform(0.0, 0.95, T) * total
    fixed = np.full((len(thermal), T), FREE)
    if rng.random() < 0.3:
        hours = [rng.choice([FREE] * 10 + [FIXED_ON, FORCED_OUT], T) for _ in sizes]
        fixed = np.repeat(hours, sizes, axis=0)
    changes: dict[str, object] = {"period_h": period_h, "fixed_status": fixed}
    if rng.random() < 0.5:
        changes["reserves"] = Reserves.spinning(rng.uniform(0.0, 0.3, T) * total)
    if rng.random() < 0.15:
        one, none = np.ones((1, len(thermal))), np.zeros((1, 0))
        most = np.array([0.8 * demand.sum() * period_h])
        changes["energy_limits"] = EnergyLimits(("fuel",), one, one, none, np.array([0.0]), most)
    changes["unserved_cost_per_mwh"] = float(rng.choice([60.0, 500.0]))
    changes["surplus_cost_per_mwh"] = float(rng.choice([0.0, 100.0]))
    try:
        return study_of(demand, thermal, **changes)
    except StudyError:
        return None


@pytest.mark.parametrize("first", range(0, 20, 5))
def test_random_studies_cost_the_same_either_way(first: int) -> None:
    studies = [study for seed in range(first, first + 5) if (study := drawn_study(seed))]
    assert len(studies) >= 4
    for study in studies:
        agree(study)


# --- what a count does not tell


def test_a_start_may_follow_the_older_stop() -> None:
    """Stops in 1 and 2, starts in 4 and 5: cold from 4 h, so that neither may wait for so long."""
    startup = StartupCost((1.0, 4.0), (300.0, 600.0))
    study = study_of([20, 10, 0, 0, 10, 20], alike(2, startup_cost=startup))
    run = gridopt.solve(study, TOGETHER, HiGHS(gap=1e-7))
    assert run.verification is not None
    assert run.verification.cost["startup"] == 600.0
    agree(study)


def test_a_start_may_follow_the_newer_stop() -> None:
    """The unit that has long been off is cold either way: the other one is still warm."""
    startup = StartupCost((1.0, 3.0), (300.0, 600.0))
    study = study_of([20, 10, 10, 10, 0, 10, 20], alike(2, startup_cost=startup))
    run = gridopt.solve(study, TOGETHER, HiGHS(gap=1e-7))
    assert run.verification is not None
    assert run.verification.cost["startup"] == 900.0
    agree(study)


@pytest.mark.parametrize(("cold", "groups"), [(600.0, 1), (601.0, 2)])
def test_units_that_may_take_turns_stay_separate(cold: float, groups: int) -> None:
    """Above twice the warm cost, it pays to stop one unit and start another in the same hour."""
    units = alike(2, startup_cost=StartupCost((1.0, 4.0), (300.0, cold)))
    study = study_of([20, 10, 10, 10, 10, 10, 20], units)
    assert len(identical_units(study, by_bus=False)) == groups
    runs = [gridopt.solve(study, options, HiGHS(gap=1e-7)) for options in (TOGETHER, SEPARATE)]
    assert runs[0].cost == pytest.approx(runs[1].cost)


def test_no_warm_start_before_the_minimum_time_off_counts() -> None:
    """The first category is never reached: units are off for two hours at least."""
    startup = StartupCost((0.0, 2.0, 5.0), (10.0, 300.0, 500.0))
    units = alike(2, startup_cost=startup, min_down_time_h=2.0)
    assert len(identical_units(study_of([20, 10, 20], units), by_bus=False)) == 1
    cold = alike(2, startup_cost=replace(startup, cost=(10.0, 240.0, 500.0)), min_down_time_h=2.0)
    assert len(identical_units(study_of([20, 10, 20], cold), by_bus=False)) == 2
    agree(study_of([20, 10, 0, 10, 20], units))


@pytest.mark.parametrize("status", [-1.0, -2.0, -9.0, 1.0, 9.0])
def test_units_on_for_one_hour_are_held_down_once(status: float) -> None:
    """UT = 1, SU and SD below P̄: a unit that starts and stops again is the same unit."""
    units = alike(
        3,
        p_min_mw=2.0,
        startup_ramp_mw=6.0,
        shutdown_ramp_mw=5.0,
        initial_status_h=status,
        initial_power_mw=4.0 if status > 0 else 0.0,
        cost=CostCurve((2.0, 5.5, 10.0), (20.0, 60.0, 130.0)),
        startup_cost=StartupCost((1.0, 2.0), (10.0, 15.0)),
    )
    reserve = Reserves.spinning(np.array([0.0, 3.0, 1.0, 4.0, 0.0]))
    for demand in ([12, 25, 11, 24, 6], [4, 11, 17, 9, 20], [0, 15, 15, 2, 13]):
        agree(study_of(demand, units, reserves=reserve))


def test_of_units_on_for_one_hour_the_last_to_start_stops_first() -> None:
    """In the second hour, one unit at its most and one that starts and stops: 10 + 5 MW."""
    units = alike(
        2,
        p_min_mw=2.0,
        startup_ramp_mw=6.0,
        shutdown_ramp_mw=5.0,
        initial_status_h=-9.0,
        initial_power_mw=0.0,
        cost=CostCurve((2.0, 10.0), (200.0, 280.0)),
    )
    study = study_of([6, 15, 8], units)
    on = shared_out(study, [np.array([0, 1])], np.array([[1, 2, 1]]))
    assert sorted(on.sum(axis=1).tolist()) == [1, 3]
    run = gridopt.solve(study, TOGETHER, HiGHS(gap=1e-7))
    assert run.schedule is not None
    assert run.schedule.committed.sum(axis=0).tolist() == [1, 2, 1]
    assert run.schedule.unserved_mw.sum() == pytest.approx(0.0, abs=1e-6)
    agree(study)


def test_quadratic_cost_is_shared_evenly() -> None:
    curve = CostCurve((2.0, 10.0), (30.0, 90.0), 0.4)
    units = alike(3, p_min_mw=2.0, cost=curve)
    study = study_of([18, 7, 26, 13], units)
    agree(study)
    run = gridopt.solve(study, TOGETHER, HiGHS(gap=1e-9))
    assert run.schedule is not None
    for power, on in zip(run.schedule.power_mw.T, run.schedule.committed.T, strict=True):
        assert power[on] == pytest.approx(power[on].mean(), abs=1e-3)


# --- sharing out


def allowed(study: Study, on: BoolArray) -> bool:
    """Return whether every unit keeps its minimum times, (N, T), on for long before."""
    least = int(study.thermal.min_up_time_h[0]), int(study.thermal.min_down_time_h[0])
    for states in on:
        changes = np.flatnonzero(np.diff(states, prepend=True))
        for before, after in pairwise(changes):
            if after - before < least[0 if states[before] else 1]:
                return False
    return True


@pytest.mark.parametrize(("up", "down"), [(1, 1), (1, 2), (2, 1), (3, 2)])
def test_shared_out_counts_are_the_cheapest_schedule(up: int, down: int) -> None:
    """Of two units over six hours, all schedules; of each sum, the cheapest starts."""
    startup = StartupCost((float(down), down + 1.0, down + 3.0), (60.0, 75.0, 120.0))
    units = alike(2, min_up_time_h=float(up), min_down_time_h=float(down), startup_cost=startup)
    study = study_of([10.0] * 6, units)
    cheapest: dict[tuple[int, ...], float] = {}
    rows = [np.array(bits, dtype=np.bool_) for bits in product((False, True), repeat=6)]
    rows = [row for row in rows if allowed(study, row[np.newaxis])]
    for pair in product(rows, repeat=2):
        count = tuple(np.sum(pair, axis=0).tolist())
        cheapest[count] = min(cheapest.get(count, np.inf), startup_of(study, np.array(pair)))
    for count, cost in cheapest.items():
        on = shared_out(study, [np.array([0, 1])], np.array([count]) + 1e-7)
        assert tuple(on.sum(axis=0).tolist()) == count
        assert allowed(study, on)
        assert startup_of(study, on) == pytest.approx(cost)


def startup_of(study: Study, on: BoolArray) -> float:
    """Return the cost of the starts of units that are on for long before."""
    total = 0.0
    for startup, states in zip(study.thermal.startup_cost, on, strict=True):
        off = 0
        for state in states:
            total += startup.at(off) if state and off else 0.0
            off = 0 if state else off + 1
    return total


# --- who is alike


def groups_of(study: Study, by_bus: bool = False) -> list[list[int]]:
    return [group.tolist() for group in identical_units(study, by_bus)]


def test_units_are_grouped_where_all_that_counts_is_the_same() -> None:
    units = joined(alike(2), alike(1, p_max_mw=10.5), alike(2))
    assert groups_of(study_of([5.0], units)) == [[0, 1, 3, 4], [2]]


@pytest.mark.parametrize(
    "change",
    [
        {"p_min_mw": 8.0, "cost": CostCurve((8.0, 10.0), (90.0, 105.0))},
        {"startup_ramp_mw": 9.5},
        {"shutdown_ramp_mw": 9.5},
        {"min_up_time_h": 2.0},
        {"min_down_time_h": 2.0},
        {"must_run": True},
        {"initial_status_h": -5.0, "initial_power_mw": 0.0},
        {"cost": CostCurve((9.0, 10.0), (90.0, 106.0))},
        {"cost": CostCurve((9.0, 10.0), (90.0, 105.0), 0.1)},
        {"startup_cost": StartupCost((1.0,), (51.0,))},
    ],
    ids=lambda change: " ".join(change),
)
def test_one_difference_keeps_units_apart(change: dict[str, object]) -> None:
    assert groups_of(study_of([5.0], joined(alike(2), alike(1, **change)))) == [[0, 1], [2]]


@pytest.mark.parametrize(
    "change",
    [
        {"ramp_up_mw_per_h": 0.9},
        {"ramp_down_mw_per_h": 0.9},
        {"cost": CostCurve((9.0, 10.0), (90.0, 105.0), 0.1), "startup_ramp_mw": 9.5},
        {"cost": CostCurve((9.0, 10.0), (90.0, 105.0), 0.1), "shutdown_ramp_mw": 9.5},
    ],
    ids=lambda change: " ".join(change),
)
def test_units_whose_counts_do_not_tell_all_stay_separate(change: dict[str, object]) -> None:
    assert groups_of(study_of([5.0], alike(2, **change))) == [[0], [1]]


def test_time_before_counts_as_far_as_it_binds() -> None:
    status = np.array([1.0, 2.0, 3.0, 9.0, -1.0, -2.0, -3.0, -4.0, -8.0])
    units = replace(
        alike(9, min_up_time_h=3.0, min_down_time_h=2.0),
        initial_status_h=status,
        startup_cost=(StartupCost((2.0, 4.0), (30.0, 50.0)),) * 9,
        shutdown_ramp_mw=np.full(9, 9.5),
        initial_power_mw=np.array([9.2, 9.2, 9.2, 9.2, 0.0, 0.0, 0.0, 0.0, 0.0]),
    )
    assert groups_of(study_of([5.0], units)) == [[0], [1], [2, 3], [4], [5], [6], [7, 8]]
    power = units.initial_power_mw.copy()
    power[3] = 9.6
    above = replace(units, initial_power_mw=power)
    assert groups_of(study_of([5.0], above))[2:4] == [[2], [3]]


def offers(most: list[float], cost: list[float], kind: str = "spinning") -> Reserves:
    return replace(
        Reserves.spinning(np.array([1.0])),
        product=(kind,),
        kind=(kind,),
        offer_max_mw=np.array([most]),
        offer_cost_per_mwh=np.array([cost]),
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reserves": offers([np.inf] * 3, [0.0] * 3)}, [[0, 1, 2]]),
        ({"reserves": offers([1.0] * 3, [0.0] * 3)}, [[0, 1, 2]]),
        ({"reserves": offers([0.0] * 3, [0.0] * 3)}, [[0, 1, 2]]),
        ({"reserves": offers([0.5] * 3, [0.0] * 3)}, [[0], [1], [2]]),
        ({"reserves": offers([np.inf] * 3, [0.0, 0.0, 2.0])}, [[0, 1], [2]]),
        ({"reserves": offers([np.inf, np.inf, 0.0], [0.0] * 3)}, [[0, 1], [2]]),
        ({"reserves": offers([np.inf] * 3, [0.0] * 3, "nonspinning")}, [[0], [1], [2]]),
        ({"reserves": offers([np.inf] * 3, [0.0] * 3, "regulation_down")}, [[0], [1], [2]]),
        ({"fixed_status": np.array([[FREE], [FREE], [FORCED_OUT]])}, [[0, 1], [2]]),
        ({"fixed_status": np.array([[FIXED_ON]] * 3)}, [[0, 1, 2]]),
        (
            {
                "energy_limits": EnergyLimits(
                    ("fuel",), np.array([[1.0, 1.0, 0.0]]), np.zeros((1, 3)),
                    np.zeros((1, 0)), np.array([0.0]), np.array([20.0]),
                )
            },
            [[0, 1], [2]],
        ),
        (
            {
                "energy_limits": EnergyLimits(
                    ("fuel",), np.zeros((1, 3)), np.array([[1.0, 2.0, 1.0]]),
                    np.zeros((1, 0)), np.array([0.0]), np.array([20.0]),
                )
            },
            [[0, 2], [1]],
        ),
    ],
)  # fmt: skip
def test_offers_limits_and_fixed_hours_are_minded(
    changes: dict[str, object], expected: list[list[int]]
) -> None:
    assert groups_of(study_of([5.0], alike(3), **changes)) == expected


def test_buses_count_in_a_network_and_in_zones(make_triangle: Callable[..., Grid]) -> None:
    units = replace(alike(4), bus=np.array([0, 1, 0, 1]))
    demand = np.zeros((3, 1))
    study = study_of(demand, units, grid=make_triangle())
    assert groups_of(study) == [[0, 1, 2, 3]]
    assert groups_of(study, by_bus=True) == [[0, 2], [1, 3]]
    zone = np.array([[True, False, True]])
    zoned = study_of(
        demand,
        units,
        grid=make_triangle(),
        reserves=replace(Reserves.spinning(np.array([1.0])), zone=zone),
    )
    assert groups_of(zoned) == [[0, 2], [1, 3]]
    for network, names in (("copperplate", 1), ("dc", 2)):
        formulation = UnitCommitment(network=network)  # type: ignore[arg-type]
        assert rows_of(formulation, study) == names


def test_identical_units_in_a_network_with_zones(make_triangle: Callable[..., Grid]) -> None:
    """The line from bus 0 to bus 1 is short of what the cheapest units would send."""
    units = replace(alike(5, p_min_mw=2.0), bus=np.array([0, 0, 1, 1, 1]))
    costs = CostCurve((2.0, 10.0), (20.0, 70.0)), CostCurve((2.0, 10.0), (60.0, 200.0))
    units = replace(units, cost=(costs[0],) * 2 + (costs[1],) * 3)
    units = replace(
        units, p_min_mw=np.full(5, 2.0), min_up_time_h=np.array([1.0, 1.0, 2.0, 2.0, 2.0])
    )
    demand = np.array([[0.0] * 4, [12.0, 25.0, 18.0, 8.0], [2.0, 5.0, 3.0, 2.0]])
    zone = np.array([[False, True, False]])
    reserve = replace(Reserves.spinning(np.array([2.0, 1.0, 4.0, 0.0])), zone=zone)
    study = study_of(demand, units, grid=make_triangle(7.0), reserves=reserve)
    formulation = UnitCommitment(network="dc")
    together = gridopt.solve(study, formulation, HiGHS(gap=1e-8))
    separate = gridopt.solve(
        study, replace(formulation, identical_units="separate"), HiGHS(gap=1e-8)
    )
    free = gridopt.solve(study, TOGETHER, HiGHS(gap=1e-8))
    assert together.is_feasible
    assert together.cost == pytest.approx(separate.cost, rel=1e-7)
    assert together.cost > free.cost + 1.0


def rows_of(formulation: UnitCommitment, study: Study) -> int:
    """Return how many units or groups of units the program for HiGHS has."""
    program = formulation.build(study)
    target = program if program.equivalent is None else program.equivalent.program
    return target.variables["on"].shape[0]


def test_scenarios_and_a_wish_keep_units_separate() -> None:
    study = study_of([15.0, 5.0], alike(2))
    assert rows_of(TOGETHER, study) == 1
    assert rows_of(SEPARATE, study) == 2
    none = np.zeros((0, 2))
    likely = Scenario("likely", 1.0, study.demand_mw, none, none)
    assert rows_of(TOGETHER, replace(study, scenarios=(likely,))) == 2
    assert TOGETHER.notes(replace(study, scenarios=(likely,))) == ()


def test_notes_name_identical_units() -> None:
    units = joined(alike(2), alike(1, p_max_mw=11.0), alike(2, must_run=True))
    study = study_of([25.0], units)
    expected = "identical units, counted together: unit 0, unit 1; unit 3, unit 4"
    assert TOGETHER.notes(study) == (expected,)
    assert SEPARATE.notes(study) == ()
    assert TOGETHER.notes(study_of([5.0], alike(1))) == ()


def test_other_decisions_pass_through() -> None:
    """Storage decides beside the units; its 0/1 columns are the same in both programs."""
    battery = Storage(
        (("storage", 0),), ("battery",), np.array([0]),
        *[np.array([value]) for value in (6.0, 5.0, 1.0, 9.0, 4.0, 0.9, 0.8)],
    )  # fmt: skip
    study = study_of(
        [12, 22, 8, 27, 14],
        alike(3, p_min_mw=4.0, cost=CostCurve((4.0, 10.0), (80.0, 140.0))),
        storage=battery,
    )
    agree(study)


def test_one_period_and_no_start_at_all() -> None:
    startup = StartupCost((1.0, 2.0), (300.0, 400.0))
    study = study_of([18.0], alike(2, startup_cost=startup))
    agree(study)
    run = gridopt.solve(study, TOGETHER, HiGHS(gap=1e-8))
    assert run.plan is not None
    assert verify(study, run.plan).total_cost == pytest.approx(2 * 90.0)


def test_no_unit_at_all() -> None:
    run = gridopt.solve(study_of([18.0, 20.0], alike(0)), TOGETHER, HiGHS(gap=1e-8))
    assert run.cost == pytest.approx(38.0 * 1000.0)
