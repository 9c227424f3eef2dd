"""Reading pandapower nets into studies."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks
import pandas as pd
import pytest

from gridopt.errors import Issue, StudyError, UnknownNameError
from gridopt.io.net_costs import Cost
from gridopt.io.pandapower_net import read_pandapower, stock_nets
from gridopt.io.shipped import rts79_units
from gridopt.study import Study


@pytest.fixture(scope="module")
def rts79() -> Study:
    return read_pandapower("case24_ieee_rts")


@pytest.fixture
def net() -> Any:
    """Return two buses, a line, a load, an external grid, a gen with a cost."""
    net = pp.create_empty_network(name="small")
    buses = [pp.create_bus(net, 110.0, name=name) for name in ("north", "south")]
    line = {"x_ohm_per_km": 0.4, "r_ohm_per_km": 0.1, "c_nf_per_km": 0.0, "max_i_ka": 1.0}
    pp.create_line_from_parameters(net, *buses, 1.0, **line)
    pp.create_ext_grid(net, buses[0], min_p_mw=0.0, max_p_mw=100.0)
    pp.create_load(net, buses[1], p_mw=50.0, q_mvar=10.0, name="town")
    pp.create_gen(net, buses[1], p_mw=20.0, min_p_mw=10.0, max_p_mw=60.0, name="plant")
    pp.create_poly_cost(net, 0, "gen", cp1_eur_per_mw=20.0, cp0_eur=100.0)
    pp.create_poly_cost(net, 0, "ext_grid", cp1_eur_per_mw=40.0)
    return net


def issues_of(net: Any, **options: Any) -> list[Issue]:
    with pytest.raises(StudyError) as error:
        read_pandapower(net, **options)
    return list(error.value.issues)


def one_issue(net: Any, **options: Any) -> Issue:
    issues = issues_of(net, **options)
    assert len(issues) == 1, [str(issue) for issue in issues]
    return issues[0]


def flat(**columns: Any) -> pd.DataFrame:
    length = max(len(np.atleast_1d(value)) for value in columns.values())
    return pd.DataFrame({"period": range(length), **columns})


# --- the reliability test system ----------------------------------------------------------------


def test_counts_of_the_reliability_test_system(rts79: Study) -> None:
    assert (len(rts79.thermal), rts79.grid.n_buses, rts79.grid.n_branches) == (32, 24, 38)
    assert rts79.thermal.p_max_mw.sum() == pytest.approx(3405.0)
    assert ("gen", 3) not in rts79.thermal.element  # the synchronous condenser
    assert {element for element, _ in rts79.thermal.element} == {"gen", "sgen", "ext_grid"}
    assert len(set(rts79.thermal.name)) == 32


def test_the_peak_day_of_the_reliability_test_system_is_assumed(rts79: Study) -> None:
    assert rts79.n_periods == 24
    assert rts79.total_demand_mw.max() == pytest.approx(2850.0)
    assert "IEEE RTS-79" in rts79.assumptions[0]


def test_shipped_units_fit_the_net() -> None:
    study = read_pandapower("case24_ieee_rts", units=rts79_units())
    assert len(study.thermal) == 32
    assert study.thermal.min_up_time_h.max() > 1
    assert np.isfinite(study.thermal.ramp_up_mw_per_h).any()


def test_typical_units_are_named(rts79: Study) -> None:
    study = read_pandapower("case24_ieee_rts", units="typical")
    assert any("typical of" in line for line in study.assumptions)
    assert not any("typical of" in line for line in rts79.assumptions)


def test_hours_start_at_the_peak_day_and_may_pass_the_end_of_the_year() -> None:
    week = read_pandapower("case39", hours=24 * 30, start=24)
    assert week.n_periods == 24 * 30
    assert week.time[0] == 8424 + 24


@pytest.mark.parametrize("name", ["case14", "case57", "case118"])
def test_nets_without_ratings_say_so(name: str) -> None:
    study = read_pandapower(name)
    assert not study.grid.is_rated.any()
    assert any("no branch of the net has an effective rating" in a for a in study.assumptions)


# --- what a net is ------------------------------------------------------------------------------


def test_the_net_of_the_caller_is_left_alone(net: Any) -> None:
    before = copy.deepcopy(net)
    study = read_pandapower(net)
    assert study.net is not net
    assert set(net) == set(before)
    assert pp.toolbox.nets_equal(net, before)


def test_a_net_is_read_from_its_file(net: Any, tmp_path: Path) -> None:
    file = tmp_path / "small.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pp.to_json(net, str(file))
    for source in (file, str(file)):
        study = read_pandapower(source)
        assert study.name == "small"
        assert study.fingerprint() == read_pandapower(net).fingerprint()


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="case24_ieee_rts"):
        read_pandapower("case24_ieee")
    for name in ("os", "pandapower", "__builtins__", "from_json", "create_dickert_lv_feeders"):
        with pytest.raises(UnknownNameError):
            read_pandapower(name)
    with pytest.raises(StudyError, match="a pandapower net, the name of one"):
        read_pandapower(3)


def test_stock_nets_are_functions_that_ask_for_nothing() -> None:
    assert {"case24_ieee_rts", "case9241pegase", "mv_oberrhein", "iceland"} <= set(stock_nets())
    assert "create_dickert_lv_feeders" not in stock_nets()
    assert "sorted_from_json" not in stock_nets()


@pytest.mark.parametrize(
    "name",
    [
        "case4gs", "example_simple", "example_multivoltage", "mv_oberrhein",
        "create_cigre_network_mv", "ieee_european_lv_asymmetric", "panda_four_load_branch",
    ],
)  # fmt: skip
def test_nets_that_are_no_study_fail_with_their_faults(name: str) -> None:
    assert issues_of(name)


# --- classes of elements ------------------------------------------------------------------------


def test_names_and_keys(net: Any) -> None:
    study = read_pandapower(net)
    assert study.thermal.element == (("gen", 0), ("ext_grid", 0))
    assert study.thermal.name == ("plant", "ext_grid 0")
    assert study.grid.bus_name == ("north", "south")
    assert study.grid.branch_name == ("line 0",)


def test_names_that_are_used_twice_are_not_used(net: Any) -> None:
    pp.create_gen(net, 1, 10.0, min_p_mw=0.0, max_p_mw=20.0, name="plant")
    net.bus["name"] = ["bus 1", "7"]
    study = read_pandapower(net)
    assert study.thermal.name == ("gen 0", "gen 1", "ext_grid 0")
    assert len(set(study.grid.bus_name)) == 2
    assert study.grid.bus_name[1] == "bus 1"


def test_scaling_and_service(net: Any) -> None:
    net.load.loc[0, "scaling"] = 0.5
    pp.create_load(net, 1, p_mw=1000.0, in_service=False)
    pp.create_load(net, 1, p_mw=-5.0)
    pp.create_gen(net, 1, 10.0, max_p_mw=20.0, in_service=False)
    study = read_pandapower(net)
    assert study.total_demand_mw.max() == pytest.approx(20.0)
    assert len(study.thermal) == 2


def test_elements_at_a_bus_out_of_service_are_left_out(net: Any) -> None:
    bus = pp.create_bus(net, 110.0, in_service=False)
    pp.create_load(net, bus, p_mw=30.0)
    pp.create_sgen(net, bus, p_mw=30.0)
    study = read_pandapower(net)
    assert study.total_demand_mw.max() == pytest.approx(50.0)
    assert len(study.renewables) == 0
    assert study.grid.n_buses == 2


def test_static_generators(net: Any) -> None:
    pp.create_sgen(net, 1, 8.0, scaling=0.5, type="PV", controllable=True)
    pp.create_sgen(net, 1, 6.0, controllable=False)
    pp.create_sgen(net, 1, 5.0, controllable=True, min_p_mw=2.0, max_p_mw=7.0)
    pp.create_poly_cost(net, 2, "sgen", cp1_eur_per_mw=30.0)
    study = read_pandapower(net)
    assert study.renewables.element == (("sgen", 0), ("sgen", 1))
    assert study.renewables.p_max_mw[:, 0].tolist() == [4.0, 6.0]
    assert study.renewables.p_min_mw[:, 0].tolist() == [0.0, 6.0]
    assert study.thermal.element == (("gen", 0), ("sgen", 2), ("ext_grid", 0))
    assert study.thermal.p_min_mw.tolist() == [10.0, 2.0, 0.0]


def test_gens_that_are_no_thermal_units(net: Any) -> None:
    pp.create_gen(net, 0, 0.0, max_p_mw=0.0, min_p_mw=0.0, name="condenser")
    pp.create_gen(net, 1, 7.0, max_p_mw=9.0, controllable=False, scaling=2.0)
    pp.create_gen(net, 1, 7.0, max_p_mw=9.0, type="wind")
    study = read_pandapower(net)
    assert study.renewables.element == (("gen", 2), ("gen", 3))
    assert study.renewables.p_max_mw[:, 0].tolist() == [14.0, 7.0]
    assert study.renewables.p_min_mw[:, 0].tolist() == [14.0, 0.0]
    assert len(study.thermal) == 2


def test_pumping_is_left_out_and_noted(net: Any) -> None:
    net.gen.loc[0, "min_p_mw"] = -30.0
    study = read_pandapower(net)
    assert study.thermal.p_min_mw[0] == 0.0
    assert any("gen 0 (plant): min_p_mw below 0" in line for line in study.assumptions)


def test_an_external_grid_without_limits_is_an_exchange(net: Any) -> None:
    net.ext_grid = net.ext_grid.drop(columns=["min_p_mw", "max_p_mw"])
    net.poly_cost.loc[1, "cp2_eur_per_mw2"] = 0.1
    study = read_pandapower(net)
    assert study.exchange.element == (("ext_grid", 0),)
    assert study.exchange.import_max_mw[0] == pytest.approx(50.0)
    assert study.exchange.export_max_mw[0] == pytest.approx(60.0)
    assert study.exchange.price_per_mwh[0, 0] == 40.0
    assert study.exchange.slope_per_mw2h[0, 0] == pytest.approx(0.2)
    assert sum("ext_grid 0: no m" in line for line in study.assumptions) == 2


def test_storage(net: Any) -> None:
    limits = {"max_p_mw": 4.0, "min_p_mw": -5.0, "max_e_mwh": 20.0, "min_e_mwh": 2.0}
    pp.create_storage(net, 1, 1.0, controllable=True, soc_percent=40.0, **limits)
    pp.create_storage(net, 1, 3.0, max_e_mwh=10.0, scaling=2.0)
    net.storage["charge_efficiency"] = [0.9, np.nan]
    study = read_pandapower(net)
    assert study.storage.element == (("storage", 0),)
    assert study.storage.charge_max_mw[0] == 4.0
    assert study.storage.discharge_max_mw[0] == 5.0
    assert study.storage.initial_soc_mwh[0] == pytest.approx(8.0)
    assert study.storage.charge_efficiency[0] == 0.9
    assert study.storage.discharge_efficiency[0] == 1.0
    assert study.total_demand_mw.max() == pytest.approx(56.0)


def test_wards_and_motors_are_demand(net: Any) -> None:
    pp.create_ward(net, 1, ps_mw=3.0, qs_mvar=0.0, pz_mw=2.0, qz_mvar=0.0)
    pp.create_motor(net, 1, pn_mech_mw=9.0, cos_phi=0.9, efficiency_percent=90.0)
    pp.create_shunt(net, 0, q_mvar=0.0, p_mw=1.0)
    study = read_pandapower(net)
    assert study.total_demand_mw.max() == pytest.approx(50.0 + 3.0 + 10.0)
    assert study.grid.shunt_mw.tolist() == [1.0, 2.0]


# --- costs --------------------------------------------------------------------------------------


def test_polynomial_costs(net: Any) -> None:
    net.poly_cost.loc[0, "cp2_eur_per_mw2"] = 0.5
    curve = read_pandapower(net).thermal.cost[0]
    assert curve.quadratic == 0.5
    power = np.array([10.0, 60.0])
    np.testing.assert_allclose(curve.cost(power), 100 + 20 * power + 0.5 * power**2)


def test_both_kinds_of_cost_add_up(net: Any) -> None:
    pp.create_pwl_cost(net, 0, "gen", [[0, 30, 2.0], [30, 50, 3.0], [50, 60, 4.0]], check=False)
    curve = read_pandapower(net).thermal.cost[0]
    assert curve.power_mw == (10.0, 30.0, 50.0, 60.0)
    expected = [100 + 20 * p + extra for p, extra in ((10, 20), (30, 60), (50, 120), (60, 160))]
    np.testing.assert_allclose(curve.cost_per_h, expected)


def test_piecewise_costs_start_as_in_the_optimal_power_flow() -> None:
    cost = Cost(points=((10.0, 20.0, 3.0), (20.0, 30.0, 5.0)), is_given=True)
    power, value = cost.breakpoints(5.0, 40.0)
    assert power == (5.0, 20.0, 40.0)
    assert value == (15.0, 60.0, 160.0)
    assert cost.breakpoints(20.0, 20.0) == ((20.0,), (60.0,))


def test_faults_of_costs(net: Any) -> None:
    pp.create_pwl_cost(net, 0, "gen", [[0, 30, 2.0], [40, 60, 3.0]], check=False)
    assert one_issue(net).element == "pwl_cost of gen 0"
    net.pwl_cost["points"] = [[[0, 30, 3.0], [30, 60, 2.0]]]
    assert one_issue(net).field == "cost segments"
    net.pwl_cost = net.pwl_cost.iloc[:0]
    net.poly_cost.loc[0, "cp2_eur_per_mw2"] = -1.0
    assert {issue.element for issue in issues_of(net)} == {"gen 0 (plant)"}


def test_a_unit_without_a_cost_is_noted(net: Any) -> None:
    net.poly_cost = net.poly_cost.drop(index=0)
    assert "gen 0 (plant): no cost, taken as 0" in read_pandapower(net).assumptions


# --- profiles -----------------------------------------------------------------------------------


def test_profiles_of_loads_and_buses(net: Any) -> None:
    pp.create_load(net, 0, p_mw=30.0)
    pp.create_load(net, 0, p_mw=10.0)
    both = read_pandapower(net, profiles=flat(system=[1.0, 0.5]))
    assert both.demand_mw.tolist() == [[40.0, 20.0], [50.0, 25.0]]
    own = read_pandapower(net, profiles=flat(system=[1.0, 0.5], **{"load 1": [7.0, 8.0]}))
    assert own.demand_mw.tolist() == [[17.0, 13.0], [50.0, 25.0]]
    named = read_pandapower(net, profiles=flat(town=[1.0, 2.0], **{"bus 0": [3.0, 4.0]}))
    assert named.demand_mw.tolist() == [[3.0, 4.0], [1.0, 2.0]]
    shared = read_pandapower(net, profiles=flat(system_mw=[9.0, 18.0]))
    np.testing.assert_allclose(shared.demand_mw, [[4.0, 8.0], [5.0, 10.0]])
    rest = read_pandapower(net, profiles=flat(system_mw=[10.0, 20.0], town=[2.0, 4.0]))
    np.testing.assert_allclose(rest.demand_mw, [[8.0, 16.0], [2.0, 4.0]])
    alone = read_pandapower(net, profiles=flat(town=[1.0]))
    assert alone.demand_mw[:, 0].tolist() == [40.0, 1.0]
    assert any("2 loads without a profile: constant" in line for line in alone.assumptions)


def test_profiles_of_available_power(net: Any) -> None:
    pp.create_sgen(net, 1, 5.0, controllable=True)
    columns = {"sgen 0": [1.0, 2.0], "gen 0": [30.0, 40.0]}
    study = read_pandapower(net, profiles=flat(system=[1.0, 1.0], **columns))
    assert study.renewables.element == (("gen", 0), ("sgen", 0))
    assert study.renewables.p_max_mw.tolist() == [[30.0, 40.0], [1.0, 2.0]]
    assert study.renewables.p_min_mw.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert study.renewables.cost_per_mwh.tolist() == [20.0, 0.0]


def test_time_of_the_profile_is_the_time_of_the_study(net: Any) -> None:
    time = pd.date_range("2024-03-30T22:00", periods=8, freq="30min", tz="Europe/Berlin")
    profile = pd.DataFrame({"time": time, "system": 1.0})
    study = read_pandapower(net, profiles=profile, start=2, hours=2)
    assert study.period_h == 0.5
    assert study.time.equals(pd.DatetimeIndex(time[2:6]))


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"load 7": [1.0]}, "'load 7'"),
        ({"bus 7": [1.0]}, "'bus 7'"),
        ({"sgen 7": [1.0]}, "'sgen 7'"),
        ({"twon": [1.0]}, "'twon'"),
        ({"town": [1.0], "load 0": [1.0]}, "'load 0'"),
        ({"town": [1.0], "bus 1": [1.0]}, "'bus 1'"),
        ({"town": [9.0], "system_mw": [5.0]}, "short by 4 MW"),
    ],
)
def test_faults_of_profiles(net: Any, columns: dict[str, Any], found: str) -> None:
    pp.create_load(net, 0, p_mw=1.0)
    issue = one_issue(net, profiles=flat(**columns))
    assert issue.element == "profiles"
    assert issue.value == found


def test_options_of_the_study(net: Any) -> None:
    study = read_pandapower(
        net, profiles=flat(system=[1.0, 0.5]), reserve_fraction=0.1,
        unserved_cost_per_mwh=1000.0, surplus_cost_per_mwh=10.0, name="mine",
    )  # fmt: skip
    assert study.reserves.total_required_mw().tolist() == [5.0, 2.5]
    assert (study.unserved_cost_per_mwh, study.surplus_cost_per_mwh) == (1000.0, 10.0)
    assert study.name == "mine"


# --- faults of nets -----------------------------------------------------------------------------


def test_a_net_without_costs(net: Any) -> None:
    net.poly_cost = net.poly_cost.iloc[:0]
    assert one_issue(net).value == "net without costs"
    units = pd.DataFrame(
        {"name": ["plant"], "cost_power_mw": ["10;60"], "cost_per_h": ["300;2000"]}
    )
    assert read_pandapower(net, units=units).thermal.cost[0].cost_per_h == (300.0, 2000.0)


def test_an_islanded_bus_is_found(net: Any) -> None:
    pp.create_bus(net, 110.0, name="nowhere")
    issue = one_issue(net)
    assert (issue.element, issue.value) == ("bus nowhere", "islanded")


def test_a_disconnected_net_is_found(net: Any) -> None:
    buses = [pp.create_bus(net, 110.0, name=name) for name in ("far", "farther")]
    pp.create_line_from_parameters(net, *buses, 1.0, 0.1, 0.4, 0.0, 1.0)
    issue = one_issue(net)
    assert issue.field == "connected parts"
    assert "far, farther" in issue.expected


def test_a_missing_limit(net: Any) -> None:
    net.gen["max_p_mw"] = np.nan
    issue = one_issue(net)
    assert (issue.element, issue.field) == ("gen 0 (plant)", "max_p_mw")
    units = pd.DataFrame({"name": ["plant"], "p_max_mw": [70.0]})
    assert read_pandapower(net, units=units).thermal.p_max_mw[0] == 70.0


@pytest.mark.parametrize("column", ["max_p_mw", "min_p_mw", "max_e_mwh"])
def test_storage_without_a_limit(net: Any, column: str) -> None:
    limits = {"max_p_mw": 4.0, "min_p_mw": -5.0, "max_e_mwh": 20.0, column: np.nan}
    pp.create_storage(net, 1, 1.0, controllable=True, **limits)
    assert one_issue(net).field == column


def test_elements_that_are_not_modeled(net: Any) -> None:
    pp.create_dcline(net, 0, 1, 5.0, 0.0, 0.0, 1.0, 1.0)
    pp.create_asymmetric_load(net, 1, p_a_mw=1.0)
    assert [issue.element for issue in issues_of(net)] == [
        "net table asymmetric_load",
        "net table dcline",
    ]
    net.dcline["in_service"] = net.asymmetric_load["in_service"] = False
    assert len(read_pandapower(net).thermal) == 2


def test_broken_tables(net: Any) -> None:
    net.load.loc[0, "bus"] = 17
    assert one_issue(net).value == 17
    net.load = net.load.drop(columns=["p_mw"])
    net.gen = "nothing"
    found = {(issue.element, issue.field) for issue in issues_of(net)}
    assert {("net table load", "column"), ("net table gen", "type")} <= found


def test_cells_and_indices_that_are_missing(net: Any) -> None:
    net.poly_cost["element"] = [0.0, np.nan]
    net.line["x_ohm_per_km"] = np.nan
    net.load.index = ["town"]
    found = {(issue.element, issue.field) for issue in issues_of(net)}
    assert found == {
        ("poly_cost 1", "element"),
        ("line 0", "x_ohm_per_km"),
        ("net table load", "index"),
    }


def test_other_faults_of_nets(net: Any) -> None:
    net.load.loc[0, "p_mw"] = np.nan
    assert "load 0" in {issue.element for issue in issues_of(net)}
    net.load.loc[0, "p_mw"] = 50.0
    net.line.loc[0, "x_ohm_per_km"] = 0.0
    assert "line 0" in {issue.element for issue in issues_of(net)}
    net.line.loc[0, "x_ohm_per_km"] = 0.4
    net.ext_grid["in_service"] = False
    assert "ext_grid" in {issue.field for issue in issues_of(net)}
    assert "bus" in {issue.field for issue in issues_of(pp.create_empty_network())}


def test_demand_above_capacity_names_hours_and_megawatts(net: Any) -> None:
    profile = flat(system=[1.0, 4.0])
    issue = one_issue(net, profiles=profile)
    assert "1 by 40.0 MW" in issue.value
    assert read_pandapower(net, profiles=profile, unserved_cost_per_mwh=1e4).n_periods == 2


def test_faults_of_net_units_profiles_and_options_come_together(net: Any) -> None:
    net.gen.loc[0, "min_p_mw"] = 80.0
    pp.create_bus(net, 110.0, name="nowhere")
    issues = issues_of(
        net,
        units=pd.DataFrame({"name": ["plant"], "ramp_up_mw_per_h": [-1.0]}),
        profiles=flat(system=[1.0, np.nan]),
        reserve_fraction=-0.1,
    )
    text = "\n".join(map(str, issues))
    for part in ("p_min_mw", "nowhere", "ramp_up_mw_per_h", "NaN", "reserve_fraction"):
        assert part in text
    assert len(issues) == len(set(issues)) == 5


def test_a_missing_file_is_one_fault_beside_the_others() -> None:
    issues = issues_of(Path("none.json"), profiles=flat(system=[np.nan]))
    assert [issue.element for issue in issues] == [
        "net file none.json",
        "profiles, column 'system'",
    ]
