"""Specifications of benchmarks: what they say, and every fault at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gridopt.bench.spec import read_suite, suite_names
from gridopt.bench.tasks import Task
from gridopt.errors import StudyError, UnknownNameError

Write = Callable[[str], str]

GOOD = """
seeds = [0, 1]
time_limit_s = 5
[[cases]]
source = "kazarlis10"
hours = 2
[[cases]]
name = "other"
source = "kazarlis10"
hours = 3
[[formulations]]
name = "unit_commitment"
[[solvers]]
name = "highs"
gap = 1e-3
seeds = [0]
[[solvers]]
name = "neal"
label = "neal, compact"
form = "compact"
cases = ["other"]
time_limit_s = 7
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


def test_tasks_of_a_suite(write: Write) -> None:
    suite = read_suite(write(GOOD))
    asked = [(t.case.name, t.contender.label, t.seed, t.time_limit_s) for t in suite.tasks()]
    assert asked == [
        ("kazarlis10", "highs", 0, 5.0),
        ("other", "highs", 0, 5.0),
        ("other", "neal, compact", 0, 7.0),
        ("other", "neal, compact", 1, 7.0),
    ]
    assert suite.name == "mine"


def test_keys_tell_tasks_apart_and_survive_json(write: Write) -> None:
    tasks = list(read_suite(write(GOOD)).tasks())
    assert len({task.key for task in tasks}) == len(tasks)
    again = list(read_suite(write(GOOD)).tasks())
    assert [task.key for task in again] == [task.key for task in tasks]
    assert [Task.from_json(task.as_json()).key for task in tasks] == [task.key for task in tasks]
    longer = list(read_suite(write(GOOD.replace("hours = 2", "hours = 4"))).tasks())
    assert longer[0].key != tasks[0].key
    assert longer[1].key == tasks[1].key


def test_every_fault_at_once(write: Write) -> None:
    text = """
    seed = 3
    seeds = [0, 0]
    memory_limit_mb = -1
    columns = ["gap", "gab"]
    [[cases]]
    source = "kazarlis11"
    [[cases]]
    source = "rts79"
    hours = 4
    ours = 5
    [cases.window]
    units = ["U76_1_1", "nobody"]
    first = 3
    periods = 2
    [[formulations]]
    name = "unit_comitment"
    [[formulations]]
    name = "unit_commitment"
    network = "ac"
    [[solvers]]
    name = "neel"
    [[solvers]]
    name = "neal"
    sweps = 3
    reads = -1
    [[solvers]]
    peer = "nobody's"
    [[solvers]]
    name = "highs"
    cases = ["gone"]
    [[solvers]]
    name = "highs"
    """
    with pytest.raises(StudyError) as caught:
        read_suite(write(text))
    found = {(issue.element.split("/")[-1], issue.field) for issue in caught.value.issues}
    assert found == {
        ("mine.toml", "seed"),
        ("mine.toml", "seeds"),
        ("mine.toml", "memory_limit_mb"),
        ("mine.toml", "column"),
        ("cases[0] kazarlis11", "source"),
        ("cases[1]", "ours"),
        ("cases[1] rts79", "window.units"),
        ("cases[1] rts79", "window.first, periods"),
        ("formulations[0]", "name"),
        ("formulations[1]", "network"),
        ("solvers[0]", "name"),
        ("solvers[1]", "sweps"),
        ("solvers[1]", "reads"),
        ("solvers[2]", "peer"),
        ("solvers[3]", "cases"),
        ("solvers", "label"),
    }


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("name = ", "file"),
        ("cases = 3", "cases"),
        ('[[cases]]\nfiles = "*.nothing"', "files"),
        ("[[cases]]\nsource = 3", "source"),
        ('[[cases]]\nsource = "kazarlis10"\n[cases.sites]\ncont = 3', "cont"),
        ('[[cases]]\nsource = "rts79"\nwindow = 3', "window"),
    ],
)
def test_faults_of_form(write: Write, text: str, field: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_suite(write(text))
    assert field in {issue.field for issue in caught.value.issues}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="expected a TOML file"):
        read_suite(str(tmp_path / "gone.toml"))


def test_unknown_suite_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean smoke"):
        read_suite("smok")


def test_shipped_suites_are_right(tmp_path: Path) -> None:
    assert {"placement", "qubo", "scaling", "smoke", "uc-large", "uc-small"} <= set(suite_names())
    for name in set(suite_names()) - {"uc-large"}:
        assert list(read_suite(name).tasks()), name
    with pytest.raises(StudyError, match="--cases FOLDER"):
        read_suite("uc-large")
    with pytest.raises(StudyError, match="a pattern of files in"):
        read_suite("uc-large", tmp_path)
