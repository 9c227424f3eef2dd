"""The best cycle of one battery at linear costs, in compiled loops.

With e_t the energy stored, a_t what charging adds to it and b_t what discharging takes from it,

    minimize    Σ_t α_t a_t + β_t b_t − γ_t min(e_{t−1}, B)
    subject to  e_t = e_{t−1} + a_t − b_t,   0 ≤ e_t ≤ E,   e_0 = e_T,
                a_t / A + b_t / B ≤ 1,   a, b ≥ 0,

γ ≥ 0. A period's cost as a function of e_t − e_{t−1} is convex, of two pieces: of slopes −β_t and
α_t, or the chord of both where charging and discharging at once pays. So the least cost V_t(e) of
all that leaves e is convex and of pieces too: those of V_{t−1} and the two of the period in order
of slopes, cut to [0, E] (the infimal convolution of Rockafellar 1970, "Convex analysis", §5). That
the cycle closes gets a price μ: with V_0(e) = μ e, the least V_T(e) − μ e is a lower bound whatever
μ is, and concave in it; at its highest it is the optimum, which a mix of two paths attains.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.compiling import jit

ROUNDS = 100
"""Prices μ that are tried at most; each but the last finds another piece of the bound."""

CLOSED = 1e-9
"""Share of E by which a path may miss being closed."""

SAME = 1e-12
"""Relative difference below which a bound is what was foretold."""


class Battery(NamedTuple):
    """E, A and B of a battery, all more than 0."""

    full: float
    up: float
    down: float


class Pieces(NamedTuple):
    """A convex function on [0, E] as its pieces in order of slopes: those from first to last."""

    slope: FloatArray
    width: FloatArray


class Cycles(NamedTuple):
    """N batteries: least cost, (N,), and where it is reached, (N, T): a, b, and min(e, B) before.

    Parameters
    ----------
    least : array, (N,)
    up, down, covered : array, (N, T)
    """

    least: FloatArray
    up: FloatArray
    down: FloatArray
    covered: FloatArray


@jit
def _insert(pieces: Pieces, first: int, last: int, slope: float, width: float) -> float:
    """Insert a piece; return the width of those before it. There is one more of them then."""
    place, before = last, 0.0
    for k in range(first, last):
        if pieces.slope[k] > slope:
            place = k
            break
        before += pieces.width[k]
    for k in range(last, place, -1):
        pieces.slope[k], pieces.width[k] = pieces.slope[k - 1], pieces.width[k - 1]
    pieces.slope[place], pieces.width[place] = slope, width
    return before


@jit
def _lowered(pieces: Pieces, first: int, last: int, width: float, by: float) -> int:
    """Lower the slopes of the first `width`, which may split a piece; return the new last."""
    left = width
    for k in range(first, last):
        if left < pieces.width[k]:
            rest, slope = pieces.width[k] - left, pieces.slope[k]
            pieces.slope[k], pieces.width[k] = slope - by, left
            for j in range(last, k + 1, -1):
                pieces.slope[j], pieces.width[j] = pieces.slope[j - 1], pieces.width[j - 1]
            pieces.slope[k + 1], pieces.width[k + 1] = slope, rest
            return last + 1
        pieces.slope[k] -= by
        left -= pieces.width[k]
    return last


@jit
def _cut(pieces: Pieces, first: int, last: int, down: float, up: float) -> tuple[int, int, float]:
    """Cut widths from both ends; return first, last, and the rise over what is cut at first."""
    rise = 0.0
    while first < last and pieces.width[first] <= down:
        down -= pieces.width[first]
        rise += pieces.slope[first] * pieces.width[first]
        first += 1
    if first < last:
        pieces.width[first] -= down
        rise += pieces.slope[first] * down
    while first < last and pieces.width[last - 1] <= up:
        up -= pieces.width[last - 1]
        last -= 1
    if first < last:
        pieces.width[last - 1] -= up
    return first, last, rise


@jit
def _priced(
    battery: Battery, costs: FloatArray, price: float, before: FloatArray
) -> tuple[float, float]:
    """Return the least cost with the cycle's end priced, and the e_T of it.

    Parameters
    ----------
    battery : Battery
    costs : array, (3, T)
        α, β and γ.
    price : float
    before : array, (T, 2)
        Becomes the width of the pieces before each of the period's two.
    """
    full, up, down = battery
    T = costs.shape[1]
    pieces = Pieces(np.empty(3 * T + 2), np.empty(3 * T + 2))
    pieces.slope[0], pieces.width[0] = price, full
    first, last, value = 0, 1, 0.0
    for t in range(T):
        if costs[2, t] > 0.0:
            last = _lowered(pieces, first, last, min(down, full), costs[2, t])
        low, high = -costs[1, t], costs[0, t]
        value += costs[1, t] * down
        if low > high:
            low = high = (low * down + high * up) / (down + up)
        before[t, 0] = _insert(pieces, first, last, low, down)
        before[t, 1] = _insert(pieces, first, last + 1, high, up)
        first, last, rise = _cut(pieces, first, last + 2, down, up)
        value += rise
    end = 0.0
    for k in range(first, last):
        if pieces.slope[k] < price:
            end += pieces.width[k]
            value += (pieces.slope[k] - price) * pieces.width[k]
    return value, min(end, full)


@jit
def _path(
    battery: Battery, costs: FloatArray, before: FloatArray, end: float, path: FloatArray
) -> float:
    """Fill in a, b and min(e, B), (3, T), of the path that ends so; return e_0."""
    full, up, down = battery
    e = end
    for t in range(costs.shape[1] - 1, -1, -1):
        place, used = e + down, up + down
        if place <= before[t, 0]:
            used = 0.0
        elif place <= before[t, 0] + down:
            used = place - before[t, 0]
        elif place <= before[t, 1]:
            used = down
        elif place <= before[t, 1] + up:
            used = down + place - before[t, 1]
        change = used - down
        path[0, t], path[1, t] = max(change, 0.0), max(-change, 0.0)
        if costs[0, t] + costs[1, t] < 0.0:
            share = used / (down + up)
            path[0, t], path[1, t] = share * up, (1.0 - share) * down
        e = min(max(e - change, 0.0), full)
        path[2, t] = min(e, down)
    return e


@jit
def _at(
    battery: Battery, costs: FloatArray, price: float, path: FloatArray
) -> tuple[float, float, float]:
    """Return the price, the bound there and its slope e_0 − e_T; fill in the path."""
    before = np.empty((costs.shape[1], 2))
    value, end = _priced(battery, costs, price, before)
    return price, value, _path(battery, costs, before, end, path) - end


@jit
def best_cycle(battery: Battery, costs: FloatArray, path: FloatArray) -> float:
    """Return a lower bound on the cost of a cycle, the optimum but for rounding.

    Parameters
    ----------
    battery : Battery
    costs : array, (3, T)
        α, β and γ.
    path : array, (3, T)
        Becomes a, b and min(e, B) before each period.
    """
    least_slope, most_slope = (
        min(-costs[1].max(), costs[0].min()),
        max(costs[0].max(), -costs[1].min()),
    )
    reach, closed = costs[2].sum() + 1.0, CLOSED * battery.full
    other, new = np.empty_like(path), np.empty_like(path)
    low = _at(battery, costs, least_slope - reach, path)
    high = _at(battery, costs, most_slope + reach, other)
    least = max(low[1], high[1])
    for _ in range(ROUNDS):
        if low[2] <= closed or high[2] >= -closed:
            break
        price = (high[1] - high[2] * high[0] - low[1] + low[2] * low[0]) / (low[2] - high[2])
        foretold = low[1] + low[2] * (price - low[0])
        found = _at(battery, costs, price, new)
        least = max(least, found[1])
        if found[1] >= foretold - SAME * max(abs(foretold), 1.0):
            break
        if found[2] >= 0.0:
            low, path[:] = found, new
        else:
            high, other[:] = found, new
    share = 1.0 if low[2] <= closed else -high[2] / (low[2] - high[2])
    if high[2] >= -closed:
        share = 0.0
    path[:] = share * path + (1.0 - share) * other
    return least


@jit
def best_cycles(
    full: FloatArray, up: FloatArray, down: FloatArray, costs: FloatArray, found: Cycles
) -> None:
    """Fill in the best cycle of N batteries with E, A and B, (N,), at costs, (N, 3, T)."""
    path = np.empty(costs.shape[1:])
    for i in range(len(full)):
        found.least[i] = best_cycle(Battery(full[i], up[i], down[i]), costs[i], path)
        found.up[i], found.down[i], found.covered[i] = path[0], path[1], path[2]
