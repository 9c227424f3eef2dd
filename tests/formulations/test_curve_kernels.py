"""Curves in compiled loops, against their values on a fine grid."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.arrays import FloatArray
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


def drawn_curve(rng: np.random.Generator, low: float, high: float) -> Curve:
    """Return a convex curve of some pieces, whole numbers for the most part."""
    curve = empty_curve(40)
    inside = rng.integers(int(low), int(high) + 1, int(rng.integers(0, 4))).astype(float)
    at = np.sort(np.concatenate([[low], inside]))
    slope = float(rng.integers(-9, 3))
    for k, begin in enumerate(at):
        rise = float(rng.integers(0, 2)) * rng.random()
        append(curve, begin, slope, rise)
        until = at[k + 1] if k + 1 < len(at) else high
        slope += rise * (until - begin) + float(rng.integers(0, 5))
    curve.ends[:] = high, float(rng.integers(-5, 5))
    return curve


def domain(curve: Curve) -> tuple[float, float]:
    return float(curve.at[0]), float(curve.ends[0])


def values(curve: Curve, x: FloatArray) -> FloatArray:
    """Return the values at x, inf outside of the domain."""
    n = curve.size[0]
    until = np.append(curve.at[1:n], curve.ends[0])
    total = np.full(len(x), curve.ends[1])
    for k in range(n):
        step = np.clip(x, curve.at[k], until[k]) - curve.at[k]
        total += (curve.slope[k] + curve.rise[k] * step / 2.0) * step
    low, high = domain(curve)
    return np.where((x < low - 1e-9) | (x > high + 1e-9), np.inf, total)


@pytest.mark.parametrize("seed", range(60))
def test_curves_are_what_their_values_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    high = float(rng.integers(0, 12))
    curve, made = drawn_curve(rng, 0.0, high), empty_curve(80)
    grid = np.linspace(-6.0, 18.0, 2401)

    most = float(rng.integers(0, 14))
    x, value = lowest(curve, most)
    within = values(curve, grid[grid <= most + 1e-9])
    assert value <= within.min() + 1e-9
    assert value == pytest.approx(values(curve, np.array([x]))[0])

    up, down = (float(width) for width in rng.integers(0, 6, 2))
    set_near(made, curve, up, down)
    near = [
        values(curve, grid[(grid >= y - up - 1e-9) & (grid <= y + down + 1e-9)]).min()
        for y in grid[::50]
    ]
    found = values(made, grid[::50])
    assert np.isfinite(found).tolist() == np.isfinite(near).tolist()
    held = np.isfinite(found)
    assert found[held] == pytest.approx(np.array(near)[held], abs=1e-3)

    edge, by = float(rng.integers(-2, 14)), float(rng.integers(0, 5))
    set_lowered(made, curve, edge, by)
    inside = grid[(grid >= 0.0) & (grid <= high)]
    lower = values(curve, inside) - by * (np.minimum(inside, edge) - min(0.0, edge))
    assert values(made, inside) == pytest.approx(lower)

    other = drawn_curve(rng, -1.0, high + 1.0)
    set_sum(made, curve, other)
    assert values(made, inside) == pytest.approx(values(curve, inside) + values(other, inside))
    assert domain(made) == domain(curve)

    low, end = np.sort(rng.integers(-2, 14, 2)).astype(float)
    before, meets = values(curve, grid), low <= high and end >= 0.0
    assert cut(curve, low, end) == meets
    if meets:
        assert domain(curve) == (max(low, 0.0), min(end, high))
        left = (grid >= low - 1e-9) & (grid <= end + 1e-9)
        assert values(curve, grid[left]) == pytest.approx(before[left])


def test_a_constant_is_lowest_at_its_beginning() -> None:
    curve = empty_curve(1)
    set_constant(curve, 2.0, 5.0, 3.0)
    assert lowest(curve, np.inf) == (2.0, 3.0)
    assert lowest(curve, 1.0) == (2.0, np.inf)
    assert not cut(curve, 6.0, 7.0)
