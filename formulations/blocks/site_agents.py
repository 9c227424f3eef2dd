"""Candidate sites as agents: which batteries each would get at given costs, and how they run.

All that batteries may do grows with the number of modules, so that a site's cost is linear in the
modules of each kind, once it is known how a single one runs best: see `storage_kernels`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from gridopt.agents import NOBODY, Agents, Answers
from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.formulations.blocks.reserves import reserve_block
from gridopt.formulations.blocks.storage_kernels import Cycles, best_cycles
from gridopt.program import Program
from gridopt.requirements import SPINNING
from gridopt.study import Study

ACROSS_SITES = ("site_count", "budget")
"""Row blocks that are about all sites together."""

FREE = ("soc_mwh", "charging")
"""Of batteries: columns that are in no row with others."""

ROUNDING = 1e-12
"""Of all that the cost of a battery is the sum of: more than doubles lose."""


class Running(NamedTuple):
    """How a module of each kind at each site runs: amounts, (C·M, T), in columns of that shape."""

    columns: IntArray
    amount: FloatArray


class Module(NamedTuple):
    """What a module of each kind at each site costs at least, (C, M), and how it runs then."""

    least: FloatArray
    running: tuple[Running, ...]


class _Batteries(NamedTuple):
    """A module of each kind at each site, (C·M,): P, E, and what a MW adds or takes in a period."""

    power_mw: FloatArray
    usable_mwh: FloatArray
    gain: FloatArray
    drawn: FloatArray

    def cycles(self, costs: FloatArray) -> Cycles:
        """Return the best cycles at costs of what is added, taken and held, (C·M, 3, T)."""
        up, down = self.gain * self.power_mw, self.drawn * self.power_mw
        none = np.zeros((len(costs), costs.shape[2]))
        found = Cycles(np.zeros(len(costs)), none, none.copy(), none.copy())
        best_cycles(self.usable_mwh, up, down, costs, found)
        size = np.abs(costs).sum(axis=(1, 2)) * np.maximum(up, down)
        return found._replace(least=found.least - ROUNDING * size)


@final
@dataclass(frozen=True, eq=False)
class SiteAgents(Agents):
    """The candidate sites of a study.

    Without reserve and without columns that keep charge and discharge apart, the answers are exact.
    Those columns are left out: batteries may do both at once where that pays. Reserve held in a
    period with charging is limited by the power charged, not by what losses leave of it.

    Parameters
    ----------
    study : Study
    program : Program
        The placement's.
    endings : tuple of str
        What the names of the blocks of each scenario end with.
    """

    study: Study
    program: Program
    endings: tuple[str, ...] = ("",)

    @cached_property
    def owner(self) -> IntArray:
        """Site of each column, or `NOBODY`, (n,)."""
        program, M = self.program, len(self.study.sites.modules)
        owner = np.full(program.n_columns, NOBODY)
        every = np.arange(len(self.study.sites))
        owner[program.columns("modules")] = every[:, np.newaxis]
        if self._has_bits:
            owner[program.columns("site")] = every
        for name in program.variables:
            if name.startswith("battery_"):
                owner[program.columns(name)] = np.repeat(every, M)[:, np.newaxis]
        return owner

    @cached_property
    def decides(self) -> BoolArray:
        """Modules, and whether there are any; not when to charge, (n,)."""
        found = np.zeros(self.program.n_columns, dtype=np.bool_)
        for name in ("modules", "site") if self._has_bits else ("modules",):
            found[self.program.columns(name)] = True
        return found

    @property
    def named_ties(self) -> IntArray:
        """The number of sites and the budget: there may be one site only."""
        rows = self.program.rows
        named = [rows[name].numbers.ravel() for name in ACROSS_SITES if name in rows]
        return np.concatenate([np.zeros(0, dtype=np.int64), *named])

    def answers(self, c: FloatArray, held: FloatArray | None = None) -> Answers:
        """Return the least cost of each site at linear costs `c`, (n,), and its batteries.

        Columns of stored energy, and those that keep charge and discharge apart, cost nothing.
        """
        if c[self._is_free].any():
            raise ValueError("only modules, sites and what they feed in or hold can have costs")
        module = self._module(c)
        each, fixed = c[self.program.columns("modules")] + module.least, self._fixed_cost(c)
        if held is None:
            number, least = self._cheapest(each, fixed)
        else:
            number = np.rint(held[self.program.columns("modules")])
            least = (number * each).sum(axis=1) + np.where(number.any(axis=1), fixed, 0.0)
            least[~self._is_allowed(number, held)] = np.inf
        x = np.zeros(self.program.n_columns)
        x[self.program.columns("modules")] = number
        if self._has_bits:
            x[self.program.columns("site")] = number.any(axis=1)
        for part in module.running:
            x[part.columns] = number.reshape(-1, 1) * part.amount
        return Answers(least, x)

    def marginals(self, c: FloatArray) -> FloatArray:
        """Return the least cost of each site with the best number and with any other, (2, n).

        Numbers of modules of a kind; whether there are any is a number as well.
        """
        each, fixed = (
            c[self.program.columns("modules")] + self._module(c).least,
            self._fixed_cost(c),
        )
        found = np.full((2, self.program.n_columns), -np.inf)
        found[:, self.program.columns("modules")] = self._by_number(each, fixed)
        if self._has_bits:
            built = self._built(each, fixed)[1]
            both = np.stack([np.zeros_like(built), built])
            found[:, self.program.columns("site")] = np.sort(both, axis=0)
        return found

    def usual_prices(self) -> FloatArray:
        """Return what trade costs, where there is any, on the balance: sites make no prices."""
        prices, program = np.zeros(self.program.n_rows), self.program
        for ending in self.endings:
            bought = f"import_mw{ending}"
            if bought in program.variables:
                cost = program.c[program.columns(bought)].max(axis=0)
                prices[program.rows[f"balance{ending}"].numbers] = cost
        return prices

    @cached_property
    def _is_free(self) -> IntArray:
        """Columns of batteries that cost nothing."""
        names = [f"battery_{name}{end}" for name in FREE for end in self.endings]
        own = [self.program.columns(n).ravel() for n in names if n in self.program.variables]
        return np.concatenate([np.zeros(0, dtype=np.int64), *own])

    @property
    def _has_bits(self) -> bool:
        return "site" in self.program.variables

    def _fixed_cost(self, c: FloatArray) -> FloatArray:
        """Return what it costs that a site has batteries at all, (C,)."""
        if self._has_bits:
            return np.asarray(c[self.program.columns("site")])
        return np.zeros(len(self.study.sites))

    def _is_allowed(self, number: FloatArray, held: FloatArray) -> BoolArray:
        """Tell which sites may have these numbers of modules, (C,)."""
        sites, total = self.study.sites, number.sum(axis=1)
        most = (total <= sites.modules_max) & (number >= 0).all(axis=1)
        if not self._has_bits:
            return np.asarray(most)
        has = held[self.program.columns("site")] > 0.5
        return np.asarray(most & (has == (total > 0)) & (~has | (total >= sites.modules_min)))

    def _built(self, each: FloatArray, fixed: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how many modules of the best kind a site gets if any, and their cost, (C,)."""
        sites, best = self.study.sites, each.min(axis=1)
        number = np.where(best < 0.0, float(sites.modules_max), float(sites.modules_min))
        return number, number * best + fixed

    def _cheapest(self, each: FloatArray, fixed: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the best number of modules, (C, M), and the cost, (C,)."""
        number, cost = self._built(each, fixed)
        modules = np.zeros_like(each)
        modules[np.arange(len(each)), each.argmin(axis=1)] = np.where(cost < 0.0, number, 0.0)
        return modules, np.minimum(cost, 0.0)

    def _by_number(self, each: FloatArray, fixed: FloatArray) -> FloatArray:
        """Return the least cost with the best number of modules and with any other, (2, C, M)."""
        sites = self.study.sites
        number = np.arange(sites.modules_max + 1)
        rest = np.full_like(each, np.inf)
        for m in range(each.shape[1]):
            rest[:, m] = np.delete(each, m, axis=1).min(axis=1, initial=np.inf)
        least = np.maximum(sites.modules_min - number, 0)
        rest = rest[..., np.newaxis]
        others = np.where(rest < 0.0, sites.modules_max - number, least)
        more = np.where(others > 0, np.where(others > 0, rest, 0.0) * others, 0.0)
        cost = fixed[:, np.newaxis, np.newaxis] + each[..., np.newaxis] * number + more
        cost[..., 0] = np.minimum(cost[..., 0], 0.0)
        return np.asarray(np.moveaxis(np.sort(cost, axis=2)[..., :2], 2, 0))

    def _module(self, c: FloatArray) -> Module:
        """Return what a module costs at least in all scenarios, and how it runs."""
        shape = len(self.study.sites), len(self.study.sites.modules)
        by = self._by_profile if not self.study.sites.is_optimized else self._at_its_best
        found = [by(c, ending) for ending in self.endings]
        least = np.sum([cost for cost, _ in found], axis=0).reshape(shape)
        return Module(least, tuple(part for _, parts in found for part in parts))

    def _by_profile(self, c: FloatArray, ending: str) -> tuple[FloatArray, tuple[Running, ...]]:
        sites = self.study.sites
        each_mw = np.tile(sites.modules.power_mw[:, np.newaxis] * sites.profile, (len(sites), 1))
        columns = self.program.columns(f"battery_mw{ending}")
        return (c[columns] * each_mw).sum(axis=1), (Running(columns, each_mw),)

    def _at_its_best(self, c: FloatArray, ending: str) -> tuple[FloatArray, tuple[Running, ...]]:
        """Return what a module costs in a scenario at least, (C·M,), and how it runs then."""
        charge = self.program.columns(f"battery_charge_mw{ending}")
        discharge = self.program.columns(f"battery_discharge_mw{ending}")
        gain, drawn = self._batteries.gain[:, np.newaxis], self._batteries.drawn[:, np.newaxis]
        held = list(self._reserve(ending))
        offered = np.maximum([np.zeros(charge.shape), *(-c[columns] for columns in held)], 0.0)
        best, worth = offered.argmax(axis=0), offered.max(axis=0)
        costs = np.stack(
            [(c[charge] - worth) / gain, (c[discharge] + worth) / drawn, worth / drawn], axis=1
        )
        found = self._batteries.cycles(costs)
        charged, drained = found.up / gain, found.down / drawn
        spun = found.covered / drawn + charged - drained
        running = [Running(charge, charged), Running(discharge, drained)]
        for i, columns in enumerate(held):
            running.append(Running(columns, np.where(best == i + 1, spun, 0.0)))
        return found.least, tuple(running)

    @cached_property
    def _batteries(self) -> _Batteries:
        kinds, h = self.study.sites.modules, self.study.period_h
        values = kinds.power_mw, kinds.usable_mwh, h * kinds.charge_efficiency
        each = (*values, h / kinds.discharge_efficiency)
        return _Batteries(*(np.tile(value, len(self.study.sites)) for value in each))

    def _reserve(self, ending: str) -> Iterator[IntArray]:
        """Yield the columns of each reserve product that batteries hold, (C·M, T)."""
        for p in self.study.reserves.products(SPINNING):
            name = f"battery_{reserve_block(self.study.reserves.product[p])}{ending}"
            if name in self.program.variables:
                yield self.program.columns(name)
