"""From a study to a verified plan in one call, and the record of how it was found."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from gridopt.display import card, number
from gridopt.errors import GridoptError
from gridopt.formulation import Formulation
from gridopt.placement import Outcome
from gridopt.registry import formulation_class, make, option_names, solver_class
from gridopt.results import Schedule
from gridopt.solution import Missing, Solution, Termination, relative_gap
from gridopt.solver import ProgressCallback, Solver
from gridopt.study import Study
from gridopt.verification import Verification, verify

COST_TOLERANCE = 1e-6
"""Largest relative difference of a program's objective and the cost recomputed from the study."""

SHOWN = 3
"""Broken rules that a notebook shows of a run."""

IN_MW_BY_PERIOD = ("balance", "reserve")
"""Blocks of rows in MW with the period as last axis."""


@dataclass(frozen=True, eq=False)
class Run:
    """A solved study: the plan, what it is worth, and everything to repeat it.

    Parameters
    ----------
    study : Study
    formulation : Formulation
    solver : Solver
    solution : Solution
        The solver's answer, judged on the program.
    plan : Schedule, ScenarioSchedules, Placement or None
        What was decoded; None where the solver found no answer.
    verification : Verification or None
        The plan, judged on the study alone.
    build_s, solve_s : float
        Seconds to write the program, and to solve it.
    peak_rss_mb : float
        Highest memory of the process so far.
    versions : mapping of str to str
    """

    study: Study
    formulation: Formulation
    solver: Solver
    solution: Solution
    plan: Outcome | None
    verification: Verification | None
    build_s: float
    solve_s: float
    peak_rss_mb: float
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def schedule(self) -> Schedule | None:
        """The plan, if it is one schedule; None where scenarios have a schedule each."""
        return self.plan if isinstance(self.plan, Schedule) else None

    @property
    def termination(self) -> Termination:
        """Why the solver stopped."""
        return self.solution.termination

    @property
    def is_feasible(self) -> bool:
        """Whether there is a plan and it breaks no rule of the study."""
        return self.verification is not None and self.verification.is_feasible

    @property
    def cost(self) -> float:
        """Cost recomputed from the study, penalties included; inf unless feasible."""
        if self.verification is None or not self.is_feasible:
            return float("inf")
        return self.verification.total_cost

    @property
    def bound(self) -> float:
        """Proved lower bound on the cost of every plan, or -inf."""
        return self.solution.bound

    @property
    def gap(self) -> float:
        """(cost − bound) / |cost|, the certified gap; inf where either is missing."""
        return relative_gap(self.cost, self.bound)

    @property
    def missing(self) -> tuple[str, ...]:
        """What the nearest decisions lack, by period, where nothing is feasible and it is known."""
        return tuple(_told(missing, self.study) for missing in self.solution.missing)

    @property
    def verdict(self) -> str:
        """In a sentence, whether there is a plan that breaks no rule."""
        if self.is_feasible:
            return "Feasible: verified rule by rule, from the study alone."
        none = "it is proved that there is none"
        is_proved = self.termination is Termination.INFEASIBLE
        if self.verification is not None:
            times = f"{len(self.verification.violations):,}"
            more = f", and {none} that breaks no rule" if is_proved else ""
            return f"Not feasible: this plan breaks rules {times} times{more}."
        return f"No plan: {none if is_proved else f'none was found ({self.termination})'}."

    def plot(self) -> Any:
        """Draw the plan: dispatch, or for a placement the net with its batteries.

        Raises
        ------
        GridoptError
            Where there is no plan.
        """
        if self.plan is None:
            raise GridoptError(f"nothing to draw. {self.verdict}")
        return self.plan.plot()

    def _repr_html_(self) -> str:
        source = self.solution.bound_source if np.isfinite(self.bound) else ""
        rows = {
            "problem": f"{public_name(self.formulation)} of {self.study.name}",
            "solver": f"{public_name(self.solver)}: {self.termination}",
            "cost": number(self.cost, ",.2f"),
            "proved bound": number(self.bound, ",.2f") + (f" ({source})" if source else ""),
            "certified gap": number(self.gap, ".4%"),
            "seconds": f"{self.build_s:.2f} to build, {self.solve_s:.2f} to solve",
        }
        found = self.verification.violations if self.verification else ()
        broken = [("broken", str(violation)) for violation in found[:SHOWN]]
        return card(self.verdict, [*rows.items(), *broken])

    def summary(self) -> dict[str, Any]:
        """Return the record as plain JSON values; what is missing or infinite is None."""
        found = self.verification
        record: dict[str, Any] = {
            "case": self.study.name,
            "fingerprint": self.study.fingerprint(),
            "periods": self.study.n_periods,
            "period_h": self.study.period_h,
            "formulation": public_name(self.formulation),
            "formulation_options": options_of(self.formulation),
            "solver": public_name(self.solver),
            "solver_options": options_of(self.solver),
            "seed": getattr(self.solver, "seed", None),
            "termination": str(self.termination),
            "feasible": self.is_feasible,
            "cost": self.cost,
            "cost_items": {**found.cost, **found.penalty} if found else {},
            "energy_mwh": dict(found.energy_mwh) if found else {},
            "bound": self.bound,
            "bound_source": self.solution.bound_source,
            "gap": self.gap,
            "violations": found.counts() if found else {},
            "worst_violations": [str(violation) for violation in found.violations[:10]]
            if found
            else [],
            "missing": list(self.missing),
            "details": dict(self.solution.details),
            "trace": [step._asdict() for step in self.solution.trace],
            "assumptions": [*self.study.assumptions, *self.formulation.notes(self.study)],
            "build_s": self.build_s,
            "solve_s": self.solve_s,
            "peak_rss_mb": self.peak_rss_mb,
            "versions": dict(self.versions),
        }
        return {key: plain(value) for key, value in record.items()}


def solve(
    study: Study,
    formulation: Formulation | str = "unit_commitment",
    solver: Solver | str = "highs",
    *,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Run:
    """Solve a study and verify the answer.

    Parameters
    ----------
    study : Study
    formulation, solver : object or str
        An object, or a public name.
    progress : callable, optional
        Called with a `Progress` now and then.
    **options
        With names only: fields of the formulation or of the solver, such as ``network="dc"``,
        ``seed=1``, ``time_limit_s=60``.

    Returns
    -------
    Run

    Raises
    ------
    UnknownNameError, OptionError, StudyError, TooLargeError, UnsupportedError, NotInstalledError
        Before any solver starts.

    Examples
    --------
    >>> import gridopt
    >>> run = gridopt.solve(gridopt.kazarlis(), "unit_commitment", "highs", gap=1e-4)
    >>> run.is_feasible
    True
    """
    problem, method = resolve(formulation, solver, options)
    begun = time.perf_counter()
    program = problem.build(study)
    built = time.perf_counter()
    solution = method.solve(program, progress)
    solved = time.perf_counter()
    plan = None if solution.x is None else problem.decode(study, program, solution.x)
    verification = None if plan is None else verify(study, plan)
    _check_agreement(solution, verification)
    return Run(
        study=study,
        formulation=problem,
        solver=method,
        solution=solution,
        plan=plan,
        verification=verification,
        build_s=built - begun,
        solve_s=solved - built,
        peak_rss_mb=peak_rss_mb(),
        versions=versions(_packages(method)),
    )


def peak_rss_mb() -> float:
    """Return the highest resident memory of this process so far."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@cache
def versions(package: str) -> dict[str, str]:
    """Return the versions that a run depends on: Python, gridopt, numpy, scipy, the solver's."""
    names = ("gridopt", "numpy", "scipy", "highspy", *package.split())
    found = {name: version(name) for name in dict.fromkeys(names)}
    return {"python": platform.python_version(), **found}


def _packages(solver: Solver) -> str:
    """Return the packages that a solver, and a solver in it, depends on."""
    parts = (getattr(solver, item.name) for item in fields(solver))  # type: ignore[arg-type]
    held = [type(part).package for part in parts if isinstance(part, Solver)]
    return " ".join([type(solver).package, *held])


def resolve(
    formulation: Formulation | str, solver: Solver | str, options: Mapping[str, Any]
) -> tuple[Formulation, Solver]:
    """Construct what was named, each with the options that it has."""
    mine: dict[str, Any] = {}
    if isinstance(formulation, str):
        problem = formulation_class(formulation)
        mine = {key: value for key, value in options.items() if key in option_names(problem)}
        formulation = make(problem, formulation, mine)
    rest = {key: value for key, value in options.items() if key not in mine}
    if isinstance(solver, str):
        return formulation, make(solver_class(solver), solver, rest)
    if rest:
        raise TypeError(f"options {sorted(rest)} belong into the solver object that was given")
    return formulation, solver


def _check_agreement(solution: Solution, verification: Verification | None) -> None:
    """Stop where program and study price the same feasible plan differently: a bug of ours."""
    if verification is None or not (solution.is_feasible and verification.is_feasible):
        return
    difference = abs(solution.objective - verification.total_cost)
    if difference > COST_TOLERANCE * max(abs(verification.total_cost), 1.0):
        raise AssertionError(
            f"the program prices the plan at {solution.objective}, "
            f"the study at {verification.total_cost}"
        )


def _told(missing: Missing, study: Study) -> str:
    """Return what is missing in words."""
    name, place, amount = missing
    words = f"{'short by' if amount > 0.0 else 'too high by'} {abs(amount):.6g}"
    if name not in IN_MW_BY_PERIOD:
        return f"{name}{list(place) or ''}: {words}"
    which = "".join(f" {number}" for number in place[:-1])
    return f"{name}{which} at {study.time[place[-1]]}: {words} MW"


def public_name(thing: object) -> str:
    """Return the public name of a solver or formulation: that of its file."""
    return type(thing).__module__.rpartition(".")[2]


def options_of(thing: Any) -> dict[str, Any]:
    """Return the options of a solver or formulation as plain JSON values; a solver has its name."""
    options: dict[str, Any] = {}
    for item in fields(thing):
        part = getattr(thing, item.name)
        if isinstance(part, Solver):
            options[item.name] = {"solver": public_name(part), **options_of(part)}
        elif item.repr:  # what is too large to be shown is no option of a record
            options[item.name] = plain(part)
    return options


def plain(value: Any) -> Any:
    """Return JSON values: no numpy, no inf, no NaN, and options in place of their owner."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
