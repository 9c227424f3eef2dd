"""D-Wave's adapters: real minor-embedding on a mock of the chip, and what a missing token says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridopt.errors import OptionError, TooLargeError, UnsupportedError
from gridopt.lowering.qubo import Qubo
from gridopt.program import Integrality, Program, ProgramBuilder
from gridopt.sampling.samples import Deadline
from gridopt.solution import Termination

pytest.importorskip("dwave.system", reason="dwave-system is an extra")

from gridopt.solvers.dwave import DWave
from gridopt.solvers.leap_cqm import LeapCQM


@pytest.fixture(autouse=True)
def configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty configuration file in place of this machine's."""
    for name in ("DWAVE_API_TOKEN", "DWAVE_API_ENDPOINT", "DWAVE_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "dwave.conf"
    file.touch()
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(file))
    return file


def dense(n: int) -> Qubo:
    return Qubo.of(np.triu(np.random.default_rng(n).integers(-3, 4, (n, n))))


@pytest.mark.parametrize("topology", ["pegasus", "zephyr"])
def test_embeds_and_finds_the_ground_state(topology: Any) -> None:
    qubo = dense(12)
    (found,) = DWave(mock=True, reads=50, topology=topology).sample(qubo, Deadline())
    assert found.bits.shape == (50, 12)
    assert found.energies.min() == qubo.spectrum().min()
    assert float(found.details["qubits"]) > 12  # no chip couples 12 bits pairwise
    assert float(found.details["longest_chain"]) >= 2
    assert found.details["chain_breaks"] == 0.0
    assert not any("time" in name for name in found.details)


def test_the_seed_is_the_embeddings_and_the_mocks() -> None:
    qubo = dense(8)
    one, same, other = (
        next(DWave(mock=True, reads=30, seed=seed).sample(qubo, Deadline())) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.bits, same.bits)
    assert one.details == same.details
    assert not np.array_equal(one.bits, other.bits)


def test_weak_chains_break_and_are_told() -> None:
    (found,) = DWave(mock=True, reads=30, chain_strength=0.05).sample(dense(20), Deadline())
    assert 0.0 < float(found.details["chain_breaks"]) <= 1.0


def test_reads_beyond_one_call_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridopt.solvers.dwave.READS_PER_CALL", 4)
    parts = list(DWave(mock=True, reads=10).sample(dense(3), Deadline()))
    assert [len(part.bits) for part in parts] == [4, 4, 2]


def test_what_no_chip_holds_is_refused() -> None:
    with pytest.raises(TooLargeError, match="up to 5000 bits"):
        DWave(mock=True).check(Qubo.of(np.zeros((5001, 5001))))
    with pytest.raises(TooLargeError, match="up to 40000 couplings, this has 44850"):
        DWave(mock=True).check(Qubo.of(np.ones((300, 300))))
    with pytest.raises(TooLargeError, match=r"may take 6 s to embed 7140 .* time_limit_s to 11 or"):
        DWave(mock=True, time_limit_s=1.0).check(Qubo.of(np.ones((120, 120))))
    with pytest.raises(TooLargeError, match="no embedding of 60 bits with 1770 couplings into"):
        list(DWave(mock=True).sample(Qubo.of(np.ones((60, 60))), Deadline.after(0.2)))


def test_without_a_token_both_say_what_to_do() -> None:
    b = ProgramBuilder()
    b.variable("unbounded", (1,), -np.inf, np.inf)
    program = b.program()
    with pytest.raises(UnsupportedError, match="needs bounds"):
        DWave(mock=True).solve(program)
    for solver in (DWave(), LeapCQM()):
        with pytest.raises(UnsupportedError, match="DWAVE_API_TOKEN, or run  dwave config create"):
            solver.solve(program)


def test_a_service_that_cannot_be_reached_is_one_clear_error(configuration: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    configuration.write_text(
        f"[defaults]\ntoken = none\nendpoint = {nowhere}/sapi\nhttp_retry_total = 0\n"
        f"metadata_api_endpoint = {nowhere}/metadata\n"
    )
    for solver in (DWave(), LeapCQM()):
        with pytest.raises(UnsupportedError, match=r"failed: .*; check the token, the network"):
            solver.solve(dense(3).program())
    configuration.write_text("[defaults\n")
    with pytest.raises(UnsupportedError, match="reading the configuration failed"):
        DWave().solve(dense(3).program())


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"reads": 0}, "reads"),
        ({"annealing_time_us": 0.0}, "annealing_time_us"),
        ({"topology": "torus"}, "topology"),
        ({"mock": 1}, "mock"),
        ({"solver_name": 3}, "solver_name"),
    ],
)
def test_bad_options(options: dict[str, Any], name: str) -> None:
    with pytest.raises(OptionError, match=f"dwave: {name} = "):
        DWave(**options)


def modules() -> Program:
    """Whole numbers of modules; rows of every kind; one cost is a product."""
    b = ProgramBuilder()
    n = b.variable("modules", (2,), upper=3.0, integrality=Integrality.INTEGER)
    x = b.binary("site", (2,))
    b.minimize([4.0, 7.0], n)
    b.minimize([1.0, 2.0], x)
    b.minimize_product(1.0, n[:1], x[:1])
    b.constrain("energy", ([3.0, 5.0], n[np.newaxis]), lower=[11.0], upper=[14.0])
    b.constrain("at a site", (1.0, n), (-3.0, x), upper=0.0)
    return b.program()


def test_the_hybrid_answer_is_judged_on_the_program() -> None:
    program = modules()
    found = LeapCQM(mock=True).solve(program)
    points = [np.array(p, dtype=float) for p in np.ndindex(4, 4, 2, 2)]
    best = min(program.objective(x) for x in points if program.is_feasible(x))
    assert found.objective == pytest.approx(best)
    assert found.is_feasible
    assert found.termination is Termination.SAMPLED
    assert found.bound == -np.inf
    assert found.details["reads"] == 64


def test_what_the_hybrid_solver_does_not_take() -> None:
    b = ProgramBuilder()
    p = b.variable("p_mw", (1,), upper=1.0)
    b.minimize_product(1.0, p, p)
    with pytest.raises(UnsupportedError, match="no continuous columns"):
        LeapCQM(mock=True).solve(b.program())
    b = ProgramBuilder()
    b.binary("x", (30,))
    with pytest.raises(TooLargeError, match=r"up to 1048576 states .* this has 1\.07e\+09"):
        LeapCQM(mock=True).solve(b.program())
