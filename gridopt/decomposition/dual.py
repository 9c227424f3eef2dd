"""Prices of the rows that tie agents together, and the bound that they prove.

The Lagrangian is maximized over prices by a model of it: every schedule that an agent has answered
so far is a column of a linear program, in which each agent mixes its columns so that the tying rows
hold (Dantzig & Wolfe 1960, "Decomposition principle for linear programs",
doi 10.1287/opre.8.1.101). The duals of that program are the best prices by the model. Two things
keep them from jumping about: a box around the best prices so far (Marsten, Hogan, Blankenship 1975,
"The BOXSTEP method for large-scale optimization", doi 10.1287/opre.23.3.389), and that the agents
are asked at a point between the two, the nearer to the best the less the slope there points on
(Pessoa, Sadykov, Uchoa, Vanderbeck 2018, "Automation and combination of linear-programming based
stabilization techniques in column generation", doi 10.1287/ijoc.2017.0784). Every evaluation is a
proved bound, so that it may stop at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from gridopt.agents import Answers
from gridopt.arrays import FloatArray, IntArray
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.rounding import one_answer_each
from gridopt.highs_model import Clock, HighsModel
from gridopt.linearization import LinearModel, linearized
from gridopt.program import Program
from gridopt.solution import Termination

CONVERGED = 1e-5
"""Relative distance of the model's maximum from the best bound at which nothing is left."""

FIRST_BOX = 0.3
"""Half width of the first box, as a share of typical prices."""

FIRST_SMOOTHING, MOST_SMOOTHING = 0.5, 0.95
"""How near to the best prices the agents are asked: 0 where the model says, 1 at the best."""

ALPHA_STEP = 0.1
"""Change of the smoothing in a step: down by as much, up by this share of what is left."""

WIDER = 2.0
"""By what factor the box gets wider where its side led to a better bound."""

TRUSTED = 0.3
"""Share of the rise that the model foretold at which the box gets wider for equalities, too."""

PRIMAL = 4
"""HiGHS's number of the primal simplex method."""

NEW = 1e-7
"""Relative cost below the model's at which an answer is new to it."""


@dataclass(frozen=True, eq=False)
class Point:
    """Prices of the tying rows, (m,), and what the agents answer to them."""

    prices: FloatArray
    answers: Answers
    bound: float


class Dual:
    """The Lagrangian dual of a program with agents, at its best prices so far.

    Parameters
    ----------
    parts : Parts
    clock : Clock
    prices : array, (m,), or None
        Where to begin; None for the agents' usual prices.
    before : Dual or None
        Of the same program with fewer rows, whose answers are taken over.

    Attributes
    ----------
    best, last : Point
        The best one so far, and the last one.
    """

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        prices: FloatArray | None = None,
        before: Dual | None = None,
    ) -> None:
        self.parts = parts
        self.is_converged = self._is_inside = False
        self.evaluations = 0
        self._master = Master(parts, clock)
        self._smoothing = FIRST_SMOOTHING
        if before is not None:
            self._master.take_over(before._master)
        first = parts.agents.usual_prices()
        known = parts.ties[parts.ties < len(first)]
        usual = np.zeros(len(parts.ties))
        usual[: len(known)] = first[known]
        self.last, _, _ = self._evaluate(usual if prices is None else prices)
        self.best = self.last
        self._bounds = [self.best.bound]
        self._box = FIRST_BOX * parts.typical(self.best.prices)

    def step(self) -> Termination:
        """Ask the agents once more, or find that the bound is as good as it can be."""
        center = self.best.prices
        termination = self._master.solve(center, self._box)
        if termination is not Termination.OPTIMAL:
            return termination
        prices = self._master.prices
        at_side = np.abs(prices - center) >= self._box * (1.0 - 1e-6)
        self._is_inside = not at_side.any()
        if self._master.bound - self.best.bound <= CONVERGED * abs(self.best.bound):
            self.is_converged = self._is_inside
            self._box *= 4.0
            return termination
        between = self._smoothing * center + (1.0 - self._smoothing) * prices
        point, slope, n_new = self._evaluate(between)
        if not n_new:
            self.is_converged = self._smoothing == 0.0
            self._smoothing = 0.0
        elif slope @ (prices - center) > 0:
            self._smoothing = max(self._smoothing - ALPHA_STEP, 0.0)
        else:
            self._smoothing += (MOST_SMOOTHING - self._smoothing) * ALPHA_STEP
        self.last = point
        if point.bound > self.best.bound:
            if point.bound - self.best.bound < TRUSTED * (self._master.bound - self.best.bound):
                # not of equalities: what all agents take part in would swing
                at_side &= self.parts.lower != self.parts.upper
            self.best = point
            self._box = np.where(at_side, WIDER * self._box, self._box)
        self._bounds.append(self.best.bound)
        return termination

    def rise(self, steps: int) -> float:
        """Return the relative rise of the bound that is foretold, or that so many steps brought.

        Whichever is more; inf before there are so many.
        """
        if len(self._bounds) <= steps:
            return np.inf
        rise = max(self._master.bound - self.best.bound, self.best.bound - self._bounds[-1 - steps])
        return rise / max(abs(self.best.bound), 1.0)

    def may_exceed(self, bound: float) -> bool:
        """Tell whether better prices may prove more than `bound`, by the answers so far."""
        return not self._is_inside or self._master.bound > bound

    def rounded(self, short: float, rng: np.random.Generator | None) -> FloatArray:
        """Return what agents decide, (k,), each by one of its answers in the best mix.

        Before there is any mix, what they answer to the best prices. For `short` and `rng`, see
        `one_answer_each`.
        """
        master, parts = self._master, self.parts
        n = len(master.share)
        if not n:
            return np.asarray(self.best.answers.x[parts.decided])
        weight = parts.typical(self.best.prices)
        taken = one_answer_each(
            master.share, master.agent[:n], master.activity(n), weight, short, rng
        )
        owner = parts.agents.owner[parts.decided]
        answers = np.array(master.answer)
        return np.asarray(answers[master.batch[taken][owner], np.arange(len(owner))])

    def mixed(self) -> FloatArray:
        """Return what agents decide in the best mix of answers, (k,), fractions where they mix.

        Before there is any mix, what they answer to the best prices.
        """
        master, parts = self._master, self.parts
        if not len(master.share):
            return np.asarray(self.best.answers.x[parts.decided])
        owner = parts.agents.owner[parts.decided]
        found = np.zeros(len(owner))
        for number, answer in enumerate(master.answer):
            found += self._shares(number)[owner] * answer
        return found

    def _shares(self, number: int) -> FloatArray:
        """Return how much of one batch of answers is in the best mix, by agent; 0 for nobody."""
        master, share = self._master, np.zeros(self.parts.n_agents + 1)
        own = np.flatnonzero(master.batch[: len(master.share)] == number)
        share[master.agent[own]] = master.share[own]
        return share

    def mix(self) -> FloatArray | None:
        """Return the best mix of answers, which keeps all tying rows, (n,); None before any.

        Only for programs with lazy rows: other answers are not kept as a whole.
        """
        master, parts = self._master, self.parts
        if not master.whole or not len(master.share):
            return None
        mixed = np.zeros(parts.program.n_columns)
        for number, x in enumerate(master.whole):
            mixed += self._shares(number)[parts.agents.owner] * x
        mixed[parts.nobodys] = master.of_nobody
        return mixed

    def _evaluate(self, prices: FloatArray) -> tuple[Point, FloatArray, int]:
        """Return the point, the slope there, and how many answers are new to the model."""
        costs = self.parts.costs(prices)
        answers = self.parts.agents.answers(costs)
        self.evaluations += 1
        n_new = self._master.add(prices, answers)
        point = Point(prices, answers, self.parts.bound(prices, costs, answers))
        return point, self.parts.slope(prices, costs, answers), n_new


class Master:
    """The linear program that mixes the agents' answers.

    Its columns are nobody's, then one up and one down for each tying row, which keep the prices
    within the box, then the answers. Its rows are the tying ones, then one for each agent, whose
    answers' shares are 1 in all.

    Attributes
    ----------
    prices : array, (m,)
        The best ones by the model, when it was last solved.
    bound : float
        What it foretells there.
    share : array, (columns,)
        How much of each answer is in the best mix.
    cost : array, (columns,)
        What it costs by itself, whatever the prices.
    agent, batch : array of int, (columns,)
        Whose answer it is, and in which of `answer` it is.
    answer : list of array, (k,) each
        What all agents decide.
    whole : list of array, (n,) each
        All of the same answers, where the program has lazy rows.
    of_nobody : array
        Values of nobody's columns in the best mix.
    """

    def __init__(self, parts: Parts, clock: Clock) -> None:
        self._parts = parts
        self._model = _without_answers(parts)
        self._highs = HighsModel(self._model, clock, stage="prices")
        # new columns and prices of the box leave the last answer feasible: primal simplex goes on
        # from there, in half of the dual one's time
        self._highs.set(simplex_strategy=PRIMAL, primal_simplex_bound_perturbation_multiplier=0.0)
        m, n = len(parts.ties), len(parts.nobodys)
        self._sides = n + np.arange(2 * m)
        self._decided = parts.decided
        self._own_price = np.full(parts.n_agents, np.finfo(np.float64).max)
        self.prices = np.zeros(m)
        self.bound = np.inf
        self.share = np.zeros(0)
        self.answer: list[FloatArray] = []
        self.whole: list[FloatArray] = []
        self.of_nobody = np.zeros(n)
        self.cost = np.zeros(0)
        self._activity: list[sparse.csc_array] = []
        self.batch, self.agent = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)

    def add(self, prices: FloatArray, answers: Answers) -> int:
        """Add the answers that are cheaper than the model foretells; return how many."""
        parts = self._parts
        activity = parts.activity(answers.x)
        cost = answers.least + prices @ activity
        saved = self._own_price - (cost - self.prices @ activity)
        new = np.flatnonzero(saved > NEW * np.maximum(np.abs(self._own_price), 1.0))
        self._append(answers.x, activity, cost, new)
        return len(new)

    def take_over(self, before: Master) -> None:
        """Add the answers of the master of the same program with fewer rows."""
        if not before.whole:
            return
        first = np.searchsorted(before.batch, np.arange(len(before.whole) + 1))
        for number, x in enumerate(before.whole):
            own = slice(first[number], first[number + 1])
            agents, cost = before.agent[own], np.zeros(self._parts.n_agents)
            cost[agents] = before.cost[own]
            self._append(x, self._parts.activity(x), cost, agents)

    def _append(self, x: FloatArray, activity: FloatArray, cost: FloatArray, new: IntArray) -> None:
        """Add the answers of some agents, `new`, of what all add to the tying rows and cost."""
        parts = self._parts
        shares = sparse.eye_array(parts.n_agents, format="csc")[:, new]
        self._activity.append(sparse.csc_array(activity[:, new]))
        stacked: list[Any] = [self._activity[-1], shares]
        whole: Any = sparse.vstack(stacked)
        nothing, endless = np.zeros(len(new)), np.full(len(new), np.inf)
        self._highs.add_columns(cost[new], nothing, endless, sparse.csc_array(whole))
        self.batch = np.concatenate([self.batch, np.full(len(new), len(self.answer))])
        self.agent = np.concatenate([self.agent, new])
        self.cost = np.concatenate([self.cost, cost[new]])
        self.answer.append(x[self._decided])
        if parts.program.lazy:
            self.whole.append(x)

    def activity(self, n: int) -> FloatArray:
        """Return what the first n answers add to the tying rows, (m, n)."""
        blocks: list[Any] = self._activity
        return np.asarray(sparse.hstack(blocks, format="csc")[:, :n].todense())

    def solve(self, center: FloatArray, box: FloatArray) -> Termination:
        """Find the best prices within a box by the model, and the bound that it foretells.

        Parameters
        ----------
        center, box : array, (m,)
            The middle of the box, and half of its width.
        """
        parts = self._parts
        m = len(parts.ties)
        low = np.where(np.isinf(parts.upper), np.maximum(center - box, 0.0), center - box)
        high = np.where(np.isinf(parts.lower), np.minimum(center + box, 0.0), center + box)
        self._highs.reprice(self._sides, np.concatenate([high, -low]))
        termination = self._highs.run_on_squares(CONVERGED / 10.0)
        if termination is Termination.OPTIMAL:
            row_price = self._highs.row_price
            self.prices, self._own_price = row_price[:m], row_price[m : m + parts.n_agents]
            self.bound = self._highs.objective
            x = self._highs.x
            if x is not None:
                self.share = x[len(self._model.c) :]
                self.of_nobody = x[: len(parts.nobodys)]
        return termination


def _without_answers(parts: Parts) -> LinearModel:
    program, columns = parts.program, parts.nobodys
    m, K, n = len(parts.ties), parts.n_agents, len(columns)
    none = sparse.csr_array((K, m))
    blocks: Any = [
        [parts.A[:, columns], sparse.eye_array(m), -sparse.eye_array(m)],
        [sparse.csr_array((K, n)), none, none],
    ]
    squares: Any = sparse.block_diag(
        [program.Q[columns][:, columns], sparse.csr_array((2 * m, 2 * m))]
    )
    nothing, endless = np.zeros(2 * m), np.full(2 * m, np.inf)
    return linearized(
        Program(
            Q=sparse.csr_array(squares),
            c=np.concatenate([program.c[columns], nothing]),
            c0=program.c0,
            A=sparse.csr_array(sparse.block_array(blocks)),
            row_lower=np.concatenate([parts.lower, np.ones(K)]),
            row_upper=np.concatenate([parts.upper, np.ones(K)]),
            lower=np.concatenate([program.lower[columns], nothing]),
            upper=np.concatenate([program.upper[columns], endless]),
            integrality=np.zeros(n + 2 * m, dtype=np.int8),
            variables={},
            rows={},
        )
    )
