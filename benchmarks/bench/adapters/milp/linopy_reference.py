"""The reference model of pglib-uc in linopy, vectorized: the same rows as `pyomo_reference`.

Numbers in brackets are equations of the MODEL document of Power Grid Lib, Unit Commitment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import linopy  # type: ignore[import-not-found]
import numpy as np
import pandas as pd
from _highs import searched
from route import Answer, Array, Plan, plan_of, read_instance
from xarray import DataArray  # type: ignore[import-not-found]

PACKAGES = ("linopy", "highspy")

read = read_instance


def solve(
    instance: dict[str, Any],
    loaded: Callable[[], None],
    *,
    seed: int,
    time_limit_s: float,
    gap: float = 1e-4,
) -> Answer:
    """Solve the reference model."""
    linopy.options(semantics="v1")  # what its sparse path requires
    units = _Units(instance)
    model = linopy.Model(sparse=True)
    _add_variables(model, instance, units)
    _add_cost_and_balance(model, instance, units)
    _add_logic(model, units)
    _add_startup_categories(model, units)
    _add_output_and_ramps(model, units)
    _add_piecewise(model, units)
    highs = model.to_highspy()
    loaded()
    labels = model.variables.label_index.vlabels
    column_of = np.full(labels.max() + 1, -1)
    column_of[labels] = np.arange(len(labels))
    at = {name: column_of[model.variables[name].labels.to_numpy()] for name in "uprq"}

    def plan(x: Array) -> Plan:
        nothing = np.zeros(at["q"].shape)
        power = x[at["p"]] + units.low.to_numpy()[:, np.newaxis] * x[at["u"]]
        return plan_of(
            [*instance["thermal_generators"], *instance["renewable_generators"]],
            np.vstack([x[at["u"]], nothing + 1]),
            np.vstack([power, x[at["q"]]]),
            np.vstack([x[at["r"]], nothing]),
        )

    return searched(highs, plan, seed=seed, time_limit_s=time_limit_s, gap=gap)


class _Units:
    """The thermal units as labelled arrays."""

    def __init__(self, instance: dict[str, Any]) -> None:
        self.rows = list(instance["thermal_generators"].values())
        self.index = pd.Index(instance["thermal_generators"], name="g")
        self.time = pd.RangeIndex(instance["time_periods"], name="t")
        self.low, self.high = self("power_output_minimum"), self("power_output_maximum")
        self.span = self.high - self.low
        self.initial_on = self("unit_on_t0")
        self.initial_above = self.initial_on * (self("power_output_t0") - self.low)
        self.lost_at_start = (self.high - self("ramp_startup_limit")).clip(min=0)
        self.lost_at_stop = (self.high - self("ramp_shutdown_limit")).clip(min=0)
        self.mw = self.padded("piecewise_production", "mw", "l")
        self.money = self.padded("piecewise_production", "cost", "l")
        self.lag = self.padded("startup", "lag", "s")
        self.startup_cost = self.padded("startup", "cost", "s")

    def __call__(self, field: str) -> Any:
        return DataArray([row[field] for row in self.rows], {"g": self.index})

    def padded(self, table: str, field: str, dim: str) -> Any:
        """Return a ragged table, NaN where a unit has fewer rows than another."""
        rows = [[entry[field] for entry in row[table]] for row in self.rows]
        frame = pd.DataFrame(rows, self.index, dtype=float)
        return DataArray(frame.to_numpy(), {"g": self.index, dim: frame.columns})

    def alike(self, *values: Any) -> Iterator[tuple[Any, list[int]]]:
        """Yield the units that share some whole numbers, and these; NaN belongs to no group."""
        table = np.array(values).T
        for key in np.unique(table[~np.isnan(table).any(axis=1)], axis=0):
            yield self.index[(table == key).all(axis=1)], key.astype(int).tolist()


def _add_variables(model: Any, instance: dict[str, Any], units: _Units) -> None:
    renewables = instance["renewable_generators"]
    wind = pd.Index(renewables, name="wind")
    both = [units.index, units.time]
    for name in "uvw":
        model.add_variables(binary=True, coords=both, name=name)
    for name in "pr":
        model.add_variables(lower=0, coords=both, name=name)
    model.add_variables(coords=both, name="c")
    least, most = (
        np.reshape([w[f"power_output_{end}imum"] for w in renewables.values()], (-1, len(both[1])))
        for end in ("min", "max")
    )
    model.add_variables(least, most, [wind, units.time], name="q")
    points, kinds = units.mw.indexes["l"], units.lag.indexes["s"]
    model.add_variables(
        0, 1, [units.index, points, units.time], name="share", mask=np.isfinite(units.mw)
    )
    model.add_variables(
        coords=[units.index, kinds, units.time],
        name="kind",
        mask=np.isfinite(units.lag),
        binary=True,
    )


def _add_cost_and_balance(model: Any, instance: dict[str, Any], units: _Units) -> None:
    """Add the objective (1), the balance (2) and the reserve (3)."""
    u, p, r, q, c, kind = (model[name] for name in ("u", "p", "r", "q", "c", "kind"))
    start = (units.startup_cost.fillna(0.0) * kind).sum()
    model.add_objective(c.sum() + (units.money.sel(l=0) * u).sum() + start)
    demand, reserve = (DataArray(instance[name], [units.time]) for name in ("demand", "reserves"))
    supply = p.sum("g") + (units.low * u).sum("g") + q.sum("wind")
    model.add_constraints(supply == demand, name="balance")
    model.add_constraints(r.sum("g") >= reserve, name="reserve")


def _add_logic(model: Any, units: _Units) -> None:
    """Add initial times (4)(5), must-run (11), starts and stops (6)(12), minimum times (13)(14)."""
    u, v, w = (model[name] for name in "uvw")
    on, T, period = units.initial_on, len(units.time), DataArray(units.time, [units.time])
    left_up = units("time_up_minimum") - units("time_up_t0")
    left_down = units("time_down_minimum") - units("time_down_t0")
    held = period < left_up.where(on == 1, left_down)
    model.add_constraints(u == on, name="initial", mask=held)
    model.add_constraints(u >= units("must_run"), name="must_run")
    first = [each.isel(t=0) for each in (u, v, w)]
    model.add_constraints(first[0] - first[1] + first[2] == on, name="first_switch")
    model.add_constraints(u - u.shift(t=1) - v + w == 0, name="switched")
    for names, (hours,) in units.alike(units("time_up_minimum")):
        span = min(hours, T)
        starts = v.sel(g=names).rolling(t=span).sum() - u.sel(g=names)
        model.add_constraints(starts <= 0, name=f"min_up_{hours}", mask=period >= span - 1)
    for names, (hours,) in units.alike(units("time_down_minimum")):
        span = min(hours, T)
        stops = w.sel(g=names).rolling(t=span).sum() + u.sel(g=names)
        model.add_constraints(stops <= 1, name=f"min_down_{hours}", mask=period >= span - 1)


def _add_startup_categories(model: Any, units: _Units) -> None:
    """Add that a start is of one category (16), open after a stop that long ago (7)(15)."""
    v, w, kind = (model[name] for name in ("v", "w", "kind"))
    T, period = len(units.time), DataArray(units.time, [units.time])
    following = units.lag.shift(s=-1)
    closed = (period >= following - units("time_down_t0")) & (period < following - 1)
    model.add_constraints(kind == 0, name="initial_kind", mask=closed)
    model.add_constraints(v - kind.sum("s") == 0, name="one_category")
    for s in range(units.lag.sizes["s"] - 1):
        for names, (lag, after) in units.alike(units.lag.sel(s=s), following.sel(s=s)):
            if after <= T:
                stops = w.sel(g=names).rolling(t=after - lag).sum().shift(t=lag)
                within = kind.sel(g=names, s=s) - stops <= 0
                model.add_constraints(
                    within, name=f"within_{s}_{lag}_{after}", mask=period >= after - 1
                )


def _add_output_and_ramps(model: Any, units: _Units) -> None:
    """Add limits at starts and stops (10)(17)(18) and ramps (8)(9)(19)(20), above the minimum."""
    u, v, w, p, r = (model[name] for name in "uvwpr")
    up, down, before = units("ramp_up_limit"), units("ramp_down_limit"), units.initial_above
    both = p + r - units.span * u
    model.add_constraints(both + units.lost_at_start * v <= 0, name="after_start")
    model.add_constraints(both + units.lost_at_stop * w.shift(t=-1) <= 0, name="before_stop")
    room = units.span * units.initial_on - before
    model.add_constraints(units.lost_at_stop * w.isel(t=0) <= room, name="first_stop")
    model.add_constraints(p + r - p.shift(t=1) <= up, name="ramp_up")
    model.add_constraints(p.shift(t=1) - p <= down, name="ramp_down")
    model.add_constraints(p.isel(t=0) + r.isel(t=0) <= up + before, name="first_ramp_up")
    model.add_constraints(p.isel(t=0) >= before - down, name="first_ramp_down")


def _add_piecewise(model: Any, units: _Units) -> None:
    """Add power, cost and commitment as convex combinations of the curve's points (21)-(23)."""
    u, p, c, share = (model[name] for name in ("u", "p", "c", "share"))
    mw, money = ((each - each.sel(l=0)).fillna(0.0) for each in (units.mw, units.money))
    model.add_constraints(p - (mw * share).sum("l") == 0, name="power")
    model.add_constraints(c - (money * share).sum("l") == 0, name="production")
    model.add_constraints(u - share.sum("l") == 0, name="whole")
