"""Writes a run's tables and figures: all of them, or none."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from gridopt import plots
from gridopt.errors import Issue, StudyError
from gridopt.running import Run

SUMMARY, SCHEDULE = "summary.json", "schedule.csv"
FIGURES = {"dispatch.png": plots.dispatch, "commitment.png": plots.commitment}


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


def write_run(run: Run, folder: Path) -> list[Path]:
    """Write summary, schedule and figures into a folder.

    Everything is made beside the folder's files first and then moved in, so that an interrupted
    call leaves no half-written file. Files of an earlier run that this one lacks are removed.

    Returns
    -------
    list of Path
        The files written.
    """
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        summary = json.dumps(run.summary(), indent=2, ensure_ascii=False, allow_nan=False)
        (scratch / SUMMARY).write_text(summary + "\n", encoding="utf-8")
        if run.schedule is not None:
            run.schedule.units().to_csv(scratch / SCHEDULE, index=False)
            for name, draw in FIGURES.items():
                plots.save(draw(run.schedule), scratch / name)
        for name in (SUMMARY, SCHEDULE, *FIGURES):
            (folder / name).unlink(missing_ok=True)
        return [file.rename(folder / file.name) for file in sorted(scratch.iterdir())]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
