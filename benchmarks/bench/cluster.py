"""Runs tasks on a Dask cluster: each worker runs one at a time in a process of its own.

What a lost worker was running goes to another one. A row is written by who asked for it, under its
key, so that a run which was done twice is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from distributed import Client, KilledWorker, as_completed

from gridopt.bench.process import run_task
from gridopt.bench.rows import asked
from gridopt.bench.runner import Rows
from gridopt.bench.tasks import Task
from gridopt.errors import Issue, StudyError

CONNECT_S = 10.0

LOST_WORKERS = 10
"""Times that a run may lose its worker before it counts as what ends workers."""


def connect(address: str, timeout_s: float = CONNECT_S) -> Client:
    """Return a client of the scheduler at an address.

    Raises
    ------
    StudyError
        Where none answers.
    """
    try:
        return Client(address, timeout=timeout_s)
    except (OSError, ValueError) as fault:
        expected = f"the address of a Dask scheduler that answers ({fault})"
        raise StudyError([Issue("cluster", "scheduler", address, expected)]) from fault


@dataclass(frozen=True, eq=False)
class Cluster:
    """Runs tasks on the workers of a scheduler."""

    client: Client

    def __call__(self, tasks: list[Task], spec: str) -> Rows:
        """Yield rows; closing the generator, or Ctrl-C, cancels what is left."""
        futures = {
            self.client.submit(
                _run, task.as_json(), spec, key=f"gridopt-{task.key}", retries=LOST_WORKERS
            ): task
            for task in tasks
        }
        try:
            for future in as_completed(futures):
                try:
                    yield future.result()
                except KilledWorker as fault:
                    lost = {"status": "failed", "error": str(fault), "feasible": False}
                    yield {**asked(futures[future], spec), **lost}
        finally:
            self.client.cancel(list(futures))


def _run(task: dict[str, Any], spec: str) -> Any:
    return run_task(Task.from_json(task), spec)
