"""Windows: HiGHS decides what is nearly undecided, all else held as in the best answer.

A large neighborhood search: Danna, Rothberg, Le Pape 2005, "Exploring relaxation induced
neighborhoods to improve MIP solutions", doi 10.1007/s10107-004-0518-7. Which decisions are nearly
undecided is told by the agents: those that cost little more the other way round, at the prices
that prove the bound.
"""

from __future__ import annotations

import numpy as np

from gridopt.arrays import BoolArray, FloatArray
from gridopt.highs_model import Clock, HighsModel
from gridopt.linearization import linearized
from gridopt.program import Program

NODES = 50
"""Branch-and-bound nodes of a window, at most."""

ROUNDS = 3
"""Times at most that a window is searched again with rows that its answer missed."""

TIME = 0.8
"""Share of the time left that a window may take: what it finds is still to be dispatched."""

ROWS_A_ROUND = 1000
"""Rows of each lazy family that a round adds, at most."""


class Windows:
    """A program of which only some decisions are free at a time.

    Parameters
    ----------
    program : Program
    seed : int
    clock : Clock
    """

    def __init__(self, program: Program, seed: int, clock: Clock) -> None:
        smaller = program.equivalent
        self._program, self._smaller = program, smaller
        self._target = program if smaller is None else smaller.program
        self._columns = np.flatnonzero(self._target.is_decision)
        model = linearized(self._target)
        self._highs = HighsModel(model, clock, seed=seed, stage="window", integer=True)
        if not model.is_exact:
            self._highs.add_tangents(*model.first_tangents())
        self._highs.set(mip_max_nodes=NODES)

    def __call__(self, held: FloatArray, free: BoolArray, gap: float) -> FloatArray | None:
        """Return decisions at least as good, (k,), or None where time is over.

        Parameters
        ----------
        held : array, (k,)
            Values of the program's decision columns.
        free : array of bool, (k,)
            Those that may change.
        gap : float
            Relative gap at which the window is done.
        """
        program, highs = self._program, self._highs
        lower = np.where(free, program.lower[program.is_decision], held)
        upper = np.where(free, program.upper[program.is_decision], held)
        highs.restrict(self._columns, self._counts(lower), self._counts(upper))
        highs.set(mip_rel_gap=gap)
        x: FloatArray | None = None
        for _ in range(ROUNDS):
            highs.offer(self._columns, self._counts(held))
            highs.run(TIME)
            x = highs.x
            if x is None:
                return None
            missed = self._target.separate(x[: self._target.n_columns], ROWS_A_ROUND)
            if not len(missed):
                break
            highs.add_rows(missed.A, missed.lower, missed.upper)
        return None if x is None else self._decisions(x)

    def _counts(self, values: FloatArray) -> FloatArray:
        return values if self._smaller is None else self._smaller.counts(values)

    def _decisions(self, x: FloatArray) -> FloatArray:
        if self._smaller is None:
            return np.rint(x[self._columns])
        return np.rint(self._smaller.decisions(x[: self._target.n_columns]))
