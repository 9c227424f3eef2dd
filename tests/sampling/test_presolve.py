"""Presolving keeps a ground state, whatever it solves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.lowering.qubo import Qubo, to_qubo
from gridopt.lowering.structure import Cardinality, Structure
from gridopt.program import Program, ProgramBuilder
from gridopt.sampling.presolve import presolved


def qubo_of(n: int, pairs: list[tuple[int, int, float]], linear: list[float]) -> Qubo:
    b = ProgramBuilder()
    x = b.binary("x", (n,))
    b.minimize(linear, x)
    for i, j, value in pairs:
        b.minimize_product(value, x[i], x[j])
    return to_qubo(b.program())


@settings(derandomize=True, max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.floats(0.0, 1.0))
def test_the_ground_state_stays(seed: int, n: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    pairs = [
        (i, j, float(rng.integers(-4, 5)))
        for i in range(n)
        for j in range(i)
        if rng.random() < density
    ]
    qubo = qubo_of(n, pairs, rng.integers(-6, 7, n).tolist())
    found = presolved(qubo)
    ground = qubo.spectrum().min()
    assert found.rest.spectrum().min() == pytest.approx(ground)
    nothing = np.zeros(found.rest.n_bits)
    x = found.rest.lift(nothing)
    np.testing.assert_array_equal(x, qubo.lift(found.fill(nothing)))
    assert found.rest.energy(nothing) == pytest.approx(qubo.energy(x))
    # every component of up to 16 bits is enumerated
    assert found.rest.n_bits == 0


def ring(n: int) -> Qubo:
    rng = np.random.default_rng(n)
    pairs = [(i, (i + 1) % n, float(value)) for i, value in enumerate(rng.normal(size=n))]
    return qubo_of(n, pairs, rng.normal(size=n).tolist())


def test_trees_are_solved_over_their_decomposition() -> None:
    """A ring of 40 bits has treewidth 2; its ground state is checked by one flip and two."""
    qubo = ring(40)
    found = presolved(qubo)
    assert found.rest.n_bits == 0
    x = found.rest.lift(np.zeros(0))
    energy = qubo.energy(x)
    flipped = np.array([np.bitwise_xor(x.astype(int), np.eye(40, dtype=int)[i]) for i in range(40)])
    assert (qubo.energy(flipped) >= energy - 1e-9).all()
    assert found.rest.energy(np.zeros(0)) == pytest.approx(energy)


def test_what_is_hard_is_left() -> None:
    n = 30
    rng = np.random.default_rng(1)
    pairs = [(i, j, float(rng.choice([-1, 1]))) for i in range(n) for j in range(i)]
    hard = presolved(qubo_of(n, pairs, [0.0] * n))
    assert hard.rest.n_bits == n
    assert hard.details["bits_left"] == n


def test_rules_of_the_sampler_are_not_torn_apart() -> None:
    qubo = replace(ring(6), structure=Structure((Cardinality(np.arange(3), 1),)))
    assert presolved(qubo).rest is qubo


def test_the_lift_fills_in_what_was_solved() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (3,))
    b.minimize([1.0, -2.0, 3.0], x)
    program: Program = b.program()
    found = presolved(to_qubo(program))
    assert found.rest.lift(np.zeros(found.rest.n_bits)).tolist() == [0.0, 1.0, 0.0]
