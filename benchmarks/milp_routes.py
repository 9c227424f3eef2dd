"""Compare ways from a pglib-uc instance to a plan that HiGHS proves: gridopt, Pyomo, Egret, linopy.

    python benchmarks/milp_routes.py INSTANCE.json ... --time-limit 300

The peers run in an environment of their own, made from the lock in `bench/adapters/milp` when it is
first needed. Every run has a process of its own, one thread, the same HiGHS; routes take turns,
seed by seed. Every plan is judged by `gridopt.verify`. ``benchmarks/README.md`` says more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.bench.environments import ADAPTERS, LOCK, default_root, ensure_environment, installed
from gridopt.bench.peers import as_schedule
from gridopt.solution import relative_gap
from gridopt.study import Study
from gridopt.verification import verify

OURS, REFERENCE, LINOPY = "gridopt", "pyomo-reference", "linopy"
SEARCHED = (REFERENCE, "egret-compact", "egret-tight")
"""Peers whose seconds to the gap ours are held against."""

ROUTES = (OURS, *SEARCHED, LINOPY)
GROUP = "milp"
SCRIPTS = {
    OURS: Path(__file__).resolve().parent / "gridopt_route.py",
    **{route: ADAPTERS / GROUP / f"{route.replace('-', '_')}.py" for route in SEARCHED},
    LINOPY: ADAPTERS / GROUP / "linopy_reference.py",
}
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
GRACE_S = 300.0
"""What a process may take beyond its search: imports, the model, the plan."""

FORMATS = {
    "load_cpu_s": ("load s", "{:.3f}"),
    "cpu_s": ("CPU s", "{:.1f}"),
    "search_cpu_s": ("search s", "{:.1f}"),
    "wall_s": ("wall s", "{:.1f}"),
    "gap": ("gap", "{:.3%}"),
    "cost": ("cost", "{:,.0f}"),
    "peak_rss_mb": ("MB", "{:.0f}"),
}
"""Medians that are shown: column, heading, format."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for; write the rows and print their medians."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    asked.seeds = 1 if asked.quick else asked.seeds
    if asked.out.suffix != ".csv":
        parser.error(f"--out ends in .csv, not {asked.out.name!r}")
    if len(asked.time_limit) not in (1, len(asked.instances)):
        parser.error("--time-limit takes one number, or one for each instance")
    if asked.seeds < 1:
        parser.error("--seeds is at least 1")
    try:
        studies = [gridopt.load_case(path) for path in asked.instances]
    except gridopt.GridoptError as fault:
        parser.error(str(fault))
    routes = _runnable(asked.routes, asked.peers, asked.quick)
    limits = asked.time_limit * (len(studies) if len(asked.time_limit) == 1 else 1)
    cases = zip(asked.instances, studies, limits, strict=True)
    rows = []
    for (path, study, limit_s), seed, route in product(cases, range(asked.seeds), routes):
        command: list[str | Path] = [routes[route], ADAPTERS / "run.py", SCRIPTS[route]]
        command += [path.resolve(), f"--seed={seed}", f"--time-limit={limit_s}"]
        command += [f"--options={json.dumps({'gap': asked.gap})}"]
        head = {"instance": study.name, "route": route, "seed": seed, "gap_wanted": asked.gap}
        rows.append(head | {"time_limit_s": limit_s} | run(command, study, asked.gap, limit_s))
        print(_line(rows[-1]), file=sys.stderr, flush=True)
        table = as_table(rows)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(asked.out, index=False)
    for name, group in table.groupby("instance", sort=False):
        print(f"\n{name}: medians of {asked.seeds}")
        summary = medians(group)
        Console(width=120).print(_markdown(summary))
        print("\n".join(bars(summary)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("instances", nargs="+", type=Path, help="pglib-uc .json files")
    parser.add_argument("--routes", nargs="+", default=list(ROUTES), choices=ROUTES)
    parser.add_argument("--seeds", type=int, default=3, help="0, 1, … of each")
    parser.add_argument("--gap", type=float, default=1e-3, help="relative, at which to stop")
    limit = "wall seconds of search: one for all instances, or one each"
    parser.add_argument("--time-limit", nargs="+", type=float, default=[300.0], help=limit)
    folder = "of their environments: $GRIDOPT_PEERS, or in the user's cache"
    parser.add_argument("--peers", type=Path, default=default_root(), help=folder)
    quick = "one seed, and no peers unless they are installed"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--out", type=Path, default=Path("out/milp_routes.csv"), help=".csv")
    return parser


def _runnable(routes: list[str], folder: Path, quick: bool) -> dict[str, Path]:
    """Return the interpreter of each route that can run, the peers installed if need be."""
    pythons = {route: Path(sys.executable) for route in routes if route == OURS}
    if set(routes) == {OURS}:
        return pythons
    python = environment(GROUP, folder, quick)
    if python is None:
        return {OURS: Path(sys.executable)}
    return {route: pythons.get(route, python) for route in routes}


def environment(group: str, root: Path, quick: bool) -> Path | None:
    """Return the interpreter of a group of peers, whose environment is made if need be.

    Parameters
    ----------
    group : str
        Whose lock names the same HiGHS as ours.
    root : Path
        Folder of the environments.
    quick : bool
        Whether to do without where it is not there: None is returned.

    Returns
    -------
    Path or None
    """
    python = installed(group, root)
    if python is not None or quick:
        if python is None:
            print("The peers are not installed: only gridopt runs", file=sys.stderr)
        return python
    ours = f"highspy=={version('highspy')} "
    if ours not in (ADAPTERS / group / LOCK).read_text("utf-8"):
        raise SystemExit(f"the lock of {group} does not name {ours.strip()}, which gridopt has")
    try:
        return ensure_environment(group, root)
    except gridopt.GridoptError as fault:
        raise SystemExit(str(fault)) from fault


def run(command: list[str | Path], study: Study, gap: float, limit_s: float) -> dict[str, Any]:
    """Return what one run took and found; one that fails gives a row that says why."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.csv"
        try:
            done = subprocess.run(  # noqa: S603
                [*command, f"--plan={plan}"],
                capture_output=True,
                text=True,
                cwd=folder,
                env=os.environ | ONE_THREAD,
                timeout=limit_s + GRACE_S,
                check=True,
            )
        except subprocess.SubprocessError as fault:
            said = str(getattr(fault, "stderr", None) or fault).strip().splitlines()
            return {"declined": said[-1]}
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        table = pd.read_csv(plan)
    row = found | {
        "load_cpu_s": found["read_cpu_s"] + found["build_cpu_s"],
        "versions": json.dumps(found["versions"]),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    return row | (_judged(study, table, found["bound"], gap) if len(table) else {})


def _judged(study: Study, plan: pd.DataFrame, bound: float, wanted: float) -> dict[str, Any]:
    """Return what gridopt's verifier says of a plan, whoever made it."""
    verdict = verify(study, as_schedule(study, plan))
    cost = verdict.total_cost if verdict.is_feasible else np.inf
    gap = relative_gap(cost, bound)
    worst = max((abs(each.value - each.limit) for each in verdict.violations), default=0.0)
    broken = {"violations": json.dumps(verdict.counts()), "worst_violation": worst}
    return {**broken, "cost": cost, "gap": gap, "reached": gap <= wanted * (1 + 1e-6)}


def as_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows; a run without a plan that keeps every rule has infinite cost and gap."""
    table = pd.DataFrame(rows, columns=list(dict.fromkeys(key for row in rows for key in row)))
    table = table.reindex(columns=list(dict.fromkeys([*table, *FORMATS, "reached", "versions"])))
    for name in ("cost", "gap"):
        table[name] = table[name].astype(float).fillna(np.inf)
    table["reached"] = table["reached"].eq(True)
    used = {json.loads(each)["highspy"] for each in table["versions"].dropna()}
    if len(used) > 1:
        raise SystemExit(f"not the same HiGHS everywhere: {', '.join(sorted(used))}")
    return table


def medians(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return for each route how many runs there were and reached the gap, and medians.

    A run that ended at its time limit counts with the seconds that it took: less than it needs.
    A route whose every run failed is left out.
    """
    return {
        str(route): {
            "runs": float(len(group)),
            "reached": float(group["reached"].sum()),
            **{name: float(group[name].median()) for name in FORMATS},
        }
        for route, group in table.groupby("route", sort=False)
        if group["cpu_s"].notna().any()
    }


def bars(summary: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield our figures against the peers', a sentence each; nothing where they are missing."""
    peers = {route: found for route, found in summary.items() if route != OURS}
    if OURS not in summary or not peers:
        return
    ours = summary[OURS]
    for route in (REFERENCE, LINOPY):
        if route in peers:
            times = peers[route]["load_cpu_s"] / ours["load_cpu_s"]
            yield f"file to HiGHS: 1/{times:.1f} of {route}"
    searched = [route for route in SEARCHED if route in peers]
    if searched and ours["reached"] < ours["runs"]:
        best = min(searched, key=lambda route: peers[route]["gap"])
        yield f"gap: {ours['gap']:.3%}, the best of theirs {peers[best]['gap']:.3%}, {best}"
        searched = []
    for column in ("cpu_s", "search_cpu_s") if searched else ():
        best = min(searched, key=lambda route: peers[route][column])
        whole = peers[best]["reached"] == peers[best]["runs"]
        times = peers[best][column] / ours[column]
        note = "" if whole else ", which did not always get there"
        yield f"{FORMATS[column][0]}: 1/{times:.2f} of the best, {best}{note}"
    least = min(peers, key=lambda route: peers[route]["peak_rss_mb"])
    share = ours["peak_rss_mb"] / peers[least]["peak_rss_mb"]
    yield f"memory: {share:.2f} of the least, {least}"


def _markdown(summary: dict[str, dict[str, float]]) -> Table:
    table = Table("route", "reached", box=box.MARKDOWN)
    for head, _ in FORMATS.values():
        table.add_column(head, no_wrap=True, justify="right")
    for route, found in summary.items():
        cells = (form.format(found[name]) for name, (_, form) in FORMATS.items())
        table.add_row(route, f"{found['reached']:.0f} of {found['runs']:.0f}", *cells)
    return table


def _line(row: dict[str, Any]) -> str:
    name = f"{row['instance']} {row['route']} seed {row['seed']}"
    if "declined" in row:
        return f"{name}: {row['declined']}"
    figures = f"{row['cpu_s']:.1f} CPU s, {row['wall_s']:.1f} s, {row['peak_rss_mb']:.0f} MB"
    if not np.isfinite(row.get("cost", np.inf)):
        return f"{name}: no feasible plan {row.get('violations', '')}, {figures}"
    return f"{name}: {row['cost']:,.2f}, gap {row['gap']:.4%}, {figures}"


if __name__ == "__main__":
    main()
