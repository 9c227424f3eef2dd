"""What ties units together: the power balance, and the capacity that it and reserve imply."""

from __future__ import annotations

import numpy as np

from gridopt.formulations.blocks.commitment import Commitment
from gridopt.formulations.blocks.injections import Injection, Kind
from gridopt.formulations.blocks.production import Production
from gridopt.formulations.blocks.reserves import Shortage
from gridopt.program import ProgramBuilder, Term
from gridopt.study import Study


def thermal_injections(study: Study, unit: Commitment, output: Production) -> list[Injection]:
    """Return P̲ u + p of the thermal units as injections."""
    units = study.thermal
    return [
        Injection(units.bus, units.p_min_mw, unit.on, Kind.THERMAL),
        Injection(units.bus, np.ones(len(units)), output.above_min, Kind.THERMAL),
    ]


def power_balance(b: ProgramBuilder, study: Study, injections: list[Injection]) -> None:
    """Add Σ injections = demand + what shunts take, in each period."""
    terms: list[Term] = [(part.coefficient, part.columns.T) for part in injections]
    b.constrain("balance", *terms, equal=study.total_demand_mw + study.grid.shunt_mw.sum())


def capacity_cuts(
    b: ProgramBuilder,
    study: Study,
    unit: Commitment,
    short: Shortage,
    injections: list[Injection],
) -> None:
    """Imply Σ P̄ u + everything else that may feed in ≥ demand + upward reserve.

    The sum of the balance, the reserve requirements and the generation limits. The relaxation
    keeps it anyway, but as one row over whole numbers it has strong rounding cuts: Atamtürk 2005,
    "Cover and pack inequalities for (mixed) integer programming", doi 10.1007/s10479-005-3442-1.
    """
    units, renewables = study.thermal, study.renewables
    needed = study.total_demand_mw + study.grid.shunt_mw.sum() + study.flexible.p_min_mw.sum(axis=0)
    needed = needed - renewables.p_max_mw.sum(axis=0)
    terms: list[Term] = [(units.p_max_mw, unit.on.T)]
    # thermal and renewable parts are counted above, and what takes out can only add to the need
    terms += [
        (part.coefficient, part.columns.T)
        for part in injections
        if part.kind not in (Kind.THERMAL, Kind.RENEWABLE) and (part.coefficient > 0).all()
    ]
    terms += [(1.0, columns[:, np.newaxis]) for columns in short.columns]
    b.imply("capacity", *terms, lower=needed + short.required_mw)
