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
) -> FloatArray:
    """Return a weight for each penalty, above what breaking it can save, (p,).

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
    weights = np.zeros(len(penalties))
    for k, penalty in enumerate(penalties):
        touched = penalty.touches()
        general = by_group[group[touched[0]]] if len(touched) else objective.span + margin
        weights[k] = min(general, by_literal.rise(penalty) + margin, known)
    return weights


def components(
    n_bits: int, penalties: Sequence[Penalty], structure: Structure | None = None
) -> IntArray:
    """Return the number of the component of each bit; bits that share a row are in one, (n,)."""
    touched = [penalty.touches() for penalty in penalties]
    touched += [rule.bits[rule.bits >= 0] for rule in structure.rules] if structure else []
    pairs = [(int(bits[0]), int(bit)) for bits in touched for bit in bits[1:]]
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return components_of(n_bits, ends[:, 0], ends[:, 1])


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
        if len(touched) and not _is_held(penalty, value):
            right[group[touched[0]]] = False
    alike = np.full(len(group), bool(value))
    for rule in structure.rules:
        decided = rule.bits[rule.bits >= 0]
        if len(decided) and not rule.holds(alike):
            right[group[decided[0]]] = False
    return right


def _is_held(penalty: Penalty, value: int) -> bool:
    if penalty.kind in {"conflict", "triple"}:
        return not all(value != literal % 2 for literal in penalty.literals)
    if penalty.kind == "runs":
        # auxiliary bits are 0 here: where that is not best for them, the answer is no
        mine = np.maximum(penalty.first, penalty.second) < len(penalty.bits)
        return abs(penalty.constant + value * float(penalty.values[mine].sum())) < _SMALL
    rest = penalty.side - value * float(penalty.values.sum())
    reach = sum(penalty.slack) + 1 if penalty.kind == "band" else 0
    return 0.0 <= rest <= reach


class _ByLiteral:
    """Finds how much switching off a literal of a conflict can cost, where that is safe."""

    def __init__(
        self, objective: Objective, penalties: Sequence[Penalty], structure: Structure
    ) -> None:
        self._low, self._high = objective.slopes()
        self._hard = {int(bit) for rule in structure.rules for bit in rule.bits if bit >= 0}
        self._partners: dict[int, set[int]] = {}
        self._triples: dict[int, list[tuple[int, ...]]] = {}
        for penalty in penalties:
            self._note(penalty)

    def rise(self, penalty: Penalty) -> float:
        """Return the least bound on the rise over the safe literals of a conflict, else inf."""
        if penalty.kind != "conflict":
            return float("inf")
        literals = penalty.literals
        choices = [(literals[0], literals[-1]), (literals[-1], literals[0])]
        return min(
            (self._cost(off) for off, held in choices if self._is_safe(off, held)),
            default=float("inf"),
        )

    def _note(self, penalty: Penalty) -> None:
        literals = penalty.literals
        if penalty.kind == "conflict":
            for literal, other in ((literals[0], literals[-1]), (literals[-1], literals[0])):
                self._partners.setdefault(literal, set()).add(other)
        elif penalty.kind == "triple":
            for literal in literals:
                self._triples.setdefault(literal // 2, []).append(literals)
        else:
            self._hard.update(int(bit) for bit in penalty.bits)

    def _cost(self, literal: int) -> float:
        bit = literal // 2
        return float(max(self._high[bit] if literal % 2 else -self._low[bit], 0.0))

    def _is_safe(self, off: int, held: int) -> bool:
        # A conflict of the complement with what `held` excludes cannot be broken.
        if off // 2 in self._hard or self._partners.get(off ^ 1, set()) - {held ^ 1}:
            return False
        triples = self._triples.get(off // 2, [])
        return not any(_rises(triple, off, held) for triple in triples)


def _rises(triple: tuple[int, ...], off: int, held: int) -> bool:
    """Return whether the penalty of `triple` can rise as `off` is switched off while `held`."""
    bits = sorted({literal // 2 for literal in triple})
    for values in product((0, 1), repeat=len(bits)):
        z = dict(zip(bits, values, strict=True))
        if not _is_on(off, z) or (held != off and not _is_on(held, z)):
            continue
        after = {**z, off // 2: 1 - z[off // 2]}
        if _triple_value(triple, after) > _triple_value(triple, z):
            return True
    return False


def _is_on(literal: int, z: dict[int, int]) -> bool:
    return z.get(literal // 2, 1 - literal % 2) != literal % 2


def _triple_value(triple: tuple[int, ...], z: dict[int, int]) -> int:
    first, second, last = (z[literal // 2] ^ (literal % 2) for literal in triple)
    return last * (first + second - 1) + (1 - first) * (1 - second)
