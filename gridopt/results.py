"""The decoded plan: what each unit does in each period, and what is wrong with it if anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gridopt.arrays import BoolArray, FloatArray, frozen
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
    power_mw, reserve_mw : array, (G, T)
        Of the thermal units.
    renewable_mw : array, (R, T)
    charge_mw, discharge_mw, soc_mwh : array, (S, T)
        Of the storage; state of charge at the end of each period.
    import_mw : array, (X, T)
        Of the exchange; negative is export.
    unserved_mw, surplus_mw : array, (B, T)
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

    def __post_init__(self) -> None:
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
        return injection

    def flow_mw(self) -> FloatArray:
        """Return the DC flow of each branch, (L, T)."""
        return self.study.grid.flows(self.injection_mw())

    def units(self) -> pd.DataFrame:
        """Return one row per generator and period: the table of ``schedule.csv``.

        Returns
        -------
        DataFrame
            Columns generator, period (from 0), committed (0 or 1), power_mw, reserve_mw; thermal
            units first, then renewables, which are always committed and hold no reserve.
        """
        T = self.study.n_periods
        names = (*self.study.thermal.name, *self.study.renewables.name)
        on = np.vstack([self.committed.astype(np.int64), np.ones_like(self.renewable_mw, np.int64)])
        reserve = np.vstack([self.reserve_mw, np.zeros_like(self.renewable_mw)])
        return pd.DataFrame(
            {
                "generator": np.repeat(np.array(names, dtype=object), T),
                "period": np.tile(np.arange(T), len(names)),
                "committed": on.ravel(),
                "power_mw": np.vstack([self.power_mw, self.renewable_mw]).ravel(),
                "reserve_mw": reserve.ravel(),
            }
        )

    def dispatch(self) -> pd.DataFrame:
        """Return time × element: MW of every thermal unit, renewable, storage and exchange."""
        study = self.study
        columns = (
            *study.thermal.name,
            *study.renewables.name,
            *study.storage.name,
            *study.exchange.name,
        )
        values = np.vstack(
            [self.power_mw, self.renewable_mw, self.discharge_mw - self.charge_mw, self.import_mw]
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
