"""Pages of runs: what they say, that they are whole, and that names in them stay text."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridopt.io.net_grid import read_grid
from gridopt.outputs import REPORT, write_run, write_simulation
from gridopt.pages.parts import Page, Part, Picture, Section, Table
from gridopt.pages.placing_page import placing_page
from gridopt.pages.plans import committing, dispatching, loading
from gridopt.pages.repeating import Origin
from gridopt.pages.run_page import run_page
from gridopt.pages.simulation_page import simulation_page
from gridopt.placement_outputs import write_placing
from gridopt.placing import Placing, place
from gridopt.pricing import prices
from gridopt.requirements import Reserves
from gridopt.results import Schedule
from gridopt.running import Run, solve
from gridopt.simulation import Simulation, simulate
from gridopt.siting import with_sites
from gridopt.study import Scenario, Study

SCRIPT = "<script>alert(1)</script>"
IMAGE = "\"'><img src=x onerror=alert(2)>"
MATH = r"$\frac{$ & </svg><svg onload=alert(3)>"

KINDS = ["run", "scenarios", "no plan", "broken", "simulation", "placing"]
LARGEST = 5_000_000

Report = Callable[[str], Path]
OpenPage = Callable[..., Any]
StudyFactory = Callable[..., Study]


@pytest.fixture(scope="module")
def hostile_study(
    make_study: StudyFactory, make_units: Callable[..., Any], make_triangle: Callable[..., Any]
) -> Study:
    grid = replace(
        make_triangle(80.0), bus_name=(SCRIPT, IMAGE, MATH), branch_name=(MATH, SCRIPT, IMAGE)
    )
    return make_study(
        name=f"{SCRIPT}{MATH}",
        grid=grid,
        thermal=make_units(name=(SCRIPT, MATH)),
        reserves=Reserves.spinning(np.full(4, 5.0)),
        assumptions=(IMAGE,),
    )


@pytest.fixture(scope="module")
def hostile_run(hostile_study: Study) -> Run:
    return solve(hostile_study, network="dc")


@pytest.fixture(scope="module")
def scenario_run(hostile_study: Study) -> Run:
    none = np.zeros((0, 4))
    scenarios = tuple(
        Scenario(name, 0.5, factor * hostile_study.demand_mw, none, none)
        for name, factor in ((IMAGE, 0.9), (SCRIPT, 1.05))
    )
    return solve(replace(hostile_study, scenarios=scenarios), gap=1e-3)


@pytest.fixture(scope="module")
def no_plan(hostile_study: Study) -> Run:
    return solve(replace(hostile_study, reserves=Reserves.spinning(np.full(4, 1000.0))))


@pytest.fixture(scope="module")
def broken_run(hostile_study: Study) -> Run:
    study = replace(hostile_study, reserves=Reserves.spinning(np.full(4, 1000.0)))
    return solve(study, solver="neal", reads=2, sweeps=10)


@pytest.fixture(scope="module")
def hostile_simulation(make_study: StudyFactory, make_units: Callable[..., Any]) -> Simulation:
    study = make_study(
        [70.0, 110.0, 60.0, 45.0] * 2,
        name=SCRIPT,
        period_h=6.0,
        thermal=make_units(name=(IMAGE, MATH)),
    )
    return simulate(study, look_ahead_h=6, gap=0.0)


@pytest.fixture(scope="module")
def hostile_placing(make_tree: StudyFactory, make_modules: Callable[..., Any]) -> Placing:
    study = make_tree(name=SCRIPT)
    study.net.bus.loc[:2, "name"] = [SCRIPT, IMAGE, MATH]
    names = read_grid(copy.deepcopy(study.net), []).grid.bus_name
    study = replace(study, grid=replace(study.grid, bus_name=names))
    kinds = make_modules("small", name=(IMAGE,))
    return place(with_sites(study, modules=kinds, count=2), gap=1e-3)


@pytest.fixture(scope="module")
def report(
    tmp_path_factory: pytest.TempPathFactory,
    hostile_run: Run,
    scenario_run: Run,
    no_plan: Run,
    broken_run: Run,
    hostile_simulation: Simulation,
    hostile_placing: Placing,
) -> Callable[[str], Path]:
    """Return a function that gives the file of the page of a kind."""
    folder = tmp_path_factory.mktemp("reports")
    origin = Origin(f"gridopt solve '{SCRIPT}'", f'study = gridopt.load_case("{IMAGE}")')
    runs = {
        "run": hostile_run,
        "scenarios": scenario_run,
        "no plan": no_plan,
        "broken": broken_run,
    }
    for kind, run in runs.items():
        write_run(run, folder / kind, origin=origin)
    write_simulation(hostile_simulation, folder / "simulation", origin=origin)
    write_placing(hostile_placing, folder / "placing", origin=origin)
    return lambda kind: folder / kind / REPORT


class Outline(HTMLParser):
    """Tags, ids and text of a page, and what they point to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), f"a handler: {name}"
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "src", "xlink:href"):
                self.links.append(str(value))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def outline(file: Path) -> Outline:
    found = Outline()
    found.feed(file.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_names_stay_text(kind: str, report: Report) -> None:
    found = outline(report(kind))
    assert not {"script", "iframe", "object", "embed"} & set(found.tags)
    assert found.tags.count("svg") == "".join(report(kind).read_text()).count("<svg viewBox")
    shown = "\n".join(found.text)
    assert SCRIPT in shown
    assert IMAGE in shown


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_holds_all_that_it_shows(kind: str, report: Report) -> None:
    found = outline(report(kind))
    assert all(link.startswith(("#", "data:")) for link in found.links)
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    assert report(kind).stat().st_size < LARGEST
    assert "@import" not in report(kind).read_text()
    assert not re.search(r"url\((?!#)", report(kind).read_text())


def test_a_run_is_told_from_question_to_repetition(hostile_run: Run) -> None:
    page = run_page(hostile_run, [prices(hostile_run)])
    assert page.is_good
    told = dict(page.figures)
    assert told["Cost"] == f"{hostile_run.cost:,.2f}"
    assert told["Certified gap"] == f"{hostile_run.gap:.4%}"
    assert [section.key for section in page.sections if section.parts] == [
        *("asked", "costs", "dispatch", "commitment", "prices", "network", "solved", "repeat")
    ]
    names = [picture.name for picture in page.pictures]
    assert names == ["dispatch", "commitment", "prices", "map", "line_loading"]
    assert all(len(picture.text) > 40 for picture in page.pictures)


def test_energy_by_group_adds_up_to_the_demand(hostile_run: Run) -> None:
    rows = rows_of(section(run_page(hostile_run), "dispatch").parts[1])
    total = sum(float(row[1].replace(",", "")) for row in rows)
    assert total == pytest.approx(hostile_run.study.demand_mw.sum(), abs=0.1)


def test_what_is_broken_is_named(broken_run: Run) -> None:
    assert broken_run.verification is not None
    page = run_page(broken_run)
    assert not page.is_good
    n = len(broken_run.verification.violations)
    assert page.verdict == broken_run.verdict
    assert f"breaks rules {n} times" in page.verdict
    assert len(rows_of(section(page, "broken").parts[0])) == n


def test_no_plan_is_said(no_plan: Run) -> None:
    page = run_page(no_plan)
    assert page.verdict == "No plan: it is proved that there is none."
    assert page.pictures == ()
    assert dict(page.figures)["Cost"] == "none"


def test_convergence_is_drawn_where_it_is_told(hostile_study: Study) -> None:
    run = solve(hostile_study, solver="decomposition", sampler=None, gap=0.05)
    assert "convergence" in [picture.name for picture in run_page(run).pictures]


def test_each_scenario_is_drawn(scenario_run: Run) -> None:
    names = [picture.name for picture in run_page(scenario_run).pictures]
    assert names == ["dispatch-0", "dispatch-1", "commitment", "map-0", "line_loading-0"]


def test_days_have_a_row_each(hostile_simulation: Simulation) -> None:
    page = simulation_page(hostile_simulation)
    (table,) = section(page, "days").parts
    assert [row[0] for row in rows_of(table)] == ["1", "2"]
    assert dict(page.figures)["Days planned"] == "2 of 2"


def test_a_placement_is_compared(hostile_placing: Placing) -> None:
    page = placing_page(hostile_placing)
    names = [picture.name for picture in page.pictures]
    assert names == ["map", "costs", "state_of_charge", "voltage", "dispatch"]
    assert hostile_placing.before is not None
    told = dict(page.figures)
    assert (
        told["Cost without batteries"] == f"{hostile_placing.before.verification.total_cost:,.2f}"
    )
    assert len(rows_of(section(page, "placement").parts[0])) == 2


def test_equal_runs_give_equal_bytes(hostile_run: Run, hostile_placing: Placing) -> None:
    found = [prices(hostile_run)]
    assert run_page(hostile_run, found).html() == run_page(hostile_run, found).html()
    assert placing_page(hostile_placing).html() == placing_page(hostile_placing).html()


def test_a_year_is_no_larger(make_study: Callable[..., Study]) -> None:
    T = 8760
    demand = 80.0 + 20.0 * np.sin(np.arange(T) / 4.0)
    study = make_study(demand)
    none = np.zeros((0, T))
    schedule = Schedule(
        study=study,
        network="copperplate",
        committed=np.ones((2, T), dtype=np.bool_),
        power_mw=np.vstack([demand - 20.0, np.full(T, 20.0)]),
        reserve_mw=np.zeros((0, 2, T)),
        renewable_mw=none,
        charge_mw=none,
        discharge_mw=none,
        soc_mwh=none,
        import_mw=none,
        unserved_mw=np.zeros((1, T)),
        surplus_mw=np.zeros((1, T)),
    )
    sections = (dispatching(schedule), committing(schedule), loading(schedule))
    page = Page("a year", True, "good", (), sections)
    assert len(page.html()) < LARGEST / 5


def test_a_fault_while_writing_leaves_nothing(
    hostile_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Picture) -> str:
        raise OSError("full")

    monkeypatch.setattr(Picture, "svg", fails)
    with pytest.raises(OSError, match="full"):
        write_run(hostile_run, tmp_path)
    assert list(tmp_path.iterdir()) == []


def section(page: Page, key: str) -> Section:
    (found,) = [it for it in page.sections if it.key == key]
    return found


def rows_of(part: Part) -> tuple[tuple[str, ...], ...]:
    assert isinstance(part, Table)
    return part.rows


# --- in a browser, without a network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width_px", "scheme"), [(1280, "light"), (360, "dark")])
def test_a_report_keeps_to_itself_and_to_its_width(
    kind: str, width_px: int, scheme: str, report: Report, open_page: OpenPage
) -> None:
    opened = open_page(report(kind), width_px=width_px, scheme=scheme)
    assert opened.faults() == []
    assert opened.page.locator("h1").count() == 1
    assert opened.page.locator("script").count() == 0


def test_a_report_is_read_by_keyboard(report: Report, open_page: OpenPage) -> None:
    page = open_page(report("run"), width_px=360).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    region = page.locator("figure .wide").first
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)  # it scrolls smoothly
    assert page.evaluate("document.activeElement.scrollLeft") > 0


def test_the_verdict_is_seen_at_once(report: Report, open_page: OpenPage) -> None:
    for kind, word in (("run", "Feasible"), ("no plan", "No plan"), ("broken", "Not feasible")):
        verdict = open_page(report(kind), width_px=360).page.locator(".verdict")
        assert verdict.inner_text().startswith(word)
        assert verdict.bounding_box()["y"] < 300
