"""The page of a run of unit commitment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gridopt import plots
from gridopt.pages.parts import Page, Picture, Section, shown
from gridopt.pages.plans import committing, dispatching, loading, pricing
from gridopt.pages.repeating import Origin, repeating, solving
from gridopt.pages.sections import MONEY, asked, broken, costs, solved
from gridopt.price_table import Prices
from gridopt.results import ScenarioSchedules, Schedule
from gridopt.running import Run

MOST_SCENARIOS = 4
"""Scenarios that are drawn, the most probable ones."""


def run_page(run: Run, prices: Sequence[Prices] = (), origin: Origin | None = None) -> Page:
    """Return the page of a run.

    Parameters
    ----------
    run : Run
        Its plan, if any, is a schedule or one for each scenario.
    prices : sequence of Prices
        Of the schedule, or of each scenario; empty where there are none.
    origin : Origin, optional
        Where the run comes from.
    """
    record, study = run.summary(), run.study
    python, imports = solving("gridopt.solve", run.formulation, run.solver)
    seconds = {"to build the program": run.build_s, "to solve it": run.solve_s}
    return Page(
        title=f"Unit commitment of {study.name}",
        is_good=run.is_feasible,
        verdict=run.verdict,
        figures=tuple(figures(run)),
        sections=(
            asked(study, record, {}),
            broken(run.verification, run.missing),
            costs(run.verification),
            *_plan(run.plan, prices),
            converging(run),
            solved(record, seconds),
            repeating(origin or Origin(), study, f"run = {python}", imports),
        ),
    )


def figures(run: Run) -> Iterator[tuple[str, str]]:
    """Yield cost, bound, gap and why the solver stopped."""
    yield "Cost", shown(run.cost, MONEY)
    source = run.solution.bound_source if np.isfinite(run.bound) else ""
    yield "Proved bound", shown(run.bound, MONEY) + (f" ({source})" if source else "")
    yield "Certified gap", shown(run.gap, ".4%")
    yield "Stopped", str(run.termination)


def converging(run: Run) -> Section:
    """Return how cost and bound came together; no parts where the solver does not tell."""
    trace = run.solution.trace
    if not trace:
        return Section("convergence", "Convergence", ())
    best = [step.objective for step in trace if np.isfinite(step.objective)]
    bounds = [step.bound for step in trace if np.isfinite(step.bound)]
    text = f"Cost and proved bound over {trace[-1].elapsed_s:.1f} s, {len(trace)} steps."
    if best:
        text += f" Cost: first {best[0]:,.2f}, at last {min(best):,.2f}."
    if bounds:
        text += f" Bound: first {bounds[0]:,.2f}, at last {max(bounds):,.2f}."
    title = f"Cost and bound of {run.study.name}"
    picture = Picture("convergence", plots.convergence(run), title, text)
    return Section("convergence", "Convergence", (picture,))


def _plan(plan: object, prices: Sequence[Prices]) -> Iterator[Section]:
    if isinstance(plan, Schedule):
        yield dispatching(plan)
        yield committing(plan)
        for found in prices:
            yield pricing(found)
        yield loading(plan)
    elif isinstance(plan, ScenarioSchedules):
        yield from _scenarios(plan, prices)


def _scenarios(plan: ScenarioSchedules, prices: Sequence[Prices]) -> Iterator[Section]:
    """Yield the most probable scenarios, the commitment that all share, and one's network."""
    share = [scenario.probability for scenario in plan.study.scenarios]
    order = np.argsort(-np.array(share), kind="stable")[:MOST_SCENARIOS]
    for number in order:
        name = f"{plan.names[number]}, probability {share[number]:.3g}"
        yield dispatching(plan.schedules[number], f"dispatch-{number}", f"Dispatch: {name}")
        if len(prices):
            yield pricing(prices[number], f"prices-{number}", f"Prices: {name}")
    yield committing(plan.schedules[order[0]])
    first = int(order[0])
    yield loading(plan.schedules[first], f"-{first}", f"Network: {plan.names[first]}")
