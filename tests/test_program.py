"""The program and its builder: shapes, sums, names, and the judgment of answers."""

from __future__ import annotations

import numpy as np
import pytest

from gridopt.program import Integrality, ProgramBuilder
from gridopt.solution import Solution, Termination, relative_gap


def test_rows_take_the_shape_of_bounds_and_terms() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (2, 3), upper=9.0)
    b.constrain("sum over the last axis", (1.0, x.T), equal=[1.0, 2.0, 3.0])
    b.constrain("as the terms", (1.0, x), upper=5.0)
    b.constrain("bound broadcasts", (1.0, x), upper=[[4.0], [5.0]])
    b.constrain("term broadcasts", (1.0, x), (2.0, x[:, :1]), upper=7.0)
    b.constrain("one row", ([1.0, 2.0, 3.0], x[:1]), lower=[1.0])
    program = b.program()
    assert {name: block.shape for name, block in program.rows.items()} == {
        "sum over the last axis": (3,),
        "as the terms": (2, 3),
        "bound broadcasts": (2, 3),
        "term broadcasts": (2, 3),
        "one row": (1,),
    }
    values = np.arange(6.0)
    activity = program.A @ values
    assert activity[:3].tolist() == [3.0, 5.0, 7.0]
    first = program.rows["bound broadcasts"].numbers
    assert program.row_upper[first].tolist() == [[4.0] * 3, [5.0] * 3]
    doubled = program.rows["term broadcasts"].numbers
    assert activity[doubled][1].tolist() == [3.0 + 6.0, 4.0 + 6.0, 5.0 + 6.0]
    assert activity[program.rows["one row"].numbers].tolist() == [0.0 + 2.0 + 6.0]


def test_objective_counts_every_part_once() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (2,))
    b.minimize([1.0, 2.0], x)
    b.minimize(10.0, x[:1])
    b.minimize_product(3.0, x[:1], x[1:])
    b.minimize_product(0.5, x, x)
    b.minimize_constant(7.0)
    program = b.program()
    expected = 1 * 2 + 2 * 5 + 10 * 2 + 3 * 2 * 5 + 0.5 * (4 + 25) + 7
    assert program.objective(np.array([2.0, 5.0])) == pytest.approx(expected)
    assert np.array_equal(program.Q.toarray(), program.Q.toarray().T)


def test_violations_name_their_block_and_amount() -> None:
    b = ProgramBuilder()
    on = b.binary("on", (2,))
    power = b.variable("power_mw", (2,), 10.0, 50.0)
    start = b.binary("start", (1,), implied=True)
    b.constrain("balance", (1.0, power[np.newaxis]), equal=[60.0])
    program = b.program()
    x = np.array([1.0, 0.25, 8.0, 47.5, 0.0])
    assert program.violated(x) == {"balance": 4.5, "bounds": 2.0, "integrality": 0.25}
    assert program.violation(x) == 4.5
    assert not program.is_feasible(x)
    assert program.is_decision.tolist() == [True, True, False, False, False]
    assert program.is_integer.tolist() == [True, True, False, False, True]
    assert program.integrality[start[0]] == Integrality.IMPLIED
    assert program.relaxed().violated(x).keys() == {"balance", "bounds"}
    assert program.fixed(on, [1.0, 0.0]).upper[on].tolist() == [1.0, 0.0]
    assert program.column_label(int(power[1])) == "power_mw[1]"
    assert program.row_label(0) == "balance[0]"


def test_names_are_given_once() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (1,))
    b.constrain("row", (1.0, x), upper=1.0)
    with pytest.raises(ValueError, match="variable block 'x' already"):
        b.variable("x", (2,))
    with pytest.raises(ValueError, match="row block 'row' already"):
        b.constrain("row", (1.0, x), upper=1.0)


def test_an_infeasible_answer_costs_infinity() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (1,), upper=3.0)
    b.minimize(2.0, x)
    program = b.program()
    good = Solution.at(program, np.array([2.0]), Termination.SAMPLED, bound=3.0)
    bad = Solution.at(program, np.array([4.0]), Termination.SAMPLED, bound=3.0)
    none = Solution.at(program, None, Termination.INFEASIBLE)
    assert (good.objective, good.gap) == (4.0, 0.25)
    assert (bad.objective, bad.violation, bad.gap) == (np.inf, 1.0, np.inf)
    assert not none.is_feasible


def test_relative_gap() -> None:
    assert relative_gap(-100.0, -110.0) == pytest.approx(0.1)
    assert relative_gap(100.0, 101.0) == 0.0
    assert relative_gap(0.0, 0.0) == 0.0
    assert relative_gap(0.0, -1.0) == np.inf
    assert relative_gap(np.inf, 0.0) == np.inf
