"""Rows that a program has but does not list: very many of them, of which few ever bind.

A solver lists only what its answers violate: solve, `separate`, add, solve again (delayed
constraint generation; for network limits Tejada-Arango, Sánchez-Martín, Ramos 2018, "Security
constrained unit commitment using line outage distribution factors",
doi 10.1109/TPWRS.2017.2686701).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gridopt.arrays import FloatArray
from gridopt.errors import TooLargeError

MOST_ENTRIES = 30_000_000
"""Entries of rows that are listed all at once, at most: 12 bytes each, and again in a solver."""


@dataclass(frozen=True, eq=False)
class AddedRows:
    """Rows to add to a program: lower ≤ A x ≤ upper.

    Parameters
    ----------
    A : scipy.sparse.csr_array, (k, n)
        Over the program's n columns.
    lower, upper : array, (k,)
    label : tuple of str, (k,)
        One for each row, the same whenever the same row is made.
    """

    A: sparse.csr_array
    lower: FloatArray
    upper: FloatArray
    label: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    @staticmethod
    def none(n_columns: int) -> AddedRows:
        """Return no rows over n columns."""
        return AddedRows(sparse.csr_array((0, n_columns)), np.zeros(0), np.zeros(0), ())

    @staticmethod
    def joined(n_columns: int, parts: Sequence[AddedRows]) -> AddedRows:
        """Return the rows of all parts, in order."""
        parts = [AddedRows.none(n_columns), *parts]
        return AddedRows(
            sparse.csr_array(sparse.vstack([part.A for part in parts])),
            np.concatenate([part.lower for part in parts]),
            np.concatenate([part.upper for part in parts]),
            tuple(label for part in parts for label in part.label),
        )


@dataclass(frozen=True, eq=False)
class LazyRows(ABC):
    """A family of rows over a program's columns, made only when asked for.

    Parameters
    ----------
    name : str
        Of the family, as a row block has one.
    """

    name: str

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of all rows of the family."""

    @abstractmethod
    def violation(self, x: FloatArray) -> float:
        """Return the largest amount by which `x`, (n,), misses any row; 0 or less where none."""

    @abstractmethod
    def separate(self, x: FloatArray, most: int, tolerance: float) -> AddedRows:
        """Return rows that `x` misses by more than `tolerance`, the worst first.

        Parameters
        ----------
        x : array, (n,)
        most : int
            Number of rows, at most.
        tolerance : float
            In the rows' own unit.

        Returns
        -------
        AddedRows
            Of several rows that say nearly the same, only the worst; none only where `x` misses
            none.
        """

    @abstractmethod
    def every_row(self, n_columns: int) -> AddedRows:
        """Return all rows, over n columns.

        Raises
        ------
        TooLargeError
            Where they would not fit into memory.
        """


def check_listable(name: str, n_rows: int, row_entries: int) -> None:
    """Raise `TooLargeError` where so many rows of so many entries are too many to list."""
    if n_rows * row_entries > MOST_ENTRIES:
        raise TooLargeError(
            f"{name} has {n_rows} rows of some {row_entries} entries, more than can be listed at "
            "once: use a solver that adds rows while it runs (highs), or fewer periods or outages"
        )
