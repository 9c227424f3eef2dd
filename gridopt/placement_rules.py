"""The rules and costs of a placement beyond those of its schedules.

As in `gridopt.rules`, nothing here knows how the placement was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridopt.arrays import FloatArray
from gridopt.placement import Placement
from gridopt.requirements import SPINNING
from gridopt.results import Schedule, Violation
from gridopt.rules import TOLERANCE_MW
from gridopt.study import Study

TOLERANCE_PU = 1e-6
"""Largest voltage, in pu, outside of a band that counts as rounding."""


def site_rules(study: Study, placement: Placement) -> Iterator[Violation]:
    """Yield what breaks the number of sites, the modules at each, or the budget."""
    sites, count = study.sites, placement.modules.sum(axis=1)
    built = int((count > 0).sum())
    if sites.count is not None and built != sites.count:
        yield Violation("site_count", "sites", "all", built, sites.count)
    for c in np.flatnonzero((count > sites.modules_max) | (placement.modules.min(axis=1) < 0)):
        yield Violation("modules_max", _bus(study, int(c)), "all", int(count[c]), sites.modules_max)
    for c in np.flatnonzero((count > 0) & (count < sites.modules_min)):
        yield Violation("modules_min", _bus(study, int(c)), "all", int(count[c]), sites.modules_min)
    spent = float((placement.modules @ sites.modules.investment_cost).sum())
    if sites.budget is not None and spent > sites.budget * (1.0 + 1e-9):
        yield Violation("budget", "sites", "all", spent, sites.budget)


def _bus(study: Study, candidate: int) -> str:
    return f"bus {study.grid.bus_name[study.sites.bus[candidate]]}"


def profile_rules(study: Study, placement: Placement, schedule: Schedule) -> Iterator[Violation]:
    """Yield where batteries that run by a profile do not."""
    sites = study.sites
    if sites.is_optimized:
        return
    own = len(study.storage)
    site, kind = np.nonzero(placement.modules)
    size = placement.modules[site, kind] * sites.modules.power_mw[kind]
    wanted = size[:, np.newaxis] * sites.profile[kind]
    found = (schedule.discharge_mw - schedule.charge_mw)[own:]
    for row, t in np.argwhere(np.abs(found - wanted) > TOLERANCE_MW):
        name, time = schedule.study.storage.name[own + row], study.time[t]
        yield Violation("profile", name, time, float(found[row, t]), float(wanted[row, t]))


def reserve_rules(study: Study, schedule: Schedule, held_mw: FloatArray) -> Iterator[Violation]:
    """Yield batteries that hold reserve of another kind, or more than power or energy allow.

    Parameters
    ----------
    study : Study
    schedule : Schedule
    held_mw : array, (P, N, T)
        Of each product, by each of the N batteries.
    """
    stored, own, time = schedule.study.storage, len(study.storage), study.time
    h, together = study.period_h, held_mw.sum(axis=0)
    spinning = study.reserves.products(*([SPINNING] if study.sites.holds_reserve else []))
    others = np.delete(held_mw, spinning, axis=0)
    given = (schedule.discharge_mw - schedule.charge_mw)[own:]
    checks: dict[str, tuple[FloatArray, npt.ArrayLike]] = {
        "battery_reserve_kind": (np.abs(others).sum(axis=0), 0.0),
        "battery_reserve_sign": (-held_mw.min(axis=0, initial=0.0), 0.0),
        "battery_reserve_power": (given + together, stored.discharge_max_mw[own:, np.newaxis]),
        "battery_reserve_energy": (
            h * together / stored.discharge_efficiency[own:, np.newaxis],
            schedule.soc_mwh[own:],
        ),
    }
    for rule, (value, limit) in checks.items():
        most = np.broadcast_to(limit, value.shape)
        for row, t in np.argwhere((value > most + TOLERANCE_MW) & (together != 0.0)):
            name = stored.name[own + row]
            yield Violation(rule, name, time[t], float(value[row, t]), float(most[row, t]))


def radial_rules(study: Study, schedule: Schedule) -> Iterator[Violation]:
    """Yield voltages and flows outside of limits that have no price, by LinDistFlow."""
    state = RadialState.of(study, schedule)
    sites, grid = study.sites, study.grid
    if np.isinf(sites.voltage_cost_per_pu_h):
        for b, t in np.argwhere(state.outside_pu > TOLERANCE_PU):
            name, time = f"bus {grid.bus_name[b]}", study.time[t]
            yield Violation("voltage", name, time, float(state.outside_pu[b, t]), 0.0)
    if np.isinf(sites.overload_cost_per_mwh):
        for branch, t in np.argwhere(state.overload_mw > TOLERANCE_MW):
            name, time = grid.branch_name[branch], study.time[t]
            yield Violation("overload", name, time, float(state.overload_mw[branch, t]), 0.0)


@dataclass(frozen=True, eq=False)
class RadialState:
    """What LinDistFlow says of a schedule on a feeder.

    Parameters
    ----------
    vm_pu : array, (B, T)
    outside_pu : array, (B, T)
        How far each voltage is outside of its band, to first order; 0 inside.
    overload_mw : array, (L, T)
        How far each flow is above what rating and reactive flow leave.
    loss_mw : array, (T,)
    """

    vm_pu: FloatArray
    outside_pu: FloatArray
    overload_mw: FloatArray
    loss_mw: FloatArray

    @staticmethod
    def of(study: Study, schedule: Schedule) -> RadialState:
        """Return the state of a schedule, of a study with a feeder."""
        feeder = study.radial
        correction = feeder.correction(study.n_periods)
        p_mw = feeder.flows(study.grid.shunt_mw[:, np.newaxis] - schedule.injection_mw())
        q_mvar = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))
        vm2 = feeder.vm2(p_mw, q_mvar, correction.vm2_pu2)
        low, high = feeder.vm_min_pu[:, np.newaxis], feeder.vm_max_pu[:, np.newaxis]
        outside = np.zeros_like(vm2)
        for edge, beyond in ((low, low**2 - vm2), (high, vm2 - high**2)):
            usable = np.isfinite(edge) & (edge > 0.0)
            share = np.divide(beyond, 2.0 * edge, out=np.zeros_like(vm2), where=usable)
            outside = np.maximum(outside, share)
        outside[study.grid.reference_bus] = 0.0
        most = feeder.flow_limit_mw(q_mvar, correction)
        return RadialState(
            vm_pu=np.sqrt(np.maximum(vm2, 0.0)),
            outside_pu=outside,
            overload_mw=np.maximum(np.abs(p_mw) - most, 0.0),
            loss_mw=feeder.loss_mw(p_mw, q_mvar) + correction.loss_mw,
        )


def radial_costs(study: Study, schedule: Schedule) -> tuple[dict[str, float], dict[str, float]]:
    """Return what losses cost, and what is outside of priced limits, by item."""
    state, sites, h = RadialState.of(study, schedule), study.sites, study.period_h
    cost, penalty = {}, {}
    if len(sites.loss_cost_per_mwh):
        cost["losses"] = float(h * sites.loss_cost_per_mwh @ state.loss_mw)
    if np.isfinite(sites.voltage_cost_per_pu_h):
        penalty["voltage"] = float(h * sites.voltage_cost_per_pu_h * state.outside_pu.sum())
    if np.isfinite(sites.overload_cost_per_mwh):
        penalty["overload"] = float(h * sites.overload_cost_per_mwh * state.overload_mw.sum())
    return cost, penalty


def investment_cost(study: Study, placement: Placement) -> float:
    """Return what the modules cost in the span of the study."""
    hours = study.period_h * study.n_periods
    return float((placement.modules @ study.sites.module_cost(hours)).sum())


def peak_mw(study: Study, schedule: Schedule) -> float:
    """Return the highest power of units and trade at the reference bus, at least 0."""
    here = study.grid.reference_bus
    taken = schedule.power_mw[study.thermal.bus == here].sum(axis=0)
    taken = taken + schedule.import_mw[study.exchange.bus == here].sum(axis=0)
    return float(taken.max(initial=0.0))
