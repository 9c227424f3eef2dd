"""What a study is made of: units, infeeds, storage, trade and demand, as frozen arrays.

Units are MW, MWh, h and the money of the input (label free). Arrays over elements and periods
have the element first: ``p_max_mw[renewable, period]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray, freeze
from gridopt.errors import Issue
from gridopt.grid import ElementKey

NEIGHBOR = "neighbor"
"""Element type of an exchange that stands for no element of the net: the slack takes it up."""

NO_BUS: IntArray = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class CostCurve:
    """Convex cost of one unit in $/h between its lowest and highest output.

    cost(p) = f(p) + quadratic · p², f linear between its breakpoints.

    Parameters
    ----------
    power_mw : tuple of float, (K,)
        Breakpoints, rising; the first is the lowest output, the last the highest.
    cost_per_h : tuple of float, (K,)
        f at the breakpoints, in $/h.
    quadratic : float
        $/(MW² h), at least 0.
    """

    power_mw: tuple[float, ...]
    cost_per_h: tuple[float, ...]
    quadratic: float = 0.0

    def cost(self, p_mw: FloatArray) -> FloatArray:
        """Return the cost in $/h at each output, for a unit that is on."""
        p = np.asarray(p_mw, dtype=np.float64)
        return np.interp(p, self.power_mw, self.cost_per_h) + self.quadratic * p**2

    @property
    def widths_mw(self) -> FloatArray:
        """Width of each segment, (K − 1,)."""
        return np.diff(np.asarray(self.power_mw))

    @property
    def slopes_per_mwh(self) -> FloatArray:
        """Slope of f on each segment, (K − 1,)."""
        return np.diff(np.asarray(self.cost_per_h)) / self.widths_mw

    @property
    def is_convex(self) -> bool:
        """Whether slopes do not fall (beyond rounding) and the quadratic part is not concave."""
        slopes = self.slopes_per_mwh
        scale = np.abs(slopes).max(initial=1.0)
        return bool(self.quadratic >= 0 and (np.diff(slopes) >= -1e-9 * scale).all())


@dataclass(frozen=True)
class StartupCost:
    """Cost of a start by the time that the unit has been off (hot, warm, …, cold).

    Parameters
    ----------
    lag_h : tuple of float, (S,)
        Hours off from which each category holds, rising.
    cost : tuple of float, (S,)
        $ a start, not falling.
    """

    lag_h: tuple[float, ...] = (0.0,)
    cost: tuple[float, ...] = (0.0,)

    def at(self, off_h: float) -> float:
        """Return the cost of a start after `off_h` hours off; the first category is the least."""
        return float(self.at_each(np.array([off_h]))[0])

    def at_each(self, off_h: FloatArray) -> FloatArray:
        """Return the cost of a start after each of these hours off, (n,)."""
        reached = (np.array(self.lag_h) <= off_h[:, np.newaxis]).sum(axis=1)
        return np.asarray(np.array(self.cost)[np.maximum(reached - 1, 0)])


@dataclass(frozen=True, eq=False)
class ThermalUnits:
    """Units that are committed: G of them, every array (G,) unless said otherwise.

    Parameters
    ----------
    element : tuple of (str, int)
        Key in the pandapower net, such as ("sgen", 4).
    name : tuple of str
        Unique names.
    bus : array of int
        Position in the grid's buses.
    p_min_mw, p_max_mw : array
        Output limits of a unit that is on.
    ramp_up_mw_per_h, ramp_down_mw_per_h : array
        inf where there is no limit.
    startup_ramp_mw, shutdown_ramp_mw : array
        Highest output in the first (last) period on; inf where there is no limit.
    min_up_time_h, min_down_time_h : array
        Hours; rounded up to whole periods.
    initial_status_h : array
        Hours on (+) or off (−) before the first period; never 0.
    initial_power_mw : array
        Output just before the first period; NaN where unknown, which leaves the first ramp free.
    must_run : array of bool
    cost : tuple of CostCurve
    startup_cost : tuple of StartupCost
    """

    element: tuple[ElementKey, ...]
    name: tuple[str, ...]
    bus: IntArray
    p_min_mw: FloatArray
    p_max_mw: FloatArray
    ramp_up_mw_per_h: FloatArray
    ramp_down_mw_per_h: FloatArray
    startup_ramp_mw: FloatArray
    shutdown_ramp_mw: FloatArray
    min_up_time_h: FloatArray
    min_down_time_h: FloatArray
    initial_status_h: FloatArray
    initial_power_mw: FloatArray
    must_run: BoolArray
    cost: tuple[CostCurve, ...]
    startup_cost: tuple[StartupCost, ...]

    def __post_init__(self) -> None:
        freeze(
            self,
            floats="p_min_mw p_max_mw ramp_up_mw_per_h ramp_down_mw_per_h startup_ramp_mw "
            "shutdown_ramp_mw min_up_time_h min_down_time_h initial_status_h initial_power_mw",
            integers="bus",
            booleans="must_run",
        )

    def __len__(self) -> int:
        return len(self.name)

    def picked(self, units: IntArray) -> ThermalUnits:
        """Return some of the units, by position."""

        def pick(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(value[g] for g in units)
            return value[units]

        return ThermalUnits(**{item.name: pick(getattr(self, item.name)) for item in fields(self)})

    @property
    def initial_on(self) -> BoolArray:
        """Whether each unit is on before the first period."""
        return np.asarray(self.initial_status_h > 0)

    def issues(self) -> Iterator[Issue]:
        """Yield what no unit can be."""
        for g in range(len(self)):
            yield from _thermal_issues(self, g)


@dataclass(frozen=True, eq=False)
class Renewables:
    """Injections that are not committed: wind, sun, run of river, fixed feed-in; R of them.

    Parameters
    ----------
    element, name, bus
        As in `ThermalUnits`, (R,).
    p_min_mw : array, (R, T)
        What must be taken; equal to `p_max_mw` where nothing can be curtailed.
    p_max_mw : array, (R, T)
        What is available.
    cost_per_mwh : array, (R,)
    """

    element: tuple[ElementKey, ...]
    name: tuple[str, ...]
    bus: IntArray
    p_min_mw: FloatArray
    p_max_mw: FloatArray
    cost_per_mwh: FloatArray

    def __post_init__(self) -> None:
        freeze(self, floats="p_min_mw p_max_mw cost_per_mwh", integers="bus")

    def __len__(self) -> int:
        return len(self.name)

    @staticmethod
    def none(n_periods: int) -> Renewables:
        """Return an empty set."""
        empty = np.zeros((0, n_periods))
        return Renewables((), (), NO_BUS, empty, empty, np.zeros(0))

    def during(self, hours: slice) -> Renewables:
        """Return some of the periods."""
        return replace(self, p_min_mw=self.p_min_mw[:, hours], p_max_mw=self.p_max_mw[:, hours])

    def issues(self) -> Iterator[Issue]:
        """Yield what no infeed can be."""
        for r, name in enumerate(self.name):
            if (self.p_min_mw[r] > self.p_max_mw[r] + 1e-9).any():
                low = float((self.p_min_mw[r] - self.p_max_mw[r]).max())
                yield Issue(name, "p_min_mw", f"{low:g} above p_max_mw", "at most p_max_mw")


@dataclass(frozen=True, eq=False)
class Storage:
    """Storage that is dispatched: S of them, every array (S,) or one value for all.

    Parameters
    ----------
    element, name, bus
        As in `ThermalUnits`.
    charge_max_mw, discharge_max_mw : array
        Both at least 0, measured at the grid.
    energy_min_mwh, energy_max_mwh : array
    initial_soc_mwh : array
        State of charge before the first period.
    charge_efficiency, discharge_efficiency : array
        In (0, 1].
    final_soc_min_mwh, final_soc_max_mwh : array
        End condition: state of charge after the last period; at least the initial one (NaN), at
        most anything, unless said otherwise.
    charge_cost_per_mwh, discharge_cost_per_mwh : array
        Of energy at the grid.
    loss_per_h : array
        Share of the energy held that is lost in an hour, in [0, 1).
    """

    element: tuple[ElementKey, ...]
    name: tuple[str, ...]
    bus: IntArray
    charge_max_mw: FloatArray
    discharge_max_mw: FloatArray
    energy_min_mwh: FloatArray
    energy_max_mwh: FloatArray
    initial_soc_mwh: FloatArray
    charge_efficiency: FloatArray
    discharge_efficiency: FloatArray
    final_soc_min_mwh: FloatArray = field(default_factory=partial(np.array, np.nan))
    final_soc_max_mwh: FloatArray = field(default_factory=partial(np.array, np.inf))
    charge_cost_per_mwh: FloatArray = field(default_factory=partial(np.array, 0.0))
    discharge_cost_per_mwh: FloatArray = field(default_factory=partial(np.array, 0.0))
    loss_per_h: FloatArray = field(default_factory=partial(np.array, 0.0))

    def __post_init__(self) -> None:
        floats = (
            "charge_max_mw discharge_max_mw energy_min_mwh energy_max_mwh initial_soc_mwh "
            "charge_efficiency discharge_efficiency final_soc_min_mwh final_soc_max_mwh "
            "charge_cost_per_mwh discharge_cost_per_mwh loss_per_h"
        )
        for name in floats.split():
            value = np.broadcast_to(getattr(self, name), (len(self.name),))
            object.__setattr__(self, name, value)
        unsaid = np.isnan(self.final_soc_min_mwh)
        final = np.where(unsaid, self.initial_soc_mwh, self.final_soc_min_mwh)
        object.__setattr__(self, "final_soc_min_mwh", final)
        freeze(self, floats=floats, integers="bus")

    def __len__(self) -> int:
        return len(self.name)

    @staticmethod
    def none() -> Storage:
        """Return an empty set."""
        return Storage((), (), NO_BUS, *[np.zeros(0)] * 7)

    def kept_per_period(self, period_h: float) -> FloatArray:
        """Return the share of the energy held that is left after a period, (S,)."""
        return np.asarray((1.0 - self.loss_per_h) ** period_h)

    def issues(self) -> Iterator[Issue]:
        """Yield what no storage can be."""
        for s, (element, name) in enumerate(zip(self.element, self.name, strict=True)):
            low, high = float(self.energy_min_mwh[s]), float(self.energy_max_mwh[s])
            soc, last = float(self.initial_soc_mwh[s]), float(self.final_soc_min_mwh[s])
            most = float(self.final_soc_max_mwh[s])
            checks: list[tuple[bool, str, Any, str]] = [
                (0 <= low <= high, "energy_min_mwh", low, f"0 to energy_max_mwh = {high:g}"),
                (low <= soc <= high, "initial_soc_mwh", soc, f"{low:g} to {high:g}"),
                (last <= high, "final_soc_min_mwh", last, f"at most energy_max_mwh = {high:g}"),
                (
                    most >= max(low, last),
                    "final_soc_max_mwh",
                    most,
                    f"at least {max(low, last):g}",
                ),
            ]
            for field_name in ("charge_max_mw", "discharge_max_mw"):
                value = float(getattr(self, field_name)[s])
                checks.append((value >= 0, field_name, value, "at least 0"))
            for field_name in ("charge_efficiency", "discharge_efficiency"):
                value = float(getattr(self, field_name)[s])
                checks.append((0 < value <= 1, field_name, value, "more than 0, at most 1"))
            for field_name in ("charge_cost_per_mwh", "discharge_cost_per_mwh"):
                value = float(getattr(self, field_name)[s])
                checks.append((bool(np.isfinite(value)), field_name, value, "a number"))
            loss = float(self.loss_per_h[s])
            checks.append((0 <= loss < 1, "loss_per_h", loss, "at least 0, less than 1"))
            yield from _told(f"{element[0]} {element[1]} ({name})", checks)


@dataclass(frozen=True, eq=False)
class Exchange:
    """Connections to a market or a neighboring system: X of them.

    Importing m MW for an hour costs price · m + slope · m² / 2; m < 0 is export.

    Parameters
    ----------
    element, name, bus
        As in `ThermalUnits`, (X,).
    import_max_mw, export_max_mw : array, (X,)
        Both at least 0.
    price_per_mwh : array, (X, T)
    slope_per_mw2h : array, (X, T)
        Rise of the price with each MW imported, at least 0.
    """

    element: tuple[ElementKey, ...]
    name: tuple[str, ...]
    bus: IntArray
    import_max_mw: FloatArray
    export_max_mw: FloatArray
    price_per_mwh: FloatArray
    slope_per_mw2h: FloatArray

    def __post_init__(self) -> None:
        freeze(
            self,
            floats="import_max_mw export_max_mw price_per_mwh slope_per_mw2h",
            integers="bus",
        )

    def __len__(self) -> int:
        return len(self.name)

    @staticmethod
    def none(n_periods: int) -> Exchange:
        """Return an empty set."""
        empty = np.zeros((0, n_periods))
        return Exchange((), (), NO_BUS, np.zeros(0), np.zeros(0), empty, empty)

    def during(self, hours: slice) -> Exchange:
        """Return some of the periods."""
        return replace(
            self,
            price_per_mwh=self.price_per_mwh[:, hours],
            slope_per_mw2h=self.slope_per_mw2h[:, hours],
        )


@dataclass(frozen=True, eq=False)
class FlexibleDemand:
    """Demand that may be left unserved at its own price: price-sensitive or interruptible; D of it.

    What is not served costs its value, so that costs stay at least 0 and a gap keeps its meaning:
    minimizing Σ value · (p_max − served) is maximizing the benefit of what is served.

    Parameters
    ----------
    element, name, bus
        As in `ThermalUnits`, (D,).
    p_min_mw : array, (D, T)
        What must be served.
    p_max_mw : array, (D, T)
        What is wanted.
    value_per_mwh : array, (D,)
        Worth of energy served (price-sensitive), or payment for energy interrupted.
    interruption_max_mwh : array, (D,)
        Most energy that may go unserved over all periods; no limit unless said.
    """

    element: tuple[ElementKey, ...]
    name: tuple[str, ...]
    bus: IntArray
    p_min_mw: FloatArray
    p_max_mw: FloatArray
    value_per_mwh: FloatArray
    interruption_max_mwh: FloatArray = field(default_factory=partial(np.array, np.inf))

    def __post_init__(self) -> None:
        limit = np.broadcast_to(self.interruption_max_mwh, (len(self.name),))
        object.__setattr__(self, "interruption_max_mwh", limit)
        freeze(self, floats="p_min_mw p_max_mw value_per_mwh interruption_max_mwh", integers="bus")

    def __len__(self) -> int:
        return len(self.name)

    @staticmethod
    def none(n_periods: int) -> FlexibleDemand:
        """Return an empty set."""
        empty = np.zeros((0, n_periods))
        return FlexibleDemand((), (), NO_BUS, empty, empty, np.zeros(0))

    def during(self, hours: slice) -> FlexibleDemand:
        """Return some of the periods, and as much of the interruption limit as they are of all."""
        share = self.p_max_mw[:, hours].shape[1] / max(self.p_max_mw.shape[1], 1)
        return replace(
            self,
            p_min_mw=self.p_min_mw[:, hours],
            p_max_mw=self.p_max_mw[:, hours],
            interruption_max_mwh=self.interruption_max_mwh * share,
        )

    def issues(self) -> Iterator[Issue]:
        """Yield what no demand can be."""
        for d, (element, name) in enumerate(zip(self.element, self.name, strict=True)):
            value, limit = float(self.value_per_mwh[d]), float(self.interruption_max_mwh[d])
            low, high = self.p_min_mw[d], self.p_max_mw[d]
            checks: list[tuple[bool, str, Any, str]] = [
                (
                    bool((low >= 0).all() and (low <= high).all() and np.isfinite(high).all()),
                    "p_min_mw",
                    float((high - low).min(initial=0.0)),
                    "0 ≤ p_min_mw ≤ p_max_mw in every period",
                ),
                (bool(np.isfinite(value)) and value >= 0, "value_per_mwh", value, "at least 0"),
                (limit >= 0, "interruption_max_mwh", limit, "at least 0"),
            ]
            yield from _told(f"{element[0]} {element[1]} ({name})", checks)


def _told(where: str, checks: list[tuple[bool, str, Any, str]]) -> Iterator[Issue]:
    """Yield an issue of each check that fails: (right, field, value, expected)."""
    for right, name, value, expected in checks:
        if not right:
            yield Issue(where, name, value, expected)


def _thermal_issues(units: ThermalUnits, g: int) -> Iterator[Issue]:
    low, high = float(units.p_min_mw[g]), float(units.p_max_mw[g])
    status, power = float(units.initial_status_h[g]), float(units.initial_power_mw[g])
    checks: list[tuple[bool, str, Any, str]] = [
        (np.isfinite(high) and high >= 0, "p_max_mw", high, "a number of at least 0"),
        (low >= 0, "p_min_mw", low, "at least 0"),
        (low <= high, "p_min_mw", low, f"at most p_max_mw = {high:g}"),
        (units.min_up_time_h[g] > 0, "min_up_time_h", float(units.min_up_time_h[g]), "more than 0"),
        (
            units.min_down_time_h[g] > 0,
            "min_down_time_h",
            float(units.min_down_time_h[g]),
            "more than 0",
        ),
        (
            np.isfinite(status) and status != 0,
            "initial_status_h",
            status,
            "hours on (+) or off (−), never 0",
        ),
        (
            not (status < 0 and power > 0),
            "initial_power_mw",
            power,
            f"0, as initial_status_h = {status:g} says off",
        ),
        (
            not (status > 0 and not (np.isnan(power) or low - 1e-6 <= power <= high + 1e-6)),
            "initial_power_mw",
            power,
            f"{low:g} to {high:g}, as initial_status_h = {status:g} says on",
        ),
        (
            not (units.must_run[g] and -units.min_down_time_h[g] < status < 0),
            "must_run",
            True,
            f"false, as the unit must stay off: initial_status_h = {status:g} "
            f"and min_down_time_h = {units.min_down_time_h[g]:g}",
        ),
        (units.cost[g].is_convex, "cost segments", units.cost[g].slopes_per_mwh, "rising slopes"),
    ]
    for name in ("ramp_up_mw_per_h", "ramp_down_mw_per_h"):
        ramp = float(getattr(units, name)[g])
        checks.append((ramp > 0, name, ramp, "more than 0"))
    for name in ("startup_ramp_mw", "shutdown_ramp_mw"):
        ramp = float(getattr(units, name)[g])
        checks.append((ramp >= low - 1e-9, name, ramp, f"at least p_min_mw = {low:g}"))
    checks += _startup_checks(units.startup_cost[g])
    where = f"{units.element[g][0]} {units.element[g][1]} ({units.name[g]})"
    yield from _told(where, checks)


def _startup_checks(startup: StartupCost) -> list[tuple[bool, str, Any, str]]:
    lags, costs = np.asarray(startup.lag_h), np.asarray(startup.cost)
    return [
        (bool((np.diff(lags) > 0).all()), "startup lags", startup.lag_h, "rising hours"),
        (
            bool((costs >= 0).all() and (np.diff(costs) >= 0).all()),
            "startup costs",
            startup.cost,
            "at least 0 and not falling with the time off",
        ),
    ]
