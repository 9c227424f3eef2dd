"""QAOA: the evaluator is the circuit, the shots are Qiskit's."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from gridopt.errors import OptionError, TooLargeError
from gridopt.judging import Judging
from gridopt.program import Program, ProgramBuilder
from gridopt.qubo import Qubo, to_qubo
from gridopt.samples import Deadline
from gridopt.solution import Termination
from gridopt.solvers.exact import Exact
from gridopt.solvers.qaoa import (
    QAOA,
    Evaluator,
    qaoa_circuit,
    ramp,
    to_sparse_pauli_op,
)


def ring(n: int = 6) -> Program:
    """Return a program of frustrated neighbors with one-of-two rows."""
    b = ProgramBuilder()
    x = b.binary("x", (n,))
    b.minimize(np.linspace(-2.0, 1.0, n), x)
    b.minimize_product(1.5, x, np.roll(x, 1))
    b.constrain("one", (1.0, x[:2][np.newaxis]), upper=np.array([1.0]))
    return b.program()


@pytest.fixture
def qubo() -> Qubo:
    return to_qubo(ring())


def test_evaluator_is_the_circuit(qubo: Qubo) -> None:
    evaluator = Evaluator.of(qubo)
    gammas, betas = np.array([0.3, 0.7]), np.array([0.8, 0.2])
    circuit = qaoa_circuit(qubo, gammas / evaluator.scale, betas)
    np.testing.assert_allclose(
        evaluator.probabilities(np.concatenate((gammas, betas))),
        Statevector(circuit).probabilities(),
        atol=1e-12,
    )


def test_operator_is_the_energy(qubo: Qubo) -> None:
    diagonal = np.real(np.diag(to_sparse_pauli_op(qubo).to_matrix()))
    np.testing.assert_allclose(diagonal, qubo.spectrum(), atol=1e-9)


def test_ramp_has_the_right_sign(qubo: Qubo) -> None:
    evaluator = Evaluator.of(qubo)
    good = evaluator.ground_probability(ramp(20, 0.7))
    angles = ramp(20, 0.7)
    angles[20:] *= -1.0
    assert good > 0.3
    assert evaluator.ground_probability(angles) < 0.02


def test_cvar_is_the_mean_of_the_best_part(qubo: Qubo) -> None:
    evaluator = Evaluator.of(qubo, cvar=0.25)
    flat = np.zeros(2)  # no layer: every bit string has the same probability
    best = np.sort(evaluator.cost)[: len(evaluator.cost) // 4]
    assert evaluator.value(flat) == pytest.approx(best.mean())
    assert Evaluator.of(qubo).value(flat) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("backend", ["aer", "statevector"])
def test_finds_the_optimum(backend: str) -> None:
    program = ring()
    best = Exact().solve(program)
    found = QAOA(backend=backend, shots=1024).solve(program)
    assert found.objective == pytest.approx(best.objective)
    assert found.termination is Termination.SAMPLED
    assert found.details["backend"] == backend
    assert found.details["reads"] == 1024
    assert found.details["ground_state_probability"] > 0.1  # type: ignore[operator]


@pytest.mark.parametrize("backend", ["aer", "statevector"])
def test_same_seed_same_shots(backend: str) -> None:
    program = ring()
    one, two = (QAOA(backend=backend, shots=64, iterations=10, seed=3) for _ in range(2))
    assert one.solve(program).details["distinct"] == two.solve(program).details["distinct"]


def test_shots_follow_the_evaluator(qubo: Qubo) -> None:
    solver = QAOA(shots=20_000, iterations=20, layers=2)
    (samples,) = solver.sample(qubo, Deadline())
    lowest = samples.energies <= qubo.spectrum().min() + 1e-9
    stated = samples.details["ground_state_probability"]
    assert lowest.mean() == pytest.approx(stated, abs=0.02)


def test_too_many_qubits_are_refused_by_name() -> None:
    with pytest.raises(TooLargeError, match=r"needs 40 \(.* GB of memory.*fewer units"):
        QAOA().solve(ring(40))
    with pytest.raises(TooLargeError, match=r"2\^.* bytes.*fewer units or hours"):
        QAOA().solve(ring(90))


def test_interrupted_search_still_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    value = Evaluator.value

    def interrupted(self: Evaluator, angles: np.ndarray) -> float:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return value(self, angles)

    monkeypatch.setattr(Evaluator, "value", interrupted)
    found = QAOA(shots=256).solve(ring())
    assert found.termination is Termination.INTERRUPTED
    assert found.is_feasible
    assert found.details["evaluations"] == 3


def test_time_limit_ends_the_search_for_angles() -> None:
    found = QAOA(iterations=10**6, time_limit_s=0.5, judging=Judging(bound_time_limit_s=0.0)).solve(
        ring(12)
    )
    assert found.is_feasible


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 0},
        {"shots": 0},
        {"iterations": -1},
        {"cvar": 0.0},
        {"cvar": 1.5},
        {"backend": "ibm"},
        {"max_qubits": 50},
        {"seed": -1},
        {"time_limit_s": -1.0},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        QAOA(**options)  # type: ignore[arg-type]
