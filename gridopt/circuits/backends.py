"""Where circuits run, by name: simulators, noise models of real devices, and the devices.

============== ==================================================================================
``statevector``  Qiskit's own `StatevectorSampler`: the reference, slow above some 14 qubits
``aer``          Qiskit Aer: a state vector where it fits in memory, else as ``aer_mps``
``aer_mps``      Qiskit Aer's matrix product state: up to 100 qubits with few, near couplings;
                 approximate above its bond dimension
``fake:DEVICE``  the noise model of a real device, simulated; needs qiskit-ibm-runtime
``ibm:DEVICE``   the device itself, by qiskit-ibm-runtime and your account
============== ==================================================================================
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar, final

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.primitives import StatevectorSampler
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer import AerSimulator

from gridopt.arrays import FloatArray
from gridopt.circuits.memory import check_memory, fits
from gridopt.errors import NotInstalledError, OptionError, TooLargeError, UnsupportedError
from gridopt.sampling.samples import BitArray
from gridopt.solver import check_option

Answer = TypeVar("Answer")

NAMES = "'statevector', 'aer', 'aer_mps', 'fake:DEVICE' as fake:manila, or 'ibm:DEVICE'"

BOND_DIMENSION = 32
"""Of matrix product states: their time grows with its cube."""

MOST_MPS_QUBITS = 100

_ONE_THREAD = 16
"""Qubits up to which Aer's threads cost more than they bring."""

TOKEN = "QISKIT_IBM_TOKEN"  # noqa: S105 - the name of a variable, no secret
"""Variable of the environment in which qiskit-ibm-runtime looks for an account's token."""

_RUNTIME = "qiskit-ibm-runtime"


class QuantumBackend(ABC):
    """Runs circuits."""

    @property
    @abstractmethod
    def method(self) -> str:
        """How it runs them, for the record."""

    @abstractmethod
    def check(self, n_qubits: int) -> None:
        """Raise unless it can run circuits of so many qubits; allocates and connects to nothing.

        Raises
        ------
        TooLargeError, NotInstalledError, UnsupportedError, OptionError
        """

    @abstractmethod
    def translate(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return a measured circuit, with parameters or without, in what it runs natively."""

    @abstractmethod
    def counts(self, native: QuantumCircuit, shots: int) -> dict[str, int]:
        """Return how often each outcome of a translated circuit comes, by Qiskit's strings."""

    def prepare(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return a circuit with all its qubits measured at its end, ready to `run`."""
        measured = circuit.copy()
        measured.measure_all()
        return self.translate(measured)

    def sample(self, circuit: QuantumCircuit, shots: int) -> BitArray:
        """Return the shots of a circuit; see `run`."""
        return self.run(self.prepare(circuit), shots)

    def run(self, prepared: QuantumCircuit, shots: int) -> BitArray:
        """Return the shots of a prepared circuit without free parameters.

        Returns
        -------
        array of uint8, (shots, n)
            Bit k is qubit k; rows are in the order of the strings.
        """
        counts = self.counts(prepared, shots)
        keys = sorted(counts)
        rows = np.array([[int(bit) for bit in reversed(key)] for key in keys], dtype=np.uint8)
        return np.repeat(rows, [counts[key] for key in keys], axis=0)


def check_backend(owner: str, name: object) -> None:
    """Raise `OptionError` unless `name` names a back-end; devices are looked up later."""
    kind, _, device = name.partition(":") if isinstance(name, str) else ("", "", "")
    right = name in ("statevector", "aer", "aer_mps") or (kind in ("fake", "ibm") and device != "")
    check_option(owner, "backend", name, right, NAMES)


def backend_named(
    name: str, n_qubits: int, seed: int, bond_dimension: int = BOND_DIMENSION
) -> QuantumBackend:
    """Return the back-end of that name, for circuits of so many qubits."""
    kind, _, device = name.partition(":")
    if kind == "statevector":
        return StatevectorBackend(seed)
    if kind == "fake":
        return FakeDevice(device, seed)
    if kind == "ibm":
        return IBMDevice(device, seed)
    whole = kind == "aer" and fits(AerStatevector.BYTES_PER_STATE << n_qubits)
    return AerStatevector(seed) if whole else AerMPS(seed, bond_dimension)


@final
@dataclass(frozen=True)
class StatevectorBackend(QuantumBackend):
    """Qiskit's `StatevectorSampler`.

    Parameters
    ----------
    seed : int
    """

    seed: int

    BYTES_PER_STATE = 5000
    """Measured at 20 qubits: it makes a dictionary of all probabilities."""

    @property
    def method(self) -> str:
        """How it runs circuits."""
        return "StatevectorSampler"

    def check(self, n_qubits: int) -> None:
        """Raise `TooLargeError` where the state does not fit in memory."""
        need = self.BYTES_PER_STATE << n_qubits
        check_memory(f"StatevectorSampler on {n_qubits} qubits", need, "use the backend 'aer'")

    def translate(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit as it is."""
        return circuit

    def counts(self, native: QuantumCircuit, shots: int) -> dict[str, int]:
        """Return counts by outcome."""
        job = StatevectorSampler(seed=self.seed).run([native], shots=shots)
        return dict(job.result()[0].data.meas.get_counts())


@final
@dataclass(frozen=True)
class AerStatevector(QuantumBackend):
    """Qiskit Aer's state vector.

    Parameters
    ----------
    seed : int
    """

    seed: int

    BYTES_PER_STATE = 32
    """The state and its copy."""

    @property
    def method(self) -> str:
        """How it runs circuits."""
        return "statevector"

    def check(self, n_qubits: int) -> None:
        """Raise `TooLargeError` where the state does not fit in memory."""
        need = self.BYTES_PER_STATE << n_qubits
        check_memory(f"a state vector of {n_qubits} qubits", need, "use the backend 'aer_mps'")

    def translate(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit in Aer's gates."""
        return _aer_gates(replace(self, seed=0)).run(circuit)

    def counts(self, native: QuantumCircuit, shots: int) -> dict[str, int]:
        """Return counts by outcome."""
        return _counted(self, native, shots)

    def simulator(self) -> Any:
        """Return Aer with these options."""
        return AerSimulator(method="statevector")


@final
@dataclass(frozen=True)
class AerMPS(QuantumBackend):
    """Qiskit Aer's matrix product state (Vidal 2003, doi 10.1103/PhysRevLett.91.147902).

    Parameters
    ----------
    seed : int
    bond_dimension : int
        What does not fit in it is cut off: with more, exact on more circuits, and slower.
    """

    seed: int
    bond_dimension: int

    @property
    def method(self) -> str:
        """How it runs circuits."""
        return f"matrix product state, bond dimension {self.bond_dimension}"

    def check(self, n_qubits: int) -> None:
        """Raise `TooLargeError` where there are more than `MOST_MPS_QUBITS` qubits."""
        if n_qubits > MOST_MPS_QUBITS:
            raise TooLargeError(
                f"aer_mps takes up to {MOST_MPS_QUBITS} qubits, this needs {n_qubits}: take a "
                "window of fewer units or hours, or the solver neal"
            )

    def translate(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit in Aer's gates."""
        return _aer_gates(replace(self, seed=0)).run(circuit)

    def counts(self, native: QuantumCircuit, shots: int) -> dict[str, int]:
        """Return counts by outcome."""
        return _counted(self, native, shots)

    def simulator(self) -> Any:
        """Return Aer with these options."""
        return AerSimulator(
            method="matrix_product_state",
            matrix_product_state_max_bond_dimension=self.bond_dimension,
        )


@final
@dataclass(frozen=True)
class FakeDevice(QuantumBackend):
    """The noise model, gates and couplings of a real device, simulated by Aer without a network.

    Parameters
    ----------
    device : str
        As ``manila`` for qiskit-ibm-runtime's `FakeManilaV2`.
    seed : int
        Of the transpiler and of the shots.
    """

    device: str
    seed: int

    @property
    def method(self) -> str:
        """How it runs circuits."""
        return f"noise model of {self.device}"

    def check(self, n_qubits: int) -> None:
        """Raise where the package or the device is missing, or the device is too small."""
        _check_width(f"fake:{self.device}", int(self._made().num_qubits), n_qubits)

    def translate(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit in the device's gates, on its qubits."""
        made = self._made()
        return transpile(circuit, made, optimization_level=1, seed_transpiler=self.seed)

    def counts(self, native: QuantumCircuit, shots: int) -> dict[str, int]:
        """Return counts by outcome."""
        return _counted(self, native, shots)

    def simulator(self) -> Any:
        """Return Aer with the device's noise."""
        return AerSimulator.from_backend(self._made())

    def _made(self) -> Any:
        known = _fake_devices()
        name = self.device.lower().removeprefix("fake_")
        if name not in known:
            expected = f"fake: and one of {', '.join(sorted(known))}"
            raise OptionError("fake", "backend", f"fake:{self.device}", expected)
        return known[name]()


@final
@dataclass(frozen=True)
class IBMDevice(QuantumBackend):
    """A device of IBM Quantum, through qiskit-ibm-runtime and the account of this machine.

    Parameters
    ----------
    device : str
        As ``ibm_torino``.
    seed : int
        Of the transpiler; shots of a device are random.
    """

    device: str
    seed: int

    @property
    def method(self) -> str:
        """How it runs circuits."""
        return f"device {self.device}"

    def check(self, n_qubits: int) -> None:  # noqa: ARG002 - the width is known once connected
        """Raise where the package or an account is missing; nothing is connected to."""
        service = _runtime().QiskitRuntimeService
        if not os.environ.get(TOKEN) and not service.saved_accounts():
            raise UnsupportedError(
                f"ibm:{self.device} needs an account of IBM Quantum: set {TOKEN}, or save one "
                "once with qiskit_ibm_runtime.QiskitRuntimeService.save_account(token=…); "
                "without one, use fake:DEVICE or aer"
            )

    def translate(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit in the device's gates, on its qubits.

        Raises
        ------
        UnsupportedError
            Where the service refuses the account or the device; says what it said.
        TooLargeError
            Where the device has fewer qubits.
        """
        service = _runtime().QiskitRuntimeService
        device = self._asked(lambda: service().backend(self.device))
        _check_width(f"ibm:{self.device}", int(device.num_qubits), circuit.num_qubits)
        return transpile(circuit, device, optimization_level=3, seed_transpiler=self.seed)

    def counts(self, native: QuantumCircuit, shots: int) -> dict[str, int]:
        """Return counts by outcome.

        Raises
        ------
        UnsupportedError
            Where the service refuses the job; says what it said.
        """
        service = _runtime().QiskitRuntimeService
        from qiskit_ibm_runtime.executor_sampler import Sampler

        def submitted() -> dict[str, int]:
            job = Sampler(mode=service().backend(self.device)).run([native], shots=shots)
            return dict(job.result()[0].data.meas.get_counts())

        return self._asked(submitted)

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        # The service's errors have no common root: a missing account is one of its own, a bad token
        # one of its client's, a lost connection one of requests'.
        except Exception as fault:
            raise UnsupportedError(f"ibm:{self.device} did not run it: {fault}") from fault


def best_share(energies: FloatArray, share: float) -> float:
    """Return the mean of the best `share` of sampled energies, of one at least."""
    best = np.sort(energies)[: max(1, round(share * len(energies)))]
    return float(best.mean())


@lru_cache(maxsize=16)
def _aer(backend: AerStatevector | AerMPS | FakeDevice) -> Any:
    """Return a back-end's simulator, made once: that takes longer than a small circuit."""
    return backend.simulator()


@lru_cache(maxsize=16)
def _aer_gates(backend: AerStatevector | AerMPS) -> Any:
    """Return the passes into Aer's gates; its `target` is made anew each time that it is asked."""
    return generate_preset_pass_manager(0, target=_aer(backend).target)


def _counted(
    backend: AerStatevector | AerMPS | FakeDevice, native: QuantumCircuit, shots: int
) -> dict[str, int]:
    threads = {"max_parallel_threads": 1} if native.num_qubits <= _ONE_THREAD else {}
    simulator = _aer(replace(backend, seed=0))
    result = simulator.run(native, shots=shots, seed_simulator=backend.seed, **threads).result()
    if not result.success:
        raise UnsupportedError(f"Qiskit Aer could not run the circuit: {result.status}")
    return dict(result.get_counts())


def _check_width(name: str, most: int, n_qubits: int) -> None:
    if n_qubits > most:
        raise TooLargeError(
            f"{name} has {most} qubits, this needs {n_qubits}: take a window of fewer units or "
            "hours, another device, or the backend aer"
        )


def _runtime() -> Any:
    try:
        import qiskit_ibm_runtime
    except ModuleNotFoundError as fault:
        raise NotInstalledError("a backend fake:DEVICE or ibm:DEVICE", _RUNTIME) from fault
    return qiskit_ibm_runtime


def _fake_devices() -> dict[str, Any]:
    """Return the classes of the fake devices, by short name; none of them is made."""
    _runtime()
    from qiskit_ibm_runtime import fake_provider

    base = fake_provider.fake_backend.FakeBackendV2
    return {
        name.removeprefix("Fake").removesuffix("V2").lower(): kind
        for name, kind in vars(fake_provider).items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    }
