"""QAOA: good angles, rules that hold in every shot, and shots that are Qiskit's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.circuits.angles import fixed, initial_angles, ramp
from gridopt.circuits.evaluator import Evaluator
from gridopt.circuits.ising import Ising
from gridopt.errors import OptionError, TooLargeError
from gridopt.lowering.qubo import Qubo, to_qubo
from gridopt.lowering.structure import Cardinality, Structure
from gridopt.program import Program, ProgramBuilder
from gridopt.sampling.judging import Judging
from gridopt.sampling.samples import Deadline
from gridopt.solution import Termination
from gridopt.solvers.exact import Exact
from gridopt.solvers.qaoa import QAOA


def ring(n: int = 6) -> Program:
    """Return a program of frustrated neighbors with one-of-two rows."""
    b = ProgramBuilder()
    x = b.binary("x", (n,))
    b.minimize(np.linspace(-2.0, 1.0, n), x)
    b.minimize_product(1.5, x, np.roll(x, 1))
    b.constrain("one", (1.0, x[:2][np.newaxis]), upper=np.array([1.0]))
    return b.program()


def commitment(seed: int, units: int = 4, periods: int = 4) -> Qubo:
    """Return a commitment of units to periods: costs, a balance with a price slope, start-ups."""
    rng = np.random.default_rng(seed)
    power = rng.uniform(20.0, 200.0, units)
    cost = 0.9 * rng.uniform(15.0, 35.0, units) * power
    startup = rng.uniform(50.0, 800.0, units)
    demand = power.sum() * np.array([0.45, 0.6, 0.75, 0.55])[:periods]
    slope = rng.uniform(0.03, 0.3)
    Q = np.zeros((units, periods, units, periods))
    for t in range(periods):
        Q[:, t, :, t] += slope * np.outer(power, power)
        diagonal = cost - 2.0 * slope * power * demand[t] + startup
        Q[np.arange(units), t, np.arange(units), t] += diagonal
        if t:
            Q[np.arange(units), t - 1, np.arange(units), t] -= startup
    return Qubo.of(Q.reshape(units * periods, -1))


def assignment(seed: int, groups: int = 3, size: int = 3, extra: int = 2) -> Qubo:
    """Return a random QUBO with one-hot groups, a pair of three, and bits of no group."""
    n = groups * size + 3 + extra
    rules = [Cardinality(np.arange(k * size, (k + 1) * size), 1) for k in range(groups)]
    rules.append(Cardinality(np.arange(groups * size, groups * size + 3), 2))
    qubo = Qubo.of(np.random.default_rng(seed).normal(size=(n, n)))
    return replace(qubo, structure=Structure(tuple(rules)))


def sherrington_kirkpatrick(n: int, seed: int) -> Qubo:
    """Return Σ J_ij Z_i Z_j with J of variance 1/n."""
    J = np.triu(np.random.default_rng(seed).normal(size=(n, n)), 1) / np.sqrt(n)
    return Qubo.of(4.0 * J - 2.0 * np.diag(J.sum(axis=0) + J.sum(axis=1)), float(J.sum()))


@pytest.fixture
def qubo() -> Qubo:
    return to_qubo(ring())


def test_ramp_has_the_right_sign(qubo: Qubo) -> None:
    evaluator = Evaluator.of(qubo)
    good = evaluator.ground_probability(ramp(20, 0.7))
    angles = ramp(20, 0.7)
    angles[20:] *= -1.0
    assert good > 0.3
    assert evaluator.ground_probability(angles) < 0.02


def test_fixed_angles_are_those_of_the_model_they_are_named_after() -> None:
    # Energies per spin in the limit of many spins at depths 1 to 4.
    for depth, limit in enumerate((0.3033, 0.4075, 0.4726, 0.5157), start=1):
        gained = np.zeros(3)
        for seed in range(10):
            model = sherrington_kirkpatrick(12, seed)
            evaluator = Evaluator.of(model)
            angles = fixed(Ising.of(model), depth)
            for k, scale in enumerate((0.75, 1.0, 1.33)):
                scaled = np.concatenate((scale * angles[:depth], angles[depth:]))
                gained[k] -= evaluator.energy(scaled) / 120
        assert gained[1] == pytest.approx(limit, abs=0.05)
        assert gained[1] > max(gained[0], gained[2])


@pytest.mark.parametrize("depth", [7, 20])
def test_depths_between_and_beyond_the_table_get_better_too(depth: int) -> None:
    model = sherrington_kirkpatrick(10, 0)
    evaluator = Evaluator.of(model)
    assert evaluator.energy(fixed(Ising.of(model), depth)) < evaluator.energy(
        fixed(Ising.of(model), 4)
    )


def test_fixed_angles_do_not_depend_on_the_unit_of_money() -> None:
    one = commitment(1)
    other = Qubo.of(1000.0 * one.Q.toarray(), 5.0)
    np.testing.assert_allclose(fixed(Ising.of(one), 3), fixed(Ising.of(other), 3))


def test_ising_model_needs_no_enumeration_for_its_mean_and_spread(qubo: Qubo) -> None:
    energies = qubo.spectrum()
    model = Ising.of(qubo)
    assert model.constant == pytest.approx(energies.mean())
    assert model.spread == pytest.approx(energies.std())


def test_cvar_is_the_mean_of_the_best_part(qubo: Qubo) -> None:
    evaluator = Evaluator.of(qubo, cvar=0.25)
    flat = np.zeros(2)  # no layer: every bit string has the same probability
    best = np.sort(evaluator.cost)[: len(evaluator.cost) // 4]
    assert evaluator.value(flat) == pytest.approx(best.mean())
    assert Evaluator.of(qubo).value(flat) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_window_of_four_units_and_hours_is_found_far_more_often_than_by_chance(
    seed: int,
) -> None:
    window = commitment(seed)
    (samples,) = QAOA(shots=1024).sample(window, Deadline())
    assert samples.energies.min() == pytest.approx(window.spectrum().min())
    stated, uniform = (
        float(samples.details[f"{name}_probability"]) for name in ("ground_state", "uniform")
    )
    assert uniform == 2.0**-16
    assert stated >= 20.0 * uniform


def test_warm_start_helps_where_the_relaxation_is_near() -> None:
    window = commitment(5)
    cold, warm = (
        next(QAOA(shots=16, iterations=0, warm_start=on).sample(window, Deadline()))
        for on in (False, True)
    )
    assert float(warm.details["ground_state_probability"]) > 1.5 * float(
        cold.details["ground_state_probability"]
    )


@pytest.mark.parametrize("angles", ["fixed", "linear_ramp"])
@pytest.mark.parametrize("objective", ["cvar", "expectation"])
def test_search_improves_on_where_it_began(qubo: Qubo, angles: str, objective: str) -> None:
    options = {"angles": angles, "objective": objective, "cvar": 0.9, "shots": 16, "layers": 2}
    begun, ended = (
        next(QAOA(iterations=n, **options).sample(qubo, Deadline()))  # type: ignore[arg-type]
        for n in (0, 60)
    )
    assert begun.details["evaluations"] == len(initial_angles(angles, Ising.of(qubo), 2))
    assert ended.details["circuits"] == 1  # the energies on the way are enumerated
    assert float(ended.details["value"]) < float(begun.details["value"])


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("backend", ["aer", "aer_mps"])
def test_xy_mixer_keeps_the_groups_in_every_shot(backend: str, warm_start: bool) -> None:
    qubo = assignment(0)
    solver = QAOA(
        mixer="xy", backend=backend, warm_start=warm_start, layers=2, iterations=20, shots=512
    )
    (samples,) = solver.sample(qubo, Deadline())
    assert solver.native == {"cardinality"}
    assert QAOA().native == frozenset()
    assert samples.details["groups"] == 4
    assert qubo.structure.holds(samples.bits.astype(np.bool_)).all()
    every = ((np.arange(1 << qubo.n_bits)[:, np.newaxis] >> np.arange(qubo.n_bits)) & 1) > 0
    allowed = qubo.spectrum()[qubo.structure.holds(every)]
    assert samples.energies.min() == pytest.approx(allowed.min())
    assert samples.details["uniform_probability"] == pytest.approx(1.0 / len(allowed))


def test_xy_mixer_takes_the_one_hot_rows_of_a_program() -> None:
    rng = np.random.default_rng(0)
    b = ProgramBuilder()
    x = b.binary("x", (3, 3))
    b.minimize(rng.normal(size=(3, 3)), x)
    b.minimize_product(rng.normal(size=(2, 3)), x[:-1], x[1:])
    b.constrain("one", (1.0, x), equal=np.ones(3))
    program = b.program()
    found = QAOA(mixer="xy", shots=256, iterations=20).solve(program)
    assert found.details["groups"] == 3
    assert found.details["raw_feasible_share"] == 1.0
    assert found.details["uniform_probability"] == pytest.approx(1.0 / 27.0)
    assert found.objective == pytest.approx(Exact().solve(program).objective)


def test_a_window_of_a_real_system_is_found_far_more_often_than_by_chance() -> None:
    day = gridopt.solve(gridopt.load_case("rts79", start=8424), gap=0.01, time_limit_s=20.0)
    assert day.schedule is not None
    units = ("U20_1_1", "U76_1_1", "U100_7_1", "U197_13_1")
    study = gridopt.window(day.schedule, units, 20, 4)
    best = gridopt.solve(study, gap=1e-9)
    run = gridopt.solve(study, "unit_commitment", "qaoa", form="compact", seed=1)
    details = run.solution.details
    assert run.cost == pytest.approx(best.cost, rel=1e-6)
    ratio = float(details["ground_state_probability"]) / float(details["uniform_probability"])
    assert ratio >= 20.0


@pytest.mark.parametrize("backend", ["aer", "statevector", "aer_mps"])
def test_finds_the_optimum(backend: str) -> None:
    program = ring()
    best = Exact().solve(program)
    found = QAOA(backend=backend, shots=1024).solve(program)
    assert found.objective == pytest.approx(best.objective)
    assert found.termination is Termination.SAMPLED
    assert found.details["backend"] == backend
    assert found.details["reads"] == 1024
    assert found.details["ground_state_probability"] > 0.1  # type: ignore[operator]


@pytest.mark.parametrize("backend", ["aer", "statevector", "aer_mps"])
def test_same_seed_same_shots(backend: str, qubo: Qubo) -> None:
    solver = QAOA(backend=backend, shots=64, iterations=10, seed=3)
    (one,), (two,) = (list(solver.sample(qubo, Deadline())) for _ in range(2))
    np.testing.assert_array_equal(one.bits, two.bits)
    (other,) = replace(solver, seed=4).sample(qubo, Deadline())
    assert not np.array_equal(one.bits, other.bits)


def test_shots_follow_the_evaluator(qubo: Qubo) -> None:
    solver = QAOA(shots=20_000, iterations=20, layers=2)
    (samples,) = solver.sample(qubo, Deadline())
    lowest = samples.energies <= qubo.spectrum().min() + 1e-9
    stated = samples.details["ground_state_probability"]
    assert lowest.mean() == pytest.approx(stated, abs=0.02)


def test_matrix_product_states_take_forty_qubits() -> None:
    n = 40
    Q = np.diag(np.linspace(-1.5, 0.5, n)) + np.diag(np.full(n - 1, 1.0), 1)
    chain = Qubo.of(Q)
    best = best_of_chain(chain)
    solver = QAOA(backend="aer_mps", max_qubits=40, layers=3, shots=512, bond_dimension=16)
    solver.check(chain)
    (samples,) = solver.sample(chain, Deadline())
    fair = np.random.default_rng(0).integers(0, 2, (512, n))
    assert samples.bits.shape == (512, n)
    assert samples.details["evaluations"] == 5
    assert samples.details["angles_by"] == "256 shots an evaluation"
    assert "ground_state_probability" not in samples.details
    assert samples.energies.mean() < 0.5 * best < chain.energy(fair).mean()
    assert samples.energies.min() < 0.85 * best < chain.energy(fair).min()


def best_of_chain(qubo: Qubo) -> float:
    """Return the lowest energy of a chain, by dynamic programming."""
    dense = qubo.Q.toarray()
    off, on = 0.0, float(dense[0, 0])
    for k in range(1, len(dense)):
        off, on = min(off, on), dense[k, k] + min(off, on + dense[k - 1, k])
    return min(off, on)


def test_too_many_qubits_are_refused_by_name() -> None:
    with pytest.raises(TooLargeError, match=r"needs 40 \(.* GB of memory.*fewer units"):
        QAOA().solve(ring(40))
    with pytest.raises(TooLargeError, match=r"2\^.* bytes.*fewer units or hours"):
        QAOA().solve(ring(90))


def test_what_does_not_fit_in_memory_is_refused_before_it_is_allocated() -> None:
    qubo = Qubo.of(np.eye(45))
    with pytest.raises(TooLargeError, match=r"45 qubits takes .* bytes|45 qubits takes .* GB"):
        QAOA(backend="statevector", max_qubits=45).check(qubo)
    QAOA(backend="aer", max_qubits=45).check(qubo)  # as a matrix product state


def test_interrupted_search_still_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    value = Evaluator.value

    def interrupted(self: Evaluator, angles: np.ndarray) -> float:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return value(self, angles)

    monkeypatch.setattr(Evaluator, "value", interrupted)
    found = QAOA(shots=256).solve(ring())
    assert found.termination is Termination.INTERRUPTED
    assert found.is_feasible
    assert found.details["evaluations"] == 3


def test_time_limit_ends_the_search_for_angles() -> None:
    solver = QAOA(iterations=10**6, time_limit_s=0.5, judging=Judging(bound_time_limit_s=0.0))
    assert solver.solve(ring(12)).is_feasible


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 0},
        {"shots": 0},
        {"iterations": -1},
        {"cvar": 0.0},
        {"cvar": 1.5},
        {"backend": "ibm"},
        {"backend": "fake:"},
        {"backend": 3},
        {"angles": "random"},
        {"objective": "variance"},
        {"warm_start": 1},
        {"epsilon": 0.6},
        {"mixer": "grover"},
        {"bond_dimension": 0},
        {"max_qubits": 101},
        {"seed": -1},
        {"time_limit_s": -1.0},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        QAOA(**options)  # type: ignore[arg-type]
