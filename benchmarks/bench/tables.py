"""Tables for the page and for LaTeX: each cell is what is read and what it sorts by.

What is missing says why: a dash where nothing was asked, words where nothing was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

NOTHING = "–"
FEW_S = 9.95
"""Seconds up to which two digits are told behind the point."""


class Cell(NamedTuple):
    """What is read, and what it sorts by: None comes last."""

    text: str
    order: float | str | None


class Field(NamedTuple):
    """A column of a table.

    Parameters
    ----------
    key : str
        Column of the frame.
    header : str
    show : callable
        From a value and its row to a cell.
    """

    key: str
    header: str
    show: Callable[[Any, pd.Series[Any]], Cell]

    @property
    def is_number(self) -> bool:
        """Whether it stands at the right."""
        return self.show not in (text, code, yes_or_no)

    @property
    def is_code(self) -> bool:
        """Whether it is a command."""
        return self.show is code


@dataclass(frozen=True)
class Table:
    """A table that is ready to be written.

    Parameters
    ----------
    name : str
        Of its file, and of its place on the page.
    caption : str
    fields : tuple of Field
    rows : tuple of tuple of Cell
    """

    name: str
    caption: str
    fields: tuple[Field, ...]
    rows: tuple[tuple[Cell, ...], ...]


def tabulated(frame: pd.DataFrame, name: str, caption: str, fields: tuple[Field, ...]) -> Table:
    """Return a table of a frame; columns that say nothing in any row are left out."""
    rows = [
        tuple(field.show(row[field.key], row) for field in fields) for _, row in frame.iterrows()
    ]
    told = [any(row[i].text != NOTHING for row in rows) or not rows for i in range(len(fields))]
    kept = tuple(field for field, says in zip(fields, told, strict=True) if says)
    cells = tuple(tuple(cell for cell, says in zip(row, told, strict=True) if says) for row in rows)
    return Table(name, caption, kept, cells)


def text(value: Any, _row: Any) -> Cell:
    """Show words."""
    return Cell(str(value) if value not in ("", None) else NOTHING, str(value or ""))


def code(value: Any, row: Any) -> Cell:
    """Show a command."""
    return text(value, row)


def integer(value: Any, _row: Any) -> Cell:
    """Show a whole number."""
    return _number(value, "{:,.0f}", "unknown")


def money(value: Any, _row: Any) -> Cell:
    """Show a cost: inf where no plan, or less than half of them, is feasible."""
    return _number(value, "{:,.2f}" if abs(value) < 1e4 else "{:,.0f}", "no plan")


def bound(value: Any, _row: Any) -> Cell:
    """Show a bound."""
    return money(value, _row) if np.isfinite(value) else Cell("no bound", None)


def gap(value: Any, row: Any) -> Cell:
    """Show a gap; where there is none, whether the plan or the bound is missing."""
    if np.isfinite(value):
        return _number(100.0 * value, "{:.3f} %", "")
    has_plan = np.isfinite(row.get("cost", row.get("best_cost", np.nan)))
    return Cell("no bound" if has_plan else "no plan", None)


def percent(value: Any, _row: Any) -> Cell:
    """Show a relative difference; inf where nothing was feasible to compare."""
    return _number(100.0 * value, "{:.3f} %", "nothing feasible")


def share(value: Any, _row: Any) -> Cell:
    """Show a share."""
    return _number(100.0 * value, "{:.0f} %" if value in (0.0, 1.0) else "{:.1f} %", NOTHING)


def seconds(value: Any, _row: Any) -> Cell:
    """Show seconds; inf where it was never reached."""
    return _number(value, "{:,.2f}" if value < FEW_S else "{:,.0f}", "never")


def above_seconds(value: Any, row: Any) -> Cell:
    """Show a time to solution: above its lower end where nothing succeeded."""
    if np.isinf(value) and np.isfinite(row["low_s"]):
        return Cell(f"> {seconds(row['low_s'], row).text}", float("1e300"))
    return seconds(value, row)


def short(value: Any, _row: Any) -> Cell:
    """Show a number with three digits."""
    return _number(value, "{:.3g}", NOTHING)


def ratio(value: Any, _row: Any) -> Cell:
    """Show a ratio near one."""
    return _number(value, "{:.5f}", NOTHING)


def yes_or_no(value: Any, _row: Any) -> Cell:
    """Show whether."""
    return Cell("yes" if value else "no", float(bool(value)))


def _number(value: Any, form: str, infinite: str) -> Cell:
    if value is None or np.isnan(value):
        return Cell(NOTHING, None)
    if np.isinf(value):
        return Cell(infinite, float("1e300"))
    return Cell(form.format(value), float(f"{value:.9g}"))


LEADERS = (
    Field("problem", "problem", text),
    Field("units", "units", integer),
    Field("distinct_units", "different", integer),
    Field("periods", "periods", integer),
    Field("runs", "runs", integer),
    Field("feasible", "feasible", integer),
    Field("best_cost", "best cost $", money),
    Field("best_of", "by", text),
    Field("gap", "gap", gap),
    Field("bound", "best bound $", bound),
    Field("bound_source", "bound by", text),
)

SUMMARY = (
    Field("problem", "problem", text),
    Field("solver", "solver", text),
    Field("feasible", "feasible", integer),
    Field("runs", "of runs", integer),
    Field("cost", "cost $", money),
    Field("gap", "gap", gap),
    Field("own_gap", "own gap", gap),
    Field("low_cost", "lowest cost $", money),
    Field("solving_s", "s", seconds),
    Field("time_to_1_percent_s", "s to 1 %", seconds),
    Field("time_to_05_percent_s", "s to 0.5 %", seconds),
    Field("time_to_01_percent_s", "s to 0.1 %", seconds),
    Field("cpu_s", "CPU s", seconds),
    Field("peak_rss_mb", "MB", integer),
    Field("bits", "bits", integer),
    Field("density", "density", short),
    Field("coefficient_range", "coefficient range", short),
    Field("largest_component", "largest part", integer),
    Field("reads", "reads", integer),
    Field("raw_feasible_share", "raw feasible", share),
    Field("raw_cost", "raw cost $", money),
    Field("redispatch_s", "s of re-dispatch", seconds),
    Field("control_cost", "fair coins $", money),
    Field("null_cost", "prices alone $", money),
    Field("successes", "reads that succeed", share),
    Field("outcome", "ended", text),
)

RUNS = (
    Field("problem", "problem", text),
    Field("solver", "solver", text),
    Field("seed", "seed", integer),
    Field("status", "status", text),
    Field("feasible", "feasible", yes_or_no),
    Field("cost", "cost $", money),
    Field("best_gap", "gap", gap),
    Field("bound", "own bound $", bound),
    Field("solving_s", "s", seconds),
    Field("time_limit_s", "limit s", seconds),
    Field("cpu_s", "CPU s", seconds),
    Field("peak_rss_mb", "MB", integer),
    Field("wrong", "what is wrong", text),
    Field("command", "repeat with", code),
)

MILP = (
    Field("problem", "problem", text),
    Field("solver", "solver", text),
    Field("time_s", "s", seconds),
    Field("gap", "its gap", percent),
    Field("milp", "baseline", text),
    Field("milp_gap", "baseline's gap by then", percent),
)

SUCCESS = (
    Field("problem", "problem", text),
    Field("solver", "solver", text),
    Field("of", "of", text),
    Field("share", "succeed", share),
    Field("trials", "out of", integer),
    Field("tts_s", "TTS(99) s", above_seconds),
    Field("low_s", "from s", seconds),
    Field("high_s", "to s", seconds),
    Field("reference", "reaches", text),
)

FEASIBILITY = (
    Field("problem", "problem", text),
    Field("solver", "solver", text),
    Field("finding", "verifier finds", text),
    Field("share", "share of runs", share),
    Field("runs", "runs", integer),
    Field("violations", "violations", integer),
)

ABLATION = (
    Field("problem", "problem", text),
    Field("setting", "setting", text),
    Field("sampler", "sampler", text),
    Field("feasible", "feasible", integer),
    Field("runs", "of runs", integer),
    Field("cost", "cost $", money),
    Field("gap", "gap", gap),
    Field("null_gap", "gap of the prices alone", percent),
    Field("gain", "below the prices' cost", percent),
)

ERRORS = (
    Field("problem", "problem", text),
    Field("solver", "solver", text),
    Field("encoding", "encoding", percent),
    Field("sampler", "sampler", percent),
    Field("raw", "raw reads", percent),
    Field("redispatch", "re-dispatch takes off", percent),
    Field("repair", "repair takes off", percent),
    Field("left", "left", percent),
    Field("coins", "fair coins", percent),
)

PROFILE = (
    Field("panel", "gap", text),
    Field("solver", "solver", text),
    Field("ratio", "within a ratio of", short),
    Field("share", "share of problems", share),
)
COST_PROFILE = (
    Field("solver", "solver", text),
    Field("ratio", "within a ratio of", ratio),
    Field("share", "share of problems", share),
)

TIMES = (
    Field("problem", "problem", text),
    Field("solver", "solver", text),
    *(Field(name, f"s to {name}", seconds) for name in ("1 %", "0.5 %", "0.1 %")),
)
