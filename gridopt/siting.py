"""Gives a study its candidate sites for batteries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray, IntArray
from gridopt.errors import Issue, UnknownNameError, attempt, collected
from gridopt.io.battery_modules import read_modules
from gridopt.io.candidate_buses import Candidates, candidate_buses
from gridopt.sites import BatteryModules, Sites
from gridopt.study import Scenario, Study

DEFAULT_MODULE = "li_ion_1mw_2h"

DAY_H = 24.0


def with_sites(
    study: Study,
    candidates: Candidates | None = None,
    modules: BatteryModules | Sequence[str] | str | None = None,
    *,
    count: int | None = None,
    budget: float | None = None,
    modules_max: int = 1,
    modules_min: int = 1,
    operation: Literal["optimized", "profile"] = "optimized",
    holds_reserve: bool = False,
    catalogue: pd.DataFrame | str | Path | None = None,
    loss_cost_per_mwh: float | None = None,
    voltage_cost_per_pu_h: float | None = None,
    overload_cost_per_mwh: float | None = None,
    peak_cost_per_mw: float = 0.0,
    vm_min_pu: float | None = None,
    vm_max_pu: float | None = None,
) -> Study:
    """Return a study with sites where batteries may be built.

    Parameters
    ----------
    study : Study
    candidates : sequence or path, optional
        Buses by index in the net or by name, or a CSV file with a column ``bus``; every bus
        where not given.
    modules : BatteryModules, or names, optional
        Kinds of battery, or their names in the catalogue; one of 1 MW and 2 MWh where not given.
    count : int, optional
        How many sites get a battery; any number where not given.
    budget : float, optional
        Most that all batteries together may cost to buy.
    modules_max, modules_min : int
        Most modules at a site, and fewest at one that gets a battery.
    operation : {"optimized", "profile"}
        Whether batteries run as is best for the objective, or each by the same profile: once a
        day empty at full power where the demand of the system is highest, full where it is lowest.
    holds_reserve : bool
        Whether batteries may hold spinning reserve, if their operation is optimized.
    catalogue : DataFrame or path, optional
        See `gridopt.io.battery_modules.read_modules`.
    loss_cost_per_mwh : float, optional
        Price of losses on radial grids; what energy costs at the reference bus where not given, in
        each scenario what it costs there.
    voltage_cost_per_pu_h, overload_cost_per_mwh : float, optional
        Prices of voltage outside of its band and of flow above its rating, on radial grids and in
        `gridopt.ACSites`; where not given, nothing may be.
    peak_cost_per_mw : float
        Price of the highest power taken at the reference bus.
    vm_min_pu, vm_max_pu : float, optional
        Voltage band of all buses in place of the net's, on radial grids; elsewhere with
        ``operation="profile"``, for `gridopt.ACSites` alone.

    Raises
    ------
    StudyError
        With every fault found.
    UnknownNameError
        For a module that the catalogue has not.
    """
    issues: list[Issue] = []
    bus = attempt(lambda: candidate_buses(study, candidates), issues)
    kinds, unknown = _kinds(modules, catalogue, issues)
    notes: list[str] = []
    band = _band(study, vm_min_pu, vm_max_pu, operation == "profile", issues)
    feeder = study.feeder
    if feeder is not None and band is not None:
        feeder = replace(feeder, vm_min_pu=band[0], vm_max_pu=band[1])
    losses = np.zeros(0)
    if feeder is not None:
        losses = _loss_cost(study, loss_cost_per_mwh, notes)
    profile = np.zeros((0, 0))
    if operation == "profile" and not any(kinds.issues()):
        profile = daily_profile(study, kinds)
        notes.append("batteries run by one profile: empty at the highest demand of each day")
    if feeder is None and band is not None:
        notes.append("the voltage band counts in ACSites alone: the DC model has no voltages")
    none = np.zeros(0)
    low, high = (none, none) if feeder is not None or band is None else band
    sites = Sites(
        bus=np.arange(study.grid.n_buses) if bus is None else bus,
        modules=kinds,
        count=count,
        budget=budget,
        modules_max=modules_max,
        modules_min=modules_min,
        profile=profile,
        holds_reserve=holds_reserve,
        loss_cost_per_mwh=losses,
        voltage_cost_per_pu_h=np.inf if voltage_cost_per_pu_h is None else voltage_cost_per_pu_h,
        overload_cost_per_mwh=np.inf if overload_cost_per_mwh is None else overload_cost_per_mwh,
        peak_cost_per_mw=peak_cost_per_mw,
        vm_min_pu=low,
        vm_max_pu=high,
    )
    if unknown is not None:
        issues += sites.issues(study.grid.bus_name, study.n_periods, study.period_h)
        if not issues:
            raise unknown
        expected = f"one of the catalogue ({unknown})"
        issues.append(Issue("battery modules", "name", "unknown", expected))
    scenarios = study.scenarios
    if len(losses):
        scenarios = tuple(_with_loss_cost(study, it, loss_cost_per_mwh) for it in scenarios)
    changes: dict[str, Any] = {
        "sites": sites,
        "feeder": feeder,
        "scenarios": scenarios,
        "assumptions": (*study.assumptions, *notes),
    }
    return collected(lambda: replace(study, **changes), issues)


def _kinds(
    modules: BatteryModules | Sequence[str] | str | None,
    catalogue: pd.DataFrame | str | Path | None,
    issues: list[Issue],
) -> tuple[BatteryModules, UnknownNameError | None]:
    """Return the modules meant; with a fault of theirs, those of the shipped catalogue."""
    if isinstance(modules, BatteryModules):
        return modules, None
    names = (modules,) if isinstance(modules, str) else tuple(modules or (DEFAULT_MODULE,))
    unknown = None
    try:
        found = attempt(lambda: read_modules(names, catalogue), issues)
    except UnknownNameError as fault:
        found, unknown = None, fault
    return found or read_modules((DEFAULT_MODULE,)), unknown


def _band(
    study: Study,
    vm_min_pu: float | None,
    vm_max_pu: float | None,
    is_profile: bool,
    issues: list[Issue],
) -> tuple[FloatArray, FloatArray] | None:
    """Return the voltage band of each bus, (B,) each; None where none is given."""
    if vm_min_pu is None and vm_max_pu is None:
        return None
    where, B, feeder = "battery sites", study.grid.n_buses, study.feeder
    if feeder is None and not is_profile:
        expected = "a radial grid, or operation = 'profile': the study has no feeder"
        issues.append(Issue(where, "voltage band", "given", expected))
        return None
    low = np.full(B, -np.inf) if feeder is None else feeder.vm_min_pu
    high = np.full(B, np.inf) if feeder is None else feeder.vm_max_pu
    low = low if vm_min_pu is None else np.full(B, vm_min_pu)
    high = high if vm_max_pu is None else np.full(B, vm_max_pu)
    apart = ~(low <= high)
    if apart.any():
        bus = int(np.flatnonzero(apart)[0])
        expected = f"at most vm_max_pu = {high[bus]:g}"
        issues.append(Issue(where, "vm_min_pu", float(low[bus]), expected))
    return low, high


def daily_profile(study: Study, modules: BatteryModules) -> FloatArray:
    """Return how modules run that serve the day's peak, in shares of their power, (M, T).

    Each is emptied once a day at full power in the hours of the highest demand of the system, and
    filled in those of the lowest; a part of a day at the end counts as a day. Where it is full
    before one day's peak and after another's, it runs at less power, so that it holds both.
    """
    T, h = study.n_periods, study.period_h
    profile = np.zeros((len(modules), T))
    whole = max(round(DAY_H / h), 1)
    for first in range(0, T, whole):
        day = np.arange(first, min(first + whole, T))
        rising = day[np.argsort(study.total_demand_mw[day], kind="stable")]
        for m in range(len(modules)):
            usable, power = float(modules.usable_mwh[m]), float(modules.power_mw[m])
            drawn = usable * float(modules.discharge_efficiency[m]) / power / h
            filled = usable / float(modules.charge_efficiency[m]) / power / h
            # some periods to empty it and the others to fill it: both must fit into the day
            shares = [min(k / drawn, (len(day) - k) / filled) for k in range(len(day))]
            share = min(1.0, max(shares))
            _fill(profile[m], rising[::-1], drawn * share, 1.0)
            _fill(profile[m], rising, filled * share, -1.0)
    swing = Sites(modules=modules, profile=profile).profile_soc_mwh(h).max(axis=1, initial=0.0)
    most = modules.usable_mwh / np.maximum(swing, modules.usable_mwh)
    return np.asarray(profile * most[:, np.newaxis])


def _fill(profile: FloatArray, periods: IntArray, count: float, value: float) -> None:
    """Set the first `count` periods to a value, the last of them in part."""
    for t in periods:
        if count <= 0.0:
            return
        profile[t] = value * min(count, 1.0)
        count -= 1.0


def _with_loss_cost(study: Study, scenario: Scenario, given: float | None) -> Scenario:
    """Return a scenario in which losses cost what energy costs there, or what was given."""
    return replace(scenario, loss_cost_per_mwh=_loss_cost(study.in_scenario(scenario), given, []))


def _loss_cost(study: Study, given: float | None, notes: list[str]) -> FloatArray:
    """Return the price of losses in each period, (T,): given, or that of energy."""
    T, here = study.n_periods, study.grid.reference_bus
    if given is not None:
        return np.full(T, given)
    trade = np.flatnonzero(study.exchange.bus == here)
    if len(trade):
        notes.append("losses cost what trade at the reference bus costs")
        return np.asarray(np.maximum(study.exchange.price_per_mwh[trade[0]], 0.0))
    units = np.flatnonzero(study.thermal.bus == here)
    if not len(units):
        notes.append("losses cost nothing: energy has no price at the reference bus")
        return np.zeros(0)
    curve = study.thermal.cost[units[0]]
    half = (curve.power_mw[0] + curve.power_mw[-1]) / 2.0
    price = float(curve.slopes_per_mwh.mean()) + 2.0 * curve.quadratic * half
    notes.append(f"losses cost {price:g} a MWh: what {study.thermal.name[units[0]]} costs")
    return np.full(T, max(price, 0.0))
