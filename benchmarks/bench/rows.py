"""Turns what a run came to into a row; see `gridopt.bench.columns` for what each column says."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from gridopt.bench.tasks import Task
from gridopt.elements import ThermalUnits
from gridopt.program import Program
from gridopt.results import Violation
from gridopt.running import Run, plain
from gridopt.solution import relative_gap
from gridopt.solver import Progress
from gridopt.study import Study
from gridopt.verification import Verification

Row = dict[str, Any]

KEY_SHOWN = 12
"""Characters of a key that tell runs apart."""

GAPS = {"time_to_1_percent_s": 0.01, "time_to_05_percent_s": 0.005, "time_to_01_percent_s": 0.001}

FROM_DETAILS = {
    # column: the solver's own figure
    "bits": "bits",
    "density": "density",
    "coefficient_range": "coefficient_range",
    "components": "components",
    "largest_component": "largest_component",
    "exact": "exact",
    "reads": "reads",
    "raw_energy": "best_energy",
    "raw_feasible_share": "raw_feasible_share",
    "raw_cost": "raw_objective",
    "redispatch_cost": "redispatch_objective",
    "repaired_cost": "repair_objective",
    "redispatch_s": "redispatch_s",
    "control_cost": "control_objective",
    "null_cost": "null_objective",
    "known_optimum": "known_optimum",
    "successes": "success_probability",
    "tts99_s": "tts99_s",
    "tts99_low_s": "tts99_low_s",
    "tts99_high_s": "tts99_high_s",
}

ENUMERATE = ("exact", "tree_decomposition")
"""Solvers whose best sample is the QUBO's optimum."""


def asked(task: Task, spec: str) -> Row:
    """Return the columns that are known before the run."""
    only = task.key[:KEY_SHOWN]
    return {
        "run_key": task.key,
        "suite": task.suite,
        "case_name": task.case.name,
        "fingerprint": task.fingerprint,
        "formulation": task.model.label,
        "formulation_name": task.model.name,
        "formulation_options": dict(task.model.options),
        "solver": task.contender.label,
        "solver_name": task.contender.name,
        "solver_options": dict(task.contender.options),
        "peer": task.contender.is_peer,
        "seed": task.seed,
        "time_limit_s": task.time_limit_s,
        "memory_limit_mb": task.memory_limit_mb,
        "gap_tolerance": task.contender.options.get("gap"),
        "command": shlex.join(
            ["gridopt", "bench", "run", spec, "--only", only, "--store", "again.duckdb"]
        ),
    }


def of_study(study: Study) -> Row:
    """Return the columns that tell the study's size."""
    return {
        "fingerprint": study.fingerprint(),
        "units": len(study.thermal),
        "distinct_units": distinct(study.thermal),
        "periods": study.n_periods,
    }


def of_program(program: Program) -> Row:
    """Return the columns that tell the program's size."""
    zero_one = program.is_integer & (program.lower == 0.0) & (program.upper == 1.0)
    return {
        "binary_variables": int(zero_one.sum()),
        "integer_variables": int((program.is_integer & ~zero_one).sum()),
        "continuous_variables": int((~program.is_integer).sum()),
        "nonzeros": int(program.A.nnz),
    }


def of_run(run: Run, moved: Iterable[Progress], elapsed_before_s: float) -> Row:
    """Return the columns of a run of ours.

    Parameters
    ----------
    run : Run
    moved : iterable of Progress
        What the solver told while it ran.
    elapsed_before_s : float
        From the beginning of reading to that of solving, which a time to a gap includes.
    """
    details = run.solution.details
    told = run.solution.trace or moved
    trace = [
        *_trace(told, elapsed_before_s),
        {
            "elapsed_s": elapsed_before_s + run.build_s + run.solve_s,
            "cost": plain(run.cost),
            "bound": plain(run.bound),
            "stage": "verified",
        },
    ]
    row = {
        "termination": str(run.termination),
        **of_verification(run.verification, run.bound),
        "bound_source": run.solution.bound_source.partition(",")[0],  # seconds apart
        "claimed_feasible": run.solution.is_feasible,
        "claimed_cost": run.solution.objective,
        "claimed_bound": run.bound,
        **{name: details.get(source) for name, source in FROM_DETAILS.items()},
        "encoded_optimum": _encoded_optimum(run),
        "gap_tolerance": getattr(run.solver, "gap", None),
        **times_to_gaps(trace),
        "build_s": run.build_s,
        "solve_s": run.solve_s,
        "stages_s": {name: value for name, value in details.items() if name.endswith("_s")},
        "trace": trace,
        "details": {k: v for k, v in details.items() if k not in FROM_DETAILS.values()},
        "versions": dict(run.versions),
    }
    row["exact"] = None if row["exact"] is None else bool(row["exact"])
    return {name: plain(value) for name, value in row.items()}


def of_verification(found: Verification | None, bound: float) -> Row:
    """Return what our verifier says of a plan, whoever found it."""
    feasible = found is not None and found.is_feasible
    cost = found.total_cost if found is not None and feasible else np.inf
    violations: tuple[Violation, ...] = () if found is None else found.violations
    return {
        "feasible": feasible,
        "cost": plain(cost),
        "bound": plain(bound),
        "gap": plain(relative_gap(cost, bound)),
        "violations": {} if found is None else dict(found.counts()),
        "worst_violation": str(violations[0]) if violations else None,
    }


def times_to_gaps(trace: Iterable[Mapping[str, Any]]) -> Row:
    """Return the first time at which each gap was reached; None where it never was."""
    found: Row = dict.fromkeys(GAPS)
    for step in trace:
        if step["cost"] is None or step["bound"] is None:
            continue
        gap = relative_gap(step["cost"], step["bound"])
        for name, wanted in GAPS.items():
            if found[name] is None and gap <= wanted:
                found[name] = step["elapsed_s"]
    return found


def distinct(thermal: ThermalUnits) -> int:
    """Return how many different units there are, names and places left out."""
    parts = [
        getattr(thermal, item.name)
        for item in fields(thermal)
        if item.name not in ("element", "name", "bus")
    ]
    return len({repr(unit) for unit in zip(*parts, strict=True)})


def _encoded_optimum(run: Run) -> float | None:
    """Return the least cost that the QUBO can say, where this run knows it."""
    details = run.solution.details
    if type(run.solver).__module__.rpartition(".")[2] in ENUMERATE:
        return _number(details.get("raw_objective"))
    return _number(details.get("known_optimum")) if details.get("exact") else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _trace(told: Iterable[Any], elapsed_before_s: float) -> list[Row]:
    """Return when cost or bound moved; of what moved not, nothing."""
    steps: list[Row] = []
    last: tuple[float, float] = (np.inf, -np.inf)
    for step in told:
        now = step.objective, step.bound
        if now != last and (np.isfinite(now[0]) or np.isfinite(now[1])):
            steps.append(
                {
                    "elapsed_s": elapsed_before_s + step.elapsed_s,
                    "cost": plain(float(now[0])),
                    "bound": plain(float(now[1])),
                    "stage": step.stage,
                }
            )
            last = now
    return steps
