"""The block structure of a program: agents, each with columns and rules of its own.

Few rows tie agents together (a balance, a reserve requirement, a line limit). At given prices of
those rows each agent is a problem by itself, which whoever wrote the program can often solve much
faster than a solver could: a thermal unit by a dynamic program over hours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from gridopt.arrays import FloatArray, IntArray

NOBODY = -1
"""Owner of columns that belong to no agent."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What each of K agents would do at given costs of its columns.

    Parameters
    ----------
    least : array, (K,)
        A proved lower bound on the cost of all that the agent may do.
    x : array, (n,)
        Where the bounds are reached: their columns that decide, and those that rows of several
        agents have. It may miss rules that the bounds leave out. Other columns are 0.
    """

    least: FloatArray
    x: FloatArray


class Agents(ABC):
    """K agents that share out some of a program's columns.

    A row all of whose columns belong to one agent is a rule of that agent; every other row ties
    agents together.
    """

    @property
    @abstractmethod
    def owner(self) -> IntArray:
        """Agent of each column of the program, or `NOBODY`, (n,)."""

    @abstractmethod
    def answers(self, c: FloatArray, held: FloatArray | None = None) -> Answers:
        """Return what is best for each agent at linear costs `c`, (n,), in place of the program's.

        Quadratic costs are those of the program. With `held`, (n,), the decisions are as there.
        """

    @abstractmethod
    def marginals(self, c: FloatArray) -> FloatArray:
        """Return what each column's agent costs at least with it at 0 and at 1, (2, n).

        At linear costs `c`, as in `answers`: proved lower bounds, inf where it cannot be so, -inf
        where nothing is known, such as for columns that decide nothing.
        """

    @abstractmethod
    def usual_prices(self) -> FloatArray:
        """Return prices of the program's rows, (m,), that are not far from good ones."""
