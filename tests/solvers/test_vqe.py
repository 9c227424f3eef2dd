"""VQE: training makes good states likely, and what is measured is Qiskit's circuit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridopt.circuits.backends import AerStatevector
from gridopt.errors import OptionError, TooLargeError
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solvers.vqe import VQE


@pytest.fixture
def qubo() -> Qubo:
    return Qubo.of(np.triu(np.random.default_rng(2).normal(size=(6, 6))), 3.0)


def trained(solver: VQE, qubo: Qubo) -> Samples:
    (samples,) = solver.sample(qubo, Deadline())
    return samples


def test_training_beats_the_state_it_began_with(qubo: Qubo) -> None:
    ground = qubo.spectrum().min()
    begun, ended = (trained(VQE(iterations=n), qubo) for n in (1, 120))
    assert ended.energies.min() == pytest.approx(ground)
    assert (ended.energies < ground + 1e-9).mean() > 3.0 * 2.0**-6
    assert ended.energies.mean() < begun.energies.mean()
    assert ended.details["parameters"] == 12
    assert len(ended.bits) == 2048


@pytest.mark.parametrize("backend", ["aer", "statevector", "aer_mps"])
def test_same_seed_same_shots(backend: str, qubo: Qubo) -> None:
    solver = VQE(backend=backend, iterations=16, training_shots=64, shots=64, seed=4)
    one, two = trained(solver, qubo), trained(solver, qubo)
    np.testing.assert_array_equal(one.bits, two.bits)
    assert not np.array_equal(one.bits, trained(replace(solver, seed=5), qubo).bits)


def test_interrupted_training_still_measures(qubo: Qubo, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    counts = AerStatevector.counts

    def interrupted(self: AerStatevector, native: object, shots: int) -> dict[str, int]:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return counts(self, native, shots)

    monkeypatch.setattr(AerStatevector, "counts", interrupted)
    batches = VQE(shots=128).sample(qubo, Deadline())
    samples = next(batches)
    assert len(samples.bits) == 128
    assert samples.details["evaluations"] == 3
    with pytest.raises(KeyboardInterrupt):
        next(batches)


def test_time_limit_ends_the_training(qubo: Qubo) -> None:
    (samples,) = VQE(iterations=10**6, shots=16).sample(qubo, Deadline.after(0.3))
    assert 1 <= int(samples.details["evaluations"]) < 10**4


def test_too_many_qubits_are_refused() -> None:
    with pytest.raises(TooLargeError, match="up to 20 qubits, this needs 21"):
        VQE().check(Qubo.of(np.eye(21)))


@pytest.mark.parametrize(
    "options",
    [
        {"layers": -1},
        {"entanglement": "none"},
        {"shots": 0},
        {"training_shots": 0},
        {"iterations": 0},
        {"cvar": 0.0},
        {"backend": "gpu"},
        {"max_qubits": 0},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        VQE(**options)  # type: ignore[arg-type]
