"""Rounding cuts against every whole point of small boxes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gridopt.arrays import FloatArray
from gridopt.cuts import LEAST_VIOLATION, rounding_cuts
from gridopt.program import Integrality, Program, ProgramBuilder


def program_of(
    kinds: list[int],
    a: list[float],
    side: float,
    lower: list[float],
    upper: list[float],
) -> Program:
    """Return a program of one row Σ a x ≥ side that every whole answer keeps."""
    b = ProgramBuilder()
    x = [
        b.variable(f"x{i}", (1,), low, high, Integrality(kind))
        for i, (kind, low, high) in enumerate(zip(kinds, lower, upper, strict=True))
    ]
    columns = np.concatenate(x)
    b.imply("need", (a, columns[np.newaxis]), lower=[side])
    return b.program()


def corners(program: Program) -> FloatArray:
    """Return every point whose integers are whole and whose other columns are at a bound."""
    values = [
        range(int(low), int(high) + 1) if whole else (low, high)
        for whole, low, high in zip(program.is_integer, program.lower, program.upper, strict=True)
    ]
    return np.array(list(product(*values)), dtype=np.float64)


def extreme_points(program: Program) -> FloatArray:
    """Return corners that keep the row, and of the others what first keeps it on the way up.

    Of the polyhedron that a whole point leaves to the continuous columns, every vertex has all of
    them at a bound but one, which the row determines.
    """
    rows = program.cuts
    assert rows is not None
    a, side = rows.A.toarray()[0], rows.lower[0]
    points = corners(program)
    found = [points[points @ a >= side - 1e-12]]
    for j in np.flatnonzero(~program.is_integer & (a != 0)):
        moved = points.copy()
        moved[:, j] = points[:, j] + (side - points @ a) / a[j]
        inside = (moved[:, j] >= program.lower[j]) & (moved[:, j] <= program.upper[j])
        found.append(moved[inside])
    return np.concatenate(found)


coefficients = st.one_of(
    st.integers(-12, 12).map(float), st.floats(-20.0, 20.0).map(lambda a: round(a, 3))
)


@st.composite
def programs(draw: st.DrawFn) -> tuple[Program, FloatArray]:
    """Draw a row over a few columns, and a point of its box, often at a bound."""
    n = draw(st.integers(1, 4))
    kinds = draw(st.lists(st.sampled_from([0, 1, 1, 2]), min_size=n, max_size=n))
    a = draw(st.lists(coefficients, min_size=n, max_size=n))
    assume(any(a))
    lower = [float(draw(st.integers(-3, 3))) for _ in range(n)]
    width = [float(draw(st.integers(0, 3))) for _ in range(n)]
    upper = [low + wide for low, wide in zip(lower, width, strict=True)]
    if draw(st.booleans()):
        lower = [low - 0.37 * (kind == 0) for low, kind in zip(lower, kinds, strict=True)]
    highest = sum(max(c * low, c * high) for c, low, high in zip(a, lower, upper, strict=True))
    lowest = sum(min(c * low, c * high) for c, low, high in zip(a, lower, upper, strict=True))
    side = draw(st.floats(lowest, highest).map(lambda b: round(b, 2)))
    share = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0))
    x = [low + draw(share) * (high - low) for low, high in zip(lower, upper, strict=True)]
    return program_of(kinds, a, side, lower, upper), np.array(x)


@settings(max_examples=400, deadline=None)
@given(programs())
def test_cuts_hold_at_every_whole_point_and_cut_off_the_answer(
    drawn: tuple[Program, FloatArray],
) -> None:
    program, x = drawn
    cuts = rounding_cuts(program, x)
    assert cuts.A.shape == (len(cuts), program.n_columns)
    points = extreme_points(program)
    for k in range(len(cuts)):
        row, side = cuts.A.toarray()[k], cuts.lower[k]
        scale = max(1.0, float(np.abs(row).max()), abs(float(side)))
        assert (points @ row >= side - 1e-6 * scale).all()
        assert row @ x < side
        assert cuts.upper[k] == np.inf
        assert cuts.label[k] == "rounded need[0]"


@settings(max_examples=100, deadline=None)
@given(programs())
def test_whole_answers_are_not_cut_off(drawn: tuple[Program, FloatArray]) -> None:
    program, _ = drawn
    for x in extreme_points(program)[:20]:
        assert not len(rounding_cuts(program, x))


def test_units_of_one_size_are_rounded_up() -> None:
    """50 MW a unit for 120 MW take three of four units, and not 2.4."""
    program = program_of([1] * 4, [50.0] * 4, 120.0, [0.0] * 4, [1.0] * 4)
    x = np.array([1.0, 1.0, 0.4, 0.0])
    cuts = rounding_cuts(program, x)
    assert len(cuts) == 1
    row = cuts.A.toarray()[0]
    assert cuts.lower[0] / row[0] == pytest.approx(3.0)
    assert row == pytest.approx(row[0])
    violation = (cuts.lower[0] - row @ x) / np.linalg.norm(row)
    assert violation == pytest.approx(0.6 / 2.0)
    assert violation >= LEAST_VIOLATION


def test_continuous_columns_count_at_what_they_bring() -> None:
    """Of 120 MW, s may bring some: 50 MW units need ⌈120 / 50⌉ less s over the 20 MW left."""
    program = program_of([1, 1, 1, 0], [50.0] * 3 + [1.0], 120.0, [0.0] * 4, [1.0] * 3 + [100.0])
    cuts = rounding_cuts(program, np.array([1.0, 1.0, 0.4, 0.0]))
    row, side = cuts.A.toarray()[0], cuts.lower[0]
    assert row / side == pytest.approx(np.array([1.0, 1.0, 1.0, 1.0 / 20.0]) / 3.0)


def test_only_rows_with_a_finite_side_and_finite_bounds_give_cuts() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (2,))
    free = b.variable("free", (1,), -np.inf, np.inf)
    b.imply("upper", (2.0, x[np.newaxis]), upper=[3.0])
    b.imply("unbounded", (2.0, x[np.newaxis]), (1.0, free[np.newaxis]), lower=[1.0])
    assert not len(rounding_cuts(b.program(), np.array([0.25, 0.0, 0.5])))
    b.imply("need", (2.0, x[np.newaxis]), lower=[1.0])
    cuts = rounding_cuts(b.program(), np.array([0.25, 0.0, 0.5]))
    assert cuts.label == ("rounded need[0]",)
    assert not len(rounding_cuts(b.program().relaxed(), np.array([0.25, 0.0, 0.5])))
