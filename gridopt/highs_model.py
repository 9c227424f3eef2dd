"""A linear model inside HiGHS: loaded, changed and run against one clock.

Huangfu & Hall 2018, "Parallelizing the dual revised simplex method",
doi 10.1007/s12532-017-0130-5.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import highspy
import numpy as np
from highspy import HighsCallbackEvent, HighsModelStatus
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.linearization import LinearModel
from gridopt.solution import Termination
from gridopt.solver import Progress, ProgressCallback

REPORT_EVERY_S = 0.2

MOST_ROUNDS = 20
"""Rounds of tangents at most; each closes the error at the last answer."""

AGGREGATOR = 1 << 12
"""The rule of presolve that is left out where a bound counts: with it HiGHS 1.15.1 calls answers
optimal that are not, on two models of unit commitment that peers make (benchmarks/README.md)."""

_MIP_INTERRUPT = int(highspy.cb.HighsCallbackType.kCallbackMipInterrupt)

_STATUS = {
    HighsModelStatus.kOptimal: Termination.OPTIMAL,
    HighsModelStatus.kObjectiveTarget: Termination.OPTIMAL,
    HighsModelStatus.kInfeasible: Termination.INFEASIBLE,
    HighsModelStatus.kUnbounded: Termination.UNBOUNDED,
    HighsModelStatus.kUnboundedOrInfeasible: Termination.INFEASIBLE,
    HighsModelStatus.kTimeLimit: Termination.TIME_LIMIT,
    HighsModelStatus.kInterrupt: Termination.INTERRUPTED,
    HighsModelStatus.kModelEmpty: Termination.OPTIMAL,
}


@dataclass
class Clock:
    """Time, interruption and progress of one solve, shared by all its runs.

    Parameters
    ----------
    time_limit_s : float or None
    progress : callable or None
    objective, bound : float
        Best so far, for the report.
    """

    time_limit_s: float | None
    progress: ProgressCallback | None = None
    objective: float = np.inf
    bound: float = -np.inf
    begun: float = field(default_factory=time.perf_counter)
    stop: threading.Event = field(default_factory=threading.Event)
    report_due: float = 0.0

    def left_s(self) -> float:
        """Return the seconds left, inf without a limit."""
        if self.time_limit_s is None:
            return np.inf
        return self.time_limit_s - (time.perf_counter() - self.begun)

    def over(self) -> Termination | None:
        """Return why nothing more may be run, or None."""
        if self.stop.is_set():
            return Termination.INTERRUPTED
        return Termination.TIME_LIMIT if self.left_s() <= 0 else None

    def report(self, objective: float, bound: float, stage: str) -> None:
        """Report now and then; called many times a second."""
        now = time.perf_counter()
        if self.progress is None or now < self.report_due:
            return
        self.report_due = now + REPORT_EVERY_S
        best, proved = min(self.objective, objective), max(self.bound, bound)
        self.progress(Progress(now - self.begun, best, proved, stage))


class HighsModel:
    """A linear model in HiGHS.

    Parameters
    ----------
    model : LinearModel
    clock : Clock
    seed, threads : int
    stage : str
        What the runs are for, in reports.
    integer : bool
        Whether its integers are whole, or the relaxation is meant.
    is_in_vain : callable
        Asked while it runs: whether to stop, as better is known elsewhere.
    """

    def __init__(
        self,
        model: LinearModel,
        clock: Clock,
        *,
        seed: int = 0,
        threads: int = 1,
        stage: str = "linear program",
        integer: bool = False,
        is_in_vain: Callable[[], bool] = lambda: False,
    ) -> None:
        self.model = model
        self.clock = clock
        self.stage = stage
        self.integer = integer
        self._is_in_vain = is_in_vain
        self._has_tangents = False
        self.highs = highspy.Highs()  # type: ignore[no-untyped-call]
        self.set(output_flag=False, threads=threads, random_seed=seed, mip_abs_gap=0.0)
        self.trust_presolve(False)
        # the default drops entries whose sum over a row may exceed the tolerance of a rule
        self.set(small_matrix_value=1e-12)
        _load(self.highs, model, integer)
        self.highs.cbSimplexInterrupt += self._look_up
        self.highs.cbIpmInterrupt += self._look_up
        self.highs.cbMipInterrupt += self._look_up

    def set(self, **options: bool | int | float | str) -> None:
        """Set options of HiGHS."""
        for name, value in options.items():
            self.highs.setOptionValue(name, value)

    def trust_presolve(self, whole: bool) -> None:
        """Let presolve apply all its rules, for runs that only look for answers, or the sound ones.

        All rules are quicker, and an answer is judged on its own.
        """
        self.set(presolve_rule_off=0 if whole else AGGREGATOR)

    def add_rows(self, A: sparse.csr_array, lower: FloatArray, upper: FloatArray) -> None:
        """Add rows lower ≤ A x ≤ upper; A may lack the last columns."""
        if A.shape[0]:
            starts, indices = A.indptr[:-1].astype(np.int32), A.indices.astype(np.int32)
            self.highs.addRows(A.shape[0], lower, upper, A.nnz, starts, indices, A.data)

    def add_columns(
        self, cost: FloatArray, lower: FloatArray, upper: FloatArray, A: sparse.csc_array
    ) -> None:
        """Add continuous columns, A over all rows."""
        starts, indices = A.indptr[:-1].astype(np.int32), A.indices.astype(np.int32)
        self.highs.addCols(len(cost), cost, lower, upper, A.nnz, starts, indices, A.data)

    def reprice(self, columns: IntArray, cost: FloatArray) -> None:
        """Change costs of columns."""
        self.highs.changeColsCost(len(columns), columns.astype(np.int32), cost)

    def hold(self, columns: IntArray, values: FloatArray) -> None:
        """Hold columns at values, and go on from the last answer."""
        self.highs.changeColsBounds(len(columns), columns.astype(np.int32), values, values)

    def restrict(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """Change bounds of columns, and forget what was found within the old ones."""
        self.highs.changeColsBounds(len(columns), columns.astype(np.int32), lower, upper)
        self.highs.clearSolver()

    def offer(self, columns: IntArray, values: FloatArray) -> None:
        """Offer values of the integer columns as a start."""
        self.highs.setSolution(len(columns), columns.astype(np.int32), values)

    def on_better(
        self,
        found: Callable[[FloatArray], None],
        elsewhere: Callable[[float], FloatArray | None],
    ) -> None:
        """Exchange answers while branch and cut runs.

        Parameters
        ----------
        found : callable
            Gets each better answer.
        elsewhere : callable
            Gets the bound so far; returns a better answer of all columns, or None. HiGHS would find
            what is missing itself, but that takes it half a minute where a program is large.
        """

        def improved(event: HighsCallbackEvent) -> None:
            found(np.array(event.data_out.mip_solution))

        def look(event: HighsCallbackEvent) -> None:
            x = elsewhere(float(event.data_out.mip_dual_bound))
            if x is not None and event.data_in is not None:
                event.data_in.setSolution(x)

        self.highs.cbMipImprovingSolution += improved
        self.highs.cbMipUserSolution += look

    def run(self, share: float = 1.0) -> Termination:
        """Run HiGHS in a thread of its own, so that Ctrl-C reaches us and stops it softly.

        Parameters
        ----------
        share : float
            Of the time left, at most.
        """
        over = self.clock.over()
        if over is not None:
            return over
        left = share * self.clock.left_s()
        if np.isfinite(left):
            # HiGHS counts a linear program's limit over all runs, a mixed-integer one's from zero
            spent = 0.0 if self.integer else self.highs.getRunTime()
            self.set(time_limit=spent + left)
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
                if self.clock.stop.is_set():
                    raise
                self.clock.stop.set()
        return _STATUS.get(self.highs.getModelStatus(), Termination.TIME_LIMIT)

    def run_on_squares(self, share: float) -> Termination:
        """Run with tangents that lie below squares by `share` of the objective at most, in all."""
        if not self.model.is_exact and not self._has_tangents:
            self._has_tangents = True
            self.add_tangents(*self.model.first_tangents())
        for _ in range(MOST_ROUNDS):
            termination, x = self.run(), self.x
            if x is None or self.model.is_exact:
                break
            allowed = share * max(abs(self.objective), 1.0) / len(self.model.square_column)
            squares = np.flatnonzero(self.model.shortfall(x) > allowed)
            if not len(squares):
                break
            self.add_tangents(squares, self.model.touching(x, squares))
        return termination

    def add_tangents(self, squares: IntArray, points: FloatArray) -> None:
        """Add tangents to squares at points, (k,) each."""
        side = self.model.tangent_sides(squares, points)
        self.add_rows(self.model.tangents(squares, points), np.full(len(side), -np.inf), side)

    @property
    def x(self) -> FloatArray | None:
        """Feasible answer of the last run, or None."""
        status = self.highs.getInfo().primal_solution_status
        if status != int(highspy.SolutionStatus.kSolutionStatusFeasible):
            return None
        return np.array(self.highs.getSolution().col_value)

    @property
    def reduced_cost(self) -> FloatArray:
        """Reduced costs of the last run's linear program."""
        return np.array(self.highs.getSolution().col_dual)

    @property
    def row_price(self) -> FloatArray:
        """Duals of the last run's linear program."""
        return np.array(self.highs.getSolution().row_dual)

    @property
    def objective(self) -> float:
        """Objective of the last run's answer."""
        return float(self.highs.getInfo().objective_function_value)

    @property
    def bound(self) -> float:
        """Proved bound of the last run, or -inf."""
        info = self.highs.getInfo()
        if not self.integer:
            optimal = self.highs.getModelStatus() == HighsModelStatus.kOptimal
            return self.objective if optimal else -np.inf
        bound = float(info.mip_dual_bound)
        return bound if info.valid and np.isfinite(bound) else -np.inf

    @property
    def nodes(self) -> int:
        """Nodes of the last run."""
        return max(int(self.highs.getInfo().mip_node_count), 0)

    @property
    def iterations(self) -> int:
        """Simplex iterations of the last run."""
        return max(int(self.highs.getInfo().simplex_iteration_count), 0)

    def version(self) -> str:
        """Return HiGHS's version."""
        return str(self.highs.version())

    def _look_up(self, event: HighsCallbackEvent) -> None:
        # told each time, as HiGHS keeps it from run to run
        event.interrupt(self.clock.stop.is_set() or self._is_in_vain())
        out, searching = event.data_out, int(event.callback_type) == _MIP_INTERRUPT
        whole = searching and self.stage == "branch and cut"
        self.clock.report(
            out.mip_primal_bound if whole else np.inf,
            out.mip_dual_bound if whole else -np.inf,
            self.stage,
        )


def _load(highs: highspy.Highs, model: LinearModel, integer: bool) -> None:
    matrix = sparse.csr_array(model.A)
    whole = model.is_integer if integer else np.zeros(len(model.c))
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
        whole.astype(np.int32),
    )
