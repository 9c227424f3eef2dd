"""The report of a comparison: one page for the browser, and figures and tables for print."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from gridopt.bench import analysis, charts, progress, tables
from gridopt.bench.analysis import prepared
from gridopt.bench.charts import Look, Mark, Spec
from gridopt.bench.guards import REASONS, Concern, concerns
from gridopt.bench.latex import booktabs
from gridopt.bench.tables import Table, tabulated
from gridopt.errors import Issue, StudyError
from gridopt.outputs import check_folder, replaced
from gridopt.pages.rendering import render

MOST_ROWS = 500
"""Rows of a table of the page; figures are of all, and files have all."""


@dataclass(frozen=True)
class Figure:
    """A figure with all that the page says about it.

    Parameters
    ----------
    name : str
        Of its files, and of its place on the page.
    title, says, empty : str
        Heading; how to read it; why there is none, where there is none.
    spec : Spec or None
    table : Table
        What it shows.
    marks : tuple of Mark
        Of its legend.
    choice : str
        What its panels are: ``problem`` or ``gap``; empty where it has one.
    filters : bool
        Whether its legend is of solvers, which can be hidden.
    """

    name: str
    title: str
    says: str
    empty: str
    spec: Spec | None
    table: Table
    marks: tuple[Mark, ...] = ()
    choice: str = ""
    filters: bool = True

    @property
    def panels(self) -> list[str]:
        """Labels of its panels."""
        return [] if self.spec is None else list(self.spec["usermeta"]["panels"])


FIGURES = (
    "profile_time",
    "profile_cost",
    "gap_over_time",
    "beside_milp",
    "time_to_solution",
    "feasibility",
    "ablation",
    "errors",
)
TABLES = ("leaders", "summary", "warnings")
FILES = tuple(f"{name}.{form}" for name in FIGURES for form in ("svg", "png", "tex")) + tuple(
    f"{name}.tex" for name in TABLES
)
"""All that may be written beside the page: what a report lacks is removed from an earlier one."""


def write_report(
    frame: pd.DataFrame, out: Path, figures: Path | None = None, command: str = ""
) -> list[Path]:
    """Write the report of the runs.

    Parameters
    ----------
    frame : DataFrame
        One row a run, as `gridopt.bench.store.Store.frame` gives it.
    out : Path
        The page.
    figures : Path, optional
        Folder for each figure as SVG and PNG, and each table in LaTeX.
    command : str
        That repeats the report; shown beside every figure.

    Returns
    -------
    list of Path
        All files written; nothing is half-written, whatever happens.

    Raises
    ------
    StudyError
        Where the frame has no runs or lacks columns, or a path cannot be written.
    """
    if out.is_dir():
        raise StudyError([Issue("output", "out", str(out), "a file, not a folder")])
    for folder in (out.parent, figures):
        if folder is not None:
            check_folder(folder)
    runs = prepared(frame)
    found = concerns(runs)
    page = rendered(runs, found, command)
    written = [] if figures is None else _write_figures(runs, found, figures, command)

    def write(scratch: Path) -> None:
        (scratch / out.name).write_text(page, encoding="utf-8")

    return [*replaced(out.parent, (out.name,), write), *written]


def rendered(runs: pd.DataFrame, found: list[Concern], command: str) -> str:
    """Return the page.

    Parameters
    ----------
    runs : DataFrame
        Of `gridopt.bench.analysis.prepared`.
    found : list of Concern
    command : str
    """
    return render(
        "benchmark.html.j2",
        "gridopt.bench",
        suites=", ".join(sorted(set(runs["suite"]) - {""})) or "without a name",
        facts=_facts(runs),
        concerns=_by_guard(found),
        reasons=REASONS,
        paths=charts.PATHS,
        leaders=_leaders(runs),
        figures=figures_of(runs, printed=False),
        summary=_summary(runs),
        runs=_runs(runs),
        most_rows=MOST_ROWS,
        versions=_versions(runs),
        command=command,
        bundle=Markup(charts.javascript()),  # noqa: S704 - of packages, no value in it
    )


def _write_figures(
    runs: pd.DataFrame, found: list[Concern], folder: Path, command: str
) -> list[Path]:
    def write(scratch: Path) -> None:
        drawn = figures_of(runs, printed=True)
        for figure in drawn:
            if figure.spec is not None:
                (scratch / f"{figure.name}.svg").write_text(charts.svg(figure.spec), "utf-8")
                (scratch / f"{figure.name}.png").write_bytes(charts.png(figure.spec))
        for table in (*(it.table for it in drawn), _leaders(runs), _summary(runs), _warned(found)):
            if table.rows:
                text = booktabs(table, command)
                (scratch / f"{table.name}.tex").write_text(text, encoding="utf-8")

    return replaced(folder, FILES, write)


def figures_of(runs: pd.DataFrame, printed: bool) -> list[Figure]:
    """Return all figures, for the page or for print."""
    look = Look(tuple(dict.fromkeys(sorted(runs["solver"]))), printed)
    marks = charts.marks(look.solvers)
    return [
        _time_profile(runs, look, marks),
        _cost_profile(runs, look, marks),
        _gap_over_time(runs, look, marks),
        _beside_milp(runs, look, marks),
        _time_to_solution(runs, look, marks),
        _feasibility(runs, look),
        _ablation(runs, look),
        _errors(runs, look),
    ]


def _time_profile(runs: pd.DataFrame, look: Look, marks: tuple[Mark, ...]) -> Figure:
    times = progress.times_to_gaps(runs)
    drawn = [pd.DataFrame(columns=["solver", "ratio", "share", "panel"])]
    for gap in progress.GAPS:
        group = times[times["gap"] == gap]
        if np.isfinite(group["time_s"]).any() and len(marks) > 1:
            ratios = progress.time_ratios(progress.by_problem(group, "time_s"))
            drawn.append(progress.profile(ratios).assign(panel=f"{100 * gap:g} %"))
    table = pd.concat(drawn[1:] or drawn, ignore_index=True)
    return Figure(
        "profile_time",
        "Who is fast",
        "Performance profiles (Dolan and Moré 2002): the share of problems on which a solver "
        "comes within the gap to the best known bound, in at most so many times the seconds "
        "of the fastest. At the left: how often it is the fastest. At the right: how often it "
        "gets there at all. Medians of all runs; what is not solved stays in the count.",
        "A profile compares two solvers or more, of which one comes within 1 % of a bound.",
        charts.time_profile(table, look),
        tabulated(table, "profile_time", "Profiles of the time to a gap", tables.PROFILE),
        marks,
        "gap",
    )


def _cost_profile(runs: pd.DataFrame, look: Look, marks: tuple[Mark, ...]) -> Figure:
    costs = progress.by_problem(runs, "cost")
    table = pd.DataFrame(columns=["solver", "ratio", "share"])
    if np.isfinite(costs.to_numpy()).any() and len(marks) > 1:
        table = progress.profile(progress.cost_ratios(costs))
    return Figure(
        "profile_cost",
        "Who is cheap",
        "The same for verified cost: the share of problems on which the median run of a solver "
        "is at most so much above the best of all solvers' medians. A run without a feasible plan "
        "costs infinity.",
        "A profile compares two solvers or more, of which one has a feasible plan in half of "
        "its runs of a problem.",
        charts.cost_profile(table, look),
        tabulated(table, "profile_cost", "Profiles of the cost", tables.COST_PROFILE),
        marks,
    )


def _gap_over_time(runs: pd.DataFrame, look: Look, marks: tuple[Mark, ...]) -> Figure:
    curves = progress.curves(runs)
    times = progress.times_to_gaps(runs)
    times["name"] = (100.0 * times["gap"]).map("{:g} %".format)
    grouped = times.groupby(["problem", "solver", "name"], sort=False)["time_s"]
    wide = grouped.agg(analysis.median).unstack("name").reset_index()  # noqa: PD010
    return Figure(
        "gap_over_time",
        "Gap over time",
        "How far the best plan so far is above the best bound that any run of the problem proved, "
        "so that solvers which prove nothing can be compared. Line: median of the runs; band: "
        "from the best run to the worst. Seconds count from the reading of the case; a line "
        "begins where half of the runs have a feasible plan and ends where the run does.",
        "No gap can be told: no problem has both a feasible plan in half of a solver's runs and "
        "a proved bound.",
        charts.gap_curves(curves, look),
        tabulated(
            wide, "gap_over_time", "Median seconds to a gap, against the best bound", tables.TIMES
        ),
        marks,
        "problem",
    )


def _beside_milp(runs: pd.DataFrame, look: Look, marks: tuple[Mark, ...]) -> Figure:
    beside = progress.beside_milp(runs)
    return Figure(
        "beside_milp",
        "Beside mixed-integer programming",
        "Each solver's gap against the gap that HiGHS, on the mixed-integer program, had after the "
        "same wall time. Below the dashed line a solver is ahead of it; above, behind. Medians.",
        "That takes a run of highs and one of another solver on the same problem, both with a plan "
        "by then, and a bound.",
        charts.beside_milp(beside, look),
        tabulated(
            beside, "beside_milp", "Gaps beside the baseline's at the same time", tables.MILP
        ),
        tuple(mark for mark in marks if mark.name in set(beside["solver"])),
    )


def _time_to_solution(runs: pd.DataFrame, look: Look, marks: tuple[Mark, ...]) -> Figure:
    success = progress.success(runs)
    return Figure(
        "time_to_solution",
        "Time to solution, with 99 %",
        f"TTS(99) = t ⌈ln 0.01 / ln(1 − s)⌉ (Rønnow et al. 2014), of whole runs that are repeated "
        f"with other seeds (a run succeeds within {100 * progress.SUCCESS_GAP:g} % of the known "
        "optimum, or of the best cost where none is known), and of the reads within a run. Bars: "
        "95 %, a bootstrap over runs; with few runs, or where all or none succeed, that of the "
        "share (Clopper and Pearson 1934). > : none succeeded, and it takes longer than this.",
        "Nothing is known to succeed at: no run has a feasible plan.",
        charts.time_to_solution(success, look),
        tabulated(success, "time_to_solution", "Time to solution with 99 %", tables.SUCCESS),
        marks,
        "problem",
    )


def _feasibility(runs: pd.DataFrame, look: Look) -> Figure:
    found = analysis.feasibility(runs)
    return Figure(
        "feasibility",
        "Which rules are broken",
        "Share of the runs by what our verifier finds in the final plan, from the data alone: "
        "feasible, no plan at all, declined by the solver, or a rule that is broken (a run may "
        "break several).",
        "",
        charts.feasibility(found, look),
        tabulated(found, "feasibility", "Feasibility by rule", tables.FEASIBILITY),
        choice="problem",
    )


def _ablation(runs: pd.DataFrame, look: Look) -> Figure:
    found = analysis.ablation(runs)
    return Figure(
        "ablation",
        "What the sampler adds",
        "The decomposition with one sampler in place of another, all else the same. The tick is "
        "the gap of the prices alone, without any sampler; the dot is the median gap of the runs. "
        "Beside the sampler named none, a sampler has to be better than none to be worth it.",
        "No decomposition with a feasible plan and a bound was run.",
        charts.ablation(found, look),
        tabulated(found, "ablation", "The decomposition by sampler", tables.ABLATION),
        choice="problem",
    )


def _errors(runs: pd.DataFrame, look: Look) -> Figure:
    found = analysis.errors(runs)
    stages = set(found["stage"])
    return Figure(
        "errors",
        "Whose error it is",
        "Costs of a sampler's answer, stage by stage, above the known optimum (or, where none is "
        "known, the best cost): the least that the bits can say; the best read that is feasible "
        "as sampled; the best after re-dispatch; the best after repair; and fair coins with the "
        "same re-dispatch and repair. Verified costs, never energies with penalties.",
        "No sampler of a QUBO was run on a problem with a feasible plan.",
        charts.errors(found, look),
        tabulated(analysis.errors_apart(found), "errors", "Errors apart", tables.ERRORS),
        tuple(mark for mark in charts.stage_marks() if mark.name in stages),
        "problem",
        filters=False,
    )


def _leaders(runs: pd.DataFrame) -> Table:
    return tabulated(analysis.leaders(runs), "leaders", "Best cost and best bound", tables.LEADERS)


def _summary(runs: pd.DataFrame) -> Table:
    caption = "Medians by problem and solver: infinite where half of the runs have no feasible plan"
    return tabulated(analysis.summary(runs), "summary", caption, tables.SUMMARY)


def _runs(runs: pd.DataFrame) -> Table:
    """Return the runs; those that are infeasible or went wrong say why."""
    wrong = runs["error"].where(runs["error"] != "", runs["worst_violation"])
    caption = "Each run with the command that repeats it"
    return tabulated(runs.assign(wrong=wrong), "runs", caption, tables.RUNS)


def _warned(found: list[Concern]) -> Table:
    rows = pd.DataFrame([(it.guard, it.problem, it.text) for it in found], columns=WARNED)
    fields = tuple(tables.Field(name, name, tables.text) for name in WARNED)
    return tabulated(rows, "warnings", "What makes the comparison unfair", fields)


WARNED = ["guard", "problem", "warning"]


def _by_guard(found: list[Concern]) -> dict[str, list[Concern]]:
    groups: dict[str, list[Concern]] = {}
    for concern in found:
        groups.setdefault(concern.guard, []).append(concern)
    return groups


def _facts(runs: pd.DataFrame) -> dict[str, str]:
    """Return the figures at the top."""
    begun = runs["started_at"].dropna()
    days = sorted({f"{moment:%Y-%m-%d}" for moment in begun})
    hosts = sorted(set(runs["host"]) - {""})
    return {
        "runs": f"{len(runs):,}",
        "feasible": f"{int(runs['feasible'].sum()):,}",
        "problems": f"{runs['problem'].nunique():,}",
        "solvers": f"{runs['solver'].nunique():,}",
        "machines": ", ".join(hosts) or "not told",
        "when": " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "not told",
    }


def _versions(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return packages and all their versions, sorted."""
    found: dict[str, set[str]] = {}
    for versions in runs["versions"]:
        for name, version in versions.items():
            found.setdefault(str(name), set()).add(str(version))
    return [(name, ", ".join(sorted(found[name]))) for name in sorted(found)]
