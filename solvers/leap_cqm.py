"""D-Wave's hybrid solver of constrained quadratic models, in its Leap service."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import dimod
import numpy as np
from dwave.system import LeapHybridCQMSampler

from gridopt.arrays import FloatArray
from gridopt.errors import TooLargeError, UnsupportedError
from gridopt.exports.dimod_models import to_cqm
from gridopt.program import Program
from gridopt.solution import Solution, Termination
from gridopt.solver import Progress, ProgressCallback, Solver, check_common, check_option
from gridopt.solvers.dwave import check_token, told

MOST_STATES = 2**20
"""Of the mock."""

JUDGED = 100
"""Largest number of distinct answers that are judged, the service's lowest energies first."""


@final
@dataclass(frozen=True)
class LeapCQM(Solver):
    """Sends the program as it is, continuous columns and rows included: no QUBO, no penalty.

    Parameters
    ----------
    mock : bool
        Enumeration by dimod in place of the service, for tiny programs without continuous columns.
        Needs no token and no network.
    seed : int
        Without effect: the service knows no seeds.
    time_limit_s : float or None
        Seconds that the service may work, not those on the way; it has a minimum, which is also
        what None stands for.
    """

    mock: bool = False
    seed: int = 0
    time_limit_s: float | None = None

    kind: ClassVar[str] = "hybrid quantum-classical"
    limits: ClassVar[str] = "no products of continuous columns; needs a D-Wave token"
    package: ClassVar[str] = "dwave-system"

    def __post_init__(self) -> None:
        check_option("leap_cqm", "mock", self.mock, isinstance(self.mock, bool), "true or false")
        check_common("leap_cqm", self.seed, self.time_limit_s)

    def solve(self, program: Program, progress: ProgressCallback | None = None) -> Solution:
        """Return the best of the service's answers, judged on `program`.

        Raises
        ------
        UnsupportedError
            Without a token, where the service declines or fails, and where the objective has
            products of continuous columns.
        TooLargeError
            Where the mock would enumerate too many states.
        """
        begun = time.monotonic()
        self._check(program)
        cqm = to_cqm(program)
        best = Solution.at(program, None, Termination.SAMPLED)
        try:
            with told("leap_cqm", "sampling"):
                found = self._sampled(cqm)
        except KeyboardInterrupt:
            return replace(best, termination=Termination.INTERRUPTED)
        states, labels = dimod.as_samples(found)
        column = {label: k for k, label in enumerate(labels)}
        places = [column[program.column_label(k)] for k in range(program.n_columns)]
        points = _distinct(program, np.asarray(states, dtype=np.float64)[:, places], found)
        feasible = 0
        for x in points:
            answer = Solution.at(program, x, Termination.SAMPLED)
            feasible += answer.is_feasible
            if (answer.objective, answer.violation) < (best.objective, best.violation):
                best = answer
        if progress is not None:
            progress(Progress(time.monotonic() - begun, best.objective, -np.inf, "samples judged"))
        details = {
            "reads": len(states),
            "distinct": len(points),
            "raw_feasible_share": feasible / max(len(points), 1),
        }
        return replace(best, details=details)

    def _check(self, program: Program) -> None:
        if not self.mock:
            check_token("leap_cqm")
            return
        if not program.is_integer.all():
            raise UnsupportedError(
                "leap_cqm enumerates with mock=True, and takes no continuous columns then"
            )
        states = float(np.prod(program.upper - program.lower + 1.0))
        if states > MOST_STATES:
            raise TooLargeError(
                f"leap_cqm enumerates up to {MOST_STATES} states with mock=True, this has "
                f"{states:.3g}: take a smaller window, or the solver highs"
            )

    def _sampled(self, cqm: Any) -> Any:
        if self.mock:
            exact: Any = dimod.ExactCQMSolver
            return exact().sample_cqm(cqm)
        sampler = LeapHybridCQMSampler()
        found = sampler.sample_cqm(cqm, time_limit=self.time_limit_s)
        found.resolve()
        return found


def _distinct(program: Program, states: FloatArray, found: Any) -> FloatArray:
    """Return the distinct states, feasible ones first, whole where they must be."""
    whole = program.is_integer
    states[:, whole] = np.rint(states[:, whole])
    order = np.lexsort((found.record.energy, ~found.record.is_feasible))
    states = states[order]
    _, first = np.unique(states, axis=0, return_index=True)
    return states[np.sort(first)[:JUDGED]]
