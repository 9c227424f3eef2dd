"""From the agents' decisions to an answer: one linear program, held at them.

What decisions leave impossible is bought at a high price in the rows that tie agents together, so
that the program always has an answer: its prices say where to do what, and how much is missed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.schedules import Decisions, Pool
from gridopt.held_model import HeldModel
from gridopt.highs_model import Clock
from gridopt.lazy import AddedRows
from gridopt.linearization import linearized
from gridopt.program import FEASIBILITY_TOLERANCE
from gridopt.solution import Termination

MISSING = 300.0
"""Price of what is missed, in typical prices."""

ROWS_A_ROUND = 1000
"""Rows of each lazy family that a round adds, at most."""

ERROR, MOST_TANGENTS = 1e-7, 20
"""Share of the objective by which tangents may lie below squares, and rounds of them at most."""


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

    def usual_cost(self, typical: FloatArray) -> float:
        """Return the objective without what is paid for what is missed, at typical prices, (m,)."""
        return self.penalized - MISSING * float(typical @ np.abs(self.missed))


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
        self._first_missed = len(model.c)
        entries = np.ones(m), (parts.ties, np.arange(m))
        more = sparse.coo_array(entries, shape=(model.A.shape[0], m))
        price, none, endless = MISSING * typical, np.zeros(m), np.full(m, np.inf)
        self._model = replace(
            model,
            c=np.concatenate([model.c, price, price]),
            A=sparse.csr_array(sparse.hstack([model.A, more, -more])),
            lower=np.concatenate([model.lower, none, none]),
            upper=np.concatenate([model.upper, endless, endless]),
        )
        self._held = HeldModel(self._model, parts.ties, clock, "dispatch")
        self._add_tangents(*self._model.first_tangents())
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
            x = self._run(decisions.astype(np.float64))
            if x is None:
                return None
            self._known[key] = self._read(decisions, x)
        return self._known[key]

    def _run(self, decisions: FloatArray) -> FloatArray | None:
        """Solve, with the tangents and the lazy rows that answers miss."""
        program = self._parts.program
        rounds = 0
        while True:
            termination, x = self._held.run(self._pool.columns, decisions), self._held.x
            if termination is not Termination.OPTIMAL or x is None:
                return None
            allowed = ERROR * max(abs(self._held.objective), 1.0)
            below = self._model.shortfall(x) * len(self._model.square_column) > allowed
            squares = np.flatnonzero(below & (rounds < MOST_TANGENTS))
            missed = program.separate(x[: program.n_columns], ROWS_A_ROUND)
            if not (len(squares) or len(missed)):
                return x
            self._add_tangents(squares, self._model.touching(x, squares))
            if len(missed):
                self.added = AddedRows.joined(program.n_columns, [self.added, missed])
                self._held.add_rows(missed.A, missed.lower, missed.upper)
            rounds += 1

    def _add_tangents(self, squares: IntArray, points: FloatArray) -> None:
        if len(squares):
            side = self._model.tangent_sides(squares, points)
            tangents = self._model.tangents(squares, points)
            self._held.add_rows(tangents, np.full(len(side), -np.inf), side)

    def _read(self, decisions: Decisions, whole: FloatArray) -> Dispatched:
        parts, m, first = self._parts, len(self._parts.ties), self._first_missed
        missed = whole[first : first + m] - whole[first + m : first + 2 * m]
        x = whole[: parts.program.n_columns]
        is_kept = np.abs(missed).max(initial=0.0) <= FEASIBILITY_TOLERANCE
        found = Dispatched(
            decisions=decisions,
            objective=parts.program.objective(x) if is_kept else np.inf,
            penalized=self._held.objective,
            prices=self._held.prices,
            missed=np.where(np.abs(missed) > FEASIBILITY_TOLERANCE, missed, 0.0),
        )
        if self.nearest is None or found.penalized < self.nearest.penalized:
            self.nearest = found
        if is_kept and (self.best is None or found.objective < self.best.objective):
            self.best, self.best_x = found, x
        return found
