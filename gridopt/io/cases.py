"""Any case by name or path: shipped systems, pandapower's own nets, files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gridopt.errors import UnknownNameError
from gridopt.io.profiles import Profiles
from gridopt.io.shipped import kazarlis, rts79_profiles, rts79_units
from gridopt.study import Study

RTS79_RESERVE_MW = 400.0
"""Spinning reserve of the shipped RTS-79 study: its largest unit."""

SHIPPED = ("rts79", "kazarlis10", *(f"kazarlis10x{n}" for n in range(2, 11)))

DAY_H = 24.0

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
        ``pandapower.networks`` function; a path to a net (``.json``, ``.m``).
    profiles, units : optional
        As for `gridopt.read_pandapower`; they replace what a shipped system brings.
    hours, start, period_h, tz, unserved_cost_per_mwh, surplus_cost_per_mwh : optional
        As for `gridopt.read_pandapower`; of the RTS-79 year 24 hours unless said otherwise.
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
        return replace(study, reserve_mw=np.full(study.n_periods, RTS79_RESERVE_MW))
    return study
