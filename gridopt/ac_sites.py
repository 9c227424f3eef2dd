"""What batteries at some sites cost by AC power flow, and a quadratic model of that.

For batteries that run by one profile (`Sites.profile`), so that every choice of sites is so many
power flows: of all choices where there are few (the oracle), or of single sites and pairs, from
which finite differences give the natural QUBO on any net, meshed ones too:

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

from gridopt.arrays import BoolArray, FloatArray, IntArray, freeze
from gridopt.errors import TooLargeError, UnsupportedError
from gridopt.fast_power_flow import FastPowerFlow, Flows
from gridopt.io.net_grid import read_grid
from gridopt.io.write_dispatch import DispatchWriter
from gridopt.placement_rules import investment_cost
from gridopt.placing import Checked
from gridopt.program import Program, ProgramBuilder
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
        With a net, sites, and prices in place of hard limits of voltage and loading.
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
        if study.scenarios or not np.isfinite(sites.voltage_cost_per_pu_h):
            raise UnsupportedError(
                "power flow of every choice needs a study without scenarios and a price for "
                "voltage outside of its band"
            )
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

    @property
    def n_sites(self) -> int:
        """Number of candidates C."""
        return len(self._site)

    def cost(self, chosen: BoolArray) -> FloatArray:
        """Return what N choices of sites, (N, C), cost by AC power flow; inf where it diverges."""
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
        """Return the model whose cost of no, one and two batteries is that of AC power flow."""
        C = self.n_sites
        none = float(self.cost(np.zeros((1, C), np.bool_))[0])
        one = self.cost(np.eye(C, dtype=np.bool_))
        pairs = np.array(list(combinations(range(C), 2)), dtype=np.int64).reshape(-1, 2)
        two = self.cost(_indicator(pairs, C))
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
        for t, point in enumerate(self._points):
            injected = np.zeros((len(chosen), len(point.bus)))
            np.add.at(injected.T, self._site, p_mw[t] * chosen.T)
            flows = point.solve(injected, np.zeros_like(injected))
            source = self._source_mw(t) - p_mw[t] * number
            highest = np.maximum(highest, source)
            total = total + self._supply_cost(t, source) + h * self._grid_cost(t, flows)
        total = total + study.sites.peak_cost_per_mw * highest
        return np.asarray(np.where(np.isfinite(total), total, np.inf))

    def _fixed_cost(self) -> float:
        """Return what does not depend on the choice: all but supply at the reference bus, grid."""
        found, study = self._before.verification, self._study
        depends = {"losses", "voltage", "overload", "peak"}
        items = {**found.cost, **found.penalty}
        whole = sum(amount for item, amount in items.items() if item not in depends)
        supply = sum(
            float(self._supply_cost(t, np.array([self._source_mw(t)]))[0])
            for t in range(study.n_periods)
        )
        return whole - supply - investment_cost(study, self._before.placement)

    def _source_mw(self, t: int) -> float:
        """Return what the first trade or unit at the reference bus gives without batteries."""
        study, here = self._study, self._study.grid.reference_bus
        for row in np.flatnonzero(study.exchange.bus == here):
            return float(self._schedule.import_mw[row, t])
        for row in np.flatnonzero(study.thermal.bus == here):
            return float(self._schedule.power_mw[row, t])
        raise UnsupportedError("power flow of every choice needs a source at the reference bus")

    def _supply_cost(self, t: int, p_mw: FloatArray) -> FloatArray:
        study, here = self._study, self._study.grid.reference_bus
        market = study.exchange
        for row in np.flatnonzero(market.bus == here):
            price, slope = market.price_per_mwh[row, t], market.slope_per_mw2h[row, t]
            return np.asarray(study.period_h * (price * p_mw + slope * p_mw**2 / 2.0))
        unit = int(np.flatnonzero(study.thermal.bus == here)[0])
        return study.period_h * study.thermal.cost[unit].cost(p_mw)

    def _grid_cost(self, t: int, flows: Flows) -> FloatArray:
        """Return what losses, voltages and loadings cost in an hour, (N,)."""
        study, sites = self._study, self._study.sites
        total = np.zeros(len(flows.converged))
        if len(sites.loss_cost_per_mwh):
            total = total + sites.loss_cost_per_mwh[t] * flows.loss_mw
        feeder = study.radial
        vm_pu = flows.vm_pu[:, self._column]
        low, high = feeder.vm_min_pu[self._row], feeder.vm_max_pu[self._row]
        counts = self._row != study.grid.reference_bus
        for edge, sign in ((low, -1.0), (high, 1.0)):
            at = counts & np.isfinite(edge) & (edge > 0.0)
            beyond = sign * (vm_pu[:, at] ** 2 - edge[at] ** 2) / (2.0 * edge[at])
            total = total + sites.voltage_cost_per_pu_h * np.maximum(beyond, 0.0).sum(axis=1)
        return np.asarray(total)


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
