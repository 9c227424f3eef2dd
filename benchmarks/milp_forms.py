"""What each choice of the mixed-integer route brings: one choice undone at a time.

Examples
--------
::

    .venv/bin/python benchmarks/milp_forms.py rts_gmlc_2020-07-06.json --gap 1e-3 --time-limit 60
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.formulations.unit_commitment import CHOICES
from gridopt.registry import formulation_class, make, solver_class
from gridopt.study import Study

MILP_CHOICES = ("generation_limits", "ramps", "segments", "startup_cost", "identical_units")
"""Options of the formulation that change how the program is written, not what it says."""


def variants() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return name, options of the formulation and of the solver of each variant."""
    default = make(formulation_class("unit_commitment"), "unit_commitment", {})
    found: list[tuple[str, dict[str, Any], dict[str, Any]]] = [("all as by default", {}, {})]
    for option in MILP_CHOICES:
        found += [
            (f"{option} = {value}", {option: value}, {})
            for value in CHOICES[option]
            if value != getattr(default, option)
        ]
    return [*found, ("plain = True", {}, {"plain": True})]


def measure(
    study: Study, formulation: dict[str, Any], solver: dict[str, Any]
) -> tuple[float, float, gridopt.Run]:
    """Return CPU seconds, wall seconds and the verified run of one variant."""
    problem = make(formulation_class("unit_commitment"), "unit_commitment", formulation)
    method = make(solver_class("highs"), "highs", solver)
    cpu, wall = time.process_time(), time.perf_counter()
    run = gridopt.solve(study, problem, method)
    return time.process_time() - cpu, time.perf_counter() - wall, run


def main(words: Sequence[str] | None = None) -> None:
    """Measure all variants on each case and print a table."""
    parser = argparse.ArgumentParser(description="Undo one choice of the MILP route at a time.")
    parser.add_argument("cases", nargs="+", help="whatever gridopt.load_case takes")
    parser.add_argument("--gap", type=float, default=1e-3)
    parser.add_argument("--time-limit", type=float, default=60.0, help="wall seconds")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    console = Console()
    for case in given.cases:
        study = gridopt.load_case(case)
        columns = ("variant", "CPU s", "wall s", "gap", "cost", "bound", "feasible")
        table = Table(*columns, title=study.name)
        for name, formulation, options in variants():
            common = {"gap": given.gap, "time_limit_s": given.time_limit, "seed": given.seed}
            cpu, wall, run = measure(study, formulation, {**common, **options})
            table.add_row(
                name,
                f"{cpu:.1f}",
                f"{wall:.1f}",
                f"{run.gap:.3%}",
                f"{run.cost:,.0f}",
                f"{run.bound:,.0f}",
                "yes" if run.is_feasible else "no",
            )
        console.print(table)


if __name__ == "__main__":
    main()
