"""The compact form of placements: how near it is to the program, and what becomes of its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.arrays import FloatArray
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.lowering.encoding import Lowering
from gridopt.program import Program
from gridopt.sampling.judging import Judging
from gridopt.sampling.redispatch import Redispatch
from gridopt.sampling.samples import Deadline
from gridopt.siting import with_sites
from gridopt.solvers.anneal import Anneal
from gridopt.solvers.highs import HiGHS
from gridopt.solvers.neal import Neal
from gridopt.study import Study

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def make_placement(make_tree: Make, make_modules: Make) -> Callable[..., Study]:
    def make(**prices: Any) -> Study:
        tree = make_tree()
        modules = make_modules("small", "large")
        return with_sites(tree, modules=modules, modules_max=2, operation="profile", **prices)

    return make


def costs(program: Program, chosen: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return the program's and the compact form's costs above those of the first choice."""
    assert program.compact is not None
    columns = program.compact.columns
    dispatch = Redispatch(program, repair=False)
    answers = [dispatch(columns, values, Deadline()).plain for values in chosen]
    assert all(answer.is_feasible for answer in answers)
    assert answers[0].x is not None
    lower, upper = program.lower[columns], program.upper[columns]
    model = program.compact.near(answers[0].x, lower, upper).program
    true = np.array([answer.objective for answer in answers])
    near = np.array([model.objective(values) for values in chosen])
    return true - true[0], near - near[0]


def few(study: Study, seed: int) -> list[FloatArray]:
    """Return one module somewhere, and what differs from it by one or two more."""
    rng = np.random.default_rng(seed)
    size = len(study.sites) * len(study.sites.modules)
    first = np.zeros(size)
    first[rng.integers(size)] = 1.0
    found = [first]
    for _ in range(8):
        other = first.copy()
        other[rng.integers(0, size, 2)] += 0.5 * rng.integers(1, 3)
        found.append(np.minimum(np.rint(other), 1.0))  # of two kinds, so that there is room
    return found


@pytest.mark.parametrize("vm_min_pu", [0.5, 1.05])
@pytest.mark.parametrize("seed", range(3))
def test_exact_far_from_limits(make_placement: Make, seed: int, vm_min_pu: float) -> None:
    prices = {"voltage_cost_per_pu_h": 1e4, "overload_cost_per_mwh": 50.0}
    study = make_placement(loss_cost_per_mwh=40.0, vm_min_pu=vm_min_pu, vm_max_pu=2.0, **prices)
    program = BatteryPlacement(exclusive="never").build(study)
    true, near = costs(program, few(study, seed))
    assert np.ptp(true) > 0.1
    assert near == pytest.approx(true, abs=1e-4)


def test_room_at_a_site_is_kept_by_moves_or_mended(make_placement: Make) -> None:
    study = make_placement(voltage_cost_per_pu_h=1e4, overload_cost_per_mwh=50.0, vm_min_pu=0.985)
    best = gridopt.solve(study, "battery_placement", HiGHS(gap=1e-6))
    assert not {"site", "site_least"} & set(BatteryPlacement().build(study).variables)
    options: dict[str, Any] = {
        "lowering": Lowering(form="compact"),
        "judging": Judging(bound_time_limit_s=0.0),
        "reads": 50,
    }
    for solver, kept in ((Anneal(**options), len(study.sites)), (Neal(**options), 0)):
        run = gridopt.solve(study, "battery_placement", solver)
        details = run.solution.details
        assert details["native_rules"] == kept
        assert details["soft_rows"] == details["slack_bits"] == 0
        assert run.is_feasible
        assert run.cost == pytest.approx(best.cost, rel=0.05)
        assert run.cost >= best.cost - 1e-6 * abs(best.cost)
