"""Unit tables: the parameters of thermal units that a net does not hold.

A table has one row a unit, keyed by (element, index) or by name; every other column may be left
out and every other cell may be empty, which means "not given". Lists stand in one cell with
semicolons between the numbers: ``0;6``.

============================================ =====================================================
column                                       is
============================================ =====================================================
``element``, ``index``                       key in the net: gen, sgen or ext_grid and its index
``name``                                     the other key; with both keys, the unit's new name
``bus``                                      index of the bus; checked, never changed
``p_min_mw``, ``p_max_mw``                   output limits of a unit that is on
``ramp_up_mw_per_h``, ``ramp_down_mw_per_h`` ramp limits; ``inf`` for none
``startup_ramp_mw``, ``shutdown_ramp_mw``    highest output in the first (last) period on
``min_up_time_h``, ``min_down_time_h``       more than 0; 1 for none at hourly periods
``initial_status_h``                         hours on (+) or off (−) before the first period
``initial_power_mw``                         output just before the first period
``must_run``                                 true or false
``startup_lag_h``, ``startup_cost``          hours off from which each cost of a start holds, and $
``cost_power_mw``, ``cost_per_h``            breakpoints of the convex cost curve, MW and $/h
``cost_quadratic``                           $/(MW² h), added to the piecewise part
``technology``                               key of the table of typical units
============================================ =====================================================
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from gridopt.errors import Issue, StudyError, attempt, raise_if_any
from gridopt.grid import ElementKey

TYPICAL = "typical"
"""In place of a unit table: what nobody gives is taken from the shipped table of typical units."""

# --- cells ------------------------------------------------------------------------------------


def is_empty(cell: object) -> bool:
    """Tell whether a cell says nothing: None, NaN, NA, blank text or an empty list."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, str):
        return not cell.strip()
    if isinstance(cell, list | tuple):
        return not cell
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))


def _number(cell: object) -> float:
    if isinstance(cell, bool | np.bool_):
        raise ValueError("a truth value")
    number = float(cast("float", cell))
    if math.isnan(number):
        raise ValueError("NaN written out")
    return number


def _whole(cell: object) -> int:
    number = _number(cell)
    if not number.is_integer():
        raise ValueError("not whole")
    return int(number)


def _truth(cell: object) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return known[str(cell).strip().lower().removesuffix(".0")]


def number_list(cell: object) -> tuple[float, ...]:
    """Return the numbers of a list cell, such as ``0;6``; raise `ValueError` where it has none."""
    if isinstance(cell, str):
        return tuple(_number(part) for part in cell.split(";"))
    if isinstance(cell, Iterable):
        return tuple(_number(part) for part in cell)
    return (_number(cell),)


def _text(cell: object) -> str:
    return str(cell).strip()


def _any(_: object) -> bool:
    return True


def _finite(value: float) -> bool:
    return math.isfinite(value)


def _positive(value: float) -> bool:
    return value > 0


def _positive_finite(value: float) -> bool:
    return 0 < value < math.inf


def _not_negative(value: float) -> bool:
    return 0 <= value < math.inf


def _nonzero(value: float) -> bool:
    return math.isfinite(value) and value != 0


def _rising(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values)) and bool((np.diff(values) > 0).all())


def _rising_from_zero(values: Sequence[float]) -> bool:
    return _rising(values) and values[0] >= 0


def _all_finite(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values))


@dataclass(frozen=True)
class _Column:
    """How a column is read: `parse` raises where it cannot, `allows` says what is in range."""

    parse: Callable[[object], Any]
    expected: str
    allows: Callable[[Any], bool] = _any
    dtype: str = "object"


def _is_element(value: object) -> bool:
    return value in ("gen", "sgen", "ext_grid")


_MEGAWATT = _Column(_number, "a number of at least 0", _not_negative, "float64")
_LIMIT = _Column(_number, "a number above 0, or inf", _positive, "float64")
_HOURS = _Column(_number, "a number of hours above 0", _positive_finite, "float64")

_COLUMNS: dict[str, _Column] = {
    "element": _Column(_text, "gen, sgen or ext_grid", _is_element),
    "index": _Column(_whole, "a whole number of at least 0", _not_negative, "Int64"),
    "name": _Column(_text, "a text"),
    "bus": _Column(_whole, "a whole number of at least 0", _not_negative, "Int64"),
    "p_min_mw": _MEGAWATT,
    "p_max_mw": _MEGAWATT,
    "ramp_up_mw_per_h": _LIMIT,
    "ramp_down_mw_per_h": _LIMIT,
    "startup_ramp_mw": _LIMIT,
    "shutdown_ramp_mw": _LIMIT,
    "min_up_time_h": _HOURS,
    "min_down_time_h": _HOURS,
    "initial_status_h": _Column(_number, "hours on (+) or off (−), never 0", _nonzero, "float64"),
    "initial_power_mw": _MEGAWATT,
    "must_run": _Column(_truth, "true or false", dtype="boolean"),
    "startup_lag_h": _Column(
        number_list, "rising hours of at least 0, like 0;6", _rising_from_zero
    ),
    "startup_cost": _Column(number_list, "numbers, like 500;900", _all_finite),
    "cost_power_mw": _Column(number_list, "rising MW, like 20;60;100", _rising),
    "cost_per_h": _Column(number_list, "$/h, like 300;700;1200", _all_finite),
    "cost_quadratic": _Column(_number, "a number", _finite, "float64"),
    "technology": _Column(_text, "a text"),
}

UNIT_COLUMNS: tuple[str, ...] = tuple(_COLUMNS)
"""Columns of a unit table, in their canonical order."""


_PAIRED = ("cost_power_mw", "cost_per_h", "startup_lag_h", "startup_cost")
"""Columns whose lists belong together."""


# --- reading a table --------------------------------------------------------------------------


def csv_cells(path: str | Path) -> tuple[list[str], list[list[str]]]:
    """Read a CSV file as text: the header and the rows, each as long as the header.

    Parameters
    ----------
    path : str or Path
        UTF-8, commas, one header line; a byte-order mark and empty lines are skipped.

    Returns
    -------
    header : list of str
    rows : list of list of str

    Raises
    ------
    OSError, ValueError
        The file cannot be read, or is no table: the message says why.
    """
    text = Path(path).read_text(encoding="utf-8-sig")
    if "\0" in text:
        raise ValueError("no text file")
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    if not lines:
        raise ValueError("the file is empty")
    header = [cell.strip() for cell in lines[0][1]]
    for number, line in lines[1:]:
        if len(line) != len(header):
            raise ValueError(f"line {number} has {len(line)} cells, the header {len(header)}")
    return header, [line for _, line in lines[1:]]


def column_issues(header: Sequence[str], where: str) -> Iterator[Issue]:
    """Yield a fault for each column that is there more than once."""
    for name, count in Counter(header).items():
        if count > 1:
            yield Issue(where, "column", f"{name!r} used {count} times", "each column once")


def read_units(source: pd.DataFrame | str | Path) -> pd.DataFrame:
    """Read and check a unit table.

    Parameters
    ----------
    source : DataFrame, str or Path
        A table with the columns of this module's docstring, or a CSV file of one. Cells of a
        DataFrame may be text, numbers or (for lists) tuples.

    Returns
    -------
    DataFrame, (U, len(UNIT_COLUMNS))
        All columns in canonical order, one row a unit: lists as tuples of float, numbers as
        float, ``must_run`` as nullable boolean; what is not given is NaN, NA or None.

    Raises
    ------
    StudyError
        With every fault of the table.
    """
    issues: list[Issue] = []
    table = _read(source, issues)
    raise_if_any(issues)
    return table


def given_units(
    units: pd.DataFrame | str | Path | None, issues: list[Issue]
) -> pd.DataFrame | None:
    """Return the unit table that a user gave, None for none or `TYPICAL`; collect its faults.

    What is at fault is left out of the table, so that the rest of it can be checked on the net.
    """
    if units is None or (isinstance(units, str) and units == TYPICAL):
        return None
    return attempt(lambda: _read(units, issues), issues)


def _read(source: pd.DataFrame | str | Path, issues: list[Issue]) -> pd.DataFrame:
    """Return the table without what is at fault; collect the faults, or raise them."""
    header, rows, where = _raw(source)
    found = [*column_issues(header, where), *_header_issues(header, where)]
    if len(set(header)) < len(header):
        raise StudyError(found)  # which of the cells is meant, nobody knows
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    parsed = [_parsed_row(row, row_label(row, n), found) for n, row in enumerate(cells, start=1)]
    found += _key_issues(cells, parsed)
    for n, (row, values) in enumerate(zip(cells, parsed, strict=True), start=1):
        faults = list(_pair_issues(row, values, row_label(row, n)))
        found += faults
        if faults or any(name not in values and not is_empty(row.get(name)) for name in _PAIRED):
            for name in _PAIRED:
                values.pop(name, None)
    issues += found
    keys = [{row.get("name"), element_key(row)} - {None} for row in parsed]
    used = Counter(itertools.chain(*keys))
    told_apart = [bool(own) and all(used[key] == 1 for key in own) for own in keys]
    return _canonical(list(itertools.compress(parsed, told_apart)))


def _raw(source: pd.DataFrame | str | Path) -> tuple[list[str], list[list[Any]], str]:
    if isinstance(source, pd.DataFrame):
        rows = [list(row) for row in source.itertuples(index=False, name=None)]
        return [str(column).strip() for column in source.columns], rows, "unit table"
    where = f"unit table {Path(source).name}"
    try:
        header, lines = csv_cells(source)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        expected = f"a CSV file in UTF-8, or the word {TYPICAL}"
        raise_if_any([Issue(where, "file", f"unreadable ({reason})", expected)])
        raise
    return header, [list(line) for line in lines], where


def _header_issues(header: Sequence[str], where: str) -> Iterator[Issue]:
    for name in header:
        if name not in _COLUMNS:
            near = difflib.get_close_matches(name.lower(), UNIT_COLUMNS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f": {', '.join(UNIT_COLUMNS)}"
            yield Issue(where, "column", repr(name), f"a column of a unit table{hint}")
    if "name" not in header and not {"element", "index"} <= set(header):
        yield Issue(where, "columns", ", ".join(header) or "none", "name, or element and index")


def row_label(row: Mapping[str, Any], number: int) -> str:
    """Name a unit as its row does, down to the row's number where it has no key."""
    name = "" if is_empty(row.get("name")) else _text(row["name"])
    if is_empty(row.get("element")) or is_empty(row.get("index")):
        return f"unit {name}" if name else f"row {number} of the unit table"
    key = f"{_text(row['element'])} {_text(row['index']).removesuffix('.0')}"
    return f"{key} ({name})" if name else key


def _parsed_row(row: Mapping[str, Any], where: str, issues: list[Issue]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for name, cell in row.items():
        if name not in _COLUMNS or is_empty(cell):
            continue
        column = _COLUMNS[name]
        try:
            value = column.parse(cell)
        except (ValueError, TypeError, KeyError, OverflowError):
            issues.append(Issue(where, name, repr(cell), column.expected))
            continue
        if column.allows(value):
            parsed[name] = value
        else:
            issues.append(Issue(where, name, cell, column.expected))
    return parsed


def _key_issues(
    cells: Sequence[Mapping[str, Any]], parsed: Sequence[Mapping[str, Any]]
) -> Iterator[Issue]:
    keys = Counter(element_key(row) for row in parsed)
    names = Counter(row.get("name") for row in parsed)
    for n, (row, values) in enumerate(zip(cells, parsed, strict=True), start=1):
        # Where the columns are missing, the header has been reported, not every row of it.
        keyed = {"element", "index"} <= row.keys()
        half = keyed and is_empty(row["element"]) != is_empty(row["index"])
        none = is_empty(row.get("element")) and is_empty(row.get("name"))
        none = none and (keyed or "name" in row)
        if half or none:
            given = {k: row.get(k) for k in ("element", "index", "name")}
            shown = ", ".join(f"{k}={v}" for k, v in given.items() if not is_empty(v))
            yield Issue(row_label(row, n), "key", shown or "missing", "element and index, or name")
        for field_name, counts, key in (
            ("element, index", keys, element_key(values)),
            ("name", names, values.get("name")),
        ):
            if key is not None and counts[key] > 1 and n == _first(parsed, key):
                expected = "one row a unit"
                yield Issue(row_label(row, n), field_name, f"used {counts[key]} times", expected)


def _first(parsed: Sequence[Mapping[str, Any]], key: object) -> int:
    return 1 + next(n for n, row in enumerate(parsed) if key in (element_key(row), row.get("name")))


def element_key(row: Mapping[str, Any]) -> ElementKey | None:
    """Return the (element, index) of a row, None where it lacks either."""
    if row.get("element") is None or row.get("index") is None:
        return None
    return row["element"], int(row["index"])


def _pair_issues(row: Mapping[str, Any], values: Mapping[str, Any], where: str) -> Iterator[Issue]:
    """Check the lists that belong together: breakpoints and costs, lags and start-up costs."""
    for at, cost in (("cost_power_mw", "cost_per_h"), ("startup_lag_h", "startup_cost")):
        for missing, there in ((at, cost), (cost, at)):
            # One start-up cost needs no lag: it holds for every start.
            single = there == "startup_cost" and len(values.get(there, ())) == 1
            if is_empty(row.get(missing)) and there in values and not single:
                shown = shown_list(values[there])
                yield Issue(where, missing, "missing", f"a list beside {there} = {shown}")
        if at in values and cost in values and len(values[at]) != len(values[cost]):
            expected = f"as many numbers as {at} = {shown_list(values[at])}"
            yield Issue(where, cost, shown_list(values[cost]), expected)


def shown_list(values: Iterable[float]) -> str:
    """Return numbers as a list cell."""
    return ";".join(f"{value:g}" for value in values)


def _canonical(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = {}
    for name, column in _COLUMNS.items():
        values = [row.get(name) for row in rows]
        if column.dtype == "float64":
            values = [math.nan if value is None else value for value in values]
        columns[name] = pd.Series(values, dtype=column.dtype)
    return pd.DataFrame(columns)
