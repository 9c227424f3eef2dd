"""HiGHS on the whole program beside the search: for its bound, and what it finds by the way."""

from __future__ import annotations

import threading

import numpy as np

from gridopt.highs_model import Clock
from gridopt.incumbent import Incumbent
from gridopt.program import Program
from gridopt.solution import Solution, Termination
from gridopt.solvers.highs import HiGHS, relaxation_bound

GRACE_S = 1.0
"""For how long its end is waited for: HiGHS does not look at the clock for up to ten seconds at the
root of a large program. What it finds by then no longer counts."""


class Partner:
    """HiGHS in a thread of its own.

    It is told of better answers, and tells of them, as long as the search runs; or only its
    relaxation counts, once it is waited for, so that runs do not depend on which thread is faster.

    Parameters
    ----------
    program : Program
    start : Solution or None
        An answer and prices to begin with.
    gap : float
    seed : int
    clock : Clock
        Of the search.
    is_whole : bool
        Whether more than its relaxation counts.

    Attributes
    ----------
    incumbent : Incumbent
    """

    def __init__(
        self,
        program: Program,
        start: Solution | None,
        gap: float,
        seed: int,
        clock: Clock,
        is_whole: bool,
    ) -> None:
        self.incumbent = Incumbent(program)
        self._program = program
        self._options = HiGHS(gap=gap, seed=seed, start=start, incumbent=self.incumbent)
        self._is_whole = is_whole
        self._failure: BaseException | None = None
        left_s = clock.left_s()
        self._clock = Clock(left_s if np.isfinite(left_s) else None)
        # not a daemon: a process must not end while HiGHS is about to call back
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._search()
        except BaseException as failure:  # told where it is waited for, not lost in a thread
            self._failure = failure

    def _search(self) -> None:
        if self._is_whole:
            solution = self._options.solve_by(self._program, self._clock)
            infeasible = solution.termination is Termination.INFEASIBLE
            self.incumbent.prove(np.inf if infeasible else solution.bound)
        else:
            self.incumbent.prove(relaxation_bound(self._program, self._clock, self._options.start))

    @property
    def is_at_work(self) -> bool:
        """Whether it may still tell of something."""
        return self._thread.is_alive()

    @property
    def bound(self) -> float:
        """Its proved bound so far, inf where there is no answer, -inf where it does not count."""
        counts = self._is_whole or not self.is_at_work
        return self.incumbent.bound if counts else -np.inf

    def wait(self) -> None:
        """Wait for the relaxation, where only that counts."""
        if not self._is_whole:
            self._thread.join()

    def wait_a_moment(self) -> None:
        """Wait until it may have found something."""
        self._thread.join(0.05)

    def end(self) -> None:
        """Stop it."""
        self._clock.stop.set()
        self._thread.join(GRACE_S)
        if self._failure is not None:
            raise self._failure
