"""The eigensolver has the lowest states of the QUBO, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.errors import OptionError, TooLargeError
from gridopt.lowering.qubo import Qubo
from gridopt.program import ProgramBuilder
from gridopt.sampling.samples import Deadline
from gridopt.solution import Termination
from gridopt.solvers.numpy_eigensolver import NumpyEigensolver


@pytest.mark.parametrize("seed", range(4))
def test_lowest_states_are_those_of_the_enumeration(seed: int) -> None:
    qubo = Qubo.of(np.random.default_rng(seed).normal(size=(7, 7)), 2.0)
    (samples,) = NumpyEigensolver(kept=10).sample(qubo, Deadline())
    np.testing.assert_allclose(samples.energies, np.sort(qubo.spectrum())[:10])
    assert samples.details["lowest_eigenvalue"] == pytest.approx(samples.energies[0])
    assert samples.complete


def test_fewer_states_than_are_kept() -> None:
    (samples,) = NumpyEigensolver().sample(Qubo.of([[-1.0]]), Deadline())
    assert samples.bits.tolist() == [[1], [0]]


def test_claims_a_proof_only_where_nothing_was_put_on_a_grid() -> None:
    b = ProgramBuilder()
    b.minimize([-3.0, 2.0], b.binary("x", (2,)))
    whole = b.program()
    b = ProgramBuilder()
    x, p = b.binary("x", (2,)), b.variable("p", (1,), upper=2.0)
    b.minimize([-3.0, 2.0], x)
    b.minimize(-1.0, p)
    b.constrain("held", (1.0, p), (-2.0, x[1:]), upper=0.0)
    assert NumpyEigensolver().solve(whole).termination is Termination.OPTIMAL
    assert NumpyEigensolver().solve(b.program()).termination is Termination.SAMPLED


def test_too_many_qubits_are_refused() -> None:
    with pytest.raises(TooLargeError, match="up to 20 qubits, this needs 21"):
        NumpyEigensolver().check(Qubo.of(np.eye(21)))


@pytest.mark.parametrize("options", [{"max_qubits": 23}, {"kept": 0}, {"seed": -1}])
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        NumpyEigensolver(**options)  # type: ignore[arg-type]
