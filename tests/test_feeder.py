"""LinDistFlow against a naive one on random trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gridopt.arrays import FloatArray
from gridopt.errors import StudyError
from gridopt.feeder import Correction, Feeder
from gridopt.grid import Grid
from gridopt.study import Study

Edges = list[tuple[int, int, int]]
"""Of a bus: branch, other end, and whether the branch begins at this bus."""


def random_feeder(rng: np.random.Generator) -> Feeder:
    """Return a tree of 2 to 12 buses in any order, each branch either way round."""
    B = int(rng.integers(2, 13))
    bus = rng.permutation(B)
    ends = np.array([(bus[rng.integers(k)], bus[k]) for k in range(1, B)])
    ends = ends[rng.permutation(B - 1)]
    turned = rng.random(B - 1) < 0.5
    ends[turned] = ends[turned][:, ::-1]
    L = B - 1
    grid = Grid(
        bus_name=tuple(f"bus {b}" for b in range(B)),
        from_bus=ends[:, 0],
        to_bus=ends[:, 1],
        branch_element=tuple(("line", k) for k in range(L)),
        branch_name=tuple(f"line {k}" for k in range(L)),
        susceptance_mw=np.full(L, 100.0),
        shift_rad=np.zeros(L),
        rating_mw=np.full(L, np.inf),
        shunt_mw=np.zeros(B),
        reference_bus=int(bus[0]),
    )
    return Feeder(
        grid=grid,
        base_mva=float(rng.uniform(1.0, 100.0)),
        resistance_pu=rng.uniform(0.0, 0.05, L),
        reactance_pu=rng.uniform(0.01, 0.05, L),
        tap=np.where(rng.random(L) < 0.5, 1.0, rng.uniform(0.9, 1.1, L)),
        reactive_mvar_per_mw=rng.uniform(0.0, 0.5, B),
        reactive_mvar=rng.normal(0.0, 1.0, B),
        source_vm_pu=1.02,
        vm_min_pu=np.full(B, 0.9),
        vm_max_pu=np.full(B, 1.1),
    )


class Naive:
    """One period of the equations, bus by bus and by recursion, with numbers alone."""

    def __init__(self, feeder: Feeder, p_mw: FloatArray, q_mvar: FloatArray) -> None:
        grid = feeder.grid
        self.feeder, self.p_mw, self.q_mvar = feeder, p_mw, q_mvar
        self.edges: list[Edges] = [[] for _ in range(grid.n_buses)]
        for k in range(grid.n_branches):
            start, end = int(grid.from_bus[k]), int(grid.to_bus[k])
            self.edges[start].append((k, end, True))
            self.edges[end].append((k, start, False))
        self.flow_mw = np.zeros(grid.n_branches)
        self.flow_mvar = np.zeros(grid.n_branches)
        self.vm2 = np.zeros(grid.n_buses)
        self.loss_mw = 0.0
        self.taken(grid.reference_bus, -1)
        self.vm2[grid.reference_bus] = feeder.source_vm_pu**2
        self.fall(grid.reference_bus, -1)

    def taken(self, bus: int, before: int) -> tuple[float, float]:
        p, q = float(self.p_mw[bus]), float(self.q_mvar[bus])
        for branch, other, _ in self.edges[bus]:
            if branch != before:
                more = self.taken(other, branch)
                self.flow_mw[branch], self.flow_mvar[branch] = more
                p, q = p + more[0], q + more[1]
        return p, q

    def fall(self, bus: int, before: int) -> None:
        feeder = self.feeder
        for branch, other, begins_here in self.edges[bus]:
            if branch == before:
                continue
            p, q = self.flow_mw[branch], self.flow_mvar[branch]
            r, x = feeder.resistance_pu[branch], feeder.reactance_pu[branch]
            tap, base = feeder.tap[branch], feeder.base_mva
            # an ideal transformer of the tap at the from bus, then the impedance
            if begins_here:
                self.vm2[other] = self.vm2[bus] / tap**2 - 2.0 * (r * p + x * q) / base
            else:
                self.vm2[other] = tap**2 * (self.vm2[bus] - 2.0 * (r * p + x * q) / base)
            self.loss_mw += r * (p**2 + q**2) / base
            self.fall(other, branch)


@pytest.mark.parametrize("seed", range(40))
def test_equations_against_naive_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    feeder, T = random_feeder(rng), 3
    p_mw, q_mvar = rng.normal(0.0, 5.0, (2, feeder.grid.n_buses, T))
    flow_mw, flow_mvar = feeder.flows(p_mw), feeder.flows(q_mvar)
    shift = rng.normal(0.0, 0.01, (feeder.grid.n_buses, T))
    vm2, loss_mw = feeder.vm2(flow_mw, flow_mvar, shift), feeder.loss_mw(flow_mw, flow_mvar)
    for t in range(T):
        naive = Naive(feeder, p_mw[:, t], q_mvar[:, t])
        assert flow_mw[:, t] == pytest.approx(naive.flow_mw)
        assert flow_mvar[:, t] == pytest.approx(naive.flow_mvar)
        assert vm2[:, t] == pytest.approx(naive.vm2 + shift[:, t])
        assert loss_mw[t] == pytest.approx(naive.loss_mw)


@pytest.mark.parametrize("seed", range(10))
def test_branches_from_the_reference_bus_outward(seed: int) -> None:
    feeder = random_feeder(np.random.default_rng(seed))
    grid = feeder.grid
    reached = {grid.reference_bus}
    for branch in feeder.order:
        assert int(feeder.parent[branch]) in reached
        assert int(feeder.child[branch]) not in reached
        reached.add(int(feeder.child[branch]))
    assert reached == set(range(grid.n_buses))
    for branch in range(grid.n_branches):
        ends = {int(feeder.parent[branch]), int(feeder.child[branch])}
        assert ends == {int(grid.from_bus[branch]), int(grid.to_bus[branch])}


def test_reactive_demand_follows_demand() -> None:
    feeder = random_feeder(np.random.default_rng(1))
    demand = np.random.default_rng(2).uniform(0.0, 3.0, (feeder.grid.n_buses, 2))
    found = feeder.reactive_demand_mvar(demand)
    for bus, t in np.ndindex(*found.shape):
        expected = feeder.reactive_mvar_per_mw[bus] * demand[bus, t] + feeder.reactive_mvar[bus]
        assert found[bus, t] == pytest.approx(expected)


def test_corrections_by_scenario() -> None:
    feeder = random_feeder(np.random.default_rng(3))
    B, L = feeder.grid.n_buses, feeder.grid.n_branches
    none = feeder.correction(4)
    assert not none.vm2_pu2.any()
    assert (none.loading == 1.0).all()
    assert not none.loss_mw.any()
    assert (none.vm2_pu2.shape, none.loading.shape, none.loss_mw.shape) == ((B, 4), (L, 4), (4,))
    each = tuple(
        Correction(np.full((B, 4), k), np.full((L, 4), k), np.full(4, k)) for k in (1.0, 2.0)
    )
    both = replace(feeder, corrections=each)
    assert both.correction(4) is each[0]
    assert both.in_scenario(1).correction(4) is each[1]


def test_a_study_with_a_ring_has_no_such_feeder(make_tree: Callable[..., Study]) -> None:
    tree = make_tree()
    grid = tree.grid
    ring = replace(
        grid,
        from_bus=np.append(grid.from_bus, 2),
        to_bus=np.append(grid.to_bus, 4),
        branch_element=(*grid.branch_element, ("line", 9)),
        branch_name=(*grid.branch_name, "line 9"),
        susceptance_mw=np.append(grid.susceptance_mw, 1.0),
        shift_rad=np.zeros(5),
        rating_mw=np.append(grid.rating_mw, 1.0),
        emergency_rating_mw=np.append(grid.rating_mw, 1.0),
        may_fail=np.ones(5, dtype=np.bool_),
    )
    with pytest.raises(StudyError, match="net: branches = 5, expected 4: as many as buses, less"):
        replace(tree, grid=ring)


def test_a_study_without_a_feeder_says_so(make_study: Callable[..., Study]) -> None:
    with pytest.raises(StudyError, match="study two units: feeder = None, expected a radial net"):
        _ = make_study().radial


def test_the_feeder_of_a_study_is_on_its_grid(make_tree: Callable[..., Study]) -> None:
    """Ratings that are changed in the grid limit the feeder too."""
    study = make_tree()
    rated = replace(study.grid, rating_mw=np.full(study.grid.n_branches, 0.25))
    tighter = replace(study, grid=rated)
    assert tighter.radial.grid is tighter.grid
    none = np.zeros((rated.n_branches, 1))
    limit = tighter.radial.flow_limit_mw(none, tighter.radial.correction(1))
    assert limit == pytest.approx(0.25)
