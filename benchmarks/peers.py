"""What the solvers of gridopt are measured against.

A peer is a solver behind the same interface, so that what it finds is decoded, verified and priced
in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import scipy
from scipy.optimize import Bounds, LinearConstraint, milp

from gridopt.errors import UnsupportedError
from gridopt.program import Program
from gridopt.solution import Solution, Termination
from gridopt.solver import ProgressCallback, Solver, check_common, check_option


@final
@dataclass(frozen=True)
class ScipyMILP(Solver):
    """`scipy.optimize.milp` on the same program: SciPy's own build of HiGHS, its own defaults.

    Parameters
    ----------
    time_limit_s : float or None
    gap : float
        Relative gap at which to stop.
    seed : int
        Not used: SciPy offers none.
    """

    time_limit_s: float | None = None
    gap: float = 1e-4
    seed: int = 0

    kind: ClassVar[str] = "mixed-integer programming"
    limits: ClassVar[str] = "linear objective"
    package: ClassVar[str] = "scipy"

    def __post_init__(self) -> None:
        check_common("scipy-milp", self.seed, self.time_limit_s)
        check_option("scipy-milp", "gap", self.gap, 0 <= self.gap < 1, "at least 0, less than 1")

    def solve(self, program: Program, progress: ProgressCallback | None = None) -> Solution:  # noqa: ARG002
        """Return SciPy's answer, its integers rounded and the rest dispatched anew if need be."""
        if program.Q.nnz:
            raise UnsupportedError("scipy.optimize.milp takes no quadratic cost")
        program = program.complete()
        found = self._milp(program, program.is_integer)
        x = None if found.x is None else np.where(program.is_integer, np.rint(found.x), found.x)
        if x is not None and not program.is_feasible(x):
            held = program.fixed(program.is_integer, x[program.is_integer])
            again = self._milp(held, np.zeros(program.n_columns, dtype=np.bool_)).x
            x = x if again is None else np.where(program.is_integer, x, again)
        bound = found.mip_dual_bound
        known = bound is not None and np.isfinite(bound)
        return Solution.at(
            program,
            x,
            _TERMINATION.get(found.status, Termination.TIME_LIMIT),
            program.c0 + float(bound) if known else -np.inf,
            f"scipy.optimize.milp {scipy.__version__}" if known else "",
        )

    def _milp(self, program: Program, integer: np.typing.NDArray[np.bool_]) -> Any:
        limit_s = np.inf if self.time_limit_s is None else self.time_limit_s
        return milp(
            program.c,
            integrality=integer.astype(np.int64),
            bounds=Bounds(program.lower, program.upper),
            constraints=LinearConstraint(program.A, program.row_lower, program.row_upper),
            options={"mip_rel_gap": self.gap, "time_limit": limit_s},
        )


_TERMINATION = {0: Termination.OPTIMAL, 2: Termination.INFEASIBLE, 3: Termination.UNBOUNDED}
