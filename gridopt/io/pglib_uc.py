"""Reads unit-commitment instances of Power Grid Lib (pglib-uc) in their JSON format.

Format and model: power-grid-lib/pglib-uc, ``MODEL``; Knueven, Ostrowski, Watson 2020, "On
mixed-integer programming formulations for the unit commitment problem",
doi 10.1287/ijoc.2019.0944.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gridopt.elements import (
    CostCurve,
    Exchange,
    Renewables,
    StartupCost,
    Storage,
    ThermalUnits,
)
from gridopt.errors import collected
from gridopt.grid import Grid
from gridopt.io.json_fields import JsonFields, read_json
from gridopt.io.unit_rows import units_of_rows
from gridopt.requirements import Reserves
from gridopt.study import Study

KEYS = frozenset({"time_periods", "thermal_generators", "renewable_generators"})
"""Fields by any of which the format is recognized."""

PERIOD_H = 1.0

JUST_SWITCHED_H = 1e-9
"""Hours in its state of a unit that the file gives none: all of the minimum time lies ahead."""

MATCH_MW = 1e-6
"""How far a cost curve may miss the unit's limits."""


def read_pglib_uc(
    path: str | Path,
    *,
    unserved_cost_per_mwh: float | None = None,
    surplus_cost_per_mwh: float | None = None,
) -> Study:
    """Read a pglib-uc instance: one bus, hourly periods, thermal units and renewables.

    Parameters
    ----------
    path : str or Path
        A ``.json`` file, or ``.json.gz``.
    unserved_cost_per_mwh, surplus_cost_per_mwh : float, optional
        Prices of demand not served and of energy nobody takes, which the format does not know;
        None allows neither.

    Returns
    -------
    Study
        Named after the file. Units keep the order and the names of the file; their elements are
        ``("thermal", i)`` and ``("renewable", i)``. Reserve is hard, as in the format's model.

    Raises
    ------
    StudyError
        With every fault of the file, each with the path of its field.

    Notes
    -----
    Minimum times of 0 become 1 h, which says the same. A renewable with the name of a thermal
    unit is called ``NAME (renewable)``, which `Study.assumptions` tells.
    """
    path = Path(path)
    top = read_json(path, "pglib-uc file")
    periods = _periods(top)
    demand_mw = np.nan_to_num(top.series("demand", periods))
    reserve_mw = np.nan_to_num(top.series("reserves", periods, at_least=0.0))
    thermal = _thermal(top)
    renewables, notes = _renewables(top, periods, thermal.name)
    # With faults, the study is only made to find more of them; units that are missing from it
    # must not count as a lack of capacity.
    unserved_cost_per_mwh = 0.0 if top.issues else unserved_cost_per_mwh
    return collected(
        lambda: Study(
            name=path.name.removesuffix(".gz").removesuffix(".json"),
            grid=Grid.single_bus(),
            time=pd.RangeIndex(periods, name="period"),
            period_h=PERIOD_H,
            demand_mw=demand_mw[np.newaxis, :],
            thermal=thermal,
            renewables=renewables,
            storage=Storage.none(),
            exchange=Exchange.none(periods),
            reserves=Reserves.spinning(reserve_mw),
            unserved_cost_per_mwh=unserved_cost_per_mwh,
            surplus_cost_per_mwh=surplus_cost_per_mwh,
            assumptions=notes,
        ),
        top.issues,
    )


def _periods(top: JsonFields) -> int:
    """Return how many periods the file has; if it does not say, as many as it has demands."""
    count = top.number("time_periods", at_least=1)
    if math.isfinite(count) and count == int(count):
        return int(count)
    if math.isfinite(count):
        top.note("time_periods", count, "a whole number")
    demand = top.content.get("demand")
    return len(demand) if isinstance(demand, list) and demand else 1


def _thermal(top: JsonFields) -> ThermalUnits:
    """Return the units that are sound by themselves."""
    units = []
    for i, (name, fields) in enumerate(top.parts("thermal_generators").items()):
        before = len(top.issues)
        unit = {"element": ("thermal", i), "name": name, **_unit(fields)}
        if len(top.issues) == before:
            units.append(unit)
    return units_of_rows(units)


def _unit(fields: JsonFields) -> dict[str, Any]:
    low = fields.number("power_output_minimum", at_least=0.0)
    high = fields.number("power_output_maximum", at_least=0.0)
    return {
        "p_min_mw": low,
        "p_max_mw": high,
        "ramp_up_mw_per_h": fields.number("ramp_up_limit", at_least=0.0) / PERIOD_H,
        "ramp_down_mw_per_h": fields.number("ramp_down_limit", at_least=0.0) / PERIOD_H,
        "startup_ramp_mw": fields.number("ramp_startup_limit", at_least=0.0),
        "shutdown_ramp_mw": fields.number("ramp_shutdown_limit", at_least=0.0),
        "min_up_time_h": max(fields.number("time_up_minimum", at_least=0.0), PERIOD_H),
        "min_down_time_h": max(fields.number("time_down_minimum", at_least=0.0), PERIOD_H),
        "must_run": fields.flag("must_run"),
        **_initial_state(fields),
        "cost": _cost(fields, low, high),
        "startup_cost": _startup_cost(fields),
    }


def _initial_state(fields: JsonFields) -> dict[str, float]:
    """Return signed hours and power; the hours in the other state do not matter."""
    on = fields.flag("unit_on_t0")
    up_h = fields.number("time_up_t0", at_least=0.0)
    down_h = fields.number("time_down_t0", at_least=0.0)
    return {
        "initial_status_h": max(up_h, JUST_SWITCHED_H) if on else -max(down_h, JUST_SWITCHED_H),
        "initial_power_mw": fields.number("power_output_t0", at_least=0.0),
    }


def _cost(fields: JsonFields, low: float, high: float) -> CostCurve:
    points = [(p, p.number("mw"), p.number("cost")) for p in fields.items("piecewise_production")]
    for (_, before, _), (point, mw, _) in pairwise(points):
        if mw <= before:
            point.note("mw", mw, f"more than the point before, {before:g}")
    ends = (
        (points[:1], "power_output_minimum", low),
        (points[-1:], "power_output_maximum", high),
    )
    for end, limit, limit_mw in ends:
        for point, mw, _ in end:
            if abs(mw - limit_mw) > MATCH_MW:
                point.note("mw", mw, f"{limit} = {limit_mw:g}")
    return CostCurve(tuple(mw for _, mw, _ in points), tuple(cost for _, _, cost in points))


def _startup_cost(fields: JsonFields) -> StartupCost:
    found = [
        (entry, entry.number("lag", at_least=0.0), entry.number("cost", at_least=0.0))
        for entry in fields.items("startup")
    ]
    for (_, lag_before, cost_before), (entry, lag, cost) in pairwise(found):
        if lag <= lag_before:
            entry.note("lag", lag, f"more than the lag before, {lag_before:g}")
        if cost < cost_before:
            entry.note("cost", cost, f"at least the cost of the lag before, {cost_before:g}")
    return StartupCost(tuple(lag for _, lag, _ in found), tuple(cost for _, _, cost in found))


def _renewables(
    top: JsonFields, periods: int, thermal_names: tuple[str, ...]
) -> tuple[Renewables, tuple[str, ...]]:
    """Return the renewables that are sound by themselves, and a note on those renamed."""
    elements, names, lowest, highest, notes = [], [], [], [], []
    for i, (name, fields) in enumerate(top.parts("renewable_generators").items()):
        before = len(top.issues)
        low = fields.series("power_output_minimum", periods, at_least=0.0)
        high = fields.series("power_output_maximum", periods, at_least=0.0)
        for t in np.flatnonzero(low > high):
            found = f"{low[t]:g}"
            fields.note(f"power_output_minimum[{t}]", found, f"at most the maximum, {high[t]:g}")
        if len(top.issues) > before:
            continue
        if name in thermal_names:
            notes.append(f"renewable {name!r} is called '{name} (renewable)': a unit has the name")
            name = f"{name} (renewable)"
        elements.append(("renewable", i))
        names.append(name)
        lowest.append(low)
        highest.append(high)
    count = len(names)
    renewables = Renewables(
        element=tuple(elements),
        name=tuple(names),
        bus=np.zeros(count, dtype=np.int64),
        p_min_mw=np.array(lowest).reshape(count, periods),
        p_max_mw=np.array(highest).reshape(count, periods),
        cost_per_mwh=np.zeros(count),
    )
    return renewables, tuple(notes)
