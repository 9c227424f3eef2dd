"""The weighted sum of penalties is what their formulas say, of long rows too."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.arrays import FloatArray
from gridopt.lowering.penalties import Penalties, Row, Rows, penalties_of
from gridopt.lowering.penalty_kernels import BAND, CONFLICT, NEVER, SQUARE, summed
from gridopt.lowering.reduction import Labels


def rows_of(rows: list[Row]) -> Rows:
    none, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
    empty = Rows(
        start=np.zeros(1, dtype=np.int64),
        bits=none,
        values=nothing,
        lower=nothing,
        upper=nothing,
        unit=nothing,
        source=none,
        is_bound=np.zeros(0, dtype=np.bool_),
        names=Labels((), none),
        blocks=(),
        block=none,
    )
    return empty.extended(rows)


def row(values: FloatArray, lower: float, upper: float, name: str) -> Row:
    return Row(np.arange(len(values)), values, lower, upper, np.nan, f"{name}[0]", name)


def energies(penalties: Penalties, weights: FloatArray, z: FloatArray) -> FloatArray:
    first, second = (np.empty(penalties.n_terms, dtype=np.int32) for _ in range(2))
    value = np.empty(penalties.n_terms)
    used, constant = penalties.write_terms(weights, 0, first, second, value)
    assert np.all(first[:used] <= second[:used])
    return np.asarray((z[:, first[:used]] * z[:, second[:used]]) @ value[:used] + constant)


@pytest.mark.parametrize("n", [8, 100])
def test_sums_are_what_their_formulas_say(n: int) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(2, 7, n).astype(np.float64), rng.integers(2, 7, n).astype(np.float64)
    a[0] = b[0] = 1.0  # so that the unit is 1
    side, side_b = float(a.sum() // 2), float(b.sum() // 2)
    found = penalties_of(
        rows_of([row(a, side, side, "square"), row(b, side_b - 9.0, side_b, "band")]),
        n,
        np.zeros(0, dtype=np.int64),
        rounding=False,
        fallback=None,
    ).penalties
    assert found.kind.tolist() == [SQUARE, BAND]
    assert found.blocks == ("square", "band")
    slack = found.value[-int(found.n_slack.sum()) :]
    assert found.n_slack.tolist() == [0, len(slack)]
    z = rng.integers(0, 2, (60, n + len(slack))).astype(np.float64)
    y = side_b - z[:, :n] @ b - z[:, n:] @ slack
    expected = 2.0 * (side - z[:, :n] @ a) ** 2 + 3.0 * y * (y - 1.0) / 2.0
    np.testing.assert_allclose(energies(found, np.array([2.0, 3.0]), z), expected)


def test_each_conflict_is_written_once() -> None:
    ones = np.ones(3)
    found = penalties_of(
        rows_of([row(ones, -np.inf, 1.0, "one"), row(2.0 * ones, -np.inf, 3.0, "other")]),
        3,
        np.zeros(0, dtype=np.int64),
        rounding=False,
        fallback=None,
    ).penalties
    assert found.kind.tolist() == [CONFLICT] * 3
    assert set(found.block.tolist()) == {0}
    assert sorted(map(tuple, found.item.reshape(3, 2).tolist())) == [(0, 2), (0, 4), (2, 4)]


def test_rows_that_are_left_keep_their_open_sides() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    split = penalties_of(
        rows_of([row(values, 0.0, 7.0, "range"), row(values, 20.0, np.inf, "never")]),
        5,
        np.zeros(0, dtype=np.int64),
        rounding=False,
        fallback=None,
        leave_inequality=True,
    )
    assert [(left.label, left.lower, left.upper) for left in split.left] == [
        ("range[0]", -np.inf, 7.0)
    ]
    assert split.penalties.kind.tolist() == [NEVER]


def test_sums_of_terms_are_compressed_rows_in_order() -> None:
    first = np.array([2, 0, 2, 1, 0, 1], dtype=np.int32)
    second = np.array([2, 1, 2, 2, 0, 2], dtype=np.int32)
    value = np.array([1.0, 2.0, 3.0, 5.0, -1.0, -5.0])
    start, column, total = summed(first, second, value, 3)
    assert start.tolist() == [0, 2, 2, 3]
    assert column.tolist() == [0, 1, 2]
    assert total.tolist() == [-1.0, 2.0, 4.0]
