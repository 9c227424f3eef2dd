"""Exact reductions of a program, each one step: less program, and the lift back.

A step never changes the optimum, and every point of the reduced program lifts to a point of the
original with the same objective (Andersen & Andersen, Math. Program. 71, 1995, 221-245; Achterberg
et al., INFORMS J. Comput. 32, 2020, 473-506).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.lowering.lift import Lift
from gridopt.program import Block, Program

SMALL = 1e-9
"""Relative rounding of sums: differences below it are no differences."""

LONGEST_SUM = 10
"""Entries of a row, at most, that a column in several rows is substituted by."""

_PASSES = 10


@dataclass(frozen=True, eq=False)
class Reduced:
    """A program, where its columns and rows come from, and the way back.

    Parameters
    ----------
    program : Program
        Its own blocks are flat; the names are here.
    lift : Lift
        To the columns of the original program.
    columns, rows : tuple of str
        Labels of the columns and rows, such as ``on[3, 5]``.
    blocks : tuple of str
        Row block that each row came from.
    """

    program: Program
    lift: Lift
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    blocks: tuple[str, ...]


class Entries(NamedTuple):
    """The nonzeros of a matrix: row, column and value of each."""

    row: IntArray
    column: IntArray
    value: FloatArray


class Activity(NamedTuple):
    """Least and greatest value of each row over the box, (m,)."""

    least: FloatArray
    greatest: FloatArray


def reduced(program: Program, substitute_sums: bool = True) -> Reduced:
    """Return `program` after every exact reduction of this module, `without_sums` if asked for.

    Fixed columns leave, continuous columns that one equality defines go into the objective, and
    bounds of whole columns and missing bounds are drawn from the rows: in this order, since a
    column with a bound that was drawn from its row would no longer look free.
    """
    found = without_column_singletons(without_fixed_columns(unreduced(program)))
    if substitute_sums:
        found = without_sums(found)
    return without_idle_rows(without_fixed_columns(with_implied_bounds(found)))


def unreduced(program: Program) -> Reduced:
    """Return `program` with its labels and the identity lift."""
    blocks = [name for name, block in program.rows.items() for _ in range(block.size)]
    return Reduced(
        program=program,
        lift=Lift.identity(program.n_columns),
        columns=_labels(program.variables.values()),
        rows=_labels(program.rows.values()),
        blocks=tuple(blocks),
    )


def without_rows(program: Program, names: Collection[str]) -> Program:
    """Return a program without the rows of some blocks."""
    kept: dict[str, Block] = {}
    rows: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    for name, block in program.rows.items():
        if name not in names:
            kept[name] = replace(block, first=sum(part.size for part in kept.values()))
            rows.append(block.numbers.ravel())
    left = np.concatenate(rows)
    return replace(
        program,
        A=sparse.csr_array(program.A[left, :]),
        row_lower=program.row_lower[left],
        row_upper=program.row_upper[left],
        rows=kept,
    )


def without_fixed_columns(found: Reduced) -> Reduced:
    """Drop the columns whose two bounds are the same."""
    program = found.program
    kept = np.flatnonzero(program.lower < program.upper)
    shift = np.where(program.lower < program.upper, 0.0, program.lower)
    return substituted(found, Lift.columns(program.n_columns, kept, shift=shift), kept)


def without_idle_rows(found: Reduced) -> Reduced:
    """Drop the rows that every point of the box holds."""
    program = found.program
    least, greatest = activity(program)
    room = SMALL * (1.0 + np.asarray(abs(program.A).sum(axis=1)))
    idle = (least >= program.row_lower - room) & (greatest <= program.row_upper + room)
    return _with_rows(found, np.flatnonzero(~idle))


def without_column_singletons(found: Reduced) -> Reduced:
    """Substitute continuous columns that a single equality defines and no bound holds back.

    Where the continuous x_j stands in one row only, Σ a_i x_i + a_j x_j = b, and its bounds cannot
    bind while that row holds, x_j = (b − Σ a_i x_i) / a_j goes into the objective and the row is
    gone. A quadratic cost of x_j becomes products of the others: an import with cost λm + κm²/2
    in a balance turns the balance into a quadratic objective that needs no penalty, no slack and
    no resolution.
    """
    while pairs := _free_singletons(found.program):
        found = _without_pairs(found, pairs)
    return found


def without_sums(found: Reduced) -> Reduced:
    """Substitute continuous columns that a short equality defines, wherever else they stand.

    As `without_column_singletons`, for a column in several rows: power as the sum of its cost
    segments. Rows of up to `LONGEST_SUM` entries, so that the program does not fill up.
    """
    while pairs := _free_columns(found.program):
        found = _without_pairs(found, pairs)
    return found


def with_implied_bounds(found: Reduced) -> Reduced:
    """Tighten whole columns, and bound unbounded continuous ones, by what the rows allow.

    A continuous column that has a finite bound keeps it, so that a resolution that divided the
    stated range still does.
    """
    program = found.program
    for _ in range(_PASSES):
        lower, upper = _implied_bounds(program)
        if np.any(lower > upper):
            # No point exists; the rows say so later, in their own names.
            return found
        if np.array_equal(lower, program.lower) and np.array_equal(upper, program.upper):
            break
        program = replace(program, lower=lower, upper=upper)
    return replace(found, program=program)


def substituted(
    found: Reduced, lift: Lift, kept: IntArray, rows: IntArray | None = None
) -> Reduced:
    """Return the program in the columns `kept` alone, through x = lift(y).

    Parameters
    ----------
    found : Reduced
    lift : Lift
        From the kept columns to the columns of ``found.program``.
    kept : array of int, (k,)
    rows : array of int or None
        Rows that stay; all where None.
    """
    program = found.program
    M, shift = lift.matrix, lift.shift
    on_shift = np.asarray(program.Q @ shift)
    quadratic = sparse.csr_array(M.T @ program.Q @ M)
    matrix = sparse.csr_array(program.A @ M)
    matrix.data[np.abs(matrix.data) < SMALL * _scale(program.A)] = 0.0
    matrix.eliminate_zeros()
    quadratic.eliminate_zeros()
    moved = np.asarray(program.A @ shift)
    inner = Program(
        Q=quadratic,
        c=np.asarray(M.T @ (program.c + 2.0 * on_shift)),
        c0=program.c0 + float(program.c @ shift + shift @ on_shift),
        A=matrix,
        row_lower=program.row_lower - moved,
        row_upper=program.row_upper - moved,
        lower=program.lower[kept],
        upper=program.upper[kept],
        integrality=program.integrality[kept],
        variables=_flat("column", len(kept)),
        rows=_flat("row", program.n_rows),
    )
    labels = tuple(found.columns[column] for column in kept)
    result = replace(found, program=inner, lift=found.lift.after(lift), columns=labels)
    return result if rows is None else _with_rows(result, rows)


def activity(program: Program) -> Activity:
    """Return the least and greatest value of each row over the box of the bounds, (m,) each."""
    entries = entries_of(program.A)
    low, high = _ends(program, entries)
    return Activity(
        _sums(entries.row, low, program.n_rows), _sums(entries.row, high, program.n_rows)
    )


def entries_of(matrix: sparse.csr_array) -> Entries:
    """Return the nonzeros of `matrix`, row by row."""
    coo = matrix.tocoo()
    row, column = coo.coords
    return Entries(row.astype(np.int64), column.astype(np.int64), coo.data.astype(np.float64))


def _ends(program: Program, entries: Entries) -> tuple[FloatArray, FloatArray]:
    at_lower = entries.value * program.lower[entries.column]
    at_upper = entries.value * program.upper[entries.column]
    return np.minimum(at_lower, at_upper), np.maximum(at_lower, at_upper)


def _sums(row: IntArray, part: FloatArray, n_rows: int) -> FloatArray:
    return np.bincount(row, part, n_rows).astype(np.float64)


def _rest(row: IntArray, part: FloatArray, n_rows: int) -> FloatArray:
    """Sum of each entry's row without the entry itself; infinite parts are counted apart."""
    finite = np.isfinite(part)
    total = np.bincount(row, np.where(finite, part, 0.0), n_rows)
    infinite = np.bincount(row, ~finite, n_rows)
    others = infinite[row] - ~finite
    unbounded = np.where(part.min(initial=0.0) == -np.inf, -np.inf, np.inf)
    return np.where(others > 0, unbounded, total[row] - np.where(finite, part, 0.0))


def _implied_bounds(program: Program) -> tuple[FloatArray, FloatArray]:
    entries = entries_of(program.A)
    whole = program.is_integer
    room = 1e-6
    lower = np.where(whole, np.ceil(program.lower - room), program.lower)
    upper = np.where(whole, np.floor(program.upper + room), program.upper)
    low, high = _ends(program, entries)
    most = program.row_upper[entries.row] - _rest(entries.row, low, program.n_rows)
    least = program.row_lower[entries.row] - _rest(entries.row, high, program.n_rows)
    positive = entries.value > 0
    up = np.where(positive, most, least) / entries.value
    down = np.where(positive, least, most) / entries.value
    implied_upper = np.full(program.n_columns, np.inf)
    implied_lower = np.full(program.n_columns, -np.inf)
    np.minimum.at(implied_upper, entries.column, up)
    np.maximum.at(implied_lower, entries.column, down)
    implied_upper[whole] = np.floor(implied_upper[whole] + room)
    implied_lower[whole] = np.ceil(implied_lower[whole] - room)
    open_up, open_down = whole | np.isinf(upper), whole | np.isinf(lower)
    upper[open_up] = np.minimum(upper, implied_upper)[open_up]
    lower[open_down] = np.maximum(lower, implied_lower)[open_down]
    return lower, upper


def _free_columns(program: Program) -> list[tuple[int, int]]:
    """Short rows and the column that each defines; no such row holds another such column."""
    length = np.diff(program.A.indptr)
    taken: set[int] = set()
    pairs = []
    for row, column in _defined(program, length[entries_of(program.A).row] <= LONGEST_SUM):
        part = slice(program.A.indptr[row], program.A.indptr[row + 1])
        members = set(program.A.indices[part].tolist())
        if not members & taken:
            taken |= members
            pairs.append((row, column))
    return pairs


def _free_singletons(program: Program) -> list[tuple[int, int]]:
    """Rows and the column that each of them defines, at most one a row."""
    entries = entries_of(program.A)
    count = np.bincount(entries.column, minlength=program.n_columns)
    return _defined(program, count[entries.column] == 1)


def _defined(program: Program, allowed: BoolArray) -> list[tuple[int, int]]:
    """Equality rows and the widest continuous column that each defines, among allowed entries."""
    entries = entries_of(program.A)
    equality = program.row_lower == program.row_upper
    free = allowed & ~program.is_integer[entries.column]
    candidates = np.flatnonzero(free & equality[entries.row])
    if not len(candidates):
        return []
    low, high = _ends(program, entries)
    rest_low = _rest(entries.row, low, program.n_rows)
    rest_high = _rest(entries.row, high, program.n_rows)
    best: dict[int, tuple[float, int]] = {}
    for k in candidates:
        row, column, value = int(entries.row[k]), int(entries.column[k]), entries.value[k]
        side = program.row_lower[row]
        ends = sorted(((side - rest_low[k]) / value, (side - rest_high[k]) / value))
        room = SMALL * (1.0 + abs(side))
        if ends[0] >= program.lower[column] - room and ends[1] <= program.upper[column] + room:
            width = float(program.upper[column] - program.lower[column])
            best[row] = max(best.get(row, (-1.0, -1)), (width, column))
    return [(row, column) for row, (_, column) in best.items()]


def _without_pairs(found: Reduced, pairs: list[tuple[int, int]]) -> Reduced:
    program = found.program
    gone_rows = np.array([row for row, _ in pairs])
    gone = np.array([column for _, column in pairs])
    kept = np.setdiff1d(np.arange(program.n_columns), gone)
    rows = np.setdiff1d(np.arange(program.n_rows), gone_rows)
    return substituted(found, defined_by_rows(program, gone_rows, gone, kept), kept, rows)


def defined_by_rows(program: Program, rows: IntArray, columns: IntArray, kept: IntArray) -> Lift:
    """Return the lift that gives each of `columns` the value its equality row asks for.

    Parameters
    ----------
    program : Program
    rows, columns : array of int, (d,)
        An equality row and the column it defines; no such row holds another such column.
    kept : array of int, (n − d,)
        All other columns.
    """
    n = program.n_columns
    block = sparse.csr_array(program.A[rows, :])
    pivot = np.asarray(block.tocsc()[np.arange(len(rows)), columns], dtype=np.float64).ravel()
    scaled = sparse.csr_array(sparse.diags_array(-1.0 / pivot) @ block[:, kept])
    place = sparse.csr_array(
        (np.ones(len(columns)), (columns, np.arange(len(columns)))), shape=(n, len(columns))
    )
    shift = np.zeros(n)
    shift[columns] = program.row_lower[rows] / pivot
    matrix = sparse.csr_array(Lift.columns(n, kept).matrix + place @ scaled)
    return Lift(matrix, shift)


def _with_rows(found: Reduced, rows: IntArray) -> Reduced:
    program = found.program
    inner = replace(
        program,
        A=sparse.csr_array(program.A[rows, :]),
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
        rows=_flat("row", len(rows)),
    )
    return replace(
        found,
        program=inner,
        rows=tuple(found.rows[row] for row in rows),
        blocks=tuple(found.blocks[row] for row in rows),
    )


def _labels(blocks: Iterable[Block]) -> tuple[str, ...]:
    return tuple(label for block in blocks for label in block.every_label())


def _flat(name: str, size: int) -> dict[str, Block]:
    return {name: Block(name, 0, (size,))}


def _scale(matrix: sparse.csr_array) -> float:
    return float(np.abs(matrix.data).max(initial=1.0))


def open_columns(program: Program) -> BoolArray:
    """Columns that lack a finite bound, (n,)."""
    return ~(np.isfinite(program.lower) & np.isfinite(program.upper))
