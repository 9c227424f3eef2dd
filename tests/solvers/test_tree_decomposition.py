"""The exact solver along tree decompositions, against enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.errors import OptionError, TooLargeError
from gridopt.lowering.qubo import Qubo
from gridopt.program import ProgramBuilder
from gridopt.sampling.samples import Deadline
from gridopt.solution import Termination
from gridopt.solvers.exact import Exact
from gridopt.solvers.tree_decomposition import TreeDecomposition


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.integers(1, 9).flatmap(
        lambda n: st.lists(st.integers(-9, 9), min_size=n * n, max_size=n * n)
    ),
    st.integers(1, 8),
)
def test_the_lowest_states_are_those_of_enumeration(values: list[int], kept: int) -> None:
    n = round(len(values) ** 0.5)
    qubo = Qubo.of(np.triu(np.array(values).reshape(n, n)), offset=0.5)
    (found,) = TreeDecomposition(kept=kept).sample(qubo, Deadline())
    expected = np.sort(qubo.spectrum())[: min(kept, 2**n)]
    np.testing.assert_array_equal(np.sort(found.energies), expected)
    assert len(np.unique(found.bits, axis=0)) == len(expected)
    assert found.complete


def band(n: int, width: int) -> Qubo:
    rng = np.random.default_rng(0)
    Q = np.triu(rng.normal(size=(n, n))) - np.triu(rng.normal(size=(n, n)), width + 1)
    return Qubo.of(np.where(np.subtract.outer(np.arange(n), np.arange(n)) >= -width, Q, 0.0))


def test_thousands_of_bits_where_they_are_tree_like() -> None:
    qubo = band(2000, 3)
    solver = TreeDecomposition(kept=1)
    solver.check(qubo)
    (found,) = solver.sample(qubo, Deadline())
    assert found.details["width"] == 3
    z = found.bits[0].astype(float)
    flips = [qubo.energy(np.abs(z - (np.arange(2000) == k))) for k in range(0, 2000, 50)]
    assert min(flips) >= found.energies[0]


def test_proves_what_enumeration_proves() -> None:
    b = ProgramBuilder()
    x = b.binary("take", (5,))
    b.minimize([5.0, 4.0, 3.0, 7.0, 1.0], x)
    b.constrain("weight", ([2.0, 3.0, 1.0, 4.0, 1.0], x[np.newaxis]), lower=[5.0])
    program = b.program()
    found, expected = TreeDecomposition().solve(program), Exact().solve(program)
    assert found.termination is expected.termination is Termination.OPTIMAL
    assert found.objective == found.bound == expected.objective


def test_what_is_too_entangled_is_refused_with_its_size() -> None:
    dense = Qubo.of(np.ones((40, 40)))
    with pytest.raises(TooLargeError, match=r"up to max_width = 20 .*; 40 of these 40 bits are"):
        TreeDecomposition().check(dense)
    wide = Qubo.of(np.ones((26, 26)))
    with pytest.raises(TooLargeError, match=r"about 2\.7 GB and 8 s here"):
        TreeDecomposition(max_width=25, time_limit_s=5.0).check(wide)
    with pytest.raises(OptionError, match="tree_decomposition: kept = 0"):
        TreeDecomposition(kept=0)
