"""What compiled loops say of a row holds for every choice of its bits."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.arrays import IntArray
from gridopt.lowering.penalties import common_unit, power_above, slack_weights
from gridopt.lowering.row_kernels import (
    CONFLICTS,
    EMPTY,
    IMPOSSIBLE,
    LARGEST_COEFFICIENT,
    NO_UNIT,
    PAIR,
    REDUNDANT,
    TRIPLE,
    count_of_slack,
    has_edge,
    has_no_conflict,
    key_of,
    kind_of_side,
    knapsack,
    slot_of,
    unit_of_row,
    whole_sides,
)

bounded = settings(derandomize=True, max_examples=200, deadline=None)

numbers = st.lists(st.integers(-4, 4).filter(bool).map(float), min_size=1, max_size=5)
sides = st.integers(-8, 8).map(float)

N_BITS = 5


def table_of(edges: list[tuple[int, int]]) -> IntArray:
    table = np.full(power_above(2 * len(edges) + 2), EMPTY)
    for first, second in edges:
        key = key_of(first, second, N_BITS)
        table[slot_of(table, key)] = key
    return table


def is_on(literal: int, z: tuple[int, ...]) -> bool:
    return z[literal // 2] != literal % 2


@bounded
@given(numbers, sides)
def test_kinds_of_sides_say_what_the_side_says(given_values: list[float], side: float) -> None:
    values, n = np.array(given_values), len(given_values)
    literals, weights = np.zeros(n, dtype=np.int64), np.zeros(n)
    limit, total = knapsack(np.arange(n), values, 1.0, side, literals, weights)
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    load = {(i, j): weights[i] + (weights[j] if i != j else 0.0) for i, j in pairs}
    exclusive = [(literals[i], literals[j]) for i, j in pairs if load[i, j] > limit + 1e-9]
    both = [pair for pair in exclusive if pair[0] != pair[1]]
    assert has_no_conflict(values, 1.0, side) == (not both and not (n == 1 and exclusive))
    assert np.all(np.diff(weights) <= 0.0)
    kind = kind_of_side(literals, weights, limit, total, table_of([]), N_BITS)
    for z in itertools.product((0, 1), repeat=n):
        holds = float(values @ z) <= side
        if kind in (REDUNDANT, IMPOSSIBLE):
            assert holds == (kind == REDUNDANT)
        elif kind == CONFLICTS:
            assert holds == (not any(is_on(a, z) and is_on(b, z) for a, b in exclusive))


@pytest.mark.parametrize(
    ("edges", "kind", "first"),
    [
        ([(0, 4)], PAIR, [0, 4, 2]),  # two of the three exclude each other
        ([(3, 5)], TRIPLE, [2, 4, 0]),  # one of two always holds: k comes last
    ],
)
def test_edges_spare_the_slack_of_three_bits(
    edges: list[tuple[int, int]], kind: int, first: list[int]
) -> None:
    literals, weights = np.array([0, 2, 4]), np.ones(3)
    assert kind_of_side(literals, weights, 2.0, 3.0, table_of(edges), N_BITS) == kind
    assert literals.tolist() == first


def test_edges_are_pairs_in_any_order() -> None:
    table = table_of([(6, 1), (3, 3)])
    assert has_edge(table, 1, 6, N_BITS)
    assert has_edge(table, 6, 1, N_BITS)
    assert has_edge(table, 3, 3, N_BITS)
    assert not has_edge(table, 1, 3, N_BITS)


@bounded
@given(st.lists(st.fractions(-9, 9, max_denominator=12).filter(bool), min_size=1, max_size=4))
def test_common_unit_is_the_largest(fractions: list[Fraction]) -> None:
    unit = common_unit([float(one) for one in fractions])
    assert unit is not None
    counts = [round(float(one) / unit) for one in fractions]
    assert [pytest.approx(float(one)) for one in fractions] == [count * unit for count in counts]
    assert np.gcd.reduce(counts) == 1


def test_rows_without_a_unit_are_rounded_where_they_may_be() -> None:
    values = np.array([1.0, np.sqrt(2.0), np.pi])
    assert unit_of_row(values, -np.inf, 4.0, np.nan, False, np.nan) == (NO_UNIT, False)
    assert unit_of_row(values, -np.inf, 4.0, np.nan, True, np.nan) == (np.pi / 32.0, True)
    assert unit_of_row(values, -np.inf, 4.0, np.nan, True, 0.5) == (0.5, True)
    finest = np.pi / LARGEST_COEFFICIENT
    assert unit_of_row(values, -np.inf, 4.0, np.nan, True, 1e-9) == (finest, True)
    assert unit_of_row(np.array([1.5, 3.0]), 2.0, 2.0, 0.5, False, np.nan) == (0.5, False)
    assert unit_of_row(np.array([1.5, 3.0]), -np.inf, 2.0, 0.5, False, np.nan) == (1.5, False)


@bounded
@given(numbers, sides, st.integers(0, 6))
def test_whole_sides_allow_what_the_row_allows(
    given_values: list[float], lower: float, width: int
) -> None:
    values, upper = np.array(given_values) * 0.3, 0.3 * (lower + width) + 0.1
    low, high, least, greatest = whole_sides(values, 0.3 * lower - 0.1, upper, 0.3, False)
    for z in itertools.product((0, 1), repeat=len(values)):
        count = round(float(values @ z) / 0.3)
        assert least <= count <= greatest
        assert (low <= count <= high) == (0.3 * lower - 0.1 <= float(values @ z) <= upper)


def test_slack_bits_are_counted_as_they_are_made() -> None:
    for span in range(200):
        assert count_of_slack(span) == len(slack_weights(span))
