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
    words = ["kazarlis10", "--samplers", "none", "greedy", "--seconds", "10", "--gap", "0.001"]
    benchmark.main(words)
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("highs", "none", "greedy", "best_gap"))
    found = benchmark.rows("kazarlis10", ("none",), 10.0, 0.001, 0)
    assert [row["solver"] for row in found] == ["highs", "none"]
    assert all(row["feasible"] for row in found)
    bests = [row["best_gap"] for row in found]
    assert 0.0 <= bests[0] <= 0.1
    assert bests[0] <= bests[1] <= 5.0
    assert found[1]["null"] == pytest.approx(bests[1])
