"""Circuits start from the states they say, and the evaluator's amplitudes are theirs."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import Statevector

from gridopt.arrays import FloatArray
from gridopt.circuits import evaluator as qaoa_evaluator
from gridopt.circuits.ansatz import Ansatz
from gridopt.circuits.evaluator import Evaluator, bits_at
from gridopt.circuits.qaoa import dicke_circuit, qaoa_circuit, start_circuit
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.structure import Cardinality


def random_qubo(n: int, seed: int) -> Qubo:
    rng = np.random.default_rng(seed)
    return Qubo.of(rng.normal(size=(n, n)), offset=float(rng.normal()))


def on_all_strings(evaluator: Evaluator, amplitudes: np.ndarray) -> np.ndarray:
    """Return the amplitudes of the states that the groups allow at their places among all."""
    bits = bits_at(evaluator.ansatz, np.arange(len(amplitudes))).astype(np.int64)
    whole = np.zeros(1 << evaluator.ansatz.n_qubits, dtype=np.complex128)
    whole[bits @ (1 << np.arange(evaluator.ansatz.n_qubits))] = amplitudes
    return whole


def assert_same_state(qubo: Qubo, ansatz: Ansatz, angles: FloatArray) -> None:
    evaluator = Evaluator.of(qubo, ansatz)
    gammas, betas = np.split(angles, 2)
    theirs = Statevector(qaoa_circuit(qubo, gammas / evaluator.scale, betas, ansatz)).data
    ours = on_all_strings(evaluator, evaluator.state(angles))
    assert abs(np.vdot(theirs, ours)) == pytest.approx(1.0, abs=1e-10)
    np.testing.assert_allclose(abs(ours) ** 2, abs(theirs) ** 2, atol=1e-12)


@st.composite
def ansatzes(draw: st.DrawFn) -> Ansatz:
    n = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    tilt = rng.uniform(0.2, 2.9, n) if draw(st.booleans()) else np.full(n, np.pi / 2.0)
    bits = rng.permutation(n)
    groups, place = [], 0
    for _ in range(draw(st.integers(0, 2))):
        size = draw(st.integers(1, 4))
        if place + size > n:
            break
        count = draw(st.integers(0, size))
        groups.append(Cardinality(bits[place : place + size], count))
        place += size
    return Ansatz(tilt, tuple(groups))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(ansatz=ansatzes(), layers=st.integers(1, 3), seed=st.integers(0, 10**6))
def test_evaluator_is_the_circuit(ansatz: Ansatz, layers: int, seed: int) -> None:
    angles = np.random.default_rng(seed).uniform(-1.5, 1.5, 2 * layers)
    assert_same_state(random_qubo(ansatz.n_qubits, seed), ansatz, angles)


@pytest.mark.parametrize("kind", ["x", "warm", "xy"])
def test_evaluator_is_the_circuit_where_it_works_in_blocks_and_threads(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qaoa_evaluator, "_THREADED", 1)
    monkeypatch.setattr(qaoa_evaluator, "_THREADS", 3)
    n = 16
    tilt = np.full(n, np.pi / 2.0)
    if kind == "warm":
        tilt = np.linspace(0.3, 2.8, n)
    groups = (Cardinality(np.array([3, 9]), 1),) if kind == "xy" else ()
    angles = np.array([0.4, 0.7, 0.9, 0.3])
    assert_same_state(random_qubo(n, 1), Ansatz(tilt, groups), angles)


def test_number_of_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qaoa_evaluator, "_THREADED", 1)
    groups = (Cardinality(np.array([0, 5, 9]), 1),)
    evaluator = Evaluator.of(random_qubo(17, 3), Ansatz(np.full(17, 1.3), groups), cvar=0.2)
    angles = np.array([0.4, 0.7, 0.9, 0.3])
    states = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(qaoa_evaluator, "_THREADS", threads)
        states.append((evaluator.value(angles), evaluator.state(angles)))
    for value, state in states[1:]:
        assert value == states[0][0]
        np.testing.assert_array_equal(state, states[0][1])


@pytest.mark.parametrize(("size", "count"), [(k, c) for k in range(1, 7) for c in range(k + 1)])
def test_dicke_state_is_even_over_the_allowed_strings(size: int, count: int) -> None:
    amplitudes = Statevector(dicke_circuit(size, count)).data
    ones = np.array([bin(place).count("1") for place in range(1 << size)])
    expected = np.where(ones == count, 1.0 / np.sqrt(comb(size, count)), 0.0)
    np.testing.assert_allclose(amplitudes, expected, atol=1e-12)


def test_warm_start_tilts_each_qubit() -> None:
    share = np.array([0.25, 0.5, 0.9])
    ansatz = Ansatz(2.0 * np.arcsin(np.sqrt(share)))
    state = Statevector(start_circuit(ansatz))
    for k in range(3):
        assert state.probabilities([k])[1] == pytest.approx(share[k])


def test_groups_shrink_the_space() -> None:
    ansatz = Ansatz(
        np.zeros(7), (Cardinality(np.array([0, 2, 4]), 1), Cardinality(np.array([5, 1]), 2))
    )
    assert ansatz.n_states == 3 * 1 * 4
    bits = bits_at(ansatz, np.arange(12))
    assert len(np.unique(bits, axis=0)) == 12
    assert (bits[:, [0, 2, 4]].sum(axis=1) == 1).all()
    assert (bits[:, [5, 1]] == 1).all()
