"""The block structure of a program: agents, each with columns and rules of its own.

Few rows tie agents together (a balance, a reserve requirement, a line limit). At given prices of
those rows each agent is a problem by itself, which whoever wrote the program can often solve much
faster than a solver could: a thermal unit by a dynamic program over hours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray

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

    A row all of whose columns belong to one agent is a rule of that agent, unless it is named as a
    tie; every other row ties agents together.
    """

    @property
    @abstractmethod
    def owner(self) -> IntArray:
        """Agent of each column of the program, or `NOBODY`, (n,)."""

    @property
    @abstractmethod
    def decides(self) -> BoolArray:
        """Columns that the answers decide, (n,); other integers follow as those of nobody do."""

    @property
    @abstractmethod
    def named_ties(self) -> IntArray:
        """Rows that tie agents together by what they say, though one may have all their columns."""

    @abstractmethod
    def answers(self, c: FloatArray, held: FloatArray | None = None) -> Answers:
        """Return what is best for each agent at linear costs `c`, (n,), in place of the program's.

        Quadratic costs are those of the program. With `held`, (n,), the decisions are as there.
        """

    @abstractmethod
    def marginals(self, c: FloatArray) -> FloatArray:
        """Return what each column's agent costs at least with it at 0 and at 1, (2, n).

        Of a column with more values: with the best one, and with any other. At linear costs `c`, as
        in `answers`: proved lower bounds, inf where it cannot be so, -inf where nothing is known,
        such as for columns that decide nothing.
        """

    @abstractmethod
    def usual_prices(self) -> FloatArray:
        """Return prices of the program's rows, (m,), that are not far from good ones."""


@final
@dataclass(frozen=True, eq=False)
class JointAgents(Agents):
    """Agents of several kinds, one kind after the other.

    Parameters
    ----------
    kinds : tuple of Agents
        Of one program; no column belongs to agents of two kinds. Prices are made by the first.
    """

    kinds: tuple[Agents, ...]

    @cached_property
    def owner(self) -> IntArray:
        """Agent of each column, or `NOBODY`, (n,)."""
        joint, number = np.full_like(self.kinds[0].owner, NOBODY), 0
        for kind in self.kinds:
            own = kind.owner
            joint = np.where(own == NOBODY, joint, own + number)
            number += int(own.max(initial=NOBODY)) + 1
        return joint

    @cached_property
    def decides(self) -> BoolArray:
        """Columns that the answers decide, (n,)."""
        return np.asarray(np.any([kind.decides for kind in self.kinds], axis=0))

    @property
    def named_ties(self) -> IntArray:
        """Rows that any kind names as ties."""
        return np.concatenate([kind.named_ties for kind in self.kinds])

    def answers(self, c: FloatArray, held: FloatArray | None = None) -> Answers:
        """Return the answers of all kinds."""
        found = [kind.answers(c, held) for kind in self.kinds]
        least = np.concatenate([answer.least for answer in found])
        return Answers(least, np.sum([answer.x for answer in found], axis=0))

    def marginals(self, c: FloatArray) -> FloatArray:
        """Return what each column's agent costs at least either way, (2, n)."""
        return np.asarray(np.max([kind.marginals(c) for kind in self.kinds], axis=0))

    def usual_prices(self) -> FloatArray:
        """Return the prices of the first kind, which makes them, (m,)."""
        return self.kinds[0].usual_prices()
