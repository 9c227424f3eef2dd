"""Minimum run lengths as quadratic penalties over the bits of a sequence alone.

With d_t = u_t − u_{t−1}, steps of a sequence alternate between +1 and −1. In a window of steps W,
k of them not 0,

    P_W = ½ (Σ_{t ∈ W} d_t² − (Σ_{t ∈ W} d_t)²) = ½ (k − (0 or 1)) = ⌊k/2⌋,

which is quadratic in u and 0 exactly where at most one step lies in W. Runs of ones and of zeros
both last at least M periods exactly where no M successive steps hold two: with equal least lengths
that is all, without slack and without a bit beside u.

Where ones must last longer, U > M periods, a bit v_t a period says that a run may not yet end:

    u'_{t−1} (u_t − v_t) + u'_t v_t + Σ_{τ = t+M}^{t+U−1} v_t u'_τ,   u' = 1 − u,

is 0 for the best v_t where u has no start at t or is on at the periods τ, and at least 1 elsewhere
(those before t + M are the windows' matter). For longer runs of zeros, u and u' change places.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np

from gridopt.lowering.penalties import Quadratic
from gridopt.lowering.structure import ALWAYS_ON, Sequence

Form = tuple[float, dict[int, float]]
"""A linear form: its constant, and the coefficient of each bit."""


def run_penalty(sequence: Sequence, block: str) -> Quadratic | None:
    """Return the penalty of a sequence, 0 where it holds and at least 1 elsewhere; None if it does.

    Parameters
    ----------
    sequence : Sequence
    block : str
        Name of what it stands for.
    """
    total = _Quadratic()
    states = [_state(int(bit)) for bit in sequence.bits]
    initial: Form = (1.0 if sequence.before > 0 else 0.0, {})
    both = min(sequence.min_on, sequence.min_off)
    for window in _windows([initial, *states], both):
        _add_window(total, window)
    _add_initial(total, states, sequence)
    n_slack = _add_excess(total, [initial, *states], sequence, both)
    bits = sorted(total.bits)
    place = {bit: k for k, bit in enumerate(bits)}
    if not total.terms:
        nothing = np.zeros(0, dtype=np.int64)
        never = Quadratic(block, nothing, 0, 1.0, nothing, nothing, np.zeros(0))
        return never if total.constant else None
    pairs = sorted(total.terms)

    def local(bit: int) -> int:
        return place[bit] if bit >= 0 else len(bits) - bit - 1

    return Quadratic(
        block,
        bits=np.array(bits, dtype=np.int64),
        n_slack=n_slack,
        constant=total.constant,
        first=np.array([local(i) for i, _ in pairs], dtype=np.int64),
        second=np.array([local(j) for _, j in pairs], dtype=np.int64),
        values=np.array([total.terms[pair] for pair in pairs]),
    )


class _Quadratic:
    """A quadratic of bits that is added up term by term; auxiliary bits are −1, −2 and so on."""

    def __init__(self) -> None:
        self.constant = 0.0
        self.terms: defaultdict[tuple[int, int], float] = defaultdict(float)
        self.bits: set[int] = set()

    def add(self, weight: float, left: Form, right: Form) -> None:
        """Add weight · left · right."""
        self.constant += weight * left[0] * right[0]
        for bit, value in left[1].items():
            self._add(bit, bit, weight * value * right[0])
            for other, factor in right[1].items():
                self._add(bit, other, weight * value * factor)
        for bit, value in right[1].items():
            self._add(bit, bit, weight * value * left[0])

    def _add(self, i: int, j: int, value: float) -> None:
        if value:
            self.terms[min(i, j), max(i, j)] += value
            self.bits |= {bit for bit in (i, j) if bit >= 0}


def _state(bit: int) -> Form:
    return (0.0, {bit: 1.0}) if bit >= 0 else (1.0 if bit == ALWAYS_ON else 0.0, {})


def _difference(left: Form, right: Form) -> Form:
    terms = dict(left[1])
    for bit, value in right[1].items():
        terms[bit] = terms.get(bit, 0.0) - value
    return left[0] - right[0], terms


def _windows(states: list[Form], length: int) -> list[list[Form]]:
    """Return the states around each run of `length` successive steps, fewer where there are not."""
    n_steps = len(states) - 1
    if length < 2 or n_steps < 2:
        return []
    last = max(n_steps - length, 0)
    return [states[first : first + min(length, n_steps) + 1] for first in range(last + 1)]


def _add_window(total: _Quadratic, states: list[Form]) -> None:
    for before, now in pairwise(states):
        step = _difference(now, before)
        total.add(0.5, step, step)
    net = _difference(states[-1], states[0])
    total.add(-0.5, net, net)


def _add_initial(total: _Quadratic, states: list[Form], sequence: Sequence) -> None:
    """Forbid to end the run before the first period too early: a step away from it costs 1."""
    is_on = sequence.before > 0
    least = sequence.min_on if is_on else sequence.min_off
    left = min(max(least - abs(sequence.before), 0), len(states))
    one: Form = (1.0, {})
    for state in states[:left]:
        total.add(1.0, _difference(one, state) if is_on else state, one)


def _add_excess(total: _Quadratic, states: list[Form], sequence: Sequence, both: int) -> int:
    """Add what the longer of the two least lengths asks beyond the other; return the bits added."""
    longer = max(sequence.min_on, sequence.min_off)
    one: Form = (1.0, {})
    if sequence.min_on < sequence.min_off:
        states = [_difference(one, state) for state in states]
    added = 0
    for t in range(1, len(states)):
        late = range(t + both, min(t + longer, len(states)))
        if not late:
            continue
        added += 1
        v: Form = (0.0, {-added: 1.0})
        off_before, off_now = _difference(one, states[t - 1]), _difference(one, states[t])
        total.add(1.0, off_before, _difference(states[t], v))
        total.add(1.0, off_now, v)
        for tau in late:
            total.add(1.0, _difference(one, states[tau]), v)
    return added
