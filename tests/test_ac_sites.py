"""What choices of sites cost by AC power flow: against pandapower, and as a QUBO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.ac_sites import ACSites
from gridopt.arrays import BoolArray
from gridopt.errors import TooLargeError, UnsupportedError
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.lowering.encoding import Lowering
from gridopt.placing import checked, without_batteries
from gridopt.quadratic_model import QuadraticModel
from gridopt.sampling.judging import Judging
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.solver import Solver
from gridopt.solvers.highs import HiGHS
from gridopt.solvers.neal import Neal
from gridopt.solvers.tabu import Tabu
from gridopt.study import Scenario, Study

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]

CANDIDATES = [2, 5, 8, 11, 13, 15, 17, 20, 23, 26, 29, 32]


def sites_of(study: Study) -> ACSites:
    before = without_batteries(study, BatteryPlacement())
    assert before is not None
    return ACSites(study, before)


@pytest.fixture(scope="module")
def feeder() -> Study:
    """Return case33bw in four hours, with twelve candidates for three batteries."""
    study = gridopt.load_case("case33bw", hours=4, start=16)
    return with_sites(
        study, CANDIDATES, "li_ion_0.5mw_2h", count=3, operation="profile", vm_min_pu=0.95,
        voltage_cost_per_pu_h=2000.0, peak_cost_per_mw=40.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ac(feeder: Study) -> ACSites:
    return sites_of(feeder)


@pytest.fixture(scope="module")
def model(ac: ACSites) -> QuadraticModel:
    return ac.quadratic()


def choice(size: int, *picked: int) -> BoolArray:
    chosen = np.zeros(size, dtype=np.bool_)
    chosen[list(picked)] = True
    return chosen


def pandapowers(study: Study, chosen: BoolArray) -> float:
    """Return what a choice costs by the program's own answer and pandapower's power flow."""
    formulation = BatteryPlacement()
    free = replace(study.sites, count=None, voltage_cost_per_pu_h=1e3, overload_cost_per_mwh=1e3)
    bare = replace(study, sites=free)  # limits only say what an answer costs: nothing is decided
    program = formulation.build(bare)
    held = program.fixed(program.columns("modules").ravel(), chosen.astype(np.float64))
    x = HiGHS(gap=0.0).solve(held).x
    assert x is not None
    judged = replace(study, sites=replace(study.sites, count=None))
    found = checked(judged, replace(formulation.decode(bare, program, x), study=judged))
    assert found is not None
    return found.cost


def test_costs_are_those_of_pandapower(ac: ACSites, feeder: Study) -> None:
    rng = np.random.default_rng(4)
    chosen = [
        choice(12),
        *(choice(12, *rng.choice(12, k, replace=False)) for k in (1, 2, 3, 4)),
    ]
    costs = ac.cost(np.array(chosen))
    for one, cost in zip(chosen, costs, strict=True):
        assert cost == pytest.approx(pandapowers(feeder, one), rel=1e-6)
    assert len(set(costs.round(3))) == len(costs)
    assert ac.n_sites == 12
    assert ac.cost(np.zeros((0, 12), dtype=np.bool_)).shape == (0,)


TREES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # name: of the tree, of its sites
    "rising price": ({"slope": 3.0}, {"voltage_cost_per_pu_h": 900.0, "peak_cost_per_mw": 10.0}),
    "half hours": ({"period_h": 0.5}, {"voltage_cost_per_pu_h": 900.0, "vm_max_pu": 0.97}),
    "ratings": (
        {"scale": 1.8},
        {"voltage_cost_per_pu_h": 900.0, "overload_cost_per_mwh": 70.0, "vm_min_pu": 0.93},
    ),
    "hard ratings": ({"scale": 1.7}, {"vm_min_pu": 0.5}),
    "hard voltages": ({"scale": 1.3}, {"vm_min_pu": 0.937, "overload_cost_per_mwh": 70.0}),
}


@pytest.mark.parametrize("name", TREES)
def test_all_items_of_cost_count(name: str, make_tree: MakeStudy, make_modules: Modules) -> None:
    of_tree, of_sites = TREES[name]
    tree = make_tree((0.5, 1.0, 0.7, 0.9), (20.0, 90.0, 60.0, 70.0), **of_tree)
    study = with_sites(tree, None, make_modules("large"), operation="profile", **of_sites)
    ac = sites_of(study)
    chosen = np.array(
        [choice(5, *picked) for k in range(6) for picked in combinations(range(5), k)]
    )
    costs = ac.cost(chosen)
    for k in (0, 3, 9, 17, 22, 30, 31):
        assert costs[k] == pytest.approx(pandapowers(study, chosen[k]), rel=1e-6)
    if name.startswith("hard"):
        assert 0 < np.isinf(costs).sum() < 32
        with pytest.raises(UnsupportedError, match="needs prices in place of hard limits"):
            ac.quadratic()
    else:
        assert np.isfinite(costs).all()


@pytest.mark.parametrize("count", [1, 2])
def test_the_best_of_all_choices(count: int, ac: ACSites) -> None:
    every = list(combinations(range(12), count))
    costs = ac.cost(np.array([choice(12, *picked) for picked in every]))
    order = np.argsort(costs)
    found = ac.best(count, keep=5)
    assert [tuple(picked.tolist()) for _, picked in found] == [every[k] for k in order[:5]]
    assert [cost for cost, _ in found] == pytest.approx(costs[order[:5]].tolist())


def test_too_many_choices_are_told(feeder: Study) -> None:
    every = sites_of(with_sites(feeder, None, "li_ion_0.5mw_2h", operation="profile"))
    with pytest.raises(TooLargeError, match="1107568 choices of 6 sites: at most 1000000"):
        every.best(6)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_model_is_exact_for_none_one_and_two(count: int, ac: ACSites) -> None:
    model = ac.quadratic(count)
    picked = [(), *combinations(range(12), 1), *combinations(range(12), 2)]
    chosen = np.array([choice(12, *each) for each in picked])
    assert model.cost(chosen) == pytest.approx(ac.cost(chosen), rel=1e-12)


def test_how_far_the_model_is_from_power_flow(ac: ACSites, model: QuadraticModel) -> None:
    of_pairs = ac.quadratic(2)
    two = ac.residual(of_pairs, 2, 30, seed=1)
    assert two.choices == 30
    assert two.r_squared == pytest.approx(1.0, abs=1e-12)
    assert two.worst_relative < 1e-12
    three = ac.residual(model, 3, 100, seed=1)
    assert 0.95 < three.r_squared < 1.0
    assert three.worst_relative == pytest.approx(three.worst / abs(model.constant), rel=0.5)
    assert 0.0 < three.mean_relative < three.worst_relative < 0.02
    assert three == ac.residual(model, 3, 100, seed=1)
    # differences are taken where the choices are: those around no battery tell less of three
    assert ac.residual(of_pairs, 3, 100, seed=1).r_squared < three.r_squared


def test_the_model_around_many_batteries_is_the_formula(ac: ACSites) -> None:
    model, base, each = ac.quadratic(5), np.full(12, 3 / 12), np.eye(12)
    rng = np.random.default_rng(3)

    def cost(batteries: np.ndarray) -> float:
        return float(ac.cost(batteries[np.newaxis])[0])

    chosen = choice(12, *rng.choice(12, 5, replace=False))
    w, none = chosen - base, cost(base)
    one = [cost(base + e) for e in each]
    curvature = np.array(
        [[cost(base + a + b) - one[i] - one[j] + none for j, b in enumerate(each)]
         for i, a in enumerate(each)]
    )  # fmt: skip
    slope = np.array(one) - none - np.diag(curvature) / 2.0
    expected = none + slope @ w + w @ curvature @ w / 2.0
    assert float(model.cost(chosen[np.newaxis])[0]) == pytest.approx(expected, rel=1e-9)


def test_the_program_costs_what_the_model_does(model: QuadraticModel) -> None:
    program = model.program()
    rng = np.random.default_rng(0)
    for _ in range(20):
        chosen = choice(12, *rng.choice(12, 3, replace=False))
        assert program.is_feasible(chosen.astype(np.float64))
        assert program.objective(chosen.astype(np.float64)) == pytest.approx(
            float(model.cost(chosen[np.newaxis])[0])
        )
    assert not program.is_feasible(choice(12, 0, 1).astype(np.float64))
    free = replace(model, count=None).program()
    assert free.n_rows == 0
    for picked in ((), (3,), (1, 2, 5, 7)):
        chosen = choice(12, *picked)
        expected = float(model.cost(chosen[np.newaxis])[0])
        assert free.objective(chosen.astype(np.float64)) == pytest.approx(expected)


def samplers(seed: int) -> dict[str, Solver]:
    lowering = Lowering(inequalities="augmented_lagrangian")
    judging = Judging(bound_time_limit_s=0.0, control_reads=0)
    return {
        "neal": Neal(reads=1000, seed=seed, lowering=lowering, judging=judging),
        "tabu": Tabu(seed=seed, reads=20, lowering=lowering, judging=judging),
    }


@pytest.mark.parametrize("solver", ["neal", "tabu"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samplers_find_the_best_of_the_model(solver: str, seed: int, model: QuadraticModel) -> None:
    every = np.array([choice(12, *picked) for picked in combinations(range(12), 3)])
    best = float(model.cost(every).min())
    found = samplers(seed)[solver].solve(model.program())
    assert found.is_feasible
    assert found.objective == pytest.approx(best, rel=1e-9)


def test_what_is_not_supported(feeder: Study, make_modules: Modules) -> None:
    def refused(study: Study, match: str) -> None:
        before = without_batteries(feeder, BatteryPlacement())
        assert before is not None
        with pytest.raises(UnsupportedError, match=match):
            ACSites(study, before)

    form = r"needs operation = 'profile' and one module of one kind a site"
    refused(with_sites(feeder, CANDIDATES, "li_ion_0.5mw_2h"), form)
    refused(replace(feeder, sites=replace(feeder.sites, modules_max=2)), form)
    refused(with_sites(feeder, CANDIDATES, make_modules(), operation="profile"), form)
    none = np.zeros((0, 4))
    scenarios = (Scenario("only", 1.0, feeder.demand_mw, none, none),)
    refused(replace(feeder, scenarios=scenarios), "needs a study without scenarios")
