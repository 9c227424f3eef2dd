"""Lowest eigenstates of the QUBO's operator: the classical reference for circuits.

The operator that circuits are made of is a sum of products of Z, so it is diagonal and its
eigenstates are the bit strings: all its eigenvalues are computed and compared. What it checks
beyond `exact`, which enumerates the QUBO, is that the operator is the QUBO's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from gridopt.circuits.memory import check_memory
from gridopt.circuits.pauli_operator import to_sparse_pauli_op
from gridopt.errors import TooLargeError
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.sampling.samples import Deadline, Samples

MOST_QUBITS = 22

BYTES_PER_STATE = 150
"""Qiskit's sparse matrix while it is made, the eigenvalues and their order."""


@final
@dataclass(frozen=True)
class NumpyEigensolver(QuboSolver):
    """Computes all eigenvalues of the diagonal operator.

    Like `exact` it has compared all states, so its answer is OPTIMAL where nothing of the program
    was put on a grid; else it is SAMPLED.

    Parameters
    ----------
    max_qubits : int
        Refuse QUBOs of more bits; each one more doubles time and memory.
    kept : int
        Number of lowest states that are lifted and judged.
    seed : int
        Without effect: nothing is random.
    time_limit_s : float or None
        The computation cannot be stopped; the limit holds for what follows it.
    lowering : Lowering
    judging : Judging
    """

    max_qubits: int = 20
    kept: int = 64
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "enumeration"
    limits: ClassVar[str] = f"up to {MOST_QUBITS} qubits"
    package: ClassVar[str] = "qiskit"

    def __post_init__(self) -> None:
        owner = "numpy_eigensolver"
        check_whole(owner, "max_qubits", self.max_qubits, 1, MOST_QUBITS)
        check_whole(owner, "kept", self.kept, 1, 2**20)
        check_qubo_options(owner, self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` where there are more than `max_qubits` bits."""
        if qubo.n_bits > self.max_qubits:
            raise TooLargeError(
                f"numpy_eigensolver takes up to {self.max_qubits} qubits, this needs "
                f"{qubo.n_bits}: take fewer units or hours, a coarser resolution or fewer levels, "
                f"max_qubits up to {MOST_QUBITS}, or the solver exact, neal or highs"
            )
        need = BYTES_PER_STATE << qubo.n_bits
        check_memory(f"an operator of {qubo.n_bits} qubits", need, "use the solver exact")

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:  # noqa: ARG002
        """Yield the `kept` lowest eigenstates, in one batch."""
        eigenvalues = to_sparse_pauli_op(qubo).to_matrix(sparse=True).diagonal().real
        kept = min(self.kept, len(eigenvalues))
        lowest = np.argpartition(eigenvalues, kept - 1)[:kept]
        lowest = lowest[np.lexsort((lowest, eigenvalues[lowest]))]
        bits = (lowest[:, np.newaxis] >> np.arange(qubo.n_bits)) & 1
        record = {"qubits": qubo.n_bits, "lowest_eigenvalue": float(eigenvalues[lowest[0]])}
        yield Samples.of(qubo, bits, record, complete=True)
