"""The DC power flow of the grid against pandapower's."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks
import pytest

from gridopt.arrays import FloatArray
from gridopt.errors import Issue
from gridopt.grid import Grid, Interfaces
from gridopt.io.net_grid import NetGrid, read_grid
from gridopt.security import without

TOLERANCE_MW = 1e-6

# case300, case1354pegase and case2869pegase have phase shifters, example_multivoltage a
# three-winding transformer, an impedance, extended wards, fused buses and open lines.
NETS = [
    "case24_ieee_rts",
    "case33bw",
    "case39",
    "case118",
    "case300",
    "example_multivoltage",
    "case1354pegase",
    "case2869pegase",
]

RESULT = {"line": "p_from_mw", "trafo": "p_hv_mw", "impedance": "p_from_mw"}


@cache
def solved(name: str) -> tuple[Any, NetGrid]:
    """Return a net with the results of pandapower's DC power flow, and its grid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = getattr(pandapower.networks, name)()
        issues: list[Issue] = []
        grid = read_grid(copy.deepcopy(net), issues)
        assert not issues
        pp.rundcpp(net)
    return net, grid


def injection_mw(net: Any, grid: NetGrid) -> FloatArray:
    injection = np.zeros(grid.grid.n_buses)
    for element, sign in (("load", -1), ("gen", 1), ("sgen", 1), ("ext_grid", 1)):
        results = net[f"res_{element}"]
        np.add.at(injection, grid.at(net[element]["bus"]), sign * results["p_mw"].fillna(0.0))
    for element in ("ward", "xward"):
        np.add.at(injection, grid.at(net[element]["bus"]), -net[element]["ps_mw"])
    return injection


def expected_mw(net: Any, grid: Grid) -> FloatArray:
    flows = []
    for (element, index), name in zip(grid.branch_element, grid.branch_name, strict=True):
        if element == "trafo3w":
            side = name.split()[-1]  # its sides count into it, its branches from hv to lv
            sign = 1 if side == "hv" else -1
            flows.append(sign * net.res_trafo3w.at[index, f"p_{side}_mw"])
        else:
            flows.append(net[f"res_{element}"].at[index, RESULT[element]])
    return np.array(flows)


@pytest.mark.parametrize("name", NETS)
def test_flows_are_those_of_rundcpp(name: str) -> None:
    net, found = solved(name)
    flows = found.grid.flows(injection_mw(net, found))
    np.testing.assert_allclose(flows, expected_mw(net, found.grid), rtol=0, atol=TOLERANCE_MW)


@pytest.mark.parametrize("name", NETS)
def test_ptdf_gives_the_flows_of_rundcpp(name: str) -> None:
    net, found = solved(name)
    grid = found.grid
    branches = np.arange(grid.n_branches)[:: 1 + grid.n_branches // 1000]
    injection = injection_mw(net, found)
    flows = grid.ptdf(branches) @ (injection - grid.offset_mw) + grid.shift_flow_mw[branches]
    expected = expected_mw(net, grid)[branches]
    np.testing.assert_allclose(flows, expected, rtol=0, atol=TOLERANCE_MW)


def test_flows_of_many_periods_are_those_of_each() -> None:
    net, found = solved("case300")
    one = injection_mw(net, found)
    both = np.column_stack([one, 0.5 * one])
    flows = found.grid.flows(both)
    np.testing.assert_allclose(flows[:, 0], found.grid.flows(one), atol=1e-9)
    np.testing.assert_allclose(flows[:, 1], found.grid.flows(0.5 * one), atol=1e-9)


def test_offsets_matter_where_there_are_phase_shifters_and_shunts() -> None:
    net, found = solved("case2869pegase")
    grid = found.grid
    branches = np.arange(200)
    bare = grid.ptdf(branches) @ injection_mw(net, found)
    assert np.abs(bare - expected_mw(net, grid)[branches]).max() > 0.1


def test_counts_of_the_reliability_test_system() -> None:
    _, found = solved("case24_ieee_rts")
    assert (found.grid.n_buses, found.grid.n_branches) == (24, 38)
    assert found.grid.is_rated.all()


def test_fused_buses_share_a_position_and_open_lines_are_left_out() -> None:
    net, found = solved("example_multivoltage")
    fused = net.switch[(net.switch["et"] == "b") & net.switch["closed"]]
    for bus, other in zip(fused["bus"], fused["element"], strict=True):
        assert found.position[int(bus)] == found.position[int(other)]
    opened = net.switch[(net.switch["et"] == "l") & ~net.switch["closed"]]
    assert len(opened)
    assert not {("line", int(index)) for index in opened["element"]} & set(
        found.grid.branch_element
    )
    assert "star of trafo3w 0" in found.grid.bus_name


def test_parts_of_a_disconnected_grid_are_named() -> None:
    none: list[float] = []
    grid = Grid(("a", "b", "c"), np.array([0]), np.array([1]), (("line", 0),), ("line 0",),
                np.array([1.0]), np.array([0.0]), np.array([np.inf]), np.zeros(3))  # fmt: skip
    assert [issue.element for issue in grid.issues()] == ["bus c"]
    empty = np.zeros(0, dtype=np.int64)
    grid = Grid(("a",), empty, empty, (), (), np.array(none), np.array(none), np.array(none),
                np.zeros(1))  # fmt: skip
    assert not grid.issues()


def bridges_by_removal(grid: Grid) -> list[int]:
    """Return the branches without which the grid falls apart, each tried."""
    return [branch for branch in range(grid.n_branches) if without(grid, branch).issues()]


def grid_of(n_buses: int, from_bus: list[int], to_bus: list[int]) -> Grid:
    L = len(from_bus)
    return Grid(
        bus_name=tuple(f"bus {i}" for i in range(n_buses)),
        from_bus=np.array(from_bus, dtype=np.int64),
        to_bus=np.array(to_bus, dtype=np.int64),
        branch_element=tuple(("line", i) for i in range(L)),
        branch_name=tuple(f"line {i}" for i in range(L)),
        susceptance_mw=np.full(L, 1000.0),
        shift_rad=np.zeros(L),
        rating_mw=np.full(L, np.inf),
        shunt_mw=np.zeros(n_buses),
    )


@pytest.mark.parametrize("name", ["case24_ieee_rts", "case30", "case33bw", "case39"])
def test_bridges_are_what_the_grid_falls_apart_without(name: str) -> None:
    grid = solved(name)[1].grid
    assert np.flatnonzero(grid.bridges).tolist() == bridges_by_removal(grid)


@pytest.mark.parametrize("seed", range(20))
def test_bridges_of_random_trees_with_parallel_branches_and_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 12))
    tree = [(int(rng.integers(0, i)), i) for i in range(1, n)]
    more = [tuple(map(int, rng.integers(0, n, 2))) for _ in range(int(rng.integers(0, 5)))]
    ends = rng.permutation(np.array(tree + more))
    grid = replace(grid_of(n, *ends.T.tolist()), reference_bus=int(rng.integers(0, n)))
    assert np.flatnonzero(grid.bridges).tolist() == bridges_by_removal(grid)


@pytest.mark.parametrize("name", ["case24_ieee_rts", "case30", "case300", "case_illinois200"])
def test_flows_after_outages_are_those_of_the_grid_without_the_branch(name: str) -> None:
    rng = np.random.default_rng(1)
    grid = solved(name)[1].grid
    grid = replace(grid, shift_rad=rng.normal(scale=0.05, size=grid.n_branches))
    injection = rng.normal(scale=50.0, size=(grid.n_buses, 2))
    flow = grid.flows(injection)
    outages = np.flatnonzero(~grid.bridges)
    factors = grid.lodf(outages)
    assert factors.shape == (grid.n_branches, len(outages))
    for k in range(0, len(outages), 1 + len(outages) // 40):
        after = flow + factors[:, [k]] * flow[[outages[k]]]
        assert np.abs(after[outages[k]]).max() == 0.0
        expected = without(grid, int(outages[k])).flows(injection)
        np.testing.assert_allclose(np.delete(after, outages[k], 0), expected, rtol=0, atol=1e-6)


def test_a_bridge_has_no_outage_factors() -> None:
    grid = solved("case24_ieee_rts")[1].grid
    (bridge,) = np.flatnonzero(grid.bridges)
    assert np.isnan(grid.lodf(np.array([bridge]))).all()
    assert np.isfinite(grid.lodf(np.array([(bridge + 1) % grid.n_branches]))).all()
    assert grid.lodf(np.zeros(0, dtype=np.int64)).shape == (grid.n_branches, 0)


def test_a_grid_with_its_factor_can_be_pickled() -> None:
    grid = solved("case30")[1].grid
    injection = np.random.default_rng(2).normal(size=grid.n_buses)
    flow = grid.flows(injection)
    assert "_factor" in vars(grid)
    again = pickle.loads(pickle.dumps(grid))  # noqa: S301
    assert again.branch_name == grid.branch_name
    np.testing.assert_array_equal(again.flows(injection), flow)


def test_faults_of_interfaces_are_named() -> None:
    grid = grid_of(3, [0, 1], [1, 2])
    wrong = Interfaces(("north", "north"), np.zeros((2, 3)), np.array([1.0, 0.0]), np.zeros(2))
    found = replace(grid, interfaces=wrong).issues()
    assert [(issue.element, issue.field) for issue in found] == [
        ("interfaces", "shape of weight"),
        ("interface north", "name"),
        ("interface north", "lower_mw"),
    ]
    right = Interfaces(("north",), np.ones((1, 2)), np.array([-np.inf]), np.array([5.0]))
    assert not replace(grid, interfaces=right).issues()


@pytest.mark.parametrize(
    ("line", "rating"),
    [
        ({"max_i_ka": 0.5}, np.sqrt(3) * 110 * 0.5),
        ({"max_i_ka": 0.5, "df": 0.9, "parallel": 2}, np.sqrt(3) * 110 * 0.5 * 0.9 * 2),
        ({"max_i_ka": 0.5, "max_loading_percent": 60.0}, np.sqrt(3) * 110 * 0.5 * 0.6),
        ({"max_i_ka": 0.0}, np.inf),
        ({"max_i_ka": np.nan}, np.inf),
        ({"max_i_ka": 99999.0}, np.inf),
        ({"max_i_ka": 9900 / np.sqrt(3) / 110}, np.inf),
    ],
)
def test_line_ratings(line: dict[str, float], rating: float) -> None:
    assert two_buses(line=line).grid.rating_mw[0] == pytest.approx(rating)


@pytest.mark.parametrize(
    ("trafo", "rating"),
    [
        ({}, 40.0),
        ({"df": 0.5, "parallel": 3, "max_loading_percent": 90.0}, 40.0 * 0.5 * 3 * 0.9),
        ({"sn_mva": 9900.0}, np.inf),
        ({"sn_mva": 99.999}, np.inf),
    ],
)
def test_transformer_ratings(trafo: dict[str, float], rating: float) -> None:
    assert two_buses(trafo=trafo).grid.rating_mw[0] == pytest.approx(rating)


def two_buses(
    line: dict[str, float] | None = None, trafo: dict[str, float] | None = None
) -> NetGrid:
    net = pp.create_empty_network()
    first = pp.create_bus(net, 110.0)
    second = pp.create_bus(net, 110.0 if trafo is None else 20.0)
    pp.create_ext_grid(net, first)
    if trafo is None:
        pp.create_line_from_parameters(net, first, second, 1.0, 0.1, 0.4, 0.0, 1.0)
        net.line["max_loading_percent"] = np.nan
        for column, value in (line or {}).items():
            net.line.loc[0, column] = value
    else:
        pp.create_transformer(net, first, second, "40 MVA 110/20 kV")
        net.trafo["max_loading_percent"] = np.nan
        for column, value in trafo.items():
            net.trafo.loc[0, column] = value
    issues: list[Issue] = []
    grid = read_grid(net, issues)
    assert not issues
    return grid
