"""Exact energies of a QAOA circuit, from the diagonal of its cost and in place.

The amplitudes of the bit strings that the groups allow are two arrays, real and imaginary part. A
cost layer multiplies them by phases. Mixers take two passes over the memory, whatever the number of
qubits: one over blocks that stay in the cache, for the low qubits, one over columns of such blocks,
for the high ones. Threads share out blocks, and each block is computed in the same way by any of
them: results do not depend on their number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.circuits.ansatz import Ansatz, allowed_states, ring_pairs
from gridopt.circuits.ising import Ising
from gridopt.compiling import jit, threads_within
from gridopt.lowering.qubo import Qubo

ComplexArray = npt.NDArray[np.complex128]

BYTES_PER_STATE = 48
"""Amplitude 16, cost 8, order 8; energies and their order while they are made."""

_LOW_QUBITS = 11
"""Qubits of a block: 32 KiB of amplitudes."""

_COLUMNS = 16
"""Columns of blocks that are mixed at once: two cache lines."""

_ENERGY_BLOCK = 1 << 14

_THREADED = 1 << 18
"""States from which on it pays to use threads."""

_THREADS = threads_within(None)


# Kernels work on slices, first place 0: where numba has to allow for negative places, it leaves the
# vector registers, and takes four to nine times as long.


@jit
def _phase(
    first: int, last: int, re: FloatArray, im: FloatArray, cost: FloatArray, gamma: float
) -> None:
    """Multiply states `first` to `last` by e^{−iγ·cost}.

    Sine and cosine are Taylor polynomials on a quarter turn, error 1e-15 at angles of order 10.
    """
    re, im, cost = re[first:last], im[first:last], cost[first:last]
    for k in range(len(cost)):
        angle = gamma * cost[k]
        quarters = np.floor(angle * (2.0 / np.pi) + 0.5)
        # π/2 in two parts
        r = (angle - quarters * 1.5707963267948966) - quarters * 6.123233995736766e-17
        x = r * r
        sine = 1.0 / 6227020800.0 - x * (1.0 / 1307674368000.0)
        sine = -1.0 / 39916800.0 + x * sine
        sine = 1.0 / 362880.0 + x * sine
        sine = -1.0 / 5040.0 + x * sine
        sine = 1.0 / 120.0 + x * sine
        sine = -1.0 / 6.0 + x * sine
        sine = r + r * x * sine
        cosine = -1.0 / 87178291200.0 + x * (1.0 / 20922789888000.0)
        cosine = 1.0 / 479001600.0 + x * cosine
        cosine = -1.0 / 3628800.0 + x * cosine
        cosine = 1.0 / 40320.0 + x * cosine
        cosine = -1.0 / 720.0 + x * cosine
        cosine = 1.0 / 24.0 + x * cosine
        cosine = -0.5 + x * cosine
        cosine = 1.0 + x * cosine
        halves = np.floor(quarters * 0.5)
        odd = quarters - 2.0 * halves
        sign = 1.0 - 2.0 * (halves - 2.0 * np.floor(halves * 0.5))
        c = sign * (cosine - odd * (cosine + sine))
        s = sign * (sine + odd * (cosine - sine))
        a, b = re[k], im[k]
        re[k] = c * a + s * b
        im[k] = c * b - s * a


@jit
def _turn(re: FloatArray, im: FloatArray, half: int, turn: FloatArray) -> None:
    """Apply c + i(x·X + z·Z), `turn` = (c, x, z), to the qubit of place value `half`."""
    c, x, z = turn[0], turn[1], turn[2]
    for start in range(0, len(re), 2 * half):
        re_off, re_on = re[start : start + half], re[start + half : start + 2 * half]
        im_off, im_on = im[start : start + half], im[start + half : start + 2 * half]
        for k in range(half):
            a, b, e, f = re_off[k], im_off[k], re_on[k], im_on[k]
            re_off[k] = c * a - z * b - x * f
            im_off[k] = c * b + z * a + x * e
            re_on[k] = c * e + z * f - x * b
            im_on[k] = c * f - z * e + x * a


@jit
def _mix_low(
    first: int, last: int, re: FloatArray, im: FloatArray, n_low: int, turns: FloatArray
) -> None:
    """Mix qubits 0 to `n_low` − 1 in blocks `first` to `last` of 2^n_low states.

    The lower half of them is mixed in a transposed copy, where their pairs are far apart.
    """
    inner = n_low // 2
    size, columns = 1 << n_low, 1 << inner
    rows = size // columns
    own_re, own_im = np.empty(size), np.empty(size)
    for block in range(first, last):
        block_re = re[block * size : (block + 1) * size]
        block_im = im[block * size : (block + 1) * size]
        for row in range(rows):
            for column in range(columns):
                own_re[column * rows + row] = block_re[row * columns + column]
                own_im[column * rows + row] = block_im[row * columns + column]
        for qubit in range(inner):
            _turn(own_re, own_im, rows << qubit, turns[qubit])
        for row in range(rows):
            for column in range(columns):
                block_re[row * columns + column] = own_re[column * rows + row]
                block_im[row * columns + column] = own_im[column * rows + row]
        for qubit in range(inner, n_low):
            _turn(block_re, block_im, 1 << qubit, turns[qubit])


@jit
def _mix_high(
    first: int,
    last: int,
    re: FloatArray,
    im: FloatArray,
    n_low: int,
    n_high: int,
    turns: FloatArray,
) -> None:
    """Mix the `n_high` qubits above the low ones, in strips of `_COLUMNS` columns of blocks."""
    size, rows, width = 1 << n_low, 1 << n_high, _COLUMNS
    strips = size // width
    own_re, own_im = np.empty(rows * width), np.empty(rows * width)
    for strip in range(first, last):
        start = (strip // strips) * size * rows + (strip % strips) * width
        for row in range(rows):
            place = start + row * size
            own_re[row * width : (row + 1) * width] = re[place : place + width]
            own_im[row * width : (row + 1) * width] = im[place : place + width]
        for qubit in range(n_high):
            _turn(own_re, own_im, width << qubit, turns[n_low + qubit])
        for row in range(rows):
            place = start + row * size
            re[place : place + width] = own_re[row * width : (row + 1) * width]
            im[place : place + width] = own_im[row * width : (row + 1) * width]


@jit
def _mix_group(
    first: int, last: int, re: FloatArray, im: FloatArray, right: int, unitary: ComplexArray
) -> None:
    """Apply a unitary to the middle axis of the states, (left, d, right), strip by strip of it."""
    d = len(unitary)
    own = np.empty(d, dtype=np.complex128)
    for strip in range(first, last):
        start = (strip // right) * d * right + strip % right
        for k in range(d):
            own[k] = complex(re[start + k * right], im[start + k * right])
        for k in range(d):
            total = 0j
            for j in range(d):
                total += unitary[k, j] * own[j]
            re[start + k * right] = total.real
            im[start + k * right] = total.imag


@jit
def _best_part(
    re: FloatArray, im: FloatArray, cost: FloatArray, order: IntArray, share: float
) -> float:
    """Return the mean cost of the best `share` of the distribution."""
    left, total = share, 0.0
    for k in order:
        probability = min(re[k] * re[k] + im[k] * im[k], left)
        total += probability * cost[k]
        left -= probability
        if left <= 0.0:
            break
    return total / (share - left)


@jit
def _mean(re: FloatArray, im: FloatArray, cost: FloatArray) -> float:
    total = 0.0
    for k in range(len(cost)):
        total += (re[k] * re[k] + im[k] * im[k]) * cost[k]
    return total


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Exact distribution of a QAOA circuit over the bit strings that its groups allow.

    Place = (place in the product of the groups, first group slowest) · 2^m + (free bits, first one
    lowest). Without groups it is the place in the QUBO's spectrum.

    Parameters
    ----------
    ansatz : Ansatz
    cost : array, (N,)
        (energy − mean) / scale of every state.
    order : array of int, (N,), or None
        Places by rising cost; None where the expectation is wanted.
    cvar : float
        Part of the distribution, the best one, whose mean is the value; 1 is the expectation.
    mean, scale : float
        Mean and standard deviation of the energies of *all* bit strings, so that angles are of
        order 1 and need no enumeration to be rescaled.
    re, im : array, (N,)
        The amplitudes; overwritten by each evaluation.
    """

    ansatz: Ansatz
    cost: FloatArray
    order: IntArray | None
    cvar: float
    mean: float
    scale: float
    re: FloatArray
    im: FloatArray

    @staticmethod
    def of(qubo: Qubo, ansatz: Ansatz | None = None, cvar: float = 1.0) -> Evaluator:
        """Return the evaluator of `qubo`'s energies; |+⟩ and the mixer X by default."""
        ansatz = ansatz or Ansatz.plain(qubo.n_bits)
        model = Ising.of(qubo)
        cost = _energies(qubo, ansatz)
        cost -= model.constant
        cost /= model.spread
        order = np.argsort(cost, kind="stable") if cvar < 1.0 else None
        re, im = np.empty(len(cost)), np.empty(len(cost))
        return Evaluator(ansatz, cost, order, cvar, model.constant, model.spread, re, im)

    def value(self, angles: FloatArray) -> float:
        """Return the mean cost of the best `cvar` of the distribution.

        Parameters
        ----------
        angles : array, (2p,)
            γ of each layer in units of 1/scale, then β of each layer.
        """
        self._run(angles)
        if self.order is None:
            return float(_mean(self.re, self.im, self.cost))
        return float(_best_part(self.re, self.im, self.cost, self.order, self.cvar))

    def energy(self, angles: FloatArray) -> float:
        """Return `value` as an energy of the QUBO."""
        return self.value(angles) * self.scale + self.mean

    def state(self, angles: FloatArray) -> ComplexArray:
        """Return the amplitudes after all layers, (N,)."""
        self._run(angles)
        return self.re + 1j * self.im

    def probabilities(self, angles: FloatArray) -> FloatArray:
        """Return the probability of every state, (N,)."""
        self._run(angles)
        return self.re**2 + self.im**2

    def ground_probability(self, angles: FloatArray) -> float:
        """Return the probability of all states of lowest energy."""
        return float(self.probabilities(angles)[self._lowest].sum())

    @property
    def ground_share(self) -> float:
        """Share of the states that have the lowest energy: their probability under fair draws."""
        return float(self._lowest.mean())

    @property
    def _lowest(self) -> BoolArray:
        return np.asarray(self.cost <= self.cost.min() + 1e-9)

    def _run(self, angles: FloatArray) -> None:
        gammas, betas = np.split(np.asarray(angles, dtype=np.float64), 2)
        theta = self.ansatz.tilt[self.ansatz.free]
        self._start(theta)
        with _Workers(len(self.cost)) as workers:
            for gamma, beta in zip(gammas, betas, strict=True):
                workers.share(_phase, len(self.cost), self.re, self.im, self.cost, float(gamma))
                self._mix_free(workers, theta, float(beta))
                self._mix_groups(workers, float(beta))

    def _start(self, theta: FloatArray) -> None:
        block = self.re[: 1 << len(theta)]
        self.im[:] = 0.0
        block[0] = math.sqrt(len(block) / len(self.cost))
        for k in range(len(theta)):
            half = 1 << k
            np.multiply(block[:half], math.sin(theta[k] / 2.0), out=block[half : 2 * half])
            block[:half] *= math.cos(theta[k] / 2.0)
        self.re.reshape(-1, len(block))[1:] = block

    def _mix_free(self, workers: _Workers, theta: FloatArray, beta: float) -> None:
        sine = math.sin(beta)
        turns = np.column_stack(
            (np.full(len(theta), math.cos(beta)), sine * np.sin(theta), sine * np.cos(theta))
        )
        n_low = min(len(theta), _LOW_QUBITS)
        n_high = len(theta) - n_low
        if n_low:
            workers.share(_mix_low, len(self.cost) >> n_low, self.re, self.im, n_low, turns)
        if n_high:
            strips = (len(self.cost) >> n_high) // _COLUMNS
            workers.share(_mix_high, strips, self.re, self.im, n_low, n_high, turns)

    def _mix_groups(self, workers: _Workers, beta: float) -> None:
        right = len(self.cost)
        for group in self.ansatz.groups:
            unitary = ring_unitary(len(group.bits), group.count, beta)
            right //= len(unitary)
            strips = len(self.cost) // len(unitary)
            workers.share(_mix_group, strips, self.re, self.im, right, unitary)


class _Workers:
    """Threads for the kernels of one evaluation; none where there are few states."""

    def __init__(self, n_states: int) -> None:
        self._count = _THREADS if n_states >= _THREADED else 1
        self._pool = ThreadPoolExecutor(self._count) if self._count > 1 else None

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def share(self, kernel: Callable[..., None], n_parts: int, *arrays: Any) -> None:
        """Run a kernel over all parts of the states."""
        if self._pool is None:
            kernel(0, n_parts, *arrays)
            return
        edges = [n_parts * k // self._count for k in range(self._count + 1)]
        runs = [self._pool.submit(kernel, *edge, *arrays) for edge in pairwise(edges)]
        for run in runs:
            run.result()


def ring_unitary(size: int, count: int, beta: float) -> ComplexArray:
    """Return the XY gates of one layer on a group, over its allowed states, (d, d)."""
    states = allowed_states(size, count)
    places = {state.tobytes(): place for place, state in enumerate(states)}
    unitary = np.eye(len(states), dtype=np.complex128)
    for i, j in ring_pairs(size):
        swapped = states.copy()
        swapped[:, [i, j]] = states[:, [j, i]]
        partner = np.array([places[state.tobytes()] for state in swapped])
        moves = (partner != np.arange(len(states)))[:, np.newaxis]
        turned = math.cos(beta) * unitary + 1j * math.sin(beta) * unitary[partner]
        unitary = np.where(moves, turned, unitary)
    return unitary


def bits_at(ansatz: Ansatz, places: IntArray) -> npt.NDArray[np.uint8]:
    """Return the bit strings at places of an evaluator, (R, n)."""
    free = ansatz.free
    bits = np.zeros((len(places), ansatz.n_qubits), dtype=np.uint8)
    bits[:, free] = (places[:, np.newaxis] >> np.arange(len(free))) & 1
    rest = places >> len(free)
    for group in reversed(ansatz.groups):
        states = allowed_states(len(group.bits), group.count)
        rest, own = np.divmod(rest, len(states))
        bits[:, group.bits] = states[own]
    return bits


def _energies(qubo: Qubo, ansatz: Ansatz) -> FloatArray:
    if not ansatz.groups:
        return qubo.spectrum()
    energies = np.empty(ansatz.n_states)
    for first in range(0, len(energies), _ENERGY_BLOCK):
        part = energies[first : first + _ENERGY_BLOCK]
        part[:] = qubo.energy(bits_at(ansatz, first + np.arange(len(part))))
    return energies
