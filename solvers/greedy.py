"""Greedy construction with randomized choices: a control."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
from scipy import sparse

from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_fits, check_qubo_options, check_whole
from gridopt.sampling.reads import seed_of
from gridopt.sampling.samples import BitArray, Deadline, Samples
from gridopt.solver import check_option, is_number

MOST_BITS = 20_000


@final
@dataclass(frozen=True)
class Greedy(QuboSolver):
    """From no bit set, set the bit that lowers the energy most, until none does.

    It only builds: a bit that is set stays set, where steepest descent, which starts anywhere,
    takes back what later turns out wrong. After the first read, which takes the best bit each time,
    every choice is random among those that are nearly as good (the construction phase of Feo &
    Resende 1995, doi 10.1007/BF01096763).

    Parameters
    ----------
    reads : int
    near : float
        Least decrease of the energy that may be chosen, as a part of the largest; 1 for the largest
        alone, ties broken at random.
    seed : int
        The same seed gives the same reads; a time limit may cut them short.
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int = 20
    near: float = 0.8
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "control"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits; takes nothing back"
    package: ClassVar[str] = "numpy"

    def __post_init__(self) -> None:
        check_whole("greedy", "reads", self.reads, 1, 10**7)
        right = is_number(self.near) and 0 <= self.near <= 1
        check_option("greedy", "near", self.near, right, "0 to 1")
        check_qubo_options("greedy", self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` above `MOST_BITS` bits, `UnsupportedError` where not finite."""
        check_fits("greedy", qubo, MOST_BITS)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield one read after the other; one that time cuts short is a state as well."""
        off_diagonal = qubo.Q - sparse.diags_array(qubo.linear)
        both = sparse.csr_array(off_diagonal + off_diagonal.T)
        for read in range(self.reads):
            rng = np.random.default_rng(seed_of(self.seed, read))
            near = self.near if read else 1.0
            yield Samples.of(qubo, _built(qubo, both, near, rng, deadline))


def _built(
    qubo: Qubo,
    both: sparse.csr_array,
    near: float,
    rng: np.random.Generator,
    deadline: Deadline,
) -> BitArray:
    """Build one state; `both` holds the couplings of each bit in its row."""
    bits = np.zeros(qubo.n_bits, dtype=np.uint8)
    change = qubo.linear.copy()
    while not deadline.passed:
        best = change.min()
        if best >= 0.0:
            break
        chosen = rng.choice(np.flatnonzero(change <= near * best))
        bits[chosen] = 1
        entries = slice(both.indptr[chosen], both.indptr[chosen + 1])
        change[both.indices[entries]] += both.data[entries]
        change[chosen] = np.inf
    return bits
