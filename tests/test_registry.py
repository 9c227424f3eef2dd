"""Solvers and formulations by name, and their options by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import gridopt.solvers
from gridopt.errors import NotInstalledError, OptionError, UnknownNameError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.lowering.encoding import Lowering
from gridopt.registry import (
    formulation_class,
    formulation_names,
    make,
    option_names,
    solver_class,
    solver_names,
)
from gridopt.solvers.highs import HiGHS
from gridopt.solvers.neal import Neal


def test_names_are_the_files() -> None:
    folder = Path(gridopt.solvers.__path__[0])
    files = sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__")
    assert list(solver_names()) == files
    assert {"exact", "highs", "neal", "qaoa", "tabu"} <= set(files)
    assert formulation_names() == ("battery_placement", "unit_commitment")
    assert solver_class("highs") is HiGHS
    assert formulation_class("unit_commitment") is UnitCommitment


@pytest.mark.parametrize("name", ["", "base", "HiGHS", "../highs", "highs.HiGHS", "__init__"])
def test_only_names_of_files_are_found(name: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown solver"):
        solver_class(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("higs", "unknown solver 'higs'; did you mean highs?"),
        ("cplex", f"unknown solver 'cplex'; known are {', '.join(solver_names())}"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_or_all(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        solver_class(name)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("solver", "module", "package"),
    [
        ("neal", "neal", "dwave-neal"),
        ("steepest_descent", "dwave.samplers", "dwave-samplers"),
        ("qiskit_optimization", "qiskit_aer", "qiskit-aer"),
        ("highs", "highspy", "highspy"),
        ("dwave", "dwave.system", "dwave-system"),
        ("dwave", "minorminer", "dwave-system"),
        ("leap_cqm", "dwave.system", "dwave-system"),
        ("openjij", "openjij", "openjij"),
    ],
)
def test_a_missing_package_is_told_with_its_command(
    solver: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    solver_class(solver)
    monkeypatch.delitem(sys.modules, f"gridopt.solvers.{solver}")
    monkeypatch.setitem(sys.modules, module, None)  # what Python takes for not installed
    with pytest.raises(NotInstalledError, match=f"'{solver}' needs .*: run  pip install {package}"):
        solver_class(solver)


def test_options_of_a_part_are_options_of_the_whole() -> None:
    assert {"reads", "seed", "lowering", "resolution", "levels"} <= option_names(Neal)
    assert {"network", "security", "ramps"} <= option_names(UnitCommitment)
    solver = make(Neal, "neal", {"reads": 3, "levels": 4, "resolution": 5.0})
    assert isinstance(solver, Neal)
    assert solver.reads == 3
    assert solver.lowering == Lowering(levels=4, resolution=5.0)
    assert make(Neal, "neal", {}) == Neal()


@pytest.mark.parametrize("order", [1, -1])
def test_a_part_and_its_options_go_together(order: int) -> None:
    options = {"lowering": Lowering(resolution=5.0), "levels": 4}
    solver = make(Neal, "neal", dict(list(options.items())[::order]))
    assert isinstance(solver, Neal)
    assert solver.lowering == Lowering(resolution=5.0, levels=4)


def test_an_unknown_option_is_told_with_all_that_are() -> None:
    with pytest.raises(OptionError, match="highs: reads = 3, expected one of its options: gap, pl"):
        make(HiGHS, "highs", {"reads": 3})
    with pytest.raises(OptionError, match="network = 'ac', expected copperplate or dc"):
        make(UnitCommitment, "unit_commitment", {"network": "ac"})
