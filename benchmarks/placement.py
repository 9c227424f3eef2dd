"""Battery placement by MILP, by every choice in AC power flow, and as a QUBO.

    python benchmarks/placement.py feeder     case33bw, 1 to 3 sites, batteries run by a profile
    python benchmarks/placement.py meshed     case39, the same: 10 generators, 46 rated branches
    python benchmarks/placement.py cigre      CIGRE's medium-voltage net, 96 quarter hours

`feeder`: the MILP is LinDistFlow's, corrected until AC power flow agrees; `exhaustive` is AC power
flow of every choice, and `median` the middle one of them, what chance gives; the QUBO is the
quadratic model of AC power flow, whose residual on random choices is printed. `rank` is the place
of an answer among all choices. `hits` counts the seeds, of ten, that find the QUBO's optimum. All
costs are those of AC power flow. `qaoa` has the XY mixer, on twelve candidates.

`meshed`: all generators but the slack run as a DC unit commitment without batteries has them; the
MILP is that of the DC network. `--net` takes any net of pandapower with costs.

`cigre`: violations of voltage and loading without batteries and with those placed, by AC power
flow; photovoltaics of the net times 40, a day's shapes of our own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pandas as pd
from rich.console import Console
from rich.table import Table

import gridopt
from gridopt.ac_sites import ACSites
from gridopt.registry import make, solver_class

MODULE = "li_ion_0.5mw_2h"

TWELVE = (2, 5, 7, 9, 12, 14, 16, 19, 23, 26, 29, 31)
"""Candidates that QAOA chooses among."""

MULTIPLIER: dict[str, object] = {"inequalities": "augmented_lagrangian"}

SAMPLERS: dict[str, tuple[str, dict[str, object]]] = {
    "neal": ("neal", {**MULTIPLIER, "reads": 1000}),
    "neal, penalty": ("neal", {"reads": 1000}),
    "tabu": ("tabu", {**MULTIPLIER, "reads": 1000}),
    "anneal": ("anneal", {}),
}
"""Solver and options by what the table calls them; the penalty is the one proved to be enough."""

SEEDS = 10

MILP_S = 60.0
"""Seconds of the MILP; it mostly needs few on a feeder."""

SAME = 1e-9
"""Difference of cost, relative, below which two answers are the same."""

PARTS = ("feeder", "meshed", "cigre")

LARGE_MODULE = "li_ion_10mw_4h"

OVERLOAD_COST = 100.0
"""Price of a MWh above a rating, on the meshed net."""

Row = dict[str, object]


@dataclass(frozen=True)
class Known:
    """Sites with the cost of every choice of `count` of them, by AC power flow."""

    study: gridopt.Study
    count: int
    sites: ACSites
    ranked: list[tuple[float, np.ndarray]]
    seconds: float

    @staticmethod
    def of(study: gridopt.Study, count: int) -> Known:
        """Return what all choices cost, dearest last."""
        study = replace(study, sites=replace(study.sites, count=count))
        sites = ACSites.of(study, time_limit_s=60.0)
        begun = time.perf_counter()
        ranked = sites.best(count, keep=comb(sites.n_sites, count))
        return Known(study, count, sites, ranked, time.perf_counter() - begun)

    @property
    def best(self) -> float:
        """Cost of the best choice."""
        return self.ranked[0][0]

    def row(self, method: str, places: np.ndarray, seconds: float = np.nan) -> Row:
        """Return the line of an answer."""
        chosen = np.zeros((1, self.sites.n_sites), dtype=np.bool_)
        chosen[0, places] = True
        cost = float(self.sites.cost(chosen)[0])
        cheaper = sum(other < cost - SAME * abs(cost) for other, _ in self.ranked)
        names = [self.study.grid.bus_name[bus] for bus in self.study.sites.bus[places]]
        return {
            "sites": self.count,
            "method": method,
            "buses": ", ".join(name.removeprefix("bus ") for name in names),
            "AC cost": cost,
            "above best": max(cost - self.best, 0.0),
            "rank": f"{cheaper + 1} of {len(self.ranked)}",
            "s": seconds,
        }


def feeder(hours: float, vm_min_pu: float, voltage_cost: float, counts: Sequence[int]) -> list[Row]:
    """Return one row for each number of sites and method on case33bw."""
    study = gridopt.load_case("case33bw", hours=hours)
    prices = {"vm_min_pu": vm_min_pu, "voltage_cost_per_pu_h": voltage_cost}
    every, few = (
        gridopt.with_sites(study, buses, MODULE, operation="profile", **prices)  # type: ignore[arg-type]
        for buses in (None, TWELVE)
    )
    return _routes(every, few, counts)


def meshed(
    net: str, hours: float, module_mw: float, voltage_cost: float, counts: Sequence[int]
) -> list[Row]:
    """Return the same on a meshed net, with batteries of four hours."""
    study = gridopt.load_case(net, hours=hours, units="typical")
    ten = gridopt.read_modules([LARGE_MODULE])
    sized = {
        name: getattr(ten, name) * module_mw / float(ten.power_mw[0])
        for name in ("power_mw", "energy_mwh", "investment_cost", "annual_cost")
    }
    prices = {"voltage_cost_per_pu_h": voltage_cost, "overload_cost_per_mwh": OVERLOAD_COST}
    buses = [int(index) for index in study.net.bus.index]
    every, few = (
        gridopt.with_sites(study, some, replace(ten, **sized), operation="profile", **prices)  # type: ignore[arg-type]
        for some in (buses, buses[:: max(len(buses) // 12, 1)][:12])
    )
    return _routes(every, few, counts)


def _routes(every: gridopt.Study, few: gridopt.Study, counts: Sequence[int]) -> list[Row]:
    found: list[Row] = []
    for count in counts:
        found += _one_count(Known.of(every, count))
        found.append(_by_qaoa(Known.of(few, count)))
    return found


def _one_count(known: Known) -> Iterator[Row]:
    study, sites, count = known.study, known.sites, known.count
    none = float(sites.cost(np.zeros((1, sites.n_sites)))[0])
    yield {"sites": count, "method": "no battery", "AC cost": none}
    yield known.row("exhaustive AC", known.ranked[0][1], known.seconds)
    yield known.row("median", known.ranked[len(known.ranked) // 2][1])

    begun = time.perf_counter()
    placing = gridopt.place(study, gap=1e-5, time_limit_s=MILP_S, compare=False)
    seconds = time.perf_counter() - begun
    if placing.after is not None:
        places = np.flatnonzero(placing.after.placement.modules[:, 0])
        yield known.row("MILP", places, seconds)

    begun = time.perf_counter()
    model = sites.quadratic()
    seconds = time.perf_counter() - begun
    residual = sites.residual(model, count, 500, seed=0)
    program = model.program()
    exact = make(solver_class("highs"), "highs", {"gap": 1e-9}).solve(program)
    row = known.row("QUBO, its optimum", _chosen(exact.x), seconds)
    row["R²"], row["worst %"] = residual.r_squared, 100.0 * residual.worst_relative
    row["mean %"] = 100.0 * residual.mean_relative
    yield row
    for name in SAMPLERS:
        yield _sampled(known, name, program, exact.objective)


def _sampled(known: Known, name: str, program: gridopt.Program, optimum: float) -> Row:
    kind, options = SAMPLERS[name]
    begun, hits, answers = time.perf_counter(), 0, []
    for seed in range(SEEDS):
        solver = make(solver_class(kind), kind, {**options, "seed": seed, "bound_time_limit_s": 0})
        found = solver.solve(program)
        hits += found.objective <= optimum + SAME * abs(optimum)
        answers.append(found)
    seconds = (time.perf_counter() - begun) / SEEDS
    middle = sorted(answers, key=lambda answer: answer.objective)[SEEDS // 2]
    row = known.row(f"QUBO, {name}", _chosen(middle.x), seconds)
    row["hits"] = f"{hits} of {SEEDS}"
    return row


def _by_qaoa(known: Known) -> Row:
    program = known.sites.quadratic().program()
    exact = make(solver_class("highs"), "highs", {"gap": 1e-9}).solve(program)
    begun = time.perf_counter()
    found = make(solver_class("qaoa"), "qaoa", {"mixer": "xy", "seed": 0}).solve(program)
    seconds = time.perf_counter() - begun
    row = known.row("QUBO of 12, qaoa", _chosen(found.x), seconds)
    is_best = found.objective <= exact.objective + SAME * abs(exact.objective)
    row["hits"] = f"{int(is_best)} of 1"
    return row


def _chosen(x: np.ndarray | None) -> np.ndarray:
    return np.zeros(0, np.int64) if x is None else np.flatnonzero(np.rint(x))


COLUMNS = (
    *("sites", "method", "buses", "AC cost", "above best", "rank"),
    *("hits", "R²", "mean %", "worst %", "s"),
)


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
    parser.add_argument("parts", nargs="*", default=PARTS, help=", ".join(PARTS))
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--counts", type=int, nargs="+", default=(1, 2, 3))
    parser.add_argument("--vm-min", type=float, default=0.93)
    parser.add_argument("--voltage-cost", type=float, default=1000.0)
    parser.add_argument("--net", default="case39", help="of `meshed`")
    parser.add_argument("--module-mw", type=float, default=50.0, help="of `meshed`")
    parser.add_argument("--pv-factor", type=float, default=40.0)
    parser.add_argument("--gap", type=float, default=0.005)
    parser.add_argument("--seconds", type=float, default=120.0)
    given = parser.parse_args(words)
    if "feeder" in given.parts:
        _print(feeder(given.hours, given.vm_min, given.voltage_cost, given.counts), COLUMNS)
    if "meshed" in given.parts:
        price = 10.0 * given.voltage_cost
        rows = meshed(given.net, given.hours, given.module_mw, price, given.counts)
        _print(rows, COLUMNS)
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
