"""Writes a run's tables, figures and page: all of them, or none."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from gridopt import plots
from gridopt.errors import Issue, StudyError
from gridopt.io.plan_files import write_plan
from gridopt.pages.parts import Page
from gridopt.pages.repeating import Origin
from gridopt.pages.run_page import run_page
from gridopt.pages.simulation_page import simulation_page
from gridopt.price_table import Prices
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
REPORT = "report.html"
PLAN_FIGURES = ("dispatch.png", "commitment.png", "map.png", "line_loading.png")

OF_A_RUN = (
    *(SUMMARY, REPORT, *SCHEDULES.values(), PRICES),
    *(*PLAN_FIGURES, "prices.png", "convergence.png"),
)
OF_A_SIMULATION = (SUMMARY, REPORT, *SCHEDULES.values(), DAYS, *PLAN_FIGURES)


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


def write_run(
    run: Run, folder: Path, form: Format = "csv", origin: Origin | None = None
) -> list[Path]:
    """Write summary, schedule, prices, figures and a page of all into a folder.

    Prices are written for a feasible plan; figures for one without scenarios, of one with them the
    commitment alone: the page has more. Everything is made
    beside the folder's files first and then moved in, so that an interrupted call leaves no
    half-written file. Files of an earlier run that this one lacks are removed.

    Parameters
    ----------
    run : Run
    folder : Path
    form : {"csv", "parquet", "json"}
        Of the schedule.
    origin : Origin, optional
        How the run was asked for, which the page tells.

    Returns
    -------
    list of Path
        The files written.
    """

    def write(scratch: Path) -> None:
        write_summary(run.summary(), scratch)
        if isinstance(run.plan, Schedule | ScenarioSchedules):
            write_plan(run.plan, scratch / SCHEDULES[form])
        found = _prices(run)
        _write_prices(run.plan, found, scratch)
        write_page(run_page(run, found, origin), OF_A_RUN, scratch)

    return replaced(folder, OF_A_RUN, write)


def write_simulation(
    simulation: Simulation, folder: Path, form: Format = "csv", origin: Origin | None = None
) -> list[Path]:
    """Write summary, days, schedule, figures and a page of a simulation, as `write_run` does."""

    def write(scratch: Path) -> None:
        write_summary(simulation.summary(), scratch)
        simulation.table().to_csv(scratch / DAYS, index=False)
        if simulation.schedule is not None:
            write_plan(simulation.schedule, scratch / SCHEDULES[form])
        write_page(simulation_page(simulation, origin), OF_A_SIMULATION, scratch)

    return replaced(folder, OF_A_SIMULATION, write)


def write_page(page: Page, names: Container[str], folder: Path) -> None:
    """Write a page, and each picture in it that has one of the names as a file of its own."""
    for picture in page.pictures:
        name = f"{picture.name}.png"
        if name in names:
            plots.save(picture.figure, folder / name)
    (folder / REPORT).write_text(page.html(), encoding="utf-8")


def write_summary(summary: dict[str, Any], folder: Path) -> None:
    """Write a record as JSON."""
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / SUMMARY).write_text(text + "\n", encoding="utf-8")


def _prices(run: Run) -> list[Prices]:
    """Return what energy and reserve are worth, in each scenario where there are several.

    A plan may be feasible by a tolerance that its prices cannot have: then there are none.
    """
    if not run.is_feasible:
        return []
    try:
        if isinstance(run.plan, ScenarioSchedules):
            return [prices(schedule, run.formulation) for schedule in run.plan.schedules]
        return [prices(run)]
    except StudyError:
        return []


def _write_prices(plan: object, found: list[Prices], folder: Path) -> None:
    if isinstance(plan, ScenarioSchedules) and found:
        tables = pd.concat([it.table() for it in found], keys=plan.names, names=["scenario"])
        tables.reset_index("scenario").to_csv(folder / PRICES, index=False)
    elif found:
        found[0].table().to_csv(folder / PRICES, index=False)


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
