"""The page of a simulation: many days, planned one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from gridopt.pages.parts import TEXT, Page, Section, Table, shown
from gridopt.pages.plans import committing, dispatching, loading
from gridopt.pages.repeating import Origin, repeating, solving
from gridopt.pages.sections import MONEY, asked, broken, costs, solved
from gridopt.simulation import Simulation


def simulation_page(done: Simulation, origin: Origin | None = None) -> Page:
    """Return the page of a simulation.

    Parameters
    ----------
    done : Simulation
    origin : Origin, optional
        Where it comes from.
    """
    record, study, plan = done.summary(), done.study, done.schedule
    more = {"days": done.n_days, "look_ahead_h": done.look_ahead_h}
    python, imports = solving("gridopt.simulate", done.formulation, done.solver, **more)
    ahead = {"days": f"{done.n_days}, each with {done.look_ahead_h:g} h ahead"}
    seconds = {
        "all days": record["seconds"],
        **({"the longest day": record["longest_day_s"]} if done.days else {}),
    }
    plans = () if plan is None else (dispatching(plan), committing(plan), loading(plan))
    return Page(
        title=f"{done.n_days} days of {study.name}",
        is_good=done.is_feasible,
        verdict=done.verdict,
        figures=tuple(_figures(done)),
        sections=(
            asked(study, record, ahead),
            broken(done.verification, ()),
            costs(done.verification),
            _days(done),
            *plans,
            solved(record, seconds),
            repeating(origin or Origin(), study, f"done = {python}", imports),
        ),
    )


def _figures(done: Simulation) -> Iterator[tuple[str, str]]:
    record = done.summary()
    yield "Days planned", f"{len(done.days)} of {done.n_days}"
    yield "Cost", shown(record["cost_planned"], MONEY)
    yield "Gap, mean of the days", shown(record["mean_gap"], ".4%")
    yield "Gap, largest", shown(max((day.gap for day in done.days), default=None), ".4%")


def _days(done: Simulation) -> Section:
    forms = {
        "day": ",d",
        "first period": TEXT,
        "cost": MONEY,
        "gap %": ".4f",
        "stopped": TEXT,
        "seconds": ".2f",
    }
    rows = [
        (day.number, day.period, day.cost, 100.0 * day.gap, day.termination, day.seconds)
        for day in done.days
    ]
    table = Table.of("Each day: its own cost, and the gap of its window", forms, rows)
    return Section("days", "Days", (table,) if rows else ())
