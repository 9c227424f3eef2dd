"""The main job on a real grid: IEEE RTS-79, its peak day, by MILP, annealing and QAOA."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gridopt import plots
from gridopt.ac_power_flow import PowerFlow, power_flow
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.io.cases import load_case
from gridopt.outputs import check_folder, write_run
from gridopt.registry import make, solver_class
from gridopt.results import Schedule
from gridopt.running import Run, solve
from gridopt.solver import ProgressCallback, Solver
from gridopt.study import Study
from gridopt.windows import window

PEAK_DAY_START = 50 * 168 + 24
"""First hour of Tuesday of week 51, the day of the annual peak."""

MILP_TIME_LIMIT_S = 30.0

ANNEALING_CLASSES, ANNEALING_FIRST, ANNEALING_PERIODS = ("U76", "U100", "U197"), 0, 8
QAOA_UNITS, QAOA_FIRST, QAOA_PERIODS = ("U100_7_1", "U100_7_2", "U197_13_1"), 7, 2


@dataclass(frozen=True, eq=False)
class Job:
    """One row of the demo: a study, what solves it, and the AC power flow of the answer."""

    title: str
    run: Run
    flow: PowerFlow | None


def run_demo(out: Path, progress: ProgressCallback | None, console: Console) -> bool:
    """Run all three jobs, show them in one table and write them into a folder.

    Returns
    -------
    bool
        Whether every answer is feasible.
    """
    check_folder(out)
    console.print("[bold]IEEE RTS-79, the day of the annual peak: 32 units, DC network")
    study = load_case("rts79", start=PEAK_DAY_START)
    day = _job("day", study, "highs", progress, network="dc", gap=1e-3, time_limit_s=MILP_TIME_LIMIT_S)
    jobs = [day]
    if day.run.schedule is not None:
        jobs += _window_jobs(day.run.schedule, progress)
    for job in jobs:
        write_run(job.run, out / job.title.replace(" ", "-"))
    if day.run.schedule is not None:
        plots.save(plots.line_loading(day.run.schedule), out / "day" / "line_loading.png")
    console.print(_table(jobs))
    ...
    return all(job.run.is_feasible for job in jobs)
