"""The compact window: its model of the cost near an answer, its rules, its repair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import gridopt
from gridopt.arrays import FloatArray
from gridopt.elements import Exchange
from gridopt.formulations.blocks.compact import CompactCommitment, capacity_limits_mw
from gridopt.formulations.blocks.supply import Supply
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.lowering.structure import Sequence
from gridopt.program import Program
from gridopt.sampling.redispatch import Redispatch
from gridopt.sampling.samples import Deadline
from gridopt.study import Study

StudyFactory = Callable[..., Study]


def whole(study: Study) -> tuple[Program, CompactCommitment]:
    program = UnitCommitment().build(study)
    assert isinstance(program.compact, CompactCommitment)
    return program, program.compact


def near(program: Program, compact: CompactCommitment, x: FloatArray) -> Program:
    columns = compact.columns
    return compact.near(x, program.lower[columns], program.upper[columns]).program


def commitments(study: Study) -> list[FloatArray]:
    size = len(study.thermal) * study.n_periods
    return [np.array(bits, dtype=np.float64) for bits in product((0, 1), repeat=size)]


def test_rules_are_those_of_the_whole_program(make_study: StudyFactory) -> None:
    """What the compact program forbids has no dispatch; runs are told in the samplers' words."""
    study = make_study(demand_mw=(70.0, 110.0, 60.0, 45.0))
    program, compact = whole(study)
    start = gridopt.solve(study, gap=1e-9).solution.x
    assert start is not None
    model = near(program, compact, start)
    dispatch = Redispatch(program, repair=False)
    kept = {u.tobytes() for u in commitments(study) if model.is_feasible(u)}
    answers = {
        u.tobytes()
        for u in commitments(study)
        if dispatch(compact.columns, u, Deadline()).best.is_feasible
    }
    assert answers
    assert answers <= kept
    runs = model.sequences
    assert runs is not None
    for u in commitments(study):
        on = u.reshape(2, -1)
        long_enough = all(
            Sequence(np.arange(on.shape[1]), int(up), int(down), int(before)).holds(row > 0)
            for row, up, down, before in zip(
                on, runs.min_on, runs.min_off, runs.before, strict=True
            )
        )
        in_bounds = bool((u >= model.lower).all() and (u <= model.upper).all())
        broken = model.violated(u)
        assert (not broken.keys() & {*runs.rows, "bounds"}) == (long_enough and in_bounds)


def test_cost_is_that_of_the_dispatch_where_it_was_made() -> None:
    """On Kazarlis' day the model is within 0.1 % of the dispatch at a good commitment."""
    study = gridopt.kazarlis()
    program, compact = whole(study)
    run = gridopt.solve(study, gap=1e-3)
    x = run.solution.x
    assert x is not None
    model = near(program, compact, x)
    u = x[compact.columns]
    assert model.violation(u) < 1e-6
    assert model.objective(u) == pytest.approx(run.cost, rel=1e-3)


def test_one_switch_costs_what_the_dispatch_says() -> None:
    """Switching one unit on for good: model and dispatch agree about the change."""
    study = gridopt.kazarlis()
    program, compact = whole(study)
    x = gridopt.solve(study, gap=1e-3).solution.x
    assert x is not None
    model = near(program, compact, x)
    dispatch = Redispatch(program, repair=False)
    before = x[compact.columns]
    changes = []
    for g in np.flatnonzero(~before.reshape(10, -1).all(axis=1)):
        after = before.reshape(10, -1).copy()
        after[g, study.held_periods()[g] :] = 1.0
        answer = dispatch(compact.columns, after.ravel(), Deadline()).plain
        if answer.is_feasible:
            true = answer.objective - program.objective(x)
            changes.append((model.objective(after.ravel()) - model.objective(before)) / true)
    assert len(changes) >= 3
    assert np.abs(np.array(changes) - 1.0).max() < 0.1


def test_repair_keeps_every_rule_among_the_decisions() -> None:
    study = gridopt.kazarlis()
    program, compact = whole(study)
    model = near(program, compact, np.zeros(program.n_columns))
    rng = np.random.default_rng(0)
    wanted = [np.zeros(240), np.ones(240), *rng.integers(0, 2, (3, 240)).astype(np.float64)]
    for decisions in wanted:
        repaired = compact.repaired(decisions)
        assert model.violated(repaired) == {}
        np.testing.assert_array_equal(compact.repaired(repaired), repaired)


def test_repair_changes_nothing_that_is_right() -> None:
    study = gridopt.kazarlis()
    _, compact = whole(study)
    x = gridopt.solve(study, gap=1e-3).solution.x
    assert x is not None
    u = np.rint(x[compact.columns])
    np.testing.assert_array_equal(compact.repaired(u), u)


def test_supply_serves_demand_at_its_price(make_study: StudyFactory) -> None:
    prices = np.array([[20.0, 30.0, 25.0, 5.0]])
    market = Exchange(
        (("ext_grid", 0),),
        ("market",),
        np.array([0]),
        np.array([50.0]),
        np.array([20.0]),
        prices,
        np.full_like(prices, 0.2),
    )
    study = make_study(exchange=market)
    supply = Supply.of(study)
    on = np.array([[True] * 4, [False, True, True, False]])
    served = np.array([70.0, 130.0, 60.0, 45.0])
    price = supply.price_per_mwh(on, served)
    given = (supply.units_mw(price) * on).sum(axis=0) + supply.exchanges_mw(price)
    np.testing.assert_allclose(given, served, atol=1e-3)
    bought = supply.exchanges_mw(price)
    inside = (bought > -20.0) & (bought < 50.0)
    assert inside.any()
    np.testing.assert_allclose((prices[0] + 0.2 * bought)[inside], price[inside], atol=1e-6)


def test_limits_count_what_else_feeds_in(make_study: StudyFactory) -> None:
    study = make_study(demand_mw=(70.0, 110.0))
    least, most = capacity_limits_mw(study)
    np.testing.assert_allclose(least, [70.0, 110.0])
    np.testing.assert_allclose(most, [70.0, 110.0])
    priced = replace(study, unserved_cost_per_mwh=100.0, surplus_cost_per_mwh=100.0)
    least, most = capacity_limits_mw(priced)
    np.testing.assert_allclose(least, 0.0)
    assert np.isinf(most).all()
