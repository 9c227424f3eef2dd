"""The base of every solver that samples a QUBO: back-ends write `sample`, all else is here.

A sample is never an answer yet. Each distinct one is lifted and judged on the program itself; then
its decisions are held, HiGHS finds the best of what they leave open (the *re-dispatch*), and that
is judged as well. What the sampler reached by itself is recorded apart from what the re-dispatch
made of it, and the bound comes from a proved source that has nothing to do with the sampler.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.encoding import Lowering
from gridopt.errors import TooLargeError, UnsupportedError
from gridopt.program import FEASIBILITY_TOLERANCE, Integrality, Program
from gridopt.qubo import Qubo, to_qubo
from gridopt.samples import Deadline, Samples
from gridopt.solution import Solution, Termination
from gridopt.solver import (
    Progress,
    ProgressCallback,
    Solver,
    check_common,
    check_option,
    is_number,
)
from gridopt.solvers.highs import HiGHS
from gridopt.structure import Native

JUDGED = 1000
"""Largest number of distinct samples that are judged, the lowest energies first."""

SAMPLING_SHARE = 0.7
"""Part of the time limit that sampling may use; re-dispatch and bound take the rest."""

REDISPATCH_SHARE = 0.85
"""Part of the time limit by which the re-dispatch ends."""

REDISPATCHES = 24
"""Largest number of distinct decisions that are re-dispatched, the lowest energies first."""

_SHORTEST_S = 0.05


class Clock:
    """Time since the start of a solve, by stage."""

    def __init__(self, limit_s: float | None) -> None:
        self._start = time.monotonic()
        self._lap = self._start
        self._limit_s = np.inf if limit_s is None else limit_s
        self.stages: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def lap(self, stage: str) -> None:
        """Record the seconds since the last lap under the name of a stage."""
        now = time.monotonic()
        self.stages[stage] = now - self._lap
        self._lap = now

    def deadline(self, share: float) -> Deadline:
        """Return the moment when `share` of the limit has passed."""
        return Deadline(self._start + share * self._limit_s)


@dataclass(frozen=True)
class Judging:
    """What is done with samples once they are taken; every QUBO solver holds one.

    Parameters
    ----------
    bound_time_limit_s : float
        Seconds that HiGHS may spend on a proved bound, apart from the sampler; 0 for no bound.
        Within the time limit it gets what is left.
    """

    bound_time_limit_s: float = 10.0

    def __post_init__(self) -> None:
        limit_s = self.bound_time_limit_s
        right = is_number(limit_s) and limit_s >= 0
        check_option("Judging", "bound_time_limit_s", limit_s, right, "0 or more")


class QuboSolver(Solver):
    """Solves a program by sampling its QUBO; a back-end provides `sample` and its options.

    Every back-end is a frozen dataclass that has at least these fields, among its own.

    Attributes
    ----------
    seed : int
    time_limit_s : float or None
        Wall seconds for all of it: seven tenths of it at most go to sampling, which stops between
        two reads.
    lowering : Lowering
        How the program becomes a QUBO.
    judging: Judging
    """

    seed: int
    time_limit_s: float | None
    lowering: Lowering
    judging: Judging

    @property
    def native(self) -> frozenset[Native]:
        """Kinds of rules that the samples keep by themselves; none unless a back-end says so."""
        return frozenset()

    @abstractmethod
    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` where `qubo` does not fit, before anything is allocated."""

    @abstractmethod
    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield samples batch by batch; it is not asked for more once time is up.

        Parameters
        ----------
        qubo : Qubo
            With one bit at least.
        deadline : Deadline
            When sampling must be over.
        """

    def solve(self, program: Program, progress: ProgressCallback | None = None) -> Solution:
        """Return the best answer found, judged on `program`.

        The termination is SAMPLED where all reads were taken, TIME_LIMIT or INTERRUPTED where the
        clock or Ctrl-C ended them. It is OPTIMAL only where a complete enumeration of an exact QUBO
        left nothing on a grid, and INFEASIBLE only where such an enumeration or HiGHS proved it.

        Raises
        ------
        TooLargeError
            Where the QUBO has more bits than this solver takes.
        ResolutionError, UnsupportedError
            Where the program has no QUBO under `lowering`.
        """
        return _Solve(self, program, progress).run()


def check_qubo_options(
    owner: str,
    seed: int,
    time_limit_s: float | None,
    lowering: Lowering,
    judging: Judging,
) -> None:
    """Check the options that every `QuboSolver` shares."""
    check_common(owner, seed, time_limit_s)
    right = isinstance(lowering, Lowering)
    check_option(owner, "lowering", lowering, right, "a Lowering")
    right = isinstance(judging, Judging)
    check_option(owner, "judging", judging, right, "a Judging")


def check_whole(owner: str, option: str, value: object, least: int, most: int) -> None:
    """Check that an option is a whole number in a range."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    right = whole and least <= value <= most  # type: ignore[operator]
    check_option(owner, option, value, right, f"a whole number, {least} to {most}")


def check_whole_or_none(owner: str, option: str, value: object, least: int, most: int) -> None:
    """Check that an option is a whole number in a range, or None: chosen automatically."""
    if value is not None:
        check_whole(owner, option, value, least, most)


def check_fits(owner: str, qubo: Qubo, most_bits: int) -> None:
    """Check that a QUBO is not too large and that its numbers are finite.

    Raises
    ------
    TooLargeError, UnsupportedError
    """
    if qubo.n_bits > most_bits:
        raise TooLargeError(
            f"{owner} takes up to {most_bits} bits, this needs {qubo.n_bits} ({qubo.n_slack} of "
            "them slack): take a window of fewer hours or units, a coarser resolution or fewer "
            "levels, or the solver highs"
        )
    wrong = int((~np.isfinite(qubo.Q.data)).sum()) + (not np.isfinite(qubo.offset))
    if wrong:
        raise UnsupportedError(
            f"{wrong} numbers of the QUBO are not finite: lower the penalty, or mend the data"
        )


class _Solve:
    """One run of a `QuboSolver`: the program, the clock, and the best answer so far."""

    def __init__(
        self, solver: QuboSolver, program: Program, progress: ProgressCallback | None
    ) -> None:
        self._solver = solver
        self._program = program
        self._progress = progress
        self._clock = Clock(solver.time_limit_s)
        self._best = Solution.at(program, None, Termination.SAMPLED)
        self._details: dict[str, float | int | str] = {}
        self._termination = Termination.SAMPLED
        self._complete = False

    def run(self) -> Solution:
        qubo = to_qubo(self._program, self._solver.lowering)
        self._solver.check(qubo)
        self._clock.lap("lower_s")
        samples = self._sampled(qubo)
        self._clock.lap("sample_s")
        self._record(qubo, samples)
        points, counts = self._points(qubo, samples)
        self._judge(points, counts)
        with self._interruptible():
            self._redispatch(points)
        self._clock.lap("redispatch_s")
        bound, source = self._bound()
        self._clock.lap("bound_s")
        return replace(
            self._best,
            termination=self._termination,
            bound=bound,
            bound_source=source,
            details={**self._details, **self._clock.stages},
        )

    def _sampled(self, qubo: Qubo) -> Samples:
        """Take batches until the sampler is done, time is up or Ctrl-C."""
        if not qubo.n_bits:
            return Samples.of(qubo, np.zeros((1, 0)), complete=True)
        deadline = self._clock.deadline(SAMPLING_SHARE)
        batches: list[Samples] = []
        with self._interruptible():
            for batch in self._solver.sample(qubo, deadline):
                batches.append(batch)
                self._report_reads(batches)
                if deadline.passed:
                    break
            if deadline.passed:
                self._termination = Termination.TIME_LIMIT
        return _joined(qubo, batches)

    def _report_reads(self, batches: list[Samples]) -> None:
        reads = sum(len(batch.bits) for batch in batches)
        self._report(f"{reads} reads")

    def _record(self, qubo: Qubo, samples: Samples) -> None:
        self._details = {
            **qubo.describe(),
            "reads": len(samples.bits),
            "rounding": int(self._solver.lowering.rounds),
            "penalty": self._solver.lowering.penalty,
            **samples.details,
        }
        if len(samples.energies):
            self._details["best_energy"] = float(samples.energies.min())
        self._complete = samples.complete and qubo.exact and qubo.resolution is None

    def _points(self, qubo: Qubo, samples: Samples) -> tuple[FloatArray, IntArray]:
        bits, _, counts = samples.distinct()
        self._details["distinct"] = len(bits)
        return qubo.lift(bits[:JUDGED]), counts[:JUDGED]

    def _judge(self, points: FloatArray, counts: IntArray) -> None:
        """Judge the samples as they are; record what the sampler reached by itself."""
        feasible = 0
        for x, count in zip(points, counts, strict=True):
            answer = Solution.at(self._program, x, self._termination)
            feasible += int(count) * answer.is_feasible
            self._keep(answer)
        self._details["raw_feasible_share"] = feasible / max(int(counts.sum()), 1)
        self._details["raw_objective"] = self._best.objective
        self._report("samples judged")

    def _redispatch(self, points: FloatArray) -> None:
        """Hold the decisions of one sample after the other; HiGHS finds the best of the rest."""
        program = self._program
        self._details["redispatched"] = 0
        if bool(program.is_decision.all()):
            return
        deadline = self._clock.deadline(REDISPATCH_SHARE)
        decisions = np.rint(points[:, program.is_decision])
        _, first = np.unique(decisions, axis=0, return_index=True)
        for k in np.sort(first)[:REDISPATCHES]:
            if deadline.passed and self._details["redispatched"]:
                break
            self._dispatch(decisions[k], deadline)

    def _dispatch(self, decisions: FloatArray, deadline: Deadline) -> None:
        held = self._program.fixed(self._program.is_decision, decisions)
        implied = self._program.integrality == Integrality.IMPLIED
        for candidate in (held.relaxed(), held)[: 2 if implied.any() else 1]:
            limit_s = max(deadline.left_s, _SHORTEST_S)
            highs = HiGHS(time_limit_s=limit_s if np.isfinite(limit_s) else None, gap=1e-7)
            found = highs.solve(candidate)
            answer = Solution.at(self._program, found.x, self._termination)
            self._details["redispatched"] = int(self._details["redispatched"]) + 1
            self._keep(answer)
            # Whole of themselves, or no dispatch at all: the whole program has nothing to add.
            if found.x is None or answer.is_feasible:
                break
        self._report("re-dispatch")

    def _keep(self, answer: Solution) -> None:
        if _rank(answer) < _rank(self._best):
            self._best = answer

    def _bound(self) -> tuple[float, str]:
        """Return a proved bound and its source, and settle what the enumeration proved."""
        if self._complete:
            if self._best.is_feasible:
                self._termination = Termination.OPTIMAL
                return self._best.objective, "enumeration"
            self._termination = Termination.INFEASIBLE
            return np.inf, "enumeration"
        return self._highs_bound()

    def _highs_bound(self) -> tuple[float, str]:
        limit_s = min(
            self._solver.judging.bound_time_limit_s, max(self._clock.deadline(1.0).left_s, 0.0)
        )
        found: Solution | None = None
        if limit_s >= _SHORTEST_S:
            with suppress(UnsupportedError), self._interruptible():
                found = HiGHS(time_limit_s=limit_s, seed=self._solver.seed).solve(self._program)
        if found is None:
            return -np.inf, ""
        if found.termination is Termination.INFEASIBLE and not self._best.is_feasible:
            self._termination = Termination.INFEASIBLE
            return np.inf, "HiGHS"
        source = f"HiGHS, {limit_s:.3g} s" if np.isfinite(found.bound) else ""
        return found.bound, source

    def _interruptible(self) -> _Interruptible:
        return _Interruptible(self._interrupted)

    def _interrupted(self) -> None:
        self._termination = Termination.INTERRUPTED

    def _report(self, stage: str) -> None:
        if self._progress is not None:
            self._progress(Progress(self._clock.elapsed_s, self._best.objective, -np.inf, stage))


class _Interruptible:
    """A stage that Ctrl-C ends without losing what there is."""

    def __init__(self, interrupted: Callable[[], None]) -> None:
        self._interrupted = interrupted

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._interrupted()
            return True
        return False


def _rank(answer: Solution) -> tuple[bool, float, float]:
    """Feasible first, by cost; then by violation."""
    if answer.violation <= FEASIBILITY_TOLERANCE:
        return False, answer.objective, answer.violation
    return True, answer.violation, answer.violation


def _joined(qubo: Qubo, batches: list[Samples]) -> Samples:
    if not batches:
        return Samples(np.zeros((0, qubo.n_bits), dtype=np.uint8), np.zeros(0))
    details: dict[str, float | int | str] = {}
    for batch in batches:
        details.update(batch.details)
    return Samples(
        np.concatenate([batch.bits for batch in batches]),
        np.concatenate([batch.energies for batch in batches]),
        details,
        any(batch.complete for batch in batches),
    )
