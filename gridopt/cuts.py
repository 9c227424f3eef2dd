"""Rounding cuts: rows that every whole answer keeps and that cut off a fractional one.

Complemented mixed-integer rounding: a row Σ a x + Σ c s ≥ b, x ≥ 0 whole and s ≥ 0, divided by δ
and rounded is Σ F(a/δ) x + Σ_{c > 0} c s / (δ f) ≥ ⌈b/δ⌉ with f the fraction of b/δ and
F(d) = ⌊d⌋ + min(1, fraction of d / f). Columns near their upper bound enter as their distance from
it. Marchand & Wolsey 2001, "Aggregation and mixed integer rounding to solve MIPs",
doi 10.1287/opre.49.3.363.11211.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.lazy import AddedRows
from gridopt.program import Program

FRACTIONAL = 1e-6
LEAST_VIOLATION = 1e-4
"""Of a cut at the answer to be cut off, over the length of the cut's coefficients."""

MULTIPLES = np.array([1.0, 2.0, 3.0, 4.0])
"""Divisors δ are the coefficients of fractional columns over these."""


def rounding_cuts(program: Program, x: FloatArray) -> AddedRows:
    """Return the most violated cut of each row of `program.cuts`, where there is one.

    Parameters
    ----------
    program : Program
    x : array, (n,)
        Of the relaxation.

    Returns
    -------
    AddedRows
        Over the program's columns.
    """
    if program.cuts is None:
        return AddedRows.none(program.n_columns)
    rows = program.cuts
    found = []
    for i in range(len(rows)):
        part = slice(rows.A.indptr[i], rows.A.indptr[i + 1])
        columns, a, b = rows.A.indices[part], rows.A.data[part], rows.lower[i]
        if np.isfinite(b):
            cut = _rounded(program, x, columns.astype(np.int64), a, float(b))
            if cut is not None:
                found.append((*cut, rows.label[i]))
    if not found:
        return AddedRows.none(program.n_columns)
    ends = np.cumsum([0, *(len(columns) for columns, *_ in found)])
    data = np.concatenate([coefficient for _, coefficient, *_ in found])
    indices = np.concatenate([columns for columns, *_ in found])
    return AddedRows(
        sparse.csr_array((data, indices, ends), shape=(len(found), program.n_columns)),
        np.array([side for _, _, side, _ in found]),
        np.full(len(found), np.inf),
        tuple(f"rounded {label}" for *_, label in found),
    )


def _rounded(
    program: Program, x: FloatArray, columns: IntArray, a: FloatArray, b: float
) -> tuple[IntArray, FloatArray, float] | None:
    """Return columns, coefficients and side of the best cut of one row Σ a x ≥ b."""
    lower, upper = program.lower[columns], program.upper[columns]
    from_top = (x[columns] - lower > (upper - lower) / 2) & np.isfinite(upper)
    bound = np.where(from_top, upper, lower)
    if not np.isfinite(bound).all():
        return None
    sign = np.where(from_top, -1.0, 1.0)
    distance, toward = sign * (x[columns] - bound), sign * a
    rest = b - float(a @ bound)
    whole = program.is_integer[columns]
    best = _best_divisor(toward, distance, whole, rest)
    if best is None:
        return None
    coefficient, side = best
    return columns, sign * coefficient, side + float((sign * coefficient) @ bound)


def _best_divisor(
    a: FloatArray, x: FloatArray, whole: BoolArray, b: float
) -> tuple[FloatArray, float] | None:
    """Return the rounded row Σ a x ≥ b, x ≥ 0, of the divisor that cuts off x the deepest."""
    base = np.unique(np.abs(a[whole & (x > FRACTIONAL) & (a != 0)]))
    if not len(base):
        return None
    divisor = np.unique(base[:, np.newaxis] / MULTIPLES)
    scaled, side = a / divisor[:, np.newaxis], b / divisor
    fraction = side - np.floor(side)
    usable = (fraction > 1e-3) & (fraction < 1 - 1e-6)
    f = np.where(usable, fraction, 1.0)[:, np.newaxis]
    # what lies within rounding of a whole number counts as that number: F only grows by it
    floor = np.floor(scaled + 1e-9)
    rounded = floor + np.minimum(1.0, np.maximum(scaled - floor, 0.0) / f)
    coefficient = np.where(whole, rounded, np.maximum(scaled, 0.0) / f)
    length = np.sqrt((coefficient**2).sum(axis=1) + 1e-12)
    violation = np.where(usable, (np.ceil(side) - coefficient @ x) / length, -np.inf)
    k = int(np.argmax(violation))
    if violation[k] < LEAST_VIOLATION:
        return None
    return coefficient[k], float(np.ceil(side[k]))
