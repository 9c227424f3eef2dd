"""What docstrings are written in beside Markdown: a hook of MkDocs.

Docstrings are plain text, as a terminal shows them: ``u_{t−1}``, ``2^k``. Here equations get
subscripts and superscripts, tables and definitions of reStructuredText become those of Markdown,
and names of the package, DOIs and numbers of preprints become links.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement

from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor
from markdown.util import AtomicString
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

BELOW_A_WORD = r"(?<!\w)([^\W_]+)_(\{[^{}]+\}|[A-Za-z])(?!\w)"
LETTER = r"(?:(?<!\w)|(?<=\d))([^\W\d_][\u0300-\u036f]*'?|\))"
UNIT = r"(?:mwh?|mvar|mva|pu|kv|ka)\b"
"""What hangs below no letter but ends a name, as in p_mw."""
BELOW_A_LETTER = LETTER + r"_(?!" + UNIT + r")(\{[^{}]+\}|[A-Za-z0-9]+)(?!\w)"
ABOVE = r"()\^(\{[^{}]+\}|[A-Za-z0-9]+)"
NAME = r"(?<!`)`(gridopt(?:\.\w+)+)`(?!`)"
PAPER = r"(doi|arXiv)[\s:]+(10\.\d{4,}/[^\s,;]*[\w)]|\d{4}\.\d{4,5})"
ADDRESS = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}

BORDER = re.compile(r"^=+(?: +=+)+ *$")
LITERAL = re.compile(r"(?:^|\s+)::$")
"""Says that an indented block follows, which needs no saying here."""
TERM = re.compile(r"^(?:``.+``|`[^`]+`)$")
"""A line that is code alone: what it is stands indented below it."""

NO_DESCRIPTION = re.compile(r'\s*–\s*<div class="doc-md-description">\s*</div>')


class _Raised(InlineProcessor):
    """Puts the second group of a pattern above or below the line."""

    def __init__(self, pattern: str, tag: str) -> None:
        super().__init__(pattern)
        self.tag = tag

    def handleMatch(  # noqa: N802
        self,
        m: re.Match[str],
        data: str,  # noqa: ARG002
    ) -> tuple[Element, int, int]:
        whole = Element("span")
        whole.text = AtomicString(m[1])
        SubElement(whole, self.tag).text = AtomicString(m[2].strip("{}"))
        return whole, m.start(0), m.end(0)


class _Linked(InlineProcessor):
    """Turns a name in backticks into a link, where the site has that name."""

    def handleMatch(  # noqa: N802
        self,
        m: re.Match[str],
        data: str,  # noqa: ARG002
    ) -> tuple[Element, int, int]:
        link = Element("autoref", {"identifier": m[1], "optional": ""})
        SubElement(link, "code").text = AtomicString(m[1])
        return link, m.start(0), m.end(0)


class _Papers(InlineProcessor):
    """Links papers."""

    def handleMatch(  # noqa: N802
        self,
        m: re.Match[str],
        data: str,  # noqa: ARG002
    ) -> tuple[Element, int, int]:
        number = m[2][:-1] if m[2].endswith(")") and "(" not in m[2] else m[2]
        link = Element("a", {"href": ADDRESS[m[1]] + number})
        link.text = AtomicString(f"{m[1]} {number}")
        return link, m.start(0), m.end(0) - len(m[2]) + len(number)


class _Blocks(Preprocessor):
    """Rewrites simple tables, whose borders are ``====  ====``, and definitions of code."""

    def run(self, lines: list[str]) -> list[str]:
        return _definitions(_tables(lines))


def _tables(lines: list[str]) -> list[str]:
    written: list[str] = []
    table: list[str] = []  # a table that has begun
    for line in [*lines, ""]:
        if table and not line.strip():
            written += ["", *_table(table), ""]
            table = []
        elif table or BORDER.match(line):
            table.append(line)
        else:
            written.append(line)
    return written


def _table(lines: list[str]) -> list[str]:
    """Return the rows of a table; a line with nothing in its first cell goes on with the last."""
    columns = [match.start() for match in re.finditer("=+", lines[0])]
    parts: list[list[list[str]]] = [[]]  # between borders
    for line in lines[1:]:
        if BORDER.match(line):
            parts.append([])
            continue
        ends = [*columns[1:], len(line)]
        cells = [line[at:end].strip() for at, end in zip(columns, ends, strict=True)]
        if cells[0] or not parts[-1]:
            parts[-1].append(cells)
        else:
            last = parts[-1][-1]
            parts[-1][-1] = [f"{old} {new}".strip() for old, new in zip(last, cells, strict=True)]
    header, rows = (parts[0][0], parts[1]) if len(parts) == 3 else ([""] * len(columns), parts[0])
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(columns), *rows)]


def _definitions(lines: list[str]) -> list[str]:
    written: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if TERM.match(line) and following.startswith("    "):
            written += ["", line]
        elif written and TERM.match(written[-1]) and line.startswith("    "):
            written.append(":   " + line[4:])
        else:
            written.append(LITERAL.sub("", line))
    return written


class Docstrings(Extension):
    """All of the above."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Register the processors: blocks after fences, the others before emphasis."""
        md.preprocessors.register(_Blocks(md), "docstring_blocks", 24)
        md.inlinePatterns.register(_Linked(NAME, md), "docstring_names", 195)
        md.inlinePatterns.register(_Papers(PAPER, md), "docstring_papers", 178)
        md.inlinePatterns.register(_Raised(BELOW_A_WORD, "sub"), "below_a_word", 177)
        md.inlinePatterns.register(_Raised(BELOW_A_LETTER, "sub"), "below_a_letter", 176)
        md.inlinePatterns.register(_Raised(ABOVE, "sup"), "above", 175)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the extension to those of the site."""
    config.markdown_extensions.append(Docstrings())
    return config


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Drop the dash behind parameters that are not described further."""
    return NO_DESCRIPTION.sub("", html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Give the theme's dialog the name that it lacks for readers of screens."""
    return output.replace('role="dialog">', 'role="dialog" aria-label="Search">')
