"""Simulated annealing by compiled kernels of our own, with moves that keep a structure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from gridopt.annealing.annealer import (
    Crew,
    Model,
    Round,
    Schedule,
    Shape,
    automatic_reads,
    automatic_sweeps,
    fixed_rounds,
    model_of,
    timed_rounds,
)
from gridopt.compiling import threads_within
from gridopt.errors import TooLargeError
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.structure import Native
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solver import check_option, is_number

MOST_BYTES = 4 << 30
"""Memory that the kernels may take."""

BYTES_PER_BIT = 64
BYTES_PER_COUPLING = 48


@final
@dataclass(frozen=True)
class Anneal(QuboSolver):
    """Simulated annealing (Kirkpatrick et al. 1983, doi 10.1126/science.220.4598.671).

    Every read gives the best state that it has seen. A QUBO with a structure is annealed by moves
    that keep it (`gridopt.annealing.native_moves`), so that no penalty stands for it; any other by
    flips. The same seed gives the same reads, whatever the number of threads. The first call on a
    machine compiles the kernels, which takes some seconds that no time limit sees.

    Parameters
    ----------
    reads : int or None
        Number of independent runs. None for 2·10⁸ flips in all, 8 reads at least and 100 at most;
        with a time limit, for reads until time is up. A move that keeps a structure counts as 200
        flips.
    sweeps : int or None
        Of each run; one sweep proposes a move for each bit. None for 20 sweeps for each bit, at
        least 500, and at most 5·10⁷ flips in a run. Where neither this nor `reads` is given and
        there is a time limit, runs get longer until one takes a quarter of the time: then the
        answer depends on the speed of the machine.
    initial_temperature, final_temperature : float or None
        In units of the energy. None for a choice from the energy changes of moves
        (`gridopt.annealing.annealer.Schedule.of`).
    schedule : {"geometric", "linear"}
        How the temperature falls.
    polish : bool
        Descend from the best state of each read.
    threads : int or None
        None for all cores.
    seed : int
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int | None = None
    sweeps: int | None = None
    initial_temperature: float | None = None
    final_temperature: float | None = None
    schedule: Shape = "geometric"
    polish: bool = True
    threads: int | None = None
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "annealing"
    limits: ClassVar[str] = "some millions of couplings; good on some thousands of bits"
    package: ClassVar[str] = "numba"

    def __post_init__(self) -> None:
        if self.reads is not None:
            check_whole("anneal", "reads", self.reads, 1, 10**7)
        if self.sweeps is not None:
            check_whole("anneal", "sweeps", self.sweeps, 1, 10**7)
        self._check_temperatures()
        right = self.schedule in {"geometric", "linear"}
        check_option("anneal", "schedule", self.schedule, right, "'geometric' or 'linear'")
        right = isinstance(self.polish, bool)
        check_option("anneal", "polish", self.polish, right, "true or false")
        if self.threads is not None:
            check_whole("anneal", "threads", self.threads, 1, 1024)
        check_qubo_options("anneal", self.seed, self.time_limit_s, self.lowering, self.judging)

    def _check_temperatures(self) -> None:
        high, low = self.initial_temperature, self.final_temperature
        for option, value in (("initial_temperature", high), ("final_temperature", low)):
            right = value is None or (is_number(value) and 0.0 < value < np.inf)
            check_option("anneal", option, value, right, "more than 0 and finite, or none")
        right = high is None or low is None or low <= high
        check_option("anneal", "final_temperature", low, right, "at most the initial one")

    @property
    def native(self) -> frozenset[Native]:
        """Cardinalities, sequences and inequalities."""
        return frozenset({"cardinality", "sequence", "inequality"})

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` where the kernels would take more than `MOST_BYTES`."""
        needed = BYTES_PER_BIT * qubo.n_bits + BYTES_PER_COUPLING * int(qubo.Q.nnz)
        if needed > MOST_BYTES:
            raise TooLargeError(
                f"anneal takes up to {MOST_BYTES / 2**30:.0f} GiB, this needs "
                f"{needed / 2**30:.1f} GiB for {qubo.n_bits} bits and {qubo.Q.nnz} coefficients: "
                "take a window of fewer hours or units, a coarser resolution or fewer levels, or "
                "the solver highs"
            )

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the reads round by round; on Ctrl-C the best of those on their way."""
        model = model_of(qubo)
        schedule = Schedule.of(
            model, self.initial_temperature, self.final_temperature, self.schedule
        )
        threads = threads_within(self.threads)
        crew = Crew(model, schedule, self.seed, threads, self.polish, deadline)
        begun = time.monotonic()
        for states in crew.run(self._rounds(model, threads, deadline)):
            proposed, accepted, _ = crew.counts.tolist()
            yield Samples.of(
                qubo,
                states,
                {
                    "kernel": model.kernel,
                    "sweeps": crew.sweeps,
                    "initial_temperature": schedule.initial,
                    "final_temperature": schedule.final,
                    "schedule": schedule.shape,
                    "threads": threads,
                    "proposals": proposed,
                    "accepted": accepted,
                    "proposals_per_s": proposed / max(time.monotonic() - begun, 1e-9),
                },
            )
        if deadline.passed:  # whoever asks for batches looks at the clock after each: one more look
            yield Samples.of(qubo, np.zeros((0, qubo.n_bits)))

    def _rounds(self, model: Model, threads: int, deadline: Deadline) -> Iterator[Round]:
        work = model.work_per_sweep
        sweeps = self.sweeps or automatic_sweeps(model.moves_per_sweep, work)
        if self.reads is None and np.isfinite(deadline.at_s):
            return timed_rounds(self.sweeps, max(sweeps // 64, 50), threads, deadline)
        reads = self.reads or automatic_reads(work, sweeps)
        return fixed_rounds(reads, sweeps, work, threads)
