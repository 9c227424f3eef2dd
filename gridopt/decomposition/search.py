"""The search: prices and a bound, answers at those prices, then better ones from the core.

1. *Prices*: the Lagrangian dual, which proves the bound.
2. *Null sampler*: what agents answer to the prices, raised a little in steps, dispatched. It has no
   QUBO, and every sampler must add to what it finds.
3. *Window*: near the best answer, HiGHS decides what is nearly undecided.
4. *Core*: in turn with windows, a sampler chooses among the agents' other schedules; what it
   chooses is dispatched, repaired and kept if it is better.

With a time limit, HiGHS also works on the whole program beside all that: see `partner`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridopt.agents import Answers
from gridopt.arrays import FloatArray
from gridopt.decomposition.core import Core, core
from gridopt.decomposition.dispatch import Dispatch, Dispatched
from gridopt.decomposition.dual import Dual
from gridopt.decomposition.partner import Partner
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.repair import Repair
from gridopt.decomposition.schedules import Decisions, Pool
from gridopt.decomposition.windows import KINDS, Choice, Windows
from gridopt.errors import TooLargeError
from gridopt.highs_model import Clock
from gridopt.program import Program
from gridopt.sampling.qubo_solver import QuboSolver
from gridopt.sampling.redispatch import Redispatch
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solution import Solution, Step, Termination, relative_gap

MOST_EVALUATIONS = 400
"""Times at most that the agents are asked for their answers to prices."""

UPLIFTS = (0.0, 0.0025, 0.005, 0.01, 0.02)
"""Shares by which prices are raised to commit a little more than they ask for."""

ROUNDINGS = 2
"""Times that the best mix of answers is rounded, the first time without chance."""

ROW_ROUNDS = 10
"""Times at most that the prices are found anew with more lazy rows."""

SHORT = 2.0
"""Of samples that miss something: what a unit of it counts, in typical prices."""

READS = 16
"""Of a core, where the sampler has no number of its own."""

SCORED = 8
"""Samples that are dispatched, of one core."""

REPAIRED = 1
"""Of those that miss something, how many are repaired."""

PRICE_NOISE = (0.0, 0.02, 0.05, 0.1)
"""Relative noise of the prices at which agents are asked for more schedules."""

STALL = 20
"""Cores in a row without a better answer after which the search ends."""

RAISE, DECAY, MOST_EXTRA = 0.1, 0.97, 10.0
"""Of the extra cost of a row, in typical prices: rise with a sample that misses most there, decay
with one that does not, and most."""

FIRST_WINDOW, SHARE, WIDER = 300, 0.025, 2.0
"""Decisions that are free in the first window at least, which share of all, and by what factor more
once one of each kind was in vain."""

FINE = 0.1
"""Share of the gap that is left at which a window is done: finer takes longer than wider."""

NAMED = 20
"""Rows that are named where no answer was found."""

SOFTER, STIFFER = 0.5, 2.0
"""Most change of the stiffness from one core to the next."""


@dataclass(frozen=True)
class Options:
    """See `gridopt.solvers.decomposition.Decomposition`."""

    sampler: QuboSolver | None
    windows: bool
    beside: bool
    gap: float
    core_bits: int
    seed: int


class Search:
    """One decomposition of a program.

    Parameters
    ----------
    program : Program
    options : Options
    clock : Clock
    """

    def __init__(self, program: Program, options: Options, clock: Clock) -> None:
        self._program, self._options, self._clock = program, options, clock
        self._sampler, self._gap = options.sampler, options.gap
        self._rng = np.random.default_rng(options.seed)
        self._bound, self._null = -np.inf, np.inf
        self._trace: list[Step] = []
        self._details: dict[str, float | int | str] = {}
        self._seconds: dict[str, float] = {}
        self._lap = time.perf_counter()
        self._x: FloatArray | None = None
        self._objective = np.inf
        self._termination = Termination.SAMPLED
        self._source = "Lagrangian dual"
        self._prepare(Parts.of(program), None)
        self._partner: Partner | None = None

    def run(self) -> Solution:
        """Return the best answer by the end of the search."""
        try:
            self._run()
        except KeyboardInterrupt:
            self._termination = Termination.INTERRUPTED
        if self._partner is not None:
            self._partner.end()
        self._look_around()
        over = self._clock.over()
        if self._termination is Termination.SAMPLED and over is not None:
            self._termination = over
        if self._is_proved():
            self._termination = Termination.OPTIMAL
        self._details |= {
            "price_evaluations": self._dual.evaluations,
            "null_objective": self._null,
            "null_gap": relative_gap(self._null, self._bound),
            "schedules": len(self._pool),
            "dispatches": self._dispatch.calls,
            "lazy_rows": self._parts.program.n_rows - self._program.n_rows,
            **self._seconds,
        }
        if self._x is None:
            self._details["missing"] = self._missing()
        source = self._source if np.isfinite(self._bound) else ""
        found = Solution.at(
            self._program, self._x, self._termination, self._bound, source, self._details
        )
        return replace(found, trace=tuple(self._trace), prices=self._prices())

    def _run(self) -> None:
        if not np.isfinite(self._dual.best.answers.least).all():
            self._termination = Termination.INFEASIBLE
            return
        for _ in range(ROW_ROUNDS):
            self._find_prices()
            self._answer_prices()
            if not len(self._dispatch.added) or self._is_over():
                break
            prices = np.concatenate([self._dual.best.prices, np.zeros(len(self._dispatch.added))])
            self._prepare(Parts.of(self._parts.program.with_rows(self._dispatch.added)), prices)
        if self._is_over():
            return
        start = Solution.at(self._program, self._x, Termination.SAMPLED)
        start = replace(start, prices=self._prices())
        given = self._options
        is_whole = given.beside and self._clock.time_limit_s is not None
        self._partner = Partner(self._program, start, given.gap, given.seed, self._clock, is_whole)
        self._partner.wait()
        self._improve()
        while self._partner.is_at_work and not self._is_over():
            self._partner.wait_a_moment()

    def _prices(self) -> FloatArray:
        """Return the prices that prove the dual's bound, of the program's rows, (m,)."""
        prices, ties = np.zeros(self._program.n_rows), self._parts.ties
        listed = ties < len(prices)
        prices[ties[listed]] = self._dual.best.prices[listed]
        return prices

    def _prepare(self, parts: Parts, prices: FloatArray | None) -> None:
        self._parts = parts
        self._pool = Pool(parts)
        self._dual = Dual(parts, self._clock, prices)
        priced = np.abs(self._dual.best.prices)
        self._typical = float(priced[priced > 0].mean()) if priced.any() else 1.0
        self._dispatch = Dispatch(parts, self._pool, self._typical, self._clock)
        self._extra = np.zeros(len(parts.ties))
        self._repair = Repair(parts, self._pool, self._dispatch, self._typical)

    def _find_prices(self) -> None:
        dual = self._dual
        self._keep(dual.best.answers)
        while not (dual.is_converged or dual.evaluations >= MOST_EVALUATIONS):
            self._look_around()
            if self._termination is Termination.INFEASIBLE:
                break
            if dual.step() is not Termination.OPTIMAL:
                break
            self._keep(dual.last.answers)
            self._raise_bound(dual.best.bound)
            self._clock.report(self._objective, self._bound, f"prices {dual.evaluations}")
        self._raise_bound(dual.best.bound)
        self._count("prices_s")

    def _answer_prices(self) -> None:
        """Dispatch what agents answer to the prices, and their best mix, rounded."""
        parts, prices = self._parts, self._dual.best.prices
        for uplift in UPLIFTS:
            if self._is_over():
                break
            decisions = self._keep(parts.agents.answers(parts.costs((1.0 + uplift) * prices)))
            found = self._take(decisions, "null")
            if found is not None and self._x is None:
                self._mend(found, "null, repaired")
        for number in range(ROUNDINGS):
            if self._is_over():
                break
            rounded = self._dual.rounded(self._rng if number else None)
            decisions = np.rint(rounded).astype(np.int64)
            found = self._take(decisions, "rounding")
            if found is not None and not np.isfinite(found.objective):
                self._mend(found, "rounding, repaired")
        if self._dispatch.best is not None:
            self._null = self._dispatch.best.objective
        owner, decided = parts.agents.owner[parts.decided], parts.decided
        marginals = parts.agents.marginals(parts.costs(prices))[:, decided]
        self._excess = marginals.max(axis=0) - self._dual.best.answers.least[owner]
        self._answered = self._pool.decisions(self._dual.best.answers.x)
        self._count("null_s")

    def _keep(self, answers: Answers) -> Decisions:
        """Keep the schedules of answers; return them."""
        decisions = self._pool.decisions(answers.x)
        self._pool.add(decisions)
        return decisions

    def _improve(self) -> None:
        """Take windows and cores in turn until none makes the best answer better."""
        sampler, stiffness = self._sampler, 1.0
        windows = None
        if self._options.windows:
            seed = self._options.seed
            windows = Windows(self._program, seed, self._clock, self._is_outdone)
        cores, core_stall, number, window_stall = 0, 0, 0, 0
        size = max(FIRST_WINDOW, int(SHARE * len(self._pool.columns)))
        choice = Choice(self._parts, self._rng)
        while self._dispatch.best is not None and not self._is_over():
            before = self._dispatch.best
            if windows is not None and window_stall < STALL:
                self._window(windows, choice, size, number)
                window_stall = 0 if self._dispatch.best is not before else window_stall + 1
                number += 1
                size = int(size * WIDER) if number % KINDS == 0 and window_stall >= KINDS else size
            before = self._dispatch.best
            if sampler is not None and core_stall < STALL and not self._is_over():
                stiffness *= self._sampled_core(sampler, before, cores, stiffness)
                core_stall = 0 if self._dispatch.best is not before else core_stall + 1
                cores += 1
            if (sampler is None or core_stall >= STALL) and (
                windows is None or window_stall >= STALL
            ):
                break

    def _window(self, windows: Windows, choice: Choice, size: int, number: int) -> None:
        program, best = self._program, self._dispatch.best
        if best is None or self._x is None:
            return
        excess = np.where(best.decisions == self._answered, self._excess, -np.inf)
        room = self._objective - self._dual.best.bound
        chosen = choice(excess, room, size, number)
        x, free = self._x.copy(), np.ones(program.n_columns, dtype=np.bool_)
        x[self._parts.decided] = best.decisions
        free[self._parts.decided] = False
        free[self._parts.decided[chosen]] = True
        whole = program.is_decision
        fine = FINE * max(relative_gap(self._objective, self._bound), self._gap)
        decided = windows(np.rint(x[whole]), free[whole], fine)
        if decided is not None:
            self._take_up(decided, f"window of {len(chosen)}")
        self._details |= {"windows": number + 1, "window": len(chosen)}
        self._count("window_s")

    def _take_up(self, decided: FloatArray, stage: str) -> None:
        """Dispatch values of the program's decision columns."""
        x = np.zeros(self._program.n_columns)
        x[self._program.is_decision] = decided
        decisions = self._pool.decisions(x)
        self._pool.add(decisions)
        self._take(decisions, stage)

    def _sampled_core(
        self, sampler: QuboSolver, best: Dispatched, number: int, stiffness: float
    ) -> float:
        """Sample a core near the best answer; return by what factor it was too soft."""
        self._ask_for_more(best)
        room = self._objective - self._dual.best.bound
        prices = self._dual.best.prices
        around = core(
            self._parts, self._pool, best, prices, room, self._options.core_bits, stiffness, self._extra
        )
        around = self._fitting(sampler, around)
        self._count("core_s")
        ratios: list[float] = []
        if len(around):
            samples = self._sampled(sampler, around, number)
            self._count("sample_s")
            ratios = self._score(around, samples, best)
            self._count("dispatch_s")
        self._details |= {"cores": number + 1, "core_bits": len(around)}
        return min(max(float(np.median(ratios)), SOFTER), STIFFER) if ratios else 1.0

    def _ask_for_more(self, best: Dispatched) -> None:
        """Ask agents for schedules at the answer's prices and at prices near those of the bound."""
        parts, dual = self._parts, self._dual.best.prices
        limit = 3.0 * self._typical
        for prices in (dual, np.clip(best.prices, -limit, limit)):
            for noise in PRICE_NOISE:
                moved = prices * (1.0 + noise * self._rng.normal(size=len(prices)))
                self._keep(parts.agents.answers(parts.costs(moved)))

    def _fitting(self, sampler: QuboSolver, around: Core) -> Core:
        """Return the core, or as much of it as the sampler takes."""
        native = "cardinality" in sampler.native
        while len(around):
            try:
                sampler.check(around.qubo(native))
                break
            except TooLargeError:
                around = around.first(len(around) * 3 // 4)
        return around

    def _sampled(self, sampler: QuboSolver, around: Core, number: int) -> Samples:
        qubo = around.qubo("cardinality" in sampler.native)
        changes: dict[str, Any] = {"seed": (sampler.seed + number) % 2**31}
        if getattr(sampler, "reads", 0) is None:
            changes["reads"] = READS  # chosen by the clock, they would not be repeatable
        seeded = replace(sampler, **changes)  # type: ignore[type-var]
        deadline = Deadline.after(self._clock.left_s())
        batches = []
        for batch in seeded.sample(qubo, deadline):
            batches.append(batch)
            self._clock.report(self._objective, self._bound, f"core {number + 1}")
            if deadline.passed:
                break
        nothing = np.zeros((0, qubo.n_bits), dtype=np.uint8)
        bits = np.concatenate([nothing, *(batch.bits for batch in batches)])
        self._details["samples"] = int(self._details.get("samples", 0)) + len(bits)
        return Samples.of(qubo, bits)

    def _score(self, around: Core, samples: Samples, best: Dispatched) -> list[float]:
        """Dispatch the best samples; return by what factor each one's curvature was too low."""
        bits, energies, _ = samples.distinct()
        ratios: list[float] = []
        missing: list[tuple[float, int, Dispatched]] = []
        scored = 0
        for row, energy in zip(bits, energies, strict=True):
            if scored == SCORED or self._is_over():
                break
            decisions = around.decisions(row)
            is_new = self._dispatch.known(decisions) is None
            found = self._take(decisions, "core")
            if found is None:
                break
            self._learn(found)
            if not is_new:
                continue
            scored += 1
            if np.isfinite(found.objective):
                z = row[: len(around)].astype(np.float64)
                linear, curved = float(around.cost @ z), float(z @ around.coupling @ z) / 2.0
                if curved > 0.0:
                    ratios.append((found.objective - best.objective - linear) / curved)
            else:
                short = SHORT * self._typical * float(np.abs(found.missed).sum())
                missing.append((float(energy) + short, scored, found))
        for _, _, found in sorted(missing)[:REPAIRED]:
            self._mend(found, "core, repaired")
        return ratios

    def _take(self, decisions: Decisions, stage: str) -> Dispatched | None:
        """Dispatch decisions, and keep the answer if it is better."""
        found = self._dispatch(decisions)
        self._keep_best(stage)
        return found

    def _mend(self, found: Dispatched, stage: str) -> None:
        """Repair what misses something, and keep the answer if it is better."""
        self._repair(found, self._dual.best.prices + self._extra)
        self._keep_best(stage)

    def _keep_best(self, stage: str) -> None:
        best, x = self._dispatch.best, self._dispatch.best_x
        if best is None or x is None or best.objective >= self._objective:
            return
        answer = Solution.at(self._program, x, Termination.SAMPLED)
        if not answer.is_feasible:  # nobody's integers, such as those that keep charging apart
            columns, values = self._pool.columns, best.decisions.astype(np.float64)
            deadline = Deadline.after(self._clock.left_s())
            answer = Redispatch(self._program, repair=False)(columns, values, deadline).best
        if answer.is_feasible and answer.x is not None and answer.objective < self._objective:
            self._keep_answer(answer.x, stage)

    def _keep_answer(self, x: FloatArray, stage: str) -> None:
        self._x, self._objective = x, self._program.objective(x)
        self._clock.objective = self._objective
        if self._partner is not None:
            self._partner.incumbent.offer(x)
        self._note(stage)

    def _learn(self, found: Dispatched) -> None:
        """Raise what rows cost that a sample misses; lower a little what it does not."""
        missed, typical = found.missed, self._typical
        size = np.abs(missed)
        step = RAISE * typical * missed / np.maximum(size, max(float(size.max(initial=0.0)), 1e-9))
        moved = np.where(missed == 0.0, DECAY * self._extra, self._extra + step)
        self._extra = np.clip(moved, -MOST_EXTRA * typical, MOST_EXTRA * typical)

    def _raise_bound(self, bound: float) -> None:
        if bound > self._bound:
            self._bound = self._clock.bound = bound
            self._note("prices")

    def _look_around(self) -> None:
        """Take up what the partner has found."""
        if self._partner is None:
            return
        bound = self._partner.bound
        if bound == np.inf and self._x is None:
            self._termination = Termination.INFEASIBLE
        elif self._bound < bound < np.inf:
            self._source = "HiGHS"
            self._raise_bound(bound)
        x = self._partner.incumbent.better_than(self._objective)
        if x is not None:
            self._keep_answer(x, "HiGHS beside")
            self._take_up(x[self._program.is_decision], "HiGHS beside")  # as a base for others
        decided = self._partner.incumbent.proposal()
        if decided is not None:
            self._take_up(decided, "HiGHS beside")

    def _is_outdone(self) -> bool:
        """Return whether the partner has a better answer, or has proved that this one will do."""
        partner = self._partner
        if partner is None:
            return False
        is_proved = relative_gap(self._objective, partner.bound) <= self._gap
        return is_proved or partner.incumbent.better_than(self._objective) is not None

    def _note(self, stage: str) -> None:
        elapsed_s = time.perf_counter() - self._clock.begun
        self._trace.append(Step(elapsed_s, self._objective, self._bound, stage))

    def _missing(self) -> str:
        """Return which rows the nearest decisions miss, and by how much."""
        nearest, parts = self._dispatch.nearest, self._parts
        if nearest is None:
            return "nothing was dispatched"
        rows = np.flatnonzero(nearest.missed)
        named = [
            f"{parts.program.row_label(int(parts.ties[i]))} {nearest.missed[i]:+.6g}" for i in rows
        ]
        more = f", and {len(named) - NAMED} more" if len(named) > NAMED else ""
        return ", ".join(named[:NAMED]) + more

    def _count(self, stage: str) -> None:
        now = time.perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._lap
        self._lap = now

    def _is_proved(self) -> bool:
        return relative_gap(self._objective, self._bound) <= self._gap

    def _is_over(self) -> bool:
        self._look_around()
        if self._termination is Termination.INFEASIBLE and self._dispatch.nearest is not None:
            return True  # once it is known what is missing
        return self._clock.over() is not None or self._is_proved()
