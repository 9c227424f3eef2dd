"""What a QAOA circuit starts from and mixes with: the same for gates and for the evaluator.

Bits outside of groups start tilted, cos(θ/2)|0⟩ + sin(θ/2)|1⟩, and are mixed by
e^{+iβ(sin θ X + cos θ Z)}, whose highest state is that start: θ = π/2 is |+⟩ and the mixer X,
another θ a warm start (Egger, Mareček & Woerner 2021, doi 10.22331/q-2021-06-17-479). Groups of
which a fixed number are 1 start as the even superposition of the allowed states, and are mixed by
e^{+iβ(XX + YY)/2} on neighbors of a ring, which keeps the number (Hadfield et al. 2019,
doi 10.3390/a12020034; Wang, Rubin, Dominy & Rieffel 2020, doi 10.1103/PhysRevA.101.012320).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb, prod

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.structure import Cardinality


@dataclass(frozen=True, eq=False)
class Ansatz:
    """Start and mixers of a QAOA circuit.

    Parameters
    ----------
    tilt : array, (n,)
        θ of every bit; that of a bit in a group is not used.
    groups : tuple of Cardinality
        No bit is in two of them.
    """

    tilt: FloatArray
    groups: tuple[Cardinality, ...] = ()

    @staticmethod
    def plain(n_qubits: int) -> Ansatz:
        """Return |+⟩ and the mixer X on every qubit."""
        return Ansatz(np.full(n_qubits, np.pi / 2.0))

    @property
    def n_qubits(self) -> int:
        """Number of qubits, n."""
        return len(self.tilt)

    @property
    def free(self) -> IntArray:
        """Bits outside of groups, (m,)."""
        held = [group.bits for group in self.groups]
        return np.setdiff1d(np.arange(self.n_qubits), np.concatenate(held) if held else [])

    @property
    def n_states(self) -> int:
        """Number of bit strings that the groups allow."""
        allowed = prod(comb(len(group.bits), group.count) for group in self.groups)
        held = sum(len(group.bits) for group in self.groups)
        return int(allowed) << (self.n_qubits - held)


def ring_pairs(size: int) -> Iterator[tuple[int, int]]:
    """Yield neighbors of a ring in the order of their gates: disjoint ones first.

    Examples
    --------
    >>> list(ring_pairs(5))
    [(0, 1), (2, 3), (1, 2), (3, 4), (4, 0)]
    """
    for first in (0, 1):
        yield from ((k, k + 1) for k in range(first, size - 1, 2))
    if size > 2:
        yield size - 1, 0


def allowed_states(size: int, count: int) -> IntArray:
    """Return all strings of `size` bits with `count` ones, (C(size, count), size)."""
    chosen = list(combinations(range(size), count))
    states = np.zeros((len(chosen), size), dtype=np.int64)
    for state, ones in zip(states, chosen, strict=True):
        state[list(ones)] = 1
    return states
