"""What the numbers of a row say holds for every choice of its bits."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.lowering.rows import Edges, Knapsack, Pattern, Patterns, at_bits

bounded = settings(derandomize=True, max_examples=200, deadline=None)

numbers = st.lists(st.integers(-4, 4).filter(bool).map(float), min_size=1, max_size=5).map(tuple)
sides = st.integers(-8, 8).map(float)


def is_on(literal: int, z: tuple[int, ...]) -> bool:
    return z[literal // 2] != literal % 2


def breaks(clause: tuple[int, ...], z: tuple[int, ...]) -> bool:
    return all(is_on(literal, z) for literal in clause)


@bounded
@given(numbers, sides)
def test_clauses_say_what_the_side_says(values: tuple[float, ...], side: float) -> None:
    knapsack = Knapsack.of(values, side)
    for z in itertools.product((0, 1), repeat=len(values)):
        holds = float(np.dot(values, z)) <= side + 1e-9
        load = sum(
            weight
            for literal, weight in zip(knapsack.literals, knapsack.weights, strict=True)
            if is_on(literal, z)
        )
        assert (load <= knapsack.side + 1e-9) == holds
        if holds:
            assert not any(breaks(pair, z) for pair in knapsack.conflicts)
        if knapsack.clauses is not None:
            assert holds == (not any(breaks(clause, z) for clause in knapsack.clauses))


@bounded
@given(numbers, sides)
def test_definitions_solve_the_equality(values: tuple[float, ...], side: float) -> None:
    pattern = Pattern(values, side, side, np.nan)
    for place, found in enumerate(pattern.definitions):
        if found is None:
            continue
        for z in itertools.product((0, 1), repeat=len(values)):
            if float(np.dot(values, z)) == side:
                assert z[place] == sum(value * z[k] for k, value in found.terms) + found.shift


def test_equal_numbers_are_one_pattern() -> None:
    patterns = Patterns()
    first = patterns.of((1.0, -1.0), -np.inf, 0.0, np.nan)
    assert patterns.of((1.0, -1.0), -np.inf, 0.0, float("nan")) is first
    assert patterns.of((1.0, -1.0), -np.inf, 0.0, 0.5) is not first


def test_edges_are_pairs_in_any_order() -> None:
    edges = Edges(4, np.array([[6, 1]]))
    assert (1, 6) in edges
    assert (6, 1) in edges
    assert edges.add([(0, 3)], (3, 0)) == []
    assert edges.add([(1, 2)], (3, 0)) == [(0, 7)]
    assert sorted(edges.pairs().tolist()) == [[0, 7], [1, 6]]
    assert edges.contain(np.array([[1, 6], [2, 6]])).tolist() == [True, False]


def test_clauses_at_bits() -> None:
    found = at_bits([(0, 3), (1, 2)], np.array([[5, 2], [0, 7]]))
    assert found.tolist() == [[[10, 5], [11, 4]], [[0, 15], [1, 14]]]
