"""The matrix of a QUBO is the weighted sum of its penalties, of long rows too."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.assembly import LONG, weighted_sum
from gridopt.lowering.penalties import Penalty
from gridopt.lowering.weights import Objective


def objective(n: int) -> Objective:
    none = np.zeros(0, dtype=np.int64)
    return Objective(1.5, np.arange(n, dtype=np.float64), none, none, np.zeros(0))


def sum_penalty(bits: IntArray, values: FloatArray, slack: tuple[int, ...], row: int) -> Penalty:
    kind = "band" if slack else "square"
    rows = np.arange(row, row + len(bits))
    return Penalty(kind, "row", bits=bits, values=values, side=7, slack=slack, rows=rows)


@pytest.mark.parametrize("length", [3, LONG + 20])
def test_sums_are_what_their_formula_says(length: int) -> None:
    rng = np.random.default_rng(1)
    n = length + 10
    bits = [np.array([rng.permutation(n)[:length] for _ in range(m)]) for m in (1, 2)]
    values = rng.integers(-3, 4, length).astype(np.float64)
    penalties = [sum_penalty(bits[0], values, (), 5), sum_penalty(bits[1], values, (2, 1), 0)]
    weights = [np.array([2.0]), np.array([3.0, 0.5])]
    Q, offset, slack = weighted_sum(objective(n), penalties, weights)
    assert slack == ["row"] * 4
    z = rng.integers(0, 2, (50, n + 4)).astype(np.float64)
    energy = ((z @ Q) * z).sum(axis=1) + offset
    square = 7.0 - z[:, bits[0][0]] @ values
    expected = 1.5 + z[:, :n] @ np.arange(n) + 2.0 * square**2
    for k, weight in enumerate((3.0, 0.5)):
        s = z[:, n + 2 * k : n + 2 * k + 2] @ np.array([2.0, 1.0])
        y = 7.0 - z[:, bits[1][k]] @ values - s
        expected += weight * y * (y - 1.0) / 2.0
    np.testing.assert_allclose(energy, expected, atol=1e-9)
    assert Q.has_canonical_format
    entries = Q.tocoo()
    assert (entries.coords[0] <= entries.coords[1]).all()
