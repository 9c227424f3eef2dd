"""Treewidth by least degree, against known graphs, brute force and networkx."""

from __future__ import annotations

import time
from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networkx.algorithms.approximation import treewidth_min_degree

from gridopt.lowering.treewidth import elimination, treewidth

Edges = list[tuple[int, int]]


def width(n: int, edges: Edges, most: int = 100) -> int | None:
    first, second = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    return treewidth(n, first, second, most)


def width_of(order: tuple[int, ...], edges: Edges) -> int:
    """Return the width of an elimination order, by its definition."""
    both = [*edges, *((b, a) for a, b in edges)]
    graph = {node: {b for a, b in both if a == node} for node in order}
    widest = 0
    for node in order:
        near = graph.pop(node) - {node}
        widest = max(widest, len(near))
        for other in near:
            graph[other] = (graph[other] | near) - {node, other}
    return widest


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (nx.empty_graph(0), 0),
        (nx.empty_graph(5), 0),
        (nx.path_graph(30), 1),
        (nx.balanced_tree(3, 4), 1),
        (nx.cycle_graph(30), 2),
        (nx.complete_graph(9), 8),
        (nx.complete_bipartite_graph(3, 20), 3),
        (nx.grid_2d_graph(4, 15), 4),
    ],
)
def test_known_graphs(graph: nx.Graph, expected: int) -> None:
    graph = nx.convert_node_labels_to_integers(graph)
    assert width(len(graph), list(graph.edges)) == expected
    if expected:
        assert width(len(graph), list(graph.edges), most=expected - 1) is None


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.integers(1, 6).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=15),
        )
    )
)
def test_is_an_upper_bound_that_the_order_attains(case: tuple[int, Edges]) -> None:
    n, edges = case
    found = width(n, edges)
    assert found is not None
    least = min(width_of(order, edges) for order in permutations(range(n)))
    first, second = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    order = tuple(node for node, _ in elimination(n, first, second, 100))
    assert sorted(order) == list(range(n))
    assert least <= found == width_of(order, edges)
    graph = nx.Graph([edge for edge in edges if edge[0] != edge[1]])
    graph.add_nodes_from(range(n))
    assert abs(found - treewidth_min_degree(graph)[0]) <= 1


def test_large_graphs_are_quick() -> None:
    n = 2000
    band = [(i, i + d) for d in range(1, 11) for i in range(n - d)]
    rng = np.random.default_rng(0)
    sparse, dense = (rng.integers(0, n, (2, m)) for m in (10_000, 200_000))
    begun = time.perf_counter()
    assert width(n, band) == 10
    assert treewidth(n, sparse[0], sparse[1], 60) is None
    assert treewidth(n, dense[0], dense[1], 60) is None
    # some 0.3 s together on a free machine
    assert time.perf_counter() - begun < 2.0


def test_stops_at_what_is_entangled() -> None:
    tail = [(k, k + 1) for k in range(8, 40)]
    edges = [*combinations(range(9), 2), *tail]
    first, second = np.array(edges).T
    gone = elimination(41, first, second, 3)
    assert sorted(node for node, _ in gone) == list(range(9, 41))
    assert all(degree <= 1 for _, degree in gone)
