"""Reads the fields of a JSON file one by one and notes every fault with the field's path."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gridopt.arrays import BoolArray, FloatArray
from gridopt.errors import Issue, StudyError

REQUIRED = object()
"""Stands for "no default": a field that is missing is a fault."""


@dataclass(frozen=True)
class JsonFields:
    """The fields of one JSON object; each read either gives a value or notes an issue.

    A faulty number gives NaN, which passes every comparison with another field, and a faulty list
    nothing, so that reading goes on to the next fault. What was read may be used only where no
    issue came up meanwhile.

    Parameters
    ----------
    element : str
        What the object describes, as messages name it: ``"thermal_generators.115_STEAM_1"``.
    content : dict
        The object.
    issues : list of Issue
        Where faults are noted; shared by all objects of a file.
    prefix : str
        Where in the element the object is: ``"startup[1]."``.
    asked : set of str
        Names of the fields that were read; what is left the file says in vain.
    """

    element: str
    content: dict[str, Any]
    issues: list[Issue] = field(default_factory=list)
    prefix: str = ""
    asked: set[str] = field(default_factory=set)

    def note(self, name: str, value: object, expected: str) -> None:
        """Note a fault of a field."""
        self.issues.append(Issue(self.element, f"{self.prefix}{name}", shown(value), expected))

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.content.get(name) is not None

    def unread(self) -> list[str]:
        """Return the names of fields that say something and were not read."""
        return [name for name in self.content if self.has(name) and name not in self.asked]

    def number(
        self,
        name: str,
        default: Any = REQUIRED,
        at_least: float = -math.inf,
        at_most: float = math.inf,
    ) -> float:
        """Return a finite number in a range."""
        expected = _number_expected(at_least, at_most)
        value = self._value(name, default, expected)
        if value is default and default is not REQUIRED:
            return float(default)
        if not _is_number(value) or not at_least <= value <= at_most:
            if value is not REQUIRED:
                self.note(name, value, expected)
            return math.nan
        return float(value)

    def flag(self, name: str, default: Any = REQUIRED) -> bool:
        """Return true or false, written so or as 1 and 0."""
        value = self._value(name, default, "0 or 1")
        if value is REQUIRED:
            return False
        if not isinstance(value, bool | int) or value not in (0, 1):
            self.note(name, value, "0 or 1")
            return False
        return bool(value)

    def text(self, name: str, default: Any = REQUIRED) -> str:
        """Return a text."""
        value = self._value(name, default, "a text")
        if value is REQUIRED:
            return ""
        if not isinstance(value, str):
            self.note(name, value, "a text")
            return ""
        return value

    def series(self, name: str, length: int, at_least: float = -math.inf) -> FloatArray:
        """Return one finite number a period, (length,)."""
        values = self._list(name, f"a list of {length} numbers")
        return self._series(name, values, length, at_least)

    def profile(
        self, name: str, length: int, default: Any = REQUIRED, at_least: float = -math.inf
    ) -> FloatArray:
        """Return one finite number a period, (length,), written so or as one number for all."""
        if isinstance(self.content.get(name), list):
            return self.series(name, length, at_least)
        return np.full(length, self.number(name, default, at_least))

    def profiles(self, name: str, length: int) -> list[FloatArray]:
        """Return a list of series, each written as a list or as one number for all periods."""
        found = []
        for k, value in enumerate(self._list(name, "a list of numbers") or []):
            values = value if isinstance(value, list) else [value]
            where = f"{name}[{k}]"
            found.append(
                np.broadcast_to(
                    self._series(where, values, length if value is values else 1, -math.inf),
                    (length,),
                )
            )
        if isinstance(self.content.get(name), list) and not found:
            self.note(name, "an empty list", "at least one entry")
        return found

    def _series(
        self, name: str, values: list[Any] | None, length: int, at_least: float
    ) -> FloatArray:
        if values is None:
            return np.full(length, np.nan)
        if len(values) != length:
            self.note(name, f"{len(values)} values", f"{length}, one a period")
            return np.full(length, np.nan)
        expected = _number_expected(at_least, math.inf)
        bad = [t for t, v in enumerate(values) if not _is_number(v) or v < at_least]
        for t in bad:
            self.note(f"{name}[{t}]" if length > 1 else name, values[t], expected)
        return np.full(length, np.nan) if bad else np.array(values, dtype=np.float64)

    def flags(self, name: str, length: int, default: bool) -> BoolArray:
        """Return true or false a period, (length,), written so or as one for all."""
        values = self.content.get(name)
        if not isinstance(values, list):
            return np.full(length, self.flag(name, default))
        self.asked.add(name)
        if len(values) != length or not all(isinstance(value, bool) for value in values):
            self.note(name, values, f"true or false, or a list of {length} of these")
            return np.full(length, default)
        return np.array(values, dtype=np.bool_)

    def texts(self, name: str, known: Container[str], kind: str) -> list[str]:
        """Return a list of names of what there is; none if the field is missing."""
        if not self.has(name):
            self.asked.add(name)
            return []
        found = []
        for k, value in enumerate(self._list(name, "a list of names") or []):
            if isinstance(value, str) and value in known:
                found.append(value)
            else:
                self.note(f"{name}[{k}]", value, f"the name of a {kind}")
        return found

    def parts(self, name: str, default: Any = REQUIRED) -> dict[str, JsonFields]:
        """Return the named objects of a group, each an element of its own: ``NAME.KEY``."""
        group = self._value(name, default, "an object")
        if group is REQUIRED:
            return {}
        if not isinstance(group, dict):
            self.note(name, group, "an object")
            return {}
        return dict(self._objects(name, group))

    def items(self, name: str) -> list[JsonFields]:
        """Return the objects of a list that is not empty."""
        values = self._list(name, "a list of objects") or []
        found = []
        for i, value in enumerate(values):
            where = f"{self.prefix}{name}[{i}]"
            if isinstance(value, dict):
                found.append(JsonFields(self.element, value, self.issues, f"{where}."))
            else:
                self.issues.append(Issue(self.element, where, shown(value), "an object"))
        if isinstance(self.content.get(name), list) and not values:
            self.note(name, "an empty list", "at least one entry")
        return found

    def _objects(self, name: str, group: dict[str, Any]) -> Iterator[tuple[str, JsonFields]]:
        for key, value in group.items():
            if isinstance(value, dict):
                yield key, JsonFields(f"{name}.{key}", value, self.issues)
            else:
                self.note(f"{name}.{key}", value, "an object")

    def _list(self, name: str, expected: str) -> list[Any] | None:
        value = self._value(name, REQUIRED, expected)
        if value is REQUIRED:
            return None
        if not isinstance(value, list):
            self.note(name, value, expected)
            return None
        return value

    def _value(self, name: str, default: Any, expected: str) -> Any:
        """Return what stands there; the default if that is nothing, noted if there is none."""
        self.asked.add(name)
        if self.has(name):
            return self.content[name]
        if default is REQUIRED:
            self.note(name, "missing", expected)
        return default


def read_json(path: Path, what: str) -> JsonFields:
    """Return the fields of a JSON file's object.

    Parameters
    ----------
    path : Path
        A ``.json`` file, or one compressed by gzip (``.gz``).
    what : str
        What the file is, for messages: ``"pglib-uc file"``.

    Raises
    ------
    StudyError
        If the file cannot be read, is cut short, or is no JSON object.
    """
    where = f"{what} {path.name}"
    try:
        content = json.loads(text_of(path, where), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        found = str(error).splitlines()[0] if str(error) else "nested too deeply"
        raise StudyError([Issue(where, "JSON", found, "complete JSON, each key once")]) from error
    if not isinstance(content, dict):
        raise StudyError([Issue(where, "JSON", shown(content), "an object")])
    return JsonFields(where, content)


def text_of(path: Path, where: str) -> str:
    """Return the text of a file, decompressed if its name ends in ``.gz``."""
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError([Issue(where, "file", "not text", "JSON in UTF-8")]) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        found = str(error) or "damaged"
        raise StudyError([Issue(where, "file", found, "a complete gzip file")]) from error
    except OSError as error:
        found = error.strerror or "unreadable"
        raise StudyError([Issue(where, "file", found, "a readable file")]) from error


def shown(value: object) -> object:
    """Return a value as a message shows it: short, and an object or a list by its kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str) and value != "missing":
        return value if len(value) <= 80 else f"{value[:77]}..."
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} stands twice in one object")
    return content


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 1e300


def _number_expected(at_least: float, at_most: float) -> str:
    if math.isfinite(at_most):
        return f"a number from {at_least:g} to {at_most:g}"
    return "a number" if at_least == -math.inf else f"a number of at least {at_least:g}"
