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

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, IntArray
from gridopt.lowering.encoding import Discretized, Lowering
from gridopt.lowering.lift import Lift
from gridopt.lowering.penalties import counting_weights, slack_weights
from gridopt.lowering.rows import Edges, Pattern, Patterns, Row, at_bits
from gridopt.lowering.structure import Cardinality
from gridopt.lowering.units import UnitError, Units
from gridopt.program import Integrality

Terms = dict[int, float]
"""Coefficient of each bit in a sum."""

_WHOLE = 1e-6
_ROUNDING = 1e-12
_IMPOSSIBLE = 1000
_LONGEST = 64
"""Bits of a row, at most, whose edges are drawn."""


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
    edges : Edges
    cardinalities : tuple of Cardinality
        Rows that are left to the sampler.
    """

    lift: Lift
    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    edges: Edges
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
    names = found.reduced.columns
    codes = [
        options.encoding_of(block_of(name)) if steps > 1 else "binary"
        for name, steps in zip(names, inner.upper.tolist(), strict=True)
    ]
    digits = [_digits(code, int(n)) for code, n in zip(codes, inner.upper.tolist(), strict=True)]
    length = np.array([len(weights) for weights in digits], dtype=np.int64)
    parent = np.repeat(np.arange(inner.n_columns), length)
    weights = np.fromiter(chain.from_iterable(digits), dtype=np.float64)
    n_bits = len(parent)
    matrix = sparse.csr_array(
        (weights, (parent, np.arange(n_bits))), shape=(inner.n_columns, n_bits)
    )
    is_implied = inner.integrality[parent] == Integrality.IMPLIED
    patterns = Patterns()
    rows = _rows(found, sparse.csr_array(inner.A @ matrix), patterns)
    last = np.cumsum(length).tolist()
    for code, end, weights_of, name in zip(codes, last, digits, names, strict=True):
        if code in {"one_hot", "domain_wall"}:
            rows += _code_rows(code, range(end - len(weights_of), end), name, patterns)
    held = set(np.flatnonzero(np.isin(parent, list(kept))).tolist())
    left: list[Cardinality] = []
    if leave_cardinalities:
        rows, left = _without_cardinalities(rows, held)
        held |= {int(bit) for rule in left for bit in rule.bits}
    work = Substitution(rows, n_bits, held, patterns)
    substitute_implied_bits(work, is_implied)
    return _compacted(
        Bits(
            lift=found.lift.after(Lift(matrix, np.zeros(inner.n_columns))),
            labels=tuple(names[column] for column in parent.tolist()),
            rows=(),
            edges=work.edges,
            cardinalities=tuple(left),
        ),
        work,
    )


def block_of(label: str) -> str:
    """Return the name of the block in the label of a column or row."""
    return label.partition("[")[0]


@lru_cache(maxsize=256)
def _digits(code: str, steps: int) -> tuple[int, ...]:
    if code == "one_hot":
        return tuple(range(steps + 1))
    return (1,) * steps if code in ("unary", "domain_wall") else counting_weights(steps)


def _rows(found: Discretized, matrix: sparse.csr_array, patterns: Patterns) -> list[Row]:
    program, names = found.program, found.reduced
    start, bits, values = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
    return [
        Row(tuple(bits[a:b]), patterns.of(tuple(values[a:b]), lower, upper, unit), label, block)
        for a, b, lower, upper, unit, label, block in zip(
            start[:-1],
            start[1:],
            program.row_lower.tolist(),
            program.row_upper.tolist(),
            found.unit.tolist(),
            names.rows,
            names.blocks,
            strict=True,
        )
    ]


def _code_rows(code: str, bits: range, name: str, patterns: Patterns) -> list[Row]:
    """Return what the bits of one column keep among themselves."""
    block = f"{code} of {block_of(name)}"
    label = f"{code} of {name}"
    if code == "one_hot":
        one = patterns.of((1.0,) * len(bits), 1.0, 1.0, np.nan)
        return [Row(tuple(bits), one, label, block)]
    in_order = patterns.of((-1.0, 1.0), -np.inf, 0.0, np.nan)
    return [Row(pair, in_order, label, block) for pair in pairwise(bits)]


def _without_cardinalities(rows: list[Row], taken: Set[int]) -> tuple[list[Row], list[Cardinality]]:
    """Take out the rows that say how many bits are 1, as long as no bit is taken twice."""
    used, left, found = set(taken), list[Row](), list[Cardinality]()
    for row in rows:
        count = _count(row.pattern)
        if count is None or not used.isdisjoint(row.bits):
            left.append(row)
        else:
            used.update(row.bits)
            found.append(Cardinality(np.array(row.bits, dtype=np.int64), count))
    return left, found


def _count(row: Pattern) -> int | None:
    """Return how many of its bits a row wants to be 1, None where it says something else."""
    values = row.values
    if not row.is_equality or len(values) < 2 or max(values) - min(values) > _ROUNDING:
        return None
    count = row.upper / values[0]
    whole = round(count)
    return whole if abs(count - whole) <= _WHOLE and 0 <= whole <= len(values) else None


def substitute_implied_bits(work: Substitution, is_implied: BoolArray) -> None:
    """Substitute bits that an equality defines, where that takes no slack bit.

    With a row Σ a_i z_i ± z_j = b of whole numbers, z_j is a whole number of itself and leaves;
    what remains of it are 0 ≤ z_j ≤ 1, two rows over the others. It is done only where these, and
    the rows that z_j stood in, need no more slack bits than before: stop = start − on + on' of a
    commitment leaves this way, and so does one bit of every one-of-many row.

    Parameters
    ----------
    work : Substitution
    is_implied : array of bool, (n_bits,)
        Bits to try first.
    """
    order = [
        *np.flatnonzero(is_implied)[::-1].tolist(),
        *np.flatnonzero(~is_implied)[::-1].tolist(),
    ]
    order = [bit for bit in order if bit not in work.held]
    work.settle()
    while sum([work.tried(bit) for bit in order]):
        work.settle()
        order = [bit for bit in order if work.may_be_tried_again(bit)]


class Substitution:
    """Rows from which bits are substituted one by one; it never changes what they allow.

    Edges are drawn from the rows as they come and stay true of every feasible point, whatever
    happens to the row that they came from.

    Parameters
    ----------
    rows : sequence of Row
    n_bits : int
    held : set of int
        Bits that stay bits of their own, or become constant.
    patterns : Patterns
        Those of the rows.
    """

    def __init__(
        self, rows: Sequence[Row], n_bits: int, held: Set[int], patterns: Patterns
    ) -> None:
        self.held = held
        self.rows = dict(enumerate(rows))
        self.defined: dict[int, tuple[Terms, float]] = {}
        pairs = _edges_of(rows)
        self.edges = Edges(n_bits, pairs)
        self._decisive = _decisive(self.edges, pairs)
        self._patterns = patterns
        self._slack: dict[Pattern, int] = {}
        self._rows_of: list[set[int]] = [set() for _ in range(n_bits)]
        self._definable: set[int] = set()
        for number, row in self.rows.items():
            self._list(row, number)
        self._next = len(self.rows)
        # times are numbers of substitutions
        self._clock = 0
        self._changed_at = [0] * n_bits
        self._tried_at: dict[int, int] = {}

    def settle(self) -> None:
        """Fix the bits that a row allows one value only, and merge bits that are always equal."""
        while self._decisive:
            pairs, self._decisive = sorted(self._decisive), set()
            for first, second in pairs:
                if first // 2 in self.defined or second // 2 in self.defined:
                    continue
                if first == second:
                    self._substitute(first // 2, {}, float(first % 2))
                else:
                    self._merge(first, second)

    def tried(self, bit: int) -> bool:
        """Substitute `bit` through one of its rows, where that takes no slack bit."""
        if bit not in self._definable:
            return False
        for number in sorted(self._rows_of[bit]):
            row = self.rows[number]
            found = _definition(row, bit)
            if found is None:
                continue
            terms, shift = found
            bound = self._row(terms, -shift, 1.0 - shift, row)
            after = self._without(bit, number, terms, shift) if self._is_free(bound) else None
            if after is not None:
                self._remove(number)
                self._substitute(bit, terms, shift, after)
                self._add(bound._replace(label=f"bounds of a bit in {row.label}"), self._next)
                self._next += 1
                return True
        self._tried_at[bit] = self._clock
        return False

    def may_be_tried_again(self, bit: int) -> bool:
        """Return whether anything has changed around `bit` since it was tried in vain."""
        last = self._tried_at.get(bit)
        if last is None:
            return False
        rows = [self.rows[number] for number in self._rows_of[bit]]
        if self._changed_at[bit] > last or any(map(_is_long_definition, rows)):
            return True
        near = chain.from_iterable(row.bits for row in rows if len(row.bits) <= _LONGEST)
        return max(map(self._changed_at.__getitem__, near), default=0) > last

    def _without(self, bit: int, number: int, terms: Terms, shift: float) -> dict[int, Row] | None:
        """Return the limits over `bit`, all but row `number`, without it.

        None where one of them would need more slack bits than before.
        """
        found = {}
        rows = [(k, self.rows[k]) for k in self._rows_of[bit] if k != number]
        limits = [(len(row.bits), k, row) for k, row in rows if not row.pattern.is_equality]
        for _, k, row in sorted(limits):
            found[k] = put = self._put(row, bit, terms, shift)
            needed = self._slack_bits(put)
            if needed and needed > self._slack_bits(row):
                return None
        return found

    def _is_free(self, row: Row) -> bool:
        """Return whether some bits hold `row`, and clauses say it."""
        if row.pattern.is_free or not row.pattern.may_be_triple:
            return row.pattern.is_free
        sides = row.pattern.clauses_at(row.bits, self.edges)
        return not any(side is None or () in side for side in sides)

    def _slack_bits(self, row: Row) -> int:
        """Return how many slack bits `row`, which is no equality, would take."""
        if self._is_free(row):
            return 0
        found = self._slack.get(row.pattern)
        if found is None:
            found = self._slack[row.pattern] = _slack_bits(row.pattern)
        return found

    def _merge(self, first: int, second: int) -> None:
        """Exactly one of two literals holds: put one's bit in terms of the other's."""
        if second // 2 in self.held:
            first, second = second, first
        if second // 2 in self.held:
            return
        same = first % 2 != second % 2
        slope, shift = (1.0, 0.0) if same else (-1.0, 1.0)
        self._substitute(second // 2, {first // 2: slope}, shift)

    def _substitute(
        self, bit: int, terms: Terms, shift: float, known: Mapping[int, Row] | None = None
    ) -> None:
        """Put Σ terms + shift in place of `bit` in its rows; `known` are some of them after it."""
        self.defined[bit] = terms, shift
        self._tried_at.pop(bit, None)
        self._clock += 1
        for number in sorted(self._rows_of[bit]):
            after = known.get(number) if known else None
            if after is None:
                after = self._put(self.rows[number], bit, terms, shift)
            self._remove(number)
            self._add(after, number)

    def _put(self, row: Row, bit: int, terms: Terms, shift: float) -> Row:
        """Return `row` with Σ terms + shift in place of `bit`."""
        mine = dict(zip(row.bits, row.pattern.values, strict=True))
        factor = mine.pop(bit)
        for other, value in terms.items():
            mine[other] = mine.get(other, 0.0) + factor * value
        moved = factor * shift
        return self._row(mine, row.pattern.lower - moved, row.pattern.upper - moved, row)

    def _row(self, terms: Terms, lower: float, upper: float, like: Row) -> Row:
        bits = tuple(sorted(terms))
        sizes = [abs(terms[bit]) for bit in bits]
        least = _ROUNDING * max(sizes, default=0.0)
        if sizes and min(sizes) <= least:
            bits = tuple(bit for bit, size in zip(bits, sizes, strict=True) if size > least)
        values = tuple([terms[bit] for bit in bits])
        pattern = self._patterns.of(values, lower, upper, like.pattern.unit)
        return Row(bits, pattern, like.label, like.block)

    def _remove(self, number: int) -> None:
        for bit in self.rows.pop(number).bits:
            self._rows_of[bit].discard(number)

    def _add(self, row: Row, number: int) -> None:
        self.rows[number] = row
        self._list(row, number)
        for bit in row.bits:
            self._changed_at[bit] = self._clock
        if len(row.bits) > _LONGEST:
            return
        for pair in self.edges.add(row.pattern.conflicts, row.bits):
            first, second = pair
            other = first ^ 1, second ^ 1
            if first == second:
                self._decisive.add(pair)
            elif other in self.edges:
                self._decisive.add(min(pair, other))

    def _list(self, row: Row, number: int) -> None:
        for bit in row.bits:
            self._rows_of[bit].add(number)
        if row.pattern.definitions:
            self._definable.update(row.bits)


def _is_long_definition(row: Row) -> bool:
    """Return whether `row` defines bits and is so long that it may make a long row short."""
    return len(row.bits) > _LONGEST // 2 and bool(row.pattern.definitions)


def _edges_of(rows: Iterable[Row]) -> IntArray:
    """Return the pairs of literals that some row forbids, (k, 2); long rows do not count."""
    alike: defaultdict[Pattern, list[tuple[int, ...]]] = defaultdict(list)
    for row in rows:
        if len(row.bits) <= _LONGEST and row.pattern.conflicts:
            alike[row.pattern].append(row.bits)
    found = [
        at_bits(pattern.conflicts, np.array(bits)).reshape(-1, 2) for pattern, bits in alike.items()
    ]
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])


def _decisive(edges: Edges, pairs: IntArray) -> set[tuple[int, int]]:
    """Return the pairs that fix a bit, or that let exactly one of two literals hold."""
    alone = pairs[:, 0] == pairs[:, 1]
    counted = edges.contain(pairs ^ 1)
    return set(map(tuple, pairs[alone | counted].tolist()))


def _definition(row: Row, bit: int) -> tuple[Terms, float] | None:
    """Return z_bit = Σ terms + shift from an equality of whole multiples of its coefficient."""
    if not row.pattern.definitions:
        return None
    place = row.bits.index(bit)
    found = row.pattern.definitions[place]
    if found is None:
        return None
    others = row.bits[:place] + row.bits[place + 1 :]
    return dict(zip(others, found.values, strict=True)), found.shift


def _slack_bits(row: Pattern) -> int:
    try:
        whole = Units(rounding=False).whole(row)
    except UnitError:
        return _IMPOSSIBLE
    return len(slack_weights(whole.upper - whole.lower))


def _compacted(bits: Bits, work: Substitution) -> Bits:
    """Give the bits that are left new numbers, and the definitions in terms of them."""
    n = bits.lift.n_in
    is_kept = np.ones(n, dtype=np.bool_)
    is_kept[list(work.defined)] = False
    kept = np.flatnonzero(is_kept)
    place = np.full(n, -1)
    place[kept] = np.arange(len(kept))
    place_of = place.tolist()
    pairs = work.edges.pairs()
    pairs = pairs[is_kept[pairs // 2].all(axis=1)]
    return Bits(
        lift=bits.lift.after(_resolved(work.defined, n, kept)),
        labels=tuple(bits.labels[bit] for bit in kept.tolist()),
        rows=tuple(
            row._replace(bits=tuple(map(place_of.__getitem__, row.bits)))
            for _, row in sorted(work.rows.items())
        ),
        edges=Edges(len(kept), 2 * place[pairs // 2] + pairs % 2),
        cardinalities=tuple(
            _renumbered(rule, place_of, work.defined) for rule in bits.cardinalities
        ),
    )


def _renumbered(
    rule: Cardinality, place: Sequence[int], defined: dict[int, tuple[Terms, float]]
) -> Cardinality:
    """Return a cardinality over the bits that are left; the others have become constant."""
    gone = [int(bit) for bit in rule.bits if int(bit) in defined]
    left = [place[int(bit)] for bit in rule.bits if int(bit) not in defined]
    count = rule.count - round(sum(defined[bit][1] for bit in gone))
    return Cardinality(np.array(left, dtype=np.int64), count)


def _resolved(defined: dict[int, tuple[Terms, float]], n: int, kept: IntArray) -> Lift:
    """Return the lift from the kept bits to all n; later definitions may stand in earlier ones."""
    known: dict[int, tuple[Terms, float]] = {}
    for bit in reversed(defined):
        terms, shift = defined[bit]
        total: Terms = {}
        for other, value in terms.items():
            inner, moved = known.get(other, ({other: 1.0}, 0.0))
            shift += value * moved
            for k, factor in inner.items():
                total[k] = total.get(k, 0.0) + value * factor
        known[bit] = ({k: value for k, value in total.items() if value}, shift)
    shifts = np.zeros(n)
    shifts[list(known)] = [shift for _, shift in known.values()]
    length = [len(terms) for terms, _ in known.values()]
    row = np.repeat(np.array(list(known), dtype=np.int64), length)
    column = list(chain.from_iterable(terms for terms, _ in known.values()))
    amount = list(chain.from_iterable(terms.values() for terms, _ in known.values()))
    ends = np.append(kept, row), np.append(kept, np.array(column, dtype=np.int64))
    matrix = sparse.csr_array((np.append(np.ones(len(kept)), amount), ends), shape=(n, n))
    return Lift(sparse.csr_array(matrix[:, kept]), shifts)
