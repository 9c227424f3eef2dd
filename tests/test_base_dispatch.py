"""Dispatch without batteries: with room at the source for losses and batteries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.ac_items import Source
from gridopt.ac_sites import ACSites
from gridopt.base_dispatch import _between, base_dispatch
from gridopt.elements import CostCurve, Exchange
from gridopt.errors import GridoptError
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.placing import without_batteries
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.study import Study
from gridopt.verification import verify

Modules = Callable[..., BatteryModules]


@pytest.fixture(scope="module")
def study(make_modules: Modules) -> Study:
    """Return case14, whose slack is so cheap here that it runs at its limit of 100 MW."""
    case = gridopt.load_case("case14", hours=2, start=17, units="typical")
    g = case.thermal.element.index(("ext_grid", 0))
    limit, cost = case.thermal.p_max_mw.copy(), list(case.thermal.cost)
    limit[g], cost[g] = 100.0, CostCurve((0.0, 100.0), (0.0, 100.0))
    thermal = replace(case.thermal, p_max_mw=limit, cost=tuple(cost))
    module = make_modules("large", power_mw=np.array([5.0]), energy_mwh=np.array([10.0]))
    return with_sites(
        replace(case, thermal=thermal), [3, 8, 12], module, count=1, operation="profile",
        voltage_cost_per_pu_h=1000.0,
    )  # fmt: skip


def test_the_source_keeps_room(study: Study) -> None:
    bare = without_batteries(study, BatteryPlacement())
    assert bare is not None
    assert np.isinf(ACSites(study, bare).cost(np.zeros((1, 3))))  # nobody gives the losses
    found = base_dispatch(study)
    assert np.isfinite(ACSites(study, found).cost(np.eye(3))).all()
    source = Source.of(study, found.placement.schedules[0])
    assert source.power_mw.max() < 100.0 - 5.0
    assert verify(replace(study, sites=replace(study.sites, count=0)), found.placement).is_feasible
    (note,) = set(found.placement.study.assumptions) - set(study.assumptions)
    assert "ext_grid 0 at the slack stays" in note


def test_nothing_changes_where_there_is_room(make_modules: Modules) -> None:
    case = gridopt.load_case("case14", hours=2, start=17, units="typical")
    sited = with_sites(case, [3], make_modules("large"), operation="profile")
    bare = without_batteries(sited, BatteryPlacement())
    assert bare is not None
    found = base_dispatch(sited).placement.schedules[0]
    assert found.power_mw.tolist() == bare.placement.schedules[0].power_mw.tolist()


def test_a_source_without_room_is_told(study: Study, make_modules: Modules) -> None:
    module = make_modules("large", power_mw=np.array([80.0]), energy_mwh=np.array([160.0]))
    large = with_sites(study, [3], module, operation="profile")
    expected = (
        r"ext_grid 0 at the slack has 100 MW between its limits: .* at 1 sites .* up and .* down"
    )
    with pytest.raises(GridoptError, match=expected):
        base_dispatch(large)


def test_a_study_needs_its_net(study: Study) -> None:
    with pytest.raises(GridoptError, match="holds no pandapower net"):
        base_dispatch(replace(study, net=None))


def test_trade_keeps_room_too(study: Study) -> None:
    g = study.thermal.element.index(("ext_grid", 0))
    others = np.delete(np.arange(len(study.thermal)), g)
    market = Exchange(
        element=(study.thermal.element[g],),
        name=("market",),
        bus=study.thermal.bus[[g]],
        import_max_mw=np.array([100.0]),
        export_max_mw=np.array([20.0]),
        price_per_mwh=np.ones((1, 2)),
        slope_per_mw2h=np.zeros((1, 2)),
    )
    traded = replace(
        study, thermal=study.thermal.picked(others), exchange=market,
        fixed_status=study.fixed_status[others],
    )  # fmt: skip
    found = base_dispatch(traded)
    assert found.placement.schedules[0].import_mw.max() < 95.0
    assert np.isfinite(ACSites(traded, found).cost(np.eye(3))).all()


def test_part_of_a_curve() -> None:
    curve = CostCurve((0.0, 10.0, 20.0), (5.0, 15.0, 45.0), 0.1)
    part = _between(curve, 5.0, 15.0)
    assert part.power_mw == (5.0, 10.0, 15.0)
    at = np.linspace(5.0, 15.0, 7)
    assert part.cost(at) == pytest.approx(curve.cost(at))
