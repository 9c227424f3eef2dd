"""Generators of a UnitCommitment.jl instance; see `unitcommitment_jl`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.elements import CostCurve, Renewables, StartupCost, ThermalUnits
from gridopt.io.json_fields import JsonFields
from gridopt.io.ucjl_instance import Instance, by_value, constant
from gridopt.io.unit_rows import renewables_of, units_of_rows
from gridopt.io.units import LONG_H
from gridopt.study import FIXED_ON, FORCED_OUT, FREE

CURVE_MW, CURVE_COST = "Production cost curve (MW)", "Production cost curve ($)"

SYSTEM_RESERVE_FLAG = "Provides spinning reserves?"


@dataclass(frozen=True)
class Products:
    """Reserve products: names, (K, T) requirements and (K,) prices of a shortage."""

    name: tuple[str, ...]
    required_mw: FloatArray
    shortage_cost_per_mwh: FloatArray


@dataclass(frozen=True)
class Generators:
    """What the generators become; `eligible` is (K, G), whether a unit may hold a reserve."""

    thermal: ThermalUnits
    renewables: Renewables
    fixed_status: IntArray
    eligible: FloatArray


def generators(instance: Instance, products: Products, version: str) -> Generators:
    """Return thermal and profiled units; those at fault are left out."""
    top = instance.top
    parts = top.parts("Generators")
    instance.read["Generators"] = list(parts.values())
    rows: list[dict[str, Any]] = []
    infeeds: list[dict[str, Any]] = []
    unknown: list[str] = []
    for i, (name, part) in enumerate(parts.items()):
        before = len(top.issues)
        kind = part.text("Type", default="" if version == "0.4" else "Thermal").lower()
        if kind == "profiled":
            found = _profiled(instance, part, name, i)
        elif kind == "thermal":
            row = _thermal(instance, part, products, version)
            row |= {"element": ("thermal", i), "name": name}
            found = [_as_infeed(instance, part, row)] if row.pop("varies") else []
            if not found and len(top.issues) == before:
                instance.names.add(name)
                rows.append(row)
                unknown += [] if part.has("Initial status (h)") else [name]
        else:
            part.note("Type", part.content.get("Type", "missing"), "Thermal or Profiled")
        if len(top.issues) == before:
            infeeds += found
    if unknown:
        instance.notes.append(
            f"units without an initial status ({len(unknown)}) are off, free to start and cold: "
            + ", ".join(unknown[:5])
            + (", …" if len(unknown) > 5 else "")
        )
    return Generators(
        thermal=units_of_rows(rows),
        renewables=renewables_of(infeeds, instance.periods),
        fixed_status=np.array([row["fixed"] for row in rows], dtype=np.int64).reshape(
            len(rows), instance.periods
        ),
        eligible=np.array([row["eligible"] for row in rows], dtype=np.float64)
        .reshape(len(rows), len(products.name))
        .T,
    )


def _thermal(
    instance: Instance, part: JsonFields, products: Products, version: str
) -> dict[str, Any]:
    h, T = instance.period_h, instance.periods
    power, cost = _curve(part, T)
    varies = any(np.ptp(point) > 0 for point in (*power, *cost))
    low, high = float(power[0][0]), float(power[-1][0])
    down_h = part.number("Minimum downtime (h)", default=1.0, at_least=0.0)
    startup = _startup_cost(part, down_h)
    must = part.flags("Must run?", T, default=False)
    return {
        "bus": instance.bus(part),
        "p_min_mw": low,
        "p_max_mw": high,
        "ramp_up_mw_per_h": _limit(part, "Ramp up limit (MW)") / h,
        "ramp_down_mw_per_h": _limit(part, "Ramp down limit (MW)") / h,
        "startup_ramp_mw": _limit(part, "Startup limit (MW)"),
        "shutdown_ramp_mw": _limit(part, "Shutdown limit (MW)"),
        "min_up_time_h": max(part.number("Minimum uptime (h)", default=1.0, at_least=0.0), h),
        "min_down_time_h": max(down_h, h),
        "must_run": bool(must.all()),
        "fixed": _fixed(part, T, must),
        **_initial(part, max(down_h, startup.lag_h[-1] if startup.lag_h else 0.0)),
        "cost": _cost_curve(part, power, cost, h),
        "startup_cost": startup,
        "eligible": _eligible(part, products, version, T),
        "varies": varies,
        "curve": (power, cost),
    }


def _limit(part: JsonFields, name: str) -> float:
    return part.number(name, default=math.inf, at_least=0.0)


def _curve(part: JsonFields, periods: int) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return power and cost a step at the breakpoints, each (T,); points that repeat are merged."""
    power, cost = part.profiles(CURVE_MW, periods), part.profiles(CURVE_COST, periods)
    nothing = [np.full(periods, np.nan)]
    if not power or not cost:
        return nothing, nothing
    if len(power) != len(cost):
        part.note(CURVE_COST, f"{len(cost)} entries", f"{len(power)}, one for each point in MW")
        return nothing, nothing
    kept = [0]
    for k in range(1, len(power)):
        if (power[k] < power[k - 1]).any():
            part.note(f"{CURVE_MW}[{k}]", float(power[k].min()), "at least the point before")
        if (power[k] != power[kept[-1]]).any() or (cost[k] != cost[kept[-1]]).any():
            kept.append(k)
    return [power[k] for k in kept], [cost[k] for k in kept]


def _cost_curve(
    part: JsonFields, power: list[FloatArray], cost: list[FloatArray], period_h: float
) -> CostCurve:
    mw = tuple(float(point[0]) for point in power)
    for k, (before, after) in enumerate(pairwise(mw), start=1):
        if after == before:
            part.note(f"{CURVE_MW}[{k}]", after, f"more than the point before, {before:g}")
    return CostCurve(mw, tuple(float(point[0]) / period_h for point in cost))


def _startup_cost(part: JsonFields, down_h: float) -> StartupCost:
    names = "Startup delays (h)", "Startup costs ($)"
    if not (part.has(names[0]) or part.has(names[1])):
        part.asked.update(names)
        return StartupCost((down_h,), (0.0,))
    lags, costs = (
        [float(value[0]) for value in part.profiles(name, 1)] if part.has(name) else [default]
        for name, default in zip(names, (1.0, 0.0), strict=True)
    )
    if lags and costs and len(lags) != len(costs):
        part.note(names[1], f"{len(costs)} entries", f"{len(lags)}, one for each delay")
    for k, (before, after) in enumerate(pairwise(lags), start=1):
        if after <= before:
            part.note(f"{names[0]}[{k}]", after, f"more than the delay before, {before:g}")
    for k, lag in enumerate(lags[:1]):
        if lag < 0:
            part.note(f"{names[0]}[{k}]", lag, "at least 0")
    for k, (before, after) in enumerate(zip([0.0, *costs], costs, strict=False)):
        if after < before:
            part.note(f"{names[1]}[{k}]", after, f"at least {before:g}, the cost of less time off")
    return StartupCost(tuple(lags), tuple(costs))


def _initial(part: JsonFields, long_h: float) -> dict[str, float]:
    """Return the initial state; without one, off for so long that the unit is free and cold."""
    if not part.has("Initial status (h)") and not part.has("Initial power (MW)"):
        part.asked.update(("Initial status (h)", "Initial power (MW)"))
        return {"initial_status_h": -max(long_h, LONG_H), "initial_power_mw": 0.0}
    status = part.number("Initial status (h)")
    if status == 0.0:
        part.note("Initial status (h)", 0.0, "hours on (+) or off (−), never 0")
    return {
        "initial_status_h": status,
        "initial_power_mw": part.number("Initial power (MW)", at_least=0.0),
    }


def _fixed(part: JsonFields, periods: int, must_run: BoolArray) -> IntArray:
    """Return the commitment that the file fixes: hours of must-run and ``Commitment status``."""
    fixed = np.where(must_run & ~must_run.all(), FIXED_ON, FREE)
    name = "Commitment status"
    values = part.content.get(name)
    part.asked.add(name)
    if values is None:
        return fixed
    states = values if isinstance(values, list) else [values] * periods
    if len(states) != periods or not all(s is None or isinstance(s, bool) for s in states):
        part.note(name, values, f"true, false or null, or a list of {periods} of these")
        return fixed
    for t, state in enumerate(states):
        if state is not None:
            fixed[t] = FIXED_ON if state else FORCED_OUT
    return fixed


def _eligible(part: JsonFields, products: Products, version: str, periods: int) -> list[bool]:
    if version == "0.2":
        flag = constant(
            part,
            SYSTEM_RESERVE_FLAG,
            part.flags(SYSTEM_RESERVE_FLAG, periods, default=True).astype(np.float64),
        )
        return [bool(flag)] * len(products.name)
    names = part.texts("Reserve eligibility", products.name, "reserve")
    return [product in names for product in products.name]


def _as_infeed(instance: Instance, part: JsonFields, row: dict[str, Any]) -> dict[str, Any]:
    """Return a unit whose curve changes with time as an infeed, if nothing commits it.

    From 0 MW at no cost it may stay on for ever, so that minimum times do not matter either.
    """
    power, cost = row["curve"]
    h = instance.period_h
    committed = {
        CURVE_MW: power[0].any() or len(power) != 2,
        CURVE_COST: cost[0].any(),
        "Startup costs ($)": any(row["startup_cost"].cost),
        "Minimum downtime (h)": -row["min_down_time_h"] < row["initial_status_h"] < 0,
        "Commitment status": (row["fixed"] != FREE).any(),
        "Ramp up limit (MW)": row["ramp_up_mw_per_h"] * h < power[-1].max(),
        "Ramp down limit (MW)": row["ramp_down_mw_per_h"] * h < power[-1].max(),
        "Startup limit (MW)": row["startup_ramp_mw"] < power[-1].max(),
        "Shutdown limit (MW)": row["shutdown_ramp_mw"] < power[-1].max(),
    }
    names = [name for name, is_so in committed.items() if is_so]
    slope = np.divide(cost[-1], power[-1], out=np.zeros(len(power[0])), where=power[-1] > 0)
    value = constant(part, CURVE_COST, slope[power[-1] > 0] / h) if (power[-1] > 0).any() else 0.0
    if names:
        part.note(
            CURVE_MW,
            "changes with time",
            "the same in all periods, or a unit from 0 MW that nothing commits; "
            f"this one has {', '.join(names)}",
        )
    elif any(row["eligible"]):
        instance.notes.append(
            f"{part.element}: its limit changes with time, so it is an infeed and holds no reserve"
        )
    return {
        "element": row["element"],
        "name": instance.unique(row["name"], "infeed"),
        "bus": row["bus"],
        "low": np.zeros(instance.periods),
        "high": power[-1],
        "cost": value,
    }


def _profiled(
    instance: Instance, part: JsonFields, name: str, position: int
) -> list[dict[str, Any]]:
    """Return an infeed, or one for each of its prices, with output only where that holds."""
    T = instance.periods
    low = part.profile("Minimum power (MW)", T, default=0.0)
    high = part.profile("Maximum power (MW)", T)
    price = part.profile("Cost ($/MW)", T) / instance.period_h
    bus = instance.bus(part)
    for t in np.flatnonzero(low > high)[:1]:
        found = f"{low[t]:g} in period {t}"
        part.note("Minimum power (MW)", found, f"at most the maximum, {high[t]:g}")
    if np.isnan(price).any():
        return []
    prices = list(by_value(price))
    return [
        {
            "element": ("profiled", position),
            "name": instance.unique(name if len(prices) == 1 else f"{name} at {value:g}", "infeed"),
            "bus": bus,
            "low": np.where(has, low, 0.0),
            "high": np.where(has, high, 0.0),
            "cost": value,
        }
        for value, has in prices
    ]
