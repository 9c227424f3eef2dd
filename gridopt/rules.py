"""The rules of a study, each a function that yields what a schedule breaks.

Nothing here knows how the schedule was found: no program, no formulation, no solver. Amounts below
`TOLERANCE_MW` are rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gridopt.arrays import BoolArray, FloatArray
from gridopt.requirements import NONSPINNING, REGULATION_DOWN, REGULATION_UP, SPINNING
from gridopt.results import POWERS, ScenarioSchedules, Schedule, Violation
from gridopt.security import flow_checks
from gridopt.study import FIXED_ON, FORCED_OUT, Study

TOLERANCE_MW = 1e-4
"""Largest amount, in MW or MWh, that counts as rounding of a solver's arithmetic."""


def _not_a_number(schedule: Schedule) -> Iterator[Violation]:
    """Powers are numbers."""
    for name in POWERS:
        for *_, t in np.argwhere(~np.isfinite(getattr(schedule, name))):
            yield Violation("finite", name, schedule.study.time[t], float("nan"), 0.0)


def _balance(schedule: Schedule) -> Iterator[Violation]:
    """Supply equals demand and what shunts take."""
    study = schedule.study
    excess = schedule.injection_mw().sum(axis=0) - study.grid.shunt_mw.sum()
    yield from _where(schedule, "balance", ("system",), np.abs(excess)[np.newaxis], 0.0)


def _reserve(schedule: Schedule) -> Iterator[Violation]:
    """Each reserve requirement is met by its product's units in its zone, or priced as short."""
    study, reserves = schedule.study, schedule.study.reserves
    counts = reserves.zone[:, study.thermal.bus][:, :, np.newaxis]
    held = (counts * schedule.reserve_mw[reserves.of_product]).sum(axis=1)
    short, names = schedule.reserve_short_mw, reserves.requirement
    priced = np.isfinite(reserves.shortage_cost_per_mwh)[:, np.newaxis]
    yield from _where(schedule, "reserve", names, reserves.required_mw - held - short, 0.0)
    most = np.where(priced, reserves.required_mw, 0.0)
    yield from _where(schedule, "reserve_short", names, short, most)
    yield from _where(schedule, "reserve_short_sign", names, -short, 0.0)


def _reserve_offers(schedule: Schedule) -> Iterator[Violation]:
    """Units hold no more of a product than they offer, and no less than nothing."""
    units, reserves = schedule.study.thermal, schedule.study.reserves
    for offer, held in zip(reserves.offer_max_mw, schedule.reserve_mw, strict=True):
        yield from _where(schedule, "reserve_offer", units.name, held, offer[:, np.newaxis])
        yield from _where(schedule, "reserve_sign", units.name, -held, 0.0)


def _nonspinning(schedule: Schedule) -> Iterator[Violation]:
    """Nonspinning reserve is held by units that are off and might start: no more than they reach.

    A start reaches the start-up limit at most, and the upward ramp above the minimum.
    """
    study, units = schedule.study, schedule.study.thermal
    ramped = units.p_min_mw + units.ramp_up_mw_per_h * study.period_h
    reach = np.minimum(np.minimum(units.startup_ramp_mw, ramped), units.p_max_mw)
    most = np.where(_might_start(schedule), reach[:, np.newaxis], 0.0)
    held = schedule.held_mw(NONSPINNING)
    yield from _where(schedule, "nonspinning", units.name, held, most)


def _might_start(schedule: Schedule) -> BoolArray:
    """Return which units are off and free to have been started instead, (G, T)."""
    study, units = schedule.study, schedule.study.thermal
    free = np.zeros(schedule.committed.shape, dtype=np.bool_)
    for g, status in enumerate(units.initial_status_h):
        status_h = float(status)
        for t, on in enumerate(schedule.committed[g]):
            free[g, t] = not on and -status_h >= units.min_down_time_h[g] - 1e-9
            status_h = next_status_h(status_h, bool(on), study.period_h)
    return np.asarray(free & (study.fixed_status != FORCED_OUT))


def _output_limits(schedule: Schedule) -> Iterator[Violation]:
    """Units that are on keep P̲ ≤ power, power + reserve ≤ P̄; those that are off give none.

    Downward reserve leaves the minimum as well: P̲ ≤ power − reserve.
    """
    units, on = schedule.study.thermal, schedule.committed
    low = np.where(on, units.p_min_mw[:, np.newaxis], 0.0)
    high = np.where(on, units.p_max_mw[:, np.newaxis], 0.0)
    power, both = schedule.power_mw, schedule.power_mw + schedule.held_mw(SPINNING, REGULATION_UP)
    least = power - schedule.held_mw(REGULATION_DOWN)
    yield from _where(schedule, "p_min", units.name, low, power)
    yield from _where(schedule, "p_max", units.name, both, high)
    yield from _where(schedule, "downward_reserve", units.name, np.minimum(low, power), least)


def _start_and_stop_limits(schedule: Schedule) -> Iterator[Violation]:
    """Power and reserve keep the start-up limit when starting, the other one before a stop."""
    units, on = schedule.study.thermal, schedule.committed
    before = np.column_stack([units.initial_on, on[:, :-1]])
    both = schedule.power_mw + schedule.held_mw(SPINNING, REGULATION_UP)
    starting = np.where(on & ~before, both, -np.inf)
    yield from _where(
        schedule, "startup_ramp", units.name, starting, units.startup_ramp_mw[:, np.newaxis]
    )
    initial = np.where(np.isnan(units.initial_power_mw), -np.inf, units.initial_power_mw)
    last = np.column_stack([initial, both[:, :-1]])
    stopping = np.where(before & ~on, last, -np.inf)
    yield from _where(
        schedule, "shutdown_ramp", units.name, stopping, units.shutdown_ramp_mw[:, np.newaxis]
    )


def _ramps(schedule: Schedule) -> Iterator[Violation]:
    """Power above the minimum changes no faster than the ramps, even if reserve is called."""
    study, units = schedule.study, schedule.study.thermal
    above = schedule.power_mw - np.where(schedule.committed, units.p_min_mw[:, np.newaxis], 0.0)
    initial = np.where(units.initial_on, units.initial_power_mw - units.p_min_mw, 0.0)
    last = np.column_stack([initial, above[:, :-1]])
    up = (units.ramp_up_mw_per_h * study.period_h)[:, np.newaxis]
    down = (units.ramp_down_mw_per_h * study.period_h)[:, np.newaxis]
    rise, fall = schedule.held_mw(SPINNING, REGULATION_UP), schedule.held_mw(REGULATION_DOWN)
    # an unknown initial power (NaN) compares as no violation
    yield from _where(schedule, "ramp_up", units.name, above + rise - last, up)
    yield from _where(schedule, "ramp_down", units.name, last - above + fall, down)


def _minimum_times(schedule: Schedule) -> Iterator[Violation]:
    """Units that change have kept their state long enough, time before the study included."""
    study, units = schedule.study, schedule.study.thermal
    for g, name in enumerate(units.name):
        status_h = float(units.initial_status_h[g])
        for t, on in enumerate(schedule.committed[g]):
            switched = bool(on) != (status_h > 0)
            rule, least_h = (
                ("min_down_time", float(units.min_down_time_h[g]))
                if on
                else ("min_up_time", float(units.min_up_time_h[g]))
            )
            if switched and abs(status_h) < least_h - 1e-9:
                yield Violation(rule, name, study.time[t], abs(status_h), least_h)
            status_h = next_status_h(status_h, bool(on), study.period_h)


def _must_run(schedule: Schedule) -> Iterator[Violation]:
    """Must-run units are on."""
    units = schedule.study.thermal
    off = (units.must_run[:, np.newaxis] & ~schedule.committed).astype(np.float64)
    yield from _where(schedule, "must_run", units.name, off, 0.0)


def _fixed_status(schedule: Schedule) -> Iterator[Violation]:
    """Units are on or off in the hours that are fixed."""
    names, fixed = schedule.study.thermal.name, schedule.study.fixed_status
    on = schedule.committed.astype(np.float64)
    yield from _where(schedule, "forced_out", names, on, np.where(fixed == FORCED_OUT, 0.0, 1.0))
    yield from _where(schedule, "fixed_on", names, np.where(fixed == FIXED_ON, 1.0, 0.0), on)


def _renewable_limits(schedule: Schedule) -> Iterator[Violation]:
    """Renewable output lies between what must be taken and what is available."""
    renewables = schedule.study.renewables
    power = schedule.renewable_mw
    yield from _where(schedule, "must_take", renewables.name, renewables.p_min_mw, power)
    yield from _where(schedule, "available", renewables.name, power, renewables.p_max_mw)


def _storage_rules(schedule: Schedule) -> Iterator[Violation]:
    """Charge and discharge keep their limits, one at a time; the state of charge adds up."""
    study, units = schedule.study, schedule.study.storage
    charge, discharge, soc = schedule.charge_mw, schedule.discharge_mw, schedule.soc_mwh
    if not len(units):
        return
    for rule, power, most in (
        ("charge", charge, units.charge_max_mw),
        ("discharge", discharge, units.discharge_max_mw),
    ):
        yield from _where(schedule, f"{rule}_max", units.name, power, most[:, np.newaxis])
        yield from _where(schedule, f"{rule}_sign", units.name, -power, 0.0)
    both = np.minimum(charge, discharge)
    yield from _where(schedule, "charge_or_discharge", units.name, both, 0.0)
    before = np.column_stack([units.initial_soc_mwh, soc[:, :-1]])
    gained = study.period_h * (
        units.charge_efficiency[:, np.newaxis] * charge
        - discharge / units.discharge_efficiency[:, np.newaxis]
    )
    kept = before * (1.0 - units.loss_per_h[:, np.newaxis]) ** study.period_h
    yield from _where(schedule, "soc", units.name, np.abs(kept + gained - soc), 0.0)
    low, high = units.energy_min_mwh[:, np.newaxis], units.energy_max_mwh[:, np.newaxis]
    yield from _where(schedule, "energy_min", units.name, low, soc)
    yield from _where(schedule, "energy_max", units.name, soc, high)
    last = soc[:, -1]
    yield from _in_all(schedule, "final_soc_min", units.name, units.final_soc_min_mwh, last)
    yield from _in_all(schedule, "final_soc_max", units.name, last, units.final_soc_max_mwh)


def _exchange_limits(schedule: Schedule) -> Iterator[Violation]:
    """Trade keeps its limits."""
    market, power = schedule.study.exchange, schedule.import_mw
    most, least = market.import_max_mw[:, np.newaxis], -market.export_max_mw[:, np.newaxis]
    yield from _where(schedule, "import_max", market.name, power, most)
    yield from _where(schedule, "export_max", market.name, least, power)


def _flexible_limits(schedule: Schedule) -> Iterator[Violation]:
    """Flexible demand gets what it must have, no more than it wants; interruptions are limited."""
    demand, served = schedule.study.flexible, schedule.flexible_mw
    yield from _where(schedule, "flexible_min", demand.name, demand.p_min_mw, served)
    yield from _where(schedule, "flexible_max", demand.name, served, demand.p_max_mw)
    interrupted = schedule.study.period_h * (demand.p_max_mw - served).sum(axis=1)
    most = demand.interruption_max_mwh
    yield from _in_all(schedule, "interruption", demand.name, interrupted, most)


def _energy_limits(schedule: Schedule) -> Iterator[Violation]:
    """Energy or fuel taken over all periods lies within its limits."""
    limits, h = schedule.study.energy_limits, schedule.study.period_h
    taken = h * (
        limits.thermal_per_mwh @ schedule.power_mw.sum(axis=1)
        + limits.thermal_per_h @ schedule.committed.sum(axis=1)
        + limits.renewable_per_mwh @ schedule.renewable_mw.sum(axis=1)
    )
    yield from _in_all(schedule, "energy_least", limits.name, limits.least, taken)
    yield from _in_all(schedule, "energy_most", limits.name, taken, limits.most)


def _slack_limits(schedule: Schedule) -> Iterator[Violation]:
    """Unserved energy and surplus occur only where they have a price, and within reason."""
    study = schedule.study
    demand = np.maximum(study.demand_mw, 0.0)
    most = np.zeros_like(demand) if study.unserved_cost_per_mwh is None else demand
    most_surplus = 0.0 if study.surplus_cost_per_mwh is None else np.inf
    names = study.grid.bus_name
    yield from _where(schedule, "unserved", names, schedule.unserved_mw, most)
    yield from _where(schedule, "unserved_sign", names, -schedule.unserved_mw, 0.0)
    yield from _where(schedule, "surplus", names, schedule.surplus_mw, most_surplus)
    yield from _where(schedule, "surplus_sign", names, -schedule.surplus_mw, 0.0)


def _flow_limits(schedule: Schedule) -> Iterator[Violation]:
    """DC flows keep the limits that the schedule claims to keep, after outages as well."""
    for check in flow_checks(schedule):
        yield from _where(schedule, check.rule, check.element, check.flow_mw, check.limit_mw)


RULES: tuple[Callable[[Schedule], Iterator[Violation]], ...] = (
    _not_a_number,
    _balance,
    _reserve,
    _reserve_offers,
    _nonspinning,
    _output_limits,
    _start_and_stop_limits,
    _ramps,
    _minimum_times,
    _must_run,
    _fixed_status,
    _renewable_limits,
    _storage_rules,
    _exchange_limits,
    _flexible_limits,
    _energy_limits,
    _slack_limits,
    _flow_limits,
)


def nonanticipativity(study: Study, plan: ScenarioSchedules) -> Iterator[Violation]:
    """Units are on in all scenarios or in none: commitment comes before what turns out."""
    names, first = study.thermal.name, plan.schedules[0].committed
    for scenario, schedule in zip(plan.names, plan.schedules, strict=True):
        for g, t in np.argwhere(schedule.committed != first):
            place = f"{names[g]} in scenario {scenario}"
            on, expected = float(schedule.committed[g, t]), float(first[g, t])
            yield Violation("nonanticipativity", place, study.time[t], on, expected)


def _where(
    schedule: Schedule,
    rule: str,
    names: tuple[str, ...],
    value: FloatArray,
    limit: FloatArray | float,
) -> Iterator[Violation]:
    """Yield a violation wherever value > limit by more than the tolerance, (N, T) each."""
    values, limits = np.broadcast_arrays(value, limit)
    for i, t in np.argwhere(values > limits + TOLERANCE_MW):
        time = schedule.study.time[t]
        yield Violation(rule, names[i], time, float(values[i, t]), float(limits[i, t]))


def _in_all(
    schedule: Schedule, rule: str, names: tuple[str, ...], value: FloatArray, limit: FloatArray
) -> Iterator[Violation]:
    """Yield a violation in the last period wherever value > limit, (N,) each: limits over all."""
    for i in np.flatnonzero(value > limit + TOLERANCE_MW):
        yield Violation(rule, names[i], schedule.study.time[-1], float(value[i]), float(limit[i]))


def next_status_h(status_h: float, on: bool, period_h: float) -> float:
    """Return signed hours on (+) or off (−) after one more period."""
    if on:
        return max(status_h, 0.0) + period_h
    return min(status_h, 0.0) - period_h
