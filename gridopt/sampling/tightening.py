"""Lower penalty weights, certified by an exact solution of the QUBO with weights still lower.

Let f* be the least objective of a state that holds every row. Where the ground energy with weights
w' is still f*, every state z that breaks a row of weight w > w' has

    E_w(z) ≥ E_w'(z) + (w − w') > f*,

as a penalty is at least 1 where its row is broken. So with w all ground states hold every row. One
factor a row block is lowered after the other, the largest weight first, as far as an exact solver
certifies it: enumeration, or a tree decomposition.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

import numpy as np

from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo, to_qubo
from gridopt.lowering.structure import Native
from gridopt.program import Program
from gridopt.sampling.presolve import ground_state

LEAST_FACTOR = 2.0**-16

MARGIN = 1.05
"""Factor on the weights that were certified, so that those used are above them."""

SMALL = 1e-9


class Tightened(NamedTuple):
    """A QUBO, and in a few words what proves its weights."""

    qubo: Qubo
    how: str


def tightened(
    program: Program,
    lowering: Lowering,
    native: Set[Native] = frozenset(),
    prices: Mapping[str, float] | None = None,
) -> Tightened:
    """Return the QUBO of a program with weights as low as can be certified.

    Parameters
    ----------
    program, lowering, native, prices
        As in `to_qubo`.
    """
    whole = to_qubo(program, lowering, native, prices)
    if len(whole.structure):
        return Tightened(whole, "not tightened: rules are left to the sampler")
    if not whole.exact:
        return Tightened(whole, "not tightened: no proof (rounded or soft rows, penalty below 1)")
    best = _ground_energy(whole)
    if best is None:
        return Tightened(whole, "not tightened: too large to solve exactly")
    factors: dict[str, float] = {}
    for block in sorted(whole.penalties, key=lambda name: -whole.penalties[name]):
        while factors.get(block, 1.0) > LEAST_FACTOR:
            tried = {**factors, block: factors.get(block, 1.0) / 2.0}
            lowest = _ground_energy(to_qubo(program, lowering, native, prices, tried))
            if lowest is None or lowest < best - SMALL * (1.0 + abs(best)):
                break
            factors = tried
    final = {block: min(1.0, MARGIN * factor) for block, factor in factors.items()}
    said = ", ".join(f"{block} × {factor:.3g}" for block, factor in sorted(final.items()))
    qubo = to_qubo(program, lowering, native, prices, final)
    return Tightened(qubo, f"tightened, certified: {said or 'no block'}")


def _ground_energy(qubo: Qubo) -> float | None:
    _, bits = ground_state(qubo)
    return None if bits is None else float(np.min(qubo.energy(bits)))
