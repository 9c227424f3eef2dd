"""Battery placement: where batteries are built, how many, and how they run, at least cost.

What is built is decided once, how everything runs in each period and scenario: the two stages of
Fernández-Blanco, Dvorkin, Xu, Wang, Kirschen 2017, "Optimal energy storage siting and sizing: a
WECC case study", doi 10.1109/TSTE.2016.2616444. The rest of the system is that of unit commitment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from gridopt.agents import Agents, JointAgents
from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.errors import Issue, OptionError, StudyError
from gridopt.formulation import Formulation
from gridopt.formulations.blocks.commitment import Commitment
from gridopt.formulations.blocks.compact_sites import CompactSites
from gridopt.formulations.blocks.network import network_limits, network_notes
from gridopt.formulations.blocks.radial import radial_limits
from gridopt.formulations.blocks.reserves import reserve_block
from gridopt.formulations.blocks.site_agents import SiteAgents
from gridopt.formulations.blocks.sites import Choice, batteries, below_peak, peak, site_choice
from gridopt.formulations.blocks.thermal_agents import ThermalAgents
from gridopt.formulations.unit_commitment import REFERENCE, UnitCommitment, suffix, values_of
from gridopt.placement import Placement, placed, with_reserve
from gridopt.program import Program, ProgramBuilder
from gridopt.results import Schedule
from gridopt.study import Study

NETWORKS = ("copperplate", "dc", "radial")
EXCLUSIVE = ("auto", "always", "never")


@final
@dataclass(frozen=True)
class BatteryPlacement(Formulation):
    """Sites, sizes and operation of batteries.

    Parameters
    ----------
    network : {"auto", "copperplate", "dc", "radial"}
        No network; DC power flow with limits of branches and interfaces; or LinDistFlow with
        voltages and losses. `"auto"` takes radial where the study has a feeder, else DC where a
        branch has a rating.
    security : {"none", "n-1"}
        As in unit commitment, with network ``"dc"`` only.
    exclusive : {"auto", "always", "never"}
        Whether 0/1 columns keep charge and discharge of a battery apart. `"auto"` has them where
        wasting energy may pay: where prices or demands are negative, or infeeds or minimum outputs
        must be taken. Without, a plan that does both is not feasible.
    """

    network: Literal["auto", "copperplate", "dc", "radial"] = "auto"
    security: Literal["none", "n-1"] = "none"
    exclusive: Literal["auto", "always", "never"] = "auto"

    def __post_init__(self) -> None:
        for option, values in (
            ("network", ("auto", *NETWORKS)),
            ("security", ("none", "n-1")),
            ("exclusive", EXCLUSIVE),
        ):
            if getattr(self, option) not in values:
                expected = " or ".join(values)
                raise OptionError("battery_placement", option, getattr(self, option), expected)
        if self.security == "n-1" and self.network not in ("auto", "dc"):
            expected = "none, or n-1 with network = 'dc'"
            raise OptionError("battery_placement", "security", self.security, expected)

    def network_of(self, study: Study) -> str:
        """Return the network that a study gets."""
        if self.network != "auto":
            return self.network
        if self.security == "n-1":
            return "dc"
        if study.feeder is not None:
            return "radial"
        return "dc" if study.grid.is_rated.any() or len(study.grid.interfaces) else "copperplate"

    def build(self, study: Study) -> Program:
        """Return the program: see the blocks for each rule's equation."""
        self._check(study)
        b = ProgramBuilder()
        choice = site_choice(b, study)
        highest = peak(b, study)
        unit = self._system.commit(b, study, None)
        if not study.scenarios:
            self._operation(b, study, unit, choice, highest)
        for scenario in study.scenarios:
            with b.scope(suffix(scenario), scenario.probability):
                self._operation(b, study.in_scenario(scenario), unit, choice, highest)
        program = b.program()
        program = replace(program, agents=_agents(study, program))
        if self.network_of(study) != "radial":
            return program
        parts = tuple((study.in_scenario(it), suffix(it), it.probability) for it in study.scenarios)
        compact = CompactSites(study, program, parts or ((study, "", 1.0),))
        return replace(program, compact=compact)

    @property
    def _system(self) -> UnitCommitment:
        return UnitCommitment(identical_units="separate", **REFERENCE)

    def _operation(
        self,
        b: ProgramBuilder,
        study: Study,
        unit: Commitment,
        choice: Choice,
        highest: IntArray | None,
    ) -> None:
        network = self.network_of(study)
        built = batteries(b, study, choice, self._is_exclusive(study))
        by_bus = network != "copperplate"
        injections = self._system.dispatch(b, study, unit, built.injections, by_bus, built.reserve)
        if highest is not None:
            below_peak(b, study, highest, injections)
        if network == "dc":
            network_limits(b, study, injections, self.security)
        if network == "radial":
            radial_limits(b, study, injections)

    def _is_exclusive(self, study: Study) -> bool:
        if self.exclusive != "auto":
            return self.exclusive == "always"
        return bool(
            (study.exchange.price_per_mwh < 0.0).any()
            or (study.renewables.p_min_mw > 0.0).any()
            or (study.renewables.cost_per_mwh < 0.0).any()
            or (study.thermal.p_min_mw > 0.0).any()
            or (study.demand_mw < 0.0).any()
            or study.surplus_cost_per_mwh is not None
        )

    def notes(self, study: Study) -> tuple[str, ...]:
        """Return what the network of the study limits, and how it is modeled."""
        network = self.network_of(study)
        if network == "dc":
            return network_notes(study.grid, self.security)
        if network == "radial":
            return ("LinDistFlow: losses cost their price and are not part of the balance",)
        return ()

    def decode(self, study: Study, program: Program, x: FloatArray) -> Placement:
        """Return the placement; numbers of modules and commitment are rounded."""
        modules = np.rint(program.value("modules", x)).astype(np.int64)
        on = np.rint(program.value("on", x)) > 0
        parts = [(study.in_scenario(it), suffix(it)) for it in study.scenarios] or [(study, "")]
        schedules, reserve = [], []
        for part, ending in parts:
            values = values_of(program, x, ending)
            held = _held(part, modules, values)
            schedule = self._schedule(part, on, modules, values)
            reserve.append(held)
            schedules.append(replace(schedule, study=with_reserve(schedule.study, held)))
        network = self.network_of(study)
        return Placement(study, modules, tuple(schedules), network, tuple(reserve))

    def _schedule(
        self, study: Study, on: BoolArray, modules: IntArray, values: dict[str, FloatArray]
    ) -> Schedule:
        """Return how a study without scenarios runs, with the batteries as its last storage."""
        built = np.flatnonzero(modules.ravel())
        charge, discharge, soc = _running(study, modules, values)
        whole = placed(study, modules, soc[:, -1].reshape(modules.shape))
        joined = dict(values)
        for name, added in (("charge_mw", charge), ("discharge_mw", discharge), ("soc_mwh", soc)):
            own = values.get(name, np.zeros((len(study.storage), study.n_periods)))
            joined[name] = np.vstack([own, added[built]])
        schedule = self._system.schedule(whole, on, joined)
        network = "dc" if self.network_of(study) == "dc" else "copperplate"
        return replace(schedule, network=network, security=self.security)

    def _check(self, study: Study) -> None:
        network, where = self.network_of(study), f"study {study.name}"
        issues = []
        if not len(study.sites):
            expected = "candidates: see gridopt.with_sites"
            issues.append(Issue(where, "sites", "none", expected))
        if network == "dc" and not study.grid.n_branches:
            expected = "'copperplate': the system has no branches"
            issues.append(Issue(where, "network", network, expected))
        if network == "radial" and study.feeder is None:
            expected = "'dc' or 'copperplate': the study has no feeder, as its grid is not radial"
            issues.append(Issue(where, "network", network, expected))
        if issues:
            raise StudyError(issues)


def _agents(study: Study, program: Program) -> Agents | None:
    """Return sites, and units where there are any; None where units are in several scenarios."""
    endings = tuple(suffix(scenario) for scenario in study.scenarios)
    sites = SiteAgents(study, program, endings or ("",))
    if not len(study.thermal):
        return sites
    return None if endings else JointAgents((ThermalAgents(study, program), sites))


def _running(
    study: Study, modules: IntArray, values: dict[str, FloatArray]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return charge, discharge and energy of all candidates and kinds, (C·M, T) each."""
    if study.sites.is_optimized:
        charge, discharge = values["battery_charge_mw"], values["battery_discharge_mw"]
        return charge, discharge, values["battery_soc_mwh"]
    power, number = values["battery_mw"], modules.reshape(-1, 1)
    held = study.sites.profile_soc_mwh(study.period_h)[:, 1:]
    soc = (number * np.tile(held, (len(study.sites), 1))).astype(np.float64)
    return np.maximum(-power, 0.0), np.maximum(power, 0.0), soc


def _held(study: Study, modules: IntArray, values: dict[str, FloatArray]) -> FloatArray:
    """Return what batteries hold of each reserve product, (P, batteries, T)."""
    built = np.flatnonzero(modules.ravel())
    held = np.zeros((len(study.reserves), len(built), study.n_periods))
    for p, product in enumerate(study.reserves.product):
        columns = f"battery_{reserve_block(product)}"
        if columns in values:
            held[p] = values[columns][built]
    return held
