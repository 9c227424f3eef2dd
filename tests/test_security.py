"""What a schedule's flows are judged by: every rule broken on purpose, every outage by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import gridopt
from gridopt.elements import ThermalUnits
from gridopt.grid import Grid, Interfaces
from gridopt.results import Schedule
from gridopt.security import without
from gridopt.study import Study

NETWORK_RULES = {"branch_limit", "interface_limit", "outage_limit"}

Found = dict[tuple[str, str, object], tuple[object, object]]


@pytest.fixture
def broken(
    make_study: Callable[..., Study], make_units: Callable[..., ThermalUnits]
) -> Callable[..., Found]:
    """Return a function that judges 60 and 90 MW at bus 2, all but 15 MW of it from bus 0.

    Line 0 is from bus 0 to 1, line 1 from 1 to 2, line 2 from 0 to 2. With power P at bus 0 and Q
    at bus 1, they carry (P − Q) / 3, P / 3 + 2Q / 3 and 2P / 3 + Q / 3: 10, 25, 35 MW in the first
    period, 20, 35, 55 MW in the second.
    """

    def judge(grid: Grid, network: str = "dc", security: str = "none") -> Found:
        units = make_units(bus=np.array([0, 1]))
        study = make_study(np.array([60.0, 90.0]), grid=grid, thermal=units)
        none = np.zeros((0, 2))
        schedule = Schedule(
            study=study,
            network=network,
            committed=np.full((2, 2), True),
            power_mw=np.array([[45.0, 75.0], [15.0, 15.0]]),
            reserve_mw=np.zeros((0, 2, 2)),
            **dict.fromkeys(("renewable_mw", "charge_mw", "discharge_mw", "soc_mwh"), none),
            import_mw=none,
            unserved_mw=np.zeros((grid.n_buses, 2)),
            surplus_mw=np.zeros((grid.n_buses, 2)),
            security=security,
        )
        return {
            (found.rule, found.element, found.period): (
                pytest.approx(found.value),
                pytest.approx(found.limit),
            )
            for found in gridopt.verify(study, schedule).violations
            if found.rule in NETWORK_RULES
        }

    return judge


def rated(grid: Grid, *rating_mw: float, **changes: object) -> Grid:
    """Return the grid with ratings, those after outages the same unless given."""
    fresh = {"rating_mw": np.array(rating_mw), "emergency_rating_mw": np.array(np.nan)}
    return replace(grid, **{**fresh, **changes})  # type: ignore[arg-type]


def test_flows_above_ratings(
    broken: Callable[..., Found], make_triangle: Callable[..., Grid]
) -> None:
    grid = rated(make_triangle(), np.inf, 30.0, 34.9)
    assert broken(grid) == {
        ("branch_limit", "line 1", 1): (35.0, 30.0),
        ("branch_limit", "line 2", 0): (35.0, 34.9),
        ("branch_limit", "line 2", 1): (55.0, 34.9),
    }
    assert broken(grid, network="copperplate") == {}
    turned = replace(grid, from_bus=grid.to_bus, to_bus=grid.from_bus)
    assert broken(turned).keys() == broken(grid).keys()


def test_interfaces_above_and_below_their_limits(
    broken: Callable[..., Found], make_triangle: Callable[..., Grid]
) -> None:
    interfaces = Interfaces(
        name=("export", "import", "inland"),
        weight=np.array([[1.0, 0.0, 1.0], [-1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
        lower_mw=np.array([-np.inf, -60.0, 26.0]),
        upper_mw=np.array([50.0, np.inf, np.inf]),
    )
    grid = replace(make_triangle(), interfaces=interfaces)
    assert broken(grid) == {
        ("interface_limit", "export", 1): (75.0, 50.0),
        ("interface_limit", "import reversed", 1): (75.0, 60.0),
        ("interface_limit", "inland reversed", 0): (-25.0, -26.0),
    }
    assert broken(grid, network="copperplate") == {}


def test_flows_after_outages(
    broken: Callable[..., Found], make_triangle: Callable[..., Grid]
) -> None:
    """With line 2 out, all power goes by line 1; with line 0 out, each unit has its own line."""
    grid = rated(make_triangle(), 70.0, 80.0, 74.0)
    expected = {
        ("outage_limit", "line 0 after line 2", 1): (75.0, 70.0),
        ("outage_limit", "line 1 after line 2", 1): (90.0, 80.0),
        ("outage_limit", "line 2 after line 0", 1): (75.0, 74.0),
        ("outage_limit", "line 2 after line 1", 1): (90.0, 74.0),
    }
    assert broken(grid, security="n-1") == expected
    assert broken(grid) == {}
    sure = replace(grid, may_fail=np.array([True, True, False]))
    of_line_2 = {key: found for key, found in expected.items() if "line 2 after" in key[1]}
    assert broken(sure, security="n-1") == of_line_2
    emergency = rated(grid, 70.0, 80.0, 74.0, emergency_rating_mw=np.array([75.0, 90.0, 80.0]))
    assert broken(emergency, security="n-1") == {
        ("outage_limit", "line 2 after line 1", 1): (90.0, 80.0)
    }


def test_an_outage_that_cuts_off_buses_is_none(
    broken: Callable[..., Found], make_triangle: Callable[..., Grid]
) -> None:
    """Bus 2 with the demand moves to the end of a line of its own, which may carry all of it."""
    base = rated(make_triangle(), np.inf, np.inf, np.inf)
    grid = Grid(
        bus_name=(*base.bus_name, "bus 3"),
        from_bus=np.append(base.from_bus, 2),
        to_bus=np.append(base.to_bus, 3),
        branch_element=(*base.branch_element, ("line", 3)),
        branch_name=(*base.branch_name, "line 3"),
        susceptance_mw=np.full(4, 1000.0),
        shift_rad=np.zeros(4),
        rating_mw=np.array([np.inf, 89.0, np.inf, 90.0]),
        shunt_mw=np.zeros(4),
    )
    assert broken(grid, security="n-1") == {
        ("outage_limit", "line 1 after line 2", 1): (90.0, 89.0)
    }


def test_a_grid_without_a_branch_keeps_the_rest(make_triangle: Callable[..., Grid]) -> None:
    interfaces = Interfaces(("all",), np.ones((1, 3)), np.zeros(1), np.ones(1))
    grid = rated(make_triangle(), 1.0, 2.0, 3.0, interfaces=interfaces)
    left = without(grid, 1)
    assert left.branch_name == ("line 0", "line 2")
    assert left.branch_element == (("line", 0), ("line", 2))
    assert (left.rating_mw.tolist(), left.emergency_rating_mw.tolist()) == ([1, 3], [1, 3])
    assert left.flows(np.array([7.0, 0.0, -7.0])).tolist() == pytest.approx([0.0, 7.0])
    assert not len(left.interfaces)
