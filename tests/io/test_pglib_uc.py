"""Instances of pglib-uc: what they say, and every fault told with the path of its field."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.errors import StudyError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.io.pglib_uc import read_pglib_uc
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "pglib-uc"

T = 4


def instance() -> dict[str, Any]:
    """Return coal that is on, nuclear at its one output, a gas turbine that is off, and wind."""
    coal = {
        "must_run": 0,
        "power_output_minimum": 40.0,
        "power_output_maximum": 100.0,
        "ramp_up_limit": 30.0,
        "ramp_down_limit": 35.0,
        "ramp_startup_limit": 60.0,
        "ramp_shutdown_limit": 65.0,
        "time_up_minimum": 3,
        "time_down_minimum": 2,
        "power_output_t0": 55.0,
        "unit_on_t0": 1,
        "time_up_t0": 5,
        "time_down_t0": 0,
        "startup": [{"lag": 2, "cost": 300.0}, {"lag": 6, "cost": 800.0}],
        "piecewise_production": [
            {"mw": 40.0, "cost": 900.0},
            {"mw": 70.0, "cost": 1350.0},
            {"mw": 100.0, "cost": 1950.0},
        ],
        "name": "coal",
    }
    nuclear = {
        **coal,
        "must_run": 1,
        "power_output_minimum": 20.0,
        "power_output_maximum": 20.0,
        "ramp_startup_limit": 500.0,
        "time_up_minimum": 100,
        "power_output_t0": 20.0,
        "time_up_t0": 30,
        "startup": [{"lag": 0, "cost": 0.0}],
        "piecewise_production": [{"mw": 20.0, "cost": 130.0}],
        "name": "nuclear",
    }
    turbine = {
        **coal,
        "power_output_minimum": 10.0,
        "power_output_maximum": 60.0,
        "time_up_minimum": 0,
        "time_down_minimum": 1,
        "power_output_t0": 0.0,
        "unit_on_t0": 0,
        "time_up_t0": 0,
        "time_down_t0": 3,
        "startup": [{"lag": 1, "cost": 100.0}],
        "piecewise_production": [{"mw": 10.0, "cost": 500.0}, {"mw": 60.0, "cost": 2250.0}],
        "name": "turbine",
    }
    wind = {
        "name": "wind",
        "power_output_minimum": [0.0, 1.0, 0.0, 0.0],
        "power_output_maximum": [5.0, 1.0, 0.0, 8.0],
    }
    return {
        "time_periods": T,
        "demand": [80.0, 120.0, 95.0, 70.0],
        "reserves": [8.0, 12.0, 9.5, 7.0],
        "thermal_generators": {"coal": coal, "nuclear": nuclear, "turbine": turbine},
        "renewable_generators": {"wind": copy.deepcopy(wind)},
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    def to_file(content: Any) -> Path:
        path = tmp_path / "small.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to_file


def told(path: Path) -> dict[tuple[str, str], str]:
    """Return what is said of each (element, field)."""
    with pytest.raises(StudyError) as caught:
        read_pglib_uc(path)
    return {(issue.element, issue.field): str(issue) for issue in caught.value.issues}


def test_units(write: Callable[[Any], Path]) -> None:
    units = read_pglib_uc(write(instance())).thermal
    assert units.name == ("coal", "nuclear", "turbine")
    assert units.element == (("thermal", 0), ("thermal", 1), ("thermal", 2))
    assert units.p_min_mw.tolist() == [40.0, 20.0, 10.0]
    assert units.p_max_mw.tolist() == [100.0, 20.0, 60.0]
    assert units.ramp_up_mw_per_h.tolist() == [30.0] * 3
    assert units.ramp_down_mw_per_h.tolist() == [35.0] * 3
    assert units.startup_ramp_mw.tolist() == [60.0, 500.0, 60.0]
    assert units.shutdown_ramp_mw.tolist() == [65.0] * 3
    assert units.min_up_time_h.tolist() == [3.0, 100.0, 1.0]
    assert units.min_down_time_h.tolist() == [2.0, 2.0, 1.0]
    assert units.initial_status_h.tolist() == [5.0, 30.0, -3.0]
    assert units.initial_power_mw.tolist() == [55.0, 20.0, 0.0]
    assert units.must_run.tolist() == [False, True, False]
    assert units.cost[0].power_mw == (40.0, 70.0, 100.0)
    assert units.cost[0].cost_per_h == (900.0, 1350.0, 1950.0)
    assert units.cost[1].cost_per_h == (130.0,)
    assert units.startup_cost[0].lag_h == (2.0, 6.0)
    assert units.startup_cost[0].cost == (300.0, 800.0)


def test_system_and_renewables(write: Callable[[Any], Path]) -> None:
    study = read_pglib_uc(
        write(instance()), unserved_cost_per_mwh=1000.0, surplus_cost_per_mwh=20.0
    )
    assert (study.name, study.n_periods, study.period_h) == ("small", T, 1.0)
    assert study.grid.n_buses == 1
    assert study.time.tolist() == [0, 1, 2, 3]
    assert study.demand_mw.tolist() == [[80.0, 120.0, 95.0, 70.0]]
    assert study.reserves.required_mw.tolist() == [[8.0, 12.0, 9.5, 7.0]]
    assert study.reserves.shortage_cost_per_mwh.tolist() == [np.inf]
    assert (study.unserved_cost_per_mwh, study.surplus_cost_per_mwh) == (1000.0, 20.0)
    assert study.renewables.element == (("renewable", 0),)
    assert study.renewables.p_min_mw.tolist() == [[0.0, 1.0, 0.0, 0.0]]
    assert study.renewables.p_max_mw.tolist() == [[5.0, 1.0, 0.0, 8.0]]
    assert study.renewables.cost_per_mwh.tolist() == [0.0]
    assert study.assumptions == ()


def test_no_reserve_no_renewables(write: Callable[[Any], Path]) -> None:
    content = instance() | {"reserves": [0.0] * T, "renewable_generators": {}}
    study = read_pglib_uc(write(content))
    assert len(study.renewables) == 0
    assert len(study.reserves) == 0


def test_compressed_is_the_same(write: Callable[[Any], Path]) -> None:
    path = write(instance())
    packed = path.with_suffix(".json.gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    assert read_pglib_uc(packed).fingerprint() == read_pglib_uc(path).fingerprint()


def test_a_unit_that_was_just_switched_has_all_of_its_minimum_time_ahead(
    write: Callable[[Any], Path],
) -> None:
    content = instance()
    content["thermal_generators"]["coal"]["time_up_t0"] = 0
    content["thermal_generators"]["turbine"].update(time_down_t0=0, time_down_minimum=2)
    study = read_pglib_uc(write(content))
    assert study.thermal.initial_on.tolist() == [True, True, False]
    assert study.held_periods().tolist() == [3, 70, 2]


def test_a_name_in_both_groups_is_told_apart(write: Callable[[Any], Path]) -> None:
    content = instance()
    group = content["renewable_generators"]
    group["coal"] = group.pop("wind")
    study = read_pglib_uc(write(content))
    assert study.renewables.name == ("coal (renewable)",)
    assert study.assumptions == (
        "renewable 'coal' is called 'coal (renewable)': a unit has the name",
    )


def test_a_schedule_of_the_small_instance(write: Callable[[Any], Path]) -> None:
    """The least cost by hand: coal and nuclear carry it, the turbine helps in the second hour."""
    content = instance() | {"reserves": [0.0] * T, "renewable_generators": {}}
    study = read_pglib_uc(write(content))
    run = gridopt.solve(study, "unit_commitment", "highs")
    # coal alone could ramp from 60 to 90 MW, so 10 MW of 120 are the turbine's, at its minimum
    coal = 900 + 20 * 15 + 1350 + 20 * 20 + 1350 + 5 * 20 + 900 + 10 * 15
    assert run.cost == pytest.approx(coal + 4 * 130 + 100 + 500)
    assert run.schedule is not None
    assert run.schedule.committed[2].tolist() == [False, True, False, False]


@pytest.mark.parametrize("kept", [1, 60, 400, -2])
def test_a_truncated_file(write: Callable[[Any], Path], kept: int) -> None:
    faults = told(write(json.dumps(instance())[:kept]))
    assert list(faults) == [("pglib-uc file small.json", "JSON")]
    assert "complete JSON" in next(iter(faults.values()))


@pytest.mark.parametrize("content", ["[1, 2]", "7", "", "\ufeff{}", '{"a": 1, "a": 2}', "[" * 9999])
def test_not_an_instance(write: Callable[[Any], Path], content: str) -> None:
    assert list(told(write(content))) == [("pglib-uc file small.json", "JSON")]


def test_a_file_of_another_form_lacks_every_field(write: Callable[[Any], Path]) -> None:
    missing = {field for _, field in told(write({"Parameters": {"Version": "0.3"}}))}
    assert missing == set(instance())


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("none.json", None, "a readable file"),
        ("text.json", b"\xff\xfe\x00", "JSON in UTF-8"),
        ("cut.json.gz", gzip.compress(b"{}" * 999, mtime=0)[:-9], "a complete gzip file"),
        ("not.json.gz", b"{}", "a complete gzip file"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyError, match=expected):
        read_pglib_uc(tmp_path / name)


def test_every_missing_field_is_named(write: Callable[[Any], Path]) -> None:
    assert told(write({})).keys() == {("pglib-uc file small.json", field) for field in instance()}
    content = instance()
    names = set(content["thermal_generators"]["coal"]) - {"name"}
    content["thermal_generators"]["coal"] = {}
    content["renewable_generators"]["wind"] = {}
    assert told(write(content)).keys() == {
        *(("thermal_generators.coal", name) for name in names),
        ("renewable_generators.wind", "power_output_minimum"),
        ("renewable_generators.wind", "power_output_maximum"),
    }


def broken(path: str, value: Any) -> dict[str, Any]:
    """Return the instance with one value replaced; the path is like coal/startup/0/lag."""
    content = instance()
    place: Any = content
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in steps:
        place = place[step]
    place[last] = value
    return content


THERMAL, WIND, TOP = "thermal_generators", "renewable_generators.wind", "pglib-uc file small.json"


@pytest.mark.parametrize(
    ("path", "value", "element", "field", "expected"),
    [
        ("time_periods", "48", TOP, "time_periods", "a number of at least 1"),
        ("time_periods", 2.5, TOP, "time_periods", "a whole number"),
        ("time_periods", 0, TOP, "time_periods", "a number of at least 1"),
        ("demand", 80.0, TOP, "demand", "a list of 4 numbers"),
        ("demand", [1.0] * 3, TOP, "demand", "4, one a period"),
        ("demand/1", "x", TOP, "demand[1]", "a number"),
        ("demand/1", None, TOP, "demand[1]", "a number"),
        ("demand/1", float("nan"), TOP, "demand[1]", "a number"),
        ("reserves/3", -1.0, TOP, "reserves[3]", "a number of at least 0"),
        (THERMAL, [], TOP, THERMAL, "an object"),
        (f"{THERMAL}/coal", 7, TOP, f"{THERMAL}.coal", "an object"),
        (f"{THERMAL}/coal/must_run", 2, f"{THERMAL}.coal", "must_run", "0 or 1"),
        (f"{THERMAL}/coal/unit_on_t0", 0.5, f"{THERMAL}.coal", "unit_on_t0", "0 or 1"),
        (f"{THERMAL}/coal/ramp_up_limit", True, f"{THERMAL}.coal", "ramp_up_limit", "a number"),
        (f"{THERMAL}/coal/time_up_t0", -1, f"{THERMAL}.coal", "time_up_t0", "at least 0"),
        (f"{THERMAL}/coal/startup", [], f"{THERMAL}.coal", "startup", "at least one"),
        (f"{THERMAL}/coal/startup", {}, f"{THERMAL}.coal", "startup", "a list"),
        (f"{THERMAL}/coal/startup/1", 3, f"{THERMAL}.coal", "startup[1]", "an object"),
        (f"{THERMAL}/coal/startup/0/lag", -2, f"{THERMAL}.coal", "startup[0].lag", "at least 0"),
        (f"{THERMAL}/coal/startup/1/lag", 2, f"{THERMAL}.coal", "startup[1].lag", "more than"),
        (f"{THERMAL}/coal/startup/1/lag", 1, f"{THERMAL}.coal", "startup[1].lag", "more than"),
        (f"{THERMAL}/coal/startup/1/cost", 1, f"{THERMAL}.coal", "startup[1].cost", "at least"),
        (
            *(f"{THERMAL}/coal/piecewise_production/1/mw", 30.0),
            *(f"{THERMAL}.coal", "piecewise_production[1].mw", "more than the point before, 40"),
        ),
        (
            *(f"{THERMAL}/coal/piecewise_production/0/mw", 30.0),
            *(f"{THERMAL}.coal", "piecewise_production[0].mw", "power_output_minimum = 40"),
        ),
        (
            *(f"{THERMAL}/nuclear/power_output_maximum", 25.0),
            *(f"{THERMAL}.nuclear", "piecewise_production[0].mw", "power_output_maximum = 25"),
        ),
        (
            *(f"{THERMAL}/coal/piecewise_production/2/cost", None),
            *(f"{THERMAL}.coal", "piecewise_production[2].cost", "a number"),
        ),
        ("renewable_generators/wind/power_output_minimum/2", 3.0, WIND, "power_output_minimum[2]",
         "at most the maximum, 0"),
        # what only the study can say
        (f"{THERMAL}/coal/power_output_t0", 20.0, "thermal 0 (coal)", "initial_power_mw", "40 to"),
        (f"{THERMAL}/turbine/power_output_t0", 9.0, "thermal 2 (turbine)", "initial_power_mw", "0"),
        (f"{THERMAL}/coal/ramp_startup_limit", 9.0, "thermal 0 (coal)", "startup_ramp_mw", "40"),
        (f"{THERMAL}/coal/piecewise_production/1/cost", 1800.0, "thermal 0 (coal)",
         "cost segments", "rising slopes"),
    ],
)  # fmt: skip
def test_each_fault_names_its_field(
    write: Callable[[Any], Path], path: str, value: Any, element: str, field: str, expected: str
) -> None:
    faults = told(write(broken(path, value)))
    assert (element, field) in faults
    assert expected in faults[element, field]
    if path.startswith((THERMAL, "renewable")):
        assert len(faults) == 1


def test_all_faults_at_once(write: Callable[[Any], Path]) -> None:
    content = instance()
    units = content["thermal_generators"]
    del units["coal"]["time_up_minimum"], units["coal"]["power_output_maximum"]
    units["coal"]["startup"][1]["lag"] = -6
    units["nuclear"]["piecewise_production"] = "none"
    units["turbine"]["power_output_t0"] = 15.0
    content["renewable_generators"]["wind"]["power_output_maximum"] = [1.0, 2.0]
    content["reserves"] = None
    assert told(write(content)).keys() == {
        ("thermal_generators.coal", "time_up_minimum"),
        ("thermal_generators.coal", "power_output_maximum"),
        ("thermal_generators.coal", "startup[1].lag"),
        ("thermal_generators.nuclear", "piecewise_production"),
        ("thermal 2 (turbine)", "initial_power_mw"),
        ("renewable_generators.wind", "power_output_maximum"),
        ("pglib-uc file small.json", "reserves"),
    }


def test_a_lack_of_capacity_is_told(write: Callable[[Any], Path]) -> None:
    content = instance() | {"demand": [80.0, 500.0, 95.0, 70.0]}
    assert list(told(write(content))) == [("study", "demand_mw")]
    assert read_pglib_uc(write(content), unserved_cost_per_mwh=1e4).n_periods == T


def shared_instance(name: str) -> tuple[dict[str, Any], Study]:
    path = SHARED / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{name}.json of pglib-uc is not at hand")
    return json.loads(path.read_text()), read_pglib_uc(path)


@pytest.mark.parametrize(
    "name",
    [
        "rts_gmlc_2020-01-27",
        "rts_gmlc_2020-07-06",
        "ca_2014-09-01_reserves_3",
        "ferc_2015-01-01_lw",
    ],
)
def test_shared_instances_say_the_same_as_their_json(name: str) -> None:
    content, study = shared_instance(name)
    units, thermal = study.thermal, list(content["thermal_generators"].values())
    assert (study.name, study.n_periods) == (name, content["time_periods"])
    assert study.total_demand_mw.tolist() == content["demand"]
    assert study.reserves.required_mw[0].tolist() == content["reserves"]
    for g, unit in enumerate(thermal):
        assert units.name[g] == unit["name"]
        assert units.initial_on[g] == bool(unit["unit_on_t0"])
        state = unit["time_up_t0"] if unit["unit_on_t0"] else -unit["time_down_t0"]
        assert units.initial_status_h[g] == state
        points = [(point["mw"], point["cost"]) for point in unit["piecewise_production"]]
        assert list(zip(units.cost[g].power_mw, units.cost[g].cost_per_h, strict=True)) == points
        starts = [(start["lag"], start["cost"]) for start in unit["startup"]]
        startup = units.startup_cost[g]
        assert list(zip(startup.lag_h, startup.cost, strict=True)) == starts
    for field, name_there in (
        ("p_max_mw", "power_output_maximum"),
        ("ramp_down_mw_per_h", "ramp_down_limit"),
        ("startup_ramp_mw", "ramp_startup_limit"),
        ("min_down_time_h", "time_down_minimum"),
    ):
        assert getattr(units, field).tolist() == [unit[name_there] for unit in thermal]
    available = [unit["power_output_maximum"] for unit in content["renewable_generators"].values()]
    assert study.renewables.p_max_mw.tolist() == available


def test_linear_relaxation_of_the_shared_instance() -> None:
    """Between the compact form's known value and the best known cost of the instance."""
    _, study = shared_instance("rts_gmlc_2020-07-06")
    solution = HiGHS().solve(UnitCommitment().build(study).relaxed())
    assert 3_709_693.8 <= solution.objective <= 3_729_194.92
