"""How objects show themselves in a notebook: a headline and a small table, and their figure.

Whatever has something to show imports this; it imports nothing of gridopt. Figures know plans and
not the other way round, so they are found by name, and loaded, when one is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from importlib import import_module
from typing import Any

MOST_ROWS = 12

CELL = "text-align: left; white-space: pre-line"


def card(headline: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a headline and a table of two columns as HTML; all of it is escaped.

    Parameters
    ----------
    headline : str
    rows : iterable of (str, str)
        Up to twelve are shown, and how many more there are.
    """
    found = list(rows)
    if len(found) > MOST_ROWS:
        found = [*found[:MOST_ROWS], ("…", f"{len(found) - MOST_ROWS} more")]
    lines = "".join(
        f'<tr><th scope="row" style="{CELL}">{escape(str(name))}</th>'
        f'<td style="{CELL}">{escape(str(text))}</td></tr>'
        for name, text in found
    )
    return f"<div><strong>{escape(headline)}</strong><table><tbody>{lines}</tbody></table></div>"


def number(value: float, form: str) -> str:
    """Return a number as text, "none" where it is infinite or none."""
    return format(value, form) if math.isfinite(value) else "none"


def figure(name: str, *parts: Any) -> Any:
    """Return what a function draws.

    Parameters
    ----------
    name : str
        Module and function, such as ``"plots.dispatch"``.
    *parts
        What to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    module, function = name.split(".")
    return getattr(import_module(f"gridopt.{module}"), function)(*parts)
