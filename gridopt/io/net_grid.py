"""The DC network of a pandapower net, from pandapower's own conversion of it.

Taking reactances, taps, phase shifts and fused buses from the conversion makes the flows those of
`pandapower.rundcpp`, whatever element they come from.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pandapower.converter.pypower import to_ppc

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.errors import Issue
from gridopt.grid import ElementKey, Grid
from gridopt.io.net_tables import flags, labels, numbers, unique_names

PLACEHOLDER_MVA = 9900.0
"""Ratings from here on mean "none": MATPOWER's 9900 and 9999, pandapower's 99999."""

CONVERTED_PLACEHOLDER_MVA = 99.999
"""pandapower's 99999 after it was taken for kVA: transformers of its pegase and rte cases."""

# Columns of pandapower's conversion (those of MATPOWER, from 0).
BUS_TYPE, BUS_GS = 1, 4
FROM, TO, REACTANCE, TAP, SHIFT, STATUS = 0, 1, 3, 8, 9, 10
REFERENCE = 3

SIDES = ("hv", "mv", "lv")


@dataclass(frozen=True)
class NetGrid:
    """A grid, and where the buses of the net are in it.

    Parameters
    ----------
    grid : Grid
    position : dict of int to int
        From the index of a bus in service to its position; fused buses share one.
    notes : tuple of str
        What of the network limits nothing.
    branch_values : array, (L, K)
        pandapower's conversion of each branch, with MATPOWER's columns.
    bus_values : array, (B, K)
        The same of each bus.
    base_mva : float
    """

    grid: Grid
    position: dict[int, int]
    notes: tuple[str, ...] = ()
    branch_values: FloatArray = field(default_factory=partial(np.zeros, (0, 0)))
    bus_values: FloatArray = field(default_factory=partial(np.zeros, (0, 0)))
    base_mva: float = 1.0

    def at(self, buses: pd.Series[Any]) -> IntArray:
        """Return the positions of buses given by index."""
        return np.array([self.position[int(bus)] for bus in buses], dtype=np.int64)


def read_grid(net: Any, issues: list[Issue]) -> NetGrid:
    """Return the DC network of a net.

    Parameters
    ----------
    net : pandapowerNet
        A copy that may be changed: the conversion leaves its tables of results in it.
    issues : list of Issue
        Faults found are added here; where there is no network, one bus stands for it, so that
        the rest of the net can be checked.

    Notes
    -----
    The rating of a line in MW is √3 · vn_kv · max_i_ka · df · parallel · max_loading / 100, of a
    transformer sn_mva · df · parallel · max_loading / 100, at 1 pu voltage and without reactive
    power. Zero, missing and placeholder ratings limit nothing.

    Every bus in service is part of the grid, supplied or not, so that an islanded one is found
    (pandapower sets it out of service in silence). Branches that are open at one end carry
    nothing and are left out.
    """
    converted = _convert(net, issues)
    if converted is None:
        return _copperplate(net)
    rows, branches, ppc = converted
    reactance = np.real(ppc["branch"][branches.index, REACTANCE])
    issues += [
        Issue(str(name), "reactance", 0.0, "not 0") for name in branches.loc[reactance == 0, "name"]
    ]
    grid_bus = _grid_rows(net, rows, branches)
    order = {row: position for position, row in enumerate(grid_bus)}
    kept = branches["from"].isin(order) & branches["to"].isin(order) & (reactance != 0)
    branches, buses = branches[kept], _bus_values(order, ppc)
    values = np.real(ppc["branch"][branches.index])
    grid = _grid(net, rows, branches, order, (values, buses, ppc["baseMVA"]))
    position = {bus: order[row] for bus, row in rows.items()}
    notes = tuple(_notes(grid))
    return NetGrid(grid, position, notes, values, buses, float(ppc["baseMVA"]))


def _bus_values(order: dict[int, int], ppc: dict[str, Any]) -> FloatArray:
    known = np.real(ppc["bus"])  # without those that nothing is connected to
    buses = np.zeros((len(order), known.shape[1]))
    supplied = np.array(list(order)) < len(known)
    buses[supplied] = known[np.array(list(order))[supplied]]
    return buses


def _convert(
    net: Any, issues: list[Issue]
) -> tuple[dict[int, int], pd.DataFrame, dict[str, Any]] | None:
    """Return the row of each bus in service, the branches in service and the raw arrays."""
    has_slack = flags(net.ext_grid, "in_service", True).any() or (
        (flags(net.gen, "slack", False) & flags(net.gen, "in_service", True)).any()
    )
    if not has_slack:
        issues.append(Issue("net", "ext_grid", "none in service", "one, or a gen with slack=True"))
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' future and numpy's divisions inside pandapower
        try:
            ppc = to_ppc(net, check_connectivity=False, init="flat", mode="pf")
        except Exception as error:  # whatever pandapower stumbles over, the net is at fault
            found = f"{type(error).__name__}: {error}"
            issues.append(Issue("net", "conversion", found, "a net that pandapower can run"))
            return None
    in_service = net.bus.index[flags(net.bus, "in_service", True)]
    lookup = net["_pd2ppc_lookups"]
    rows = {int(bus): int(lookup["bus"][bus]) for bus in in_service}
    return rows, _branches(net, ppc, lookup["branch"]), ppc


def _branches(net: Any, ppc: dict[str, Any], spans: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """Return the branches in service, in the order of the conversion, which leaves out others."""
    table = pd.concat([_labelled(net, *part) for part in spans.items()] or [_NONE])
    table["name"] = _unique_sides(table)
    table = table[np.asarray(ppc["internal"]["branch_is"], dtype=np.bool_)].reset_index(drop=True)
    table["from"] = np.real(ppc["branch"][:, FROM]).astype(np.int64)
    table["to"] = np.real(ppc["branch"][:, TO]).astype(np.int64)
    return table


_NONE = pd.DataFrame({"element": [], "index": [], "own": [], "side": [], "rating": []})


def _labelled(net: Any, element: str, span: tuple[int, int]) -> pd.DataFrame:
    source = net[element]
    if element == "switch":  # only those with an impedance are branches
        source = source[np.asarray(net["_impedance_bb_switches"])]
    sides = SIDES if element == "trafo3w" else ("",)
    return pd.DataFrame(
        {
            "element": element,
            "index": np.tile(source.index, len(sides)),
            "own": labels(source, "name") * len(sides),
            "side": np.repeat(sides, len(source)),
            "rating": np.concatenate([_rating_mw(net, element, source, s) for s in sides]),
        },
        index=pd.RangeIndex(*span),
    )


def _unique_sides(table: pd.DataFrame) -> list[str]:
    whole = table[table["side"].isin(("", "hv"))]
    keys = list(zip(whole["element"], whole["index"].astype(int), strict=True))
    name = dict(zip(keys, unique_names(keys, list(whole["own"])), strict=True))
    return [
        f"{name[element, int(index)]} {side}".strip()
        for element, index, side in zip(
            table["element"], table["index"], table["side"], strict=True
        )
    ]


def _rating_mw(net: Any, element: str, table: pd.DataFrame, side: str) -> FloatArray:
    if element == "line":
        vn_kv = net.bus["vn_kv"].reindex(table["from_bus"]).to_numpy(dtype=np.float64)
        one_mva = np.sqrt(3.0) * vn_kv * numbers(table, "max_i_ka", np.nan)
        one_mva[numbers(table, "max_i_ka", np.nan) >= PLACEHOLDER_MVA] = np.nan
    elif element in ("trafo", "trafo3w"):
        one_mva = numbers(table, f"sn_{side}_mva" if side else "sn_mva", np.nan)
        one_mva[np.isclose(one_mva, CONVERTED_PLACEHOLDER_MVA, rtol=0, atol=1e-9)] = np.nan
    else:
        return np.full(len(table), np.inf)
    share = numbers(table, "max_loading_percent", 100.0) / 100.0
    rating = one_mva * numbers(table, "df", 1.0) * numbers(table, "parallel", 1.0) * share
    none = ~(one_mva > 0) | (one_mva > PLACEHOLDER_MVA * (1 - 1e-6)) | ~(rating > 0)
    return np.where(none, np.inf, rating)


def _grid_rows(net: Any, rows: dict[int, int], branches: pd.DataFrame) -> list[int]:
    """Return the rows of the conversion that are buses of the grid.

    Those are the buses of the net in its order, then the auxiliary ones that connect something:
    star points, not the loose ends of open branches.
    """
    own = list(dict.fromkeys(rows[int(bus)] for bus in net.bus.index if int(bus) in rows))
    ends = branches[["from", "to"]].to_numpy(dtype=np.int64)
    auxiliary = set(ends.ravel().tolist()) - set(own)
    while True:
        kept = ends[_inside(ends[:, 0], auxiliary, own) & _inside(ends[:, 1], auxiliary, own)]
        found, count = np.unique(kept, return_counts=True)
        degree = dict(zip(found.tolist(), count.tolist(), strict=True))
        loose = {row for row in auxiliary if degree.get(row, 0) < 2}
        if not loose:
            return own + sorted(auxiliary)
        auxiliary -= loose


def _inside(rows: IntArray, auxiliary: set[int], own: list[int]) -> BoolArray:
    return np.isin(rows, [*auxiliary, *own])


def _grid(
    net: Any,
    rows: dict[int, int],
    branches: pd.DataFrame,
    order: dict[int, int],
    converted: tuple[FloatArray, FloatArray, float],
) -> Grid:
    values, buses, base_mva = converted
    tap = np.where(values[:, TAP] == 0, 1.0, values[:, TAP])
    reference = np.flatnonzero(buses[:, BUS_TYPE] == REFERENCE)
    return Grid(
        bus_name=_bus_names(net, rows, branches, order),
        from_bus=np.array([order[row] for row in branches["from"]], dtype=np.int64),
        to_bus=np.array([order[row] for row in branches["to"]], dtype=np.int64),
        branch_element=_keys(branches),
        branch_name=tuple(branches["name"]),
        susceptance_mw=base_mva / (values[:, REACTANCE] * tap),
        shift_rad=np.deg2rad(values[:, SHIFT]),
        rating_mw=branches["rating"].to_numpy(dtype=np.float64),
        shunt_mw=buses[:, BUS_GS],
        reference_bus=int(reference[0]) if len(reference) else 0,
    )


def _keys(branches: pd.DataFrame) -> tuple[ElementKey, ...]:
    return tuple(
        (str(element), int(index))
        for element, index in zip(branches["element"], branches["index"], strict=True)
    )


def _bus_names(
    net: Any, rows: dict[int, int], branches: pd.DataFrame, order: dict[int, int]
) -> tuple[str, ...]:
    """Name each bus as the net does; star points after the element that they belong to."""
    first: dict[int, int] = {}
    for bus in net.bus.index:
        if int(bus) in rows:
            first.setdefault(rows[int(bus)], int(bus))
    own = dict(zip(net.bus.index, labels(net.bus, "name"), strict=True))
    keys: list[ElementKey] = []
    texts: list[str | None] = []
    for row in order:
        bus = first.get(row)
        keys.append(("bus", bus) if bus is not None else ("auxiliary bus", row))
        texts.append(own[bus] if bus is not None else _star_name(branches, row))
    return unique_names(keys, texts)


def _star_name(branches: pd.DataFrame, row: int) -> str:
    touching = branches[(branches["from"] == row) | (branches["to"] == row)].iloc[0]
    return f"star of {touching['element']} {touching['index']}"


def _copperplate(net: Any) -> NetGrid:
    return NetGrid(Grid.single_bus(), {int(bus): 0 for bus in net.bus.index})


def _notes(grid: Grid) -> Iterator[str]:
    unrated = int((~grid.is_rated).sum())
    if grid.n_branches and unrated == grid.n_branches:
        yield "no branch of the net has an effective rating: the network limits nothing"
    elif unrated:
        yield f"{unrated} of {grid.n_branches} branches have no effective rating: taken as none"
