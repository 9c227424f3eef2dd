"""What every solver must do, whatever it runs on: the product of solvers and tiny programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import product
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.errors import OptionError, UnknownNameError, UnsupportedError
from gridopt.program import Integrality, Program, ProgramBuilder
from gridopt.registry import (
    formulation_class,
    formulation_names,
    make,
    option_names,
    solver_class,
    solver_names,
)
from gridopt.sites import BatteryModules
from gridopt.siting import with_sites
from gridopt.solution import Termination
from gridopt.solver import Progress
from gridopt.study import Study

PROVES = {"exact", "highs", "numpy_eigensolver", "tree_decomposition"}
"""Solvers that prove their answers; all others sample."""

CONTROLS = {"greedy", "random", "steepest_descent"}
"""Samplers that need not find the best answer, however tiny the program."""

OF_AGENTS = {"decomposition"}
"""Solvers of programs with agents, which the tiny ones here are not: formulations try them."""

SOLVERS = [name for name in solver_names() if name != "leap_cqm"]
"""All but the one that needs a token: its own tests run it on dimod's enumeration."""

OF_ANY_PROGRAM = [name for name in SOLVERS if name not in OF_AGENTS]


def cover() -> Program:
    """Cheapest items that weigh enough."""
    b = ProgramBuilder()
    x = b.binary("take", (4,))
    b.minimize([5.0, 4.0, 3.0, 7.0], x)
    b.constrain("weight", ([2.0, 3.0, 1.0, 4.0], x[np.newaxis]), lower=[5.0])
    return b.program()


def assignment() -> Program:
    """Two jobs on two machines, one each, with a cost of being neighbors."""
    b = ProgramBuilder()
    x = b.binary("runs_on", (2, 2))
    b.minimize([[3.0, 1.0], [2.0, 2.5]], x)
    b.minimize_product(1.5, x[0], x[1, ::-1])
    b.constrain("each job once", (1.0, x), equal=np.ones(2))
    b.constrain("each machine once", (1.0, x.T), equal=np.ones(2))
    b.minimize_constant(10.0)
    return b.program()


def commitment() -> Program:
    """Two units over two hours, their power in steps of 10 MW."""
    b = ProgramBuilder()
    on = b.binary("on", (2, 2))
    power = b.variable("power_mw", (2, 2), upper=[[20.0], [10.0]])
    b.minimize([[100.0], [30.0]], on)
    b.minimize([[10.0], [25.0]], power)
    b.constrain("balance", (1.0, power.T), equal=[20.0, 10.0])
    b.constrain("capacity", (1.0, power), ([[-20.0], [-10.0]], on), upper=0.0)
    return b.program()


def counts() -> Program:
    """Modules of two kinds, each a whole number."""
    b = ProgramBuilder()
    n = b.variable("modules", (2,), upper=3.0, integrality=Integrality.INTEGER)
    b.minimize([4.0, 7.0], n)
    b.constrain("energy", ([3.0, 5.0], n[np.newaxis]), lower=[11.0])
    return b.program()


PROGRAMS: dict[str, Callable[[], Program]] = {
    "cover": cover,
    "assignment": assignment,
    "commitment": commitment,
    "counts": counts,
}


def optimum(program: Program, step: float = 10.0) -> float:
    """Return the least objective, by enumeration; continuous columns in steps."""
    grids = [
        np.arange(low, high + 1e-9, 1.0 if whole else step)
        for low, high, whole in zip(program.lower, program.upper, program.is_integer, strict=True)
    ]
    points = (np.array(point) for point in product(*grids))
    return min(program.objective(x) for x in points if program.is_feasible(x))


def options_for(name: str, **more: Any) -> dict[str, Any]:
    """Return options that suit tiny programs: no gap, the commitment's own resolution."""
    wanted: dict[str, Any] = {"gap": 0.0, "resolution": 10.0, "seed": 1, "max_qubits": 16}
    wanted["mock"] = True  # in place of what needs a token
    wanted |= more
    return {key: value for key, value in wanted.items() if key in option_names(solver_class(name))}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("solver", OF_ANY_PROGRAM)
def test_finds_the_enumerated_optimum(solver: str, program: str) -> None:
    given = PROGRAMS[program]()
    best = optimum(given)
    found = make(solver_class(solver), solver, options_for(solver)).solve(given)
    assert found.x is not None
    assert found.violation == given.violation(found.x)
    if solver not in CONTROLS:
        assert found.is_feasible
        assert found.objective == pytest.approx(best)
    assert found.objective >= best - 1e-6
    assert found.objective == (given.objective(found.x) if found.is_feasible else np.inf)
    assert found.bound <= best + 1e-6
    assert (found.bound_source != "") == np.isfinite(found.bound)


@pytest.mark.parametrize("solver", OF_ANY_PROGRAM)
def test_same_seed_same_answer(solver: str) -> None:
    method = make(solver_class(solver), solver, options_for(solver))
    first, second = method.solve(commitment()), method.solve(commitment())
    assert first.x is not None
    assert second.x is not None
    assert np.array_equal(first.x, second.x)
    assert first.termination == second.termination


@pytest.mark.parametrize("solver", OF_ANY_PROGRAM)
def test_a_sampler_never_claims_a_proof(solver: str) -> None:
    method = make(solver_class(solver), solver, options_for(solver))
    found = method.solve(cover())
    expected = Termination.OPTIMAL if solver in PROVES else Termination.SAMPLED
    assert found.termination is expected


@pytest.mark.parametrize("solver", OF_ANY_PROGRAM)
def test_infeasible_programs_cost_infinity(solver: str) -> None:
    b = ProgramBuilder()
    x = b.binary("take", (2,))
    b.minimize([1.0, 1.0], x)
    b.constrain("too much", (1.0, x[np.newaxis]), lower=[3.0])
    found = make(solver_class(solver), solver, options_for(solver)).solve(b.program())
    assert not found.is_feasible
    assert found.objective == np.inf
    assert found.gap == np.inf
    assert found.termination in {Termination.INFEASIBLE, Termination.SAMPLED}


@pytest.mark.parametrize("solver", OF_ANY_PROGRAM)
def test_progress_is_reported_and_harmless(solver: str) -> None:
    seen: list[Progress] = []
    method = make(solver_class(solver), solver, options_for(solver))
    with_callback = method.solve(commitment(), seen.append)
    assert with_callback.objective == method.solve(commitment()).objective
    assert all(report.elapsed_s >= 0 and report.stage for report in seen)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("option", "value"), [("seed", -1), ("seed", 2**31), ("time_limit_s", 0.0), ("nonsense", 1)]
)
def test_a_bad_option_is_one_clear_error(solver: str, option: str, value: object) -> None:
    with pytest.raises(OptionError, match=f"{solver}.*{option}.*expected"):
        make(solver_class(solver), solver, {option: value})


@pytest.mark.parametrize("solver", SOLVERS)
def test_says_what_it_is(solver: str) -> None:
    kind = solver_class(solver)
    assert kind.kind
    assert kind.limits
    assert kind.package
    names = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    assert {"seed", "time_limit_s"} <= names


def lossless() -> BatteryModules:
    """Return a battery of 10 MW that leaves demand a whole multiple of 10 MW."""
    ten, one = np.array([10.0]), np.ones(1)
    return BatteryModules(("battery",), ten, ten, one, one, one, ten, 8760.0 * one, one)


@pytest.mark.parametrize("formulation", formulation_names())
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_takes_every_formulation(
    solver: str, formulation: str, make_study: Callable[..., Study]
) -> None:
    study = make_study(demand_mw=(70.0, 100.0))
    if formulation == "battery_placement":
        study = with_sites(study, modules=lossless(), operation="profile")
    if solver in OF_AGENTS and formulation_class(formulation)().build(study).agents is None:
        with pytest.raises(UnsupportedError, match="no agents to take it apart into"):
            gridopt.solve(study, formulation, solver, **options_for(solver))
        return
    exact = gridopt.solve(study, formulation, "highs", gap=1e-9)
    options = options_for(solver, resolution=None, levels=2)
    run = gridopt.solve(study, formulation, solver, **options)
    assert exact.is_feasible
    assert run.is_feasible
    assert run.cost >= exact.cost * (1.0 - 1e-6)
    if solver not in CONTROLS:
        assert run.cost == pytest.approx(exact.cost, rel=1e-6)
    assert run.bound <= run.cost + 1e-6
    assert run.verification is not None
    assert run.verification.total_cost == pytest.approx(run.solution.objective)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="unknown solver 'simplex'; known are"):
        solver_class("simplex")
    with pytest.raises(UnknownNameError, match="unknown formulation 'opf'"):
        formulation_class("opf")
