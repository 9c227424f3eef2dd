"""Battery placement by MILP, by every choice in AC power flow, and as a QUBO.

    python benchmarks/placement.py feeder     case33bw, 1 to 3 sites, batteries run by a profile
    python benchmarks/placement.py cigre      CIGRE's medium-voltage net, 96 quarter hours

`feeder`: the MILP is LinDistFlow's, corrected until AC power flow agrees; `exhaustive` is AC power
flow of every choice; the QUBO is the quadratic model of AC power flow (all pairs), whose residual
on random choices is printed. `hits` counts the seeds, of ten, that find the QUBO's optimum. All
costs are those of AC power flow. `qaoa` has the XY mixer, on twelve candidates.

`cigre`: violations of voltage and loading without batteries and with those placed, by AC power
flow; photovoltaics of the net times 40, a day's shapes of our own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pandas as pd
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.ac_sites import ACSites
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.placing import Checked, without_batteries
from gridopt.registry import make, solver_class

MODULE = "li_ion_0.5mw_2h"

TWELVE = (2, 5, 7, 9, 12, 14, 16, 19, 23, 26, 29, 31)
"""Candidates that QAOA chooses among."""

MULTIPLIER: dict[str, object] = {"inequalities": "augmented_lagrangian"}

SAMPLERS: dict[str, tuple[str, dict[str, object]]] = {
    "neal": ("neal", {**MULTIPLIER, "reads": 1000}),
    "neal, penalty": ("neal", {"reads": 1000}),
    "tabu": ("tabu", MULTIPLIER),
    "anneal": ("anneal", {}),
}
"""Solver and options by what the table calls them; the penalty is the one proved to be enough."""

SEEDS = 10

SAME = 1e-6
"""Difference of cost, relative, below which two answers are the same."""

Row = dict[str, object]


def feeder(hours: float, vm_min_pu: float, voltage_cost: float, counts: Sequence[int]) -> list[Row]:
    """Return one row for each number of sites and method on case33bw."""
    study = gridopt.load_case("case33bw", hours=hours)
    found: list[Row] = []
    for count in counts:
        sited = gridopt.with_sites(
            *(study, None, MODULE),
            count=count,
            operation="profile",
            vm_min_pu=vm_min_pu,
            voltage_cost_per_pu_h=voltage_cost,
        )
        found += _one_count(sited, count)
        few = gridopt.with_sites(
            *(study, TWELVE, MODULE),
            count=count,
            operation="profile",
            vm_min_pu=vm_min_pu,
            voltage_cost_per_pu_h=voltage_cost,
        )
        found.append(_by_qaoa(few, count))
    return found


def _one_count(study: gridopt.Study, count: int) -> Iterator[Row]:
    begun = time.perf_counter()
    sites = ACSites(study, _before(study))
    seconds = time.perf_counter() - begun
    none = float(sites.cost(np.zeros((1, sites.n_sites), dtype=np.bool_))[0])
    yield {"sites": count, "method": "no battery", "AC cost": none, "s": seconds}

    begun = time.perf_counter()
    best, places = sites.best(count)[0]
    seconds = time.perf_counter() - begun
    yield _row(study, count, "exhaustive AC", places, best, best, seconds)

    begun = time.perf_counter()
    placing = gridopt.place(study, gap=1e-5, time_limit_s=120.0, compare=False)
    seconds = time.perf_counter() - begun
    if placing.after is not None:
        places = np.flatnonzero(placing.after.placement.modules[:, 0])
        yield _row(study, count, "MILP", places, placing.after.cost, best, seconds)

    begun = time.perf_counter()
    model = sites.quadratic()
    seconds = time.perf_counter() - begun
    residual = sites.residual(model, count, 500, seed=0)
    program = model.program()
    exact = make(solver_class("highs"), "highs", {"gap": 1e-9}).solve(program)
    row = _row(study, count, "QUBO, its optimum", _chosen(exact.x), np.nan, best, seconds)
    row["AC cost"] = _cost(sites, row)
    row["difference %"] = 100.0 * (float(str(row["AC cost"])) / best - 1.0)
    row["R²"], row["worst %"] = residual.r_squared, 100.0 * residual.worst_relative
    yield row
    for name in SAMPLERS:
        yield _sampled(study, count, name, (sites, program, exact.objective, best))


def _sampled(
    study: gridopt.Study,
    count: int,
    name: str,
    known: tuple[ACSites, gridopt.Program, float, float],
) -> Row:
    sites, program, optimum, best = known
    kind, options = SAMPLERS[name]
    begun, hits, answers = time.perf_counter(), 0, []
    for seed in range(SEEDS):
        solver = make(solver_class(kind), kind, {**options, "seed": seed, "bound_time_limit_s": 0})
        found = solver.solve(program)
        hits += found.objective <= optimum + SAME * abs(optimum)
        answers.append(found)
    seconds = (time.perf_counter() - begun) / SEEDS
    middle = sorted(answers, key=lambda answer: answer.objective)[SEEDS // 2]
    row = _row(study, count, f"QUBO, {name}", _chosen(middle.x), np.nan, best, seconds)
    row["AC cost"] = _cost(sites, row)
    row["difference %"] = 100.0 * (float(str(row["AC cost"])) / best - 1.0)
    row["hits"] = f"{hits} of {SEEDS}"
    return row


def _by_qaoa(study: gridopt.Study, count: int) -> Row:
    sites = ACSites(study, _before(study))
    best, _ = sites.best(count)[0]
    program = sites.quadratic().program()
    exact = make(solver_class("highs"), "highs", {"gap": 1e-9}).solve(program)
    begun = time.perf_counter()
    found = make(solver_class("qaoa"), "qaoa", {"mixer": "xy", "seed": 0}).solve(program)
    seconds = time.perf_counter() - begun
    row = _row(study, count, "QUBO of 12, qaoa", _chosen(found.x), np.nan, best, seconds)
    row["AC cost"] = _cost(sites, row)
    row["difference %"] = 100.0 * (float(str(row["AC cost"])) / best - 1.0)
    is_best = found.objective <= exact.objective + SAME * abs(exact.objective)
    row["hits"] = f"{int(is_best)} of 1"
    return row


def _before(study: gridopt.Study) -> Checked:
    found = without_batteries(study, BatteryPlacement())
    if found is None:
        raise SystemExit("nothing is feasible without batteries")
    return found


def _chosen(x: np.ndarray | None) -> np.ndarray:
    return np.zeros(0, np.int64) if x is None else np.flatnonzero(np.rint(x))


def _cost(sites: ACSites, row: Row) -> float:
    chosen = np.zeros((1, sites.n_sites), dtype=np.bool_)
    chosen[0, list(row["places"])] = True  # type: ignore[call-overload]
    return float(sites.cost(chosen)[0])


def _row(
    study: gridopt.Study,
    count: int,
    method: str,
    places: np.ndarray,
    cost: float,
    best: float,
    seconds: float,
) -> Row:
    names = [study.grid.bus_name[bus] for bus in study.sites.bus[places]]
    return {
        "sites": count,
        "method": method,
        "buses": ", ".join(name.removeprefix("bus ") for name in names),
        "places": places.tolist(),
        "AC cost": cost,
        "difference %": 100.0 * (cost / best - 1.0),
        "s": seconds,
    }


COLUMNS = ("sites", "method", "buses", "AC cost", "difference %", "hits", "R²", "worst %", "s")


def cigre(pv_factor: float, gap: float, seconds: float) -> list[Row]:
    """Return a row without batteries and one with, for CIGRE's medium-voltage net."""
    study = gridopt.with_sites(cigre_day(pv_factor), None, (MODULE, "li_ion_1mw_2h"), modules_max=4)
    begun = time.perf_counter()
    placing = gridopt.place(study, gap=gap, time_limit_s=seconds, compare=False)
    wall_s = time.perf_counter() - begun
    found: list[Row] = []
    for name, checked in (("none", placing.before), ("placed", placing.after)):
        if checked is None:
            continue
        (flow,) = (part.summary() for part in checked.flows)
        table = checked.placement.table()
        sized = zip(table["bus"], table["modules"], table["module"], strict=True)
        found.append(
            {
                "batteries": ", ".join(f"{bus}: {n} × {kind}" for bus, n, kind in sized) or name,
                "cost": checked.verification.total_cost,
                "low": flow["violations"]["voltage_low"],
                "high": flow["violations"]["voltage_high"],
                "loading": flow["violations"]["branch_loading"],
                "min pu": flow["min_vm_pu"],
                "max pu": flow["max_vm_pu"],
                "max %": flow["max_loading_percent"],
                "gap %": 100.0 * placing.run.gap if checked is placing.after else np.nan,
                "rounds": placing.rounds,
                "s": wall_s,
            }
        )
    return found


def cigre_day(pv_factor: float) -> gridopt.Study:
    """Return a day of 96 quarter hours on CIGRE's medium-voltage net with sun and wind.

    The net is that of CIGRE Task Force C6.04.02 as pandapower ships it; shapes of the day, the
    price of energy and the voltage band 0.95 to 1.05 pu are assumptions of this benchmark.
    """
    net = pn.create_cigre_network_mv(with_der="pv_wind")
    pp.create_poly_cost(net, 0, "ext_grid", cp1_eur_per_mw=80.0)
    net.bus["min_vm_pu"], net.bus["max_vm_pu"] = 0.95, 1.05
    hour = np.arange(96) / 4.0
    knots = [0, 4, 7, 9, 12, 17, 19, 21, 24]
    shape = np.interp(hour, knots, [0.55, 0.45, 0.65, 0.8, 0.78, 0.8, 1.0, 0.9, 0.55])
    sun = np.clip(np.sin(np.pi * (hour - 6.0) / 12.0), 0.0, None) ** 1.3
    wind = 0.5 + 0.3 * np.sin(2.0 * np.pi * (hour - 3.0) / 24.0)
    time_ = pd.date_range("2026-06-21", periods=96, freq="15min", tz="Europe/Berlin")
    profiles = pd.DataFrame({"system": shape}, index=time_)
    for index, row in net.sgen.iterrows():
        factor = pv_factor * sun if row["type"] == "PV" else wind
        profiles[f"sgen {index}"] = factor * row["p_mw"]
    return gridopt.read_pandapower(net, profiles=profiles, name="CIGRE MV")


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Battery placement, route by route.")
    parser.add_argument("parts", nargs="*", default=("feeder", "cigre"), help="feeder, cigre")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--counts", type=int, nargs="+", default=(1, 2, 3))
    parser.add_argument("--vm-min", type=float, default=0.93)
    parser.add_argument("--voltage-cost", type=float, default=1000.0)
    parser.add_argument("--pv-factor", type=float, default=40.0)
    parser.add_argument("--gap", type=float, default=0.005)
    parser.add_argument("--seconds", type=float, default=120.0)
    given = parser.parse_args(words)
    if "feeder" in given.parts:
        _print(feeder(given.hours, given.vm_min, given.voltage_cost, given.counts), COLUMNS)
    if "cigre" in given.parts:
        rows = cigre(given.pv_factor, given.gap, given.seconds)
        _print(rows, tuple(rows[0]))


def _print(rows: list[Row], columns: Sequence[str]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*(_figure(row.get(name, "")) for name in columns))
    Console(width=170).print(table)


def _figure(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if np.isnan(value) else f"{value:,.6g}"


if __name__ == "__main__":
    main()
