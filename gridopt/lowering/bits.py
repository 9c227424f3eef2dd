"""From a grid to bits: an encoding for every column, and bits that others imply left out.

A column of n + 1 values is written as

===========  ======  ==================================================================
encoding     bits    value
===========  ======  ==================================================================
binary       ⌈log₂⌉  Σ 2^k z_k, the last weight adjusted so that it spans 0 … n exactly
unary        n       Σ z_k, in any order
domain_wall  n       Σ z_k with z_{k+1} ≤ z_k, kept by pairs in conflict
one_hot      n + 1   Σ k z_k with Σ z_k = 1
===========  ======  ==================================================================

No bit string that keeps these rows stands for a point out of bounds. Domain walls: Chancellor 2019,
"Domain wall encoding of discrete variables for quantum annealing and QAOA",
doi 10.1088/2058-9565/ab33c2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.errors import TooLargeError
from gridopt.lowering.encoding import ENCODINGS, Discretized, Lowering
from gridopt.lowering.lift import Lift
from gridopt.lowering.penalties import Row, Rows, counting_weights, power_above, with_space
from gridopt.lowering.reduction import Labels
from gridopt.lowering.row_kernels import EMPTY
from gridopt.lowering.structure import Cardinality
from gridopt.lowering.substitution import (
    BIT,
    DEFINED,
    DEFINITION,
    EDGES,
    ENTRIES,
    FAILED,
    GONE,
    IN_EQUALITY,
    IS_BOUND,
    IS_HELD,
    LOWER,
    MAY_LEAVE,
    ROWS,
    SIZE,
    SOURCE,
    START,
    UNIT,
    UPPER,
    Edges,
    Work,
    resolve,
    substitute,
)
from gridopt.program import Integrality

MOST_BITS = 10**7
"""Bits of a QUBO, at most: some gigabytes before the first coupling."""

_WHOLE = 1e-6
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Bits:
    """A program over bits: its objective, its rows, and the lift to the original program.

    Parameters
    ----------
    lift : Lift
        From the bits to the columns of the original program.
    labels : Labels
        Column that each bit belongs to.
    rows : Rows
    edges : array of int, (k,)
        Pairs of literals that no feasible point has both of: keys of `row_kernels`.
    cardinalities : tuple of Cardinality
        Rows that are left to the sampler.
    """

    lift: Lift
    labels: Labels
    rows: Rows
    edges: IntArray
    cardinalities: tuple[Cardinality, ...] = ()


def to_bits(
    found: Discretized,
    lowering: Lowering | None = None,
    kept: Collection[int] = (),
    leave_cardinalities: bool = False,
) -> Bits:
    """Return the program on the grid in bits, fewest first: implied bits are substituted.

    Parameters
    ----------
    found : Discretized
    lowering : Lowering or None
        Says how columns are encoded; default options where None.
    kept : collection of int
        Columns of the grid's program, of two values each, whose bits must not be substituted.
    leave_cardinalities : bool
        Whether rows that say how many of some bits are 1 are left to the sampler, as far as no
        bit is in two of them.

    Raises
    ------
    TooLargeError
        Where there would be more than `MOST_BITS` bits.
    """
    inner = found.program
    digits = _digits_of(found, lowering or Lowering())
    parent = np.repeat(np.arange(inner.n_columns), np.diff(digits.start))
    n_bits = len(parent)
    matrix = sparse.csr_array(
        (digits.weights, (parent, np.arange(n_bits))), shape=(inner.n_columns, n_bits)
    )
    rows = _with_code_rows(found, digits, _rows(found, matrix))
    is_held = np.isin(parent, list(kept))
    left: list[Cardinality] = []
    if leave_cardinalities:
        rows, left = _without_cardinalities(rows, is_held)
    bits = Bits(
        lift=found.lift.after(Lift(matrix, np.zeros(inner.n_columns))),
        labels=found.reduced.columns.taken(parent),
        rows=rows,
        edges=np.zeros(0, dtype=np.int64),
        cardinalities=tuple(left),
    )
    return without_implied_bits(bits, inner.integrality[parent] == Integrality.IMPLIED, is_held)


class _Digits(NamedTuple):
    """The bits of column c are those from ``start[c]`` on; its place in `ENCODINGS`."""

    start: IntArray
    weights: FloatArray
    code: IntArray


def block_of(label: str) -> str:
    """Return the name of the block in the label of a column or row."""
    return label.partition("[")[0]


def _digits_of(found: Discretized, options: Lowering) -> _Digits:
    steps = found.program.upper.astype(np.int64)
    labels = found.reduced.columns
    codes = np.array([ENCODINGS.index(options.encoding_of(block.name)) for block in labels.blocks])
    code = np.where(steps > 1, codes[labels.block_numbers], 0) if len(steps) else steps
    kinds, kind = np.unique(steps * len(ENCODINGS) + code, return_inverse=True)
    known = [_digits(ENCODINGS[k % len(ENCODINGS)], k // len(ENCODINGS)) for k in kinds.tolist()]
    size = np.array([len(weights) for weights in known], dtype=np.int64)
    first = np.cumsum(size) - size
    start = np.concatenate(([0], np.cumsum(size[kind]))).astype(np.int64)
    if start[-1] > MOST_BITS:
        raise TooLargeError(
            f"{start[-1]:.3g} bits are more than the {MOST_BITS:.0e} that a QUBO is made of: take "
            "a coarser resolution, fewer levels or the binary encoding"
        )
    place = np.repeat(first[kind] - start[:-1], size[kind]) + np.arange(start[-1])
    weights = np.array([weight for weights in known for weight in weights], dtype=np.float64)
    return _Digits(start, weights[place], code)


def _digits(code: str, steps: int) -> tuple[int, ...]:
    if code == "one_hot":
        return tuple(range(steps + 1))
    return (1,) * steps if code in ("unary", "domain_wall") else counting_weights(steps)


def _rows(found: Discretized, digits: sparse.csr_array) -> Rows:
    """Return the rows of the grid's program over bits."""
    program, names = found.program, found.reduced.rows
    matrix = sparse.csr_array(program.A @ digits)
    matrix.sort_indices()
    return Rows(
        start=matrix.indptr.astype(np.int64),
        bits=matrix.indices.astype(np.int64),
        values=matrix.data.astype(np.float64),
        lower=program.row_lower,
        upper=program.row_upper,
        unit=found.unit,
        source=np.arange(program.n_rows),
        is_bound=np.zeros(program.n_rows, dtype=np.bool_),
        names=names,
        blocks=tuple(block.name for block in names.blocks),
        block=names.block_numbers,
    )


def _with_code_rows(found: Discretized, digits: _Digits, rows: Rows) -> Rows:
    """Add what the bits of each column keep among themselves."""
    added = [
        row
        for column in np.flatnonzero(digits.code).tolist()
        for row in _code_rows(
            ENCODINGS[digits.code[column]],
            np.arange(digits.start[column], digits.start[column + 1]),
            found.reduced.columns[column],
        )
    ]
    return rows.extended(added) if added else rows


def _code_rows(code: str, bits: IntArray, name: str) -> Iterator[Row]:
    block = f"{code} of {block_of(name)}"
    label = f"{code} of {name}"
    if code == "one_hot":
        yield Row(bits, np.ones(len(bits)), 1.0, 1.0, np.nan, label, block)
        return
    order = np.array([-1.0, 1.0])
    for pair in pairwise(bits) if code == "domain_wall" else ():
        yield Row(np.array(pair), order, -np.inf, 0.0, np.nan, label, block)


def _without_cardinalities(rows: Rows, is_held: BoolArray) -> tuple[Rows, list[Cardinality]]:
    """Take out the rows that say how many bits are 1, as long as no bit is taken twice.

    Bits that are taken are marked in `is_held`.
    """
    is_left, found = np.ones(len(rows), dtype=np.bool_), list[Cardinality]()
    for number in np.flatnonzero((rows.lower == rows.upper) & (np.diff(rows.start) > 1)).tolist():
        row = rows[number]
        count = _count(row)
        if count is not None and not is_held[row.bits].any():
            is_held[row.bits] = True
            is_left[number] = False
            found.append(Cardinality(row.bits, count))
    return rows.taken(np.flatnonzero(is_left)), found


def _count(row: Row) -> int | None:
    """Return how many of its bits an equality wants to be 1, None where it says something else."""
    if np.ptp(row.values) > _ROUNDING:
        return None
    count = row.upper / row.values[0]
    whole = round(count)
    return whole if abs(count - whole) <= _WHOLE and 0 <= whole <= len(row.bits) else None


def without_implied_bits(bits: Bits, is_implied: BoolArray, is_held: BoolArray) -> Bits:
    """Substitute bits that an equality defines, where that takes no slack bit.

    With a row Σ a_i z_i ± z_j = b of whole numbers, z_j is a whole number of itself and leaves;
    what remains of it are 0 ≤ z_j ≤ 1, two rows over the others. It is done only where these, and
    the rows that z_j stood in, need no more slack bits than before: stop = start − on + on' of a
    commitment leaves this way, and so does one bit of every one-of-many row.

    Parameters
    ----------
    bits : Bits
    is_implied : array of bool, (n_bits,)
        Bits to try first.
    is_held : array of bool, (n_bits,)
        Bits that stay bits of their own, or become constant.
    """
    n_bits = bits.lift.n_in
    backwards = np.arange(n_bits - 1, -1, -1)
    order = backwards[np.argsort(~is_implied[backwards], kind="stable")]
    order = order[~is_held[order]]

    def attempt(space: int) -> Work:
        work = _work(bits.rows, is_held, space)
        substitute(work, order)
        return work

    return _compacted(bits, with_space(attempt))


def _work(rows: Rows, is_held: BoolArray, space: int) -> Work:
    n_rows, n_entries, n_bits = len(rows), len(rows.bits), len(is_held)
    most = space * (n_entries + n_bits + 16)
    row = np.full((n_rows + n_bits, 6), EMPTY, dtype=np.int64)
    row[:n_rows, START], row[:n_rows, SIZE] = rows.start[:-1], np.diff(rows.start)
    row[:n_rows, SOURCE], row[:n_rows, IS_BOUND] = np.arange(n_rows), 0
    side = np.full((n_rows + n_bits, 4), np.nan)
    side[:n_rows, :FAILED] = np.column_stack((rows.lower, rows.upper, rows.unit))
    bit = np.full((n_bits, 5), EMPTY, dtype=np.int64)
    bit[:, IS_HELD], bit[:, IN_EQUALITY], bit[:, MAY_LEAVE] = is_held, 0, 0
    entry_bit, entry_value = np.empty(most, dtype=np.int64), np.empty(most)
    entry_bit[:n_entries], entry_value[:n_entries] = rows.bits, rows.values
    used = np.zeros(6, dtype=np.int64)
    used[ROWS], used[ENTRIES] = n_rows, n_entries
    return Work(
        row=row,
        side=side,
        bit=bit,
        entry_bit=entry_bit,
        entry_value=entry_value,
        link=np.empty((most, 2), dtype=np.int64),
        definition=np.empty((n_bits, 3), dtype=np.int64),
        shift=np.empty(n_bits),
        edges=Edges(np.full(power_above(2 * most), EMPTY), np.empty(most, dtype=np.int64)),
        used=used,
        literals=np.empty(n_bits + 1, dtype=np.int64),
        weights=np.empty(n_bits + 1),
        new_bits=np.empty(2 * n_bits + 1, dtype=np.int64),
        new_values=np.empty(2 * n_bits + 1),
        found=np.empty(n_rows + n_bits, dtype=np.int64),
    )


def _compacted(bits: Bits, work: Work) -> Bits:
    """Give the bits that are left new numbers, and the definitions in terms of them."""
    is_kept = work.bit[:, DEFINITION] == EMPTY
    kept = np.flatnonzero(is_kept)
    place = np.cumsum(is_kept) - 1
    resolved = _resolved(work, kept, place)
    width = 2 * len(is_kept)
    ends = np.stack(np.divmod(work.edges.keys[: work.used[EDGES]], width))
    ends = ends[:, is_kept[ends // 2].all(axis=0)]
    first, second = 2 * place[ends // 2] + ends % 2
    return Bits(
        lift=bits.lift.after(resolved),
        labels=bits.labels.taken(kept),
        rows=_left(bits.rows, work, place),
        edges=np.sort(np.minimum(first, second) * 2 * len(kept) + np.maximum(first, second)),
        cardinalities=tuple(
            _renumbered(rule, is_kept, place, resolved.shift) for rule in bits.cardinalities
        ),
    )


def _left(rows: Rows, work: Work, place: IntArray) -> Rows:
    """Return the rows that are left, over new numbers of bits."""
    row = work.row[: work.used[ROWS]]
    numbers = np.flatnonzero(row[:, SIZE] != GONE)
    row, side = row[numbers], work.side[numbers]
    start = np.concatenate(([0], np.cumsum(row[:, SIZE])))
    entry = np.repeat(row[:, START] - start[:-1], row[:, SIZE]) + np.arange(start[-1])
    source = row[:, SOURCE]
    return replace(
        rows,
        start=start,
        bits=place[work.entry_bit[entry]],
        values=work.entry_value[entry],
        lower=side[:, LOWER].copy(),
        upper=side[:, UPPER].copy(),
        unit=side[:, UNIT].copy(),
        source=rows.source[source],
        is_bound=rows.is_bound[source] | (row[:, IS_BOUND] == 1),
    )


def _renumbered(
    rule: Cardinality, is_kept: BoolArray, place: IntArray, shift: FloatArray
) -> Cardinality:
    """Return a cardinality over the bits that are left; the others have become constant."""
    gone = rule.bits[~is_kept[rule.bits]]
    left = place[rule.bits[is_kept[rule.bits]]]
    return Cardinality(left, rule.count - round(float(shift[gone].sum())))


def _resolved(work: Work, kept: IntArray, place: IntArray) -> Lift:
    """Return the lift from the kept bits to all bits."""
    n = len(place)

    def attempt(space: int) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
        most = space * (n + 16)
        start = np.zeros((n, 2), dtype=np.int64)
        column, value, shift = np.zeros(most, dtype=np.int64), np.zeros(most), np.zeros(n)
        size = resolve(work, place, start, column, value, shift)
        return start, column[:size], value[:size], shift

    start, column, value, shift = with_space(attempt)
    gone = work.definition[: work.used[DEFINED], BIT][::-1]
    row = np.repeat(gone, start[gone, 1] - start[gone, 0])
    matrix = sparse.csr_array(
        (
            np.concatenate((np.ones(len(kept)), value)),
            (np.concatenate((kept, row)), np.concatenate((place[kept], column))),
        ),
        shape=(n, len(kept)),
    )
    matrix.eliminate_zeros()
    return Lift(matrix, shift)
