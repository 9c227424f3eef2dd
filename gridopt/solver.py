"""The one interface that every solver has, whatever it runs on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeGuard

from gridopt.errors import OptionError
from gridopt.program import Program
from gridopt.solution import Solution


@dataclass(frozen=True)
class Progress:
    """What a solver reports while it runs.

    Parameters
    ----------
    elapsed_s : float
    objective : float
        Best so far, inf before the first answer.
    bound : float
        Best proved bound so far, -inf before the first.
    stage : str
        What it is doing: ``"branch and bound"``, ``"read 12 of 100"``.
    """

    elapsed_s: float
    objective: float
    bound: float
    stage: str


ProgressCallback = Callable[[Progress], None]


class Solver(ABC):
    """Solves programs; a frozen dataclass whose fields are its options, checked on construction.

    A back-end is one file in ``solvers/``, whose name is the solver's public name, with one final
    subclass. Every solver honors `time_limit_s` and `seed` where it has them, and gives back the
    best answer so far on Ctrl-C.
    """

    kind: ClassVar[str]
    """``"mixed-integer programming"``, ``"annealing"``, ``"enumeration"``, ``"gate model"``."""
    limits: ClassVar[str]
    """What it can take, in a few words."""
    package: ClassVar[str]
    """Distribution to install for it."""

    @abstractmethod
    def solve(self, program: Program, progress: ProgressCallback | None = None) -> Solution:
        """Return an answer to `program`, judged on `program`.

        Raises
        ------
        TooLargeError
            Before any work, where the program does not fit.
        UnsupportedError
            Where the solver cannot take a program of this form.
        """


def is_number(value: object) -> bool:
    """Tell whether an option's value is a number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether an option's value is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_option(owner: str, option: str, value: object, right: bool, expected: str) -> None:
    """Raise `OptionError` unless `right`."""
    if not right:
        raise OptionError(owner, option, value, expected)


def check_common(owner: str, seed: int, time_limit_s: float | None) -> None:
    """Check the two options that every solver shares."""
    right = is_whole(seed) and 0 <= seed < 2**31
    check_option(owner, "seed", seed, right, "a whole number, 0 to 2³¹ − 1")
    check_option(
        owner,
        "time_limit_s",
        time_limit_s,
        time_limit_s is None or (is_number(time_limit_s) and time_limit_s > 0),
        "more than 0, or none",
    )
