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
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from gridopt.errors import Issue, StudyError, attempt, raise_if_any
from gridopt.grid import ElementKey
from gridopt.study import CostCurve, StartupCost, ThermalUnits

TYPICAL = "typical"
"""In place of a unit table: what nobody gives is taken from the shipped table of typical units."""

LONG_H = 24.0
"""Least hours that a unit of unknown history has been on or off; see `thermal_units`."""

_SPAN_TOLERANCE_MW = 1e-6


# --- cells ------------------------------------------------------------------------------------


def _is_empty(cell: object) -> bool:
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


def _numbers(cell: object) -> tuple[float, ...]:
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
    "startup_lag_h": _Column(_numbers, "rising hours of at least 0, like 0;6", _rising_from_zero),
    "startup_cost": _Column(_numbers, "numbers, like 500;900", _all_finite),
    "cost_power_mw": _Column(_numbers, "rising MW, like 20;60;100", _rising),
    "cost_per_h": _Column(_numbers, "$/h, like 300;700;1200", _all_finite),
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
    parsed = [_parsed_row(row, _label(row, n), found) for n, row in enumerate(cells, start=1)]
    found += _key_issues(cells, parsed)
    for n, (row, values) in enumerate(zip(cells, parsed, strict=True), start=1):
        faults = list(_pair_issues(row, values, _label(row, n)))
        found += faults
        if faults or any(name not in values and not _is_empty(row.get(name)) for name in _PAIRED):
            for name in _PAIRED:
                values.pop(name, None)
    issues += found
    keys = [{row.get("name"), _element_key(row)} - {None} for row in parsed]
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
        raise_if_any([Issue(where, "file", f"unreadable ({reason})", "a CSV file in UTF-8")])
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


def _label(row: Mapping[str, Any], number: int) -> str:
    """Name a unit as its row does, down to the row's number where it has no key."""
    name = "" if _is_empty(row.get("name")) else _text(row["name"])
    if _is_empty(row.get("element")) or _is_empty(row.get("index")):
        return f"unit {name}" if name else f"row {number} of the unit table"
    key = f"{_text(row['element'])} {_text(row['index']).removesuffix('.0')}"
    return f"{key} ({name})" if name else key


def _parsed_row(row: Mapping[str, Any], where: str, issues: list[Issue]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for name, cell in row.items():
        if name not in _COLUMNS or _is_empty(cell):
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
    keys = Counter(_element_key(row) for row in parsed)
    names = Counter(row.get("name") for row in parsed)
    for n, (row, values) in enumerate(zip(cells, parsed, strict=True), start=1):
        # Where the columns are missing, the header has been reported, not every row of it.
        keyed = {"element", "index"} <= row.keys()
        half = keyed and _is_empty(row["element"]) != _is_empty(row["index"])
        none = _is_empty(row.get("element")) and _is_empty(row.get("name"))
        none = none and (keyed or "name" in row)
        if half or none:
            given = {k: row.get(k) for k in ("element", "index", "name")}
            shown = ", ".join(f"{k}={v}" for k, v in given.items() if not _is_empty(v))
            yield Issue(_label(row, n), "key", shown or "missing", "element and index, or name")
        for field_name, counts, key in (
            ("element, index", keys, _element_key(values)),
            ("name", names, values.get("name")),
        ):
            if key is not None and counts[key] > 1 and n == _first(parsed, key):
                expected = "one row a unit"
                yield Issue(_label(row, n), field_name, f"used {counts[key]} times", expected)


def _first(parsed: Sequence[Mapping[str, Any]], key: object) -> int:
    return 1 + next(
        n for n, row in enumerate(parsed) if key in (_element_key(row), row.get("name"))
    )


def _element_key(row: Mapping[str, Any]) -> ElementKey | None:
    if row.get("element") is None or row.get("index") is None:
        return None
    return row["element"], int(row["index"])


def _pair_issues(row: Mapping[str, Any], values: Mapping[str, Any], where: str) -> Iterator[Issue]:
    """Check the lists that belong together: breakpoints and costs, lags and start-up costs."""
    for at, cost in (("cost_power_mw", "cost_per_h"), ("startup_lag_h", "startup_cost")):
        for missing, there in ((at, cost), (cost, at)):
            # One start-up cost needs no lag: it holds for every start.
            single = there == "startup_cost" and len(values.get(there, ())) == 1
            if _is_empty(row.get(missing)) and there in values and not single:
                shown = _shown(values[there])
                yield Issue(where, missing, "missing", f"a list beside {there} = {shown}")
        if at in values and cost in values and len(values[at]) != len(values[cost]):
            expected = f"as many numbers as {at} = {_shown(values[at])}"
            yield Issue(where, cost, _shown(values[cost]), expected)


def _shown(values: Iterable[float]) -> str:
    return ";".join(f"{value:g}" for value in values)


def _canonical(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = {}
    for name, column in _COLUMNS.items():
        values = [row.get(name) for row in rows]
        if column.dtype == "float64":
            values = [math.nan if value is None else value for value in values]
        columns[name] = pd.Series(values, dtype=column.dtype)
    return pd.DataFrame(columns)


# --- from tables to units ---------------------------------------------------------------------


@dataclass
class _Unit:
    """One unit while it is put together: its values, and which of them the table gave."""

    values: dict[str, Any]
    given: set[str] = field(default_factory=set)

    @property
    def label(self) -> str:
        return f"{self.values['element']} {self.values['index']} ({self.values['name']})"

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)


def thermal_units(
    base: pd.DataFrame,
    given: pd.DataFrame | None,
    *,
    typical: bool,
    horizon_h: float | None,
) -> tuple[ThermalUnits, tuple[str, ...], list[Issue]]:
    """Put together the thermal units of a net and a unit table.

    Parameters
    ----------
    base : DataFrame
        What the net says, one row a unit, with the columns of a unit table as `read_units`
        returns them; ``element``, ``index``, ``name``, ``bus`` (here the position in the grid's
        buses), ``p_min_mw``, ``p_max_mw``, ``cost_power_mw`` and ``cost_per_h`` must be there.
        ``initial_power_mw`` may be NaN for unknown. A further column ``bus_index`` with the
        net's own index of the bus lets the ``bus`` column of `given` be checked.
    given : DataFrame or None
        What `read_units` returned; overrides the net cell by cell. A row with (element, index)
        is matched by it, and its name, if any, becomes the unit's; other rows by name.
    typical : bool
        Fill what is missing from the shipped table ``typical_units.csv``: ramps, minimum up
        and down times and start-up costs, by `technology` and size, or by size alone where the
        technology is not known.
    horizon_h : float or None
        Hours of data; a given minimum up time beyond it is a fault.

    Returns
    -------
    units : ThermalUnits
        In the order of `base`.
    assumptions : tuple of str
        What was assumed, one line a field and class of units.
    issues : list of Issue
        Faults that need the table; those of the units as such are found by `Study`.

    Notes
    -----
    What nobody gives: no ramp limits, minimum up and down times of 1 h, starts that cost
    nothing, no must-run. Initial state:

    - a given status of off means no power; a given status of on without power, unknown power;
    - without a status, a unit with power (or with unknown power) is on and one without is off,
      for long enough that it may be switched at once and is cold: the longest of 24 h, its
      minimum up and down times and its last start-up lag;
    - a power that comes from the net and lies outside the unit's limits counts as unknown.

    Where limits are overridden and the cost curve is not, the curve is cut to the new range and
    goes on with its end slopes beyond the old one. A cost curve of the table must reach from
    p_min to p_max and is cut where it reaches further.
    """
    units = [_Unit(dict(row)) for row in cast("list[dict[str, Any]]", base.to_dict("records"))]
    for unit in units:
        unit.values = {k: v for k, v in unit.values.items() if not _is_empty(v)}
    issues = _override(units, given) if given is not None else []
    for unit in units:
        issues += _horizon_issues(unit, horizon_h)
    assumptions = _fill_typical(units) if typical else []
    curves = []
    for unit in units:
        issues += _span_issues(unit)
        curves.append(_curve(unit))
    assumptions += _settle_initial(units)
    return _assembled(units, curves), tuple(assumptions), issues


def _override(units: Sequence[_Unit], given: pd.DataFrame) -> list[Issue]:
    """Write the rows of the table over the units they name; return what does not match."""
    by_key = {(u.values["element"], int(u.values["index"])): u for u in units}
    by_name = {u.values["name"]: u for u in units}
    issues: list[Issue] = []
    for n, cells in enumerate(cast("list[dict[str, Any]]", given.to_dict("records")), start=1):
        row = {k: v for k, v in cells.items() if k in _COLUMNS and not _is_empty(v)}
        key, where = _element_key(row), _label(row, n)
        unit = by_key.get(key) if key else by_name.get(row.get("name", ""))
        if unit is None:
            field_name, known = ("name", by_name) if key is None else ("element, index", by_key)
            issues.append(Issue(where, field_name, "no such unit", _expected(key, row, known)))
        elif unit.given:
            issues.append(Issue(where, "key", f"a second row for {unit.label}", "one row a unit"))
        else:
            issues += _bus_issues(unit, row, where)
            _overlay(unit, row)
    return issues


def _expected(key: ElementKey | None, row: Mapping[str, Any], known: Iterable[Any]) -> str:
    texts = [f"{k[0]} {k[1]}" if isinstance(k, tuple) else str(k) for k in known]
    wanted = f"{key[0]} {key[1]}" if key else str(row.get("name"))
    near = difflib.get_close_matches(wanted, texts, n=3)
    return f"a thermal unit of the net, such as {', '.join(near or texts[:3]) or 'none'}"


def _bus_issues(unit: _Unit, row: Mapping[str, Any], where: str) -> Iterator[Issue]:
    sits = unit.get("bus_index")
    if sits is not None and "bus" in row and int(row["bus"]) != int(sits):
        yield Issue(where, "bus", row["bus"], f"{sits}, where the net has this unit")


def _overlay(unit: _Unit, row: Mapping[str, Any]) -> None:
    own = {k: v for k, v in row.items() if k not in ("element", "index", "bus")}
    if "cost_power_mw" in own:
        unit.values["cost_quadratic"] = 0.0  # the table's curve replaces all of the net's
    if "startup_cost" in own:
        unit.values["startup_lag_h"] = (0.0,)
    if "initial_status_h" in own:
        unit.values.pop("initial_power_mw", None)
    if "initial_power_mw" in own:
        unit.values.pop("initial_status_h", None)
    unit.values.update(own)
    unit.given = set(row)


def _horizon_issues(unit: _Unit, horizon_h: float | None) -> Iterator[Issue]:
    if horizon_h is None or "min_up_time_h" not in unit.given:
        return
    if unit.values["min_up_time_h"] > horizon_h:
        expected = f"at most the horizon of {horizon_h:g} h"
        yield Issue(unit.label, "min_up_time_h", unit.values["min_up_time_h"], expected)


# --- cost curves ------------------------------------------------------------------------------


def _span_issues(unit: _Unit) -> Iterator[Issue]:
    if "cost_power_mw" not in unit.given:
        return
    power = unit.values["cost_power_mw"]
    low, high = unit.values["p_min_mw"], unit.values["p_max_mw"]
    if power[0] > low + _SPAN_TOLERANCE_MW or power[-1] < high - _SPAN_TOLERANCE_MW:
        expected = f"breakpoints from p_min_mw = {low:g} to p_max_mw = {high:g}"
        yield Issue(unit.label, "cost_power_mw", _shown(power), expected)


def _curve(unit: _Unit) -> CostCurve:
    low, high = float(unit.values["p_min_mw"]), float(unit.values["p_max_mw"])
    power = tuple(float(p) for p in unit.get("cost_power_mw", (low, high)))
    cost = tuple(float(c) for c in unit.get("cost_per_h", (0.0,) * len(power)))
    power, cost = _cut(power, cost, low, high)
    return CostCurve(power, cost, float(unit.get("cost_quadratic", 0.0)))


def _cut(
    power: tuple[float, ...], cost: tuple[float, ...], low: float, high: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Cut a curve to [low, high]; beyond its ends it goes on with its end slopes.

    A curve of one point has no slope and stays constant. Limits that cross give the one point
    at `low`: `Study` reports them.
    """
    inner = [p for p in power[1:-1] if low < p < high]
    ends = (low, high) if high > low else (low,)
    cut = tuple(sorted({*ends, *inner}))
    return cut, tuple(_along(power, cost, p) for p in cut)


def _along(power: tuple[float, ...], cost: tuple[float, ...], p: float) -> float:
    if len(power) > 1 and p < power[0]:
        return cost[0] + (p - power[0]) * (cost[1] - cost[0]) / (power[1] - power[0])
    if len(power) > 1 and p > power[-1]:
        return cost[-1] + (p - power[-1]) * (cost[-1] - cost[-2]) / (power[-1] - power[-2])
    return float(np.interp(p, power, cost))


# --- the state before the first period --------------------------------------------------------


def _settle_initial(units: Sequence[_Unit]) -> list[str]:
    """Complete status and power of every unit; return what was assumed."""
    assumed: dict[float, list[str]] = defaultdict(list)
    for unit in units:
        power = float(unit.get("initial_power_mw", math.nan))
        if "initial_status_h" not in unit.values:
            sign = -1.0 if power == 0 else 1.0
            unit.values["initial_status_h"] = sign * _long_h(unit)
            assumed[unit.values["initial_status_h"]].append(unit.values["name"])
        unit.values["initial_power_mw"] = _initial_power(unit, power)
    return [
        f"initial_status_h = {hours:+g} ({'on' if hours > 0 else 'off'} for long) for "
        f"{_listed(names)}"
        for hours, names in assumed.items()
    ]


def _initial_power(unit: _Unit, power: float) -> float:
    if unit.values["initial_status_h"] < 0:
        return 0.0 if math.isnan(power) else power
    low, high = unit.values["p_min_mw"], unit.values["p_max_mw"]
    from_net = "initial_power_mw" not in unit.given
    return math.nan if from_net and not low <= power <= high else power


def _long_h(unit: _Unit) -> float:
    lags = unit.get("startup_lag_h", (0.0,))
    least = (unit.get("min_up_time_h", 1.0), unit.get("min_down_time_h", 1.0), *lags)
    return float(max(LONG_H, *least))


def _listed(names: Sequence[str], shown: int = 20) -> str:
    if len(names) <= shown:
        return ", ".join(names)
    return f"{', '.join(names[:shown])} and {len(names) - shown} more units"


# --- typical numbers --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Typical:
    """A row of the table of typical units."""

    technology: str
    up_to_mw: float
    generic_up_to_mw: float  # stands for units up to this size whose technology is not known
    known_as: frozenset[str]
    min_up_time_h: float
    min_down_time_h: float
    ramp_per_h: float  # share of p_max
    startup_lag_h: tuple[float, ...]
    startup_cost_per_mw: tuple[float, ...]

    @property
    def label(self) -> str:
        size = "" if math.isinf(self.up_to_mw) else f" up to {self.up_to_mw:g} MW"
        return f"{self.technology}{size}"


@cache
def _typical_table() -> tuple[_Typical, ...]:
    with resources.as_file(resources.files("gridopt.data") / "typical_units.csv") as path:
        header, lines = csv_cells(path)
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    return tuple(
        _Typical(
            technology=row["technology"],
            up_to_mw=float(row["up_to_mw"]),
            generic_up_to_mw=float(row["generic_up_to_mw"] or 0),
            known_as=frozenset({row["technology"], *filter(None, row["known_as"].split(";"))}),
            min_up_time_h=float(row["min_up_time_h"]),
            min_down_time_h=float(row["min_down_time_h"]),
            ramp_per_h=float(row["ramp_percent_per_h"]) / 100,
            startup_lag_h=_numbers(row["startup_lag_h"]),
            startup_cost_per_mw=_numbers(row["startup_cost_per_mw"]),
        )
        for row in rows
    )


def _typical_of(unit: _Unit) -> _Typical:
    """Return the first class that holds: of the unit's technology, or else of its size."""
    technology = str(unit.get("technology", "")).strip().lower().replace("_", " ")
    p_max_mw = float(unit.values["p_max_mw"])
    table = _typical_table()
    known = (row for row in table if technology in row.known_as and p_max_mw <= row.up_to_mw)
    of_size = (row for row in table if p_max_mw <= row.generic_up_to_mw)
    return next(itertools.chain(known, of_size))


def _fill_typical(units: Sequence[_Unit]) -> list[str]:
    """Fill what is missing with typical numbers; return one line a field and class."""
    filled: dict[tuple[str, str], list[str]] = defaultdict(list)
    for unit in units:
        typical = _typical_of(unit)
        for fields, values, text in _offers(typical, float(unit.values["p_max_mw"])):
            if fields[0] not in unit.values:
                unit.values.update(zip(fields, values, strict=True))
                filled[text, typical.label].append(unit.values["name"])
    return [
        f"{text} for {_listed(names)} (typical of {label})"
        for (text, label), names in filled.items()
    ]


def _offers(
    typical: _Typical, p_max_mw: float
) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...], str]]:
    """Yield the fields that a class fills, their values and how an assumption states them."""
    for name in ("min_up_time_h", "min_down_time_h"):
        hours = getattr(typical, name)
        yield (name,), (hours,), f"{name} = {hours:g}"
    for name in ("ramp_up_mw_per_h", "ramp_down_mw_per_h"):
        ramp = typical.ramp_per_h * p_max_mw
        if ramp > 0:
            yield (name,), (ramp,), f"{name} = {typical.ramp_per_h:.0%} of p_max_mw"
    lags, per_mw = typical.startup_lag_h, typical.startup_cost_per_mw
    yield (
        ("startup_cost", "startup_lag_h"),
        (tuple(cost * p_max_mw for cost in per_mw), lags),
        f"startup_cost = {_shown(per_mw)} per MW of p_max_mw from startup_lag_h = {_shown(lags)}",
    )


# --- arrays -----------------------------------------------------------------------------------

_DEFAULTS: dict[str, float] = {
    "ramp_up_mw_per_h": math.inf,
    "ramp_down_mw_per_h": math.inf,
    "startup_ramp_mw": math.inf,
    "shutdown_ramp_mw": math.inf,
    "min_up_time_h": 1.0,
    "min_down_time_h": 1.0,
}


def _assembled(units: Sequence[_Unit], curves: Sequence[CostCurve]) -> ThermalUnits:
    def numbers(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([unit.get(name, _DEFAULTS.get(name)) for unit in units], dtype=np.float64)

    return ThermalUnits(
        element=tuple((str(u.values["element"]), int(u.values["index"])) for u in units),
        name=tuple(str(u.values["name"]) for u in units),
        bus=np.array([u.values["bus"] for u in units], dtype=np.int64),
        p_min_mw=numbers("p_min_mw"),
        p_max_mw=numbers("p_max_mw"),
        ramp_up_mw_per_h=numbers("ramp_up_mw_per_h"),
        ramp_down_mw_per_h=numbers("ramp_down_mw_per_h"),
        startup_ramp_mw=numbers("startup_ramp_mw"),
        shutdown_ramp_mw=numbers("shutdown_ramp_mw"),
        min_up_time_h=numbers("min_up_time_h"),
        min_down_time_h=numbers("min_down_time_h"),
        initial_status_h=numbers("initial_status_h"),
        initial_power_mw=numbers("initial_power_mw"),
        must_run=np.array([bool(u.get("must_run", False)) for u in units], dtype=np.bool_),
        cost=tuple(curves),
        startup_cost=tuple(
            StartupCost(u.get("startup_lag_h", (0.0,)), u.get("startup_cost", (0.0,)))
            for u in units
        ),
    )
