"""The AC model of a pandapower net, from the arrays that pandapower's own power flow used."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
from pandapower.pypower.idx_brch import F_BUS, T_BUS
from pandapower.pypower.idx_bus import BASE_KV, PD
from pandapower.pypower.idx_gen import GEN_BUS, PG
from scipy import sparse

from gridopt.ac_model import ACModel
from gridopt.arrays import BoolArray, ComplexArray, FloatArray, IntArray
from gridopt.errors import GridoptError
from gridopt.io.net_tables import flags, numbers

LOADED = ("line", "trafo", "trafo3w")
LOSING = (*LOADED, "impedance")
UNKNOWN = ("svc", "tcsc", "ssc", "vsc")
"""Elements whose admittance depends on the state, so that no fixed matrix stands for them."""

ATTEMPTS = (("dc", 1e-10), ("flat", 1e-10), ("dc", 1e-8))
"""Start and tolerance in MVA, in the order tried: rounding keeps some nets above the first."""


@dataclass(frozen=True, eq=False)
class SolvedNet:
    """A net after pandapower's power flow, its model, and the state found.

    Parameters
    ----------
    net : pandapowerNet
        With its tables of results.
    model : ACModel
    injection : array of complex, (n,)
        Power given into the net by all but slacks at each node, in pu; the reactive part of nodes
        with held voltage is meaningless.
    voltage : array of complex, (n,)
        As pandapower found it, in pu.
    """

    net: Any
    model: ACModel
    injection: ComplexArray
    voltage: ComplexArray


def read_ac_model(net: Any) -> SolvedNet:
    """Run pandapower's power flow on a copy of a net and take the model that it used.

    Parameters
    ----------
    net : pandapowerNet
        Its own options of the power flow (``user_pf_options``) are ignored.

    Returns
    -------
    SolvedNet

    Raises
    ------
    GridoptError
        If pandapower cannot run the net, if that does not converge, or if the net has what the
        model has no place for: loads that depend on voltage, FACTS, nothing but slack buses.
    """
    net = copy.deepcopy(net)
    net["user_pf_options"] = {}
    _run(net)
    internal = net["_ppc"]["internal"]
    _refuse(net, internal)
    order = np.concatenate([internal[kind] for kind in ("pv", "pq", "ref")]).astype(np.int64)
    return SolvedNet(
        net=net,
        model=_model(net, internal, order),
        injection=_injection(internal)[order],
        voltage=np.asarray(internal["V"][order], dtype=np.complex128),
    )


def _run(net: Any) -> None:
    for start, tolerance in ATTEMPTS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pandas' future and numpy's divisions inside
                pp.runpp(net, init=start, tolerance_mva=tolerance, calculate_voltage_angles=True)
        except (pp.LoadflowNotConverged, np.linalg.LinAlgError, FloatingPointError):
            continue
        except Exception as error:  # whatever pandapower stumbles over, the net is at fault
            raise GridoptError(
                f"pandapower cannot run the net: {type(error).__name__}: {error}"
            ) from error
        if np.isfinite(net.res_bus["vm_pu"]).any():
            return
    raise GridoptError(f"the AC power flow of the net does not converge{_reached(net)}")


def _reached(net: Any) -> str:
    """Say where the last attempt ended."""
    internal = (net.get("_ppc") or {}).get("internal", {})
    if "V" not in internal or "Sbus" not in internal:
        return ""
    with np.errstate(all="ignore"):
        power = internal["V"] * np.conj(internal["Ybus"] @ internal["V"])
        short = internal["baseMVA"] * (power - internal["Sbus"])
    moving = np.concatenate([internal["pv"], internal["pq"]]).astype(np.int64)
    free = np.isin(moving, internal["pq"])
    found = np.where(free, abs(short[moving]), abs(short[moving].real))
    largest = float(np.max(found, initial=0.0))
    return f": the largest mismatch reached is {largest:.4g} MVA; check demand and supply"


def _refuse(net: Any, internal: dict[str, Any]) -> None:
    if "V" not in internal:
        raise GridoptError("the net has slack buses alone: there is no power flow to solve")
    if net["_options"]["voltage_depend_loads"]:
        raise GridoptError("loads of the net depend on voltage, which the fast power flow does not")
    found = [name for name in UNKNOWN if len(internal.get(name, ()))]
    if found:
        raise GridoptError(f"the fast power flow does not take {', '.join(found)} of the net")


def _injection(internal: dict[str, Any]) -> ComplexArray:
    """Return what all but slacks inject; pandapower has added theirs to the generators."""
    bus, gen, base = internal["bus"], internal["gen"], internal["baseMVA"]
    found = np.array(internal["Sbus"], dtype=np.complex128)
    others = np.delete(gen, internal["ref_gens"], axis=0)
    active = -np.real(bus[:, PD])
    np.add.at(active, np.real(others[:, GEN_BUS]).astype(np.int64), np.real(others[:, PG]))
    found[internal["ref"]] = active[internal["ref"]] / base
    return found


def _model(net: Any, internal: dict[str, Any], order: IntArray) -> ACModel:
    """Return the model with nodes in that order of pandapower's internal buses."""
    place = np.argsort(order)
    bus, node = _buses(net, place)
    table = _rows(net, internal)
    loaded = table[table["element"].isin(LOADED)]
    # the rows of a branch one after the other
    loaded = loaded.sort_values(["kind", "position", "row"])
    keys = list(zip(loaded["element"], loaded["index"].astype(int), strict=True))
    branch = tuple(dict.fromkeys(keys))
    row = loaded["row"].to_numpy(dtype=np.int64)
    from_admittance, to_admittance = (
        sparse.csr_array(internal[name])[:, order] for name in ("Yf", "Yt")
    )
    return ACModel(
        base_mva=float(internal["baseMVA"]),
        n_held=len(internal["pv"]),
        n_free=len(internal["pq"]),
        admittance=sparse.csr_array(sparse.csr_array(internal["Ybus"])[order][:, order]),
        loss_admittance=_loss_admittance(
            table, place, sparse.csr_array(from_admittance), sparse.csr_array(to_admittance)
        ),
        bus=bus,
        node=node,
        branch=branch,
        first=np.array([keys.index(key) for key in branch], dtype=np.int64),
        from_node=place[loaded["from"]],
        to_node=place[loaded["to"]],
        from_admittance=sparse.csr_array(from_admittance[row]),
        to_admittance=sparse.csr_array(to_admittance[row]),
        from_percent=loaded["from_percent"].to_numpy(dtype=np.float64),
        to_percent=loaded["to_percent"].to_numpy(dtype=np.float64),
    )


def _buses(net: Any, place: IntArray) -> tuple[IntArray, IntArray]:
    """Return the buses in service and supplied, and the node of each."""
    index = net.bus.index[flags(net.bus, "in_service", True)].to_numpy(dtype=np.int64)
    internal = net["_pd2ppc_lookups"]["bus"][index]
    supplied = (internal >= 0) & (internal < len(place))
    return index[supplied], place[internal[supplied]]


def _loss_admittance(
    table: pd.DataFrame,
    place: IntArray,
    from_admittance: sparse.csr_array,
    to_admittance: sparse.csr_array,
) -> sparse.csr_array:
    """Return C_from' Y_from + C_to' Y_to of all branches that lose power."""
    row, n = table["row"].to_numpy(dtype=np.int64), len(place)
    whole = sparse.csr_array((n, n), dtype=np.complex128)
    for end, admittance in (("from", from_admittance), ("to", to_admittance)):
        entries = (np.ones(len(row)), (place[table[end]], np.arange(len(row))))
        at_end = sparse.csr_array(sparse.coo_array(entries, shape=(n, len(row))))
        whole = sparse.csr_array(whole + at_end @ admittance[row])
    return whole


def _rows(net: Any, internal: dict[str, Any]) -> pd.DataFrame:
    """Return the rows of pandapower's internal branches that are elements which lose power."""
    spans = net["_pd2ppc_lookups"]["branch"]
    in_service = np.asarray(internal["branch_is"], dtype=np.bool_)
    parts = [
        part
        for kind, element in enumerate(LOSING)
        if element in spans
        for part in _rows_of(net, element, kind, spans[element], in_service)
    ]
    table = pd.concat(parts) if parts else pd.DataFrame(_columns("", 0, _NOTHING, _NOTHING))
    ends = np.real(internal["branch"][table["row"], :][:, [F_BUS, T_BUS]]).astype(np.int64)
    table["from"], table["to"] = ends.T
    ampere = internal["baseMVA"] / (np.sqrt(3.0) * np.real(internal["bus"][ends, BASE_KV]))
    table["from_percent"] *= ampere[:, 0]
    table["to_percent"] *= ampere[:, 1]
    return table


_NOTHING = np.zeros(0, dtype=np.int64)


def _columns(element: str, kind: int, index: IntArray, row: IntArray) -> dict[str, Any]:
    return {
        "element": element,
        "kind": kind,
        "index": index,
        "position": np.arange(len(index)),
        "row": row,
        "from_percent": np.zeros(len(index)),
        "to_percent": np.zeros(len(index)),
    }


def _rows_of(
    net: Any, element: str, kind: int, span: tuple[int, int], in_service: BoolArray
) -> Iterator[pd.DataFrame]:
    """Yield the rows of an element; of a three-winding transformer, side by side."""
    index = net[element].index.to_numpy(dtype=np.int64)
    internal = np.cumsum(in_service) - 1
    sides = _sides(net, element)
    for number, (from_percent, to_percent) in enumerate(sides):
        row = span[0] + number * len(index) + np.arange(len(index))
        table = pd.DataFrame(_columns(element, kind, index, internal[row]))
        table["from_percent"], table["to_percent"] = from_percent, to_percent
        yield table[in_service[row]]


def _sides(net: Any, element: str) -> list[tuple[FloatArray, FloatArray]]:
    """Return the loading in percent at a current of 1 kA, at both ends of each row."""
    table = net[element]
    share = numbers(table, "df", 1.0) * numbers(table, "parallel", 1.0)
    none = np.zeros(len(table))
    if element == "line":
        at_ends = _ratio(100.0, numbers(table, "max_i_ka", np.nan) * share)
        return [(at_ends, at_ends)]
    if element == "trafo":
        rated = numbers(table, "sn_mva", np.nan) * share
        return [(_percent(table, "hv", rated), _percent(table, "lv", rated))]
    if element == "trafo3w":  # rows go from the high-voltage side to the star, then from the star
        hv, mv, lv = (
            _percent(table, side, numbers(table, f"sn_{side}_mva", np.nan))
            for side in ("hv", "mv", "lv")
        )
        return [(hv, none), (none, mv), (none, lv)]
    return [(none, none)]


def _percent(table: pd.DataFrame, side: str, rated_mva: FloatArray) -> FloatArray:
    return _ratio(100.0 * np.sqrt(3.0) * numbers(table, f"vn_{side}_kv", np.nan), rated_mva)


def _ratio(above: FloatArray | float, below: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):  # no rating is loaded beyond measure, as in pandapower
        return np.asarray(above / below)
