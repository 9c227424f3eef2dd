"""Maps of nets: loadings of any schedule, with geodata and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from gridopt import network_plots
from gridopt.network_plots import can_be_mapped, highest, loading_map, positions
from gridopt.results import Schedule
from gridopt.running import solve
from gridopt.study import Study

StudyFactory = Callable[..., Study]


@pytest.fixture(scope="module")
def schedule(make_study: StudyFactory, make_triangle: Callable[..., Any]) -> Schedule:
    found = solve(make_study(grid=make_triangle(30.0), unserved_cost_per_mwh=500.0)).schedule
    assert found is not None
    return found


def test_the_highest_loading_is_that_of_the_worst_period(schedule: Schedule) -> None:
    power, percent = highest(schedule)
    flow = np.abs(schedule.flow_mw())
    np.testing.assert_allclose(power, flow.max(axis=1))
    np.testing.assert_allclose(percent[0], 100.0 * flow[0].max() / 30.0)
    assert np.isnan(percent[1:]).all()


def test_the_map_draws_every_branch_by_its_loading(schedule: Schedule) -> None:
    figure = loading_map(schedule)
    (lines,) = [it for it in figure.axes[0].collections if isinstance(it, LineCollection)]
    drawn = np.ma.masked_invalid(np.asarray(lines.get_array()))
    expected = highest(schedule)[1]
    assert drawn[0] == expected[0]
    assert figure.axes[1].get_ylabel() == "highest loading (% of rating)"


def test_geodata_that_are_none_give_a_layout(make_tree: StudyFactory) -> None:
    study = make_tree()
    net, n = study.net, study.grid.n_buses
    net.bus["geo"] = [f'{{"type": "Point", "coordinates": [{bus}, 1]}}' for bus in net.bus.index]
    at, is_geo = positions(study)
    assert is_geo
    assert at.tolist() == [[float(bus), 1.0] for bus in range(n)]
    for text in ("no JSON", '{"type": "Point"}', '{"coordinates": ["a", 1]}', "[1, 2]", None):
        net.bus.loc[1, "geo"] = text
        assert not positions(study)[1], text


def test_too_many_buses_without_geodata_are_not_mapped(
    schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = schedule.study
    assert can_be_mapped(study)
    monkeypatch.setattr(network_plots, "MOST_LAID_OUT", 2)
    assert not can_be_mapped(study)


def test_a_single_bus_is_no_map(make_study: StudyFactory) -> None:
    assert not can_be_mapped(make_study())
