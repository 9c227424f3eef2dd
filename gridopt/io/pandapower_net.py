"""Reads a pandapower net into a study."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandapower.networks
import pandas as pd
from pandapower import pandapowerNet

from gridopt.arrays import FloatArray
from gridopt.errors import Issue, StudyError, UnknownNameError, attempt, collected
from gridopt.io.net_demand import available_mw, column_issues, demand_mw, net_loads
from gridopt.io.net_feeder import read_feeder
from gridopt.io.net_file import load_net
from gridopt.io.net_grid import NetGrid, read_grid
from gridopt.io.net_infeeds import (
    cost_issues,
    exchange,
    read_infeeds,
    renewables,
    storage,
    thermal_base,
)
from gridopt.io.net_tables import flags, numbers, table_issues
from gridopt.io.profiles import Profiles, one_period, settled
from gridopt.io.shipped import rts79_profiles
from gridopt.io.unit_table import TYPICAL, given_units
from gridopt.io.units import thermal_units
from gridopt.requirements import Reserves
from gridopt.study import Study

DAY_H = 24.0

TABLES = {
    "bus": ("vn_kv", "in_service"),
    "load": ("bus", "p_mw", "q_mvar", "scaling", "in_service"),
    "gen": ("bus", "p_mw", "vm_pu", "in_service"),
    "sgen": ("bus", "p_mw", "q_mvar", "scaling", "in_service"),
    "ext_grid": ("bus", "vm_pu", "in_service"),
    "storage": ("bus", "p_mw", "in_service"),
    "shunt": ("bus", "p_mw", "in_service"),
    "ward": ("bus", "ps_mw", "pz_mw", "in_service"),
    "xward": ("bus", "ps_mw", "pz_mw", "in_service"),
    "motor": ("bus", "pn_mech_mw", "in_service"),
    "line": ("from_bus", "to_bus", "length_km", "x_ohm_per_km", "max_i_ka", "in_service"),
    "trafo": ("hv_bus", "lv_bus", "sn_mva", "vk_percent", "in_service"),
    "trafo3w": ("hv_bus", "mv_bus", "lv_bus", "sn_hv_mva", "in_service"),
    "impedance": ("from_bus", "to_bus", "xft_pu", "in_service"),
    "switch": ("bus", "element", "et", "closed"),
    "poly_cost": ("element", "et"),
    "pwl_cost": ("element", "et", "points"),
}
"""Tables that are read, with the columns that they cannot do without."""

NOT_MODELED = (
    "asymmetric_load",
    "asymmetric_sgen",
    "dcline",
    "svc",
    "ssc",
    "tcsc",
    "vsc",
    "b2b_vsc",
    "vsc_stacked",
    "vsc_bipolar",
    "bus_dc",
    "line_dc",
    "load_dc",
    "source_dc",
)
"""Tables that a study has no place for; a net that uses one is refused."""


def read_pandapower(
    net: Any,
    *,
    profiles: pd.DataFrame | Profiles | str | Path | None = None,
    units: pd.DataFrame | str | Path | None = None,
    hours: float | None = None,
    start: int = 0,
    period_h: float | None = None,
    tz: str | None = None,
    reserve_fraction: float = 0.0,
    unserved_cost_per_mwh: float | None = None,
    surplus_cost_per_mwh: float | None = None,
    name: str | None = None,
    longest_min_up_time_h: float | None = None,
) -> Study:
    """Read a pandapower net into a study.

    Parameters
    ----------
    net : pandapowerNet, str or Path
        A net, which is left as it is; the name of a function of `pandapower.networks`; or a
        ``.json`` or MATPOWER ``.m`` file.
    profiles : DataFrame, Profiles, str or Path, optional
        Load and available power by period, see `gridopt.io.profiles`. Without, the hourly shape
        of the IEEE RTS-79 on the peak day of its year, with the net's own load as the peak; the
        study says so in `Study.assumptions`.
    units : DataFrame, str or Path, optional
        Unit table, see `gridopt.io.unit_table`; or ``"typical"``: what the net does not say is
        taken from a table of typical units, and named in `Study.assumptions`.
    hours : float, optional
        Length of the study in hours; the whole profile, or 24 h without one.
    start : int
        First period of the profile, from 0. Without a profile, hours from the beginning of the
        peak day.
    period_h : float, optional
        Length of a period, for profiles with period numbers.
    tz : str, optional
        Zone of time stamps that name none.
    reserve_fraction : float
        Spinning reserve in each period as a fraction of the demand.
    unserved_cost_per_mwh, surplus_cost_per_mwh : float, optional
        Prices of demand not served and of energy nobody takes; None allows neither.
    name : str, optional
        Name of the study; that of the net, its file or its function without.
    longest_min_up_time_h : float, optional
        Longest minimum up time that the unit table may give; the study's length without.

    Returns
    -------
    Study
        With a copy of the net as `Study.net`. Which element becomes what is told in
        `gridopt.io.net_infeeds.read_infeeds`, how demand follows the profiles in
        `gridopt.io.net_demand.demand_mw`, and what branches carry in
        `gridopt.io.net_grid.read_grid`.

    Raises
    ------
    StudyError
        With every fault of the net, the profiles and the units at once.
    UnknownNameError
        If `net` is the name of no net.
    """
    issues: list[Issue] = []
    source = attempt(lambda: _open(net), issues)
    unit_table = given_units(units, issues)
    default_day = profiles is None
    found = attempt(lambda: _window(profiles, hours, start, period_h, tz), issues)
    issues += _option_issues(reserve_fraction)
    if source is None or list(_unreadable(source.net)):
        raise StudyError(issues + (list(_unreadable(source.net)) if source else []))
    reader = _Reader(
        source.net,
        found or one_period("system"),
        unit_table,
        typical=isinstance(units, str) and units == TYPICAL,
        longest_min_up_time_h=longest_min_up_time_h if found else np.inf,
        issues=issues,
        notes=list(source.notes),
    )
    if default_day:
        reader.notes.append(
            "no profiles given: the hourly load shape of the IEEE RTS-79 (1979), "
            f"{_span(found or one_period('system'))}, with the load of the net as the annual peak"
        )
    return reader.study(
        has_demand=found is not None,
        name=name or source.name,
        reserve_fraction=reserve_fraction,
        unserved_cost_per_mwh=unserved_cost_per_mwh,
        surplus_cost_per_mwh=surplus_cost_per_mwh,
    )


@dataclass
class _Reader:
    """Reads the parts of one net, collecting faults and assumptions on the way."""

    net: Any
    profiles: Profiles
    units: pd.DataFrame | None
    typical: bool
    longest_min_up_time_h: float | None
    issues: list[Issue]
    notes: list[str]

    def study(
        self,
        has_demand: bool,
        name: str,
        reserve_fraction: float,
        unserved_cost_per_mwh: float | None,
        surplus_cost_per_mwh: float | None,
    ) -> Study:
        """Return the study, or raise all faults: those found here and those of the study."""
        grid = read_grid(copy.deepcopy(self.net), self.issues)
        self.notes += grid.notes
        demand = self._demand(grid) if has_demand else np.zeros((grid.grid.n_buses, 1))
        parts = self._parts(grid, demand)
        return collected(
            lambda: Study(
                name=name,
                grid=grid.grid,
                time=self.profiles.time,
                period_h=self.profiles.period_h,
                demand_mw=demand,
                reserves=Reserves.spinning(reserve_fraction * np.maximum(demand.sum(axis=0), 0.0)),
                unserved_cost_per_mwh=unserved_cost_per_mwh,
                surplus_cost_per_mwh=surplus_cost_per_mwh,
                assumptions=tuple(self.notes),
                feeder=None if self.issues else read_feeder(self.net, grid),
                net=self.net,
                **parts,
            ),
            self.issues,
        )

    def _demand(self, grid: NetGrid) -> FloatArray:
        self.issues += column_issues(self.net, self.profiles)
        self.notes += _load_notes(self.net)
        return demand_mw(self.net, grid, self.profiles, self.issues, self.notes)

    def _parts(self, grid: NetGrid, demand: FloatArray) -> dict[str, Any]:
        """Return thermal units, renewables, storage and exchange."""
        issues, notes, periods = self.issues, self.notes, len(self.profiles)
        available = available_mw(self.net, self.profiles, issues)
        infeeds = read_infeeds(self.net, grid, frozenset(available), issues)
        issues += cost_issues(infeeds, self.units, notes)
        base = thermal_base(infeeds, self.units, issues, notes)
        horizon_h = self.longest_min_up_time_h or periods * self.profiles.period_h
        thermal, assumed, unit_issues = thermal_units(
            base, self.units, typical=self.typical, horizon_h=horizon_h
        )
        notes += assumed
        issues += unit_issues
        weather = renewables(infeeds, available, periods, notes)
        peak_mw = _peak(grid, demand)
        infeed_mw = float(thermal.p_max_mw.sum() + weather.p_max_mw.sum(axis=0).max(initial=0.0))
        return {
            "thermal": thermal,
            "renewables": weather,
            "storage": storage(self.net, infeeds, issues, notes),
            "exchange": exchange(infeeds, periods, peak_mw, infeed_mw, issues, notes),
        }


def _peak(grid: NetGrid, demand: FloatArray) -> float:
    """Return the highest demand, with what shunts take."""
    total = demand.sum(axis=0).max(initial=0.0) + max(0.0, grid.grid.offset_mw.sum())
    return float(max(0.0, total))


# --- what is asked for --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    net: Any
    name: str
    notes: tuple[str, ...] = ()


def _open(net: Any) -> _Source:
    if isinstance(net, pandapowerNet):
        return _Source(copy.deepcopy(net), str(net.get("name") or "net"))
    if not isinstance(net, str | Path):
        expected = "a pandapower net, the name of one, or a .json or .m file"
        raise StudyError([Issue("net", "type", type(net).__name__, expected)])
    path = Path(net)
    if isinstance(net, Path) or path.suffix or len(path.parts) > 1:
        loaded, notes = load_net(path)
        return _Source(loaded, path.stem, notes)
    return _Source(_stock_net(net), net)


def _stock_net(name: str) -> Any:
    known = stock_nets()
    if name not in known:
        raise UnknownNameError("pandapower net", name, list(known))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' future, inside pandapower
        try:
            net = known[name]()
        except Exception as error:  # such as a data file that is not installed
            found = f"{type(error).__name__}: {error}"
            raise StudyError([Issue(f"net {name}", "content", found, "a net")]) from error
    if not isinstance(net, pandapowerNet):
        raise StudyError([Issue(f"net {name}", "type", type(net).__name__, "one net")])
    return net


@cache
def stock_nets() -> dict[str, Callable[[], Any]]:
    """Return the functions of `pandapower.networks` that make a net without being told more."""
    return dict(_stock_functions())


def _stock_functions() -> Iterator[tuple[str, Callable[[], Any]]]:
    home = pandapower.networks.__name__
    for name, member in sorted(vars(pandapower.networks).items()):
        if name.startswith("_") or not inspect.isfunction(member):
            continue
        needed = [
            p
            for p in inspect.signature(member).parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if member.__module__.startswith(home + ".") and not needed:
            yield name, member


def _window(
    profiles: pd.DataFrame | Profiles | str | Path | None,
    hours: float | None,
    start: int,
    period_h: float | None,
    tz: str | None,
) -> Profiles:
    if profiles is None:
        profiles, hours = _peak_day_first(rts79_profiles()), DAY_H if hours is None else hours
    return settled(profiles, period_h, tz).window(start, hours)


def _peak_day_first(year: Profiles) -> Profiles:
    """Return the year from its peak day on, its beginning after its end."""
    day = round(DAY_H / year.period_h)
    first = int(np.argmax(year.values["system"].to_numpy())) // day * day
    order = np.roll(np.arange(len(year)), -first)
    return Profiles(year.time[order], year.period_h, year.values.iloc[order], year.source)


def _span(profiles: Profiles) -> str:
    first, last = profiles.time[0], profiles.time[-1]
    return f"period {first} to {last}"


def _option_issues(reserve_fraction: float) -> Iterator[Issue]:
    if not (np.isfinite(reserve_fraction) and reserve_fraction >= 0):
        yield Issue("study", "reserve_fraction", reserve_fraction, "a number of at least 0")


def _unreadable(net: Any) -> Iterator[Issue]:
    """Report what keeps the tables from being read at all."""
    yield from table_issues(net, TABLES)
    if isinstance(net.get("bus"), pd.DataFrame) and net.bus.empty:
        yield Issue("net", "bus", "no bus", "at least one bus")
    for element in NOT_MODELED:
        table = net.get(element)
        if not isinstance(table, pd.DataFrame) or table.empty:
            continue
        used = list(table.index[flags(table, "in_service", True)])
        if used:
            shown = ", ".join(map(str, used[:6])) + (", …" if len(used) > 6 else "")
            expected = "out of service or left out: this element type is not modeled"
            yield Issue(f"net table {element}", "in_service", f"true for {shown}", expected)


def _load_notes(net: Any) -> Iterator[str]:
    """Note loads that are more than the constant demand that they are taken for."""
    table = net["load"].loc[net_loads(net).index]
    dependent = sum(
        np.abs(numbers(table, column, 0.0)) for column in table.columns if "const_" in column
    )
    if np.any(dependent):
        yield f"{int(np.count_nonzero(dependent))} loads depend on voltage: taken at 1 pu"
    if flags(table, "controllable", False).any():
        count = int(flags(table, "controllable", False).sum())
        yield f"{count} loads are controllable in the net: served as they are"
