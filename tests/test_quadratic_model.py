"""The quadratic model of choices: its expansion, and how far it is from the truth."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.quadratic_model import QuadraticModel, Residual


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_an_expansion_is_the_same_function(share: float) -> None:
    rng = np.random.default_rng(5)
    curvature = rng.normal(size=(6, 6))
    curvature += curvature.T
    base, slope = np.full(6, share), rng.normal(size=6)
    model = QuadraticModel.around(base, 2.5, slope, curvature, 3)
    for _ in range(20):
        z = rng.integers(2, size=6)
        w = z - base
        expected = 2.5 + slope @ w + w @ curvature @ w / 2.0
        assert float(model.cost(z[np.newaxis].astype(bool))[0]) == pytest.approx(expected)
    assert np.tril(model.coupling).max() == 0.0
    assert model.count == 3


def test_residuals_are_shares_of_the_cost() -> None:
    found = Residual.of(np.array([101.0, 204.0, 400.0]), np.array([100.0, 200.0, 400.0]))
    assert found.choices == 3
    assert found.worst == pytest.approx(4.0)
    assert found.worst_relative == pytest.approx(0.02)
    assert found.mean_relative == pytest.approx(0.01)
    mean = 700.0 / 3.0
    spread = sum((cost - mean) ** 2 for cost in (100.0, 200.0, 400.0))
    assert found.r_squared == pytest.approx(1.0 - 17.0 / spread)
    assert np.isnan(Residual.of(np.array([1.0]), np.array([1.0])).r_squared)
