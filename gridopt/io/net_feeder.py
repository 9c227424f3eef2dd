"""What a radial net has for LinDistFlow: impedances, reactive demand, the voltage band."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.feeder import Feeder
from gridopt.io.net_demand import fixed_demand_mw, net_loads
from gridopt.io.net_grid import REACTANCE, TAP, NetGrid
from gridopt.io.net_tables import active, flags, numbers

# Columns of pandapower's conversion (those of MATPOWER, from 0).
BUS_QD, BUS_BS = 3, 5
RESISTANCE, CHARGING = 2, 4


def read_feeder(net: Any, found: NetGrid) -> Feeder | None:
    """Return the feeder of a net whose grid is a tree fed from one place; else None.

    Parameters
    ----------
    net : pandapowerNet
    found : NetGrid
        Its grid.

    Notes
    -----
    A gen beside the slack holds a voltage, which LinDistFlow knows nothing of: such a net is no
    feeder. Loads keep their power factor as demand changes; what else takes reactive power, lines'
    own charging at 1 pu included, stays as it is in the net.
    """
    grid = found.grid
    sources = active(net, "ext_grid")
    if len(sources) != 1 or len(active(net, "gen")) or not grid.n_branches:
        return None
    if grid.n_branches != grid.n_buses - 1 or list(grid.issues()):
        return None
    branch, bus = found.branch_values, found.bus_values
    if (branch[:, RESISTANCE] < 0.0).any():
        return None
    ratio, fixed_mvar = _reactive(net, found)
    half_mvar = found.base_mva * branch[:, CHARGING] / 2.0
    fixed_mvar = fixed_mvar - bus[:, BUS_BS]
    np.add.at(fixed_mvar, grid.from_bus, -half_mvar)
    np.add.at(fixed_mvar, grid.to_bus, -half_mvar)
    low, high = voltage_band(net, found)
    return Feeder(
        grid=grid,
        base_mva=found.base_mva,
        resistance_pu=branch[:, RESISTANCE],
        reactance_pu=branch[:, REACTANCE],
        tap=np.where(branch[:, TAP] == 0.0, 1.0, branch[:, TAP]),
        reactive_mvar_per_mw=ratio,
        reactive_mvar=fixed_mvar,
        source_vm_pu=float(sources["vm_pu"].iloc[0]),
        vm_min_pu=low,
        vm_max_pu=high,
    )


def _reactive(net: Any, found: NetGrid) -> tuple[FloatArray, FloatArray]:
    """Return Mvar that demand takes with each MW, and what is taken anyway, (B,) each."""
    loads = net_loads(net)
    table, place = net["load"].loc[loads.index], found.at(loads["bus"])
    base_mw, base_mvar, gross_mw = (np.zeros(found.grid.n_buses) for _ in range(3))
    q_mvar = numbers(table, "q_mvar", 0.0) * numbers(table, "scaling", 1.0)
    np.add.at(base_mw, place, loads["p_mw"].to_numpy(dtype=np.float64))
    np.add.at(gross_mw, place, np.abs(loads["p_mw"].to_numpy(dtype=np.float64)))
    np.add.at(base_mvar, place, q_mvar)
    scales = np.abs(base_mw) > 1e-6 * gross_mw  # those that cancel out have no power factor
    ratio = np.divide(base_mvar, base_mw, out=np.zeros_like(base_mw), where=scales)
    # demand holds what constant elements take, which has a reactive power of its own
    taken = found.bus_values[:, BUS_QD] - ratio * (base_mw + fixed_demand_mw(net, found))
    return ratio, np.asarray(taken)


def voltage_band(net: Any, found: NetGrid) -> tuple[FloatArray, FloatArray]:
    """Return the voltage band of each bus of the grid, the narrowest of fused ones, (B,) each."""
    low = np.full(found.grid.n_buses, -np.inf)
    high = np.full(found.grid.n_buses, np.inf)
    buses = net.bus[flags(net.bus, "in_service", True)]
    place = np.array([found.position[int(index)] for index in buses.index])
    np.maximum.at(low, place, numbers(buses, "min_vm_pu", -np.inf))
    np.minimum.at(high, place, numbers(buses, "max_vm_pu", np.inf))
    return low, high
