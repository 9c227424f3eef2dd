"""What batteries at some sites cost by AC power flow, and a quadratic model of that.

For batteries on a radial grid that run by one profile (`Sites.profile`), so that every choice of
sites is so many power flows: of all choices where there are few (the oracle), or of single sites
and pairs, from which finite differences give the natural QUBO:

    cost(z) ≈ L(0) + Σ_i h_i z_i + Σ_{i<j} J_ij z_i z_j,
    h_i = L(e_i) − L(0),  J_ij = L(e_i + e_j) − L(e_i) − L(e_j) + L(0)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from gridopt.ac_power_flow import limit_percent
from gridopt.arrays import BoolArray, FloatArray, IntArray, freeze
from gridopt.errors import TooLargeError, UnsupportedError
from gridopt.fast_power_flow import FastPowerFlow, Flows
from gridopt.io.net_grid import read_grid
from gridopt.io.write_dispatch import DispatchWriter
from gridopt.placement_rules import TOLERANCE_PU
from gridopt.placing import LEAST_LOADING, Checked
from gridopt.program import Program, ProgramBuilder
from gridopt.rules import TOLERANCE_MW
from gridopt.study import Study

MOST_CHOICES = 1_000_000
"""Choices of sites that `ACSites.best` enumerates, at most."""

BATCH = 2000
"""Choices that are solved at a time."""


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """A quadratic function of which sites get a battery.

    Parameters
    ----------
    constant : float
    linear : array, (C,)
    coupling : array, (C, C)
        Of pairs, above the diagonal.
    count : int or None
        How many sites get one.
    """

    constant: float
    linear: FloatArray
    coupling: FloatArray
    count: int | None

    def __post_init__(self) -> None:
        freeze(self, floats="linear coupling")

    def _typical(self) -> float:
        """Return what the median site adds beside as many others as there are to be."""
        if self.count is None:
            return 0.0
        others = (self.coupling + self.coupling.T).sum(axis=1) / max(len(self.linear) - 1, 1)
        return float(np.median(self.linear + max(self.count - 1, 0) * others))

    def cost(self, chosen: BoolArray) -> FloatArray:
        """Return the model's cost of N choices, (N, C)."""
        z = np.asarray(chosen, dtype=np.float64)
        pairs = np.einsum("ni,ij,nj->n", z, self.coupling, z)
        return np.asarray(self.constant + z @ self.linear + pairs)

    def program(self) -> Program:
        """Return the model as a program: one 0/1 column a site, their number as a row.

        With a number of sites, μ (Σ z − count) = 0 is added, with μ so that the median site adds
        nothing: a penalty for the number can then be as small as sites differ.
        """
        b = ProgramBuilder()
        site = b.binary("site", self.linear.shape)
        typical = self._typical()
        b.minimize_constant(self.constant + typical * (self.count or 0))
        b.minimize(self.linear - typical, site)
        i, j = np.nonzero(self.coupling)
        b.minimize_product(self.coupling[i, j], site[i], site[j])
        if self.count is not None:
            b.constrain("site_count", (1.0, site[np.newaxis]), equal=np.array([self.count]))
        return b.program()


@dataclass(frozen=True)
class Residual:
    """How far a quadratic model is from AC power flow.

    Parameters
    ----------
    choices : int
        Random choices of sites that were compared.
    r_squared : float
        Share of the variance of cost among them that the model explains.
    worst : float
        Largest difference, in money.
    worst_relative : float
        The same, relative to the cost.
    """

    choices: int
    r_squared: float
    worst: float
    worst_relative: float


class ACSites:
    """Sites of a study whose batteries run by a profile, one module a site of one kind.

    Parameters
    ----------
    study : Study
        With a net, a feeder and sites.
    before : Checked
        Without batteries.

    Raises
    ------
    UnsupportedError
        Where the sites are of another form.
    GridoptError
        Where the net has no fast power flow; see `FastPowerFlow.of`.
    """

    def __init__(self, study: Study, before: Checked) -> None:
        sites = study.sites
        if sites.is_optimized or len(sites.modules) != 1 or sites.modules_max != 1:
            raise UnsupportedError(
                "power flow of every choice needs operation = 'profile' and one module of one "
                "kind a site"
            )
        if study.scenarios:
            raise UnsupportedError("power flow of every choice needs a study without scenarios")
        self._study, self._before = study, before
        self._schedule = before.placement.schedules[0]
        net = copy.deepcopy(study.net)
        writer = DispatchWriter(net, self._schedule.study, hold_voltage=True)
        self._points: list[FastPowerFlow] = []
        for t in range(study.n_periods):
            writer.write(self._schedule, t)
            self._points.append(FastPowerFlow.of(net))
        position = read_grid(copy.deepcopy(net), []).position
        bus = self._points[0].bus
        place = np.array([position[int(index)] for index in bus])
        first = {int(row): column for column, row in reversed(list(enumerate(place)))}
        self._column = np.array([first[row] for row in sorted(first)])
        self._row = np.array(sorted(first))
        self._site = np.array([first[int(row)] for row in sites.bus])
        self._below = study.radial.fed_through(sites.bus)
        branch = {key: column for column, key in enumerate(self._points[0].branch)}
        self._branch = np.array([branch[key] for key in study.grid.branch_element])
        self._limit = limit_percent(study)

    @property
    def n_sites(self) -> int:
        """Number of candidates C."""
        return len(self._site)

    def cost(self, chosen: BoolArray) -> FloatArray:
        """Return what N choices of sites, (N, C), cost by AC power flow.

        inf where it diverges, where something is beyond a limit that has no price, or the source
        at the reference bus cannot give what is left.
        """
        chosen = np.asarray(chosen, dtype=np.bool_)
        parts = [self._cost(chosen[k : k + BATCH]) for k in range(0, len(chosen), BATCH)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def best(self, count: int, keep: int = 10) -> list[tuple[float, IntArray]]:
        """Return the cheapest choices of `count` sites, by power flow of all of them.

        Raises
        ------
        TooLargeError
            Where there are more than `MOST_CHOICES`.
        """
        number = comb(self.n_sites, count)
        if number > MOST_CHOICES:
            raise TooLargeError(f"{number} choices of {count} sites: at most {MOST_CHOICES}")
        found: list[tuple[float, IntArray]] = []
        for batch in _batches(self.n_sites, count):
            cost = self.cost(_indicator(batch, self.n_sites))
            order = np.argsort(cost, kind="stable")[:keep]
            found += [(float(cost[k]), batch[k]) for k in order]
            found = sorted(found, key=lambda one: one[0])[:keep]
        return found

    def quadratic(self) -> QuadraticModel:
        """Return the model whose cost of no, one and two batteries is that of AC power flow.

        Raises
        ------
        UnsupportedError
            Where some choices of none, one or two sites cost inf: limits without a price above all.
        """
        C, sites = self.n_sites, self._study.sites
        is_rated = self._study.grid.is_rated.any()
        if np.isinf(sites.voltage_cost_per_pu_h) or (
            is_rated and np.isinf(sites.overload_cost_per_mwh)
        ):
            raise UnsupportedError(
                "a quadratic model needs prices in place of hard limits: voltage_cost_per_pu_h, "
                "and overload_cost_per_mwh where branches are rated"
            )
        none = float(self.cost(np.zeros((1, C), np.bool_))[0])
        one = self.cost(np.eye(C, dtype=np.bool_))
        pairs = np.array(list(combinations(range(C), 2)), dtype=np.int64).reshape(-1, 2)
        two = self.cost(_indicator(pairs, C))
        if not (np.isfinite(none) and np.isfinite(one).all() and np.isfinite(two).all()):
            raise UnsupportedError(
                "a quadratic model needs one and two batteries to be feasible anywhere: power "
                "flow diverges, or the source at the reference bus cannot give what is left"
            )
        coupling = np.zeros((C, C))
        i, j = pairs.T
        coupling[i, j] = two - one[i] - one[j] + none
        return QuadraticModel(none, one - none, coupling, self._study.sites.count)

    def residual(self, model: QuadraticModel, count: int, choices: int, seed: int) -> Residual:
        """Return how far a model is from AC power flow on random choices of `count` sites."""
        rng = np.random.default_rng(seed)
        picked = np.array([rng.choice(self.n_sites, count, replace=False) for _ in range(choices)])
        chosen = _indicator(picked, self.n_sites)
        true = self.cost(chosen)
        error = model.cost(chosen) - true
        spread = float(((true - true.mean()) ** 2).sum())
        explained = 1.0 - float((error**2).sum()) / spread if spread > 0.0 else float("nan")
        worst = float(np.abs(error).max())
        return Residual(choices, explained, worst, float(np.abs(error / true).max()))

    def _cost(self, chosen: BoolArray) -> FloatArray:
        study, modules = self._study, self._study.sites.modules
        h, number = study.period_h, chosen.sum(axis=1)
        p_mw = modules.power_mw[0] * study.sites.profile[0]
        worn = h * float(modules.degradation_cost_per_mwh[0]) * float(np.maximum(p_mw, 0.0).sum())
        each = float(study.sites.module_cost(h * study.n_periods)[0])
        total = (each + worn) * number + self._fixed_cost()
        highest = np.zeros(len(chosen))
        low, high = self._source_limits_mw()
        for t, point in enumerate(self._points):
            injected = np.zeros((len(chosen), len(point.bus)))
            np.add.at(injected.T, self._site, p_mw[t] * chosen.T)
            flows = point.solve(injected, np.zeros_like(injected))
            source = self._source_mw(t) - p_mw[t] * number
            highest = np.maximum(highest, source)
            p_lin = self._flow_mw(t) - p_mw[t] * chosen @ self._below.T
            is_given = (source >= low - TOLERANCE_MW) & (source <= high + TOLERANCE_MW)
            total = total + np.where(is_given, self._supply_cost(t, source), np.inf)
            total = total + h * (
                self._loss_and_voltage_cost(t, flows) + self._loading_cost(t, p_lin, flows)
            )
        total = total + study.sites.peak_cost_per_mw * highest
        return np.asarray(np.where(np.isfinite(total), total, np.inf))

    def _fixed_cost(self) -> float:
        """Return what does not depend on the choice: all but supply at the reference bus, grid."""
        found, study = self._before.verification, self._study
        depends = {"investment", "losses", "voltage", "overload", "peak"}
        items = {**found.cost, **found.penalty}
        whole = sum(amount for item, amount in items.items() if item not in depends)
        supply = sum(
            float(self._supply_cost(t, np.array([self._source_mw(t)]))[0])
            for t in range(study.n_periods)
        )
        return whole - supply

    def _source_mw(self, t: int) -> float:
        """Return what the first trade or unit at the reference bus gives without batteries."""
        study, here = self._study, self._study.grid.reference_bus
        for row in np.flatnonzero(study.exchange.bus == here):
            return float(self._schedule.import_mw[row, t])
        for row in np.flatnonzero(study.thermal.bus == here):
            return float(self._schedule.power_mw[row, t])
        raise UnsupportedError("power flow of every choice needs a source at the reference bus")

    def _source_limits_mw(self) -> tuple[float, float]:
        """Return what that source gives at least and at most."""
        study, here = self._study, self._study.grid.reference_bus
        for row in np.flatnonzero(study.exchange.bus == here):
            market = study.exchange
            return -float(market.export_max_mw[row]), float(market.import_max_mw[row])
        unit = int(np.flatnonzero(study.thermal.bus == here)[0])
        return float(study.thermal.p_min_mw[unit]), float(study.thermal.p_max_mw[unit])

    def _supply_cost(self, t: int, p_mw: FloatArray) -> FloatArray:
        study, here = self._study, self._study.grid.reference_bus
        market = study.exchange
        for row in np.flatnonzero(market.bus == here):
            price, slope = market.price_per_mwh[row, t], market.slope_per_mw2h[row, t]
            return np.asarray(study.period_h * (price * p_mw + slope * p_mw**2 / 2.0))
        unit = int(np.flatnonzero(study.thermal.bus == here)[0])
        return study.period_h * study.thermal.cost[unit].cost(p_mw)

    def _flow_mw(self, t: int) -> FloatArray:
        """Return LinDistFlow's flow of each branch without batteries, (L,)."""
        grid = self._study.grid
        taken = grid.shunt_mw - self._schedule.injection_mw()[:, t]
        return self._study.radial.flows(taken[:, np.newaxis])[:, 0]

    def _loss_and_voltage_cost(self, t: int, flows: Flows) -> FloatArray:
        """Return what losses and voltages cost for an hour, (N,)."""
        study, sites, feeder = self._study, self._study.sites, self._study.radial
        total = np.zeros(len(flows.converged))
        if len(sites.loss_cost_per_mwh):
            total = total + sites.loss_cost_per_mwh[t] * flows.loss_mw
        vm_pu = flows.vm_pu[:, self._column]
        low, high = feeder.vm_min_pu[self._row], feeder.vm_max_pu[self._row]
        counts = self._row != study.grid.reference_bus
        for edge, sign in ((low, -1.0), (high, 1.0)):
            at = counts & np.isfinite(edge) & (edge > 0.0)
            beyond = sign * (vm_pu[:, at] ** 2 - edge[at] ** 2) / (2.0 * edge[at])
            total = total + _priced(beyond, sites.voltage_cost_per_pu_h, TOLERANCE_PU)
        return np.asarray(total)

    def _loading_cost(self, t: int, p_mw: FloatArray, flows: Flows) -> FloatArray:
        """Return what is above ratings for an hour, (N,), as `RadialState` counts it."""
        study, feeder = self._study, self._study.radial
        rated = np.flatnonzero(study.grid.is_rated)
        if not len(rated):
            return np.zeros(len(flows.converged))
        q_mvar = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw[:, t : t + 1]))[rated, 0]
        rating, p_mw = study.grid.rating_mw[rated], p_mw[:, rated]
        share = flows.loading_percent[:, self._branch[rated]] / self._limit[rated]
        linear = np.hypot(p_mw, q_mvar) / rating
        ratio = np.divide(share, linear, out=np.ones_like(share), where=linear > LEAST_LOADING)
        most = np.sqrt(np.maximum((rating / ratio) ** 2 - q_mvar**2, 0.0))
        over = np.where(ratio > 0.0, np.abs(p_mw) - most, 0.0)
        return _priced(over, study.sites.overload_cost_per_mwh, TOLERANCE_MW)


def _priced(beyond: FloatArray, price: float, tolerance: float) -> FloatArray:
    """Return what is beyond limits, (N, k), at a price; inf where it has none and is not little."""
    amount = np.maximum(beyond, 0.0)
    if np.isfinite(price):
        return np.asarray(price * amount.sum(axis=1))
    return np.where(amount.max(axis=1, initial=0.0) > tolerance, np.inf, 0.0)


def _batches(n_sites: int, count: int) -> Iterator[IntArray]:
    """Yield all choices of `count` of n sites, some at a time, (N, count)."""
    batch: list[tuple[int, ...]] = []
    for choice in combinations(range(n_sites), count):
        batch.append(choice)
        if len(batch) == BATCH:
            yield np.array(batch, dtype=np.int64)
            batch = []
    if batch:
        yield np.array(batch, dtype=np.int64).reshape(len(batch), count)


def _indicator(picked: IntArray, n_sites: int) -> BoolArray:
    """Return choices given by positions, (N, k), as 0/1, (N, C)."""
    chosen = np.zeros((len(picked), n_sites), dtype=np.bool_)
    np.put_along_axis(chosen, picked, True, axis=1)
    return chosen
