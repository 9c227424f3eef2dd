"""Rules that samplers keep, judged one by one and all together."""

from __future__ import annotations

from itertools import product

import numpy as np

from gridopt.lowering.structure import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Cardinality,
    Inequality,
    Sequence,
    Structure,
)

STATES = np.array(list(product((0, 1), repeat=5)), dtype=np.bool_)


def test_cardinality() -> None:
    rule = Cardinality(np.array([0, 2, 4]), 2)
    assert (rule.holds(STATES) == (STATES[:, [0, 2, 4]].sum(axis=1) == 2)).all()
    assert bool(rule.holds(np.array([1, 0, 1, 0, 0], dtype=np.bool_)))


def test_inequality() -> None:
    rule = Inequality(np.array([1, 3]), np.array([0.1, 0.2]), 0.3, np.inf)
    assert (rule.holds(STATES) == (STATES[:, 1] & STATES[:, 3])).all()
    capped = Inequality(np.arange(5), np.ones(5), -np.inf, 2.0)
    assert (capped.holds(STATES) == (STATES.sum(axis=1) <= 2)).all()


def runs(on: tuple[bool, ...], before: int) -> list[tuple[bool, int]]:
    """Return the runs with the one before the first period counted in."""
    found = [(before > 0, abs(before))]
    for now in on:
        same = found[-1][0] == now
        found = [*found[:-1], (now, found[-1][1] + 1)] if same else [*found, (now, 1)]
    return found


def test_sequence_keeps_every_run_but_the_last_long_enough() -> None:
    for min_on, min_off, before in product((1, 2, 3), (1, 2), (-3, -1, 1, 2)):
        rule = Sequence(np.arange(5), min_on, min_off, before)
        held = rule.holds(STATES)
        for state, right in zip(STATES, held, strict=True):
            own = runs(tuple(state.tolist()), before)
            expected = all(length >= (min_on if on else min_off) for on, length in own[:-1])
            assert bool(right) == expected


def test_sequence_with_periods_that_are_decided() -> None:
    rule = Sequence(np.array([ALWAYS_ON, 0, ALWAYS_OFF, 1]), 2, 1, -5)
    assert rule.values(np.array([1, 0], dtype=np.bool_)).tolist() == [True, True, False, False]
    states = np.array(list(product((0, 1), repeat=2)), dtype=np.bool_)
    assert rule.holds(states).tolist() == [False, False, True, True]


def test_structure_is_all_of_its_rules() -> None:
    parts = Structure(
        (Cardinality(np.array([0, 1]), 1),),
        (Sequence(np.array([2, 3, 4]), 2, 2, 5),),
        (Inequality(np.array([1, 2]), np.ones(2), 1.0, np.inf),),
    )
    assert len(parts) == 3
    each = [rule.holds(STATES) for rule in parts.cardinalities]
    each += [rule.holds(STATES) for rule in parts.sequences]
    each += [rule.holds(STATES) for rule in parts.inequalities]
    assert (parts.holds(STATES) == np.logical_and.reduce(each)).all()
    assert len(Structure()) == 0
    assert Structure().holds(STATES).all()
