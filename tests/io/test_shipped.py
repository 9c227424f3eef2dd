"""Shipped systems against the figures of their papers."""

from __future__ import annotations

import numpy as np
import pandapower.networks
import pytest

from gridopt.elements import StartupCost
from gridopt.errors import OptionError
from gridopt.io.shipped import kazarlis, rts79_profiles, rts79_units
from gridopt.io.units import thermal_units

RTS79_PEAK_MW = 2850.0


# --- Kazarlis, Bakirtzis, Petridis 1996 -------------------------------------------------------


def test_kazarlis_ten_units() -> None:
    study = kazarlis()
    units = study.thermal
    assert study.name == "kazarlis10"
    assert len(units) == 10
    assert units.p_max_mw.sum() == 1662
    assert study.total_demand_mw.sum() == 27100
    assert study.total_demand_mw.argmax() == 11
    assert study.reserves.total_required_mw() == pytest.approx(0.1 * study.total_demand_mw)
    assert units.initial_status_h.tolist() == [8, 8, -5, -5, -6, -3, -3, -1, -1, -1]
    assert units.min_up_time_h.tolist() == units.min_down_time_h.tolist()
    assert units.min_up_time_h.tolist() == [8, 8, 5, 5, 6, 3, 3, 1, 1, 1]
    assert np.isinf(units.ramp_up_mw_per_h).all()
    assert np.isnan(units.initial_power_mw[:2]).all()
    assert not units.initial_power_mw[2:].any()
    assert not study.assumptions


@pytest.mark.parametrize(
    ("unit", "a", "b", "c"), [(0, 1000, 16.19, 0.00048), (5, 370, 22.26, 0.00712)]
)
def test_kazarlis_cost_is_the_quadratic_of_the_paper(
    unit: int, a: float, b: float, c: float
) -> None:
    units = kazarlis().thermal
    p = np.linspace(units.p_min_mw[unit], units.p_max_mw[unit], 7)
    assert units.cost[unit].cost(p) == pytest.approx(a + b * p + c * p**2)


def test_kazarlis_start_is_cold_beyond_minimum_down_and_cold_start_hours() -> None:
    startup = kazarlis().thermal.startup_cost
    assert startup[0] == StartupCost((0.0, 14.0), (4500.0, 9000.0))
    assert startup[0].at(13) == 4500  # 8 h minimum down time + 5 h: still hot
    assert startup[0].at(14) == 9000
    assert startup[9] == StartupCost((0.0, 2.0), (30.0, 60.0))


def test_kazarlis_copies() -> None:
    one, ten = kazarlis(), kazarlis(10)
    assert ten.name == "kazarlis10x10"
    assert len(ten.thermal) == len(set(ten.thermal.name)) == len(set(ten.thermal.element)) == 100
    assert ten.total_demand_mw == pytest.approx(10 * one.total_demand_mw)
    assert ten.reserves.total_required_mw() == pytest.approx(10 * one.reserves.total_required_mw())
    with pytest.raises(OptionError, match="copies"):
        kazarlis(0)


# --- IEEE RTS-79 ------------------------------------------------------------------------------


def test_rts79_load_is_the_published_year() -> None:
    profiles = rts79_profiles()
    load_mw = RTS79_PEAK_MW * profiles.values["system"].to_numpy()
    assert len(profiles) == 8736
    assert profiles.period_h == 1.0
    assert load_mw.max() == pytest.approx(2850.0)
    assert load_mw.sum() == pytest.approx(15_297_075, abs=1)  # MWh a year
    peak = int(load_mw.argmax())
    assert (peak // 168 + 1, peak % 168 // 24, peak % 24) == (51, 1, 17)  # Tuesday, 5 to 6 p.m.
    assert load_mw[0] == pytest.approx(2850 * 0.862 * 0.93 * 0.67)


def test_rts79_seasons() -> None:
    factor = rts79_profiles().values["system"].to_numpy().reshape(52, 7, 24)
    hourly = 100 * factor / factor.max(axis=2, keepdims=True)
    for weeks, weekday, weekend in (
        ((1, 8, 44, 52), 67, 78),
        ((18, 30), 64, 74),
        ((9, 17, 31, 43), 63, 75),
    ):
        for week in weeks:
            assert hourly[week - 1, :5, 0] == pytest.approx(weekday)
            assert hourly[week - 1, 5:, 0] == pytest.approx(weekend)


def test_rts79_units_are_those_of_the_net() -> None:
    net = pandapower.networks.case24_ieee_rts()
    units = rts79_units()
    in_net = {
        (element, int(index))
        for element in ("gen", "sgen", "ext_grid")
        for index in net[element].index[net[element]["max_p_mw"] > 0]
    }
    assert len(units) == units["name"].nunique() == 32
    assert set(zip(units["element"], units["index"], strict=True)) == in_net
    for element, index, bus, low, high in zip(
        *(units[c] for c in ("element", "index", "bus", "p_min_mw", "p_max_mw")), strict=True
    ):
        there = net[element].loc[index]
        assert (there["bus"], there["min_p_mw"], there["max_p_mw"]) == (bus, low, high)
    assert units["p_max_mw"].sum() == 3405  # installed MW of the paper


def test_rts79_units_are_consistent() -> None:
    table = rts79_units()
    units, assumptions, issues = thermal_units(table, None, typical=False, horizon_h=None)
    assert not issues
    assert not assumptions
    for low, high, curve in zip(units.p_min_mw, units.p_max_mw, units.cost, strict=True):
        assert (curve.power_mw[0], curve.power_mw[-1]) == (low, high)
        assert curve.is_convex
    by_name = {name: g for g, name in enumerate(units.name)}
    coal = by_name["U350_23_1"]
    assert (units.min_up_time_h[coal], units.min_down_time_h[coal]) == (24, 48)
    assert units.ramp_up_mw_per_h[coal] == 240
    assert units.cost[coal].cost(np.array([350.0])) == pytest.approx(350 * 9.5 * 1.2)
    assert units.startup_cost[by_name["U155_15_1"]].cost[0] == pytest.approx(260 * 1.2)
    steady = units.initial_power_mw[units.initial_on]
    assert (steady >= units.p_min_mw[units.initial_on]).all()
    assert steady.sum() == pytest.approx(1812.8)
