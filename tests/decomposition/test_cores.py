"""Cores, one after the other: which schedules they choose from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gridopt.decomposition.cores import Cores
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.priced import Priced
from gridopt.decomposition.record import Record
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.highs_model import Clock
from gridopt.solvers.greedy import Greedy
from gridopt.study import Study

MakeStudy = Callable[..., Study]

DEMAND = (70.0, 110.0, 60.0, 45.0, 95.0, 130.0)


def test_every_decision_has_a_schedule_with_it_either_way(make_study: MakeStudy) -> None:
    program = UnitCommitment().build(make_study(DEMAND, unserved_cost_per_mwh=500.0))
    record = Record(program, 1e-9, Clock(None))
    priced = Priced(Parts.of(program), record, None)
    best = priced.take(np.ones(len(priced.pool.columns), dtype=np.int64), "all on")
    assert best is not None
    cores = Cores(priced, Greedy(), 40, np.random.default_rng(0))
    cores.step(best)
    parts, pool = priced.parts, priced.pool
    marginals = parts.agents.marginals(parts.costs(priced.prices))[:, parts.decided]
    schedules = pool.alternatives(np.full(len(pool.columns), -1))  # all of them
    for agent, place in enumerate(pool.place):
        values = np.array(schedules[agent])
        for value in (0, 1):
            possible = np.isfinite(marginals[value, place])
            assert (values == value).any(axis=0)[possible].all()
    assert record.details["cores"] == 1
    assert record.objective <= best.objective
