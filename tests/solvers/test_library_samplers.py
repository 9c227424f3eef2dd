"""Samplers from libraries, and the controls: their product with what each must do."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
from scipy.sparse import diags_array

from gridopt.errors import OptionError, TooLargeError, UnsupportedError
from gridopt.lowering.qubo import Qubo
from gridopt.registry import make, option_names, solver_class
from gridopt.sampling.qubo_solver import QuboSolver
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solution import Termination

SEARCHES = ("neal", "tabu", "path_integral", "openjij", "simulated_bifurcation")
CONTROLS = ("random", "greedy", "steepest_descent")


def sampler(name: str, **options: Any) -> QuboSolver:
    kind = solver_class(name)
    has = option_names(kind)
    made = make(kind, name, {key: value for key, value in options.items() if key in has})
    assert isinstance(made, QuboSolver)
    return made


def sparse(n: int, degree: float = 6.0) -> Qubo:
    """Return random whole coefficients from −3 to 3 on some `degree` couplings a bit."""
    rng = np.random.default_rng(n)
    Q = np.triu(rng.integers(-3, 4, (n, n)) * (rng.random((n, n)) < degree / n), 1)
    return Qubo.of(Q + np.diag(rng.integers(-3, 4, n)), offset=2.0)


def taken(solver: QuboSolver, qubo: Qubo, deadline: Deadline | None = None) -> Samples:
    """Return all reads, taken as the base of all QUBO solvers takes them."""
    until = deadline or Deadline()
    solver.check(qubo)
    batches = []
    for batch in solver.sample(qubo, until):
        batches.append(batch)
        if until.passed:
            break
    return Samples(
        np.concatenate([batch.bits for batch in batches]),
        np.concatenate([batch.energies for batch in batches]),
    )


@pytest.mark.parametrize("solver", [*SEARCHES])
@pytest.mark.parametrize("n", [1, 2, 14])
def test_searches_find_the_ground_state(solver: str, n: int) -> None:
    qubo = sparse(n)
    found = taken(sampler(solver, reads=20), qubo)
    assert found.bits.shape == (20, n)
    assert found.energies.min() == qubo.spectrum().min()
    np.testing.assert_array_equal(found.energies, qubo.energy(found.bits))


@pytest.mark.parametrize("solver", [*SEARCHES, *CONTROLS])
def test_reads_depend_on_the_seed_alone(solver: str) -> None:
    qubo = sparse(40)
    options = {"reads": 9, "sweeps": 30, "moves": 40, "restarts": 1, "steps": 100}
    given = [(1, {"threads": 1}), (1, {"threads": 3}), (2, {"threads": 1})]
    one, same, other = (
        taken(sampler(solver, seed=seed, **options, **more), qubo).bits for seed, more in given
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert len(np.unique(one, axis=0)) > 1


@pytest.mark.parametrize("solver", [*SEARCHES, *CONTROLS])
def test_a_time_limit_holds(solver: str) -> None:
    """One second on 1500 bits; what goes beyond a tenth is room for a loaded machine."""
    qubo = sparse(1500)
    method = sampler(solver, time_limit_s=1.0)  # not timed: this may import a library
    begun = time.perf_counter()
    found = taken(method, qubo, Deadline.after(1.0))
    assert time.perf_counter() - begun < 1.1 + 0.9
    assert len(found.bits) >= 1


@pytest.mark.parametrize("solver", ["neal", "tabu", "path_integral", "openjij"])
def test_a_limit_without_reads_is_used_up(solver: str) -> None:
    method = sampler(solver, time_limit_s=0.6, bound_time_limit_s=0.0)
    begun = time.perf_counter()
    found = method.solve(sparse(30).program())
    assert found.termination is Termination.TIME_LIMIT
    assert time.perf_counter() - begun > 0.35
    assert float(found.details["reads"]) > 3  # a loaded machine takes few


@pytest.mark.parametrize("solver", ["neal", "tabu", "path_integral", "openjij"])
def test_ctrl_c_keeps_the_best_so_far(solver: str) -> None:
    method = sampler(solver, reads=10**6, bound_time_limit_s=0.0)
    program = sparse(60).program()
    with ctrl_c_after(0.4):
        found = method.solve(program)
    assert found.termination is Termination.INTERRUPTED
    assert found.is_feasible
    assert 0 < float(found.details["reads"]) < 10**6


class ctrl_c_after:  # noqa: N801
    """Send Ctrl-C to the main thread after some seconds."""

    def __init__(self, seconds: float) -> None:
        main = threading.main_thread().ident
        assert main is not None
        self._timer = threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGINT))

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.join()


def test_fair_coins_are_fair() -> None:
    found = taken(sampler("random", reads=4000), sparse(12))
    assert np.abs(found.bits.mean(axis=0) - 0.5).max() < 0.05
    assert np.abs(np.corrcoef(found.bits.T) - np.eye(12)).max() < 0.1


def test_descent_ends_in_local_minima() -> None:
    qubo = sparse(30)
    found = taken(sampler("steepest_descent", reads=50), qubo)
    assert min(best_flip(qubo, bits) for bits in found.bits) >= 0.0


def best_flip(qubo: Qubo, bits: Any) -> float:
    """Return the least change of the energy by one flip."""
    flipped = np.abs(bits.astype(float) - np.eye(qubo.n_bits))
    return float(qubo.energy(flipped).min() - qubo.energy(bits))


def test_greedy_only_builds() -> None:
    # The best first bit is a trap: the others are worth more together, but each bars it.
    Q = np.diag([-5.0, -3.0, -3.0, 1.0])
    Q[0, 1] = Q[0, 2] = 10.0
    greedy = taken(sampler("greedy", reads=5, near=1.0), Qubo.of(Q))
    assert greedy.bits.tolist() == [[1, 0, 0, 0]] * 5
    descent = taken(sampler("steepest_descent", reads=40), Qubo.of(Q))
    assert descent.energies.min() == -6.0


def test_greedy_breaks_ties_at_random_and_its_first_read_is_the_best_bit_each_time() -> None:
    Q = np.full((6, 6), 9.0)
    np.fill_diagonal(Q, -1.0)
    found = taken(sampler("greedy", reads=40, near=1.0), Qubo.of(Q))
    assert set(found.energies) == {-1.0}
    assert len(np.unique(found.bits, axis=0)) == 6
    np.fill_diagonal(Q, [-1.0, -1.1, -1.0, -1.0, -1.0, -1.0])
    near = taken(sampler("greedy", reads=40, near=0.8), Qubo.of(Q))
    assert near.bits[0].tolist() == [0, 1, 0, 0, 0, 0]
    assert len(np.unique(near.bits, axis=0)) == 6


@pytest.mark.parametrize("solver", [*SEARCHES, *CONTROLS, "tree_decomposition", "exact"])
def test_what_does_not_fit_is_refused_before_any_work(solver: str) -> None:
    n = 100_001
    large = Qubo.of(diagonal(n))
    with pytest.raises(TooLargeError, match=f"{solver} takes up to .* bits, this needs 100001"):
        sampler(solver).check(large)


def diagonal(n: int) -> Any:
    return diags_array(np.ones(n))


@pytest.mark.parametrize("solver", [*SEARCHES, *CONTROLS, "tree_decomposition"])
@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_numbers_that_are_not_finite_are_refused(solver: str, wrong: float) -> None:
    with pytest.raises(UnsupportedError, match="1 numbers of the QUBO are not finite"):
        sampler(solver).check(Qubo.of(np.diag([1.0, wrong])))


@pytest.mark.parametrize(
    ("solver", "option", "value"),
    [
        ("neal", "reads", 0),
        ("tabu", "reads", 0),
        ("tabu", "tenure", 0),
        ("tabu", "restarts", -1),
        ("random", "reads", 0),
        ("random", "most_bits", 0),
        ("greedy", "near", 1.5),
        ("steepest_descent", "threads", 0),
        ("path_integral", "beta", 0.0),
        ("path_integral", "sweeps", 1),
        ("tree_decomposition", "max_width", 26),
        ("openjij", "trotter", 1),
        ("openjij", "polish", 1),
        ("simulated_bifurcation", "mode", "chaotic"),
        ("simulated_bifurcation", "heated", 1),
    ],
)
def test_bad_options(solver: str, option: str, value: object) -> None:
    with pytest.raises(OptionError, match=f"{solver}: {option} = "):
        sampler(solver, **{option: value})


def test_tabu_refuses_what_its_clock_would_miss() -> None:
    with pytest.raises(TooLargeError, match="before it looks at the clock: set time_limit_s to 7"):
        sampler("tabu", time_limit_s=1.0).check(Qubo.of(diagonal(5000)))
    with pytest.raises(OptionError, match="tenure = 20, expected less than 14 bits"):
        sampler("tabu", tenure=20).check(sparse(14))


@pytest.mark.parametrize("solver", ["path_integral", "openjij", "neal", "simulated_bifurcation"])
def test_polish_ends_in_local_minima(solver: str) -> None:
    qubo = sparse(30)
    options = {"reads": 10, "sweeps": 2, "steps": 5, "beta": 0.1}
    raw, polished = (taken(sampler(solver, polish=p, **options), qubo) for p in (False, True))
    assert min(best_flip(qubo, bits) for bits in polished.bits) >= 0.0
    assert min(best_flip(qubo, bits) for bits in raw.bits) < 0.0
    assert (polished.energies <= raw.energies).all()
