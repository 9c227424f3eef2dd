"""The database of runs: what it keeps, what it refuses, and what a full disk leaves of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gridopt.bench.columns import COLUMNS
from gridopt.bench.store import Store, StoreError
from gridopt.errors import StudyError


def row(key: str, **values: Any) -> dict[str, Any]:
    return {"run_key": key, "suite": "s", "case_name": "c", "status": "done", **values}


def test_columns_have_different_names_and_known_types() -> None:
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)


def test_rows_come_back(tmp_path: Path) -> None:
    trace = [{"elapsed_s": 1.0, "cost": None}]
    with Store.open(tmp_path / "a.duckdb", create=True) as store:
        store.add(row("1", cost=2.5, feasible=True, trace=trace, started_at="2026-01-02T03:04:05"))
        store.add(row("2", status="failed", error="it's ; DROP TABLE runs"))
    with Store.open(tmp_path / "a.duckdb") as store:
        frame = store.frame().set_index("run_key")
        assert store.keys() == {"1", "2"}
        assert store.keys("failed") == {"2"}
    assert list(store_columns()) == ["run_key", *frame.columns]
    assert frame.loc["1", "cost"] == 2.5
    assert frame.loc["1", "trace"] == '[{"cost": null, "elapsed_s": 1.0}]'
    assert str(frame.loc["1", "started_at"]) == "2026-01-02 03:04:05"
    assert frame.loc["2", "error"] == "it's ; DROP TABLE runs"


def store_columns() -> Iterator[str]:
    return (column.name for column in COLUMNS)


def test_a_key_is_written_once_and_can_be_forgotten(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a.duckdb", create=True) as store:
        store.add(row("1", cost=1.0))
        store.add(row("1", cost=2.0))
        assert store.frame()["cost"].tolist() == [1.0]
        store.remove({"1"})
        store.remove(set())
        assert store.keys() == set()


def test_a_database_that_was_left_empty_is_taken_up(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "a.duckdb")).close()
    with Store.open(tmp_path / "a.duckdb", create=True) as store:
        assert store.keys() == set()


def test_no_database(tmp_path: Path) -> None:
    with (
        pytest.raises(StudyError, match="a database of benchmark runs"),
        Store.open(tmp_path / "gone.duckdb"),
    ):
        pass


def other_table(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE runs (run_key VARCHAR)")


def older_columns(path: Path) -> None:
    with Store.open(path, create=True):
        pass
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN gap")


def text(path: Path) -> None:
    path.write_text("case,gap\n" * 1000, encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (other_table, "a database that gridopt bench made"),
        (older_columns, "column gap = DOUBLE, expected the columns of this version"),
        (text, "a DuckDB database that can be opened"),
        (Path.mkdir, "a DuckDB database that can be opened"),
    ],
)
def test_foreign_databases_are_refused_and_left_alone(
    tmp_path: Path, make: Any, expected: str
) -> None:
    path = tmp_path / "foreign.duckdb"
    make(path)
    before = path.stat().st_size
    with pytest.raises(StudyError, match=expected), Store.open(path, create=True):
        pass
    assert path.stat().st_size == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(StudyError, match="can be opened"),
        Store.open(tmp_path / "gone" / "a.duckdb", create=True),
    ):
        pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S603, S607


def test_a_full_disk_loses_no_finished_row(small_disk: Path) -> None:
    path = small_disk / "a.duckdb"
    written: list[str] = []

    def fill(store: Store) -> None:
        for number in range(10_000):
            store.add(row(str(number), error=os.urandom(30_000).hex()))
            written.append(str(number))

    with (
        Store.open(path, create=True) as store,
        pytest.raises(StoreError, match=r"takes no more rows .* the rows before are kept"),
    ):
        fill(store)
    assert len(written) > 5
    with Store.open(path) as store:
        assert store.keys() == set(written)


def test_a_full_disk_from_the_start(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(2 * 2**20))
    path = small_disk / "a.duckdb"
    with pytest.raises(StudyError, match="store: path"), Store.open(path, create=True):
        pass
    assert not path.exists()
