"""QUBOs as dimod's binary quadratic models, programs as its constrained ones, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dimod
import numpy as np
from scipy import sparse

from gridopt.arrays import FloatArray
from gridopt.errors import UnsupportedError
from gridopt.program import Block, Integrality, Program
from gridopt.qubo import Qubo
from gridopt.reduction import entries_of

VARTYPE = {
    Integrality.CONTINUOUS: dimod.REAL,
    Integrality.INTEGER: dimod.INTEGER,
    Integrality.IMPLIED: dimod.INTEGER,
}


def to_bqm(qubo: Qubo) -> Any:
    """Return the QUBO as a `dimod.BinaryQuadraticModel` over 0 … n − 1, energy for energy."""
    first, second, value = qubo.couplings()
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        qubo.linear, (first, second, value), qubo.offset, dimod.BINARY
    )


def from_bqm(bqm: Any) -> Qubo:
    """Return a `dimod.BinaryQuadraticModel` as a QUBO, its bits in the order of its variables.

    Spins s become bits z by s = 2z − 1, with the same energies. The names of the variables are the
    labels of the bits.
    """
    linear, (row, column, value), offset = bqm.binary.to_numpy_vectors(
        variable_order=list(bqm.variables)
    )
    n = len(linear)
    own = np.arange(n)
    entries = np.concatenate((linear, value))
    place = np.concatenate((own, row)), np.concatenate((own, column))
    matrix = sparse.coo_array((entries, place), shape=(n, n))
    return Qubo.of(matrix, float(offset), [str(name) for name in bqm.variables])
