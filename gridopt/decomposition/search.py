"""The search: prices and a bound, answers at those prices, then better ones near the best.

1. *Prices*: the Lagrangian dual, which proves the bound. Where the best mix of the agents' answers
   misses rows that are not listed, they are added and priced too. Once the bound rises slowly, and
   whenever half as slowly, the mix by then is rounded and dispatched: answers long before the
   prices are final.
2. *Null sampler*: the final mix, rounded in several ways, and what agents answer to the prices,
   raised a little in steps; all dispatched. It has no QUBO, and every sampler must add to what it
   finds.
3. *Window*: HiGHS decides what the best mix of answers leaves open; then, near the best answer,
   what is nearly undecided.
4. *Core*: in turn with windows, a sampler chooses among the agents' other schedules; what it
   chooses is dispatched, repaired and kept if it is better, and teaches the core for its next
   samples.

With a time limit, HiGHS also works on the whole program beside all that: from the first early
answer, or from the prices where the program is large. Without one only its relaxation counts: see
`partner`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.decomposition.cores import Cores
from gridopt.decomposition.partner import Partner
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.priced import Priced
from gridopt.decomposition.record import BESIDE, Record
from gridopt.decomposition.windows import TURN, Windows
from gridopt.highs_model import Clock
from gridopt.lazy import AddedRows
from gridopt.program import Program
from gridopt.sampling.qubo_solver import QuboSolver
from gridopt.solution import Solution, Termination, relative_gap

MOST_EVALUATIONS = 400
"""Times at most that the agents are asked for their answers to prices."""

UPLIFTS = (0.0, 0.0025, 0.005, 0.01, 0.02)
"""Shares by which prices are raised to commit a little more than they ask for."""

ROUNDINGS = 5
"""Times that the best mix of answers is rounded, the first time without chance."""

SHORT, SHORT_EARLY = 10.0, 100.0
"""In roundings, how many times what is short counts as much as what is too much: dispatch can
always do less. More is needed before the end of the prices, where there is no time for repair."""

EARLY, EARLY_STEPS = 0.004, 4
"""Relative rise of the bound that is foretold, and that so many steps brought, at which the mix by
then is worth an answer; so it is again at half of that, and so on."""

PRICES_TIME = 0.5
"""Share of a time limit after which prices are good enough."""

MIX_ROUNDS = 20
"""Times at most that the prices are found anew with lazy rows that the best mix misses."""

ROWS_A_ROUND = 1000
"""Rows of each lazy family that such a round adds, at most."""

MOST_EARLY = 40_000
"""Decisions up to which HiGHS begins at the early answer: it relaxes 610 units × 48 hours in 5 s,
while there are prices after 3 s; 934 units in 100 s, from prices in half of that. Its memory
counts, too; and the second core, which prices and dispatch of the early answer are quicker with."""


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
        self._rng = np.random.default_rng(options.seed)
        self._record = Record(program, options.gap, clock)
        self._priced = Priced(Parts.of(program), self._record, None)
        self._null = np.inf
        self._early = EARLY
        self._heard: FloatArray | None = None

    def run(self) -> Solution:
        """Return the best answer by the end of the search."""
        record = self._record
        try:
            self._run()
        except KeyboardInterrupt:
            record.termination = Termination.INTERRUPTED
        finally:
            if record.partner is not None:
                record.partner.end()
        self._hear()
        self._take_up_heard()
        over = self._clock.over()
        if record.termination is Termination.SAMPLED and over is not None:
            record.termination = over
        if record.is_proved():
            record.termination = Termination.OPTIMAL
        priced = self._priced
        record.details |= {
            "price_evaluations": priced.dual.evaluations,
            "null_objective": self._null,
            "null_gap": relative_gap(self._null, record.bound),
            "schedules": len(priced.pool),
            "dispatches": priced.dispatch.calls,
            "lazy_rows": priced.parts.program.n_rows - self._program.n_rows,
        }
        source = record.source if np.isfinite(record.bound) else ""
        found = Solution.at(
            self._program, record.x, record.termination, record.bound, source, record.details
        )
        missing = priced.missing() if record.x is None else ()
        return replace(found, trace=tuple(record.trace), prices=self._prices(), missing=missing)

    def _run(self) -> None:
        record = self._record
        if not np.isfinite(self._priced.dual.best.answers.least).all():
            record.termination = Termination.INFEASIBLE
            return
        self._find_prices()
        self._answer_prices()
        if self._is_over():
            return
        partner = self._begin_from_prices()
        partner.wait()
        self._improve()
        while partner.is_at_work and not self._is_in_vain():
            self._take_up_heard()
            partner.wait_a_moment()

    @property
    def _is_beside(self) -> bool:
        """Whether all that HiGHS finds beside counts, not its relaxation alone."""
        return self._options.beside and self._clock.time_limit_s is not None

    def _begin_early(self) -> None:
        """Let the partner begin before the prices are final, where the program is small."""
        is_small = len(self._priced.parts.decided) <= MOST_EARLY
        if self._is_beside and is_small and self._record.partner is None and not self._is_over():
            self._record.partner = self._new_partner(None)

    def _begin_from_prices(self) -> Partner:
        """Return the partner, which begins with the prices unless it is at work."""
        record = self._record
        if record.partner is None:
            start = Solution.at(self._program, record.x, Termination.SAMPLED)
            record.partner = self._new_partner(replace(start, prices=self._prices()))
        return record.partner

    def _new_partner(self, start: Solution | None) -> Partner:
        given = self._options
        return Partner(self._program, start, given.gap, given.seed, self._clock, self._is_beside)

    def _add(self, rows: AddedRows) -> None:
        """Take the program apart anew with rows that answers missed."""
        prices = np.concatenate([self._priced.prices, np.zeros(len(rows))])
        more = self._priced.parts.program.with_rows(rows)
        self._priced = Priced(Parts.of(more), self._record, prices, self._priced.dual)

    def _prices(self) -> FloatArray:
        """Return the prices that prove the dual's bound, of the program's rows, (m,)."""
        prices, ties = np.zeros(self._program.n_rows), self._priced.parts.ties
        listed = ties < len(prices)
        prices[ties[listed]] = self._priced.prices[listed]
        return prices

    def _find_prices(self) -> None:
        """Find the prices, with the lazy rows that the best mix of answers misses."""
        for _ in range(MIX_ROUNDS):
            self._climb()
            mix = self._priced.dual.mix()
            if mix is None or self._is_late():
                break
            missed = self._program.separate(mix, ROWS_A_ROUND)
            if not len(missed):
                break
            self._add(missed)
        self._record.count("prices_s")

    def _is_late(self) -> bool:
        """Tell whether it is over, or prices took so long that it is time for answers."""
        limit_s = self._clock.time_limit_s
        is_late = limit_s is not None and self._clock.left_s() < (1.0 - PRICES_TIME) * limit_s
        return is_late or self._is_over()

    def _climb(self) -> None:
        record, dual = self._record, self._priced.dual
        self._priced.keep(dual.best.answers)
        while not (dual.is_converged or dual.evaluations >= MOST_EVALUATIONS or self._is_late()):
            if self._is_beside and not dual.may_exceed(record.bound):
                break  # HiGHS has proved more
            if dual.step() is not Termination.OPTIMAL:
                break
            self._priced.keep(dual.last.answers)
            record.prove(dual.best.bound)
            self._clock.report(record.objective, record.bound, f"prices {dual.evaluations}")
            if dual.rise(EARLY_STEPS) <= self._early:
                self._early /= 2.0
                self._round(SHORT_EARLY, None, "early")
                self._begin_early()
        record.prove(dual.best.bound)

    def _answer_prices(self) -> None:
        """Dispatch the best mix of answers, rounded, and what agents answer to the prices."""
        priced, record = self._priced, self._record
        for number in range(ROUNDINGS):
            if self._is_over():
                break
            self._round(SHORT, self._rng if number else None, "rounding")
            if self._is_beside and not self._is_over():
                self._begin_from_prices()
        for uplift in UPLIFTS:
            if self._is_over():
                break
            found = priced.take(priced.answers((1.0 + uplift) * priced.prices), "null")
            if found is not None and priced.dispatch.best is None:
                priced.mend(found, "null, repaired")
        if priced.dispatch.best is not None:
            self._null = priced.dispatch.best.objective
        record.count("null_s")

    def _round(self, short: float, rng: np.random.Generator | None, stage: str) -> None:
        """Dispatch the best mix of answers, rounded."""
        priced = self._priced
        rounded = priced.dual.rounded(short, rng)
        found = priced.take(np.rint(rounded).astype(np.int64), stage)
        if found is not None and not np.isfinite(found.objective):
            priced.mend(found, f"{stage}, repaired")

    def _improve(self) -> None:
        """Take windows and cores in turn, each while it finds better, until all are in vain."""
        given, priced = self._options, self._priced
        ways: list[Windows | Cores] = []
        if given.windows:
            ways += [Windows(priced, self._rng, given.seed)] * len(TURN)
        if given.sampler is not None:
            ways.append(Cores(priced, given.sampler, given.core_bits, self._rng))
        while not all(way.is_done for way in ways):
            for way in ways:
                is_better = True
                while is_better and not way.is_done:
                    self._take_up_heard()
                    before = priced.dispatch.best
                    if self._is_in_vain() or before is None:
                        return
                    way.step(before)
                    is_better = priced.dispatch.best is not before

    def _hear(self) -> None:
        """Keep the best answer and bound that the partner has found."""
        record, partner = self._record, self._record.partner
        if partner is None:
            return
        record.hear_bound()
        if partner.bound == np.inf and record.x is None:
            record.termination = Termination.INFEASIBLE
        x = partner.incumbent.better_than(record.objective)
        if x is not None:
            record.offer(x, BESIDE)
            self._heard = x

    def _take_up_heard(self) -> None:
        """Take up what the partner has found, as a base for others and to be dispatched."""
        partner = self._record.partner
        if self._heard is not None:
            self._priced.take_up(self._heard[self._program.is_decision], BESIDE)
            self._heard = None
        decided = None if partner is None else partner.incumbent.proposal()
        if decided is not None:
            self._priced.take_up(decided, BESIDE)

    def _is_over(self) -> bool:
        """Hear the partner, and tell whether to stop."""
        self._hear()
        return self._record.is_over()

    def _is_in_vain(self) -> bool:
        """Tell whether it is over, or there is no answer: what is missing is known by then."""
        return self._is_over() or self._record.termination is Termination.INFEASIBLE
