"""Figures of a comparison as Vega-Lite: the same for the page and, through vl-convert, for print.

Solvers are told apart by color, dash and shape. On the page a figure obeys two parameters, which
the page sets: `shown`, the solvers to draw, and `panel`, where a figure has several, such as one a
problem: ``usermeta`` lists them. In print all panels are side by side. A figure of nothing is None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from gridopt.arrays import FloatArray
from gridopt.bench.analysis import STAGES

Spec = dict[str, Any]

Chart = Any
"""Of Altair, whose types are wider than what is drawn here."""

COLORS = ("#2f7ec4", "#d1632f", "#2a9168", "#b0569f", "#8f7a1f", "#6a6fd0", "#c2484f", "#4b8f9c")
"""Each about 3 : 1 at least against white and against the page's dark ground."""

DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (10, 4), (4, 2, 1, 2))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
PATHS = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "square": "M-3.5 -3.5h7v7h-7z",
    "triangle-up": "M0 -4L4.5 4h-9z",
    "diamond": "M0 -5L4 0L0 5L-4 0z",
    "cross": "M-1.5 -4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "triangle-down": "M0 4L4.5 -4h-9z",
    "triangle-right": "M4 0L-4 4.5v-9z",
}
"""The shapes as SVG paths, for a legend of the page."""

GOOD, BAD, PLAIN = "#2a9168", "#d1632f", "#2f7ec4"

LEAST_GAP = 1e-6
"""Gaps below are drawn there: a logarithm has no zero."""

LEAST_S = 1e-3

PADDING = 6
PAGE_FONT = "system-ui, sans-serif"
FEW_DECADES = 4
PANEL_WIDTH, HEIGHT, ROW_HEIGHT, LANE_HEIGHT = 330, 280, 30, 11
PRINTED_SCALE = 2.0


class Mark(NamedTuple):
    """How one solver, or one stage, looks wherever it is drawn."""

    name: str
    color: str
    dash: tuple[int, ...]
    shape: str


def marks(names: tuple[str, ...]) -> tuple[Mark, ...]:
    """Return a look for each name: colors repeat after eight, with another dash and shape."""
    return tuple(
        Mark(name, COLORS[i % len(COLORS)], DASHES[i % len(DASHES)], SHAPES[i % len(SHAPES)])
        for i, name in enumerate(names)
    )


@dataclass(frozen=True)
class Look:
    """How figures are drawn.

    Parameters
    ----------
    solvers : tuple of str
        All of them, in the order of colors.
    printed : bool
        For print: black ink, fixed width, legends, all panels.
    """

    solvers: tuple[str, ...]
    printed: bool = False

    @property
    def ink(self) -> str:
        """Color of axes and text."""
        return "#1c2530" if self.printed else "currentColor"


def time_profile(table: pd.DataFrame, look: Look) -> Spec | None:
    """Draw profiles of times (`gridopt.bench.progress.profile`), with a column `panel`."""
    if table.empty:
        return None
    title = "time, ratio to the fastest"
    return _profile(table, look, _log("ratio", title, ",.4~r", table["ratio"]), "panel")


def cost_profile(table: pd.DataFrame, look: Look) -> Spec | None:
    """Draw profiles of costs: ratios are so close to one that what is above it is drawn."""
    if table.empty:
        return None
    drawn = table.assign(above=(table["ratio"] - 1.0).clip(lower=LEAST_GAP))
    x = _log("above", "cost above the best (ratio less one)", ".2~p", drawn["above"])
    return _profile(drawn, look, x, "")


def _profile(drawn: pd.DataFrame, look: Look, x: Any, panels: str) -> Spec:
    chart = _chart(look, panels).encode(
        x=x,
        y=alt.Y("share:Q", title="share of problems", scale=_share(), axis=alt.Axis(format="~%")),
        tooltip=["solver:N", _tip("ratio", ",.6~r"), _tip("share", ".0%")],
    )
    line = chart.mark_line(interpolate="step-after", strokeWidth=2)
    points = _points(chart.transform_filter("datum.share > 0"), look)
    layers = _with_solvers(look, line.encode(strokeDash=_dashes(look)), points)
    return _finished(layers, drawn, look, panels)


def gap_curves(table: pd.DataFrame, look: Look) -> Spec | None:
    """Draw gap over time (`gridopt.bench.progress.curves`): median, and band of all runs."""
    drawn = _finite(table, "gap")
    if drawn.empty:
        return None
    for name in ("gap", "low", "high"):
        drawn[name] = drawn[name].clip(lower=LEAST_GAP).where(np.isfinite(drawn[name]))
    drawn["time_s"] = drawn["time_s"].clip(lower=LEAST_S)
    drawn["is_last"] = ~drawn.duplicated(["problem", "solver"], keep="last")
    chart = _chart(look, "problem").encode(x=_log("time_s", "seconds", ",.3~r", drawn["time_s"]))
    tips = ["solver:N", _tip("time_s", ".3~s"), _tip("gap", ".3~p"), _tip("high", ".3~p")]
    title = "gap to the best bound"
    levels = drawn[["gap", "low", "high"]]
    low, gap = (_log(it, title, ".2~p", levels, alt.Y) for it in ("low", "gap"))
    step = "step-after"
    band = chart.mark_area(interpolate=step, opacity=0.15).encode(y=low, y2="high:Q")
    line = chart.mark_line(interpolate=step, strokeWidth=2).encode(
        y=gap, strokeDash=_dashes(look), tooltip=tips
    )
    points = _points(chart.transform_filter("datum.is_last"), look).encode(y=gap, tooltip=tips)
    return _finished(_with_solvers(look, band, line, points), drawn, look, "problem")


def beside_milp(table: pd.DataFrame, look: Look) -> Spec | None:
    """Draw gaps against the baseline's at the same time (`gridopt.bench.progress.beside_milp`)."""
    drawn = _finite(table, "gap", "milp_gap")
    if drawn.empty:
        return None
    both = ["gap", "milp_gap"]
    drawn[both] = drawn[both].clip(lower=LEAST_GAP)
    ends = [float(0.5 * drawn[both].to_numpy().min()), float(2.0 * drawn[both].to_numpy().max())]
    scale = alt.Scale(type="log", domain=ends, nice=False)
    axis = alt.Axis(format=".2~p", values=_ticks(np.array(ends)))
    x = alt.X("milp_gap:Q", title="gap of the MILP by then", scale=scale, axis=axis)
    y = alt.Y("gap:Q", title="gap of the solver", scale=scale, axis=axis)
    tips = ["problem:N", "solver:N", "milp:N", _tip("time_s", ".3~s"), _tip("gap", ".3~p")]
    points = _points(_chart(look), look).encode(x=x, y=y, tooltip=[*tips, _tip("milp_gap", ".3~p")])
    corners = pd.DataFrame({"at": ends})
    diagonal: Chart = alt.Chart(corners).mark_line(
        color=look.ink, strokeDash=[4, 4], strokeWidth=1, tooltip=None
    )
    diagonal = diagonal.encode(x=alt.X("at:Q", scale=scale), y=alt.Y("at:Q", scale=scale))
    return _finished(alt.layer(diagonal, _with_solvers(look, points)), drawn, look)


def time_to_solution(table: pd.DataFrame, look: Look) -> Spec | None:
    """Draw TTS(99) with its interval (`gridopt.bench.progress.success`)."""
    drawn = _finite(table, "low_s").query("trials > 0 and low_s > 0")
    if drawn.empty:
        return None
    drawn["row"] = drawn["solver"] + ", " + drawn["of"]
    drawn["never"] = ~np.isfinite(drawn["tts_s"])
    most = drawn[["tts_s", "low_s", "high_s"]].to_numpy()
    last = 2.0 * float(most[np.isfinite(most)].max())
    drawn["from_s"], drawn["to_s"] = drawn["low_s"], drawn["high_s"].clip(upper=last)
    drawn["at_s"] = drawn["tts_s"].where(~drawn["never"], drawn["low_s"])
    drawn["says"] = np.where(drawn["never"], ">", "")
    spans = drawn[["from_s", "to_s"]]

    def seconds(field: str) -> Any:
        return _log(field, "seconds", ",.3~r", spans)

    chart = _chart(look, "problem").encode(y=alt.Y("row:N", title=None, axis=_names()))
    tips = ["solver:N", "of:N", _tip("share", ".1%"), _tip("tts_s", ".3~s"), _tip("low_s", ".3~s")]
    tips.append(_tip("high_s", ".3~s"))
    span = chart.mark_rule(strokeWidth=2, opacity=0.6).encode(x=seconds("from_s"), x2="to_s:Q")
    points = _points(chart, look).encode(x=seconds("at_s"), tooltip=tips)
    points = points.transform_filter("!datum.never")
    text = chart.mark_text(fontSize=18, fontWeight="bold", dx=-8).encode(
        x=seconds("at_s"), text="says:N", tooltip=tips
    )
    layers = _with_solvers(look, span, points, text)
    return _finished(layers, drawn, look, "problem", _height(drawn, "row"))


def feasibility(table: pd.DataFrame, look: Look) -> Spec | None:
    """Draw the share of runs by what the verifier found (`gridopt.bench.analysis.feasibility`)."""
    if table.empty:
        return None
    order = list(dict.fromkeys(table["finding"]))
    chart = _chart(look, "problem").encode(
        x=alt.X("finding:N", title=None, sort=order, axis=_names(labelAngle=-35, orient="top")),
        y=alt.Y("solver:N", title=None, axis=_names()),
        tooltip=["solver:N", "finding:N", _tip("share", ".0%"), "runs:Q", "violations:Q"],
    )
    is_good = alt.condition("datum.finding === 'feasible'", alt.value(GOOD), alt.value(BAD))
    shade = alt.Opacity("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.03, 0.6]))
    cells = chart.mark_rect(cornerRadius=2).encode(color=is_good, opacity=shade)
    text = chart.mark_text(color=look.ink).encode(text=alt.Text("share:Q", format=".0%"))
    return _finished(alt.layer(cells, text), table, look, "problem", _height(table, "solver"))


def ablation(table: pd.DataFrame, look: Look) -> Spec | None:
    """Draw what each sampler makes of the prices' gap (`gridopt.bench.analysis.ablation`)."""
    drawn = _finite(table, "gap")
    if drawn.empty:
        return None
    drawn["row"] = drawn["sampler"] + drawn["setting"].map(
        lambda text: f" · {text}" if text else ""
    )
    both = ["gap", "null_gap"]
    drawn[both] = drawn[both].clip(lower=LEAST_GAP).where(np.isfinite(drawn[both]))
    order = alt.EncodingSortField("gap", order="ascending")
    chart = _chart(look, "problem", by_solver=False).encode(
        y=alt.Y("row:N", title=None, sort=order, axis=_names()),
        tooltip=["sampler:N", "setting:N", _tip("gap", ".3~p"), _tip("null_gap", ".3~p")],
    )

    def across(field: str) -> Any:
        return _log(field, "gap to the best bound", ".2~p", drawn[both])

    rule = chart.mark_rule(color=PLAIN, opacity=0.5).encode(x=across("null_gap"), x2="gap:Q")
    null = chart.mark_tick(color=look.ink, thickness=2).encode(x=across("null_gap"))
    points = chart.mark_point(filled=True, size=90, opacity=1, color=PLAIN)
    layers = alt.layer(rule, null, points.encode(x=across("gap")))
    return _finished(layers, drawn, look, "problem", _height(drawn, "row"))


def errors(table: pd.DataFrame, look: Look) -> Spec | None:
    """Draw how far each stage is from the optimum (`gridopt.bench.analysis.errors`)."""
    if table.empty:
        return None
    drawn = table.copy()
    drawn["none"] = ~np.isfinite(drawn["excess"])
    drawn["at"] = drawn["excess"].clip(lower=LEAST_GAP).where(~drawn["none"])
    stages = [name for name in STAGES.values() if name in set(drawn["stage"])]
    looks = stage_marks()
    color = alt.Scale(domain=stages, range=[it.color for it in looks if it.name in stages])
    shape = alt.Scale(domain=stages, range=[it.shape for it in looks if it.name in stages])
    legend = _legend() if look.printed else None
    chart = _chart(look, "problem").encode(
        y=alt.Y("solver:N", title=None, axis=_names(grid=True)),
        yOffset=alt.YOffset("stage:N", sort=stages, scale=alt.Scale(domain=stages)),
        color=alt.Color("stage:N", scale=color, legend=legend, title=None),
        tooltip=["solver:N", "stage:N", _tip("excess", ".3~p"), "reference:N"],
    )
    points = chart.mark_point(filled=True, size=70, opacity=1).encode(
        x=_log("at", "above the reference", ".2~p", drawn[["at"]]),
        shape=alt.Shape("stage:N", scale=shape, legend=legend, title=None),
    )
    nothing = chart.mark_text(align="right", text="nothing feasible", dx=-2, fontSize=10)
    nothing = nothing.transform_filter("datum.none").encode(x=alt.value("width"))
    layers = alt.layer(points.transform_filter("!datum.none"), nothing)
    height = _height(drawn, "solver", max(LANE_HEIGHT * len(stages), ROW_HEIGHT))
    return _finished(layers, drawn, look, "problem", height)


def stage_marks() -> tuple[Mark, ...]:
    """Return how the stages of a sampler's answer look."""
    return marks(tuple(STAGES.values()))


def svg(spec: Spec) -> str:
    """Return a figure for print as SVG."""
    return str(vl_convert.vegalite_to_svg(json.dumps(spec)))


def png(spec: Spec) -> bytes:
    """Return a figure for print as PNG."""
    return bytes(vl_convert.vegalite_to_png(json.dumps(spec), scale=PRINTED_SCALE))


@cache
def javascript() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script for a page; it sets ``vegaEmbed``."""
    script = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub has no default
    return str(script).replace("</script", "<\\/script")  # which would end the page's element


def _chart(look: Look, panels: str = "", by_solver: bool = True) -> Chart:
    """Return a chart of the data that the whole figure has, filtered by what the page sets."""
    chart: Chart = alt.Chart()
    if by_solver and not look.printed:
        chart = chart.transform_filter("indexof(shown, datum.solver) >= 0")
    if panels and not look.printed:
        chart = chart.transform_filter(f"datum.{panels} === panel")
    return chart


def _with_solvers(look: Look, *layers: Chart) -> Chart:
    """Color layers by solver."""
    looks = marks(look.solvers)
    scale = alt.Scale(domain=[it.name for it in looks], range=[it.color for it in looks])
    color = alt.Color("solver:N", scale=scale, title=None, legend=_legend(look))
    return alt.layer(*(layer.encode(color=color) for layer in layers))


def _points(chart: Chart, look: Look) -> Chart:
    looks = marks(look.solvers)
    scale = alt.Scale(domain=[it.name for it in looks], range=[it.shape for it in looks])
    shape = alt.Shape("solver:N", scale=scale, title=None, legend=_legend(look))
    return chart.mark_point(filled=True, size=60, opacity=1).encode(shape=shape)


def _dashes(look: Look) -> alt.StrokeDash:
    looks = marks(look.solvers)
    scale = alt.Scale(domain=[it.name for it in looks], range=[list(it.dash) for it in looks])
    return alt.StrokeDash("solver:N", scale=scale, title=None, legend=_legend(look))


def _finished(
    chart: Chart,
    table: pd.DataFrame,
    look: Look,
    panels: str = "",
    height: int = HEIGHT,
) -> Spec:
    """Return the specification, with data, size, parameters and panels (by a column)."""
    data = alt.NamedData(name="later")  # a schema need not be asked whether records are data
    names = list(dict.fromkeys(table[panels])) if panels else []
    found: Any
    if not look.printed:
        shown = alt.param(name="shown", value=list(look.solvers))
        panel = [alt.param(name="panel", value=names[0])] if panels else []
        chart = chart.properties(data=data, width="container", height=height)
        found = chart.add_params(shown, *panel)
    elif panels:
        facet = alt.Facet(f"{panels}:N", title=None, sort=names)
        chart = chart.properties(width=PANEL_WIDTH, height=height)
        found = chart.facet(facet, data=data, columns=2).resolve_scale(x="independent")
        found = found.resolve_scale(y="independent") if height != HEIGHT else found
    else:
        found = chart.properties(data=data, width=1.5 * PANEL_WIDTH, height=height)
    spec = found.properties(usermeta={"panels": names}).configure(**_config(look)).to_dict()
    return {**spec, "data": {"values": [_record(row) for row in table.to_dict("records")]}}


def _record(row: dict[Any, Any]) -> dict[str, Any]:
    """Return JSON values: six digits, and nothing in place of what is infinite or missing."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.6g}") if np.isfinite(value) else None
        return value

    return {str(name): plain(value) for name, value in row.items()}


def _height(table: pd.DataFrame, rows: str, row_height: int = ROW_HEIGHT) -> int:
    """Return the height of the panel with the most rows."""
    return row_height * int(table.groupby("problem")[rows].nunique().max())


def _config(look: Look) -> dict[str, Any]:
    ink = look.ink
    return {
        "background": "white" if look.printed else "transparent",
        "font": "sans-serif" if look.printed else PAGE_FONT,
        "aria": False,  # the page's caption and table tell it; hundreds of marks would not
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "domainColor": ink,
            "tickColor": ink,
            "gridColor": ink,
            "gridOpacity": 0.13,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 11, "symbolOpacity": 1},
        "header": {"labelColor": ink, "labelFontSize": 12, "labelFontWeight": "bold"},
        "view": {"stroke": None},
    }


def _legend(look: Look | None = None) -> alt.Legend | None:
    if look is not None and not look.printed:
        return None  # the page has its own, which a narrow screen can break into lines
    return alt.Legend(orient="top", columns=3, labelLimit=260, symbolStrokeWidth=2, symbolSize=90)


def _names(**options: Any) -> alt.Axis:
    return alt.Axis(labelLimit=170, ticks=False, domain=False, **options)


def _share() -> alt.Scale:
    return alt.Scale(domain=[0, 1])


def _log(
    field: str, title: str, form: str, values: Any, channel: type[alt.X | alt.Y] = alt.X
) -> Any:
    """Return a logarithmic axis whose lines are few and round, for values in that range."""
    axis = alt.Axis(format=form, values=_ticks(np.asarray(values, dtype=float)))
    scale = alt.Scale(type="log", nice=False, padding=PADDING)
    return channel(f"{field}:Q", title=title, scale=scale, axis=axis)


def _ticks(values: FloatArray) -> list[float]:
    """Return powers of ten over the range of values, with 2 and 5 where these are few."""
    held = values[np.isfinite(values) & (values > 0.0)]
    if not held.size:
        return [1.0]
    first, last = np.floor(np.log10(held.min())), np.ceil(np.log10(held.max()))
    steps = (1.0, 2.0, 5.0) if last - first <= FEW_DECADES else (1.0,)
    decades = 10.0 ** np.arange(first, last + 1)
    return [float(f"{step * decade:.1g}") for decade in decades for step in steps]


def _finite(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return the rows with finite numbers in these columns."""
    numbers = table[list(names)].to_numpy(dtype=float)
    return pd.DataFrame(table[np.isfinite(numbers).all(axis=1)])


def _tip(field: str, form: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", format=form)
