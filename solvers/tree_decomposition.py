"""The ground state itself, by dynamic programming along a tree decomposition (dwave-samplers)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import dimod
from dwave.samplers import TreeDecompositionSolver

from gridopt.errors import TooLargeError
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.treewidth import elimination
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_fits, check_qubo_options, check_whole
from gridopt.sampling.samples import Deadline, Samples

MOST_BITS = 100_000
MOST_WIDTH = 25
"""Of dwave-samplers."""

BYTES_PER_ENTRY = 20.0
SECONDS_PER_ENTRY = 6e-8

MOST_BYTES = 4e9


@final
@dataclass(frozen=True)
class TreeDecomposition(QuboSolver):
    """Proves the ground state where the couplings are tree-like, whatever the number of bits.

    Bits are eliminated one after the other, those with fewest neighbors first; each leaves a table
    over its neighbors (bucket elimination, Dechter 1999, doi 10.1016/S0004-3702(99)00059-4). Where
    nothing of the program was put on a grid, its answer is OPTIMAL; else it is the ground state of
    the QUBO, exactly so, and the answer is SAMPLED.

    Parameters
    ----------
    max_width : int
        Refuse QUBOs that need larger tables: of 2^(width + 1) entries.
    kept : int
        Number of lowest states that are lifted and judged.
    seed : int
        Without effect: nothing is random.
    time_limit_s : float or None
        The elimination cannot be cut short: what would take longer is refused beforehand.
    lowering : Lowering
    judging : Judging
    """

    max_width: int = 20
    kept: int = 16
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "enumeration"
    limits: ClassVar[str] = f"treewidth up to {MOST_WIDTH}, thousands of bits"
    package: ClassVar[str] = "dwave-samplers"

    def __post_init__(self) -> None:
        check_whole("tree_decomposition", "max_width", self.max_width, 1, MOST_WIDTH)
        check_whole("tree_decomposition", "kept", self.kept, 1, 1024)
        check_qubo_options(
            "tree_decomposition", self.seed, self.time_limit_s, self.lowering, self.judging
        )

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` where the tables would be too large or take too long."""
        check_fits("tree_decomposition", qubo, MOST_BITS)
        gone = _elimination(qubo, self.max_width)
        if len(gone) < qubo.n_bits:
            raise TooLargeError(
                f"tree_decomposition takes couplings of treewidth up to max_width = "
                f"{self.max_width} (at most {MOST_WIDTH}); {qubo.n_bits - len(gone)} of these "
                f"{qubo.n_bits} bits are more entangled than that: take a window of fewer units, "
                "or the solver neal, anneal or highs"
            )
        entries = sum(2.0 ** (degree + 1) for _, degree in gone)
        limit_s = self.time_limit_s or float("inf")
        if entries * BYTES_PER_ENTRY > MOST_BYTES or entries * SECONDS_PER_ENTRY > limit_s:
            raise TooLargeError(
                f"tree_decomposition would take about {entries * BYTES_PER_ENTRY / 1e9:.1f} GB and "
                f"{entries * SECONDS_PER_ENTRY:.0f} s here: take a window of fewer units, or the "
                "solver neal or highs"
            )

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:  # noqa: ARG002
        """Yield the `kept` lowest states of all, in one batch."""
        gone = _elimination(qubo, self.max_width)
        solver: Any = TreeDecompositionSolver
        found = solver().sample(
            to_bqm(qubo),
            num_reads=min(self.kept, 2 ** min(qubo.n_bits, 30)),
            elimination_order=[bit for bit, _ in gone],
        )
        record = {"width": max(degree for _, degree in gone)}
        yield Samples.of(qubo, dimod.as_samples(found)[0], record, complete=True)


def _elimination(qubo: Qubo, most: int) -> list[tuple[int, int]]:
    first, second, _ = qubo.couplings()
    return elimination(qubo.n_bits, first, second, most)
