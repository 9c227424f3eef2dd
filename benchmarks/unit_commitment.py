"""Compare solvers on unit commitment: same studies, same time, every answer verified.

    python benchmarks/unit_commitment.py --help

Every run has a process of its own, one after the other, so that its memory and its imports are its
own. ``benchmarks/README.md`` says how to read the rows.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from peers import ScipyMILP
from rich import box
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.io.cases import load_case
from gridopt.registry import make, solver_class
from gridopt.running import Run, peak_rss_mb, solve, versions
from gridopt.solution import relative_gap
from gridopt.solver import Solver
from gridopt.study import Study
from gridopt.windows import window

PEAK_DAY_START = 8424
"""First hour of Tuesday of week 51 in the RTS-79 year, the day of the annual peak."""

WINDOWS: dict[str, tuple[tuple[str, ...], int, int]] = {
    # name: units by the start of their names, first period, number of periods
    "rts79-window": (("U20_", "U76_", "U155_", "U197_"), 12, 12),
    "rts79-small": (("U76_1_1", "U100_7_1", "U197_13_1"), 20, 3),
}
"""Parts of the RTS-79 day that samplers can take; see `gridopt.window`."""

CASES = ("kazarlis10", "rts79", *WINDOWS)
SOLVERS = ("highs", "scipy-milp", "neal", "random-neal", "qaoa", "random-qaoa")
PEERS: dict[str, type[Solver]] = {"scipy-milp": ScipyMILP}

EXACT_SOLVERS = ("highs", "scipy-milp")
SAMPLER_OPTIONS: dict[str, dict[str, Any]] = {
    "neal": {"reads": 50, "sweeps": 2000, "levels": 2},
    "random-neal": {"reads": 50, "levels": 2},
    "random-qaoa": {"reads": 4096, "levels": 2, "substitute_sums": False, "most_bits": 20},
}

COLUMNS = {
    "what": "case fingerprint units periods formulation network solver options seed",
    "found": "declined termination feasible violations cost bound bound_source gap best_bound "
    "best_bound_source best_gap",
    "qubo": "bits slack_bits density coefficient_range rounded_rows exact",
    "samples": "reads best_energy raw_feasible_share raw_objective redispatched",
    "effort": "build_s lower_s sample_s redispatch_s bound_s solve_s wall_s cpu_s start_rss_mb "
    "peak_rss_mb",
    "where": "machine versions",
}
"""Columns of the rows, in order; `README.md` explains them."""

FROM_DETAILS = f"{COLUMNS['qubo']} {COLUMNS['samples']} lower_s sample_s redispatch_s bound_s"
"""Columns that a sampler's own record fills; empty for others."""


@dataclass(frozen=True, eq=False)
class Task:
    """One run, as it is sent to its process.

    Parameters
    ----------
    case : str
    study : Study
        Without its net, which no solver needs.
    formulation : UnitCommitment
    solver : str
    options : dict
    """

    case: str
    study: Study
    formulation: UnitCommitment
    solver: str
    options: dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for; write the rows and print their medians."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.out.suffix not in (".csv", ".parquet"):
        parser.error(f"--out ends in .csv or .parquet, not {options.out.name!r}")
    if options.repeats < 1:
        parser.error("--repeats is at least 1")
    begun = time.perf_counter()
    rows: list[dict[str, Any]] = []
    try:
        tasks = list(_tasks(options))
        for number, task in enumerate(tasks, start=1):
            rows.append(_in_own_process(task))
            print(f"[{number}/{len(tasks)}] {_line(rows[-1])}", file=sys.stderr, flush=True)
    except gridopt.GridoptError as fault:
        parser.error(str(fault))
    except KeyboardInterrupt:
        print("interrupted; the rows so far are kept", file=sys.stderr)
    if not rows:
        return
    table = as_table(rows)
    _write(table, options.out)
    console = Console(width=160)
    console.print(_markdown(medians(table)))
    console.print(f"{len(table)} runs in {time.perf_counter() - begun:.0f} s: {options.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Compare solvers on unit commitment.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--cases",
        nargs="+",
        default=list(CASES),
        help=f"{', '.join(WINDOWS)}, or anything that gridopt.load_case takes, such as "
        "kazarlis10x2, kazarlis10x5",
    )
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS), choices=SOLVERS)
    parser.add_argument("--repeats", type=int, default=1, help="seeds 0, 1, … of each")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds, for every solver")
    parser.add_argument("--gap", type=float, default=1e-3, help="at which exact solvers stop")
    parser.add_argument("--hours", type=float, default=24.0, help="length of the days, not windows")
    parser.add_argument(
        "--out", type=Path, default=Path("out/unit_commitment.csv"), help=".csv or .parquet"
    )
    return parser


def _tasks(options: argparse.Namespace) -> Iterator[Task]:
    for case in options.cases:
        study, network = _study(case, options.hours)
        # no solver needs the net; a grid that has solved flows holds what cannot be sent
        study = replace(study, net=None, grid=replace(study.grid))
        for solver in options.solvers:
            for seed in range(options.repeats):
                yield Task(
                    case,
                    study,
                    UnitCommitment(network=network),
                    solver,
                    {"seed": seed, "time_limit_s": options.time_limit, **_own(solver, options.gap)},
                )


def _own(solver: str, gap: float) -> dict[str, Any]:
    """Return options that only this solver has; bounds come from the exact solvers' runs."""
    if solver in EXACT_SOLVERS:
        return {"gap": gap}
    return {"bound_time_limit_s": 0.0, **SAMPLER_OPTIONS.get(solver, {})}


def _study(case: str, hours: float) -> tuple[Study, Any]:
    """Return a case and its network model: DC where there are branches to keep."""
    if case in WINDOWS:
        prefixes, first, periods = WINDOWS[case]
        day = solve(load_case("rts79", start=PEAK_DAY_START), network="dc", gap=1e-4)
        if day.schedule is None:
            raise gridopt.GridoptError("the RTS-79 day has no schedule to take a window of")
        units = [name for name in day.study.thermal.name if name.startswith(prefixes)]
        return window(day.schedule, units, first, periods), "copperplate"
    study = load_case(case, start=PEAK_DAY_START if case == "rts79" else 0, hours=hours)
    return study, "dc" if study.grid.n_branches else "copperplate"


def _in_own_process(task: Task) -> dict[str, Any]:
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        try:
            return pool.submit(run_task, task).result()
        except BrokenProcessPool:
            return {**_head(task), "declined": "its process ended abruptly, as for want of memory"}


def _head(task: Task) -> dict[str, Any]:
    return {
        "case": task.case,
        "fingerprint": task.study.fingerprint(),
        "units": len(task.study.thermal),
        "periods": task.study.n_periods,
        "formulation": "unit_commitment",
        "network": task.formulation.network,
        "solver": task.solver,
        "options": json.dumps(task.options),
        "seed": task.options["seed"],
    }


def run_task(task: Task) -> dict[str, Any]:
    """Return the row of one run; a solver that declines gives a row that says why."""
    # random-neal is the solver random with the reads and the limits of neal
    kind = PEERS.get(task.solver) or solver_class(task.solver.partition("-")[0])
    solver = make(kind, task.solver, task.options)
    row = {**_head(task), "start_rss_mb": own_peak_mb()}
    begun, cpu_begun = time.perf_counter(), time.process_time()
    try:
        run = solve(task.study, task.formulation, solver)
    except gridopt.GridoptError as fault:
        row["declined"] = str(fault)
    else:
        row |= _found(run)
    return row | {
        "wall_s": time.perf_counter() - begun,
        "cpu_s": time.process_time() - cpu_begun,
        "peak_rss_mb": own_peak_mb(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": json.dumps(versions(kind.package)),
    }


def _found(run: Run) -> dict[str, Any]:
    details, verification = run.solution.details, run.verification
    return {
        "termination": str(run.termination),
        "feasible": run.is_feasible,
        "violations": json.dumps(verification.counts() if verification else {}),
        "cost": run.cost,
        "bound": run.bound,
        "bound_source": run.solution.bound_source,
        "gap": run.gap,
        **{name: details[name] for name in FROM_DETAILS.split() if name in details},
        "build_s": run.build_s,
        "solve_s": run.solve_s,
    }


def own_peak_mb() -> float:
    """Return this process's highest memory; Linux counts the parent's into `getrusage`."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024 / 1e6
    return peak_rss_mb()


def as_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows with the highest bound that any run proved for the same program.

    Parameters
    ----------
    rows : sequence of dict
        One of each run.

    Returns
    -------
    DataFrame
        With `COLUMNS`; best_gap is (cost − best_bound) / cost.
    """
    table = pd.DataFrame(rows).reindex(columns=" ".join(COLUMNS.values()).split())
    table["cost"] = table["cost"].astype(float).fillna(np.inf)
    table["bound"] = table["bound"].astype(float).fillna(-np.inf)
    best = table.groupby(["fingerprint", "network"])["bound"].transform("idxmax")
    table["best_bound"] = table.loc[best, "bound"].to_numpy()
    table["best_bound_source"] = table.loc[best, "bound_source"].to_numpy()
    pairs = zip(table["cost"], table["best_bound"], strict=True)
    table["best_gap"] = [relative_gap(cost, bound) for cost, bound in pairs]
    return table


def medians(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per case and solver: how many runs held every rule, and medians.

    A run without a feasible answer counts as one of infinite cost, so that a solver that fails
    half of the time cannot look good by the other half.
    """
    grouped = table.groupby(["case", "solver"], sort=False)
    seconds = {key: _median(group["wall_s"]) for key, group in grouped}
    return pd.DataFrame(
        {
            "case": case,
            "solver": solver,
            "bits": _median(group["bits"]),
            "feasible": f"{int(np.isfinite(group['cost']).sum())} of {len(group)}",
            "raw feasible": _median(group["raw_feasible_share"]),
            "raw cost": _median(group["raw_objective"]),
            "cost": _median(group["cost"]),
            "gap": _median(group["best_gap"]),
            "s": seconds[case, solver],
            "× highs": seconds[case, solver] / seconds.get((case, "highs"), np.nan),
            "MB": _median(group["peak_rss_mb"]),
            "declined": bool(group["declined"].notna().all()),
        }
        for (case, solver), group in grouped
    )


def _median(values: pd.Series[Any]) -> float:
    known = values.dropna().astype(float)
    return float(known.median()) if len(known) else float("nan")


def _write(rows: pd.DataFrame, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        rows.to_parquet(out, index=False)
    else:
        rows.to_csv(out, index=False)


FORMATS = {
    "bits": "{:.0f}",
    "raw feasible": "{:.0%}",
    "raw cost": "{:,.0f}",
    "cost": "{:,.0f}",
    "gap": "{:.3%}",
    "s": "{:.1f}",
    "× highs": "{:.2f}",
    "MB": "{:.0f}",
}


def _markdown(summary: pd.DataFrame) -> Table:
    table = Table(box=box.MARKDOWN)
    for name in summary.columns.drop("declined"):
        table.add_column(name, no_wrap=True, justify="right" if name in FORMATS else "left")
    for _, row in summary.iterrows():
        cells = [_cell(name, row[name]) for name in summary.columns.drop("declined")]
        table.add_row(*(_declined(cells) if row["declined"] else cells))
    return table


def _cell(name: str, value: Any) -> str:
    if name not in FORMATS:
        return str(value)
    if pd.isna(value):
        return ""
    return FORMATS[name].format(value) if np.isfinite(value) else "none"


def _declined(cells: list[str]) -> list[str]:
    """Keep case and solver; a run that was declined has no figures."""
    return [*cells[:2], "", "declined", *[""] * (len(cells) - 4)]


def _line(row: dict[str, Any]) -> str:
    name = f"{row['case']} {row['solver']} seed {row['seed']}"
    if "declined" in row:
        return f"{name}: declined: {row['declined']}"
    verdict = f"{row['cost']:,.0f}" if row["feasible"] else "not feasible"
    return f"{name}: {verdict}, {row['termination']}, {row['wall_s']:.1f} s"


if __name__ == "__main__":
    main()
