"""Seconds of one exact QAOA energy: gridopt's evaluator, Qiskit's estimator, Qiskit Aer.

    python benchmarks/qaoa_evaluator.py --qubits 20 --layers 4 --repeats 5

All get the same dense random QUBO, angles and expectation; the energies must agree. Every method
has a process of its own, one after the other, so that its peak memory is its own. Aer is given its
own choice of threads, and one thread: on a busy machine that is the faster one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from qiskit.primitives import StatevectorEstimator
from qiskit_aer import AerSimulator

from gridopt.circuits.angles import fixed
from gridopt.circuits.evaluator import Evaluator
from gridopt.circuits.ising import Ising
from gridopt.circuits.pauli_operator import to_sparse_pauli_op
from gridopt.circuits.qaoa import qaoa_circuit
from gridopt.lowering.qubo import Qubo
from gridopt.running import peak_rss_mb

METHODS = ("evaluator", "aer", "aer, one thread", "StatevectorEstimator")

AGREE = 1e-8


def rows(qubits: int = 20, layers: int = 4, repeats: int = 5) -> list[dict[str, Any]]:
    """Return a row for each method: median seconds an energy, peak memory, ratio to the evaluator.

    Parameters
    ----------
    qubits, layers : int
    repeats : int
        Timed energies of each method, after one that is not timed.

    Raises
    ------
    RuntimeError
        Where the methods do not agree on the energy.
    """
    found = []
    for method in METHODS:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as process:
            found.append(process.submit(_row, method, qubits, layers, repeats).result())
    ours = found[0]
    for row in found:
        row["ratio"] = row["energy_s"] / ours["energy_s"]
        spread = abs(row["energy"] - ours["energy"])
        if spread > AGREE * max(1.0, abs(ours["energy"])):
            raise RuntimeError(f"the energy of {row['method']} is {spread} off: nothing to compare")
    return found


def _row(method: str, qubits: int, layers: int, repeats: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    qubo = Qubo.of(np.triu(rng.normal(size=(qubits, qubits))))
    started_mb = peak_rss_mb()
    begun = time.perf_counter()
    evaluate = _METHODS[method](qubo, layers)
    energy = evaluate()
    first_s = time.perf_counter() - begun
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        evaluate()
        seconds.append(time.perf_counter() - begun)
    return {
        "method": method,
        "qubits": qubits,
        "layers": layers,
        "energy_s": statistics.median(seconds),
        "first_s": first_s,
        "peak_rss_mb": peak_rss_mb(),
        "added_rss_mb": peak_rss_mb() - started_mb,
        "energy": energy,
    }


def _angles(qubo: Qubo, layers: int) -> tuple[Any, Any]:
    gammas, betas = np.split(fixed(Ising.of(qubo), layers), 2)
    return gammas / Ising.of(qubo).spread, betas


def _evaluator(qubo: Qubo, layers: int) -> Callable[[], float]:
    evaluator = Evaluator.of(qubo)
    angles = fixed(Ising.of(qubo), layers)
    return lambda: evaluator.energy(angles)


def _aer(qubo: Qubo, layers: int, **options: Any) -> Callable[[], float]:
    circuit = qaoa_circuit(qubo, *_angles(qubo, layers))
    circuit.save_expectation_value(to_sparse_pauli_op(qubo), range(qubo.n_bits), label="energy")
    simulator = AerSimulator(method="statevector", **options)
    return lambda: float(simulator.run(circuit).result().data()["energy"])


def _aer_one_thread(qubo: Qubo, layers: int) -> Callable[[], float]:
    return _aer(qubo, layers, max_parallel_threads=1)


def _estimator(qubo: Qubo, layers: int) -> Callable[[], float]:
    circuit = qaoa_circuit(qubo, *_angles(qubo, layers))
    operator = to_sparse_pauli_op(qubo)
    estimator = StatevectorEstimator()
    return lambda: float(estimator.run([(circuit, operator)]).result()[0].data.evs)


_METHODS: dict[str, Callable[[Qubo, int], Callable[[], float]]] = {
    "evaluator": _evaluator,
    "aer": _aer,
    "aer, one thread": _aer_one_thread,
    "StatevectorEstimator": _estimator,
}


def main() -> None:
    """Print a table of the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("qubits", 20), ("layers", 4), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    print("| method | s an energy | ratio | first, s | peak MB | added MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in rows(given.qubits, given.layers, given.repeats):
        print(
            f"| {row['method']} | {row['energy_s']:.4f} | {row['ratio']:.1f} "
            f"| {row['first_s']:.2f} | {row['peak_rss_mb']:.0f} | {row['added_rss_mb']:.0f} |"
        )


if __name__ == "__main__":
    main()
