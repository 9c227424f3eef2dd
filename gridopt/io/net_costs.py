"""Costs of a net's elements: poly_cost and pwl_cost, which add up where an element has both."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.errors import Issue
from gridopt.grid import ElementKey
from gridopt.io.net_tables import numbers

Segment = tuple[float, float, float]
"""From MW, to MW, $/MWh."""


@dataclass(frozen=True)
class Cost:
    """constant + slope · p + quadratic · p² + the piecewise linear part, in $/h of MW.

    Parameters
    ----------
    constant, slope, quadratic : float
    points : tuple of Segment
        Consecutive; the first and the last slope go on beyond them.
    is_given : bool
        Whether the net says anything of it.
    """

    constant: float = 0.0
    slope: float = 0.0
    quadratic: float = 0.0
    points: tuple[Segment, ...] = ()
    is_given: bool = False

    @property
    def linear(self) -> float:
        """$/MWh of the first MWh, the quadratic part left out."""
        return self.slope + (self.points[0][2] if self.points else 0.0)

    def breakpoints(self, low: float, high: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return MW and $/h from `low` to `high`, the quadratic part left out."""
        inner = [end for _, end, _ in self.points[:-1] if low < end < high]
        power = tuple(dict.fromkeys((low, *inner, max(low, high))))
        return power, tuple(self._at(p) for p in power)

    def _at(self, p: float) -> float:
        return self.constant + self.slope * p + self._piecewise(p)

    def _piecewise(self, p: float) -> float:
        if not self.points:
            return 0.0
        # As in pandapower's optimal power flow, the first slope starts at 0 MW.
        start, _, slope = self.points[0]
        total = start * slope
        for number, (begin, end, slope) in enumerate(self.points):
            first, last = number == 0, number == len(self.points) - 1
            left = min(p, begin) if first else begin
            right = p if last else min(p, end)
            if first and p < begin:
                return total + (p - begin) * slope
            total += max(0.0, right - left) * slope
        return total


NO_COST = Cost()


def read_costs(net: Any, issues: list[Issue]) -> dict[ElementKey, Cost]:
    """Return the cost of each element that has one.

    Parameters
    ----------
    net : pandapowerNet
        The ``points`` of its pwl_cost are [from MW, to MW, slope in $/MWh]. Costs of reactive
        power are left out.
    issues : list of Issue
        Faults found are added here.
    """
    polynomial: dict[ElementKey, FloatArray] = defaultdict(lambda: np.zeros(3))
    table = net["poly_cost"]
    columns = ("cp0_eur", "cp1_eur_per_mw", "cp2_eur_per_mw2")
    values = np.column_stack([numbers(table, column, 0.0) for column in columns])
    for row, key in enumerate(_keys(table)):
        polynomial[key] += values[row]
    segments: dict[ElementKey, tuple[Segment, ...]] = {}
    for key, row in zip(_keys(net["pwl_cost"]), net["pwl_cost"].to_dict("records"), strict=True):
        if row.get("power_type", "p") == "p":
            segments[key] = _segments(key, row.get("points"), issues)
    return {
        key: _cost(polynomial[key], segments.get(key, ()))
        for key in [*polynomial, *(key for key in segments if key not in polynomial)]
    }


def _cost(polynomial: FloatArray, points: tuple[Segment, ...]) -> Cost:
    constant, slope, quadratic = map(float, polynomial)
    return Cost(constant, slope, quadratic, points, is_given=True)


def _keys(table: pd.DataFrame) -> list[ElementKey]:
    if table.empty:
        return []
    return [(str(et), int(e)) for et, e in zip(table["et"], table["element"], strict=True)]


def _segments(key: ElementKey, points: object, issues: list[Issue]) -> tuple[Segment, ...]:
    where = f"pwl_cost of {key[0]} {key[1]}"
    try:
        table = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError):
        issues.append(Issue(where, "points", points, "rows of from MW, to MW, slope"))
        return ()
    rows = tuple((float(a), float(b), float(c)) for a, b, c in table)
    gaps = not np.allclose(table[1:, 0], table[:-1, 1])
    if not rows or not np.isfinite(table).all() or gaps or not (table[:, 1] > table[:, 0]).all():
        issues.append(Issue(where, "points", points, "segments that follow one another"))
        return ()
    return rows
