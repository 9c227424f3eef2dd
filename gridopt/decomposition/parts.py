"""A program taken apart: the agents' own rules, and the rows that tie agents together.

With prices π of the rows lower ≤ A x ≤ upper that tie agents together, the Lagrangian

    L(π) = Σ_g min {(c − Aᵀπ)·x : x keeps the rules of g} + min {the same over nobody's columns}
           + Σ_i (π_i⁺ lower_i − π_i⁻ upper_i)

is a lower bound on the objective of every answer, whatever π is: Geoffrion 1974, "Lagrangean
relaxation for integer programming", doi 10.1007/BFb0120690.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from gridopt.agents import NOBODY, Agents, Answers
from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.errors import UnsupportedError
from gridopt.program import Program

ROUNDING = 1e-11
"""Of the sum of all sizes that a bound is the sum of: more than doubles lose over 10⁶ terms."""

MUCH = 1e9
"""In place of infinity: what a column without a bound brings where that pays."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A program with agents.

    Parameters
    ----------
    program : Program
    agents : Agents
    ties : array of int, (m,)
        Rows of the program that belong to no agent alone.
    A : scipy.sparse.csr_array, (m, n)
    lower, upper : array, (m,)
        Those rows.
    """

    program: Program
    agents: Agents
    ties: IntArray
    A: sparse.csr_array
    lower: FloatArray
    upper: FloatArray

    @staticmethod
    def of(program: Program) -> Parts:
        """Take a program apart.

        Raises
        ------
        UnsupportedError
            Where it has no agents, or its objective ties them together.
        """
        if program.agents is None:
            raise UnsupportedError(
                "this program has no agents to take it apart into: they are there for unit "
                "commitment and for battery placement, without scenarios where there are thermal "
                "units; take the solver highs"
            )
        owner = program.agents.owner
        left, right = sparse.coo_array(program.Q).coords
        apart = (owner[left] != owner[right]) | ((owner[left] == NOBODY) & (left != right))
        concave = (program.Q.diagonal() < 0) & (owner == NOBODY)
        if apart.any() or concave.any() or len(program.ratios):
            raise UnsupportedError("the objective ties agents together, or is not convex")
        own = owner[program.A.indices]
        row = np.repeat(np.arange(program.n_rows), np.diff(program.A.indptr))
        first = np.full(program.n_rows, np.iinfo(np.int64).max)
        last = np.full(program.n_rows, np.iinfo(np.int64).min)
        np.minimum.at(first, row, own)
        np.maximum.at(last, row, own)
        is_tie = (first != last) | (first == NOBODY)
        is_tie[program.agents.named_ties] = True
        ties = np.flatnonzero(is_tie)
        return Parts(
            program,
            program.agents,
            ties,
            sparse.csr_array(program.A[ties]),
            program.row_lower[ties],
            program.row_upper[ties],
        )

    @cached_property
    def n_agents(self) -> int:
        """Number of agents K."""
        return int(self.agents.owner.max(initial=NOBODY)) + 1

    @cached_property
    def decided(self) -> IntArray:
        """Columns that agents decide, (k,)."""
        return np.flatnonzero(self.agents.decides)

    @cached_property
    def is_decided(self) -> BoolArray:
        """Tying rows of which all columns are decided: no dispatch changes anything there, (m,)."""
        other = np.ones(self.program.n_columns)
        other[self.decided] = 0.0
        return np.asarray((abs(self.A) @ other == 0.0) & (np.diff(self.A.indptr) > 0))

    def typical(self, prices: FloatArray) -> FloatArray:
        """Return what a unit of each tying row is usually worth near some prices, (m,).

        The mean of the prices; where all is decided, at least what the decisions in the row are
        worth for a unit of it.
        """
        priced = np.abs(prices)[~self.is_decided]
        mean = max(float(priced[priced > 0].mean()), 1e-6) if priced.any() else 1.0
        found = np.full(len(prices), mean)
        rows = np.flatnonzero(self.is_decided)
        if not len(rows):
            return found
        marginals = self.agents.marginals(self.costs(prices))[:, self.decided]
        worth = np.abs(marginals[1] - marginals[0])
        amount = abs(self.A[rows][:, self.decided])
        total = amount @ np.where(np.isfinite(worth), worth, 0.0)
        squares = np.asarray(amount.power(2).sum(axis=1)).ravel()  # Σ a d / Σ a² fits d = a · worth
        found[rows] = np.maximum(total / squares, np.abs(prices[rows]))
        return np.where(found > 0.0, found, mean)

    @cached_property
    def first_tie(self) -> IntArray:
        """First tying row of each column that agents decide, 0 where it is in none, (k,)."""
        ties = sparse.csc_array(self.A)[:, self.decided]
        has = np.diff(ties.indptr) > 0
        found = np.zeros(len(self.decided), dtype=np.int64)
        if has.any():
            found[has] = np.minimum.reduceat(ties.indices, ties.indptr[:-1][has])
        return found

    @cached_property
    def nobodys(self) -> IntArray:
        """Columns that belong to no agent."""
        return np.flatnonzero(self.agents.owner == NOBODY)

    def costs(self, prices: FloatArray) -> FloatArray:
        """Return the linear costs of all columns at prices of the tying rows: c − Aᵀπ, (n,)."""
        return np.asarray(self.program.c - self.A.T @ prices)

    def bound(self, prices: FloatArray, costs: FloatArray, answers: Answers) -> float:
        """Return L(π), less what rounding may have added.

        Parameters
        ----------
        prices : array, (m,)
        costs : array, (n,)
            At these prices.
        answers : Answers
            At these costs.
        """
        of_rows = prices * np.where(prices == 0, 0.0, self._sides(prices))
        y, square = self._of_nobody(costs), self.program.Q.diagonal()[self.nobodys]
        of_nobody = costs[self.nobodys] * y + square * np.where(square > 0, y, 0.0) ** 2
        terms = (answers.least, of_rows, of_nobody, np.array([self.program.c0]))
        size = sum(float(np.abs(term).sum()) for term in terms)
        bound = sum(float(term.sum()) for term in terms) - ROUNDING * size
        return bound if np.isfinite(bound) else -np.inf

    def slope(self, prices: FloatArray, costs: FloatArray, answers: Answers) -> FloatArray:
        """Return a subgradient of L at `prices`: what the answers miss of each tying row, (m,)."""
        x = answers.x.copy()
        x[self.nobodys] = np.clip(self._of_nobody(costs), -MUCH, MUCH)
        return np.asarray(self._sides(prices) - self.A @ x)

    def activity(self, x: FloatArray) -> FloatArray:
        """Return what each agent's columns add to the tying rows at `x`: (m, K)."""
        owner = self.agents.owner[self.A.indices]
        row = np.repeat(np.arange(len(self.ties)), np.diff(self.A.indptr))
        ours = owner != NOBODY
        place = row[ours] * self.n_agents + owner[ours]
        amount = (self.A.data * x[self.A.indices])[ours]
        total = np.bincount(place, amount, minlength=len(self.ties) * self.n_agents)
        return np.asarray(total.reshape(len(self.ties), self.n_agents))

    def total_activity(self, prices: FloatArray, held: FloatArray) -> FloatArray:
        """Return what all columns add to the tying rows at prices, decisions held, (m,)."""
        costs = self.costs(prices)
        x = self.agents.answers(costs, held).x.copy()
        x[self.nobodys] = np.clip(self._of_nobody(costs), -MUCH, MUCH)
        return np.asarray(self.A @ x)

    def _sides(self, prices: FloatArray) -> FloatArray:
        """Return the side of each tying row that its price belongs to, (m,)."""
        first = np.where(np.isfinite(self.lower), self.lower, self.upper)
        return np.where(prices > 0, self.lower, np.where(prices < 0, self.upper, first))

    def _of_nobody(self, costs: FloatArray) -> FloatArray:
        """Return where c y + q y² is least within the bounds of each of nobody's columns."""
        columns = self.nobodys
        low, high, c = self.program.lower[columns], self.program.upper[columns], costs[columns]
        square = self.program.Q.diagonal()[columns]
        inside = np.divide(-c, 2.0 * square, out=np.zeros_like(c), where=square > 0)
        at_end = np.where(c > 0, low, np.where(c < 0, high, np.clip(0.0, low, high)))
        return np.where(square > 0, np.clip(inside, low, high), at_end)
