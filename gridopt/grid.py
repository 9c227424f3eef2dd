"""The network of a study: buses, branches and the DC power flow between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import SuperLU, splu

from gridopt.arrays import BoolArray, FloatArray, IntArray, freeze
from gridopt.errors import Issue

ElementKey = tuple[str, int]
"""An element of the pandapower net: (type, index), such as ("gen", 3)."""


@dataclass(frozen=True, eq=False)
class Interfaces:
    """Groups of branches whose flows together have limits (corridors, borders): I of them.

    Parameters
    ----------
    name : tuple of str, (I,)
        Unique names.
    weight : array, (I, L)
        +1 where a branch's flow counts, −1 where it counts against its direction, else 0.
    lower_mw, upper_mw : array, (I,)
        Limits of the weighted sum.
    """

    name: tuple[str, ...] = ()
    weight: FloatArray = field(default_factory=partial(np.zeros, (0, 0)))
    lower_mw: FloatArray = field(default_factory=partial(np.zeros, 0))
    upper_mw: FloatArray = field(default_factory=partial(np.zeros, 0))

    def __post_init__(self) -> None:
        freeze(self, floats="weight lower_mw upper_mw")

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, eq=False)
class Grid:
    """Buses and branches with all that the DC power flow needs.

    Parameters
    ----------
    bus_name : tuple of str, (B,)
        Unique names.
    from_bus, to_bus : array of int, (L,)
        Positions in `bus_name`.
    branch_element : tuple of (str, int), (L,)
        Element that each branch belongs to; a three-winding transformer has three branches.
    branch_name : tuple of str, (L,)
        Unique names.
    susceptance_mw : array, (L,)
        MW per radian: base power / (reactance · tap ratio).
    shift_rad : array, (L,)
        Phase shift at the from side.
    rating_mw : array, (L,)
        Largest flow either way; inf where there is no effective rating.
    shunt_mw : array, (B,)
        Power taken by shunt conductances at 1 pu voltage.
    reference_bus : int
        Position of the bus whose angle is zero.
    emergency_rating_mw : array, (L,)
        Largest flow after an outage of another branch; the rating itself unless given.
    may_fail : array of bool, (L,)
        Branches whose outage an N−1 plan must stand; all unless given.
    interfaces : Interfaces

    Notes
    -----
    With angles θ and incidence C, branch flows are F = b·(Cθ − shift). Phase shifters and shunts
    enter as offsets, so F = H (P − P_shift − P_shunt) + F_shift with H the PTDF matrix
    (Stott, Jardim, Alsaç 2009, "DC power flow revisited", doi 10.1109/TPWRS.2009.2021235).
    """

    bus_name: tuple[str, ...]
    from_bus: IntArray
    to_bus: IntArray
    branch_element: tuple[ElementKey, ...]
    branch_name: tuple[str, ...]
    susceptance_mw: FloatArray
    shift_rad: FloatArray
    rating_mw: FloatArray
    shunt_mw: FloatArray
    reference_bus: int = 0
    emergency_rating_mw: FloatArray = field(default_factory=partial(np.array, np.nan))
    may_fail: BoolArray = field(default_factory=partial(np.array, True))
    interfaces: Interfaces = field(default_factory=Interfaces)

    def __post_init__(self) -> None:
        given = np.broadcast_to(self.emergency_rating_mw, (self.n_branches,))
        emergency = np.where(np.isnan(given), self.rating_mw, given)
        object.__setattr__(self, "emergency_rating_mw", emergency)
        failing = np.broadcast_to(self.may_fail, (self.n_branches,))
        object.__setattr__(self, "may_fail", failing)
        freeze(self, floats="emergency_rating_mw", booleans="may_fail")
        freeze(
            self,
            floats="susceptance_mw shift_rad rating_mw shunt_mw",
            integers="from_bus to_bus",
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields: what is derived from them is found again when asked for."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @staticmethod
    def single_bus(name: str = "system") -> Grid:
        """Return a grid of one bus and no branch, for systems without a network."""
        none, no_bus = np.zeros(0), np.zeros(0, dtype=np.int64)
        return Grid((name,), no_bus, no_bus, (), (), none, none, none, np.zeros(1))

    @property
    def n_buses(self) -> int:
        """Number of buses."""
        return len(self.bus_name)

    @property
    def n_branches(self) -> int:
        """Number of branches."""
        return len(self.branch_name)

    @cached_property
    def is_rated(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Branches with an effective rating, (L,)."""
        return np.isfinite(self.rating_mw)

    @cached_property
    def incidence(self) -> sparse.csr_array:
        """+1 at the from bus, −1 at the to bus, (L, B)."""
        line = np.arange(self.n_branches)
        ones = np.ones(self.n_branches)
        return sparse.coo_array(
            (
                np.concatenate([ones, -ones]),
                (np.concatenate([line, line]), np.concatenate([self.from_bus, self.to_bus])),
            ),
            shape=(self.n_branches, self.n_buses),
        ).tocsr()

    @cached_property
    def bridges(self) -> BoolArray:
        """Branches whose outage cuts buses off from the rest, (L,); the grid is connected.

        A spanning tree has one path between the ends of each branch outside of it. No branch of
        such a path is a bridge, and all others of the tree are (Tarjan 1974, "A note on finding
        the bridges of a graph", doi 10.1016/0020-0190(74)90003-9).
        """
        place, above, tree = self.spanning_tree()
        found = np.zeros(self.n_branches, dtype=np.bool_)
        found[tree[tree >= 0]] = True
        top = np.arange(self.n_buses)  # up to where the tree is known to hold no bridge
        for branch in np.flatnonzero(~found & (place[self.from_bus] >= 0)):
            a, b = _last(top, self.from_bus[branch]), _last(top, self.to_bus[branch])
            while a != b:
                a, b = (a, b) if place[a] > place[b] else (b, a)  # never above where they meet
                found[tree[a]] = False
                top[a] = above[a]
                a = _last(top, a)
        return found

    def issues(self) -> list[Issue]:
        """Return what keeps a DC power flow from being defined: separate parts of the net."""
        return [*self._separate_parts(), *self._interface_issues()]

    def _interface_issues(self) -> Iterator[Issue]:
        found, shape = self.interfaces, (len(self.interfaces), self.n_branches)
        if len(found) and found.weight.shape != shape:
            yield Issue("interfaces", "shape of weight", found.weight.shape, str(shape))
        for name in sorted({name for name in found.name if found.name.count(name) > 1}):
            yield Issue(f"interface {name}", "name", name, "a unique name")
        for name, low, high in zip(found.name, found.lower_mw, found.upper_mw, strict=False):
            if not low <= high:
                yield Issue(f"interface {name}", "lower_mw", low, f"at most upper_mw = {high:g}")

    def _separate_parts(self) -> list[Issue]:
        count, part = connected_components(abs(self.incidence.T @ self.incidence), directed=False)
        if count == 1:
            return []
        main = np.bincount(part).argmax()
        apart = [self.bus_name[b] for b in np.flatnonzero(part != main)]
        if count - 1 == len(apart):
            return [
                Issue(f"bus {name}", "in_service", "islanded", "a branch in service to the grid")
                for name in apart
            ]
        shown = ", ".join(apart[:10]) + (", …" if len(apart) > 10 else "")
        return [Issue("net", "connected parts", count, f"1; apart from the largest: {shown}")]

    def flows(self, injection_mw: FloatArray) -> FloatArray:
        """Return DC branch flows.

        Parameters
        ----------
        injection_mw : array, (B, T) or (B,)
            Net injection per bus; the reference bus takes up what does not balance.

        Returns
        -------
        array, (L, T) or (L,)
            MW, positive from `from_bus` to `to_bus`.
        """
        injected = np.asarray(injection_mw, dtype=np.float64)
        offset, shift = self.offset_mw, self.shift_flow_mw
        if injected.ndim == 2:
            offset, shift = offset[:, np.newaxis], shift[:, np.newaxis]
        angle = np.zeros_like(injected)
        if self.n_buses > 1:
            angle[self._free] = self._factor.solve((injected - offset)[self._free])
        return np.asarray(
            self.susceptance_mw.reshape(-1, *[1] * (injected.ndim - 1)) * (self.incidence @ angle)
            + shift
        )

    def ptdf(self, branches: IntArray) -> FloatArray:
        """Return rows of the power transfer distribution factors, (len(branches), B).

        Flow of a branch = PTDF · (injection − `offset_mw`) + `shift_flow_mw`.
        """
        rows = np.zeros((len(branches), self.n_buses))
        if self.n_buses > 1 and len(branches):
            scaled = self.incidence[branches].multiply(self.susceptance_mw[branches, np.newaxis])
            right = scaled.tocsc()[:, self._free].T.toarray()
            rows[:, self._free] = self._factor.solve(right).T
        return rows

    def lodf(self, outages: IntArray) -> FloatArray:
        """Return line outage distribution factors, (L, K), of K branches that fail one by one.

        Flow of a branch after the outage = flow + factor · flow of the failing branch before it.
        With φ the flow of each branch per MW sent from end to end of the failing branch c, the
        factors are φ / (1 − φ_c), and −1 for c itself (Guo, Fu, Li, Shahidehpour 2009, "Direct
        calculation of line outage distribution factors", doi 10.1109/TPWRS.2009.2023273).

        Parameters
        ----------
        outages : array of int, (K,)
            Positions of branches; the factors of `bridges` are NaN.
        """
        if not len(outages):
            return np.zeros((self.n_branches, 0))
        angle = np.zeros((self.n_buses, len(outages)))
        angle[self._free] = self._factor.solve(self.incidence[outages].T.toarray()[self._free])
        factor = self.susceptance_mw[:, np.newaxis] * (self.incidence @ angle)
        place = np.arange(len(outages))
        left = 1.0 - factor[outages, place]
        left[self.bridges[outages]] = np.nan
        factor /= left
        factor[outages, place] = np.where(np.isnan(left), np.nan, -1.0)
        return np.asarray(factor)

    @cached_property
    def shift_flow_mw(self) -> FloatArray:
        """Flow that phase shifts drive at equal angles, (L,)."""
        return np.asarray(-self.susceptance_mw * self.shift_rad)

    @cached_property
    def offset_mw(self) -> FloatArray:
        """Power that phase shifters and shunts take from each bus, (B,)."""
        return np.asarray(self.incidence.T @ self.shift_flow_mw + self.shunt_mw)

    def spanning_tree(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return each bus's place in a search from the reference, the bus above it, the branch.

        Each (B,); −1 for places not reached and for what is not there.
        """
        B, ends = self.n_buses, np.stack([self.from_bus, self.to_bus])
        links = sparse.coo_array((np.ones(self.n_branches), tuple(ends)), shape=(B, B))
        order, found = breadth_first_order(links.tocsr(), self.reference_bus, directed=False)
        place, tree = np.full(B, -1), np.full(B, -1)
        place[order] = np.arange(len(order))
        above = np.maximum(found.astype(np.int64), -1)
        for near, far in (ends, ends[::-1]):
            up = np.flatnonzero(above[near] == far)
            tree[near[up]] = up  # of parallel branches any one
        return place, above, tree

    @cached_property
    def _free(self) -> IntArray:
        return np.delete(np.arange(self.n_buses), self.reference_bus)

    @cached_property
    def _factor(self) -> SuperLU:
        weighted = self.incidence.multiply(self.susceptance_mw[:, np.newaxis])
        laplacian = (self.incidence.T @ weighted).tocsc()
        return splu(sparse.csc_array(laplacian[self._free][:, self._free]))


def _last(top: IntArray, bus: int) -> int:
    """Return where the chain of `top` from a bus ends, and shorten it on the way."""
    while top[bus] != bus:
        top[bus] = top[top[bus]]
        bus = top[bus]
    return bus
