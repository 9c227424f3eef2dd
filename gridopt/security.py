"""Judges the flows of a schedule: ratings, interfaces and, for N−1 plans, every single outage.

Flows after an outage are those of the grid without the branch, its equations factored anew: no
distribution factor is used, so that what found the plan is not what judges it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.grid import Grid, Interfaces
from gridopt.results import Schedule


@dataclass(frozen=True, eq=False)
class FlowCheck:
    """Flows that must not exceed limits.

    Parameters
    ----------
    rule : str
    element : tuple of str, (N,)
    flow_mw : array, (N, T)
    limit_mw : array, (N, 1)
    """

    rule: str
    element: tuple[str, ...]
    flow_mw: FloatArray
    limit_mw: FloatArray


def flow_checks(schedule: Schedule) -> Iterator[FlowCheck]:
    """Yield what a schedule claims of its flows: those before and those after outages."""
    if schedule.network == "dc":
        yield from base_case_checks(schedule)
    if schedule.security == "n-1":
        yield from outage_checks(schedule)


def base_case_checks(schedule: Schedule) -> Iterator[FlowCheck]:
    """Yield branch flows against ratings and interface flows against their limits."""
    grid, flow = schedule.study.grid, schedule.flow_mw()
    yield FlowCheck("branch_limit", grid.branch_name, np.abs(flow), grid.rating_mw[:, np.newaxis])
    interfaces = grid.interfaces
    if len(interfaces):
        total = interfaces.weight @ flow
        upper, lower = interfaces.upper_mw[:, np.newaxis], interfaces.lower_mw[:, np.newaxis]
        yield FlowCheck("interface_limit", interfaces.name, total, upper)
        reverse = tuple(f"{name} reversed" for name in interfaces.name)
        yield FlowCheck("interface_limit", reverse, -total, -lower)


def outage_checks(schedule: Schedule) -> Iterator[FlowCheck]:
    """Yield flows after each outage against emergency ratings, where they exceed them.

    Outages of branches that may fail and that leave the net in one piece, one after the other.
    """
    grid, injection = schedule.study.grid, schedule.injection_mw()
    for outage in np.flatnonzero(grid.may_fail):
        left = without(grid, int(outage))
        if left.issues():
            continue
        flow = np.abs(left.flows(injection))
        limit = left.emergency_rating_mw[:, np.newaxis]
        over = np.flatnonzero((flow > limit).any(axis=1))
        failed = grid.branch_name[outage]
        element = tuple(f"{left.branch_name[i]} after {failed}" for i in over)
        yield FlowCheck("outage_limit", element, flow[over], limit[over])


def without(grid: Grid, branch: int) -> Grid:
    """Return the grid without one branch, and without interfaces."""
    kept = np.delete(np.arange(grid.n_branches), branch)
    return replace(
        grid,
        from_bus=grid.from_bus[kept],
        to_bus=grid.to_bus[kept],
        branch_element=(*grid.branch_element[:branch], *grid.branch_element[branch + 1 :]),
        branch_name=(*grid.branch_name[:branch], *grid.branch_name[branch + 1 :]),
        susceptance_mw=grid.susceptance_mw[kept],
        shift_rad=grid.shift_rad[kept],
        rating_mw=grid.rating_mw[kept],
        emergency_rating_mw=grid.emergency_rating_mw[kept],
        may_fail=grid.may_fail[kept],
        interfaces=Interfaces(),
    )
