"""The base of every solver that samples a QUBO: back-ends write `sample`, all else is here.

A sample is never an answer yet. Each distinct one is lifted and judged; then its decisions are
held, HiGHS finds the best of what they leave open (the *re-dispatch*), and that is judged as well.
What the sampler reached by itself is recorded apart from what the re-dispatch and the repair made
of it, beside what fair coins reach in the same way; the bound comes from a proved source that has
nothing to do with the sampler.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.errors import TooLargeError, UnsupportedError
from gridopt.linear_prices import LinearPrices, linear_prices
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.fixing import fixed_by_reduced_cost
from gridopt.lowering.lift import Lift
from gridopt.lowering.qubo import Qubo, load_loops, to_qubo
from gridopt.lowering.structure import Native
from gridopt.program import Program
from gridopt.sampling.judging import Judged, Judging
from gridopt.sampling.presolve import Presolved, presolved
from gridopt.sampling.redispatch import SHORTEST_S, Redispatch
from gridopt.sampling.samples import Deadline, Samples
from gridopt.sampling.tightening import tightened
from gridopt.sampling.view import View
from gridopt.solution import Solution, Termination
from gridopt.solver import Progress, ProgressCallback, Solver, check_common, check_option, is_whole
from gridopt.solvers.highs import HiGHS

SAMPLING_SHARE = 0.8
"""Part of a round that sampling may use; its re-dispatch takes the rest."""

ROUNDS_SHARE = 0.85
"""Part of the time limit that all rounds may use; control and bound take the rest."""

LEAST_ROUND = 0.5
"""Part of a round, of the time that each would have, for which another one is begun."""

CONTROL_SHARE = 0.9
"""Part of the time limit by which the control ends."""

LATEST_SHARE = 0.95
"""Part of the time limit by which they end where no answer is feasible yet."""

MANY_COLUMNS, COARSE_GAP = 30_000, 1e-2
"""Size from which a compact form begins with a relaxation solved to that gap, not to the last."""

AFTER_INTERRUPTION_S = 1.0
"""Seconds for the re-dispatch of what there is once the user has stopped the sampling."""


class Clock:
    """Time since the start of a solve, by stage."""

    def __init__(self, limit_s: float | None) -> None:
        self._start = time.monotonic()
        self._lap = self._start
        self._begun_s = 0.0
        self._limit_s = np.inf if limit_s is None else limit_s
        self.stages: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def lap(self, stage: str) -> None:
        """Count the seconds since the last lap to a stage."""
        now = time.monotonic()
        self.stages[stage] = self.stages.get(stage, 0.0) + now - self._lap
        self._lap = now

    def deadline(self, share: float) -> Deadline:
        """Return the moment when `share` of the limit has passed."""
        return Deadline(self._start + share * self._limit_s)

    def begin_round(self) -> None:
        """Let a round begin now."""
        self._begun_s = self.elapsed_s

    def round_deadline(self, share: float, done: float) -> Deadline:
        """Return when part of the time since the round began, to `share` of the limit, is over."""
        left_s = max(share * self._limit_s - self._begun_s, 0.0)
        return Deadline(self._start + self._begun_s + done * left_s)


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

    def check_ready(self) -> None:
        """Raise where a package, an account or a device is missing; nothing is sent anywhere."""
        return

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
        NotInstalledError, OptionError, UnsupportedError
            Where a package, a device or an account is missing.
        """
        self.check_ready()
        load_loops()
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
    right = is_whole(value) and least <= value <= most
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
    """One run of a `QuboSolver`: the program, the clock, and what has been judged so far."""

    def __init__(
        self, solver: QuboSolver, program: Program, progress: ProgressCallback | None
    ) -> None:
        self._solver = solver
        self._lowering = solver.lowering
        self._judging = solver.judging
        self._program = program
        self._progress = progress
        self._clock = Clock(solver.time_limit_s)
        self._redispatch = Redispatch(program, self._judging.repair)
        self._judged = Judged(program, self._redispatch)
        self._details: dict[str, float | int | str] = {}
        self._termination = Termination.SAMPLED
        self._complete = False
        self._lower, self._upper = program.lower, program.upper
        self._prices: LinearPrices | None = None
        self._near: FloatArray | None = None
        self._multipliers: dict[str, float] = {}
        self._optimum = self._judging.known_optimum

    def run(self) -> Solution:
        """Sample and judge in rounds; then the control, the bound and how often reads succeed."""
        bound, source = -np.inf, ""
        with self._interruptible():
            self._prepare()
            control = self._rounds()
            if self._termination is not Termination.INTERRUPTED:
                self._control(*control)
                bound, source = self._bound()
                self._clock.lap("bound_s")
        self._details |= self._judged.details()
        if self._optimum is not None:
            seconds = self._clock.stages.get("sample_s", 0.0)
            gap = self._judging.success_gap
            self._details |= self._judged.success(self._optimum, gap, seconds)
        return replace(
            self._judged.best,
            termination=self._termination,
            bound=bound,
            bound_source=source,
            details={**self._details, **self._clock.stages},
        )

    def _prepare(self) -> None:
        """Solve the relaxation where something needs it: fixing, the compact form, soft rows."""
        upper_bound = self._lowering.upper_bound
        is_compact = self._lowering.form == "compact"
        if not is_compact and upper_bound is None and self._lowering.inequality_form == "slack":
            return
        with suppress(UnsupportedError):
            left_s = self._clock.deadline(ROUNDS_SHARE / 2.0).left_s
            limit_s = left_s if np.isfinite(left_s) else None
            if is_compact and upper_bound is None and self._program.n_columns >= MANY_COLUMNS:
                coarse = HiGHS(gap=COARSE_GAP, time_limit_s=limit_s, relaxation="ipm")
                self._near = coarse.solve(self._program.relaxed()).x
            else:
                self._prices = linear_prices(self._program, limit_s)
        if self._prices is not None:
            self._near = self._prices.x
            if upper_bound is not None:
                fixed = fixed_by_reduced_cost(self._program, self._prices, upper_bound)
                self._lower, self._upper = fixed.lower, fixed.upper
                self._details["fixed_by_reduced_cost"] = fixed.count
        elif is_compact and self._near is None and self._program.compact is not None:
            columns = self._program.compact.columns
            decisions = self._program.compact.repaired(self._program.lower[columns])
            self._near = self._redispatch(columns, decisions, Deadline()).plain.x
        if is_compact:
            # what is known of the program says nothing of the model's own objective
            self._lowering = replace(self._lowering, upper_bound=None)
        self._clock.lap("relax_s")

    def _view(self) -> View:
        if self._lowering.form == "full":
            return View.full(self._program, self._lower, self._upper, self._prices)
        near = np.zeros(self._program.n_columns) if self._near is None else self._near
        mends = self._judging.repair and "inequality" not in self._solver.native
        return View.compact(self._program, near, self._lower, self._upper, without_mended=mends)

    def _rounds(self) -> tuple[View, Qubo]:
        """Lower, sample and judge; anew where the QUBO depends on what was found so far."""
        rounds = self._judging.rounds if self._lowering.is_local else 1
        for number in range(rounds):
            self._clock.begin_round()
            view = self._view()
            whole = self._lowered(view)
            self._solver.check(whole)
            solved = self._presolved(whole)
            self._clock.lap("lower_s")
            samples = self._round(view, whole, solved.rest, Part(number, rounds))
            if self._is_over(Part(number, rounds)):
                break
            if self._judged.best.is_feasible:
                self._near = self._judged.best.x
            if self._lowering.inequality_form == "augmented_lagrangian" and len(samples.bits):
                lowest = samples.bits[int(np.argmin(samples.energies))]
                self._multipliers = whole.multipliers_after(solved.fill(lowest))
        self._details["rounds"] = number + 1
        return view, solved.rest

    def _is_over(self, part: Part) -> bool:
        """Return whether no further round is worth beginning."""
        return (
            self._termination is Termination.INTERRUPTED
            or self._clock.round_deadline(ROUNDS_SHARE, 1.0 - LEAST_ROUND / part.of).passed
        )

    def _lowered(self, view: View) -> Qubo:
        prices = {**view.prices, **self._multipliers}
        if not self._lowering.tighten:
            return to_qubo(view.program, self._lowering, self._solver.native, prices)
        found = tightened(view.program, self._lowering, self._solver.native, prices)
        self._details["weights"] = found.how
        return found.qubo

    def _presolved(self, qubo: Qubo) -> Presolved:
        if not self._lowering.presolve:
            return Presolved(qubo, Lift.identity(qubo.n_bits), {})
        found = presolved(qubo)
        self._details |= found.details
        return found

    def _round(self, view: View, whole: Qubo, qubo: Qubo, part: Part) -> Samples:
        end = self._clock.round_deadline(ROUNDS_SHARE, part.share(1.0))
        samples = self._sampled(qubo, part)
        self._clock.lap("sample_s")
        self._record(whole, samples)
        self._complete = samples.complete and whole.exact and whole.resolution is None
        self._complete &= view.is_whole
        latest = self._clock.round_deadline(LATEST_SHARE, part.share(1.0))
        if self._termination is Termination.INTERRUPTED:
            end = latest = Deadline.after(AFTER_INTERRUPTION_S)
        with self._interruptible():
            self._judged.add(view, qubo, samples, end, latest)
        self._clock.lap("redispatch_s")
        self._report("samples judged")
        return samples

    def _sampled(self, qubo: Qubo, part: Part) -> Samples:
        """Take batches until the sampler is done, time is up or Ctrl-C."""
        if not qubo.n_bits:
            return Samples.of(qubo, np.zeros((1, 0)), complete=True)
        deadline = self._clock.round_deadline(ROUNDS_SHARE, part.share(SAMPLING_SHARE))
        batches: list[Samples] = []
        with self._interruptible():
            for batch in part.seeded(self._solver).sample(qubo, deadline):
                batches.append(batch)
                self._report(f"{sum(len(batch.bits) for batch in batches)} reads")
                if deadline.passed:
                    break
            if deadline.passed:
                self._termination = Termination.TIME_LIMIT
        return _joined(qubo, batches)

    def _record(self, qubo: Qubo, samples: Samples) -> None:
        self._details |= {
            **qubo.describe(),
            "form": self._lowering.form,
            "encoding": str(self._lowering.encoding),
            "inequalities": self._lowering.inequality_form,
            "rounding": int(self._lowering.rounds),
            "penalty": self._lowering.penalty,
            **samples.details,
        }
        if len(samples.energies):
            self._details["best_energy"] = float(samples.energies.min())

    def _control(self, view: View, qubo: Qubo) -> None:
        """Judge and re-dispatch fair coins as the samples were, and record what they reach."""
        reads = self._judging.control_reads
        deadline = self._clock.deadline(CONTROL_SHARE)
        if not reads or self._complete or deadline.passed:
            return
        coins = np.random.default_rng(self._solver.seed).integers(0, 2, (reads, qubo.n_bits))
        control = Judged(self._program, Redispatch(self._program, self._judging.repair))
        control.add(view, qubo, Samples.of(qubo, coins), deadline, deadline)
        found = control.details()
        names = ("reads", "raw_feasible_share", "raw_objective", "redispatched")
        self._details |= {f"control_{name}": found[name] for name in names}
        self._details["control_objective"] = control.best.objective
        self._clock.lap("control_s")

    def _bound(self) -> tuple[float, str]:
        """Return a proved bound and its source, and settle what the enumeration proved."""
        best = self._judged.best
        if self._complete:
            if best.is_feasible:
                self._termination = Termination.OPTIMAL
                self._optimum = best.objective
                return best.objective, "enumeration"
            self._termination = Termination.INFEASIBLE
            return np.inf, "enumeration"
        limit_s = min(self._judging.bound_time_limit_s, max(self._clock.deadline(1.0).left_s, 0.0))
        found: Solution | None = None
        if limit_s >= SHORTEST_S:
            with suppress(UnsupportedError):
                found = HiGHS(time_limit_s=limit_s, seed=self._solver.seed).solve(self._program)
        if found is None:
            return -np.inf, ""
        if found.termination is Termination.INTERRUPTED:
            self._interrupted()
        if found.termination is Termination.INFEASIBLE and not best.is_feasible:
            self._termination = Termination.INFEASIBLE
            return np.inf, "HiGHS"
        if found.termination is Termination.OPTIMAL and self._optimum is None:
            self._optimum = min(found.objective, best.objective)
        source = f"HiGHS, {limit_s:.3g} s" if np.isfinite(found.bound) else ""
        return found.bound, source

    def _interruptible(self) -> _Interruptible:
        return _Interruptible(self._interrupted)

    def _interrupted(self) -> None:
        self._termination = Termination.INTERRUPTED

    def _report(self, stage: str) -> None:
        if self._progress is not None:
            objective = self._judged.best.objective
            self._progress(Progress(self._clock.elapsed_s, objective, -np.inf, stage))


class Part(NamedTuple):
    """One of several rounds."""

    number: int
    of: int

    def share(self, done: float) -> float:
        """Return what part of the time left for rounds is over once `done` of this one is."""
        return done / (self.of - self.number)

    def seeded(self, solver: QuboSolver) -> QuboSolver:
        """Return the solver with a seed of this round's own."""
        if not self.number:
            return solver
        return replace(solver, seed=(solver.seed + self.number) % 2**31)  # type: ignore[type-var]


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
