"""Days planned one after the other are one plan: across midnight, after a kill, at the optimum."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.arrays import FloatArray
from gridopt.elements import FlexibleDemand, Storage
from gridopt.errors import StudyError
from gridopt.requirements import EnergyLimits, Reserves
from gridopt.rolling import OVER_TIME, Horizon, State
from gridopt.simulation import Day, Simulation, simulate
from gridopt.study import FIXED_ON, Scenario, Study
from gridopt.windows import window

MakeStudy = Callable[..., Study]

PERIOD_H = 3.0
DAY = 8
"""Periods of a day."""


def demand_mw(days: int, seed: int = 1) -> FloatArray:
    """Return days of two peaks each, no two alike."""
    rng = np.random.default_rng(seed)
    shape = np.array([45.0, 42.0, 75.0, 110.0, 90.0, 80.0, 120.0, 60.0])
    return np.asarray(np.concatenate([shape * rng.uniform(0.8, 1.1) for _ in range(days)]))


@pytest.fixture
def make_days(make_study: MakeStudy) -> MakeStudy:
    """Return a function that makes a study of days of three-hour periods."""

    def make(days: int = 3, **changes: Any) -> Study:
        return make_study(demand_mw(days), period_h=PERIOD_H, **changes)

    return make


@pytest.fixture
def three_days(make_days: MakeStudy) -> Study:
    return make_days(3)


def battery() -> Storage:
    return Storage(
        element=(("storage", 0),),
        name=("battery",),
        bus=np.array([0]),
        charge_max_mw=np.array([10.0]),
        discharge_max_mw=np.array([12.0]),
        energy_min_mwh=np.array([5.0]),
        energy_max_mwh=np.array([80.0]),
        initial_soc_mwh=np.array([30.0]),
        charge_efficiency=np.array([0.9]),
        discharge_efficiency=np.array([0.95]),
        loss_per_h=np.array([0.001]),
    )


def fuel(most: float, least: float = -np.inf) -> EnergyLimits:
    """Return a budget of the peak unit's energy."""
    return EnergyLimits(
        name=("fuel",),
        thermal_per_mwh=np.array([[0.0, 1.0]]),
        thermal_per_h=np.array([[0.0, 0.5]]),
        renewable_per_mwh=np.zeros((1, 0)),
        least=np.array([least]),
        most=np.array([most]),
    )


def demand_response(periods: int) -> FlexibleDemand:
    return FlexibleDemand(
        element=(("load", 9),),
        name=("works",),
        bus=np.array([0]),
        p_min_mw=np.zeros((1, periods)),
        p_max_mw=np.full((1, periods), 8.0),
        value_per_mwh=np.array([45.0]),
        interruption_max_mwh=np.array([60.0]),
    )


def same_plan(one: Simulation, other: Simulation) -> bool:
    """Return whether two simulations are equal in every bit."""
    assert one.schedule is not None
    assert other.schedule is not None
    arrays = all(
        np.array_equal(getattr(one.schedule, name), getattr(other.schedule, name))
        for name in OVER_TIME
    )
    costs = [day.cost_items for day in one.days] == [day.cost_items for day in other.days]
    return arrays and costs and one.cost == other.cost


# --- the plan -------------------------------------------------------------------------------------


def test_days_add_up_to_one_plan_that_keeps_every_rule(three_days: Study) -> None:
    done = simulate(three_days, look_ahead_h=6, gap=0.0)
    assert done.is_complete
    assert done.is_feasible
    assert done.stopped == ""
    assert [day.number for day in done.days] == [1, 2, 3]
    assert [day.period for day in done.days] == ["0", "8", "16"]
    assert done.cost == pytest.approx(sum(day.cost for day in done.days), rel=1e-12)
    assert done.schedule is not None
    assert done.schedule.study.fingerprint() == three_days.fingerprint()
    assert gridopt.verify(three_days, done.schedule).violations == ()
    best = gridopt.solve(three_days, gap=0.0)
    assert best.bound <= done.cost + 1e-6


def test_states_at_midnight_are_those_of_the_whole_plan(three_days: Study) -> None:
    done = simulate(three_days, look_ahead_h=6, gap=0.0)
    assert done.schedule is not None
    state = State.before(three_days)
    for day in (1, 2):
        hours = slice((day - 1) * DAY, day * DAY)
        part = replace(three_days.during(hours.start, DAY), thermal=state.thermal)
        arrays = {name: getattr(done.schedule, name)[..., hours] for name in OVER_TIME}
        state = state.after(replace(done.schedule, study=part, **arrays))
        told = window(done.schedule, three_days.thermal.name, day * DAY, 1).thermal
        assert state.thermal.initial_status_h.tolist() == told.initial_status_h.tolist()
        assert state.thermal.initial_power_mw.tolist() == told.initial_power_mw.tolist()


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"storage": battery()},
        {"energy_limits": fuel(most=150.0), "unserved_cost_per_mwh": 100.0},
        {"energy_limits": fuel(most=np.inf, least=2200.0)},
        {"flexible": demand_response(2 * DAY)},
    ],
    ids=["units", "storage", "fuel budget", "least energy", "interruptions"],
)
def test_who_sees_all_to_the_end_plans_at_least_cost(
    parts: dict[str, object], make_days: MakeStudy
) -> None:
    """The rest of a best plan is a best plan of the rest: Bellman's principle is the oracle."""
    study = make_days(2, **parts)
    best = gridopt.solve(study, gap=1e-9)
    done = simulate(study, look_ahead_h=24, gap=1e-9)
    assert best.is_feasible
    assert done.is_feasible
    assert done.cost == pytest.approx(best.cost, rel=1e-7)
    if parts:
        assert best.cost != pytest.approx(gridopt.solve(make_days(2), gap=1e-9).cost, rel=1e-4)


@pytest.mark.parametrize("look_ahead_h", [0, 6])
def test_limits_over_all_days_hold_without_seeing_them_all(
    look_ahead_h: float, make_days: MakeStudy
) -> None:
    study = make_days(
        3,
        storage=battery(),
        energy_limits=fuel(most=400.0, least=350.0),
        flexible=demand_response(3 * DAY),
    )
    done = simulate(study, look_ahead_h=look_ahead_h, gap=1e-6)
    assert done.is_feasible
    assert done.schedule is not None
    soc = done.schedule.soc_mwh[0]
    assert np.ptp(soc) > 10.0  # the storage is used
    assert soc[-1] >= 30.0 - 1e-6


def test_what_is_left_of_a_limit_is_shared_by_the_periods_left(make_days: MakeStudy) -> None:
    study = make_days(4, energy_limits=fuel(most=1000.0, least=300.0))
    horizon = Horizon.of(study, None, look_ahead_h=12.0)
    state = replace(State.before(study), energy_taken=np.array([400.0]))
    limits = horizon.window(2, state).energy_limits
    assert limits.most.tolist() == [600.0 * 12 / 24]
    assert limits.least.tolist() == [-100.0 * 12 / 24]
    assert horizon.window(4, state).energy_limits.most.tolist() == [600.0]


def test_a_unit_too_high_to_stop_stays_on(make_study: MakeStudy) -> None:
    """Reserve counts before a stop; the next window knows of power only."""
    demand = np.concatenate([np.full(DAY, 85.0), np.full(DAY, 12.0)])
    study = make_study(
        demand,
        period_h=PERIOD_H,
        reserves=Reserves.spinning(np.full(2 * DAY, 15.0)),
        surplus_cost_per_mwh=1.0,
    )
    done = simulate(study, look_ahead_h=0, gap=1e-6)
    assert done.is_feasible
    assert done.schedule is not None
    units, held = study.thermal, done.schedule.power_mw + done.schedule.held_mw("spinning")
    assert held[0, DAY - 1] > units.shutdown_ramp_mw[0]
    assert done.schedule.committed[0, DAY]
    assert not done.schedule.committed[0, -1]
    before = replace(done.schedule, study=study.during(0, DAY))
    first = {name: getattr(before, name)[..., :DAY] for name in OVER_TIME}
    state = State.before(study).after(replace(before, **first))
    assert state.must_stay_on.tolist() == [True, False]
    fixed = Horizon.of(study, None, 0.0).window(2, state).fixed_status
    assert (fixed == FIXED_ON).sum() == 1
    assert fixed[0, 0] == FIXED_ON


def test_the_look_ahead_ends_with_the_days(three_days: Study) -> None:
    horizon = Horizon.of(three_days, 2, 12.0)
    state = State.before(three_days)
    assert horizon.study.n_periods == 2 * DAY
    assert [horizon.window(day, state).n_periods for day in (1, 2)] == [12, 8]


# --- folders --------------------------------------------------------------------------------------


def test_a_killed_run_goes_on_to_the_same_plan(make_days: MakeStudy, tmp_path: Path) -> None:
    study = make_days(
        4, storage=battery(), energy_limits=fuel(600.0), flexible=demand_response(4 * DAY)
    )
    whole = simulate(study, look_ahead_h=6, gap=0.001)
    written = simulate(study, look_ahead_h=6, gap=0.001, out=tmp_path / "run")
    assert same_plan(whole, written)
    files = sorted((tmp_path / "run" / "days").iterdir())
    assert [file.name for file in files] == [f"day-000{day}.json" for day in (1, 2, 3, 4)]
    for file in files[2:]:
        file.unlink()
    kept = [file.stat().st_mtime_ns for file in files[:2]]
    seen: list[Day] = []
    resumed = simulate(study, look_ahead_h=6, gap=0.001, out=tmp_path / "run", progress=seen.append)
    assert same_plan(whole, resumed)
    assert [day.number for day in seen] == [1, 2, 3, 4]
    assert [file.stat().st_mtime_ns for file in files[:2]] == kept
    again = simulate(study, look_ahead_h=6, gap=0.001, out=tmp_path / "run")
    assert same_plan(whole, again)
    assert again.days == resumed.days


def test_ctrl_c_keeps_the_days_that_are_whole(three_days: Study, tmp_path: Path) -> None:
    def stop(day: Day) -> None:
        if day.number == 2:
            raise KeyboardInterrupt

    part = simulate(three_days, look_ahead_h=6, gap=0.0, out=tmp_path, progress=stop)
    assert part.stopped == "day 3: interrupted"
    assert len(part.days) == 2
    assert not part.is_feasible
    assert part.cost == np.inf
    assert part.schedule is not None
    assert part.schedule.study.n_periods == 2 * DAY
    assert part.verification is not None
    assert part.verification.violations == ()
    rest = simulate(three_days, look_ahead_h=6, gap=0.0, out=tmp_path)
    late = simulate(three_days, 2, look_ahead_h=6, gap=0.0, progress=stop)
    assert late.is_complete
    assert late.stopped == ""
    assert same_plan(rest, simulate(three_days, look_ahead_h=6, gap=0.0))


def test_a_folder_of_something_else_is_refused(three_days: Study, tmp_path: Path) -> None:
    simulate(three_days, look_ahead_h=6, gap=0.01, out=tmp_path)
    with pytest.raises(StudyError) as caught:
        simulate(three_days, 2, look_ahead_h=3, gap=0.02, out=tmp_path)
    fields = {issue.field for issue in caught.value.issues}
    assert fields == {"fingerprint", "days", "look_ahead_h", "solver_options"}
    assert "or another folder" in str(caught.value)
    dearer = replace(three_days, unserved_cost_per_mwh=500.0)
    with pytest.raises(StudyError, match="fingerprint"):
        simulate(dearer, look_ahead_h=6, gap=0.01, out=tmp_path)
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(StudyError, match="a folder that can be written"):
        simulate(three_days, out=file / "sub")


def test_a_damaged_day_is_named(three_days: Study, tmp_path: Path) -> None:
    simulate(three_days, look_ahead_h=6, gap=0.01, out=tmp_path)
    file = tmp_path / "days" / "day-0002.json"
    content = json.loads(file.read_text())
    del content["record"]["seconds"]
    content["record"]["cost_items"] = 5
    file.write_text(json.dumps(content))
    with pytest.raises(StudyError, match=r"file day-0002\.json: record\.seconds = missing"):
        simulate(three_days, look_ahead_h=6, gap=0.01, out=tmp_path)
    content["fingerprint"] = "0" * 16
    file.write_text(json.dumps(content))
    with pytest.raises(StudyError, match=r"day-0002\.json: fingerprint = 0000"):
        simulate(three_days, look_ahead_h=6, gap=0.01, out=tmp_path)
    file.write_text(file.read_text()[:100])
    with pytest.raises(StudyError, match=r"day-0002\.json: JSON = "):
        simulate(three_days, look_ahead_h=6, gap=0.01, out=tmp_path)


# --- no answer, bad input -------------------------------------------------------------------------


def test_a_day_without_an_answer_ends_it(three_days: Study) -> None:
    asked = np.zeros(3 * DAY)
    asked[DAY + 3] = 70.0  # more than the units can hold beside the demand
    study = replace(three_days, reserves=Reserves.spinning(asked))
    done = simulate(study, look_ahead_h=0, gap=0.0)
    assert done.stopped == "day 2: no feasible answer (infeasible)"
    assert len(done.days) == 1
    assert not done.is_feasible
    assert done.verification is not None
    assert done.verification.violations == ()
    record = done.summary()
    assert record["feasible"] is False
    assert record["cost"] is None
    assert (record["days"], record["days_planned"]) == (3, 1)
    none = simulate(study.during(DAY, 2 * DAY), gap=0.0)
    assert none.schedule is None
    assert none.days == ()
    assert none.table().empty
    assert none.summary()["cost_planned"] == 0


def test_the_record_is_plain_and_whole(three_days: Study) -> None:
    done = simulate(three_days, look_ahead_h=6, gap=0.0, seed=3)
    record = done.summary()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["fingerprint"] == three_days.fingerprint()
    assert record["feasible"] is True
    assert record["cost"] == done.cost == pytest.approx(sum(record["cost_items"].values()))
    assert record["solver_options"]["gap"] == 0.0
    assert record["seed"] == 3
    assert 0 <= record["mean_gap"] <= record["largest_gap"] < 1e-6
    assert record["seconds"] >= record["longest_day_s"] > 0
    table = done.table()
    assert table["day"].tolist() == [1, 2, 3]
    assert table["cost"].sum() == pytest.approx(done.cost)
    assert (table["production_cost"] + table["startup_cost"]).tolist() == pytest.approx(
        table["cost"].tolist()
    )


def test_bad_requests_list_all_faults(three_days: Study) -> None:
    likely = Scenario("likely", 1.0, three_days.demand_mw, np.zeros((0, 24)), np.zeros((0, 24)))
    with pytest.raises(StudyError) as caught:
        simulate(replace(three_days, scenarios=(likely,)), days=4, look_ahead_h=4)
    told = {issue.field: issue.expected for issue in caught.value.issues}
    assert set(told) == {"days", "look_ahead_h", "scenarios"}
    assert told["days"] == "1 to 3, as many as the study has"
    with pytest.raises(StudyError, match="period_h = 5"):
        simulate(replace(three_days, period_h=5.0), look_ahead_h=0)
    with pytest.raises(StudyError, match="days = 0, expected 1 to 3"):
        simulate(three_days, days=0)
    with pytest.raises(StudyError, match="look_ahead_h = -3"):
        simulate(three_days, look_ahead_h=-3)
