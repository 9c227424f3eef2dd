"""From a program to its grid: every column whole, every answer still exact on the resolution.

A grid is exact where the resolution divides the ranges; what does not is named, all at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gridopt.arrays import BoolArray, FloatArray
from gridopt.errors import ResolutionError, UnsupportedError
from gridopt.lowering.lift import Lift
from gridopt.lowering.reduction import Reduced, open_columns, reduced, substituted, without_rows
from gridopt.lowering.row_kernels import fill_units, round_equalities
from gridopt.program import Integrality, Program
from gridopt.solver import check_option, is_number, is_whole

ENCODINGS = ("binary", "unary", "domain_wall", "one_hot")

INEQUALITIES = ("slack", "unbalanced", "augmented_lagrangian")

FORMS = ("full", "compact")

_WHOLE = 1e-6
_SHOWN = 5


@dataclass(frozen=True)
class Lowering:
    """How a program becomes a QUBO; every QUBO solver holds one.

    Parameters
    ----------
    resolution : float or None
        Step of continuous columns, in their own unit (MW): x = lower + resolution · k. None gives
        each column `levels` equal levels, and rounds rows that then have no common unit.
    rounding : bool
        Take the nearest step that divides a column's range, and the nearest whole multiple in
        rows, instead of raising `ResolutionError`.
    levels : int
        Levels of a continuous column where `resolution` is None; 2 takes one bit, 8 take three.
    penalty : float
        Factor on the proved weights. Below 1 the landscape is easier to anneal and the ground state
        may break a rule; the QUBO records that it is not exact.
    substitute_sums : bool
        Put sums in place of the columns that they define (power as the sum of its cost segments):
        more bits, but no penalty for the sum, which makes annealing find far better answers. Off,
        two levels of such a column take one bit, where qubits are dear.
    encoding : str or mapping of str to str
        How columns of more than two values are written in bits, all alike or by block of the
        program (``{"segment_mw": "unary"}``, the others binary): ``"binary"``, ``"unary"``,
        ``"domain_wall"`` or ``"one_hot"``, see `gridopt.lowering.bits`. All are exact.
    inequalities : {"slack", "unbalanced", "augmented_lagrangian"} or None
        What stands for an inequality that its conflicts alone do not tell: a penalty with slack
        bits, exactly; or a soft term without any, which may favor breaking it: see
        `gridopt.lowering.soft`. The augmented Lagrangian stands for such equalities as well. None
        is slack in the full form, and unbalanced in the compact one, which is a model anyway.
    tighten : bool
        Lower the weights as far as an exact solution of the QUBO proves that they still hold: see
        `gridopt.sampling.tightening`. For QUBOs that are small or tree-like.
    form : {"full", "compact"}
        All of the program, or its compact form: the decisions alone, the rest eliminated.
    presolve : bool
        Solve what is easy before sampling, exactly: see `gridopt.sampling.presolve`.
    upper_bound : float or None
        Objective of a known answer: columns are fixed that no better one can move, exactly.
    """

    resolution: float | None = None
    rounding: bool = False
    levels: int = 8
    penalty: float = 1.0
    substitute_sums: bool = True
    encoding: str | Mapping[str, str] = "binary"
    inequalities: Literal["slack", "unbalanced", "augmented_lagrangian"] | None = None
    tighten: bool = False
    form: Literal["full", "compact"] = "full"
    presolve: bool = False
    upper_bound: float | None = None

    def __post_init__(self) -> None:
        step, known, named = self.resolution, self.upper_bound, self.encoding
        codes = named.values() if isinstance(named, Mapping) else [named]
        right = {
            "resolution": (step is None or (is_number(step) and 0.0 < step < np.inf)),
            "levels": is_whole(self.levels) and 2 <= self.levels <= 2**20,
            "penalty": is_number(self.penalty) and 0.0 < self.penalty < np.inf,
            "encoding": all(code in ENCODINGS for code in codes),
            "inequalities": self.inequalities is None or self.inequalities in INEQUALITIES,
            "form": self.form in FORMS,
            "upper_bound": known is None or (is_number(known) and abs(known) < np.inf),
        }
        expected = {
            "resolution": "more than 0, or none",
            "levels": "a whole number, 2 to 2²⁰",
            "penalty": "more than 0",
            "encoding": f"{', '.join(ENCODINGS)}, or a mapping of blocks to these",
            "inequalities": f"{' or '.join(INEQUALITIES)}, or none",
            "form": " or ".join(FORMS),
            "upper_bound": "a finite number, or none",
        }
        for option in ("rounding", "substitute_sums", "tighten", "presolve"):
            right[option] = isinstance(getattr(self, option), bool)
            expected[option] = "true or false"
        for option, is_right in right.items():
            check_option("Lowering", option, getattr(self, option), is_right, expected[option])

    @property
    def inequality_form(self) -> str:
        """What stands for an inequality, chosen by the form where it is not stated."""
        return self.inequalities or ("slack" if self.form == "full" else "unbalanced")

    @property
    def is_local(self) -> bool:
        """Whether the QUBO depends on an answer that it is made near."""
        return self.form == "compact" or self.inequality_form == "augmented_lagrangian"

    def encoding_of(self, block: str) -> str:
        """Return the encoding of the columns of a block."""
        named = self.encoding
        return named.get(block, "binary") if isinstance(named, Mapping) else named

    @property
    def rounds(self) -> bool:
        """Whether numbers may be rounded."""
        return self.rounding or self.resolution is None


@dataclass(frozen=True, eq=False)
class Discretized:
    """A program on its grid: every column whole, from 0 to its number of steps.

    Parameters
    ----------
    reduced : Reduced
        The program on the grid, the lift to the original program, and the labels.
    step : array, (n,)
        Step of each column that was continuous, nan for the others.
    unit : array, (m,)
        Unit of each row that holds a continuous column, nan for the others.
    faults : tuple of str
        Columns whose range is no multiple of the resolution.
    rounded : tuple of str
        Equality rows whose numbers were rounded, so that points of the grid can hold them.
    """

    reduced: Reduced
    step: FloatArray
    unit: FloatArray
    faults: tuple[str, ...]
    rounded: tuple[str, ...]

    @property
    def program(self) -> Program:
        """The program on the grid."""
        return self.reduced.program

    @property
    def lift(self) -> Lift:
        """From the grid to the columns of the original program."""
        return self.reduced.lift

    @property
    def resolution(self) -> float | None:
        """Largest step of a column that was continuous, None where there was none."""
        return float(np.nanmax(self.step)) if np.isfinite(self.step).any() else None


def discretized(program: Program, lowering: Lowering | None = None) -> Discretized:
    """Return the reduced program on its grid; the QUBO's ground state lifts to its optimum.

    Parameters
    ----------
    program : Program
    lowering : Lowering or None
        Default options where None.

    Raises
    ------
    ResolutionError
        Where the resolution does not divide the range of some column, and rounding is off.
    UnsupportedError
        Where a column has no finite bounds and the rows imply none.
    """
    options = lowering or Lowering()
    found = on_grid(program, options)
    if not options.rounds:
        raise_resolution(options, found.faults, ())
    return found


def on_grid(program: Program, lowering: Lowering) -> Discretized:
    """Return the program on its grid, with its faults where `discretized` raises."""
    listed = program.complete()
    if listed.sequences is not None:
        listed = without_rows(listed, listed.sequences.rows)
    found = reduced(listed, lowering.substitute_sums)
    _check_bounded(found)
    inner = found.program
    whole = inner.is_integer
    steps, width, off = _steps(inner, lowering)
    faults = tuple(
        f"{found.columns[k]} (range {inner.upper[k] - inner.lower[k]:.10g})"
        for k in np.flatnonzero(off).tolist()
    )
    n = inner.n_columns
    lift = Lift.columns(n, np.arange(n), step=width, shift=inner.lower)
    gridded = substituted(found, lift, np.arange(n))
    program = replace(
        gridded.program,
        lower=np.zeros(n),
        upper=steps,
        integrality=np.where(whole, inner.integrality, Integrality.INTEGER).astype(np.int8),
    )
    unit = _units(program, ~whole, lowering.resolution)
    rounded: list[int] = []
    if lowering.rounds:
        is_stated = ~off & (lowering.resolution is not None)
        program, unit, rounded = _with_rounded_equalities(program, ~whole, is_stated, unit)
    return Discretized(
        reduced=replace(gridded, program=program),
        step=np.where(whole, np.nan, width),
        unit=unit,
        faults=faults,
        rounded=tuple(gridded.rows[row] for row in rounded),
    )


def raise_resolution(lowering: Lowering, columns: Sequence[str], rows: Sequence[str]) -> None:
    """Raise `ResolutionError` that names all `columns` and `rows` at fault, if there are any."""
    if not columns and not rows:
        return
    parts = [
        f"{len(names)} {kind}{'s' if len(names) > 1 else ''}: {_shortened(names)}"
        for kind, names in (("column", columns), ("row", rows))
        if names
    ]
    step = "" if lowering.resolution is None else f" {lowering.resolution:g}"
    raise ResolutionError(
        f"the resolution{step} does not divide the data of {'; '.join(parts)}. "
        "Choose a resolution that divides them, or rounding=True to take the nearest multiples"
    )


def _steps(program: Program, lowering: Lowering) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return how many steps each column has, how wide, and which do not come out even."""
    span = np.maximum(program.upper - program.lower, 0.0)
    whole = program.is_integer
    if lowering.resolution is None:
        steps = np.where(whole, np.rint(span), lowering.levels - 1.0)
        return steps, np.where(whole, 1.0, span / np.maximum(steps, 1.0)), np.zeros_like(whole)
    count = np.where(whole, span, span / lowering.resolution)
    steps = np.where(whole, np.rint(span), np.maximum(np.rint(count), 1.0))
    off = ~whole & (np.abs(count - steps) > _WHOLE)
    # Without rounding the stated step stays, so that the rows are judged by it as well.
    adjusted = off & lowering.rounding
    step = np.where(adjusted, span / np.maximum(steps, 1.0), lowering.resolution)
    width = np.where(whole, 1.0, step)
    return steps, width, off


def _units(program: Program, was_continuous: BoolArray, resolution: float | None) -> FloatArray:
    """Return the unit of each row that holds a column that was continuous, nan elsewhere."""
    unit = np.full(program.n_rows, np.nan)
    stated = 0.0 if resolution is None else resolution
    A = program.A
    fill_units(A.indptr.astype(np.int64), A.data, was_continuous[A.indices], stated, unit)
    return unit


def _with_rounded_equalities(
    program: Program, was_continuous: BoolArray, is_stated: BoolArray, unit: FloatArray
) -> tuple[Program, FloatArray, list[int]]:
    """Round the equalities that hold a column of its own step to multiples of the least step.

    No point of the grid would hold most of them otherwise; rounded, the finest column closes any
    difference. Returns the program, the units and the rows that changed.
    """
    A, unit = program.A.copy(), unit.copy()
    lower, upper = program.row_lower.copy(), program.row_upper.copy()
    changed = np.zeros(program.n_rows, dtype=np.bool_)
    round_equalities(
        A.indptr.astype(np.int64),
        A.data,
        lower,
        upper,
        unit,
        was_continuous[A.indices],
        is_stated[A.indices],
        changed,
    )
    A.eliminate_zeros()
    rounded = replace(program, A=A, row_lower=lower, row_upper=upper)
    return rounded, unit, np.flatnonzero(changed).tolist()


def _check_bounded(found: Reduced) -> None:
    names = [found.columns[k] for k in np.flatnonzero(open_columns(found.program)).tolist()]
    if names:
        raise UnsupportedError(
            f"a QUBO needs bounds: {_shortened(names)} {'have' if len(names) > 1 else 'has'} none, "
            "and the rows imply none. Give the columns bounds, or define each by one equality"
        )


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
