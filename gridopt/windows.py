"""A window of a system: some units and hours, the rest of the system as it is scheduled.

Small solvers see part of a real grid. The other units keep their schedule, as fixed infeeds;
what the window changes, they make up at their supply curve: an `Exchange` whose price and slope
are fitted to the cost of redispatching the committed ones. The quadratic term is the true recourse
cost to second order, not a penalty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.elements import NEIGHBOR, CostCurve, Exchange, Renewables, ThermalUnits
from gridopt.errors import Issue, raise_if_any
from gridopt.requirements import EnergyLimits, Reserves
from gridopt.results import Schedule
from gridopt.study import Study

PIECES = 10
"""Linear pieces that stand for a quadratic cost in the supply curve."""

FIT_POINTS = 21
"""Redispatch amounts at which the supply curve is sampled for the fit."""


def window(schedule: Schedule, units: Sequence[str], first: int, periods: int) -> Study:
    """Return the study of some units over some periods within a scheduled system.

    Parameters
    ----------
    schedule : Schedule
        Of the whole system.
    units : sequence of str
        Names of the thermal units to decide anew.
    first, periods : int
        First period, and how many.

    Returns
    -------
    Study
        Without branch limits and reserve (which stay with the rest of the system), its
        `assumptions` saying so.

    Raises
    ------
    StudyError
        For unknown units, or periods outside of the schedule.
    """
    study = schedule.study
    _check(study, units, first, periods)
    chosen = np.array([study.thermal.name.index(name) for name in units])
    others = np.setdiff1d(np.arange(len(study.thermal)), chosen)
    hours = slice(first, first + periods)
    reach = float(study.thermal.p_max_mw[chosen].sum())
    price, slope = _supply_curves(schedule, others, hours, reach)
    reference = np.array([study.grid.reference_bus])
    return replace(
        study,
        name=f"{study.name} window",
        time=study.time[hours],
        demand_mw=study.demand_mw[:, hours],
        thermal=_thermal(schedule, chosen, first),
        renewables=_scheduled(schedule, others, hours),
        exchange=Exchange(
            element=((NEIGHBOR, 0),),
            name=("rest of system",),
            bus=reference,
            import_max_mw=np.array([reach]),
            export_max_mw=np.array([reach]),
            price_per_mwh=price,
            slope_per_mw2h=slope,
        ),
        reserves=Reserves.none(periods),
        fixed_status=study.fixed_status[chosen][:, hours],
        energy_limits=EnergyLimits.none(),
        unserved_cost_per_mwh=None,
        surplus_cost_per_mwh=None,
        assumptions=(
            *study.assumptions,
            f"window of {len(units)} units and {periods} periods: all else as scheduled, "
            "answering at its supply curve; no reserve, no branch limits",
        ),
    )


def _check(study: Study, units: Sequence[str], first: int, periods: int) -> None:
    issues = [
        Issue("window", "units", name, "the name of a thermal unit of the study")
        for name in units
        if name not in study.thermal.name
    ]
    if not units:
        issues.append(Issue("window", "units", "none", "at least one"))
    if not (first >= 0 and periods >= 1 and first + periods <= study.n_periods):
        found = f"{first} to {first + periods}"
        issues.append(Issue("window", "periods", found, f"within 0 to {study.n_periods}"))
    beside = {
        "storage": len(study.storage),
        "exchange": len(study.exchange),
        "flexible demand": len(study.flexible),
        "energy limits": len(study.energy_limits),
        "scenarios": len(study.scenarios),
    }
    issues += [
        Issue("window", "study", f"has {what}", "thermal units and renewables only")
        for what, count in beside.items()
        if count
    ]
    raise_if_any(issues)


def _thermal(schedule: Schedule, chosen: IntArray, first: int) -> ThermalUnits:
    """Return the chosen units with their state just before the window."""
    units = schedule.study.thermal.picked(chosen)
    if not first:
        return units
    status = np.array([_status_h(schedule, int(g), first) for g in chosen])
    return replace(
        units, initial_status_h=status, initial_power_mw=schedule.power_mw[chosen, first - 1]
    )


def _status_h(schedule: Schedule, g: int, first: int) -> float:
    """Return signed hours on (+) or off (−) just before period `first`."""
    on = schedule.committed[g, :first]
    last = bool(on[-1])
    changed = np.flatnonzero(on != last)
    sign, h = (1.0 if last else -1.0), schedule.study.period_h
    if len(changed):
        return sign * h * (first - 1 - int(changed[-1]))
    initial = float(schedule.study.thermal.initial_status_h[g])
    return sign * h * first + (initial if (initial > 0) == last else 0.0)


def _scheduled(schedule: Schedule, others: IntArray, hours: slice) -> Renewables:
    """Return the other units, and the renewables, as infeeds fixed at their schedule."""
    study = schedule.study
    thermal, renewables = study.thermal, study.renewables
    power = np.vstack([schedule.power_mw[others, hours], schedule.renewable_mw[:, hours]])
    return Renewables(
        element=(*(thermal.element[g] for g in others), *renewables.element),
        name=(*(thermal.name[g] for g in others), *renewables.name),
        bus=np.concatenate([thermal.bus[others], renewables.bus]),
        p_min_mw=power,
        p_max_mw=power,
        cost_per_mwh=np.zeros(len(power)),
    )


def _supply_curves(
    schedule: Schedule, others: IntArray, hours: slice, reach: float
) -> tuple[FloatArray, FloatArray]:
    """Return price and slope of the other units' redispatch in each period, (1, T) each."""
    units = schedule.study.thermal
    curves = [_linear_pieces(units.cost[g]) for g in others]
    on = schedule.committed[others, hours]
    above = schedule.power_mw[others, hours] - np.where(on, units.p_min_mw[others, np.newaxis], 0)
    fits = [_fit(curves, on[:, t], float(above[:, t].sum()), reach) for t in range(on.shape[1])]
    price, slope = np.array(fits).T
    return price[np.newaxis], slope[np.newaxis]


def _linear_pieces(curve: CostCurve) -> tuple[FloatArray, FloatArray]:
    """Return widths, MW, and slopes, $/MWh, of the curve above its lowest output."""
    points = np.asarray(curve.power_mw)
    if curve.quadratic:
        parts = [np.linspace(a, b, PIECES + 1) for a, b in pairwise(points)]
        points = np.unique(np.concatenate(parts)) if parts else points
    return np.diff(points), np.diff(curve.cost(points)) / np.diff(points)


def _fit(
    curves: list[tuple[FloatArray, FloatArray]], on: BoolArray, output_mw: float, reach: float
) -> tuple[float, float]:
    """Fit λm + κm²/2 to the cost of moving the committed units' total output by m."""
    running = [curve for curve, is_on in zip(curves, on, strict=True) if is_on]
    if not running:
        return 0.0, 0.0
    width = np.concatenate([curve[0] for curve in running])
    slope = np.concatenate([curve[1] for curve in running])
    order = np.argsort(slope, kind="stable")
    filled = np.concatenate([[0.0], np.cumsum(width[order])])
    cost = np.concatenate([[0.0], np.cumsum((width * slope)[order])])
    low, high = -min(reach, output_mw), min(reach, filled[-1] - output_mw)
    if high - low <= 1e-6:
        return float(slope.max()), 0.0
    m = np.linspace(low, high, FIT_POINTS)
    change = np.interp(output_mw + m, filled, cost) - np.interp(output_mw, filled, cost)
    (price, half), *_ = np.linalg.lstsq(np.column_stack([m, m**2]), change, rcond=None)
    return float(price), float(max(2.0 * half, 0.0))
