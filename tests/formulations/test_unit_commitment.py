"""The program against an oracle that shares nothing with it: every commitment, one LP each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.elements import (
    Exchange,
    Renewables,
    Storage,
    ThermalUnits,
)
from gridopt.errors import OptionError, StudyError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.grid import Grid
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

MakeStudy = Callable[..., Study]


def test_startup_cost_follows_the_time_off(make_study: MakeStudy) -> None:
    study = make_study(demand_mw=(60.0, 20.0, 20.0, 90.0, 90.0))
    run = gridopt.solve(study, gap=1e-9)
    assert run.verification is not None
    assert run.verification.cost["startup"] == pytest.approx(100.0 + 300.0)


def test_kazarlis_optimum_is_the_published_one() -> None:
    run = gridopt.solve(gridopt.kazarlis(), "unit_commitment", "highs", gap=1e-5)
    assert run.termination == "optimal"
    assert run.cost == pytest.approx(563_937.7, abs=0.5)
    assert run.bound >= 563_937.7 * (1 - 1e-5)
    assert run.bound <= run.cost


def test_a_line_limit_moves_power(
    make_study: MakeStudy,
    make_units: Callable[..., ThermalUnits],
    make_triangle: Callable[..., Grid],
) -> None:
    thermal = make_units(bus=np.array([0, 1]))
    free = make_study(grid=make_triangle(), thermal=thermal)
    tight = make_study(grid=make_triangle(20.0), thermal=thermal)
    before = gridopt.solve(free, network="dc", gap=1e-9)
    after = gridopt.solve(tight, network="dc", gap=1e-9)
    ignored = gridopt.solve(tight, network="copperplate", gap=1e-9)
    assert before.cost == pytest.approx(ignored.cost)
    assert after.cost > before.cost
    assert after.is_feasible
    assert after.schedule is not None
    assert np.abs(after.schedule.flow_mw()[0]).max() <= 20.0 + 1e-6
    assert ignored.schedule is not None
    overloaded = gridopt.verify(tight, replace(ignored.schedule, network="dc"))
    assert set(overloaded.counts()) == {"branch_limit"}


def test_renewables_storage_exchange_and_slacks_are_priced(make_study: MakeStudy) -> None:
    T = 4
    study = make_study(
        demand_mw=(70.0, 230.0, 60.0, 45.0),
        renewables=Renewables(
            (("sgen", 1),), ("wind",), np.array([0]), np.zeros((1, T)), np.full((1, T), 15.0),
            np.array([1.0]),
        ),
        storage=Storage(
            (("storage", 0),), ("battery",), np.array([0]), np.array([10.0]), np.array([10.0]),
            np.array([0.0]), np.array([20.0]), np.array([5.0]), np.array([0.9]), np.array([0.9]),
        ),
        exchange=Exchange(
            (("ext_grid", 0),), ("market",), np.array([0]), np.array([5.0]), np.array([5.0]),
            np.full((1, T), 25.0), np.full((1, T), 0.5),
        ),
        unserved_cost_per_mwh=1000.0,
        surplus_cost_per_mwh=10.0,
    )  # fmt: skip
    run = gridopt.solve(study, gap=1e-9)
    assert run.is_feasible
    assert run.verification is not None
    assert run.verification.energy_mwh["unserved"] > 0
    assert run.verification.cost["exchange"] != 0
    assert run.verification.cost["renewable"] > 0
    assert run.solution.objective == pytest.approx(run.cost)


def test_infeasible_is_said(make_study: MakeStudy) -> None:
    run = gridopt.solve(make_study(demand_mw=(70.0, 158.0, 60.0, 45.0)))
    assert run.termination == "infeasible"
    assert run.schedule is None
    assert run.cost == np.inf


def test_bad_choices(make_study: MakeStudy) -> None:
    with pytest.raises(OptionError, match="copperplate or dc"):
        UnitCommitment(network="ac")  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="no branches"):
        gridopt.solve(make_study(), network="dc")


def test_program_reads_like_the_model(make_study: MakeStudy) -> None:
    program = UnitCommitment().build(make_study())
    assert list(program.variables)[:3] == ["on", "start", "stop"]
    assert program.column_label(int(program.columns("start")[1, 2])) == "start[1, 2]"
    relaxed = HiGHS().solve(program.relaxed())
    assert relaxed.objective <= HiGHS().solve(program).objective
