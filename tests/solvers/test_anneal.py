"""Our own annealer behind the solvers' interface."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridopt.errors import OptionError, TooLargeError
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.structure import Cardinality, Structure
from gridopt.program import ProgramBuilder
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solution import Termination
from gridopt.solvers.anneal import Anneal


def spin_glass(n: int, degree: int = 6, seed: int = 0) -> Qubo:
    """Return a sparse QUBO whose energies are whole and whose minima are many."""
    rng = np.random.default_rng(seed)
    Q = np.zeros((n, n))
    first, second = rng.integers(0, n, (2, n * degree // 2))
    Q[first, second] = rng.choice([-2.0, 2.0], len(first))
    Q -= np.diag((Q + Q.T).sum(axis=0) / 2.0)
    return Qubo.of(Q)


def all_of(method: Anneal, qubo: Qubo, deadline: Deadline | None = None) -> Samples:
    batches = list(method.sample(qubo, deadline or Deadline()))
    return Samples.of(qubo, np.concatenate([batch.bits for batch in batches]), batches[-1].details)


def test_record() -> None:
    found = all_of(Anneal(reads=5, sweeps=40, threads=2), spin_glass(100))
    assert len(found.bits) == 5
    details = found.details
    assert details["kernel"] == "sparse"
    assert details["sweeps"] == 40
    assert details["threads"] == 2
    assert details["schedule"] == "geometric"
    assert float(details["initial_temperature"]) > float(details["final_temperature"]) > 0.0
    assert int(details["proposals"]) >= 5 * 40 * 100
    assert 0 < int(details["accepted"]) < int(details["proposals"])
    assert float(details["proposals_per_s"]) > 0.0


def test_structure_is_kept() -> None:
    qubo = replace(spin_glass(40), structure=Structure((Cardinality(np.arange(40), 11),)))
    method = Anneal(reads=5, sweeps=100)
    found = all_of(method, qubo)
    assert method.native == {"cardinality", "sequence", "inequality"}
    assert found.details["kernel"] == "native"
    assert (found.bits.sum(axis=1) == 11).all()


def test_given_temperatures_are_used() -> None:
    method = Anneal(reads=1, sweeps=9, initial_temperature=7.0, final_temperature=0.5)
    details = all_of(method, spin_glass(50)).details
    assert (details["initial_temperature"], details["final_temperature"]) == (7.0, 0.5)


def test_polish_ends_in_a_minimum() -> None:
    qubo = spin_glass(200)
    rough, smooth = (
        all_of(
            Anneal(
                reads=4, sweeps=3, polish=polish, initial_temperature=9.0, final_temperature=9.0
            ),
            qubo,
        )
        for polish in (False, True)
    )
    assert (smooth.energies < rough.energies).all()
    for z, energy in zip(smooth.bits, smooth.energies, strict=True):
        assert (qubo.energy(np.abs(z - np.eye(200))) >= energy).all()


@pytest.mark.parametrize("options", [{}, {"sweeps": 200}])
def test_deadline_is_used_and_kept(options: dict[str, int]) -> None:
    qubo = spin_glass(1000)
    all_of(Anneal(reads=1, sweeps=1), qubo)
    begun = time.monotonic()
    found = all_of(Anneal(**options), qubo, Deadline.after(0.5))  # type: ignore[arg-type]
    assert 0.45 < time.monotonic() - begun < 0.7
    assert len(found.bits) > 2


def test_time_limit_ends_a_solve() -> None:
    b = ProgramBuilder()
    x = b.binary("take", (60,))
    b.minimize(-np.arange(1.0, 61.0), x)
    b.constrain("room", (1.0, x[np.newaxis]), upper=[20.0])
    program = b.program()
    Anneal(reads=1, sweeps=1).solve(program)
    begun = time.monotonic()
    found = Anneal(time_limit_s=1.0).solve(program)
    assert 0.6 < time.monotonic() - begun < 1.1
    assert found.termination is Termination.TIME_LIMIT
    assert found.is_feasible


def test_interrupt_gives_the_best_so_far() -> None:
    b = ProgramBuilder()
    x = b.binary("take", (1000,))
    b.minimize(-np.arange(1.0, 1001.0), x)
    b.minimize_product(1.0, x[:-1], x[1:])
    program = b.program()
    Anneal(reads=1, sweeps=1).solve(program)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    found = Anneal(reads=2, sweeps=10**6).solve(program)
    timer.join()
    assert time.monotonic() - begun < 3.0
    assert found.termination is Termination.INTERRUPTED
    assert found.is_feasible
    assert found.details["reads"] == 1


def test_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    qubo = spin_glass(1000)
    Anneal().check(qubo)
    monkeypatch.setattr("gridopt.solvers.anneal.MOST_BYTES", 2**17)
    with pytest.raises(TooLargeError, match=r"needs .* GiB for 1000 bits .* the solver highs"):
        Anneal().check(qubo)


@pytest.mark.parametrize(
    "options",
    [
        {"reads": 0},
        {"sweeps": 1.5},
        {"initial_temperature": 0.0},
        {"final_temperature": np.inf},
        {"final_temperature": 2.0, "initial_temperature": 1.0},
        {"schedule": "logarithmic"},
        {"polish": 1},
        {"threads": 0},
        {"seed": True},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Anneal(**options)  # type: ignore[arg-type]


def test_runs_where_nothing_can_be_written(tmp_path: Path) -> None:
    """Without a place for machine code the kernels are compiled in the process."""
    code = (
        "import numpy as np\n"
        "from gridopt.lowering.qubo import Qubo\n"
        "from gridopt.sampling.samples import Deadline\n"
        "from gridopt.solvers.anneal import Anneal\n"
        "(batch,) = Anneal(reads=1, sweeps=5).sample(Qubo.of(-np.eye(3)), Deadline())\n"
        "print(batch.energies)"
    )
    blocked = tmp_path / "file"
    blocked.touch()
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(blocked / "below")},
    )
    assert done.stdout.strip() == "[-3.]", done.stderr
