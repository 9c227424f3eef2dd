"""The search in HiGHS, alike for all routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import highspy
import numpy as np
from route import Answer, Array, Plan


def searched(
    highs: Any, plan: Callable[[Array], Plan], *, seed: int, time_limit_s: float, gap: float
) -> Answer:
    """Run HiGHS on the model that it holds, one thread, all else its defaults."""
    wanted = {
        "output_flag": False,
        "threads": 1,
        "random_seed": seed,
        "mip_rel_gap": gap,
        "time_limit": time_limit_s,
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
