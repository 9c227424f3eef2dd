"""The command line: what may be typed. The work is in `gridopt.commands`.

Only the parser is imported here, so that ``gridopt --help`` answers at once.
"""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

app = typer.Typer(
    help="Unit commitment and battery placement on real grids by MILP, annealing and QAOA; every "
    "answer is verified.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
solve_app = typer.Typer(help="Solve a problem on a grid.", no_args_is_help=True)
app.add_typer(solve_app, name="solve")
bench_app = typer.Typer(help="Repeat, extend and report comparisons.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")


class Network(StrEnum):
    """Network models."""

    COPPERPLATE = "copperplate"
    DC = "dc"


class PlacementNetwork(StrEnum):
    """Network models of battery placement."""

    AUTO = "auto"
    COPPERPLATE = "copperplate"
    DC = "dc"
    RADIAL = "radial"


class Operation(StrEnum):
    """How batteries run."""

    OPTIMIZED = "optimized"
    PROFILE = "profile"


class Security(StrEnum):
    """Outages that a plan must stand."""

    NONE = "none"
    ANY_ONE = "n-1"


class Form(StrEnum):
    """File formats of a schedule."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


Case = Annotated[
    str,
    typer.Argument(
        help="rts79, kazarlis10, kazarlis10x2 … kazarlis10x10; the name of a "
        "pandapower.networks function; simbench:CODE; or a path: a net (.json, .m), or an instance "
        "of pglib-uc, UnitCommitment.jl (.json, .json.gz) or RTS-GMLC (folder)."
    ),
]
Profiles = Annotated[
    Path | None, typer.Option(help="Load profiles, CSV or Parquet.", show_default=False)
]
Units = Annotated[
    str | None,
    typer.Option(
        help="Table of unit parameters, CSV; or 'typical' to fill gaps from a technology table.",
        show_default=False,
    ),
]
Start = Annotated[int, typer.Option(help="First period of the profile, from 0.")]
PeriodH = Annotated[
    float | None, typer.Option(help="Period length of a profile by period numbers.")
]
Zone = Annotated[str | None, typer.Option(help="Time zone of a profile without one.")]
NetworkModel = Annotated[Network, typer.Option(help="Network model.")]
SecurityLevel = Annotated[
    Security, typer.Option(help="Outages of branches to stand, with the network dc.")
]
Reserve = Annotated[float | None, typer.Option(help="Spinning reserve as a share of demand.")]
UnservedCost = Annotated[
    float | None, typer.Option(help="Allow unserved energy at this price per MWh.")
]
SurplusCost = Annotated[
    float | None, typer.Option(help="Allow surplus energy at this price per MWh.")
]
SamplerName = Annotated[
    str | None,
    typer.Option(help="With --solver decomposition: which solver of QUBOs samples its cores."),
]
SolverName = Annotated[str, typer.Option(help="A name that `gridopt solvers` lists.")]
TimeLimit = Annotated[float | None, typer.Option(help="Seconds.")]
Gap = Annotated[float | None, typer.Option(help="Relative gap at which to stop.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Resolution = Annotated[
    float | None,
    typer.Option(help="MW step of a QUBO; without it one is chosen and data are rounded."),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", help="Any other option of the solver, NAME=VALUE."),
]
ScheduleForm = Annotated[Form, typer.Option("--format", help="File format of the schedule.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the summary as JSON, and nothing else.")
]


@solve_app.command("unit-commitment")
def solve_unit_commitment(
    case: Case,
    profiles: Profiles = None,
    units: Units = None,
    hours: Annotated[
        float | None, typer.Option(help="Length of the plan; all of a given profile, else 24.")
    ] = None,
    start: Start = 0,
    period_h: PeriodH = None,
    tz: Zone = None,
    network: NetworkModel = Network.COPPERPLATE,
    security: SecurityLevel = Security.NONE,
    reserve: Reserve = None,
    unserved_cost: UnservedCost = None,
    surplus_cost: SurplusCost = None,
    solver: SolverName = "highs",
    sampler: SamplerName = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    seed: Seed = 0,
    resolution: Resolution = None,
    option: Options = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and figures.")] = None,
    form: ScheduleForm = Form.CSV,
    write_program: Annotated[
        Path | None,
        typer.Option(help="Write the program into this file, .lp or .mps, before solving."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Find which units run when, at least cost.

    Exit codes: 0 feasible answer, 2 bad input or usage, 3 no feasible answer.
    """
    from gridopt import commands

    request = commands.UnitCommitmentRequest(
        case=case,
        profiles=profiles,
        units=units,
        hours=hours,
        start=start,
        period_h=period_h,
        tz=tz,
        network=network.value,
        security=security.value,
        reserve=reserve,
        unserved_cost=unserved_cost,
        surplus_cost=surplus_cost,
        method=commands.Method(
            solver=solver,
            sampler=sampler,
            time_limit_s=time_limit,
            gap=gap,
            seed=seed,
            resolution=resolution,
            options=tuple(option or ()),
        ),
        out=out,
        form=form.value,
        json=json,
        command=_typed(),
    )
    sys.exit(commands.solve_unit_commitment(request, write_program))


@solve_app.command("battery-placement")
def solve_battery_placement(
    case: Case,
    profiles: Profiles = None,
    candidates: Annotated[
        Path | None,
        typer.Option(help="Candidate buses: CSV with a column bus; every bus without it."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="How many sites get a battery; any number without it.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Most that all batteries together may cost to buy.")
    ] = None,
    module: Annotated[
        list[str] | None,
        typer.Option(help="A kind of battery of the catalogue; may be given several times."),
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="Table of battery modules, CSV; else the shipped one.")
    ] = None,
    modules_max: Annotated[int, typer.Option(help="Most modules at a site.")] = 1,
    modules_min: Annotated[int, typer.Option(help="Fewest modules at a site with a battery.")] = 1,
    operation: Annotated[
        Operation, typer.Option(help="Whether batteries run as is best, or all by one profile.")
    ] = Operation.OPTIMIZED,
    battery_reserve: Annotated[
        bool, typer.Option("--battery-reserve", help="Let batteries hold spinning reserve.")
    ] = False,
    network: Annotated[
        PlacementNetwork,
        typer.Option(help="Network model; auto: radial where the net is, else dc where rated."),
    ] = PlacementNetwork.AUTO,
    security: SecurityLevel = Security.NONE,
    vm_min: Annotated[
        float | None, typer.Option(help="Lower end of the voltage band in pu, of all buses.")
    ] = None,
    vm_max: Annotated[
        float | None, typer.Option(help="Upper end of the voltage band in pu, of all buses.")
    ] = None,
    loss_cost: Annotated[
        float | None, typer.Option(help="Price of losses per MWh; that of energy without it.")
    ] = None,
    voltage_cost: Annotated[
        float | None,
        typer.Option(help="Price per pu and hour outside of the band; without it, a hard limit."),
    ] = None,
    overload_cost: Annotated[
        float | None, typer.Option(help="Price per MWh above a rating; without it, a hard limit.")
    ] = None,
    peak_cost: Annotated[
        float, typer.Option(help="Price per MW of the highest power from the reference bus.")
    ] = 0.0,
    units: Units = None,
    hours: Annotated[
        float | None, typer.Option(help="Length of the plan; all of a given profile, else 24.")
    ] = None,
    start: Start = 0,
    period_h: PeriodH = None,
    tz: Zone = None,
    reserve: Reserve = None,
    unserved_cost: UnservedCost = None,
    surplus_cost: SurplusCost = None,
    solver: SolverName = "highs",
    sampler: SamplerName = None,
    time_limit: TimeLimit = None,
    gap: Gap = None,
    seed: Seed = 0,
    resolution: Resolution = None,
    option: Options = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and figures.")] = None,
    form: ScheduleForm = Form.CSV,
    json: AsJson = False,
) -> None:
    """Find where batteries go, how many and how they run; checked by AC power flow.

    Exit codes: 0 feasible answer, 2 bad input or usage, 3 no feasible answer.
    """
    from gridopt import commands, placement_commands

    method = commands.Method(
        solver=solver,
        sampler=sampler,
        time_limit_s=time_limit,
        gap=gap,
        seed=seed,
        resolution=resolution,
        options=tuple(option or ()),
    )
    request = placement_commands.PlacementRequest(
        case=case,
        system={
            "profiles": profiles,
            "units": units,
            "hours": hours,
            "start": start,
            "period_h": period_h,
            "tz": tz,
            "reserve_fraction": reserve,
            "unserved_cost_per_mwh": unserved_cost,
            "surplus_cost_per_mwh": surplus_cost,
        },
        candidates=candidates,
        modules=tuple(module or ()),
        sites={
            "catalogue": catalogue,
            "count": count,
            "budget": budget,
            "modules_max": modules_max,
            "modules_min": modules_min,
            "operation": operation.value,
            "holds_reserve": battery_reserve,
            "vm_min_pu": vm_min,
            "vm_max_pu": vm_max,
            "loss_cost_per_mwh": loss_cost,
            "voltage_cost_per_pu_h": voltage_cost,
            "overload_cost_per_mwh": overload_cost,
            "peak_cost_per_mw": peak_cost,
        },
        network=network.value,
        security=security.value,
        method=method,
        out=out,
        form=form.value,
        json=json,
        command=_typed(),
    )
    sys.exit(placement_commands.solve_battery_placement(request))


@app.command()
def simulate(
    case: Case,
    days: Annotated[int, typer.Option(help="How many days to plan, one after the other.")],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the days, each written once planned, and the tables of all. What it "
            "holds of the same run is taken up."
        ),
    ],
    look_ahead_h: Annotated[
        float, typer.Option(help="Hours that each day sees beyond its own.")
    ] = (24.0),
    profiles: Profiles = None,
    units: Units = None,
    start: Start = 0,
    period_h: PeriodH = None,
    tz: Zone = None,
    network: NetworkModel = Network.COPPERPLATE,
    security: SecurityLevel = Security.NONE,
    reserve: Reserve = None,
    unserved_cost: UnservedCost = None,
    surplus_cost: SurplusCost = None,
    solver: SolverName = "highs",
    sampler: SamplerName = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for each day.")] = None,
    gap: Gap = None,
    seed: Seed = 0,
    resolution: Resolution = None,
    option: Options = None,
    form: ScheduleForm = Form.CSV,
    json: AsJson = False,
) -> None:
    """Plan a long horizon day by day, each day from the state that the one before leaves.

    Exit codes: 0 all days planned, 2 bad input or usage, 3 a day without a feasible answer, or
    interrupted.
    """
    from gridopt import commands

    request = commands.UnitCommitmentRequest(
        case=case,
        profiles=profiles,
        units=units,
        hours=24.0 * days,
        start=start,
        period_h=period_h,
        tz=tz,
        network=network.value,
        security=security.value,
        reserve=reserve,
        unserved_cost=unserved_cost,
        surplus_cost=surplus_cost,
        method=commands.Method(
            solver=solver,
            sampler=sampler,
            time_limit_s=time_limit,
            gap=gap,
            seed=seed,
            resolution=resolution,
            options=tuple(option or ()),
        ),
        out=out,
        form=form.value,
        json=json,
        command=_typed(),
    )
    sys.exit(commands.simulate_days(request, out, days, look_ahead_h))


@app.command()
def solvers(
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the solvers: what is installed, kind, limits, how to install the rest."""
    from gridopt import commands

    sys.exit(commands.list_solvers(json))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")] = Path("demo-out"),
) -> None:
    """Run the main job: a day of the IEEE RTS-79 grid by MILP, annealing and QAOA."""
    from gridopt import commands

    sys.exit(commands.demo(out))


Results = Annotated[Path, typer.Argument(help="Database of runs, as `bench run` writes it.")]


@bench_app.command("run")
def bench_run(
    spec: Annotated[
        str, typer.Argument(help="A suite that `gridopt bench suites` lists, or a .toml file.")
    ],
    store: Annotated[
        Path, typer.Option(help="Database of runs; what it holds of the suite is not done again.")
    ],
    cases: Annotated[
        Path | None,
        typer.Option(help="Folder of the files of cases; that of the .toml file without it."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Runs at a time on this machine.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Run on this Dask cluster: tcp://HOST:PORT.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only runs whose key begins so; several times.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Do runs again that failed before.")
    ] = False,
) -> None:
    """Run cases × formulations × solvers × seeds, each in a process of its own.

    Killed or interrupted, the same command goes on where it stopped. Exit codes: 0 done, 2 bad
    input or usage, or no room for more rows, 3 interrupted.
    """
    commands = _bench_commands()
    sys.exit(
        commands.run(
            spec,
            store,
            cases=cases,
            workers=workers,
            scheduler=scheduler,
            only=only or [],
            again=again,
        )
    )


@bench_app.command("report")
def bench_report(
    results: Results,
    out: Annotated[Path, typer.Option(help="The page, one file.")] = Path("report.html"),
    figures: Annotated[
        Path | None, typer.Option(help="Folder for figures (SVG, PNG) and tables (LaTeX).")
    ] = None,
) -> None:
    """Write a page that compares what was run, and warns where the comparison is unfair."""
    sys.exit(_bench_commands().report(results, out, figures))


@bench_app.command("table")
def bench_table(
    results: Results,
    columns: Annotated[str, typer.Option(help="Names of columns, with commas between.")] = (
        "case_name,solver,seed,status,feasible,cost,gap,wall_s"
    ),
    summary: Annotated[
        bool, typer.Option("--summary", help="One row a solver, one column a case: medians.")
    ] = False,
) -> None:
    """Print runs as a table in Markdown."""
    sys.exit(_bench_commands().table(results, columns.split(","), is_summary=summary))


@bench_app.command("export")
def bench_export(
    results: Results,
    out: Annotated[Path, typer.Option(help="A file, .parquet or .csv.")],
    form: Annotated[
        str | None, typer.Option("--form", help="qoblib: the columns of a QOBLIB submission.")
    ] = None,
) -> None:
    """Write runs into a file."""
    sys.exit(_bench_commands().export(results, out, form))


@bench_app.command("suites")
def bench_suites() -> None:
    """List the suites that are shipped."""
    sys.exit(_bench_commands().suites())


def _bench_commands() -> ModuleType:
    """Return the commands, or end with what to install for them."""
    try:
        from gridopt.bench import commands
    except ModuleNotFoundError as fault:
        if (fault.name or "").startswith("gridopt"):
            raise
        print(
            f"error: gridopt bench needs the package {fault.name!r}: run  pip install "
            "altair distributed duckdb psutil vl-convert-python",
            file=sys.stderr,
        )
        sys.exit(2)
    return commands


def _typed() -> str:
    """Return the command as it can be typed again."""
    return shlex.join(["gridopt", *sys.argv[1:]])


def main() -> None:
    """Run the command line."""
    app()
