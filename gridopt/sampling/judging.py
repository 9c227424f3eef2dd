"""How samples are judged: one by one on the program, and all together as a way to the optimum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.lowering.qubo import Qubo
from gridopt.program import Program
from gridopt.sampling.redispatch import Dispatched, Redispatch, rank
from gridopt.sampling.samples import Deadline, Samples
from gridopt.sampling.success import Success
from gridopt.sampling.view import View
from gridopt.solution import Solution, Termination
from gridopt.solver import check_option, is_number, is_whole

JUDGED = 1000
"""Largest number of distinct samples that are judged, the lowest energies first."""

REDISPATCHES = 24
"""Largest number of distinct decisions that are re-dispatched, the lowest energies first."""


@dataclass(frozen=True)
class Judging:
    """What is done with samples once they are taken; every QUBO solver holds one.

    Parameters
    ----------
    rounds : int
        Times at most that a QUBO is made anew near the best answer so far, where it depends on
        one: the compact form and the augmented Lagrangian.
    repair : bool
        Repair decisions that leave no feasible dispatch, where the problem knows how; the record
        keeps the effect apart.
    control_reads : int
        Fair coins that are judged and re-dispatched just as the samples are, for comparison; they
        never become the answer. 0 for none.
    known_optimum : float or None
        Objective of the optimum; where None, HiGHS's, if it proves one for the bound.
    success_gap : float
        Relative distance from the optimum up to which a read counts as a success.
    bound_time_limit_s : float
        Seconds that HiGHS may spend on a proved bound, apart from the sampler; 0 for no bound.
        Within the time limit it gets what is left.
    """

    rounds: int = 3
    repair: bool = True
    control_reads: int = 100
    known_optimum: float | None = None
    success_gap: float = 1e-4
    bound_time_limit_s: float = 10.0

    def __post_init__(self) -> None:
        def check(option: str, right: bool, expected: str) -> None:
            check_option("Judging", option, getattr(self, option), right, expected)

        check("rounds", is_whole(self.rounds) and self.rounds >= 1, "a whole number, 1 or more")
        check("repair", isinstance(self.repair, bool), "true or false")
        right = is_whole(self.control_reads) and 0 <= self.control_reads <= 10**6
        check("control_reads", right, "a whole number, 0 to 10⁶")
        right = self.known_optimum is None or bool(
            is_number(self.known_optimum) and np.isfinite(self.known_optimum)
        )
        check("known_optimum", right, "a finite number, or none")
        check("success_gap", is_number(self.success_gap) and self.success_gap >= 0, "0 or more")
        limit_s = self.bound_time_limit_s
        check("bound_time_limit_s", is_number(limit_s) and limit_s >= 0, "0 or more")


@dataclass(eq=False)
class Judged:
    """The verdicts on all samples of a run, and the best answer among them.

    Parameters
    ----------
    program : Program
        The whole program.
    redispatch : Redispatch
    """

    program: Program
    redispatch: Redispatch
    best: Solution = field(init=False)
    reads: int = 0
    judged: int = 0
    raw_feasible: int = 0
    raw_objective: float = np.inf
    distinct: int = 0
    dispatched: list[Dispatched] = field(default_factory=list)
    has_raw_objective: bool = True
    """Whether a sample has an objective by itself; in the compact form it has decisions only."""
    _outcomes: list[tuple[int, float, float]] = field(default_factory=list)
    """Of each distinct sample: reads, raw objective, objective after re-dispatch."""

    def __post_init__(self) -> None:
        self.best = Solution.at(self.program, None, Termination.SAMPLED)

    def add(
        self, view: View, qubo: Qubo, samples: Samples, deadline: Deadline, latest: Deadline
    ) -> None:
        """Judge samples as they are, then re-dispatch the decisions of the lowest energies.

        Parameters
        ----------
        view, qubo, samples
            What was lowered, to what, and what was sampled of it.
        deadline : Deadline
        latest : Deadline
            Until when to go on while there is no feasible answer.

        Raises
        ------
        KeyboardInterrupt
            In the re-dispatch; what was found before is kept.
        """
        bits, _, counts = samples.distinct()
        self.has_raw_objective = view.is_whole
        self.reads += len(samples.bits)
        self.distinct += len(bits)
        points = qubo.lift(bits[:JUDGED])
        counts = counts[:JUDGED]
        raw = [self._judge(view, x, int(n)) for x, n in zip(points, counts, strict=True)]
        final = dict[bytes, float]()
        decisions = np.rint(points[:, view.decisions])
        try:
            self._dispatch(view, decisions, final, deadline, latest)
        finally:
            for row, objective, n in zip(decisions, raw, counts, strict=True):
                reached = min(objective, final.get(row.tobytes(), np.inf))
                self._outcomes.append((int(n), objective, reached))

    def _judge(self, view: View, x: FloatArray, count: int) -> float:
        """Return the objective of a sample as it came, inf unless it keeps every rule."""
        self.judged += count
        if not view.is_whole:
            self.raw_feasible += count * view.program.is_feasible(x)
            return float("inf")
        answer = Solution.at(self.program, x, Termination.SAMPLED)
        self.raw_feasible += count * answer.is_feasible
        self.raw_objective = min(self.raw_objective, answer.objective)
        self.keep(answer)
        return answer.objective

    def _dispatch(
        self,
        view: View,
        decisions: FloatArray,
        final: dict[bytes, float],
        deadline: Deadline,
        latest: Deadline,
    ) -> None:
        if view.is_whole and bool(self.program.is_decision.all()):
            return
        for row in decisions:
            if row.tobytes() in final:
                continue
            end = deadline if self.best.is_feasible else latest
            if len(final) >= REDISPATCHES or (end.passed and self.dispatched):
                return
            found = self.redispatch(view.columns, row, end)
            self.dispatched.append(found)
            final[row.tobytes()] = found.best.objective
            self.keep(found.best)

    def keep(self, answer: Solution) -> None:
        """Keep an answer if it is the best so far."""
        if rank(answer) < rank(self.best):
            self.best = answer

    def details(self) -> dict[str, float | int | str]:
        """Return the figures for the record; an objective of inf is one that was not reached."""
        repaired = [found.repaired for found in self.dispatched if found.repaired is not None]
        plain = [found.plain for found in self.dispatched]
        feasible = sum(answer.is_feasible for answer in plain)
        return {
            "reads": self.reads,
            "distinct": self.distinct,
            "raw_feasible_share": self.raw_feasible / max(self.judged, 1),
            "raw_objective": self.raw_objective,
            "redispatched": len(plain),
            "redispatch_feasible_share": feasible / max(len(plain), 1),
            "redispatch_objective": min((a.objective for a in plain), default=np.inf),
            "repaired": len(repaired),
            "repair_objective": min((a.objective for a in repaired), default=np.inf),
        }

    def success(self, optimum: float, gap: float, seconds: float) -> dict[str, float | int | str]:
        """Return how often reads reach the optimum within a relative gap, and how long it takes.

        Parameters
        ----------
        optimum, gap : float
        seconds : float
            Of all sampling.

        Notes
        -----
        Reads beyond those that were judged, or re-dispatched, count as failures.
        """
        most = optimum + gap * abs(optimum)
        final = sum(n for n, _, objective in self._outcomes if objective <= most)
        each_s = seconds / max(self.reads, 1)
        tts_s, low_s, high_s = Success(final, self.reads, each_s).tts_s()
        found: dict[str, float | int | str] = {"known_optimum": optimum, "success_gap": gap}
        if self.has_raw_objective:
            raw = sum(n for n, objective, _ in self._outcomes if objective <= most)
            found["raw_success_probability"] = raw / max(self.reads, 1)
        return found | {
            "success_probability": Success(final, self.reads, each_s).probability,
            "tts99_s": tts_s,
            "tts99_low_s": low_s,
            "tts99_high_s": high_s,
        }
