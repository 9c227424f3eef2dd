"""What objects show in a notebook: escaped cards, and figures where a person expects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.display import MOST_ROWS, card
from gridopt.errors import GridoptError, UnknownNameError
from gridopt.lowering.qubo import Qubo
from gridopt.placing import place
from gridopt.requirements import Reserves
from gridopt.running import Run, solve
from gridopt.simulation import simulate
from gridopt.siting import with_sites
from gridopt.study import Scenario, Study

SCRIPT = "<script>alert(1)</script>"
LARGEST = 10_000

StudyFactory = Callable[..., Study]


class Card(HTMLParser):
    """Tags and text of a card."""

    def __init__(self, thing: Any) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        content = thing if isinstance(thing, str) else thing._repr_html_()
        assert len(content) < LARGEST
        self.feed(content)
        assert set(self.tags) <= {"div", "strong", "table", "tbody", "tr", "th", "td"}

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def study(make_study: StudyFactory, make_units: Callable[..., Any]) -> Study:
    return make_study(name=SCRIPT, thermal=make_units(name=(SCRIPT, "peak")))


@pytest.fixture(scope="module")
def run(study: Study) -> Run:
    return solve(study)


@pytest.fixture(scope="module")
def scenario_run(study: Study) -> Run:
    none = np.zeros((0, 4))
    scenarios = tuple(
        Scenario(name, share, factor * study.demand_mw, none, none)
        for name, share, factor in ((SCRIPT, 0.4, 0.9), ("high", 0.6, 1.05))
    )
    return solve(replace(study, scenarios=scenarios), gap=1e-3)


def title(figure: Any) -> str:
    return str(figure.axes[0].get_title(loc="left"))


def test_a_card_escapes_and_stays_small() -> None:
    found = Card(card(SCRIPT, [(SCRIPT, SCRIPT)] * (MOST_ROWS + 3)))
    assert found.words.count(SCRIPT) == 1 + 2 * MOST_ROWS
    assert found.words[-1] == "3 more"


def test_a_study_says_what_it_is_about(study: Study) -> None:
    text = Card(study).text
    for word in (SCRIPT, "4 of 1 h, 0 to 3", "2 thermal, 160.0 MW", study.fingerprint()):
        assert word in text
    assert title(study.plot()) == f"Demand of {SCRIPT}"


def test_a_run_says_how_it_ended(run: Run, study: Study) -> None:
    text = Card(run).text
    for word in (run.verdict, SCRIPT, f"{run.cost:,.2f}", f"{run.gap:.4%}", "highs: optimal"):
        assert word in text
    assert title(run.plot()) == f"Dispatch of {SCRIPT}"
    none = solve(replace(study, reserves=Reserves.spinning(np.full(4, 1000.0))))
    assert "No plan: it is proved that there is none. " in Card(none).text
    with pytest.raises(GridoptError, match="nothing to draw"):
        none.plot()


def test_a_schedule_says_what_it_comes_to(run: Run) -> None:
    schedule = run.schedule
    assert schedule is not None
    text = Card(schedule).text
    assert f"{schedule.power_mw.sum():,.1f} MWh" in text
    assert "copperplate" in text
    assert title(schedule.plot()) == f"Dispatch of {SCRIPT}"
    assert gridopt.prices(run).plot().axes


def test_scenarios_are_drawn_by_name(scenario_run: Run) -> None:
    plan: Any = scenario_run.plan
    assert f"{SCRIPT}, probability 0.4" in Card(plan).text
    assert title(plan.plot()) == f"Dispatch of {SCRIPT}, high"
    assert title(plan.plot(SCRIPT)) == f"Dispatch of {SCRIPT}, {SCRIPT}"
    with pytest.raises(UnknownNameError, match="hihg"):
        plan.plot("hihg")


def test_a_qubo_says_how_large_it_is() -> None:
    qubo = Qubo.of([[1.0, -2.0], [0.0, 0.5]], labels=[f"{SCRIPT}[0]", f"{SCRIPT}[1]"])
    text = Card(qubo).text
    for word in ("QUBO of 2 bits", SCRIPT, "0.5 to 2"):
        assert word in text


def test_a_placement_says_what_stands_where(
    make_tree: StudyFactory, make_modules: Callable[..., Any]
) -> None:
    kinds = make_modules("small", name=(SCRIPT,))
    study = with_sites(make_tree(), modules=kinds, count=2)
    placing = place(study, gap=1e-3, compare=False)
    assert placing.after is not None
    placement = placing.after.placement
    text = Card(placement).text
    assert f"1 × {SCRIPT}: 0.5 MW, 1 MWh" in text
    assert "at 2 buses" in text
    assert "LinDistFlow" in title(placement.plot())
    assert placing.verdict in Card(placing).text
    assert "AC power flow" in title(placing.plot())


def test_days_say_what_each_costs(make_study: StudyFactory) -> None:
    study = make_study([70.0, 110.0, 60.0, 45.0] * 2, period_h=6.0)
    done = simulate(study, look_ahead_h=6, gap=0.0)
    text = Card(done).text
    assert done.verdict in text
    assert "day 2, 4" in text
    assert done.plot().axes
    with pytest.raises(GridoptError, match="0 of 2 days"):
        replace(done, days=(), schedule=None, verification=None).plot()
