"""From the best mix of answers to one answer of each agent.

One agent after the other takes the answer of its mix that keeps the rows nearest to what the mix
brings, with all agents before it: what one leaves short the next ones make up for.
"""

from __future__ import annotations

import numpy as np

from gridopt.arrays import FloatArray, IntArray

NONE = 1e-6
"""Share of a mix that is none."""


def one_answer_each(
    share: FloatArray,
    agent: IntArray,
    activity: FloatArray,
    weight: FloatArray,
    short: float,
    rng: np.random.Generator | None,
) -> IntArray:
    """Return the column that each agent takes, (K,).

    Parameters
    ----------
    share : array, (n,)
        Of each column in the mix; those of an agent are 1 in all.
    agent : array of int, (n,)
        Whose column it is.
    activity : array, (m, n)
        What it adds to each row: positive brings what may be short.
    weight : array, (m,)
        What a unit of each row is worth.
    short : float
        How many times what is short counts as much as what is too much.
    rng : numpy.random.Generator or None
        Draws the order of the agents that are undecided; without it, the surest come first.
    """
    n_agents = int(agent.max()) + 1
    taken, best = np.full(n_agents, -1), np.zeros(n_agents)
    np.maximum.at(best, agent, share)
    first = best if rng is None else rng.random(n_agents)
    mixed = np.flatnonzero(share > NONE)
    order = mixed[np.lexsort((-share[mixed], agent[mixed]))]
    taken[agent[order[::-1]]] = order[::-1]  # the column of most share is written last
    ends = np.searchsorted(agent[order], np.arange(n_agents + 1))
    undecided = np.flatnonzero(np.diff(ends) > 1)
    left = np.zeros(len(weight))
    for g in undecided[np.argsort(-first[undecided], kind="stable")]:
        own = order[ends[g] : ends[g + 1]]
        goal = left + activity[:, own] @ share[own]
        off = goal[:, np.newaxis] - activity[:, own]
        cost = weight @ (np.where(off > 0.0, short, 1.0) * off**2)
        taken[g] = own[np.argmin(cost)]
        left = goal - activity[:, taken[g]]
    return taken
