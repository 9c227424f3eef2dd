"""Sections that pages of all kinds have: what was asked, what it costs, how it was solved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gridopt.pages.parts import TEXT, Lines, Part, Section, Table, shown
from gridopt.study import Study
from gridopt.verification import Verification

MONEY = ",.2f"
WHOSE = ", recomputed from the study, in its money"
MOST_VIOLATIONS = 200
"""Rows of the table of broken rules."""


def asked(study: Study, record: Mapping[str, Any], more: Mapping[str, str]) -> Section:
    """Return what the study is and what was to be done with it.

    Parameters
    ----------
    study : Study
    record : mapping
        The summary of the run.
    more : mapping of str to str
        What this kind of run was asked beside.
    """
    rows = {
        "case": study.name,
        **study.facts(),
        "problem": _with_options(record["formulation"], record["formulation_options"]),
        "solver": record["solver"],
        **more,
    }
    return Section("asked", "What was asked", (Table.facts("The study", rows.items()),))


def _with_options(name: str, options: Mapping[str, Any]) -> str:
    told = ", ".join(f"{key} {value}" for key, value in options.items() if isinstance(value, str))
    return f"{name}: {told}" if told else name


def costs(found: Verification | None) -> Section:
    """Return cost by item and energies, recomputed from the study."""
    if found is None:
        return Section("costs", "What it costs", ())
    money = {**found.cost, **found.penalty}
    total = found.total_cost
    rows = [
        (name, value, 100.0 * value / total if total else np.nan)
        for name, value in money.items()
        if value
    ]
    rows.append(("all", total, 100.0 if total else np.nan))
    parts: list[Part] = [
        Table.of(
            f"Cost by item{WHOSE if found.is_feasible else ', of a plan that breaks rules'}",
            {"item": TEXT, "cost": MONEY, "share %": ".1f"},
            rows,
        )
    ]
    energy = [(name, value) for name, value in found.energy_mwh.items() if value]
    if energy:
        parts.append(Table.of("Energy", {"kind": TEXT, "MWh": ",.2f"}, energy))
    return Section("costs", "What it costs", tuple(parts))


def broken(found: Verification | None, missing: tuple[str, ...]) -> Section:
    """Return the rules that are broken, and what the nearest decisions lack."""
    parts: list[Part] = []
    if missing:
        parts.append(Lines("What is missing", missing[:MOST_VIOLATIONS]))
    if found is not None and found.violations:
        n = len(found.violations)
        cut = f", the first {MOST_VIOLATIONS}" if n > MOST_VIOLATIONS else ""
        rows = found.violations[:MOST_VIOLATIONS]
        parts.append(
            Table.of(
                f"Rules broken: {n:,}{cut}",
                {"rule": TEXT, "element": TEXT, "period": TEXT, "value": ".6g", "limit": ".6g"},
                [(it.rule, it.element, it.period, it.value, it.limit) for it in rows],
            )
        )
    return Section("broken", "What is broken", tuple(parts))


def solved(record: Mapping[str, Any], seconds: Mapping[str, float]) -> Section:
    """Return how the answer was found: options, figures of the solver, seconds, versions.

    Parameters
    ----------
    record : mapping
        The summary of the run.
    seconds : mapping of str to float
        What took how long.
    """
    tables = {
        "Options of the formulation": _flat(record["formulation_options"]),
        f"Options of the solver {record['solver']}": _flat(record["solver_options"]),
        "Figures of the solver": _flat(record.get("details", {})),
        "Seconds and memory": {
            **{name: f"{value:.2f}" for name, value in seconds.items()},
            "highest memory of the process, MB": f"{record['peak_rss_mb']:,.0f}",
        },
        "Versions": _flat(record["versions"]),
    }
    parts: list[Part] = [
        Table.facts(caption, rows.items()) for caption, rows in tables.items() if rows
    ]
    if record["assumptions"]:
        parts.append(Lines("What was assumed", tuple(record["assumptions"])))
    return Section("solved", "How it was solved", tuple(parts))


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return options of options below names with dots."""
    rows: dict[str, str] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            rows |= _flat(value, f"{prefix}{name}.")
        else:
            rows[prefix + name] = f"{value:.6g}" if isinstance(value, float) else shown(value)
    return rows
