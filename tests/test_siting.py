"""Sites of a study from what a user says, and the profile that serves the day's peak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gridopt.arrays import FloatArray
from gridopt.elements import CostCurve, ThermalUnits
from gridopt.errors import StudyError, UnknownNameError
from gridopt.io.battery_modules import read_modules
from gridopt.sites import BatteryModules, Sites
from gridopt.siting import DEFAULT_MODULE, daily_profile, with_sites
from gridopt.study import Study

MakeStudy = Callable[..., Study]
Modules = Callable[..., BatteryModules]


@pytest.fixture(scope="module")
def tree(make_tree: MakeStudy) -> Study:
    return make_tree()


def test_defaults(tree: Study) -> None:
    study = with_sites(tree)
    sites = study.sites
    assert sites.bus.tolist() == [0, 1, 2, 3, 4]
    assert sites.modules.name == (DEFAULT_MODULE,)
    assert sites.count is None
    assert sites.budget is None
    assert (sites.modules_max, sites.modules_min) == (1, 1)
    assert sites.is_optimized
    assert np.isinf(sites.voltage_cost_per_pu_h)
    assert np.isinf(sites.overload_cost_per_mwh)
    assert sites.loss_cost_per_mwh.tolist() == [30.0, 20.0, 90.0, 60.0]
    assert "losses cost what trade at the reference bus costs" in study.assumptions
    assert len(tree.sites) == 0


def test_what_is_given_is_kept(tree: Study, make_modules: Modules) -> None:
    study = with_sites(
        tree, ["end", 2], make_modules("large"), count=1, budget=300.0, modules_max=3,
        modules_min=2, loss_cost_per_mwh=7.0, voltage_cost_per_pu_h=5.0, overload_cost_per_mwh=6.0,
        peak_cost_per_mw=8.0, vm_min_pu=0.97, vm_max_pu=1.03,
    )  # fmt: skip
    sites = study.sites
    assert sites.bus.tolist() == [4, 2]
    assert sites.modules.name == ("large",)
    assert (sites.count, sites.budget, sites.modules_max, sites.modules_min) == (1, 300.0, 3, 2)
    assert sites.loss_cost_per_mwh.tolist() == [7.0] * 4
    assert (sites.voltage_cost_per_pu_h, sites.overload_cost_per_mwh) == (5.0, 6.0)
    assert sites.peak_cost_per_mw == 8.0
    assert study.radial.vm_min_pu.tolist() == [0.97] * 5
    assert study.radial.vm_max_pu.tolist() == [1.03] * 5
    assert with_sites(tree, vm_max_pu=1.05).radial.vm_min_pu.tolist() == [0.9] * 5


def test_losses_cost_what_the_unit_at_the_reference_bus_costs(
    tree: Study, make_study: MakeStudy, make_units: Callable[..., ThermalUnits]
) -> None:
    curve = CostCurve((0.0, 50.0), (0.0, 1000.0), 0.5)
    one = make_units(initial_power_mw=np.full(2, np.nan)).picked(np.array([0]))
    one = replace(one, cost=(curve,), p_min_mw=np.array([0.0]), p_max_mw=np.array([50.0]))
    status = np.full((1, tree.n_periods), -1)
    none = replace(
        tree.exchange, element=(), name=(), bus=np.zeros(0, dtype=np.int64),
        import_max_mw=np.zeros(0), export_max_mw=np.zeros(0),
        price_per_mwh=np.zeros((0, 4)), slope_per_mw2h=np.zeros((0, 4)),
    )  # fmt: skip
    study = replace(tree, thermal=one, fixed_status=status, exchange=none)
    found = with_sites(study)
    assert found.sites.loss_cost_per_mwh.tolist() == [20.0 + 0.5 * 2.0 * 25.0] * 4
    assert "losses cost 45 a MWh: what base costs" in found.assumptions
    away = with_sites(replace(study, thermal=replace(one, bus=np.array([3]))))
    assert away.sites.loss_cost_per_mwh.size == 0
    assert "losses cost nothing: energy has no price at the reference bus" in away.assumptions
    meshed = with_sites(make_study())
    assert meshed.sites.loss_cost_per_mwh.size == 0


def test_negative_prices_do_not_reward_losses(make_tree: MakeStudy) -> None:
    study = with_sites(make_tree(price=(-5.0, 1.0, 2.0, 3.0)))
    assert study.sites.loss_cost_per_mwh.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_every_fault_is_told_at_once(tree: Study) -> None:
    with pytest.raises(StudyError) as found:
        with_sites(
            tree, [3, 17, "nowhere"], "li_ion_9mw", count=40, budget=-1.0, modules_min=2,
            peak_cost_per_mw=-1.0, vm_min_pu=1.1, vm_max_pu=0.9,
        )  # fmt: skip
    assert {(issue.element, issue.field) for issue in found.value.issues} == {
        ("candidate 17", "bus"),
        ("candidate nowhere", "bus"),
        ("battery modules", "name"),
        ("battery sites", "count"),
        ("battery sites", "budget"),
        ("battery sites", "modules_min"),
        ("battery sites", "peak_cost_per_mw"),
        ("battery sites", "vm_min_pu"),
    }
    assert "did you mean li_ion_" in str(found.value)


def test_faults_of_a_table_and_of_candidates_are_told_together(tree: Study) -> None:
    with pytest.raises(StudyError) as found:
        with_sites(tree, [17], "mine", catalogue=pd.DataFrame({"name": ["mine"], "power_mw": [1]}))
    fields = [issue.field for issue in found.value.issues]
    assert fields[0] == "bus"
    assert set(fields[1:]) == {"column"}


def test_an_unknown_module_alone_is_an_unknown_name(tree: Study) -> None:
    with pytest.raises(UnknownNameError, match=r"'li_ion_9mw'; did you mean li_ion_"):
        with_sites(tree, modules=["li_ion_1mw_2h", "li_ion_9mw"])


def test_named_twice_by_index_and_by_name(tree: Study) -> None:
    with pytest.raises(StudyError, match="candidate north: bus = named twice, expected once"):
        with_sites(tree, [2, "north"])


@pytest.mark.parametrize("band", [{"vm_min_pu": 0.95}, {"vm_max_pu": 1.05}])
def test_a_voltage_band_needs_a_feeder(band: dict[str, float], make_study: MakeStudy) -> None:
    expected = (
        r"battery sites: voltage band = given, expected a radial grid, or operation = .profile.: "
        "the study has no feeder"
    )
    with pytest.raises(StudyError, match=expected):
        with_sites(make_study(), **band)  # type: ignore[arg-type]


@pytest.mark.parametrize("band", [{"vm_min_pu": 1.2}, {"vm_min_pu": np.nan}, {"vm_max_pu": 0.5}])
def test_a_voltage_band_is_no_void(band: dict[str, float], tree: Study) -> None:
    with pytest.raises(StudyError, match=r"vm_min_pu = .*, expected at most vm_max_pu = "):
        with_sites(tree, **band)  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", ["optimized", "profile"])
def test_a_module_without_power_is_one_fault(
    operation: str, tree: Study, make_modules: Modules
) -> None:
    nothing = make_modules("small", power_mw=np.zeros(1))
    with pytest.raises(StudyError, match=r"1 fault.*\n.*module small: power_mw = 0.0"):
        with_sites(tree, modules=nothing, operation=operation)  # type: ignore[arg-type]


# --- the profile ----------------------------------------------------------------------------------


def system(make_study: MakeStudy, demand_mw: FloatArray, period_h: float) -> Study:
    return make_study(demand_mw=demand_mw, period_h=period_h)


def profiles(make_study: MakeStudy, period_h: float) -> Iterator[tuple[BatteryModules, FloatArray]]:
    """Yield all shipped modules and their profile, for random demand of one period to four days."""
    kinds = read_modules()
    rng = np.random.default_rng(7)
    day = round(24.0 / period_h)
    for T in (*range(1, day + 4), 2 * day, 2 * day + 1, 3 * day, 4 * day):
        yield kinds, daily_profile(system(make_study, rng.uniform(20.0, 150.0, T), period_h), kinds)


@pytest.mark.parametrize("period_h", [1.0, 0.25])
def test_a_profile_returns_to_its_start(period_h: float, make_study: MakeStudy) -> None:
    for kinds, profile in profiles(make_study, period_h):
        assert np.abs(profile).max() <= 1.0
        held = Sites(modules=kinds, profile=profile).profile_soc_mwh(period_h)
        assert held[:, -1] == pytest.approx(held[:, 0], abs=1e-9 * kinds.usable_mwh.max())
        assert (held.max(axis=1) <= kinds.usable_mwh * (1 + 1e-9)).all()


@pytest.mark.parametrize("period_h", [1.0, 0.25])
def test_a_day_empties_and_fills_all_of_it(period_h: float, make_study: MakeStudy) -> None:
    kinds = read_modules()
    demand = np.random.default_rng(3).uniform(20.0, 150.0, round(24.0 / period_h))
    study = system(make_study, demand, period_h)
    profile = daily_profile(study, kinds)
    held = Sites(modules=kinds, profile=profile).profile_soc_mwh(period_h)
    drawn = period_h * np.maximum(profile, 0.0).sum(axis=1) * kinds.power_mw
    assert drawn == pytest.approx(kinds.usable_mwh * kinds.discharge_efficiency)
    assert (held.max(axis=1) <= kinds.usable_mwh * (1 + 1e-9)).all()
    for row in profile:
        # no hour of discharge has less demand than one without, and the other way round
        assert demand[row > 0].min() >= demand[row <= 0].max()
        assert demand[row < 0].max() <= demand[row >= 0].min()
        partly = (np.abs(row) > 1e-9) & (np.abs(row) < 1.0)
        assert partly.sum() <= 2  # the last hour of each


def test_full_before_one_peak_and_after_another(make_study: MakeStudy) -> None:
    # the peak in the evening of the first day, in the morning of the second
    rise = np.linspace(20.0, 90.0, 24)
    kinds = read_modules()
    study = system(make_study, np.concatenate([rise, rise[::-1]]), 1.0)
    profile = daily_profile(study, kinds)
    held = Sites(modules=kinds, profile=profile).profile_soc_mwh(1.0)
    assert held.max(axis=1) == pytest.approx(kinds.usable_mwh)
    assert with_sites(study, modules=kinds, operation="profile").sites.profile.shape == (7, 48)


def test_a_profile_of_a_study(tree: Study, make_modules: Modules) -> None:
    study = with_sites(tree, modules=make_modules(), operation="profile")
    assert study.sites.profile.shape == (2, 4)
    assert not study.sites.is_optimized
    assert np.array_equal(study.sites.profile, daily_profile(tree, make_modules()))
    assert (study.sites.profile[:, 2] > 0).all()
    assert (study.sites.profile[:, 1] < 0).all()
    assert study.assumptions[-1].startswith("batteries run by one profile")
