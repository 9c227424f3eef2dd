"""When units are on: logic, minimum up and down times, initial status, start-up cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.program import ProgramBuilder
from gridopt.study import FIXED_ON, FORCED_OUT, Study


@dataclass(frozen=True, eq=False)
class Commitment:
    """Columns of the commitment, each (G, T): u, v and w."""

    on: IntArray
    start: IntArray
    stop: IntArray


@dataclass(frozen=True, eq=False)
class Reach:
    """What initial status, must-run and fixed hours leave possible, each (G, T)."""

    must_be_on: BoolArray
    may_be_on: BoolArray
    may_start: BoolArray
    may_stop: BoolArray


def commitment(b: ProgramBuilder, study: Study) -> Commitment:
    """Add u, v, w with initial status, rest of minimum times, must-run and fixed hours as bounds.

    v and w are 0/1 of themselves once u is: u_t − u_{t−1} = v_t − w_t with v_t ≤ u_t and
    w_t ≤ 1 − u_t leaves one choice.
    """
    reach = reachable(study)
    shape = reach.may_be_on.shape
    return Commitment(
        on=b.binary("on", shape, lower=reach.must_be_on, upper=reach.may_be_on),
        start=b.binary("start", shape, upper=reach.may_start, implied=True),
        stop=b.binary("stop", shape, upper=reach.may_stop, implied=True),
    )


def commitment_logic(b: ProgramBuilder, study: Study, unit: Commitment) -> None:
    """Add u_t − u_{t−1} = v_t − w_t.

    Garver 1962, "Power generation scheduling by integer programming",
    doi 10.1109/AIEEPAS.1962.4501405.
    """
    on, start, stop = unit.on, unit.start, unit.stop
    initial = study.thermal.initial_on.astype(np.float64)
    first = (1.0, on[:, 0]), (-1.0, start[:, 0]), (1.0, stop[:, 0])
    b.constrain("initial_logic", *first, equal=initial)
    b.constrain(
        "logic",
        (1.0, on[:, 1:]),
        (-1.0, on[:, :-1]),
        (-1.0, start[:, 1:]),
        (1.0, stop[:, 1:]),
        equal=0.0,
    )


def min_up_down(b: ProgramBuilder, study: Study, unit: Commitment) -> None:
    """Add Σ_{i=t−UT+1}^{t} v_i ≤ u_t and Σ_{i=t−DT+1}^{t} w_i ≤ 1 − u_t.

    Facets of the commitment polytope: Rajan & Takriti 2005, "Minimum up/down polytopes of the unit
    commitment problem with start-up costs", IBM Research Report RC23628.
    """
    T = study.n_periods
    up = window(study.steps(study.thermal.min_up_time_h), T)
    down = window(study.steps(study.thermal.min_down_time_h), T)
    start, stop = unit.start[:, np.newaxis, :], unit.stop[:, np.newaxis, :]
    b.constrain("min_up_time", (up, start), (-1.0, unit.on), upper=0.0)
    b.constrain("min_down_time", (down, stop), (1.0, unit.on), upper=1.0)


def startup_cost(b: ProgramBuilder, study: Study, unit: Commitment) -> None:
    """Add the cost of starts by the time off: coldest cost on v, less a discount δ_s if warmer.

    δ_{s,t} ≤ Σ w_i over stops i that lie lag_s to lag_{s+1} hours before t, Σ_s δ_{s,t} ≤ v_t.
    Start-up types of Morales-España, Latorre, Ramos 2013, "Tight and compact MILP formulation for
    the thermal unit commitment problem", doi 10.1109/TPWRS.2013.2251373, with the coldest type
    left out.
    """
    costs = study.thermal.startup_cost
    coldest = np.array([startup.cost[-1] for startup in costs])
    b.minimize(coldest[:, np.newaxis], unit.start)
    warmer = [
        (g, s)
        for g, startup in enumerate(costs)
        for s in range(len(startup.cost) - 1)
        if startup.cost[s] < startup.cost[-1]
    ]
    if not warmer:
        return
    g = np.array([pair[0] for pair in warmer])
    low = np.array([-np.inf if s == 0 else costs[g].lag_h[s] for g, s in warmer])
    high = np.array([costs[g].lag_h[s + 1] for g, s in warmer])
    stops, initially = _within_lag(study, g, low, high)
    possible = stops.any(axis=2) | initially
    discount = b.binary("warmer_start", possible.shape, upper=possible, implied=True)
    saved = np.array([costs[g].cost[-1] - costs[g].cost[s] for g, s in warmer])
    b.minimize(-saved[:, np.newaxis], discount)
    b.constrain(
        "warmer_start_lag",
        (1.0, discount),
        (-stops.astype(np.float64), unit.stop[g][:, np.newaxis, :]),
        upper=initially.astype(np.float64),
    )
    of_unit = (g[np.newaxis, :] == np.arange(len(costs))[:, np.newaxis]).astype(np.float64)
    has = np.flatnonzero(of_unit.any(axis=1))
    b.constrain(
        "warmer_start_once",
        (of_unit[has][:, np.newaxis, :], discount.T[np.newaxis]),
        (-1.0, unit.start[has][..., np.newaxis]),
        upper=np.zeros((len(has), study.n_periods)),
    )


def window(steps: IntArray, n_periods: int) -> FloatArray:
    """Return 1 where period i lies among the `steps` periods that end with t, (G, T, T)."""
    t = np.arange(n_periods)
    age = t[:, np.newaxis] - t[np.newaxis, :]
    return ((age >= 0) & (age < steps[:, np.newaxis, np.newaxis])).astype(np.float64)


def _within_lag(
    study: Study, g: IntArray, low: FloatArray, high: FloatArray
) -> tuple[BoolArray, BoolArray]:
    """Return which stops i, (D, T, T), and whether the initial off time, (D, T), warm a start."""
    t = np.arange(study.n_periods)
    off_h = (t[:, np.newaxis] - t[np.newaxis, :]) * study.period_h
    low, high = low[:, np.newaxis, np.newaxis], high[:, np.newaxis, np.newaxis]
    stops = (off_h > 0) & (off_h >= low) & (off_h < high)
    status = study.thermal.initial_status_h[g][:, np.newaxis]
    initial_off_h = -status + t * study.period_h
    initially = (status < 0) & (initial_off_h >= low[:, 0]) & (initial_off_h < high[:, 0])
    return stops, initially


def reachable(study: Study) -> Reach:
    """Return where units must and may be on, start and stop, for all that is fixed before."""
    units, t = study.thermal, np.arange(study.n_periods)
    on = units.initial_on[:, np.newaxis]
    up, down = study.steps(units.min_up_time_h), study.steps(units.min_down_time_h)
    left = study.held_periods()[:, np.newaxis]
    held = t < left
    fixed = study.fixed_status
    must = (held & on) | (units.must_run[:, np.newaxis] & ~(held & ~on)) | (fixed == FIXED_ON)
    may = ~(held & ~on) & (fixed != FORCED_OUT)
    was_kept_on = np.column_stack([on, must[:, :-1]])
    was_kept_off = np.column_stack([~on, ~may[:, :-1]])
    first_start = np.where(on, left + down[:, np.newaxis], left)
    first_stop = np.where(on, left, left + up[:, np.newaxis])
    return Reach(
        must_be_on=must,
        may_be_on=may,
        may_start=(t >= first_start) & may & ~was_kept_on,
        may_stop=(t >= first_stop) & ~must & ~was_kept_off,
    )
