"""Limits of the DC network: branches, interfaces, and branches after the outage of another.

With P(x) what the columns inject at the buses, flows are F = H (P(x) − demand − offset) + F_shift
(see `gridopt.grid.Grid`). All of them follow from one solve with the factored net, whereas a limit
as a row takes a dense row of H: so the limits are lazy rows, of which an answer asks for few
(Tejada-Arango, Sánchez-Martín, Ramos 2018, doi 10.1109/TPWRS.2017.2686701).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.formulations.blocks.injections import Injection
from gridopt.grid import Grid
from gridopt.lazy import AddedRows, LazyRows, check_listable
from gridopt.program import ProgramBuilder
from gridopt.study import Study

NAMED = 100
"""Bridges that a note names, at most."""

NEGLIGIBLE = 1e-12
"""Coefficients below this, in MW a MW, are rounding of zeros."""


def network_limits(
    b: ProgramBuilder, study: Study, injections: list[Injection], security: str
) -> None:
    """Add the limits of branches and interfaces and, for ``"n-1"``, those after outages."""
    flows = Flows.of(study, injections)
    b.constrain_lazily(branch_limits(flows))
    b.constrain_lazily(interface_limits(flows))
    if security == "n-1":
        b.constrain_lazily(outage_limits(flows))


def network_notes(grid: Grid, security: str) -> tuple[str, ...]:
    """Return what of a network cannot limit a plan: no ratings, outages that cut off buses."""
    found = []
    if not (grid.is_rated.any() or len(grid.interfaces)):
        found.append("the DC network limits nothing: no branch has an effective rating")
    bridges = [grid.branch_name[branch] for branch in np.flatnonzero(grid.bridges & grid.may_fail)]
    if security == "n-1" and bridges:
        shown = ", ".join(bridges[:NAMED]) + (", …" if len(bridges) > NAMED else "")
        count = f"{len(bridges)} of {grid.n_branches} branches are bridges"
        found.append(f"{count}, whose outage cuts off a part of the net: left out of N−1: {shown}")
    return tuple(found)


def branch_limits(flows: Flows) -> SumLimits:
    """Return −F̄ ≤ F ≤ F̄ for every branch with a rating F̄, in each period."""
    grid = flows.grid
    rated = np.flatnonzero(grid.is_rated)
    return SumLimits(
        name="branch_limit",
        flows=flows,
        element=tuple(grid.branch_name[branch] for branch in rated),
        weight=_chosen(rated, grid.n_branches),
        lower=-grid.rating_mw[rated],
        upper=grid.rating_mw[rated],
    )


def interface_limits(flows: Flows) -> SumLimits:
    """Return lower ≤ Σ weight · F ≤ upper for every interface, in each period."""
    interfaces = flows.grid.interfaces
    return SumLimits(
        name="interface_limit",
        flows=flows,
        element=interfaces.name,
        weight=sparse.csr_array(interfaces.weight.reshape(-1, flows.grid.n_branches)),
        lower=interfaces.lower_mw,
        upper=interfaces.upper_mw,
    )


def outage_limits(flows: Flows) -> OutageLimits:
    """Return −Ē ≤ F + LODF_c · F_c ≤ Ē after the outage of each branch c, in each period.

    For every branch with an emergency rating Ē, and every c that may fail and whose outage leaves
    the net in one piece; `gridopt.grid.Grid.lodf` has the source. Bridges carry the same after any
    such outage, and are left out where the branch limit says as much.
    """
    grid = flows.grid
    same = grid.bridges & (grid.rating_mw <= grid.emergency_rating_mw)
    monitored = np.flatnonzero(np.isfinite(grid.emergency_rating_mw) & ~same)
    outage = np.flatnonzero(grid.may_fail & ~grid.bridges)
    return OutageLimits(
        name="outage_limit",
        flows=flows,
        monitored=monitored,
        outage=outage,
        lodf=grid.lodf(outage)[monitored],
    )


@dataclass(frozen=True, eq=False)
class Flows:
    """DC flows as a function of a program's columns.

    Parameters
    ----------
    grid : Grid
    demand_mw : array, (B, T)
    injection : Injection
        All that columns inject, as one.
    """

    grid: Grid
    demand_mw: FloatArray
    injection: Injection

    @staticmethod
    def of(study: Study, injections: list[Injection]) -> Flows:
        """Return the flows that injections and the study's demand cause."""
        together = Injection(
            np.concatenate([part.bus for part in injections]),
            np.concatenate([part.coefficient for part in injections]),
            np.concatenate([part.columns for part in injections]),
        )
        return Flows(study.grid, study.demand_mw, together)

    @property
    def n_periods(self) -> int:
        """Number of periods T."""
        return int(self.demand_mw.shape[1])

    def at(self, x: FloatArray) -> FloatArray:
        """Return the flow of every branch in every period, (L, T)."""
        injection = self.injection
        enters = sparse.coo_array(
            (injection.coefficient, (injection.bus, np.arange(len(injection.bus)))),
            shape=(self.grid.n_buses, len(injection.bus)),
        )
        return self.grid.flows(enters @ x[injection.columns] - self.demand_mw)

    def rows(
        self, weight: sparse.csr_array, period: IntArray, n_columns: int
    ) -> tuple[sparse.csr_array, FloatArray]:
        """Return Σ weight · F of some periods as A x + constant.

        Parameters
        ----------
        weight : scipy.sparse.csr_array, (k, L)
        period : array of int, (k,)
        n_columns : int

        Returns
        -------
        A : scipy.sparse.csr_array, (k, n)
        constant : array, (k,)
        """
        grid, injection = self.grid, self.injection
        used = np.unique(weight.indices).astype(np.int64)
        factor = np.asarray(sparse.csr_array(weight[:, used]).dot(grid.ptdf(used)))
        value = factor[:, injection.bus] * injection.coefficient
        counts = np.abs(value) > NEGLIGIBLE
        start = np.concatenate([[0], np.cumsum(counts.sum(axis=1))])
        column = injection.columns[:, period].T[counts]
        A = sparse.csr_array((value[counts], column, start), shape=(len(period), n_columns))
        taken = self.demand_mw[:, period] + grid.offset_mw[:, np.newaxis]
        constant = weight @ grid.shift_flow_mw - np.einsum("kb,bk->k", factor, taken)
        return A, np.asarray(constant)

    def between(
        self,
        lower: FloatArray,
        weight: sparse.csr_array,
        upper: FloatArray,
        period: IntArray,
        label: Iterable[str],
        n_columns: int,
    ) -> AddedRows:
        """Return lower ≤ Σ weight · F ≤ upper as rows of a program of n columns."""
        A, constant = self.rows(weight, period, n_columns)
        return AddedRows(A, lower - constant, upper - constant, tuple(label))


@final
@dataclass(frozen=True, eq=False)
class SumLimits(LazyRows):
    """Limits of M weighted sums of flows, in each period.

    Parameters
    ----------
    name : str
    flows : Flows
    element : tuple of str, (M,)
    weight : scipy.sparse.csr_array, (M, L)
    lower, upper : array, (M,)
    """

    flows: Flows
    element: tuple[str, ...]
    weight: sparse.csr_array
    lower: FloatArray
    upper: FloatArray

    @property
    def n_rows(self) -> int:
        """Number of sums and periods."""
        return len(self.element) * self.flows.n_periods

    def violation(self, x: FloatArray) -> float:
        """Return the largest overload in MW."""
        return float(self._overload(x).max(initial=0.0))

    def separate(self, x: FloatArray, most: int, tolerance: float) -> AddedRows:
        """Return the limits that `x` misses, the worst first."""
        element, period = _worst(self._overload(x), most, tolerance)
        return self._rows(element, period, len(x))

    def every_row(self, n_columns: int) -> AddedRows:
        """Return all limits of all periods."""
        check_listable(self.name, self.n_rows, len(self.flows.injection.bus))
        element, period = np.indices((len(self.element), self.flows.n_periods)).reshape(2, -1)
        return self._rows(element, period, n_columns)

    def _overload(self, x: FloatArray) -> FloatArray:
        flow = self.weight @ self.flows.at(x)
        above, below = flow - self.upper[:, np.newaxis], self.lower[:, np.newaxis] - flow
        return np.asarray(np.maximum(above, below))

    def _rows(self, element: IntArray, period: IntArray, n_columns: int) -> AddedRows:
        label = (
            f"{self.name}[{self.element[i]}, {t}]" for i, t in zip(element, period, strict=True)
        )
        lower, upper = self.lower[element], self.upper[element]
        return self.flows.between(lower, self.weight[element], upper, period, label, n_columns)


@final
@dataclass(frozen=True, eq=False)
class OutageLimits(LazyRows):
    """Emergency ratings of M branches after each of C outages, in each period.

    Parameters
    ----------
    name : str
    flows : Flows
    monitored : array of int, (M,)
        Positions of branches with an emergency rating.
    outage : array of int, (C,)
        Positions of branches that fail, one at a time.
    lodf : array, (M, C)
    """

    flows: Flows
    monitored: IntArray
    outage: IntArray
    lodf: FloatArray

    @property
    def n_rows(self) -> int:
        """Number of branches, outages of others and periods."""
        own = np.isin(self.monitored, self.outage).sum()
        return int(self.lodf.size - own) * self.flows.n_periods

    def violation(self, x: FloatArray) -> float:
        """Return the largest overload after any outage in MW."""
        overload, _ = self._worst_outages(x)
        return float(overload.max(initial=0.0))

    def separate(self, x: FloatArray, most: int, tolerance: float) -> AddedRows:
        """Return for each branch and period the worst outage that `x` does not stand."""
        overload, worst = self._worst_outages(x)
        place, period = _worst(overload, most, tolerance)
        return self._rows(place, worst[place, period], period, len(x))

    def every_row(self, n_columns: int) -> AddedRows:
        """Return all branches after all outages in all periods."""
        check_listable(self.name, self.n_rows, len(self.flows.injection.bus))
        shape = (*self.lodf.shape, self.flows.n_periods)
        place, failed, period = np.indices(shape).reshape(3, -1)
        other = self.monitored[place] != self.outage[failed]
        return self._rows(place[other], failed[other], period[other], n_columns)

    @property
    def _rating(self) -> FloatArray:
        return np.asarray(self.flows.grid.emergency_rating_mw[self.monitored])

    def _worst_outages(self, x: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return the largest overload and the outage it comes after, (M, T) each.

        One period after the other, so that memory is that of the factors.
        """
        flow = self.flows.at(x)
        overload = np.zeros((len(self.monitored), self.flows.n_periods))
        worst = np.zeros(overload.shape, dtype=np.int64)
        if not len(self.outage):
            return overload, worst
        after = np.empty_like(self.lodf)
        row = np.arange(len(self.monitored))
        for t in range(self.flows.n_periods):
            np.multiply(self.lodf, flow[self.outage, t], out=after)
            after += flow[self.monitored, t, np.newaxis]
            np.abs(after, out=after)
            worst[:, t] = after.argmax(axis=1)
            overload[:, t] = after[row, worst[:, t]] - self._rating
        return overload, worst

    def _rows(
        self, place: IntArray, failed: IntArray, period: IntArray, n_columns: int
    ) -> AddedRows:
        names = self.flows.grid.branch_name
        line, out = self.monitored[place], self.outage[failed]
        row = np.arange(len(line))
        weight = sparse.coo_array(
            (
                np.concatenate([np.ones(len(line)), self.lodf[place, failed]]),
                (np.concatenate([row, row]), np.concatenate([line, out])),
            ),
            shape=(len(line), len(names)),
        ).tocsr()
        label = (
            f"{self.name}[{names[i]} after {names[c]}, {t}]"
            for i, c, t in zip(line, out, period, strict=True)
        )
        most = self._rating[place]
        return self.flows.between(-most, weight, most, period, label, n_columns)


def _worst(overload: FloatArray, most: int, tolerance: float) -> tuple[IntArray, IntArray]:
    """Return places of the largest entries above the tolerance, the largest first."""
    row, column = np.nonzero(overload > tolerance)
    order = np.argsort(-overload[row, column], kind="stable")[:most]
    return row[order], column[order]


def _chosen(branches: IntArray, n_branches: int) -> sparse.csr_array:
    """Return the matrix that picks some branches of all, (k, L)."""
    k = len(branches)
    return sparse.csr_array((np.ones(k), branches, np.arange(k + 1)), shape=(k, n_branches))
