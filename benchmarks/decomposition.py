"""What each sampler adds to the decomposition: one table, beside HiGHS and the null sampler.

    python benchmarks/decomposition.py instance.json --seconds 60 --samplers none greedy neal anneal

`null` is what the agents' answers to the prices come to without any QUBO, `gap` what the sampler
made of it, both certified and against the same bound where they are compared: the best of all runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.running import Run

SAMPLERS = ("none", "random", "greedy", "neal", "anneal", "tabu")

COLUMNS = (
    *("instance", "solver", "feasible", "cost", "gap", "best_gap"),
    *("null", "cores", "prices_s", "null_s", "solve_s"),
)


def solved(study: gridopt.Study, name: str, seconds: float, gap: float, seed: int) -> Run:
    """Solve by HiGHS, or by the decomposition with a sampler of that name."""
    if name == "highs":
        return gridopt.solve(study, solver="highs", gap=gap, time_limit_s=seconds, seed=seed)
    sampler = None if name == "none" else name
    return gridopt.solve(
        study, solver="decomposition", sampler=sampler, gap=gap, time_limit_s=seconds, seed=seed
    )


def row(instance: str, name: str, run: Run, bound: float) -> dict[str, object]:
    """Return a row of the table; gaps are in percent, `best_gap` against the best bound of all."""
    details = run.solution.details
    null = float(details.get("null_objective", np.inf))
    return {
        "instance": instance,
        "solver": name,
        "feasible": run.is_feasible,
        "cost": run.cost,
        "gap": 100.0 * run.gap,
        "best_gap": 100.0 * (run.cost - bound) / abs(run.cost),
        "null": 100.0 * (null - bound) / abs(null) if np.isfinite(null) else np.inf,
        "cores": details.get("cores", 0),
        **{key: details.get(key, "") for key in ("prices_s", "null_s")},
        "solve_s": run.solve_s,
    }


def rows(
    instance: str, samplers: Sequence[str], seconds: float, gap: float, seed: int
) -> list[dict[str, object]]:
    """Return one row for HiGHS and one for each sampler."""
    study = gridopt.load_case(instance)
    runs = {name: solved(study, name, seconds, gap, seed) for name in ("highs", *samplers)}
    bound = max(run.bound for run in runs.values())
    return [row(Path(instance).stem, name, run, bound) for name, run in runs.items()]


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What samplers add to the decomposition.")
    parser.add_argument("instances", nargs="+", help="whatever gridopt.load_case takes")
    parser.add_argument("--samplers", nargs="+", default=SAMPLERS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    table = Table(*COLUMNS)
    for instance in given.instances:
        for found in rows(instance, given.samplers, given.seconds, given.gap, given.seed):
            table.add_row(*(_figure(found[name]) for name in COLUMNS))
    Console(width=160).print(table)


def _figure(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.2f}"


if __name__ == "__main__":
    main()
