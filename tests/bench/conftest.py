"""A small specification, and its rows."""

from __future__ import annotations

import pandas as pd
import pytest

from gridopt.bench.runner import Local, run_suite
from gridopt.bench.spec import read_suite
from gridopt.bench.store import Store

SPEC = """
name = "small"
time_limit_s = 30
seeds = [0, 1]
[[cases]]
source = "kazarlis10"
hours = 2
[[formulations]]
name = "unit_commitment"
[[solvers]]
name = "highs"
seeds = [0]
[[solvers]]
name = "neal"
form = "compact"
reads = 20
[[solvers]]
name = "tabu"
form = "compact"
reads = 10
restarts = 1
[[solvers]]
name = "exact"
seeds = [0]
"""
"""Six runs; the last one is refused, because it has too many bits."""


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("spec") / "small.toml"
    path.write_text(SPEC, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def undisturbed(spec: str, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return the rows of the specification as one run without trouble gives them."""
    path = tmp_path_factory.mktemp("undisturbed") / "a.duckdb"
    with Store.open(path, create=True) as store:
        run_suite(list(read_suite(spec).tasks()), spec, store, Local(2))
        return store.frame()
