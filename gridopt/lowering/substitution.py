"""Bits that an equality defines leave the rows, where that takes no slack bit.

With a row Σ a_i z_i ± z_j = b of whole numbers, z_j is a whole number of itself and leaves; what
remains of it are 0 ≤ z_j ≤ 1, two rows over the others. It is done only where these, and the rows
that z_j stood in, need no more slack bits than before: stop = start − on + on' of a commitment
leaves this way, and so does one bit of every one-of-many row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import chain

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, IntArray
from gridopt.lowering.lift import Lift
from gridopt.lowering.penalties import slack_weights
from gridopt.lowering.rows import Edges, Pattern, Patterns, Row, at_bits
from gridopt.lowering.units import UnitError, Units

Terms = dict[int, float]
"""Coefficient of each bit in a sum."""

_CANCELED = 1e-6
_ROUNDING = 1e-12
_IMPOSSIBLE = 1000
_LONGEST = 64
"""Bits of a row, at most, whose edges are drawn."""


def substitute_implied_bits(work: Substitution, is_implied: BoolArray) -> None:
    """Substitute bits that an equality defines until none is left that takes no slack bit.

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
        order = [bit for bit in order if bit not in work.defined]


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
        self._rows_of = _RowsOf(rows, n_bits)
        self._definable: set[int] = set()
        self._defines_at_length = False
        for row in rows:
            self._note_definitions(row)
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
        if bit not in self._definable or not self._is_worth_a_try(bit):
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
                self._add(bound._replace(label=f"bounds of a bit in {row.label}"))
                return True
        self._tried_at[bit] = self._clock
        return False

    def _is_worth_a_try(self, bit: int) -> bool:
        """Return whether anything has changed around `bit` since it was tried in vain."""
        last = self._tried_at.get(bit)
        if last is None:
            return True
        if self._changed_at[bit] > last or self._defines_at_length:
            return True
        rows = [self.rows[number].bits for number in self._rows_of[bit]]
        near = chain.from_iterable(bits for bits in rows if len(bits) <= _LONGEST)
        return max(map(self._changed_at.__getitem__, near), default=-1) > last

    def _without(self, bit: int, number: int, terms: Terms, shift: float) -> dict[int, Row] | None:
        """Return the limits over `bit`, all but row `number`, without it.

        None where one of them would need more slack bits than before.
        """
        found = {}
        others = [(len(self.rows[k].bits), k) for k in self._rows_of[bit] if k != number]
        for _, k in sorted(others):
            row = self.rows[k]
            if row.pattern.is_equality:
                continue
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
        self._clock += 1
        for number in sorted(self._rows_of[bit]):
            after = known.get(number) if known else None
            if after is None:
                after = self._put(self.rows[number], bit, terms, shift)
            self.rows[number] = after
            self._rows_of[bit].discard(number)
            for other in terms:
                numbers = self._rows_of[other]
                (numbers.add if other in after.bits else numbers.discard)(number)
            self._note(after)

    def _put(self, row: Row, bit: int, terms: Terms, shift: float) -> Row:
        """Return `row` with Σ terms + shift in place of `bit`."""
        mine = dict(zip(row.bits, row.pattern.values, strict=True))
        factor = mine.pop(bit)
        canceled = []
        for other, value in terms.items():
            added = factor * value
            total = mine[other] = mine.get(other, 0.0) + added
            if abs(total) < _CANCELED * abs(added):
                canceled.append(other)
        if canceled:
            least = _ROUNDING * max(map(abs, mine.values()))
            for other in canceled:
                if abs(mine[other]) <= least:
                    del mine[other]
        moved = factor * shift
        return self._row(mine, row.pattern.lower - moved, row.pattern.upper - moved, row)

    def _row(self, terms: Terms, lower: float, upper: float, like: Row) -> Row:
        bits = tuple(sorted(terms))
        values = tuple(map(terms.__getitem__, bits))
        pattern = self._patterns.of(values, lower, upper, like.pattern.unit)
        return Row(bits, pattern, like.label, like.block)

    def _remove(self, number: int) -> None:
        for bit in self.rows.pop(number).bits:
            self._rows_of[bit].discard(number)

    def _add(self, row: Row) -> None:
        number = self._next
        self._next += 1
        self.rows[number] = row
        for bit in row.bits:
            self._rows_of[bit].add(number)
        self._note(row)

    def _note_definitions(self, row: Row) -> None:
        if row.pattern.definitions:
            self._definable.update(row.bits)
            # so long that it may make a long row short, by canceling
            self._defines_at_length |= len(row.bits) > _LONGEST // 2

    def _note(self, row: Row) -> None:
        """Take in what a new row says: definitions, and edges."""
        self._note_definitions(row)
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


class _RowsOf(dict[int, set[int]]):
    """Numbers of the rows that each bit stands in, made a set once somebody asks."""

    def __init__(self, rows: Sequence[Row], n_bits: int) -> None:
        length = [len(row.bits) for row in rows]
        bits = np.fromiter(chain.from_iterable(row.bits for row in rows), np.int64, sum(length))
        number = np.repeat(np.arange(len(rows)), length)
        self._numbers = number[np.argsort(bits, kind="stable")].tolist()
        self._end = np.cumsum(np.bincount(bits, minlength=n_bits)).tolist()

    def __missing__(self, bit: int) -> set[int]:
        start = self._end[bit - 1] if bit else 0
        found = self[bit] = set(self._numbers[start : self._end[bit]])
        return found


def _edges_of(rows: Iterable[Row]) -> IntArray:
    """Return the pairs of literals that some row forbids, (k, 2); long rows do not count."""
    alike: defaultdict[Pattern, list[tuple[int, ...]]] = defaultdict(list)
    for row in rows:
        if len(row.bits) <= _LONGEST and row.pattern.conflicts:
            alike[row.pattern].append(row.bits)
    found = [
        at_bits(pattern.conflicts, np.array(bits)).reshape(-1, 2) for pattern, bits in alike.items()
    ]
    return np.sort(np.concatenate([np.zeros((0, 2), dtype=np.int64), *found]), axis=1)


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
    return {row.bits[k]: value for k, value in found.terms}, found.shift


def _slack_bits(row: Pattern) -> int:
    try:
        whole = Units(rounding=False).whole(row)
    except UnitError:
        return _IMPOSSIBLE
    return len(slack_weights(whole.upper - whole.lower))


def resolved(defined: dict[int, tuple[Terms, float]], n: int, kept: IntArray) -> Lift:
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
