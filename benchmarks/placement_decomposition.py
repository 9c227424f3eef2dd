"""Place batteries by HiGHS and by the decomposition, under the same time limit.

    python benchmarks/placement_decomposition.py --cases case39 case_illinois200 --seconds 60

Every bus of the net is a candidate, lines carry `--rating` percent of their rating, units have
typical ramps, minimum times and costs of starts. Solvers are named as in `decomposition.py`:
``highs``, ``none`` (what agents answer to the prices, without any QUBO), a sampler by its name on
cores alone, ``windows``, and with a plus all that the decomposition has together.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandapower.networks
from decomposition import Course, method
from rich import box
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.errors import UnknownNameError
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.placement import Placement
from gridopt.running import Run
from gridopt.solution import relative_gap
from gridopt.solver import Solver
from gridopt.study import Study

UNSERVED_COST_PER_MWH = 1000.0

MODULE = "li_ion_10mw_4h"

MODULES_MAX = 5

MOMENTS_S = (10, 30, 60, 120)

COLUMNS = (
    *("case", "sites", "solver", "cost", "bound", "by", "gap %", "best gap %", "null %", "cores"),
    *("s", *(f"gap % at {moment} s" for moment in MOMENTS_S), "built"),
)

Row = dict[str, object]


def study_of(case: str, rating: float, hours: float, count: int | None) -> Study:
    """Return the day that batteries are placed for; any number of sites where `count` is None."""
    names = [name for name in vars(pandapower.networks) if name.startswith("case")]
    if case not in names:
        raise UnknownNameError("case", case, names)
    net = getattr(pandapower.networks, case)()
    net.line["max_loading_percent"] = rating
    study = gridopt.read_pandapower(
        net, units="typical", hours=hours, unserved_cost_per_mwh=UNSERVED_COST_PER_MWH
    )
    return gridopt.with_sites(
        replace(study, name=case), modules=[MODULE], count=count, modules_max=MODULES_MAX
    )


def rows(study: Study, names: Sequence[str], seconds: float, gap: float, seed: int) -> list[Row]:
    """Return one row for each solver; gaps are in percent, the best one by the best bound."""
    _compile()
    options: dict[str, object] = {"time_limit_s": seconds, "gap": gap, "seed": seed}
    runs = [(name, *_run(study, method(name, options, None))) for name in names]
    bound = max(run.bound for _, run, _ in runs)
    return [_row(study, name, run, course, bound) for name, run, course in runs]


def _run(study: Study, solver: Solver) -> tuple[Run, Course]:
    course = Course()
    run = gridopt.solve(study, BatteryPlacement(network="dc"), solver, progress=course)
    course.end(run)
    return run, course


def _compile() -> None:
    """Run what is compiled, untimed."""
    start = gridopt.with_sites(gridopt.kazarlis(), modules=[MODULE], count=1)
    solver = method("none", {"gap": 0.5}, None)
    gridopt.solve(start, BatteryPlacement(network="copperplate"), solver)


def _row(study: Study, name: str, run: Run, course: Course, bound: float) -> Row:
    details, count = run.solution.details, study.sites.count
    null = float(details.get("null_objective", np.inf))
    return {
        "case": study.name,
        "sites": "any" if count is None else count,
        "solver": name,
        "cost": run.cost,
        "bound": run.bound,
        "by": run.solution.bound_source,
        "gap %": 100.0 * run.gap,
        "best gap %": 100.0 * relative_gap(run.cost, bound),
        "null %": 100.0 * relative_gap(null, bound),
        "cores": details.get("cores", 0),
        "s": run.solve_s,
        **{f"gap % at {at} s": 100.0 * course.gap_at(at) for at in MOMENTS_S},
        "built": _built(run),
    }


def _built(run: Run) -> str:
    if not isinstance(run.plan, Placement):
        return ""
    table = run.plan.table()
    each = zip(table["modules"], table["bus"], strict=True)
    return ", ".join(f"{number} at {bus.removeprefix('bus ')}" for number, bus in each)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--cases", nargs="+", default=["case39", "case_illinois200"])
    parser.add_argument("--counts", nargs="+", type=int, default=[3], help="sites; 0: any number")
    parser.add_argument("--rating", type=float, default=80.0, help="percent that lines may carry")
    parser.add_argument("--hours", type=float, default=24.0)
    solvers = ["highs", "none", "neal", "anneal", "neal+", "anneal+"]
    parser.add_argument("--solvers", nargs="+", default=solvers, help="see the head")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(words)
    table = Table(*COLUMNS, box=box.MARKDOWN)
    for case, count in product(asked.cases, asked.counts):
        study = study_of(case, asked.rating, asked.hours, count or None)
        for row in rows(study, asked.solvers, asked.seconds, asked.gap, asked.seed):
            table.add_row(*(_figure(row[name]) for name in COLUMNS))
    Console(width=220).print(table)


def _figure(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1e3 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
