"""Circuits of Grover adaptive search: oracles that mark the states below a threshold.

An oracle flips the sign of every bit string whose energy is below the threshold; one Grover
iteration is the oracle and the reflection about the state that the search starts from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import ceil, log2
from typing import final

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import DiagonalGate, QFTGate

from gridopt.arrays import FloatArray, IntArray
from gridopt.errors import TooLargeError
from gridopt.lowering.qubo import Qubo


class Oracle(ABC):
    """Marks states of a QUBO below a threshold."""

    @property
    @abstractmethod
    def n_qubits(self) -> int:
        """Qubits of the circuit; the first ones are the bits."""

    @abstractmethod
    def search(self, threshold: float, iterations: int) -> QuantumCircuit:
        """Return the circuit of a search for energies below `threshold`, not yet measured."""


@final
@dataclass(frozen=True, eq=False)
class DiagonalOracle(Oracle):
    """One diagonal gate, made from all energies: what a simulator can have and a machine cannot.

    Parameters
    ----------
    energies : array, (2ⁿ,)
    """

    energies: FloatArray

    @property
    def n_qubits(self) -> int:
        """Number of bits."""
        return len(self.energies).bit_length() - 1

    def search(self, threshold: float, iterations: int) -> QuantumCircuit:
        """Return the circuit of a search for energies below `threshold`."""
        every = range(self.n_qubits)
        marks = DiagonalGate(np.where(self.energies < threshold, -1.0, 1.0).tolist())
        circuit = QuantumCircuit(self.n_qubits)
        circuit.h(every)
        for _ in range(iterations):
            circuit.append(marks, every, copy=False)
            circuit.h(every)
            _reflect(circuit)
            circuit.h(every)
        return circuit


@final
@dataclass(frozen=True, eq=False)
class ArithmeticOracle(Oracle):
    """Energies by phases and a Fourier transform into a register of values, whose sign marks.

    Gilliam, Woerner & Gonciulea 2021, doi 10.22331/q-2021-04-08-428. The register holds
    (energy − threshold) / unit in two's complement.

    Parameters
    ----------
    linear : array of int, (n,)
        Coefficients in units.
    first, second, value : array of int, (k,)
        Couplings in units.
    unit, offset : float
        Energy = offset + unit · (that of the whole coefficients), where nothing was rounded.
    n_value : int
        Qubits of the register.
    rounded : bool
        Whether the coefficients are no whole numbers of units.
    """

    linear: IntArray
    first: IntArray
    second: IntArray
    value: IntArray
    unit: float
    offset: float
    n_value: int
    rounded: bool

    @staticmethod
    def of(qubo: Qubo, n_value: int) -> ArithmeticOracle:
        """Return the oracle with a register of `n_value` qubits.

        The unit is the largest that divides all coefficients, if the register then holds the
        energies; else the least with which it does, and coefficients are rounded.

        Raises
        ------
        TooLargeError
            Where the register is too narrow for so many coefficients in any unit.
        """
        first, second, value = qubo.couplings()
        linear = qubo.linear
        coefficients = np.concatenate((linear, value))
        # no two energies differ by more; rounding adds half a unit for each coefficient
        span = float(np.abs(coefficients).sum())
        unit = common_unit(coefficients)
        rounded = unit is None or span / unit >= 2 ** (n_value - 1)
        if unit is None or rounded:
            room = 2 ** (n_value - 1) - 1 - len(coefficients) / 2.0
            if room < 1.0:
                raise TooLargeError(
                    f"{n_value} value qubits are too few for {len(coefficients)} coefficients: "
                    f"take value_qubits of {ceil(log2(len(coefficients) / 2.0 + 2.0)) + 2} or more"
                )
            unit = span / room
        whole = [np.rint(part / unit).astype(np.int64) for part in (linear, value)]
        return ArithmeticOracle(
            whole[0], first, second, whole[1], unit, qubo.offset, n_value, rounded
        )

    @property
    def n_qubits(self) -> int:
        """Number of bits and of value qubits."""
        return len(self.linear) + self.n_value

    def search(self, threshold: float, iterations: int) -> QuantumCircuit:
        """Return the circuit of a search for energies below `threshold`."""
        prepare = self._values(ceil((threshold - self.offset) / self.unit - 1e-9))
        unprepare = prepare.inverse()
        circuit = QuantumCircuit(self.n_qubits)
        circuit.compose(prepare, inplace=True)
        for _ in range(iterations):
            circuit.z(self.n_qubits - 1)
            circuit.compose(unprepare, inplace=True)
            _reflect(circuit)
            circuit.compose(prepare, inplace=True)
        return circuit

    def _values(self, threshold: int) -> QuantumCircuit:
        """Return Σ |z⟩|E(z) − threshold⟩ from |0⟩, threshold in units."""
        n = len(self.linear)
        circuit = QuantumCircuit(self.n_qubits)
        circuit.h(range(self.n_qubits))
        for k in range(self.n_value):
            turn = 2.0 * np.pi * 2.0 ** (k - self.n_value)
            circuit.p(-turn * threshold, n + k)
            for i in np.flatnonzero(self.linear):
                circuit.cp(turn * self.linear[i], int(i), n + k)
            for i, j, value in zip(self.first, self.second, self.value, strict=True):
                circuit.mcp(turn * value, [int(i), int(j)], n + k)
        register = range(n, self.n_qubits)
        circuit.append(QFTGate(self.n_value).inverse(), register)
        return circuit


def common_unit(coefficients: FloatArray) -> float | None:
    """Return the largest unit of which all coefficients are whole numbers; None without one.

    Examples
    --------
    >>> common_unit(np.array([0.75, -1.5, 0.0]))
    0.75
    """
    sizes = np.abs(coefficients[coefficients != 0.0])
    if not len(sizes):
        return 1.0
    least = float(sizes.max())
    for size in sizes:
        a, b = least, float(size)
        while b > 1e-6 * sizes.min():
            a, b = b, a % b
            b = 0.0 if a - b < 1e-6 * sizes.min() else b
        least = a
    whole = np.abs(sizes / least - np.rint(sizes / least)).max() < 1e-6
    return least if whole and log2(sizes.max() / least) < 40 else None


def _reflect(circuit: QuantumCircuit) -> None:
    """Append the reflection about |0…0⟩, up to a global sign."""
    every = list(circuit.qubits)
    circuit.x(every)
    if len(every) == 1:
        circuit.z(every[0])
    else:
        circuit.mcp(np.pi, every[:-1], every[-1])
    circuit.x(every)
