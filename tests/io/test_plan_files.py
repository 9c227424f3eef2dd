"""Plans and programs as files: what is read back is what was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pandapower as pp
import pandas as pd
import pytest
from scipy import sparse

import gridopt
from gridopt.elements import FlexibleDemand, Storage
from gridopt.errors import OptionError, StudyError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.grid import Grid
from gridopt.io.plan_files import read_plan, write_plan
from gridopt.program import Program, ProgramBuilder
from gridopt.program_files import write_program
from gridopt.requirements import Reserves
from gridopt.results import POWERS, Schedule
from gridopt.solvers.highs import HiGHS
from gridopt.study import Scenario, Study

MakeStudy = Callable[..., Study]


def full_study(make_study: MakeStudy, **changes: Any) -> Study:
    """Return a study with something of every kind that a plan can hold."""
    storage = Storage(
        (("storage", 0),), ("battery",), np.array([0]),
        *(np.array([value]) for value in (10.0, 10.0, 0.0, 40.0, 20.0, 0.9, 0.9)),
    )  # fmt: skip
    works = FlexibleDemand(
        (("load", 5),), ("works",), np.array([0]), np.zeros((1, 4)), np.full((1, 4), 7.0),
        np.array([60.0]),
    )  # fmt: skip
    parts = {
        "storage": storage,
        "flexible": works,
        "reserves": replace(
            Reserves.spinning(np.full(4, 9.0)), shortage_cost_per_mwh=np.array([100.0])
        ),
        "unserved_cost_per_mwh": 500.0,
    }
    return make_study(**{**parts, **changes})


@pytest.fixture(scope="module")
def plan(make_study: MakeStudy) -> Schedule:
    run = gridopt.solve(full_study(make_study), gap=1e-4)
    assert run.schedule is not None
    return run.schedule


def equal(one: Schedule, other: Schedule) -> bool:
    """Return whether two schedules are the same in every bit."""
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in (*POWERS, "committed")
    )
    return arrays and (one.network, one.security) == (other.network, other.security)


# --- plans ----------------------------------------------------------------------------------------


def test_json_comes_back_in_every_bit(plan: Schedule, tmp_path: Path) -> None:
    odd = replace(plan, power_mw=plan.power_mw + 0.1 / 3.0, network="dc", security="n-1")
    file = tmp_path / "new" / "plan.json"
    assert write_plan(odd, file) == file
    back = read_plan(file, plan.study)
    assert isinstance(back, Schedule)
    assert equal(back, odd)
    assert not equal(back, plan)
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["thermal_units"] == ["base", "peak"]
    assert content["flexible_demand"] == ["works"]
    assert np.array(content["reserve_mw"]).shape == (1, 2, 4)


def test_tables_come_back_as_they_are(plan: Schedule, tmp_path: Path) -> None:
    parquet = pd.read_parquet(write_plan(plan, tmp_path / "plan.parquet"))
    pd.testing.assert_frame_equal(parquet, plan.units())
    csv = pd.read_csv(write_plan(plan, tmp_path / "plan.csv"), float_precision="round_trip")
    pd.testing.assert_frame_equal(csv, plan.units())


def test_scenarios_come_back_one_by_one(make_study: MakeStudy, tmp_path: Path) -> None:
    base, none = full_study(make_study), np.zeros((0, 4))
    scenarios = tuple(
        Scenario(name, 0.5, factor * base.demand_mw, none, none)
        for name, factor in (("low", 0.9), ("high", 1.05))
    )
    study = replace(base, scenarios=scenarios)
    run = gridopt.solve(study, gap=1e-3)
    assert isinstance(run.plan, gridopt.results.ScenarioSchedules)
    back = read_plan(write_plan(run.plan, tmp_path / "plan.json"), study)
    assert isinstance(back, gridopt.results.ScenarioSchedules)
    for one, other in zip(back.schedules, run.plan.schedules, strict=True):
        assert equal(one, other)
        assert one.study.fingerprint() == other.study.fingerprint()
    assert gridopt.verify(study, back).total_cost == run.cost
    table = pd.read_csv(write_plan(run.plan, tmp_path / "plan.csv"))
    assert table["scenario"].unique().tolist() == ["low", "high"]
    one_only = write_plan(replace(run.plan.schedules[0], study=study), tmp_path / "one.json")
    with pytest.raises(StudyError, match="scenarios = missing"):
        read_plan(one_only, study)


def test_a_plan_of_another_study_is_refused(
    plan: Schedule, make_study: MakeStudy, tmp_path: Path
) -> None:
    file = write_plan(plan, tmp_path / "plan.json")
    other = full_study(make_study, unserved_cost_per_mwh=501.0)
    with pytest.raises(StudyError) as caught:
        read_plan(file, other)
    (issue,) = caught.value.issues
    assert issue.field == "fingerprint"
    assert issue.value == plan.study.fingerprint()
    assert other.fingerprint() in issue.expected
    assert "of another study" in issue.expected


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


@pytest.mark.parametrize(
    ("damage", "faults"),
    [
        (lambda it: without(it, "power_mw"), ["power_mw = missing, expected numbers of shape"]),
        (lambda it: {**it, "power_mw": [[1.0]]}, ["power_mw = shape (1, 1)"]),
        (lambda it: {**it, "soc_mwh": "full"}, ["soc_mwh = not numbers"]),
        (lambda it: {**it, "committed": [[0.5] * 4] * 2}, ["committed = other numbers"]),
        (lambda it: {**it, "network": 3}, ["network = 3"]),
        (lambda it: {**it, "format": "gridopt plan 9"}, ["format = gridopt plan 9"]),
        (lambda it: without(it, "format"), ["format = missing"]),
        (lambda _: {"demand": [1]}, ["format = missing"]),
        (
            lambda it: without({**it, "charge_mw": [[None] * 4], "import_mw": [[1]]}, "security"),
            ["charge_mw = shape", "import_mw = shape", "security = missing"],
        ),
    ],
)
def test_faults_are_named_all_at_once(
    damage: Callable[[dict[str, Any]], dict[str, Any]],
    faults: list[str],
    plan: Schedule,
    tmp_path: Path,
) -> None:
    file = write_plan(plan, tmp_path / "plan.json")
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))
    with pytest.raises(StudyError) as caught:
        read_plan(file, plan.study)
    told = [str(issue) for issue in caught.value.issues]
    assert len(told) == len(faults)
    for fault in faults:
        assert any(f"plan plan.json: {fault}" in line for line in told), (fault, told)


def test_a_file_cut_short_or_missing(plan: Schedule, tmp_path: Path) -> None:
    file = write_plan(plan, tmp_path / "plan.json")
    file.write_text(file.read_text()[:-200])
    with pytest.raises(StudyError, match="expected complete JSON"):
        read_plan(file, plan.study)
    with pytest.raises(StudyError, match="No such file"):
        read_plan(tmp_path / "nowhere.json", plan.study)


def test_the_ending_says_the_format(plan: Schedule, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"suffix = \.xlsx, expected \.csv or \.parquet or \.json"):
        write_plan(plan, tmp_path / "plan.xlsx")
    with pytest.raises(StudyError, match="suffix = none"):
        write_plan(plan, tmp_path / "plan")
    assert not list(tmp_path.iterdir())


def test_nothing_half_written(plan: Schedule, tmp_path: Path) -> None:
    file = write_plan(plan, tmp_path / "plan.json")
    before = file.read_bytes()
    broken = replace(plan, power_mw=np.full_like(plan.power_mw, np.nan))
    with pytest.raises(ValueError, match="JSON"):
        write_plan(broken, file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_net_with_one_period_written_in(tmp_path: Path) -> None:
    net = pp.create_empty_network()
    bus = pp.create_bus(net, 110.0)
    pp.create_ext_grid(net, bus, min_p_mw=0.0, max_p_mw=0.0)
    pp.create_gen(net, bus, 0.0, min_p_mw=10.0, max_p_mw=60.0)
    pp.create_load(net, bus, 40.0)
    pp.create_poly_cost(net, 0, "gen", cp1_eur_per_mw=20.0)
    study = gridopt.read_pandapower(net, hours=2)
    run = gridopt.solve(study)
    assert run.schedule is not None
    file = tmp_path / "new" / "net.json"
    gridopt.write_dispatch(net, run.schedule, 1, file)
    back = pp.from_json(str(file))
    assert back.gen["p_mw"].tolist() == [run.schedule.power_mw[0, 1]]
    for table in ("gen", "load", "ext_grid"):
        assert back[table].index.tolist() == net[table].index.tolist()
    assert back.load["p_mw"].tolist() == net.load["p_mw"].tolist()


# --- programs -------------------------------------------------------------------------------------


def read(file: Path) -> highspy.Highs:
    """Return HiGHS with what it reads from a file."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(file)) == highspy.HighsStatus.kOk
    return highs


def optimum(highs: highspy.Highs) -> float:
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(highs.getInfo().objective_function_value)


def straight(study: Study) -> Study:
    """Return the study without squares, which HiGHS does not take beside integers."""
    costs = tuple(replace(curve, quadratic=0.0) for curve in study.thermal.cost)
    return replace(study, thermal=replace(study.thermal, cost=costs))


@pytest.mark.parametrize("ending", [".lp", ".mps"])
@pytest.mark.parametrize("network", ["copperplate", "dc"])
def test_a_written_program_has_the_same_optimum(
    network: Any,
    ending: str,
    make_study: MakeStudy,
    make_triangle: Callable[..., Grid],
    tmp_path: Path,
) -> None:
    changes: dict[str, Any] = {"grid": make_triangle(25.0)} if network == "dc" else {}
    program = UnitCommitment(network).build(straight(full_study(make_study, **changes)))
    program = replace(program, c0=program.c0 + 17.25)
    file = tmp_path / "new" / f"program{ending}"
    assert write_program(program, file) == file
    found = HiGHS(gap=0.0).solve(program.complete())
    highs = read(file)
    assert optimum(highs) == pytest.approx(found.objective, rel=1e-9)
    model = highs.getLp()
    place = [model.col_names_.index(f"on({g},{t})") for g in range(2) for t in range(4)]
    assert np.array(model.col_cost_)[place] == pytest.approx(
        program.c[program.columns("on")].ravel()
    )
    assert "balance(3)" in model.row_names_
    assert len(set(model.col_names_)) == program.n_columns
    kinds = [kind == highspy.HighsVarType.kInteger for kind in model.integrality_]
    assert sum(kinds) == program.is_integer.sum()
    assert all(kinds[column] for column in place)
    has_limits = any("branch_limit" in name for name in model.row_names_)
    assert has_limits == (network == "dc")


@pytest.mark.parametrize("ending", [".lp", ".mps"])
def test_squares_are_written(ending: str, make_study: MakeStudy, tmp_path: Path) -> None:
    """HiGHS reads squares, and does not take them beside integers: the objective is compared."""
    program = UnitCommitment().build(full_study(make_study))
    best = HiGHS(gap=1e-6).solve(program)
    assert best.x is not None
    assert program.Q.nnz
    model = read(write_program(program, tmp_path / f"program{ending}")).getModel()
    at = {program.column_label(i).replace(", ", ","): value for i, value in enumerate(best.x)}
    names = [name.replace("(", "[").replace(")", "]") for name in model.lp_.col_names_]
    x = np.array([at[name.replace("_spinning", ":spinning")] for name in names])
    hessian = model.hessian_
    part = (hessian.value_, hessian.index_, hessian.start_)
    lower = sparse.csc_array(part, shape=(hessian.dim_, hessian.dim_))
    squares = x @ (lower @ x) - x @ (lower.diagonal() * x) / 2.0
    objective = model.lp_.offset_ + x @ np.array(model.lp_.col_cost_) + squares
    assert objective == pytest.approx(best.objective, rel=1e-9)


def named(*names: str) -> Program:
    """Return a program with a block of each name."""
    b = ProgramBuilder()
    for name in names:
        columns = b.variable(name, (2,), upper=3.0)
        b.minimize(-1.0, columns)
        b.constrain(name, (1.0, columns), upper=2.0)
    return b.program()


def test_any_name_becomes_one_that_solvers_read(tmp_path: Path) -> None:
    names = "reserve: up, 10 min", "reserve; up, 10 min", "Zürich <= [x]", "a_2", "a", "a b", "a;b"
    for ending in (".lp", ".mps"):
        highs = read(write_program(named(*names), tmp_path / f"program{ending}"))
        model = highs.getLp()
        for found in (model.col_names_, model.row_names_):
            assert len(set(found)) == 2 * len(names)
            assert all(name.isascii() and " " not in name for name in found)
        assert optimum(highs) == pytest.approx(-4.0 * len(names))


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"expected a name that ends in \.lp or \.mps"):
        write_program(named("x"), tmp_path / "program.txt")
    assert not list(tmp_path.iterdir())
