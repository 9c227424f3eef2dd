"""Annealing that keeps inequalities by what moves it makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.arrays import FloatArray
from gridopt.lowering.qubo import to_qubo
from gridopt.program import Program, ProgramBuilder
from gridopt.sampling.samples import Deadline
from gridopt.solvers.anneal import Anneal


def states(n: int) -> FloatArray:
    return ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.float64)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Random couplings, a choice of some, a capacity and a budget that leave something."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = draw(st.integers(4, 9))
    b = ProgramBuilder()
    x = b.binary("x", (n,))
    b.minimize(rng.normal(size=n), x)
    i, j = np.triu_indices(n, 1)
    b.minimize_product(rng.normal(size=len(i)), x[i], x[j])
    inside = rng.integers(0, 2, n).astype(np.float64)
    inside[:3] = [1.0, 0.0, 0.0]
    if draw(st.booleans()):
        b.constrain("one of three", (1.0, x[np.newaxis, :3]), equal=[1.0])
    weights = rng.uniform(0.5, 3.0, (2, n))
    b.constrain("capacity", (weights[0], x[np.newaxis]), lower=[float(weights[0] @ inside) - 0.5])
    b.constrain("budget", (weights[1], x[np.newaxis]), upper=[float(weights[1] @ inside) + 0.5])
    return b.program()


@settings(derandomize=True, max_examples=40, deadline=None)
@given(programs())
def test_finds_the_best_state_that_keeps_all_rules(program: Program) -> None:
    solver = Anneal(reads=12, sweeps=300, threads=1)
    qubo = to_qubo(program, native=solver.native)
    assert qubo.exact
    feasible = [x for x in states(program.n_columns) if program.is_feasible(x)]
    found = solver.solve(program)
    assert found.is_feasible
    best = min(program.objective(x) for x in feasible)
    assert found.objective == pytest.approx(best)


def test_reads_are_feasible_as_they_come() -> None:
    rng = np.random.default_rng(5)
    b = ProgramBuilder()
    x = b.binary("x", (60,))
    b.minimize(rng.uniform(1.0, 5.0, 60), x)
    weights = rng.uniform(1.0, 4.0, 60)
    b.constrain("capacity", (weights, x[np.newaxis]), lower=[float(weights.sum()) / 2.0])
    found = Anneal(reads=20, sweeps=200).solve(b.program())
    assert found.details["raw_feasible_share"] == 1.0
    assert found.details["native_rules"] == 1
    assert found.details["slack_bits"] == 0


def test_what_cannot_be_kept_is_missed_as_little_as_moves_allow() -> None:
    """No state has a sum of 7: the answer is infeasible and says so, without an error."""
    b = ProgramBuilder()
    x = b.binary("x", (3,))
    b.minimize(1.0, x)
    b.constrain("too much", ([2.0, 2.0, 2.5], x[np.newaxis]), lower=[7.0])
    solver = Anneal(reads=3, sweeps=50, threads=1)
    qubo = to_qubo(b.program(), native=frozenset({"inequality"}))
    if len(qubo.structure):
        (*_, samples) = solver.sample(qubo, Deadline())
        assert (qubo.lift(samples.bits) == 1.0).all()
    assert not solver.solve(b.program()).is_feasible
