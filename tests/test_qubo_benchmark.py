"""All benchmarks of QUBOs in one run: which parts."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "qubo", raising=False)
    return import_module("qubo")


def test_all_parts_or_those_that_are_named(benchmark: Any) -> None:
    assert benchmark.parts_to_run([]) == ["lowering", "evaluator", "annealers", "windows"]
    assert benchmark.parts_to_run(["windows", "lowering"]) == ["windows", "lowering"]
    assert all((BENCHMARKS / script).is_file() for script in benchmark.PARTS.values())


def test_an_unknown_part_is_named(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark.parts_to_run(["lowering", "speed"])
    assert "no part speed; expected some of lowering" in capsys.readouterr().err
