"""The benchmark of annealers: its graphs, and that every sampler is asked the same."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "annealers.py"


@pytest.fixture
def benchmark() -> Any:
    spec = spec_from_file_location("benchmark_of_annealers", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_graphs(benchmark: Any) -> None:
    graphs = benchmark.graphs()
    assert [qubo.n_bits for qubo in graphs.values()] == [800, 2000, 2000, 2000, 5000, 1000]
    assert graphs["random 5000"].Q.nnz - 5000 <= 12_498
    assert len(graphs["torus ±1 2000"].couplings()[2]) == 4000


def test_energy_is_minus_the_cut(benchmark: Any) -> None:
    first, second, weight = benchmark.torus_edges(3, 4, seed=1)
    qubo = benchmark.maximum_cut(12, first, second, weight)
    z = np.random.default_rng(0).integers(0, 2, (20, 12))
    cut = (weight * (z[:, first] != z[:, second])).sum(axis=1)
    np.testing.assert_allclose(qubo.energy(z), -cut)


def test_rows(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    qubo = benchmark.dense(12, seed=1)
    monkeypatch.setattr(benchmark, "graphs", lambda: {"dense 12": qubo})
    table = {row["sampler"]: row for row in benchmark.rows(seconds=0.05, repeats=1)}
    assert tuple(table) == benchmark.SAMPLERS
    missing = {
        name for name in table if name.startswith("openjij") and find_spec("openjij") is None
    }
    for name, row in table.items():
        if name in missing:
            assert row["note"] == "not installed"
        else:
            assert row["energy"] == pytest.approx(qubo.spectrum().min())
            assert (row["million_moves_per_s"] is not None) == (name in {"anneal", "neal"})
