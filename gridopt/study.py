"""The study: a grid, its units and its hours, as frozen and checked arrays.

Units are MW, MWh, h and the money of the input (label free). Arrays over elements and periods
have the element first: ``demand_mw[bus, period]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray, IntArray, freeze
from gridopt.display import card, figure
from gridopt.elements import Exchange, FlexibleDemand, Renewables, Storage, ThermalUnits
from gridopt.errors import Issue, StudyError, raise_if_any
from gridopt.feeder import Feeder
from gridopt.grid import Grid
from gridopt.requirements import EnergyLimits, Reserves
from gridopt.sites import Sites

CAPACITY_TOLERANCE_MW = 1e-6

FREE, FORCED_OUT, FIXED_ON = -1, 0, 1
"""Values of `Study.fixed_status`."""


@dataclass(frozen=True, eq=False)
class Scenario:
    """What demand, infeeds and prices may turn out to be, once units are committed.

    Parameters
    ----------
    name : str
    probability : float
        More than 0; those of a study add up to 1.
    demand_mw : array, (B, T)
    renewable_min_mw, renewable_max_mw : array, (R, T)
    price_per_mwh : array, (X, T), or empty
        Of `Study.exchange`; empty where it is the study's.
    loss_cost_per_mwh : array, (T,), or empty
        Of `Study.sites`; empty where it is the study's, whatever the price here.
    """

    name: str
    probability: float
    demand_mw: FloatArray
    renewable_min_mw: FloatArray
    renewable_max_mw: FloatArray
    price_per_mwh: FloatArray = field(default_factory=partial(np.zeros, (0, 0)))
    loss_cost_per_mwh: FloatArray = field(default_factory=partial(np.zeros, 0))

    def __post_init__(self) -> None:
        freeze(
            self,
            floats="demand_mw renewable_min_mw renewable_max_mw price_per_mwh loss_cost_per_mwh",
        )

    def during(self, hours: slice) -> Scenario:
        """Return some of the periods."""
        return replace(
            self,
            demand_mw=self.demand_mw[:, hours],
            renewable_min_mw=self.renewable_min_mw[:, hours],
            renewable_max_mw=self.renewable_max_mw[:, hours],
            price_per_mwh=self.price_per_mwh[:, hours],
            loss_cost_per_mwh=self.loss_cost_per_mwh[hours],
        )


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that a plan is made for: B buses, T periods.

    Parameters
    ----------
    name : str
    grid : Grid
    time : pandas.Index, (T,)
        Period-beginning labels: time-zone-aware time stamps, or period numbers.
    period_h : float
        Length of every period.
    demand_mw : array, (B, T)
    thermal : ThermalUnits
    renewables : Renewables
    storage : Storage
    exchange : Exchange
    reserves : Reserves
        Products, zones and requirements; `Reserves.spinning` for one of the whole system.
    flexible : FlexibleDemand
        Demand beside `demand_mw` that answers to prices.
    energy_limits : EnergyLimits
    fixed_status : array of int, (G, T)
        `FREE`, `FORCED_OUT` or `FIXED_ON` in each period.
    sites : Sites
        Where batteries may be placed, for the problem that places them; nowhere unless given.
    feeder : Feeder or None
        Voltages and losses of a radial grid, always the study's; None where the grid is none, or
        they are not known.
    scenarios : tuple of Scenario
        What demand, infeeds and prices may turn out to be; empty where those above are certain.
    unserved_cost_per_mwh, surplus_cost_per_mwh : float or None
        Price of demand not served, and of energy nobody takes; None allows neither.
    assumptions : tuple of str
        Numbers that were assumed, not read; shown with every result.
    net : pandapower net or None
        The net that the study came from, for power flow and for writing results back. Not part
        of the fingerprint: all that the optimization uses is in the arrays.

    Raises
    ------
    StudyError
        With every fault found.
    """

    name: str
    grid: Grid
    time: pd.Index
    period_h: float
    demand_mw: FloatArray
    thermal: ThermalUnits
    renewables: Renewables
    storage: Storage
    exchange: Exchange
    reserves: Reserves = field(default_factory=partial(Reserves.none, 0))
    flexible: FlexibleDemand = field(default_factory=partial(FlexibleDemand.none, 0))
    energy_limits: EnergyLimits = field(default_factory=EnergyLimits.none)
    fixed_status: IntArray = field(default_factory=partial(np.full, (1, 1), FREE))
    sites: Sites = field(default_factory=Sites)
    feeder: Feeder | None = None
    scenarios: tuple[Scenario, ...] = ()
    unserved_cost_per_mwh: float | None = None
    surplus_cost_per_mwh: float | None = None
    assumptions: tuple[str, ...] = ()
    net: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        freeze(self, floats="demand_mw")
        G, R, T = len(self.thermal), len(self.renewables), self.n_periods
        reserves = self.reserves if self.reserves.requirement else Reserves.none(T)
        spread = {
            "reserves": reserves.spread(G, self.grid.n_buses),
            "flexible": self.flexible if len(self.flexible) else FlexibleDemand.none(T),
            "energy_limits": self.energy_limits
            if len(self.energy_limits)
            else EnergyLimits.none(G, R),
        }
        if self.fixed_status.shape == (1, 1):
            spread["fixed_status"] = np.broadcast_to(self.fixed_status, (G, T))
        for name, value in spread.items():
            object.__setattr__(self, name, value)
        if self.feeder is not None and self.feeder.grid is not self.grid:
            object.__setattr__(self, "feeder", replace(self.feeder, grid=self.grid))
        freeze(self, integers="fixed_status")
        raise_if_any(list(_issues(self)))

    @property
    def n_periods(self) -> int:
        """Number of periods T."""
        return len(self.time)

    @property
    def total_demand_mw(self) -> FloatArray:
        """Demand of all buses, (T,)."""
        return np.asarray(self.demand_mw.sum(axis=0))

    @property
    def radial(self) -> Feeder:
        """The feeder.

        Raises
        ------
        StudyError
            Where the study has none.
        """
        if self.feeder is None:
            expected = "a radial net fed from one ext_grid, without gens"
            raise StudyError([Issue(f"study {self.name}", "feeder", None, expected)])
        return self.feeder

    def during(self, first: int, periods: int) -> Study:
        """Return some of the periods: limits over all periods are cut in proportion.

        The initial state stays; with `first` above 0 it is for the caller to replace.
        """
        hours = slice(first, first + periods)
        return replace(
            self,
            time=self.time[hours],
            demand_mw=self.demand_mw[:, hours],
            renewables=self.renewables.during(hours),
            exchange=self.exchange.during(hours),
            reserves=self.reserves.during(hours),
            flexible=self.flexible.during(hours),
            energy_limits=self.energy_limits.scaled(periods / self.n_periods),
            fixed_status=self.fixed_status[:, hours],
            sites=self.sites.during(hours),
            feeder=None if self.feeder is None else replace(self.feeder, corrections=()),
            scenarios=tuple(scenario.during(hours) for scenario in self.scenarios),
        )

    def in_scenario(self, scenario: Scenario) -> Study:
        """Return the study in which one scenario is certain."""
        feeder, exchange, sites = self.feeder, self.exchange, self.sites
        if feeder is not None and feeder.corrections:
            feeder = feeder.in_scenario(self.scenarios.index(scenario))
        if scenario.price_per_mwh.size:
            exchange = replace(exchange, price_per_mwh=scenario.price_per_mwh)
        if scenario.loss_cost_per_mwh.size:
            sites = replace(sites, loss_cost_per_mwh=scenario.loss_cost_per_mwh)
        return replace(
            self,
            name=f"{self.name}, {scenario.name}",
            demand_mw=scenario.demand_mw,
            renewables=replace(
                self.renewables,
                p_min_mw=scenario.renewable_min_mw,
                p_max_mw=scenario.renewable_max_mw,
            ),
            exchange=exchange,
            sites=sites,
            feeder=feeder,
            scenarios=(),
        )

    def steps(self, hours: FloatArray) -> IntArray:
        """Return hours as whole periods, rounded up."""
        return np.ceil(np.asarray(hours) / self.period_h - 1e-9).astype(np.int64)

    def held_periods(self) -> IntArray:
        """Return for how many first periods each unit must keep its initial status, (G,)."""
        units = self.thermal
        status = units.initial_status_h
        left_h = np.where(status > 0, units.min_up_time_h - status, units.min_down_time_h + status)
        return np.maximum(self.steps(left_h), 0)

    def fingerprint(self) -> str:
        """Return a SHA-256 over all data that enter the optimization, 16 hex digits of it."""
        digest = hashlib.sha256()
        for part in _flat(self):
            digest.update(part)
        return digest.hexdigest()[:16]

    def facts(self) -> dict[str, str]:
        """Return what it is about, in words: each fact by its name."""
        return dict(_facts(self))

    def plot(self) -> Any:
        """Draw what is asked of the system: see `gridopt.plots.demand`."""
        return figure("plots.demand", self)

    def _repr_html_(self) -> str:
        return card(f"Study {self.name}", self.facts().items())


def _flat(value: object) -> Iterator[bytes]:
    """Yield the bytes of every array and scalar in a dataclass, in order, nets left out."""
    if isinstance(value, np.ndarray):
        yield str((value.shape, value.dtype.str)).encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, pd.Index):
        yield "\n".join(map(str, value)).encode()
    elif hasattr(value, "__dataclass_fields__"):
        for item in fields(value):  # type: ignore[arg-type]
            if item.name != "net":
                yield item.name.encode()
                yield from _flat(getattr(value, item.name))
    elif isinstance(value, tuple):
        yield str(len(value)).encode()
        for item in value:
            yield from _flat(item)
    else:
        yield repr(value).encode()


def _facts(study: Study) -> Iterator[tuple[str, str]]:
    grid, time, demand = study.grid, study.time, study.total_demand_mw
    energy_mwh = float(demand.sum() * study.period_h)
    ends = f", {time[0]} to {time[-1]}" if len(time) else ""
    yield "periods", f"{study.n_periods} of {study.period_h:g} h{ends}"
    yield "grid", f"{grid.n_buses} buses, {grid.n_branches} branches, {grid.is_rated.sum()} rated"
    yield "units", f"{len(study.thermal)} thermal, {study.thermal.p_max_mw.sum():,.1f} MW"
    for name, group in (
        ("renewables", study.renewables),
        ("storage", study.storage),
        ("exchange", study.exchange),
        ("flexible demand", study.flexible),
        ("battery sites", study.sites),
    ):
        if len(group):
            yield name, str(len(group))
    yield "demand", f"{_span_mw(demand)}, {energy_mwh:,.1f} MWh in all"
    for name, required in zip(study.reserves.requirement, study.reserves.required_mw, strict=True):
        yield f"reserve {name}", _span_mw(required)
    for scenario in study.scenarios:
        yield f"scenario {scenario.name}", f"probability {scenario.probability:.3g}"
    yield "fingerprint", study.fingerprint()


def _span_mw(power: FloatArray) -> str:
    low, high = f"{power.min():,.1f}", f"{power.max():,.1f}"
    return f"{low} MW" if low == high else f"{low} to {high} MW"


def _issues(study: Study) -> Iterator[Issue]:
    yield from study.grid.issues()
    shaped = list(_shape_issues(study))
    yield from shaped
    yield from _name_issues(study)
    yield from study.thermal.issues()
    yield from study.renewables.issues()
    yield from study.storage.issues()
    yield from study.reserves.issues()
    yield from study.flexible.issues()
    yield from study.energy_limits.issues()
    yield from study.sites.issues(study.grid.bus_name, study.n_periods, study.period_h)
    if study.feeder is not None:
        yield from study.feeder.issues()
    yield from _number_issues(study)
    if not shaped:
        yield from _fixed_status_issues(study)
        yield from _capacity_issues(study)
        yield from _scenario_issues(study)


def _shape_issues(study: Study) -> Iterator[Issue]:
    B, T = study.grid.n_buses, study.n_periods
    G, R, D = len(study.thermal), len(study.renewables), len(study.flexible)
    P, K, E = len(study.reserves), len(study.reserves.requirement), len(study.energy_limits)
    expected = {
        "demand_mw": (B, T),
        "fixed_status": (G, T),
        "renewables.p_max_mw": (R, T),
        "renewables.p_min_mw": (R, T),
        "exchange.price_per_mwh": (len(study.exchange), T),
        "exchange.slope_per_mw2h": (len(study.exchange), T),
        "reserves.offer_max_mw": (P, G),
        "reserves.offer_cost_per_mwh": (P, G),
        "reserves.zone": (K, B),
        "reserves.required_mw": (K, T),
        "reserves.of_product": (K,),
        "reserves.shortage_cost_per_mwh": (K,),
        "flexible.p_min_mw": (D, T),
        "flexible.p_max_mw": (D, T),
        "flexible.value_per_mwh": (D,),
        "energy_limits.thermal_per_mwh": (E, G),
        "energy_limits.thermal_per_h": (E, G),
        "energy_limits.renewable_per_mwh": (E, R),
    }
    for name, shape in expected.items():
        found = attrgetter(name)(study).shape
        if found != shape:
            yield Issue("study", f"shape of {name}", found, str(shape))
    if T == 0:
        yield Issue("study", "periods", 0, "at least 1")
    if not study.period_h > 0:
        yield Issue("study", "period_h", study.period_h, "more than 0")


def _name_issues(study: Study) -> Iterator[Issue]:
    groups = (study.thermal, study.renewables, study.storage, study.exchange, study.flexible)
    names = {
        "element": [name for group in groups for name in group.name],
        "reserve": list(study.reserves.product),
        "reserve requirement": list(study.reserves.requirement),
        "energy limit": list(study.energy_limits.name),
        "scenario": [scenario.name for scenario in study.scenarios],
    }
    for kind, used in names.items():
        for name in sorted({name for name in used if used.count(name) > 1}):
            times = f"used {used.count(name)} times"
            yield Issue(f"{kind} {name!r}", "name", times, "a unique name")


def _number_issues(study: Study) -> Iterator[Issue]:
    arrays = {
        "demand_mw": study.demand_mw,
        "renewables.p_max_mw": study.renewables.p_max_mw,
        "renewables.p_min_mw": study.renewables.p_min_mw,
        "exchange.price_per_mwh": study.exchange.price_per_mwh,
    }
    for name, array in arrays.items():
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            yield Issue("study", f"{name}{bad[0].tolist()}", "not a number", "a number")
    if (study.exchange.slope_per_mw2h < 0).any():
        low = float(study.exchange.slope_per_mw2h.min())
        yield Issue("study", "exchange.slope_per_mw2h", low, "at least 0")
    for name in ("unserved_cost_per_mwh", "surplus_cost_per_mwh"):
        price = getattr(study, name)
        if price is not None and not (np.isfinite(price) and price >= 0):
            yield Issue("study", name, price, "at least 0, or none")


def _fixed_status_issues(study: Study) -> Iterator[Issue]:
    """Report hours fixed against must-run or against the rest of a minimum time."""
    units, fixed = study.thermal, study.fixed_status
    known = np.isin(fixed, (FREE, FORCED_OUT, FIXED_ON))
    held = study.held_periods()
    on = units.initial_on
    for g, name in enumerate(units.name):
        kept = slice(0, int(held[g]))
        against = FORCED_OUT if on[g] else FIXED_ON
        checks = (
            (known[g].all(), f"{FREE}, {FORCED_OUT} or {FIXED_ON}"),
            (not (units.must_run[g] and (fixed[g] == FORCED_OUT).any()), "no hour out: must_run"),
            (
                not (fixed[g, kept] == against).any(),
                f"{'on' if on[g] else 'off'} in the first {held[g]} periods, "
                f"as initial_status_h = {units.initial_status_h[g]:g} asks",
            ),
        )
        for right, expected in checks:
            if not right:
                yield Issue(f"unit {name}", "fixed_status", fixed[g].tolist(), expected)


def _scenario_issues(study: Study) -> Iterator[Issue]:
    total = sum(scenario.probability for scenario in study.scenarios)
    if study.scenarios and abs(total - 1.0) > 1e-9:
        yield Issue("scenarios", "probability", f"{total:g} in all", "1 in all")
    for scenario in study.scenarios:
        where = f"scenario {scenario.name}"
        if not scenario.probability > 0:
            yield Issue(where, "probability", scenario.probability, "more than 0")
        try:
            study.in_scenario(scenario)
        except StudyError as fault:
            for issue in fault.issues:
                yield replace(issue, element=f"{where}: {issue.element}")


def _capacity_issues(study: Study) -> Iterator[Issue]:
    """Report the hours whose demand no plan can serve, unless unserved energy has a price."""
    if study.unserved_cost_per_mwh is not None or study.scenarios:
        return
    capacity = (
        study.thermal.p_max_mw.sum()
        + study.renewables.p_max_mw.sum(axis=0)
        + study.storage.discharge_max_mw.sum()
        + study.exchange.import_max_mw.sum()
    )
    wanted = study.total_demand_mw + study.flexible.p_min_mw.sum(axis=0)
    short = wanted + study.grid.offset_mw.sum() - capacity
    hours = np.flatnonzero(short > CAPACITY_TOLERANCE_MW)
    if not len(hours):
        return
    shown = ", ".join(f"{study.time[t]} by {short[t]:.1f} MW" for t in hours[:8])
    more = f" and {len(hours) - 8} more" if len(hours) > 8 else ""
    yield Issue(
        "study",
        "demand_mw",
        f"above all capacity in {len(hours)} periods: {shown}{more}",
        "at most the capacity, or a price for unserved energy (unserved_cost_per_mwh), "
        "which alone makes this feasible",
    )
