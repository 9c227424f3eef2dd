"""The affine map back from reduced variables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from gridopt.lowering.lift import Lift


def _random(n: int, k: int, seed: int) -> Lift:
    rng = np.random.default_rng(seed)
    return Lift(sparse.csr_array(rng.integers(-2, 3, (n, k)).astype(float)), rng.normal(size=n))


def test_one_point_and_many_agree() -> None:
    lift = _random(4, 3, 0)
    points = np.random.default_rng(1).normal(size=(5, 3))
    assert lift(points).shape == (5, 4)
    np.testing.assert_allclose(lift(points), [lift(point) for point in points])
    np.testing.assert_allclose(lift(points[0]), lift.matrix @ points[0] + lift.shift)


def test_identity_changes_nothing() -> None:
    np.testing.assert_array_equal(Lift.identity(3)([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])


def test_composition_is_one_after_the_other() -> None:
    outer, inner = _random(5, 3, 2), _random(3, 2, 3)
    y = np.array([0.5, -1.5])
    both = outer.after(inner)
    assert (both.n_in, both.n_out) == (2, 5)
    np.testing.assert_allclose(both(y), outer(inner(y)))


def test_columns_places_and_scales() -> None:
    lift = Lift.columns(3, [2, 0], step=[2.0, 3.0], shift=[1.0, 7.0, 0.0])
    np.testing.assert_array_equal(lift([1.0, 1.0]), [4.0, 7.0, 2.0])


def test_arrays_bring_back_the_same_map() -> None:
    lift = _random(4, 3, 5)
    again = Lift.from_arrays(lift.to_arrays())
    np.testing.assert_array_equal(again.matrix.toarray(), lift.matrix.toarray())
    np.testing.assert_array_equal(again.shift, lift.shift)


def test_no_variables_left() -> None:
    lift = Lift.columns(2, [], shift=[3.0, 4.0])
    np.testing.assert_array_equal(lift(np.zeros(0)), [3.0, 4.0])
    assert lift(np.zeros((6, 0))).shape == (6, 2)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="no affine map"):
        Lift(sparse.csr_array((2, 2)), np.zeros(3))
