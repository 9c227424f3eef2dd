"""The decoded plan: what each unit does in each period, and what is wrong with it if anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import BoolArray, FloatArray, frozen
from gridopt.display import card, figure
from gridopt.errors import UnknownNameError
from gridopt.requirements import SPINNING
from gridopt.study import Study

POWERS = (
    "power_mw",
    "reserve_mw",
    "renewable_mw",
    "charge_mw",
    "discharge_mw",
    "soc_mwh",
    "import_mw",
    "unserved_mw",
    "surplus_mw",
    "flexible_mw",
    "reserve_short_mw",
)
"""Fields of a `Schedule` that hold MW or MWh."""


@dataclass(frozen=True)
class Violation:
    """One rule of the study that a plan breaks.

    Parameters
    ----------
    rule : str
        Name of the rule, such as ``"min_up_time"``.
    element : str
        Unit, branch or bus.
    period : object
        Label of the period.
    value, limit : float
        What the plan has, and what the rule allows, in the rule's unit.
    """

    rule: str
    element: str
    period: object
    value: float
    limit: float

    def __str__(self) -> str:
        return (
            f"{self.rule} of {self.element} in period {self.period}: "
            f"{self.value:.6g}, limit {self.limit:.6g}"
        )


@dataclass(frozen=True, eq=False)
class Schedule:
    """A unit-commitment plan for a study; arrays are (element, period).

    Parameters
    ----------
    study : Study
        What it was made for.
    network : str
        ``"copperplate"`` or ``"dc"``: whether branch limits are among its rules.
    committed : array of bool, (G, T)
    power_mw : array, (G, T)
        Of the thermal units.
    reserve_mw : array, (P, G, T)
        Of each product, held by each thermal unit.
    renewable_mw : array, (R, T)
    charge_mw, discharge_mw, soc_mwh : array, (S, T)
        Of the storage; state of charge at the end of each period.
    import_mw : array, (X, T)
        Of the exchange; negative is export.
    unserved_mw, surplus_mw : array, (B, T)
    flexible_mw : array, (D, T)
        Served of the flexible demand; all of it unless given.
    reserve_short_mw : array, (K, T)
        What is missing of each reserve requirement; nothing unless given.
    security : str
        ``"n-1"`` if the plan is to stand the outage of any one branch, else ``"none"``.
    """

    study: Study
    network: str
    committed: BoolArray
    power_mw: FloatArray
    reserve_mw: FloatArray
    renewable_mw: FloatArray
    charge_mw: FloatArray
    discharge_mw: FloatArray
    soc_mwh: FloatArray
    import_mw: FloatArray
    unserved_mw: FloatArray
    surplus_mw: FloatArray
    flexible_mw: FloatArray = field(default_factory=partial(np.zeros, (0, 0)))
    reserve_short_mw: FloatArray = field(default_factory=partial(np.zeros, (0, 0)))
    security: str = "none"

    def __post_init__(self) -> None:
        if not self.flexible_mw.size:
            object.__setattr__(self, "flexible_mw", self.study.flexible.p_max_mw)
        if not self.reserve_short_mw.size:
            none = np.zeros_like(self.study.reserves.required_mw)
            object.__setattr__(self, "reserve_short_mw", none)
        object.__setattr__(self, "committed", frozen(self.committed, np.bool_))
        for name in POWERS:
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def injection_mw(self) -> FloatArray:
        """Return the net injection at each bus, (B, T)."""
        study = self.study
        injection = self.unserved_mw - self.surplus_mw - study.demand_mw
        np.add.at(injection, study.thermal.bus, self.power_mw)
        np.add.at(injection, study.renewables.bus, self.renewable_mw)
        np.add.at(injection, study.storage.bus, self.discharge_mw - self.charge_mw)
        np.add.at(injection, study.exchange.bus, self.import_mw)
        np.add.at(injection, study.flexible.bus, -self.flexible_mw)
        return injection

    def flow_mw(self) -> FloatArray:
        """Return the DC flow of each branch, (L, T)."""
        return self.study.grid.flows(self.injection_mw())

    def held_mw(self, *kinds: str) -> FloatArray:
        """Return what each thermal unit holds of all products of some kinds, (G, T)."""
        chosen = self.study.reserves.products(*kinds)
        return np.asarray(self.reserve_mw[chosen].sum(axis=0))

    def units(self) -> pd.DataFrame:
        """Return one row per generator and period: the table of ``schedule.csv``.

        Returns
        -------
        DataFrame
            Columns generator, period (from 0), committed (0 or 1), power_mw, reserve_mw (of all
            spinning products), and ``reserve_mw:NAME`` of each product where there are several;
            thermal units first, then renewables, which are always committed and hold no reserve.
        """
        T, study = self.study.n_periods, self.study
        names = (*study.thermal.name, *study.renewables.name)
        on = np.vstack([self.committed.astype(np.int64), np.ones_like(self.renewable_mw, np.int64)])

        def column(held: FloatArray) -> FloatArray:
            return np.vstack([held, np.zeros_like(self.renewable_mw)]).ravel()

        table = {
            "generator": np.repeat(np.array(names, dtype=object), T),
            "period": np.tile(np.arange(T), len(names)),
            "committed": on.ravel(),
            "power_mw": np.vstack([self.power_mw, self.renewable_mw]).ravel(),
            "reserve_mw": column(self.held_mw(SPINNING)),
        }
        if study.reserves.kind not in ((), (SPINNING,)):
            for name, held in zip(study.reserves.product, self.reserve_mw, strict=True):
                table[f"reserve_mw:{name}"] = column(held)
        return pd.DataFrame(table)

    def dispatch(self) -> pd.DataFrame:
        """Return time × element: MW that every element feeds in; what it takes is negative."""
        study = self.study
        columns = (
            *study.thermal.name,
            *study.renewables.name,
            *study.storage.name,
            *study.exchange.name,
            *study.flexible.name,
        )
        values = np.vstack(
            [
                self.power_mw,
                self.renewable_mw,
                self.discharge_mw - self.charge_mw,
                self.import_mw,
                -self.flexible_mw,
            ]
        )
        return pd.DataFrame(values.T, index=study.time, columns=list(columns))

    def branches(self) -> pd.DataFrame:
        """Return one row per branch and period: flow_mw and loading_percent (NaN if unrated)."""
        grid, T = self.study.grid, self.study.n_periods
        flow = self.flow_mw()
        rating = np.where(grid.is_rated, grid.rating_mw, np.nan)[:, np.newaxis]
        return pd.DataFrame(
            {
                "branch": np.repeat(np.array(grid.branch_name, dtype=object), T),
                "period": np.tile(np.arange(T), grid.n_branches),
                "flow_mw": flow.ravel(),
                "loading_percent": (100.0 * np.abs(flow) / rating).ravel(),
            }
        )

    def facts(self) -> dict[str, str]:
        """Return what it comes to, in words: units on, and energy by kind of element."""
        study, on = self.study, self.committed.sum(axis=0)
        energy = {
            "thermal": self.power_mw,
            "renewable": self.renewable_mw,
            "charged": self.charge_mw,
            "discharged": self.discharge_mw,
            "imported": self.import_mw,
            "unserved": self.unserved_mw,
            "surplus": self.surplus_mw,
        }
        hours = study.period_h
        return {
            "units on": f"{on.min(initial=0)} to {on.max(initial=0)} of {len(study.thermal)}",
            **{name: f"{mw.sum() * hours:,.1f} MWh" for name, mw in energy.items() if mw.any()},
        }

    def plot(self) -> Any:
        """Draw the dispatch stack: see `gridopt.plots.dispatch`, and there for other figures."""
        return figure("plots.dispatch", self)

    def _repr_html_(self) -> str:
        study = self.study
        length = f"{study.n_periods} periods of {study.period_h:g} h, {self.network}"
        return card(f"Schedule of {study.name}: {length}", self.facts().items())


@dataclass(frozen=True, eq=False)
class ScenarioSchedules:
    """A plan for a study with scenarios: one commitment, and a dispatch for each scenario.

    Parameters
    ----------
    study : Study
        With its scenarios.
    schedules : tuple of Schedule
        One a scenario, in the study's order, for the study in which that scenario is certain.
    """

    study: Study
    schedules: tuple[Schedule, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenarios."""
        return tuple(scenario.name for scenario in self.study.scenarios)

    @property
    def committed(self) -> BoolArray:
        """What is on in every scenario, (G, T)."""
        return np.asarray(np.all([schedule.committed for schedule in self.schedules], axis=0))

    def units(self) -> pd.DataFrame:
        """Return `Schedule.units` of every scenario, with its name in a first column."""
        tables = [schedule.units() for schedule in self.schedules]
        return pd.concat(tables, keys=self.names, names=["scenario", None]).reset_index("scenario")

    def dispatch(self) -> pd.DataFrame:
        """Return `Schedule.dispatch` of every scenario: time × (scenario, element)."""
        tables = [schedule.dispatch() for schedule in self.schedules]
        return pd.concat(tables, axis="columns", keys=self.names, names=["scenario", "element"])

    def plot(self, scenario: str = "") -> Any:
        """Draw the dispatch stack of one scenario, the most probable one unless named.

        Raises
        ------
        UnknownNameError
        """
        if scenario and scenario not in self.names:
            raise UnknownNameError("scenario", scenario, self.names)
        share = [it.probability for it in self.study.scenarios]
        chosen = self.names.index(scenario) if scenario else int(np.argmax(share))
        return self.schedules[chosen].plot()

    def _repr_html_(self) -> str:
        rows = [
            (f"{name}, probability {scenario.probability:.3g}", ", ".join(map(" ".join, facts)))
            for name, scenario, facts in zip(
                self.names,
                self.study.scenarios,
                (schedule.facts().items() for schedule in self.schedules),
                strict=True,
            )
        ]
        return card(f"One commitment of {self.study.name}, {len(rows)} scenarios", rows)


Plan = Schedule | ScenarioSchedules
"""How everything runs."""
