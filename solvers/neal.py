"""Simulated annealing of the QUBO by dwave-neal, each read polished by steepest descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import dimod
import neal
import numpy as np
from dwave.samplers import SteepestDescentSampler

from gridopt.encoding import Lowering
from gridopt.errors import TooLargeError
from gridopt.judging import Judging
from gridopt.qubo import Qubo
from gridopt.qubo_solver import QuboSolver, check_qubo_options, check_whole
from gridopt.samples import BitArray, Deadline, Samples
from gridopt.solver import check_option

MOST_BITS = 20_000

LARGEST_BATCH = 16
"""Reads of one call to the sampler."""

PROPOSALS = 4_000_000
"""Flips proposed in one call, a second or so: it cannot be interrupted and never sees a clock."""


@final
@dataclass(frozen=True)
class Neal(QuboSolver):
    """Simulated annealing (Kirkpatrick et al. 1983, doi 10.1126/science.220.4598.671).

    Parameters
    ----------
    reads : int
        Number of independent annealing runs.
    sweeps : int
        Sweeps of each run, over a geometric range of temperatures.
    polish : bool
        Let steepest descent end each read: annealing gives its last state, not its best.
    seed : int
        The same seed gives the same reads; a time limit may cut them short.
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int = 100
    sweeps: int = 1000
    polish: bool = True
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "annealing"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits; good on some hundreds"
    package: ClassVar[str] = "dwave-neal"

    def __post_init__(self) -> None:
        check_whole("neal", "reads", self.reads, 1, 10**7)
        check_whole("neal", "sweeps", self.sweeps, 1, 10**9)
        check_option("neal", "polish", self.polish, isinstance(self.polish, bool), "true or false")
        check_qubo_options("neal", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` where there are more than `MOST_BITS` bits."""
        if qubo.n_bits > MOST_BITS:
            raise TooLargeError(
                f"neal takes up to {MOST_BITS} bits, this needs {qubo.n_bits}: take a window of "
                "fewer hours or units, a coarser resolution or fewer levels, or the solver highs"
            )

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:  # noqa: ARG002
        """Yield batches of reads: 1, 2, 4, … so that there is something to show at once."""
        model = to_bqm(qubo)
        record = {"sweeps": self.sweeps, "polish": "steepest descent" if self.polish else "none"}
        largest = max(1, min(LARGEST_BATCH, PROPOSALS // (self.sweeps * qubo.n_bits)))
        sizes = _batch_sizes(self.reads, largest)
        seeds = np.random.SeedSequence(self.seed).generate_state(len(sizes)) >> 1
        for size, seed in zip(sizes, seeds, strict=True):
            bits = self._annealed(model, size, int(seed))
            yield Samples.of(qubo, bits, record)

    def _annealed(self, model: Any, reads: int, seed: int) -> BitArray:
        # No interrupt_function: it would swallow Ctrl-C, which arrives between two calls instead.
        found = neal.SimulatedAnnealingSampler().sample(
            model, num_reads=reads, num_sweeps=self.sweeps, seed=seed
        )
        if self.polish:
            descent: Any = SteepestDescentSampler
            found = descent().sample(model, initial_states=found, seed=seed)
        return np.asarray(dimod.as_samples(found)[0], dtype=np.uint8)


def to_bqm(qubo: Qubo) -> Any:
    """Return `qubo` as a `dimod.BinaryQuadraticModel` over 0 … n − 1.

    Coefficients are divided by their median size: the temperatures follow the coefficients, and
    their sum over many large ones must not drown the small ones. Energies are in those units.
    """
    first, second, value = qubo.couplings()
    sizes = np.abs(np.concatenate((qubo.linear, value)))
    scale = float(np.median(sizes[sizes > 0.0])) if sizes.any() else 1.0
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        qubo.linear / scale, (first, second, value / scale), qubo.offset / scale, dimod.BINARY
    )


def _batch_sizes(reads: int, largest: int) -> list[int]:
    sizes: list[int] = []
    left = reads
    while left:
        sizes.append(min(1 << min(len(sizes), 30), largest, left))
        left -= sizes[-1]
    return sizes
