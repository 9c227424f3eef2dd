"""Writes a placement's tables, figures and page: all of them, or none."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gridopt.outputs import (
    REPORT,
    SCHEDULES,
    SUMMARY,
    Format,
    replaced,
    write_page,
    write_summary,
)
from gridopt.pages.placing_page import placing_page
from gridopt.pages.repeating import Origin
from gridopt.placing import Placing

PLACEMENT, DISPATCH = "placement", "dispatch"
FIGURES = ("map.png", "state_of_charge.png", "voltage.png", "costs.png", "convergence.png")

OF_A_PLACING = (
    *(SUMMARY, REPORT),
    *(f"{name}.{form}" for name in (PLACEMENT, DISPATCH) for form in SCHEDULES),
    *FIGURES,
)


def write_placing(
    placing: Placing, folder: Path, form: Format = "csv", origin: Origin | None = None
) -> list[Path]:
    """Write summary, batteries, how everything runs, figures and a page of all into a folder.

    As `gridopt.outputs.write_run` does it, all or nothing.

    Parameters
    ----------
    placing : Placing
    folder : Path
    form : {"csv", "parquet", "json"}
        Of the tables.
    origin : Origin, optional
        How the placement was asked for, which the page tells.

    Returns
    -------
    list of Path
        The files written.
    """

    def write(scratch: Path) -> None:
        write_summary(placing.summary(), scratch)
        if placing.after is not None:
            placement = placing.after.placement
            _write_table(placement.table(), scratch / f"{PLACEMENT}.{form}", form)
            dispatch = placement.dispatch().rename_axis("time").reset_index()
            _write_table(dispatch, scratch / f"{DISPATCH}.{form}", form)
        write_page(placing_page(placing, origin), OF_A_PLACING, scratch)

    return replaced(folder, OF_A_PLACING, write)


def _write_table(table: pd.DataFrame, path: Path, form: Format) -> None:
    if form == "csv":
        table.to_csv(path, index=False)
    elif form == "parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_json(path, orient="records", date_format="iso", indent=2)
