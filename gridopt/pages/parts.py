"""What a page is made of: headings, tables, pictures, code, and the page itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from markupsafe import Markup

from gridopt.pages.rendering import render
from gridopt.plots import svg

TEXT = ""
"""Form of a column that holds no numbers."""

NONE = "none"


@dataclass(frozen=True)
class Table:
    """A table of text that is ready to be shown; the first cell of a row names it.

    Parameters
    ----------
    caption : str
    columns : tuple of str
        Headings; none where the first cells say it all.
    rows : tuple of tuple of str
    numbers : tuple of bool
        Which columns hold numbers.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[bool, ...]

    kind: ClassVar[str] = "table"

    @staticmethod
    def of(caption: str, forms: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> Table:
        """Return a table of values.

        Parameters
        ----------
        caption : str
        forms : mapping of str to str
            Each heading, and how its values are formatted: ``",.2f"``; `TEXT` where they are none.
        rows : iterable of sequences
        """
        made = tuple(
            tuple(shown(value, form) for value, form in zip(row, forms.values(), strict=True))
            for row in rows
        )
        return Table(caption, tuple(forms), made, tuple(form != TEXT for form in forms.values()))

    @staticmethod
    def facts(caption: str, rows: Iterable[tuple[str, str]]) -> Table:
        """Return a table of names and what is said of them."""
        return Table(caption, (), tuple(rows), (False, False))


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with words that stand for it.

    Parameters
    ----------
    name : str
        Of the file, without its ending, and of the ids in the page.
    figure : matplotlib.figure.Figure
    title, text : str
    """

    name: str
    figure: Any
    title: str
    text: str

    kind: ClassVar[str] = "picture"

    def svg(self) -> Markup:
        """Return it as an element; `gridopt.plots.svg` escapes what it holds."""
        return Markup(svg(self.figure, self.name, self.title, self.text))  # noqa: S704


@dataclass(frozen=True)
class Code:
    """Something to type."""

    caption: str
    text: str

    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Lines:
    """A list of sentences."""

    caption: str
    lines: tuple[str, ...]

    kind: ClassVar[str] = "lines"


Part = Table | Picture | Code | Lines


@dataclass(frozen=True)
class Section:
    """Some parts below a heading; `key` is its address in the page."""

    key: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Page:
    """A page: what was asked, how it ended, and all about it.

    Parameters
    ----------
    title : str
    is_good : bool
    verdict : str
        In one sentence.
    figures : tuple of (str, str)
        The few that matter.
    sections : tuple of Section
        Those without parts are left out.
    """

    title: str
    is_good: bool
    verdict: str
    figures: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All of them, in order."""
        parts = (part for section in self.sections for part in section.parts)
        return tuple(part for part in parts if isinstance(part, Picture))

    def html(self) -> str:
        """Return the file."""
        sections = [section for section in self.sections if section.parts]
        return render("report.html.j2", page=self, sections=sections)


def shown(value: Any, form: str = TEXT) -> str:
    """Return a value as text, "none" where it is none or infinite."""
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return NONE
    return format(value, form) if form else str(value)
