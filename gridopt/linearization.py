"""A program's quadratic objective as a linear one, for solvers that take only that.

Products of binaries become columns (Fortet 1960). A convex square q·x² becomes an epigraph column t
above tangents of it, t ≥ q (2ax − a²), to which more tangents are added at each answer (outer
approximation, Duran & Grossmann 1986, doi 10.1007/BF02592064). Where the model says that x is zero
unless a binary u is one, the tangent is t ≥ q (2ax − a²u), which is valid too and much tighter
(perspective cut, Frangioni & Gentile 2006, doi 10.1007/s10107-005-0594-3). A ratio
q·x²/y, the cost of y units that share x, has the same tangents with y for u. Tangents lie below the
square, so that the linear model's bound is a bound for the program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.errors import UnsupportedError
from gridopt.program import Program

FIRST_TANGENTS = 5
"""Tangents to a square before anything has been solved, evenly over the column's range."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A linear objective over the program's columns and some of its own, and rows tying them.

    Columns are the program's n, then one per square, then one per product.

    Parameters
    ----------
    c : array, (n + squares + products,)
    c0 : float
    A : scipy.sparse.csr_array
        The program's rows, then those of the products; tangents come from `tangents`.
    row_lower, row_upper, lower, upper : array
    is_integer : array of bool
        The program's decisions; implied integers are whole of themselves, and left continuous
        they need no branching.
    square_column, square_weight : array, (squares,)
        The program's column x and the weight q of each q·x².
    square_indicator : array of int, (squares,)
        Binary column without which x is zero, or the y of a ratio, or −1.
    is_ratio : array of bool, (squares,)
    n_program_columns : int
    """

    c: FloatArray
    c0: float
    A: sparse.csr_array
    row_lower: FloatArray
    row_upper: FloatArray
    lower: FloatArray
    upper: FloatArray
    is_integer: BoolArray
    square_column: IntArray
    square_weight: FloatArray
    square_indicator: IntArray
    is_ratio: BoolArray
    n_program_columns: int

    @property
    def is_exact(self) -> bool:
        """Whether no square was approximated."""
        return not len(self.square_column)

    def shortfall(self, x: FloatArray) -> FloatArray:
        """Return by how much each epigraph column lies below its square, (squares,)."""
        n = self.n_program_columns
        epigraph = x[n : n + len(self.square_column)]
        count = np.where(self.is_ratio, x[self.square_indicator], 1.0)
        square = x[self.square_column] ** 2
        share = np.divide(square, count, out=np.zeros_like(square), where=count > 1e-9)
        return np.asarray(self.square_weight * share - epigraph)

    def touching(self, x: FloatArray, squares: IntArray) -> FloatArray:
        """Return where tangents touch some squares at `x`: x, or x/y of a ratio, (k,)."""
        over = x[self.square_column[squares]]
        count = np.where(self.is_ratio[squares], x[self.square_indicator[squares]], 1.0)
        return np.divide(over, count, out=np.zeros_like(over), where=count > 1e-9)

    def tangents(self, squares: IntArray, points: FloatArray) -> sparse.csr_array:
        """Return rows R with R x ≤ side; see `tangent_sides`.

        Parameters
        ----------
        squares : array of int, (k,)
            Which squares.
        points : array, (k,)
            Where to touch each.
        """
        k, n = len(squares), self.n_program_columns
        row = np.arange(k)
        weight, indicator = self.square_weight[squares], self.square_indicator[squares]
        has = indicator >= 0
        return sparse.coo_array(
            (
                np.concatenate([2 * weight * points, -np.ones(k), (-weight * points**2)[has]]),
                (
                    np.concatenate([row, row, row[has]]),
                    np.concatenate([self.square_column[squares], n + squares, indicator[has]]),
                ),
            ),
            shape=(k, len(self.c)),
        ).tocsr()

    def tangent_sides(self, squares: IntArray, points: FloatArray) -> FloatArray:
        """Return the upper sides of `tangents`, (k,)."""
        constant = self.square_weight[squares] * points**2
        return np.where(self.square_indicator[squares] >= 0, 0.0, constant)

    def first_tangents(self) -> tuple[IntArray, FloatArray]:
        """Return squares and points to begin with: evenly spread over each column's range."""
        squares = np.arange(len(self.square_column))
        low, high = self.lower[self.square_column], self.upper[self.square_column]
        most = np.where(self.is_ratio, self.upper[self.square_indicator], 1.0)
        high = np.divide(high, most, out=np.zeros_like(high), where=most > 0)
        bounded = np.isfinite(low) & np.isfinite(high)
        share = np.linspace(0.0, 1.0, FIRST_TANGENTS)
        points = low[bounded, np.newaxis] + share * (high - low)[bounded, np.newaxis]
        return np.repeat(squares[bounded], FIRST_TANGENTS), points.ravel()


def linearized(program: Program) -> LinearModel:
    """Return the linear model of a program.

    Raises
    ------
    UnsupportedError
        Where the objective has a product that is neither of two binaries nor a convex square.
    """
    c, c0, Q = _without_fixed(program)
    binary = program.is_integer & (program.lower >= 0) & (program.upper <= 1)
    diagonal = Q.diagonal()
    c = c + np.where(binary, diagonal, 0.0)  # x² = x
    square = np.flatnonzero((diagonal != 0) & ~binary)
    left, right, weight = _products(Q)
    _refuse(program, square[diagonal[square] < 0], "a concave square")
    _refuse(program, program.ratios.column[program.ratios.weight < 0], "a concave ratio")
    _refuse(program, left[~(binary[left] & binary[right])], "a product of columns not both binary")
    return _assemble(program, c, c0, (square, diagonal[square]), (left, right, weight))


def _without_fixed(program: Program) -> tuple[FloatArray, float, sparse.csr_array]:
    """Return c, c0 and Q with fixed columns' part of the quadratic terms made linear."""
    fixed = program.lower == program.upper
    if not program.Q.nnz or not fixed.any():
        return program.c, program.c0, program.Q
    value = np.where(fixed, program.lower, 0.0)
    pull = program.Q @ value
    c = program.c + np.where(fixed, 0.0, 2.0 * pull)
    free = sparse.dia_array(((~fixed).astype(float)[np.newaxis], [0]), shape=program.Q.shape)
    return c, program.c0 + float(value @ pull), sparse.csr_array(free @ program.Q @ free)


def _products(Q: sparse.csr_array) -> tuple[IntArray, IntArray, FloatArray]:
    upper = sparse.triu(Q, k=1).tocoo()
    kept = upper.data != 0
    left, right = upper.coords
    return left[kept].astype(np.int64), right[kept].astype(np.int64), 2.0 * upper.data[kept]


def _refuse(program: Program, columns: IntArray, what: str) -> None:
    if len(columns):
        label = program.column_label(int(columns[0]))
        raise UnsupportedError(
            f"the objective has {what} ({label}; {len(columns)} in all), which no linear model "
            "can hold: use a formulation with a convex separable objective"
        )


def _assemble(
    program: Program,
    c: FloatArray,
    c0: float,
    squares: tuple[IntArray, FloatArray],
    products: tuple[IntArray, IntArray, FloatArray],
) -> LinearModel:
    ratios, plain = program.ratios, squares[0]
    column = np.concatenate([plain, ratios.column])
    n, k, m = program.n_columns, len(column), len(products[0])
    rows, side = _product_rows(n + k, products)
    width = n + k + m
    wide = sparse.csr_array(
        (program.A.data, program.A.indices, program.A.indptr), shape=(program.n_rows, width)
    )
    return LinearModel(
        c=np.concatenate([c, np.ones(k), products[2]]),
        c0=c0,
        A=sparse.csr_array(sparse.vstack([wide, rows])) if m else wide,
        row_lower=np.concatenate([program.row_lower, np.full(len(side), -np.inf)]),
        row_upper=np.concatenate([program.row_upper, side]),
        lower=np.concatenate([program.lower, np.zeros(k + m)]),
        upper=np.concatenate([program.upper, np.full(k, np.inf), np.ones(m)]),
        is_integer=np.concatenate([program.is_decision, np.zeros(k + m, dtype=np.bool_)]),
        square_column=column,
        square_weight=np.concatenate([squares[1], ratios.weight]),
        square_indicator=np.concatenate([_indicators(program, plain), ratios.count]),
        is_ratio=np.repeat([False, True], [len(plain), len(ratios)]),
        n_program_columns=n,
    )


def _product_rows(
    first: int, products: tuple[IntArray, IntArray, FloatArray]
) -> tuple[sparse.csr_array, FloatArray]:
    """Return z ≤ x, z ≤ y, x + y − z ≤ 1 as rows R x ≤ side."""
    left, right, _ = products
    m = len(left)
    z, row, one = first + np.arange(m), np.arange(m), np.ones(m)
    entries = [
        (row, z, one),
        (row, left, -one),
        (m + row, z, one),
        (m + row, right, -one),
        (2 * m + row, left, one),
        (2 * m + row, right, one),
        (2 * m + row, z, -one),
    ]
    rows, columns, values = (np.concatenate([entry[i] for entry in entries]) for i in range(3))
    matrix = sparse.coo_array((values, (rows, columns)), shape=(3 * m, first + m)).tocsr()
    return matrix, np.concatenate([np.zeros(2 * m), np.ones(m)])


def _indicators(program: Program, columns: IntArray) -> IntArray:
    """Return, for each column x ≥ 0, a binary u with x ≤ U·u in every answer, or −1.

    A row a·x + Σ b·y − d·u ≤ 0 says so where a, d > 0 and no other term can be negative.
    """
    found = np.full(len(columns), -1, dtype=np.int64)
    if not len(columns):
        return found
    A = program.A
    row = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    least = np.where(A.data > 0, program.lower[A.indices], program.upper[A.indices]) * A.data
    binary = program.is_integer & (program.lower >= 0) & (program.upper <= 1)
    pulls = binary[A.indices] & (A.data < 0)
    others = np.bincount(row, np.where(pulls, 0.0, least), minlength=A.shape[0])
    single = np.bincount(row, pulls, minlength=A.shape[0]) == 1
    usable = single & (program.row_upper <= 0) & (others >= 0)
    pulling = np.full(A.shape[0], -1, dtype=np.int64)
    pulling[row[pulls]] = A.indices[pulls]
    place = {int(column): i for i, column in enumerate(columns) if program.lower[column] >= 0}
    hit = usable[row] & (A.data > 0) & np.isin(A.indices, columns)
    for r, column in zip(row[hit], A.indices[hit], strict=True):
        if int(column) in place:
            found[place[int(column)]] = pulling[r]
    return found
