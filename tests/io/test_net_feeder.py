"""What LinDistFlow knows of a net, against pandapower's power flow."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandapower as pp
import pandapower.networks
import pandas as pd
import pytest

from gridopt.arrays import FloatArray
from gridopt.io.net_grid import read_grid
from gridopt.io.pandapower_net import read_pandapower
from gridopt.study import Study

WORST_PU = 0.005
"""Largest difference of voltages to pandapower's, at the loads of the nets here."""


class Compared(NamedTuple):
    """LinDistFlow and pandapower on a net, without batteries."""

    vm_pu: FloatArray
    true_vm_pu: FloatArray
    loss_mw: float
    true_loss_mw: float

    @property
    def worst_pu(self) -> float:
        return float(np.abs(self.vm_pu - self.true_vm_pu).max())


def study_of(net: Any) -> Study:
    return read_pandapower(net, profiles=pd.DataFrame({"period": [0], "system": [1.0]}))


def compared(net: Any) -> Compared:
    study = study_of(net)
    feeder = study.radial
    p_mw = feeder.flows(study.demand_mw + study.grid.shunt_mw[:, np.newaxis])
    q_mvar = feeder.flows(feeder.reactive_demand_mvar(study.demand_mw))
    vm2 = feeder.vm2(p_mw, q_mvar, np.zeros((study.grid.n_buses, 1)))
    net = copy.deepcopy(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inside pandapower
        pp.runpp(net, calculate_voltage_angles=True)
    position = read_grid(copy.deepcopy(net), []).position
    lost = sum(float(net[f"res_{element}"]["pl_mw"].sum()) for element in ("line", "trafo"))
    rows = [position[bus] for bus in position]
    true = net.res_bus.loc[list(position), "vm_pu"].to_numpy()
    return Compared(np.sqrt(vm2[rows, 0]), true, float(feeder.loss_mw(p_mw, q_mvar)[0]), lost)


def station(
    fed_at_low_side: bool = False, charging: float = 0.0, shunt: float = 0.0, scale: float = 1.0,
    **trafo: object,
) -> Any:  # fmt: skip
    """Return a transformer and a line, fed from either end; all that takes power is scaled."""
    net = pp.create_empty_network()
    high, low, far = (pp.create_bus(net, kv) for kv in (110.0, 20.0, 20.0))
    source, load = (far, high) if fed_at_low_side else (high, far)
    pp.create_ext_grid(net, source, vm_pu=1.02, min_p_mw=0.0, max_p_mw=50.0)
    data: dict[str, object] = {
        "tap_pos": 2, "tap_side": "hv", "tap_neutral": 0, "tap_step_percent": 1.5,
        "tap_changer_type": "Ratio", "sn_mva": 25.0, "vn_hv_kv": 110.0, "vn_lv_kv": 20.0,
        "vkr_percent": 0.4, "vk_percent": 12.0, "pfe_kw": 0.0, "i0_percent": 0.0,
    }  # fmt: skip
    pp.create_transformer_from_parameters(net, high, low, **{**data, **trafo})
    pp.create_line_from_parameters(net, low, far, 5.0, 0.2, 0.3, scale * charging, 0.4)
    pp.create_load(net, load, 8.0 * scale, 3.0 * scale)
    pp.create_load(net, low, 2.0 * scale, 0.5 * scale)
    if shunt:
        pp.create_shunt(net, low, q_mvar=shunt * scale)
    pp.create_poly_cost(net, 0, "ext_grid", cp1_eur_per_mw=20.0)
    return net


def baran_wu(scale: float = 1.0) -> Any:
    net = pandapower.networks.case33bw()
    net.load["scaling"] = scale
    return net


NETS: dict[str, Callable[[float], Any]] = {
    "case33bw": baran_wu,
    "tap": lambda scale: station(scale=scale),
    "tap at the low side": lambda scale: station(scale=scale, tap_side="lv"),
    "fed at the low side, tap down": lambda scale: station(True, scale=scale, tap_pos=-3),
    "fed and tapped there": lambda scale: station(True, scale=scale, tap_side="lv"),
    "shunt and charging": lambda scale: station(False, 300.0, 2.0, scale),
    "capacitor and charging": lambda scale: station(True, 300.0, -3.0, scale),
}


@pytest.mark.parametrize("name", NETS)
def test_voltages_and_losses_are_near_pandapowers(name: str) -> None:
    found, tenth, idle = (compared(NETS[name](scale)) for scale in (1.0, 0.1, 1e-6))
    assert found.worst_pu <= WORST_PU
    assert found.loss_mw == pytest.approx(found.true_loss_mw, rel=0.2)
    # that is far less than what the power that flows makes of voltages
    assert np.abs(found.vm_pu - idle.vm_pu).max() > 4.0 * found.worst_pu
    # it falls about with the square of the loads; taps and the source alone are exact
    assert found.worst_pu / 300.0 < tenth.worst_pu < found.worst_pu / 60.0
    assert idle.worst_pu < 1e-9


def test_losses_of_case33bw() -> None:
    found = compared(baran_wu())
    assert found.true_loss_mw == pytest.approx(0.20268, rel=1e-3)  # Baran & Wu 1989: 202.68 kW
    assert found.loss_mw < found.true_loss_mw  # LinDistFlow's flows carry no losses
    assert compared(baran_wu(0.1)).loss_mw == pytest.approx(0.01 * found.loss_mw)


def test_without_shunt_and_charging_voltages_would_differ() -> None:
    """Mvar that do not follow demand are known: leaving them out would be seen."""
    plain, charged = compared(station()), compared(station(charging=300.0, shunt=2.0))
    assert np.abs(plain.vm_pu - charged.vm_pu).max() > 1e-3


def test_reactive_power_follows_demand_at_its_power_factor() -> None:
    net = station(charging=300.0, shunt=2.0)
    pp.create_sgen(net, 1, p_mw=0.5, q_mvar=0.2)
    pp.create_load(net, 1, p_mw=1.0, q_mvar=-0.1)
    pp.create_load(net, 1, p_mw=7.0, q_mvar=7.0, in_service=False)
    study = study_of(net)
    feeder = study.radial
    assert feeder.reactive_mvar_per_mw[1] == pytest.approx((0.5 - 0.1) / 3.0)
    assert feeder.reactive_mvar_per_mw[2] == pytest.approx(3.0 / 8.0)
    charging = 2 * np.pi * 50.0 * 300e-9 * 5.0 * 20.0**2  # Mvar of 5 km at 20 kV and 50 Hz
    fixed = feeder.reactive_mvar
    assert fixed[2] == pytest.approx(-charging / 2.0)
    assert fixed[1] == pytest.approx(2.0 - 0.2 - charging / 2.0)
    twice = feeder.reactive_demand_mvar(2.0 * np.array([[0.0], [3.0], [8.0]]))
    assert twice[:, 0] == pytest.approx([0.0, 0.8 + fixed[1], 6.0 + fixed[2]])


def test_the_band_is_the_narrowest_of_fused_buses() -> None:
    net = station()
    net.bus["min_vm_pu"], net.bus["max_vm_pu"] = [0.9, 0.92, np.nan], [1.1, np.nan, np.nan]
    fused = pp.create_bus(net, 20.0, min_vm_pu=0.95, max_vm_pu=1.05)
    pp.create_switch(net, 1, fused, "b")
    feeder = study_of(net).radial
    assert feeder.vm_min_pu.tolist() == [0.9, 0.95, -np.inf]
    assert feeder.vm_max_pu.tolist() == [1.1, 1.05, np.inf]
    assert feeder.source_vm_pu == 1.02


def ring(net: Any) -> None:
    pp.create_line_from_parameters(net, 2, 4, 1.0, 0.4, 0.35, 0.0, 0.3)


def second_source(net: Any) -> None:
    pp.create_ext_grid(net, 4, min_p_mw=0.0, max_p_mw=5.0)


def generator(net: Any) -> None:
    pp.create_gen(net, 3, 1.0, min_p_mw=0.0, max_p_mw=2.0)


def slack_generator(net: Any) -> None:
    net.ext_grid["in_service"] = False
    slack = pp.create_gen(net, 0, 1.0, min_p_mw=0.0, max_p_mw=50.0, slack=True)
    pp.create_poly_cost(net, slack, "gen", cp1_eur_per_mw=20.0)


@pytest.mark.parametrize("change", [ring, second_source, generator, slack_generator])
def test_no_feeder_where_the_grid_is_none(
    change: Callable[[Any], None], make_tree_net: Callable[[], Any]
) -> None:
    net = make_tree_net()
    change(net)
    assert study_of(net).feeder is None


def test_what_is_out_of_service_does_not_count(make_tree_net: Callable[[], Any]) -> None:
    net = make_tree_net()
    for change in (ring, second_source, generator):
        change(net)
    net.line.loc[4, "in_service"] = False
    net.ext_grid.loc[1, "in_service"] = False
    net.gen["in_service"] = False
    assert study_of(net).feeder is not None
