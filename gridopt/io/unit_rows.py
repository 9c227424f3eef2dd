"""Thermal units from one row of values a unit, for formats that state everything of a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.elements import Renewables, ThermalUnits

NUMBERS = (
    "p_min_mw",
    "p_max_mw",
    "ramp_up_mw_per_h",
    "ramp_down_mw_per_h",
    "startup_ramp_mw",
    "shutdown_ramp_mw",
    "min_up_time_h",
    "min_down_time_h",
    "initial_status_h",
    "initial_power_mw",
)


def units_of_rows(rows: Sequence[Mapping[str, Any]]) -> ThermalUnits:
    """Return the units; a row maps fields of `ThermalUnits` to values, bus 0 unless given."""
    numbers = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in NUMBERS}
    return ThermalUnits(
        element=tuple(row["element"] for row in rows),
        name=tuple(row["name"] for row in rows),
        bus=np.array([row.get("bus", 0) for row in rows], dtype=np.int64),
        must_run=np.array([row["must_run"] for row in rows], dtype=np.bool_),
        cost=tuple(row["cost"] for row in rows),
        startup_cost=tuple(row["startup_cost"] for row in rows),
        **numbers,
    )


def renewables_of(infeeds: list[dict[str, Any]], periods: int) -> Renewables:
    """Return infeeds given one by one: element, name, bus, low and high (T,), cost per MWh."""

    def stacked(name: str) -> FloatArray:
        return np.array([infeed[name] for infeed in infeeds]).reshape(len(infeeds), periods)

    return Renewables(
        element=tuple(infeed["element"] for infeed in infeeds),
        name=tuple(infeed["name"] for infeed in infeeds),
        bus=np.array([infeed["bus"] for infeed in infeeds], dtype=np.int64),
        p_min_mw=stacked("low"),
        p_max_mw=stacked("high"),
        cost_per_mwh=np.array([infeed["cost"] for infeed in infeeds], dtype=np.float64),
    )
