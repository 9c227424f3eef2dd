"""Thermal units as agents: their answers against exact programs of one unit each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from gridopt.arrays import FloatArray
from gridopt.decomposition.parts import Parts
from gridopt.elements import CostCurve, StartupCost, ThermalUnits
from gridopt.errors import StudyError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.program import Program
from gridopt.requirements import (
    NONSPINNING,
    REGULATION_DOWN,
    REGULATION_UP,
    SPINNING,
    Reserves,
)
from gridopt.study import FIXED_ON, FORCED_OUT, FREE, Study

MakeStudy = Callable[..., Study]

ExactLeast = Callable[[Parts, int, FloatArray], float]

G = 4


def drawn_units(rng: np.random.Generator, with_ramps: bool) -> ThermalUnits:
    low = rng.integers(1, 4, G) * 10.0
    high = low + rng.integers(0, 6, G) * 10.0
    width = np.maximum(high - low, 5.0)
    status = rng.choice([-9.0, -4.0, -2.0, -1.0, 1.0, 2.0, 6.0], G)
    ramps = np.full((2, G), np.inf)
    if with_ramps:
        ramps = rng.uniform(0.2, 1.3, (2, G)) * width
    limits = low + rng.uniform(0.0, 1.2, (2, G)) * width
    power = np.where(status > 0, rng.uniform(low, high), 0.0)
    power = np.where((status > 0) & (rng.random(G) < 0.2), np.nan, power)
    cost, startup = [], []
    for g in range(G):
        pieces = int(rng.integers(1, 4))
        points = np.linspace(low[g], max(high[g], low[g] + 1e-3), pieces + 1)
        slopes = np.sort(rng.uniform(5.0, 40.0, pieces))
        height = rng.uniform(50.0, 900.0) + np.cumsum([0.0, *np.diff(points) * slopes])
        quadratic = float(rng.uniform(0.0, 0.2)) * (rng.random() < 0.4)
        cost.append(CostCurve(tuple(points), tuple(height), quadratic))
        lags = np.cumsum([1, *rng.integers(1, 4, int(rng.integers(0, 3)))]).astype(float)
        startup.append(StartupCost(tuple(lags), tuple(np.sort(rng.uniform(0, 900, len(lags))))))
    return ThermalUnits(
        element=tuple(("gen", g) for g in range(G)),
        name=tuple(f"unit {g}" for g in range(G)),
        bus=np.zeros(G, dtype=np.int64),
        p_min_mw=np.asarray(low, dtype=np.float64),
        p_max_mw=np.asarray(np.maximum(high, low + 1e-3), dtype=np.float64),
        ramp_up_mw_per_h=ramps[0],
        ramp_down_mw_per_h=ramps[1],
        startup_ramp_mw=limits[0],
        shutdown_ramp_mw=limits[1],
        min_up_time_h=rng.integers(1, 5, G).astype(float),
        min_down_time_h=rng.integers(1, 5, G).astype(float),
        initial_status_h=status,
        initial_power_mw=power,
        must_run=(status > 0) & (rng.random(G) < 0.1),
        cost=tuple(cost),
        startup_cost=tuple(startup),
    )


def drawn_reserves(rng: np.random.Generator, kinds: tuple[str, ...], T: int) -> Reserves:
    n = len(kinds)
    return Reserves(
        product=kinds,
        kind=kinds,
        offer_max_mw=np.where(rng.random((n, G)) < 0.3, np.inf, rng.uniform(0, 30, (n, G))),
        offer_cost_per_mwh=rng.uniform(0.0, 3.0, (n, G)),
        requirement=tuple(f"{kind} in all" for kind in kinds),
        of_product=np.arange(n),
        zone=np.ones((n, 1), dtype=np.bool_),
        required_mw=rng.uniform(0.0, 20.0, (n, T)),
        shortage_cost_per_mwh=np.full(n, 90.0),
    )


def drawn_program(
    make_study: MakeStudy,
    seed: int,
    *,
    with_ramps: bool,
    kinds: tuple[str, ...] = (SPINNING, REGULATION_UP),
    offers: bool = True,
) -> Program:
    """Return the program of the first random study that does not contradict itself."""
    rng = np.random.default_rng(seed)
    while True:
        with suppress(StudyError):
            study = drawn_study(make_study, rng, with_ramps, kinds, offers)
            return UnitCommitment().build(study)


def drawn_study(
    make_study: MakeStudy,
    rng: np.random.Generator,
    with_ramps: bool,
    kinds: tuple[str, ...],
    offers: bool,
) -> Study:
    T, period_h = int(rng.integers(1, 9)), float(rng.choice([1.0, 0.5]))
    thermal = drawn_units(rng, with_ramps)
    demand = rng.uniform(0.2, 1.0, T) * thermal.p_max_mw.sum()
    fixed = np.full((G, T), FREE)
    if rng.random() < 0.3:
        fixed = rng.choice([FREE] * 10 + [FIXED_ON, FORCED_OUT], (G, T))
    changes: dict[str, object] = {"unserved_cost_per_mwh": 60.0, "surplus_cost_per_mwh": 10.0}
    if rng.random() < 0.8:
        reserves = drawn_reserves(rng, kinds, T)
        endless = np.full_like(reserves.offer_max_mw, np.inf)
        changes["reserves"] = reserves if offers else replace(reserves, offer_max_mw=endless)
    return make_study(demand, thermal=thermal, period_h=period_h, fixed_status=fixed, **changes)


def drawn_prices(parts: Parts, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    prices = rng.uniform(-5.0, 60.0, len(parts.ties))
    prices *= rng.random(len(prices)) < 0.9
    one_sided = np.isinf(parts.upper)
    return np.where(one_sided, np.maximum(prices, 0.0), prices)


@pytest.mark.parametrize("seed", range(12))
def test_without_ramps_answers_are_exact(
    make_study: MakeStudy, exact_least: ExactLeast, seed: int
) -> None:
    program = drawn_program(make_study, seed, with_ramps=False)
    parts = Parts.of(program)
    costs = parts.costs(drawn_prices(parts, seed))
    answers = parts.agents.answers(costs)
    exact = [exact_least(parts, g, costs) for g in range(G)]
    assert answers.least == pytest.approx(exact, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize("kinds", [(), (SPINNING,)])
@pytest.mark.parametrize("seed", range(40))
def test_with_ramps_and_one_product_answers_are_exact(
    make_study: MakeStudy, exact_least: ExactLeast, seed: int, kinds: tuple[str, ...]
) -> None:
    program = drawn_program(make_study, seed, with_ramps=True, kinds=kinds, offers=False)
    parts = Parts.of(program)
    costs = parts.costs(drawn_prices(parts, seed))
    answers = parts.agents.answers(costs)
    exact = [exact_least(parts, g, costs) for g in range(G)]
    assert answers.least == pytest.approx(exact, rel=1e-6, abs=1e-4)
    for name, block in program.rows.items():
        if "ramp" in name:
            rows, can = block.numbers, np.isfinite(answers.least)
            of = parts.agents.owner[[program.A[[row]].indices[0] for row in rows.ravel()]]
            missed = program.A[rows.ravel()] @ answers.x - program.row_upper[rows.ravel()]
            assert missed[can[of]].max(initial=0.0) < 1e-5


KINDS = [(SPINNING,), (SPINNING, REGULATION_UP), (SPINNING, NONSPINNING, REGULATION_DOWN)]


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_with_ramps_answers_are_bounds(
    make_study: MakeStudy, exact_least: ExactLeast, seed: int, kinds: tuple[str, ...]
) -> None:
    program = drawn_program(make_study, seed, with_ramps=True, kinds=kinds)
    parts = Parts.of(program)
    costs = parts.costs(drawn_prices(parts, seed))
    answers = parts.agents.answers(costs)
    for g in range(G):
        exact = exact_least(parts, g, costs)
        assert answers.least[g] <= exact + 1e-6 * abs(exact) + 1e-4


@pytest.mark.parametrize("with_ramps", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_marginals_are_the_least_of_each_decision(
    make_study: MakeStudy,
    exact_least: ExactLeast,
    with_bounds: Callable[[Parts, int, float, float], Parts],
    seed: int,
    with_ramps: bool,
) -> None:
    parts = Parts.of(drawn_program(make_study, seed, with_ramps=with_ramps))
    costs = parts.costs(drawn_prices(parts, seed))
    on = parts.program.columns("on")
    least = parts.agents.answers(costs).least
    marginals = parts.agents.marginals(costs)
    assert np.isneginf(marginals[:, parts.program.columns("start")]).all()
    for g in range(G):
        assert marginals[:, on[g]].min(axis=0) == pytest.approx(np.full(on.shape[1], least[g]))
        column = on[g, seed % on.shape[1]]
        for value in (0, 1):
            held = with_bounds(parts, column, value, value)
            if held.program.lower[column] > held.program.upper[column]:
                assert marginals[value, column] == np.inf
                continue
            exact, found = exact_least(held, g, costs), marginals[value, column]
            assert found <= exact + 1e-6 * abs(exact) + 1e-4
            assert with_ramps or found == pytest.approx(exact, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_held_decisions_cost_what_they_were_chosen_for(make_study: MakeStudy, seed: int) -> None:
    parts = Parts.of(drawn_program(make_study, seed, with_ramps=True))
    costs = parts.costs(drawn_prices(parts, seed))
    chosen = parts.agents.answers(costs)
    can = np.isfinite(chosen.least)
    assert can.sum() >= 2
    held = parts.agents.answers(costs, chosen.x)
    assert held.least[can] == pytest.approx(chosen.least[can])
    assert held.x == pytest.approx(chosen.x)
    off = parts.agents.answers(costs, np.zeros_like(chosen.x))
    assert not off.x[parts.program.columns("on")].any()


def test_other_costs_than_those_of_the_rows_are_refused(make_study: MakeStudy) -> None:
    program = drawn_program(make_study, 0, with_ramps=False)
    assert program.agents is not None
    c = program.c.copy()
    c[program.columns("start")] += 1.0
    with pytest.raises(ValueError, match="only power, reserve and being on"):
        program.agents.answers(c)


def test_every_column_of_a_unit_has_its_owner(make_study: MakeStudy) -> None:
    program = UnitCommitment().build(make_study())
    assert program.agents is not None
    owner = program.agents.owner
    for name in ("on", "start", "stop", "above_min_mw"):
        assert (owner[program.columns(name)] == [[0], [1]]).all()
    assert (owner[program.columns("segment_mw")] == 0).all()
    assert (owner[program.columns("warmer_start")] == 0).all()
