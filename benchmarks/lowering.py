"""How long programs take to become QUBOs: gridopt, dimod and qiskit-optimization.

    python benchmarks/lowering.py --help

The peers get the program on its grid (reduced, every column whole) in their own model, and only the
conversion counts; `gridopt.to_qubo` gets the program itself, so that its time holds reduction
and grid as well. Where the name of a case ends in "whole", the numbers of the grid's rows and
objective are rounded to whole ones, for all three: qiskit-optimization takes no others. What such
a program asks means nothing, its size does.

Every case and converter has a process of its own, where gridopt's compiled loops are loaded before
anything is measured. Seconds are the median of the repeats; the peak
is what resident memory rose by during the first conversion, at most (VmHWM of Linux).
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import dimod
import numpy as np
import pandas as pd
from qiskit_optimization import QuadraticProgram
from qiskit_optimization.converters import QuadraticProgramToQubo
from rich import box
from rich.console import Console
from rich.table import Table
from scipy import sparse

import gridopt
from gridopt.exports.dimod_models import to_cqm
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.lowering.qubo import discretized, load_loops, to_qubo
from gridopt.lowering.reduction import entries_of
from gridopt.program import Program

CASES = ("kazarlis10", "kazarlis10x10", "kazarlis10 whole")

QISKIT = "qiskit-optimization"

CONVERTERS = ("gridopt", "dimod", QISKIT)

WHOLE = " whole"

LONGEST_S = 900.0
"""Seconds for one case and converter, building its model and all repeats."""


class Size(NamedTuple):
    """Size of a QUBO."""

    bits: int
    couplings: int


NOTHING = Size(0, 0)


class Task(NamedTuple):
    """One case for one converter."""

    case: str
    converter: str
    repeats: int


def rows(cases: Sequence[str] = CASES, repeats: int = 3) -> Iterator[dict[str, Any]]:
    """Yield one row for each case and converter.

    Parameters
    ----------
    cases : sequence of str
        Names that `gridopt.load_case` takes, with " whole" behind them where the numbers are to
        be whole.
    repeats : int
        Conversions, whose median time counts.
    """
    fresh = multiprocessing.get_context("spawn")
    for case in cases:
        found = []
        for converter in CONVERTERS:
            with fresh.Pool(1) as pool:
                answer = pool.apply_async(measured, (Task(case, converter, repeats),))
                try:
                    found.append(answer.get(LONGEST_S))
                except multiprocessing.TimeoutError:
                    row = _row(case, converter, f"stopped after {LONGEST_S:g} s")
                    found.append(row)
        peer = next(row["s"] for row in found if row["converter"] == "dimod")
        for row in found:
            yield row | {"of dimod": row["s"] / peer}


def measured(task: Task) -> dict[str, Any]:
    """Return the row of one case and converter."""
    load_loops()
    program = _program(task.case)
    convert = _conversion(task.converter, program)
    seconds, peak, size = list[float](), 0.0, NOTHING
    for repeat in range(task.repeats):
        before = _restart_peak()
        begun = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                size = convert()
        except Exception as error:  # whatever a peer raises is its answer
            return _row(task.case, task.converter, " ".join(str(error).split()))
        seconds.append(time.perf_counter() - begun)
        peak = peak if repeat else _memory("VmHWM") - before
    return _row(task.case, task.converter, "", statistics.median(seconds), size, peak)


def _row(
    case: str,
    converter: str,
    declined: str,
    seconds: float = np.nan,
    size: Size = NOTHING,
    peak_mb: float = np.nan,
) -> dict[str, Any]:
    return {
        "case": case,
        "converter": converter,
        "s": seconds,
        "bits": size.bits,
        "couplings": size.couplings,
        "peak MB": peak_mb,
        "declined": declined,
    }


def _program(case: str) -> Program:
    study = gridopt.load_case(case.removesuffix(WHOLE))
    program = UnitCommitment().build(study)
    return whole(discretized(program).program) if case.endswith(WHOLE) else program


def whole(program: Program) -> Program:
    """Return a program on its grid with all numbers of its rows and objective rounded."""
    A, Q = program.A.copy(), program.Q.copy()
    A.data, Q.data = np.rint(A.data), np.rint(Q.data)
    A.eliminate_zeros()
    Q.eliminate_zeros()
    return replace(
        program,
        A=A,
        Q=Q,
        c=np.rint(program.c),
        row_lower=np.rint(program.row_lower),
        row_upper=np.rint(program.row_upper),
    )


def _conversion(converter: str, program: Program) -> Callable[[], Size]:
    """Return what converts `program`, its model made."""
    if converter == "gridopt":
        return lambda: _by_gridopt(program)
    grid = discretized(program).program
    if converter == "dimod":
        cqm = to_cqm(grid)
        return lambda: _by_dimod(cqm)
    model = quadratic_program(grid)
    return lambda: _by_qiskit(model)


def _by_gridopt(program: Program) -> Size:
    qubo = to_qubo(program)
    return Size(qubo.n_bits, int(qubo.Q.nnz - np.count_nonzero(qubo.linear)))


def _by_dimod(cqm: Any) -> Size:
    bqm, _ = dimod.cqm_to_bqm(cqm)
    return Size(bqm.num_variables, bqm.num_interactions)


def _by_qiskit(model: QuadraticProgram) -> Size:
    qubo = QuadraticProgramToQubo().convert(model)
    row, column, _ = entries_of(sparse.csr_array(qubo.objective.quadratic.coefficients))
    return Size(qubo.get_num_vars(), int(np.count_nonzero(row != column)))


def quadratic_program(program: Program) -> QuadraticProgram:
    """Return a program of whole columns as qiskit-optimization's model."""
    model = QuadraticProgram()
    for k, (low, high) in enumerate(zip(program.lower, program.upper, strict=True)):
        if (low, high) == (0.0, 1.0):
            model.binary_var(f"x{k}")
        else:
            model.integer_var(int(low), int(high), f"x{k}")
    model.minimize(program.c0, program.c, sparse.dok_matrix(program.Q))
    A = program.A
    for row, (low, high) in enumerate(zip(program.row_lower, program.row_upper, strict=True)):
        part = slice(A.indptr[row], A.indptr[row + 1])
        values = [int(value) if value == int(value) else value for value in A.data[part].tolist()]
        terms = dict(zip(A.indices[part].tolist(), values, strict=True))
        sides = [("==", high)] if low == high else [(">=", low), ("<=", high)]
        for sense, side in sides:
            if np.isfinite(side):
                model.linear_constraint(terms, sense, float(side))
    return model


def _restart_peak() -> float:
    """Let the peak of resident memory begin anew, and return what is resident, MB."""
    switch = Path("/proc/self/clear_refs")
    if switch.exists():
        switch.write_text("5")
    return _memory("VmRSS")


def _memory(kind: str) -> float:
    """Return a figure of this process, MB; nan where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    figures = [line.split()[1] for line in lines if line.startswith(f"{kind}:")]
    return float(figures[0]) / 1024.0 if figures else np.nan


def main() -> None:
    """Print one row for each case and converter."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", default=CASES)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    frame = pd.DataFrame(rows(options.cases, options.repeats))
    table = Table(box=box.MARKDOWN)
    for name in frame.columns:
        table.add_column(name, no_wrap=True)
    for _, row in frame.iterrows():
        table.add_row(
            *(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row)
        )
    Console(width=240).print(table)


if __name__ == "__main__":
    main()
