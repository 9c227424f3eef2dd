"""Tabu search with restarts, by dwave-samplers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import dimod
import numpy as np
from dwave.samplers import TabuSampler

from gridopt.compiling import threads_within
from gridopt.errors import TooLargeError
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import (
    QuboSolver,
    check_fits,
    check_qubo_options,
    check_whole,
    check_whole_or_none,
)
from gridopt.sampling.reads import Stop, in_threads, seed_of
from gridopt.sampling.samples import BitArray, Deadline, Samples
from gridopt.solver import check_option
from gridopt.solvers.steepest_descent import descended

MOST_BITS = 5_000
"""The matrix is dense, and there are several copies of it."""

BYTES_PER_COUPLING = 48.0
MOST_BYTES = 1e9
"""Of all threads together, if they are more than one."""

SETUP_S_PER_COUPLING = 7e-8
"""Seconds before the search looks at the clock, for each entry of the matrix."""

MOVES_PER_BIT = 20
TOTAL_WORK = 2e9
"""Bits looked at by all reads together, a few seconds' work."""

FEWEST_READS, MOST_READS = 4, 100


@final
@dataclass(frozen=True)
class Tabu(QuboSolver):
    """Multistart tabu search (Palubeckis 2004, doi 10.1023/B:ANOR.0000039522.58036.68).

    Its effort is counted in moves, never in seconds, so that reads can be repeated; a time limit
    only ends the last ones early.

    Parameters
    ----------
    reads : int or None
        Number of searches, each from a local minimum below a random state; None for 4 to 100,
        fewer the more bits, or with a time limit as many as it leaves time for.
    moves : int or None
        Flips of the first search of a read; restarts get a quarter of them. Those that descend to
        a new best state are not counted. None for 20 per bit, 1000 at least.
    restarts : int
        Restarts of each read from a state that differs from its best one in the bits that seem most
        doubtful.
    tenure : int or None
        Moves during which a bit that was flipped is not flipped back; None for a quarter of the
        bits, 20 at most.
    threads : int or None
        None for as many as there are processors and memory for; without effect on the reads.
    seed : int
        The same seed gives the same reads; a time limit may cut them short.
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int | None = None
    moves: int | None = None
    restarts: int = 10
    tenure: int | None = None
    threads: int | None = None
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "tabu search"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits"
    package: ClassVar[str] = "dwave-samplers"

    def __post_init__(self) -> None:
        check_whole_or_none("tabu", "reads", self.reads, 1, 10**7)
        check_whole_or_none("tabu", "moves", self.moves, 4, 10**8)
        check_whole("tabu", "restarts", self.restarts, 0, 10**6)
        check_whole_or_none("tabu", "tenure", self.tenure, 1, MOST_BITS)
        check_whole_or_none("tabu", "threads", self.threads, 1, 1024)
        check_qubo_options("tabu", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` above `MOST_BITS` bits, `UnsupportedError` where not finite."""
        check_fits("tabu", qubo, MOST_BITS)
        setup_s = SETUP_S_PER_COUPLING * qubo.n_bits**2
        if self.time_limit_s is not None and setup_s > self.time_limit_s / 4:
            raise TooLargeError(
                f"tabu takes about {setup_s:.1f} s on {qubo.n_bits} bits before it looks at the "
                f"clock: set time_limit_s to {4 * setup_s:.0f} or more, or take the solver neal"
            )
        if self.tenure is not None:
            right = self.tenure < qubo.n_bits
            check_option("tabu", "tenure", self.tenure, right, f"less than {qubo.n_bits} bits")

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield read after read, from as many threads as were asked for."""
        model = to_bqm(qubo)
        search: Any = TabuSampler
        moves = self.moves or max(1000, MOVES_PER_BIT * qubo.n_bits)
        setup_s = SETUP_S_PER_COUPLING * qubo.n_bits**2

        def job(first: int, n: int) -> BitArray:
            seed = seed_of(self.seed, first)
            random = np.random.default_rng(seed).integers(0, 2, (n, qubo.n_bits), dtype=np.int8)
            left_s = deadline.left_s - setup_s
            found = search().sample(
                model,
                # its own first descent takes seconds on thousands of bits and sees no clock
                initial_states=descended(model, random).astype(np.int8),
                seed=seed,
                tenure=self.tenure,
                timeout=max(int(1000.0 * left_s), 1) if np.isfinite(left_s) else None,
                num_restarts=self.restarts,
                coefficient_z_first=moves,
                lower_bound_z=1,
            )
            return np.asarray(dimod.as_samples(found)[0], dtype=np.uint8)

        reads = self.reads
        if reads is None and not np.isfinite(deadline.at_s):
            work = qubo.n_bits * moves * (1.0 + self.restarts / 4.0)
            reads = int(np.clip(TOTAL_WORK / work, FEWEST_READS, MOST_READS))
        fitting = int(MOST_BYTES / (BYTES_PER_COUPLING * qubo.n_bits**2))
        threads = max(min(threads_within(self.threads), fitting), 1)
        record = {"moves": moves, "restarts": self.restarts}
        for bits in in_threads(job, reads, 1, threads, Stop(deadline)):
            yield Samples.of(qubo, bits, record)
