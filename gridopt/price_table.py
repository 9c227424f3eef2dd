"""What energy and reserve are worth, bus by bus and period by period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray, freeze
from gridopt.display import figure
from gridopt.results import Schedule

SYSTEM = "system"
"""Stands for the bus where all buses have one price."""


@dataclass(frozen=True, eq=False)
class Prices:
    """Marginal prices of a plan whose commitment is fixed; see `gridopt.prices`.

    Parameters
    ----------
    schedule : Schedule
        The best dispatch of the commitment, which the prices belong to.
    bus : tuple of str, (N,)
        Names of the buses; ``"system"`` alone where there is no network.
    energy_per_mwh : array, (T,)
        What one more MWh costs at the grid's reference bus.
    congestion_per_mwh : array, (N, T)
        What it costs more at each bus, for the limits of the network.
    reserve_per_mwh : array, (K, T)
        What one more MW asked of each reserve requirement costs for an hour.
    """

    schedule: Schedule
    bus: tuple[str, ...]
    energy_per_mwh: FloatArray
    congestion_per_mwh: FloatArray
    reserve_per_mwh: FloatArray

    def __post_init__(self) -> None:
        freeze(self, floats="energy_per_mwh congestion_per_mwh reserve_per_mwh")

    @property
    def price_per_mwh(self) -> FloatArray:
        """Locational marginal prices, energy and congestion together, (N, T)."""
        return np.asarray(self.energy_per_mwh + self.congestion_per_mwh)

    @property
    def congestion_rent(self) -> float:
        """What buyers pay above what sellers get: Σ h · price · (withdrawal − infeed), money.

        What phase shifters and shunts take counts as withdrawal. 0 without congestion.
        """
        study = self.schedule.study
        taken = study.grid.offset_mw[:, np.newaxis] - self.schedule.injection_mw()
        return float(study.period_h * (self.price_per_mwh * taken).sum())

    def by_bus(self) -> pd.DataFrame:
        """Return time × bus: prices per MWh."""
        return pd.DataFrame(
            self.price_per_mwh.T, index=self.schedule.study.time, columns=list(self.bus)
        )

    def reserves(self) -> pd.DataFrame:
        """Return time × requirement: prices of reserve per MW and hour."""
        study = self.schedule.study
        return pd.DataFrame(
            self.reserve_per_mwh.T, index=study.time, columns=list(study.reserves.requirement)
        )

    def table(self) -> pd.DataFrame:
        """Return one row a bus and period: the table of ``prices.csv``.

        Returns
        -------
        DataFrame
            Columns period (from 0), bus, price, energy and congestion per MWh, price being the
            sum of the other two, and ``reserve:NAME`` of each reserve requirement, which is the
            same at all buses.
        """
        n, T = self.congestion_per_mwh.shape
        reserves = zip(self.schedule.study.reserves.requirement, self.reserve_per_mwh, strict=True)
        return pd.DataFrame(
            {
                "period": np.tile(np.arange(T), n),
                "bus": np.repeat(np.array(self.bus, dtype=object), T),
                "price": self.price_per_mwh.ravel(),
                "energy": np.tile(self.energy_per_mwh, n),
                "congestion": self.congestion_per_mwh.ravel(),
                **{f"reserve:{name}": np.tile(price, n) for name, price in reserves},
            }
        )

    def plot(self) -> Any:
        """Draw prices over time: see `gridopt.plots.prices`."""
        return figure("plots.prices", self)
