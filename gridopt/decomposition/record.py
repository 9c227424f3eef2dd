"""What a search has found: the best answer, the best bound, and how both came about."""

from __future__ import annotations

import time

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.decomposition.partner import Partner
from gridopt.highs_model import Clock
from gridopt.program import Program
from gridopt.solution import Solution, Step, Termination, relative_gap

BESIDE = "HiGHS beside"
"""Stage of what the partner finds."""

LEAST_NOTED = 1e-5
"""Relative rise of the bound that the trace has a step for."""


class Record:
    """The best answer and bound so far.

    Parameters
    ----------
    program : Program
    gap : float
        At which to stop.
    clock : Clock
        Is told of both, for the report.

    Attributes
    ----------
    x : array, (n,), or None
    objective, bound : float
    source : str
        Of the bound.
    trace : list of Step
    details : dict
        Figures for the record, seconds by stage among them.
    termination : Termination
        So far.
    partner : Partner or None
        Is told of better answers, once there is one.
    """

    def __init__(self, program: Program, gap: float, clock: Clock) -> None:
        self.program, self.gap, self.clock = program, gap, clock
        self.x: FloatArray | None = None
        self.objective, self.bound = np.inf, -np.inf
        self.source = "Lagrangian dual"
        self.trace: list[Step] = []
        self.details: dict[str, float | int | str] = {}
        self.termination = Termination.SAMPLED
        self.partner: Partner | None = None
        self._lap = time.perf_counter()

    def offer(self, x: FloatArray, stage: str) -> bool:
        """Keep an answer if it is the best so far; return whether it keeps all rules."""
        answer = Solution.at(self.program, x, Termination.SAMPLED)
        if answer.objective < self.objective:
            self.x, self.objective = x, answer.objective
            self.clock.objective = self.objective
            if self.partner is not None:
                self.partner.incumbent.offer(x)
            self._note(stage)
        return answer.is_feasible

    def prove(self, bound: float, stage: str = "prices") -> None:
        """Keep a bound if it is the best so far."""
        if bound <= self.bound:
            return
        self.bound = self.clock.bound = bound
        noted = self.trace[-1].bound if self.trace else -np.inf
        if bound - noted > LEAST_NOTED * abs(bound):
            self._note(stage)

    def hear_bound(self) -> None:
        """Keep the partner's bound if it is the best so far."""
        if self.partner is not None and self.bound < self.partner.bound < np.inf:
            self.source = "HiGHS"
            self.prove(self.partner.bound, BESIDE)

    def add(self, name: str, amount: float) -> None:
        """Add to a figure."""
        before = self.details.get(name, 0)
        self.details[name] = amount if isinstance(before, str) else before + amount

    def count(self, stage: str) -> None:
        """Count the seconds since the last stage."""
        now = time.perf_counter()
        self.add(stage, now - self._lap)
        self._lap = now

    def is_proved(self) -> bool:
        """Tell whether the gap is small enough."""
        return relative_gap(self.objective, self.bound) <= self.gap

    def is_over(self) -> bool:
        """Tell whether to stop."""
        return self.clock.over() is not None or self.is_proved()

    def is_outdone(self) -> bool:
        """Tell whether the partner has a better answer, or a bound that proves this one."""
        if self.partner is None:
            return False
        self.hear_bound()
        return self.is_proved() or self.partner.incumbent.better_than(self.objective) is not None

    def _note(self, stage: str) -> None:
        elapsed_s = time.perf_counter() - self.clock.begun
        self.trace.append(Step(elapsed_s, self.objective, self.bound, stage))
