"""One thermal unit in one period: what it may do, and what that costs at some prices.

Power p is above the minimum. Reserve is what is held above p, r_i of each upward product.
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
    ramps_bind : array of bool, (G,)
        Whether either ramp is below the width.
    reserve_in_ramps : array of bool, (G,)
        Whether reserve is one product at most, and nothing but p and the ramps limits it.
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
    ramps_bind: BoolArray
    reserve_in_ramps: BoolArray
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
def dearest_reserve(rules: UnitRules, costs: UnitCosts, place: Place, held: FloatArray) -> int:
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
        best = dearest_reserve(rules, costs, place, held)
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
