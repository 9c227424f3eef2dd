"""Prices of a program's rows: the duals of its relaxation, squares and lazy rows included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.highs_model import Clock, HighsModel
from gridopt.linearization import linearized
from gridopt.program import Program
from gridopt.solution import Termination

MAX_ROUNDS = 50
"""Rounds of tangents, and of rows, at most; few are ever needed."""

ROWS_A_ROUND = 1000
"""Rows of each lazy family that a round adds, at most."""

PRICED_FEASIBILITY = 1e-9
"""By how much rows may be missed where their duals are asked for: all that HiGHS can do."""


@dataclass(frozen=True, eq=False)
class LinearPrices:
    """The best answer of a program without integers, and what its rows are worth.

    Parameters
    ----------
    program : Program
        What was asked for, with the lazy rows that were added listed.
    x : array, (n,)
    row_price : array, (m,)
        Change of the objective with a row's side (its dual): at least 0 where the lower side
        binds, at most 0 where the upper one does.
    objective : float
    """

    program: Program
    x: FloatArray
    row_price: FloatArray
    objective: float


def linear_prices(program: Program, time_limit_s: float | None = None) -> LinearPrices | None:
    """Solve a program whose integrality is left out; return the duals of its rows.

    Parameters
    ----------
    program : Program
        Convex, with separable squares.
    time_limit_s : float, optional

    Returns
    -------
    LinearPrices or None
        None where there is no answer, or no best one, or none in time.

    Raises
    ------
    UnsupportedError
        As `HiGHS.solve`.
    """
    program, clock = program.relaxed(), Clock(time_limit_s)
    for _ in range(MAX_ROUNDS):
        answer = _priced(program, clock)
        if answer is None:
            return None
        added = program.separate(answer.x, ROWS_A_ROUND)
        if not len(added):
            break
        program = program.with_rows(added)
    return answer


def _priced(program: Program, clock: Clock) -> LinearPrices | None:
    """Return the answer to the rows listed.

    Tangents are added until they lie so near to their squares that HiGHS sees no difference: below
    a square q x² by s, the slope, which prices come from, is off by 2 √(q s).
    """
    model = linearized(program)
    highs = HighsModel(model, clock)
    highs.set(
        primal_feasibility_tolerance=PRICED_FEASIBILITY,
        dual_feasibility_tolerance=PRICED_FEASIBILITY,
    )
    answer = None
    squares, points = model.first_tangents()
    for _ in range(MAX_ROUNDS):
        side = model.tangent_sides(squares, points)
        highs.add_rows(model.tangents(squares, points), np.full(len(side), -np.inf), side)
        termination, x = highs.run(), highs.x
        if termination is Termination.INTERRUPTED:
            raise KeyboardInterrupt
        if termination is not Termination.OPTIMAL or x is None:
            break
        own = x[: program.n_columns]
        prices = highs.row_price[: program.n_rows]
        answer = LinearPrices(program, own, prices, program.objective(own))
        height = model.square_weight * x[model.square_column] ** 2
        allowed = 10 * PRICED_FEASIBILITY * np.maximum(height / 1e3, 1.0)
        squares = np.flatnonzero(model.shortfall(x) > allowed)
        if not len(squares):
            break
        points = model.touching(x, squares)
    return answer
