"""How a run is repeated: what was typed, and the same in Python."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from gridopt.formulation import Formulation
from gridopt.pages.parts import Code, Section
from gridopt.running import public_name
from gridopt.solver import Solver
from gridopt.study import Study

WIDTH = 88


@dataclass(frozen=True)
class Origin:
    """Where a run comes from, as far as its caller knows.

    Parameters
    ----------
    command : str
        The command line; empty where there was none.
    study : str
        Lines of Python that make ``study``; empty where they are not known.
    """

    command: str = ""
    study: str = ""


def repeating(origin: Origin, study: Study, python: str, imports: set[str]) -> Section:
    """Return the section that says how to repeat a run.

    Parameters
    ----------
    origin : Origin
    study : Study
    python : str
        What is called with ``study``.
    imports : set of str
        Lines that it needs beside ``import gridopt``.
    """
    made = origin.study or f"study = ...  # the study with fingerprint {study.fingerprint()}"
    text = "\n".join(["import gridopt", *sorted(imports), "", made, python])
    typed = (Code("Command line", origin.command),) if origin.command else ()
    return Section("repeat", "How to repeat it", (*typed, Code("In Python", text)))


def solving(
    function: str, formulation: Formulation, solver: Solver, **more: Any
) -> tuple[str, set[str]]:
    """Return a call that takes a study, and the imports that it needs.

    Parameters
    ----------
    function : str
        ``"gridopt.solve"`` or one with arguments of the same names.
    formulation : Formulation
    solver : Solver
    **more
        Further arguments.
    """
    imports: set[str] = set()
    chosen = {"formulation": public_name(formulation), "solver": public_name(solver), **more}
    options = {**_changed(formulation), **_changed(solver)}
    given = [f"{name}={_text(value, imports)}" for name, value in {**chosen, **options}.items()]
    return _call(function, ["study", *given]), imports


def made_by(function: Callable[..., Any], *args: Any, **given: Any) -> str:
    """Return ``study = gridopt.FUNCTION(…)``, without arguments that are as they are by default."""
    defaults = inspect.signature(function).parameters
    told = {name: value for name, value in given.items() if value != defaults[name].default}
    imports: set[str] = set()
    texts = [value if isinstance(value, Name) else _text(value, imports) for value in args]
    texts += [f"{name}={_text(value, imports)}" for name, value in told.items()]
    return f"study = {_call(f'gridopt.{function.__name__}', texts)}"


class Name(str):
    """A name of a variable, not a text."""


def _call(function: str, arguments: list[str]) -> str:
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{function}(", *(f"    {argument}," for argument in arguments), ")"])


def _changed(owner: Any) -> dict[str, Any]:
    """Return the options that are not as they are by default; large objects are no options."""
    return {
        item.name: getattr(owner, item.name)
        for item in fields(owner)
        if item.repr and item.init and getattr(owner, item.name) != _default(item)
    }


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _text(value: Any, imports: set[str]) -> str:
    """Return a value as Python; note the imports of objects."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        imports.add(f"from {kind.__module__} import {kind.__qualname__}")
        given = [f"{name}={_text(part, imports)}" for name, part in _changed(value).items()]
        return f"{kind.__qualname__}({', '.join(given)})"
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        return f"{{{', '.join(_items(value, imports))}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_text(item, imports) for item in value)}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _items(value: Mapping[Any, Any], imports: set[str]) -> Iterator[str]:
    for name, item in value.items():
        yield f"{_text(name, imports)}: {_text(item, imports)}"
