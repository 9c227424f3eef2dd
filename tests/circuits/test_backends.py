"""Back-ends by name: what runs where, and what is said where it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from gridopt.circuits.backends import (
    AerMPS,
    AerStatevector,
    backend_named,
    best_share,
    check_backend,
)
from gridopt.errors import NotInstalledError, OptionError, TooLargeError, UnsupportedError
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.samples import Deadline
from gridopt.solvers.grover import Grover
from gridopt.solvers.qaoa import QAOA
from gridopt.solvers.vqe import VQE

SIMULATORS = ("statevector", "aer", "aer_mps")
NO_RUNTIME = "fake and real devices need qiskit-ibm-runtime, which is optional"


def ghz(n: int = 3) -> QuantumCircuit:
    """Return a circuit of |0…0⟩ + |1…1⟩, its last qubit flipped."""
    circuit = QuantumCircuit(n)
    circuit.h(0)
    for k in range(n - 1):
        circuit.cx(k, k + 1)
    circuit.x(n - 1)
    return circuit


@pytest.mark.parametrize("name", SIMULATORS)
def test_simulators_sample_the_state_with_bit_k_of_qubit_k(name: str) -> None:
    bits = backend_named(name, 3, seed=1).sample(ghz(), 2000)
    states, count = np.unique(bits, axis=0, return_counts=True)
    assert states.tolist() == [[0, 0, 1], [1, 1, 0]]
    assert count.sum() == 2000
    assert abs(count[0] - 1000) < 120


@pytest.mark.parametrize("name", SIMULATORS)
def test_a_prepared_circuit_takes_its_parameters_later(name: str) -> None:
    angle = Parameter("angle")
    circuit = QuantumCircuit(2)
    circuit.ry(angle, 1)
    backend = backend_named(name, 2, seed=0)
    prepared = backend.prepare(circuit)
    for value, ones in ((0.0, 0), (np.pi, 1)):
        bits = backend.run(prepared.assign_parameters({angle: value}), 8)
        assert bits.tolist() == [[0, ones]] * 8


def test_aer_is_a_state_vector_where_it_fits_and_a_matrix_product_state_above() -> None:
    assert isinstance(backend_named("aer", 20, 0), AerStatevector)
    assert isinstance(backend_named("aer", 60, 0), AerMPS)
    assert "bond dimension 7" in backend_named("aer_mps", 3, 0, bond_dimension=7).method


@pytest.mark.parametrize(
    ("name", "n_qubits", "says"),
    [
        ("statevector", 40, "40 qubits takes .*are free: use the backend 'aer'"),
        ("aer_mps", 101, "up to 100 qubits, this needs 101"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, n_qubits: int, says: str) -> None:
    with pytest.raises(TooLargeError, match=says):
        backend_named(name, n_qubits, 0).check(n_qubits)


def test_names_are_checked_with_a_list_of_what_exists() -> None:
    for name in ("qasm", "fake", "ibm:", 7):
        with pytest.raises(OptionError, match="'statevector', 'aer', 'aer_mps', 'fake:DEVICE'"):
            check_backend("qaoa", name)
    for name in (*SIMULATORS, "fake:manila", "ibm:ibm_torino"):
        check_backend("qaoa", name)


def test_best_share_is_of_one_sample_at_least() -> None:
    assert best_share(np.array([3.0, 1.0, 2.0, 4.0]), 0.5) == 1.5
    assert best_share(np.array([3.0, 1.0]), 0.01) == 1.0


def test_fake_device_is_noisy_and_repeats_itself() -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason=NO_RUNTIME)
    backend = backend_named("fake:manila", 3, seed=5)
    backend.check(3)
    bits = backend.sample(ghz(), 1000)
    assert bits.shape == (1000, 3)
    right = (bits == [0, 0, 1]).all(axis=1) | (bits == [1, 1, 0]).all(axis=1)
    assert 0.6 < right.mean() < 1.0
    np.testing.assert_array_equal(bits, backend.sample(ghz(), 1000))


def test_fake_devices_are_named_and_counted() -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason=NO_RUNTIME)
    with pytest.raises(TooLargeError, match="fake:manila has 5 qubits, this needs 6"):
        backend_named("fake:manila", 6, 0).check(6)
    with pytest.raises(OptionError, match=r"fake:rome2.*one of .*manila.*rome"):
        backend_named("fake:rome2", 2, 0).check(2)


def test_qaoa_runs_on_a_noise_model() -> None:
    pytest.importorskip("qiskit_ibm_runtime", reason=NO_RUNTIME)
    qubo = Qubo.of(np.triu(np.random.default_rng(0).normal(size=(4, 4))))
    solver = QAOA(backend="fake:manila", layers=1, shots=512)
    solver.check(qubo)
    (samples,) = solver.sample(qubo, Deadline())
    assert samples.details["method"] == "noise model of manila"
    assert samples.energies.min() == pytest.approx(qubo.spectrum().min())


def test_real_device_says_what_is_missing_before_it_connects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("qiskit_ibm_runtime", reason=NO_RUNTIME)
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    service = runtime.QiskitRuntimeService
    saved = service.saved_accounts
    none = str(tmp_path / "none.json")
    monkeypatch.setattr(service, "saved_accounts", lambda: saved(filename=none))
    with pytest.raises(UnsupportedError, match="set QISKIT_IBM_TOKEN, or save one"):
        backend_named("ibm:ibm_torino", 3, 0).check(3)


@pytest.mark.parametrize("name", ["fake:manila", "ibm:ibm_torino"])
def test_missing_package_is_named_before_any_work(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime", None)
    with pytest.raises(NotInstalledError, match="pip install qiskit-ibm-runtime"):
        backend_named(name, 3, 0).check(3)
    too_large = Qubo.of(np.eye(60)).program()
    for solver in (QAOA, VQE, Grover):
        with pytest.raises(TooLargeError):
            solver().solve(too_large)
        with pytest.raises(NotInstalledError, match="pip install qiskit-ibm-runtime"):
            solver(backend=name).solve(too_large)
