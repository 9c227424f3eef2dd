"""HiGHS behind the interface: quadratic objectives, limits, Ctrl-C, injected by nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from gridopt.arrays import FloatArray
from gridopt.errors import OptionError, UnsupportedError
from gridopt.highs_model import AGGREGATOR, Clock, HighsModel
from gridopt.incumbent import Incumbent
from gridopt.lazy import AddedRows, LazyRows
from gridopt.linearization import linearized
from gridopt.program import Equivalent, Integrality, Program, ProgramBuilder
from gridopt.solution import Solution, Termination
from gridopt.solver import Progress
from gridopt.solvers.highs import HiGHS


def shared_load(quadratic: float = 0.05) -> Program:
    """Two equal units with a convex cost share a load, once both are on."""
    b = ProgramBuilder()
    on = b.binary("on", (2,))
    power = b.variable("power_mw", (2,), upper=50.0)
    b.minimize([40.0, 50.0], on)
    b.minimize(20.0, power)
    b.minimize_product(quadratic, power, power)
    b.constrain("balance", (1.0, power[np.newaxis]), equal=[60.0])
    b.constrain("capacity", (1.0, power), (-50.0, on), upper=0.0)
    return b.program()


def long_search() -> Program:
    """Return a program with answers at once, and a proof that takes branch and cut days.

    Market split: Cornuéjols & Dawande 1999, "A class of hard small 0–1 programs",
    doi 10.1287/ijoc.11.2.205.
    """
    share = np.random.default_rng(0).integers(0, 100, (5, 40)).astype(float)
    b = ProgramBuilder()
    taken = b.binary("taken", (40,))
    more, less = b.variable("more", (5,)), b.variable("less", (5,))
    for error in (more, less):
        b.minimize(1.0, error)
    b.minimize_constant(1000.0)
    half = np.floor(share.sum(axis=1) / 2)
    b.constrain("half", (share, taken[np.newaxis]), (1.0, more), (-1.0, less), equal=half)
    return b.program()


@pytest.mark.parametrize("seed", [0, 1])
def test_convex_squares_are_solved_exactly(seed: int) -> None:
    found = HiGHS(gap=1e-8, seed=seed).solve(shared_load())
    assert found.termination is Termination.OPTIMAL
    assert found.objective == pytest.approx(90.0 + 20.0 * 60.0 + 2 * 0.05 * 30.0**2)
    assert found.bound <= found.objective
    assert found.gap <= 1e-8


def test_random_convex_programs_against_their_enumeration() -> None:
    rng = np.random.default_rng(7)
    for _ in range(2):
        b = ProgramBuilder()
        x = b.binary("x", (4,))
        y = b.variable("y", (2,), -3.0, 3.0)
        b.minimize(rng.normal(size=4), x)
        b.minimize_product(rng.normal(size=3), x[:3], x[1:])
        b.minimize(rng.normal(size=2), y)
        b.minimize_product(rng.uniform(0.1, 2.0, 2), y, y)
        b.constrain("tie", (1.0, x[np.newaxis]), (rng.normal(size=2), y[np.newaxis]), equal=[1.5])
        program = b.program()
        found = HiGHS(gap=1e-9).solve(program)
        best = np.inf
        for bits in np.ndindex(2, 2, 2, 2):
            given = HiGHS(gap=1e-7).solve(program.fixed(x, bits).relaxed())
            best = min(best, given.objective)
        assert found.objective == pytest.approx(best, abs=1e-5)
        assert found.bound <= best + 1e-6


def test_concave_and_mixed_products_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"concave square \(power_mw\[0\]"):
        HiGHS().solve(shared_load(-0.05))
    b = ProgramBuilder()
    on, power = b.binary("on", (1,)), b.variable("power_mw", (1,), upper=5.0)
    b.minimize_product(1.0, on, power)
    with pytest.raises(UnsupportedError, match="product"):
        HiGHS().solve(b.program())
    held = HiGHS().solve(b.program().fixed(on, 1.0))
    assert held.objective == 0.0


def test_time_limit_returns_the_best_so_far() -> None:
    begun = time.perf_counter()
    found = HiGHS(gap=0.0, time_limit_s=2.0).solve(long_search())
    assert time.perf_counter() - begun < 6.0
    assert found.termination is Termination.TIME_LIMIT
    assert found.is_feasible
    assert 0 < found.gap < 0.05


def test_ctrl_c_returns_the_best_so_far() -> None:
    seen: list[Progress] = []

    def interrupt() -> None:
        deadline = time.perf_counter() + 60.0
        while time.perf_counter() < deadline:
            if any(np.isfinite(report.objective) for report in seen):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.05)

    helper = threading.Thread(target=interrupt)
    helper.start()
    found = HiGHS(gap=0.0, time_limit_s=90.0).solve(long_search(), seen.append)
    helper.join()
    assert found.termination is Termination.INTERRUPTED
    assert found.is_feasible
    assert seen[-1].bound > 0


@pytest.mark.parametrize("plain", [False, True])
def test_a_start_is_never_lost(plain: bool) -> None:
    program = long_search()
    start = HiGHS(gap=0.0, time_limit_s=1.0).solve(program)
    found = HiGHS(gap=start.gap, start=start, plain=plain).solve(program)
    assert found.termination is Termination.OPTIMAL
    assert found.objective <= start.objective
    other = replace(start, x=np.zeros(3))
    with pytest.raises(OptionError, match=f"of the same program, of {program.n_columns} columns"):
        HiGHS(start=other).solve(program)
    infeasible = replace(start, x=np.full(program.n_columns, -1.0))
    assert HiGHS(gap=0.05, start=infeasible).solve(program).is_feasible


def test_prices_quicken_the_relaxation_and_change_nothing() -> None:
    program = doubled()
    plain = HiGHS(gap=0.0).solve(program)
    assert plain.termination is Termination.OPTIMAL
    for price in (-1.0, 0.0, 0.4, 0.6, 5.0):  # the row has one side, so that it has one sign
        start = replace(Solution.at(program, None, Termination.SAMPLED), prices=np.array([price]))
        found = HiGHS(gap=0.0, start=start).solve(program)
        assert found.objective == pytest.approx(plain.objective)
        assert found.bound == pytest.approx(plain.bound)


def test_an_interior_point_relaxation_proves_the_same() -> None:
    first, other = (HiGHS(gap=1e-6, relaxation=how).solve(doubled()) for how in ("simplex", "ipm"))
    assert other.termination is Termination.OPTIMAL
    assert other.objective == pytest.approx(first.objective)
    with pytest.raises(OptionError, match="simplex or ipm"):
        HiGHS(relaxation="dual")  # type: ignore[arg-type]


@pytest.mark.parametrize("plain", [False, True])
def test_answers_are_injected_while_it_searches(plain: bool) -> None:
    program = long_search()
    better = HiGHS(gap=0.0, time_limit_s=1.0, seed=1).solve(program)
    x = better.x
    assert x is not None
    incumbent = Incumbent(program)
    reports: list[Progress] = []

    def inject(report: Progress) -> None:
        reports.append(report)
        if report.stage == "branch and cut":
            incumbent.offer(x)

    found = HiGHS(gap=0.0, time_limit_s=2.0, plain=plain, incumbent=incumbent).solve(
        program, inject
    )
    assert any(report.stage == "branch and cut" for report in reports)
    assert found.objective <= better.objective
    assert incumbent.bound == pytest.approx(found.bound)
    assert incumbent.better_than(np.inf) is not None


def test_unbounded_and_infeasible_are_told_apart() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (1,), lower=-np.inf)
    b.minimize(1.0, x)
    assert HiGHS().solve(b.program()).termination is Termination.UNBOUNDED
    b.constrain("low", (1.0, x), lower=2.0)
    b.constrain("high", (1.0, x), upper=1.0)
    found = HiGHS().solve(b.program())
    assert found.termination is Termination.INFEASIBLE
    assert found.x is None


# --- the search in stages, against enumeration


def drawn(seed: int) -> Program:
    """Return a small linear program with whole columns, some of whose rows may give cuts."""
    rng = np.random.default_rng(seed)
    n, k, m = (int(rng.integers(low, high)) for low, high in ((3, 7), (1, 4), (1, 4)))
    b = ProgramBuilder()
    most = rng.integers(1, 4, n) if n < 5 else 1.0
    x = b.variable("x", (n,), 0.0, most, Integrality.INTEGER)
    y = b.variable("y", (k,), np.where(rng.random(k) < 0.3, -2.0, 0.0), rng.integers(1, 8, k))
    b.minimize(np.round(rng.normal(2.0, 5.0, n), 1), x)
    b.minimize(np.round(rng.normal(1.0, 3.0, k), 1), y)
    b.minimize_constant(float(rng.choice([0.0, -50.0, 1000.0])))
    A, C = np.round(rng.uniform(-3, 9, (m, n)), 1), np.round(rng.uniform(-2, 3, (m, k)), 1)
    side = np.round(rng.uniform(0, 1, m) * (np.maximum(A, 0).sum(axis=1) + 2), 1)
    terms = (A, x[np.newaxis]), (C, y[np.newaxis])
    b.constrain("rows", *terms, lower=side)
    b.imply("implied", *terms, lower=side)
    return b.program()


def enumerated(program: Program) -> float:
    """Return the least objective over all whole values, inf where nothing is feasible."""
    x, best = program.columns("x"), np.inf
    A, side = program.A.toarray(), program.row_lower
    for values in product(*(range(int(most) + 1) for most in program.upper[x])):
        held = program.fixed(x, np.array(values, dtype=float))
        bounds = list(zip(held.lower, held.upper, strict=True))
        found = linprog(program.c, -A, -side, bounds=bounds)
        if found.status == 0 and found.fun is not None:
            best = min(best, float(found.fun) + program.c0)
    return best


@pytest.mark.parametrize("plain", [False, True])
def test_random_programs_have_the_enumerated_optimum(plain: bool) -> None:
    fixed, cuts = 0, 0
    for seed in range(30):
        program = drawn(seed)
        best = enumerated(program)
        for gap in (0.0, 0.05):
            found = HiGHS(gap=gap, plain=plain).solve(program)
            if np.isinf(best):
                assert found.termination is Termination.INFEASIBLE
                assert found.x is None
                continue
            fixed += int(found.details.get("fixed", 0))
            cuts += int(found.details.get("cuts", 0))
            error = 1e-6 * max(abs(best), 1.0)
            assert found.termination is Termination.OPTIMAL
            assert best - error <= found.objective <= best + gap * abs(found.objective) + error
            assert found.bound <= best + error
            assert found.gap <= max(gap, 1e-6)
    assert (fixed > 0, cuts > 0) == (not plain, not plain)


def knapsack(n: int = 12) -> Program:
    """Return a program that the searches near the relaxation leave to branch and cut."""
    rng = np.random.default_rng(5)
    b = ProgramBuilder()
    x = b.binary("x", (n,))
    size = rng.integers(20, 60, (3, n)).astype(float)
    b.minimize(size.sum(axis=0) + rng.integers(0, 9, n), x)
    b.constrain("rows", (size, x[np.newaxis]), lower=np.floor(size.sum(axis=1) * 0.53))
    return b.program()


def test_fixing_by_reduced_costs_keeps_the_optimum() -> None:
    program = knapsack()
    x = np.array(list(product((0.0, 1.0), repeat=program.n_columns)))
    inside = (program.A @ x.T - program.row_lower[:, np.newaxis]).min(axis=0) >= 0
    best = (x[inside] @ program.c).min()
    found = HiGHS(gap=0.0).solve(program)
    assert found.objective == pytest.approx(best)
    assert found.bound == pytest.approx(best)
    assert "fixed" in found.details


@dataclass(frozen=True, eq=False)
class AtMost(LazyRows):
    """x_i + x_j ≤ 1 for some pairs of columns."""

    pairs: tuple[tuple[int, int], ...]

    @property
    def n_rows(self) -> int:
        return len(self.pairs)

    def violation(self, x: FloatArray) -> float:
        return max(0.0, *(float(x[i] + x[j]) - 1.0 for i, j in self.pairs))

    def separate(self, x: FloatArray, most: int, tolerance: float) -> AddedRows:
        missed = [pair for pair in self.pairs if x[list(pair)].sum() > 1.0 + tolerance]
        return self._rows(missed[: min(most, 2)], len(x))

    def every_row(self, n_columns: int) -> AddedRows:
        return self._rows(list(self.pairs), n_columns)

    def _rows(self, pairs: list[tuple[int, int]], n_columns: int) -> AddedRows:
        A = sparse.lil_array((len(pairs), n_columns))
        for row, pair in enumerate(pairs):
            A[row, list(pair)] = 1.0
        labels = tuple(f"{i} or {j}" for i, j in pairs)
        k = len(pairs)
        return AddedRows(sparse.csr_array(A), np.full(k, -np.inf), np.ones(k), labels)


@pytest.mark.parametrize("plain", [False, True])
def test_lazy_rows_count_as_listed_ones_do(plain: bool) -> None:
    pairs = tuple((int(i), int(j)) for i, j in np.argwhere(np.tri(12, k=-1)) if (i + j) % 3 == 0)
    for side in (0.3, 0.4, 0.8):
        given = knapsack()
        eased = replace(given, row_lower=np.floor(given.A.sum(axis=1) * side))
        program = replace(eased, lazy=(AtMost("pairs", pairs),))
        found = HiGHS(gap=0.0, plain=plain).solve(program)
        listed = HiGHS(gap=0.0, plain=plain).solve(program.complete())
        free = HiGHS(gap=0.0).solve(eased)
        assert found.termination is listed.termination
        assert found.objective == pytest.approx(listed.objective)
        assert found.is_feasible == (side < 0.8)
        assert free.objective < found.objective
        if found.is_feasible:
            assert found.bound <= listed.objective * (1 + 1e-9)
            assert 0 < int(found.details["lazy_rows"]) < len(pairs)


def doubled() -> Program:
    """Return a program of four equal columns whose equivalent counts them."""
    b = ProgramBuilder()
    count = b.variable("count", (1,), 0.0, 4.0, Integrality.INTEGER)
    rest = b.variable("rest", (1,), 0.0, 100.0)
    b.minimize(30.0, count)
    b.minimize(1.0, rest)
    b.constrain("need", (50.0, count[np.newaxis]), (1.0, rest[np.newaxis]), lower=[120.0])
    counted = b.program()

    def shared(x: FloatArray) -> FloatArray:
        return np.where(np.arange(4) < np.rint(x[0]), 1.0, 0.0)

    b = ProgramBuilder()
    on = b.binary("on", (4,))
    rest = b.variable("rest", (1,), 0.0, 100.0)
    b.minimize(30.0, on)
    b.minimize(1.0, rest)
    b.constrain("need", (50.0, on[np.newaxis]), (1.0, rest[np.newaxis]), lower=[120.0])

    def counts(decided: FloatArray) -> FloatArray:
        return np.array([decided.sum()])

    return replace(b.program(), equivalent=Equivalent(counted, shared, counts))


@pytest.mark.parametrize("plain", [False, True])
def test_an_equivalent_program_answers_for_the_first(plain: bool) -> None:
    program = doubled()
    found = HiGHS(gap=0.0, plain=plain).solve(program)
    assert found.x is not None
    assert found.x.shape == (5,)
    assert (found.objective, found.bound) == pytest.approx((80.0, 80.0))
    if not plain:
        assert found.x[:4].tolist() == [1.0, 1.0, 0.0, 0.0]
    relaxed = HiGHS(gap=0.0, plain=plain).solve(program.relaxed())
    assert relaxed.objective == pytest.approx(72.0)
    held = HiGHS(gap=0.0, plain=plain).solve(program.fixed(np.arange(4), [1.0, 1.0, 1.0, 0.0]))
    assert held.objective == pytest.approx(90.0)


@pytest.mark.parametrize("plain", [False, True])
def test_ratios_are_solved_exactly(plain: bool) -> None:
    """Of three units, u are on: 7 u + p + 0.5 p² / u at p = 12."""
    b = ProgramBuilder()
    on = b.variable("on", (1,), 0.0, 3.0, Integrality.INTEGER)
    power = b.variable("power_mw", (1,), upper=30.0)
    b.minimize(7.0, on)
    b.minimize(1.0, power)
    b.minimize_ratio(0.5, power, on)
    b.constrain("capacity", (1.0, power), (-10.0, on), upper=0.0)
    b.constrain("demand", (1.0, power), equal=12.0)
    found = HiGHS(gap=1e-7, plain=plain).solve(b.program())
    best = min(7.0 * u + 12.0 + 72.0 / u for u in (2, 3))
    assert found.objective == pytest.approx(best)
    assert best - 1e-4 <= found.bound <= best + 1e-6


def test_bounds_of_negative_objectives_and_of_zero() -> None:
    for constant in (-1000.0, 0.0):
        b = ProgramBuilder()
        x = b.binary("x", (3,))
        b.minimize([2.0, 3.0, 4.0], x)
        b.minimize_constant(constant)
        b.constrain("rows", ([2.0, 3.0, 4.0], x[np.newaxis]), lower=[0.0 if not constant else 5.5])
        for gap in (0.0, 0.01):
            found = HiGHS(gap=gap).solve(b.program())
            best = constant + (6.0 if constant else 0.0)
            assert found.termination is Termination.OPTIMAL
            assert found.bound <= best + 1e-9
            assert best - 1e-9 <= found.objective <= best + gap * abs(best) + 1e-9
            assert found.gap <= gap


# --- one model inside HiGHS


def test_a_model_is_restricted_and_run_again() -> None:
    program = knapsack(6)
    columns = np.arange(6)
    model = HighsModel(linearized(program), Clock(None), integer=True)
    assert model.bound == -np.inf
    assert model.run() is Termination.OPTIMAL
    best = model.objective
    assert model.bound == pytest.approx(best)
    x = model.x
    assert x is not None
    model.restrict(columns, 1.0 - np.rint(x), np.ones(6))
    model.offer(columns, np.ones(6))
    assert model.run() is Termination.OPTIMAL
    assert model.objective > best
    model.restrict(columns, np.zeros(6), np.zeros(6))
    assert model.run() is Termination.INFEASIBLE
    assert model.x is None
    model.restrict(columns, np.zeros(6), np.ones(6))
    assert model.run() is Termination.OPTIMAL
    assert model.objective == pytest.approx(best)


def test_rows_may_lack_the_last_columns() -> None:
    model = HighsModel(linearized(shared_load()), Clock(None))
    free = model.run(), model.objective
    few = sparse.csr_array(np.array([[1.0, 1.0]]))
    model.add_rows(few, np.array([2.0]), np.array([np.inf]))
    assert (model.run(), free[0]) == (Termination.OPTIMAL, Termination.OPTIMAL)
    assert model.objective > free[1] + 1.0
    assert model.row_price[-1] > 0
    x = model.x
    assert x is not None
    assert x[:2] == pytest.approx(1.0)


def test_a_clock_that_has_run_out_runs_nothing() -> None:
    over = Clock(0.0)
    assert over.over() is Termination.TIME_LIMIT
    model = HighsModel(linearized(knapsack()), over, integer=True)
    assert model.run() is Termination.TIME_LIMIT
    assert model.x is None
    stopped = Clock(None)
    assert (stopped.left_s(), stopped.over()) == (np.inf, None)
    stopped.stop.set()
    assert stopped.over() is Termination.INTERRUPTED
    found = HiGHS(time_limit_s=1e-9).solve(knapsack())
    assert (found.termination, found.x) == (Termination.TIME_LIMIT, None)


def test_a_run_takes_its_share_of_the_time() -> None:
    model = HighsModel(linearized(long_search()), Clock(8.0), integer=True)
    for _ in range(2):
        begun = time.perf_counter()
        assert model.run(0.1) is Termination.TIME_LIMIT
        assert 0.3 < time.perf_counter() - begun < 3.0
        assert model.x is not None
        assert model.bound <= 1000.0 + 1e-6


def test_reports_never_lose_what_was_found() -> None:
    seen: list[Progress] = []
    clock = Clock(None, seen.append, objective=50.0, bound=10.0)
    clock.report(70.0, 5.0, "search")
    clock.report_due = 0.0
    clock.report(40.0, 20.0, "search")
    clock.report(30.0, 20.0, "search")
    assert [(report.objective, report.bound) for report in seen] == [(50.0, 10.0), (40.0, 20.0)]


def test_the_rule_of_presolve_that_proved_what_is_false_is_left_out_where_a_bound_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left_out: dict[str, set[object]] = {}
    run = HighsModel.run

    def noted(model: HighsModel, share: float = 1.0) -> Termination:
        status, value = model.highs.getOptionValue("presolve_rule_off")
        assert str(status) == "HighsStatus.kOk"
        left_out.setdefault(model.stage, set()).add(value)
        return run(model, share)

    monkeypatch.setattr(HighsModel, "run", noted)
    HiGHS(time_limit_s=2.0).solve(long_search())
    assert left_out == {
        "linear program": {AGGREGATOR},
        "near the relaxation": {0},
        "branch and cut": {AGGREGATOR},
    }
