"""The program against an oracle that shares nothing with it: every commitment, one LP each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

import gridopt
from gridopt.elements import Exchange, Renewables, Storage, ThermalUnits
from gridopt.errors import OptionError, StudyError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.grid import Grid
from gridopt.requirements import Reserves
from gridopt.results import Schedule
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study
from gridopt.verification import startup_cost

MakeStudy = Callable[..., Study]
COMMITMENT_RULES = {"min_up_time", "min_down_time", "must_run"}


def schedule_of(study: Study, on: np.ndarray) -> Schedule:
    """Return a schedule of which only the commitment counts."""

    def zeros(rows: int) -> np.ndarray:
        return np.zeros((rows, study.n_periods))

    G, S, B = len(on), len(study.storage), study.grid.n_buses
    return Schedule(
        study=study,
        network="copperplate",
        committed=on,
        power_mw=zeros(G),
        reserve_mw=np.zeros((len(study.reserves), G, study.n_periods)),
        renewable_mw=zeros(len(study.renewables)),
        charge_mw=zeros(S),
        discharge_mw=zeros(S),
        soc_mwh=zeros(S),
        import_mw=zeros(len(study.exchange)),
        unserved_mw=zeros(B),
        surplus_mw=zeros(B),
    )


class Dispatch:
    """Output, reserve and cost of each unit and period of a commitment, as rows of an LP.

    Convex costs are chords through many points, so that the cost is above the true one by less
    than `quadratic · (range / pieces)² / 4` an hour.
    """

    def __init__(self, study: Study, on: np.ndarray, pieces: int = 60) -> None:
        self.study, self.on, self.pieces = study, on, pieces
        self.G: int = on.shape[0]
        self.T: int = on.shape[1]
        self.n = 3 * self.G * self.T
        self.bounds: list[tuple[float, float | None]] = [(0.0, None)] * self.n
        self.A: list[np.ndarray] = []
        self.b: list[float] = []
        for g, t in product(range(self.G), range(self.T)):
            self.limits(g, t)
            self.ramps(g, t)
        for t in range(self.T):
            required = study.reserves.total_required_mw()[t]
            self.row({self.r(g, t): -1.0 for g in range(self.G)}, -required)

    def p(self, g: int, t: int) -> int:
        return g * self.T + t

    def r(self, g: int, t: int) -> int:
        return int(self.p(g, t) + self.G * self.T)

    def y(self, g: int, t: int) -> int:
        return int(self.p(g, t) + 2 * self.G * self.T)

    def row(self, entries: dict[int, float], side: float) -> None:
        line = np.zeros(self.n)
        line[list(entries)] = list(entries.values())
        self.A.append(line)
        self.b.append(side)

    def limits(self, g: int, t: int) -> None:
        units, p, r, y = self.study.thermal, self.p(g, t), self.r(g, t), self.y(g, t)
        if not self.on[g, t]:
            self.bounds[p] = self.bounds[r] = self.bounds[y] = (0.0, 0.0)
            return
        low, high = units.p_min_mw[g], units.p_max_mw[g]
        self.bounds[p] = (low, high)
        self.row({p: 1.0, r: 1.0}, high)
        points = np.linspace(low, high, self.pieces + 1)
        cost = units.cost[g].cost(points)
        for a, f, slope in zip(points, cost, np.diff(cost) / np.diff(points), strict=False):
            self.row({p: slope, y: -1.0}, slope * a - f)
        before = self.on[g, t - 1] if t else units.initial_on[g]
        if not before:
            self.row({p: 1.0, r: 1.0}, units.startup_ramp_mw[g])
        if t + 1 < self.T and not self.on[g, t + 1]:
            self.row({p: 1.0, r: 1.0}, units.shutdown_ramp_mw[g])

    def ramps(self, g: int, t: int) -> None:
        """Ramps count from the minimum output, of this period and of the last."""
        units, p, r = self.study.thermal, self.p(g, t), self.r(g, t)
        up = units.ramp_up_mw_per_h[g] * self.study.period_h
        down = units.ramp_down_mw_per_h[g] * self.study.period_h
        low = units.p_min_mw[g] * self.on[g, t]
        if t:
            last, low_last = self.p(g, t - 1), units.p_min_mw[g] * self.on[g, t - 1]
            self.row({p: 1.0, r: 1.0, last: -1.0}, up + low - low_last)
            self.row({p: -1.0, last: 1.0}, down + low_last - low)
        else:
            above = units.initial_power_mw[g] - units.p_min_mw[g] if units.initial_on[g] else 0.0
            self.row({p: 1.0, r: 1.0}, up + low + above)
            self.row({p: -1.0}, down - low - above)

    def least_cost(self) -> float:
        units = self.study.thermal
        stopping = units.initial_on & ~self.on[:, 0]
        if (stopping & (units.initial_power_mw > units.shutdown_ramp_mw)).any():
            return np.inf
        balance = np.zeros((self.T, self.n))
        for g, t in product(range(self.G), range(self.T)):
            balance[t, self.p(g, t)] = 1.0
        c = np.repeat([0.0, 0.0, 1.0], self.G * self.T)
        demand = self.study.total_demand_mw
        found = linprog(c, np.array(self.A), np.array(self.b), balance, demand, self.bounds)
        if found.status != 0 or found.fun is None:
            return np.inf
        return self.study.period_h * float(found.fun)


def least_cost(study: Study) -> float:
    """Return the least cost over all commitments."""
    G, T = len(study.thermal), study.n_periods
    best = np.inf
    for bits in product((False, True), repeat=G * T):
        on = np.array(bits).reshape(G, T)
        schedule = schedule_of(study, on)
        broken = {v.rule for v in gridopt.verify(study, schedule).violations}
        if broken & COMMITMENT_RULES:
            continue
        best = min(best, startup_cost(schedule) + Dispatch(study, on).least_cost())
    return best


CASES: dict[str, dict[str, object]] = {
    "plain": {},
    "reserve": {"reserves": Reserves.spinning(np.array([10.0, 20.0, 15.0, 5.0]))},
    "half hours": {"period_h": 0.5},
    "valley": {"demand_mw": (60.0, 30.0, 20.0, 75.0)},
    "must run": {"units": {"must_run": np.array([False, True])}},
    "both off": {
        "demand_mw": (15.0, 50.0, 95.0, 130.0),
        "units": {
            "initial_status_h": np.array([-1.0, -1.0]),
            "initial_power_mw": np.array([0.0, 0.0]),
        },
    },
    "held on": {
        "units": {
            "initial_status_h": np.array([1.0, -9.0]),
            "initial_power_mw": np.array([50.0, 0.0]),
        }
    },
    "tight stops": {
        "demand_mw": (70.0, 60.0, 30.0, 10.0),
        "units": {
            "min_up_time_h": np.array([1.0, 1.0]),
            "startup_ramp_mw": np.array([45.0, 30.0]),
            "shutdown_ramp_mw": np.array([50.0, 20.0]),
        },
    },
}


@pytest.mark.parametrize("name", CASES)
def test_optimum_is_the_enumerated_one(
    name: str, make_study: MakeStudy, make_units: Callable[..., ThermalUnits]
) -> None:
    changes = dict(CASES[name])
    thermal = make_units(**changes.pop("units", {}))  # type: ignore[arg-type]
    study = make_study(thermal=thermal, **changes)
    expected = least_cost(study)
    run = gridopt.solve(study, "unit_commitment", "highs", gap=1e-9)
    if np.isinf(expected):
        assert run.termination == "infeasible"
        assert not run.is_feasible
    else:
        # chords lie above the quadratic cost by at most 0.1 · (50 / 60)² / 4 an hour
        assert run.is_feasible
        assert expected - 0.1 <= run.cost <= expected + 1e-6
        assert run.bound <= run.cost + 1e-6


def test_most_cases_have_an_answer(
    make_study: MakeStudy, make_units: Callable[..., ThermalUnits]
) -> None:
    feasible = []
    for changes in CASES.values():
        given = dict(changes)
        thermal = make_units(**given.pop("units", {}))  # type: ignore[arg-type]
        feasible.append(gridopt.solve(make_study(thermal=thermal, **given)).is_feasible)
    assert sum(feasible) >= 6


def test_startup_cost_follows_the_time_off(make_study: MakeStudy) -> None:
    study = make_study(demand_mw=(60.0, 20.0, 20.0, 90.0, 90.0))
    run = gridopt.solve(study, gap=1e-9)
    assert run.verification is not None
    assert run.verification.cost["startup"] == pytest.approx(100.0 + 300.0)


def test_kazarlis_optimum_is_the_published_one() -> None:
    run = gridopt.solve(gridopt.kazarlis(), "unit_commitment", "highs", gap=1e-5)
    assert run.termination == "optimal"
    assert run.cost == pytest.approx(563_937.7, abs=0.5)
    assert run.bound >= 563_937.7 * (1 - 1e-5)
    assert run.bound <= run.cost


def test_a_line_limit_moves_power(
    make_study: MakeStudy,
    make_units: Callable[..., ThermalUnits],
    make_triangle: Callable[..., Grid],
) -> None:
    thermal = make_units(bus=np.array([0, 1]))
    free = make_study(grid=make_triangle(), thermal=thermal)
    tight = make_study(grid=make_triangle(20.0), thermal=thermal)
    before = gridopt.solve(free, network="dc", gap=1e-9)
    after = gridopt.solve(tight, network="dc", gap=1e-9)
    ignored = gridopt.solve(tight, network="copperplate", gap=1e-9)
    assert before.cost == pytest.approx(ignored.cost)
    assert after.cost > before.cost
    assert after.is_feasible
    assert after.schedule is not None
    assert np.abs(after.schedule.flow_mw()[0]).max() <= 20.0 + 1e-6
    assert ignored.schedule is not None
    overloaded = gridopt.verify(tight, replace(ignored.schedule, network="dc"))
    assert set(overloaded.counts()) == {"branch_limit"}


def test_renewables_storage_exchange_and_slacks_are_priced(make_study: MakeStudy) -> None:
    T = 4
    study = make_study(
        demand_mw=(70.0, 230.0, 60.0, 45.0),
        renewables=Renewables(
            (("sgen", 1),), ("wind",), np.array([0]), np.zeros((1, T)), np.full((1, T), 15.0),
            np.array([1.0]),
        ),
        storage=Storage(
            (("storage", 0),), ("battery",), np.array([0]), np.array([10.0]), np.array([10.0]),
            np.array([0.0]), np.array([20.0]), np.array([5.0]), np.array([0.9]), np.array([0.9]),
        ),
        exchange=Exchange(
            (("ext_grid", 0),), ("market",), np.array([0]), np.array([5.0]), np.array([5.0]),
            np.full((1, T), 25.0), np.full((1, T), 0.5),
        ),
        unserved_cost_per_mwh=1000.0,
        surplus_cost_per_mwh=10.0,
    )  # fmt: skip
    run = gridopt.solve(study, gap=1e-9)
    assert run.is_feasible
    assert run.verification is not None
    assert run.verification.energy_mwh["unserved"] > 0
    assert run.verification.cost["exchange"] != 0
    assert run.verification.cost["renewable"] > 0
    assert run.solution.objective == pytest.approx(run.cost)


def test_infeasible_is_said(make_study: MakeStudy) -> None:
    run = gridopt.solve(make_study(demand_mw=(70.0, 158.0, 60.0, 45.0)))
    assert run.termination == "infeasible"
    assert run.schedule is None
    assert run.cost == np.inf


def test_bad_choices(make_study: MakeStudy) -> None:
    with pytest.raises(OptionError, match="copperplate or dc"):
        UnitCommitment(network="ac")  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="no branches"):
        gridopt.solve(make_study(), network="dc")


def test_program_reads_like_the_model(make_study: MakeStudy) -> None:
    program = UnitCommitment().build(make_study())
    assert list(program.variables)[:4] == ["on", "start", "stop", "above_min_mw"]
    assert program.column_label(int(program.columns("start")[1, 2])) == "start[1, 2]"
    relaxed = HiGHS().solve(program.relaxed())
    assert relaxed.objective <= HiGHS().solve(program).objective
