"""The comparison with other ways to HiGHS runs, judges every plan, and counts failures as such."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gridopt

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "benchmarks/milp_routes.py"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """Return the benchmark as a module."""
    spec = spec_from_file_location("benchmark_of_milp_routes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unit(name: str, low: float, high: float, price: float, on: int, **changes: Any) -> Any:
    """Return a unit of a pglib-uc file with a convex cost of three points."""
    powers = (low, (low + high) / 2, high)
    costs = np.cumsum([10 * price, price * (high - low) / 2, 1.3 * price * (high - low) / 2])
    return {
        "must_run": 0,
        "power_output_minimum": low,
        "power_output_maximum": high,
        "ramp_up_limit": high / 2,
        "ramp_down_limit": high / 2,
        "ramp_startup_limit": low + 5,
        "ramp_shutdown_limit": low + 5,
        "time_up_minimum": 2,
        "time_down_minimum": 2,
        "power_output_t0": low * on,
        "unit_on_t0": on,
        "time_down_t0": 5 * (1 - on),
        "time_up_t0": 5 * on,
        "startup": [{"lag": 2, "cost": 30.0 * price}, {"lag": 4, "cost": 50.0 * price}],
        "piecewise_production": [
            {"mw": mw, "cost": float(money)} for mw, money in zip(powers, costs, strict=True)
        ],
        "name": name,
        **changes,
    }


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an instance of four units, one wind farm and eight hours."""
    units = [
        unit("base", 40.0, 100.0, 10.0, 1, must_run=1, ramp_shutdown_limit=100.0),
        unit("middle", 20.0, 60.0, 20.0, 0),
        unit("peak", 10.0, 50.0, 40.0, 0, time_up_minimum=1, startup=[{"lag": 2, "cost": 90.0}]),
        unit("late", 10.0, 50.0, 30.0, 1, time_up_t0=1),
    ]
    most = [10.0, 12.0, 30.0, 20.0, 5.0, 0.0, 8.0, 10.0]
    wind = {"power_output_minimum": [0.0] * 8, "power_output_maximum": most, "name": "wind"}
    content = {
        "time_periods": 8,
        "demand": [80.0, 95.0, 150.0, 170.0, 120.0, 90.0, 160.0, 110.0],
        "reserves": [8.0] * 8,
        "thermal_generators": {each["name"]: each for each in units},
        "renewable_generators": {"wind": wind},
    }
    path = tmp_path_factory.mktemp("instance") / "tiny.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def run_script(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)  # noqa: S603


def test_without_peers(tmp_path: Path, instance: Path) -> None:
    options = ("--quick", "--gap", "1e-6", "--peers", "nowhere", "--out", "rows.csv")
    done = run_script(tmp_path, instance, *options)
    assert done.returncode == 0, done.stderr
    assert "only gridopt runs" in done.stderr
    assert "| gridopt | 1 of 1 " in done.stdout
    (row,) = pd.read_csv(tmp_path / "rows.csv").to_dict("records")
    best = gridopt.solve(gridopt.load_case(instance), gap=1e-9)
    assert row["cost"] == pytest.approx(best.cost, rel=1e-6)
    assert row["cost"] == pytest.approx(row["objective"], rel=1e-6)
    assert row["worst_violation"] == 0
    assert row["load_cpu_s"] == pytest.approx(row["read_cpu_s"] + row["build_cpu_s"])
    assert 0 < row["load_cpu_s"] < row["cpu_s"]
    assert not (tmp_path / "nowhere").exists()


def test_peers_find_the_same_optimum(tmp_path: Path, instance: Path, benchmark: Any) -> None:
    if benchmark.installed(benchmark.GROUP) is None:
        pytest.skip("the peers' environment is not there; the benchmark makes it when it is run")
    done = run_script(tmp_path, instance, "--quick", "--gap", "1e-7", "--out", "rows.csv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "rows.csv")
    assert table["route"].tolist() == list(benchmark.ROUTES)
    assert table["reached"].all(), table["violations"]
    np.testing.assert_allclose(table["cost"], table["cost"][0], rtol=1e-6)
    np.testing.assert_allclose(table["cost"], table["objective"], rtol=1e-6)


def test_plans_are_judged_by_the_verifier(instance: Path, benchmark: Any) -> None:
    run = gridopt.solve(gridopt.load_case(instance), gap=1e-9)
    assert run.schedule is not None
    plan = run.schedule.units().sample(frac=1.0, random_state=0)
    found = benchmark._judged(run.study, plan, run.bound, 1e-3)
    assert found["cost"] == pytest.approx(run.cost)
    assert found["reached"]
    assert not benchmark._judged(run.study, plan, 0.9 * run.cost, 1e-3)["reached"]
    plan.loc[plan["generator"] == "wind", "power_mw"] -= 0.5
    found = benchmark._judged(run.study, plan, run.bound, 1e-3)
    assert found["cost"] == np.inf
    assert not found["reached"]
    assert json.loads(found["violations"])["balance"] == 8
    assert found["worst_violation"] >= 0.5 - 1e-9


def test_locks_name_the_same_highs(benchmark: Any) -> None:
    locks = [benchmark.ADAPTERS / "milp" / benchmark.LOCK, ROOT / "requirements.lock"]
    lines = [
        [line for line in lock.read_text("utf-8").splitlines() if line.startswith("highspy==")]
        for lock in locks
    ]
    assert len(lines[0]) == 1
    assert lines[0] == lines[1]


def row(route: str, **changes: Any) -> dict[str, Any]:
    figures = dict.fromkeys(("load_cpu_s", "cpu_s", "search_cpu_s", "wall_s", "peak_rss_mb"), 2.0)
    found = {"cost": 100.0, "gap": 1e-4, "reached": True, "versions": '{"highspy": "1"}'}
    return {"instance": "a", "route": route, "seed": 0, **figures, **found, **changes}


def test_a_run_without_a_plan_has_infinite_cost(benchmark: Any) -> None:
    without = row("linopy")
    for name in ("cost", "gap", "reached"):
        del without[name]
    failed = {"instance": "a", "route": "egret-tight", "seed": 0, "declined": "no memory"}
    table = benchmark.as_table([row("gridopt"), without, without, row("linopy"), failed])
    found = benchmark.medians(table)
    assert list(found) == ["gridopt", "linopy"]
    assert found["linopy"]["cost"] == found["linopy"]["gap"] == np.inf
    assert (found["linopy"]["reached"], found["linopy"]["runs"]) == (1, 3)


def test_ours_are_held_against_the_best(benchmark: Any) -> None:
    rows = [
        row("gridopt", load_cpu_s=0.1),
        row("pyomo-reference", load_cpu_s=4.0, cpu_s=8.0, search_cpu_s=7.0, reached=False),
        row("egret-compact", cpu_s=9.0, search_cpu_s=5.0, peak_rss_mb=4.0),
        row("linopy", load_cpu_s=1.5, cpu_s=1.0),
    ]
    assert list(benchmark.bars(benchmark.medians(benchmark.as_table(rows)))) == [
        "file to HiGHS: 1/40.0 of pyomo-reference",
        "file to HiGHS: 1/15.0 of linopy",
        "CPU s: 1/4.00 of the best, pyomo-reference, which did not always get there",
        "search s: 1/2.50 of the best, egret-compact",
        "memory: 1.00 of the least, pyomo-reference",
    ]
    rows[0] |= {"reached": False, "gap": 0.004}
    assert list(benchmark.bars(benchmark.medians(benchmark.as_table(rows))))[2:-1] == [
        "gap: 0.400%, the best of theirs 0.010%, pyomo-reference"
    ]
    assert not list(benchmark.bars(benchmark.medians(benchmark.as_table(rows[:1]))))


def test_two_versions_of_highs_are_no_comparison(benchmark: Any) -> None:
    with pytest.raises(SystemExit, match="not the same HiGHS everywhere: 1, 2"):
        benchmark.as_table([row("gridopt"), row("linopy", versions='{"highspy": "2"}')])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "rows.xlsx"), "--out ends in .csv"),
        (("--seeds", "0"), "at least 1"),
        (("--time-limit", "1", "2"), "one for each instance"),
    ],
)
def test_bad_arguments(
    tmp_path: Path, instance: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run_script(tmp_path, instance, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_faults_of_an_instance_are_named(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.json"
    faulty.write_text('{"time_periods": 2, "thermal_generators": {}}', "utf-8")
    done = run_script(tmp_path, faulty, "--quick")
    assert done.returncode == 2
    assert "renewable_generators" in done.stderr
    assert "Traceback" not in done.stderr
