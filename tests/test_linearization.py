"""The linear model lies below the quadratic program and touches it at the tangents."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.linearization import linearized
from gridopt.program import Program, ProgramBuilder


@pytest.fixture(scope="module")
def program() -> Program:
    """Return a program with a product, a square of a binary and two squares of powers."""
    b = ProgramBuilder()
    on = b.binary("on", (2,))
    power = b.variable("power_mw", (2,), upper=[10.0, 20.0])
    reserve = b.variable("reserve_mw", (2,), upper=5.0)
    b.minimize([3.0, 4.0], on)
    b.minimize_product(2.0, on[:1], on[1:])
    b.minimize_product(-1.0, on[1:], on[1:])
    b.minimize_product([0.5, 0.25], power, power)
    b.constrain("first", (1.0, power[:1]), (1.0, reserve[:1]), (-10.0, on[:1]), upper=0.0)
    b.constrain("second", (1.0, power[1:]), (-1.0, reserve[1:]), (-20.0, on[1:]), upper=0.0)
    return b.program()


def test_tangents_lie_below_the_squares_and_touch(program: Program) -> None:
    model = linearized(program)
    squares = np.repeat(np.arange(2), 3)
    points = np.array([0.0, 5.0, 10.0, 0.0, 7.0, 20.0])
    rows, sides = model.tangents(squares, points), model.tangent_sides(squares, points)
    rng = np.random.default_rng(3)
    for _ in range(50):
        x = np.zeros(len(model.c))
        x[:2] = rng.integers(0, 2, 2)
        x[2:4] = rng.uniform(0, [10.0, 20.0]) * [x[0], 1.0]
        n = model.n_program_columns
        x[n : n + 2] = model.square_weight * x[model.square_column] ** 2
        assert (rows @ x <= sides + 1e-9).all()
    touching = np.zeros(len(model.c))
    touching[0], touching[2], touching[model.n_program_columns] = 1.0, 5.0, 0.5 * 5.0**2
    assert rows[[1]] @ touching == pytest.approx(sides[1])


def test_indicators_are_found_only_where_a_row_proves_them(program: Program) -> None:
    # the second row lets its power exceed 20·on by the reserve, so that on = 0 proves nothing
    assert linearized(program).square_indicator.tolist() == [0, -1]


def test_binary_terms_are_exact(program: Program) -> None:
    model = linearized(program)
    for on in ((0, 0), (0, 1), (1, 0), (1, 1)):
        x = np.zeros(program.n_columns)
        x[:2] = on
        full = np.zeros(len(model.c))
        full[:2], full[-1] = on, on[0] * on[1]
        assert model.c @ full + model.c0 == pytest.approx(program.objective(x))
        assert (model.A @ full <= model.row_upper + 1e-9).all()
        full[-1] = 1 - full[-1]
        cheaper = model.c[-1] * full[-1] < model.c[-1] * on[0] * on[1]
        assert not cheaper or (model.A @ full > model.row_upper + 1e-9).any()


def test_fixed_columns_leave_the_quadratic_part(program: Program) -> None:
    power = program.columns("power_mw")
    held = program.fixed(power, [4.0, 8.0])
    model = linearized(held)
    assert model.is_exact
    x = np.zeros(program.n_columns)
    x[power] = 4.0, 8.0
    full = np.concatenate([x, np.zeros(len(model.c) - len(x))])
    assert model.c @ full + model.c0 == pytest.approx(held.objective(x))
