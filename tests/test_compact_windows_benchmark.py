"""The benchmark of the compact window: its rows, and that annealing adds to what coins reach."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def compact_windows() -> Any:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return import_module("compact_windows")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_a_row_tells_answer_and_control_apart(compact_windows: Any) -> None:
    (row,) = compact_windows.annealing_rows(["anneal"], 1)
    assert row["raw"] == 1.0
    assert 0.0 <= row["over"] <= row["unrepaired"] < row["control"]
    cells = [compact_windows._cell(row, name) for name in compact_windows.COLUMNS]
    assert cells[0] == "kazarlis10"
    assert cells[-1] == ""


def test_qaoa_is_measured_against_chance(compact_windows: Any) -> None:
    (row,) = compact_windows.qaoa_rows(1)
    assert row["bits"] == 12
    assert row["over"] == pytest.approx(0.0, abs=1e-6)
    assert row["× uniform"] > 20.0
