"""What feeds in or takes out beside thermal units: renewables, storage, trade, demand, slacks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.program import ProgramBuilder
from gridopt.study import Study


class Kind(Enum):
    """What feeds in, as far as blocks tell it apart."""

    THERMAL = "thermal"
    RENEWABLE = "renewable"
    EXCHANGE = "exchange"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Injection:
    """Columns that inject into buses: coefficient · x of row i enters at bus[i].

    Parameters
    ----------
    bus : array of int, (N,)
    coefficient : array, (N,)
        MW a unit of the column; negative for what takes out.
    columns : array of int, (N, T)
    kind : Kind
        Of what feeds in.
    """

    bus: IntArray
    coefficient: FloatArray
    columns: IntArray
    kind: Kind = Kind.OTHER


def renewables(b: ProgramBuilder, study: Study) -> list[Injection]:
    """Add output between what must be taken and what is available; the rest is curtailed."""
    renewable = study.renewables
    if not len(renewable):
        return []
    shape = renewable.p_max_mw.shape
    power = b.variable("renewable_mw", shape, renewable.p_min_mw, renewable.p_max_mw)
    b.minimize(study.period_h * renewable.cost_per_mwh[:, np.newaxis], power)
    return [Injection(renewable.bus, np.ones(len(renewable)), power, Kind.RENEWABLE)]


def storage(b: ProgramBuilder, study: Study) -> list[Injection]:
    """Add charge, discharge and state of charge: e_t = κ e_{t−1} + h (η_c c_t − d_t / η_d).

    κ is what a period's losses leave; the last e keeps the end condition. A 0/1 column keeps
    charge and discharge apart, which negative prices would otherwise mix (Taylor 2015, "Convex
    optimization of power systems", §5).
    """
    units, h, T = study.storage, study.period_h, study.n_periods
    if not len(units):
        return []
    shape = len(units), T
    charge_max, discharge_max = units.charge_max_mw[:, None], units.discharge_max_mw[:, None]
    charge = b.variable("charge_mw", shape, upper=charge_max)
    discharge = b.variable("discharge_mw", shape, upper=discharge_max)
    charging = b.binary("charging", shape)
    low, high = _soc_limits(study)
    soc = b.variable("soc_mwh", shape, low, high)
    b.minimize(h * units.charge_cost_per_mwh[:, None], charge)
    b.minimize(h * units.discharge_cost_per_mwh[:, None], discharge)
    b.constrain("charge_mode", (1.0, charge), (-charge_max, charging), upper=0.0)
    b.constrain("discharge_mode", (1.0, discharge), (discharge_max, charging), upper=discharge_max)
    gain, loss = -h * units.charge_efficiency[:, None], h / units.discharge_efficiency[:, None]
    kept = units.kept_per_period(h)[:, None]
    first = (1.0, soc[:, :1]), (gain, charge[:, :1]), (loss, discharge[:, :1])
    b.constrain("initial_soc", *first, equal=kept * units.initial_soc_mwh[:, None])
    b.constrain(
        "soc",
        (1.0, soc[:, 1:]),
        (-kept, soc[:, :-1]),
        (gain, charge[:, 1:]),
        (loss, discharge[:, 1:]),
        equal=0.0,
    )
    return [
        Injection(units.bus, np.ones(len(units)), discharge),
        Injection(units.bus, -np.ones(len(units)), charge),
    ]


def _soc_limits(study: Study) -> tuple[FloatArray, FloatArray]:
    """Return limits of the state of charge, the end condition among them, (S, T) each."""
    units, T = study.storage, study.n_periods
    low = np.repeat(units.energy_min_mwh[:, np.newaxis], T, axis=1)
    high = np.repeat(units.energy_max_mwh[:, np.newaxis], T, axis=1)
    low[:, -1] = np.maximum(low[:, -1], units.final_soc_min_mwh)
    high[:, -1] = np.minimum(high[:, -1], units.final_soc_max_mwh)
    return low, high


def exchange(b: ProgramBuilder, study: Study) -> list[Injection]:
    """Add import m (export below zero) at price · m + slope · m² / 2."""
    market, h = study.exchange, study.period_h
    if not len(market):
        return []
    power = b.variable(
        "import_mw",
        market.price_per_mwh.shape,
        -market.export_max_mw[:, np.newaxis],
        market.import_max_mw[:, np.newaxis],
    )
    b.minimize(h * market.price_per_mwh, power)
    b.minimize_product(h * market.slope_per_mw2h / 2.0, power, power)
    return [Injection(market.bus, np.ones(len(market)), power, Kind.EXCHANGE)]


def flexible_demand(b: ProgramBuilder, study: Study) -> list[Injection]:
    """Add what is served between p_min and p_max at cost value · (p_max − served).

    Where interruptions are limited: h Σ_t (p_max − served) ≤ the limit. Price-sensitive demand
    as steps of a benefit curve: Kirschen & Strbac 2018, "Fundamentals of power system economics".
    """
    demand, h = study.flexible, study.period_h
    if not len(demand):
        return []
    served = b.variable("flexible_mw", demand.p_max_mw.shape, demand.p_min_mw, demand.p_max_mw)
    b.minimize(-h * demand.value_per_mwh[:, np.newaxis], served)
    wanted_mwh = h * demand.p_max_mw.sum(axis=1)
    b.minimize_constant(float(demand.value_per_mwh @ wanted_mwh))
    limited = np.flatnonzero(np.isfinite(demand.interruption_max_mwh))
    if len(limited):
        least = wanted_mwh[limited] - demand.interruption_max_mwh[limited]
        b.constrain("interruption", (h, served[limited]), lower=least)
    return [Injection(demand.bus, -np.ones(len(demand)), served)]


def unserved_and_surplus(
    b: ProgramBuilder, study: Study, thermal_max_mw: float, by_bus: bool
) -> list[Injection]:
    """Add demand not served and energy not taken, where the study has a price for them.

    One column a period for the system, or one a period and bus.
    """
    positive = np.maximum(study.demand_mw, 0.0)
    most = thermal_max_mw + study.renewables.p_max_mw.sum(axis=0).max(initial=0.0)
    most += study.storage.discharge_max_mw.sum() + study.exchange.import_max_mw.sum()
    most += np.maximum(-study.demand_mw, 0.0).sum(axis=0).max()
    bus = np.arange(study.grid.n_buses) if by_bus else np.zeros(1, dtype=np.int64)
    demand = positive if by_bus else positive.sum(axis=0, keepdims=True)
    shape = len(bus), study.n_periods
    found = []
    if study.unserved_cost_per_mwh is not None:
        unserved = b.variable("unserved_mw", shape, upper=demand)
        b.minimize(study.period_h * study.unserved_cost_per_mwh, unserved)
        found.append(Injection(bus, np.ones(len(bus)), unserved))
    if study.surplus_cost_per_mwh is not None:
        surplus = b.variable("surplus_mw", shape, upper=most)
        b.minimize(study.period_h * study.surplus_cost_per_mwh, surplus)
        found.append(Injection(bus, -np.ones(len(bus)), surplus))
    return found
