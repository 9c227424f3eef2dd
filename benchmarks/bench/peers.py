"""Solvers of others on our problems: they get a file, and what they answer is only a claim.

A peer is a script in ``adapters/GROUP/``, run with that group's own packages, or one of
`gridopt.bench.naive_qubo`, whose packages are ours. The file is a pglib-uc instance, so that no
peer needs gridopt. Its plan is decoded here and judged by `gridopt.verify`, like any of ours.
"""

from __future__ import annotations

import ast
import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gridopt.bench.environments import ADAPTERS, ensure_environment, groups
from gridopt.bench.naive_qubo import DEFAULTS, NAIVE, NaiveAnswer, solve_naively
from gridopt.elements import CostCurve
from gridopt.errors import OptionError, PeerError, UnknownNameError
from gridopt.io.write_pglib_uc import pglib_uc_issues, write_pglib_uc
from gridopt.results import Schedule
from gridopt.study import Study
from gridopt.verification import verify

__all__ = [
    "PeerAnswer",
    "as_schedule",
    "ensure_environment",
    "false_claims",
    "peer_group",
    "peer_names",
    "peer_options",
    "run_peer",
    "with_tangents",
]

LAUNCHER = ADAPTERS / "run.py"
COST_SEGMENTS = 10
"""Lines that stand for a quadratic cost, in each of its segments, unless said otherwise."""

CLAIM_TOLERANCE = 1e-6
"""Relative difference that counts as rounding of what a peer claims."""

GRACE_S = 300.0
"""What a peer may take beyond its time limit: imports, the model, the plan."""


@dataclass(frozen=True, eq=False)
class PeerAnswer:
    """What a peer gave back.

    Parameters
    ----------
    plan : Schedule or None
        Of the study that was asked.
    claimed_feasible : bool or None
    claimed_cost, claimed_bound : float or None
        What the peer says of its answer; None where it says nothing.
    termination : str
        In the peer's own words.
    seconds : dict of str to float
        By stage, as the peer's process counts them.
    versions : dict of str to str
    details : dict
        All else that it tells, and what was changed of the study so that it could be told.
    reason_not_applicable : str or None
        What of the study the peer cannot take; None where it ran.
    false_claims : tuple of str
        What it claims and our verifier denies.
    """

    plan: Schedule | None = None
    claimed_feasible: bool | None = None
    claimed_cost: float | None = None
    claimed_bound: float | None = None
    termination: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    reason_not_applicable: str | None = None
    false_claims: tuple[str, ...] = ()


def peer_names() -> tuple[str, ...]:
    """Return the names of all peers."""
    return tuple(sorted([*_scripts(), *NAIVE]))


def peer_group(name: str) -> str | None:
    """Return the group whose environment a peer needs; None for one that runs in ours."""
    _check_name(name)
    script = _scripts().get(name)
    return None if script is None else script.parent.name


def peer_options(name: str) -> tuple[str, ...]:
    """Return the names of a peer's options, seed and time limit aside."""
    _check_name(name)
    if name in NAIVE:
        return tuple(DEFAULTS[name])
    module = ast.parse(_scripts()[name].read_text("utf-8"))
    (solve,) = (
        node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "solve"
    )
    own = [each.arg for each in solve.args.kwonlyargs if each.arg not in ("seed", "time_limit_s")]
    return (*own, "cost_segments")


def run_peer(
    name: str,
    study: Study,
    options: Mapping[str, Any],
    seed: int,
    time_limit_s: float,
    *,
    network: str = "copperplate",
    root: Path | None = None,
) -> PeerAnswer:
    """Let a peer solve the unit commitment of a study.

    Parameters
    ----------
    name : str
        One of `peer_names`.
    study : Study
    options : mapping
        Of `peer_options`; ``cost_segments`` says how many tangents stand for a quadratic cost.
    seed : int
    time_limit_s : float
        Of the search; a sampler stops between reads, QAOA not at all.
    network : str
        What the comparison asks for; peers solve a copperplate only.
    root : Path or None
        Folder of the environments.

    Returns
    -------
    PeerAnswer

    Raises
    ------
    UnknownNameError, OptionError
    PeerError
        Where the peer could not be installed, or failed.

    Notes
    -----
    The peer's process is in this one's process group, and ends by itself once this one is gone.
    """
    known = peer_options(name)
    for option, value in options.items():
        if option not in known:
            raise OptionError(name, option, value, f"one of {', '.join(known)}")
    if network != "copperplate":
        reason = f"network = {network!r}: peers get one bus, as a pglib-uc instance has no branches"
        return PeerAnswer(reason_not_applicable=reason)
    if name in NAIVE:
        return _naive(solve_naively(name, study, dict(options), seed, time_limit_s), study)
    left = dict(options)
    segments = left.pop("cost_segments", COST_SEGMENTS)
    if not isinstance(segments, int) or segments < 1:
        raise OptionError(name, "cost_segments", segments, "a whole number, at least 1")
    given = with_tangents(study, segments)
    faults = "; ".join(str(issue) for issue in pglib_uc_issues(given))
    if faults:
        return PeerAnswer(reason_not_applicable=f"pglib-uc cannot say the study: {faults}")
    python = ensure_environment(_scripts()[name].parent.name, root)
    with tempfile.TemporaryDirectory(prefix="gridopt-peer-") as folder:
        row, table = _launched(python, name, given, left, seed, time_limit_s, Path(folder))
    return _answer(row, table, study, given)


def with_tangents(study: Study, segments: int) -> Study:
    """Return the study with each quadratic cost as the highest of some tangents.

    They lie below the cost, so that a bound of the changed study holds for the study itself.

    Parameters
    ----------
    study : Study
    segments : int
        Pieces into which each line segment of a curve is cut; tangents touch at their ends.

    Returns
    -------
    Study
    """
    units = study.thermal
    if not any(curve.quadratic for curve in units.cost):
        return study
    curves = tuple(_tangents(curve, segments) for curve in units.cost)
    return replace(study, thermal=replace(units, cost=curves))


def _tangents(curve: CostCurve, segments: int) -> CostCurve:
    """Return where neighboring tangents meet: halfway, q h² / 4 below the curve."""
    if not curve.quadratic or len(curve.power_mw) < 2:
        ends = np.array(curve.power_mw)
        return CostCurve(curve.power_mw, tuple(curve.cost(ends).tolist()))
    ends = np.array(curve.power_mw)
    pieces = [np.linspace(low, high, segments + 1)[:-1] for low, high in pairwise(ends)]
    touching = np.concatenate([*pieces, ends[-1:]])
    width = np.diff(touching)
    meeting = touching[:-1] + width / 2.0
    below = curve.cost(meeting) - curve.quadratic * width**2 / 4.0
    # where the curve has a kink, two tangents touch, so that the kink stays a point
    power = np.concatenate([ends, meeting])
    cost = np.concatenate([curve.cost(ends), below])
    order = np.argsort(power, kind="stable")
    return CostCurve(tuple(power[order].tolist()), tuple(cost[order].tolist()))


def as_schedule(study: Study, table: pd.DataFrame) -> Schedule:
    """Return a schedule from rows generator, period, committed, power_mw, reserve_mw.

    Parameters
    ----------
    study : Study
        Of thermal units and renewables on one bus, with at most one reserve product.
    table : DataFrame
        A row for each generator and period; what is missing becomes not a number, which the
        verifier tells.

    Returns
    -------
    Schedule
    """
    T, zeros = study.n_periods, np.zeros((0, study.n_periods))
    wide = table.pivot_table(index="generator", columns="period", dropna=False)

    def values(column: str, names: tuple[str, ...]) -> Any:
        found = pd.DataFrame(wide[column]).reindex(index=list(names), columns=range(T))
        return found.to_numpy(dtype=np.float64)

    units, nothing = study.thermal.name, np.zeros((study.grid.n_buses, T))
    held = values("reserve_mw", units)[np.newaxis]
    return Schedule(
        study=study,
        network="copperplate",
        committed=values("committed", units) > 0.5,
        power_mw=values("power_mw", units),
        reserve_mw=held if len(study.reserves) else held[:0],
        renewable_mw=values("power_mw", study.renewables.name),
        charge_mw=zeros,
        discharge_mw=zeros,
        soc_mwh=zeros,
        import_mw=zeros,
        unserved_mw=nothing,
        surplus_mw=nothing,
    )


def false_claims(study: Study, given: Study, answer: PeerAnswer) -> tuple[str, ...]:
    """Return what an answer claims and the verifier denies.

    Parameters
    ----------
    study : Study
        What was asked: by it feasibility and bounds are judged.
    given : Study
        What the peer was told, such as tangents for a quadratic cost: by it its cost is judged.
    answer : PeerAnswer
        Of a peer that says that its plan is infeasible, no cost is taken for a claim.

    Returns
    -------
    tuple of str
    """
    if answer.plan is None:
        return ("claims a feasible plan and gives none",) if answer.claimed_feasible else ()
    verdict = verify(study, answer.plan)
    found = []
    if answer.claimed_feasible and not verdict.is_feasible:
        broken = ", ".join(f"{rule} {count}" for rule, count in verdict.counts().items())
        found.append(f"claims a feasible plan, which breaks rules: {broken}")
    if answer.claimed_feasible and answer.claimed_cost is not None:
        cost = verify(given, answer.plan).total_cost
        if not abs(answer.claimed_cost - cost) <= CLAIM_TOLERANCE * max(1.0, abs(cost)):
            found.append(f"claims a cost of {answer.claimed_cost:.6f}, which is {cost:.6f}")
    bound, cost = answer.claimed_bound, verdict.total_cost
    if bound is not None and verdict.is_feasible and bound > cost + CLAIM_TOLERANCE * abs(cost):
        found.append(f"claims a bound of {bound:.6f}, above the verified cost {cost:.6f}")
    return tuple(found)


def _scripts() -> dict[str, Path]:
    """Return the script of each peer that has one, by the peer's name."""
    return {
        script.stem.replace("_", "-"): script
        for group in groups()
        for script in sorted((ADAPTERS / group).glob("*.py"))
        if not script.name.startswith("_")
    }


def _check_name(name: str) -> None:
    if name not in peer_names():
        raise UnknownNameError("peer", name, peer_names())


def _launched(
    python: Path,
    name: str,
    given: Study,
    options: dict[str, Any],
    seed: int,
    time_limit_s: float,
    folder: Path,
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    """Return what the peer's process printed, and its plan."""
    instance, plan = write_pglib_uc(given, folder / "instance.json"), folder / "plan.csv"
    command = [python, LAUNCHER, _scripts()[name], instance, f"--plan={plan}", f"--seed={seed}"]
    command += [f"--time-limit={time_limit_s}", f"--options={json.dumps(options)}"]
    try:
        done = subprocess.run(  # noqa: S603
            [str(word) for word in command],
            capture_output=True,
            text=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            timeout=time_limit_s + GRACE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        raise PeerError(f"{name} did not end within {fault.timeout:g} s") from fault
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PeerError(f"{name} failed: {said[-1] if said else f'exit code {done.returncode}'}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row, pd.read_csv(plan, dtype={"generator": str}) if plan.exists() else None


def _answer(
    row: dict[str, Any], table: pd.DataFrame | None, study: Study, given: Study
) -> PeerAnswer:
    """Return the answer of a peer's process, its plan decoded and its claims compared."""
    if "not_applicable" in row:
        return PeerAnswer(reason_not_applicable=row["not_applicable"], versions=row["versions"])
    changed = {} if given is study else {"quadratic_cost": "tangents from below"}
    answer = PeerAnswer(
        plan=None if table is None or table.empty else as_schedule(study, table),
        claimed_feasible=row["feasible"],
        claimed_cost=_finite(row["objective"]),
        claimed_bound=_finite(row["bound"]),
        termination=row["termination"],
        seconds={key: value for key, value in row.items() if key.endswith("_s")},
        versions=row["versions"],
        details={**row["details"], **changed, "peak_rss_mb": row["peak_rss_mb"]},
    )
    return replace(answer, false_claims=false_claims(study, given, answer))


def _naive(found: NaiveAnswer, study: Study) -> PeerAnswer:
    answer = PeerAnswer(
        plan=found.plan,
        claimed_feasible=found.feasible,
        claimed_cost=found.cost,
        termination=found.termination,
        seconds=found.seconds,
        versions=found.versions,
        details=found.details,
        reason_not_applicable=found.reason_not_applicable,
    )
    return replace(answer, false_claims=false_claims(study, study, answer))


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
