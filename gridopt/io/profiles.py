"""Profiles: load, and power available, period by period.

A profile is a wide table with one row a period. When:

- ``time``: ISO 8601 time stamps with their zone, each the beginning of its period; or the
  frame's own `DatetimeIndex`; or
- ``period``: consecutive whole numbers.

What, any number of columns of

- ``system``: a factor for every load of the net,
- ``system_mw``: MW in total, shared as the net's loads are,
- ``load 3`` or the name of a load: MW,
- ``bus 7``: MW,
- ``gen 2``, ``sgen 2``: MW that are available.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.errors import Issue, StudyError, raise_if_any
from gridopt.io.unit_table import column_issues, csv_cells

_SHOWN = 5
_TOLERANCE_H = 1e-9
_HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, eq=False)
class Profiles:
    """Values by period, checked: no gap, no repetition, one step, numbers of at least 0.

    Parameters
    ----------
    time : pandas.Index, (T,)
        Period-beginning labels: a time-zone-aware `DatetimeIndex`, or period numbers.
    period_h : float
        Length of every period in hours.
    values : DataFrame, (T, columns)
        One column a profile, as in this module's docstring, indexed by `time`. Columns are not
        resolved against a net.
    source : str
        Where they came from, for messages.
    """

    time: pd.Index
    period_h: float
    values: pd.DataFrame
    source: str

    def __len__(self) -> int:
        return len(self.time)

    def window(self, start: int, hours: float | None) -> Profiles:
        """Return part of the profiles.

        Parameters
        ----------
        start : int
            Position of the first period, from 0.
        hours : float or None
            Length, a whole number of periods; None for all that follows.

        Raises
        ------
        StudyError
            There are not that many periods, or the length is not a whole number of periods.
        """
        asked = len(self) - start
        if hours is not None and math.isfinite(hours):
            asked = round(hours / self.period_h)
        raise_if_any(list(self._window_issues(start, hours, asked)))
        part = slice(start, start + asked)
        return Profiles(self.time[part], self.period_h, self.values.iloc[part], self.source)

    def _window_issues(self, start: int, hours: float | None, asked: int) -> Iterator[Issue]:
        count = len(self)
        if not 0 <= start < count:
            yield Issue(self.source, "start", start, f"0 to {count - 1}: there are {count} periods")
            return
        if hours is None:
            return
        if not (asked > 0 and abs(asked * self.period_h - hours) <= _TOLERANCE_H * asked):
            expected = f"a whole number of periods of {self.period_h:g} h, one at least"
            yield Issue(self.source, "hours", hours, expected)
        elif start + asked > count:
            yield Issue(
                self.source,
                "periods",
                f"{count - start} from period {start} on ({count} in all)",
                f"at least the {asked} asked for ({hours:g} h of {self.period_h:g} h each)",
            )


def read_profiles(
    source: pd.DataFrame | str | Path, *, period_h: float | None = None, tz: str | None = None
) -> Profiles:
    """Read and check profiles.

    Parameters
    ----------
    source : DataFrame, str or Path
        A table as in this module's docstring, or a CSV or Parquet file of one.
    period_h : float, optional
        Length of a period in hours. Time stamps state it by their step, and a different
        `period_h` is a fault; period numbers are hourly unless it is given.
    tz : str, optional
        Zone of time stamps that name none, such as ``"Europe/Berlin"``. Time stamps with a zone
        are converted to it.

    Returns
    -------
    Profiles

    Raises
    ------
    StudyError
        With every fault of the table.
    """
    table, where = _table(source)
    if table.index.name in ("time", "period") and table.index.name not in table.columns:
        table = table.reset_index()
    header = [str(column).strip() for column in table.columns]
    issues = [*column_issues(header, where), *_layout_issues(table, header, where)]
    if period_h is not None and not 0 < period_h < math.inf:
        issues.append(Issue(where, "period_h", period_h, "a number of hours above 0"))
        period_h = None
    raise_if_any([issue for issue in issues if issue.field.startswith("column")])
    table = table.set_axis(header, axis="columns")
    time, step_h, texts = _time(table, period_h, tz, where, issues)
    values = _values(table, texts, where, issues)
    raise_if_any(issues)
    return Profiles(time, step_h, values.set_axis(time, axis="index"), where)


def settled(
    given: Profiles | pd.DataFrame | str | Path, period_h: float | None, tz: str | None
) -> Profiles:
    """Return profiles that stand as they are, or else read them.

    Raises
    ------
    StudyError
        With every fault of the table; or `period_h` or `tz` is given and there is no table to read.
    """
    if not isinstance(given, Profiles):
        return read_profiles(given, period_h=period_h, tz=tz)
    expected = "none: it is said of a profile that is read from a table or file"
    unused = [("period_h", period_h), ("tz", tz)]
    raise_if_any([Issue(given.source, k, v, expected) for k, v in unused if v is not None])
    return given


def one_period(column: str) -> Profiles:
    """Return a stand-in of 0 for profiles that are at fault, so that the rest can be checked."""
    time = pd.RangeIndex(1)
    return Profiles(time, 1.0, pd.DataFrame({column: [0.0]}, index=time), "profiles")


# --- the table --------------------------------------------------------------------------------


def _table(source: pd.DataFrame | str | Path) -> tuple[pd.DataFrame, str]:
    if isinstance(source, pd.DataFrame):
        return source, "profiles"
    path = Path(source)
    where = f"profiles {path.name}"
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1" or path.suffix.lower() in (".parquet", ".pq")
        if is_parquet:
            return pd.read_parquet(path), where
        header, rows = csv_cells(path)
    # pyarrow's own exceptions derive from these.
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        fault = Issue(where, "file", f"unreadable ({reason})", "a CSV (UTF-8) or Parquet file")
        raise StudyError([fault]) from error
    return pd.DataFrame(rows, columns=pd.Index(header), dtype=object), where


def _time_columns(table: pd.DataFrame, header: Sequence[str]) -> list[str]:
    """Return where the table says when: columns, or else "index" for its own time index."""
    there = [name for name in ("time", "period") if name in header]
    return there or (["index"] if isinstance(table.index, pd.DatetimeIndex) else [])


def _layout_issues(table: pd.DataFrame, header: Sequence[str], where: str) -> Iterator[Issue]:
    found = _time_columns(table, header)
    if len(found) != 1:
        value = ", ".join(found or header) or "none"
        yield Issue(where, "columns", value, "time or period, one of them")
    values = [name for name in header if name not in ("time", "period")]
    if not values:
        expected = "at least one of system, system_mw, load N, bus N, gen N, sgen N, a load's name"
        yield Issue(where, "columns", "no values", expected)
    if "" in values:
        yield Issue(where, "column", "without a name", "a name for every column")
    if {"system", "system_mw"} <= set(header):
        yield Issue(where, "columns", "system and system_mw", "one of them")
    if not len(table):
        yield Issue(where, "rows", 0, "at least 1")


def _places(rows: IntArray, texts: Sequence[str]) -> str:
    """Name rows as the user sees them, the first few of them."""
    shown = ", ".join(f"row {r + 1} ({texts[r]})" for r in rows[:_SHOWN])
    return shown + (f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else "")


# --- values -----------------------------------------------------------------------------------


def _values(
    table: pd.DataFrame, texts: Sequence[str], where: str, issues: list[Issue]
) -> pd.DataFrame:
    columns: dict[str, FloatArray] = {}
    for name in table.columns:
        if name in ("time", "period"):
            continue
        numbers, wrong = _numbers(table[name])
        issues += _value_issues(table[name], numbers, wrong, f"{where}, column {name!r}", texts)
        columns[name] = numbers
    return pd.DataFrame(columns)


def _numbers(cells: pd.Series[Any]) -> tuple[FloatArray, BoolArray]:
    """Return the cells as numbers, and which of them are none; an empty cell becomes NaN."""
    if cells.dtype.kind in "iuf":
        return cells.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(cells), np.bool_)
    read = [_number(cell) for cell in cells]
    wrong = np.array([number is None for number in read], dtype=np.bool_)
    return np.array([np.nan if n is None else n for n in read], dtype=np.float64), wrong


def _number(cell: object) -> float | None:
    """Return a cell as a number, NaN where it is empty, None where it is something else."""
    if cell is None or cell is pd.NA or (isinstance(cell, str) and not cell.strip()):
        return math.nan
    if isinstance(cell, bool | np.bool_):
        return None
    try:
        return float(cast("float", cell))
    except (TypeError, ValueError):
        return None


def _value_issues(
    cells: pd.Series[Any],
    numbers: FloatArray,
    wrong: BoolArray,
    where: str,
    texts: Sequence[str],
) -> Iterator[Issue]:
    for found, what, expected in (
        (wrong, "not a number", "numbers"),
        (np.isnan(numbers) & ~wrong, "NaN or empty", "a number in every period"),
        (np.isinf(numbers), "infinite", "finite numbers"),
        (numbers < 0, "negative", "numbers of at least 0"),
    ):
        rows = np.flatnonzero(found)
        if len(rows):
            example = "" if what == "NaN or empty" else f", first {_quoted(cells.iloc[rows[0]])}"
            value = f"{what} in {_places(rows, texts)}{example}"
            yield Issue(where, "value", value, expected)


def _quoted(cell: object) -> str:
    return repr(cell) if isinstance(cell, str) else str(cell)


# --- time -------------------------------------------------------------------------------------


def _time(
    table: pd.DataFrame,
    period_h: float | None,
    tz: str | None,
    where: str,
    issues: list[Issue],
) -> tuple[pd.Index, float, list[str]]:
    """Return labels, step in hours and the labels' texts; after a fault, no labels that count."""
    if "period" in table.columns:
        return _numbered(table["period"], period_h, where, issues)
    zone = _zone(tz, where, issues)
    cells = table["time"] if "time" in table.columns else table.index.to_series()
    texts = [_stamp_text(cell) for cell in cells]
    index = _stamps(cells, texts, zone, tz, where, issues)
    if index is None:
        return pd.RangeIndex(len(table)), 1.0, texts
    return index, _step_h(index, period_h, texts, where, issues), texts


def _stamp_text(cell: object) -> str:
    return cell.strip() if isinstance(cell, str) else str(cell)


def _zone(tz: str | None, where: str, issues: list[Issue]) -> ZoneInfo | None:
    if tz is None:
        return None
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError):
        issues.append(Issue(where, "tz", repr(tz), "a zone's name, such as 'Europe/Berlin'"))
        return None


def _stamps(
    cells: pd.Series[Any],
    texts: Sequence[str],
    zone: ZoneInfo | None,
    tz: str | None,
    where: str,
    issues: list[Issue],
) -> pd.DatetimeIndex | None:
    """Return aware time stamps, or None where a fault leaves them without a meaning."""
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        index = pd.DatetimeIndex(cells)
        if not index.hasnans:
            return index.tz_convert(zone) if zone else index
    stamps = [_stamp(cell) for cell in cells]
    unread = np.flatnonzero([stamp is None for stamp in stamps])
    if len(unread):
        value = f"no time stamp in {_places(unread, texts)}"
        issues.append(Issue(where, "time", value, "ISO 8601, such as 2024-01-31T13:00+01:00"))
        return None
    read = cast("list[datetime]", stamps)
    naive = np.array([stamp.tzinfo is None for stamp in read], dtype=np.bool_)
    if naive.all():
        return _localized(read, texts, zone, tz, where, issues)
    if naive.any():
        value = f"no zone in {_places(np.flatnonzero(naive), texts)}"
        issues.append(Issue(where, "time", value, "the zone in every time stamp, or in none"))
        return None
    return _with_offsets(read, texts, zone, where, issues)


def _stamp(cell: object) -> datetime | None:
    if isinstance(cell, datetime):  # which NaT is too, though not at all times of checking
        return None if pd.isna(cell) else cell
    try:
        return datetime.fromisoformat(str(cell).strip())
    except ValueError:
        return None


def _localized(
    stamps: Sequence[datetime],
    texts: Sequence[str],
    zone: ZoneInfo | None,
    tz: str | None,
    where: str,
    issues: list[Issue],
) -> pd.DatetimeIndex | None:
    """Put naive time stamps into `zone`; hours that it lacks or has twice are faults."""
    if zone is None:
        if tz is None:  # an unknown tz has been reported
            value = f"no zone in {_places(np.arange(len(stamps)), texts)}"
            expected = "tz= with the name of the zone, or the zone in every time stamp (+01:00, Z)"
            issues.append(Issue(where, "time", value, expected))
        return None
    index = pd.DatetimeIndex(list(stamps))
    first = np.ones(len(index), dtype=np.bool_)
    missing = np.isnat(_utc(index.tz_localize(zone, ambiguous=first, nonexistent="NaT")))
    either = np.isnat(_utc(index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")))
    double = either & ~missing
    for found, what in ((missing, "does not exist"), (double, "is there twice")):
        rows = np.flatnonzero(found)
        if len(rows):
            value = f"a local time that {what} in {tz}: {_places(rows, texts)}"
            expected = "the zone in every time stamp (+01:00, Z), which leaves no doubt"
            issues.append(Issue(where, "time", value, expected))
    if missing.any() or double.any():
        return None
    return index.tz_localize(zone)


def _utc(index: pd.DatetimeIndex) -> npt.NDArray[np.datetime64]:
    return index.to_numpy(dtype="datetime64[ns]")


def _with_offsets(
    stamps: Sequence[datetime],
    texts: Sequence[str],
    zone: ZoneInfo | None,
    where: str,
    issues: list[Issue],
) -> pd.DatetimeIndex:
    """Join aware time stamps; a change of offset must be that of the zone."""
    index = pd.DatetimeIndex(pd.to_datetime(list(stamps), utc=True))
    offsets = [cast("timedelta", stamp.utcoffset()) for stamp in stamps]
    changes = 1 + np.flatnonzero([a != b for a, b in itertools.pairwise(offsets)])
    if not len(changes):
        fixed = stamps[0].tzinfo
        return index.tz_convert(zone or fixed)
    if zone is None:
        named = {getattr(stamp.tzinfo, "key", None) or str(stamp.tzinfo) for stamp in stamps}
        if len(named) == 1 and stamps[0].tzinfo is not None:
            return index.tz_convert(stamps[0].tzinfo)
        expected = "one offset, or tz= with the zone whose clock changes there"
    else:
        local = [stamp.astimezone(zone).utcoffset() for stamp in stamps]
        if local == offsets:
            return index.tz_convert(zone)
        expected = f"one offset, or those of {zone.key}"
    value = f"the zone changes from {_places(changes - 1, texts)} to {_places(changes, texts)}"
    issues.append(Issue(where, "time", value, expected))
    return index


def _step_h(
    index: pd.DatetimeIndex,
    period_h: float | None,
    texts: Sequence[str],
    where: str,
    issues: list[Issue],
) -> float:
    """Return the step of the time stamps in hours; report where it is not uniform."""
    if len(index) < 2:
        if period_h is None and len(index):
            expected = "period_h=, as one time stamp states no length"
            issues.append(Issue(where, "period_h", "not given", expected))
        return period_h or 1.0
    instants: IntArray = _utc(index).astype(np.int64)
    diffs: IntArray = instants[1:] - instants[:-1]
    ahead = diffs[diffs > 0]
    if not len(ahead):
        issues.append(Issue(where, "time", "never moves ahead", "rising time stamps"))
        return period_h or 1.0
    lengths, counts = np.unique(ahead, return_counts=True)
    step = int(lengths[counts.argmax()])
    step_h = step / _HOUR_NS
    issues += _step_issues(diffs, step, f"a step of {step_h:g} h", "time", texts, where)
    if period_h is not None and abs(period_h - step_h) > _TOLERANCE_H:
        expected = f"{step_h:g}, the step of the time stamps"
        issues.append(Issue(where, "period_h", period_h, expected))
    return step_h


def _step_issues(
    diffs: IntArray,
    step: int,
    expected: str,
    column: str,
    texts: Sequence[str],
    where: str,
) -> Iterator[Issue]:
    """Report repeated, backward, missing and uneven rows, each kind once."""
    beyond = diffs > step
    whole = diffs % step == 0
    for found, what in (
        (diffs == 0, "repeated"),
        (diffs < 0, "earlier than the row before"),
        (beyond & whole, "a gap before"),
        ((diffs > 0) & (diffs != step) & ~(beyond & whole), "an uneven step before"),
    ):
        rows = 1 + np.flatnonzero(found)
        if len(rows):
            value = f"{what}: {_places(rows, texts)}"
            if what == "a gap before":
                value += f", {int((diffs[rows - 1] // step - 1).sum())} periods missing"
            yield Issue(where, column, value, expected)


def _numbered(
    cells: pd.Series[Any], period_h: float | None, where: str, issues: list[Issue]
) -> tuple[pd.Index, float, list[str]]:
    texts = [f"period {_stamp_text(cell)}" for cell in cells]
    numbers, _ = _numbers(cells)
    bad = np.flatnonzero(~np.isfinite(numbers) | (numbers != np.round(numbers)))
    if len(bad):
        value = f"not a whole number in {_places(bad, texts)}"
        issues.append(Issue(where, "period", value, "whole numbers"))
        return pd.RangeIndex(len(cells)), period_h or 1.0, texts
    whole: IntArray = numbers.astype(np.int64)
    diffs: IntArray = whole[1:] - whole[:-1]
    issues += _step_issues(diffs, 1, "consecutive whole numbers", "period", texts, where)
    return pd.Index(whole, name="period"), period_h or 1.0, texts
