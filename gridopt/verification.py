"""Judges a schedule from the study and the schedule alone: every rule, every cost.

Nothing here knows how the schedule was found: no program, no formulation, no solver. The rules are
in `gridopt.rules`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.placement import Outcome, Placement, placed, with_reserve
from gridopt.placement_rules import (
    investment_cost,
    peak_mw,
    profile_rules,
    radial_costs,
    radial_rules,
    reserve_rules,
    site_rules,
)
from gridopt.results import ScenarioSchedules, Schedule, Violation
from gridopt.rules import RULES, next_status_h, nonanticipativity
from gridopt.study import Study


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    violations : tuple of Violation
        Every rule broken, by rule, element and period; empty for a feasible schedule.
    cost : dict of str to float
        Money by item, recomputed: ``production``, ``startup``, ``renewable``, ``exchange``; where
        the study has a price for it, ``storage``, ``reserve`` (offers) and ``flexible`` (demand
        that is not served, at its value).
    penalty : dict of str to float
        Money by item that only stands for a shortage: ``unserved``, ``surplus``; where the study
        has a price for it, ``reserve_short``.
    energy_mwh : dict of str to float
        ``unserved``, ``surplus``, ``curtailed``; ``interrupted`` where demand is flexible.
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


def verify(study: Study, plan: Outcome) -> Verification:
    """Recompute every rule and every cost of a plan from the study alone.

    Parameters
    ----------
    study : Study
        What to judge by; it need not be the one that the plan was made for.
    plan : Schedule, ScenarioSchedules or Placement
        Whatever its source: a solver, a file, a person. Schedules of scenarios are judged each by
        `Study.in_scenario`, and must agree on what is on; money and energy are expected values.

    Returns
    -------
    Verification
    """
    if isinstance(plan, Placement):
        return _placement(study, plan)
    if isinstance(plan, ScenarioSchedules):
        return _expected(study, plan)
    schedule = replace(plan, study=study)
    energy_mwh = _energy_mwh(schedule)
    return Verification(
        violations=tuple(violation for rule in RULES for violation in rule(schedule)),
        cost={
            "production": production_cost(schedule),
            "startup": startup_cost(schedule),
            "renewable": renewable_cost(schedule),
            "exchange": exchange_cost(schedule),
            **_priced_items(schedule),
        },
        penalty={
            "unserved": energy_mwh["unserved"] * (study.unserved_cost_per_mwh or 0.0),
            "surplus": energy_mwh["surplus"] * (study.surplus_cost_per_mwh or 0.0),
            **_shortage_penalty(schedule),
        },
        energy_mwh=energy_mwh,
    )


def _expected(study: Study, plan: ScenarioSchedules) -> Verification:
    """Judge every scenario's schedule; weight money and energy by the probabilities."""
    pairs = list(zip(study.scenarios, plan.schedules, strict=True))
    found = [verify(study.in_scenario(scenario), schedule) for scenario, schedule in pairs]
    whole = _together(study, found)
    return replace(whole, violations=(*nonanticipativity(study, plan), *whole.violations))


def _together(study: Study, found: list[Verification]) -> Verification:
    """Return what was found in all scenarios, money and energy as expected values."""
    weights = [scenario.probability for scenario in study.scenarios]

    def mean(amounts: list[dict[str, float]]) -> dict[str, float]:
        weighed = list(zip(weights, amounts, strict=True))
        return {item: sum(weight * part[item] for weight, part in weighed) for item in amounts[0]}

    return Verification(
        violations=tuple(
            replace(violation, element=f"{violation.element} in scenario {scenario.name}")
            for scenario, part in zip(study.scenarios, found, strict=True)
            for violation in part.violations
        ),
        cost=mean([part.cost for part in found]),
        penalty=mean([part.penalty for part in found]),
        energy_mwh=mean([part.energy_mwh for part in found]),
    )


def _placement(study: Study, plan: Placement) -> Verification:
    """Judge what is built, and how everything runs with it."""
    parts = [study.in_scenario(scenario) for scenario in study.scenarios] or [study]
    pairs = list(zip(parts, plan.schedules, strict=True))
    found = [
        _operation(part, plan, schedule, held)
        for (part, schedule), held in zip(pairs, plan.reserve_mw, strict=True)
    ]
    whole = _together(study, found) if study.scenarios else found[0]
    cost = {"investment": investment_cost(study, plan), **whole.cost}
    if study.sites.peak_cost_per_mw:
        highest = max(peak_mw(part, schedule) for part, schedule in pairs)
        cost["peak"] = study.sites.peak_cost_per_mw * highest
    return replace(whole, violations=(*site_rules(study, plan), *whole.violations), cost=cost)


def _operation(
    study: Study, plan: Placement, schedule: Schedule, held_mw: FloatArray
) -> Verification:
    """Judge how everything runs in a study without scenarios, with the batteries built."""
    own = len(study.storage)
    first = np.zeros(plan.modules.shape)
    first[np.nonzero(plan.modules)] = schedule.study.storage.initial_soc_mwh[own:]
    found = verify(with_reserve(placed(study, plan.modules, first), held_mw), schedule)
    broken = list(profile_rules(study, plan, schedule))
    broken += reserve_rules(study, schedule, held_mw)
    cost: dict[str, float] = {}
    penalty: dict[str, float] = {}
    if plan.network == "radial":
        broken += radial_rules(study, schedule)
        cost, penalty = radial_costs(study, schedule)
    return replace(
        found,
        violations=(*found.violations, *broken),
        cost={**found.cost, **cost},
        penalty={**found.penalty, **penalty},
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
            status_h = next_status_h(status_h, bool(on), h)
    return total


def renewable_cost(schedule: Schedule) -> float:
    """Return the cost of what renewables feed in."""
    infeed = schedule.study.renewables.cost_per_mwh @ schedule.renewable_mw
    return float(schedule.study.period_h * infeed.sum())


def exchange_cost(schedule: Schedule) -> float:
    """Return price · m + slope · m² / 2 over all imports m."""
    market, power = schedule.study.exchange, schedule.import_mw
    cost = market.price_per_mwh * power + market.slope_per_mw2h * power**2 / 2.0
    return float(schedule.study.period_h * cost.sum())


def storage_cost(schedule: Schedule) -> float:
    """Return the cost of charging and discharging."""
    units = schedule.study.storage
    charged = units.charge_cost_per_mwh @ schedule.charge_mw.sum(axis=1)
    discharged = units.discharge_cost_per_mwh @ schedule.discharge_mw.sum(axis=1)
    return float(schedule.study.period_h * (charged + discharged))


def reserve_cost(schedule: Schedule) -> float:
    """Return what units are paid for the reserve that they hold, as offered."""
    offers = schedule.study.reserves.offer_cost_per_mwh
    return float(schedule.study.period_h * (offers * schedule.reserve_mw.sum(axis=2)).sum())


def flexible_cost(schedule: Schedule) -> float:
    """Return the value of flexible demand that is not served."""
    demand, served = schedule.study.flexible, schedule.flexible_mw
    return float(
        schedule.study.period_h * (demand.value_per_mwh @ (demand.p_max_mw - served)).sum()
    )


def _priced_items(schedule: Schedule) -> dict[str, float]:
    """Return the costs that only some studies know."""
    study = schedule.study
    items = {}
    if study.storage.charge_cost_per_mwh.any() or study.storage.discharge_cost_per_mwh.any():
        items["storage"] = storage_cost(schedule)
    if study.reserves.offer_cost_per_mwh.any():
        items["reserve"] = reserve_cost(schedule)
    if len(study.flexible):
        items["flexible"] = flexible_cost(schedule)
    return items


def _shortage_penalty(schedule: Schedule) -> dict[str, float]:
    """Return the price of missing reserve, where any has one."""
    price = schedule.study.reserves.shortage_cost_per_mwh
    priced = np.isfinite(price)
    if not priced.any():
        return {}
    missing_mwh = schedule.study.period_h * schedule.reserve_short_mw[priced].sum(axis=1)
    return {"reserve_short": float(price[priced] @ missing_mwh)}


def _energy_mwh(schedule: Schedule) -> dict[str, float]:
    """Return energy by what became of it."""
    study, h = schedule.study, schedule.study.period_h
    energy = {
        "unserved": float(h * schedule.unserved_mw.sum()),
        "surplus": float(h * schedule.surplus_mw.sum()),
        "curtailed": float(h * (study.renewables.p_max_mw - schedule.renewable_mw).sum()),
    }
    if len(study.flexible):
        left = study.flexible.p_max_mw - schedule.flexible_mw
        energy["interrupted"] = float(h * left.sum())
    return energy
