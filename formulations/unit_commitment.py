"""Unit commitment: which thermal units run when, at least cost.

The three-binary model (on, start, stop) as collected by Knueven, Ostrowski, Watson 2020, "On
mixed-integer programming formulations for the unit commitment problem",
doi 10.1287/ijoc.2019.0944. Every rule is one function in ``blocks/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.errors import Issue, OptionError, StudyError
from gridopt.formulation import Formulation
from gridopt.formulations.blocks.balance import (
    branch_limits,
    power_balance,
    spinning_reserve,
    thermal_injections,
)
from gridopt.formulations.blocks.commitment import (
    commitment,
    commitment_logic,
    min_up_down,
    startup_cost,
)
from gridopt.formulations.blocks.injections import (
    exchange,
    renewables,
    storage,
    unserved_and_surplus,
)
from gridopt.formulations.blocks.production import (
    generation_limits,
    initial_shutdown,
    production,
    production_cost,
    ramping,
)
from gridopt.program import Program, ProgramBuilder
from gridopt.results import Schedule
from gridopt.study import Study

NETWORKS = ("copperplate", "dc")


@final
@dataclass(frozen=True)
class UnitCommitment(Formulation):
    """Commitment and dispatch of thermal units.

    Parameters
    ----------
    network : {"copperplate", "dc"}
        No network, or DC power flow with branch limits.
    """

    network: Literal["copperplate", "dc"] = "copperplate"

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise OptionError("unit_commitment", "network", self.network, " or ".join(NETWORKS))

    def build(self, study: Study) -> Program:
        """Return the program: see the blocks for each rule's equation."""
        self._check(study)
        b = ProgramBuilder()
        unit = commitment(b, study)
        output = production(b, study)
        commitment_logic(b, study, unit)
        min_up_down(b, study, unit)
        startup_cost(b, study, unit)
        generation_limits(b, study, unit, output)
        initial_shutdown(b, study, unit)
        ramping(b, study, output)
        production_cost(b, study, unit, output)
        injections = [
            *thermal_injections(study, unit, output),
            *renewables(b, study),
            *storage(b, study),
            *exchange(b, study),
            *unserved_and_surplus(b, study, by_bus=self.network == "dc"),
        ]
        power_balance(b, study, injections)
        spinning_reserve(b, study, output)
        if self.network == "dc":
            branch_limits(b, study, injections)
        return b.program()

    def decode(self, study: Study, program: Program, x: FloatArray) -> Schedule:
        """Return the schedule; commitment is rounded, an off unit's power is zero."""

        def value(name: str, rows: int) -> FloatArray:
            if name in program.variables:
                return program.value(name, x)
            return np.zeros((rows, study.n_periods))

        units = study.thermal
        on = np.rint(program.value("on", x)) > 0
        power = units.p_min_mw[:, np.newaxis] + value("above_min_mw", len(units))
        return Schedule(
            study=study,
            network=self.network,
            committed=on,
            power_mw=np.where(on, power, 0.0),
            reserve_mw=np.where(on, value("reserve_mw", len(units)), 0.0)[np.newaxis][
                : len(study.reserves)
            ],
            renewable_mw=value("renewable_mw", len(study.renewables)),
            charge_mw=value("charge_mw", len(study.storage)),
            discharge_mw=value("discharge_mw", len(study.storage)),
            soc_mwh=value("soc_mwh", len(study.storage)),
            import_mw=value("import_mw", len(study.exchange)),
            unserved_mw=_per_bus(study, value("unserved_mw", 1)),
            surplus_mw=_per_bus(study, value("surplus_mw", 1)),
        )

    def _check(self, study: Study) -> None:
        if self.network == "dc" and not study.grid.n_branches:
            where = f"study {study.name}"
            expected = "'copperplate': the system has no branches"
            raise StudyError([Issue(where, "network", "dc", expected)])


def _per_bus(study: Study, amount_mw: FloatArray) -> FloatArray:
    """Spread a system's amount, (1, T), over buses as demand is; leave (B, T) as it is."""
    if len(amount_mw) == study.grid.n_buses:
        return amount_mw
    demand = np.maximum(study.demand_mw, 0.0)
    total = demand.sum(axis=0)
    even = np.full_like(demand, 1.0 / len(demand))
    share = np.divide(demand, total, out=even, where=total > 0)
    return np.asarray(amount_mw * share)
