"""The study: a grid, its units and its hours, as frozen and checked arrays.

Units are MW, MWh, h and the money of the input (label free). Arrays over elements and periods
have the element first: ``demand_mw[bus, period]``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import BoolArray, FloatArray, IntArray, frozen
from gridopt.errors import Issue, raise_if_any
from gridopt.grid import ElementKey, Grid

CAPACITY_TOLERANCE_MW = 1e-6

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
        reached = sum(lag <= off_h for lag in self.lag_h)
        return self.cost[max(reached - 1, 0)]


def _freeze(instance: object, floats: str = "", integers: str = "", booleans: str = "") -> None:
    for names, dtype in ((floats, np.float64), (integers, np.int64), (booleans, np.bool_)):
        for name in names.split():
            object.__setattr__(instance, name, frozen(getattr(instance, name), dtype))


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
        _freeze(
            self,
            floats="p_min_mw p_max_mw ramp_up_mw_per_h ramp_down_mw_per_h startup_ramp_mw "
            "shutdown_ramp_mw min_up_time_h min_down_time_h initial_status_h initial_power_mw",
            integers="bus",
            booleans="must_run",
        )

    def __len__(self) -> int:
        return len(self.name)

    @property
    def initial_on(self) -> BoolArray:
        """Whether each unit is on before the first period."""
        return np.asarray(self.initial_status_h > 0)


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
        _freeze(self, floats="p_min_mw p_max_mw cost_per_mwh", integers="bus")

    def __len__(self) -> int:
        return len(self.name)

    @staticmethod
    def none(n_periods: int) -> Renewables:
        """Return an empty set."""
        empty = np.zeros((0, n_periods))
        return Renewables((), (), NO_BUS, empty, empty, np.zeros(0))


@dataclass(frozen=True, eq=False)
class Storage:
    """Storage that is dispatched: S of them, every array (S,).

    Parameters
    ----------
    element, name, bus
        As in `ThermalUnits`.
    charge_max_mw, discharge_max_mw : array
        Both at least 0, measured at the grid.
    energy_min_mwh, energy_max_mwh : array
    initial_soc_mwh : array
        State of charge before the first period; the last period ends with at least as much.
    charge_efficiency, discharge_efficiency : array
        In (0, 1].
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

    def __post_init__(self) -> None:
        _freeze(
            self,
            floats="charge_max_mw discharge_max_mw energy_min_mwh energy_max_mwh "
            "initial_soc_mwh charge_efficiency discharge_efficiency",
            integers="bus",
        )

    def __len__(self) -> int:
        return len(self.name)

    @staticmethod
    def none() -> Storage:
        """Return an empty set."""
        return Storage((), (), NO_BUS, *[np.zeros(0)] * 7)


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
        _freeze(
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


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that a plan is made for: B buses, T periods.

    Parameters
    ----------
    name : str
    grid : Grid
    time : pandas.Index, (T,)
        Period-beginning labels: time-zone-aware time stamps, or period numbers.
    period_h : float
        Length of every period.
    demand_mw : array, (B, T)
    thermal : ThermalUnits
    renewables : Renewables
    storage : Storage
    exchange : Exchange
    reserve_mw : array, (T,)
        Spinning reserve asked of the thermal units together.
    unserved_cost_per_mwh, surplus_cost_per_mwh : float or None
        Price of demand not served, and of energy nobody takes; None allows neither.
    assumptions : tuple of str
        Numbers that were assumed, not read; shown with every result.
    net : pandapower net or None
        The net that the study came from, for power flow and for writing results back. Not part
        of the fingerprint: all that the optimization uses is in the arrays.

    Raises
    ------
    StudyError
        With every fault found.
    """

    name: str
    grid: Grid
    time: pd.Index
    period_h: float
    demand_mw: FloatArray
    thermal: ThermalUnits
    renewables: Renewables
    storage: Storage
    exchange: Exchange
    reserve_mw: FloatArray
    unserved_cost_per_mwh: float | None = None
    surplus_cost_per_mwh: float | None = None
    assumptions: tuple[str, ...] = ()
    net: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _freeze(self, floats="demand_mw reserve_mw")
        raise_if_any(list(_issues(self)))

    @property
    def n_periods(self) -> int:
        """Number of periods T."""
        return len(self.time)

    @property
    def total_demand_mw(self) -> FloatArray:
        """Demand of all buses, (T,)."""
        return np.asarray(self.demand_mw.sum(axis=0))

    def steps(self, hours: FloatArray) -> IntArray:
        """Return hours as whole periods, rounded up."""
        return np.ceil(np.asarray(hours) / self.period_h - 1e-9).astype(np.int64)

    def fingerprint(self) -> str:
        """Return a SHA-256 over all data that enter the optimization, 16 hex digits of it."""
        digest = hashlib.sha256()
        for part in _flat(self):
            digest.update(part)
        return digest.hexdigest()[:16]


def _flat(value: object) -> Iterator[bytes]:
    """Yield the bytes of every array and scalar of a dataclass, in order, nets left out."""
    if isinstance(value, np.ndarray):
        yield str((value.shape, value.dtype.str)).encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, pd.Index):
        yield "\n".join(map(str, value)).encode()
    elif hasattr(value, "__dataclass_fields__"):
        for item in fields(value):  # type: ignore[arg-type]
            if item.name != "net":
                yield item.name.encode()
                yield from _flat(getattr(value, item.name))
    else:
        yield repr(value).encode()


def _issues(study: Study) -> Iterator[Issue]:
    yield from study.grid.issues()
    shaped = list(_shape_issues(study))
    yield from shaped
    yield from _name_issues(study)
    for g in range(len(study.thermal)):
        yield from _thermal_issues(study.thermal, g)
    yield from _storage_issues(study.storage)
    yield from _number_issues(study)
    if not shaped:
        yield from _capacity_issues(study)


def _shape_issues(study: Study) -> Iterator[Issue]:
    T = study.n_periods
    expected = {
        "demand_mw": (study.demand_mw, (study.grid.n_buses, T)),
        "reserve_mw": (study.reserve_mw, (T,)),
        "renewables.p_max_mw": (study.renewables.p_max_mw, (len(study.renewables), T)),
        "renewables.p_min_mw": (study.renewables.p_min_mw, (len(study.renewables), T)),
        "exchange.price_per_mwh": (study.exchange.price_per_mwh, (len(study.exchange), T)),
        "exchange.slope_per_mw2h": (study.exchange.slope_per_mw2h, (len(study.exchange), T)),
    }
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            yield Issue("study", f"shape of {name}", array.shape, str(shape))
    if T == 0:
        yield Issue("study", "periods", 0, "at least 1")
    if not study.period_h > 0:
        yield Issue("study", "period_h", study.period_h, "more than 0")


def _name_issues(study: Study) -> Iterator[Issue]:
    groups = (study.thermal, study.renewables, study.storage, study.exchange)
    names = [name for group in groups for name in group.name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Issue(f"element {name!r}", "name", f"used {names.count(name)} times", "a unique name")


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
    for right, name, value, expected in checks:
        if not right:
            yield Issue(where, name, value, expected)


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


def _storage_issues(storage: Storage) -> Iterator[Issue]:
    for s in range(len(storage)):
        where = f"{storage.element[s][0]} {storage.element[s][1]} ({storage.name[s]})"
        low, high = float(storage.energy_min_mwh[s]), float(storage.energy_max_mwh[s])
        soc = float(storage.initial_soc_mwh[s])
        if not 0 <= low <= high:
            yield Issue(where, "energy_min_mwh", low, f"0 to energy_max_mwh = {high:g}")
        if not low <= soc <= high:
            yield Issue(where, "initial_soc_mwh", soc, f"{low:g} to {high:g}")
        for name in ("charge_max_mw", "discharge_max_mw"):
            if not getattr(storage, name)[s] >= 0:
                yield Issue(where, name, float(getattr(storage, name)[s]), "at least 0")
        for name in ("charge_efficiency", "discharge_efficiency"):
            if not 0 < getattr(storage, name)[s] <= 1:
                yield Issue(where, name, float(getattr(storage, name)[s]), "more than 0, at most 1")


def _number_issues(study: Study) -> Iterator[Issue]:
    arrays = {
        "demand_mw": study.demand_mw,
        "reserve_mw": study.reserve_mw,
        "renewables.p_max_mw": study.renewables.p_max_mw,
        "renewables.p_min_mw": study.renewables.p_min_mw,
        "exchange.price_per_mwh": study.exchange.price_per_mwh,
    }
    for name, array in arrays.items():
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            yield Issue("study", f"{name}{bad[0].tolist()}", "not a number", "a number")
    if (study.reserve_mw < 0).any():
        yield Issue("study", "reserve_mw", float(study.reserve_mw.min()), "at least 0")
    if (study.exchange.slope_per_mw2h < 0).any():
        low = float(study.exchange.slope_per_mw2h.min())
        yield Issue("study", "exchange.slope_per_mw2h", low, "at least 0")
    for r, name in enumerate(study.renewables.name):
        if (study.renewables.p_min_mw[r] > study.renewables.p_max_mw[r] + 1e-9).any():
            low = float((study.renewables.p_min_mw[r] - study.renewables.p_max_mw[r]).max())
            yield Issue(name, "p_min_mw", f"{low:g} above p_max_mw", "at most p_max_mw")
    for name in ("unserved_cost_per_mwh", "surplus_cost_per_mwh"):
        price = getattr(study, name)
        if price is not None and not (np.isfinite(price) and price >= 0):
            yield Issue("study", name, price, "at least 0, or none")


def _capacity_issues(study: Study) -> Iterator[Issue]:
    """Report the hours whose demand no plan can serve, unless unserved energy has a price."""
    if study.unserved_cost_per_mwh is not None:
        return
    capacity = (
        study.thermal.p_max_mw.sum()
        + study.renewables.p_max_mw.sum(axis=0)
        + study.storage.discharge_max_mw.sum()
        + study.exchange.import_max_mw.sum()
    )
    short = study.total_demand_mw + study.grid.offset_mw.sum() - capacity
    hours = np.flatnonzero(short > CAPACITY_TOLERANCE_MW)
    if not len(hours):
        return
    shown = ", ".join(f"{study.time[t]} by {short[t]:.1f} MW" for t in hours[:8])
    more = f" and {len(hours) - 8} more" if len(hours) > 8 else ""
    yield Issue(
        "study",
        "demand_mw",
        f"above all capacity in {len(hours)} periods: {shown}{more}",
        "at most the capacity, or a price for unserved energy (unserved_cost_per_mwh), "
        "which alone makes this feasible",
    )
