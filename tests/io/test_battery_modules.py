"""Catalogues of battery modules: the shipped one, and tables with faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridopt.errors import Issue, StudyError, UnknownNameError
from gridopt.io.battery_modules import COLUMNS, read_modules


def table(**columns: object) -> pd.DataFrame:
    """Return a catalogue of two modules, some columns replaced; those of None are left out."""
    data: dict[str, object] = {
        "name": ["small", "large"],
        "power_mw": [0.5, 1.0],
        "energy_mwh": [1.0, 4.0],
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.95,
        "depth_of_discharge": 0.8,
        "lifetime_years": [10, 20],
        "investment_cost": [1000.0, 3000.0],
        "fixed_om_cost_per_year": [10.0, 30.0],
        "degradation_cost_per_mwh": 2.0,
    }
    data |= columns
    return pd.DataFrame({name: value for name, value in data.items() if value is not None})


def faults(source: pd.DataFrame | str | Path, *names: str) -> tuple[Issue, ...]:
    with pytest.raises(StudyError) as found:
        read_modules(names or None, source)
    return found.value.issues


def test_the_shipped_catalogue() -> None:
    found = read_modules()
    assert len(found) == len(set(found.name)) >= 5
    assert list(found.issues()) == []
    assert (found.investment_cost > 0).all()
    assert (found.annual_cost > found.investment_cost / 15.0).all()
    assert read_modules(["li_ion_1mw_4h", "li_ion_0.1mw_2h"]).energy_mwh.tolist() == [4.0, 0.2]


def test_names_give_the_order_and_count_once() -> None:
    found = read_modules(["large", "small", "large"], table())
    assert found.name == ("large", "small")
    assert found.power_mw.tolist() == [1.0, 0.5]
    assert read_modules(None, table()).name == ("small", "large")


@pytest.mark.parametrize("rate", [0.0, 0.07])
def test_yearly_cost_is_annuity_and_upkeep(rate: float) -> None:
    found = read_modules(None, table(), rate)
    for years, invested, upkeep, yearly in zip(
        (10, 20), (1000.0, 3000.0), (10.0, 30.0), found.annual_cost, strict=True
    ):
        factor = 1.0 / years if rate == 0.0 else rate / (1.0 - (1.0 + rate) ** -years)
        assert yearly == pytest.approx(factor * invested + upkeep)


def test_seven_percent_is_the_default() -> None:
    assert np.array_equal(
        read_modules(None, table()).annual_cost, read_modules(None, table(), 0.07).annual_cost
    )


@pytest.mark.parametrize("rate", [-0.01, np.nan])
def test_interest_below_zero(rate: float) -> None:
    with pytest.raises(StudyError, match=r"battery modules: interest = .*, expected at least 0"):
        read_modules(None, table(), rate)


def test_a_file_is_read_like_a_table(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "mine.csv", index=False)
    for path in (tmp_path / "mine.csv", str(tmp_path / "mine.csv")):
        found = read_modules(["large"], path)
        assert found.energy_mwh.tolist() == [4.0]
        assert found.annual_cost[0] == read_modules(["large"], table()).annual_cost[0]


def test_unknown_modules_and_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown battery module 'smal'; did you mean small"
    ):
        read_modules(["large", "smal"], table())
    with pytest.raises(UnknownNameError, match=r"did you mean li_ion_0.1mw_2h, li_ion_0.25mw_2h"):
        read_modules(["li_ion"])
    with pytest.raises(UnknownNameError, match=r"'xyz'; known are large, small"):
        read_modules(["xyz"], table())


def test_every_missing_column_is_named() -> None:
    found = faults(table(power_mw=None, lifetime_years=None))
    assert [(issue.element, issue.field, issue.expected) for issue in found] == [
        ("battery modules", "column", "a column 'power_mw'"),
        ("battery modules", "column", "a column 'lifetime_years'"),
    ]


def test_a_file_without_a_column(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    table(name=None).to_csv(file, index=False)
    (issue,) = faults(file)
    assert (issue.element, issue.expected) == (str(file), "a column 'name'")
    file.write_text("nonsense\n1\n", encoding="utf-8")
    assert len(faults(file)) == len(COLUMNS)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\xd8,\x01", b'name,"power\n1,2,3\n4'])
def test_what_is_no_csv(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_bytes(content)
    (issue,) = faults(file)
    assert (issue.element, issue.field, issue.value) == ("battery modules", "table", str(file))
    assert issue.expected.startswith("a CSV file (")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        (issue,) = faults(path)
        assert issue.value == str(path)
        assert issue.expected.startswith("a CSV file (")


def test_every_bad_number_is_told_at_once() -> None:
    bad = table(
        power_mw=["much", 1.0], lifetime_years=[10, 0], investment_cost=[1.0, None], name=["a", "b"]
    )
    assert {(issue.element, issue.field) for issue in faults(bad)} == {
        ("battery modules, module a", "power_mw"),
        ("battery modules, module b", "lifetime_years"),
        ("battery modules, module b", "investment_cost"),
    }


def test_what_no_module_can_be_is_told_at_once() -> None:
    bad = table(power_mw=[0.0, -1.0], charge_efficiency=[1.1, 0.0])
    found = [(issue.element, issue.field, issue.value) for issue in faults(bad)]
    assert found == [
        ("module small", "power_mw", 0.0),
        ("module small", "charge_efficiency", 1.1),
        ("module large", "power_mw", -1.0),
        ("module large", "charge_efficiency", 0.0),
    ]


def test_a_name_used_twice() -> None:
    found = faults(table(name=["same", "same"]), "same")
    assert [(issue.field, issue.value, issue.expected) for issue in found] == [
        ("name", "used twice", "a unique name")
    ]
