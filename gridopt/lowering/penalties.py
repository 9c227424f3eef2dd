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

*Conflicts.* A row that equals its conflicting pairs needs nothing else: see
`gridopt.lowering.row_kernels`.

*Triples.* klm = k(l + m − 1 + l̄m̄), so the stated P is klm + k̄l̄m̄ ≥ 0: it forbids the triple, and
costs nothing where l̄m̄ = 0, which some other row ensures.

*Bands.* For whole y, y(y − 1)/2 is 0 at y = 0 and 1 and at least 1 elsewhere. So a slack of range
R must only come within one of b − a·z: it takes the values 0, 2, 4, … and R − 1, which is one bit
less than counting every value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.lowering import penalty_kernels as kernels
from gridopt.lowering.penalty_kernels import BAND, CONFLICT, NEVER, RUNS, TRIPLET
from gridopt.lowering.reduction import Labels
from gridopt.lowering.row_kernels import EMPTY, NO_UNIT, all_multiples, common_unit_of

T = TypeVar("T")

_SPACE = 2
"""Space for what loops write, in sizes of what they read; doubled where it does not do."""

_SMALL = 1e-9


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


@dataclass(frozen=True, eq=False)
class Rows(Sequence[Row]):
    """Many rows as arrays.

    Parameters
    ----------
    start : array of int, (m + 1,)
        Row r has the entries from ``start[r]`` to ``start[r + 1]``.
    bits, values : array, (k,)
        Sorted by bit in each row.
    lower, upper, unit : array, (m,)
    source : array of int, (m,)
        Place in `names` that each row came from.
    is_bound : array of bool, (m,)
        Whether a row is 0 ≤ z ≤ 1 of a bit that left.
    names : Labels
    blocks : tuple of str
    block : array of int
        Place in `blocks` of each of `names`.
    """

    start: IntArray
    bits: IntArray
    values: FloatArray
    lower: FloatArray
    upper: FloatArray
    unit: FloatArray
    source: IntArray
    is_bound: BoolArray
    names: Labels
    blocks: tuple[str, ...]
    block: IntArray

    def __len__(self) -> int:
        return len(self.lower)

    def __getitem__(self, number: int) -> Row:  # type: ignore[override]
        part = slice(self.start[number], self.start[number + 1])
        return Row(
            self.bits[part],
            self.values[part],
            float(self.lower[number]),
            float(self.upper[number]),
            float(self.unit[number]),
            self.label(number),
            self.blocks[self.block[self.source[number]]],
        )

    def label(self, number: int) -> str:
        """Return the name of a row."""
        name = self.names[int(self.source[number])]
        return f"bounds of a bit in {name}" if self.is_bound[number] else name

    def taken(self, numbers: IntArray) -> Rows:
        """Return some of the rows."""
        size = np.diff(self.start)[numbers]
        start = np.concatenate(([0], np.cumsum(size)))
        entry = np.repeat(self.start[numbers] - start[:-1], size) + np.arange(start[-1])
        return replace(
            self,
            start=start,
            bits=self.bits[entry],
            values=self.values[entry],
            lower=self.lower[numbers],
            upper=self.upper[numbers],
            unit=self.unit[numbers],
            source=self.source[numbers],
            is_bound=self.is_bound[numbers],
        )

    def extended(self, rows: Sequence[Row]) -> Rows:
        """Return these rows and more."""
        blocks = tuple(dict.fromkeys((*self.blocks, *(row.block for row in rows))))
        block = np.array([blocks.index(row.block) for row in rows], dtype=np.int64)
        sizes = np.cumsum([len(row.bits) for row in rows])
        return Rows(
            start=np.concatenate((self.start, self.start[-1] + sizes)),
            bits=np.concatenate((self.bits, *(row.bits for row in rows))),
            values=np.concatenate((self.values, *(row.values for row in rows))),
            lower=np.append(self.lower, [row.lower for row in rows]),
            upper=np.append(self.upper, [row.upper for row in rows]),
            unit=np.append(self.unit, [row.unit for row in rows]),
            source=np.append(self.source, len(self.block) + np.arange(len(rows))),
            is_bound=np.append(self.is_bound, np.zeros(len(rows), dtype=np.bool_)),
            names=replace(self.names, more=(*self.names.more, *(row.label for row in rows))),
            blocks=blocks,
            block=np.append(self.block, block),
        )


class Quadratic(NamedTuple):
    """A penalty term by term: constant + Σ values · z_first · z_second.

    `first` and `second` are places in `bits` and then slack bits.
    """

    block: str
    bits: IntArray
    n_slack: int
    constant: float
    first: IntArray
    second: IntArray
    values: FloatArray

    def holds_at(self, value: int) -> bool:
        """Return whether it is 0 with all bits at `value` and all slack bits off."""
        mine = np.maximum(self.first, self.second) < len(self.bits)
        return abs(self.constant + value * float(self.values[mine].sum())) < _SMALL


@dataclass(frozen=True, eq=False)
class Penalties:
    """Quadratics that are 0 where their rows hold and at least 1 elsewhere.

    Parameters
    ----------
    n_bits : int
        Slack bits have the numbers after these.
    kind : array of int, (p,)
        ``CONFLICT``, ``TRIPLET``, ``SQUARE``, ``BAND``, ``NEVER`` or ``RUNS`` of `penalty_kernels`.
    block : array of int, (p,)
        Place in `blocks` of the row block that each stands for.
    side : array, (p,)
        b of a square or a band.
    n_slack : array of int, (p,)
    start : array of int, (p + 1,)
        Penalty p has the items from ``start[p]`` to ``start[p + 1]``.
    item, value : array, (k,)
        Literals of a conflict (one or two) or a triple, whose last one is the k of the table above;
        else bits and their values a, slack bits last.
    blocks : tuple of str
    quadratics : tuple of Quadratic
        Those of the kind ``RUNS``, which come last.
    """

    n_bits: int
    kind: IntArray
    block: IntArray
    side: FloatArray
    n_slack: IntArray
    start: IntArray
    item: IntArray
    value: FloatArray
    blocks: tuple[str, ...]
    quadratics: tuple[Quadratic, ...] = ()

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def owner(self) -> IntArray:
        """Penalty of each item, (k,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    @cached_property
    def has_literals(self) -> BoolArray:
        """Whether its items are literals, (p,)."""
        return np.asarray((self.kind == CONFLICT) | (self.kind == TRIPLET))

    @cached_property
    def bits(self) -> IntArray:
        """Bit of each item, slack bits among them, (k,)."""
        return np.where(self.has_literals[self.owner], self.item // 2, self.item)

    def with_quadratics(self, quadratics: Sequence[Quadratic]) -> Penalties:
        """Return these penalties and more."""
        if not quadratics:
            return self
        blocks = tuple(dict.fromkeys((*self.blocks, *(one.block for one in quadratics))))
        is_never = [not len(one.bits) for one in quadratics]
        bits = np.concatenate([self.item, *(one.bits for one in quadratics)])
        zeros = np.zeros(len(quadratics))
        return replace(
            self,
            kind=np.append(self.kind, np.where(is_never, NEVER, RUNS)),
            block=np.append(self.block, [blocks.index(one.block) for one in quadratics]),
            side=np.append(self.side, zeros),
            n_slack=np.append(self.n_slack, [one.n_slack for one in quadratics]),
            start=np.append(
                self.start, self.start[-1] + np.cumsum([len(one.bits) for one in quadratics])
            ),
            item=bits,
            value=np.append(self.value, np.zeros(len(bits) - len(self.value))),
            blocks=blocks,
            quadratics=tuple(quadratics),
        )

    def holds_at(self, value: int) -> BoolArray:
        """Return whether each is 0 with all its bits at `value`, for the best slack bits, (p,)."""
        owner, n = self.owner, len(self)
        on = np.bincount(owner, self.item % 2 != value, n)
        is_slack = self.bits >= self.n_bits
        own = self.side - value * np.bincount(owner, np.where(is_slack, 0.0, self.value), n)
        reach = np.bincount(owner, np.where(is_slack, self.value, 0.0), n) + (self.kind == BAND)
        held = np.where(
            self.has_literals,
            on < np.diff(self.start),
            (own >= 0.0) & (own <= reach),
        )
        held[n - len(self.quadratics) :] = [one.holds_at(value) for one in self.quadratics]
        return np.asarray(held & (self.kind != NEVER))

    @property
    def n_terms(self) -> int:
        """How many terms `write_terms` writes at most."""
        own = kernels.count_of_terms(self.kind, self.start)
        return int(own) + sum(len(one.values) for one in self.quadratics)

    def write_terms(
        self,
        weights: FloatArray,
        n: int,
        first: kernels.Places,
        second: kernels.Places,
        value: FloatArray,
    ) -> tuple[int, float]:
        """Write the sum of all by weight as Σ value · z_first · z_second, first ≤ second.

        The terms come after `n` ones; returns how many there are then, and the constant.
        """
        n, constant = kernels.write_terms(
            self.kind,
            self.start,
            self.item,
            self.value,
            self.side,
            weights,
            n,
            first,
            second,
            value,
        )
        slack = self.n_bits + int(self.n_slack.sum()) - sum(one.n_slack for one in self.quadratics)
        of_quadratics = weights[len(self) - len(self.quadratics) :]
        for one, weight in zip(self.quadratics, of_quadratics, strict=True):
            if not len(one.bits):
                continue  # of the kind NEVER
            number = np.append(one.bits, slack + np.arange(one.n_slack))
            slack += one.n_slack
            i, j, part = number[one.first], number[one.second], slice(n, n + len(one.values))
            first[part], second[part] = np.minimum(i, j), np.maximum(i, j)
            value[part] = float(weight) * one.values
            constant += float(weight) * one.constant
            n = part.stop
        return n, constant


class Split(NamedTuple):
    """The penalties of rows, and the rows that were rounded, have no unit, or are left."""

    penalties: Penalties
    rounded: tuple[str, ...]
    faults: tuple[str, ...]
    left: tuple[Row, ...]


def penalties_of(
    rows: Rows,
    n_bits: int,
    edges: IntArray,
    rounding: bool,
    fallback: float | None,
    leave_inequality: bool = False,
    leave_equality: bool = False,
) -> Split:
    """Return the penalties that stand for rows, each conflict once.

    Parameters
    ----------
    rows : Rows
    n_bits : int
    edges : array of int
        Pairs of literals known to be in conflict: keys of `row_kernels`.
    rounding : bool
        Whether numbers that are no multiples of a unit are rounded to the nearest one.
    fallback : float or None
        Unit of rounded rows without continuous columns; None for 1/32 of the largest coefficient.
    leave_inequality, leave_equality : bool
        Whether rows that would need slack bits, or a square, are left as they are.
    """
    table = np.full(power_above(2 * len(edges) + 2), EMPTY, dtype=np.int64)
    kernels.hashed(edges, table)

    def attempt(space: int) -> kernels.Written:
        out = _written(rows, space)
        kernels.write_rows(
            out,
            rows.start,
            rows.bits,
            rows.values,
            rows.lower,
            rows.upper,
            rows.unit,
            table,
            n_bits,
            rounding,
            np.nan if fallback is None else fallback,
            leave_inequality,
            leave_equality,
        )
        return out

    return _split(rows, n_bits, with_space(attempt))


def with_space(attempt: Callable[[int], T]) -> T:
    """Return what `attempt` returns with enough space."""
    space = _SPACE
    while True:
        try:
            return attempt(space)
        except OverflowError:
            space *= 2


def power_above(size: int) -> int:
    """Return the least power of two above `size`."""
    return 1 << size.bit_length()


def _written(rows: Rows, space: int) -> kernels.Written:
    most = space * (len(rows.bits) + len(rows) + 16)
    longest = int(np.diff(rows.start).max(initial=0)) + 3
    return kernels.Written(
        penalty=np.empty((most, 4), dtype=np.int64),
        side=np.zeros(most),
        item=np.empty(2 * most, dtype=np.int64),
        value=np.zeros(2 * most),
        state=np.zeros(len(rows), dtype=np.int64),
        rest=np.zeros((len(rows), 2)),
        table=np.full(power_above(2 * most), EMPTY),
        used=np.zeros(3, dtype=np.int64),
        literals=np.empty(longest, dtype=np.int64),
        weights=np.empty(longest),
    )


def _split(rows: Rows, n_bits: int, out: kernels.Written) -> Split:
    n, items = out.used[kernels.PENALTIES], out.used[kernels.ITEMS]
    penalty = out.penalty[:n]
    penalties = Penalties(
        n_bits=n_bits,
        kind=penalty[:, kernels.KIND].copy(),
        block=rows.block[rows.source[penalty[:, kernels.ROW]]],
        side=out.side[:n].copy(),
        n_slack=penalty[:, kernels.N_SLACK].copy(),
        start=np.append(0, penalty[:, kernels.END]),
        item=out.item[:items].copy(),
        value=out.value[:items].copy(),
        blocks=rows.blocks,
    )
    faulty, left = (np.flatnonzero(out.state == state) for state in (kernels.FAULTY, kernels.LEFT))
    return Split(
        penalties,
        tuple(rows.label(int(k)) for k in np.flatnonzero(out.state == kernels.ROUNDED)),
        tuple(f"{rows.label(int(k))} ({_fault(rows[int(k)])})" for k in faulty),
        tuple(
            rows[int(k)]._replace(lower=float(out.rest[k, 0]), upper=float(out.rest[k, 1]))
            for k in left
        ),
    )


def common_unit(numbers: Collection[float]) -> float | None:
    """Return the largest unit that all `numbers` are multiples of, or None.

    None as well where a number would be too many units: close to that, every ratio of two reals
    looks rational.
    """
    found = common_unit_of(np.array(list(numbers), dtype=np.float64), 0.0)
    return None if found == NO_UNIT else found


def _fault(row: Row) -> str:
    """Return why a row has no unit."""
    numbers = [*row.values, row.upper] if row.lower == row.upper else list(row.values)
    unit = common_unit(numbers) if np.isnan(row.unit) else row.unit
    if unit is None:
        return "its numbers have no common unit"
    nothing = np.zeros(0)
    odd = next((x for x in numbers if not all_multiples(unit, nothing, float(x))), None)
    if odd is None:
        return f"its numbers are too large for a unit of {unit:g}"
    return f"{odd:.10g} is no multiple of {unit:g}"


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
