"""From decisions to answers: HiGHS finds the best of what they leave open.

Decisions that leave nothing feasible are *repaired* by the problem's own rules, where it has any,
and dispatched again. What the decisions reach as they are and what the repair makes of them are
kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.program import Integrality, Program
from gridopt.sampling.samples import Deadline
from gridopt.solution import Solution, Termination
from gridopt.solvers.highs import HiGHS

SHORTEST_S = 0.05

GAP = 1e-7


@dataclass(frozen=True, eq=False)
class Dispatched:
    """What some decisions lead to.

    Parameters
    ----------
    plain : Solution
        With the decisions as they are.
    repaired : Solution or None
        With the repaired ones, where the plain ones have no feasible answer.
    """

    plain: Solution
    repaired: Solution | None = None

    @property
    def best(self) -> Solution:
        """The better of the two."""
        return self.plain if self.repaired is None else min(self.plain, self.repaired, key=rank)


class Redispatch:
    """Dispatches decisions, each set of them once.

    Parameters
    ----------
    program : Program
        The whole program, which alone is judged.
    repair : bool
        Whether decisions without a feasible answer are repaired.
    """

    def __init__(self, program: Program, repair: bool) -> None:
        self._program = program
        self._compact = program.compact if repair else None
        self._known: dict[tuple[bytes, bytes], Solution] = {}

    def __call__(self, columns: IntArray, values: FloatArray, deadline: Deadline) -> Dispatched:
        """Return the best answers with `columns`, (k,), held at whole `values`, (k,).

        Raises
        ------
        KeyboardInterrupt
        """
        plain = self._solved(columns, values, deadline)
        if plain.is_feasible or self._compact is None:
            return Dispatched(plain)
        place = {int(column): k for k, column in enumerate(columns)}
        own = self._compact.columns
        mine = values[[place[int(column)] for column in own]]
        return Dispatched(plain, self._solved(own, self._compact.repaired(mine), deadline))

    def _solved(self, columns: IntArray, values: FloatArray, deadline: Deadline) -> Solution:
        key = columns.tobytes(), values.tobytes()
        if key not in self._known:
            self._known[key] = self._dispatch(columns, values, deadline)
        return self._known[key]

    def _dispatch(self, columns: IntArray, values: FloatArray, deadline: Deadline) -> Solution:
        held = self._program.fixed(columns, values)
        other = (self._program.integrality != Integrality.CONTINUOUS).copy()
        other[columns] = False
        answer = Solution.at(self._program, None, Termination.SAMPLED)
        for candidate in (held.relaxed(), held)[: 2 if other.any() else 1]:
            limit_s = max(deadline.left_s, SHORTEST_S)
            highs = HiGHS(time_limit_s=limit_s if np.isfinite(limit_s) else None, gap=GAP)
            found = highs.solve(candidate)
            answer = min(answer, Solution.at(self._program, found.x, answer.termination), key=rank)
            if found.termination is Termination.INTERRUPTED:
                raise KeyboardInterrupt
            # Whole of themselves, or no dispatch at all: the whole program has nothing to add.
            if found.x is None or answer.is_feasible:
                break
        return answer


def rank(answer: Solution) -> tuple[bool, float, float]:
    """Feasible first, by cost; then by violation."""
    if answer.is_feasible:
        return False, answer.objective, answer.violation
    return True, answer.violation, answer.violation
