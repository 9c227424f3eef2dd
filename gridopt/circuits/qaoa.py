"""Circuits of QAOA in Qiskit's gates: cost layers, mixers, and the states they start from."""

from __future__ import annotations

import math

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import XXPlusYYGate

from gridopt.arrays import FloatArray
from gridopt.circuits.ansatz import Ansatz, ring_pairs
from gridopt.circuits.ising import Ising
from gridopt.lowering.qubo import Qubo


def qaoa_circuit(
    qubo: Qubo, gammas: FloatArray, betas: FloatArray, ansatz: Ansatz | None = None
) -> QuantumCircuit:
    """Return the circuit of Π_k e^{+iβ_k M} e^{−iγ_k C} on the start state, up to a global phase.

    Farhi, Goldstone & Gutmann 2014, arXiv 1411.4028. With these signs the start is the highest
    state of the mixer M, and a slow ramp from M to −C ends in the lowest state of C; the other sign
    of the mixer ends in the highest one.

    Parameters
    ----------
    qubo : Qubo
        C is its energy, qubit k its bit k.
    gammas, betas : array, (p,)
    ansatz : Ansatz, optional
        Start and mixers; |+⟩ and X by default.
    """
    ansatz = ansatz or Ansatz.plain(qubo.n_bits)
    model = Ising.of(qubo)
    circuit = start_circuit(ansatz)
    for gamma, beta in zip(gammas, betas, strict=True):
        _cost(circuit, model, float(gamma))
        _mixer(circuit, ansatz, float(beta))
    return circuit


def start_circuit(ansatz: Ansatz) -> QuantumCircuit:
    """Return the circuit that prepares the start state of `ansatz` from |0⟩."""
    circuit = QuantumCircuit(ansatz.n_qubits)
    for i in ansatz.free:
        if ansatz.tilt[i] == np.pi / 2.0:
            circuit.h(int(i))
        else:
            circuit.ry(float(ansatz.tilt[i]), int(i))
    for group in ansatz.groups:
        qubits = [int(bit) for bit in group.bits]
        circuit.compose(dicke_circuit(len(qubits), group.count), qubits, inplace=True)
    return circuit


def dicke_circuit(size: int, count: int) -> QuantumCircuit:
    """Return the circuit of the even superposition of all strings of `size` bits with `count` ones.

    Bärtschi & Eidenbenz 2019, arXiv 1904.07358: O(size · count) gates, no ancilla. With a count of
    1 it is the W state.
    """
    circuit = QuantumCircuit(size)
    if count:
        circuit.x(range(size - count, size))
    for most in range(size, 1, -1):
        _split_and_shift(circuit, most, min(count, most - 1))
    return circuit


def _split_and_shift(circuit: QuantumCircuit, size: int, count: int) -> None:
    """Append the step that shares out ones between qubit size − 1 and those below it."""
    last = size - 1
    if count >= 1:
        angle = 2.0 * math.acos(math.sqrt(1.0 / size))
        circuit.cx(last - 1, last)
        circuit.cry(angle, last, last - 1)
        circuit.cx(last - 1, last)
    for ones in range(2, count + 1):
        angle = 2.0 * math.acos(math.sqrt(ones / size))
        low = last - ones
        circuit.cx(low, last)
        _twice_controlled_ry(circuit, angle, last, low + 1, low)
        circuit.cx(low, last)


def _twice_controlled_ry(
    circuit: QuantumCircuit, angle: float, first: int, second: int, target: int
) -> None:
    circuit.cry(angle / 2.0, second, target)
    circuit.cx(first, second)
    circuit.cry(-angle / 2.0, second, target)
    circuit.cx(first, second)
    circuit.cry(angle / 2.0, first, target)


def _cost(circuit: QuantumCircuit, model: Ising, gamma: float) -> None:
    for i in np.flatnonzero(model.h):
        circuit.rz(2.0 * gamma * model.h[i], int(i))
    for i, j, value in zip(model.first, model.second, model.J, strict=True):
        circuit.rzz(2.0 * gamma * value, int(i), int(j))


def _mixer(circuit: QuantumCircuit, ansatz: Ansatz, beta: float) -> None:
    for i in map(int, ansatz.free):
        theta = float(ansatz.tilt[i])
        if theta == np.pi / 2.0:
            circuit.rx(-2.0 * beta, i)
        else:
            circuit.ry(-theta, i)
            circuit.rz(-2.0 * beta, i)
            circuit.ry(theta, i)
    for group in ansatz.groups:
        for i, j in ring_pairs(len(group.bits)):
            circuit.append(XXPlusYYGate(-2.0 * beta), [int(group.bits[i]), int(group.bits[j])])
