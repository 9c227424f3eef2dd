"""What of a program is lowered to a QUBO: all of it, or a model of its decisions alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.errors import UnsupportedError
from gridopt.linear_prices import LinearPrices
from gridopt.program import Program


@dataclass(frozen=True, eq=False)
class View:
    """A program to lower, and which of its columns decide what in the whole program.

    Parameters
    ----------
    program : Program
    decisions : array of int, (k,)
        Columns of `program`.
    columns : array of int, (k,)
        Columns of the whole program that these are.
    is_whole : bool
        Whether a point of `program` is one of the whole program.
    prices : mapping of str to float
        What one unit of a row of `program` is worth, by its label, where known.
    """

    program: Program
    decisions: IntArray
    columns: IntArray
    is_whole: bool
    prices: Mapping[str, float]

    @staticmethod
    def full(
        program: Program, lower: FloatArray, upper: FloatArray, prices: LinearPrices | None
    ) -> View:
        """Return all of a program, with some bounds drawn tighter, and the prices of its rows."""
        known: dict[str, float] = {}
        if prices is not None:
            rows = range(prices.program.n_rows)
            labels = map(prices.program.row_label, rows)
            known = dict(zip(labels, np.abs(prices.row_price).tolist(), strict=True))
        columns = np.flatnonzero(program.is_decision)
        return View(replace(program, lower=lower, upper=upper), columns, columns, True, known)

    @staticmethod
    def compact(
        program: Program,
        x: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        *,
        without_mended: bool = False,
    ) -> View:
        """Return the model of a program over its decisions, made near `x`, (n,).

        Rows that a repair mends can be left out.

        Raises
        ------
        UnsupportedError
            Where the program has none.
        """
        if program.compact is None:
            raise UnsupportedError(
                "this program has no compact form: it is there for unit commitment without "
                "scenarios and for battery placement on radial nets; take form = 'full'"
            )
        columns = program.compact.columns
        model = program.compact.near(x, lower[columns], upper[columns])
        decisions = np.arange(len(columns))
        if without_mended and model.mended:
            low, high = model.program.row_lower.copy(), model.program.row_upper.copy()
            for name in model.mended:
                if name in model.program.rows:
                    numbers = model.program.rows[name].numbers
                    low[numbers], high[numbers] = -np.inf, np.inf
            model = model._replace(program=replace(model.program, row_lower=low, row_upper=high))
        return View(model.program, decisions, columns, is_whole=False, prices=model.prices)
