"""Simulated bifurcation of the QUBO, by the package simulated-bifurcation on PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, final

import numpy as np
import numpy.typing as npt
import simulated_bifurcation
import torch

from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.effort import scaled
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver, check_fits, check_qubo_options, check_whole
from gridopt.sampling.reads import seed_of
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solver import check_option
from gridopt.solvers.steepest_descent import descended

MOST_BITS = 10_000
"""The matrix is dense."""

SETUP_S_PER_COUPLING = 2e-7
"""Seconds before the package looks at the clock, for each entry of the matrix."""

LARGEST_BATCH = 128
"""Oscillator networks that evolve together."""

MODES = ("ballistic", "discrete")


@final
@dataclass(frozen=True)
class SimulatedBifurcation(QuboSolver):
    """Networks of nonlinear oscillators, each of which bifurcates to one of two states.

    Both variants are those of Goto et al. 2021 (doi 10.1126/sciadv.abe7953); the couplings are
    kept dense. It computes in one thread, so that a seed gives the same reads on any machine.

    Parameters
    ----------
    reads : int
        Number of networks, each from a random state.
    steps : int
        Largest number of steps in time; less where the states settle before.
    mode : {"ballistic", "discrete"}
        The discrete one ends in better states, the ballistic one sooner.
    heated : bool
        Add the fluctuations of Kanao & Goto 2022 (doi 10.1038/s42005-022-00929-9).
    polish : bool
        Let steepest descent end each read: the package computes in single precision.
    seed : int
        The same seed gives the same reads; a time limit may cut them short.
    time_limit_s : float or None
    lowering : Lowering
    judging : Judging
    """

    reads: int = 128
    steps: int = 2000
    mode: Literal["ballistic", "discrete"] = "discrete"
    heated: bool = False
    polish: bool = True
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "simulated bifurcation"
    limits: ClassVar[str] = f"up to {MOST_BITS} bits"
    package: ClassVar[str] = "simulated-bifurcation"

    def __post_init__(self) -> None:
        name = "simulated_bifurcation"
        check_whole(name, "reads", self.reads, 1, 10**7)
        check_whole(name, "steps", self.steps, 1, 10**8)
        check_option(name, "mode", self.mode, self.mode in MODES, " or ".join(MODES))
        for option in ("heated", "polish"):
            value = getattr(self, option)
            check_option(name, option, value, isinstance(value, bool), "true or false")
        check_qubo_options(name, self.seed, self.time_limit_s, self.lowering, self.judging)

    def check(self, qubo: Qubo) -> None:
        """Raise `TooLargeError` above `MOST_BITS` bits, `UnsupportedError` where not finite."""
        check_fits("simulated_bifurcation", qubo, MOST_BITS)

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:
        """Yield the reads in batches that evolve together."""
        given = scaled(qubo)
        # Single precision: in double, its check for settled states fails unseen after 50 steps.
        matrix = torch.from_numpy(given.Q.toarray().astype(np.float32))
        model = to_bqm(given)
        record = {
            "steps": self.steps,
            "mode": self.mode,
            "polish": "steepest descent" if self.polish else "none",
        }
        for first in range(0, self.reads, LARGEST_BATCH):
            n = min(LARGEST_BATCH, self.reads - first)
            states, interrupted = self._batch(matrix, first, n, deadline)
            yield Samples.of(qubo, descended(model, states) if self.polish else states, record)
            if interrupted:
                raise KeyboardInterrupt

    def _batch(
        self, matrix: Any, first: int, n: int, deadline: Deadline
    ) -> tuple[npt.NDArray[np.int8], bool]:
        """Return final states and whether Ctrl-C ended them, which the package only warns of."""
        left_s = deadline.left_s - SETUP_S_PER_COUPLING * matrix.shape[0] ** 2
        # Its states come from PyTorch's one generator: seeded here, and put back for others.
        with (
            torch.random.fork_rng(devices=[]),
            _one_thread(),
            warnings.catch_warnings(record=True) as warned,
        ):
            torch.manual_seed(seed_of(self.seed, first))
            warnings.simplefilter("always")
            states, _ = simulated_bifurcation.minimize(
                matrix,
                domain="binary",
                dtype=torch.float32,
                agents=n,
                max_steps=self.steps,
                best_only=False,
                mode=self.mode,
                heated=self.heated,
                verbose=False,
                timeout=max(left_s, 0.01) if np.isfinite(left_s) else None,
            )
        interrupted = any("interrupted" in str(warning.message) for warning in warned)
        return states.numpy().reshape(n, -1).astype(np.int8), interrupted


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
