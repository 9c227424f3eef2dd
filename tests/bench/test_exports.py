"""Runs for others: Markdown, Parquet, CSV, and QOBLIB's columns."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridopt.bench.columns import COLUMNS
from gridopt.bench.exports import (
    QOBLIB_COLUMNS,
    as_markdown,
    as_summary,
    check_export,
    qoblib,
    write_export,
)
from gridopt.errors import StudyError


def test_markdown_escapes() -> None:
    frame = pd.DataFrame({"a": ["x|y\n<b>", None], "b": [0.123456789, np.nan]})
    assert as_markdown(frame, ["a", "b"]).splitlines() == [
        "| a | b |",
        "|---|---|",
        "| x\\|y <b> | 0.123457 |",
        "|  |  |",
    ]


def test_summary(undisturbed: pd.DataFrame) -> None:
    frame = undisturbed.copy()
    worse = (frame["solver"] == "tabu") & (frame["seed"] == 1)
    frame.loc[worse, ["feasible", "cost"]] = [False, np.nan]
    head, _, *rows, _, told, _, refuted = as_summary(frame).splitlines()
    assert head == "| solver | kazarlis10 |"
    cells = dict(row.strip("| ").split(" | ") for row in rows)
    assert set(cells) == {"highs", "neal", "tabu", "exact"}
    assert cells["exact"] == "not applicable"
    assert cells["tabu"].startswith("1 of 2, ")
    assert cells["highs"].startswith("0.000%, ")
    assert told == "Refuted by the verifier:"
    assert refuted.startswith("- kazarlis10: tabu claims a feasible plan in 1 of 2 runs;")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_all_columns_are_written(undisturbed: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"runs{suffix}"
    write_export(undisturbed, out, None)
    read = pd.read_parquet(out) if suffix == ".parquet" else pd.read_csv(out)
    assert list(read.columns) == [column.name for column in COLUMNS]
    np.testing.assert_array_equal(read["cost"], undisturbed["cost"])
    assert list(tmp_path.iterdir()) == [out]


def test_qoblib(undisturbed: pd.DataFrame, tmp_path: Path) -> None:
    write_export(undisturbed, tmp_path / "q.csv", "qoblib")
    with (tmp_path / "q.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == QOBLIB_COLUMNS
    by_workflow = {row["Workflow"].split()[0]: row for row in rows}
    assert set(by_workflow) == {"highs", "neal", "tabu"}, "what was declined is no submission"
    neal = by_workflow["neal"]
    mine = undisturbed[undisturbed["solver"] == "neal"]
    assert neal["Algorithm Type"] == "Stochastic"
    assert (neal["# Runs"], neal["# Feasible Runs"]) == ("2", "2")
    assert float(neal["Best Objective Value"]) == pytest.approx(mine["cost"].min())
    assert float(neal["Optimality Bound"]) <= float(neal["Best Objective Value"]) + 1e-6
    assert by_workflow["highs"]["Algorithm Type"] == "Deterministic"
    assert int(neal["# Decision Variables"]) == sum(
        int(neal[f"# {kind} Variables"]) for kind in ("Binary", "Integer", "Continuous")
    )


def test_qoblib_says_of_a_peer_only_what_is_known(undisturbed: pd.DataFrame) -> None:
    frame = undisturbed[undisturbed["solver"] == "neal"].assign(peer=True)
    row = qoblib(frame).iloc[0]
    assert (row["Algorithm Type"], row["Paradigm"]) == ("N/A", "N/A")


def test_qoblib_counts_successes_near_the_best_cost(undisturbed: pd.DataFrame) -> None:
    frame = undisturbed[undisturbed["solver"].isin(["highs", "neal"])].copy()
    frame.loc[frame["seed"] == 1, "cost"] *= 1.01
    row = qoblib(frame).set_index("# Runs").loc[2]
    assert row["# Successful Runs"] == 1
    seconds = frame[frame["solver"] == "neal"]["wall_s"].mean()
    assert row["Time to Solution"] == pytest.approx(7 * seconds)  # ⌈ln 0.01 / ln 0.5⌉


def test_bad_exports(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as caught:
        check_export(tmp_path / "runs.xlsx", "qblib")
    assert [issue.field for issue in caught.value.issues] == ["form", "out"]
    with pytest.raises(StudyError, match=r"ends in \.csv"):
        check_export(tmp_path / "runs.parquet", "qoblib")
