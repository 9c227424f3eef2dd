"""Simulated annealing of a `Qubo`: which moves, which temperatures, how many reads, who runs them.

Kirkpatrick, Gelatt & Vecchi 1983, doi 10.1126/science.220.4598.671. The inner loops are in
`kernels` (single flips) and `native_moves` (moves that keep a structure). They are called
for a few hundredths of a second at a time, so that the clock and Ctrl-C are heard. What a read does
depends on its seed and its schedule only, never on the clock or on other threads.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np
from numpy.random import SeedSequence
from scipy import sparse

from gridopt.annealing.kernels import RandomState, RealArray, Rows, Walk, sweep, thresholds
from gridopt.annealing.native_moves import Layout, Moves, begin_free, sweep_native
from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.samples import BitArray, Deadline

Shape = Literal["geometric", "linear"]

CHUNK = 2_000_000
"""Work of one call of a kernel, a few hundredths of a second at most."""

DENSE_FROM = 0.15
"""Density from which a flip costs less with a dense matrix."""

DENSE_BYTES = 1 << 30
"""Largest dense matrix."""

LONGEST_SHARE = 0.25
"""Part of the time that a read takes at most, where the sweeps are chosen by the clock."""

MOST_SWEEPS = 1_000_000
"""Of one read, where the sweeps are chosen by the clock."""

_PROBES = 4
_PROBED_BITS = 20_000
_RECORDED = 4096
_SINGLE_STEP = 1.0 / 16.0
_SINGLE_RANGE = 2.0**20


@dataclass(eq=False)
class Read:
    """One annealing run on its way.

    Parameters
    ----------
    walk : Walk
    moves : Moves or None
        Where the moves are native ones.
    next_sweep : int
    refreshed : int
        Work done when the fields were last computed anew.
    """

    walk: Walk
    moves: Moves | None = None
    next_sweep: int = 0
    refreshed: int = 0

    @property
    def native(self) -> Moves:
        """The moves of a read that has native ones."""
        if self.moves is None:
            raise ValueError("this read flips single bits; expected one of a structure")
        return self.moves


class Model(ABC):
    """A QUBO in the form that a kernel takes."""

    kernel: str
    """``"sparse"``, ``"dense"`` or ``"native"``."""
    moves_per_sweep: int
    flips_per_move: int
    """How many single flips take the time of one move."""

    @property
    def work_per_sweep(self) -> int:
        """Time of a sweep, in single flips."""
        return self.moves_per_sweep * self.flips_per_move

    @abstractmethod
    def begin(self, seed: SeedSequence, recorded: int = 0) -> Read:
        """Return a read in a random state, which keeps its first `recorded` energy changes."""

    @abstractmethod
    def advance(self, read: Read, temperatures: RealArray) -> None:
        """Go on with a read for some hundredths of a second."""

    @abstractmethod
    def restart(self, read: Read) -> None:
        """Put a read back into its best state, all figures computed anew."""

    @abstractmethod
    def changes(self) -> tuple[FloatArray, FloatArray]:
        """Return sizes of energy changes of moves: at random states, and uphill at minima."""


def model_of(qubo: Qubo) -> Model:
    """Return `qubo` for the kernel that suits it."""
    if len(qubo.structure):
        return NativeMoves(qubo)
    return SingleFlips(qubo)


@final
class SingleFlips(Model):
    """Flips, with a dense or a sparse matrix, in single precision where that is exact.

    It is where all coefficients are multiples of 1/16 and the sizes of those of one bit add up to
    less than 2²⁰: then so are the fields.
    """

    def __init__(self, qubo: Qubo) -> None:
        self.moves_per_sweep = qubo.n_bits
        self.flips_per_move = 1
        couplings = _symmetric(qubo)
        self._exact = _fits_single(qubo.linear, couplings)
        self._dtype = np.dtype(np.float32 if self._exact else np.float64)
        self._linear = qubo.linear.astype(self._dtype)
        self._entries = max(couplings.nnz, 1)
        dense = _suits_dense(couplings, self._dtype.itemsize)
        self.kernel = "dense" if dense else "sparse"
        self._matrix = couplings.astype(self._dtype)
        self._couplings = self._matrix.toarray() if dense else _rows(self._matrix)
        self._exponentials = thresholds(self._dtype)

    def begin(self, seed: SeedSequence, recorded: int = 0) -> Read:  # noqa: ARG002
        """Return a read whose bits are fair coins."""
        rng = _generator(seed)
        bits = np.zeros(self.moves_per_sweep, dtype=np.uint8)
        begin_free(np.arange(len(bits)), bits, rng)
        read = Read(_walk(self._linear, bits, rng))
        self._refresh(read, bits)
        read.walk.energies[1] = read.walk.energies[0]
        return read

    def advance(self, read: Read, temperatures: RealArray) -> None:
        """Sweep over the bits."""
        walk = read.walk
        if not self._exact and walk.counts[2] - read.refreshed > 50 * self._entries:
            self._refresh(read, (walk.sign < 0).astype(np.uint8))
        heat = np.asarray(temperatures, dtype=self._dtype)
        read.next_sweep = sweep(
            self._couplings, walk, heat, self._exponentials, read.next_sweep, CHUNK
        )

    def restart(self, read: Read) -> None:
        """Put a read back into its best state."""
        self._refresh(read, read.walk.best)
        read.walk.energies[1] = read.walk.energies[0]

    def changes(self) -> tuple[FloatArray, FloatArray]:
        """Return the changes of all flips at a few random states and at the minima below them."""
        random, minimal = [], []
        for seed in _probes(self.moves_per_sweep):
            read = self.begin(SeedSequence(seed))
            random.append(np.abs(read.walk.sign * read.walk.field))
            descend(self, read, lambda: False)
            minimal.append(read.walk.sign * read.walk.field)
        return np.concatenate(random), np.concatenate(minimal)

    def _refresh(self, read: Read, bits: BitArray) -> None:
        _set_state(read, self._linear, self._matrix, bits)


@final
class NativeMoves(Model):
    """Moves that keep the structure of a QUBO."""

    kernel = "native"
    flips_per_move = 200

    def __init__(self, qubo: Qubo) -> None:
        self._layout = Layout.of(qubo.structure, qubo.n_bits)
        self._n_bits = qubo.n_bits
        self.moves_per_sweep = max(self._layout.moves_per_sweep, 1)
        self._linear = qubo.linear
        self._matrix = _symmetric(qubo)
        dense = _suits_dense(self._matrix, 8)
        self._couplings = self._matrix.toarray() if dense else _rows(self._matrix)
        self._entries = max(self._matrix.nnz, 1)

    def begin(self, seed: SeedSequence, recorded: int = 0) -> Read:
        """Return a read in a random feasible state."""
        rng = _generator(seed)
        bits, states, members = self._layout.start(self._n_bits, rng)
        moves = Moves(
            states=states,
            members=members,
            moved=np.zeros(max(4, 2 * states.shape[1]), dtype=np.int64),
            mark=np.zeros(self._n_bits),
            recorded=np.zeros(recorded),
            n_recorded=np.zeros(1, dtype=np.int64),
            total=np.zeros(len(self._layout.lowest)),
            missed=np.zeros(2),
            is_best=np.ones(1, dtype=np.bool_),
        )
        self._layout.adopt(bits, moves)
        read = Read(_walk(self._linear, bits, rng), moves)
        _set_state(read, self._linear, self._matrix, bits)
        read.walk.energies[1] = read.walk.energies[0]
        return read

    def advance(self, read: Read, temperatures: RealArray) -> None:
        """Propose moves of all kinds."""
        walk = read.walk
        if walk.counts[2] - read.refreshed > 50 * self._entries:
            _set_state(read, self._linear, self._matrix, (walk.sign < 0).astype(np.uint8))
        read.next_sweep = sweep_native(
            self._couplings, walk, read.native, self._layout, temperatures, read.next_sweep, CHUNK
        )

    def restart(self, read: Read) -> None:
        """Put a read back into its best state, sequences and cardinalities too."""
        _set_state(read, self._linear, self._matrix, read.walk.best)
        read.walk.energies[1] = read.walk.energies[0]
        self._layout.adopt(read.walk.best, read.native)

    def changes(self) -> tuple[FloatArray, FloatArray]:
        """Return the changes of moves at random feasible states, and at the minima below them."""
        random, minimal = [], []
        for seed in _probes(self.moves_per_sweep):
            read = self.begin(SeedSequence(seed), _RECORDED)
            random.append(np.abs(self._recorded(read, np.full(8, np.inf))))
            descend(self, read, lambda: False)
            minimal.append(self._recorded(read, np.zeros(8)))
        return np.concatenate(random), np.concatenate(minimal)

    def _recorded(self, read: Read, temperatures: FloatArray) -> FloatArray:
        moves = read.native
        moves.n_recorded[0] = 0
        read.next_sweep = 0
        self.advance(read, temperatures)
        return moves.recorded[: moves.n_recorded[0]].copy()


def _probes(n: int) -> range:
    """Return the seeds of the random states that temperatures are chosen by; one if it is large."""
    return range(min(max(_PROBED_BITS // n, 1), _PROBES))


def _symmetric(qubo: Qubo) -> sparse.csr_array:
    """Return S = Q + Q' without its diagonal."""
    above = sparse.triu(qubo.Q, 1)
    whole = sparse.csr_array(above + above.T)
    whole.sort_indices()
    return whole


def _rows(matrix: sparse.csr_array) -> Rows:
    return Rows(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.copy())


def _suits_dense(couplings: sparse.csr_array, entry_bytes: int) -> bool:
    n = couplings.shape[0]
    return bool(couplings.nnz >= DENSE_FROM * n * n and n * n * entry_bytes <= DENSE_BYTES)


def _fits_single(linear: FloatArray, couplings: sparse.csr_array) -> bool:
    values = np.concatenate((linear, couplings.data)) / _SINGLE_STEP
    largest = np.abs(linear) + np.asarray(abs(couplings).sum(axis=1)).ravel()
    return bool((values == np.rint(values)).all() and largest.max(initial=0.0) < _SINGLE_RANGE)


def _generator(seed: SeedSequence) -> RandomState:
    return np.asarray(seed.generate_state(1, np.uint64), dtype=np.uint64)


def _walk(linear: RealArray, bits: BitArray, rng: RandomState) -> Walk:
    n = len(bits)
    return Walk(
        field=np.zeros(n, dtype=linear.dtype),
        sign=np.zeros(n, dtype=linear.dtype),
        best=bits.copy(),
        energies=np.zeros(2),
        rng=rng,
        counts=np.zeros(3, dtype=np.int64),
        flipped=np.zeros(n, dtype=np.int64),
    )


def _set_state(read: Read, linear: RealArray, matrix: sparse.csr_array, bits: BitArray) -> None:
    """Write signs, fields and energy of `bits` to a read."""
    walk = read.walk
    z = bits.astype(linear.dtype)
    walk.sign[:] = 1.0 - 2.0 * z
    walk.field[:] = linear + matrix @ z
    walk.energies[0] = 0.5 * float(z.astype(np.float64) @ (linear + walk.field))
    read.refreshed = int(walk.counts[2])


def descend(model: Model, read: Read, over: Callable[[], bool]) -> None:
    """Sweep at zero temperature until nothing moves, for 200 sweeps, or, once `over`, for 10."""
    cold = np.zeros(10)
    for _ in range(20):
        accepted = read.walk.counts[1]
        read.next_sweep = 0
        model.advance(read, cold)
        if read.walk.counts[1] == accepted or over():
            break


@dataclass(frozen=True)
class Schedule:
    """How the temperature falls, in units of the energy.

    Parameters
    ----------
    initial, final : float
    shape : {"geometric", "linear"}
    """

    initial: float
    final: float
    shape: Shape = "geometric"

    @staticmethod
    def of(
        model: Model, initial: float | None, final: float | None, shape: Shape = "geometric"
    ) -> Schedule:
        """Return a schedule whose missing temperatures follow the energy changes of moves.

        The initial one is a quarter of the ninth decile of their sizes at random states. The final
        one lets pass one in 10 000 of the moves that are uphill by the first decile of what is
        uphill at local minima. No single coefficient decides, however large.
        """
        random, minimal = (sizes[sizes > 0.0] for sizes in model.changes())
        if initial is None:
            initial = 0.25 * float(np.quantile(random, 0.9)) if len(random) else 1.0
        if final is None:
            lowest = float(np.quantile(minimal, 0.1)) if len(minimal) else initial
            final = min(lowest / math.log(10_000.0), initial)
        return Schedule(initial, final, shape)

    def temperatures(self, sweeps: int) -> FloatArray:
        """Return the temperature of each sweep."""
        if self.shape == "linear":
            return np.linspace(self.initial, self.final, sweeps)
        return np.geomspace(self.initial, self.final, sweeps)


def automatic_sweeps(moves: int, work: int) -> int:
    """Return 20 for each move of a sweep, at least 500, but work of 5·10⁷ at most in one read.

    Parameters
    ----------
    moves, work : int
        Of one sweep; work is in single flips.
    """
    return max(min(max(20 * moves, 500), 50_000_000 // work), 100)


def automatic_reads(work: int, sweeps: int) -> int:
    """Return reads for work of 2·10⁸ in all, 8 at least and 100 at most."""
    return min(max(200_000_000 // (work * sweeps), 8), 100)


@dataclass(frozen=True)
class Round:
    """Reads that are run together.

    Parameters
    ----------
    reads, sweeps : int
    """

    reads: int
    sweeps: int


def fixed_rounds(reads: int, sweeps: int, work_per_sweep: int, threads: int) -> Iterator[Round]:
    """Yield rounds of 1, 2, 4, … reads, up to work of some 10⁸ a round and thread."""
    most = max(100_000_000 // (work_per_sweep * sweeps), 1) * threads
    size, left = 1, reads
    while left:
        now = min(size, most, left)
        left -= now
        size *= 2
        yield Round(now, sweeps)


def timed_rounds(
    sweeps: int | None, least: int, threads: int, deadline: Deadline
) -> Iterator[Round]:
    """Yield one round, and others until time is up, each begun when the last one is done.

    With given `sweeps` there are more and more reads in a round, up to a tenth of the time.
    Without, a round has one read for each thread, of `least` sweeps at first and then of the
    largest `least` · 2ᵏ that by the time of the last round takes a quarter of the time, or what is
    left of it.
    """
    whole_s = deadline.left_s
    now = Round(threads, sweeps or least)
    while True:
        begun = time.monotonic()
        yield now
        if deadline.passed:
            return
        each_s = max(time.monotonic() - begun, 1e-6) / (now.reads * now.sweeps)
        if sweeps is None:
            room_s = min(LONGEST_SHARE * whole_s, deadline.left_s) / threads
            doublings = int(math.log2(max(room_s / (each_s * least), 1.0)))
            now = Round(threads, min(least << doublings, MOST_SWEEPS))
        else:
            room_s = min(whole_s / 10.0, deadline.left_s)
            more = int(room_s / (each_s * sweeps)) // threads * threads
            now = Round(max(threads, min(more, 2 * now.reads)), sweeps)


@dataclass(eq=False)
class Crew:
    """Threads that run reads until they are done, time is up or Ctrl-C.

    Parameters
    ----------
    model : Model
    schedule : Schedule
    seed : int
        Read k has the k-th seed spawned from it, whoever runs it.
    threads : int
    polish : bool
        Descend from the best state of each read.
    deadline : Deadline
    interrupted : bool
        By Ctrl-C.
    begun, sweeps : int
        Reads begun; the longest schedule so far.
    counts : array of int, (3,)
        Of all reads, as in `Walk`.
    """

    model: Model
    schedule: Schedule
    seed: int
    threads: int
    polish: bool
    deadline: Deadline
    interrupted: bool = field(default=False, init=False)
    begun: int = field(default=0, init=False)
    sweeps: int = field(default=0, init=False)
    counts: IntArray = field(default_factory=lambda: np.zeros(3, dtype=np.int64), init=False)

    def run(self, rounds: Iterator[Round]) -> Iterator[BitArray]:
        """Yield the best states of the reads of each round, (reads, n), by their seeds.

        Reads that are cut short give their best so far; those not begun by then are left out,
        except the first of all. `KeyboardInterrupt` is raised after the states are yielded.
        """
        with ThreadPoolExecutor(self.threads) as pool:
            for round_ in rounds:
                self.sweeps = max(self.sweeps, round_.sweeps)
                temperatures = self.schedule.temperatures(round_.sweeps)
                futures: list[Future[Read | None]] = []
                try:
                    for k in range(self.begun, self.begun + round_.reads):
                        futures.append(pool.submit(self._read, k, temperatures))  # noqa: PERF401
                    wait(futures)
                except KeyboardInterrupt:
                    self.interrupted = True
                    wait(futures)
                found = [read for future in futures if (read := future.result()) is not None]
                self.begun += len(found)
                if found:
                    self.counts += sum(read.walk.counts for read in found)
                    yield np.array([read.walk.best for read in found])
                if self.interrupted:
                    raise KeyboardInterrupt

    def _read(self, place: int, temperatures: FloatArray) -> Read | None:
        if place and self._over():
            return None
        read = self.model.begin(SeedSequence(self.seed, spawn_key=(place,)))
        while read.next_sweep < len(temperatures) and not self._over():
            self.model.advance(read, temperatures)
        if self.polish:
            self.model.restart(read)
            descend(self.model, read, self._over)
        return read

    def _over(self) -> bool:
        return self.interrupted or self.deadline.passed
