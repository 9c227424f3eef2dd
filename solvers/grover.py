"""Grover adaptive search: amplify what is below the best energy so far, measure, lower it, again.

Gilliam, Woerner & Gonciulea 2021, doi 10.22331/q-2021-04-08-428, after Dürr & Høyer 1996, arXiv
quant-ph/9607014; the number of iterations is drawn as in Boyer, Brassard, Høyer & Tapp 1998, arXiv
quant-ph/9605034, since nobody knows how many states are better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from gridopt.circuits.backends import backend_named, check_backend
from gridopt.circuits.grover import ArithmeticOracle, DiagonalOracle, Oracle
from gridopt.errors import TooLargeError
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solver import check_option, is_number

MOST_QUBITS = 26

_GROWTH = 8.0 / 7.0
"""Of the range from which the number of iterations is drawn, after each try in vain."""


@final
@dataclass(frozen=True)
class Grover(QuboSolver):
    """Grover adaptive search.

    Parameters
    ----------
    oracle : str
        ``"diagonal"``: one gate made from all energies, which shows how many iterations a search
        takes but is no algorithm for a machine. ``"arithmetic"``: energies computed by gates in a
        register of values, whose sign marks; exact where the coefficients are whole numbers of
        some unit and the register is wide enough, else in a coarser unit (`details`: ``unit``,
        ``rounded``).
    value_qubits : int
        Width of that register.
    shots : int
        Measurements of each circuit.
    patience : float
        Iterations without a better state, in √(2ⁿ), after which the search ends; 4.5 are expected
        where one state is better.
    backend : str
        As for ``qaoa`` (`gridopt.circuits.backends`).
    max_qubits : int
        Refuse what needs more qubits, those of the register among them.
    seed : int
    time_limit_s : float or None
        The search stops between two circuits.
    lowering : Lowering
    judging : Judging
    """

    oracle: str = "diagonal"
    value_qubits: int = 8
    shots: int = 4
    patience: float = 9.0
    backend: str = "aer"
    max_qubits: int = 14
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=lambda: Lowering(levels=2, substitute_sums=False))
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "gate model"
    limits: ClassVar[str] = f"up to {MOST_QUBITS} qubits, simulated; good on some 12"
    package: ClassVar[str] = "qiskit-aer"

    def __post_init__(self) -> None:
        right = self.oracle in ("diagonal", "arithmetic")
        check_option("grover", "oracle", self.oracle, right, "'diagonal' or 'arithmetic'")
        check_whole("grover", "value_qubits", self.value_qubits, 2, 24)
        check_whole("grover", "shots", self.shots, 1, 10**6)
        right = is_number(self.patience) and self.patience > 0.0
        check_option("grover", "patience", self.patience, right, "more than 0")
        check_backend("grover", self.backend)
        check_whole("grover", "max_qubits", self.max_qubits, 1, MOST_QUBITS)
        check_qubo_options("grover", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check_ready(self) -> None:
        """Raise where the back-end is missing."""
        backend_named(self.backend, 1, self.seed).check(1)

    def check(self, qubo: Qubo) -> None:
        """Raise where it takes more than `max_qubits` qubits, or the back-end cannot take them."""
        n_qubits = self._n_qubits(qubo)
        if n_qubits > self.max_qubits:
            raise TooLargeError(
                f"grover takes up to {self.max_qubits} qubits, this needs {n_qubits} "
                f"({qubo.n_bits} bits, {n_qubits - qubo.n_bits} of the oracle): take a window of "
                f"fewer units or hours, fewer levels, max_qubits up to {MOST_QUBITS}, or the "
                "solver qaoa, neal or highs"
            )
        if self.oracle == "arithmetic":
            ArithmeticOracle.of(qubo, self.value_qubits)
        backend_named(self.backend, n_qubits, self.seed).check(n_qubits)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:  # noqa: ARG002
        """Yield the shots of each circuit; the first one is measured without any iteration."""
        rng = np.random.default_rng(self.seed)
        oracle, record = self._oracle(qubo)
        limit = np.sqrt(2.0**qubo.n_bits)
        best, reach, vain, calls, circuits = np.inf, 1.0, 0, 0, 0
        while vain <= self.patience * limit:
            iterations = int(rng.integers(0, int(reach) + 1)) if circuits else 0
            threshold = best if np.isfinite(best) else 0.0
            backend = backend_named(self.backend, oracle.n_qubits, int(rng.integers(2**31)))
            shots = backend.sample(oracle.search(threshold, iterations), self.shots)
            circuits, calls = circuits + 1, calls + iterations
            record |= {"circuits": circuits, "oracle_calls": calls, "method": backend.method}
            samples = Samples.of(qubo, shots[:, : qubo.n_bits], record.copy())
            found = float(samples.energies.min())
            if found < best - 1e-9 * max(1.0, abs(found)):
                best, reach, vain = found, 1.0, 0
            else:
                reach, vain = min(_GROWTH * reach, limit), vain + max(iterations, 1)
            yield samples

    def _n_qubits(self, qubo: Qubo) -> int:
        return qubo.n_bits + (self.value_qubits if self.oracle == "arithmetic" else 0)

    def _oracle(self, qubo: Qubo) -> tuple[Oracle, dict[str, float | int | str]]:
        record: dict[str, float | int | str] = {
            "qubits": self._n_qubits(qubo),
            "oracle": self.oracle,
            "backend": self.backend,
            "shots": self.shots,
        }
        if self.oracle == "diagonal":
            return DiagonalOracle(qubo.spectrum()), record
        arithmetic = ArithmeticOracle.of(qubo, self.value_qubits)
        record |= {"unit": arithmetic.unit, "rounded": int(arithmetic.rounded)}
        return arithmetic, record
