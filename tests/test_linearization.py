"""The linear model lies below the quadratic program and touches it at the tangents."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.errors import UnsupportedError
from gridopt.linearization import linearized
from gridopt.program import Integrality, Program, ProgramBuilder


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


@pytest.fixture(scope="module")
def shared() -> Program:
    """Return a program in which units that are counted share a quadratic cost."""
    b = ProgramBuilder()
    count = b.variable("count", (2,), 0.0, [3.0, 5.0], Integrality.INTEGER)
    power = b.variable("power_mw", (2,), upper=[30.0, 100.0])
    alone = b.variable("alone_mw", (1,), upper=8.0)
    b.minimize_product(2.0, alone, alone)
    b.minimize_ratio([0.5, 0.25], power, count)
    b.constrain("limit", (1.0, power), ([-10.0, -20.0], count), upper=0.0)
    return b.program()


def test_ratios_come_after_the_squares(shared: Program) -> None:
    model = linearized(shared)
    assert model.square_column.tolist() == [4, 2, 3]
    assert model.square_weight.tolist() == [2.0, 0.5, 0.25]
    assert model.square_indicator.tolist() == [-1, 0, 1]
    assert model.is_ratio.tolist() == [False, True, True]
    assert not model.is_exact


def test_tangents_lie_below_ratios_and_touch(shared: Program) -> None:
    model = linearized(shared)
    n = model.n_program_columns
    squares = np.repeat(np.arange(3), 4)
    points = np.tile([0.0, 2.5, 6.0, 8.0], 3)
    rows, sides = model.tangents(squares, points), model.tangent_sides(squares, points)
    rng = np.random.default_rng(1)
    for _ in range(100):
        x = np.zeros(len(model.c))
        x[:2] = rng.integers(0, [4, 6]) if rng.random() < 0.5 else rng.uniform(0, [3.0, 5.0])
        x[2:4] = rng.uniform(0, 1, 2) * x[:2] * [10.0, 20.0]
        x[4] = rng.uniform(0, 8)
        height = np.array([2.0 * x[4] ** 2, *(w * shared_cost(x[2 + i], x[i]) for i, w in RATIOS)])
        x[n:] = height
        assert model.shortfall(x) == pytest.approx(0.0, abs=1e-9)
        assert model.c @ x + model.c0 == pytest.approx(shared.objective(x[:n]))
        assert (rows @ x <= sides + 1e-9).all()
        x[n:] = height - 1.0
        assert model.shortfall(x) == pytest.approx(1.0)
        touch = model.touching(x, np.arange(3))
        own, own_sides = (
            model.tangents(np.arange(3), touch),
            model.tangent_sides(np.arange(3), touch),
        )
        assert own @ x - own_sides == pytest.approx(1.0)


RATIOS = (0, 0.5), (1, 0.25)


def shared_cost(power_mw: float, count: float) -> float:
    return power_mw**2 / count if count else 0.0


def test_first_tangents_of_a_ratio_spread_over_one_unit(shared: Program) -> None:
    squares, points = linearized(shared).first_tangents()
    highest = [points[squares == k].max() for k in range(3)]
    assert highest == [8.0, 10.0, 20.0]
    assert (np.bincount(squares) == len(points) / 3).all()


def test_a_ratio_of_a_0_1_column_is_its_square() -> None:
    b = ProgramBuilder()
    on = b.binary("on", (1,))
    power = b.variable("power_mw", (1,), upper=10.0)
    b.minimize_ratio(0.5, power, on)
    b.constrain("limit", (1.0, power), (-10.0, on), upper=0.0)
    ratio = linearized(b.program())
    b = ProgramBuilder()
    on, power = b.binary("on", (1,)), b.variable("power_mw", (1,), upper=10.0)
    b.minimize_product(0.5, power, power)
    b.constrain("limit", (1.0, power), (-10.0, on), upper=0.0)
    square = linearized(b.program())
    k, points = np.zeros(3, dtype=np.int64), np.array([0.0, 3.0, 10.0])
    assert (
        ratio.tangents(k, points).toarray().tolist()
        == square.tangents(k, points).toarray().tolist()
    )
    assert ratio.tangent_sides(k, points).tolist() == square.tangent_sides(k, points).tolist()


def test_a_concave_ratio_is_refused() -> None:
    b = ProgramBuilder()
    count, power = b.variable("count", (1,), upper=3.0), b.variable("power_mw", (1,), upper=9.0)
    b.minimize_ratio(-1.0, power, count)
    with pytest.raises(UnsupportedError, match=r"concave ratio \(power_mw\[0\]"):
        linearized(b.program())
