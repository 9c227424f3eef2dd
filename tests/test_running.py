"""From a study to a verified plan: what is recorded, and what is never believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import pytest

import gridopt
from gridopt.arrays import FloatArray
from gridopt.errors import OptionError, UnknownNameError
from gridopt.formulation import Formulation
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.program import Program
from gridopt.requirements import Reserves
from gridopt.results import Plan
from gridopt.running import peak_rss_mb, solve, versions
from gridopt.solution import Termination
from gridopt.solver import Progress
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

MakeStudy = Callable[..., Study]


def refuse_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


def as_json(record: dict[str, Any]) -> Any:
    """Return the record as another program reads it; NaN and Infinity are refused."""
    return json.loads(json.dumps(record, allow_nan=False), parse_constant=refuse_constant)


def test_names_and_objects_are_the_same(make_study: MakeStudy) -> None:
    study = make_study()
    named = solve(study, "unit_commitment", "highs", gap=0.0, seed=3)
    made = solve(study, UnitCommitment(), HiGHS(gap=0.0, seed=3))
    assert named.is_feasible
    assert named.solver == made.solver
    assert named.formulation == made.formulation
    assert named.cost == made.cost
    assert named.schedule is not None
    assert made.schedule is not None
    assert np.array_equal(named.schedule.power_mw, made.schedule.power_mw)


def test_the_record_is_plain_and_whole(make_study: MakeStudy) -> None:
    run = solve(make_study(), gap=0.0, seed=5)
    record = run.summary()
    assert as_json(record) == record
    assert record["case"] == "two units"
    assert record["fingerprint"] == run.study.fingerprint()
    assert (record["periods"], record["period_h"]) == (4, 1.0)
    assert (record["formulation"], record["solver"]) == ("unit_commitment", "highs")
    assert record["formulation_options"]["network"] == "copperplate"
    assert record["solver_options"]["gap"] == 0.0
    assert record["seed"] == 5
    assert record["termination"] == "optimal"
    assert record["feasible"] is True
    assert record["cost"] == run.cost == pytest.approx(sum(record["cost_items"].values()))
    assert record["bound"] <= record["cost"] + 1e-6
    assert record["gap"] == run.gap
    assert record["violations"] == {}
    assert record["worst_violations"] == []
    assert record["build_s"] > 0
    assert record["solve_s"] > 0
    assert 1 < record["peak_rss_mb"] <= peak_rss_mb() < 1e6


def test_the_cost_is_recomputed_from_the_study(make_study: MakeStudy) -> None:
    run = solve(make_study(), gap=0.0)
    assert run.verification is not None
    assert run.cost == run.verification.total_cost == pytest.approx(run.solution.objective)


def test_options_go_where_they_belong(make_study: MakeStudy) -> None:
    run = solve(make_study(), "unit_commitment", "exact", levels=2, kept=8)
    assert run.summary()["solver_options"]["kept"] == 8
    assert run.summary()["solver_options"]["lowering"]["levels"] == 2
    with pytest.raises(OptionError, match="network = 'ac'"):
        solve(make_study(), network="ac")


def test_bad_names_and_options_are_refused_before_any_work(make_study: MakeStudy) -> None:
    study = make_study()
    with pytest.raises(UnknownNameError, match="formulation 'unit_comitment'; did you mean unit_c"):
        solve(study, "unit_comitment")
    with pytest.raises(UnknownNameError, match="solver"):
        solve(study, solver="cplex")
    with pytest.raises(OptionError, match="reads"):
        solve(study, reads=3)
    with pytest.raises(TypeError, match="belong into the solver object"):
        solve(study, solver=HiGHS(), gap=0.1)


def test_no_answer_costs_infinity_and_is_recorded_as_none(make_study: MakeStudy) -> None:
    run = solve(make_study(reserves=Reserves.spinning(np.full(4, 1000.0))))
    assert run.termination is Termination.INFEASIBLE
    assert run.schedule is None
    assert run.verification is None
    assert not run.is_feasible
    assert run.cost == run.gap == np.inf
    record = as_json(run.summary())
    assert record["feasible"] is False
    assert (record["cost"], record["bound"], record["gap"]) == (None, None, None)
    assert record["bound_source"] == ""
    assert (record["violations"], record["cost_items"]) == ({}, {})


def test_an_infeasible_plan_is_kept_and_judged(make_study: MakeStudy) -> None:
    run = solve(
        make_study(reserves=Reserves.spinning(np.full(4, 1000.0))),
        solver="neal",
        reads=2,
        sweeps=10,
    )
    assert run.schedule is not None
    assert run.verification is not None
    assert not run.is_feasible
    assert run.cost == np.inf
    record = as_json(run.summary())
    assert record["cost"] is None
    assert record["violations"]["reserve"] >= 1
    assert 1 <= len(record["worst_violations"]) <= 10


def test_progress_is_passed_on(make_study: MakeStudy) -> None:
    seen: list[Progress] = []
    solve(make_study(), solver="neal", progress=seen.append, reads=3, sweeps=10)
    assert seen


@dataclass(frozen=True)
class Mispriced(Formulation):
    """Unit commitment whose program is cheaper than the study."""

    def build(self, study: Study) -> Program:
        program = UnitCommitment().build(study)
        return replace(program, c=0.9 * program.c)

    def notes(self, study: Study) -> tuple[str, ...]:
        return UnitCommitment().notes(study)

    def decode(self, study: Study, program: Program, x: FloatArray) -> Plan:
        return UnitCommitment().decode(study, program, x)


def test_a_program_that_prices_a_plan_wrongly_is_our_bug(make_study: MakeStudy) -> None:
    with pytest.raises(AssertionError, match=r"the program prices the plan at .*, the study at"):
        solve(make_study(), Mispriced(), HiGHS())


def test_versions_name_what_a_run_depends_on() -> None:
    assert set(versions("dwave-neal")) == {
        *("python", "gridopt", "numpy", "scipy", "highspy", "dwave-neal")
    }
    assert versions("numpy")["gridopt"] == gridopt.__version__
