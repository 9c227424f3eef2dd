"""Places batteries, and solves again until AC power flow agrees with what they were placed by.

LinDistFlow has no losses in its flows, so that its voltages are a little high. The difference from
an AC power flow at the last answer corrects the model of the next one. At its own answer a
corrected model is exact: its cost there is the cost with AC power flow.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gridopt.ac_power_flow import PowerFlow, limit_percent, power_flow
from gridopt.arrays import FloatArray
from gridopt.base_points import base_points
from gridopt.display import card, figure, number
from gridopt.errors import GridoptError
from gridopt.feeder import Correction, Feeder
from gridopt.formulation import Formulation
from gridopt.highs_model import Clock
from gridopt.io.net_grid import read_grid
from gridopt.placement import Placement
from gridopt.placement_controls import Control, controls
from gridopt.registry import option_names, solver_class
from gridopt.results import Schedule
from gridopt.running import Run, plain, resolve, solve
from gridopt.solution import Termination
from gridopt.solver import ProgressCallback, Solver
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study
from gridopt.verification import Verification, verify

ROUNDS = 5
"""Times at most that batteries are placed anew with a corrected model."""

AGREED = 1e-4
"""Relative difference of the model's cost from that with AC power flow at which the two agree."""

DEAR = 1e4
"""Price of a pu or MW outside of a limit for an hour: to see what is, without batteries."""

BASE_GAP = 1e-4
"""Relative gap of the plan without batteries."""

SHORTEST_S = 1.0
"""Time left with which batteries are placed once more, at least."""

LEAST_LOADING = 1e-3
"""Share of a rating below which a branch's loading has no meaningful ratio."""


@dataclass(frozen=True, eq=False)
class Checked:
    """A placement with AC power flow of every period.

    Parameters
    ----------
    placement : Placement
    verification : Verification
        Judged by the study; on a radial grid with losses, voltages and loadings of AC power flow.
    flows : tuple of PowerFlow
        One for each scenario, or one; empty where the study holds no net.
    """

    placement: Placement
    verification: Verification
    flows: tuple[PowerFlow, ...]

    @property
    def cost(self) -> float:
        """Cost with AC power flow; inf where a rule is broken.

        On a radial grid also where power flow does not converge.
        """
        found = self.verification
        is_known = self.placement.network != "radial" or _is_converged(self.flows)
        return found.total_cost if found.is_feasible and is_known else float("inf")


@dataclass(frozen=True, eq=False)
class Placing:
    """What placing batteries came to.

    Parameters
    ----------
    run : Run
        The last one, or the best by AC power flow. On a radial grid its cost, bound and gap are
        those of LinDistFlow with corrections, exact at the answer where both agree; a bound on
        every placement's cost by AC power flow they are not.
    before, after : Checked
        Without batteries, and with those placed.
    rounds : int
        Times that batteries were placed.
    controls : tuple of Control
        Simple placements to compare with, on the program of the run.
    solver : Solver or None
        As it was asked for; that of the run has the time that the rounds before it left.
    """

    run: Run
    before: Checked | None
    after: Checked | None
    rounds: int
    controls: tuple[Control, ...] = ()
    solver: Solver | None = None

    @property
    def is_feasible(self) -> bool:
        """Whether there is a placement that breaks no rule, on a radial grid by AC power flow."""
        return self.run.is_feasible and (self.after is None or self.after.cost < float("inf"))

    @property
    def verdict(self) -> str:
        """In a sentence, whether there is a placement that breaks no rule."""
        if self.run.is_feasible and not self.is_feasible:
            return "Not feasible: by AC power flow a limit is broken, or it does not converge."
        return self.run.verdict

    def plot(self) -> Any:
        """Draw the net with its batteries and highest loadings, by AC power flow where known.

        Raises
        ------
        GridoptError
            Where nothing is placed.
        """
        if self.after is None:
            return self.run.plot()
        return figure("placement_plots.network_map", self.after.placement, self.after.flows)

    def _repr_html_(self) -> str:
        before, after = self.before, self.after
        rows = {"cost": number(self.run.cost, ",.2f"), "gap": number(self.run.gap, ".4%")}
        if before is not None:
            rows["cost without batteries"] = f"{before.verification.total_cost:,.2f}"
        if after is not None:
            rows["cost by AC power flow" if after.flows else "cost, checked"] = number(
                after.cost, ",.2f"
            )
            for row in after.placement.table().itertuples():
                rows[f"{row.bus}, {row.module}"] = f"{row.modules}: {row.energy_mwh:g} MWh"
        return card(self.verdict, rows.items())

    def summary(self) -> dict[str, Any]:
        """Return the record of the run, with what AC power flow says, as plain JSON values."""
        return {
            **self.run.summary(),
            "feasible": self.is_feasible,
            "rounds_with_ac": self.rounds,
            "controls": plain([asdict(control) for control in self.controls]),
            "before": None if self.before is None else _record(self.before),
            "after": None if self.after is None else _record(self.after),
        }


def _record(checked: Checked) -> dict[str, Any]:
    found = checked.verification
    return {
        "feasible": found.is_feasible,
        "cost": found.total_cost,
        "cost_items": {**found.cost, **found.penalty},
        "violations": found.counts(),
        "power_flow": [flow.summary() for flow in checked.flows],
    }


def place(
    study: Study,
    solver: Solver | str = "highs",
    formulation: Formulation | str = "battery_placement",
    *,
    rounds: int = ROUNDS,
    compare: bool = True,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Placing:
    """Place batteries, and check them by AC power flow.

    On radial grids the batteries are placed anew, with the model corrected where AC power flow
    differs from it, until both agree on the cost; where they do not, the round counts that is best
    by AC power flow.

    Parameters
    ----------
    study : Study
        With candidate sites: see `gridopt.with_sites`.
    solver, formulation, progress, **options
        As for `gridopt.solve`; samplers get the compact form unless `form` says otherwise. A time
        limit is for all rounds together; the plan without batteries has the same once more.
    rounds : int
        Most times that batteries are placed.
    compare : bool
        Whether controls are placed as well, where the program has a compact form.

    Raises
    ------
    GridoptError
        Where AC power flow of a radial grid does not converge without batteries, naming the
        periods. Elsewhere, where it only checks, the record says in how many it does.
    """
    if isinstance(solver, str) and "form" in option_names(solver_class(solver)):
        options = {"form": "compact", **options}  # all else has no decisions
    problem, method = resolve(formulation, solver, options)
    before = without_batteries(study, problem, getattr(method, "time_limit_s", None))
    placing = replace(_placed(study, method, problem, before, rounds, progress), solver=method)
    is_stopped = placing.run.termination is Termination.INTERRUPTED
    if not compare or placing.after is None or is_stopped:
        return placing
    program = problem.build(placing.run.study)
    number = int(placing.after.placement.modules.sum())
    seed = int(getattr(method, "seed", 0))
    limit_s = getattr(method, "time_limit_s", None)
    found = controls(program, study.sites.count, number, seed, limit_s)
    return replace(placing, controls=found)


def _placed(
    study: Study,
    method: Solver,
    problem: Formulation,
    before: Checked | None,
    rounds: int,
    progress: ProgressCallback | None,
) -> Placing:
    """Place until AC power flow agrees, as many times as allowed, or until time is up."""
    now, clock = study, Clock(getattr(method, "time_limit_s", None))
    if before is not None and before.placement.network == "radial" and before.flows:
        now = corrected(study, before.placement.schedules, before.flows)
    found: list[tuple[Run, Checked | None]] = []
    while len(found) < rounds:
        if found and np.isfinite(clock.left_s()):
            method = replace(method, time_limit_s=clock.left_s())  # type: ignore[type-var]
        run = solve(now, problem, method, progress=progress)
        after = checked(now, run.plan)
        found.append((run, after))
        if after is None or not after.flows or after.placement.network != "radial":
            return Placing(run, before, after, len(found))
        is_over = run.termination is Termination.INTERRUPTED or clock.left_s() < SHORTEST_S
        if is_over or not _is_converged(after.flows):
            break
        if abs(after.cost - run.cost) <= AGREED * abs(run.cost):
            return Placing(run, before, after, len(found))
        now = corrected(study, after.placement.schedules, after.flows)
    run, after = min(reversed(found), key=lambda one: _cost(one[1]))  # of alike ones the last
    return Placing(run, before, after, len(found))


def _cost(found: Checked | None) -> float:
    return float("inf") if found is None else found.cost


def without_batteries(
    study: Study, formulation: Formulation, limit_s: float | None = None
) -> Checked | None:
    """Return how everything runs without batteries; None where nothing is feasible then.

    Limits of voltage and loading that have no price get one here, so that what is beyond them is
    as little as can be, and reported as such.
    """
    sites = replace(study.sites, count=0)
    bare = replace(study, sites=sites)
    priced = replace(
        sites,
        voltage_cost_per_pu_h=min(sites.voltage_cost_per_pu_h, DEAR),
        overload_cost_per_mwh=min(sites.overload_cost_per_mwh, DEAR),
    )
    limit_s = None if limit_s is None else max(limit_s, SHORTEST_S)
    solver = HiGHS(gap=BASE_GAP, time_limit_s=limit_s)
    run = solve(replace(study, sites=priced), formulation, solver)
    if run.termination is Termination.INTERRUPTED:
        raise KeyboardInterrupt
    found = checked(bare, run.plan)
    if found is not None and found.flows and found.placement.network == "radial":
        _check_convergence(found)
    return found


def _check_convergence(found: Checked) -> None:
    """Raise where AC power flow does not converge: when, and how far from it."""
    for schedule, flow in zip(found.placement.schedules, found.flows, strict=True):
        silent = np.flatnonzero(~flow.converged).tolist()
        if silent:
            base_points(schedule, silent)
            raise GridoptError(
                f"AC power flow without batteries does not converge in {len(silent)} periods, the "
                f"first is {flow.study.time[silent[0]]}; from another start it does"
            )


def checked(study: Study, plan: object) -> Checked | None:
    """Return a placement judged with AC power flow, where there is one and a net."""
    if not isinstance(plan, Placement):
        return None
    flows: tuple[PowerFlow, ...] = ()
    if study.net is not None:
        flows = tuple(power_flow(part.study, part) for part in plan.schedules)
    true = study
    if flows and plan.network == "radial" and _is_converged(flows):
        true = corrected(study, plan.schedules, flows)
    return Checked(plan, verify(true, plan), flows)


def _is_converged(flows: tuple[PowerFlow, ...]) -> bool:
    return all(bool(flow.converged.all()) for flow in flows)


def corrected(study: Study, schedules: tuple[Schedule, ...], flows: tuple[PowerFlow, ...]) -> Study:
    """Return a radial study whose LinDistFlow is exact at schedules with these power flows."""
    feeder = study.radial
    found = tuple(
        _correction(feeder, schedule, flow) for schedule, flow in zip(schedules, flows, strict=True)
    )
    return replace(study, feeder=replace(feeder, corrections=found))


def _correction(feeder: Feeder, schedule: Schedule, flow: PowerFlow) -> Correction:
    study, T = schedule.study, schedule.study.n_periods
    p_mw = feeder.flows(feeder.grid.shunt_mw[:, np.newaxis] - schedule.injection_mw())
    q_mvar = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))
    none = np.zeros((feeder.grid.n_buses, T))
    vm2 = _vm_pu(flow) ** 2
    share = np.hypot(p_mw, q_mvar) / feeder.grid.rating_mw[:, np.newaxis]
    loading = np.ones_like(share)
    np.divide(_loading(flow), share, out=loading, where=share > LEAST_LOADING)
    return Correction(
        vm2_pu2=vm2 - feeder.vm2(p_mw, q_mvar, none),
        loading=np.where(np.isfinite(loading), loading, 1.0),
        loss_mw=flow.loss_mw - feeder.loss_mw(p_mw, q_mvar),
    )


def _vm_pu(flow: PowerFlow) -> FloatArray:
    """Return the voltage of each bus of the grid, (B, T)."""
    study = flow.study
    position = read_grid(copy.deepcopy(study.net), []).position
    table = flow.buses[flow.buses["bus"].isin(position)]
    found = np.ones((study.grid.n_buses, study.n_periods))
    place = table["bus"].map(position).to_numpy()
    found[place, table["period"].to_numpy()] = table["vm_pu"].to_numpy()
    return found


def _loading(flow: PowerFlow) -> FloatArray:
    """Return the loading of each branch of the grid in shares of its rating, (L, T)."""
    study = flow.study
    row = {key: place for place, key in enumerate(study.grid.branch_element)}
    table = flow.branches
    found = np.full((study.grid.n_branches, study.n_periods), np.nan)
    keys = zip(table["element"], table["index"], strict=True)
    place = np.array([row.get((str(element), int(index)), -1) for element, index in keys])
    known = place >= 0
    period = table["period"].to_numpy()[known]
    limit = limit_percent(study)[place[known]]
    found[place[known], period] = table["loading_percent"].to_numpy()[known] / limit
    return found
