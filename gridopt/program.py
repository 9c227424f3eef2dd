"""The narrow waist: a matrix-form mixed-integer quadratic program with named blocks.

Formulations write programs, solvers read them; neither knows the other. ::

    minimize    x'Qx + c'x + c0 + Σ w x²/y
    subject to  row_lower ≤ A x ≤ row_upper,   lower ≤ x ≤ upper,   some x integer

Rows of which few ever bind need not be listed in A: see `gridopt.lazy`. A program may also carry
what helps to solve it and changes nothing: rows that every whole answer keeps (`Program.cuts`), a
smaller program with the same optimum (`Program.equivalent`), what rows mean where samplers can keep
it by themselves (`Program.sequences`), a model of it over its decisions (`Program.compact`), and
the agents that it falls into at given prices (`Program.agents`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from gridopt.agents import Agents
from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.lazy import AddedRows, LazyRows

Term = tuple[npt.ArrayLike, IntArray]
_Entries = tuple[IntArray, IntArray, FloatArray]

FEASIBILITY_TOLERANCE = 1e-6
"""Largest amount, in a row's own unit, by which an answer may miss a row or a bound."""


class Integrality(IntEnum):
    """What values a column takes."""

    CONTINUOUS = 0
    INTEGER = 1
    IMPLIED = 2
    """Integer of itself in some best answer, once the `INTEGER` columns are (start-up bits)."""


@dataclass(frozen=True)
class Block:
    """A named run of columns or rows with the shape it was asked for.

    Parameters
    ----------
    name : str
    first : int
        Number of its first column (row).
    shape : tuple of int
    labels : tuple of str
        Of rows that were added one by one; else empty, and places in the shape serve.
    """

    name: str
    first: int
    shape: tuple[int, ...]
    labels: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of columns (rows)."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def numbers(self) -> IntArray:
        """Column (row) numbers in the block's shape."""
        return np.arange(self.first, self.first + self.size, dtype=np.int64).reshape(self.shape)

    def label(self, number: int) -> str:
        """Return the name of one column (row), such as ``on[3, 5]``."""
        if self.labels:
            return self.labels[number - self.first]
        place = np.unravel_index(number - self.first, self.shape) if self.shape else ()
        return f"{self.name}[{', '.join(str(int(i)) for i in place)}]"


def _block(blocks: Mapping[str, Block], number: int) -> Block:
    for block in blocks.values():
        if block.first <= number < block.first + block.size:
            return block
    raise IndexError(number)


@dataclass(frozen=True, eq=False)
class Ratios:
    """Convex terms w x²/y of an objective: the square of an amount that y equals share evenly.

    0 where x and y are 0; for y in {0, 1} and x ≤ y·U it is w x².

    Parameters
    ----------
    weight : array, (k,)
        At least 0.
    column, count : array of int, (k,)
        Columns x ≥ 0 and y ≥ 0.
    """

    weight: FloatArray
    column: IntArray
    count: IntArray

    def __len__(self) -> int:
        return len(self.weight)

    @staticmethod
    def none() -> Ratios:
        """Return no terms."""
        nothing = np.zeros(0, dtype=np.int64)
        return Ratios(np.zeros(0), nothing, nothing)

    def value(self, x: FloatArray) -> float:
        """Return Σ w x²/y."""
        over, under = x[self.column], x[self.count]
        share = np.divide(over**2, under, out=np.zeros_like(over), where=under > 0)
        return float(self.weight @ share)


@dataclass(frozen=True, eq=False)
class Equivalent:
    """A program with the same optimum that is easier to solve.

    Parameters
    ----------
    program : Program
    decisions : callable
        From an answer of that program, (m,), to values of the decision columns, in order, of the
        program that it stands for; with those fixed, that one has an answer no dearer.
    counts : callable
        From values of the decision columns, in order, of the program that it stands for to those
        of its own; linear, with entries of at least 0, so that it maps bounds as well.
    """

    program: Program
    decisions: Callable[[FloatArray], FloatArray]
    counts: Callable[[FloatArray], FloatArray]


class CompactModel(NamedTuple):
    """A program over some decisions, and what a unit of its rows is worth, where known.

    Blocks of rows that are `mended` seldom bind, and `Compact.repaired` sees to them: they need no
    penalty.
    """

    program: Program
    prices: Mapping[str, float]
    mended: tuple[str, ...] = ()


class Compact(ABC):
    """A model of a program over its decisions alone: what follows from them is eliminated.

    It is as good as it is near the answer that it was made at, so that it is made anew once there
    is a better one. What comes of it is always judged on the program itself.
    """

    @property
    @abstractmethod
    def columns(self) -> IntArray:
        """Columns of the program that it decides, (k,)."""

    @abstractmethod
    def near(self, x: FloatArray, lower: FloatArray, upper: FloatArray) -> CompactModel:
        """Return a program over `columns` whose objective is near that of the whole program.

        Parameters
        ----------
        x : array, (n,)
            An answer of the program or of its relaxation.
        lower, upper : array, (k,)
            Bounds of `columns`.
        """

    @abstractmethod
    def repaired(self, decisions: FloatArray) -> FloatArray:
        """Return decisions that keep the rules among themselves, as few as can be changed, (k,).

        What they leave to be decided may still have no answer.
        """


@dataclass(frozen=True, eq=False)
class Sequences:
    """What some rows say, in other words: runs of ones and of zeros have a least length.

    Parameters
    ----------
    columns : array of int, (G, T)
        0/1 columns in the order of time.
    min_on, min_off : array of int, (G,)
        Least number of periods of a run, at least 1. A run that reaches the end may be shorter.
    before : array of int, (G,)
        Periods that the run before the first period has lasted: positive for ones, negative for
        zeros, never 0.
    rows : tuple of str
        Row blocks that, with the bounds of the columns, say just this.
    """

    columns: IntArray
    min_on: IntArray
    min_off: IntArray
    before: IntArray
    rows: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """A mixed-integer quadratic program: n columns, m rows.

    Parameters
    ----------
    Q : scipy.sparse.csr_array, (n, n)
        Symmetric quadratic part of the objective x'Qx + c'x + c0.
    c : array, (n,)
    c0 : float
    A : scipy.sparse.csr_array, (m, n)
    row_lower, row_upper : array, (m,)
    lower, upper : array, (n,)
    integrality : array of int8, (n,)
        Values of `Integrality`.
    variables, rows : mapping of str to Block
        The named blocks, in order.
    lazy : tuple of LazyRows
        Rows that count like those of A but are not listed.
    cuts : AddedRows or None
        Rows that every answer keeps whose integers are whole; they only tighten the relaxation.
    ratios : Ratios
    equivalent : Equivalent or None
    sequences : Sequences or None
    compact : Compact or None
    agents : Agents or None
    """

    Q: sparse.csr_array
    c: FloatArray
    c0: float
    A: sparse.csr_array
    row_lower: FloatArray
    row_upper: FloatArray
    lower: FloatArray
    upper: FloatArray
    integrality: npt.NDArray[np.int8]
    variables: Mapping[str, Block]
    rows: Mapping[str, Block]
    lazy: tuple[LazyRows, ...] = ()
    cuts: AddedRows | None = None
    ratios: Ratios = field(default_factory=Ratios.none)
    equivalent: Equivalent | None = None
    sequences: Sequences | None = None
    compact: Compact | None = None
    agents: Agents | None = None

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.c)

    @property
    def n_rows(self) -> int:
        """Number of rows listed."""
        return len(self.row_lower)

    @cached_property
    def is_integer(self) -> BoolArray:
        """Columns that must be whole, implied ones among them, (n,)."""
        return np.asarray(self.integrality != Integrality.CONTINUOUS)

    @cached_property
    def is_decision(self) -> BoolArray:
        """Columns that decide all other integers, (n,)."""
        return np.asarray(self.integrality == Integrality.INTEGER)

    def columns(self, name: str) -> IntArray:
        """Return the column numbers of a variable block, in its shape."""
        return self.variables[name].numbers

    def value(self, name: str, x: FloatArray) -> FloatArray:
        """Return the values of a variable block at `x`, in its shape."""
        return np.asarray(x[self.columns(name)], dtype=np.float64)

    def column_label(self, column: int) -> str:
        """Return the name of one column, such as ``on[3, 5]``."""
        return _block(self.variables, column).label(column)

    def row_label(self, row: int) -> str:
        """Return the name of one row, such as ``balance[7]``."""
        return _block(self.rows, row).label(row)

    def row_place(self, row: int) -> tuple[str, tuple[int, ...]]:
        """Return the block of one row and its place there, such as ``("balance", (7,))``.

        Rows that were added one by one have a label in place of both.
        """
        block = _block(self.rows, row)
        if block.labels:
            return block.label(row), ()
        return block.name, tuple(map(int, np.unravel_index(row - block.first, block.shape)))

    def objective(self, x: FloatArray) -> float:
        """Return x'Qx + c'x + c0 + Σ w x²/y."""
        return float(x @ (self.Q @ x) + self.c @ x + self.c0) + self.ratios.value(x)

    def violation(self, x: FloatArray) -> float:
        """Return the largest amount by which `x` misses a row, a bound or a whole number.

        Returns
        -------
        float
            0 where every rule holds exactly; rows count in their own unit (MW for a balance), and
            those not listed count as well.
        """
        listed = [float(part.max(initial=0.0)) for part in self._residuals(x)]
        worst = float(np.max([*listed, *(lazy.violation(x) for lazy in self.lazy)]))
        return worst if np.isfinite(worst) else float("inf")

    def is_feasible(self, x: FloatArray) -> bool:
        """Return whether `x` holds every rule within `FEASIBILITY_TOLERANCE`."""
        return self.violation(x) <= FEASIBILITY_TOLERANCE

    def violated(self, x: FloatArray) -> dict[str, float]:
        """Return the worst violation of each row block, of the bounds and of integrality.

        Returns
        -------
        dict
            Name of the block (or ``"bounds"``, ``"integrality"``) to the amount; only those above
            `FEASIBILITY_TOLERANCE`.
        """
        rows, bounds, fraction = self._residuals(x)
        found = {
            name: float(rows[block.first : block.first + block.size].max(initial=0.0))
            for name, block in self.rows.items()
        }
        for lazy in self.lazy:
            found[lazy.name] = lazy.violation(x)
        found["bounds"] = float(bounds.max(initial=0.0))
        found["integrality"] = float(fraction.max(initial=0.0))
        return {name: worst for name, worst in found.items() if worst > FEASIBILITY_TOLERANCE}

    def separate(self, x: FloatArray, most: int) -> AddedRows:
        """Return rows not listed that `x` misses by more than `FEASIBILITY_TOLERANCE`.

        Parameters
        ----------
        x : array, (n,)
        most : int
            Number of rows of each family, at most.
        """
        found = [lazy.separate(x, most, FEASIBILITY_TOLERANCE) for lazy in self.lazy]
        return AddedRows.joined(self.n_columns, found)

    def with_rows(self, added: AddedRows, name: str = "added") -> Program:
        """Return the program with more rows listed, in a block of that name (or name and number).

        What is not listed stays as it is: an added row may be one of those.
        """
        if not len(added):
            return self
        block_name, number = name, 1
        while block_name in self.rows:
            number += 1
            block_name = f"{name} {number}"
        block = Block(block_name, self.n_rows, (len(added),), added.label)
        return replace(
            self,
            A=sparse.csr_array(sparse.vstack([self.A, added.A])),
            row_lower=np.concatenate([self.row_lower, added.lower]),
            row_upper=np.concatenate([self.row_upper, added.upper]),
            rows={**self.rows, block_name: block},
        )

    def complete(self) -> Program:
        """Return the program with every row listed, for what reads A as all there is.

        Raises
        ------
        TooLargeError
            Where the rows would not fit into memory.
        """
        listed = replace(self, lazy=())
        for lazy in self.lazy:
            listed = listed.with_rows(lazy.every_row(self.n_columns), lazy.name)
        return listed

    def fixed(self, columns: IntArray | BoolArray, values: npt.ArrayLike) -> Program:
        """Return the program with some columns held at given values."""
        lower, upper = self.lower.copy(), self.upper.copy()
        lower[columns] = values
        upper[columns] = values
        return replace(self._bare(), lower=lower, upper=upper)

    def relaxed(self) -> Program:
        """Return the program without integrality, and without what only holds because of it."""
        kind = np.zeros(self.n_columns, dtype=np.int8)
        return replace(self._bare(), integrality=kind, cuts=None)

    def _bare(self) -> Program:
        """Return the program without what only holds for it as a whole."""
        return replace(self, equivalent=None, compact=None, agents=None)

    def _residuals(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        activity = self.A @ x
        rows = np.maximum(self.row_lower - activity, activity - self.row_upper)
        bounds = np.maximum(self.lower - x, x - self.upper)
        whole = x[self.is_integer]
        return rows, bounds, np.abs(whole - np.rint(whole))


class ProgramBuilder:
    """Writes a `Program` block by block.

    A variable block *is* an array of column numbers, so that slicing, transposing and summing are
    NumPy's; a term is ``(coefficient, columns)``.

    Examples
    --------
    >>> b = ProgramBuilder()
    >>> on = b.binary("on", (2, 3))
    >>> p = b.variable("power_mw", (2, 3), upper=50.0)
    >>> b.minimize(20.0, p)
    >>> b.constrain("balance", (1.0, p.T), equal=[30.0, 60.0, 40.0])   # one axis more: summed
    >>> b.constrain("capacity", (1.0, p), (-50.0, on), upper=0.0)
    >>> b.program().n_rows
    9
    """

    def __init__(self) -> None:
        self._variables: dict[str, Block] = {}
        self._rows: dict[str, Block] = {}
        self._columns: list[tuple[FloatArray, FloatArray, npt.NDArray[np.int8]]] = []
        self._entries: list[_Entries] = []
        self._sides: list[tuple[FloatArray, FloatArray]] = []
        self._cuts: list[tuple[Block, list[_Entries], FloatArray, FloatArray]] = []
        self._ratios: list[tuple[FloatArray, IntArray, IntArray]] = []
        self._linear: list[tuple[IntArray, FloatArray]] = []
        self._quadratic: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._lazy: list[LazyRows] = []
        self._n_columns = 0
        self._n_rows = 0
        self._c0 = 0.0
        self._suffix, self._weight = "", 1.0

    @contextmanager
    def scope(self, suffix: str, weight: float) -> Iterator[None]:
        """Within this context, names of new blocks get a suffix, and costs are weighted."""
        outside = self._suffix, self._weight
        self._suffix, self._weight = outside[0] + suffix, outside[1] * weight
        try:
            yield
        finally:
            self._suffix, self._weight = outside

    def variable(
        self,
        name: str,
        shape: tuple[int, ...],
        lower: npt.ArrayLike = 0.0,
        upper: npt.ArrayLike = np.inf,
        integrality: Integrality = Integrality.CONTINUOUS,
    ) -> IntArray:
        """Add a block of columns; return their numbers in `shape`."""
        name += self._suffix
        if name in self._variables:
            raise ValueError(f"there is a variable block {name!r} already")
        block = Block(name, self._n_columns, shape)
        self._variables[name] = block
        self._n_columns += block.size
        kind = np.full(block.size, integrality, dtype=np.int8)
        self._columns.append((_spread(lower, shape), _spread(upper, shape), kind))
        return block.numbers

    def binary(
        self,
        name: str,
        shape: tuple[int, ...],
        lower: npt.ArrayLike = 0.0,
        upper: npt.ArrayLike = 1.0,
        implied: bool = False,
    ) -> IntArray:
        """Add a block of 0/1 columns; `implied` if the other integers make them whole."""
        kind = Integrality.IMPLIED if implied else Integrality.INTEGER
        return self.variable(name, shape, lower, upper, kind)

    def minimize(self, coefficient: npt.ArrayLike, columns: IntArray) -> None:
        """Add Σ coefficient · x to the objective; the coefficient broadcasts."""
        weight = _spread(coefficient, columns.shape)
        self._linear.append((columns.ravel(), self._weight * weight))

    def minimize_product(
        self, coefficient: npt.ArrayLike, columns: IntArray, others: IntArray
    ) -> None:
        """Add Σ coefficient · x · y to the objective; all three broadcast."""
        left, right = np.broadcast_arrays(columns, others)
        weight = _spread(coefficient, left.shape)
        self._quadratic.append((left.ravel(), right.ravel(), self._weight * weight))

    def minimize_ratio(
        self, coefficient: npt.ArrayLike, columns: IntArray, counts: IntArray
    ) -> None:
        """Add Σ coefficient · x²/y to the objective; the coefficient broadcasts; see `Ratios`."""
        weight = _spread(coefficient, columns.shape)
        if len(weight):
            self._ratios.append((self._weight * weight, columns.ravel(), counts.ravel()))

    def minimize_constant(self, constant: float) -> None:
        """Add a constant to the objective."""
        self._c0 += self._weight * constant

    def constrain(
        self,
        name: str,
        *terms: Term,
        lower: npt.ArrayLike | None = None,
        upper: npt.ArrayLike | None = None,
        equal: npt.ArrayLike | None = None,
    ) -> None:
        """Add a block of rows: lower ≤ Σ coefficient · x ≤ upper.

        The rows have as many axes as the bound where that is an array, else as the term with the
        fewest; bounds and terms of so many axes broadcast. A term with one axis more than the
        rows is summed over its last axis.
        """
        low, high = _sides(lower, upper, equal)
        block = Block(self._new_rows(name), self._n_rows, _row_shape(terms, lower, upper, equal))
        self._entries += [_entries(block, coefficient, columns) for coefficient, columns in terms]
        self._sides.append((_spread(low, block.shape), _spread(high, block.shape)))
        self._rows[block.name] = block
        self._n_rows += block.size

    def constrain_sparse(
        self,
        name: str,
        *entries: tuple[IntArray, IntArray, FloatArray],
        lower: FloatArray,
        upper: FloatArray,
    ) -> None:
        """Add rows given entry by entry: (row from 0, column, value) each.

        The bounds have the shape of the block.
        """
        block = Block(self._new_rows(name), self._n_rows, upper.shape)
        self._entries += [(block.first + row, column, value) for row, column, value in entries]
        self._sides.append((lower.ravel(), upper.ravel()))
        self._rows[block.name] = block
        self._n_rows += block.size

    def imply(
        self,
        name: str,
        *terms: Term,
        lower: npt.ArrayLike | None = None,
        upper: npt.ArrayLike | None = None,
    ) -> None:
        """Add rows as `constrain` does that whole answers keep anyway: see `Program.cuts`."""
        low, high = _sides(lower, upper, None)
        block = Block(self._new_rows(name), 0, _row_shape(terms, lower, upper, None))
        entries = [_entries(block, coefficient, columns) for coefficient, columns in terms]
        self._cuts.append((block, entries, _spread(low, block.shape), _spread(high, block.shape)))

    def constrain_lazily(self, lazy: LazyRows) -> None:
        """Add a family of rows that are not listed, over the columns written so far."""
        named = replace(lazy, name=self._new_rows(lazy.name))
        if named.n_rows:
            self._lazy.append(named)

    def _new_rows(self, name: str) -> str:
        """Return a block's name with the suffix of the scope; no two are alike."""
        name += self._suffix
        used = {
            *self._rows,
            *(lazy.name for lazy in self._lazy),
            *(cut[0].name for cut in self._cuts),
        }
        if name in used:
            raise ValueError(f"there is a row block {name!r} already")
        return name

    def program(self) -> Program:
        """Return the program written so far."""
        n = self._n_columns
        c = np.zeros(n)
        for columns, weight in self._linear:
            np.add.at(c, columns, weight)
        A = _matrix(self._entries, self._n_rows, n)
        parts = [
            AddedRows(
                _matrix(entries, block.size, n),
                low,
                high,
                tuple(block.label(row) for row in range(block.size)),
            )
            for block, entries, low, high in self._cuts
        ]
        left, right, weight = (_joined([entry[k] for entry in self._quadratic]) for k in range(3))
        half = sparse.coo_array(
            (weight / 2.0, (left.astype(np.int32), right.astype(np.int32))), shape=(n, n)
        ).tocsr()
        return Program(
            Q=sparse.csr_array(half + half.T),
            c=c,
            c0=self._c0,
            A=A,
            row_lower=_joined([side[0] for side in self._sides]),
            row_upper=_joined([side[1] for side in self._sides]),
            lower=_joined([column[0] for column in self._columns]),
            upper=_joined([column[1] for column in self._columns]),
            integrality=_joined([column[2] for column in self._columns]).astype(np.int8),
            variables=dict(self._variables),
            rows=dict(self._rows),
            lazy=tuple(self._lazy),
            cuts=AddedRows.joined(n, parts) if parts else None,
            ratios=Ratios(
                _joined([part[0] for part in self._ratios]),
                _joined([part[1] for part in self._ratios]).astype(np.int64),
                _joined([part[2] for part in self._ratios]).astype(np.int64),
            ),
        )


def _matrix(entries: list[_Entries], n_rows: int, n_columns: int) -> sparse.csr_array:
    row, column, value = (_joined([entry[k] for entry in entries]) for k in range(3))
    kept = value != 0.0
    places = row[kept].astype(np.int32), column[kept].astype(np.int32)
    return sparse.coo_array((value[kept], places), shape=(n_rows, n_columns)).tocsr()


def _sides(
    lower: npt.ArrayLike | None, upper: npt.ArrayLike | None, equal: npt.ArrayLike | None
) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    if equal is not None:
        return equal, equal
    return -np.inf if lower is None else lower, np.inf if upper is None else upper


def _spread(values: npt.ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    return np.broadcast_to(np.asarray(values, dtype=np.float64), shape).ravel()


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0)


def _row_shape(terms: tuple[Term, ...], *bounds: npt.ArrayLike | None) -> tuple[int, ...]:
    arrays = [np.shape(bound) for bound in bounds if bound is not None and np.ndim(bound)]
    columns = [np.shape(columns) for _, columns in terms]
    axes = max(map(len, arrays)) if arrays else min(map(len, columns))
    return np.broadcast_shapes(*arrays, *(shape for shape in columns if len(shape) <= axes))


def _entries(
    block: Block, coefficient: npt.ArrayLike, columns: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    rows = block.numbers
    if columns.ndim > rows.ndim:
        rows = rows[..., np.newaxis]
    shape = np.broadcast_shapes(rows.shape, columns.shape)
    weight = _spread(coefficient, shape)
    return (
        np.broadcast_to(rows, shape).ravel(),
        np.broadcast_to(columns, shape).ravel(),
        weight,
    )
