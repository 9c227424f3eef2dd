"""Time series of an RTS-GMLC source folder; see `rts_gmlc`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray
from gridopt.errors import Issue
from gridopt.io.csv_rows import label, members
from gridopt.io.json_fields import JsonFields

SIMULATION = "DAY_AHEAD"

DATE = ["Year", "Month", "Day"]
PERIOD = "Period"

Stamp = tuple[int, int, int, int]
"""Year, month, day and period of the day, which counts from 1."""


@dataclass
class Series:
    """The day-ahead series of a folder over the hours of the study.

    Parameters
    ----------
    source : Path
        The folder ``SourceData``.
    start : int or str
        First period, counted from the beginning of the data; or its date, as ``2020-07-06``.
    periods : int
        How many periods.
    issues : list of Issue
        Where faults are noted.
    """

    source: Path
    start: int | str
    periods: int
    issues: list[Issue]
    first: int = 0
    stamps: list[Stamp] | None = None
    _files: dict[Path, pd.DataFrame | None] = field(default_factory=dict)
    _pointers: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def point(self, rows: list[JsonFields]) -> None:
        """Take up where each series is: rows of ``timeseries_pointers.csv``."""
        for row in rows:
            if row.content["Simulation"] == SIMULATION:
                names = (label(row.content[c]) for c in ("Category", "Object", "Parameter"))
                category, name, parameter = names
                for each in members(name):  # several objects may share a row
                    self._pointers[category, each, parameter] = row.text("Data File")

    def has(self, category: str, name: str, parameter: str) -> bool:
        """Whether there is such a series."""
        return (category, name, parameter) in self._pointers

    def values(self, category: str, name: str, parameter: str) -> FloatArray:
        """Return one series, (T,), in the units of its file; NaN, with a note, if at fault."""
        nothing = np.full(self.periods, np.nan)
        path = self._path(self._pointers[category, name, parameter])
        if path is None:
            return nothing
        table = self._window(path)
        if table is None:
            return nothing
        column = name if name in table else table.columns[0] if len(table.columns) == 1 else None
        if column is None:
            self._note(path, f"column {name}", "missing", f"a column for {category} {name}")
            return nothing
        numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        for t in np.flatnonzero(~np.isfinite(numbers)):
            where = f"column {column}, {shown(table.index[int(t)])}"
            self._note(path, where, table[column].iloc[t], "a number")
        return np.where(np.isfinite(numbers), numbers, np.nan)

    def _note(self, path: Path, name: str, value: object, expected: str) -> None:
        self.issues.append(Issue(path.name, name, value, expected))

    def _path(self, data_file: str) -> Path | None:
        """Return the file that a pointer names, which must lie in the folder."""
        root = self.source.parent.resolve()
        for base in (self.source, root):
            path = (base / data_file.replace("\\", "/")).resolve()
            if path.is_file() and path.is_relative_to(root):
                return path
        expected = "a file in the folder of the source"
        self.issues.append(Issue("timeseries_pointers.csv", "Data File", data_file, expected))
        return None

    def _window(self, path: Path) -> pd.DataFrame | None:
        """Return the rows of the study's periods, indexed by stamp."""
        if path not in self._files:
            self._files[path] = self._read(path)
        return self._files[path]

    def _read(self, path: Path) -> pd.DataFrame | None:
        try:
            table = pd.read_csv(path, dtype=object, encoding="utf-8-sig", skipinitialspace=True)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            self._note(path, "file", str(error).splitlines()[0][:80], "comma-separated values")
            return None
        missing = [name for name in DATE if name not in table]
        if missing:
            self._note(path, "columns", f"no {', '.join(missing)}", f"{', '.join(DATE)} and data")
            return None
        long = self._by_period(path, table)
        return None if long is None else self._cut(path, long)

    def _by_period(self, path: Path, table: pd.DataFrame) -> pd.DataFrame | None:
        """Return one row a period; a file may have one row a day and a column a period instead."""
        if PERIOD not in table:
            table = table.melt(DATE, var_name=PERIOD, value_name=path.stem)
        times = table[[*DATE, PERIOD]].apply(pd.to_numeric, errors="coerce")
        if times.isna().to_numpy().any():
            line = int(np.flatnonzero(times.isna().to_numpy().any(axis=1))[0]) + 2
            self._note(path, f"line {line}", "no date and period", "whole numbers")
            return None
        stamps = pd.MultiIndex.from_frame(times.astype(np.int64))
        return table.drop(columns=[*DATE, PERIOD]).set_index(stamps).sort_index()

    def _cut(self, path: Path, table: pd.DataFrame) -> pd.DataFrame | None:
        """Return the periods of the study; the first file read says which these are."""
        if self.stamps is None:
            first = self._first(path, table)
            if first is None:
                return None
            self.first = first
            part = table.iloc[first : first + self.periods]
            if len(part) < self.periods:
                self._note(
                    path,
                    "periods",
                    f"{len(table)}, up to {shown(table.index[-1])}",
                    f"{self.periods} from {shown(table.index[first])}",
                )
                return None
            self.stamps = list(part.index)
            self._check_calendar(path, int(table.index.get_level_values(PERIOD).max()))
            return part
        lacking = [stamp for stamp in self.stamps if stamp not in table.index]
        if lacking:
            found = f"{len(lacking)} missing, first {shown(lacking[0])}"
            self._note(path, "periods", found, "every period of the study")
            return None
        part = table.loc[self.stamps]
        if len(part) != self.periods:
            self._note(path, "periods", "some twice", "every period once")
            return None
        return part

    def _first(self, path: Path, table: pd.DataFrame) -> int | None:
        if isinstance(self.start, int):
            if 0 <= self.start < len(table):
                return self.start
            self._note(path, "start", self.start, f"0 to {len(table) - 1}")
            return None
        days = [f"{year:04d}-{month:02d}-{day:02d}" for year, month, day, _ in table.index]
        if self.start in days:
            return days.index(self.start)
        self._note(path, "start", self.start, f"a day from {days[0]} to {days[-1]}")
        return None

    def _check_calendar(self, path: Path, per_day: int) -> None:
        """Note a date that is none, and a gap or a double in the periods of the study."""
        stamps = self.stamps or []
        frame = pd.DataFrame(stamps, columns=["year", "month", "day", "period"])
        dates = pd.to_datetime(frame[["year", "month", "day"]], errors="coerce")
        number = (dates - dates.iloc[0]).dt.days * per_day + frame["period"]
        for t in np.flatnonzero(~(number.diff().iloc[1:] == 1))[:1]:
            found = f"{shown(stamps[t])}, then {shown(stamps[t + 1])}"
            self._note(path, "periods", found, "one period after the other")


def shown(stamp: Stamp) -> str:
    """Return a stamp as messages show it."""
    year, month, day, period = stamp
    return f"{year:04d}-{month:02d}-{day:02d} period {period}"
