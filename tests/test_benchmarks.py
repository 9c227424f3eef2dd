"""The benchmark runs, and its table counts failures as failures."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPT = FOLDER / "unit_commitment.py"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the benchmark as a module."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = spec_from_file_location("benchmark_of_unit_commitment", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def run_script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, cwd=folder
    )


def test_smallest_case(tmp_path: Path, benchmark: Any) -> None:
    done = run_script(
        tmp_path,
        *("--cases", "kazarlis10", "--hours", "2", "--repeats", "1"),
        *("--solvers", "highs", "scipy-milp", "neal", "qaoa", "random-qaoa"),
        *("--out", "rows.csv"),
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "| kazarlis10 | highs " in done.stdout
    table = pd.read_csv(tmp_path / "rows.csv")
    assert list(table.columns) == " ".join(benchmark.COLUMNS.values()).split()
    rows: Any = table.set_index("solver").to_dict("index")
    declined = {name for name, row in rows.items() if isinstance(row["declined"], str)}
    assert declined == {"scipy-milp", "qaoa", "random-qaoa"}
    assert str(rows["highs"]["feasible"]) == "True"
    assert rows["highs"]["best_gap"] <= 1e-3
    assert rows["neal"]["bits"] > rows["neal"]["slack_bits"] > 0
    assert rows["neal"]["bound"] == -np.inf
    for row in rows.values():
        assert row["peak_rss_mb"] >= row["start_rss_mb"] > 0
        assert row["best_bound"] == rows["highs"]["bound"]


def test_peer_finds_the_same_optimum(benchmark: Any) -> None:
    study = benchmark.load_case("kazarlis10", hours=2)
    curves = tuple(benchmark.replace(curve, quadratic=0.0) for curve in study.thermal.cost)
    study = benchmark.replace(study, thermal=benchmark.replace(study.thermal, cost=curves))
    rows = [
        benchmark.run_task(
            benchmark.Task(
                "linear", study, benchmark.UnitCommitment(), solver, {"seed": 0, "gap": 1e-9}
            )
        )
        for solver in ("highs", "scipy-milp")
    ]
    table = benchmark.as_table(rows)
    assert table["feasible"].all()
    np.testing.assert_allclose(table["cost"], table["cost"][0], rtol=1e-9)
    np.testing.assert_allclose(table["bound"], table["cost"][0], rtol=1e-6)


def test_controls_mimic_their_samplers(benchmark: Any) -> None:
    neal, qaoa = (benchmark.solver_class(name) for name in ("neal", "qaoa"))
    coins = {
        name: benchmark.make(
            benchmark.solver_class("random"), name, benchmark.SAMPLER_OPTIONS[f"random-{name}"]
        )
        for name in ("neal", "qaoa")
    }
    annealer = benchmark.make(neal, "neal", benchmark.SAMPLER_OPTIONS["neal"])
    assert coins["neal"].reads == annealer.reads
    assert coins["neal"].lowering == annealer.lowering
    assert coins["qaoa"].reads == qaoa().shots
    assert coins["qaoa"].lowering == qaoa().lowering
    assert coins["qaoa"].most_bits == qaoa().max_qubits


def row(**changes: object) -> dict[str, object]:
    base = {"case": "a", "solver": "highs", "fingerprint": "f", "network": "dc", "wall_s": 1.0}
    return {**base, **changes}


def test_bound_is_the_best_of_the_same_program(benchmark: Any) -> None:
    table = benchmark.as_table(
        [
            row(cost=110.0, bound=90.0, bound_source="one"),
            row(cost=100.0, bound=95.0, bound_source="two"),
            row(cost=100.0, bound=np.nan, solver="neal"),
            row(cost=100.0, bound=99.0, bound_source="three", network="copperplate"),
            row(declined="too large", solver="qaoa"),
        ]
    )
    assert table["best_bound"].tolist() == [95.0, 95.0, 95.0, 99.0, 95.0]
    assert table["best_bound_source"][2] == "two"
    np.testing.assert_allclose(table["best_gap"], [15 / 110, 0.05, 0.05, 0.01, np.inf])


def test_a_run_without_an_answer_has_infinite_cost_in_the_median(benchmark: Any) -> None:
    table = benchmark.as_table(
        [
            row(cost=100.0, bound=99.0, feasible=True),
            row(cost=np.inf, solver="neal", feasible=False, wall_s=2.0),
            row(cost=np.inf, solver="neal", feasible=False, wall_s=4.0),
            row(cost=101.0, solver="neal", feasible=True, wall_s=6.0),
            row(declined="too large", solver="qaoa"),
        ]
    )
    found = benchmark.medians(table).set_index("solver")
    assert found.loc["neal", "feasible"] == "1 of 3"
    assert found.loc["neal", "cost"] == np.inf
    assert found.loc["neal", "× highs"] == 4.0
    assert found["declined"].tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cases", "nosuch"), "unknown case 'nosuch'"),
        (("--out", "rows.xlsx"), ".csv or .parquet"),
        (("--repeats", "0"), "at least 1"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run_script(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_each_choice_of_the_milp_route_is_undone() -> None:
    words = [sys.executable, str(FOLDER / "milp_forms.py"), "kazarlis10", "--gap", "1e-2"]
    done = subprocess.run(words, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 0, done.stderr
    for option in ("generation_limits", "ramps", "segments", "startup_cost", "identical_units"):
        assert f"{option} = " in done.stdout
    assert "plain = True" in done.stdout
    assert done.stdout.count(" yes ") == done.stdout.count("%") == 9


def test_lowering_beside_its_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    lowering: Any = import_module("lowering")
    tasks = [("kazarlis10", "gridopt"), ("kazarlis10", "dimod"), ("kazarlis10", lowering.QISKIT)]
    ours, dimod, qiskit = (lowering.measured(lowering.Task(*task, 1)) for task in tasks)
    for row in (ours, dimod):
        assert row["declined"] == ""
        assert row["s"] > 0.0
    assert dimod["bits"] > ours["bits"] > 0
    assert "float coefficients" in qiskit["declined"]
