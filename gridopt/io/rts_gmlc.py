"""Reads the source folder of the RTS-GMLC system, or of a system in the same form.

C. Barrows et al. 2020, "The IEEE Reliability Test System: A proposed 2019 update", IEEE Trans.
Power Systems 35(1), 119-127, doi 10.1109/TPWRS.2019.2925557; the folder ``RTS_Data`` of
GridMod/RTS-GMLC, whose READMEs tell the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.elements import Exchange
from gridopt.errors import Issue, StudyError, collected
from gridopt.grid import Grid
from gridopt.io.csv_rows import label, members, read_rows
from gridopt.io.json_fields import JsonFields
from gridopt.io.rts_series import Series
from gridopt.io.rts_units import GEN_COLUMNS, read_units
from gridopt.requirements import REGULATION_DOWN, REGULATION_UP, SPINNING, Reserves
from gridopt.study import Study

NAME = "rts_gmlc"

BASE_MVA = 100.0

DAY_H = 24.0

SECONDS_PER_HOUR = 3600.0

RATINGS = ("Cont", "LTE")
"""Ratings of a branch in normal operation and after an outage."""

BUS_COLUMNS = ("MW Load", "Area")
BRANCH_COLUMNS = ("From Bus", "To Bus", "X", "Cont Rating", "LTE Rating", "Tr Ratio")
POINTER_COLUMNS = ("Simulation", "Category", "Object", "Parameter", "Data File")
RESERVE_COLUMNS = ("Timeframe (sec)", "Eligible Regions", "Eligible Device SubCategories")


@dataclass(frozen=True)
class Buses:
    """Positions of the buses by their ID, and what ``bus.csv`` says of them, (B,)."""

    at: Mapping[str, int]
    area: tuple[str, ...]
    load_mw: FloatArray
    shunt_mw: FloatArray
    reference: int

    def of(self, row: JsonFields, column: str) -> int:
        """Return the position of the bus in a cell; 0, with a note, if there is none."""
        name = label(row.content.get(column))
        if self.at and name not in self.at:  # without any, bus.csv is at fault
            row.note(column, row.content.get(column, "missing"), "a Bus ID of bus.csv")
        return self.at.get(name, 0)


def source_folder(folder: str | Path) -> Path | None:
    """Return the folder with the tables in or below `folder`; None where there are none."""
    for inner in ("", "SourceData", "RTS_Data/SourceData"):
        path = Path(folder) / inner
        if any((path / name).is_file() for name in ("gen.csv", "bus.csv", "branch.csv")):
            return path
    return None


def read_rts_gmlc(
    folder: str | Path,
    *,
    start: int | str = 0,
    hours: float = DAY_H,
    tz: str | None = None,
    unserved_cost_per_mwh: float | None = None,
    surplus_cost_per_mwh: float | None = None,
    reserve_shortage_cost_per_mwh: float | None = None,
) -> Study:
    """Read a part of the RTS-GMLC year with its network: day-ahead loads, infeeds and reserves.

    Parameters
    ----------
    folder : str or Path
        The repository, its folder ``RTS_Data``, or ``SourceData`` in it.
    start : int or str
        First period, from 0; or its date, as ``"2020-07-06"``.
    hours : float
        Length of the study.
    tz : str, optional
        Zone of the time stamps; without, periods are numbered from the beginning of the data,
        which name no zone.
    unserved_cost_per_mwh, surplus_cost_per_mwh : float, optional
        Prices of demand not served and of energy nobody takes; None allows neither.
    reserve_shortage_cost_per_mwh : float, optional
        Price of reserve that is missing; None allows no shortage.

    Returns
    -------
    Study
        Elements are ``("gen", i)`` and ``("branch", i)`` in the order of their tables; buses are
        named by their ID.

    Raises
    ------
    StudyError
        With every fault of the folder, each with file, row and column.

    Notes
    -----
    - Load of a bus is the load of its area, shared out as ``MW Load`` is.
    - Cost of a unit: fuel price times the heat of ``HR_avg_0`` at the first output point and of
      ``HR_incr_k`` up to point k, and ``VOM``. Start-up: fuel price times heat, and the non-fuel
      cost, from the hot, warm and cold time on, none of which is below the minimum down time; of
      two at the same time the colder holds, and the warmest holds from the minimum down time.
    - Ramps are 60 times the rate a minute; units start and stop at their lowest output, which the
      folder does not say and pglib-uc takes from it too. pglib-uc's instances of this system
      differ in a third of the ramps, whole hours, cost rounded to cents, a system-wide
      reserve of 3 % of the load, and must-run of the nuclear unit.
    - The normal rating of a branch is ``Cont Rating``, after an outage ``LTE Rating``; 0 is none.
    - Infeeds (wind, sun, hydro) range from their series ``PMin MW``, or 0, to ``PMax MW``; hydro
      and roof-top sun have both, so that nothing of them is curtailed.
    - A series holds MW: its ``Scaling Factor`` is what divides it to a share, not used here.
    - A unit offers as much of a reserve as it ramps within the product's time frame. Products
      that go down are ``regulation_down``, regulation up ``regulation_up``, others ``spinning``.
    - ``initial_status.csv`` beside ``gen.csv``, if there, has a column a unit and rows with the
      signed hours in its state and, if on, the power (Prescient's form). Without, units with a
      ``MW Inj`` are on, free to stop, at an unknown power.
    """
    issues: list[Issue] = []
    source = source_folder(folder)
    if source is None:
        expected = "SourceData with gen.csv, bus.csv and branch.csv"
        raise StudyError([Issue(f"folder {folder}", "files", "missing", expected)])
    notes: list[str] = []
    period_h = _period_h(source, issues)
    periods = _periods(hours, period_h, issues)
    series = Series(source, start, periods, issues)
    pointers = _pointers(source, issues)
    series.point(pointers)
    buses = _buses(source, issues)
    grid = _grid(source, buses, notes, issues)
    demand = _demand(series, buses, issues)
    table = read_rows(source / "gen.csv", "GEN UID", GEN_COLUMNS, issues)
    units = read_units(source, table, buses.of, series, period_h, notes, issues)
    reserves = _reserves(source, series, buses, units.rows, reserve_shortage_cost_per_mwh, issues)
    if len(reserves):
        notes.append("reserve is held by thermal units only, whatever else may offer it")
    return collected(
        lambda: Study(
            name=NAME,
            grid=grid,
            time=_time(series, period_h, tz),
            period_h=period_h,
            demand_mw=np.nan_to_num(demand),
            thermal=units.thermal,
            renewables=units.renewables,
            storage=units.storage,
            exchange=Exchange.none(periods),
            reserves=reserves,
            # with faults, the study is made to find more of them; what is missing from it must
            # not count as a lack of capacity
            unserved_cost_per_mwh=0.0 if issues else unserved_cost_per_mwh,
            surplus_cost_per_mwh=surplus_cost_per_mwh,
            assumptions=tuple(notes),
        ),
        issues,
    )


def _period_h(source: Path, issues: list[Issue]) -> float:
    """Return the length of a day-ahead period: an hour, unless the folder says otherwise."""
    path = source / "simulation_objects.csv"
    if not path.is_file():
        return 1.0
    rows = read_rows(path, "Simulation_Parameters", ("DAY_AHEAD",), issues)
    row = rows.get("Period_Resolution")
    seconds = row.number("DAY_AHEAD", at_least=1.0) if row else SECONDS_PER_HOUR
    return 1.0 if np.isnan(seconds) else seconds / SECONDS_PER_HOUR


def _periods(hours: float, period_h: float, issues: list[Issue]) -> int:
    periods = hours / period_h
    if not (np.isfinite(periods) and periods >= 1 and periods == int(periods)):
        issues.append(Issue("study", "hours", hours, f"whole periods of {period_h:g} h"))
        return 1
    return int(periods)


def _pointers(source: Path, issues: list[Issue]) -> list[JsonFields]:
    """Return the rows of ``timeseries_pointers.csv``, which have no name of their own."""
    path = source / "timeseries_pointers.csv"
    return list(read_rows(path, None, POINTER_COLUMNS, issues).values())


def _buses(source: Path, issues: list[Issue]) -> Buses:
    rows = read_rows(source / "bus.csv", "Bus ID", BUS_COLUMNS, issues)
    kinds = [row.content.get("Bus Type") for row in rows.values()]
    return Buses(
        at={name: b for b, name in enumerate(rows)},
        area=tuple(label(row.content["Area"]) for row in rows.values()),
        load_mw=np.array([row.number("MW Load") for row in rows.values()]),
        shunt_mw=np.array([row.number("MW Shunt G", default=0.0) for row in rows.values()]),
        reference=kinds.index("Ref") if "Ref" in kinds else 0,
    )


def _grid(source: Path, buses: Buses, notes: list[str], issues: list[Issue]) -> Grid:
    path = source / "branch.csv"
    rows = read_rows(path, "UID", BRANCH_COLUMNS, issues)
    ends, reactance, ratings = [], [], []
    for row in rows.values():
        ends.append((buses.of(row, "From Bus"), buses.of(row, "To Bus")))
        tap = row.number("Tr Ratio", default=0.0, at_least=0.0)
        x = row.number("X")
        if x == 0.0:
            row.note("X", 0.0, "a number other than 0")
        reactance.append((x or np.nan) * (tap or 1.0))
        limits = [row.number(f"{name} Rating", default=0.0, at_least=0.0) for name in RATINGS]
        ratings.append([limit or np.inf for limit in limits])
    lines = read_rows(source / "dc_branch.csv", "UID", (), issues) if _has_dc(source) else {}
    if lines:
        notes.append(f"lines of direct current are left out: {', '.join(lines)}")
    from_to = np.array(ends, dtype=np.int64).reshape(-1, 2)
    rated = np.array(ratings).reshape(-1, len(RATINGS))
    return Grid(
        bus_name=tuple(buses.at) or ("none",),
        from_bus=from_to[:, 0],
        to_bus=from_to[:, 1],
        branch_element=tuple(("branch", i) for i in range(len(rows))),
        branch_name=tuple(rows),
        susceptance_mw=np.nan_to_num(BASE_MVA / np.array(reactance), nan=1.0),
        shift_rad=np.zeros(len(rows)),
        rating_mw=rated[:, 0],
        shunt_mw=np.nan_to_num(buses.shunt_mw) if buses.at else np.zeros(1),
        reference_bus=buses.reference,
        emergency_rating_mw=rated[:, 1],
    )


def _has_dc(source: Path) -> bool:
    return (source / "dc_branch.csv").is_file()


def _demand(series: Series, buses: Buses, issues: list[Issue]) -> FloatArray:
    """Return the load of each area shared out over its buses, (B, T)."""
    demand = np.zeros((len(buses.at) or 1, series.periods))
    area = np.array(buses.area)
    for name in dict.fromkeys(buses.area):
        within = area == name
        total = buses.load_mw[within].sum()
        if not series.has("Area", name, "MW Load"):
            where, what = "timeseries_pointers.csv", f"MW Load of area {name}"
            issues.append(Issue(where, what, "missing", "a row of DAY_AHEAD"))
            continue
        load = series.values("Area", name, "MW Load")
        if total > 0:
            demand[within] = buses.load_mw[within, np.newaxis] / total * load
        elif total == 0 and np.nan_to_num(load).any():
            expected = "more than 0 of some bus, which takes up the load of the area"
            issues.append(Issue("bus.csv", f"MW Load of area {name}", total, expected))
    return demand


def _time(series: Series, period_h: float, tz: str | None) -> pd.Index:
    """Return time stamps in the zone, or period numbers."""
    if tz is None or not series.stamps:
        return pd.RangeIndex(series.first, series.first + series.periods, name="period")
    year, month, day, period = series.stamps[0]
    begin = pd.Timestamp(year, month, day) + (period - 1) * pd.Timedelta(hours=period_h)
    try:
        first = begin.tz_localize(tz)
    except (KeyError, ValueError) as error:  # no such zone, or no such hour in it
        raise StudyError([Issue("study", "tz", tz, f"a zone in which there is {begin}")]) from error
    return pd.date_range(first, periods=series.periods, freq=pd.Timedelta(hours=period_h))


def _reserves(
    source: Path,
    series: Series,
    buses: Buses,
    units: list[JsonFields],
    shortage_cost_per_mwh: float | None,
    issues: list[Issue],
) -> Reserves:
    """Return one product and one requirement a row of ``reserves.csv``."""
    path = source / "reserves.csv"
    rows = read_rows(path, "Reserve Product", RESERVE_COLUMNS, issues) if path.is_file() else {}
    areas = buses.area or ("none",)
    names, kinds, offers, zones, required = [], [], [], [], []
    for name, row in rows.items():
        if series.has("Reserve", name, "Requirement"):
            amount = series.values("Reserve", name, "Requirement")
        else:
            amount = np.full(series.periods, row.number("Requirement (MW)", at_least=0.0))
        minutes = row.number("Timeframe (sec)", at_least=0.0) / 60.0
        zone = np.isin(areas, members(row.content["Eligible Regions"]))
        categories = members(row.content["Eligible Device SubCategories"])
        offers.append(
            [
                minutes * unit.content["Ramp Rate MW/Min"]
                if unit.content.get("Category") in categories and zone[buses.of(unit, "Bus ID")]
                else 0.0
                for unit in units
            ]
        )
        names.append(name)
        kinds.append(_kind(name, row))
        zones.append(zone)
        required.append(np.nan_to_num(amount))
    count = len(names)
    price = np.inf if shortage_cost_per_mwh is None else shortage_cost_per_mwh
    offered = np.array(offers, dtype=np.float64).reshape(count, len(units))
    return Reserves(
        product=tuple(names),
        kind=tuple(kinds),
        offer_max_mw=np.nan_to_num(offered),
        offer_cost_per_mwh=np.zeros_like(offered),
        requirement=tuple(names),
        of_product=np.arange(count),
        zone=np.array(zones, dtype=np.bool_).reshape(count, len(areas)),
        required_mw=np.array(required).reshape(count, series.periods),
        shortage_cost_per_mwh=np.full(count, price),
    )


def _kind(name: str, row: JsonFields) -> str:
    direction = str(row.content.get("Direction") or name.rsplit("_", 1)[-1]).lower()
    if direction == "down":
        return REGULATION_DOWN
    return REGULATION_UP if name.lower().startswith("reg") else SPINNING
