"""Rows to penalties, weights by literal, and the sum of all penalties; compiled."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.compiling import jit
from gridopt.lowering.row_kernels import (
    CONFLICTS,
    EMPTY,
    IMPOSSIBLE,
    NO_UNIT,
    OPEN,
    PAIR,
    REDUNDANT,
    TRIPLE,
    count_of_slack,
    key_of,
    kind_of_side,
    knapsack,
    room,
    slot_of,
    unit_of_row,
    whole_sides,
)

CONFLICT, TRIPLET, SQUARE, BAND, NEVER, RUNS = cast("list[int]", np.arange(6))
"""Kinds of penalties: see `gridopt.lowering.penalties`. No plain numbers, for each of which a loop
would be compiled anew."""

_NONE = cast("int", np.int64(0))

WHOLE, ROUNDED, FAULTY, LEFT = range(4)
"""What has become of a row: all fine, rounded, without a unit, or (partly) left as it is."""

Places = npt.NDArray[np.int32]
"""Numbers of bits, or of terms, of which there may be many."""

PENALTIES, ITEMS, SLACK = range(3)
"""Places in `Written.used`."""

KIND, ROW, N_SLACK, END = range(4)
"""Columns of `Written.penalty`; the items of a penalty end where those of the next begin."""


class Written(NamedTuple):
    """The penalties written so far, in few arrays, since each of them costs time in every call.

    Items are literals of a conflict or a triple, whose last is its k; else bits with their values,
    slack bits last. ``rest`` has both sides of a row as far as it is left, ``table`` the conflicts.
    """

    penalty: IntArray
    side: FloatArray
    item: IntArray
    value: FloatArray
    state: IntArray
    rest: FloatArray
    table: IntArray
    used: IntArray
    literals: IntArray
    weights: FloatArray


@jit
def hashed(keys: IntArray, table: IntArray) -> None:
    """Put keys into an empty table."""
    for key in keys:
        table[slot_of(table, key)] = key


@jit
def write_rows(
    out: Written,
    start: IntArray,
    all_bits: IntArray,
    all_values: FloatArray,
    lowers: FloatArray,
    uppers: FloatArray,
    units: FloatArray,
    edges: IntArray,
    n_bits: int,
    rounding: bool,
    fallback: float,
    leave_inequality: bool,
    leave_equality: bool,
) -> None:
    """Write the penalties of all rows; see `gridopt.lowering.penalties`."""
    for row in range(len(lowers)):
        part = slice(start[row], start[row + 1])
        bits, values = all_bits[part], all_values[part]
        lower, upper = lowers[row], uppers[row]
        literals, weights = out.literals[: len(bits)], out.weights[: len(bits)]
        above = _kind(bits, values, 1.0, upper, edges, n_bits, literals, weights)
        below = _kind(bits, values, -1.0, -lower, edges, n_bits, literals, weights)
        is_equality = lower == upper and OPEN in (above, below)
        if not is_equality and below != OPEN:
            _write_side(out, row, below, values, -1.0, -lower, n_bits)
            lower = -np.inf
        if not is_equality and above != OPEN:
            if above != REDUNDANT:
                _kind(bits, values, 1.0, upper, edges, n_bits, literals, weights)
            _write_side(out, row, above, values, 1.0, upper, n_bits)
            upper = np.inf
        if not math.isfinite(lower) and not math.isfinite(upper):
            continue
        if leave_equality if is_equality else leave_inequality:
            out.state[row], out.rest[row, 0], out.rest[row, 1] = LEFT, lower, upper
            continue
        unit, is_rounded = unit_of_row(values, lower, upper, units[row], rounding, fallback)
        if unit == NO_UNIT:
            out.state[row] = FAULTY
            continue
        if is_rounded:
            out.state[row] = ROUNDED
        _write_whole(out, row, bits, values, lower, upper, unit, is_rounded, n_bits)


@jit
def _kind(
    bits: IntArray,
    values: FloatArray,
    sign: float,
    side: float,
    edges: IntArray,
    n_bits: int,
    literals: IntArray,
    weights: FloatArray,
) -> int:
    if not math.isfinite(side):
        return REDUNDANT
    side, total = knapsack(bits, values, sign, side, literals, weights)
    return kind_of_side(literals, weights, side, total, edges, n_bits)


@jit
def _write_side(
    out: Written,
    row: int,
    kind: int,
    values: FloatArray,
    sign: float,
    side: float,
    n_bits: int,
) -> None:
    """Write a side that needs no slack, its literals as `_kind` has left them."""
    literals, n = out.literals, len(values)
    if kind == IMPOSSIBLE:
        _close(out.penalty, out.side, out.used, NEVER, row, 0.0, _NONE)
    elif kind == PAIR:
        out.weights[:2] = 1.0
        _write_conflicts(out, row, 2, 1.0, n_bits)
    elif kind == TRIPLE:
        for k in range(3):
            _write_item(out.item, out.value, out.used, literals[k], 0.0)
        _close(out.penalty, out.side, out.used, TRIPLET, row, 0.0, _NONE)
    elif kind == CONFLICTS:
        for k in range(n):
            side += max(-sign * values[k], 0.0)
        _write_conflicts(out, row, n, side + room(side), n_bits)


@jit
def _write_conflicts(out: Written, row: int, n: int, limit: float, n_bits: int) -> None:
    """Write the pairs that weigh more than `limit`, and what does alone, each of them once."""
    literals, weights, table, items = out.literals, out.weights, out.table, out.item
    number, item = out.used[PENALTIES], out.used[ITEMS]
    for i in range(n):
        is_alone = weights[i] > limit
        for j in range(i + (not is_alone), n):
            if j > i and (is_alone or weights[i] + weights[j] <= limit):
                break
            key = key_of(literals[i], literals[j], n_bits)
            place = slot_of(table, key)
            if table[place] != EMPTY:
                continue
            if number >= len(out.penalty) or item + 2 > len(items):
                raise OverflowError
            table[place] = key
            items[item] = min(literals[i], literals[j])
            items[item + 1 - is_alone] = max(literals[i], literals[j])
            item += 2 - is_alone
            out.penalty[number, KIND], out.penalty[number, ROW] = CONFLICT, row
            out.penalty[number, N_SLACK], out.penalty[number, END] = 0, item
            number += 1
    out.used[PENALTIES], out.used[ITEMS] = number, item


@jit
def _write_whole(
    out: Written,
    row: int,
    bits: IntArray,
    values: FloatArray,
    lower: float,
    upper: float,
    unit: float,
    is_rounded: bool,
    n_bits: int,
) -> None:
    """Write a row in whole numbers of its unit, with slack bits where its sides differ."""
    low, high, least, greatest = whole_sides(values, lower, upper, unit, is_rounded)
    if low > high:
        _close(out.penalty, out.side, out.used, NEVER, row, 0.0, _NONE)
        return
    if lower != upper and low <= least and high >= greatest:
        return
    items, of_items, n = out.item, out.value, out.used[ITEMS]
    if n + len(bits) > len(items):
        raise OverflowError
    for k in range(len(bits)):
        value = np.rint(values[k] / unit)
        if value != 0.0:
            items[n], of_items[n] = bits[k], value
            n += 1
    out.used[ITEMS] = n
    if low == high:
        _close(out.penalty, out.side, out.used, SQUARE, row, high, _NONE)
        return
    n_slack = _write_slack(out, int(high - low), n_bits + out.used[SLACK])
    out.used[SLACK] += n_slack
    _close(out.penalty, out.side, out.used, BAND, row, high, n_slack)


@jit
def _write_slack(out: Written, span: int, first: int) -> int:
    """Write slack bits of weight 2, 4, … that cover a range: see `penalties.slack_weights`."""
    n, total, power = count_of_slack(span), 0, 2
    for k in range(n - 1):
        _write_item(out.item, out.value, out.used, first + k, float(power))
        total += power
        power *= 2
    if n:
        _write_item(out.item, out.value, out.used, first + n - 1, float(span - 1 - total))
    return n


@jit
def _write_item(
    items: IntArray, values: FloatArray, count: IntArray, item: int, value: float
) -> None:
    number = count[ITEMS]
    if number >= len(items):
        raise OverflowError
    items[number], values[number] = item, value
    count[ITEMS] = number + 1


@jit
def _close(
    penalty: IntArray,
    sides: FloatArray,
    count: IntArray,
    kind: int,
    row: int,
    side: float,
    n_slack: int,
) -> None:
    """End a penalty of the items written since the last one."""
    number = count[PENALTIES]
    if number >= len(penalty):
        raise OverflowError
    penalty[number, KIND], penalty[number, ROW] = kind, row
    penalty[number, N_SLACK], penalty[number, END] = n_slack, count[ITEMS]
    sides[number] = side
    count[PENALTIES] = number + 1


@jit
def rises_by_literal(
    kind: IntArray,
    start: IntArray,
    item: IntArray,
    low: FloatArray,
    high: FloatArray,
    is_hard: BoolArray,
    rise: FloatArray,
) -> None:
    """Fill in how much f can rise as a safe literal of each conflict is switched off.

    A literal is safe to switch off where, while the other one holds, no other penalty rises.

    Parameters
    ----------
    kind, start, item : array
        Of the penalties.
    low, high : array, (n,)
        Bounds on the change of f as each bit is switched on.
    is_hard : array of bool, (n,)
        Bits of other penalties and rules.
    rise : array, (p,)
        inf where nothing is safe.
    """
    n_literals = 2 * len(low)
    partners, partner = np.zeros(n_literals, dtype=np.int64), np.zeros(n_literals, dtype=np.int64)
    head, next_triple = np.full(len(low), EMPTY), np.full(3 * len(kind), EMPTY)
    _note_partners(kind, start, item, partners, partner, head, next_triple)
    for p in range(len(kind)):
        rise[p] = np.inf
        if kind[p] != CONFLICT:
            continue
        a, b = item[start[p]], item[start[p + 1] - 1]
        for off, held in ((a, b), (b, a)):
            # A conflict of the complement with what `held` excludes cannot be broken.
            others = partners[off ^ 1] - (partner[off ^ 1] == (held ^ 1))
            is_safe = not is_hard[off // 2] and (partners[off ^ 1] == 0 or others == 0)
            if is_safe and not _can_rise(head[off // 2], next_triple, start, item, off, held):
                cost = high[off // 2] if off % 2 else -low[off // 2]
                rise[p] = min(rise[p], max(cost, 0.0))


@jit
def _note_partners(
    kind: IntArray,
    start: IntArray,
    item: IntArray,
    partners: IntArray,
    partner: IntArray,
    head: IntArray,
    next_triple: IntArray,
) -> None:
    """Fill in how many partners each literal has in conflicts, one of them, and its triples."""
    for p in range(len(kind)):
        first, last = start[p], start[p + 1] - 1
        if kind[p] == CONFLICT:
            for one, other in ((item[first], item[last]), (item[last], item[first])):
                if other != partner[one] or partners[one] == 0:
                    partners[one] += 1
                    partner[one] = other
        elif kind[p] == TRIPLET:
            for k in range(3):
                bit = item[first + k] // 2
                next_triple[3 * p + k], head[bit] = head[bit], 3 * p + k


@jit
def _can_rise(
    link: int, next_triple: IntArray, start: IntArray, item: IntArray, off: int, held: int
) -> bool:
    """Return whether some triple's penalty can rise as `off` is switched off while `held`."""
    while link != EMPTY:
        first, place = start[link // 3], link % 3
        is_complement = item[first + place] != off
        for state in range(8):
            if ((state >> place) & 1) == is_complement or not _may_hold(item, first, state, held):
                continue
            if _triple_value(state ^ (1 << place)) > _triple_value(state):
                return True
        link = next_triple[link]
    return False


@jit
def _may_hold(item: IntArray, first: int, state: int, held: int) -> bool:
    """Return whether a literal may hold where those of a triple are as `state` says."""
    for k in range(3):
        if item[first + k] // 2 == held // 2:
            return bool(((state >> k) & 1) == (item[first + k] == held))
    return True


@jit
def _triple_value(state: int) -> int:
    first, second, last = state & 1, (state >> 1) & 1, (state >> 2) & 1
    return last * (first + second - 1) + (1 - first) * (1 - second)


@jit
def count_of_terms(kind: IntArray, start: IntArray) -> int:
    """Return how many terms `write_terms` writes."""
    total = 0
    for p in range(len(kind)):
        n = start[p + 1] - start[p]
        if kind[p] in (SQUARE, BAND):
            total += n * (n + 1) // 2
        elif kind[p] == CONFLICT:
            total += 3
        elif kind[p] == TRIPLET:
            total += 12
    return total


@jit
def write_terms(
    kind: IntArray,
    start: IntArray,
    item: IntArray,
    values: FloatArray,
    side: FloatArray,
    weights: FloatArray,
    n: int,
    first: Places,
    second: Places,
    value: FloatArray,
) -> tuple[int, float]:
    """Write the sum of all penalties as terms value · z_first · z_second, after n ones.

    Returns how many terms there are then, and the constant.
    """
    constant = 0.0
    for p in range(len(kind)):
        weight = weights[p]
        items = item[start[p] : start[p + 1]]
        if kind[p] == NEVER:
            constant += weight
        elif kind[p] == CONFLICT:
            n, added = _product(n, weight, items[0], items[-1], first, second, value)
            constant += added
        elif kind[p] == TRIPLET:
            a, b, k = items[0], items[1], items[2]
            for factor, i, j in ((1.0, k, a), (1.0, k, b), (-1.0, k, k), (1.0, a ^ 1, b ^ 1)):
                n, added = _product(n, factor * weight, i, j, first, second, value)
                constant += added
        elif kind[p] != RUNS:
            linear, square = (0.0, 1.0) if kind[p] == SQUARE else (-0.5, 0.5)
            of_item, rest = values[start[p] : start[p + 1]], side[p]
            constant += weight * (square * rest * rest + linear * rest)
            for i in range(len(items)):
                own = square * (of_item[i] - 2.0 * rest) - linear
                first[n], second[n], value[n] = items[i], items[i], weight * own * of_item[i]
                n += 1
                for j in range(i + 1, len(items)):
                    first[n], second[n] = min(items[i], items[j]), max(items[i], items[j])
                    value[n] = 2.0 * weight * square * of_item[i] * of_item[j]
                    n += 1
    return n, constant


@jit
def _product(
    n: int,
    weight: float,
    i: int,
    j: int,
    first: Places,
    second: Places,
    value: FloatArray,
) -> tuple[int, float]:
    """Write weight · literal i · literal j; return how many terms there are, and the constant."""
    constant, slope = (1.0, -1.0) if i % 2 else (0.0, 1.0)
    other, rise = (1.0, -1.0) if j % 2 else (0.0, 1.0)
    a, b = i // 2, j // 2
    if i == j:
        first[n], second[n], value[n] = a, a, weight * slope
        return n + 1, weight * constant
    first[n], second[n], value[n] = a, a, weight * slope * other
    first[n + 1], second[n + 1], value[n + 1] = b, b, weight * constant * rise
    first[n + 2], second[n + 2], value[n + 2] = min(a, b), max(a, b), weight * slope * rise
    return n + 3, weight * constant * other


@jit
def summed(
    first: Places, second: Places, value: FloatArray, n: int
) -> tuple[Places, Places, FloatArray]:
    """Return Σ value at (first, second) as compressed rows, (n, n), columns in order, no zeros.

    Entries are counted into the order of their columns, then of their rows.
    """
    order = _counted(second, np.arange(len(first), dtype=np.int32), n)
    order = _counted(first, order, n)
    start = np.zeros(n + 1, dtype=np.int32)
    column, total = np.empty(len(first), dtype=np.int32), np.empty(len(first))
    used, k = 0, 0
    while k < len(order):
        i, j, added = first[order[k]], second[order[k]], 0.0
        while k < len(order) and first[order[k]] == i and second[order[k]] == j:
            added += value[order[k]]
            k += 1
        if added != 0.0:
            column[used], total[used] = j, added
            used += 1
            start[i + 1] += 1
    for row in range(n):
        start[row + 1] += start[row]
    return start, column[:used].copy(), total[:used].copy()


@jit
def _counted(key: Places, order: Places, n: int) -> Places:
    """Return `order` sorted by key, the order of equal ones unchanged."""
    place = np.zeros(n + 1, dtype=np.int64)
    for k in key:
        place[k + 1] += 1
    for k in range(n):
        place[k + 1] += place[k]
    found = np.empty_like(order)
    for number in order:
        found[place[key[number]]] = number
        place[key[number]] += 1
    return found
