"""A held linear model, against the same one with bounds and all of it in HiGHS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from gridopt.held_model import HeldModel
from gridopt.highs_model import Clock, HighsModel
from gridopt.linearization import LinearModel, linearized
from gridopt.program import ProgramBuilder
from gridopt.solution import Termination


def drawn_model(rng: np.random.Generator) -> LinearModel:
    """Return columns that switches allow, rows that tie them, and some that bind nothing."""
    n = int(rng.integers(2, 7))
    b = ProgramBuilder()
    on = b.binary("on", (n,))
    p = b.variable("p", (n,), upper=rng.integers(1, 9, n).astype(float))
    q = b.variable("q", (3,), lower=-np.inf, upper=rng.choice([4.0, np.inf], 3))
    b.constrain("switch", (1.0, p), (-rng.integers(1, 9, n).astype(float), on), upper=0.0)
    b.constrain("most", (1.0, p), upper=rng.integers(0, 9, n).astype(float))
    b.constrain("least", (rng.integers(0, 3, n).astype(float), p), lower=rng.integers(-3, 3, n))
    b.constrain("tie", (1.0, p[:, np.newaxis]), (1.0, q[:1, np.newaxis]), lower=3.0)
    b.constrain("alike", (1.0, q[1:]), (-1.0, q[:-1]), equal=rng.integers(-2, 3, 2).astype(float))
    b.constrain("bottom", (1.0, q), lower=-20.0)
    for columns, size in ((p, n), (q, 3)):
        b.minimize(rng.integers(-4, 9, size).astype(float), columns)
    return linearized(b.program().relaxed())


@pytest.mark.parametrize("seed", range(80))
def test_what_is_left_has_the_same_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = drawn_model(rng)
    held, whole = (
        HeldModel(model, np.array([0]), Clock(None), "held"),
        HighsModel(model, Clock(None)),
    )
    n = len(model.c)
    for _ in range(3):
        columns = np.flatnonzero(model.upper == 1.0)
        values = rng.integers(0, 2, len(columns)).astype(float)
        whole.restrict(np.arange(n), model.lower, model.upper)
        whole.hold(columns, values)
        termination = held.run(columns, values)
        assert termination is whole.run()
        if termination is Termination.OPTIMAL:
            assert held.objective == pytest.approx(whole.objective)
            x = held.x
            assert x is not None
            assert model.c @ x + model.c0 == pytest.approx(held.objective)
            assert (x >= model.lower - 1e-7).all()
            assert (x <= model.upper + 1e-7).all()
            activity = model.A @ x
            assert (activity >= model.row_lower - 1e-6).all()
            assert (activity <= model.row_upper + 1e-6).all()
            assert x[columns] == pytest.approx(values)
        row = sparse.csr_array(rng.integers(-1, 2, (1, n - 1)).astype(float))
        held.add_rows(row, np.array([-9.0]), np.array([9.0]))
        whole.add_rows(row, np.array([-9.0]), np.array([9.0]))
        wide = sparse.csr_array((row.data, row.indices, row.indptr), shape=(1, n))
        model = replace(
            model,
            A=sparse.csr_array(sparse.vstack([model.A, wide])),
            row_lower=np.append(model.row_lower, -9.0),
            row_upper=np.append(model.row_upper, 9.0),
        )
