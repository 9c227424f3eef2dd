"""Programs against an oracle that shares nothing with them: every commitment, one LP each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

import gridopt
from gridopt.arrays import BoolArray, FloatArray
from gridopt.elements import CostCurve, FlexibleDemand, Renewables, Storage, ThermalUnits
from gridopt.grid import Grid
from gridopt.requirements import (
    NONSPINNING,
    REGULATION_DOWN,
    REGULATION_UP,
    SPINNING,
    EnergyLimits,
    Reserves,
)
from gridopt.study import FIXED_ON, FORCED_OUT, FREE, Scenario, Study

MakeStudy = Callable[..., Study]

PIECES = 60
"""Chords of a quadratic cost; they lie above it by at most quadratic · (range / pieces)² / 4."""

Entries = dict[int, float]


class LinearProgram:
    """A linear program, written one variable and one row at a time."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.bounds: list[tuple[float, float]] = []
        self.inequalities: list[tuple[Entries, float]] = []
        self.equalities: list[tuple[Entries, float]] = []
        self.constant = 0.0

    def variable(self, low: float, high: float, cost: float = 0.0) -> int:
        self.cost.append(cost)
        self.bounds.append((low, high))
        return len(self.cost) - 1

    def at_most(self, entries: Entries, side: float) -> None:
        if np.isfinite(side):
            self.inequalities.append((entries, side))

    def equal(self, entries: Entries, side: float) -> None:
        self.equalities.append((entries, side))

    def minimum(self) -> float:
        """Return the least cost, inf where nothing is feasible."""
        if any(low > high for low, high in self.bounds):
            return np.inf
        (A, b), (E, e) = (self._matrix(rows) for rows in (self.inequalities, self.equalities))
        found = linprog(self.cost, A, b, E, e, self.bounds)
        if found.status != 0 or found.fun is None:
            return np.inf
        return float(found.fun) + self.constant

    def _matrix(self, rows: list[tuple[Entries, float]]) -> tuple[FloatArray, FloatArray]:
        matrix = np.zeros((len(rows), len(self.cost)))
        for line, (entries, _) in zip(matrix, rows, strict=True):
            line[list(entries)] = list(entries.values())
        return matrix, np.array([side for _, side in rows])


class Dispatch:
    """The best dispatch of a study for a given commitment and given charging hours."""

    def __init__(self, study: Study, on: BoolArray, charging: BoolArray) -> None:
        self.study, self.on, self.lp = study, on, LinearProgram()
        self.T = study.n_periods
        self.balance: list[Entries] = [{} for _ in range(self.T)]
        self.taken: list[Entries] = [{} for _ in study.energy_limits.name]
        self.reserve: dict[tuple[int, int, int], int] = {}
        self.power: dict[tuple[int, int], int] = {}
        for g, t in product(range(len(study.thermal)), range(self.T)):
            self.unit(g, t)
        for g, t in product(range(len(study.thermal)), range(self.T)):
            self.ramps(g, t)
        self.requirements()
        self.infeeds()
        for s in range(len(study.storage)):
            self.storage(s, charging[s])
        for d in range(len(study.flexible)):
            self.flexible(d)
        self.limits()
        for t in range(self.T):
            self.lp.equal(self.balance[t], study.total_demand_mw[t])

    def held(self, g: int, t: int, *kinds: str) -> Entries:
        products = enumerate(self.study.reserves.kind)
        return {self.reserve[p, g, t]: 1.0 for p, kind in products if kind in kinds}

    def was_on(self, g: int, t: int) -> bool:
        return bool(self.on[g, t - 1] if t else self.study.thermal.initial_on[g])

    def hours_off(self, g: int, t: int) -> float:
        """Return for how long the unit has been off before period t; 0 where it was on."""
        periods = 0
        while periods < t and not self.on[g, t - 1 - periods]:
            periods += 1
        before = max(-self.study.thermal.initial_status_h[g], 0.0) if periods == t else 0.0
        return float(periods * self.study.period_h + before)

    def unit(self, g: int, t: int) -> None:
        study, lp, h = self.study, self.lp, self.study.period_h
        units, on = study.thermal, self.on[g, t]
        low, high = units.p_min_mw[g], units.p_max_mw[g]
        p = self.power[g, t] = lp.variable(low, high) if on else lp.variable(0.0, 0.0)
        for k, (kind, offer) in enumerate(
            zip(study.reserves.kind, study.reserves.offer_max_mw[:, g], strict=True)
        ):
            allowed = not on if kind == NONSPINNING else on
            cost = h * study.reserves.offer_cost_per_mwh[k, g]
            self.reserve[k, g, t] = lp.variable(0.0, offer if allowed else 0.0, cost)
        self.balance[t][p] = 1.0
        self.counted(g, t)
        if not on:
            self.start_in_reserve(g, t)
            return
        both = {p: 1.0, **self.held(g, t, SPINNING, REGULATION_UP)}
        lp.at_most(both, high)
        if not self.was_on(g, t):
            lp.at_most(both, units.startup_ramp_mw[g])
        if t + 1 < self.T and not self.on[g, t + 1]:
            lp.at_most(both, units.shutdown_ramp_mw[g])
        lp.at_most({p: -1.0, **self.held(g, t, REGULATION_DOWN)}, -low)
        money = lp.variable(-np.inf, np.inf, h)
        for slope, side in chords(units.cost[g]):
            lp.at_most({p: slope, money: -1.0}, -side)

    def start_in_reserve(self, g: int, t: int) -> None:
        units, study = self.study.thermal, self.study
        ramped = units.p_min_mw[g] + units.ramp_up_mw_per_h[g] * study.period_h
        ready = self.hours_off(g, t) >= units.min_down_time_h[g]
        ready &= study.fixed_status[g, t] != FORCED_OUT
        reach = min(units.startup_ramp_mw[g], ramped, units.p_max_mw[g]) if ready else 0.0
        self.lp.at_most(self.held(g, t, NONSPINNING), reach)

    def counted(self, g: int, t: int) -> None:
        study = self.study
        for e, taken in enumerate(self.taken):
            taken[self.power[g, t]] = study.period_h * study.energy_limits.thermal_per_mwh[e, g]

    def ramps(self, g: int, t: int) -> None:
        """Ramps count from the minimum output, of this period and of the last."""
        units, h, lp = self.study.thermal, self.study.period_h, self.lp
        up, down = units.ramp_up_mw_per_h[g] * h, units.ramp_down_mw_per_h[g] * h
        low = units.p_min_mw[g] * self.on[g, t]
        more, less = self.held(g, t, SPINNING, REGULATION_UP), self.held(g, t, REGULATION_DOWN)
        p = self.power[g, t]
        if t:
            last, low_last = self.power[g, t - 1], units.p_min_mw[g] * self.on[g, t - 1]
            lp.at_most({p: 1.0, **more, last: -1.0}, up + low - low_last)
            lp.at_most({p: -1.0, **less, last: 1.0}, down + low_last - low)
        else:
            above = units.initial_power_mw[g] - units.p_min_mw[g] if units.initial_on[g] else 0.0
            lp.at_most({p: 1.0, **more}, up + low + above)
            lp.at_most({p: -1.0, **less}, down - low - above)

    def requirements(self) -> None:
        asked, bus = self.study.reserves, self.study.thermal.bus
        for k, t in product(range(len(asked.requirement)), range(self.T)):
            price = asked.shortage_cost_per_mwh[k]
            entries = {
                self.reserve[asked.of_product[k], g, t]: -1.0
                for g in range(len(bus))
                if asked.zone[k, bus[g]]
            }
            if np.isfinite(price):
                entries[self.lp.variable(0.0, np.inf, self.study.period_h * price)] = -1.0
            self.lp.at_most(entries, -asked.required_mw[k, t])

    def infeeds(self) -> None:
        study, h = self.study, self.study.period_h
        infeed = study.renewables
        for r, t in product(range(len(infeed)), range(self.T)):
            bounds = infeed.p_min_mw[r, t], infeed.p_max_mw[r, t]
            p = self.lp.variable(*bounds, h * infeed.cost_per_mwh[r])
            self.balance[t][p] = 1.0
            for e, taken in enumerate(self.taken):
                taken[p] = h * study.energy_limits.renewable_per_mwh[e, r]
        for t in range(self.T):
            if study.unserved_cost_per_mwh is not None:
                most = study.total_demand_mw[t]
                missing = self.lp.variable(0.0, most, h * study.unserved_cost_per_mwh)
                self.balance[t][missing] = 1.0

    def storage(self, s: int, charging: BoolArray) -> None:
        units, h, lp = self.study.storage, self.study.period_h, self.lp
        kept = (1.0 - units.loss_per_h[s]) ** h
        before: int | None = None
        for t in range(self.T):
            charge_max = units.charge_max_mw[s] if charging[t] else 0.0
            discharge_max = 0.0 if charging[t] else units.discharge_max_mw[s]
            charge = lp.variable(0.0, charge_max, h * units.charge_cost_per_mwh[s])
            discharge = lp.variable(0.0, discharge_max, h * units.discharge_cost_per_mwh[s])
            energy = lp.variable(units.energy_min_mwh[s], units.energy_max_mwh[s])
            entries = {
                energy: 1.0,
                charge: -h * units.charge_efficiency[s],
                discharge: h / units.discharge_efficiency[s],
            }
            if before is None:
                lp.equal(entries, kept * units.initial_soc_mwh[s])
            else:
                lp.equal({**entries, before: -kept}, 0.0)
            self.balance[t] |= {charge: -1.0, discharge: 1.0}
            before = energy
        assert before is not None
        lp.at_most({before: 1.0}, units.final_soc_max_mwh[s])
        lp.at_most({before: -1.0}, -units.final_soc_min_mwh[s])

    def flexible(self, d: int) -> None:
        demand, h = self.study.flexible, self.study.period_h
        left = []
        for t in range(self.T):
            most = demand.p_max_mw[d, t]
            left.append(
                self.lp.variable(0.0, most - demand.p_min_mw[d, t], h * demand.value_per_mwh[d])
            )
            taken = self.lp.variable(most, most)
            self.balance[t] |= {left[t]: 1.0, taken: -1.0}
        self.lp.at_most(dict.fromkeys(left, h), demand.interruption_max_mwh[d])

    def limits(self) -> None:
        limits, h = self.study.energy_limits, self.study.period_h
        for e, taken in enumerate(self.taken):
            standing = h * float(limits.thermal_per_h[e] @ self.on.sum(axis=1))
            self.lp.at_most(taken, limits.most[e] - standing)
            self.lp.at_most({j: -a for j, a in taken.items()}, standing - limits.least[e])


def chords(curve: CostCurve) -> Iterator[tuple[float, float]]:
    """Yield slope and intercept of every chord: the cost is their maximum."""
    points = np.asarray(curve.power_mw)
    if curve.quadratic:
        points = np.linspace(points[0], points[-1], PIECES + 1)
    cost = curve.cost(points)
    for a, f, slope in zip(points, cost, np.diff(cost) / np.diff(points), strict=False):
        yield float(slope), float(f - slope * a)


def is_allowed(study: Study, on: BoolArray) -> bool:
    """Return whether a commitment keeps minimum times, must-run, fixed hours, initial stops."""
    units = study.thermal
    if (units.must_run & ~on.all(axis=1)).any():
        return False
    if ((study.fixed_status == FORCED_OUT) & on).any():
        return False
    if ((study.fixed_status == FIXED_ON) & ~on).any():
        return False
    stopping = units.initial_on & ~on[:, 0]
    if (stopping & (units.initial_power_mw > units.shutdown_ramp_mw)).any():
        return False
    return all(
        hours >= (units.min_down_time_h if starts else units.min_up_time_h)[g] - 1e-9
        for g in range(len(units))
        for starts, hours in switches(study, g, on[g])
    )


def switches(study: Study, g: int, on: BoolArray) -> Iterator[tuple[bool, float]]:
    """Yield of every start and stop: whether it starts, and hours in the state before."""
    status = study.thermal.initial_status_h[g]
    now, hours = bool(status > 0), abs(float(status))
    for state in on:
        if state != now:
            yield bool(state), hours
            now, hours = bool(state), 0.0
        hours += study.period_h


def startup_cost(study: Study, on: BoolArray) -> float:
    """Return the cost of all starts."""
    return sum(
        study.thermal.startup_cost[g].at(hours)
        for g in range(len(study.thermal))
        for starts, hours in switches(study, g, on[g])
        if starts
    )


def patterns(rows: int, columns: int) -> Iterator[BoolArray]:
    """Yield every 0/1 array."""
    for bits in product((False, True), repeat=rows * columns):
        yield np.array(bits, dtype=np.bool_).reshape(rows, columns)


def dispatch_cost(study: Study, on: BoolArray) -> float:
    """Return the least cost of a commitment, starts apart, over all charging hours."""
    modes = patterns(len(study.storage), study.n_periods)
    return min(Dispatch(study, on, charging).lp.minimum() for charging in modes)


def commitments(study: Study) -> Iterator[BoolArray]:
    """Yield every commitment that is allowed."""
    for on in patterns(len(study.thermal), study.n_periods):
        if is_allowed(study, on):
            yield on


def least_cost(study: Study) -> float:
    """Return the least cost over all commitments."""
    return min(
        (startup_cost(study, on) + dispatch_cost(study, on) for on in commitments(study)),
        default=np.inf,
    )


def least_expected_cost(study: Study) -> float:
    """Return the least expected cost over all commitments that serve every scenario."""
    parts = [(part.probability, study.in_scenario(part)) for part in study.scenarios]
    return min(
        (
            startup_cost(study, on)
            + sum(weight * dispatch_cost(part, on) for weight, part in parts)
            for on in commitments(study)
        ),
        default=np.inf,
    )


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
    name: str,
    make_study: MakeStudy,
    make_units: Callable[..., ThermalUnits],
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


def reserves(
    requirements: list[tuple[int, tuple[bool, bool], list[float], float]],
    *products: tuple[str, float, float],
) -> Reserves:
    """Return products (kind, most, price) and requirements (product, zone, MW, shortage price)."""
    return Reserves(
        product=tuple(f"{kind} {p}" for p, (kind, _, _) in enumerate(products)),
        kind=tuple(kind for kind, _, _ in products),
        offer_max_mw=np.array([[most, most] for _, most, _ in products]),
        offer_cost_per_mwh=np.array([[price, 2 * price] for _, _, price in products]),
        requirement=tuple(f"requirement {k}" for k in range(len(requirements))),
        of_product=np.array([p for p, _, _, _ in requirements]),
        zone=np.array([[*zone, True] for _, zone, _, _ in requirements]),
        required_mw=np.array([required for _, _, required, _ in requirements]),
        shortage_cost_per_mwh=np.array([price for _, _, _, price in requirements]),
    )


def battery(**changes: float) -> Storage:
    given = {
        "charge_max_mw": 12.0,
        "discharge_max_mw": 10.0,
        "energy_min_mwh": 2.0,
        "energy_max_mwh": 25.0,
        "initial_soc_mwh": 10.0,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.8,
    }
    values = {name: np.array([value]) for name, value in {**given, **changes}.items()}
    return Storage((("storage", 0),), ("battery",), np.array([0]), **values)


def smelter(T: int, value: float, limit: float = np.inf) -> FlexibleDemand:
    return FlexibleDemand(
        (("load", 1), ("load", 2)), ("smelter", "pumps"), np.array([0, 0]),
        np.array([[5.0] * T, [0.0] * T]), np.array([[25.0] * T, [8.0] * T]),
        np.array([value, 21.0]), np.array([limit, np.inf]),
    )  # fmt: skip


BOTH, FIRST, SECOND = (True, True), (True, False), (False, True)
PEAK_DEMAND = (70.0, 115.0, 90.0, 60.0)
EVERY_HOUR = [12.0, 12.0, 12.0, 12.0]
RICH_CASES: dict[str, dict[str, object]] = {
    "two products in zones, short": {
        "demand_mw": PEAK_DEMAND,
        "reserves": reserves(
            [
                (0, BOTH, [20.0, 30.0, 25.0, 5.0], 40.0),
                (0, SECOND, [0.0, 15.0, 0.0, 0.0], 60.0),
                (1, FIRST, [4.0, 4.0, 4.0, 4.0], np.inf),
            ],
            ("spinning", 18.0, 1.0),
            ("regulation_up", 6.0, 3.0),
        ),
    },
    "regulation down": {
        "demand_mw": (58.0, 75.0, 44.0, 42.0),
        "reserves": reserves([(0, BOTH, EVERY_HOUR, 45.0)], ("regulation_down", np.inf, 0.5)),
    },
    "regulation up and down": {
        "demand_mw": (55.0, 95.0, 62.0, 47.0),
        "reserves": reserves(
            [(0, BOTH, [14.0, 8.0, 14.0, 14.0], 400.0), (1, BOTH, [6.0] * 4, 90.0)],
            ("regulation_down", 10.0, 0.5),
            ("regulation_up", 9.0, 0.5),
        ),
    },
    "nonspinning": {
        "demand_mw": (60.0, 95.0, 90.0, 50.0),
        "reserves": reserves([(0, BOTH, [30.0] * 4, 25.0)], ("nonspinning", 35.0, 0.5)),
        "units": {"min_down_time_h": np.array([2.0, 2.0])},
    },
    "nonspinning after an outage": {
        "demand_mw": (60.0, 66.0, 62.0, 50.0),
        "reserves": reserves([(0, BOTH, [30.0] * 4, 500.0)], ("nonspinning", np.inf, 0.5)),
        "units": {
            "min_down_time_h": np.array([2.0, 3.0]),
            "initial_status_h": np.array([5.0, -1.0]),
            "ramp_up_mw_per_h": np.array([30.0, 15.0]),
        },
        "fixed_status": np.array([[FREE] * 4, [FREE, FREE, FREE, FORCED_OUT]]),
    },
    "spinning beside nonspinning": {
        "demand_mw": (60.0, 95.0, 90.0, 50.0),
        "reserves": reserves(
            [(0, BOTH, [10.0] * 4, 300.0), (1, BOTH, [15.0] * 4, 30.0), (2, BOTH, [9.0] * 4, 12.0)],
            ("spinning", np.inf, 0.0),
            ("nonspinning", 12.0, 0.5),
            ("nonspinning", 30.0, 0.2),
        ),
    },
    "a unit with little energy": {
        "demand_mw": (70.0, 115.0, 110.0, 75.0),
        "energy_limits": EnergyLimits(
            ("reservoir", "fuel"), np.array([[0.0, 1.0], [2.5, 0.0]]),
            np.array([[0.0, 0.0], [12.0, 0.0]]), np.zeros((2, 0)),
            np.array([-np.inf, 700.0]), np.array([40.0, 850.0]),
        ),
        "unserved_cost_per_mwh": 400.0,
    },
    "flexible demand": {
        "demand_mw": (50.0, 70.0, 60.0, 40.0),
        "flexible": smelter(4, 24.0),
    },
    "interruptible demand": {
        "demand_mw": (50.0, 75.0, 60.0, 40.0),
        "flexible": smelter(4, 18.0, limit=31.0),
    },
    "a lossy battery": {
        "demand_mw": (60.0, 112.0, 70.0),
        "storage": battery(final_soc_min_mwh=8.0, final_soc_max_mwh=9.0, charge_cost_per_mwh=1.5,
            discharge_cost_per_mwh=2.5, loss_per_h=0.04,
        ),
    },
    "a battery that must be emptied, half hours": {
        "demand_mw": (60.0, 72.0, 70.0),
        "period_h": 0.5,
        "storage": battery(
            initial_soc_mwh=6.0, final_soc_min_mwh=0.0, final_soc_max_mwh=2.5, loss_per_h=0.1
        ),
    },
    "fixed hours": {
        "demand_mw": (60.0, 90.0, 75.0, 60.0),
        "fixed_status": np.array(
            [[FREE] * 4, [FIXED_ON, FORCED_OUT, FREE, FIXED_ON]]
        ),
        "unserved_cost_per_mwh": 300.0,
    },
    "forced out": {
        "demand_mw": (60.0, 50.0, 55.0, 60.0),
        "fixed_status": np.array([[FREE, FORCED_OUT, FREE, FREE], [FREE] * 4]),
        "unserved_cost_per_mwh": 300.0,
    },
    "fixed against a minimum time": {
        "demand_mw": (60.0, 90.0, 75.0, 60.0),
        "fixed_status": np.array([[FIXED_ON, FORCED_OUT, FIXED_ON, FREE], [FREE] * 4]),
        "unserved_cost_per_mwh": 300.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", RICH_CASES)
def test_optimum_with_everything_else_is_the_enumerated_one(
    name: str,
    make_study: MakeStudy,
    make_units: Callable[..., ThermalUnits],
    make_triangle: Callable[..., Grid],
) -> None:
    changes = dict(RICH_CASES[name])
    linear = make_units().cost[0], CostCurve((10.0, 40.0, 60.0), (500.0, 1250.0, 1850.0))
    given: dict[str, object] = {"bus": np.array([0, 1]), "cost": linear}
    thermal = make_units(**{**given, **changes.pop("units", {})})  # type: ignore[dict-item]
    study = make_study(thermal=thermal, grid=make_triangle(), **changes)
    run = gridopt.solve(study, "unit_commitment", "highs", gap=1e-9)
    expected = least_cost(study)
    assert run.is_feasible == np.isfinite(expected) == (name != "fixed against a minimum time")
    assert run.cost == pytest.approx(expected, rel=1e-7)


def test_most_cases_have_an_answer(
    make_study: MakeStudy, make_units: Callable[..., ThermalUnits]
) -> None:
    feasible = []
    for changes in CASES.values():
        given = dict(changes)
        thermal = make_units(**given.pop("units", {}))  # type: ignore[arg-type]
        feasible.append(gridopt.solve(make_study(thermal=thermal, **given)).is_feasible)
    assert sum(feasible) >= 6


def scenario(name: str, probability: float, demand_mw: list[float], wind_mw: float) -> Scenario:
    T = len(demand_mw)
    return Scenario(
        name=name,
        probability=probability,
        demand_mw=np.array([[0.0] * T, [0.0] * T, demand_mw]),
        renewable_min_mw=np.zeros((1, T)),
        renewable_max_mw=np.full((1, T), wind_mw),
    )


STOCHASTIC_CASES: dict[str, dict[str, object]] = {
    "demand and wind": {},
    "reserve": {
        "reserves": reserves(
            [(0, BOTH, [15.0] * 4, 30.0), (1, BOTH, [10.0] * 4, 20.0)],
            ("spinning", np.inf, 0.5),
            ("nonspinning", np.inf, 0.2),
        )
    },
    "flexible demand and fuel": {
        "flexible": smelter(4, 27.0, limit=20.0),
        "energy_limits": EnergyLimits(
            ("fuel",), np.array([[1.0, 0.0]]), np.zeros((1, 2)), np.zeros((1, 1)),
            np.array([-np.inf]), np.array([300.0]),
        ),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", STOCHASTIC_CASES)
def test_two_stage_optimum_is_the_enumerated_one(
    name: str,
    make_study: MakeStudy,
    make_units: Callable[..., ThermalUnits],
    make_triangle: Callable[..., Grid],
) -> None:
    linear = make_units().cost[0], CostCurve((10.0, 40.0, 60.0), (500.0, 1250.0, 1850.0))
    study = make_study(
        thermal=make_units(bus=np.array([0, 1]), cost=linear),
        grid=make_triangle(),
        renewables=Renewables(
            (("sgen", 1),), ("wind",), np.array([2]), np.zeros((1, 4)), np.full((1, 4), 20.0),
            np.array([1.0]),
        ),
        scenarios=(
            scenario("calm", 0.3, [80.0, 105.0, 85.0, 60.0], 5.0),
            scenario("windy", 0.5, [75.0, 95.0, 75.0, 50.0], 30.0),
            scenario("cold", 0.2, [90.0, 120.0, 95.0, 70.0], 10.0),
        ),
        unserved_cost_per_mwh=200.0,
        surplus_cost_per_mwh=None,
        **STOCHASTIC_CASES[name],
    )  # fmt: skip
    run = gridopt.solve(study, gap=1e-9)
    assert run.is_feasible
    assert run.cost == pytest.approx(least_expected_cost(study), rel=1e-7)
