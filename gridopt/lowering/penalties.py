"""Rows over bits, and the quadratic penalties that stand for them exactly.

A literal is a bit or its complement, numbered 2·bit + (1 if complemented). Every penalty is a
quadratic P ≥ 0 of the bits (and of slack bits) with P = 0 where the row holds (for the best slack)
and P ≥ 1 where it does not:

=========  =======================================  ==================================
kind       where                                    P
=========  =======================================  ==================================
conflict   the row equals its conflicting pairs     l·m for each pair, l for a single
triple     l + m + k ≤ 2, and l or m always holds   k(l + m − 1) + (1 − l)(1 − m)
square     equality of whole numbers                (a·z − b)²
band       all else                                 y(y − 1)/2 with y = b − a·z − s
runs       runs of a sequence have a least length   see `gridopt.lowering.run_penalties`
never      no bits can hold the row                 1
=========  =======================================  ==================================

*Conflicts.* Over literals with positive weights, Σ a_i l_i ≤ b, the pairs with a_i + a_j > b are a
threshold graph: two items of at most b/2 never conflict, two of more than b/2 always do. So the
heaviest set without conflict is either all light items, or one heavy item with the light ones that
fit beside it. If even that is at most b, the row holds exactly where no pair is in conflict, and
no slack bit is needed: implications, one-of-many, covers such as Σ bits ≤ u, and the min-up/down
facets of Rajan & Takriti (IBM RC23628, 2005).

*Triples.* klm = k(l + m − 1 + l̄m̄), so the stated P is klm + k̄l̄m̄ ≥ 0: it forbids the triple, and
costs nothing where l̄m̄ = 0, which some other row ensures.

*Bands.* For whole y, y(y − 1)/2 is 0 at y = 0 and 1 and at least 1 elsewhere. So a slack of range
R must only come within one of b − a·z: it takes the values 0, 2, 4, … and R − 1, which is one bit
less than counting every value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Set
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray, IntArray

LARGEST_COEFFICIENT = 2**14
"""Largest whole coefficient of a row; its square times a weight must stay exact in a float."""

_TINY = 1e-9
_WHOLE = 1e-6
_RATIO_ERROR = 1e-11

Pair = tuple[int, int]


class Row(NamedTuple):
    """A row lower ≤ values · z[bits] ≤ upper.

    `unit` is what its numbers must be multiples of where it holds columns that were continuous (the
    common divisor of the resolution and of their steps), and nan where it holds none.
    """

    bits: IntArray
    values: FloatArray
    lower: float
    upper: float
    unit: float
    label: str
    block: str


class Knapsack(NamedTuple):
    """One side of a row over literals: Σ weights · literals ≤ side, weights > 0."""

    literals: IntArray
    weights: FloatArray
    side: float


@dataclass(frozen=True, eq=False)
class Penalty:
    """A quadratic that is 0 where its row holds and at least 1 elsewhere.

    Parameters
    ----------
    kind : str
        ``conflict``, ``triple``, ``square``, ``band``, ``runs`` or ``never``.
    block : str
        Row block it stands for.
    literals : tuple of int
        Of a conflict (one or two) or a triple, whose last one is the k of the table above.
    bits, values : array, (k,)
        Of a square or a band: a. Of runs: the bits, and the values of the terms.
    side : int
        Of a square or a band: b.
    slack : tuple of int
        Weights of the slack bits of a band; of runs, one for each auxiliary bit.
    constant : float
    first, second : array of int, (m,)
        Of runs: Σ values · z_first · z_second + constant, places in `bits` and then slack bits.
    """

    kind: str
    block: str
    literals: tuple[int, ...] = ()
    bits: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    values: FloatArray = field(default_factory=lambda: np.zeros(0))
    side: int = 0
    slack: tuple[int, ...] = ()
    constant: float = 0.0
    first: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    second: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def touches(self) -> IntArray:
        """Return the bits it reads, slack bits apart."""
        read = [literal // 2 for literal in self.literals]
        return np.concatenate((self.bits, np.array(read, dtype=np.int64)))


class Whole(NamedTuple):
    """A row in whole numbers of its unit, both sides within reach of the left-hand side."""

    values: FloatArray
    lower: int
    upper: int
    rounded: bool


class UnitError(ValueError):
    """A row has no unit that its numbers are multiples of."""


@dataclass(frozen=True)
class Units:
    """How rows become whole.

    Parameters
    ----------
    rounding : bool
        Whether numbers that are no multiples are rounded to the nearest one.
    fallback : float or None
        Unit of rounded rows without continuous columns; None for 1/32 of the largest coefficient.
    """

    rounding: bool
    fallback: float | None = None

    def whole(self, row: Row) -> Whole:
        """Return `row` in whole numbers.

        Raises
        ------
        UnitError
            Where it has no unit and rounding is off; says which number is at fault.
        """
        equality = row.lower == row.upper
        numbers = [*row.values, row.upper] if equality else list(row.values)
        common = common_unit(numbers)
        unit = row.unit if np.isfinite(row.unit) else common
        if unit is not None and divides(unit, numbers):
            return _whole(row, common or unit, rounded=False)
        if not self.rounding:
            raise UnitError(_fault(numbers, unit))
        largest = float(np.abs(row.values).max())
        chosen = row.unit if np.isfinite(row.unit) else (self.fallback or largest / 32.0)
        return _whole(row, max(chosen, largest / LARGEST_COEFFICIENT), rounded=True)


def common_unit(numbers: Collection[float]) -> float | None:
    """Return the largest unit that all `numbers` are multiples of, or None.

    None as well where a number would be more than `LARGEST_COEFFICIENT` units: close to that,
    every ratio of two reals looks rational.
    """
    sizes = sorted({abs(float(number)) for number in numbers if number}, reverse=True)
    if not sizes:
        return 1.0
    multiple = 1
    for size in sizes:
        ratio = size / sizes[0]
        near = Fraction(ratio).limit_denominator(LARGEST_COEFFICIENT)
        multiple = math.lcm(multiple, near.denominator)
        if abs(ratio - near) > _RATIO_ERROR or multiple > LARGEST_COEFFICIENT:
            return None
    return sizes[0] / multiple


def divides(unit: float, numbers: Collection[float]) -> bool:
    """Return whether all `numbers` are whole multiples of `unit`."""
    counts = np.asarray(list(numbers)) / unit
    close = np.abs(counts - np.rint(counts)) <= _WHOLE
    return bool(close.all() and np.abs(counts).max(initial=0.0) <= LARGEST_COEFFICIENT**2)


def knapsacks(row: Row) -> list[Knapsack]:
    """Return the finite sides of `row` as knapsacks over literals."""
    sides = [(row.values, row.upper)] if np.isfinite(row.upper) else []
    if np.isfinite(row.lower):
        sides.append((-row.values, -row.lower))
    return [
        Knapsack(2 * row.bits + (values < 0), np.abs(values), side - values[values < 0].sum())
        for values, side in sides
    ]


def pairs_in_conflict(knapsack: Knapsack) -> list[Pair]:
    """Return the pairs of literals that cannot both hold, and (l, l) where l alone cannot."""
    literals, weights, side = knapsack
    limit = side + _room(side)
    alone = [(int(literal), int(literal)) for literal in literals[weights > limit]]
    fits = np.flatnonzero(weights <= limit)
    order = fits[np.argsort(-weights[fits], kind="stable")]
    both = []
    for place, i in enumerate(order):
        rest = order[place + 1 :]
        partners = rest[weights[i] + weights[rest] > limit]
        both += [(int(literals[i]), int(literals[j])) for j in partners]
    return alone + both


def is_redundant(knapsack: Knapsack) -> bool:
    """Return whether every choice of bits holds it."""
    return bool(knapsack.weights.sum() <= knapsack.side + _room(knapsack.side))


def equals_its_conflicts(knapsack: Knapsack) -> bool:
    """Return whether it holds wherever no two of its literals are in conflict."""
    _, weights, side = knapsack
    limit = side + _room(side)
    if side < -_room(side):
        return False
    weights = np.sort(weights[weights <= limit])
    light, heavy = weights[2.0 * weights <= limit], weights[2.0 * weights > limit]
    sums = np.concatenate(([0.0], np.cumsum(light)))
    beside = sums[np.searchsorted(light, limit - heavy, side="right")]
    return bool(max(sums[-1], (heavy + beside).max(initial=0.0)) <= limit)


def triple_of(knapsack: Knapsack, edges: Set[frozenset[int]]) -> tuple[int, ...] | None:
    """Return what stands for a row l + m + k ≤ 2 without slack, or None.

    Parameters
    ----------
    knapsack : Knapsack
    edges : set of frozenset of int
        Pairs of literals that no feasible point has both of.

    Returns
    -------
    tuple of int or None
        The pair (l, m) where no feasible point has both, else (l, m, k) where each has one of l, m.
    """
    literals, weights, side = knapsack
    if len(literals) != 3 or weights.sum() - weights.min() > side + _room(side):
        return None
    for pair in combinations(sorted(int(literal) for literal in literals), 2):
        if frozenset(pair) in edges:
            return pair
    for last in range(3):
        first, second = (int(literals[k]) for k in range(3) if k != last)
        if frozenset((first ^ 1, second ^ 1)) in edges:
            return first, second, int(literals[last])
    return None


class Split(NamedTuple):
    """The penalties of a row, whether it was rounded, and what of it they do not stand for."""

    penalties: list[Penalty]
    rounded: bool = False
    rest: Row | None = None


def penalties_of(
    row: Row,
    edges: Set[frozenset[int]],
    units: Units,
    leave_inequality: bool = False,
    leave_equality: bool = False,
) -> Split:
    """Return the penalties that stand for `row`.

    Parameters
    ----------
    row : Row
    edges : set of frozenset of int
        Pairs of literals known to be in conflict.
    units : Units
    leave_inequality, leave_equality : bool
        Whether a row that would need slack bits, or a square, is left as it is.

    Raises
    ------
    UnitError
        Where the row must be whole, is not, and rounding is off.
    """
    found: list[Penalty] = []
    lower, upper = row.lower, row.upper
    sides = knapsacks(row)
    solved = [_without_slack(side, row.block, edges) for side in sides]
    if all(part is not None for part in solved):
        return Split([penalty for part in solved if part for penalty in part])
    if lower == upper:
        return Split([], rest=row) if leave_equality else Split(*_squared(row, units))
    for part, is_upper in zip(solved, _is_upper(row), strict=True):
        if part is not None:
            found += part
            lower, upper = (lower, np.inf) if is_upper else (-np.inf, upper)
    rest = row._replace(lower=lower, upper=upper)
    if leave_inequality:
        return Split(found, rest=rest)
    banded, rounded = _banded(rest, units)
    return Split(found + banded, rounded)


def slack_weights(span: int) -> tuple[int, ...]:
    """Return slack weights whose sums s give every r = 0 … span an s with r − s in {0, 1}.

    Each sum is between 0 and span − 1, so that no r outside 0 … span has one.

    Examples
    --------
    >>> slack_weights(1), slack_weights(2), slack_weights(7)
    ((), (1,), (2, 4))
    """
    powers: list[int] = []
    while sum(powers) + 2 * (1 << len(powers)) < span - 1:
        powers.append(2 << len(powers))
    return (*powers, span - 1 - sum(powers)) if span > 1 else ()


def counting_weights(span: int) -> tuple[int, ...]:
    """Return weights whose sums are exactly 0 … span: powers of two, the last one adjusted.

    Examples
    --------
    >>> counting_weights(1), counting_weights(9)
    ((1,), (1, 2, 4, 2))
    """
    if span <= 0:
        return ()
    powers = [1 << k for k in range(span.bit_length() - 1)]
    return (*powers, span - sum(powers))


def polynomial(penalty: Penalty, slack: IntArray) -> tuple[float, IntArray, IntArray, FloatArray]:
    """Return the penalty as constant and entries: Σ value · z_i · z_j with z² = z.

    Parameters
    ----------
    penalty : Penalty
    slack : array of int
        Numbers of its slack bits.
    """
    if penalty.kind == "never":
        return 1.0, *_entries([])
    if penalty.kind == "conflict":
        return _product(penalty.literals)
    if penalty.kind == "triple":
        return _triple(penalty.literals)
    bits = np.concatenate((penalty.bits, slack))
    if penalty.kind == "runs":
        ends = bits[penalty.first], bits[penalty.second]
        return penalty.constant, np.minimum(*ends), np.maximum(*ends), penalty.values
    values = np.concatenate((penalty.values, np.asarray(penalty.slack, dtype=np.float64)))
    # y = side − values · z: y² for a square, (y² − y)/2 for a band.
    square, linear = (1.0, 0.0) if penalty.kind == "square" else (0.5, -0.5)
    side = float(penalty.side)
    i, j = np.triu_indices(len(bits), 1)
    own = square * (values**2 - 2.0 * side * values) - linear * values
    constant = square * side**2 + linear * side
    first = np.concatenate((bits, bits[i]))
    second = np.concatenate((bits, bits[j]))
    return constant, first, second, np.concatenate((own, 2.0 * square * values[i] * values[j]))


def _room(side: float) -> float:
    return _TINY * (1.0 + abs(side))


def _fault(numbers: Collection[float], unit: float | None) -> str:
    if unit is None:
        return "its numbers have no common unit"
    odd = next((x for x in numbers if not divides(unit, [x])), None)
    if odd is None:
        return f"its numbers are too large for a unit of {unit:g}"
    return f"{odd:.10g} is no multiple of {unit:g}"


def _whole(row: Row, unit: float, rounded: bool) -> Whole:
    values = np.rint(row.values / unit)
    least, greatest = values[values < 0].sum(), values[values > 0].sum()
    ease = 0.5 if rounded else _WHOLE
    if row.lower == row.upper:
        lower = upper = float(np.rint(row.upper / unit))
    else:
        lower = max(math.ceil(row.lower / unit - ease), least) if np.isfinite(row.lower) else least
        upper = (
            min(math.floor(row.upper / unit + ease), greatest)
            if np.isfinite(row.upper)
            else greatest
        )
    return Whole(values, int(lower), int(upper), rounded)


def _is_upper(row: Row) -> list[bool]:
    return [True] * bool(np.isfinite(row.upper)) + [False] * bool(np.isfinite(row.lower))


def _without_slack(side: Knapsack, block: str, edges: Set[frozenset[int]]) -> list[Penalty] | None:
    """Penalties that need neither slack nor unit, or None where there are none such."""
    if is_redundant(side):
        return []
    if side.side < -_room(side.side):
        return [Penalty("never", block)]
    if equals_its_conflicts(side):
        return [_conflict(pair, block) for pair in pairs_in_conflict(side)]
    triple = triple_of(side, edges)
    if triple is None:
        return None
    return [Penalty("conflict" if len(triple) == 2 else "triple", block, triple)]


def _conflict(pair: Pair, block: str) -> Penalty:
    literals = pair if pair[0] != pair[1] else pair[:1]
    return Penalty("conflict", block, tuple(sorted(literals)))


def _squared(row: Row, units: Units) -> tuple[list[Penalty], bool]:
    whole = units.whole(row)
    return [_square(row, whole.values, whole.upper)], whole.rounded


def _square(row: Row, values: FloatArray, side: int) -> Penalty:
    kept = values != 0.0
    return Penalty("square", row.block, (), row.bits[kept], values[kept], side)


def _banded(row: Row, units: Units) -> tuple[list[Penalty], bool]:
    values, lower, upper, rounded = units.whole(row)
    least, greatest = int(values[values < 0].sum()), int(values[values > 0].sum())
    if lower > upper:
        return [Penalty("never", row.block)], rounded
    if lower <= least and upper >= greatest:
        return [], rounded
    if lower == upper:
        return [_square(row, values, upper)], rounded
    kept = values != 0.0
    weights = slack_weights(upper - lower)
    band = Penalty("band", row.block, (), row.bits[kept], values[kept], upper, weights)
    return [band], rounded


def _factor(literal: int) -> tuple[float, float]:
    """Constant and slope of a literal in its bit."""
    return (1.0, -1.0) if literal % 2 else (0.0, 1.0)


def _entries(terms: list[tuple[int, int, float]]) -> tuple[IntArray, IntArray, FloatArray]:
    first = np.array([min(i, j) for i, j, _ in terms], dtype=np.int64)
    second = np.array([max(i, j) for i, j, _ in terms], dtype=np.int64)
    return first, second, np.array([value for *_, value in terms], dtype=np.float64)


def _product(literals: tuple[int, ...]) -> tuple[float, IntArray, IntArray, FloatArray]:
    constant, slope = _factor(literals[0])
    i = literals[0] // 2
    if len(literals) == 1:
        return constant, *_entries([(i, i, slope)])
    other, rise = _factor(literals[1])
    j = literals[1] // 2
    terms = [(i, i, slope * other), (j, j, constant * rise), (i, j, slope * rise)]
    return constant * other, *_entries(terms)


def _triple(literals: tuple[int, ...]) -> tuple[float, IntArray, IntArray, FloatArray]:
    first, second, last = literals
    parts = [
        (1.0, _product((last, first))),
        (1.0, _product((last, second))),
        (-1.0, _product((last,))),
        (1.0, _product((first ^ 1, second ^ 1))),
    ]
    constant = sum(sign * part[0] for sign, part in parts)
    i, j = (np.concatenate([part[k] for _, part in parts]) for k in (1, 2))
    return constant, i, j, np.concatenate([sign * part[3] for sign, part in parts])


def edges_of(rows: Collection[Row], longest: int = 64) -> set[frozenset[int]]:
    """Return the pairs of literals that some row forbids; rows of up to `longest` bits count."""
    found = (
        frozenset(pair)
        for row in rows
        if len(row.bits) <= longest
        for side in knapsacks(row)
        for pair in pairs_in_conflict(side)
    )
    return set(found)
