"""AC power flow of every period of a schedule: voltages, loadings and losses behind the DC plan."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd

from gridopt.arrays import BoolArray, FloatArray, frozen
from gridopt.errors import GridoptError
from gridopt.io.net_tables import numbers
from gridopt.io.write_dispatch import DispatchWriter
from gridopt.results import Schedule, Violation
from gridopt.study import Study

BRANCHES = ("line", "trafo", "trafo3w")
VOLTAGE_TOLERANCE_PU = 1e-4
LOADING_TOLERANCE_PERCENT = 1e-2
REACTIVE_TOLERANCE_MVAR = 1e-3
RULES = ("voltage_low", "voltage_high", "branch_loading", "reactive_power")


@dataclass(frozen=True, eq=False)
class PowerFlow:
    """AC power flow of T periods.

    Parameters
    ----------
    study : Study
    converged : array of bool, (T,)
    buses : DataFrame
        One row per period and bus of the net: period, bus (index), vm_pu, va_degree.
    branches : DataFrame
        One row per period and line or transformer: period, element, index, p_mw (into it at the
        from or high-voltage side), loading_percent (of current; NaN where unrated).
    loss_mw : array, (T,)
        Active power lost in branches; NaN where it did not converge.
    slack_mw : array, (T,)
        What the slack gives more than its schedule: losses, and what the DC plan misses.
    violations : tuple of Violation
        Rules ``voltage_low``, ``voltage_high`` (pu, against the net's band), ``branch_loading``
        (percent, against max_loading_percent) and ``reactive_power`` (Mvar of all machines
        in service at a bus, against their limits together).
    """

    study: Study
    converged: BoolArray
    buses: pd.DataFrame
    branches: pd.DataFrame
    loss_mw: FloatArray
    slack_mw: FloatArray
    violations: tuple[Violation, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "converged", frozen(self.converged, np.bool_))
        object.__setattr__(self, "loss_mw", frozen(self.loss_mw))
        object.__setattr__(self, "slack_mw", frozen(self.slack_mw))

    def of(self, rule: str) -> tuple[Violation, ...]:
        """Return the violations of one rule."""
        return tuple(found for found in self.violations if found.rule == rule)

    def summary(self) -> dict[str, Any]:
        """Return the figures that matter, ready for JSON; None where nothing converged."""
        counts = {rule: len(self.of(rule)) for rule in RULES}
        return {
            "periods": len(self.converged),
            "converged": int(self.converged.sum()),
            "min_vm_pu": _least(self.buses["vm_pu"]),
            "max_vm_pu": _largest(self.buses["vm_pu"]),
            "max_loading_percent": _largest(self.branches["loading_percent"]),
            "loss_mwh": float(np.nansum(self.loss_mw) * self.study.period_h),
            "max_slack_mw": _largest(pd.Series(np.abs(self.slack_mw))),
            "violations": counts,
        }


def power_flow(study: Study, schedule: Schedule, *, enforce_q_lims: bool = False) -> PowerFlow:
    """Run pandapower's AC power flow on every period of a schedule.

    Parameters
    ----------
    study : Study
        With the net that it was read from. Batteries that were placed are added to a copy of it.
    schedule : Schedule
    enforce_q_lims : bool
        Let a gen at its reactive limit give up its voltage. Off by default: nets from MATPOWER
        hold the further units of a bus as sgens, whose reactive range pandapower would leave
        unused; reactive power beyond the limits of all units at a bus is reported instead.

    Returns
    -------
    PowerFlow
        With a period that did not converge from the last voltages, from the DC angles or from a
        flat start marked as such.

    Raises
    ------
    GridoptError
        If the study holds no net.
    """
    net = copy.deepcopy(net_of(study))
    net["converged"] = False  # results that came with the net are of another schedule
    writer = DispatchWriter(net, study, hold_voltage=True)
    limits = _Limits.of(net)
    periods = [_period(writer, schedule, t, limits, enforce_q_lims) for t in range(study.n_periods)]
    return PowerFlow(
        study=study,
        converged=np.array([period.converged for period in periods]),
        buses=pd.concat([period.buses for period in periods], ignore_index=True),
        branches=pd.concat([period.branches for period in periods], ignore_index=True),
        loss_mw=np.array([period.loss_mw for period in periods]),
        slack_mw=np.array([period.slack_mw for period in periods]),
        violations=tuple(found for period in periods for found in period.violations),
    )


def net_of(study: Study) -> Any:
    """Return the net that a study was read from.

    Raises
    ------
    GridoptError
        If it holds none.
    """
    if study.net is None:
        raise GridoptError(
            f"study {study.name!r} holds no pandapower net, which the AC power flow needs: "
            "read it with gridopt.read_pandapower"
        )
    return study.net


def limit_percent(study: Study) -> FloatArray:
    """Return the loading, in % of what the net states, that each branch's rating is, (L,)."""
    limits = {
        (element, int(index)): float(limit)
        for element in {element for element, _ in study.grid.branch_element}
        for index, limit in zip(
            study.net[element].index,
            numbers(study.net[element], "max_loading_percent", 100.0),
            strict=True,
        )
    }
    return np.array([limits[key] for key in study.grid.branch_element])


@dataclass(frozen=True)
class _Limits:
    """Voltage band of each bus and loading limit of each branch of a net."""

    low_pu: FloatArray
    high_pu: FloatArray
    loading_percent: dict[str, FloatArray]

    @staticmethod
    def of(net: Any) -> _Limits:
        return _Limits(
            numbers(net.bus, "min_vm_pu", -np.inf),
            numbers(net.bus, "max_vm_pu", np.inf),
            {name: numbers(net[name], "max_loading_percent", 100.0) for name in BRANCHES},
        )


@dataclass(frozen=True)
class _Period:
    converged: bool
    buses: pd.DataFrame
    branches: pd.DataFrame
    loss_mw: float = np.nan
    slack_mw: float = np.nan
    violations: tuple[Violation, ...] = ()


def _period(
    writer: DispatchWriter, schedule: Schedule, t: int, limits: _Limits, enforce_q_lims: bool
) -> _Period:
    net, study = writer.net, writer.study
    writer.write(schedule, t)
    if not _run(net, enforce_q_lims):
        return _Period(False, _NO_BUSES, _NO_BRANCHES)
    buses, branches = _bus_table(net, t), _branch_table(net, study, t)
    return _Period(
        converged=True,
        buses=buses,
        branches=branches,
        loss_mw=float(sum(net[f"res_{name}"]["pl_mw"].sum() for name in (*BRANCHES, "impedance"))),
        slack_mw=_slack_mw(net),
        violations=(
            *_voltage_violations(net, study, t, limits),
            *_loading_violations(net, study, t, limits, branches),
            *_reactive_violations(net, study, t),
        ),
    )


def _run(net: Any, enforce_q_lims: bool) -> bool:
    """Run the power flow from the last voltages, then from DC angles, then flat."""
    starts = ("results", "dc", "flat") if net.get("converged") else ("dc", "flat")
    for start in starts:
        try:
            with warnings.catch_warnings():
                # pandas' future and numpy's divisions, inside pandapower
                warnings.simplefilter("ignore", category=FutureWarning)
                warnings.simplefilter("ignore", category=DeprecationWarning)
                warnings.simplefilter("ignore", category=RuntimeWarning)
                pp.runpp(
                    net, init=start, enforce_q_lims=enforce_q_lims, calculate_voltage_angles=True
                )
        except (pp.LoadflowNotConverged, np.linalg.LinAlgError, FloatingPointError):
            continue
        if np.isfinite(net.res_ext_grid["p_mw"]).all():
            return True
    return False


_NO_BUSES = pd.DataFrame(
    {"period": np.zeros(0, np.int64), "bus": np.zeros(0, np.int64), "vm_pu": [], "va_degree": []}
)
_NO_BRANCHES = pd.DataFrame(
    {
        "period": np.zeros(0, np.int64),
        "element": np.zeros(0, object),
        "index": np.zeros(0, np.int64),
        "p_mw": [],
        "loading_percent": [],
    }
)


def _bus_table(net: Any, t: int) -> pd.DataFrame:
    found = net.res_bus
    return pd.DataFrame(
        {
            "period": t,
            "bus": found.index.to_numpy(),
            "vm_pu": found["vm_pu"].to_numpy(),
            "va_degree": found["va_degree"].to_numpy(),
        }
    )


def _branch_table(net: Any, study: Study, t: int) -> pd.DataFrame:
    grid = study.grid
    rated = {grid.branch_element[row] for row in np.flatnonzero(grid.is_rated)}
    parts = []
    for element in BRANCHES:
        found = net[f"res_{element}"]
        if found.empty:
            continue
        known = np.array([(element, int(index)) in rated for index in found.index])
        parts.append(
            pd.DataFrame(
                {
                    "period": t,
                    "element": element,
                    "index": found.index.to_numpy(),
                    "p_mw": found["p_from_mw" if element == "line" else "p_hv_mw"].to_numpy(),
                    "loading_percent": np.where(known, found["loading_percent"], np.nan),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else _NO_BRANCHES


def _least(values: pd.Series[float]) -> float | None:
    return float(values.min()) if values.notna().any() else None


def _largest(values: pd.Series[float]) -> float | None:
    return float(values.max()) if values.notna().any() else None


def _slack_mw(net: Any) -> float:
    """Return what ext_grids and slack gens give beyond their schedule."""
    scheduled = numbers(net.ext_grid, "p_mw", 0.0)
    deviation = float(np.nansum(net.res_ext_grid["p_mw"].to_numpy() - scheduled))
    if len(net.gen):
        deviation += float(np.nansum(net.res_gen["p_mw"] - net.gen["p_mw"] * net.gen["in_service"]))
    return deviation


def _voltage_violations(net: Any, study: Study, t: int, limits: _Limits) -> Iterator[Violation]:
    vm_pu = net.res_bus["vm_pu"].reindex(net.bus.index).to_numpy()
    for rule, bad, limit in (
        ("voltage_low", vm_pu < limits.low_pu - VOLTAGE_TOLERANCE_PU, limits.low_pu),
        ("voltage_high", vm_pu > limits.high_pu + VOLTAGE_TOLERANCE_PU, limits.high_pu),
    ):
        for row in np.flatnonzero(bad):
            name = f"bus {net.bus.index[row]}"
            yield Violation(rule, name, study.time[t], float(vm_pu[row]), float(limit[row]))


def _loading_violations(
    net: Any, study: Study, t: int, limits: _Limits, branches: pd.DataFrame
) -> Iterator[Violation]:
    for element in BRANCHES:
        rows = branches[branches["element"] == element]
        loading = rows["loading_percent"].to_numpy()
        limit = limits.loading_percent[element]
        for row in np.flatnonzero(loading > limit + LOADING_TOLERANCE_PERCENT):
            name = f"{element} {net[element].index[row]}"
            period = study.time[t]
            yield Violation("branch_loading", name, period, float(loading[row]), float(limit[row]))


def _reactive_violations(net: Any, study: Study, t: int) -> Iterator[Violation]:
    """Compare the reactive power of the machines at each bus with their limits together.

    Only buses whose voltage is held are looked at, and only where every machine has limits.
    """
    parts = [_reactive(net, element) for element in ("gen", "ext_grid", "sgen")]
    table = pd.concat([part for part in parts if len(part)])
    total = table.groupby("bus").agg(
        {"q_mvar": "sum", "low": "sum", "high": "sum", "holds": "any", "known": "all"}
    )
    for bus, row in total[total["holds"] & total["known"]].iterrows():
        for value, limit in ((row["low"], -1), (row["high"], 1)):
            if limit * (row["q_mvar"] - value) > REACTIVE_TOLERANCE_MVAR:
                name = f"bus {bus}"
                yield Violation(
                    "reactive_power", name, study.time[t], float(row["q_mvar"]), float(value)
                )


def _reactive(net: Any, element: str) -> pd.DataFrame:
    table = net[element][net[element]["in_service"].astype(bool)]
    low, high = numbers(table, "min_q_mvar", np.nan), numbers(table, "max_q_mvar", np.nan)
    q_mvar = net[f"res_{element}"]["q_mvar"].reindex(table.index).to_numpy()
    known = np.isfinite(low) & np.isfinite(high)
    if element == "sgen":  # without limits, its reactive power is what it is
        low, high = np.where(known, low, q_mvar), np.where(known, high, q_mvar)
        known = np.ones(len(table), dtype=np.bool_)
    return pd.DataFrame(
        {
            "bus": table["bus"].to_numpy(),
            "q_mvar": q_mvar,
            "low": low,
            "high": high,
            "holds": element != "sgen",
            "known": known,
        }
    )
