"""Figures of a placement: where batteries stand, how full they are, voltages and costs with them.

As in `gridopt.plots`, every function returns a figure that no global state knows of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridopt.ac_power_flow import PowerFlow, limit_percent
from gridopt.arrays import FloatArray
from gridopt.feeder import Feeder
from gridopt.grid import Grid
from gridopt.io.net_tables import numbers
from gridopt.network_plots import (
    MAP_WIDTH_IN,
    draw_branches,
    draw_buses,
    finish_map,
    map_size,
    positions,
)
from gridopt.placement import Placement
from gridopt.placement_rules import RadialState
from gridopt.plots import (
    IMPORT,
    INK,
    START,
    STYLE,
    NotebookFigure,
    period_edges,
    say,
    time_axis,
)
from gridopt.results import Schedule
from gridopt.study import Study

if TYPE_CHECKING:
    from gridopt.placing import Checked

BATTERY = START
WITHOUT: dict[str, Any] = {"color": "#b5b5b5", "lw": 3.2}
WITH: dict[str, Any] = {"color": "#1f5a86", "lw": 1.6}
LINEAR: dict[str, Any] = {"color": START, "lw": 1.2, "ls": "--"}
CHEAPER = "#4f8fb5"
BAND = "#e4efe4"
BATTERY_COLORS = ("#12304f", "#e66100", "#2a9d6f", "#b05fa3", "#8a6d1d", "#4f8fb5")
BATTERY_LINES = ("-", "--", ":", "-.")
"""Line styles change with every battery, so that those that run alike are both seen."""

LARGEST_CIRCLE_PT2 = 400.0
LABEL_REACH_PT = (32.0, 50.0, 75.0)
"""How far labels may be from their batteries."""
SAME_SHARE = 1e-6
"""Share of the cost below which an item does not differ."""
CLOSE_SHARE = 0.3
"""Share of the cost below which differences are drawn on an axis that does not begin at 0."""


def network_map(
    placement: Placement, flow: PowerFlow | Sequence[PowerFlow] | None = None
) -> Figure:
    """Draw the net with its batteries, and the highest loading of each branch.

    Buses stand where the net's geodata puts them, or where a layout does. Where no branch has a
    rating, colors are the highest active power instead. Areas of circles are proportional to
    nameplate energy.

    Parameters
    ----------
    placement : Placement
    flow : PowerFlow, or one for each scenario, optional
        AC power flow of the placement; where not given, flows are those of LinDistFlow for a
        placement on a radial network, else of DC power flow.

    Returns
    -------
    Figure
    """
    study = placement.study
    flows = (flow,) if isinstance(flow, PowerFlow) else tuple(flow or ())
    at, is_geo = positions(study)
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=map_size(at), layout="constrained")
        axes = figure.add_subplot()
        draw_branches(axes, study, at, _highest(placement, flows))
        draw_buses(axes, study.grid, at)
        _draw_batteries(axes, placement, at)
        source = "AC power flow" if flows else _model_name(placement)
        axes.set_title(f"Batteries in {study.name}, highest flows by {source}")
        finish_map(figure, axes, is_geo)
    return figure


def state_of_charge(placement: Placement) -> Figure:
    """Draw the energy of each battery placed over time, with the price of energy or the demand.

    One panel a scenario. The price is that of trade at the reference bus, where it changes.

    Parameters
    ----------
    placement : Placement

    Returns
    -------
    Figure
    """
    n = len(placement.schedules)
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(9.0, 1.0 + 2.7 * n), layout="constrained")
        panels = figure.subplots(n, sharex=True, squeeze=False)[:, 0]
        for axes, name, schedule in zip(panels, placement.names, placement.schedules, strict=True):
            axes.set_title(f"Energy of the batteries in {placement.study.name} {name}".rstrip())
            _draw_energy(axes, placement, schedule)
        handles, labels = panels[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside right upper")
    return figure


def voltage_band(before: Checked, after: Checked) -> Figure:
    """Draw the lowest and the highest voltage of all buses over time, without and with batteries.

    Lines are of AC power flow, over all scenarios. On radial grids, dashes are LinDistFlow's
    voltages with the batteries, not corrected by any AC power flow. Where buses have different
    bands, the one that is drawn suits all of them but the reference bus.

    Parameters
    ----------
    before, after : Checked

    Returns
    -------
    Figure
    """
    study = after.placement.study
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(9.0, 3.8), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(f"Lowest and highest voltage in {study.name}")
        if not before.flows or not after.flows:
            say(axes, "no AC power flow: the study holds no net")
            return figure
        _draw_band(axes, study)
        _draw_range(axes, study, _ac_range(before), WITHOUT, "without batteries, AC")
        _draw_range(axes, study, _ac_range(after), WITH, "with batteries, AC")
        if study.feeder is not None:
            found = _lindistflow_range(after.placement, study.feeder)
            _draw_range(axes, study, found, LINEAR, "with batteries, LinDistFlow")
        axes.set_ylabel("voltage (pu)")
        axes.yaxis.grid(visible=True, color="#dddddd", linewidth=0.5)
        time_axis(axes, study)
        figure.legend(loc="outside right upper")
    return figure


def cost_waterfall(before: Checked, after: Checked) -> Figure:
    """Draw which items of cost and penalty batteries raise and lower, from one total to the other.

    Items that stay the same are left out.

    Parameters
    ----------
    before, after : Checked

    Returns
    -------
    Figure
    """
    study = after.placement.study
    total, items = before.verification.total_cost, _changes(before, after)
    levels = total + np.cumsum([0.0, *items.values()])
    with mpl.rc_context(STYLE):
        width = max(6.0, 2.6 + 1.1 * len(items))
        figure = NotebookFigure(figsize=(width, 4.2), layout="constrained")
        axes = figure.add_subplot()
        floor = _floor(levels)
        for place, checked in ((0, before), (len(items) + 1, after)):
            _draw_total(axes, place, checked, max(floor, 0.0))
        _draw_steps(axes, levels)
        axes.set_xticks(range(len(items) + 2), ["without\nbatteries", *items, "with\nbatteries"])
        axes.tick_params(axis="x", length=0)
        top = max(float(levels.max()), 0.0)
        axes.set_ylim(floor, top + 0.08 * (top - floor))
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.grid(visible=True, color="#dddddd", linewidth=0.5)
        hours = study.period_h * study.n_periods
        cut = "\n(axis does not begin at 0)" if floor > 0.0 else ""
        axes.set_ylabel(f"cost of {hours:g} h, in the study's money{cut}")
        axes.set_title(_cost_title(study, levels))
    return figure


# --- loading of branches


def _highest(placement: Placement, flows: Sequence[PowerFlow]) -> tuple[FloatArray, FloatArray]:
    """Return the highest power of each branch, MW, and its highest loading, %, (L,) each."""
    if flows:
        parts = [_ac_highest(flow) for flow in flows]
    else:
        parts = [_model_highest(placement, schedule) for schedule in placement.schedules]
    power, loading = zip(*parts, strict=True)
    return np.max(power, axis=0), np.max(loading, axis=0)


def _ac_highest(flow: PowerFlow) -> tuple[FloatArray, FloatArray]:
    study = flow.study
    table = flow.branches.assign(p_mw=flow.branches["p_mw"].abs())
    highest = table.groupby(["element", "index"])[["p_mw", "loading_percent"]].max()
    found = highest.reindex(pd.MultiIndex.from_tuples(study.grid.branch_element))
    percent = found["loading_percent"].to_numpy(np.float64)
    return found["p_mw"].to_numpy(np.float64), 100.0 * percent / limit_percent(study)


def _model_highest(placement: Placement, schedule: Schedule) -> tuple[FloatArray, FloatArray]:
    study = schedule.study
    power = np.abs(schedule.flow_mw())
    total = power
    if placement.network == "radial" and study.feeder is not None:
        q_mvar = study.feeder.flows(study.feeder.reactive_demand_mvar(study.demand_mw))
        total = np.hypot(power, q_mvar) * study.feeder.correction(study.n_periods).loading
    rating = np.where(study.grid.is_rated, study.grid.rating_mw, np.nan)[:, np.newaxis]
    return power.max(axis=1), (100.0 * total / rating).max(axis=1)


def _model_name(placement: Placement) -> str:
    return "LinDistFlow" if placement.network == "radial" else "DC power flow"


# --- batteries on the map


def _draw_batteries(axes: Axes, placement: Placement, at: FloatArray) -> None:
    """Draw a circle and a label for each site that has a battery."""
    table = placement.table()
    built = table.groupby("bus", sort=False)[["power_mw", "energy_mwh"]].sum()
    grid = placement.study.grid
    place = [grid.bus_name.index(name) for name in built.index]
    energy = built["energy_mwh"].to_numpy()
    area = LARGEST_CIRCLE_PT2 * energy / energy.max(initial=1e-9)
    where = at[place]
    axes.scatter(
        where[:, 0],
        where[:, 1],
        s=area,
        color=BATTERY,
        alpha=0.75,
        edgecolors=INK,
        zorder=5,
        label="battery",
    )
    texts = [f"{name}\n{power:g} MW, {mwh:g} MWh" for name, power, mwh in built.itertuples()]
    for text, point, offset in zip(
        texts, where, _offsets(texts, where, _shown(grid, at)), strict=True
    ):
        axes.annotate(
            text,
            point,
            (offset[0], offset[1]),
            textcoords="offset points",
            ha="center",
            va="center",
            zorder=6,
            bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1.0},
            arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.6, "shrinkA": 0},
        )


def _shown(grid: Grid, at: FloatArray) -> FloatArray:
    """Return points that labels should not hide: buses, and three on each branch."""
    start, end = at[grid.from_bus], at[grid.to_bus]
    inner = [start + share * (end - start) for share in (0.25, 0.5, 0.75)]
    return np.concatenate([at, *inner])


def _offsets(texts: Sequence[str], where: FloatArray, shown: FloatArray) -> Iterator[FloatArray]:
    """Yield for each label where it hides least, in points from its battery."""
    width, height = np.maximum(np.ptp(shown, axis=0), 1e-9)
    scale = 72.0 * min(MAP_WIDTH_IN / width, (map_size(shown)[1] - 1.0) / height)
    points, batteries = shown * scale, where * scale
    circle = np.full(2, np.sqrt(LARGEST_CIRCLE_PT2) / 2.0)
    taken = [(center, circle) for center in batteries]
    turns = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)
    around = np.column_stack([1.4 * np.cos(turns), np.sin(turns)])
    tried = np.concatenate([reach * around for reach in LABEL_REACH_PT])
    for text, point in zip(texts, batteries, strict=True):
        size = np.array([2.7 * max(map(len, text.split("\n"))), 14.0])
        hidden = [_hidden(point + offset, size, points, taken) for offset in tried]
        best = tried[int(np.argmin(hidden + 0.01 * np.hypot(*tried.T)))]
        taken.append((point + best, size))
        yield best


def _hidden(
    center: FloatArray,
    size: FloatArray,
    points: FloatArray,
    taken: Sequence[tuple[FloatArray, FloatArray]],
) -> float:
    """Return how much a label there would hide: one for each point, ten for a label or battery.

    Sizes are half widths and heights.
    """
    inside = (np.abs(points - center) < size + 4.0).all(axis=1).sum()
    others = sum((np.abs(other - center) < size + its).all() for other, its in taken)
    return float(inside + 10.0 * others)


# --- energy over time


def _draw_energy(axes: Axes, placement: Placement, schedule: Schedule) -> None:
    study, own = schedule.study, len(placement.study.storage)
    storage = study.storage
    if len(storage) == own:
        say(axes, "no battery was placed")
        return
    stored = np.column_stack([storage.initial_soc_mwh, schedule.soc_mwh])
    for row in range(own, len(storage)):
        look: dict[str, Any] = {
            "color": BATTERY_COLORS[(row - own) % len(BATTERY_COLORS)],
            "ls": BATTERY_LINES[(row - own) % len(BATTERY_LINES)],
        }
        axes.plot(period_edges(study), stored[row], lw=1.8, label=storage.name[row], **look)
    axes.set_ylim(0.0, 1.08 * float(storage.energy_max_mwh[own:].max()))
    axes.set_ylabel("energy (MWh)")
    axes.yaxis.grid(visible=True, color="#dddddd", linewidth=0.5)
    values, label = _beside(study)
    other = axes.twinx()
    other.stairs(values, period_edges(study), baseline=None, color=IMPORT, lw=1.2)
    other.set_ylim(min(0.0, float(values.min())), 1.08 * float(values.max()) or 1.0)
    other.set_ylabel(label, color="#5f5f5f")
    other.spines["right"].set_visible(True)
    other.set_zorder(axes.get_zorder() - 1)
    axes.patch.set_visible(False)
    time_axis(axes, study)


def _beside(study: Study) -> tuple[FloatArray, str]:
    """Return what batteries answer to, (T,), and what it is."""
    trade = np.flatnonzero(study.exchange.bus == study.grid.reference_bus)
    if len(trade):
        price = study.exchange.price_per_mwh[trade[0]]
        if np.ptp(price) > 0.0:
            return price, "price of energy (per MWh)"
    return study.total_demand_mw, "demand (MW)"


# --- voltages


def _draw_band(axes: Axes, study: Study) -> None:
    """Shade the band that suits all buses but the reference bus."""
    low, high = _band(study)
    bounds = [value for value in (low, high) if np.isfinite(value)]
    for value in bounds:
        axes.axhline(value, color="#7da17d", linewidth=0.8)
    if len(bounds) == 2 and low <= high:
        axes.axhspan(low, high, color=BAND, zorder=0, label=f"allowed, {low:g} to {high:g} pu")


def _band(study: Study) -> tuple[float, float]:
    feeder = study.feeder
    if feeder is not None:
        others = np.arange(study.grid.n_buses) != study.grid.reference_bus
        low, high = feeder.vm_min_pu[others], feeder.vm_max_pu[others]
    else:
        bus = study.net.bus
        others = ~bus.index.isin(study.net.ext_grid["bus"])
        low = numbers(bus, "min_vm_pu", -np.inf)[others]
        high = numbers(bus, "max_vm_pu", np.inf)[others]
    return float(low.max(initial=-np.inf)), float(high.min(initial=np.inf))


def _draw_range(
    axes: Axes,
    study: Study,
    found: tuple[FloatArray, FloatArray],
    look: dict[str, Any],
    label: str,
) -> None:
    """Draw the lowest and the highest voltage with one entry of the legend."""
    for values, name in zip(found, (label, None), strict=True):
        axes.stairs(values, period_edges(study), baseline=None, label=name, **look)


def _ac_range(checked: Checked) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest voltage of AC power flow, (T,) each, over scenarios."""
    periods = range(checked.placement.study.n_periods)
    by_period = [flow.buses.groupby("period")["vm_pu"] for flow in checked.flows]
    low = [voltage.min().reindex(periods).to_numpy(np.float64) for voltage in by_period]
    high = [voltage.max().reindex(periods).to_numpy(np.float64) for voltage in by_period]
    return np.min(low, axis=0), np.max(high, axis=0)


def _lindistflow_range(placement: Placement, feeder: Feeder) -> tuple[FloatArray, FloatArray]:
    study = placement.study
    plain = replace(study, feeder=replace(feeder, corrections=()))
    parts = [plain.in_scenario(scenario) for scenario in plain.scenarios] or [plain]
    voltages = [
        RadialState.of(part, schedule).vm_pu
        for part, schedule in zip(parts, placement.schedules, strict=True)
    ]
    return np.min(voltages, axis=(0, 1)), np.max(voltages, axis=(0, 1))


# --- costs


def _changes(before: Checked, after: Checked) -> dict[str, float]:
    """Return by how much each item of cost and penalty that changes does so."""
    old, new = (
        {**checked.verification.cost, **checked.verification.penalty} for checked in (before, after)
    )
    change = {item: new.get(item, 0.0) - old.get(item, 0.0) for item in {**old, **new}}
    least = SAME_SHARE * max(abs(before.verification.total_cost), 1e-9)
    return {item: value for item, value in change.items() if abs(value) > least}


def _floor(levels: FloatArray) -> float:
    """Return where the axis of costs begins: at 0 unless the differences would not be seen."""
    span = float(np.ptp(levels))
    if span > CLOSE_SHARE * levels.max() or span == 0.0:
        return min(0.0, float(levels.min()) - 0.08 * span)
    return float(levels.min() - 0.5 * span)


def _draw_total(axes: Axes, place: int, checked: Checked, bottom: float) -> None:
    found = checked.verification
    axes.bar(place, found.total_cost - bottom, 0.6, bottom=bottom, color=INK)
    note = "" if found.is_feasible else "\nrules broken"
    _write(axes, place, found.total_cost, f"{found.total_cost:,.0f}{note}")


def _draw_steps(axes: Axes, levels: FloatArray) -> None:
    for place, (start, end) in enumerate(pairwise(levels), start=1):
        color = START if end > start else CHEAPER
        axes.bar(place, end - start, 0.6, bottom=start, color=color)
        _write(axes, place, max(start, end), f"{end - start:+,.0f}")
    for place, level in enumerate(levels):
        axes.plot([place + 0.3, place + 0.7], [level, level], color=INK, lw=0.6)


def _write(axes: Axes, place: int, height: float, text: str) -> None:
    axes.annotate(
        text, (place, height), (0, 3), textcoords="offset points", ha="center", va="bottom"
    )


def _cost_title(study: Study, levels: FloatArray) -> str:
    change = levels[-1] - levels[0]
    word = "lower" if change < 0.0 else "raise"
    percent = f" ({abs(change) / abs(levels[0]):.1%})" if levels[0] else ""
    return f"Batteries in {study.name} {word} the cost by {abs(change):,.0f}{percent}"
