"""One run in a process of its own: a task on standard input, a row into a file.

    python -m gridopt.bench.worker ROW.json

The process ends, with its children, once its standard input does: whoever started it is gone.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from gridopt.bench import peers
from gridopt.bench.rows import Row, of_program, of_run, of_study, of_verification
from gridopt.bench.tasks import Task
from gridopt.errors import GridoptError, TooLargeError, UnsupportedError
from gridopt.registry import option_names, solver_class
from gridopt.running import peak_rss_mb, plain, solve
from gridopt.solver import Progress
from gridopt.study import Study
from gridopt.verification import verify


def main() -> None:
    """Run the task that comes as a line of JSON."""
    started = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    task = Task.from_json(json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    row = outcome(task)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    row |= {
        "cpu_s": sum(part.ru_utime + part.ru_stime for part in used),
        "peak_rss_mb": peak_rss_mb(),
        "host": socket.gethostname(),
        "started_at": started.isoformat(),
    }
    Path(sys.argv[1]).write_text(json.dumps(row, allow_nan=False), encoding="utf-8")


def outcome(task: Task) -> Row:
    """Return the columns that the run fills in; what goes wrong is its outcome as well."""
    row: Row = {}
    begun = time.perf_counter()
    try:
        study = task.case.study()
        row |= of_study(study)
        answer = _of_peer if task.contender.is_peer else _of_solver
        row |= {"status": "done", **answer(task, study, time.perf_counter() - begun)}
    except (TooLargeError, UnsupportedError) as fault:
        row |= {"status": "not_applicable", "error": str(fault)}
    except GridoptError as fault:  # any other one ends the process, whose parent tells of it
        row |= {"status": "failed", "error": f"{type(fault).__name__}: {fault}"}
    return row


def _of_solver(task: Task, study: Study, elapsed_s: float) -> Row:
    moved: list[Progress] = []
    options: dict[str, Any] = {**task.model.options, **task.contender.options}
    kind = solver_class(task.contender.name)
    for name, value in (("seed", task.seed), ("time_limit_s", task.time_limit_s)):
        if name in option_names(kind):
            options.setdefault(name, value)
    run = solve(study, task.model.name, task.contender.name, progress=moved.append, **options)
    return {**of_run(run, moved, elapsed_s), **of_program(run.formulation.build(study))}


def _of_peer(task: Task, study: Study, elapsed_s: float) -> Row:
    if task.model.name != "unit_commitment":
        reason = f"formulation {task.model.name}: peers solve unit_commitment"
        return {"status": "not_applicable", "error": reason}
    begun = time.perf_counter()
    answer = peers.run_peer(
        task.contender.name,
        study,
        dict(task.contender.options),
        seed=task.seed,
        time_limit_s=task.time_limit_s,
        network=task.model.options.get("network", "copperplate"),
    )
    took_s = time.perf_counter() - begun
    if answer.reason_not_applicable:
        return {"status": "not_applicable", "error": answer.reason_not_applicable}
    found = None if answer.plan is None else verify(study, answer.plan)
    row = of_verification(found, -np.inf)  # a peer's bound is a claim
    answered = {"elapsed_s": elapsed_s + took_s, "cost": row["cost"], "bound": None}
    row |= {
        "termination": answer.termination,
        "claimed_feasible": answer.claimed_feasible,
        "claimed_cost": answer.claimed_cost,
        "claimed_bound": answer.claimed_bound,
        "solve_s": took_s,
        "stages_s": dict(answer.seconds),
        "trace": [{**answered, "stage": "verified"}],
        "details": {**answer.details, "false_claims": list(answer.false_claims)},
        "versions": dict(answer.versions),
    }
    return {name: plain(value) for name, value in row.items()}


def _end_with_parent() -> None:
    """End this process and its children once standard input ends."""
    with contextlib.suppress(OSError):
        sys.stdin.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
