"""How all runs without batteries, with room at the source for losses and for batteries.

A DC dispatch knows no losses: it may leave the source at the slack of a meshed net at its limit,
so that nobody gives what an AC power flow takes beyond. Then the source is kept on, and off its
limits by as much as it needs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridopt.ac_items import Source
from gridopt.ac_power_flow import net_of
from gridopt.arrays import FloatArray
from gridopt.elements import CostCurve
from gridopt.errors import GridoptError
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.placing import Checked, without_batteries
from gridopt.study import Study

MARGIN = 1.5
"""Room for losses and what else DC misses, over what AC power flow says of the first dispatch."""


def base_dispatch(study: Study, time_limit_s: float | None = None) -> Checked:
    """Return how all runs without batteries, from which those by `Sites.profile` can deviate.

    Parameters
    ----------
    study : Study
        With a net and sites.
    time_limit_s : float, optional
        Of each of two dispatches at most.

    Raises
    ------
    GridoptError
        Where there is no plan without batteries, or none that leaves so much room; where AC power
        flow of a radial net does not converge.
    """
    net_of(study)
    before = _solved(study, time_limit_s)
    (flow,) = before.flows
    if before.placement.network == "radial" or not flow.converged.all():
        return before  # a feeder's source has no choice; what does not converge, ACSites tells
    source = Source.of(study, before.placement.schedules[0])
    up_mw, down_mw = _deviation_mw(study, flow.slack_mw)
    fits = (source.power_mw + up_mw <= source.most_mw) & (
        source.power_mw - down_mw >= source.least_mw
    )
    if (fits & source.on).all():
        return before
    return _solved(_with_room(study, source, up_mw.max(), down_mw.max()), time_limit_s)


def _solved(study: Study, time_limit_s: float | None) -> Checked:
    found = without_batteries(study, BatteryPlacement(), time_limit_s)
    if found is None:
        notes = "; ".join(study.assumptions[-1:])
        raise GridoptError(f"study {study.name!r} has no feasible plan without batteries ({notes})")
    return found


def _deviation_mw(study: Study, missed_mw: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far up and down the source may have to go in each period, (T,) each."""
    sites = study.sites
    battery_mw = _most_sites(study) * sites.modules.power_mw[0] * sites.profile[0]
    up = MARGIN * np.maximum(missed_mw, 0.0) + np.maximum(-battery_mw, 0.0)
    down = MARGIN * np.maximum(-missed_mw, 0.0) + np.maximum(battery_mw, 0.0)
    return up, down


def _with_room(study: Study, source: Source, up_mw: float, down_mw: float) -> Study:
    """Return a study whose source keeps off its limits, and is on where it is a unit."""
    room = f"{source.name} at the slack stays {up_mw:.4g} MW below and {down_mw:.4g} MW above its"
    notes = (*study.assumptions, f"{room} limits without batteries, for losses and batteries")
    if source.is_trade:
        most, least = study.exchange.import_max_mw.copy(), study.exchange.export_max_mw.copy()
        most[source.row] -= up_mw
        least[source.row] = max(least[source.row] - down_mw, 0.0)
        trade = replace(study.exchange, import_max_mw=most, export_max_mw=least)
        return replace(study, exchange=trade, assumptions=notes)
    units, g = study.thermal, source.row
    low, high = units.p_min_mw.copy(), units.p_max_mw.copy()
    must_run, curves = units.must_run.copy(), list(units.cost)
    low[g], high[g], must_run[g] = low[g] + down_mw, high[g] - up_mw, True
    if low[g] >= high[g]:
        span = units.p_max_mw[g] - units.p_min_mw[g]
        raise GridoptError(
            f"{source.name} at the slack has {span:.4g} MW between its limits: losses, and "
            f"batteries at {_most_sites(study)} sites (count), need {up_mw:.4g} MW up and "
            f"{down_mw:.4g} MW down"
        )
    curves[g] = _between(curves[g], low[g], high[g])
    thermal = replace(units, p_min_mw=low, p_max_mw=high, must_run=must_run, cost=tuple(curves))
    return replace(study, thermal=thermal, assumptions=notes)


def _most_sites(study: Study) -> int:
    sites = study.sites
    return len(sites) if sites.count is None else sites.count


def _between(curve: CostCurve, low_mw: float, high_mw: float) -> CostCurve:
    """Return the part of a curve between two outputs."""
    inner = (p for p in curve.power_mw if low_mw < p < high_mw)
    power = (float(low_mw), *inner, float(high_mw))
    cost = np.interp(power, curve.power_mw, curve.cost_per_h)
    return CostCurve(power, tuple(cost.tolist()), curve.quadratic)
