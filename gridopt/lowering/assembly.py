"""From an objective and weighted penalties to the one matrix of a QUBO.

Most entries of a large Q come from few rows, the squares of balances over hundreds of bits. They
are written where they belong; all others are added up as a list of entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.penalties import Penalty, form_of, polynomial
from gridopt.lowering.weights import Objective

LONG = 64
"""Bits of a row, above which its square is written by itself."""


class WeightedSum(NamedTuple):
    """z'Qz + offset, Q upper triangular, and the row block of each slack bit, the last of z."""

    Q: sparse.csr_array
    offset: float
    slack: list[str]


def weighted_sum(
    objective: Objective, penalties: Sequence[Penalty], weights: Sequence[FloatArray]
) -> WeightedSum:
    """Return the objective plus penalties times weights.

    Parameters
    ----------
    objective : Objective
    penalties : sequence of Penalty
    weights : sequence of array, (m,)
        One for each of the m places of each penalty.
    """
    n_main = len(objective.linear)
    numbers, slack = _slack_bits(penalties, n_main)
    n, own, offset = n_main + len(slack), np.arange(n_main), objective.constant
    first, second = [own, objective.first], [own, objective.second]
    value = [objective.linear, objective.value]
    long = []
    for penalty, weight, extra in zip(penalties, weights, numbers, strict=True):
        if penalty.kind in {"square", "band"} and len(penalty.values) > LONG:
            bits = np.concatenate((penalty.bits, extra), axis=1)
            long += [(penalty, one, at) for one, at in zip(weight.tolist(), bits, strict=True)]
            continue
        constant, i, j, terms = polynomial(penalty, extra)
        with np.errstate(over="ignore"):  # whoever wants the sum checks that it is finite
            offset += float(weight @ constant)
            value.append((weight[:, None] * terms).ravel())
        first.append(np.minimum(i, j).ravel())
        second.append(np.maximum(i, j).ravel())
    ends = np.concatenate(first), np.concatenate(second)
    matrix = sparse.csr_array(sparse.coo_array((np.concatenate(value), ends), shape=(n, n)))
    if long:
        offset += sum(weight * form_of(penalty).constant for penalty, weight, _ in long)
        matrix = sparse.csr_array(matrix + _squares(long, n))
    matrix.eliminate_zeros()
    return WeightedSum(matrix, offset, slack)


def _slack_bits(penalties: Sequence[Penalty], first: int) -> tuple[list[IntArray], list[str]]:
    """Return the numbers of the slack bits of each penalty, (m, s), and the block of each bit.

    They are counted from `first` in the order of the rows.
    """
    places = [len(part.rows) for part in penalties]
    row = np.concatenate([np.zeros(0, dtype=np.int64), *(part.rows for part in penalties)])
    source = np.repeat(np.arange(len(penalties)), places)
    count = np.repeat(np.array([len(part.slack) for part in penalties], dtype=np.int64), places)
    order = np.argsort(row, kind="stable")
    start = np.empty_like(row)
    start[order] = first + np.cumsum(count[order]) - count[order]
    starts = np.split(start, np.cumsum(places, dtype=np.int64))
    numbers = [
        mine[:, None] + np.arange(len(part.slack))
        for part, mine in zip(penalties, starts[: len(penalties)], strict=True)
    ]
    source_of_bits = np.repeat(source[order], count[order]).tolist()
    return numbers, [penalties[k].block for k in source_of_bits]


def _squares(long: Sequence[tuple[Penalty, float, IntArray]], n: int) -> sparse.csr_array:
    """Return squares and bands of long rows, each with its weight and bits, as one matrix."""
    length = np.zeros(n + 1, dtype=np.int64)
    for _, _, bits in long:
        length[np.sort(bits) + 1] += np.arange(len(bits), 0, -1)
    start = np.cumsum(length)
    column, value = np.empty(start[-1], dtype=np.int32), np.empty(start[-1])
    free = start.copy()
    for penalty, weight, bits in long:
        _, own, factor, values = form_of(penalty)
        order = np.argsort(bits)
        own, values, columns = weight * own[order], values[order], bits[order].astype(np.int32)
        slope = weight * factor * values
        for i, place in enumerate(free[columns].tolist()):
            end = place + len(columns) - i
            column[place:end] = columns[i:]
            np.multiply(values[i:], slope[i], out=value[place:end])
            value[place] = own[i]
        free[columns] += np.arange(len(columns), 0, -1)
    matrix = sparse.csr_array((value, column, start), shape=(n, n))
    matrix.sum_duplicates()
    return matrix
