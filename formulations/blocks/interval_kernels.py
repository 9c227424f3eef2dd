"""The dynamic program over intervals of one thermal unit, in compiled loops.

A unit's schedule is a sequence of intervals in which it is on. With B_s the least cost of all that
ends with a start in period s, A_e of all that ends with a stop in period e, and H(s, e) the cost of
being on from s until e,

    A_e = min_s B_s + H(s, e) over e − s ≥ UT or e = T,
    B_s = min_e A_e + S(s − e) over s − e ≥ DT,

S(d) the cost of a start after d periods off: Fan, Guan, Zhai 2002, "A new method for unit
commitment with ramping constraints", doi 10.1016/S0378-7796(02)00033-8. H(s, e) is a sum over
periods first, each at its best by itself below what ramps allow so long after the start and so long
before the stop: a lower bound, and quick. Where the best schedule misses a ramp between neighboring
periods, H of its starts is computed with ramps (`ramp_kernels`), and another schedule may be best,
until one misses none. So the result is exact, but for reserve of several products that share a
ramp; `tests` hold it against exact programs.

Power p is above the minimum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.compiling import jit
from gridopt.formulations.blocks.ramp_kernels import (
    Work,
    fill_with_ramps,
    keeps_ramps,
    room_to_work,
    set_interval_costs,
)
from gridopt.formulations.blocks.unit_kernels import (
    INITIAL,
    TINY_MW,
    Limits,
    Place,
    UnitAnswers,
    UnitCosts,
    UnitRules,
    limits_at,
    period_cost,
)


class Known(NamedTuple):
    """What the intervals of a unit share.

    Parameters
    ----------
    free : array, (T, 3)
        See `_without_limits`.
    last : array, (T + 1,)
        See `_last_periods`.
    held : array, (P,)
        To work in.
    """

    free: FloatArray
    last: FloatArray
    held: FloatArray


class Path(NamedTuple):
    """What leads to the best schedule of a unit.

    Parameters
    ----------
    interval : array, (T + 1, T + 1)
        H: first of a unit that is on from before, then of each start; by stop.
    has_ramps : array of bool, (T + 1,)
        In which of these rows it has the ramps in it.
    started, stopped : array, (T,) and (T + 1,)
        B and A.
    start_of, stop_before : array of int, (T + 1,) and (T,)
        Where they come from.
    """

    interval: FloatArray
    has_ramps: BoolArray
    started: FloatArray
    stopped: FloatArray
    start_of: IntArray
    stop_before: IntArray


@jit
def _binding_periods(rules: UnitRules, g: int) -> tuple[int, int]:
    """Return for how many periods after a start, and before a stop, a limit may bind."""
    width, T = rules.width_mw[g] - TINY_MW, rules.may_be_on.shape[1]
    after, most = 0, min(rules.start_mw[g], rules.up_mw[g])
    while after < T and most < width:
        after, most = after + 1, most + rules.up_mw[g]
    before, most = 0, min(rules.stop_mw[g], rules.down_mw[g])
    while before < T and most < width:
        before, most = before + 1, most + rules.down_mw[g]
    return after, before


@jit
def _without_limits(rules: UnitRules, costs: UnitCosts, g: int, held: FloatArray) -> FloatArray:
    """Return the cost of each period on far from starts and stops, p, and p + Σ r, (T, 3)."""
    found = np.zeros((rules.may_be_on.shape[1], 3))
    width = rules.width_mw[g]
    for t in range(len(found)):
        cost, p = period_cost(rules, costs, Place(g, t), Limits(0.0, width, width), held)
        found[t] = cost, p, p + held.sum()
    return found


@jit
def _cost_within(
    rules: UnitRules,
    costs: UnitCosts,
    place: Place,
    limits: Limits,
    free: FloatArray,
    held: FloatArray,
) -> float:
    """Return the least cost of a period on; nearly always the one without limits keeps them."""
    t = place.period
    keeps = limits.least_p <= free[t, 1] <= limits.most_p and free[t, 2] <= limits.most
    if keeps:
        return float(free[t, 0])
    cost, _ = period_cost(rules, costs, place, limits, held)
    return cost


@jit
def _last_periods(
    rules: UnitRules, costs: UnitCosts, g: int, free: FloatArray, held: FloatArray
) -> FloatArray:
    """Return the cost of the periods before a stop in e in which it limits the power, (T + 1,)."""
    T = rules.may_be_on.shape[1]
    _, before = _binding_periods(rules, g)
    found = np.zeros(T + 1)
    for e in range(1, T):
        for t in range(max(e - before, 0), e):
            limits = limits_at(rules, g, t, -T, e)
            found[e] += _cost_within(rules, costs, Place(g, t), limits, free, held)
    return found


@jit
def _interval_costs(
    rules: UnitRules,
    costs: UnitCosts,
    g: int,
    start: int,
    known: Known,
    found: FloatArray,
) -> None:
    """Set `found`[e], (T + 1,), to the cost of being on from `start` until e; inf for never."""
    T, first = rules.may_be_on.shape[1], max(start, 0)
    after, before = _binding_periods(rules, g)
    far = first + after if start != INITIAL else T + 1
    running, end = np.zeros(T + 1), first
    while end < T and rules.may_be_on[g, end]:
        cost = known.free[end, 0]
        if end < far:
            limits = limits_at(rules, g, end, start, T)
            cost = _cost_within(rules, costs, Place(g, end), limits, known.free, known.held)
        running[end + 1], end = running[end] + cost, end + 1
    found[:] = np.inf
    least = 1 if start == INITIAL else rules.min_up[g]
    for e in range(first + least, end + 1):
        if rules.may_stop[g, min(e, T - 1)]:
            found[e] = running[max(e - before, first)]
            if e - before >= far:
                found[e] += known.last[e]
                continue
            for t in range(max(e - before, first), e):
                limits = limits_at(rules, g, t, start, e)
                found[e] += _cost_within(rules, costs, Place(g, t), limits, known.free, known.held)
    if end == T:
        found[T] = running[T]
    at_once = min(rules.stop_mw[g], rules.down_mw[g]) + TINY_MW
    if start == INITIAL and rules.may_stop[g, 0] and not rules.initial_mw[g] > at_once:
        found[0] = 0.0


@jit
def _fill_without_ramps(
    rules: UnitRules,
    costs: UnitCosts,
    g: int,
    interval: tuple[int, int],
    held: FloatArray,
    answers: UnitAnswers,
) -> float:
    """Set the answers in an interval, each period by itself; return what it costs."""
    start, stop = interval
    total = 0.0
    for t in range(max(start, 0), stop):
        limits = limits_at(rules, g, t, start, stop)
        cost, p = period_cost(rules, costs, Place(g, t), limits, held)
        total += cost
        answers.on[g, t] = True
        answers.above_mw[g, t] = p
        answers.reserve_mw[:, g, t] = held
    return total


@jit
def _fill(
    rules: UnitRules,
    costs: UnitCosts,
    g: int,
    interval: tuple[int, int],
    work: Work,
    answers: UnitAnswers,
) -> float:
    """Set the answers in an interval; return what it costs."""
    total = _fill_without_ramps(rules, costs, g, interval, work.held, answers)
    if rules.ramps_bind[g] and not keeps_ramps(rules, g, interval, answers):
        total = fill_with_ramps(rules, costs, g, interval, work, answers)
    return total


@jit
def _start_after(
    rules: UnitRules, g: int, s: int, off: FloatArray, held_on: IntArray, stopped: FloatArray
) -> tuple[float, int]:
    """Return B_s and the stop before the start; `held_on` counts periods that must be on."""
    best, after = np.inf, INITIAL
    if not rules.initially_on[g] and held_on[s] == 0:
        best = off[s] + rules.initial_start_cost[g, s]
    for e in range(s - rules.min_down[g] + 1):
        cost = stopped[e] + off[s] - off[e] + rules.start_cost[g, s - e]
        if cost < best and held_on[s] == held_on[e]:
            best, after = cost, e
    return best, after


@jit
def _last_stop(
    rules: UnitRules, g: int, off: FloatArray, held_on: IntArray, stopped: FloatArray
) -> tuple[float, int]:
    """Return the least cost of all periods, and the last stop; `INITIAL` where it never runs."""
    T = len(off) - 1
    least, stop = np.inf, INITIAL
    if not rules.initially_on[g] and held_on[T] == 0:
        least = off[T]
    for e in range(T + 1):
        cost = stopped[e] + off[T] - off[e]
        if cost < least and held_on[T] == held_on[e]:
            least, stop = cost, e
    return least, stop


@jit
def _counts(rules: UnitRules, costs: UnitCosts, g: int) -> tuple[FloatArray, IntArray]:
    """Return cost off and periods that must be on, both up to each period, (T + 1,)."""
    T = rules.may_be_on.shape[1]
    off, held_on = np.zeros(T + 1), np.zeros(T + 1, dtype=np.int64)
    off[1:] = np.cumsum(costs.off[g])
    held_on[1:] = np.cumsum(rules.must_be_on[g])
    return off, held_on


@jit
def _known(rules: UnitRules, costs: UnitCosts, g: int, held: FloatArray) -> Known:
    free = _without_limits(rules, costs, g, held)
    return Known(free, _last_periods(rules, costs, g, free, held), held)


@jit
def _best_path(
    rules: UnitRules, g: int, off: FloatArray, held_on: IntArray, path: Path
) -> tuple[float, int]:
    """Find A and B from H; return the least cost of all periods, and the last stop."""
    T = len(off) - 1
    path.stopped[:] = path.interval[0]
    path.start_of[:] = INITIAL
    for s in range(T):
        best = np.inf
        if rules.may_start[g, s]:
            best, path.stop_before[s] = _start_after(rules, g, s, off, held_on, path.stopped)
        path.started[s] = best
        if best < np.inf:
            for e in range(s + 1, T + 1):
                if best + path.interval[s + 1, e] < path.stopped[e]:
                    path.stopped[e], path.start_of[e] = best + path.interval[s + 1, e], s
    return _last_stop(rules, g, off, held_on, path.stopped)


@jit
def _take_ramps(
    rules: UnitRules,
    costs: UnitCosts,
    g: int,
    last: int,
    path: Path,
    work: Work,
    answers: UnitAnswers,
) -> bool:
    """Put ramps into H where the best path misses them; return whether it did."""
    stop, missed = last, False
    while stop != INITIAL:
        start = path.start_of[stop]
        row = 0 if start == INITIAL else start + 1
        if not path.has_ramps[row]:
            _fill_without_ramps(rules, costs, g, (start, stop), work.held, answers)
            if not keeps_ramps(rules, g, (start, stop), answers):
                set_interval_costs(rules, costs, g, start, work, path.interval[row])
                path.has_ramps[row] = missed = True
        stop = INITIAL if start == INITIAL else path.stop_before[start]
    return missed


@jit
def _path(
    rules: UnitRules,
    costs: UnitCosts,
    g: int,
    off: FloatArray,
    held_on: IntArray,
    work: Work,
    answers: UnitAnswers,
) -> tuple[float, int, Path]:
    """Return the least cost of all periods, the last stop, and the path."""
    T = rules.may_be_on.shape[1]
    known = _known(rules, costs, g, work.held)
    path = Path(
        np.full((T + 1, T + 1), np.inf),
        np.zeros(T + 1, dtype=np.bool_),
        np.full(T, np.inf),
        np.full(T + 1, np.inf),
        np.full(T + 1, INITIAL),
        np.full(T, INITIAL),
    )
    if rules.initially_on[g]:
        _interval_costs(rules, costs, g, INITIAL, known, path.interval[0])
    for s in range(T):
        if rules.may_start[g, s]:
            _interval_costs(rules, costs, g, s, known, path.interval[s + 1])
    while True:
        least, last = _best_path(rules, g, off, held_on, path)
        if not rules.ramps_bind[g]:
            break
        if not _take_ramps(rules, costs, g, last, path, work, answers):
            break
    return least, last, path


@jit
def _solve_unit(
    rules: UnitRules, costs: UnitCosts, g: int, work: Work, answers: UnitAnswers
) -> None:
    off, held_on = _counts(rules, costs, g)
    answers.least[g], stop, path = _path(rules, costs, g, off, held_on, work, answers)
    answers.on[g], answers.above_mw[g], answers.reserve_mw[:, g] = False, 0.0, 0.0
    while stop != INITIAL:
        start = path.start_of[stop]
        _fill(rules, costs, g, (start, stop), work, answers)
        stop = INITIAL if start == INITIAL else path.stop_before[start]


@jit
def _least_to_the_end(
    rules: UnitRules, g: int, off: FloatArray, held_on: IntArray, interval: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return R_s and C_e, (T,) and (T + 1,): least cost of all from a start in s, from a stop in e.

    R_s = min_e H(s, e) + C_e and C_e = min_s S(s − e) + R_s over s − e ≥ DT, or off until the end:
    the recursion of `_solve_unit` backwards.
    """
    T = len(off) - 1
    started, stopped = np.full(T, np.inf), np.full(T + 1, np.inf)
    for e in range(T, -1, -1):
        if held_on[T] == held_on[e]:
            stopped[e] = off[T] - off[e]
        for s in range(e + rules.min_down[g], T):
            if held_on[s] == held_on[e]:
                cost = off[s] - off[e] + rules.start_cost[g, s - e] + started[s]
                stopped[e] = min(stopped[e], cost)
        if e > 0 and rules.may_start[g, e - 1]:
            started[e - 1] = np.min(interval[e - 1] + stopped)
    return started, stopped


@jit
def _take_gaps(
    rules: UnitRules,
    g: int,
    off: FloatArray,
    held_on: IntArray,
    before: FloatArray,
    after: FloatArray,
    found: FloatArray,
) -> None:
    """Lower `found`, (T,), to the least cost of all that is off in each period.

    `before` is A_e, `after` is R_s. Of the gaps that begin in e, those that end after t count in t.
    """
    T = len(off) - 1
    for e in range(T):
        least = np.inf
        if held_on[T] == held_on[e]:
            least = before[e] + off[T] - off[e]
        for t in range(T - 1, e - 1, -1):
            found[t] = min(found[t], least)
            if t - e >= rules.min_down[g] and held_on[t] == held_on[e]:
                cost = before[e] + off[t] - off[e] + rules.start_cost[g, t - e] + after[t]
                least = min(least, cost)
    if not rules.initially_on[g]:
        least = off[T] if held_on[T] == 0 else np.inf
        for t in range(T - 1, -1, -1):
            found[t] = min(found[t], least)
            if held_on[t] == 0:
                least = min(least, off[t] + rules.initial_start_cost[g, t] + after[t])


@jit
def _marginals_unit(
    rules: UnitRules,
    costs: UnitCosts,
    g: int,
    work: Work,
    answers: UnitAnswers,
    found: FloatArray,
) -> None:
    T = rules.may_be_on.shape[1]
    off, held_on = _counts(rules, costs, g)
    _, _, path = _path(rules, costs, g, off, held_on, work, answers)
    from_start, from_stop = _least_to_the_end(rules, g, off, held_on, path.interval[1:])
    found[:, g] = np.inf
    _take_gaps(rules, g, off, held_on, path.stopped, from_start, found[0, g])
    for s in range(-1, T):
        least, before = np.inf, 0.0 if s < 0 else path.started[s]
        for e in range(T, max(s, 0), -1):
            least = min(least, before + path.interval[s + 1, e] + from_stop[e])
            found[1, g, e - 1] = min(found[1, g, e - 1], least)


@jit
def _dispatch_unit(
    rules: UnitRules, costs: UnitCosts, g: int, on: BoolArray, work: Work, answers: UnitAnswers
) -> None:
    T = len(on)
    start, stop = INITIAL, INITIAL
    running, least = bool(rules.initially_on[g]), 0.0
    for t in range(T + 1):
        if t < T and not on[t]:
            least += costs.off[g, t]
        if running and (t == T or not on[t]):
            least += _fill(rules, costs, g, (start, t), work, answers)
            running, stop = False, t
        elif not running and t < T and on[t]:
            if stop == INITIAL and not rules.initially_on[g]:
                least += rules.initial_start_cost[g, t]
            else:
                least += rules.start_cost[g, t - stop]
            running, start = True, t
    answers.least[g] = least


@jit
def dispatch_units(
    rules: UnitRules, costs: UnitCosts, on: BoolArray, first: int, last: int, answers: UnitAnswers
) -> None:
    """Set the answers of units first, …, last − 1 that are on as said, (G, T)."""
    work = room_to_work(rules)
    for g in range(first, last):
        _dispatch_unit(rules, costs, g, on[g], work, answers)


@jit
def solve_units(
    rules: UnitRules, costs: UnitCosts, first: int, last: int, answers: UnitAnswers
) -> None:
    """Set the answers of units first, …, last − 1."""
    work = room_to_work(rules)
    for g in range(first, last):
        _solve_unit(rules, costs, g, work, answers)


@jit
def marginals_of_units(
    rules: UnitRules,
    costs: UnitCosts,
    first: int,
    last: int,
    answers: UnitAnswers,
    found: FloatArray,
) -> None:
    """Set the least cost of units first, …, last − 1 when off and when on, (2, G, T).

    `answers` is room to work in.
    """
    work = room_to_work(rules)
    for g in range(first, last):
        _marginals_unit(rules, costs, g, work, answers, found)
