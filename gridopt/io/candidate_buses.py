"""Which buses of a study are meant as candidates for batteries."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import IntArray
from gridopt.errors import Issue, StudyError
from gridopt.io.net_grid import read_grid
from gridopt.io.net_tables import flags
from gridopt.study import Study

Candidates = Sequence[int | str] | str | Path
"""Buses by index in the net or by name, or a CSV file with a column ``bus`` of these."""


def candidate_buses(study: Study, candidates: Candidates | None) -> IntArray:
    """Return the positions of candidate buses in the study's grid, (C,).

    Parameters
    ----------
    study : Study
    candidates : sequence or path, optional
        Indices of the net's buses, or names of the study's; a CSV file with a column ``bus``;
        every bus of the net where not given.

    Raises
    ------
    StudyError
        With every bus that is not there or out of service.
    """
    if candidates is None:
        own = {} if study.net is None else _positions(study)
        every = sorted(set(own.values())) or range(study.grid.n_buses)
        return np.array(every, dtype=np.int64)
    named = _listed(candidates)
    places = _positions(study) if study.net is not None else {}
    names = {name: place for place, name in enumerate(study.grid.bus_name)}
    found, issues = [], []
    for bus in named:
        key = _index(bus)
        place = names.get(str(bus), None if key is None else places.get(key))
        if place is None:
            issues.append(Issue(f"candidate {bus}", "bus", bus, _expected(study, key)))
        else:
            found.append(place)
    if issues:
        raise StudyError(issues)
    return np.array(found, dtype=np.int64)


def _listed(candidates: Candidates) -> Iterable[Any]:
    if not isinstance(candidates, str | Path):
        return list(candidates)
    try:
        table = pd.read_csv(candidates)
    except (OSError, ValueError) as fault:
        where = "candidates"
        expected = f"a CSV file with a column 'bus' ({fault})"
        raise StudyError([Issue(where, "file", str(candidates), expected)]) from fault
    if "bus" not in table:
        raise StudyError([Issue(str(candidates), "column", "missing", "a column 'bus'")])
    return list(table["bus"])


def _index(bus: Any) -> int | None:
    """Return the index in the net that a candidate may be: 7, "7" or "bus 7"."""
    text = str(bus).removeprefix("bus ")
    return int(text) if text.isdecimal() else None


def _positions(study: Study) -> dict[int, int]:
    return read_grid(copy.deepcopy(study.net), []).position


def _expected(study: Study, index: int | None) -> str:
    known = study.net is not None and index is not None and index in study.net.bus.index
    if known and not flags(study.net.bus.loc[[index]], "in_service", True)[0]:
        return "a bus in service"
    return "a bus of the grid, by its index in the net or its name"
