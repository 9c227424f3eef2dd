"""The figures of placements: what they draw, from nets with and without geodata and ratings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from gridopt import network_plots, placement_plots, plots
from gridopt.io.pandapower_net import read_pandapower
from gridopt.placement import Placement
from gridopt.placement_rules import RadialState
from gridopt.placing import Checked, Placing, place
from gridopt.results import Violation
from gridopt.siting import with_sites
from gridopt.study import Scenario, Study
from gridopt.verification import Verification

MODULE = "li_ion_0.5mw_2h"
PRICE = np.array([50.0, 50.0, 80.0, 80.0, 150.0, 150.0])
HOURS = len(PRICE)


def priced(net: Any, **options: Any) -> Study:
    """Return the first hours of a net that buys energy at prices that change."""
    net.ext_grid["min_p_mw"] = -10.0
    study = read_pandapower(net, hours=HOURS)
    study = replace(study, exchange=replace(study.exchange, price_per_mwh=PRICE[np.newaxis]))
    return with_sites(study, modules=MODULE, voltage_cost_per_pu_h=1000.0, **options)


@pytest.fixture(scope="module")
def feeder() -> Placing:
    """Two batteries in case33bw, whose branches have no rating."""
    net = pandapower.networks.case33bw()
    study = priced(net, candidates=[7, 12, 24, 29], count=2, vm_min_pu=0.95, vm_max_pu=1.05)
    return place(study, gap=1e-3)


def short_net() -> Any:
    """Return three buses in a row without geodata; the first line has a rating of half of it."""
    net = pp.create_empty_network("short")
    for _ in range(3):
        pp.create_bus(net, vn_kv=10.0, min_vm_pu=0.95, max_vm_pu=1.05)
    pp.create_ext_grid(net, 0, max_p_mw=10.0)
    pp.create_poly_cost(net, 0, "ext_grid", cp1_eur_per_mw=50.0)
    pp.create_load(net, 2, p_mw=1.5, q_mvar=0.3)
    values = {"length_km": 1.0, "r_ohm_per_km": 0.3, "x_ohm_per_km": 0.3, "c_nf_per_km": 0.0}
    pp.create_line_from_parameters(net, 0, 1, max_i_ka=0.2, **values, max_loading_percent=50.0)
    pp.create_line_from_parameters(net, 1, 2, max_i_ka=99999.0, **values)
    return net


@pytest.fixture(scope="module")
def short() -> Placing:
    return place(priced(short_net(), candidates=[1, 2], count=2), gap=1e-3)


def both(placing: Placing) -> tuple[Checked, Checked]:
    assert placing.before is not None
    assert placing.after is not None
    return placing.before, placing.after


def placed(placing: Placing) -> Placement:
    return both(placing)[1].placement


def branches(axes: Axes) -> LineCollection:
    (lines,) = [drawn for drawn in axes.collections if isinstance(drawn, LineCollection)]
    return lines


def circles(axes: Axes, label: str = "battery") -> PathCollection:
    (found,) = [
        drawn
        for drawn in axes.collections
        if isinstance(drawn, PathCollection) and drawn.get_label() == label
    ]
    return found


def written(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def legend_labels(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def steps(axes: Axes) -> list[np.ndarray]:
    return [
        np.asarray(drawn.get_data()[0]) for drawn in axes.patches if isinstance(drawn, StepPatch)
    ]


def bars(axes: Axes) -> list[tuple[float, float]]:
    """Return where each bar begins and ends."""
    return [
        (bar.get_y(), bar.get_y() + bar.get_height())
        for bar in axes.patches
        if isinstance(bar, Rectangle)
    ]


@pytest.mark.parametrize("case", ["feeder", "short"])
def test_every_figure_can_be_saved(
    case: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    before, after = both(request.getfixturevalue(case))
    figures = [
        placement_plots.network_map(after.placement, after.flows),
        placement_plots.state_of_charge(after.placement),
        placement_plots.voltage_band(before, after),
        placement_plots.cost_waterfall(before, after),
    ]
    for number, figure in enumerate(figures):
        path = plots.save(figure, tmp_path / f"{number}.png")
        assert path.read_bytes().startswith(b"\x89PNG")
        assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


# --- the map


def test_map_puts_buses_where_the_geodata_do(feeder: Placing) -> None:
    figure = placement_plots.network_map(placed(feeder))
    drawn = np.asarray(circles(figure.axes[0], "bus").get_offsets())
    assert len(drawn) == 33
    np.testing.assert_allclose(drawn[0], [-1.0272036165, 0.2320163609])
    assert figure.legends[0].get_title().get_text() == "buses by the net's geodata"


def test_map_draws_each_battery_at_its_bus(feeder: Placing) -> None:
    axes = placement_plots.network_map(placed(feeder)).axes[0]
    table = placed(feeder).table()
    assert written(axes) == [f"{bus}\n0.5 MW, 1 MWh" for bus in table["bus"]]
    buses = np.asarray(circles(axes, "bus").get_offsets())
    place = [placed(feeder).study.grid.bus_name.index(bus) for bus in table["bus"]]
    np.testing.assert_allclose(np.asarray(circles(axes).get_offsets()), buses[place])


def test_circles_grow_with_the_energy(short: Placing) -> None:
    plan = placed(short)
    more = replace(plan, modules=plan.modules * np.array([[1], [3]]))
    axes = placement_plots.network_map(more).axes[0]
    small, large = np.asarray(circles(axes).get_sizes())
    assert large == pytest.approx(3.0 * small)
    assert written(axes)[1] == "bus 2\n1.5 MW, 3 MWh"


def test_map_without_ratings_shows_power(feeder: Placing) -> None:
    _, after = both(feeder)
    figure = placement_plots.network_map(after.placement, after.flows)
    assert figure.axes[1].get_ylabel() == "highest power (MW), no ratings"
    shown = np.asarray(branches(figure.axes[0]).get_array())
    table = after.flows[0].branches
    np.testing.assert_allclose(shown[0], table[table["index"] == 0]["p_mw"].abs().max())
    assert len(shown) == 32


def test_map_with_ratings_shows_loading(short: Placing) -> None:
    """50 % of the current is 100 % of the rating; a branch without one is gray."""
    _, after = both(short)
    figure = placement_plots.network_map(after.placement, after.flows[0])
    assert figure.axes[1].get_ylabel() == "highest loading (% of rating)"
    assert "AC power flow" in figure.axes[0].get_title(loc="left")
    shown: np.ma.MaskedArray[Any, Any] = np.ma.asarray(branches(figure.axes[0]).get_array())
    table = after.flows[0].branches
    highest = table[table["index"] == 0]["loading_percent"].max()
    assert shown[0] == pytest.approx(2.0 * highest)
    assert shown.mask.tolist() == [False, True]


def test_map_without_power_flow_shows_the_loading_of_the_model(short: Placing) -> None:
    _, after = both(short)
    figure = placement_plots.network_map(after.placement)
    assert "LinDistFlow" in figure.axes[0].get_title(loc="left")
    shown: np.ma.MaskedArray[Any, Any] = np.ma.asarray(branches(figure.axes[0]).get_array())
    exact = placement_plots._highest(after.placement, after.flows)[1]
    assert shown[0] == pytest.approx(exact[0], rel=0.03)


def test_map_without_geodata_is_a_layout(short: Placing) -> None:
    figure = placement_plots.network_map(placed(short))
    assert "layout" in figure.legends[0].get_title().get_text()
    first, middle, last = np.asarray(circles(figure.axes[0], "bus").get_offsets())
    assert np.hypot(*(first - last)) > 1.5 * np.hypot(*(first - middle))


def test_labels_of_neighbors_do_not_overlap() -> None:
    at = np.column_stack([np.arange(10.0), np.zeros(10)])
    where = at[[4, 5]]
    texts = ["bus 4\n0.5 MW, 1 MWh", "bus 5\n0.5 MW, 1 MWh"]
    one, other = placement_plots._offsets(texts, where, at)
    apart = np.abs(one - other - np.array([72.0 * network_plots.MAP_WIDTH_IN / 9.0, 0.0]))
    assert (apart > np.array([80.0, 28.0])).any()


def test_map_of_a_meshed_grid_without_a_net() -> None:
    net = pandapower.networks.case9()
    study = with_sites(read_pandapower(net, hours=2), modules=MODULE, candidates=[4, 6], count=1)
    run = place(replace(study, net=None), gap=1e-3, network="dc").run
    assert isinstance(run.plan, Placement)
    figure = placement_plots.network_map(run.plan)
    assert "DC power flow" in figure.axes[0].get_title(loc="left")
    assert len(written(figure.axes[0])) == 1


# --- energy over time


def test_energy_is_drawn_from_the_beginning(feeder: Placing) -> None:
    plan = placed(feeder)
    axes = placement_plots.state_of_charge(plan).axes[0]
    (schedule,) = plan.schedules
    first = schedule.study.storage.initial_soc_mwh
    assert len(axes.lines) == 2
    for row, line in enumerate(axes.lines):
        drawn = np.asarray(line.get_ydata())
        np.testing.assert_allclose(drawn, [first[row], *schedule.soc_mwh[row]])
        np.testing.assert_allclose(np.asarray(line.get_xdata()), np.arange(HOURS + 1))
    assert axes.get_ylabel() == "energy (MWh)"


def test_price_is_beside_the_energy(feeder: Placing) -> None:
    figure = placement_plots.state_of_charge(placed(feeder))
    beside = figure.axes[1]
    assert beside.get_ylabel() == "price of energy (per MWh)"
    np.testing.assert_allclose(steps(beside)[0], PRICE)
    assert legend_labels(figure) == [f"{MODULE} at {bus}" for bus in placed(feeder).table()["bus"]]


def test_demand_is_beside_the_energy_where_the_price_does_not_change(feeder: Placing) -> None:
    study = placed(feeder).schedules[0].study
    flat = replace(study.exchange, price_per_mwh=np.full((1, HOURS), 50.0))
    values, label = placement_plots._beside(replace(study, exchange=flat))
    assert label == "demand (MW)"
    np.testing.assert_allclose(values, study.total_demand_mw)


def test_energy_without_batteries_says_so(feeder: Placing) -> None:
    before, _ = both(feeder)
    figure = placement_plots.state_of_charge(before.placement)
    assert written(figure.axes[0]) == ["no battery was placed"]


def test_scenarios_have_a_panel_each() -> None:
    study = priced(short_net(), candidates=[2], count=1)
    none = np.zeros((0, HOURS))
    cases = tuple(
        Scenario(name, 0.5, factor * study.demand_mw, none, none)
        for name, factor in (("low", 0.8), ("high", 1.0))
    )
    before, after = both(place(replace(study, scenarios=cases), gap=1e-3, rounds=1))
    figure = placement_plots.state_of_charge(after.placement)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.lines]
    assert [title.split()[-1] for title in titles] == ["low", "high"]
    low, high = placement_plots._ac_range(before)
    by_bus = [flow.buses["vm_pu"] for flow in before.flows]
    assert low.min() == min(values.min() for values in by_bus)
    assert high.max() == max(values.max() for values in by_bus)
    assert len(steps(placement_plots.voltage_band(before, after).axes[0])) == 6


# --- voltages


def test_voltages_are_those_of_the_power_flows(feeder: Placing) -> None:
    before, after = both(feeder)
    figure = placement_plots.voltage_band(before, after)
    drawn = steps(figure.axes[0])
    expected = []
    for checked in (before, after):
        by_period = checked.flows[0].buses.groupby("period")["vm_pu"]
        expected += [by_period.min(), by_period.max()]
    study = after.placement.study
    assert study.feeder is not None
    plain = replace(study, feeder=replace(study.feeder, corrections=()))
    linear = RadialState.of(plain, after.placement.schedules[0]).vm_pu
    expected += [linear.min(axis=0), linear.max(axis=0)]
    for found, right in zip(drawn, expected, strict=True):
        np.testing.assert_allclose(found, right)
    assert figure.axes[0].get_ylabel() == "voltage (pu)"
    assert legend_labels(figure) == [
        "allowed, 0.95 to 1.05 pu",
        "without batteries, AC",
        "with batteries, AC",
        "with batteries, LinDistFlow",
    ]


def test_lindistflow_is_a_little_high(feeder: Placing) -> None:
    _, after = both(feeder)
    exact = placement_plots._ac_range(after)[0]
    study = after.placement.study
    assert study.feeder is not None
    linear = placement_plots._lindistflow_range(after.placement, study.feeder)[0]
    assert (linear > exact).all()
    assert (linear < exact + 0.01).all()


def test_band_without_a_feeder_is_that_of_the_net(feeder: Placing) -> None:
    study = placed(feeder).study
    assert placement_plots._band(study) == (0.95, 1.05)
    assert placement_plots._band(replace(study, feeder=None)) == (0.9, 1.1)


def test_voltages_without_a_power_flow_say_so(feeder: Placing) -> None:
    before, after = (replace(checked, flows=()) for checked in both(feeder))
    axes = placement_plots.voltage_band(before, after).axes[0]
    assert written(axes) == ["no AC power flow: the study holds no net"]


# --- costs


def judged(feeder: Placing, **cost: float) -> Checked:
    _, after = both(feeder)
    penalty = {"voltage": cost.pop("voltage", 0.0)}
    return replace(after, verification=Verification((), cost, penalty, {}))


def test_waterfall_leads_from_one_cost_to_the_other(feeder: Placing) -> None:
    before = judged(feeder, investment=0.0, exchange=800.0, startup=7.0, voltage=193.0)
    after = judged(feeder, investment=150.0, exchange=750.0, startup=7.0, voltage=13.0)
    axes = placement_plots.cost_waterfall(before, after).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [
        "without\nbatteries",
        "investment",
        "exchange",
        "voltage",
        "with\nbatteries",
    ]
    without, with_them, *changes = bars(axes)
    assert without[1] == 1000.0
    assert with_them[1] == 920.0
    assert changes == [(1000.0, 1150.0), (1150.0, 1100.0), (1100.0, 920.0)]
    assert written(axes) == ["1,000", "920", "+150", "-50", "-180"]
    assert axes.get_title(loc="left") == "Batteries in case33bw lower the cost by 80 (8.0%)"


def test_axis_of_costs_says_where_it_does_not_begin_at_0(feeder: Placing) -> None:
    before = judged(feeder, investment=0.0, exchange=1000.0)
    near = placement_plots.cost_waterfall(before, judged(feeder, investment=10.0, exchange=995.0))
    far = placement_plots.cost_waterfall(before, judged(feeder, investment=10.0, exchange=400.0))
    assert "does not begin at 0" in near.axes[0].get_ylabel()
    assert near.axes[0].get_ylim()[0] == pytest.approx(995.0)
    assert far.axes[0].get_ylabel() == "cost of 6 h, in the study's money"
    assert far.axes[0].get_ylim()[0] == 0.0


def test_waterfall_of_negative_costs(feeder: Placing) -> None:
    before = judged(feeder, investment=0.0, exchange=-100.0)
    axes = placement_plots.cost_waterfall(
        before, judged(feeder, investment=10.0, exchange=-150.0)
    ).axes[0]
    assert axes.get_ylim()[0] < -140.0
    assert axes.get_ylim()[1] > 0.0
    assert bars(axes) == [(0.0, -100.0), (0.0, -140.0), (-100.0, -90.0), (-90.0, -140.0)]


def test_waterfall_says_that_rules_are_broken(feeder: Placing) -> None:
    before, after = both(feeder)
    broken = replace(after.verification, violations=(Violation("voltage", "bus 1", 1, 0.1, 0.0),))
    axes = placement_plots.cost_waterfall(before, replace(after, verification=broken)).axes[0]
    assert "rules broken" in written(axes)[1]


def test_waterfall_of_the_placing_adds_up(feeder: Placing) -> None:
    before, after = both(feeder)
    changes = placement_plots._changes(before, after)
    total = before.verification.total_cost + sum(changes.values())
    assert total == pytest.approx(after.verification.total_cost)
    assert "startup" not in changes
    assert changes["investment"] > 0.0
