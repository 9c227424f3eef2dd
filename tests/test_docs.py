"""The documentation builds without a warning, names all there is, and needs no network."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown import Markdown

import gridopt
from gridopt.registry import formulation_names, solver_names

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""Attributes from which a browser loads by itself; of links, those with one of these:"""
LOADED_RELATIONS = {"stylesheet", "icon", "preload", "preconnect", "prefetch", "dns-prefetch"}

NUMBER = re.compile(r"\d+(?:[.,\s]\d+)*")
MEASURED = re.compile(r"((?:^[^\n]+\n)+)\{ \.figures \}", re.MULTILINE)
SCRIPT = re.compile(r"benchmarks/\w+\.py")


@dataclass
class Page(HTMLParser):
    """What a page of the site links to, loads, and is linked by."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.text = self.path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self.ids.add(has.get("id", ""))
        self.classes |= set(has.get("class", "").split())
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
        if tag == "link" and LOADED_RELATIONS & set(has.get("rel", "").split()):
            self.loaded.append(has.get("href", ""))
        if tag in LOADED:
            self.loaded.append(has.get(LOADED[tag], ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, built as ``make docs`` does."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Return the pages of the site by their path."""
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


@cache
def rules() -> tuple[str, ...]:
    """Return all functions of the blocks that are public, or add something to a program."""
    found = []
    for path in sorted((ROOT / "formulations" / "blocks").glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                adds = (ast.get_docstring(node) or "").startswith("Add ")
                if adds or not node.name.startswith("_"):
                    found.append(f"gridopt.formulations.blocks.{path.stem}.{node.name}")
    return tuple(found)


def test_there_are_pages_for_all_of_the_navigation(pages: dict[Path, Page], site: Path) -> None:
    assert {path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md")} <= {
        path.relative_to(site).with_suffix("") for path in pages
    }


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    loaded = {address for page in pages.values() for address in page.loaded}
    assert any(address.endswith(".js") for address in loaded)
    assert [address for address in loaded if re.match(r"(?:[a-z]+:)?//", address)] == []
    styles = "".join(path.read_text("utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']+", styles) == []
    # the theme's script would fetch the drawing of diagrams
    assert not any("mermaid" in page.classes for page in pages.values())


def test_links_within_the_site_lead_somewhere(pages: dict[Path, Page]) -> None:
    dead = []
    for page in pages.values():
        for link in page.links:
            if re.match(r"[a-z]+:", link) or page.path.name == "404.html":
                continue
            name, _, anchor = unquote(link).partition("#")
            target = (page.path.parent / name).resolve() if name else page.path
            if target not in pages or (anchor and anchor not in pages[target].ids):
                dead.append(f"{page.path.name}: {link}")
    assert dead == []


def test_every_rule_of_the_formulations_has_its_equation(pages: dict[Path, Page]) -> None:
    ids = set().union(*(page.ids for page in pages.values()))
    assert len(rules()) > 50
    assert [name for name in rules() if name not in ids] == []


def test_every_public_name_is_documented(pages: dict[Path, Page], site: Path) -> None:
    ids = pages[site / "api.html"].ids
    assert [name for name in gridopt.__all__ if f"gridopt.{name}" not in ids] == []


def test_every_solver_and_formulation_is_documented(pages: dict[Path, Page], site: Path) -> None:
    reference = pages[site / "solvers.html"].ids
    assert [it for it in solver_names() if f"gridopt.solvers.{it}" not in reference] == []
    documented = " ".join(reference)
    assert [
        it for it in formulation_names() if f"gridopt.formulations.{it}." not in documented
    ] == []


def test_every_solver_is_in_the_table_to_choose_from() -> None:
    text = (DOCS / "choosing.md").read_text("utf-8")
    table = [line for line in text.splitlines() if line.startswith("|")]
    named = {name for line in table for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named == set(solver_names())


def test_figures_are_those_of_the_benchmarks() -> None:
    text = (DOCS / "choosing.md").read_text("utf-8")
    printed = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    known = set(map(_plain, NUMBER.findall(printed)))
    for each in NUMBER.findall(printed):  # in a table, what stands side by side is two numbers
        known |= set(map(_plain, each.split()))
    paragraphs = MEASURED.findall(text)
    assert len(paragraphs) >= 8
    prose = [re.sub(r"`[^`]*`|\w*[a-zA-Z]\w*", "", paragraph) for paragraph in paragraphs]
    figures = {_plain(figure) for paragraph in prose for figure in NUMBER.findall(paragraph)}
    assert figures - known == set()


def _plain(figure: str) -> str:
    return re.sub(r"[\s,]", "", figure).rstrip(".")


def test_commands_that_print_figures_are_there() -> None:
    text = "".join(path.read_text("utf-8") for path in DOCS.rglob("*.md"))
    assert [script for script in SCRIPT.findall(text) if not (ROOT / script).exists()] == []
    names = re.findall(r"^\| `(\w+\.py)` \|", (DOCS / "benchmarking.md").read_text("utf-8"), re.M)
    shared = {"peers.py", "gridopt_route.py"}  # what others use
    assert set(names) == {path.name for path in (ROOT / "benchmarks").glob("*.py")} - shared


DOCSTRING = """
Add Σ_{i=t−UT+1}^{t} v_i ≤ u_t, p_min ≤ P̄_gt, lag_s, 2^k and not a_mw or a_long_name
(doi 10.1109/59.535691; arXiv 1411.4028).

=======  ====
kind     is
=======  ====
``one``  this
         and that
=======  ====

``"box"``
    x_k ≤ 1.
``"on"``
    x_k ≤ u.

The tree ::

    a_b
"""


def test_docstrings_are_rendered() -> None:
    spec = importlib.util.spec_from_file_location("docstrings", DOCS / "docstrings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    extensions = [module.Docstrings(), "tables", "def_list"]
    html = re.sub(r"</?span>", "", Markdown(extensions=extensions).convert(DOCSTRING))
    for part in (
        "Σ<sub>i=t−UT+1</sub><sup>t</sup> v<sub>i</sub> ≤ u<sub>t</sub>",
        "p<sub>min</sub> ≤ P̄<sub>gt</sub>, lag<sub>s</sub>, 2<sup>k</sup>",
        "not a_mw or a_long_name",
        '(<a href="https://doi.org/10.1109/59.535691">doi 10.1109/59.535691</a>;',
        '<a href="https://arxiv.org/abs/1411.4028">arXiv 1411.4028</a>).',
        "<th>kind</th>",
        "<td>this and that</td>",
        '<dt><code>"on"</code></dt>',
        "<dd>x<sub>k</sub> ≤ 1.</dd>",
        "<p>The tree</p>",
        "<code>a_b",
    ):
        assert part in html, html
