"""What batteries may be bought and placed, and what no study can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gridopt.errors import Issue, StudyError
from gridopt.sites import BatteryModules, Sites, annuity
from gridopt.study import Study

Modules = Callable[..., BatteryModules]
MakeStudy = Callable[..., Study]

T = 4
RUN = np.array([[-0.5, -0.5, 0.5 * 0.95 * 0.9, 0.5 * 0.95 * 0.9]])
"""Of a "small" module: charge in the first half, discharge in the second."""

SMALL_MODULES: dict[str, tuple[str, float, str]] = {
    # name: field, bad value, what is expected
    "zero power": ("power_mw", 0.0, "more than 0"),
    "negative power": ("power_mw", -1.0, "more than 0"),
    "endless power": ("power_mw", np.inf, "more than 0"),
    "zero energy": ("energy_mwh", 0.0, "more than 0"),
    "negative energy": ("energy_mwh", -2.0, "more than 0"),
    "efficiency 0": ("charge_efficiency", 0.0, "more than 0, at most 1"),
    "efficiency above 1": ("charge_efficiency", 1.01, "more than 0, at most 1"),
    "discharge efficiency 0": ("discharge_efficiency", 0.0, "more than 0, at most 1"),
    "discharge efficiency above 1": ("discharge_efficiency", 1.5, "more than 0, at most 1"),
    "no depth": ("depth_of_discharge", 0.0, "more than 0, at most 1"),
    "too deep": ("depth_of_discharge", 1.2, "more than 0, at most 1"),
    "negative investment": ("investment_cost", -1.0, "at least 0"),
    "negative yearly cost": ("annual_cost", -1.0, "at least 0"),
    "no wear": ("degradation_cost_per_mwh", np.nan, "at least 0"),
}


def faults(study: Study, **sites: object) -> tuple[Issue, ...]:
    """Return what is wrong with sites at two of the buses of a study."""
    with pytest.raises(StudyError) as found:
        replace(study, sites=Sites(**{"bus": np.array([0, 2]), **sites}))  # type: ignore[arg-type]
    return found.value.issues


@pytest.fixture(scope="module")
def study(make_study: MakeStudy, make_triangle: Callable[[], object]) -> Study:
    return make_study(grid=make_triangle())


@pytest.mark.parametrize("name", SMALL_MODULES)
def test_a_module_that_cannot_be(name: str, study: Study, make_modules: Modules) -> None:
    field, value, expected = SMALL_MODULES[name]
    kinds = make_modules("small", **{field: np.array([value])})
    (issue,) = faults(study, modules=kinds)
    assert (issue.element, issue.field, issue.expected) == ("module small", field, expected)
    assert issue.value == value or np.isnan(issue.value)


def test_all_faults_of_all_modules_are_told(study: Study, make_modules: Modules) -> None:
    kinds = make_modules(power_mw=np.array([0.0, -1.0]), energy_mwh=np.array([1.0, 0.0]))
    found = [(issue.element, issue.field) for issue in faults(study, modules=kinds)]
    assert found == [
        ("module small", "power_mw"),
        ("module large", "power_mw"),
        ("module large", "energy_mwh"),
    ]


SITES: dict[str, tuple[dict[str, object], str, str, str]] = {
    # name: what is given, element, field, what is expected
    "count above candidates": ({"count": 3}, "battery sites", "count", "candidates, 2"),
    "negative count": ({"count": -1}, "battery sites", "count", "0 to the number"),
    "negative budget": ({"budget": -1.0}, "battery sites", "budget", "at least 0"),
    "no budget": ({"budget": np.nan}, "battery sites", "budget", "at least 0"),
    "no modules": ({"modules_max": 0}, "battery sites", "modules_max", "at least 1"),
    "least above most": (
        {"modules_max": 2, "modules_min": 3}, "battery sites", "modules_min", "1 to modules_max = 2"
    ),
    "least of none": ({"modules_min": 0}, "battery sites", "modules_min", "1 to modules_max = 1"),
    "no kind": ({"modules": BatteryModules()}, "battery sites", "modules", "at least one"),
    "voltage": ({"voltage_cost_per_pu_h": -1.0}, "battery sites", "voltage_cost_per_pu_h", "at"),
    "overload": ({"overload_cost_per_mwh": -1.0}, "battery sites", "overload_cost_per_mwh", "at"),
    "peak": ({"peak_cost_per_mw": -1.0}, "battery sites", "peak_cost_per_mw", "at least 0"),
    "losses": (
        {"loss_cost_per_mwh": np.array([1.0, 1.0, -2.0, 1.0])},
        "battery sites", "loss_cost_per_mwh", "at least 0",
    ),
    "endless peak": ({"peak_cost_per_mw": np.inf}, "battery sites", "peak_cost_per_mw", "at"),
    "endless losses": (
        {"loss_cost_per_mwh": np.full(4, np.inf)}, "battery sites", "loss_cost_per_mwh", "at"
    ),
    "no price of losses": (
        {"loss_cost_per_mwh": np.full(4, np.nan)}, "battery sites", "loss_cost_per_mwh", "at least"
    ),
    "hours of losses": (
        {"loss_cost_per_mwh": np.ones(3)}, "battery sites", "loss_cost_per_mwh", "4 values"
    ),
    "named twice": ({"bus": np.array([2, 0, 2, 2])}, "candidate bus 2", "bus", "once"),
    "profile of wrong length": (
        {"profile": np.zeros((1, 3))}, "battery sites", "shape of profile", "(1, 4)"
    ),
    "profile of wrong kinds": (
        {"profile": np.zeros((2, 4))}, "battery sites", "shape of profile", "(1, 4)"
    ),
    "profile beyond power": (
        {"profile": np.array([[-1.5, 0.0, 0.0, 1.5 * 0.95 * 0.9]])},
        "battery sites", "profile", "shares of the power, at most 1",
    ),
    "profile not as full": (
        {"profile": np.array([[-0.5, 0.0, 0.0, 0.5]])},
        "battery sites", "change of energy by the profile of small", "0 MWh",
    ),
    "profile too large": (
        {"profile": np.array([[-1.0, -1.0, -1.0, 1.0]])},
        "battery sites", "energy of the profile of small", "at most the usable 1 MWh",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SITES)
def test_sites_that_cannot_be(name: str, study: Study, make_modules: Modules) -> None:
    given, element, field, expected = SITES[name]
    found = faults(study, **{"modules": make_modules("small"), **given})
    hits = [issue for issue in found if (issue.element, issue.field) == (element, field)]
    assert len(hits) == 1
    assert expected in hits[0].expected
    assert name in ("no modules", "profile too large") or len(found) == 1


def test_all_faults_of_sites_are_told_at_once(study: Study, make_modules: Modules) -> None:
    found = faults(
        study,
        modules=make_modules("small", power_mw=np.array([0.0])),
        count=9,
        budget=-1.0,
        modules_max=1,
        modules_min=2,
        peak_cost_per_mw=-1.0,
    )
    assert {issue.field for issue in found} == {
        *("power_mw", "count", "budget", "modules_min", "peak_cost_per_mw")
    }


def test_a_study_without_candidates_is_not_judged(study: Study) -> None:
    assert len(replace(study, sites=Sites(count=7)).sites) == 0


def test_a_profile_that_fits_is_taken(study: Study, make_modules: Modules) -> None:
    kinds = make_modules("small")
    found = replace(study, sites=Sites(bus=np.array([0]), modules=kinds, profile=RUN)).sites
    assert not found.is_optimized
    # 0.5 MW of 0.5 · power for two hours at 95 %, taken out at 90 %
    gained = 0.25 * 0.95
    expected = [[0.0, gained, 2 * gained, gained, 0.0]]
    assert found.profile_soc_mwh(1.0) == pytest.approx(np.array(expected))
    assert found.profile_soc_mwh(0.5) == pytest.approx(np.array(expected) / 2.0)


def test_profiles_count_from_the_least_that_is_held(make_modules: Modules) -> None:
    sites = Sites(modules=make_modules("small"), profile=RUN[:, ::-1])
    soc = sites.profile_soc_mwh(1.0)
    assert soc.min() == 0.0
    assert soc[0, 0] == pytest.approx(soc[0, -1]) == pytest.approx(0.475)
    assert soc[0, 2] == pytest.approx(0.0)


def test_some_of_the_hours(study: Study, make_modules: Modules) -> None:
    prices = np.arange(4.0)
    sites = Sites(np.array([0]), make_modules("small"), profile=RUN, loss_cost_per_mwh=prices)
    part = sites.during(slice(1, 3))
    assert part.profile.tolist() == RUN[:, 1:3].tolist()
    assert part.loss_cost_per_mwh.tolist() == [1.0, 2.0]
    assert Sites().during(slice(0, 1)).is_optimized
    free = Sites(np.array([0]), make_modules("small"), loss_cost_per_mwh=prices)
    assert replace(study, sites=free).during(1, 2).sites.loss_cost_per_mwh.tolist() == [1.0, 2.0]


def test_annuities_against_the_formula() -> None:
    years = np.array([1.0, 15.0, 40.0])
    assert annuity(0.0, years) == pytest.approx(1.0 / years)
    # what is paid each year pays the interest on what is left, and at the end nothing is left
    for rate in (0.01, 0.07):
        left = np.ones(3)
        for year in range(40):
            left = np.where(year < years, left * (1.0 + rate) - annuity(rate, years), left)
        assert left == pytest.approx(np.zeros(3), abs=1e-12)
    assert annuity(0.07, np.array([15.0])) == pytest.approx(0.1097946, rel=1e-6)
    assert annuity(1e-9, years) == pytest.approx(annuity(0.0, years), rel=1e-6)


def test_modules_cost_their_share_of_a_year(make_modules: Modules) -> None:
    sites = Sites(modules=make_modules())
    assert sites.module_cost(24.0) == pytest.approx(24.0 * np.array([1.0, 1.5]))
    assert sites.module_cost(8760.0) == pytest.approx(sites.modules.annual_cost)
    assert sites.modules.usable_mwh.tolist() == [1.0, 1.6]


def test_sites_count_in_the_fingerprint(study: Study, make_modules: Modules) -> None:
    sites = Sites(np.array([0]), make_modules("small"))
    prints = {
        replace(study, sites=each).fingerprint()
        for each in (Sites(), sites, replace(sites, count=1), replace(sites, budget=5.0))
    }
    assert len(prints) == 4
