"""Base points: the net of a schedule in each period, or what is wrong with which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import gridopt
from gridopt.base_points import base_points
from gridopt.errors import GridoptError
from gridopt.results import Schedule
from gridopt.study import Study


def scheduled(study: Study) -> Schedule:
    found = gridopt.solve(study, network="copperplate").schedule
    assert found is not None
    return found


def test_points_are_those_of_power_flow(make_tree: Callable[..., Study]) -> None:
    study = make_tree()
    schedule = scheduled(study)
    flow = gridopt.power_flow(study, schedule)
    points = base_points(schedule)
    assert [float(point.base.loss_mw[0]) for point in points] == pytest.approx(flow.loss_mw)
    (third,) = base_points(schedule, [2])
    assert float(third.base.loss_mw[0]) == pytest.approx(flow.loss_mw[2])


def test_what_fails_is_told_with_its_periods(make_tree: Callable[..., Study]) -> None:
    study = make_tree((0.1, 2.75, 0.1, 2.7), scale=3.0)
    schedule = scheduled(study)
    expected = r"fails in 2 of 4 periods: 1: .*mismatch reached is .* MVA.*; 3: .*mismatch"
    with pytest.raises(GridoptError, match=expected):
        base_points(schedule)
    with pytest.raises(GridoptError, match=r"holds no pandapower net"):
        base_points(replace(schedule, study=replace(study, net=None)))
