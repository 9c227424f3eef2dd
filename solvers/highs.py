"""HiGHS, an open mixed-integer solver, on arrays directly and with a quick way to good answers.

The relaxation is solved first, with the rows that its answer misses: tangents of convex squares,
rows that the program does not list, rounding cuts. Then answers are sought near it: the same
program with most integers fixed where the relaxation has them whole (Berthold 2014, "RENS: the
optimal rounding", doi 10.1007/s12532-013-0060-9), then where their reduced costs are large. Only
what is not proved by then is left to branch and cut, with the best answer as its start and integers
fixed whose reduced costs rule out anything better (exact). Where the program has an equivalent one,
that is searched. Answers from elsewhere are taken up at the start and while it branches and cuts.

Prices from elsewhere quicken the relaxation. With the rows that they belong to priced in place of
kept, it falls apart into small programs; from their basis, which is dual feasible, the dual simplex
method goes on with the rows kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, final

import highspy
import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.cuts import rounding_cuts
from gridopt.held_model import HeldModel
from gridopt.highs_model import Clock, HighsModel
from gridopt.incumbent import Incumbent
from gridopt.lazy import AddedRows
from gridopt.linearization import linearized
from gridopt.program import Program
from gridopt.solution import Solution, Termination, relative_gap
from gridopt.solver import (
    ProgressCallback,
    Solver,
    check_common,
    check_option,
    is_number,
)

MAX_ROUNDS = 50
"""Rounds of tangents and rows; each closes the error at the last answer, so few are needed."""

ROWS_A_ROUND = 1000
"""Rows of each lazy family that a round adds, at most."""

FIRST_CUT_ROUNDS = 5
"""Rounds of cuts before it is asked what they bring."""

LEAST_RISE = 1e-2
"""Of the bound in a round of cuts, as a share of what all rounds have brought, or of the gap."""

LEAST_GAP = 1e-10
"""Relative gap below which only rounding is left."""

FRACTIONAL = 1e-6

LOW_REDUCED_COST = 0.1
"""Integers whose reduced cost is below this share of the gap are free in the second search."""

NEIGHBORHOOD_NODES = 200
"""Branch-and-bound nodes of a search near the relaxation, at most."""

NEIGHBORHOOD_ROUNDS = 5
"""Times that a search near the relaxation is repeated with rows that its answer missed, at most."""

NEIGHBORHOOD_TIME = 0.25
"""Share of the time left that a search near the relaxation may take."""

NEIGHBORHOOD_RELAXATIONS, NEIGHBORHOOD_S = 10.0, 10.0
"""With a time limit, it also takes at most so many times as long as the relaxation took, or so many
seconds: much time does not make what is near better, and branch and cut waits."""


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
    plain : bool
        Leave all to HiGHS's own branch and cut, on the program as it is: no search near the
        relaxation, no rounding cuts, no equivalent program. For comparison.
    relaxation : {"simplex", "ipm"}
        How the relaxation is first solved: by the dual simplex method, or by an interior-point
        method with crossover, often faster where a program is large and has few integers.
    """

    time_limit_s: float | None = None
    gap: float = 1e-4
    seed: int = 0
    threads: int = 1
    plain: bool = False
    relaxation: Literal["simplex", "ipm"] = "simplex"
    start: Solution | None = field(default=None, repr=False)
    incumbent: Incumbent | None = field(default=None, repr=False)

    kind: ClassVar[str] = "mixed-integer programming"
    limits: ClassVar[str] = "convex separable quadratic objective; any size that memory holds"
    package: ClassVar[str] = "highspy"

    def __post_init__(self) -> None:
        check_common("highs", self.seed, self.time_limit_s)
        right = is_number(self.gap) and 0 <= self.gap < 1
        check_option("highs", "gap", self.gap, right, "at least 0, less than 1")
        right = isinstance(self.threads, int) and self.threads >= 1
        check_option("highs", "threads", self.threads, right, "a whole number of at least 1")
        check_option("highs", "plain", self.plain, isinstance(self.plain, bool), "True or False")
        right = self.relaxation in ("simplex", "ipm")
        check_option("highs", "relaxation", self.relaxation, right, "simplex or ipm")
        right = self.start is None or isinstance(self.start, Solution)
        check_option("highs", "start", self.start, right, "a Solution, such as run.solution")
        right = self.incumbent is None or isinstance(self.incumbent, Incumbent)
        check_option(
            "highs", "incumbent", self.incumbent, right, "an Incumbent of the same program"
        )

    def solve(self, program: Program, progress: ProgressCallback | None = None) -> Solution:
        """Return the best answer within the time limit, with HiGHS's proved bound.

        Raises
        ------
        OptionError
            Where `start` has an answer, but of another program.
        """
        return self.solve_by(program, Clock(self.time_limit_s, progress))

    def solve_by(self, program: Program, clock: Clock) -> Solution:
        """Solve as in `solve`, with a clock that is running."""
        search = _Search(self, program, clock)
        if self.start is not None:
            search.adopt(self.start.x)
        return search.run()


def relaxation_bound(program: Program, clock: Clock, start: Solution | None = None) -> float:
    """Return a proved bound from the relaxation alone, rounding cuts included.

    -inf where it is cut short, inf where it has no answer. `start` as in `HiGHS`.

    Raises
    ------
    UnsupportedError
        As `HiGHS.solve`.
    """
    return _Search(HiGHS(start=start), program, clock).relaxed_bound()


class _Search:
    """One solve: the program that is searched, its rows so far, the best answer and bound."""

    def __init__(self, options: HiGHS, program: Program, clock: Clock) -> None:
        _check_start(options.start, program)
        self.options = options
        self.program = program
        self.clock = clock
        self.smaller = None if options.plain else program.equivalent
        self.target = program if self.smaller is None else self.smaller.program
        self.model = linearized(self.target)
        self.columns = np.flatnonzero(self.target.is_decision)
        self.added: list[tuple[sparse.csr_array, FloatArray, FloatArray]] = []
        self.lazy_rows = AddedRows.none(self.target.n_columns)
        self.pool = AddedRows.none(program.n_columns)
        self.x: FloatArray | None = None
        self.start: FloatArray | None = None
        self.relaxed_x = self.reduced_cost = np.zeros(0)
        self.relaxation_s = 0.0
        self.objective = np.inf
        self.bound = -np.inf
        self.incumbent = options.incumbent
        self.details: dict[str, float | int | str] = {"nodes": 0, "rounds": 0}

    def adopt(self, x: FloatArray | None) -> bool:
        """Take up an answer of the program from elsewhere; return whether it is the best so far."""
        program = self.program
        if x is None or not program.is_feasible(x) or program.objective(x) >= self.objective:
            return False
        decided = np.rint(x[program.is_decision])
        self.start = decided if self.smaller is None else self.smaller.counts(decided)
        self.x, self.objective = x, program.objective(x)
        self.clock.objective = self.objective
        return True

    def run(self) -> Solution:
        """Relax, search near the relaxation, then branch and cut, until the gap is proved."""
        listed = self.model.is_exact and not self.target.lazy
        if self.options.plain and listed and len(self.columns):
            termination = self._branch_and_cut(self._model("branch and cut", integer=True))
        else:
            termination = self._in_stages()
        if termination is Termination.OPTIMAL and self.target is not self.program:
            termination = self._confirmed()
        source = f"HiGHS {highspy.Highs().version()}" if np.isfinite(self.bound) else ""  # type: ignore[no-untyped-call]
        return Solution.at(self.program, self.x, termination, self.bound, source, self.details)

    def relaxed_bound(self) -> float:
        """Return the bound of the relaxation, as far as it comes; inf where it has no answer."""
        termination = self._relax(self._model("relaxation", integer=False))
        return np.inf if termination is Termination.INFEASIBLE else self.bound

    def _confirmed(self) -> Termination:
        """Search the program itself where its equivalent promised more than it can keep."""
        if self.is_proved():
            return Termination.OPTIMAL
        rest = _Search(self.options, replace(self.program, equivalent=None), self.clock)
        rest.adopt(self.x)
        solution = rest.run()
        self._raise_bound(solution.bound)
        if solution.objective < self.objective:
            self.x, self.objective = solution.x, solution.objective
        return Termination.OPTIMAL if self.is_proved() else solution.termination

    def _in_stages(self) -> Termination:
        begun = time.perf_counter()
        relaxation = self._model("linear program", integer=False)
        termination = self._relax(relaxation)
        self.relaxation_s = time.perf_counter() - begun
        if not len(self.columns) or termination is not Termination.OPTIMAL:
            return termination
        self._look_around()
        if self.is_proved():
            return Termination.OPTIMAL
        model = self._model("near the relaxation", integer=True)
        near = _Near(self, model)
        if not self.options.plain:
            near.search()
        self._look_around()
        if self.is_proved():
            return Termination.OPTIMAL
        model.trust_presolve(False)
        model.restrict(near.columns, *near.not_ruled_out())
        return self._branch_and_cut(model)

    def _branch_and_cut(self, model: HighsModel) -> Termination:
        """Run HiGHS on all that is left, adding the rows that its answers miss."""
        model.stage = "branch and cut"
        if self.incumbent is not None:
            model.on_better(self._found_on_the_way, self._better_elsewhere)
        exact = self.model.is_exact and not self.target.lazy
        # half the gap for the search leaves half for the error of tangents and missing rows
        gap = self.options.gap if exact else self.options.gap / 2
        model.set(mip_rel_gap=gap, mip_max_nodes=2**31 - 1, objective_target=self.good_enough())
        for _ in range(MAX_ROUNDS):
            if self.start is not None:
                model.offer(self.columns, self.start)
            termination = model.run()
            self.details["nodes"] = int(self.details["nodes"]) + model.nodes
            self._raise_bound(model.bound)
            x = model.x
            if x is not None:
                self.take(x)
            if termination is Termination.INFEASIBLE and np.isfinite(self.objective):
                self._raise_bound(self.objective)  # only what is worse was ruled out before
            if self.is_proved():
                return Termination.OPTIMAL
            missed = [] if x is None else list(self.missed(x))
            if termination is not Termination.OPTIMAL or not (missed or gap > LEAST_GAP):
                return termination
            if not missed:  # the answer's true cost is above what the search saw: go on
                gap = gap / 4
                model.set(mip_rel_gap=gap)
            for rows in missed:
                model.add_rows(*rows)
        return Termination.TIME_LIMIT

    def _look_around(self) -> None:
        """Take up what others have found by now."""
        if self.incumbent is not None:
            self.adopt(self.incumbent.better_than(self.objective))
            self._raise_bound(self.incumbent.bound)

    def _better_elsewhere(self, bound: float) -> FloatArray | None:
        """Return what others have found since, on the model's columns; tell them the bound."""
        if self.incumbent is None:
            return None
        self.incumbent.prove(min(bound, self.objective))
        is_better = self.adopt(self.incumbent.better_than(self.objective))
        return self._whole_start() if is_better else None

    def _whole_start(self) -> FloatArray | None:
        """Return the start on all of the model's columns, or None where it has no such answer."""
        if self.start is None:
            return None
        held = HeldModel(self.model, np.zeros(0, dtype=np.int64), self.clock, "a start")
        for rows in self.added:
            held.add_rows(*rows)
        held.run(self.columns, self.start)
        return held.x

    def _found_on_the_way(self, x: FloatArray) -> None:
        """Tell others what branch and cut has found, before it is done."""
        if self.incumbent is not None:
            whole, smaller = x[: self.target.n_columns], self.smaller
            values = whole[self.columns] if smaller is None else smaller.decisions(whole)
            self.incumbent.propose(np.rint(values))

    def good_enough(self) -> float:
        """Return the objective at which the gap is proved by the bound so far."""
        sign = 1.0 if self.bound > 0 else -1.0
        return self.bound / (1.0 - sign * self.options.gap)

    def _model(self, stage: str, *, integer: bool) -> HighsModel:
        """Return the target with all rows found so far in HiGHS."""
        model = HighsModel(
            self.model,
            self.clock,
            seed=self.options.seed,
            threads=self.options.threads,
            stage=stage,
            integer=integer,
        )
        if not self.added:
            self._add(*self._tangents(*self.model.first_tangents()))
        for rows in self.added:
            model.add_rows(*rows)
        return model

    def _relax(self, model: HighsModel) -> Termination:
        """Solve the relaxation with the rows that its answers miss."""
        cuts = _Cuts(self.target, self.options)
        if self.options.start is not None and self.options.start.prices is not None:
            self._begin_with(model, self.options.start.prices)
            if self.is_proved():
                return Termination.OPTIMAL
        model.set(solver="ipm" if self.options.relaxation == "ipm" else "choose")
        for _ in range(MAX_ROUNDS):
            termination = model.run()
            model.set(solver="choose")
            self.details["rounds"] = int(self.details["rounds"]) + 1
            x = model.x
            if termination is not Termination.OPTIMAL or x is None:
                return termination
            model.set(presolve="off")
            x, self.reduced_cost = x[: len(self.model.c)], model.reduced_cost
            self.relaxed_x = x
            self._raise_bound(model.bound)
            if not len(self.columns):
                self.take(x)
                if self.is_proved():
                    break
            missed = [*self.missed(x), *cuts.at(x, model.bound)]
            if not missed:
                break
            for rows in missed:
                model.add_rows(*rows)
        self._add_tight(cuts)
        return termination

    def _begin_with(self, model: HighsModel, prices: FloatArray) -> None:
        """Solve with priced rows not kept, which is a bound as well; then have them kept."""
        target = self.target
        low, high = np.isfinite(target.row_lower), np.isfinite(target.row_upper)
        found = np.zeros(target.n_rows)
        for name, block in self.program.rows.items():
            same = target.rows.get(name)
            if same is not None and same.shape == block.shape:
                found[same.numbers] = prices[block.numbers]
        found = np.clip(found, np.where(high, -np.inf, 0.0), np.where(low, np.inf, 0.0))
        rows = np.flatnonzero(found)
        entries = np.ones(len(rows)), (rows, np.arange(len(rows)))
        shape = model.highs.getNumRow(), len(rows)
        endless = np.full(len(rows), np.inf)
        first = model.highs.getNumCol()
        model.add_columns(
            found[rows], -endless, endless, sparse.csc_array(sparse.coo_array(entries, shape=shape))
        )
        if model.run() is Termination.OPTIMAL:
            self._raise_bound(model.bound)
            model.set(presolve="off")  # which would forget the basis
        model.hold(first + np.arange(len(rows)), np.zeros(len(rows)))

    def _add_tight(self, cuts: _Cuts) -> None:
        """Keep the cuts that bind at the relaxation's answer."""
        rows = AddedRows.joined(self.target.n_columns, cuts.found)
        if len(rows):
            tight = rows.A @ self.relaxed_x[
                : self.target.n_columns
            ] - rows.lower < FRACTIONAL * np.maximum(np.abs(rows.lower), 1.0)
            self.details["cuts"] = int(tight.sum())
            self.added.append((rows.A[tight], rows.lower[tight], rows.upper[tight]))

    def missed(self, x: FloatArray) -> Iterator[tuple[sparse.csr_array, FloatArray, FloatArray]]:
        """Yield, and keep, tangents and lazy rows that `x` misses."""
        for rows in (self._tangents(*self._below_squares(x)), self._lazy_rows(x)):
            if rows[0].shape[0]:
                yield self._add(*rows)

    def _add(
        self, A: sparse.csr_array, lower: FloatArray, upper: FloatArray
    ) -> tuple[sparse.csr_array, FloatArray, FloatArray]:
        self.added.append((A, lower, upper))
        return A, lower, upper

    def _lazy_rows(self, x: FloatArray) -> tuple[sparse.csr_array, FloatArray, FloatArray]:
        found = self.target.separate(x[: self.target.n_columns], ROWS_A_ROUND)
        if len(found):
            self.lazy_rows = AddedRows.joined(self.target.n_columns, [self.lazy_rows, found])
            self.details["lazy_rows"] = len(self.lazy_rows)
        return found.A, found.lower, found.upper

    def _tangents(
        self, squares: IntArray, points: FloatArray
    ) -> tuple[sparse.csr_array, FloatArray, FloatArray]:
        side = self.model.tangent_sides(squares, points)
        return self.model.tangents(squares, points), np.full(len(side), -np.inf), side

    def _below_squares(self, x: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return squares that `x` lies below by more than the gap allows, and where."""
        shortfall = self.model.shortfall(x)
        scale = max(abs(float(self.model.c0 + self.model.c @ x)), 1.0)
        allowed = max(self.options.gap, 1e-9) * scale / (10 * max(len(shortfall), 1))
        squares = np.flatnonzero(shortfall > allowed)
        points = self.model.touching(x, squares)
        if self.target is self.program and self.x is not None:
            kept = self.model.touching(self.x, squares)
            squares, points = np.concatenate([squares, squares]), np.concatenate([points, kept])
        return squares, points

    def _raise_bound(self, bound: float) -> None:
        if np.isfinite(bound):
            self.bound = max(self.bound, bound)
            self.clock.bound = self.bound
            if self.incumbent is not None:
                self.incumbent.prove(self.bound)

    def is_proved(self) -> bool:
        return relative_gap(self.objective, self.bound) <= max(self.options.gap, 1e-9)

    def take(self, x: FloatArray) -> None:
        """Keep an answer of the target if it is the best on the program, its integers whole."""
        answer = self._answer(x[: self.target.n_columns])
        feasible = self.program.is_feasible(answer)
        objective = self.program.objective(answer) if feasible else np.inf
        if self.x is None or objective < self.objective:
            self.x, self.objective, self.start = answer, objective, np.rint(x[self.columns])
            self.clock.objective = objective
            if self.incumbent is not None:
                self.incumbent.offer(answer)

    def _answer(self, x: FloatArray) -> FloatArray:
        """Return an answer of the program for one of the target."""
        program = self.program
        if self.smaller is not None:
            values = np.zeros(program.n_columns)
            values[program.is_decision] = self.smaller.decisions(x)
            return self._redispatched(values)
        whole = np.where(program.is_integer, np.rint(x), x)
        # implied integers need not be at their best in an answer that is good enough
        all_decided = not (program.is_integer & ~program.is_decision).any()
        as_is = self.model.is_exact and all_decided and program.is_feasible(whole)
        return whole if as_is or not program.is_integer.any() else self._redispatched(whole)

    def _redispatched(self, whole: FloatArray) -> FloatArray:
        """Return the best answer for given decisions, or the same where there is none.

        Branch and cut holds integers to a tolerance only, and sees tangents for squares.
        """
        program = self.program
        decisions = np.flatnonzero(program.is_decision)
        fixed = program.fixed(decisions, np.rint(whole[decisions])).relaxed()
        options = HiGHS(gap=min(self.options.gap, 1e-6) / 10, seed=self.options.seed)
        # a clock of its own: what was found before the time is over, or Ctrl-C, is not lost
        search = _Search(options, fixed.with_rows(self.pool), Clock(None))
        answer = search.run().x
        self.pool = AddedRows.joined(program.n_columns, [self.pool, search.lazy_rows])
        if answer is None:
            return whole
        return np.where(program.is_integer, np.rint(answer), answer)


def _check_start(start: Solution | None, program: Program) -> None:
    """Raise `OptionError` where a start belongs to another program."""
    if start is None:
        return
    for part, n, what in (
        (start.x, program.n_columns, "columns"),
        (start.prices, program.n_rows, "rows"),
    ):
        if part is not None:
            expected = f"one of the same program, of {n} {what}"
            given = f"a solution of {len(part)} {what}"
            check_option("highs", "start", given, len(part) == n, expected)


class _Cuts:
    """Rounding cuts of the relaxation, round by round, while they raise its bound."""

    def __init__(self, target: Program, options: HiGHS) -> None:
        self.target = target
        self.wanted = not options.plain and target.cuts is not None
        self.gap = options.gap
        self.found: list[AddedRows] = []
        self.bounds: list[float] = []

    def at(
        self, x: FloatArray, bound: float
    ) -> list[tuple[sparse.csr_array, FloatArray, FloatArray]]:
        """Return the cuts that `x` misses, none once they bring little."""
        self.bounds.append(bound)
        if not self.wanted or self._brings_little():
            return []
        rows = rounding_cuts(self.target, x[: self.target.n_columns])
        if not len(rows):
            return []
        self.found.append(rows)
        return [(rows.A, rows.lower, rows.upper)]

    def _brings_little(self) -> bool:
        if len(self.bounds) <= FIRST_CUT_ROUNDS:
            return False
        rise = self.bounds[-1] - self.bounds[-2]
        least = max(self.bounds[-1] - self.bounds[0], self.gap * abs(self.bounds[-1]))
        return rise <= LEAST_RISE * least


class _Near:
    """Searches of the target with most integers held where the relaxation has them."""

    def __init__(self, search: _Search, model: HighsModel) -> None:
        self.main = search
        self.model = model
        self.columns = np.flatnonzero(search.target.is_integer)
        self.x = search.relaxed_x[self.columns]
        self.reduced_cost = search.reduced_cost[self.columns]
        self.bound = search.bound
        self.lower = search.target.lower[self.columns]
        self.upper = search.target.upper[self.columns]

    def search(self) -> None:
        """Hold all decisions that the relaxation has whole; then what its reduced costs hold.

        Those of implied integers tell more: with three binaries a unit, what a start would cost
        stands with the start, not with the hours on.
        """
        whole = np.abs(self.x - np.rint(self.x)) <= FRACTIONAL
        self._within(~(whole & self.main.target.is_decision[self.columns]))
        if self.main.is_proved() or not np.isfinite(self.main.objective):
            return
        large = LOW_REDUCED_COST * (self.main.objective - self.bound)
        held = whole & (np.abs(self.reduced_cost) > large)
        if held.any():
            self._within(~held)

    def not_ruled_out(self) -> tuple[FloatArray, FloatArray]:
        """Return bounds outside of which nothing is better than the best answer.

        Moving a column by d from the bound where the relaxation has it costs |reduced cost| d at
        least.
        """
        room = self.main.objective - self.bound
        if not np.isfinite(room):
            return self.lower, self.upper
        room += 1e-6 * abs(self.main.objective)
        cost = np.maximum(np.abs(self.reduced_cost), 1e-12)
        steps = np.floor(np.minimum(room / cost, 1e9))
        at_lower = (self.reduced_cost > 0) & (self.x <= self.lower + FRACTIONAL)
        at_upper = (self.reduced_cost < 0) & (self.x >= self.upper - FRACTIONAL)
        upper = np.where(at_lower, np.minimum(self.upper, self.lower + steps), self.upper)
        lower = np.where(at_upper, np.maximum(self.lower, self.upper - steps), self.lower)
        self.main.details["fixed"] = int((lower == upper).sum() - (self.lower == self.upper).sum())
        return lower, upper

    def _share_of_time(self) -> float:
        """Return the share of the time left that a search may take, at most."""
        left_s = self.main.clock.left_s()
        if not 0.0 < left_s < np.inf:
            return NEIGHBORHOOD_TIME
        most_s = max(NEIGHBORHOOD_RELAXATIONS * self.main.relaxation_s, NEIGHBORHOOD_S)
        return min(NEIGHBORHOOD_TIME, most_s / left_s)

    def _is_near(self, lower: FloatArray, upper: FloatArray) -> bool:
        """Tell whether the best answer is within bounds of the integers."""
        values = np.full(self.main.target.n_columns, np.nan)
        values[self.main.columns] = self.main.start
        found = values[self.columns]
        return not ((found < lower) | (found > upper)).any()

    def _within(self, free: BoolArray) -> None:
        """Search with all but the free columns held at the relaxation's rounded values."""
        main, model = self.main, self.model
        held = np.clip(np.rint(self.x), self.lower, self.upper)
        lower, upper = np.where(free, self.lower, held), np.where(free, self.upper, held)
        model.restrict(self.columns, lower, upper)
        model.trust_presolve(True)
        model.set(
            mip_rel_gap=main.options.gap / 4,
            mip_max_nodes=NEIGHBORHOOD_NODES,
            objective_target=main.good_enough(),
        )
        for _ in range(NEIGHBORHOOD_ROUNDS):
            if main.start is not None and self._is_near(lower, upper):
                model.offer(main.columns, main.start)
            model.run(self._share_of_time())
            main.details["nodes"] = int(main.details["nodes"]) + model.nodes
            x = model.x
            if x is None:
                return
            main.take(x)
            missed = list(main.missed(x))
            if main.is_proved() or not missed:
                return
            for rows in missed:
                model.add_rows(*rows)
