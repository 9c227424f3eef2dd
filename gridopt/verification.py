"""Judges a schedule from the study and the schedule alone: every rule, every cost.

Nothing here knows how the schedule was found: no program, no formulation, no solver. Each rule is
one function, which yields what the schedule breaks; amounts below `TOLERANCE_MW` are rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.requirements import REGULATION_UP, SPINNING
from gridopt.results import POWERS, Schedule, Violation
from gridopt.study import Study

TOLERANCE_MW = 1e-4
"""Largest amount, in MW or MWh, that counts as rounding of a solver's arithmetic."""


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    violations : tuple of Violation
        Every rule broken, by rule, element and period; empty for a feasible schedule.
    cost : dict of str to float
        Money by item, recomputed: ``production``, ``startup``, ``renewable``, ``exchange``.
    penalty : dict of str to float
        Money by item that only stands for a shortage: ``unserved``, ``surplus``.
    energy_mwh : dict of str to float
        ``unserved``, ``surplus``, ``curtailed``.
    """

    violations: tuple[Violation, ...]
    cost: dict[str, float]
    penalty: dict[str, float]
    energy_mwh: dict[str, float]

    @property
    def is_feasible(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations

    @property
    def total_cost(self) -> float:
        """Cost and penalties together: what a solver minimizes."""
        return sum(self.cost.values()) + sum(self.penalty.values())

    def counts(self) -> dict[str, int]:
        """Return the number of violations of each rule broken."""
        rules = [violation.rule for violation in self.violations]
        return {rule: rules.count(rule) for rule in dict.fromkeys(rules)}


def verify(study: Study, schedule: Schedule) -> Verification:
    """Recompute every rule and every cost of a schedule from the study alone.

    Parameters
    ----------
    study : Study
        What to judge by; it need not be the one that the schedule was made for.
    schedule : Schedule
        Whatever its source: a solver, a file, a person.

    Returns
    -------
    Verification
    """
    schedule, h = replace(schedule, study=study), study.period_h
    violations = [violation for rule in RULES for violation in rule(schedule)]
    curtailed = study.renewables.p_max_mw - schedule.renewable_mw
    return Verification(
        violations=tuple(violations),
        cost={
            "production": production_cost(schedule),
            "startup": startup_cost(schedule),
            "renewable": float(h * (study.renewables.cost_per_mwh @ schedule.renewable_mw).sum()),
            "exchange": exchange_cost(schedule),
        },
        penalty={
            "unserved": h * schedule.unserved_mw.sum() * (study.unserved_cost_per_mwh or 0.0),
            "surplus": h * schedule.surplus_mw.sum() * (study.surplus_cost_per_mwh or 0.0),
        },
        energy_mwh={
            "unserved": float(h * schedule.unserved_mw.sum()),
            "surplus": float(h * schedule.surplus_mw.sum()),
            "curtailed": float(h * curtailed.sum()),
        },
    )


def production_cost(schedule: Schedule) -> float:
    """Return the cost of running the units that are on."""
    study = schedule.study
    return float(
        sum(
            study.period_h * curve.cost(power[on]).sum()
            for curve, power, on in zip(
                study.thermal.cost, schedule.power_mw, schedule.committed, strict=True
            )
        )
    )


def startup_cost(schedule: Schedule) -> float:
    """Return the cost of all starts, each by the hours that the unit had been off."""
    units, h = schedule.study.thermal, schedule.study.period_h
    total = 0.0
    for g, startup in enumerate(units.startup_cost):
        status_h = float(units.initial_status_h[g])
        for on in schedule.committed[g]:
            if on and status_h < 0:
                total += startup.at(-status_h)
            status_h = _next_status_h(status_h, bool(on), h)
    return total


def exchange_cost(schedule: Schedule) -> float:
    """Return price · m + slope · m² / 2 over all imports m."""
    market, power = schedule.study.exchange, schedule.import_mw
    cost = market.price_per_mwh * power + market.slope_per_mw2h * power**2 / 2.0
    return float(schedule.study.period_h * cost.sum())


def _next_status_h(status_h: float, on: bool, period_h: float) -> float:
    """Return signed hours on (+) or off (−) after one more period."""
    if on:
        return max(status_h, 0.0) + period_h
    return min(status_h, 0.0) - period_h


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
    short = reserves.required_mw - held - schedule.reserve_short_mw
    yield from _where(schedule, "reserve", reserves.requirement, short, 0.0)


def _output_limits(schedule: Schedule) -> Iterator[Violation]:
    """Units that are on keep P̲ ≤ power, power + reserve ≤ P̄; those that are off give none."""
    units, on = schedule.study.thermal, schedule.committed
    low = np.where(on, units.p_min_mw[:, np.newaxis], 0.0)
    high = np.where(on, units.p_max_mw[:, np.newaxis], 0.0)
    power, both = schedule.power_mw, schedule.power_mw + schedule.held_mw(SPINNING, REGULATION_UP)
    yield from _where(schedule, "p_min", units.name, low, power)
    yield from _where(schedule, "p_max", units.name, both, high)
    for held in schedule.reserve_mw:
        yield from _where(schedule, "reserve_sign", units.name, -held, 0.0)


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
    """Power above the minimum, with reserve upward, changes no faster than the ramps."""
    study, units = schedule.study, schedule.study.thermal
    above = schedule.power_mw - np.where(schedule.committed, units.p_min_mw[:, np.newaxis], 0.0)
    initial = np.where(units.initial_on, units.initial_power_mw - units.p_min_mw, 0.0)
    last = np.column_stack([initial, above[:, :-1]])
    up = (units.ramp_up_mw_per_h * study.period_h)[:, np.newaxis]
    down = (units.ramp_down_mw_per_h * study.period_h)[:, np.newaxis]
    held = schedule.held_mw(SPINNING, REGULATION_UP)
    # an unknown initial power (NaN) compares as no violation
    yield from _where(schedule, "ramp_up", units.name, above + held - last, up)
    yield from _where(schedule, "ramp_down", units.name, last - above, down)


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
            status_h = _next_status_h(status_h, bool(on), study.period_h)


def _must_run(schedule: Schedule) -> Iterator[Violation]:
    """Must-run units are on."""
    units = schedule.study.thermal
    off = (units.must_run[:, np.newaxis] & ~schedule.committed).astype(np.float64)
    yield from _where(schedule, "must_run", units.name, off, 0.0)


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
    yield from _where(schedule, "soc", units.name, np.abs(before + gained - soc), 0.0)
    low = np.repeat(units.energy_min_mwh[:, np.newaxis], study.n_periods, axis=1)
    low[:, -1] = np.maximum(low[:, -1], units.initial_soc_mwh)
    yield from _where(schedule, "energy_min", units.name, low, soc)
    yield from _where(schedule, "energy_max", units.name, soc, units.energy_max_mwh[:, np.newaxis])


def _exchange_limits(schedule: Schedule) -> Iterator[Violation]:
    """Trade keeps its limits."""
    market, power = schedule.study.exchange, schedule.import_mw
    most, least = market.import_max_mw[:, np.newaxis], -market.export_max_mw[:, np.newaxis]
    yield from _where(schedule, "import_max", market.name, power, most)
    yield from _where(schedule, "export_max", market.name, least, power)


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


def _branch_limits(schedule: Schedule) -> Iterator[Violation]:
    """DC flows keep the ratings, where the schedule claims to mind the network."""
    grid = schedule.study.grid
    if schedule.network == "dc":
        flow = np.abs(schedule.flow_mw())
        yield from _where(
            schedule, "branch_limit", grid.branch_name, flow, grid.rating_mw[:, np.newaxis]
        )


RULES: tuple[Callable[[Schedule], Iterator[Violation]], ...] = (
    _not_a_number,
    _balance,
    _reserve,
    _output_limits,
    _start_and_stop_limits,
    _ramps,
    _minimum_times,
    _must_run,
    _renewable_limits,
    _storage_rules,
    _exchange_limits,
    _slack_limits,
    _branch_limits,
)


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
