"""The command that places batteries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from gridopt.commands import (
    FEASIBLE,
    NO_ANSWER,
    Method,
    bad_input_is_told,
    chosen_solver,
    every,
    figure,
    progress_line,
    show_table,
    verified_rows,
)
from gridopt.formulations.battery_placement import BatteryPlacement
from gridopt.io.cases import load_case
from gridopt.outputs import Format, check_folder
from gridopt.pages.repeating import Name, Origin, made_by
from gridopt.placement_outputs import write_placing
from gridopt.placing import Placing, place
from gridopt.registry import option_names, solver_class
from gridopt.siting import with_sites
from gridopt.study import Study


@dataclass(frozen=True)
class PlacementRequest:
    """What was typed: a case, its sites and how to solve it; see `gridopt.cli`."""

    case: str
    system: Mapping[str, Any]
    candidates: Path | None
    modules: tuple[str, ...]
    sites: Mapping[str, Any]
    network: Literal["auto", "copperplate", "dc", "radial"]
    security: Literal["none", "n-1"]
    method: Method
    out: Path | None
    form: Format
    json: bool
    command: str

    @property
    def origin(self) -> Origin:
        """What was typed, and Python that makes the study."""
        read = made_by(load_case, self.case, **self.system)
        given = {"candidates": self.candidates, "modules": self.modules or None, **self.sites}
        sited = made_by(with_sites, Name("study"), **given)
        return Origin(self.command, f"{read}\n{sited}")


@bad_input_is_told
def solve_battery_placement(request: PlacementRequest) -> int:
    """Place, verify, show and write; return the exit code."""
    solver, formulation, study, _ = every(
        lambda: chosen_solver(_with_form(request.method)),
        lambda: BatteryPlacement(request.network, request.security),
        lambda: _study(request),
        lambda: None if request.out is None else check_folder(request.out),
    )
    with progress_line() as progress:
        placing = place(study, solver, formulation, progress=progress)
    if request.out is not None:
        write_placing(placing, request.out, request.form, request.origin)
    if request.json:
        print(json.dumps(placing.summary(), indent=2, allow_nan=False))
    else:
        notes = placing.run.summary()["assumptions"]
        show_table(f"Battery placement of {study.name}", _rows(placing), notes, request.out)
    return FEASIBLE if placing.is_feasible else NO_ANSWER


def _with_form(method: Method) -> Method:
    """Let samplers choose among modules alone, unless the user says otherwise."""
    if "form" not in option_names(solver_class(method.solver)):
        return method
    if any(option.startswith("form=") for option in method.options):
        return method
    return replace(method, options=("form=compact", *method.options))


def _study(request: PlacementRequest) -> Study:
    study = load_case(request.case, **request.system)
    return with_sites(study, request.candidates, request.modules or None, **request.sites)


def _rows(placing: Placing) -> Iterator[tuple[str, str]]:
    run, before, after = placing.run, placing.before, placing.after
    sites = run.study.sites
    yield (
        "size",
        f"{len(sites)} candidates, {run.study.n_periods} periods of {run.study.period_h:g} h",
    )
    yield "solver", f"{run.summary()['solver']}: {run.termination}"
    verdict = "no, AC power flow breaks a limit or diverges" if run.is_feasible else "no"
    yield "feasible", "yes, verified" if placing.is_feasible else verdict
    if after is not None:
        for row in after.placement.table().itertuples():
            size = f"{row.power_mw:g} MW, {row.energy_mwh:g} MWh"
            yield str(row.bus), f"{row.modules} × {row.module}: {size}"
    yield "cost", figure(run.cost, ",.2f")
    yield "bound", figure(run.bound, ",.2f")
    yield "gap", figure(run.gap, ".4%")
    yield from verified_rows(run.verification)
    if before is not None:
        yield "cost without batteries", f"{before.verification.total_cost:,.2f}"
    for control in placing.controls:
        yield f"  {control.name}", f"{figure(control.cost, ',.2f')}, {control.modules} modules"
    if after is not None and after.flows:
        if run.study.feeder is not None:
            yield "cost by AC power flow", f"{after.verification.total_cost:,.2f}"
        for name, checked in (("without", before), ("with", after)):
            if checked is not None:
                yield f"AC {name} batteries", _flow_text(checked.flows)
    yield "rounds", str(placing.rounds)
    yield "seconds", f"{run.build_s:.2f} to build, {run.solve_s:.2f} to solve, the last round"


def _flow_text(flows: tuple[Any, ...]) -> str:
    found = [flow.summary() for flow in flows]
    periods, converged = (sum(part[name] for part in found) for name in ("periods", "converged"))
    lows = [part["min_vm_pu"] for part in found if part["min_vm_pu"] is not None]
    highs = [part["max_vm_pu"] for part in found if part["max_vm_pu"] is not None]
    loads = [part["max_loading_percent"] for part in found if part["max_loading_percent"]]
    text = f"{converged} of {periods} periods converge"
    if lows:
        text += f", {min(lows):.4f} to {max(highs):.4f} pu"
    return text + (f", loading {max(loads):.1f} % at most" if loads else "")
