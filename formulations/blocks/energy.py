"""Limits over all periods: energy, fuel, water."""

from __future__ import annotations

import numpy as np

from gridopt.arrays import FloatArray, IntArray
from gridopt.formulations.blocks.commitment import Commitment
from gridopt.formulations.blocks.injections import Injection
from gridopt.program import ProgramBuilder, Term
from gridopt.study import Study


def energy_limits(
    b: ProgramBuilder,
    study: Study,
    unit: Commitment,
    thermal: list[Injection],
    renewable: list[Injection],
) -> None:
    """Add least ≤ h Σ_t (Σ_g a_g (P̲ u + p) + Σ_g b_g u + Σ_r c_r p_r) ≤ most.

    Generation with limited energy supply: Wood, Wollenberg, Sheblé 2014, "Power generation,
    operation, and control", 3rd edition.
    """
    limits, h = study.energy_limits, study.period_h
    if not len(limits):
        return
    terms = [_over_time(h * limits.thermal_per_h, unit.on)]
    for rate, parts in (
        (limits.thermal_per_mwh, thermal),
        (limits.renewable_per_mwh, renewable),
    ):
        terms += [_over_time(h * rate * part.coefficient, part.columns) for part in parts]
    b.constrain("energy_limit", *terms, lower=limits.least, upper=limits.most)


def _over_time(rate: FloatArray, columns: IntArray) -> Term:
    """Return Σ_i Σ_t rate_i x_it as a term of each limit; rate is (E, N), columns (N, T)."""
    return np.repeat(rate, columns.shape[1], axis=1), columns.ravel()[np.newaxis]
