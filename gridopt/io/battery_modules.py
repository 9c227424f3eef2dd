"""Reads catalogues of battery modules: the shipped one, or a table of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd

from gridopt.errors import Issue, StudyError, UnknownNameError
from gridopt.sites import DEFAULT_INTEREST, BatteryModules, annuity

SHIPPED = "battery_modules.csv"
COLUMNS = (
    *("name", "power_mw", "energy_mwh", "charge_efficiency", "discharge_efficiency"),
    *("depth_of_discharge", "lifetime_years", "investment_cost", "fixed_om_cost_per_year"),
    "degradation_cost_per_mwh",
)


def read_modules(
    names: Sequence[str] | None = None,
    table: pd.DataFrame | str | Path | None = None,
    interest: float = DEFAULT_INTEREST,
) -> BatteryModules:
    """Return battery modules of a catalogue.

    Parameters
    ----------
    names : sequence of str, optional
        Which modules, in that order; all unless given.
    table : DataFrame or path to a CSV file, optional
        One row a module, with the columns `COLUMNS`; the shipped catalogue unless given, whose
        column ``source`` says where each figure is from.
    interest : float
        Rate of the annuity of investments.

    Raises
    ------
    StudyError
        With every fault of the table.
    UnknownNameError
        For a module that the catalogue has not.
    """
    if not interest >= 0.0:
        raise StudyError([Issue("battery modules", "interest", interest, "at least 0")])
    rows, source = _table(table)
    issues = [
        Issue(source, "column", "missing", f"a column {name!r}")
        for name in COLUMNS
        if name not in rows
    ]
    if issues:
        raise StudyError(issues)
    rows = rows.assign(name=rows["name"].astype(str))
    known = list(rows["name"])
    issues += [
        Issue(f"{source}, module {name}", "name", "used twice", "a unique name")
        for name in sorted({name for name in known if known.count(name) > 1})
    ]
    for name in names or ():
        if name not in known:
            raise UnknownNameError("battery module", name, known)
    if names is not None:
        rows = rows.set_index("name", drop=False).loc[list(dict.fromkeys(names))]
    values = {name: _numbers(rows, name, source, issues) for name in COLUMNS[1:]}
    if issues:
        raise StudyError(issues)
    yearly = annuity(interest, values["lifetime_years"]) * values["investment_cost"]
    modules = BatteryModules(
        name=tuple(rows["name"]),
        annual_cost=yearly + values["fixed_om_cost_per_year"],
        **{name: values[name] for name in COLUMNS[1:] if hasattr(BatteryModules(), name)},
    )
    issues += modules.issues()
    if issues:
        raise StudyError(issues)
    return modules


def _table(table: pd.DataFrame | str | Path | None) -> tuple[pd.DataFrame, str]:
    if isinstance(table, pd.DataFrame):
        return table, "battery modules"
    try:
        if table is not None:
            return pd.read_csv(table), str(table)
        with as_file(files("gridopt.data") / SHIPPED) as path:
            return pd.read_csv(path), SHIPPED
    except (OSError, ValueError) as fault:  # pandas' parser errors are ValueErrors
        raise StudyError(
            [Issue("battery modules", "table", str(table), f"a CSV file ({fault})")]
        ) from fault


def _numbers(rows: pd.DataFrame, name: str, source: str, issues: list[Issue]) -> np.ndarray:
    values = pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype=np.float64)
    for module, found, value in zip(rows["name"], rows[name], values, strict=True):
        if not np.isfinite(value):
            issues.append(Issue(f"{source}, module {module}", name, found, "a number"))
        elif name == "lifetime_years" and not value > 0.0:
            issues.append(Issue(f"{source}, module {module}", name, value, "more than 0"))
    return values
