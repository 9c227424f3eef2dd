"""A quadratic model of what a choice of sites costs: the natural QUBO of placing batteries.

cost(z) ≈ L(0) + Σ_i h_i z_i + Σ_{i<j} J_ij z_i z_j
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, freeze
from gridopt.program import Program, ProgramBuilder


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """A quadratic function of which sites get a battery.

    Parameters
    ----------
    constant : float
    linear : array, (C,)
    coupling : array, (C, C)
        Of pairs, above the diagonal.
    count : int or None
        How many sites get one.
    """

    constant: float
    linear: FloatArray
    coupling: FloatArray
    count: int | None

    def __post_init__(self) -> None:
        freeze(self, floats="linear coupling")

    @staticmethod
    def around(
        base: FloatArray, cost: float, slope: FloatArray, curvature: FloatArray, count: int | None
    ) -> QuadraticModel:
        """Return cost + slope · w + ½ w' curvature w, w = z − base, as a model of 0/1 z.

        Parameters
        ----------
        base, slope : array, (C,)
        cost : float
            At the base.
        curvature : array, (C, C)
            Symmetric; z² = z makes its diagonal linear.
        count : int or None
        """
        shift = curvature @ base
        return QuadraticModel(
            constant=float(cost - slope @ base + base @ shift / 2.0),
            linear=slope - shift + curvature.diagonal() / 2.0,
            coupling=np.triu(curvature, 1),
            count=count,
        )

    def _typical(self) -> float:
        """Return what the median site adds beside as many others as there are to be."""
        if self.count is None:
            return 0.0
        others = (self.coupling + self.coupling.T).sum(axis=1) / max(len(self.linear) - 1, 1)
        return float(np.median(self.linear + max(self.count - 1, 0) * others))

    def cost(self, chosen: BoolArray) -> FloatArray:
        """Return the model's cost of N choices, (N, C)."""
        z = np.asarray(chosen, dtype=np.float64)
        pairs = np.einsum("ni,ij,nj->n", z, self.coupling, z)
        return np.asarray(self.constant + z @ self.linear + pairs)

    def program(self) -> Program:
        """Return the model as a program: one 0/1 column a site, their number as a row.

        With a number of sites, μ (Σ z − count) = 0 is added, with μ so that the median site adds
        nothing: a penalty for the number can then be as small as sites differ.
        """
        b = ProgramBuilder()
        site = b.binary("site", self.linear.shape)
        typical = self._typical()
        b.minimize_constant(self.constant + typical * (self.count or 0))
        b.minimize(self.linear - typical, site)
        i, j = np.nonzero(self.coupling)
        b.minimize_product(self.coupling[i, j], site[i], site[j])
        if self.count is not None:
            b.constrain("site_count", (1.0, site[np.newaxis]), equal=np.array([self.count]))
        return b.program()


@dataclass(frozen=True)
class Residual:
    """How far a quadratic model is from AC power flow.

    Parameters
    ----------
    choices : int
        Random choices of sites that were compared.
    r_squared : float
        Share of the variance of cost among them that the model explains; NaN where it has none.
    worst : float
        Largest difference, in money.
    worst_relative : float
        Largest difference as a share of the cost by AC power flow.
    mean_relative : float
        Mean difference, whatever its sign, as a share of that cost.
    """

    choices: int
    r_squared: float
    worst: float
    worst_relative: float
    mean_relative: float

    @staticmethod
    def of(model: FloatArray, true: FloatArray) -> Residual:
        """Return how far costs by a model are from those by AC power flow, (N,) each."""
        error, share = np.abs(model - true), np.abs(model - true) / np.abs(true)
        spread = float(((true - true.mean()) ** 2).sum())
        explained = 1.0 - float((error**2).sum()) / spread if spread > 0.0 else float("nan")
        return Residual(
            len(true), explained, float(error.max()), float(share.max()), float(share.mean())
        )
