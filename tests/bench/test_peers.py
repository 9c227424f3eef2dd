"""Peers answer, and what they claim is compared with what the verifier says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridopt
from gridopt.bench import environments
from gridopt.bench.environments import ADAPTERS, ensure_environment, groups, installed
from gridopt.bench.naive_qubo import NAIVE, in_steps
from gridopt.bench.peers import (
    PeerAnswer,
    as_schedule,
    false_claims,
    peer_group,
    peer_names,
    peer_options,
    run_peer,
    with_tangents,
)
from gridopt.bench.spec import read_suite
from gridopt.bench.worker import outcome
from gridopt.elements import CostCurve, StartupCost
from gridopt.errors import OptionError, PeerError, StudyError, UnknownNameError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.requirements import Reserves
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

SCRIPTED = [name for name in peer_names() if name not in NAIVE]


def tiny(reserve_mw: float = 0.0) -> Study:
    """Return two hours of two units: 20 MW, then 30 MW, which need both."""
    given = gridopt.kazarlis()
    units = given.thermal.picked(np.array([0, 5]))
    ones = np.ones(2)
    units = replace(
        units,
        p_min_mw=10.0 * ones,
        p_max_mw=20.0 * ones,
        min_up_time_h=ones,
        min_down_time_h=ones,
        initial_status_h=np.array([1.0, -1.0]),
        cost=(
            CostCurve((10.0, 20.0), (100.0, 200.0)),
            CostCurve((10.0, 20.0), (150.0, 300.0)),
        ),
        startup_cost=(StartupCost((0.0,), (20.0,)),) * 2,
    )
    return replace(
        given.during(0, 2),
        thermal=units,
        demand_mw=np.array([[20.0, 30.0]]),
        reserves=Reserves.spinning(np.full(2, reserve_mw)),
        fixed_status=np.full((1, 1), -1),
    )


OPTIMUM = 200.0 + 200.0 + 150.0 + 20.0
"""By hand: the first unit at 20 MW in both hours, the second starts in the second hour."""


def environment_of(name: str) -> None:
    """Skip where a peer's environment is not there: a test installs nothing from a network."""
    group = peer_group(name)
    if group is not None and installed(group) is None:
        pytest.skip(f"{group} is not in $GRIDOPT_PEERS or the cache; a benchmark makes it")


def test_every_peer_has_a_group_or_is_ours_to_run() -> None:
    assert set(peer_names()) == {*SCRIPTED, *NAIVE}
    assert {peer_group(name) for name in peer_names()} == {None, *groups()}
    assert {"pyomo-reference", "linopy-reference", "pypsa-commitment"} <= set(SCRIPTED)


@pytest.mark.parametrize("name", ["dimod-neal", "openjij-sa", "openjij-sqa", "qiskit-numpy"])
def test_naive_qubos_find_a_tiny_optimum(name: str) -> None:
    if name.startswith("openjij"):
        pytest.importorskip("openjij")
    study = tiny()
    answer = run_peer(name, study, {"step_mw": 10.0}, 0, 60.0)
    assert answer.reason_not_applicable is None
    assert answer.claimed_feasible
    assert answer.claimed_cost == pytest.approx(OPTIMUM)
    assert answer.claimed_bound is None
    assert answer.false_claims == ()
    assert answer.plan is not None
    verdict = gridopt.verify(study, answer.plan)
    assert verdict.is_feasible
    assert verdict.total_cost == pytest.approx(OPTIMUM)
    assert answer.details["bits"] > 8
    assert answer.versions


def test_qaoa_answers_an_hour() -> None:
    study = tiny().during(0, 1)
    answer = run_peer("qiskit-qaoa", study, {"step_mw": 10.0, "iterations": 5}, 0, 60.0)
    assert answer.plan is not None
    assert answer.false_claims == ()
    assert answer.claimed_feasible == gridopt.verify(study, answer.plan).is_feasible


def test_a_naive_qubo_of_a_day_breaks_rules_and_says_so() -> None:
    study = gridopt.kazarlis()
    answer = run_peer("dimod-neal", study, {"reads": 1, "sweeps": 100}, 0, 60.0)
    assert answer.plan is not None
    assert answer.claimed_feasible is False
    assert answer.details["rows_broken"] > 0
    assert answer.false_claims == ()
    assert gridopt.verify(study, answer.plan).counts()["balance"] > 0


def test_what_qiskit_optimization_refuses_is_told_in_its_words() -> None:
    answer = run_peer("qiskit-numpy", gridopt.kazarlis().during(0, 2), {}, 0, 60.0)
    assert answer.plan is None
    assert "beyond max_qubits = 16" in str(answer.reason_not_applicable)
    fractions = gridopt.load_case("rts79", hours=1)
    answer = run_peer("qiskit-numpy", fractions, {}, 0, 60.0)
    assert "float coefficients are in constraints" in str(answer.reason_not_applicable)


def test_steps_keep_the_rows_and_the_cost() -> None:
    study = gridopt.kazarlis().during(0, 3)
    program = UnitCommitment().build(study)
    stepped = in_steps(program, 5.0)
    generator = np.random.default_rng(0)
    for _ in range(20):
        k = np.floor(generator.random(program.n_columns) * (stepped.program.upper + 1))
        x = stepped.values(k)
        assert program.objective(x) == pytest.approx(stepped.program.objective(k))
        if stepped.program.is_feasible(k):
            assert program.is_feasible(x)
    best = HiGHS(gap=1e-6).solve(stepped.program).x
    assert best is not None
    x = stepped.values(best)
    assert program.is_feasible(x)
    optimum = HiGHS(gap=1e-6).solve(program).objective
    assert optimum <= program.objective(x) * (1 + 1e-6) <= optimum * 1.01


@pytest.mark.parametrize("name", SCRIPTED)
def test_peers_with_packages_of_their_own(name: str) -> None:
    environment_of(name)
    study = tiny()
    answer = run_peer(name, study, {}, 0, 60.0)
    assert answer.false_claims == ()
    if name == "qugrid-annealing":
        assert answer.reason_not_applicable is None
        assert answer.claimed_bound is None
        return
    assert answer.plan is not None
    assert gridopt.verify(study, answer.plan).total_cost == pytest.approx(OPTIMUM)
    assert answer.claimed_bound == pytest.approx(OPTIMUM, rel=1e-3)
    held = tiny(reserve_mw=5.0)
    answer = run_peer(name, held, {"gap": 1e-6}, 0, 60.0)
    assert answer.false_claims == ()
    assert answer.plan is not None
    best = gridopt.solve(held, "unit_commitment", "highs", gap=1e-6).cost
    assert gridopt.verify(held, answer.plan).total_cost == pytest.approx(best)


def test_qugrid_says_which_rules_it_lacks() -> None:
    environment_of("qugrid-annealing")
    answer = run_peer("qugrid-annealing", gridopt.kazarlis(), {}, 0, 60.0)
    reason = str(answer.reason_not_applicable)
    assert "no reserve" in reason
    assert "no minimum times (7 of 10 units)" in reason


def test_a_tolerance_of_qugrid_is_a_false_claim() -> None:
    """It calls a plan feasible whose supply misses the demand by less than a level of power."""
    environment_of("qugrid-annealing")
    study = replace(tiny(), demand_mw=np.array([[19.0, 29.0]]))
    answer = run_peer("qugrid-annealing", study, {}, 0, 60.0)
    assert answer.claimed_feasible
    assert answer.false_claims == ("claims a feasible plan, which breaks rules: balance 2",)


def test_options_of_every_peer_are_known_without_its_packages() -> None:
    assert peer_options("pyomo-reference") == ("gap", "cost_segments")
    assert peer_options("dimod-neal") == ("step_mw", "reads", "sweeps")
    for name in peer_names():
        assert "seed" not in peer_options(name)


def test_studies_that_the_file_cannot_say_are_not_applicable() -> None:
    study = replace(tiny(), unserved_cost_per_mwh=1000.0)
    answer = run_peer("pyomo-reference", study, {}, 0, 10.0)
    assert answer.plan is None
    assert "unserved_cost_per_mwh = 1000.0" in str(answer.reason_not_applicable)
    answer = run_peer("pyomo-reference", tiny(), {}, 0, 10.0, network="dc")
    assert "one bus" in str(answer.reason_not_applicable)


def test_false_claims_are_told() -> None:
    study = gridopt.load_case("rts79", start=8424, hours=4)
    run = gridopt.solve(study, "unit_commitment", "highs", gap=1e-6)
    plan = run.schedule
    assert plan is not None
    honest = PeerAnswer(
        plan=plan, claimed_feasible=True, claimed_cost=run.cost, claimed_bound=run.bound
    )
    assert false_claims(study, study, honest) == ()

    def told(**changes: Any) -> str:
        (found,) = false_claims(study, study, replace(honest, **changes))
        return found

    assert "claims a cost of" in told(claimed_cost=run.cost * (1 + 1e-5))
    assert "above the verified cost" in told(claimed_bound=run.cost * (1 + 1e-5))
    assert told(plan=None) == "claims a feasible plan and gives none"
    power = plan.power_mw.copy()
    unit = int(np.argmax(power[:, 0]))
    power[unit, 0] -= 1.0
    broken = replace(plan, power_mw=power)
    cost = gridopt.verify(study, broken).total_cost
    found = told(plan=broken, claimed_cost=cost, claimed_bound=None)
    assert found.startswith("claims a feasible plan, which breaks rules: balance 1")
    said_so = replace(honest, plan=broken, claimed_feasible=False, claimed_bound=None)
    assert false_claims(study, study, said_so) == ()


def test_tangents_lie_below_and_touch_the_ends() -> None:
    study = gridopt.kazarlis()
    changed = with_tangents(study, 4)
    for true, lines in zip(study.thermal.cost, changed.thermal.cost, strict=True):
        assert lines.is_convex
        assert lines.quadratic == 0.0
        p = np.linspace(true.power_mw[0], true.power_mw[-1], 200)
        below = true.cost(p) - lines.cost(p)
        width = (true.power_mw[-1] - true.power_mw[0]) / 4
        assert below.min() >= -1e-9
        assert below.max() <= true.quadratic * width**2 / 4 + 1e-9
        assert below.max() > 0.0
    assert with_tangents(changed, 4) is changed


def test_a_plan_that_lacks_a_unit_is_not_feasible() -> None:
    study = tiny()
    run = gridopt.solve(study, "unit_commitment", "highs")
    assert run.schedule is not None
    table = run.schedule.units()
    assert gridopt.verify(study, as_schedule(study, table)).is_feasible
    lacking = as_schedule(study, table[table["generator"] != study.thermal.name[1]])
    assert gridopt.verify(study, lacking).counts()["finite"] >= 2


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("pyomo", {}, UnknownNameError),
        ("dimod-neal", {"read": 1}, OptionError),
        ("dimod-neal", {"reads": 0}, OptionError),
        ("pyomo-reference", {"cost_segments": 0}, OptionError),
        ("pyomo-reference", {"gapp": 1e-3}, OptionError),
    ],
)
def test_bad_names_and_options(
    name: str, options: dict[str, Any], error: type[gridopt.GridoptError]
) -> None:
    with pytest.raises(error):
        run_peer(name, tiny(), options, 0, 10.0)


SUITE = """
name = "peers"
time_limit_s = 30
seeds = [0]
[[cases]]
source = "rts79"
hours = 2
[[formulations]]
name = "unit_commitment"
[[formulations]]
name = "unit_commitment"
label = "dc"
network = "dc"
[[solvers]]
peer = "dimod-neal"
reads = 1
sweeps = {sweeps}
"""


def test_a_suite_runs_peers(tmp_path: Path) -> None:
    spec = tmp_path / "peers.toml"
    spec.write_text(SUITE.format(sweeps=100), encoding="utf-8")
    ran, declined = (outcome(task) for task in read_suite(str(spec)).tasks())
    assert ran["status"] == "done"
    assert ran["claimed_feasible"] is False
    assert ran["feasible"] is False
    assert ran["cost"] is None
    assert ran["violations"]
    assert ran["details"]["false_claims"] == []
    assert declined["status"] == "not_applicable"
    assert "network = 'dc'" in str(declined["error"])
    spec.write_text(SUITE.format(sweeps="100\nsweep = 1"), encoding="utf-8")
    with pytest.raises(StudyError, match="step_mw, reads, sweeps"):
        read_suite(str(spec))


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a real one from a lock of nothing, which needs no network."""
    adapters = tmp_path / "adapters"
    (adapters / "empty").mkdir(parents=True)
    (adapters / "empty" / "requirements.lock").write_text("# nothing\n", "utf-8")
    monkeypatch.setattr(environments, "ADAPTERS", adapters)
    root = tmp_path / "root"
    assert installed("empty", root) is None
    python = ensure_environment("empty", root)
    assert subprocess.run([python, "-c", ""], check=False).returncode == 0  # noqa: S603
    made = python.stat().st_mtime_ns, (python.parents[1] / "pyvenv.cfg").stat().st_mtime_ns
    assert ensure_environment("empty", root) == python
    assert made[1] == (python.parents[1] / "pyvenv.cfg").stat().st_mtime_ns
    (python.parents[1] / "requirements.lock").unlink()  # as if it had been interrupted
    assert installed("empty", root) is None
    assert ensure_environment("empty", root) == python


def test_an_environment_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = tmp_path / "adapters"
    (adapters / "none").mkdir(parents=True)
    lock = adapters / "none" / "requirements.lock"
    lock.write_text(f"gridopt-not-there==1.0 --hash=sha256:{'0' * 64}\n", "utf-8")
    monkeypatch.setattr(environments, "ADAPTERS", adapters)
    for name in ("PIP_NO_INDEX", "UV_OFFLINE"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(PeerError, match=r"'none' could not be made in .* package index once"):
        ensure_environment("none", tmp_path / "root")
    assert installed("none", tmp_path / "root") is None
    with pytest.raises(UnknownNameError):
        ensure_environment("nothing", tmp_path / "root")


def test_a_peer_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Kill the parent of a peer that would sleep for a minute."""
    peer = tmp_path / "sleeper.py"
    peer.write_text(
        "import os, pathlib, time\nPACKAGES = ()\n"
        "def read(path):\n    pathlib.Path(path).write_text(str(os.getpid()))\n"
        "def solve(data, loaded, *, seed, time_limit_s):\n    time.sleep(60)\n",
        "utf-8",
    )
    told = tmp_path / "pid"
    words = [sys.executable, str(ADAPTERS / "run.py"), str(peer), str(told), "--plan=plan.csv"]
    code = f"import subprocess; subprocess.run({words!r})"
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)  # noqa: S603
    assert until(lambda: told.exists() and told.read_text() != "")
    child = int(told.read_text())
    assert os.getpgid(child) == os.getpgid(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert until(lambda: not alive(child))


def until(holds: Any, most_s: float = 20.0) -> bool:
    """Wait until something holds; return whether it did."""
    end = time.monotonic() + most_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self").exists():
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
