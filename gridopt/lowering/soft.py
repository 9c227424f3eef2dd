"""Rows without slack bits: soft terms that pull a sample to the right side of a row.

For a row h(z) = side − a·z ≥ 0 both forms are −α h + β h²:

*Unbalanced penalization* (Montañez-Barrera, Willsch, Maldonado-Romo, Michielsen 2024,
doi 10.1088/2058-9565/ad35e4): a parabola in place of the step, 0 at h = 0 and h = α/β, least
between them. α is the price of a unit of the row, and α/β = `WIDTH` times the median weight: what
one bit moves.

*Augmented Lagrangian* (Hestenes 1969, doi 10.1007/BF00927673; Rockafellar 1973,
doi 10.1007/BF00934777): α is a multiplier y that follows the violation from round to round,
y ← max(0, y − 2 β h), of any sign for an equality; β as above.

Neither is exact: the least of a parabola is no rule, and what breaks a row may be cheaper than
what keeps it. Both leave the coefficients within a few orders of each other, which slack bits with
proved weights do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.penalties import Row
from gridopt.lowering.weights import Objective

WIDTH = 1.5
"""Distance of the two zeros of an unbalanced penalty, in median weights of the row."""


@dataclass(frozen=True, eq=False)
class Soft:
    """−α h + β h² with h = side − a·z, ≥ 0 where its row holds (= 0 for an equality).

    Parameters
    ----------
    label : str
        Of the row; with a sign where both its sides count.
    bits : array of int, (k,)
    values : array, (k,)
        a.
    side : float
    slope, curvature : float
        α and β.
    is_equality : bool
    """

    label: str
    bits: IntArray
    values: FloatArray
    side: float
    slope: float
    curvature: float
    is_equality: bool

    def multiplier_after(self, z: FloatArray) -> float:
        """Return the multiplier that a state, (n,), moves this one to."""
        moved = self.slope - 2.0 * self.curvature * (self.side - float(self.values @ z[self.bits]))
        return moved if self.is_equality else max(moved, 0.0)


def soft_rows(
    rows: Iterable[Row], objective: Objective, prices: Mapping[str, float], adapts: bool
) -> list[Soft]:
    """Return the soft terms of rows.

    Parameters
    ----------
    rows : iterable of Row
    objective : Objective
    prices : mapping of str to float
        What one unit of a row is worth, by its label, where that is known: a dual price, or the
        multiplier of an earlier round. Elsewhere the median of what the row's bits cost by their
        weight.
    adapts : bool
        Whether α follows `prices` as it is (augmented Lagrangian), be it 0, or is at least what
        the row is worth by itself.
    """
    found = []
    for row in rows:
        worth = _worth(row, objective)
        width = WIDTH * float(np.median(np.abs(row.values)))
        for label, values, side in _sides(row):
            price = prices.get(label, worth)
            slope = price if adapts else max(abs(price), worth)
            curvature = (worth if adapts else slope) / width
            equality = row.lower == row.upper
            found.append(Soft(label, row.bits, values, side, slope, curvature, equality))
    return found


def with_soft(objective: Objective, rows: Iterable[Soft]) -> Objective:
    """Return the objective with soft terms added."""
    for soft in rows:
        a, side, alpha, beta = soft.values, soft.side, soft.slope, soft.curvature
        linear = objective.linear.copy()
        linear[soft.bits] += alpha * a + beta * (a**2 - 2.0 * side * a)
        i, j = np.triu_indices(len(a), 1)
        first, second = soft.bits[i], soft.bits[j]
        objective = replace(
            objective,
            constant=objective.constant - alpha * side + beta * side**2,
            linear=linear,
            first=np.concatenate((objective.first, np.minimum(first, second))),
            second=np.concatenate((objective.second, np.maximum(first, second))),
            value=np.concatenate((objective.value, 2.0 * beta * a[i] * a[j])),
        )
    return objective


def _sides(row: Row) -> list[tuple[str, FloatArray, float]]:
    """Return each side of a row as label, a and side of h = side − a·z."""
    if row.lower == row.upper:
        return [(row.label, row.values, row.upper)]
    found = [(row.label, row.values, row.upper)] if np.isfinite(row.upper) else []
    if np.isfinite(row.lower):
        label = row.label if not found else f"-{row.label}"
        found.append((label, -row.values, -row.lower))
    return found


def _worth(row: Row, objective: Objective) -> float:
    """Return the median of |cost| / |weight| over the bits of a row, or of all that have a cost."""
    cost = np.abs(objective.linear[row.bits]) / np.abs(row.values)
    some = cost[cost > 0]
    if len(some):
        return float(np.median(some))
    spread = objective.span / max(len(objective.linear), 1)
    return spread / float(np.abs(row.values).max(initial=1.0)) or 1.0
