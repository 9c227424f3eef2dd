"""The AC equations of one net: what voltages mean for power, losses and loadings.

In rectangular coordinates the equations are quadratic in the voltages, so that many cases are
evaluated by one sparse product and no trigonometry. Derivatives are those of Sereeter and
Zimmerman, "AC power flows, generalized OPF costs and their derivatives using complex matrix
notation and Cartesian coordinate voltages", MATPOWER Technical Note 4, 2018,
doi 10.5281/zenodo.3237909.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from gridopt.arrays import ComplexArray, FloatArray, IntArray, freeze
from gridopt.grid import ElementKey

TOLERANCE_MVA = 1e-9
"""Largest mismatch at a bus of a solved case; rounding alone may be more where lines are short."""

HELD_TOLERANCE = 1e-11
"""Largest error of a squared voltage that is held, in pu."""

ROUNDING = 64.0 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class ACModel:
    """Admittances and bus types of a net with n nodes, in per unit of `base_mva`.

    Parameters
    ----------
    base_mva : float
    n_held, n_free : int
        Nodes are in the order: held voltage (PV), free (PQ), reference (slack).
    admittance : sparse array, (n, n)
        Bus admittance matrix, shunts included.
    loss_admittance : sparse array, (n, n)
        Y with Re(V* · Y V) the active power lost in branches.
    bus : array of int, (B,)
        Index in the net of each bus that is in service and supplied, in the net's order.
    node : array of int, (B,)
        Node of each bus; fused buses share one.
    branch : tuple of (str, int), (L,)
        Lines, then transformers of two and three windings, that are in service.
    first : array of int, (L,)
        First row of each branch in the arrays below; three-winding transformers have up to three.
    from_node, to_node : array of int, (M,)
        Ends of each row; of three windings, the star point is at one end.
    from_admittance, to_admittance : sparse array, (M, n)
        Current into each end, for voltages of 1.
    from_percent, to_percent : array, (M,)
        Loading at a current of 1 pu; 0 at a star point, NaN or inf where there is no rating.

    See Also
    --------
    gridopt.io.net_ac_model.read_ac_model : The way from a net to a model.
    """

    base_mva: float
    n_held: int
    n_free: int
    admittance: sparse.csr_array
    loss_admittance: sparse.csr_array
    bus: IntArray
    node: IntArray
    branch: tuple[ElementKey, ...]
    first: IntArray
    from_node: IntArray
    to_node: IntArray
    from_admittance: sparse.csr_array
    to_admittance: sparse.csr_array
    from_percent: FloatArray
    to_percent: FloatArray

    def __post_init__(self) -> None:
        freeze(self, floats="from_percent to_percent", integers="bus node first from_node to_node")

    @property
    def n_nodes(self) -> int:
        """Number of nodes, n."""
        return int(self.admittance.shape[0])

    @property
    def n_moving(self) -> int:
        """Number of nodes whose voltage is unknown, m."""
        return self.n_held + self.n_free

    def injection(self, p_mw: FloatArray, q_mvar: FloatArray) -> ComplexArray:
        """Return powers at buses, (N, B), as powers at nodes in pu, (n, N)."""
        power = np.asarray((p_mw + 1j * q_mvar).T, dtype=np.complex128)
        return _times(self._at_node, power / self.base_mva)

    def power(self, voltage: ComplexArray) -> ComplexArray:
        """Return the power that nodes give to the net in pu, (n, N), for voltages (n, N)."""
        return np.asarray(voltage * np.conj(_times(self.admittance, voltage)))

    def mismatch(self, voltage: ComplexArray, power: ComplexArray, held: FloatArray) -> FloatArray:
        """Return what the equations miss, (2 m, N).

        Rows are active power at moving nodes, squares of held voltages, reactive power at free
        nodes.

        Parameters
        ----------
        voltage, power : array of complex, (n, N)
            In pu; the reactive power of held nodes counts for nothing.
        held : array, (n_held,)
            Squares of held voltages in pu.
        """
        m, h = self.n_moving, self.n_held
        short = voltage[:m] * np.conj(_times(self._moving, voltage)) - power[:m]
        rows = np.empty((2 * m, voltage.shape[1]))
        rows[:m], rows[m + h :] = short.real, short.imag[h:]
        rows[m : m + h] = _square(voltage[:h]) - held[:, np.newaxis]
        return rows

    def factor(self, voltage: ComplexArray) -> SuperLU:
        """Return the factors of the Jacobian at voltages (n,).

        Raises
        ------
        RuntimeError
            If it is singular.
        """
        return splu(self._jacobian(voltage))

    def _jacobian(self, voltage: ComplexArray) -> sparse.csc_array:
        m, h = self.n_moving, self.n_held
        own = sparse.diags_array(np.conj(_times(self._moving, voltage)))
        others = sparse.diags_array(voltage[:m]) @ self._moving[:, :m].conj()
        by_real, by_imaginary = sparse.csr_array(own + others), sparse.csr_array(own - others)
        square = 2.0 * sparse.eye_array(h, m)
        blocks: list[list[Any]] = [
            [by_real.real, -by_imaginary.imag],
            [square * voltage[:m].real, square * voltage[:m].imag],
            [by_real.imag[h:], by_imaginary.real[h:]],
        ]
        return sparse.csc_array(sparse.block_array(blocks))

    @cached_property
    def tolerance(self) -> FloatArray:
        """Largest mismatch of each row of `mismatch` in a solved case, (2 m, 1)."""
        weight = np.asarray(abs(self._moving).sum(axis=1)).ravel()
        power = np.maximum(TOLERANCE_MVA / self.base_mva, ROUNDING * weight)
        held = np.full(self.n_held, HELD_TOLERANCE)
        return np.concatenate([power, held, power[self.n_held :]])[:, np.newaxis]

    def loss_mw(self, voltage: ComplexArray) -> FloatArray:
        """Return the active power lost in branches, (N,), for voltages (n, N)."""
        lost = voltage * np.conj(_times(self.loss_admittance, voltage))
        return np.asarray(self.base_mva * lost.real.sum(axis=0))

    def reference_mw(self, voltage: ComplexArray) -> FloatArray:
        """Return the active power from reference nodes into the net, (N,)."""
        current = _times(self.admittance[self.n_moving :], voltage)
        given = (voltage[self.n_moving :] * np.conj(current)).real
        return np.asarray(self.base_mva * given.sum(axis=0))

    def from_mva(self, voltage: ComplexArray) -> ComplexArray:
        """Return the complex power into each row at its from end, (M, N)."""
        current = _times(self.from_admittance, voltage)
        return np.asarray(self.base_mva * voltage[self.from_node] * np.conj(current))

    def to_mva(self, voltage: ComplexArray) -> ComplexArray:
        """Return the complex power into each row at its to end, (M, N)."""
        current = _times(self.to_admittance, voltage)
        return np.asarray(self.base_mva * voltage[self.to_node] * np.conj(current))

    def loading_percent(self, voltage: ComplexArray) -> FloatArray:
        """Return the loading of each branch by current, (L, N): of its ends the higher."""
        if not len(self.first):
            return np.zeros((0, voltage.shape[1]))
        with np.errstate(invalid="ignore"):  # no current through no rating
            rows = np.maximum(
                self.from_percent[:, np.newaxis] * abs(_times(self.from_admittance, voltage)),
                self.to_percent[:, np.newaxis] * abs(_times(self.to_admittance, voltage)),
            )
            return np.asarray(np.maximum.reduceat(rows, self.first, axis=0))

    @cached_property
    def _moving(self) -> sparse.csr_array:
        return sparse.csr_array(self.admittance[: self.n_moving])

    @cached_property
    def _at_node(self) -> sparse.csr_array:
        B = len(self.bus)
        entries = (np.ones(B), (self.node, np.arange(B)))
        return sparse.csr_array(sparse.coo_array(entries, shape=(self.n_nodes, B)))


def _times(matrix: sparse.csr_array, values: ComplexArray) -> ComplexArray:
    return np.asarray(matrix @ values)


def _square(values: ComplexArray) -> FloatArray:
    return np.asarray(values.real**2 + values.imag**2)
