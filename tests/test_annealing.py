"""Annealing kernels, native moves, temperatures and rounds."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import SeedSequence
from scipy import sparse

from gridopt.annealing import (
    Crew,
    Model,
    NativeMoves,
    Round,
    Schedule,
    SingleFlips,
    automatic_reads,
    automatic_sweeps,
    descend,
    fixed_rounds,
    model_of,
    timed_rounds,
)
from gridopt.arrays import BoolArray, FloatArray
from gridopt.errors import UnsupportedError
from gridopt.qubo import Qubo
from gridopt.samples import BitArray, Deadline
from gridopt.structure import ALWAYS_OFF, ALWAYS_ON, Cardinality, Sequence, Structure

PAIRS = (np.array([0, 3]), np.array([1, 4]))


def random_qubo(n: int, density: float, seed: int, whole: bool) -> Qubo:
    rng = np.random.default_rng(seed)
    values = rng.integers(-9, 10, (n, n)) if whole else rng.normal(size=(n, n))
    return Qubo.of(np.where(rng.random((n, n)) < density, values, 0.0), offset=3.0)


def reads_of(
    model: Model, reads: int = 8, sweeps: int = 300, seed: int = 0, threads: int = 1
) -> BitArray:
    """Return the best states of some reads."""
    crew = Crew(model, Schedule.of(model, None, None), seed, threads, True, Deadline())
    return np.concatenate(list(crew.run(fixed_rounds(reads, sweeps, 10, threads))))


def all_states(n: int) -> BoolArray:
    return ((np.arange(1 << n)[:, np.newaxis] >> np.arange(n)) & 1).astype(np.bool_)


@st.composite
def structures(draw: st.DrawFn) -> tuple[Structure, int]:
    """Draw a small structure, feasible or not, and the number of bits."""
    n = 0
    sequences, groups = [], []
    length = draw(st.integers(1, 6))
    for _ in range(draw(st.integers(0, 2))):
        kinds = draw(st.lists(st.sampled_from("bbbbbb+-"), min_size=length, max_size=length))
        bits = np.array([{"+": ALWAYS_ON, "-": ALWAYS_OFF}.get(kind, 0) for kind in kinds])
        count = int((bits == 0).sum())
        bits[bits == 0] = np.arange(n, n + count)
        n += count
        least = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        before = draw(st.sampled_from((-4, -2, -1, 1, 2, 4)))
        sequences.append(Sequence(bits, *least, before))
    for _ in range(draw(st.integers(0, 2))):
        size = draw(st.integers(1, 4))
        groups.append(Cardinality(np.arange(n, n + size), draw(st.integers(0, size))))
        n += size
    n += draw(st.integers(0 if n else 1, 2))
    mixed = np.random.default_rng(draw(st.integers(0, 99))).permutation(n)
    return Structure(
        tuple(replace(group, bits=mixed[group.bits]) for group in groups),
        tuple(
            replace(row, bits=np.where(row.bits >= 0, mixed[np.maximum(row.bits, 0)], row.bits))
            for row in sequences
        ),
    ), n


@settings(max_examples=80, deadline=None, derandomize=True)
@given(structures(), st.sampled_from((0.05, 0.7)), st.integers(0, 999))
def test_native_moves_keep_the_structure_and_reach_its_ground_state(
    drawn: tuple[Structure, int], density: float, seed: int
) -> None:
    structure, n = drawn
    qubo = replace(random_qubo(n, density, seed, whole=False), structure=structure)
    states = all_states(n)
    feasible = states[structure.holds(states)]
    if not len(feasible):
        with pytest.raises(UnsupportedError, match="no feasible state"):
            reads_of(NativeMoves(qubo))
        return
    found = reads_of(NativeMoves(qubo), seed=seed)
    assert structure.holds(found.astype(np.bool_)).all()
    assert qubo.energy(found).min() == pytest.approx(qubo.energy(feasible).min())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(structures(), st.sampled_from((0.05, 0.7)), st.integers(0, 999))
def test_bookkeeping_of_native_moves(
    drawn: tuple[Structure, int], density: float, seed: int
) -> None:
    structure, n = drawn
    qubo = replace(random_qubo(n, density, seed, whole=False), structure=structure)
    if structure.holds(all_states(n)).any():
        check_bookkeeping(qubo, seed)


@pytest.mark.parametrize("density", [0.01, 0.06, 0.5], ids=["short rows", "long rows", "dense"])
def test_bookkeeping_of_a_larger_structure(density: float) -> None:
    structure = Structure(
        (Cardinality(np.arange(50), 20), Cardinality(np.arange(50, 100), 1)),
        tuple(Sequence(np.arange(k, k + 24), 4, 3, -2) for k in range(100, 196, 24)),
    )
    qubo = replace(random_qubo(200, density, 1, whole=False), structure=structure)
    check_bookkeeping(qubo, seed=1)


def check_bookkeeping(qubo: Qubo, seed: int) -> None:
    """Check that fields, energies, sequences and members agree with the bits after many moves."""
    structure = qubo.structure
    model = NativeMoves(qubo)
    read = model.begin(SeedSequence(seed))
    model.advance(read, np.full(40, 2.0))
    check_walk(qubo, read.walk.sign, read.walk.field, read.walk.energies[0])
    z = np.asarray(read.walk.sign < 0)
    assert structure.holds(z)
    assert qubo.energy(read.walk.best) - qubo.offset == pytest.approx(read.walk.energies[1])
    for row, state in zip(structure.sequences, read.native.states, strict=True):
        np.testing.assert_array_equal(row.values(z), state)
    place = 0
    for group in structure.cardinalities:
        members = read.native.members[place : place + len(group.bits)]
        assert z[members].tolist() == sorted(z[members], reverse=True)
        assert set(members) == set(group.bits)
        place += len(members)


def check_walk(qubo: Qubo, sign: FloatArray, field: FloatArray, energy: float) -> None:
    """Check an energy and all changes of single flips against the QUBO."""
    z = (np.asarray(sign) < 0).astype(np.float64)
    assert qubo.energy(z) - qubo.offset == pytest.approx(energy)
    flipped = np.abs(z - np.eye(len(z)))
    np.testing.assert_allclose(sign * field, qubo.energy(flipped) - qubo.energy(z), atol=1e-9)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("density", "kernel"), [(0.06, "sparse"), (0.9, "dense")])
def test_single_flips(density: float, kernel: str, whole: bool) -> None:
    qubo = random_qubo(70, density, seed=3, whole=whole)
    model = SingleFlips(qubo)
    assert model.kernel == kernel
    read = model.begin(SeedSequence(5))
    assert read.walk.field.dtype == (np.float32 if whole else np.float64)
    model.advance(read, np.full(200, 3.0))
    assert read.next_sweep == 200
    check_walk(qubo, read.walk.sign, read.walk.field, read.walk.energies[0])
    assert qubo.energy(read.walk.best) - qubo.offset == pytest.approx(read.walk.energies[1])
    assert read.walk.energies[1] <= read.walk.energies[0]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 12), st.floats(0.05, 1.0), st.integers(0, 99), st.booleans())
def test_single_flips_reach_the_ground_state(
    n: int, density: float, seed: int, whole: bool
) -> None:
    qubo = random_qubo(n, density, seed, whole)
    found = reads_of(model_of(qubo), seed=seed)
    assert qubo.energy(found).min() == pytest.approx(qubo.spectrum().min())


def visits(qubo: Qubo, temperature: float, sweeps: int = 20_000) -> FloatArray:
    """Return how often each state is met at one temperature, as a share."""
    model = model_of(qubo)
    read = model.begin(SeedSequence(1))
    met = np.zeros(1 << qubo.n_bits)
    for _ in range(sweeps):
        read.next_sweep = 0
        model.advance(read, np.array([temperature]))
        met[int((read.walk.sign < 0) @ (1 << np.arange(qubo.n_bits)))] += 1
    return met / sweeps


@pytest.mark.parametrize(
    "groups",
    [(), (Cardinality(np.arange(4), 2),), tuple(Cardinality(pair, 1) for pair in PAIRS)],
    ids=["flips", "one group", "two groups"],
)
def test_states_follow_the_boltzmann_distribution(groups: tuple[Cardinality, ...]) -> None:
    """At one temperature each state is met in proportion to exp(−E/T)."""
    temperature, structure = 1.5, Structure(groups)
    qubo = replace(random_qubo(5, 1.0, seed=8, whole=False), structure=structure)
    weight = np.exp(-qubo.spectrum() / temperature) * structure.holds(all_states(5))
    np.testing.assert_allclose(visits(qubo, temperature), weight / weight.sum(), atol=0.02)


def test_every_feasible_state_of_sequences_is_met() -> None:
    rules = (Sequence(np.arange(4), 2, 1, -3), Sequence(np.arange(4, 8), 1, 3, 1))
    qubo = replace(Qubo.of(np.zeros((8, 8))), structure=Structure((), rules))
    met = visits(qubo, 1.0, sweeps=5000)
    np.testing.assert_array_equal(met > 0.0, qubo.structure.holds(all_states(8)))


def test_precision_does_not_drift() -> None:
    """A coefficient of 10⁹ beside ones of 10⁻³: fields are renewed on the way."""
    rng = np.random.default_rng(0)
    Q = np.triu(rng.normal(size=(40, 40))) * 1e-3
    Q[0, 1] = 1e9
    qubo = Qubo.of(Q)
    model = SingleFlips(qubo)
    read = model.begin(SeedSequence(0))
    for _ in range(30):
        read.next_sweep = 0
        model.advance(read, np.full(3000, 1e9))
    model.restart(read)
    descend(model, read, lambda: False)
    check_walk(qubo, read.walk.sign, read.walk.field, read.walk.energies[0])
    assert read.walk.energies[0] < 0.0


def test_threads_do_not_change_the_reads() -> None:
    rules = Structure((Cardinality(np.arange(60), 20),), (Sequence(np.arange(60, 180), 3, 2, 4),))
    for structure in (Structure(), rules):
        qubo = replace(random_qubo(200, 0.1, 1, whole=False), structure=structure)
        one, three = (reads_of(model_of(qubo), 13, 5, 7, threads) for threads in (1, 3))
        np.testing.assert_array_equal(one, three)
        np.testing.assert_array_equal(one[:5], reads_of(model_of(qubo), 5, 5, 7))
        assert len(np.unique(one, axis=0)) == 13
        assert (reads_of(model_of(qubo), 13, 5, 8) != one).any(axis=1).all()


def test_the_best_state_is_kept_not_the_last() -> None:
    rules = Structure((Cardinality(np.arange(60), 20),))
    for structure in (Structure(), rules):
        qubo = replace(random_qubo(60, 0.5, 2, whole=True), structure=structure)
        model = model_of(qubo)
        read = model.begin(SeedSequence(0))
        lowest = np.inf
        for sweep in range(300):
            model.advance(read, np.full(sweep + 1, 60.0))
            lowest = min(lowest, read.walk.energies[0])
        best = float(qubo.energy(read.walk.best)) - qubo.offset
        assert best == pytest.approx(read.walk.energies[1])
        assert best < lowest < read.walk.energies[0]


def test_temperatures_ignore_one_huge_coefficient() -> None:
    qubo = random_qubo(200, 0.1, 4, whole=False)
    usual = Schedule.of(model_of(qubo), None, None)
    Q = qubo.Q.tolil()
    Q[3, 3] = 1e9
    huge = Schedule.of(model_of(Qubo.of(Q.tocsr())), None, None)
    assert huge.initial == pytest.approx(usual.initial, rel=0.3)
    assert huge.final == pytest.approx(usual.final, rel=0.5)


def test_temperatures_scale_with_the_energy() -> None:
    qubo = random_qubo(50, 0.3, 4, whole=False)
    usual = Schedule.of(model_of(qubo), None, None)
    large = Schedule.of(model_of(Qubo.of(1024.0 * qubo.Q)), None, None)
    assert large.initial == pytest.approx(1024.0 * usual.initial)
    assert large.final == pytest.approx(1024.0 * usual.final)


@pytest.mark.parametrize("shape", ["geometric", "linear"])
def test_schedule(shape: str) -> None:
    qubo = random_qubo(20, 0.3, 4, whole=False)
    schedule = Schedule.of(model_of(qubo), 8.0, 2.0, shape)  # type: ignore[arg-type]
    found = schedule.temperatures(5)
    steps = np.diff(np.log(found) if shape == "geometric" else found)
    assert (found[0], found[-1]) == (pytest.approx(8.0), pytest.approx(2.0))
    np.testing.assert_allclose(steps, steps[0])
    flat = Schedule.of(model_of(Qubo.of(sparse.csr_array((3, 3)))), None, None)
    assert flat.temperatures(2).tolist() == [1.0, flat.final]


def test_automatic_choice_depends_on_the_size_only() -> None:
    assert (automatic_sweeps(10), automatic_reads(10, 500)) == (500, 100)
    assert (automatic_sweeps(1000), automatic_reads(1000, 20_000)) == (20_000, 10)
    assert (automatic_sweeps(5000), automatic_reads(5000, 10_000)) == (10_000, 8)
    assert automatic_sweeps(10**6) == 100
    assert (automatic_sweeps(240, 60), automatic_reads(240, 3472, 60)) == (3472, 8)


def test_fixed_rounds() -> None:
    assert [round_.reads for round_ in fixed_rounds(20, 100, 10, 2)] == [1, 2, 4, 8, 5]
    assert [round_.reads for round_ in fixed_rounds(5, 10**6, 100, 2)] == [1, 2, 2]


def test_timed_rounds_fill_the_time() -> None:
    deadline = Deadline.after(0.5)
    rounds = []
    for round_ in timed_rounds(None, 50, 1, deadline):
        rounds.append(round_.sweeps)
        time.sleep(round_.sweeps * 1e-4)
    assert deadline.left_s > -0.02
    assert rounds[0] == 50
    assert max(rounds) == 800
    assert rounds[-1] < 800


def test_timed_rounds_with_given_sweeps() -> None:
    deadline = Deadline.after(0.3)
    rounds = []
    for round_ in timed_rounds(10, 50, 2, deadline):
        rounds.append(round_)
        time.sleep(1e-3 * round_.reads)
    assert {round_.sweeps for round_ in rounds} == {10}
    assert all(round_.reads % 2 == 0 for round_ in rounds)
    assert all(later.reads <= 2 * round_.reads for round_, later in pairwise(rounds))
    assert max(round_.reads for round_ in rounds) > 8


def test_a_deadline_cuts_reads_short() -> None:
    qubo = random_qubo(3000, 0.01, 3, whole=True)
    model = SingleFlips(qubo)
    schedule = Schedule.of(model, None, None)
    deadline = Deadline.after(0.2)
    crew = Crew(model, schedule, 0, 2, polish=True, deadline=deadline)
    states = list(crew.run(iter([Round(10, 10**6), Round(5, 10**6)])))
    assert -0.1 < deadline.left_s <= 0.0
    assert [len(found) for found in states] == [2]
    random = np.random.default_rng(0).integers(0, 2, (100, 3000))
    assert qubo.energy(states[0]).max() < 2.0 * qubo.energy(random).min() < 0.0


def test_no_time_gives_one_descent() -> None:
    qubo = random_qubo(50, 0.2, 3, whole=True)
    model = SingleFlips(qubo)
    crew = Crew(model, Schedule(1.0, 1.0), 0, 2, polish=True, deadline=Deadline.after(-1.0))
    (found,) = crew.run(iter([Round(10, 100)]))
    assert len(found) == 1
    flips = np.abs(found[0] - np.eye(50))
    assert (qubo.energy(flips) >= qubo.energy(found[0])).all()


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Structure((Cardinality(np.array([0, 9]), 1),)), "cardinality 0 has a bit outside 0 to 4"),
        (Structure((Cardinality(np.array([0, 1]), 3),)), "2 bits and a count of 3"),
        (Structure((Cardinality(np.array([0, 1]), 1),) * 2), "bit 0 is in 2 rules"),
        (Structure((), (Sequence(np.array([0, -3]), 1, 1, 1),)), "sequence 0 has a bit outside"),
        (Structure((), (Sequence(np.array([0, 1]), 0, 1, 1),)), "least length below 1"),
        (Structure((), (Sequence(np.array([0, 1]), 1, 1, 0),)), "before of 0"),
        (
            Structure((), (Sequence(np.array([ALWAYS_OFF, 1]), 3, 1, 1),)),
            "sequence 0 of the structure has no feasible state.*min_on 3",
        ),
    ],
)
def test_impossible_structures(structure: Structure, message: str) -> None:
    qubo = replace(random_qubo(5, 1.0, 0, whole=True), structure=structure)
    with pytest.raises(UnsupportedError, match=message):
        reads_of(model_of(qubo))


def test_empty_sequences_and_groups() -> None:
    structure = Structure(
        (Cardinality(np.zeros(0, dtype=np.int64), 0),),
        (Sequence(np.zeros(0, dtype=np.int64), 2, 2, 1), Sequence(np.arange(3), 2, 2, -1)),
    )
    qubo = replace(random_qubo(5, 1.0, 0, whole=True), structure=structure)
    states = all_states(5)
    ground = qubo.energy(states[structure.holds(states)]).min()
    assert qubo.energy(reads_of(model_of(qubo))).min() == pytest.approx(ground)
