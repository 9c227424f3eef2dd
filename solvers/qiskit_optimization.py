"""The one bridge to qiskit-optimization: export, import, and its minimum-eigenvalue optimizer.

The package is archived and works with Qiskit 2; nothing else of gridopt builds on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
from qiskit_optimization import QuadraticProgram
from qiskit_optimization.algorithms import MinimumEigenOptimizer
from qiskit_optimization.minimum_eigensolvers import NumPyMinimumEigensolver
from qiskit_optimization.problems import Variable

from gridopt.arrays import IntArray
from gridopt.encoding import Lowering
from gridopt.errors import TooLargeError
from gridopt.judging import Judging
from gridopt.program import Integrality, Program, ProgramBuilder
from gridopt.qubo import Qubo
from gridopt.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.samples import Deadline, Samples

MOST_QUBITS = 16


@final
@dataclass(frozen=True)
class QiskitOptimization(QuboSolver):
    """qiskit-optimization's `MinimumEigenOptimizer` with its `NumPyMinimumEigensolver`.

    A classical reference inside that package: it finds the ground state of the QUBO's operator.

    Parameters
    ----------
    max_qubits : int
        Refuse QUBOs of more bits.
    seed : int
        Without effect: nothing is random.
    time_limit_s : float or None
        The package cannot be stopped; the limit holds for what follows it.
    lowering : Lowering
    judging : Judging
    """

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
        """Yield the optimizer's states, lowest first as it gives them."""
        optimizer: Any = MinimumEigenOptimizer(NumPyMinimumEigensolver())
        found = optimizer.solve(to_quadratic_program(qubo))
        states = [found.x, *(sample.x for sample in found.samples or ())]
        yield Samples.of(qubo, np.rint(states), {"qubits": qubo.n_bits})


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
