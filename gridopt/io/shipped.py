"""Systems and tables that come with the package; ``gridopt/data/README.md`` has their sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.elements import Exchange, Renewables, Storage
from gridopt.errors import Issue, OptionError, StudyError, attempt, collected
from gridopt.grid import Grid
from gridopt.io.profiles import Profiles, one_period, read_profiles, settled
from gridopt.io.unit_table import TYPICAL, csv_cells, given_units, read_units
from gridopt.io.units import thermal_units
from gridopt.requirements import Reserves
from gridopt.study import Study

KAZARLIS_RESERVE = 0.1
"""Spinning reserve of the Kazarlis system as a share of demand."""

_DAYS = 7
_WEEKDAYS = 5
_WINTER = (*range(1, 9), *range(44, 53))
_SUMMER = range(18, 31)


def kazarlis(
    copies: int = 1,
    *,
    profiles: Profiles | pd.DataFrame | str | Path | None = None,
    units: pd.DataFrame | str | Path | None = None,
    hours: float | None = None,
    start: int = 0,
    period_h: float | None = None,
    tz: str | None = None,
    reserve_fraction: float | None = None,
    unserved_cost_per_mwh: float | None = None,
    surplus_cost_per_mwh: float | None = None,
) -> Study:
    """Return the ten-unit day of Kazarlis, or several copies of it with as much more demand.

    Parameters
    ----------
    copies : int
        How often each unit is there, at least 1; 2, 4, 6, 8 and 10 are common in the literature.
    profiles : optional
        Demand in place of the published one, of all copies together: a column ``system_mw``, or
        ``system`` as factor of the published peak.
    units : optional
        Unit table that overrides the published one cell by cell; or ``"typical"``, as for
        `gridopt.read_pandapower`.
    hours, start, period_h, tz, unserved_cost_per_mwh, surplus_cost_per_mwh : optional
        As for `gridopt.read_pandapower`.
    reserve_fraction : float, optional
        Spinning reserve as a share of demand, 10 % as published.

    Returns
    -------
    Study
        One bus, 24 hours, no unserved energy. Named ``kazarlis10``, ``kazarlis10x2`` and so on.

    Raises
    ------
    OptionError
        `copies` is below 1.
    StudyError
        With every fault of profiles and units.

    Notes
    -----
    S. A. Kazarlis, A. G. Bakirtzis, V. Petridis: A genetic algorithm solution to the unit
    commitment problem. IEEE Trans. Power Systems 11 (1996) 83-92, doi 10.1109/59.485989. The
    optimum with one copy is 563 937.7 $.
    """
    if copies < 1:
        raise OptionError("kazarlis", "copies", copies, "a whole number of at least 1")
    issues: list[Issue] = []
    load = attempt(lambda: _kazarlis_load(copies, profiles, period_h, tz), issues)
    given = given_units(units, issues)
    typical = isinstance(units, str) and units == TYPICAL
    window = None if load is None else attempt(lambda: load.window(start, hours), issues)
    horizon_h = None if window is None else len(window) * window.period_h
    base = _repeated(_kazarlis_units(), copies)
    thermal, assumptions, found = thermal_units(base, given, typical=typical, horizon_h=horizon_h)
    issues += found
    window = window or one_period("system_mw")
    demand_mw = window.values["system_mw"].to_numpy()
    periods = len(window)
    reserve = KAZARLIS_RESERVE if reserve_fraction is None else reserve_fraction
    return collected(
        lambda: Study(
            name="kazarlis10" if copies == 1 else f"kazarlis10x{copies}",
            grid=Grid.single_bus(),
            time=window.time,
            period_h=window.period_h,
            demand_mw=demand_mw[np.newaxis, :],
            thermal=thermal,
            renewables=Renewables.none(periods),
            storage=Storage.none(),
            exchange=Exchange.none(periods),
            reserves=Reserves.spinning(reserve * demand_mw),
            unserved_cost_per_mwh=unserved_cost_per_mwh,
            surplus_cost_per_mwh=surplus_cost_per_mwh,
            assumptions=assumptions,
        ),
        issues,
    )


def _kazarlis_load(
    copies: int,
    given: Profiles | pd.DataFrame | str | Path | None,
    period_h: float | None,
    tz: str | None,
) -> Profiles:
    """Return profiles with the one column ``system_mw``."""
    with _file("kazarlis10_load.csv") as path:
        published = read_profiles(path)
    published = replace(published, values=published.values * copies)
    if given is None:
        return settled(published, period_h, tz)
    given = settled(given, period_h, tz)
    columns = list(given.values.columns)
    if columns == ["system"]:
        peak_mw = float(published.values["system_mw"].max())
        return replace(given, values=given.values.mul(peak_mw).set_axis(["system_mw"], axis=1))
    if columns != ["system_mw"]:
        expected = "one column, system_mw or system: the case has no buses"
        raise StudyError([Issue(given.source, "columns", ", ".join(columns), expected)])
    return given


def _kazarlis_units() -> pd.DataFrame:
    with _file("kazarlis10_units.csv") as path:
        return read_units(path)


def rts79_units() -> pd.DataFrame:
    """Return the 32 units of the IEEE Reliability Test System, keyed as in pandapower's net.

    Returns
    -------
    DataFrame
        As `read_units` returns it; (element, index) are those of
        ``pandapower.networks.case24_ieee_rts()``, whose generator 3 is a synchronous condenser
        and no unit.

    Notes
    -----
    IEEE Reliability Test System, IEEE Trans. Power Apparatus and Systems 98 (1979) 2047-2054,
    doi 10.1109/TPAS.1979.319398; The IEEE Reliability Test System - 1996, IEEE Trans. Power
    Systems 14 (1999) 1010-1020, doi 10.1109/59.780914.
    """
    with _file("rts79_units.csv") as path:
        return read_units(path)


def rts79_profiles() -> Profiles:
    """Return the load of the IEEE Reliability Test System: 52 weeks of hours.

    Returns
    -------
    Profiles, (8736,)
        Column ``system``: share of the annual peak, which is the load of
        ``pandapower.networks.case24_ieee_rts()``. Period 0 is the first hour of the Monday of
        week 1, the peak is in week 51.

    Notes
    -----
    Load of an hour = peak · weekly · daily · hourly percentage (same source as `rts79_units`);
    hourly percentages by season: winter weeks 1-8 and 44-52, summer 18-30, spring and fall
    9-17 and 31-43.
    """
    factor = _rts79_factor()
    time = pd.RangeIndex(len(factor), name="period")
    values = pd.DataFrame({"system": factor}, index=time)
    return Profiles(time, 1.0, values, "profiles rts79")


def _rts79_factor() -> FloatArray:
    with _file("rts79_load.csv") as path:
        header, lines = csv_cells(path)
    table = pd.DataFrame(lines, columns=pd.Index(header)).astype({"percent": float})
    percent = {key: part.to_numpy() for key, part in table.groupby(["table", "day"])["percent"]}
    weekly, daily = percent["weekly", ""], percent["daily", ""]
    hours = np.array(
        [
            [
                percent["hourly", f"{_season(week)} {'weekday' if day < _WEEKDAYS else 'weekend'}"]
                for day in range(_DAYS)
            ]
            for week in range(1, len(weekly) + 1)
        ]
    )
    factor = weekly[:, np.newaxis, np.newaxis] * daily[:, np.newaxis] * hours / 100**3
    return np.asarray(factor.reshape(-1))


def _season(week: int) -> str:
    if week in _WINTER:
        return "winter"
    return "summer" if week in _SUMMER else "spring/fall"


def _repeated(units: pd.DataFrame, copies: int) -> pd.DataFrame:
    """Return the units `copies` times, with keys and names of their own."""
    if copies == 1:
        return units
    parts = []
    for copy in range(copies):
        names = units["name"] + f"_{copy + 1}"
        parts.append(units.assign(name=names, index=units["index"] + copy * len(units)))
    return pd.concat(parts, ignore_index=True)


@contextmanager
def _file(name: str) -> Iterator[Path]:
    with resources.as_file(resources.files("gridopt.data") / name) as path:
        yield path
