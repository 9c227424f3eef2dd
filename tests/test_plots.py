"""The figures: what they show, and that they need no display."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from gridopt import plots
from gridopt.arrays import BoolArray
from gridopt.elements import CostCurve, Exchange, Renewables, StartupCost, Storage, ThermalUnits
from gridopt.grid import Grid
from gridopt.results import Schedule
from gridopt.study import FORCED_OUT, Scenario, Study

T = 24
Draw = Callable[[Schedule], Figure]


def thermal_units(names: list[str], cost_per_mwh: list[float], bus: int = 0) -> ThermalUnits:
    G = len(names)
    free, one = np.full(G, np.inf), np.ones(G)
    return ThermalUnits(
        element=tuple(("gen", g) for g in range(G)),
        name=tuple(names),
        bus=np.full(G, bus),
        p_min_mw=20 * one,
        p_max_mw=100 * one,
        ramp_up_mw_per_h=free,
        ramp_down_mw_per_h=free,
        startup_ramp_mw=free,
        shutdown_ramp_mw=free,
        min_up_time_h=one,
        min_down_time_h=one,
        initial_status_h=-5 * one,
        initial_power_mw=np.full(G, np.nan),
        must_run=np.zeros(G, dtype=np.bool_),
        cost=tuple(CostCurve((20.0, 100.0), (20 * c, 100 * c)) for c in cost_per_mwh),
        startup_cost=(StartupCost(),) * G,
    )


def single_bus(units: ThermalUnits, committed: BoolArray) -> Schedule:
    """Return a schedule in which each unit that is on runs at 60 MW."""
    power = np.where(committed, 60.0, 0.0)
    study = Study(
        name="small",
        grid=Grid.single_bus(),
        time=pd.RangeIndex(1, T + 1),
        period_h=1.0,
        demand_mw=power.sum(axis=0, keepdims=True),
        thermal=units,
        renewables=Renewables.none(T),
        storage=Storage.none(),
        exchange=Exchange.none(T),
    )
    none = np.zeros((0, T))
    zero = np.zeros((1, T))
    return Schedule(
        study,
        "copperplate",
        committed,
        power,
        np.zeros((0, *power.shape)),
        none,
        none,
        none,
        none,
        none,
        zero,
        zero,
    )


def ten_units() -> Schedule:
    hours_on = np.arange(T, T - 20, -2)
    committed = np.arange(T)[np.newaxis, :] < hours_on[:, np.newaxis]
    return single_bus(
        thermal_units([f"unit {g + 1}" for g in range(10)], list(np.linspace(10, 40, 10))),
        committed,
    )


def three_buses() -> Schedule:
    """Return a schedule that has everything, over the 23-hour day of Berlin and an hour more.

    Line "1–2" has no rating, "1–3" is at its limit and "2–3" above it in hour 5.
    """
    grid = Grid(
        bus_name=("1", "2", "3"),
        from_bus=np.array([0, 0, 1]),
        to_bus=np.array([1, 2, 2]),
        branch_element=(("line", 0), ("line", 1), ("line", 2)),
        branch_name=("1–2", "1–3", "2–3"),
        susceptance_mw=np.full(3, 1000.0),
        shift_rad=np.zeros(3),
        rating_mw=np.array([np.inf, 60.0, 50.0]),
        shunt_mw=np.zeros(3),
    )
    ones = np.ones((1, T))
    study = Study(
        name="three",
        grid=grid,
        time=pd.date_range("2026-03-29", periods=T, freq="h", tz="Europe/Berlin"),
        period_h=1.0,
        demand_mw=np.vstack([0 * ones, 0 * ones, 120 * ones]),
        thermal=thermal_units(["coal 1"], [20.0]),
        renewables=Renewables(
            (("sgen", 0),), ("wind",), np.array([1]), 0 * ones, 60 * ones, ones[0, :1]
        ),
        storage=Storage(
            (("storage", 0),),
            ("battery",),
            np.array([2]),
            *[np.full(1, value) for value in (50.0, 50.0, 0.0, 100.0, 50.0, 1.0, 1.0)],
        ),
        exchange=Exchange(
            (("ext_grid", 0),),
            ("market",),
            bus=np.array([0]),
            import_max_mw=np.full(1, 99.0),
            export_max_mw=np.full(1, 99.0),
            price_per_mwh=ones,
            slope_per_mw2h=0 * ones,
        ),
        unserved_cost_per_mwh=1000.0,
        surplus_cost_per_mwh=1000.0,
    )
    charge, discharge, traded, unserved = (np.zeros((1, T)) for _ in range(4))
    charge[0, 2], discharge[0, 3], traded[0, 4:6], unserved[0, 6] = 20.0, 10.0, (15.0, -5.0), 30.0
    wind = 60.0 * ones
    wind[0, 7] = 40.0
    power = 120.0 + charge - discharge - traded - unserved - wind
    return Schedule(
        study=study,
        network="dc",
        committed=np.ones((1, T), dtype=np.bool_),
        power_mw=power,
        reserve_mw=np.zeros((0, *power.shape)),
        renewable_mw=wind,
        charge_mw=charge,
        discharge_mw=discharge,
        soc_mwh=np.full((1, T), 50.0),
        import_mw=traded,
        unserved_mw=np.vstack([0 * ones, 0 * ones, unserved]),
        surplus_mw=np.zeros((3, T)),
    )


def no_units() -> Schedule:
    return single_bus(thermal_units([], []), np.zeros((0, T), np.bool_))


def many_units() -> Schedule:
    names = [f"{100 + g}_{'STEAM' if g % 2 else 'CT'}_{g % 4}" for g in range(1000)]
    hours_on = np.arange(1000) % (T + 1)
    committed = np.arange(T)[np.newaxis, :] < hours_on[:, np.newaxis]
    return single_bus(thermal_units(names, list(np.linspace(10, 40, 1000))), committed)


def legend_labels(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def drawn(figure: Figure) -> list[list[float]]:
    """Return the upper sides of what stands for power over time."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, StepPatch)]
    return [patch.get_data()[0].tolist() for patch in patches]


def row_names(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


@pytest.mark.parametrize("draw", [plots.dispatch, plots.commitment, plots.line_loading])
@pytest.mark.parametrize("make", [ten_units, three_buses, many_units, no_units])
def test_every_figure_can_be_saved(
    draw: Draw, make: Callable[[], Schedule], tmp_path: Path
) -> None:
    path = plots.save(draw(make()), tmp_path / "new" / "figure.png")
    assert path.read_bytes().startswith(b"\x89PNG")


SCRIPT = "<script>alert(1)</script>"


def test_svg_escapes_and_is_the_same_twice() -> None:
    base = ten_units()
    names = (SCRIPT, r"$\frac{$", *base.study.thermal.name[2:])
    study = replace(base.study, name=SCRIPT, thermal=replace(base.study.thermal, name=names))
    named = replace(base, study=study)
    found = plots.svg(plots.dispatch(named), "one", SCRIPT, "& <i>")
    assert SCRIPT not in found
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found
    assert r"$\frac{$" in found
    assert '<title id="one-title">&lt;script&gt;' in found
    assert found == plots.svg(plots.dispatch(named), "one", SCRIPT, "& <i>")
    assert "metadata" not in found
    assert "<!--" not in found


def test_ids_of_two_svgs_differ() -> None:
    def ids(key: str) -> set[str]:
        return set(re.findall(r'id="([^"]*)"', plots.svg(plots.dispatch(ten_units()), key, "", "")))

    assert len(ids("one")) > 2
    assert not ids("one") & ids("two")


def test_a_long_plan_is_drawn_as_an_image() -> None:
    def images(schedule: Schedule) -> int:
        return plots.svg(plots.commitment(schedule), "one", "", "").count("<image")

    # the color bar is one
    assert images(ten_units()) == 1
    assert images(many_units()) == 2


def test_figures_need_no_pyplot() -> None:
    code = "import sys, gridopt.plots; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_notebook_shows_figures() -> None:
    png = plots.dispatch(ten_units())._repr_png_()  # type: ignore[attr-defined]
    assert png.startswith(b"\x89PNG")


def test_dispatch_shows_only_what_there_is() -> None:
    assert legend_labels(plots.dispatch(ten_units())) == [
        "demand",
        *(f"unit {g}" for g in range(10, 0, -1)),
    ]


def test_dispatch_shows_everything() -> None:
    figure = plots.dispatch(three_buses())
    assert legend_labels(figure) == [
        "demand",
        "curtailed",
        "unserved",
        "import",
        "discharge",
        "renewables",
        "coal 1",
        "charge",
        "export",
    ]
    lowest, highest = figure.axes[0].get_ylim()
    assert lowest < -20.0
    assert highest > 140.0


def test_dispatch_stack_reaches_the_demand() -> None:
    schedule = three_buses()
    supplied = sum(layer.power_mw for layer in plots._supply(schedule))
    taken = sum(layer.power_mw for layer in plots._taken(schedule))
    np.testing.assert_allclose(supplied - taken, schedule.study.total_demand_mw)


def test_demand_is_drawn_beside_the_units_that_are_there() -> None:
    study = three_buses().study
    status = study.fixed_status.copy()
    status[0, :3] = FORCED_OUT
    figure = plots.demand(replace(study, fixed_status=status))
    assert legend_labels(figure) == ["thermal units, at most", "demand", "demand less renewables"]
    capacity, asked, left = drawn(figure)
    assert capacity == [0.0] * 3 + [100.0] * (T - 3)
    assert asked == [120.0] * T
    assert left == [60.0] * T


def test_demand_of_scenarios_is_a_band_about_the_mean() -> None:
    study = three_buses().study
    low, high = study.renewables.p_min_mw, study.renewables.p_max_mw
    scenarios = tuple(
        Scenario(name, share, factor * study.demand_mw, low, high)
        for name, share, factor in (("mild", 0.75, 1.0), ("cold", 0.25, 2.0))
    )
    _, band, asked, *_ = drawn(plots.demand(replace(study, scenarios=scenarios)))
    assert band == [240.0] * T
    assert asked == [150.0] * T


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["b", "a"], ["b", "a"]),
        ([f"U{mw}_{n}" for mw in (12, 155) for n in range(8)], ["U12 (8 units)", "U155 (8 units)"]),
        ([f"U{20 + n % 2}_{n}_1" for n in range(16)], ["U20 (8 units)", "U21 (8 units)"]),
        ([*(f"{n}_CT_1" for n in range(20)), "9_STEAM_2"], ["CT (20 units)", "STEAM"]),
        (
            [f"gen {n}" for n in range(12)],
            ["1–2.83 per MWh (2 units)", "2.83–4.67 per MWh (2 units)"],
        ),
    ],
)
def test_unit_groups(names: list[str], labels: list[str]) -> None:
    costs = list(np.arange(1.0, len(names) + 1))
    study = single_bus(thermal_units(names, costs), np.zeros((len(names), T), np.bool_)).study
    groups = plots.unit_groups(study)
    assert [label for label, _ in groups][:2] == labels
    assert len(groups) <= plots.MAX_GROUPS
    assert sorted(np.concatenate([units for _, units in groups])) == list(range(len(names)))


def test_many_units_of_one_cost_are_one_group() -> None:
    names = [f"gen {g}" for g in range(30)]
    study = single_bus(thermal_units(names, [20.0] * 30), np.zeros((30, T), np.bool_)).study
    assert len(plots.unit_groups(study)) == 1


def test_commitment_is_sorted_by_hours_on() -> None:
    assert row_names(plots.commitment(ten_units())) == [f"unit {g}" for g in range(1, 11)]


def test_commitment_of_many_units_names_none() -> None:
    axes = plots.commitment(many_units()).axes[0]
    assert axes.get_ylabel() == "thermal unit, by hours on"
    assert len(axes.get_yticks()) < 20


def test_commitment_marks_starts() -> None:
    axes = plots.commitment(ten_units()).axes[0]
    (marks,) = [drawn for drawn in axes.collections if drawn.get_label() == "start"]
    assert len(np.asarray(marks.get_offsets())) == 10


def test_line_loading_leaves_out_branches_without_rating() -> None:
    assert row_names(plots.line_loading(three_buses())) == ["2–3", "1–3"]
    assert row_names(plots.line_loading(three_buses(), most_loaded=1)) == ["2–3"]


def test_line_loading_without_ratings_says_so() -> None:
    axes = plots.line_loading(ten_units()).axes[0]
    assert [text.get_text() for text in axes.texts] == ["no branch has a rating"]


@pytest.mark.parametrize("draw", [plots.dispatch, plots.commitment, plots.line_loading])
def test_clock_of_a_23_hour_day(draw: Draw) -> None:
    axes = draw(three_buses()).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert axes.get_xlabel() == "time (Europe/Berlin)"
    assert labels[0] == "00:00\n29 Mar 2026"
    assert labels[1] == "04:00"
    assert axes.get_xticks()[1] == 3


@pytest.mark.parametrize("n_periods", [1, 8, 24, 25, 168, 8736])
@pytest.mark.parametrize("stamped", [True, False])
def test_ticks_are_few_and_inside(n_periods: int, stamped: bool) -> None:
    study = three_buses().study
    stamps = pd.date_range("2026-01-01", periods=n_periods, freq="h", tz="UTC")
    time = stamps if stamped else pd.RangeIndex(1, n_periods + 1)
    axes = Figure().add_subplot()
    plots.time_axis(axes, _Periods(study, time))  # type: ignore[arg-type]
    assert 1 <= len(axes.get_xticks()) <= 24
    assert max(axes.get_xticks()) < n_periods


class _Periods:
    """Stands in for a study of any length."""

    def __init__(self, study: Study, time: pd.Index) -> None:
        self.time, self.n_periods, self.period_h = time, len(time), study.period_h


def test_axes_have_units() -> None:
    assert plots.dispatch(ten_units()).axes[0].get_ylabel() == "power (MW)"
    assert plots.dispatch(ten_units()).axes[0].get_xlabel() == "period (1 h each)"
    assert plots.commitment(ten_units()).axes[1].get_ylabel() == "output (% of maximum)"
    assert plots.line_loading(three_buses()).axes[1].get_ylabel() == "loading (% of rating)"
