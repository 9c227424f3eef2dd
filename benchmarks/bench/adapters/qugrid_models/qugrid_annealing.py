"""Unit commitment by qugrid 0.2.0: its own QUBO, its own simulated annealing.

Its class `UnitCommitment` takes units with limits, one parabola of cost and one cost a start, the
demand, and who is on before. It has no argument for anything else that a unit or a system may ask
(minimum times, ramps, reserve, must-run, start-up costs by time off, renewables), so that a study
that asks for it is declined; see ``qugrid.problems.unit_commitment`` and `GenParams`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from qugrid.classical.dispatch import GenParams  # type: ignore[import-not-found]
from qugrid.problems.unit_commitment import UnitCommitment  # type: ignore[import-not-found]
from qugrid.solvers import solve as solve_by  # type: ignore[import-not-found]
from route import Answer, NotApplicableError, plan_of, read_instance

PACKAGES = ("qugrid",)

read = read_instance


def solve(
    instance: dict[str, Any],
    loaded: Callable[[], None],
    *,
    seed: int,
    time_limit_s: float,  # noqa: ARG001  # it has none
    power_bits: int = 2,
    sweeps: int = 1500,
    restarts: int = 8,
) -> Answer:
    """Return its answer as it is: power in 2^power_bits levels a unit, no dispatch after."""
    declined = list(_declined(instance))
    if declined:
        takes = ", ".join(inspect.signature(GenParams).parameters)
        raise NotApplicableError(
            f"qugrid's UnitCommitment has no {'; no '.join(declined)}. A unit of it is {takes}"
        )
    units = instance["thermal_generators"]
    problem = UnitCommitment(
        [_unit(name, unit) for name, unit in units.items()],
        instance["demand"],
        power_bits=power_bits,
        initial_on=np.array([unit["unit_on_t0"] for unit in units.values()]),
    )
    bits = problem.qubo.n
    loaded()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that penalties dwarf the costs
        found = solve_by(problem, solver="sa", n_sweeps=sweeps, n_restarts=restarts, seed=seed)
    answer = problem.decode(found.x)
    committed, power = answer["commit"], answer["power"]
    return Answer(
        f"{restarts} restarts",
        float(answer["cost"]),
        -np.inf,
        plan_of(list(units), committed, power, np.zeros_like(power)),
        feasible=bool(problem.is_feasible(found.x)),
        details={"bits": bits, "balance_tolerance_mw": float(problem.balance_tol)},
    )


def _unit(name: str, unit: dict[str, Any]) -> GenParams:
    (low, first), (high, last) = ((p["mw"], p["cost"]) for p in unit["piecewise_production"])
    slope = (last - first) / (high - low)
    return GenParams(
        name=name,
        pmin=low,
        pmax=high,
        c2=0.0,
        c1=slope,
        c0=first - slope * low,
        startup=unit["startup"][0]["cost"],
    )


def _declined(instance: dict[str, Any]) -> Iterator[str]:
    """Yield every rule that the instance has and qugrid has not."""
    units = instance["thermal_generators"]

    def some(rule: str, broken: Callable[[dict[str, Any]], bool]) -> Iterator[str]:
        count = sum(map(broken, units.values()))
        if count:
            yield f"{rule} ({count} of {len(units)} units)"

    def span(unit: dict[str, Any]) -> float:
        return float(unit["power_output_maximum"] - unit["power_output_minimum"])

    if any(instance["reserves"]):
        yield "reserve"
    if instance["renewable_generators"]:
        yield "renewables"
    yield from some("minimum times", lambda unit: max(_times(unit)) > 1)
    yield from some("must-run", lambda unit: bool(unit["must_run"]))
    yield from some(
        "ramps", lambda unit: min(unit["ramp_up_limit"], unit["ramp_down_limit"]) < span(unit)
    )
    yield from some(
        "limits at starts and stops",
        lambda unit: (
            min(unit["ramp_startup_limit"], unit["ramp_shutdown_limit"])
            < unit["power_output_maximum"]
        ),
    )
    yield from some("start-up costs by time off", lambda unit: len(unit["startup"]) > 1)
    yield from some(
        "cost curves but parabolas, which this file cannot say, and lines",
        lambda unit: len(unit["piecewise_production"]) != 2,
    )


def _times(unit: dict[str, Any]) -> tuple[int, int]:
    return unit["time_up_minimum"], unit["time_down_minimum"]
