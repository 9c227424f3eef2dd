"""Rows of runs to tidy tables: what is best, who is feasible, what a sampler adds, whose errors.

All functions are pure: a frame in, a frame out. A run without a feasible plan costs infinity, so
that a median says what at least half of the runs reach. Bounds and costs are compared within one
*problem*: study, formulation and those of its options that change what is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.bench.columns import COLUMNS
from gridopt.errors import Issue, StudyError
from gridopt.running import public_name
from gridopt.solvers.decomposition import Decomposition

TOLERANCE = 1e-6
"""Relative difference of two costs up to which they are the same."""

SAME_OPTIMUM = frozenset(
    ("generation_limits", "ramps", "segments", "startup_cost", "identical_units", "exclusive")
)
"""Options of formulations that change how a problem is written, not what is asked."""

DECOMPOSITION, MILP = "decomposition", "highs"
"""Public names of our solvers with a sampler inside, and of the mixed-integer baseline."""

DEFAULT_SAMPLER = public_name(Decomposition().sampler)

MOST_NAMES = 3
"""Solvers that are named where several share the best cost."""

FEW_LETTERS = 8
"""Of a fingerprint that tell data apart."""

NOT_APPLICABLE = "not_applicable"
"""Status of a run that a solver declined."""

STAGES = {
    "encoded_optimum": "encoding",
    "raw_cost": "raw reads",
    "redispatch_cost": "re-dispatched",
    "repaired_cost": "repaired",
    "control_cost": "fair coins",
}
"""Column of a cost, and whose error its excess over the optimum is."""

BY = ["problem", "solver"]


def prepared(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with plain types, and what is only known of all runs together.

    Parameters
    ----------
    frame : DataFrame
        One row a run, with all columns of `gridopt.bench.columns`; JSON as text or parsed.

    Returns
    -------
    DataFrame
        The same rows; `cost` is inf without a feasible plan. New are `problem` (a label), `solver`
        (told apart where one label was given several forms), `finished_s` (build and solve),
        `best_cost`, `best_bound`, `best_bound_source`, of all runs of the problem, and `best_gap`.

    Raises
    ------
    StudyError
        Where columns are missing, or there is no run.
    """
    _check(frame)
    runs = _typed(frame)
    runs["problem"] = _problems(runs)
    runs["solver"] = _solvers(runs)
    runs["cost"] = runs["cost"].where(runs["feasible"], np.inf).fillna(np.inf)
    spent = runs["build_s"].fillna(0.0) + runs["solve_s"]
    runs["solving_s"] = spent.fillna(runs["wall_s"])
    runs["finished_s"] = runs["trace"].map(_last_moment).astype(float).fillna(runs["solving_s"])
    runs["best_cost"] = runs.groupby("problem")["cost"].transform("min")
    best = _best_bounds(runs)
    runs["best_bound"] = runs["problem"].map(best["bound"]).fillna(-np.inf)
    runs["best_bound_source"] = runs["problem"].map(best["source"]).fillna("")
    runs["best_gap"] = relative_gaps(runs["cost"], runs["best_bound"])
    return runs.sort_values([*BY, "seed"], kind="stable").reset_index(drop=True)


def _check(frame: pd.DataFrame) -> None:
    missing = [column.name for column in COLUMNS if column.name not in frame.columns]
    issues = [Issue("results", name, "missing", "a column of that name") for name in missing]
    if not len(frame):
        issues.append(Issue("results", "rows", 0, "at least one run"))
    if issues:
        raise StudyError(issues)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns as floats, text, True or False or None, parsed JSON, and moments."""
    typed = pd.DataFrame(index=frame.index)
    for column in COLUMNS:
        values = frame[column.name]
        if column.sql in ("DOUBLE", "INTEGER"):
            typed[column.name] = pd.to_numeric(values, errors="coerce").astype(float)
        elif column.sql == "BOOLEAN":
            typed[column.name] = [None if pd.isna(value) else bool(value) for value in values]
        elif column.sql == "JSON":
            typed[column.name] = [_parsed(value) for value in values]
        elif column.sql == "TIMESTAMP":
            typed[column.name] = pd.to_datetime(values)
        else:
            typed[column.name] = ["" if pd.isna(value) else str(value) for value in values]
    for name in ("feasible", "peer"):
        typed[name] = typed[name].eq(True)
    return typed.reset_index(drop=True)


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        value = json.loads(value) if value.strip() else None
    return value if isinstance(value, dict | list) else {}


def _last_moment(trace: Any) -> float:
    """Return when a trace ends; NaN without one."""
    return max((float(step["elapsed_s"]) for step in trace), default=float("nan"))


def _asked(options: Any) -> str:
    """Return the options that change the problem, as text."""
    kept = {name: options[name] for name in sorted(options) if name not in SAME_OPTIMUM}
    return ", ".join(f"{name} {value}" for name, value in kept.items())


def _problems(runs: pd.DataFrame) -> pd.Series[str]:
    """Return a label for each run's problem: the case alone where that says it."""
    label = runs["case_name"].where(runs["case_name"] != "", "unnamed")
    for part in (
        runs["formulation_name"],
        runs["formulation_options"].map(_asked),
        "data " + runs["fingerprint"].str[:FEW_LETTERS],
    ):
        several = part.groupby(label).transform("nunique") > 1
        label = (label + " · " + part).where(several & (part != ""), label)
    return label


def _solvers(runs: pd.DataFrame) -> pd.Series[str]:
    """Return the solver's label, with the formulation's form where one label had several."""
    form = runs["formulation_options"].map(
        lambda options: ", ".join(f"{k} {options[k]}" for k in sorted(options) if k in SAME_OPTIMUM)
    )
    label = runs["solver"].where(runs["solver"] != "", runs["solver_name"])
    several = form.groupby([runs["problem"], label]).transform("nunique") > 1
    return (label + " · " + form).where(several, label)


def _best_bounds(runs: pd.DataFrame) -> pd.DataFrame:
    """Return each problem's best bound that no verified cost refutes, and its source."""
    most = runs["best_cost"] + TOLERANCE * runs["best_cost"].abs().where(
        np.isfinite(runs["best_cost"]), 0.0
    )
    held = runs[np.isfinite(runs["bound"]) & (runs["bound"] <= most)]
    first = held.loc[held.groupby("problem")["bound"].idxmax()].set_index("problem")
    source = first["solver"] + first["bound_source"].map(lambda text: f" ({text})" if text else "")
    return pd.DataFrame({"bound": first["bound"], "source": source})


def relative_gaps(costs: Any, bounds: Any) -> FloatArray:
    """Return the gaps, (cost − bound) / abs(cost): inf where either is missing, 0 at the bound."""
    cost, bound = np.broadcast_arrays(np.asarray(costs, float), np.asarray(bounds, float))
    known = np.isfinite(cost) & np.isfinite(bound)
    over = np.maximum(np.where(known, cost, 0.0) - np.where(known, bound, 0.0), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(over == 0.0, 0.0, over / np.abs(np.where(known, cost, 1.0)))
    return np.where(known, gap, np.inf)


def excess(costs: Any, reference: float) -> FloatArray:
    """Return (cost − reference) / abs(reference); inf or NaN stay what they are."""
    difference = np.asarray(costs, float) - reference
    return difference / (abs(reference) or 1.0)


def median(values: Iterable[float]) -> float:
    """Return the median of values among which some may be infinite; NaN of none."""
    array = np.asarray(list(values), dtype=float)
    array = array[~np.isnan(array)]
    return float(np.median(array)) if len(array) else float("nan")


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each problem and solver: how many runs are feasible, and medians.

    `cost`, `gap` (against the best bound of all) and `own_gap` (certified by the run itself) are
    medians over all runs, infinite where fewer than half are feasible; `low_cost` and `high_cost`
    are the extremes.
    """
    rows = []
    for (problem, solver), group in runs.groupby(BY, sort=False):
        rows.append(
            {
                "problem": problem,
                "solver": solver,
                "runs": len(group),
                "feasible": int(group["feasible"].sum()),
                "outcome": _outcome(group),
                "low_cost": group["cost"].min(),
                "cost": median(group["cost"]),
                "high_cost": group["cost"].max(),
                "gap": median(group["best_gap"]),
                "own_gap": median(relative_gaps(group["cost"], group["bound"].fillna(-np.inf))),
                **{name: median(group[name]) for name in SUMMARIZED},
            }
        )
    return pd.DataFrame(rows)


SUMMARIZED = (
    "solving_s",
    "cpu_s",
    "peak_rss_mb",
    "bits",
    "density",
    "coefficient_range",
    "components",
    "largest_component",
    "reads",
    "raw_feasible_share",
    "raw_cost",
    "redispatch_s",
    "control_cost",
    "null_cost",
    "successes",
    "time_to_1_percent_s",
    "time_to_05_percent_s",
    "time_to_01_percent_s",
)
"""Columns whose medians `summary` gives as they are."""


def _outcome(group: pd.DataFrame) -> str:
    """Return why runs ended, with how many where they differ."""
    why = group["termination"].where(group["status"] == "done", group["status"])
    why = why.where(why != "", group["status"]).str.replace("_", " ")
    counts = why.value_counts()
    if len(counts) == 1:
        return str(counts.index[0])
    return ", ".join(f"{number} {reason}" for reason, number in counts.items())


def leaders(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each problem: its size, the best cost, whose it is, and the best bound."""
    rows = []
    for problem, group in runs.groupby("problem", sort=False):
        best = group["best_cost"].iloc[0]
        feasible = group[group["feasible"]]
        first = feasible[feasible["cost"] <= best + TOLERANCE * abs(best)]
        rows.append(
            {
                "problem": problem,
                "units": group["units"].max(),
                "distinct_units": group["distinct_units"].max(),
                "periods": group["periods"].max(),
                "runs": len(group),
                "feasible": len(feasible),
                "best_cost": best,
                "best_of": _listed(list(dict.fromkeys(first["solver"]))),
                "bound": group["best_bound"].iloc[0],
                "bound_source": group["best_bound_source"].iloc[0],
                "gap": group["best_gap"].min(),
            }
        )
    return pd.DataFrame(rows)


def _listed(names: list[str]) -> str:
    """Return names as text, of many only the first."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} others"


def feasibility(runs: pd.DataFrame) -> pd.DataFrame:
    """Return for each problem and solver the share of runs by what the verifier found.

    Returns
    -------
    DataFrame
        problem, solver, finding (``feasible``, ``no answer``, ``declined`` or a rule), share, runs,
        violations (of that rule, in all runs together).
    """
    rows = []
    for (problem, solver), group in runs.groupby(BY, sort=False):
        n = len(group)
        broken = group["violations"].map(lambda found: {k: v for k, v in found.items() if v})
        nothing = ~group["feasible"] & ~broken.astype(bool)
        declined = group["status"] == NOT_APPLICABLE
        found = {
            "feasible": (int(group["feasible"].sum()), 0),
            "no answer": (int((nothing & ~declined).sum()), 0),
            "declined": (int(declined.sum()), 0),
        }
        for rules in broken:
            for rule, count in rules.items():
                runs_so_far, violations = found.get(rule, (0, 0))
                found[rule] = (runs_so_far + 1, violations + int(count))
        rows += [
            (problem, solver, finding, hits / n, n, violations)
            for finding, (hits, violations) in found.items()
        ]
    names = ["problem", "solver", "finding", "share", "runs", "violations"]
    table = pd.DataFrame(rows, columns=names)
    never = table.groupby("finding")["share"].transform("max") == 0.0
    return table[~never | table["finding"].isin(("feasible", "no answer"))]


def sampler_of(options: Any) -> str:
    """Return the name of the sampler inside a decomposition: ``none`` where it has none."""
    sampler = options.get("sampler", DEFAULT_SAMPLER)
    if isinstance(sampler, dict):
        sampler = sampler.get("solver", sampler.get("name", "unnamed"))
    return "none" if sampler in (None, "", "none") else str(sampler)


def ablation(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what each sampler adds to the decomposition: all else the same within `setting`.

    Returns
    -------
    DataFrame
        problem, setting (the other options, where they differ), sampler, runs, feasible, cost,
        gap (median, against the best bound), null_gap (of the prices alone), gain: by how much the
        cost is below the null sampler's, relative.
    """
    own = runs[runs["solver_name"] == DECOMPOSITION].copy()
    names = ["problem", "setting", "sampler"]
    columns = [*names, "runs", "feasible", "cost", "gap", "null_gap", "gain"]
    if own.empty:
        return pd.DataFrame(columns=columns)
    own["sampler"] = own["solver_options"].map(sampler_of)
    own["setting"] = own["solver_options"].map(_setting)
    if len(set(own["setting"])) == 1:
        own["setting"] = ""
    rows = []
    for key, group in own.groupby(names, sort=False):
        null = group["null_cost"].fillna(np.inf)
        with np.errstate(invalid="ignore"):
            gain = (null - group["cost"]) / null.abs()
        rows.append(
            (
                *key,
                len(group),
                int(group["feasible"].sum()),
                median(group["cost"]),
                median(group["best_gap"]),
                median(relative_gaps(null, group["best_bound"])),
                median(gain.where(np.isfinite(null) & np.isfinite(group["cost"]))),
            )
        )
    return pd.DataFrame(rows, columns=columns).sort_values(["problem", "setting", "gap"])


def _setting(options: Any) -> str:
    rest = {k: v for k, v in options.items() if k not in ("sampler", "seed", "time_limit_s", "gap")}
    return ", ".join(f"{name} {rest[name]}" for name in sorted(rest))


class Reference(NamedTuple):
    """What the costs of a problem are measured against, and what that is."""

    cost: float
    kind: str


def references(runs: pd.DataFrame) -> dict[str, Reference]:
    """Return the reference of each problem.

    The optimum where a run knows it and no verified cost is below it; else the best verified cost,
    which may be above the optimum.
    """
    found = {}
    for problem, group in runs.groupby("problem", sort=False):
        known, best = float(group["known_optimum"].min()), float(group["best_cost"].iloc[0])
        holds = known <= best + TOLERANCE * abs(best)  # not of NaN
        found[str(problem)] = (
            Reference(known, "known optimum")
            if holds
            else Reference(best, "best cost of these runs")
        )
    return found


def errors(runs: pd.DataFrame) -> pd.DataFrame:
    """Return how far each stage of a sampler's answer is from the optimum, one row a stage.

    Returns
    -------
    DataFrame
        problem, solver, stage (see `STAGES`), excess (median over runs of (cost − optimum) /
        abs(optimum); inf where half of the runs have nothing feasible at that stage), reference.
    """
    sampled = runs[(runs["bits"] > 0) & (runs["solver_name"] != DECOMPOSITION)]
    against = references(runs)
    rows = []
    for (problem, solver), group in sampled.groupby(BY, sort=False):
        reference = against[str(problem)]
        for column, stage in STAGES.items():
            costs = _costs_of(group, column)
            if len(costs) and np.isfinite(reference.cost):
                value = median(excess(costs, reference.cost))
                rows.append((problem, solver, stage, value, reference.kind))
    return pd.DataFrame(rows, columns=["problem", "solver", "stage", "excess", "reference"])


def _costs_of(group: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return costs of a stage: inf where it has nothing feasible, left out where it has no cost.

    A read of the compact form decides and has no dispatch, so that it has no cost of its own.
    """
    never = pd.Series(False, index=group.index)
    lacking = {
        "raw_cost": group["raw_feasible_share"] == 0.0,
        "redispatch_cost": group["reads"] > 0,
    }
    costs = group[column].mask(group[column].isna() & lacking.get(column, never), np.inf)
    return costs.dropna()


def errors_apart(table: pd.DataFrame) -> pd.DataFrame:
    """Return the errors side by side: of the encoding, of the sampler, and what mends them.

    Parameters
    ----------
    table : DataFrame
        Of `errors`.

    Returns
    -------
    DataFrame
        problem, solver, `encoding` (least that the bits can say), `sampler` (raw reads beyond
        that; beyond the optimum where the former is unknown), `raw`, `redispatch` and `repair`
        (what each takes off; NaN where it begins with nothing feasible), `left`, `coins`.
    """
    if table.empty:
        names = ["problem", "solver", "encoding", "raw", "sampler", "redispatch", "repair", "left"]
        return pd.DataFrame(columns=[*names, "coins"])
    wide = table.pivot_table(
        index=BY, columns="stage", values="excess", sort=False, dropna=False, aggfunc="first"
    ).reindex(columns=list(STAGES.values()))
    wide = wide.dropna(how="all")
    raw, mended = wide["raw reads"], wide["re-dispatched"]
    last = wide[["re-dispatched", "repaired"]].min(axis=1)
    with np.errstate(invalid="ignore"):
        parts = {
            "encoding": wide["encoding"],
            "raw": raw,
            "sampler": raw - wide["encoding"].fillna(0.0),
            "redispatch": (raw - mended).where(np.isfinite(raw)),
            "repair": (mended - last).where(np.isfinite(mended) & wide["repaired"].notna()),
            "left": np.fmin(raw, last),
            "coins": wide["fair coins"],
        }
    return pd.DataFrame(parts).reset_index()
