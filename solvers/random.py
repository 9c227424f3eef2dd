"""Fair coins in place of a sampler: what judging and re-dispatch reach with no search at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_fits, check_qubo_options, check_whole
from gridopt.sampling.samples import Deadline, Samples

MOST_BITS = 100_000

BITS_PER_BATCH = 10_000_000


@final
@dataclass(frozen=True)
class Random(QuboSolver):
    """Every bit a fair coin: the control that every sampler must beat.

    Parameters
    ----------
    reads : int
    most_bits : int
        Decline larger QUBOs, as the sampler does that this one stands for.
    seed : int
        The same seed gives the same reads; a time limit may cut them short.
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int = 1000
    most_bits: int = MOST_BITS
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "control"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits; no search"
    package: ClassVar[str] = "numpy"

    def __post_init__(self) -> None:
        check_whole("random", "reads", self.reads, 1, 10**7)
        check_whole("random", "most_bits", self.most_bits, 1, MOST_BITS)
        check_qubo_options("random", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` above `most_bits` bits, `UnsupportedError` where not finite."""
        check_fits("random", qubo, self.most_bits)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:  # noqa: ARG002
        """Yield the reads in batches of some ten megabytes."""
        rng = np.random.default_rng(self.seed)
        size = max(BITS_PER_BATCH // qubo.n_bits, 1)
        for first in range(0, self.reads, size):
            n = min(size, self.reads - first)
            yield Samples.of(qubo, rng.integers(0, 2, (n, qubo.n_bits), dtype=np.uint8))
