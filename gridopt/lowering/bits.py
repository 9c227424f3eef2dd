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

from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, IntArray
from gridopt.lowering.encoding import Discretized, Lowering
from gridopt.lowering.lift import Lift
from gridopt.lowering.penalties import (
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
from gridopt.lowering.structure import Cardinality
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
    cardinalities : tuple of Cardinality
        Rows that are left to the sampler.
    """

    lift: Lift
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    edges: frozenset[frozenset[int]]
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
    """
    inner, options = found.program, lowering or Lowering()
    codes = [
        options.encoding_of(block_of(name)) if steps > 1 else "binary"
        for name, steps in zip(found.reduced.columns, inner.upper, strict=True)
    ]
    digits = [_digits(code, int(steps)) for code, steps in zip(codes, inner.upper, strict=True)]
    parent = np.repeat(np.arange(inner.n_columns), [len(weights) for weights in digits])
    weights = np.array([w for column in digits for w in column], dtype=np.float64)
    n_bits = len(parent)
    matrix = sparse.csr_array(
        (weights, (parent, np.arange(n_bits))), shape=(inner.n_columns, n_bits)
    )
    is_implied = inner.integrality[parent] == Integrality.IMPLIED
    rows = _rows(found, sparse.csr_array(inner.A @ matrix))
    for column, code in enumerate(codes):
        rows += _code_rows(code, np.flatnonzero(parent == column), found.reduced.columns[column])
    held = set(np.flatnonzero(np.isin(parent, list(kept))).tolist())
    left: list[Cardinality] = []
    if leave_cardinalities:
        rows, left = _without_cardinalities(rows, held)
        held |= {int(bit) for rule in left for bit in rule.bits}
    bits = Bits(
        lift=found.lift.after(Lift(matrix, np.zeros(inner.n_columns))),
        labels=tuple(found.reduced.columns[column] for column in parent),
        rows=tuple(rows),
        edges=frozenset(),
        cardinalities=tuple(left),
    )
    return without_implied_bits(bits, is_implied, held)


def block_of(label: str) -> str:
    """Return the name of the block in the label of a column or row."""
    return label.partition("[")[0]


def _digits(code: str, steps: int) -> tuple[int, ...]:
    if code == "one_hot":
        return tuple(range(steps + 1))
    return (1,) * steps if code in ("unary", "domain_wall") else counting_weights(steps)


def _code_rows(code: str, bits: IntArray, name: str) -> list[Row]:
    """Return what the bits of one column keep among themselves."""
    block = f"{code} of {block_of(name)}"
    label = f"{code} of {name}"
    if code == "one_hot":
        return [Row(bits, np.ones(len(bits)), 1.0, 1.0, np.nan, label, block)]
    if code == "domain_wall":
        order = np.array([-1.0, 1.0])
        pairs = pairwise(bits)
        return [Row(np.array(pair), order, -np.inf, 0.0, np.nan, label, block) for pair in pairs]
    return []


def _without_cardinalities(rows: list[Row], taken: Set[int]) -> tuple[list[Row], list[Cardinality]]:
    """Take out the rows that say how many bits are 1, as long as no bit is taken twice."""
    used, left, found = set(taken), list[Row](), list[Cardinality]()
    for row in rows:
        count = _count(row)
        if count is None or used & set(row.bits.tolist()):
            left.append(row)
        else:
            used |= set(row.bits.tolist())
            found.append(Cardinality(row.bits, count))
    return left, found


def _count(row: Row) -> int | None:
    """Return how many of its bits a row wants to be 1, None where it says something else."""
    if row.lower != row.upper or len(row.bits) < 2 or np.ptp(row.values) > _ROUNDING:
        return None
    count = row.upper / row.values[0]
    whole = round(count)
    return whole if abs(count - whole) <= _WHOLE and 0 <= whole <= len(row.bits) else None


def without_implied_bits(bits: Bits, is_implied: BoolArray, held: Set[int] = frozenset()) -> Bits:
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
    held : set of int
        Bits that stay bits of their own, or become constant.
    """
    free = [bit for bit in range(len(is_implied)) if bit not in held]
    order = sorted(free, key=lambda bit: (not is_implied[bit], -bit))
    work = _Substitution(bits.rows, held)
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

    def __init__(self, rows: Iterable[Row], held: Set[int]) -> None:
        self._held = held
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
                    changed = True
                elif frozenset(literal ^ 1 for literal in literals) in self.edges:
                    changed |= self._merge(*literals)

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

    def _merge(self, first: int, second: int) -> bool:
        """Exactly one of two literals holds: put one's bit in terms of the other's."""
        if second // 2 in self._held:
            first, second = second, first
        if second // 2 in self._held:
            return False
        same = first % 2 != second % 2
        slope, shift = (1.0, 0.0) if same else (-1.0, 1.0)
        self._substitute(second // 2, {first // 2: slope}, shift)
        return True

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
        cardinalities=tuple(_renumbered(rule, place, work.defined) for rule in bits.cardinalities),
    )


def _renumbered(
    rule: Cardinality, place: dict[int, int], defined: dict[int, tuple[Terms, float]]
) -> Cardinality:
    """Return a cardinality over the bits that are left; the others have become constant."""
    gone = [int(bit) for bit in rule.bits if int(bit) in defined]
    left = [place[int(bit)] for bit in rule.bits if int(bit) not in defined]
    count = rule.count - round(sum(defined[bit][1] for bit in gone))
    return Cardinality(np.array(left, dtype=np.int64), count)


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
