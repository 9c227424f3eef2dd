"""How the decomposition grows with size: drawn units, and one row and a point of the plot each."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("scaling", "unit_commitment"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return import_module("scaling")


def test_drawn_units_are_no_copies(benchmark_module: ModuleType) -> None:
    study = benchmark_module.drawn_study(50, seed=1)
    units = study.thermal
    assert len(np.unique(units.p_max_mw)) == len(np.unique(units.p_min_mw)) == 50
    assert len({kind.split()[0] for kind in units.name}) >= 3
    assert study.total_demand_mw.max() == pytest.approx(0.7 * units.p_max_mw.sum())
    again = benchmark_module.drawn_study(50, seed=1)
    assert np.array_equal(again.thermal.p_max_mw, units.p_max_mw)


def test_one_row_and_a_point_for_each_size(benchmark_module: ModuleType, tmp_path: Path) -> None:
    rows = [benchmark_module.run_size(units, "greedy", 0.02, 20.0, 0) for units in (12, 24)]
    assert [row["units"] for row in rows] == [12, 24]
    assert all(row["feasible"] for row in rows)
    assert all(0.0 <= row["gap"] <= 2.0 for row in rows)
    path = tmp_path / "scaling.png"
    benchmark_module.plotted(rows, path)
    assert path.read_bytes().startswith(b"\x89PNG")
