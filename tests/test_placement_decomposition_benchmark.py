"""The table of batteries placed by HiGHS and by the decomposition."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from gridopt.errors import UnknownNameError

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def test_one_row_for_each_solver(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("decomposition", "placement_decomposition"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    benchmark = import_module("placement_decomposition")
    names = ("highs", "none", "greedy+")
    found = benchmark.rows(benchmark.study_of("case9", 60.0, 3, 1), names, 20.0, 1e-3, 0)
    assert [row["solver"] for row in found] == list(names)
    costs = [float(row["cost"]) for row in found]
    assert max(costs) <= 1.01 * min(costs)
    assert max(float(row["bound"]) for row in found) <= min(costs) * (1.0 + 1e-6)
    for row in found:
        assert row["gap % at 120 s"] == pytest.approx(row["gap %"], abs=1e-6)
        assert " at " in str(row["built"])
    benchmark.main(["--cases", "case9", "--counts", "0", "--hours", "3", "--solvers", "none"])
    assert "| case9 | any" in capsys.readouterr().out
    with pytest.raises(UnknownNameError):
        benchmark.study_of("case10", 60.0, 3, 1)
