"""Days that stand for a longer study, as its scenarios."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import gridopt
from gridopt.elements import Exchange, Renewables
from gridopt.errors import StudyError
from gridopt.feeder import Feeder
from gridopt.grid import Grid
from gridopt.io.shipped import kazarlis
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study
from gridopt.verification import verify

P = 24
MakeStudy = Callable[..., Study]

SHAPE = 60.0 + 30.0 * np.sin(np.arange(P) / P * 2.0 * np.pi)
SUN = 20.0 * np.maximum(np.sin((np.arange(P) - 6.0) / 12.0 * np.pi), 0.0)


@pytest.fixture(scope="module")
def of_days(make_study: MakeStudy) -> Callable[..., Study]:
    """Return the maker of a study of days with these scales of demand, sun and price."""

    def make(demand: list[float], sun: list[float], price: list[float]) -> Study:
        T = P * len(demand)
        infeed = np.outer(sun, SUN).reshape(1, T)
        return make_study(
            demand_mw=np.outer(demand, SHAPE).reshape(1, T),
            time=pd.date_range("2016-01-01", periods=T, freq="h", tz="UTC"),
            renewables=Renewables(
                (("sgen", 0),), ("sun",), np.array([0]), 0.0 * infeed, infeed, np.array([0.0])
            ),
            exchange=Exchange(
                (("ext_grid", 0),),
                ("market",),
                np.array([0]),
                np.array([200.0]),
                np.array([200.0]),
                np.repeat(price, P)[np.newaxis],
                np.zeros((1, T)),
            ),
        )

    return make


@pytest.fixture(scope="module")
def month(of_days: Callable[..., Study]) -> Study:
    rng = np.random.default_rng(1)
    draws = [list(rng.uniform(low, high, 28)) for low, high in ((0.6, 1.2), (0, 3), (20, 60))]
    return of_days(*draws)


def test_days_are_real_and_weighted(month: Study) -> None:
    found = gridopt.representative_days(month, 6)
    assert len(found.scenarios) == 6
    assert found.n_periods == P
    assert sum(part.probability for part in found.scenarios) == pytest.approx(1.0, abs=1e-12)
    assert all(round(28 * part.probability, 9).is_integer() for part in found.scenarios)
    for part in found.scenarios:
        first = 24 * (pd.Timestamp(part.name, tz="UTC") - month.time[0]).days
        there = month.during(first, P)
        assert np.array_equal(part.demand_mw, there.demand_mw)
        assert np.array_equal(part.renewable_max_mw, there.renewables.p_max_mw)
        assert np.array_equal(part.price_per_mwh, there.exchange.price_per_mwh)
        certain = found.in_scenario(part)
        assert np.array_equal(certain.exchange.price_per_mwh, there.exchange.price_per_mwh)
    mean = sum(part.probability * part.demand_mw for part in found.scenarios)
    assert found.demand_mw == pytest.approx(mean)
    assert any(note.startswith("6 days stand for 28: ") for note in found.assumptions)
    energy = float(found.total_demand_mw.mean() / month.total_demand_mw.mean() - 1.0)
    assert any(
        f"energy of demand is off by {100 * energy:+.2f} %" in it for it in found.assumptions
    )


def test_extremes_are_among_them(month: Study) -> None:
    left = (month.total_demand_mw - month.renewables.p_max_mw.sum(axis=0)).reshape(-1, P)
    found = gridopt.representative_days(month, 4)
    some = [
        part.demand_mw.sum(axis=0) - part.renewable_max_mw.sum(axis=0) for part in found.scenarios
    ]
    assert np.max(some) == left.max()
    assert np.min(some) == left.min()
    assert min(part.probability for part in found.scenarios) == pytest.approx(1.0 / 28.0)
    free = gridopt.representative_days(month, 1, extremes=False)
    assert [part.probability for part in free.scenarios] == [1.0]


def test_same_study_same_days(month: Study) -> None:
    first, again = (gridopt.representative_days(month, 5) for _ in range(2))
    assert first.fingerprint() == again.fingerprint()
    assert first.fingerprint() != gridopt.representative_days(month, 6).fingerprint()


@pytest.mark.parametrize("extremes", [True, False])
def test_exact_where_days_repeat(of_days: Callable[..., Study], extremes: bool) -> None:
    kinds = [0, 1, 2, 1, 0, 1, 1, 2, 0, 1]
    demand, sun, price = [0.8, 1.0, 1.1], [2.0, 0.5, 1.0], [30.0, 20.0, 50.0]
    year = of_days(*[[values[kind] for kind in kinds] for values in (demand, sun, price)])
    for n_days in (3, 8):
        found = gridopt.representative_days(year, n_days, extremes=extremes)
        weights = {float(part.price_per_mwh[0, 0]): part.probability for part in found.scenarios}
        assert weights == pytest.approx({30.0: 0.3, 20.0: 0.5, 50.0: 0.2})
        energy = year.renewables.p_max_mw.mean()
        assert found.renewables.p_max_mw.mean() == pytest.approx(energy)


def test_cost_is_that_of_a_mean_day_at_its_own_price(of_days: Callable[..., Study]) -> None:
    year = of_days([1.0, 1.0], [0.0, 0.0], [10.0, 12.0])
    none = replace(year.thermal, must_run=np.zeros(2, dtype=bool))
    year = replace(year, thermal=none)
    found = gridopt.representative_days(year, 2)
    run = gridopt.solve(found, "unit_commitment", HiGHS(gap=1e-6))
    assert run.plan is not None
    assert run.is_feasible
    bought = {
        part.name: float(it.import_mw.sum())
        for part, it in zip(found.scenarios, run.plan.schedules, strict=True)  # type: ignore[union-attr]
    }
    expected = 0.5 * (10.0 * bought["2016-01-01"] + 12.0 * bought["2016-01-02"])
    assert verify(found, run.plan).cost["exchange"] == pytest.approx(expected)


def test_what_is_refused(month: Study) -> None:
    chosen = gridopt.representative_days(month, 5)
    twice = {
        "whole days of 24 h": (month.during(0, 30), 2),
        "3 to the number of days, 28": (month, 29),
        "3 to the number": (month, 2),
        "at least 1": (month, 0),
        "days become scenarios": (chosen, 1),
        "same every day": (replace(kazarlis_days(), reserves=kazarlis_days().reserves), 1),
    }
    for message, (study, n_days) in twice.items():
        with pytest.raises(StudyError, match=message):
            gridopt.representative_days(study, n_days)


def kazarlis_days() -> Study:
    """Return two days of the benchmark, with more reserve on the second."""
    day = kazarlis()
    reserves = day.reserves
    return replace(
        day,
        time=pd.RangeIndex(2 * P),
        demand_mw=np.tile(day.demand_mw, 2),
        fixed_status=np.tile(day.fixed_status, 2),
        renewables=Renewables.none(2 * P),
        exchange=Exchange.none(2 * P),
        flexible=type(day.flexible).none(2 * P),
        reserves=replace(
            reserves, required_mw=np.hstack([reserves.required_mw, 1.1 * reserves.required_mw])
        ),
    )


def test_shape_of_prices_is_checked(month: Study) -> None:
    found = gridopt.representative_days(month, 5)
    wrong = replace(found.scenarios[0], price_per_mwh=np.zeros((2, P)))
    with pytest.raises(StudyError, match=r"price_per_mwh = \(2, 24\)"):
        replace(found, scenarios=(wrong, *found.scenarios[1:]))


def test_part_of_the_day_keeps_prices(month: Study) -> None:
    found = gridopt.representative_days(month, 5)
    part = found.during(6, 4)
    for whole, cut in zip(found.scenarios, part.scenarios, strict=True):
        assert np.array_equal(whole.price_per_mwh[:, 6:10], cut.price_per_mwh)
    without = replace(found.scenarios[0], price_per_mwh=np.zeros((0, 0)))
    mean = found.in_scenario(without).exchange.price_per_mwh
    assert np.array_equal(mean, found.exchange.price_per_mwh)


def test_losses_cost_what_energy_costs_on_the_day(of_days: Callable[..., Study]) -> None:
    year = of_days([1.0, 0.9], [0.0, 1.0], [10.0, 12.0])
    grid = Grid(
        bus_name=("bus 0", "bus 1"),
        from_bus=np.array([0]),
        to_bus=np.array([1]),
        branch_element=(("line", 0),),
        branch_name=("line 0",),
        susceptance_mw=np.array([1000.0]),
        shift_rad=np.zeros(1),
        rating_mw=np.array([200.0]),
        shunt_mw=np.zeros(2),
    )
    feeder = Feeder(
        *(grid, 100.0, np.array([0.01]), np.array([0.01]), np.ones(1), np.zeros(2), np.zeros(2)),
        *(1.0, np.full(2, 0.9), np.full(2, 1.1)),
    )
    demand = np.vstack([np.zeros(2 * P), year.demand_mw[0]])
    year = replace(year, grid=grid, feeder=feeder, demand_mw=demand)
    before = gridopt.with_sites(gridopt.representative_days(year, 2))
    after = gridopt.representative_days(gridopt.with_sites(year), 2)
    for study in (before, after):
        price = {it.name: study.in_scenario(it).sites.loss_cost_per_mwh for it in study.scenarios}
        assert {name: set(values) for name, values in price.items()} == {
            "2016-01-01": {10.0},
            "2016-01-02": {12.0},
        }
        assert study.during(3, 4).scenarios[0].loss_cost_per_mwh.shape == (4,)
