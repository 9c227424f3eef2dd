"""The command line: what may be typed. The work is in `gridopt.commands`.

Only the parser is imported here, so that ``gridopt --help`` answers at once.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Unit commitment on real grids by MILP, annealing and QAOA; every answer is verified.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
solve_app = typer.Typer(help="Solve a problem on a grid.", no_args_is_help=True)
app.add_typer(solve_app, name="solve")


class Network(StrEnum):
    """Network models."""

    COPPERPLATE = "copperplate"
    DC = "dc"


@solve_app.command("unit-commitment")
def solve_unit_commitment(
    case: Annotated[
        str,
        typer.Argument(
            help="rts79, kazarlis10, kazarlis10x2 … kazarlis10x10; the name of a "
            "pandapower.networks function; or a path to a net (.json, .m)."
        ),
    ],
    profiles: Annotated[
        Path | None, typer.Option(help="Load profiles, CSV or Parquet.", show_default=False)
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(
            help="Table of unit parameters, CSV; or 'typical' to fill gaps from a "
            "technology table.",
            show_default=False,
        ),
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="Length of the plan; all of a given profile, else 24.")
    ] = None,
    start: Annotated[int, typer.Option(help="First period of the profile, from 0.")] = 0,
    period_h: Annotated[
        float | None, typer.Option(help="Period length of a profile by period numbers.")
    ] = None,
    tz: Annotated[str | None, typer.Option(help="Time zone of a profile without one.")] = None,
    network: Annotated[Network, typer.Option(help="Network model.")] = Network.COPPERPLATE,
    reserve: Annotated[
        float | None, typer.Option(help="Spinning reserve as a share of demand.")
    ] = None,
    unserved_cost: Annotated[
        float | None, typer.Option(help="Allow unserved energy at this price per MWh.")
    ] = None,
    surplus_cost: Annotated[
        float | None, typer.Option(help="Allow surplus energy at this price per MWh.")
    ] = None,
    solver: Annotated[str, typer.Option(help="A name that `gridopt solvers` lists.")] = "highs",
    time_limit: Annotated[float | None, typer.Option(help="Seconds.")] = None,
    gap: Annotated[float | None, typer.Option(help="Relative gap at which to stop.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    resolution: Annotated[
        float | None,
        typer.Option(help="MW step of a QUBO; without it one is chosen and data are rounded."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="Any other option of the solver, NAME=VALUE."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and figures.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON, and nothing else.")
    ] = False,
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
        reserve=reserve,
        unserved_cost=unserved_cost,
        surplus_cost=surplus_cost,
        solver=solver,
        time_limit_s=time_limit,
        gap=gap,
        seed=seed,
        resolution=resolution,
        options=tuple(option or ()),
        out=out,
        json=json,
    )
    sys.exit(commands.solve_unit_commitment(request))


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


def main() -> None:
    """Run the command line."""
    app()
