"""What ties the units of a study together: reserve requirements and limits on energy or fuel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray, freeze
from gridopt.errors import Issue

SPINNING, NONSPINNING, REGULATION_UP, REGULATION_DOWN = (
    "spinning",
    "nonspinning",
    "regulation_up",
    "regulation_down",
)
KINDS = (SPINNING, NONSPINNING, REGULATION_UP, REGULATION_DOWN)


@dataclass(frozen=True, eq=False)
class Reserves:
    """Reserve products that units may hold, and what is required of them: P products, K rows.

    A MW of a product that a unit holds counts towards every requirement of that product whose
    zone has the unit's bus; different products take different MW. What each kind asks of a unit:

    - ``spinning``, ``regulation_up``: the unit is on; power and these together keep its output
      limit and its upward ramp.
    - ``regulation_down``: the unit is on; power less this keeps its minimum and downward ramp.
    - ``nonspinning``: the unit is off and might start, by its minimum down time.

    Parameters
    ----------
    product : tuple of str, (P,)
        Unique names.
    kind : tuple of str, (P,)
        One of `KINDS`.
    offer_max_mw : array, (P, G) or (P, 1)
        Most that a unit may hold; 0 where it may hold none, inf without a limit of its own.
    offer_cost_per_mwh : array, (P, G) or (P, 1)
        Money per MW held for an hour.
    requirement : tuple of str, (K,)
        Unique names of the requirements.
    of_product : array of int, (K,)
        Position in `product`.
    zone : array of bool, (K, B) or (K, 1)
        Buses whose units count.
    required_mw : array, (K, T)
    shortage_cost_per_mwh : array, (K,)
        Price of what is missing; inf where nothing may be missing.
    """

    product: tuple[str, ...]
    kind: tuple[str, ...]
    offer_max_mw: FloatArray
    offer_cost_per_mwh: FloatArray
    requirement: tuple[str, ...]
    of_product: IntArray
    zone: BoolArray
    required_mw: FloatArray
    shortage_cost_per_mwh: FloatArray

    def __post_init__(self) -> None:
        freeze(
            self,
            floats="offer_max_mw offer_cost_per_mwh required_mw shortage_cost_per_mwh",
            integers="of_product",
            booleans="zone",
        )

    def __len__(self) -> int:
        return len(self.product)

    @staticmethod
    def none(n_periods: int) -> Reserves:
        """Return no product and no requirement."""
        nothing, rows = np.zeros((0, 1)), np.zeros((0, n_periods))
        no_product = np.zeros(0, dtype=np.int64)
        return Reserves(
            (), (), nothing, nothing, (), no_product, np.zeros((0, 1), np.bool_), rows, np.zeros(0)
        )

    @staticmethod
    def spinning(required_mw: FloatArray) -> Reserves:
        """Return spinning reserve asked of all thermal units together, (T,), none to be missing.

        No requirement at all where every period asks for 0.
        """
        required = np.atleast_2d(np.asarray(required_mw, dtype=np.float64))
        if not required.any():
            return Reserves.none(required.shape[1])
        return Reserves(
            product=(SPINNING,),
            kind=(SPINNING,),
            offer_max_mw=np.full((1, 1), np.inf),
            offer_cost_per_mwh=np.zeros((1, 1)),
            requirement=(SPINNING,),
            of_product=np.zeros(1, dtype=np.int64),
            zone=np.ones((1, 1), dtype=np.bool_),
            required_mw=required,
            shortage_cost_per_mwh=np.full(1, np.inf),
        )

    def spread(self, n_units: int, n_buses: int) -> Reserves:
        """Return the same with offers per unit and zones per bus."""

        def over(array: Any, n: int) -> Any:
            return np.broadcast_to(array, (len(array), n)) if array.shape[1:] == (1,) else array

        return replace(
            self,
            offer_max_mw=over(self.offer_max_mw, n_units),
            offer_cost_per_mwh=over(self.offer_cost_per_mwh, n_units),
            zone=over(self.zone, n_buses),
        )

    def during(self, hours: slice) -> Reserves:
        """Return some of the periods."""
        return replace(self, required_mw=self.required_mw[:, hours])

    def products(self, *kinds: str) -> IntArray:
        """Return positions of the products of some kinds."""
        return np.array([p for p, kind in enumerate(self.kind) if kind in kinds], dtype=np.int64)

    def total_required_mw(self) -> FloatArray:
        """Return the sum over all requirements, (T,)."""
        return np.asarray(self.required_mw.sum(axis=0))

    def issues(self) -> Iterator[Issue]:
        """Yield what no reserve can be."""
        for name, kind in zip(self.product, self.kind, strict=True):
            if kind not in KINDS:
                yield Issue(f"reserve {name}", "kind", kind, " or ".join(KINDS))
        if (np.isnan(self.offer_max_mw) | (self.offer_max_mw < 0)).any():
            low = float(self.offer_max_mw.min())
            yield Issue("reserves", "offer_max_mw", low, "at least 0")
        if not (np.isfinite(self.offer_cost_per_mwh) & (self.offer_cost_per_mwh >= 0)).all():
            low = float(self.offer_cost_per_mwh.min())
            yield Issue("reserves", "offer_cost_per_mwh", low, "at least 0")
        for k, name in enumerate(self.requirement):
            required, price = self.required_mw[k], float(self.shortage_cost_per_mwh[k])
            where = f"reserve requirement {name}"
            if not (np.isfinite(required) & (required >= 0)).all():
                yield Issue(where, "required_mw", float(required.min()), "at least 0")
            if not price >= 0:
                yield Issue(where, "shortage_cost_per_mwh", price, "at least 0, or inf")
            if not 0 <= self.of_product[k] < len(self.product):
                expected = f"0 to {len(self.product) - 1}"
                yield Issue(where, "of_product", int(self.of_product[k]), expected)


@dataclass(frozen=True, eq=False)
class EnergyLimits:
    """Limits on energy or fuel over all periods (reservoirs, fuel budgets, contracts): E of them.

    What a limit counts is Σ_t h · (Σ_g per_mwh p_gt + per_h u_gt + Σ_r renewable_per_mwh p_rt),
    in the limit's own unit: MWh of water, GJ or t of fuel.

    Parameters
    ----------
    name : tuple of str, (E,)
        Unique names.
    thermal_per_mwh, thermal_per_h : array, (E, G)
        What a unit takes per MWh produced, and per hour on.
    renewable_per_mwh : array, (E, R)
    least, most : array, (E,)
        −inf and inf where there is no limit.
    """

    name: tuple[str, ...]
    thermal_per_mwh: FloatArray
    thermal_per_h: FloatArray
    renewable_per_mwh: FloatArray
    least: FloatArray
    most: FloatArray

    def __post_init__(self) -> None:
        freeze(self, floats="thermal_per_mwh thermal_per_h renewable_per_mwh least most")

    def __len__(self) -> int:
        return len(self.name)

    @staticmethod
    def none(n_units: int = 0, n_renewables: int = 0) -> EnergyLimits:
        """Return no limit."""
        thermal = np.zeros((0, n_units))
        return EnergyLimits(
            (), thermal, thermal, np.zeros((0, n_renewables)), np.zeros(0), np.zeros(0)
        )

    def scaled(self, share: float) -> EnergyLimits:
        """Return the limits for a part of the periods, in proportion."""
        return replace(self, least=self.least * share, most=self.most * share)

    def issues(self) -> Iterator[Issue]:
        """Yield what no limit can be."""
        for e, name in enumerate(self.name):
            low, high = float(self.least[e]), float(self.most[e])
            if not low <= high:
                yield Issue(f"energy limit {name}", "least", low, f"at most {high:g}")
            rates = np.concatenate(
                [self.thermal_per_mwh[e], self.thermal_per_h[e], self.renewable_per_mwh[e]]
            )
            if not np.isfinite(rates).all():
                yield Issue(f"energy limit {name}", "rates", "not a number", "numbers")
