"""Batteries that hold spinning reserve, beside units that do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.placement import Placement
from gridopt.running import Run
from gridopt.study import Study

MODULE = "li_ion_10mw_4h"
COPPERPLATE = BatteryPlacement(network="copperplate")


def sited(holds_reserve: bool) -> Study:
    study = gridopt.load_case("rts79", start=8440, hours=3, reserve_fraction=0.15)
    return gridopt.with_sites(
        study, [0], [MODULE], count=1, modules_max=5, holds_reserve=holds_reserve
    )


def placed(study: Study) -> tuple[Run, Placement]:
    run = gridopt.solve(study, COPPERPLATE, "highs", gap=1e-6, time_limit_s=30.0)
    assert run.is_feasible
    assert isinstance(run.plan, Placement)
    return run, run.plan


def test_reserve_of_batteries_lets_units_hold_less() -> None:
    study = sited(holds_reserve=True)
    without, _ = placed(sited(holds_reserve=False))
    run, plan = placed(study)
    assert run.cost < without.cost
    (held,), (schedule,) = plan.reserve_mw, plan.schedules
    assert held.max() > 0.1
    required = study.reserves.required_mw
    by_units = schedule.reserve_mw.sum(axis=(0, 1))
    assert (by_units + held.sum(axis=(0, 1)) >= required[0] - 1e-6).all()
    assert (by_units < required[0] - 0.1).any()
    stored = schedule.study.storage
    given = schedule.discharge_mw - schedule.charge_mw + held[0]
    assert (given <= stored.discharge_max_mw[:, np.newaxis] + 1e-6).all()


def test_reserve_that_batteries_cannot_hold_is_found() -> None:
    study = sited(holds_reserve=True)
    _, plan = placed(study)
    more = replace(plan, reserve_mw=(np.full_like(plan.reserve_mw[0], 1000.0),))
    assert {"battery_reserve_power", "battery_reserve_energy"} <= set(
        gridopt.verify(study, more).counts()
    )
    none = replace(plan, reserve_mw=())
    assert "reserve" in gridopt.verify(study, none).counts()
    forbidden = gridopt.verify(sited(holds_reserve=False), plan)
    assert "battery_reserve_kind" in forbidden.counts()
    negative = replace(plan, reserve_mw=(-plan.reserve_mw[0],))
    assert "battery_reserve_sign" in gridopt.verify(study, negative).counts()


def test_a_profile_holds_no_reserve() -> None:
    study = gridopt.load_case("rts79", start=8440, hours=3)
    study = gridopt.with_sites(
        study, [0], [MODULE], count=1, operation="profile", holds_reserve=True
    )
    program = COPPERPLATE.build(study)
    assert not [name for name in program.variables if name.startswith("battery_reserve")]
    assert placed(study)[1].reserve_mw[0] == pytest.approx(0.0)
