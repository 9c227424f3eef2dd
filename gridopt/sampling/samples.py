"""What samplers give, and the moment by which they must."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.qubo import Qubo

BitArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Samples:
    """What one call of a sampler gives.

    Parameters
    ----------
    bits : array of uint8, (R, n)
    energies : array, (R,)
        Recomputed by us from the bits; a sampler's own figures are not believed.
    details : mapping of str to float, int or str
        Figures for the record; those of later batches replace those of earlier ones.
    complete : bool
        Whether the lowest of these states is proved to be a ground state.
    """

    bits: BitArray
    energies: FloatArray
    details: Mapping[str, float | int | str] = field(default_factory=dict)
    complete: bool = False

    @staticmethod
    def of(
        qubo: Qubo,
        bits: npt.ArrayLike,
        details: Mapping[str, float | int | str] | None = None,
        complete: bool = False,
    ) -> Samples:
        """Return samples with their energies in `qubo`."""
        states = np.atleast_2d(np.asarray(bits, dtype=np.uint8))
        return Samples(states, np.atleast_1d(qubo.energy(states)), details or {}, complete)

    def distinct(self) -> tuple[BitArray, FloatArray, IntArray]:
        """Return the distinct states, lowest energy first, their energies and how often each."""
        bits, first, count = np.unique(self.bits, axis=0, return_index=True, return_counts=True)
        energies = self.energies[first]
        order = np.argsort(energies, kind="stable")
        return bits[order], energies[order], np.asarray(count[order], dtype=np.int64)


@dataclass(frozen=True)
class Deadline:
    """A moment of the monotonic clock, or none.

    Parameters
    ----------
    at_s : float
        Reading of `time.monotonic` when time is up; inf for never.
    """

    at_s: float = np.inf

    @staticmethod
    def after(seconds: float) -> Deadline:
        """Return the moment in `seconds`; inf for never."""
        return Deadline(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """Seconds left; inf where there is no limit."""
        return self.at_s - time.monotonic()

    @property
    def passed(self) -> bool:
        """Whether time is up."""
        return self.left_s <= 0.0
