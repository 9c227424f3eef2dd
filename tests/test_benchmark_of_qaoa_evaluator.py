"""The benchmark of the evaluator measures methods that give the same energy."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "qaoa_evaluator.py"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """Return the benchmark as a module."""
    spec = spec_from_file_location("benchmark_of_the_evaluator", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_methods_give_the_same_energy(benchmark: Any) -> None:
    rows = [benchmark._row(method, 7, 2, 2) for method in benchmark.METHODS]
    for row in rows:
        assert row["energy"] == pytest.approx(rows[0]["energy"], abs=1e-9)
        assert row["energy_s"] > 0.0
        assert row["peak_rss_mb"] > 10.0
