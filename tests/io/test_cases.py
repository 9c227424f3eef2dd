"""Any case by its name or its path."""

from __future__ import annotations

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
    assert not study.reserve_mw.any()
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
    assert (study.reserve_mw == RTS79_RESERVE_MW).all()
    assert study.net is not None


def test_rts79_of_another_hour_and_reserve() -> None:
    start = int(np.argmax(rts79_profiles().values["system"]))
    study = load_case("rts79", start=start, hours=2, reserve_fraction=0.1)
    assert study.total_demand_mw[0] == pytest.approx(PEAK_MW)
    assert study.reserve_mw == pytest.approx(0.1 * study.total_demand_mw)
    assert study.time.tolist() == [start, start + 1]
    none = load_case("rts79", hours=1, reserve_fraction=0.0)
    assert not none.reserve_mw.any()


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
    assert not named.reserve_mw.any()
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
