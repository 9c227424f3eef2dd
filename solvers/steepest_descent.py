"""Steepest descent from random states, by dwave-samplers: a control."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import dimod
import numpy as np
from dwave.samplers import SteepestDescentSampler

from gridopt.compiling import threads_within
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.effort import sweep_work
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import (
    QuboSolver,
    check_fits,
    check_qubo_options,
    check_whole,
    check_whole_or_none,
)
from gridopt.sampling.reads import Stop, in_threads, job_size, seed_of
from gridopt.sampling.samples import BitArray, Deadline, Samples

MOST_BITS = 20_000


@final
@dataclass(frozen=True)
class SteepestDescent(QuboSolver):
    """From a random state, the flip that lowers the energy most, until none does.

    Parameters
    ----------
    reads : int
        Number of random states.
    threads : int or None
        None for as many as there are processors; without effect on the reads.
    seed : int
        The same seed gives the same reads; a time limit may cut them short.
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int = 1000
    threads: int | None = None
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "control"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits; the nearest local minima"
    package: ClassVar[str] = "dwave-samplers"

    def __post_init__(self) -> None:
        name = "steepest_descent"
        check_whole(name, "reads", self.reads, 1, 10**7)
        check_whole_or_none(name, "threads", self.threads, 1, 1024)
        check_qubo_options(name, self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` above `MOST_BITS` bits, `UnsupportedError` where not finite."""
        check_fits("steepest_descent", qubo, MOST_BITS)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the reads in batches, from as many threads as were asked for."""
        model = to_bqm(qubo)

        def job(first: int, n: int) -> BitArray:
            rng = np.random.default_rng(seed_of(self.seed, first))
            return descended(model, rng.integers(0, 2, (n, qubo.n_bits), dtype=np.int8))

        # some n/2 flips, each found among all bits
        size = job_size(qubo.n_bits * sweep_work(qubo) / 10.0)
        stop = Stop(deadline)
        for bits in in_threads(job, self.reads, size, threads_within(self.threads), stop):
            yield Samples.of(qubo, bits)


def descended(model: Any, states: Any) -> BitArray:
    """Return the local minima below states, (R, n), of a `dimod.BinaryQuadraticModel`, as bits."""
    descent: Any = SteepestDescentSampler
    found = descent().sample(model, initial_states=states)
    return np.asarray(dimod.as_samples(found)[0] > 0, dtype=np.uint8)
