"""What units and exchanges give at a price, and the price at which they serve a demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray
from gridopt.study import Study

BISECTIONS = 60

FLATTEST = 1e-3
"""Least rise of a marginal cost over a segment, as a share of it: flat ones have no one answer."""

FLATTEST_MARKET = 1e-6
"""Least rise of an exchange's price, $/MWh a MW."""


@dataclass(frozen=True, eq=False)
class Supply:
    """The supply curve of a study, each period by itself: no ramps and no network.

    Parameters
    ----------
    study : Study
    of_unit : scipy.sparse.csr_array, (G, K)
        1 where a cost segment belongs to a unit.
    first_per_mwh, rise_per_mw2h, width_mw : array, (K,)
        Marginal cost at the start of each segment, its rise with each MW, and its length.
    """

    study: Study
    of_unit: sparse.csr_array
    first_per_mwh: FloatArray
    rise_per_mw2h: FloatArray
    width_mw: FloatArray

    @staticmethod
    def of(study: Study) -> Supply:
        """Return the supply curve of a study."""
        curves = study.thermal.cost
        count = [len(curve.widths_mw) for curve in curves]
        owner = np.repeat(np.arange(len(curves)), count)
        width = np.concatenate([curve.widths_mw for curve in curves])
        slope = np.concatenate([curve.slopes_per_mwh for curve in curves])
        start = np.concatenate([np.asarray(curve.power_mw[:-1]) for curve in curves])
        rise = 2.0 * np.repeat([curve.quadratic for curve in curves], count)
        least = FLATTEST * np.maximum(np.abs(slope), 1.0) / width
        own = sparse.csr_array(
            (np.ones(len(owner)), (owner, np.arange(len(owner)))), shape=(len(curves), len(owner))
        )
        return Supply(study, own, slope + rise * start, np.maximum(rise, least), width)

    def units_mw(self, price_per_mwh: FloatArray) -> FloatArray:
        """Return the best output of each unit that is on at the price of each period, (G, T)."""
        above = (price_per_mwh - self.first_per_mwh[:, np.newaxis]) / self.rise_per_mw2h[:, None]
        filled = np.clip(above, 0.0, self.width_mw[:, np.newaxis])
        return np.asarray(self.study.thermal.p_min_mw[:, np.newaxis] + self.of_unit @ filled)

    def exchanges_mw(self, price_per_mwh: FloatArray) -> FloatArray:
        """Return what exchanges import in all at the price of each period, (T,)."""
        market = self.study.exchange
        slope = np.maximum(market.slope_per_mw2h, FLATTEST_MARKET)
        wanted = (price_per_mwh - market.price_per_mwh) / slope
        low, high = -market.export_max_mw[:, np.newaxis], market.import_max_mw[:, np.newaxis]
        return np.asarray(np.clip(wanted, low, high).sum(axis=0))

    def price_per_mwh(self, on: BoolArray, served_mw: FloatArray) -> FloatArray:
        """Return the price at which the units that are on, (G, T), and exchanges serve (T,).

        It stays between the cheapest and the dearest answer of all, where demand is out of reach.
        """
        low, high = self._price_range(served_mw)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            given = (self.units_mw(middle) * on).sum(axis=0) + self.exchanges_mw(middle)
            short = given < served_mw
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.asarray(high)

    def _price_range(self, served_mw: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return prices below and above what anybody asks: of a unit, also its mean cost."""
        units, market = self.study.thermal, self.study.exchange
        last = self.first_per_mwh + self.rise_per_mw2h * self.width_mw
        full = [
            float(curve.cost(np.array(most))) / max(most, 1.0)
            for curve, most in zip(units.cost, units.p_max_mw, strict=True)
        ]
        reach = market.slope_per_mw2h * np.abs(served_mw).max(initial=0.0)
        nothing = np.zeros((0, len(served_mw)))
        asked = market.price_per_mwh if len(market) else nothing
        low = np.minimum(self.first_per_mwh.min(), (asked - reach).min(axis=0, initial=np.inf))
        dearest = max(float(last.max()), *full)
        high = np.maximum(dearest, (asked + reach).max(axis=0, initial=-np.inf))
        return low, high
