"""Nearest commitments with long enough runs, against enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.arrays import BoolArray
from gridopt.formulations.blocks.runs import RunRules, starts
from gridopt.lowering.structure import Sequence

PERIODS = 7


@st.composite
def rules(draw: st.DrawFn) -> RunRules:
    must = np.array([draw(st.integers(0, 5)) == 0 for _ in range(PERIODS)])
    may = must | np.array([draw(st.integers(0, 5)) > 0 for _ in range(PERIODS)])
    before = draw(st.integers(1, 5)) * draw(st.sampled_from([1, -1]))
    return RunRules(must, may, draw(st.integers(1, 4)), draw(st.integers(1, 4)), before)


def is_right(on: BoolArray, rule: RunRules) -> bool:
    """Judge by the samplers' own rule, which was written apart."""
    bits = Sequence(np.arange(PERIODS), rule.min_on, rule.min_off, rule.before)
    return bool(bits.holds(on)) and bool(
        (on | ~rule.must_be_on).all() & (rule.may_be_on | ~on).all()
    )


@settings(derandomize=True, max_examples=150, deadline=None)
@given(rules(), st.integers(0, 2**PERIODS - 1))
def test_nearest_is_the_nearest(rule: RunRules, place: int) -> None:
    wanted = (place >> np.arange(PERIODS)) & 1 > 0
    every = [np.array(on, dtype=np.bool_) for on in product((0, 1), repeat=PERIODS)]
    distances = [int((on != wanted).sum()) for on in every if is_right(on, rule)]
    found = rule.nearest(wanted)
    assert rule.keeps(wanted) == is_right(wanted, rule)
    if not distances:
        assert found is None
        return
    assert found is not None
    assert is_right(found, rule)
    assert (found != wanted).sum() == min(distances)


@pytest.mark.parametrize(
    ("on", "before", "expected"),
    [([1, 1, 0, 1], 2, [0, 0, 0, 1]), ([1, 1, 0, 1], -2, [1, 0, 0, 1]), ([0, 0], 1, [0, 0])],
)
def test_starts(on: list[int], before: int, expected: list[int]) -> None:
    assert starts(np.array(on, dtype=np.bool_), before).tolist() == expected
