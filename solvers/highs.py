"""HiGHS, an open mixed-integer solver, on arrays directly.

Huangfu & Hall 2018, "Parallelizing the dual revised simplex method",
doi 10.1007/s12532-017-0130-5. Convex squares in the objective are met by tangents, added until
the gap that was asked for is certified on the quadratic program itself.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, final

import highspy
import numpy as np
from highspy import HighsCallbackEvent, HighsModelStatus
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.linearization import LinearModel, linearized
from gridopt.program import Block, Program
from gridopt.solution import Solution, Termination, relative_gap
from gridopt.solver import (
    Progress,
    ProgressCallback,
    Solver,
    check_common,
    check_option,
    is_number,
)

MAX_ROUNDS = 50
"""Rounds of tangents; each closes the error at the last answer, so few are ever needed."""

RELAXATION_ROUNDS = 10
"""Rounds of tangents at the relaxation's answers before the search: each is one warm program."""

REPORT_EVERY_S = 0.2

_MIP_INTERRUPT = int(highspy.cb.HighsCallbackType.kCallbackMipInterrupt)

_STATUS = {
    HighsModelStatus.kOptimal: Termination.OPTIMAL,
    HighsModelStatus.kInfeasible: Termination.INFEASIBLE,
    HighsModelStatus.kUnbounded: Termination.UNBOUNDED,
    HighsModelStatus.kUnboundedOrInfeasible: Termination.INFEASIBLE,
    HighsModelStatus.kTimeLimit: Termination.TIME_LIMIT,
    HighsModelStatus.kInterrupt: Termination.INTERRUPTED,
    HighsModelStatus.kModelEmpty: Termination.OPTIMAL,
}


@final
@dataclass(frozen=True)
class HiGHS(Solver):
    """Branch and cut by HiGHS.

    Parameters
    ----------
    time_limit_s : float, optional
        Wall seconds for all of it; none by default.
    gap : float
        Relative gap, (objective − bound) / |objective|, at which to stop.
    seed : int
    threads : int
        1 makes runs repeatable.
    """

    time_limit_s: float | None = None
    gap: float = 1e-4
    seed: int = 0
    threads: int = 1

    kind: ClassVar[str] = "mixed-integer programming"
    limits: ClassVar[str] = "convex separable quadratic objective; any size that memory holds"
    package: ClassVar[str] = "highspy"

    def __post_init__(self) -> None:
        check_common("highs", self.seed, self.time_limit_s)
        right = is_number(self.gap) and 0 <= self.gap < 1
        check_option("highs", "gap", self.gap, right, "at least 0, less than 1")
        right = isinstance(self.threads, int) and self.threads >= 1
        check_option("highs", "threads", self.threads, right, "a whole number of at least 1")

    def solve(self, program: Program, progress: ProgressCallback | None = None) -> Solution:
        """Return the best answer within the time limit, with HiGHS's proved bound."""
        return _Search(self, program, progress).run()


class _Search:
    """One solve: the model in HiGHS, its clock, and the best answer and bound so far."""

    def __init__(self, options: HiGHS, program: Program, progress: ProgressCallback | None) -> None:
        self.options = options
        self.program = program
        self.progress = progress
        self.begun = time.perf_counter()
        self.model = linearized(program)
        self.highs = _loaded(self.model, options)
        self.stop = threading.Event()
        self.x: FloatArray | None = None
        self.objective = np.inf
        self.bound = -np.inf
        self.searching = bool(self.model.is_integer.any())
        self.report_due = self.begun
        self.nodes = 0
        self.rounds = 0
        self._watch()

    def run(self) -> Solution:
        """Solve, adding tangents until the gap holds on the quadratic program."""
        self._add_tangents(*self.model.first_tangents())
        if self.searching and not self.model.is_exact:
            self._tighten_relaxation()
        termination = self._search()
        return Solution.at(
            self.program,
            self.x,
            termination,
            self.bound,
            f"HiGHS {self.highs.version()}" if np.isfinite(self.bound) else "",
            {"nodes": self.nodes, "rounds": self.rounds},
        )

    def _search(self) -> Termination:
        for _ in range(MAX_ROUNDS):
            termination = self._solve_model()
            self.rounds += 1
            if termination is Termination.OPTIMAL and self._is_proved():
                return Termination.OPTIMAL
            if termination is not Termination.OPTIMAL or not self._cut_off_answer():
                return termination
        return Termination.OPTIMAL if self._is_proved() else Termination.TIME_LIMIT

    def _is_proved(self) -> bool:
        if self.model.is_exact:
            return True
        return relative_gap(self.objective, self.bound) <= max(self.options.gap, 1e-9)

    def _tighten_relaxation(self) -> None:
        """Add tangents at the relaxation's answers: each round costs a warm linear program."""
        self._set_searching(False)
        for _ in range(RELAXATION_ROUNDS):
            if self._run() is not Termination.OPTIMAL or not self._cut_off_answer():
                break
        self._set_searching(True)

    def _solve_model(self) -> Termination:
        if self.searching and self.x is not None:
            self._offer(self.x)
        termination = self._run()
        info = self.highs.getInfo()
        if not info.valid:
            return termination
        has_answer = info.primal_solution_status == int(
            highspy.SolutionStatus.kSolutionStatusFeasible
        )
        if self.searching:
            self.nodes += int(info.mip_node_count)
            self._raise_bound(info.mip_dual_bound)
        elif termination is Termination.OPTIMAL:
            self._raise_bound(info.objective_function_value)
        if has_answer:
            self._take(np.array(self.highs.getSolution().col_value))
        return termination

    def _raise_bound(self, bound: float) -> None:
        if np.isfinite(bound):
            self.bound = max(self.bound, bound)

    def _take(self, x: FloatArray) -> None:
        """Keep the answer if it is the best on the program, its integers made whole."""
        whole = self._made_whole(x[: self.program.n_columns])
        as_is = self.model.is_exact and self.program.is_feasible(whole)
        if self.program.is_integer.any() and not as_is:
            whole = self._redispatched(whole)
        objective = self.program.objective(whole) if self.program.is_feasible(whole) else np.inf
        if self.x is None or objective < self.objective:
            self.x, self.objective = whole, objective

    def _redispatched(self, whole: FloatArray) -> FloatArray:
        """Return the best answer for given decisions, or the same where there is none.

        Branch and cut holds integers to a tolerance only, and sees tangents for squares.
        """
        decisions = np.flatnonzero(self.program.is_decision)
        fixed = self.program.fixed(decisions, whole[decisions]).relaxed()
        exact = HiGHS(gap=min(self.options.gap, 1e-6) / 10, seed=self.options.seed)
        solution = exact.solve(fixed)
        return whole if solution.x is None else self._made_whole(solution.x)

    def _made_whole(self, x: FloatArray) -> FloatArray:
        return np.where(self.program.is_integer, np.rint(x), x)

    def _cut_off_answer(self) -> bool:
        """Add tangents where the last answer lies below a square; return whether any was."""
        x = np.array(self.highs.getSolution().col_value)
        shortfall = self.model.shortfall(x)
        scale = max(abs(self.model.c0 + self.model.c @ x), 1.0)
        allowed = max(self.options.gap, 1e-9) * scale / (10 * max(len(shortfall), 1))
        squares = np.flatnonzero(shortfall > allowed)
        points = x[self.model.square_column[squares]]
        if self.x is not None:
            kept = self.x[self.model.square_column[squares]]
            squares, points = np.concatenate([squares, squares]), np.concatenate([points, kept])
        self._add_tangents(squares, points)
        return len(squares) > 0

    def _add_tangents(self, squares: IntArray, points: FloatArray) -> None:
        if not len(squares):
            return
        rows = self.model.tangents(squares, points)
        side = self.model.tangent_sides(squares, points)
        self.highs.addRows(
            len(side),
            np.full(len(side), -np.inf),
            side,
            rows.nnz,
            rows.indptr[:-1].astype(np.int32),
            rows.indices.astype(np.int32),
            rows.data,
        )

    def _offer(self, x: FloatArray) -> None:
        full = np.zeros(len(self.model.c))
        full[: self.program.n_columns] = x
        columns = np.flatnonzero(self.program.is_decision).astype(np.int32)
        self.highs.setSolution(len(columns), columns, full[columns])

    def _set_searching(self, on: bool) -> None:
        """Switch between the mixed-integer program and its relaxation."""
        self.searching = on
        columns = np.flatnonzero(self.model.is_integer).astype(np.int32)
        kind = highspy.HighsVarType.kInteger if on else highspy.HighsVarType.kContinuous
        self.highs.changeColsIntegrality(
            len(columns), columns, np.full(len(columns), int(kind), dtype=np.uint8)
        )

    def _run(self) -> Termination:
        """Run HiGHS in a thread of its own, so that Ctrl-C reaches us and stops it softly."""
        left = self._time_left()
        if left <= 0:
            return Termination.TIME_LIMIT
        if self.stop.is_set():
            return Termination.INTERRUPTED
        if np.isfinite(left):
            # HiGHS counts a linear program's limit over all runs, a mixed-integer one's from zero
            spent = 0.0 if self.searching else self.highs.getRunTime()
            self.highs.setOptionValue("time_limit", spent + left)
        finished = threading.Event()

        def work() -> None:
            try:
                self.highs.run()
            finally:
                finished.set()

        threading.Thread(target=work, daemon=True).start()
        # not join(): interrupted by Ctrl-C, it takes a running thread for a finished one
        while not finished.is_set():
            try:
                finished.wait()
            except KeyboardInterrupt:
                if self.stop.is_set():
                    raise
                self.stop.set()
        return _STATUS.get(self.highs.getModelStatus(), Termination.TIME_LIMIT)

    def _time_left(self) -> float:
        limit = self.options.time_limit_s
        return np.inf if limit is None else limit - (time.perf_counter() - self.begun)

    def _watch(self) -> None:
        self.highs.cbSimplexInterrupt += self._look_up
        self.highs.cbIpmInterrupt += self._look_up
        self.highs.cbMipInterrupt += self._look_up

    def _look_up(self, event: HighsCallbackEvent) -> None:
        """Stop if asked to, and report now and then; HiGHS calls this many times a second."""
        if self.stop.is_set():
            event.interrupt()
        now = time.perf_counter()
        if self.progress is None or now < self.report_due:
            return
        self.report_due = now + REPORT_EVERY_S
        searching = int(event.callback_type) == _MIP_INTERRUPT
        out = event.data_out
        self.progress(
            Progress(
                elapsed_s=now - self.begun,
                objective=min(self.objective, out.mip_primal_bound if searching else np.inf),
                bound=max(self.bound, out.mip_dual_bound if searching else -np.inf),
                stage="branch and cut" if searching else "linear program",
            )
        )


def _loaded(model: LinearModel, options: HiGHS) -> highspy.Highs:
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", options.threads)
    highs.setOptionValue("random_seed", options.seed)
    # half the gap for the search leaves half for the tangents' error
    highs.setOptionValue("mip_rel_gap", options.gap if model.is_exact else options.gap / 2)
    highs.setOptionValue("mip_abs_gap", 0.0)
    matrix = sparse.csr_array(model.A)
    highs.passModel(
        len(model.c),
        matrix.shape[0],
        matrix.nnz,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        model.c0,
        model.c,
        model.lower,
        model.upper,
        model.row_lower,
        model.row_upper,
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
        model.is_integer.astype(np.int32),
    )
    return highs


# --- prices of a linear program, and programs as files


PRICE_TOLERANCE = 1e-6
"""Largest error of a square's slope, relative where the slope is above 1."""

ROWS_A_ROUND = 1000
"""Rows of each lazy family that a round of pricing adds, at most."""


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


def linear_prices(program: Program) -> LinearPrices | None:
    """Solve a program whose integrality is left out; return the duals of its rows.

    Squares are met by tangents until the slope is right wherever the answer lies, since it is the
    slope that a price comes from.

    Parameters
    ----------
    program : Program
        Convex, with separable squares.

    Returns
    -------
    LinearPrices or None
        None where there is no answer, or no best one.

    Raises
    ------
    UnsupportedError
        As `HiGHS.solve`.
    """
    program = program.relaxed()
    for _ in range(MAX_ROUNDS):
        answer = _priced(program)
        if answer is None:
            return None
        added = program.separate(answer.x, ROWS_A_ROUND)
        if not len(added):
            break
        program = program.with_rows(added)
    return answer


def _priced(program: Program) -> LinearPrices | None:
    """Return the answer to the rows listed."""
    model = linearized(program)
    highs = _loaded(model, HiGHS())
    for option in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
        highs.setOptionValue(option, 1e-9)
    _append_tangents(highs, model, *model.first_tangents())
    for _ in range(MAX_ROUNDS):
        highs.run()
        if highs.getModelStatus() != HighsModelStatus.kOptimal:
            return None
        solution = highs.getSolution()
        x = np.array(solution.col_value)
        # a tangent at a lies q (x − a)² below the square q x², and its slope is 2 q (x − a) off
        off = 2 * np.sqrt(model.square_weight * np.maximum(model.shortfall(x), 0.0))
        at = x[model.square_column]
        slope = 2 * model.square_weight * np.abs(at)
        squares = np.flatnonzero(off > PRICE_TOLERANCE * np.maximum(slope, 1.0))
        if not len(squares):
            break
        _append_tangents(highs, model, squares, at[squares])
    own = x[: program.n_columns]
    row_price = np.array(solution.row_dual)[: program.n_rows]
    return LinearPrices(program, own, row_price, program.objective(own))


def _append_tangents(
    highs: highspy.Highs, model: LinearModel, squares: IntArray, points: FloatArray
) -> None:
    rows, side = model.tangents(squares, points), model.tangent_sides(squares, points)
    highs.addRows(
        len(side),
        np.full(len(side), -np.inf),
        side,
        rows.nnz,
        rows.indptr[:-1].astype(np.int32),
        rows.indices.astype(np.int32),
        rows.data,
    )


def write_program(program: Program, path: str | Path) -> Path:
    """Write a program into a file that other solvers read; its ending says the format.

    Parameters
    ----------
    program : Program
        Rows that it does not list are written as well.
    path : str or Path
        ``.lp`` (CPLEX LP) or ``.mps`` (free MPS). The folder is created where it is missing.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    OptionError
        For another ending.
    TooLargeError
        Where there are too many rows to list.

    Notes
    -----
    Columns and rows are named by block and place, such as ``on(3,5)``, what the formats do not
    allow in a name as ``_``. Implied integers are written as integers.
    """
    target = Path(path)
    check_program_file(target)
    whole = program.complete()
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    highs.passModel(_as_model(whole))
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".writing-", dir=target.parent) as folder:
        scratch = Path(folder) / target.name
        if highs.writeModel(str(scratch)) != highspy.HighsStatus.kOk:
            raise OSError(f"HiGHS could not write {target}")
        scratch.replace(target)
    return target


def check_program_file(path: Path) -> None:
    """Raise `OptionError` unless `write_program` can write such a file."""
    right = path.suffix in (".lp", ".mps")
    check_option("write_program", "path", str(path), right, "a name that ends in .lp or .mps")


def _as_model(program: Program) -> highspy.HighsModel:
    """Return a program with its quadratic part and its names; HiGHS's objective is x'Qx / 2."""
    model = highspy.HighsModel()
    lp, matrix = model.lp_, sparse.csr_array(program.A)
    lp.num_col_, lp.num_row_ = program.n_columns, program.n_rows
    lp.col_cost_, lp.offset_ = program.c, program.c0
    lp.col_lower_, lp.col_upper_ = program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    kinds = highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger
    lp.integrality_ = [kinds[whole] for whole in program.is_integer.astype(int)]
    lp.col_names_, lp.row_names_ = _names(program.variables), _names(program.rows)
    lower = sparse.csc_array(sparse.tril(2 * program.Q))
    if lower.nnz:
        hessian = model.hessian_
        hessian.dim_, hessian.format_ = program.n_columns, highspy.HessianFormat.kTriangular
        hessian.start_, hessian.index_, hessian.value_ = lower.indptr, lower.indices, lower.data
    return model


def _names(blocks: Mapping[str, Block]) -> list[str]:
    """Return names of all columns (rows) that the formats allow, no two alike."""
    names = []
    for block in blocks.values():
        for number in range(block.first, block.first + block.size):
            label = block.label(number).replace(", ", ",").replace("[", "(").replace("]", ")")
            names.append(re.sub(r"[^\w.,()]", "_", label, flags=re.ASCII))
    used: dict[str, int] = {}
    for i, name in enumerate(names):
        used[name] = used.get(name, 0) + 1
        if used[name] > 1:
            names[i] = f"{name}_{used[name]}"
    return names
