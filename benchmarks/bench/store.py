"""The database of runs: one table in DuckDB, a row a run, each written as soon as it is there.

DuckDB writes a transaction to its log before it says that it is done, so that what is killed, or
meets a full disk, loses no finished row.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from gridopt.bench.columns import COLUMNS
from gridopt.errors import GridoptError, Issue, StudyError

TABLE = "runs"

MARK = "gridopt benchmark, form 2"
"""Comment of the table: a database without it is not ours."""


class StoreError(GridoptError):
    """The database takes no more rows; says why, and that those before are kept."""


class Store:
    """A database of runs, open for as long as the object is.

    Use it as a context: ``with Store.open(path) as store: …``.
    """

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection

    @staticmethod
    @contextmanager
    def open(path: Path, *, create: bool = False) -> Iterator[Store]:
        """Open a database, checked; with `create`, make it where there is none.

        Raises
        ------
        StudyError
            Where there is none, it is not ours, it is in use, or it cannot be written.
        """
        made = not path.exists()
        if made and not create:
            raise StudyError([Issue("store", "path", str(path), "a database of benchmark runs")])
        connection = None
        try:
            connection = duckdb.connect(str(path), read_only=not create)
            if create and _is_empty(connection):
                _make_table(connection)
        except duckdb.Error as fault:
            if connection is not None:
                connection.close()
            if made:
                _forget(path)
            expected = f"a DuckDB database that can be opened and written ({_first_line(fault)})"
            raise StudyError([Issue("store", "path", str(path), expected)]) from fault
        try:
            _check(connection, path)
            yield Store(path, connection)
        finally:
            connection.close()

    def keys(self, status: str | None = None) -> set[str]:
        """Return the keys of the runs that are there, or of those with a status."""
        where = "" if status is None else "WHERE status = ?"
        values = [] if status is None else [status]
        found = self._connection.execute(f"SELECT run_key FROM {TABLE} {where}", values)  # noqa: S608
        return {key for (key,) in found.fetchall()}

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row; one whose key is there already changes nothing.

        Raises
        ------
        StoreError
            Where it cannot be written.
        """
        values = [_value(row.get(column.name), column.sql) for column in COLUMNS]
        marks = ", ".join("?" for _ in COLUMNS)
        try:
            self._connection.execute(
                f"INSERT INTO {TABLE} VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
                values,
            )
        except duckdb.Error as fault:
            raise StoreError(
                f"store {self.path} takes no more rows ({_first_line(fault)}); the rows before "
                "are kept, and the same command goes on from there"
            ) from fault

    def remove(self, keys: set[str]) -> None:
        """Forget runs, so that they are done again."""
        self._connection.execute(
            f"DELETE FROM {TABLE} WHERE list_contains(?, run_key)",  # noqa: S608
            [sorted(keys)],
        )

    def frame(self) -> pd.DataFrame:
        """Return all rows, sorted by what they ask; columns of JSON hold text."""
        order = "suite, case_name, formulation, solver, seed, run_key"
        return self._connection.execute(f"SELECT * FROM {TABLE} ORDER BY {order}").df()  # noqa: S608


def _is_empty(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a database holds nothing: it is new, or was left before it had its table."""
    return not connection.execute("SELECT 1 FROM duckdb_tables()").fetchall()


def _make_table(connection: duckdb.DuckDBPyConnection) -> None:
    columns = ", ".join(f"{column.name} {column.sql}" for column in COLUMNS)
    connection.execute("BEGIN")
    connection.execute(f"CREATE TABLE {TABLE} ({columns}, PRIMARY KEY (run_key))")
    connection.execute(f"COMMENT ON TABLE {TABLE} IS '{MARK}'")
    connection.execute("COMMIT")
    connection.execute("CHECKPOINT")


def _forget(path: Path) -> None:
    """Remove what is left of a database that could not be made."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)


def _check(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise unless the database is one of ours with the columns of today."""
    query = "SELECT comment FROM duckdb_tables() WHERE table_name = ?"
    found = connection.execute(query, [TABLE]).fetchall()
    issues = []
    if found != [(MARK,)]:
        issues.append(Issue("store", "path", str(path), "a database that gridopt bench made"))
    else:
        query = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?"
        there = set(connection.execute(query, [TABLE]).fetchall())
        for name, kind in sorted({(c.name, c.sql) for c in COLUMNS} ^ there):
            expected = "the columns of this version of gridopt: use a new database"
            issues.append(Issue(f"store {path}", f"column {name}", kind, expected))
    if issues:
        raise StudyError(issues)


def _value(value: Any, sql: str) -> Any:
    """Return what DuckDB takes: JSON as text, a time as it is."""
    if value is None:
        return None
    if sql == "JSON":
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if sql == "TIMESTAMP":
        return datetime.datetime.fromisoformat(value)
    return value


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0]
