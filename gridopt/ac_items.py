"""What AC power flows with batteries at some sites cost, item by item.

Commitment and dispatch stay as they are without batteries. What changes, the source gives: the
trade or unit that stands for the slack of the net.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from gridopt.ac_power_flow import limit_percent, net_of
from gridopt.arrays import BoolArray, FloatArray, IntArray, freeze
from gridopt.elements import NEIGHBOR
from gridopt.errors import UnsupportedError
from gridopt.fast_power_flow import FastPowerFlow, Flows
from gridopt.grid import ElementKey
from gridopt.io.net_feeder import voltage_band
from gridopt.io.net_grid import read_grid
from gridopt.io.net_tables import active, flags
from gridopt.placement_rules import TOLERANCE_PU
from gridopt.placing import LEAST_LOADING, Checked
from gridopt.results import Schedule
from gridopt.rules import TOLERANCE_MW
from gridopt.study import Study

CHANGING = frozenset({"investment", "losses", "voltage", "overload", "peak"})
"""Items of a verification that a choice of sites changes, beside supply by the source."""


@dataclass(frozen=True, eq=False)
class Source:
    """The trade or unit that stands for the slack of a net.

    Parameters
    ----------
    study : Study
    row : int
        Of the trade, or of the thermal unit.
    is_trade : bool
    on : array of bool, (T,)
    power_mw : array, (T,)
        As scheduled.
    least_mw, most_mw : array, (T,)
        What it can give; nothing where it is a unit that is off.
    """

    study: Study
    row: int
    is_trade: bool
    on: BoolArray
    power_mw: FloatArray
    least_mw: FloatArray
    most_mw: FloatArray

    def __post_init__(self) -> None:
        freeze(self, floats="power_mw least_mw most_mw", booleans="on")

    @staticmethod
    def of(study: Study, schedule: Schedule) -> Source:
        """Return the source of a study, with what it gives by a schedule.

        Raises
        ------
        UnsupportedError
            Unless exactly one element of the study is a slack of its net, with no neighbor beside
            it, whose trade the slack would give as well.
        """
        slacks = _slacks(study)
        trade = [row for row, key in enumerate(study.exchange.element) if key in slacks]
        unit = [row for row, key in enumerate(study.thermal.element) if key in slacks]
        if any(element == NEIGHBOR for element, _ in study.exchange.element):
            raise UnsupportedError("power flow of every choice takes no window of a system")
        if len(trade) + len(unit) != 1 or len(slacks) != 1:
            names = ", ".join(f"{element} {index}" for element, index in slacks)
            raise UnsupportedError(
                "power flow of every choice needs one slack that is a unit or trade of the study; "
                f"slacks of the net are {names}, {len(trade) + len(unit)} of them in the study"
            )
        if trade:
            (row,), on = trade, np.ones(study.n_periods, dtype=np.bool_)
            least, most = -study.exchange.export_max_mw[row], study.exchange.import_max_mw[row]
            given = schedule.import_mw[row]
        else:
            (row,), on = unit, schedule.committed[unit[0]]
            least, most = study.thermal.p_min_mw[row], study.thermal.p_max_mw[row]
            given = schedule.power_mw[row]
        return Source(study, row, bool(trade), on, given, least * on, most * on)

    @property
    def name(self) -> str:
        """Name of the trade or unit."""
        names = self.study.exchange.name if self.is_trade else self.study.thermal.name
        return names[self.row]

    def cost(self, t: int, p_mw: FloatArray) -> FloatArray:
        """Return what it costs to give so much in a period, (N,); inf beyond what it can."""
        h, market = self.study.period_h, self.study.exchange
        if self.is_trade:
            price, slope = market.price_per_mwh[self.row, t], market.slope_per_mw2h[self.row, t]
            cost = h * (price * p_mw + slope * p_mw**2 / 2.0)
        else:
            cost = h * self.on[t] * self.study.thermal.cost[self.row].cost(p_mw)
        above = p_mw - self.most_mw[t] <= TOLERANCE_MW
        below = self.least_mw[t] - p_mw <= TOLERANCE_MW
        return np.asarray(np.where(above & below, cost, np.inf))


def _slacks(study: Study) -> list[ElementKey]:
    net = net_of(study)
    gens = active(net, "gen")
    found = [("ext_grid", int(index)) for index in active(net, "ext_grid").index]
    return found + [("gen", int(index)) for index in gens.index[flags(gens, "slack", False)]]


@final
@dataclass(frozen=True, eq=False)
class RadialReading:
    """Power flows as placements on feeders are judged: by LinDistFlow, corrected.

    Losses are no part of what the source gives, and what is above a rating is a flow in MW.

    Parameters
    ----------
    scheduled_mw : array, (T,)
        What the source gives without batteries and losses.
    battery_mw : array, (T,)
        What a battery gives.
    flow_mw, flow_mvar : array, (R, T)
        LinDistFlow's without batteries, of rated branches.
    below : array, (R, C)
        1 where a site is fed through a branch.
    """

    scheduled_mw: FloatArray
    battery_mw: FloatArray
    flow_mw: FloatArray
    flow_mvar: FloatArray
    below: FloatArray

    def source_mw(self, t: int, batteries: FloatArray) -> FloatArray:
        """Return what is scheduled less what batteries give, (N,)."""
        return np.asarray(self.scheduled_mw[t] - self.battery_mw[t] * batteries.sum(axis=1))

    def overload_mw(
        self, t: int, batteries: FloatArray, share: FloatArray, rating_mw: FloatArray
    ) -> FloatArray:
        """Return |P| less what rating and reactive flow leave, (N, R), as `RadialState` does."""
        q_mvar = self.flow_mvar[:, t]
        p_mw = self.flow_mw[:, t] - self.battery_mw[t] * batteries @ self.below.T
        linear = np.hypot(p_mw, q_mvar) / rating_mw
        ratio = np.divide(share, linear, out=np.ones_like(share), where=linear > LEAST_LOADING)
        most = np.sqrt(np.maximum((rating_mw / ratio) ** 2 - q_mvar**2, 0.0))
        return np.where(ratio > 0.0, np.abs(p_mw) - most, 0.0)


@final
@dataclass(frozen=True, eq=False)
class ACItems:
    """Prices of what AC power flows say of N choices of C sites, one module of one kind a site.

    Parameters
    ----------
    study : Study
    source : Source
    radial : RadialReading or None
        None on a meshed net: there the source gives the losses, and what is above a rating is a
        current, in MVA at the rated voltage.
    site : array of int, (C,)
        Columns of the flows' buses.
    bus : array of int, (V,)
        Columns of the flows' buses that have a voltage band: all but the reference bus.
    vm_min_pu, vm_max_pu : array, (V,)
    branch : array of int, (R,)
        Columns of the flows' branches that are rated.
    rating_mw, limit_percent : array, (R,)
    rest : float
        What does not depend on the choice.
    """

    study: Study
    source: Source
    radial: RadialReading | None
    site: IntArray
    bus: IntArray
    vm_min_pu: FloatArray
    vm_max_pu: FloatArray
    branch: IntArray
    rating_mw: FloatArray
    limit_percent: FloatArray
    rest: float

    @staticmethod
    def of(study: Study, before: Checked, point: FastPowerFlow) -> ACItems:
        """Return the items of a study, given how it runs without batteries and one base point."""
        net, schedule = copy.deepcopy(net_of(study)), before.placement.schedules[0]
        grid = read_grid(net, [])
        place = np.array([grid.position[int(index)] for index in point.bus])
        row, column = np.unique(place, return_index=True)
        column_of = dict(zip(row.tolist(), column.tolist(), strict=True))
        low, high = _band(study) or voltage_band(net, grid)
        counts = row != study.grid.reference_bus
        source = Source.of(study, schedule)
        rated = np.flatnonzero(study.grid.is_rated)
        is_radial = before.placement.network == "radial"
        return ACItems(
            study=study,
            source=source,
            radial=_radial(study, schedule, source, rated) if is_radial else None,
            site=np.array([column_of[int(bus)] for bus in study.sites.bus]),
            bus=column[counts],
            vm_min_pu=low[row[counts]],
            vm_max_pu=high[row[counts]],
            branch=_columns(study, rated, point.branch),
            rating_mw=study.grid.rating_mw[rated],
            limit_percent=limit_percent(study)[rated] if len(rated) else np.zeros(0),
            rest=_rest(before, source),
        )

    @property
    def battery_mw(self) -> FloatArray:
        """What a battery gives in each period, (T,)."""
        return _battery_mw(self.study)

    def once(self, number: FloatArray) -> dict[str, FloatArray]:
        """Return what so many batteries cost in all periods, whatever the flows, (N,) an item."""
        study, kind = self.study, self.study.sites.modules
        h = study.period_h
        used = h * float(np.maximum(self.battery_mw, 0.0).sum())
        return {
            "rest": np.full(len(number), self.rest),
            "investment": number * float(study.sites.module_cost(h * study.n_periods)[0]),
            "storage": number * float(kind.degradation_cost_per_mwh[0]) * used,
        }

    def period(
        self, t: int, point: FastPowerFlow, batteries: FloatArray
    ) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Return what the source gives in a period for N choices, (N,), and costs by item."""
        injected = np.zeros((len(batteries), len(point.bus)))
        np.add.at(injected.T, self.site, self.battery_mw[t] * batteries.T)
        flows = point.solve(injected)
        sites, h = self.study.sites, self.study.period_h
        price = sites.loss_cost_per_mwh[t] if len(sites.loss_cost_per_mwh) else 0.0
        over = self._overload_mw(t, batteries, flows)
        given = flows.slack_mw if self.radial is None else self.radial.source_mw(t, batteries)
        return given, {
            "supply": self.source.cost(t, given),
            "losses": h * price * flows.loss_mw,
            "voltage": h * self._voltage(flows.vm_pu[:, self.bus]),
            "overload": h * _priced(over, sites.overload_cost_per_mwh, TOLERANCE_MW),
        }

    def _overload_mw(self, t: int, batteries: FloatArray, flows: Flows) -> FloatArray:
        """Return what is above (or, negative, below) ratings, (N, R)."""
        share = flows.loading_percent[:, self.branch] / self.limit_percent
        if self.radial is None:
            return np.asarray((share - 1.0) * self.rating_mw)
        return self.radial.overload_mw(t, batteries, share, self.rating_mw)

    def _voltage(self, vm_pu: FloatArray) -> FloatArray:
        """Return what voltages outside of the band cost for an hour, to first order, (N,)."""
        total, price = np.zeros(len(vm_pu)), self.study.sites.voltage_cost_per_pu_h
        for edge, sign in ((self.vm_min_pu, -1.0), (self.vm_max_pu, 1.0)):
            at = np.isfinite(edge) & (edge > 0.0)
            beyond = sign * (vm_pu[:, at] ** 2 - edge[at] ** 2) / (2.0 * edge[at])
            total = total + _priced(beyond, price, TOLERANCE_PU)
        return np.asarray(total)


def _battery_mw(study: Study) -> FloatArray:
    return np.asarray(study.sites.modules.power_mw[0] * study.sites.profile[0])


def _band(study: Study) -> tuple[FloatArray, FloatArray] | None:
    """Return the voltage band that the study has in place of the net's, (B,) each."""
    if study.feeder is not None:
        return study.feeder.vm_min_pu, study.feeder.vm_max_pu
    if len(study.sites.vm_min_pu):
        return study.sites.vm_min_pu, study.sites.vm_max_pu
    return None


def _radial(study: Study, schedule: Schedule, source: Source, rated: IntArray) -> RadialReading:
    feeder = study.radial
    taken = study.grid.shunt_mw[:, np.newaxis] - schedule.injection_mw()
    return RadialReading(
        scheduled_mw=source.power_mw,
        battery_mw=_battery_mw(study),
        flow_mw=feeder.flows(taken)[rated],
        flow_mvar=feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))[rated],
        below=feeder.fed_through(study.sites.bus)[rated],
    )


def _columns(study: Study, rated: IntArray, branch: Sequence[ElementKey]) -> IntArray:
    """Return the columns of rated branches among those of power flows."""
    column = {key: number for number, key in enumerate(branch)}
    keys = [study.grid.branch_element[row] for row in rated]
    unknown = sorted(
        {f"{element} {index}" for element, index in keys if (element, index) not in column}
    )
    if unknown:
        raise UnsupportedError(
            f"power flow of every choice knows no loading of {', '.join(unknown)}: expected "
            "ratings of lines and transformers alone"
        )
    return np.array([column[key] for key in keys], dtype=np.int64)


def _rest(before: Checked, source: Source) -> float:
    """Return what all costs without batteries that no choice of sites changes."""
    found = before.verification
    items = {**found.cost, **found.penalty}
    whole = sum(amount for item, amount in items.items() if item not in CHANGING)
    supply = sum(
        float(source.cost(t, source.power_mw[t : t + 1])[0]) for t in range(len(source.power_mw))
    )
    return whole - supply


def _priced(beyond: FloatArray, price: float, tolerance: float) -> FloatArray:
    """Return what is beyond limits, (N, k), at a price; inf where it has none and is not little."""
    amount = np.maximum(beyond, 0.0)
    if np.isfinite(price):
        return np.asarray(price * amount.sum(axis=1))
    return np.where(amount.max(axis=1, initial=0.0) > tolerance, np.inf, 0.0)
