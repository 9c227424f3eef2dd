"""The windows of a rolling horizon: a day and its look-ahead, from the state that days before left.

Nothing is random or rounded on the way: the same days before give the same window, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridopt.arrays import BoolArray, FloatArray
from gridopt.elements import Storage, ThermalUnits
from gridopt.errors import Issue, raise_if_any
from gridopt.requirements import REGULATION_UP, SPINNING
from gridopt.results import POWERS, Schedule
from gridopt.rules import next_status_h
from gridopt.study import FIXED_ON, FREE, Study

DAY_H = 24.0

OVER_TIME = ("committed", *POWERS)
"""Arrays of a `Schedule`, the last axis of all being time."""


@dataclass(frozen=True, eq=False)
class Horizon:
    """All periods to plan, in days, and how far a window sees.

    Parameters
    ----------
    study : Study
        Of whole days.
    n_days, day_periods, look_ahead_periods : int
    """

    study: Study
    n_days: int
    day_periods: int
    look_ahead_periods: int

    @staticmethod
    def of(study: Study, days: int | None, look_ahead_h: float) -> Horizon:
        """Return the first days of a study, or as many as it has.

        Raises
        ------
        StudyError
            With every fault of what is asked for.
        """
        h, there = study.period_h, int(study.n_periods * study.period_h // DAY_H)
        n_days = there if days is None else days
        where = f"study {study.name}"
        known = "none: a day must end in one state; simulate Study.in_scenario of each"
        checks: tuple[tuple[bool, str, object, str], ...] = (
            ((DAY_H / h).is_integer(), "period_h", h, "a whole fraction of a day"),
            (0 < n_days <= there, "days", n_days, f"1 to {there}, as many as the study has"),
            (
                look_ahead_h >= 0 and (look_ahead_h / h).is_integer(),
                "look_ahead_h",
                look_ahead_h,
                f"at least 0, whole periods of {h:g} h",
            ),
            (not study.scenarios, "scenarios", len(study.scenarios), known),
        )
        raise_if_any([Issue(where, *check[1:]) for check in checks if not check[0]])
        day = round(DAY_H / h)
        return Horizon(study.during(0, n_days * day), n_days, day, round(look_ahead_h / h))

    def window(self, number: int, state: State) -> Study:
        """Return day `number`, from 1, and its look-ahead as a study that starts from a state.

        What is left of a limit over all periods is allotted in proportion to the periods left.
        """
        first = (number - 1) * self.day_periods
        left = self.study.n_periods - first
        periods = min(self.day_periods + self.look_ahead_periods, left)
        part = self.study.during(first, periods)
        limits, demand = self.study.energy_limits, self.study.flexible
        may_miss = np.maximum(demand.interruption_max_mwh - state.interrupted_mwh, 0.0)
        fixed = part.fixed_status.copy()
        fixed[state.must_stay_on & (fixed[:, 0] == FREE), 0] = FIXED_ON
        return replace(
            part,
            thermal=state.thermal,
            storage=state.storage,
            energy_limits=replace(
                limits,
                least=limits.least - state.energy_taken,
                most=limits.most - state.energy_taken,
            ).scaled(periods / left),
            flexible=replace(part.flexible, interruption_max_mwh=may_miss * (periods / left)),
            fixed_status=fixed,
        )

    def day_of(self, window: Study) -> Study:
        """Return a window without its look-ahead."""
        return window.during(0, self.day_periods)

    def first_days(self, n_days: int) -> Study:
        """Return the first days as a study; what all days together must reach is left out."""
        if n_days == self.n_days:
            return self.study
        study, limits = self.study.during(0, n_days * self.day_periods), self.study.energy_limits
        storage, most_mwh = study.storage, self.study.flexible.interruption_max_mwh
        return replace(
            study,
            storage=replace(
                storage,
                final_soc_min_mwh=storage.energy_min_mwh,
                final_soc_max_mwh=storage.energy_max_mwh,
            ),
            energy_limits=replace(limits, least=np.full(len(limits), -np.inf)),
            flexible=replace(study.flexible, interruption_max_mwh=most_mwh),
        )


@dataclass(frozen=True, eq=False)
class State:
    """What the days so far leave to the next window.

    Parameters
    ----------
    thermal : ThermalUnits
        With their status and power.
    must_stay_on : array of bool, (G,)
        Units whose power and reserve are above their shut-down limit: they cannot stop at once.
    storage : Storage
        With its state of charge.
    energy_taken : array, (E,)
        Of each limit on energy.
    interrupted_mwh : array, (D,)
    """

    thermal: ThermalUnits
    must_stay_on: BoolArray
    storage: Storage
    energy_taken: FloatArray
    interrupted_mwh: FloatArray

    @staticmethod
    def before(study: Study) -> State:
        """Return the state before the first period of a study."""
        return State(
            thermal=study.thermal,
            must_stay_on=np.zeros(len(study.thermal), dtype=np.bool_),
            storage=study.storage,
            energy_taken=np.zeros(len(study.energy_limits)),
            interrupted_mwh=np.zeros(len(study.flexible)),
        )

    def after(self, day: Schedule) -> State:
        """Return the state after one more day; what a solver's rounding adds to limits is cut."""
        units, storage = self.thermal, self.storage
        on, power = day.committed[:, -1], day.power_mw[:, -1]
        held = day.held_mw(SPINNING, REGULATION_UP)[:, -1]
        within = np.clip(power, units.p_min_mw, units.p_max_mw)
        soc = np.clip(day.soc_mwh[:, -1], storage.energy_min_mwh, storage.energy_max_mwh)
        missed = day.study.flexible.p_max_mw - day.flexible_mw
        return State(
            thermal=replace(
                units,
                initial_status_h=_status_h(day),
                initial_power_mw=np.where(on, within, 0.0),
            ),
            must_stay_on=np.asarray(on & (power + held > units.shutdown_ramp_mw)),
            storage=replace(storage, initial_soc_mwh=soc),
            energy_taken=self.energy_taken + _energy_taken(day),
            interrupted_mwh=self.interrupted_mwh + day.study.period_h * missed.sum(axis=1),
        )


def first_periods(schedule: Schedule, study: Study) -> Schedule:
    """Return as many periods of a schedule as a study has, as that study's schedule."""
    hours = slice(0, study.n_periods)
    arrays: dict[str, Any] = {name: getattr(schedule, name)[..., hours] for name in OVER_TIME}
    return replace(schedule, study=study, **arrays)


def joined(study: Study, days: Sequence[Schedule]) -> Schedule:
    """Return schedules that follow each other as the one schedule of a study."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(day, name) for day in days], axis=-1) for name in OVER_TIME
    }
    return replace(days[0], study=study, **arrays)


def _status_h(day: Schedule) -> FloatArray:
    """Return signed hours on (+) or off (−) at the end of a day, (G,)."""
    found = day.study.thermal.initial_status_h.tolist()
    for g, committed in enumerate(day.committed.tolist()):
        for on in committed:
            found[g] = next_status_h(found[g], on, day.study.period_h)
    return np.array(found)


def _energy_taken(day: Schedule) -> FloatArray:
    """Return what a day takes of each limit on energy, (E,)."""
    limits = day.study.energy_limits
    taken = (
        limits.thermal_per_mwh @ day.power_mw
        + limits.thermal_per_h @ day.committed
        + limits.renewable_per_mwh @ day.renewable_mw
    )
    return np.asarray(day.study.period_h * taken.sum(axis=1))
