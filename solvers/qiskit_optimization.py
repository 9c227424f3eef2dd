"""The one bridge to qiskit-optimization: export, import, and its minimum-eigenvalue optimizers.

The package is archived and works with Qiskit 2; nothing else of gridopt builds on it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
from qiskit.circuit.library import real_amplitudes
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2
from qiskit_optimization import QuadraticProgram
from qiskit_optimization.algorithms import (
    MinimumEigenOptimizer,
    RecursiveMinimumEigenOptimizer,
    SlsqpOptimizer,
    WarmStartQAOAOptimizer,
)
from qiskit_optimization.minimum_eigensolvers import QAOA, NumPyMinimumEigensolver, SamplingVQE
from qiskit_optimization.optimizers import COBYLA
from qiskit_optimization.problems import Variable
from qiskit_optimization.utils import algorithm_globals

from gridopt.arrays import IntArray
from gridopt.errors import TooLargeError
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.program import Integrality, Program, ProgramBuilder
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solver import check_option, is_number

MOST_QUBITS = 16

OPTIMIZERS = ("numpy", "qaoa", "vqe", "recursive", "warm_start")

_LEFT = 3
"""Variables from which on recursive QAOA leaves the rest to NumPy."""


@final
@dataclass(frozen=True)
class QiskitOptimization(QuboSolver):
    """A `MinimumEigenOptimizer` of qiskit-optimization, as that package has it.

    Parameters
    ----------
    optimizer : str
        ``"numpy"``: its `NumPyMinimumEigensolver`, a classical reference; ``"qaoa"``; ``"vqe"``,
        its `SamplingVQE`; ``"recursive"``, recursive QAOA (Bravyi, Kliesch, Koenig & Tang 2020, doi
        10.1103/PhysRevLett.125.260505); ``"warm_start"``, QAOA from a relaxed solution.
    layers : int
        Of QAOA's or VQE's circuit.
    shots : int
        Measurements of each circuit.
    iterations : int
        Evaluations of its COBYLA.
    cvar : float
        Part of the shots, the best ones, whose mean energy is minimized.
    max_qubits : int
        Refuse QUBOs of more bits.
    seed : int
        Of the package's random numbers, the shots and the transpiler.
    time_limit_s : float or None
        The package cannot be stopped; the limit holds for what follows it.
    lowering : Lowering
    judging : Judging
    """

    optimizer: str = "numpy"
    layers: int = 2
    shots: int = 1024
    iterations: int = 60
    cvar: float = 0.2
    max_qubits: int = 12
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=lambda: Lowering(levels=2, substitute_sums=False))
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "gate model"
    limits: ClassVar[str] = f"up to {MOST_QUBITS} qubits, simulated"
    package: ClassVar[str] = "qiskit-optimization"

    def __post_init__(self) -> None:
        owner = "qiskit_optimization"
        right = self.optimizer in OPTIMIZERS
        named = ", ".join(map(repr, OPTIMIZERS))
        check_option(owner, "optimizer", self.optimizer, right, f"one of {named}")
        check_whole(owner, "layers", self.layers, 1, 1000)
        check_whole(owner, "shots", self.shots, 1, 10**7)
        check_whole(owner, "iterations", self.iterations, 1, 10**6)
        right = is_number(self.cvar) and 0.0 < self.cvar <= 1.0
        check_option(owner, "cvar", self.cvar, right, "more than 0, at most 1")
        check_whole(owner, "max_qubits", self.max_qubits, 1, MOST_QUBITS)
        check_qubo_options(owner, self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` where it would take more than `max_qubits` qubits."""
        if qubo.n_bits > self.max_qubits:
            raise TooLargeError(
                f"qiskit_optimization takes up to {self.max_qubits} qubits, this needs "
                f"{qubo.n_bits}: take a window of fewer units or hours, fewer levels, max_qubits "
                f"up to {MOST_QUBITS}, or the solver qaoa, neal or highs"
            )

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:  # noqa: ARG002
        """Yield the optimizer's answer, and the states it sampled as often as it saw them."""
        program = to_quadratic_program(qubo)
        before = algorithm_globals.random_seed
        algorithm_globals.random_seed = self.seed
        try:
            with warnings.catch_warnings():
                # classes that the archived package builds its circuits from
                warnings.filterwarnings(
                    "ignore", r"The class ``qiskit\.circuit\.library", DeprecationWarning
                )
                found = self._optimizer(qubo.n_bits).solve(program)
        finally:
            algorithm_globals.random_seed = before
        seen = list(found.samples or ())
        times = [max(1, round(sample.probability * self.shots)) for sample in seen]
        if self.optimizer in ("numpy", "recursive"):
            times = [1] * len(seen)
        states = [found.x, *(sample.x for sample in seen)]
        bits = np.repeat(np.rint(states), [1, *times], axis=0)
        yield Samples.of(qubo, bits, {"qubits": qubo.n_bits, "optimizer": self.optimizer})

    def _optimizer(self, n_qubits: int) -> Any:
        exact: Any = MinimumEigenOptimizer(NumPyMinimumEigensolver())
        if self.optimizer == "numpy":
            return exact
        options: dict[str, Any] = {
            "sampler": SamplerV2(
                default_shots=self.shots,
                seed=self.seed,
                options={"backend_options": {"max_parallel_threads": 1}},
            ),
            "optimizer": COBYLA(maxiter=self.iterations),
            "aggregation": self.cvar,
            "pass_manager": generate_preset_pass_manager(
                0, target=AerSimulator(method="statevector").target, seed_transpiler=self.seed
            ),
        }
        if self.optimizer == "vqe":
            circuit = real_amplitudes(n_qubits, reps=self.layers)
            return MinimumEigenOptimizer(SamplingVQE(ansatz=circuit, **options))
        qaoa = QAOA(reps=self.layers, **options)
        if self.optimizer == "warm_start":
            return WarmStartQAOAOptimizer(SlsqpOptimizer(), True, qaoa)
        if self.optimizer == "recursive":
            return RecursiveMinimumEigenOptimizer(MinimumEigenOptimizer(qaoa), _LEFT, exact)
        return MinimumEigenOptimizer(qaoa)


def to_quadratic_program(qubo: Qubo) -> QuadraticProgram:
    """Return `qubo` as a `QuadraticProgram` of binaries z0, z1, … without constraints."""
    first, second, value = qubo.couplings()
    program = QuadraticProgram("gridopt")
    for k in range(qubo.n_bits):
        program.binary_var(f"z{k}")
    program.minimize(
        constant=qubo.offset,
        linear=qubo.linear.tolist(),
        quadratic={
            (int(i), int(j)): float(v) for i, j, v in zip(first, second, value, strict=True)
        },
    )
    return program


def from_quadratic_program(source: QuadraticProgram) -> Program:
    """Return a `QuadraticProgram` with linear constraints as a `Program`.

    A maximization becomes the minimization of the negated objective. Variables and constraints
    become blocks of one, by their names.

    Raises
    ------
    ValueError
        Where it has quadratic constraints, which a `Program` cannot hold.
    """
    if source.quadratic_constraints:
        names = ", ".join(constraint.name for constraint in source.quadratic_constraints)
        raise ValueError(f"a Program holds linear rows only; quadratic are {names}")
    b = ProgramBuilder()
    columns = np.array([_variable(b, variable) for variable in source.variables], dtype=np.int64)
    objective = source.objective
    sign = float(objective.sense.value)
    b.minimize_constant(sign * float(objective.constant))
    b.minimize(sign * objective.linear.to_array(), columns)
    pairs: dict[tuple[int, int], float] = objective.quadratic.to_dict()  # type: ignore[assignment]
    for (i, j), value in pairs.items():
        b.minimize_product(sign * float(value), columns[i], columns[j])
    for constraint in source.linear_constraints:
        _constraint(b, constraint, columns)
    return b.program()


def _variable(b: ProgramBuilder, variable: Variable) -> int:
    kind = (
        Integrality.CONTINUOUS
        if variable.vartype is Variable.Type.CONTINUOUS
        else Integrality.INTEGER
    )
    lower, upper = (_bound(value) for value in (variable.lowerbound, variable.upperbound))
    return int(b.variable(variable.name, (), lower, upper, kind))


def _bound(value: float) -> float:
    """Return a bound with the package's stand-in for infinity, 1e20, made infinite."""
    return float(np.sign(value)) * np.inf if abs(value) >= 1e20 else float(value)


def _constraint(b: ProgramBuilder, constraint: Any, columns: IntArray) -> None:
    side = np.array([float(constraint.rhs)])
    term = (constraint.linear.to_array(), columns[np.newaxis])
    sense = constraint.sense.name
    b.constrain(
        constraint.name,
        term,
        lower=side if sense == "GE" else None,
        upper=side if sense == "LE" else None,
        equal=side if sense == "EQ" else None,
    )
