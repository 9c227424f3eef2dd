"""How much units produce: limits, ramps, cost."""

from __future__ import annotations

from collections.abc import Callable
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


def production(b: ProgramBuilder, study: Study, unit: Commitment) -> Production:
    """Add p ≥ 0 and the reserve r ≥ 0 that the study asks for."""
    shape = len(study.thermal), study.n_periods
    width = study.thermal.p_max_mw - study.thermal.p_min_mw
    above = b.variable("above_min_mw", shape, upper=(unit.count * width)[:, np.newaxis])
    return Production(above, reserves(b, study, unit.count))


def generation_limits(
    b: ProgramBuilder, study: Study, unit: Commitment, output: Production, form: str
) -> None:
    """Add that p + r keeps within P̄, within SU after a start and within SD before a stop.

    ``"pglib"``
        p + r ≤ (P̄ − P̲) u_t − (P̄ − SU) v_t and p + r ≤ (P̄ − P̲) u_t − (P̄ − SD) w_{t+1}: equations
        (17) and (18) of the pglib-uc model, which count starts and stops apart.
    ``"gentile"``
        p + r ≤ (P̄ − P̲) u_t − (P̄ − SU) v_t − (P̄ − SD) w_{t+1}, both at once. Units with UT = 1 may
        start and stop around one period, so that both deductions would count twice: they get two
        rows, each with one deduction whole and of the other what exceeds it. Gentile,
        Morales-España, Ramos 2017, "A tight MIP formulation of the unit commitment problem with
        start-up and shut-down constraints", doi 10.1007/s13675-016-0066-y.
    ``"pan_guan"``
        Those, and what the upward ramp leaves of P̄ some periods after a start; see `_trajectories`.
    """
    limit = study.thermal.p_max_mw - study.thermal.p_min_mw
    if form == "pglib":
        start, stop = start_and_stop_limits(study)
        none = np.zeros_like(limit)
        _deduct(b, "generation_limit", study, unit, output, (limit - start, none))
        _deduct(b, "generation_limit_stop", study, unit, output, (none, limit - stop))
        return
    for suffix, g, deductions in around_starts_and_stops(study, limit, np.zeros_like(limit)):
        _deduct(b, f"generation_limit{suffix}", study, unit, output, deductions, g)
    if form == "pan_guan":
        _trajectories(b, study, unit, output)


def start_and_stop_limits(study: Study) -> tuple[FloatArray, FloatArray]:
    """Return the most power above the minimum in the first and in the last period on, (G,) each."""
    units = study.thermal
    startup = np.minimum(units.startup_ramp_mw, units.p_max_mw)
    shutdown = np.minimum(units.shutdown_ramp_mw, units.p_max_mw)
    return startup - units.p_min_mw, shutdown - units.p_min_mw


Deductions = tuple[FloatArray, FloatArray]


def around_starts_and_stops(
    study: Study, width: FloatArray, below: FloatArray, owner: IntArray | None = None
) -> list[tuple[str, IntArray, Deductions]]:
    """Return what starts and stops take from power between `below` and `below` + `width`.

    Parameters
    ----------
    width, below : array, (N,)
        MW above the minimum output.
    owner : array of int, (N,)
        Unit of each; all units in order unless given.

    Returns
    -------
    list of (str, array of int, (array, array))
        Suffix for the rows' name, positions among N, and their deductions at v_t and w_{t+1}.
    """
    units = np.arange(len(width)) if owner is None else owner
    start, stop = (limit[units] for limit in start_and_stop_limits(study))
    at_start = np.clip(below + width - start, 0.0, width)
    at_stop = np.clip(below + width - stop, 0.0, width)
    short = (study.steps(study.thermal.min_up_time_h) <= 1)[units]
    whole = np.arange(len(width))
    beyond = np.where(short, np.maximum(at_stop - at_start, 0.0), at_stop)
    rows = [("", whole, (at_start, beyond))]
    n = np.flatnonzero(short & (at_stop > 0))
    if len(n):
        rows.append(("_stop", n, (np.maximum(at_start - at_stop, 0.0)[n], at_stop[n])))
    return rows


def _deduct(
    b: ProgramBuilder,
    name: str,
    study: Study,
    unit: Commitment,
    output: Production,
    deductions: Deductions,
    g: IntArray | None = None,
) -> None:
    """Add p + r − (P̄ − P̲) u_t + a v_t + b w_{t+1} ≤ 0 for some units."""
    chosen = np.arange(len(study.thermal)) if g is None else g
    width = (study.thermal.p_max_mw - study.thermal.p_min_mw)[chosen]

    def terms(now: slice) -> list[Term]:
        return output.terms(chosen, now)

    _limit_rows(b, name, unit, chosen, terms, width, deductions)


def _limit_rows(
    b: ProgramBuilder,
    name: str,
    unit: Commitment,
    g: IntArray,
    terms: Callable[[slice], list[Term]],
    width: FloatArray,
    deductions: Deductions,
) -> None:
    """Add terms_t − width u_t + a v_t + b w_{t+1} ≤ 0; the last period has no stop after it."""
    at_start, at_stop = (part[:, np.newaxis] for part in deductions)
    last = unit.on.shape[1] - 1
    for suffix, now, following in (
        ("", slice(0, last), slice(1, None)),
        ("_last", slice(last, None), None),
    ):
        row = [
            *terms(now),
            (-width[:, np.newaxis], unit.on[g, now]),
            (at_start, unit.start[g, now]),
        ]
        if following is not None:
            row.append((at_stop, unit.stop[g, following]))
        b.constrain(name + suffix, *row, upper=0.0)


def _trajectories(b: ProgramBuilder, study: Study, unit: Commitment, output: Production) -> None:
    """Add p_t + r_t ≤ (P̄ − P̲) u_t − Σ_{i=0}^{K} (P̄ − SU − i RU) v_{t−i} − (P̄ − SD) w_{t+1}.

    K is the last period after a start in which the ramp binds and a stop cannot follow yet,
    K ≤ UT − 2. Pan & Guan 2016, "A polyhedral study of the integrated minimum-up/-down time and
    ramping polytope", arXiv 1604.02184.
    """
    units, T = study.thermal, study.n_periods
    width = units.p_max_mw - units.p_min_mw
    up = units.ramp_up_mw_per_h * study.period_h
    start, stop = start_and_stop_limits(study)
    start = np.minimum(start, up)
    rising = np.ceil((width - start) / up) - 1
    last = np.minimum(rising, np.minimum(study.steps(units.min_up_time_h), T) - 2).astype(np.int64)
    for K in np.unique(last[last > 0]):
        g = np.flatnonzero(last == K)
        now = slice(K, T - 1)
        row = output.terms(g, now)
        row.append((-width[g, np.newaxis], unit.on[g, now]))
        row.append(((width - stop)[g, np.newaxis], unit.stop[g, K + 1 :]))
        for i in range(K + 1):
            short_of = (width - start - i * up)[g, np.newaxis]
            row.append((short_of, unit.start[g, K - i : T - 1 - i]))
        b.constrain(f"startup_trajectory_{K}", *row, upper=0.0)


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


def ramping(
    b: ProgramBuilder, study: Study, unit: Commitment, output: Production, form: str
) -> None:
    """Add that power above the minimum, reserve included, changes no faster than the ramps.

    The first sum is over upward, the second over downward reserve; only where the unit can exceed
    the ramps at all.

    ``"pglib"``
        p_t + Σ r_t − p_{t−1} ≤ RU and p_{t−1} − (p_t − Σ r_t) ≤ RD: equations (8), (9), (19), (20)
        of the pglib-uc model (Knueven, Ostrowski, Watson 2020, doi 10.1287/ijoc.2019.0944), which
        has no downward reserve; that enters as upward reserve does, as in Morales-España, Ramos,
        García-González 2014, doi 10.1109/TPWRS.2013.2259601.
    ``"damci_kurt"``
        The same with right sides RU u_t − (RU − SU + P̲) v_t and RD u_{t−1} − (RD − SD + P̲) w_t:
        Damcı-Kurt, Küçükyavuz, Rajan, Atamtürk 2016, "A polyhedral study of production ramping",
        doi 10.1007/s10107-015-0919-9.
    """
    units = study.thermal
    width = units.p_max_mw - units.p_min_mw
    before = initial_above_min_mw(study)
    start, stop = start_and_stop_limits(study)
    now, last = slice(1, None), slice(0, -1)
    for name, per_h, terms, sign, least, running, switch in (
        ("ramp_up", units.ramp_up_mw_per_h, output.terms, 1.0, start, unit.on[:, now], unit.start),
        (
            "ramp_down",
            units.ramp_down_mw_per_h,
            output.least_terms,
            -1.0,
            stop,
            unit.on[:, last],
            unit.stop,
        ),
    ):
        ramp = per_h * study.period_h
        g = np.flatnonzero(ramp < width)
        if not len(g):
            continue
        row = [*terms(g, now), (-sign, output.above_min[g, last])]
        if form == "pglib":
            b.constrain(name, *row, upper=ramp[g, np.newaxis])
        else:
            row.append((-ramp[g, np.newaxis], running[g]))
            row.append((np.maximum(ramp - least, 0.0)[g, np.newaxis], switch[g, now]))
            b.constrain(name, *row, upper=0.0)
        known = g[np.isfinite(before[g])]
        side = ramp[known] + sign * before[known]
        b.constrain(f"initial_{name}", *terms(known, slice(0, 1)), upper=side[:, np.newaxis])


def initial_above_min_mw(study: Study) -> FloatArray:
    """Return power above the minimum before the first period, (G,); NaN where unknown."""
    units = study.thermal
    return np.where(units.initial_on, units.initial_power_mw - units.p_min_mw, 0.0)


def production_cost(
    b: ProgramBuilder, study: Study, unit: Commitment, output: Production, form: str
) -> None:
    """Add cost(P̲) u + Σ slope · segment + q (2 P̲ p + p²), times the period's length.

    The piecewise part is convex, so that p = Σ segments fills the cheapest first (Carrión & Arroyo
    2006, doi 10.1109/TPWRS.2006.876672); see `_segments` for their bounds. Several identical units
    in one share their power evenly, which costs q p²/u.
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
    single = (quadratic[:, 0] > 0) & (unit.count == 1)
    squares = output.above_min[single]
    b.minimize_product(h * quadratic[single], squares, squares)
    shared = (quadratic[:, 0] > 0) & (unit.count > 1)
    b.minimize_ratio(h * quadratic[shared], output.above_min[shared], unit.on[shared])
    count = np.array([len(curve.widths_mw) for curve in units.cost])
    for g in np.flatnonzero(count == 1):
        b.minimize(h * units.cost[g].slopes_per_mwh[0], output.above_min[g])
    _segments(b, study, unit, output, np.flatnonzero(count > 1), form)


def _segments(
    b: ProgramBuilder,
    study: Study,
    unit: Commitment,
    output: Production,
    several: IntArray,
    form: str,
) -> None:
    """Add the segments of some units: their sum is p, and each has a bound.

    ``"box"``
        segment_k ≤ width_k.
    ``"on"``
        segment_k ≤ width_k u_t.
    ``"kow"``
        segment_k ≤ width_k u_t − a_k v_t − b_k w_{t+1}, a_k and b_k what lies above SU and SD:
        Knueven, Ostrowski, Watson 2018, "Exploiting identical generators in unit commitment",
        doi 10.1109/TPWRS.2017.2783850.
    """
    if not len(several):
        return
    curves = [study.thermal.cost[g] for g in several]
    owner = np.concatenate(
        [np.full(len(c.widths_mw), g) for g, c in zip(several, curves, strict=True)]
    )
    width = np.concatenate([c.widths_mw for c in curves])
    slope = np.concatenate([c.slopes_per_mwh for c in curves])[:, np.newaxis]
    below = np.concatenate([np.cumsum(c.widths_mw) - c.widths_mw for c in curves])
    most = (unit.count[owner] * width)[:, np.newaxis]
    segment = b.variable("segment_mw", (len(owner), study.n_periods), upper=most)
    b.minimize(study.period_h * slope, segment)
    if form == "on":
        b.constrain(
            "segment_limit", (1.0, segment), (-width[:, np.newaxis], unit.on[owner]), upper=0.0
        )
    elif form == "kow":
        for suffix, n, deductions in around_starts_and_stops(study, width, below, owner):

            def terms(now: slice, n: IntArray = n) -> list[Term]:
                return [(1.0, segment[n, now])]

            name = f"segment_limit{suffix}"
            _limit_rows(b, name, unit, owner[n], terms, width[n], deductions)
    rows = np.arange(len(several) * study.n_periods).reshape(len(several), -1)
    of_unit = rows[np.searchsorted(several, owner)]
    above = output.above_min[several]
    none = np.zeros(rows.size)
    b.constrain_sparse(
        "segment_sum",
        (of_unit.ravel(), segment.ravel(), np.ones(segment.size)),
        (rows.ravel(), above.ravel(), -np.ones(rows.size)),
        lower=none,
        upper=none,
    )
