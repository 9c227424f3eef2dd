"""Rounding the best mix of answers: one answer of each agent, together near what the mix brings."""

from __future__ import annotations

import numpy as np

from gridopt.decomposition.rounding import one_answer_each

EQUAL = np.ones(1)


def test_every_agent_takes_one_of_its_own() -> None:
    rng = np.random.default_rng(0)
    agent = np.repeat(np.arange(6), 4)
    share = rng.dirichlet(np.ones(4), 6).ravel()
    activity = rng.normal(size=(3, 24))
    for drawn in (None, rng):
        taken = one_answer_each(share, agent, activity, np.ones(3), 10.0, drawn)
        assert agent[taken].tolist() == list(range(6))


def test_one_agent_makes_up_for_another() -> None:
    """Ten agents are half on: by largest share all would be off, in turn every other one is on."""
    agent = np.repeat(np.arange(10), 2)
    share = np.tile([0.51, 0.49], 10)
    activity = np.tile([0.0, 8.0], 10)[np.newaxis]
    taken = one_answer_each(share, agent, activity, EQUAL, 1.0, None)
    assert activity[0, taken].sum() == 40.0


def test_what_is_short_counts_more() -> None:
    agent, share = np.zeros(2, dtype=np.int64), np.array([0.7, 0.3])
    activity = np.array([[0.0, 10.0]])
    assert one_answer_each(share, agent, activity, EQUAL, 1.0, None).tolist() == [0]
    assert one_answer_each(share, agent, activity, EQUAL, 10.0, None).tolist() == [1]


def test_what_is_not_in_the_mix_is_not_taken() -> None:
    agent, share = np.zeros(3, dtype=np.int64), np.array([0.5, 0.5, 0.0])
    activity = np.array([[0.0, 10.0, 5.0]])
    assert one_answer_each(share, agent, activity, EQUAL, 1.0, None)[0] != 2
