"""`anneal` beside dwave-neal, tabu search and OpenJij: energy at equal wall time, and speed.

The graphs are of the kinds of the Gset (random, random with signs, toroidal; unit weights) as
maximum cuts, one is dense with whole coefficients from −100 to 100. All are generated from seeds.

Every sampler has one thread and the same wall time, and starts again with a new seed until that is
over. The annealers have schedules as long as the time allows: each begins with a short one and goes
on with the longest that by its last speed takes a quarter of the time, or what is left of it.
Moves per CPU second are those of another schedule, with the same temperatures for both annealers.

Examples
--------
::

    .venv/bin/python benchmarks/annealers.py --seconds 10 --repeats 3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

import dimod
import neal
import numpy as np
from dwave.samplers import TabuSampler
from rich.console import Console
from rich.table import Table
from scipy import sparse

from gridopt.annealing.annealer import Schedule, model_of
from gridopt.arrays import FloatArray, IntArray
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.samples import Deadline
from gridopt.solvers.anneal import Anneal

SAMPLERS = ("anneal", "neal", "tabu", "openjij-sa", "openjij-sqa")

FIGURES = {"energy": 0, "lowest": 0, "wall_s": 1, "million_moves_per_s": 0}
"""Columns of the printed table, and digits after the point."""

Row = dict[str, float | int | str | None]


def graphs() -> dict[str, Qubo]:
    """Return the QUBOs, by kind and number of bits."""
    return {
        "random 800": maximum_cut(800, *random_edges(800, 19_176, seed=1)),
        "random 2000": maximum_cut(2000, *random_edges(2000, 19_990, seed=2)),
        "random ±1 2000": maximum_cut(2000, *random_edges(2000, 19_990, seed=3, signed=True)),
        "torus ±1 2000": maximum_cut(2000, *torus_edges(40, 50, seed=4)),
        "random 5000": maximum_cut(5000, *random_edges(5000, 12_498, seed=5)),
        "dense 1000": dense(1000, seed=6),
    }


def random_edges(
    n: int, m: int, seed: int, signed: bool = False
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return both ends and weights of m distinct edges, each pair as likely."""
    rng = np.random.default_rng(seed)
    first, second = np.triu_indices(n, 1)
    chosen = rng.choice(len(first), m, replace=False)
    weight = rng.choice([-1.0, 1.0], m) if signed else np.ones(m)
    return first[chosen], second[chosen], weight


def torus_edges(rows: int, columns: int, seed: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Return both ends and random signs of the edges of a square lattice without borders."""
    node = np.arange(rows * columns).reshape(rows, columns)
    first = np.concatenate((node.ravel(), node.ravel()))
    second = np.concatenate((np.roll(node, 1, 0).ravel(), np.roll(node, 1, 1).ravel()))
    weight = np.random.default_rng(seed).choice([-1.0, 1.0], len(first))
    return first, second, weight


def maximum_cut(n: int, first: IntArray, second: IntArray, weight: FloatArray) -> Qubo:
    """Return the QUBO whose energy is minus the weight between zeros and ones."""
    degree = np.zeros(n)
    np.add.at(degree, first, weight)
    np.add.at(degree, second, weight)
    pairs = sparse.coo_array((2.0 * weight, (first, second)), shape=(n, n))
    return Qubo.of(sparse.csr_array(pairs - sparse.diags_array(degree)))


def dense(n: int, seed: int) -> Qubo:
    """Return a QUBO whose coefficients are all drawn from −100 to 100."""
    return Qubo.of(np.triu(np.random.default_rng(seed).integers(-100, 101, (n, n))))


def to_bqm(qubo: Qubo) -> Any:
    """Return `qubo` for the peers, as it is."""
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        qubo.linear, qubo.couplings(), qubo.offset, dimod.BINARY
    )


def anneal(qubo: Qubo, seconds: float, seed: int) -> float:
    """Return the lowest energy that `anneal` finds in some seconds on one thread."""
    batches = Anneal(threads=1, seed=seed).sample(qubo, Deadline.after(seconds))
    return float(np.concatenate([batch.energies for batch in batches]).min())


def tabu(qubo: Qubo, seconds: float, seed: int) -> float:
    """Return the lowest energy of a tabu search that is given some seconds."""
    search: Any = TabuSampler
    found = search().sample(to_bqm(qubo), num_reads=1, timeout=int(1000 * seconds), seed=seed)
    return recomputed(qubo, found)


def repeated(sampler: Callable[..., Any], qubo: Qubo, seconds: float, seed: int) -> float:
    """Return the lowest energy of a peer that anneals again and again until time is up."""
    end = time.monotonic() + seconds
    model, sweeps, best = to_bqm(qubo), 16, np.inf
    for child in np.random.SeedSequence(seed).generate_state(1000) >> 1:
        begun = time.monotonic()
        best = min(best, recomputed(qubo, sampler(model, num_sweeps=sweeps, seed=int(child))))
        each_s = (time.monotonic() - begun) / sweeps
        room_s = min(seconds / 4.0, end - time.monotonic())
        if room_s < 16 * each_s:
            break
        sweeps = min(int(room_s / each_s), 4 * sweeps)
    return best


def recomputed(qubo: Qubo, found: Any) -> float:
    """Return the lowest energy of a dimod sample set, by our own count."""
    return float(qubo.energy(dimod.as_samples(found)[0]).min())


def peer(name: str) -> Callable[..., Any] | None:
    """Return the annealing function of a peer; None where it is not installed."""
    if name == "neal":
        return partial(neal.SimulatedAnnealingSampler().sample, num_reads=1)
    if find_spec("openjij") is None:
        return None
    openjij: Any = import_module("openjij")
    kind = openjij.SASampler if name == "openjij-sa" else openjij.SQASampler
    return partial(kind().sample, num_reads=1)


def finder(name: str) -> Callable[[Qubo, float, int], float] | None:
    """Return the function that gives the energy a sampler reaches; None where it is missing."""
    own = {"anneal": anneal, "tabu": tabu}.get(name)
    if own is not None:
        return own
    sampler = peer(name)
    return partial(repeated, sampler) if sampler is not None else None


def moves_per_s(name: str, qubo: Qubo, seconds: float = 1.0) -> float | None:
    """Return the flips that `anneal` or neal proposes in a CPU second.

    Both go through the same temperatures; the time of a schedule of one sweep is taken off.
    """
    if name not in {"anneal", "neal"}:
        return None
    schedule = Schedule.of(model_of(qubo), None, None)
    run = partial(_sweep_neal if name == "neal" else _sweep_anneal, qubo, schedule)
    run(1)
    start_s = _cpu_s(run, 1)
    sweeps, taken_s = 50, 0.0
    while taken_s < seconds:
        sweeps *= 2
        taken_s = _cpu_s(run, sweeps) - start_s
    return qubo.n_bits * sweeps / taken_s


def _cpu_s(run: Callable[[int], None], sweeps: int) -> float:
    begun = time.process_time()
    run(sweeps)
    return time.process_time() - begun


def _sweep_anneal(qubo: Qubo, schedule: Schedule, sweeps: int) -> None:
    method = Anneal(
        reads=1,
        sweeps=sweeps,
        threads=1,
        polish=False,
        initial_temperature=schedule.initial,
        final_temperature=schedule.final,
    )
    list(method.sample(qubo, Deadline()))


def _sweep_neal(qubo: Qubo, schedule: Schedule, sweeps: int) -> None:
    neal.SimulatedAnnealingSampler().sample(
        to_bqm(qubo),
        num_reads=1,
        num_sweeps=sweeps,
        beta_range=(1.0 / schedule.initial, 1.0 / schedule.final),
        seed=1,
    )


def rows(seconds: float = 10.0, repeats: int = 3) -> list[Row]:
    """Return one row for each graph and sampler: medians over the seeds 0, 1, 2 and so on."""
    return [
        _row(name, qubo, sampler, seconds, repeats)
        for name, qubo in graphs().items()
        for sampler in SAMPLERS
    ]


def _row(graph: str, qubo: Qubo, sampler: str, seconds: float, repeats: int) -> Row:
    row: Row = {"graph": graph, "bits": qubo.n_bits, "sampler": sampler}
    find = finder(sampler)
    if find is None:
        return {**row, **dict.fromkeys(FIGURES), "note": "not installed"}
    find(qubo, 0.01, 0)  # compiles
    energies, walls = [], []
    for seed in range(repeats):
        begun = time.perf_counter()
        energies.append(find(qubo, seconds, seed))
        walls.append(time.perf_counter() - begun)
    speeds = [moves_per_s(sampler, qubo, min(seconds, 1.0)) for _ in range(repeats)]
    known = [speed for speed in speeds if speed is not None]
    return {
        **row,
        "energy": median(energies),
        "lowest": min(energies),
        "wall_s": median(walls),
        "million_moves_per_s": median(known) / 1e6 if known else None,
        "note": "",
    }


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare annealers at equal wall time.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(words)
    table = Table("graph", "sampler", "energy", "lowest", "wall s", "10⁶ moves/s", "note")
    for row in rows(given.seconds, given.repeats):
        table.add_row(
            str(row["graph"]),
            str(row["sampler"]),
            *(_figure(row[name], digits) for name, digits in FIGURES.items()),
            str(row["note"]),
        )
    Console(width=100).print(table)


def _figure(value: float | str | None, digits: int) -> str:
    return f"{float(value):,.{digits}f}" if value is not None else ""


if __name__ == "__main__":
    main()
