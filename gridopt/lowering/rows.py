"""Rows over bits, and what their numbers alone say of them.

A program has many rows and few patterns of numbers: what follows from the numbers is worked out
once for each pattern, in places of a row, and read off for its bits.

A literal is a bit or its complement, numbered 2·bit + (1 if complemented); a local literal is the
same with the place in the row instead of the bit.

*Conflicts.* Over literals with positive weights, Σ a_i l_i ≤ b, the pairs with a_i + a_j > b are a
threshold graph: two items of at most b/2 never conflict, two of more than b/2 always do. So the
heaviest set without conflict is either all light items, or one heavy item with the light ones that
fit beside it. If even that is at most b, the row holds exactly where no pair is in conflict, and
no slack bit is needed: implications, one-of-many, covers such as Σ bits ≤ u, and the min-up/down
facets of Rajan & Takriti (IBM RC23628, 2005).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, combinations
from typing import NamedTuple

import numpy as np

from gridopt.arrays import BoolArray, IntArray

_TINY = 1e-9
_WHOLE = 1e-6

Pair = tuple[int, int]

Clause = tuple[int, ...]
"""Literals that cannot all hold; one that cannot hold by itself is listed twice."""


class Row(NamedTuple):
    """A row lower ≤ Σ values · z[bits] ≤ upper; its numbers are its pattern."""

    bits: tuple[int, ...]
    pattern: Pattern
    label: str
    block: str


class Definition(NamedTuple):
    """A bit of a row as Σ value · z at other places + shift."""

    terms: tuple[tuple[int, float], ...]
    shift: float


@dataclass(frozen=True, eq=False)
class Pattern:
    """The numbers of rows that differ in their bits only.

    Parameters
    ----------
    values : tuple of float
        Coefficient at each place.
    lower, upper : float
    unit : float
        What the numbers must be multiples of where the rows hold columns that were continuous (the
        common divisor of the resolution and of their steps), and nan where they hold none.
    """

    values: tuple[float, ...]
    lower: float
    upper: float
    unit: float

    @cached_property
    def is_equality(self) -> bool:
        """Whether both sides are the same."""
        return self.lower == self.upper

    @cached_property
    def sides(self) -> tuple[Knapsack, ...]:
        """The finite sides as knapsacks over local literals, the upper one first."""
        found = []
        if math.isfinite(self.upper):
            found.append(Knapsack.of(self.values, self.upper))
        if math.isfinite(self.lower):
            found.append(Knapsack.of([-value for value in self.values], -self.lower))
        return tuple(found)

    @cached_property
    def conflicts(self) -> tuple[Pair, ...]:
        """Pairs of local literals that no bits that hold the row have both of."""
        return tuple(pair for side in self.sides for pair in side.conflicts)

    @cached_property
    def clauses(self) -> tuple[tuple[Clause, ...] | None, ...]:
        """What each side says in clauses, None where no clauses of its own say it."""
        return tuple(side.clauses for side in self.sides)

    @cached_property
    def is_free(self) -> bool:
        """Whether some bits hold the row, and clauses of its own say it."""
        return not any(side is None or () in side for side in self.clauses)

    @cached_property
    def may_be_triple(self) -> bool:
        """Whether some side needs a look at the edges: see `triple_of`."""
        return any(side.clauses is None and side.forbids_all_three for side in self.sides)

    def clauses_at(
        self, bits: Sequence[int], edges: Edges
    ) -> tuple[tuple[Clause, ...] | None, ...]:
        """Return what each side says in clauses of local literals, with the help of edges."""
        if not self.may_be_triple:
            return self.clauses
        return tuple(
            _triple_clauses(side, bits, edges) if side.clauses is None else side.clauses
            for side in self.sides
        )

    @cached_property
    def definitions(self) -> tuple[Definition | None, ...]:
        """Each bit in terms of the others, where an equality of whole numbers says so."""
        if not self.is_equality or math.isfinite(self.unit):
            return ()
        return tuple(self._definition(place) for place in range(len(self.values)))

    def _definition(self, place: int) -> Definition | None:
        pivot = self.values[place]
        scaled = [value / pivot for value in (*self.values, self.upper)]
        whole = [float(round(value)) for value in scaled]
        if any(abs(x - near) > _WHOLE for x, near in zip(scaled, whole, strict=True)):
            return None
        shift = whole.pop()
        terms = [(k, -value) for k, value in enumerate(whole) if value and k != place]
        return Definition(tuple(terms), shift)


class Patterns:
    """Patterns by their numbers, each of them once."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[float, ...], float, float, float | None], Pattern] = {}

    def of(self, values: tuple[float, ...], lower: float, upper: float, unit: float) -> Pattern:
        """Return the pattern of these numbers."""
        key = (values, lower, upper, unit if unit == unit else None)  # nan is not itself
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Pattern(values, lower, upper, unit)
        return found


@dataclass(frozen=True, eq=False)
class Knapsack:
    """One side of a row over local literals: Σ weights · literals ≤ side, weights > 0."""

    literals: tuple[int, ...]
    weights: tuple[float, ...]
    side: float

    @staticmethod
    def of(values: Sequence[float], side: float) -> Knapsack:
        """Return Σ values · z ≤ side as a knapsack."""
        return Knapsack(
            tuple(2 * place + (value < 0.0) for place, value in enumerate(values)),
            tuple(map(abs, values)),
            side - sum(value for value in values if value < 0.0),
        )

    @cached_property
    def is_redundant(self) -> bool:
        """Whether every choice of bits holds it."""
        return sum(self.weights) <= self._limit

    @cached_property
    def equals_its_conflicts(self) -> bool:
        """Whether it holds wherever no two of its literals are in conflict."""
        limit = self._limit
        if self._is_impossible:
            return False
        weights = sorted(weight for weight in self.weights if weight <= limit)
        n_light = bisect_right(weights, limit, key=lambda weight: 2.0 * weight)
        sums = list(accumulate(weights[:n_light], initial=0.0))
        return sums[-1] <= limit and all(
            heavy + sums[bisect_right(weights, limit - heavy, hi=n_light)] <= limit
            for heavy in weights[n_light:]
        )

    @cached_property
    def conflicts(self) -> tuple[Pair, ...]:
        """Pairs of literals that cannot both hold, and (l, l) where l alone cannot."""
        limit = self._limit
        items = list(zip(self.weights, self.literals, strict=True))
        found = [(literal, literal) for weight, literal in items if weight > limit]
        fitting = [item for item in items if item[0] <= limit]
        fitting.sort(key=lambda item: -item[0])
        for place, (weight, first) in enumerate(fitting, 1):
            for other, second in fitting[place:]:
                if weight + other <= limit:
                    break
                found.append((first, second))
        return tuple(found)

    @cached_property
    def clauses(self) -> tuple[Clause, ...] | None:
        """Clauses that say the same; an empty one where no bits hold it."""
        if self.is_redundant:
            return ()
        if self._is_impossible:
            return ((),)
        return self.conflicts if self.equals_its_conflicts else None

    @cached_property
    def forbids_all_three(self) -> bool:
        """Whether it has three literals of which any two may hold."""
        weights = self.weights
        return len(weights) == 3 and sum(weights) - min(weights) <= self._limit

    @cached_property
    def _limit(self) -> float:
        return self.side + self._room

    @property
    def _room(self) -> float:
        return _TINY * (1.0 + abs(self.side))

    @property
    def _is_impossible(self) -> bool:
        return self.side < -self._room


class Edges:
    """Pairs of literals that no feasible point has both of; (l, l) where l alone cannot hold.

    Parameters
    ----------
    n_bits : int
    pairs : array of int, (k, 2)
    """

    def __init__(self, n_bits: int, pairs: IntArray | None = None) -> None:
        self._width = 2 * n_bits
        self._keys: set[int] = set()
        if pairs is not None:
            self._keys.update(self._key(pairs).tolist())

    def __contains__(self, pair: Pair) -> bool:
        first, second = pair
        low, high = (first, second) if first <= second else (second, first)
        return low * self._width + high in self._keys

    def add(self, local: Iterable[Pair], bits: Sequence[int]) -> list[Pair]:
        """Add pairs of local literals at the bits of a row; return those that are new."""
        width, keys = self._width, self._keys
        literals = [2 * bit for bit in bits]
        found = []
        for i, j in local:
            first, second = literals[i >> 1] | (i & 1), literals[j >> 1] | (j & 1)
            if first > second:
                first, second = second, first
            key = first * width + second
            if key not in keys:
                keys.add(key)
                found.append((first, second))
        return found

    def contain(self, pairs: IntArray) -> BoolArray:
        """Return which of many pairs it contains, (k, 2) to (k,)."""
        known = self._keys
        found = [key in known for key in self._key(pairs).tolist()]
        return np.array(found, dtype=np.bool_)

    def _key(self, pairs: IntArray) -> IntArray:
        first, second = pairs[:, 0], pairs[:, 1]
        return np.asarray(np.minimum(first, second) * self._width + np.maximum(first, second))

    def pairs(self) -> IntArray:
        """Return all pairs, each in order, (k, 2)."""
        keys = np.fromiter(self._keys, dtype=np.int64, count=len(self._keys))
        return np.stack(np.divmod(keys, self._width or 1), axis=1)


def triple_of(side: Knapsack, bits: Sequence[int], edges: Edges) -> Clause | None:
    """Return what stands for a side l + m + k ≤ 2 without slack, or None.

    Parameters
    ----------
    side : Knapsack
    bits : sequence of int
        Of the row.
    edges : Edges

    Returns
    -------
    tuple of int or None
        Local literals: the pair (l, m) where no feasible point has both, else (l, m, k) where each
        has one of l, m.
    """
    if not side.forbids_all_three:
        return None
    at = [(2 * bits[local >> 1] | (local & 1), local) for local in side.literals]
    for (first, i), (second, j) in combinations(sorted(at), 2):
        if (first, second) in edges:
            return i, j
    for last, first, second in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        if (at[first][0] ^ 1, at[second][0] ^ 1) in edges:
            return at[first][1], at[second][1], at[last][1]
    return None


def _triple_clauses(side: Knapsack, bits: Sequence[int], edges: Edges) -> tuple[Clause, ...] | None:
    triple = triple_of(side, bits, edges)
    return None if triple is None else (triple,)


def at_bits(local: Iterable[Clause], bits: IntArray) -> IntArray:
    """Return clauses of local literals at the bits of m rows, (m, k) to (m, clauses, literals)."""
    places = np.array(list(local), dtype=np.int64)
    return np.asarray(2 * bits[:, places // 2] + places % 2)
