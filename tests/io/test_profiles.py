"""Profiles: what is read, what is refused, and windows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridopt.errors import StudyError
from gridopt.io.profiles import Profiles, read_profiles

BERLIN = "Europe/Berlin"


def faults(source: pd.DataFrame | Path, **options: Any) -> list[str]:
    with pytest.raises(StudyError) as caught:
        read_profiles(source, **options)
    return [str(issue) for issue in caught.value.issues]


def hours(start: str, count: int, tz: str | None) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=count, freq="h", tz=tz)


def frame(time: Any, name: str = "time") -> pd.DataFrame:
    times = list(time)
    return pd.DataFrame({name: times, "system": np.linspace(0.5, 1.0, len(times))})


# --- reading ----------------------------------------------------------------------------------


def test_reads_periods_hourly_unless_told() -> None:
    source = frame([5, 6, 7], "period")
    profiles = read_profiles(source)
    assert profiles.time.tolist() == [5, 6, 7]
    assert profiles.period_h == 1.0
    assert profiles.values["system"].tolist() == [0.5, 0.75, 1.0]
    assert profiles.values.index.equals(profiles.time)
    assert read_profiles(source, period_h=0.25).period_h == 0.25


def test_reads_csv_and_parquet_alike(tmp_path: Path) -> None:
    source = pd.DataFrame(
        {
            "time": [stamp.isoformat() for stamp in hours("2024-01-01", 3, "UTC")],
            "load 3": [1.0, 2.0, 3.5],
            "bus  7": [0.0, 1.0, 2.0],
        }
    )
    csv, parquet = tmp_path / "load.csv", tmp_path / "load.bin"
    source.to_csv(csv, index=False)
    source.to_parquet(parquet)
    one, other = read_profiles(csv), read_profiles(parquet)
    assert one.source == "profiles load.csv"
    assert isinstance(one.time, pd.DatetimeIndex)
    assert str(one.time.tz) == "UTC"
    assert list(one.values.columns) == ["load 3", "bus  7"]
    pd.testing.assert_frame_equal(one.values, other.values)


@pytest.mark.parametrize(
    "labels", [hours("2024-01-01", 4, BERLIN), pd.RangeIndex(4, name="period")]
)
def test_reads_what_it_wrote(tmp_path: Path, labels: pd.Index) -> None:
    path = tmp_path / "profiles.parquet"
    values = pd.DataFrame({"system_mw": [1.0, 2.0, 3.0, 4.0]}, index=labels.rename("period"))
    values.to_parquet(path)
    if isinstance(labels, pd.DatetimeIndex):
        values.index = labels.rename("time")
        values.to_parquet(path)
    again = read_profiles(path)
    assert again.time.tolist() == labels.tolist()
    assert again.values["system_mw"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_takes_the_index_of_a_frame() -> None:
    profiles = read_profiles(pd.DataFrame({"system": [1.0, 1.0]}, hours("2024-01-01", 2, BERLIN)))
    assert profiles.period_h == 1.0


@pytest.mark.parametrize(("day", "length"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_days_of_23_and_25_hours_are_legal(day: str, length: int) -> None:
    index = pd.date_range(day, periods=length, freq="h", tz=BERLIN)
    assert (index[-1] + pd.Timedelta("1h")).hour == 0
    assert len(read_profiles(frame(index))) == length
    written = frame(stamp.isoformat() for stamp in index)
    profiles = read_profiles(written, tz=BERLIN)
    assert profiles.time.tolist() == index.tolist()


def test_the_hours_of_a_frame_with_zones_as_objects() -> None:
    index = hours("2024-10-27", 25, BERLIN)
    assert len(read_profiles(frame(index.astype(object)))) == 25


def test_tz_localizes_and_converts() -> None:
    naive = read_profiles(frame(["2024-07-01T00:00", "2024-07-01T00:15"]), tz=BERLIN)
    aware = read_profiles(frame(["2024-06-30T22:00Z", "2024-06-30T22:15Z"]), tz=BERLIN)
    assert naive.time.tolist() == aware.time.tolist()
    assert naive.period_h == 0.25


def test_a_source_is_not_changed() -> None:
    source = frame([0, 1], "period")
    before = source.copy()
    read_profiles(source)
    pd.testing.assert_frame_equal(source, before)


# --- faults -----------------------------------------------------------------------------------


def test_all_faults_come_together() -> None:
    source = pd.DataFrame(
        {
            "time": [f"2024-01-01T{h}Z" for h in ("00:00", "01:00", "03:00", "03:00", "04:30")],
            "system": ["1", "", "a", "-1", "inf"],
        }
    )
    source.loc[5] = ["2024-01-01T05:30Z", "1"]
    source.loc[6] = ["2024-01-01T06:30Z", "1"]
    assert faults(source, period_h=0.5) == [
        "profiles: time = repeated: row 4 (2024-01-01T03:00Z), expected a step of 1 h",
        "profiles: time = a gap before: row 3 (2024-01-01T03:00Z), 1 periods missing, "
        "expected a step of 1 h",
        "profiles: time = an uneven step before: row 5 (2024-01-01T04:30Z), expected a step of 1 h",
        "profiles: period_h = 0.5, expected 1, the step of the time stamps",
        "profiles, column 'system': value = not a number in row 3 (2024-01-01T03:00Z), "
        "first 'a', expected numbers",
        "profiles, column 'system': value = NaN or empty in row 2 (2024-01-01T01:00Z), "
        "expected a number in every period",
        "profiles, column 'system': value = infinite in row 5 (2024-01-01T04:30Z), "
        "first 'inf', expected finite numbers",
        "profiles, column 'system': value = negative in row 4 (2024-01-01T03:00Z), "
        "first '-1', expected numbers of at least 0",
    ]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([0, 1, 4], "a gap before: row 3 (period 4), 2 periods missing"),
        ([0, 1, 1, 2], "repeated: row 3 (period 1)"),
        ([0, 1, 2, 1], "earlier than the row before: row 4 (period 1)"),
        ([0, 1, 2.5], "not a whole number in row 3 (period 2.5)"),
        ([0, "x", 2], "not a whole number in row 2 (period x)"),
        ([0, None, 2], "not a whole number in row 2 (period nan)"),
    ],
)
def test_refuses_period_numbers(numbers: list[Any], message: str) -> None:
    [found] = faults(frame(numbers, "period"))
    assert message in found


@pytest.mark.parametrize(
    ("stamps", "tz", "message"),
    [
        (["2024-01-01T00:00", "2024-01-01T01:00"], None, "expected tz= with the name of the zone"),
        (["2024-01-01T00:00Z", "2024-01-01T01:00"], None, "no zone in row 2 (2024-01-01T01:00)"),
        (["2024-01-01T00:00Z", "noon"], None, "no time stamp in row 2 (noon)"),
        (["2024-01-01T00:00Z", None], None, "no time stamp in row 2 (None)"),
        (["2024-01-01T01:00Z", "2024-01-01T00:00Z"], None, "never moves ahead"),
        (["2024-01-01T00:00Z"], None, "period_h = not given"),
        (["2024-01-01T00:00", "2024-01-01T01:00"], "Mars", "tz = 'Mars'"),
        (
            ["2024-03-31T01:00", "2024-03-31T02:00", "2024-03-31T03:00"],
            BERLIN,
            "a local time that does not exist in Europe/Berlin: row 2 (2024-03-31T02:00)",
        ),
        (
            ["2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T02:00", "2024-10-27T03:00"],
            BERLIN,
            "a local time that is there twice in Europe/Berlin: row 2 (2024-10-27T02:00), row 3",
        ),
        (
            ["2024-10-27T02:00+02:00", "2024-10-27T02:00+01:00"],
            None,
            "the zone changes from row 1 (2024-10-27T02:00+02:00) to row 2 "
            "(2024-10-27T02:00+01:00), expected one offset, or tz= with the zone",
        ),
        (
            ["2024-06-01T02:00+02:00", "2024-06-01T02:00+01:00"],
            BERLIN,
            "expected one offset, or those of Europe/Berlin",
        ),
    ],
)
def test_refuses_time_stamps(stamps: list[Any], tz: str | None, message: str) -> None:
    [found] = faults(frame(stamps), tz=tz)
    assert message in found


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (pd.DataFrame({"system": [1.0]}), "columns = system, expected time or period, one of them"),
        (
            pd.DataFrame({"time": [0], "period": [0], "system": [1.0]}),
            "columns = time, period, expected time or period, one of them",
        ),
        (pd.DataFrame({"period": [0]}), "columns = no values, expected at least one of system"),
        (pd.DataFrame({"period": [], "system": []}), "rows = 0, expected at least 1"),
        (
            pd.DataFrame({"period": [0], "system": [1.0], "system_mw": [1.0]}),
            "columns = system and system_mw, expected one of them",
        ),
        (
            pd.DataFrame([[0, 1, 2]], columns=["period", "bus 1", "bus 1"]),
            "column = 'bus 1' used 2 times, expected each column once",
        ),
        (
            pd.DataFrame({"period": [0], "system": [True]}),
            "value = not a number in row 1 (period 0), first True",
        ),
    ],
)
def test_refuses_tables(source: pd.DataFrame, message: str) -> None:
    [found] = faults(source)
    assert message in found


def test_refuses_a_period_of_no_length() -> None:
    expected = ["profiles: period_h = 0, expected a number of hours above 0"]
    assert faults(frame([0, 1], "period"), period_h=0) == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("load.csv", b"\xff\xfe\x00"),
        ("load.csv", b""),
        ("load.csv", b"period,system\n0,1,2\n"),
        ("load.parquet", b"period,system\n0,1\n"),
        ("load.csv", b"PAR1 and no more"),
    ],
)
def test_refuses_unreadable_files(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    [found] = faults(path)
    assert found.startswith(f"profiles {name}: file = unreadable (")


def test_refuses_missing_files_and_folders(tmp_path: Path) -> None:
    assert "No such file" in faults(tmp_path / "load.csv")[0]
    assert "directory" in faults(tmp_path)[0]


# --- windows ----------------------------------------------------------------------------------


@pytest.fixture
def day() -> Profiles:
    return read_profiles(frame(range(96), "period"), period_h=0.25)


def test_window(day: Profiles) -> None:
    part = day.window(8, 2.0)
    assert part.time.tolist() == list(range(8, 16))
    assert part.values.index.equals(part.time)
    assert part.period_h == 0.25
    assert len(day.window(90, None)) == 6


@pytest.mark.parametrize(
    ("start", "length", "message"),
    [
        (80, 8.0, "periods = 16 from period 80 on (96 in all), expected at least the 32 asked for"),
        (96, None, "start = 96, expected 0 to 95: there are 96 periods"),
        (-1, 1.0, "start = -1"),
        (0, 0.4, "hours = 0.4, expected a whole number of periods of 0.25 h"),
        (0, 0.0, "hours = 0.0"),
    ],
)
def test_refuses_windows(day: Profiles, start: int, length: float | None, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        day.window(start, length)
    [issue] = caught.value.issues
    assert message in str(issue)
