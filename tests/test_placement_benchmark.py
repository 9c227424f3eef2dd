"""The placement benchmark in small."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def placement(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "placement", raising=False)
    module = import_module("placement")
    monkeypatch.setattr(module, "SEEDS", 2)
    monkeypatch.setitem(module.SAMPLERS, "neal", ("neal", {**module.MULTIPLIER, "reads": 100}))
    monkeypatch.delitem(module.SAMPLERS, "neal, penalty")
    return module


def test_routes_agree_on_the_feeder(
    placement: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = placement.feeder(hours=2.0, vm_min_pu=0.95, voltage_cost=1000.0, counts=[1])
    methods = [row["method"] for row in rows]
    assert methods[:5] == ["no battery", "exhaustive AC", "median", "MILP", "QUBO, its optimum"]
    cost = {row["method"]: row["AC cost"] for row in rows}
    # one battery: the quadratic model is AC power flow itself
    assert cost["QUBO, its optimum"] == pytest.approx(cost["exhaustive AC"], rel=1e-9)
    assert cost["MILP"] == pytest.approx(cost["exhaustive AC"], rel=5e-3)
    assert {row["hits"] for row in rows if "hits" in row} == {"2 of 2", "1 of 1"}
    placement._print(rows, placement.COLUMNS)
    assert "exhaustive AC" in capsys.readouterr().out


def test_routes_agree_on_a_meshed_net(placement: ModuleType) -> None:
    rows = placement.meshed("case14", hours=2.0, module_mw=5.0, voltage_cost=1e4, counts=[2])
    by_method = {row["method"]: row for row in rows}
    best = by_method["exhaustive AC"]
    assert best["rank"] == "1 of 91"
    # two batteries: the quadratic model is AC power flow itself
    assert by_method["QUBO, its optimum"]["buses"] == best["buses"]
    assert by_method["QUBO, its optimum"]["worst %"] < 1e-9
    assert by_method["median"]["AC cost"] > best["AC cost"]
    assert {row["hits"] for row in rows if "hits" in row} == {"2 of 2", "1 of 1"}
