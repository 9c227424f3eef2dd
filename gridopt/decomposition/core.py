"""The core: which other schedules agents might better have, as a QUBO near one answer.

With z_k = 1 where an agent takes schedule k in place of the one it has, the objective near an
answer, whose tying rows have the prices π, is about

    E(z) = Σ_k d_k z_k + Σ_i (b_i Δ_i + ½ κ_i Δ_i²),   Δ_i = −Σ_k a_ik z_k,

d_k what schedule k costs its agent more at the prices π, a_ik what it adds to row i there, and
b_i Δ + ½ κ_i Δ² the second-order cost of what all the others must bring in row i instead: not a
penalty, but the curvature of what they ask for it. Minimum times, starts and all other rules of an
agent are inside its schedules. Schedules with d_k above the gap cannot be part of anything better,
as long as π are the prices that prove the bound.

That is where the energy begins. A choice that is dispatched tells what it really costs, and the
energy is changed by as little as makes it right there (Kaczmarz 1937, "Angenäherte Auflösung von
Systemen linearer Gleichungen"): exact for one schedule, and for a pair of known ones. To sample a
model, evaluate its best samples and learn from them is black-box optimization by annealing: Kitai
et al. 2020, "Designing metamaterials with quantum annealing and factorization machines",
doi 10.1103/PhysRevResearch.2.013319.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.decomposition.dispatch import Dispatched
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.schedules import Decisions, Pool
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.structure import Cardinality, Structure
from gridopt.sampling.samples import BitArray

OFFSETS = (-3.0, -1.0, -0.5, -0.25, -0.1, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)
"""Changes of price, in typical prices, at which it is asked what agents bring."""

NEAR = 0.3
"""Change of price, in typical prices, within which the curve of what they bring is fitted."""

FIT_POINTS = 41

NO_EXTREME = 3.0
"""Highest price of an answer that counts, in typical prices."""

OF_ONE = 8
"""Schedules of one agent in a core, at most: others of an agent are of less use than of others."""


@dataclass(frozen=True, eq=False)
class Core:
    """The schedules in question and their QUBO.

    Parameters
    ----------
    pool : Pool
    base : array of int
        The decisions that it is near to.
    agent : array of int, (n,)
        Of each schedule.
    schedules : list of array of int, (n,)
    linear : array, (n,)
        Energy of each schedule alone.
    pairs : array, (n, n)
        Symmetric; what two schedules of different agents cost more together, 0 of one agent.
    doubt : array, (n, n)
        How much each of these, `linear` on the diagonal, is open to be changed.
    brings : array, (n, m)
        What each schedule adds to the tying rows.
    """

    pool: Pool
    base: Decisions
    agent: IntArray
    schedules: list[Decisions]
    linear: FloatArray
    pairs: FloatArray
    doubt: FloatArray
    brings: FloatArray

    def __len__(self) -> int:
        return len(self.agent)

    def first(self, n: int) -> Core:
        """Return the core of the first n schedules, the most promising ones."""
        return replace(
            self,
            agent=self.agent[:n],
            schedules=self.schedules[:n],
            linear=self.linear[:n],
            pairs=self.pairs[:n, :n],
            doubt=self.doubt[:n, :n],
            brings=self.brings[:n],
        )

    def energy(self, chosen: IntArray) -> float:
        """Return E(z) of some schedules of different agents."""
        inside = self.pairs[np.ix_(chosen, chosen)]
        return float(self.linear[chosen].sum() + inside.sum() / 2.0)

    def corrected(self, chosen: IntArray, cost: float) -> Core:
        """Return the core whose energy of some schedules is `cost`, what they come to."""
        block = np.ix_(chosen, chosen)
        doubt = self.doubt[block]
        if not doubt.any():  # all is measured: what is left lies in what more than two do together
            doubt = np.ones_like(doubt) if len(chosen) == 1 else 1.0 - np.eye(len(chosen))
        step = doubt * (cost - self.energy(chosen)) / np.triu(doubt).sum()
        linear, pairs, left = self.linear.copy(), self.pairs.copy(), self.doubt.copy()
        linear[chosen] += np.diag(step)
        pairs[block] += step - np.diag(np.diag(step))
        if len(chosen) <= 2:
            first, last = chosen[0], chosen[-1]
            left[first, last] = left[last, first] = 0.0
        return replace(self, linear=linear, pairs=pairs, doubt=left)

    def shifted(self, before: FloatArray) -> Core:
        """Return the core in which what was not measured is off as what was is in the median.

        Parameters
        ----------
        before : array, (n,)
            Energies of single schedules before any was measured.
        """
        measured = np.diag(self.doubt) < 1.0
        if not measured.any():
            return self
        shift = float(np.median((self.linear - before)[measured]))
        return replace(self, linear=np.where(measured, self.linear, self.linear + shift))

    def with_scarcity(self, missed: FloatArray, worth: FloatArray) -> Core:
        """Return the core in which schedules that miss something alone need others that bring it.

        Others save them what they bring of it. With u_i what schedule i takes from a row, any other
        pair costs κ u_i u_j there, so that what two bring does not count twice.

        Parameters
        ----------
        missed : array, (n, m)
            What each schedule misses alone, as far as it was measured.
        worth : array, (n, m)
            What that is worth.
        """
        size = np.abs(missed)
        scarce = size.any(axis=0)
        size, worth = size[:, scarce], worth[:, scarce]
        square = (size**2).sum(axis=0)
        usual = square / size.sum(axis=0)
        sign = np.sign(missed.sum(axis=0))[scarce]
        brings = np.maximum(self.brings[:, scarce] * sign, 0.0)
        lacks = size > 0.0
        takes = np.where(lacks, size, -np.minimum(brings, usual))
        rise = worth.sum(axis=0) / square
        each = np.divide(worth, size, out=np.zeros_like(worth), where=lacks)
        more = np.zeros_like(self.pairs)
        for r in range(len(usual)):
            of_both = rise[r] * np.outer(takes[:, r], takes[:, r])
            saved = each[:, r, np.newaxis] * np.minimum(size[:, r, np.newaxis], brings[:, r])
            one = lacks[:, r, np.newaxis] & ~lacks[:, r]
            more += np.where(one, -saved, np.where(one.T, -saved.T, of_both))
        same = self.agent[:, np.newaxis] == self.agent
        return replace(self, pairs=self.pairs + np.where(same, 0.0, more))

    def qubo(self, native: bool) -> Qubo:
        """Return the QUBO of the schedules.

        Parameters
        ----------
        native : bool
            Whether the sampler keeps one-of-many by itself. Then each agent's schedules and the
            one it has (the last bits) are one of many; otherwise a pair of one agent's schedules
            costs more than both can save.
        """
        n, linear, pairs = len(self), self.linear, self.pairs
        if native:
            agents = np.unique(self.agent)
            Q = np.zeros((n + len(agents), n + len(agents)))
            Q[:n, :n] = np.triu(pairs, 1) + np.diag(linear)
            groups = [
                Cardinality(np.append(np.flatnonzero(self.agent == g), n + i), 1)
                for i, g in enumerate(agents)
            ]
            return replace(Qubo.of(Q), structure=Structure(tuple(groups)))
        saves = np.maximum(-linear - np.minimum(pairs, 0.0).sum(axis=1), 0.0)
        penalty = np.minimum(saves[:, np.newaxis], saves) + np.abs(linear).max(initial=1.0) * 1e-3
        same = self.agent[:, np.newaxis] == self.agent
        return Qubo.of(np.triu(np.where(same, penalty, pairs), 1) + np.diag(linear))

    def chosen(self, bits: BitArray, most: int) -> IntArray:
        """Return schedules of a sample, of different agents, so many at most.

        One after the other the one that brings the energy down most, or up least.
        """
        left, more, found = np.flatnonzero(bits[: len(self)]), self.linear, list[int]()
        while len(left) and len(found) < most:
            found.append(int(left[np.argmin(more[left])]))
            more = more + self.pairs[found[-1]]
            left = left[self.agent[left] != self.agent[found[-1]]]
        return np.sort(np.array(found, dtype=np.int64))

    def decisions(self, chosen: IntArray) -> Decisions:
        """Return the decisions with some schedules of different agents."""
        found = self.base.copy()
        for k in map(int, chosen):
            found[self.pool.place[int(self.agent[k])]] = self.schedules[k]
        return found


@dataclass(frozen=True, eq=False)
class Curvature:
    """What it costs to bring Δ more in each tying row: b Δ + ½ κ Δ², (m,) each."""

    slope: FloatArray
    rise: FloatArray


def core(
    parts: Parts,
    pool: Pool,
    near: Dispatched,
    dual: FloatArray,
    most_cost: float,
    most: int,
    is_over: Callable[[], bool],
) -> Core:
    """Return the core near an answer.

    Parameters
    ----------
    parts : Parts
    pool : Pool
    near : Dispatched
    dual : array, (m,)
        Prices that prove the bound.
    most_cost : float
        Cost, at these prices, above which a schedule is left out.
    most : int
        Number of schedules, at most.
    is_over : callable
        Asked on the way: whether to take no more schedules into account.
    """
    one_sided = np.isinf(parts.upper) | np.isinf(parts.lower)
    prices = np.where(one_sided, np.maximum(np.abs(near.prices), np.abs(dual)), near.prices)
    prices = np.where(np.isinf(parts.lower), -prices, prices)
    typical = parts.typical(dual)
    prices = np.clip(prices, -NO_EXTREME * typical, NO_EXTREME * typical)
    prices = np.where(parts.is_decided, dual, prices)  # where no dispatch changes anything
    agent, schedules, cost, brings = _candidates(
        parts, pool, near.decisions, prices, dual, most_cost, is_over
    )
    kept = _kept(agent, cost, most)
    agent, cost, brings = agent[kept], cost[kept], brings[kept]
    curve = _curvature(parts, pool.x(near.decisions), prices, typical, brings)
    coupling = (brings * curve.rise) @ brings.T
    same = agent[:, np.newaxis] == agent
    return Core(
        pool,
        near.decisions,
        agent,
        [schedules[k] for k in kept],
        cost - brings @ curve.slope + np.diag(coupling) / 2.0,
        np.where(same, 0.0, coupling),
        np.where(same & ~np.eye(len(agent), dtype=np.bool_), 0.0, 1.0),
        brings,
    )


def _kept(agent: IntArray, cost: FloatArray, most: int) -> IntArray:
    """Return the cheapest schedules, so many at most, and of one agent at most `OF_ONE`."""
    order = np.argsort(cost, kind="stable")
    by_agent = order[np.argsort(agent[order], kind="stable")]
    first = np.searchsorted(agent[by_agent], agent[by_agent])
    is_in = np.zeros(len(cost), dtype=np.bool_)
    is_in[by_agent[np.arange(len(cost)) - first < OF_ONE]] = True
    return order[is_in[order]][:most]


def _candidates(
    parts: Parts,
    pool: Pool,
    base: Decisions,
    prices: FloatArray,
    dual: FloatArray,
    most_cost: float,
    is_over: Callable[[], bool],
) -> tuple[IntArray, list[Decisions], FloatArray, FloatArray]:
    """Return agent, schedule, cost and what it brings, (N,), (N,), (N,), (N, m)."""
    costs, proved = parts.costs(prices), parts.costs(dual)
    held = pool.x(base)
    now = parts.agents.answers(costs, held)
    least = parts.agents.answers(proved).least
    before = parts.activity(now.x)
    others = pool.alternatives(base)
    agent: list[int] = []
    schedules: list[Decisions] = []
    cost: list[float] = []
    brings = [np.zeros((0, len(prices)))]
    for number in range(max(map(len, others), default=0)):
        if is_over():
            break
        decisions = base.copy()
        have = np.array([g for g, own in enumerate(others) if number < len(own)])
        for g in have:
            decisions[pool.place[g]] = others[g][number]
        x = pool.x(decisions)
        found = parts.agents.answers(costs, x)
        excess = parts.agents.answers(proved, x).least[have] - least[have]
        more = found.least[have] - now.least[have]
        kept = (excess <= most_cost) & np.isfinite(more)
        agent += have[kept].tolist()
        schedules += [others[g][number] for g in have[kept]]
        cost += more[kept].tolist()
        brings.append((parts.activity(found.x) - before)[:, have[kept]].T)
    return np.array(agent, dtype=np.int64), schedules, np.array(cost), np.concatenate(brings)


def _curvature(
    parts: Parts, held: FloatArray, prices: FloatArray, typical: FloatArray, brings: FloatArray
) -> Curvature:
    """Fit what all agents as they are, and nobody's columns, ask for a change of each equality.

    Rows with one side have no curvature: what they are worth is in their prices.
    """
    m = len(prices)
    slope, rise = np.zeros(m), np.zeros(m)
    equal = parts.lower == parts.upper
    reach = np.abs(brings).max(axis=0, initial=0.0)
    offsets = np.array(OFFSETS)[:, np.newaxis] * typical
    total = np.array(
        [parts.total_activity(prices + offset * equal, held) - parts.lower for offset in offsets]
    )
    total = np.maximum.accumulate(total, axis=0)
    total += np.arange(len(offsets))[:, np.newaxis] * 1e-9  # strictly rising
    for i in np.flatnonzero(equal & (reach > 0.0)):
        change = np.linspace(-reach[i], reach[i], FIT_POINTS)
        price = np.interp(change, total[:, i], offsets[:, i])
        slope[i], rise[i] = _fit(change, price, np.abs(price) <= NEAR * typical[i])
    return Curvature(slope, rise)


def _fit(change: FloatArray, price: FloatArray, where: BoolArray) -> FloatArray:
    """Fit b Δ + ½ κ Δ², κ ≥ 0, to the area under a price over changes Δ; return b and κ."""
    steps = np.diff(change) * (price[1:] + price[:-1]) / 2.0
    area = np.concatenate([[0.0], np.cumsum(steps)])
    area -= area[len(area) // 2]
    if where.sum() > 3:
        change, area = change[where], area[where]
    found, *_ = np.linalg.lstsq(np.stack([change, change**2 / 2.0], axis=1), area, rcond=None)
    if found[1] < 0.0:
        found = np.array([change @ area / (change @ change), 0.0])
    return np.asarray(found)
