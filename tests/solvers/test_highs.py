"""HiGHS behind the interface: quadratic objectives, limits, Ctrl-C, injected by nothing."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

import gridopt
from gridopt.errors import UnsupportedError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.program import Program, ProgramBuilder
from gridopt.solution import Termination
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
    """Return a program that HiGHS finds answers to at once, and does not finish for minutes."""
    return UnitCommitment().build(gridopt.kazarlis(2))


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
    found = HiGHS(gap=0.0, time_limit_s=4.0).solve(long_search())
    assert time.perf_counter() - begun < 8.0
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
