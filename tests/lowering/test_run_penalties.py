"""Run-length penalties are 0 exactly where every run is long enough."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridopt.arrays import FloatArray
from gridopt.lowering.penalties import Quadratic
from gridopt.lowering.run_penalties import run_penalty
from gridopt.lowering.structure import ALWAYS_OFF, ALWAYS_ON, Sequence


@st.composite
def sequences(draw: st.DrawFn) -> Sequence:
    """Up to six periods, some of them decided."""
    periods = draw(st.integers(1, 6))
    bits = np.arange(periods)
    for t in range(periods):
        bits[t] = draw(st.sampled_from([t, t, t, t, ALWAYS_OFF, ALWAYS_ON]))
    before = draw(st.integers(1, 4)) * draw(st.sampled_from([1, -1]))
    return Sequence(bits, draw(st.integers(1, 4)), draw(st.integers(1, 4)), before)


def states(n: int) -> FloatArray:
    return ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.float64)


def values(penalty: Quadratic, n: int) -> FloatArray:
    """Return the penalty of each state of n bits, its auxiliary bits chosen best."""
    number = np.append(penalty.bits, n + np.arange(penalty.n_slack))
    first, second = number[penalty.first], number[penalty.second]
    every = states(n + penalty.n_slack)
    total = penalty.constant + (every[:, first] * every[:, second]) @ penalty.values
    return np.asarray(total.reshape(1 << penalty.n_slack, 1 << n).min(axis=0))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(sequences())
def test_penalty_is_zero_exactly_where_the_rule_holds(sequence: Sequence) -> None:
    n = len(sequence.bits)
    holds = sequence.holds(states(n).astype(np.bool_))
    penalty = run_penalty(sequence, "runs")
    if penalty is None:
        assert holds.all()
        return
    found = values(penalty, n)
    assert (np.abs(found[holds]) < 1e-9).all()
    assert (found[~holds] >= 1.0 - 1e-9).all()
    equal = sequence.min_on == sequence.min_off
    assert penalty.n_slack <= (0 if equal else n)


def test_equal_least_lengths_take_no_auxiliary_bit() -> None:
    penalty = run_penalty(Sequence(np.arange(24), 8, 8, -9), "runs")
    assert penalty is not None
    assert penalty.n_slack == 0
    assert len(penalty.bits) == 24
