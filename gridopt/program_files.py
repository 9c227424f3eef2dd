"""Programs as files that other solvers read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import highspy
from scipy import sparse

from gridopt.program import Block, Program
from gridopt.solver import check_option


def write_program(program: Program, path: str | Path) -> Path:
    """Write a program into a file that other solvers read; its ending says the format.

    Parameters
    ----------
    program : Program
        Rows that it does not list are written as well.
    path : str or Path
        ``.lp`` (CPLEX LP) or ``.mps`` (free MPS). The folder is created where it is missing.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    OptionError
        For another ending.
    TooLargeError
        Where there are too many rows to list.

    Notes
    -----
    Columns and rows are named by block and place, such as ``on(3,5)``, what the formats do not
    allow in a name as ``_``. Implied integers are written as integers.
    """
    target = Path(path)
    check_program_file(target)
    whole = program.complete()
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    highs.passModel(_as_model(whole))
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".writing-", dir=target.parent) as folder:
        scratch = Path(folder) / target.name
        if highs.writeModel(str(scratch)) != highspy.HighsStatus.kOk:
            raise OSError(f"HiGHS could not write {target}")
        scratch.replace(target)
    return target


def check_program_file(path: Path) -> None:
    """Raise `OptionError` unless `write_program` can write such a file."""
    right = path.suffix in (".lp", ".mps")
    check_option("write_program", "path", str(path), right, "a name that ends in .lp or .mps")


def _as_model(program: Program) -> highspy.HighsModel:
    """Return a program with its quadratic part and its names; HiGHS's objective is x'Qx / 2."""
    model = highspy.HighsModel()
    lp, matrix = model.lp_, sparse.csr_array(program.A)
    lp.num_col_, lp.num_row_ = program.n_columns, program.n_rows
    lp.col_cost_, lp.offset_ = program.c, program.c0
    lp.col_lower_, lp.col_upper_ = program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    kinds = highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger
    lp.integrality_ = [kinds[whole] for whole in program.is_integer.astype(int)]
    lp.col_names_, lp.row_names_ = _names(program.variables), _names(program.rows)
    lower = sparse.csc_array(sparse.tril(2 * program.Q))
    if lower.nnz:
        hessian = model.hessian_
        hessian.dim_, hessian.format_ = program.n_columns, highspy.HessianFormat.kTriangular
        hessian.start_, hessian.index_, hessian.value_ = lower.indptr, lower.indices, lower.data
    return model


def _names(blocks: Mapping[str, Block]) -> list[str]:
    """Return names of all columns (rows) that the formats allow, no two alike."""
    names: dict[str, None] = {}
    for block in blocks.values():
        for number in range(block.first, block.first + block.size):
            label = block.label(number).replace(", ", ",").replace("[", "(").replace("]", ")")
            name = re.sub(r"[^\w.,()]", "_", label, flags=re.ASCII)
            while name in names:
                name += "_"
            names[name] = None
    return list(names)
