"""Every rule and every cost of a placement: rules broken on purpose, costs by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.arrays import FloatArray
from gridopt.feeder import Correction
from gridopt.placement import BATTERY, Placement, placed
from gridopt.placement_rules import RadialState, site_rules
from gridopt.results import Schedule
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.study import Scenario, Study
from gridopt.verification import Verification, verify

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]

PRICE = np.array([30.0, 20.0, 90.0, 60.0])
SHARE = np.array([0.5, 0.4, 1.0, 0.7])

CHARGE = np.array([[0.0, 0.8, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0]])
"""Of two "large" modules at bus 4 and one "small" one at bus 2, at 90 and 95 %."""

DRAWN = np.array([[0.0, 0.0, 0.8 * 0.9 * 0.95, 0.0], [0.0, 0.0, 0.4, 0.5 * 0.95 * 0.9 - 0.4]])

SOC = np.array(
    [[0.3, 0.3 + 0.72, 0.3, 0.3], [0.0, 0.475, 0.475 - 0.4 / 0.9, 0.0]],
)


@pytest.fixture(scope="module")
def plan(make_tree: MakeStudy, make_modules: Modules) -> Placement:
    """Return a placement worked out by hand: everything that is priced or limited occurs."""
    study = with_sites(
        make_tree(SHARE, PRICE), [4, 3, 2], make_modules(), count=2, budget=460.0, modules_max=2,
        voltage_cost_per_pu_h=1000.0, overload_cost_per_mwh=500.0, peak_cost_per_mw=7.0,
        vm_min_pu=0.96, vm_max_pu=1.05,
    )  # fmt: skip
    modules = np.array([[0, 2], [0, 0], [1, 0]])
    return planned(
        study, modules, CHARGE, DRAWN, SOC, np.array([[0.0, 0.3], [0.0, 0.0], [0.0, 0.0]])
    )


def planned(
    study: Study, modules: Any, charge: FloatArray, drawn: FloatArray, soc: FloatArray, first: Any
) -> Placement:
    """Return a placement in which the market serves what is left."""
    T, B = study.n_periods, study.grid.n_buses
    zero = np.zeros((0, T))
    schedule = Schedule(
        study=placed(study, modules, first),
        network="copperplate",
        committed=np.zeros((0, T), dtype=np.bool_),
        power_mw=zero,
        reserve_mw=np.zeros((0, 0, T)),
        renewable_mw=zero,
        charge_mw=charge,
        discharge_mw=drawn,
        soc_mwh=soc,
        import_mw=study.total_demand_mw[np.newaxis] + (charge - drawn).sum(axis=0),
        unserved_mw=np.zeros((B, T)),
        surplus_mw=np.zeros((B, T)),
    )
    return Placement(study, modules, (schedule,), "radial")


def changed(plan: Placement, **values: Any) -> Placement:
    return replace(plan, schedules=(replace(plan.schedules[0], **values),))


def judged(plan: Placement, **sites: Any) -> Verification:
    """Return the verdict on a plan by a study whose sites differ."""
    return verify(replace(plan.study, sites=replace(plan.study.sites, **sites)), plan)


def test_the_plan_is_feasible(plan: Placement) -> None:
    assert verify(plan.study, plan).violations == ()


# --- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "sites"),
    [
        ("site_count", {"count": 1}),
        ("site_count", {"count": 3}),
        ("modules_max", {"modules_max": 1}),
        ("modules_min", {"modules_min": 2}),
        ("budget", {"budget": 459.0}),
    ],
)
def test_a_broken_rule_of_sites_is_caught(
    rule: str, sites: dict[str, Any], plan: Placement
) -> None:
    found = judged(plan, **sites)
    (violation,) = found.violations
    assert violation.rule == rule
    assert not found.is_feasible
    assert found.total_cost == pytest.approx(verify(plan.study, plan).total_cost)


def test_rules_of_sites_say_where_and_how_much(plan: Placement) -> None:
    said = str(judged(plan, count=1, budget=100.0, modules_max=1).violations[0])
    assert said == "site_count of sites in period all: 2, limit 1"
    places = {
        violation.rule: (violation.element, violation.value, violation.limit)
        for violation in judged(plan, count=None, budget=100.0, modules_max=1).violations
    }
    assert places == {"modules_max": ("bus end", 2, 1), "budget": ("sites", 460.0, 100.0)}
    (low,) = judged(plan, modules_min=2).violations
    assert (low.element, low.value, low.limit) == ("bus north", 1, 2)


def test_fewer_than_no_modules_are_caught(plan: Placement) -> None:
    wrong = replace(plan, modules=np.array([[0, 2], [1, -1], [1, 0]]))
    (violation,) = site_rules(plan.study, wrong)
    assert (violation.rule, violation.element) == ("modules_max", "bus south")


def set_(array: FloatArray, row: int, period: int, value: float) -> FloatArray:
    copy = array.copy()
    copy[row, period] = value
    return copy


BREAKS: dict[str, tuple[str, int, int, float]] = {
    # rule: field of the schedule, battery, period, value
    "charge_max": ("charge_mw", 0, 1, 2.1),
    "charge_sign": ("charge_mw", 1, 0, -0.1),
    "discharge_max": ("discharge_mw", 1, 2, 0.51),
    "discharge_sign": ("discharge_mw", 0, 0, -0.1),
    "charge_or_discharge": ("charge_mw", 0, 2, 0.1),
    "soc": ("soc_mwh", 0, 2, 0.4),
    "energy_min": ("soc_mwh", 0, 0, -0.1),
    "energy_max": ("soc_mwh", 0, 1, 3.3),
    "final_soc_min": ("soc_mwh", 0, 3, 0.2),
    "balance": ("charge_mw", 0, 1, 0.9),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_a_broken_rule_of_a_battery_is_caught(rule: str, plan: Placement) -> None:
    field, row, period, value = BREAKS[rule]
    array = getattr(plan.schedules[0], field)
    found = verify(plan.study, changed(plan, **{field: set_(array, row, period, value)}))
    caught = [violation for violation in found.violations if violation.rule == rule]
    assert caught
    name = "system" if rule == "balance" else ("large at end", "small at north")[row]
    assert caught[0].element == name
    assert caught[0].period == period


def test_a_battery_cannot_be_larger_than_what_was_built(plan: Placement) -> None:
    """The schedule may say what it likes of its storage: what is built counts."""
    fewer = replace(plan, modules=np.array([[0, 1], [0, 0], [1, 0]]))
    run = changed(plan, charge_mw=CHARGE * 1.5, soc_mwh=SOC * 1.7)
    counts = verify(fewer.study, replace(run, modules=fewer.modules)).counts()
    assert {"charge_max", "energy_max"} <= set(counts)


def profile_plan(plan: Placement, make_modules: Modules) -> Placement:
    """Return the plan with batteries of one kind that run by a profile."""
    profile = np.array([[0.0, -0.4, 0.4 * 0.9 * 0.95, 0.0]])
    sites = replace(plan.study.sites, modules=make_modules("large"), profile=profile, budget=None)
    study = replace(plan.study, sites=sites)
    run = np.array([[2.0], [1.0]]) * profile
    soc = np.array([[0.0, 0.72, 0.0, 0.0], [0.0, 0.36, 0.0, 0.0]])
    modules = np.array([[2], [0], [1]])
    return planned(study, modules, np.maximum(-run, 0), np.maximum(run, 0), soc, np.zeros((3, 1)))


def test_batteries_run_by_their_profile(plan: Placement, make_modules: Modules) -> None:
    right = profile_plan(plan, make_modules)
    assert verify(right.study, right).violations == ()
    charge = right.schedules[0].charge_mw
    more = changed(right, charge_mw=set_(charge, 1, 0, 0.2))
    caught = [it for it in verify(right.study, more).violations if it.rule == "profile"]
    assert [(it.element, it.period, it.limit) for it in caught] == [("large at north", 0, 0.0)]
    assert caught[0].value == pytest.approx(-0.2)
    idle = changed(right, charge_mw=charge * 0.0, discharge_mw=charge * 0.0, soc_mwh=charge * 0.0)
    assert verify(right.study, idle).counts()["profile"] == 4
    assert judged(idle, profile=np.zeros((1, 4))).counts().keys() == {"balance"}


def test_voltages_outside_of_a_hard_band_are_caught(plan: Placement) -> None:
    found = judged(plan, voltage_cost_per_pu_h=np.inf)
    assert set(found.counts()) == {"voltage"}
    assert "voltage" not in found.penalty
    assert {str(it.element) for it in found.violations} <= {"bus north", "bus south", "bus end"}
    assert {it.period for it in found.violations} == {2}
    worst = max(it.value for it in found.violations)
    state = RadialState.of(plan.study, plan.schedules[0])
    low = state.vm_pu.min()
    assert worst == pytest.approx((0.96**2 - low**2) / (2 * 0.96))
    assert worst == pytest.approx(0.96 - low, rel=0.02)
    high = replace(plan.study.radial, vm_min_pu=np.full(5, 0.9), vm_max_pu=np.full(5, 0.96))
    sites = replace(plan.study.sites, voltage_cost_per_pu_h=np.inf)
    above = verify(replace(plan.study, feeder=high, sites=sites), plan)
    assert set(above.counts()) == {"voltage"}
    assert "bus source" not in {it.element for it in above.violations}


def test_flows_above_a_hard_rating_are_caught(plan: Placement) -> None:
    study = rated(plan.study, 3.0)
    hard = replace(study, sites=replace(study.sites, overload_cost_per_mwh=np.inf))
    found = verify(hard, plan)
    assert set(found.counts()) == {"overload"}
    assert "overload" not in found.penalty
    # into the fork: 6 MW less 0.684 MW and 0.4 MW of batteries, 1.8 Mvar; rated 3 MVA
    first = next(it for it in found.violations if (it.element, it.period) == ("line 0", 2))
    assert first.value == pytest.approx(6.0 - 0.684 - 0.4 - np.sqrt(9.0 - 1.8**2))
    assert first.limit == 0.0


def rated(study: Study, rating_mva: float) -> Study:
    """Return the study with other ratings, in the grid and in its feeder."""
    rating = np.full(4, rating_mva)
    grid = replace(study.grid, rating_mw=rating, emergency_rating_mw=rating)
    return replace(study, grid=grid, feeder=replace(study.radial, grid=grid))


# --- costs ----------------------------------------------------------------------------------------


def flows(study: Study) -> tuple[FloatArray, FloatArray]:
    """Return MW and Mvar into buses 1 to 4 of the tree with the plan's batteries, by hand."""
    at = {2: 2.0 * SHARE, 3: 1.0 * SHARE, 4: 3.0 * SHARE}
    q = {bus: 0.3 * p for bus, p in at.items()}
    at[4] = at[4] + CHARGE[0] - DRAWN[0]
    at[2] = at[2] + CHARGE[1] - DRAWN[1]

    def into(part: dict[int, FloatArray]) -> FloatArray:
        south = part[3] + part[4]
        return np.array([part[2] + south, part[2], south, part[4]])

    assert study.n_periods == 4
    return into(at), into(q)


def test_costs_are_those_worked_out_by_hand(plan: Placement) -> None:
    found = verify(plan.study, plan)
    r, x = 3 * 0.4 / 400.0, 3 * 0.35 / 400.0
    p, q = flows(plan.study)
    bought = p[0]
    assert found.cost["investment"] == pytest.approx(4.0 * (2 * 1.5 + 1.0))
    assert found.cost["exchange"] == pytest.approx(PRICE @ bought)
    assert found.cost["storage"] == pytest.approx(2.0 * 0.684 + 1.0 * 0.4275)
    assert found.cost["losses"] == pytest.approx((PRICE * r * (p**2 + q**2)).sum())
    assert found.cost["peak"] == pytest.approx(7.0 * max(bought))
    assert max(bought) == pytest.approx(6.0 - 0.684 - 0.4)
    fall = 2.0 * (r * p + x * q)
    vm2 = 1.0 - np.array(
        [fall[0], fall[0] + fall[1], fall[0] + fall[2], fall[0] + fall[2] + fall[3]]
    )
    outside = np.maximum(0.96**2 - vm2, 0.0) / (2 * 0.96)
    assert outside.sum() > 0.001
    assert found.penalty["voltage"] == pytest.approx(1000.0 * outside.sum())
    assert found.penalty["overload"] == 0.0
    assert found.total_cost == pytest.approx(
        sum(found.cost.values()) + 1000.0 * outside.sum(), rel=1e-12
    )


def test_overload_costs_by_hand(plan: Placement) -> None:
    found = verify(rated(plan.study, 2.5), plan)
    p, q = flows(plan.study)
    over = np.maximum(np.abs(p) - np.sqrt(np.maximum(2.5**2 - q**2, 0.0)), 0.0)
    assert (over > 0).sum() > 3
    assert found.penalty["overload"] == pytest.approx(500.0 * over.sum())


def test_half_hours_cost_half(plan: Placement) -> None:
    """Energy halves as well, so that what batteries hold no longer fits."""
    whole, half = verify(plan.study, plan), verify(replace(plan.study, period_h=0.5), plan)
    assert half.cost.pop("peak") == whole.cost["peak"]
    for item, amount in {**half.cost, **half.penalty}.items():
        assert amount == pytest.approx({**whole.cost, **whole.penalty}[item] / 2.0), item
    assert set(half.counts()) == {"soc"}


def test_corrections_count(plan: Placement) -> None:
    shift = np.zeros((5, 4))
    shift[4] = -0.02
    correction = Correction(shift, np.full((4, 4), 2.0), np.full(4, 0.1))
    feeder = replace(plan.study.radial, corrections=(correction,))
    plain, found = verify(plan.study, plan), verify(replace(plan.study, feeder=feeder), plan)
    assert found.cost["losses"] == pytest.approx(plain.cost["losses"] + 0.1 * PRICE.sum())
    before = RadialState.of(plan.study, plan.schedules[0])
    after = RadialState.of(replace(plan.study, feeder=feeder), plan.schedules[0])
    assert after.vm_pu[4] ** 2 == pytest.approx(before.vm_pu[4] ** 2 - 0.02)
    assert after.vm_pu[:4].tolist() == before.vm_pu[:4].tolist()
    p, q = flows(plan.study)
    rating = np.sqrt(3.0) * 20.0 * 0.3 / 2.0  # twice as loaded is half the rating
    over = np.maximum(np.abs(p) - np.sqrt(rating**2 - q**2), 0.0)
    assert over.sum() > 0.0
    assert found.penalty["overload"] == pytest.approx(500.0 * over.sum())


def test_what_has_no_price_is_no_item(plan: Placement) -> None:
    found = judged(plan, loss_cost_per_mwh=np.zeros(0), peak_cost_per_mw=0.0)
    assert set(found.cost) == {
        *("investment", "production", "startup", "renewable", "exchange", "storage")
    }
    flat = verify(plan.study, replace(plan, network="copperplate"))
    assert "losses" not in flat.cost
    assert set(flat.penalty) == {"unserved", "surplus"}


def test_scenarios_are_judged_each(plan: Placement) -> None:
    none, demand = np.zeros((0, 4)), plan.study.demand_mw
    scenarios = (
        Scenario("as is", 0.25, demand, none, none),
        Scenario("more", 0.75, demand * 1.1, none, none),
    )
    study = replace(plan.study, scenarios=scenarios)
    first = plan.schedules[0]
    second = planned(study.in_scenario(scenarios[1]), plan.modules, CHARGE, DRAWN, SOC,
                     np.array([[0.0, 0.3], [0.0, 0.0], [0.0, 0.0]])).schedules[0]  # fmt: skip
    both = Placement(study, plan.modules, (first, second), "radial")
    found, alone = verify(study, both), verify(plan.study, plan)
    assert found.violations == ()
    assert found.cost["investment"] == pytest.approx(alone.cost["investment"])
    assert found.cost["peak"] == pytest.approx(7.0 * second.import_mw.max())  # the highest of all
    bought = 0.25 * first.import_mw[0] + 0.75 * second.import_mw[0]
    assert found.cost["exchange"] == pytest.approx(PRICE @ bought)
    assert found.cost["losses"] > alone.cost["losses"]
    wrong = Placement(study, plan.modules, (first, first), "radial")
    assert {it.element for it in verify(study, wrong).violations} == {"system in scenario more"}


# --- the plan as such -----------------------------------------------------------------------------


def test_batteries_built_are_storage(plan: Placement) -> None:
    built = plan.schedules[0].study.storage
    assert built.name == ("large at end", "small at north")
    assert built.element == ((BATTERY, 0), (BATTERY, 1))
    assert built.bus.tolist() == [4, 2]
    assert built.charge_max_mw.tolist() == built.discharge_max_mw.tolist() == [2.0, 0.5]
    assert built.energy_max_mwh.tolist() == [3.2, 1.0]
    assert built.initial_soc_mwh.tolist() == built.final_soc_min_mwh.tolist() == [0.3, 0.0]
    assert len(plan.schedules[0].study.sites) == 0


def test_tables(plan: Placement) -> None:
    table = plan.table()
    assert table.to_dict("list") == {
        "bus": ["end", "north"],
        "module": ["large", "small"],
        "modules": [2, 1],
        "power_mw": [2.0, 0.5],
        "energy_mwh": [4.0, 1.0],
        "investment_cost": [360.0, 100.0],
    }
    dispatch = plan.dispatch()
    assert dispatch["large at end"].tolist() == pytest.approx((DRAWN - CHARGE)[0].tolist())
    assert dispatch.sum(axis=1).to_numpy() == pytest.approx(plan.study.total_demand_mw)
    idle, none = np.zeros((0, 4)), np.zeros((3, 2), dtype=np.int64)
    nothing = planned(plan.study, none, idle, idle, idle, np.zeros((3, 2)))
    assert len(nothing.table()) == 0
    assert set(verify(plan.study, nothing).counts()) == {"site_count"}


def test_what_is_found_is_what_was_planned(plan: Placement) -> None:
    """The solver's own plan of the same study costs no more than the one by hand."""
    run = gridopt.solve(plan.study, "battery_placement", gap=0.0)
    assert run.is_feasible
    assert run.cost <= verify(plan.study, plan).total_cost
