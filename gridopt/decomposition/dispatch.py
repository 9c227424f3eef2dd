"""From the agents' decisions to an answer: one linear program, kept from call to call.

It goes on from its last basis where few decisions change, and is presolved anew where many do.
What decisions leave impossible is bought at a high price in the rows that tie agents together, so
that the program always has an answer: its prices say where to do what, and how much is missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gridopt.arrays import FloatArray
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.schedules import Decisions, Pool
from gridopt.highs_model import Clock, HighsModel
from gridopt.lazy import AddedRows
from gridopt.linearization import linearized
from gridopt.program import FEASIBILITY_TOLERANCE
from gridopt.solution import Termination

MISSING = 300.0
"""Price of what is missed, in typical prices."""

ROWS_A_ROUND = 1000
"""Rows of each lazy family that a round adds, at most."""

FEW = 30
"""Changed decisions up to which the last basis is the better start. On 934 units a call from it
takes 0.4 s with two changes, 1.5 s with thirty and up to 12 s with more, 1.3 s after presolve."""

ERROR = 1e-7
"""Share of the objective by which tangents may lie below squares."""


@dataclass(frozen=True, eq=False)
class Dispatched:
    """What decisions come to.

    Parameters
    ----------
    decisions : array of int, (k,)
    objective : float
        inf where something is missed.
    penalized : float
        The objective with what is missed at its price.
    prices : array, (m,)
        Of the tying rows.
    missed : array, (m,)
        Of each tying row: positive where more is needed, negative where less is.
    """

    decisions: Decisions
    objective: float
    penalized: float
    prices: FloatArray
    missed: FloatArray


class Dispatch:
    """Dispatches decisions, each set of them once.

    Parameters
    ----------
    parts : Parts
    pool : Pool
    typical : array, (m,)
        What a unit of each tying row is usually worth.
    clock : Clock

    Attributes
    ----------
    added : AddedRows
        Lazy rows that answers missed.
    best : Dispatched or None
        The best so far that misses nothing.
    best_x : array, (n,), or None
        Its answer.
    nearest : Dispatched or None
        The one that costs least with what it misses at its price.
    """

    def __init__(self, parts: Parts, pool: Pool, typical: FloatArray, clock: Clock) -> None:
        self._parts, self._pool = parts, pool
        program, m = parts.program, len(parts.ties)
        model = linearized(program.relaxed())
        self._highs = HighsModel(model, clock, stage="dispatch")
        self._first_missed = len(model.c)
        entries = np.ones(m), (parts.ties, np.arange(m))
        shape = program.n_rows, m
        more = sparse.csc_array(sparse.coo_array(entries, shape=shape))
        price, none, endless = MISSING * typical, np.zeros(m), np.full(m, np.inf)
        self._highs.add_columns(price, none, endless, more)
        self._highs.add_columns(price, none, endless, sparse.csc_array(-more))
        self._last: Decisions | None = None
        self._known: dict[bytes, Dispatched] = {}
        self.added = AddedRows.none(program.n_columns)
        self.best: Dispatched | None = None
        self.best_x: FloatArray | None = None
        self.nearest: Dispatched | None = None

    @property
    def calls(self) -> int:
        """Sets of decisions that were dispatched."""
        return len(self._known)

    def known(self, decisions: Decisions) -> Dispatched | None:
        """Return what these decisions came to, if they were dispatched before."""
        return self._known.get(decisions.tobytes())

    def __call__(self, decisions: Decisions) -> Dispatched | None:
        """Return the best that the decisions allow; None where the clock is over."""
        key = decisions.tobytes()
        if key not in self._known:
            if self._last is None or np.count_nonzero(decisions != self._last) > FEW:
                self._highs.highs.clearSolver()
            self._last = decisions
            self._highs.hold(self._pool.columns, decisions.astype(np.float64))
            termination, x = self._run(), self._highs.x
            if termination is not Termination.OPTIMAL or x is None:
                return None
            self._known[key] = self._read(decisions, x)
        return self._known[key]

    def _run(self) -> Termination:
        """Solve, with the lazy rows that answers miss."""
        program = self._parts.program
        while True:
            termination, x = self._highs.run_on_squares(ERROR), self._highs.x
            if termination is not Termination.OPTIMAL or x is None:
                return termination
            missed = program.separate(x[: program.n_columns], ROWS_A_ROUND)
            if not len(missed):
                return termination
            self.added = AddedRows.joined(program.n_columns, [self.added, missed])
            self._highs.add_rows(missed.A, missed.lower, missed.upper)

    def _read(self, decisions: Decisions, whole: FloatArray) -> Dispatched:
        parts, m, first = self._parts, len(self._parts.ties), self._first_missed
        missed = whole[first : first + m] - whole[first + m : first + 2 * m]
        x = whole[: parts.program.n_columns]
        is_kept = np.abs(missed).max(initial=0.0) <= FEASIBILITY_TOLERANCE
        found = Dispatched(
            decisions=decisions,
            objective=parts.program.objective(x) if is_kept else np.inf,
            penalized=self._highs.objective,
            prices=self._highs.row_price[parts.ties],
            missed=np.where(np.abs(missed) > FEASIBILITY_TOLERANCE, missed, 0.0),
        )
        if self.nearest is None or found.penalized < self.nearest.penalized:
            self.nearest = found
        if is_kept and (self.best is None or found.objective < self.best.objective):
            self.best, self.best_x = found, x
        return found
