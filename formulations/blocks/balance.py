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


def spinning_reserve(b: ProgramBuilder, study: Study, output: Production) -> None:
    """Add Σ r ≥ what the study asks for, in each period."""
    if output.reserve is not None:
        b.constrain("reserve", (1.0, output.reserve.T), lower=study.reserves.required_mw[0])


def branch_limits(b: ProgramBuilder, study: Study, injections: list[Injection]) -> None:
    """Add −F̄ ≤ H (P − demand − offset) + F_shift ≤ F̄ for every branch with a rating.

    H is the PTDF matrix, P the injections; see `gridopt.grid.Grid` for offset and F_shift.
    """
    grid = study.grid
    rated = np.flatnonzero(grid.is_rated)
    ptdf = grid.ptdf(rated)
    terms: list[Term] = [
        (ptdf[:, np.newaxis, part.bus] * part.coefficient, part.columns.T[np.newaxis])
        for part in injections
    ]
    taken = study.demand_mw + grid.offset_mw[:, np.newaxis]
    still = grid.shift_flow_mw[rated, np.newaxis] - ptdf @ taken
    rating = grid.rating_mw[rated, np.newaxis]
    b.constrain("branch_limit", *terms, lower=-rating - still, upper=rating - still)
