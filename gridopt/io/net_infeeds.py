"""What feeds a net or stores energy in it, sorted into the classes of a study."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.elements import Exchange, Renewables, Storage
from gridopt.errors import Issue
from gridopt.grid import ElementKey
from gridopt.io.net_costs import NO_COST, Cost, read_costs
from gridopt.io.net_grid import NetGrid
from gridopt.io.net_tables import active, flags, labels, numbers, unique_names

THERMAL, RENEWABLE, EXCHANGE, STORAGE = "thermal", "renewable", "exchange", "storage"
WEATHER = ("pv", "wp", "wind", "solar", "photovoltaic", "onshore", "offshore")
"""How the type of a unit begins that runs as the weather lets it."""


@dataclass
class Infeed:
    """One element that feeds in or stores.

    Parameters
    ----------
    key : (str, int)
    own_name : str or None
        Its name in the net.
    bus_index, bus : int
        Bus in the net, and its position in the grid.
    p_mw : float
        Output that the net has, scaling included; NaN where it has none.
    min_mw, max_mw : float
        Limits in the net, NaN where missing.
    controllable : bool
    technology : str or None
        The type that the net gives it.
    cost : Cost
    kind : str or None
        Class of the study that it belongs to; None for what is no unit.
    name : str
        Unique.
    """

    key: ElementKey
    own_name: str | None
    bus_index: int
    bus: int
    p_mw: float
    min_mw: float
    max_mw: float
    controllable: bool
    technology: str | None
    cost: Cost
    kind: str | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """Element type and index, and the name where it says more."""
        key = f"{self.key[0]} {self.key[1]}"
        return key if self.name in ("", key) else f"{key} ({self.name})"


def read_infeeds(
    net: Any, grid: NetGrid, profiled: frozenset[ElementKey], issues: list[Issue]
) -> list[Infeed]:
    """Return all elements in service that feed in or are dispatched, sorted into classes.

    Parameters
    ----------
    net : pandapowerNet
    grid : NetGrid
    profiled : frozenset of (str, int)
        Elements with a profile of available power.
    issues : list of Issue
        Faults found are added here.

    Notes
    -----
    The rule, in this order:

    - an element with a profile of available power is renewable;
    - an ext_grid without an upper limit, or with a lower limit below 0, is an exchange; any other
      with p_max > 0 is thermal;
    - a gen or sgen whose type says sun or wind is renewable;
    - a gen is thermal if it is controllable and p_max > 0; with p_max = 0 it is a synchronous
      condenser and no unit; any other is a fixed infeed;
    - an sgen is thermal if it is controllable and has a cost; any other is renewable.

    A renewable has p_mw · scaling (or its profile) available, and is curtailed only if it is
    controllable. A storage that is not controllable is demand, not an element of the study.
    """
    costs = read_costs(net, issues)
    infeeds = [
        infeed
        for element, controllable in (("gen", True), ("sgen", False), ("ext_grid", True))
        for infeed in _rows(net, grid, element, controllable, costs)
    ]
    for infeed in infeeds:
        infeed.kind = _kind(infeed, infeed.key in profiled)
    storage = [s for s in _rows(net, grid, "storage", False, costs) if s.controllable]
    for unit in storage:
        unit.kind = STORAGE
    infeeds = [infeed for infeed in [*infeeds, *storage] if infeed.kind is not None]
    names = unique_names([i.key for i in infeeds], [i.own_name for i in infeeds])
    for infeed, name in zip(infeeds, names, strict=True):
        infeed.name = name
    return infeeds


def _rows(
    net: Any, grid: NetGrid, element: str, controllable: bool, costs: dict[ElementKey, Cost]
) -> Iterator[Infeed]:
    table = active(net, element)
    power = numbers(table, "p_mw", np.nan) * numbers(table, "scaling", 1.0)
    low, high = numbers(table, "min_p_mw", np.nan), numbers(table, "max_p_mw", np.nan)
    control = flags(table, "controllable", controllable)
    own, kinds = labels(table, "name"), labels(table, "type")
    for row, index in enumerate(table.index):
        bus = int(table["bus"].iloc[row])
        yield Infeed(
            key=(element, int(index)),
            own_name=own[row],
            bus_index=bus,
            bus=grid.position[bus],
            p_mw=float(power[row]),
            min_mw=float(low[row]),
            max_mw=float(high[row]),
            controllable=bool(control[row]),
            technology=kinds[row],
            cost=costs.get((element, int(index)), NO_COST),
        )


def _kind(infeed: Infeed, profiled: bool) -> str | None:
    element = infeed.key[0]
    if profiled:
        return RENEWABLE
    if element == "ext_grid":
        if np.isnan(infeed.max_mw) or infeed.min_mw < 0:
            return EXCHANGE
        return THERMAL if infeed.max_mw > 0 else None
    if (infeed.technology or "").lower().startswith(WEATHER):
        return RENEWABLE
    if element == "sgen":
        return THERMAL if infeed.controllable and infeed.cost.is_given else RENEWABLE
    if infeed.max_mw <= 0:
        return RENEWABLE if infeed.min_mw < 0 else None
    return THERMAL if infeed.controllable else RENEWABLE


def thermal_base(
    infeeds: list[Infeed], given: pd.DataFrame | None, issues: list[Issue], notes: list[str]
) -> pd.DataFrame:
    """Return what the net says of the thermal units, as `gridopt.io.units.thermal_units` asks.

    Lower limits that are missing or below 0 are taken as 0, and noted; a missing upper limit is a
    fault unless the unit table has it.
    """
    units = [infeed for infeed in infeeds if infeed.kind == THERMAL]
    missing = [u for u in units if np.isnan(u.max_mw)]
    for unit in missing:
        unit.max_mw = _given_limit(given, unit)
        if np.isnan(unit.max_mw):
            issues.append(Issue(unit.label, "max_p_mw", "missing", "a limit in the net's table"))
            unit.max_mw = max(unit.p_mw, 0.0)
    _note(notes, "no min_p_mw, taken as 0", [u for u in units if np.isnan(u.min_mw)])
    _note(notes, "min_p_mw below 0 (pumping) is left out, taken as 0", _below_zero(units))
    return pd.DataFrame([_base_row(unit, issues) for unit in units], columns=list(BASE_COLUMNS))


BASE_COLUMNS = (
    "element",
    "index",
    "name",
    "bus",
    "bus_index",
    "p_min_mw",
    "p_max_mw",
    "cost_power_mw",
    "cost_per_h",
    "cost_quadratic",
    "initial_power_mw",
    "technology",
)


def _below_zero(units: list[Infeed]) -> list[Infeed]:
    return [unit for unit in units if unit.min_mw < 0]


def _given_limit(given: pd.DataFrame | None, unit: Infeed) -> float:
    if given is None:
        return np.nan
    same_key = (given["element"] == unit.key[0]) & (given["index"] == unit.key[1])
    rows = given[(same_key.fillna(False) | (given["name"] == unit.name)).to_numpy(dtype=bool)]
    return float(rows["p_max_mw"].iloc[0]) if len(rows) else np.nan


def _base_row(unit: Infeed, issues: list[Issue]) -> dict[str, Any]:
    low = max(0.0, np.nan_to_num(unit.min_mw))
    power, cost = unit.cost.breakpoints(low, unit.max_mw)
    if unit.cost.quadratic < 0:
        issues.append(Issue(unit.label, "cp2_eur_per_mw2", unit.cost.quadratic, "at least 0"))
    return {
        "element": unit.key[0],
        "index": unit.key[1],
        "name": unit.name,
        "bus": unit.bus,
        "bus_index": unit.bus_index,
        "p_min_mw": low,
        "p_max_mw": unit.max_mw,
        "cost_power_mw": power,
        "cost_per_h": cost,
        "cost_quadratic": unit.cost.quadratic,
        "initial_power_mw": unit.p_mw,
        "technology": unit.technology,
    }


def renewables(
    infeeds: list[Infeed],
    available: dict[ElementKey, FloatArray],
    periods: int,
    notes: list[str],
) -> Renewables:
    """Return the renewables and fixed infeeds over `periods` periods."""
    units = [infeed for infeed in infeeds if infeed.kind == RENEWABLE]
    high = np.array([_available(unit, available, periods) for unit in units])
    high = high.reshape(len(units), periods)
    fixed = np.array(
        [not unit.controllable or unit.key[0] == "ext_grid" for unit in units], dtype=np.bool_
    )
    low = np.where(fixed.reshape(-1, 1) | (high < 0), high, 0.0)
    curved = [u for u in units if u.cost.quadratic or u.cost.points]
    _note(notes, "only the linear part of its cost is used, as it is not committed", curved)
    return Renewables(
        element=tuple(unit.key for unit in units),
        name=tuple(unit.name for unit in units),
        bus=np.array([unit.bus for unit in units], dtype=np.int64),
        p_min_mw=low,
        p_max_mw=high,
        cost_per_mwh=np.array([unit.cost.linear for unit in units]),
    )


def _available(unit: Infeed, available: dict[ElementKey, FloatArray], periods: int) -> FloatArray:
    if unit.key in available:
        return available[unit.key]
    return np.full(periods, np.nan_to_num(unit.p_mw))


def exchange(
    infeeds: list[Infeed],
    periods: int,
    peak_mw: float,
    infeed_mw: float,
    issues: list[Issue],
    notes: list[str],
) -> Exchange:
    """Return the external grids that trade: those without limits, and those that may export.

    Parameters
    ----------
    peak_mw, infeed_mw : float
        Highest demand and highest infeed of the net: what a missing limit is taken as.
    """
    units = [infeed for infeed in infeeds if infeed.kind == EXCHANGE]
    for unit in units:
        if unit.cost.points:
            expected = "poly_cost: an external grid that trades has a price and its slope"
            issues.append(Issue(unit.label, "pwl_cost", "given", expected))
    free = [unit for unit in units if np.isnan(unit.max_mw)]
    _note(notes, f"no max_p_mw, import up to the peak demand of {peak_mw:.6g} MW", free)
    open_below = [unit for unit in units if np.isnan(unit.min_mw)]
    _note(notes, f"no min_p_mw, export up to the infeed of {infeed_mw:.6g} MW", open_below)
    _note(notes, "no cost, price taken as 0", [u for u in units if not u.cost.is_given])

    def over_time(values: list[float]) -> FloatArray:
        return np.repeat(np.array(values, dtype=np.float64).reshape(-1, 1), periods, axis=1)

    return Exchange(
        element=tuple(unit.key for unit in units),
        name=tuple(unit.name for unit in units),
        bus=np.array([unit.bus for unit in units], dtype=np.int64),
        import_max_mw=np.array([_or(unit.max_mw, peak_mw) for unit in units]),
        export_max_mw=np.array([max(0.0, _or(-unit.min_mw, infeed_mw)) for unit in units]),
        price_per_mwh=over_time([unit.cost.linear for unit in units]),
        slope_per_mw2h=over_time([2.0 * unit.cost.quadratic for unit in units]),
    )


def storage(net: Any, infeeds: list[Infeed], issues: list[Issue], notes: list[str]) -> Storage:
    """Return the storage that is dispatched.

    pandapower's sign is + for charging. Its state of charge is a percentage of max_e_mwh. Columns
    charge_efficiency and discharge_efficiency, or efficiency_percent for the round trip, are used
    where the table has them.
    """
    units = [infeed for infeed in infeeds if infeed.kind == STORAGE]
    table = net["storage"].loc[[unit.key[1] for unit in units]]

    def column(name: str, default: float) -> FloatArray:
        return numbers(table, name, default)

    for name in ("max_p_mw", "min_p_mw", "max_e_mwh"):
        for unit, value in zip(units, column(name, np.nan), strict=True):
            if np.isnan(value):
                issues.append(Issue(unit.label, name, "missing", "a limit in the net's table"))
    one_way = np.sqrt(column("efficiency_percent", 100.0) / 100.0)
    charge, discharge = column("charge_efficiency", np.nan), column("discharge_efficiency", np.nan)
    charge = np.where(np.isnan(charge), one_way, charge)
    discharge = np.where(np.isnan(discharge), one_way, discharge)
    lossless = [u for u, e in zip(units, charge * discharge, strict=True) if e == 1]
    _note(notes, "no efficiency, taken as 1", lossless)
    soc = column("soc_percent", np.nan)
    _note(notes, "no soc_percent, taken as 50", _where(units, np.isnan(soc)))
    most = np.nan_to_num(column("max_e_mwh", np.nan))
    return Storage(
        element=tuple(unit.key for unit in units),
        name=tuple(unit.name for unit in units),
        bus=np.array([unit.bus for unit in units], dtype=np.int64),
        charge_max_mw=np.nan_to_num(column("max_p_mw", np.nan)),
        discharge_max_mw=np.maximum(0.0, -np.nan_to_num(column("min_p_mw", np.nan))),
        energy_min_mwh=column("min_e_mwh", 0.0),
        energy_max_mwh=most,
        initial_soc_mwh=np.where(np.isnan(soc), 50.0, soc) / 100.0 * most,
        charge_efficiency=charge,
        discharge_efficiency=discharge,
    )


def cost_issues(infeeds: list[Infeed], given: pd.DataFrame | None, notes: list[str]) -> list[Issue]:
    """Report a net in which nothing has a cost; note single units without one."""
    priced = given is not None and bool(given["cost_per_h"].notna().any())
    units = [infeed for infeed in infeeds if infeed.kind != STORAGE]
    costly = [unit for unit in units if unit.cost.is_given]
    if units and not costly and not priced:
        expected = "costs of the units, in the net or in a unit table"
        return [Issue("net", "poly_cost and pwl_cost", "net without costs", expected)]
    if not priced:
        free = [u for u in units if u.kind == THERMAL and not u.cost.is_given]
        _note(notes, "no cost, taken as 0", free)
    return []


def _note(notes: list[str], text: str, units: list[Infeed]) -> None:
    """Add one line for all the units of which `text` holds."""
    if units:
        more = f" and {len(units) - 6} more" if len(units) > 6 else ""
        notes.append(", ".join(unit.label for unit in units[:6]) + more + ": " + text)


def _where(units: list[Infeed], mask: Any) -> list[Infeed]:
    return [unit for unit, holds in zip(units, mask, strict=True) if holds]


def _or(value: float, default: float) -> float:
    return default if np.isnan(value) else value
