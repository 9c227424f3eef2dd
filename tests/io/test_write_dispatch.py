"""Writing one period of a schedule back into a net."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

from gridopt.arrays import FloatArray
from gridopt.errors import GridoptError
from gridopt.io.pandapower_net import read_pandapower
from gridopt.io.write_dispatch import EXTRA_LOAD, write_dispatch
from gridopt.placement import placed
from gridopt.results import Schedule
from gridopt.siting import with_sites
from gridopt.study import Study


@pytest.fixture
def net() -> Any:
    """Return a net with one element of each kind that is written."""
    net = pp.create_empty_network()
    first, second, third = (pp.create_bus(net, 110.0) for _ in range(3))
    for ends in ((first, second), (second, third)):
        pp.create_line_from_parameters(net, *ends, 1.0, 0.1, 0.4, 0.0, 1.0)
    pp.create_ext_grid(net, first, min_p_mw=0.0, max_p_mw=100.0)
    pp.create_gen(net, second, 20.0, min_p_mw=10.0, max_p_mw=60.0, scaling=0.5)
    pp.create_sgen(net, second, 5.0, q_mvar=2.0, scaling=0.5, controllable=True, max_p_mw=30.0)
    pp.create_sgen(net, third, 4.0, type="PV", controllable=True)
    pp.create_storage(
        net, third, 0.0, max_e_mwh=10.0, max_p_mw=5.0, min_p_mw=-5.0, soc_percent=50.0,
        controllable=True,
    )  # fmt: skip
    pp.create_load(net, second, 30.0, q_mvar=6.0, scaling=0.5)
    pp.create_load(net, second, 5.0, q_mvar=1.0)
    pp.create_load(net, second, 1000.0, in_service=False)
    pp.create_ward(net, second, ps_mw=2.0, qs_mvar=0.0, pz_mw=0.0, qz_mvar=0.0)
    for element in ("gen", "sgen", "ext_grid"):
        pp.create_poly_cost(net, 0, element, cp1_eur_per_mw=20.0)
    return net


def plan(study: Study, **values: Any) -> Schedule:
    """Return a schedule of zeros but for `values`."""
    T, B = study.n_periods, study.grid.n_buses

    def zeros(count: int) -> FloatArray:
        return np.zeros((count, T))

    arrays: dict[str, Any] = {
        "committed": zeros(len(study.thermal)),
        "power_mw": zeros(len(study.thermal)),
        "reserve_mw": np.zeros((0, len(study.thermal), T)),
        "renewable_mw": zeros(len(study.renewables)),
        "charge_mw": zeros(len(study.storage)),
        "discharge_mw": zeros(len(study.storage)),
        "soc_mwh": zeros(len(study.storage)),
        "import_mw": zeros(len(study.exchange)),
        "unserved_mw": zeros(B),
        "surplus_mw": zeros(B),
    }
    return Schedule(study, "dc", **(arrays | {k: np.asarray(v) for k, v in values.items()}))


def study_of(net: Any, **columns: Any) -> Study:
    length = max((len(value) for value in columns.values()), default=1)
    profile = pd.DataFrame({"period": range(length), **(columns or {"system": [1.0]})})
    return read_pandapower(net, profiles=profile)


def test_units_and_storage(net: Any) -> None:
    study = study_of(net, system=[1.0, 0.5])
    assert study.thermal.element == (("gen", 0), ("sgen", 0), ("ext_grid", 0))
    schedule = plan(
        study,
        committed=[[1, 0], [0, 1], [1, 0]],
        power_mw=[[15.0, 0.0], [0.0, 8.0], [7.0, 0.0]],
        renewable_mw=[[3.0, 1.0]],
        charge_mw=[[2.0, 0.0]],
        discharge_mw=[[0.0, 1.5]],
    )
    assert write_dispatch(net, schedule, 0) is net
    assert net.gen["in_service"].tolist() == [True]
    assert (net.gen["p_mw"] * net.gen["scaling"]).tolist() == [15.0]
    assert net.sgen["in_service"].tolist() == [False, True]
    assert (net.sgen["p_mw"] * net.sgen["scaling"]).tolist() == [0.0, 3.0]
    assert (net.sgen["q_mvar"] * net.sgen["scaling"]).tolist() == [1.0, 0.0]
    assert net.ext_grid["p_mw"].tolist() == [7.0]
    assert net.storage["p_mw"].tolist() == [2.0]
    write_dispatch(net, schedule, 1)
    assert net.gen["in_service"].tolist() == [False]
    assert net.sgen["in_service"].tolist() == [True, True]
    assert net.ext_grid["in_service"].tolist() == [True]
    assert net.storage["p_mw"].tolist() == [-1.5]


def test_loads_keep_their_power_factor(net: Any) -> None:
    study = study_of(net, system=[1.0, 0.5])
    schedule = plan(study)
    for period, factor in ((1, 0.5), (0, 1.0), (1, 0.5)):
        write_dispatch(net, schedule, period)
        served = net.load[net.load["in_service"]]
        assert (served["p_mw"] * served["scaling"]).tolist() == [15.0 * factor, 5.0 * factor]
        assert (served["q_mvar"] * served["scaling"]).tolist() == [3.0 * factor, 1.0 * factor]
    assert net.load.loc[2, "p_mw"] == 1000.0
    assert net.ward["ps_mw"].tolist() == [2.0]


def test_unserved_and_surplus_energy_change_the_load(net: Any) -> None:
    study = study_of(net)
    write_dispatch(net, plan(study, unserved_mw=[[0.0], [10.0], [0.0]]), 0)
    assert (net.load["p_mw"] * net.load["scaling"])[:2].sum() == pytest.approx(10.0)
    write_dispatch(net, plan(study, surplus_mw=[[0.0], [0.0], [4.0]]), 0)
    extra = net.load[net.load["name"] == EXTRA_LOAD]
    assert extra[["bus", "p_mw"]].to_numpy().tolist() == [[2, 4.0]]


def test_demand_at_a_bus_without_loads_becomes_a_load(net: Any) -> None:
    study = study_of(net, **{"bus 0": [3.0, 6.0]})
    schedule = plan(study)
    for period, demand in ((0, 3.0), (1, 6.0)):
        write_dispatch(net, schedule, period)
        assert net.load.loc[net.load["bus"] == 0, "p_mw"].tolist() == [demand]


def test_what_is_written_is_what_was_planned(net: Any) -> None:
    study = study_of(net)
    schedule = plan(
        study, committed=[[1], [1], [1]], power_mw=[[12.0], [2.0], [2.0]], renewable_mw=[[4.0]],
        charge_mw=[[1.0]],
    )  # fmt: skip
    write_dispatch(net, schedule, 0)
    pp.rundcpp(net)
    flow = schedule.flow_mw()[:, 0]
    assert net.res_line["p_from_mw"].tolist() == pytest.approx(flow.tolist())


def test_a_slack_gen_stays_in_service(net: Any) -> None:
    net.gen["slack"] = True
    study = study_of(net)
    write_dispatch(net, plan(study), 0)
    assert net.gen["in_service"].tolist() == [True]
    assert net.gen["p_mw"].tolist() == [0.0]


def test_other_nets_and_periods_are_refused(net: Any) -> None:
    study = study_of(net)
    with pytest.raises(GridoptError, match="no period 1"):
        write_dispatch(net, plan(study), 1)
    smaller = copy.deepcopy(net)
    smaller.gen = smaller.gen.iloc[:0]
    with pytest.raises(GridoptError, match="no gen 0"):
        write_dispatch(smaller, plan(study), 0)
    larger = copy.deepcopy(net)
    pp.create_bus(larger, 110.0)
    with pytest.raises(GridoptError, match="not the one"):
        write_dispatch(larger, plan(study), 0)


def placed_plan(make_tree: Callable[..., Study], make_modules: Callable[..., Any]) -> Schedule:
    """Return batteries of the tree: two modules at bus 4, one at bus 2, over three hours."""
    study = with_sites(make_tree((0.5, 1.0, 0.7), (20.0, 90.0, 60.0)), [4, 2], make_modules())
    built = placed(study, np.array([[0, 2], [1, 0]]), np.zeros((2, 2)))
    return plan(
        built,
        import_mw=[[4.0, 5.0, 4.0]],
        charge_mw=[[1.0, 0.0, 0.0], [0.5, 0.0, 0.25]],
        discharge_mw=[[0.0, 0.8, 0.1], [0.0, 0.25, 0.0]],
    )


def test_batteries_placed_become_storage(
    make_tree: Callable[..., Study],
    make_tree_net: Callable[[], Any],
    make_modules: Callable[..., Any],
) -> None:
    schedule, net = placed_plan(make_tree, make_modules), make_tree_net()
    assert write_dispatch(net, schedule, 0) is net
    assert net.storage["p_mw"].tolist() == [1.0, 0.5]  # + charges
    assert net.storage["bus"].tolist() == [4, 2]
    assert net.storage["name"].tolist() == ["large at end", "small at north"]
    assert net.storage["max_p_mw"].tolist() == [2.0, 0.5]
    assert net.storage["min_p_mw"].tolist() == [-2.0, -0.5]
    assert net.storage["max_e_mwh"].tolist() == [3.2, 1.0]
    assert net.storage["in_service"].all()
    assert net.ext_grid["p_mw"].tolist() == [4.0]
    write_dispatch(net, schedule, 1)  # the same batteries, in another hour
    assert net.storage["p_mw"].tolist() == [-0.8, -0.25]
    write_dispatch(net, schedule, 2)
    assert net.storage["p_mw"].tolist() == [-0.1, 0.25]


def test_power_flow_has_the_batteries(
    make_tree: Callable[..., Study],
    make_tree_net: Callable[[], Any],
    make_modules: Callable[..., Any],
) -> None:
    schedule, net = placed_plan(make_tree, make_modules), make_tree_net()
    bare = make_tree_net()
    bare.load[["p_mw", "q_mvar"]] *= 0.5
    write_dispatch(net, schedule, 0)
    for each in (net, bare):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # inside pandapower
            pp.runpp(each)
    more = float(net.res_ext_grid["p_mw"].iloc[0] - bare.res_ext_grid["p_mw"].iloc[0])
    lost = float(net.res_line["pl_mw"].sum() - bare.res_line["pl_mw"].sum())
    assert more == pytest.approx(1.5 + lost)
    assert lost > 0.0
    assert len(schedule.study.net.storage) == 0  # the study's own net is left alone
