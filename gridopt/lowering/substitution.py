"""Bits that equalities define, substituted one by one; compiled, as each step depends on the last.

Rows lie in one arena and are changed in place; edges (pairs of literals that exclude each other)
are drawn from the rows as they come and stay true of every feasible point, whatever happens to the
row that they came from. Arrays are of fixed size: `OverflowError` asks for larger ones.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.compiling import jit
from gridopt.lowering.row_kernels import (
    EMPTY,
    IMPOSSIBLE,
    NO_UNIT,
    OPEN,
    count_of_slack,
    has_edge,
    has_no_conflict,
    key_of,
    kind_of_side,
    knapsack,
    room,
    slot_of,
    unit_of_row,
    whole_sides,
)

ROWS, ENTRIES, LINKS, EDGES, SETTLED, DEFINED = range(6)
"""Places in `Work.used`; `SETTLED` edges have been looked at."""

START, SIZE, SOURCE, IS_BOUND, SLACK, STAMP = range(6)
"""Columns of `Work.row`: where its entries are, the row that it came from, whether it is the bounds
of a bit that left, and its slack bits where that is known."""

LOWER, UPPER, UNIT, FAILED = range(4)
"""Columns of `Work.side`: of an equality also the coefficient of a bit that it could not define
without slack; no other bit with the same one can leave by it."""

HEAD, IS_HELD, IN_EQUALITY, MAY_LEAVE, DEFINITION = range(5)
"""Columns of `Work.bit`: its first link, whether it must stay, whether some equality may define it,
whether some row of it has changed since it was last tried, and the number of its definition."""

BIT, FIRST, LAST = range(3)
"""Columns of `Work.definition`: the bit, and where its terms are among the entries."""

LONGEST = 64
"""Rows of more bits give no edges."""

GONE = -1
"""Size of a row that is no more."""

_NONE, _ONE = cast("list[int]", np.arange(2))
_NEVER = cast("bool", np.bool_(False))
"""No plain numbers, for each of which a loop would be compiled anew."""

_WHOLE = 1e-6
_ROUNDING = 1e-12
_IMPOSSIBLE = 1000


class Edges(NamedTuple):
    """Keys of pairs of literals in a hash table and as they came."""

    table: IntArray
    keys: IntArray


class Work(NamedTuple):
    """All that changes, in few arrays, since each of them costs time in every call.

    Entries are of rows and of definitions; ``link`` has row and next link, stale rows among them;
    ``shift`` is of definitions. The last four are for what is made on the way.
    """

    row: IntArray
    side: FloatArray
    bit: IntArray
    entry_bit: IntArray
    entry_value: FloatArray
    link: IntArray
    definition: IntArray
    shift: FloatArray
    edges: Edges
    used: IntArray
    literals: IntArray
    weights: FloatArray
    new_bits: IntArray
    new_values: FloatArray
    found: IntArray


@jit
def substitute(work: Work, order: IntArray) -> None:
    """Substitute bits in this order, pass by pass, as long as some bit leaves."""
    for row in range(work.used[ROWS]):
        _note_edges(work, row)
        _link(work, row)
    _settle(work)
    found = 1
    while found:
        found = 0
        for bit in order:
            if work.bit[bit, MAY_LEAVE] and work.bit[bit, DEFINITION] == EMPTY:
                work.bit[bit, MAY_LEAVE] = 0
                found += _tried(work, bit)
        _settle(work)


@jit
def _note_edges(work: Work, row: int) -> None:
    n, first = work.row[row, SIZE], work.row[row, START]
    if n > LONGEST:
        return
    bits, values = work.entry_bit[first : first + n], work.entry_value[first : first + n]
    for sign in (1.0, -1.0):
        side = work.side[row, UPPER] if sign > 0 else -work.side[row, LOWER]
        if not math.isfinite(side) or has_no_conflict(values, sign, side):
            continue
        side, _ = knapsack(bits, values, sign, side, work.literals, work.weights)
        work.used[EDGES] = _note_conflicts(
            work.literals[:n],
            work.weights[:n],
            side + room(side),
            len(work.bit),
            work.edges.table,
            work.edges.keys,
            work.used[EDGES],
        )


@jit
def _note_conflicts(
    literals: IntArray,
    weights: FloatArray,
    limit: float,
    n_bits: int,
    table: IntArray,
    keys: IntArray,
    number: int,
) -> int:
    """Note the edges of a knapsack after `number` ones; return how many there are then."""
    for i in range(len(literals)):
        for j in range(i, len(literals)):
            if weights[i] > limit and j > i:
                break
            if j > i and weights[i] + weights[j] <= limit:
                break
            if j == i and weights[i] <= limit:
                continue
            key = key_of(literals[i], literals[j], n_bits)
            place = slot_of(table, key)
            if table[place] == EMPTY:
                if number >= len(keys):
                    raise OverflowError
                table[place], keys[number] = key, key
                number += 1
    return number


@jit
def _link(work: Work, row: int) -> None:
    first, last, size = work.row[row, START], work.used[LINKS], work.row[row, SIZE]
    bits, link, bit = work.entry_bit, work.link, work.bit
    if last + size > len(link):
        raise OverflowError
    for k in range(size):
        number = bits[first + k]
        link[last + k, 0], link[last + k, 1] = row, bit[number, HEAD]
        bit[number, HEAD] = last + k
    work.used[LINKS] = last + size
    _mark(work.row, work.side, bits, bit, row)


@jit
def _link_bit(link: IntArray, bit: IntArray, count: IntArray, row: int, number: int) -> None:
    last = count[LINKS]
    if last >= len(link):
        raise OverflowError
    link[last, 0], link[last, 1] = row, bit[number, HEAD]
    bit[number, HEAD] = last
    count[LINKS] = last + 1


@jit
def _mark(rows: IntArray, sides: FloatArray, entry_bit: IntArray, bits: IntArray, row: int) -> None:
    """Note that the bits of a row are worth a try, now that it has changed."""
    first, size = rows[row, START], rows[row, SIZE]
    is_equality = sides[row, LOWER] == sides[row, UPPER]
    is_definition = is_equality and math.isnan(sides[row, UNIT])
    for place in range(first, first + size):
        bit = entry_bit[place]
        bits[bit, IN_EQUALITY] |= is_definition
        bits[bit, MAY_LEAVE] = bits[bit, IN_EQUALITY]


@jit
def _place(bits: IntArray, first: int, size: int, bit: int) -> int:
    """Return the place of a bit among `size` sorted ones from `first` on, `EMPTY` for none."""
    low, high = first, first + size
    while low < high:
        middle = (low + high) // 2
        if bits[middle] < bit:
            low = middle + 1
        else:
            high = middle
    return low if low < first + size and bits[low] == bit else EMPTY


@jit
def _rows_of(
    row: IntArray, entry_bit: IntArray, link: IntArray, head: int, bit: int, found: IntArray
) -> int:
    """Fill in the rows that a bit stands in, in order; return how many."""
    n = 0
    while head != EMPTY:
        number = link[head, 0]
        size = row[number, SIZE]
        is_new = size > 0 and row[number, STAMP] != bit
        if is_new and _place(entry_bit, row[number, START], size, bit) != EMPTY:
            row[number, STAMP] = bit
            place = n
            while place > 0 and found[place - 1] > number:
                found[place] = found[place - 1]
                place -= 1
            found[place] = number
            n += 1
        head = link[head, 1]
    for k in range(n):
        row[found[k], STAMP] = EMPTY
    return n


@jit
def _settle(work: Work) -> None:
    """Fix the bits that a row allows one value only, and merge bits that are always equal."""
    n_bits = len(work.bit)
    while work.used[SETTLED] < work.used[EDGES]:
        key = work.edges.keys[work.used[SETTLED]]
        work.used[SETTLED] += 1
        first, second = key // (2 * n_bits), key % (2 * n_bits)
        gone = max(work.bit[first // 2, DEFINITION], work.bit[second // 2, DEFINITION])
        if gone != EMPTY:
            continue
        if first == second:
            _substitute(work, first // 2, _NONE, float(first % 2))
        elif has_edge(work.edges.table, first ^ 1, second ^ 1, n_bits):
            _merge(work, first, second)


@jit
def _merge(work: Work, first: int, second: int) -> None:
    """Exactly one of two literals holds: put one's bit in terms of the other's."""
    if work.bit[second // 2, IS_HELD]:
        first, second = second, first
    if work.bit[second // 2, IS_HELD]:
        return
    same = first % 2 != second % 2
    terms_bit, terms = _terms(work, _ONE)
    terms_bit[0], terms[0] = first // 2, 1.0 if same else -1.0
    _substitute(work, second // 2, _ONE, 0.0 if same else 1.0)


@jit
def _terms(work: Work, size: int) -> tuple[IntArray, FloatArray]:
    """Return space for the terms of the next definition."""
    first = work.used[ENTRIES]
    if first + size > len(work.entry_bit):
        raise OverflowError
    return work.entry_bit[first : first + size], work.entry_value[first : first + size]


@jit
def _tried(work: Work, bit: int) -> bool:
    """Substitute `bit` through one of its rows, where that takes no slack bit."""
    head = work.bit[bit, HEAD]
    n = _rows_of(work.row, work.entry_bit, work.link, head, bit, work.found)
    for k in range(n):
        row = work.found[k]
        side, first, size = work.side[row], work.row[row, START], work.row[row, SIZE]
        if side[LOWER] != side[UPPER] or not math.isnan(side[UNIT]):
            continue
        others, terms = _terms(work, size - 1)
        bits, values = work.entry_bit[first : first + size], work.entry_value[first : first + size]
        place = _place(work.entry_bit, first, size, bit) - first
        if size > 4 and values[place] == side[FAILED]:  # an edge can spare three bits their slack
            continue
        is_whole, shift = _definition(bits, values, side[UPPER], place, others, terms)
        if not is_whole:
            continue
        if not _bound_is_free(work, others, terms, shift):
            side[FAILED] = values[place]
        elif _is_worth(work, bit, row, n, others, terms, shift):
            work.row[row, SIZE] = GONE
            _substitute(work, bit, size - 1, shift)
            _add_bounds(work, row, others, terms, shift)
            return True
    return False


@jit
def _definition(
    bits: IntArray,
    values: FloatArray,
    side: float,
    place: int,
    others: IntArray,
    terms: FloatArray,
) -> tuple[bool, float]:
    """Fill in z = Σ terms · others + shift from an equality; return whether all is whole."""
    pivot, k = values[place], 0
    count = side / pivot
    shift = np.rint(count)
    if len(values) == 1 or abs(count - shift) > _WHOLE:
        return False, 0.0
    for other in range(len(values)):
        if other != place:
            count = values[other] / pivot
            others[k], terms[k] = bits[other], -np.rint(count)
            if abs(count + terms[k]) > _WHOLE:
                return False, 0.0
            k += 1
    return True, shift


@jit
def _bound_is_free(work: Work, others: IntArray, terms: FloatArray, shift: float) -> bool:
    """Return whether 0 ≤ Σ terms · others + shift ≤ 1 takes no slack."""
    table, n_bits = work.edges.table, len(work.bit)
    low, high = -shift, 1.0 - shift
    return _is_free(others, terms, low, high, table, n_bits, work.literals, work.weights)


@jit
def _is_worth(
    work: Work, bit: int, row: int, n: int, others: IntArray, terms: FloatArray, shift: float
) -> bool:
    table, n_bits = work.edges.table, len(work.bit)
    literals, weights = work.literals, work.weights
    for k in range(n):
        other = work.found[k]
        side, first, size = work.side[other], work.row[other, START], work.row[other, SIZE]
        if other == row or side[LOWER] == side[UPPER]:
            continue
        bits, values = work.entry_bit[first : first + size], work.entry_value[first : first + size]
        # An edge can spare the slack of three bits at any time.
        if work.row[other, SLACK] == EMPTY or size == 3:
            work.row[other, SLACK] = _slack_bits(
                bits, values, side[LOWER], side[UPPER], side[UNIT], table, n_bits, literals, weights
            )
        if work.row[other, SLACK] == _IMPOSSIBLE:
            continue
        size, factor = _put(bits, values, bit, others, terms, work.new_bits, work.new_values)
        after = _slack_bits(
            work.new_bits[:size],
            work.new_values[:size],
            side[LOWER] - factor * shift,
            side[UPPER] - factor * shift,
            side[UNIT],
            table,
            n_bits,
            literals,
            weights,
        )
        if after > work.row[other, SLACK]:
            return False
    return True


@jit
def _slack_bits(
    bits: IntArray,
    values: FloatArray,
    lower: float,
    upper: float,
    unit: float,
    table: IntArray,
    n_bits: int,
    literals: IntArray,
    weights: FloatArray,
) -> int:
    """Return how many slack bits a row would take."""
    if lower == upper or _is_free(bits, values, lower, upper, table, n_bits, literals, weights):
        return 0
    unit, rounded = unit_of_row(values, lower, upper, unit, _NEVER, np.nan)
    if unit == NO_UNIT:
        return _IMPOSSIBLE
    low, high, _, _ = whole_sides(values, lower, upper, unit, rounded)
    return count_of_slack(int(high - low))


@jit
def _is_free(
    bits: IntArray,
    values: FloatArray,
    lower: float,
    upper: float,
    table: IntArray,
    n_bits: int,
    literals: IntArray,
    weights: FloatArray,
) -> bool:
    """Return whether both sides of a row need no slack."""
    n = len(bits)
    for sign in (1.0, -1.0):
        side = upper if sign > 0 else -lower
        if not math.isfinite(side):
            continue
        side, total = knapsack(bits, values, sign, side, literals, weights)
        kind = kind_of_side(literals[:n], weights[:n], side, total, table, n_bits)
        if kind in (OPEN, IMPOSSIBLE):
            return False
    return True


@jit
def _put(
    bits: IntArray,
    values: FloatArray,
    bit: int,
    others: IntArray,
    terms: FloatArray,
    new_bits: IntArray,
    new_values: FloatArray,
) -> tuple[int, float]:
    """Fill in a row with `bit` replaced by Σ terms · others; return its size and bit's factor."""
    factor = values[_place(bits, _NONE, len(bits), bit)]
    n, i, j, largest = 0, 0, 0, 0.0
    while i < len(bits) or j < len(others):
        if i < len(bits) and bits[i] == bit:
            i += 1
            continue
        here = i < len(bits) and (j >= len(others) or bits[i] <= others[j])
        there = j < len(others) and (i >= len(bits) or others[j] <= bits[i])
        value = 0.0
        if here:
            new_bits[n], value = bits[i], values[i]
            i += 1
        if there:
            new_bits[n], value = others[j], value + factor * terms[j]
            j += 1
        new_values[n] = value
        largest = max(largest, abs(value))
        n += 1
    kept = 0
    for k in range(n):
        if abs(new_values[k]) > _ROUNDING * largest:
            new_bits[kept], new_values[kept] = new_bits[k], new_values[k]
            kept += 1
    return kept, factor


@jit
def _substitute(work: Work, bit: int, n_terms: int, shift: float) -> None:
    """Put the terms written after the last entry, and `shift`, in the place of a bit."""
    number, first = work.used[DEFINED], work.used[ENTRIES]
    others, terms = _terms(work, n_terms)
    work.used[DEFINED], work.used[ENTRIES] = number + 1, first + n_terms
    work.bit[bit, DEFINITION], work.shift[number] = number, shift
    work.definition[number, BIT] = bit
    work.definition[number, FIRST], work.definition[number, LAST] = first, first + n_terms
    head = work.bit[bit, HEAD]
    for k in range(_rows_of(work.row, work.entry_bit, work.link, head, bit, work.found)):
        row = work.found[k]
        first, size = work.row[row, START], work.row[row, SIZE]
        bits, values = work.entry_bit[first : first + size], work.entry_value[first : first + size]
        size, factor = _put(bits, values, bit, others, terms, work.new_bits, work.new_values)
        _write(
            work.row,
            work.entry_bit,
            work.entry_value,
            work.used,
            row,
            work.new_bits[:size],
            work.new_values[:size],
        )
        work.side[row, LOWER] -= factor * shift
        work.side[row, UPPER] -= factor * shift
        work.side[row, FAILED] = np.nan
        for place in range(size):
            if _place(others, _NONE, n_terms, work.new_bits[place]) != EMPTY:
                _link_bit(work.link, work.bit, work.used, row, work.new_bits[place])
        _mark(work.row, work.side, work.entry_bit, work.bit, row)
        _note_edges(work, row)


@jit
def _write(
    rows: IntArray,
    entry_bit: IntArray,
    entry_value: FloatArray,
    used: IntArray,
    row: int,
    bits: IntArray,
    values: FloatArray,
) -> None:
    """Write new entries of a row, where it is or after the last ones."""
    size = len(bits)
    if size > rows[row, SIZE]:
        rows[row, START] = used[ENTRIES]
        used[ENTRIES] += size
        if used[ENTRIES] > len(entry_bit):
            raise OverflowError
    first = rows[row, START]
    for k in range(size):
        entry_bit[first + k], entry_value[first + k] = bits[k], values[k]
    rows[row, SIZE], rows[row, SLACK] = size, EMPTY


@jit
def _add_bounds(work: Work, row: int, others: IntArray, terms: FloatArray, shift: float) -> None:
    new = work.used[ROWS]
    if new >= len(work.row):
        raise OverflowError
    work.used[ROWS] += 1
    work.row[new, START], work.row[new, SIZE], work.row[new, STAMP] = 0, 0, EMPTY
    work.row[new, SOURCE], work.row[new, IS_BOUND] = work.row[row, SOURCE], 1
    work.side[new, LOWER], work.side[new, UPPER] = -shift, 1.0 - shift
    work.side[new, UNIT], work.side[new, FAILED] = work.side[row, UNIT], np.nan
    _write(work.row, work.entry_bit, work.entry_value, work.used, new, others, terms)
    _link(work, new)
    _note_edges(work, new)


@jit
def resolve(
    work: Work,
    place: IntArray,
    start: IntArray,
    column: IntArray,
    value: FloatArray,
    shift: FloatArray,
) -> int:
    """Fill in the map from kept bits to all bits, in compressed rows out of order; return its size.

    Row k of it is bit k where that is kept, else by its definition, later ones first: only later
    ones stand in a definition. ``start`` and ``start + 1`` of (n + 1, 2) are where a row lies.
    """
    used, at = _NONE, np.full(len(place), EMPTY)
    for number in range(work.used[DEFINED] - 1, -1, -1):
        bit, first, moved = work.definition[number, BIT], used, work.shift[number]
        for term in range(work.definition[number, FIRST], work.definition[number, LAST]):
            other, factor = work.entry_bit[term], work.entry_value[term]
            if work.bit[other, DEFINITION] == EMPTY:
                used = _add_entry(place[other], factor, first, used, at, column, value)
                continue
            moved += factor * shift[other]
            for k in range(start[other, 0], start[other, 1]):
                used = _add_entry(column[k], factor * value[k], first, used, at, column, value)
        start[bit, 0], start[bit, 1], shift[bit] = first, used, moved
        for k in range(first, used):
            at[column[k]] = EMPTY
    return used


@jit
def _add_entry(
    key: int,
    amount: float,
    first: int,
    used: int,
    at: IntArray,
    column: IntArray,
    value: FloatArray,
) -> int:
    if at[key] >= first:
        value[at[key]] += amount
        return used
    if used >= len(column):
        raise OverflowError
    at[key], column[used], value[used] = used, key, amount
    return used + 1
