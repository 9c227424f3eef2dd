"""One run of one route, in a process of its own; prints its figures as a line of JSON.

    python run.py ROUTE INSTANCE --plan PLAN.csv --seed 0 --gap 1e-3 --time-limit 300

Seconds are of the whole process, all its threads; `cpu_s` and `wall_s` count from after the
imports to the end of the search.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from route import Options, Plan

MODULES = {
    "gridopt": "gridopt_route",
    "pyomo-reference": "pyomo_reference",
    "egret-compact": "egret_models",
    "egret-tight": "egret_models",
    "linopy": "linopy_reference",
}


class Clock:
    """Wall and CPU seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = self._now()

    def _now(self) -> tuple[float, float]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return time.perf_counter(), used.ru_utime + used.ru_stime

    def ends(self, stage: str) -> None:
        """Take what has passed since the last stage for this one's."""
        now = self._now()
        for kind, end, begin in zip(("wall", "cpu"), now, self._last, strict=True):
            self.seconds[f"{stage}_{kind}_s"] = end - begin
        self._last = now


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("route", choices=MODULES)
    parser.add_argument("instance", type=Path)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--gap", type=float, required=True)
    parser.add_argument("--time-limit", type=float, required=True)
    asked = parser.parse_args()
    clock = Clock()
    route = import_module(MODULES[asked.route])
    clock.ends("import")
    data = route.read(asked.instance)
    clock.ends("read")
    options = Options(asked.route, asked.gap, asked.time_limit, asked.seed)
    answer = route.solve(data, options, lambda: clock.ends("build"))
    clock.ends("search")
    totals = {
        f"{kind}_s": sum(clock.seconds[f"{part}_{kind}_s"] for part in ("read", "build", "search"))
        for kind in ("wall", "cpu")
    }
    row = {
        "termination": answer.termination,
        "objective": answer.objective,
        "bound": answer.bound,
        **clock.seconds,
        **totals,
        "peak_rss_mb": _peak_mb(),
        "versions": {name: version(name) for name in route.PACKAGES},
    }
    write(answer.plan, asked.plan)
    print(json.dumps(row))


def write(plan: Plan, path: Path) -> None:
    """Write one row per generator and period."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("generator", "period", "committed", "power_mw", "reserve_mw"))
        for name, columns in plan.items():
            for t, (on, power, reserve) in enumerate(zip(*columns, strict=True)):
                rows.writerow((name, t, int(on), float(power), float(reserve)))


def _peak_mb() -> float:
    """Return this process's highest memory; Linux counts the parent's into `getrusage`."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024 / 1e6
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
