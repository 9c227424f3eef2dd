"""The comparison with PyPSA: the same problem for both, and a verdict on any plan."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gridopt
from gridopt.bench.environments import LOCK, installed
from gridopt.elements import Renewables
from gridopt.placement import Placement
from gridopt.study import FIXED_ON, Study

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks/placement_peer.py"
TINY = ("--case", "case6ww", "--hours", "6", "--count", "1", "--modules-max", "2")


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """Return the benchmark as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        for name in ("placement_peer", "milp_routes"):
            patch.delitem(sys.modules, name, raising=False)
        yield import_module("placement_peer")


@pytest.fixture(scope="module")
def study(benchmark: ModuleType) -> Study:
    """Return six hours of three units on six buses, one of which gets a battery."""
    asked = benchmark._parser().parse_args(TINY)
    found: Study = benchmark.case_study(asked)
    return found


def run_script(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *TINY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)  # noqa: S603


def plan_of(placement: Placement) -> dict[str, Any]:
    """Return what PyPSA's run gives back for a placement."""
    (schedule,) = placement.schedules
    built = np.flatnonzero(placement.modules)
    shape = len(placement.modules), schedule.study.n_periods
    rows = {name: np.zeros(shape) for name in ("charge_mw", "discharge_mw", "soc_mwh")}
    for name, values in rows.items():
        values[built] = getattr(schedule, name)
    return {
        "modules": placement.modules[:, 0].tolist(),
        "committed": schedule.committed.astype(float).tolist(),
        "power_mw": schedule.power_mw.tolist(),
        "unserved_mw": schedule.unserved_mw.tolist(),
        **{name: values.tolist() for name, values in rows.items()},
    }


def test_variants_have_costs_that_are_lines(benchmark: ModuleType, study: Study) -> None:
    given = study.thermal
    for name, change in benchmark.VARIANTS.items():
        changed = change(study)
        assert all(len(curve.power_mw) == 2 for curve in changed.thermal.cost), name
        for old, new in zip(given.cost, changed.thermal.cost, strict=True):
            both = np.array([old.power_mw[0], old.power_mw[-1]])
            difference = np.diff(old.cost(both)) - np.diff(new.cost(both))
            np.testing.assert_allclose(difference, 0.0, atol=1e-9, err_msg=name)
    free = benchmark.dispatch(study)
    assert (free.fixed_status == FIXED_ON).all()
    assert not free.thermal.p_min_mw.any()
    assert benchmark.starts(study).thermal.min_up_time_h.min() > 1.0


def test_problem_says_all_of_the_study(benchmark: ModuleType, study: Study) -> None:
    changed = benchmark.starts(study)
    problem = json.loads(json.dumps(benchmark.as_problem(changed, True)))
    units = problem["units"]
    cost = np.array(units["no_load_cost_per_h"]) + np.multiply(
        units["cost_per_mwh"], units["p_max_mw"]
    )
    highest = [curve.cost_per_h[-1] for curve in changed.thermal.cost]
    np.testing.assert_allclose(cost, highest)
    assert np.shape(problem["demand_mw"]) == (study.grid.n_buses, study.n_periods)
    np.testing.assert_allclose(1.0 / np.array(problem["branches"]["x"]), study.grid.susceptance_mw)
    hours = problem["sites"]["cost_per_module"] / study.sites.modules.annual_cost[0] * 8760.0
    assert hours == pytest.approx(6.0)


def test_what_the_peer_would_leave_out_is_refused(benchmark: ModuleType, study: Study) -> None:
    changed = benchmark.dispatch(study)
    one = np.ones((1, study.n_periods))
    wind = Renewables((("sgen", 0),), ("wind",), np.array([0]), 0.0 * one, one, np.zeros(1))
    with pytest.raises(ValueError, match="thermal units and demand only"):
        benchmark.as_problem(replace(changed, renewables=wind), False)
    with pytest.raises(ValueError, match="costs that are one line"):
        benchmark.as_problem(study, True)


def test_plans_are_judged_by_the_verifier(benchmark: ModuleType, study: Study) -> None:
    changed = benchmark.commitment(study)
    run = gridopt.solve(changed, benchmark.PROBLEM, "highs", gap=1e-9)
    assert isinstance(run.plan, Placement)
    plan = plan_of(run.plan)
    found = benchmark.judged(changed, plan)
    assert found["violations"] == "{}"
    assert found["cost"] == pytest.approx(run.cost)
    assert found["built"].startswith(("10 MW at", "20 MW at"))
    plan["power_mw"][0][0] += 1.0
    found = benchmark.judged(changed, plan)
    assert json.loads(found["violations"])["balance"] == 1
    assert found["cost"] == pytest.approx(run.cost, rel=1e-6)  # dispatched anew
    plan["committed"] = np.zeros_like(plan["committed"]).tolist()
    plan["modules"] = [1] * len(plan["modules"])
    assert benchmark.judged(changed, plan)["cost"] == np.inf


def test_without_pypsa(tmp_path: Path) -> None:
    options = ("--quick", "--repeats", "1", "--gap", "1e-6", "--peers", "nowhere")
    done = run_script(tmp_path, "--variants", "dispatch", *options, "--out", "rows.csv")
    assert done.returncode == 0, done.stderr
    assert "only gridopt runs" in done.stderr
    assert "| gridopt | 1 of 1 " in done.stdout
    (row,) = pd.read_csv(tmp_path / "rows.csv").to_dict("records")
    assert row["cost"] == pytest.approx(row["objective"], rel=1e-6)
    assert row["gap"] <= 1e-6
    assert not (tmp_path / "nowhere").exists()


def test_pypsa_finds_the_same_optimum(tmp_path: Path, benchmark: ModuleType) -> None:
    if installed(benchmark.GROUP) is None:
        pytest.skip("PyPSA's environment is not there; the benchmark makes it when it is run")
    options = ("--quick", "--repeats", "1", "--gap", "1e-7", "--out", "rows.csv")
    done = run_script(tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert "NOT THE SAME" not in done.stdout
    table = pd.read_csv(tmp_path / "rows.csv")
    assert table["route"].tolist() == ["gridopt", "pypsa"] * len(benchmark.VARIANTS)
    assert (table["gap"] <= 1e-6).all()
    assert set(table["violations"]) == {"{}"}
    for variant, group in table.groupby("variant"):
        np.testing.assert_allclose(group["cost"], group["cost"].iloc[0], rtol=1e-6, err_msg=variant)
    np.testing.assert_allclose(table["cost"], table["objective"], rtol=1e-6)


def row(route: str, **changes: Any) -> dict[str, Any]:
    figures = dict.fromkeys(("build_s", "solve_s", "cpu_s"), 2.0)
    head = {"route": route, "variant": "dispatch", "gap_wanted": 2e-2, "built": "10 MW at 1"}
    return {**head, **figures, "cost": 100.0, "bound": 99.5, **changes}


def test_ours_are_held_against_theirs(benchmark: ModuleType) -> None:
    rows = [row("gridopt", build_s=0.1, solve_s=0.9, cpu_s=1.0), row("pypsa", cost=101.0)]
    *_, cost, seconds = benchmark.comparison(benchmark.as_table(rows))
    assert cost == "cost against pypsa's: -0.9901%; best bound 99.5, best cost 100.0"
    assert seconds == "seconds of build and solve: 0.25 of pypsa's, CPU seconds 0.50"
    without = benchmark.as_table([row("gridopt"), row("pypsa", cost=None, bound=99.0)])
    *_, cost, seconds = benchmark.comparison(without)
    assert cost == "cost against pypsa's: no plan; best bound 99.5, best cost 100.0"
    assert seconds.endswith("; not always at the gap: pypsa")
    wrong = [row("gridopt"), row("pypsa", bound=100.5, cost=101.0)]
    assert "NOT THE SAME PROBLEM" in benchmark.comparison(benchmark.as_table(wrong))[-2]
    failed = {**row("gridopt"), "route": "pypsa", "declined": "no memory", "cost": None}
    lines = benchmark.comparison(benchmark.as_table([row("gridopt"), failed]))
    assert lines[-1] == "pypsa failed: no memory"
    assert len(benchmark.comparison(benchmark.as_table([row("gridopt")]))) == 1


def test_locks_name_the_same_highs(benchmark: ModuleType) -> None:
    locks = [benchmark.ADAPTERS / benchmark.GROUP / LOCK, ROOT / "requirements.lock"]
    lines = [
        [line for line in lock.read_text("utf-8").splitlines() if line.startswith("highspy==")]
        for lock in locks
    ]
    assert len(lines[0]) == 1
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "rows.xlsx"), "--out ends in .csv"),
        (("--repeats", "0"), "at least 1"),
        (("--case", "case_6ww"), "unknown case 'case_6ww'"),
        (("--count", "7"), "0 to the number of candidates, 6"),
    ],
)
def test_bad_arguments(
    benchmark: ModuleType,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        benchmark.main([*TINY, *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
