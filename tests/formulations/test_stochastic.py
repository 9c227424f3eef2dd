"""Two-stage plans: one commitment for several scenarios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.elements import FlexibleDemand, Renewables, Storage
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.grid import Grid
from gridopt.requirements import Reserves
from gridopt.results import ScenarioSchedules
from gridopt.solvers.highs import HiGHS
from gridopt.study import FIXED_ON, FORCED_OUT, Scenario, Study

T = 4
MakeStudy = Callable[..., Study]


@pytest.fixture(scope="module")
def study(make_study: MakeStudy, make_triangle: Callable[..., Grid]) -> Study:
    """Return a study with wind, a battery, flexible demand, reserve and two scenarios."""
    demand = np.array([[0.0] * T, [0.0] * T, [70.0, 100.0, 80.0, 55.0]])
    infeed = np.zeros((1, T))
    return make_study(
        demand_mw=demand,
        grid=make_triangle(),
        renewables=Renewables(
            (("sgen", 1),), ("wind",), np.array([1]), infeed, infeed + 20.0, np.array([1.0])
        ),
        storage=Storage(
            (("storage", 0),),
            ("battery",),
            np.array([2]),
            *[np.array([value]) for value in (10.0, 10.0, 0.0, 20.0, 5.0, 0.9, 0.9)],
        ),
        flexible=FlexibleDemand(
            (("load", 1),), ("smelter",), np.array([0]), infeed, infeed + 8.0, np.array([30.0])
        ),
        reserves=Reserves.spinning(np.full(T, 5.0)),
        scenarios=(
            Scenario("calm", 0.4, 1.15 * demand, infeed, infeed + 2.0),
            Scenario("windy", 0.6, 0.9 * demand, infeed, infeed + 32.0),
        ),
        unserved_cost_per_mwh=500.0,
    )


def expected(study: Study) -> Study:
    """Return the study in which the mean of the scenarios is certain."""

    def mean(name: str) -> np.ndarray:
        parts = [part.probability * getattr(part, name) for part in study.scenarios]
        return np.asarray(np.sum(parts, axis=0))

    fields = ("demand_mw", "renewable_min_mw", "renewable_max_mw")
    return study.in_scenario(Scenario("mean", 1.0, *[mean(name) for name in fields]))


def test_one_certain_scenario_is_the_deterministic_program(study: Study) -> None:
    only = replace(study.scenarios[0], probability=1.0)
    program = UnitCommitment().build(replace(study, scenarios=(only,)))
    other = UnitCommitment().build(study.in_scenario(only))
    assert np.array_equal(program.A.toarray(), other.A.toarray())
    for name in ("c", "c0", "lower", "upper", "row_lower", "row_upper", "integrality"):
        assert np.array_equal(getattr(program, name), getattr(other, name)), name


def test_the_stochastic_solution_has_a_value(study: Study) -> None:
    run = gridopt.solve(study, gap=1e-9)
    mean = gridopt.solve(expected(study), gap=1e-9)
    assert mean.schedule is not None
    fixed = np.where(mean.schedule.committed, FIXED_ON, FORCED_OUT)
    of_mean = gridopt.solve(replace(study, fixed_status=fixed), gap=1e-9)
    apart = [gridopt.solve(study.in_scenario(part), gap=1e-9) for part in study.scenarios]
    weights = [part.probability for part in study.scenarios]
    wait_and_see = sum(weight * one.cost for weight, one in zip(weights, apart, strict=True))
    assert of_mean.cost > run.cost + 1.0  # Birge & Louveaux 2011, section 4.2: strict in this case
    assert wait_and_see < run.cost - 1.0


def test_the_plan_has_a_schedule_for_each_scenario(study: Study) -> None:
    run = gridopt.solve(study, gap=1e-9)
    plan = run.plan
    assert isinstance(plan, ScenarioSchedules)
    assert run.schedule is None
    assert run.is_feasible
    assert run.solution.objective == pytest.approx(run.cost)
    table = plan.units()
    assert table["scenario"].tolist() == ["calm"] * 3 * T + ["windy"] * 3 * T
    assert list(table.columns[:3]) == ["scenario", "generator", "period"]
    on = table[table["generator"] == "peak"].groupby("period")["committed"].nunique()
    assert (on == 1).all()
    assert plan.dispatch()["calm"].shape == plan.schedules[0].dispatch().shape
    assert np.array_equal(plan.committed, plan.schedules[1].committed)
    assert run.summary()["cost"] == pytest.approx(run.cost)


def test_costs_are_expected_and_starts_count_once(study: Study) -> None:
    run = gridopt.solve(study, gap=1e-9)
    plan, found = run.plan, run.verification
    assert isinstance(plan, ScenarioSchedules)
    assert found is not None
    parts = [gridopt.verify(one.study, one) for one in plan.schedules]
    assert found.cost["startup"] == pytest.approx(parts[0].cost["startup"])
    assert found.cost["startup"] > 0
    mean = 0.4 * parts[0].cost["production"] + 0.6 * parts[1].cost["production"]
    assert found.cost["production"] == pytest.approx(mean)
    mean = 0.4 * parts[0].energy_mwh["curtailed"] + 0.6 * parts[1].energy_mwh["curtailed"]
    assert found.energy_mwh["curtailed"] == pytest.approx(mean)


def test_each_scenario_is_judged_by_its_own_data(study: Study) -> None:
    plan = gridopt.solve(study).plan
    assert isinstance(plan, ScenarioSchedules)
    swapped = replace(plan, schedules=plan.schedules[::-1])
    found = gridopt.verify(study, swapped)
    assert found.counts()["balance"] == 2 * T
    assert {violation.element for violation in found.violations} >= {
        "system in scenario calm",
        "system in scenario windy",
        "wind in scenario calm",
    }


def test_commitments_that_differ_are_caught(study: Study) -> None:
    plan = gridopt.solve(study).plan
    assert isinstance(plan, ScenarioSchedules)
    calm, windy = plan.schedules
    other = windy.committed.copy()
    other[1, 1] = not other[1, 1]
    changed = replace(plan, schedules=(calm, replace(windy, committed=other)))
    found = gridopt.verify(study, changed)
    assert found.counts()["nonanticipativity"] == 1
    assert "peak in scenario windy" in str(found.violations[0])


def test_lines_limit_every_scenario(study: Study, make_triangle: Callable[..., Grid]) -> None:
    free = gridopt.solve(study, network="dc", gap=1e-9)
    tight = gridopt.solve(replace(study, grid=make_triangle(15.0)), network="dc", gap=1e-9)
    assert tight.is_feasible
    assert tight.cost > free.cost + 1.0
    assert isinstance(tight.plan, ScenarioSchedules)
    for schedule in tight.plan.schedules:
        assert np.abs(schedule.flow_mw()[0]).max() <= 15.0 + 1e-6


def test_blocks_are_named_after_their_scenario(study: Study) -> None:
    program = UnitCommitment().build(study)
    assert {"on", "above_min_mw@calm", "above_min_mw@windy"} <= set(program.variables)
    assert {"logic", "balance@calm", "balance@windy"} <= set(program.rows)
    assert HiGHS().solve(program.relaxed()).objective <= HiGHS().solve(program).objective


def test_scenarios_enter_the_fingerprint_whole(make_study: MakeStudy) -> None:
    demand = np.full((1, 2000), 50.0)  # NumPy shortens so many when it prints them
    other = demand.copy()
    other[0, 1000] = 51.0
    none = np.zeros((0, 2000))
    prints = {
        make_study(demand, scenarios=(Scenario("a", 1.0, mw, none, none),)).fingerprint()
        for mw in (demand, other)
    }
    assert len(prints) == 2
