"""The compact window by annealing and by QAOA: Kazarlis' day, and four units of RTS-79.

    python benchmarks/compact_windows.py --help

Every run lowers one bit a unit and period, re-dispatches and verifies. *over* is the answer above
the optimum, *unrepaired* without the repair of decisions that leave no dispatch, *control* that of
fair coins with the same re-dispatch and repair, *raw* the share of reads that keep all rules.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.running import Run
from gridopt.study import Study

KAZARLIS_COST = 563_937.7
"""$; the optimum of the ten-unit day, proved by HiGHS (kazarlis10 at gap 1e-5)."""

PEAK_DAY_START = 8424

QAOA_UNITS = ("U76_1_1", "U100_7_1", "U155_15_1", "U197_13_1")
QAOA_PERIODS = 19, 4

PRODUCT_STATE: dict[str, Any] = {
    "backend": "aer_mps",
    "bond_dimension": 16,
    "layers": 1,
    "shots": 256,
    "max_qubits": 100,
    "rounds": 1,
}

COLUMNS = {
    "case": "{}",
    "solver": "{}",
    "seed": "{}",
    "bits": "{}",
    "reads": "{}",
    "s": "{:.1f}",
    "raw": "{:.0%}",
    "unrepaired": "{:.3%}",
    "over": "{:.3%}",
    "control": "{:.3%}",
    "× uniform": "{:.0f}",
}
"""Columns of the table and how they are written; shares are above the optimum."""


def annealing_rows(solvers: list[str], seeds: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each solver and seed on Kazarlis' ten units and 24 hours."""
    study = gridopt.load_case("kazarlis10")
    for solver in solvers:
        for seed in range(seeds):
            yield _row("kazarlis10", study, solver, seed, KAZARLIS_COST)


def window() -> Study:
    """Return four units and four hours of the RTS-79 peak day, all else as scheduled."""
    day = gridopt.solve(
        gridopt.load_case("rts79", start=PEAK_DAY_START),
        network="dc",
        gap=1e-4,
        time_limit_s=60.0,
    )
    if day.schedule is None:
        raise gridopt.GridoptError("the RTS-79 day has no schedule to take a window of")
    return gridopt.window(day.schedule, QAOA_UNITS, *QAOA_PERIODS)


def qaoa_rows(seeds: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each seed of QAOA on the window, beside its uniform probability."""
    study = window()
    best = gridopt.solve(study, gap=1e-6).cost
    for seed in range(seeds):
        row = _row("rts79 4 × 4", study, "qaoa", seed, best)
        uniform = 2.0 ** -int(row["bits"])
        yield row | {"× uniform": row["ground_state_probability"] / uniform}


def product_state_row() -> dict[str, Any]:
    """Return the row of QAOA as a matrix product state, on more qubits than a state vector takes.

    Ten units over six hours; its ground states are too many to be known, its angles are scanned.
    """
    study = gridopt.load_case("kazarlis10", hours=6)
    best = gridopt.solve(study, gap=1e-6).cost
    return _row("kazarlis10, 6 h", study, "qaoa", 0, best, **PRODUCT_STATE)


def _row(
    case: str, study: Study, solver: str, seed: int, best: float, **options: Any
) -> dict[str, Any]:
    begun = time.perf_counter()
    run: Run = gridopt.solve(study, "unit_commitment", solver, form="compact", seed=seed, **options)
    details = run.solution.details
    return {
        "case": case,
        "solver": solver,
        "seed": seed,
        "s": time.perf_counter() - begun,
        "bits": details["bits"],
        "reads": details["reads"],
        "raw": details["raw_feasible_share"],
        "unrepaired": float(details["redispatch_objective"]) / best - 1.0,
        "over": run.cost / best - 1.0,
        "control": float(details["control_objective"]) / best - 1.0,
        "ground_state_probability": details.get("ground_state_probability"),
    }


def main() -> None:
    """Print one row a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--solvers", nargs="+", default=["neal", "anneal"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--qaoa-seeds", type=int, default=3)
    options = parser.parse_args()
    rows = [
        *annealing_rows(options.solvers, options.seeds),
        *qaoa_rows(options.qaoa_seeds),
        product_state_row(),
    ]
    table = Table(box=box.MARKDOWN)
    for name in COLUMNS:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(row, name) for name in COLUMNS))
    Console(width=140).print(table)


def _cell(row: dict[str, Any], name: str) -> str:
    return COLUMNS[name].format(row[name]) if name in row else ""


if __name__ == "__main__":
    main()
