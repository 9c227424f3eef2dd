"""A long horizon planned day by day: simulate, write each day, take up what was interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gridopt.display import card, number
from gridopt.errors import GridoptError, Issue, StudyError, raise_if_any
from gridopt.formulation import Formulation
from gridopt.io.json_fields import JsonFields, read_json
from gridopt.io.plan_files import schedule_content, schedule_of, write_json
from gridopt.results import Schedule
from gridopt.rolling import DAY_H, Horizon, State, first_periods, joined
from gridopt.running import (
    Run,
    options_of,
    peak_rss_mb,
    plain,
    public_name,
    resolve,
    solve,
    versions,
)
from gridopt.solution import Termination
from gridopt.solver import Solver
from gridopt.study import Study
from gridopt.verification import Verification, verify

HEADER = "simulation.json"
"""File of a simulation's folder that says what its days are of."""

DAYS = "days"
"""Folder beside it that holds them."""


@dataclass(frozen=True)
class Day:
    """One day that was planned and kept.

    Parameters
    ----------
    number : int
        From 1.
    period : str
        Label of its first period.
    cost_items, energy_mwh : mapping of str to float
        As in `Verification`, penalties among the costs: of this day alone.
    gap : float
        Certified, of the window: the day and its look-ahead.
    termination : str
        Why the solver stopped.
    seconds : float
        To build, solve and verify the window.
    """

    number: int
    period: str
    cost_items: Mapping[str, float]
    energy_mwh: Mapping[str, float]
    gap: float
    termination: str
    seconds: float

    @property
    def cost(self) -> float:
        """Cost of the day, penalties included."""
        return sum(self.cost_items.values())


@dataclass(frozen=True, eq=False)
class Simulation:
    """The days planned so far, and the plan that they make together.

    Parameters
    ----------
    study : Study
        Of the days planned; of all of them if none is.
    formulation : Formulation
    solver : Solver
    look_ahead_h : float
    n_days : int
        Number of days asked for.
    days : tuple of Day
    stopped : str
        Why it ended before the last day; empty if it did not.
    schedule : Schedule or None
        All days as one plan; None where there is none.
    verification : Verification or None
        That plan, judged as one: rules across midnight, and cost recomputed. Of a part of the days
        what all of them together must reach is left out.
    """

    study: Study
    formulation: Formulation
    solver: Solver
    look_ahead_h: float
    n_days: int
    days: tuple[Day, ...]
    stopped: str
    schedule: Schedule | None
    verification: Verification | None

    @property
    def is_complete(self) -> bool:
        """Whether every day is planned."""
        return len(self.days) == self.n_days

    @property
    def is_feasible(self) -> bool:
        """Whether every day is planned and the plan breaks no rule."""
        found = self.verification
        return self.is_complete and found is not None and found.is_feasible

    @property
    def cost(self) -> float:
        """Cost of all days, recomputed from the study; inf unless feasible."""
        if self.verification is None or not self.is_feasible:
            return float("inf")
        return self.verification.total_cost

    @property
    def verdict(self) -> str:
        """In a sentence, whether all days are planned and break no rule."""
        if self.is_feasible:
            return "Feasible: all days, verified as one plan, across midnight."
        if not self.is_complete:
            why = f": {self.stopped}" if self.stopped else ""
            return f"Not complete: {len(self.days)} of {self.n_days} days are planned{why}."
        times = 0 if self.verification is None else len(self.verification.violations)
        return f"Not feasible: the days together break rules {times:,} times."

    def plot(self) -> Any:
        """Draw the dispatch of all days.

        Raises
        ------
        GridoptError
            Where no day is planned.
        """
        if self.schedule is None:
            raise GridoptError(f"nothing to draw. {self.verdict}")
        return self.schedule.plot()

    def _repr_html_(self) -> str:
        days = [
            (f"day {day.number}, {day.period}", f"{day.cost:,.2f}, gap {number(day.gap, '.4%')}")
            for day in self.days
        ]
        return card(self.verdict, [("cost", number(self.cost, ",.2f")), *days])

    def table(self) -> pd.DataFrame:
        """Return one row a day: day, period, cost, gap, termination, seconds, and each item."""
        rows = [
            {
                "day": day.number,
                "period": day.period,
                "cost": day.cost,
                "gap": day.gap,
                "termination": day.termination,
                "seconds": day.seconds,
                **{f"{item}_cost": money for item, money in day.cost_items.items()},
                **{f"{item}_mwh": energy for item, energy in day.energy_mwh.items()},
            }
            for day in self.days
        ]
        return pd.DataFrame(rows)

    def summary(self) -> dict[str, Any]:
        """Return the record as plain JSON values; what is missing or infinite is None."""
        found = self.verification
        gaps, seconds = [day.gap for day in self.days], [day.seconds for day in self.days]
        record: dict[str, Any] = {
            "case": self.study.name,
            "fingerprint": self.study.fingerprint(),
            "days": self.n_days,
            "days_planned": len(self.days),
            "stopped": self.stopped,
            "look_ahead_h": self.look_ahead_h,
            "period_h": self.study.period_h,
            **_described(self.formulation, self.solver),
            "seed": getattr(self.solver, "seed", None),
            "feasible": self.is_feasible,
            "cost": self.cost,
            "cost_planned": sum(day.cost for day in self.days),
            "cost_items": {**found.cost, **found.penalty} if found else {},
            "energy_mwh": dict(found.energy_mwh) if found else {},
            "largest_gap": max(gaps, default=None),
            "mean_gap": float(np.mean(gaps)) if gaps else None,
            "violations": found.counts() if found else {},
            "worst_violations": [str(it) for it in found.violations[:10]] if found else [],
            "assumptions": [*self.study.assumptions, *self.formulation.notes(self.study)],
            "seconds": sum(seconds),
            "longest_day_s": max(seconds, default=None),
            "peak_rss_mb": peak_rss_mb(),
            "versions": versions(type(self.solver).package),
        }
        return {key: plain(value) for key, value in record.items()}


def simulate(
    study: Study,
    days: int | None = None,
    look_ahead_h: float = DAY_H,
    solver: Solver | str = "highs",
    formulation: Formulation | str = "unit_commitment",
    *,
    out: str | Path | None = None,
    progress: Callable[[Day], None] | None = None,
    **options: Any,
) -> Simulation:
    """Plan a long horizon day by day, and verify the days as one plan.

    A window is one day of 24 h and its look-ahead. The day is kept, and the state at its end is
    where the next window begins.

    Parameters
    ----------
    study : Study
        All periods, from the first of the first day.
    days : int, optional
        How many days; as many as the study has unless said otherwise.
    look_ahead_h : float
        Hours that each window sees beyond its day; fewer where the days asked for end.
    solver, formulation, **options
        As for `gridopt.solve`; used for every window.
    out : str or Path, optional
        Folder in which every day is written once it is planned. Where it holds days of the same
        study and options already, from a run that was killed, they are taken up: the result is
        that of an uninterrupted run, unless a time limit cut a search short.
    progress : callable, optional
        Called with every `Day` that is kept, those taken up among them.

    Returns
    -------
    Simulation
        Of as many days as could be planned: it ends early, and says why, at a window without a
        feasible answer, and on Ctrl-C.

    Raises
    ------
    StudyError
        With every fault: days that the study does not have, hours that are no whole periods,
        scenarios; a folder with days of another study or of other options.
    UnknownNameError, OptionError, NotInstalledError, TooLargeError, UnsupportedError
        As `gridopt.solve`.

    Notes
    -----
    - The end condition of storage holds at the end of every look-ahead; until then the storage is
      free to use.
    - What is left of a limit over all periods (energy limits, interruptions) is allotted to a
      window in proportion to the periods left; the last window has all of it.
    - A unit whose power and reserve at midnight are above its shut-down limit stays on for one
      more period.

    Examples
    --------
    >>> import gridopt
    >>> done = gridopt.simulate(gridopt.kazarlis(), gap=0.01)
    >>> len(done.days), done.is_feasible
    (1, True)
    """
    problem, method = resolve(formulation, solver, options)
    horizon = Horizon.of(study, days, look_ahead_h)
    folder = None
    if out is not None:
        folder = _Folder.opened(Path(out), _header(horizon, look_ahead_h, problem, method))
    kept: list[tuple[Day, Schedule]] = []
    state, stopped = State.before(horizon.study), ""
    try:
        for number in range(1, horizon.n_days + 1):
            window = horizon.window(number, state)
            if folder is not None and number <= folder.n_days:
                found = folder.read(number, horizon.day_of(window))
            else:
                begun = time.perf_counter()
                run = solve(window, problem, method)
                stopped = _reason(run)
                if stopped or run.schedule is None:
                    break
                plan = first_periods(run.schedule, horizon.day_of(window))
                found = _record(number, run, plan, begun), plan
                if folder is not None:
                    folder.write(*found)
            kept.append(found)
            state = state.after(found[1])
            if progress is not None:
                progress(found[0])
    except KeyboardInterrupt:
        stopped = "interrupted" if len(kept) < horizon.n_days else ""
    whole = horizon.first_days(len(kept) or horizon.n_days)
    schedule = joined(whole, [plan for _, plan in kept]) if kept else None
    return Simulation(
        study=whole,
        formulation=problem,
        solver=method,
        look_ahead_h=look_ahead_h,
        n_days=horizon.n_days,
        days=tuple(day for day, _ in kept),
        stopped=f"day {len(kept) + 1}: {stopped}" if stopped else "",
        schedule=schedule,
        verification=None if schedule is None else verify(whole, schedule),
    )


def _reason(run: Run) -> str:
    """Return why a window's plan cannot be kept; empty if it can.

    The best answer so far of an interrupted search is not what the whole search would give.
    """
    if run.termination is Termination.INTERRUPTED:
        return "interrupted"
    return "" if run.is_feasible else f"no feasible answer ({run.termination})"


def _record(number: int, run: Run, plan: Schedule, begun: float) -> Day:
    """Return the record of the day that is kept of a window."""
    found = verify(plan.study, plan)
    return Day(
        number=number,
        period=str(plan.study.time[0]),
        cost_items={**found.cost, **found.penalty},
        energy_mwh=found.energy_mwh,
        gap=run.gap,
        termination=str(run.termination),
        seconds=time.perf_counter() - begun,
    )


def _header(
    horizon: Horizon, look_ahead_h: float, formulation: Formulation, solver: Solver
) -> dict[str, Any]:
    """Return what two runs must have in common for one to go on where the other ended."""
    header = {
        "format": "gridopt simulation 1",
        "case": horizon.study.name,
        "fingerprint": horizon.study.fingerprint(),
        "days": horizon.n_days,
        "look_ahead_h": float(look_ahead_h),
        **_described(formulation, solver),
    }
    as_read: dict[str, Any] = json.loads(json.dumps(header))
    return as_read


def _described(formulation: Formulation, solver: Solver) -> dict[str, Any]:
    return {
        "formulation": public_name(formulation),
        "formulation_options": options_of(formulation),
        "solver": public_name(solver),
        "solver_options": options_of(solver),
    }


@dataclass(frozen=True)
class _Folder:
    """A folder with one file a day, each there only once it is whole.

    Parameters
    ----------
    path : Path
    n_days : int
        How many days it held when it was opened.
    """

    path: Path
    n_days: int

    @staticmethod
    def opened(path: Path, header: Mapping[str, Any]) -> _Folder:
        """Return a new folder, or one that holds the first days of the same."""
        file, where = path / HEADER, f"folder {path}"
        if not file.exists():
            try:
                write_json(header, file)
            except OSError as fault:
                expected = f"a folder that can be written ({fault.strerror})"
                raise StudyError([Issue("output", "out", str(path), expected)]) from fault
            return _Folder(path, 0)
        there = read_json(file, where).content
        expected = "the same as in the run that it holds, or another folder"
        raise_if_any(
            [
                Issue(where, key, value, f"{there.get(key)}: {expected}")
                for key, value in header.items()
                if there.get(key) != value
            ]
        )
        n_days = 0
        while _file(path, n_days + 1).exists():
            n_days += 1
        return _Folder(path, n_days)

    def write(self, day: Day, schedule: Schedule) -> None:
        """Write a day."""
        record = {key: plain(value) for key, value in asdict(day).items()}
        write_json({"record": record, **schedule_content(schedule)}, _file(self.path, day.number))

    def read(self, number: int, study: Study) -> tuple[Day, Schedule]:
        """Return a day; its fingerprint tells whether the days before it are still the same."""
        fields = read_json(_file(self.path, number), "file")
        schedule = schedule_of(fields, study)
        return _day_of(fields), schedule


def _day_of(fields: JsonFields) -> Day:
    """Return the record in a day's file."""
    record, cost_items, energy_mwh = (
        JsonFields(fields.element, content, fields.issues, prefix)
        for content, prefix in _records(fields)
    )
    day = Day(
        number=int(np.nan_to_num(record.number("number"))),
        period=record.text("period"),
        cost_items={name: cost_items.number(name) for name in cost_items.content},
        energy_mwh={name: energy_mwh.number(name) for name in energy_mwh.content},
        gap=record.number("gap", default=np.inf),
        termination=record.text("termination"),
        seconds=record.number("seconds"),
    )
    raise_if_any(fields.issues)
    return day


def _records(fields: JsonFields) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the record and the two objects in it, with where they are."""
    record = fields.content.get("record")
    found = record if isinstance(record, dict) else {}
    yield found, "record."
    for name in ("cost_items", "energy_mwh"):
        part = found.get(name)
        if not isinstance(part, dict):
            fields.note(f"record.{name}", part, "an object")
        yield part if isinstance(part, dict) else {}, f"record.{name}."


def _file(folder: Path, number: int) -> Path:
    return folder / DAYS / f"day-{number:04}.json"
