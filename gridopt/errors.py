"""The exceptions of gridopt, all below one root.

::

    GridoptError
    ├── StudyError            the input describes no valid study; carries every fault found
    ├── UnknownNameError      no solver, formulation or case of that name
    ├── OptionError           an option of a solver or a formulation is out of its range
    ├── ResolutionError       a program's data are not multiples of the stated resolution
    ├── PrecisionError        penalties so large that double precision loses the objective
    ├── TooLargeError         the problem does not fit what the solver can take
    ├── UnsupportedError      the solver cannot take a program of this form
    ├── NotInstalledError     an optional back-end is missing; says what to install
    └── PeerError             a peer of a benchmark could not be installed, or failed
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

Result = TypeVar("Result")


class GridoptError(Exception):
    """Root of every exception that gridopt raises on purpose."""


@dataclass(frozen=True)
class Issue:
    """One fault of the input.

    Parameters
    ----------
    element : str
        What is at fault, as the user knows it: ``"gen 3 (U155)"``, ``"profile load.csv"``.
    field : str
        The field of that element, with its unit: ``"p_min_mw"``.
    value : object
        What was found.
    expected : str
        What would have been right.
    """

    element: str
    field: str
    value: Any
    expected: str

    def __str__(self) -> str:
        return f"{self.element}: {self.field} = {self.value}, expected {self.expected}"


class StudyError(GridoptError):
    """The input describes no valid study.

    Parameters
    ----------
    issues : iterable of Issue
        Every fault found, in the order found.
    """

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues: tuple[Issue, ...] = tuple(issues)
        count = len(self.issues)
        lines = "".join(f"\n  - {issue}" for issue in self.issues)
        super().__init__(f"{count} fault{'s' if count != 1 else ''} in the input:{lines}")


class UnknownNameError(GridoptError):
    """No solver, formulation or case has the given name; names the nearest, or else all."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        begun = [other for other in sorted(known) if name and other.startswith(name)]
        near = begun[:5] or difflib.get_close_matches(name, known, n=5, cutoff=0.5)
        all_known = f"known are {', '.join(sorted(known))}"
        hint = f"did you mean {', '.join(near)}?" if near else all_known
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class OptionError(GridoptError, ValueError):
    """An option is out of its range.

    Parameters
    ----------
    owner, option : str
        Solver or formulation, and the name of its option.
    value : object
        What was given.
    expected : str
        What would have been right.
    """

    def __init__(self, owner: str, option: str, value: object, expected: str) -> None:
        self.expected = expected
        super().__init__(f"{owner}: {option} = {value!r}, expected {expected}")


class ResolutionError(GridoptError, ValueError):
    """A program's data are not multiples of the stated resolution."""


class PrecisionError(GridoptError, ArithmeticError):
    """Penalties are so large that double precision loses the objective beside them."""


class TooLargeError(GridoptError):
    """The problem does not fit what the solver can take; says how large it is and what to do."""


class UnsupportedError(GridoptError):
    """The solver cannot take a program of this form; says which part and what to use instead."""


class NotInstalledError(GridoptError):
    """An optional back-end is missing.

    Parameters
    ----------
    what : str
        What needs the package.
    package : str
        The distribution to install.
    """

    def __init__(self, what: str, package: str) -> None:
        super().__init__(f"{what} needs the package {package!r}: run  pip install {package}")


class PeerError(GridoptError):
    """A solver of others, run for comparison, could not be installed, or failed; says how."""


def raise_if_any(issues: Sequence[Issue]) -> None:
    """Raise `StudyError` with all issues, if there are any, each once."""
    if issues:
        raise StudyError({str(issue): issue for issue in issues}.values())


def attempt(make: Callable[[], Result], issues: list[Issue]) -> Result | None:
    """Return what `make` returns; where it raises `StudyError`, note its issues and go on."""
    try:
        return make()
    except StudyError as fault:
        issues += fault.issues
        return None


def collected(make: Callable[[], Result], issues: Sequence[Issue]) -> Result:
    """Return what `make` returns; raise `StudyError` with the issues and with those of `make`."""
    found = list(issues)
    made = attempt(make, found)
    raise_if_any(found)
    return cast("Result", made)
