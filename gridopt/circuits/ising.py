"""A QUBO as an Ising model: the same energies over spins, which gates and angles are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.qubo import Qubo


@dataclass(frozen=True, eq=False)
class Ising:
    """E = constant + Σ h_i Z_i + Σ J_ij Z_i Z_j, with Z = 1 − 2z.

    Parameters
    ----------
    constant : float
        Mean of the energies of all bit strings.
    h : array, (n,)
    first, second : array of int, (k,)
        Spins of each coupling.
    J : array, (k,)
    """

    constant: float
    h: FloatArray
    first: IntArray
    second: IntArray
    J: FloatArray

    @staticmethod
    def of(qubo: Qubo) -> Ising:
        """Return the Ising model of `qubo`."""
        first, second, value = qubo.couplings()
        n = qubo.n_bits
        paired = np.bincount(first, value, n) + np.bincount(second, value, n)
        return Ising(
            constant=float(qubo.offset + qubo.linear.sum() / 2.0 + value.sum() / 4.0),
            h=-qubo.linear / 2.0 - paired / 4.0,
            first=first,
            second=second,
            J=value / 4.0,
        )

    @property
    def n_spins(self) -> int:
        """Number of spins, n."""
        return len(self.h)

    @property
    def spread(self) -> float:
        """Standard deviation of the energies of all bit strings, √(Σh² + ΣJ²); 1 where it is 0."""
        return float(np.sqrt(self.h @ self.h + self.J @ self.J)) or 1.0

    @property
    def local_field(self) -> float:
        """Root mean square of what acts on a spin, √(Σ_i (h_i² + Σ_j J_ij²) / n); 1 where it is 0.

        It is 1 in the Sherrington–Kirkpatrick model.
        """
        square = float(self.h @ self.h + 2.0 * self.J @ self.J)
        return float(np.sqrt(square / max(self.n_spins, 1))) or 1.0
