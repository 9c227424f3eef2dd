"""What all routes share: options, the search in HiGHS, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np

Array = np.ndarray[Any, Any]
Plan = dict[str, tuple[Array, Array, Array]]
"""Of each generator its commitment, power and reserve, (T,) each."""


@dataclass(frozen=True)
class Options:
    """How to search: alike for all routes.

    Parameters
    ----------
    route : str
    gap : float
        Relative gap at which to stop.
    time_limit_s : float
    seed : int
    """

    route: str
    gap: float
    time_limit_s: float
    seed: int


@dataclass(frozen=True, eq=False)
class Answer:
    """What a route found.

    Parameters
    ----------
    termination : str
    objective, bound : float
        Of the route's own program.
    plan : dict
        Empty where there is none.
    """

    termination: str
    objective: float
    bound: float
    plan: Plan = field(default_factory=dict)


def plan_of(names: list[str], committed: Array, power_mw: Array, reserve_mw: Array) -> Plan:
    """Return a plan from arrays (generator, period); commitment is made whole."""
    parts = np.rint(committed).astype(int), power_mw, reserve_mw
    return dict(zip(names, zip(*parts, strict=True), strict=True))


def searched(highs: Any, options: Options, plan: Callable[[Array], Plan]) -> Answer:
    """Run HiGHS on the model that it holds, one thread, all else its defaults."""
    wanted = {
        "output_flag": False,
        "threads": 1,
        "random_seed": options.seed,
        "mip_rel_gap": options.gap,
        "time_limit": options.time_limit_s,
    }
    for name, value in wanted.items():
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise RuntimeError(f"HiGHS does not take {name} = {value}")
    highs.run()
    info = highs.getInfo()
    termination = highs.modelStatusToString(highs.getModelStatus())
    if info.primal_solution_status != int(highspy.SolutionStatus.kSolutionStatusFeasible):
        return Answer(termination, float("inf"), info.mip_dual_bound)
    x = np.array(highs.getSolution().col_value)
    return Answer(termination, info.objective_function_value, info.mip_dual_bound, plan(x))
