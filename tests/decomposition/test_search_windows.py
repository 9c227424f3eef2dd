"""Windows: which decisions they have, and that what they find is the best there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from gridopt.decomposition.parts import Parts
from gridopt.decomposition.windows import TURN, Window, chosen
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.highs_model import Clock
from gridopt.program import Program
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

MakeStudy = Callable[..., Study]

DEMAND = (70.0, 110.0, 60.0, 45.0, 95.0, 130.0)


@pytest.fixture(scope="module")
def program(make_study: MakeStudy) -> Program:
    return UnitCommitment().build(make_study(DEMAND, unserved_cost_per_mwh=500.0))


def test_a_window_has_what_is_nearly_undecided(program: Program) -> None:
    parts = Parts.of(program)
    k = len(parts.decided)
    rng = np.random.default_rng(3)
    excess = rng.permutation(k).astype(float)
    assert set(excess[chosen(parts, excess, np.inf, 3, "nearest", rng, 0.0)]) == {0.0, 1.0, 2.0}
    assert len(chosen(parts, excess, 1.0, 3, "nearest", rng, 0.0)) == 2
    T, owner = len(DEMAND), parts.agents.owner[parts.decided]
    period = np.tile(np.arange(T), 2)
    for kind, where in product(TURN, (0.0, 0.3, 0.6, 0.999)):
        few = chosen(parts, np.zeros(k), 0.0, 4, kind, rng, where)
        assert len(set(few)) == 4
        assert kind != "stretch" or np.ptp(period[few]) <= 3
        assert kind != "agents" or len(set(owner[few])) == 1
        assert not len(chosen(parts, np.ones(k), 0.5, 4, kind, rng, where))


def test_what_a_window_finds_is_the_best_there(program: Program) -> None:
    """Against enumeration of the two units' last three hours."""
    k = int(program.is_decision.sum())
    held = np.ones(k)
    free = np.tile(np.arange(len(DEMAND)) >= 3, 2)
    costs = []
    for bits in product((0.0, 1.0), repeat=int(free.sum())):
        values = held.copy()
        values[free] = bits
        costs.append(_cost(program, values))
    found = Window(program, 0, Clock(None), lambda: False)(held, free, 1e-6)
    assert found is not None
    assert found[~free] == pytest.approx(1.0)
    assert _cost(program, found) == pytest.approx(min(costs))
    assert _cost(program, held) > min(costs)


def _cost(program: Program, decisions: np.ndarray) -> float:
    columns = np.flatnonzero(program.is_decision)
    return HiGHS(gap=1e-8).solve(program.fixed(columns, decisions).relaxed()).objective


def test_a_window_in_vain_is_given_up_and_the_next_one_is_not(program: Program) -> None:
    """What is known elsewhere is asked; HiGHS must not stay interrupted."""
    asked: list[bool] = []
    is_outdone = True

    def is_in_vain() -> bool:
        asked.append(is_outdone)
        return is_outdone

    window = Window(program, 0, Clock(None), is_in_vain)
    held = np.ones(int(program.is_decision.sum()))
    found = window(held, held > 0.0, 1e-6)
    assert asked
    assert found is None or _cost(program, found) <= _cost(program, held) * (1.0 + 1e-9)
    is_outdone = False
    best = window(held, held > 0.0, 1e-6)
    assert best is not None
    assert _cost(program, best) == pytest.approx(HiGHS(gap=1e-8).solve(program).objective)
