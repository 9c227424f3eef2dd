"""Placements against an oracle that shares nothing with the program: every choice, one LP each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import gridopt
from gridopt.arrays import FloatArray, IntArray
from gridopt.elements import CostCurve, ThermalUnits
from gridopt.errors import OptionError, StudyError
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.grid import Grid
from gridopt.placement import Placement
from gridopt.running import Run
from gridopt.sites import BatteryModules, Sites
from gridopt.siting import with_sites
from gridopt.solvers.highs import HiGHS
from gridopt.study import Scenario, Study

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]

PARENT = {1: 0, 2: 1, 3: 1, 4: 3}
"""The tree of `make_tree`: bus and the one before it."""

R_PU, X_PU = 3 * 0.4 / 20.0**2, 3 * 0.35 / 20.0**2
"""Of each of its lines, for 1 MVA: 3 km of 0.4 + 0.35j Ohm at 20 kV."""

RATING_MVA = np.sqrt(3.0) * 20.0 * 0.3


def choices(sites: Sites) -> Iterator[IntArray]:
    """Yield every allowed number of modules of each kind at each site, (C, M)."""
    shape = len(sites), len(sites.modules)
    for numbers in product(range(sites.modules_max + 1), repeat=shape[0] * shape[1]):
        chosen = np.array(numbers).reshape(shape)
        each = chosen.sum(axis=1)
        spent = (chosen @ sites.modules.investment_cost).sum()
        if (
            (each <= sites.modules_max).all()
            and ((each == 0) | (each >= sites.modules_min)).all()
            and (sites.count is None or (each > 0).sum() == sites.count)
            and (sites.budget is None or spent <= sites.budget)
        ):
            yield chosen


def above(bus: int) -> list[int]:
    """Return the buses whose branches feed a bus, itself first."""
    path = []
    while bus in PARENT:
        path.append(bus)
        bus = PARENT[bus]
    return path


class Operation:
    """The tree with some batteries for all periods, as one linear program written by hand.

    Losses are no part of it: they have a price only where nothing is decided.
    """

    def __init__(self, study: Study, modules: IntArray) -> None:
        self.study, self.T, self.h = study, study.n_periods, study.period_h
        self.cost: list[float] = []
        self.bounds: list[tuple[float, float]] = []
        self.upper: list[tuple[dict[int, float], float]] = []
        self.equal: list[tuple[dict[int, float], float]] = []
        # what batteries give at each bus and period, as columns and coefficients
        self.given: dict[tuple[int, int], dict[int, float]] = {}
        for c, m in zip(*np.nonzero(modules), strict=True):
            self.battery(int(study.sites.bus[c]), int(m), int(modules[c, m]))
        self.market()
        for bus, t in product(PARENT, range(self.T)):
            self.limits(bus, t)

    def column(self, low: float, high: float, cost: float = 0.0) -> int:
        self.cost.append(cost)
        self.bounds.append((low, high))
        return len(self.cost) - 1

    def battery(self, bus: int, m: int, number: int) -> None:
        kinds, sites = self.study.sites.modules, self.study.sites
        most = number * float(kinds.power_mw[m])
        energy = []
        for t in range(self.T):
            low_c, high_c, low_d, high_d = 0.0, most, 0.0, most
            if not sites.is_optimized:
                run = most * float(sites.profile[m, t])
                low_c = high_c = max(-run, 0.0)
                low_d = high_d = max(run, 0.0)
            charge = self.column(low_c, high_c)
            drawn = self.column(low_d, high_d, self.h * float(kinds.degradation_cost_per_mwh[m]))
            full = number * float(kinds.energy_mwh[m] * kinds.depth_of_discharge[m])
            energy.append((self.column(0.0, full), charge, drawn))
            self.upper.append(({charge: 1.0, drawn: 1.0}, most))
            self.given.setdefault((bus, t), {}).update({charge: -1.0, drawn: 1.0})
        for t, (held, charge, drawn) in enumerate(energy):
            before = energy[t - 1][0]  # the last before the first
            entries = {held: 1.0, charge: -self.h * float(kinds.charge_efficiency[m])}
            entries[drawn] = self.h / float(kinds.discharge_efficiency[m])
            entries[before] = entries.get(before, 0.0) - 1.0
            self.equal.append((entries, 0.0))

    def market(self) -> None:
        study, bought = self.study, []
        for t in range(self.T):
            bought.append(self.column(0.0, 50.0, self.h * study.exchange.price_per_mwh[0, t]))
            entries = {bought[-1]: 1.0}
            for bus in (0, *PARENT):
                entries |= self.given.get((bus, t), {})
            self.equal.append((entries, float(study.demand_mw[:, t].sum())))
        if study.sites.peak_cost_per_mw:
            peak = self.column(0.0, np.inf, study.sites.peak_cost_per_mw)
            self.upper += [({column: 1.0, peak: -1.0}, 0.0) for column in bought]

    def flow(self, bus: int, t: int) -> tuple[dict[int, float], float, float]:
        """Return what enters a bus by its branch: entries, MW and Mvar without batteries."""
        entries: dict[int, float] = {}
        p = 0.0
        for other in PARENT:
            if bus in above(other):
                p += float(self.study.demand_mw[other, t])
                entries |= {j: -a for j, a in self.given.get((other, t), {}).items()}
        return entries, p, 0.3 * p

    def limits(self, bus: int, t: int) -> None:
        study, sites = self.study, self.study.sites
        feeder = study.radial
        entries, p, q = self.flow(bus, t)
        most = np.sqrt(RATING_MVA**2 - q**2)
        for sign in (1.0, -1.0):
            row = {j: sign * a for j, a in entries.items()}
            if np.isfinite(sites.overload_cost_per_mwh):
                row[self.column(0.0, np.inf, self.h * sites.overload_cost_per_mwh)] = -1.0
            self.upper.append((row, most - sign * p))
        vm2, fall = 1.0, dict[int, float]()
        for part in above(bus):
            more, p, q = self.flow(part, t)
            vm2 -= 2.0 * (R_PU * p + X_PU * q)
            for j, a in more.items():
                fall[j] = fall.get(j, 0.0) - 2.0 * R_PU * a
        for sign, edge in ((-1.0, feeder.vm_min_pu[bus]), (1.0, feeder.vm_max_pu[bus])):
            row = {j: sign * a for j, a in fall.items()}
            if np.isfinite(sites.voltage_cost_per_pu_h):
                price = self.h * sites.voltage_cost_per_pu_h / (2.0 * edge)
                row[self.column(0.0, np.inf, price)] = -1.0
            self.upper.append((row, sign * (edge**2 - vm2)))

    def least(self) -> float:
        A, b = self.matrix(self.upper)
        E, e = self.matrix(self.equal)
        found = linprog(self.cost, A, b, E, e, self.bounds)
        return float(found.fun) if found.status == 0 and found.fun is not None else np.inf

    def matrix(self, rows: list[tuple[dict[int, float], float]]) -> tuple[FloatArray, FloatArray]:
        dense = np.zeros((len(rows), len(self.cost)))
        for line, (entries, _) in zip(dense, rows, strict=True):
            line[list(entries)] = list(entries.values())
        return dense, np.array([side for _, side in rows])

    def losses(self) -> float:
        """Return what losses cost where batteries run by a profile: all columns are held."""
        value = np.array([low for low, _ in self.bounds])
        price = self.study.sites.loss_cost_per_mwh
        total = 0.0
        for bus, t in product(PARENT, range(self.T)):
            entries, p, q = self.flow(bus, t)
            p += sum(a * value[j] for j, a in entries.items())
            total += self.h * price[t] * R_PU * (p**2 + q**2)
        return float(total)


def operating_cost(study: Study, modules: IntArray) -> float:
    operation = Operation(study, modules)
    losses = 0.0 if study.sites.is_optimized else operation.losses()
    return operation.least() + losses


def least_cost(study: Study) -> float:
    """Return the least cost over all choices, and all scenarios by their probability."""
    share = study.n_periods * study.period_h / 8760.0
    parts = [(it.probability, study.in_scenario(it)) for it in study.scenarios] or [(1.0, study)]
    return min(
        share * float((chosen @ study.sites.modules.annual_cost).sum())
        + sum(weight * operating_cost(part, chosen) for weight, part in parts)
        for chosen in choices(study.sites)
    )


def solved(study: Study, **options: Any) -> tuple[Run, Placement]:
    """Return a proved optimum, verified; its cost is the program's objective."""
    run = gridopt.solve(study, BatteryPlacement(**options), HiGHS(gap=0.0))
    assert isinstance(run.plan, Placement)
    assert run.verification is not None
    assert run.verification.violations == ()
    assert run.is_feasible
    assert run.cost == pytest.approx(run.solution.objective, rel=1e-6)
    assert run.bound == pytest.approx(run.cost, rel=1e-6)
    return run, run.plan


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # name: of the tree, of its sites
    "any number": ({}, {}),
    "one site": ({}, {"count": 1}),
    "two sites within a budget": ({}, {"count": 2, "budget": 400.0}),
    "budget": ({}, {"budget": 500.0}),
    "two at least": ({}, {"modules_min": 2, "count": 1}),
    "peak": ({}, {"peak_cost_per_mw": 30.0, "count": 1}),
    "hard voltage": ({}, {"vm_min_pu": 0.952}),
    "priced voltage": (
        {}, {"vm_min_pu": 0.97, "voltage_cost_per_pu_h": 9000.0, "count": 1}
    ),
    "hard rating": ({"scale": 1.72}, {"vm_min_pu": 0.5, "budget": 500.0}),
    "priced rating": (
        {"scale": 2.2}, {"vm_min_pu": 0.5, "overload_cost_per_mwh": 300.0, "count": 1}
    ),
    "half hours": ({"period_h": 0.5}, {"count": 2}),
    "both, priced": (
        {"scale": 2.1},
            {
            "vm_min_pu": 0.94, "voltage_cost_per_pu_h": 5000.0, "overload_cost_per_mwh": 300.0,
            "count": 1,
        },
    ),
}  # fmt: skip


PRICED = {
    "priced voltage": ("voltage",),
    "priced rating": ("overload",),
    "both, priced": ("voltage", "overload"),
}


def case(name: str, operation: str, make_tree: MakeStudy, make_modules: Modules) -> Study:
    of_tree, of_sites = CASES[name]
    tree = make_tree((0.5, 1.0, 0.7), (20.0, 90.0, 60.0), **of_tree)
    price = 0.0 if operation == "optimized" else None
    return with_sites(
        tree, [2, 3, 4], make_modules(), modules_max=2, operation=operation,  # type: ignore[arg-type]
        loss_cost_per_mwh=price, **of_sites,
    )  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("operation", ["optimized", "profile"])
def test_optimum_is_the_enumerated_one(
    name: str, operation: str, make_tree: MakeStudy, make_modules: Modules
) -> None:
    study = case(name, operation, make_tree, make_modules)
    best = least_cost(study)
    assert np.isfinite(best)
    run, plan = solved(study)
    assert plan.network == "radial"
    assert run.cost == pytest.approx(best, rel=1e-6)
    assert run.verification is not None
    for item in ("voltage", "overload"):  # what has a price occurs
        assert run.verification.penalty.get(item, 1.0) > 0.0 or item not in PRICED.get(name, ())


@pytest.mark.parametrize("operation", ["optimized", "profile"])
def test_scenarios_are_weighted(
    operation: str, make_tree: MakeStudy, make_modules: Modules
) -> None:
    study = case("one site", operation, make_tree, make_modules)
    none = np.zeros((0, 3))
    scenarios = tuple(
        Scenario(name, weight, study.demand_mw * factor, none, none)
        for name, weight, factor in (("low", 0.3, np.array([1.0, 0.5, 0.9])), ("high", 0.7, 1.1))
    )
    study = replace(study, scenarios=scenarios)
    run, plan = solved(study)
    assert run.cost == pytest.approx(least_cost(study), rel=1e-6)
    assert len(plan.schedules) == 2
    parts = [
        gridopt.verify(study.in_scenario(it), plan_of(plan, k)) for k, it in enumerate(scenarios)
    ]
    assert run.verification is not None
    mean = 0.3 * parts[0].cost["exchange"] + 0.7 * parts[1].cost["exchange"]
    assert run.verification.cost["exchange"] == pytest.approx(mean)
    assert parts[0].cost["exchange"] != pytest.approx(parts[1].cost["exchange"])
    table = plan.dispatch()
    assert table["scenario"].tolist() == ["low"] * 3 + ["high"] * 3


def plan_of(plan: Placement, number: int) -> Placement:
    """Return what a placement does in one scenario."""
    part = plan.study.in_scenario(plan.study.scenarios[number])
    return Placement(part, plan.modules, (plan.schedules[number],), plan.network)


@pytest.mark.parametrize("name", ["two sites within a budget", "priced voltage"])
def test_losses_count_where_operation_is_optimized(
    name: str, make_tree: MakeStudy, make_modules: Modules
) -> None:
    """Quadratic losses, with the modules held: the best choice is HiGHS's on the whole."""
    study = case(name, "optimized", make_tree, make_modules)
    sites = replace(study.sites, loss_cost_per_mwh=np.array([20.0, 90.0, 60.0]))
    study = replace(study, sites=sites)
    run, _ = solved(study)
    program = BatteryPlacement().build(study)
    columns = program.columns("modules").ravel()
    held = [
        HiGHS(gap=0.0, plain=True).solve(program.fixed(columns, chosen.ravel())).objective
        for chosen in choices(sites)
    ]
    assert run.cost == pytest.approx(min(held), rel=1e-6)
    assert run.verification is not None
    assert run.verification.cost["losses"] > 1.0


# --- DC, with units -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def congested(
    make_study: MakeStudy,
    make_units: Callable[..., ThermalUnits],
    make_triangle: Callable[..., Grid],
    make_modules: Modules,
) -> Study:
    """Return two generators and a demand, one at each corner; a line keeps the cheap one down."""
    units = make_units(
        bus=np.array([0, 2]),
        p_min_mw=np.array([0.0, 0.0]),
        initial_power_mw=np.full(2, np.nan),
        ramp_up_mw_per_h=np.full(2, np.inf),
        ramp_down_mw_per_h=np.full(2, np.inf),
        cost=(
            CostCurve((0.0, 60.0, 100.0), (300.0, 1200.0, 2200.0)),
            CostCurve((0.0, 60.0), (200.0, 2600.0), 0.1),
        ),
    )
    study = make_study((50.0, 95.0, 60.0), grid=make_triangle(22.0), thermal=units)
    kinds = make_modules(power_mw=np.array([5.0, 10.0]), energy_mwh=np.array([8.0, 20.0]))
    return with_sites(study, modules=kinds, modules_max=2)


@pytest.mark.parametrize("operation", ["optimized", "profile"])
@pytest.mark.parametrize("limits", [{"count": 1}, {"count": 2, "budget": 400.0}, {"budget": 350.0}])
def test_a_congested_line(operation: str, limits: dict[str, Any], congested: Study) -> None:
    sites = replace(congested.sites, **limits)
    if operation == "profile":
        run_by = with_sites(congested, modules=sites.modules, operation="profile").sites.profile
        sites = replace(sites, profile=run_by)
    study = replace(congested, sites=sites)
    run, plan = solved(study)
    assert plan.network == "dc"
    program = BatteryPlacement().build(study)
    columns = program.columns("modules").ravel()
    best = np.inf
    for chosen in choices(sites):
        found = HiGHS(gap=0.0, plain=True).solve(program.fixed(columns, chosen.ravel()))
        best = min(best, found.objective)
    assert run.cost == pytest.approx(best, rel=1e-6)


def test_the_line_decides_where(congested: Study) -> None:
    study = replace(congested, sites=replace(congested.sites, count=1))
    run, plan = solved(study)
    free, _ = solved(study, network="copperplate")
    assert free.cost < run.cost * 0.999
    assert max(abs(plan.schedules[0].flow_mw()[0])) == pytest.approx(22.0)
    assert study.grid.bus_name[int(study.sites.bus[plan.modules.sum(axis=1) > 0][0])] != "bus 0"


def test_outages_are_stood_too(congested: Study) -> None:
    """With a line out, all that the cheap unit gives goes by one other, rated as it is."""
    rated = np.array([60.0, 60.0, 60.0])
    grid = replace(congested.grid, rating_mw=rated, emergency_rating_mw=rated)
    study = replace(congested, grid=grid, sites=replace(congested.sites, count=1))
    plain, _ = solved(study)
    run, plan = solved(study, security="n-1")
    assert run.cost > plain.cost * 1.001
    assert plan.schedules[0].security == "n-1"
    assert plan.schedules[0].injection_mw()[0].max() <= 60.0 + 1e-4
    assert np.abs(plan.schedules[0].flow_mw()).max() < 60.0


def test_more_batteries_never_cost_more(congested: Study) -> None:
    costs = []
    for most in (1, 2, 3):
        sites = replace(congested.sites, modules_max=most, count=None)
        costs.append(solved(replace(congested, sites=sites))[0].cost)
    assert costs[0] >= costs[1] - 1e-6 >= costs[2] - 2e-6
    none, _ = solved(replace(congested, sites=replace(congested.sites, count=0)))
    assert none.cost >= costs[0]
    assert gridopt.solve(congested, "unit_commitment", network="dc", gap=0.0).cost == pytest.approx(
        none.cost, rel=1e-6
    )


# --- charge and discharge -------------------------------------------------------------------------


def negative(make_tree: MakeStudy, make_modules: Modules) -> Study:
    """Return a tree that is paid for what it takes in two hours, and must sell nothing."""
    tree = make_tree((0.5, 1.0, 0.7), (-60.0, -50.0, 90.0))
    return with_sites(tree, [4], make_modules("large"), modules_max=2)


@pytest.mark.parametrize("exclusive", ["auto", "always"])
def test_no_battery_charges_and_discharges_at_once(
    exclusive: str, make_tree: MakeStudy, make_modules: Modules
) -> None:
    study = negative(make_tree, make_modules)
    _, plan = solved(study, exclusive=exclusive)
    assert plan.modules.sum() > 0
    schedule = plan.schedules[0]
    assert np.minimum(schedule.charge_mw, schedule.discharge_mw).max() < 1e-6
    assert schedule.charge_mw.max() > 0.1


def test_without_binaries_energy_is_wasted_and_that_is_found(
    make_tree: MakeStudy, make_modules: Modules
) -> None:
    run = gridopt.solve(
        negative(make_tree, make_modules), BatteryPlacement(exclusive="never"), HiGHS(gap=0.0)
    )
    assert run.verification is not None
    assert set(run.verification.counts()) == {"charge_or_discharge"}
    assert not run.is_feasible


def test_always_costs_what_never_does_where_waste_does_not_pay(
    make_tree: MakeStudy, make_modules: Modules
) -> None:
    study = case("any number", "optimized", make_tree, make_modules)
    costs = [solved(study, exclusive=each)[0].cost for each in ("auto", "never", "always")]
    assert costs == pytest.approx([costs[0]] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, False), ({"surplus_cost_per_mwh": 5.0}, True), ({"price": (-1.0, 2.0)}, True)],
)
def test_binaries_come_where_waste_may_pay(
    change: dict[str, Any], expected: bool, make_tree: MakeStudy, make_modules: Modules
) -> None:
    tree = make_tree((0.5, 1.0), **{"price": (1.0, 2.0), **change})
    program = BatteryPlacement().build(with_sites(tree, modules=make_modules()))
    assert ("battery_charging" in program.variables) == expected


# --- limits ---------------------------------------------------------------------------------------


def test_hard_and_priced_limits_of_voltage(make_tree: MakeStudy, make_modules: Modules) -> None:
    tree = make_tree((0.5, 1.0, 0.7), (20.0, 90.0, 60.0))
    bare = {"candidates": [2], "modules": make_modules("small"), "vm_min_pu": 0.97}
    hard = gridopt.solve(with_sites(tree, **bare), BatteryPlacement(), HiGHS(gap=0.0))  # type: ignore[arg-type]
    assert str(hard.termination) == "infeasible"
    assert not hard.is_feasible
    run, _ = solved(with_sites(tree, **bare, voltage_cost_per_pu_h=100.0))  # type: ignore[arg-type]
    assert run.verification is not None
    assert run.verification.penalty["voltage"] > 0.0
    wide, plan = solved(with_sites(tree, **{**bare, "vm_min_pu": 0.9}))  # type: ignore[arg-type]
    assert wide.cost <= run.cost
    assert "voltage" not in gridopt.verify(wide.study, plan).penalty


def test_priced_limits_become_hard_ones(make_tree: MakeStudy, make_modules: Modules) -> None:
    study = case("hard voltage", "optimized", make_tree, make_modules)
    dear = replace(study, sites=replace(study.sites, voltage_cost_per_pu_h=1e6))
    assert solved(dear)[0].cost == pytest.approx(solved(study)[0].cost, rel=1e-5)


def test_no_lower_end_of_a_band(make_tree: MakeStudy, make_modules: Modules) -> None:
    """A lowest voltage of 0, or none, limits nothing, with a price as without."""
    tree = make_tree((0.5, 1.0), (20.0, 90.0))
    costs = [
        solved(with_sites(tree, modules=make_modules(), vm_min_pu=low, voltage_cost_per_pu_h=cost))[
            0
        ].cost
        for low, cost in product((0.0, -np.inf, 0.5), (None, 100.0))
    ]
    assert costs == pytest.approx([costs[0]] * 6, rel=1e-6)


# --- what cannot be built -------------------------------------------------------------------------


def test_networks(make_tree: MakeStudy, congested: Study, make_study: MakeStudy) -> None:
    tree = make_tree((0.5, 1.0), (20.0, 90.0))
    assert BatteryPlacement().network_of(tree) == "radial"
    assert BatteryPlacement("dc").network_of(tree) == "dc"
    assert BatteryPlacement(security="n-1").network_of(tree) == "dc"
    assert BatteryPlacement().network_of(congested) == "dc"
    assert BatteryPlacement().network_of(make_study()) == "copperplate"
    with pytest.raises(StudyError, match=r"network = radial, expected 'dc' or 'copperplate'"):
        BatteryPlacement("radial").build(congested)
    with pytest.raises(StudyError, match=r"network = dc, expected 'copperplate'"):
        BatteryPlacement("dc").build(with_sites(make_study()))
    with pytest.raises(StudyError, match=r"sites = none, expected candidates"):
        BatteryPlacement().build(tree)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"network": "ac"}, "network = 'ac', expected auto or copperplate or dc or radial"),
        ({"security": "n-2"}, "security = 'n-2', expected none or n-1"),
        ({"exclusive": "often"}, "exclusive = 'often', expected auto or always or never"),
        ({"network": "radial", "security": "n-1"}, "security = 'n-1', expected none, or n-1 with"),
    ],
)
def test_bad_options(options: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=f"battery_placement: {told}"):
        BatteryPlacement(**options)
