"""Simulated annealing of the QUBO by dwave-neal, each read polished by steepest descent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import dimod
import neal
import numpy as np

from gridopt.compiling import threads_within
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.effort import reads_within, scaled, sweep_work, sweeps_for
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import (
    QuboSolver,
    check_fits,
    check_qubo_options,
    check_whole_or_none,
)
from gridopt.sampling.reads import JOB_WORK, Stop, in_threads, job_size, seed_of
from gridopt.sampling.samples import BitArray, Deadline, Samples
from gridopt.solver import check_option
from gridopt.solvers.steepest_descent import descended

MOST_BITS = 20_000

CALL_WORK = 20.0
"""Work of a piece of a schedule per coupling: several times what it takes to hand these over."""

LARGEST_EXCITATION = 0.01
"""Expected number of thermal flips in the last sweep."""


@final
@dataclass(frozen=True)
class Neal(QuboSolver):
    """Simulated annealing (Kirkpatrick et al. 1983, doi 10.1126/science.220.4598.671).

    Parameters
    ----------
    reads : int or None
        Number of independent annealing runs; None for the rule of `gridopt.sampling.effort`, or
        with a time limit as many as it leaves time for.
    sweeps : int or None
        Sweeps of each run, over a geometric range of temperatures; None for that rule.
    polish : bool
        Let steepest descent end each read: annealing gives its last state, not its best.
    threads : int or None
        None for as many as there are processors; without effect on the reads.
    seed : int
        The same seed gives the same reads; a time limit may cut them short.
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int | None = None
    sweeps: int | None = None
    polish: bool = True
    threads: int | None = None
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "annealing"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits; good on some hundreds"
    package: ClassVar[str] = "dwave-neal"

    def __post_init__(self) -> None:
        check_whole_or_none("neal", "reads", self.reads, 1, 10**7)
        check_whole_or_none("neal", "sweeps", self.sweeps, 1, 10**9)
        check_whole_or_none("neal", "threads", self.threads, 1, 1024)
        check_option("neal", "polish", self.polish, isinstance(self.polish, bool), "true or false")
        check_qubo_options("neal", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` above `MOST_BITS` bits, `UnsupportedError` where not finite."""
        check_fits("neal", qubo, MOST_BITS)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the reads in batches, from as many threads as were asked for."""
        sweeps = self.sweeps or sweeps_for(qubo)
        reads = reads_within(self.reads, qubo, sweeps, deadline)
        work = sweep_work(qubo)
        stop = Stop(deadline)
        piece = (JOB_WORK + CALL_WORK * len(qubo.couplings()[2])) / work
        annealing = _Annealing(qubo, sweeps, max(int(piece), 1), self, stop)
        record = {"sweeps": sweeps, "polish": "steepest descent" if self.polish else "none"}
        size, threads = job_size(sweeps * work), threads_within(self.threads)
        for bits in in_threads(annealing, reads, size, threads, stop):
            yield Samples.of(qubo, bits, record)


class _Annealing:
    """Anneals reads; a long schedule in pieces, between which it looks at the clock."""

    def __init__(self, qubo: Qubo, sweeps: int, piece: int, options: Neal, stop: Stop) -> None:
        self._model = to_bqm(scaled(qubo)).change_vartype(dimod.SPIN)
        schedule = np.geomspace(*_beta_range(self._model), num=sweeps)
        self._pieces = [schedule[k : k + piece] for k in range(0, sweeps, piece)]
        self._options = options
        self._stop = stop

    def __call__(self, first: int, n: int) -> BitArray:
        seed = self._options.seed
        rng = np.random.default_rng(seed_of(seed, first))
        spins = 2 * rng.integers(0, 2, (n, len(self._model.linear)), dtype=np.int8) - 1
        last_s = 0.0
        for k, betas in enumerate(self._pieces):
            if k and self._stop(last_s):
                break
            begun = time.monotonic()
            found = neal.SimulatedAnnealingSampler().sample(
                self._model,
                initial_states=spins,
                beta_schedule=betas,
                beta_schedule_type="custom",
                seed=seed_of(seed, first, k),
                # asked between two reads, in this thread, which Ctrl-C never reaches
                interrupt_function=self._stop,
            )
            spins = dimod.as_samples(found)[0]
            last_s = time.monotonic() - begun
        if self._options.polish:
            return descended(self._model, spins)
        return np.asarray(spins > 0, dtype=np.uint8)


def _beta_range(model: Any) -> tuple[float, float]:
    """Return first and last inverse temperature for spins, the rule of dwave-samplers.

    At first each spin flips with probability ½ at least, whatever its neighbors do; at last there
    is `LARGEST_EXCITATION` of a thermal flip in a sweep, if each spin is held by no more than its
    smallest coefficient. (dwave-samplers computes it in Python, at each call anew.)
    """
    h, (row, column, value), _ = model.to_numpy_vectors()
    largest, least = np.abs(h), np.where(h, np.abs(h), np.inf)
    for end in (row, column):
        np.add.at(largest, end, np.abs(value))
        np.minimum.at(least, end, np.where(value, np.abs(value), np.inf))
    field = float(largest.max())
    if not field:
        return 0.1, 1.0
    gap = float(least.min())
    weakest = int((least == gap).sum())
    return np.log(2.0) / (2.0 * field), np.log(weakest / LARGEST_EXCITATION) / (2.0 * gap)
