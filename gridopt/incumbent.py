"""What searches of one program tell each other while they run at once."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.program import Program


class Incumbent:
    """The best answer to a program so far, and the best bound, whoever found them.

    Safe to use from any thread, such as a progress callback while a solver searches.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._proposals: deque[FloatArray] = deque()
        self._x: FloatArray | None = None
        self._objective = np.inf
        self._bound = -np.inf

    @property
    def bound(self) -> float:
        """The best proved bound, inf where it is proved that there is no answer."""
        return self._bound

    def offer(self, x: FloatArray) -> bool:
        """Offer an answer, (n,); return whether it keeps all rules and is the best so far."""
        if not self._program.is_feasible(x):
            return False
        objective = self._program.objective(x)
        with self._lock:
            is_best = objective < self._objective
            if is_best:
                self._x, self._objective = x, objective
        return is_best

    def better_than(self, objective: float) -> FloatArray | None:
        """Return the best answer if it is better than that."""
        with self._lock:
            return self._x if self._objective < objective else None

    def prove(self, bound: float) -> None:
        """Tell a proved bound."""
        with self._lock:
            self._bound = max(self._bound, bound)

    def propose(self, decisions: FloatArray) -> None:
        """Tell values of the decision columns, (k,), whose best answer is still to be found."""
        self._proposals.append(decisions)

    def proposal(self) -> FloatArray | None:
        """Take the newest of the proposals, and forget the others."""
        newest = None
        while self._proposals:
            newest = self._proposals.popleft()
        return newest
