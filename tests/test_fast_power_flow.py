"""Fast AC power flows against pandapower's, case by case."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pytest

from gridopt.arrays import FloatArray, IntArray
from gridopt.errors import GridoptError
from gridopt.fast_power_flow import FastPowerFlow, Flows, sensitivities
from gridopt.io.net_ac_model import read_ac_model

N = 3


def two_slacks() -> Any:
    net = pn.case39()
    net.gen.loc[0, "slack"] = True
    pp.create_ext_grid(net, 10, vm_pu=1.01, va_degree=-5.0)
    pp.create_sgen(net, 10, p_mw=20.0)
    return net


def partly_out_of_service() -> Any:
    net = pn.case118()
    net.line.loc[[3, 50], "in_service"] = False
    net.gen.loc[5, "in_service"] = False
    pp.create_switch(net, int(net.line.at[20, "from_bus"]), 20, et="l", closed=False)
    lonely = pp.create_bus(net, 138.0)
    pp.create_load(net, lonely, p_mw=3.0)
    fused = pp.create_bus(net, 138.0)
    pp.create_switch(net, 2, fused, et="b", closed=True)
    pp.create_shunt(net, fused, q_mvar=-10.0, p_mw=1.0)
    dark = pp.create_bus(net, 138.0, in_service=False)
    pp.create_line_from_parameters(net, 2, dark, 1.0, 1.0, 1.0, 1.0, 0.5, in_service=False)
    return net


NETS: dict[str, Callable[[], Any]] = {
    "case33bw": pn.case33bw,
    "case118": pn.case118,
    "case39": pn.case39,
    "case_illinois200": pn.case_illinois200,
    "cigre_mv": lambda: pn.create_cigre_network_mv(with_der="pv_wind"),
    # three windings, phase shifts, fused buses, impedance, xward
    "multivoltage": pn.example_multivoltage,
    "two slacks": two_slacks,
    "partly out of service": partly_out_of_service,
}


def made(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inside pandapower
        return NETS[name]()


def runpp(net: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # inside pandapower
        pp.runpp(net, init="dc", tolerance_mva=1e-10, calculate_voltage_angles=True)
    return net


def injected(net: Any, bus: IntArray, p_mw: FloatArray, q_mvar: FloatArray) -> Any:
    """Return pandapower's solution of the net with these injections on top."""
    net = copy.deepcopy(net)
    pp.create_sgens(net, bus, p_mw=p_mw, q_mvar=q_mvar)
    return runpp(net)


def assert_same(flows: Flows, case: int, net: Any, flow: FastPowerFlow) -> None:
    assert flows.converged[case]
    buses = net.res_bus.loc[flow.bus]
    np.testing.assert_allclose(flows.vm_pu[case], buses["vm_pu"], atol=1e-6, rtol=0.0)
    np.testing.assert_allclose(flows.va_degree[case], buses["va_degree"], atol=1e-6, rtol=0.0)
    expected = [net[f"res_{kind}"].at[k, "loading_percent"] for kind, k in flow.branch]
    np.testing.assert_allclose(flows.loading_percent[case], expected, atol=1e-6, rtol=1e-6)
    loss = sum(net[f"res_{kind}"]["pl_mw"].sum() for kind in ("line", "trafo", "trafo3w"))
    loss += net.res_impedance["pl_mw"].sum()
    assert flows.loss_mw[case] == pytest.approx(loss, abs=1e-6)
    slack = net.res_ext_grid["p_mw"].sum()
    slack += net.res_gen.loc[net.gen["slack"].astype(bool), "p_mw"].sum()
    assert flows.slack_mw[case] == pytest.approx(slack, abs=1e-6)


def drawn(net: Any, buses: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return injections of the size of the net's smallest load."""
    rng = np.random.default_rng(seed)
    size = float(net.load["p_mw"].abs().replace(0.0, np.inf).min())
    return rng.normal(0.0, size, (N, buses)), rng.normal(0.0, size / 3.0, (N, buses))


@pytest.fixture(scope="module")
def radial() -> Any:
    return made("case33bw")


@pytest.fixture(scope="module")
def radial_flow(radial: Any) -> FastPowerFlow:
    return FastPowerFlow.of(radial)


@pytest.mark.parametrize("name", NETS)
def test_random_injections_give_what_runpp_gives(name: str) -> None:
    net = made(name)
    flow = FastPowerFlow.of(net)
    p_mw, q_mvar = drawn(net, len(flow.bus))
    flows = flow.solve(p_mw, q_mvar)
    for case in range(N):
        assert_same(flows, case, injected(net, flow.bus, p_mw[case], q_mvar[case]), flow)


@pytest.mark.parametrize("name", NETS)
def test_another_base_point_gives_the_same_cases(name: str) -> None:
    net = made(name)
    flow = FastPowerFlow.of(net)
    p_mw, q_mvar = drawn(net, len(flow.bus), seed=1)
    point = flow.at(p_mw[0], q_mvar[0])
    there, here = point.solve(p_mw - p_mw[0], q_mvar - q_mvar[0]), flow.solve(p_mw, q_mvar)
    assert there.converged.all()
    np.testing.assert_allclose(there.vm_pu, here.vm_pu, atol=1e-8)
    np.testing.assert_allclose(there.slack_mw, here.slack_mw, atol=1e-6)
    np.testing.assert_allclose(there.loss_mw, here.loss_mw, atol=1e-6)
    np.testing.assert_allclose(point.base.loss_mw[0], here.loss_mw[0], atol=1e-6)


def test_flows_at_both_ends(radial: Any, radial_flow: FastPowerFlow) -> None:
    solved = runpp(copy.deepcopy(radial)).res_line.loc[[k for _, k in radial_flow.branch]]
    base = radial_flow.base
    expected = solved["p_from_mw"] + 1j * solved["q_from_mvar"]
    np.testing.assert_allclose(base.from_mva[0], expected, atol=1e-8)
    lost = (base.from_mva[0] + base.to_mva[0]).real.sum()
    assert lost == pytest.approx(base.loss_mw[0], abs=1e-9)


def test_heavy_injections_need_newton_and_agree(radial: Any, radial_flow: FastPowerFlow) -> None:
    p_mw = np.zeros((3, len(radial_flow.bus)))
    p_mw[:, 17] = -2.4, 10.0, 12.0
    flows = radial_flow.solve(p_mw)
    for case in range(3):
        net = injected(radial, radial_flow.bus, p_mw[case], 0.0 * p_mw[case])
        assert_same(flows, case, net, radial_flow)


def test_many_cases_in_parts_are_those_of_one(radial_flow: FastPowerFlow) -> None:
    rng = np.random.default_rng(3)
    p_mw = rng.normal(0.0, 0.05, (3000, len(radial_flow.bus)))
    flows = radial_flow.solve(p_mw)
    assert flows.converged.all()
    for case in (0, 1985, 1986, 2999):
        one = radial_flow.solve(p_mw[[case]])
        np.testing.assert_allclose(flows.vm_pu[case], one.vm_pu[0], atol=1e-10)


def test_a_case_that_does_not_converge_is_marked(radial: Any, radial_flow: FastPowerFlow) -> None:
    p_mw = np.zeros((3, len(radial_flow.bus)))
    p_mw[0, 5], p_mw[1, 17], p_mw[2, 20] = 0.3, -500.0, -0.2
    flows = radial_flow.solve(p_mw)
    assert flows.converged.tolist() == [True, False, True]
    for found in (flows.vm_pu, flows.va_degree, flows.loading_percent):
        assert np.isnan(found[1]).all()
    assert np.isnan([flows.loss_mw[1], flows.slack_mw[1]]).all()
    for case in (0, 2):
        net = injected(radial, radial_flow.bus, p_mw[case], 0.0 * p_mw[case])
        assert_same(flows, case, net, radial_flow)
    with pytest.raises(GridoptError, match="1 of 3 base points do not converge, the first are 1"):
        radial_flow.at_each(p_mw)


@pytest.mark.parametrize("name", ["case33bw", "case118"])
def test_a_net_that_does_not_converge_is_told(name: str) -> None:
    net = made(name)
    net.load["p_mw"] *= 100.0
    with pytest.raises(GridoptError, match=r"does not converge: the largest mismatch .* MVA"):
        FastPowerFlow.of(net)


@pytest.mark.parametrize(
    ("table", "column"), [("bus", "vm_pu"), ("line", "p_from_mw"), ("trafo", "q_lv_mvar"),
                          ("line", "loading_percent"), ("line", "pl_mw"), ("ext_grid", "p_mw")],
)  # fmt: skip
def test_another_result_of_pandapower_is_told(table: str, column: str) -> None:
    solved = read_ac_model(made("case39"))
    results = solved.net[f"res_{table}"]
    results.loc[results.index[0], column] += 1e-2
    with pytest.raises(GridoptError, match=r"differs from pandapower's in .*: use runpp"):
        FastPowerFlow.checked(solved)


def test_the_net_is_left_alone_and_its_options_are_ignored(radial: Any) -> None:
    net = copy.deepcopy(radial)
    pp.set_user_pf_options(net, max_iteration=1)
    flow = FastPowerFlow.of(net)
    assert net.res_bus.empty
    assert net.user_pf_options["max_iteration"] == 1
    assert_same(flow.base, 0, runpp(copy.deepcopy(radial)), flow)


def test_loads_that_depend_on_voltage_are_refused(radial: Any) -> None:
    net = copy.deepcopy(radial)
    net.load["const_z_p_percent"] = 50.0
    with pytest.raises(GridoptError, match="depend on voltage"):
        FastPowerFlow.of(net)


def test_devices_that_move_admittances_are_refused(radial: Any) -> None:
    net = copy.deepcopy(radial)
    pp.create_svc(net, 17, 1.0, -10.0, 0.95, 144.0)
    with pytest.raises(GridoptError, match="does not take svc"):
        FastPowerFlow.of(net)


def test_a_net_without_a_slack_is_told(radial: Any) -> None:
    net = copy.deepcopy(radial)
    net.ext_grid["in_service"] = False
    with pytest.raises(GridoptError, match="pandapower cannot run the net"):
        FastPowerFlow.of(net)


def test_a_net_of_slacks_alone_is_refused() -> None:
    net = pp.create_empty_network()
    pp.create_ext_grid(net, pp.create_bus(net, 20.0))
    with pytest.raises(GridoptError, match="slack buses alone"):
        FastPowerFlow.of(net)


def test_what_is_no_bus_or_has_another_shape_is_told(radial_flow: FastPowerFlow) -> None:
    with pytest.raises(GridoptError, match="no bus 99 in service"):
        radial_flow.position([3, 99])
    with pytest.raises(GridoptError, match=r"p_mw has the shape \(2, 3\), expected \(2, 33\)"):
        radial_flow.solve(np.zeros((2, 3)))
    with pytest.raises(GridoptError, match="q_mvar has the shape"):
        radial_flow.solve(np.zeros((2, 33)), np.zeros((1, 33)))


def test_sensitivities_are_differences_of_power_flows() -> None:
    net = made("case39")
    flow = FastPowerFlow.of(net)
    hours, _ = drawn(net, len(flow.bus), seed=2)
    p_mw, q_mvar = np.array([20.0, -15.0, 0.0]), np.array([0.0, 4.0, 3.0])
    buses = [3, 8, 27]
    found = sensitivities(flow.at_each(hours), buses, p_mw, q_mvar, pairs=True, threads=2)

    def with_modules(h: int, *at: int) -> Any:
        p, q = hours[h].copy(), np.zeros(len(flow.bus))
        for place in flow.position(at):
            p[place], q[place] = p[place] + p_mw[h], q[place] + q_mvar[h]
        return injected(net, flow.bus, p, q)

    def loss(solved: Any) -> float:
        return float(solved.res_line["pl_mw"].sum() + solved.res_trafo["pl_mw"].sum())

    assert found.converged.all()
    assert found.pair_loss_mw is not None
    for h in range(len(p_mw)):
        none = with_modules(h)
        assert found.base_loss_mw[h] == pytest.approx(loss(none), abs=1e-6)
        one = [with_modules(h, bus) for bus in buses]
        for i, solved in enumerate(one):
            assert found.loss_mw[i, h] == pytest.approx(loss(solved) - loss(none), abs=1e-6)
            vm_pu = (solved.res_bus["vm_pu"] - none.res_bus["vm_pu"]).loc[flow.bus]
            np.testing.assert_allclose(found.vm_pu[i, h], vm_pu, atol=1e-6)
            loading = [
                solved[f"res_{kind}"].at[k, "loading_percent"]
                - none[f"res_{kind}"].at[k, "loading_percent"]
                for kind, k in flow.branch
            ]
            np.testing.assert_allclose(found.loading_percent[i, h], loading, atol=1e-6)
        for i, j in ((0, 1), (2, 1), (2, 2)):
            both = loss(with_modules(h, buses[i], buses[j]))
            expected = both - loss(one[i]) - loss(one[j]) + loss(none)
            assert found.pair_loss_mw[i, j, h] == pytest.approx(expected, abs=1e-6)
            assert found.pair_loss_mw[j, i, h] == found.pair_loss_mw[i, j, h]


def test_sensitivities_need_one_module_an_hour(radial_flow: FastPowerFlow) -> None:
    with pytest.raises(GridoptError, match="1 base points, 2 p_mw"):
        sensitivities([radial_flow], [3], np.ones(2))
    with pytest.raises(GridoptError, match="0 base points"):
        sensitivities([], [3], np.ones(0))


def test_a_module_that_the_net_cannot_carry_is_marked(radial_flow: FastPowerFlow) -> None:
    found = sensitivities([radial_flow, radial_flow], [5, 17], np.array([-500.0, 0.1]), pairs=True)
    assert found.converged.tolist() == [[False, True], [False, True]]
    assert found.pair_loss_mw is not None
    assert np.isnan(found.loss_mw[:, 0]).all()
    assert np.isfinite(found.pair_loss_mw[:, :, 1]).all()
