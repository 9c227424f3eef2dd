"""Schedules: what the decisions of an agent may be, and the pool of those that it has answered."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.decomposition.parts import Parts

Decisions = npt.NDArray[np.int64]
"""Values of all columns that agents decide, in the order of `Pool.columns`."""


class Pool:
    """The schedules that agents have answered, each once.

    Parameters
    ----------
    parts : Parts

    Attributes
    ----------
    columns : array of int, (k,)
        Columns of the program that agents decide.
    place : list of array of int
        Where in `columns` those of each agent are.
    """

    def __init__(self, parts: Parts) -> None:
        owner = parts.agents.owner
        self.columns: IntArray = parts.decided
        of_column = owner[self.columns]
        order = np.argsort(of_column, kind="stable")
        ends = np.searchsorted(of_column[order], np.arange(parts.n_agents + 1))
        self.place = [order[a:b] for a, b in pairwise(ends)]
        self._known: list[dict[bytes, Decisions]] = [{} for _ in self.place]
        self._n_columns = parts.program.n_columns

    def __len__(self) -> int:
        return sum(map(len, self._known))

    def decisions(self, x: FloatArray) -> Decisions:
        """Return what agents decide at `x`, (n,)."""
        return np.rint(x[self.columns]).astype(np.int64)

    def x(self, decisions: Decisions) -> FloatArray:
        """Return columns of the program, (n,), with these decisions and all else 0."""
        x = np.zeros(self._n_columns)
        x[self.columns] = decisions
        return x

    def add(self, decisions: Decisions, kept: BoolArray | None = None) -> None:
        """Keep the schedules of all agents, or of some, (K,)."""
        for agent, (known, place) in enumerate(zip(self._known, self.place, strict=True)):
            if kept is None or kept[agent]:
                schedule = decisions[place]
                known.setdefault(schedule.tobytes(), schedule)

    def alternatives(self, decisions: Decisions) -> list[list[Decisions]]:
        """Return each agent's schedules that differ from what `decisions` say."""
        return [
            [other for key, other in known.items() if key != decisions[place].tobytes()]
            for known, place in zip(self._known, self.place, strict=True)
        ]
