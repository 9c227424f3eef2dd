"""What ties units together: power balance, reserve, branch limits."""

from __future__ import annotations

import numpy as np

from gridopt.formulations.blocks.commitment import Commitment
from gridopt.formulations.blocks.injections import Injection
from gridopt.formulations.blocks.production import Production
from gridopt.program import ProgramBuilder, Term
from gridopt.study import Study


def thermal_injections(study: Study, unit: Commitment, output: Production) -> list[Injection]:
    """Return P̲ u + p of the thermal units as injections."""
    units = study.thermal
    return [
        Injection(units.bus, units.p_min_mw, unit.on),
        Injection(units.bus, np.ones(len(units)), output.above_min),
    ]


def power_balance(b: ProgramBuilder, study: Study, injections: list[Injection]) -> None:
    """Add Σ injections = demand + what shunts take, in each period."""
    terms: list[Term] = [(part.coefficient, part.columns.T) for part in injections]
    b.constrain("balance", *terms, equal=study.total_demand_mw + study.grid.shunt_mw.sum())
