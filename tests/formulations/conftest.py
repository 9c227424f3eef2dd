"""What tests of agents share: the exact answers to hold theirs against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from gridopt.arrays import FloatArray
from gridopt.decomposition.parts import Parts
from gridopt.program import Program
from gridopt.solution import Termination
from gridopt.solvers.highs import HiGHS

EXACT = HiGHS(gap=1e-8)

ExactLeast = Callable[[Parts, int, FloatArray], float]


def alone(parts: Parts, agent: int, costs: FloatArray) -> Program:
    """Return the problem of one agent at linear costs, (n,), as a program of its own."""
    program = parts.program
    columns = np.flatnonzero(parts.agents.owner == agent)
    part = program.A[:, columns]
    rows = np.setdiff1d(np.flatnonzero(np.diff(part.indptr)), parts.ties)
    return Program(
        Q=sparse.csr_array(program.Q[columns][:, columns]),
        c=costs[columns],
        c0=0.0,
        A=sparse.csr_array(part[rows]),
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
        lower=program.lower[columns],
        upper=program.upper[columns],
        integrality=program.integrality[columns],
        variables={},
        rows={},
    )


def least_by_highs(parts: Parts, agent: int, costs: FloatArray) -> float:
    """Return what an agent costs at least by its own rows, inf where it can do nothing."""
    found = EXACT.solve(alone(parts, agent, costs))
    if found.termination is Termination.INFEASIBLE:
        return np.inf
    assert found.is_feasible
    return found.objective


@pytest.fixture(scope="session")
def exact_least() -> ExactLeast:
    """Return `least_by_highs`."""
    return least_by_highs


@pytest.fixture(scope="session")
def with_bounds() -> Callable[[Parts, int, float, float], Parts]:
    """Return a function that narrows the bounds of one column."""

    def narrowed(parts: Parts, column: int, low: float, high: float) -> Parts:
        lower, upper = parts.program.lower.copy(), parts.program.upper.copy()
        lower[column], upper[column] = max(low, lower[column]), min(high, upper[column])
        return replace(parts, program=replace(parts.program, lower=lower, upper=upper))

    return narrowed
