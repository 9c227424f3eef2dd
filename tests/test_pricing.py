"""Prices are what one MW more costs: against finite differences, and payments that add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.arrays import FloatArray
from gridopt.elements import CostCurve, Renewables, Storage, ThermalUnits
from gridopt.errors import StudyError
from gridopt.formulation import Formulation
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.grid import Grid
from gridopt.linear_prices import linear_prices
from gridopt.price_table import Prices
from gridopt.pricing import prices
from gridopt.program import ProgramBuilder
from gridopt.requirements import Reserves
from gridopt.results import Schedule
from gridopt.running import Run
from gridopt.solvers.highs import HiGHS
from gridopt.study import FIXED_ON, FORCED_OUT, Scenario, Study

MakeStudy = Callable[..., Study]

DEMAND = np.array([[12.0, 15.0, 10.0, 8.0], [5.0, 5.0, 5.0, 5.0], [58.0, 91.0, 47.0, 33.0]])
STEP_MW = 1e-3
RATING_MW = 10.0

EXACT = HiGHS(gap=1e-9)
NETWORK = UnitCommitment("dc")
SECURE = UnitCommitment("dc", "n-1")
NO_NETWORK = UnitCommitment()


def straight(units: ThermalUnits) -> ThermalUnits:
    """Return the units without squares, so that differences are exact."""
    return replace(units, cost=tuple(replace(curve, quadratic=0.0) for curve in units.cost))


@pytest.fixture
def congested(
    make_study: MakeStudy,
    make_triangle: Callable[..., Grid],
    make_units: Callable[..., ThermalUnits],
) -> Study:
    """Three buses, the cheap unit behind a line that is too small, periods of half an hour."""
    required = np.array([[8.0, 8.0, 8.0, 8.0], [0.0, 6.0, 6.0, 0.0]])
    return make_study(
        DEMAND,
        grid=replace(make_triangle(RATING_MW), emergency_rating_mw=np.array([36.0, 45.0, 50.0])),
        period_h=0.5,
        thermal=straight(make_units(bus=np.array([0, 1]), shutdown_ramp_mw=np.full(2, np.inf))),
        reserves=replace(
            Reserves.spinning(required),
            requirement=("system", "east"),
            of_product=np.zeros(2, dtype=np.int64),
            zone=np.array([[True, True, True], [False, True, True]]),
            offer_cost_per_mwh=np.array([[2.0, 3.0]]),
            shortage_cost_per_mwh=np.array([400.0, np.inf]),
        ),
        renewables=Renewables(
            element=(("sgen", 7),),
            name=("wind",),
            bus=np.array([2]),
            p_min_mw=np.zeros((1, 4)),
            p_max_mw=np.array([[3.0, 1.0, 20.0, 30.0]]),
            cost_per_mwh=np.array([1.0]),
        ),
        unserved_cost_per_mwh=1000.0,
    )


def with_status(study: Study, schedule: Schedule) -> Study:
    """Return the study with the commitment of a schedule and no other."""
    return replace(study, fixed_status=np.where(schedule.committed, FIXED_ON, FORCED_OUT))


def slopes(
    change: Callable[[float], Study], formulation: Formulation = NETWORK
) -> tuple[float, float]:
    """Return what one MW less saves and one more costs, of small differences."""
    runs = [
        gridopt.solve(change(amount), formulation, EXACT) for amount in (-STEP_MW, 0.0, STEP_MW)
    ]
    assert all(run.is_feasible for run in runs)
    less, same, more = (run.cost for run in runs)
    return (same - less) / STEP_MW, (more - same) / STEP_MW


def taken(study: Study, bus: int, period: int, amount_mw: float) -> Study:
    """Return the study with a fixed withdrawal of some MW more at one bus and period."""
    power = np.zeros((1, study.n_periods))
    power[0, period] = -amount_mw
    old = study.renewables
    probe = Renewables(
        element=(*old.element, ("load", 99)),
        name=(*old.name, "more"),
        bus=np.append(old.bus, bus),
        p_min_mw=np.vstack([old.p_min_mw, power]),
        p_max_mw=np.vstack([old.p_max_mw, power]),
        cost_per_mwh=np.append(old.cost_per_mwh, 0.0),
    )
    return replace(study, renewables=probe)


def between(low: float, value: float, high: float) -> bool:
    room = 1e-5 * max(abs(low), abs(high), 1.0)
    return low - room <= value <= high + room


def solved(study: Study, formulation: Formulation = NETWORK) -> tuple[Run, Prices]:
    run = gridopt.solve(study, formulation, EXACT)
    assert run.is_feasible
    return run, prices(run)


# --- finite differences ---------------------------------------------------------------------------


@pytest.mark.parametrize("formulation", [NETWORK, SECURE], ids=["dc", "n-1"])
def test_prices_are_finite_differences_at_every_bus(
    formulation: UnitCommitment, congested: Study
) -> None:
    run, found = solved(congested, formulation)
    assert run.schedule is not None
    if formulation is SECURE:
        assert run.cost > gridopt.solve(congested, NETWORK, EXACT).cost + 1.0  # outages bind
    fixed = with_status(congested, run.schedule)
    strict = 0
    for bus, period in np.ndindex(3, 4):
        low, high = slopes(
            lambda mw, b=bus, t=period: taken(fixed, b, t, mw),  # type: ignore[misc]
            formulation,
        )
        price = float(found.price_per_mwh[bus, period]) * congested.period_h
        assert between(low, price, high), (bus, period, low, price, high)
        strict += high - low < 1e-4 * abs(high)
    assert strict >= 6  # most are no mere bounds
    spread = np.ptp(found.price_per_mwh, axis=0)
    assert spread.max() > 5.0
    assert found.congestion_per_mwh[0].tolist() == [0.0] * 4  # bus 0 is the reference


def test_the_price_of_reserve_is_a_finite_difference(congested: Study) -> None:
    run, found = solved(congested)
    assert run.schedule is not None
    fixed = with_status(congested, run.schedule)

    def asked(amount_mw: float, k: int, t: int) -> Study:
        required = congested.reserves.required_mw.copy()
        required[k, t] += amount_mw
        return replace(fixed, reserves=replace(fixed.reserves, required_mw=required))

    for k, t in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2)):
        low, high = slopes(lambda mw, k=k, t=t: asked(mw, k, t))  # type: ignore[misc]
        price = found.reserve_per_mwh[k, t] * congested.period_h
        assert between(low, price, high), (k, t, low, price, high)
    assert found.reserve_per_mwh.max() > 1.0
    assert (found.reserve_per_mwh >= 0).all()


def test_storage_carries_the_price_over_time(make_study: MakeStudy) -> None:
    """What is charged at a price is worth as much more as is lost on the way."""
    store = Storage(
        element=(("storage", 0),),
        name=("store",),
        bus=np.array([0]),
        charge_max_mw=np.array([30.0]),
        discharge_max_mw=np.array([30.0]),
        energy_min_mwh=np.array([0.0]),
        energy_max_mwh=np.array([500.0]),
        initial_soc_mwh=np.array([0.0]),
        charge_efficiency=np.array([0.9]),
        discharge_efficiency=np.array([0.8]),
    )
    wind = Renewables(
        element=(("sgen", 7),),
        name=("dear",),
        bus=np.array([0]),
        p_min_mw=np.zeros((1, 3)),
        p_max_mw=np.full((1, 3), 60.0),
        cost_per_mwh=np.array([90.0]),
    )
    study = make_study((50.0, 70.0, 110.0), storage=store, renewables=wind)
    run, found = solved(study, NO_NETWORK)
    assert run.schedule is not None
    charge, discharge = run.schedule.charge_mw[0], run.schedule.discharge_mw[0]
    assert 0 < charge[0] < 30
    assert 0 < discharge[2] < 30
    price = found.energy_per_mwh
    assert price[2] == pytest.approx(price[0] / (0.9 * 0.8), rel=1e-6)
    fixed = with_status(study, run.schedule)
    for t in range(3):
        low, high = slopes(lambda mw, t=t: taken(fixed, 0, t, mw), NO_NETWORK)  # type: ignore[misc]
        assert between(low, price[t], high)


def test_squares_give_their_slope(make_study: MakeStudy) -> None:
    """Two units on their quadratic curves: both have the price as their marginal cost."""
    curves = (
        CostCurve((40.0, 100.0), (900.0, 1500.0), 0.07),
        CostCurve((10.0, 60.0), (0, 50.0), 0.2),
    )
    base = make_study((120.0, 131.0, 100.0))
    study = replace(base, thermal=replace(base.thermal, cost=curves))
    run, found = solved(study, NO_NETWORK)
    assert run.schedule is not None
    assert run.schedule.committed.all()
    power = found.schedule.power_mw
    for g, curve in enumerate(curves):
        marginal = curve.slopes_per_mwh[0] + 2 * curve.quadratic * power[g]
        inside = (power[g] > curve.power_mw[0] + 1) & (power[g] < curve.power_mw[-1] - 1)
        assert inside[:1].all()
        assert marginal[inside] == pytest.approx(found.energy_per_mwh[inside], rel=1e-5)


# --- payments -------------------------------------------------------------------------------------


def test_congestion_rent_is_what_the_lines_earn(congested: Study) -> None:
    """Σ price · (load − generation) = Σ shadow price · rating, by a difference of the rating."""
    run, found = solved(congested)
    assert run.schedule is not None
    fixed = with_status(congested, run.schedule)

    def rated(more_mw: float) -> Study:
        rating = congested.grid.rating_mw + np.array([more_mw, 0.0, 0.0])
        grid = replace(congested.grid, rating_mw=rating)
        return replace(fixed, grid=grid)

    saved, lost = (-slope for slope in slopes(rated))
    assert saved == pytest.approx(lost, rel=1e-5)  # not degenerate
    flow = np.abs(found.schedule.flow_mw()[0])
    assert flow.max() == pytest.approx(RATING_MW)
    assert found.congestion_rent == pytest.approx(saved * RATING_MW, rel=1e-5)
    assert found.congestion_rent > 50.0


def test_energy_balances_and_pays_its_price(congested: Study) -> None:
    _, found = solved(congested)
    plan, h = found.schedule, congested.period_h
    assert gridopt.verify(congested, plan).violations == ()
    assert plan.injection_mw().sum(axis=0) == pytest.approx(np.zeros(4), abs=1e-6)
    price = found.price_per_mwh
    load = h * (price * (congested.demand_mw - plan.unserved_mw)).sum()
    sold = h * (price[congested.thermal.bus] * plan.power_mw).sum()
    sold += h * (price[congested.renewables.bus] * plan.renewable_mw).sum()
    assert load - sold == pytest.approx(found.congestion_rent, rel=1e-9)


def test_reserve_payments_add_up(congested: Study) -> None:
    """Who asks pays what holders get, a MW that counts twice being paid twice."""
    _, found = solved(congested)
    plan, reserves = found.schedule, congested.reserves
    counts = reserves.zone[:, congested.thermal.bus].astype(np.float64)
    worth = np.einsum("kt,kg->gt", found.reserve_per_mwh, counts)
    paid_to_units = (worth * plan.reserve_mw[0]).sum()
    short = (found.reserve_per_mwh * plan.reserve_short_mw).sum()
    asked = (found.reserve_per_mwh * reserves.required_mw).sum()
    assert asked > 10.0
    assert paid_to_units + short == pytest.approx(asked, rel=1e-9)


def test_no_unit_would_rather_give_something_else(congested: Study) -> None:
    """Prices support the dispatch: a unit between its limits earns its marginal cost."""
    _, found = solved(congested)
    price = found.price_per_mwh[congested.renewables.bus[0]]
    wind, most = found.schedule.renewable_mw[0], congested.renewables.p_max_mw[0]
    assert (price[wind < most - 1e-6] <= 1.0 + 1e-9).all()
    assert (price[wind > 1e-6] >= 1.0 - 1e-9).all()


# --- what comes back ------------------------------------------------------------------------------


def test_shunts_and_phase_shifters_pay_too(congested: Study) -> None:
    grid = replace(
        congested.grid, shunt_mw=np.array([0.0, 2.0, 1.0]), shift_rad=np.array([0.0, 0.003, 0.0])
    )
    study = replace(congested, grid=grid)
    _, found = solved(study)
    flow, shift = found.schedule.flow_mw(), grid.shift_flow_mw[:, np.newaxis]
    run = gridopt.solve(study, NETWORK, EXACT)
    assert run.schedule is not None
    fixed = with_status(study, run.schedule)

    def rated(more_mw: float) -> Study:
        rating = grid.rating_mw + np.array([more_mw, 0.0, 0.0])
        return replace(fixed, grid=replace(grid, rating_mw=rating))

    saved = -slopes(rated)[1]
    rent = saved * float(np.abs(flow - shift)[0].max())
    assert found.congestion_rent == pytest.approx(rent, rel=1e-5)


def test_tables(congested: Study) -> None:
    _, found = solved(congested)
    table = found.table()
    assert list(table.columns) == [
        *("period", "bus", "price", "energy", "congestion"),
        *("reserve:system", "reserve:east"),
    ]
    assert len(table) == 12
    assert table["price"].to_numpy() == pytest.approx(table["energy"] + table["congestion"])
    by_bus = found.by_bus()
    assert list(by_bus.columns) == ["bus 0", "bus 1", "bus 2"]
    assert by_bus["bus 2"].tolist() == found.price_per_mwh[2].tolist()
    row = table[(table["bus"] == "bus 2") & (table["period"] == 1)].iloc[0]
    assert row["price"] == found.price_per_mwh[2, 1]
    assert row["reserve:east"] == found.reserves()["east"].iloc[1]


def test_without_a_network_there_is_one_price(congested: Study) -> None:
    _, found = solved(congested, NO_NETWORK)
    assert found.bus == ("system",)
    assert found.price_per_mwh.shape == (1, 4)
    assert not found.congestion_per_mwh.any()
    assert found.congestion_rent == pytest.approx(0.0, abs=1e-9)
    assert set(found.table()["bus"]) == {"system"}


def test_a_plan_from_elsewhere_has_prices_too(congested: Study) -> None:
    run, found = solved(congested)
    assert run.schedule is not None
    again = prices(run.schedule)
    assert np.array_equal(again.price_per_mwh, found.price_per_mwh)
    assert np.array_equal(again.reserve_per_mwh, found.reserve_per_mwh)
    without = prices(run.schedule, NO_NETWORK)
    assert without.congestion_rent == pytest.approx(0.0, abs=1e-9)


def test_scenarios_have_prices_of_their_own(make_study: MakeStudy) -> None:
    def scenario(name: str, factor: float) -> Scenario:
        none = np.zeros((0, 4))
        return Scenario(name, 0.5, factor * make_study().demand_mw, none, none)

    study = replace(make_study(), scenarios=(scenario("low", 0.9), scenario("high", 1.1)))
    run = gridopt.solve(study, gap=1e-6)
    with pytest.raises(StudyError, match="each of ScenarioSchedules"):
        prices(run)
    assert isinstance(run.plan, gridopt.results.ScenarioSchedules)
    low, high = (prices(schedule, run.formulation) for schedule in run.plan.schedules)
    assert low.energy_per_mwh.mean() < high.energy_per_mwh.mean()


def test_no_plan_has_no_price(congested: Study) -> None:
    run, _ = solved(congested)
    assert run.schedule is not None
    units = replace(congested.thermal, must_run=np.ones(2, dtype=np.bool_))
    all_off = replace(run.schedule, committed=np.zeros((2, 4), np.bool_))
    must_run = replace(congested, thermal=units)
    with pytest.raises(StudyError, match="one with which some dispatch keeps all rules"):
        prices(replace(all_off, study=must_run))
    none = gridopt.solve(
        replace(congested, reserves=Reserves.spinning(np.full(4, 900.0))), network="dc"
    )
    with pytest.raises(StudyError, match="schedule = none"):
        prices(none)


def test_the_figure_shows_energy_buses_and_reserve(congested: Study) -> None:
    _, found = solved(congested)
    figure = gridopt.plots.prices(found)
    (legend,) = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["3 buses, lowest to highest", "energy", "system", "east"]
    _, found = solved(congested, NO_NETWORK)
    (legend,) = gridopt.plots.prices(found).legends
    assert legend.get_texts()[0].get_text() == "energy"


# --- the linear program ---------------------------------------------------------------------------


def test_duals_of_a_program_by_hand() -> None:
    """Minimize 2x + y² with x + y ≥ 4, x − y ≤ 1, x ≤ 10: y = 1.5, x = 2.5, both rows bind."""
    b = ProgramBuilder()
    x, y = b.variable("x", (1,), upper=10.0), b.variable("y", (1,), upper=10.0)
    b.minimize(2.0, x)
    b.minimize_product(1.0, y, y)
    b.constrain("sum", (1.0, x), (1.0, y), lower=4.0)
    b.constrain("difference", (1.0, x), (-1.0, y), upper=1.0)
    found = linear_prices(b.program())
    assert found is not None
    expected: FloatArray = np.array([2.5, 1.5])
    assert found.x == pytest.approx(expected)
    # 2 = s + d and 2y = 3 = s − d
    assert found.row_price == pytest.approx(np.array([2.5, -0.5]), abs=1e-5)
    assert found.objective == pytest.approx(5.0 + 2.25)


def test_no_answer_no_prices() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (1,), upper=1.0)
    b.constrain("high", (1.0, x), lower=2.0)
    assert linear_prices(b.program()) is None
    free = ProgramBuilder()
    free.minimize(-1.0, free.variable("x", (1,)))
    assert linear_prices(free.program()) is None


def test_prices_agree_with_the_search(make_study: MakeStudy) -> None:
    run, found = solved(make_study(), NO_NETWORK)
    assert gridopt.verify(run.study, found.schedule).total_cost == pytest.approx(run.cost)
    assert isinstance(run.solver, HiGHS)
