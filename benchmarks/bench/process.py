"""Runs a task in a process of its own and ends it at its limits, with all its children."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from gridopt.bench.rows import Row, asked
from gridopt.bench.tasks import Task

POLL_S = 0.1

GRACE_S = 60.0
"""Beyond the solver's time limit: to import, read, build, verify and end by itself."""

SAID = 2000
"""Characters that are kept of what a process said when it broke off."""


@dataclass
class _Watch:
    """What was seen of a process with its children."""

    peak_mb: float = 0.0
    cpu_s: float = 0.0


def run_task(task: Task, spec: str, stop: threading.Event | None = None) -> Row | None:
    """Run a task in a process of its own; return its row, or None where it was stopped.

    Parameters
    ----------
    task : Task
    spec : str
        How its suite was asked for; goes into the command that repeats it.
    stop : Event, optional
        Once set, the process is ended and nothing is recorded.
    """
    known = asked(task, spec)
    started = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    with tempfile.TemporaryDirectory(prefix="gridopt-bench-") as scratch:
        file, said = Path(scratch) / "row.json", Path(scratch) / "said.txt"
        with said.open("wb") as output:
            child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "gridopt.bench.worker", str(file)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        begun, watch = time.perf_counter(), _Watch()
        try:
            _tell(child, task)
            status = _wait(child, task, watch, stop)
        finally:
            _end(child)
        if status == "stopped":
            return None
        if status == "" and file.exists():
            found: Row = json.loads(file.read_text("utf-8"))
            peak_mb = max(watch.peak_mb, found["peak_rss_mb"])
            wall_s = time.perf_counter() - begun
            return {**known, **found, "wall_s": wall_s, "peak_rss_mb": peak_mb}
        return {
            **known,
            "status": status or "failed",
            "error": None if status else _broken(child.returncode, said),
            "feasible": False,
            "wall_s": time.perf_counter() - begun,
            "cpu_s": watch.cpu_s,
            "peak_rss_mb": watch.peak_mb,
            "host": socket.gethostname(),
            "started_at": started.isoformat(),
        }


def _tell(child: subprocess.Popen[bytes], task: Task) -> None:
    """Give the process its task; one that ended before is told by its exit code."""
    assert child.stdin is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(task.as_json()).encode() + b"\n")
        child.stdin.flush()


def _wait(
    child: subprocess.Popen[bytes], task: Task, watch: _Watch, stop: threading.Event | None
) -> str:
    """Wait for the process's end; return why it has to be ended before, or nothing."""
    latest = time.perf_counter() + task.time_limit_s + GRACE_S
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL_S)
            return ""
        if stop is not None and stop.is_set():
            return "stopped"
        if time.perf_counter() > latest:
            return "killed_time"
        if _look(child.pid, watch) > task.memory_limit_mb:
            return "killed_memory"


def _look(pid: int, watch: _Watch) -> float:
    """Return the memory of a process with its children, in MB, and note what they used."""
    rss_mb = cpu_s = 0.0
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                rss_mb += process.memory_info().rss / 1e6
                used = process.cpu_times()
                cpu_s += used.user + used.system
    watch.peak_mb, watch.cpu_s = max(watch.peak_mb, rss_mb), max(watch.cpu_s, cpu_s)
    return rss_mb


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def _broken(code: int, said: Path) -> str:
    """Return how a process broke off, and what it said last."""
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"the process ended with {how}: {said.read_text('utf-8', 'replace')[-SAID:].strip()}"
