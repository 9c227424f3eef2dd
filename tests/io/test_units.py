"""Unit tables: what is read, what is refused, and how they override a net."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridopt.elements import StartupCost
from gridopt.errors import StudyError
from gridopt.io.unit_table import UNIT_COLUMNS, read_units
from gridopt.io.units import thermal_units

TABLE = """\
element,index,name,min_up_time_h,ramp_up_mw_per_h,must_run,startup_lag_h,startup_cost,cost_power_mw,cost_per_h
gen,0,U76,8,120,true,0;10,715.2;900,15.2;38;76,312;576;1094
sgen,4,,2.5,inf,,,,,
"""


def faults(source: pd.DataFrame | Path) -> list[str]:
    with pytest.raises(StudyError) as caught:
        read_units(source)
    return [str(issue) for issue in caught.value.issues]


def table(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def base(**changes: list[Any]) -> pd.DataFrame:
    """Two units as a net gives them: 20 to 100 MW and on, 10 to 50 MW and off."""
    frame = pd.DataFrame(
        {
            "element": ["gen", "sgen"],
            "index": [0, 4],
            "name": ["G0", "S4"],
            "bus": [0, 1],
            "p_min_mw": [20.0, 10.0],
            "p_max_mw": [100.0, 50.0],
            "cost_power_mw": [(20.0, 60.0, 100.0), (10.0, 50.0)],
            "cost_per_h": [(300.0, 700.0, 1300.0), (100.0, 900.0)],
            "cost_quadratic": [0.0, 0.01],
            "initial_power_mw": [60.0, 0.0],
        }
    )
    return frame.assign(**changes)


# --- reading ----------------------------------------------------------------------------------


def test_reads_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text("\ufeff" + TABLE, encoding="utf-8")
    units = read_units(path)
    assert tuple(units.columns) == UNIT_COLUMNS
    assert units["startup_lag_h"][0] == (0.0, 10.0)
    assert units["cost_per_h"][0] == (312.0, 576.0, 1094.0)
    assert units["must_run"].tolist() == [True, pd.NA]
    assert units["ramp_up_mw_per_h"].tolist() == [120.0, math.inf]
    assert units["startup_cost"][1] is None
    assert np.isnan(units["p_min_mw"]).all()


def test_reads_what_it_wrote() -> None:
    units = read_units(table(name=["a"], startup_cost=["5;6"], startup_lag_h=[(0, 3)]))
    pd.testing.assert_frame_equal(read_units(units), units)


def test_all_faults_come_together() -> None:
    found = faults(
        table(
            element=["gen", "gen", "load", None, "gen"],
            index=["0", "0", "2", None, "x"],
            min_up_time_h=[0, "long", 1, 1, 1],
            ramp_up_mw_per_h=[-1, 0, 1, 1, 1],
            min_dwon_time_h=[1, 1, 1, 1, 1],
        )
    )
    assert found == [
        "unit table: column = 'min_dwon_time_h', expected a column of a unit table; "
        "did you mean 'min_down_time_h'?",
        "gen 0: min_up_time_h = 0, expected a number of hours above 0",
        "gen 0: ramp_up_mw_per_h = -1, expected a number above 0, or inf",
        "gen 0: min_up_time_h = 'long', expected a number of hours above 0",
        "gen 0: ramp_up_mw_per_h = 0, expected a number above 0, or inf",
        "load 2: element = load, expected gen, sgen or ext_grid",
        "gen x: index = 'x', expected a whole number of at least 0",
        "gen 0: element, index = used 2 times, expected one row a unit",
        "row 4 of the unit table: key = missing, expected element and index, or name",
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"name": ["a", "a"]}, "unit a: name = used 2 times, expected one row a unit"),
        (
            {"p_min_mw": [1]},
            "unit table: columns = p_min_mw, expected name, or element and index",
        ),
        (
            {"element": ["gen"], "index": [None], "name": ["a"]},
            "unit a: key = element=gen, name=a, expected element and index, or name",
        ),
        (
            {"name": ["a"], "startup_lag_h": ["0;6"], "startup_cost": ["1;2;3"]},
            "unit a: startup_cost = 1;2;3, expected as many numbers as startup_lag_h = 0;6",
        ),
        (
            {"name": ["a"], "startup_cost": ["1;2"]},
            "unit a: startup_lag_h = missing, expected a list beside startup_cost = 1;2",
        ),
        (
            {"name": ["a"], "cost_power_mw": ["10;20"]},
            "unit a: cost_per_h = missing, expected a list beside cost_power_mw = 10;20",
        ),
        (
            {"name": ["a"], "cost_power_mw": ["20;10"], "cost_per_h": ["1;2"]},
            "unit a: cost_power_mw = 20;10, expected rising MW, like 20;60;100",
        ),
        (
            {"name": ["a"], "must_run": ["maybe"]},
            "unit a: must_run = 'maybe', expected true or false",
        ),
        (
            {"name": ["a"], "initial_status_h": [0]},
            "unit a: initial_status_h = 0, expected hours on (+) or off (−), never 0",
        ),
        (
            {"name": ["a"], "p_max_mw": [True]},
            "unit a: p_max_mw = True, expected a number of at least 0",
        ),
        (
            {"name": ["a"], "p_max_mw": ["nan"]},
            "unit a: p_max_mw = 'nan', expected a number of at least 0",
        ),
    ],
)
def test_refuses(columns: dict[str, list[Any]], message: str) -> None:
    assert faults(table(**columns)) == [message]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xff\xfe\x00", "can't decode"),
        (b"name\x00\n", "no text file"),
        (b"name,p_min_mw\na,1,2\n", "line 2 has 3 cells, the header 2"),
    ],
)
def test_refuses_an_unreadable_file(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "units.csv"
    path.write_bytes(content)
    [message] = faults(path)
    assert message.startswith("unit table units.csv: file = unreadable")
    assert reason in message


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    assert "No such file" in faults(tmp_path / "units.csv")[0]


def test_refuses_a_column_twice() -> None:
    twice = pd.DataFrame([["a", 1, 2]], columns=["name", "p_min_mw", "p_min_mw"])
    assert faults(twice) == [
        "unit table: column = 'p_min_mw' used 2 times, expected each column once"
    ]


# --- from tables to units ---------------------------------------------------------------------


def test_defaults_of_a_net_alone() -> None:
    units, assumptions, issues = thermal_units(base(), None, typical=False, horizon_h=24)
    assert not issues
    assert units.element == (("gen", 0), ("sgen", 4))
    assert units.ramp_up_mw_per_h.tolist() == [math.inf, math.inf]
    assert units.min_up_time_h.tolist() == [1.0, 1.0]
    assert units.startup_cost == (StartupCost(), StartupCost())
    assert units.initial_status_h.tolist() == [24.0, -24.0]
    assert units.initial_power_mw.tolist() == [60.0, 0.0]
    assert units.cost[1].quadratic == 0.01
    assert assumptions == (
        "initial_status_h = +24 (on for long) for G0",
        "initial_status_h = -24 (off for long) for S4",
    )


def test_a_unit_of_unknown_or_impossible_power_is_on_at_unknown_power() -> None:
    frame = base(initial_power_mw=[math.nan, 5.0])
    units, _, issues = thermal_units(frame, None, typical=False, horizon_h=None)
    assert not issues
    assert units.initial_on.all()
    assert np.isnan(units.initial_power_mw).all()


def test_table_overrides_cell_by_cell_by_key_and_by_name() -> None:
    given = read_units(
        table(
            element=["sgen", None],
            index=[4, None],
            name=["hydro", "G0"],
            ramp_up_mw_per_h=[30, None],
            startup_cost=["7", None],
            initial_status_h=[None, -3],
            must_run=[None, "yes"],
        )
    )
    units, assumptions, issues = thermal_units(base(), given, typical=False, horizon_h=None)
    assert not issues
    assert units.name == ("G0", "hydro")
    assert units.ramp_up_mw_per_h.tolist() == [math.inf, 30.0]
    assert units.startup_cost[1] == StartupCost((0.0,), (7.0,))
    assert units.initial_status_h.tolist() == [-3.0, -24.0]
    assert units.initial_power_mw.tolist() == [0.0, 0.0]
    assert units.must_run.tolist() == [True, False]
    assert assumptions == ("initial_status_h = -24 (off for long) for hydro",)


def test_given_on_without_power_is_unknown_power() -> None:
    given = read_units(table(name=["G0", "S4"], initial_status_h=[5, 5], initial_power_mw=["", 20]))
    units, _, _ = thermal_units(base(), given, typical=False, horizon_h=None)
    assert np.isnan(units.initial_power_mw[0])
    assert units.initial_power_mw[1] == 20.0


def test_curve_follows_new_limits() -> None:
    given = read_units(table(name=["G0"], p_min_mw=[40], p_max_mw=[120]))
    units, _, issues = thermal_units(base(), given, typical=False, horizon_h=None)
    assert not issues
    assert units.cost[0].power_mw == (40.0, 60.0, 120.0)
    assert units.cost[0].cost_per_h == (500.0, 700.0, 1600.0)
    assert units.cost[1].power_mw == (10.0, 50.0)


def test_given_curve_replaces_all_of_the_cost_and_must_span() -> None:
    given = read_units(
        table(
            name=["G0", "S4"],
            cost_power_mw=["20;80", "0;100"],
            cost_per_h=["1;2", "0;1000"],
        )
    )
    units, _, issues = thermal_units(base(), given, typical=False, horizon_h=None)
    assert [str(issue) for issue in issues] == [
        "gen 0 (G0): cost_power_mw = 20;80, expected breakpoints from p_min_mw = 20 "
        "to p_max_mw = 100"
    ]
    assert units.cost[1].power_mw == (10.0, 50.0)
    assert units.cost[1].cost_per_h == (100.0, 500.0)
    assert units.cost[1].quadratic == 0.0


def test_crossed_limits_are_left_to_the_study() -> None:
    given = read_units(table(name=["G0"], p_min_mw=[200]))
    units, _, issues = thermal_units(base(), given, typical=False, horizon_h=None)
    assert not issues
    assert units.cost[0].power_mw == (200.0,)


def test_rows_that_match_nothing_or_twice_or_another_bus_are_faults() -> None:
    given = read_units(
        table(
            element=["gen", "gen", None, None],
            index=[0, 7, None, None],
            name=["new", None, "G0", "S5"],
            bus=[3, None, None, None],
        )
    )
    frame = base().assign(bus_index=[2, 3])
    _, _, issues = thermal_units(frame, given, typical=False, horizon_h=None)
    assert [str(issue) for issue in issues] == [
        "gen 0 (new): bus = 3, expected 2, where the net has this unit",
        "gen 7: element, index = no such unit, expected a thermal unit of the net, such as "
        "gen 0, sgen 4",
        "unit G0: key = a second row for gen 0 (new), expected one row a unit",
        "unit S5: name = no such unit, expected a thermal unit of the net, such as G0, S4",
    ]


def test_given_minimum_up_time_beyond_the_horizon_is_a_fault() -> None:
    given = read_units(table(name=["G0"], min_up_time_h=[48]))
    _, _, issues = thermal_units(base(), given, typical=False, horizon_h=24)
    assert [str(issue) for issue in issues] == [
        "gen 0 (G0): min_up_time_h = 48.0, expected at most the horizon of 24 h"
    ]


def test_typical_numbers_fill_what_is_missing_and_say_so() -> None:
    given = read_units(table(name=["G0", "S4"], technology=["Coal", None], min_up_time_h=[5, None]))
    units, assumptions, issues = thermal_units(base(), given, typical=True, horizon_h=4)
    assert [issue.field for issue in issues] == ["min_up_time_h"]  # only what was given
    assert units.min_up_time_h.tolist() == [5.0, 2.2]
    assert units.min_down_time_h.tolist() == [4.0, 2.2]
    assert units.ramp_up_mw_per_h == pytest.approx([158.0, 202.0])
    assert units.startup_cost[0].lag_h == (0.0, 10.0, 12.0)
    assert units.startup_cost[0].cost == pytest.approx((9400.0, 13520.0, 14700.0))
    assert "min_down_time_h = 4 for G0 (typical of coal up to 100 MW)" in assumptions
    assert "ramp_up_mw_per_h = 404% of p_max_mw for S4 (typical of gas ct)" in assumptions
    assert not any("min_up_time_h = 8" in line for line in assumptions)


def test_typical_numbers_by_size() -> None:
    for p_max_mw, label in ((20, "oil ct"), (200, "coal up to 250 MW"), (800, "gas cc")):
        frame = base(p_max_mw=[100.0, p_max_mw])
        _, assumptions, _ = thermal_units(frame, None, typical=True, horizon_h=None)
        assert any(f"S4 (typical of {label})" in line for line in assumptions), p_max_mw
