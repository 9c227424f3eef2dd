"""The dynamic program over intervals of one thermal unit, in compiled loops.

A unit's schedule is a sequence of intervals in which it is on. With B_s the least cost of all that
ends with a start in period s, A_e of all that ends with a stop in period e, and H(s, e) the cost of
being on from s until e,

    A_e = min_s B_s + H(s, e) over e − s ≥ UT or e = T,
    B_s = min_e A_e + S(s − e) over s − e ≥ DT,

S(d) the cost of a start after d periods off: Fan, Guan, Zhai 2002, "A new method for unit
commitment with ramping constraints", doi 10.1016/S0378-7796(02)00033-8. H(s, e) is a sum over
periods, each at its best by itself below what ramps allow so long after the start and so long
before the stop. Ramps between neighboring periods are left out, so that the result is a lower bound
on what the unit can cost, and exact where no ramp binds; `tests` hold it against exact programs.

Power p is above the minimum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.compiling import jit

INITIAL = -1
"""In place of a start or a stop: the state before the first period."""

NONE = -1

TINY_MW = 1e-9


class Place(NamedTuple):
    """A unit and a period."""

    unit: int
    period: int


class Limits(NamedTuple):
    """Least and most p, and most p + Σ r, in a period."""

    least_p: float
    most_p: float
    most: float


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


class UnitRules(NamedTuple):
    """What units may do: G units, T periods, K segments, P reserve products.

    Parameters
    ----------
    must_be_on, may_be_on, may_start, may_stop : array of bool, (G, T)
    min_up, min_down : array of int, (G,)
        In periods.
    initially_on : array of bool, (G,)
    initial_mw : array, (G,)
        Power above the minimum before the first period, NaN where unknown.
    width_mw, up_mw, down_mw : array, (G,)
        Most power above the minimum, and ramps in MW a period, all finite.
    start_mw, stop_mw : array, (G,)
        Most p + Σ r in the first and in the last period on.
    n_segments : array of int, (G,)
    segment_mw, segment_cost, segment_rise : array, (G, K)
        Width, marginal cost at the start, and its rise with each MW.
    reserve_mw : array, (P, G, T)
        Most that is held of each upward product.
    start_cost : array, (G, T + 1)
        By periods off before the start.
    initial_start_cost : array, (G, T)
        In each period, for a unit that has been off since before the first one.
    """

    must_be_on: BoolArray
    may_be_on: BoolArray
    may_start: BoolArray
    may_stop: BoolArray
    min_up: IntArray
    min_down: IntArray
    initially_on: BoolArray
    initial_mw: FloatArray
    width_mw: FloatArray
    up_mw: FloatArray
    down_mw: FloatArray
    start_mw: FloatArray
    stop_mw: FloatArray
    n_segments: IntArray
    segment_mw: FloatArray
    segment_cost: FloatArray
    segment_rise: FloatArray
    reserve_mw: FloatArray
    start_cost: FloatArray
    initial_start_cost: FloatArray


class UnitCosts(NamedTuple):
    """Costs at some prices: of being on and off, of a MW above the minimum, of a MW held.

    Parameters
    ----------
    on, off, above : array, (G, T)
    reserve : array, (P, G, T)
    """

    on: FloatArray
    off: FloatArray
    above: FloatArray
    reserve: FloatArray


class UnitAnswers(NamedTuple):
    """Least cost of each unit, (G,), and where it is reached: (G, T), reserve (P, G, T)."""

    least: FloatArray
    on: BoolArray
    above_mw: FloatArray
    reserve_mw: FloatArray


@jit
def _dearest_reserve(rules: UnitRules, costs: UnitCosts, place: Place, held: FloatArray) -> int:
    """Return the product that is worth most of those that nothing is held of, or `NONE`."""
    best, worth = NONE, 0.0
    for i in range(len(held)):
        price = costs.reserve[i, place.unit, place.period]
        if price < worth and held[i] == 0.0 and rules.reserve_mw[i, place.unit, place.period] > 0:
            best, worth = i, price
    return best


@jit
def period_cost(
    rules: UnitRules, costs: UnitCosts, place: Place, limits: Limits, held: FloatArray
) -> tuple[float, float]:
    """Return the least cost of a period on, and p there; `held`, (P,), becomes what is held.

    What is cheapest comes first, which is best where limits lie within each other.
    """
    g, t = place
    held[:] = 0.0
    if limits.least_p > min(limits.most_p, limits.most) + TINY_MW:
        return np.inf, 0.0
    cost, p, k, used = costs.on[g, t], 0.0, 0, 0.0
    room, together = limits.most, rules.up_mw[g] + rules.down_mw[g]
    while True:
        best = _dearest_reserve(rules, costs, place, held)
        worth = 0.0 if best == NONE else costs.reserve[best, g, t]
        while k < rules.n_segments[g]:
            rise = rules.segment_rise[g, k]
            marginal = costs.above[g, t] + rules.segment_cost[g, k] + rise * used
            needed = limits.least_p - p
            if needed <= TINY_MW and marginal >= worth:
                break
            wanted = (worth - marginal) / rise if rise > 0.0 else np.inf
            wanted = needed if needed > TINY_MW else wanted
            step = min(rules.segment_mw[g, k] - used, limits.most_p - p, room, wanted)
            if step <= 0.0:
                break
            cost += (marginal + rise * step / 2.0) * step
            p, used, room = p + step, used + step, room - step
            if used >= rules.segment_mw[g, k]:
                k, used = k + 1, 0.0
            elif needed <= TINY_MW:
                break
        amount = 0.0 if best == NONE else min(rules.reserve_mw[best, g, t], room, together)
        if amount <= 0.0:
            return cost, p
        held[best] = amount
        cost += worth * amount
        room, together = room - amount, together - amount


@jit
def limits_at(rules: UnitRules, g: int, t: int, start: int, stop: int) -> Limits:
    """Return the limits in a period of an interval from start until stop.

    start is `INITIAL` for a unit that is on from before; stop is T where it stays on.
    """
    width, T = rules.width_mw[g], rules.may_be_on.shape[1]
    least_p, most_p, most = 0.0, width, width
    if start != INITIAL:
        most = min(most, min(rules.start_mw[g], rules.up_mw[g]) + (t - start) * rules.up_mw[g])
    elif not np.isnan(rules.initial_mw[g]):
        most = min(most, rules.initial_mw[g] + (t + 1) * rules.up_mw[g])
        least_p = max(0.0, rules.initial_mw[g] - (t + 1) * rules.down_mw[g])
    if stop < T:
        last = min(rules.stop_mw[g], rules.down_mw[g])
        most_p = min(most_p, last + (stop - 1 - t) * rules.down_mw[g])
        if t == stop - 1:
            most = min(most, rules.stop_mw[g])
    return Limits(least_p, most_p, most)


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
def _fill(
    rules: UnitRules,
    costs: UnitCosts,
    g: int,
    interval: tuple[int, int],
    held: FloatArray,
    answers: UnitAnswers,
) -> float:
    """Set the answers in an interval; return what it costs."""
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
def _prepared(rules: UnitRules, costs: UnitCosts, g: int) -> tuple[FloatArray, IntArray, Known]:
    """Return cost off and periods that must be on, both up to each period, (T + 1,), and the rest.

    The rest is what the intervals share.
    """
    T = rules.may_be_on.shape[1]
    off, held_on = np.zeros(T + 1), np.zeros(T + 1, dtype=np.int64)
    off[1:] = np.cumsum(costs.off[g])
    held_on[1:] = np.cumsum(rules.must_be_on[g])
    held = np.zeros(costs.reserve.shape[0])
    free = _without_limits(rules, costs, g, held)
    return off, held_on, Known(free, _last_periods(rules, costs, g, free, held), held)


@jit
def _solve_unit(rules: UnitRules, costs: UnitCosts, g: int, answers: UnitAnswers) -> None:
    T = rules.may_be_on.shape[1]
    off, held_on, known = _prepared(rules, costs, g)
    interval, stopped = np.empty(T + 1), np.full(T + 1, np.inf)
    start_of, stop_before = np.full(T + 1, INITIAL), np.full(T, INITIAL)
    if rules.initially_on[g]:
        _interval_costs(rules, costs, g, INITIAL, known, stopped)
    for s in range(T):
        best = np.inf
        if rules.may_start[g, s]:
            best, stop_before[s] = _start_after(rules, g, s, off, held_on, stopped)
        if best < np.inf:
            _interval_costs(rules, costs, g, s, known, interval)
            for e in range(s + 1, T + 1):
                if best + interval[e] < stopped[e]:
                    stopped[e], start_of[e] = best + interval[e], s
    answers.least[g], stop = _last_stop(rules, g, off, held_on, stopped)
    while stop != INITIAL:
        start = start_of[stop]
        _fill(rules, costs, g, (start, stop), known.held, answers)
        stop = INITIAL if start == INITIAL else stop_before[start]


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
def _marginals_unit(rules: UnitRules, costs: UnitCosts, g: int, found: FloatArray) -> None:
    T = rules.may_be_on.shape[1]
    off, held_on, known = _prepared(rules, costs, g)
    first, interval = np.full(T + 1, np.inf), np.full((T, T + 1), np.inf)
    if rules.initially_on[g]:
        _interval_costs(rules, costs, g, INITIAL, known, first)
    stopped, started = first.copy(), np.full(T, np.inf)
    for s in range(T):
        if rules.may_start[g, s]:
            started[s], _ = _start_after(rules, g, s, off, held_on, stopped)
            _interval_costs(rules, costs, g, s, known, interval[s])
            stopped = np.minimum(stopped, started[s] + interval[s])
    from_start, from_stop = _least_to_the_end(rules, g, off, held_on, interval)
    found[:, g] = np.inf
    _take_gaps(rules, g, off, held_on, stopped, from_start, found[0, g])
    for s in range(-1, T):
        least, whole = np.inf, first if s < 0 else started[s] + interval[s]
        for e in range(T, max(s, 0), -1):
            least = min(least, whole[e] + from_stop[e])
            found[1, g, e - 1] = min(found[1, g, e - 1], least)


@jit
def _dispatch_unit(
    rules: UnitRules, costs: UnitCosts, g: int, on: BoolArray, answers: UnitAnswers
) -> None:
    T = len(on)
    held = np.zeros(costs.reserve.shape[0])
    start, stop = INITIAL, INITIAL
    running, least = bool(rules.initially_on[g]), 0.0
    for t in range(T + 1):
        if t < T and not on[t]:
            least += costs.off[g, t]
        if running and (t == T or not on[t]):
            least += _fill(rules, costs, g, (start, t), held, answers)
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
    for g in range(first, last):
        _dispatch_unit(rules, costs, g, on[g], answers)


@jit
def solve_units(
    rules: UnitRules, costs: UnitCosts, first: int, last: int, answers: UnitAnswers
) -> None:
    """Set the answers of units first, …, last − 1."""
    for g in range(first, last):
        _solve_unit(rules, costs, g, answers)


@jit
def marginals_of_units(
    rules: UnitRules, costs: UnitCosts, first: int, last: int, found: FloatArray
) -> None:
    """Set the least cost of units first, …, last − 1 when off and when on, (2, G, T)."""
    for g in range(first, last):
        _marginals_unit(rules, costs, g, found)
