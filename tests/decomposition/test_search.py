"""The whole decomposition, against optima that HiGHS proves."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt import plots
from gridopt.elements import Storage, ThermalUnits
from gridopt.errors import OptionError, UnsupportedError
from gridopt.formulations import unit_commitment
from gridopt.formulations.blocks import thermal_agents
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.grid import Grid
from gridopt.program import ProgramBuilder
from gridopt.registry import make, solver_class
from gridopt.requirements import Reserves
from gridopt.solution import Solution, Termination
from gridopt.solver import Progress
from gridopt.solvers.decomposition import Decomposition
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

MakeStudy = Callable[..., Study]

SAMPLERS: dict[str, dict[str, object]] = {
    "none": {},
    "random": {"reads": 50},
    "greedy": {},
    "neal": {"reads": 8, "sweeps": 100},
    "anneal": {"reads": 4, "sweeps": 50},
    "tabu": {},
    "exact": {"core_bits": 12},
    "qaoa": {"core_bits": 6, "shots": 200},
}
"""Each with what makes it fast."""


def eight_units(make_study: MakeStudy, make_units: Callable[..., ThermalUnits]) -> Study:
    """Four pairs of the two units, no two alike, over twelve hours with reserve."""
    pair = make_units()
    rng = np.random.default_rng(5)
    picked = pair.picked(np.tile([0, 1], 4))
    names = tuple(f"{name} {k}" for k, name in enumerate(picked.name))
    element = tuple(("gen", k) for k in range(8))
    cost = tuple(
        replace(curve, cost_per_h=tuple(float(rng.uniform(0.8, 1.2)) * c for c in curve.cost_per_h))
        for curve in picked.cost
    )
    convex = tuple(
        replace(
            curve,
            cost_per_h=tuple(c / curve.cost_per_h[0] * base.cost_per_h[0] for c in base.cost_per_h),
        )
        if not curve.is_convex
        else curve
        for curve, base in zip(cost, picked.cost, strict=True)
    )
    hours = np.arange(12)
    demand = 330.0 + 130.0 * np.sin(hours / 2.0)
    return make_study(
        demand,
        thermal=replace(picked, name=names, element=element, cost=convex),
        reserves=Reserves.spinning(0.1 * demand),
    )


@pytest.fixture(scope="module")
def study(make_study: MakeStudy, make_units: Callable[..., ThermalUnits]) -> Study:
    return eight_units(make_study, make_units)


@pytest.fixture(scope="module")
def optimum(study: Study) -> float:
    found = HiGHS(gap=1e-6).solve(UnitCommitment().build(study))
    assert found.termination is Termination.OPTIMAL
    return found.objective


def solved(study: Study, name: str, **options: object) -> Solution:
    sampler = None if name == "none" else name
    given: dict[str, object] = {"sampler": sampler, "windows": False, "gap": 1e-6, "core_bits": 40}
    given |= {**SAMPLERS[name], **options}
    method = make(solver_class("decomposition"), "decomposition", given)
    return method.solve(UnitCommitment().build(study))


@pytest.mark.parametrize("name", SAMPLERS)
def test_answers_are_feasible_and_bounds_hold(study: Study, optimum: float, name: str) -> None:
    found = solved(study, name)
    assert found.is_feasible
    assert optimum * (1.0 - 1e-6) <= found.objective <= 1.03 * optimum
    assert 0.97 * optimum <= found.bound <= optimum * (1.0 + 1e-6)
    assert found.bound_source
    costs = [step.objective for step in found.trace]
    bounds = [step.bound for step in found.trace]
    assert costs == sorted(costs, reverse=True)
    assert bounds == sorted(bounds)
    assert found.objective <= float(found.details["null_objective"])
    assert ("cores" in found.details) is (name != "none")


def test_samplers_add_to_the_null_sampler(study: Study, optimum: float) -> None:
    null = solved(study, "none").objective
    best = min(solved(study, name).objective for name in ("neal", "anneal"))
    assert best < null or null == pytest.approx(optimum)


@pytest.mark.parametrize("limit", [{}, {"time_limit_s": 60.0}])
@pytest.mark.parametrize("name", ["none", "greedy"])
def test_windows_find_the_optimum(
    study: Study, optimum: float, name: str, limit: dict[str, float]
) -> None:
    found = solved(study, name, windows=True, gap=1e-4, **limit)
    assert found.objective <= optimum * (1.0 + 1e-4)
    assert found.termination is Termination.OPTIMAL or int(found.details["windows"]) > 0
    assert found.prices is not None
    again = HiGHS(gap=1e-6, start=found).solve(UnitCommitment().build(study))
    assert again.objective == pytest.approx(optimum, rel=1e-6)


def test_what_fails_beside_is_not_lost(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(HiGHS, "solve_by", fail)
    with pytest.raises(MemoryError, match="no more"):
        solved(study, "greedy", time_limit_s=20.0)


@pytest.mark.parametrize("name", ["neal", "anneal"])
def test_same_seed_same_answer_with_any_number_of_threads(
    study: Study, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = solved(study, name, windows=True)
    monkeypatch.setattr(thermal_agents, "threads_within", lambda _: 3)
    other = solved(study, name, windows=True)
    assert one.x is not None
    assert other.x is not None
    assert np.array_equal(one.x, other.x)
    assert one.bound == other.bound


def test_stops_at_the_gap(study: Study) -> None:
    found = solved(study, "neal", gap=0.5)
    assert found.termination is Termination.OPTIMAL
    assert found.gap <= 0.5
    assert "cores" not in found.details


def test_interrupted_before_the_first_prices(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    program = UnitCommitment().build(study)
    monkeypatch.setattr(type(program.agents), "answers", pressed)
    found = Decomposition().solve(program)
    assert found.termination is Termination.INTERRUPTED
    assert found.x is None
    assert found.bound == -np.inf


def test_time_limit_and_interruption_give_the_best_so_far(study: Study) -> None:
    assert solved(study, "neal", time_limit_s=1e-3).termination is Termination.TIME_LIMIT

    def interrupt(report: Progress) -> None:
        if np.isfinite(report.objective):
            _thread.interrupt_main()  # as Ctrl-C does; reports come from other threads too

    program = UnitCommitment().build(study)
    found = Decomposition(gap=1e-9).solve(program, interrupt)
    assert found.termination is Termination.INTERRUPTED
    assert found.is_feasible


def test_limits_of_lines_are_priced_rows(
    make_study: MakeStudy, make_triangle: Callable[..., Grid]
) -> None:
    grid = make_triangle(rating_mw=30.0)
    demand = np.array([[0.0, 0.0, 0.0], [40.0, 70.0, 50.0], [20.0, 20.0, 10.0]])
    study = make_study(demand, grid=grid, unserved_cost_per_mwh=400.0, surplus_cost_per_mwh=100.0)
    formulation = unit_commitment.UnitCommitment(network="dc")
    exact = gridopt.solve(study, formulation, HiGHS(gap=1e-7))
    run = gridopt.solve(study, formulation, Decomposition(gap=1e-4))
    assert run.is_feasible
    assert int(run.solution.details["lazy_rows"]) > 0
    assert run.bound <= exact.cost * (1.0 + 1e-6)
    assert exact.cost * (1.0 - 1e-6) <= run.cost <= 1.02 * exact.cost


def test_nobodys_integers_are_whole(make_study: MakeStudy) -> None:
    """A battery under negative prices would charge and discharge at once, if it could."""
    battery = Storage(
        (("storage", 0),),
        ("battery",),
        np.zeros(1, dtype=np.int64),
        *(np.array([value]) for value in (20.0, 20.0, 0.0, 40.0, 20.0, 0.8, 0.8)),
    )
    study = make_study((45.0, 10.0, 20.0, 60.0), storage=battery, surplus_cost_per_mwh=100.0)
    exact = gridopt.solve(study, "unit_commitment", "highs", gap=1e-6)
    run = gridopt.solve(study, "unit_commitment", "decomposition", gap=1e-4, reads=4)
    assert run.is_feasible
    assert run.cost >= exact.cost * (1.0 - 1e-6)
    assert run.bound <= exact.cost * (1.0 + 1e-6)


@pytest.mark.parametrize("limit", [{}, {"time_limit_s": 60.0}])
def test_what_no_decision_can_serve_is_named(study: Study, limit: dict[str, Any]) -> None:
    units = study.thermal
    off = replace(
        study,
        demand_mw=study.demand_mw * 0.0 + float(units.p_max_mw.sum()) * 0.98,
        reserves=Reserves.none(study.n_periods),
    )
    found = solved(off, "neal", **limit)
    assert not found.is_feasible
    assert found.termination in {Termination.SAMPLED, Termination.INFEASIBLE}
    assert found.missing[0].block == "balance"
    run = gridopt.solve(off, "unit_commitment", "decomposition", sampler=None, **limit)
    line = run.missing[0]
    assert line.startswith(f"balance at {off.time[0]}: short by ")
    assert line.endswith(f"{found.missing[0].amount:.6g} MW")
    assert run.summary()["missing"] == list(run.missing)


def test_a_run_shows_how_it_converged(study: Study) -> None:
    run = gridopt.solve(
        study, "unit_commitment", "decomposition", sampler="anneal", gap=1e-3, reads=4, sweeps=50
    )
    record = run.summary()
    assert record["solver_options"]["sampler"]["solver"] == "anneal"
    assert record["trace"][-1]["objective"] == pytest.approx(run.cost)
    assert {"numba", "highspy"} <= record["versions"].keys()
    labels = [
        text.get_text() for legend in plots.convergence(run).legends for text in legend.get_texts()
    ]
    assert labels == ["cost", "bound"]
    exact = gridopt.solve(study, "unit_commitment", "highs", gap=0.01)
    axes = plots.convergence(exact).axes[0]
    assert "does not tell" in axes.texts[0].get_text()


def test_options_are_checked() -> None:
    wrong = ({"sampler": "highs"}, {"gap": 1.0}, {"core_bits": 0}, {"sampler": 3}, {"windows": 1})
    for options in wrong:
        with pytest.raises(OptionError, match="decomposition: "):
            make(solver_class("decomposition"), "decomposition", options)
    b = ProgramBuilder()
    b.minimize(1.0, b.binary("x", (2,)))
    with pytest.raises(UnsupportedError, match="no agents"):
        Decomposition().solve(b.program())
