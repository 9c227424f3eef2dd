"""Small studies and programs that many tests share."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

from gridopt.elements import CostCurve, Exchange, Renewables, StartupCost, Storage, ThermalUnits
from gridopt.errors import NotInstalledError
from gridopt.grid import Grid
from gridopt.registry import solver_class, solver_names
from gridopt.study import Study

StudyFactory = Callable[..., Study]

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # a background job of a shell ignores Ctrl-C, and so would all that the tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is parametrized with a solver whose package is not installed, and say which."""
    for item in items:
        name = getattr(item, "callspec", None) and item.callspec.params.get("solver")  # type: ignore[attr-defined]
        reason = _missing(name) if name in solver_names() else ""
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@cache
def _missing(solver: str) -> str:
    try:
        solver_class(solver)
    except NotInstalledError as fault:
        return str(fault)
    return ""


def triangle(rating_mw: float = np.inf) -> Grid:
    """Three buses, three equal lines; the line from bus 0 to bus 1 has the rating."""
    return Grid(
        bus_name=("bus 0", "bus 1", "bus 2"),
        from_bus=np.array([0, 1, 0]),
        to_bus=np.array([1, 2, 2]),
        branch_element=(("line", 0), ("line", 1), ("line", 2)),
        branch_name=("line 0", "line 1", "line 2"),
        susceptance_mw=np.full(3, 1000.0),
        shift_rad=np.zeros(3),
        rating_mw=np.array([rating_mw, np.inf, np.inf]),
        shunt_mw=np.zeros(3),
    )


def units(**changes: object) -> ThermalUnits:
    """Two units: a large slow one and a small dear one, on and off before."""
    data: dict[str, object] = {
        "element": (("gen", 0), ("sgen", 0)),
        "name": ("base", "peak"),
        "bus": np.array([0, 0]),
        "p_min_mw": np.array([40.0, 10.0]),
        "p_max_mw": np.array([100.0, 60.0]),
        "ramp_up_mw_per_h": np.array([30.0, 40.0]),
        "ramp_down_mw_per_h": np.array([30.0, 40.0]),
        "startup_ramp_mw": np.array([60.0, 50.0]),
        "shutdown_ramp_mw": np.array([60.0, 50.0]),
        "min_up_time_h": np.array([3.0, 1.0]),
        "min_down_time_h": np.array([2.0, 1.0]),
        "initial_status_h": np.array([5.0, -2.0]),
        "initial_power_mw": np.array([60.0, 0.0]),
        "must_run": np.array([False, False]),
        "cost": (
            CostCurve((40.0, 70.0, 100.0), (900.0, 1350.0, 1950.0)),
            CostCurve((10.0, 60.0), (500.0, 2250.0), 0.1),
        ),
        "startup_cost": (
            StartupCost((2.0, 4.0), (300.0, 800.0)),
            StartupCost((0.0,), (100.0,)),
        ),
    }
    return ThermalUnits(**{**data, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_study() -> StudyFactory:
    """Return a function that makes a two-unit study, any part of it replaced."""

    def make(demand_mw: object = (70.0, 110.0, 60.0, 45.0), **changes: object) -> Study:
        demand = np.atleast_2d(np.asarray(demand_mw, dtype=float))
        T = demand.shape[1]
        grid = changes.pop("grid", Grid.single_bus())
        assert isinstance(grid, Grid)
        if len(demand) != grid.n_buses:
            demand = np.vstack([np.zeros((grid.n_buses - 1, T)), demand])
        parts: dict[str, object] = {
            "name": "two units",
            "grid": grid,
            "time": pd.RangeIndex(T),
            "period_h": 1.0,
            "demand_mw": demand,
            "thermal": changes.pop("thermal", None) or units(),
            "renewables": Renewables.none(T),
            "storage": Storage.none(),
            "exchange": Exchange.none(T),
        }
        return Study(**{**parts, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def make_units() -> Callable[..., ThermalUnits]:
    """Return `units`."""
    return units


@pytest.fixture(scope="session")
def make_triangle() -> Callable[..., Grid]:
    """Return `triangle`."""
    return triangle
