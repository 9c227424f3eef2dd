"""What an interval costs one thermal unit with its ramps, in compiled loops.

With p_t the power, q_t what it may reach with its reserve, f the cost of power and μ ≥ 0 the worth
of reserve, being on in t costs f_t(p_t) − μ_t (q_t − p_t), and

    p_t ≤ q_t ≤ min(C_t, p_{t−1} + RU),   p_{t−1} − p_t ≤ RD,

C_t what a start, a stop and the unit's size leave. So the least cost V_t(p) of all up to t is

    V_t(p) = f_t(p) + μ_t p + min {V_{t−1}(p') − μ_t min(C_t, p' + RU) : p − RU ≤ p' ≤ p + RD},

convex and of as many pieces as f has, a few more each period: Frangioni & Gentile 2006, "Solving
nonlinear single-unit commitment problems with ramping constraints", doi 10.1287/opre.1060.0309.
Their recursion has no reserve. Several products at once, or an offer that binds, are no matter of
q alone: then reserve keeps within C_t − p_t only, and the result is a lower bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.compiling import jit
from gridopt.formulations.blocks.curve_kernels import (
    Curve,
    append,
    cut,
    empty_curve,
    lowest,
    set_constant,
    set_lowered,
    set_near,
    set_sum,
)
from gridopt.formulations.blocks.unit_kernels import (
    INITIAL,
    NONE,
    Limits,
    Place,
    UnitAnswers,
    UnitCosts,
    UnitRules,
    dearest_reserve,
    limits_at,
    period_cost,
)

KEPT_MW = 1e-6
"""By how much an answer may exceed a ramp and count as keeping it."""


class Work(NamedTuple):
    """Room to work in for units of T periods.

    Parameters
    ----------
    one, other, last : Curve
        V of the period before, of this one, and of this one as the last.
    lowered, near, own, power, reserve : Curve
        Parts of it.
    lowest_at, low, high : array, (T,)
        Where V is lowest in the period before each, as this one sees it, and its domain.
    held, worth, amount : array, (P,)
    """

    one: Curve
    other: Curve
    last: Curve
    lowered: Curve
    near: Curve
    own: Curve
    power: Curve
    reserve: Curve
    lowest_at: FloatArray
    low: FloatArray
    high: FloatArray
    held: FloatArray
    worth: FloatArray
    amount: FloatArray


@jit
def room_to_work(rules: UnitRules) -> Work:
    """Return room for any of the units."""
    P, _, T = rules.reserve_mw.shape
    most = (T + 1) * (rules.segment_mw.shape[1] + P + 6)
    return Work(
        empty_curve(most),
        empty_curve(most),
        empty_curve(most),
        empty_curve(most),
        empty_curve(most),
        empty_curve(most),
        empty_curve(most),
        empty_curve(most),
        np.zeros(T),
        np.zeros(T),
        np.zeros(T),
        np.zeros(P),
        np.zeros(P),
        np.zeros(P),
    )


@jit
def _product(rules: UnitRules, place: Place) -> int:
    """Return the one product that the unit may hold, or `NONE`."""
    for i in range(rules.reserve_mw.shape[0]):
        if rules.reserve_mw[i, place.unit, place.period] > 0.0:
            return i
    return NONE


@jit
def _worth(rules: UnitRules, costs: UnitCosts, place: Place) -> float:
    """Return μ, 0 where reserve is no matter of q alone."""
    if not rules.reserve_in_ramps[place.unit]:
        return 0.0
    i = _product(rules, place)
    return 0.0 if i == NONE else max(-costs.reserve[i, place.unit, place.period], 0.0)


@jit
def _set_reserve_cost(
    rules: UnitRules, costs: UnitCosts, place: Place, most: float, work: Work
) -> None:
    """Make `work.reserve` what the best reserve costs beside p, on [0, most]."""
    g, t = place
    work.held[:] = 0.0
    room, n, value = min(most, rules.up_mw[g] + rules.down_mw[g]), 0, 0.0
    while True:
        i = dearest_reserve(rules, costs, place, work.held)
        amount = 0.0 if i == NONE else min(rules.reserve_mw[i, g, t], room)
        if amount <= 0.0:
            break
        work.held[i] = work.amount[n] = amount
        work.worth[n] = -costs.reserve[i, g, t]
        room, value, n = room - amount, value + costs.reserve[i, g, t] * amount, n + 1
    at = most - work.held.sum()
    work.reserve.size[0] = 0
    if at > 0.0 or n == 0:
        append(work.reserve, 0.0, 0.0, 0.0)
    for k in range(n - 1, -1, -1):  # what is worth least goes first
        append(work.reserve, max(at, 0.0), work.worth[k], 0.0)
        at += work.amount[k]
    work.reserve.ends[0], work.reserve.ends[1] = most, value


@jit
def _set_own_cost(
    rules: UnitRules, costs: UnitCosts, place: Place, most: float, work: Work
) -> Curve:
    """Return the cost of a period by itself, with μ p in it, on [0, most] or more."""
    g, t = place
    slope, at = costs.above[g, t] + _worth(rules, costs, place), 0.0
    work.power.size[0] = 0
    for k in range(rules.n_segments[g]):
        append(work.power, at, slope + rules.segment_cost[g, k], rules.segment_rise[g, k])
        at += rules.segment_mw[g, k]
    work.power.ends[0], work.power.ends[1] = at, costs.on[g, t]
    if rules.reserve_in_ramps[g]:
        return work.power
    _set_reserve_cost(rules, costs, place, most, work)
    set_sum(work.own, work.reserve, work.power)
    return work.own


@jit
def _step(
    rules: UnitRules,
    costs: UnitCosts,
    place: Place,
    limits: Limits,
    before: Curve,
    work: Work,
    after: Curve,
) -> bool:
    """Make `after` V of a period, and `before` that of the one before; return whether any p can."""
    g, t = place
    width, worth = rules.width_mw[g], _worth(rules, costs, place)
    up, down = min(rules.up_mw[g], width), min(rules.down_mw[g], width)
    if worth > 0.0:
        set_lowered(work.lowered, before, limits.most - up, worth)
        work.lowered.ends[1] -= worth * min(limits.most, before.at[0] + up)
        before = work.lowered
    work.lowest_at[t] = lowest(before, np.inf)[0]
    set_near(work.near, before, up, down)
    if not cut(work.near, 0.0, min(limits.most_p, limits.most)):
        return False
    own = _set_own_cost(rules, costs, place, limits.most, work)
    set_sum(after, work.near, own)
    return True


@jit
def _set_before(rules: UnitRules, g: int, start: int, curve: Curve) -> None:
    """Make it V before an interval: nothing, at the power that there is by then."""
    low = high = 0.0
    if start == INITIAL:
        low = high = rules.initial_mw[g]
        if np.isnan(low):
            low, high = 0.0, rules.width_mw[g]
    set_constant(curve, low, high, 0.0)


@jit
def _limits(rules: UnitRules, g: int, t: int, start: int, stop: int) -> Limits:
    """Return the limits in a period apart from those that follow from ramps."""
    found = limits_at(rules, g, t, start, stop)
    return Limits(0.0, found.most_p if t == stop - 1 else rules.width_mw[g], found.most)


@jit
def set_interval_costs(
    rules: UnitRules, costs: UnitCosts, g: int, start: int, work: Work, found: FloatArray
) -> None:
    """Set `found`[e], (T + 1,), to the cost with ramps where it is finite and e > `start`."""
    T, first = rules.may_be_on.shape[1], max(start, 0)
    before, after = work.one, work.other
    _set_before(rules, g, start, before)
    for t in range(first, T):
        limits, place = _limits(rules, g, t, start, T), Place(g, t)
        if not rules.may_be_on[g, t] or not _step(rules, costs, place, limits, before, work, after):
            found[t + 1 :] = np.inf
            return
        if found[t + 1] < np.inf:
            ending = _limits(rules, g, t, start, t + 1)
            if ending.most >= limits.most and ending.most_p >= limits.most_p:
                found[t + 1] = lowest(after, np.inf)[1]
            elif min(ending.most, ending.most_p) <= 0.0:  # at the minimum, without reserve
                found[t + 1] = lowest(before, rules.down_mw[g])[1] + costs.on[g, t]
            elif _step(rules, costs, place, ending, before, work, work.last):
                found[t + 1] = lowest(work.last, np.inf)[1]
            else:
                found[t + 1] = np.inf
        before, after = after, before


@jit
def fill_with_ramps(
    rules: UnitRules,
    costs: UnitCosts,
    g: int,
    interval: tuple[int, int],
    work: Work,
    answers: UnitAnswers,
) -> float:
    """Set the answers in an interval; return what it costs, inf where ramps forbid it."""
    start, stop = interval
    first = max(start, 0)
    before, after = work.one, work.other
    _set_before(rules, g, start, before)
    for t in range(first, stop):
        work.low[t], work.high[t] = before.at[0], before.ends[0]
        limits = _limits(rules, g, t, start, stop)
        if not _step(rules, costs, Place(g, t), limits, before, work, after):
            return np.inf
        before, after = after, before
    p, total = lowest(before, np.inf)
    for t in range(stop - 1, first - 1, -1):
        low, high = max(work.low[t], p - rules.up_mw[g]), min(work.high[t], p + rules.down_mw[g])
        earlier = min(max(work.lowest_at[t], low), high)
        limits, place = _limits(rules, g, t, start, stop), Place(g, t)
        answers.on[g, t], answers.above_mw[g, t] = True, p
        if not rules.reserve_in_ramps[g]:
            period_cost(rules, costs, place, Limits(p, p, limits.most), work.held)
            answers.reserve_mw[:, g, t] = work.held
        elif _worth(rules, costs, place) > 0.0:
            reach = min(limits.most, earlier + rules.up_mw[g])
            answers.reserve_mw[:, g, t] = 0.0
            answers.reserve_mw[_product(rules, place), g, t] = max(reach - p, 0.0)
        else:
            answers.reserve_mw[:, g, t] = 0.0
        p = earlier
    return total


@jit
def keeps_ramps(rules: UnitRules, g: int, interval: tuple[int, int], answers: UnitAnswers) -> bool:
    """Tell whether the answers in an interval keep the ramps, as far as they are known here."""
    start, stop = interval
    before = rules.initial_mw[g] if start == INITIAL else 0.0
    for t in range(max(start, 0), stop):
        p = answers.above_mw[g, t]
        reach = p + answers.reserve_mw[:, g, t].sum() if rules.reserve_in_ramps[g] else p
        if reach - before > rules.up_mw[g] + KEPT_MW or before - p > rules.down_mw[g] + KEPT_MW:
            return False
        before = p
    return True
