"""Grover search: oracles mark what is below the threshold, and the search ends at the optimum."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from gridopt.circuits.grover import ArithmeticOracle, DiagonalOracle, Oracle, common_unit
from gridopt.errors import OptionError, TooLargeError
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solvers.grover import Grover


def whole_numbers(seed: int, n: int = 4) -> Qubo:
    rng = np.random.default_rng(seed)
    return Qubo.of(np.triu(rng.integers(-3, 4, (n, n))) * 0.5, offset=1.25)


def searched(solver: Grover, qubo: Qubo) -> list[Samples]:
    return list(solver.sample(qubo, Deadline()))


@pytest.mark.parametrize("kind", ["diagonal", "arithmetic"])
@pytest.mark.parametrize("seed", range(3))
def test_iterations_amplify_exactly_the_states_below_the_threshold(kind: str, seed: int) -> None:
    qubo = whole_numbers(seed)
    energies = qubo.spectrum()
    oracle: Oracle = DiagonalOracle(energies)
    if kind == "arithmetic":
        oracle = ArithmeticOracle.of(qubo, 6)
    threshold = float(np.sort(np.unique(energies))[2])
    below = energies < threshold
    turn = np.arcsin(np.sqrt(below.mean()))
    for iterations in range(3):
        state = Statevector(oracle.search(threshold, iterations))
        bits = state.probabilities(range(qubo.n_bits))
        # what theory says: sin²((2k + 1)·θ) on the marked states, evenly
        expected = np.sin((2 * iterations + 1) * turn) ** 2 / below.sum()
        np.testing.assert_allclose(bits[below], expected, atol=1e-9)


@pytest.mark.parametrize("oracle", ["diagonal", "arithmetic"])
@pytest.mark.parametrize("seed", range(3))
def test_search_ends_at_the_optimum(oracle: str, seed: int) -> None:
    qubo = whole_numbers(seed)
    batches = searched(Grover(oracle=oracle, value_qubits=6, seed=seed), qubo)
    assert min(batch.energies.min() for batch in batches) == pytest.approx(qubo.spectrum().min())
    assert batches[-1].details["circuits"] == len(batches)
    assert not any(batch.complete for batch in batches)


def test_search_takes_fewer_calls_than_there_are_states() -> None:
    rng = np.random.default_rng(1)
    qubo = Qubo.of(np.triu(rng.normal(size=(10, 10))))
    batches = searched(Grover(), qubo)
    assert min(batch.energies.min() for batch in batches) == pytest.approx(qubo.spectrum().min())
    assert int(batches[-1].details["oracle_calls"]) < 2**10


def test_same_seed_same_search() -> None:
    qubo = whole_numbers(0)
    one, two = (np.concatenate([b.bits for b in searched(Grover(seed=2), qubo)]) for _ in "ab")
    np.testing.assert_array_equal(one, two)


def test_coefficients_that_are_not_whole_are_rescaled_and_it_says_so() -> None:
    exact = ArithmeticOracle.of(whole_numbers(0), 8)
    assert exact.unit == 0.5
    assert not exact.rounded
    qubo = Qubo.of([[1.0, np.pi], [0.0, -np.sqrt(2.0)]])
    rough = ArithmeticOracle.of(qubo, 8)
    assert rough.rounded
    size = np.abs(rough.linear).sum() + np.abs(rough.value).sum()
    assert size < 2**7
    np.testing.assert_allclose(rough.unit * rough.linear, qubo.linear, atol=rough.unit / 2.0)
    details = searched(Grover(oracle="arithmetic", value_qubits=8), qubo)[-1].details
    assert details["rounded"] == 1
    assert details["unit"] == rough.unit


def test_common_unit() -> None:
    assert common_unit(np.array([6.0, -9.0, 0.0])) == pytest.approx(3.0)
    assert common_unit(np.array([0.1, 0.25])) == pytest.approx(0.05)
    assert common_unit(np.zeros(2)) == 1.0
    assert common_unit(np.array([1.0, np.pi, np.sqrt(2.0)])) is None


def test_too_many_qubits_are_refused_with_those_of_the_register() -> None:
    qubo = Qubo.of(np.eye(10))
    Grover(max_qubits=10).check(qubo)
    with pytest.raises(TooLargeError, match=r"needs 18 \(10 bits, 8 of the oracle"):
        Grover(oracle="arithmetic").check(qubo)


def test_a_register_that_is_too_narrow_is_refused_with_the_width_it_takes() -> None:
    qubo = Qubo.of(np.random.default_rng(0).normal(size=(6, 6)))
    with pytest.raises(TooLargeError, match=r"4 value qubits .* 21 coefficients.* value_qubits of"):
        Grover(oracle="arithmetic", value_qubits=4).check(qubo)
    Grover(oracle="arithmetic", value_qubits=6).check(qubo)


@pytest.mark.parametrize(
    "options",
    [
        {"oracle": "magic"},
        {"value_qubits": 1},
        {"shots": 0},
        {"patience": 0.0},
        {"backend": "gpu"},
        {"max_qubits": 40},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Grover(**options)  # type: ignore[arg-type]
