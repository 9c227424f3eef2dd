"""From a Pyomo model into HiGHS, by Pyomo's own interface."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.contrib.solver.solvers.highs import Highs  # type: ignore[import-not-found]
from route import Array


def passed_to_highs(model: Any) -> tuple[Any, dict[int, int]]:
    """Return the HiGHS object that Pyomo filled, and the column of each variable by its id.

    The newer of Pyomo's two interfaces, which fills HiGHS the faster. The search is run on its
    object directly: what Pyomo would do before and after costs the peer nothing here.
    """
    interface = Highs()
    interface.set_instance(model)
    return interface._solver_model, interface._pyomo_var_to_solver_var_map


def columns(var: Any, column_of: dict[int, int], periods: int) -> Array:
    """Return the columns of a variable over (element, period), in the order of its index."""
    found = [column_of[id(each)] for each in var.values()]
    return np.array(found, dtype=np.int64).reshape(-1, periods)
