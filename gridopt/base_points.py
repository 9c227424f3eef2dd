"""Base points of AC power flow: the net of a schedule without batteries, period by period."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from gridopt.ac_power_flow import net_of
from gridopt.errors import GridoptError
from gridopt.fast_power_flow import FastPowerFlow
from gridopt.io.write_dispatch import DispatchWriter
from gridopt.results import Schedule

NAMED = 6
"""Periods that are named where AC power flow does not converge."""


def base_points(
    schedule: Schedule, periods: Sequence[int] | None = None
) -> tuple[FastPowerFlow, ...]:
    """Return the solved net of each period, as a start for cases that differ by injections.

    Parameters
    ----------
    schedule : Schedule
        Of a study that holds its net.
    periods : sequence of int, optional
        All where not given.

    Raises
    ------
    GridoptError
        Where the study holds no net; where periods have no fast power flow (see
        `FastPowerFlow.of`): how many, when, and how far from a solution the first ones are.
    """
    study = schedule.study
    asked = range(study.n_periods) if periods is None else periods
    writer = DispatchWriter(copy.deepcopy(net_of(study)), study, hold_voltage=True)
    found, faults = [], {}
    for t in asked:
        writer.write(schedule, t)
        try:
            found.append(FastPowerFlow.of(writer.net))
        except GridoptError as fault:
            faults[t] = str(fault)
    if faults:
        raise GridoptError(_message(schedule, len(asked), faults))
    return tuple(found)


def _message(schedule: Schedule, asked: int, faults: dict[int, str]) -> str:
    time = schedule.study.time
    told = "; ".join(f"{time[t]}: {fault}" for t, fault in list(faults.items())[:NAMED])
    more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return (
        f"AC power flow without batteries fails in {len(faults)} of {asked} periods: {told}{more}"
    )
