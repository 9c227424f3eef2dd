"""The best answer that several searches share."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.incumbent import Incumbent
from gridopt.program import ProgramBuilder


def test_only_better_answers_are_kept() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (3,))
    b.minimize(np.array([1.0, 2.0, 4.0]), x)
    b.constrain("one at least", (1.0, x[np.newaxis]), lower=[1.0])
    incumbent = Incumbent(b.program())
    assert incumbent.better_than(np.inf) is None
    assert not incumbent.offer(np.zeros(3))
    assert incumbent.offer(np.array([0.0, 1.0, 0.0]))
    assert not incumbent.offer(np.array([0.0, 0.0, 1.0]))
    assert incumbent.better_than(2.0) is None
    best = incumbent.better_than(2.5)
    assert best is not None
    assert best.tolist() == [0.0, 1.0, 0.0]


def test_bounds_only_rise_and_the_newest_proposal_counts() -> None:
    incumbent = Incumbent(ProgramBuilder().program())
    for bound in (1.0, 3.0, 2.0):
        incumbent.prove(bound)
    assert incumbent.bound == pytest.approx(3.0)
    assert incumbent.proposal() is None
    incumbent.propose(np.array([1.0]))
    incumbent.propose(np.array([2.0]))
    newest = incumbent.proposal()
    assert newest is not None
    assert newest.tolist() == [2.0]
    assert incumbent.proposal() is None
