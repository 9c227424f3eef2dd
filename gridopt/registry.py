"""Finds solvers and formulations by name: a file in ``solvers/`` or ``formulations/`` is one.

Names come from the folder without importing anything; a module is imported when it is asked for.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from importlib import import_module
from inspect import isabstract
from types import ModuleType
from typing import Any, TypeVar

import gridopt.formulations
import gridopt.solvers
from gridopt.errors import NotInstalledError, OptionError, UnknownNameError
from gridopt.formulation import Formulation
from gridopt.solver import Solver

T = TypeVar("T", Solver, Formulation)

DISTRIBUTIONS = {
    "neal": "dwave-neal",
    "dwave": "dwave-samplers",
    "dwave.system": "dwave-system",
    "dwave.cloud": "dwave-system",
    "minorminer": "dwave-system",
    "torch": "simulated-bifurcation",
}
"""What to install for a module whose distribution has another name."""


def solver_names() -> tuple[str, ...]:
    """Return the public names of all solvers, sorted."""
    return _names(gridopt.solvers)


def formulation_names() -> tuple[str, ...]:
    """Return the public names of all formulations, sorted."""
    return _names(gridopt.formulations)


def solver_class(name: str) -> type[Solver]:
    """Return the solver of that name.

    Raises
    ------
    UnknownNameError
    NotInstalledError
        Where the package that it needs is missing.
    """
    return _find("solver", name, gridopt.solvers, Solver)  # type: ignore[type-abstract]


def formulation_class(name: str) -> type[Formulation]:
    """Return the formulation of that name.

    Raises
    ------
    UnknownNameError
    """
    package = gridopt.formulations
    return _find("formulation", name, package, Formulation)  # type: ignore[type-abstract]


def make(owner: type[T], name: str, options: Mapping[str, Any]) -> T:
    """Construct a solver or formulation; options of a part it holds may be given by their name.

    A part that is a solver may be given by its own name: ``sampler="anneal"``.

    Raises
    ------
    OptionError
        For an option that it does not have, or a value out of range.
    """
    own = {item.name for item in fields(owner)}  # type: ignore[arg-type]
    parts = _parts(owner)
    given = {option: value for option, value in options.items() if option in own}
    for holder, value in given.items():
        if isinstance(parts.get(holder), Solver) and isinstance(value, str):
            parts[holder] = given[holder] = make(solver_class(value), value, {})
        elif is_dataclass(value):
            parts[holder] = value
    of_part: dict[str, dict[str, Any]] = {}
    for option in options.keys() - own:
        holders = (name for name, part in parts.items() if option in _field_names(part))
        chosen = next(holders, None)
        if chosen is None:
            known = ", ".join(sorted(option_names(owner)))
            raise OptionError(name, option, options[option], f"one of its options: {known}")
        of_part.setdefault(chosen, {})[option] = options[option]
    for holder, values in of_part.items():
        given[holder] = replace(parts[holder], **values)
    return owner(**given)


def option_names(owner: type[Solver] | type[Formulation]) -> set[str]:
    """Return the names of all options, those of parts that it holds among them."""
    return _field_names(owner).union(*map(_field_names, _parts(owner).values()))


def own_option_names(owner: type[Solver] | type[Formulation]) -> set[str]:
    """Return the names of its own options, without parts that only hold options."""
    holders = {name for name, part in _parts(owner).items() if not isinstance(part, Solver)}
    return _field_names(owner) - holders


def _parts(owner: Any) -> dict[str, Any]:
    """Return the fields that hold an options object of their own, and its default."""
    made = {
        item.name: item.default_factory()
        for item in fields(owner)
        if item.default_factory is not MISSING
    }
    return {name: part for name, part in made.items() if is_dataclass(part)}


def _field_names(kind: Any) -> set[str]:
    """Return the fields that can be told in words; objects such as a start are not shown either."""
    return {item.name for item in fields(kind) if item.repr}


def _names(package: ModuleType) -> tuple[str, ...]:
    found = pkgutil.iter_modules(package.__path__)
    return tuple(sorted(module.name for module in found if not module.ispkg))


def _find(kind: str, name: str, package: ModuleType, base: type[T]) -> type[T]:
    if name not in _names(package):
        raise UnknownNameError(kind, name, _names(package))
    try:
        module = import_module(f"{package.__name__}.{name}")
    except ModuleNotFoundError as fault:
        first, _, rest = (fault.name or "").partition(".")
        if first in ("", "gridopt"):
            raise
        two = f"{first}.{rest.partition('.')[0]}"
        package_name = DISTRIBUTIONS.get(two) or DISTRIBUTIONS.get(first, first.replace("_", "-"))
        raise NotInstalledError(f"{kind} {name!r}", package_name) from fault
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, base)
        and not isabstract(value)
        and value.__module__ == module.__name__
    )
    return found
