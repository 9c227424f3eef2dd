"""A QUBO over the box [0, 1]ⁿ instead of bits, made convex: one minimum, found without chance."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from gridopt.arrays import FloatArray
from gridopt.lowering.qubo import Qubo

_CURVATURE = 1e-6
"""Least curvature, as a share of the largest: so that there is one minimum."""


def relaxed(qubo: Qubo) -> FloatArray:
    """Return the minimum of the convexified energy over [0, 1]ⁿ, (n,).

    λ Σ (z_i² − z_i), which is 0 on bits, is added with the least λ that makes the energy convex
    (Hammer & Rubin 1970, "Some remarks on quadratic programming with 0-1 variables").
    """
    dense = qubo.Q.toarray()
    linear = np.diag(dense).copy()
    hessian = dense + dense.T
    np.fill_diagonal(hessian, 0.0)
    eigenvalues = np.linalg.eigvalsh(hessian)
    lift = max(-eigenvalues[0], 0.0) + _CURVATURE * (np.abs(eigenvalues).max() or 1.0)
    hessian += lift * np.eye(len(hessian))
    slope = linear - lift / 2.0
    scale = float(np.abs(eigenvalues).max()) or 1.0

    def value_and_gradient(z: FloatArray) -> tuple[float, FloatArray]:
        pull = hessian @ z
        return float(0.5 * z @ pull + slope @ z) / scale, (pull + slope) / scale

    start = np.full(len(linear), 0.5)
    box = [(0.0, 1.0)] * len(linear)
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=box)
    return np.asarray(found.x, dtype=np.float64)
