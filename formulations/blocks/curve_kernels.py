"""Convex functions of one variable, of pieces that are linear or quadratic, in compiled loops.

What ramps ask of them: the least value nearby (an infimal convolution, Rockafellar 1970, "Convex
analysis", §5), sums, cuts, and where they are lowest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.compiling import jit

TINY = 1e-9
"""How far a domain may be from another that meets it."""


class Curve(NamedTuple):
    """A convex function on [at_0, end]; the last piece goes to the end, each other to the next.

    Parameters
    ----------
    at, slope, rise : array, (most pieces,)
        Where a piece begins, its slope there, and by how much that rises with each unit.
    size : array of int, (1,)
        Number of pieces.
    ends : array, (2,)
        The end, and the value at at_0.
    """

    at: FloatArray
    slope: FloatArray
    rise: FloatArray
    size: IntArray
    ends: FloatArray


@jit
def empty_curve(most: int) -> Curve:
    """Return room for a curve of so many pieces."""
    size, ends = np.zeros(1, dtype=np.int64), np.zeros(2)
    return Curve(np.empty(most), np.empty(most), np.empty(most), size, ends)


@jit
def append(curve: Curve, at: float, slope: float, rise: float) -> None:
    """Add a piece behind all others."""
    n = curve.size[0]
    curve.at[n], curve.slope[n], curve.rise[n] = at, slope, rise
    curve.size[0] = n + 1


@jit
def set_constant(curve: Curve, low: float, high: float, value: float) -> None:
    """Make it a constant on [low, high]."""
    curve.size[0] = 0
    append(curve, low, 0.0, 0.0)
    curve.ends[0], curve.ends[1] = high, value


@jit
def lowest(curve: Curve, most: float) -> tuple[float, float]:
    """Return where it is lowest on [at_0, most], the least such place, and its value there."""
    end, x, value = min(curve.ends[0], most), curve.at[0], curve.ends[1]
    if end < x - TINY:
        return x, np.inf
    for k in range(curve.size[0]):
        until = end if k + 1 == curve.size[0] else min(curve.at[k + 1], end)
        step = until - curve.at[k]
        slope, rise = curve.slope[k], curve.rise[k]
        if slope >= 0.0 or step < 0.0:
            break
        step = -slope / rise if slope + rise * step > 0.0 else step
        x = curve.at[k] + step
        value += (slope + rise * step / 2.0) * step
    return x, value


@jit
def set_near(curve: Curve, of: Curve, up: float, down: float) -> None:
    """Make it min `of`(x') over x − up ≤ x' ≤ x + down.

    What falls moves down, what rises moves up, and between them it is flat.
    """
    curve.size[0], is_flat = 0, False
    for k in range(of.size[0]):
        until = of.ends[0] if k + 1 == of.size[0] else of.at[k + 1]
        at, slope, rise = of.at[k], of.slope[k], of.rise[k]
        if slope < 0.0:
            append(curve, at - down, slope, rise)
            if slope + rise * (until - at) <= 0.0:
                continue
            at, slope = at - slope / rise, 0.0
        if not is_flat:
            append(curve, at - down, 0.0, 0.0)
            is_flat = True
        append(curve, at + up, slope, rise)
    if not is_flat:
        append(curve, of.ends[0] - down, 0.0, 0.0)
    curve.ends[0], curve.ends[1] = of.ends[0] + up, of.ends[1]


@jit
def cut(curve: Curve, low: float, high: float) -> bool:
    """Cut the domain to [low, high]; return whether anything is left."""
    n, end = curve.size[0], min(curve.ends[0], high)
    low = max(low, curve.at[0])
    if low > end + TINY:
        return False
    low, k, value = min(low, end), 0, curve.ends[1]
    while True:
        until = curve.at[k + 1] if k + 1 < n else np.inf
        step = min(until, low) - curve.at[k]
        value += (curve.slope[k] + curve.rise[k] * step / 2.0) * step
        if until > low:
            break
        k += 1
    curve.slope[k] += curve.rise[k] * (low - curve.at[k])
    curve.at[k] = low
    while n - k > 1 and curve.at[n - 1] >= end:
        n -= 1
    for j in range(k, n):
        curve.at[j - k], curve.slope[j - k] = curve.at[j], curve.slope[j]
        curve.rise[j - k] = curve.rise[j]
    curve.size[0], curve.ends[0], curve.ends[1] = n - k, end, value
    return True


@jit
def set_lowered(curve: Curve, of: Curve, edge: float, by: float) -> None:
    """Make it `of`, with slopes lower by so much below the edge; the first value stays."""
    curve.size[0] = 0
    curve.ends[0], curve.ends[1] = of.ends[0], of.ends[1]
    for k in range(of.size[0]):
        until = of.ends[0] if k + 1 == of.size[0] else of.at[k + 1]
        at, slope, rise = of.at[k], of.slope[k], of.rise[k]
        if at < edge:
            append(curve, at, slope - by, rise)
            if until <= edge:
                continue
            at, slope = edge, slope + rise * (edge - at)
        append(curve, at, slope, rise)


@jit
def set_sum(curve: Curve, one: Curve, other: Curve) -> None:
    """Make it the sum, on the domain of `one`, which lies within that of `other`."""
    curve.size[0] = 0
    x, i, j = one.at[0], 0, 0
    value = one.ends[1] + other.ends[1]
    while j + 1 < other.size[0] and other.at[j + 1] <= x:
        step = other.at[j + 1] - other.at[j]
        value += (other.slope[j] + other.rise[j] * step / 2.0) * step
        j += 1
    step = x - other.at[j]
    value += (other.slope[j] + other.rise[j] * step / 2.0) * step
    curve.ends[0], curve.ends[1] = one.ends[0], value
    while True:
        slope = one.slope[i] + one.rise[i] * (x - one.at[i])
        slope += other.slope[j] + other.rise[j] * (x - other.at[j])
        append(curve, x, slope, one.rise[i] + other.rise[j])
        next_one = one.at[i + 1] if i + 1 < one.size[0] else np.inf
        next_other = other.at[j + 1] if j + 1 < other.size[0] else np.inf
        x = min(next_one, next_other)
        if x >= one.ends[0]:
            break
        i += next_one <= x
        j += next_other <= x
