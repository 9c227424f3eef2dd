"""Unit commitment: which thermal units run when, at least cost.

The three-binary model (on, start, stop) as collected by Knueven, Ostrowski, Watson 2020, "On
mixed-integer programming formulations for the unit commitment problem",
doi 10.1287/ijoc.2019.0944. Every rule is one function in ``blocks/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.errors import Issue, OptionError, StudyError
from gridopt.formulation import Formulation
from gridopt.formulations.blocks.balance import (
    capacity_cuts,
    power_balance,
    thermal_injections,
)
from gridopt.formulations.blocks.commitment import (
    Commitment,
    commitment,
    commitment_logic,
    min_up_down,
    startup_cost,
)
from gridopt.formulations.blocks.compact import CompactCommitment
from gridopt.formulations.blocks.energy import energy_limits
from gridopt.formulations.blocks.identical import identical_units, merged, shared_out
from gridopt.formulations.blocks.injections import (
    Injection,
    exchange,
    flexible_demand,
    renewables,
    storage,
    unserved_and_surplus,
)
from gridopt.formulations.blocks.network import network_limits, network_notes
from gridopt.formulations.blocks.production import (
    downward_limits,
    generation_limits,
    initial_shutdown,
    production,
    production_cost,
    ramping,
)
from gridopt.formulations.blocks.reserves import (
    Others,
    nonspinning,
    reserve_requirements,
    reserve_values,
)
from gridopt.formulations.blocks.thermal_agents import ThermalAgents
from gridopt.program import Equivalent, Program, ProgramBuilder
from gridopt.results import Plan, ScenarioSchedules, Schedule
from gridopt.study import Scenario, Study

CHOICES = {
    "network": ("copperplate", "dc"),
    "security": ("none", "n-1"),
    "generation_limits": ("pglib", "gentile", "pan_guan"),
    "ramps": ("pglib", "damci_kurt"),
    "segments": ("box", "on", "kow"),
    "startup_cost": ("categories", "match"),
    "identical_units": ("separate", "together"),
}
"""Values of each option; see the block functions of the same name for equations and papers."""

REFERENCE: dict[str, Any] = {
    "generation_limits": "gentile",
    "ramps": "pglib",
    "segments": "on",
    "startup_cost": "categories",
}
"""How the program itself is written: few columns and short rows, which a QUBO needs."""


@final
@dataclass(frozen=True)
class UnitCommitment(Formulation):
    """Commitment and dispatch of thermal units.

    Parameters
    ----------
    network : {"copperplate", "dc"}
        No network, or DC power flow with limits of branches and interfaces.
    security : {"none", "n-1"}
        Whether flows must also keep emergency ratings after the outage of any one branch that may
        fail and whose outage leaves the net in one piece; with network ``"dc"`` only.
    generation_limits : {"pan_guan", "gentile", "pglib"}
    ramps : {"damci_kurt", "pglib"}
    segments : {"kow", "on", "box"}
    startup_cost : {"match", "categories"}
        How each rule is written for solvers that branch and cut: all have the same optimum, and
        the first is the default, measured fastest with HiGHS. See the functions in ``blocks/``.
    identical_units : {"together", "separate"}
        Whether those solvers get a program in which identical units are counted: see
        ``blocks/identical.py``.
    """

    network: Literal["copperplate", "dc"] = "copperplate"
    security: Literal["none", "n-1"] = "none"
    generation_limits: Literal["pglib", "gentile", "pan_guan"] = "pan_guan"
    ramps: Literal["pglib", "damci_kurt"] = "damci_kurt"
    segments: Literal["box", "on", "kow"] = "kow"
    startup_cost: Literal["match", "categories"] = "match"
    identical_units: Literal["separate", "together"] = "together"

    def __post_init__(self) -> None:
        for option, values in CHOICES.items():
            value = getattr(self, option)
            if value not in values:
                raise OptionError("unit_commitment", option, value, " or ".join(values))
        if (self.security, self.network) == ("n-1", "copperplate"):
            expected = "none, or n-1 with network = 'dc'"
            raise OptionError("unit_commitment", "security", self.security, expected)

    def build(self, study: Study) -> Program:
        """Return the program: see the blocks for each rule's equation.

        It is written in the `REFERENCE` form, and carries as its equivalent the form that the
        options choose, for solvers that branch and cut.

        Where the study has scenarios, one commitment serves all of them and each has a dispatch
        of its own, reserve included: the extensive form of the two-stage program, its expected
        cost minimized (Takriti, Birge, Long 1996, "A stochastic model for the unit commitment
        problem", doi 10.1109/59.535691). Reserve is required in each scenario, for what no
        scenario stands for: outages. Who holds it may differ, as it is dispatched with energy;
        scenarios beside requirements as in Papavasiliou & Oren 2013, "Multiarea stochastic unit
        commitment for high wind penetration in a transmission constrained network",
        doi 10.1287/opre.2013.1174.
        """
        self._check(study)
        one_each = np.ones(len(study.thermal))
        program = replace(self, **REFERENCE)._program(study, one_each)
        groups = self._groups(study)
        smaller, count = merged(study, groups)
        counted = self._program(smaller, count)

        alike = [
            name
            for name in program.variables.keys() & counted.variables.keys()
            if program.variables[name].shape == counted.variables[name].shape
        ]

        def decisions(x: FloatArray) -> FloatArray:
            values = np.zeros(program.n_columns)
            for name in alike:
                values[program.columns(name)] = counted.value(name, x)
            on = shared_out(study, groups, counted.value("on", x))
            values[program.columns("on")] = on
            return values[program.is_decision]

        def counts(decided: FloatArray) -> FloatArray:
            x, values = np.zeros(program.n_columns), np.zeros(counted.n_columns)
            x[program.is_decision] = decided
            for name in alike:
                values[counted.columns(name)] = program.value(name, x)
            on = program.value("on", x)
            values[counted.columns("on")] = np.stack([on[group].sum(axis=0) for group in groups])
            return values[counted.is_decision]

        return replace(
            program,
            equivalent=Equivalent(counted, decisions, counts),
            compact=None if study.scenarios else CompactCommitment(study, program),
            agents=None if study.scenarios else ThermalAgents(study, program),
        )

    def _groups(self, study: Study) -> list[IntArray]:
        if self.identical_units == "separate" or study.scenarios:
            return [np.array([g]) for g in range(len(study.thermal))]
        return identical_units(study, by_bus=self.network == "dc")

    def commit(self, b: ProgramBuilder, study: Study, count: FloatArray | None) -> Commitment:
        """Add when units are on; `count` tells how many each row stands for."""
        unit = commitment(b, study, count)
        commitment_logic(b, study, unit)
        min_up_down(b, study, unit)
        startup_cost(b, study, unit, self.startup_cost)
        initial_shutdown(b, study, unit)
        return unit

    def _program(self, study: Study, count: FloatArray) -> Program:
        b = ProgramBuilder()
        unit = self.commit(b, study, count)
        if not study.scenarios:
            self._dispatch(b, study, unit)
        for scenario in study.scenarios:
            with b.scope(suffix(scenario), scenario.probability):
                self._dispatch(b, study.in_scenario(scenario), unit)
        return b.program()

    def _dispatch(self, b: ProgramBuilder, study: Study, unit: Commitment) -> None:
        injections = self.dispatch(b, study, unit, [], by_bus=self.network == "dc")
        if self.network == "dc":
            network_limits(b, study, injections, self.security)

    def dispatch(
        self,
        b: ProgramBuilder,
        study: Study,
        unit: Commitment,
        others: list[Injection],
        by_bus: bool,
        reserve: Others | None = None,
    ) -> list[Injection]:
        """Add the dispatch of a study without scenarios; return all that feeds in.

        Parameters
        ----------
        b : ProgramBuilder
        study : Study
        unit : Commitment
        others : list of Injection
            What feeds in beside.
        by_bus : bool
            Whether what is unserved and in surplus is known by bus.
        reserve : Others or None
            What others than thermal units hold of reserve products.
        """
        output = production(b, study, unit)
        generation_limits(b, study, unit, output, self.generation_limits)
        downward_limits(b, output)
        ramping(b, study, unit, output, self.ramps)
        nonspinning(b, study, unit, output.reserve)
        production_cost(b, study, unit, output, self.segments)
        thermal = thermal_injections(study, unit, output)
        renewable = renewables(b, study)
        thermal_max_mw = float(unit.count @ study.thermal.p_max_mw)
        injections = [
            *thermal,
            *renewable,
            *storage(b, study),
            *exchange(b, study),
            *flexible_demand(b, study),
            *unserved_and_surplus(b, study, thermal_max_mw, by_bus),
            *others,
        ]
        power_balance(b, study, injections)
        energy_limits(b, study, unit, thermal, renewable)
        short = reserve_requirements(b, study, output.reserve, reserve)
        capacity_cuts(b, study, unit, short, injections)
        return injections

    def notes(self, study: Study) -> tuple[str, ...]:
        """Return identical units, limits that the network lacks, and outages left out."""
        together = [group for group in self._groups(study) if len(group) > 1]
        named = "; ".join(", ".join(study.thermal.name[g] for g in group) for group in together)
        found = (f"identical units, counted together: {named}",) if together else ()
        return found + (network_notes(study.grid, self.security) if self.network == "dc" else ())

    def decode(self, study: Study, program: Program, x: FloatArray) -> Plan:
        """Return the schedule; commitment is rounded, an off unit's power is zero."""
        on = np.rint(program.value("on", x)) > 0
        if not study.scenarios:
            return self.schedule(study, on, values_of(program, x))
        schedules = [
            self.schedule(study.in_scenario(scenario), on, values_of(program, x, suffix(scenario)))
            for scenario in study.scenarios
        ]
        return ScenarioSchedules(study, tuple(schedules))

    def schedule(self, study: Study, on: BoolArray, values: Mapping[str, FloatArray]) -> Schedule:
        """Return the schedule of a study without scenarios from the values of its blocks."""

        def value(name: str, rows: int) -> FloatArray:
            return values.get(name, np.zeros((rows, study.n_periods)))

        units = study.thermal
        reserve, short = reserve_values(study, values, on)
        power = units.p_min_mw[:, np.newaxis] + values["above_min_mw"]
        return Schedule(
            study=study,
            network=self.network,
            security=self.security,
            committed=on,
            power_mw=np.where(on, power, 0.0),
            reserve_mw=reserve,
            renewable_mw=value("renewable_mw", len(study.renewables)),
            charge_mw=value("charge_mw", len(study.storage)),
            discharge_mw=value("discharge_mw", len(study.storage)),
            soc_mwh=value("soc_mwh", len(study.storage)),
            import_mw=value("import_mw", len(study.exchange)),
            unserved_mw=_per_bus(study, value("unserved_mw", 1)),
            surplus_mw=_per_bus(study, value("surplus_mw", 1)),
            flexible_mw=value("flexible_mw", len(study.flexible)),
            reserve_short_mw=short,
        )

    def _check(self, study: Study) -> None:
        if self.network == "dc" and not study.grid.n_branches:
            where = f"study {study.name}"
            expected = "'copperplate': the system has no branches"
            raise StudyError([Issue(where, "network", "dc", expected)])


def suffix(scenario: Scenario) -> str:
    """Return what names of a scenario's blocks end with."""
    return f"@{scenario.name}"


def values_of(program: Program, x: FloatArray, ending: str = "") -> dict[str, FloatArray]:
    """Return the values of all blocks whose name has that ending, by name without it."""
    return {
        name.removesuffix(ending): program.value(name, x)
        for name in program.variables
        if name.endswith(ending)
    }


def _per_bus(study: Study, amount_mw: FloatArray) -> FloatArray:
    """Spread a system's amount, (1, T), over buses as demand is; leave (B, T) as it is."""
    if len(amount_mw) == study.grid.n_buses:
        return amount_mw
    demand = np.maximum(study.demand_mw, 0.0)
    total = demand.sum(axis=0)
    even = np.full_like(demand, 1.0 / len(demand))
    share = np.divide(demand, total, out=even, where=total > 0)
    return np.asarray(amount_mw * share)
