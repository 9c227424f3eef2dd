"""The main job on a real grid: a day of the IEEE RTS-79 by MILP, annealing and QAOA."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from gridopt.ac_power_flow import PowerFlow, power_flow
from gridopt.io.cases import load_case
from gridopt.outputs import check_folder, write_run
from gridopt.results import Schedule
from gridopt.running import Run, solve
from gridopt.solver import ProgressCallback
from gridopt.study import Study
from gridopt.windows import window

PEAK_DAY_START = 50 * 168 + 24
"""First hour of Tuesday of week 51, the day of the annual peak."""

DAY_OPTIONS = {"network": "dc", "gap": 1e-4, "time_limit_s": 30.0}

ANNEALING_CLASSES = ("U20_", "U76_", "U155_", "U197_")
ANNEALING_PERIODS = 12, 12
ANNEALING_OPTIONS = {"reads": 50, "sweeps": 2000, "levels": 2, "seed": 1}

QAOA_UNITS = ("U76_1_1", "U100_7_1", "U197_13_1")
QAOA_PERIODS = 20, 3
QAOA_OPTIONS = {"seed": 1}


class ProgressLine(Protocol):
    """Shows the progress of one solve, or nothing where there is no terminal."""

    def __call__(self) -> AbstractContextManager[ProgressCallback | None]:
        """Return the callback while the context lasts."""


@dataclass(frozen=True, eq=False)
class Job:
    """One row of the demo: what was solved, and the AC power flow of the answer."""

    title: str
    run: Run
    flow: PowerFlow | None


def run_demo(out: Path, console: Console, progress_line: ProgressLine) -> bool:
    """Solve the day and two windows of it, show and write all answers.

    Returns
    -------
    bool
        Whether every answer is feasible.
    """
    check_folder(out)
    jobs = []
    for job in _jobs(progress_line):
        jobs.append(job)
        console.print(_line(job), highlight=False)
        write_run(job.run, out / job.title.replace(" ", "-"))
    console.print(_table(jobs))
    for text in (*_comparison(jobs), _LEGEND):
        console.print(text, highlight=False)
    console.print(f"Tables and figures are in {out}", highlight=False)
    return all(job.run.is_feasible for job in jobs)


_LEGEND = (
    "size: units × hours. gap: certified, cost recomputed from the study against a bound that "
    "HiGHS proved. AC: hours in which the AC power flow of the plan converges. pu: lowest "
    "voltage in them; the DC model does not see reactive power. In a window the other units stay "
    "as the day has them and answer changes at their supply curve."
)


def _comparison(jobs: list[Job]) -> Iterator[str]:
    """Say how long HiGHS took for the bound of each window, beside the sampler's seconds."""
    for job in jobs:
        details = job.run.solution.details
        if "bound_s" in details:
            share = float(details["raw_feasible_share"])
            yield (
                f"{job.title}: {details['reads']} reads, {share:.1%} of them feasible before "
                f"re-dispatch; HiGHS proved its bound in {details['bound_s']:.2f} s"
            )


def _jobs(progress_line: ProgressLine) -> Iterator[Job]:
    study = load_case("rts79", start=PEAK_DAY_START)
    day = _job("day", study, "highs", DAY_OPTIONS, progress_line)
    yield day
    if day.run.schedule is None:
        return
    annealed = _classes(study, ANNEALING_CLASSES)
    for title, units, periods, solver, options in (
        ("annealing", annealed, ANNEALING_PERIODS, "neal", ANNEALING_OPTIONS),
        ("qaoa", QAOA_UNITS, QAOA_PERIODS, "qaoa", QAOA_OPTIONS),
    ):
        part = window(day.run.schedule, units, *periods)
        yield _job(title, part, solver, options, progress_line)


def _classes(study: Study, prefixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in study.thermal.name if name.startswith(prefixes))


def _job(
    title: str, study: Study, solver: str, options: dict[str, Any], progress_line: ProgressLine
) -> Job:
    with progress_line() as progress:
        run = solve(study, "unit_commitment", solver, progress=progress, **options)
    return Job(title, run, _flow(study, run.schedule))


def _flow(study: Study, schedule: Schedule | None) -> PowerFlow | None:
    return None if schedule is None else power_flow(study, schedule)


def _line(job: Job) -> str:
    verdict = "feasible, verified" if job.run.is_feasible else "not feasible"
    return f"{job.title}: {verdict}; {job.run.termination} after {job.run.solve_s:.1f} s"


def _table(jobs: list[Job]) -> Table:
    table = Table(title="IEEE RTS-79, the day of the annual peak (week 51, Tuesday)")
    for name in ("job", "solver", "size", "bits", "cost $", "gap", "AC", "pu", "s"):
        table.add_column(name, no_wrap=True)
    for job in jobs:
        table.add_row(*_cells(job))
    return table


def _cells(job: Job) -> tuple[str, ...]:
    run, flow = job.run, job.flow
    summary = {} if flow is None else flow.summary()
    return (
        job.title,
        str(run.summary()["solver"]),
        f"{len(run.study.thermal)} × {run.study.n_periods}",
        str(run.solution.details.get("bits", "")),
        f"{run.cost:,.0f}",
        f"{run.gap:.3%}",
        f"{summary['converged']}/{run.study.n_periods}" if summary else "",
        f"{summary['min_vm_pu']:.3f}" if summary else "",
        format(run.solve_s, ".1f" if run.solve_s < 9.95 else ".0f"),  # fits 80 characters
    )
