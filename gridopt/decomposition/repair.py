"""Decisions that miss tying rows: agents change their schedules until nothing is missed.

Agents answer prices that are raised where something is missed. Of these answers those are taken
that cost least for what they bring, until there is enough. What was missed once stays dear, so that
what one round brings no later one takes away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.decomposition.dispatch import Dispatch, Dispatched
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.schedules import Decisions, Pool

ROUNDS = 8
"""Rounds at most."""

LEVELS = (0.5, 1.0, 3.0, 30.0)
"""By how much prices are raised where something is missed, in typical prices."""

STAYS_DEAR = 2.0
"""What it counts to take away what was missed before, in typical prices."""

LEAST = 1e-6


class Change(NamedTuple):
    """Another schedule of an agent: its cost for each unit that it brings of what is missed.

    Units of rows count by what they are usually worth.
    """

    ratio: float
    agent: int
    schedule: Decisions
    brings: FloatArray


class Repair:
    """Repairs decisions.

    Parameters
    ----------
    parts : Parts
    pool : Pool
        Gets all schedules that agents answer.
    dispatch : Dispatch
    typical : array, (m,)
        What a unit of each tying row is usually worth.
    """

    def __init__(self, parts: Parts, pool: Pool, dispatch: Dispatch, typical: FloatArray) -> None:
        self._parts, self._pool, self._dispatch = parts, pool, dispatch
        self._typical, self._weight = typical, typical / typical.min(initial=np.inf)

    def __call__(self, found: Dispatched, usual: FloatArray) -> Dispatched | None:
        """Return an answer near `found` that misses nothing, or None.

        Parameters
        ----------
        found : Dispatched
        usual : array, (m,)
            Prices of the tying rows where nothing is missed.
        """
        dear = np.zeros(len(usual))
        for _ in range(ROUNDS):
            if np.isfinite(found.objective):
                return found
            dear += STAYS_DEAR * self._typical * np.sign(found.missed)
            decisions = self._changed(found.decisions, found.missed, usual + dear)
            if decisions is None:
                return None
            after = self._dispatch(decisions)
            if after is None:
                return None
            found = after
        return found if np.isfinite(found.objective) else None

    def settled(self, decisions: Decisions, usual: FloatArray) -> Decisions:
        """Return decisions near these that keep the rows of decisions alone, as far as they can.

        No dispatch is needed for that. Prices are as above.
        """
        if not self._parts.is_decided.any():
            return decisions
        dear = np.zeros(len(usual))
        for _ in range(ROUNDS):
            missed = self._missed_by_decisions(decisions)
            if np.abs(missed).max(initial=0.0) <= LEAST:
                break
            dear += STAYS_DEAR * self._typical * np.sign(missed)
            changed = self._changed(decisions, missed, usual + dear)
            if changed is None:
                break
            decisions = changed
        return decisions

    def _missed_by_decisions(self, decisions: Decisions) -> FloatArray:
        """Return what is missed of each tying row of decisions alone, 0 of all others, (m,)."""
        parts = self._parts
        activity = parts.A @ self._pool.x(decisions)
        missed = np.maximum(parts.lower - activity, 0.0) - np.maximum(activity - parts.upper, 0.0)
        return np.where(parts.is_decided, missed, 0.0)

    def _changed(
        self, decisions: Decisions, missed: FloatArray, prices: FloatArray
    ) -> Decisions | None:
        """Return decisions in which agents bring what is missed; None where none can.

        What little dearer prices bring is taken before dearer ones are asked for.
        """
        left, decisions = missed.copy(), decisions.copy()
        changed = set[int]()
        for level in LEVELS:
            changes = self._changes(decisions, left, prices, level)
            for change in sorted(changes, key=lambda change: change.ratio):
                brings = np.maximum(change.brings * np.sign(left), 0.0)
                if change.agent in changed or np.minimum(brings, np.abs(left)).sum() <= LEAST:
                    continue
                changed.add(change.agent)
                decisions[self._pool.place[change.agent]] = change.schedule
                left = np.sign(left) * np.maximum(np.abs(left) - brings, 0.0)
                if np.abs(left).sum() <= LEAST:
                    return decisions
        return decisions if changed else None

    def _changes(
        self, base: Decisions, missed: FloatArray, prices: FloatArray, level: float
    ) -> Iterator[Change]:
        parts, pool = self._parts, self._pool
        raised = prices + level * self._typical * np.sign(missed)
        raised = np.where(np.isinf(parts.upper), np.maximum(raised, 0.0), raised)
        raised = np.where(np.isinf(parts.lower), np.minimum(raised, 0.0), raised)
        costs = parts.costs(raised)
        before, after = parts.agents.answers(costs, pool.x(base)), parts.agents.answers(costs)
        decisions = pool.decisions(after.x)
        pool.add(decisions)
        brings = parts.activity(after.x) - parts.activity(before.x)
        cost = after.least - before.least + (raised - prices) @ brings
        useful = np.maximum(brings * np.sign(missed)[:, np.newaxis], 0.0)
        amount = self._weight @ np.minimum(useful, np.abs(missed)[:, np.newaxis])
        for agent in map(int, np.flatnonzero(amount > LEAST)):
            ratio = max(float(cost[agent]), 0.0) / float(amount[agent])
            yield Change(ratio, agent, decisions[pool.place[agent]], brings[:, agent])
