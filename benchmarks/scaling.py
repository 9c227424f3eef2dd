"""How time and memory of the decomposition grow with the number of units: one table, one plot.

    python benchmarks/scaling.py --units 100 300 1000 3000 10000 --gap 0.005 --out scaling.png

The units are drawn one by one from the table of typical units, none a copy of another: copies are
easy in ways that fleets are not. Each size runs in a process of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from unit_commitment import own_peak_mb

import gridopt
from gridopt.elements import Exchange, Renewables, Storage
from gridopt.grid import Grid
from gridopt.io.units import thermal_units
from gridopt.requirements import Reserves
from gridopt.study import Study


class Kind(NamedTuple):
    """What units of a technology are drawn from: ranges, but for the share."""

    share: float
    p_max_mw: tuple[float, float]
    p_min_share: tuple[float, float]
    cost_per_mwh: tuple[float, float]
    standing_cost_per_mw_h: tuple[float, float]


KINDS = {
    "coal": Kind(0.25, (50.0, 600.0), (0.3, 0.5), (18.0, 32.0), (2.0, 6.0)),
    "gas cc": Kind(0.25, (100.0, 700.0), (0.3, 0.5), (25.0, 45.0), (2.0, 6.0)),
    "gas ct": Kind(0.3, (15.0, 120.0), (0.2, 0.5), (45.0, 80.0), (3.0, 8.0)),
    "oil steam": Kind(0.05, (60.0, 400.0), (0.2, 0.4), (60.0, 90.0), (3.0, 6.0)),
    "oil ct": Kind(0.1, (10.0, 30.0), (0.3, 0.6), (90.0, 150.0), (4.0, 9.0)),
    "nuclear": Kind(0.05, (500.0, 1200.0), (0.6, 0.9), (8.0, 12.0), (1.0, 2.0)),
}
"""What the table of typical units does not say, in ranges of our own choice."""

PEAK, RESERVE = 0.7, 0.05
"""Highest demand as a share of all capacity, and spinning reserve as a share of demand."""

HOURS = 24

COLUMNS = ("units", "feasible", "gap", "cost", "bound_source", "solve_s", "peak_mb")


def drawn_study(units: int, seed: int) -> Study:
    """Return a day of that many units at one bus."""
    rng = np.random.default_rng(seed)
    names = list(KINDS)
    drawn = rng.choice(names, units, p=[KINDS[name].share for name in names])
    rows = [_drawn_unit(rng, number, str(kind)) for number, kind in enumerate(drawn)]
    thermal, _, issues = thermal_units(pd.DataFrame(rows), None, typical=True, horizon_h=HOURS)
    if issues:
        raise ValueError(f"drawn units contradict themselves: {issues[:3]}")
    hour = np.arange(HOURS)
    shape = (
        0.8 + 0.13 * np.sin((hour - 9.0) * np.pi / 12.0) + 0.07 * np.sin((hour - 4.0) * np.pi / 6)
    )
    demand = PEAK * float(thermal.p_max_mw.sum()) * shape / shape.max()
    return Study(
        name=f"{units} units",
        grid=Grid.single_bus(),
        time=pd.RangeIndex(HOURS),
        period_h=1.0,
        demand_mw=demand[np.newaxis],
        thermal=thermal,
        renewables=Renewables.none(HOURS),
        storage=Storage.none(),
        exchange=Exchange.none(HOURS),
        reserves=Reserves.spinning(RESERVE * demand),
    )


def _drawn_unit(rng: np.random.Generator, number: int, kind: str) -> dict[str, object]:
    drawn = KINDS[kind]
    high = float(np.exp(rng.uniform(*np.log(drawn.p_max_mw))))
    low = high * rng.uniform(*drawn.p_min_share)
    power = np.linspace(low, high, 4)
    slopes = rng.uniform(*drawn.cost_per_mwh) * np.array([0.96, 1.0, 1.05])
    first = high * rng.uniform(*drawn.standing_cost_per_mw_h) + low * slopes[0]
    is_on = bool(rng.random() < (0.9 if kind in {"coal", "nuclear", "gas cc"} else 0.1))
    return {
        "element": "gen",
        "index": number,
        "name": f"{kind} {number}",
        "bus": 0,
        "technology": kind,
        "p_min_mw": low,
        "p_max_mw": high,
        "initial_power_mw": low if is_on else 0.0,
        "cost_power_mw": tuple(power),
        "cost_per_h": tuple(first + np.concatenate([[0.0], np.cumsum(np.diff(power) * slopes)])),
    }


def run_size(units: int, sampler: str, gap: float, seconds: float, seed: int) -> dict[str, object]:
    """Solve a day of that many units and return its row of the table."""
    run = gridopt.solve(
        drawn_study(units, seed),
        solver="decomposition",
        sampler=sampler,
        gap=gap,
        time_limit_s=seconds,
        seed=seed,
    )
    return {
        "units": units,
        "feasible": run.is_feasible,
        "gap": 100.0 * run.gap,
        "cost": run.cost,
        "bound_source": run.solution.bound_source,
        "solve_s": run.solve_s,
        "peak_mb": own_peak_mb(),
    }


def plotted(rows: Sequence[dict[str, object]], path: Path) -> None:
    """Draw time and memory against size, both scales logarithmic."""
    frame = pd.DataFrame(rows)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, column, label in zip(
        axes, ("solve_s", "peak_mb"), ("time in s", "peak memory in MB"), strict=True
    ):
        axis.loglog(frame["units"], frame[column], "o-")
        axis.set_xlabel(f"units, {HOURS} h")
        axis.set_ylabel(label)
        axis.grid(visible=True, which="both", alpha=0.3)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table and draw the plot."""
    parser = argparse.ArgumentParser(description="How the decomposition grows with size.")
    parser.add_argument("--units", type=int, nargs="+", default=[100, 300, 1000, 3000, 10_000])
    parser.add_argument("--sampler", default="neal")
    parser.add_argument("--gap", type=float, default=0.005)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("scaling.png"))
    given = parser.parse_args(words)
    rows = []
    table = Table(*COLUMNS)
    for units in given.units:
        # a process for each: its peak is its own, and nothing is warm from the last
        with get_context("spawn").Pool(1) as pool:
            task = (units, given.sampler, given.gap, given.seconds, given.seed)
            rows.append(pool.apply(run_size, task))
        row = rows[-1]
        table.add_row(*(_figure(row[name]) for name in COLUMNS))
    Console(width=140).print(table)
    plotted(rows, given.out)


def _figure(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e6 else f"{value}"


if __name__ == "__main__":
    main()
