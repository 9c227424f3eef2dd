"""``gridopt bench`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from gridopt.bench.spec import suite_names
from gridopt.bench.store import Store
from gridopt.cli import app


def typed(*words: object, code: int = 0) -> Result:
    """Run the command; check its exit code."""
    done = CliRunner().invoke(app, ["bench", *map(str, words)])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database of the suite ``smoke``, two runs at a time."""
    path = tmp_path_factory.mktemp("smoke") / "results.duckdb"
    done = typed("run", "smoke", "--store", path, "--workers", 2)
    assert done.stderr == "", "no progress where there is no terminal"
    return path


@pytest.fixture(scope="module")
def frame(smoke: Path) -> pd.DataFrame:
    with Store.open(smoke) as store:
        return store.frame()


def test_smoke_is_right(frame: pd.DataFrame) -> None:
    assert set(frame["status"]) <= {"done", "not_applicable"}
    ours = frame[~frame["peer"]]
    assert (ours["status"] == "done").all()
    assert ours["feasible"].all()
    assert (ours["gap"] < 0.01).all()
    best = ours.groupby("case_name")["cost"].min()
    exact = ours[ours["solver"] == "highs"].set_index("case_name")["cost"]
    np.testing.assert_allclose(exact, best[exact.index], rtol=1e-4)


def test_what_is_there_is_not_done_again(smoke: Path, frame: pd.DataFrame) -> None:
    typed("run", "smoke", "--store", smoke)
    with Store.open(smoke) as store:
        pd.testing.assert_frame_equal(store.frame(), frame)


def test_table_and_export(smoke: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    shown = typed("table", smoke, "--columns", "solver,gap").stdout.splitlines()
    assert shown[0] == "| solver | gap |"
    assert len(shown) == len(frame) + 2
    typed("export", smoke, "--out", tmp_path / "runs.parquet")
    assert len(pd.read_parquet(tmp_path / "runs.parquet")) == len(frame)
    typed("export", smoke, "--form", "qoblib", "--out", tmp_path / "runs.csv")
    assert "# Feasible Runs" in (tmp_path / "runs.csv").read_text("utf-8")


def test_report_and_summary(smoke: Path, tmp_path: Path) -> None:
    page, figures = tmp_path / "report.html", tmp_path / "figures"
    typed("report", smoke, "--out", page, "--figures", figures)
    assert "gridopt bench report" in page.read_text("utf-8")
    assert {"profile_time.svg", "profile_time.png", "summary.tex"} <= {
        file.name for file in figures.iterdir()
    }
    shown = typed("table", smoke, "--summary").stdout
    assert "| highs | 0.0" in shown
    assert "Refuted by the verifier:" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "smok", "--store", "{tmp}/a.duckdb"), "unknown suite 'smok'; did you mean smoke"),
        (("run", "smoke", "--store", "{tmp}/gone/../../../proc/a.duckdb"), "path"),
        (("run", "smoke", "--store", "{tmp}"), "a DuckDB database that can be opened"),
        (("run", "smoke", "--store", "{tmp}/a.duckdb", "--workers", "0"), "--workers = 0"),
        (("run", "smoke", "--store", "{tmp}/a.duckdb", "--only", "zz"), "--only = zz"),
        (("run", "uc-large", "--store", "{tmp}/a.duckdb"), "--cases FOLDER"),
        (("table", "{tmp}/a.duckdb"), "a database of benchmark runs"),
        (("table", "{tmp}/a.duckdb", "--columns", "gab"), "column = gab, expected one of run_key"),
        (("export", "{tmp}/a.duckdb", "--out", "{tmp}/a.xlsx"), "ends in .csv or .parquet"),
        (("report", "{tmp}/a.duckdb", "--out", "{tmp}/a.html"), "a database of benchmark runs"),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = typed(*(word.replace("{tmp}", str(tmp_path)) for word in words), code=2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_suites() -> None:
    assert typed("suites").stdout.split() == list(suite_names())
