"""Writes one period of a schedule back into a pandapower net."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.elements import NEIGHBOR
from gridopt.errors import GridoptError, Issue
from gridopt.grid import ElementKey
from gridopt.io.net_demand import fixed_demand_mw, net_loads
from gridopt.io.net_grid import read_grid
from gridopt.io.net_tables import flags, numbers
from gridopt.io.plan_files import replacing
from gridopt.placement import BATTERY
from gridopt.results import Schedule
from gridopt.study import Study

EXTRA_LOAD = "demand without a load of the net"
TOLERANCE_MW = 1e-9


def write_dispatch(
    net: Any, schedule: Schedule, period: int, path: str | Path | None = None
) -> Any:
    """Write one period of a schedule into a net, in place, and the net into a file if asked to.

    Parameters
    ----------
    net : pandapowerNet
        The net that the study was read from, or a copy of it. It is changed.
    schedule : Schedule
    period : int
        Position of the period, from 0.
    path : str or Path, optional
        File for the net that comes of it, in pandapower's JSON.

    Returns
    -------
    pandapowerNet
        `net` itself.

    Raises
    ------
    GridoptError
        If the schedule has no such period, or the net lacks elements of the study.

    Notes
    -----
    - Loads of a bus are scaled together to its demand, less what is unserved and with what is
      surplus, at constant power factor; demand at a bus without loads becomes a new load.
    - A gen or sgen gets its ``p_mw``, and is in service where it is committed. A gen that is the
      slack stays in service, and so does every ext_grid, as they hold the voltage angle; the
      power scheduled for an ext_grid is written to a column ``p_mw`` for comparison.
    - Storage gets its ``p_mw``, + for charging. Batteries that were placed are added to the net,
      and replace those of the same name and bus that an earlier call added.
    - All values are written as they are and ``scaling`` set to 1; reactive power keeps its value.
    """
    DispatchWriter(net, schedule.study).write(schedule, period)
    if path is not None:
        with replacing(Path(path)) as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # pandas' future, inside pandapower
            pp.to_json(net, str(scratch))
    return net


class DispatchWriter:
    """Writes any number of periods into one net.

    Parameters
    ----------
    net : pandapowerNet
        Changed by `write`.
    study : Study
    hold_voltage : bool
        Keep a gen in service at 0 MW that is not committed while another unit at its bus is: the
        other is an sgen in the net, which holds no voltage there, though its machine does.
    """

    def __init__(self, net: Any, study: Study, hold_voltage: bool = False) -> None:
        _check(net, study)
        _make_floats(net)
        self.net = net
        self.study = study
        self.hold_voltage = hold_voltage
        issues: list[Issue] = []
        grid = read_grid(copy.deepcopy(net), issues)
        if issues or grid.grid.bus_name != study.grid.bus_name:
            raise GridoptError("the net is not the one that the study was read from")
        self._position = grid.position
        self._batteries: dict[ElementKey, ElementKey] = {}
        self._bus_of = {row: bus for bus, row in reversed(grid.position.items())}
        self._fixed_mw = fixed_demand_mw(net, grid)
        loads = net_loads(net)
        self._base_mw = np.zeros(grid.grid.n_buses)
        np.add.at(self._base_mw, grid.at(loads["bus"]), loads["p_mw"].to_numpy(dtype=np.float64))
        self._gross_mw = np.zeros(grid.grid.n_buses)
        np.add.at(self._gross_mw, grid.at(loads["bus"]), np.abs(loads["p_mw"].to_numpy()))
        table = net["load"].loc[loads.index]
        self._row = grid.at(loads["bus"])
        self._p_mw = loads["p_mw"].to_numpy(dtype=np.float64)
        self._q_mvar = numbers(table, "q_mvar", 0.0) * numbers(table, "scaling", 1.0)
        self._loads = loads.index
        self._add_batteries()

    def write(self, schedule: Schedule, period: int) -> None:
        """Write one period of a schedule of the study."""
        if not 0 <= period < self.study.n_periods:
            last = self.study.n_periods - 1
            raise GridoptError(f"the schedule has no period {period}: 0 to {last}")
        self._write_units(schedule, period)
        for row, key in enumerate(self.study.exchange.element):
            if key[0] != NEIGHBOR:
                self._set(key, float(schedule.import_mw[row, period]))
        for row, key in enumerate(self.study.storage.element):
            self._set(
                self._batteries.get(key, key),
                float(schedule.charge_mw[row, period] - schedule.discharge_mw[row, period]),
            )
        self._write_demand(
            self.study.demand_mw[:, period]
            - schedule.unserved_mw[:, period]
            + schedule.surplus_mw[:, period]
            - self._fixed_mw
        )

    def _add_batteries(self) -> None:
        """Create batteries that were placed as storage of the net, unless an earlier call has."""
        stored, table = self.study.storage, self.net["storage"]
        own = [index for element, index in stored.element if element == "storage"]
        for row, key in enumerate(stored.element):
            if key[0] != BATTERY:
                continue
            bus = self._bus_of[int(stored.bus[row])]
            there = (table["name"] == stored.name[row]) & (table["bus"] == bus)
            for index in table.index[there & ~table.index.isin(own)]:
                self.net["storage"] = self.net["storage"].drop(index)
            index = pp.create_storage(
                self.net,
                bus,
                p_mw=0.0,
                max_e_mwh=float(stored.energy_max_mwh[row]),
                min_e_mwh=float(stored.energy_min_mwh[row]),
                max_p_mw=float(stored.charge_max_mw[row]),
                min_p_mw=-float(stored.discharge_max_mw[row]),
                name=stored.name[row],
                controllable=True,
            )
            self._batteries[key] = ("storage", int(index))

    def _write_units(self, schedule: Schedule, period: int) -> None:
        """Write units and infeeds; a machine that gives nothing is not running."""
        thermal, infeeds = self.study.thermal, self.study.renewables
        on = schedule.committed[:, period]
        power = np.where(on, schedule.power_mw[:, period], 0.0)
        infeed = schedule.renewable_mw[:, period]
        alive = np.zeros(self.study.grid.n_buses, dtype=np.bool_)
        alive[thermal.bus[on]] = True
        alive[infeeds.bus[infeed != 0.0]] = True
        for key, bus, p_mw, runs in (
            *zip(thermal.element, thermal.bus, power, on, strict=True),
            *zip(infeeds.element, infeeds.bus, infeed, infeed != 0.0, strict=True),
        ):
            self._set(key, float(p_mw))
            if key[0] == "ext_grid":
                continue
            held = key[0] == "gen" and self.hold_voltage and alive[bus]
            running = bool(runs or held or self._is_slack(key))
            self.net[key[0]].loc[key[1], "in_service"] = running

    def _is_slack(self, key: ElementKey) -> bool:
        element, index = key
        return element == "gen" and bool(flags(self.net.gen.loc[[index]], "slack", False)[0])

    def _set(self, key: ElementKey, p_mw: float) -> None:
        element, index = key
        table = self.net[element]
        if "q_mvar" in table and "scaling" in table:
            table.loc[index, "q_mvar"] *= table.loc[index, "scaling"]
        table.loc[index, "p_mw"] = p_mw
        if "scaling" in table:
            table.loc[index, "scaling"] = 1.0

    def _write_demand(self, demand_mw: FloatArray) -> None:
        """Set the loads so that those of each bus take `demand_mw`, (B,)."""
        # Loads that cancel out have no power factor to keep.
        scalable = np.abs(self._base_mw) > 1e-6 * self._gross_mw
        scalable &= self._gross_mw > 0
        factor = np.divide(demand_mw, self._base_mw, out=np.ones_like(demand_mw), where=scalable)
        table = self.net["load"]
        table.loc[self._loads, "p_mw"] = self._p_mw * factor[self._row]
        table.loc[self._loads, "q_mvar"] = self._q_mvar * factor[self._row]
        table.loc[self._loads, "scaling"] = 1.0
        self._write_extra(np.where(scalable, 0.0, demand_mw - self._base_mw))

    def _write_extra(self, extra_mw: FloatArray) -> None:
        table = self.net["load"]
        mine = (table["name"] == EXTRA_LOAD) & ~table.index.isin(self._loads)
        at = {self._position[int(bus)]: index for index, bus in table.loc[mine, "bus"].items()}
        for row in {*at, *np.flatnonzero(np.abs(extra_mw) > TOLERANCE_MW).tolist()}:
            if row in at:
                self.net["load"].loc[at[row], "p_mw"] = extra_mw[row]
            else:
                pp.create_load(self.net, self._bus_of[row], p_mw=extra_mw[row], name=EXTRA_LOAD)


def _make_floats(net: Any) -> None:
    """Make columns that are written floats; a net put together by hand may hold whole numbers."""
    for element in ("load", "gen", "sgen", "storage"):
        for column in {"p_mw", "q_mvar", "scaling"} & set(net[element].columns):
            net[element][column] = net[element][column].astype(np.float64)


def _check(net: Any, study: Study) -> None:
    groups = (study.thermal, study.renewables, study.storage, study.exchange)
    missing = [
        f"{element} {index}"
        for group in groups
        for element, index in group.element
        if element not in (NEIGHBOR, BATTERY)
        if not isinstance(net.get(element), pd.DataFrame) or index not in net[element].index
    ]
    if missing:
        raise GridoptError(f"the net has no {', '.join(missing[:6])}, which the study has")
