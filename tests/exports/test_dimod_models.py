"""QUBOs and programs as dimod's models and back: energies, costs and rules by enumeration."""

from __future__ import annotations

from itertools import product
from typing import Any

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gridopt
from gridopt.errors import UnsupportedError
from gridopt.exports.dimod_models import from_bqm, from_cqm, to_bqm, to_cqm
from gridopt.lowering.qubo import Qubo, to_qubo
from gridopt.program import Integrality, Program, ProgramBuilder

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda x: x == 0.0 or abs(x) > 1e-6)


@st.composite
def qubos(draw: st.DrawFn) -> Qubo:
    n = draw(st.integers(1, 5))
    values = draw(st.lists(NUMBERS, min_size=n * n, max_size=n * n))
    return Qubo.of(np.array(values).reshape(n, n), draw(NUMBERS))


def states(n: int) -> np.typing.NDArray[np.int64]:
    return np.array(list(product((0, 1), repeat=n)))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(qubos())
def test_qubos_keep_their_energies(qubo: Qubo) -> None:
    model = to_bqm(qubo)
    z = states(qubo.n_bits)
    np.testing.assert_allclose(model.energies(z), qubo.energy(z), rtol=1e-12, atol=1e-6)
    back = from_bqm(model)
    np.testing.assert_array_equal(back.Q.toarray(), qubo.Q.toarray())
    assert back.offset == qubo.offset
    spins = from_bqm(model.change_vartype("SPIN", inplace=False))
    np.testing.assert_allclose(spins.energy(z), qubo.energy(z), rtol=1e-9, atol=1e-5)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(qubos())
def test_any_qubo_is_a_program(qubo: Qubo) -> None:
    program = qubo.program()
    again = to_qubo(program)
    np.testing.assert_array_equal(again.Q.toarray(), qubo.Q.toarray())
    z = states(qubo.n_bits)
    costs = [program.objective(x.astype(float)) for x in z]
    np.testing.assert_allclose(costs, qubo.energy(z), rtol=1e-12, atol=1e-6)
    np.testing.assert_array_equal(qubo.lift(z), z)


def test_an_outside_model_is_solved() -> None:
    given = {("a", "b"): 2.0, ("b", "c"): -3.0, ("a", "a"): -1.0}
    qubo = gridopt.from_bqm(dimod.BinaryQuadraticModel.from_qubo(given))
    assert set(qubo.labels) == {"a", "b", "c"}
    found = gridopt.solvers.exact.Exact().solve(qubo.program())  # type: ignore[attr-defined]
    assert found.termination == "optimal"
    assert found.objective == -3.0


def test_what_makes_no_qubo() -> None:
    with pytest.raises(ValueError, match="square"):
        Qubo.of(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="3 labels"):
        Qubo.of(np.zeros((2, 2)), labels=["a", "b", "c"])


def mixed() -> Program:
    """Binaries, integers, continuous columns; rows of every kind; products of integers."""
    b = ProgramBuilder()
    x = b.binary("on", (2,))
    n = b.variable("count", (2,), -1.0, 2.0, Integrality.INTEGER)
    held = b.binary("held", (1,), lower=1.0)
    p = b.variable("power_mw", (2,), -np.inf, 5.0)
    b.minimize([1.5, -2.0], x)
    b.minimize([3.0, 2.0], p)
    b.minimize_product(2.0, x, n)
    b.minimize_product([1.0, 0.5], n, n)
    b.minimize_product(4.0, x[:1], x[:1])
    b.minimize_constant(7.0)
    b.constrain("limits", (1.0, p), (1.0, n), lower=[-3.0, -np.inf], upper=[2.0, 4.0])
    b.constrain("total", (1.0, x[np.newaxis]), (1.0, held[np.newaxis]), equal=[2.0])
    b.constrain("least", (1.0, p[np.newaxis]), lower=[-20.0])
    return b.program()


def test_programs_come_back_the_same() -> None:
    program = mixed()
    back = from_cqm(to_cqm(program))
    assert [back.column_label(k) for k in range(7)] == [program.column_label(k) for k in range(7)]
    assert list(back.variables) == ["on", "count", "held", "power_mw"]
    assert list(back.rows) == ["limits", "total", "least"]
    assert back.row_label(1) == "limits[0] at most"
    np.testing.assert_array_equal(back.lower, program.lower)
    np.testing.assert_array_equal(back.upper, program.upper)
    np.testing.assert_array_equal(back.is_integer, program.is_integer)
    rng = np.random.default_rng(0)
    for bits in product((0, 1), (0, 1), range(-2, 4), range(-1, 3), (0, 1)):
        x = np.array([*bits, *rng.uniform(-30.0, 8.0, 2)])
        assert back.objective(x) == pytest.approx(program.objective(x), rel=1e-12)
        assert back.violation(x) == pytest.approx(program.violation(x), rel=1e-12)


def test_dimod_finds_the_same_optimum() -> None:
    program = mixed()
    whole = program.fixed(np.array([5, 6]), [1.0, 0.0])
    points = [
        np.array([*point, 1.0, 0.0])
        for point in product((0, 1), (0, 1), range(-1, 3), range(-1, 3), (1,))
    ]
    best = min(whole.objective(x) for x in points if whole.is_feasible(x))
    model = to_cqm(program)
    for k, value in ((5, 1.0), (6, 0.0)):
        model.fix_variable(program.column_label(k), value)
    exact: Any = dimod.ExactCQMSolver
    found = exact().sample_cqm(model).filter(lambda row: row.is_feasible)
    assert found.first.energy == pytest.approx(best)


def test_models_of_others() -> None:
    cqm: Any = dimod.ConstrainedQuadraticModel
    model = cqm()
    s, i = dimod.Spin("s"), dimod.Integer("i", upper_bound=4)
    model.set_objective(2.0 * s * i - i + 1.0)
    model.add_constraint(s + i + 3.0 <= 5.0, label="cap")
    program = from_cqm(model)
    assert program.row_label(0) == "cap"
    for z, value in product((0, 1), range(5)):
        x = np.array([z, value], dtype=float)
        spin = 2 * z - 1
        assert program.objective(x) == pytest.approx(2.0 * spin * value - value + 1.0)
        assert program.is_feasible(x) == (spin + value + 3 <= 5)


def test_what_dimod_does_not_take_is_named() -> None:
    b = ProgramBuilder()
    p = b.variable("import_mw", (2,), upper=4.0)
    b.minimize_product(1.0, p[:1], p[:1])
    with pytest.raises(UnsupportedError, match=r"of 1: import_mw\[0\]"):
        to_cqm(b.program())


def test_what_a_program_does_not_take_is_named() -> None:
    x, y = dimod.Binaries(["x", "y"])
    cqm: Any = dimod.ConstrainedQuadraticModel
    model = cqm()
    model.add_constraint(x * y <= 0, label="curved")
    model.add_constraint(x + y <= 1, label="wish", weight=3.0)
    with pytest.raises(UnsupportedError, match=r"1 quadratic \(curved\) and 1 soft \(wish\)"):
        from_cqm(model)
