"""Storage and price-sensitive loads of a UnitCommitment.jl instance; see `unitcommitment_jl`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gridopt.elements import FlexibleDemand, Storage
from gridopt.io.json_fields import JsonFields
from gridopt.io.ucjl_instance import Instance, by_value, constant

STORAGE_FIELDS = {
    # field of `Storage`: name in the file, default (nan: required), least, most
    "energy_min_mwh": ("Minimum level (MWh)", 0.0, 0.0, math.inf),
    "energy_max_mwh": ("Maximum level (MWh)", math.nan, 0.0, math.inf),
    "charge_cost_per_mwh": ("Charge cost ($/MW)", math.nan, -math.inf, math.inf),
    "discharge_cost_per_mwh": ("Discharge cost ($/MW)", math.nan, -math.inf, math.inf),
    "charge_efficiency": ("Charge efficiency", 1.0, 0.0, 1.0),
    "discharge_efficiency": ("Discharge efficiency", 1.0, 0.0, 1.0),
    "loss_per_h": ("Loss factor", 0.0, 0.0, 1.0),
    "charge_max_mw": ("Maximum charge rate (MW)", math.nan, 0.0, math.inf),
    "discharge_max_mw": ("Maximum discharge rate (MW)", math.nan, 0.0, math.inf),
}


def storage(instance: Instance) -> Storage:
    """Return the storage units; those at fault are left out."""
    rows: list[dict[str, Any]] = []
    both = []
    for i, (name, part) in enumerate(instance.section("Storage units").items()):
        before = len(instance.top.issues)
        row = _store(instance, part)
        field_name = "Allow simultaneous charging and discharging"
        if part.flags(field_name, instance.periods, default=True).any():
            both.append(name)
        if len(instance.top.issues) == before:
            row |= {"element": ("storage", i), "name": instance.unique(name, "storage")}
            rows.append(row)
    if both:
        instance.notes.append(
            "storage never charges and discharges at once, which the file allows: "
            + ", ".join(both)
        )
    numbers = [*STORAGE_FIELDS, "initial_soc_mwh", "final_soc_min_mwh", "final_soc_max_mwh"]
    return Storage(
        element=tuple(row["element"] for row in rows),
        name=tuple(row["name"] for row in rows),
        bus=np.array([row["bus"] for row in rows], dtype=np.int64),
        **{name: np.array([row[name] for row in rows], dtype=np.float64) for name in numbers},
    )


def _store(instance: Instance, part: JsonFields) -> dict[str, Any]:
    h, T = instance.period_h, instance.periods
    row: dict[str, Any] = {"bus": instance.bus(part)}
    for name, (there, default, least, most) in STORAGE_FIELDS.items():
        required = {} if math.isnan(default) else {"default": default}
        values = part.profile(there, T, at_least=least, **required)
        row[name] = constant(part, there, values)
        if row[name] > most:
            part.note(there, row[name], f"a number from {least:g} to {most:g}")
    for name in ("charge_cost_per_mwh", "discharge_cost_per_mwh"):
        row[name] /= h
    row["loss_per_h"] = 1.0 - (1.0 - row["loss_per_h"]) ** (1.0 / h)
    for there in ("Minimum charge rate (MW)", "Minimum discharge rate (MW)"):
        if part.profile(there, T, default=0.0, at_least=0.0).any():
            part.note(there, part.content[there], "0: a least rate cannot be planned")
    row["initial_soc_mwh"] = part.number("Initial level (MWh)", default=0.0, at_least=0.0)
    for name, there, default in (
        ("final_soc_min_mwh", "Last period minimum level (MWh)", row["energy_min_mwh"]),
        ("final_soc_max_mwh", "Last period maximum level (MWh)", row["energy_max_mwh"]),
    ):
        row[name] = part.number(there, default=default, at_least=0.0)
    return row


def flexible_demand(instance: Instance) -> FlexibleDemand:
    """Return the price-sensitive loads, one for each value where that changes with time."""
    T, rows = instance.periods, []
    for i, (name, part) in enumerate(instance.section("Price-sensitive loads").items()):
        before = len(instance.top.issues)
        wanted = part.profile("Demand (MW)", T, at_least=0.0)
        revenue = part.profile("Revenue ($/MW)", T, at_least=0.0) / instance.period_h
        bus = instance.bus(part)
        if len(instance.top.issues) > before:
            continue
        values = list(by_value(revenue))
        for value, has in values:
            label = name if len(values) == 1 else f"{name} at {value:g}"
            label = instance.unique(label, "load")
            rows.append((("load", i), label, bus, np.where(has, wanted, 0.0), value))
    return FlexibleDemand(
        element=tuple(row[0] for row in rows),
        name=tuple(row[1] for row in rows),
        bus=np.array([row[2] for row in rows], dtype=np.int64),
        p_min_mw=np.zeros((len(rows), T)),
        p_max_mw=np.array([row[3] for row in rows]).reshape(len(rows), T),
        value_per_mwh=np.array([row[4] for row in rows], dtype=np.float64),
    )
