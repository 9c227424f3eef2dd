"""Studies as pglib-uc instances: the same rules read back, or a refusal of all that is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gridopt
from gridopt.elements import CostCurve, StartupCost
from gridopt.errors import StudyError
from gridopt.io.pglib_uc import read_pglib_uc
from gridopt.io.write_pglib_uc import write_pglib_uc
from gridopt.study import Study


@pytest.fixture(scope="module")
def day() -> Study:
    """Return eight hours of RTS-79 whose costs are lines already."""
    return gridopt.load_case("rts79", start=8424, hours=8)


def again(study: Study, folder: Path) -> Study:
    return read_pglib_uc(write_pglib_uc(study, folder / "study.json"))


def test_what_was_read_is_written_again(tmp_path: Path, day: Study) -> None:
    first = again(day, tmp_path)
    second = again(first, tmp_path)
    assert second.fingerprint() == first.fingerprint()
    assert [file.name for file in tmp_path.iterdir()] == ["study.json"]


def test_rules_stay_the_same(tmp_path: Path, day: Study) -> None:
    read = again(day, tmp_path)
    assert read.thermal.name == day.thermal.name
    np.testing.assert_allclose(read.total_demand_mw, day.total_demand_mw)
    np.testing.assert_array_equal(read.reserves.required_mw, day.reserves.required_mw)
    limits = np.minimum(day.thermal.ramp_up_mw_per_h, day.thermal.p_max_mw)
    np.testing.assert_array_equal(
        np.minimum(read.thermal.ramp_up_mw_per_h, day.thermal.p_max_mw), limits
    )
    np.testing.assert_array_equal(read.held_periods(), day.held_periods())
    ours = gridopt.solve(day, "unit_commitment", "highs", gap=1e-7)
    theirs = gridopt.solve(read, "unit_commitment", "highs", gap=1e-7)
    assert theirs.cost == pytest.approx(ours.cost, rel=1e-6)
    assert theirs.schedule is not None
    assert gridopt.verify(day, replace(theirs.schedule, study=day)).counts() == {}


def test_every_start_costs_the_same(tmp_path: Path, day: Study) -> None:
    cost = StartupCost((0.0, 3.5, 8.0), (10.0, 20.0, 40.0))
    units = replace(day.thermal, startup_cost=(cost,) * len(day.thermal))
    read = again(replace(day, thermal=units), tmp_path)
    for written, down in zip(read.thermal.startup_cost, units.min_down_time_h, strict=True):
        for off_h in range(int(down), 20):
            assert written.at(off_h) == cost.at(off_h)


def test_an_unknown_power_without_ramps_is_any(tmp_path: Path) -> None:
    study = gridopt.kazarlis()
    units = study.thermal
    lines = tuple(replace(curve, quadratic=0.0) for curve in units.cost)
    written = write_pglib_uc(
        replace(study, thermal=replace(units, cost=lines)), tmp_path / "kazarlis.json"
    )
    first = next(iter(json.loads(written.read_text("utf-8"))["thermal_generators"].values()))
    assert first["power_output_t0"] == first["power_output_minimum"] == 150.0
    assert first["ramp_up_limit"] == first["power_output_maximum"] == 455.0


def test_all_that_cannot_be_said_is_told_at_once(tmp_path: Path, day: Study) -> None:
    units = day.thermal
    curve = CostCurve((units.p_min_mw[0], units.p_max_mw[0]), (1.0, 2.0), quadratic=0.5)
    status = units.initial_status_h.copy()
    status[1] = -2.5
    bent = replace(units, cost=(curve, *units.cost[1:]), initial_status_h=status)
    fixed = day.fixed_status.copy()
    fixed[3, 2] = 1
    reserves = replace(day.reserves, shortage_cost_per_mwh=np.array([100.0]))
    changed = replace(
        day, thermal=bent, fixed_status=fixed, reserves=reserves, unserved_cost_per_mwh=1e4
    )
    with pytest.raises(StudyError) as caught:
        write_pglib_uc(changed, tmp_path / "study.json")
    assert {issue.field for issue in caught.value.issues} == {
        "fixed_status",
        "unserved_cost_per_mwh",
        "reserves",
        "cost.quadratic",
        "initial_status_h",
    }
    assert list(tmp_path.iterdir()) == []
