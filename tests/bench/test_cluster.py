"""A suite on a real Dask cluster on this machine, one of whose workers is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from gridopt.bench.cluster import Cluster, connect
from gridopt.bench.columns import COLUMNS
from gridopt.bench.runner import run_suite
from gridopt.bench.spec import read_suite
from gridopt.bench.store import Store
from gridopt.errors import StudyError

REPEATABLE = [column.name for column in COLUMNS if not column.measured]


@contextmanager
def started(role: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a part of a cluster, and end it with all its children."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{role}", *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]  # noqa: S603
    try:
        yield process
    finally:
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Return the address of a scheduler."""
    file = tmp_path / "scheduler.json"
    own = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    with started("scheduler", *own, "--scheduler-file", str(file)):
        deadline = time.monotonic() + 60.0
        while not (file.exists() and file.read_text("utf-8").endswith("}")):
            assert time.monotonic() < deadline, "no scheduler within a minute"
            time.sleep(0.05)
        yield json.loads(file.read_text("utf-8"))["address"]


def test_no_row_is_lost_or_doubled_though_a_worker_is_killed(
    address: str, spec: str, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    own = [address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with ExitStack() as stack:
        workers = [stack.enter_context(started("worker", *own)) for _ in range(2)]
        client = stack.enter_context(connect(address))
        client.wait_for_workers(2, timeout=60)
        store = stack.enter_context(Store.open(tmp_path / "a.duckdb", create=True))
        written = 0

        def kill_one(_: object) -> None:
            """Kill a worker in the middle of a run, once, after the first row."""
            nonlocal written
            written += 1
            if written == 2:
                runs = wait_for_a_run(workers[0])
                workers[0].send_signal(signal.SIGKILL)
                workers[0].wait()
                assert not psutil.wait_procs(runs, timeout=20)[1], "a run outlives its worker"

        run_suite(list(read_suite(spec).tasks()), spec, store, Cluster(client), kill_one)
        frame = store.frame()
        assert workers[0].returncode == -signal.SIGKILL
    pd.testing.assert_frame_equal(
        frame[REPEATABLE], undisturbed[REPEATABLE], check_dtype=False, check_exact=True
    )


def wait_for_a_run(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        children: list[psutil.Process] = psutil.Process(worker.pid).children()
        if children:
            return children
        time.sleep(0.01)
    raise AssertionError("the worker got no run within a minute")


def test_no_scheduler() -> None:
    with pytest.raises(StudyError, match="the address of a Dask scheduler that answers"):
        connect("tcp://127.0.0.1:9", timeout_s=1.0)


def test_no_address() -> None:
    with pytest.raises(StudyError, match="the address of a Dask scheduler"):
        connect("nonsense://", timeout_s=1.0)
