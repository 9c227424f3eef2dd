"""Commitments of one unit whose runs are long enough: minimum up and down times as a graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class RunRules:
    """What the commitment of one unit must keep.

    Parameters
    ----------
    must_be_on, may_be_on : array of bool, (T,)
    min_on, min_off : int
        Least number of periods of a run, at least 1; a run that reaches the end may be shorter.
    before : int
        Periods that the run before the first one has lasted: positive for on, negative for off.
    """

    must_be_on: BoolArray
    may_be_on: BoolArray
    min_on: int
    min_off: int
    before: int

    def keeps(self, on: BoolArray) -> bool:
        """Return whether a commitment, (T,), keeps all of it."""
        nearest = self.nearest(on)
        return nearest is not None and np.array_equal(nearest, on)

    def nearest(self, wanted: BoolArray) -> BoolArray | None:
        """Return the commitment that differs least from the one wanted, (T,); None if none is.

        The shortest path through the states (on or off, for how long up to the minimum); each
        period that differs from what is wanted costs one.
        """
        states = _states(self)
        n, T = len(states.is_on), len(wanted)
        cost = np.full(n + 1, np.inf)  # the last state is none
        cost[states.first] = 0.0
        came_from = np.zeros((T, n), dtype=np.int64)
        for t in range(T):
            each = np.arange(n)
            shorter = np.argmin(cost[states.before], axis=1)
            came_from[t] = states.before[each, shorter]
            allowed = np.where(states.is_on, self.may_be_on[t], not self.must_be_on[t])
            step = np.where(allowed, states.is_on != wanted[t], np.inf)
            cost = np.append(cost[came_from[t]] + step, np.inf)
        last = int(np.argmin(cost))
        if not np.isfinite(cost[last]):
            return None
        found = np.zeros(T, dtype=np.bool_)
        for t in reversed(range(T)):
            found[t] = states.is_on[last]
            last = int(came_from[t, last])
        return found


@dataclass(frozen=True)
class _States:
    """on for 1, 2, … min_on or more periods, then off likewise; two states before each."""

    is_on: BoolArray
    before: IntArray
    first: int


def _states(rules: RunRules) -> _States:
    on, off = rules.min_on, rules.min_off
    n = on + off
    none = n
    before = np.full((n, 2), none)
    for first, length, other_last in ((0, on, n - 1), (on, off, on - 1)):
        last = first + length - 1
        before[first, 0] = other_last
        before[first + 1 : last + 1, 0] = np.arange(first, last)
        before[last, 1] = last
    age = min(abs(rules.before), on if rules.before > 0 else off)
    start = age - 1 if rules.before > 0 else on + age - 1
    return _States(np.arange(n) < on, before, start)


def starts(on: BoolArray, before: int) -> FloatArray:
    """Return where a commitment, (T,), starts, as 0 and 1."""
    previous = np.concatenate([[before > 0], on[:-1]])
    return np.asarray(on & ~previous, dtype=np.float64)
