"""Every way to write a rule has the same optimum, and the tighter one a relaxation no lower."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import combinations, product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gridopt.elements import CostCurve, StartupCost, ThermalUnits
from gridopt.formulations.unit_commitment import CHOICES, UnitCommitment
from gridopt.io.pglib_uc import read_pglib_uc
from gridopt.program import Program
from gridopt.requirements import Reserves
from gridopt.results import Schedule
from gridopt.solvers.highs import HiGHS
from gridopt.study import FIXED_ON, FREE, Study
from gridopt.verification import verify

MakeStudy = Callable[..., Study]
MakeUnits = Callable[..., ThermalUnits]

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "pglib-uc"


def loaded(path: Path) -> ModuleType:
    """Return a module from its file."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ORACLE = loaded(Path(__file__).with_name("test_enumeration.py"))

FORMS = ("generation_limits", "segments", "ramps", "startup_cost")
COMBINATIONS = [
    {
        form: CHOICES[form][level % len(CHOICES[form])]
        for form, level in zip(FORMS, (i, j, (i + j) % 3, (i + 2 * j) % 3), strict=True)
    }
    for i, j in product(range(3), repeat=2)
]
"""An orthogonal array (Taguchi's L9): every two values of two options meet."""

PIECES = CostCurve((10.0, 25.0, 45.0, 60.0), (500.0, 800.0, 1300.0, 1750.0))
BASE = CostCurve((40.0, 60.0, 70.0, 100.0), (900.0, 1100.0, 1250.0, 1850.0))

CASES: dict[str, dict[str, object]] = {
    **{name: case for name, case in ORACLE.CASES.items() if name != "plain"},
    "one period on, tight, with reserve": {
        "demand_mw": (75.0, 105.0, 78.0, 112.0),
        "reserves": Reserves.spinning(np.array([4.0, 14.0, 6.0, 8.0])),
        "units": {
            "min_up_time_h": np.array([1.0, 1.0]),
            "startup_ramp_mw": np.array([55.0, 38.0]),
            "shutdown_ramp_mw": np.array([48.0, 31.0]),
        },
    },
    "ramps bind, starts above them": {
        "demand_mw": (70.0, 98.0, 125.0, 72.0),
        "units": {
            "ramp_up_mw_per_h": np.array([9.0, 13.0]),
            "ramp_down_mw_per_h": np.array([20.0, 15.0]),
            "startup_ramp_mw": np.array([90.0, 60.0]),
            "shutdown_ramp_mw": np.array([95.0, 50.0]),
        },
    },
    "long way up": {
        "demand_mw": (55.0, 80.0, 110.0, 120.0, 90.0),
        "units": {
            "ramp_up_mw_per_h": np.array([12.0, 14.0]),
            "ramp_down_mw_per_h": np.array([25.0, 22.0]),
            "startup_ramp_mw": np.array([42.0, 15.0]),
            "shutdown_ramp_mw": np.array([75.0, 20.0]),
            "min_up_time_h": np.array([2.0, 4.0]),
        },
    },
    "a stop right after the climb": {
        "demand_mw": (80.0, 110.0, 135.0, 60.0),
        "units": {
            "ramp_up_mw_per_h": np.array([30.0, 14.0]),
            "ramp_down_mw_per_h": np.array([60.0, 60.0]),
            "startup_ramp_mw": np.array([60.0, 24.0]),
            "shutdown_ramp_mw": np.array([60.0, 36.0]),
            "min_up_time_h": np.array([3.0, 2.0]),
        },
    },
    "first power unknown": {
        "demand_mw": (100.0, 45.0, 60.0, 80.0),
        "units": {
            "initial_power_mw": np.array([np.nan, 0.0]),
            "ramp_up_mw_per_h": np.array([15.0, 20.0]),
            "ramp_down_mw_per_h": np.array([15.0, 20.0]),
        },
    },
    "three kinds of start": {
        "demand_mw": (130.0, 60.0, 30.0, 128.0),
        "units": {
            "min_down_time_h": np.array([1.0, 1.0]),
            "min_up_time_h": np.array([1.0, 1.0]),
            "initial_status_h": np.array([5.0, -1.0]),
            "startup_cost": (
                StartupCost((1.0, 2.0, 3.0), (80.0, 300.0, 900.0)),
                StartupCost((1.0, 3.0, 4.0), (20.0, 120.0, 700.0)),
            ),
        },
    },
    "no room above the minimum": {
        "demand_mw": (90.0, 110.0, 130.0, 70.0),
        "units": {
            "p_min_mw": np.array([40.0, 30.0]),
            "p_max_mw": np.array([100.0, 30.0]),
            "cost": (BASE, CostCurve((30.0, 60.0), (700.0, 1500.0))),
        },
    },
    "fixed hours": {
        "fixed_status": np.array([[FREE] * 4, [FREE, FREE, FIXED_ON, FREE]]),
        "units": {"min_up_time_h": np.array([3.0, 2.0])},
    },
    "one period": {"demand_mw": (75.0,)},
}


@pytest.fixture(scope="module", params=CASES)
def study(request: pytest.FixtureRequest, make_study: MakeStudy, make_units: MakeUnits) -> Study:
    """Return a study of two units whose piecewise cost has several segments."""
    changes = dict(CASES[request.param])
    given = {"cost": (BASE, PIECES), **changes.pop("units", {})}  # type: ignore[dict-item]
    prices = {"unserved_cost_per_mwh": 300.0, "surplus_cost_per_mwh": None}
    return make_study(thermal=make_units(**given), **{**prices, **changes})


def written(study: Study, **options: str) -> Program:
    """Return the program as HiGHS gets it, in the form that the options choose."""
    formulation = UnitCommitment(identical_units="separate", **options)  # type: ignore[arg-type]
    program = formulation.build(study)
    return program if program.equivalent is None else program.equivalent.program


def test_every_combination_has_the_enumerated_optimum(study: Study) -> None:
    expected = ORACLE.least_cost(study)
    for options in COMBINATIONS:
        program = written(study, **options)
        found = HiGHS(gap=1e-9, plain=True).solve(program)
        assert found.objective == pytest.approx(expected, rel=1e-7), options
        assert found.x is not None
        plan = UnitCommitment().decode(study, program, found.x)
        assert isinstance(plan, Schedule)
        checked = verify(study, plan)
        assert checked.violations == (), options
        assert checked.total_cost == pytest.approx(expected, rel=1e-7), options


def bound(study: Study, **options: str) -> float:
    """Return the relaxation's bound."""
    return HiGHS(gap=0.0, plain=True).solve(written(study, **options).relaxed()).bound


ORDERS = (
    ("segments", ("box", "on", "kow")),
    ("generation_limits", ("pglib", "gentile", "pan_guan")),
    ("ramps", ("pglib", "damci_kurt")),
)


@pytest.mark.parametrize(("form", "order"), ORDERS)
def test_tighter_forms_have_higher_bounds(form: str, order: tuple[str, ...], study: Study) -> None:
    for others in ({}, {"generation_limits": "pglib", "ramps": "pglib", "segments": "on"}):
        bounds = [bound(study, **{**others, form: value}) for value in order]
        assert (np.diff(bounds) >= -1e-6 * np.abs(bounds[0])).all(), bounds


@pytest.mark.parametrize(("form", "order"), ORDERS)
def test_tighter_forms_are_tighter_somewhere(
    form: str, order: tuple[str, ...], make_study: MakeStudy, make_units: MakeUnits
) -> None:
    """The peak unit starts and stops at its minimum, climbs slowly and runs three hours."""
    thermal = make_units(
        cost=(BASE, PIECES),
        initial_status_h=np.array([5.0, -5.0]),
        ramp_up_mw_per_h=np.array([60.0, 12.0]),
        ramp_down_mw_per_h=np.array([60.0, 60.0]),
        startup_ramp_mw=np.array([100.0, 12.0]),
        shutdown_ramp_mw=np.array([100.0, 12.0]),
        min_up_time_h=np.array([3.0, 3.0]),
    )
    demand = (60.0, 60.0, 135.0, 135.0, 60.0, 60.0)
    study = make_study(demand, thermal=thermal, unserved_cost_per_mwh=90.0)
    loosest = {"generation_limits": "pglib", "ramps": "pglib", "segments": "box"}
    bounds = [bound(study, **{**loosest, form: value}) for value in order]
    assert (np.diff(bounds) > 10.0).all(), bounds


def test_the_matched_starts_are_no_looser(study: Study) -> None:
    by_category = bound(study, startup_cost="categories")
    assert bound(study, startup_cost="match") >= by_category * (1 - 1e-9)


@cache
def shared_instance() -> Study:
    """Return the day of RTS-GMLC whose relaxations are known."""
    path = SHARED / "rts_gmlc_2020-07-06.json"
    if not path.exists():
        pytest.skip("needs the shared instance rts_gmlc_2020-07-06.json")
    return read_pglib_uc(path)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"generation_limits": "gentile", "ramps": "damci_kurt", "segments": "box"}, 3_709_693.9),
        ({"generation_limits": "pglib", "ramps": "pglib", "segments": "on"}, 3_720_622.0),
        ({"generation_limits": "pan_guan", "ramps": "damci_kurt", "segments": "kow"}, 3_722_336.9),
    ],
    ids=("compact", "reference", "tight"),
)
def test_relaxations_of_a_known_day(options: dict[str, str], expected: float) -> None:
    assert bound(shared_instance(), startup_cost="categories", **options) == pytest.approx(
        expected, abs=0.1
    )


def test_every_pair_of_values_is_combined() -> None:
    met = {
        frozenset({(a, options[a]), (b, options[b])})
        for options in COMBINATIONS
        for a, b in combinations(FORMS, 2)
    }
    sizes = [len(CHOICES[form]) for form in FORMS]
    assert len(met) == sum(m * n for m, n in combinations(sizes, 2))


def test_a_unit_with_one_output_has_no_segments(
    make_study: MakeStudy, make_units: MakeUnits
) -> None:
    single = CASES["no room above the minimum"]["units"]
    assert isinstance(single, dict)
    point = {**single, "cost": (BASE, CostCurve((30.0,), (700.0,)))}
    demand = (90.0, 110.0, 130.0, 70.0)
    costs = {
        HiGHS(gap=1e-9)
        .solve(UnitCommitment().build(make_study(demand, thermal=make_units(**units))))
        .objective
        for units in (single, point)
    }
    assert len(costs) == 1
    assert np.isfinite(costs.pop())
