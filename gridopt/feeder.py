"""Radial grids: voltages, flows and losses from one equation a branch.

LinDistFlow, the branch flow model without losses in its flows: Baran & Wu 1989, "Optimal
capacitor placement on radial distribution systems", doi 10.1109/61.25627. With branches from the
reference bus outward, w the squared voltage and P + jQ what enters bus c by its branch:

    P_c = demand_c − infeed_c + Σ P of the branches that leave c
    w_c = a w_parent − 2 k (r P_c + x Q_c) + correction
    loss = r (P_c² + Q_c²)

with a = k = τ² where the branch has its tap ratio τ at c, and a = 1/τ², k = 1 where it is at the
parent. Corrections are differences from an AC power flow, zero unless one was run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gridopt.arrays import FloatArray, IntArray, freeze
from gridopt.errors import Issue
from gridopt.grid import Grid


@dataclass(frozen=True, eq=False)
class Correction:
    """By how much an AC power flow differs from the equations above.

    Parameters
    ----------
    vm2_pu2 : array, (B, T)
        Squared voltage, AC less LinDistFlow's.
    loading : array, (L, T)
        Loading of branches, AC over LinDistFlow's.
    loss_mw : array, (T,)
        Losses, AC less LinDistFlow's.
    """

    vm2_pu2: FloatArray
    loading: FloatArray
    loss_mw: FloatArray

    def __post_init__(self) -> None:
        freeze(self, floats="vm2_pu2 loading loss_mw")


@dataclass(frozen=True, eq=False)
class Feeder:
    """What a radial grid has beside its `Grid`: L = B − 1 branches in the grid's order.

    Parameters
    ----------
    grid : Grid
        A tree.
    base_mva : float
    resistance_pu, reactance_pu : array, (L,)
    tap : array, (L,)
        Ratio at the from bus.
    reactive_mvar_per_mw : array, (B,)
        Reactive power that demand takes with each MW.
    reactive_mvar : array, (B,)
        Taken whatever the demand: by shunts, by lines (negative), with fixed infeeds.
    source_vm_pu : float
        Voltage of the reference bus.
    vm_min_pu, vm_max_pu : array, (B,)
        The voltage band; −inf and inf where there is none.
    corrections : tuple of Correction
        One for each scenario of the study, or one; empty where no AC power flow was run.
    """

    grid: Grid
    base_mva: float
    resistance_pu: FloatArray
    reactance_pu: FloatArray
    tap: FloatArray
    reactive_mvar_per_mw: FloatArray
    reactive_mvar: FloatArray
    source_vm_pu: float
    vm_min_pu: FloatArray
    vm_max_pu: FloatArray
    corrections: tuple[Correction, ...] = ()

    def __post_init__(self) -> None:
        freeze(
            self,
            floats="resistance_pu reactance_pu tap reactive_mvar_per_mw reactive_mvar "
            "vm_min_pu vm_max_pu",
        )

    def correction(self, n_periods: int) -> Correction:
        """Return the correction, the first of several, or none."""
        if self.corrections:
            return self.corrections[0]
        return Correction(
            np.zeros((self.grid.n_buses, n_periods)),
            np.ones((self.grid.n_branches, n_periods)),
            np.zeros(n_periods),
        )

    def in_scenario(self, number: int) -> Feeder:
        """Return the feeder with the correction of one scenario."""
        return replace(self, corrections=self.corrections[number : number + 1])

    def issues(self) -> Iterator[Issue]:
        """Yield why the grid is no radial one."""
        grid = self.grid
        if grid.n_branches != grid.n_buses - 1:
            expected = f"{grid.n_buses - 1}: as many as buses, less one, in a radial grid"
            yield Issue("net", "branches", grid.n_branches, expected)

    @cached_property
    def order(self) -> IntArray:
        """Branches from the reference bus outward, (L,)."""
        place, _, tree = self.grid.spanning_tree()
        return tree[np.argsort(place, kind="stable")[1:]]

    @cached_property
    def child(self) -> IntArray:
        """Far end of each branch, seen from the reference bus, (L,)."""
        place, _, _ = self.grid.spanning_tree()
        start, end = self.grid.from_bus, self.grid.to_bus
        return np.where(place[start] > place[end], start, end)

    @cached_property
    def parent(self) -> IntArray:
        """Near end of each branch, (L,)."""
        return np.asarray(self.grid.from_bus + self.grid.to_bus - self.child)

    @cached_property
    def voltage_ratio(self) -> FloatArray:
        """The a above, (L,)."""
        at_child = self.grid.from_bus == self.child
        return np.asarray(np.where(at_child, self.tap**2, self.tap**-2.0))

    @cached_property
    def drop_pu2_per_mw(self) -> FloatArray:
        """2 k r of each branch, in pu² a MW, (L,)."""
        return self._drop(self.resistance_pu)

    @cached_property
    def drop_pu2_per_mvar(self) -> FloatArray:
        """2 k x of each branch, in pu² a Mvar, (L,)."""
        return self._drop(self.reactance_pu)

    def _drop(self, impedance_pu: FloatArray) -> FloatArray:
        at_child = self.grid.from_bus == self.child
        return np.asarray(2.0 * np.where(at_child, self.tap**2, 1.0) * impedance_pu / self.base_mva)

    @cached_property
    def loss_mw_per_mva2(self) -> FloatArray:
        """The r of losses, in MW a MVA², (L,)."""
        return np.asarray(self.resistance_pu / self.base_mva)

    def reactive_demand_mvar(self, demand_mw: FloatArray) -> FloatArray:
        """Return what buses take of reactive power, (B, T), for their demand, (B, T)."""
        fixed = self.reactive_mvar[:, np.newaxis]
        return np.asarray(self.reactive_mvar_per_mw[:, np.newaxis] * demand_mw + fixed)

    def flows(self, taken: FloatArray) -> FloatArray:
        """Return what enters each branch's far end, (L, T), where buses take that, (B, T)."""
        into = np.array(taken, dtype=np.float64)
        for branch in self.order[::-1]:
            into[self.parent[branch]] += into[self.child[branch]]
        return np.asarray(into[self.child])

    def vm2(self, p_mw: FloatArray, q_mvar: FloatArray, correction_pu2: FloatArray) -> FloatArray:
        """Return squared voltages, (B, T), of flows, (L, T) each."""
        shape = self.grid.n_buses, p_mw.shape[1]
        vm2 = np.full(shape, self.source_vm_pu**2)
        drop = self.drop_pu2_per_mw[:, np.newaxis] * p_mw
        drop = drop + self.drop_pu2_per_mvar[:, np.newaxis] * q_mvar
        for branch in self.order:
            near = vm2[self.parent[branch]]
            vm2[self.child[branch]] = self.voltage_ratio[branch] * near - drop[branch]
        return np.asarray(vm2 + correction_pu2)

    def loss_mw(self, p_mw: FloatArray, q_mvar: FloatArray) -> FloatArray:
        """Return the losses of all branches, (T,), of flows, (L, T) each."""
        return np.asarray(self.loss_mw_per_mva2 @ (p_mw**2 + q_mvar**2))

    def flow_limit_mw(self, q_mvar: FloatArray, correction: Correction) -> FloatArray:
        """Return the largest P that rating and reactive flow leave, (L, T): √(S² − Q²)."""
        rating = self.grid.rating_mw[:, np.newaxis] / correction.loading
        return np.asarray(np.sqrt(np.maximum(rating**2 - q_mvar**2, 0.0)))

    def fed_through(self, bus: IntArray) -> FloatArray:
        """Return 1 where a bus is fed through a branch, else 0, (L, k), for k buses."""
        at = np.zeros((self.grid.n_buses, len(bus)))
        at[bus, np.arange(len(bus))] = 1.0
        return self.flows(at)
