"""SimBench grids by their codes: profiles, reactive power, prices, and the cache."""

from __future__ import annotations

import copy
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

import gridopt
from gridopt.errors import NotInstalledError, StudyError, UnknownNameError
from gridopt.io.cases import load_case
from gridopt.io.simbench_net import LOAD_Q_MVAR, PRICE_PER_MWH, cache_folder, read_simbench

MISSING = find_spec("simbench") is None
needs_simbench = pytest.mark.skipif(MISSING, reason="the package 'simbench' is not installed")

RURAL = "1-LV-rural1--0-sw"
"""The smallest grid: 15 buses."""

STORING = "1-LV-rural1--1-sw"
"""The same with storage."""

MIDSUMMER = 174 * 96
"""The first quarter hour of June 23, by the profiles' own numbers."""


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the user's cache alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))


def original(code: str) -> tuple[Any, dict[tuple[str, str], Any]]:
    """Return the net and the absolute profiles as the package itself gives them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import simbench

        net = simbench.get_simbench_net(code)
        values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    return net, values


@pytest.mark.skipif(not MISSING, reason="the package 'simbench' is installed")
@pytest.mark.parametrize("read", [read_simbench, lambda code: load_case(f"simbench:{code}")])
def test_without_the_package(read: Any) -> None:
    with pytest.raises(NotInstalledError, match="pip install simbench"):
        read(RURAL)


@pytest.mark.parametrize("given", ["", "relative/folder"])
def test_the_cache_is_where_xdg_says(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/gridopt/simbench")


@needs_simbench
def test_a_day_has_the_profiles_of_the_package() -> None:
    net, values = original(RURAL)
    study = read_simbench(RURAL, start=MIDSUMMER)
    day = slice(MIDSUMMER, MIDSUMMER + 96)
    assert (study.name, study.period_h, study.n_periods) == (RURAL, 0.25, 96)
    load = values["load", "p_mw"].to_numpy()[day]
    assert study.total_demand_mw == pytest.approx(load.sum(axis=1))
    infeed = values["sgen", "p_mw"].to_numpy()[day]
    assert study.renewables.p_max_mw == pytest.approx(infeed.T)
    assert (study.renewables.p_min_mw == study.renewables.p_max_mw).all()
    assert study.renewables.element == tuple(("sgen", i) for i in net.sgen.index)
    assert len(study.thermal) == len(study.storage) == 0


@needs_simbench
def test_time_is_that_of_the_stamps() -> None:
    stamps = original(RURAL)[0].profiles["load"]["time"]
    year = read_simbench(RURAL, hours=None)
    times = pd.DatetimeIndex(year.time).strftime("%d.%m.%Y %H:%M")
    assert list(times) == list(stamps)  # at the changes of the clock too


@needs_simbench
def test_start_is_a_period_or_a_time() -> None:
    by_number = read_simbench(RURAL, start=MIDSUMMER + 48 - 4, hours=1.0)  # an hour was lost
    by_time = read_simbench(RURAL, start="2016-06-23 12:00", hours=1.0)
    assert by_time.fingerprint() == by_number.fingerprint()
    assert str(by_time.time[0]) == "2016-06-23 12:00:00+02:00"


@needs_simbench
def test_hours_are_means_of_their_quarters() -> None:
    quarters = read_simbench(RURAL, start="2016-06-23")
    hours = read_simbench(RURAL, start="2016-06-23", period_h=1.0)
    assert hours.n_periods == 24
    assert hours.demand_mw == pytest.approx(quarters.demand_mw.reshape(-1, 24, 4).mean(axis=2))


@needs_simbench
def test_reactive_power_is_kept_and_its_ratio_is_the_nearest() -> None:
    values = original(RURAL)[1]
    study = read_simbench(RURAL, start=MIDSUMMER)
    day = slice(MIDSUMMER, MIDSUMMER + 96)
    p, q = (values["load", column].to_numpy()[day] for column in ("p_mw", "q_mvar"))
    assert study.net[LOAD_Q_MVAR].to_numpy() == pytest.approx(q)
    ratio = (study.net.load["q_mvar"] / study.net.load["p_mw"]).to_numpy()
    best = [np.linalg.lstsq(p[:, [i]], q[:, i])[0][0] for i in range(p.shape[1])]
    assert ratio == pytest.approx(best)
    assert any("reactive power" in note for note in study.assumptions)


@needs_simbench
def test_storage_follows_its_profile_only_if_asked_to() -> None:
    values = original(STORING)[1]["storage", "p_mw"].to_numpy()[:96]
    without = read_simbench(STORING)
    assert len(without.storage) == 0
    assert f"{values.shape[1]} storage units are left out" in without.assumptions
    followed = read_simbench(STORING, storage=True)
    added = followed.renewables.p_max_mw.sum(axis=0) - without.renewables.p_max_mw.sum(axis=0)
    assert added == pytest.approx(-values.sum(axis=1))
    assert followed.demand_mw == pytest.approx(without.demand_mw)


@needs_simbench
def test_prices() -> None:
    study = read_simbench(RURAL, hours=1.0)
    assert (study.exchange.price_per_mwh == PRICE_PER_MWH).all()
    assert any("no prices" in note for note in study.assumptions)
    study = read_simbench(RURAL, hours=1.0, price_per_mwh=[10.0, 20.0, 30.0, -5.0])
    assert study.exchange.price_per_mwh.tolist() == [[10.0, 20.0, 30.0, -5.0]]
    assert not any("no prices" in note for note in study.assumptions)


@needs_simbench
def test_the_study_solves_and_its_power_flow_converges() -> None:
    study = read_simbench(RURAL, start="2016-06-23 12:00", hours=1.0)
    run = gridopt.solve(study, "unit_commitment", "highs", network="dc")
    net_mw = study.total_demand_mw - study.renewables.p_max_mw.sum(axis=0)
    assert run.cost == pytest.approx(PRICE_PER_MWH * 0.25 * net_mw.sum())
    assert run.schedule is not None
    assert gridopt.power_flow(study, run.schedule).converged.all()


@needs_simbench
def test_what_is_kept_is_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = read_simbench(RURAL)
    files = sorted(path.name for path in cache_folder().rglob("*") if path.is_file())
    assert files == ["net.json", "profiles.parquet"]
    second = read_simbench(RURAL)
    assert first.fingerprint() == second.fingerprint()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # None and NaN, which pandas will tell apart
        assert pp.toolbox.nets_equal(first.net, second.net)


@needs_simbench
@pytest.mark.parametrize("damaged", ["net.json", "profiles.parquet"])
def test_a_damaged_cache_is_made_anew(
    damaged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = read_simbench(RURAL)
    (file,) = cache_folder().rglob(damaged)
    whole = file.stat().st_size
    file.write_text("{", encoding="utf-8")
    assert read_simbench(RURAL).fingerprint() == first.fingerprint()
    assert file.stat().st_size == whole


@needs_simbench
def test_a_cache_that_cannot_be_written_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gridopt").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert read_simbench(RURAL, hours=1.0).n_periods == 4


@needs_simbench
@pytest.mark.parametrize(
    ("code", "near"), [("1-MV-urbn--0-sw", "1-MV-urban--0-sw"), ("../1-LV", "1-LV")]
)
def test_unknown_code(code: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown SimBench code .*{near}"):
        read_simbench(code)


@needs_simbench
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"period_h": 0.4}, "period_h"),
        ({"period_h": np.inf}, "period_h"),
        ({"start": 35136}, "start"),
        ({"start": "2017-01-01"}, "start"),
        ({"start": "2016-03-27 02:00"}, "start"),  # the hour that is not there
        ({"start": "noon"}, "start"),
        ({"hours": 0.3}, "hours"),
        ({"price_per_mwh": [1.0, 2.0]}, "price_per_mwh"),
        ({"price_per_mwh": np.nan}, "price_per_mwh"),
    ],
)
def test_faults(given: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_simbench(RURAL, **given)
    assert [issue.field for issue in caught.value.issues] == [field]


@needs_simbench
def test_as_a_case() -> None:
    study = load_case(f"simbench:{RURAL}", start=96, hours=2.0, period_h=0.5)
    same = read_simbench(RURAL, start=96, hours=2.0, period_h=0.5)
    assert study.fingerprint() == same.fingerprint()
    assert load_case(f"simbench:{RURAL}").n_periods == 96
    with pytest.raises(StudyError) as caught:
        load_case(f"simbench:{RURAL}", units="typical", tz="UTC", period_h=-1.0)
    assert [issue.field for issue in caught.value.issues] == ["units", "tz", "period_h"]


@needs_simbench
def test_transformers_side_by_side_make_no_cycle() -> None:
    code = "1-MV-rural--0-sw"
    study = read_simbench(code, start="2016-07-25 12:00", hours=1, period_h=1.0)
    assert study.feeder is not None
    assert study.grid.n_branches == study.grid.n_buses - 1
    assert "2 transformers that are alike, side by side, are one" in study.assumptions[-1]
    apart = copy.deepcopy(study.net)
    apart.trafo["parallel"], apart.trafo["in_service"] = 1, True
    together = copy.deepcopy(study.net)
    for net in (apart, together):
        pp.runpp(net)
    expected = apart.res_bus["vm_pu"].to_numpy()
    assert together.res_bus["vm_pu"].to_numpy() == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert together.res_ext_grid["p_mw"].sum() == pytest.approx(apart.res_ext_grid["p_mw"].sum())
