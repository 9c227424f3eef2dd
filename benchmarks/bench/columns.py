"""What a run records: one row, one meaning a column.

A cost is always the verifier's, of a feasible plan; energies with penalties are named energies.
What a solver or peer says of itself is in the columns ``claimed_…``: compared, never believed.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column of the database.

    Parameters
    ----------
    name, sql, unit, meaning : str
        Name, type in DuckDB, unit (empty where it has none) and what it says.
    measured : bool
        Whether it differs from run to run: seconds, memory, when and where.
    """

    name: str
    sql: str
    unit: str
    meaning: str
    measured: bool = False


def _column(line: str) -> Column:
    name, sql, unit, meaning = (part.strip() for part in line.split("|", 3))
    return Column(name, sql, unit, meaning.removesuffix(" *"), meaning.endswith(" *"))


COLUMNS = tuple(
    _column(line)
    for line in """
    run_key | VARCHAR | | hash of all that the run is asked: equal keys ask the same
    suite | VARCHAR | | name of the specification
    case_name | VARCHAR | | label of the case
    fingerprint | VARCHAR | | of the study's data
    units | INTEGER | | thermal units of the study
    distinct_units | INTEGER | | different ones among them: fewer where units are copies
    periods | INTEGER | | of the study
    formulation | VARCHAR | | label of the formulation
    formulation_name | VARCHAR | | its public name
    formulation_options | JSON | |
    solver | VARCHAR | | label of the solver: a comparison is between labels
    solver_name | VARCHAR | | public name; of a peer its name
    solver_options | JSON | |
    peer | BOOLEAN | | whether it is not ours
    seed | INTEGER | |
    time_limit_s | DOUBLE | s | that the solver was given
    memory_limit_mb | DOUBLE | MB | beyond which the run is killed
    command | VARCHAR | | that repeats the run
    status | VARCHAR | | done, failed (with error), killed_time, killed_memory, not_applicable
    error | VARCHAR | | what went wrong
    termination | VARCHAR | | why the solver stopped
    feasible | BOOLEAN | | by our verifier
    cost | DOUBLE | $ | by our verifier; null unless feasible
    bound | DOUBLE | $ | proved lower bound
    bound_source | VARCHAR | |
    gap | DOUBLE | | (cost − bound) / |cost|
    claimed_feasible | BOOLEAN | | what the solver says of its answer
    claimed_cost | DOUBLE | $ | what the solver says
    claimed_bound | DOUBLE | $ | what the solver says
    violations | JSON | | rule: how many violations
    worst_violation | VARCHAR | | in words, with element, period and physical unit
    binary_variables | INTEGER | | of the mixed-integer program
    integer_variables | INTEGER | | other integers
    continuous_variables | INTEGER | |
    nonzeros | INTEGER | | coefficients of its rows
    bits | INTEGER | | of the QUBO
    density | DOUBLE | | couplings over pairs of bits
    coefficient_range | DOUBLE | | largest over smallest coefficient
    components | INTEGER | | parts into which the QUBO falls
    largest_component | INTEGER | bits |
    exact | BOOLEAN | | whether the QUBO's optimum is proved to be the program's
    reads | INTEGER | |
    raw_energy | DOUBLE | | best energy of the QUBO, penalties included: no cost
    raw_feasible_share | DOUBLE | | of the reads, before re-dispatch and repair
    raw_cost | DOUBLE | $ | best of the reads that are feasible as they are
    redispatch_cost | DOUBLE | $ | best after re-dispatch
    repaired_cost | DOUBLE | $ | best after repair
    redispatch_s | DOUBLE | s | of re-dispatch and repair *
    control_cost | DOUBLE | $ | best of fair coins, re-dispatched alike
    null_cost | DOUBLE | $ | of the decomposition without a sampler
    known_optimum | DOUBLE | $ | of the model, where it is known
    encoded_optimum | DOUBLE | $ | least that the encoding can say, where known
    successes | DOUBLE | | share of the reads that reach the known optimum
    tts99_s | DOUBLE | s | time to solution with 99 % *
    tts99_low_s | DOUBLE | s | end of its interval *
    tts99_high_s | DOUBLE | s | end of its interval; null is infinite *
    gap_tolerance | DOUBLE | | at which the solver stops, where it has one
    time_to_1_percent_s | DOUBLE | s | until the certified gap was at most 1 % *
    time_to_05_percent_s | DOUBLE | s | … 0.5 % *
    time_to_01_percent_s | DOUBLE | s | … 0.1 % *
    build_s | DOUBLE | s | to write the program *
    solve_s | DOUBLE | s | in the solver *
    wall_s | DOUBLE | s | of the whole process, imports and reading included *
    cpu_s | DOUBLE | s | of the whole process and its children *
    peak_rss_mb | DOUBLE | MB | highest memory of the process *
    stages_s | JSON | s | seconds by stage *
    trace | JSON | | time, cost, bound and stage as they moved *
    details | JSON | | all else that the solver tells *
    versions | JSON | | of the packages *
    host | VARCHAR | | name of the machine *
    started_at | TIMESTAMP | | UTC *
    """.splitlines()
    if line.strip()
)
