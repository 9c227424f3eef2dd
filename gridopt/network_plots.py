"""Figures of a net: where its buses are, and how far its branches are loaded.

As in `gridopt.plots`, every function that draws a figure returns one that no global state knows of.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from gridopt.arrays import FloatArray
from gridopt.grid import Grid
from gridopt.io.net_grid import read_grid
from gridopt.plots import INK, STYLE, UNSERVED, NotebookFigure, load_colors
from gridopt.results import Schedule
from gridopt.study import Study

UNRATED = "#b5b5b5"

MAP_WIDTH_IN = 7.4
SMALL_NET = 300
"""Buses up to which a net without coordinates is laid out by the lengths of its paths."""
MOST_LAID_OUT = 2000
"""Buses up to which a net without coordinates is laid out at all: more take minutes."""
MOST_LINES = 2000
"""Branches or buses up to which each is a shape of its own in a vector format."""


def loading_map(schedule: Schedule) -> Figure:
    """Draw the net and the highest loading of each branch over the periods, by DC power flow.

    Buses stand where the net's geodata puts them, or where a layout does. Where no branch has a
    rating, colors are the highest power instead.

    Parameters
    ----------
    schedule : Schedule

    Returns
    -------
    Figure
    """
    study = schedule.study
    at, is_geo = positions(study)
    with mpl.rc_context(STYLE):
        figure = NotebookFigure(figsize=map_size(at), layout="constrained")
        axes = figure.add_subplot()
        draw_branches(axes, study, at, highest(schedule))
        draw_buses(axes, study.grid, at)
        axes.set_title(f"Highest flows in {study.name}, by DC power flow")
        finish_map(figure, axes, is_geo)
    return figure


def can_be_mapped(study: Study) -> bool:
    """Return whether there are branches to draw, and coordinates or few enough buses to lay out."""
    grid = study.grid
    return grid.n_branches > 0 and (grid.n_buses <= MOST_LAID_OUT or _geodata(study) is not None)


def highest(schedule: Schedule) -> tuple[FloatArray, FloatArray]:
    """Return the highest power of each branch, MW, and its highest loading, %, (L,) each.

    By DC power flow; the loading is NaN where there is no rating.
    """
    grid = schedule.study.grid
    power = np.abs(schedule.flow_mw()).max(axis=1)
    is_rated = grid.is_rated & (grid.rating_mw > 0)
    return power, 100.0 * power / np.where(is_rated, grid.rating_mw, np.nan)


# --- where buses are


def positions(study: Study) -> tuple[FloatArray, bool]:
    """Return where buses are drawn, (B, 2), and whether that is the net's geodata."""
    found = _geodata(study)
    return (_layout(study.grid), False) if found is None else (found, True)


def _geodata(study: Study) -> FloatArray | None:
    """Return coordinates of all buses of the grid, (B, 2); None where one has none."""
    if study.net is None or "geo" not in study.net.bus:
        return None
    found = np.full((study.grid.n_buses, 2), np.nan)
    position = read_grid(copy.deepcopy(study.net), []).position
    for bus, text in study.net.bus["geo"].items():
        if bus in position:
            found[position[bus]] = _point(text)
    return found if np.isfinite(found).all() else None


def _point(text: object) -> tuple[float, float]:
    """Return the coordinates in a GeoJSON point; NaN where it is none."""
    try:
        x, y = json.loads(str(text))["coordinates"][:2]
        return float(x), float(y)
    except (ValueError, TypeError, KeyError):
        return np.nan, np.nan


def _layout(grid: Grid) -> FloatArray:
    """Return positions that keep neighbors together, (B, 2), the same at every call."""
    graph = nx.Graph()
    graph.add_nodes_from(range(grid.n_buses))
    graph.add_edges_from(zip(grid.from_bus.tolist(), grid.to_bus.tolist(), strict=True))
    if grid.n_buses <= SMALL_NET:
        found = nx.kamada_kawai_layout(graph)
    else:
        found = nx.spring_layout(graph, seed=0)
    return np.array([found[bus] for bus in range(grid.n_buses)])


def map_size(at: FloatArray) -> tuple[float, float]:
    """Return width and height of the map's figure in inches."""
    width, height = np.maximum(np.ptp(at, axis=0), 1e-9)
    return 9.0, float(np.clip(MAP_WIDTH_IN * height / width, 4.0, 6.5))


# --- drawing


def draw_branches(
    axes: Axes, study: Study, at: FloatArray, highest: tuple[FloatArray, FloatArray]
) -> None:
    """Draw branches, by their loading where any is rated, else by their power."""
    grid, (power, loading) = study.grid, highest
    if not grid.n_branches:
        return
    is_rated = bool(np.isfinite(loading).any())
    values = loading if is_rated else power
    lines = LineCollection(
        list(np.stack([at[grid.from_bus], at[grid.to_bus]], axis=1)),
        array=np.ma.masked_invalid(values),
        cmap=load_colors().with_extremes(over=UNSERVED, bad=UNRATED),
        linewidths=2.4,
        capstyle="round",
        rasterized=grid.n_branches > MOST_LINES,
    )
    lines.set_clim(0.0, 100.0 if is_rated else max(float(np.nanmax(values)), 1e-9))
    axes.add_collection(lines)
    over = is_rated and float(np.nanmax(values)) > 100.0
    label = "highest loading (% of rating)" if is_rated else "highest power (MW), no ratings"
    bar = axes.figure.colorbar(
        lines, ax=axes, label=label, pad=0.02, aspect=25, extend="max" if over else "neither"
    )
    bar.outline.set_visible(False)


def draw_buses(axes: Axes, grid: Grid, at: FloatArray) -> None:
    """Draw a circle for each bus, and a square for the reference bus."""
    small = 14.0 if grid.n_buses <= SMALL_NET else 4.0
    look: dict[str, Any] = {"color": "white", "edgecolors": INK, "linewidths": 0.6}
    many = grid.n_buses > MOST_LINES
    axes.scatter(at[:, 0], at[:, 1], s=small, zorder=3, label="bus", rasterized=many, **look)
    source = at[[grid.reference_bus]]
    axes.scatter(
        source[:, 0], source[:, 1], s=70.0, marker="s", color=INK, zorder=4, label="reference bus"
    )


def finish_map(figure: Figure, axes: Axes, is_geo: bool) -> None:
    """Leave out the axes, keep angles true, and say what the positions are."""
    axes.set_axis_off()
    axes.margins(0.08)
    axes.set_aspect("equal", adjustable="datalim")
    title = "buses by the net's geodata" if is_geo else "buses by a layout: the net has no geodata"
    figure.legend(loc="outside lower left", ncols=3, title=title, alignment="left", markerscale=0.6)
