"""What units hold back: reserve products, who may hold them, and what is required of them.

Upward reserve enters the limits and ramps of ``production.py``. A unit holds r_p of product p.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.formulations.blocks.commitment import Commitment, reachable, window
from gridopt.program import ProgramBuilder, Term
from gridopt.requirements import NONSPINNING, REGULATION_DOWN, REGULATION_UP, SPINNING
from gridopt.study import Study

SHORT = "reserve_short_mw"


@dataclass(frozen=True, eq=False)
class Held:
    """Columns of the reserve that units hold.

    Parameters
    ----------
    study : Study
    columns : array of int, (P, G, T)
        r_p; any column where the unit cannot hold the product.
    may_hold : array of bool, (P, G)
        Units that have columns of the product.
    """

    study: Study
    columns: IntArray
    may_hold: BoolArray

    def terms(self, kinds: tuple[str, ...], unit: slice | IntArray, period: slice) -> list[Term]:
        """Return Σ r_p over the products of some kinds, of some units and periods, as terms."""
        return [
            (self.may_hold[p, unit, np.newaxis], self.columns[p, unit, period])
            for p in self.study.reserves.products(*kinds)
            if self.may_hold[p, unit].any()
        ]

    def of_unit(self, kind: str) -> BoolArray:
        """Return which units may hold some product of a kind, (G,)."""
        return np.asarray(self.may_hold[self.study.reserves.products(kind)].any(axis=0))

    def upward(self, unit: slice | IntArray, period: slice) -> list[Term]:
        """Return what units that are on hold above their power."""
        return self.terms((SPINNING, REGULATION_UP), unit, period)

    def downward(self, unit: slice | IntArray, period: slice) -> list[Term]:
        """Return what units that are on hold below their power."""
        return self.terms((REGULATION_DOWN,), unit, period)


def reserves(b: ProgramBuilder, study: Study, count: FloatArray) -> Held:
    """Add r_p ≥ 0, at most what the unit offers, where the product is required, at its price."""
    asked = study.reserves
    wanted = _wanted(study)
    may_hold = holders(study)
    columns = np.zeros(wanted.shape, dtype=np.int64)
    for p, kind in enumerate(asked.kind):
        g = np.flatnonzero(may_hold[p])
        if not len(g):
            continue
        most = np.minimum(asked.offer_max_mw[p], _capability_mw(study, kind))
        possible = wanted[p] & (reachable(study).may_be_on if kind == NONSPINNING else True)
        upper = np.where(possible, (count * most)[:, np.newaxis], 0.0)[g]
        columns[p, g] = b.variable(reserve_block(asked.product[p]), upper.shape, upper=upper)
        cost = study.period_h * asked.offer_cost_per_mwh[p, g, np.newaxis]
        b.minimize(cost, columns[p, g])
    return Held(study, columns, may_hold)


def nonspinning(b: ProgramBuilder, study: Study, unit: Commitment, held: Held) -> None:
    """Add Σ r_p ≤ C (1 − u_t − Σ_{i=t−DT+1}^{t} w_i) over nonspinning products.

    Only a unit that has been off for DT periods might start. The right side is C times the slack
    of its minimum down time (`min_up_down`), thus 0 or C; where the initial status or a forced
    outage rules out a start, the columns' bounds do. C is what a start can reach in one period,
    min(SU, P̲ + RU, P̄), or the offers where they are less. Offline reserve of Morales-España,
    Ramos, García-González 2014, "An MIP formulation for joint market-clearing of energy and
    reserves based on ramp scheduling", doi 10.1109/TPWRS.2013.2259601, without its trajectories.
    """
    asked = study.reserves
    products = asked.products(NONSPINNING)
    g = np.flatnonzero(held.of_unit(NONSPINNING))
    if not len(g):
        return
    offered = np.where(held.may_hold, asked.offer_max_mw, 0.0)[products].sum(axis=0)
    most = np.minimum(_capability_mw(study, NONSPINNING), offered)[g, np.newaxis]
    steps = study.steps(study.thermal.min_down_time_h)[g]
    b.constrain(
        "nonspinning",
        *held.terms((NONSPINNING,), g, slice(None)),
        (most, unit.on[g]),
        (most[..., np.newaxis] * window(steps, study.n_periods), unit.stop[g][:, np.newaxis, :]),
        upper=most,
    )


@dataclass(frozen=True, eq=False)
class Shortage:
    """How much upward reserve of units that are on is required at least, and what may be missing.

    Parameters
    ----------
    required_mw : array, (T,)
    columns : list of array of int, (T,) each
        What is missing of the requirements counted in `required_mw`, or held by others than units.
    """

    required_mw: FloatArray
    columns: list[IntArray]


@dataclass(frozen=True, eq=False)
class Others:
    """Reserve that others than thermal units hold: columns of N of them.

    Parameters
    ----------
    bus : array of int, (N,)
    product : array of int, (N,)
        Position of the product in the study's.
    columns : array of int, (N, T)
    """

    bus: IntArray
    product: IntArray
    columns: IntArray


def reserve_requirements(
    b: ProgramBuilder, study: Study, held: Held, others: Others | None = None
) -> Shortage:
    """Add Σ r_p over the units of a zone ≥ what is required − what is missing at its price.

    What `others` hold in the zone counts as that of units does.
    """
    asked = study.reserves
    if not len(asked.requirement):
        return Shortage(np.zeros(study.n_periods), [])
    counts = asked.zone[:, study.thermal.bus] & held.may_hold[asked.of_product]
    columns = held.columns[asked.of_product].transpose(0, 2, 1)
    terms: list[Term] = [(counts[:, np.newaxis], columns)]
    priced = np.isfinite(asked.shortage_cost_per_mwh)
    short = np.zeros(asked.required_mw.shape, dtype=np.int64)
    if priced.any():
        required = asked.required_mw[priced]
        short[priced] = b.variable(SHORT, required.shape, upper=required)
        price = asked.shortage_cost_per_mwh[priced, np.newaxis]
        b.minimize(study.period_h * price, short[priced])
        terms.append((priced[:, np.newaxis], short))
    if others is not None:
        counted = asked.zone[:, others.bus] & (asked.of_product[:, np.newaxis] == others.product)
        terms.append((counted[:, np.newaxis], others.columns.T[np.newaxis]))
    b.constrain("reserve", *terms, lower=asked.required_mw)
    missing = [short[k] for k in _apart(study) if priced[k]]
    missing += [] if others is None else list(others.columns)
    return Shortage(required_upward_mw(study), missing)


def required_upward_mw(study: Study) -> FloatArray:
    """Return how much upward reserve of units that are on is required at least, (T,)."""
    return np.asarray(study.reserves.required_mw[_apart(study)].sum(axis=0))


def _apart(study: Study) -> list[int]:
    """Return upward requirements that no MW counts for twice: other products or other zones."""
    asked, found = study.reserves, list[int]()
    largest_first = np.argsort(-asked.required_mw.sum(axis=1), kind="stable")
    for k in map(int, largest_first):
        upward = asked.kind[asked.of_product[k]] in (SPINNING, REGULATION_UP)
        clash = any(
            asked.of_product[k] == asked.of_product[other]
            and bool((asked.zone[k] & asked.zone[other]).any())
            for other in found
        )
        if upward and not clash:
            found.append(k)
    return found


def reserve_values(
    study: Study, values: Mapping[str, FloatArray], on: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return what units hold, (P, G, T), and what is missing, (K, T), from values by block.

    Units hold nothing in the state that a product does not allow: `on`, (G, T), clears rounding.
    """
    asked = study.reserves
    may_hold = holders(study)
    held = np.zeros((*may_hold.shape, study.n_periods))
    for p, (product, kind) in enumerate(zip(asked.product, asked.kind, strict=True)):
        if may_hold[p].any():
            held[p, may_hold[p]] = values[reserve_block(product)]
        held[p][on if kind == NONSPINNING else ~on] = 0.0
    short = np.zeros_like(asked.required_mw)
    if SHORT in values:
        short[np.isfinite(asked.shortage_cost_per_mwh)] = values[SHORT]
    return held, short


def holders(study: Study) -> BoolArray:
    """Return which units offer a product that is ever asked for in their zone, (P, G)."""
    return np.asarray(_wanted(study).any(axis=2) & (study.reserves.offer_max_mw > 0))


def reserve_block(product: str) -> str:
    """Return the name of the columns of what is held of a product."""
    return f"reserve_mw:{product}"


def _wanted(study: Study) -> BoolArray:
    """Return where some requirement asks for a product of a unit's zone, (P, G, T)."""
    asked = study.reserves
    wanted = np.zeros((len(asked), len(study.thermal), study.n_periods), dtype=np.bool_)
    for k, p in enumerate(asked.of_product):
        in_zone = asked.zone[k, study.thermal.bus]
        wanted[p] |= in_zone[:, np.newaxis] & (asked.required_mw[k] > 0)
    return wanted


def _capability_mw(study: Study, kind: str) -> FloatArray:
    """Return the most that a unit can hold of a kind, its offer apart, (G,)."""
    units = study.thermal
    if kind != NONSPINNING:
        return np.asarray(units.p_max_mw - units.p_min_mw)
    ramped = units.p_min_mw + units.ramp_up_mw_per_h * study.period_h
    return np.minimum(np.minimum(units.startup_ramp_mw, ramped), units.p_max_mw)
