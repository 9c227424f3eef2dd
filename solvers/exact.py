"""Enumeration of every bit string: the oracle for all other solvers of QUBOs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.errors import TooLargeError
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo, spectrum
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.sampling.samples import Deadline, Samples

MOST_BITS = 28
"""More bit strings than this take minutes to hours."""

_LOW_BITS = 18
"""States of one block: the block's energies stay in the cache."""


@final
@dataclass(frozen=True)
class Exact(QuboSolver):
    """Enumerates all bit strings.

    Where nothing of the program was put on a grid, its answer is OPTIMAL; else it is the ground
    state of the QUBO, exactly so, and the answer is SAMPLED.

    Parameters
    ----------
    max_bits : int
        Refuse QUBOs of more bits; 20 take a fraction of a second, each one more doubles that.
    kept : int
        Number of lowest states that are lifted and judged.
    seed : int
        Without effect: nothing is random.
    time_limit_s : float or None
        What has been enumerated by then is used, and nothing is proved.
    lowering : Lowering
    judging : Judging
    """

    max_bits: int = 24
    kept: int = 64
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "enumeration"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits"
    package: ClassVar[str] = "numpy"

    def __post_init__(self) -> None:
        check_whole("exact", "max_bits", self.max_bits, 1, MOST_BITS)
        check_whole("exact", "kept", self.kept, 1, 2**20)
        check_qubo_options("exact", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` where there are more than `max_bits` bits."""
        if qubo.n_bits > self.max_bits:
            raise TooLargeError(
                f"exact takes up to {self.max_bits} bits, this needs {qubo.n_bits} "
                f"({qubo.n_slack} of them slack): take fewer units or hours, a coarser resolution "
                f"or fewer levels, max_bits up to {MOST_BITS}, or the solver neal or highs"
            )

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the `kept` lowest states of all, in one batch."""
        lowest = _Lowest(self.kept)
        complete = True
        for first, energies in blocks(qubo):
            lowest.add(first, energies)
            if deadline.passed:
                complete = first + len(energies) == 1 << qubo.n_bits
                break
        states = bit_strings(lowest.places, qubo.n_bits)
        yield Samples.of(qubo, states, {"states": 1 << qubo.n_bits}, complete)


def bit_strings(places: IntArray, n_bits: int) -> FloatArray:
    """Return the bit strings with the given places in the spectrum, (R, n); bit k is z_k."""
    return np.asarray((places[:, np.newaxis] >> np.arange(n_bits)) & 1, dtype=np.float64)


def blocks(qubo: Qubo) -> Iterator[tuple[int, FloatArray]]:
    """Yield the energies of all bit strings in blocks, each with the place of its first.

    With z = (low bits, high bits), E = E_low + E_high + low'·C·high: the first term is computed
    once, the last one is a linear function of the low bits, built by doubling.
    """
    n = qubo.n_bits
    n_low = min(n, _LOW_BITS)
    if n_low == n:
        yield 0, qubo.spectrum()
        return
    dense = qubo.Q.toarray()
    low = spectrum(dense[:n_low, :n_low])
    across, high = dense[:n_low, n_low:], dense[n_low:, n_low:]
    tilt = np.empty(1 << n_low)
    for place in range(1 << (n - n_low)):
        z = (place >> np.arange(n - n_low)) & 1
        slopes = across @ z
        tilt[0] = qubo.offset + z @ high @ z
        for k in range(n_low):
            np.add(tilt[: 1 << k], slopes[k], out=tilt[1 << k : 2 << k])
        yield place << n_low, low + tilt


class _Lowest:
    """Keeps the places of the lowest energies seen."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.places: IntArray = np.zeros(0, dtype=np.int64)
        self._energies: FloatArray = np.zeros(0)

    def add(self, first: int, energies: FloatArray) -> None:
        full = len(self.places) == self._count
        near = np.flatnonzero(energies < self._energies[-1]) if full else np.arange(len(energies))
        if len(near) > self._count:
            near = near[np.argpartition(energies[near], self._count - 1)[: self._count]]
        places = np.concatenate((self.places, first + near))
        total = np.concatenate((self._energies, energies[near]))
        order = np.lexsort((places, total))[: self._count]
        self.places, self._energies = places[order], total[order]
