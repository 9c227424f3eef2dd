"""The report of genuine runs: its files, and the page in a real browser."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gridopt.bench.columns import COLUMNS
from gridopt.bench.report import FIGURES, FILES, TABLES, write_report
from gridopt.bench.rows import asked
from gridopt.bench.spec import read_suite
from gridopt.bench.worker import outcome
from gridopt.errors import StudyError

HOSTILE = "<script>alert(1)</script>"
COMMAND = "gridopt bench report results.duckdb --out report.html"
MOST_BYTES = 5e6

SUITE = f"""
name = "report"
time_limit_s = 30
seeds = [0, 1, 2]
[[cases]]
name = "{HOSTILE}"
source = "kazarlis10"
hours = 2
[[cases]]
name = "three_hours & 100 %"
source = "kazarlis10"
hours = 3
[[formulations]]
name = "unit_commitment"
[[solvers]]
name = "highs"
gap = 1e-4
[[solvers]]
name = "neal"
form = "compact"
reads = 10
rounds = 1
sweeps = 100
[[solvers]]
name = "anneal"
form = "compact"
reads = 10
rounds = 1
[[solvers]]
name = "tabu"
form = "compact"
reads = 10
rounds = 1
[[solvers]]
name = "decomposition"
label = "decomposition, none"
sampler = "none"
windows = false
beside = false
[[solvers]]
name = "decomposition"
label = "decomposition, greedy"
sampler = "greedy"
windows = false
beside = false
[[solvers]]
name = "exact"
form = "compact"
seeds = [0]
"""
"""38 runs; the last one is declined."""

Frames = dict[str, pd.DataFrame]
OpenPage = Callable[..., Any]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return genuine rows, made in this process to spare the imports of 38."""
    path = tmp_path_factory.mktemp("suite") / "suite.toml"
    path.write_text(SUITE, encoding="utf-8")
    tasks = list(read_suite(str(path)).tasks())
    rows = [{**asked(task, "suite.toml"), **outcome(task)} for task in tasks]
    return pd.DataFrame(rows, columns=[column.name for column in COLUMNS])


@pytest.fixture(scope="module")
def frames(real: pd.DataFrame) -> Frames:
    """Return what a report must look right with, as well."""
    nothing = real.assign(feasible=False, cost=None, claimed_feasible=False, known_optimum=None)
    return {
        "all": real,
        "one run": real.head(1),
        "one solver": real[real["solver"] == "highs"],
        "infeasible": nothing.assign(successes=None),
        "no bound": real.assign(bound=None, claimed_bound=None),
        "killed": real.head(4).assign(**dict.fromkeys(MISSING), status="killed_memory"),
    }


MISSING = [column.name for column in COLUMNS if column.sql in ("DOUBLE", "BOOLEAN", "JSON")]


@pytest.fixture(scope="module")
def pages(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {name: folder / f"{name}.html" for name in frames}
    for name, path in made.items():
        assert write_report(frames[name], path, command=COMMAND) == [path]
    return made


@pytest.fixture(scope="module")
def printed(real: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("printed")
    files = write_report(real, folder / "a.html", folder / "figures", COMMAND)
    assert set(files) == {folder / "a.html", *(folder / "figures").iterdir()}
    return folder / "figures"


def test_the_rows_are_genuine(real: pd.DataFrame) -> None:
    assert len(real) == 38
    assert set(real["status"]) == {"done", "not_applicable"}
    assert real[real["status"] == "done"]["feasible"].all()


def test_the_page_holds_all_and_is_small(pages: dict[str, Path]) -> None:
    text = pages["all"].read_text("utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    sections = re.findall(r'<section id="([a-z_-]+)"', text)
    assert [name for name in sections if name in FIGURES] == list(FIGURES)
    for name in FIGURES:
        section = text.partition(f'<section id="{name}"')[2].partition("</section>")[0]
        assert f"{COMMAND} --figures" in section, name
    assert text.count("gridopt bench run suite.toml --only") == 38  # each run its own


def test_a_report_is_the_same_each_time(real: pd.DataFrame, pages: dict[str, Path]) -> None:
    path = pages["all"].with_name("again.html")
    write_report(real, path, command=COMMAND)
    assert path.read_bytes() == pages["all"].read_bytes()


def test_figures_for_print(printed: Path) -> None:
    assert {path.name for path in printed.iterdir()} == set(FILES)
    for name in FIGURES:
        tree = ET.parse(printed / f"{name}.svg")  # noqa: S314 - we wrote it
        assert tree.getroot().tag.endswith("svg")
        assert (printed / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    words = (printed / "gap_over_time.svg").read_text("utf-8")
    assert "&lt;script&gt;" in words
    assert "<script" not in words


def test_tables_in_latex(printed: Path) -> None:
    for name in (*FIGURES, *TABLES):
        lines = (printed / f"{name}.tex").read_text("utf-8").splitlines()
        assert f"% {COMMAND}" in lines
        (kinds,) = re.findall(r"tabular}{@{}([lr]+)@{}}", "\n".join(lines))
        rows = [line for line in lines if line.endswith(r" \\")]
        assert len(rows) >= 2, name
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(kinds) - 1}
        assert lines[-1] == r"\end{tabular}"
    leaders = (printed / "leaders.tex").read_text("utf-8")
    assert r"three\_hours \& 100 \%" in leaders
    assert r"\textless{}script\textgreater{}" in leaders


def test_what_a_report_lacks_is_removed(real: pd.DataFrame, tmp_path: Path) -> None:
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    (tmp_path / "errors.svg").write_text("of an earlier report")
    write_report(real[real["solver"] == "highs"], tmp_path / "a.html", tmp_path, COMMAND)
    names = {path.name for path in tmp_path.iterdir()}
    assert "errors.svg" not in names
    assert {"notes.txt", "a.html", "summary.tex", "time_to_solution.svg"} <= names


def test_bad_paths_are_told_before_anything_is_written(real: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for out, figures in ((tmp_path, None), (tmp_path / "a.html", file), (file / "a.html", None)):
        with pytest.raises(StudyError, match="1 fault"):
            write_report(real, out, figures, COMMAND)
    with pytest.raises(StudyError, match="column"):
        write_report(real.drop(columns="cost"), tmp_path / "a.html", tmp_path, COMMAND)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_missing_is_said(pages: dict[str, Path]) -> None:
    text = {name: re.sub(r"\s+", " ", path.read_text("utf-8")) for name, path in pages.items()}
    assert "no run has a feasible plan: there is nothing to compare" in text["infeasible"]
    assert '<td class="number" data-order="1e+300">no plan</td>' in text["infeasible"]
    assert "no run proved a bound that holds" in text["no bound"]
    assert '<td class="number" data-order="">no bound</td>' in text["no bound"]
    assert "No gap can be told" in text["no bound"]
    assert "A profile compares two solvers or more" in text["one solver"]
    assert "killed_memory" in text["killed"]


# --- in a browser ---------------------------------------------------------------------------


def drawn(open_page: OpenPage, path: Path, **view: object) -> Any:
    """Return the opened page once all its figures are drawn."""
    opened = open_page(path, **view)
    opened.page.wait_for_function(
        "document.querySelectorAll('.chart svg').length"
        " === document.querySelectorAll('[data-figure]').length"
    )
    return opened


@pytest.mark.parametrize(
    ("name", "width_px", "scheme"),
    [
        ("all", 1280, "light"),
        ("all", 360, "dark"),
        ("one run", 360, "light"),
        ("one solver", 360, "light"),
        ("infeasible", 360, "light"),
        ("no bound", 1280, "dark"),
        ("killed", 360, "dark"),
    ],
)
def test_the_page_has_no_fault(
    name: str, width_px: int, scheme: str, pages: dict[str, Path], open_page: OpenPage
) -> None:
    opened = drawn(open_page, pages[name], width_px=width_px, scheme=scheme)
    opened.page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true })")
    assert opened.faults() == []
    wide = "[...document.querySelectorAll('.chart')].filter(it => it.scrollWidth > it.clientWidth)"
    assert opened.page.evaluate(f"{wide}.length") == 0


def cells(page: Any, table: str, column: int) -> list[str]:
    """Return the visible cells of a column."""
    rows = page.locator(f"#table-{table} tbody tr:visible td:nth-child({column})")
    return [text.strip() for text in rows.all_inner_texts()]


def test_tables_sort_by_keyboard(pages: dict[str, Path], open_page: OpenPage) -> None:
    page = drawn(open_page, pages["all"]).page
    heads = [it.strip() for it in page.locator("#table-summary thead th").all_inner_texts()]
    column = 1 + [re.sub(r"\W+$", "", head) for head in heads].index("cost")
    button = page.locator(f"#table-summary thead th:nth-child({column}) button")
    head = page.locator(f"#table-summary thead th:nth-child({column})")
    button.focus()
    for key, order in (("Enter", "ascending"), ("Space", "descending")):
        page.keyboard.press(key)
        assert head.get_attribute("aria-sort") == order
        costs = [it for it in cells(page, "summary", column) if it != "no plan"]
        numbers = [float(it.replace(",", "")) for it in costs]
        assert numbers == sorted(numbers, reverse=order == "descending")
        assert len(set(numbers)) > 2
        told = page.locator("#told-table-summary").inner_text()
        assert told.endswith(order)
    page.locator("#table-summary thead th:nth-child(2) button").press("Enter")
    assert page.locator("#table-summary th[aria-sort]").count() == 1
    assert cells(page, "summary", 2) == sorted(cells(page, "summary", 2))


def test_tables_filter_by_keyboard(pages: dict[str, Path], open_page: OpenPage) -> None:
    page = drawn(open_page, pages["all"]).page
    page.get_by_role("searchbox").last.focus()
    page.keyboard.type("tabu three_hours")
    found = cells(page, "runs", 2)
    assert found == ["tabu"] * 3
    assert page.locator("#told-table-runs").inner_text() == "3 of 38 rows"
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    assert len(cells(page, "runs", 2)) == 38


def test_solvers_are_hidden_everywhere_by_keyboard(
    pages: dict[str, Path], open_page: OpenPage
) -> None:
    page = drawn(open_page, pages["all"]).page
    checks = page.locator("[data-solver='highs']")
    chart = page.locator("#time_to_solution .chart svg")
    assert chart.get_by_text("highs, runs").count() == 1
    checks.first.focus()
    page.keyboard.press("Space")
    chart.get_by_text("highs, runs").wait_for(state="detached")
    assert not any(checks.nth(i).is_checked() for i in range(checks.count()))
    assert chart.get_by_text("neal, runs", exact=True).count() == 1
    page.keyboard.press("Space")
    chart.get_by_text("highs, runs").wait_for()


def test_figures_show_the_same_problem(pages: dict[str, Path], open_page: OpenPage) -> None:
    page = drawn(open_page, pages["all"]).page
    selects = page.locator("[data-choice='problem']")
    assert selects.count() >= 4
    assert {selects.nth(i).input_value() for i in range(selects.count())} == {HOSTILE}
    declined = page.locator("#feasibility .chart svg").get_by_text("declined")
    before = page.locator("#feasibility .chart").inner_html()
    selects.first.focus()
    page.keyboard.press("ArrowDown")
    declined.wait_for()
    assert {selects.nth(i).input_value() for i in range(selects.count())} == {"three_hours & 100 %"}
    assert page.locator("#feasibility .chart").inner_html() != before


def test_figures_and_data_are_saved(pages: dict[str, Path], open_page: OpenPage) -> None:
    page = drawn(open_page, pages["all"]).page
    page.locator("#errors details").last.locator("summary").click()
    for kind, begins in (("csv", b'"at","excess"'), ("svg", b"<svg")):
        with page.expect_download() as saved:
            page.locator(f"#errors [data-save='{kind}']").press("Enter")
        assert saved.value.suggested_filename == f"errors.{kind}"
        assert Path(saved.value.path()).read_bytes().startswith(begins)
