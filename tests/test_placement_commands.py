"""Placing batteries from the command line, as a planner and a script do it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandapower as pp
import pandas as pd
import pytest
from typer.testing import CliRunner

from gridopt.cli import app

BARAN_WU = ("case33bw", "--hours", 4)
SMALL = ("--module", "li_ion_0.5mw_2h")


@dataclass(frozen=True)
class Done:
    """What a command did."""

    exit_code: int
    stdout: str
    stderr: str


def place(*args: object) -> Done:
    """Run the command in this process; a traceback is a failure."""
    words = ["solve", "battery-placement", *map(str, args)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def record(*args: object, code: int = 0) -> dict[str, Any]:
    """Run with ``--json``; return the one document on standard output."""
    done = place(*args, "--json")
    assert done.exit_code == code, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, make_tree_net: Callable[..., Any]) -> Path:
    """Return the file of a net with loads that it can hardly serve."""
    file = tmp_path_factory.mktemp("tree") / "tree.json"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' future, inside pandapower
        pp.to_json(make_tree_net(1.5), str(file))
    return file


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("profiles") / "three.csv"
    file.write_text("period,system\n0,0.5\n1,1.0\n2,0.7\n", encoding="utf-8")
    return file


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_places_shows_and_writes(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    done = place(*BARAN_WU, *SMALL, "--count", 1, "--out", out)
    assert done.exit_code == 0
    assert done.stderr == ""
    for text in (
        "Battery placement of case33bw", "33 candidates, 4 periods of 1 h", "yes, verified",
        "1 × li_ion_0.5mw_2h: 0.5 MW, 1 MWh", "cost without batteries", "cost by AC power flow",
        "4 of 4 periods converge", "written to",
    ):  # fmt: skip
        assert text in done.stdout
    # without profiles the shape that was taken is named
    assert "no profiles given: the hourly load shape of the IEEE RTS-79" in done.stdout

    names = {path.name for path in out.iterdir()}
    assert {"placement.csv", "dispatch.csv", "summary.json"} <= names
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    placement, dispatch = (pd.read_csv(out / f"{name}.csv") for name in ("placement", "dispatch"))
    assert list(placement) == [
        *("bus", "module", "modules", "power_mw", "energy_mwh", "investment_cost")
    ]
    (row,) = placement.to_dict("records")
    assert (row["module"], row["modules"], row["power_mw"]) == ("li_ion_0.5mw_2h", 1, 0.5)
    assert list(dispatch) == ["time", "ext_grid 0", f"li_ion_0.5mw_2h at {row['bus']}"]
    assert len(dispatch) == 4
    assert dispatch["time"].tolist() == [8424, 8425, 8426, 8427]
    assert summary["feasible"]
    assert summary["after"]["violations"] == {}
    assert summary["after"]["cost_items"]["investment"] > 0
    assert summary["before"]["cost_items"]["investment"] == 0
    assert summary["cost"] == pytest.approx(summary["after"]["cost"], rel=1e-4)


def test_other_formats(tmp_path: Path) -> None:
    arguments = (*BARAN_WU, *SMALL, "--count", 2, "--out", tmp_path, "--format")
    tables = {}
    for form, read in (
        ("csv", pd.read_csv),
        ("parquet", pd.read_parquet),
        ("json", pd.read_json),
    ):
        assert place(*arguments, form).exit_code == 0
        found = {path.name for path in tmp_path.iterdir() if path.suffix != ".png"}
        assert found == {*(f"placement.{form}", f"dispatch.{form}", "summary.json", "report.html")}
        tables[form] = [read(tmp_path / f"{name}.{form}") for name in ("placement", "dispatch")]
    for form in ("parquet", "json"):
        for one, other in zip(tables["csv"], tables[form], strict=True):
            pd.testing.assert_frame_equal(one, other, check_dtype=False)


def test_json_alone_on_standard_output() -> None:
    found = record(*BARAN_WU, *SMALL, "--count", 1, "--operation", "profile")
    assert found["formulation"] == "battery_placement"
    assert (found["solver"], found["termination"]) == ("highs", "optimal")
    assert found["violations"] == {}
    assert found["bound"] == pytest.approx(found["cost"], rel=1e-4)
    assert found["rounds_with_ac"] >= 1
    assert found["before"]["power_flow"][0]["converged"] == 4
    assumed = " ".join(found["assumptions"])
    assert "batteries run by one profile" in assumed
    assert "LinDistFlow" in assumed


def test_every_option_counts(tree: Path, profiles: Path, tmp_path: Path) -> None:
    candidates = written(tmp_path / "buses.csv", "bus\nend\n2\n")
    catalogue = written(
        tmp_path / "mine.csv",
        "name,power_mw,energy_mwh,charge_efficiency,discharge_efficiency,depth_of_discharge,"
        "lifetime_years,investment_cost,fixed_om_cost_per_year,degradation_cost_per_mwh\n"
        "a,0.5,1,0.9,0.9,1,10,100,0,1\nb,1,2,0.9,0.9,1,10,150,0,1\n",
    )
    found = record(
        tree, "--profiles", profiles, "--candidates", candidates, "--catalogue", catalogue,
        "--module", "a", "--module", "b", "--count", 2, "--budget", 460, "--modules-max", 2,
        "--modules-min", 2, "--vm-min", 0.95, "--vm-max", 1.02, "--loss-cost", 33,
        "--voltage-cost", 4000, "--overload-cost", 70, "--peak-cost", 500,
        "--out", tmp_path / "out", "--gap", 0,
    )  # fmt: skip
    items = found["cost_items"]
    assert items.keys() >= {"losses", "peak", "storage", "voltage", "overload", "investment"}
    assert items["voltage"] > 0
    placement = pd.read_csv(tmp_path / "out" / "placement.csv")
    assert set(placement["bus"]) == {"end", "north"}
    assert placement.groupby("bus")["modules"].sum().tolist() == [2, 2]
    assert placement["investment_cost"].sum() <= 460
    dispatch = pd.read_csv(tmp_path / "out" / "dispatch.csv")
    assert items["peak"] == pytest.approx(500 * dispatch["ext_grid 0"].max())
    (flow,) = found["after"]["power_flow"]
    assert found["after"]["cost_items"]["losses"] == pytest.approx(33 * flow["loss_mwh"], rel=1e-3)


def test_a_sampler_places_too() -> None:
    arguments = (*BARAN_WU, *SMALL, "--count", 1, "--operation", "profile", "--peak-cost", 50)
    exact = record(*arguments, "--gap", 0)
    found = record(*arguments, "--solver", "neal", "--option", "reads=100", "--seed", 3)
    assert found["solver"] == "neal"
    assert found["solver_options"]["lowering"]["form"] == "compact"
    assert 0 < found["details"]["bits"] <= 33
    assert found["termination"] == "sampled"
    assert found["feasible"]
    assert exact["cost"] * (1 - 1e-6) <= found["cost"] <= exact["cost"] * 1.001
    full = place(*arguments, "--solver", "neal", "-o", "form=full", "-o", "reads=5", "--json")
    assert json.loads(full.stdout)["solver_options"]["lowering"]["form"] == "full"


def test_the_decomposition_places_with_a_sampler() -> None:
    case = ("case39", "--hours", 3, "--units", "typical", "--network", "dc")
    sites = ("--count", 2, "--module", "li_ion_10mw_4h", "--modules-max", 3)
    found = record(*case, *sites, "--solver", "decomposition", "--sampler", "anneal", "--gap", 0.01)
    assert found["feasible"]
    assert found["solver_options"]["sampler"]["solver"] == "anneal"
    assert found["gap"] <= 0.01
    assert found["details"]["price_evaluations"] > 0


def test_a_hard_limit_that_nothing_keeps(tmp_path: Path) -> None:
    arguments = (*BARAN_WU, "--count", 1, "--module", "li_ion_0.1mw_2h", "--vm-min", 0.999)
    done = place(*arguments, "--out", tmp_path)
    assert done.exit_code == 3
    assert "infeasible" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "summary.json"}
    found = record(*arguments, code=3)
    assert not found["feasible"]
    assert found["cost"] is None
    assert found["after"] is None
    assert found["before"]["violations"]["voltage"] > 50


def test_what_power_flow_does_not_bear_is_no_answer(
    tree: Path, profiles: Path, tmp_path: Path
) -> None:
    """A battery that charges more than the lines bear: LinDistFlow alone does not know it."""
    catalogue = written(
        tmp_path / "mine.csv",
        "name,power_mw,energy_mwh,charge_efficiency,discharge_efficiency,depth_of_discharge,"
        "lifetime_years,investment_cost,fixed_om_cost_per_year,degradation_cost_per_mwh\n"
        "huge,40,40,0.1,0.5,0.1,10,100,0,1\n",
    )
    done = place(
        tree, "--profiles", profiles, "--catalogue", catalogue, "--module", "huge", "--count", 1,
        "--candidates", written(tmp_path / "buses.csv", "bus\nend\n"), "--operation", "profile",
        "--vm-min", 0, "--overload-cost", 0,
    )  # fmt: skip
    assert done.exit_code == 3, done.stderr
    assert "no, AC power flow breaks a limit or diverges" in done.stdout


def told(*args: object) -> str:
    """Return the message of a command that is refused."""
    done = place(*args)
    assert done.exit_code == 2
    assert done.stdout == ""
    return done.stderr


def test_bad_input_is_told_at_once(tree: Path, profiles: Path, tmp_path: Path) -> None:
    candidates = written(tmp_path / "buses.csv", "bus\n77\n5\nnorth\n")
    said = told(
        tree, "--profiles", profiles, "--candidates", candidates, "--count", 40, "--budget", -1,
        "--module", "li_ion_9mw", "--modules-min", 3, "--peak-cost", -1, "--vm-min", 1.2,
        "--solver", "hihgs", "--out", "/dev/null/out", "--security", "n-1", "--network", "radial",
    )  # fmt: skip
    for text in (
        "candidate 77: bus = 77, expected a bus of the grid",
        "candidate 5: bus = 5, expected a bus in service",
        "battery sites: count = 40, expected 0 to the number of candidates",
        "battery sites: budget = -1.0, expected at least 0",
        "battery sites: modules_min = 3, expected 1 to modules_max = 1",
        "battery sites: peak_cost_per_mw = -1.0, expected at least 0",
        "battery sites: vm_min_pu = 1.2, expected at most vm_max_pu",
        "unknown battery module 'li_ion_9mw'; did you mean li_ion_",
        "unknown solver 'hihgs'; did you mean highs?",
        "output: out = /dev/null/out, expected a folder that can be written",
        "battery_placement: security = 'n-1', expected none, or n-1 with network = 'dc'",
    ):
        assert text in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--count", 6), "battery sites: count = 6, expected 0 to the number of candidates, 5"),
        (("--module", "li_ion"), "unknown battery module 'li_ion'; did you mean li_ion_0.1mw_2h"),
        (("--candidates", "none.csv"), "candidates: file = none.csv, expected a CSV file with a"),
        (("--catalogue", "none.csv"), "battery modules: table = none.csv, expected a CSV file ("),
        (("--network", "dc", "--vm-min", 1.3), "vm_min_pu = 1.3, expected at most vm_max_pu = 1.1"),
    ],
)
def test_one_fault_is_one_message(
    arguments: tuple[object, ...], expected: str, tree: Path, profiles: Path
) -> None:
    said = told(tree, "--profiles", profiles, *arguments)
    assert expected in said
    assert said.count("error: ") == 1
    assert "1 fault in the input" in said or "unknown" in said


def test_a_voltage_band_needs_a_radial_net() -> None:
    said = told("case9", "--hours", 1, "--vm-min", 0.95)
    assert "voltage band = given, expected a radial grid, or operation = 'profile'" in said


def test_a_meshed_net_is_placed_with_dc_flows() -> None:
    found = record("case9", "--hours", 2, "--count", 1, "--units", "typical", "--gap", 0.01)
    assert found["feasible"]
    assert found["rounds_with_ac"] == 1
    assert "losses" not in found["cost_items"]
    assert found["after"]["power_flow"][0]["converged"] == 2


def test_an_option_that_there_is_not() -> None:
    done = place(*BARAN_WU, "--operation", "daily")
    assert done.exit_code == 2
    assert "Invalid value for '--operation'" in done.stderr
