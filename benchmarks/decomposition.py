"""What samplers add to the decomposition, and how fast it is beside HiGHS: two tables.

    python benchmarks/decomposition.py instance.json --seconds 60 --solvers none greedy neal anneal
    python benchmarks/decomposition.py instance.json --solvers highs neal+ highs-started

A sampler by its name works alone on cores, with a colon and a number on cores of so many schedules
at most: `exact:20` enumerates each of them, and `neal:20` has the same size to compare. `none` is
what the agents answer to the prices without any QUBO, and `windows` is HiGHS in place of a sampler,
on what is nearly undecided. With a plus all that the decomposition has works together: cores,
windows and HiGHS beside. `highs` is HiGHS on our best formulation, `highs-started` the same from
the last answer and prices of the decomposition, until 0.1 %.

`gap` is what a run certifies, `best_gap` the same answer against the best bound of all runs. The
gaps at times, and the times to gaps, are certified ones, from the solvers' own reports. With
`--demand 0.95` the instance has so much of its demand: other days of the same system.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.registry import make
from gridopt.running import Run
from gridopt.solution import Solution, relative_gap
from gridopt.solver import Progress, Solver
from gridopt.solvers.decomposition import Decomposition
from gridopt.solvers.highs import HiGHS

ABLATION = (
    *("none", "random", "greedy", "neal", "anneal", "tabu"),
    *("exact:20", "neal:20", "windows"),
)

MOMENTS_S = (10, 30, 60, 120, 240)

GAPS = (0.005, 0.001)

STARTED_GAP = 0.001
"""At which `highs-started` stops."""

COLUMNS = ("instance", "solver", "feasible", "cost", "gap", "best_gap", "null", "cores", "solve_s")

TIMES = (
    *("instance", "solver"),
    *(f"gap at {moment} s" for moment in MOMENTS_S),
    *(f"s to {100 * gap:g} %" for gap in GAPS),
)


@dataclass
class Course:
    """The certified gap of a run as time goes by, from the moment that its solver begins."""

    steps: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, report: Progress) -> None:
        """Note a report."""
        self.steps.append((report.elapsed_s, relative_gap(report.objective, report.bound)))

    def end(self, run: Run) -> None:
        """Note what the run holds, and when it had it where it tells."""
        for step in run.solution.trace:
            self.steps.append((step.elapsed_s, relative_gap(step.objective, step.bound)))
        self.steps.append((run.solve_s, run.gap))

    def gap_at(self, moment_s: float) -> float:
        """Return the gap by then, inf where there is none."""
        return min((gap for at, gap in self.steps if at <= moment_s), default=np.inf)

    def time_to(self, wanted: float) -> float:
        """Return the seconds until the gap was at most that, inf where it never was."""
        return min((at for at, gap in self.steps if gap <= wanted), default=np.inf)


def method(name: str, options: dict[str, object], start: Solution | None) -> Solver:
    """Return the solver of that name: see the head of this file."""
    if name == "highs":
        return make(HiGHS, "highs", options)
    if name == "highs-started":
        return make(HiGHS, "highs", {**options, "gap": STARTED_GAP, "start": start})
    is_whole = name.endswith("+")
    sampler, _, bits = name.removesuffix("+").partition(":")
    given = {
        **options,
        **({"core_bits": int(bits)} if bits else {}),
        "sampler": None if sampler in {"none", "windows"} else sampler,
        "windows": is_whole or name == "windows",
        "beside": is_whole,
    }
    return make(Decomposition, "decomposition", given)


def rows(
    instance: str,
    names: Sequence[str],
    seconds: float,
    gap: float,
    seed: int,
    demand: float = 1.0,
) -> list[dict[str, object]]:
    """Return one row for each solver; gaps are in percent. `demand` is a share of its own."""
    gridopt.solve(gridopt.kazarlis(), solver="decomposition", sampler=None)  # compiles, untimed
    study = gridopt.load_case(instance)
    study = replace(study, demand_mw=demand * study.demand_mw)
    options: dict[str, object] = {"time_limit_s": seconds, "gap": gap, "seed": seed}
    found: list[tuple[str, Run, Course]] = []
    start: Solution | None = None
    for name in names:
        solver, course = method(name, options, start), Course()
        run = gridopt.solve(study, solver=solver, progress=course)
        course.end(run)
        if isinstance(solver, Decomposition):
            start = run.solution
        found.append((name, run, course))
    bound = max(run.bound for _, run, _ in found)
    return [_row(Path(instance).stem, name, run, course, bound) for name, run, course in found]


def _row(instance: str, name: str, run: Run, course: Course, bound: float) -> dict[str, object]:
    details = run.solution.details
    null = float(details.get("null_objective", np.inf))
    return {
        "instance": instance,
        "solver": name,
        "feasible": run.is_feasible,
        "cost": run.cost,
        "gap": 100.0 * run.gap,
        "best_gap": 100.0 * relative_gap(run.cost, bound),
        "null": 100.0 * relative_gap(null, bound),
        "cores": details.get("cores", 0),
        "solve_s": run.solve_s,
        **{f"gap at {at} s": 100.0 * course.gap_at(at) for at in MOMENTS_S},
        **{f"s to {100 * wanted:g} %": course.time_to(wanted) for wanted in GAPS},
    }


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What samplers add to the decomposition.")
    parser.add_argument("instances", nargs="+", help="whatever gridopt.load_case takes")
    parser.add_argument("--solvers", nargs="+", default=("highs", *ABLATION), help="see the head")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="medians of these")
    parser.add_argument("--demand", type=float, default=1.0, help="share of the instances' own")
    given = parser.parse_args(words)
    found = []
    for instance in given.instances:
        every = []
        for seed in given.seeds:
            options = given.solvers, given.seconds, given.gap, seed, given.demand
            every.append(rows(instance, *options))
            if len(given.seeds) > 1:
                _print(every[-1], f"{instance}, seed {seed}")
        found += [_medians(of_solver) for of_solver in zip(*every, strict=True)]
    _print(found, f"seeds {' '.join(map(str, given.seeds))}, medians")


def _print(found: Sequence[dict[str, object]], title: str) -> None:
    for columns in (COLUMNS, TIMES):
        table = Table(*columns, title=title)
        for row in found:
            table.add_row(*(_figure(row[name]) for name in columns))
        Console(width=170).print(table)


def _medians(of_solver: Sequence[dict[str, object]]) -> dict[str, object]:
    """Return one row for the rows of one solver, all of whose answers must be feasible."""
    found = dict(of_solver[0])
    for name, value in found.items():
        if isinstance(value, bool):
            found[name] = all(row[name] for row in of_solver)
        elif isinstance(value, int | float):
            found[name] = float(np.median([row[name] for row in of_solver]))
    return found


def _figure(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.2f}"


if __name__ == "__main__":
    main()
