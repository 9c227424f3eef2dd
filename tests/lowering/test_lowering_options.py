"""Every option of the lowering: those that claim exactness hold it, the others say so."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import gridopt
from gridopt.arrays import FloatArray
from gridopt.errors import OptionError, PrecisionError, UnsupportedError
from gridopt.lowering.encoding import ENCODINGS
from gridopt.lowering.qubo import Lowering, Qubo, discretized, to_qubo
from gridopt.lowering.structure import Native
from gridopt.program import Integrality, Program, ProgramBuilder, Sequences
from gridopt.sampling.tightening import tightened

MOST_BITS = 13

bounded = settings(
    derandomize=True,
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def states(n: int) -> FloatArray:
    return ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.float64)


def points(program: Program) -> list[FloatArray]:
    ranges = [
        range(int(low), int(up) + 1) for low, up in zip(program.lower, program.upper, strict=True)
    ]
    every = (np.array(point, dtype=np.float64) for point in itertools.product(*ranges))
    return [point for point in every if program.is_feasible(point)]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Bits, a count and a continuous column; some of the bits, and a weight."""
    b = ProgramBuilder()
    bits = b.binary("bit", (draw(st.integers(3, 4)),))
    whole = b.variable(
        "whole",
        (draw(st.integers(0, 1)),),
        upper=draw(st.integers(2, 4)),
        integrality=Integrality.INTEGER,
    )
    real = b.variable("real", (draw(st.integers(0, 1)),), upper=1.0)
    columns = np.concatenate((bits, whole, real))
    b.minimize([draw(st.integers(-6, 6)) / 2.0 for _ in columns], columns)
    for _ in range(draw(st.integers(0, 3))):
        left, right = (draw(st.sampled_from(columns.tolist())) for _ in range(2))
        b.minimize_product(draw(st.integers(-3, 3)), left, right)
    if draw(st.booleans()):
        b.constrain(
            "some of them", (1.0, bits[np.newaxis, :3]), equal=[float(draw(st.integers(1, 2)))]
        )
    weights = np.array([float(draw(st.integers(-1, 3))) for _ in columns])
    b.constrain("weight", (weights, columns[np.newaxis]), lower=[float(draw(st.integers(0, 4)))])
    return b.program()


def assert_exact(program: Program, lowering: Lowering, native: set[Native]) -> Qubo:
    """Ground states that keep the structure lift to the optima of the discretized program."""
    qubo = to_qubo(program, lowering, native)
    assume(qubo.n_bits <= MOST_BITS)
    grid = discretized(program, lowering)
    best = min(
        (
            program.objective(x)
            for x in map(grid.lift, points(grid.program))
            if program.is_feasible(x)
        ),
        default=None,
    )
    z = states(qubo.n_bits)
    z = z[qubo.structure.holds(z.astype(np.bool_))]
    assert qubo.exact
    if best is None:
        return qubo
    energies = qubo.energy(z)
    ground = z[energies <= energies.min() + 1e-7]
    assert energies.min() == pytest.approx(best, abs=1e-6)
    for x in qubo.lift(ground):
        assert program.is_feasible(x)
        assert program.objective(x) == pytest.approx(best, abs=1e-6)
    return qubo


NATIVES: list[set[Native]] = [set(), {"cardinality"}, {"inequality"}, {"cardinality", "inequality"}]


@bounded
@given(programs(), st.sampled_from(ENCODINGS), st.sampled_from(NATIVES))
def test_encodings_are_exact(program: Program, encoding: str, native: set[Native]) -> None:
    assert_exact(program, Lowering(resolution=0.5, encoding=encoding), native)


def counts(most: int) -> Program:
    b = ProgramBuilder()
    n = b.variable("n", (2,), upper=float(most), integrality=Integrality.INTEGER)
    b.minimize([-1.0, 2.0], n)
    b.minimize_product(1.0, n[0], n[1])
    return b.program()


@pytest.mark.parametrize(
    ("encoding", "bits", "rules"),
    [("binary", 4, 0), ("unary", 6, 0), ("domain_wall", 6, 0), ("one_hot", 8, 2)],
)
def test_bits_of_an_encoding(encoding: str, bits: int, rules: int) -> None:
    qubo = to_qubo(counts(3), Lowering(encoding=encoding), {"cardinality"})
    assert qubo.n_bits == bits
    assert len(qubo.structure) == rules
    assert qubo.n_slack == 0


def test_encoding_by_block() -> None:
    b = ProgramBuilder()
    for name in ("first", "second"):
        b.minimize(1.0, b.variable(name, (1,), upper=3.0, integrality=Integrality.INTEGER))
    qubo = to_qubo(b.program(), Lowering(encoding={"second": "unary"}))
    assert qubo.describe()["bits_by_block"] == "first 2, second 3"
    with pytest.raises(
        OptionError, match="encoding = 'third', expected blocks of the program: first"
    ):
        to_qubo(b.program(), Lowering(encoding={"third": "unary"}))


@st.composite
def chains(draw: st.DrawFn) -> tuple[Program, Sequences]:
    """One unit over a few periods with least runs told as rows of every triple, and as runs."""
    T = draw(st.integers(2, 5))
    b = ProgramBuilder()
    fixed = [draw(st.sampled_from([(0, 1), (0, 1), (0, 1), (0, 0), (1, 1)])) for _ in range(T)]
    u = b.binary("on", (1, T), [[low for low, _ in fixed]], [[high for _, high in fixed]])
    b.minimize([[float(draw(st.integers(-4, 4))) for _ in range(T)]], u)
    for t in range(T - 1):
        b.minimize_product(float(draw(st.integers(-3, 3))), u[0, t], u[0, t + 1])
    on, off = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    before = draw(st.integers(1, 3)) * draw(st.sampled_from([1, -1]))
    _run_rows(b, u[0], on, off, before)
    runs = Sequences(u, np.array([on]), np.array([off]), np.array([before]), ("runs",))
    program = b.program()
    return program, runs


def _run_rows(b: ProgramBuilder, u: Any, on: int, off: int, before: int) -> None:
    """Write each pair of a step and a later period (or the initial run) as a row of its own."""
    T = len(u)
    rows, sides = [np.zeros(T)], [0.0]
    initial = float(before > 0)
    for t in range(T):
        for sign, least in ((1.0, on), (-1.0, off)):
            for tau in range(t + 1, min(t + least, T)):
                row = np.zeros(T)  # sign (u_t − u_{t−1} − u_τ) ≤ 0, or 1 for a stop
                row[t] += sign
                row[tau] -= sign
                side = 0.0 if sign > 0 else 1.0
                if t:
                    row[t - 1] -= sign
                else:
                    side += sign * initial
                rows.append(row)
                sides.append(side)
    least = on if before > 0 else off
    for t in range(min(max(least - abs(before), 0), T)):
        row = np.zeros(T)
        row[t] = -1.0 if before > 0 else 1.0
        rows.append(row)
        sides.append(-1.0 if before > 0 else 0.0)
    b.constrain("runs", (np.array(rows), np.array(u)[np.newaxis]), upper=np.array(sides))


@bounded
@given(chains(), st.booleans())
def test_sequences_stand_for_their_rows(chain: tuple[Program, Sequences], native: bool) -> None:
    program, runs = chain
    kinds: set[Native] = {"sequence"} if native else set()
    qubo = assert_exact(replace(program, sequences=runs), Lowering(), kinds)
    assert len(qubo.structure.sequences) == native
    if native:
        assert qubo.n_slack == 0


def knapsack() -> Program:
    b = ProgramBuilder()
    x = b.binary("take", (6,))
    b.minimize([5.0, 4.0, 3.0, 7.0, 6.0, 2.0], x)
    b.constrain("weight", ([2.0, 3.0, 1.0, 4.0, 5.0, 2.5], x[np.newaxis]), lower=[7.5])
    return b.program()


@pytest.mark.parametrize("inequalities", ["unbalanced", "augmented_lagrangian"])
def test_soft_rows_take_no_slack_and_claim_nothing(inequalities: Any) -> None:
    slack = to_qubo(knapsack())
    soft = to_qubo(knapsack(), Lowering(inequalities=inequalities))
    assert slack.n_slack > 0
    assert soft.n_slack == 0
    assert not soft.exact
    record = soft.describe()
    assert (record["exact"], record["soft_rows"]) == (0, 1)
    assert float(record["coefficient_range"]) < float(slack.describe()["coefficient_range"])
    (term,) = soft.soft
    z = states(6)
    x = soft.lift(z)
    h = x @ np.array([2.0, 3.0, 1.0, 4.0, 5.0, 2.5]) - 7.5
    objective = np.array([knapsack().objective(point) for point in x])
    np.testing.assert_allclose(
        soft.energy(z), objective - term.slope * h + term.curvature * h**2, atol=1e-9
    )


def test_multipliers_follow_the_violation() -> None:
    soft = to_qubo(
        knapsack(), Lowering(inequalities="augmented_lagrangian"), prices={"weight[0]": 1.0}
    )
    (term,) = soft.soft
    assert term.slope == 1.0
    none, every = np.zeros(6), np.ones(6)
    assert soft.multipliers_after(none)["weight[0]"] == pytest.approx(
        1.0 + 2 * term.curvature * 7.5
    )
    assert soft.multipliers_after(every)["weight[0]"] == 0.0


def test_rounds_of_multipliers_reach_feasible_samples() -> None:
    """From a multiplier of 0 the ground state takes nothing; rounds raise it until rows hold."""
    program, prices = knapsack(), {"weight[0]": 0.0}
    lowering = Lowering(inequalities="augmented_lagrangian")
    shares = []
    for _ in range(12):
        qubo = to_qubo(program, lowering, prices=prices)
        z = states(qubo.n_bits)
        lowest = z[np.argmin(qubo.energy(z))]
        shares.append(program.is_feasible(qubo.lift(lowest)))
        prices = qubo.multipliers_after(lowest)
    assert not shares[0]
    assert any(shares)


def test_inexact_options_say_so_in_the_run() -> None:
    study = gridopt.load_case("kazarlis10", hours=2)
    choices: list[dict[str, Any]] = [
        {"inequalities": "unbalanced"},
        {"inequalities": "augmented_lagrangian"},
        {"penalty": 0.1},
        {"levels": 2},
        {"form": "compact"},
    ]
    for options in choices:
        run = gridopt.solve(
            study, "unit_commitment", "neal", reads=5, sweeps=50, control_reads=0, **options
        )
        details = run.solution.details
        assert details["exact"] == 0, options
        assert all(details.get(name, value) == value for name, value in options.items())


def test_a_known_answer_bounds_the_weights() -> None:
    """The proved weights are less with a good answer at hand, and still exact."""
    program = knapsack()
    plain, known = to_qubo(program), to_qubo(program, Lowering(upper_bound=9.0))
    assert max(known.penalties.values()) < max(plain.penalties.values())
    z = states(known.n_bits)
    energies = known.energy(z)
    best = min(program.objective(x) for x in points(program))
    assert energies.min() == pytest.approx(best)
    assert all(program.is_feasible(x) for x in known.lift(z[energies <= energies.min() + 1e-9]))


@bounded
@given(programs())
def test_tightened_weights_are_lower_and_exact(program: Program) -> None:
    lowering = Lowering(resolution=0.5)
    whole = to_qubo(program, lowering)
    assume(whole.n_bits <= MOST_BITS)
    grid = discretized(program, lowering)
    feasible = [x for x in map(grid.lift, points(grid.program)) if program.is_feasible(x)]
    assume(feasible)
    found = tightened(program, lowering)
    assert found.how.startswith("tightened, certified")
    assert found.qubo.exact
    for block, weight in found.qubo.penalties.items():
        assert weight <= whole.penalties[block] * (1 + 1e-12)
    z = states(found.qubo.n_bits)
    energies = found.qubo.energy(z)
    best = min(program.objective(x) for x in feasible)
    assert energies.min() == pytest.approx(best, abs=1e-6)
    assert all(
        program.is_feasible(x) for x in found.qubo.lift(z[energies <= energies.min() + 1e-9])
    )


def test_what_cannot_be_certified_stays() -> None:
    rng = np.random.default_rng(0)
    b = ProgramBuilder()
    x = b.binary("x", (40,))
    b.minimize(rng.normal(size=40), x)
    b.constrain("half", (1.0, x[np.newaxis]), equal=[20.0])
    found = tightened(b.program(), Lowering())
    assert found.how == "not tightened: too large to solve exactly"
    assert found.qubo.exact
    light = tightened(knapsack(), Lowering(penalty=0.5))
    assert light.how == "not tightened: no proof (rounded or soft rows, penalty below 1)"
    soft = tightened(knapsack(), Lowering(inequalities="unbalanced"))
    assert soft.how == "not tightened: no proof (rounded or soft rows, penalty below 1)"


def test_describe_tells_size_parts_and_gates() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (4,))
    y = b.binary("y", (2,))
    for k in range(4):
        b.minimize_product(1.0, x[k], x[(k + 1) % 4])
    b.minimize_product(1.0, y[0], y[1])
    record = to_qubo(b.program()).describe()
    assert record["bits_by_block"] == "x 4, y 2"
    assert (record["components"], record["largest_component"]) == (2, 4)
    assert record["treewidth"] == 2
    assert (record["qubits"], record["two_qubit_gates"]) == (6, 5)


def test_weights_beyond_double_precision_are_refused() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (5,))
    b.minimize([1.0, 2.0, 1.5, 1.0, 3.0], x)
    b.constrain("half", ([3.0, 4.0, 5.0, 6.0, 7.0], x[np.newaxis]), equal=[12.0])
    to_qubo(b.program())
    with pytest.raises(PrecisionError, match=r"half.*double precision.*coarser"):
        to_qubo(b.program(), Lowering(penalty=1e12))
    with pytest.raises(PrecisionError, match="overflow"):
        to_qubo(b.program(), Lowering(penalty=1e307))


def test_shared_squares_are_refused() -> None:
    b = ProgramBuilder()
    n = b.variable("n", (1,), upper=2.0, integrality=Integrality.INTEGER)
    p = b.variable("p", (1,), upper=2.0)
    b.minimize_ratio(1.0, p, n)
    with pytest.raises(UnsupportedError, match="x²/y"):
        to_qubo(b.program())
