"""The table of what samplers add to the decomposition."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_one_table_of_highs_and_samplers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "decomposition", raising=False)
    benchmark = import_module("decomposition")
    words = ["kazarlis10", "--seconds", "10", "--gap", "0.001", "--solvers"]
    benchmark.main([*words, "highs", "none", "greedy", "exact:8", "windows"])
    shown = capsys.readouterr().out
    benchmark.main([*words, "none", "--seeds", "3", "4"])
    of_seeds = capsys.readouterr().out
    assert all(title in of_seeds for title in ("seed 3", "seed 4", "medians"))
    expected = ("highs", "none", "greedy", "exact:8", "best_gap", "s to 0.5 %")
    assert all(name in shown for name in expected)
    names = ("highs", "none", "windows", "neal+", "highs-started")
    found = benchmark.rows("kazarlis10", names, 10.0, 0.001, 0)
    assert [row["solver"] for row in found] == list(names)
    assert all(row["feasible"] for row in found)
    highs, none, *others = (row["best_gap"] for row in found)
    assert 0.0 <= highs <= 0.1
    assert highs <= none <= 5.0
    assert max(others) <= 0.1
    assert found[1]["null"] == pytest.approx(none)
    for row in found:
        assert row["gap at 240 s"] == pytest.approx(row["gap"], abs=1e-6)
        assert row["s to 0.5 %"] <= row["s to 0.1 %"]
