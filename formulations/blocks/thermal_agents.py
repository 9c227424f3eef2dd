"""Thermal units as agents: what each would do at given costs.

By the dynamic program over intervals: see `interval_kernels` and `ramp_kernels` for it, and for its
papers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gridopt.agents import NOBODY, Agents, Answers
from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.compiling import threads_within
from gridopt.formulations.blocks.commitment import reachable
from gridopt.formulations.blocks.interval_kernels import (
    dispatch_units,
    marginals_of_units,
    solve_units,
)
from gridopt.formulations.blocks.production import initial_above_min_mw, start_and_stop_limits
from gridopt.formulations.blocks.reserves import holders, reserve_block
from gridopt.formulations.blocks.unit_kernels import UnitAnswers, UnitCosts, UnitRules
from gridopt.program import Program
from gridopt.requirements import NONSPINNING, REGULATION_DOWN
from gridopt.study import Study

CHUNK = 16
"""Units that a thread takes at a time."""

UNLIMITED_MW = 1e12
"""In place of an infinite ramp, so that none of it is nothing."""

OWN_ROWS = ("segment_sum", "warmer_start_once")
"""Row blocks that say which unit the columns of cost segments and of warm starts belong to."""


@dataclass(frozen=True, eq=False)
class ThermalAgents(Agents):
    """The thermal units of a study without scenarios.

    Ramps limit power, and of reserve a single product without an offer that binds; of several, only
    what ramps allow so long after a start and before a stop. That downward reserve must fit below
    the power is left out.

    Parameters
    ----------
    study : Study
    program : Program
        The whole program of the study, in its reference form.
    """

    study: Study
    program: Program

    @cached_property
    def owner(self) -> IntArray:
        """Unit of each column, or `NOBODY`, (n,)."""
        program = self.program
        owner = np.full(program.n_columns, NOBODY)
        every = np.arange(len(self.study.thermal))[:, np.newaxis]
        for name in ("on", "start", "stop", "above_min_mw"):
            owner[program.columns(name)] = every
        for p, product in enumerate(self.study.reserves.product):
            if self._may_hold[p].any():
                owner[program.columns(reserve_block(product))] = every[self._may_hold[p]]
        for name in OWN_ROWS:
            if name in program.rows:
                rows = program.A[program.rows[name].numbers.ravel()]
                row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
                of_row = np.full(rows.shape[0], NOBODY)
                np.maximum.at(of_row, row, owner[rows.indices])
                owner[rows.indices] = of_row[row]
        return owner

    @cached_property
    def decides(self) -> BoolArray:
        """When units are on, (n,)."""
        return np.asarray(self.program.is_decision & (self.owner != NOBODY))

    @property
    def named_ties(self) -> IntArray:
        """None: a row of one unit alone is its rule."""
        return np.zeros(0, dtype=np.int64)

    def answers(self, c: FloatArray, held: FloatArray | None = None) -> Answers:
        """Return the least cost of each unit at linear costs `c`, (n,), and its schedule.

        Only columns that rows of several units have may cost other than in the program.
        """
        own = (self.owner != NOBODY) & ~self._is_priced
        if not np.array_equal(c[own], self.program.c[own]):
            raise ValueError("only power, reserve and being on can have other costs")
        rules, costs = self._rules, self._costs(c)
        G, found = len(rules.may_be_on), _no_answers(rules)
        if held is None:
            _in_chunks(G, lambda first, last: solve_units(rules, costs, first, last, found))
        else:
            on = held[self.program.columns("on")] > 0.5
            _in_chunks(G, lambda first, last: dispatch_units(rules, costs, on, first, last, found))
        return Answers(found.least, self._x(c, found.on, found.above_mw, found.reserve_mw))

    def marginals(self, c: FloatArray) -> FloatArray:
        """Return the least cost of each unit with it off and on in each period, (2, n)."""
        rules, costs = self._rules, self._costs(c)
        G, T = rules.may_be_on.shape
        found, room = np.full((2, G, T), np.inf), _no_answers(rules)
        _in_chunks(
            G, lambda first, last: marginals_of_units(rules, costs, first, last, room, found)
        )
        least = np.full((2, self.program.n_columns), -np.inf)
        least[:, self.program.columns("on")] = found
        return least

    def usual_prices(self) -> FloatArray:
        """Return what the last unit costs that is needed, the cheapest at full output first.

        On the power balance; the other rows are worth nothing.
        """
        study, units = self.study, self.study.thermal
        most = np.maximum(units.p_max_mw, 1e-9)
        pairs = zip(units.cost, units.p_max_mw, strict=True)
        at_full = np.array([float(curve.cost(np.array(p))) for curve, p in pairs]) / most
        order = np.argsort(at_full, kind="stable")
        capacity = np.cumsum(most[order])
        demand = study.total_demand_mw - study.renewables.p_max_mw.sum(axis=0)
        last = np.minimum(np.searchsorted(capacity, demand), len(order) - 1)
        prices = np.zeros(self.program.n_rows)
        prices[self.program.rows["balance"].numbers] = study.period_h * at_full[order[last]]
        return prices

    @cached_property
    def _may_hold(self) -> BoolArray:
        return holders(self.study)

    @cached_property
    def _is_priced(self) -> BoolArray:
        """Columns whose costs may change, (n,)."""
        program, found = self.program, np.zeros(self.program.n_columns, dtype=np.bool_)
        names = ["on", "above_min_mw", *map(reserve_block, self.study.reserves.product)]
        for name in names:
            if name in program.variables:
                found[program.columns(name)] = True
        return found

    def _held(self, p: int) -> IntArray:
        """Return the columns of a product, (units that hold it, T)."""
        return self.program.columns(reserve_block(self.study.reserves.product[p]))

    def _products(self, upward: bool) -> list[int]:
        """Return the products that units hold above their power, or all the others."""
        apart = {NONSPINNING, REGULATION_DOWN}
        kinds = self.study.reserves.kind
        held = [p for p in range(len(kinds)) if self._may_hold[p].any()]
        return [p for p in held if (kinds[p] not in apart) is upward]

    @cached_property
    def _rules(self) -> UnitRules:
        study, units, h = self.study, self.study.thermal, self.study.period_h
        reach, T = reachable(study), study.n_periods
        width = units.p_max_mw - units.p_min_mw
        start, stop = start_and_stop_limits(study)
        up, down = (
            np.where(h * ramp < width, h * ramp, UNLIMITED_MW)
            for ramp in (units.ramp_up_mw_per_h, units.ramp_down_mw_per_h)
        )
        products = self._products(upward=True)
        reserve = np.zeros((len(products), len(units), T))
        for i, p in enumerate(products):
            reserve[i, self._may_hold[p]] = self.program.upper[self._held(p)]
        n, mw, cost, rise = _segments(study)
        held = (reserve > 0.0).any(axis=2).sum(axis=0)
        no_offer_binds = (reserve == 0.0) | (reserve >= np.minimum(width, up + down)[:, np.newaxis])
        off: FloatArray = np.arange(T + 1, dtype=np.float64) * h
        status = units.initial_status_h
        return UnitRules(
            must_be_on=reach.must_be_on,
            may_be_on=reach.may_be_on,
            may_start=reach.may_start,
            may_stop=reach.may_stop,
            min_up=study.steps(units.min_up_time_h),
            min_down=study.steps(units.min_down_time_h),
            initially_on=units.initial_on,
            initial_mw=initial_above_min_mw(study),
            width_mw=width,
            up_mw=up,
            down_mw=down,
            ramps_bind=(up < UNLIMITED_MW) | (down < UNLIMITED_MW),
            reserve_in_ramps=(held <= 1) & no_offer_binds.all(axis=(0, 2)),
            start_mw=start,
            stop_mw=stop,
            n_segments=n,
            segment_mw=mw,
            segment_cost=cost,
            segment_rise=rise,
            reserve_mw=reserve,
            start_cost=np.array([s.at_each(off) for s in units.startup_cost]),
            initial_start_cost=np.array(
                [
                    s.at_each(off[:-1] - before)
                    for s, before in zip(units.startup_cost, status, strict=True)
                ]
            ),
        )

    def _costs(self, c: FloatArray) -> UnitCosts:
        program = self.program
        on = c[program.columns("on")]
        off = np.zeros_like(on)
        for p in self._products(upward=False):
            columns = self._held(p)
            gain = np.minimum(c[columns], 0.0) * program.upper[columns]
            where = off if self.study.reserves.kind[p] == NONSPINNING else on
            where[self._may_hold[p]] += gain
        products = self._products(upward=True)
        reserve = np.zeros((len(products), *on.shape))
        for i, p in enumerate(products):
            reserve[i, self._may_hold[p]] = c[self._held(p)]
        return UnitCosts(on, off, c[program.columns("above_min_mw")], reserve)

    def _x(
        self, c: FloatArray, on: BoolArray, above_mw: FloatArray, held_mw: FloatArray
    ) -> FloatArray:
        program = self.program
        x = np.zeros(program.n_columns)
        x[program.columns("on")] = on
        x[program.columns("above_min_mw")] = above_mw
        for i, p in enumerate(self._products(upward=True)):
            x[self._held(p)] = held_mw[i, self._may_hold[p]]
        for p in self._products(upward=False):
            columns = self._held(p)
            is_off = self.study.reserves.kind[p] == NONSPINNING
            may = (on != is_off)[self._may_hold[p]]
            x[columns] = np.where(may & (c[columns] < 0.0), program.upper[columns], 0.0)
        return x


def _no_answers(rules: UnitRules) -> UnitAnswers:
    """Return room for the answers of all units."""
    shape = rules.may_be_on.shape
    on, above_mw = np.zeros(shape, dtype=np.bool_), np.zeros(shape)
    return UnitAnswers(np.zeros(shape[0]), on, above_mw, np.zeros_like(rules.reserve_mw))


def _in_chunks(n: int, work: Callable[[int, int], None]) -> None:
    """Do the work on n units, some at a time, in threads."""
    with ThreadPoolExecutor(threads_within(None)) as pool:
        chunks = [pool.submit(work, first, min(first + CHUNK, n)) for first in range(0, n, CHUNK)]
    for chunk in chunks:
        chunk.result()


def _segments(study: Study) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Return number, (G,), width, first marginal cost and its rise, (G, K), of cost segments.

    As the program has them: the slope of a single segment, and what a square costs at the minimum,
    are linear costs of the power.
    """
    units, h = study.thermal, study.period_h
    count = np.array([len(curve.widths_mw) for curve in units.cost])
    shape = len(units), int(count.max())
    width, cost, rise = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for g, curve in enumerate(units.cost):
        k = slice(0, count[g])
        width[g, k] = curve.widths_mw
        rise[g, k] = 2.0 * h * curve.quadratic
        cost[g, k] = rise[g, 0] * (np.cumsum(curve.widths_mw) - curve.widths_mw)
        if count[g] > 1:
            cost[g, k] += h * curve.slopes_per_mwh
    return count, width, cost, rise
