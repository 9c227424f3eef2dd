"""Writes runs for others: Parquet, CSV, Markdown, and the columns of a QOBLIB submission.

QOBLIB: Koch et al. 2025, "Quantum Optimization Benchmarking Library", arXiv:2504.03832. Its
columns are those that its check of submissions asks for, in that order.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gridopt.bench.analysis import prepared, summary
from gridopt.bench.guards import concerns
from gridopt.errors import GridoptError, Issue, StudyError, raise_if_any
from gridopt.outputs import check_folder
from gridopt.registry import solver_class
from gridopt.sampling.success import Success

SUFFIXES = (".csv", ".parquet")

QOBLIB = "qoblib"

QOBLIB_COLUMNS = (
    "Problem",
    "Submitter",
    "Affiliation",
    "Date",
    "Reference",
    "Best Objective Value",
    "Optimality Bound",
    "Modeling Approach",
    "# Decision Variables",
    "# Binary Variables",
    "# Integer Variables",
    "# Continuous Variables",
    "# Non-Zero Coefficients",
    "Coefficients Type",
    "Coefficients Range",
    "Workflow",
    "Algorithm Type",
    "Paradigm",
    "# Runs",
    "# Feasible Runs",
    "# Successful Runs",
    "Success Threshold",
    "Hardware Specifications",
    "Total Runtime",
    "Time to Solution",
    "CPU Runtime",
    "GPU Runtime",
    "QPU Runtime",
    "Other HW Runtime",
    "Remarks",
)

REFUTED = "refuted"
"""How the names of guards begin that hold a claim against the verifier."""

NO_ANSWER = ("not applicable", "failed", "killed time", "killed memory")

SUCCESS_GAP = 0.001
"""Relative distance from the best cost known of a case up to which a run counts as a success."""

NOT_KNOWN = "N/A"

PARADIGMS = {
    "gate model": "Classical (simulated circuit)",
    "quantum annealing": "Quantum",
    "hybrid quantum-classical": "Hybrid",
}
"""Of kinds of solvers that are not simply classical."""

DETERMINISTIC = ("mixed-integer programming", "enumeration")
"""Kinds of solvers that draw nothing at random; of a peer it is not known here."""


def as_markdown(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    """Return some columns of the runs as a table in Markdown."""
    rows = frame[list(columns)].itertuples(index=False)
    lines = [
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(map(_cell, row))} |" for row in rows),
    ]
    return "\n".join(lines)


def as_summary(frame: pd.DataFrame) -> str:
    """Return one row a solver and one column a case, in Markdown, and what the verifier refutes.

    A cell has the median gap to the best bound known of the case and the median seconds, or why
    there are none.
    """
    runs = prepared(frame)
    found = summary(runs)
    cells = found.apply(_verdict, axis="columns")
    wide = found.assign(cell=cells).pivot_table("cell", "solver", "problem", "first", sort=False)
    shown = as_markdown(wide.reset_index(), ["solver", *wide.columns])
    refuted = [
        f"- {concern.problem}: {concern.text}"
        for concern in concerns(runs)
        if concern.guard.startswith(REFUTED)
    ]
    return "\n".join([shown, "", "Refuted by the verifier:", "", *(refuted or ["- nothing"])])


def _verdict(row: pd.Series[Any]) -> str:
    if not row["feasible"]:
        return str(row["outcome"]) if row["outcome"] in NO_ANSWER else "no feasible plan"
    few = "" if row["feasible"] == row["runs"] else f"{row['feasible']} of {row['runs']}, "
    gap = "no bound" if pd.isna(row["gap"]) else f"{row['gap']:.3%}"
    return f"{few}{gap}, {row['solving_s']:.1f} s"


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def check_export(out: Path, form: str | None) -> None:
    """Make sure before any work that an export is known and can be written.

    Raises
    ------
    StudyError
    """
    issues = []
    if form not in (None, QOBLIB):
        issues.append(Issue("export", "form", form, f"{QOBLIB}, or none"))
    suffixes = (".csv",) if form == QOBLIB else SUFFIXES
    if out.suffix not in suffixes:
        issues.append(
            Issue("export", "out", str(out), f"a file that ends in {' or '.join(suffixes)}")
        )
    raise_if_any(issues)
    check_folder(out.parent)


def write_export(frame: pd.DataFrame, out: Path, form: str | None) -> None:
    """Write the runs into a file, whole or not at all.

    Raises
    ------
    StudyError
        Where it cannot be written.
    """
    table = qoblib(frame) if form == QOBLIB else frame
    try:
        handle, name = tempfile.mkstemp(prefix=".writing-", suffix=out.suffix, dir=out.parent)
        os.close(handle)
        scratch = Path(name)
        try:
            if out.suffix == ".parquet":
                table.to_parquet(scratch, index=False)
            else:
                table.to_csv(scratch, index=False)
            scratch.replace(out)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as fault:
        raise StudyError([Issue("export", "out", str(out), f"room to write ({fault})")]) from fault


def qoblib(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row a case, formulation and solver, in the columns of a QOBLIB submission."""
    best = dict(frame.groupby("case_name")["cost"].min())
    groups = frame[frame["status"] == "done"].groupby(["case_name", "formulation", "solver"])
    rows = [_submission(group, best[group["case_name"].iloc[0]]) for _, group in groups]
    return pd.DataFrame(rows, columns=list(QOBLIB_COLUMNS))


def _submission(runs: pd.DataFrame, best: float) -> dict[str, Any]:
    first = runs.iloc[0]
    threshold = best * (1.0 + SUCCESS_GAP) if best > 0 else best * (1.0 - SUCCESS_GAP)
    successes = int((runs["cost"] <= threshold).sum())
    success = Success(successes, len(runs), float(runs["wall_s"].mean()))
    numbers = ["binary_variables", "integer_variables", "continuous_variables"]
    known = runs[numbers].notna().all(axis=None)
    kind = _kind(first["solver_name"], bool(first["peer"]))
    row = {
        "Problem": first["case_name"],
        "Date": runs["started_at"].max().date().isoformat(),
        "Best Objective Value": _or_not(runs["cost"].min()),
        "Optimality Bound": _or_not(runs["bound"].max()),
        "Modeling Approach": f"{first['formulation']}{', QUBO' if pd.notna(first['bits']) else ''}",
        "# Decision Variables": int(first[numbers].sum()) if known else NOT_KNOWN,
        "# Binary Variables": _whole(first["binary_variables"]),
        "# Integer Variables": _whole(first["integer_variables"]),
        "# Continuous Variables": _whole(first["continuous_variables"]),
        "# Non-Zero Coefficients": _whole(first["nonzeros"]),
        "Coefficients Type": "Continuous",
        "Coefficients Range": _or_not(first["coefficient_range"]),
        "Workflow": f"{first['solver']} {first['solver_options']}",
        "Algorithm Type": _algorithm(kind),
        "Paradigm": PARADIGMS.get(kind, "Classical") if kind else NOT_KNOWN,
        "# Runs": len(runs),
        "# Feasible Runs": int(runs["feasible"].sum()),
        "# Successful Runs": successes,
        "Success Threshold": SUCCESS_GAP,
        "Hardware Specifications": ", ".join(sorted(set(runs["host"].dropna()))),
        "Total Runtime": float(runs["wall_s"].sum()),
        "Time to Solution": _or_not(success.tts_s()[0]),
        "CPU Runtime": float(runs["cpu_s"].sum()),
        "Remarks": "feasible: every rule recomputed; cost: recomputed from the data",
    }
    return {column: row.get(column, NOT_KNOWN) for column in QOBLIB_COLUMNS}


def _kind(name: str, is_peer: bool) -> str:
    if is_peer:
        return ""
    try:
        return solver_class(name).kind
    except GridoptError:
        return ""


def _algorithm(kind: str) -> str:
    if not kind:
        return NOT_KNOWN
    return "Deterministic" if kind in DETERMINISTIC else "Stochastic"


def _or_not(value: float) -> Any:
    return value if pd.notna(value) and math.isfinite(value) else NOT_KNOWN


def _whole(value: float) -> Any:
    return int(value) if pd.notna(value) else NOT_KNOWN
