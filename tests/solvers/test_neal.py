"""Simulated annealing through dwave-neal."""

from __future__ import annotations

import time
from typing import Any

import neal
import numpy as np
import pytest
from dwave.samplers.sa.sampler import default_beta_range

from gridopt.errors import OptionError
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.qubo import Lowering, Qubo, to_qubo
from gridopt.program import Program, ProgramBuilder
from gridopt.sampling.effort import sweep_work
from gridopt.sampling.judging import Judging
from gridopt.sampling.samples import Deadline
from gridopt.solution import Termination
from gridopt.solvers.exact import Exact
from gridopt.solvers.neal import Neal, _beta_range


def commitment(n_units: int, n_hours: int) -> Program:
    """Return a commitment window with start-up costs, two-hour up times and a priced import."""
    b = ProgramBuilder()
    shape = (n_units, n_hours)
    low, span = (30.0 + 10.0 * np.arange(n_units))[:, np.newaxis], 20.0
    on, start = b.binary("on", shape), b.binary("start", shape)
    stop = b.binary("stop", shape, implied=True)
    above = b.variable("above_min_mw", shape, upper=span)
    bought = b.variable("import_mw", (n_hours,), lower=-np.inf)
    b.minimize(200.0 + 20.0 * low, on)
    b.minimize(120.0, start)
    b.minimize(25.0 + np.arange(n_units)[:, np.newaxis], above)
    b.minimize(30.0, bought)
    b.minimize_product(0.1, bought, bought)
    demand = 60.0 + 40.0 * (np.arange(n_hours) % 4)
    b.constrain("balance", (1.0, above.T), (low.ravel(), on.T), (1.0, bought), equal=demand)
    b.constrain("capacity", (1.0, above), (-span, on), upper=0.0)
    b.constrain(
        "logic", (1.0, on[:, 1:]), (-1.0, on[:, :-1]), (-1.0, start[:, 1:]), (1.0, stop[:, 1:]),
        equal=0.0,
    )  # fmt: skip
    b.constrain("first", (1.0, on[:, 0]), (-1.0, start[:, 0]), (1.0, stop[:, 0]), equal=0.0)
    b.constrain("start_is_on", (1.0, start), (-1.0, on), upper=0.0)
    b.constrain("up", (1.0, start[:, :-1]), (1.0, start[:, 1:]), (-1.0, on[:, 1:]), upper=0.0)
    b.constrain("down", (1.0, stop[:, :-1]), (1.0, stop[:, 1:]), (1.0, on[:, 1:]), upper=1.0)
    return b.program()


def test_finds_the_ground_state_of_a_small_window() -> None:
    program = commitment(2, 3)
    lowering = Lowering(resolution=20.0)
    ground = Exact(lowering=lowering).solve(program)
    found = Neal(reads=30, sweeps=300, lowering=lowering).solve(program)
    assert found.details["best_energy"] == pytest.approx(ground.details["best_energy"])
    assert found.termination is Termination.SAMPLED
    assert found.objective == pytest.approx(ground.objective)


def test_larger_window_is_within_a_percent_of_the_bound() -> None:
    found = Neal(reads=50, sweeps=500).solve(commitment(4, 6))
    assert found.is_feasible
    assert found.gap < 0.01
    assert found.details["raw_feasible_share"] > 0.5  # type: ignore[operator]
    assert found.details["slack_bits"] == 0


def test_same_seed_same_answer() -> None:
    program = commitment(3, 4)
    one, two = (Neal(reads=7, sweeps=20, seed=5).solve(program) for _ in range(2))
    other = Neal(reads=7, sweeps=20, seed=6).solve(program)
    assert one.x is not None
    assert two.x is not None
    np.testing.assert_array_equal(one.x, two.x)
    assert one.details["raw_feasible_share"] == two.details["raw_feasible_share"]
    assert one.details["reads"] == other.details["reads"] == 7


def test_dwave_neal_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    sample = neal.SimulatedAnnealingSampler.sample

    def counted(self: Any, model: Any, **options: Any) -> Any:
        reads.append(len(options["initial_states"]))
        assert 0 < options["seed"] < 2**31
        return sample(self, model, **options)

    monkeypatch.setattr(neal.SimulatedAnnealingSampler, "sample", counted)
    Neal(reads=40, sweeps=5, seed=2**31 - 1, threads=1).solve(commitment(2, 2))
    assert reads == [16, 16, 8]


def test_temperatures_are_those_of_dwave_samplers() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 12):
        qubo = Qubo.of(rng.integers(-3, 4, (n, n)))
        model = to_bqm(qubo).change_vartype("SPIN")
        if not qubo.Q.nnz:
            continue
        theirs: Any = default_beta_range
        assert _beta_range(model) == pytest.approx(tuple(theirs(model)), rel=1e-12)


def test_a_schedule_in_pieces_anneals_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    qubo = to_qubo(commitment(3, 4))
    whole = [part.energies for part in Neal(reads=20, sweeps=400).sample(qubo, Deadline())]
    monkeypatch.setattr("gridopt.solvers.neal.JOB_WORK", 7.0 * sweep_work(qubo))
    monkeypatch.setattr("gridopt.solvers.neal.CALL_WORK", 0.0)
    pieces = [part.energies for part in Neal(reads=20, sweeps=400).sample(qubo, Deadline())]
    one, other = np.concatenate(whole), np.concatenate(pieces)
    assert not np.array_equal(one, other)
    assert np.median(other) <= np.median(one) + 0.02 * abs(np.median(one))


def test_time_ends_a_read_between_two_pieces() -> None:
    qubo = to_qubo(commitment(4, 6))
    begun = time.perf_counter()
    (found,) = Neal(reads=1, sweeps=10**7).sample(qubo, Deadline.after(0.5))
    assert time.perf_counter() - begun < 2.0
    assert len(found.energies) == 1


def test_time_limit_holds() -> None:
    begun = time.perf_counter()
    found = Neal(reads=10**6, sweeps=2000, time_limit_s=1.0).solve(commitment(4, 6))
    assert time.perf_counter() - begun < 2.0
    assert found.termination is Termination.TIME_LIMIT
    assert found.is_feasible


def test_nothing_feasible_is_reported_honestly() -> None:
    b = ProgramBuilder()
    x, p = b.binary("x", (2,)), b.variable("p", (1,), upper=1.0)
    b.minimize(-1.0, x)
    b.constrain("never", (1.0, x[np.newaxis]), (1.0, p[np.newaxis]), lower=np.array([5.0]))
    found = Neal(reads=3).solve(b.program())
    assert not found.is_feasible
    assert found.objective == np.inf
    assert found.violation >= 1.0
    assert found.details["raw_feasible_share"] == 0.0
    assert found.termination is Termination.INFEASIBLE
    silent = Neal(reads=3, judging=Judging(bound_time_limit_s=0.0)).solve(b.program())
    assert silent.termination is Termination.SAMPLED


@pytest.mark.parametrize(
    "options",
    [{"reads": 0}, {"sweeps": 0}, {"reads": 1.5}, {"polish": 1}, {"seed": 2**31}, {"seed": True}],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Neal(**options)  # type: ignore[arg-type]
