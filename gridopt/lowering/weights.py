"""Penalty weights with a proof: no ground state breaks a rule.

Three bounds are used, all by interval arithmetic on the objective f over the bits.

*By component.* Bits that share a row (slack bits included) form a component; the objective may
couple components, the rows do not. Let z break a row of component g, and let z' be z with the
bits of g replaced by an assignment a' that holds every row of g (there is one where the program
has any answer). No penalty outside g changes, those in g fall from at least the weight to 0, and
f rises by at most D = max over a, rest of f(a', rest) − f(a, rest). So with every weight of g
above D, no ground state breaks a row of g. D needs only the terms of f that touch g, and less of
them where all bits off (or all on) is such an a'.

*By a known answer.* Every state costs at least L, the sum of the objective's least terms. With U
the objective of a state that holds every row, no ground state breaks a row of weight above U − L.

*By literal.* Let a conflict forbid l and m, and let l be safe to switch off: while m holds, no
other penalty rises when l is switched off. Then a ground state that broke the conflict would be
improved by switching l off, unless f rises by the conflict's weight; so a weight above the
largest such rise is enough for that conflict, whatever the other weights are.

Rules that the sampler keeps count as rows in all of this, though they have no penalty.

Below the ground state nothing is claimed: with weights by literal, an infeasible state may cost
less than a poor feasible one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.lowering.penalties import Penalties
from gridopt.lowering.penalty_kernels import rises_by_literal
from gridopt.lowering.structure import Structure


@dataclass(frozen=True, eq=False)
class Objective:
    """A quadratic of n bits: constant + Σ linear · z + Σ value · z_first · z_second.

    Parameters
    ----------
    constant : float
    linear : array, (n,)
    first, second : array of int, (k,)
        first < second.
    value : array, (k,)
    """

    constant: float
    linear: FloatArray
    first: IntArray
    second: IntArray
    value: FloatArray

    @property
    def span(self) -> float:
        """Upper bound on the largest difference of two values."""
        return float(np.abs(self.linear).sum() + np.abs(self.value).sum())

    @property
    def least(self) -> float:
        """Lower bound on its values, term by term."""
        below = np.minimum(self.linear, 0.0).sum() + np.minimum(self.value, 0.0).sum()
        return self.constant + float(below)

    def slopes(self, pairs: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Return bounds on the change of f as each bit is switched on, (n,) each.

        Parameters
        ----------
        pairs : array, (k,) or None
            The pair values to count; all where None.
        """
        value = self.value if pairs is None else pairs
        low, high = np.minimum(value, 0.0), np.maximum(value, 0.0)
        n = len(self.linear)
        return self.linear + self._spread(low, n), self.linear + self._spread(high, n)

    def _spread(self, value: FloatArray, n: int) -> FloatArray:
        total = np.bincount(self.first, value, n) + np.bincount(self.second, value, n)
        return total.astype(np.float64)


def proved_weights(
    objective: Objective,
    penalties: Penalties,
    upper_bound: float = np.inf,
    structure: Structure | None = None,
) -> FloatArray:
    """Return a weight for each penalty, above what breaking it can save, (p,).

    Parameters
    ----------
    objective : Objective
    penalties : Penalties
    upper_bound : float
        Of the objective at some state that holds every row, where one is known.
    structure : Structure or None
        Rules that the sampler keeps: of the states that keep them, no ground state breaks a row.

    Notes
    -----
    The margin is 1 in the objective's unit, or its range where that is less.
    """
    margin = min(1.0, objective.span) or 1.0
    rules = [rule.bits[rule.bits >= 0] for rule in (structure or Structure()).rules]
    group = _components(penalties, rules)
    held = _Held(penalties, structure or Structure(), group)
    by_group = np.append(_by_component(objective, group, held), objective.span)
    known = max(upper_bound - objective.least, 0.0)
    rise = _by_literal(objective, penalties, rules)
    return np.asarray(np.minimum(np.minimum(by_group[held.home], rise), known) + margin)


def _components(penalties: Penalties, rules: Sequence[IntArray]) -> IntArray:
    """Return the number of the component of each bit; bits that share a row are in one, (n,)."""
    bits = penalties.bits
    first = bits[penalties.start[penalties.owner]]
    is_main = bits < penalties.n_bits
    firsts = [first[is_main], *(np.repeat(rule[:1], len(rule)) for rule in rules)]
    seconds = [bits[is_main], *rules]
    return components_of(penalties.n_bits, np.concatenate(firsts), np.concatenate(seconds))


def components_of(n: int, first: IntArray, second: IntArray) -> IntArray:
    """Return the number of the connected component of each of n nodes, (n,)."""
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    return np.asarray(csgraph.connected_components(graph, directed=False)[1], dtype=np.int64)


class _Held:
    """The component of each penalty, and which hold their rows with all bits alike.

    Attributes
    ----------
    home : array of int, (p,)
        Component of each penalty; −1 where it has no bits.
    """

    def __init__(self, penalties: Penalties, structure: Structure, group: IntArray) -> None:
        self._penalties, self._structure, self._group = penalties, structure, group
        has_bits = np.diff(penalties.start) > 0
        self.home = np.full(len(penalties), -1)
        self.home[has_bits] = group[penalties.bits[penalties.start[:-1][has_bits]]]

    def at(self, value: int) -> BoolArray:
        """Return whether each component holds its rows with every bit at `value`, (groups,)."""
        right = np.ones(int(self._group.max(initial=-1)) + 2, dtype=np.bool_)
        right[self.home[~self._penalties.holds_at(value)]] = False  # the last one stands for none
        alike = np.full(len(self._group), bool(value))
        for rule in self._structure.rules:
            decided = rule.bits[rule.bits >= 0]
            if len(decided) and not rule.holds(alike):
                right[self._group[decided[0]]] = False
        return right[:-1]


def _by_component(objective: Objective, group: IntArray, held: _Held) -> FloatArray:
    """Return D of each component (see the module), (groups,)."""
    n_groups = int(group.max(initial=-1)) + 1
    inside = group[objective.first] == group[objective.second]
    inner = np.where(inside, objective.value, 0.0)
    low, high = objective.slopes(objective.value - inner)
    home = group[objective.first]

    def per_group(of_bits: FloatArray, of_pairs: FloatArray) -> FloatArray:
        total = np.bincount(group, of_bits, n_groups) + np.bincount(home, of_pairs, n_groups)
        return total.astype(np.float64)

    either = per_group(np.maximum(np.abs(low), np.abs(high)), np.abs(inner))
    saved = np.maximum(-inner, 0.0)
    to_off = per_group(np.maximum(-low, 0.0), saved)
    own = np.bincount(objective.first, inner, len(group))
    own = own + np.bincount(objective.second, inner, len(group))
    to_on = per_group(np.maximum(high + own, 0.0), saved)
    for value, bound in ((0, to_off), (1, to_on)):
        either = np.where(held.at(value), np.minimum(either, bound), either)
    return either


def _by_literal(
    objective: Objective, penalties: Penalties, rules: Sequence[IntArray]
) -> FloatArray:
    """Return how much f can rise as a safe literal of each conflict is switched off, else inf."""
    is_hard = np.zeros(penalties.n_bits, dtype=np.bool_)
    for rule in rules:
        is_hard[rule] = True
    bits = penalties.bits
    is_other = ~penalties.has_literals[penalties.owner]
    is_hard[bits[is_other & (bits < penalties.n_bits)]] = True
    rise = np.empty(len(penalties))
    low, high = objective.slopes()
    rises_by_literal(penalties.kind, penalties.start, penalties.item, low, high, is_hard, rise)
    return rise
