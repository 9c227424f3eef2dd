"""Simulated quantum annealing by path-integral Monte Carlo (dwave-samplers)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import dimod
import numpy as np
from dwave.samplers import PathIntegralAnnealingSampler

from gridopt.compiling import threads_within
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.effort import UNINTERRUPTED_WORK, reads_within, scaled, sweep_work, sweeps_for
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import (
    QuboSolver,
    check_fits,
    check_qubo_options,
    check_whole_or_none,
)
from gridopt.sampling.reads import Stop, in_threads, job_size, seed_of
from gridopt.sampling.samples import BitArray, Deadline, Samples
from gridopt.solver import check_option, is_number
from gridopt.solvers.steepest_descent import descended

MOST_BITS = 5_000

COST = 15.0
"""Of a sweep at an inverse temperature of 1, in sweeps of simulated annealing; it grows with that
and with the field, as the paths have more breaks."""

LAST_FIELD = 1e-3
"""Transverse field at the end, so that the paths still move."""


@final
@dataclass(frozen=True)
class PathIntegral(QuboSolver):
    """Anneals the transverse field of an Ising model, whose states are paths in imaginary time.

    The method is that of King et al. 2021 (doi 10.1038/s41467-021-20901-5); the QUBO is divided by
    the median size of its coefficients first.

    Parameters
    ----------
    reads : int or None
        None for the rule of `gridopt.sampling.effort`, or with a time limit as many as it leaves
        time for.
    sweeps : int or None
        Sweeps of each read; None for that rule. A read cannot be cut short.
    beta : float
        Inverse temperature, in units of the median coefficient.
    transverse_field : float
        At the start, in the same unit; it falls linearly, as the problem grows.
    polish : bool
        Let steepest descent end each read.
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
    beta: float = 10.0
    transverse_field: float = 1.0
    polish: bool = True
    threads: int | None = None
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "simulated quantum annealing"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits"
    package: ClassVar[str] = "dwave-samplers"

    def __post_init__(self) -> None:
        name = "path_integral"
        check_whole_or_none(name, "reads", self.reads, 1, 10**7)
        check_whole_or_none(name, "sweeps", self.sweeps, 2, 10**8)
        for option in ("beta", "transverse_field"):
            value = getattr(self, option)
            right = is_number(value) and 0 < value < 1e6
            check_option(name, option, value, right, "more than 0, less than 1e6")
        check_option(name, "polish", self.polish, isinstance(self.polish, bool), "true or false")
        check_whole_or_none(name, "threads", self.threads, 1, 1024)
        check_qubo_options(name, self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` above `MOST_BITS` bits, `UnsupportedError` where not finite."""
        check_fits("path_integral", qubo, MOST_BITS)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the reads in batches, from as many threads as were asked for."""
        cost = COST * max(self.beta * self.transverse_field, 1.0)
        sweeps = self.sweeps or sweeps_for(qubo, cost, UNINTERRUPTED_WORK)
        reads = reads_within(self.reads, qubo, sweeps, deadline, cost)
        model = to_bqm(scaled(qubo)).change_vartype(dimod.SPIN)
        rise = np.linspace(0.0, 1.0, sweeps)
        stop = Stop(deadline)
        annealing: Any = PathIntegralAnnealingSampler

        def job(first: int, n: int) -> BitArray:
            seed = seed_of(self.seed, first)
            found = annealing().sample(
                model,
                num_reads=n,
                seed=seed,
                beta_schedule_type="custom",
                Hp_field=self.beta * rise,
                Hd_field=self.beta * np.maximum(self.transverse_field * (1.0 - rise), LAST_FIELD),
                # asked between two reads, in this thread, which Ctrl-C never reaches
                interrupt_function=stop,
            )
            spins = dimod.as_samples(found)[0]
            return descended(model, spins) if self.polish else np.asarray(spins > 0, dtype=np.uint8)

        size = job_size(cost * sweeps * sweep_work(qubo))
        record = {"sweeps": sweeps, "polish": "steepest descent" if self.polish else "none"}
        for bits in in_threads(job, reads, size, threads_within(self.threads), stop):
            yield Samples.of(qubo, bits, record)
