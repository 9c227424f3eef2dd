"""What the numbers of one row over bits say of it, compiled: conflicts, units, slack.

A literal is a bit or its complement, numbered 2·bit + (1 if complemented). A side of a row is a
*knapsack* over literals, Σ weights · literals ≤ side with weights > 0; here its literals lie with
the heaviest first. Pairs of literals that exclude each other, *edges*, are keys
low · 2n + high, kept in an open hash table.

*Conflicts.* The pairs with a_i + a_j > b are a threshold graph: two items of at most b/2 never
conflict, two of more than b/2 always do. So the heaviest set without conflict is either all light
items, or one heavy item with the light ones that fit beside it. If even that is at most b, the row
holds exactly where no pair is in conflict, and no slack bit is needed: implications, one-of-many,
covers such as Σ bits ≤ u, and the min-up/down facets of Rajan & Takriti (IBM RC23628, 2005).
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.compiling import jit

LARGEST_COEFFICIENT = 2**14
"""Largest whole coefficient of a row; its square times a weight must stay exact in a float."""

REDUNDANT, CONFLICTS, PAIR, TRIPLE, IMPOSSIBLE, OPEN = range(6)
"""What a side is: the first four need no slack, `IMPOSSIBLE` no bits hold, else `OPEN`."""

NO_UNIT = -1.0

EMPTY = -1

_ONE = cast("int", np.int64(1))
"""No plain number, for each of which a loop would be compiled anew."""

_TINY = 1e-9
_WHOLE = 1e-6
_RATIO_ERROR = 1e-11
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(20)


@jit
def slot_of(table: IntArray, key: int) -> int:
    """Return where `key` is in the table, or the empty place where it belongs."""
    mask = len(table) - 1
    place = int((np.uint64(key) * _MULTIPLIER) >> _SHIFT) & mask
    while table[place] != EMPTY and table[place] != key:
        place = (place + 1) & mask
    return place


@jit
def key_of(first: int, second: int, n_bits: int) -> int:
    """Return the key of a pair of literals."""
    return min(first, second) * 2 * n_bits + max(first, second)


@jit
def has_edge(table: IntArray, first: int, second: int, n_bits: int) -> bool:
    """Return whether two literals are known to exclude each other."""
    return bool(table[slot_of(table, key_of(first, second, n_bits))] != EMPTY)


@jit
def knapsack(
    bits: IntArray,
    values: FloatArray,
    sign: float,
    side: float,
    literals: IntArray,
    weights: FloatArray,
) -> tuple[float, float]:
    """Fill in the knapsack of sign · values · z ≤ side; return its side and the sum of weights."""
    total = 0.0
    for k in range(len(bits)):
        value = sign * values[k]
        if value < 0.0:
            side -= value
        literals[k] = 2 * bits[k] + (value < 0.0)
        weights[k] = abs(value)
        total += weights[k]
    _sort(literals[: len(bits)], weights[: len(bits)])
    return side, total


@jit
def has_no_conflict(values: FloatArray, sign: float, side: float) -> bool:
    """Return whether any two literals of the knapsack may hold at once."""
    first, second = 0.0, 0.0
    for k in range(len(values)):
        value = sign * values[k]
        if value < 0.0:
            side -= value
        weight = abs(value)
        first, second = max(first, weight), max(second, min(first, weight))
    return first + second <= side + room(side)


@jit
def _sort(literals: IntArray, weights: FloatArray) -> None:
    """Put the heaviest first, by insertion over shrinking gaps (Shell 1959)."""
    gap = 1
    while 3 * gap < len(weights):
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, len(weights)):
            literal, weight, place = literals[k], weights[k], k
            while place >= gap and weights[place - gap] < weight:
                literals[place], weights[place] = literals[place - gap], weights[place - gap]
                place -= gap
            literals[place], weights[place] = literal, weight
        gap //= 3


@jit
def room(side: float) -> float:
    """Return by how much a side may be missed, for rounding."""
    return _TINY * (1.0 + abs(side))


@jit
def equals_its_conflicts(weights: FloatArray, side: float) -> bool:
    """Return whether a knapsack holds wherever no two of its literals are in conflict."""
    limit = side + room(side)
    n, first = len(weights), 0
    while first < n and weights[first] > limit:
        first += 1
    light = first
    while light < n and 2.0 * weights[light] > limit:
        light += 1
    if weights[light:].sum() > limit:
        return False
    beside, place = 0.0, n
    for heavy in range(first, light):
        while place > light and weights[place - 1] <= limit - weights[heavy]:
            place -= 1
            beside += weights[place]
        if weights[heavy] + beside > limit:
            return False
    return True


@jit
def kind_of_side(
    literals: IntArray,
    weights: FloatArray,
    side: float,
    total: float,
    table: IntArray,
    n_bits: int,
) -> int:
    """Return what a knapsack is; the literals of a pair or a triple come first, its k last.

    l + m + k ≤ 2 needs no slack where some edge says that l and m exclude each other (then that
    pair is the whole row), or that their complements do (then k(l + m − 1) + (1 − l)(1 − m) ≥ 0).
    """
    if total <= side + room(side):
        return REDUNDANT
    if side < -room(side):
        return IMPOSSIBLE
    if equals_its_conflicts(weights, side):
        return CONFLICTS
    if len(weights) != 3 or total - weights[2] > side + room(side):
        return OPEN
    return _kind_of_three(literals, table, n_bits)


@jit
def _kind_of_three(literals: IntArray, table: IntArray, n_bits: int) -> int:
    x, y, z = literals[0], literals[1], literals[2]
    a, c = min(x, y, z), max(x, y, z)
    b = x + y + z - a - c
    for first, second, last in ((a, b, c), (a, c, b), (b, c, a)):
        if has_edge(table, first, second, n_bits):
            literals[0], literals[1], literals[2] = first, second, last
            return PAIR
    for first, second, last in ((b, c, a), (a, c, b), (a, b, c)):
        if has_edge(table, first ^ 1, second ^ 1, n_bits):
            literals[0], literals[1], literals[2] = first, second, last
            return TRIPLE
    return OPEN


@jit
def common_unit_of(values: FloatArray, side: float) -> float:
    """Return the largest unit that all numbers are multiples of, `NO_UNIT` where there is none.

    None as well where a number would be more than `LARGEST_COEFFICIENT` units: close to that,
    every ratio of two reals looks rational.
    """
    largest = abs(side)
    for value in values:
        largest = max(largest, abs(value))
    if largest == 0.0:
        return 1.0
    multiple = _multiple(_ONE, side, largest)
    for value in values:
        multiple = _multiple(multiple, value, largest)
    return largest / multiple if multiple else NO_UNIT


@jit
def _multiple(multiple: int, value: float, largest: float) -> int:
    """Return the least common multiple with the denominator of |value| / largest, 0 for none."""
    if value == 0.0 or multiple == 0:
        return multiple
    denominator = _denominator(abs(value) / largest)
    if denominator == 0:
        return 0
    found = multiple // math.gcd(multiple, denominator) * denominator
    return found if found <= LARGEST_COEFFICIENT else 0


@jit
def _denominator(ratio: float) -> int:
    """Return the denominator of a ratio of whole numbers, by its continued fraction; 0 for none.

    A fraction so close to a ratio and with so small a denominator is one of its convergents.
    """
    p_before, q_before, p, q, rest = 0, 1, 1, 0, ratio
    for _ in range(64):
        whole = math.floor(rest)
        p_before, p = p, whole * p + p_before
        q_before, q = q, whole * q + q_before
        if q > LARGEST_COEFFICIENT:
            return 0
        if abs(ratio - p / q) <= _RATIO_ERROR:
            return q
        rest -= whole
        if rest < _RATIO_ERROR:
            return 0
        rest = 1.0 / rest
    return 0


@jit
def all_multiples(unit: float, values: FloatArray, side: float) -> bool:
    """Return whether all numbers are whole multiples of `unit`."""
    if not _is_multiple(unit, side):
        return False
    for value in values:  # noqa: SIM110 - a generator is not compiled
        if not _is_multiple(unit, value):
            return False
    return True


@jit
def _is_multiple(unit: float, value: float) -> bool:
    count = value / unit
    return abs(count - np.rint(count)) <= _WHOLE and abs(count) <= LARGEST_COEFFICIENT**2


@jit
def unit_of_row(
    values: FloatArray, lower: float, upper: float, unit: float, rounding: bool, fallback: float
) -> tuple[float, bool]:
    """Return the unit in which a row is whole, and whether it must be rounded for that.

    `NO_UNIT` where it has none and may not be rounded. `unit` is what its numbers must be multiples
    of, nan for anything; `fallback` is for rounded rows without one, nan for 1/32 of the largest.
    """
    side = upper if lower == upper else 0.0
    if math.isnan(unit) or all_multiples(unit, values, side):
        common = common_unit_of(values, side)
        if common != NO_UNIT and all_multiples(common, values, side):
            return common, False
        if not math.isnan(unit):
            return unit, False
    if not rounding:
        return NO_UNIT, False
    largest = np.abs(values).max()
    chosen = unit
    if math.isnan(unit):
        chosen = largest / 32.0 if math.isnan(fallback) else fallback
    return max(chosen, largest / LARGEST_COEFFICIENT), True


@jit
def whole_sides(
    values: FloatArray, lower: float, upper: float, unit: float, rounded: bool
) -> tuple[float, float, float, float]:
    """Return both sides in whole units, within the reach of the left-hand side, and that reach."""
    least, greatest = 0.0, 0.0
    for value in values:
        count = np.rint(value / unit)
        least, greatest = least + min(count, 0.0), greatest + max(count, 0.0)
    if lower == upper:
        side = np.rint(upper / unit)
        return side, side, least, greatest
    ease = 0.5 if rounded else _WHOLE
    low = max(math.ceil(lower / unit - ease), least) if math.isfinite(lower) else least
    high = min(math.floor(upper / unit + ease), greatest) if math.isfinite(upper) else greatest
    return low, high, least, greatest


@jit
def count_of_slack(span: int) -> int:
    """Return how many slack bits a range takes: see `penalties.slack_weights`."""
    bits = 0
    while span > 1:
        span >>= 1
        bits += 1
    return bits


@jit
def fill_units(
    start: IntArray, values: FloatArray, is_chosen: BoolArray, stated: float, unit: FloatArray
) -> None:
    """Fill in the unit of the chosen values, and of `stated`, of each row that has one chosen.

    Their largest common one, else the least of them. The resolution counts: 3p + u may hold p in
    steps of 3 and u in steps of 1.
    """
    for row in range(len(unit)):
        part = slice(start[row], start[row + 1])
        steps = np.abs(values[part][is_chosen[part]])
        if len(steps):
            common = common_unit_of(steps, stated)
            unit[row] = steps.min() if common == NO_UNIT else common


@jit
def round_equalities(
    start: IntArray,
    values: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    unit: FloatArray,
    is_moving: BoolArray,
    is_stated: BoolArray,
    changed: BoolArray,
) -> None:
    """Round equalities with a unit to multiples of the least step of a moving entry, in place.

    Those are left that are multiples of their unit where all moving entries are of the stated step,
    else of the least step.
    """
    for row in range(len(unit)):
        if lower[row] != upper[row] or math.isnan(unit[row]):
            continue
        part = slice(start[row], start[row + 1])
        numbers = values[part]
        least = np.abs(numbers[is_moving[part]]).min()
        base = unit[row] if np.all(is_stated[part] | ~is_moving[part]) else least
        if not all_multiples(base, numbers, lower[row]):
            numbers[:] = np.rint(numbers / least) * least
            lower[row] = np.rint(lower[row] / least) * least
            upper[row], unit[row], changed[row] = lower[row], least, True
