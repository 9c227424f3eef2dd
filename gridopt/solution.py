"""What a solver gives back: why it stopped, and, apart from that, what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.program import FEASIBILITY_TOLERANCE, Program


class Termination(StrEnum):
    """Why a solver stopped."""

    OPTIMAL = "optimal"
    """Proved within the gap that was asked for."""
    INFEASIBLE = "infeasible"
    """Proved that no answer exists."""
    UNBOUNDED = "unbounded"
    TIME_LIMIT = "time_limit"
    INTERRUPTED = "interrupted"
    """Stopped by the user."""
    SAMPLED = "sampled"
    """All reads were taken; a sampler proves nothing."""


class Step(NamedTuple):
    """A moment of a search: what it had by then, and which stage had just found it."""

    elapsed_s: float
    objective: float
    bound: float
    stage: str


class Missing(NamedTuple):
    """What the nearest decisions leave a row short of: below zero where they have too much."""

    block: str
    place: tuple[int, ...]
    amount: float


@dataclass(frozen=True, eq=False)
class Solution:
    """An answer to a program, judged on the program itself.

    Parameters
    ----------
    termination : Termination
    x : array, (n,), or None
        The answer, or None where there is none.
    objective : float
        Of `x` in the original program; inf where `x` is infeasible or None.
    violation : float
        Largest violation of a row, bound or whole number; inf where `x` is None.
    violated : mapping of str to float
        Worst violation by row block, where above the tolerance.
    bound : float
        A proved lower bound on the objective of every answer, or -inf.
    bound_source : str
        Where the bound comes from; empty where there is none.
    details : mapping of str to float, int or str
        Figures of the solver for the record: bits, reads, sweeps, seconds by stage.
    trace : tuple of Step
        How objective and bound came about, where the solver tells.
    prices : array, (m,), or None
        Of the program's rows, where the solver has some that prove a bound: another solver may
        begin with them.
    missing : tuple of Missing
        Where there is no answer: what the nearest decisions lack, where the solver tells.
    """

    termination: Termination
    x: FloatArray | None
    objective: float
    violation: float
    violated: Mapping[str, float] = field(default_factory=dict)
    bound: float = -np.inf
    bound_source: str = ""
    details: Mapping[str, float | int | str] = field(default_factory=dict)
    trace: tuple[Step, ...] = ()
    prices: FloatArray | None = None
    missing: tuple[Missing, ...] = ()

    @property
    def is_feasible(self) -> bool:
        """Whether there is an answer and it holds every rule."""
        return self.violation <= FEASIBILITY_TOLERANCE

    @property
    def gap(self) -> float:
        """(objective − bound) / |objective|, inf where either is missing."""
        return relative_gap(self.objective, self.bound)

    @staticmethod
    def at(
        program: Program,
        x: FloatArray | None,
        termination: Termination,
        bound: float = -np.inf,
        bound_source: str = "",
        details: Mapping[str, float | int | str] | None = None,
    ) -> Solution:
        """Judge `x` on `program`: objective and violations are always computed here."""
        if x is None:
            objective, violation, violated = np.inf, np.inf, {}
        else:
            violation, violated = program.violation(x), program.violated(x)
            objective = program.objective(x) if violation <= FEASIBILITY_TOLERANCE else np.inf
        return Solution(
            termination=termination,
            x=x,
            objective=objective,
            violation=violation,
            violated=violated,
            bound=bound,
            bound_source=bound_source,
            details=details or {},
        )


def relative_gap(objective: float, bound: float) -> float:
    """Return (objective − bound) / |objective|; 0 where both are 0, inf where one is missing."""
    if not (np.isfinite(objective) and np.isfinite(bound)):
        return float("inf")
    difference = max(objective - bound, 0.0)
    return difference / abs(objective) if objective else (0.0 if not difference else float("inf"))
