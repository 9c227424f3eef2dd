"""A linear program with some columns held, solved without all that this decides.

Most of a program is decided once its commitments are: what an off unit produces, which limits can
still bind. That is found here by the activity bounds of rows, as presolve does (Andersen & Andersen
1995, "Presolving in linear programming", doi 10.1007/BF01586000), but for all rows at once; only
what is left goes to HiGHS.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.highs_model import Clock, HighsModel
from gridopt.linearization import LinearModel
from gridopt.solution import Termination

ROUNDS = 20
"""Times at most that rows are asked what they decide."""

TIGHT = 1e-9
"""Distance of a row's least activity from its side at which it leaves no choice."""

DEVEX = 1
"""HiGHS's number of the weights that are quickest here; its presolve takes longer than it saves."""

ENDLESS = 1e30
"""In place of an infinite bound, so that no entry times it is undefined."""


class HeldModel:
    """A linear model, held in another way each time that it is solved.

    Parameters
    ----------
    model : LinearModel
        Of n columns. Its squares are no matter here: their tangents are rows to be added.
    priced : array of int
        Rows whose prices are wanted, and which are kept whatever they decide.
    clock : Clock
    stage : str
        What the runs are for, in reports.

    Attributes
    ----------
    x : array, (n,), or None
        The answer of the last run.
    prices : array, (len(priced),)
        Of the rows that are wanted.
    objective : float
    """

    def __init__(self, model: LinearModel, priced: IntArray, clock: Clock, stage: str) -> None:
        self._model, self._priced, self._clock, self._stage = model, priced, clock, stage
        self._is_set_up = False
        self.x: FloatArray | None = None
        self.prices = np.zeros(len(priced))
        self.objective = np.inf

    def add_rows(self, A: sparse.csr_array, lower: FloatArray, upper: FloatArray) -> None:
        """Add rows lower ≤ A x ≤ upper; A may lack the last columns."""
        model = self._model
        wide = sparse.csr_array((A.data, A.indices, A.indptr), shape=(A.shape[0], model.A.shape[1]))
        self._model = replace(
            model,
            A=sparse.csr_array(sparse.vstack([model.A, wide])),
            row_lower=np.concatenate([model.row_lower, lower]),
            row_upper=np.concatenate([model.row_upper, upper]),
        )
        self._is_set_up = False

    def run(self, columns: IntArray, values: FloatArray) -> Termination:
        """Solve with columns held at values."""
        model = self._model
        self._set_up()
        lower, upper = model.lower.copy(), model.upper.copy()
        lower[columns] = upper[columns] = values
        self._decide(lower, upper)
        free = lower < upper
        least, most = self._activity(lower, upper)
        rows = (most > model.row_upper + TIGHT) | (least < model.row_lower - TIGHT)
        rows[self._priced] = True
        kept = sparse.csr_array(model.A[rows])
        decided = kept @ np.where(free, 0.0, lower)
        none = np.zeros(0, dtype=np.int64)
        rest = LinearModel(
            c=model.c[free],
            c0=float(model.c[~free] @ lower[~free]) + model.c0,
            A=sparse.csr_array(kept[:, free]),
            row_lower=model.row_lower[rows] - decided,
            row_upper=model.row_upper[rows] - decided,
            lower=lower[free],
            upper=upper[free],
            is_integer=np.zeros(int(free.sum()), dtype=np.bool_),
            square_column=none,
            square_weight=np.zeros(0),
            square_indicator=none,
            is_ratio=np.zeros(0, dtype=np.bool_),
            n_program_columns=int(free.sum()),
        )
        highs = HighsModel(rest, self._clock, stage=self._stage)
        highs.set(presolve="off", simplex_dual_edge_weight_strategy=DEVEX)
        termination, x = highs.run(), highs.x
        if termination is not Termination.OPTIMAL or x is None:
            self.x = None
            return termination
        lower[free] = x
        prices = np.zeros(len(rows))
        prices[rows] = highs.row_price
        self.x, self.prices, self.objective = lower, prices[self._priced], highs.objective
        return termination

    def _set_up(self) -> None:
        """Take the matrix apart by sign."""
        if self._is_set_up:
            return
        A = self._model.A
        self._up, self._down = A.copy(), A.copy()
        self._up.data = np.maximum(A.data, 0.0)
        self._down.data = np.minimum(A.data, 0.0)
        self._row = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
        self._is_set_up = True

    def _activity(self, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and the most that columns within their bounds come to in each row."""
        low, high = np.maximum(lower, -ENDLESS), np.minimum(upper, ENDLESS)
        return self._up @ low + self._down @ high, self._up @ high + self._down @ low

    def _decide(self, lower: FloatArray, upper: FloatArray) -> None:
        """Narrow bounds to one value where a row leaves no other."""
        model = self._model
        for _ in range(ROUNDS):
            least, most = self._activity(lower, upper)
            is_open = most > least + TIGHT
            at_least = is_open & (least >= model.row_upper - TIGHT)
            at_most = is_open & (most <= model.row_lower + TIGHT)
            if not (at_least.any() or at_most.any()):
                return
            self._take(at_least, lower, upper)
            self._take(at_most, upper, lower)

    def _take(self, rows: BoolArray, there: FloatArray, other: FloatArray) -> None:
        """Hold the columns of rows: where they enter with plus `there`, else at the other bound."""
        entries = rows[self._row]
        columns, plus = self._model.A.indices[entries], self._model.A.data[entries] > 0
        other[columns[plus]] = there[columns[plus]]
        there[columns[~plus]] = other[columns[~plus]]
