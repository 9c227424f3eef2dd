"""Runs the tasks of a suite that a database lacks, and writes each row as soon as it is there."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice

from gridopt.bench.peers import ensure_environment, peer_group
from gridopt.bench.process import run_task
from gridopt.bench.rows import Row
from gridopt.bench.store import Store
from gridopt.bench.tasks import Task
from gridopt.errors import PeerError

Rows = Iterator[Row]
Runner = Callable[[list[Task], str], Rows]
"""Runs tasks and yields the row of each once it is there, in any order."""


@dataclass(frozen=True)
class Report:
    """How far a suite is.

    Parameters
    ----------
    done, total : int
        Of the tasks, those among them that were there before.
    row : mapping or None
        The latest.
    """

    done: int
    total: int
    row: Row | None


def run_suite(
    tasks: list[Task],
    spec: str,
    store: Store,
    runner: Runner,
    progress: Callable[[Report], None] | None = None,
) -> int:
    """Run what the database lacks; return how many rows were written.

    Raises
    ------
    StoreError
        Where the database takes no more rows; the runs still going on are ended.
    """
    there = store.keys()
    left = [task for task in tasks if task.key not in there]
    before = len(tasks) - len(left)
    tell = progress or (lambda _: None)
    tell(Report(before, len(tasks), None))
    _make_environments(left)
    written = 0
    rows = runner(left, spec)
    try:
        for row in rows:
            store.add(row)
            written += 1
            tell(Report(before + written, len(tasks), row))
    finally:
        rows.close()  # type: ignore[attr-defined]
    return written


def _make_environments(tasks: list[Task]) -> None:
    """Install what the peers need, before any clock runs.

    Where that fails, each of their runs tries again, fails, and tells why in its row.
    """
    peers = {task.contender.name for task in tasks if task.contender.is_peer}
    for group in sorted({peer_group(name) for name in peers} - {None}, key=str):
        with contextlib.suppress(PeerError):
            ensure_environment(str(group))


@dataclass(frozen=True)
class Local:
    """Runs tasks on this machine, `workers` at a time, each in a process of its own."""

    workers: int = 1

    def __call__(self, tasks: list[Task], spec: str) -> Rows:
        """Yield rows; closing the generator, or Ctrl-C, ends what is running."""
        stop = threading.Event()
        waiting = iter(tasks)
        with ThreadPoolExecutor(self.workers) as pool:

            def begin(some: Iterable[Task]) -> set[Future[Row | None]]:
                return {pool.submit(run_task, task, spec, stop) for task in some}

            try:
                running = begin(islice(waiting, self.workers))
                while running:
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in ended:
                        row = future.result()
                        if row is not None:
                            yield row  # written before another run begins
                    running |= begin(islice(waiting, len(ended)))
            finally:
                stop.set()
