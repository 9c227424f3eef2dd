"""When units are on: logic, minimum up and down times, initial status, start-up cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.program import Integrality, ProgramBuilder
from gridopt.study import FIXED_ON, FORCED_OUT, Study


@dataclass(frozen=True, eq=False)
class Commitment:
    """Columns of the commitment, each (G, T): u, v and w; and how many units each row stands for.

    Where identical units are one row, u counts those that are on, v and w those that start and
    stop.
    """

    on: IntArray
    start: IntArray
    stop: IntArray
    count: FloatArray


@dataclass(frozen=True, eq=False)
class Reach:
    """What initial status, must-run and fixed hours leave possible, each (G, T)."""

    must_be_on: BoolArray
    may_be_on: BoolArray
    may_start: BoolArray
    may_stop: BoolArray


def commitment(b: ProgramBuilder, study: Study, count: FloatArray | None = None) -> Commitment:
    """Add u, v, w with initial status, rest of minimum times, must-run and fixed hours as bounds.

    v and w are 0/1 of themselves once u is: u_t − u_{t−1} = v_t − w_t with v_t ≤ u_t and
    w_t ≤ 1 − u_t leaves one choice.
    """
    reach = reachable(study)
    shape = reach.may_be_on.shape
    units = np.ones(shape[0]) if count is None else count
    n = units[:, np.newaxis]
    implied = Integrality.IMPLIED
    return Commitment(
        on=b.variable("on", shape, n * reach.must_be_on, n * reach.may_be_on, Integrality.INTEGER),
        start=b.variable("start", shape, upper=n * reach.may_start, integrality=implied),
        stop=b.variable("stop", shape, upper=n * reach.may_stop, integrality=implied),
        count=units,
    )


def commitment_logic(b: ProgramBuilder, study: Study, unit: Commitment) -> None:
    """Add u_t − u_{t−1} = v_t − w_t.

    Garver 1962, "Power generation scheduling by integer programming",
    doi 10.1109/AIEEPAS.1962.4501405.
    """
    on, start, stop = unit.on, unit.start, unit.stop
    initial = unit.count * study.thermal.initial_on
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
    most = np.broadcast_to(unit.count[:, np.newaxis], unit.on.shape)
    b.constrain("min_down_time", (down, stop), (1.0, unit.on), upper=most)


def startup_cost(b: ProgramBuilder, study: Study, unit: Commitment, form: str) -> None:
    """Add the cost of starts by the time off: the coldest cost on v, less what warmer ones save.

    ``"categories"``
        A discount δ_s of each warmer category: δ_{s,t} ≤ Σ w_i over stops i that lie lag_s to
        lag_{s+1} hours before t, Σ_s δ_{s,t} ≤ v_t. Start-up types of Morales-España, Latorre,
        Ramos 2013, "Tight and compact MILP formulation for the thermal unit commitment problem",
        doi 10.1109/TPWRS.2013.2251373, with the coldest type left out.
    ``"match"``
        x_{i,t} says that the stop in i is matched by the start in t: Σ_t x_{i,t} ≤ w_i,
        Σ_i x_{i,t} ≤ v_t. Knueven, Ostrowski, Watson 2020, "A novel matching formulation for
        startup costs in unit commitment", doi 10.1007/s12532-020-00176-5.

    Rows of several identical units are always matched: there, a stop must not warm two starts.
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
    matched = [form == "match" or unit.count[g] > 1 for g, _ in warmer]
    one_by_one = [pair for pair, is_matched in zip(warmer, matched, strict=True) if is_matched]
    by_category = [pair for pair in warmer if pair not in one_by_one]
    if by_category:
        _discounts(b, study, unit, by_category)
    if one_by_one:
        _matches(b, study, unit, one_by_one)


def _discounts(
    b: ProgramBuilder, study: Study, unit: Commitment, warmer: list[tuple[int, int]]
) -> None:
    g, saved, stops, initially = _warmed(study, warmer)
    possible = stops.any(axis=2) | initially
    discount = b.binary("warmer_start", possible.shape, upper=possible, implied=True)
    b.minimize(-saved[:, np.newaxis], discount)
    b.constrain(
        "warmer_start_lag",
        (1.0, discount),
        (-stops.astype(np.float64), unit.stop[g][:, np.newaxis, :]),
        upper=initially.astype(np.float64),
    )
    has, row = np.unique(g, return_inverse=True)
    T = study.n_periods
    b.constrain_sparse(
        "warmer_start_once",
        ((row[:, np.newaxis] * T + np.arange(T)).ravel(), discount.ravel(), np.ones(discount.size)),
        (np.arange(len(has) * T), unit.start[has].ravel(), -np.ones(len(has) * T)),
        lower=np.full((len(has), T), -np.inf),
        upper=np.zeros((len(has), T)),
    )


def _matches(
    b: ProgramBuilder, study: Study, unit: Commitment, warmer: list[tuple[int, int]]
) -> None:
    g, saved, stops, initially = _warmed(study, warmer)
    least = study.steps(study.thermal.min_down_time_h)[g, np.newaxis, np.newaxis]
    t = np.arange(study.n_periods)
    stops &= t[:, np.newaxis] - t[np.newaxis, :] >= least
    # the initial state is one more stop, the last column
    pairs = np.concatenate([stops, initially[:, :, np.newaxis]], axis=2)
    d, start, stop = np.nonzero(pairs)
    owner, initial = g[d], study.n_periods
    match = b.variable("match", d.shape, upper=unit.count[owner], integrality=Integrality.IMPLIED)
    b.minimize(-saved[d], match)
    for name, period, columns in (
        ("match_start", start, unit.start),
        ("match_stop", stop, unit.stop),
    ):
        key, row = np.unique(owner * (initial + 1) + period, return_inverse=True)
        of_row, when = np.divmod(key, initial + 1)
        inside = when < initial
        side = np.where(inside, 0.0, unit.count[of_row])
        picked = columns[of_row, np.minimum(when, initial - 1)]
        b.constrain_sparse(
            name,
            (row, match, np.ones(len(match))),
            (np.flatnonzero(inside), picked[inside], -np.ones(int(inside.sum()))),
            lower=np.full(len(side), -np.inf),
            upper=side,
        )


def _warmed(
    study: Study, warmer: list[tuple[int, int]]
) -> tuple[IntArray, FloatArray, BoolArray, BoolArray]:
    """Return unit and saving of each category, (D,), and what warms a start; see `_within_lag`."""
    costs = study.thermal.startup_cost
    g = np.array([unit for unit, _ in warmer])
    low = np.array([-np.inf if s == 0 else costs[u].lag_h[s] for u, s in warmer])
    high = np.array([costs[u].lag_h[s + 1] for u, s in warmer])
    saved = np.array([costs[u].cost[-1] - costs[u].cost[s] for u, s in warmer])
    return g, saved, *_within_lag(study, g, low, high)


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
