"""Fixing by reduced cost keeps every answer that is good enough."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.arrays import FloatArray
from gridopt.linear_prices import linear_prices
from gridopt.lowering.fixing import fixed_by_reduced_cost
from gridopt.program import Integrality, Program, ProgramBuilder


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Items of which some must be taken, whole counts, squares of both."""
    b = ProgramBuilder()
    n = draw(st.integers(2, 5))
    x = b.binary("take", (n,))
    count = b.variable("count", (1,), lower=-1.0, upper=2.0, integrality=Integrality.INTEGER)
    columns = np.concatenate((x, count))
    b.minimize([draw(st.integers(-4, 9)) for _ in columns], columns)
    for column in columns:
        b.minimize_product(draw(st.sampled_from([0.0, 0.0, 1.5])), column, column)
    weights = [float(draw(st.integers(-2, 4))) for _ in columns]
    b.constrain("weight", (weights, columns[np.newaxis]), lower=[float(draw(st.integers(0, 4)))])
    b.constrain("most", (np.ones(n), x[np.newaxis]), upper=[float(draw(st.integers(1, n)))])
    b.minimize_constant(draw(st.integers(-3, 3)))
    return b.program()


def answers(program: Program) -> list[tuple[FloatArray, float]]:
    ranges = [
        np.arange(low, high + 1) for low, high in zip(program.lower, program.upper, strict=True)
    ]
    points = (np.array(point) for point in product(*ranges))
    return [(x, program.objective(x)) for x in points if program.is_feasible(x)]


@settings(derandomize=True, max_examples=120, deadline=None)
@given(programs(), st.integers(0, 4))
def test_no_good_answer_is_lost(program: Program, room: int) -> None:
    found = answers(program)
    prices = linear_prices(program)
    if not found or prices is None:
        return
    best = min(objective for _, objective in found)
    fixed = fixed_by_reduced_cost(program, prices, best + room)
    assert fixed.bound <= best + 1e-6
    for x, objective in found:
        if objective <= best + room:
            assert (x >= fixed.lower).all()
            assert (x <= fixed.upper).all()


def test_what_is_too_dear_is_fixed() -> None:
    b = ProgramBuilder()
    x = b.binary("take", (3,))
    b.minimize([1.0, 2.0, 50.0], x)
    b.constrain("one", (np.ones(3), x[np.newaxis]), lower=[1.0])
    program = b.program()
    prices = linear_prices(program)
    assert prices is not None
    fixed = fixed_by_reduced_cost(program, prices, 2.0)
    assert fixed.upper.tolist() == [1.0, 1.0, 0.0]
    assert fixed.count == 1
    assert fixed.bound == 1.0


def test_a_free_column_with_a_square_is_no_hindrance() -> None:
    b = ProgramBuilder()
    x = b.binary("take", (2,))
    bought = b.variable("bought", (), lower=-np.inf)
    b.minimize(1.0, x)
    b.minimize_product(1.0, bought, bought)
    b.constrain("need", (np.ones(2), x[np.newaxis]), (1.0, bought[np.newaxis]), equal=[1.0])
    program = b.program()
    prices = linear_prices(program)
    assert prices is not None
    assert fixed_by_reduced_cost(program, prices, 2.0).bound == pytest.approx(0.75, abs=1e-3)
