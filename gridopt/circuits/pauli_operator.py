"""A QUBO as Qiskit's operator, and back."""

from __future__ import annotations

import numpy as np
from qiskit.quantum_info import SparsePauliOp

from gridopt.circuits.ising import Ising
from gridopt.errors import UnsupportedError
from gridopt.lowering.qubo import Qubo


def to_sparse_pauli_op(qubo: Qubo) -> SparsePauliOp:
    """Return the energy as a diagonal operator; qubit k is bit k, the constant is the identity."""
    model = Ising.of(qubo)
    terms: list[tuple[str, list[int], float]] = [("", [], model.constant)]
    terms += [("Z", [int(i)], float(model.h[i])) for i in np.flatnonzero(model.h)]
    terms += [
        ("ZZ", [int(i), int(j)], float(value))
        for i, j, value in zip(model.first, model.second, model.J, strict=True)
    ]
    return SparsePauliOp.from_sparse_list(terms, num_qubits=qubo.n_bits)


def from_sparse_pauli_op(operator: SparsePauliOp) -> Qubo:
    """Return the QUBO whose energies are the diagonal of `operator`; bit k is qubit k.

    Raises
    ------
    UnsupportedError
        Where a term is not diagonal, not real, or a product of more than two Z.
    """
    pauli = operator.simplify().paulis
    coefficients = operator.simplify().coeffs
    wrong = pauli.x.any(axis=1) | (pauli.z.sum(axis=1) > 2) | (np.abs(coefficients.imag) > 1e-12)
    if wrong.any():
        named = ", ".join(pauli[wrong].to_labels()[:5])
        raise UnsupportedError(
            f"a QUBO is a real sum of products of at most two Z; this operator also has {named}"
        )
    n = operator.num_qubits
    Q = np.zeros((n, n))
    offset = 0.0
    for places, value in zip(map(np.flatnonzero, pauli.z), coefficients.real, strict=True):
        # Z_i Z_j = (1 − 2z_i)(1 − 2z_j)
        offset += float(value)
        Q[places, places] -= 2.0 * value
        if len(places) == 2:
            Q[places[0], places[1]] += 4.0 * value
    return Qubo.of(Q, offset)
