"""Unit commitment as PyPSA writes it: one bus, committable generators, its own rows and costs.

What PyPSA 1.4 does not have is added the way its users add it, to the model between
`create_model` and `solve`, and told in the answer: spinning reserve, and start-up costs by the
time off (one cost a start is its own). Ramps of PyPSA hold for all of a unit's power and those of
pglib-uc for what is above the minimum, which differs at starts and stops alone: there the tighter
of the ramp above the minimum and the limit of starts or stops is PyPSA's own limit.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pypsa  # type: ignore[import-not-found]
from route import Answer, plan_of, read_instance
from xarray import DataArray  # type: ignore[import-not-found]

PACKAGES = ("pypsa", "linopy", "highspy")

read = read_instance


def solve(
    instance: dict[str, Any],
    loaded: Callable[[], None],
    *,
    seed: int,
    time_limit_s: float,
    gap: float = 1e-4,
) -> Answer:
    """Solve PyPSA's model with HiGHS."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    units = instance["thermal_generators"]
    n = network(instance)
    model = n.optimize.create_model(include_objective_constant=False)
    added = [
        name
        for name, add in (("spinning reserve", _add_reserve), ("start-up costs", _add_startups))
        if add(model, instance)
    ]
    loaded()
    status, condition = model.solve(
        solver_name="highs",
        io_api="direct",  # in half the time of its default, a file
        threads=1,
        random_seed=seed,
        mip_rel_gap=gap,
        time_limit=time_limit_s,
        output_flag=False,
    )
    info = model.solver_model.getInfo()
    details = {"added": added, "columns": int(model.nvars), "rows": int(model.ncons)}
    found = f"{status}, {condition}", float("inf"), float(info.mip_dual_bound)
    value = model.objective.value
    if value is None or not np.isfinite(value):
        return Answer(*found, details=details)
    names, winds = list(units), list(instance["renewable_generators"])
    on, power, held, wind = (
        _solution(model, variable, elements, instance["time_periods"])
        for variable, elements in (
            ("Generator-status", names),
            ("Generator-p", names),
            ("reserve", names),
            ("Generator-p", winds),
        )
    )
    plan = plan_of(
        [*names, *winds],
        np.vstack([on, np.ones_like(wind)]),
        np.vstack([power, wind]),
        np.vstack([held, np.zeros_like(wind)]),
    )
    return Answer(found[0], float(value), found[2], plan, details=details)


def network(instance: dict[str, Any]) -> pypsa.Network:
    """Return the instance in PyPSA's components."""
    n = pypsa.Network()
    n.set_snapshots(range(instance["time_periods"]))
    n.add("Carrier", "AC")
    n.add("Bus", "bus", carrier="AC")
    n.add("Load", "demand", bus="bus", p_set=pd.Series(instance["demand"], index=n.snapshots))
    for name, unit in instance["thermal_generators"].items():
        n.add("Generator", name, bus="bus", **_generator(unit))
    for name, wind in instance["renewable_generators"].items():
        limits = {
            f"p_{end}_pu": pd.Series(wind[f"power_output_{end}imum"], index=n.snapshots)
            for end in ("min", "max")
        }
        n.add("Generator", name, bus="bus", p_nom=1.0, **limits)
    return n


def _generator(unit: dict[str, Any]) -> dict[str, Any]:
    """Return a unit in PyPSA's words: powers in shares of the highest."""
    low, high = unit["power_output_minimum"], unit["power_output_maximum"]
    up, down = unit["ramp_up_limit"], unit["ramp_down_limit"]
    on = bool(unit["unit_on_t0"])
    points = unit["piecewise_production"]
    mw, cost = ([point[key] for point in points] for key in ("mw", "cost"))
    slopes = (np.diff(cost) / np.diff(mw)).tolist() or [0.0]
    # a curve begins at 0 MW: its first line goes on below the least power, which all pay while on
    curve = {0.0: 0.0, **dict(zip((np.array(mw[1:]) / high).tolist(), slopes, strict=False))}
    return {
        "committable": True,
        "p_nom": high,
        "p_min_pu": low / high,
        "ramp_limit_up": min(up / high, 1.0),
        "ramp_limit_down": min(down / high, 1.0),
        "ramp_limit_start_up": min((low + up) / high, unit["ramp_startup_limit"] / high, 1.0),
        "ramp_limit_shut_down": min((low + down) / high, unit["ramp_shutdown_limit"] / high, 1.0),
        "p_init": unit["power_output_t0"] if on else 0.0,
        "min_up_time": unit["time_up_minimum"],
        "min_down_time": unit["time_down_minimum"],
        "up_time_before": unit["time_up_t0"] if on else 0,
        "down_time_before": 0 if on else unit["time_down_t0"],
        "stand_by_cost": cost[0] - slopes[0] * mw[0],
        "start_up_cost": unit["startup"][0]["cost"],
        "marginal_cost": slopes[0] if len(slopes) == 1 else curve,
    }


def _per_unit(instance: dict[str, Any], field: str) -> DataArray:
    units = instance["thermal_generators"]
    return DataArray(
        [unit[field] for unit in units.values()], {"name": pd.Index(units, name="name")}
    )


def _add_reserve(model: Any, instance: dict[str, Any]) -> bool:
    """Add r ≥ 0 that keeps the output limit, the upward ramp, and limits of starts and stops.

    Always added, so that a plan says how much is held; told only where some is asked.
    """
    names = list(instance["thermal_generators"])
    p, on, start, stop = (
        model[f"Generator-{part}"].sel(name=names)
        for part in ("p", "status", "start_up", "shut_down")
    )
    r = model.add_variables(lower=0.0, coords=on.coords, name="reserve")
    required = DataArray(instance["reserves"], {"snapshot": on.indexes["snapshot"]})
    model.add_constraints(r.sum("name") >= required, name="reserve_required")
    low, high = (_per_unit(instance, f"power_output_{end}imum") for end in ("min", "max"))
    lost_at_start, lost_at_stop = (
        (high - _per_unit(instance, f"ramp_{end}_limit")).clip(min=0)
        for end in ("startup", "shutdown")
    )
    both = p + r - high * on
    model.add_constraints(both + lost_at_start * start <= 0, name="reserve_after_start")
    later_stop = stop.shift(snapshot=-1)
    model.add_constraints(both + lost_at_stop * later_stop <= 0, name="reserve_before_stop")
    above, ramp = p - low * on, _per_unit(instance, "ramp_up_limit")
    before = _per_unit(instance, "unit_on_t0") * (_per_unit(instance, "power_output_t0") - low)
    first = (above + r).isel(snapshot=0)
    model.add_constraints(first <= ramp + before, name="reserve_first_ramp")
    rise = (above + r - above.shift(snapshot=1)).isel(snapshot=slice(1, None))
    model.add_constraints(rise <= ramp, name="reserve_ramp")
    return any(instance["reserves"])


def _add_startups(model: Any, instance: dict[str, Any]) -> bool:
    """Add what a start costs beyond the least, by the hours off before it.

    A start in none of whose last L hours the unit was on costs what holds from L hours off on.
    PyPSA's own stops do not tell: they are free, so that they may be 1 where nothing stops.
    """
    T, terms = instance["time_periods"], []
    for name, unit in instance["thermal_generators"].items():
        on, start = (model[f"Generator-{part}"].sel(name=name) for part in ("status", "start_up"))
        off_before = 0 if unit["unit_on_t0"] else unit["time_down_t0"]
        for (_, cheaper), (lag, dearer) in pairwise(
            (category["lag"], category["cost"]) for category in unit["startup"]
        ):
            colder = model.add_variables(lower=0.0, upper=1.0, coords=start.coords)
            on_lately = on.rolling(snapshot=min(lag, T)).sum().shift(snapshot=1)
            on_before = DataArray(off_before + np.arange(T) < lag, start.coords)
            model.add_constraints(colder - start + on_lately >= -1.0 * on_before)
            terms.append((dearer - cheaper) * colder.sum())
    if terms:
        model.objective = model.objective.expression + sum(terms[1:], terms[0])
    return bool(terms)


def _solution(model: Any, variable: str, elements: list[str], periods: int) -> Any:
    if not elements:
        return np.zeros((0, periods))
    return model.solution[variable].sel(name=elements).transpose("name", "snapshot").to_numpy()
