"""The compact form of a placement on a radial grid: numbers of modules alone, all else eliminated.

Near an answer, each module at site i gives p_it: by its profile, or as its like run there. Flows
and squared voltages are then affine in the numbers n (see `gridopt.feeder`), so that

- losses are quadratic in n as they stand, J_ij = Σ_t ρ_t p_it p_jt R_ij, with R_ij the resistance
  of the common path from the reference bus (Baran & Wu 1989, doi 10.1109/61.25627);
- what lies beyond a priced limit, max(0, z) with z affine in n, is the parabola nearest to it where
  z is normal around the answer's a: Φ(a/σ) (z − a) + φ(a/σ) ((z − a)² − σ²) / 2σ + its mean (the
  first terms in Hermite polynomials), with σ the share `NEAR` of what one module changes z by at
  most; made anew at each better answer. (One that lies above everywhere, z/2 + z²/4|a| + |a|/4,
  charges for limits that are far away: of thousands of them, so much that nothing seems worth it.)
- energy counts at what one more MW costs at the answer.

No penalty but for the number of sites and the budget, where the sampler does not keep them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from gridopt.arrays import FloatArray, IntArray
from gridopt.formulations.blocks.radial import vm2_band
from gridopt.formulations.blocks.sites import site_choice
from gridopt.program import Compact, CompactModel, Program, ProgramBuilder
from gridopt.study import Study

NEAR = 0.25
"""How far the parabolas look, in what one module changes; on feeders, found by trial."""

AT_PEAK_MW = 1e-2
"""Distance from the highest power up to which a period has it."""

BUILT = 1e-3
"""Modules from which a relaxation tells how they run."""


@dataclass(frozen=True, eq=False)
class CompactSites(Compact):
    """The compact form of a study with a feeder.

    Parameters
    ----------
    study : Study
    program : Program
        The whole program of the study.
    parts : tuple of (Study, str, float)
        The study in each scenario, what names of its blocks end with, and its probability.
    """

    study: Study
    program: Program
    parts: tuple[tuple[Study, str, float], ...]

    @property
    def columns(self) -> IntArray:
        """Columns of modules and sites in the whole program."""
        blocks = [name for name in ("modules", "site") if name in self.program.variables]
        return np.concatenate([self.program.columns(name).ravel() for name in blocks])

    def near(self, x: FloatArray, lower: FloatArray, upper: FloatArray) -> CompactModel:
        """Return the quadratic program over modules and sites: see the module."""
        b = ProgramBuilder()
        number = site_choice(b, self.study).modules.ravel()
        for part, ending, weight in self.parts:
            with b.scope(ending, weight):
                self._operation(b, number, part, x, ending)
        self._peak(b, number, x)
        program = replace(b.program(), lower=lower, upper=upper)
        # few sites are full, so that a penalty would weigh on all of them for nothing
        mended = () if "site" in program.variables else ("site_most",)
        return CompactModel(program, {}, mended)

    def repaired(self, decisions: FloatArray) -> FloatArray:
        """Return numbers of modules that keep the number of sites, its limits and the budget.

        Sites that are too many go, and those that lack come, by chance that the decisions settle.
        What is beyond the budget goes from the last site on: modules more than a site must have,
        then dear ones in favor of cheap ones, then sites.
        """
        sites = self.study.sites
        shape = len(sites), len(sites.modules)
        size = shape[0] * shape[1]
        number = np.rint(decisions[:size]).reshape(shape)
        self._within_site(number)
        built = np.flatnonzero(number.sum(axis=1))
        wanted = len(built) if sites.count is None else sites.count
        chance = np.random.default_rng(np.rint(decisions).astype(np.uint32))
        number[chance.permutation(built)[wanted:]] = 0.0
        free = chance.permutation(np.flatnonzero(number.sum(axis=1) == 0.0))
        cheapest = int(np.argmin(sites.modules.investment_cost))
        number[free[: max(wanted - len(built), 0)], cheapest] = sites.modules_min
        while sites.budget is not None and self._spent(number) > sites.budget * (1.0 + 1e-9):
            if not self._cheapened(number):
                break
        site = (number.sum(axis=1) > 0.0).astype(np.float64)
        return np.concatenate([number.ravel(), site])[: len(decisions)]

    def _spent(self, number: FloatArray) -> float:
        return float((number @ self.study.sites.modules.investment_cost).sum())

    def _cheapened(self, number: FloatArray) -> bool:
        """Make one change that costs less; return False where there is none."""
        sites, cost = self.study.sites, self.study.sites.modules.investment_cost
        each, cheapest = number.sum(axis=1), int(np.argmin(cost))
        above = np.where(number > 0.0, cost - cost[cheapest], -1.0)
        for more, wanted in (
            (each > sites.modules_min, None),
            (above.max(axis=1, initial=-1.0) > 0.0, cheapest),
        ):
            if more.any():
                site = int(np.flatnonzero(more)[-1])
                number[site, int(np.argmax(above[site]))] -= 1.0
                if wanted is not None:
                    number[site, wanted] += 1.0
                return True
        if sites.count is not None or not each.any():
            return False
        number[int(np.flatnonzero(each)[-1])] = 0.0
        return True

    def _within_site(self, number: FloatArray) -> None:
        sites = self.study.sites
        for c in range(len(number)):
            while number[c].sum() > sites.modules_max:
                number[c, int(np.argmax(number[c]))] -= 1.0
            if 0.0 < number[c].sum() < sites.modules_min:
                number[c, int(np.argmax(number[c]))] += sites.modules_min - number[c].sum()

    def _operation(
        self, b: ProgramBuilder, number: IntArray, study: Study, x: FloatArray, ending: str
    ) -> None:
        """Add what one scenario costs."""
        each_mw = self._each_mw(study, x, ending)
        built = x[self.program.columns("modules").ravel()]
        h, kinds = study.period_h, study.sites.modules
        wear = np.tile(kinds.degradation_cost_per_mwh, len(study.sites))
        b.minimize(h * wear * np.maximum(each_mw, 0.0).sum(axis=1), number)
        price = marginal_cost(study, self.program, x, ending)
        b.minimize(-h * (each_mw @ price), number)
        flows = _Flows.of(study, each_mw, built, self._infeed_mw(study, x, ending))
        quadratic, linear, fixed = _total(flows.parabolas(), len(number))
        b.minimize_product(quadratic, number[:, np.newaxis], number[np.newaxis])
        b.minimize(linear, number)
        b.minimize_constant(fixed)

    def _peak(self, b: ProgramBuilder, number: IntArray, x: FloatArray) -> None:
        """Add what modules take off the peak: their mean in the periods that have it at `x`."""
        if "peak_mw" not in self.program.variables:
            return
        here, peak_mw = self.study.grid.reference_bus, float(self.program.value("peak_mw", x))
        lowered = []
        for study, ending, _ in self.parts:
            given = self._infeed_mw(study, x, ending)[here]
            lowered.append(self._each_mw(study, x, ending)[:, given >= peak_mw - AT_PEAK_MW])
        together = np.concatenate(lowered, axis=1)
        if together.shape[1]:
            b.minimize(-self.study.sites.peak_cost_per_mw * together.mean(axis=1), number)

    def _each_mw(self, study: Study, x: FloatArray, ending: str) -> FloatArray:
        """Return what a module at each site and of each kind gives, (C·M, T)."""
        sites, kinds = study.sites, study.sites.modules
        if not sites.is_optimized:
            return np.tile(kinds.power_mw[:, np.newaxis] * sites.profile, (len(sites), 1))
        given = self.program.value(f"battery_discharge_mw{ending}", x)
        given = given - self.program.value(f"battery_charge_mw{ending}", x)
        built = x[self.program.columns("modules").ravel()]
        known = built > BUILT
        shape = len(sites), len(kinds), study.n_periods
        each = np.divide(
            given, built[:, np.newaxis], out=np.zeros_like(given), where=known[:, np.newaxis]
        ).reshape(shape)
        share = known.reshape(shape[:2]).sum(axis=0)
        mean = each.sum(axis=0) / np.maximum(share, 1)[:, np.newaxis]
        return np.where(known.reshape(shape[:2])[:, :, np.newaxis], each, mean).reshape(
            -1, shape[2]
        )

    def _infeed_mw(self, study: Study, x: FloatArray, ending: str) -> FloatArray:
        """Return what is fed in beside the batteries at `x`, (B, T)."""
        infeed = np.zeros((study.grid.n_buses, study.n_periods))
        value, known = self.program.value, self.program.variables
        on = value("on", x)
        power = study.thermal.p_min_mw[:, np.newaxis] * on + value(f"above_min_mw{ending}", x)
        np.add.at(infeed, study.thermal.bus, power)
        every = np.arange(study.grid.n_buses)
        for name, bus, sign in (
            ("renewable_mw", study.renewables.bus, 1.0),
            ("discharge_mw", study.storage.bus, 1.0),
            ("charge_mw", study.storage.bus, -1.0),
            ("import_mw", study.exchange.bus, 1.0),
            ("flexible_mw", study.flexible.bus, -1.0),
            ("unserved_mw", every, 1.0),
            ("surplus_mw", every, -1.0),
        ):
            if f"{name}{ending}" in known:
                np.add.at(infeed, bus, sign * value(f"{name}{ending}", x))
        return infeed


def marginal_cost(study: Study, program: Program, x: FloatArray, ending: str) -> FloatArray:
    """Return what one more MW at the reference bus costs at `x`, (T,): of trade, else the unit."""
    here = study.grid.reference_bus
    for row in np.flatnonzero(study.exchange.bus == here):
        bought = program.value(f"import_mw{ending}", x)[row]
        market = study.exchange
        return np.asarray(market.price_per_mwh[row] + market.slope_per_mw2h[row] * bought)
    for row in np.flatnonzero(study.thermal.bus == here):
        curve = study.thermal.cost[row]
        p_mw = program.value(f"above_min_mw{ending}", x)[row] + curve.power_mw[0]
        place = np.searchsorted(np.asarray(curve.power_mw)[1:-1], p_mw)
        return np.asarray(curve.slopes_per_mwh[place] + 2.0 * curve.quadratic * p_mw)
    return np.zeros(study.n_periods)


@dataclass(frozen=True, eq=False)
class _Flows:
    """Flows and squared voltages near an answer: constant + factor · n.

    Parameters
    ----------
    study : Study
    each_mw : array, (C·M, T)
    built : array, (C·M,)
        The answer's n.
    p_mw, q_mvar : array, (L, T)
        Without batteries.
    """

    study: Study
    each_mw: FloatArray
    built: FloatArray
    p_mw: FloatArray
    q_mvar: FloatArray

    @staticmethod
    def of(study: Study, each_mw: FloatArray, built: FloatArray, infeed_mw: FloatArray) -> _Flows:
        feeder = study.radial
        taken = study.demand_mw + study.grid.shunt_mw[:, np.newaxis] - infeed_mw
        q_mvar = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))
        return _Flows(study, each_mw, built, feeder.flows(taken), q_mvar)

    @cached_property
    def below(self) -> FloatArray:
        """1 where a site is fed through a branch, (L, C·M)."""
        sites = self.study.sites
        return self.study.radial.fed_through(np.repeat(sites.bus, len(sites.modules)))

    def parabolas(self) -> Iterator[_Parabolas]:
        """Yield what losses cost, and what lies beyond limits that have a price."""
        study, feeder = self.study, self.study.radial
        h, sites = study.period_h, study.sites
        correction = feeder.correction(study.n_periods)
        for t in range(study.n_periods):
            effect = -self.below * self.each_mw[:, t]
            if len(sites.loss_cost_per_mwh):
                price = h * sites.loss_cost_per_mwh[t] * feeder.loss_mw_per_mva2
                yield _Parabolas(price, np.zeros(len(price)), 0.0, self.p_mw[:, t], effect)
            if np.isfinite(sites.voltage_cost_per_pu_h):
                yield from self._voltage(t, effect)
            if np.isfinite(sites.overload_cost_per_mwh):
                most = feeder.flow_limit_mw(self.q_mvar, correction)[:, t]
                rated = np.isfinite(most)
                cost = np.full(int(rated.sum()), h * sites.overload_cost_per_mwh)
                for sign in (1.0, -1.0):
                    beyond = sign * self.p_mw[rated, t] - most[rated]
                    yield self._hinge(cost, beyond, sign * effect[rated])

    def _voltage(self, t: int, effect: FloatArray) -> Iterator[_Parabolas]:
        study, feeder = self.study, self.study.radial
        correction = feeder.correction(study.n_periods).vm2_pu2
        low, high = (edge[:, t] for edge in vm2_band(feeder, correction))
        p, q = self.p_mw[:, t : t + 1], self.q_mvar[:, t : t + 1]
        vm2 = feeder.vm2(p, q, np.zeros((study.grid.n_buses, 1)))[:, 0]
        none = np.zeros((feeder.grid.n_branches, effect.shape[1]))
        still = np.zeros((study.grid.n_buses, effect.shape[1]))
        slope = feeder.vm2(effect, none, still) - feeder.vm2(none, none, still)
        cost = study.period_h * study.sites.voltage_cost_per_pu_h
        for sign, edge, limit in ((-1.0, feeder.vm_min_pu, low), (1.0, feeder.vm_max_pu, high)):
            at = np.isfinite(limit) & (edge > 0.0)
            at[study.grid.reference_bus] = False
            beyond = sign * (vm2[at] - limit[at])
            yield self._hinge(cost / (2.0 * edge[at]), beyond, sign * slope[at])

    def _hinge(self, cost: FloatArray, constant: FloatArray, factor: FloatArray) -> _Parabolas:
        """Return cost · max(0, z), z = constant + factor · n, as the parabola near the answer."""
        a = constant + factor @ self.built
        spread = np.maximum(NEAR * np.abs(factor).max(axis=1, initial=0.0), 1e-12)
        chance, density = ndtr(a / spread), np.exp(-0.5 * (a / spread) ** 2) / np.sqrt(2.0 * np.pi)
        fixed = a * chance + spread * density / 2.0
        weight = cost * density / (2.0 * spread)
        return _Parabolas(weight, cost * chance, float(cost @ fixed), constant - a, factor)


class _Parabolas(NamedTuple):
    """Σ weight · z² + slope · z, + fixed, with z = constant + factor · n: k of them."""

    weight: FloatArray
    slope: FloatArray
    fixed: float
    constant: FloatArray
    factor: FloatArray


def _total(parabolas: Iterable[_Parabolas], columns: int) -> tuple[FloatArray, FloatArray, float]:
    """Return the quadratic, linear and constant part of a sum of parabolas."""
    quadratic, linear, fixed = np.zeros((columns, columns)), np.zeros(columns), 0.0
    for weight, slope, extra, constant, factor in parabolas:
        quadratic += factor.T @ (weight[:, np.newaxis] * factor)
        linear += (2.0 * weight * constant + slope) @ factor
        fixed += float(weight @ constant**2 + slope @ constant) + extra
    return quadratic, linear, fixed
