"""A program taken apart at its prices, and the way from decisions there to answers."""

from __future__ import annotations

import numpy as np

from gridopt.agents import Answers
from gridopt.arrays import FloatArray
from gridopt.decomposition.core import NO_EXTREME
from gridopt.decomposition.dispatch import Dispatch, Dispatched
from gridopt.decomposition.dual import Dual
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.record import Record
from gridopt.decomposition.repair import Repair
from gridopt.decomposition.schedules import Decisions, Pool
from gridopt.program import FEASIBILITY_TOLERANCE, Program
from gridopt.sampling.redispatch import Redispatch
from gridopt.sampling.samples import Deadline
from gridopt.solution import Missing


class Priced:
    """The parts of a program, with all that works on them.

    Parameters
    ----------
    parts : Parts
    record : Record
        Gets every better answer.
    prices : array, (m,), or None
        Of the tying rows, to begin with.
    before : Dual or None
        Of the same program with fewer rows.

    Attributes
    ----------
    dual : Dual
    pool : Pool
    dispatch : Dispatch
    typical : array, (m,)
        What a unit of each tying row is usually worth.
    """

    def __init__(
        self,
        parts: Parts,
        record: Record,
        prices: FloatArray | None,
        before: Dual | None = None,
    ) -> None:
        self.parts, self.record = parts, record
        self.pool = Pool(parts)
        self.dual = Dual(parts, record.clock, prices, before)
        self.typical = parts.typical(self.dual.best.prices)
        self.dispatch = Dispatch(parts, self.pool, self.typical, record.clock)
        self._offered: Dispatched | None = None
        self._repair = Repair(parts, self.pool, self.dispatch, self.typical)

    @property
    def prices(self) -> FloatArray:
        """Prices that prove the dual's bound, (m,)."""
        return self.dual.best.prices

    def prices_at(self, found: Dispatched) -> FloatArray:
        """Return the prices of an answer; the dual's where they are extreme, or all is decided.

        What the dispatch cannot change has no price there that means anything.
        """
        limit = NO_EXTREME * self.typical
        is_told = ~self.parts.is_decided & (np.abs(found.prices) <= limit)
        return np.where(is_told, found.prices, self.prices)

    @property
    def room(self) -> float:
        """What a decision may cost at these prices and be part of something better, at most."""
        return self.record.objective - self.dual.best.bound

    def answers(self, prices: FloatArray) -> Decisions:
        """Return what agents answer to prices, and keep their schedules."""
        return self.keep(self.parts.agents.answers(self.parts.costs(prices)))

    def keep(self, answers: Answers) -> Decisions:
        """Keep the schedules of answers; return them."""
        decisions = self.pool.decisions(answers.x)
        self.pool.add(decisions)
        return decisions

    def settled(self, decisions: Decisions) -> Decisions:
        """Return decisions that keep the rows of decisions alone, as far as they can."""
        return self._repair.settled(decisions, self.prices)

    def take(self, decisions: Decisions, stage: str) -> Dispatched | None:
        """Dispatch decisions, and keep the answer if it is better; None where time is over.

        What they miss that no dispatch can bring is mended before.
        """
        found = self.dispatch(self.settled(decisions))
        self._offer_best(stage)
        return found

    def take_up(self, decided: FloatArray, stage: str) -> None:
        """Dispatch values of all the program's decision columns, from elsewhere."""
        program = self.record.program
        x = np.zeros(self.parts.program.n_columns)
        x[program.is_decision] = decided
        decisions = self.pool.decisions(x)
        self.pool.add(decisions)
        self.take(decisions, stage)

    def mend(self, found: Dispatched, stage: str) -> None:
        """Repair what misses something, and keep the answer if it is better."""
        self._repair(found, self.prices)
        self._offer_best(stage)

    def _offer_best(self, stage: str) -> None:
        best, x = self.dispatch.best, self.dispatch.best_x
        if best is None or x is None or best is self._offered:
            return
        self._offered = best
        if best.objective >= self.record.objective or self.record.offer(x, stage):
            return
        if not self.record.offer(rounded(self.record.program, x), stage):
            # integers that nobody decides, such as those that keep charging apart
            columns, values = self.pool.columns, best.decisions.astype(np.float64)
            deadline = Deadline.after(self.record.clock.left_s())
            again = Redispatch(self.record.program, repair=False)(columns, values, deadline).best
            if again.x is not None:
                self.record.offer(again.x, stage)

    def missing(self) -> tuple[Missing, ...]:
        """Return which rows the decisions miss that cost least with it, and by how much."""
        nearest, parts = self.dispatch.nearest, self.parts
        if nearest is None:
            return ()
        return tuple(
            Missing(*parts.program.row_place(int(parts.ties[i])), float(nearest.missed[i]))
            for i in np.flatnonzero(nearest.missed)
        )


def rounded(program: Program, x: FloatArray) -> FloatArray:
    """Return `x`, (n,), with integers rounded down or up, as their rows are missed less."""
    integer = program.is_integer
    down = np.where(integer, np.floor(x + FEASIBILITY_TOLERANCE), x)
    up = np.where(integer, np.ceil(x - FEASIBILITY_TOLERANCE), x)
    missed = []
    for each in (down, up):
        activity = program.A @ each
        amount = np.maximum(program.row_lower - activity, activity - program.row_upper)
        missed.append(abs(program.A).T @ np.maximum(amount, 0.0))
    return np.where(missed[0] <= missed[1], down, up)
