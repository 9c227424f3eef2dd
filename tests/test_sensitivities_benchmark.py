"""Fast power flows beside pandapower's: one row for each peer, and both agree."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandapower.networks as networks
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "sensitivities", raising=False)
    return import_module("sensitivities")


@pytest.mark.filterwarnings("ignore")
def test_rows_compare_the_same_power_flows(benchmark_module: ModuleType) -> None:
    rows = list(benchmark_module.rows(networks.case14(), hours=2, module_mw=5.0, sample=2))
    assert [row.peer for row in rows] == ["runpp", "runpp, recycled", "runpp, pairs"]
    assert [row.flows for row in rows] == [2 * 15, 2 * 15, 2 * (105 + 15)]
    for row in rows:
        apart = [row.loss_mw, row.vm_pu, row.loading_percent]
        assert np.nanmax(apart) < 1e-6
        assert row.times == pytest.approx(row.peer_s / row.gridopt_s)


def test_the_table_is_printed(
    benchmark_module: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark_module.main(["--net", "case9", "--hours", "1", "--sample", "0"])
    printed = capsys.readouterr().out
    assert "runpp, recycled" in printed
    assert "runpp, pairs" not in printed
