"""Rows in whole numbers: the unit that all numbers of a row are multiples of."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.lowering.rows import Pattern

LARGEST_COEFFICIENT = 2**14
"""Largest whole coefficient of a row; its square times a weight must stay exact in a float."""

_WHOLE = 1e-6
_RATIO_ERROR = 1e-11


class Whole(NamedTuple):
    """A row in whole numbers of its unit, both sides within reach of the left-hand side."""

    values: FloatArray
    lower: int
    upper: int
    rounded: bool


class UnitError(ValueError):
    """A row has no unit that its numbers are multiples of."""


@dataclass(frozen=True)
class Units:
    """How rows become whole.

    Parameters
    ----------
    rounding : bool
        Whether numbers that are no multiples are rounded to the nearest one.
    fallback : float or None
        Unit of rounded rows without continuous columns; None for 1/32 of the largest coefficient.
    """

    rounding: bool
    fallback: float | None = None

    def whole(self, row: Pattern) -> Whole:
        """Return `row` in whole numbers.

        Raises
        ------
        UnitError
            Where it has no unit and rounding is off; says which number is at fault.
        """
        numbers = [*row.values, row.upper] if row.is_equality else list(row.values)
        common = common_unit(numbers)
        unit = row.unit if math.isfinite(row.unit) else common
        if unit is not None and divides(unit, numbers):
            return _whole(row, common or unit, rounded=False)
        if not self.rounding:
            raise UnitError(_fault(numbers, unit))
        largest = max(map(abs, row.values))
        chosen = row.unit if math.isfinite(row.unit) else (self.fallback or largest / 32.0)
        return _whole(row, max(chosen, largest / LARGEST_COEFFICIENT), rounded=True)


def common_unit(numbers: Collection[float]) -> float | None:
    """Return the largest unit that all `numbers` are multiples of, or None.

    None as well where a number would be more than `LARGEST_COEFFICIENT` units: close to that,
    every ratio of two reals looks rational.
    """
    sizes = sorted({abs(float(number)) for number in numbers if number}, reverse=True)
    if not sizes:
        return 1.0
    multiple = 1
    for size in sizes:
        denominator = _denominator(size / sizes[0])
        if denominator is None:
            return None
        multiple = math.lcm(multiple, denominator)
        if multiple > LARGEST_COEFFICIENT:
            return None
    return sizes[0] / multiple


@lru_cache(maxsize=4096)
def _denominator(ratio: float) -> int | None:
    """Return the denominator of the fraction that `ratio` is, None where it is none."""
    near = Fraction(ratio).limit_denominator(LARGEST_COEFFICIENT)
    return near.denominator if abs(ratio - near) <= _RATIO_ERROR else None


def divides(unit: float, numbers: Collection[float]) -> bool:
    """Return whether all `numbers` are whole multiples of `unit`."""
    counts = [float(number) / unit for number in numbers]
    return all(
        abs(count) <= LARGEST_COEFFICIENT**2 and abs(count - round(count)) <= _WHOLE
        for count in counts
    )


def _fault(numbers: Sequence[float], unit: float | None) -> str:
    if unit is None:
        return "its numbers have no common unit"
    odd = next((x for x in numbers if not divides(unit, [x])), None)
    if odd is None:
        return f"its numbers are too large for a unit of {unit:g}"
    return f"{odd:.10g} is no multiple of {unit:g}"


def _whole(row: Pattern, unit: float, rounded: bool) -> Whole:
    values = np.rint(np.array(row.values) / unit)
    least, greatest = values[values < 0].sum(), values[values > 0].sum()
    ease = 0.5 if rounded else _WHOLE
    if row.is_equality:
        lower = upper = float(np.rint(row.upper / unit))
    else:
        lower = max(math.ceil(row.lower / unit - ease), least) if np.isfinite(row.lower) else least
        upper = (
            min(math.floor(row.upper / unit + ease), greatest)
            if np.isfinite(row.upper)
            else greatest
        )
    return Whole(values, int(lower), int(upper), rounded)
