"""Writes a study as an instance of Power Grid Lib (pglib-uc), for tools that read that format.

Format and model as in `gridopt.io.pglib_uc`, which reads the file back: one bus, hours, thermal
units, renewables, spinning reserve. What the format cannot say of a study is refused, all of it at
once; nothing is approximated or left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gridopt.elements import StartupCost
from gridopt.errors import Issue, raise_if_any
from gridopt.io.pglib_uc import PERIOD_H
from gridopt.io.plan_files import replacing
from gridopt.requirements import SPINNING
from gridopt.study import FREE, Study

WHOLE_H = 1e-6
"""How far hours before the study may be from whole ones."""


def write_pglib_uc(study: Study, path: str | Path) -> Path:
    """Write the study as a pglib-uc instance.

    Parameters
    ----------
    study : Study
        Branch limits are no part of the format: a network's buses become one. Limits that cannot
        bind (infinite ramps) are written as the unit's highest output, minimum times in whole
        hours, start-up costs from the minimum down time on; the rules stay the same.
    path : str or Path
        A ``.json`` file; one that is there is replaced at once.

    Returns
    -------
    Path

    Raises
    ------
    StudyError
        With everything of the study that the format cannot say.
    """
    raise_if_any(list(pglib_uc_issues(study)))
    target = Path(path)
    with replacing(target) as scratch:
        scratch.write_text(json.dumps(_document(study), indent=1), "utf-8")
    return target


def pglib_uc_issues(study: Study) -> Iterator[Issue]:
    """Yield everything of a study that a pglib-uc instance cannot say."""
    where = f"study {study.name}"
    if study.period_h != PERIOD_H:
        yield Issue(where, "period_h", study.period_h, f"{PERIOD_H:g}: pglib-uc has hours")
    parts = {
        "storage": len(study.storage),
        "exchange": len(study.exchange),
        "flexible": len(study.flexible),
        "energy_limits": len(study.energy_limits),
        "scenarios": len(study.scenarios),
        "sites": len(study.sites),
        "fixed_status": int((study.fixed_status != FREE).sum()),
        "renewables.cost_per_mwh": int((study.renewables.cost_per_mwh != 0.0).sum()),
    }
    for name, count in parts.items():
        if count:
            yield Issue(where, name, f"{count} entries", "none: pglib-uc has none")
    for name in ("unserved_cost_per_mwh", "surplus_cost_per_mwh"):
        if (price := getattr(study, name)) is not None:
            yield Issue(where, name, price, "none: pglib-uc serves all demand")
    yield from _reserve_issues(study, where)
    yield from _unit_issues(study)


def _reserve_issues(study: Study, where: str) -> Iterator[Issue]:
    reserves = study.reserves
    if not reserves.requirement:
        return
    plain = (
        reserves.kind == (SPINNING,)
        and len(reserves.requirement) == 1
        and bool(reserves.zone.all())
        and bool(np.isinf(reserves.offer_max_mw).all())
        and not reserves.offer_cost_per_mwh.any()
        and bool(np.isinf(reserves.shortage_cost_per_mwh).all())
    )
    if not plain:
        found = ", ".join(map(str, reserves.kind))
        expected = "one spinning requirement of the whole system, unpriced and without offers"
        yield Issue(where, "reserves", found, f"{expected}: pglib-uc has no other")


def _unit_issues(study: Study) -> Iterator[Issue]:
    units = study.thermal
    span = units.p_max_mw - units.p_min_mw
    ramped = (units.ramp_up_mw_per_h < span) | (units.ramp_down_mw_per_h < span)
    unknown = units.initial_on & np.isnan(units.initial_power_mw) & ramped
    status = units.initial_status_h
    whole = np.abs(status - np.rint(status)) <= WHOLE_H
    for g, name in enumerate(units.name):
        if units.cost[g].quadratic:
            q = units.cost[g].quadratic
            yield Issue(f"unit {name}", "cost.quadratic", q, "0: pglib-uc has line segments")
        if not whole[g]:
            yield Issue(f"unit {name}", "initial_status_h", status[g], "whole hours")
        if unknown[g]:
            expected = "a number, as the unit has ramps"
            yield Issue(f"unit {name}", "initial_power_mw", "unknown", expected)


def _document(study: Study) -> dict[str, Any]:
    demand = study.total_demand_mw + study.grid.shunt_mw.sum()
    renewables = study.renewables
    return {
        "time_periods": study.n_periods,
        "demand": demand.tolist(),
        "reserves": np.broadcast_to(
            study.reserves.total_required_mw(), (study.n_periods,)
        ).tolist(),
        "thermal_generators": {name: _unit(study, g) for g, name in enumerate(study.thermal.name)},
        "renewable_generators": {
            name: {
                "name": name,
                "power_output_minimum": low.tolist(),
                "power_output_maximum": high.tolist(),
            }
            for name, low, high in zip(
                renewables.name, renewables.p_min_mw, renewables.p_max_mw, strict=True
            )
        },
    }


def _unit(study: Study, g: int) -> dict[str, Any]:
    units = study.thermal
    low, high = float(units.p_min_mw[g]), float(units.p_max_mw[g])
    limits = {
        "ramp_up_limit": units.ramp_up_mw_per_h,
        "ramp_down_limit": units.ramp_down_mw_per_h,
        "ramp_startup_limit": units.startup_ramp_mw,
        "ramp_shutdown_limit": units.shutdown_ramp_mw,
    }
    up, down = (int(study.steps(h[g])) for h in (units.min_up_time_h, units.min_down_time_h))
    status, on = round(float(units.initial_status_h[g])), bool(units.initial_on[g])
    before = float(units.initial_power_mw[g])
    curve = units.cost[g]
    return {
        "name": units.name[g],
        "must_run": int(units.must_run[g]),
        "power_output_minimum": low,
        "power_output_maximum": high,
        **{name: float(mw[g]) if np.isfinite(mw[g]) else high for name, mw in limits.items()},
        "time_up_minimum": up,
        "time_down_minimum": down,
        "power_output_t0": (low if np.isnan(before) else before) if on else 0.0,
        "unit_on_t0": int(on),
        "time_up_t0": status if on else 0,
        "time_down_t0": 0 if on else -status,
        "startup": _startup(units.startup_cost[g], down),
        "piecewise_production": [
            {"mw": mw, "cost": cost}
            for mw, cost in zip(curve.power_mw, curve.cost_per_h, strict=True)
        ],
    }


def _startup(cost: StartupCost, down: int) -> list[dict[str, float]]:
    """Return the categories that a start after the minimum down time can reach."""
    entries: list[dict[str, float]] = [{"lag": down, "cost": cost.at(float(down))}]
    lags = np.ceil(np.array(cost.lag_h) - 1e-9).astype(int).tolist()
    for lag, money in zip(lags, cost.cost, strict=True):
        if lag == entries[-1]["lag"]:
            entries[-1]["cost"] = money
        elif lag > down:
            entries.append({"lag": lag, "cost": money})
    return entries
