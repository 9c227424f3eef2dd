"""Any case by name or path: shipped systems, pandapower's own nets, files."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gridopt.errors import Issue, StudyError, UnknownNameError, collected
from gridopt.io.json_fields import text_of
from gridopt.io.pglib_uc import KEYS, read_pglib_uc
from gridopt.io.profiles import Profiles
from gridopt.io.shipped import kazarlis, rts79_profiles, rts79_units
from gridopt.requirements import Reserves
from gridopt.study import Study

RTS79_RESERVE_MW = 400.0
"""Spinning reserve of the shipped RTS-79 study: its largest unit."""

SHIPPED = ("rts79", "kazarlis10", *(f"kazarlis10x{n}" for n in range(2, 11)))

DAY_H = 24.0

FORMATS: Mapping[Callable[..., Study], frozenset[str]] = {read_pglib_uc: KEYS}
"""JSON formats that bring hours and reserve of their own: reader, and fields that tell them."""

_KAZARLIS = re.compile(r"kazarlis10(?:x([1-9]|10))?")


def load_case(
    case: str | Path,
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
    """Return the study of a shipped system, a pandapower net or a file.

    Parameters
    ----------
    case : str or path
        ``rts79``; ``kazarlis10``, ``kazarlis10x2`` … ``kazarlis10x10``; the name of a
        ``pandapower.networks`` function; a path to a net (``.json``, ``.m``) or to a pglib-uc
        instance (``.json``, ``.json.gz``), told apart by what is in the file.
    profiles, units : optional
        As for `gridopt.read_pandapower`; they replace what a shipped system brings. An instance
        takes none of these, nor `period_h`, `tz` and `reserve_fraction`: it brings its own.
    hours, start, period_h, tz, unserved_cost_per_mwh, surplus_cost_per_mwh : optional
        As for `gridopt.read_pandapower`; of the RTS-79 year 24 hours unless said otherwise.
        Of an instance the first `hours`; it can start nowhere else, since it tells the state of
        its units before the first hour only.
    reserve_fraction : float, optional
        Spinning reserve as a share of demand; a shipped system has its own, others none.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        With every fault found.
    UnknownNameError
        Where nothing has that name.
    """
    match = _KAZARLIS.fullmatch(str(case))
    if match:
        return kazarlis(
            int(match[1] or 1),
            profiles=profiles,
            units=units,
            hours=hours,
            start=start,
            period_h=period_h,
            tz=tz,
            reserve_fraction=reserve_fraction,
            unserved_cost_per_mwh=unserved_cost_per_mwh,
            surplus_cost_per_mwh=surplus_cost_per_mwh,
        )
    reader = _reader_of(case)
    if reader is not None:
        own = {
            "profiles": profiles,
            "units": units,
            "period_h": period_h,
            "tz": tz,
            "reserve_fraction": reserve_fraction,
        }
        prices = {
            "unserved_cost_per_mwh": unserved_cost_per_mwh,
            "surplus_cost_per_mwh": surplus_cost_per_mwh,
        }
        return _instance(reader, Path(case), own, prices, hours, start)
    from gridopt.io.pandapower_net import (  # pandapower takes seconds to import
        read_pandapower,
        stock_nets,
    )

    shipped = str(case) == "rts79"
    longest_min_up_time_h = None
    if shipped:
        if units is None:
            units, longest_min_up_time_h = rts79_units(), np.inf
        if profiles is None:
            profiles, hours = rts79_profiles(), DAY_H if hours is None else hours
    try:
        study = read_pandapower(
            "case24_ieee_rts" if shipped else case,
            name="rts79" if shipped else None,
            profiles=profiles,
            units=units,
            hours=hours,
            start=start,
            period_h=period_h,
            tz=tz,
            reserve_fraction=reserve_fraction or 0.0,
            unserved_cost_per_mwh=unserved_cost_per_mwh,
            surplus_cost_per_mwh=surplus_cost_per_mwh,
            longest_min_up_time_h=longest_min_up_time_h,
        )
    except UnknownNameError as fault:
        raise UnknownNameError("case", str(case), (*SHIPPED, *stock_nets())) from fault
    if shipped and reserve_fraction is None:
        return replace(
            study, reserves=Reserves.spinning(np.full(study.n_periods, RTS79_RESERVE_MW))
        )
    return study


def _reader_of(case: str | Path) -> Callable[..., Study] | None:
    """Return the reader of an instance in JSON, or None: a net, or no file at all.

    Fields are looked for in the text, so that a file cut short is recognized too.
    """
    path = Path(case)
    if path.suffix not in (".json", ".gz") or not path.is_file():
        return None
    try:
        text = text_of(path, f"file {path.name}")
    except StudyError:
        if path.suffix == ".gz":
            raise
        return None
    for reader, keys in FORMATS.items():
        if any(re.search(rf'"{re.escape(key)}"\s*:', text) for key in keys):
            return reader
    if path.suffix == ".gz":
        raise StudyError([Issue(f"file {path.name}", "content", "unknown", "an instance in JSON")])
    return None


def _instance(
    reader: Callable[..., Study],
    path: Path,
    own: Mapping[str, Any],
    prices: Mapping[str, float | None],
    hours: float | None,
    start: int,
) -> Study:
    """Return the study of an instance, all of it or its first hours."""
    where = f"file {path.name}"
    issues = [
        Issue(where, name, value if np.isscalar(value) else "given", "none: the file has its own")
        for name, value in own.items()
        if value is not None
    ]
    if start:
        expected = "0: the file tells the state of the units before its first hour only"
        issues.append(Issue(where, "start", start, expected))
    return collected(lambda: _first_hours(reader(path, **prices), hours, where), issues)


def _first_hours(study: Study, hours: float | None, where: str) -> Study:
    if hours is None or hours == math.inf:
        return study
    periods = hours / study.period_h
    if not (1 <= periods <= study.n_periods and periods == int(periods)):
        all_hours = study.n_periods * study.period_h
        expected = f"whole periods of {study.period_h:g} h, {all_hours:g} h at most"
        raise StudyError([Issue(where, "hours", hours, expected)])
    return study.during(0, int(periods))
