"""The bridge to qiskit-optimization, both ways, and its optimizer."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit_optimization import QuadraticProgram
from qiskit_optimization.utils import algorithm_globals

from gridopt.errors import OptionError, TooLargeError
from gridopt.lowering.qubo import Qubo, to_qubo
from gridopt.program import Integrality, ProgramBuilder
from gridopt.sampling.samples import Deadline
from gridopt.solution import Termination
from gridopt.solvers.exact import Exact
from gridopt.solvers.highs import HiGHS
from gridopt.solvers.qiskit_optimization import (
    OPTIMIZERS,
    QiskitOptimization,
    from_quadratic_program,
    to_quadratic_program,
)


def _source() -> QuadraticProgram:
    source = QuadraticProgram("mixed")
    source.binary_var("on")
    source.integer_var(0, 5, "modules")
    source.continuous_var(0.0, name="power")
    source.maximize(1.0, {"on": -2.0, "modules": 1.0, "power": 3.0}, {("on", "modules"): 0.5})
    source.linear_constraint({"power": 1.0, "on": -4.0}, "<=", 0.0, "capacity")
    source.linear_constraint({"modules": 1.0, "power": 1.0}, ">=", 1.0, "least")
    source.linear_constraint({"modules": 1.0, "on": 1.0}, "==", 3.0, "exactly")
    return source


def test_import_keeps_objective_rows_and_kinds() -> None:
    program = from_quadratic_program(_source())
    x = np.array([1.0, 2.0, 4.0])
    assert program.objective(x) == pytest.approx(-(1.0 - 2.0 + 2.0 + 12.0 + 1.0))
    assert program.is_feasible(x)
    assert program.upper[2] == np.inf
    assert program.integrality.tolist() == [Integrality.INTEGER] * 2 + [Integrality.CONTINUOUS]
    assert list(program.rows) == ["capacity", "least", "exactly"]
    assert program.violated(np.array([0.0, 3.0, 4.0])) == {"capacity": 4.0}


def test_quadratic_constraints_are_refused() -> None:
    source = _source()
    source.quadratic_constraint({}, {("on", "on"): 1.0}, "<=", 1.0, "squared")
    with pytest.raises(ValueError, match="squared"):
        from_quadratic_program(source)


def test_export_and_import_bring_back_the_energy() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (5,))
    b.minimize(np.arange(5) - 2.0, x)
    b.minimize_product(1.5, x[:-1], x[1:])
    b.constrain("two", (1.0, x[np.newaxis]), equal=np.array([2.0]))
    qubo = to_qubo(b.program())
    again = from_quadratic_program(to_quadratic_program(qubo))
    for z in np.random.default_rng(0).integers(0, 2, (10, qubo.n_bits)).astype(float):
        assert again.objective(z) == pytest.approx(float(qubo.energy(z)))


def test_optimizer_finds_the_optimum() -> None:
    b = ProgramBuilder()
    x, p = b.binary("x", (4,)), b.variable("p", (1,), upper=2.0)
    b.minimize(np.array([-3.0, -2.0, -4.0, 1.0]), x)
    b.minimize(-1.0, p)
    b.minimize_product(1.0, x[0], x[2])
    b.constrain("cover", (1.0, x[:3][np.newaxis]), upper=np.array([2.0]))
    b.constrain("held", (1.0, p), (-2.0, x[3:]), upper=0.0)
    program = b.program()
    found = QiskitOptimization().solve(program)
    assert found.objective == pytest.approx(Exact().solve(program).objective)
    assert found.objective == pytest.approx(HiGHS().solve(program).objective)
    assert found.termination is Termination.SAMPLED


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_samples_this_qubo_and_repeats_itself(optimizer: str) -> None:
    Q = np.triu(np.random.default_rng(1).normal(size=(4, 4)))
    qubo = Qubo.of(Q, 1.0)
    solver = QiskitOptimization(optimizer=optimizer, layers=1, iterations=15, shots=256, seed=7)
    (first,), (second,) = (list(solver.sample(qubo, Deadline())) for _ in range(2))
    np.testing.assert_array_equal(first.bits, second.bits)
    assert first.details["optimizer"] == optimizer
    assert not first.complete
    if optimizer != "recursive":  # which is a heuristic also where every circuit is exact
        assert first.energies.min() == pytest.approx(qubo.spectrum().min())
    if optimizer in ("qaoa", "vqe", "warm_start"):
        assert 200 <= len(first.bits) <= 320


def test_seed_of_the_package_is_left_as_it_was() -> None:
    algorithm_globals.random_seed = 11
    next(QiskitOptimization(seed=3).sample(Qubo.of(np.eye(2)), Deadline()))
    assert algorithm_globals.random_seed == 11


def test_too_many_qubits_are_refused() -> None:
    b = ProgramBuilder()
    b.minimize(-1.0, b.binary("x", (13,)))
    with pytest.raises(TooLargeError, match="up to 12 qubits, this needs 13"):
        QiskitOptimization().solve(b.program())


@pytest.mark.parametrize(
    "options",
    [
        {"max_qubits": 40},
        {"seed": -1},
        {"lowering": None},
        {"optimizer": "admm"},
        {"layers": 0},
        {"cvar": 0},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        QiskitOptimization(**options)  # type: ignore[arg-type]
