"""Annealing moves that keep the rules of a `Structure`: every state on the way is feasible.

Bits of a cardinality: a one and a zero of it change places, in one cardinality or in two at once.
Bits of a sequence: a block of periods is toggled, a switch is moved, a run is shifted, or two
sequences exchange what they do over a block: any block, a whole run, or the periods beside a
switch (one unit goes on where another goes off). A move that would break a minimum run, or change
what is fixed, is no move. All other bits: flips. What inequalities are missed by, in their largest
weights, counts as energy, at `MISS` initial temperatures each; that dies out with the temperature,
and of all states the one that misses least is the best. A descent never misses more.

Flips, swaps in cardinalities, toggles and exchanges of any block are proposed as often in either
direction. The other moves of sequences are too, except where a moved switch swallows a run, where a
shifted run meets another, and where the partner in an exchange of a run, or beside a switch, has
switches of its own there or goes on beyond: the way back is then made of other moves. At a fixed
temperature the chain so favors states of few runs beyond what their energy says. It is meant:
without moves that swallow runs, commitment windows of 10 units end much higher above the optimum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import overload

from gridopt.annealing.kernels import RandomState, Rows, Walk, draw, push
from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.compiling import jit
from gridopt.errors import UnsupportedError
from gridopt.lowering.structure import ALWAYS_OFF, ALWAYS_ON, ROOM, Cardinality, Sequence, Structure

StateArray = npt.NDArray[np.uint8]

_U = np.uint64
MISS = 4.0
"""Cost of missing inequalities by one largest weight, in initial temperatures."""

SMALL = 1e-9
"""Changes of what an inequality is missed by that are rounding."""

_SCAN = 8
"""An entry of a row is searched where the row is longer than this times the bits that move."""

_PROPOSAL_WORK = 30
"""What it takes to find a move of a sequence and to see whether its runs hold."""


class Moves(NamedTuple):
    """What the moves of one read need beside its `Walk`, changed in place.

    Parameters
    ----------
    states : array of uint8, (S, T)
        Of every period of every sequence.
    members : array of int, (M,)
        Bits of each cardinality, its ones first.
    moved, mark : arrays, (≥ 4, ≥ 2 T), (n,)
        Room for the bits that move, and for their signs.
    recorded, n_recorded : arrays, (any), (1,)
        Energy changes of the first moves, and how many there are.
    total : array, (K,)
        Weighted sum of each inequality.
    missed : array, (2,)
        By how much all inequalities together are missed, now and in the best state.
    is_best : array of bool, (1,)
        Whether the state is the best one, which is not yet written down.
    """

    states: StateArray
    members: IntArray
    moved: IntArray
    mark: FloatArray
    recorded: FloatArray
    n_recorded: IntArray
    total: FloatArray
    missed: FloatArray
    is_best: BoolArray


class Layout(NamedTuple):
    """A `Structure` as arrays.

    Parameters
    ----------
    free : array, (F,)
        Bits of no rule.
    group_start, ones : arrays, (C + 1,), (C,)
        Where the bits of each cardinality begin in `members`; how many of them are 1.
    members : array, (M,)
    periods : array, (S, T)
        Bit of each period of each sequence, or `ALWAYS_OFF` or `ALWAYS_ON`; short sequences are
        filled up.
    lengths, before : arrays, (S,)
    least : array, (S, 2)
        Least length of a run of zeros and of a run of ones.
    place : array, (n,)
        Where each bit stands in `periods`, flattened.
    weights : Rows
        Of each bit: the inequalities that it is in, and its share of the largest weight in each.
    lowest, highest : arrays, (K,)
        Limits of the inequalities in these shares, with room for rounding.
    """

    free: IntArray
    group_start: IntArray
    ones: IntArray
    members: IntArray
    periods: IntArray
    lengths: IntArray
    before: IntArray
    least: IntArray
    place: IntArray
    weights: Rows
    lowest: FloatArray
    highest: FloatArray

    @staticmethod
    def of(structure: Structure, n_bits: int) -> Layout:
        """Return the arrays of `structure` over `n_bits` bits.

        Raises
        ------
        UnsupportedError
            Where a bit is in two rules or none of the QUBO's, or a rule cannot hold.
        """
        _check(structure, n_bits)
        groups = structure.cardinalities
        sequences = [sequence for sequence in structure.sequences if len(sequence.bits)]
        is_free = np.ones(n_bits, dtype=np.bool_)
        members = _joined([group.bits for group in groups])
        longest = max((len(sequence.bits) for sequence in sequences), default=0)
        periods = np.full((len(sequences), longest), ALWAYS_OFF, dtype=np.int64)
        for s, sequence in enumerate(sequences):
            periods[s, : len(sequence.bits)] = sequence.bits
        is_free[members] = False
        is_free[periods[periods >= 0]] = False
        place = np.zeros(n_bits, dtype=np.int64)
        place[periods[periods >= 0]] = np.flatnonzero(periods >= 0)
        weights, lowest, highest = _inequalities(structure, n_bits)
        return Layout(
            free=np.flatnonzero(is_free),
            group_start=np.cumsum([0, *(len(group.bits) for group in groups)], dtype=np.int64),
            ones=np.array([group.count for group in groups], dtype=np.int64),
            members=members,
            periods=periods,
            lengths=np.array([len(sequence.bits) for sequence in sequences], dtype=np.int64),
            before=np.array([sequence.before for sequence in sequences], dtype=np.int64),
            least=np.array(
                [(sequence.min_off, sequence.min_on) for sequence in sequences], dtype=np.int64
            ).reshape(-1, 2),
            place=place,
            weights=weights,
            lowest=lowest,
            highest=highest,
        )

    @property
    def moves_per_sweep(self) -> int:
        """How many moves one sweep proposes, those that are none counted."""
        return len(self.free) + len(self.members) + int(self.lengths.sum())

    def start(self, n_bits: int, rng: RandomState) -> tuple[StateArray, StateArray, IntArray]:
        """Return a random feasible state, (n,), its sequences, (S, T), and its members, ones first.

        Raises
        ------
        UnsupportedError
            Where a sequence has no feasible state.
        """
        bits = np.zeros(n_bits, dtype=np.uint8)
        states = np.zeros(self.periods.shape, dtype=np.uint8)
        members = self.members.copy()
        begin_free(self.free, bits, rng)
        begin_groups(self.group_start, self.ones, members, bits, rng)
        stuck = begin_sequences(self, states, bits, rng)
        if stuck >= 0:
            raise UnsupportedError(
                f"sequence {stuck} of the structure has no feasible state: its fixed periods, "
                f"min_on {self.least[stuck, 1]}, min_off {self.least[stuck, 0]} and "
                f"before {self.before[stuck]} contradict each other"
            )
        return bits, states, members

    def adopt(self, bits: StateArray, moves: Moves) -> None:
        """Write sequences, members and sums of a state to `moves`."""
        count_up(self.weights, bits, moves.total)
        short, over = self.lowest - moves.total, moves.total - self.highest
        moves.missed[:] = np.maximum(np.maximum(short, over), 0.0).sum()
        moves.is_best[0] = True
        decided = self.periods >= 0
        moves.states[decided] = bits[self.periods[decided]]
        group = np.repeat(np.arange(len(self.ones)), np.diff(self.group_start))
        moves.members[:] = self.members[np.lexsort((1 - bits[self.members], group))]


def _inequalities(structure: Structure, n_bits: int) -> tuple[Rows, FloatArray, FloatArray]:
    """Return the inequalities of each bit, and their limits with room for rounding."""
    rules = structure.inequalities
    bits = _joined([rule.bits for rule in rules])
    number = np.repeat(np.arange(len(rules)), [len(rule.bits) for rule in rules])
    weights = np.concatenate([np.zeros(0), *(rule.weights for rule in rules)])
    order = np.argsort(bits, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(bits, minlength=n_bits))]).astype(np.int64)
    unit = np.array([np.abs(rule.weights).max(initial=0.0) or 1.0 for rule in rules])
    return (
        Rows(start, number[order].astype(np.int32), (weights / unit[number])[order]),
        np.array([rule.lower for rule in rules]) / unit - ROOM,
        np.array([rule.upper for rule in rules]) / unit + ROOM,
    )


def _joined(parts: list[IntArray]) -> IntArray:
    whole = [np.zeros(0, dtype=np.int64), *(np.asarray(part, dtype=np.int64) for part in parts)]
    return np.concatenate(whole)


def _check(structure: Structure, n_bits: int) -> None:
    rules: list[tuple[str, Cardinality | Sequence]] = [
        *((f"cardinality {k}", rule) for k, rule in enumerate(structure.cardinalities)),
        *((f"sequence {k}", rule) for k, rule in enumerate(structure.sequences)),
    ]
    faults = [fault for name, rule in rules for fault in _faults(name, rule, n_bits)]
    used = _joined([rule.bits for _, rule in rules])
    bit, times = np.unique(used[used >= 0], return_counts=True)
    faults += [f"bit {k} is in {m} rules" for k, m in zip(bit, times, strict=True) if m > 1]
    if faults:
        raise UnsupportedError(f"the structure has no feasible state: {'; '.join(faults)}")


def _faults(name: str, rule: Cardinality | Sequence, n_bits: int) -> list[str]:
    lowest = 0 if isinstance(rule, Cardinality) else ALWAYS_ON
    faults = []
    if len(rule.bits) and not (rule.bits.min() >= lowest and rule.bits.max() < n_bits):
        faults.append(f"{name} has a bit outside 0 to {n_bits - 1}")
    if isinstance(rule, Cardinality):
        if not 0 <= rule.count <= len(rule.bits):
            faults.append(f"{name} has {len(rule.bits)} bits and a count of {rule.count}")
    elif min(rule.min_on, rule.min_off) < 1 or rule.before == 0:
        faults.append(f"{name} has a least length below 1, or a before of 0")
    return faults


@jit
def count_up(weights: Rows, bits: StateArray, total: FloatArray) -> None:
    """Write the weighted sums of a state to `total`."""
    total[:] = 0.0
    for i in range(len(bits)):
        for k in range(weights.start[i], weights.start[i + 1]):
            total[weights.column[k]] += bits[i] * weights.value[k]


@jit
def below(rng: RandomState, n: int) -> Any:
    """Return a random whole number from 0 to n − 1."""
    return np.int64(((draw(rng) >> _U(32)) * _U(n)) >> _U(32))


@jit
def length_up_to(rng: RandomState, longest: int) -> Any:
    """Return a random length from 1 to `longest`, short ones more often."""
    return 1 + below(rng, 1 + below(rng, longest))


@jit
def begin_free(free: IntArray, bits: StateArray, rng: RandomState) -> None:
    """Give every free bit a random value."""
    for i in free:
        bits[i] = below(rng, 2)


@jit
def begin_groups(
    group_start: IntArray, ones: IntArray, members: IntArray, bits: StateArray, rng: RandomState
) -> None:
    """Choose the ones of every cardinality at random; they come first in `members`."""
    for g in range(len(ones)):
        low, high = group_start[g], group_start[g + 1]
        for k in range(low, low + ones[g]):
            other = k + below(rng, high - k)
            members[k], members[other] = members[other], members[k]
            bits[members[k]] = 1


@jit
def begin_sequences(layout: Layout, states: StateArray, bits: StateArray, rng: RandomState) -> int:
    """Choose a feasible state of every sequence at random; return the first without one, or −1."""
    for s in range(len(layout.lengths)):
        periods, least = layout.periods[s, : layout.lengths[s]], layout.least[s]
        can = completable(periods, least)
        state = 1 if layout.before[s] > 0 else 0
        age = min(abs(layout.before[s]), least[state])
        if not can[0, state, age]:
            return s
        for t in range(len(periods)):
            next_age = min(age + 1, least[state])
            stays = may_be(periods[t], state) and can[t + 1, state, next_age]
            turns = (
                age == least[state] and may_be(periods[t], 1 - state) and can[t + 1, 1 - state, 1]
            )
            if turns and (not stays or below(rng, 2)):
                state, age = 1 - state, 1
            else:
                age = next_age
            states[s, t] = state
            if periods[t] >= 0:
                bits[periods[t]] = state
    return -1


@jit
def completable(periods: IntArray, least: IntArray) -> StateArray:
    """Return whether all from period t on can be chosen: (T + 1, 2, longest least length + 1).

    It depends on t, on the state of the period before it, and on how long that has lasted, up to
    its least length.
    """
    T = len(periods)
    can = np.zeros((T + 1, 2, least.max() + 1), dtype=np.uint8)
    can[T] = 1
    for t in range(T - 1, -1, -1):
        for now in range(2):
            if not may_be(periods[t], now):
                continue
            for age in range(1, least[now] + 1):
                can[t, now, age] |= can[t + 1, now, min(age + 1, least[now])]
            can[t, 1 - now, least[1 - now]] |= can[t + 1, now, 1]
    return can


@jit
def may_be(bit: int, state: int) -> bool:
    """Whether a period with this bit may be in `state`."""
    return bit >= 0 or bit == (ALWAYS_ON if state else ALWAYS_OFF)


@jit
def runs_hold(
    state: StateArray, length: int, before: int, least: IntArray, start: int, stop: int
) -> bool:
    """Whether the runs touched by a change of the periods `start` to `stop` are long enough.

    All others were long enough, and are unchanged.
    """
    if start == 0:
        now = 1 if before > 0 else 0
        age = abs(before)
    else:
        now = state[start - 1]
        age, t = 0, start - 1
        while t >= 0 and state[t] == now and age < least[now]:
            age += 1
            t -= 1
        if t < 0 and now == (1 if before > 0 else 0):
            age += abs(before)
    for t in range(start, length):
        if state[t] == now:
            age += 1
            if t >= stop and age >= least[now]:
                return True
            continue
        if age < least[now]:
            return False
        if t > stop:
            return True
        now, age = state[t], 1
    return True


@jit
def list_block(bits: IntArray, start: int, stop: int, moved: IntArray, n_moved: int) -> int:
    """List the bits of some periods after `n_moved` others; return how many there are then.

    −1 where a period is fixed or there is none.
    """
    if start < 0 or stop > len(bits) or n_moved < 0:
        return -1
    for t in range(start, stop):
        if bits[t] < 0:
            return -1
        moved[n_moved + t - start] = bits[t]
    return n_moved + stop - start


@jit
def list_exchange(
    layout: Layout, states: StateArray, a: int, b: int, start: int, stop: int, moved: IntArray
) -> int:
    """List the bits that change where sequences a and b exchange a block; −1 where one is fixed."""
    n_moved = 0
    for t in range(start, stop):
        if states[a, t] != states[b, t]:
            first, second = layout.periods[a, t], layout.periods[b, t]
            if first < 0 or second < 0:
                return -1
            moved[n_moved], moved[n_moved + 1] = first, second
            n_moved += 2
    return n_moved


@jit
def random_switch(state: StateArray, length: int, before: int, rng: RandomState) -> Any:
    """Return a period that differs from the one before it, each as likely; −1 where none is met."""
    for _ in range(2 * length):
        t = below(rng, length)
        earlier = state[t - 1] if t else (1 if before > 0 else 0)
        if state[t] != earlier:
            return t
    return -1


@jit
def beside_switch(state: StateArray, length: int, before: int, rng: RandomState) -> tuple[int, int]:
    """Return a block of equal periods that begins or ends at a random switch; (0, 0) for none."""
    t = random_switch(state, length, before, rng)
    if t < 0:
        return 0, 0
    size = length_up_to(rng, length)
    start, stop = (t, t + size) if below(rng, 2) else (t - size, t)
    if start < 0 or stop > length:
        return 0, 0
    for k in range(start + 1, stop):
        if state[k] != state[start]:
            return 0, 0
    return start, stop


@jit
def run_around(state: StateArray, length: int, t: int) -> tuple[int, int]:
    """Return the first period of the run that t is in, and the first one after it."""
    start, stop = t, t + 1
    while start > 0 and state[start - 1] == state[t]:
        start -= 1
    while stop < length and state[stop] == state[t]:
        stop += 1
    return start, stop


@jit
def random_block(length: int, least: int, rng: RandomState) -> tuple[int, int]:
    """Return a random block of `least` periods or more, or of all."""
    least = min(least, length)
    size = least - 1 + length_up_to(rng, length - least + 1)
    start = below(rng, length - size + 1)
    return start, start + size


@jit
def list_shift(
    layout: Layout, state: StateArray, a: int, rng: RandomState, moved: IntArray
) -> tuple[int, int, int]:
    """List the bits that shift a run by up to its length; with first and last period touched."""
    length = layout.lengths[a]
    start, stop = run_around(state, length, below(rng, length))
    size = length_up_to(rng, stop - start)
    if start == 0 or stop == length:  # its other end is not in sight: a switch moves instead
        return -1, 0, 0
    if below(rng, 2):
        start, stop = start - size, stop - size
    bits = layout.periods[a, :length]
    n_moved = list_block(bits, start, start + size, moved, 0)
    return list_block(bits, stop, stop + size, moved, n_moved), start, stop + size


@jit
def entry(rows: Rows, i: int, j: int) -> Any:
    """Return S_ij by bisection."""
    low, high = rows.start[i], rows.start[i + 1]
    while low < high:
        middle = (low + high) >> 1
        if rows.column[middle] < j:
            low = middle + 1
        else:
            high = middle
    if low < rows.start[i + 1] and rows.column[low] == j:
        return rows.value[low]
    return 0.0


def pair_sum(couplings: Any, walk: Walk, moves: Moves, n_moved: int, i: int) -> float:
    """Return Σ_j S_ij t_j over the bits that move; S as `Rows` or as a dense matrix.

    Only for compiled functions.
    """
    raise NotImplementedError


def _pair_sum(couplings: Any, walk: Any, moves: Any, n_moved: Any, i: Any) -> Any:  # noqa: ARG001
    def dense(couplings: Any, walk: Any, moves: Any, n_moved: Any, i: Any) -> Any:
        total = 0.0
        for b in range(n_moved):
            total += couplings[i, moves.moved[b]] * walk.sign[moves.moved[b]]
        walk.counts[2] += n_moved
        return total

    def sparse(couplings: Any, walk: Any, moves: Any, n_moved: Any, i: Any) -> Any:
        total = 0.0
        if couplings.start[i + 1] - couplings.start[i] > _SCAN * n_moved:
            for b in range(n_moved):
                j = moves.moved[b]
                total += entry(couplings, i, j) * walk.sign[j]
            walk.counts[2] += _SCAN * n_moved
        else:
            for k in range(couplings.start[i], couplings.start[i + 1]):
                total += couplings.value[k] * moves.mark[couplings.column[k]]
            walk.counts[2] += couplings.start[i + 1] - couplings.start[i]
        return total

    return dense if isinstance(couplings, types.Array) else sparse


overload(pair_sum)(_pair_sum)


@jit
def energy_change(couplings: Any, walk: Walk, moves: Moves, n_moved: int) -> float:
    """Return Σ_i t_i f_i + ½ Σ_ij S_ij t_i t_j over the bits that move."""
    sign, moved, mark = walk.sign, moves.moved, moves.mark
    single, pairs = 0.0, 0.0
    for a in range(n_moved):
        single += sign[moved[a]] * walk.field[moved[a]]
        mark[moved[a]] = sign[moved[a]]
    for a in range(n_moved if n_moved > 1 else 0):
        pairs += sign[moved[a]] * pair_sum(couplings, walk, moves, n_moved, moved[a])
    for a in range(n_moved):
        mark[moved[a]] = 0.0
    return single + 0.5 * pairs


@jit
def missed_by(layout: Layout, k: int, total: float) -> float:
    """Return by how much inequality k is missed at a sum."""
    return float(max(layout.lowest[k] - total, total - layout.highest[k], 0.0))


@jit
def add_weights(layout: Layout, walk: Walk, moves: Moves, n_moved: int, direction: float) -> float:
    """Make (1) or take back (−1) the listed bits' move in all sums; return what it adds to misses.

    The sums follow the signs before the move.
    """
    weights, added = layout.weights, 0.0
    for a in range(n_moved):
        i = moves.moved[a]
        for k in range(weights.start[i], weights.start[i + 1]):
            row = weights.column[k]
            added -= missed_by(layout, row, moves.total[row])
            moves.total[row] += direction * walk.sign[i] * weights.value[k]
            added += missed_by(layout, row, moves.total[row])
    return added


@jit
def decide(
    couplings: Any,
    walk: Walk,
    moves: Moves,
    layout: Layout,
    n_moved: int,
    temperature: float,
    miss: float,
) -> bool:
    """Accept or reject the move of the listed bits; where it is accepted, make it.

    `miss` is what it costs to miss inequalities by one more, inf for never.
    """
    walk.counts[0] += 1
    added = add_weights(layout, walk, moves, n_moved, 1.0) if len(moves.total) else 0.0
    change = energy_change(couplings, walk, moves, n_moved)
    if not passes(walk, moves, change, added, temperature, miss):
        if len(moves.total):
            add_weights(layout, walk, moves, n_moved, -1.0)
        return False
    energy, missed = walk.energies[0] + change, moves.missed[0] + added
    less = missed < moves.missed[1] - SMALL
    better = less or (missed <= moves.missed[1] + SMALL and energy < walk.energies[1])
    if moves.is_best[0] and not better:  # leaving the best state: keep it
        note_best(walk)
    for a in range(n_moved):
        i = moves.moved[a]
        s = walk.sign[i]
        walk.sign[i] = -s
        walk.counts[2] += push(couplings, walk.field, i, s)
    walk.counts[1] += 1
    walk.energies[0], moves.missed[0] = energy, missed
    moves.is_best[0] = better
    if better:
        walk.energies[1], moves.missed[1] = energy, missed
    return True


@jit
def passes(
    walk: Walk, moves: Moves, change: float, added: float, temperature: float, miss: float
) -> bool:
    """Whether a move is accepted that changes the energy, and adds to what is missed."""
    if abs(added) > SMALL:
        if miss == np.inf:
            return added < 0.0
        change += miss * added
    elif moves.n_recorded[0] < len(moves.recorded):
        moves.recorded[moves.n_recorded[0]] = change
        moves.n_recorded[0] += 1
    if change < 0.0:
        return True
    uniform = (np.float64(draw(walk.rng) >> _U(11)) + 0.5) * 2.0**-53
    return bool(change < -temperature * np.log(uniform))


@jit
def note_best(walk: Walk) -> None:
    """Keep the state as the best one."""
    for i in range(len(walk.sign)):
        walk.best[i] = walk.sign[i] < 0


@jit
def flip_free(
    couplings: Any, walk: Walk, moves: Moves, layout: Layout, temperature: float, miss: float
) -> None:
    """Propose to flip each free bit, some with another where inequalities hold back."""
    n_free = len(layout.free)
    for i in layout.free:
        moves.moved[0] = i
        n_moved = 1
        if len(moves.total) and below(walk.rng, 2):
            other = layout.free[below(walk.rng, n_free)]
            if other != i:
                moves.moved[1] = other
                n_moved = 2
        decide(couplings, walk, moves, layout, n_moved, temperature, miss)


@jit
def pick(layout: Layout, walk: Walk, g: int) -> tuple[int, int]:
    """Return the places of a random one and a random zero of a cardinality; (−1, −1) for none."""
    low, high = layout.group_start[g], layout.group_start[g + 1]
    ones = layout.ones[g]
    if ones == 0 or ones == high - low:
        return -1, -1
    return low + below(walk.rng, ones), low + ones + below(walk.rng, high - low - ones)


@jit
def swap_members(
    couplings: Any, walk: Walk, moves: Moves, layout: Layout, temperature: float, miss: float
) -> None:
    """Propose as many swaps as the cardinalities have bits, some in two of them at once."""
    n_groups = len(layout.ones)
    members, moved = moves.members, moves.moved
    for _ in range(len(members)):
        one, zero = pick(layout, walk, below(walk.rng, n_groups))
        if one < 0:
            continue
        moved[0], moved[1] = members[one], members[zero]
        n_moved, other_one, other_zero = 2, one, zero
        if n_groups > 1 and below(walk.rng, 4) == 0:
            other_one, other_zero = pick(layout, walk, below(walk.rng, n_groups))
            if other_one < 0 or other_one == one or other_zero == zero:
                continue
            moved[2], moved[3] = members[other_one], members[other_zero]
            n_moved = 4
        if decide(couplings, walk, moves, layout, n_moved, temperature, miss):
            members[one], members[zero] = members[zero], members[one]
            if n_moved == 4:
                members[other_one], members[other_zero] = members[other_zero], members[other_one]


@jit
def list_one(
    layout: Layout, moves: Moves, a: int, kind: int, rng: RandomState
) -> tuple[int, int, int]:
    """List the bits of a move of sequence `a` alone; with first and last period touched."""
    length = layout.lengths[a]
    if kind == 0:
        return list_shift(layout, moves.states[a], a, rng, moves.moved)
    if kind < 3:
        least = layout.least[a, below(rng, 2)] if kind == 2 else 1
        start, stop = random_block(length, least, rng)
    else:
        start, stop = beside_switch(moves.states[a], length, layout.before[a], rng)
    return list_block(layout.periods[a, :length], start, stop, moves.moved, 0), start, stop


@jit
def list_two(
    layout: Layout, moves: Moves, a: int, b: int, kind: int, rng: RandomState
) -> tuple[int, int, int]:
    """List the bits of an exchange of two sequences; with first and last period touched."""
    length = min(layout.lengths[a], layout.lengths[b])
    state = moves.states[a]
    if kind == 5:
        start, stop = random_block(length, 1, rng)
    elif kind == 6:
        start, stop = run_around(state, length, below(rng, length))
    else:
        start, stop = beside_switch(state, length, layout.before[a], rng)
    return list_exchange(layout, moves.states, a, b, start, stop, moves.moved), start, stop


@jit
def toggle_states(layout: Layout, moves: Moves, n_moved: int) -> None:
    """Toggle the periods of the listed bits."""
    states = moves.states.ravel()
    for k in range(n_moved):
        states[layout.place[moves.moved[k]]] ^= 1


@jit
def holds(layout: Layout, moves: Moves, a: int, start: int, stop: int) -> bool:
    """Whether sequence `a` holds after a change of some of its periods."""
    return runs_hold(
        moves.states[a], layout.lengths[a], layout.before[a], layout.least[a], start, stop
    )


@jit
def change_sequences(
    couplings: Any, walk: Walk, moves: Moves, layout: Layout, temperature: float, miss: float
) -> None:
    """Propose as many moves as the sequences have periods."""
    n_sequences, rng = len(layout.lengths), walk.rng
    for _ in range(layout.lengths.sum()):
        a = below(rng, n_sequences)
        b = a
        kind = below(rng, 8)
        walk.counts[2] += _PROPOSAL_WORK
        if kind < 5 or n_sequences == 1:
            n_moved, start, stop = list_one(layout, moves, a, kind, rng)
        else:
            b = (a + 1 + below(rng, n_sequences - 1)) % n_sequences
            n_moved, start, stop = list_two(layout, moves, a, b, kind, rng)
        if n_moved <= 0:
            continue
        toggle_states(layout, moves, n_moved)
        right = holds(layout, moves, a, start, stop)
        if right and b != a:
            right = holds(layout, moves, b, start, stop)
        if not right or not decide(couplings, walk, moves, layout, n_moved, temperature, miss):
            toggle_states(layout, moves, n_moved)


@jit
def sweep_native(
    couplings: Any,
    walk: Walk,
    moves: Moves,
    layout: Layout,
    temperatures: FloatArray,
    first: int,
    budget: int,
) -> Any:
    """Sweep from sweep `first` on until none is left or `budget` is used; return the next one.

    One sweep proposes as many moves as there are bits and fixed periods.
    """
    budget += walk.counts[2]
    hottest = temperatures[0]
    miss = MISS * hottest if 0.0 < hottest < np.inf else np.inf
    now = first
    while now < len(temperatures) and walk.counts[2] < budget:
        flip_free(couplings, walk, moves, layout, temperatures[now], miss)
        swap_members(couplings, walk, moves, layout, temperatures[now], miss)
        change_sequences(couplings, walk, moves, layout, temperatures[now], miss)
        walk.counts[2] += len(walk.sign)
        now += 1
    if moves.is_best[0]:
        note_best(walk)
    return now
