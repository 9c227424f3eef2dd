"""Thermal units from what a net says, a unit table, and the table of typical units."""

from __future__ import annotations

import difflib
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, cast

import numpy as np
import pandas as pd

from gridopt.elements import CostCurve, StartupCost, ThermalUnits
from gridopt.errors import Issue
from gridopt.grid import ElementKey
from gridopt.io.unit_table import (
    UNIT_COLUMNS,
    csv_cells,
    element_key,
    is_empty,
    number_list,
    row_label,
    shown_list,
)

LONG_H = 24.0
"""Least hours that a unit of unknown history has been on or off; see `thermal_units`."""

_SPAN_TOLERANCE_MW = 1e-6


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
        unit.values = {k: v for k, v in unit.values.items() if not is_empty(v)}
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
        row = {k: v for k, v in cells.items() if k in UNIT_COLUMNS and not is_empty(v)}
        key, where = element_key(row), row_label(row, n)
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
        yield Issue(unit.label, "cost_power_mw", shown_list(power), expected)


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
            startup_lag_h=number_list(row["startup_lag_h"]),
            startup_cost_per_mw=number_list(row["startup_cost_per_mw"]),
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
        f"startup_cost = {shown_list(per_mw)} per MW of p_max_mw "
        f"from startup_lag_h = {shown_list(lags)}",
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
