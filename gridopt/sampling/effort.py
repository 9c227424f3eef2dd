"""How long samplers of QUBOs search where the user does not say: one rule, from the QUBO alone.

The clock has no part in it, so that the same QUBO and seed give the same reads on every machine.
Only where there is a time limit and no number of reads, reads go on until time is up.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from gridopt.lowering.qubo import Qubo
from gridopt.sampling.samples import Deadline

FEWEST_SWEEPS, MOST_SWEEPS = 300, 2000
FEWEST_READS, MOST_READS = 4, 100

TOTAL_WORK = 1e9
"""Work of all reads together, up to some ten seconds of one thread of simulated annealing."""

UNINTERRUPTED_WORK = 2e7
"""Work of one read of a sampler that sees no clock within it: a third of a second."""


def sweep_work(qubo: Qubo) -> float:
    """Return the work of one sweep of single flips: proposals, and updates of neighbors.

    A tenth of the proposals is taken to be accepted, and each of those updates all neighbors.
    """
    return qubo.n_bits + 0.1 * 2.0 * len(qubo.couplings()[2])


def sweeps_for(qubo: Qubo, cost: float = 1.0, most_work: float = TOTAL_WORK / FEWEST_READS) -> int:
    """Return the sweeps of one read: 30·√n, within 300 to 2000.

    Larger problems need longer schedules, but on QUBOs with penalties several short reads find
    more than one long one: on commitment windows of 354 and 1190 bits, 300 and 1000 sweeps of
    dwave-neal beat 2000 to 5000 at equal time. Where such a read would be more than `most_work`,
    the sweeps are fewer, 100 at least.

    Parameters
    ----------
    qubo : Qubo
    cost : float
        Of one sweep, in sweeps of simulated annealing.
    most_work : float
        Of one read.
    """
    wanted = np.clip(30.0 * np.sqrt(qubo.n_bits), FEWEST_SWEEPS, MOST_SWEEPS)
    paid = most_work / (cost * sweep_work(qubo))
    return max(round(min(float(wanted), paid)), 100)


def reads_for(qubo: Qubo, sweeps: int, cost: float = 1.0) -> int:
    """Return the number of reads that `TOTAL_WORK` pays for, within 4 to 100.

    Parameters
    ----------
    qubo : Qubo
    sweeps : int
        Of one read.
    cost : float
        Of one sweep, in sweeps of simulated annealing.
    """
    paid = TOTAL_WORK / (cost * sweeps * sweep_work(qubo))
    return int(np.clip(paid, FEWEST_READS, MOST_READS))


def reads_within(
    given: int | None, qubo: Qubo, sweeps: int, deadline: Deadline, cost: float = 1.0
) -> int | None:
    """Return the given number of reads; else those of the rule, or None: until time is up."""
    if given is not None:
        return given
    return None if np.isfinite(deadline.at_s) else reads_for(qubo, sweeps, cost)


def scaled(qubo: Qubo) -> Qubo:
    """Return the QUBO divided by the median size of its coefficients, its offset left out.

    Temperatures follow the coefficients, and a sum over many large ones must not drown the small
    ones. Its ground states are those of `qubo`; its energies are not.
    """
    sizes = np.abs(qubo.Q.data)
    sizes = sizes[sizes > 0.0]
    unit = float(np.median(sizes)) if len(sizes) else 1.0
    return replace(qubo, Q=sparse.csr_array(qubo.Q / unit), offset=0.0)
