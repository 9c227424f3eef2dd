"""A QUBO as an operator, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp

from gridopt.circuits.pauli_operator import from_sparse_pauli_op, to_sparse_pauli_op
from gridopt.errors import UnsupportedError
from gridopt.lowering.qubo import Qubo


@settings(max_examples=30, deadline=None, derandomize=True)
@given(n=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_operator_is_the_energy_there_and_back(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    Q = rng.normal(size=(n, n)) * rng.integers(0, 2, (n, n))
    qubo = Qubo.of(Q, float(rng.normal()))
    operator = to_sparse_pauli_op(qubo)
    np.testing.assert_allclose(np.diag(operator.to_matrix()).real, qubo.spectrum(), atol=1e-12)
    again = from_sparse_pauli_op(operator)
    np.testing.assert_allclose(again.Q.toarray(), qubo.Q.toarray(), atol=1e-12)
    assert again.offset == pytest.approx(qubo.offset, abs=1e-12)


def test_equal_terms_of_an_operator_are_added() -> None:
    operator = SparsePauliOp(["ZZ", "IZ", "ZZ", "II"], [1.0, 0.5, 0.25, -2.0])
    diagonal = np.diag(operator.to_matrix()).real
    np.testing.assert_allclose(from_sparse_pauli_op(operator).spectrum(), diagonal)


@pytest.mark.parametrize(
    ("terms", "coefficients", "named"),
    [(["XI", "ZZ"], [1.0, 1.0], "XI"), (["ZZZ"], [1.0], "ZZZ"), (["ZI"], [1j], "ZI")],
)
def test_what_is_no_qubo_is_refused_by_its_terms(
    terms: list[str], coefficients: list[complex], named: str
) -> None:
    with pytest.raises(UnsupportedError, match=f"also has {named}"):
        from_sparse_pauli_op(SparsePauliOp(terms, coefficients))
