"""Loads a net from a file; the file is data and can make nothing run.

pandapower's JSON loader imports the modules that a file names and calls what it finds there. So
the text is read as plain JSON first, with every string in it that holds JSON again, and refused
unless each tagged object in it is of one of the few types that a net is made of.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandapower as pp

from gridopt.errors import Issue, StudyError
from gridopt.io.matpower_file import read_matpower

PACKAGES = ("pandapower", "pandas", "numpy", "networkx", "geojson", "shapely")
"""Top-level packages that a net file may name."""

NET = ("pandapower.auxiliary", "pandapowerNet")
TABLES = frozenset(
    {
        ("pandas.core.frame", "DataFrame"),
        ("pandas", "DataFrame"),
        ("pandas.core.series", "Series"),
        ("pandas", "Series"),
    }
)
NUMBERS = frozenset(
    ("numpy", f"{kind}{bits}")
    for kind, sizes in (
        ("array", ("",)),
        ("bool", ("", "_")),
        ("int", (8, 16, 32, 64)),
        ("uint", (8, 16, 32, 64)),
        ("float", (16, 32, 64)),
    )
    for bits in sizes
)
SHAPES = frozenset(("shapely", name) for name in ("Point", "LineString", "Polygon"))
LEFT_OUT = ("pandapower.control", "pandapower.timeseries", "pandapower.protection")
"""Packages whose objects (controllers and the like) a plan does not need; loaded as nothing."""

TABLE_OPTIONS = frozenset(
    {
        "orient",
        "dtype",
        "typ",
        "index_name",
        "column_name",
        "index_names",
        "column_names",
        "is_multiindex",
        "is_multicolumn",
    }
)
DTYPE = re.compile(
    r"(u?int|float)(8|16|32|64)|U?Int(8|16|32|64)|Float(32|64)|bool|boolean|object|str|string"
    r"|category|complex128|datetime64\[(ns|us|ms|s)\]|timedelta64\[(ns|us|ms|s)\]"
)


def load_net(path: str | Path) -> tuple[Any, tuple[str, ...]]:
    """Load a pandapower net from a ``.json`` or a MATPOWER ``.m`` file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    net : pandapowerNet
    notes : tuple of str
        What of the file was left out.

    Raises
    ------
    StudyError
        If the file cannot be read, is no net, or names anything that a net does not need. Nothing
        that it names is imported in that case.
    """
    path = Path(path)
    if path.suffix == ".m":
        return read_matpower(path), ()
    if path.suffix != ".json":
        raise StudyError([_issue(path, "suffix", path.suffix or "none", ".json or .m")])
    text = _text(path)
    issues = [
        _issue(path, field, value, expected) for field, value, expected in refused_parts(text)
    ]
    if issues:
        raise StudyError(issues)
    return _decode(path, text)


def refused_parts(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield what must not be loaded in the JSON text of a net, as (field, found, expected)."""
    try:
        content = _parse(text)
    except (ValueError, RecursionError) as error:
        yield "JSON", _first_line(error), "readable JSON"
        return
    if not isinstance(content, dict) or _tag(content) != NET:
        yield "content", _kind(content), "a net saved by pandapower 2 or later"
        return
    try:
        yield from dict.fromkeys(_refused(content))
    except RecursionError:
        yield "JSON", "nested too deeply", "the nesting of a net"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(
            [_issue(path, "file", error.strerror or "unreadable", "a readable file")]
        ) from error
    except UnicodeDecodeError as error:
        raise StudyError([_issue(path, "file", "not text", "JSON in UTF-8")]) from error


def _decode(path: Path, text: str) -> tuple[Any, tuple[str, ...]]:
    with warnings.catch_warnings():
        # The loader and the conversion of old formats warn about pandas' future and about tables
        # that they rename; none of it is the user's to act on.
        warnings.simplefilter("ignore")
        try:
            net = pp.from_json_string(text, convert=False, omit_modules=list(LEFT_OUT))
            notes = _drop_objects(net)
            pp.convert_format(net)
        except Exception as error:  # whatever pandapower stumbles over, the file is at fault
            found = f"{type(error).__name__}: {_first_line(error)}"
            raise StudyError(
                [_issue(path, "content", found, "a net that pandapower can load")]
            ) from error
    return net, notes


def _drop_objects(net: Any) -> tuple[str, ...]:
    """Empty the tables whose objects were left out."""
    notes = []
    for table in ("controller", "characteristic", "protection"):
        if table in net and len(net[table]) and "object" in net[table]:
            notes.append(f"{len(net[table])} rows of the net's table {table!r} are not used")
            net[table] = net[table].iloc[:0]
    return tuple(notes)


def _refused(value: object) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, dict):
        if "_module" in value or "_class" in value:
            yield from _refused_object(value)
        for part in value.values():
            yield from _refused(part)
    elif isinstance(value, list):
        for part in value:
            yield from _refused(part)
    elif isinstance(value, str):
        yield from _refused_string(value)


def _refused_string(text: str) -> Iterator[tuple[str, str, str]]:
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return
    try:
        content = _parse(text)
    except _TwiceError as error:
        yield "JSON", str(error), "each key once"
    except ValueError:
        return  # a name such as "[spare]"; the text of a table is checked with its table
    else:
        yield from _refused(content)


def _refused_object(value: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    module, name = _tag(value)
    package = module.split(".")[0]
    if package not in PACKAGES:
        yield "_module", module, "one of " + ", ".join(PACKAGES)
    elif any(module == part or module.startswith(part + ".") for part in LEFT_OUT):
        return
    elif (module, name) == NET:
        if not isinstance(value.get("_object"), dict):
            yield "_object", _kind(value.get("_object")), "the tables of the net"
    elif (module, name) in TABLES:
        yield from _refused_table(value)
    elif (module, name) in NUMBERS | SHAPES:
        yield from _refused_options(value, frozenset({"dtype"}))
    else:
        yield "_class", f"{module}.{name}", "a type that a net is made of"


def _refused_table(value: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield from _refused_options(value, TABLE_OPTIONS)
    # The loader opens a string that is a path, and evaluates the labels of a multi-index.
    if value.get("is_multiindex") or value.get("is_multicolumn"):
        yield "is_multiindex", "true", "a plain index"
    text = value.get("_object")
    try:
        content = _parse(text) if isinstance(text, str) else None
    except ValueError:
        content = None
    if not isinstance(content, dict | list):
        yield "_object", _kind(text), "the text of a table"
    dtypes = value.get("dtype", {})
    for dtype in dtypes.values() if isinstance(dtypes, dict) else [dtypes]:
        if not (isinstance(dtype, str) and DTYPE.fullmatch(dtype)):
            yield "dtype", str(dtype)[:80], "a type of numbers, text or time"


def _refused_options(
    value: dict[str, Any], allowed: frozenset[str]
) -> Iterator[tuple[str, str, str]]:
    for key in sorted(set(value) - allowed - {"_module", "_class", "_object"}):
        yield "option", key, "one of " + ", ".join(sorted(allowed))


class _TwiceError(ValueError):
    """A key stands twice in one object, where parsers differ in which one they take."""


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _TwiceError(f"key {twice!r} twice in one object")
    return content


def _tag(value: dict[str, Any]) -> tuple[str, str]:
    return str(value.get("_module")), str(value.get("_class"))


def _kind(value: object) -> str:
    return "an object" if isinstance(value, dict) else type(value).__name__


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["nested too deeply"])[0][:200]


def _issue(path: Path, field: str, value: object, expected: str) -> Issue:
    return Issue(f"net file {path.name}", field, value, expected)
