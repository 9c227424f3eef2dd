"""The compact form of a placement: what it costs near an answer, and elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from gridopt.arrays import FloatArray
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.formulations.blocks.compact_sites import NEAREST_MW, NEAREST_PU2, CompactSites
from gridopt.program import Program
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.solvers.highs import HiGHS
from gridopt.study import Scenario, Study

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]

PRICED: dict[str, Any] = {
    "vm_min_pu": 0.955,
    "vm_max_pu": 0.978,
    "voltage_cost_per_pu_h": 9000.0,
    "overload_cost_per_mwh": 300.0,
}


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
    given = {**PRICED, "operation": "profile", "candidates": [2, 4], "modules_max": 2, **sites}
    return with_sites(tree, modules=kinds, **given)


@pytest.fixture(scope="module")
def placed(make_tree: MakeStudy, make_modules: Modules) -> Placed:
    return Placed(study_of(make_tree, make_modules()))


@pytest.fixture(scope="module")
def costs(placed: Placed) -> list[tuple[FloatArray, FloatArray, float]]:
    """Return each choice, the answer with it, and what that truly costs."""
    found = [(numbers, placed.answer(numbers)) for numbers in placed.choices]
    return [(numbers, x, placed.program.objective(x)) for numbers, x in found]


def distances(placed: Placed, x: FloatArray) -> list[tuple[float, float, float]]:
    """Return what a unit beyond each priced limit costs, how far it is, and the least distance."""
    study, program = placed.study, placed.program
    vm2, flow = program.value("vm2", x), program.value("flow_mw", x)
    feeder, sites = study.radial, study.sites
    found = []
    for bus, t in product(range(1, 5), range(study.n_periods)):
        for edge in (feeder.vm_min_pu[bus], feeder.vm_max_pu[bus]):
            cost = sites.voltage_cost_per_pu_h / (2.0 * edge)
            found.append((cost, abs(vm2[bus, t] - edge**2), NEAREST_PU2))
    q = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))
    most = np.sqrt(study.grid.rating_mw[:, np.newaxis] ** 2 - q**2)
    for sign in (1.0, -1.0):
        beyond = np.abs(sign * flow - most).ravel().tolist()
        found += [(sites.overload_cost_per_mwh, each, NEAREST_MW) for each in beyond]
    return found


def excess(placed: Placed, x: FloatArray) -> float:
    """Return by how much a model is too high at its own answer.

    A square that touches max(0, z) at |a| < the least distance b is made at b, and lies above it
    by (b − |a|)² / 4b at a; elsewhere it touches.
    """
    return sum(
        cost * (least - a) ** 2 / (4.0 * least)
        for cost, a, least in distances(placed, x)
        if a < least
    )


def test_the_case_has_what_is_to_be_modeled(
    costs: list[tuple[FloatArray, FloatArray, float]], placed: Placed
) -> None:
    """Some limits are kept and some not, by choice, so that the hinges count."""
    assert len(costs) == 36
    for block in ("voltage_low", "voltage_high", "overload_mw"):
        beyond = [placed.program.value(block, x).sum() for _, x, _ in costs]
        assert max(beyond) > 1e-3
        assert max(beyond) > min(beyond)


def test_at_its_answer_a_model_costs_what_the_program_does(
    costs: list[tuple[FloatArray, FloatArray, float]], placed: Placed
) -> None:
    """Up to one constant for all answers, whatever they are."""
    without = fixed_cost(placed.study)
    for numbers, x, true in costs:
        there = placed.near(x)(numbers) - excess(placed, x)
        assert there + without == pytest.approx(true, rel=1e-6)


def test_elsewhere_a_model_costs_no_less(
    costs: list[tuple[FloatArray, FloatArray, float]], placed: Placed
) -> None:
    """The quadratic lies above the true cost of every choice: energy and losses are exact."""
    without = fixed_cost(placed.study)
    above = []
    for _, x, _ in costs[::3]:
        model = placed.near(x)
        for numbers, _, true in costs:
            above.append(model(numbers) + without - true)
            assert above[-1] >= -1e-6 * abs(true)
    assert max(above) > 1.0


def test_a_better_choice_by_the_model_is_better(
    costs: list[tuple[FloatArray, FloatArray, float]], placed: Placed
) -> None:
    """What a majorizer that touches is for: descending on it never makes things worse."""
    for numbers, x, true in costs[::5]:
        model = placed.near(x)
        slack = excess(placed, x)
        for other, _, cost in costs:
            if model(other) < model(numbers) - slack:
                assert cost < true + 1e-6 * abs(true)


def test_without_limits_the_model_is_exact(make_tree: MakeStudy, make_modules: Modules) -> None:
    """Losses alone are quadratic: one model serves all choices."""
    free = {"vm_min_pu": 0.5, "vm_max_pu": 1.5, "overload_cost_per_mwh": 0.0}
    placed = Placed(study_of(make_tree, make_modules(), voltage_cost_per_pu_h=None, **free))
    without = fixed_cost(placed.study)
    model = placed.near(placed.answer(placed.choices[5]))
    for numbers in placed.choices[::4]:
        true = placed.program.objective(placed.answer(numbers))
        assert model(numbers) + without == pytest.approx(true, rel=1e-6)


def test_a_slope_of_the_price_is_linear_near_the_answer(
    make_tree: MakeStudy, make_modules: Modules
) -> None:
    """Where the price rises with what is bought, the model is exact to first order only."""
    study = study_of(make_tree, make_modules())
    market = replace(study.exchange, slope_per_mw2h=np.full((1, 3), 4.0))
    placed = Placed(replace(study, exchange=market))
    here, there = np.zeros(4), np.array([1.0, 0.0, 0.0, 0.0])
    x, y = placed.answer(here), placed.answer(there)
    model = placed.near(x)
    change = model(there) - model(here)
    true = placed.program.objective(y) - placed.program.objective(x)
    moved = (placed.program.value("import_mw", y) - placed.program.value("import_mw", x))[0]
    curve = 2.0 * (moved**2).sum()  # slope · Δ² / 2: what the linear model leaves out
    voltage = placed_gap(placed, x, y, there)
    assert true - change == pytest.approx(curve - voltage, abs=1e-4 * abs(true))


def placed_gap(placed: Placed, x: FloatArray, y: FloatArray, numbers: FloatArray) -> float:
    """Return by how much the same model is too high at y, less at x, with the price flat."""
    flat = replace(placed.study.exchange, slope_per_mw2h=np.zeros((1, 3)))
    same = Placed(replace(placed.study, exchange=flat))
    model = same.near(x)
    at_y = model(numbers) - same.program.objective(y)
    return at_y - (model(np.zeros(4)) - same.program.objective(x))


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
        slack = sum(
            it.probability * excess(part, part.answer(numbers))
            for it, part in zip(scenarios, parts, strict=True)
        )
        there = placed.near(x)(numbers) - slack + without
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
        there = placed.near(x)(np.array(numbers)) - excess(placed, x)
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
