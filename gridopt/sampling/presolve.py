"""What of a QUBO can be solved exactly before any sampling: fixed bits, small parts, trees.

Roof duality fixes bits that have one value in every ground state, by a maximum flow (Boros & Hammer
2002, doi 10.1016/S0166-218X(01)00341-9; dwave-preprocessing). What is left falls into connected
components: small ones are enumerated, tree-like ones are solved over a tree decomposition
(dwave-samplers). Only the rest is left to a sampler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import dimod
import numpy as np
from dwave.preprocessing import roof_duality
from dwave.samplers import TreeDecompositionSolver
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.exports.dimod_models import to_bqm
from gridopt.lowering.lift import Lift
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.treewidth import treewidth
from gridopt.lowering.weights import components_of

ENUMERATED_BITS = 16
"""Largest component that is enumerated."""

WIDEST_TREE = 12
"""Largest treewidth of a component that is solved over its tree decomposition."""


@dataclass(frozen=True, eq=False)
class Presolved:
    """A QUBO over the bits that are left; its lift fills in the others.

    Parameters
    ----------
    rest : Qubo
        Without bits where all is solved; its lift is to the columns of the program.
    fill : Lift
        From its bits to those of the whole QUBO.
    details : mapping of str to float, int or str
        How many bits went which way.
    """

    rest: Qubo
    fill: Lift
    details: Mapping[str, float | int | str]


def presolved(qubo: Qubo) -> Presolved:
    """Return the QUBO over the bits that are not solved exactly: see the module.

    Every ground state of it lifts to a ground state of `qubo`. Where a sampler has rules to keep,
    nothing is done: what they tie together is no component.
    """
    if len(qubo.structure):
        why = {"presolve": "none: the sampler has rules to keep"}
        return Presolved(qubo, Lift.identity(qubo.n_bits), why)
    value = _roof_dual(qubo)
    count = {"roof duality": int((value >= 0).sum()), "enumeration": 0, "tree decomposition": 0}
    free = np.flatnonzero(value < 0)
    inner = _restricted(qubo, _filling(value, free), free)
    left = [np.zeros(0, dtype=np.int64)]
    for part in _components(inner):
        alone = _filling(np.zeros(inner.n_bits), part)
        how, bits = ground_state(_restricted(inner, alone, part))
        if bits is None:
            left.append(free[part])
        else:
            value[free[part]] = bits
            count[how] += len(part)
    rest = np.sort(np.concatenate(left))
    said = ", ".join(f"{n} bits by {how}" for how, n in count.items() if n) or "nothing"
    fill = _filling(value, rest)
    details: dict[str, float | int | str] = {"presolve": said, "bits_left": len(rest)}
    return Presolved(_restricted(qubo, fill, rest), fill, details)


def _roof_dual(qubo: Qubo) -> FloatArray:
    """Return the value of each bit that has the same in all ground states, -1 elsewhere, (n,)."""
    value = np.full(qubo.n_bits, -1.0)
    _, fixed = roof_duality(to_bqm(qubo), strict=True)
    for bit, bit_value in fixed.items():
        value[bit] = bit_value
    return value


def _components(qubo: Qubo) -> list[IntArray]:
    first, second, _ = qubo.couplings()
    part = components_of(qubo.n_bits, first, second)
    order = np.argsort(part, kind="stable")
    ends = np.cumsum(np.bincount(part))
    return np.split(order, ends[:-1]) if len(part) else []


def ground_state(qubo: Qubo) -> tuple[str, FloatArray | None]:
    """Return how a QUBO is solved, and a ground state; None where neither way is quick."""
    n = qubo.n_bits
    if n <= ENUMERATED_BITS:
        place = int(np.argmin(qubo.spectrum()))
        return "enumeration", ((place >> np.arange(n)) & 1).astype(np.float64)
    first, second, _ = qubo.couplings()
    if treewidth(n, first, second, WIDEST_TREE) is None:
        return "", None
    solver: Any = TreeDecompositionSolver
    states = dimod.as_samples(solver().sample(to_bqm(qubo), num_reads=1))[0]
    return "tree decomposition", np.asarray(states[0], dtype=np.float64)


def _filling(value: FloatArray, kept: IntArray) -> Lift:
    """Return the map from the bits `kept` to all of them, the others at their `value`, (n,)."""
    fixed = value.copy()
    fixed[kept] = 0.0
    return Lift.columns(len(value), kept, shift=fixed)


def _restricted(qubo: Qubo, fill: Lift, kept: IntArray) -> Qubo:
    """Return the QUBO over the bits `kept`."""
    fixed = fill.shift
    inner = sparse.csr_array(qubo.Q[kept, :][:, kept])
    pull = np.asarray((qubo.Q + qubo.Q.T) @ fixed)[kept]
    matrix = sparse.csr_array(inner + sparse.diags_array(pull)) if len(kept) else inner
    n_main = qubo.n_bits - qubo.n_slack
    return replace(
        qubo,
        Q=matrix,
        offset=qubo.offset + float(fixed @ (qubo.Q @ fixed)),
        lift=qubo.lift.after(fill),
        n_slack=int((kept >= n_main).sum()),
        labels=tuple(qubo.labels[bit] for bit in kept),
        soft=(),
    )
