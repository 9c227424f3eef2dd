"""What all parts of the UnitCommitment.jl reader share; see `unitcommitment_jl`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from gridopt.arrays import BoolArray, FloatArray
from gridopt.io.json_fields import JsonFields


@dataclass(frozen=True)
class Instance:
    """The file, its periods and buses, and what was assumed on the way.

    Parameters
    ----------
    top : JsonFields
        The whole file.
    periods : int
    period_h : float
    bus_at : dict of str to int
        Position of each bus.
    notes : list of str
        Assumptions.
    names : set of str
        Names that elements have.
    read : dict of str to list of JsonFields
        The parts of each section that was read.
    """

    top: JsonFields
    periods: int
    period_h: float
    bus_at: dict[str, int]
    notes: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    read: dict[str, list[JsonFields]] = field(default_factory=dict)

    def section(self, name: str) -> dict[str, JsonFields]:
        """Return the named parts of a section; none if the file has no such section."""
        parts = self.top.parts(name, default={})
        self.read[name] = list(parts.values())
        return parts

    def bus(self, part: JsonFields, name: str = "Bus") -> int:
        """Return the position of the bus that a field names; 0, with a note, if there is none."""
        text = part.text(name)
        if text and text not in self.bus_at:
            part.note(name, text, "the name of a bus")
        return self.bus_at.get(text, 0)

    def unique(self, name: str, kind: str) -> str:
        """Return a name that no other element has, and say so where that changes it."""
        chosen = f"{name} ({kind})" if name in self.names else name
        if chosen != name:
            self.notes.append(f"{kind} {name!r} is called {chosen!r}: the name is used twice")
        self.names.add(chosen)
        return chosen

    def shortage_cost(self, penalties: Iterable[float]) -> FloatArray:
        """Return prices an hour; a negative penalty means that nothing may be missing."""
        per_step = np.array(list(penalties), dtype=np.float64)
        return np.where(per_step < 0, np.inf, np.nan_to_num(per_step) / self.period_h)

    def note_unread(self) -> None:
        """Tell which fields of the parts the reader does not know."""
        for name, parts in self.read.items():
            counts = Counter(unread for part in parts for unread in part.unread())
            for unread, count in counts.items():
                self.notes.append(f"not used of the file: {unread!r} of {count} {name}")


def constant(part: JsonFields, name: str, values: FloatArray) -> float:
    """Return the value that all periods share; note it if they do not."""
    if not np.isnan(values).any() and (values != values[0]).any():
        part.note(name, f"{values.min():g} to {values.max():g}", "the same in all periods")
    return float(values[0])


def by_value(values: FloatArray) -> Iterator[tuple[float, BoolArray]]:
    """Yield each value and the periods that have it."""
    for value in np.unique(values):
        yield float(value), values == value
