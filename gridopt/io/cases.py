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
from gridopt.io.pglib_uc import KEYS as PGLIB_UC_KEYS
from gridopt.io.pglib_uc import read_pglib_uc
from gridopt.io.profiles import Profiles
from gridopt.io.rts_gmlc import read_rts_gmlc, source_folder
from gridopt.io.shipped import kazarlis, rts79_profiles, rts79_units
from gridopt.io.unitcommitment_jl import KEYS as UNITCOMMITMENT_JL_KEYS
from gridopt.io.unitcommitment_jl import read_unitcommitment_jl
from gridopt.requirements import Reserves
from gridopt.study import Study

RTS79_RESERVE_MW = 400.0
"""Spinning reserve of the shipped RTS-79 study: its largest unit."""

SHIPPED = ("rts79", "kazarlis10", *(f"kazarlis10x{n}" for n in range(2, 11)))

DAY_H = 24.0

FORMATS: Mapping[Callable[..., Study], frozenset[str]] = {
    read_pglib_uc: PGLIB_UC_KEYS,
    read_unitcommitment_jl: UNITCOMMITMENT_JL_KEYS,
}
"""JSON formats that bring hours and reserve of their own: reader, and fields that tell them."""

SIMBENCH = "simbench:"
"""What a SimBench code follows in the name of a case."""

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
        ``pandapower.networks`` function; a path to a net (``.json``, ``.m``) or to an
        instance of pglib-uc or UnitCommitment.jl (``.json``, ``.json.gz``), told apart by what
        is in the file; the source folder of RTS-GMLC or of a system in its form; a SimBench
        grid, ``simbench:1-MV-urban--0-sw``, see `gridopt.read_simbench`.
    profiles, units : optional
        As for `gridopt.read_pandapower`; they replace what a shipped system brings. Instances
        and source folders take none of these, nor `period_h` and `reserve_fraction`, and an
        instance no `tz`: they bring their own. A SimBench grid takes a `period_h` and a
        `reserve_fraction`, and none of the others.
    hours, start, period_h, tz, unserved_cost_per_mwh, surplus_cost_per_mwh : optional
        As for `gridopt.read_pandapower`; of the RTS-79 year, of a source folder and of a SimBench
        grid 24 hours unless said otherwise.
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
    NotInstalledError
        For a SimBench grid without the package ``simbench``.
    """
    if str(case).startswith(SIMBENCH):
        return _simbench(
            str(case),
            {"profiles": profiles, "units": units, "tz": tz},
            {
                "unserved_cost_per_mwh": unserved_cost_per_mwh,
                "surplus_cost_per_mwh": surplus_cost_per_mwh,
                "reserve_fraction": reserve_fraction or 0.0,
            },
            hours,
            start,
            period_h,
        )
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
    own = _with_own_data(
        case,
        {
            "profiles": profiles,
            "units": units,
            "period_h": period_h,
            "tz": tz,
            "reserve_fraction": reserve_fraction,
        },
        {
            "unserved_cost_per_mwh": unserved_cost_per_mwh,
            "surplus_cost_per_mwh": surplus_cost_per_mwh,
        },
        hours,
        start,
    )
    if own is not None:
        return own
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


def _simbench(
    case: str,
    given: Mapping[str, Any],
    options: Mapping[str, Any],
    hours: float | None,
    start: int,
    period_h: float | None,
) -> Study:
    from gridopt.io.simbench_net import STEP_H, read_simbench  # imports pandapower

    span: dict[str, Any] = {
        "hours": DAY_H if hours is None else hours,
        "start": start,
        "period_h": STEP_H if period_h is None else period_h,
    }
    return collected(
        lambda: read_simbench(case.removeprefix(SIMBENCH), **span, **options),
        _own_issues(f"case {case}", given),
    )


def _with_own_data(
    case: str | Path,
    given: Mapping[str, Any],
    prices: Mapping[str, Any],
    hours: float | None,
    start: int,
) -> Study | None:
    """Return the study of a file or folder that brings hours and reserve, None for all else."""
    reader = _reader_of(case)
    if reader is not None:
        where = f"file {Path(case).name}"
        issues = _own_issues(where, given)
        if start:
            expected = "0: the file tells the state of the units before its first hour only"
            issues.append(Issue(where, "start", start, expected))
        return collected(lambda: _first_hours(reader(Path(case), **prices), hours, where), issues)
    folder = source_folder(case)
    if folder is None:
        return None
    issues = _own_issues(f"folder {Path(case).name}", {**given, "tz": None})
    length = DAY_H if hours is None else hours
    return collected(
        lambda: read_rts_gmlc(folder, start=start, hours=length, tz=given["tz"], **prices), issues
    )


def _own_issues(where: str, given: Mapping[str, Any]) -> list[Issue]:
    """Return what is given in vain, as the file or folder has its own."""
    return [
        Issue(where, name, value if np.isscalar(value) else "given", "none: it has its own")
        for name, value in given.items()
        if value is not None
    ]


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


def _first_hours(study: Study, hours: float | None, where: str) -> Study:
    if hours is None or hours == math.inf:
        return study
    periods = hours / study.period_h
    if not (1 <= periods <= study.n_periods and periods == int(periods)):
        all_hours = study.n_periods * study.period_h
        expected = f"whole periods of {study.period_h:g} h, {all_hours:g} h at most"
        raise StudyError([Issue(where, "hours", hours, expected)])
    return study.during(0, int(periods))
