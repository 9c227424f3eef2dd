"""Tables and figures of a run: all of them or none, and no trace before."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridopt.errors import StudyError
from gridopt.outputs import check_folder, write_run
from gridopt.requirements import Reserves
from gridopt.running import Run, solve
from gridopt.study import Study

ALL = ["commitment.png", "dispatch.png", "schedule.csv", "summary.json"]
COLUMNS = ["generator", "period", "committed", "power_mw", "reserve_mw"]


@pytest.fixture(scope="module")
def run(make_study: Callable[..., Study]) -> Run:
    return solve(make_study(reserves=Reserves.spinning(np.full(4, 5.0))))


@pytest.fixture(scope="module")
def no_answer(make_study: Callable[..., Study]) -> Run:
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
    for name in ALL[:2]:
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


def test_replaces_its_own_files_only(run: Run, no_answer: Run, tmp_path: Path) -> None:
    mine = tmp_path / "schedule.xlsx"
    mine.write_text("mine")
    write_run(run, tmp_path)
    assert names(tmp_path) == sorted([*ALL, mine.name])
    [summary] = write_run(no_answer, tmp_path)
    assert json.loads(summary.read_text())["feasible"] is False
    assert names(tmp_path) == [mine.name, "summary.json"]
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
