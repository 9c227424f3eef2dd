"""Generators and storage of an RTS-GMLC source folder; see `rts_gmlc`."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.elements import CostCurve, Renewables, StartupCost, Storage, ThermalUnits
from gridopt.errors import Issue
from gridopt.io.csv_rows import read_rows
from gridopt.io.json_fields import JsonFields
from gridopt.io.rts_series import Series
from gridopt.io.unit_rows import renewables_of, units_of_rows
from gridopt.io.units import LONG_H

GEN_COLUMNS = (
    "Bus ID",
    "Unit Type",
    "MW Inj",
    "PMax MW",
    "PMin MW",
    "Min Down Time Hr",
    "Min Up Time Hr",
    "Ramp Rate MW/Min",
    "Start Time Cold Hr",
    "Start Time Warm Hr",
    "Start Time Hot Hr",
    "Start Heat Cold MBTU",
    "Start Heat Warm MBTU",
    "Start Heat Hot MBTU",
    "Fuel Price $/MMBTU",
    "Output_pct_0",
    "HR_avg_0",
)

INFEEDS = frozenset({"WIND", "PV", "RTPV", "HYDRO", "ROR"})
STORAGE = "STORAGE"
LEFT_OUT = {
    "SYNC_COND": "they give no power",
    "CSP": "a solar field with heat storage cannot be planned",
}
"""Unit types that are left out, and why."""

MMBTU_PER_BTU_PER_KWH = 1e-3
"""Heat rates are in BTU/kWh; this makes MMBTU/MWh of them."""

POWER_DECIMALS = 6
"""Output points are shares of the maximum with nine decimals: rounded, they meet the limits."""

WARMTH = ("Hot", "Warm", "Cold")

MINUTES_PER_HOUR = 60.0

BusOf = Callable[[JsonFields, str], int]


@dataclass(frozen=True)
class Units:
    """What the generators become; `rows` has the row of ``gen.csv`` of each thermal unit."""

    thermal: ThermalUnits
    renewables: Renewables
    storage: Storage
    rows: list[JsonFields]


@dataclass(frozen=True)
class _Found:
    thermal: list[dict[str, Any]] = field(default_factory=list)
    rows: list[JsonFields] = field(default_factory=list)
    infeeds: list[dict[str, Any]] = field(default_factory=list)
    stores: list[dict[str, Any]] = field(default_factory=list)


def read_units(
    source: Path,
    table: Mapping[str, JsonFields],
    bus_of: BusOf,
    series: Series,
    period_h: float,
    notes: list[str],
    issues: list[Issue],
) -> Units:
    """Return the units of ``gen.csv``; those at fault are left out.

    Parameters
    ----------
    source : Path
        The folder ``SourceData``.
    table : mapping of str to JsonFields
        Rows of ``gen.csv``.
    bus_of : callable
        Position of the bus that a row names.
    series : Series
    period_h : float
    notes : list of str
        Takes what was assumed.
    issues : list of Issue
        Takes the faults.
    """
    initial = _initial_states(source, issues)
    stores = _volumes(source, issues)
    found = _Found()
    left_out: dict[str, list[str]] = {}
    for i, (name, row) in enumerate(table.items()):
        before = len(issues)
        kind = row.text("Unit Type").upper()
        if kind in LEFT_OUT:
            left_out.setdefault(kind, []).append(name)
            continue
        unit = {"element": ("gen", i), "name": name, "bus": bus_of(row, "Bus ID")}
        if kind in INFEEDS:
            into, unit = found.infeeds, unit | _infeed(row, name, series)
        elif kind == STORAGE:
            into, unit = found.stores, unit | _store(row, stores.get(name))
        else:
            into, unit = found.thermal, unit | _thermal(row, period_h, initial.get(name))
        if len(issues) == before:
            into.append(unit)
            if into is found.thermal:
                found.rows.append(row)
    notes += [
        f"units of type {kind} are left out, {LEFT_OUT[kind]}: {', '.join(names[:5])}"
        + (", …" if len(names) > 5 else "")
        for kind, names in left_out.items()
    ]
    _note_assumptions(found, initial, notes)
    return Units(
        thermal=units_of_rows(found.thermal),
        renewables=renewables_of(found.infeeds, series.periods),
        storage=_storage(found.stores),
        rows=found.rows,
    )


def _note_assumptions(
    found: _Found, initial: Mapping[str, tuple[float, float]], notes: list[str]
) -> None:
    if found.thermal:
        notes.append("thermal units start and stop at their lowest output")
    unknown = [unit["name"] for unit in found.thermal if unit["name"] not in initial]
    if unknown:
        on = sum(unit["initial_status_h"] > 0 for unit in found.thermal if unit["name"] in unknown)
        notes.append(
            f"no initial state of {len(unknown)} units: {on} with a MW Inj are on at an unknown "
            f"power and free to stop, {len(unknown) - on} are off and cold"
        )
    shutdown = [
        row.content["GEN UID"]
        for row in found.rows
        if row.number("Non Fuel Shutdown Cost $", default=0.0)
    ]
    if shutdown:
        notes.append(f"shut-down costs are not used: {', '.join(map(str, shutdown[:5]))}")


def _thermal(row: JsonFields, period_h: float, state: tuple[float, float] | None) -> dict[str, Any]:
    low, high = row.number("PMin MW", at_least=0.0), row.number("PMax MW", at_least=0.0)
    ramp = row.number("Ramp Rate MW/Min", at_least=0.0) * MINUTES_PER_HOUR
    up_h, down_h = (row.number(f"Min {way} Time Hr", at_least=0.0) for way in ("Up", "Down"))
    startup = _startup_cost(row, down_h)
    if state is None:
        long_h = max(LONG_H, up_h, down_h, *startup.lag_h)
        state = (long_h, math.nan) if row.number("MW Inj") > 0 else (-long_h, 0.0)
    return {
        "p_min_mw": low,
        "p_max_mw": high,
        "ramp_up_mw_per_h": ramp,
        "ramp_down_mw_per_h": ramp,
        "startup_ramp_mw": low,
        "shutdown_ramp_mw": low,
        "min_up_time_h": max(up_h, period_h),
        "min_down_time_h": max(down_h, period_h),
        "initial_status_h": state[0],
        "initial_power_mw": low if state[0] > 0 and state[1] == 0.0 else state[1],
        "must_run": False,
        "cost": _cost(row, low, high),
        "startup_cost": startup,
    }


def _cost(row: JsonFields, low: float, high: float) -> CostCurve:
    """Return fuel and variable cost an hour at the output points, cut to the unit's limits."""
    price = row.number("Fuel Price $/MMBTU", at_least=0.0)
    vom = row.number("VOM", default=0.0)
    power: list[float] = []
    heat: list[float] = []
    while row.has(f"Output_pct_{len(power)}") or not power:
        k = len(power)
        share = row.number(f"Output_pct_{k}", at_least=0.0, at_most=1.0)
        rate = row.number(f"HR_{'incr' if k else 'avg'}_{k}", at_least=0.0)
        mw = round(share * high, POWER_DECIMALS) if math.isfinite(share * high) else math.nan
        if k and mw <= power[-1]:
            row.note(f"Output_pct_{k}", share, "more than the point before")
        more = rate * MMBTU_PER_BTU_PER_KWH * (mw - (power[-1] if k else 0.0))
        heat.append(more + (heat[-1] if k else 0.0))
        power.append(mw)
    if any(math.isnan(value) for value in (*power, *heat, low, high, price, vom)):
        return CostCurve((low,), (0.0,))
    cost = [price * h + vom * p for h, p in zip(heat, power, strict=True)]
    points = sorted({low, high, *(p for p in power if low < p < high)})
    return CostCurve(tuple(points), tuple(_along(power, cost, p) for p in points))


def _along(power: list[float], cost: list[float], p: float) -> float:
    """Return the cost at an output; beyond the points the slopes at the ends go on."""
    if len(power) == 1:
        return cost[0]
    k = min(max(int(np.searchsorted(power, p)), 1), len(power) - 1)
    slope = (cost[k] - cost[k - 1]) / (power[k] - power[k - 1])
    return float(cost[k] + slope * (p - power[k]))


def _startup_cost(row: JsonFields, down_h: float) -> StartupCost:
    """Return the cost of a start by the time off; see `gridopt.io.rts_gmlc`."""
    price = row.number("Fuel Price $/MMBTU", at_least=0.0)
    other = row.number("Non Fuel Start Cost $", default=0.0, at_least=0.0)
    found: dict[float, tuple[str, float]] = {}
    for warmth in WARMTH:
        names = f"Start Time {warmth} Hr", f"Start Heat {warmth} MBTU"
        if all(row.has(name) for name in names):
            time_h, heat = (row.number(name, at_least=0.0) for name in names)
            found[max(time_h, down_h)] = (names[1], price * heat + other)
    if not found:
        return StartupCost((down_h,), (other,))
    lags, costs = list(found), [cost for _, cost in found.values()]
    for k in range(1, len(lags)):
        column = list(found.values())[k][0]
        if lags[k] <= lags[k - 1]:
            name = column.replace("Heat", "Time").replace("MBTU", "Hr")
            row.note(name, row.content[name], f"more than that of a warmer start, {lags[k - 1]:g}")
        if costs[k] < costs[k - 1]:
            row.note(column, row.content[column], "no less than that of a warmer start")
    return StartupCost((down_h, *lags[1:]), tuple(costs))


def _initial_states(source: Path, issues: list[Issue]) -> dict[str, tuple[float, float]]:
    """Return signed hours and power of the units in ``initial_status.csv``, if there is one.

    A unit that is on and has no power in the file has its lowest output, told by 0.
    """
    path = source / "initial_status.csv"
    if not path.is_file():
        return {}
    with path.open(newline=None, encoding="utf-8-sig", errors="replace") as file:
        lines = list(csv.reader(file))
    names = [name.strip() for name in lines[0]] if lines else []
    states = {}
    for column, name in enumerate(names):
        cells = [line[column].strip() for line in lines[1:3] if column < len(line)]
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            values = []
        if not values or values[0] == 0 or not np.isfinite(values).all():
            expected = "signed hours in its state, never 0, and power below"
            issues.append(Issue(path.name, name, ", ".join(cells) or "missing", expected))
            continue
        power = values[1] if len(values) > 1 and values[0] > 0 else 0.0
        states[name] = (values[0], power)
    return states


def _infeed(row: JsonFields, name: str, series: Series) -> dict[str, Any]:
    def over_time(column: str) -> FloatArray:
        if series.has("Generator", name, column):
            return series.values("Generator", name, column)
        return np.full(series.periods, row.number(column, at_least=0.0))

    low, high = over_time("PMin MW"), over_time("PMax MW")
    for t in np.flatnonzero(low > high)[:1]:
        found = f"{low[t]:g} in period {t} of the study"
        row.note("PMin MW", found, f"at most PMax MW, {high[t]:g}")
    return {"low": low, "high": high, "cost": row.number("VOM", default=0.0)}


def _volumes(source: Path, issues: list[Issue]) -> dict[str, JsonFields]:
    """Return the row of ``storage.csv`` of each unit: of its upper reservoir, named HEAD."""
    path = source / "storage.csv"
    if not path.is_file():
        return {}
    columns = ("GEN UID", "Max Volume GWh", "Initial Volume GWh")
    rows: dict[str, JsonFields] = {}
    for name, row in read_rows(path, "Storage", columns, issues).items():
        unit = str(row.content["GEN UID"])
        if unit not in rows or "HEAD" in name.upper():
            rows[unit] = row
    return rows


def _store(row: JsonFields, volume: JsonFields | None) -> dict[str, Any]:
    """Return a storage; its round trip loses as much on the way in as on the way out."""
    if volume is None:
        row.note("GEN UID", row.content["GEN UID"], "a unit with a row in storage.csv")
        return {}
    round_trip = row.number("Storage Roundtrip Efficiency", at_least=0.0, at_most=100.0) / 100.0
    efficiency = math.sqrt(round_trip)
    return {
        "charge_max_mw": row.number("Pump Load MW", at_least=0.0),
        "discharge_max_mw": row.number("PMax MW", at_least=0.0),
        "energy_min_mwh": 0.0,
        "energy_max_mwh": 1000.0 * volume.number("Max Volume GWh", at_least=0.0),
        "initial_soc_mwh": 1000.0 * volume.number("Initial Volume GWh", at_least=0.0),
        "charge_efficiency": efficiency,
        "discharge_efficiency": efficiency,
    }


def _storage(stores: list[dict[str, Any]]) -> Storage:
    numbers = (
        "charge_max_mw",
        "discharge_max_mw",
        "energy_min_mwh",
        "energy_max_mwh",
        "initial_soc_mwh",
        "charge_efficiency",
        "discharge_efficiency",
    )
    return Storage(
        element=tuple(store["element"] for store in stores),
        name=tuple(store["name"] for store in stores),
        bus=np.array([store["bus"] for store in stores], dtype=np.int64),
        **{name: np.array([store[name] for store in stores], np.float64) for name in numbers},
    )
