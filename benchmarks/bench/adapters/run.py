"""One run of one peer, in a process of its own; prints what it claims as a line of JSON.

    python run.py milp/pyomo_reference.py INSTANCE --plan PLAN.csv --options '{"gap": 1e-3}'

Seconds are of the whole process, all its threads; `cpu_s` and `wall_s` count from after the
imports to the end of the search. The process ends when the one that started it does.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import sys
import threading
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from route import NotApplicableError, Plan

WATCH_S = 0.5


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

    def totals(self) -> dict[str, float]:
        """Return the seconds of all stages but the imports, by kind."""
        stages = ("read", "build", "search")
        return {
            f"{kind}_s": sum(self.seconds.get(f"{stage}_{kind}_s", 0.0) for stage in stages)
            for kind in ("wall", "cpu")
        }


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("peer", type=Path, help="a script with read and solve")
    parser.add_argument("instance", type=Path)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--options", type=json.loads, default={}, help="of the peer, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, default=300.0)
    asked = parser.parse_args()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    clock = Clock()
    sys.path.insert(0, str(asked.peer.resolve().parent))
    peer = import_module(asked.peer.stem)
    clock.ends("import")
    options = {"seed": asked.seed, "time_limit_s": asked.time_limit, **asked.options}
    try:
        row = _answered(peer, asked, options, clock)
    except NotApplicableError as fault:
        row = {"not_applicable": str(fault)}
    print(json.dumps({**row, "versions": {name: version(name) for name in peer.PACKAGES}}))


def _answered(
    peer: Any, asked: argparse.Namespace, options: dict[str, Any], clock: Clock
) -> dict[str, Any]:
    """Return what the peer claims, its plan written."""
    data = peer.read(asked.instance)
    clock.ends("read")
    answer = peer.solve(data, lambda: clock.ends("build"), **options)
    clock.ends("search")
    write(answer.plan, asked.plan)
    return {
        "termination": answer.termination,
        "feasible": bool(answer.plan) if answer.feasible is None else answer.feasible,
        "objective": answer.objective,
        "bound": answer.bound,
        "details": answer.details,
        **clock.seconds,
        **clock.totals(),
        "peak_rss_mb": _peak_mb(),
    }


def _end_with(parent: int) -> None:
    """End this process once its parent is gone."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


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
