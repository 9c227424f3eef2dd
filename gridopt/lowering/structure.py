"""Rules that a sampler may keep by the moves it makes, instead of paying penalties for them.

A QUBO lists here what its Q leaves out; only samplers that say so get such a QUBO
(`gridopt.sampling.qubo_solver.QuboSolver.native`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray

Native = Literal["cardinality", "sequence", "inequality"]
"""Kinds of rules: `Cardinality` (one-of-many among them), `Sequence` and `Inequality`."""

ROOM = 1e-6
"""By how much of its largest weight an inequality may be missed, for rounding."""

ALWAYS_OFF = -1
ALWAYS_ON = -2


@dataclass(frozen=True, eq=False)
class Cardinality:
    """Exactly `count` of some bits are 1; with a count of 1, one of many.

    Parameters
    ----------
    bits : array of int, (k,)
        No bit is in two cardinalities, or in a cardinality and a sequence.
    count : int
        At least 0, at most k.
    """

    bits: IntArray
    count: int

    def holds(self, z: BoolArray) -> BoolArray:
        """Return whether the rule holds in one state, (n,) to (), or in many, (R, n) to (R,)."""
        return np.asarray(z[..., self.bits].sum(axis=-1) == self.count)


@dataclass(frozen=True, eq=False)
class Sequence:
    """Bits in the order of time, whose runs have a least length: minimum up and down times.

    Parameters
    ----------
    bits : array of int, (T,)
        Bit of each period, or `ALWAYS_OFF` or `ALWAYS_ON` where there is nothing to decide.
    min_on, min_off : int
        Least number of periods of a run of ones (zeros), at least 1. A run that reaches the end
        may be shorter.
    before : int
        Periods that the run before the first period has lasted: positive for ones, negative for
        zeros, never 0.
    """

    bits: IntArray
    min_on: int
    min_off: int
    before: int

    def values(self, z: BoolArray) -> BoolArray:
        """Return the state of each period, (n,) to (T,) or (R, n) to (R, T)."""
        on = np.broadcast_to(self.bits == ALWAYS_ON, (*z.shape[:-1], len(self.bits))).copy()
        decided = self.bits >= 0
        on[..., decided] = z[..., self.bits[decided]]
        return on

    def holds(self, z: BoolArray) -> BoolArray:
        """Return whether every run is long enough, (n,) to (), or (R, n) to (R,)."""
        on = self.values(z)
        age = np.full(on.shape[:-1], abs(self.before))
        state = np.full(on.shape[:-1], self.before > 0)
        right = np.ones(on.shape[:-1], dtype=np.bool_)
        for t in range(on.shape[-1]):
            now = on[..., t]
            changed = now != state
            right &= ~changed | (age >= np.where(state, self.min_on, self.min_off))
            age = np.where(changed, 1, age + 1)
            state = now
        return right


@dataclass(frozen=True, eq=False)
class Inequality:
    """A weighted sum of bits within limits: capacity, a budget.

    Parameters
    ----------
    bits : array of int, (k,)
        Each once; they may be in other rules too.
    weights : array, (k,)
    lower, upper : float
        One of them may be infinite.
    """

    bits: IntArray
    weights: FloatArray
    lower: float
    upper: float

    def holds(self, z: BoolArray) -> BoolArray:
        """Return whether the rule holds in one state, (n,) to (), or in many, (R, n) to (R,)."""
        total = z[..., self.bits] @ self.weights
        room = ROOM * np.abs(self.weights).max(initial=1.0)
        return np.asarray((total >= self.lower - room) & (total <= self.upper + room))


@dataclass(frozen=True, eq=False)
class Structure:
    """The rules that a QUBO leaves to the sampler.

    Parameters
    ----------
    cardinalities : tuple of Cardinality
    sequences : tuple of Sequence
        No bit is in two of these.
    inequalities : tuple of Inequality
    """

    cardinalities: tuple[Cardinality, ...] = ()
    sequences: tuple[Sequence, ...] = ()
    inequalities: tuple[Inequality, ...] = ()

    @property
    def rules(self) -> tuple[Cardinality | Sequence | Inequality, ...]:
        """All of them."""
        return (*self.cardinalities, *self.sequences, *self.inequalities)

    def __len__(self) -> int:
        return len(self.cardinalities) + len(self.sequences) + len(self.inequalities)

    def holds(self, z: BoolArray) -> BoolArray:
        """Return whether all rules hold in one state, (n,) to (), or in many, (R, n) to (R,)."""
        right = np.ones(z.shape[:-1], dtype=np.bool_)
        for rule in self.rules:
            right &= rule.holds(z)
        return right
