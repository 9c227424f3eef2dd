"""Writes a placement's tables and figures: all of them, or none."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gridopt import placement_plots, plots
from gridopt.outputs import CONVERGENCE, SCHEDULES, SUMMARY, Format, replaced, write_summary
from gridopt.placing import Placing

PLACEMENT, DISPATCH = "placement", "dispatch"
MAP, CHARGE, VOLTAGE, COSTS = "map.png", "state_of_charge.png", "voltage.png", "costs.png"

OF_A_PLACING = (
    SUMMARY,
    *(f"{name}.{form}" for name in (PLACEMENT, DISPATCH) for form in SCHEDULES),
    *(MAP, CHARGE, VOLTAGE, COSTS, CONVERGENCE),
)


def write_placing(placing: Placing, folder: Path, form: Format = "csv") -> list[Path]:
    """Write summary, batteries, how everything runs, and figures into a folder.

    As `gridopt.outputs.write_run` does it, all or nothing.

    Parameters
    ----------
    placing : Placing
    folder : Path
    form : {"csv", "parquet", "json"}
        Of the tables.

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
            _write_figures(placing, scratch)
        if placing.run.solution.trace:
            plots.save(plots.convergence(placing.run), scratch / CONVERGENCE)

    return replaced(folder, OF_A_PLACING, write)


def _write_table(table: pd.DataFrame, path: Path, form: Format) -> None:
    if form == "csv":
        table.to_csv(path, index=False)
    elif form == "parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_json(path, orient="records", date_format="iso", indent=2)


def _write_figures(placing: Placing, folder: Path) -> None:
    before, after = placing.before, placing.after
    if after is None:
        return
    if after.placement.study.grid.n_branches:
        plots.save(placement_plots.network_map(after.placement, after.flows), folder / MAP)
    plots.save(placement_plots.state_of_charge(after.placement), folder / CHARGE)
    if before is None:
        return
    plots.save(placement_plots.cost_waterfall(before, after), folder / COSTS)
    if before.flows and after.flows:
        plots.save(placement_plots.voltage_band(before, after), folder / VOLTAGE)
