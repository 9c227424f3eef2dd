"""Any case by its name or its path."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pandapower as pp
import pandapower.networks
import pandas as pd
import pytest

from gridopt.errors import StudyError, UnknownNameError
from gridopt.io.cases import RTS79_RESERVE_MW, load_case
from gridopt.io.shipped import kazarlis, rts79_profiles

PEAK_MW = 2850.0


@pytest.mark.parametrize("copies", [1, 2, 10])
def test_kazarlis_by_name(copies: int) -> None:
    name = f"kazarlis10x{copies}"
    study = load_case(name)
    assert study.name == ("kazarlis10" if copies == 1 else name)
    assert study.fingerprint() == kazarlis(copies).fingerprint()
    assert len(study.thermal) == 10 * copies
    if copies == 1:
        assert load_case("kazarlis10").fingerprint() == study.fingerprint()


def test_a_window_of_kazarlis_at_prices_of_its_own() -> None:
    study = load_case(
        *("kazarlis10",),
        start=4,
        hours=3,
        reserve_fraction=0.0,
        unserved_cost_per_mwh=1000.0,
        surplus_cost_per_mwh=10.0,
    )
    assert study.total_demand_mw.tolist() == [1000.0, 1100.0, 1150.0]
    assert not study.reserves.total_required_mw().any()
    assert (study.unserved_cost_per_mwh, study.surplus_cost_per_mwh) == (1000.0, 10.0)


def test_typical_units_have_nothing_to_add_to_kazarlis() -> None:
    assert load_case("kazarlis10", units="typical").fingerprint() == kazarlis().fingerprint()


def test_rts79_is_a_day_of_its_year() -> None:
    study = load_case("rts79")
    assert study.name == "rts79"
    assert study.n_periods == 24
    assert len(study.thermal) == 32
    assert study.thermal.min_up_time_h.max() == 24.0
    assert study.total_demand_mw == pytest.approx(
        PEAK_MW * rts79_profiles().values["system"].iloc[:24]
    )
    assert (study.reserves.total_required_mw() == RTS79_RESERVE_MW).all()
    assert study.net is not None


def test_rts79_of_another_hour_and_reserve() -> None:
    start = int(np.argmax(rts79_profiles().values["system"]))
    study = load_case("rts79", start=start, hours=2, reserve_fraction=0.1)
    assert study.total_demand_mw[0] == pytest.approx(PEAK_MW)
    assert study.reserves.total_required_mw() == pytest.approx(0.1 * study.total_demand_mw)
    assert study.time.tolist() == [start, start + 1]
    none = load_case("rts79", hours=1, reserve_fraction=0.0)
    assert not none.reserves.total_required_mw().any()


def test_rts79_with_a_load_of_the_user() -> None:
    load = pd.DataFrame({"period": [0, 1], "system_mw": [1500.0, 1600.0]})
    study = load_case("rts79", profiles=load)
    assert study.total_demand_mw == pytest.approx([1500.0, 1600.0])


def test_a_net_by_name_or_path(tmp_path: Path) -> None:
    file = tmp_path / "nine.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' future, inside pandapower
        pp.to_json(pandapower.networks.case9(), str(file))
    named = load_case("case9", hours=2)
    for path in (file, str(file)):
        study = load_case(path, hours=2)
        assert study.name == "nine"
        assert study.total_demand_mw == pytest.approx(named.total_demand_mw)
    assert named.name == "case9"
    assert not named.reserves.total_required_mw().any()
    assert any("no profiles given" in note for note in named.assumptions)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("rts-79", "rts79"),
        ("kazarlis", "kazarlis10"),
        ("kazarlis10x0", "kazarlis10x"),
        ("kazarlis10x11", "kazarlis10x"),
        ("case24", "case24_ieee_rts"),
        ("Case9", "case9"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_case(name)
    assert f"unknown case {name!r}; did you mean " in str(caught.value)
    assert near in str(caught.value)


def test_a_name_like_no_other_is_told_with_all() -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_case("qqqq")
    for known in ("rts79", "kazarlis10", "kazarlis10x10", "case9", "case118"):
        assert known in str(caught.value)


@pytest.mark.parametrize("name", ["pp", "os", "warnings", "create_kerber_net", "__doc__"])
def test_only_functions_that_make_a_net_are_names(name: str) -> None:
    with pytest.raises(UnknownNameError):
        load_case(name)


@pytest.mark.parametrize("case", ["kazarlis10", "case9"])
def test_what_is_said_of_a_profile_needs_one(case: str) -> None:
    with pytest.raises(StudyError) as caught:
        load_case(case, period_h=0.5, tz="UTC")
    assert [issue.field for issue in caught.value.issues] == ["period_h", "tz"]


@pytest.mark.parametrize("case", ["kazarlis10", "case9"])
def test_all_faults_at_once(case: str) -> None:
    load = pd.DataFrame({"period": [0, 2], "system": [1.0, -1.0]})
    units = pd.DataFrame({"name": ["nobody", "none"], "min_up_time_h": [2, 0]})
    with pytest.raises(StudyError) as caught:
        load_case(case, profiles=load, units=units, unserved_cost_per_mwh=-1.0)
    told = {(issue.element, issue.field) for issue in caught.value.issues}
    assert told >= {
        ("profiles", "period"),
        ("profiles, column 'system'", "value"),
        ("unit nobody", "name"),
        ("unit none", "name"),
        ("unit none", "min_up_time_h"),
        ("study", "unserved_cost_per_mwh"),
    }


def instance_of_two_hours(folder: Path) -> Path:
    """Write a pglib-uc instance of one unit and return its path."""
    unit = {
        "must_run": 0,
        "power_output_minimum": 10.0,
        "power_output_maximum": 50.0,
        "ramp_up_limit": 40.0,
        "ramp_down_limit": 40.0,
        "ramp_startup_limit": 50.0,
        "ramp_shutdown_limit": 50.0,
        "time_up_minimum": 1,
        "time_down_minimum": 1,
        "power_output_t0": 20.0,
        "unit_on_t0": 1,
        "time_up_t0": 9,
        "time_down_t0": 0,
        "startup": [{"lag": 1, "cost": 5.0}],
        "piecewise_production": [{"mw": 10.0, "cost": 100.0}, {"mw": 50.0, "cost": 700.0}],
    }
    content = {
        "time_periods": 2,
        "demand": [20.0, 30.0],
        "reserves": [1.0, 2.0],
        "thermal_generators": {"only": unit},
        "renewable_generators": {},
    }
    path = folder / "two hours.json"
    path.write_text(json.dumps(content))
    return path


def test_an_instance_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    path = instance_of_two_hours(tmp_path)
    packed = tmp_path / "packed.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    study = load_case(path)
    assert (study.name, study.thermal.name) == ("two hours", ("only",))
    assert load_case(str(path)).fingerprint() == study.fingerprint()
    assert load_case(packed).total_demand_mw.tolist() == [20.0, 30.0]


def test_the_first_hours_of_an_instance_at_prices(tmp_path: Path) -> None:
    study = load_case(
        *(instance_of_two_hours(tmp_path),),
        hours=1,
        unserved_cost_per_mwh=1000.0,
        surplus_cost_per_mwh=10.0,
    )
    assert study.total_demand_mw.tolist() == [20.0]
    assert study.reserves.total_required_mw().tolist() == [1.0]
    assert (study.unserved_cost_per_mwh, study.surplus_cost_per_mwh) == (1000.0, 10.0)


def test_what_an_instance_brings_itself_cannot_be_given(tmp_path: Path) -> None:
    path = instance_of_two_hours(tmp_path)
    with pytest.raises(StudyError) as caught:
        load_case(
            path,
            profiles=pd.DataFrame({"period": [0], "system": [1.0]}),
            units="typical",
            period_h=0.5,
            tz="UTC",
            reserve_fraction=0.1,
            start=1,
            hours=3,
        )
    fields = ["profiles", "units", "period_h", "tz", "reserve_fraction", "start", "hours"]
    assert [issue.field for issue in caught.value.issues] == fields
    assert {issue.element for issue in caught.value.issues} == {"file two hours.json"}


@pytest.mark.parametrize("hours", [0, -1.0, 1.5, 3, np.nan])
def test_hours_that_an_instance_has_not(tmp_path: Path, hours: float) -> None:
    with pytest.raises(StudyError, match=r"whole periods of 1 h, 2 h at most"):
        load_case(instance_of_two_hours(tmp_path), hours=hours)


def test_an_instance_cut_short_is_told_as_one(tmp_path: Path) -> None:
    path = instance_of_two_hours(tmp_path)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(StudyError, match=r"pglib-uc file two hours\.json: JSON"):
        load_case(path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("other.json", b'{"some": "thing"}', "a net saved by pandapower"),
        ("cut.json", b'{"some": ', "readable JSON"),
        ("binary.json", b"\xff\x00", "JSON in UTF-8"),
        ("other.json.gz", gzip.compress(b'{"some": "thing"}', mtime=0), "an instance in JSON"),
        ("cut.json.gz", gzip.compress(b"{}", mtime=0)[:-4], "a complete gzip file"),
    ],
)
def test_files_of_no_known_form(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=expected):
        load_case(tmp_path / name)
