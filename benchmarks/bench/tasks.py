"""What a benchmark is made of: cases, formulations and contenders, and a task for each run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from gridopt.errors import Issue, StudyError
from gridopt.io.cases import load_case
from gridopt.running import solve
from gridopt.study import Study
from gridopt.windows import window

WINDOW_GAP = 1e-4
"""Relative gap to which a system is scheduled before a window is cut out of it: at 1e-3 several
schedules of RTS-79 cost the same, and which one comes out differs from version to version."""


@dataclass(frozen=True)
class Case:
    """A study by its source.

    Parameters
    ----------
    name : str
        Label in tables.
    source : str
        As for `gridopt.load_case`.
    system : mapping
        Options of `gridopt.load_case`.
    sites : mapping or None
        Options of `gridopt.with_sites`, for battery placement.
    window : mapping or None
        ``units``, ``first``, ``periods`` of `gridopt.window`; the system is scheduled by HiGHS
        before.
    """

    name: str
    source: str
    system: Mapping[str, Any] = field(default_factory=dict)
    sites: Mapping[str, Any] | None = None
    window: Mapping[str, Any] | None = None

    def system_study(self) -> Study:
        """Return the study, sites included, without cutting a window.

        Raises
        ------
        StudyError, UnknownNameError, NotInstalledError
        """
        study = load_case(self.source, **self.system)
        if self.sites is None:
            return study
        from gridopt.siting import with_sites  # pandapower takes seconds to import

        return with_sites(study, **self.sites)

    def study(self) -> Study:
        """Return the study to solve."""
        study = self.system_study()
        if self.window is None:
            return study
        schedule = solve(study, "unit_commitment", "highs", gap=WINDOW_GAP).schedule
        if schedule is None:
            expected = "a system that can be scheduled, to cut a window from"
            raise StudyError([Issue(self.name, "window", dict(self.window), expected)])
        return window(schedule, **self.window)


@dataclass(frozen=True)
class Model:
    """A formulation by name, with options; its label in tables is `label`."""

    label: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """A solver or a peer by name, with options.

    Parameters
    ----------
    label : str
        In tables; a comparison is between labels.
    name : str
        Public name of the solver, or name of the peer.
    options : mapping
    is_peer : bool
    """

    label: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_peer: bool = False


@dataclass(frozen=True)
class Task:
    """One run: all that it is asked.

    Parameters
    ----------
    suite : str
    case : Case
    fingerprint : str
        Of the case's study, windows not cut: a case whose data changed is another task.
    model : Model
    contender : Contender
    seed : int
    time_limit_s : float
        Of the solver.
    memory_limit_mb : float
        Of the process with all its children.
    """

    suite: str
    case: Case
    fingerprint: str
    model: Model
    contender: Contender
    seed: int
    time_limit_s: float
    memory_limit_mb: float

    @cached_property
    def key(self) -> str:
        """Hash of all that is asked: tasks with equal keys are the same run."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def as_json(self) -> dict[str, Any]:
        """Return the task as plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> Task:
        """Return the task of `as_json`."""
        parts = {
            "case": Case(**record["case"]),
            "model": Model(**record["model"]),
            "contender": Contender(**record["contender"]),
        }
        return Task(**{**record, **parts})


@dataclass(frozen=True)
class Entry:
    """A contender with what it is run on; None stands for all of the suite.

    Parameters
    ----------
    contender : Contender
    cases, models : tuple of str or None
        Labels.
    seeds : tuple of int or None
    time_limit_s : float or None
    """

    contender: Contender
    cases: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    time_limit_s: float | None = None


@dataclass(frozen=True)
class Suite:
    """Cases × formulations × contenders × seeds.

    Parameters
    ----------
    name : str
    source : str
        How it was asked for: a name or a path.
    cases : tuple of (Case, str)
        With the fingerprint of each.
    models : tuple of Model
    entries : tuple of Entry
    seeds : tuple of int
    time_limit_s, memory_limit_mb : float
    columns : tuple of str
        That are shown when it is done.
    """

    name: str
    source: str
    cases: tuple[tuple[Case, str], ...]
    models: tuple[Model, ...]
    entries: tuple[Entry, ...]
    seeds: tuple[int, ...]
    time_limit_s: float
    memory_limit_mb: float
    columns: tuple[str, ...]

    def tasks(self) -> Iterator[Task]:
        """Yield every run, case by case."""
        for case, fingerprint in self.cases:
            for model in self.models:
                for entry in self.entries:
                    if _named(case.name, entry.cases) and _named(model.label, entry.models):
                        for seed in self.seeds if entry.seeds is None else entry.seeds:
                            yield Task(
                                suite=self.name,
                                case=case,
                                fingerprint=fingerprint,
                                model=model,
                                contender=entry.contender,
                                seed=seed,
                                time_limit_s=entry.time_limit_s or self.time_limit_s,
                                memory_limit_mb=self.memory_limit_mb,
                            )


def _named(name: str, names: tuple[str, ...] | None) -> bool:
    return names is None or name in names
