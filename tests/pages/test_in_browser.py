"""Pages in a real browser without a network: nothing is asked for, nothing runs, all is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OpenPage = Callable[..., Any]
Report = Callable[[str], Path]


@pytest.mark.parametrize("kind", ["run", "scenarios", "no plan", "broken", "simulation", "placing"])
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
