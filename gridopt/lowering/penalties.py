"""The quadratic penalties that stand for rows over bits, exactly.

Every penalty is a quadratic P ≥ 0 of the bits (and of slack bits) with P = 0 where the row holds
(for the best slack) and P ≥ 1 where it does not. Over literals l, m, k (`gridopt.lowering.rows`):

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

*Triples.* klm = k(l + m − 1 + l̄m̄), so the stated P is klm + k̄l̄m̄ ≥ 0: it forbids the triple, and
costs nothing where l̄m̄ = 0, which some other row ensures.

*Bands.* For whole y, y(y − 1)/2 is 0 at y = 0 and 1 and at least 1 elsewhere. So a slack of range
R must only come within one of b − a·z: it takes the values 0, 2, 4, … and R − 1, which is one bit
less than counting every value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.rows import Clause, Edges, Pattern, Row, at_bits
from gridopt.lowering.units import UnitError, Units

Solved = tuple[tuple[Clause, ...] | None, ...]
"""What each side of a row says in clauses of local literals, None where it needs more."""

_Clauses = dict[tuple[int, str], list[tuple[IntArray, IntArray]]]
"""Literals, (m, k), and rows, (m,), by length of the clause and block."""


def _no_numbers() -> IntArray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Penalty:
    """A quadratic that is 0 where its row holds and at least 1 elsewhere; or m alike, of m rows.

    Parameters
    ----------
    kind : str
        ``conflict``, ``triple``, ``square``, ``band``, ``runs`` or ``never``.
    block : str
        Row block they stand for.
    literals : array of int, (k,) or (m, k)
        Of a conflict (two, the same twice where it is one) or a triple, whose last one is the k of
        the table above.
    bits : array of int, (k,) or (m, k)
        Of a square, a band or runs.
    values : array, (k,)
        Of a square or a band: a. Of runs: the values of the terms.
    side : int
        Of a square or a band: b.
    slack : tuple of int
        Weights of the slack bits of a band; of runs, one for each auxiliary bit.
    constant : float
    first, second : array of int, (t,)
        Of runs: Σ values · z_first · z_second + constant, places in `bits` and then slack bits.
    rows : array of int, (m,)
        Numbers of the rows: slack bits are counted in their order.
    """

    kind: str
    block: str
    literals: IntArray = field(default_factory=_no_numbers)
    bits: IntArray = field(default_factory=_no_numbers)
    values: FloatArray = field(default_factory=lambda: np.zeros(0))
    side: int = 0
    slack: tuple[int, ...] = ()
    constant: float = 0.0
    first: IntArray = field(default_factory=_no_numbers)
    second: IntArray = field(default_factory=_no_numbers)
    rows: IntArray = field(default_factory=_no_numbers)

    def touches(self) -> IntArray:
        """Return the bits that each reads, slack bits apart, (m, k)."""
        return self.literals // 2 if self.kind in {"conflict", "triple"} else self.bits


class Split(NamedTuple):
    """The penalties of rows, which rows were rounded, and what they do not stand for.

    `faults` says of rows that must be whole, and are not, what is wrong with them.
    """

    penalties: list[Penalty]
    rounded: list[int]
    rest: list[Row]
    faults: list[str]


class _Group(NamedTuple):
    """Rows of one pattern and block that are solved alike."""

    pattern: Pattern
    block: str
    solved: Solved
    rows: list[int]


def penalties_of(
    rows: Sequence[Row],
    edges: Edges,
    units: Units,
    leave_inequality: bool = False,
    leave_equality: bool = False,
) -> Split:
    """Return the penalties that stand for rows, each conflict once.

    Parameters
    ----------
    rows : sequence of Row
    edges : Edges
        Pairs of literals known to be in conflict.
    units : Units
    leave_inequality, leave_equality : bool
        Whether a row that would need slack bits, or a square, is left as it is.
    """
    forms: list[Penalty] = []
    clauses: _Clauses = defaultdict(list)
    rounded, rest, faults = list[int](), list[tuple[int, Pattern]](), list[tuple[int, str]]()
    for group in _alike(rows, edges):
        open_part = _open_part(group)
        if open_part is None or not open_part.is_equality:
            _note_clauses(clauses, group, rows)
        if open_part is None:
            continue
        if leave_equality if open_part.is_equality else leave_inequality:
            rest += [(row, open_part) for row in group.rows]
            continue
        try:
            form, was_rounded = _form(group, open_part, rows, units)
        except UnitError as fault:
            faults += [(row, f"{rows[row].label} ({fault})") for row in group.rows]
            continue
        forms += form
        rounded += group.rows * was_rounded
    penalties = [*_from_clauses(clauses), *forms]
    return Split(
        sorted(penalties, key=lambda penalty: int(penalty.rows[0])),
        sorted(rounded),
        [
            rows[row]._replace(pattern=pattern)
            for row, pattern in sorted(rest, key=lambda part: part[0])
        ],
        [fault for _, fault in sorted(faults)],
    )


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


class Quadratic(NamedTuple):
    """constant + Σ value · z_first · z_second with z² = z.

    Of one penalty () and (t,) each, of m alike (m,) and (m, t); `value` is (t,) where all share it.
    """

    constant: npt.NDArray[np.float64]
    first: IntArray
    second: IntArray
    value: FloatArray


def polynomial(penalty: Penalty, slack: IntArray) -> Quadratic:
    """Return the penalty, or each of m penalties, as constant and entries.

    Parameters
    ----------
    penalty : Penalty
    slack : array of int, (s,) or (m, s)
        Numbers of its slack bits.
    """
    if penalty.kind == "conflict":
        return _product(penalty.literals[..., 0], penalty.literals[..., 1])
    if penalty.kind == "triple":
        return _triple(penalty.literals)
    bits = np.concatenate((penalty.bits, slack), axis=-1)
    if penalty.kind in {"runs", "never"}:
        constant = 1.0 if penalty.kind == "never" else penalty.constant
        first, second = bits[..., penalty.first], bits[..., penalty.second]
        return Quadratic(np.full(bits.shape[:-1], constant), first, second, penalty.values)
    return _of_sum(penalty, bits)


class Form(NamedTuple):
    """constant + Σ own_i z_i + factor · Σ_{i<j} values_i values_j z_i z_j: a square or a band."""

    constant: float
    own: FloatArray
    factor: float
    values: FloatArray


def form_of(penalty: Penalty) -> Form:
    """Return y² of a square, (y² − y)/2 of a band, with y = side − values · z, slack bits last."""
    values = np.concatenate((penalty.values, np.asarray(penalty.slack, dtype=np.float64)))
    square, linear = (1.0, 0.0) if penalty.kind == "square" else (0.5, -0.5)
    side = float(penalty.side)
    own = square * (values**2 - 2.0 * side * values) - linear * values
    return Form(square * side**2 + linear * side, own, 2.0 * square, values)


def _of_sum(penalty: Penalty, bits: IntArray) -> Quadratic:
    constant, own, factor, values = form_of(penalty)
    i, j = np.triu_indices(len(values), 1)
    return Quadratic(
        np.full(len(bits), constant),
        np.concatenate((bits, bits[:, i]), axis=1),
        np.concatenate((bits, bits[:, j]), axis=1),
        np.concatenate((own, factor * values[i] * values[j])),
    )


def _product(l: IntArray, m: IntArray) -> Quadratic:  # noqa: E741
    """Return l·m; where both are the same literal, that is l."""
    (constant, slope), (other, rise) = _factor(l), _factor(m)
    i, j = l // 2, m // 2
    return Quadratic(
        constant * other,
        np.stack((i, j, i), axis=-1),
        np.stack((i, j, j), axis=-1),
        np.stack((slope * other, constant * rise, slope * rise), axis=-1),
    )


def _triple(literals: IntArray) -> Quadratic:
    """Return k(l + m − 1) + (1 − l)(1 − m)."""
    first, second, last = np.moveaxis(literals, -1, 0)
    parts = [
        (1.0, _product(last, first)),
        (1.0, _product(last, second)),
        (-1.0, _product(last, last)),
        (1.0, _product(first ^ 1, second ^ 1)),
    ]
    return Quadratic(
        np.sum([sign * part.constant for sign, part in parts], axis=0),
        np.concatenate([part.first for _, part in parts], axis=-1),
        np.concatenate([part.second for _, part in parts], axis=-1),
        np.concatenate([sign * part.value for sign, part in parts], axis=-1),
    )


def _factor(literal: IntArray) -> tuple[FloatArray, FloatArray]:
    """Constant and slope of a literal in its bit."""
    negated = (literal % 2).astype(np.float64)
    return negated, 1.0 - 2.0 * negated


def _alike(rows: Sequence[Row], edges: Edges) -> list[_Group]:
    """Group rows by pattern, block and what their sides say in clauses."""
    found: dict[tuple[Pattern, str, Solved], _Group] = {}
    for number, row in enumerate(rows):
        key = (row.pattern, row.block, row.pattern.clauses_at(row.bits, edges))
        group = found.get(key)
        if group is None:
            group = found[key] = _Group(*key, [])
        group.rows.append(number)
    return list(found.values())


def _open_part(group: _Group) -> Pattern | None:
    """Return what clauses do not say of the rows of a group, None where they say everything."""
    pattern, solved = group.pattern, group.solved
    if all(side is not None for side in solved):
        return None
    if len(solved) == 1 or pattern.is_equality or not any(side is not None for side in solved):
        return pattern
    lower = -np.inf if solved[1] is not None else pattern.lower
    upper = np.inf if solved[0] is not None else pattern.upper
    return replace(pattern, lower=lower, upper=upper)


def _bits_of(rows: Sequence[Row], chosen: list[int]) -> IntArray:
    """Return the bits of rows of one pattern, (m, k)."""
    flat = np.fromiter(chain.from_iterable(rows[row].bits for row in chosen), dtype=np.int64)
    return flat.reshape(len(chosen), len(rows[chosen[0]].bits))


def _note_clauses(clauses: _Clauses, group: _Group, rows: Sequence[Row]) -> None:
    """Add the clauses of a group, at the bits of its rows, by length and block."""
    local = [clause for side in group.solved for clause in side or ()]
    if not local:
        return
    bits = _bits_of(rows, group.rows)
    for length in {len(clause) for clause in local}:
        some = at_bits((clause for clause in local if len(clause) == length), bits)
        numbers = np.repeat(np.array(group.rows, dtype=np.int64), some.shape[1])
        clauses[length, group.block].append((some.reshape(len(numbers), length), numbers))


def _from_clauses(clauses: _Clauses) -> Iterable[Penalty]:
    """Yield the penalties of clauses; of conflicts that are stated more than once, the first."""
    kinds = {0: "never", 2: "conflict", 3: "triple"}
    blocks: dict[int, list[tuple[str, IntArray, IntArray]]] = defaultdict(list)
    for (length, block), stated in clauses.items():
        literals, numbers = (np.concatenate(part) for part in zip(*stated, strict=True))
        blocks[length].append((block, literals, numbers))
    if 2 in blocks:
        blocks[2] = list(_each_once(blocks[2]))
    for length, parts in blocks.items():
        for block, literals, numbers in parts:
            yield Penalty(
                kinds[length], block, literals, np.zeros((len(literals), 0), np.int64), rows=numbers
            )


def _each_once(
    parts: list[tuple[str, IntArray, IntArray]],
) -> Iterable[tuple[str, IntArray, IntArray]]:
    """Yield pairs of literals, with block and row, each where the first row states it."""
    pairs = np.sort(np.concatenate([literals for _, literals, _ in parts]), axis=1)
    numbers = np.concatenate([numbers for *_, numbers in parts])
    source = np.repeat(np.arange(len(parts)), [len(numbers) for *_, numbers in parts])
    order = np.argsort(numbers, kind="stable")
    key = pairs[order] @ np.array([int(pairs.max()) + 1, 1])
    kept = order[np.sort(np.unique(key, return_index=True)[1])]
    for place, (block, *_) in enumerate(parts):
        own = kept[source[kept] == place]
        if len(own):
            yield block, pairs[own], numbers[own]


def _form(
    group: _Group, pattern: Pattern, rows: Sequence[Row], units: Units
) -> tuple[list[Penalty], bool]:
    """Return the squares or bands of a group, none where all bits hold it, and if rounded.

    Raises
    ------
    UnitError
        Where the rows must be whole, are not, and rounding is off.
    """
    values, lower, upper, rounded = units.whole(pattern)
    least, greatest = int(values[values < 0].sum()), int(values[values > 0].sum())
    bits, numbers = _bits_of(rows, group.rows), np.array(group.rows, dtype=np.int64)
    if not pattern.is_equality:
        if lower > upper:
            nothing = np.zeros((len(bits), 0), dtype=np.int64)
            return [Penalty("never", group.block, nothing, nothing, rows=numbers)], rounded
        if lower <= least and upper >= greatest:
            return [], rounded
    kept = values != 0.0
    form = Penalty(
        "square" if lower == upper else "band",
        group.block,
        bits=bits[:, kept],
        values=values[kept],
        side=upper,
        slack=() if lower == upper else slack_weights(upper - lower),
        rows=numbers,
    )
    return [form], rounded
