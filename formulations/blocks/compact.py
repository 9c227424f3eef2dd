"""The compact window: one bit a unit and period, the dispatch eliminated.

Near a commitment u⁰, at whose dispatch one more MW costs λ_t and prices rise by κ_t with each MW,
a unit that is on gives p̄_gt, its best answer to λ_t, and what the units on give too much or too
little is taken up along the supply curve. With D_t what thermal units and exchanges serve at u⁰,
x̄_t what exchanges give at λ_t, and h hours a period, the cost is, up to a constant, near

    h Σ_gt C_g(p̄_gt) u_gt + h Σ_t (λ_t z_t + ½ κ_t z_t²) + Σ_gt S_gt u_gt (1 − u_{g,t−1}),
    z_t = D_t − x̄_t − Σ_g p̄_gt u_gt,

the Lagrangian of the balance and the second-order cost of what it misses: a curvature of the
system, no penalty. All of it is quadratic in u as it stands. S_gt is the start-up cost after the
time off that u⁰ has before t, or the shortest one where u⁰ is on.

What is left out counts in the re-dispatch only: ramps, network limits, energy limits, and start-up
costs by the true time off. Storage, flexible demand and renewables stay as they are at u⁰.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.formulations.blocks.commitment import reachable
from gridopt.formulations.blocks.reserves import required_upward_mw
from gridopt.formulations.blocks.runs import RunRules, starts
from gridopt.formulations.blocks.supply import Supply
from gridopt.program import Compact, CompactModel, Program, ProgramBuilder, Sequences
from gridopt.study import Study

ON = 0.3
"""Share of a unit that a relaxation has on, above which it is on where the model is made."""

MISSED_MW = 1e-6

CAPACITY = ("capacity", "minimum_output")


@dataclass(frozen=True, eq=False)
class CompactCommitment(Compact):
    """The compact window of a study without scenarios.

    Parameters
    ----------
    study : Study
    program : Program
        The whole program of the study.
    """

    study: Study
    program: Program

    @property
    def columns(self) -> IntArray:
        """Columns of the commitment in the whole program, (G T,)."""
        return self.program.columns("on").ravel()

    def near(self, x: FloatArray, lower: FloatArray, upper: FloatArray) -> CompactModel:
        """Return the quadratic program over the commitment: see the module."""
        study, shape = self.study, (len(self.study.thermal), self.study.n_periods)
        around = self.repaired((x[self.columns] > ON).astype(np.float64)).reshape(shape) > 0
        b = ProgramBuilder()
        u = b.binary("on", shape, lower.reshape(shape), upper.reshape(shape))
        dispatch_cost(b, study, u, around, self._served_mw(x))
        startup_cost(b, study, u, around)
        capacity(b, study, u)
        runs = run_lengths(b, study, u)
        program = replace(b.program(), sequences=runs)
        return CompactModel(program, capacity_prices(study, program))

    def repaired(self, decisions: FloatArray) -> FloatArray:
        """Return the nearest commitment with long enough runs, then units on or off for capacity.

        Where capacity is short, the unit comes on that brings it at the least fixed cost; where
        minimum outputs are too much, the one goes off that saves most. Both keep their runs.
        """
        study, units = self.study, self.study.thermal
        on = np.asarray(decisions).reshape(len(units), study.n_periods) > 0.5
        for g, rules in enumerate(self._rules):
            nearest = rules.nearest(on[g])
            on[g] = on[g] if nearest is None else nearest
        least_mw, most_mw = capacity_limits_mw(study)
        self._switch(on, False, units.p_min_mw, lambda: units.p_min_mw @ on - most_mw)
        self._switch(on, True, units.p_max_mw, lambda: least_mw - units.p_max_mw @ on)
        return on.astype(np.float64).ravel()

    @cached_property
    def _rules(self) -> list[RunRules]:
        reach, runs = reachable(self.study), least_runs(self.study)
        numbers = zip(*(values.tolist() for values in runs), strict=True)
        return [
            RunRules(must, may, on, off, before)
            for must, may, (on, off, before) in zip(
                reach.must_be_on, reach.may_be_on, numbers, strict=True
            )
        ]

    def _served_mw(self, x: FloatArray) -> FloatArray:
        """Return what thermal units and exchanges give in all at `x`, (T,)."""
        program, p_min = self.program, self.study.thermal.p_min_mw
        served = p_min @ program.value("on", x) + program.value("above_min_mw", x).sum(axis=0)
        if "import_mw" in program.variables:
            served = served + program.value("import_mw", x).sum(axis=0)
        return np.asarray(served)

    def _switch(
        self, on: BoolArray, to: bool, weight: FloatArray, missing: Callable[[], FloatArray]
    ) -> None:
        """Switch units, in place, until nothing is missing or no unit is left that can help."""
        while (lack := np.maximum(missing(), 0.0)).max(initial=0.0) > MISSED_MW:
            t = int(np.argmax(lack))
            choices = [
                (self._price_of(g, on[g], changed, lack, weight[g]), g, changed)
                for g in np.flatnonzero(on[:, t] != to).tolist()
                if (changed := self._changed(g, on[g], t, to)) is not None
            ]
            if not choices:
                return
            _, g, changed = min(choices, key=lambda choice: choice[:2])
            on[g] = changed

    def _changed(self, g: int, on: BoolArray, t: int, to: bool) -> BoolArray | None:
        """Return the nearest commitment that is `to` at t and changes in that sense only."""
        rules = self._rules[g]
        must, may = rules.must_be_on.copy(), rules.may_be_on.copy()
        if to:
            must |= on
            must[t] = True
        else:
            may &= on
            may[t] = False
        if (must & ~may).any():
            return None
        return replace(rules, must_be_on=must, may_be_on=may).nearest(on)

    def _price_of(
        self, g: int, on: BoolArray, changed: BoolArray, lack: FloatArray, weight_mw: float
    ) -> float:
        """Return the fixed cost of a change for each MW of what is lacking."""
        units, before = self.study.thermal, self._rules[g].before
        hours = self.study.period_h * float(changed.sum() - on.sum())
        fixed = hours * float(units.cost[g].cost(units.p_min_mw[g]))
        more = starts(changed, before).sum() - starts(on, before).sum()
        fixed += float(more) * units.startup_cost[g].cost[0]
        relief = float(np.minimum(lack, weight_mw)[changed != on].sum())
        return fixed / relief if relief > 0 else np.inf


def dispatch_cost(
    b: ProgramBuilder, study: Study, on: IntArray, around: BoolArray, served_mw: FloatArray
) -> None:
    """Add h (Σ u C(p̄) + λ z + ½ κ z²): see the module.

    κ is the mean slope of the price over half the median unit more and less, what a switch of
    one unit moves.
    """
    supply, units, h = Supply.of(study), study.thermal, study.period_h
    price = supply.price_per_mwh(around, served_mw)
    power = supply.units_mw(price)
    rest = served_mw - supply.exchanges_mw(price)
    step = float(np.median(units.p_max_mw)) / 2.0
    dearer = supply.price_per_mwh(around, served_mw + step)
    curvature = np.maximum(dearer - supply.price_per_mwh(around, served_mw - step), 0.0) / (
        2 * step
    )
    cost = np.array([curve.cost(p) for curve, p in zip(units.cost, power, strict=True)])
    linear = cost - price * power + curvature * (0.5 * power**2 - rest * power)
    b.minimize(h * linear, on)
    b.minimize_constant(h * float((price * rest + 0.5 * curvature * rest**2).sum()))
    first, second = np.triu_indices(len(units), 1)
    b.minimize_product(h * curvature * power[first] * power[second], on[first], on[second])


def startup_cost(b: ProgramBuilder, study: Study, on: IntArray, around: BoolArray) -> None:
    """Add Σ S_t u_t (1 − u_{t−1}), S_t by the time off that `around` has before t."""
    units, h = study.thermal, study.period_h
    off_h = np.where(units.initial_on, 0.0, -units.initial_status_h)
    cost = np.zeros(on.shape)
    for t in range(study.n_periods):
        lag_h = np.maximum(off_h, units.min_down_time_h)
        cost[:, t] = [start.at(lag) for start, lag in zip(units.startup_cost, lag_h, strict=True)]
        off_h = np.where(around[:, t], 0.0, off_h + h)
    b.minimize(cost[:, 0] * ~units.initial_on, on[:, 0])
    b.minimize(cost[:, 1:], on[:, 1:])
    b.minimize_product(-cost[:, 1:], on[:, 1:], on[:, :-1])


def capacity(b: ProgramBuilder, study: Study, on: IntArray) -> None:
    """Add Σ P̄ u ≥ what these units must be able to give, and Σ P̲ u ≤ what can be taken."""
    least_mw, most_mw = capacity_limits_mw(study)
    units = study.thermal
    short, full = least_mw > 0, most_mw < units.p_min_mw.sum()
    if short.any():
        b.constrain("capacity", (units.p_max_mw, on.T[short]), lower=least_mw[short])
    if full.any():
        b.constrain("minimum_output", (units.p_min_mw, on.T[full]), upper=most_mw[full])


def capacity_prices(study: Study, program: Program) -> dict[str, float]:
    """Return what a MW of capacity costs by switching on the unit whose fixed cost is dearest."""
    units = study.thermal
    fixed = [
        float(curve.cost(low)) / most
        for curve, low, most in zip(units.cost, units.p_min_mw, units.p_max_mw, strict=True)
    ]
    rows = [row for name in CAPACITY if name in program.rows for row in program.rows[name].numbers]
    return dict.fromkeys(map(program.row_label, map(int, rows)), study.period_h * max(fixed))


def capacity_limits_mw(study: Study) -> tuple[FloatArray, FloatArray]:
    """Return what units that are on must be able to give, and at least be able to take, (T,) each.

    Demand and upward reserve less all else that may feed in; demand and all that may take out.
    Never more than the units that may be on have, and never less than those that must be on take.
    """
    units, reach = study.thermal, reachable(study)
    demand = study.total_demand_mw + study.grid.shunt_mw.sum()
    least = demand + study.flexible.p_min_mw.sum(axis=0) + required_upward_mw(study)
    least = least - study.renewables.p_max_mw.sum(axis=0) - study.storage.discharge_max_mw.sum()
    least = least - study.exchange.import_max_mw.sum()
    most = demand + study.flexible.p_max_mw.sum(axis=0) - study.renewables.p_min_mw.sum(axis=0)
    most = most + study.storage.charge_max_mw.sum() + study.exchange.export_max_mw.sum()
    if study.unserved_cost_per_mwh is not None:
        least = np.minimum(least, 0.0)
    if study.surplus_cost_per_mwh is not None:
        most = np.full_like(most, np.inf)
    return (
        np.minimum(least, units.p_max_mw @ reach.may_be_on),
        np.maximum(most, units.p_min_mw @ reach.must_be_on),
    )


def run_lengths(b: ProgramBuilder, study: Study, on: IntArray) -> Sequences:
    """Add what a start and a stop ask of the n periods after them, and return it as runs.

    n (u_t − u_{t−1}) ≤ Σ u_τ over the periods τ of the minimum up time, and
    n (u_{t−1} − u_t) ≤ Σ (1 − u_τ) over those of the minimum down time.
    """
    T, runs = study.n_periods, least_runs(study)
    before = study.thermal.initial_on.astype(np.float64)[:, np.newaxis]
    t = np.arange(T)
    for name, steps, sign in (
        ("min_up_time", runs.on, 1.0),
        ("min_down_time", runs.off, -1.0),
    ):
        ahead = t[np.newaxis] - t[:, np.newaxis]
        after = (ahead > 0) & (ahead < steps[:, np.newaxis, np.newaxis])
        n = after.sum(axis=2, keepdims=True).astype(np.float64)
        row = n * ((ahead == 0).astype(np.float64) - (ahead == -1)) - after
        side = np.zeros(on.shape) if sign > 0 else n[:, :, 0].copy()
        side[:, :1] += sign * n[:, 0] * before
        b.constrain(name, (sign * row, on[:, np.newaxis, :]), upper=side)
    return Sequences(on, runs.on, runs.off, runs.before, ("min_up_time", "min_down_time"))


class LeastRuns(NamedTuple):
    """Least periods on and off, and periods on (+) or off (−) before the first one, (G,) each."""

    on: IntArray
    off: IntArray
    before: IntArray


def least_runs(study: Study) -> LeastRuns:
    """Return the minimum up and down times in periods, as far as the study's length tells them."""
    units = study.thermal
    up, down = (
        np.clip(study.steps(hours), 1, study.n_periods)
        for hours in (units.min_up_time_h, units.min_down_time_h)
    )
    now = np.where(units.initial_on, up, down)
    age = np.maximum(now - study.held_periods(), 1)
    return LeastRuns(up, down, np.where(units.initial_on, age, -age))
