"""Writes a run's tables and figures: all of them, or none."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from gridopt import plots
from gridopt.errors import Issue, StudyError
from gridopt.io.plan_files import write_plan
from gridopt.pricing import prices
from gridopt.results import ScenarioSchedules, Schedule
from gridopt.running import Run
from gridopt.simulation import Simulation

Format = Literal["csv", "parquet", "json"]

SUMMARY, PRICES, DAYS = "summary.json", "prices.csv", "days.csv"
SCHEDULES: Mapping[Format, str] = {
    "csv": "schedule.csv",
    "parquet": "schedule.parquet",
    "json": "schedule.json",
}
CONVERGENCE = "convergence.png"
FIGURES = {"dispatch.png": plots.dispatch, "commitment.png": plots.commitment}
PRICE_FIGURE = "prices.png"

OF_A_RUN = (SUMMARY, *SCHEDULES.values(), PRICES, *FIGURES, PRICE_FIGURE, CONVERGENCE)
OF_A_SIMULATION = (SUMMARY, *SCHEDULES.values(), DAYS)


def check_folder(folder: Path) -> None:
    """Make sure before any work that results can be written there; leave no trace of it.

    Raises
    ------
    StudyError
        Where the path is a file, or cannot be made or written.
    """
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as fault:
        expected = f"a folder that can be written ({fault.strerror})"
        raise StudyError([Issue("output", "out", str(folder), expected)]) from fault


def write_run(run: Run, folder: Path, form: Format = "csv") -> list[Path]:
    """Write summary, schedule, prices and figures into a folder.

    Prices are written for a feasible plan; figures for one without scenarios. Everything is made
    beside the folder's files first and then moved in, so that an interrupted call leaves no
    half-written file. Files of an earlier run that this one lacks are removed.

    Parameters
    ----------
    run : Run
    folder : Path
    form : {"csv", "parquet", "json"}
        Of the schedule.

    Returns
    -------
    list of Path
        The files written.
    """

    def write(scratch: Path) -> None:
        write_summary(run.summary(), scratch)
        if isinstance(run.plan, Schedule | ScenarioSchedules):
            write_plan(run.plan, scratch / SCHEDULES[form])
        if run.schedule is not None:
            for name, draw in FIGURES.items():
                plots.save(draw(run.schedule), scratch / name)
        if run.solution.trace:
            plots.save(plots.convergence(run), scratch / CONVERGENCE)
        if run.is_feasible:
            _write_prices(run, scratch)

    return replaced(folder, OF_A_RUN, write)


def write_simulation(simulation: Simulation, folder: Path, form: Format = "csv") -> list[Path]:
    """Write summary, days and schedule of a simulation into a folder, as `write_run` does."""

    def write(scratch: Path) -> None:
        write_summary(simulation.summary(), scratch)
        simulation.table().to_csv(scratch / DAYS, index=False)
        if simulation.schedule is not None:
            write_plan(simulation.schedule, scratch / SCHEDULES[form])

    return replaced(folder, OF_A_SIMULATION, write)


def write_summary(summary: dict[str, Any], folder: Path) -> None:
    """Write a record as JSON."""
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / SUMMARY).write_text(text + "\n", encoding="utf-8")


def _write_prices(run: Run, folder: Path) -> None:
    """Write what energy and reserve are worth, in each scenario where there are several.

    A plan may be feasible by a tolerance that its prices cannot have: then there are none.
    """
    try:
        if isinstance(run.plan, ScenarioSchedules):
            each = [prices(schedule, run.formulation) for schedule in run.plan.schedules]
            tables = pd.concat([it.table() for it in each], keys=run.plan.names, names=["scenario"])
            tables.reset_index("scenario").to_csv(folder / PRICES, index=False)
        else:
            found = prices(run)
            found.table().to_csv(folder / PRICES, index=False)
            plots.save(plots.prices(found), folder / PRICE_FIGURE)
    except StudyError:
        (folder / PRICES).unlink(missing_ok=True)


def replaced(folder: Path, names: tuple[str, ...], write: Callable[[Path], None]) -> list[Path]:
    """Replace the files of these names in a folder by what is written, once all is."""
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        write(scratch)
        for name in names:
            (folder / name).unlink(missing_ok=True)
        return [file.rename(folder / file.name) for file in sorted(scratch.iterdir())]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
