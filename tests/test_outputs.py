"""Tables and figures of a run: all of them or none, and no trace before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gridopt
from gridopt.errors import StudyError
from gridopt.outputs import Format, check_folder, write_run, write_simulation
from gridopt.requirements import Reserves
from gridopt.running import Run, solve
from gridopt.simulation import simulate
from gridopt.study import Scenario, Study

StudyFactory = Callable[..., Study]

FIGURES = ["commitment.png", "dispatch.png", "prices.png"]
ALL = sorted([*FIGURES, "prices.csv", "report.html", "schedule.csv", "summary.json"])
COLUMNS = ["generator", "period", "committed", "power_mw", "reserve_mw"]


@pytest.fixture(scope="module")
def run(make_study: StudyFactory) -> Run:
    return solve(make_study(reserves=Reserves.spinning(np.full(4, 5.0))))


@pytest.fixture(scope="module")
def no_answer(make_study: StudyFactory) -> Run:
    return solve(make_study(reserves=Reserves.spinning(np.full(4, 1000.0))))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_everything_and_says_what(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    written = write_run(run, out)
    assert sorted(path.name for path in written) == ALL
    assert names(out) == ALL
    assert all(path.parent == out and path.stat().st_size for path in written)
    assert json.loads((out / "summary.json").read_text(encoding="utf-8")) == run.summary()
    for name in FIGURES:
        assert (out / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_table_is_the_schedule(run: Run, tmp_path: Path) -> None:
    write_run(run, tmp_path)
    table = pd.read_csv(tmp_path / "schedule.csv")
    assert list(table.columns) == COLUMNS
    assert len(table) == len(run.study.thermal) * run.study.n_periods
    assert run.schedule is not None
    power = table.pivot_table(index="generator", columns="period", values="power_mw", sort=False)
    assert np.array_equal(power.to_numpy(), run.schedule.power_mw)
    assert table["reserve_mw"].to_numpy() == pytest.approx(run.schedule.reserve_mw[0].ravel())
    assert table["committed"].tolist() == run.schedule.committed.astype(int).ravel().tolist()


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_one_schedule_in_the_form_asked_for(form: Format, run: Run, tmp_path: Path) -> None:
    write_run(run, tmp_path, "csv")
    write_run(run, tmp_path, "json")
    write_run(run, tmp_path, form)
    assert names(tmp_path) == sorted([*(set(ALL) - {"schedule.csv"}), f"schedule.{form}"])
    if form == "parquet":
        assert run.schedule is not None
        table = pd.read_parquet(tmp_path / "schedule.parquet")
        pd.testing.assert_frame_equal(table, run.schedule.units())
    if form == "json":
        plan = gridopt.read_plan(tmp_path / "schedule.json", run.study)
        assert gridopt.verify(run.study, plan).total_cost == run.cost


def test_the_prices_are_those_of_the_run(run: Run, tmp_path: Path) -> None:
    write_run(run, tmp_path)
    table = pd.read_csv(tmp_path / "prices.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(table, gridopt.prices(run).table())
    assert set(table["bus"]) == {"system"}
    assert table["price"].max() > 20


def test_a_plan_that_breaks_rules_has_no_prices(make_study: StudyFactory, tmp_path: Path) -> None:
    study = make_study(reserves=Reserves.spinning(np.full(4, 1000.0)))
    broken = solve(study, solver="neal", reads=2, sweeps=10)
    assert broken.schedule is not None
    assert not broken.is_feasible
    write_run(broken, tmp_path)
    assert names(tmp_path) == [
        *("commitment.png", "dispatch.png", "report.html", "schedule.csv", "summary.json")
    ]


def test_each_scenario_has_its_rows(make_study: StudyFactory, tmp_path: Path) -> None:
    base, none = make_study(), np.zeros((0, 4))
    scenarios = tuple(
        Scenario(name, 0.5, factor * base.demand_mw, none, none)
        for name, factor in (("low", 0.9), ("high", 1.05))
    )
    two = solve(replace(base, scenarios=scenarios), gap=1e-3)
    write_run(two, tmp_path)
    assert names(tmp_path) == [
        *("commitment.png", "prices.csv", "report.html", "schedule.csv", "summary.json")
    ]
    for name in ("prices.csv", "schedule.csv"):
        table = pd.read_csv(tmp_path / name)
        assert table["scenario"].value_counts().tolist() == [len(table) // 2] * 2
    price = pd.read_csv(tmp_path / "prices.csv").groupby("scenario")["price"].mean()
    assert price["high"] > price["low"]


def test_days_and_their_plan(make_study: StudyFactory, tmp_path: Path) -> None:
    day = [70.0, 110.0, 60.0, 45.0]
    study = make_study(day * 2, period_h=6.0)
    done = simulate(study, look_ahead_h=6, gap=0.0, out=tmp_path)
    written = write_simulation(done, tmp_path)
    assert names(tmp_path) == [
        *("commitment.png", "days", "days.csv", "dispatch.png", "report.html"),
        *("schedule.csv", "simulation.json", "summary.json"),
    ]
    own = ("days", "simulation.json")  # of the simulation itself
    assert [path.name for path in written] == [name for name in names(tmp_path) if name not in own]
    days = pd.read_csv(tmp_path / "days.csv", float_precision="round_trip")
    assert days["cost"].sum() == pytest.approx(done.cost)
    assert days["period"].tolist() == [0, 4]
    plan = pd.read_csv(tmp_path / "schedule.csv")
    assert sorted(plan["period"].unique()) == list(range(8))
    assert json.loads((tmp_path / "summary.json").read_text())["cost"] == done.cost
    write_simulation(done, tmp_path, "json")
    assert "schedule.csv" not in names(tmp_path)
    back = gridopt.read_plan(tmp_path / "schedule.json", study)
    assert gridopt.verify(study, back).total_cost == done.cost


def test_replaces_its_own_files_only(run: Run, no_answer: Run, tmp_path: Path) -> None:
    mine = tmp_path / "schedule.xlsx"
    mine.write_text("mine")
    write_run(run, tmp_path)
    assert names(tmp_path) == sorted([*ALL, mine.name])
    report, summary = write_run(no_answer, tmp_path)
    assert json.loads(summary.read_text())["feasible"] is False
    assert "No plan: it is proved that there is none." in report.read_text()
    assert names(tmp_path) == ["report.html", mine.name, "summary.json"]
    write_run(run, tmp_path)
    assert names(tmp_path) == sorted([*ALL, mine.name])


def test_leaves_nothing_half_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "schedule.csv").mkdir()
    with pytest.raises(OSError, match=r"schedule\.csv"):
        write_run(run, tmp_path)
    assert names(tmp_path) == ["schedule.csv"]


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "newer")
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for out in (file, file / "sub", file / "sub" / "sub"):
        with pytest.raises(StudyError, match="expected a folder that can be written"):
            check_folder(out)
    assert file.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_must_be_writable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StudyError, match="Permission denied"):
        check_folder(tmp_path / "out")


def test_a_name_can_be_too_long(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="File name too long"):
        check_folder(tmp_path / ("n" * 300))
