"""Some real days that stand for all days of a study, as scenarios of one day.

Days are clustered by Ward's method and each cluster is represented by the day nearest to its mean:
Nahmmacher, Schmid, Hirth, Knopf 2016, "Carpe diem: a novel approach to select representative days
for long-term power system modeling", doi 10.1016/j.energy.2016.06.081. The days of the highest and
of the lowest residual demand stand for themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy

from gridopt.arrays import FloatArray, IntArray
from gridopt.errors import Issue, StudyError
from gridopt.study import Scenario, Study

DAY_H = 24.0

SAME = 1e-9
"""Distance, in shares of the spread of all days, at which two days are the same."""


def representative_days(study: Study, n_days: int, *, extremes: bool = True) -> Study:
    """Return a study of one day whose scenarios are days of a longer study.

    The probability of a day is the share of all days that it stands for; a plan's cost is that of
    a mean day. What a scenario has no place for must be the same every day.

    Parameters
    ----------
    study : Study
        Over whole days of 24 hours, counted from its first period; without scenarios.
    n_days : int
        Number of days chosen; fewer are where days repeat.
    extremes : bool
        Whether the days of the highest and of the lowest residual demand (demand less all that
        infeeds have available) are among them, each for itself and days like it.

    Returns
    -------
    Study
        Demand, infeeds and prices beside the scenarios, which nothing is planned for, are their
        expected values. Times are those of the study's first day. Limits of energy over all periods
        are cut to one day. `Study.assumptions` tells the days, their weights, and how far energy
        and peaks are from those of all days.

    Raises
    ------
    StudyError
        Where the study has no whole days or has scenarios, `n_days` is out of range, or something
        differs from day to day that must not.

    Notes
    -----
    Choosing takes no chances: the same study gives the same days. Two days are as far apart as
    their demand by bus, infeeds by unit and prices by period, each of these three scaled to the
    same spread over all days. Every day begins in the initial state of the study.
    """
    days = _Days.of(study, n_days)
    vectors = days.vectors()
    forced = days.extremes() if extremes else []
    least = min(len(forced) + 1, days.count)
    if not least <= n_days <= days.count:
        expected = f"{least} to the number of days, {days.count}"
        raise StudyError([Issue("representative days", "n_days", n_days, expected)])
    group = _groups(vectors, forced, n_days)
    members = [np.flatnonzero(group == k) for k in np.unique(group)]
    chosen = {_nearest(vectors, alike): len(alike) for alike in members}
    return days.study_of(dict(sorted(chosen.items())))


def _groups(vectors: FloatArray, forced: list[int], n_days: int) -> IntArray:
    """Return the group of each day, (D,): one around each forced day, and Ward's clusters."""
    group = np.full(len(vectors), -1)
    for number, day in enumerate(forced):
        alike = np.linalg.norm(vectors - vectors[day], axis=1) <= SAME
        group[alike & (group < 0)] = number
    rest = np.flatnonzero(group < 0)
    if len(rest) > 1:
        tree = hierarchy.linkage(vectors[rest], method="ward")
        different = 1 + int((tree[:, 2] > SAME).sum())
        cut = hierarchy.fcluster(tree, min(n_days - len(forced), different), criterion="maxclust")
        group[rest] = len(forced) + cut
    else:
        group[rest] = len(forced)
    return group


def _nearest(vectors: FloatArray, days: IntArray) -> int:
    """Return the day of a group that is nearest to its mean; the first of several."""
    apart = np.linalg.norm(vectors[days] - vectors[days].mean(axis=0), axis=1)
    return int(days[np.flatnonzero(apart <= apart.min() + SAME)[0]])


@dataclass(frozen=True, eq=False)
class _Days:
    """The days of a study: D of them, with P periods each."""

    study: Study
    count: int
    periods: int

    @staticmethod
    def of(study: Study, n_days: int) -> _Days:
        periods = round(DAY_H / study.period_h)
        issues = []
        whole = periods > 0 and abs(periods * study.period_h - DAY_H) <= 1e-9
        if not whole or study.n_periods % periods:
            found = f"{study.n_periods} of {study.period_h:g} h"
            issues.append(Issue("study", "periods", found, "whole days of 24 h"))
        if study.scenarios:
            found = str(len(study.scenarios))
            issues.append(Issue("study", "scenarios", found, "none: days become scenarios"))
        if n_days < 1:
            issues.append(Issue("representative days", "n_days", n_days, "at least 1"))
        if issues:
            raise StudyError(issues)
        days = _Days(study, study.n_periods // periods, periods)
        issues = list(days._issues())
        if issues:
            raise StudyError(issues)
        return days

    def _issues(self) -> Iterator[Issue]:
        """Yield what differs from day to day and has no place in a scenario."""
        study = self.study
        for name, values in (
            ("exchange.slope_per_mw2h", study.exchange.slope_per_mw2h),
            ("reserves.required_mw", study.reserves.required_mw),
            ("flexible.p_min_mw", study.flexible.p_min_mw),
            ("flexible.p_max_mw", study.flexible.p_max_mw),
            ("fixed_status", study.fixed_status),
            ("sites.profile", study.sites.profile),
        ):
            if values.size and np.ptp(self.split(values), axis=0).any():
                expected = "the same every day: scenarios have none of their own"
                yield Issue("study", name, "differs from day to day", expected)

    def split(self, values: np.ndarray) -> np.ndarray:
        """Return (rows, T) values as (D, rows, P)."""
        return values.reshape(len(values), self.count, self.periods).swapaxes(0, 1)

    def vectors(self) -> FloatArray:
        """Return what tells days apart, (D, n): mean squares of demand, infeeds, prices are 1."""
        study, parts = self.study, []
        infeeds = study.renewables
        for blocks in (
            (study.demand_mw,),
            (infeeds.p_max_mw, infeeds.p_min_mw),
            (study.exchange.price_per_mwh,),
        ):
            each = np.concatenate([self.split(values) for values in blocks], axis=1)
            apart = (each - each.mean(axis=0)).reshape(self.count, -1)
            spread = float(np.sqrt((apart**2).sum() / self.count))
            if spread > 0.0:
                parts.append(apart / spread)
        return np.concatenate([np.zeros((self.count, 1)), *parts], axis=1)

    def residual_mw(self) -> FloatArray:
        """Return demand less available infeeds, (D, P)."""
        study = self.study
        left = study.total_demand_mw - study.renewables.p_max_mw.sum(axis=0)
        return np.asarray(left.reshape(self.count, self.periods))

    def extremes(self) -> list[int]:
        """Return the days of the highest and the lowest residual demand, each once."""
        left = self.residual_mw()
        return sorted({int(left.max(axis=1).argmax()), int(left.min(axis=1).argmin())})

    def label(self, day: int) -> str:
        """Return the date of a day, or its number."""
        noon = self.study.time[day * self.periods + self.periods // 2]
        return str(noon.date()) if isinstance(noon, pd.Timestamp) else f"day {day}"

    def study_of(self, chosen: dict[int, int]) -> Study:
        """Return the study of one day in which these days stand for so many each."""
        study, first = self.study, self.study.during(0, self.periods)
        scenarios = tuple(self._scenario(day, many / self.count) for day, many in chosen.items())
        weights = np.array([scenario.probability for scenario in scenarios])

        def mean(values: FloatArray) -> FloatArray:
            return np.asarray(np.tensordot(weights, self.split(values)[list(chosen)], axes=1))

        losses = study.sites.loss_cost_per_mwh
        return replace(
            first,
            name=f"{study.name}, {len(chosen)} days",
            demand_mw=mean(study.demand_mw),
            renewables=replace(
                first.renewables,
                p_min_mw=mean(study.renewables.p_min_mw),
                p_max_mw=mean(study.renewables.p_max_mw),
            ),
            exchange=replace(first.exchange, price_per_mwh=mean(study.exchange.price_per_mwh)),
            sites=replace(
                first.sites,
                loss_cost_per_mwh=mean(losses[np.newaxis])[0] if len(losses) else losses,
            ),
            scenarios=scenarios,
            assumptions=(*study.assumptions, *self._notes(chosen)),
        )

    def _scenario(self, day: int, probability: float) -> Scenario:
        part = self.study.during(day * self.periods, self.periods)
        return Scenario(
            name=self.label(day),
            probability=probability,
            demand_mw=part.demand_mw,
            renewable_min_mw=part.renewables.p_min_mw,
            renewable_max_mw=part.renewables.p_max_mw,
            price_per_mwh=part.exchange.price_per_mwh,
            loss_cost_per_mwh=part.sites.loss_cost_per_mwh,
        )

    def _notes(self, chosen: dict[int, int]) -> Iterator[str]:
        study = self.study
        each = ", ".join(f"{self.label(day)} for {many}" for day, many in chosen.items())
        yield f"{len(chosen)} days stand for {self.count}: {each}"
        weights = np.array(list(chosen.values())) / self.count
        told = []
        for name, total in (
            ("demand", study.total_demand_mw),
            ("available infeed", study.renewables.p_max_mw.sum(axis=0)),
        ):
            energy = total.reshape(self.count, self.periods).sum(axis=1)
            if energy.mean():
                off = float(weights @ energy[list(chosen)] / energy.mean() - 1.0)
                told.append(f"energy of {name} is off by {100.0 * off:+.2f} %")
        left = self.residual_mw()
        some = left[list(chosen)]
        yield (
            f"{', '.join(told)}; residual demand from {some.min():.4g} to {some.max():.4g} MW, "
            f"of all days from {left.min():.4g} to {left.max():.4g} MW"
        )
        if len(study.thermal) or len(study.storage):
            yield "every representative day begins in the initial state of the study"
