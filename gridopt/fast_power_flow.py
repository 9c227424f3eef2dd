"""AC power flows of many injections into one net, in a fraction of the time of pandapower's.

Cases that differ by some injections share one factored Jacobian: the chord method ("dishonest"
Newton; Kelley, "Solving nonlinear equations with Newton's method", 2003,
doi 10.1137/1.9780898718898) solves all of them at once. What it does not solve gets Newton's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.sparse.linalg import SuperLU

from gridopt.ac_model import ACModel
from gridopt.arrays import BoolArray, ComplexArray, FloatArray, IntArray, freeze, frozen
from gridopt.compiling import threads_within
from gridopt.errors import GridoptError
from gridopt.grid import ElementKey
from gridopt.io.net_ac_model import LOSING, SolvedNet, read_ac_model
from gridopt.io.net_tables import flags

AnyArray = FloatArray | ComplexArray

CHORD_STEPS = 60
NEWTON_STEPS = 20

CHUNK = 2**16
"""Voltages that are worked on at a time: what a core's cache holds."""

SOLVE_WIDTH = 16
"""Right sides of one call of SuperLU: with more, BLAS starts threads for each tiny block."""

AGREEMENT = 1e-6
"""Largest difference to pandapower's base case, in pu; in MW for a base of 1 MVA."""


@dataclass(frozen=True, eq=False)
class Flows:
    """Solved power flows of N cases; what did not converge is NaN.

    Parameters
    ----------
    model : ACModel
    converged : array of bool, (N,)
    voltage : array of complex, (n, N)
        At the nodes of the model, in pu.
    other_mw : array, (N,)
        Active power that all but slacks give at the buses of slacks.
    """

    model: ACModel
    converged: BoolArray
    voltage: ComplexArray
    other_mw: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "converged", frozen(self.converged, np.bool_))
        freeze(self, floats="other_mw")
        self.voltage.setflags(write=False)  # no copy: this is the large one

    @cached_property
    def vm_pu(self) -> FloatArray:
        """Voltages at the buses of `FastPowerFlow.bus`, (N, B)."""
        return np.asarray(abs(self.voltage)[self.model.node].T)

    @cached_property
    def va_degree(self) -> FloatArray:
        """Voltage angles at the same buses, (N, B)."""
        return np.asarray(np.angle(self.voltage, deg=True)[self.model.node].T)

    @cached_property
    def loss_mw(self) -> FloatArray:
        """Active power lost in lines, transformers and impedances, (N,)."""
        return self.model.loss_mw(self.voltage)

    @cached_property
    def slack_mw(self) -> FloatArray:
        """Active power of ext_grids and of gens that are slacks, (N,)."""
        return np.asarray(self.model.reference_mw(self.voltage) - self.other_mw)

    @cached_property
    def loading_percent(self) -> FloatArray:
        """Loading of each branch of `FastPowerFlow.branch`, (N, L): by current, as pandapower's."""
        return self.model.loading_percent(self.voltage).T

    @cached_property
    def from_mva(self) -> ComplexArray:
        """Power into the from or high-voltage end of each row of `ACModel`, (N, M)."""
        return self.model.from_mva(self.voltage).T

    @cached_property
    def to_mva(self) -> ComplexArray:
        """Power into the to or low-voltage end of each row, (N, M)."""
        return self.model.to_mva(self.voltage).T


@dataclass(frozen=True, eq=False)
class FastPowerFlow:
    """A net at a base point, from which cases that differ by injections are solved.

    Parameters
    ----------
    model : ACModel
    injection : array of complex, (n,)
        At the base point, in pu.
    voltage : array of complex, (n,)
        Solution of the base point, in pu.

    Notes
    -----
    Reactive limits of generators are not enforced: a voltage that is held stays held. Injections
    are of constant power. A case solved is one solution of the equations, the one that Newton's
    method finds from the base point.
    """

    model: ACModel
    injection: ComplexArray
    voltage: ComplexArray

    def __post_init__(self) -> None:
        for name in ("injection", "voltage"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.complex128))

    @staticmethod
    def of(net: Any) -> FastPowerFlow:
        """Return the net as it is, checked against ``pandapower.runpp``.

        Parameters
        ----------
        net : pandapowerNet
            Left alone.

        Raises
        ------
        GridoptError
            If the net does not converge, has what the model has no place for, or if voltages,
            flows, losses, loadings or the slack's power differ from pandapower's by more than
            1e-6 (pu; MW for a base of 1 MVA; of the rating): use ``runpp`` there.
        """
        return FastPowerFlow.checked(read_ac_model(net))

    @staticmethod
    def checked(solved: SolvedNet) -> FastPowerFlow:
        """Return a net that pandapower has solved, if its results are found again.

        Raises
        ------
        GridoptError
            If they are not; says which.
        """
        try:
            flow = FastPowerFlow(solved.model, solved.injection, solved.voltage).at()
        except GridoptError as error:
            raise GridoptError(
                "the fast power flow finds no solution where pandapower does: use runpp"
            ) from error
        for what, difference in _differences(solved, flow.base):
            if not difference <= AGREEMENT:
                raise GridoptError(
                    f"the fast power flow differs from pandapower's in {what} by "
                    f"{difference:.2g}, more than {AGREEMENT:g}: use runpp for this net"
                )
        return flow

    @property
    def bus(self) -> IntArray:
        """Index of each bus of the net that is in service and supplied, (B,)."""
        return self.model.bus

    @property
    def branch(self) -> tuple[ElementKey, ...]:
        """Lines and transformers in service, (L,)."""
        return self.model.branch

    @cached_property
    def base(self) -> Flows:
        """The base point as one solved case."""
        return self._flows(
            np.ones(1, np.bool_), self.voltage[:, np.newaxis].copy(), self.injection[:, np.newaxis]
        )

    def at(self, p_mw: FloatArray | None = None, q_mvar: FloatArray | None = None) -> FastPowerFlow:
        """Return another base point, with a Jacobian of its own.

        Parameters
        ----------
        p_mw, q_mvar : array, (B,), optional
            Changes of injection, as in `solve`; nothing by default.

        Raises
        ------
        GridoptError
            If it does not converge.
        """
        p_mw = np.zeros(len(self.bus)) if p_mw is None else np.asarray(p_mw)
        return self.at_each(p_mw[np.newaxis], None if q_mvar is None else q_mvar[np.newaxis])[0]

    def at_each(
        self, p_mw: FloatArray, q_mvar: FloatArray | None = None
    ) -> tuple[FastPowerFlow, ...]:
        """Return a base point for each of H hours.

        Parameters
        ----------
        p_mw, q_mvar : array, (H, B)
            Changes of injection, as in `solve`.

        Raises
        ------
        GridoptError
            If one does not converge; names the first ones.
        """
        change = self._change(p_mw, q_mvar)
        converged, voltage = self._solve(change)
        if not converged.all():
            failed = ", ".join(map(str, np.flatnonzero(~converged)[:5]))
            raise GridoptError(
                f"{int((~converged).sum())} of {len(converged)} base points do not converge, the "
                f"first are {failed}: the net cannot carry these injections"
            )
        power = self.injection[:, np.newaxis] + change
        return tuple(
            replace(self, injection=power[:, h], voltage=voltage[:, h])
            for h in range(change.shape[1])
        )

    def solve(self, p_mw: FloatArray, q_mvar: FloatArray | None = None) -> Flows:
        """Solve N cases.

        Parameters
        ----------
        p_mw, q_mvar : array, (N, B)
            Changes of net injection against the base point, positive into the net, at `bus`;
            no reactive power by default, and none counts where the voltage is held.

        Returns
        -------
        Flows
            With cases that did not converge marked.

        Raises
        ------
        GridoptError
            If an array has another shape.
        """
        change = self._change(p_mw, q_mvar)
        converged, voltage = self._solve(change)
        return self._flows(converged, voltage, self.injection[:, np.newaxis] + change)

    def position(self, buses: Sequence[int] | IntArray) -> IntArray:
        """Return the positions of buses of the net in `bus`.

        Raises
        ------
        GridoptError
            If one is not in service, not supplied or not there.
        """
        where = {int(bus): place for place, bus in enumerate(self.bus)}
        missing = [int(bus) for bus in buses if int(bus) not in where]
        if missing:
            raise GridoptError(f"no bus {missing[0]} in service and supplied in the net")
        return np.array([where[int(bus)] for bus in buses], dtype=np.int64)

    def _change(self, p_mw: FloatArray, q_mvar: FloatArray | None) -> ComplexArray:
        p_mw = np.asarray(p_mw, dtype=np.float64)
        q_mvar = np.zeros(p_mw.shape) if q_mvar is None else np.asarray(q_mvar, dtype=np.float64)
        for name, given in (("p_mw", p_mw), ("q_mvar", q_mvar)):
            if given.shape != (len(p_mw), len(self.bus)):
                raise GridoptError(
                    f"{name} has the shape {given.shape}, expected ({len(p_mw)}, {len(self.bus)}): "
                    "one row a case, one column a bus of FastPowerFlow.bus"
                )
        return self.model.injection(p_mw, q_mvar)

    def _flows(self, converged: BoolArray, voltage: ComplexArray, power: ComplexArray) -> Flows:
        other = self.model.base_mva * power[self.model.n_moving :].real.sum(axis=0)
        return Flows(self.model, converged, voltage, other)

    def _solve(self, change: ComplexArray) -> tuple[BoolArray, ComplexArray]:
        """Return convergence, (N,), and voltages, (n, N), for changes in pu, (n, N)."""
        N = change.shape[1]
        converged, voltage = np.zeros(N, np.bool_), np.empty(change.shape, np.complex128)
        width = max(1, CHUNK // len(change))
        for part in (slice(at, at + width) for at in range(0, N, width)):
            power = self.injection[:, np.newaxis] + change[:, part]
            converged[part], voltage[:, part] = self._chord(power)
        for case in np.flatnonzero(~converged):
            converged[case], voltage[:, case] = self._newton(self.injection + change[:, case])
        voltage[:, ~converged] = np.nan
        return converged, voltage

    def _chord(self, power: ComplexArray) -> tuple[BoolArray, ComplexArray]:
        """Solve cases by steps with the Jacobian of the base point, as long as they get nearer."""
        m, N = self.model.n_moving, power.shape[1]
        voltage = np.repeat(self.voltage[:, np.newaxis], N, axis=1)
        converged, trial = np.zeros(N, np.bool_), voltage.copy()
        going, last = np.arange(N), np.full(N, np.inf)
        for _ in range(CHORD_STEPS):
            short = self.model.mismatch(trial, power[:, going], self._held)
            worst = np.max(abs(short) / self.model.tolerance, axis=0)
            done, nearer = worst <= 1.0, worst < last
            converged[going[done]], voltage[:, going[done]] = True, trial[:, done]
            keep = nearer & ~done
            if not keep.any():
                break
            going, last, trial, short = going[keep], worst[keep], trial[:, keep], short[:, keep]
            step = self._step(short)
            trial[:m] -= step[:m] + 1j * step[m:]
        return converged, voltage

    def _step(self, short: FloatArray) -> FloatArray:
        at = range(0, short.shape[1], SOLVE_WIDTH)
        steps = [self._factor.solve(short[:, k : k + SOLVE_WIDTH]) for k in at]
        return np.concatenate(steps, axis=1)

    def _newton(self, power: ComplexArray) -> tuple[bool, ComplexArray]:
        """Solve one case, (n,), with a Jacobian for each step."""
        m, voltage = self.model.n_moving, self.voltage.copy()
        for _ in range(NEWTON_STEPS):
            with np.errstate(all="ignore"):  # where it diverges
                short = self.model.mismatch(
                    voltage[:, np.newaxis], power[:, np.newaxis], self._held
                )
                worst = np.max(abs(short) / self.model.tolerance)
            if not np.isfinite(worst) or worst <= 1.0:
                return bool(worst <= 1.0), voltage
            try:
                step = self.model.factor(voltage).solve(short[:, 0])
            except RuntimeError:  # singular
                return False, voltage
            voltage[:m] -= step[:m] + 1j * step[m:]
        return False, voltage

    @cached_property
    def _held(self) -> FloatArray:
        return np.asarray(abs(self.voltage[: self.model.n_held]) ** 2)

    @cached_property
    def _factor(self) -> SuperLU:
        try:
            return self.model.factor(self.voltage)
        except RuntimeError as error:
            raise GridoptError("the base point is the most that the net can carry") from error


def _differences(solved: SolvedNet, base: Flows) -> Iterator[tuple[str, float]]:
    """Yield what is compared with pandapower's results, and the largest difference."""
    net, model = solved.net, solved.model
    found = net.res_bus.loc[model.bus]
    expected = found["vm_pu"].to_numpy() * np.exp(1j * np.deg2rad(found["va_degree"].to_numpy()))
    yield "voltages", _largest(base.voltage[model.node, 0], expected)
    for element, ends in (("line", ("from", "to")), ("trafo", ("hv", "lv"))):
        place = [k for k, (kind, _) in enumerate(model.branch) if kind == element]
        found = net[f"res_{element}"].loc[[model.branch[k][1] for k in place]]
        for end, power in zip(ends, (base.from_mva, base.to_mva), strict=True):
            expected = (found[f"p_{end}_mw"] + 1j * found[f"q_{end}_mvar"]).to_numpy()
            power_mva = power[0, model.first[place]]
            yield f"flows of {element}s", _largest(power_mva, expected) / model.base_mva
    percent = np.array([net[f"res_{kind}"].at[k, "loading_percent"] for kind, k in model.branch])
    scale = np.maximum(percent, 100.0)
    yield "loadings", _largest(base.loading_percent[0] / scale, percent / scale)
    loss = sum(float(net[f"res_{element}"]["pl_mw"].sum()) for element in LOSING)
    yield "losses", abs(float(base.loss_mw[0]) - loss) / model.base_mva
    slack = float(np.nansum(net.res_ext_grid["p_mw"]))
    if len(net.gen):
        slack += float(np.nansum(net.res_gen["p_mw"][flags(net.gen, "slack", False)]))
    yield "the power of slacks", abs(float(base.slack_mw[0]) - slack) / model.base_mva


def _largest(found: AnyArray, expected: AnyArray) -> float:
    with np.errstate(invalid="ignore"):  # inf less inf, where there is no rating
        apart = np.asarray(abs(found - expected))
    alike = (found == expected) | (np.isnan(found) & np.isnan(expected))
    return float(np.max(np.where(alike, 0.0, apart), initial=0.0))


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """What a module at one of C buses changes in each of H hours; NaN where nothing converged.

    Parameters
    ----------
    bus : array of int, (C,)
        Candidate buses, by index in the net.
    p_mw, q_mvar : array, (H,)
        What a module injects.
    base_loss_mw : array, (H,)
        Losses without a module, L(0).
    converged : array of bool, (C, H)
    loss_mw : array, (C, H)
        L(e_i) − L(0): what one module at bus i adds to the losses.
    vm_pu : array, (C, H, B)
        What it adds to the voltages at the buses of the net.
    loading_percent : array, (C, H, L)
        What it adds to the loading of the branches.
    pair_loss_mw : array, (C, C, H), or None
        L(e_i + e_j) − L(e_i) − L(e_j) + L(0), also for two modules at the same bus.
    """

    bus: IntArray
    p_mw: FloatArray
    q_mvar: FloatArray
    base_loss_mw: FloatArray
    converged: BoolArray
    loss_mw: FloatArray
    vm_pu: FloatArray
    loading_percent: FloatArray
    pair_loss_mw: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("vm_pu", "loading_percent", "pair_loss_mw"):
            if (large := getattr(self, name)) is not None:
                large.setflags(write=False)  # no copies
        freeze(
            self, floats="p_mw q_mvar base_loss_mw loss_mw", integers="bus", booleans="converged"
        )


def sensitivities(
    points: Sequence[FastPowerFlow],
    buses: Sequence[int] | IntArray,
    p_mw: FloatArray,
    q_mvar: FloatArray | None = None,
    *,
    pairs: bool = False,
    threads: int | None = None,
) -> Sensitivities:
    """Return finite differences of power flows, for a module at each bus in each hour.

    Parameters
    ----------
    points : sequence of FastPowerFlow, (H,)
        Base point of each hour, as `FastPowerFlow.at_each` makes them, all of one net.
    buses : sequence of int, (C,)
        Candidate buses, by index in the net.
    p_mw, q_mvar : array, (H,)
        What a module injects, positive into the net; no reactive power by default.
    pairs : bool
        Also solve every pair: C (C + 1) / 2 power flows an hour.
    threads : int, optional
        Hours at a time; as many as there are cores by default.

    Raises
    ------
    GridoptError
        If there is no point, a bus is not in service and supplied, or arrays have another length.
    """
    p_mw = np.asarray(p_mw, dtype=np.float64)
    q_mvar = np.zeros(len(p_mw)) if q_mvar is None else np.asarray(q_mvar, dtype=np.float64)
    if not points or not len(points) == len(p_mw) == len(q_mvar):
        raise GridoptError(
            f"{len(points)} base points, {len(p_mw)} p_mw and {len(q_mvar)} q_mvar: expected one "
            "of each an hour"
        )
    place = points[0].position(buses)
    with ThreadPoolExecutor(threads_within(threads)) as pool:
        hours = list(pool.map(partial(_hour, place=place, pairs=pairs), points, p_mw + 1j * q_mvar))
    return Sensitivities(
        bus=np.asarray(buses, dtype=np.int64),
        p_mw=p_mw,
        q_mvar=q_mvar,
        base_loss_mw=np.array([point.base.loss_mw[0] for point in points]),
        converged=np.stack([hour.converged for hour in hours], axis=1),
        loss_mw=np.stack([hour.loss_mw for hour in hours], axis=1),
        vm_pu=np.stack([hour.vm_pu for hour in hours], axis=1),
        loading_percent=np.stack([hour.loading_percent for hour in hours], axis=1),
        pair_loss_mw=np.stack([hour.pair_loss_mw for hour in hours], axis=2) if pairs else None,
    )


@dataclass(frozen=True, eq=False)
class _Hour:
    converged: BoolArray
    loss_mw: FloatArray
    vm_pu: FloatArray
    loading_percent: FloatArray
    pair_loss_mw: FloatArray


def _hour(point: FastPowerFlow, power_mva: complex, place: IntArray, pairs: bool) -> _Hour:
    one = np.zeros((len(place), len(point.bus)))
    one[np.arange(len(place)), place] = 1.0
    flows = point.solve(one * power_mva.real, one * power_mva.imag)
    loss = flows.loss_mw - point.base.loss_mw[0]
    return _Hour(
        converged=flows.converged,
        loss_mw=loss,
        vm_pu=flows.vm_pu - point.base.vm_pu,
        loading_percent=flows.loading_percent - point.base.loading_percent,
        pair_loss_mw=_pair_losses(point, np.asarray(one * power_mva), loss) if pairs else _NONE,
    )


_NONE = np.zeros((0, 0))


def _pair_losses(point: FastPowerFlow, module: ComplexArray, loss: FloatArray) -> FloatArray:
    """Return what two modules, (C, B) in MVA, lose beyond the sum of both, (C, C)."""
    first, second = np.triu_indices(len(loss))
    pair = np.empty((len(loss), len(loss)))
    width = max(1, CHUNK // point.model.n_nodes)
    for part in (slice(at, at + width) for at in range(0, len(first), width)):
        i, j = first[part], second[part]
        both = module[i] + module[j]
        flows = point.solve(both.real, both.imag)
        pair[i, j] = flows.loss_mw - point.base.loss_mw[0] - loss[i] - loss[j]
        pair[j, i] = pair[i, j]
    return pair
