"""Place batteries with gridopt and with PyPSA on the same system, and hold one against the other.

    python benchmarks/placement_peer.py --variants dispatch commitment --gap 1e-2 --repeats 3

PyPSA runs in an environment of its own, made from the lock in `bench/adapters/pypsa_models` when it
is first needed. Every run has a process of its own, one thread, the same HiGHS; both take turns.
The study is changed so that both have the very same problem, and PyPSA's plan is judged by
`gridopt.verify`. ``benchmarks/README.md`` says more.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandapower.networks
import pandas as pd
from milp_routes import GRACE_S, ONE_THREAD, environment
from rich import box
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.arrays import FloatArray
from gridopt.bench.environments import ADAPTERS, default_root
from gridopt.elements import CostCurve, StartupCost
from gridopt.errors import GridoptError, UnknownNameError
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.placement import Placement, placed
from gridopt.results import Schedule
from gridopt.siting import with_sites
from gridopt.solution import relative_gap
from gridopt.solvers.highs import HiGHS
from gridopt.study import FIXED_ON, Study
from gridopt.verification import verify

GROUP = "pypsa_models"
OURS, PYPSA = "gridopt", "pypsa"

UNSERVED_COST_PER_MWH = 1000.0
STARTUP_COST_PER_MW = 50.0
MIN_UP_H, MIN_DOWN_H = 4.0, 3.0
"""What all units of the variant ``starts`` have, as the net says nothing of starts."""

OF_MODULE = (
    "power_mw",
    "usable_mwh",
    "charge_efficiency",
    "discharge_efficiency",
    "degradation_cost_per_mwh",
)
"""What the peer is told of the module, beside its cost."""

PROBLEM = BatteryPlacement(network="dc", exclusive="never")


def dispatch(study: Study) -> Study:
    """Return the study with all units on, from 0 MW on, at one price a MWh each: a linear program.

    The price is the mean of the unit's cost between its least and its highest output.
    """
    units = study.thermal
    slopes = [_chord(curve)[1] for curve in units.cost]
    curves = tuple(
        CostCurve((0.0, float(most)), (0.0, slope * float(most)))
        for most, slope in zip(units.p_max_mw, slopes, strict=True)
    )
    free = replace(units, p_min_mw=np.zeros(len(units)), cost=curves)
    return replace(
        study, thermal=free, fixed_status=np.full((len(units), study.n_periods), FIXED_ON)
    )


def commitment(study: Study) -> Study:
    """Return the study with each unit's cost as a line between its least and highest output."""
    units = study.thermal
    curves = tuple(
        CostCurve((low, high), (first, first + slope * (high - low)))
        for low, high, (first, slope) in zip(
            units.p_min_mw.tolist(), units.p_max_mw.tolist(), map(_chord, units.cost), strict=True
        )
    )
    return replace(study, thermal=replace(units, cost=curves))


def starts(study: Study) -> Study:
    """Return the same with costs of starts and minimum times, which the net has none of."""
    linear = commitment(study)
    units, ones = linear.thermal, np.ones(len(linear.thermal))
    costs = tuple(
        StartupCost((0.0,), (STARTUP_COST_PER_MW * mw,)) for mw in units.p_max_mw.tolist()
    )
    timed = replace(
        units, startup_cost=costs, min_up_time_h=MIN_UP_H * ones, min_down_time_h=MIN_DOWN_H * ones
    )
    return replace(linear, thermal=timed)


def _chord(curve: CostCurve) -> tuple[float, float]:
    """Return the cost of the least output, $/h, and the mean slope from there to the highest."""
    low, high = curve.power_mw[0], curve.power_mw[-1]
    first, last = curve.cost(np.array([low, high])).tolist()
    return first, (last - first) / (high - low)


VARIANTS = {"dispatch": dispatch, "commitment": commitment, "starts": starts}
"""How the study is changed so that PyPSA has the same problem, by name."""

FORMATS = {
    "cost": ("cost", "{:,.1f}"),
    "bound": ("bound", "{:,.1f}"),
    "gap": ("gap", "{:.4%}"),
    "build_s": ("build s", "{:.2f}"),
    "solve_s": ("solve s", "{:.2f}"),
    "total_s": ("total s", "{:.2f}"),
    "cpu_s": ("CPU s", "{:.2f}"),
}
"""Medians that are shown: column, heading, format."""


def main(words: Sequence[str] | None = None) -> None:
    """Run what the command line asks for; write the rows and print their medians."""
    parser = _parser()
    asked = parser.parse_args(words)
    if asked.out.suffix != ".csv":
        parser.error(f"--out ends in .csv, not {asked.out.name!r}")
    if asked.repeats < 1:
        parser.error("--repeats is at least 1")
    try:
        study = case_study(asked)
        studies = {name: VARIANTS[name](study) for name in asked.variants}
        problems = {name: as_problem(each, name != "dispatch") for name, each in studies.items()}
    except (GridoptError, ValueError) as fault:
        parser.error(str(fault))
    python = environment(GROUP, asked.peers, asked.quick)
    os.environ.update(ONE_THREAD)
    rows: list[dict[str, Any]] = []
    for gap, variant, seed in product(asked.gap, asked.variants, range(asked.repeats)):
        head = {"case": study.name, "variant": variant, "gap_wanted": gap, "seed": seed}
        limits = gap, asked.time_limit, seed
        rows.append({**head, "route": OURS, **ours(studies[variant], *limits)})
        if python is not None:
            found = theirs(python, studies[variant], problems[variant], *limits)
            rows.append({**head, "route": PYPSA, **found})
        table = as_table(rows)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(asked.out, index=False)
    console = Console(width=150)
    for (variant, gap), group in table.groupby(["variant", "gap_wanted"], sort=False):
        console.print(f"\n{study.name}, {variant}, gap {gap:g}: medians of {asked.repeats}")
        console.print(as_markdown(group))
        for line in comparison(group):
            console.print(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--case", default="case_illinois200", help="a net of pandapower.networks")
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--rating", type=float, default=80.0, help="percent that lines may carry")
    parser.add_argument("--module", default="li_ion_10mw_4h", help="of the catalogue")
    parser.add_argument("--count", type=int, default=3, help="sites that get a battery")
    parser.add_argument("--modules-max", type=int, default=5, help="at a site")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--gap", nargs="+", type=float, default=[1e-2], help="where to stop")
    parser.add_argument("--time-limit", type=float, default=600.0, help="wall seconds of a solve")
    parser.add_argument("--repeats", type=int, default=3, help="seeds 0, 1, … of each")
    folder = "of PyPSA's environment: $GRIDOPT_PEERS, or in the user's cache"
    parser.add_argument("--peers", type=Path, default=default_root(), help=folder)
    quick = "only gridopt unless PyPSA is installed"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--out", type=Path, default=Path("out/placement_peer.csv"), help=".csv")
    return parser


def case_study(asked: argparse.Namespace) -> Study:
    """Return the day that batteries are placed for, every bus a candidate."""
    names = [name for name in vars(pandapower.networks) if name.startswith("case")]
    if asked.case not in names:
        raise UnknownNameError("case", asked.case, names)
    net = getattr(pandapower.networks, asked.case)()
    net.line["max_loading_percent"] = asked.rating
    study = gridopt.read_pandapower(
        net, hours=asked.hours, unserved_cost_per_mwh=UNSERVED_COST_PER_MWH
    )
    study = replace(study, name=asked.case)
    return with_sites(
        study, modules=[asked.module], count=asked.count, modules_max=asked.modules_max
    )


def as_problem(study: Study, is_committed: bool) -> dict[str, Any]:
    """Return all that the peer needs as JSON values, elements in the study's order.

    Parameters
    ----------
    study : Study
        As a variant leaves it.
    is_committed : bool
        Whether units may be off.

    Raises
    ------
    ValueError
        For a study with something that the peer's model would leave out.
    """
    _check_covered(study)
    grid, units, sites = study.grid, study.thermal, study.sites
    first, slope = np.array([_chord(curve) for curve in units.cost]).T
    return {
        "periods": study.n_periods,
        "buses": list(grid.bus_name),
        "demand_mw": study.demand_mw.tolist(),
        "unserved_cost_per_mwh": study.unserved_cost_per_mwh,
        "branches": {
            "name": list(grid.branch_name),
            "from_bus": grid.from_bus.tolist(),
            "to_bus": grid.to_bus.tolist(),
            "x": (1.0 / grid.susceptance_mw).tolist(),
            "rating_mw": grid.rating_mw.tolist(),
        },
        "units": {
            "name": list(units.name),
            "bus": units.bus.tolist(),
            "committable": is_committed,
            "p_min_mw": units.p_min_mw.tolist(),
            "p_max_mw": units.p_max_mw.tolist(),
            "cost_per_mwh": slope.tolist(),
            "no_load_cost_per_h": (first - slope * units.p_min_mw).tolist(),
            "startup_cost": [startup.cost[0] for startup in units.startup_cost],
            "min_up_periods": study.steps(units.min_up_time_h).tolist(),
            "min_down_periods": study.steps(units.min_down_time_h).tolist(),
            "initial_status_periods": units.initial_status_h.astype(int).tolist(),
        },
        "sites": {
            "bus": sites.bus.tolist(),
            "count": sites.count,
            "modules_max": sites.modules_max,
            "modules_min": sites.modules_min,
            "cost_per_module": float(sites.module_cost(study.period_h * study.n_periods)[0]),
            **{name: float(getattr(sites.modules, name)[0]) for name in OF_MODULE},
        },
    }


def _check_covered(study: Study) -> None:
    """Stop where the study has something that the peer's model would leave out."""
    grid, units, sites = study.grid, study.thermal, study.sites
    ramps = (units.ramp_up_mw_per_h, units.ramp_down_mw_per_h)
    edges = (units.startup_ramp_mw, units.shutdown_ramp_mw)
    missing = {
        "periods of an hour": study.period_h == 1.0,
        "a price of unserved energy, none of surplus": study.unserved_cost_per_mwh is not None
        and study.surplus_cost_per_mwh is None,
        "thermal units and demand only": not (
            len(study.renewables) + len(study.storage) + len(study.exchange) + len(study.flexible)
        ),
        "no reserves, energy limits or scenarios": not (
            len(study.reserves.requirement) + len(study.energy_limits) + len(study.scenarios)
        ),
        "demand of at least 0": bool((study.demand_mw >= 0.0).all()),
        "no shunts, phase shifts or interfaces": not (
            grid.shunt_mw.any() or grid.shift_rad.any() or len(grid.interfaces)
        ),
        "a rating of every branch": bool(grid.is_rated.all()),
        "costs that are one line": all(
            len(curve.power_mw) == 2 and not curve.quadratic for curve in units.cost
        ),
        "starts of one cost": all(len(startup.cost) == 1 for startup in units.startup_cost),
        "no ramps and no unit that must run": all(np.isinf(each).all() for each in ramps)
        and all((each >= units.p_max_mw).all() for each in edges)
        and not units.must_run.any(),
        "one kind of module, operated freely, without budget or price of the peak": len(
            sites.modules
        )
        == 1
        and sites.is_optimized
        and sites.budget is None
        and not sites.peak_cost_per_mw,
    }
    for expected, right in missing.items():
        if not right:
            raise ValueError(f"the comparison covers studies with {expected}")


def ours(study: Study, gap: float, limit_s: float, seed: int) -> dict[str, Any]:
    """Return the row of one run of gridopt, in a process of its own."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(run_ours, study, gap, limit_s, seed).result()


def run_ours(study: Study, gap: float, limit_s: float, seed: int) -> dict[str, Any]:
    """Return the row of one run of gridopt."""
    solver = HiGHS(gap=gap, time_limit_s=limit_s, seed=seed)
    cpu_begun = time.process_time()
    run = gridopt.solve(study, PROBLEM, solver)
    plan = run.plan
    return {
        "termination": str(run.termination),
        "objective": run.solution.objective,
        "cost": run.cost,
        "bound": run.bound,
        "build_s": run.build_s,
        "solve_s": run.solve_s,
        "cpu_s": time.process_time() - cpu_begun,
        "violations": json.dumps(run.verification.counts() if run.verification else {}),
        "built": _built(study, plan.modules) if isinstance(plan, Placement) else "",
        "versions": json.dumps(dict(run.versions)),
    }


def theirs(
    python: Path, study: Study, problem: dict[str, Any], gap: float, limit_s: float, seed: int
) -> dict[str, Any]:
    """Return the row of one run of PyPSA, its plan judged by gridopt's verifier."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.json"
        path.write_text(json.dumps(problem), "utf-8")
        command = [str(python), str(ADAPTERS / GROUP / "_placement.py"), str(path), f"--gap={gap}"]
        try:
            done = subprocess.run(  # noqa: S603
                [*command, f"--time-limit={limit_s}", f"--seed={seed}"],
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=limit_s + GRACE_S,
                check=True,
            )
        except subprocess.SubprocessError as fault:
            said = str(getattr(fault, "stderr", None) or fault).strip().splitlines()
            return {"declined": said[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    plan = found.pop("plan")
    found["versions"] = json.dumps(found["versions"])
    return found | (judged(study, plan) if plan else {})


def judged(study: Study, plan: dict[str, Any]) -> dict[str, Any]:
    """Return what gridopt's verifier says of a plan; one that breaks a rule is dispatched anew.

    Parameters
    ----------
    study : Study
    plan : dict
        Modules of each candidate, and committed, power_mw, charge_mw, discharge_mw, soc_mwh and
        unserved_mw by element and period.

    Returns
    -------
    dict
        The cost, of the plan as it is or as it is dispatched anew with its modules and commitment;
        the rules that the plan breaks as it is.
    """
    placement = as_placement(study, plan)
    verdict = verify(study, placement)
    cost = verdict.total_cost if verdict.is_feasible else redispatched(study, placement)
    return {
        "cost": cost,
        "violations": json.dumps(verdict.counts()),
        "built": _built(study, placement.modules),
    }


def as_placement(study: Study, plan: dict[str, Any]) -> Placement:
    """Return a placement from the lists of a plan; see `judged`."""
    values: dict[str, FloatArray] = {name: np.array(value) for name, value in plan.items()}
    modules = np.rint(values["modules"]).astype(np.int64)[:, np.newaxis]
    built = np.flatnonzero(modules)
    soc = values["soc_mwh"]
    whole = placed(study, modules, soc[:, -1:])
    T, units = study.n_periods, len(study.thermal)
    schedule = Schedule(
        study=whole,
        network="dc",
        committed=values["committed"] > 0.5,
        power_mw=values["power_mw"],
        reserve_mw=np.zeros((len(study.reserves), units, T)),
        renewable_mw=np.zeros((0, T)),
        charge_mw=values["charge_mw"][built],
        discharge_mw=values["discharge_mw"][built],
        soc_mwh=soc[built],
        import_mw=np.zeros((0, T)),
        unserved_mw=values["unserved_mw"],
        surplus_mw=np.zeros((study.grid.n_buses, T)),
    )
    return Placement(study, modules, (schedule,), "dc")


def redispatched(study: Study, placement: Placement) -> float:
    """Return the least cost with a placement's modules and commitment; inf where there is none."""
    program = PROBLEM.build(study)
    columns = [program.columns(name).ravel() for name in ("modules", "on")]
    values = [placement.modules.ravel(), placement.schedules[0].committed.ravel()]
    held = program.fixed(np.concatenate(columns), np.concatenate(values))
    x = HiGHS(gap=1e-9).solve(held).x
    if x is None:
        return float("inf")
    verdict = verify(study, PROBLEM.decode(study, program, x))
    return verdict.total_cost if verdict.is_feasible else float("inf")


def _built(study: Study, modules: np.ndarray[Any, Any]) -> str:
    """Return what is built in words."""
    sites = study.sites
    each = [
        f"{sites.modules.power_mw[0] * modules[c, 0]:g} MW at {study.grid.bus_name[sites.bus[c]]}"
        for c in np.flatnonzero(modules[:, 0])
    ]
    return ", ".join(each)


def as_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows; a run without a feasible plan has infinite cost and gap."""
    table = pd.DataFrame(rows)
    names = ["objective", *FORMATS, "built", "violations", "declined"]
    table = table.reindex(columns=list(dict.fromkeys([*table, *names])))
    table["cost"] = table["cost"].astype(float).fillna(np.inf)
    table["bound"] = table["bound"].astype(float).fillna(-np.inf)
    pairs = zip(table["cost"], table["bound"], strict=True)
    table["gap"] = [relative_gap(cost, bound) for cost, bound in pairs]
    table["total_s"] = table["build_s"] + table["solve_s"]
    return table


def comparison(group: pd.DataFrame) -> list[str]:
    """Return ours against theirs, a sentence each, for the rows of one variant and gap."""
    of = {str(route): rows for route, rows in group.groupby("route")}
    lines = [f"{route}: {_first(rows['built'])}" for route, rows in of.items()]
    if PYPSA not in of:
        return lines
    if of[PYPSA]["declined"].notna().any():
        return [*lines, f"{PYPSA} failed: {_first(of[PYPSA]['declined'])}"]
    figures = ["cost", "total_s", "cpu_s"]
    mine, other = of[OURS][figures].median(), of[PYPSA][figures].median()
    bound = max(float(rows["bound"].max()) for rows in of.values())
    least = min(float(rows["cost"].min()) for rows in of.values())
    best = f"best bound {bound:,.1f}, best cost {least:,.1f}"
    if bound > least + 1e-6 * abs(least):
        best += ": NOT THE SAME PROBLEM, or a wrong bound"
    cost = "no plan" if np.isinf(other["cost"]) else f"{mine['cost'] / other['cost'] - 1:+.4%}"
    late = [route for route, rows in of.items() if reached(rows) < len(rows)]
    return [
        *lines,
        f"cost against {PYPSA}'s: {cost}; {best}",
        f"seconds of build and solve: {mine['total_s'] / other['total_s']:.2f} of {PYPSA}'s, "
        f"CPU seconds {mine['cpu_s'] / other['cpu_s']:.2f}"
        + (f"; not always at the gap: {', '.join(late)}" if late else ""),
    ]


def reached(rows: pd.DataFrame) -> int:
    """Return how many runs have a plan within the gap that was asked for."""
    return int((rows["gap"] <= rows["gap_wanted"] * (1 + 1e-6)).sum())


def _first(values: pd.Series[Any]) -> str:
    """Return the first of what is known; the seeds may differ among equals."""
    known = values.dropna()
    return str(known.iloc[0]) if len(known) else "nothing"


def as_markdown(group: pd.DataFrame) -> Table:
    """Return the medians of each route as a table."""
    table = Table("route", "reached", box=box.MARKDOWN)
    for head, _ in FORMATS.values():
        table.add_column(head, no_wrap=True, justify="right")
    table.add_column("rules broken")
    for route, rows in group.groupby("route", sort=False):
        cells = [form.format(rows[name].median()) for name, (_, form) in FORMATS.items()]
        broken = sorted(set(rows["violations"].dropna()) - {"{}"})
        table.add_row(str(route), f"{reached(rows)} of {len(rows)}", *cells, "; ".join(broken))
    return table


if __name__ == "__main__":
    main()
