"""A variational quantum eigensolver that samples: trained rotations and entangling gates.

Peruzzo et al. 2014, doi 10.1038/ncomms5213; with the conditional value at risk of the samples as
its objective, Barkoutsos et al. 2020, doi 10.22331/q-2020-04-20-256.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
from qiskit.circuit.library import real_amplitudes

from gridopt.arrays import FloatArray
from gridopt.circuits.angles import AngleSearch
from gridopt.circuits.backends import (
    BOND_DIMENSION,
    MOST_MPS_QUBITS,
    QuantumBackend,
    backend_named,
    best_share,
    check_backend,
)
from gridopt.circuits.ising import Ising
from gridopt.errors import TooLargeError
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solver import check_option, is_number

ENTANGLEMENTS = ("linear", "reverse_linear", "circular", "full")

_STEP = 0.8
"""Of COBYLA at first: a rotation of a qubit from |+⟩ to a bit takes π/2."""

_NEAR = 0.1
"""Size of the random part of the parameters to begin with: at |+⟩ exactly nothing has a slope."""


@final
@dataclass(frozen=True)
class VQE(QuboSolver):
    """Sampling VQE: Qiskit's `real_amplitudes` circuit, trained from near |+⟩ on.

    Parameters
    ----------
    layers : int
        Entangling layers; the circuit has n · (layers + 1) parameters.
    entanglement : str
        Which qubits meet: ``"linear"``, ``"reverse_linear"``, ``"circular"`` or ``"full"``.
    shots : int
        Measurements of the final circuit.
    training_shots : int
        Measurements of each circuit that is tried; of the same seed, so that values compare.
    iterations : int
        Circuits that COBYLA may try.
    cvar : float
        Part of the shots, the best ones, whose mean energy is minimized; 1 is the expectation.
    backend : str
        As for ``qaoa`` (`gridopt.circuits.backends`).
    max_qubits : int
        Refuse QUBOs of more bits.
    seed : int
        Of the shots and of the parameters to begin with.
    time_limit_s : float or None
        The training gets four fifths of the time for sampling.
    lowering : Lowering
    judging : Judging
    """

    layers: int = 1
    entanglement: str = "reverse_linear"
    shots: int = 2048
    training_shots: int = 512
    iterations: int = 150
    cvar: float = 0.25
    backend: str = "aer"
    max_qubits: int = 20
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=lambda: Lowering(levels=2, substitute_sums=False))
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "gate model"
    limits: ClassVar[str] = f"some 26 qubits as a state vector, up to {MOST_MPS_QUBITS} by aer_mps"
    package: ClassVar[str] = "qiskit-aer"

    def __post_init__(self) -> None:
        check_whole("vqe", "layers", self.layers, 0, 1000)
        right = self.entanglement in ENTANGLEMENTS
        named = ", ".join(map(repr, ENTANGLEMENTS))
        check_option("vqe", "entanglement", self.entanglement, right, f"one of {named}")
        check_whole("vqe", "shots", self.shots, 1, 10**7)
        check_whole("vqe", "training_shots", self.training_shots, 1, 10**7)
        check_whole("vqe", "iterations", self.iterations, 1, 10**6)
        right = is_number(self.cvar) and 0.0 < self.cvar <= 1.0
        check_option("vqe", "cvar", self.cvar, right, "more than 0, at most 1")
        check_backend("vqe", self.backend)
        check_whole("vqe", "max_qubits", self.max_qubits, 1, MOST_MPS_QUBITS)
        check_qubo_options("vqe", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check_ready(self) -> None:
        """Raise where the back-end is missing."""
        backend_named(self.backend, 1, self.seed).check(1)

    def check(self, qubo: Qubo) -> None:
        """Raise where there are more than `max_qubits` qubits, or the back-end cannot take them."""
        if qubo.n_bits > self.max_qubits:
            raise TooLargeError(
                f"vqe takes up to {self.max_qubits} qubits, this needs {qubo.n_bits} "
                f"({qubo.n_slack} of them slack): take a window of fewer units or hours, fewer "
                "levels, a higher max_qubits, or the solver qaoa, neal or highs"
            )
        self._backend(qubo).check(qubo.n_bits)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the shots at the best parameters found; on Ctrl-C at the best so far."""
        backend, model = self._backend(qubo), Ising.of(qubo)
        ansatz = real_amplitudes(qubo.n_bits, self.entanglement, self.layers)
        circuit = backend.prepare(ansatz)

        def value(parameters: FloatArray) -> float:
            bits = backend.run(circuit.assign_parameters(parameters), self.training_shots)
            return best_share(qubo.energy(bits), self.cvar) / model.spread

        search = AngleSearch(value, Deadline.after(0.8 * deadline.left_s))
        interrupted = False
        try:
            search.run([self._start(qubo.n_bits)], self.iterations, _STEP)
        except KeyboardInterrupt:
            interrupted = True
        shots = backend.run(circuit.assign_parameters(search.angles), self.shots)
        yield Samples.of(
            qubo,
            shots,
            {
                "qubits": qubo.n_bits,
                "layers": self.layers,
                "shots": self.shots,
                "backend": self.backend,
                "method": backend.method,
                "parameters": ansatz.num_parameters,
                "evaluations": search.evaluations,
                "training_reads": search.evaluations * self.training_shots,
                "value": search.value * model.spread,
            },
        )
        if interrupted:
            raise KeyboardInterrupt

    def _start(self, n_qubits: int) -> FloatArray:
        """Return parameters near the even superposition: a first layer of π/2, then none."""
        noise = np.random.default_rng(self.seed).normal(size=n_qubits * (self.layers + 1))
        even = np.repeat([np.pi / 2.0, 0.0], [n_qubits, n_qubits * self.layers])
        return even + _NEAR * noise

    def _backend(self, qubo: Qubo) -> QuantumBackend:
        return backend_named(self.backend, qubo.n_bits, self.seed, BOND_DIMENSION)
