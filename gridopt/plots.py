"""Figures of a schedule: dispatch stack, commitment, loading of the branches.

Every function returns a `matplotlib.figure.Figure` that no global state knows of: it can be saved
without a display, and a notebook shows it. Colors are told apart by color-blind readers and in
gray print; a period is drawn over the whole time that it lasts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.price_table import Prices
from gridopt.results import Schedule
from gridopt.study import FORCED_OUT, Study

RENEWABLE = "#2a9d6f"
DISCHARGE = "#b05fa3"
CHARGE = "#dcb3d6"
IMPORT = "#8c8c8c"
EXPORT = "#c9c9c9"
SURPLUS = "#e8a27c"
UNSERVED = "#d7191c"
INK = "#222222"
START = "#e66100"
OFF = "#f1f1ef"

MAX_GROUPS = 10
"""Layers of thermal units in the dispatch figure."""
MAX_NAMED_ROWS = 60
"""Rows of a matrix up to which each has its name and its own line."""
DRAWN_FROM_MW = 1e-6
"""A layer that never reaches this power is left out."""
MAX_SHAPES = 4000
"""Shapes of a figure up to which each is one of its own in a vector format."""
BINDING_PERCENT = 99.9
ROUNDING_PERCENT = 1e-3

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.parse_math": False,  # names are shown as they are, dollar signs too
}

OF_SVG: dict[Any, Any] = {**STYLE, "svg.fonttype": "none"}
"""Text stays text: found by search, and small."""
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
RASTER_DPI = 130


@dataclass(frozen=True)
class _Layer:
    """One band of the dispatch stack: its power in each period, (T,), and how it looks."""

    label: str
    power_mw: FloatArray
    color: str
    hatch: str = ""


def dispatch(schedule: Schedule) -> Figure:
    """Draw who serves the demand: stacked power of groups of units over time.

    Thermal units are stacked from cheap to dear at full load. Up to ten stand for themselves;
    more are grouped by the part of their names without the running number, and where that says
    nothing by bands of cost. Curtailed renewables are hatched, unserved demand is red, and what
    is taken up (charging, export, surplus) lies below zero.

    Parameters
    ----------
    schedule : Schedule

    Returns
    -------
    Figure
    """
    study = schedule.study
    demand_mw = _supplied_mw(study)
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(9.0, 4.5), layout="constrained")
        axes = figure.add_subplot()
        supply = _stack(axes, [*_supply(schedule), *_curtailed(schedule)], sign=1)
        taken = _stack(axes, list(_taken(schedule)), sign=-1)
        width = float(np.clip(300.0 / study.n_periods, 0.3, 1.4))
        for color, wider in (("white", 1.6), (INK, 1.0)):
            axes.stairs(
                demand_mw, period_edges(study), baseline=None, color=color, lw=width * wider
            )
        axes.axhline(0.0, color=INK, linewidth=0.6)
        axes.yaxis.set_major_formatter("{x:,.10g}")
        _pad_power(axes)
        _over_time(axes, study, f"Dispatch of {study.name}", "power (MW)")
        line = Line2D([], [], color=INK, linewidth=1.4, label="demand")
        figure.legend(handles=[line, *reversed(supply), *taken], loc="outside right upper")
    return figure


def commitment(schedule: Schedule) -> Figure:
    """Draw when each thermal unit is on, how far it is loaded, and its starts.

    Units are sorted by hours on, longest at the top, then from cheap to dear; up to 60 are named.

    Parameters
    ----------
    schedule : Schedule

    Returns
    -------
    Figure
    """
    study = schedule.study
    order = np.lexsort((_full_load_cost(study), -schedule.committed.sum(axis=1)))
    on, n_units = schedule.committed[order], len(order)
    capacity = study.thermal.p_max_mw[order, np.newaxis]
    share = 100.0 * schedule.power_mw[order] / np.where(capacity > 0, capacity, 1.0)
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(9.0, _matrix_height(n_units)), layout="constrained")
        axes = figure.add_subplot()
        if n_units:
            shown = np.where(on, share, np.nan)
            _matrix(axes, study, shown, load_colors(), "output (% of maximum)")
            _start_marks(axes, on, study.thermal.initial_on[order])
            _name_rows(axes, [study.thermal.name[g] for g in order], "thermal unit", "hours on")
            time_axis(axes, study)
        else:
            say(axes, "no thermal unit")
        axes.set_title(f"Commitment of {study.name}: {n_units} units")
    return figure


def line_loading(schedule: Schedule, most_loaded: int = 30) -> Figure:
    """Draw how far the branches with a rating are loaded, those of the highest peak at the top.

    A dot marks a branch at its limit; above it the cell is red.

    Parameters
    ----------
    schedule : Schedule
    most_loaded : int
        Number of branches to draw.

    Returns
    -------
    Figure
    """
    grid = schedule.study.grid
    rated = np.flatnonzero(grid.is_rated & (grid.rating_mw > 0))
    loading = 100.0 * np.abs(schedule.flow_mw()[rated]) / grid.rating_mw[rated, np.newaxis]
    order = np.argsort(-loading.max(axis=1, initial=0.0), kind="stable")[:most_loaded]
    names = [grid.branch_name[branch] for branch in rated[order]]
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(9.0, _matrix_height(len(order))), layout="constrained")
        axes = figure.add_subplot()
        if len(order):
            _matrix(
                axes, schedule.study, loading[order], _loading_colors(), "loading (% of rating)"
            )
            _limit_marks(axes, loading[order])
            _name_rows(axes, names, "branch")
            time_axis(axes, schedule.study)
        else:
            say(axes, "no branch has a rating")
        axes.set_title(_loading_title(schedule, len(order), len(rated)))
    return figure


def demand(study: Study) -> Figure:
    """Draw what is asked of a system: its demand, without and with renewables, beside its units.

    Of scenarios the mean is drawn, in a band from the lowest to the highest.

    Parameters
    ----------
    study : Study

    Returns
    -------
    Figure
    """
    edges, units = period_edges(study), study.thermal
    cases = [study.in_scenario(scenario) for scenario in study.scenarios] or [study]
    weights = [scenario.probability for scenario in study.scenarios] or [1.0]
    asked = np.array([_supplied_mw(case) for case in cases])
    left = asked - np.array([case.renewables.p_max_mw.sum(axis=0) for case in cases])
    available = np.where(study.fixed_status == FORCED_OUT, 0.0, units.p_max_mw[:, np.newaxis])
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(9.0, 3.5), layout="constrained")
        axes = figure.add_subplot()
        if len(units):
            capacity = available.sum(axis=0)
            label = "thermal units, at most"
            axes.stairs(capacity, edges, baseline=0.0, fill=True, color=OFF, label=label)
        lines = [(asked, INK, "-", "demand")]
        if len(study.renewables):
            lines.append((left, RENEWABLE, "--", "demand less renewables"))
        for mw, color, ls, label in lines:
            if len(mw) > 1:
                low, high = mw.min(axis=0), mw.max(axis=0)
                axes.stairs(high, edges, baseline=low, fill=True, color=color, alpha=0.2)
            mean = np.average(mw, axis=0, weights=weights)
            axes.stairs(mean, edges, baseline=None, color=color, ls=ls, lw=1.4, label=label)
        _over_time(axes, study, f"Demand of {study.name}", "power (MW)")
        figure.legend(loc="outside right upper")
    return figure


def prices(found: Prices) -> Figure:
    """Draw what energy costs over time: at the reference bus, and how far the buses lie apart.

    The prices of reserve requirements are dashed.

    Parameters
    ----------
    found : Prices

    Returns
    -------
    Figure
    """
    study, price = found.schedule.study, found.price_per_mwh
    edges = period_edges(study)
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(9.0, 3.5), layout="constrained")
        axes = figure.add_subplot()
        if len(price) > 1:
            low, high = price.min(axis=0), price.max(axis=0)
            label = f"{len(price)} buses, lowest to highest"
            axes.stairs(high, edges, baseline=low, fill=True, color=CHARGE, label=label)
        axes.stairs(found.energy_per_mwh, edges, baseline=None, color=INK, lw=1.4, label="energy")
        shades = _cost_colors()(np.linspace(0.0, 0.9, max(len(found.reserve_per_mwh), 1)))
        names = study.reserves.requirement
        for name, reserve, shade in zip(names, found.reserve_per_mwh, shades, strict=False):
            color = mpl.colors.to_hex(shade)
            axes.stairs(reserve, edges, baseline=None, color=color, ls="--", label=name)
        _over_time(axes, study, f"Prices of {study.name}", "price (per MWh)")
        figure.legend(loc="outside right upper")
    return figure


def convergence(run: Any) -> Figure:
    """Draw how cost and bound of a run came together over time; only some solvers tell.

    Parameters
    ----------
    run : Run

    Returns
    -------
    Figure
    """
    trace = run.solution.trace
    elapsed_s = np.array([step.elapsed_s for step in trace])
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=(9.0, 3.5), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(f"Cost and bound of {run.study.name}")
        if not trace:
            say(axes, "This solver does not tell how its answer came about.")
            return figure
        for name, color, ls in (("objective", START, "-"), ("bound", INK, "--")):
            values = np.array([getattr(step, name) for step in trace])
            known = np.isfinite(values)
            label = "cost" if name == "objective" else name
            axes.step(
                elapsed_s[known], values[known], color=color, ls=ls, where="post", label=label
            )
        best = [step.objective for step in trace if np.isfinite(step.objective)]
        bounds = [step.bound for step in trace if np.isfinite(step.bound)]
        if best and bounds:  # the first bounds and answers may be far off
            room = max(min(best) - max(bounds), 1e-6 * abs(max(bounds)))
            axes.set_ylim(max(bounds) - 3.0 * room, min(best) + 3.0 * room)
        axes.set_xlabel("seconds")
        axes.set_ylabel("cost")
        axes.yaxis.grid(visible=True, color="#dddddd", linewidth=0.5)
        figure.legend(loc="outside right upper")
    return figure


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure; the ending of the path says the format (png, pdf, svg).

    Parameters
    ----------
    figure : Figure
    path : str or Path
        Its folder is created where it is missing.

    Returns
    -------
    Path
        Where it was written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure.savefig(target, dpi=160)
    return target


def svg(figure: Figure, key: str, title: str, description: str) -> str:
    """Return a figure as an element for a page: the same text for the same figure.

    Parameters
    ----------
    figure : Figure
    key : str
        Of letters, figures and hyphens; no other element of the page has it. It enters all ids.
    title, description : str
        What stands for the figure where it cannot be seen.

    Returns
    -------
    str
        ``<svg …>…</svg>``, as wide as what holds it within limits; names in it are escaped.
    """
    text = StringIO()
    with mpl.rc_context({**OF_SVG, "svg.hashsalt": key}):
        figure.savefig(text, format="svg", dpi=RASTER_DPI, metadata=NO_METADATA)
    drawn = text.getvalue()
    width, height = 72.0 * figure.get_size_inches()
    body = drawn[drawn.index("<defs>") : drawn.rindex("</svg>")]
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # named alike in every figure, used by none
    names = f'<title id="{key}-title">{escape(title)}</title>' + (
        f'<desc id="{key}-desc">{escape(description)}</desc>'
    )
    head = (
        f'<svg viewBox="0 0 {width:g} {height:g}" style="width: 100%; min-width: {width:g}px; '
        f'max-width: {1.4 * width:g}px" role="img" aria-labelledby="{key}-title {key}-desc" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return f"{head}{names}{body}</svg>"


class NotebookFigure(Figure):
    """A figure that a notebook shows of itself, without pyplot or ``%matplotlib inline``."""

    def _repr_png_(self) -> bytes:
        png = BytesIO()
        with mpl.rc_context(STYLE):
            self.savefig(png, format="png", dpi=100)
        return png.getvalue()


# --- layers of the dispatch stack


def _supplied_mw(study: Study) -> FloatArray:
    """Return what is taken in all, by shunts as well, (T,)."""
    return np.asarray(study.total_demand_mw + study.grid.offset_mw.sum())


def _supply(schedule: Schedule) -> Iterator[_Layer]:
    study = schedule.study
    groups = unit_groups(study)
    shades = _cost_colors()(np.linspace(0.0, 1.0, max(len(groups), 2)))
    for (label, members), shade in zip(groups, shades, strict=False):
        yield _Layer(label, schedule.power_mw[members].sum(axis=0), mpl.colors.to_hex(shade))
    yield _Layer("renewables", schedule.renewable_mw.sum(axis=0), RENEWABLE)
    yield _Layer("discharge", schedule.discharge_mw.sum(axis=0), DISCHARGE)
    yield _Layer("import", np.maximum(schedule.import_mw, 0.0).sum(axis=0), IMPORT)
    yield _Layer("unserved", schedule.unserved_mw.sum(axis=0), UNSERVED)


def _curtailed(schedule: Schedule) -> Iterator[_Layer]:
    available = schedule.study.renewables.p_max_mw
    curtailed = np.maximum(available - schedule.renewable_mw, 0.0).sum(axis=0)
    yield _Layer("curtailed", curtailed, RENEWABLE, hatch="/////")


def _taken(schedule: Schedule) -> Iterator[_Layer]:
    yield _Layer("charge", schedule.charge_mw.sum(axis=0), CHARGE)
    yield _Layer("export", np.maximum(-schedule.import_mw, 0.0).sum(axis=0), EXPORT)
    yield _Layer("surplus", schedule.surplus_mw.sum(axis=0), SURPLUS)


def _stack(axes: Axes, layers: Sequence[_Layer], sign: int) -> list[Patch]:
    """Draw layers away from zero and return a legend entry for each that shows."""
    shown = [layer for layer in layers if layer.power_mw.max(initial=0.0) > DRAWN_FROM_MW]
    handles, level = [], np.zeros(len(layers[0].power_mw))
    edges = np.arange(len(level) + 1)
    is_long = len(shown) * len(level) > MAX_SHAPES
    for layer in shown:
        top = level + sign * layer.power_mw
        look = _look(layer)
        axes.stairs(top, edges, baseline=level, fill=True, rasterized=is_long, **look)
        handles.append(Patch(label=layer.label, **look))
        level = top
    return handles


def _pad_power(axes: Axes) -> None:
    """Leave room above the stack and below it, but none between the stack and zero."""
    low, high = axes.dataLim.intervaly
    room = 0.04 * max(high - low, 1.0)
    axes.set_ylim(low - room if low < -DRAWN_FROM_MW else 0.0, high + room)


def _look(layer: _Layer) -> dict[str, Any]:
    if layer.hatch:
        return {"facecolor": "white", "edgecolor": layer.color, "hatch": layer.hatch, "lw": 0.4}
    return {
        "facecolor": layer.color,
        "edgecolor": "white",
        "lw": 0.3 if len(layer.power_mw) <= 400 else 0.0,
    }


# --- groups of units


def unit_groups(study: Study) -> list[tuple[str, IntArray]]:
    """Return labels and members of at most ten groups of thermal units, cheap to dear.

    Parameters
    ----------
    study : Study

    Returns
    -------
    list of (str, array of int)
        The finest that fits of: each unit; names without their last number; the first part of the
        names; their longest word; bands of cost.
    """
    cost, names = _full_load_cost(study), study.thermal.name
    keys: tuple[Callable[[str], str], ...] = (str, _without_number, _stem, _word)
    for key in keys:
        labels = [key(name) for name in names]
        if len(set(labels)) <= MAX_GROUPS and (len(set(labels)) > 1 or len(names) <= 1):
            return _sorted_groups(labels, cost, study.thermal.p_max_mw)
    return _sorted_groups(_cost_bands(cost), cost, study.thermal.p_max_mw)


def _without_number(name: str) -> str:
    """Return ``"U155"`` for ``"U155_2"`` and ``"coal"`` for ``"coal 12"``."""
    return re.sub(r"[\s_.:#-]*\d+$", "", name) or name


def _stem(name: str) -> str:
    """Return ``"U155"`` for ``"U155_16_2"``."""
    return re.split(r"[\s_.:#-]", name, maxsplit=1)[0]


def _word(name: str) -> str:
    """Return ``"STEAM"`` for ``"101_STEAM_3"``."""
    return max(re.findall(r"[^\W\d_]+", name), key=len, default="")


def _cost_bands(cost: FloatArray, n_bands: int = 6) -> list[str]:
    edges = np.unique(np.quantile(cost, np.linspace(0.0, 1.0, n_bands + 1)))
    band = np.clip(np.searchsorted(edges, cost, side="right") - 1, 0, max(len(edges) - 2, 0))
    last = np.minimum(band + 1, len(edges) - 1)
    return [
        f"{low:.3g}–{high:.3g} per MWh" for low, high in zip(edges[band], edges[last], strict=True)
    ]


def _sorted_groups(
    labels: Sequence[str], cost: FloatArray, capacity: FloatArray
) -> list[tuple[str, IntArray]]:
    members = pd.Series(range(len(labels))).groupby(np.array(labels, dtype=object)).indices
    mean_cost = {
        label: np.average(cost[which], weights=np.maximum(capacity[which], 1e-9))
        for label, which in members.items()
    }
    return [
        (
            f"{label} ({len(members[label])} units)" if len(members[label]) > 1 else str(label),
            np.asarray(members[label], dtype=np.int64),
        )
        for label in sorted(members, key=lambda label: (mean_cost[label], str(label)))
    ]


def _full_load_cost(study: Study) -> FloatArray:
    """Return the cost of each thermal unit at its highest output, per MWh, (G,)."""
    units = study.thermal
    at_full = [float(curve.cost(p)) for curve, p in zip(units.cost, units.p_max_mw, strict=True)]
    return np.asarray(at_full) / np.maximum(units.p_max_mw, 1e-9)


# --- matrices of element × period


def _matrix(axes: Axes, study: Study, percent: FloatArray, colors: Colormap, label: str) -> None:
    """Draw rows of cells from the top down, 0 to 100 %, red above that, with a color bar."""
    values = np.where(np.abs(percent - 100.0) < ROUNDING_PERCENT, 100.0, percent)
    named = len(values) <= MAX_NAMED_ROWS
    image = axes.pcolormesh(
        period_edges(study),
        np.arange(len(values) + 1),
        values,
        cmap=colors.with_extremes(over=UNSERVED),
        vmin=0.0,
        vmax=100.0,
        rasterized=not named or values.size > MAX_SHAPES,
    )
    axes.set_facecolor(OFF)
    axes.set_ylim(len(values), 0)
    if named:
        for row in range(1, len(values)):
            axes.axhline(row, color="white", linewidth=1.2)
    for side in axes.spines.values():
        side.set_visible(False)
    over = bool((np.nan_to_num(values) > 100.0).any())
    bar = axes.figure.colorbar(
        image, ax=axes, label=label, pad=0.02, aspect=25, extend="max" if over else "neither"
    )
    bar.outline.set_visible(False)


def _name_rows(axes: Axes, names: Sequence[str], kind: str, order: str = "") -> None:
    if len(names) <= MAX_NAMED_ROWS:
        axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=min(8.0, 300 / len(names)))
        axes.tick_params(axis="y", length=0)
        axes.set_ylabel(kind)
    else:
        axes.set_ylabel(f"{kind}, by {order}")


def say(axes: Axes, text: str) -> None:
    """Write why there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes)


def _matrix_height(n_rows: int) -> float:
    """Return the height of a figure in inches."""
    return float(np.clip(1.3 + 0.19 * n_rows, 2.6, 8.0))


def _start_marks(axes: Axes, on: BoolArray, on_before: BoolArray) -> None:
    """Mark the periods in which units start; too many rows leave no room for it."""
    before = np.column_stack([on_before, on[:, :-1]])
    unit, period = np.nonzero(on & ~before)
    if len(on) > MAX_NAMED_ROWS or not len(unit):
        return
    axes.scatter(
        period + 0.25,
        unit + 0.5,
        s=20,
        marker=">",
        color=START,
        edgecolors="white",
        linewidths=0.4,
        zorder=3,
        label="start",
        rasterized=len(unit) > MAX_SHAPES,
    )
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderpad=0.2, handletextpad=0.1)


def _limit_marks(axes: Axes, loading: FloatArray) -> None:
    at_limit = (loading >= BINDING_PERCENT) & (loading < 100.0 + ROUNDING_PERCENT)
    row, period = np.nonzero(at_limit)
    if len(row):
        many = len(row) > MAX_SHAPES
        at = period + 0.5, row + 0.5
        axes.scatter(*at, s=7, color="white", linewidths=0, zorder=3, rasterized=many)


def _loading_title(schedule: Schedule, n_shown: int, n_rated: int) -> str:
    title = f"Branch loading of {schedule.study.name}"
    if n_rated > n_shown:
        title += f": highest {n_shown} of {n_rated} rated"
    unlimited = n_rated > 0 and schedule.network != "dc"
    return f"{title} (limits were not among the rules)" if unlimited else title


# --- colors


def _cost_colors() -> Colormap:
    """Return dark blue to sand, rising in lightness: cheap to dear."""
    return LinearSegmentedColormap.from_list(
        "cost", ["#12304f", "#1f5a86", "#4f8fb5", "#9cc3d5", "#e9dfc0", "#e2b45a", "#c08a2b"]
    )


def load_colors() -> Colormap:
    """Return light to dark blue, all of it visible on white."""
    return LinearSegmentedColormap.from_list("load", ["#b9d7e8", "#4f8fb5", "#12304f"])


def _loading_colors() -> Colormap:
    return LinearSegmentedColormap.from_list(
        "loading", ["#f6f4ec", "#c5dbe4", "#7fb0cb", "#35719b", "#12304f"]
    )


# --- time


def period_edges(study: Study) -> FloatArray:
    """Return where periods begin and the last ends on the axis of `time_axis`, (T + 1,)."""
    return np.arange(study.n_periods + 1, dtype=np.float64)


def _over_time(axes: Axes, study: Study, title: str, quantity: str) -> None:
    """Name what is drawn, and its quantity with its unit, over the periods."""
    axes.set_ylabel(quantity)
    axes.yaxis.grid(visible=True, color="#dddddd", linewidth=0.5)
    axes.set_title(title)
    time_axis(axes, study)


def time_axis(axes: Axes, study: Study) -> None:
    """Label the periods: by clock where they are time stamps, by number otherwise."""
    axes.set_xlim(0, study.n_periods)
    if isinstance(study.time, pd.DatetimeIndex):
        _clock_ticks(axes, study.time)
    else:
        # long numbers, such as hours of a year, need room
        every = _round_step(study.n_periods, most=24 if len(str(study.time[-1])) <= 2 else 12)
        at = range(0, study.n_periods, every)
        axes.set_xticks([t + 0.5 for t in at], [str(study.time[t]) for t in at])
        axes.set_xlabel(f"period ({study.period_h:g} h each)")


def _round_step(count: int, most: int) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten that divides `count` into `most`."""
    steps = (base * int(10**power) for power in range(9) for base in (1, 2, 5))
    return next(step for step in steps if step * most >= count)


def _clock_ticks(axes: Axes, time: pd.DatetimeIndex) -> None:
    """Tick whole hours of the local clock, so that days of 23 and 25 hours come out right."""
    span_h = (time[-1] - time[0]) / pd.Timedelta(hours=1) + 1
    every = next((h for h in (1, 2, 3, 6, 12, 24) if span_h / h <= 13), 24)
    whole = (time.hour % every == 0) & (time.minute == 0) & (time.second == 0)
    at = np.flatnonzero(whole).tolist() or [0]
    at = at[:: -(-len(at) // 14)]
    labels = [_clock_label(time[t], first=t == at[0], by_day=every == 24) for t in at]
    axes.set_xticks(at, labels)
    axes.set_xlabel(f"time ({time.tz})" if time.tz is not None else "time")


def _clock_label(stamp: pd.Timestamp, first: bool, by_day: bool) -> str:
    if by_day:
        return f"{stamp:%d %b}"
    new_day = first or (stamp.hour == 0)
    return f"{stamp:%H:%M}\n{stamp:%d %b %Y}" if new_day else f"{stamp:%H:%M}"
