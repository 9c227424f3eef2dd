"""From a grid to bits: binary digits for every column, and bits that others imply left out.

Each encoding spans its column exactly, so that no bit string stands for a point out of bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, IntArray
from gridopt.encoding import Discretized
from gridopt.lift import Lift
from gridopt.penalties import (
    Knapsack,
    Row,
    UnitError,
    Units,
    counting_weights,
    edges_of,
    equals_its_conflicts,
    is_redundant,
    knapsacks,
    slack_weights,
    triple_of,
)
from gridopt.program import Integrality

Terms = dict[int, float]
"""Coefficient of each bit in a sum."""

_WHOLE = 1e-6
_ROUNDING = 1e-12
_IMPOSSIBLE = 1000


@dataclass(frozen=True, eq=False)
class Bits:
    """A program over bits: its objective, its rows, and the lift to the original program.

    Parameters
    ----------
    lift : Lift
        From the bits to the columns of the original program.
    labels : tuple of str
        Column that each bit belongs to.
    rows : tuple of Row
    edges : set of frozenset of int
        Pairs of literals that no feasible point has both of.
    """

    lift: Lift
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    edges: frozenset[frozenset[int]]


def to_bits(found: Discretized) -> Bits:
    """Return the program on the grid in bits, fewest first: implied bits are substituted."""
    inner = found.program
    digits = [counting_weights(int(steps)) for steps in inner.upper]
    parent = np.repeat(np.arange(inner.n_columns), [len(weights) for weights in digits])
    weights = np.array([w for column in digits for w in column], dtype=np.float64)
    n_bits = len(parent)
    matrix = sparse.csr_array(
        (weights, (parent, np.arange(n_bits))), shape=(inner.n_columns, n_bits)
    )
    is_implied = inner.integrality[parent] == Integrality.IMPLIED
    bits = Bits(
        lift=found.lift.after(Lift(matrix, np.zeros(inner.n_columns))),
        labels=tuple(found.reduced.columns[column] for column in parent),
        rows=tuple(_rows(found, sparse.csr_array(inner.A @ matrix))),
        edges=frozenset(),
    )
    return without_implied_bits(bits, is_implied)


def without_implied_bits(bits: Bits, is_implied: BoolArray) -> Bits:
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
    """
    order = sorted(range(len(is_implied)), key=lambda bit: (not is_implied[bit], -bit))
    work = _Substitution(bits.rows)
    work.settle()
    while sum(work.tried(bit) for bit in order):
        work.settle()
        order = [bit for bit in order if bit not in work.defined]
    return _compacted(bits, work)


class _Substitution:
    """Rows from which bits are substituted one by one; it never changes what they allow.

    Edges are drawn from the rows as they come and stay true of every feasible point, whatever
    happens to the row that they came from.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: dict[int, Row] = {}
        self.edges: set[frozenset[int]] = set()
        self.defined: dict[int, tuple[Terms, float]] = {}
        self._rows_of: dict[int, set[int]] = {}
        self._last = -1
        for row in rows:
            self._add(row)

    def settle(self) -> None:
        """Fix the bits that a row allows one value only, and merge bits that are always equal."""
        changed = True
        while changed:
            changed = False
            for edge in sorted(self.edges, key=sorted):
                literals = sorted(edge)
                if any(literal // 2 in self.defined for literal in literals):
                    continue
                if len(literals) == 1:
                    self._substitute(literals[0] // 2, {}, float(literals[0] % 2))
                elif frozenset(literal ^ 1 for literal in literals) in self.edges:
                    self._merge(*literals)
                else:
                    continue
                changed = True

    def tried(self, bit: int) -> bool:
        """Substitute `bit` through one of its rows, where that takes no slack bit."""
        for number in sorted(self._rows_of.get(bit, ())):
            terms = _definition(self.rows[number], bit)
            if terms is not None and self._is_worth(bit, number, *terms):
                bound = _bounds_of_bit(self.rows[number], *terms)
                self._remove(number)
                self._substitute(bit, *terms)
                self._add(bound)
                return True
        return False

    def _is_worth(self, bit: int, number: int, terms: Terms, shift: float) -> bool:
        bound = _bounds_of_bit(self.rows[number], terms, shift)
        if not all(_side_is_free(side, self.edges) for side in knapsacks(bound)):
            return False
        before = [self.rows[k] for k in self._rows_of[bit] if k != number]
        return all(
            _slack_bits(_put(row, bit, terms, shift), self.edges) <= _slack_bits(row, self.edges)
            for row in before
        )

    def _merge(self, first: int, second: int) -> None:
        """Exactly one of two literals holds: put the second one's bit in terms of the first's."""
        same = first % 2 != second % 2
        slope, shift = (1.0, 0.0) if same else (-1.0, 1.0)
        self._substitute(second // 2, {first // 2: slope}, shift)

    def _substitute(self, bit: int, terms: Terms, shift: float) -> None:
        self.defined[bit] = terms, shift
        for number in sorted(self._rows_of.get(bit, ())):
            row = self.rows[number]
            self._remove(number)
            self._add(_put(row, bit, terms, shift), number)

    def _remove(self, number: int) -> None:
        for bit in self.rows.pop(number).bits:
            self._rows_of[int(bit)].discard(number)

    def _add(self, row: Row, number: int | None = None) -> None:
        if number is None:
            self._last += 1
            number = self._last
        self.rows[number] = row
        self.edges |= edges_of([row])
        for bit in row.bits:
            self._rows_of.setdefault(int(bit), set()).add(number)


def _bounds_of_bit(row: Row, terms: Terms, shift: float) -> Row:
    return _row(terms, -shift, 1.0 - shift, row, f"bounds of a bit in {row.label}")


def _definition(row: Row, bit: int) -> tuple[Terms, float] | None:
    """Return z_bit = Σ terms + shift from an equality of whole multiples of its coefficient."""
    if row.lower != row.upper or np.isfinite(row.unit):
        return None
    pivot = row.values[row.bits == bit][0]
    scaled = np.append(row.values, row.upper) / pivot
    if np.abs(scaled - np.rint(scaled)).max() > _WHOLE:
        return None
    whole = np.rint(scaled)
    terms = {int(k): -float(v) for k, v in zip(row.bits, whole[:-1], strict=True) if k != bit}
    return terms, float(whole[-1])


def _row(terms: Terms, lower: float, upper: float, like: Row, label: str) -> Row:
    least = _ROUNDING * max(map(abs, terms.values()), default=0.0)
    kept = {bit: value for bit, value in sorted(terms.items()) if abs(value) > least}
    return Row(
        np.array(list(kept), dtype=np.int64),
        np.array(list(kept.values()), dtype=np.float64),
        lower,
        upper,
        like.unit,
        label,
        like.block,
    )


def _put(row: Row, bit: int, terms: Terms, shift: float) -> Row:
    mine = {int(k): float(v) for k, v in zip(row.bits, row.values, strict=True)}
    factor = mine.pop(bit)
    for other, value in terms.items():
        mine[other] = mine.get(other, 0.0) + factor * value
    moved = factor * shift
    return _row(mine, row.lower - moved, row.upper - moved, row, row.label)


def _side_is_free(side: Knapsack, edges: Set[frozenset[int]]) -> bool:
    return is_redundant(side) or equals_its_conflicts(side) or triple_of(side, edges) is not None


def _slack_bits(row: Row, edges: Set[frozenset[int]]) -> int:
    """Return how many slack bits `row` would take."""
    if row.lower == row.upper:
        return 0
    if all(_side_is_free(side, edges) for side in knapsacks(row)):
        return 0
    try:
        whole = Units(rounding=False).whole(row)
    except UnitError:
        return _IMPOSSIBLE
    return len(slack_weights(whole.upper - whole.lower))


def _compacted(bits: Bits, work: _Substitution) -> Bits:
    """Give the bits that are left new numbers, and the definitions in terms of them."""
    n = bits.lift.n_in
    kept = np.array([bit for bit in range(n) if bit not in work.defined], dtype=np.int64)
    place = {int(bit): k for k, bit in enumerate(kept)}
    resolved = _resolved(work.defined, n, kept)
    renumbered = [
        row._replace(bits=np.array([place[int(bit)] for bit in row.bits], dtype=np.int64))
        for _, row in sorted(work.rows.items())
    ]
    edges = {
        frozenset(2 * place[literal // 2] + literal % 2 for literal in edge)
        for edge in work.edges
        if not any(literal // 2 in work.defined for literal in edge)
    }
    return Bits(
        lift=bits.lift.after(resolved),
        labels=tuple(bits.labels[bit] for bit in kept),
        rows=tuple(renumbered),
        edges=frozenset(edges),
    )


def _resolved(defined: dict[int, tuple[Terms, float]], n: int, kept: IntArray) -> Lift:
    """Return the lift from the kept bits to all n; later definitions may stand in earlier ones."""
    known: dict[int, tuple[Terms, float]] = {
        int(bit): ({k: 1.0}, 0.0) for k, bit in enumerate(kept)
    }
    for bit in reversed(defined):
        terms, shift = defined[bit]
        total: Terms = {}
        for other, value in terms.items():
            inner, moved = known[other]
            shift += value * moved
            for k, factor in inner.items():
                total[k] = total.get(k, 0.0) + value * factor
        known[bit] = ({k: value for k, value in total.items() if value}, shift)
    entries = list(_entries(known))
    row = np.array([bit for bit, _, _ in entries], dtype=np.int64)
    column = np.array([k for _, k, _ in entries], dtype=np.int64)
    amounts = np.array([value for _, _, value in entries], dtype=np.float64)
    shifts = np.array([known[bit][1] for bit in range(n)], dtype=np.float64)
    return Lift(sparse.csr_array((amounts, (row, column)), shape=(n, len(kept))), shifts)


def _entries(
    known: dict[int, tuple[Terms, float]],
) -> Iterator[tuple[int, int, float]]:
    for bit, (terms, _) in known.items():
        for k, value in terms.items():
            yield bit, k, value


def _rows(found: Discretized, matrix: sparse.csr_array) -> list[Row]:
    program, names = found.program, found.reduced
    start = matrix.indptr
    return [
        Row(
            matrix.indices[start[r] : start[r + 1]].astype(np.int64),
            matrix.data[start[r] : start[r + 1]].astype(np.float64),
            float(program.row_lower[r]),
            float(program.row_upper[r]),
            float(found.unit[r]),
            names.rows[r],
            names.blocks[r],
        )
        for r in range(program.n_rows)
    ]
