"""The core's QUBO: what it says of schedules, against dispatch and enumeration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from gridopt.decomposition.core import Core, core
from gridopt.decomposition.dispatch import Dispatch
from gridopt.decomposition.dual import Dual
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.repair import Repair
from gridopt.decomposition.schedules import Pool
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.highs_model import Clock
from gridopt.study import Study

MakeStudy = Callable[..., Study]

DEMAND = (70.0, 110.0, 60.0, 45.0, 95.0, 130.0)


class Prepared:
    """Prices, schedules and a dispatch of the two-unit study."""

    def __init__(self, study: Study) -> None:
        self.parts = Parts.of(UnitCommitment().build(study))
        self.dual = Dual(self.parts, Clock(None))
        self.pool = Pool(self.parts)
        for factor in np.linspace(0.2, 4.0, 20):
            costs = self.parts.costs(factor * self.dual.best.prices)
            self.pool.add(self.pool.decisions(self.parts.agents.answers(costs).x))
        self.typical = np.full(len(self.parts.ties), 20.0)
        self.dispatch = Dispatch(self.parts, self.pool, self.typical, Clock(None))

    def all_on(self) -> np.ndarray:
        return np.ones(len(self.pool.columns), dtype=np.int64)


@pytest.fixture
def prepared(make_study: MakeStudy) -> Prepared:
    return Prepared(make_study(DEMAND, unserved_cost_per_mwh=200.0, surplus_cost_per_mwh=50.0))


def core_of(prepared: Prepared) -> Core:
    near = prepared.dispatch(prepared.all_on())
    assert near is not None
    given = (near, prepared.dual.best.prices, 1e9, 12, lambda: False)
    return core(prepared.parts, prepared.pool, *given)


def test_both_forms_have_the_same_ground_state(prepared: Prepared) -> None:
    found = core_of(prepared)
    n = len(found)
    assert 2 <= n <= 12
    penalized, native = found.qubo(native=False), found.qubo(native=True)
    states = np.array(list(product((0, 1), repeat=n)), dtype=np.uint8)
    agents = np.unique(found.agent)
    count = np.array([(states[:, found.agent == g]).sum(axis=1) for g in agents]).T
    one_each = np.asarray((count <= 1).all(axis=1))
    energy = states @ found.linear + 0.5 * np.einsum("ri,ij,rj->r", states, found.pairs, states)
    assert penalized.energy(states[one_each]) == pytest.approx(energy[one_each])
    whole = np.hstack([states[one_each], 1 - count[one_each]])
    assert native.energy(whole) == pytest.approx(energy[one_each])
    assert native.structure.holds(whole.astype(np.bool_)).all()
    assert not native.structure.holds(np.zeros(native.n_bits, dtype=np.bool_)).any()
    lowest = int(np.argmin(penalized.energy(states)))
    assert one_each[lowest]
    assert penalized.energy(states)[lowest] == pytest.approx(energy[one_each].min())


def test_a_sample_names_one_schedule_of_each_agent(prepared: Prepared) -> None:
    found = core_of(prepared)
    n = len(found)
    nothing = found.chosen(np.zeros(n, dtype=np.uint8), n)
    assert np.array_equal(found.decisions(nothing), prepared.all_on())
    every = found.chosen(np.ones(n, dtype=np.uint8), n)
    assert sorted(found.agent[every]) == np.unique(found.agent).tolist()
    first = found.chosen(np.ones(n, dtype=np.uint8), 1)
    assert found.linear[first] == found.linear.min()
    decisions = found.decisions(every)
    for k in every:
        place = prepared.pool.place[found.agent[k]]
        assert np.array_equal(decisions[place], found.schedules[k])


def test_energies_learn_what_schedules_come_to(prepared: Prepared) -> None:
    """Of two agents all choices are pairs: what was measured is exact, and so is the best."""
    found = core_of(prepared)
    near = prepared.dispatch(prepared.all_on())
    assert near is not None
    choices = [np.array([k]) for k in range(len(found))]
    for k, other in combinations(range(len(found)), 2):
        if found.agent[k] != found.agent[other]:
            choices.append(np.array([k, other]))
    cost = []
    for chosen in choices:
        come = prepared.dispatch(found.decisions(chosen))
        assert come is not None
        cost.append(come.penalized - near.penalized)
        found = found.corrected(chosen, cost[-1])
        assert found.energy(chosen) == pytest.approx(cost[-1])
    assert [found.energy(chosen) for chosen in choices] == pytest.approx(cost)
    states = np.array(list(product((0, 1), repeat=len(found))), dtype=np.uint8)
    qubo = found.qubo(native=False)
    lowest = qubo.energy(states).min()
    assert lowest == pytest.approx(min(0.0, *cost))


def test_correction_is_the_least_change_that_is_right(prepared: Prepared) -> None:
    before = core_of(prepared)
    pair = np.array([0, np.flatnonzero(before.agent != before.agent[0])[0]])
    after = before.corrected(pair, before.energy(pair) + 3.0)
    assert after.linear - before.linear == pytest.approx(
        np.isin(np.arange(len(before)), pair).astype(np.float64)
    )
    more = after.pairs - before.pairs
    assert more[pair[0], pair[1]] == pytest.approx(1.0)
    assert np.abs(more).sum() == pytest.approx(2.0)


def test_what_misses_something_needs_others_that_bring_it(prepared: Prepared) -> None:
    """One whole saves what a schedule misses alone, two halves most of it, and none saves more."""
    found = core_of(prepared)
    m, agents = len(prepared.parts.ties), np.array([0, 1, 2, 3])
    brings = np.zeros((4, m))
    brings[:, 5] = [-12.0, 5.0, 5.0, 40.0]
    none = np.zeros((4, 4))
    core = replace(
        found, agent=agents, linear=np.array([1.0, 0, 0, 0]), pairs=none, doubt=none, brings=brings
    )
    missed, worth = np.zeros((4, m)), np.zeros((4, m))
    missed[0, 5], worth[0, 5] = 10.0, 100.0
    scarce = core.with_scarcity(missed, worth)
    assert scarce.energy(np.array([0, 1])) == pytest.approx(1.0 - 50.0)
    assert scarce.energy(np.array([0, 3])) == pytest.approx(1.0 - 100.0)
    assert scarce.energy(np.array([0, 1, 2])) == pytest.approx(1.0 - 100.0 + 25.0)
    assert scarce.energy(np.array([0, 1, 3])) == pytest.approx(1.0 - 150.0 + 50.0)
    assert scarce.energy(np.array([1])) == 0.0


def test_linear_part_is_a_lower_bound_on_what_a_change_costs(prepared: Prepared) -> None:
    """Where prices are those of the dispatch: cost(z) ≥ cost(0) + Σ d z, by weak duality."""
    parts, pool = prepared.parts, prepared.pool
    near = prepared.dispatch(prepared.all_on())
    assert near is not None
    costs = parts.costs(near.prices)
    now = parts.agents.answers(costs, pool.x(near.decisions)).least.sum()
    for agent, others in enumerate(pool.alternatives(near.decisions)):
        for schedule in others:
            decisions = near.decisions.copy()
            decisions[pool.place[agent]] = schedule
            more = parts.agents.answers(costs, pool.x(decisions)).least.sum() - now
            found = prepared.dispatch(decisions)
            assert found is not None
            assert found.penalized >= near.penalized + more - 1e-4


def test_dispatch_says_what_is_missed(make_study: MakeStudy) -> None:
    prepared = Prepared(make_study(DEMAND))
    off = prepared.dispatch(np.zeros_like(prepared.all_on()))
    assert off is not None
    assert off.objective == np.inf
    balance = prepared.parts.program.rows["balance"].numbers
    short = dict(zip(prepared.parts.ties.tolist(), off.missed, strict=True))
    assert [short[int(row)] for row in balance][1:] == pytest.approx(DEMAND[1:])
    known = prepared.dispatch.known(np.zeros_like(prepared.all_on()))
    assert known is off
    assert prepared.dispatch.best is None


def test_repair_commits_what_is_needed(make_study: MakeStudy) -> None:
    prepared = Prepared(make_study(DEMAND))
    off = prepared.dispatch(np.zeros_like(prepared.all_on()))
    assert off is not None
    repair = Repair(prepared.parts, prepared.pool, prepared.dispatch, prepared.typical)
    mended = repair(off, prepared.dual.best.prices)
    assert mended is not None
    assert np.isfinite(mended.objective)
    x = prepared.dispatch.best_x
    assert x is not None
    assert prepared.parts.program.is_feasible(x)
    assert prepared.parts.program.objective(x) == pytest.approx(mended.objective)
