"""Choices of sites on meshed nets: against loops of pandapower's power flow, and as a QUBO."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

import gridopt
from gridopt.ac_items import Source
from gridopt.ac_sites import ACSites
from gridopt.base_dispatch import base_dispatch
from gridopt.errors import GridoptError, UnsupportedError
from gridopt.placing import Checked
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.solvers.neal import Neal
from gridopt.study import Study

Modules = Callable[..., BatteryModules]

BAND: dict[str, Any] = {
    "operation": "profile",
    "voltage_cost_per_pu_h": 5000.0,
    "overload_cost_per_mwh": 80.0,
}


def ring(resistance: float = 2.0, reactance: float = 12.0, rating_ka: float = 0.14) -> Any:
    """Return a ring of four buses at 110 kV with a chord: a slack, a gen, three loads."""
    net = pp.create_empty_network(name="ring")
    for name in ("slack", "north", "east", "south"):
        pp.create_bus(net, 110.0, name=name, min_vm_pu=0.996, max_vm_pu=1.01)
    for ends in ((0, 1), (1, 2), (2, 3), (3, 0), (1, 3)):
        pp.create_line_from_parameters(net, *ends, 1.0, resistance, reactance, 0.0, rating_ka)
    pp.create_ext_grid(net, 0, vm_pu=1.0, min_p_mw=0.0, max_p_mw=200.0)
    pp.create_gen(net, 2, p_mw=20.0, vm_pu=1.0, min_p_mw=10.0, max_p_mw=60.0)
    for bus, p_mw in ((1, 40.0), (2, 25.0), (3, 30.0)):
        pp.create_load(net, bus, p_mw=p_mw, q_mvar=0.25 * p_mw)
    pp.create_poly_cost(net, 0, "ext_grid", cp1_eur_per_mw=20.0, cp2_eur_per_mw2=0.1)
    pp.create_poly_cost(net, 0, "gen", cp1_eur_per_mw=22.0, cp2_eur_per_mw2=0.2)
    return net


def read(net: Any, share: Sequence[float]) -> Study:
    profiles = pd.DataFrame({"period": range(len(share)), "system": share})
    return gridopt.read_pandapower(net, units="typical", profiles=profiles)


def battery(make_modules: Modules, power_mw: float) -> BatteryModules:
    sized = {"power_mw": np.array([power_mw]), "energy_mwh": np.array([2.0 * power_mw])}
    return make_modules("large", **sized)


@pytest.fixture(scope="module")
def on_ring(make_modules: Modules) -> Study:
    study = read(ring(), (0.6, 1.0, 0.8))
    return with_sites(study, None, battery(make_modules, 6.0), count=2, **BAND)


@pytest.fixture(scope="module")
def on_case14(make_modules: Modules) -> Study:
    study = gridopt.load_case("case14", hours=3, start=16, units="typical")
    return with_sites(study, None, battery(make_modules, 8.0), count=3, **BAND)


def by_runpp(study: Study, before: Checked, sites: Sequence[int]) -> float:
    """Return what batteries at some sites cost, by pandapower and from its tables alone."""
    (schedule,), module = before.placement.schedules, study.sites.modules
    power_mw = module.power_mw[0] * study.sites.profile[0]
    total = len(sites) * float(study.sites.module_cost(float(study.n_periods))[0])
    total += len(sites) * module.degradation_cost_per_mwh[0] * np.maximum(power_mw, 0.0).sum()
    total += before.verification.cost["startup"]
    for t in range(study.n_periods):
        net = copy.deepcopy(study.net)
        net.load[["p_mw", "q_mvar"]] *= study.total_demand_mw[t] / net.load["p_mw"].sum()
        for row, (element, index) in enumerate(study.thermal.element):
            if element == "gen":
                net.gen.loc[index, "p_mw"] = schedule.power_mw[row, t]
                net.gen.loc[index, "in_service"] = bool(schedule.committed[row, t])
        for site in sites:
            pp.create_sgen(net, int(study.sites.bus[site]), p_mw=float(power_mw[t]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # inside pandapower
            pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-9)
        for row, (element, _) in enumerate(study.thermal.element):
            given = schedule.power_mw[row, t]
            if element == "ext_grid":
                given = float(net.res_ext_grid["p_mw"].iloc[0])
            if schedule.committed[row, t]:
                total += float(study.thermal.cost[row].cost(np.array(given)))
        total += priced(study, net)
    return float(total)


def priced(study: Study, net: Any) -> float:
    """Return what voltages and loadings outside of their limits cost for an hour."""
    vm, low, high = net.res_bus["vm_pu"], net.bus["min_vm_pu"], net.bus["max_vm_pu"]
    outside = np.maximum((low**2 - vm**2) / (2 * low), (vm**2 - high**2) / (2 * high))
    outside[net.ext_grid["bus"]] = 0.0
    cost = study.sites.voltage_cost_per_pu_h * float(np.maximum(outside, 0.0).sum())
    if not study.grid.is_rated.any():
        return cost
    rating_mva = np.sqrt(3.0) * 110.0 * net.line["max_i_ka"]
    over = np.maximum(net.res_line["loading_percent"] / 100.0 - 1.0, 0.0) * rating_mva
    return cost + study.sites.overload_cost_per_mwh * float(over.sum())


def indicator(picked: Sequence[Sequence[int]], size: int) -> np.ndarray:
    chosen = np.zeros((len(picked), size), dtype=np.bool_)
    for row, sites in enumerate(picked):
        chosen[row, list(sites)] = True
    return chosen


def test_every_choice_costs_what_a_loop_of_runpp_says(on_ring: Study) -> None:
    before = base_dispatch(on_ring)
    ac = ACSites(on_ring, before)
    picked = [sites for k in range(5) for sites in combinations(range(4), k)]
    expected = [by_runpp(on_ring, before, sites) for sites in picked]
    assert ac.cost(indicator(picked, 4)) == pytest.approx(expected, rel=1e-7)
    items = ac.items(indicator(picked, 4))
    assert (items["voltage"] > 0.0).any()
    assert np.ptp(items["overload"]) > 0.0
    pairs = {sites: expected[k] for k, sites in enumerate(picked) if len(sites) == 2}
    cost, best = ac.best(2)[0]
    assert tuple(best.tolist()) == min(pairs, key=pairs.__getitem__)
    assert cost == pytest.approx(min(pairs.values()), rel=1e-7)


def test_finite_differences_are_those_of_runpp(on_case14: Study) -> None:
    before = base_dispatch(on_case14)
    model = ACSites(on_case14, before).quadratic(2)
    none = by_runpp(on_case14, before, [])
    assert model.constant == pytest.approx(none, rel=1e-8)
    for i, j in ((0, 8), (3, 13), (5, 12)):
        one = [by_runpp(on_case14, before, [site]) for site in (i, j)]
        both = by_runpp(on_case14, before, [i, j])
        assert model.linear[[i, j]] == pytest.approx(np.array(one) - none, abs=1e-4)
        assert model.coupling[i, j] == pytest.approx(both - sum(one) + none, abs=1e-4)


def test_residual_on_case14(on_case14: Study) -> None:
    ac = ACSites.of(on_case14)
    found = ac.residual(ac.quadratic(), 3, 100, seed=2)
    assert 0.9 < found.r_squared < 1.0
    assert 0.0 < found.mean_relative < found.worst_relative < 1e-2
    cost = ac.cost(indicator(list(combinations(range(14), 3)), 14))
    assert found.worst < np.ptp(cost)


@pytest.mark.parametrize("count", [2, 4])
def test_the_model_is_exact_where_the_cost_is_quadratic(count: int, make_modules: Modules) -> None:
    """Without resistance and limits, all that changes is the slack's quadratic cost."""
    net = ring(resistance=0.0)
    net.bus[["min_vm_pu", "max_vm_pu"]] = 0.5, 1.5
    study = with_sites(
        read(net, (0.6, 1.0)), None, battery(make_modules, 6.0), count=count,
        **{**BAND, "overload_cost_per_mwh": 0.0},
    )  # fmt: skip
    ac = ACSites.of(study)
    every = indicator([sites for k in range(5) for sites in combinations(range(4), k)], 4)
    model = ac.quadratic()
    assert model.cost(every) == pytest.approx(ac.cost(every), rel=1e-9)
    assert np.abs(model.coupling[np.triu_indices(4, 1)]).min() > 1.0
    assert ac.residual(model, 3, 20, seed=0).worst_relative < 1e-9


def test_the_qubo_finds_the_best_choice(on_ring: Study, on_case14: Study) -> None:
    for study, count in ((on_ring, 2), (on_case14, 2)):
        ac = ACSites.of(replace(study, sites=replace(study.sites, count=count)))
        found = Neal(seed=1, reads=200).solve(ac.quadratic().program())
        cost, best = ac.best(count)[0]
        assert found.x is not None
        assert np.flatnonzero(np.rint(found.x)).tolist() == best.tolist()
        assert found.objective == pytest.approx(cost, rel=1e-9)  # of pairs, the model is exact


def test_threads_change_nothing(on_case14: Study) -> None:
    before = base_dispatch(on_case14)
    chosen = indicator(list(combinations(range(14), 2)), 14)
    one, two = (ACSites(on_case14, before, threads).cost(chosen) for threads in (1, 2))
    assert (one == two).all()


def test_a_band_of_the_sites_counts_in_place_of_the_nets(
    on_ring: Study, make_modules: Modules
) -> None:
    before = base_dispatch(on_ring)
    free = np.full(4, -np.inf), np.full(4, np.inf)
    sites = replace(on_ring.sites, vm_min_pu=free[0], vm_max_pu=free[1])
    none = np.zeros((1, 4))
    assert ACSites(on_ring, before).items(none)["voltage"][0] > 0.0
    assert ACSites(replace(on_ring, sites=sites), before).items(none)["voltage"][0] == 0.0
    study = with_sites(
        replace(on_ring, sites=type(on_ring.sites)()), None, battery(make_modules, 6.0),
        vm_min_pu=0.9, **BAND,
    )  # fmt: skip
    assert study.sites.vm_min_pu.tolist() == [0.9] * 4
    assert study.sites.vm_max_pu.tolist() == [np.inf] * 4
    assert "ACSites alone" in study.assumptions[-1]


def test_periods_without_a_power_flow_are_named(make_modules: Modules) -> None:
    far = read(ring(reactance=400.0, rating_ka=2.0), (0.3, 1.0))
    study = with_sites(far, None, battery(make_modules, 1.0), **BAND)
    expected = r"fails in 1 of 2 periods: 1: .* largest mismatch reached is [\d.e+]+ MVA"
    with pytest.raises(GridoptError, match=expected):
        ACSites.of(study)


def test_choices_without_a_power_flow_are_told(on_ring: Study, make_modules: Modules) -> None:
    huge = with_sites(on_ring, None, battery(make_modules, 900.0), **BAND)
    before = base_dispatch(on_ring)
    ac = ACSites(huge, before)
    assert np.isinf(ac.cost(np.eye(4))).all()
    with pytest.raises(UnsupportedError, match=r"4 of 4 have none, the first with .* slack;"):
        ac.quadratic()


def test_two_slacks_are_refused(on_ring: Study) -> None:
    net = copy.deepcopy(on_ring.net)
    net.gen["slack"] = True
    with pytest.raises(UnsupportedError, match=r"one slack .* are ext_grid 0, gen 0, 2 of them"):
        ACSites.of(replace(on_ring, net=net))


def test_a_window_is_refused(on_ring: Study) -> None:
    schedule = gridopt.solve(replace(on_ring, sites=type(on_ring.sites)())).schedule
    assert schedule is not None
    part = gridopt.window(schedule, ["ext_grid 0"], 0, 2)
    with pytest.raises(UnsupportedError, match="takes no window of a system"):
        Source.of(part, schedule)
