"""Battery placement on a SimBench feeder: HiGHS, samplers on the compact form, simple controls.

    python benchmarks/placement_simbench.py --operation profile --seconds 60 --repeats 3
    python benchmarks/placement_simbench.py --operation optimized --seconds 120 --repeats 1

1-MV-rural--2-sw on a day whose infeed raises voltages above the band: 97 candidates, three kinds of
battery, up to three modules at each, voltage outside of the band and overload at a price. With
``profile``, batteries charge once a day where infeed most exceeds demand; with ``optimized`` they
run as is best.

`s to 1 %` is the time until an answer is within 1 % of the best bound of all, for HiGHS until that
is proved as well; of samplers it holds relaxing and lowering.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.lowering.encoding import Lowering
from gridopt.placement_controls import controls
from gridopt.placement_rules import RadialState
from gridopt.placing import corrected, without_batteries
from gridopt.registry import make, solver_class
from gridopt.running import Run
from gridopt.sampling.judging import Judging
from gridopt.siting import daily_profile
from gridopt.solution import relative_gap
from gridopt.solver import Progress, Solver
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

CODE, DAY = "1-MV-rural--2-sw", "2016-07-25"
BAND_PU = (0.965, 1.055)
MODULES = ("li_ion_0.5mw_2h", "li_ion_1mw_2h", "li_ion_1mw_4h")
MODULES_MAX = 3
OVERLOAD_COST = 1e4

VOLTAGE_COST = {"profile": 1e5, "optimized": 1e4}
"""Of a pu outside of the band for an hour. Dearer, optimized batteries would waste energy."""

SAMPLERS = ("neal", "tabu", "anneal")
ROUNDS = 12

GOAL = 0.01
PROVED = {"profile": 1e-3, "optimized": 2e-3}
"""Gap of the run that proves the bound."""

COLUMNS = ("method", "feasible", "cost", "gap %", "s to 1 %", "s in all", "modules")

Row = dict[str, Any]


def feeder_day(hours: float = 24.0) -> Study:
    """Return the day of the net, hour by hour."""
    return gridopt.read_simbench(CODE, start=DAY, hours=hours, period_h=1.0)


def sited(study: Study, operation: str, candidates: Sequence[str] | None = None) -> Study:
    """Return the study with candidates, prices and, where asked for, a profile."""
    found = gridopt.with_sites(
        study,
        candidates,
        MODULES,
        modules_max=MODULES_MAX,
        voltage_cost_per_pu_h=VOLTAGE_COST[operation],
        overload_cost_per_mwh=OVERLOAD_COST,
        vm_min_pu=BAND_PU[0],
        vm_max_pu=BAND_PU[1],
    )
    if operation == "optimized":
        return found
    left = study.demand_mw.copy()
    np.add.at(left, study.renewables.bus, -study.renewables.p_max_mw)
    profile = daily_profile(replace(study, demand_mw=left), found.sites.modules)
    return replace(found, sites=replace(found.sites, profile=profile))


def by_ac(study: Study) -> dict[str, float]:
    """Return how far LinDistFlow is from AC power flow without batteries."""
    bare = without_batteries(study, BatteryPlacement(exclusive="never"))
    if bare is None or not bare.flows:
        raise ValueError(f"no plan without batteries for {study.name}")
    (schedule,) = bare.placement.schedules
    linear = RadialState.of(study, schedule)
    true = RadialState.of(corrected(study, (schedule,), bare.flows), schedule)
    return {
        "voltage, pu": float(np.abs(true.vm_pu - linear.vm_pu).max()),
        "highest by AC, pu": float(true.vm_pu.max()),
        "losses, %": 100.0 * float(linear.loss_mw.sum() / true.loss_mw.sum() - 1.0),
        "outside of the band by AC, pu h": study.period_h * float(true.outside_pu.sum()),
        "by LinDistFlow, pu h": study.period_h * float(linear.outside_pu.sum()),
    }


class Watch:
    """Keeps when which answer was reported."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        self.seen.append((progress.elapsed_s, progress.objective))

    def first_within(self, bound: float) -> float:
        """Return when an answer within the goal of a bound was first there, or inf."""
        near = (s for s, objective in self.seen if relative_gap(objective, bound) <= GOAL)
        return next(near, float("inf"))


def run_once(study: Study, solver: Solver) -> tuple[Run, Watch, float]:
    """Solve, watched and timed; the last answer counts as a report."""
    watch = Watch()
    begun = time.perf_counter()
    run = gridopt.solve(study, BatteryPlacement(exclusive="never"), solver, progress=watch)
    watch.seen.append((run.build_s + run.solve_s, run.cost))
    return run, watch, time.perf_counter() - begun


def sampler(name: str, seconds: float, seed: int) -> Solver:
    """Return a sampler on the compact form: no bound of its own, no coins."""
    return make(
        solver_class(name),
        name,
        {
            "seed": seed,
            "time_limit_s": seconds,
            "lowering": Lowering(form="compact"),
            "judging": Judging(rounds=ROUNDS, control_reads=0, bound_time_limit_s=0.0),
        },
    )


def rows(
    study: Study,
    operation: str,
    seconds: float,
    repeats: int,
    samplers: Sequence[str] = SAMPLERS,
) -> list[Row]:
    """Return one row a method: medians over the seeds 0, 1, 2 and so on."""
    limit_s = 2.0 * seconds
    proof, _, proof_s = run_once(
        study, HiGHS(gap=PROVED[operation], time_limit_s=limit_s, relaxation="ipm")
    )
    found = [_row("HiGHS, all of it", [proof], [proof_s], [float("nan")], proof.bound)]
    for relaxation in ("ipm", "simplex"):
        solver = HiGHS(gap=GOAL, time_limit_s=limit_s, relaxation=relaxation)
        each = [run_once(study, solver) for _ in range(repeats)]
        first = [s if run.gap <= GOAL else float("inf") for run, _, s in each]
        runs, totals = [run for run, _, _ in each], [s for _, _, s in each]
        found.append(_row(f"HiGHS to 1 %, {relaxation}", runs, totals, first, proof.bound))
        if not runs[0].is_feasible:
            break
    for name in samplers:
        each = [run_once(study, sampler(name, seconds, seed)) for seed in range(repeats)]
        first = [watch.first_within(proof.bound) for _, watch, _ in each]
        runs, totals = [run for run, _, _ in each], [s for _, _, s in each]
        found.append(_row(name, runs, totals, first, proof.bound))
    return found + control_rows(study, proof)


def control_rows(study: Study, best: Run) -> list[Row]:
    """Return greedy and random placements; their seconds are those of all together."""
    program = BatteryPlacement(exclusive="never").build(study)
    begun = time.perf_counter()
    found = controls(program, None, _modules(best), seed=0)
    seconds = time.perf_counter() - begun
    if not found:
        return []
    random = [control.cost for control in found if control.name.startswith("random")]
    costs = {it.name: (it.cost, it.modules) for it in found if not it.name.startswith("random")}
    if random:
        costs["random, the best of 5"] = min(random), _modules(best)
    return [
        {
            "method": name,
            "feasible": f"{int(np.isfinite(cost))} of 1",
            "cost": cost,
            "gap %": 100.0 * relative_gap(cost, best.bound),
            "s to 1 %": float("nan"),
            "s in all": seconds,
            "modules": number,
        }
        for name, (cost, number) in costs.items()
    ]


def _row(
    method: str, runs: Sequence[Run], seconds: Sequence[float], first: Sequence[float], bound: float
) -> Row:
    cost = median(run.cost for run in runs)
    return {
        "method": method,
        "feasible": f"{sum(run.is_feasible for run in runs)} of {len(runs)}",
        "cost": cost,
        "gap %": 100.0 * relative_gap(cost, bound),
        "s to 1 %": median(first),
        "s in all": median(seconds),
        "modules": median(_modules(run) for run in runs),
    }


def _modules(run: Run) -> int:
    return 0 if run.plan is None else int(run.plan.modules.sum())  # type: ignore[union-attr]


def main(words: Sequence[str] | None = None) -> None:
    """Print how far LinDistFlow is from AC, and the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--operation", choices=sorted(VOLTAGE_COST), default="profile")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a sampler")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--samplers", nargs="*", default=SAMPLERS)
    given = parser.parse_args(words)
    study = sited(feeder_day(), given.operation)
    console = Console(width=120)
    for name, value in by_ac(study).items():
        console.print(f"{name}: {value:.4g}")
    table = Table(*COLUMNS)
    for row in rows(study, given.operation, given.seconds, given.repeats, given.samplers):
        table.add_row(*(_cell(row[name]) for name in COLUMNS))
    console.print(table)


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return f"{value}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}" if np.isfinite(value) else "–"


if __name__ == "__main__":
    main()
