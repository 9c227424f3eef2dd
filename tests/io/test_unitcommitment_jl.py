"""Instances of UnitCommitment.jl: what they say, and every fault told with its field."""

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
from gridopt.io.cases import load_case
from gridopt.io.unitcommitment_jl import read_unitcommitment_jl
from gridopt.study import FIXED_ON, FORCED_OUT, FREE

T = 4

Write = Callable[[Any], Path]


def instance() -> dict[str, Any]:
    """Return an instance of version 0.4 with something in every section."""
    return copy.deepcopy(
        {
            "SOURCE": "made for this test",
            "Parameters": {
                "Version": "0.4",
                "Time horizon (h)": 2,
                "Time step (min)": 30,
                "Power balance penalty ($/MW)": 500.0,
                "Scenario name": "s1",
                "Scenario weight": 3.0,
            },
            "Buses": {
                "b1": {"Load (MW)": 0.0},
                "b2": {"Load (MW)": [80.0, 90.0, 100.0, 85.0]},
                "b3": {"Load (MW)": 12},
            },
            "Generators": {
                "coal": {
                    "Bus": "b1",
                    "Type": "Thermal",
                    "Production cost curve (MW)": [40.0, 70.0, 100.0],
                    "Production cost curve ($)": [450.0, 675.0, 975.0],
                    "Startup costs ($)": [300.0, 800.0],
                    "Startup delays (h)": [2, 6],
                    "Minimum uptime (h)": 3,
                    "Minimum downtime (h)": 2,
                    "Ramp up limit (MW)": 30.0,
                    "Ramp down limit (MW)": 35.0,
                    "Startup limit (MW)": 60.0,
                    "Shutdown limit (MW)": 65.0,
                    "Initial status (h)": 5,
                    "Initial power (MW)": 55.0,
                    "Must run?": False,
                    "Reserve eligibility": ["r1"],
                },
                "peak": {
                    "Bus": "b2",
                    "Type": "thermal",
                    "Production cost curve (MW)": [10.0, [60.0] * T],
                    "Production cost curve ($)": [250.0, 1125.0],
                    "Initial status (h)": -3,
                    "Initial power (MW)": 0,
                    "Must run?": [False, False, True, False],
                    "Reserve eligibility": ["r1", "r2"],
                    "Commitment status": [False, None, None, True],
                },
                "block": {
                    "Bus": "b3",
                    "Type": "Thermal",
                    "Production cost curve (MW)": [20],
                    "Production cost curve ($)": [65],
                },
                "wind": {
                    "Bus": "b2",
                    "Type": "Profiled",
                    "Minimum power (MW)": [0.0, 1.0, 0.0, 0.0],
                    "Maximum power (MW)": [5.0, 1.0, 0.0, 8.0],
                    "Cost ($/MW)": 1.5,
                },
            },
            "Storage units": {
                "battery": {
                    "Bus": "b2",
                    "Minimum level (MWh)": 1.0,
                    "Maximum level (MWh)": [20.0] * T,
                    "Allow simultaneous charging and discharging": False,
                    "Charge cost ($/MW)": 1.0,
                    "Discharge cost ($/MW)": 2.0,
                    "Charge efficiency": 0.9,
                    "Discharge efficiency": 0.8,
                    "Loss factor": 0.19,
                    "Maximum charge rate (MW)": 10.0,
                    "Maximum discharge rate (MW)": 8.0,
                    "Initial level (MWh)": 7.0,
                    "Last period minimum level (MWh)": 6.0,
                    "Last period maximum level (MWh)": 9.0,
                }
            },
            "Price-sensitive loads": {
                "pump": {"Bus": "b3", "Revenue ($/MW)": 23.0, "Demand (MW)": 5.0},
            },
            "Transmission lines": {
                "l1": {
                    "Source bus": "b1",
                    "Target bus": "b2",
                    "Reactance (ohms)": 0.059,
                    "Susceptance (S)": 29.5,
                    "Normal flow limit (MW)": 90.0,
                    "Emergency flow limit (MW)": 110.0,
                    "Flow limit penalty ($/MW)": 1000.0,
                },
                "l2": {"Source bus": "b2", "Target bus": "b3", "Susceptance (S)": 10.0},
                "l3": {"Source bus": "b1", "Target bus": "b3", "Susceptance (S)": 5.0},
            },
            "Reserves": {
                "r1": {"Type": "Spinning", "Amount (MW)": 8.0, "Shortfall penalty ($/MW)": 50.0},
                "r2": {"Type": "spinning", "Amount (MW)": [1.0, 2.0, 3.0, 4.0]},
            },
            "Contingencies": {"c1": {"Affected lines": ["l1"]}, "c2": {"Affected lines": ["l3"]}},
            "Interfaces": {
                "border": {
                    "Outbound lines": ["l1"],
                    "Inbound lines": ["l2"],
                    "Net flow upper limit (MW)": [60, 55, 60, 60],
                    "Net flow lower limit (MW)": -100,
                }
            },
        }
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: Any) -> Path:
        path = tmp_path / "small.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to_file


def told(path: Path) -> dict[tuple[str, str], str]:
    """Return what is said of each (element, field)."""
    with pytest.raises(StudyError) as caught:
        read_unitcommitment_jl(path)
    return {(issue.element, issue.field): str(issue) for issue in caught.value.issues}


def broken(path: str, value: Any) -> dict[str, Any]:
    """Return the instance with one value replaced; the steps of the path are parted by ``>``."""
    content = instance()
    place: Any = content
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(">")]
    for step in steps:
        place = place[step]
    place[last] = value
    return content


def test_time_and_prices_are_by_the_hour(write: Write) -> None:
    study = read_unitcommitment_jl(write(instance()))
    assert (study.name, study.n_periods, study.period_h) == ("small", T, 0.5)
    assert study.unserved_cost_per_mwh == 1000.0
    assert study.surplus_cost_per_mwh is None
    given = read_unitcommitment_jl(
        write(instance()), unserved_cost_per_mwh=7.0, surplus_cost_per_mwh=3.0
    )
    assert (given.unserved_cost_per_mwh, given.surplus_cost_per_mwh) == (7.0, 3.0)


def test_grid(write: Write) -> None:
    study = read_unitcommitment_jl(write(instance()))
    grid = study.grid
    assert grid.bus_name == ("b1", "b2", "b3")
    assert study.demand_mw.tolist() == [[0.0] * T, [80.0, 90.0, 100.0, 85.0], [12.0] * T]
    assert grid.branch_name == ("l1", "l2", "l3")
    assert grid.from_bus.tolist() == [0, 1, 0]
    assert grid.to_bus.tolist() == [1, 2, 2]
    assert grid.susceptance_mw.tolist() == [29.5, 10.0, 5.0]
    assert grid.rating_mw.tolist() == [90.0, np.inf, np.inf]
    assert grid.emergency_rating_mw.tolist() == [110.0, np.inf, np.inf]
    assert grid.may_fail.tolist() == [True, False, True]
    assert grid.interfaces.name == ("border",)
    assert grid.interfaces.weight.tolist() == [[1.0, -1.0, 0.0]]
    assert grid.interfaces.upper_mw.tolist() == [55.0]
    assert grid.interfaces.lower_mw.tolist() == [-100.0]


def test_interfaces_with_weights(write: Write) -> None:
    content = instance()
    content["Interfaces"]["border"] = {"Branches": {"l1": 1.0, "l3": -0.5}}
    interfaces = read_unitcommitment_jl(write(content)).grid.interfaces
    assert interfaces.weight.tolist() == [[1.0, 0.0, -0.5]]
    assert interfaces.upper_mw.tolist() == [np.inf]


def test_thermal_units(write: Write) -> None:
    study = read_unitcommitment_jl(write(instance()))
    units = study.thermal
    assert units.name == ("coal", "peak", "block")
    assert units.element == (("thermal", 0), ("thermal", 1), ("thermal", 2))
    assert units.bus.tolist() == [0, 1, 2]
    assert units.p_min_mw.tolist() == [40.0, 10.0, 20.0]
    assert units.p_max_mw.tolist() == [100.0, 60.0, 20.0]
    assert units.ramp_up_mw_per_h.tolist() == [60.0, np.inf, np.inf]
    assert units.ramp_down_mw_per_h.tolist() == [70.0, np.inf, np.inf]
    assert units.startup_ramp_mw.tolist() == [60.0, np.inf, np.inf]
    assert units.shutdown_ramp_mw.tolist() == [65.0, np.inf, np.inf]
    assert units.min_up_time_h.tolist() == [3.0, 1.0, 1.0]
    assert units.min_down_time_h.tolist() == [2.0, 1.0, 1.0]
    assert units.initial_status_h.tolist() == [5.0, -3.0, -24.0]
    assert units.initial_power_mw.tolist() == [55.0, 0.0, 0.0]
    assert not units.must_run.any()
    assert units.cost[0].power_mw == (40.0, 70.0, 100.0)
    assert units.cost[0].cost_per_h == (900.0, 1350.0, 1950.0)
    assert units.cost[1].cost_per_h == (500.0, 2250.0)
    assert units.cost[2].cost_per_h == (130.0,)
    assert units.startup_cost[0].lag_h == (2.0, 6.0)
    assert units.startup_cost[0].cost == (300.0, 800.0)
    assert units.startup_cost[1].cost == (0.0,)
    assert study.fixed_status.tolist() == [
        [FREE] * T,
        [FORCED_OUT, FREE, FIXED_ON, FIXED_ON],
        [FREE] * T,
    ]


def test_must_run_in_all_periods(write: Write) -> None:
    study = read_unitcommitment_jl(write(broken("Generators>coal>Must run?", True)))
    assert study.thermal.must_run.tolist() == [True, False, False]
    assert (study.fixed_status[0] == FREE).all()


def test_points_that_repeat_are_merged(write: Write) -> None:
    content = instance()
    content["Generators"]["coal"]["Production cost curve (MW)"] = [40, 40, 70, 100]
    content["Generators"]["coal"]["Production cost curve ($)"] = [450, 450, 675, 975]
    units = read_unitcommitment_jl(write(content)).thermal
    assert units.cost[0].power_mw == (40.0, 70.0, 100.0)


def test_profiled_units_storage_and_loads(write: Write) -> None:
    study = read_unitcommitment_jl(write(instance()))
    wind, store, load = study.renewables, study.storage, study.flexible
    assert (wind.name, wind.element) == (("wind",), (("profiled", 3),))
    assert wind.p_min_mw.tolist() == [[0.0, 1.0, 0.0, 0.0]]
    assert wind.p_max_mw.tolist() == [[5.0, 1.0, 0.0, 8.0]]
    assert wind.cost_per_mwh.tolist() == [3.0]
    assert (store.name, store.element, store.bus.tolist()) == (("battery",), (("storage", 0),), [1])
    assert (store.energy_min_mwh[0], store.energy_max_mwh[0]) == (1.0, 20.0)
    assert (store.charge_max_mw[0], store.discharge_max_mw[0]) == (10.0, 8.0)
    assert (store.charge_efficiency[0], store.discharge_efficiency[0]) == (0.9, 0.8)
    assert (store.charge_cost_per_mwh[0], store.discharge_cost_per_mwh[0]) == (2.0, 4.0)
    assert store.kept_per_period(0.5)[0] == pytest.approx(1.0 - 0.19)
    assert store.initial_soc_mwh[0] == 7.0
    assert (store.final_soc_min_mwh[0], store.final_soc_max_mwh[0]) == (6.0, 9.0)
    assert (load.name, load.bus.tolist()) == (("pump",), [2])
    assert load.p_max_mw.tolist() == [[5.0] * T]
    assert load.p_min_mw.tolist() == [[0.0] * T]
    assert load.value_per_mwh.tolist() == [46.0]


def test_storage_ends_where_its_level_may_be_by_default(write: Write) -> None:
    content = instance()
    for bound in ("minimum", "maximum"):
        del content["Storage units"]["battery"][f"Last period {bound} level (MWh)"]
    store = read_unitcommitment_jl(write(content)).storage
    assert (store.final_soc_min_mwh[0], store.final_soc_max_mwh[0]) == (1.0, 20.0)


def test_reserves(write: Write) -> None:
    reserves = read_unitcommitment_jl(write(instance())).reserves
    assert reserves.product == ("r1", "r2")
    assert set(reserves.kind) == {"spinning"}
    assert reserves.offer_max_mw.tolist() == [[np.inf, np.inf, 0.0], [0.0, np.inf, 0.0]]
    assert reserves.required_mw.tolist() == [[8.0] * T, [1.0, 2.0, 3.0, 4.0]]
    assert reserves.shortage_cost_per_mwh.tolist() == [100.0, np.inf]
    assert reserves.zone.all()


def test_prices_that_change_with_time_become_elements_of_their_own(write: Write) -> None:
    content = instance()
    content["Generators"]["wind"]["Cost ($/MW)"] = [1.0, 1.0, 2.0, 1.0]
    content["Price-sensitive loads"]["pump"]["Revenue ($/MW)"] = [9.0, 10.0, 9.0, 9.0]
    study = read_unitcommitment_jl(write(content))
    assert study.renewables.name == ("wind at 2", "wind at 4")
    assert study.renewables.cost_per_mwh.tolist() == [2.0, 4.0]
    assert study.renewables.p_max_mw.tolist() == [[5.0, 1.0, 0.0, 8.0], [0.0] * T]
    assert study.renewables.p_min_mw.tolist() == [[0.0, 1.0, 0.0, 0.0], [0.0] * T]
    assert study.flexible.value_per_mwh.tolist() == [18.0, 20.0]
    assert study.flexible.p_max_mw.tolist() == [[5.0, 0.0, 5.0, 5.0], [0.0, 5.0, 0.0, 0.0]]


def test_a_unit_whose_limit_changes_with_time_is_an_infeed(write: Write) -> None:
    content = instance()
    content["Generators"]["sun"] = {
        "Bus": "b3",
        "Type": "Thermal",
        "Production cost curve (MW)": [0.0, [10.0, 8.0, 0.0, 3.0]],
        "Production cost curve ($)": [0.0, [20.0, 16.0, 0.0, 6.0]],
        "Reserve eligibility": ["r1"],
    }
    study = read_unitcommitment_jl(write(content))
    assert study.renewables.name == ("wind", "sun")
    assert study.renewables.p_max_mw[1].tolist() == [10.0, 8.0, 0.0, 3.0]
    assert study.renewables.cost_per_mwh[1] == 4.0
    assert any("Generators.sun" in note and "no reserve" in note for note in study.assumptions)
    content["Generators"]["sun"]["Ramp up limit (MW)"] = 4.0
    content["Generators"]["sun"]["Startup costs ($)"] = [7.0]
    content["Generators"]["sun"]["Startup delays (h)"] = [1]
    faults = told(write(content))
    assert list(faults) == [("Generators.sun", "Production cost curve (MW)")]
    assert "this one has Startup costs ($), Ramp up limit (MW)" in next(iter(faults.values()))


def test_what_a_study_cannot_hold_is_told(write: Write) -> None:
    content = instance()
    content["Contingencies"]["c3"] = {"Affected generators": ["coal"]}
    content["Storage units"]["battery"]["Allow simultaneous charging and discharging"] = True
    content["Shunt devices"] = {"sh1": {"Bus": "b1"}}
    content["Generators"]["coal"]["Maximum daily starts"] = 3
    content["Generators"]["coal"]["Maximum daily energy (MWh)"] = None
    content["Transmission lines"]["l1"]["Normal flow limit (MW)"] = [90.0, 80.0, 90.0, 90.0]
    study = read_unitcommitment_jl(write(content))
    notes = "\n".join(study.assumptions)
    for told_of in (
        "limits of lines (1) are hard",
        "limits of interface border are hard",
        "Interfaces.border: the tightest limits",
        "Transmission lines.l1: Normal flow limit (MW) is the lowest",
        "contingencies of generators (1) are left out",
        "never charges and discharges at once, which the file allows: battery",
        "not used of the file: Shunt devices",
        "not used of the file: 'Maximum daily starts' of 1 Generators",
        "units without an initial status (1) are off, free to start and cold: block",
    ):
        assert told_of in notes
    assert "daily energy" not in notes
    assert study.grid.rating_mw[0] == 80.0


def test_names_that_are_used_twice(write: Write) -> None:
    content = instance()
    content["Storage units"]["coal"] = content["Storage units"].pop("battery")
    content["Price-sensitive loads"]["coal"] = content["Price-sensitive loads"].pop("pump")
    study = read_unitcommitment_jl(write(content))
    assert study.thermal.name[0] == "coal"
    assert study.storage.name == ("coal (storage)",)
    assert study.flexible.name == ("coal (load)",)


@pytest.mark.parametrize("version", ["0.3", "0.3.0"])
def test_version_03_has_thermal_units_without_a_type(write: Write, version: str) -> None:
    content = instance()
    content["Parameters"]["Version"] = version
    for name in ("coal", "peak", "block"):
        del content["Generators"][name]["Type"]
    assert read_unitcommitment_jl(write(content)).thermal.name == ("coal", "peak", "block")


def test_version_02_has_one_reserve_that_all_units_may_hold(write: Write) -> None:
    content = instance()
    parameters = content["Parameters"]
    parameters["Version"] = "0.2"
    parameters["Time (h)"] = parameters.pop("Time horizon (h)")
    parameters["Reserve shortfall penalty ($/MW)"] = 40.0
    content["Reserves"] = {"Spinning (MW)": [1.0, 2.0, 3.0, 4.0]}
    for unit in content["Generators"].values():
        unit.pop("Reserve eligibility", None)
        if unit["Type"].lower() == "thermal":
            del unit["Type"]
    content["Generators"]["coal"]["Provides spinning reserves?"] = [True] * T
    content["Generators"]["peak"]["Provides spinning reserves?"] = False
    reserves = read_unitcommitment_jl(write(content)).reserves
    assert reserves.product == ("spinning",)
    assert reserves.required_mw.tolist() == [[1.0, 2.0, 3.0, 4.0]]
    assert reserves.offer_max_mw.tolist() == [[np.inf, 0.0, np.inf]]
    assert reserves.shortage_cost_per_mwh.tolist() == [80.0]
    content["Generators"]["coal"]["Provides spinning reserves?"] = [True, False, True, True]
    assert list(told(write(content))) == [("Generators.coal", "Provides spinning reserves?")]
    content["Generators"]["coal"]["Provides spinning reserves?"] = True
    del content["Reserves"]
    assert len(read_unitcommitment_jl(write(content)).reserves) == 0


def test_one_start_up_cost_needs_no_delay(write: Write) -> None:
    content = instance()
    content["Generators"]["peak"]["Startup costs ($)"] = [70.0]
    startup = read_unitcommitment_jl(write(content)).thermal.startup_cost[1]
    assert (startup.lag_h, startup.cost) == ((1.0,), (70.0,))


def one_bus(**parameters: Any) -> dict[str, Any]:
    """Return the example of the package's tutorial: two units without minimum output."""
    return {
        "Parameters": {"Version": "0.4", "Time horizon (h)": 4, **parameters},
        "Buses": {"b1": {"Load (MW)": [100, 150, 200, 250]}},
        "Generators": {
            name: {
                "Bus": "b1",
                "Type": "Thermal",
                "Production cost curve (MW)": [0, high],
                "Production cost curve ($)": [0, cost],
                "Initial status (h)": -24,
                "Initial power (MW)": 0,
            }
            for name, high, cost in (("g1", 200, 1000), ("g2", 300, 3000))
        },
    }


@pytest.mark.parametrize("step_min", [60, 30])
def test_cost_of_a_plan_is_the_packages(write: Write, step_min: int) -> None:
    """Costs are by step: half-hour steps cost as much each as hours do."""
    content = one_bus(**{"Time step (min)": step_min})
    content["Parameters"]["Time horizon (h)"] = 4 * step_min / 60
    run = gridopt.solve(read_unitcommitment_jl(write(content)), "unit_commitment", "highs")
    assert run.cost == pytest.approx(5 * (100 + 150 + 200 + 200) + 10 * 50)


def test_load_case_knows_the_format(tmp_path: Path, write: Write) -> None:
    path = write(instance())
    packed = tmp_path / "small.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    study = read_unitcommitment_jl(path)
    assert load_case(path).fingerprint() == study.fingerprint()
    assert load_case(packed).fingerprint() == study.fingerprint()
    assert load_case(path, hours=1).demand_mw.shape == (3, 2)


@pytest.mark.parametrize("kept", [1, 80, 900, -2])
def test_a_truncated_file(write: Write, kept: int) -> None:
    faults = told(write(json.dumps(instance())[:kept]))
    assert list(faults) == [("UnitCommitment.jl file small.json", "JSON")]


PARAMETERS, TOP = "Parameters", "UnitCommitment.jl file small.json"
COAL, WIND = "Generators.coal", "Generators.wind"
LINE, STORE, LOAD = (
    "Transmission lines.l1",
    "Storage units.battery",
    "Price-sensitive loads.pump",
)


@pytest.mark.parametrize(
    ("path", "value", "element", "field", "expected"),
    [
        ("Parameters>Version", "0.5", PARAMETERS, "Version", "one of 0.2, 0.3, 0.4"),
        ("Parameters>Version", None, PARAMETERS, "Version", "one of 0.2, 0.3, 0.4"),
        ("Parameters>Version", 3, PARAMETERS, "Version", "one of 0.2, 0.3, 0.4"),
        ("Parameters>Time horizon (h)", None, PARAMETERS, "Time horizon (h)", "a number"),
        ("Parameters>Time horizon (h)", "2", PARAMETERS, "Time horizon (h)", "a number"),
        ("Parameters>Time horizon (h)", 1.9, PARAMETERS, "Time horizon (h)", "whole steps"),
        ("Parameters>Time step (min)", 45, PARAMETERS, "Time step (min)", "a divisor of 60"),
        (
            *("Parameters>Power balance penalty ($/MW)", [1.0, 2.0, 1.0, 1.0]),
            *(PARAMETERS, "Power balance penalty ($/MW)", "the same in all periods"),
        ),
        ("Buses", None, TOP, "Buses", "an object"),
        ("Buses>b2>Load (MW)", [1.0], "Buses.b2", "Load (MW)", "4, one a period"),
        ("Buses>b2>Load (MW)", None, "Buses.b2", "Load (MW)", "a number"),
        ("Generators", [], TOP, "Generators", "an object"),
        ("Generators>coal>Bus", "b9", COAL, "Bus", "the name of a bus"),
        ("Generators>coal>Bus", 3, COAL, "Bus", "a text"),
        ("Generators>coal>Type", None, COAL, "Type", "Thermal or Profiled"),
        ("Generators>coal>Type", "Hydro", COAL, "Type", "Thermal or Profiled"),
        ("Generators>coal>Startup delays (h)>0", -1, COAL, "Startup delays (h)[0]", "at least 0"),
        ("Generators>coal>Startup delays (h)>1", 2, COAL, "Startup delays (h)[1]", "more than"),
        ("Generators>coal>Startup delays (h)>1", 1, COAL, "Startup delays (h)[1]", "more than"),
        ("Generators>coal>Startup costs ($)>1", 9, COAL, "Startup costs ($)[1]", "at least 300"),
        ("Generators>coal>Startup costs ($)", [9], COAL, "Startup costs ($)", "2, one for each"),
        ("Generators>coal>Startup costs ($)", [], COAL, "Startup costs ($)", "at least one"),
        (
            *("Generators>coal>Production cost curve ($)", [1, 2]),
            *(COAL, "Production cost curve ($)", "3, one for each point"),
        ),
        (
            *("Generators>coal>Production cost curve (MW)>1", 30),
            *(COAL, "Production cost curve (MW)[1]", "at least the point before"),
        ),
        (
            *("Generators>coal>Production cost curve (MW)>1", 40),
            *(COAL, "Production cost curve (MW)[1]", "more than the point before"),
        ),
        (
            *("Generators>coal>Production cost curve (MW)>1", "x"),
            *(COAL, "Production cost curve (MW)[1]", "a number"),
        ),
        ("Generators>coal>Initial status (h)", 0, COAL, "Initial status (h)", "never 0"),
        ("Generators>coal>Initial power (MW)", None, COAL, "Initial power (MW)", "a number"),
        ("Generators>coal>Must run?", "yes", COAL, "Must run?", "0 or 1"),
        ("Generators>coal>Must run?", [True], COAL, "Must run?", "a list of 4"),
        ("Generators>peak>Commitment status", [1, 0], "Generators.peak", "Commitment status", "4"),
        (
            *("Generators>coal>Reserve eligibility", ["r9"]),
            *(COAL, "Reserve eligibility[0]", "the name of a reserve"),
        ),
        ("Generators>wind>Maximum power (MW)", None, WIND, "Maximum power (MW)", "a number"),
        ("Generators>wind>Minimum power (MW)", 6.0, WIND, "Minimum power (MW)", "at most"),
        ("Transmission lines>l1>Source bus", None, LINE, "Source bus", "a text"),
        ("Transmission lines>l1>Susceptance (S)", 0, LINE, "Susceptance (S)", "other than 0"),
        (
            *("Transmission lines>l1>Normal flow limit (MW)", -1),
            *(LINE, "Normal flow limit (MW)", "at least 0"),
        ),
        (
            *("Contingencies>c1>Affected lines", ["l1", "l2"]),
            *("Contingencies.c1", "Affected lines", "one line"),
        ),
        (
            *("Contingencies>c1>Affected lines", ["l7"]),
            *("Contingencies.c1", "Affected lines[0]", "the name of a line"),
        ),
        (
            *("Interfaces>border>Branches", {"l9": 1.0}),
            *("Interfaces.border", "Branches.l9", "the name of a line"),
        ),
        ("Reserves>r1>Type", "flexiramp", "Reserves.r1", "Type", "spinning, the only kind"),
        ("Reserves>r1>Type", None, "Reserves.r1", "Type", "a text"),
        ("Reserves>r1>Amount (MW)", -2, "Reserves.r1", "Amount (MW)", "at least 0"),
        (
            *("Reserves>r1>Shortfall penalty ($/MW)", [1, 2, 3, 4]),
            *("Reserves.r1", "Shortfall penalty ($/MW)", "the same in all periods"),
        ),
        (
            *("Storage units>battery>Maximum level (MWh)", [1, 2, 3, 4]),
            *(STORE, "Maximum level (MWh)", "the same in all periods"),
        ),
        ("Storage units>battery>Charge efficiency", 1.2, STORE, "Charge efficiency", "from 0 to 1"),
        (
            *("Storage units>battery>Minimum charge rate (MW)", 2.0),
            *(STORE, "Minimum charge rate (MW)", "0: a least rate cannot be planned"),
        ),
        (
            *("Storage units>battery>Maximum charge rate (MW)", None),
            *(STORE, "Maximum charge rate (MW)", "a number"),
        ),
        ("Price-sensitive loads>pump>Demand (MW)", -1, LOAD, "Demand (MW)", "at least 0"),
        ("Price-sensitive loads>pump>Revenue ($/MW)", None, LOAD, "Revenue ($/MW)", "a number"),
        # what only the study can say
        (
            *("Generators>coal>Initial power (MW)", 20.0),
            *("thermal 0 (coal)", "initial_power_mw", "40 to 100"),
        ),
        (
            *("Storage units>battery>Initial level (MWh)", 50.0),
            *("storage 0 (battery)", "initial_soc_mwh", "1 to 20"),
        ),
    ],
)
def test_each_fault_names_its_field(
    write: Write, path: str, value: Any, element: str, field: str, expected: str
) -> None:
    faults = told(write(broken(path, value)))
    assert (element, field) in faults
    assert expected in faults[element, field]
    if path.count(">") > 1 and "Contingencies" not in path:
        assert len(faults) == 1


def test_all_faults_at_once(write: Write) -> None:
    content = instance()
    del content["Parameters"]["Version"]
    del content["Generators"]["coal"]["Bus"]
    content["Generators"]["coal"]["Startup delays (h)"] = [-3, 4]
    content["Generators"]["peak"]["Initial power (MW)"] = 12.0
    content["Transmission lines"]["l2"]["Target bus"] = "b7"
    content["Reserves"]["r2"]["Amount (MW)"] = [1.0]
    content["Storage units"]["battery"]["Maximum level (MWh)"] = "much"
    assert told(write(content)).keys() == {
        ("Parameters", "Version"),
        ("Generators.coal", "Bus"),
        ("Generators.coal", "Startup delays (h)[0]"),
        ("thermal 1 (peak)", "initial_power_mw"),
        ("Transmission lines.l2", "Target bus"),
        ("Reserves.r2", "Amount (MW)"),
        ("Storage units.battery", "Maximum level (MWh)"),
    }


def test_separate_parts_of_the_grid_are_told(write: Write) -> None:
    content = instance()
    del content["Transmission lines"], content["Contingencies"], content["Interfaces"]
    assert all("islanded" in fault for fault in told(write(content)).values())
