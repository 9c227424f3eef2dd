"""What a page says of how to repeat a run does repeat it."""

from __future__ import annotations

import html
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridopt.cli import app
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.io.cases import load_case
from gridopt.pages.repeating import Name, Origin, made_by, repeating, solving
from gridopt.siting import with_sites
from gridopt.solvers.highs import HiGHS
from gridopt.solvers.neal import Neal
from gridopt.study import Study


def typed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command as the shell would."""
    words = shlex.split(command)
    monkeypatch.setattr("sys.argv", words)
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output


def codes(page: Path) -> list[str]:
    found = re.findall(r"<code>(.*?)</code>", page.read_text(encoding="utf-8"), re.S)
    return [html.unescape(code) for code in found]


def test_a_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "with a space"
    command = f"gridopt solve unit-commitment kazarlis10 --hours 3 --gap 0.01 --out '{out}'"
    typed(command, monkeypatch)
    shell, python = codes(out / "report.html")
    assert shlex.split(shell) == shlex.split(command)
    plan = (out / "schedule.csv").read_bytes()
    typed(shell, monkeypatch)
    assert (out / "schedule.csv").read_bytes() == plan
    names: dict[str, Any] = {}
    exec(python, names)  # noqa: S102
    assert 'gridopt.load_case("kazarlis10", hours=3.0)' in python
    assert names["run"].schedule.units().to_csv(index=False).encode() == plan
    assert names["run"].solver == HiGHS(gap=0.01)


def test_days_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = tmp_path / "load.csv"
    profile.write_text("period,system\n" + "".join(f"{t},0.{5 + t % 3}\n" for t in range(48)))
    command = f"gridopt simulate case9 --profiles {profile} --units typical --days 2 --out "
    typed(f"{command}{tmp_path / 'days'} --gap 0.01 --look-ahead-h 2", monkeypatch)
    names: dict[str, Any] = {}
    exec(codes(tmp_path / "days" / "report.html")[1], names)  # noqa: S102
    assert (names["done"].n_days, names["done"].look_ahead_h) == (2, 2.0)
    plan = (tmp_path / "days" / "schedule.csv").read_text()
    assert names["done"].schedule.units().to_csv(index=False) == plan


def test_a_placement_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "gridopt solve battery-placement case33bw --hours 2 --count 1 --vm-min 0.93 "
    more = f"--module li_ion_0.5mw_2h --voltage-cost 1000 --gap 0.001 --out {tmp_path}"
    typed(command + more, monkeypatch)
    names: dict[str, Any] = {}
    exec(codes(tmp_path / "report.html")[1], names)  # noqa: S102
    table = names["placing"].after.placement.table()
    assert table.to_csv(index=False) == (tmp_path / "placement.csv").read_text()


def test_parts_of_a_solver_are_constructed() -> None:
    from gridopt.lowering.qubo import Lowering

    solver = Neal(reads=7, lowering=Lowering(resolution=5.0))
    python, imports = solving("gridopt.solve", UnitCommitment(network="dc"), solver)
    assert "reads=7" in python
    assert 'network="dc"' in python
    assert "lowering=Lowering(resolution=5.0)" in python
    assert imports == {"from gridopt.lowering.encoding import Lowering"}


def test_only_what_differs_from_the_default_is_told() -> None:
    assert made_by(load_case, "rts79", hours=None, start=0, tz="UTC") == (
        'study = gridopt.load_case("rts79", tz="UTC")'
    )
    assert made_by(with_sites, Name("study"), candidates=None, count=2, budget=float("inf")) == (
        'study = gridopt.with_sites(study, count=2, budget=float("inf"))'
    )


def test_a_study_that_nobody_can_make_again_is_named(make_study: Callable[..., Study]) -> None:
    study = make_study()
    (code,) = repeating(Origin(), study, "run = f(study)", {"import b"}).parts
    text = code.text  # type: ignore[union-attr]
    assert text.startswith("import gridopt\nimport b\n\nstudy = ...")
    assert study.fingerprint() in text
