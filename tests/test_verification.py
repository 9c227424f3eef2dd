"""Every rule of the verifier, broken on purpose and caught; every cost, by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gridopt.elements import Exchange, FlexibleDemand, Renewables, Storage, ThermalUnits
from gridopt.grid import Grid
from gridopt.requirements import KINDS, EnergyLimits, Reserves
from gridopt.results import Schedule
from gridopt.study import FIXED_ON, FORCED_OUT, FREE, Study
from gridopt.verification import verify

T = 4


@pytest.fixture(scope="module")
def plan(make_study: Callable[..., Study], make_triangle: Callable[..., Grid]) -> Schedule:
    """Return a feasible schedule that uses everything a study can hold, on three buses."""
    study = make_study(
        demand_mw=(90.0, 116.0, 76.0, 54.0),
        grid=make_triangle(60.0),
        reserves=Reserves.spinning(np.array([5.0, 5.0, 0.0, 0.0])),
        renewables=Renewables(
            (("sgen", 1),),
            ("wind",),
            np.array([1]),
            np.full((1, T), 5.0),
            np.full((1, T), 10.0),
            np.array([2.0]),
        ),
        storage=Storage(
            (("storage", 0),),
            ("battery",),
            np.array([2]),
            *[np.array([value]) for value in (20.0, 20.0, 0.0, 30.0, 10.0, 0.5, 0.5)],
        ),
        exchange=Exchange(
            (("ext_grid", 0),),
            ("market",),
            np.array([0]),
            np.array([15.0]),
            np.array([15.0]),
            np.full((1, T), 30.0),
            np.full((1, T), 2.0),
        ),
        unserved_cost_per_mwh=1000.0,
        surplus_cost_per_mwh=50.0,
    )
    zero = np.zeros((3, T))
    unserved, surplus = zero.copy(), zero.copy()
    unserved[2, 1], surplus[0, 3] = 1.0, 2.0
    return Schedule(
        study=study,
        network="dc",
        committed=np.array([[1, 1, 1, 1], [0, 1, 0, 0]], dtype=np.bool_),
        power_mw=np.array([[70.0, 80.0, 58.0, 43.0], [0.0, 20.0, 0.0, 0.0]]),
        reserve_mw=np.array([[[5.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0]]]),
        renewable_mw=np.array([[8.0, 10.0, 10.0, 5.0]]),
        charge_mw=np.array([[0.0, 0.0, 2.0, 2.0]]),
        discharge_mw=np.array([[2.0, 0.0, 0.0, 0.0]]),
        soc_mwh=np.array([[6.0, 6.0, 7.0, 8.0]]) + np.array([[0.0, 0.0, 0.0, 2.0]]),
        import_mw=np.array([[10.0, 5.0, 10.0, 10.0]]),
        unserved_mw=unserved,
        surplus_mw=surplus,
    )


def adjusted(plan: Schedule) -> Schedule:
    """Return the plan with a last hour that charges what the end condition needs."""
    charge = plan.charge_mw.copy()
    charge[0, 3] = 6.0
    power = plan.power_mw.copy()
    power[0, 3] = 47.0
    return replace(plan, charge_mw=charge, power_mw=power)


def changed(plan: Schedule, name: str, element: int, period: int, value: object) -> Schedule:
    """Return the plan with one number replaced."""
    array = getattr(plan, name).copy()
    array[..., element, period] = value
    return replace(plan, **{name: array})


def test_the_plan_is_feasible(plan: Schedule) -> None:
    assert verify(plan.study, adjusted(plan)).violations == ()


def test_costs_are_those_worked_out_by_hand(plan: Schedule) -> None:
    found = verify(plan.study, adjusted(plan))
    base = (1350.0) + (1350.0 + 10 * 20.0) + (900.0 + 18 * 15.0) + (900.0 + 7 * 15.0)
    peak = 500.0 + 10 * 35.0 + 0.1 * 20.0**2
    assert found.cost["production"] == pytest.approx(base + peak)
    assert found.cost["startup"] == pytest.approx(100.0)
    assert found.cost["renewable"] == pytest.approx(2.0 * 33.0)
    trade = 3 * (30.0 * 10.0 + 10.0**2) + 30.0 * 5.0 + 5.0**2
    assert found.cost["exchange"] == pytest.approx(trade)
    assert found.penalty == {"unserved": 1000.0, "surplus": 100.0}
    assert found.energy_mwh["curtailed"] == pytest.approx(7.0)
    assert found.total_cost == pytest.approx(sum(found.cost.values()) + 1100.0)


BREAKS = {
    "finite": ("power_mw", 0, 0, np.nan),
    "balance": ("import_mw", 0, 2, 9.0),
    "reserve": ("reserve_mw", 0, 0, 4.0),
    "p_min": ("power_mw", 0, 3, 39.0),
    "p_max": ("power_mw", 1, 0, 3.0),
    "reserve_sign": ("reserve_mw", 0, 2, -1.0),
    "startup_ramp": ("power_mw", 1, 1, 47.0),
    "shutdown_ramp": ("reserve_mw", 1, 1, 31.0),
    "ramp_up": ("power_mw", 0, 1, 101.0),
    "ramp_down": ("power_mw", 0, 2, 49.0),
    "min_up_time": ("committed", 0, 0, False),
    "min_down_time": ("committed", 0, 1, False),
    "must_take": ("renewable_mw", 0, 3, 4.0),
    "available": ("renewable_mw", 0, 1, 11.0),
    "charge_max": ("charge_mw", 0, 2, 21.0),
    "charge_sign": ("charge_mw", 0, 0, -1.0),
    "discharge_max": ("discharge_mw", 0, 0, 21.0),
    "discharge_sign": ("discharge_mw", 0, 2, -1.0),
    "charge_or_discharge": ("charge_mw", 0, 0, 1.0),
    "soc": ("soc_mwh", 0, 1, 7.0),
    "energy_min": ("soc_mwh", 0, 2, -1.0),
    "final_soc_min": ("soc_mwh", 0, 3, 9.0),
    "energy_max": ("soc_mwh", 0, 1, 31.0),
    "import_max": ("import_mw", 0, 0, 16.0),
    "export_max": ("import_mw", 0, 0, -16.0),
    "unserved": ("unserved_mw", 0, 0, 1.0),
    "unserved_sign": ("unserved_mw", 2, 0, -1.0),
    "surplus_sign": ("surplus_mw", 0, 0, -1.0),
    "branch_limit": ("renewable_mw", 0, 1, 300.0),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_a_broken_rule_is_caught(rule: str, plan: Schedule) -> None:
    if rule == "min_up_time":  # off and on again within the two hours that the unit must stay off
        status = np.array([1.0, -2.0])
        study = replace(plan.study, thermal=replace(plan.study.thermal, initial_status_h=status))
        found = verify(study, changed(adjusted(plan), *BREAKS[rule]))
    else:
        found = verify(plan.study, changed(adjusted(plan), *BREAKS[rule]))
    caught = [violation for violation in found.violations if violation.rule == rule]
    assert caught
    assert not found.is_feasible
    assert found.counts()[rule] == len(caught)
    assert all(rule in str(violation) for violation in caught)


def test_must_run_is_caught(plan: Schedule, make_units: Callable[..., ThermalUnits]) -> None:
    thermal = make_units(must_run=np.array([False, True]))
    found = verify(replace(plan.study, thermal=thermal), adjusted(plan))
    assert found.counts() == {"must_run": 3}


def test_slacks_without_a_price_are_caught(plan: Schedule) -> None:
    study = replace(plan.study, unserved_cost_per_mwh=None, surplus_cost_per_mwh=None)
    assert verify(study, adjusted(plan)).counts() == {"unserved": 1, "surplus": 1}


def test_a_copperplate_plan_is_not_judged_by_branches(plan: Schedule) -> None:
    free = replace(plan, network="copperplate")
    broken = changed(adjusted(free), "renewable_mw", 0, 1, 300.0)
    assert "branch_limit" not in verify(plan.study, broken).counts()


def test_initial_shutdown_from_too_high_is_caught(
    make_study: Callable[..., Study], make_units: Callable[..., ThermalUnits]
) -> None:
    thermal = make_units(initial_power_mw=np.array([90.0, 0.0]))
    study = make_study(demand_mw=(20.0, 20.0), thermal=thermal)
    zero = np.zeros((0, 2))
    plan = Schedule(
        study, "copperplate", np.array([[False, False], [True, True]]),
        np.array([[0.0, 0.0], [20.0, 20.0]]), np.zeros((0, 2, 2)), zero, zero, zero, zero, zero,
        np.zeros((1, 2)), np.zeros((1, 2)),
    )  # fmt: skip
    assert {"shutdown_ramp", "ramp_down"} <= set(verify(study, plan).counts())


def test_a_plan_may_be_judged_by_another_study(plan: Schedule) -> None:
    colder = replace(plan.study, demand_mw=plan.study.demand_mw * 1.1)
    assert verify(colder, adjusted(plan)).counts()["balance"] == T


@pytest.fixture(scope="module")
def full_plan(
    make_study: Callable[..., Study],
    make_triangle: Callable[..., Grid],
    make_units: Callable[..., ThermalUnits],
) -> Schedule:
    """Return a feasible schedule with all kinds of reserve, and demand and energy with limits."""
    products = [np.inf, np.inf], [25.0, 25.0], [4.0, 0.0], [6.0, 6.0]
    reserves = Reserves(
        product=("spin", "non", "up", "down"),
        kind=KINDS,
        offer_max_mw=np.array(products),
        offer_cost_per_mwh=np.array([[1.0], [0.5], [2.0], [3.0]]),
        requirement=("spin", "spin south", "non", "up", "down"),
        of_product=np.array([0, 0, 1, 2, 3]),
        zone=np.array([[1, 1, 1], [0, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1]], dtype=np.bool_),
        required_mw=np.array(
            [[5.0, 8, 5, 0], [0, 5, 0, 0], [20, 0, 0, 10], [2, 2, 0, 0], [3, 3, 0, 0]]
        ),
        shortage_cost_per_mwh=np.array([np.inf, 100.0, 50.0, np.inf, np.inf]),
    )
    study = make_study(
        demand_mw=(71.0, 104.0, 58.0, 43.0),
        grid=make_triangle(),
        thermal=make_units(bus=np.array([0, 1])),
        reserves=reserves,
        renewables=Renewables(
            (("sgen", 1),), ("wind",), np.array([1]), np.zeros((1, T)), np.full((1, T), 10.0),
            np.array([2.0]),
        ),
        storage=Storage(
            element=(("storage", 0),),
            name=("battery",),
            bus=np.array([2]),
            charge_max_mw=np.array([20.0]),
            discharge_max_mw=np.array([20.0]),
            energy_min_mwh=np.array([0.0]),
            energy_max_mwh=np.array([30.0]),
            initial_soc_mwh=np.array([10.0]),
            charge_efficiency=np.array([0.5]),
            discharge_efficiency=np.array([0.5]),
            final_soc_min_mwh=np.array([4.0]),
            final_soc_max_mwh=np.array([8.0]),
            charge_cost_per_mwh=np.array([1.0]),
            discharge_cost_per_mwh=np.array([2.0]),
            loss_per_h=np.array([0.1]),
        ),
        flexible=FlexibleDemand(
            (("load", 1),), ("smelter",), np.array([2]), np.full((1, T), 2.0),
            np.full((1, T), 10.0), np.array([40.0]), np.array([5.0]),
        ),
        energy_limits=EnergyLimits(
            ("fuel",), np.array([[2.0, 0.0]]), np.array([[10.0, 0.0]]), np.array([[0.5]]),
            np.array([560.0]), np.array([575.0]),
        ),
        fixed_status=np.array([[FREE] * T, [FREE, FIXED_ON, FORCED_OUT, FREE]]),
    )  # fmt: skip
    zero, none = np.zeros((3, T)), np.zeros((0, T))
    spin, non = [[5.0, 4, 5, 0], [0, 4, 0, 0]], [[0.0] * T, [20, 0, 0, 10]]
    up, down = [[2.0, 2, 0, 0], [0] * T], [[3.0, 1, 0, 0], [0, 2, 0, 0]]
    short = np.zeros((5, T))
    short[1, 1] = 1.0
    return Schedule(
        study=study,
        network="dc",
        committed=np.array([[1, 1, 1, 1], [0, 1, 0, 0]], dtype=np.bool_),
        power_mw=np.array([[70.0, 80.0, 60.0, 45.0], [0.0, 20.0, 0.0, 0.0]]),
        reserve_mw=np.array([spin, non, up, down]),
        renewable_mw=np.array([[10.0, 10.0, 10.0, 8.0]]),
        charge_mw=np.array([[0.0, 0.0, 2.0, 0.0]]),
        discharge_mw=np.array([[1.0, 0.0, 0.0, 0.0]]),
        soc_mwh=np.array([[7.0, 6.3, 6.67, 6.003]]),
        import_mw=none,
        unserved_mw=zero,
        surplus_mw=zero,
        flexible_mw=np.array([[10.0, 6.0, 10.0, 10.0]]),
        reserve_short_mw=short,
    )


def test_the_full_plan_is_feasible(full_plan: Schedule) -> None:
    assert verify(full_plan.study, full_plan).violations == ()


def test_costs_of_the_full_plan_are_those_worked_out_by_hand(full_plan: Schedule) -> None:
    found = verify(full_plan.study, full_plan)
    assert found.cost["reserve"] == pytest.approx(18 * 1.0 + 30 * 0.5 + 4 * 2.0 + 6 * 3.0)
    assert found.cost["storage"] == pytest.approx(2 * 1.0 + 1 * 2.0)
    assert found.cost["flexible"] == pytest.approx(4 * 40.0)
    assert found.penalty == {"unserved": 0.0, "surplus": 0.0, "reserve_short": 100.0}
    assert found.energy_mwh["interrupted"] == pytest.approx(4.0)


SPIN, NON, UP, DOWN = range(4)
FULL_BREAKS: dict[str, list[tuple[str, tuple[int, ...], object]]] = {
    "p_max": [("reserve_mw", (UP, 0, 1), 17.0)],
    "ramp_up": [("reserve_mw", (UP, 0, 0), 16.0)],
    "ramp_down": [("reserve_mw", (DOWN, 0, 2), 11.0)],
    "startup_ramp": [("reserve_mw", (UP, 1, 1), 27.0)],
    "downward_reserve": [("reserve_mw", (DOWN, 1, 1), 11.0)],
    "nonspinning": [("reserve_mw", (NON, 1, 1), 1.0)],
    "reserve_offer": [("reserve_mw", (UP, 0, 0), 5.0)],
    "reserve_sign": [("reserve_mw", (DOWN, 0, 2), -1.0)],
    "reserve": [("reserve_mw", (SPIN, 1, 1), 3.0), ("reserve_mw", (SPIN, 0, 1), 5.0)],
    "reserve_short": [("reserve_short_mw", (0, 0), 1.0)],
    "reserve_short_sign": [("reserve_short_mw", (1, 0), -1.0)],
    "forced_out": [("committed", (1, 2), True)],
    "fixed_on": [("committed", (1, 1), False)],
    "flexible_min": [("flexible_mw", (0, 1), 1.0)],
    "flexible_max": [("flexible_mw", (0, 0), 11.0)],
    "interruption": [("flexible_mw", (0, 0), 8.0)],
    "energy_least": [("power_mw", (0, 0), 62.0)],
    "energy_most": [("renewable_mw", (0, 0), 30.0)],
    "soc": [("soc_mwh", (0, 1), 7.0)],
    "final_soc_min": [("soc_mwh", (0, 3), 3.0)],
    "final_soc_max": [("soc_mwh", (0, 3), 9.0)],
}


@pytest.mark.parametrize("rule", FULL_BREAKS)
def test_a_broken_rule_of_the_full_plan_is_caught(rule: str, full_plan: Schedule) -> None:
    broken = full_plan
    for name, place, value in FULL_BREAKS[rule]:
        array = getattr(broken, name).copy()
        array[place] = value
        broken = replace(broken, **{name: array})
    assert rule in verify(full_plan.study, broken).counts()


def test_a_unit_that_has_just_stopped_holds_no_nonspinning_reserve(full_plan: Schedule) -> None:
    held = full_plan.reserve_mw.copy()
    held[NON, 1, 2] = 5.0
    free = replace(full_plan.study, fixed_status=np.full((2, T), FREE))
    assert verify(free, replace(full_plan, reserve_mw=held)).counts() == {"nonspinning": 1}


def test_a_forced_outage_holds_no_nonspinning_reserve(full_plan: Schedule) -> None:
    fixed = full_plan.study.fixed_status.copy()
    fixed[1, 3] = FORCED_OUT
    found = verify(replace(full_plan.study, fixed_status=fixed), full_plan)
    assert found.counts() == {"nonspinning": 1}


@pytest.mark.parametrize(
    ("startup_ramp_mw", "ramp_mw_per_h", "reach_mw"),
    [(45.0, 60.0, 45.0), (60.0, 30.0, 40.0), (90.0, 90.0, 60.0)],
)
def test_nonspinning_reserve_is_what_a_start_reaches(
    startup_ramp_mw: float, ramp_mw_per_h: float, reach_mw: float, full_plan: Schedule
) -> None:
    units, reserves = full_plan.study.thermal, full_plan.study.reserves
    study = replace(
        full_plan.study,
        reserves=replace(reserves, offer_max_mw=np.full((4, 2), 99.0)),
        thermal=replace(
            units,
            startup_ramp_mw=np.array([60.0, startup_ramp_mw]),
            ramp_up_mw_per_h=np.array([30.0, ramp_mw_per_h]),
        ),
    )
    held = full_plan.reserve_mw.copy()
    held[NON, 1, 0] = reach_mw
    assert verify(study, replace(full_plan, reserve_mw=held)).is_feasible
    held[NON, 1, 0] = reach_mw + 1.0
    assert verify(study, replace(full_plan, reserve_mw=held)).counts() == {"nonspinning": 1}


def test_reserve_of_another_zone_does_not_count(full_plan: Schedule) -> None:
    held = full_plan.reserve_mw.copy()
    held[SPIN, :, 1] = [5.0, 3.0]
    found = verify(full_plan.study, replace(full_plan, reserve_mw=held))
    assert [violation.element for violation in found.violations] == ["spin south"]


def test_no_more_reserve_is_short_than_is_required(full_plan: Schedule) -> None:
    short = full_plan.reserve_short_mw.copy()
    short[1, 1] = 6.0
    found = verify(full_plan.study, replace(full_plan, reserve_short_mw=short))
    assert found.counts() == {"reserve_short": 1}
