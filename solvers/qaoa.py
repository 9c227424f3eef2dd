"""The quantum approximate optimization algorithm, on simulators and gate-model machines.

Farhi, Goldstone & Gutmann 2014, arXiv 1411.4028. Angles are found on an exact evaluator where all
energies can be enumerated, else by a few sampled circuits; the shots are always Qiskit's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, final

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.circuits.angles import AngleSearch, initial_angles
from gridopt.circuits.ansatz import Ansatz
from gridopt.circuits.backends import (
    BOND_DIMENSION,
    MOST_MPS_QUBITS,
    QuantumBackend,
    backend_named,
    best_share,
    check_backend,
)
from gridopt.circuits.evaluator import BYTES_PER_STATE, Evaluator
from gridopt.circuits.ising import Ising
from gridopt.circuits.memory import fits, in_words
from gridopt.circuits.qaoa import qaoa_circuit
from gridopt.circuits.relaxation import relaxed
from gridopt.errors import TooLargeError
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.structure import Native
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.sampling.samples import BitArray, Deadline, Samples
from gridopt.solver import check_option, is_number

MOST_ENUMERATED = 1 << 26
"""States up to which angles are found on the exact evaluator, if they fit in memory."""

SCAN_SHOTS = 256
"""Shots of each circuit that is tried where energies cannot be enumerated."""


@final
@dataclass(frozen=True)
class QAOA(QuboSolver):
    """QAOA: published or linear angles, then the best that a search finds from there.

    Parameters
    ----------
    layers : int
        Pairs of cost and mixer layers, p.
    shots : int
        Measurements of the final circuit.
    backend : str
        Where it is measured: ``"statevector"``, ``"aer"``, ``"aer_mps"``, ``"fake:DEVICE"`` or
        ``"ibm:DEVICE"`` (`gridopt.circuits.backends`).
    angles : str
        To begin with: ``"fixed"``, optimal for the Sherrington–Kirkpatrick model and rescaled, or
        ``"linear_ramp"``; a few scales of either are tried (`gridopt.circuits.angles`).
    iterations : int
        Evaluations that COBYLA may spend on the angles after that, where energies can be
        enumerated; 0 for none.
    objective : str
        What angles minimize: ``"cvar"`` (conditional value at risk; Barkoutsos et al. 2020, doi
        10.22331/q-2020-04-20-256) or ``"expectation"``.
    cvar : float
        Part of the shots, the best ones, whose mean energy is the conditional value at risk.
    warm_start : bool
        Start and mix around the minimum over the box [0, 1]ⁿ (`gridopt.circuits.relaxation`) in
        place of |+⟩ (Egger, Mareček & Woerner 2021, doi 10.22331/q-2021-06-17-479).
    epsilon : float
        Share of either value that a warm start leaves to every bit, up to 0.5 (which is |+⟩).
    mixer : str
        ``"x"``, or ``"xy"``, which keeps the one-hot groups and cardinalities of the program, so
        that they need no penalties; other bits get X.
    bond_dimension : int
        Of matrix product states.
    max_qubits : int
        Refuse QUBOs of more bits; each one more doubles time and memory of a state vector.
    seed : int
        Of the shots; the angles are not random.
    time_limit_s : float or None
        The angles get half of the time for sampling.
    lowering : Lowering
    judging : Judging
    """

    layers: int = 4
    shots: int = 4096
    backend: str = "aer"
    angles: str = "fixed"
    iterations: int = 100
    objective: str = "cvar"
    cvar: float = 0.1
    warm_start: bool = False
    epsilon: float = 0.25
    mixer: str = "x"
    bond_dimension: int = BOND_DIMENSION
    max_qubits: int = 20
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=lambda: Lowering(levels=2, substitute_sums=False))
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "gate model"
    limits: ClassVar[str] = f"some 26 qubits as a state vector, up to {MOST_MPS_QUBITS} by aer_mps"
    package: ClassVar[str] = "qiskit-aer"

    def __post_init__(self) -> None:
        check_whole("qaoa", "layers", self.layers, 1, 1000)
        check_whole("qaoa", "shots", self.shots, 1, 10**7)
        check_backend("qaoa", self.backend)
        right = self.angles in ("fixed", "linear_ramp")
        check_option("qaoa", "angles", self.angles, right, "'fixed' or 'linear_ramp'")
        check_whole("qaoa", "iterations", self.iterations, 0, 10**6)
        right = self.objective in ("cvar", "expectation")
        check_option("qaoa", "objective", self.objective, right, "'cvar' or 'expectation'")
        right = is_number(self.cvar) and 0.0 < self.cvar <= 1.0
        check_option("qaoa", "cvar", self.cvar, right, "more than 0, at most 1")
        right = isinstance(self.warm_start, bool)
        check_option("qaoa", "warm_start", self.warm_start, right, "true or false")
        right = is_number(self.epsilon) and 0.0 < self.epsilon <= 0.5
        check_option("qaoa", "epsilon", self.epsilon, right, "more than 0, at most 0.5")
        check_option("qaoa", "mixer", self.mixer, self.mixer in ("x", "xy"), "'x' or 'xy'")
        check_whole("qaoa", "bond_dimension", self.bond_dimension, 1, 4096)
        check_whole("qaoa", "max_qubits", self.max_qubits, 1, MOST_MPS_QUBITS)
        check_qubo_options("qaoa", self.seed, self.time_limit_s, self.lowering, self.judging)

    @property
    def native(self) -> frozenset[Native]:
        """The XY mixer keeps cardinalities."""
        return frozenset({"cardinality"}) if self.mixer == "xy" else frozenset()

    def check_ready(self) -> None:
        """Raise where the back-end is missing."""
        backend_named(self.backend, 1, self.seed).check(1)

    def check(self, qubo: Qubo) -> None:
        """Raise where there are more than `max_qubits` qubits, or the back-end cannot take them."""
        if qubo.n_bits > self.max_qubits:
            memory = in_words(16 << qubo.n_bits)
            raise TooLargeError(
                f"qaoa simulates up to {self.max_qubits} qubits, this needs {qubo.n_bits} "
                f"({memory} of memory as a state vector; {qubo.n_slack} of them are slack): take "
                "a window of fewer units or hours, fewer levels or a coarser resolution, "
                "max_qubits of more with backend='aer_mps', or the solver neal or highs"
            )
        self._backend(qubo).check(qubo.n_bits)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the shots at the best angles found; on Ctrl-C at the best so far."""
        circuits = _Circuits(qubo, self._ansatz(qubo), self._backend(qubo), self._share)
        search = AngleSearch(circuits.value, Deadline.after(0.5 * deadline.left_s))
        iterations = self.iterations if circuits.evaluator else 0
        interrupted = False
        try:
            search.run(initial_angles(self.angles, circuits.model, self.layers), iterations)
        except KeyboardInterrupt:
            interrupted = True
        bits = circuits.shots(search.angles, self.shots)
        record: dict[str, float | int | str] = {
            "layers": self.layers,
            "shots": self.shots,
            "backend": self.backend,
            "angles": self.angles,
            "mixer": self.mixer,
            "warm_start": int(self.warm_start),
            "evaluations": search.evaluations,
            "value": search.value * circuits.model.spread + circuits.model.constant,
            **circuits.details(search.angles),
        }
        yield Samples.of(qubo, bits, record)
        if interrupted:
            raise KeyboardInterrupt

    @property
    def _share(self) -> float:
        return self.cvar if self.objective == "cvar" else 1.0

    def _backend(self, qubo: Qubo) -> QuantumBackend:
        return backend_named(self.backend, qubo.n_bits, self.seed, self.bond_dimension)

    def _ansatz(self, qubo: Qubo) -> Ansatz:
        groups = qubo.structure.cardinalities if self.mixer == "xy" else ()
        if not self.warm_start:
            return replace(Ansatz.plain(qubo.n_bits), groups=groups)
        ones = np.clip(relaxed(qubo), self.epsilon, 1.0 - self.epsilon)
        return Ansatz(2.0 * np.arcsin(np.sqrt(ones)), groups)


class _Circuits:
    """The circuits of one QUBO, and the value of their angles: exact, or by a few shots."""

    def __init__(self, qubo: Qubo, ansatz: Ansatz, backend: QuantumBackend, share: float) -> None:
        self._qubo = qubo
        self._ansatz = ansatz
        self._backend = backend
        self._share = share
        self._run = 0
        self.model = Ising.of(qubo)
        n = ansatz.n_states
        enumerable = n <= MOST_ENUMERATED and fits(BYTES_PER_STATE * n)
        self.evaluator = Evaluator.of(qubo, ansatz, share) if enumerable else None

    def value(self, angles: FloatArray) -> float:
        """Return the mean of the best share of energies, in units of their spread."""
        if self.evaluator is not None:
            return self.evaluator.value(angles)
        energies = self._qubo.energy(self.shots(angles, SCAN_SHOTS))
        return (best_share(energies, self._share) - self.model.constant) / self.model.spread

    def shots(self, angles: FloatArray, shots: int) -> BitArray:
        """Return measurements of the circuit, (shots, n)."""
        self._run += 1
        gammas, betas = np.split(angles, 2)
        gammas = gammas / self.model.spread
        return self._backend.sample(qaoa_circuit(self._qubo, gammas, betas, self._ansatz), shots)

    def details(self, angles: FloatArray) -> dict[str, float | int | str]:
        """Return figures for the record."""
        found: dict[str, float | int | str] = {
            "qubits": self._qubo.n_bits,
            "circuits": self._run,
            "groups": len(self._ansatz.groups),
            "method": self._backend.method,
        }
        if self.evaluator is None:
            return {**found, "angles_by": f"{SCAN_SHOTS} shots an evaluation"}
        return {
            **found,
            "angles_by": "exact energies",
            "ground_state_probability": self.evaluator.ground_probability(angles),
            "uniform_probability": self.evaluator.ground_share,
        }
