"""Candidate buses by index, by name and from files; every one that is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gridopt.errors import Issue, StudyError
from gridopt.io.candidate_buses import Candidates, candidate_buses
from gridopt.study import Study


@pytest.fixture(scope="module")
def tree(make_tree: Callable[..., Study]) -> Study:
    return make_tree()


def faults(study: Study, candidates: Candidates) -> tuple[Issue, ...]:
    with pytest.raises(StudyError) as found:
        candidate_buses(study, candidates)
    return found.value.issues


def test_every_bus_unless_said(tree: Study) -> None:
    assert candidate_buses(tree, None).tolist() == [0, 1, 2, 3, 4]
    assert candidate_buses(replace(tree, net=None), None).tolist() == [0, 1, 2, 3, 4]


def test_by_index_by_name_in_their_order(tree: Study) -> None:
    assert candidate_buses(tree, [4, 2]).tolist() == [4, 2]
    assert candidate_buses(tree, ["end", "2", "bus 3", 1]).tolist() == [4, 2, 3, 1]
    assert candidate_buses(replace(tree, net=None), ["end", "fork"]).tolist() == [4, 1]
    assert candidate_buses(tree, []).tolist() == []


def test_from_a_file(tree: Study, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("note,bus\na,3\nb,north\n", encoding="utf-8")
    assert candidate_buses(tree, file).tolist() == [3, 2]
    file.write_text("bus\n4\n1\n", encoding="utf-8")
    assert candidate_buses(tree, str(file)).tolist() == [4, 1]


def test_every_bus_that_is_none_is_told(tree: Study) -> None:
    found = faults(tree, [3, 17, "nowhere", 5, -1])
    assert [(issue.element, issue.field, issue.value) for issue in found] == [
        ("candidate 17", "bus", 17),
        ("candidate nowhere", "bus", "nowhere"),
        ("candidate 5", "bus", 5),
        ("candidate -1", "bus", -1),
    ]
    somewhere = "a bus of the grid, by its index in the net or its name"
    expected = [somewhere, somewhere, "a bus in service", somewhere]
    assert [issue.expected for issue in found] == expected


def test_without_a_net_there_are_names_only(tree: Study) -> None:
    (issue,) = faults(replace(tree, net=None), ["3", "south"])
    assert issue.element == "candidate 3"


def test_a_file_without_the_column(tree: Study, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("node\n3\n", encoding="utf-8")
    (issue,) = faults(tree, file)
    assert (issue.element, issue.field, issue.expected) == (str(file), "column", "a column 'bus'")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00\xd8,\x01"])
def test_what_is_no_csv(content: bytes | None, tree: Study, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    if content is not None:
        file.write_bytes(content)
    (issue,) = faults(tree, file)
    assert (issue.element, issue.field, issue.value) == ("candidates", "file", str(file))
    assert issue.expected.startswith("a CSV file with a column 'bus' (")
