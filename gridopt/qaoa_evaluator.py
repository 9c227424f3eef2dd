"""Exact energies of a QAOA circuit, from the diagonal of its cost and in place.

The amplitudes of the bit strings that the groups allow are two arrays, real and imaginary part. A
cost layer multiplies them by phases. Mixers take two passes over the memory, whatever the number of
qubits: one over blocks that stay in the cache, for the low qubits, one over columns of such blocks,
for the high ones. Threads share out blocks, and each block is computed in the same way by any of
them: results do not depend on their number.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from gridopt.arrays import FloatArray, IntArray
from gridopt.ising import Ising
from gridopt.qaoa_ansatz import Ansatz, allowed_states, ring_pairs
from gridopt.qubo import Qubo

ComplexArray = npt.NDArray[np.complex128]

BYTES_PER_STATE = 48
"""Amplitude 16, cost 8, order 8; energies and their order while they are made."""

_LOW_QUBITS = 12
"""Qubits of a block: 64 KiB of amplitudes."""

_COLUMNS = 16
"""Columns of blocks that are mixed at once: two cache lines."""

_ENERGY_BLOCK = 1 << 14

_THREADED = 1 << 15
"""States from which on it pays to use threads."""

_THREADS = os.cpu_count() or 1


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _phase(
    first: int, last: int, re: FloatArray, im: FloatArray, cost: FloatArray, gamma: float
) -> None:
    """Multiply states `first` to `last` by e^{−iγ·cost}.

    Sine and cosine are polynomials on a quarter turn, error 1e-15: the loop runs in vector
    registers, which calls of the library's do not.
    """
    for k in range(first, last):
        angle = gamma * cost[k]
        quarter = np.floor(angle * 0.6366197723675814 + 0.5)
        # π/2 in two parts
        r = (angle - quarter * 1.5707963267948966) - quarter * 6.123233995736766e-17
        x = r * r
        sine = 1.0 / 6227020800.0 - x / 1307674368000.0
        sine = -1.0 / 39916800.0 + x * sine
        sine = 1.0 / 362880.0 + x * sine
        sine = -1.0 / 5040.0 + x * sine
        sine = 1.0 / 120.0 + x * sine
        sine = -1.0 / 6.0 + x * sine
        sine = r + r * x * sine
        cosine = -1.0 / 87178291200.0 + x / 20922789888000.0
        cosine = 1.0 / 479001600.0 + x * cosine
        cosine = -1.0 / 3628800.0 + x * cosine
        cosine = 1.0 / 40320.0 + x * cosine
        cosine = -1.0 / 720.0 + x * cosine
        cosine = 1.0 / 24.0 + x * cosine
        cosine = -0.5 + x * cosine
        cosine = 1.0 + x * cosine
        turn = quarter - 4.0 * np.floor(quarter * 0.25)
        swapped = (turn == 1.0) | (turn == 3.0)
        c = sine if swapped else cosine
        s = cosine if swapped else sine
        c = -c if (turn == 1.0) | (turn == 2.0) else c
        s = -s if turn >= 2.0 else s
        a, b = re[k], im[k]
        re[k] = c * a + s * b
        im[k] = c * b - s * a


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _turn(
    re: FloatArray, im: FloatArray, off: int, on: int, width: int, turn: FloatArray
) -> None:
    """Apply c + i(x·X + z·Z), `turn` = (c, x, z), to `width` neighboring pairs of amplitudes."""
    c, x, z = turn[0], turn[1], turn[2]
    for k in range(width):
        i, j = off + k, on + k
        re_off, im_off, re_on, im_on = re[i], im[i], re[j], im[j]
        re[i] = c * re_off - z * im_off - x * im_on
        im[i] = c * im_off + z * re_off + x * re_on
        re[j] = c * re_on + z * im_on - x * im_off
        im[j] = c * im_on - z * re_on + x * re_off


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _mix_low(
    first: int, last: int, re: FloatArray, im: FloatArray, n_low: int, turns: FloatArray
) -> None:
    """Mix qubits 0 to `n_low` − 1 in blocks `first` to `last` of 2^n_low states."""
    size = 1 << n_low
    for block in range(first, last):
        start = block * size
        for qubit in range(n_low):
            half = 1 << qubit
            for off in range(start, start + size, 2 * half):
                _turn(re, im, off, off + half, half, turns[qubit])


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _mix_high(
    first: int,
    last: int,
    re: FloatArray,
    im: FloatArray,
    n_low: int,
    n_high: int,
    width: int,
    turns: FloatArray,
) -> None:
    """Mix the `n_high` qubits above the low ones, in strips of `width` columns of blocks."""
    size, rows = 1 << n_low, 1 << n_high
    strips = size // width
    own_re, own_im = np.empty(rows * width), np.empty(rows * width)
    for strip in range(first, last):
        start = (strip // strips) * size * rows + (strip % strips) * width
        for row in range(rows):
            for k in range(width):
                own_re[row * width + k] = re[start + row * size + k]
                own_im[row * width + k] = im[start + row * size + k]
        for qubit in range(n_high):
            half = width << qubit
            for off in range(0, rows * width, 2 * half):
                _turn(own_re, own_im, off, off + half, half, turns[n_low + qubit])
        for row in range(rows):
            for k in range(width):
                re[start + row * size + k] = own_re[row * width + k]
                im[start + row * size + k] = own_im[row * width + k]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _mix_group(
    first: int, last: int, re: FloatArray, im: FloatArray, right: int, unitary: ComplexArray
) -> None:
    """Apply a unitary to the middle axis of the states, (left, d, right); strips are (left, right)."""
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


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
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


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
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
        lowest = self.cost <= self.cost.min() + 1e-9
        return float(self.probabilities(angles)[lowest].sum())

    def _run(self, angles: FloatArray) -> None:
        gammas, betas = np.split(np.asarray(angles, dtype=np.float64), 2)
        self._start()
        for gamma, beta in zip(gammas, betas, strict=True):
            _shared(_phase, len(self.cost), self.re, self.im, self.cost, float(gamma))
            self._mix_free(float(beta))
            self._mix_groups(float(beta))

    def _start(self) -> None:
        free = self.ansatz.tilt[self.ansatz.free]
        block = self.re[: 1 << len(free)]
        self.im[:] = 0.0
        block[0] = math.sqrt(len(block) / len(self.cost))
        for k, theta in enumerate(free):
            half = 1 << k
            np.multiply(block[:half], math.sin(theta / 2.0), out=block[half : 2 * half])
            block[:half] *= math.cos(theta / 2.0)
        self.re.reshape(-1, len(block))[1:] = block

    def _mix_free(self, beta: float) -> None:
        theta = self.ansatz.tilt[self.ansatz.free]
        sine = math.sin(beta)
        turns = np.column_stack(
            (np.full(len(theta), math.cos(beta)), sine * np.sin(theta), sine * np.cos(theta))
        )
        n_low = min(len(theta), _LOW_QUBITS)
        n_high = len(theta) - n_low
        if n_low:
            _shared(_mix_low, len(self.cost) >> n_low, self.re, self.im, n_low, turns)
        if n_high:
            strips = (len(self.cost) >> n_high) // _COLUMNS
            _shared(_mix_high, strips, self.re, self.im, n_low, n_high, _COLUMNS, turns)

    def _mix_groups(self, beta: float) -> None:
        right = len(self.cost)
        for group in self.ansatz.groups:
            unitary = ring_unitary(len(group.bits), group.count, beta)
            right //= len(unitary)
            _shared(_mix_group, len(self.cost) // len(unitary), self.re, self.im, right, unitary)


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


def _shared(kernel: Callable[..., None], count: int, re: FloatArray, *rest: Any) -> None:
    """Run a kernel over `count` parts of the states, in threads where there are many states."""
    threads = min(_THREADS, count) if len(re) >= _THREADED else 1
    if threads == 1:
        kernel(0, count, re, *rest)
        return
    edges = [count * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        parts = [
            pool.submit(kernel, first, last, re, *rest)
            for first, last in zip(edges[:-1], edges[1:], strict=True)
        ]
    for part in parts:
        part.result()
