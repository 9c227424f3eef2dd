"""The source folder of RTS-GMLC: a small system in its form, with rows of the real one."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gridopt
from gridopt.errors import StudyError
from gridopt.io.cases import load_case
from gridopt.io.rts_gmlc import read_rts_gmlc, source_folder

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "pglib-uc"

GEN_HEADER = (
    "GEN UID,Bus ID,Gen ID,Unit Group,Unit Type,Category,Fuel,MW Inj,MVAR Inj,V Setpoint p.u.,"
    "PMax MW,PMin MW,QMax MVAR,QMin MVAR,Min Down Time Hr,Min Up Time Hr,Ramp Rate MW/Min,"
    "Start Time Cold Hr,Start Time Warm Hr,Start Time Hot Hr,Start Heat Cold MBTU,"
    "Start Heat Warm MBTU,Start Heat Hot MBTU,Non Fuel Start Cost $,Non Fuel Shutdown Cost $,"
    "FOR,MTTF Hr,MTTR Hr,Scheduled Maint Weeks,Fuel Price $/MMBTU,Output_pct_0,Output_pct_1,"
    "Output_pct_2,Output_pct_3,Output_pct_4,HR_avg_0,HR_incr_1,HR_incr_2,HR_incr_3,HR_incr_4,VOM,"
    "Pump Load MW,Storage Roundtrip Efficiency"
)

# Rows of the real table (Barrows et al. 2020, doi 10.1109/TPWRS.2019.2925557), at other buses.
GEN_ROWS = """
101_CT_1,101,1,U20,CT,Oil CT,Oil,8,4.96,1.0468,20,8,10,0,1,1,3,1,0,0,5,5,5,0,0,0.1,450,50,2,10.3494,0.4,0.6,0.8,1,NA,13114,9456,9476,10352,NA,0,0,0
101_STEAM_3,101,3,U76,STEAM,Coal,Coal,76,0.14,1.0468,76,30,30,-25,4,8,2,12,10,3,5284.8,4861.4,3379.4,0,0,0.02,1960,40,3,2.11399,0.394736842,0.596491228,0.798245614,1,NA,13270,6713,8028,8549,NA,0,0,0
107_CC_1,102,1,U355,CC,Gas CC,NG,355,49.51,1.05,355,170,150,-25,4.5,8,4.14,2,1,0.5,7215.1,4536.1,3196.6,0,0,0.033,967,33,1.07,3.88722,0.478873239,0.65258216,0.82629108,1,NA,7222,5970,6892,7854,NA,0,0,0
115_STEAM_1,102,1,U12,STEAM,Oil ST,Oil,0,6,1.0428,12,5,6,0,2,4,1,12,4,2,68,44,38,0,0,0.02,2940,60,2,10.3494,0.416666667,0.611111111,0.805555556,1,NA,17340,12030,12083,12913,NA,0,0,0
123_STEAM_3,201,3,U350,STEAM,Coal,Coal,350,28.41,1.05,350,140,150,-25,48,24,4,96,12,8,17384.1,10114.4,9768.2,0,0,0.08,1150,100,5,2.11399,0.4,0.6,0.8,1,NA,12106,9453,10240,11087,NA,0,0,0
121_NUCLEAR_1,201,1,U400,NUCLEAR,Nuclear,Nuclear,400,-21.87,1.05,400,396,200,-50,48,24,20,9999,9999,9999,78978,0,9999,0,0,0.12,1100,150,6,0.81035,0.99,0.993333333,0.996666667,1,NA,10000,10000,10000,10000,NA,0,0,0
114_SYNC_COND_1,101,1,Sync_Cond,SYNC_COND,Sync_Cond,Sync_Cond,0,103.32,1.0441,0,0,200,-50,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,NA,0,0,0,0,NA,0,0,0
122_HYDRO_1,102,1,U50,HYDRO,Hydro,Hydro,50,-6.79,1.05,50,0,16,-10,0,0,50,0,0,0,0,0,0,0,0,0.01,1980,20,2,0,1,0,0,0,NA,3412,0,0,0,NA,0,0,0
320_PV_1,201,1,PV,PV,Solar PV,Solar,0,0,1,51.6,0,0,0,0,0,51.6,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,NA,0,0,0,0,NA,0,0,0
122_WIND_1,101,1,WIND,WIND,Wind,Wind,0,0,1,713.5,0,0,0,0,0,713.5,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,NA,0,0,0,0,NA,0.5,0,0
212_CSP_1,201,1,CSP,CSP,CSP,Solar,0,0,1,200,30,0,0,1,1,20,1,1,1,0,0,0,10000,0,0.04,960,40,0,0,0,0,0,0,NA,0,0,0,0,NA,1.1,0,0
313_STORAGE_1,201,1,STORAGE,STORAGE,Storage,Storage,0,0,1,50,0,0,0,0,0,50,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,NA,0,0,0,0,NA,0,50,85
"""  # noqa: E501

THERMAL = ("101_CT_1", "101_STEAM_3", "107_CC_1", "115_STEAM_1", "123_STEAM_3", "121_NUCLEAR_1")

ELIGIBLE = "(Gas CT,Gas CC,Oil CT,Oil ST,Coal,Solar PV,Wind,CSP)"

DAYS = ((2020, 7, 5), (2020, 7, 6))
STAMPS = [[*day, period] for day in DAYS for period in range(1, 25)]
LOAD = np.array([[600.0 + 5 * t, 300.0 + 2 * t] for t in range(len(STAMPS))])


def write_csv(path: Path, header: str | Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    names = header.split(",") if isinstance(header, str) else header
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the folder of a system of three buses and two areas."""
    data = tmp_path_factory.mktemp("rts") / "RTS_Data"
    source, series = data / "SourceData", data / "timeseries_data_files"
    write_csv(
        source / "bus.csv",
        "Bus ID,Bus Name,BaseKV,Bus Type,MW Load,MVAR Load,MW Shunt G,Area,Zone",
        [
            [101, "Abel", 138.0, "PV", 30.0, 7.0, 0.0, 1, 11.0],
            [102, "Adams", 138.0, "Ref", 90.0, 9.0, 2.0, 1, 12.0],
            [201, "Bach", 138.0, "PQ", 50.0, 5.0, 0.0, 2, 21.0],
        ],
    )
    write_csv(
        source / "branch.csv",
        "UID,From Bus,To Bus,R,X,B,Cont Rating,LTE Rating,STE Rating,Tr Ratio,Length",
        [
            ["A1", 101.0, 102.0, 0.003, 0.014, 0.461, 175, 193, 200, 0, 3],
            ["A2", 101.0, 201.0, 0.055, 0.2, 0.057, 0, 0, 0, 1.015, 55],
            ["A3", 102.0, 201.0, 0.022, 0.085, 0.023, 500, 600, 625, 0, 22],
        ],
    )
    write_csv(source / "dc_branch.csv", ["UID", "From Bus", "To Bus"], [["DC1", 101, 201]])
    rows = [row.split(",") for row in GEN_ROWS.split("\n") if row]
    write_csv(source / "gen.csv", GEN_HEADER, rows)
    write_csv(
        source / "storage.csv",
        ["GEN UID", "Storage", "Max Volume GWh", "Initial Volume GWh"],
        [
            ["212_CSP_1", "212_CSP_HEAD_STORAGE", 1.2, 0],
            ["313_STORAGE_1", "313_TAIL_STORAGE", 9.9, 9.9],
            ["313_STORAGE_1", "313_HEAD_STORAGE", 0.15, 0.075],
        ],
    )
    write_csv(
        source / "reserves.csv",
        "Reserve Product,Timeframe (sec),Requirement (MW),Eligible Regions,"
        "Eligible Device Categories,Eligible Device SubCategories,Direction",
        [
            ["Spin_Up_R1", 600, 99, 1, "(Generator)", ELIGIBLE, "Up"],
            ["Flex_Up", 1200, 12.5, "(1,2)", "(Generator)", ELIGIBLE, "Up"],
            ["Reg_Up", 300, 99, "(1,2)", "(Generator)", ELIGIBLE, "Up"],
            ["Reg_Down", 300, 99, "(1,2)", "(Generator)", ELIGIBLE, "Down"],
        ],
    )
    write_csv(
        source / "simulation_objects.csv",
        ["Simulation_Parameters", "Description", "DAY_AHEAD", "REAL_TIME"],
        [["Period_Resolution", "in seconds", 3600, 300], ["Date_From", "", "7/5/20 0:00", "x"]],
    )
    _write_series(source, series)
    return data


def _write_series(source: Path, series: Path) -> None:
    date = ["Year", "Month", "Day"]
    pointers: list[list[object]] = []

    def put(name: str, columns: Sequence[object], values: Any, *objects: Sequence[object]) -> None:
        rows = [[*stamp, *line] for stamp, line in zip(STAMPS, values, strict=True)]
        write_csv(series / name, [*date, "Period", *columns], rows)
        for category, item, parameter in objects:
            path = f"../timeseries_data_files/{name}"
            pointers.append(["DAY_AHEAD", category, item, parameter, 2850, path])

    hours = range(len(STAMPS))
    put(
        *("Load/DAY_AHEAD_regional_Load.csv", ["1", "2"], LOAD),
        *(("Area", area, "MW Load") for area in (1, 2)),
    )
    hydro = ("Generator", "122_HYDRO_1", "PMax MW"), ("Generator", "122_HYDRO_1", "PMin MW")
    put("HYDRO/DAY_AHEAD_hydro.csv", ["122_HYDRO_1"], [[10 + t % 5] for t in hours], *hydro)
    sun = [[max(0, 12 - abs(t % 24 - 12)), 7.0] for t in hours]
    put(
        *("PV/DAY_AHEAD_pv.csv", ["320_PV_1", "999_PV_1"], sun),
        ("Generator", "320_PV_1", "PMax MW"),
    )
    put(
        *("WIND/DAY_AHEAD_wind.csv", ["122_WIND_1"], [[t] for t in hours]),
        ("Generator", "122_WIND_1", "PMax MW"),
    )
    put(
        *(
            "Reserves/DAY_AHEAD_regional_Spin_Up_R1.csv",
            ["Spin_Up_R1"],
            [[0.03 * t] for t in hours],
        ),
        ("Reserve", "Spin_Up_R1", "Requirement"),
    )
    for name in ("Reg_Up", "Reg_Down"):  # one row a day, one column a period
        path = f"Reserves/DAY_AHEAD_regional_{name}.csv"
        rows = [[*day, *range(1, 25)] for day in DAYS]
        write_csv(series / path, [*date, *range(1, 25)], rows)
        where = f"../timeseries_data_files/{path}"
        pointers.append(["DAY_AHEAD", "Reserve", name, "Requirement", 1, where])
    pointers.append(["REAL_TIME", "Area", 1, "MW Load", 1, "../timeseries_data_files/no.csv"])
    header = "Simulation,Category,Object,Parameter,Scaling Factor,Data File"
    write_csv(source / "timeseries_pointers.csv", header, pointers)


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder, to be spoiled."""
    return Path(shutil.copytree(small, tmp_path / "RTS_Data"))


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def told(folder: Path, **options: Any) -> dict[tuple[str, str], str]:
    """Return what is said of each (element, field)."""
    with pytest.raises(StudyError) as caught:
        read_rts_gmlc(folder, **options)
    return {(issue.element, issue.field): str(issue) for issue in caught.value.issues}


def test_grid(small: Path) -> None:
    grid = read_rts_gmlc(small).grid
    assert grid.bus_name == ("101", "102", "201")
    assert grid.branch_name == ("A1", "A2", "A3")
    assert grid.branch_element == (("branch", 0), ("branch", 1), ("branch", 2))
    assert grid.from_bus.tolist() == [0, 0, 1]
    assert grid.to_bus.tolist() == [1, 2, 2]
    assert grid.susceptance_mw == pytest.approx([100 / 0.014, 100 / (0.2 * 1.015), 100 / 0.085])
    assert grid.rating_mw.tolist() == [175.0, np.inf, 500.0]
    assert grid.emergency_rating_mw.tolist() == [193.0, np.inf, 600.0]
    assert grid.shunt_mw.tolist() == [0.0, 2.0, 0.0]
    assert grid.reference_bus == 1


@pytest.mark.parametrize(("start", "first"), [(0, 0), (5, 5), ("2020-07-06", 24)])
def test_load_of_the_areas_is_shared_out(small: Path, start: int | str, first: int) -> None:
    study = read_rts_gmlc(small, start=start, hours=20)
    part = LOAD[first : first + 20]
    assert study.n_periods == 20
    assert study.time.tolist() == list(range(first, first + 20))
    assert study.demand_mw[0] == pytest.approx(part[:, 0] * 30 / 120)
    assert study.demand_mw[1] == pytest.approx(part[:, 0] * 90 / 120)
    assert study.demand_mw[2] == pytest.approx(part[:, 1])


def test_a_day_unless_said_otherwise_and_time_stamps_in_a_zone(small: Path) -> None:
    study = read_rts_gmlc(small, start=30, hours=3, tz="America/Phoenix")
    assert study.time[0] == pd.Timestamp("2020-07-06 06:00", tz="America/Phoenix")
    assert study.time[2] == pd.Timestamp("2020-07-06 08:00", tz="America/Phoenix")
    assert read_rts_gmlc(small).n_periods == 24


def test_thermal_units(small: Path) -> None:
    study = read_rts_gmlc(small)
    units = study.thermal
    assert units.name == THERMAL
    assert units.element == tuple(("gen", i) for i in range(6))
    assert units.bus.tolist() == [0, 0, 1, 1, 2, 2]
    assert units.p_min_mw.tolist() == [8.0, 30.0, 170.0, 5.0, 140.0, 396.0]
    assert units.p_max_mw.tolist() == [20.0, 76.0, 355.0, 12.0, 350.0, 400.0]
    assert units.ramp_up_mw_per_h == pytest.approx([180.0, 120.0, 248.4, 60.0, 240.0, 1200.0])
    assert units.ramp_down_mw_per_h.tolist() == units.ramp_up_mw_per_h.tolist()
    assert units.startup_ramp_mw.tolist() == units.p_min_mw.tolist()
    assert units.shutdown_ramp_mw.tolist() == units.p_min_mw.tolist()
    assert units.min_up_time_h.tolist() == [1.0, 8.0, 8.0, 4.0, 24.0, 24.0]
    assert units.min_down_time_h.tolist() == [1.0, 4.0, 4.5, 2.0, 48.0, 48.0]
    assert not units.must_run.any()
    assert units.cost[0].power_mw == (8.0, 12.0, 16.0, 20.0)
    fuel = 10.3494
    assert units.cost[0].cost_per_h == pytest.approx(
        np.cumsum([13.114 * 8 * fuel, 9.456 * 4 * fuel, 9.476 * 4 * fuel, 10.352 * 4 * fuel])
    )
    assert units.cost[1].power_mw[0] == 30.0
    assert units.cost[1].power_mw[-1] == 76.0


def test_startup_by_time_off(small: Path) -> None:
    """Categories that the minimum down time swallows give way to the colder one."""
    startup = dict(zip(THERMAL, read_rts_gmlc(small).thermal.startup_cost, strict=True))
    assert startup["101_STEAM_3"].lag_h == (4.0, 10.0, 12.0)
    heat = np.array([3379.4, 4861.4, 5284.8])
    assert startup["101_STEAM_3"].cost == pytest.approx(2.11399 * heat)
    assert startup["107_CC_1"].lag_h == (4.5,)
    assert startup["107_CC_1"].cost == pytest.approx((3.88722 * 7215.1,))
    assert startup["123_STEAM_3"].lag_h == (48.0, 96.0)
    assert startup["123_STEAM_3"].cost == pytest.approx((2.11399 * 10114.4, 2.11399 * 17384.1))
    assert startup["121_NUCLEAR_1"].lag_h == (48.0,)


def test_units_are_those_of_pglib_uc(small: Path) -> None:
    """pglib-uc made its instances from this table; what it changed is told in the docstring."""
    path = SHARED / "rts_gmlc_2020-07-06.json"
    if not path.is_file():
        pytest.skip(f"{path.name} of pglib-uc is not at hand")
    there = json.loads(path.read_text())["thermal_generators"]
    units = read_rts_gmlc(small).thermal
    for g, name in enumerate(units.name):
        unit = there[name]
        assert units.p_min_mw[g] == unit["power_output_minimum"]
        assert units.p_max_mw[g] == unit["power_output_maximum"]
        assert units.startup_ramp_mw[g] == unit["ramp_startup_limit"]
        assert units.ramp_up_mw_per_h[g] == pytest.approx(3 * unit["ramp_up_limit"])
        assert np.ceil(units.min_up_time_h[g]) == unit["time_up_minimum"]
        assert np.ceil(units.min_down_time_h[g]) == unit["time_down_minimum"]
        points = unit["piecewise_production"]
        cost = units.cost[g].cost(np.array([point["mw"] for point in points]))
        assert cost == pytest.approx([point["cost"] for point in points], rel=2e-5)
        starts = [(start["lag"], start["cost"]) for start in unit["startup"]]
        startup = units.startup_cost[g]
        assert [np.ceil(lag) for lag in startup.lag_h] == [lag for lag, _ in starts]
        assert startup.cost == pytest.approx([cost for _, cost in starts], abs=0.006)


def test_infeeds(small: Path) -> None:
    infeeds = read_rts_gmlc(small, start=24, hours=4).renewables
    assert infeeds.name == ("122_HYDRO_1", "320_PV_1", "122_WIND_1")
    assert infeeds.bus.tolist() == [1, 2, 0]
    assert infeeds.p_max_mw.tolist() == [[14, 10, 11, 12], [0, 1, 2, 3], [24, 25, 26, 27]]
    assert infeeds.p_min_mw.tolist() == [[14, 10, 11, 12], [0] * 4, [0] * 4]
    assert infeeds.cost_per_mwh.tolist() == [0.0, 0.0, 0.5]


def test_storage(small: Path) -> None:
    store = read_rts_gmlc(small).storage
    assert (store.name, store.bus.tolist()) == (("313_STORAGE_1",), [2])
    assert (store.charge_max_mw[0], store.discharge_max_mw[0]) == (50.0, 50.0)
    assert (store.energy_min_mwh[0], store.energy_max_mwh[0]) == (0.0, 150.0)
    assert store.initial_soc_mwh[0] == 75.0
    assert store.charge_efficiency[0] * store.discharge_efficiency[0] == pytest.approx(0.85)


def test_reserves(small: Path) -> None:
    reserves = read_rts_gmlc(small, start=24, hours=3).reserves
    assert reserves.product == ("Spin_Up_R1", "Flex_Up", "Reg_Up", "Reg_Down")
    assert reserves.kind == ("spinning", "spinning", "regulation_up", "regulation_down")
    assert reserves.zone.tolist() == [[True, True, False], *[[True] * 3] * 3]
    assert reserves.required_mw[0] == pytest.approx([0.72, 0.75, 0.78])
    assert reserves.required_mw[1].tolist() == [12.5] * 3
    assert reserves.required_mw[2].tolist() == [1.0, 2.0, 3.0]
    minutes = np.array([10.0, 20.0, 5.0, 5.0])
    ramp = np.array([3.0, 2.0, 4.14, 1.0, 4.0, 0.0])  # nuclear is not eligible
    offers = np.outer(minutes, ramp)
    offers[0, 4] = 0.0  # of the other area
    assert reserves.offer_max_mw == pytest.approx(offers)
    assert np.isinf(reserves.shortage_cost_per_mwh).all()
    priced = read_rts_gmlc(small, reserve_shortage_cost_per_mwh=500.0).reserves
    assert priced.shortage_cost_per_mwh.tolist() == [500.0] * 4


def test_without_reserves(copied: Path) -> None:
    (copied / "SourceData" / "reserves.csv").unlink()
    assert len(read_rts_gmlc(copied).reserves) == 0


def test_what_is_assumed_or_left_out_is_told(small: Path) -> None:
    notes = "\n".join(read_rts_gmlc(small).assumptions)
    for told_of in (
        "lines of direct current are left out: DC1",
        "units of type SYNC_COND are left out, they give no power: 114_SYNC_COND_1",
        "units of type CSP are left out",
        "thermal units start and stop at their lowest output",
        "no initial state of 6 units: 5 with a MW Inj are on at an unknown power",
        "1 are off and cold",
    ):
        assert told_of in notes


def test_without_an_initial_state_units_are_free(small: Path) -> None:
    study = read_rts_gmlc(small)
    assert study.held_periods().tolist() == [0] * 6
    assert study.thermal.initial_on.tolist() == [True, True, True, False, True, True]
    assert np.isnan(study.thermal.initial_power_mw[study.thermal.initial_on]).all()


def test_initial_state_from_a_file(copied: Path) -> None:
    write_csv(
        copied / "SourceData" / "initial_status.csv",
        ["101_CT_1", "107_CC_1", "121_NUCLEAR_1"],
        [[-5, 3, 200], [0, 180.0, 0]],
    )
    study = read_rts_gmlc(copied)
    at = {name: g for g, name in enumerate(study.thermal.name)}
    status, power = study.thermal.initial_status_h, study.thermal.initial_power_mw
    assert (status[at["101_CT_1"]], power[at["101_CT_1"]]) == (-5.0, 0.0)
    assert (status[at["107_CC_1"]], power[at["107_CC_1"]]) == (3.0, 180.0)
    assert (status[at["121_NUCLEAR_1"]], power[at["121_NUCLEAR_1"]]) == (200.0, 396.0)
    assert "no initial state of 3 units" in "\n".join(study.assumptions)


@pytest.mark.parametrize("inner", ["RTS_Data", "RTS_Data/SourceData", "."])
def test_the_folder_may_be_any_of_three(small: Path, inner: str) -> None:
    study = read_rts_gmlc(small.parent / inner)
    assert study.fingerprint() == read_rts_gmlc(small).fingerprint()
    assert source_folder(small.parent / inner) is not None


def test_load_case_knows_the_folder(small: Path) -> None:
    study = load_case(small, start=24, hours=2, tz="UTC", unserved_cost_per_mwh=1e4)
    same = read_rts_gmlc(small, start=24, hours=2, tz="UTC", unserved_cost_per_mwh=1e4)
    assert study.fingerprint() == same.fingerprint()
    assert load_case(str(small)).n_periods == 24
    with pytest.raises(StudyError) as caught:
        load_case(small, units="typical", reserve_fraction=0.1, period_h=1.0, hours=0.5)
    fields = ["units", "period_h", "reserve_fraction", "hours"]
    assert [issue.field for issue in caught.value.issues] == fields


def test_a_plan_with_network_and_reserves(small: Path) -> None:
    study = read_rts_gmlc(small, start="2020-07-06", hours=6, unserved_cost_per_mwh=1e4)
    run = gridopt.solve(study, "unit_commitment", "highs", network="dc", gap=1e-3)
    assert run.is_feasible
    assert run.gap <= 1e-3


def test_no_such_folder(tmp_path: Path) -> None:
    assert source_folder(tmp_path) is None
    with pytest.raises(StudyError, match=r"gen\.csv, bus\.csv and branch\.csv"):
        read_rts_gmlc(tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "element", "field", "expected"),
    [
        ("bus.csv", "MW Load", "MWLoad", "bus.csv", "MW Load", "a column of that name"),
        ("bus.csv", ",90.0,", ",much,", "bus.csv, 102", "MW Load", "a number"),
        ("bus.csv", "102,Adams", "101,Adams", "bus.csv, 101", "Bus ID", "a name of its own"),
        ("branch.csv", "101.0,102.0", "101.0,109", "branch.csv, A1", "To Bus", "a Bus ID"),
        ("branch.csv", ",0.014,", ",0,", "branch.csv, A1", "X", "other than 0"),
        ("branch.csv", ",175,", ",-175,", "branch.csv, A1", "Cont Rating", "at least 0"),
        ("branch.csv", ",200,0,3", ",200", "branch.csv, line 2", "cells", "11, one a column"),
        ("gen.csv", "HR_avg_0", "HR0", "gen.csv", "HR_avg_0", "a column of that name"),
        ("gen.csv", "101_CT_1,101,", "101_CT_1,7,", "gen.csv, 101_CT_1", "Bus ID", "a Bus ID"),
        (
            *("gen.csv", "2,10.3494,0.4,0.6", "2,dear,0.4,0.6"),
            *("gen.csv, 101_CT_1", "Fuel Price $/MMBTU", "a number of at least 0"),
        ),
        (
            *("gen.csv", "0.4,0.6,0.8,1,NA,13114", "0.4,0.3,0.8,1,NA,13114"),
            *("gen.csv, 101_CT_1", "Output_pct_1", "more than the point before"),
        ),
        (
            *("gen.csv", "13114,9456", "13114,NA"),
            *("gen.csv, 101_CT_1", "HR_incr_1", "a number of at least 0"),
        ),
        (
            *("gen.csv", "4,8,2,12,10,3,", "4,8,2,9,10,3,"),
            *("gen.csv, 101_STEAM_3", "Start Time Cold Hr", "more than that of a warmer start"),
        ),
        (
            *("gen.csv", "5284.8,4861.4", "5284.8,9861.4"),
            *("gen.csv, 101_STEAM_3", "Start Heat Cold MBTU", "no less than that of a warmer"),
        ),
        (
            *("gen.csv", "4,8,2,12,10,3,", "4,8,2,12,10,-3,"),
            *("gen.csv, 101_STEAM_3", "Start Time Hot Hr", "at least 0"),
        ),
        (
            *("gen.csv", "6713,8028", "6713,4028"),
            *("gen 1 (101_STEAM_3)", "cost segments", "rising slopes"),
        ),
        ("gen.csv", ",50,85", ",50,185", "gen.csv, 313_STORAGE_1", "Storage Roundtrip Efficiency",
         "from 0 to 100"),
        ("storage.csv", "0.15,0.075", "0.15,0.2", "gen 11 (313_STORAGE_1)", "initial_soc_mwh",
         "0 to 150"),
        ("reserves.csv", "R1,600,", "R1,soon,", "reserves.csv, Spin_Up_R1", "Timeframe (sec)",
         "a number"),
        ("reserves.csv", "12.5", "", "reserves.csv, Flex_Up", "Requirement (MW)", "a number"),
        ("simulation_objects.csv", "3600", "x", "simulation_objects.csv, Period_Resolution",
         "DAY_AHEAD", "a number"),
        ("timeseries_pointers.csv", "Area,2,", "Area,5,", "timeseries_pointers.csv",
         "MW Load of area 2", "a row of DAY_AHEAD"),
        ("timeseries_pointers.csv", "../timeseries_data_files/Load", "../../../Load",
         "timeseries_pointers.csv", "Data File", "a file in the folder"),
    ],
)  # fmt: skip
def test_each_fault_of_a_table_names_its_cell(
    copied: Path, file: str, old: str, new: str, element: str, field: str, expected: str
) -> None:
    replace_in(copied / "SourceData" / file, old, new)
    faults = told(copied)
    assert (element, field) in faults
    assert expected in faults[element, field]


@pytest.mark.parametrize(
    ("file", "old", "new", "field", "expected"),
    [
        ("WIND/DAY_AHEAD_wind.csv", "2020,7,5,3,2", "2020,7,5,3,calm",
         "column 122_WIND_1, 2020-07-05 period 3", "a number"),
        ("WIND/DAY_AHEAD_wind.csv", "2020,7,5,3,2\n", "", "periods", "every period of the study"),
        ("WIND/DAY_AHEAD_wind.csv", "2020,7,5,3,2", "2020,7,5,4,2", "periods", "every period"),
        ("WIND/DAY_AHEAD_wind.csv", "2020,7,5,3,2", "2020,7,five,3,2", "line 4", "whole numbers"),
        ("WIND/DAY_AHEAD_wind.csv", "Month", "Moon", "columns", "Year, Month, Day and data"),
        ("PV/DAY_AHEAD_pv.csv", "320_PV_1", "321_PV_1", "column 320_PV_1",
         "a column for Generator 320_PV_1"),
        ("Load/DAY_AHEAD_regional_Load.csv", "2020,7,5,3,", "2020,7,5,2,", "periods",
         "one period after the other"),
        ("Load/DAY_AHEAD_regional_Load.csv", "2020,7,5,1,600.0,300.0", "2020,7,5,1,600.0,x",
         "column 2, 2020-07-05 period 1", "a number"),
    ],
)  # fmt: skip
def test_each_fault_of_a_series_names_its_cell(
    copied: Path, file: str, old: str, new: str, field: str, expected: str
) -> None:
    path = copied / "timeseries_data_files" / file
    path.write_text(path.read_text().replace("\r\n", "\n"))
    replace_in(path, old, new)
    faults = told(copied)
    assert expected in faults[path.name, field]


def test_hours_that_the_data_have_not(small: Path) -> None:
    load = "DAY_AHEAD_regional_Load.csv"
    assert "24 from 2020-07-06 period 17" in told(small, start=40)[load, "periods"]
    assert "0 to 47" in told(small, start=48)[load, "start"]
    assert "0 to 47" in told(small, start=-1)[load, "start"]
    assert "2020-07-05 to 2020-07-06" in told(small, start="2024-07-06")[load, "start"]
    assert "whole periods" in told(small, hours=1.5)["study", "hours"]
    assert "a zone" in told(small, tz="Nowhere")["study", "tz"]


def test_truncated_tables_and_series(copied: Path) -> None:
    gen = copied / "SourceData" / "gen.csv"
    gen.write_text(gen.read_text()[:-40])
    load = copied / "timeseries_data_files" / "Load" / "DAY_AHEAD_regional_Load.csv"
    load.write_text(load.read_text()[:300])
    faults = told(copied)
    assert ("gen.csv, line 13", "cells") in faults
    assert (load.name, "periods") in faults


def test_all_faults_at_once(copied: Path) -> None:
    source = copied / "SourceData"
    replace_in(source / "bus.csv", ",90.0,", ",,")
    replace_in(source / "branch.csv", ",0.014,", ",x,")
    replace_in(source / "gen.csv", "13114,9456", "13114,-1")
    replace_in(source / "reserves.csv", "R1,600,", "R1,,")
    (copied / "timeseries_data_files" / "PV" / "DAY_AHEAD_pv.csv").unlink()
    assert told(copied).keys() >= {
        ("bus.csv, 102", "MW Load"),
        ("branch.csv, A1", "X"),
        ("gen.csv, 101_CT_1", "HR_incr_1"),
        ("reserves.csv, Spin_Up_R1", "Timeframe (sec)"),
        ("timeseries_pointers.csv", "Data File"),
    }


@pytest.mark.parametrize("name", ["bus.csv", "branch.csv", "gen.csv", "timeseries_pointers.csv"])
def test_a_missing_table_is_named(copied: Path, name: str) -> None:
    (copied / "SourceData" / name).unlink()
    assert (name, "file") in told(copied)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b"one,two\n1"])
def test_a_table_that_is_none(copied: Path, content: bytes) -> None:
    (copied / "SourceData" / "gen.csv").write_bytes(content)
    assert any(element.startswith("gen.csv") for element, _ in told(copied))


def test_a_bad_initial_state_is_told(copied: Path) -> None:
    path = copied / "SourceData" / "initial_status.csv"
    write_csv(path, ["101_CT_1", "107_CC_1"], [["0", "x"]])
    assert told(copied).keys() == {(path.name, "101_CT_1"), (path.name, "107_CC_1")}
