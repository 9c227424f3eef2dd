"""Plans as files: tables (CSV, Parquet) for others, JSON that is read back to the last bit."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.errors import Issue, StudyError, raise_if_any
from gridopt.io.json_fields import JsonFields, read_json
from gridopt.results import POWERS, Plan, ScenarioSchedules, Schedule
from gridopt.study import Study

PLAN_FORMAT = "gridopt plan 1"


def write_plan(plan: Plan, path: str | Path) -> Path:
    """Write a plan into a file; its ending says the format.

    Parameters
    ----------
    plan : Schedule or ScenarioSchedules
    path : str or Path
        ``.csv`` and ``.parquet`` hold the plan's table (`Schedule.units`); ``.json`` holds all of
        it, which `read_plan` reads. The folder is created where it is missing; a file that is there
        is replaced at once, never left half-written.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    StudyError
        For another ending.
    """
    target = Path(path)
    if target.suffix not in _WRITERS:
        expected, found = " or ".join(_WRITERS), target.suffix or "none"
        raise StudyError([Issue(f"plan {target.name}", "suffix", found, expected)])
    with replacing(target) as scratch:
        _WRITERS[target.suffix](plan, scratch)
    return target


def read_plan(path: str | Path, study: Study) -> Plan:
    """Return the plan of a JSON file that `write_plan` wrote.

    Parameters
    ----------
    path : str or Path
    study : Study
        What the plan was made for.

    Returns
    -------
    Schedule or ScenarioSchedules
        Equal to the one written in every bit.

    Raises
    ------
    StudyError
        With every fault of the file; where the plan was made for another study, that alone.
    """
    fields = read_json(Path(path), "plan")
    if not study.scenarios:
        return schedule_of(fields, study)
    _check_study(fields, study)
    parts = fields.items("scenarios")
    if len(parts) != len(study.scenarios):
        fields.note("scenarios", len(parts), f"{len(study.scenarios)}, one a scenario")
    raise_if_any(fields.issues)
    schedules = [
        schedule_of(part, study.in_scenario(scenario))
        for part, scenario in zip(parts, study.scenarios, strict=True)
    ]
    return ScenarioSchedules(study, tuple(schedules))


def _plan_content(plan: Plan) -> dict[str, Any]:
    if isinstance(plan, Schedule):
        return schedule_content(plan)
    scenarios = [schedule_content(schedule) for schedule in plan.schedules]
    return {**_header(plan.study), "scenarios": scenarios}


def _header(study: Study) -> dict[str, Any]:
    return {"format": PLAN_FORMAT, "case": study.name, "fingerprint": study.fingerprint()}


def schedule_content(schedule: Schedule) -> dict[str, Any]:
    """Return a plan as JSON values; numbers keep every digit, names stand beside for the reader."""
    study = schedule.study
    return {
        **_header(study),
        "network": schedule.network,
        "security": schedule.security,
        "time": [str(label) for label in study.time],
        "thermal_units": list(study.thermal.name),
        "renewables": list(study.renewables.name),
        "storage": list(study.storage.name),
        "exchange": list(study.exchange.name),
        "flexible_demand": list(study.flexible.name),
        "buses": list(study.grid.bus_name),
        "reserve_products": list(study.reserves.product),
        "reserve_requirements": list(study.reserves.requirement),
        "committed": schedule.committed.astype(np.int64).tolist(),
        **{name: getattr(schedule, name).tolist() for name in POWERS},
    }


def schedule_of(fields: JsonFields, study: Study) -> Schedule:
    """Return the plan of a JSON object as `schedule_content` makes it.

    Raises
    ------
    StudyError
        As `read_plan`.
    """
    _check_study(fields, study)
    network, security = fields.text("network"), fields.text("security")
    shapes = _shapes(study)
    arrays = {name: _array(fields, name, shape) for name, shape in shapes.items()}
    committed = arrays.pop("committed")
    if not np.isin(committed, (0, 1)).all():
        fields.note("committed", "other numbers", "0 and 1")
    raise_if_any(fields.issues)
    return Schedule(
        study=study, network=network, security=security, committed=committed != 0, **arrays
    )


def _check_study(fields: JsonFields, study: Study) -> None:
    """Raise unless the object is of our format and of a plan for the study."""
    found, mine = fields.text("format"), study.fingerprint()
    if found != PLAN_FORMAT and not fields.issues:
        fields.note("format", found, PLAN_FORMAT)
    raise_if_any(fields.issues)
    fingerprint = fields.text("fingerprint")
    if fingerprint != mine and not fields.issues:
        expected = f"{mine}, that of {study.name}: the plan is of another study, or of other data"
        fields.note("fingerprint", fingerprint, expected)
    raise_if_any(fields.issues)


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file in one go: an interrupted call leaves the old file, or none."""
    with replacing(path) as scratch:
        scratch.write_text(_json_line(content), encoding="utf-8")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a path to write to, which takes the target's place once all is written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=target.parent) as folder:
        scratch = Path(folder) / target.name
        yield scratch
        scratch.replace(target)


def _write_csv(plan: Plan, path: Path) -> None:
    plan.units().to_csv(path, index=False)


def _write_parquet(plan: Plan, path: Path) -> None:
    plan.units().to_parquet(path, index=False)


def _write_json_plan(plan: Plan, path: Path) -> None:
    path.write_text(_json_line(_plan_content(plan)), encoding="utf-8")


def _json_line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


_WRITERS: dict[str, Callable[[Plan, Path], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".json": _write_json_plan,
}


def _shapes(study: Study) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of a plan."""
    T, G, S, B = study.n_periods, len(study.thermal), len(study.storage), study.grid.n_buses
    return {
        "committed": (G, T),
        "power_mw": (G, T),
        "reserve_mw": (len(study.reserves), G, T),
        "renewable_mw": (len(study.renewables), T),
        "charge_mw": (S, T),
        "discharge_mw": (S, T),
        "soc_mwh": (S, T),
        "import_mw": (len(study.exchange), T),
        "unserved_mw": (B, T),
        "surplus_mw": (B, T),
        "flexible_mw": (len(study.flexible), T),
        "reserve_short_mw": (len(study.reserves.requirement), T),
    }


def _array(fields: JsonFields, name: str, shape: tuple[int, ...]) -> FloatArray:
    """Return the numbers of a field; those without elements may be any empty list."""
    fields.asked.add(name)
    expected = f"numbers of shape {shape}"
    try:
        values = np.array(fields.content.get(name, "missing"), dtype=np.float64)
    except (TypeError, ValueError):
        fields.note(name, "missing" if name not in fields.content else "not numbers", expected)
        return np.zeros(shape)
    if not values.size and 0 in shape:
        return np.zeros(shape)
    if values.shape != shape or not np.isfinite(values).all():
        fields.note(name, f"shape {values.shape}", expected)
        return np.zeros(shape)
    return values
