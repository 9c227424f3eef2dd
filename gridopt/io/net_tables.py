"""Reads single columns and names of a net's tables, whatever is missing in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import BoolArray, FloatArray
from gridopt.errors import Issue
from gridopt.grid import ElementKey


def numbers(table: pd.DataFrame, column: str, default: float) -> FloatArray:
    """Return a column as numbers, with `default` where it or a cell of it is missing."""
    if column not in table:
        return np.full(len(table), default, dtype=np.float64)
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isnan(values), default, values)


def flags(table: pd.DataFrame, column: str, default: bool) -> BoolArray:
    """Return a column as truth values, with `default` where it or a cell of it is missing."""
    if column not in table:
        return np.full(len(table), default)
    return np.array([default if pd.isna(v) else bool(v) for v in table[column]], dtype=np.bool_)


def labels(table: pd.DataFrame, column: str) -> list[str | None]:
    """Return a column as texts, None where there is none."""
    if column not in table:
        return [None] * len(table)
    return [None if v is None or pd.isna(v) else str(v).strip() or None for v in table[column]]


def active(net: Any, element: str) -> pd.DataFrame:
    """Return the rows of an element that are in service at a bus that is."""
    table: pd.DataFrame = net[element]
    if table.empty:
        return table
    in_service = net.bus.index[flags(net.bus, "in_service", True)]
    return table[flags(table, "in_service", True) & table["bus"].isin(in_service).to_numpy()]


def unique_names(keys: Sequence[ElementKey], own: Sequence[str | None]) -> tuple[str, ...]:
    """Return a unique name for each element: its own where no other has it, else "gen 3".

    Bare numbers are not taken for names: they would be confused with indices.
    """
    default = [f"{element} {index}" for element, index in keys]
    count = Counter(own) + Counter(default)
    return tuple(
        name if name and count[name] == 1 and not re.fullmatch(r"[\d.]+", name) else label
        for name, label in zip(own, default, strict=True)
    )


def table_issues(net: Any, expected: Mapping[str, Iterable[str]]) -> Iterator[Issue]:
    """Report tables and columns that are missing or of another kind, and unknown buses."""
    for name, columns in expected.items():
        table = net.get(name)
        if not isinstance(table, pd.DataFrame):
            yield Issue(f"net table {name}", "type", type(table).__name__, "a table")
            continue
        if table.empty:
            continue
        if not table.index.is_unique:
            twice = table.index[table.index.duplicated()][0]
            yield Issue(f"net table {name}", "index", f"{twice} twice", "each index once")
        if not pd.api.types.is_integer_dtype(table.index):
            yield Issue(f"net table {name}", "index", table.index.dtype, "whole numbers")
        for column in columns:
            if column not in table:
                yield Issue(f"net table {name}", "column", "missing", column)
            elif column in BUS_COLUMNS and isinstance(net.get("bus"), pd.DataFrame):
                yield from _bus_issues(net, name, column)
            elif column not in MAY_BE_EMPTY:
                yield from _empty_issues(table, name, column)


def _empty_issues(table: pd.DataFrame, name: str, column: str) -> Iterator[Issue]:
    used = table[flags(table, "in_service", True)]
    if pd.api.types.is_numeric_dtype(used[column]):
        for index in used.index[used[column].isna()]:
            yield Issue(f"{name} {index}", column, "missing", "a number")
    elif column not in NO_NUMBERS:
        for index, cell in used[column].items():
            if not isinstance(cell, Real) or np.isnan(float(cell)):
                yield Issue(f"{name} {index}", column, cell, "a number")


NO_NUMBERS = frozenset({"et", "points", "closed"})
"""Columns of something else than numbers."""

MAY_BE_EMPTY = frozenset({"max_i_ka", "q_mvar", "vm_pu", "in_service"})
"""Columns whose cells have a default, or matter to the AC power flow alone."""

BUS_COLUMNS = frozenset({"bus", "from_bus", "to_bus", "hv_bus", "mv_bus", "lv_bus"})


def _bus_issues(net: Any, name: str, column: str) -> Iterator[Issue]:
    table = net[name]
    unknown = table[~table[column].isin(net.bus.index)]
    for index, bus in unknown[column].items():
        yield Issue(f"{name} {index}", column, bus, "the index of a bus of the net")
