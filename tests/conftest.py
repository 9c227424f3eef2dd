"""Small studies and programs that many tests share."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gridopt.arrays import FloatArray
from gridopt.bench.columns import COLUMNS
from gridopt.bench.runner import Local, run_suite
from gridopt.bench.spec import read_suite
from gridopt.bench.store import Store
from gridopt.decomposition.parts import Parts
from gridopt.elements import CostCurve, Exchange, Renewables, StartupCost, Storage, ThermalUnits
from gridopt.errors import NotInstalledError
from gridopt.grid import Grid
from gridopt.program import Program
from gridopt.registry import solver_class, solver_names
from gridopt.sites import BatteryModules
from gridopt.solution import Termination
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

StudyFactory = Callable[..., Study]

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # a background job of a shell ignores Ctrl-C, and so would all that the tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is parametrized with a solver whose package is not installed, and say which.

    Notebooks come first: at the end all other processes would wait for the longest of them.
    """
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")
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


def tree_net(scale: float = 1.0) -> Any:
    """Return a tree of five buses at 20 kV, fed at the first, and a sixth bus out of service.

    Bus 1 has no load; 2 and 3 follow it, 4 follows 3.
    """
    import pandapower as pp  # seconds

    net = pp.create_empty_network(name="tree")
    for name in ("source", "fork", "north", "south", "end"):
        pp.create_bus(net, 20.0, name=name, min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_bus(net, 20.0, name="dead", in_service=False)
    for ends in ((0, 1), (1, 2), (3, 1), (3, 4)):  # one of them the other way round
        pp.create_line_from_parameters(net, *ends, 3.0, 0.4, 0.35, 0.0, 0.3)
    pp.create_ext_grid(net, 0, vm_pu=1.0, min_p_mw=0.0, max_p_mw=50.0)
    for bus, p_mw in ((2, 2.0), (3, 1.0), (4, 3.0)):
        pp.create_load(net, bus, p_mw=scale * p_mw, q_mvar=scale * 0.3 * p_mw)
    pp.create_poly_cost(net, 0, "ext_grid", cp1_eur_per_mw=20.0)
    return net


@pytest.fixture(scope="session")
def make_tree_net() -> Callable[..., Any]:
    """Return `tree_net`."""
    return tree_net


@pytest.fixture(scope="session")
def make_tree() -> StudyFactory:
    """Return a function that makes the study of `tree_net`: energy is bought at hourly prices."""

    def make(
        share: Sequence[float] = (0.5, 0.4, 1.0, 0.7),
        price: Sequence[float] = (30.0, 20.0, 90.0, 60.0),
        slope: float = 0.0,
        scale: float = 1.0,
        **changes: object,
    ) -> Study:
        from gridopt.io.pandapower_net import read_pandapower

        profile = pd.DataFrame({"period": range(len(share)), "system": share})
        study = read_pandapower(tree_net(scale), profiles=profile)
        market = Exchange(
            element=study.thermal.element,
            name=study.thermal.name,
            bus=study.thermal.bus,
            import_max_mw=np.array([50.0]),
            export_max_mw=np.array([0.0]),
            price_per_mwh=np.array([price]),
            slope_per_mw2h=np.full((1, len(price)), slope),
        )
        nobody = study.thermal.picked(np.zeros(0, dtype=np.int64))
        fixed = np.zeros((0, len(share)), dtype=np.int64)
        traded = replace(study, thermal=nobody, fixed_status=fixed, exchange=market)
        return replace(traded, **changes)  # type: ignore[arg-type]

    return make


def battery_modules(*names: str, **changes: object) -> BatteryModules:
    """Return kinds of battery, of "small" and "large" those named, any array replaced."""
    chosen = [("small", "large").index(name) for name in names or ("small", "large")]
    data = {
        "power_mw": [0.5, 1.0],
        "energy_mwh": [1.0, 2.0],
        "charge_efficiency": [0.95, 0.9],
        "discharge_efficiency": [0.9, 0.95],
        "depth_of_discharge": [1.0, 0.8],
        "investment_cost": [100.0, 180.0],
        "annual_cost": [8760.0, 1.5 * 8760.0],  # 1 and 1.5 an hour
        "degradation_cost_per_mwh": [1.0, 2.0],
    }
    parts = {name: np.array(values)[chosen] for name, values in data.items()}
    return BatteryModules(**{"name": names or ("small", "large"), **parts, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_modules() -> Callable[..., BatteryModules]:
    """Return `battery_modules`."""
    return battery_modules


RUN_ROW: dict[str, Any] = {
    "suite": "made",
    "case_name": "case",
    "fingerprint": "f",
    "units": 10,
    "distinct_units": 10,
    "periods": 24,
    "formulation": "unit_commitment",
    "formulation_name": "unit_commitment",
    "formulation_options": "{}",
    "solver_options": "{}",
    "peer": False,
    "seed": 0,
    "time_limit_s": 60.0,
    "status": "done",
    "termination": "time_limit",
    "feasible": True,
    "cost": 100.0,
    "claimed_feasible": True,
    "violations": "{}",
    "stages_s": "{}",
    "trace": "[]",
    "host": "here",
    "build_s": 0.0,
    "solve_s": 10.0,
}
"""What a made-up run of a benchmark is unless said otherwise."""


@pytest.fixture(scope="session")
def make_frame() -> Callable[..., pd.DataFrame]:
    """Return a function that makes a frame of made-up runs, one for each mapping of changes.

    A solver's public name is its label unless given.
    """

    def make(*rows: Mapping[str, Any]) -> pd.DataFrame:
        names = [column.name for column in COLUMNS]
        made = [
            {
                **dict.fromkeys(names),
                **RUN_ROW,
                "run_key": f"run {number}",
                "solver_name": row["solver"],
                **row,
            }
            for number, row in enumerate(rows)
        ]
        return pd.DataFrame(made)[names]

    return make


BROWSER = "chromium"
FLAGS = ["--no-sandbox", "--disable-gpu"]


@dataclass(frozen=True)
class Opened:
    """A page in a real browser without a network, and what it did that no page should do.

    `page` is Playwright's; `told` grows: errors, dialogs and requests other than for the file.
    """

    page: Any
    told: list[str]

    def faults(self) -> list[str]:
        """Return what was told, what axe-core finds, and by how much the page scrolls sideways."""
        from axe_playwright_python.sync_playwright import Axe  # optional

        found = Axe().run(self.page).response["violations"]
        rules = [f"axe: {it['id']}: {it['nodes'][0]['html'][:200]}" for it in found]
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return [*self.told, *rules, *([f"{wide} px too wide"] if wide > 0 else [])]


OpenPage = Callable[..., Opened]


@pytest.fixture(scope="module")  # no longer: its event loop would be in the way of others
def browser() -> Iterator[Any]:
    """Yield a browser; skip where there is none."""
    program = shutil.which(BROWSER)
    if program is None:
        pytest.skip(f"{BROWSER} is not installed")
    driver = pytest.importorskip("playwright.sync_api").sync_playwright()
    with driver as started:
        opened = started.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[OpenPage]:
    """Return a function that opens a file: ``open_page(path, width_px=360, scheme="dark")``."""
    contexts: list[Any] = []

    def opened(path: Path, width_px: int = 1280, scheme: str = "light") -> Opened:
        view = {"width": width_px, "height": 900}
        context = browser.new_context(offline=True, viewport=view, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        told: list[str] = []
        _listen(page, path.resolve().as_uri(), told)
        page.goto(path.resolve().as_uri())
        return Opened(page, told)

    yield opened
    for context in contexts:
        context.close()


def _listen(page: Any, address: str, told: list[str]) -> None:
    """Note what a page does."""

    def request(sent: Any) -> None:
        if sent.url.split("#")[0] != address and not sent.url.startswith("data:"):
            told.append(f"request: {sent.url[:200]}")

    def dialog(shown: Any) -> None:
        told.append(f"dialog: {shown.message}")
        shown.dismiss()

    def console(line: Any) -> None:
        if line.type in ("error", "warning"):
            told.append(f"{line.type}: {line.text}")

    page.on("request", request)
    page.on("dialog", dialog)
    page.on("console", console)
    page.on("pageerror", lambda fault: told.append(f"error: {fault}"))


BENCHMARK = """
name = "small"
time_limit_s = 30
seeds = [0, 1]
[[cases]]
source = "kazarlis10"
hours = 2
[[formulations]]
name = "unit_commitment"
[[solvers]]
name = "highs"
seeds = [0]
[[solvers]]
name = "neal"
form = "compact"
reads = 20
[[solvers]]
name = "tabu"
form = "compact"
reads = 10
restarts = 1
[[solvers]]
name = "exact"
seeds = [0]
"""
"""Six runs; the last one is refused, because it has too many bits."""


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("spec") / "small.toml"
    path.write_text(BENCHMARK, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def undisturbed(spec: str, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return the rows of the specification as one run without trouble gives them."""
    path = tmp_path_factory.mktemp("undisturbed") / "a.duckdb"
    with Store.open(path, create=True) as store:
        run_suite(list(read_suite(spec).tasks()), spec, store, Local(2))
        return store.frame()


def alone(parts: Parts, agent: int, costs: FloatArray) -> Program:
    """Return the problem of one agent at linear costs, (n,), as a program of its own."""
    program = parts.program
    columns = np.flatnonzero(parts.agents.owner == agent)
    part = program.A[:, columns]
    rows = np.setdiff1d(np.flatnonzero(np.diff(part.indptr)), parts.ties)
    return Program(
        Q=sparse.csr_array(program.Q[columns][:, columns]),
        c=costs[columns],
        c0=0.0,
        A=sparse.csr_array(part[rows]),
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
        lower=program.lower[columns],
        upper=program.upper[columns],
        integrality=program.integrality[columns],
        variables={},
        rows={},
    )


def least_by_highs(parts: Parts, agent: int, costs: FloatArray) -> float:
    """Return what an agent costs at least by its own rows, inf where it can do nothing."""
    found = HiGHS(gap=1e-8).solve(alone(parts, agent, costs))
    if found.termination is Termination.INFEASIBLE:
        return np.inf
    assert found.is_feasible
    return found.objective


@pytest.fixture(scope="session")
def exact_least() -> Callable[[Parts, int, FloatArray], float]:
    """Return `least_by_highs`."""
    return least_by_highs


@pytest.fixture(scope="session")
def with_bounds() -> Callable[[Parts, int, float, float], Parts]:
    """Return a function that narrows the bounds of one column."""

    def narrowed(parts: Parts, column: int, low: float, high: float) -> Parts:
        lower, upper = parts.program.lower.copy(), parts.program.upper.copy()
        lower[column], upper[column] = max(low, lower[column]), min(high, upper[column])
        return replace(parts, program=replace(parts.program, lower=lower, upper=upper))

    return narrowed
