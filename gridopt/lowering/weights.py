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
from itertools import product

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.lowering.penalties import Penalty
from gridopt.lowering.structure import Structure

_SMALL = 1e-9


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
    penalties: Sequence[Penalty],
    upper_bound: float = np.inf,
    structure: Structure | None = None,
) -> list[FloatArray]:
    """Return a weight for each of the m places of each penalty, above what breaking it can save.

    Parameters
    ----------
    objective : Objective
    penalties : sequence of Penalty
    upper_bound : float
        Of the objective at some state that holds every row, where one is known.
    structure : Structure or None
        Rules that the sampler keeps: of the states that keep them, no ground state breaks a row.

    Notes
    -----
    The margin is 1 in the objective's unit, or its range where that is less.
    """
    margin = min(1.0, objective.span) or 1.0
    kept = structure or Structure()
    group = components(len(objective.linear), penalties, kept)
    by_group = _by_component(objective, penalties, kept, group) + margin
    by_literal = _ByLiteral(objective, penalties, kept)
    known = max(upper_bound - objective.least, 0.0) + margin
    weights = []
    for penalty in penalties:
        touched = penalty.touches()
        general = np.full(len(touched), objective.span + margin)
        if touched.shape[1]:
            general = by_group[group[touched[:, 0]]]
        if penalty.kind == "conflict":
            general = np.minimum(general, by_literal.rise(penalty.literals) + margin)
        weights.append(np.minimum(general, known))
    return weights


def components(
    n_bits: int, penalties: Sequence[Penalty], structure: Structure | None = None
) -> IntArray:
    """Return the number of the component of each bit; bits that share a row are in one, (n,)."""
    touched = [penalty.touches() for penalty in penalties]
    touched += (
        [rule.bits[rule.bits >= 0][np.newaxis] for rule in structure.rules] if structure else []
    )
    first, second = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for bits in touched:
        first.append(np.repeat(bits[:, :1], max(bits.shape[1] - 1, 0), axis=1).ravel())
        second.append(bits[:, 1:].ravel())
    return components_of(n_bits, np.concatenate(first), np.concatenate(second))


def components_of(n: int, first: IntArray, second: IntArray) -> IntArray:
    """Return the number of the connected component of each of n nodes, (n,)."""
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    return np.asarray(csgraph.connected_components(graph, directed=False)[1], dtype=np.int64)


def _by_component(
    objective: Objective, penalties: Sequence[Penalty], structure: Structure, group: IntArray
) -> FloatArray:
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
        right = _holds_at(penalties, structure, group, n_groups, value)
        either = np.where(right, np.minimum(either, bound), either)
    return either


def _holds_at(
    penalties: Sequence[Penalty],
    structure: Structure,
    group: IntArray,
    n_groups: int,
    value: int,
) -> BoolArray:
    """Return whether each component holds its rows with every bit at `value`, (groups,)."""
    right = np.ones(n_groups, dtype=np.bool_)
    for penalty in penalties:
        touched = penalty.touches()
        if touched.shape[1]:
            right[group[touched[~_is_held(penalty, value), 0]]] = False
    alike = np.full(len(group), bool(value))
    for rule in structure.rules:
        decided = rule.bits[rule.bits >= 0]
        if len(decided) and not rule.holds(alike):
            right[group[decided[0]]] = False
    return right


def _is_held(penalty: Penalty, value: int) -> BoolArray:
    """Return which of the m places of a penalty hold with every bit at `value`, (m,)."""
    m = len(penalty.touches())
    if penalty.kind in {"conflict", "triple"}:
        return np.asarray((penalty.literals % 2 == value).any(axis=1))
    if penalty.kind == "runs":
        # auxiliary bits are 0 here: where that is not best for them, the answer is no
        mine = np.maximum(penalty.first, penalty.second) < penalty.bits.shape[1]
        found = abs(penalty.constant + value * float(penalty.values[mine].sum()))
        return np.full(m, found < _SMALL)
    rest = penalty.side - value * float(penalty.values.sum())
    reach = sum(penalty.slack) + 1 if penalty.kind == "band" else 0
    return np.full(m, 0.0 <= rest <= reach)


class _ByLiteral:
    """Finds how much switching off a literal of a conflict can cost, where that is safe."""

    def __init__(
        self, objective: Objective, penalties: Sequence[Penalty], structure: Structure
    ) -> None:
        low, high = objective.slopes()
        n = len(objective.linear)
        # of literals: switching off a complement switches its bit on
        self._cost = np.maximum(np.stack((-low, high), axis=1).ravel(), 0.0)
        conflicts = _literals(penalties, "conflict", 2)
        one, other = conflicts.T
        self._width = 2 * n
        self._pairs = np.sort(np.concatenate((self._key(one, other), self._key(other, one))))
        both = conflicts[one != other]
        self._n_partners = np.bincount(np.append(both, one[one == other]), minlength=2 * n)
        self._triples = _literals(penalties, "triple", 3)
        self._is_hard = np.zeros(n, dtype=np.bool_)
        for rule in structure.rules:
            self._is_hard[rule.bits[rule.bits >= 0]] = True
        for penalty in penalties:
            if penalty.kind not in {"conflict", "triple"}:
                self._is_hard[penalty.bits] = True

    def rise(self, literals: IntArray) -> FloatArray:
        """Return the least bound on the rise over the safe literals of each conflict, else inf."""
        off = np.concatenate((literals[:, 0], literals[:, 1]))
        held = np.concatenate((literals[:, 1], literals[:, 0]))
        cost = np.where(self._is_safe(off, held), self._cost[off], np.inf)
        return np.asarray(cost.reshape(2, -1).min(axis=0))

    def _key(self, first: IntArray, second: IntArray) -> IntArray:
        return np.asarray(first * self._width + second)

    def _is_safe(self, off: IntArray, held: IntArray) -> BoolArray:
        # A conflict of the complement with what `held` excludes cannot be broken.
        excused = _in_sorted(self._key(off ^ 1, held ^ 1), self._pairs)
        safe = ~self._is_hard[off // 2] & (self._n_partners[off ^ 1] == excused)
        # Each candidate beside each triple that its bit is in:
        bit = self._triples.ravel() // 2
        order = np.argsort(bit, kind="stable")
        some = np.flatnonzero(safe)
        start = np.searchsorted(bit[order], off[some] // 2, side="left")
        count = np.searchsorted(bit[order], off[some] // 2, side="right") - start
        candidate = np.repeat(some, count)
        within = np.arange(len(candidate)) - np.repeat(np.cumsum(count) - count, count)
        triple = self._triples[order[np.repeat(start, count) + within] // 3]
        safe[candidate[_rises(triple, off[candidate], held[candidate])]] = False
        return np.asarray(safe)


def _in_sorted(values: IntArray, known: IntArray) -> BoolArray:
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.asarray(known[place] == values)


def _literals(penalties: Sequence[Penalty], kind: str, length: int) -> IntArray:
    found = [penalty.literals for penalty in penalties if penalty.kind == kind]
    return np.concatenate([np.zeros((0, length), dtype=np.int64), *found])


def _rises(triples: IntArray, off: IntArray, held: IntArray) -> BoolArray:
    """Return whether triples, (t, 3), can rise as `off` is switched off while `held`, (t,) each."""
    states = np.array(list(product((0, 1), repeat=3)))
    is_off = triples // 2 == off[:, None] // 2
    is_held = (triples // 2 == held[:, None] // 2) & (held != off)[:, None]
    found = np.zeros(len(triples), dtype=np.bool_)
    for state in states:
        # the state is of the triple's literals; `off` and `held` may be their complements
        on = state ^ (triples % 2)
        allowed = ~(is_off & (on == off[:, None] % 2)).any(axis=1)
        allowed &= ~(is_held & (on == held[:, None] % 2)).any(axis=1)
        after = np.where(is_off, 1 - state, state)
        found |= allowed & (
            _triple_value(after) > _triple_value(np.broadcast_to(state, after.shape))
        )
    return found


def _triple_value(states: IntArray) -> IntArray:
    first, second, last = states.T
    return np.asarray(last * (first + second - 1) + (1 - first) * (1 - second))
