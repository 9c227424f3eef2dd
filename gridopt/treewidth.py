"""An upper bound on the treewidth of a graph, by greedy elimination of least degrees."""

from __future__ import annotations

import heapq

from gridopt.arrays import IntArray


def treewidth(n: int, first: IntArray, second: IntArray, most: int) -> int | None:
    """Return the width of the elimination of least degrees, None where it is above `most`.

    Parameters
    ----------
    n : int
        Number of nodes.
    first, second : array of int, (k,)
        Ends of the edges.
    most : int
    """
    if len(first) > most * n:  # a graph of that width has fewer edges
        return None
    near: list[set[int]] = [set() for _ in range(n)]
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        near[i].add(j)
        near[j].add(i)
    queue = [(len(nodes), node) for node, nodes in enumerate(near)]
    heapq.heapify(queue)
    gone = [False] * n
    width = 0
    while queue:
        degree, node = heapq.heappop(queue)
        if gone[node] or degree != len(near[node]):
            continue
        if degree > most:
            return None
        width = max(width, degree)
        gone[node] = True
        for other in near[node]:
            near[other] |= near[node]
            near[other] -= {other, node}
            heapq.heappush(queue, (len(near[other]), other))
    return width
