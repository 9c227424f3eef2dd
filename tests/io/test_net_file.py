"""Files are data: what a net does not need is refused before it is imported."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks
import pytest

from gridopt.errors import StudyError
from gridopt.io.net_file import load_net, refused_parts

TABLE = {"_module": "pandas.core.frame", "_class": "DataFrame", "orient": "split"}


@pytest.fixture(scope="module")
def saved() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text: str = pp.to_json(pandapower.networks.case9())
    return text


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the name of a module that must never be imported."""
    (tmp_path / "trap_of_gridopt.py").write_text("SPRUNG = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "trap_of_gridopt"
    assert "trap_of_gridopt" not in sys.modules
    sys.modules.pop("trap_of_gridopt", None)


def net_with(entry: object) -> dict[str, Any]:
    return {
        "_module": "pandapower.auxiliary",
        "_class": "pandapowerNet",
        "_object": {"bus": entry},
    }


def load_text(folder: Path, text: str) -> Any:
    file = folder / "net.json"
    file.write_text(text, encoding="utf-8")
    return load_net(file)


def refusal(folder: Path, content: object) -> str:
    with pytest.raises(StudyError) as error:
        load_text(folder, json.dumps(content))
    return str(error.value)


def test_a_saved_net_comes_back(saved: str, tmp_path: Path) -> None:
    net, notes = load_text(tmp_path, saved)
    assert not notes
    assert len(net.bus) == 9
    assert net.load["p_mw"].sum() == pytest.approx(315.0)


def hiding_places(bad: dict[str, Any]) -> dict[str, object]:
    """Return contents of a net in which an object can hide."""
    rows = {"columns": ["object"], "index": [0], "data": [[bad]]}
    text = json.dumps(rows)
    escaped = json.dumps(bad).replace("_module", "\\u005fmodule")
    return {
        "in the net": bad,
        "in a list": [1, [bad]],
        "in a table": {**TABLE, "_object": text},
        "in a table in a table": {
            **TABLE,
            "_object": json.dumps({**rows, "data": [[{**TABLE, "_object": text}]]}),
        },
        "in a text": json.dumps(bad),
        "in a text in a text": json.dumps(json.dumps(bad)),
        "in a text with escapes": escaped,
        "beside a harmless one": {**bad, "_state": {}},
        "in a controller": {
            "_module": "pandapower.control.controller.const_control",
            "_class": "ConstControl",
            "_object": {"net": bad},
        },
    }


@pytest.mark.parametrize("place", hiding_places({}))
@pytest.mark.parametrize("name", ["anything", "function", "method"])
def test_a_foreign_module_is_refused_wherever_it_hides(
    place: str, name: str, trap: str, tmp_path: Path
) -> None:
    bad = {"_module": trap, "_class": name, "_object": "SPRUNG"}
    message = refusal(tmp_path, net_with(hiding_places(bad)[place]))
    assert trap in message
    assert "pandapower, pandas, numpy, networkx, geojson, shapely" in message


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("subprocess", "run"),
        ("pandas_evil", "DataFrame"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy.core.records", "fromfile"),
        ("pandas", "read_pickle"),
        ("pandas", "eval"),
        ("pandas", "Index"),
        ("pandas.io.common", "os"),
        ("pandapower", "from_pickle"),
        ("pandapower.io_utils", "importlib"),
        ("pandapower.auxiliary", "ADict"),
        ("networkx", "read_gpickle"),
        ("geojson", "loads"),
        ("shapely", "from_wkb"),
        (None, "DataFrame"),
    ],
)
def test_what_no_net_needs_is_refused(module: str | None, name: str, tmp_path: Path) -> None:
    bad = {"_module": module, "_class": name, "_object": "x"}
    message = refusal(tmp_path, net_with(bad))
    assert str(module) in message
    assert "1 fault in" in message


@pytest.mark.parametrize("name", ["function", "method", "SplineCharacteristic"])
def test_objects_of_allowed_packages_are_refused(name: str, tmp_path: Path) -> None:
    bad = {"_module": "pandapower.toolbox", "_class": name, "_object": "drop_lines"}
    assert f"pandapower.toolbox.{name}" in refusal(tmp_path, net_with(bad))


@pytest.mark.parametrize(
    "table",
    [
        {**TABLE, "_object": "/etc/net.json"},
        {**TABLE, "_object": "{broken"},
        {**TABLE, "_object": 3},
        {**TABLE, "_object": "{}", "is_multiindex": True},
        {**TABLE, "_object": "{}", "compression": "zip"},
        {**TABLE, "_object": "{}", "storage_options": {}},
        {**TABLE, "_object": "{}", "dtype": {"a": "V8, (2,)f4"}},
        {**TABLE, "_object": "{}", "dtype": {"a": {"names": []}}},
    ],
)
def test_tables_that_are_more_than_tables_are_refused(
    table: dict[str, Any], tmp_path: Path
) -> None:
    assert "1 fault in" in refusal(tmp_path, net_with(table))


def test_a_key_twice_is_refused(trap: str, tmp_path: Path) -> None:
    text = json.dumps(net_with({})).replace(
        '"bus": {}', f'"bus": {{"_module": "{trap}", "_module": "numpy", "_class": "int64"}}'
    )
    with pytest.raises(StudyError, match="twice"):
        load_text(tmp_path, text)
    nested = '{"_module": "numpy", "_module": "os"}'
    with pytest.raises(StudyError, match="twice"):
        load_text(tmp_path, json.dumps(net_with(nested)))


def test_every_refused_part_is_named_once(tmp_path: Path) -> None:
    bad = [{"_module": name, "_class": "x"} for name in ("os", "sys", "os")]
    with pytest.raises(StudyError) as error:
        load_text(tmp_path, json.dumps(net_with(bad)))
    assert [issue.value for issue in error.value.issues] == ["os", "sys"]


def test_controllers_are_left_out_and_noted(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = pandapower.networks.case9()
        pp.control.ConstControl(net, "load", "p_mw", 0, profile_name=0)
        text = pp.to_json(net)
    loaded, notes = load_text(tmp_path, text)
    assert loaded.controller.empty
    assert notes == ("1 rows of the net's table 'controller' are not used",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "list"),
        ("3", "int"),
        ('{"a": 1}', "an object"),
        ('{"_module": "pandapower.auxiliary", "_class": "pandapowerNet"}', "_object"),
    ],
)
def test_what_is_no_net_is_one_fault(text: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError) as error:
        load_text(tmp_path, text)
    assert len(error.value.issues) == 1
    assert found in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="No such file"):
        load_net(tmp_path / "none.json")
    with pytest.raises(StudyError, match=r"expected \.json or \.m"):
        load_net(tmp_path / "net.p")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="not text"):
        load_net(tmp_path / "binary.json")
    with pytest.raises(StudyError, match="readable file"):
        load_net(tmp_path / "none.m")


def test_stock_nets_hold_nothing_that_is_refused() -> None:
    folder = Path(pandapower.networks.__file__).parent / "power_system_test_case_jsons"
    for name in ("case24_ieee_rts", "case118", "GBreducednetwork"):
        assert not list(refused_parts((folder / f"{name}.json").read_text("utf-8")))


# --- MATPOWER -----------------------------------------------------------------------------------

CASE = """function mpc = small
%SMALL  two buses
mpc.version = '2';
mpc.baseMVA = 100;
mpc.bus = [
    1 3 0   0 0 0 1 1 0 230 1 1.1 0.9;
    2 1 90 30 0 0 1 1 0 230 1 1.1 0.9;  % the load
];
mpc.gen = [ 1 0 0 300 -300 1 100 1 250 10 0 0 0 0 0 0 0 0 0 0 0 ];
mpc.branch = [
    1, 2, 0.01, 0.085, 0.176, 250, 250, 250, 0, 0, 1, -360, 360
];
mpc.gencost = [
    2 1500 0 3 0.11 5 150
];
mpc.bus_name = {
    'one';
    'two';
};
"""


def test_a_matpower_case(tmp_path: Path) -> None:
    file = tmp_path / "small.m"
    file.write_text(CASE)
    net, _ = load_net(file)
    assert net.load["p_mw"].tolist() == [90.0]
    assert net.ext_grid["max_p_mw"].tolist() == [250.0]
    assert net.poly_cost[["cp0_eur", "cp1_eur_per_mw", "cp2_eur_per_mw2"]].to_numpy().tolist() == [
        [150.0, 5.0, 0.11]
    ]
    rating = np.sqrt(3) * 230 * net.line["max_i_ka"].iloc[0]
    assert rating == pytest.approx(250.0)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("mpc.baseMVA = 100;", "", "mpc.baseMVA"),
        ("mpc.gen = [ 1 0", "mpc.gen = [ 1 x", "mpc.gen"),
        ("1 3 0   0 0", "1 3 0   0", "mpc.bus"),
        ("mpc.branch", "mpc.brunch", "mpc.branch"),
        ("mpc.bus_name", "mpc.bus(:, 3) = 2 * mpc.bus(:, 3);\nmpc.bus_name", "statement"),
        ("mpc.bus_name", "system('ls');\nmpc.bus_name", "statement"),
    ],
)
def test_matpower_faults(old: str, new: str, found: str, tmp_path: Path) -> None:
    file = tmp_path / "small.m"
    file.write_text(CASE.replace(old, new))
    with pytest.raises(StudyError) as error:
        load_net(file)
    assert len(error.value.issues) == 1
    assert found in error.value.issues[0].field
