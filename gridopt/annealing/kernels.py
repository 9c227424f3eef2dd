"""The inner loop of annealing by single flips, compiled by numba.

It sweeps over the bits in order and keeps, for every bit i, its sign t_i = 1 − 2 z_i and its
field f_i = Q_ii + Σ_j S_ij z_j, with S = Q + Q' without its diagonal: flipping i changes the
energy by t_i f_i. A flip is accepted where t_i f_i < T·e with e from the exponential distribution,
which is the rule of Metropolis et al. (1953, doi 10.1063/1.1699114) without an exponential in the
loop.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import overload

from gridopt.arrays import FloatArray, IntArray
from gridopt.compiling import jit

RealArray = npt.NDArray[Any]
"""Single precision where that is exact, else double: all of one call alike."""
RandomState = npt.NDArray[np.uint64]

BLOCK = 32
"""Bits that are passed over together where none of them can flip."""

N_THRESHOLDS = 1 << 16

_U = np.uint64


class Rows(NamedTuple):
    """S in compressed sparse rows, (n + 1,), (m,) and (m,), columns in order."""

    start: IntArray
    column: npt.NDArray[np.int32]
    value: RealArray


class Walk(NamedTuple):
    """One read, changed in place.

    Parameters
    ----------
    field, sign : arrays, (n,)
    best : array of uint8, (n,)
        Bits of the best state seen.
    energies : array, (2,)
        Of the state and of the best one, without the offset.
    rng : array of uint64, (1,)
    counts : array of int, (3,)
        Moves proposed, moves accepted, and work: proposals plus entries of S that were read.
    flipped : array of int, (n,)
        Room for the flips of one sweep.
    """

    field: RealArray
    sign: RealArray
    best: npt.NDArray[np.uint8]
    energies: FloatArray
    rng: RandomState
    counts: IntArray
    flipped: IntArray


@jit
def draw(rng: RandomState) -> Any:
    """Return 64 random bits and step the generator, (1,): SplitMix64.

    Steele, Lea & Flood 2014, doi 10.1145/2660193.2660195.
    """
    rng[0] += _U(0x9E3779B97F4A7C15)
    x = rng[0]
    x = (x ^ (x >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> _U(27))) * _U(0x94D049BB133111EB)
    return x ^ (x >> _U(31))


def thresholds(dtype: npt.DTypeLike) -> RealArray:
    """Return the 2¹⁶ mid-quantiles of the exponential distribution in a random order.

    A block of bits takes consecutive ones from a random place on. Acceptance is thereby rounded to
    steps of 2⁻¹⁶, and moves uphill by more than 11.8 temperatures never happen. The first `BLOCK`
    stand once more at the end.
    """
    quantiles = -np.log((np.arange(N_THRESHOLDS) + 0.5) / N_THRESHOLDS)
    mixed = np.random.default_rng(0).permutation(quantiles)
    return np.concatenate((mixed, mixed[:BLOCK])).astype(dtype)


def push(couplings: Any, field: RealArray, i: int, s: Any) -> int:
    """Add s times row i of S, `Rows` or a dense matrix, to `field`; return the work.

    Only for compiled functions.
    """
    raise NotImplementedError


def _push(couplings: Any, field: Any, i: Any, s: Any) -> Any:  # noqa: ARG001
    def dense(couplings: Any, field: Any, i: Any, s: Any) -> Any:
        row = couplings[i]
        for k in range(len(field)):
            field[k] += s * row[k]
        return len(field) >> 3

    def sparse(couplings: Any, field: Any, i: Any, s: Any) -> Any:
        for k in range(couplings.start[i], couplings.start[i + 1]):
            field[couplings.column[k]] += s * couplings.value[k]
        return couplings.start[i + 1] - couplings.start[i]

    return dense if isinstance(couplings, types.Array) else sparse


overload(push)(_push)


@jit
def keep_best(walk: Walk, start: int, stop: int) -> None:
    """Keep the state before the flips `start` to `stop` of this sweep."""
    for i in range(len(walk.sign)):
        walk.best[i] = walk.sign[i] < 0
    for k in range(start, stop):
        walk.best[walk.flipped[k]] ^= 1


@jit
def sweep(
    couplings: Any,
    walk: Walk,
    temperatures: RealArray,
    exponentials: RealArray,
    first: int,
    budget: int,
) -> int:
    """Sweep from sweep `first` on until none is left or `budget` is used; return the next one.

    Parameters
    ----------
    couplings : Rows or array, (n, n)
        S.
    walk : Walk
    temperatures : array, (sweeps,)
        At 0 only flips that lower the energy are accepted.
    exponentials : array
        From `thresholds`.
    first : int
    budget : int
        Work after which no further sweep begins.
    """
    field, sign, counts = walk.field, walk.sign, walk.counts
    n = len(field)
    budget += counts[2]
    now = first
    while now < len(temperatures) and counts[2] < budget:
        temperature = temperatures[now]
        n_flipped, lowest_at, work = 0, -1, n
        energy, lowest = walk.energies[0], walk.energies[1]
        for start in range(0, n, BLOCK):
            stop = min(start + BLOCK, n)
            place = np.int64(draw(walk.rng) % _U(N_THRESHOLDS)) - start
            hits = 0
            for i in range(start, stop):
                hits += sign[i] * field[i] < temperature * exponentials[place + i]
            if hits == 0:
                continue
            for i in range(start, stop):
                change = sign[i] * field[i]
                if change < temperature * exponentials[place + i]:
                    s = sign[i]
                    sign[i] = -s
                    energy += change
                    work += push(couplings, field, i, s)
                    walk.flipped[n_flipped] = i
                    n_flipped += 1
                    if energy < lowest:
                        lowest, lowest_at = energy, n_flipped
        walk.energies[0] = energy
        if lowest_at >= 0:
            walk.energies[1] = lowest
            keep_best(walk, lowest_at, n_flipped)
        counts[0] += n
        counts[1] += n_flipped
        counts[2] += work
        now += 1
    return now
