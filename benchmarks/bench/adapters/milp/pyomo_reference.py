"""The reference model of pglib-uc in Pyomo, written anew from the equations of its MODEL document.

Power Grid Lib, Unit Commitment, MODEL.pdf; the model is that of Morales-España, Latorre & Ramos
2013, "Tight and compact MILP formulation for the thermal unit commitment problem", doi
10.1109/TPWRS.2013.2251373, with the cost of Sridhar, Linderoth & Luedtke 2013, "Locally ideal
formulations for piecewise linear functions with indicator variables", doi
10.1016/j.orl.2013.08.010. Numbers in brackets are the document's equations.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from operator import mul
from typing import Any

import numpy as np
import pyomo.environ as pyo  # type: ignore[import-not-found]
from _highs import searched
from _pyomo import columns, passed_to_highs
from route import Answer, Array, Plan, plan_of, read_instance

PACKAGES = ("pyomo", "highspy")

read = read_instance

FAMILIES = (
    "balance reserve initial initial_kind first_stop must_run switched min_up min_down one_kind "
    "after_start before_stop ramp_up ramp_down power production whole within_window"
)
"""Rows in the order of the document, which is the order in which HiGHS gets them."""


def solve(
    instance: dict[str, Any],
    loaded: Callable[[], None],
    *,
    seed: int,
    time_limit_s: float,
    gap: float = 1e-4,
) -> Answer:
    """Solve the reference model."""
    model = reference_model(instance)
    highs, column_of = passed_to_highs(model)
    loaded()
    units, winds = instance["thermal_generators"], instance["renewable_generators"]
    on, above, reserve, wind = (
        columns(var, column_of, len(model.T)) for var in (model.u, model.p, model.r, model.q)
    )
    low = np.array([[unit["power_output_minimum"]] for unit in units.values()])

    def plan(x: Array) -> Plan:
        nothing = np.zeros(wind.shape)
        return plan_of(
            [*units, *winds],
            np.vstack([x[on], nothing + 1]),
            np.vstack([x[above] + low * x[on], x[wind]]),
            np.vstack([x[reserve], nothing]),
        )

    return searched(highs, plan, seed=seed, time_limit_s=time_limit_s, gap=gap)


def reference_model(instance: dict[str, Any]) -> Any:
    """Return the whole model; periods count from 1, as in the document."""
    model, units = pyo.ConcreteModel(), instance["thermal_generators"]
    winds = instance["renewable_generators"]
    model.T = pyo.RangeSet(instance["time_periods"])
    model.G, model.W = pyo.Set(initialize=list(units)), pyo.Set(initialize=list(winds))
    model.L, model.S = (
        pyo.Set(initialize=[(g, n) for g in units for n in range(len(units[g][table]))], dimen=2)
        for table in ("piecewise_production", "startup")
    )
    model.u, model.v, model.w = (pyo.Var(model.G, model.T, within=pyo.Binary) for _ in "uvw")
    model.p, model.r = (pyo.Var(model.G, model.T, within=pyo.NonNegativeReals) for _ in "pr")
    model.c = pyo.Var(model.G, model.T)
    model.share = pyo.Var(model.L, model.T, within=pyo.UnitInterval)
    model.kind = pyo.Var(model.S, model.T, within=pyo.Binary)
    model.q = pyo.Var(
        model.W,
        model.T,
        bounds=lambda _, w, t: tuple(  # (24)
            winds[w][f"power_output_{end}imum"][t - 1] for end in ("min", "max")
        ),
    )
    for family in FAMILIES.split():
        setattr(model, family, pyo.ConstraintList())
    _system(model, instance)
    for g, unit in units.items():
        _logic(model, g, unit)
        _startup_categories(model, g, unit)
        _output_and_ramps(model, g, unit)
        _piecewise(model, g, unit["piecewise_production"])
    return model


def _system(m: Any, instance: dict[str, Any]) -> None:
    """Add the objective (1), the balance (2) and the reserve (3)."""
    units = instance["thermal_generators"]
    least = {g: unit["piecewise_production"][0]["cost"] for g, unit in units.items()}
    start = {(g, s): units[g]["startup"][s]["cost"] for g, s in m.S}
    low = {g: unit["power_output_minimum"] for g, unit in units.items()}
    running = pyo.quicksum(m.c[g, t] + least[g] * m.u[g, t] for g in m.G for t in m.T)
    starting = pyo.quicksum(start[g, s] * m.kind[g, s, t] for g, s in m.S for t in m.T)
    m.cost = pyo.Objective(expr=running + starting)
    for t in m.T:
        thermal = pyo.quicksum(m.p[g, t] + low[g] * m.u[g, t] for g in m.G)
        m.balance.add(thermal + pyo.quicksum(m.q[w, t] for w in m.W) == instance["demand"][t - 1])
        m.reserve.add(pyo.quicksum(m.r[g, t] for g in m.G) >= instance["reserves"][t - 1])


def _logic(m: Any, g: str, unit: dict[str, Any]) -> None:
    """Add initial times (4)(5), must-run (11), starts and stops (6)(12), minimum times (13)(14)."""
    T, on = len(m.T), unit["unit_on_t0"]
    way = "up" if on else "down"
    left = range(1, min(unit[f"time_{way}_minimum"] - unit[f"time_{way}_t0"], T) + 1)
    if left:
        m.initial.add(pyo.quicksum(m.u[g, t] - on for t in left) == 0)
    for t in m.T:
        m.must_run.add(m.u[g, t] >= unit["must_run"])
        before = m.u[g, t - 1] if t > 1 else on
        m.switched.add(m.u[g, t] - before == m.v[g, t] - m.w[g, t])
    for t in range(min(unit["time_up_minimum"], T), T + 1):
        window = range(t - min(unit["time_up_minimum"], T) + 1, t + 1)
        m.min_up.add(pyo.quicksum(m.v[g, i] for i in window) <= m.u[g, t])
    for t in range(min(unit["time_down_minimum"], T), T + 1):
        window = range(t - min(unit["time_down_minimum"], T) + 1, t + 1)
        m.min_down.add(pyo.quicksum(m.w[g, i] for i in window) <= 1 - m.u[g, t])


def _startup_categories(m: Any, g: str, unit: dict[str, Any]) -> None:
    """Add that a start is of one category (16), open after a stop that long ago (7)(15)."""
    T, lags = len(m.T), [category["lag"] for category in unit["startup"]]
    closed = []
    for s, (lag, after) in enumerate(pairwise(lags)):
        first = max(1, after - unit["time_down_t0"] + 1)
        closed += [m.kind[g, s, t] for t in range(first, min(after - 1, T) + 1)]
        for t in range(after, T + 1):
            m.within_window.add(
                m.kind[g, s, t] <= pyo.quicksum(m.w[g, t - i] for i in range(lag, after))
            )
    if closed:
        m.initial_kind.add(pyo.quicksum(closed) == 0)
    for t in m.T:
        m.one_kind.add(m.v[g, t] == pyo.quicksum(m.kind[g, s, t] for s in range(len(lags))))


def _output_and_ramps(m: Any, g: str, unit: dict[str, Any]) -> None:
    """Add limits at starts and stops (10)(17)(18) and ramps (8)(9)(19)(20), above the minimum."""
    on, low, high = (
        unit[n] for n in ("unit_on_t0", "power_output_minimum", "power_output_maximum")
    )
    before = on * (unit["power_output_t0"] - low)
    at_start, at_stop = (
        max(high - unit[f"ramp_{end}_limit"], 0) for end in ("startup", "shutdown")
    )
    if at_stop:
        m.first_stop.add(at_stop * m.w[g, 1] <= (high - low) * on - before)
    for t in m.T:
        both, most = m.p[g, t] + m.r[g, t], (high - low) * m.u[g, t]
        last = m.p[g, t - 1] if t > 1 else before
        m.after_start.add(both <= most - at_start * m.v[g, t])
        if t < len(m.T):
            m.before_stop.add(both <= most - at_stop * m.w[g, t + 1])
        m.ramp_up.add(both - last <= unit["ramp_up_limit"])
        m.ramp_down.add(last - m.p[g, t] <= unit["ramp_down_limit"])


def _piecewise(m: Any, g: str, points: list[dict[str, float]]) -> None:
    """Add power, cost and commitment as convex combinations of the curve's points (21)-(23)."""
    mw, money = ([point[k] - points[0][k] for point in points] for k in ("mw", "cost"))
    for t in m.T:
        shares = [m.share[g, n, t] for n in range(len(points))]
        m.power.add(m.p[g, t] == pyo.quicksum(map(mul, mw, shares)))
        m.production.add(m.c[g, t] == pyo.quicksum(map(mul, money, shares)))
        m.whole.add(m.u[g, t] == pyo.quicksum(shares))
