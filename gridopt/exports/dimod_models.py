"""QUBOs as dimod's binary quadratic models, programs as its constrained ones, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import dimod
import numpy as np
from scipy import sparse

from gridopt.arrays import BoolArray, FloatArray
from gridopt.errors import UnsupportedError
from gridopt.lowering.qubo import Qubo
from gridopt.lowering.reduction import entries_of
from gridopt.program import Block, Integrality, Program


def to_bqm(qubo: Qubo) -> Any:
    """Return the QUBO as a `dimod.BinaryQuadraticModel` over 0 … n − 1, energy for energy."""
    first, second, value = qubo.couplings()
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        qubo.linear, (first, second, value), qubo.offset, dimod.BINARY
    )


def from_bqm(bqm: Any) -> Qubo:
    """Return a `dimod.BinaryQuadraticModel` as a QUBO, its bits in the order of its variables.

    Spins s become bits z by s = 2z − 1, with the same energies. The names of the variables are the
    labels of the bits.
    """
    linear, (row, column, value), offset = bqm.binary.to_numpy_vectors(
        variable_order=list(bqm.variables)
    )
    n = len(linear)
    own = np.arange(n)
    entries = np.concatenate((linear, value))
    place = np.concatenate((own, row)), np.concatenate((own, column))
    matrix = sparse.coo_array((entries, place), shape=(n, n))
    return Qubo.of(matrix, float(offset), [str(name) for name in bqm.variables])


def to_cqm(program: Program) -> Any:
    """Return the program as a `dimod.ConstrainedQuadraticModel`, named by column and row labels.

    A row with two sides becomes two constraints, ``"… at least"`` and ``"… at most"``. Rows not
    listed are listed first. What dimod cannot hold of a program is lost: which integers are
    implied, cuts and the equivalent.

    Raises
    ------
    UnsupportedError
        Where the objective multiplies continuous columns, or has ratios.
    TooLargeError
        Where the rows would not fit into memory.
    """
    program = program.complete()
    names = [program.column_label(k) for k in range(program.n_columns)]
    _check_quadratic(program, names)
    model: Any = dimod.ConstrainedQuadraticModel
    cqm = model()
    cqm.set_objective(_model(program, names))
    _add_constraints(cqm, program, names)
    return cqm


def from_cqm(cqm: Any) -> Program:
    """Return a `dimod.ConstrainedQuadraticModel` as a program, its columns in the model's order.

    Spins s become binaries z by s = 2z − 1. Neighbors whose labels agree before the first ``[``
    form a block of that name.

    Raises
    ------
    UnsupportedError
        Where a constraint is quadratic or soft; names all of them.
    """
    _check_constraints(cqm)
    if any(cqm.vartype(name) is dimod.SPIN for name in cqm.variables):
        cqm = cqm.spin_to_binary(inplace=False)
    names = list(cqm.variables)
    place = {name: k for k, name in enumerate(names)}
    c, Q = _objective(cqm, place)
    A, row_lower, row_upper = _rows(cqm, place)
    lower, upper = _bounds(cqm)
    real = np.array([cqm.vartype(name) is dimod.REAL for name in names], dtype=np.bool_)
    kind = np.where(real, Integrality.CONTINUOUS, Integrality.INTEGER)
    return Program(
        Q=Q,
        c=c,
        c0=float(cqm.objective.offset),
        A=A,
        row_lower=row_lower,
        row_upper=row_upper,
        lower=lower,
        upper=upper,
        integrality=kind.astype(np.int8),
        variables=_blocks([str(name) for name in names]),
        rows=_blocks([str(label) for label in cqm.constraints]),
    )


def _check_quadratic(program: Program, names: Sequence[str]) -> None:
    place = np.unique(np.concatenate(entries_of(program.Q)[:2]))
    wrong = [names[k] for k in place if not program.is_integer[k]]
    wrong += [names[k] for k in program.ratios.column]
    if wrong:
        shown = ", ".join(wrong[:5]) + (", …" if len(wrong) > 5 else "")
        raise UnsupportedError(
            f"dimod's constrained models take no quadratic cost of continuous variables, here of "
            f"{len(wrong)}: {shown}; give linear cost segments, or use the solver highs"
        )


def _is_binary(program: Program) -> BoolArray:
    return np.asarray(program.is_integer & (program.lower == 0.0) & (program.upper == 1.0))


def _model(program: Program, names: Sequence[str]) -> Any:
    """Return the variables and the objective as a `dimod.QuadraticModel`."""
    model = dimod.QuadraticModel()
    binary = _is_binary(program)
    for k, name in enumerate(names):
        if binary[k]:
            model.add_variable(dimod.BINARY, name)
        else:
            _add_variable(model, program, k, name)
    row, column, value = entries_of(program.Q)
    own = (row == column) & binary[row]
    linear = program.c.copy()
    np.add.at(linear, row[own], value[own])
    model.add_linear_from(zip(names, linear.tolist(), strict=True))
    others = (part[~own].tolist() for part in (row, column, value))
    for i, j, coefficient in zip(*others, strict=True):
        model.add_quadratic(names[i], names[j], coefficient)
    model.offset = program.c0
    return model


def _add_variable(model: Any, program: Program, k: int, name: str) -> None:
    low, high = float(program.lower[k]), float(program.upper[k])
    kind = dimod.INTEGER if program.is_integer[k] else dimod.REAL
    if program.is_integer[k]:
        low, high = np.ceil(low), np.floor(high)
    limits = _limits(kind)
    model.add_variable(
        kind, name, lower_bound=max(low, limits.min), upper_bound=min(high, limits.max)
    )


def _add_constraints(cqm: Any, program: Program, names: Sequence[str]) -> None:
    A = program.A
    for row in range(program.n_rows):
        entries = slice(A.indptr[row], A.indptr[row + 1])
        columns, values = A.indices[entries].tolist(), A.data[entries].tolist()
        terms = [(names[k], value) for k, value in zip(columns, values, strict=True)]
        label = program.row_label(row)
        for sense, side, suffix in _sides(program.row_lower[row], program.row_upper[row]):
            cqm.add_constraint_from_iterable(terms, sense, side, label=label + suffix)


def _sides(low: float, high: float) -> list[tuple[str, float, str]]:
    """Return sense, right-hand side and suffix of the label of each side of a row."""
    if low == high:
        return [("==", float(low), "")]
    both = np.isfinite(low) and np.isfinite(high)
    sides = ((">=", low, " at least"), ("<=", high, " at most"))
    return [
        (sense, float(side), suffix if both else "")
        for sense, side, suffix in sides
        if np.isfinite(side)
    ]


def _check_constraints(cqm: Any) -> None:
    quadratic = [str(label) for label, part in cqm.constraints.items() if part.lhs.quadratic]
    soft = [str(label) for label, part in cqm.constraints.items() if part.lhs.is_soft()]
    faults = [
        f"{len(labels)} {kind} ({', '.join(labels[:5])}{', …' if len(labels) > 5 else ''})"
        for kind, labels in (("quadratic", quadratic), ("soft", soft))
        if labels
    ]
    if faults:
        raise UnsupportedError(
            f"a program takes linear constraints that must hold, not {' and '.join(faults)}: "
            "linearize them, or write soft ones as a priced variable"
        )


def _objective(cqm: Any, place: Mapping[Any, int]) -> tuple[FloatArray, sparse.csr_array]:
    n = len(place)
    c = np.zeros(n)
    for name, value in cqm.objective.linear.items():
        c[place[name]] += value
    terms = [
        (place[one], place[other], value / 2.0)
        for (one, other), value in cqm.objective.quadratic.items()
    ]
    terms += [(j, i, value) for i, j, value in terms]
    return c, _matrix(terms, (n, n))


def _rows(cqm: Any, place: Mapping[Any, int]) -> tuple[sparse.csr_array, FloatArray, FloatArray]:
    terms, sides = [], []
    for row, part in enumerate(cqm.constraints.values()):
        terms += [(row, place[name], value) for name, value in part.lhs.linear.items()]
        side = part.rhs - part.lhs.offset
        at_least, at_most = part.sense.value in (">=", "=="), part.sense.value in ("<=", "==")
        sides.append((side if at_least else -np.inf, side if at_most else np.inf))
    lower, upper = np.array(sides, dtype=np.float64).reshape(-1, 2).T
    return _matrix(terms, (len(sides), len(place))), lower.copy(), upper.copy()


def _matrix(terms: list[tuple[int, int, float]], shape: tuple[int, int]) -> sparse.csr_array:
    row, column, value = np.array(terms, dtype=np.float64).reshape(-1, 3).T
    place = row.astype(np.int64), column.astype(np.int64)
    return sparse.csr_array(sparse.coo_array((value, place), shape=shape))


def _limits(kind: Any) -> Any:
    """Return the widest bounds that dimod knows for a kind of variable."""
    known: Any = dimod
    return known.vartype_info(kind)


def _bounds(cqm: Any) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of all variables; the widest that dimod has stand for none."""
    kinds = [cqm.vartype(name) for name in cqm.variables]
    widest = [np.inf if kind is dimod.BINARY else _limits(kind).max for kind in kinds]
    lower = np.array([cqm.lower_bound(name) for name in cqm.variables], dtype=np.float64)
    upper = np.array([cqm.upper_bound(name) for name in cqm.variables], dtype=np.float64)
    most = np.array(widest, dtype=np.float64)
    return np.where(lower <= -most, -np.inf, lower), np.where(upper >= most, np.inf, upper)


def _blocks(labels: Sequence[str]) -> dict[str, Block]:
    """Return blocks of neighbors whose labels agree before the first bracket."""
    blocks: dict[str, Block] = {}
    first = 0
    for name, members in groupby(labels, key=lambda label: label.partition("[")[0]):
        own = tuple(members)
        unique, number = name, 1
        while unique in blocks:
            number += 1
            unique = f"{name} {number}"
        blocks[unique] = Block(unique, first, (len(own),), own)
        first += len(own)
    return blocks
