"""A window of a system is a study of its own that agrees with the system around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.errors import StudyError
from gridopt.requirements import Reserves
from gridopt.results import Schedule
from gridopt.windows import window


@pytest.fixture(scope="module")
def day() -> Schedule:
    """Return a good schedule of the ten-unit day, without reserve."""
    study = gridopt.kazarlis()
    run = gridopt.solve(replace(study, reserves=Reserves.none(24)), gap=1e-3)
    assert run.schedule is not None
    return run.schedule


def test_what_was_scheduled_is_feasible_in_the_window(day: Schedule) -> None:
    units = ("unit3", "unit4", "unit6")
    part = window(day, units, 5, 6)
    chosen = [day.study.thermal.name.index(name) for name in units]
    hours = slice(5, 11)
    zero = np.zeros((0, 6))
    kept = Schedule(
        part, "copperplate", day.committed[chosen, hours], day.power_mw[chosen, hours],
        np.zeros((0, 3, 6)), part.renewables.p_max_mw, zero, zero, zero, np.zeros((1, 6)),
        np.zeros((1, 6)), np.zeros((1, 6)),
    )  # fmt: skip
    found = gridopt.verify(part, kept)
    assert found.violations == ()
    run = gridopt.solve(part, gap=1e-6)
    assert run.is_feasible
    assert run.cost <= found.total_cost + 1e-6


def test_states_before_the_window_come_from_the_schedule(day: Schedule) -> None:
    study = day.study
    for first in (0, 1, 7, 23):
        part = window(day, study.thermal.name, first, 1)
        for g in range(len(study.thermal)):
            on = np.concatenate([[study.thermal.initial_on[g]], day.committed[g, :first]])
            assert part.thermal.initial_on[g] == on[-1]
        if first:
            assert part.thermal.initial_power_mw.tolist() == day.power_mw[:, first - 1].tolist()
    always_on = window(day, ("unit1",), 10, 2).thermal
    assert always_on.initial_status_h.tolist() == [8.0 + 10.0]


def test_the_price_is_that_of_the_marginal_unit(day: Schedule) -> None:
    part = window(day, ("unit10",), 11, 1)
    price = part.exchange.price_per_mwh[0, 0]
    curves = [curve for g, curve in enumerate(day.study.thermal.cost) if day.committed[g, 11]]
    slopes = [
        curve.slopes_per_mwh[0] + 2 * curve.quadratic * p
        for curve in curves
        for p in (curve.power_mw[0], curve.power_mw[-1])
    ]
    assert min(slopes) <= price <= max(slopes)
    assert (part.exchange.slope_per_mw2h >= 0).all()


def test_it_says_what_it_leaves_out(day: Schedule) -> None:
    part = window(day, ("unit9", "unit10"), 0, 3)
    assert part.assumptions[-1].startswith("window of 2 units and 3 periods")
    assert not len(part.reserves)
    assert len(part.renewables) == 8


def test_bad_windows_list_all_faults(day: Schedule) -> None:
    with pytest.raises(StudyError) as caught:
        window(day, ("unit1", "nobody", "nothing"), 20, 9)
    assert [issue.value for issue in caught.value.issues] == ["nobody", "nothing", "20 to 29"]
