"""Reads the specification of a benchmark, a TOML file, and finds every fault in it at once.

::

    name = "mine"                     # of the suite
    seeds = [0, 1, 2]
    time_limit_s = 60
    memory_limit_mb = 8000            # of a run's process with its children
    columns = ["case_name", "gap"]    # shown when done

    [[cases]]
    name = "rts79-day"
    source = "rts79"                  # as for gridopt.load_case; or files = "*.json"
    hours = 24                        # any option of gridopt.load_case
    [cases.window]                    # units, first, periods: a part of the scheduled system
    [cases.sites]                     # options of gridopt.with_sites

    [[formulations]]
    name = "unit_commitment"
    network = "dc"                    # any option of the formulation

    [[solvers]]
    name = "neal"                     # or peer = "pyomo"
    label = "neal, compact"           # the name is the label unless said otherwise
    form = "compact"                  # any option of the solver; "none" is no value
    cases = ["rts79-day"]             # also formulations, seeds, time_limit_s: for this one only
"""

from __future__ import annotations

import inspect
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from gridopt.bench.columns import COLUMNS
from gridopt.bench.peers import peer_names, peer_options
from gridopt.bench.tasks import Case, Contender, Entry, Model, Suite
from gridopt.errors import (
    GridoptError,
    Issue,
    OptionError,
    StudyError,
    UnknownNameError,
    raise_if_any,
)
from gridopt.formulation import Formulation
from gridopt.io.cases import load_case
from gridopt.registry import formulation_class, make, solver_class
from gridopt.solver import Solver, is_number, is_whole
from gridopt.study import Study

SUITES = files("gridopt.bench") / "suites"

COLUMN_NAMES = tuple(column.name for column in COLUMNS)

SHOWN = ("case_name", "solver", "seed", "status", "feasible", "cost", "gap", "wall_s")
"""Columns that are shown unless a suite names others."""

TOP = {
    "name": str,
    "seeds": list,
    "time_limit_s": float,
    "memory_limit_mb": float,
    "columns": list,
    "cases": list,
    "formulations": list,
    "solvers": list,
}
WINDOW = ("units", "first", "periods")
NOTHING = "none"
"""What stands for no value among the options of a solver: TOML has no word for it."""

OF_AN_ENTRY = ("name", "peer", "label", "cases", "formulations", "seeds", "time_limit_s")


def suite_names() -> tuple[str, ...]:
    """Return the names of the suites that are shipped, sorted."""
    return tuple(sorted(item.name.removesuffix(".toml") for item in SUITES.iterdir()))


def read_suite(source: str, folder: Path | None = None) -> Suite:
    """Return a suite by name or from a TOML file, all of it checked.

    Every case is read once, so that a fault in the last one shows before the first one is solved.

    Parameters
    ----------
    source : str
        A name that `suite_names` lists, or a path that ends in ``.toml``.
    folder : Path, optional
        Where ``files`` of cases are; that of the specification unless given.

    Raises
    ------
    UnknownNameError
        Where there is no suite of that name.
    StudyError
        With every fault found.
    """
    if source.endswith(".toml"):
        text, folder = _text(Path(source)), folder or Path(source).parent
    elif source in suite_names():
        text = (SUITES / f"{source}.toml").read_text("utf-8")
    else:
        raise UnknownNameError("suite", source, suite_names())
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise StudyError([Issue(source, "file", str(fault), "TOML")]) from fault
    return _Reader(source, folder).suite(table)


def check_columns(columns: Iterable[object], element: str = "columns") -> list[Issue]:
    """Return a fault for each name that is no column."""
    return [
        Issue(element, "column", name, f"one of {', '.join(COLUMN_NAMES)}")
        for name in columns
        if name not in COLUMN_NAMES
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise StudyError([Issue(str(path), "file", str(fault), "a TOML file")]) from fault


@dataclass(eq=False)
class _Reader:
    """Reads one specification and gathers its faults."""

    source: str
    folder: Path | None
    issues: list[Issue] = field(default_factory=list)

    def suite(self, table: Mapping[str, Any]) -> Suite:
        """Return the suite; raise `StudyError` with every fault."""
        for key in table.keys() - TOP.keys():
            self.fault(self.source, key, table[key], f"one of {', '.join(TOP)}")
        self.issues += check_columns(self.listed(table, "columns", SHOWN), self.source)
        cases = self.cases(table)
        models = [
            model
            for number, item in enumerate(self.tables(table, "formulations"))
            if (model := self.model(f"formulations[{number}]", item))
        ]
        self.unique("formulations", (model.label for model in models))
        labels = {case.name for case, _ in cases}, {model.label for model in models}
        entries = [
            entry
            for number, item in enumerate(self.tables(table, "solvers"))
            if (entry := self.entry(f"solvers[{number}]", item, *labels))
        ]
        self.unique("solvers", (entry.contender.label for entry in entries))
        suite = Suite(
            name=str(table.get("name") or Path(self.source).stem),
            source=self.source,
            cases=tuple(cases),
            models=tuple(models),
            entries=tuple(entries),
            seeds=self.seeds(self.source, table.get("seeds", [0])),
            time_limit_s=self.positive(self.source, "time_limit_s", table.get("time_limit_s", 60)),
            memory_limit_mb=self.positive(
                self.source, "memory_limit_mb", table.get("memory_limit_mb", 8000)
            ),
            columns=tuple(self.listed(table, "columns", SHOWN)),
        )
        raise_if_any(self.issues)
        return suite

    def fault(self, element: str, name: str, value: Any, expected: str) -> None:
        """Note a fault."""
        self.issues.append(Issue(element, name, value, expected))

    def tables(self, table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        """Return the tables of an array, which must not be empty."""
        found = table.get(key)
        if not isinstance(found, list) or not found or not all(isinstance(i, dict) for i in found):
            self.fault(self.source, key, found, f"one or more tables [[{key}]]")
            return []
        return found

    def listed(self, table: Mapping[str, Any], key: str, default: Iterable[str]) -> list[Any]:
        """Return a list of the specification."""
        found = table.get(key, list(default))
        if isinstance(found, list):
            return found
        self.fault(self.source, key, found, "a list")
        return []

    def positive(self, element: str, name: str, value: Any) -> float:
        """Return a number above zero."""
        if is_number(value) and value > 0:
            return float(value)
        self.fault(element, name, value, "a number above 0")
        return 1.0

    def seeds(self, element: str, value: Any) -> tuple[int, ...]:
        """Return seeds, each once."""
        right = isinstance(value, list) and value and all(is_whole(i) and i >= 0 for i in value)
        if right and len(set(value)) == len(value):
            return tuple(value)
        self.fault(element, "seeds", value, "a list of different whole numbers, 0 or more")
        return (0,)

    def unique(self, element: str, labels: Iterable[str]) -> None:
        """Note labels that come twice."""
        for label, times in Counter(labels).items():
            if times > 1:
                self.fault(element, "label", label, f"a label of its own; {times} have this one")

    def label(self, element: str, item: Mapping[str, Any], key: str, default: str) -> str:
        """Return a label, which is text."""
        label = item.get(key, default)
        if isinstance(label, str) and label:
            return label
        self.fault(element, key, label, "text")
        return default

    # --- cases ----------------------------------------------------------------------------

    def cases(self, table: Mapping[str, Any]) -> list[tuple[Case, str]]:
        """Return every case with its fingerprint."""
        found: list[tuple[Case, str]] = []
        for number, item in enumerate(self.tables(table, "cases")):
            element = f"cases[{number}]"
            for case in self.cases_of(element, item):
                study = self.attempt(f"{element} {case.name}", case.system_study)
                if study is not None:
                    self.check_window(f"{element} {case.name}", case, study)
                    found.append((case, study.fingerprint()))
        self.unique("cases", (case.name for case, _ in found))
        return found

    def cases_of(self, element: str, item: Mapping[str, Any]) -> list[Case]:
        """Return the case of a table, or one for each of its files."""
        known = {*inspect.signature(load_case).parameters} - {"case"}
        own = {"name", "source", "files", "window", "sites"}
        for key in item.keys() - known - own:
            self.fault(element, key, item[key], f"one of {', '.join(sorted(known | own))}")
        for key in ("window", "sites"):
            if not isinstance(item.get(key, {}), dict):
                self.fault(element, key, item[key], f"a table [cases.{key}]")
                return []
        sites = item.get("sites")
        if sites is not None:
            self.check_sites(element, sites)
        system = {key: item[key] for key in item.keys() & known}
        make_case = _CaseMaker(system, sites, item.get("window"))
        if "files" in item:
            return [make_case(path.stem, str(path)) for path in self.files(element, item["files"])]
        source = item.get("source")
        if not isinstance(source, str):
            self.fault(element, "source", source, "a name or path as for gridopt.load_case")
            return []
        return [make_case(self.label(element, item, "name", source), source)]

    def files(self, element: str, pattern: Any) -> list[Path]:
        """Return the files of cases, sorted."""
        if self.folder is None:
            self.fault(element, "files", pattern, "a folder to find them in: --cases FOLDER")
            return []
        paths = sorted(self.folder.glob(pattern)) if isinstance(pattern, str) and pattern else []
        if not paths:
            self.fault(element, "files", pattern, f"a pattern of files in {self.folder}")
        return paths

    def check_sites(self, element: str, sites: Mapping[str, Any]) -> None:
        """Note options that `with_sites` does not have."""
        from gridopt.siting import with_sites  # pandapower takes seconds to import

        known = {*inspect.signature(with_sites).parameters} - {"study"}
        for key in sites.keys() - known:
            self.fault(f"{element}.sites", key, sites[key], f"one of {', '.join(sorted(known))}")

    def check_window(self, element: str, case: Case, study: Study) -> None:
        """Note what a window asks that the study does not have."""
        if case.window is None:
            return
        for key in {*case.window, *WINDOW} - {*case.window}.intersection(WINDOW):
            expected = "units, first and periods, all three and nothing else"
            self.fault(element, f"window.{key}", case.window.get(key), expected)
        units = case.window.get("units", [])
        for name in units if isinstance(units, list) else [units]:
            if name not in study.thermal.name:
                self.fault(element, "window.units", name, f"a unit of {study.name}")
        first, periods = case.window.get("first", 0), case.window.get("periods", 1)
        right = is_whole(first) and is_whole(periods) and first >= 0 and periods >= 1
        if not (right and first + periods <= study.n_periods):
            expected = f"within the {study.n_periods} periods of the case"
            self.fault(element, "window.first, periods", (first, periods), expected)

    def attempt(self, element: str, make_study: Callable[[], Study]) -> Study | None:
        """Return a study; note its faults where it has some."""
        try:
            return make_study()
        except StudyError as fault:
            for issue in fault.issues:
                self.fault(f"{element}: {issue.element}", issue.field, issue.value, issue.expected)
        except (GridoptError, TypeError, ValueError) as fault:
            self.fault(element, "source", str(fault), "a case that can be read")
        return None

    # --- formulations and solvers ---------------------------------------------------------

    def model(self, element: str, item: Mapping[str, Any]) -> Model | None:
        """Return a formulation with its options, checked."""
        name = item.get("name")
        options = {key: value for key, value in item.items() if key not in ("name", "label")}
        kind = self.kind(element, name, formulation_class)
        if kind is None:
            return None
        self.check_options(element, kind, str(name), options)
        return Model(self.label(element, item, "label", str(name)), str(name), options)

    def entry(
        self, element: str, item: Mapping[str, Any], cases: set[str], models: set[str]
    ) -> Entry | None:
        """Return a solver or peer with its options and what it runs on, checked."""
        is_peer = "peer" in item
        if is_peer == ("name" in item):
            self.fault(element, "name", item.get("name"), "either name, of a solver, or peer")
            return None
        name = item["peer" if is_peer else "name"]
        options = {
            key: None if value == NOTHING else value
            for key, value in item.items()
            if key not in OF_AN_ENTRY
        }
        if is_peer:
            if name not in peer_names():
                self.fault(element, "peer", name, f"one of {', '.join(peer_names())}")
                return None
            known = peer_options(name)
            for key in options.keys() - set(known):
                self.fault(element, key, options[key], f"one of {', '.join(known)}")
        else:
            kind = self.kind(element, name, solver_class)
            if kind is None:
                return None
            self.check_options(element, kind, name, options)
        limit_s = item.get("time_limit_s")
        return Entry(
            Contender(self.label(element, item, "label", name), name, options, is_peer),
            cases=self.labels(element, item, "cases", cases),
            models=self.labels(element, item, "formulations", models),
            seeds=self.seeds(element, item["seeds"]) if "seeds" in item else None,
            time_limit_s=limit_s and self.positive(element, "time_limit_s", limit_s),
        )

    def labels(
        self, element: str, item: Mapping[str, Any], key: str, known: set[str]
    ) -> tuple[str, ...] | None:
        """Return labels that the suite has; None where none are named."""
        if key not in item:
            return None
        names = item[key]
        if not isinstance(names, list):
            names = [names]
        for name in names:
            if name not in known:
                self.fault(element, key, name, f"one of {', '.join(sorted(known)) or 'none read'}")
        return tuple(names)

    def kind(self, element: str, name: Any, find: Callable[[str], type[Any]]) -> type[Any] | None:
        """Return the class of that name."""
        try:
            return find(name if isinstance(name, str) else repr(name))
        except GridoptError as fault:
            self.fault(element, "name", name, str(fault))
            return None

    def check_options(
        self, element: str, kind: type[Solver | Formulation], name: str, options: Mapping[str, Any]
    ) -> None:
        """Note options that are unknown or out of range, each by itself."""
        for option, value in options.items():
            # an option of a part is known once the part is named
            given = {key: options[key] for key in ("sampler",) if key in options}
            try:
                make(kind, name, {**given, option: value})  # type: ignore[type-var]
            except OptionError as fault:
                self.fault(element, option, value, fault.expected)
            except GridoptError as fault:  # such as a sampler that there is not
                self.fault(element, option, value, str(fault))


@dataclass(frozen=True)
class _CaseMaker:
    """Makes cases that differ in name and source."""

    system: Mapping[str, Any]
    sites: Mapping[str, Any] | None
    window: Mapping[str, Any] | None

    def __call__(self, name: str, source: str) -> Case:
        return Case(name, source, self.system, self.sites, self.window)
