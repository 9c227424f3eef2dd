"""Reads a MATPOWER case file (``.m``), version 2, and hands it to pandapower's converter.

A case file is a MATLAB function. Only its matrices of plain numbers are read; a file that computes
anything is refused, since nothing of it is run. pandapower's own reader of ``.m`` files needs one
more package and takes no notice of such statements.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pandapower.converter.pypower import from_ppc

from gridopt.arrays import FloatArray
from gridopt.errors import Issue, StudyError

MATRICES = {"bus": 13, "gen": 10, "branch": 11}
"""Matrices that every case has, and the columns of version 2 that the conversion uses."""

ASSIGNMENT = re.compile(r"mpc\.(?P<name>\w+)\s*=\s*(?P<value>\[[^\]]*\]|\{[^}]*\}|[^;\n]*)\s*;?")
HARMLESS = re.compile(r"(function\b.*|end|return)\s*;?\s*$")
TAP_COLUMN = 8


def read_matpower(path: Path) -> Any:
    """Return the pandapower net of a MATPOWER case file.

    Raises
    ------
    StudyError
        If the file cannot be read, computes something, or lacks a matrix.
    """
    case = _case(path, _source(path))
    for matrix, columns in (("bus", [0]), ("gen", [0]), ("branch", [0, 1])):
        case[matrix][:, columns] -= 1.0  # buses count from 1 in MATPOWER, from 0 here
    tap = case["branch"][:, TAP_COLUMN]
    tap[tap == 0] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' future, inside the converter
        try:
            return from_ppc(case, validate_conversion=False)
        except Exception as error:  # whatever the converter stumbles over, the file is at fault
            found = f"{type(error).__name__}: {error}"
            raise StudyError(
                [_issue(path, "content", found, "a case that pandapower can convert")]
            ) from error


def _source(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise StudyError(
            [_issue(path, "file", error.strerror or "unreadable", "a readable file")]
        ) from error
    text = re.sub(r"\.\.\.[^\n]*\n", " ", text)
    return re.sub(r"%[^\n]*", "", text)


def _case(path: Path, source: str) -> dict[str, Any]:
    issues: list[Issue] = []
    case: dict[str, Any] = {}
    for found in ASSIGNMENT.finditer(source):
        name, value = found["name"], found["value"]
        if name in {*MATRICES, "gencost"}:
            try:
                case[name] = _matrix(value)
            except ValueError as error:
                issues.append(_issue(path, f"mpc.{name}", error, "rows of plain numbers"))
        elif name == "baseMVA":
            case[name] = _number(value)
    for statement in ASSIGNMENT.sub("", source).splitlines():
        if statement.strip() and not HARMLESS.match(statement.strip()):
            issues.append(
                _issue(path, "statement", statement.strip()[:80], "numbers only, nothing computed")
            )
            break
    return _checked(path, case, issues)


def _checked(path: Path, case: dict[str, Any], issues: list[Issue]) -> dict[str, Any]:
    named = " ".join(issue.field for issue in issues)
    for name, columns in MATRICES.items():
        if name not in case:
            if f"mpc.{name}" not in named:
                issues.append(_issue(path, f"mpc.{name}", "missing", "a matrix"))
        elif case[name].ndim != 2 or case[name].shape[1] < columns:
            shape = "×".join(map(str, case[name].shape))
            issues.append(_issue(path, f"mpc.{name}", shape, f"at least {columns} columns"))
    base = case.get("baseMVA", np.nan)
    if not base > 0:
        issues.append(_issue(path, "mpc.baseMVA", base, "a number above 0"))
    if issues:
        raise StudyError(issues)
    return {"version": "2", **case}


def _matrix(text: str) -> FloatArray:
    rows = [row.replace(",", " ").split() for row in re.split(r"[;\n]", text.strip("[]"))]
    numbers = [[float(cell) for cell in row] for row in rows if row]
    if len({len(row) for row in numbers}) > 1:
        raise ValueError("rows of different lengths")
    return np.array(numbers, dtype=np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _issue(path: Path, field: str, value: object, expected: str) -> Issue:
    return Issue(f"net file {path.name}", field, value, expected)
