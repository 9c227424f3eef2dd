"""The quantum approximate optimization algorithm on a simulated gate-model machine.

Farhi, Goldstone & Gutmann 2014, arXiv 1411.4028. The state is Π_k e^{+iβ_k ΣX} e^{−iγ_k C} |+⟩:
with |+⟩ as start, a linear ramp of the angles then follows the ground state of γC − βΣX (the other
sign of the mixer follows the highest one, and fails). Angles are found on a diagonal simulator in
numpy; the shots are always Qiskit's, of the circuit at these angles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator
from scipy.optimize import minimize

from gridopt.arrays import FloatArray, IntArray
from gridopt.encoding import Lowering
from gridopt.errors import TooLargeError
from gridopt.judging import Judging
from gridopt.qubo import Qubo
from gridopt.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.samples import BitArray, Deadline, Samples
from gridopt.solver import check_option

MOST_QUBITS = 26

BYTES_PER_STATE = 16 * 3 + 8 * 3
"""State, its copy and the shots' copy as complex numbers; energies, order and probabilities."""

_RAMPS = (0.25, 0.5, 0.75, 1.0, 1.5)

ComplexArray = npt.NDArray[np.complex128]


@final
@dataclass(frozen=True)
class QAOA(QuboSolver):
    """QAOA with optimized angles, simulated without noise.

    Parameters
    ----------
    layers : int
        Pairs of cost and mixer layers, p.
    shots : int
        Measurements of the final circuit.
    iterations : int
        Evaluations that COBYLA may spend on the angles, after a scan of linear ramps.
    cvar : float
        Part of the shots, the best ones, whose mean energy is minimized: 1 is the expectation
        (conditional value at risk; Barkoutsos et al. 2020, doi 10.22331/q-2020-04-20-256).
    backend : str
        ``"aer"`` or ``"statevector"`` (`qiskit.primitives.StatevectorSampler`, slow above some 14
        qubits).
    max_qubits : int
        Refuse QUBOs of more bits; each one more doubles time and memory.
    seed : int
        Of the shots; the angles are not random.
    time_limit_s : float or None
        The angles get half of the time for sampling.
    lowering : Lowering
    judging : Judging
    """

    layers: int = 3
    shots: int = 4096
    iterations: int = 100
    cvar: float = 0.2
    backend: str = "aer"
    max_qubits: int = 20
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=lambda: Lowering(levels=2, substitute_sums=False))
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "gate model"
    limits: ClassVar[str] = f"up to {MOST_QUBITS} qubits, simulated"
    package: ClassVar[str] = "qiskit-aer"

    def __post_init__(self) -> None:
        check_whole("qaoa", "layers", self.layers, 1, 1000)
        check_whole("qaoa", "shots", self.shots, 1, 10**7)
        check_whole("qaoa", "iterations", self.iterations, 0, 10**6)
        right = isinstance(self.cvar, int | float) and 0.0 < self.cvar <= 1.0
        check_option("qaoa", "cvar", self.cvar, right, "more than 0, at most 1")
        right = self.backend in {"aer", "statevector"}
        check_option("qaoa", "backend", self.backend, right, "'aer' or 'statevector'")
        check_whole("qaoa", "max_qubits", self.max_qubits, 1, MOST_QUBITS)
        check_qubo_options("qaoa", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` where it would take more than `max_qubits` qubits."""
        if qubo.n_bits > self.max_qubits:
            raise TooLargeError(
                f"qaoa simulates up to {self.max_qubits} qubits, this needs {qubo.n_bits} "
                f"({_gigabytes(qubo.n_bits)} of memory; {qubo.n_slack} of them are slack): take "
                "a window of fewer units or hours, fewer levels or a coarser resolution, "
                f"max_qubits up to {MOST_QUBITS}, or the solver neal or highs"
            )

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the shots at the best angles found; on Ctrl-C at the best so far."""
        evaluator = Evaluator.of(qubo, self.cvar)
        search = _AngleSearch(evaluator, self.layers, deadline.left_s)
        interrupted = False
        try:
            search.run(self.iterations)
        except KeyboardInterrupt:
            interrupted = True
        circuit = qaoa_circuit(qubo, search.gammas / evaluator.scale, search.betas)
        yield Samples.of(
            qubo,
            self._shots(circuit),
            {
                "qubits": qubo.n_bits,
                "layers": self.layers,
                "shots": self.shots,
                "backend": self.backend,
                "evaluations": search.evaluations,
                "expected_energy": search.value * evaluator.scale + evaluator.mean,
                "ground_state_probability": evaluator.ground_probability(search.angles),
            },
        )
        if interrupted:
            raise KeyboardInterrupt

    def _shots(self, circuit: QuantumCircuit) -> BitArray:
        """Return the shots of Qiskit, (shots, n); bit k is qubit k."""
        measured = circuit.copy()
        measured.measure_all()
        if self.backend == "aer":
            simulator = AerSimulator(method="statevector", seed_simulator=self.seed)
            counts = simulator.run(measured, shots=self.shots).result().get_counts()
        else:
            job = StatevectorSampler(seed=self.seed).run([measured], shots=self.shots)
            counts = job.result()[0].data.meas.get_counts()
        return _states(counts)


def ising(qubo: Qubo) -> tuple[float, FloatArray, IntArray, IntArray, FloatArray]:
    """Return E = constant + Σ h_i Z_i + Σ J_ij Z_i Z_j with z = (1 − Z)/2.

    Returns
    -------
    constant : float
    h : array, (n,)
    first, second : array of int, (k,)
    J : array, (k,)
    """
    first, second, value = qubo.couplings()
    n = qubo.n_bits
    paired = np.bincount(first, value, n) + np.bincount(second, value, n)
    h = -qubo.linear / 2.0 - paired / 4.0
    constant = qubo.offset + qubo.linear.sum() / 2.0 + value.sum() / 4.0
    return float(constant), h, first, second, value / 4.0


def to_sparse_pauli_op(qubo: Qubo) -> SparsePauliOp:
    """Return the energy as a `qiskit.quantum_info.SparsePauliOp`, the constant as identity."""
    constant, h, first, second, coupling = ising(qubo)
    terms: list[tuple[str, list[int], float]] = [("", [], constant)]
    terms += [("Z", [i], float(h[i])) for i in range(qubo.n_bits)]
    terms += [
        ("ZZ", [int(i), int(j)], float(value))
        for i, j, value in zip(first, second, coupling, strict=True)
    ]
    return SparsePauliOp.from_sparse_list(terms, num_qubits=qubo.n_bits)


def qaoa_circuit(qubo: Qubo, gammas: FloatArray, betas: FloatArray) -> QuantumCircuit:
    """Return the circuit of Π_k e^{+iβ_k ΣX} e^{−iγ_k C} |+⟩, up to a global phase.

    Parameters
    ----------
    qubo : Qubo
        C is its energy, qubit k its bit k.
    gammas, betas : array, (p,)
    """
    _, h, first, second, coupling = ising(qubo)
    circuit = QuantumCircuit(qubo.n_bits)
    circuit.h(range(qubo.n_bits))
    for gamma, beta in zip(gammas, betas, strict=True):
        for i in np.flatnonzero(h):
            circuit.rz(2.0 * gamma * h[i], int(i))
        for i, j, value in zip(first, second, coupling, strict=True):
            circuit.rzz(2.0 * gamma * value, int(i), int(j))
        circuit.rx(-2.0 * beta, range(qubo.n_bits))
    return circuit


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Exact distribution of a QAOA circuit from the diagonal of its cost.

    Parameters
    ----------
    n_qubits : int
    cost : array, (2ⁿ,)
        (energy − mean) / scale of every bit string.
    order : array of int, (2ⁿ,)
        Places by rising cost.
    cvar : float
    mean, scale : float
        Mean and standard deviation of the energies, so that angles are of order 1.
    """

    n_qubits: int
    cost: FloatArray
    order: IntArray
    cvar: float
    mean: float
    scale: float

    @staticmethod
    def of(qubo: Qubo, cvar: float = 1.0) -> Evaluator:
        """Return the evaluator of `qubo`'s energies."""
        energies = qubo.spectrum()
        mean, scale = float(energies.mean()), float(energies.std()) or 1.0
        cost = (energies - mean) / scale
        order = np.argsort(cost, kind="stable")
        return Evaluator(qubo.n_bits, cost, order, cvar, mean, scale)

    def state(self, angles: FloatArray) -> ComplexArray:
        """Return the amplitudes after all layers, (2ⁿ,).

        Parameters
        ----------
        angles : array, (2p,)
            γ of each layer in units of 1/scale, then β of each layer.
        """
        gammas, betas = np.split(angles, 2)
        psi = np.full(len(self.cost), 2.0 ** (-self.n_qubits / 2.0), dtype=np.complex128)
        for gamma, beta in zip(gammas, betas, strict=True):
            psi *= np.exp(-1j * gamma * self.cost)
            _mix(psi, float(beta), self.n_qubits)
        return psi

    def probabilities(self, angles: FloatArray) -> FloatArray:
        """Return the probability of every bit string, (2ⁿ,)."""
        psi = self.state(angles)
        return np.asarray(psi.real**2 + psi.imag**2)

    def value(self, angles: FloatArray) -> float:
        """Return the mean cost of the best `cvar` of the distribution."""
        probability = self.probabilities(angles)
        if self.cvar >= 1.0:
            return float(probability @ self.cost)
        ordered = probability[self.order]
        before = np.cumsum(ordered) - ordered
        kept = np.clip(self.cvar - before, 0.0, ordered)
        return float(kept @ self.cost[self.order] / self.cvar)

    def ground_probability(self, angles: FloatArray) -> float:
        """Return the probability of all ground states."""
        lowest = self.cost <= self.cost[self.order[0]] + 1e-9
        return float(self.probabilities(angles)[lowest].sum())


class _OutOfTime(Exception):  # noqa: N818 - no error: it ends a search
    """The search for angles has used its time."""


class _AngleSearch:
    """Scans linear ramps, then improves the best one; keeps the best angles seen."""

    def __init__(self, evaluator: Evaluator, layers: int, left_s: float) -> None:
        self._evaluator = evaluator
        self._layers = layers
        self._deadline = Deadline.after(0.5 * left_s)
        self.angles = ramp(layers, _RAMPS[0])
        self.value = np.inf
        self.evaluations = 0

    @property
    def gammas(self) -> FloatArray:
        return self.angles[: self._layers]

    @property
    def betas(self) -> FloatArray:
        return self.angles[self._layers :]

    def run(self, iterations: int) -> None:
        try:
            for slope in _RAMPS:
                self._try(ramp(self._layers, slope))
            if iterations:
                minimize(
                    self._try,
                    self.angles,
                    method="COBYLA",
                    options={"maxiter": max(iterations, 2 * self._layers + 2), "rhobeg": 0.2},
                )
        except _OutOfTime:
            return

    def _try(self, angles: FloatArray) -> float:
        if self.evaluations and self._deadline.passed:
            raise _OutOfTime
        value = self._evaluator.value(np.asarray(angles))
        self.evaluations += 1
        if value < self.value:
            self.value, self.angles = value, np.array(angles)
        return value


def ramp(layers: int, slope: float) -> FloatArray:
    """Return angles that turn the cost on and the mixer off linearly, γ first, (2p,)."""
    place = (np.arange(layers) + 0.5) / layers
    return slope * np.concatenate((place, 1.0 - place))


def _mix(psi: ComplexArray, beta: float, n_qubits: int) -> None:
    """Apply e^{+iβX} to every qubit, in place."""
    cosine, sine = np.cos(beta), 1j * np.sin(beta)
    for qubit in range(n_qubits):
        pairs = psi.reshape(-1, 2, 1 << qubit)
        off, on = pairs[:, 0, :], pairs[:, 1, :]
        turned = cosine * off + sine * on
        on *= cosine
        on += sine * off
        off[...] = turned


def _states(counts: dict[str, int]) -> BitArray:
    """Return one row a shot; Qiskit's strings have qubit 0 last."""
    keys = sorted(counts)
    rows = np.array([[int(bit) for bit in reversed(key)] for key in keys], dtype=np.uint8)
    return np.repeat(rows, [counts[key] for key in keys], axis=0)


def _gigabytes(n_qubits: int) -> str:
    exponent = n_qubits + np.log2(BYTES_PER_STATE)
    if exponent > 60.0:
        return f"2^{exponent:.0f} bytes"
    return f"{2.0**exponent / 1e9:.2g} GB"
