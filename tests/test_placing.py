"""Placing batteries until AC power flow agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.errors import GridoptError
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.placement_rules import RadialState
from gridopt.placing import AGREED, Checked, Placing, checked, corrected, place, without_batteries
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.study import Scenario, Study
from gridopt.verification import verify

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]

SHARE, PRICE = (0.5, 1.0, 0.7), (20.0, 90.0, 60.0)


@pytest.fixture(scope="module")
def baran_wu() -> Placing:
    """Return batteries on case33bw, placed for some voltage, losses and a peak."""
    study = gridopt.load_case("case33bw", hours=4, start=18)
    study = with_sites(
        study, [5, 12, 17, 24, 29, 32], "li_ion_0.5mw_2h", count=2, vm_min_pu=0.96,
        voltage_cost_per_pu_h=5000.0, peak_cost_per_mw=100.0,
    )  # fmt: skip
    return place(study, gap=0.0)


def both(placing: Placing) -> tuple[Checked, Checked]:
    assert placing.before is not None
    assert placing.after is not None
    return placing.before, placing.after


def test_model_and_power_flow_agree_at_the_end(baran_wu: Placing) -> None:
    before, after = both(baran_wu)
    assert baran_wu.is_feasible
    assert after.verification.violations == ()
    assert abs(after.cost - baran_wu.run.cost) <= AGREED * baran_wu.run.cost
    assert after.placement is baran_wu.run.plan
    assert 1 <= baran_wu.rounds <= 5
    assert after.verification.cost["peak"] < before.verification.cost["peak"]
    assert before.placement.modules.sum() == 0
    assert after.placement.modules.sum() == 2


def test_corrections_make_the_model_exact_at_its_answer(baran_wu: Placing) -> None:
    for found in both(baran_wu):
        (flow,), (schedule,) = found.flows, found.placement.schedules
        again = checked(baran_wu.run.study, found.placement)
        assert again is not None
        state = RadialState.of(exact_study(baran_wu, found), schedule)
        true = flow.buses.pivot_table(index="bus", columns="period", values="vm_pu").to_numpy()
        assert np.abs(state.vm_pu - true).max() < 1e-9
        assert state.loss_mw == pytest.approx(flow.loss_mw, abs=1e-9)
        assert again.verification.cost == pytest.approx(found.verification.cost)


def exact_study(placing: Placing, found: Checked) -> Study:
    return corrected(placing.run.study, found.placement.schedules, found.flows)


def test_the_verdict_holds_what_power_flow_says(baran_wu: Placing) -> None:
    _, after = both(baran_wu)
    (flow,) = after.flows
    price = baran_wu.run.study.sites.loss_cost_per_mwh
    assert after.verification.cost["losses"] == pytest.approx(price @ flow.loss_mw)
    buses = flow.buses[flow.buses["bus"] != 0]
    vm_pu = buses["vm_pu"].to_numpy()
    outside = np.maximum(0.96**2 - vm_pu**2, 0.0).sum() / (2 * 0.96)
    assert outside > 0.0
    assert after.verification.penalty["voltage"] == pytest.approx(5000.0 * outside)
    plain = verify(replace(baran_wu.run.study, feeder=uncorrected(baran_wu)), after.placement)
    assert plain.penalty["voltage"] < after.verification.penalty["voltage"]


def uncorrected(placing: Placing) -> Any:
    return replace(placing.run.study.radial, corrections=())


def test_the_record_is_plain(baran_wu: Placing) -> None:
    record = baran_wu.summary()
    assert record["rounds_with_ac"] == baran_wu.rounds
    assert record["before"]["feasible"]
    assert record["after"]["power_flow"][0]["converged"] == 4
    assert record["after"]["cost"] == both(baran_wu)[1].cost
    items = record["after"]["cost_items"]
    assert record["after"]["cost"] == pytest.approx(sum(items.values()))


def stressed(make_tree: MakeStudy, make_modules: Modules, **sites: Any) -> Study:
    tree = make_tree(SHARE, PRICE, scale=1.7)
    given: dict[str, Any] = {"modules_max": 2, "vm_min_pu": 0.93, **sites}
    return with_sites(tree, [2, 3, 4], make_modules(), **given)


def test_hard_limits_are_broken_before_and_kept_after(
    make_tree: MakeStudy, make_modules: Modules
) -> None:
    placing = place(stressed(make_tree, make_modules))
    before, after = both(placing)
    assert set(before.verification.counts()) == {"voltage", "overload"}
    assert before.cost == np.inf
    assert placing.run.is_feasible
    assert after.verification.violations == ()
    assert np.isfinite(after.cost)
    low = [found.flows[0].summary()["min_vm_pu"] for found in (before, after)]
    assert low[0] < 0.93 - 1e-3
    assert low[1] >= 0.93 - 1e-5
    worst = [found.flows[0].summary()["max_loading_percent"] for found in (before, after)]
    assert worst[0] > 100.0
    assert worst[1] <= 100.0 + 1e-3
    # by the model without corrections it would not have been seen
    plain = verify(replace(placing.run.study, feeder=uncorrected(placing)), before.placement)
    assert sum(it.value for it in plain.violations) < sum(
        it.value for it in before.verification.violations
    )


def test_limits_that_nothing_keeps(make_tree: MakeStudy, make_modules: Modules) -> None:
    placing = place(stressed(make_tree, make_modules, vm_min_pu=0.999))
    assert placing.after is None
    assert placing.before is not None
    assert placing.before.verification.counts()["voltage"] > 3
    assert not placing.run.is_feasible
    assert placing.summary()["after"] is None
    assert placing.rounds == 1


def test_without_corrections_one_round(make_tree: MakeStudy, make_modules: Modules) -> None:
    study = stressed(
        make_tree, make_modules, voltage_cost_per_pu_h=500.0, overload_cost_per_mwh=50.0
    )
    placing = place(study, rounds=1)
    assert placing.rounds == 1
    assert both(placing)[1].placement is placing.run.plan


def test_where_no_round_keeps_hard_limits_the_last_counts(
    make_tree: MakeStudy, make_modules: Modules
) -> None:
    tree = make_tree(SHARE, PRICE, scale=1.5)
    study = with_sites(tree, [2, 3, 4], make_modules(), modules_max=2, vm_min_pu=0.93)
    worst = []
    for rounds in (1, 2):
        placing = place(study, rounds=rounds, compare=False)
        _, after = both(placing)
        assert after.cost == np.inf
        assert placing.run.is_feasible
        assert not placing.is_feasible
        worst.append(sum(it.value for it in after.verification.violations))
    assert worst[1] < worst[0] / 10.0


def test_a_net_without_a_solution_is_told(make_tree: MakeStudy, make_modules: Modules) -> None:
    tree = make_tree(SHARE, PRICE, scale=8.0)
    market = replace(tree.exchange, import_max_mw=np.array([500.0]))
    study = with_sites(
        replace(tree, exchange=market), [4], make_modules("small"), voltage_cost_per_pu_h=10.0,
        overload_cost_per_mwh=10.0,
    )  # fmt: skip
    expected = r"without batteries fails in 2 of 2 periods: 1: .*mismatch.* MVA.*; 2: .*mismatch"
    with pytest.raises(GridoptError, match=expected):
        place(study)


def test_a_flow_without_a_solution_costs_infinity(
    make_tree: MakeStudy, make_modules: Modules
) -> None:
    """Batteries may charge more than the lines bear; LinDistFlow alone does not know it."""
    tree = make_tree((0.5, 1.0), (-40.0, 90.0))
    huge = make_modules("small", power_mw=np.array([40.0]), energy_mwh=np.array([30.0]))
    market = replace(
        tree.exchange, import_max_mw=np.array([500.0]), export_max_mw=np.array([500.0])
    )
    study = with_sites(
        replace(tree, exchange=market), [4], huge, count=1, vm_min_pu=0.0, vm_max_pu=np.inf,
        overload_cost_per_mwh=0.0, loss_cost_per_mwh=0.0,
    )  # fmt: skip
    placing = place(study)
    before, after = both(placing)
    assert before.flows[0].converged.all()
    assert placing.run.is_feasible
    assert not after.flows[0].converged.all()
    assert after.verification.is_feasible  # by LinDistFlow
    assert after.cost == np.inf
    assert not placing.is_feasible
    assert not placing.summary()["feasible"]


def test_scenarios_have_a_correction_each(make_tree: MakeStudy, make_modules: Modules) -> None:
    study = with_sites(
        make_tree(SHARE, PRICE), [2, 4], make_modules(), vm_min_pu=0.95,
        voltage_cost_per_pu_h=3000.0, count=1,
    )  # fmt: skip
    none = np.zeros((0, 3))
    scenarios = (
        Scenario("low", 0.4, study.demand_mw * 0.6, none, none),
        Scenario("high", 0.6, study.demand_mw * 1.2, none, none),
    )
    placing = place(replace(study, scenarios=scenarios), gap=0.0)
    _, after = both(placing)
    assert len(after.flows) == 2
    first, second = placing.run.study.radial.corrections
    assert np.abs(first.vm2_pu2).max() < np.abs(second.vm2_pu2).max()
    assert abs(after.cost - placing.run.cost) <= AGREED * placing.run.cost
    lost = [float(study.sites.loss_cost_per_mwh @ flow.loss_mw) for flow in after.flows]
    assert after.verification.cost["losses"] == pytest.approx(0.4 * lost[0] + 0.6 * lost[1])


def test_other_networks_are_placed_once(
    make_study: MakeStudy, make_tree: MakeStudy, make_modules: Modules
) -> None:
    meshed = place(with_sites(make_study(), modules=make_modules(), modules_max=2))
    assert meshed.rounds == 1
    assert meshed.after is not None
    assert meshed.after.flows == ()  # no net
    assert meshed.after.cost == pytest.approx(meshed.run.cost)
    study = with_sites(make_tree(SHARE, PRICE), modules=make_modules(), count=1)
    flat = place(study, formulation=BatteryPlacement("copperplate"))
    _, after = both(flat)
    assert flat.rounds == 1
    assert after.flows[0].converged.all()
    assert after.cost == pytest.approx(flat.run.cost)


def test_without_batteries_costs_what_the_rest_does(make_tree: MakeStudy) -> None:
    study = with_sites(make_tree(SHARE, PRICE), loss_cost_per_mwh=0.0, count=3)
    found = without_batteries(study, BatteryPlacement())
    assert found is not None
    assert found.placement.modules.sum() == 0
    expected = float(np.array(PRICE) @ study.total_demand_mw)
    assert found.cost == pytest.approx(expected)
    assert found.verification.cost["investment"] == 0.0
    assert checked(study, None) is None
