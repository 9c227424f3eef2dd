"""Where batteries are built, how many modules of which kind, and how they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.formulations.blocks.injections import Injection, Kind
from gridopt.formulations.blocks.reserves import Others, reserve_block
from gridopt.program import Integrality, ProgramBuilder, Term
from gridopt.requirements import SPINNING
from gridopt.study import Study


@dataclass(frozen=True, eq=False)
class Choice:
    """Columns of what is built: C candidates, M kinds of module.

    Parameters
    ----------
    modules : array of int, (C, M)
        Number of modules.
    """

    modules: IntArray

    @property
    def units(self) -> IntArray:
        """The same for each candidate and kind, candidates first, (C·M, 1)."""
        return self.modules.reshape(-1, 1)


def site_choice(b: ProgramBuilder, study: Study) -> Choice:
    """Add n modules at each site: few enough for site, budget and number of sites.

    Σ_m n_cm between the least and the most times z_c, Σ_c z_c = the number of sites,
    Σ investment · n ≤ the budget. One kind of which a site gets one is its own z; where sites are
    not counted and none has a least number of modules, there is no z.
    """
    sites = study.sites
    shape = len(sites), len(sites.modules)
    number = b.variable("modules", shape, upper=sites.modules_max, integrality=Integrality.INTEGER)
    hours = study.period_h * study.n_periods
    b.minimize(sites.module_cost(hours), number)
    if shape[1] == 1 and sites.modules_max == 1:
        _count_sites(b, study, number[:, 0])
    elif sites.count is None and sites.modules_min == 1:
        full = np.full(shape[0], float(sites.modules_max))
        b.constrain("site_most", (1.0, number), upper=full)
    else:
        site = b.binary("site", shape[:1])
        most, least = sites.modules_max, sites.modules_min
        b.constrain("site_most", (1.0, number), (-most, site), upper=0.0)
        b.constrain("site_least", (1.0, number), (-least, site), lower=0.0)
        _count_sites(b, study, site)
    if sites.budget is not None:
        cost = np.broadcast_to(sites.modules.investment_cost, shape)
        row = (cost.reshape(1, -1), number.reshape(1, -1))
        b.constrain("budget", row, upper=np.array([sites.budget]))
    return Choice(number)


def _count_sites(b: ProgramBuilder, study: Study, site: IntArray) -> None:
    count = study.sites.count
    if count is not None:
        b.constrain("site_count", (1.0, site[np.newaxis]), equal=np.array([float(count)]))


@dataclass(frozen=True, eq=False)
class Batteries:
    """What batteries feed in, and what they hold of reserve products where they may."""

    injections: list[Injection]
    reserve: Others | None = None


def batteries(b: ProgramBuilder, study: Study, choice: Choice, is_exclusive: bool) -> Batteries:
    """Add charge c, discharge d and energy e of the batteries built, each candidate and kind.

    c + d ≤ P n, e ≤ E n and e_t = e_{t−1} + h (η_c c_t − d_t / η_d), as full after the last
    period as before the first. Each MWh discharged costs its degradation.

    Parameters
    ----------
    b : ProgramBuilder
    study : Study
    choice : Choice
    is_exclusive : bool
        Whether a 0/1 column keeps charge and discharge apart, which is needed where it can pay to
        waste energy.
    """
    sites, h = study.sites, study.period_h
    kinds = sites.modules
    if not sites.is_optimized:
        return Batteries([_by_profile(b, study, choice)])
    shape = len(sites) * len(kinds), study.n_periods
    power, usable, gain, drawn, wear = (
        np.tile(value, len(sites))[:, np.newaxis]
        for value in (
            kinds.power_mw,
            kinds.usable_mwh,
            h * kinds.charge_efficiency,
            h / kinds.discharge_efficiency,
            h * kinds.degradation_cost_per_mwh,
        )
    )
    most = sites.modules_max
    charge = b.variable("battery_charge_mw", shape, upper=most * power)
    discharge = b.variable("battery_discharge_mw", shape, upper=most * power)
    soc = b.variable("battery_soc_mwh", shape, upper=most * usable)
    number = choice.units
    b.minimize(wear, discharge)
    b.constrain("battery_power", (1.0, charge), (1.0, discharge), (-power, number), upper=0.0)
    b.constrain("battery_energy", (1.0, soc), (-usable, number), upper=0.0)
    before = np.roll(soc, 1, axis=1)
    b.constrain(
        "battery_soc", (1.0, soc), (-1.0, before), (-gain, charge), (drawn, discharge), equal=0.0
    )
    if is_exclusive:
        charging = b.binary("battery_charging", shape)
        b.constrain("battery_charge", (1.0, charge), (-most * power, charging), upper=0.0)
        b.constrain(
            *("battery_discharge", (1.0, discharge), (most * power, charging)),
            upper=most * power,
        )
    bus = np.repeat(sites.bus, len(kinds))
    running = _Running(bus, charge, discharge, soc, power, drawn)
    return Batteries(
        [
            Injection(bus, np.ones(len(bus)), discharge),
            Injection(bus, -np.ones(len(bus)), charge),
        ],
        _reserve(b, study, choice, running),
    )


class _Running(NamedTuple):
    """Columns of how batteries run, (C·M, T) each, and their P and h / η_d, (C·M, 1)."""

    bus: IntArray
    charge: IntArray
    discharge: IntArray
    soc: IntArray
    power_mw: FloatArray
    drawn: FloatArray


def _reserve(b: ProgramBuilder, study: Study, choice: Choice, running: _Running) -> Others | None:
    """Add spinning reserve r ≥ 0 of batteries: d − c + Σ r ≤ P n, and (h / η_d) Σ r ≤ e.

    They can give more than they do by what is left of their power, and for a period at least.
    """
    products = study.reserves.products(SPINNING)
    if not (study.sites.holds_reserve and len(products)):
        return None
    held = [
        b.variable(f"battery_{reserve_block(study.reserves.product[p])}", running.soc.shape)
        for p in products
    ]
    spun: list[Term] = [(1.0, columns) for columns in held]
    power = (1.0, running.discharge), (-1.0, running.charge), (-running.power_mw, choice.units)
    b.constrain("battery_reserve_power", *spun, *power, upper=0.0)
    lasting: list[Term] = [(running.drawn, columns) for columns in held]
    b.constrain("battery_reserve_energy", *lasting, (-1.0, running.soc), upper=0.0)
    n = len(running.bus)
    return Others(np.tile(running.bus, len(products)), np.repeat(products, n), np.concatenate(held))


def _by_profile(b: ProgramBuilder, study: Study, choice: Choice) -> Injection:
    """Add p = P n times what the profile says."""
    sites, kinds = study.sites, study.sites.modules
    each_mw = np.tile(kinds.power_mw[:, np.newaxis] * sites.profile, (len(sites), 1))
    most = sites.modules_max * np.abs(each_mw)
    power = b.variable("battery_mw", each_mw.shape, -most, most)
    b.constrain("battery_profile", (1.0, power), (-each_mw, choice.units), equal=0.0)
    wear = np.tile(kinds.degradation_cost_per_mwh[:, np.newaxis], (len(sites), 1))
    b.minimize(study.period_h * wear * np.maximum(each_mw, 0.0), _over(choice, each_mw.shape))
    bus = np.repeat(sites.bus, len(kinds))
    return Injection(bus, np.ones(len(bus)), power)


def _over(choice: Choice, shape: tuple[int, ...]) -> IntArray:
    return np.broadcast_to(choice.units, shape)


def peak(b: ProgramBuilder, study: Study) -> IntArray | None:
    """Add the highest power taken at the reference bus, where it costs something."""
    if not study.sites.peak_cost_per_mw:
        return None
    here, units, traded = study.grid.reference_bus, study.thermal, study.exchange
    most = units.p_max_mw[units.bus == here].sum() + traded.import_max_mw[traded.bus == here].sum()
    column = b.variable("peak_mw", (), upper=float(most))
    b.minimize(study.sites.peak_cost_per_mw, column)
    return column


def below_peak(
    b: ProgramBuilder, study: Study, highest: IntArray, injections: list[Injection]
) -> None:
    """Keep what units and trade feed in at the reference bus below the peak."""
    terms: list[Term] = [(1.0, np.broadcast_to(highest, (study.n_periods,)))]
    for part in injections:
        here = np.flatnonzero(part.bus == study.grid.reference_bus)
        if len(here) and part.kind in (Kind.THERMAL, Kind.EXCHANGE):
            terms.append((-part.coefficient[here], part.columns[here].T))
    b.constrain("peak", *terms, lower=0.0)
