"""The relaxation is the least of a convex energy that is the QUBO's on bits."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.circuits.relaxation import relaxed
from gridopt.lowering.qubo import Qubo


@pytest.mark.parametrize("seed", range(5))
def test_relaxation_is_the_least_over_the_box(seed: int) -> None:
    rng = np.random.default_rng(seed)
    qubo = Qubo.of(rng.normal(size=(6, 6)))
    dense = qubo.Q.toarray()
    off_diagonal = dense - np.diag(qubo.linear)
    least = np.linalg.eigvalsh(off_diagonal + off_diagonal.T)[0]

    def energy(z: np.ndarray) -> float:
        return float(z @ off_diagonal @ z + qubo.linear @ z - least / 2.0 * (z @ z - z.sum()))

    found = relaxed(qubo)
    assert ((found >= 0.0) & (found <= 1.0)).all()
    assert all(energy(found) <= energy(z) + 1e-5 for z in rng.uniform(size=(300, 6)))
    assert energy(found) <= qubo.spectrum().min() + 1e-5


def test_relaxation_of_a_separable_energy_is_its_optimum() -> None:
    qubo = Qubo.of(np.diag([-1.0, 2.0, -3.0]))
    np.testing.assert_allclose(relaxed(qubo), [1.0, 0.0, 1.0], atol=1e-9)


def test_relaxation_does_not_depend_on_the_unit_of_money() -> None:
    Q = np.random.default_rng(0).normal(size=(8, 8))
    np.testing.assert_allclose(relaxed(Qubo.of(Q)), relaxed(Qubo.of(1e6 * Q)), atol=1e-4)
