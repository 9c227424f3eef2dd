"""Reads a SimBench grid with its year of profiles, in quarter hours.

S. Meinecke et al. 2020, "SimBench – A benchmark dataset of electric power systems to compare
innovative solutions based on power flow analysis", Energies 13(12), 3290, doi 10.3390/en13123290.
The package ``simbench`` brings grids and profiles, under the ODbL; gridopt holds none of them. What
it makes of a code takes seconds and is kept in the user's cache.
"""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandapower as pp
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from gridopt.arrays import FloatArray
from gridopt.errors import Issue, NotInstalledError, StudyError, UnknownNameError
from gridopt.io.net_file import load_net
from gridopt.io.net_tables import active, flags, labels, numbers
from gridopt.io.pandapower_net import read_pandapower
from gridopt.io.plan_files import replacing
from gridopt.io.profiles import Profiles
from gridopt.study import Study

DAY_H = 24.0

STEP_H = 0.25
"""Length of a period in SimBench's profiles."""

YEAR, ZONE = "2016-01-01", "Europe/Berlin"
"""Where SimBench's profiles begin: their stamps are local time, with its changes of the clock."""

PRICE_PER_MWH = 100.0
"""Of energy from the external grid; SimBench has no prices."""

CODE = re.compile(r"\d-[\w.-]+")
"""What a code may look like, so that it is the name of a folder and no path."""

KINDS = {"load": ("load",), "infeed": ("powerplants", "renewables"), "storage": ("storage",)}
"""Kinds of profiles, and SimBench's tables of them; a name can stand for one of each kind."""

LOAD_Q_MVAR = "load_q_mvar"
"""Table that a study's net gets: reactive power of each load, (T, loads), in Mvar."""


def read_simbench(
    code: str,
    *,
    start: int | str = 0,
    hours: float | None = DAY_H,
    period_h: float = STEP_H,
    price_per_mwh: npt.ArrayLike = PRICE_PER_MWH,
    storage: bool = False,
    reserve_fraction: float = 0.0,
    unserved_cost_per_mwh: float | None = None,
    surplus_cost_per_mwh: float | None = None,
) -> Study:
    """Read a span of the year of a SimBench grid.

    Parameters
    ----------
    code : str
        Such as ``"1-MV-urban--0-sw"``: version, voltage level, type, scenario (0 today, 1 and 2
        in the future) and whether switches are told one by one.
    start : int or str
        First period, from 0; or local time, as ``"2016-07-06"`` or ``"2016-07-06 12:00"``.
    hours : float, optional
        Length of the study; None for all that follows.
    period_h : float
        Length of a period, a multiple of 0.25 h; powers are averages over it.
    price_per_mwh : float or array, (T,)
        Of energy from the external grids and fed into them.
    storage : bool
        Let storage follow its profile, as a fixed infeed; without, it is left out. All that the
        profiles of storage hold is infeed, highest when the sun is: no charging is in them.
    reserve_fraction, unserved_cost_per_mwh, surplus_cost_per_mwh : optional
        As for `gridopt.read_pandapower`.

    Returns
    -------
    Study
        Of the grid alone, read as `gridopt.read_pandapower` does: gens and sgens are renewables
        with their profiles; only gens are curtailed. Transformers that are alike and side by side
        are one with ``parallel`` where that makes the grid radial. `Study.net` has the table
        `LOAD_Q_MVAR`, a row a period and a column a load.

    Raises
    ------
    NotInstalledError
        Without the package ``simbench``.
    UnknownNameError
        If SimBench has no such code.
    StudyError
        If the span is not in the year, or the grid has what a study has no place for.

    Notes
    -----
    A study holds active demand, and what is written back from it keeps the ratio q/p of each
    load. So the net gets, for each load, the ratio that is nearest to its reactive profile over
    the span, Σpq/Σp²; `Study.assumptions` tells what is left of the difference.
    """
    year = _year(code)
    span = _span(year.shares, start, hours, period_h, f"profiles of {code}")
    prices = _prices(price_per_mwh, len(span))
    net = year.net
    notes = [*_price_notes(price_per_mwh), *_reactive(net, span.values), *_tap_notes(net)]
    values = [_p_mw(net, element, span.values) for element in ("load", "gen", "sgen")]
    values += _storage(net, span.values, notes, storage)
    for index in net.ext_grid.index:  # a net in which nothing has a cost is refused
        pp.create_poly_cost(net, index, "ext_grid", cp1_eur_per_mw=float(prices.mean()))
    read = partial(
        read_pandapower,
        profiles=replace(span, values=pd.concat(values, axis="columns")),
        name=code,
        reserve_fraction=reserve_fraction,
        unserved_cost_per_mwh=unserved_cost_per_mwh,
        surplus_cost_per_mwh=surplus_cost_per_mwh,
    )
    study = read(net)
    if study.feeder is None:
        study = _radial(net, read, notes) or study
    of_all = np.tile(prices, (len(study.exchange), 1))
    return replace(
        study,
        exchange=replace(study.exchange, price_per_mwh=of_all),
        assumptions=(*study.assumptions, *notes),
    )


# --- span of the year ---------------------------------------------------------------------------


def _span(
    shares: pd.DataFrame, start: int | str, hours: float | None, period_h: float, where: str
) -> Profiles:
    """Return the profiles of the span, as shares of what each element has in the net."""
    steps = round(period_h / STEP_H) if np.isfinite(period_h) else 0
    if steps < 1 or abs(steps * STEP_H - period_h) > 1e-9:
        expected = f"a multiple of {STEP_H:g} h, the step of the profiles"
        raise StudyError([Issue(where, "period_h", period_h, expected)])
    count = len(shares) // steps
    mean = shares.to_numpy()[: count * steps].reshape(count, steps, -1).mean(axis=1)
    time = pd.date_range(YEAR, periods=count, freq=pd.Timedelta(hours=period_h), tz=ZONE)
    values = pd.DataFrame(mean, index=time, columns=shares.columns)
    first = start if isinstance(start, int) else _position(time, start, where)
    return Profiles(time, period_h, values, where).window(first, hours)


def _position(time: pd.DatetimeIndex, start: str, where: str) -> int:
    try:
        local = pd.DatetimeIndex([start]).tz_localize(ZONE, ambiguous=True, nonexistent="NaT")  # type: ignore[arg-type]
        found = int(time.get_indexer(local)[0])
    except (ValueError, TypeError):  # no time, or one with a zone of its own
        found = -1
    if found < 0:
        expected = f"the beginning of a period of {YEAR[:4]}, such as 2016-07-06 12:00"
        raise StudyError([Issue(where, "start", start, expected)])
    return found


# --- transformers side by side -------------------------------------------------------------------


def _radial(net: Any, read: Callable[[Any], Study], notes: list[str]) -> Study | None:
    """Return the study with transformers side by side as one, if its grid is radial then."""
    joined = copy.deepcopy(net)
    count = 0
    for first, *others in _side_by_side(joined):
        joined.trafo.loc[first, "parallel"] = joined.trafo.loc[[first, *others], "parallel"].sum()
        joined.trafo.loc[others, "in_service"] = False
        count += 1 + len(others)
    study = read(joined) if count else None
    if study is None or study.feeder is None:
        return None
    notes.append(f"{count} transformers that are alike, side by side, are one with parallel = n")
    return study


def _side_by_side(net: Any) -> list[list[int]]:
    """Return groups of transformers in service that are alike and between the same buses."""
    closed = net.switch[net.switch["closed"] & (net.switch["et"] == "b")]
    open_at = set(net.switch.loc[~net.switch["closed"] & (net.switch["et"] == "t"), "element"])
    place = {int(bus): number for number, bus in enumerate(net.bus.index)}
    ends = [closed[side].map(place).to_numpy() for side in ("bus", "element")]
    links = sparse.coo_array((np.ones(len(closed)), ends), shape=(len(place), len(place)))
    _, node = connected_components(links, directed=False)
    table = net.trafo[flags(net.trafo, "in_service", True)]
    alike = table.drop(columns=["name", "hv_bus", "lv_bus"]).astype(str).agg("|".join, axis=1)
    groups: dict[tuple[int, int, str], list[int]] = {}
    for index, high, low in zip(table.index, table["hv_bus"], table["lv_bus"], strict=True):
        if index not in open_at:
            key = int(node[place[int(high)]]), int(node[place[int(low)]]), str(alike[index])
            groups.setdefault(key, []).append(int(index))
    return [group for group in groups.values() if len(group) > 1]


# --- values of elements -------------------------------------------------------------------------


def _p_mw(net: Any, element: str, shares: pd.DataFrame) -> pd.DataFrame:
    """Return the power of each element in service, (T, n); without a profile it is constant."""
    kind = element if element in KINDS else "infeed"
    return _absolute(net, element, "p_mw", shares, kind, "_pload" if kind == "load" else "")


def _absolute(
    net: Any, element: str, column: str, shares: pd.DataFrame, kind: str, suffix: str
) -> pd.DataFrame:
    table = active(net, element)
    nominal = numbers(table, column, 0.0) * numbers(table, "scaling", 1.0)
    one = np.ones(len(shares))
    values = {
        f"{element} {index}": value * (shares[f"{kind} {name}{suffix}"] if name else one)
        for index, value, name in zip(table.index, nominal, labels(table, "profile"), strict=True)
    }
    return pd.DataFrame(values, index=shares.index, dtype=np.float64)


def _reactive(net: Any, shares: pd.DataFrame) -> Iterator[str]:
    """Set the reactive power of each load to the ratio nearest to its profile."""
    p = _p_mw(net, "load", shares).to_numpy()
    q = _absolute(net, "load", "q_mvar", shares, "load", "_qload").to_numpy()
    loads = active(net, "load").index
    net[LOAD_Q_MVAR] = pd.DataFrame(q, columns=loads)
    square = (p**2).sum(axis=0)
    ratio = np.divide((p * q).sum(axis=0), square, out=np.zeros(len(loads)), where=square > 0)
    net.load.loc[loads, "q_mvar"] = ratio * net.load.loc[loads, "p_mw"]
    if len(loads):
        off = np.abs((ratio * p).sum(axis=1) - q.sum(axis=1)).max()
        yield (
            "reactive power of loads follows their active power, at the ratio nearest to the "
            f"profile; off by at most {off:.3g} of {np.abs(q.sum(axis=1)).max():.3g} Mvar"
        )


def _storage(
    net: Any, shares: pd.DataFrame, notes: list[str], follow: bool
) -> Iterator[pd.DataFrame]:
    """Turn storage into infeeds that follow their profiles, or leave it out."""
    units = active(net, "storage")
    if units.empty:
        return
    infeed = -_p_mw(net, "storage", shares)  # pandapower counts charging as positive
    net.storage["in_service"] = False
    if not follow:
        notes.append(f"{len(units)} storage units are left out")
        return
    names = [f"storage {index}" for index in units.index]
    created = pp.create_sgens(net, units["bus"], p_mw=0.0, name=names, type="storage")
    notes.append(f"{len(units)} storage units follow their profiles, as fixed infeeds")
    yield infeed.set_axis([f"sgen {index}" for index in created], axis="columns")


def _prices(price_per_mwh: npt.ArrayLike, periods: int) -> FloatArray:
    """Return the price of each period, (T,)."""
    prices: FloatArray = np.asarray(price_per_mwh, dtype=np.float64)
    if prices.shape not in ((), (periods,)) or not np.isfinite(prices).all():
        found = f"shape {prices.shape}" if np.isfinite(prices).all() else "not finite"
        expected = f"one price, or one for each of {periods} periods"
        raise StudyError([Issue("study", "price_per_mwh", found, expected)])
    return np.broadcast_to(prices, (periods,))


def _price_notes(price_per_mwh: npt.ArrayLike) -> Iterator[str]:
    if np.ndim(price_per_mwh) == 0 and price_per_mwh == PRICE_PER_MWH:
        yield f"SimBench has no prices: the external grid's is {PRICE_PER_MWH:g} per MWh"


def _tap_notes(net: Any) -> Iterator[str]:
    if (numbers(net.trafo, "autoTap", 0.0) == 1.0).any():
        yield "tap changers stay where the net has them"


# --- grids by their codes -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Year:
    """A grid and its year.

    Parameters
    ----------
    net : pandapowerNet
        Its elements name their profiles in a column ``profile``.
    shares : DataFrame, (35136, profiles)
        Shares of what elements have in the net; columns are kind and name of the profile.
    """

    net: Any
    shares: pd.DataFrame


def cache_folder() -> Path:
    """Return the folder that SimBench grids are kept in, which can be deleted at any time."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = given if given.is_absolute() else Path.home() / ".cache"
    return base / "gridopt" / "simbench"


def _year(code: str) -> _Year:
    try:
        installed = version("simbench")
    except PackageNotFoundError as fault:
        raise NotInstalledError(f"case 'simbench:{code}'", "simbench") from fault
    if not CODE.fullmatch(code):
        return _extracted(code)
    folder = cache_folder() / installed / code
    kept = _kept(folder)
    if kept is not None:
        return kept
    year = _extracted(code)
    with suppress(OSError):  # a cache that cannot be written saves no time, and does no harm
        _keep(year, folder)
    return year


def _extracted(code: str) -> _Year:
    """Return what the package has under the code, in seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' future, inside simbench
        import simbench

        codes = simbench.collect_all_simbench_codes()
        if code not in codes:
            raise UnknownNameError("SimBench code", code, codes)
        net = simbench.get_simbench_net(code)
    net.pop("loadcases", None)
    profiles = net.pop("profiles")
    shares = {
        f"{kind} {name}": profiles[table][name].astype(np.float64)
        for kind, tables in KINDS.items()
        for table in tables
        for name in profiles[table].columns.drop("time")
    }
    return _Year(net, pd.DataFrame(shares))


def _kept(folder: Path) -> _Year | None:
    try:
        shares = pd.read_parquet(folder / "profiles.parquet")
        net, _ = load_net(folder / "net.json")
    except (OSError, ValueError, StudyError):  # not there, or damaged: made anew
        return None
    return _Year(net, shares)


def _keep(year: _Year, folder: Path) -> None:
    with replacing(folder / "profiles.parquet") as scratch:
        year.shares.to_parquet(scratch)
    with replacing(folder / "net.json") as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # pandas' future, inside pandapower
        pp.to_json(year.net, str(scratch))
