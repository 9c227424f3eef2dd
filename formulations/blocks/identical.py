"""Units that are alike become one row that counts them, where that is exact.

Knueven, Ostrowski, Watson 2018, "Exploiting identical generators in unit commitment",
doi 10.1109/TPWRS.2017.2783850. Alike means the same data, the same hours before the first period
as far as they bind, and no ramp that binds: then any schedule of the counts can be shared out among
the units, at the same cost. Starts and stops are shared out in `shared_out`; power follows from a
dispatch with those fixed. Starts must be so cheap, too, that no unit stops for another to start in
the same period: the counts do not tell of that.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable

import numpy as np
from scipy.optimize import linear_sum_assignment

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.requirements import NONSPINNING, REGULATION_DOWN
from gridopt.study import Study

BEFORE = -(10**6)
"""Period of all that happened before the first one."""


def identical_units(study: Study, by_bus: bool) -> list[IntArray]:
    """Return groups of units that may be one row; most have one unit.

    Parameters
    ----------
    study : Study
    by_bus : bool
        Whether units at different buses differ.

    Returns
    -------
    list of array of int
        Positions among the thermal units, in order of the first of each group.
    """
    groups: dict[Hashable, list[int]] = {}
    mergeable = _mergeable(study)
    for g in range(len(study.thermal)):
        key = _signature(study, g, by_bus) if mergeable[g] else g
        groups.setdefault(key, []).append(g)
    return [np.array(group) for group in groups.values()]


def merged(study: Study, groups: list[IntArray]) -> tuple[Study, FloatArray]:
    """Return the study with one unit for each group, and the size of each group, (C,).

    The study is for the blocks only: by itself it has too little capacity.
    """
    first = np.array([group[0] for group in groups], dtype=np.int64)
    reserves, limits = copy.copy(study.reserves), copy.copy(study.energy_limits)
    for name in ("offer_max_mw", "offer_cost_per_mwh"):
        object.__setattr__(reserves, name, getattr(reserves, name)[:, first])
    for name in ("thermal_per_mwh", "thermal_per_h"):
        object.__setattr__(limits, name, getattr(limits, name)[:, first])
    smaller = copy.copy(study)
    for name, part in {
        "thermal": study.thermal.picked(first),
        "reserves": reserves,
        "energy_limits": limits,
        "fixed_status": study.fixed_status[first],
    }.items():
        object.__setattr__(smaller, name, part)
    return smaller, np.array([len(group) for group in groups], dtype=np.float64)


def shared_out(study: Study, groups: list[IntArray], count_on: FloatArray) -> BoolArray:
    """Return which units are on, (G, T), for how many of each group are, (C, T).

    Each start follows the stop that makes all starts cheapest together (an assignment problem).
    Of the units that may stop, those that have run longest do; where one period is enough, those
    that started last, so that as few units as possible are held down by a start or a stop.
    """
    on = np.zeros((len(study.thermal), study.n_periods), dtype=np.bool_)
    up = study.steps(study.thermal.min_up_time_h)
    counts = np.rint(count_on).astype(np.int64)
    for group, wanted in zip(groups, counts, strict=True):
        g = int(group[0])
        if len(group) == 1:
            on[g] = wanted > 0
        else:
            initially_on = bool(study.thermal.initial_on[g])
            followed = _followed_stops(study, g, wanted, len(group))
            on[group] = _one_by_one(wanted, len(group), initially_on, int(up[g]), followed)
    return on


def _one_by_one(
    wanted: IntArray, units: int, initially_on: bool, up: int, followed: IntArray
) -> BoolArray:
    """Return which of identical units are on, (N, T), given the stops that the starts follow."""
    running, changed = np.full(units, initially_on), np.full(units, BEFORE)
    on = np.zeros((units, len(wanted)), dtype=np.bool_)
    for t, count in enumerate(wanted):
        more = int(count) - int(running.sum())
        if more > 0:
            for stop in followed[:more]:
                i = np.flatnonzero(~running & (changed == stop))[0]
                running[i], changed[i] = True, t
            followed = followed[more:]
        elif more < 0:
            order = np.argsort(changed, kind="stable")
            oldest_first = order if up > 1 else order[::-1]
            ready = [i for i in oldest_first if running[i] and t - changed[i] >= up]
            running[ready[:-more]], changed[ready[:-more]] = False, t
        on[:, t] = running
    return on


def _followed_stops(study: Study, g: int, wanted: IntArray, units: int) -> IntArray:
    """Return the period of the stop that each start follows, in order of the starts."""
    initial = units if study.thermal.initial_on[g] else 0
    change, t = np.diff(wanted, prepend=initial), np.arange(study.n_periods)
    starts, stops = np.repeat(t, np.maximum(change, 0)), np.repeat(t, np.maximum(-change, 0))
    stops = np.concatenate([np.full(units - initial, BEFORE), stops])
    age = starts[:, np.newaxis] - stops
    initial_off_h = starts * study.period_h - study.thermal.initial_status_h[g]
    off_h = np.where(stops == BEFORE, initial_off_h[:, np.newaxis], age * study.period_h)
    startup = study.thermal.startup_cost[g]
    category = np.searchsorted(startup.lag_h, off_h, side="right") - 1
    cost = np.asarray(startup.cost)[np.maximum(category, 0)]
    down = study.steps(study.thermal.min_down_time_h)[g]
    _, chosen = linear_sum_assignment(np.where(age >= down, cost, np.inf))
    return stops[chosen]


def _mergeable(study: Study) -> BoolArray:
    """Return which units' counts tell all: no binding ramp, no reserve rule of single units, (G,).

    A quadratic cost is shared evenly, which the limits around starts and stops must allow. Where a
    cold start costs more than two of the warmest, it may pay to stop one unit and start another
    at once, so that neither gets cold.
    """
    units, h = study.thermal, study.period_h
    width = units.p_max_mw - units.p_min_mw
    slow = np.minimum(units.ramp_up_mw_per_h, units.ramp_down_mw_per_h) * h < width
    limited = np.minimum(units.startup_ramp_mw, units.shutdown_ramp_mw) < units.p_max_mw
    curved = np.array([curve.quadratic > 0 for curve in units.cost], dtype=np.bool_)
    special = study.reserves.products(NONSPINNING, REGULATION_DOWN)
    offered = (study.reserves.offer_max_mw[special] > 0).any(axis=0)
    offer_binds = (study.reserves.offer_max_mw < width).any(axis=0)
    none_at_all = (study.reserves.offer_max_mw == 0).all(axis=0)
    warmest = study.steps(units.min_down_time_h) * h
    swaps = np.array(
        [
            startup.cost[-1] > 2 * startup.at(off_h) * (1 + 1e-9)
            for startup, off_h in zip(units.startup_cost, warmest, strict=True)
        ],
        dtype=np.bool_,
    )
    fits = ~offered & (~offer_binds | none_at_all)
    return np.asarray(~slow & ~(curved & limited) & fits & ~swaps)


def _signature(study: Study, g: int, by_bus: bool) -> Hashable:
    """Return all that tells a unit from another."""
    units, reserves, limits = study.thermal, study.reserves, study.energy_limits
    by_period = (
        "p_min_mw p_max_mw startup_ramp_mw shutdown_ramp_mw min_up_time_h min_down_time_h must_run"
    )
    status = float(units.initial_status_h[g])
    coldest = max(float(units.min_down_time_h[g]), units.startup_cost[g].lag_h[-1])
    above = bool(units.initial_power_mw[g] > units.shutdown_ramp_mw[g] + 1e-9)
    return (
        tuple(float(getattr(units, name)[g]) for name in by_period.split()),
        units.cost[g],
        units.startup_cost[g],
        int(study.held_periods()[g]),
        # how long a unit has been on no longer counts once it may stop
        min(-status, coldest) if status < 0 else 0.0,
        status > 0 and above,
        reserves.offer_max_mw[:, g].tobytes(),
        reserves.offer_cost_per_mwh[:, g].tobytes(),
        reserves.zone[:, units.bus[g]].tobytes(),
        limits.thermal_per_mwh[:, g].tobytes(),
        limits.thermal_per_h[:, g].tobytes(),
        study.fixed_status[g].tobytes(),
        int(units.bus[g]) if by_bus else 0,
    )
