"""Losses, voltages and loadings that a module changes: fast power flows beside pandapower's.

    python benchmarks/sensitivities.py --net case118 --hours 6

Both solve the same power flows in the same run, in one thread: a module at every bus in every hour.
gridopt's seconds hold reading the net, its check against `runpp` and the base
points. The peers are a plain loop of `pandapower.runpp` and one that keeps the admittances from
call to call (`recycle`) and starts at the last voltages. Pairs of modules are solved by gridopt,
all of them, and by the plain loop on a sample, from which its seconds are extrapolated.
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandapower as pp
import pandapower.networks as networks
from rich import box
from rich.console import Console
from rich.table import Table

from gridopt.arrays import FloatArray
from gridopt.fast_power_flow import FastPowerFlow, Sensitivities, sensitivities

RECYCLE = {"bus_pq": True, "gen": False, "trafo": False}
TOLERANCE_MVA = 1e-10
SCALED = ("load", "gen", "sgen")
LOSING = ("line", "trafo", "trafo3w", "impedance")


class Result(NamedTuple):
    """What a net's power flow gave, as far as it is compared."""

    loss_mw: float
    vm_pu: FloatArray
    loading_percent: FloatArray


class Row(NamedTuple):
    """A line of the table."""

    peer: str
    flows: int
    gridopt_s: float
    peer_s: float
    times: float
    loss_mw: float
    vm_pu: float
    loading_percent: float


def shape(hours: int) -> FloatArray:
    """Return the load and generation of each hour as a share of the net's own."""
    return np.asarray(0.95 + 0.1 * np.sin(np.arange(hours) * 2.0 * np.pi / 24.0))


def changes(net: Any, flow: FastPowerFlow, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what scaling a net's loads and generators injects, (H, B): MW and Mvar."""
    own = np.zeros((2, len(flow.bus)))
    for name in SCALED:
        table = net[name][net[name]["in_service"]]
        for row, column in enumerate(("p_mw", "q_mvar")):
            if column in table:
                power = table[column].to_numpy() * (-1.0 if name == "load" else 1.0)
                np.add.at(own[row], flow.position(table["bus"].to_numpy()), power)
    p_mw, q_mvar = (share[:, np.newaxis] - 1.0)[np.newaxis] * own[:, np.newaxis]
    return p_mw, q_mvar


def by_gridopt(net: Any, share: FloatArray, module_mw: float, pairs: bool) -> Sensitivities:
    """Return the sensitivities of a net whose hours are shares of its own load."""
    flow = FastPowerFlow.of(net)
    points = flow.at_each(*changes(net, flow, share))
    module = np.full(len(share), module_mw)
    return sensitivities(points, flow.bus, module, pairs=pairs, threads=1)


def by_pandapower(
    net: Any, share: float, places: Sequence[Sequence[int]], module_mw: float, recycle: bool
) -> Iterator[Result]:
    """Yield the power flows of an hour with modules at each of the lists of buses."""
    net = copy.deepcopy(net)
    for name in SCALED:
        net[name]["scaling"] = share
    # one at each bus: recycling does not see that a generator has moved
    module = dict(zip(net.bus.index, pp.create_sgens(net, net.bus.index, p_mw=0.0), strict=True))
    run(net)
    for buses in places:
        net.sgen.loc[list(module.values()), "p_mw"] = 0.0
        for bus in buses:
            net.sgen.loc[module[bus], "p_mw"] += module_mw
        run(net, recycle)
        yield Result(
            float(sum(net[f"res_{name}"]["pl_mw"].sum() for name in LOSING)),
            net.res_bus["vm_pu"].to_numpy(copy=True),
            np.concatenate([net[f"res_{name}"]["loading_percent"] for name in LOSING[:3]]),
        )


def run(net: Any, recycle: bool = False) -> None:
    """Run the power flow, with what the last one left if `recycle`."""
    more = {"init": "results", "recycle": RECYCLE} if recycle else {"init": "dc"}
    pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=TOLERANCE_MVA, **more)


def single_row(
    net: Any, share: FloatArray, module_mw: float, mine: tuple[Sensitivities, float], recycle: bool
) -> Row:
    """Compare a module at each bus in each hour."""
    found, seconds = mine
    places = [[], *([int(bus)] for bus in found.bus)]
    begun = time.perf_counter()
    hours = [list(by_pandapower(net, s, places, module_mw, recycle)) for s in share]
    peer_s = time.perf_counter() - begun
    apart = np.zeros(3)
    for h, (base, *others) in enumerate(hours):
        for i, other in enumerate(others):
            own = Result(found.loss_mw[i, h], found.vm_pu[i, h], found.loading_percent[i, h])
            apart = np.maximum(apart, differences(own, other, base))
    count = len(places) * len(share)
    name = "runpp, recycled" if recycle else "runpp"
    return Row(name, count, seconds, peer_s, peer_s / seconds, *apart)


def differences(own: Result, other: Result, base: Result) -> FloatArray:
    """Return the largest difference of what a module changes: of losses, voltages, loadings."""
    return np.array(
        [
            abs(own.loss_mw - (other.loss_mw - base.loss_mw)),
            np.max(abs(own.vm_pu - (other.vm_pu - base.vm_pu))),
            np.max(abs(own.loading_percent - (other.loading_percent - base.loading_percent))),
        ]
    )


def pair_row(
    net: Any, share: FloatArray, module_mw: float, mine: tuple[Sensitivities, float], sample: int
) -> Row:
    """Compare pairs of modules, with pandapower's seconds from a sample of the first hour."""
    found, seconds = mine
    rng, C = np.random.default_rng(0), len(found.bus)
    drawn = rng.integers(C, size=(sample, 2))
    places: list[list[int]] = [[]]
    for i, j in found.bus[drawn]:
        places += [[int(i)], [int(j)], [int(i), int(j)]]
    begun = time.perf_counter()
    base, *others = (one.loss_mw for one in by_pandapower(net, share[0], places, module_mw, False))
    each_s = (time.perf_counter() - begun) / len(places)
    first, second, both = (np.array(others[k::3]) for k in range(3))
    own = np.asarray(found.pair_loss_mw)[drawn[:, 0], drawn[:, 1], 0]
    apart = float(np.max(abs(own - (both - first - second + base))))
    count = (C * (C + 1) // 2 + C + 1) * len(share)
    peer_s = count * each_s
    return Row("runpp, pairs", count, seconds, peer_s, peer_s / seconds, apart, np.nan, np.nan)


def rows(net: Any, hours: int, module_mw: float, sample: int) -> Iterator[Row]:
    """Yield the lines of the table."""
    share = shape(hours)
    by_gridopt(net, share, module_mw, False)  # pandapower's loops are compiled before the clock
    begun = time.perf_counter()
    found = by_gridopt(net, share, module_mw, False)
    mine = found, time.perf_counter() - begun
    for recycle in (False, True):
        yield single_row(net, share, module_mw, mine, recycle)
    if sample:
        begun = time.perf_counter()
        found = by_gridopt(net, share, module_mw, True)
        yield pair_row(net, share, module_mw, (found, time.perf_counter() - begun), sample)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Sensitivities by fast power flows and runpp.")
    parser.add_argument("--net", default="case118", help="a net of pandapower.networks")
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--module-mw", type=float, default=10.0)
    parser.add_argument("--sample", type=int, default=30, help="pairs for runpp; 0: no pairs")
    given = parser.parse_args(words)
    table = Table(*Row._fields, box=box.MARKDOWN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inside pandapower
        net = getattr(networks, given.net)()
        for row in rows(net, given.hours, given.module_mw, given.sample):
            table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
