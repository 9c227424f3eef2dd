"""Generic converters and samplers of others, used as their documentation does: the naive QUBO.

Unit commitment is written in whole steps of power, so that these packages take it, and is then
theirs: `dimod.cqm_to_bqm` with its default penalty (ten times the largest bias of the objective)
and D-Wave's or OpenJij's sampler, or `QuadraticProgramToQubo` and `MinimumEigenOptimizer` of
qiskit-optimization. No lowering, no re-dispatch, no repair of ours: the read of least energy is
the answer, as it is.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import dimod
import neal
import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray
from gridopt.errors import NotInstalledError, OptionError, UnsupportedError
from gridopt.exports.dimod_models import to_cqm
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.program import Integrality, Program
from gridopt.results import Schedule
from gridopt.study import Study

DEFAULTS: dict[str, dict[str, Any]] = {
    "dimod-neal": {"step_mw": 5.0, "reads": 10, "sweeps": 1000},
    "openjij-sa": {"step_mw": 5.0, "reads": 10, "sweeps": 1000},
    "openjij-sqa": {"step_mw": 5.0, "reads": 10, "sweeps": 1000},
    "qiskit-numpy": {"step_mw": 5.0, "max_qubits": 16},
    "qiskit-qaoa": {"step_mw": 5.0, "max_qubits": 12, "layers": 1, "iterations": 50},
}
"""Options of each, and what they are unless said otherwise."""

ROUNDING = 1e-9
"""What counts as rounding of a number of steps."""

NAIVE = tuple(DEFAULTS)
"""Names of these peers."""


@dataclass(frozen=True, eq=False)
class NaiveAnswer:
    """What a package says that it found.

    Parameters
    ----------
    plan : Schedule or None
    feasible : bool or None
        Whether the package finds its own constraints kept.
    cost : float or None
        The package's objective, penalties not included.
    termination : str
    seconds : dict
        ``build_s``, of the model; ``convert_s``, to the QUBO; ``search_s``.
    versions, details : dict
    reason_not_applicable : str or None
    """

    plan: Schedule | None = None
    feasible: bool | None = None
    cost: float | None = None
    termination: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    reason_not_applicable: str | None = None


@dataclass(frozen=True, eq=False)
class Stepped:
    """A program whose every column is whole: x = first + step · k.

    Parameters
    ----------
    program : Program
        Over k.
    first, step : array, (n,)
    """

    program: Program
    first: FloatArray
    step: FloatArray

    @property
    def is_fixed(self) -> BoolArray:
        """Columns with one value, which dimod's integers cannot have, (n,)."""
        return np.asarray(self.program.lower == self.program.upper)

    def values(self, k: FloatArray) -> FloatArray:
        """Return the values of the original columns."""
        return self.first + self.step * k


def solve_naively(
    name: str, study: Study, options: dict[str, Any], seed: int, time_limit_s: float
) -> NaiveAnswer:
    """Return what one of `NAIVE` answers.

    Parameters
    ----------
    name : str
    study : Study
        Without scenarios.
    options : dict
        See `DEFAULTS`.
    seed : int
    time_limit_s : float
        Looked at between reads; circuits are not cut short.

    Returns
    -------
    NaiveAnswer

    Raises
    ------
    OptionError
        For an option out of range.
    """
    asked = _checked(name, options)
    if study.scenarios:
        return NaiveAnswer(reason_not_applicable="scenarios: the model has one dispatch")
    begun = time.perf_counter()
    formulation = UnitCommitment()
    program = formulation.build(study)
    try:
        stepped = in_steps(program, asked.pop("step_mw"))
        cqm = to_cqm(stepped.program)
    except UnsupportedError as fault:
        return NaiveAnswer(reason_not_applicable=str(fault))
    labels = list(cqm.variables)
    fixed = {labels[i]: stepped.program.lower[i] for i in np.flatnonzero(stepped.is_fixed)}
    cqm.fix_variables(fixed)
    built_s = time.perf_counter() - begun
    route = _by_qiskit if name.startswith("qiskit") else _by_bqm
    found, sample = route(name, cqm, asked, seed, begun + time_limit_s)
    if sample is None:
        return found
    k = np.array([{**fixed, **sample}[label] for label in labels], dtype=np.float64)
    plan = formulation.decode(study, program, stepped.values(k))
    assert isinstance(plan, Schedule)  # noqa: S101  # no scenarios
    return replace(found, plan=plan, seconds={"build_s": built_s, **found.seconds})


def in_steps(program: Program, step_mw: float) -> Stepped:
    """Return the program with continuous columns in whole steps, and rows of them in steps.

    Parameters
    ----------
    program : Program
        Its continuous columns are MW and have bounds.
    step_mw : float

    Returns
    -------
    Stepped
        Every answer that keeps its rows keeps the program's.

    Raises
    ------
    UnsupportedError
        Where a continuous column has no bounds.
    """
    program = program.complete()
    free = ~program.is_integer
    if not np.isfinite(program.lower[free] + program.upper[free]).all():
        raise UnsupportedError("a continuous column without bounds cannot be written in steps")
    first = np.where(free, program.lower, 0.0)
    step = np.where(free, step_mw, 1.0)
    S = sparse.diags_array(step)
    of_power = np.isin(np.arange(program.n_rows), program.A[:, free].nonzero()[0])
    per_row = np.where(of_power, 1.0 / step_mw, 1.0)
    held = program.A @ first
    A, row_lower, row_upper = _whole(
        sparse.csr_array(sparse.diags_array(per_row) @ program.A @ S),
        per_row * (program.row_lower - held),
        per_row * (program.row_upper - held),
        of_power,
    )
    steps = np.where(free, np.floor((program.upper - first) / step + ROUNDING), program.upper)
    whole = Program(
        Q=sparse.csr_array(S @ program.Q @ S),
        c=step * (program.c + 2.0 * (program.Q @ first)),
        c0=program.objective(first),
        A=A,
        row_lower=row_lower,
        row_upper=row_upper,
        lower=np.where(free, 0.0, program.lower),
        upper=steps,
        integrality=np.full(program.n_columns, Integrality.INTEGER, dtype=np.int8),
        variables=program.variables,
        rows=program.rows,
    )
    return Stepped(whole, first, step)


def _whole(
    A: sparse.csr_array, low: FloatArray, high: FloatArray, chosen: BoolArray
) -> tuple[sparse.csr_array, FloatArray, FloatArray]:
    """Round the numbers of one-sided rows to the safe side: what keeps the new row keeps the old.

    Slack of whole steps can only fill rows of whole numbers. Equations stay as they are.
    """
    at_most = chosen & np.isneginf(low)
    at_least = chosen & np.isposinf(high)
    row = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
    up, down = np.ceil(A.data - ROUNDING), np.floor(A.data + ROUNDING)
    data = np.where(at_most[row], up, np.where(at_least[row], down, A.data))
    rounded = sparse.csr_array((data, A.indices, A.indptr), shape=A.shape)
    rounded.eliminate_zeros()
    return (
        rounded,
        np.where(at_least, np.ceil(low - ROUNDING), low),
        np.where(at_most, np.floor(high + ROUNDING), high),
    )


Found = tuple[NaiveAnswer, dict[Any, float] | None]
"""An answer without its plan, and the variables of the constrained model."""


def _by_bqm(name: str, cqm: Any, asked: Mapping[str, Any], seed: int, deadline: float) -> Found:
    """Convert by dimod, sample, and take the read of least energy."""
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "For constraints with fractional coefficients")
        warnings.filterwarnings("ignore", "Did not add constraint")  # one that always holds
        bqm, invert = dimod.cqm_to_bqm(cqm)
    labels = list(bqm.variables)
    bqm.relabel_variables(  # type: ignore[no-untyped-call]
        {label: i for i, label in enumerate(labels)}
    )
    converted = time.perf_counter()
    reads = _reads(_sampler(name), bqm, asked, seed, deadline)
    best = min(reads, key=lambda read: read.energy)
    sample = invert({label: int(best.sample[i]) for i, label in enumerate(labels)})
    done = time.perf_counter()
    broken = list(cqm.iter_violations(sample, skip_satisfied=True))
    answer = NaiveAnswer(
        feasible=not broken,
        cost=float(cqm.objective.energy(sample)),
        termination=f"{len(reads)} of {asked['reads']} reads",
        seconds={"convert_s": converted - begun, "search_s": done - converted},
        versions=_versions("dimod", "openjij" if name.startswith("openjij") else "dwave-neal"),
        details={
            "bits": bqm.num_variables,
            "couplings": bqm.num_interactions,
            "raw_energy": float(best.energy),
            "rows": len(cqm.constraints),
            "rows_broken": len(broken),
        },
    )
    return answer, dict(sample)


def _sampler(name: str) -> Any:
    if name == "dimod-neal":
        return neal.SimulatedAnnealingSampler()
    try:
        import openjij
    except ModuleNotFoundError as fault:
        raise NotInstalledError(f"the peer {name}", "openjij") from fault
    return openjij.SASampler() if name == "openjij-sa" else openjij.SQASampler()


def _reads(
    sampler: Any, bqm: Any, asked: Mapping[str, Any], seed: int, deadline: float
) -> list[Any]:
    """Return the reads that the time allows, at least one; each has a seed of its own."""
    reads: list[Any] = []
    while len(reads) < asked["reads"] and (not reads or time.perf_counter() < deadline):
        own = (seed * asked["reads"] + len(reads)) % 2**31
        found = sampler.sample(bqm, num_reads=1, num_sweeps=asked["sweeps"], seed=own)
        reads.append(found.first)
    return reads


def _by_qiskit(
    name: str,
    cqm: Any,
    asked: Mapping[str, Any],
    seed: int,
    deadline: float,  # noqa: ARG001
) -> Found:
    """Convert and solve by qiskit-optimization, which says itself what it does not take."""
    from qiskit_optimization.algorithms import MinimumEigenOptimizer
    from qiskit_optimization.converters import QuadraticProgramToQubo
    from qiskit_optimization.utils import algorithm_globals

    begun = time.perf_counter()
    problem = quadratic_program(cqm)
    converter = QuadraticProgramToQubo()
    refusal = " ".join(converter.get_compatibility_msg(problem).split())
    versions = _versions("qiskit-optimization", "qiskit")
    if refusal:
        reason = f"QuadraticProgramToQubo: {refusal}"
        return NaiveAnswer(reason_not_applicable=reason, versions=versions), None
    qubits = converter.convert(problem).get_num_vars()
    if qubits > asked["max_qubits"]:
        reason = (
            f"QuadraticProgramToQubo makes {qubits} bits of {problem.get_num_vars()} variables: a "
            f"state vector of 2^{qubits} amplitudes, beyond max_qubits = {asked['max_qubits']}"
        )
        return NaiveAnswer(reason_not_applicable=reason, versions=versions), None
    converted = time.perf_counter()
    algorithm_globals.random_seed = seed
    with warnings.catch_warnings():
        # classes that the archived package builds its circuits from
        warnings.filterwarnings(
            "ignore", r"The class ``qiskit\.circuit\.library", DeprecationWarning
        )
        found = MinimumEigenOptimizer(_eigensolver(name, asked, seed)).solve(problem)
    answer = NaiveAnswer(
        feasible=found.status.name == "SUCCESS",
        cost=found.fval,
        termination=found.status.name,
        seconds={"convert_s": converted - begun, "search_s": time.perf_counter() - converted},
        versions=versions,
        details={"bits": qubits},
    )
    return answer, dict(zip(cqm.variables, np.asarray(found.x).tolist(), strict=True))


def quadratic_program(cqm: Any) -> Any:
    """Return a constrained model of whole variables as a `QuadraticProgram`, names numbered."""
    from qiskit_optimization import QuadraticProgram

    problem: Any = QuadraticProgram("unit commitment")
    names = {label: f"x{i}" for i, label in enumerate(cqm.variables)}
    for label, name in names.items():
        if cqm.vartype(label) is dimod.BINARY:
            problem.binary_var(name)
        else:
            problem.integer_var(int(cqm.lower_bound(label)), int(cqm.upper_bound(label)), name)
    objective = cqm.objective
    problem.minimize(
        objective.offset,
        {names[label]: value for label, value in objective.linear.items()},
        {(names[a], names[b]): value for (a, b), value in objective.quadratic.items()},
    )
    for i, row in enumerate(cqm.constraints.values()):
        terms = {names[label]: value for label, value in row.lhs.linear.items()}
        problem.linear_constraint(terms, row.sense.value, row.rhs - row.lhs.offset, f"r{i}")
    return problem


def _eigensolver(name: str, asked: Mapping[str, Any], seed: int) -> Any:
    from qiskit.primitives import StatevectorSampler
    from qiskit_optimization.minimum_eigensolvers import QAOA, NumPyMinimumEigensolver
    from qiskit_optimization.optimizers import COBYLA

    if name == "qiskit-numpy":
        return NumPyMinimumEigensolver()
    optimizer = COBYLA(maxiter=asked["iterations"])
    return QAOA(StatevectorSampler(seed=seed), optimizer, reps=asked["layers"])


def _checked(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return all options of a peer, those given checked."""
    defaults = DEFAULTS[name]
    for option, value in options.items():
        kinds = (int, float) if option == "step_mw" else (int,)
        if not isinstance(value, kinds) or isinstance(value, bool) or not value > 0:
            raise OptionError(name, option, value, "a number above 0")
    return {**defaults, **options}


def _versions(*packages: str) -> dict[str, str]:
    return {package: version(package) for package in packages}
