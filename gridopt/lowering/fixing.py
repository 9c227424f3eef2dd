"""Columns that no answer as good as a known one can move: fixing by reduced cost, exactly.

With prices y of the rows of a program whose quadratic part is Σ q_j x_j², q ≥ 0,

    L = c0 + Σ_r y_r side_r + Σ_j m_j,   m_j = min { q_j x² + (c_j − (A'y)_j) x : l_j ≤ x ≤ u_j }

is a lower bound for any y (side_r the lower side where y_r > 0, the upper one where y_r < 0). An
answer with x_j = k costs at least L − m_j plus the term at k. Where that is above what a known
answer costs, no better answer has x_j = k (Dantzig, Fulkerson, Johnson 1954,
doi 10.1287/opre.2.4.393, fixed the first columns so).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.linear_prices import LinearPrices
from gridopt.program import Program

MARGIN = 1e-7
"""Share of the objective that rounding may be off by."""


@dataclass(frozen=True, eq=False)
class Fixed:
    """Bounds of the columns after fixing, and the lower bound that proves them.

    Parameters
    ----------
    lower, upper : array, (n,)
    bound : float
        Of the objective, proved; -inf where there is none.
    count : int
        Columns that had a choice before and have none now.
    """

    lower: FloatArray
    upper: FloatArray
    bound: float
    count: int


def fixed_by_reduced_cost(program: Program, prices: LinearPrices, upper_bound: float) -> Fixed:
    """Return bounds that every answer of at most `upper_bound` keeps.

    Parameters
    ----------
    program : Program
    prices : LinearPrices
        Of its relaxation; any others give a bound too, but a worse one.
    upper_bound : float
        Objective of a known answer.
    """
    listed = prices.program
    price = prices.row_price
    side = np.where(price > 0, listed.row_lower, listed.row_upper)
    price = np.where(np.isfinite(side), price, 0.0)
    worth = float(price @ np.where(np.isfinite(side), side, 0.0))
    square = np.asarray(program.Q.diagonal())
    slope = program.c - np.asarray(listed.A.T @ price)
    least = _least(square, slope, program.lower, program.upper)
    bound = program.c0 + worth + float(least.sum())
    lower, upper = program.lower.copy(), program.upper.copy()
    if not np.isfinite(bound):
        return Fixed(lower, upper, -np.inf, 0)
    room = upper_bound - bound + MARGIN * max(1.0, abs(upper_bound), abs(bound)) + least
    finite = np.isfinite(lower) & np.isfinite(upper)
    choice = np.flatnonzero(program.is_integer & finite & (lower < upper))
    for end, other, step in ((lower, upper, 1.0), (upper, lower, -1.0)):
        moving = choice
        while len(moving):
            at = end[moving]
            term = square[moving] * at**2 + slope[moving] * at
            moving = moving[(term > room[moving]) & (at != other[moving])]
            end[moving] += step
    return Fixed(lower, upper, bound, int((lower == upper)[choice].sum()))


def _least(
    square: FloatArray, slope: FloatArray, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Return the least value of square · x² + slope · x between the bounds, (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.where(square > 0, -slope / (2.0 * square), np.where(slope > 0, lower, upper))
    inner = np.where((square > 0) | (slope != 0), inner, np.where(np.isfinite(lower), lower, 0.0))
    at = np.clip(inner, lower, upper)
    with np.errstate(invalid="ignore"):
        value = square * at**2 + slope * at
    return np.where((square == 0) & (slope == 0), 0.0, value)
