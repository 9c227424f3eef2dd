"""Demand of a net's buses and power available to its units, period by period."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.errors import Issue
from gridopt.grid import ElementKey
from gridopt.io.net_grid import NetGrid
from gridopt.io.net_tables import active, flags, labels, numbers
from gridopt.io.profiles import Profiles

COLUMN = re.compile(r"(load|bus|gen|sgen) (\d+)")
LOAD_COLUMNS = ("load", "bus")


def net_loads(net: Any) -> pd.DataFrame:
    """Return the loads in service: index of the net, columns bus, name and p_mw (scaled)."""
    table = active(net, "load")
    return pd.DataFrame(
        {
            "bus": table["bus"].astype(np.int64),
            "name": labels(table, "name"),
            "p_mw": numbers(table, "p_mw", np.nan) * numbers(table, "scaling", 1.0),
        },
        index=table.index,
    )


def fixed_demand_mw(net: Any, grid: NetGrid) -> FloatArray:
    """Return what constant elements take from each bus of the grid, (B,).

    Those are wards, extended wards (their constant power; the rest is a shunt), motors, and
    storage that is not controllable, where + is charging.
    """
    demand = np.zeros(grid.grid.n_buses)
    for element in ("ward", "xward", "motor", "storage"):
        table = active(net, element)
        if element == "storage":
            table = table[~flags(table, "controllable", False)]
        if len(table):
            np.add.at(demand, grid.at(table["bus"]), _constant_mw(element, table))
    return demand


def _constant_mw(element: str, table: pd.DataFrame) -> FloatArray:
    if element == "motor":
        electric = numbers(table, "pn_mech_mw", 0.0) / numbers(table, "efficiency_percent", 100.0)
        share = numbers(table, "loading_percent", 100.0) * numbers(table, "scaling", 1.0)
        return electric * share
    column = "p_mw" if element == "storage" else "ps_mw"
    return numbers(table, column, 0.0) * numbers(table, "scaling", 1.0)


def demand_mw(
    net: Any, grid: NetGrid, profiles: Profiles, issues: list[Issue], notes: list[str]
) -> FloatArray:
    """Return the demand of each bus of the grid, (B, T).

    Parameters
    ----------
    net : pandapowerNet
    grid : NetGrid
    profiles : Profiles
    issues, notes : list
        Faults and assumptions are added here.

    Notes
    -----
    A column of its own ("load 3", a load's name, "bus 7" for all loads of a bus) sets a load's
    MW; ``system`` is a factor on every other load, and ``system_mw`` the MW of all loads
    together, shared out among the others as they are in the net. Loads without any are constant.
    """
    loads = net_loads(net)
    issues += [
        Issue(f"load {index}", "p_mw", "not a number", "a number")
        for index in loads.index[~np.isfinite(loads["p_mw"])]
    ]
    columns = dict(_load_columns(loads, grid, profiles, issues))
    served = _served(loads, columns)
    demand = np.tile(fixed_demand_mw(net, grid)[:, np.newaxis], (1, len(profiles)))
    for name, bus in columns.items():
        demand[bus[1]] += profiles.values[name].to_numpy(dtype=np.float64)
    rest = loads[~loads.index.isin(served)]
    np.add.at(demand, grid.at(rest["bus"]), _shared(rest, profiles, columns, issues, notes))
    return demand


def _load_columns(
    loads: pd.DataFrame, grid: NetGrid, profiles: Profiles, issues: list[Issue]
) -> Iterator[tuple[str, tuple[ElementKey, int]]]:
    """Yield each column that gives MW of a load or a bus, with its key and its grid bus."""
    taken: dict[int, str] = {}
    for name in profiles.values.columns:
        key = _load_key(str(name), loads)
        if key is None:
            continue
        element, index = key
        bus = index if element == "bus" else _bus_of(loads, index)
        if bus not in grid.position or (element == "load" and index not in loads.index):
            expected = f"a {element} in service"
            issues.append(Issue(profiles.source, "column", repr(name), expected))
            continue
        covered = loads.index[loads["bus"] == bus] if element == "bus" else [index]
        for load in covered:
            if load in taken:
                expected = f"one column for load {load}, which {taken[load]!r} sets too"
                issues.append(Issue(profiles.source, "column", repr(name), expected))
            taken[int(load)] = str(name)
        yield str(name), (key, grid.position[bus])


def _bus_of(loads: pd.DataFrame, index: int) -> int:
    return int(loads["bus"].get(index, -1))


def _load_key(column: str, loads: pd.DataFrame) -> ElementKey | None:
    found = COLUMN.fullmatch(column)
    if found:
        return (found[1], int(found[2])) if found[1] in LOAD_COLUMNS else None
    named = loads.index[loads["name"] == column]
    return ("load", int(named[0])) if len(named) == 1 else None


def _served(loads: pd.DataFrame, columns: dict[str, tuple[ElementKey, int]]) -> set[int]:
    """Return the loads that have a column of their own or of their bus."""
    served: set[int] = set()
    for (element, index), _ in columns.values():
        of_bus = loads.index[loads["bus"] == index] if element == "bus" else [index]
        served.update(int(load) for load in of_bus)
    return served


def _shared(
    rest: pd.DataFrame,
    profiles: Profiles,
    columns: dict[str, tuple[ElementKey, int]],
    issues: list[Issue],
    notes: list[str],
) -> FloatArray:
    """Return the demand of the loads without a column of their own, (loads, T)."""
    base = rest["p_mw"].to_numpy(dtype=np.float64)[:, np.newaxis]
    if "system" in profiles.values:
        return np.asarray(base * profiles.values["system"].to_numpy(dtype=np.float64))
    if "system_mw" not in profiles.values:
        if len(rest) and not (base == 0).all():
            notes.append(f"{len(rest)} loads without a profile: constant")
        return np.tile(base, (1, len(profiles)))
    own = profiles.values[list(columns)].sum(axis="columns").to_numpy(dtype=np.float64)
    left = profiles.values["system_mw"].to_numpy(dtype=np.float64) - own
    if not base.sum() > 0:
        expected = "loads in the net to share it among"
        issues.append(Issue(profiles.source, "system_mw", "no load", expected))
        return np.zeros((len(rest), len(profiles)))
    if (left < -1e-9).any():
        expected = "at least the columns of single loads and buses together"
        issues.append(Issue(profiles.source, "system_mw", f"short by {-left.min():g} MW", expected))
    return np.asarray(base / base.sum() * left)


def available_mw(net: Any, profiles: Profiles, issues: list[Issue]) -> dict[ElementKey, FloatArray]:
    """Return the MW available to each gen and sgen that has a column, (T,) each."""
    available: dict[ElementKey, FloatArray] = {}
    for name in profiles.values.columns:
        found = COLUMN.fullmatch(str(name))
        if not found or found[1] in LOAD_COLUMNS:
            continue
        key = (found[1], int(found[2]))
        if key[1] in active(net, key[0]).index:
            available[key] = profiles.values[name].to_numpy(dtype=np.float64)
        else:
            issues.append(Issue(profiles.source, "column", repr(name), f"a {key[0]} in service"))
    return available


def column_issues(net: Any, profiles: Profiles) -> Iterator[Issue]:
    """Report the columns that name nothing in the net."""
    loads = net_loads(net)
    names = [name for name in loads["name"] if name]
    for column in map(str, profiles.values.columns):
        if column in ("system", "system_mw") or COLUMN.fullmatch(column):
            continue
        count = names.count(column)
        if count != 1:
            near = difflib.get_close_matches(column, names, n=3)
            hint = f", such as {', '.join(near)}" if near else ""
            expected = f"system, system_mw, load N, bus N, gen N, sgen N or a load's name{hint}"
            value = f"{column!r}, a name of {count} loads" if count else repr(column)
            yield Issue(profiles.source, "column", value, expected)
