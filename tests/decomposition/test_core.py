"""The core's QUBO: what it says of schedules, against dispatch and enumeration."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

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
    none = np.zeros(len(prepared.parts.ties))
    prices = prepared.dual.best.prices
    given = (near, prices, 1e9, 12, 1.0, none, lambda: False)
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
    energy = states @ found.cost + 0.5 * np.einsum("ri,ij,rj->r", states, found.coupling, states)
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
    nothing = found.decisions(np.zeros(len(found), dtype=np.uint8))
    assert np.array_equal(nothing, prepared.all_on())
    every = found.decisions(np.ones(len(found), dtype=np.uint8))
    for g in np.unique(found.agent):
        own = np.flatnonzero(found.agent == g)
        cheapest = own[np.argmin(found.cost[own])]
        assert np.array_equal(every[prepared.pool.place[g]], found.schedules[cheapest])


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
