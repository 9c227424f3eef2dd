"""The command line as a planner, a researcher and a script use it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highspy
import pandapower as pp
import pandas as pd
import pytest
from typer.testing import CliRunner

from gridopt.cli import app
from gridopt.registry import solver_names

COMMAND = Path(sysconfig.get_path("scripts"), "gridopt")
PLAN = ["commitment.png", "dispatch.png", "report.html", "schedule.csv", "summary.json"]
FILES = sorted([*PLAN, "prices.csv", "prices.png"])
OF_A_NETWORK = ["line_loading.png", "map.png"]
COLUMNS = ["generator", "period", "committed", "power_mw", "reserve_mw"]
SUMMARY = {
    *("case", "formulation", "solver", "seed", "termination", "feasible", "cost", "bound"),
    *("bound_source", "gap", "violations", "build_s", "solve_s", "peak_rss_mb", "versions"),
}

LOCAL_SOLVERS = [name for name in solver_names() if name not in ("dwave", "leap_cqm")]
"""All but those that need a token."""

DAYS = 16
"""Days planned one after the other: enough to stop them in between."""

TWO_HOURS = "period,system\n0,0.8\n1,1.4\n"


@dataclass(frozen=True)
class Done:
    """What a command did."""

    exit_code: int
    stdout: str
    stderr: str


def gridopt(*args: object, **env: str) -> Done:
    """Run a command in this process; a traceback is a failure."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], env=env)
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def solve(*args: object) -> Done:
    return gridopt("solve", "unit-commitment", *args)


def summary(*args: object, code: int = 0) -> dict[str, Any]:
    """Run with ``--json``; return the one document on standard output."""
    result = solve(*args, "--json")
    assert result.exit_code == code, result.stderr
    assert result.stderr == ""
    record: dict[str, Any] = json.loads(result.stdout)
    return record


def installed(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a process of its own."""
    words = [str(COMMAND), *map(str, args)]
    return subprocess.run(  # noqa: S603
        words, capture_output=True, text=True, timeout=120, check=False, **options
    )


def tiny() -> Any:
    """Return two generators, 20 to 60 and 10 to 40 MW, on two buses with a line and a load."""
    net = pp.create_empty_network(name="tiny")
    north, south = (pp.create_bus(net, 110.0, name=name) for name in ("north", "south"))
    line = {"x_ohm_per_km": 0.4, "r_ohm_per_km": 0.1, "c_nf_per_km": 0.0, "max_i_ka": 1.0}
    pp.create_line_from_parameters(net, north, south, 1.0, **line)
    pp.create_ext_grid(net, north, min_p_mw=0.0, max_p_mw=0.0)
    pp.create_gen(net, north, p_mw=0.0, min_p_mw=20.0, max_p_mw=60.0, name="steam")
    pp.create_gen(net, south, p_mw=0.0, min_p_mw=10.0, max_p_mw=40.0, name="gas")
    pp.create_load(net, south, p_mw=50.0, name="town")
    pp.create_poly_cost(net, 0, "gen", cp1_eur_per_mw=20.0, cp0_eur=100.0)
    pp.create_poly_cost(net, 1, "gen", cp1_eur_per_mw=40.0, cp0_eur=10.0)
    return net


def saved(net: Any, file: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' future, inside pandapower
        pp.to_json(net, str(file))
    return file


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """Return the arguments of the tiny case: a net file and two hours of load."""
    folder = tmp_path_factory.mktemp("tiny")
    net = saved(tiny(), folder / "tiny.json")
    return net, "--profiles", written(folder / "two.csv", TWO_HOURS)


# --- good answers -------------------------------------------------------------------------------


def test_the_published_day_from_the_shell(tmp_path: Path) -> None:
    done = installed(
        *("solve", "unit-commitment", "kazarlis10", "--gap", "1e-3"),
        *("--out", tmp_path / "new" / "out", "--json"),
    )
    out = tmp_path / "new" / "out"
    assert done.returncode == 0
    assert done.stderr == ""
    record = json.loads(done.stdout)
    assert set(record) >= SUMMARY
    assert record["case"] == "kazarlis10"
    assert record["formulation"] == "unit_commitment"
    assert record["solver"] == "highs"
    assert record["seed"] == 0
    assert record["termination"] == "optimal"
    assert record["feasible"] is True
    assert record["violations"] == {}
    assert record["cost"] == pytest.approx(563_938, rel=1e-3)
    assert record["bound"] <= 563_938 <= record["cost"] + 1
    assert record["bound_source"].startswith("HiGHS")
    assert 0 <= record["gap"] <= 1e-3
    assert {"python", "gridopt", "numpy", "scipy", "highspy"} <= set(record["versions"])
    assert min(record[key] for key in ("build_s", "solve_s", "peak_rss_mb")) > 0

    assert sorted(path.name for path in out.iterdir()) == FILES
    assert json.loads((out / "summary.json").read_text(encoding="utf-8")) == record
    assert (out / "schedule.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    plan = pd.read_csv(out / "schedule.csv")
    assert len(plan) == 10 * 24
    assert not plan.duplicated(["generator", "period"]).any()
    assert sorted(plan["period"].unique()) == list(range(24))
    assert set(plan["committed"]) == {0, 1}
    assert plan.loc[plan["committed"] == 0, ["power_mw", "reserve_mw"]].eq(0).all(axis=None)
    demand_mw = plan.groupby("period")["power_mw"].sum()
    assert demand_mw.sum() == pytest.approx(27_100)
    assert (plan.groupby("period")["reserve_mw"].sum() >= 0.1 * demand_mw - 1e-6).all()
    for name in ("dispatch.png", "commitment.png"):
        content = (out / name).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert b"IEND" in content[-12:]


def test_the_reliability_test_system_with_its_network(tmp_path: Path) -> None:
    out = tmp_path / "out"
    record = summary("rts79", "--hours", 3, "--network", "dc", "--gap", 0.01, "--out", out)
    assert (record["periods"], record["period_h"]) == (3, 1.0)
    assert record["formulation_options"]["network"] == "dc"
    assert record["feasible"]
    assert record["gap"] <= 0.01
    assert pd.read_csv(out / "schedule.csv")["generator"].nunique() == 32


def test_a_net_of_pandapower_with_typical_units() -> None:
    record = summary("case39", "--units", "typical", "--hours", 2, "--gap", 0.05)
    assert record["case"] == "case39"
    assert record["feasible"]
    assumed = " ".join(record["assumptions"])
    assert "typical of" in assumed
    assert "min_up_time_h" in assumed
    assert "no profiles given" in assumed


def test_shows_what_a_planner_asks_for(case: tuple[object, ...], tmp_path: Path) -> None:
    result = solve(*case, "--out", tmp_path)
    assert result.exit_code == 0
    assert result.stderr == ""
    for text in ("tiny", "2 units, 2 periods", "yes, verified", "2,610.00", "assumed: ", "gap"):
        assert text in result.stdout
    assert "written to" in result.stdout


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    net = tiny()
    net.gen["name"] = ["[/b]steam", "gas [red]:smile:"]
    result = solve(saved(net, tmp_path / "[bold] net.json"), "--hours", 1)
    assert result.exit_code == 0
    for text in ("[/b]steam", "gas [red]:smile:", "[bold] net"):
        assert text in result.stdout


def test_profiles_and_units_from_files(case: tuple[object, ...], tmp_path: Path) -> None:
    net = case[0]
    stamps = ["2024-10-27T02:00+02:00", "2024-10-27T02:00+01:00", "2024-10-27T03:00+01:00"]
    load = pd.DataFrame({"time": stamps, "town": [40.0, 70.0, 30.0]})
    load.to_csv(tmp_path / "load.csv", index=False)
    load.to_parquet(tmp_path / "load.parquet")
    zone = ("--tz", "Europe/Berlin")
    units = written(tmp_path / "units.csv", "name,startup_cost\nsteam,1000\n")
    csv = summary(net, "--profiles", tmp_path / "load.csv", *zone, "--units", units)
    parquet = summary(net, "--profiles", tmp_path / "load.parquet", *zone, "--units", units)
    assert csv["fingerprint"] == parquet["fingerprint"]
    assert csv["periods"] == 3
    assert csv["cost_items"]["startup"] == 1000
    part = summary(net, "--profiles", tmp_path / "load.csv", *zone, "--start", 1, "--hours", 1)
    assert part["periods"] == 1
    assert part["cost"] == pytest.approx(100 + 60 * 20 + 10 + 10 * 40)


def test_unserved_energy_has_its_price(case: tuple[object, ...], tmp_path: Path) -> None:
    load = written(tmp_path / "big.csv", "period,system\n0,1\n1,2.5\n")
    record = summary(case[0], "--profiles", load, "--unserved-cost", 1000)
    assert record["energy_mwh"]["unserved"] == pytest.approx(25)
    assert record["cost_items"]["unserved"] == pytest.approx(25_000)


# --- solvers --------------------------------------------------------------------------------------


def answer(out: Path) -> tuple[str, dict[str, Any]]:
    """Return what a run wrote, but for times and memory."""
    record = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    for part in (record, record["details"], *record["trace"]):
        for key in [key for key in part if key.endswith(("_s", "_rss_mb"))]:
            del part[key]
    return (out / "schedule.csv").read_text(), record


@pytest.mark.parametrize("solver", LOCAL_SOLVERS)
def test_every_solver_by_name_and_seed(
    solver: str, case: tuple[object, ...], tmp_path: Path
) -> None:
    codes = set()
    for name in ("one", "other"):
        result = solve(*case, "--solver", solver, "--seed", 7, "--out", tmp_path / name)
        assert result.stderr == ""
        codes.add(result.exit_code)
    first, second = answer(tmp_path / "one"), answer(tmp_path / "other")
    assert first == second
    record = first[1]
    assert (record["solver"], record["seed"]) == (solver, 7)
    assert codes == ({0} if record["feasible"] else {3})
    assert record["bound"] == pytest.approx(2610)
    if record["feasible"]:
        assert record["cost"] >= record["bound"] - 1e-6
        assert record["violations"] == {}
    else:
        assert record["cost"] is None
        assert record["gap"] is None
        assert record["violations"]
    if solver in ("highs", "exact", "neal"):
        assert record["cost"] == pytest.approx(2610)


def test_options_of_a_solver(case: tuple[object, ...]) -> None:
    options = ("-o", "reads=20", "--option", "sweeps=100", "-o", "polish=False")
    record = summary(*case, "--solver", "neal", "--resolution", 10, *options)
    assert record["details"]["reads"] == 20
    assert record["details"]["resolution"] == 10
    assert record["solver_options"]["polish"] is False
    assert record["solver_options"]["lowering"]["resolution"] == 10


def test_says_which_common_option_a_solver_lacks(case: tuple[object, ...]) -> None:
    result = solve(*case, "--solver", "exact", "--gap", 0.1, "--json")
    assert result.exit_code == 0
    assert result.stderr == "note: exact has no option gap; left out\n"
    assert json.loads(result.stdout)["feasible"]


def test_a_time_limit_ends_the_search_with_what_there_is() -> None:
    begun = time.perf_counter()
    record = summary("kazarlis10x10", "--gap", 0, "--time-limit", 2.5)
    assert time.perf_counter() - begun < 15
    assert record["termination"] == "time_limit"
    assert record["feasible"]
    assert 0 < record["gap"] < 0.05


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_keeps_the_best_answer() -> None:
    words = [str(COMMAND), "solve", "unit-commitment", "rts79", "--hours", "72", "--gap", "0"]
    words.append("--json")
    with subprocess.Popen(  # noqa: S603
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        time.sleep(12)  # well into the search, also on a busy machine
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert stderr == ""
    record = json.loads(stdout)
    assert record["termination"] == "interrupted"
    assert record["feasible"]
    assert record["gap"] > 0


def test_lists_the_solvers() -> None:
    result = gridopt("solvers")
    assert result.exit_code == 0
    rows = json.loads(gridopt("solvers", "--json").stdout)
    assert [row["solver"] for row in rows] == list(solver_names())
    for row in rows:
        if row["installed"] == "no":
            assert "pip install" in row["limits"]
            continue
        assert row["installed"] == "yes"
        assert row["kind"]
        assert row["limits"]
        assert "seed" in row["options"]
        assert row["solver"][:5] in result.stdout


# --- files ----------------------------------------------------------------------------------------


def test_the_schedule_in_another_format(case: tuple[object, ...], tmp_path: Path) -> None:
    for form in ("parquet", "json"):
        assert solve(*case, "--format", form, "--out", tmp_path / form).exit_code == 0
        assert (tmp_path / form / f"schedule.{form}").stat().st_size
        assert not (tmp_path / form / "schedule.csv").exists()
    table = pd.read_parquet(tmp_path / "parquet" / "schedule.parquet")
    assert list(table.columns) == COLUMNS
    content = json.loads((tmp_path / "json" / "schedule.json").read_text())
    assert content["power_mw"] == table["power_mw"].to_numpy().reshape(2, 2).tolist()


def test_prices_of_a_network(case: tuple[object, ...], tmp_path: Path) -> None:
    record = summary(*case, "--network", "dc", "--out", tmp_path)
    table = pd.read_csv(tmp_path / "prices.csv")
    assert list(table.columns) == ["period", "bus", "price", "energy", "congestion"]
    assert table["bus"].unique().tolist() == ["north", "south"]
    assert table["price"].between(20 - 1e-9, 40 + 1e-9).all()
    assert record["feasible"]


def test_the_program_as_a_file(case: tuple[object, ...], tmp_path: Path) -> None:
    for name in ("program.lp", "program.mps"):
        file = tmp_path / "new" / name
        record = summary(*case, "--write-program", file)
        highs = highspy.Highs()  # type: ignore[no-untyped-call]
        highs.setOptionValue("output_flag", False)
        highs.readModel(str(file))
        highs.run()
        assert highs.getInfo().objective_function_value == pytest.approx(record["cost"])


# --- days -----------------------------------------------------------------------------------------


def days_of_load(folder: Path, days: int) -> Path:
    """Return a profile of days of six-hour periods, no two alike."""
    factors = (0.7 + 0.6 * (t * 7 % 11) / 11 for t in range(4 * days))
    lines = (f"{t},{factor:.4f}" for t, factor in enumerate(factors))
    return written(folder / "days.csv", "period,system\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def many_days(case: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Return the arguments of days of the tiny case."""
    load = days_of_load(tmp_path_factory.mktemp("days"), DAYS)
    more = ("--look-ahead-h", 12, "--gap", 1e-6, "--seed", 2)
    return ["simulate", case[0], "--profiles", load, "--period-h", 6, *more]


@pytest.fixture(scope="module")
def uninterrupted(many_days: list[object], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the record of all days, planned in one go."""
    out = tmp_path_factory.mktemp("whole")
    done = gridopt(*many_days, "--days", DAYS, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def started(args: list[object], out: Path, days_first: int) -> subprocess.Popen[str]:
    """Start the installed command; return once it has planned some days."""
    words = [str(COMMAND), *map(str, args), "--days", str(DAYS), "--out", str(out), "--json"]
    process = subprocess.Popen(  # noqa: S603
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    file = out / "days" / f"day-{days_first:04}.json"
    while not file.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    return process


def test_days_one_after_the_other(
    many_days: list[object], uninterrupted: Any, tmp_path: Path
) -> None:
    record = uninterrupted
    assert (record["days"], record["days_planned"], record["stopped"]) == (DAYS, DAYS, "")
    assert record["feasible"] is True
    assert record["violations"] == {}
    shown = gridopt(*many_days, "--days", 3, "--out", tmp_path, "--format", "parquet")
    assert shown.exit_code == 0
    for text in ("3 days of tiny", "3 of 3, each with 12 h ahead", "yes, verified as one plan"):
        assert text in shown.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("commitment.png", "days", "days.csv", "dispatch.png", *OF_A_NETWORK, "report.html"),
        *("schedule.parquet", "simulation.json", "summary.json"),
    ]
    assert len(pd.read_csv(tmp_path / "days.csv")) == 3
    assert len(pd.read_parquet(tmp_path / "schedule.parquet")) == 2 * 12


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL to send")
def test_killed_days_go_on_where_they_were(
    many_days: list[object], uninterrupted: Any, tmp_path: Path
) -> None:
    with started(many_days, tmp_path, 3) as process:
        process.kill()
    there = len(list((tmp_path / "days").glob("day-*.json")))
    assert 3 <= there < DAYS
    assert not (tmp_path / "summary.json").exists()
    done = gridopt(*many_days, "--days", DAYS, "--out", tmp_path, "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["cost"] == uninterrupted["cost"]
    assert record["cost_items"] == uninterrupted["cost_items"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_writes_the_days_that_are_whole(
    many_days: list[object], uninterrupted: Any, tmp_path: Path
) -> None:
    with started(many_days, tmp_path, 3) as process:
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 3, stderr
    assert stderr == ""
    record = json.loads(stdout)
    planned = record["days_planned"]
    assert 2 <= planned < DAYS  # the third may be on file and not yet counted
    assert record["stopped"] == f"day {planned + 1}: interrupted"
    assert record["feasible"] is False
    assert record["violations"] == {}
    assert len(pd.read_csv(tmp_path / "days.csv")) == planned
    rest = gridopt(*many_days, "--days", DAYS, "--out", tmp_path, "--json")
    assert json.loads(rest.stdout)["cost"] == uninterrupted["cost"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_progress_on_a_terminal(many_days: list[object], tmp_path: Path) -> None:
    words = [str(COMMAND), *map(str, many_days), "--days", "2", "--out", str(tmp_path)]
    terminal, end = os.openpty()
    shown = b""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=end) as process:  # noqa: S603
        os.close(end)
        with contextlib.suppress(OSError):  # so Linux says that nobody writes any more
            while part := os.read(terminal, 4096):
                shown += part
    os.close(terminal)
    assert process.returncode == 0
    assert b"2 of 2 days  cost " in shown


def test_days_of_another_run_are_left_alone(many_days: list[object], tmp_path: Path) -> None:
    assert gridopt(*many_days, "--days", 2, "--out", tmp_path).exit_code == 0
    other = gridopt(*many_days, "--days", 2, "--gap", 0.01, "--out", tmp_path)
    assert other.exit_code == 2
    assert other.stdout == ""
    check(other.stderr, "solver_options = ")


def test_a_day_without_an_answer_is_named(many_days: list[object], tmp_path: Path) -> None:
    result = gridopt(*many_days, "--days", 2, "--reserve", 5, "--out", tmp_path)
    assert result.exit_code == 3
    assert "day 1: no feasible answer (infeasible)" in result.stdout
    assert json.loads((tmp_path / "summary.json").read_text())["cost"] is None


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ((), ("solve", "simulate", "solvers", "demo")),
        (("solve",), ("unit-commitment",)),
        (("solvers",), ("--json",)),
        (("demo",), ("--out",)),
        (("simulate",), ("--days", "--look-ahead-h", "--out", "--network", "--gap", "Exit codes")),
        (
            ("solve", "unit-commitment"),
            (
                *("rts79", "Exit codes", "--profiles", "--units", "--hours", "--start"),
                *("--network", "--solver", "--time-limit", "--gap", "--seed", "--out", "--json"),
            ),
        ),
    ],
)
def test_help(words: tuple[str, ...], texts: tuple[str, ...]) -> None:
    result = gridopt(*words, "--help", COLUMNS="120", NO_COLOR="1")
    assert result.exit_code == 0
    assert result.stderr == ""
    for text in texts:
        assert text in result.stdout


def test_no_bars_and_no_colors_but_on_a_terminal() -> None:
    words = ("solve", "unit-commitment", "kazarlis10", "--hours", 3, "--json")
    done = installed(*words, env={**os.environ, "FORCE_COLOR": "1"})
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert json.loads(done.stdout)["feasible"]


def test_json_in_any_encoding(tmp_path: Path) -> None:
    net = saved(tiny(), tmp_path / "Zürich −.json")
    result = solve(net, "--hours", 1, "--json")
    assert result.stdout.isascii()
    assert json.loads(result.stdout)["case"] == "Zürich −"


# --- no feasible answer ---------------------------------------------------------------------------


@pytest.mark.parametrize("solver", LOCAL_SOLVERS)
def test_more_reserve_than_units_is_no_feasible_answer(
    solver: str, case: tuple[object, ...], tmp_path: Path
) -> None:
    record = summary(*case, "--reserve", 5, "--solver", solver, "--out", tmp_path, code=3)
    assert record["termination"] == "infeasible"
    assert record["feasible"] is False
    assert (record["cost"], record["gap"]) == (None, None)
    names = sorted(path.name for path in tmp_path.iterdir())
    told = ["report.html", "summary.json"]
    without_plan = {"highs": told, "decomposition": ["convergence.png", *told]}
    assert names == without_plan.get(solver, sorted([*PLAN, *OF_A_NETWORK]))


def test_what_is_missing_is_shown_as_none(case: tuple[object, ...]) -> None:
    shown = solve(*case, "--reserve", 5, "--solver", "neal", "-o", "reads=5")
    assert shown.exit_code == 3
    assert "none" in shown.stdout
    assert "inf%" not in shown.stdout
    assert "nan" not in shown.stdout


def test_too_little_time_for_any_answer(tmp_path: Path) -> None:
    record = summary("kazarlis10x10", "--time-limit", 0.01, "--out", tmp_path, code=3)
    assert record["termination"] == "time_limit"
    assert record["feasible"] is False
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "summary.json"]


def test_a_sampler_that_finds_nothing_feasible(case: tuple[object, ...]) -> None:
    weak = ("reads=1", "sweeps=1", "polish=False", "penalty=1e-3", "repair=False")
    options = [word for option in weak for word in ("-o", option)]
    record = summary(*case, "--solver", "neal", *options, code=3)
    assert record["termination"] == "sampled"
    assert record["violations"]


def test_an_earlier_plan_does_not_outlive_a_run_without_one(
    case: tuple[object, ...], tmp_path: Path
) -> None:
    assert solve(*case, "--out", tmp_path).exit_code == 0
    note = written(tmp_path / "my notes.txt", "mine")
    assert solve(*case, "--reserve", 5, "--out", tmp_path).exit_code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        note.name,
        "report.html",
        "summary.json",
    ]


# --- bad input ------------------------------------------------------------------------------------


def refused(folder: Path, *args: object) -> str:
    """Run with ``--out``; return the message of a run that stopped at its input."""
    out = folder / "results" / "out"
    result = solve(*args, "--out", out)
    assert result.exit_code == 2, result.stdout + result.stderr
    assert result.stdout == ""
    assert not out.parent.exists()
    return result.stderr


def check(message: str, *faults: str) -> None:
    """Check that the message has each fault, and no other."""
    told = [line for line in message.splitlines() if line.startswith(("  - ", "error: "))]
    told = [line for line in told if "in the input:" not in line]
    assert len(told) == len(faults), message
    for fault in faults:
        assert fault in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("case24_ieee_rtz", "unknown case 'case24_ieee_rtz'; did you mean case24_ieee_rts"),
        ("rts80", "unknown case 'rts80'; did you mean rts79"),
        ("kazarlis11", "unknown case 'kazarlis11'; did you mean kazarlis10"),
        ("kazarlis10x11", "unknown case 'kazarlis10x11'; did you mean kazarlis10x1"),
        ("qqqq", "unknown case 'qqqq'; known are"),
        ("", "unknown case ''; known are"),
        ("nowhere.json", "file = No such file or directory"),
        ("some/folder", "suffix = none, expected .json or .m"),
        ("net.xlsx", "suffix = .xlsx, expected .json or .m"),
    ],
)
def test_unknown_cases(name: str, message: str, tmp_path: Path) -> None:
    check(refused(tmp_path, name), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "expected readable JSON"),
        (b"", "expected readable JSON"),
        (b"\xff\xfe", "expected JSON in UTF-8"),
        (b"[1, 2]", "content = list, expected a net saved by pandapower"),
        (b"{}", "content = an object, expected a net saved by pandapower"),
        (b'{"a": 1, "a": 2}', "key 'a' twice"),
    ],
)
def test_files_that_are_no_net(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "net.json"
    file.write_bytes(content)
    check(refused(tmp_path, file), message)


def test_a_net_cannot_make_anything_run(
    case: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "marker_of_cli.py", "SPRUNG = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    content = json.loads(Path(str(case[0])).read_text())
    content["_object"]["user"] = {"_module": "marker_of_cli", "_class": "X", "_object": "1"}
    message = refused(tmp_path, written(tmp_path / "net.json", json.dumps(content)))
    check(message, "_module = marker_of_cli, expected one of pandapower, pandas, numpy")
    assert "marker_of_cli" not in sys.modules


def stamped(*stamps: str) -> str:
    return "time,system\n" + "".join(f"{stamp},1\n" for stamp in stamps)


PROFILES: dict[str, tuple[str, tuple[object, ...], tuple[str, ...]]] = {
    "too short": ("period,system\n0,1\n1,1\n", ("--hours", 24), ("at least the 24 asked for",)),
    "five faults": (
        "period,system\n0,1\n2,1\n3,nan\n4,-1\n5,x\n6,inf\n",
        (),
        (
            "a gap before: row 2 (period 2)",
            "NaN or empty in row 3",
            "negative in row 4",
            "not a number in row 5",
            "infinite in row 6",
        ),
    ),
    "no time": ("when,system\n0,1\n", (), ("columns = when, system, expected time or period",)),
    "no such column": ("period,load 3\n0,1\n", (), ("columns = load 3, expected one column",)),
    "two of a kind": ("period,system,system_mw\n0,1,2\n", (), ("expected one of them",)),
    "naive": (stamped("2024-01-01T00:00", "2024-01-01T01:00"), (), ("no zone in row 1",)),
    "jump": (
        stamped("2024-03-31T00:00+01:00", "2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00"),
        (),
        ("the zone changes from row 2",),
    ),
    "double hour": (
        stamped("2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T02:00", "2024-10-27T03:00"),
        ("--tz", "Europe/Berlin"),
        ("a local time that is there twice in Europe/Berlin",),
    ),
    "lost hour": (
        stamped("2024-03-31T01:00", "2024-03-31T02:00", "2024-03-31T03:00"),
        ("--tz", "Europe/Berlin"),
        ("a local time that does not exist in Europe/Berlin",),
    ),
    "unknown zone": (stamped("2024-01-01T00:00"), ("--tz", "Berlin"), ("tz = 'Berlin'",)),
    "empty": ("", (), ("the file is empty",)),
    "no rows": ("period,system\n", (), ("rows = 0, expected at least 1",)),
    "ragged": ("period,system\n1\n", (), ("line 2 has 1 cells, the header 2",)),
    "no length": ("period,system\n0,1\n", ("--period-h", 0), ("period_h = 0.0",)),
    "above all capacity": (
        "period,system_mw\n0,1000\n1,2000\n2,3000\n",
        (),
        ("above all capacity in 2 periods: 1 by 338.0 MW, 2 by 1338.0 MW",),
    ),
}


@pytest.mark.parametrize("name", PROFILES)
def test_bad_profiles(name: str, tmp_path: Path) -> None:
    text, more, faults = PROFILES[name]
    file = written(tmp_path / "load.csv", text)
    check(refused(tmp_path, "kazarlis10", "--profiles", file, *more), *faults)


UNITS: dict[str, tuple[str, tuple[str, ...]]] = {
    "p_min > p_max": (
        "name,p_min_mw\nunit1,500\n",
        ("gen 0 (unit1): p_min_mw = 500.0, expected at most p_max_mw = 455",),
    ),
    "beyond the horizon": (
        "name,min_up_time_h\nunit2,25\n",
        ("gen 1 (unit2): min_up_time_h = 25.0, expected at most the horizon of 24 h",),
    ),
    "status against power": (
        "name,initial_status_h,initial_power_mw\nunit1,-3,200\nunit2,4,0\n",
        ("says off", "says on"),
    ),
    "status against must-run": (
        "name,initial_status_h,must_run\nunit1,-3,true\n",
        ("the unit must stay off",),
    ),
    "column": ("name,p_mim_mw\nunit1,3\n", ("did you mean 'p_min_mw'?",)),
    "no key": ("p_min_mw\n3\n", ("expected name, or element and index",)),
    "no such unit": ("name,p_min_mw\nunit_1,3\n", ("no such unit, expected a thermal unit",)),
    "all at once": (
        "name,p_min_mw,ramp_up_mw_per_h,min_up_time_h,initial_status_h,initial_power_mw\n"
        "unit1,500,-5,0,,\nunit2,x,,25,-1,20\nunit3,,,,0,\nnone,1,,,,\n",
        (
            "unit unit1: ramp_up_mw_per_h = -5",
            "unit unit1: min_up_time_h = 0",
            "gen 0 (unit1): p_min_mw = 500.0, expected at most p_max_mw = 455",
            "unit unit2: p_min_mw = 'x'",
            "gen 1 (unit2): min_up_time_h = 25.0",
            "gen 1 (unit2): initial_power_mw = 20.0, expected 0",
            "unit unit3: initial_status_h = 0, expected hours on (+) or off (−), never 0",
            "unit none: name = no such unit",
        ),
    ),
    "lists at fault": (
        "name,cost_power_mw,cost_per_h,p_min_mw\nunit1,a;b,3;4,500\nunit2,1;2;3,4;5,\n",
        ("cost_power_mw = 'a;b'", "cost_per_h = 4;5", "p_min_mw = 500.0"),
    ),
}


@pytest.mark.parametrize("name", UNITS)
def test_bad_units(name: str, tmp_path: Path) -> None:
    text, faults = UNITS[name]
    file = written(tmp_path / "units.csv", text)
    check(refused(tmp_path, "kazarlis10", "--units", file), *faults)


def no_line(net: Any) -> None:
    net.line["in_service"] = False


def lonely_bus(net: Any) -> None:
    pp.create_load(net, pp.create_bus(net, 110.0, name="isle"), p_mw=5.0)


def no_costs(net: Any) -> None:
    net.poly_cost = net.poly_cost.iloc[:0]


def crossed(net: Any) -> None:
    net.gen.loc[0, "min_p_mw"] = 70.0


def nothing_right(net: Any) -> None:
    no_line(net)
    no_costs(net)
    crossed(net)


@pytest.mark.parametrize(
    ("edit", "faults"),
    [
        (no_line, ["bus south: in_service = islanded, expected a branch in service"]),
        (lonely_bus, ["bus isle: in_service = islanded"]),
        (no_costs, ["net without costs, expected costs of the units"]),
        (crossed, ["gen 0 (steam): p_min_mw = 70.0, expected at most p_max_mw = 60"]),
        (nothing_right, ["bus south", "net without costs", "p_min_mw = 70.0"]),
    ],
)
def test_bad_nets(edit: Callable[[Any], None], faults: list[str], tmp_path: Path) -> None:
    net = tiny()
    edit(net)
    file = saved(net, tmp_path / "net.json")
    check(refused(tmp_path, file, "--hours", 1, "--network", "dc"), *faults)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--hours 0", "hours = 0.0, expected a whole number of periods of 1 h, one at least"),
        ("--hours -1", "hours = -1.0"),
        ("--hours 2.5", "hours = 2.5"),
        ("--hours nan", "hours = nan"),
        ("--hours inf", "hours = inf"),
        ("--hours 25", "at least the 25 asked for"),
        ("--start 24", "start = 24, expected 0 to 23"),
        ("--start -1", "start = -1, expected 0 to 23"),
        ("--period-h 0.5", "period_h = 0.5, expected none"),
        ("--tz UTC", "tz = UTC, expected none"),
        ("--network dc", "network = dc, expected 'copperplate': the system has no branches"),
        ("--reserve -1", "expected at least 0"),
        ("--reserve nan", "required_mw = nan, expected at least 0"),
        ("--unserved-cost -1", "unserved_cost_per_mwh = -1.0, expected at least 0"),
        ("--surplus-cost nan", "surplus_cost_per_mwh = nan, expected at least 0"),
        (
            "--solver cplex",
            "unknown solver 'cplex'; known are anneal, decomposition, dwave, exact",
        ),
        ("--solver high", "unknown solver 'high'; did you mean highs?"),
        ("--gap -1", "highs: gap = -1.0, expected at least 0, less than 1"),
        ("--gap nan", "highs: gap = nan"),
        ("--time-limit -1", "highs: time_limit_s = -1.0, expected more than 0"),
        ("--time-limit 0", "highs: time_limit_s = 0.0"),
        ("--seed -1", "highs: seed = -1, expected a whole number, 0 to 2³¹ − 1"),
        ("--seed 2147483648", "highs: seed = 2147483648"),
        ("--write-program p.txt", "expected a name that ends in .lp or .mps"),
        ("-o threads", "--option = 'threads', expected NAME=VALUE"),
        ("-o =3", "--option = '=3', expected NAME=VALUE"),
        (
            "-o nonsense=1",
            "nonsense = 1, expected one of its options: gap, plain, relaxation, seed, threads",
        ),
        ("-o threads=0", "threads = 0, expected a whole number of at least 1"),
        ("-o threads=two", "threads = 'two'"),
        ("-o plain=perhaps", "plain = 'perhaps', expected True or False"),
        ("-o plain=TRUE -o threads=0", "threads = 0"),
        ("-o threads=1.5", "threads = 1.5"),
        ("-o gap=small", "gap = 'small'"),
        ("-o time_limit_s=soon", "time_limit_s = 'soon'"),
        ("-o seed=None", "seed = None"),
    ],
)
def test_bad_options(words: str, message: str, tmp_path: Path) -> None:
    check(refused(tmp_path, "kazarlis10", *words.split()), message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["kazarlis10", "--nonsense"], "No such option"),
        (["kazarlis10", "--network", "ac"], "is not one of"),
        (["kazarlis10", "--seed", "x"], "valid integer"),
        (["kazarlis10", "--gap", "x"], "valid"),
        ([], "Missing argument"),
    ],
)
def test_bad_usage(words: list[str], message: str, tmp_path: Path) -> None:
    assert message in refused(tmp_path, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("neal --resolution 7", "the resolution 7 does not divide the data of 4 columns"),
        ("neal --resolution 0", "resolution = 0.0, expected more than 0"),
        ("exact -o max_bits=5", "exact takes up to 5 bits, this needs 18"),
        ("qaoa -o max_qubits=5", "qaoa simulates up to 5 qubits, this needs 10"),
        ("qiskit_optimization -o max_qubits=5", "takes up to 5 qubits, this needs 10"),
    ],
)
def test_what_a_sampler_cannot_take(
    words: str, message: str, case: tuple[object, ...], tmp_path: Path
) -> None:
    told = refused(tmp_path, *case, "--solver", *words.split())
    check(told, message)
    assert "take " in told or "Choose " in told or "expected " in told


def test_faults_of_all_kinds_at_once(tmp_path: Path) -> None:
    options = ("--gap", -1, "--seed", -1, "-o", "x", "-o", "threads=0", "--hours", 25)
    units = written(tmp_path / "units.csv", "name,p_min_mw\nunit1,500\nunit2,-1\n")
    out = written(tmp_path / "file", "mine")
    result = solve("kazarlis10", *options, "--units", units, "--out", out)
    assert result.exit_code == 2
    assert result.stdout == ""
    check(
        result.stderr,
        "gap = -1.0",
        "seed = -1",
        "'x', expected NAME=VALUE",
        "threads = 0",
        "at least the 25 asked for",
        "p_min_mw = 500.0",
        "p_min_mw = -1",
        "expected a folder that can be written (Not a directory)",
    )
    assert out.read_text() == "mine"


def test_a_bad_profile_brings_no_fault_of_other_things(
    case: tuple[object, ...], tmp_path: Path
) -> None:
    load = written(tmp_path / "load.csv", "period,system\n0,1\n2,1\n")
    units = written(tmp_path / "units.csv", "name,min_up_time_h\nsteam,2\n")
    check(refused(tmp_path, case[0], "--profiles", load, "--units", units), "a gap before")


@pytest.mark.parametrize("below", ["", "sub"])
def test_out_is_checked_before_any_work(below: str, tmp_path: Path) -> None:
    out = written(tmp_path / "file", "mine") / below
    begun = time.perf_counter()
    result = solve("kazarlis10x10", "--out", out)
    assert time.perf_counter() - begun < 2
    assert result.exit_code == 2
    assert result.stdout == ""
    check(result.stderr, "expected a folder that can be written")


def test_demo_checks_its_folder(tmp_path: Path) -> None:
    out = written(tmp_path / "file", "mine")
    result = gridopt("demo", "--out", out)
    assert result.exit_code == 2
    assert result.stdout == ""
    check(result.stderr, "expected a folder that can be written")


def test_bad_input_from_the_shell(tmp_path: Path) -> None:
    done = installed("solve", "unit-commitment", "kazarlis10", "--gap", -1, "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: highs: gap = -1.0, expected at least 0, less than 1\n"
    assert not list(tmp_path.iterdir())


def test_no_answer_from_the_shell(tmp_path: Path) -> None:
    words = ("solve", "unit-commitment", "kazarlis10", "--hours", 1, "--reserve", 5, "--json")
    done = installed(*words, cwd=tmp_path)
    assert done.returncode == 3
    assert json.loads(done.stdout)["termination"] == "infeasible"
    assert not list(tmp_path.iterdir())
