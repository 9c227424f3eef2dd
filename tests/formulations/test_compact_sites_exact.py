"""The compact form of a placement without limits, where it is exact; and its repair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from gridopt.arrays import FloatArray
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.formulations.blocks.compact_sites import NEAR, CompactSites
from gridopt.program import Program
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.solvers.highs import HiGHS
from gridopt.study import Scenario, Study

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]

FREE: dict[str, Any] = {"vm_min_pu": 0.5, "vm_max_pu": 1.5, "overload_cost_per_mwh": 0.0}


def fixed_cost(study: Study) -> float:
    """Return what no choice changes: energy for the demand, and losses of reactive power."""
    price, feeder = study.exchange.price_per_mwh[0], study.radial
    q = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))
    return float(price @ (study.total_demand_mw + feeder.loss_mw_per_mva2 @ q**2))


class Placed:
    """A study by a profile: its program, and the true cost of any choice by re-dispatch."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.program: Program = BatteryPlacement().build(study)
        assert isinstance(self.program.compact, CompactSites)
        self.compact = self.program.compact
        self.columns = self.compact.columns
        shape = len(study.sites), len(study.sites.modules)
        self.choices = [
            numbers
            for given in product(range(study.sites.modules_max + 1), repeat=shape[0] * shape[1])
            if (numbers := np.array(given, dtype=np.float64)).reshape(shape).sum(axis=1).max()
            <= study.sites.modules_max
        ]
        self.shape = shape

    def decisions(self, numbers: FloatArray) -> FloatArray:
        site = (numbers.reshape(self.shape).sum(axis=1) > 0).astype(np.float64)
        return np.concatenate([numbers, site])[: len(self.columns)]

    def answer(self, numbers: FloatArray) -> FloatArray:
        """Return the best answer of the whole program with these modules."""
        held = self.program.fixed(self.columns, self.decisions(numbers))
        found = HiGHS(gap=0.0, plain=True).solve(held)
        assert found.x is not None
        assert found.is_feasible
        return found.x

    def near(self, x: FloatArray) -> Callable[[FloatArray], float]:
        lower, upper = self.program.lower[self.columns], self.program.upper[self.columns]
        model = self.compact.near(x, lower, upper).program
        assert np.array_equal(model.lower, lower)
        assert np.array_equal(model.upper, upper)
        return lambda numbers: model.objective(self.decisions(numbers))


def study_of(make_tree: MakeStudy, kinds: BatteryModules, **sites: Any) -> Study:
    tree = make_tree((0.5, 1.0, 0.7), (20.0, 90.0, 60.0), scale=1.72)
    given = {**FREE, "operation": "profile", "candidates": [2, 4], "modules_max": 2, **sites}
    return with_sites(tree, modules=kinds, **given)


def test_without_limits_the_model_is_exact(make_tree: MakeStudy, make_modules: Modules) -> None:
    """Losses alone are quadratic: one model serves all choices."""
    placed = Placed(study_of(make_tree, make_modules()))
    without = fixed_cost(placed.study)
    model = placed.near(placed.answer(placed.choices[5]))
    for numbers in placed.choices[::4]:
        true = placed.program.objective(placed.answer(numbers))
        assert model(numbers) + without == pytest.approx(true, rel=1e-6)


def test_scenarios_are_weighted(make_tree: MakeStudy, make_modules: Modules) -> None:
    study = study_of(make_tree, make_modules("large"))
    none = np.zeros((0, 3))
    demand = study.demand_mw
    scenarios = (
        Scenario("low", 0.3, demand * 0.8, none, none),
        Scenario("high", 0.7, demand * 1.05, none, none),
    )
    placed = Placed(replace(study, scenarios=scenarios))
    parts = [Placed(placed.study.in_scenario(it)) for it in scenarios]
    without = sum(
        it.probability * fixed_cost(part.study) for it, part in zip(scenarios, parts, strict=True)
    )
    for numbers in placed.choices[::2]:
        x = placed.answer(numbers)
        there = placed.near(x)(numbers) + without
        assert there == pytest.approx(placed.program.objective(x), rel=1e-6)


def test_optimized_batteries_run_as_they_do_at_the_answer(
    make_tree: MakeStudy, make_modules: Modules
) -> None:
    """With the operation of the answer the model costs what the program does there."""
    study = study_of(make_tree, make_modules("large"), operation="optimized")
    placed = Placed(study)
    without = fixed_cost(study)
    for numbers in ([0.0, 0.0], [1.0, 0.0], [1.0, 2.0]):
        x = placed.answer(np.array(numbers))
        there = placed.near(x)(np.array(numbers))
        assert there + without == pytest.approx(placed.program.objective(x), rel=1e-6)


def test_there_is_none_for_a_meshed_grid(
    make_study: MakeStudy, make_triangle: Callable[..., Any], make_modules: Modules
) -> None:
    study = with_sites(make_study(grid=make_triangle(50.0)), modules=make_modules())
    assert BatteryPlacement().build(study).compact is None


# --- repair ---------------------------------------------------------------------------------------


LIMITS: dict[str, dict[str, Any]] = {
    "any": {},
    "number": {"count": 2},
    "all": {"count": 4},
    "none": {"count": 0},
    "least": {"modules_min": 2, "modules_max": 3, "count": 2},
    "least of any number": {"modules_min": 3, "modules_max": 3},
    "budget": {"budget": 300.0},
    "budget for two": {"budget": 210.0, "count": 2, "modules_max": 2},
    "budget, two each": {"budget": 500.0, "count": 2, "modules_min": 2, "modules_max": 3},
    "no money": {"budget": 0.0},
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("kinds", [("small", "large"), ("large",)])
def test_repaired_decisions_keep_the_rules_among_themselves(
    name: str, kinds: tuple[str, ...], make_tree: MakeStudy, make_modules: Modules
) -> None:
    limits = {"modules_max": 2, "candidates": [1, 2, 3, 4], **LIMITS[name]}
    if "budget" in limits:
        limits["budget"] *= 1.0 if "small" in kinds else 1.8
    study = study_of(make_tree, make_modules(*kinds), **limits)
    program = BatteryPlacement().build(study)
    compact = program.compact
    assert compact is not None
    columns = compact.columns
    lower, upper = program.lower[columns], program.upper[columns]
    model = compact.near(np.zeros(program.n_columns), lower, upper).program
    rng = np.random.default_rng(5)
    for _ in range(200):
        given = np.floor(lower + rng.random(len(lower)) * (upper - lower + 1.0))
        repaired = compact.repaired(given)
        assert model.violated(repaired) == {}
        if model.is_feasible(given):
            assert np.array_equal(repaired, given)


# --- limits with a price --------------------------------------------------------------------------

PRICED: dict[str, Any] = {
    "vm_min_pu": 0.955,
    "vm_max_pu": 0.978,
    "voltage_cost_per_pu_h": 9000.0,
    "overload_cost_per_mwh": 300.0,
}


def beyond(placed: Placed, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far an answer is beyond each limit that has a price, and the price, (k,) each."""
    study, program = placed.study, placed.program
    feeder, sites = study.radial, study.sites
    vm2, flow = program.value("vm2", x)[1:], program.value("flow_mw", x)
    q = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))
    most = np.sqrt(study.grid.rating_mw[:, np.newaxis] ** 2 - q**2)
    low, high = float(feeder.vm_min_pu[1]), float(feeder.vm_max_pu[1])
    volt, over = sites.voltage_cost_per_pu_h, sites.overload_cost_per_mwh
    found = [
        (low**2 - vm2, volt / (2.0 * low)),
        (vm2 - high**2, volt / (2.0 * high)),
        (flow - most, over),
        (-flow - most, over),
    ]
    prices = [np.full(z.size, price) for z, price in found]
    return np.concatenate([z.ravel() for z, _ in found]), np.concatenate(prices)


def nearest_parabola(a: float, spread: float) -> tuple[float, float, float]:
    """Return the parabola c0 + c1 u + c2 u² of u = (z − a) / σ nearest to max(0, z), u normal."""
    moments = [
        quad(
            lambda u, k=k: max(0.0, a + spread * u) * u**k * norm.pdf(u),
            *(-9.0, 9.0),
            points=[min(max(-a / spread, -9.0), 9.0)],
        )[0]
        for k in range(3)
    ]
    # E uⁱuᵏ of a normal u
    gram = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 3.0]])
    c0, c1, c2 = np.linalg.solve(gram, moments)
    return float(c0), float(c1), float(c2)


def test_limits_are_the_nearest_parabolas(make_tree: MakeStudy, make_modules: Modules) -> None:
    """By quadrature and least squares, from voltages and flows of the whole program's answers."""
    placed = Placed(study_of(make_tree, make_modules(), **PRICED))
    at_none, price = beyond(placed, placed.answer(np.zeros(4)))
    each = np.array([beyond(placed, placed.answer(one))[0] - at_none for one in np.eye(4)])
    spread = np.maximum(NEAR * np.abs(each).max(axis=0), 1e-12)
    counted = 0
    for here in ([0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 2.0]):
        x = placed.answer(np.array(here))
        a, _ = beyond(placed, x)
        assert a == pytest.approx(at_none + np.array(here) @ each, abs=1e-6)
        near = (np.abs(a) < 5.0 * spread) & (spread > 1e-9)
        counted += int(near.sum())
        model = placed.near(x)
        for numbers in placed.choices[::5]:
            y = placed.answer(numbers)
            z, _ = beyond(placed, y)
            expected = 0.0
            for k in range(len(a)):
                if near[k]:
                    c0, c1, c2 = nearest_parabola(a[k], spread[k])
                    u = (z[k] - a[k]) / spread[k]
                    expected += price[k] * (c0 + c1 * u + c2 * u**2)
                elif a[k] > 0.0:
                    expected += price[k] * z[k]  # a line, far beyond the limit
            penalty = float(price @ np.maximum(z, 0.0))
            found = model(numbers) + fixed_cost(placed.study)
            true = placed.program.objective(y) - penalty
            assert found - true == pytest.approx(expected, rel=1e-4, abs=0.02)
    assert counted > 4
