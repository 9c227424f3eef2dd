"""Egret's compact and tight unit commitment, read by its own parser, passed on by Pyomo.

Knueven, Ostrowski & Watson 2020, "On mixed-integer programming formulations for the unit
commitment problem", doi 10.1287/ijoc.2019.0944, describes both.

Two things are set so that the rules are those of pglib-uc. Shortage at a price is switched off,
of energy and of reserve. And the one bus is written with `btheta_power_flow`, since
`copperplate_power_flow` of gridx-egret 0.6.2 makes the balance an inequality (supply at least
demand): it passes ``relax_balance=False``, and the callee looks at the name only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo  # type: ignore[import-not-found]
from _highs import searched
from _pyomo import columns, passed_to_highs
from egret.model_library.unit_commitment.uc_utils import (  # type: ignore[import-not-found]
    SlackType,
)
from egret.parsers.pglib_uc_parser import create_ModelData  # type: ignore[import-not-found]
from route import Answer, Array, Plan, plan_of

PACKAGES = ("gridx-egret", "pyomo", "highspy")


def read(path: Path) -> Any:
    """Return the instance as Egret's model data."""
    return create_ModelData(str(path))


def solved(
    create: Callable[..., Any],
    data: Any,
    loaded: Callable[[], None],
    *,
    seed: int,
    time_limit_s: float,
    gap: float,
) -> Answer:
    """Solve what one of Egret's functions creates."""
    model = create(data, network_constraints="btheta_power_flow", slack_type=SlackType.NONE)
    model.ReserveShortfall.fix(0.0)
    highs, column_of = passed_to_highs(model)
    loaded()
    units, winds = list(model.ThermalGenerators), list(model.AllNondispatchableGenerators)
    on, above, most, wind = (
        columns(var, column_of, len(model.TimePeriods))
        for var in (
            model.UnitOn,
            model.PowerGeneratedAboveMinimum,
            model.MaximumPowerAvailableAboveMinimum,
            model.NondispatchablePowerUsed,
        )
    )
    low = np.array([[pyo.value(model.MinimumPowerOutput[g, 1])] for g in units])

    def plan(x: Array) -> Plan:
        nothing = np.zeros(wind.shape)
        return plan_of(
            [name[:-2] for name in (*units, *winds)],  # the parser appends _T or _R
            np.vstack([x[on], nothing + 1]),
            np.vstack([x[above] + low * x[on], x[wind]]),
            np.vstack([x[most] - x[above], nothing]),
        )

    return searched(highs, plan, seed=seed, time_limit_s=time_limit_s, gap=gap)
