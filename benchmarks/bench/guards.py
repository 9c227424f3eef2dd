"""What makes a comparison unfair: each guard looks for one thing and names the runs.

A guard takes the runs of one problem, as `gridopt.bench.analysis.prepared` gives them. The list
follows the ways in which results of quantum and annealing routes have been oversold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gridopt.bench.analysis import DECOMPOSITION, MILP, TOLERANCE, median, sampler_of

FEW_BITS = 20
"""Bits that enumeration settles at once."""

SMALL_PART = 0.5
"""Share of the bits in the largest component below which a QUBO counts as fallen apart."""

OVERTIME, GRACE_S = 1.1, 2.0
"""Factor and seconds by which a run may exceed its time limit."""

FALSE_CLAIMS, OF_COST = "false_claims", "claims a cost"
"""Among the details of a peer: what it claims and the verifier denies; how such a claim begins."""

CONTROLS = ("random", "greedy", "steepest_descent")
"""Public names of our solvers that are controls."""


@dataclass(frozen=True)
class Concern:
    """Something that makes a comparison unfair.

    Parameters
    ----------
    guard : str
        Which one found it, in words.
    problem : str
    text : str
        What it is, with its figures.
    run_keys : tuple of str
        The runs in question.
    """

    guard: str
    problem: str
    text: str
    run_keys: tuple[str, ...]


Guard = Callable[[pd.DataFrame], Iterator[tuple[str, pd.DataFrame]]]
"""The runs of one problem to what is wrong and the runs that it concerns."""


def refuted_feasibility(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find answers that are said to be feasible and are not."""
    for solver, group in _solvers(runs[runs["claimed_feasible"].eq(True) & ~runs["feasible"]]):
        worst = next((text for text in group["worst_violation"] if text), "no plan was given")
        yield (
            f"{solver} claims a feasible plan in {_share(group, runs)}; the verifier: {worst}",
            group,
        )


def refuted_cost(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find costs that are said to be others than the verifier's.

    A peer that was told of tangents in place of a parabola is held to what it was told: see
    `gridopt.bench.peers.false_claims`.
    """
    told = runs["details"].map(lambda details: FALSE_CLAIMS in details)
    off = (runs["claimed_cost"] - runs["cost"]).abs() > TOLERANCE * runs["cost"].abs().clip(1.0)
    wrong = runs[off & runs["feasible"] & runs["claimed_cost"].notna() & ~told]
    for solver, group in _solvers(wrong):
        worst: Any = group.loc[(group["claimed_cost"] - group["cost"]).abs().idxmax()]
        claimed, true = _money(worst["claimed_cost"]), _money(worst["cost"])
        yield (
            f"{solver} claims a cost of {claimed} $; it is {true} $ ({_share(group, runs)})",
            group,
        )
    for solver, group in _solvers(runs[told]):
        claims = [claim for details in group["details"] for claim in details[FALSE_CLAIMS]]
        for claim in dict.fromkeys(claim for claim in claims if claim.startswith(OF_COST)):
            yield f"{solver} {claim}", group


def refuted_bound(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find bounds above the verified cost of some plan."""
    best = float(runs["best_cost"].iloc[0])
    if not np.isfinite(best):
        return
    said = runs[["bound", "claimed_bound"]].max(axis=1)
    for solver, group in _solvers(runs[said > best + TOLERANCE * max(abs(best), 1.0)]):
        bound = _money(said[group.index].max())
        yield f"{solver} says {bound} $ is a bound; a verified plan costs {_money(best)} $", group


def refuted_optimum(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find optima that are said to be known, and are above the verified cost of some plan."""
    best = float(runs["best_cost"].iloc[0])
    wrong = runs[runs["known_optimum"] > best + TOLERANCE * max(abs(best), 1.0)]
    for solver, group in _solvers(wrong):
        known = _money(group["known_optimum"].max())
        yield (
            f"{solver} takes {known} $ for the optimum; a verified plan costs {_money(best)} $",
            group,
        )


def no_plan(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find problems for which nobody has a feasible plan."""
    if not runs["feasible"].any():
        yield "no run has a feasible plan: there is nothing to compare", runs


def no_bound(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find problems for which nobody proved a bound."""
    if not np.isfinite(runs["best_bound"].iloc[0]):
        yield "no run proved a bound that holds: no gap can be told, for any solver", runs


def gap_above_difference(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find solvers that differ by less than the gap at which one of them stopped on purpose."""
    costs = {solver: median(group["cost"]) for solver, group in _solvers(runs)}
    costs = {solver: cost for solver, cost in costs.items() if np.isfinite(cost)}
    if len(costs) < 2:
        return
    best = min(costs, key=lambda solver: costs[solver])
    stopped = runs[(runs["termination"] == "optimal") & runs["gap_tolerance"].notna()]
    for solver, cost in costs.items():
        pair = stopped[stopped["solver"].isin((best, solver))]
        difference = (cost - costs[best]) / (abs(costs[best]) or 1.0)
        tolerance = pair["gap_tolerance"].max()
        if TOLERANCE < difference < tolerance:
            yield (
                f"{best} is {100 * difference:.2g} % below {solver}, but {_names(pair)} stopped at "
                f"a gap of {100 * tolerance:g} %: this ranks nobody",
                pair,
            )


def unequal_time_limits(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find different time limits."""
    if len(set(runs["time_limit_s"].fillna(np.inf))) > 1:
        limits = (f"{solver} {_limit(group['time_limit_s'])}" for solver, group in _solvers(runs))
        yield f"time limits differ: {'; '.join(limits)}", runs


def overtime(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find runs that took longer than they were given."""
    late = runs["solve_s"] > OVERTIME * runs["time_limit_s"] + GRACE_S
    for solver, group in _solvers(runs[late]):
        worst = group.loc[group["solve_s"].idxmax()]
        took, limit = worst["solve_s"], worst["time_limit_s"]
        yield (
            f"{solver} took {took:.3g} s with a limit of {limit:g} s ({_share(group, runs)})",
            group,
        )


def different_machines(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find seconds of different machines."""
    hosts = sorted({host for host in runs["host"] if host})
    if len(hosts) > 1:
        yield f"seconds are of {len(hosts)} machines: {', '.join(hosts)}", runs


def replicated_units(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find units that are copies of each other."""
    copied = runs[runs["distinct_units"] < runs["units"]]
    if len(copied):
        first = copied.iloc[0]
        yield (
            f"{first['units']:.0f} units, but only {first['distinct_units']:.0f} different ones: "
            "copies are not a larger system of its kind",
            copied,
        )


def tiny_components(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find QUBOs that are, or fall into, parts that are easy one by one."""
    largest, bits = runs["largest_component"], runs["bits"]
    for solver, group in _solvers(runs[(largest < FEW_BITS) & (bits > 0)]):
        text = f"{solver}: no part of the QUBO has more than {_most(group)} bits"
        yield f"{text}: enumeration settles it at once", group
    apart = (largest >= FEW_BITS) & (largest < SMALL_PART * bits)
    for solver, group in _solvers(runs[apart]):
        parts, most = group["components"].max(), _most(group)
        text = f"{solver}: {group['bits'].max():.0f} bits fall into {parts:.0f} parts"
        yield f"{text} of at most {most} bits, each a problem of its own", group


def best_of_many(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find the best of many reads, without how many succeed."""
    silent = runs[(runs["reads"] > 1) & runs["successes"].isna() & runs["feasible"]]
    for solver, group in _solvers(silent):
        reads = group["reads"].max()
        yield f"{solver} tells the best of {reads:.0f} reads, not the share that succeeds", group


def unequal_seeds(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find solvers that draw at random and have different numbers of seeds."""
    sampled = runs[(runs["reads"] > 0) | (runs["solver_name"] == DECOMPOSITION)]
    seeds = sampled.groupby("solver", sort=False)["seed"].nunique()
    if len(set(seeds)) > 1:
        told = ", ".join(f"{solver} {number}" for solver, number in seeds.items())
        yield f"numbers of seeds differ: {told}", sampled


def repair_does_the_work(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find answers none of whose reads is feasible as sampled."""
    nothing = (runs["raw_feasible_share"] == 0.0) & runs["feasible"]
    for solver, group in _solvers(runs[nothing]):
        text = f"{solver}: no read is feasible as sampled ({_share(group, runs)})"
        yield f"{text}; the plan is the work of re-dispatch and repair", group


def coins_as_good(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find samplers that fair coins, re-dispatched alike, equal."""
    level = runs["cost"] + TOLERANCE * runs["cost"].abs()
    for solver, group in _solvers(runs[runs["feasible"] & (runs["control_cost"] <= level)]):
        yield (
            f"{solver} is no better than fair coins re-dispatched alike ({_share(group, runs)})",
            group,
        )


def prices_as_good(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find decompositions whose sampler does no better than the prices alone."""
    own = runs[(runs["solver_name"] == DECOMPOSITION) & runs["feasible"]]
    sampled = own[own["solver_options"].map(sampler_of) != "none"]
    level = sampled["cost"] + TOLERANCE * sampled["cost"].abs()
    for solver, group in _solvers(sampled[sampled["null_cost"] <= level]):
        yield (
            f"{solver} is no better than its prices without a sampler ({_share(group, runs)})",
            group,
        )


def no_milp(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find problems without a mixed-integer baseline, ours or a peer's."""
    if not ((runs["solver_name"] == MILP) | runs["peer"]).any():
        yield "neither the solver highs nor a peer was run: there is no outside baseline", runs


def no_control(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find samplers without a control beside them."""
    sampled = (runs["bits"] > 0) & ~runs["solver_name"].isin((*CONTROLS, DECOMPOSITION))
    if not runs["solver_name"].isin(CONTROLS).any():
        for solver, group in _solvers(runs[sampled & runs["feasible"]]):
            if group["control_cost"].isna().all():
                yield f"{solver} has no control beside it: coins, greedy or descent", group


def no_null_sampler(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find decompositions whose sampler is not told apart from their prices."""
    own = runs[runs["solver_name"] == DECOMPOSITION]
    samplers = own["solver_options"].map(sampler_of)
    if len(own) and own["null_cost"].isna().all() and not (samplers == "none").any():
        yield "what the decomposition finds without a sampler is not told", own


GUARDS: dict[str, Guard] = {
    "refuted: feasible": refuted_feasibility,
    "refuted: cost": refuted_cost,
    "refuted: bound": refuted_bound,
    "refuted: optimum": refuted_optimum,
    "no plan": no_plan,
    "no bound": no_bound,
    "within the gap tolerance": gap_above_difference,
    "time limits": unequal_time_limits,
    "overtime": overtime,
    "machines": different_machines,
    "copied units": replicated_units,
    "tiny QUBO": tiny_components,
    "best of many": best_of_many,
    "seeds": unequal_seeds,
    "repair": repair_does_the_work,
    "coins": coins_as_good,
    "prices alone": prices_as_good,
    "no baseline": no_milp,
    "no control": no_control,
    "no null sampler": no_null_sampler,
}
"""All guards of one problem, gravest first."""

COVERAGE = "not run everywhere"

REASONS = {
    "refuted: feasible": "A solver calls its plan feasible and our verifier, from the data alone, "
    "finds a broken rule.",
    "refuted: cost": "A solver's cost is not what its plan costs: often a penalized energy, or a "
    "model that leaves something out.",
    "refuted: bound": "A verified plan is cheaper than what is said to be a lower bound, so that "
    "no gap made with it holds.",
    "refuted: optimum": "Success was counted against a cost that others beat: the share that "
    "succeeds is too high.",
    "no plan": "Solvers that find nothing cannot be told apart by what they find.",
    "no bound": "Without a proved bound nobody knows how far the best plan is from the optimum.",
    "within the gap tolerance": "A solver that stops at a gap did not look for more: a difference "
    "below its tolerance says nothing.",
    "time limits": "More time finds more; only the curves over time can be compared.",
    "overtime": "A run that takes longer than its limit had more time than the others.",
    "machines": "Seconds of two machines are two units.",
    "copied units": "A system of copies is larger on paper only: symmetry makes some solvers "
    "quicker and others slower.",
    "tiny QUBO": "A QUBO that falls into small parts, or is small, says nothing about hardness.",
    "best of many": "The best of many reads is luck unless the share that succeeds is told.",
    "seeds": "The best of ten runs is better than the best of one, by luck alone.",
    "repair": "Where no read keeps the rules, the sampler's part in the plan is unclear.",
    "coins": "Where fair coins do as well with the same re-dispatch, the sampler adds nothing.",
    "prices alone": "Where the prices do as well without a sampler, the sampler adds nothing.",
    "no baseline": "A method compared only with itself has not been compared.",
    "no control": "Without coins, greedy choice or descent beside it, nobody sees what the sampler "
    "adds.",
    "no null sampler": "Without the answer of the prices alone, nobody sees what the sampler adds.",
    COVERAGE: "Profiles are shares of all problems; a solver that was not asked counts as failed.",
}
"""Why each guard is there."""


def concerns(runs: pd.DataFrame) -> list[Concern]:
    """Return all that makes the comparisons unfair, gravest guards first.

    Parameters
    ----------
    runs : DataFrame
        Of `gridopt.bench.analysis.prepared`.
    """
    found = [
        Concern(name, str(problem), text, tuple(group["run_key"]))
        for name, guard in GUARDS.items()
        for problem, of_problem in runs.groupby("problem", sort=False)
        for text, group in guard(of_problem)
    ]
    return found + list(_uneven_coverage(runs))


def _uneven_coverage(runs: pd.DataFrame) -> Iterator[Concern]:
    """Solvers that were not run on every problem: profiles count those as not solved."""
    problems = set(runs["problem"])
    for solver, group in _solvers(runs):
        missing = sorted(problems - set(group["problem"]))
        if missing:
            text = f"{solver} was not run; profiles count that as not solved"
            yield Concern(COVERAGE, ", ".join(missing), text, tuple(group["run_key"]))


def _solvers(runs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for solver, group in runs.groupby("solver", sort=False):
        yield str(solver), group


def _share(group: pd.DataFrame, runs: pd.DataFrame) -> str:
    """Return how many of a solver's runs it concerns."""
    return f"{len(group)} of {(runs['solver'] == group['solver'].iloc[0]).sum()} runs"


def _names(group: pd.DataFrame) -> str:
    return " and ".join(dict.fromkeys(group["solver"]))


def _money(amount: float) -> str:
    return f"{amount:,.2f}"


def _most(group: pd.DataFrame) -> str:
    return f"{group['largest_component'].max():.0f}"


def _limit(limits: pd.Series[float]) -> str:
    least, most = float(limits.min()), float(limits.max())
    if np.isnan(least):
        return "none"
    return f"{least:g} s" if least == most else f"{least:g} to {most:g} s"
