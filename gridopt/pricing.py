"""Prices of energy and reserve: the duals of the dispatch once the commitment is fixed.

Locational marginal prices: Schweppe, Caramanis, Tabors, Bohn 1988, "Spot pricing of electricity",
doi 10.1007/978-1-4613-1683-1; from the fixed commitment: O'Neill, Sotkiewicz, Hobbs, Rothkopf,
Stewart 2005, "Efficient market-clearing prices in markets with nonconvexities",
doi 10.1016/j.ejor.2003.12.011.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from gridopt.elements import Renewables
from gridopt.errors import Issue, StudyError
from gridopt.formulation import Formulation
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.linear_prices import LinearPrices, linear_prices
from gridopt.price_table import SYSTEM, Prices
from gridopt.program import Program
from gridopt.results import Schedule
from gridopt.running import Run
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study
from gridopt.verification import verify

PROBE = "probe"
"""Element type of infeeds that are held at 0 MW: what they would be worth is the price."""

COPPERPLATE = "copperplate"

COMMITMENT, INFEEDS, REQUIREMENTS = "on", "renewable_mw", "reserve"
"""Blocks of the program: who is on, infeeds beside units, reserve asked for."""

OTHER_DECISIONS_GAP = 1e-7
"""Gap to which decisions beside the commitment (storage modes) are made anew."""


def prices(plan: Run | Schedule, formulation: Formulation | None = None) -> Prices:
    """Return what energy and reserve are worth while the units that are on stay on.

    Parameters
    ----------
    plan : Run or Schedule
        Feasible; what counts of it is its study and which units are on when.
    formulation : Formulation, optional
        What the dispatch must keep: that of the run, or else unit commitment with the schedule's
        network.

    Returns
    -------
    Prices

    Raises
    ------
    StudyError
        Where there is no one plan (a schedule of `ScenarioSchedules` is one), or no dispatch of
        its commitment keeps all rules.

    Notes
    -----
    With all integers fixed, the dispatch is a linear program (a quadratic one in the limit of its
    tangents). An infeed of 0 MW is added at every bus b and period t; with y the duals of the rows
    and a_bt its column, the price is LMP_bt = Σ_r y_r a_rbt / h. For rows in terms of flows that is

        LMP_bt = λ_t − Σ_l PTDF_lb μ_lt,

    λ the dual of the balance, μ_l = −y_l the shadow price of limit l, after outages with the
    PTDF that holds then. The first part is the price at the reference bus, whose PTDF is 0: how
    prices are split depends on that choice, what they are does not. Where the dispatch is
    degenerate, a price is one between what one MW less saves and what one MW more costs.
    Decisions beside the commitment (charging or discharging) are left to the dispatch where the
    best one keeps them apart of itself, and are fixed at the best for it elsewhere.
    """
    schedule, formulation = _plan_and_rules(plan, formulation)
    study = schedule.study
    probed = _with_probes(schedule)
    program = formulation.build(probed)
    program = program.fixed(program.columns(COMMITMENT), schedule.committed)
    answer, dispatch = _dispatched(program, formulation, probed, study)
    worth = answer.program.A.T @ answer.row_price / study.period_h + 0.0  # no −0
    price = worth[program.columns(INFEEDS)[len(study.renewables) :]]
    network = schedule.network != COPPERPLATE
    energy = price[study.grid.reference_bus if network else 0]
    required = answer.program.rows.get(REQUIREMENTS)
    return Prices(
        schedule=dispatch,
        bus=study.grid.bus_name if network else (SYSTEM,),
        energy_per_mwh=energy,
        congestion_per_mwh=price - energy,
        reserve_per_mwh=np.zeros((0, study.n_periods))
        if required is None
        else answer.row_price[required.numbers] / study.period_h + 0.0,
    )


def _plan_and_rules(
    plan: Run | Schedule, formulation: Formulation | None
) -> tuple[Schedule, Formulation]:
    """Return the schedule to price, and what its dispatch must keep."""
    schedule = plan.schedule if isinstance(plan, Run) else plan
    if schedule is None:
        expected = "one plan; each of ScenarioSchedules.schedules has prices of its own"
        raise StudyError([Issue("run", "schedule", "none", expected)])
    if formulation is None:
        formulation = plan.formulation if isinstance(plan, Run) else _default(schedule)
    return schedule, formulation


def _default(schedule: Schedule) -> Formulation:
    if schedule.network == COPPERPLATE:
        return UnitCommitment()
    return UnitCommitment(network="dc", security="n-1" if schedule.security == "n-1" else "none")


def _with_probes(schedule: Schedule) -> Study:
    """Return the study with an infeed of 0 MW at every bus, or at one where all are alike."""
    study, infeeds = schedule.study, schedule.study.renewables
    grid, limits = study.grid, study.energy_limits
    buses = np.arange(grid.n_buses)
    if schedule.network == COPPERPLATE:
        buses = np.array([grid.reference_bus])
    none = np.zeros((len(buses), study.n_periods))
    return replace(
        study,
        renewables=Renewables(
            element=(*infeeds.element, *((PROBE, int(bus)) for bus in buses)),
            name=(*infeeds.name, *(f"{PROBE} {grid.bus_name[bus]}" for bus in buses)),
            bus=np.concatenate([infeeds.bus, buses]),
            p_min_mw=np.vstack([infeeds.p_min_mw, none]),
            p_max_mw=np.vstack([infeeds.p_max_mw, none]),
            cost_per_mwh=np.concatenate([infeeds.cost_per_mwh, none[:, 0]]),
        ),
        energy_limits=replace(
            limits,
            renewable_per_mwh=np.hstack(
                [limits.renewable_per_mwh, np.zeros((len(limits), len(buses)))]
            ),
        ),
    )


def _dispatched(
    program: Program, formulation: Formulation, probed: Study, study: Study
) -> tuple[LinearPrices, Schedule]:
    """Return the best dispatch of a program whose commitment is fixed, and what its rows are worth.

    Decisions beside the commitment are left out where the best dispatch keeps all rules without.
    """
    for prepared in (program.relaxed, partial(_decided, program)):
        answer = linear_prices(prepared())
        if answer is not None:
            plan = cast("Schedule", formulation.decode(probed, program, answer.x))  # no scenarios
            own = plan.renewable_mw[: len(study.renewables)]
            dispatch = replace(plan, study=study, renewable_mw=own)
            if verify(study, dispatch).is_feasible:
                return answer, dispatch
    expected = "one with which some dispatch keeps all rules"
    raise StudyError([Issue(f"plan of {study.name}", "commitment", "infeasible", expected)])


def _decided(program: Program) -> Program:
    """Return the program with every decision at the best."""
    x = HiGHS(gap=OTHER_DECISIONS_GAP).solve(program).x
    decisions = np.flatnonzero(program.is_decision)
    return program if x is None else program.fixed(decisions, np.rint(x[decisions]))
