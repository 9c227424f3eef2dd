"""Flows, voltages and losses of a radial grid: see `gridopt.feeder` for the equations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.feeder import Correction, Feeder
from gridopt.formulations.blocks.injections import Injection
from gridopt.program import ProgramBuilder
from gridopt.study import Study


@dataclass(frozen=True, eq=False)
class _Radial:
    """A feeder with its reactive flows, which nothing decides."""

    study: Study
    feeder: Feeder
    q_mvar: FloatArray
    correction: Correction


def radial_limits(b: ProgramBuilder, study: Study, injections: list[Injection]) -> None:
    """Add P of each branch, w of each bus, their limits, and what losses cost."""
    feeder = study.radial
    q_mvar = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))
    radial = _Radial(study, feeder, q_mvar, feeder.correction(study.n_periods))
    flow = _flows(b, radial, injections)
    _voltages(b, radial, flow)
    _losses(b, radial, flow)


def _flows(b: ProgramBuilder, radial: _Radial, injections: list[Injection]) -> IntArray:
    """Add P_c = demand_c − infeed_c + Σ P of the branches that leave c, within ratings."""
    study, feeder = radial.study, radial.feeder
    most = feeder.flow_limit_mw(radial.q_mvar, radial.correction)
    cost = study.sites.overload_cost_per_mwh
    reach = feeder.flows(_capacity_mw(study))
    bound = np.minimum(most, reach) if np.isinf(cost) else reach
    flow = b.variable("flow_mw", most.shape, -bound, bound)
    periods = np.arange(study.n_periods)
    into = np.full(study.grid.n_buses, -1)
    into[feeder.child] = np.arange(len(feeder.child))
    entries = [_entries(np.arange(len(flow)), np.ones(len(flow)), flow, periods)]
    near = into[feeder.parent]
    inner = np.flatnonzero(near >= 0)
    entries.append(_entries(near[inner], -np.ones(len(inner)), flow[inner], periods))
    for part in injections:
        row = into[part.bus]
        kept = np.flatnonzero(row >= 0)
        entries.append(_entries(row[kept], part.coefficient[kept], part.columns[kept], periods))
    taken = study.demand_mw + study.grid.shunt_mw[:, np.newaxis]
    side = taken[feeder.child]
    b.constrain_sparse("flow", *entries, lower=side, upper=side)
    limited = np.isfinite(most)
    if np.isfinite(cost) and limited.any():
        over = b.variable("overload_mw", (int(limited.sum()),))
        b.minimize(study.period_h * cost, over)
        b.constrain("flow_most", (1.0, flow[limited]), (-1.0, over), upper=most[limited])
        b.constrain("flow_least", (1.0, flow[limited]), (1.0, over), lower=-most[limited])
    return flow


def _capacity_mw(study: Study) -> FloatArray:
    """Return the most that may be taken or fed in at each bus, (B, T)."""
    capacity = np.abs(study.demand_mw) + np.abs(study.grid.shunt_mw[:, np.newaxis])
    sites, stored, traded = study.sites, study.storage, study.exchange
    battery_mw = sites.modules_max * sites.modules.power_mw.max(initial=0.0)
    for bus, most in (
        (study.thermal.bus, study.thermal.p_max_mw[:, np.newaxis]),
        (study.renewables.bus, np.abs(study.renewables.p_max_mw)),
        (stored.bus, np.maximum(stored.charge_max_mw, stored.discharge_max_mw)[:, np.newaxis]),
        (traded.bus, np.maximum(traded.import_max_mw, traded.export_max_mw)[:, np.newaxis]),
        (study.flexible.bus, study.flexible.p_max_mw),
        (sites.bus, np.full((len(sites), 1), battery_mw)),
    ):
        np.add.at(capacity, bus, most)
    if study.surplus_cost_per_mwh is not None:
        capacity += capacity.sum(axis=0)
    return capacity


def _entries(
    row: IntArray, value: FloatArray, columns: IntArray, periods: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return entries of rows by (row, period)."""
    T = len(periods)
    rows = (row[:, np.newaxis] * T + periods).ravel()
    return rows, columns.ravel(), np.repeat(value, T)


def _voltages(b: ProgramBuilder, radial: _Radial, flow: IntArray) -> None:
    """Add w_c = a w_parent − 2 k (r P + x Q), in the bus's band or outside of it at a price.

    Outside by (v̲² − w) / 2v̲ or (w − v̄²) / 2v̄: pu, to first order.
    """
    study, feeder = radial.study, radial.feeder
    low, high = vm2_band(feeder, radial.correction.vm2_pu2)
    banded = np.isfinite(low) | np.isfinite(high)
    banded[study.grid.reference_bus] = False
    if not banded.any():
        return
    cost, source = study.sites.voltage_cost_per_pu_h, study.grid.reference_bus
    is_hard = banded & np.isinf(cost)
    vm2 = b.variable(
        "vm2", low.shape, np.where(is_hard, low, -np.inf), np.where(is_hard, high, np.inf)
    )
    root = np.broadcast_to(feeder.source_vm_pu**2, (study.n_periods,))
    b.constrain("source_voltage", (1.0, vm2[source]), equal=root)
    b.constrain(
        "voltage",
        (1.0, vm2[feeder.child]),
        (-feeder.voltage_ratio[:, np.newaxis], vm2[feeder.parent]),
        (feeder.drop_pu2_per_mw[:, np.newaxis], flow),
        equal=-feeder.drop_pu2_per_mvar[:, np.newaxis] * radial.q_mvar,
    )
    if np.isinf(cost):
        return
    for name, sign, limit in (("voltage_low", 1.0, low), ("voltage_high", -1.0, high)):
        at = banded & np.isfinite(limit)
        edge = feeder.vm_min_pu if sign > 0.0 else feeder.vm_max_pu
        each = cost / (2.0 * np.broadcast_to(edge[:, np.newaxis], at.shape)[at])
        outside = b.variable(name, each.shape)
        b.minimize(study.period_h * each, outside)
        side = {"lower": limit[at]} if sign > 0.0 else {"upper": limit[at]}
        b.constrain(name, (1.0, vm2[at]), (sign, outside), **side)


def vm2_band(feeder: Feeder, correction_pu2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the band of squared voltages less their correction, (B, T) each.

    A lowest voltage that is not above 0 is none.
    """
    low, high = feeder.vm_min_pu[:, np.newaxis], feeder.vm_max_pu[:, np.newaxis]
    least = np.where(np.isfinite(low) & (low > 0.0), low**2, -np.inf)
    return least - correction_pu2, high**2 - correction_pu2


def _losses(b: ProgramBuilder, radial: _Radial, flow: IntArray) -> None:
    """Add price · r (P² + Q²), and by how much AC differed."""
    study, feeder, price = radial.study, radial.feeder, radial.study.sites.loss_cost_per_mwh
    if not len(price):
        return
    each = study.period_h * feeder.loss_mw_per_mva2[:, np.newaxis] * price
    b.minimize_product(each, flow, flow)
    fixed = feeder.loss_mw(np.zeros_like(radial.q_mvar), radial.q_mvar) + radial.correction.loss_mw
    b.minimize_constant(float(study.period_h * price @ fixed))
