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

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np
from scipy import sparse

from gridopt.lowering.encoding import Discretized, Lowering
from gridopt.lowering.lift import Lift
from gridopt.lowering.penalties import counting_weights
from gridopt.lowering.rows import Edges, Pattern, Patterns, Row
from gridopt.lowering.structure import Cardinality
from gridopt.lowering.substitution import Substitution, Terms, resolved, substitute_implied_bits
from gridopt.program import Integrality

_WHOLE = 1e-6
_ROUNDING = 1e-12


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
        lift=bits.lift.after(resolved(work.defined, n, kept)),
        labels=tuple(bits.labels[bit] for bit in kept.tolist()),
        rows=tuple(
            Row(tuple(map(place_of.__getitem__, row.bits)), *row[1:])
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
