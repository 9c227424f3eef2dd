"""How tree-like a graph of couplings is: what exact elimination of its bits takes.

Eliminating a bit joins all its neighbors; the largest number of neighbors that any bit has when it
goes is the width of the order. The least width over all orders is the treewidth; the order by least
degree gives an upper bound on it (Bodlaender & Koster 2010, doi 10.1016/j.ic.2009.03.008).
"""

from __future__ import annotations

import heapq

from gridopt.arrays import IntArray


def treewidth(n: int, first: IntArray, second: IntArray, most: int) -> int | None:
    """Return an upper bound on the treewidth of a graph, or None where it is above `most`.

    Parameters
    ----------
    n : int
        Number of nodes.
    first, second : array of int, (m,)
        Ends of the edges; neither loops nor repeated edges matter.
    most : int
        Stop above it, which is soon where a graph is dense.
    """
    if len(set(zip(first.tolist(), second.tolist(), strict=True))) > most * n:
        return None  # a graph of that width has fewer edges
    degrees = [degree for _, degree in elimination(n, first, second, most)]
    if len(degrees) < n:
        return None
    return max(degrees, default=0)


def elimination(n: int, first: IntArray, second: IntArray, most: int) -> list[tuple[int, int]]:
    """Return the nodes in the order of least degree, each with its degree when it goes.

    Parameters
    ----------
    n, first, second, most
        As for `treewidth`.

    Returns
    -------
    list of tuple of int
        Of all nodes, or of those that went before every degree was above `most`.
    """
    neighbors: list[set[int]] = [set() for _ in range(n)]
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        if i != j:
            neighbors[i].add(j)
            neighbors[j].add(i)
    queue = [(len(own), node) for node, own in enumerate(neighbors)]
    heapq.heapify(queue)
    left = set(range(n))
    gone: list[tuple[int, int]] = []
    while queue:
        degree, node = heapq.heappop(queue)
        own = neighbors[node]
        if node not in left or degree != len(own):
            continue  # of an earlier degree
        if degree > most:
            break
        gone.append((node, degree))
        left.remove(node)
        for other in own:
            joined = neighbors[other]
            joined |= own
            joined -= {node, other}
            heapq.heappush(queue, (len(joined), other))
    return gone
