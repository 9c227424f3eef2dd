"""Enumeration, and what every QUBO solver shares."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from gridopt.errors import OptionError, TooLargeError
from gridopt.lowering.qubo import Lowering, Qubo, to_qubo
from gridopt.program import Program, ProgramBuilder
from gridopt.sampling.judging import Judging
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solution import Termination
from gridopt.solver import Progress
from gridopt.solvers.exact import Exact, bit_strings, blocks


def knapsack(n: int = 6) -> Program:
    """Return a knapsack with products, whole numbers only."""
    b = ProgramBuilder()
    x = b.binary("x", (n,))
    b.minimize(-3.0 - np.arange(n), x)
    b.minimize_product(2.0, x[:-1], x[1:])
    weights = 2.0 + np.arange(n) % 3
    b.constrain("weight", (weights, x[np.newaxis]), upper=np.array([n + 1.0]))
    return b.program()


def dispatch() -> Program:
    """Return two units over two hours with power in MW and a balance that power must meet."""
    b = ProgramBuilder()
    on = b.binary("on", (2, 2))
    power = b.variable("power_mw", (2, 2), upper=np.array([[60.0], [40.0]]))
    short = b.variable("short_mw", (2,), upper=100.0)
    b.minimize(np.array([[300.0], [50.0]]), on)
    b.minimize(np.array([[10.0], [30.0]]), power)
    b.minimize(500.0, short)
    b.constrain("balance", (1.0, power.T), (1.0, short), equal=[33.0, 87.0])
    b.constrain("capacity", (1.0, power), (-np.array([[60.0], [40.0]]), on), upper=0.0)
    return b.program()


def optimum(program: Program) -> float:
    points = bit_strings(np.arange(1 << program.n_columns), program.n_columns)
    return min(program.objective(x) for x in points if program.is_feasible(x))


def test_whole_program_is_proved_optimal() -> None:
    program = knapsack()
    found = Exact().solve(program)
    assert found.termination is Termination.OPTIMAL
    assert found.objective == pytest.approx(optimum(program))
    assert found.bound == found.objective
    assert found.bound_source == "enumeration"


def test_grid_is_never_called_optimal_and_redispatch_is_apart() -> None:
    found = Exact(lowering=Lowering(levels=4), max_bits=24).solve(dispatch())
    assert found.termination is Termination.SAMPLED
    assert found.is_feasible
    # 33 MW by unit 2 or 1, 87 MW by both: 300 + 330 and 350 + 600 + 810.
    assert found.objective == pytest.approx(630.0 + 1760.0)
    assert found.details["raw_objective"] != found.objective
    assert found.details["redispatched"] > 0  # type: ignore[operator]
    assert found.bound == pytest.approx(found.objective, rel=1e-3)
    assert found.bound_source.startswith("HiGHS")


def test_infeasible_program_is_proved_so() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (3,))
    b.constrain("odd", (2.0, x[np.newaxis]), equal=np.array([3.0]))
    found = Exact().solve(b.program())
    assert found.termination is Termination.INFEASIBLE
    assert not found.is_feasible
    assert found.objective == np.inf
    assert found.violation > 0.5


def test_continuous_program_that_nothing_samples() -> None:
    b = ProgramBuilder()
    p = b.variable("p", (1,), lower=-np.inf)
    b.minimize(1.0, p)
    b.constrain("fixed", (2.0, p), equal=3.0)
    found = Exact().solve(b.program())
    assert found.objective == pytest.approx(1.5)


def test_details_are_complete() -> None:
    details = Exact().solve(knapsack()).details
    for name in (
        "bits", "slack_bits", "reads", "distinct", "raw_feasible_share", "raw_objective",
        "resolution", "rounding", "penalty", "exact", "lower_s", "sample_s", "redispatch_s",
        "bound_s",
    ):  # fmt: skip
        assert name in details


def test_blocks_agree_with_energy() -> None:
    rng = np.random.default_rng(0)
    b = ProgramBuilder()
    x = b.binary("x", (20,))
    b.minimize(rng.normal(size=20), x)
    b.minimize_product(rng.normal(size=(20, 20)), x[:, np.newaxis], x)
    qubo = to_qubo(b.program())
    energies = np.concatenate([block for _, block in blocks(qubo)])
    places = rng.integers(0, 1 << 20, 200)
    np.testing.assert_allclose(energies[places], qubo.energy(bit_strings(places, 20)), atol=1e-9)
    begun = time.perf_counter()
    found = Exact().solve(b.program())
    assert found.objective == pytest.approx(energies.min())
    assert time.perf_counter() - begun < 5.0


def test_too_large_says_how_large_and_what_to_do() -> None:
    with pytest.raises(TooLargeError, match=r"up to 4 bits, this needs 8 .*fewer units"):
        Exact(max_bits=4).solve(knapsack())


def test_progress_is_reported() -> None:
    seen: list[Progress] = []
    Exact().solve(knapsack(), seen.append)
    assert seen
    assert np.isfinite(seen[-1].objective)


def test_interrupt_keeps_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Exact, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        assert not deadline.passed
        yield Samples.of(qubo, np.zeros(qubo.n_bits))
        raise KeyboardInterrupt

    monkeypatch.setattr(Exact, "sample", interrupted)
    found = Exact().solve(knapsack())
    assert found.termination is Termination.INTERRUPTED
    assert found.objective == 0.0
    assert found.bound <= optimum(knapsack()) + 1e-6


def test_interrupt_before_the_first_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[Samples]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Exact, "sample", interrupted)
    found = Exact().solve(knapsack())
    assert found.termination is Termination.INTERRUPTED
    assert found.x is None


def test_time_limit_ends_it_unproved() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (24,))
    b.minimize(-1.0, x)
    found = Exact(time_limit_s=1e-3, judging=Judging(bound_time_limit_s=0.0)).solve(b.program())
    assert found.termination is Termination.TIME_LIMIT
    assert found.bound == -np.inf
    assert not found.bound_source


@pytest.mark.parametrize(
    "options",
    [
        {"max_bits": 0},
        {"max_bits": 100},
        {"kept": 0},
        {"seed": -1},
        {"time_limit_s": 0.0},
        {"lowering": 8},
        {"judging": 1.0},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Exact(**options)  # type: ignore[arg-type]
