"""What ``gridopt bench …`` does: each command is one function that returns its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from gridopt.bench.exports import as_markdown, as_summary, check_export, write_export
from gridopt.bench.runner import Local, Report, Runner, run_suite
from gridopt.bench.spec import check_columns, read_suite, suite_names
from gridopt.bench.store import Store
from gridopt.bench.tasks import Suite, Task
from gridopt.commands import FEASIBLE, NO_ANSWER, bad_input_is_told
from gridopt.errors import Issue, StudyError, raise_if_any
from gridopt.outputs import check_folder


@bad_input_is_told
def run(
    spec: str,
    store: Path,
    *,
    cases: Path | None,
    workers: int,
    scheduler: str | None,
    only: list[str],
    again: bool,
) -> int:
    """Run what the database lacks of a suite, and show it; return the exit code."""
    if workers < 1:
        raise StudyError([Issue("command line", "--workers", workers, "1 or more")])
    suite = read_suite(spec, cases)
    tasks = _chosen(suite, only)
    check_folder(store.parent)
    with Store.open(store, create=True) as database, _runner(workers, scheduler) as runner:
        if again:
            database.remove({task.key for task in tasks} & database.keys("failed"))
        try:
            with _bar() as progress:
                run_suite(tasks, spec, database, runner, progress)
        except KeyboardInterrupt:
            there = len(database.keys() & {task.key for task in tasks})
            print(f"stopped with {there} of {len(tasks)} runs; the same command goes on")
            return NO_ANSWER
        frame = database.frame()
    mine = frame[frame["run_key"].isin([task.key for task in tasks])]
    print(as_markdown(mine, suite.columns))
    return FEASIBLE


@bad_input_is_told
def table(store: Path, columns: list[str], *, is_summary: bool) -> int:
    """Print runs, or medians of each solver and case, in Markdown; return the exit code."""
    raise_if_any(check_columns(columns, "--columns"))
    with Store.open(store) as database:
        frame = database.frame()
    print(as_summary(frame) if is_summary else as_markdown(frame, columns))
    return FEASIBLE


@bad_input_is_told
def export(store: Path, out: Path, form: str | None) -> int:
    """Write the runs into a file; return the exit code."""
    check_export(out, form)
    with Store.open(store) as database:
        write_export(database.frame(), out, form)
    return FEASIBLE


@bad_input_is_told
def report(store: Path, out: Path, figures: Path | None) -> int:
    """Write the report; return the exit code."""
    from gridopt.bench.report import write_report  # its charts take a second to import

    with Store.open(store) as database:
        frame = database.frame()
    if frame.empty:
        raise StudyError([Issue(f"store {store}", "rows", 0, "at least one run")])
    for path in write_report(frame, out, figures, f"gridopt bench report {store} --out {out}"):
        print(f"written: {path}")
    return FEASIBLE


def suites() -> int:
    """List the suites that are shipped; return the exit code."""
    print("\n".join(suite_names()))
    return FEASIBLE


def _chosen(suite: Suite, only: list[str]) -> list[Task]:
    """Return the tasks of a suite, or those whose keys begin as was asked."""
    tasks = list(suite.tasks())
    issues = [
        Issue("command line", "--only", begin, f"the beginning of a run's key in {suite.name}")
        for begin in only
        if not any(task.key.startswith(begin) for task in tasks)
    ]
    raise_if_any(issues)
    return [task for task in tasks if not only or task.key.startswith(tuple(only))]


@contextmanager
def _runner(workers: int, scheduler: str | None) -> Iterator[Runner]:
    if scheduler is None:
        yield Local(workers)
        return
    from gridopt.bench.cluster import Cluster, connect  # Dask takes a second to import

    with connect(scheduler) as client:
        yield Cluster(client)


@contextmanager
def _bar() -> Iterator[Callable[[Report], None] | None]:
    """Show how far the suite is, and how long the rest will take: on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    columns: tuple[Any, ...] = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total}  {task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("", total=None)

        def show(report: Report) -> None:
            row = report.row
            last = "" if row is None else f"{row['case_name']} by {row['solver']}: {row['status']}"
            bar.update(shown, total=report.total, completed=report.done, description=last)

        yield show
