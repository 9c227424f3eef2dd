"""gridopt as a user calls it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import numpy as np
from route import Answer, plan_of

from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.io.cases import load_case
from gridopt.running import solve as run_of
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

PACKAGES = ("gridopt", "highspy")


def read(path: Path) -> Study:
    """Return the instance as a study, all its checks passed."""
    return load_case(path)


def solve(
    study: Study,
    loaded: Callable[[], None],
    *,
    seed: int,
    time_limit_s: float,
    gap: float,
) -> Answer:
    """Solve with everything else left at its default."""
    _when_first_passed(loaded)
    solver = HiGHS(gap=gap, time_limit_s=time_limit_s, seed=seed)
    run = run_of(study, UnitCommitment(), solver)
    found = str(run.termination), run.solution.objective, run.bound
    if run.schedule is None:
        return Answer(*found)
    renewable = run.schedule.renewable_mw
    return Answer(
        *found,
        plan_of(
            [*study.thermal.name, *study.renewables.name],
            np.vstack([run.schedule.committed, np.ones_like(renewable)]),
            np.vstack([run.schedule.power_mw, renewable]),
            np.vstack([run.schedule.reserve_mw.sum(axis=0), np.zeros_like(renewable)]),
        ),
    )


def _when_first_passed(loaded: Callable[[], None]) -> None:
    """Call back once the first model is inside HiGHS, whatever of gridopt puts it there."""
    kind: Any = highspy.Highs
    original = kind.passModel

    def passed(highs: Any, *model: Any) -> Any:
        status = original(highs, *model)
        kind.passModel = original
        loaded()
        return status

    kind.passModel = passed
