"""What the command line does: each command is one function that returns its exit code."""

from __future__ import annotations

import json
import sys
from ast import literal_eval
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, cast

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table

from gridopt.errors import GridoptError, NotInstalledError, OptionError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.io.cases import load_case
from gridopt.outputs import Format, check_folder, write_run, write_simulation
from gridopt.pages.repeating import Origin, made_by
from gridopt.program_files import check_program_file, write_program
from gridopt.registry import make, option_names, own_option_names, solver_class, solver_names
from gridopt.running import Run, solve
from gridopt.simulation import Day, Simulation, simulate
from gridopt.solver import Progress, ProgressCallback, Solver
from gridopt.study import Study
from gridopt.verification import Verification

FEASIBLE, BAD_INPUT, NO_ANSWER = 0, 2, 3
"""Exit codes."""

NAMED = 10
"""Lines that are shown of what is missing or violated."""

P = ParamSpec("P")


@dataclass(frozen=True)
class Method:
    """What was typed of the solver."""

    solver: str
    sampler: str | None
    time_limit_s: float | None
    gap: float | None
    seed: int
    resolution: float | None
    options: tuple[str, ...]


@dataclass(frozen=True)
class UnitCommitmentRequest:
    """What was typed: a case and how to solve it; see `gridopt.cli`."""

    case: str
    profiles: Path | None
    units: str | None
    hours: float | None
    start: int
    period_h: float | None
    tz: str | None
    network: Literal["copperplate", "dc"]
    security: Literal["none", "n-1"]
    reserve: float | None
    unserved_cost: float | None
    surplus_cost: float | None
    method: Method
    out: Path | None
    form: Format
    json: bool
    command: str

    @property
    def system(self) -> dict[str, Any]:
        """What `load_case` is given beside the case."""
        return {
            "profiles": self.profiles,
            "units": self.units,
            "hours": self.hours,
            "start": self.start,
            "period_h": self.period_h,
            "tz": self.tz,
            "reserve_fraction": self.reserve,
            "unserved_cost_per_mwh": self.unserved_cost,
            "surplus_cost_per_mwh": self.surplus_cost,
        }

    @property
    def origin(self) -> Origin:
        """What was typed, and Python that makes the study."""
        return Origin(self.command, made_by(load_case, self.case, **self.system))


def bad_input_is_told(command: Callable[P, int]) -> Callable[P, int]:
    """Turn our own exceptions into a message on standard error and exit code 2."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> int:
        code = BAD_INPUT
        try:
            code = command(*args, **kwargs)
        except* GridoptError as faults:
            for fault in faults.exceptions:
                print(f"error: {fault}", file=sys.stderr)
        return code

    return told


def every(*makers: Callable[[], Any]) -> list[Any]:
    """Return what each maker returns; where some raise exceptions of ours, raise all of them."""
    made: list[Any] = []
    faults: list[GridoptError] = []
    for maker in makers:
        try:
            made.append(maker())
        except* GridoptError as found:
            faults += cast("tuple[GridoptError, ...]", found.exceptions)
    if faults:
        raise ExceptionGroup("bad input", faults)
    return made


@bad_input_is_told
def solve_unit_commitment(request: UnitCommitmentRequest, program_file: Path | None) -> int:
    """Solve, verify, show and write; return the exit code."""
    solver, study, _, _ = every(
        lambda: chosen_solver(request.method),
        lambda: _study(request),
        lambda: _check_out(request),
        lambda: _check_program_file(program_file),
    )
    formulation = UnitCommitment(request.network, request.security)
    if program_file is not None:
        write_program(formulation.build(study), program_file)
    with progress_line() as progress:
        run = solve(study, formulation, solver, progress=progress)
    if request.out is not None:
        write_run(run, request.out, request.form, request.origin)
    if request.json:
        print(json.dumps(run.summary(), indent=2, allow_nan=False))
    else:
        notes = run.summary()["assumptions"]
        show_table(f"Unit commitment of {study.name}", _rows(run), notes, request.out)
    return FEASIBLE if run.is_feasible else NO_ANSWER


@bad_input_is_told
def simulate_days(request: UnitCommitmentRequest, out: Path, days: int, look_ahead_h: float) -> int:
    """Plan day by day, write each, show all; return the exit code."""
    solver, study, _ = every(
        lambda: chosen_solver(request.method),
        lambda: _study(request),
        lambda: check_folder(out),
    )
    with day_bar(days) as progress:
        done = simulate(
            study,
            days,
            look_ahead_h,
            solver,
            UnitCommitment(request.network, request.security),
            out=out,
            progress=progress,
        )
    write_simulation(done, out, request.form, request.origin)
    if request.json:
        print(json.dumps(done.summary(), indent=2, allow_nan=False))
    else:
        notes = done.summary()["assumptions"]
        show_table(f"{done.n_days} days of {study.name}", _simulation_rows(done), notes, out)
    return FEASIBLE if done.is_feasible else NO_ANSWER


def _check_program_file(path: Path | None) -> None:
    if path is not None:
        check_program_file(path)
        check_folder(path.parent)


def _check_out(request: UnitCommitmentRequest) -> None:
    if request.out is not None:
        check_folder(request.out)


def _study(request: UnitCommitmentRequest) -> Study:
    return load_case(request.case, **request.system)


@bad_input_is_told
def demo(out: Path) -> int:
    """Run the main job; return the exit code."""
    from gridopt.demo import run_demo  # pandapower's power flow takes seconds to import

    return FEASIBLE if run_demo(out, Console(), progress_line) else NO_ANSWER


@bad_input_is_told
def list_solvers(as_json: bool) -> int:
    """Print what each solver is and whether it is installed; return the exit code."""
    rows = [_solver_row(name) for name in solver_names()]
    if as_json:
        print(json.dumps(rows, indent=2))
        return FEASIBLE
    table = Table(title="Solvers")
    for heading in rows[0]:
        table.add_column(heading, overflow="fold")  # names are to be typed: none is cut
    for row in rows:
        table.add_row(*map(str, row.values()))
    shared = option_names(solver_class("exact")) - own_option_names(solver_class("exact"))
    console = Console()
    console.print(table)
    console.print(f"Every solver of QUBOs also has: {', '.join(sorted(shared))}", highlight=False)
    return FEASIBLE


def _solver_row(name: str) -> dict[str, str]:
    try:
        kind = solver_class(name)
    except NotInstalledError as fault:
        return {"solver": name, "installed": "no", "kind": "", "limits": str(fault), "options": ""}
    options = ", ".join(sorted(own_option_names(kind)))
    return {
        "solver": name,
        "installed": "yes",
        "kind": kind.kind,
        "limits": kind.limits,
        "options": options,
    }


def chosen_solver(method: Method) -> Solver:
    """Construct the solver; common options that it does not have are said to be left out."""
    kind = solver_class(method.solver)
    has = option_names(kind)
    common = {
        "time_limit_s": method.time_limit_s,
        "gap": method.gap,
        "seed": method.seed,
        "resolution": method.resolution,
    }
    given = {key: value for key, value in common.items() if value is not None}
    for key in [key for key in given if key not in has]:
        if key != "seed":
            print(f"note: {method.solver} has no option {key}; left out", file=sys.stderr)
        del given[key]

    sampler = {} if method.sampler is None else {"sampler": method.sampler}
    make(kind, method.solver, sampler)

    def checked(option: str | tuple[str, Any]) -> tuple[str, Any]:
        name, value = _name_and_value(option) if isinstance(option, str) else option
        make(kind, method.solver, {**sampler, name: value})
        return name, value

    typed: list[str | tuple[str, Any]] = [*sampler.items(), *given.items(), *method.options]
    options = every(*(partial(checked, option) for option in typed))
    return make(kind, method.solver, dict(options))


def _name_and_value(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE: a Python literal (1, 0.5, None), true or false in any case, or a text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise OptionError("command line", "--option", text, "NAME=VALUE")
    value = value.title() if value.lower() in {"true", "false"} else value
    try:
        return name, literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


@contextmanager
def progress_line() -> Iterator[ProgressCallback | None]:
    """Show cost, bound and gap as they move: on a terminal only, on standard error."""
    if not sys.stderr.isatty():  # rich would take FORCE_COLOR for a terminal
        yield None
        return
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("solving")

        def show(report: Progress) -> None:
            cost, bound = figure(report.objective, ",.0f"), figure(report.bound, ",.0f")
            text = f"{report.stage}  cost {cost}  bound {bound}"
            bar.update(task, description=text)

        yield show


@contextmanager
def day_bar(n_days: int) -> Iterator[Callable[[Day], None] | None]:
    """Show how many days are planned, and how long the rest will take: on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    console = Console(stderr=True)
    columns = BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Bar(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(f"day 1 of {n_days}", total=n_days)

        def show(day: Day) -> None:
            text = f"{day.number} of {n_days} days  cost {day.cost:,.0f}  gap {day.gap:.2%}"
            bar.update(task, completed=day.number, description=text)

        yield show


def show_table(
    title: str, rows: Iterable[tuple[str, str]], assumptions: Iterable[str], out: Path | None
) -> None:
    """Print results, what was assumed, and where it is written."""
    console = Console(markup=False, emoji=False)  # names are shown as they are
    table = Table(show_header=False, title=title)
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
    for assumption in assumptions:
        console.print(f"assumed: {assumption}", highlight=False)
    if out is not None:
        console.print(f"written to {out}", highlight=False)


def _simulation_rows(done: Simulation) -> Iterator[tuple[str, str]]:
    record = done.summary()
    yield "days", f"{len(done.days)} of {done.n_days}, each with {done.look_ahead_h:g} h ahead"
    if done.stopped:
        yield "stopped", done.stopped
    yield "solver", record["solver"]
    yield "feasible", "yes, verified as one plan" if done.is_feasible else "no"
    yield "cost", figure(record["cost_planned"], ",.2f")
    gaps = [day.gap for day in done.days]
    if gaps:
        mean, worst = float(np.mean(gaps)), max(gaps)
        yield "gap", f"{figure(mean, '.4%')} in the mean, {figure(worst, '.4%')} at most"
    yield from verified_rows(done.verification)
    yield "seconds", f"{record['seconds']:.1f}"


def _rows(run: Run) -> Iterator[tuple[str, str]]:
    study = run.study
    yield "size", f"{len(study.thermal)} units, {study.n_periods} periods of {study.period_h:g} h"
    yield "solver", f"{run.summary()['solver']}: {run.termination}"
    yield "feasible", "yes, verified" if run.is_feasible else "no"
    yield "cost", figure(run.cost, ",.2f")
    source = run.solution.bound_source
    yield "bound", figure(run.bound, ",.2f") + (f" ({source})" if source else "")
    yield "gap", figure(run.gap, ".4%")
    for line in run.missing[:NAMED]:
        yield "missing", line
    if len(run.missing) > NAMED:
        yield "missing", f"and {len(run.missing) - NAMED} more, see summary.json"
    yield from verified_rows(run.verification)
    for name, value in run.solution.details.items():
        yield f"  {name}", figure(value, ".6g") if isinstance(value, float) else str(value)
    yield "seconds", f"{run.build_s:.2f} to build, {run.solve_s:.2f} to solve"


def verified_rows(found: Verification | None) -> Iterator[tuple[str, str]]:
    """Yield costs by item and the first violations."""
    if found is not None:
        for name, amount in {**found.cost, **found.penalty}.items():
            if amount:
                yield f"  {name}", f"{amount:,.2f}"
        for violation in found.violations[:NAMED]:
            yield "violated", str(violation)


def figure(value: float, form: str) -> str:
    """Return a number as text, "none" where there is none."""
    return format(value, form) if np.isfinite(value) else "none"
