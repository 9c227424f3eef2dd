"""How much units produce: limits, ramps, cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.formulations.blocks.commitment import Commitment
from gridopt.formulations.blocks.reserves import Held, reserves
from gridopt.program import ProgramBuilder, Term
from gridopt.requirements import REGULATION_DOWN
from gridopt.study import Study


@dataclass(frozen=True, eq=False)
class Production:
    """Columns of the production: p above the minimum, (G, T), and the reserve held."""

    above_min: IntArray
    reserve: Held

    def terms(self, unit: slice | IntArray, period: slice) -> list[Term]:
        """Return p + Σ upward r of some units and periods as terms."""
        return [(1.0, self.above_min[unit, period]), *self.reserve.upward(unit, period)]

    def least_terms(self, unit: slice | IntArray, period: slice) -> list[Term]:
        """Return −(p − Σ downward r) of some units and periods as terms."""
        return [(-1.0, self.above_min[unit, period]), *self.reserve.downward(unit, period)]


def production(b: ProgramBuilder, study: Study) -> Production:
    """Add p ≥ 0 and the reserve r ≥ 0 that the study asks for."""
    shape = len(study.thermal), study.n_periods
    width = (study.thermal.p_max_mw - study.thermal.p_min_mw)[:, np.newaxis]
    above = b.variable("above_min_mw", shape, upper=width)
    return Production(above, reserves(b, study))


def generation_limits(
    b: ProgramBuilder, study: Study, unit: Commitment, output: Production
) -> None:
    """Add p + r ≤ (P̄ − P̲) u_t − (P̄ − SU) v_t − (P̄ − SD) w_{t+1}.

    Units with UT = 1 may start and stop around one period, so that both deductions would count
    twice: they get two rows, each with one deduction whole and of the other what exceeds it.
    Gentile, Morales-España, Ramos 2017, "A tight MIP formulation of the unit commitment problem
    with start-up and shut-down constraints", doi 10.1007/s13675-016-0066-y.
    """
    units = study.thermal
    p_max = units.p_max_mw
    startup = np.minimum(units.startup_ramp_mw, p_max)
    shutdown = np.minimum(units.shutdown_ramp_mw, p_max)
    short = study.steps(units.min_up_time_h) <= 1
    less_stop = np.where(short, np.maximum(startup - shutdown, 0.0), p_max - shutdown)
    _limit_rows(b, "generation_limit", study, unit, output, (p_max - startup, less_stop))
    g = np.flatnonzero(short & (shutdown < p_max))
    if len(g):
        less_start = np.maximum(shutdown - startup, 0.0)
        deductions = less_start[g], (p_max - shutdown)[g]
        _limit_rows(b, "generation_limit_stop", study, unit, output, deductions, g)


def _limit_rows(
    b: ProgramBuilder,
    name: str,
    study: Study,
    unit: Commitment,
    output: Production,
    deductions: tuple[FloatArray, FloatArray],
    g: IntArray | None = None,
) -> None:
    """Add p + r − (P̄ − P̲) u_t + a v_t + b w_{t+1} ≤ 0; the last period has no stop after it."""
    chosen = np.arange(len(study.thermal)) if g is None else g
    width = (study.thermal.p_max_mw - study.thermal.p_min_mw)[chosen, np.newaxis]
    at_start, at_stop = (part[:, np.newaxis] for part in deductions)
    for suffix, period, following in (("", slice(0, -1), slice(1, None)), ("_last", -1, None)):
        now = period if isinstance(period, slice) else slice(period, None)
        terms = output.terms(chosen, now)
        terms += [(-width, unit.on[chosen, now]), (at_start, unit.start[chosen, now])]
        if following is not None:
            terms.append((at_stop, unit.stop[chosen, following]))
        b.constrain(name + suffix, *terms, upper=0.0)


def initial_shutdown(b: ProgramBuilder, study: Study, unit: Commitment) -> None:
    """Forbid a stop in the first period from above SD: w_0 = 0 where the initial power exceeds it.

    Equation (10) of the pglib-uc model (Knueven, Ostrowski, Watson 2020,
    doi 10.1287/ijoc.2019.0944).
    """
    units = study.thermal
    above = units.initial_on & (units.initial_power_mw > units.shutdown_ramp_mw + 1e-9)
    if above.any():
        b.constrain("initial_shutdown", (1.0, unit.stop[above, 0]), upper=0.0)


def downward_limits(b: ProgramBuilder, output: Production) -> None:
    """Add p − Σ r ≥ 0 over downward reserve: units stay above their minimum if it is called.

    Morales-España, Ramos, García-González 2014, doi 10.1109/TPWRS.2013.2259601.
    """
    g = np.flatnonzero(output.reserve.of_unit(REGULATION_DOWN))
    if len(g):
        b.constrain("downward_limit", *output.least_terms(g, slice(None)), upper=0.0)


def ramping(b: ProgramBuilder, study: Study, output: Production) -> None:
    """Add p_t + Σ r_t − p_{t−1} ≤ RU and p_{t−1} − (p_t − Σ r_t) ≤ RD on power above the minimum.

    The first sum is over upward, the second over downward reserve. Where the unit can exceed the
    ramps at all. Equations (8), (9), (19), (20) of the pglib-uc model (Knueven, Ostrowski, Watson
    2020, doi 10.1287/ijoc.2019.0944), which has no downward reserve; that enters as upward
    reserve does, as in Morales-España, Ramos, García-González 2014, doi
    10.1109/TPWRS.2013.2259601.
    """
    units = study.thermal
    width = units.p_max_mw - units.p_min_mw
    before = initial_above_min_mw(study)
    for name, per_h, terms, sign in (
        ("ramp_up", units.ramp_up_mw_per_h, output.terms, 1.0),
        ("ramp_down", units.ramp_down_mw_per_h, output.least_terms, -1.0),
    ):
        ramp = per_h * study.period_h
        g = np.flatnonzero(ramp < width)
        if not len(g):
            continue
        last = (-sign, output.above_min[g, :-1])
        b.constrain(name, *terms(g, slice(1, None)), last, upper=ramp[g, np.newaxis])
        known = g[np.isfinite(before[g])]
        side = ramp[known] + sign * before[known]
        b.constrain(f"initial_{name}", *terms(known, slice(0, 1)), upper=side[:, np.newaxis])


def initial_above_min_mw(study: Study) -> FloatArray:
    """Return power above the minimum before the first period, (G,); NaN where unknown."""
    units = study.thermal
    return np.where(units.initial_on, units.initial_power_mw - units.p_min_mw, 0.0)


def production_cost(b: ProgramBuilder, study: Study, unit: Commitment, output: Production) -> None:
    """Add cost(P̲) u + Σ slope · segment + q (2 P̲ p + p²), times the period's length.

    The piecewise part is convex, so that p = Σ segments with segment_k ≤ width_k · u fills the
    cheapest first (Carrión & Arroyo 2006, doi 10.1109/TPWRS.2006.876672); the bound by u is that
    of Knueven, Ostrowski, Watson 2018, doi 10.1109/TPWRS.2017.2783850.
    """
    units, h = study.thermal, study.period_h
    at_min = np.array(
        [
            float(curve.cost(np.array(low)))
            for curve, low in zip(units.cost, units.p_min_mw, strict=True)
        ]
    )
    quadratic = np.array([curve.quadratic for curve in units.cost])[:, np.newaxis]
    b.minimize(h * at_min[:, np.newaxis], unit.on)
    b.minimize(2 * h * quadratic * units.p_min_mw[:, np.newaxis], output.above_min)
    curved = quadratic[:, 0] > 0
    squares = output.above_min[curved]
    b.minimize_product(h * quadratic[curved], squares, squares)
    count = np.array([len(curve.widths_mw) for curve in units.cost])
    for g in np.flatnonzero(count == 1):
        b.minimize(h * units.cost[g].slopes_per_mwh[0], output.above_min[g])
    _segments(b, study, unit, output, np.flatnonzero(count > 1))


def _segments(
    b: ProgramBuilder, study: Study, unit: Commitment, output: Production, several: IntArray
) -> None:
    if not len(several):
        return
    curves = [study.thermal.cost[g] for g in several]
    owner = np.concatenate(
        [np.full(len(c.widths_mw), g) for g, c in zip(several, curves, strict=True)]
    )
    width = np.concatenate([c.widths_mw for c in curves])[:, np.newaxis]
    slope = np.concatenate([c.slopes_per_mwh for c in curves])[:, np.newaxis]
    segment = b.variable("segment_mw", (len(owner), study.n_periods), upper=width)
    b.minimize(study.period_h * slope, segment)
    b.constrain("segment_limit", (1.0, segment), (-width, unit.on[owner]), upper=0.0)
    of_unit = (owner[np.newaxis, :] == several[:, np.newaxis]).astype(np.float64)
    b.constrain(
        "segment_sum",
        (of_unit[:, np.newaxis, :], segment.T[np.newaxis]),
        (-1.0, output.above_min[several][..., np.newaxis]),
        equal=np.zeros((len(several), study.n_periods)),
    )
