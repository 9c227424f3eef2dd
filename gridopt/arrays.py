"""Array types, and the one way in which input becomes a frozen array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ComplexArray = npt.NDArray[np.complex128]


def frozen(values: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[np.generic]:
    """Return a read-only copy of `values`, so that frozen data cannot change underfoot."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def freeze(instance: object, floats: str = "", integers: str = "", booleans: str = "") -> None:
    """Freeze the named fields of a frozen dataclass, each as its kind of array."""
    for names, dtype in ((floats, np.float64), (integers, np.int64), (booleans, np.bool_)):
        for name in names.split():
            object.__setattr__(instance, name, frozen(getattr(instance, name), dtype))
