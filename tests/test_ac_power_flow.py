"""The AC power flow behind a schedule."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridopt.ac_power_flow import PowerFlow, power_flow
from gridopt.errors import GridoptError
from gridopt.io.pandapower_net import read_pandapower
from gridopt.results import Schedule
from gridopt.study import Study


def proportional(study: Study) -> Schedule:
    """Return a schedule in which every unit is on and all are loaded alike."""
    low, high = (limit[:, np.newaxis] for limit in (study.thermal.p_min_mw, study.thermal.p_max_mw))
    need = study.total_demand_mw + study.grid.offset_mw.sum()
    share = (need - low.sum()) / (high - low).sum()
    power = low + share * (high - low)
    on = np.ones(power.shape, dtype=bool)
    none = np.zeros((0, study.n_periods))
    nowhere = np.zeros((study.grid.n_buses, study.n_periods))
    return Schedule(
        study, "copperplate", on, power, np.zeros((0, *on.shape)), none, none, none, none, none,
        nowhere, nowhere,
    )  # fmt: skip


@pytest.fixture(scope="module")
def rts79() -> Study:
    return read_pandapower("case24_ieee_rts", hours=4, start=6)


@pytest.fixture(scope="module")
def flow(rts79: Study) -> PowerFlow:
    return power_flow(rts79, proportional(rts79))


def test_the_reliability_test_system_converges(rts79: Study, flow: PowerFlow) -> None:
    assert flow.converged.all()
    assert len(flow.buses) == 24 * rts79.n_periods
    assert len(flow.branches) == 38 * rts79.n_periods
    assert flow.buses["vm_pu"].between(0.9, 1.1).all()
    assert not flow.of("voltage_low")


def test_the_slack_gives_the_losses(flow: PowerFlow) -> None:
    assert (flow.loss_mw > 0).all()
    # The DC plan takes shunts at 1 pu; this net's have no conductance.
    np.testing.assert_allclose(flow.slack_mw, flow.loss_mw, atol=1e-4)


def test_the_summary_is_json(flow: PowerFlow) -> None:
    summary = json.loads(json.dumps(flow.summary()))
    assert summary["converged"] == summary["periods"] == 4
    assert summary["loss_mwh"] == pytest.approx(flow.loss_mw.sum())
    assert summary["max_vm_pu"] == pytest.approx(flow.buses["vm_pu"].max())
    assert summary["violations"]["branch_loading"] == len(flow.of("branch_loading"))


def test_the_net_of_the_study_is_left_alone(rts79: Study, flow: PowerFlow) -> None:
    assert flow.study is rts79
    assert rts79.net.load["p_mw"].sum() == pytest.approx(2850.0)
    assert (rts79.net.load["scaling"] == 1.0).all()
    assert "p_mw" not in rts79.net.ext_grid


def test_flows_agree_with_the_dc_plan_but_for_losses(rts79: Study, flow: PowerFlow) -> None:
    planned = proportional(rts79).flow_mw()
    first = flow.branches[flow.branches["period"] == 0].set_index(["element", "index"])["p_mw"]
    actual = np.array([first[key] for key in rts79.grid.branch_element])
    assert np.abs(actual - planned[:, 0]).max() < 60.0


def test_limits_that_are_broken_are_reported(rts79: Study) -> None:
    study = changed(rts79, "bus", "max_vm_pu", 1.0)
    study.net.line["max_loading_percent"] = 20.0
    study.net.gen["max_q_mvar"] = study.net.sgen["max_q_mvar"] = -1e3
    flow = power_flow(study, proportional(study))
    high, loading, reactive = (
        flow.of(rule) for rule in ("voltage_high", "branch_loading", "reactive_power")
    )
    assert high
    assert all(found.value > found.limit == 1.0 for found in high)
    assert loading
    assert all(found.value > found.limit for found in loading)
    assert any(found.limit == 20.0 for found in loading)
    assert reactive
    assert {found.period for found in high} <= set(study.time)


def changed(study: Study, table: str, column: str, value: Any) -> Study:
    net = read_pandapower(study.net).net
    net[table][column] = value
    return dataclasses.replace(study, net=net)


def test_a_period_that_does_not_converge_is_marked(rts79: Study) -> None:
    schedule = proportional(rts79)
    demand = rts79.demand_mw * np.array([1.0, 50.0, 1.0, 1.0])
    study = dataclasses.replace(rts79, demand_mw=demand, unserved_cost_per_mwh=1e3)
    flow = power_flow(study, dataclasses.replace(schedule, study=study))
    assert flow.converged.tolist() == [True, False, True, True]
    assert np.isnan(flow.loss_mw[1])
    assert set(flow.buses["period"]) == {0, 2, 3}
    assert flow.summary()["converged"] == 3


def test_nothing_converged_is_a_summary_too(rts79: Study) -> None:
    study = dataclasses.replace(rts79, demand_mw=rts79.demand_mw * 50.0, unserved_cost_per_mwh=1e3)
    summary = power_flow(study, dataclasses.replace(proportional(rts79), study=study)).summary()
    assert summary["converged"] == 0
    assert summary["min_vm_pu"] is None


def test_a_gen_that_is_off_holds_the_voltage_for_a_unit_that_is_on(rts79: Study) -> None:
    schedule = proportional(rts79)
    # Bus 0 has gens 0 and sgens of the same plant; without any the bus floats.
    units = [g for g, bus in enumerate(rts79.thermal.bus) if bus == 0]
    gens = [g for g in units if rts79.thermal.element[g][0] == "gen"]
    committed, power = schedule.committed.copy(), schedule.power_mw.copy()
    committed[units] = True
    committed[gens] = False
    power[gens] = 0.0
    held = power_flow(rts79, dataclasses.replace(schedule, committed=committed, power_mw=power))
    committed[units] = False
    power[units] = 0.0
    loose = power_flow(rts79, dataclasses.replace(schedule, committed=committed, power_mw=power))
    setpoint = rts79.net.gen.loc[rts79.net.gen["bus"] == 0, "vm_pu"].iloc[0]
    assert held.buses["vm_pu"].iloc[0] == pytest.approx(setpoint)
    assert loose.buses["vm_pu"].iloc[0] != pytest.approx(setpoint)


def test_reactive_limits_can_be_enforced(rts79: Study) -> None:
    flow = power_flow(rts79, proportional(rts79), enforce_q_lims=True)
    assert flow.converged.all()


def test_a_study_without_a_net_is_refused(rts79: Study) -> None:
    study = dataclasses.replace(rts79, net=None)
    with pytest.raises(GridoptError, match="holds no pandapower net"):
        power_flow(study, proportional(rts79))


def test_branches_without_a_rating_have_no_loading() -> None:
    study = read_pandapower("case14", hours=1)
    flow = power_flow(study, proportional(study))
    assert flow.branches["loading_percent"].isna().all()
    assert flow.summary()["max_loading_percent"] is None
    assert isinstance(flow.buses, pd.DataFrame)
