"""Reads tables of a source folder; every fault is noted with file, row and column."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gridopt.errors import Issue
from gridopt.io.json_fields import JsonFields

EMPTY = frozenset({"", "NA", "N/A", "NaN", "nan", "null"})
"""Cells that say nothing."""


def read_rows(
    path: Path, key: str | None, columns: Sequence[str], issues: list[Issue]
) -> dict[str, JsonFields]:
    """Return the rows of a table by the value in their key column.

    Parameters
    ----------
    path : Path
        A file of comma-separated values with a header.
    key : str or None
        Column whose values name the rows; no value may stand there twice. None names them by
        their lines.
    columns : sequence of str
        Columns that the table must have. Cells of all columns are read: numbers as such, cells
        that say nothing as missing, all others as text.
    issues : list of Issue
        Where faults are noted.

    Returns
    -------
    dict of str to JsonFields
        Rows in order; none where the file cannot be read or lacks a column.
    """
    lines = _lines(path, issues)
    if lines is None:
        return {}
    header = [cell.strip() for cell in lines[0]] if lines else []
    missing = [name for name in (key, *columns) if name is not None and name not in header]
    issues += [Issue(path.name, name, "missing", "a column of that name") for name in missing]
    if missing:
        return {}
    rows: dict[str, JsonFields] = {}
    for n, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(header):
            where = f"{path.name}, line {n}"
            issues.append(Issue(where, "cells", len(cells), f"{len(header)}, one a column"))
            continue
        content = dict(zip(header, map(_value, cells), strict=True))
        name = f"line {n}" if key is None else label(content[key])
        fields = JsonFields(f"{path.name}, {name}", content, issues)
        if key is not None and name in rows:
            fields.note(key, f"{name}, a second time", "a name of its own")
        rows[name] = fields
    return rows


def label(value: object) -> str:
    """Return a cell as a name: 101 where a table has 101.0."""
    return f"{value:g}" if isinstance(value, float) and value == int(value) else str(value)


def members(text: object) -> list[str]:
    """Return the names in a cell such as ``(Gas CT,Gas CC)``, or the one name that it is."""
    return [part.strip() for part in label(text).strip("() ").split(",") if part.strip()]


def _lines(path: Path, issues: list[Issue]) -> list[list[str]] | None:
    try:
        with path.open(newline=None, encoding="utf-8-sig") as file:
            return [line for line in csv.reader(file) if any(cell.strip() for cell in line)]
    except OSError as error:
        found = error.strerror or "unreadable"
        issues.append(Issue(path.name, "file", found, "a readable file"))
    except (UnicodeDecodeError, csv.Error) as error:
        issues.append(Issue(path.name, "file", str(error)[:80], "comma-separated text in UTF-8"))
    return None


def _value(cell: str) -> Any:
    text = cell.strip()
    if text in EMPTY:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
