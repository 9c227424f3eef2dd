"""The placement benchmark on a SimBench feeder in small."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from gridopt.solver import Progress

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
needs_simbench = pytest.mark.skipif(
    find_spec("simbench") is None, reason="the package 'simbench' is not installed"
)


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "placement_simbench", raising=False)
    return import_module("placement_simbench")


def test_when_an_answer_was_near_enough(benchmark_module: ModuleType) -> None:
    watch = benchmark_module.Watch()
    for elapsed_s, objective in ((1.0, float("inf")), (2.0, 110.0), (3.0, 100.5), (4.0, 100.0)):
        watch(Progress(elapsed_s, objective, -float("inf"), "read"))
    assert watch.first_within(100.0) == 3.0
    assert watch.first_within(90.0) == float("inf")


@needs_simbench
def test_methods_on_few_candidates(benchmark_module: ModuleType) -> None:
    day = benchmark_module.feeder_day(hours=24.0)
    assert day.grid.n_branches == day.grid.n_buses - 1 == day.feeder.grid.n_branches
    names = [day.grid.bus_name[bus] for bus in range(40, 52)]
    study = benchmark_module.sited(day, "profile", names)
    apart = benchmark_module.by_ac(study)
    assert 0.0 < apart["voltage, pu"] < 0.005
    rows = benchmark_module.rows(study, "profile", 8.0, 1, ["anneal"])
    by_name = {row["method"]: row for row in rows}
    assert by_name["HiGHS, all of it"]["gap %"] <= 0.1
    assert by_name["anneal"]["feasible"] == "1 of 1"
    assert all(row["gap %"] >= -1e-6 for row in rows)
