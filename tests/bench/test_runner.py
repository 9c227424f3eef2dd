"""Runs in processes of their own: what is recorded, at which limits they end, and how to go on."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from gridopt.bench import process
from gridopt.bench.columns import COLUMNS
from gridopt.bench.process import run_task
from gridopt.bench.rows import Row, times_to_gaps
from gridopt.bench.runner import Local, Report, run_suite
from gridopt.bench.spec import read_suite
from gridopt.bench.store import Store, StoreError
from gridopt.bench.tasks import Contender, Task

GRIDOPT = (sys.executable, "-c", "from gridopt.cli import main; main()")
"""The command, of this environment."""

REPEATABLE = [column.name for column in COLUMNS if not column.measured]


@pytest.fixture(scope="module")
def tasks(spec: str) -> list[Task]:
    return list(read_suite(spec).tasks())


@pytest.fixture(scope="module")
def long(tasks: list[Task]) -> Task:
    """Return a task that would take an hour and ends with nothing but force."""
    contender = Contender("neal", "neal", {"reads": 10**6, "sweeps": 10**6, "form": "compact"})
    return replace(tasks[1], contender=contender, time_limit_s=3600.0)


def of(frame: pd.DataFrame, solver: str) -> pd.Series:
    return frame[frame["solver"] == solver].iloc[0]


def test_what_is_recorded(undisturbed: pd.DataFrame) -> None:
    assert len(undisturbed) == 6
    assert undisturbed["run_key"].is_unique
    best = of(undisturbed, "highs")
    assert best["status"] == "done"
    assert best["termination"] == "optimal"
    assert (best["units"], best["distinct_units"], best["periods"]) == (10, 10, 2)
    assert best["gap"] <= 1e-4
    assert best["time_to_01_percent_s"] <= best["wall_s"]
    assert best["binary_variables"] > 0
    sampled = undisturbed[undisturbed["solver"].isin(["neal", "tabu"])]
    assert sampled["feasible"].all()
    assert (sampled["cost"] >= best["bound"] - 1e-6).all()
    assert (sampled["bits"] == 20).all()
    assert (sampled["known_optimum"] - best["cost"]).abs().max() < 1e-4 * best["cost"]
    assert (undisturbed["cpu_s"] > 0).all()
    assert (undisturbed["peak_rss_mb"] > 50).all()


def test_a_solver_that_declines_is_not_applicable(undisturbed: pd.DataFrame) -> None:
    declined = of(undisturbed, "exact")
    assert declined["status"] == "not_applicable"
    assert "bits" in declined["error"]
    assert pd.isna(declined["cost"])


def test_a_command_repeats_a_run(
    undisturbed: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    row = of(undisturbed, "neal")
    words = shlex.split(row["command"])[1:]
    subprocess.run([*GRIDOPT, *words], check=True, capture_output=True)  # noqa: S603
    with Store.open(tmp_path / "again.duckdb") as store:
        again = store.frame()
    expected = undisturbed[undisturbed["run_key"] == row["run_key"]]
    same(again, expected)


def same(frame: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Check that two frames agree in all that is not measured."""
    pd.testing.assert_frame_equal(
        frame[REPEATABLE].reset_index(drop=True),
        expected[REPEATABLE].reset_index(drop=True),
        check_dtype=False,
        check_exact=True,
    )


def test_killed_and_started_again(spec: str, undisturbed: pd.DataFrame, tmp_path: Path) -> None:
    """SIGKILL in the middle; the same command then gives the rows of an undisturbed run."""
    path = tmp_path / "a.duckdb"
    command = [*GRIDOPT, "bench", "run", spec, "--store", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as runner:  # noqa: S603
        children = wait_for_a_row(runner.pid, path)
        runner.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "runs outlive their runner"
    with Store.open(path) as store:
        before = store.frame()
    assert 0 < len(before) < len(undisturbed)
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.count("kazarlis10") == len(undisturbed)
    with Store.open(path) as store:
        after = store.frame()
    same(after, undisturbed)
    kept = after[after["run_key"].isin(before["run_key"])]
    assert kept["started_at"].tolist() == before["started_at"].tolist(), "a run was repeated"


def wait_for_a_row(pid: int, path: Path) -> list[psutil.Process]:
    """Wait until the second run is on its way, so that the first one is written."""
    seen: dict[int, psutil.Process] = {}
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        for child in psutil.Process(pid).children():
            with suppress(psutil.Error):
                if "gridopt.bench.worker" in child.cmdline():
                    seen.setdefault(child.pid, child)
        if len(seen) >= 2 and path.exists():
            return list(seen.values())
        time.sleep(0.01)
    raise AssertionError("no second run within a minute")


def test_ended_at_the_memory_limit(long: Task) -> None:
    row = run_task(replace(long, memory_limit_mb=60.0), "spec")
    assert row is not None
    assert row["status"] == "killed_memory"
    assert row["peak_rss_mb"] > 60.0
    assert row["feasible"] is False


def test_ended_at_the_time_limit(long: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.0)
    row = run_task(replace(long, time_limit_s=1.0), "spec")
    assert row is not None
    assert row["status"] == "killed_time"
    assert 1.0 <= row["wall_s"] < 10.0


def test_a_process_that_breaks_off(tasks: list[Task], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    row = run_task(tasks[0], "spec")
    assert row is not None
    assert row["status"] == "failed"
    assert "exit code 1" in row["error"]


def test_a_case_that_is_gone_by_then(tasks: list[Task]) -> None:
    row = run_task(replace(tasks[0], case=replace(tasks[0].case, source="gone.json")), "spec")
    assert row is not None
    assert row["status"] == "failed"
    assert "gone.json" in row["error"]


def test_failed_runs_are_done_again_on_demand(spec: str, tmp_path: Path) -> None:
    tasks = list(read_suite(spec).tasks())[:1]
    path = tmp_path / "a.duckdb"
    with Store.open(path, create=True) as store:
        store.add({"run_key": tasks[0].key, "status": "failed"})
    words = ["bench", "run", spec, "--store", str(path), "--only", tasks[0].key]
    for more, status in (([], "failed"), (["--again"], "done")):
        command = [*GRIDOPT, *words, *more]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        with Store.open(path) as store:
            assert store.frame()["status"].tolist() == [status]


def test_progress_counts_what_was_there(tasks: list[Task], tmp_path: Path) -> None:
    told: list[Report] = []
    with Store.open(tmp_path / "a.duckdb", create=True) as store:
        store.add({"run_key": tasks[0].key})
        run_suite(tasks, "spec", store, fast, told.append)
    assert [(report.done, report.total) for report in told] == [(n, 6) for n in range(1, 7)]


def fast(tasks: list[Task], spec: str) -> Iterator[Row]:
    return ({"run_key": task.key, "suite": spec} for task in tasks)


def test_no_room_ends_what_is_running(long: Task, tmp_path: Path) -> None:
    class Full(Store):
        def add(self, row: Mapping[str, Any]) -> None:  # noqa: ARG002
            raise StoreError("full")

    with Store.open(tmp_path / "a.duckdb", create=True) as store:
        full = Full(store.path, store._connection)
        quick = replace(long, case=replace(long.case, source="gone.json"))
        begun = time.monotonic()
        with pytest.raises(StoreError):
            run_suite([quick, long], "spec", full, Local(2))
    assert time.monotonic() - begun < 60.0


def test_times_to_gaps() -> None:
    trace: list[Row] = [
        {"elapsed_s": 1.0, "cost": None, "bound": 90.0},
        {"elapsed_s": 2.0, "cost": 100.0, "bound": 99.2},
        {"elapsed_s": 3.0, "cost": 100.0, "bound": 99.95},
    ]
    assert times_to_gaps(trace) == {
        "time_to_1_percent_s": 2.0,
        "time_to_05_percent_s": 3.0,
        "time_to_01_percent_s": 3.0,
    }
    assert set(times_to_gaps([]).values()) == {None}
