"""One run of each kind whose names try to be more than text."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridopt.io.net_grid import read_grid
from gridopt.outputs import REPORT, write_run, write_simulation
from gridopt.pages.repeating import Origin
from gridopt.placement_outputs import write_placing
from gridopt.placing import Placing, place
from gridopt.requirements import Reserves
from gridopt.running import Run, solve
from gridopt.simulation import Simulation, simulate
from gridopt.siting import with_sites
from gridopt.study import Scenario, Study

SCRIPT = "<script>alert(1)</script>"
IMAGE = "\"'><img src=x onerror=alert(2)>"
MATH = r"$\frac{$ & </svg><svg onload=alert(3)>"

StudyFactory = Callable[..., Study]


@pytest.fixture(scope="session")
def hostile_names() -> tuple[str, ...]:
    return SCRIPT, IMAGE, MATH


@pytest.fixture(scope="session")
def hostile_study(
    make_study: StudyFactory, make_units: Callable[..., Any], make_triangle: Callable[..., Any]
) -> Study:
    grid = replace(
        make_triangle(80.0), bus_name=(SCRIPT, IMAGE, MATH), branch_name=(MATH, SCRIPT, IMAGE)
    )
    return make_study(
        name=f"{SCRIPT}{MATH}",
        grid=grid,
        thermal=make_units(name=(SCRIPT, MATH)),
        reserves=Reserves.spinning(np.full(4, 5.0)),
        assumptions=(IMAGE,),
    )


@pytest.fixture(scope="session")
def hostile_run(hostile_study: Study) -> Run:
    return solve(hostile_study, network="dc")


@pytest.fixture(scope="session")
def scenario_run(hostile_study: Study) -> Run:
    none = np.zeros((0, 4))
    scenarios = tuple(
        Scenario(name, 0.5, factor * hostile_study.demand_mw, none, none)
        for name, factor in ((IMAGE, 0.9), (SCRIPT, 1.05))
    )
    return solve(replace(hostile_study, scenarios=scenarios), gap=1e-3)


@pytest.fixture(scope="session")
def no_plan(hostile_study: Study) -> Run:
    return solve(replace(hostile_study, reserves=Reserves.spinning(np.full(4, 1000.0))))


@pytest.fixture(scope="session")
def broken_run(hostile_study: Study) -> Run:
    study = replace(hostile_study, reserves=Reserves.spinning(np.full(4, 1000.0)))
    return solve(study, solver="neal", reads=2, sweeps=10)


@pytest.fixture(scope="session")
def hostile_simulation(make_study: StudyFactory, make_units: Callable[..., Any]) -> Simulation:
    study = make_study(
        [70.0, 110.0, 60.0, 45.0] * 2,
        name=SCRIPT,
        period_h=6.0,
        thermal=make_units(name=(IMAGE, MATH)),
    )
    return simulate(study, look_ahead_h=6, gap=0.0)


@pytest.fixture(scope="session")
def hostile_placing(make_tree: StudyFactory, make_modules: Callable[..., Any]) -> Placing:
    study = make_tree(name=SCRIPT)
    study.net.bus.loc[:2, "name"] = [SCRIPT, IMAGE, MATH]
    names = read_grid(copy.deepcopy(study.net), []).grid.bus_name
    study = replace(study, grid=replace(study.grid, bus_name=names))
    kinds = make_modules("small", name=(IMAGE,))
    return place(with_sites(study, modules=kinds, count=2), gap=1e-3)


@pytest.fixture(scope="session")
def report(
    tmp_path_factory: pytest.TempPathFactory,
    hostile_run: Run,
    scenario_run: Run,
    no_plan: Run,
    broken_run: Run,
    hostile_simulation: Simulation,
    hostile_placing: Placing,
) -> Callable[[str], Path]:
    """Return a function that gives the file of the page of a kind."""
    folder = tmp_path_factory.mktemp("reports")
    origin = Origin(f"gridopt solve '{SCRIPT}'", f'study = gridopt.load_case("{IMAGE}")')
    runs = {
        "run": hostile_run,
        "scenarios": scenario_run,
        "no plan": no_plan,
        "broken": broken_run,
    }
    for kind, run in runs.items():
        write_run(run, folder / kind, origin=origin)
    write_simulation(hostile_simulation, folder / "simulation", origin=origin)
    write_placing(hostile_placing, folder / "placing", origin=origin)
    return lambda kind: folder / kind / REPORT
