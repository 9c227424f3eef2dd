"""The way back from reduced or encoded variables: an affine map, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Lift:
    """The affine map x = M·y + shift, from k variables to n.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array, (n, k)
    shift : array, (n,)

    Raises
    ------
    ValueError
        Where the shapes do not fit.

    Examples
    --------
    >>> half = Lift.columns(2, [1], shift=[5.0, 0.0])     # x = (5, y)
    >>> half([3.0]).tolist()
    [5.0, 3.0]
    >>> half([[3.0], [4.0]]).tolist()
    [[5.0, 3.0], [5.0, 4.0]]
    """

    matrix: sparse.csr_array
    shift: FloatArray

    def __post_init__(self) -> None:
        if self.shift.shape != (self.matrix.shape[0],):
            raise ValueError(
                f"a matrix of shape {self.matrix.shape} and a shift of shape {self.shift.shape} "
                "make no affine map; expected as many rows as shifts"
            )

    @staticmethod
    def identity(n: int) -> Lift:
        """Return the map that changes nothing, for n variables."""
        return Lift.columns(n, np.arange(n))

    @staticmethod
    def columns(
        n: int,
        kept: IntArray | list[int],
        step: npt.ArrayLike = 1.0,
        shift: npt.ArrayLike = 0.0,
    ) -> Lift:
        """Return x[kept] = step · y + shift[kept]; elsewhere x = shift.

        Parameters
        ----------
        n : int
            Number of variables after the lift.
        kept : array of int, (k,)
            Where each y goes.
        step : array, (k,) or scalar
        shift : array, (n,) or scalar
        """
        k = len(kept)
        value = np.broadcast_to(np.asarray(step, dtype=np.float64), (k,))
        row = np.asarray(kept, dtype=np.int64)
        matrix = sparse.csr_array((value, (row, np.arange(k))), shape=(n, k))
        return Lift(matrix, np.broadcast_to(np.asarray(shift, dtype=np.float64), (n,)).copy())

    @property
    def n_in(self) -> int:
        """Number of variables before the lift, k."""
        return int(self.matrix.shape[1])

    @property
    def n_out(self) -> int:
        """Number of variables after the lift, n."""
        return int(self.matrix.shape[0])

    def __call__(self, y: npt.ArrayLike) -> FloatArray:
        """Lift one point, (k,) to (n,), or many at once, (R, k) to (R, n)."""
        points = np.asarray(y, dtype=np.float64)
        return np.asarray((self.matrix @ points.T).T + self.shift, dtype=np.float64)

    def after(self, first: Lift) -> Lift:
        """Return the map that applies `first` and then this one."""
        matrix = sparse.csr_array(self.matrix @ first.matrix)
        return Lift(matrix, np.asarray(self.matrix @ first.shift + self.shift))

    def widened(self, more: int) -> Lift:
        """Return this map of its own variables and `more` behind them, which it ignores."""
        M = self.matrix
        shape = (self.n_out, self.n_in + more)
        return Lift(sparse.csr_array((M.data, M.indices, M.indptr), shape=shape), self.shift)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the map as plain arrays, for any file format that holds arrays."""
        matrix = self.matrix.tocoo()
        row, column = matrix.coords
        return {
            "shape": np.asarray(matrix.shape, dtype=np.int64),
            "row": np.asarray(row, dtype=np.int64),
            "column": np.asarray(column, dtype=np.int64),
            "value": np.asarray(matrix.data, dtype=np.float64),
            "shift": self.shift,
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Lift:
        """Return the map that `to_arrays` wrote."""
        n, k = (int(size) for size in arrays["shape"])
        value = np.asarray(arrays["value"], dtype=np.float64)
        row, column = (np.asarray(arrays[name], dtype=np.int64) for name in ("row", "column"))
        matrix = sparse.csr_array((value, (row, column)), shape=(n, k))
        return Lift(matrix, np.asarray(arrays["shift"], dtype=np.float64))
