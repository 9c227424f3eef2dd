"""How runs came about: their gap over time, times to a gap, and profiles over problems.

Times of a course begin with the reading of the case, as in the trace; those of a time to solution
with the writing of the program. Gaps here are against the best bound that any run of
the problem proved, so that solvers which prove nothing can be compared as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.bench.analysis import (
    BY,
    MILP,
    NOT_APPLICABLE,
    TOLERANCE,
    median,
    references,
    relative_gaps,
)
from gridopt.sampling.success import INTERVAL, Success

GAPS = (0.01, 0.005, 0.001)
"""Gaps that times are told for."""

SHORTEST_S = 1e-3
"""Times below are no more than the clock's noise."""

MOST_POINTS, LEAST_POINTS, ALL_POINTS = 120, 12, 6000
"""Points of a curve: at most, at least however many curves there are, and of all together."""

SUCCESS_GAP = 1e-3
"""Relative distance from the optimum within which a run succeeds."""

LEAST_RESAMPLED = 5
"""Runs from which a bootstrap over them says something."""

RESAMPLES = 2000


class Steps(NamedTuple):
    """Best verified cost and bound from each moment on: arrays of one length, times rising."""

    time_s: FloatArray
    cost: FloatArray
    bound: FloatArray


def steps(run: Any) -> Steps:
    """Return a run's steps, from its trace and its end.

    Nothing that the trace says is believed beyond what was verified in the end: no cost below the
    verified one, no bound above the recorded one, and no cost at all where no plan is feasible.

    Parameters
    ----------
    run : row of `prepared`
        With `trace`, `finished_s`, `cost` and `bound`.
    """
    trace = run.trace if isinstance(run.trace, list) else []
    own = run.bound if np.isfinite(run.bound) else -np.inf
    told = [
        (
            _number(step, "elapsed_s", 0.0),
            max(_number(step, "cost", np.inf), run.cost),
            _number(step, "bound", -np.inf),
        )
        for step in trace
    ]
    end = (run.finished_s, run.cost, own)
    moments = [*sorted(moment for moment in told if moment[0] < run.finished_s), end]
    time_s, cost, bound = np.array(moments, dtype=float).T
    bound = np.minimum(np.maximum.accumulate(bound), own)
    return Steps(time_s, np.minimum.accumulate(cost), bound)


def _courses(runs: pd.DataFrame) -> list[Steps]:
    """Return the steps of each run."""
    needed = runs[["trace", "finished_s", "cost", "bound"]]
    return [steps(run) for run in needed.itertuples()]


def _number(step: Any, name: str, missing: float) -> float:
    value = step.get(name)
    return missing if value is None else float(value)


def gap_at(found: Steps, bound: float, time_s: Any) -> FloatArray:
    """Return the gap against `bound` at each time, inf before the first plan."""
    place = np.searchsorted(found.time_s, np.asarray(time_s, float), side="right") - 1
    cost = np.where(place >= 0, found.cost[np.maximum(place, 0)], np.inf)
    return relative_gaps(cost, bound)


def time_to_gap(found: Steps, bound: float, gap: float) -> float:
    """Return the seconds until the gap against `bound` is reached, inf where it never is."""
    reached = relative_gaps(found.cost, bound) <= gap
    return float(found.time_s[np.argmax(reached)]) if reached.any() else float("inf")


def times_to_gaps(runs: pd.DataFrame, gaps: tuple[float, ...] = GAPS) -> pd.DataFrame:
    """Return for each run the seconds to each gap: problem, solver, seed, gap, time_s."""
    rows = [
        (problem, solver, seed, gap, time_to_gap(found, bound, gap))
        for problem, solver, seed, bound, found in zip(
            *(runs[name] for name in (*BY, "seed", "best_bound")), _courses(runs), strict=True
        )
        for gap in gaps
    ]
    return pd.DataFrame(rows, columns=[*BY, "seed", "gap", "time_s"])


def curves(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the gap over time of each problem and solver: median, best and worst of the runs.

    Returns
    -------
    DataFrame
        problem, solver, time_s, gap, low, high; a row where one of them changes, at most
        `MOST_POINTS` a curve, fewer where there are many; inf where fewer than half of the runs
        have a plan.
    """
    n_curves = len(runs[BY].drop_duplicates())
    most = int(np.clip(ALL_POINTS // n_curves, LEAST_POINTS, MOST_POINTS))
    tables = [
        _curve(group, most).assign(problem=str(problem), solver=str(solver))
        for (problem, solver), group in runs.groupby(BY, sort=False)
    ]
    return pd.concat(tables, ignore_index=True)[[*BY, "time_s", "gap", "low", "high"]]


def _curve(group: pd.DataFrame, most: int) -> pd.DataFrame:
    found = _courses(group)
    bound = float(group["best_bound"].iloc[0])
    times = np.unique(np.concatenate([each.time_s for each in found]))
    times = times[np.isfinite(times)]
    if not len(times):
        return pd.DataFrame(columns=["time_s", "gap", "low", "high"], dtype=float)
    if len(times) > most:
        # of the real moments those nearest to a logarithmic grid, the first and last among them
        grid = np.geomspace(max(times[0], SHORTEST_S), max(times[-1], SHORTEST_S), most)
        times = times[np.unique(np.searchsorted(times, grid).clip(max=len(times) - 1))]
    gaps = np.array([gap_at(each, bound, times) for each in found])
    middle, low, high = np.median(gaps, axis=0), gaps.min(axis=0), gaps.max(axis=0)
    table = pd.DataFrame({"time_s": times, "gap": middle, "low": low, "high": high})
    moved = table[["gap", "low", "high"]].ne(table[["gap", "low", "high"]].shift()).any(axis=1)
    moved.iloc[-1] = True
    return table[moved]


def by_problem(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return medians over runs, problems × solvers; inf where a solver was not run."""
    wide = table.groupby(BY, sort=False)[value].agg(median).unstack("solver")  # noqa: PD010
    return wide.fillna(np.inf)


def profile(ratios: pd.DataFrame) -> pd.DataFrame:
    """Return performance profiles: the share of problems that a solver has within a ratio.

    Dolan & Moré 2002, "Benchmarking optimization software with performance profiles",
    doi 10.1007/s101070100263. What no solver solves stays in the denominator.

    Parameters
    ----------
    ratios : DataFrame
        Problems × solvers: by how much worse than the best solver of that problem, at least 1;
        inf where not solved.

    Returns
    -------
    DataFrame
        solver, ratio, share; each curve from ratio 1 to the largest finite one of all solvers.
    """
    finite = ratios.to_numpy()[np.isfinite(ratios.to_numpy())]
    last = float(finite.max()) if len(finite) else 1.0
    rows = []
    for solver in ratios.columns:
        values = ratios[solver].to_numpy()
        own = {1.0, last, *values[np.isfinite(values)]}
        rows += [(solver, at, float((values <= at).mean())) for at in sorted(own)]
    return pd.DataFrame(rows, columns=["solver", "ratio", "share"])


def time_ratios(times: pd.DataFrame) -> pd.DataFrame:
    """Return times over the shortest of each problem; times below `SHORTEST_S` count as that."""
    held = times.clip(lower=SHORTEST_S)
    best = held.min(axis=1)
    return held.div(best.where(np.isfinite(best), 1.0), axis=0)


def cost_ratios(costs: pd.DataFrame) -> pd.DataFrame:
    """Return 1 + (cost − best) / abs(best): the ratio itself where costs are positive."""
    best = costs.min(axis=1).where(lambda values: np.isfinite(values), 0.0)
    over = costs.sub(best, axis=0)
    return 1.0 + over.div(best.abs().where(best != 0.0, 1.0), axis=0)


def success(runs: pd.DataFrame) -> pd.DataFrame:
    """Return times to solution with 99 %, of runs that are repeated and of reads within runs.

    A run succeeds within `SUCCESS_GAP` of the known optimum, or of the best cost of all runs; a
    read by what its run recorded.

    Returns
    -------
    DataFrame
        problem, solver, of (``runs`` or ``reads``), share, trials, tts_s, low_s, high_s, reference.
    """
    against = references(runs)
    rows = []
    begun = runs[runs["status"] != NOT_APPLICABLE]
    for (problem, solver), group in begun.groupby(BY, sort=False):
        target, kind = against[str(problem)]
        if np.isfinite(target):
            reached = group["cost"] <= target + max(SUCCESS_GAP, TOLERANCE) * abs(target)
            found = time_to_solution(reached, np.ones(len(group)), group["solving_s"])
            rows.append((problem, solver, "runs", *found, kind))
        sampled = group[group["successes"].notna() & (group["reads"] > 0)]
        if len(sampled):
            hits = (sampled["successes"] * sampled["reads"]).round()
            found = time_to_solution(hits, sampled["reads"], _sampling_s(sampled))
            rows.append((problem, solver, "reads", *found, "known optimum"))
    names = [*BY, "of", "share", "trials", "tts_s", "low_s", "high_s", "reference"]
    return pd.DataFrame(rows, columns=names)


def _sampling_s(runs: pd.DataFrame) -> pd.Series[float]:
    """Return the seconds of sampling; of all solving where these are not told."""
    told = pd.to_numeric(runs["stages_s"].map(lambda stages: stages.get("sample_s", np.nan)))
    return told.astype(float).fillna(runs["solving_s"])


def time_to_solution(
    successes: Any, trials: Any, seconds: Any, seed: int = 0
) -> tuple[float, int, float, float, float]:
    """Return share, trials, TTS(99) and the ends of its 95 % interval, in seconds.

    The interval is a bootstrap over runs. With fewer than `LEAST_RESAMPLED` of them, or where all
    trials or none succeed, a bootstrap says nothing, and the interval is that of the share alone
    (Clopper & Pearson). Where none succeed the time is inf, and the lower end says above what.

    Parameters
    ----------
    successes, trials, seconds : array, (runs,)
        How many trials of each run succeed, out of how many, in how many seconds.
    seed : int
        Of the bootstrap.
    """
    data = np.array([successes, trials, seconds], dtype=float)
    data = data[:, np.isfinite(data).all(axis=0)]
    if not data.shape[1]:
        return 0.0, 0, float("inf"), 0.0, float("inf")
    whole = _pooled(data)
    tts_s, low_s, high_s = whole.tts_s()
    n = data.shape[1]
    if n >= LEAST_RESAMPLED and 0 < whole.successes < whole.reads:
        picks = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
        again = [
            Success(round(k), round(m), s / m).tts_s()[0] for k, m, s in data[:, picks].sum(2).T
        ]
        ends = [(1.0 - INTERVAL) / 2.0, (1.0 + INTERVAL) / 2.0]
        low_s, high_s = (float(end) for end in np.quantile(again, ends, method="inverted_cdf"))
    return whole.probability, whole.reads, tts_s, low_s, high_s


def _pooled(data: FloatArray) -> Success:
    hits, trials, seconds = data.sum(axis=1)
    return Success(round(hits), round(trials), seconds / trials)


def beside_milp(runs: pd.DataFrame) -> pd.DataFrame:
    """Return each solver's gap beside what the mixed-integer baseline had after the same time.

    Returns
    -------
    DataFrame
        problem, solver, time_s (median), gap (median), milp (its label), milp_gap (median of its
        runs at that time).
    """
    rows = []
    for problem, group in runs.groupby("problem", sort=False):
        for milp, base in group[group["solver_name"] == MILP].groupby("solver", sort=False):
            found = _courses(base)
            for solver, others in group[group["solver_name"] != MILP].groupby("solver", sort=False):
                at = median(others["finished_s"])
                if np.isfinite(at):
                    bound = others["best_bound"].iloc[0]
                    theirs = median(float(gap_at(each, bound, at)) for each in found)
                    rows.append((problem, solver, at, median(others["best_gap"]), milp, theirs))
    return pd.DataFrame(rows, columns=[*BY, "time_s", "gap", "milp", "milp_gap"])
