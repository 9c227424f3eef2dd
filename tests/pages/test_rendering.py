"""Templates: all values become text, and what is missing is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from gridopt.pages.rendering import environment, render

CHILD = """{% extends "base.html.j2" %}
{% block title %}{{ name }}{% endblock %}
{% block content %}<p title="{{ name }}">{{ name }}</p>{{ trusted }}{% endblock %}
"""


def page(text: str, **values: object) -> str:
    return environment().from_string(text).render(**values)


def test_values_are_escaped_in_text_title_and_attributes() -> None:
    found = page(CHILD, name="<script>\"'&", trusted=Markup("<hr>"))
    assert "<script>" not in found
    assert found.count("&lt;script&gt;&#34;&#39;&amp;") == 4
    assert "<hr>" in found


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'trusted' is undefined"):
        page(CHILD, name="")


def test_scripts_are_allowed_only_where_the_page_has_any() -> None:
    without = page(CHILD, name="", trusted="")
    assert "default-src 'none'" in without
    assert "script-src 'none'" in without
    script = "{% block scripts %}<script>var a = 1;</script>{% endblock %}"
    assert "script-src 'unsafe-inline'" in page(CHILD + script, name="", trusted="")


def test_the_base_stands_alone() -> None:
    found = render("base.html.j2")
    assert found.startswith("<!doctype html>")
    assert "http" not in found.replace("http-equiv", "")


HOSTILE = """
<p>low</p><img src="https://example.org/a.png"><img src="data:," onerror="alert(1)">
<div style="width: 2000px">wide</div>
"""


def test_the_browser_fixture_tells_what_a_page_must_not_do(
    open_page: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(CHILD, name="a page", trusted=""), encoding="utf-8")
    assert open_page(file).faults() == []
    file.write_text(f"<!doctype html><title></title>{HOSTILE}", encoding="utf-8")
    told = " ".join(open_page(file, width_px=360).faults())
    for word in ("dialog: 1", "request: https://example.org", "axe: image-alt", "px too wide"):
        assert word in told
