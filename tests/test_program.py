"""The program and its builder: shapes, sums, names, and the judgment of answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import sparse

from gridopt.arrays import FloatArray, IntArray
from gridopt.errors import TooLargeError
from gridopt.lazy import AddedRows, LazyRows, check_listable
from gridopt.program import Equivalent, Integrality, Program, ProgramBuilder
from gridopt.solution import Solution, Termination, relative_gap
from gridopt.solvers.exact import Exact


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


@dataclass(frozen=True, eq=False)
class PairLimits(LazyRows):
    """x_i + x_j ≤ limit for all pairs of some columns."""

    columns: IntArray
    limit: float

    @property
    def n_rows(self) -> int:
        return len(self.columns) * (len(self.columns) - 1) // 2

    def violation(self, x: FloatArray) -> float:
        return float(self._excess(x).max(initial=0.0))

    def separate(self, x: FloatArray, most: int, tolerance: float) -> AddedRows:
        excess = self._excess(x)
        worst = np.argsort(-excess, kind="stable")[:most]
        return self._rows(worst[excess[worst] > tolerance], len(x))

    def every_row(self, n_columns: int) -> AddedRows:
        check_listable(self.name, self.n_rows, 2)
        return self._rows(np.arange(self.n_rows), n_columns)

    def _pairs(self) -> IntArray:
        return np.column_stack(np.triu_indices(len(self.columns), 1))

    def _excess(self, x: FloatArray) -> FloatArray:
        return np.asarray(x[self.columns[self._pairs()]].sum(axis=1) - self.limit)

    def _rows(self, chosen: IntArray, n_columns: int) -> AddedRows:
        k, pairs = len(chosen), self._pairs()[chosen]
        A = sparse.coo_array(
            (np.ones(2 * k), (np.repeat(np.arange(k), 2), self.columns[pairs].ravel())),
            shape=(k, n_columns),
        )
        labels = tuple(f"{self.name}[{i}, {j}]" for i, j in pairs)
        return AddedRows(A.tocsr(), np.full(k, -np.inf), np.full(k, self.limit), labels)


def paired() -> Program:
    """Return a program of four columns up to 3, pairs of which are at most 4."""
    b = ProgramBuilder()
    x = b.variable("x", (4,), upper=3.0)
    b.constrain("least", (1.0, x[np.newaxis]), lower=[1.0])
    b.constrain_lazily(PairLimits("pair", x, 4.0))
    b.variable("later", (1,))
    return b.program()


def test_rows_that_are_not_listed_count() -> None:
    program = paired()
    x = np.array([3.0, 2.5, 0.0, 1.25, 0.0])
    assert program.n_rows == 1
    assert program.violation(x) == 1.5
    assert program.violated(x) == {"pair": 1.5}
    assert not program.is_feasible(x)
    assert program.relaxed().violation(x) == 1.5
    assert program.fixed(np.array([4]), 0.0).violated(x) == {"pair": 1.5}
    assert program.violation(np.array([np.nan, 0.0, 0.0, 0.0, 0.0])) == np.inf
    assert program.is_feasible(np.array([3.0, 1.0, 1.0, 1.0, 0.0]))


def test_rows_are_added_where_an_answer_misses_them() -> None:
    program = paired()
    x = np.array([3.0, 2.5, 0.0, 1.25, 0.0])
    assert program.separate(x, 10).label == ("pair[0, 1]", "pair[0, 3]")
    worst = program.separate(x, 1)
    assert worst.label == ("pair[0, 1]",)
    assert not len(program.separate(np.array([3.0, 1.0, 1.0, 1.0, 0.0]), 10))
    longer = program.with_rows(worst).with_rows(program.separate(x, 10))
    assert list(longer.rows) == ["least", "added", "added 2"]
    assert [longer.row_label(row) for row in range(longer.n_rows)] == [
        *("least[0]", "pair[0, 1]", "pair[0, 1]", "pair[0, 3]")
    ]
    assert (longer.A @ x)[1:].tolist() == [5.5, 5.5, 4.25]
    assert longer.row_upper[1:].tolist() == [4.0] * 3
    assert longer.violated(x) == {"added": 1.5, "added 2": 1.5, "pair": 1.5}
    assert program.with_rows(AddedRows.none(5)) is program


def test_the_complete_program_lists_every_row() -> None:
    program, complete = paired(), paired().complete()
    assert complete.lazy == ()
    assert complete.rows["pair"].shape == (6,)
    assert complete.n_columns == 5
    for x in np.random.default_rng(0).uniform(0.0, 3.5, (20, 5)):
        assert complete.violated(x) == pytest.approx(program.violated(x))


def test_qubos_keep_rows_that_are_not_listed() -> None:
    """One of four at most, though two would be better."""
    b = ProgramBuilder()
    on = b.binary("on", (4,))
    b.minimize([-1.0, -3.0, -2.0, -1.0], on)
    b.constrain_lazily(PairLimits("pair", on, 1.0))
    found = Exact().solve(b.program())
    assert (found.termination, found.objective) == (Termination.OPTIMAL, -3.0)


def test_families_of_rows_have_names_of_their_own() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (3,))
    b.constrain_lazily(PairLimits("pair", x, 1.0))
    b.constrain_lazily(PairLimits("none", x[:1], 1.0))
    b.constrain("row", (1.0, x), upper=1.0)
    for name in ("pair", "row"):
        with pytest.raises(ValueError, match=f"row block '{name}' already"):
            b.constrain_lazily(PairLimits(name, x, 1.0))
    with pytest.raises(ValueError, match="row block 'pair' already"):
        b.constrain("pair", (1.0, x), upper=1.0)
    with b.scope("@low", 0.5):
        b.constrain_lazily(PairLimits("pair", x, 1.0))
    assert [lazy.name for lazy in b.program().lazy] == ["pair", "pair@low"]


def test_too_many_rows_to_list_are_refused() -> None:
    check_listable("outages", 10**6, 30)
    with pytest.raises(TooLargeError, match=r"outages has 10000000 rows of some 30 entries"):
        check_listable("outages", 10**7, 30)


def test_rows_given_entry_by_entry() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (2, 2))
    b.constrain("before", (1.0, x), upper=9.0)
    b.constrain_sparse(
        "picked",
        (np.array([0, 1, 1]), x.ravel()[:3], np.array([1.0, 2.0, 3.0])),
        (np.array([0, 1]), np.array([3, 2]), np.array([-4.0, 0.5])),
        lower=np.array([-np.inf, -4.0]),
        upper=np.array([5.0, np.inf]),
    )
    b.constrain("after", (1.0, x[:1]), lower=1.0)
    program = b.program()
    assert (program.rows["picked"].first, program.rows["picked"].shape) == (4, (2,))
    rows = program.rows["picked"].numbers
    assert program.A.toarray()[rows].tolist() == [[1.0, 0.0, 0.0, -4.0], [0.0, 2.0, 3.5, 0.0]]
    assert program.row_upper[rows].tolist() == [5.0, np.inf]
    assert program.row_lower[rows].tolist() == [-np.inf, -4.0]
    assert program.row_label(5) == "picked[1]"
    assert program.violated(np.array([10.0, 1.0, 1.0, 1.0])) == {"before": 1.0, "picked": 1.0}
    with pytest.raises(ValueError, match="row block 'picked' already"):
        b.constrain_sparse("picked", lower=np.zeros(0), upper=np.zeros(0))


def implied() -> Program:
    b = ProgramBuilder()
    on = b.binary("on", (2, 3))
    b.constrain("row", (1.0, on), upper=1.0)
    b.imply("capacity", (50.0, on.T), lower=[60.0, 20.0, 0.0])
    b.imply("pair", (1.0, on[0]), (1.0, on[1]), upper=1.0)
    return b.program()


def test_rows_that_whole_answers_keep_anyway_stand_apart() -> None:
    program = implied()
    cuts = program.cuts
    assert cuts is not None
    assert list(program.rows) == ["row"]
    assert cuts.label == (*(f"capacity[{t}]" for t in range(3)), *(f"pair[{t}]" for t in range(3)))
    assert cuts.A.shape == (6, 6)
    x = np.array([1.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    assert (cuts.A @ x).tolist() == [100.0, 50.0, 50.0, 2.0, 1.0, 1.0]
    assert cuts.lower.tolist() == [60.0, 20.0, 0.0, -np.inf, -np.inf, -np.inf]
    assert cuts.upper.tolist() == [np.inf] * 3 + [1.0] * 3
    assert program.violation(np.zeros(6)) == 0.0
    assert program.relaxed().cuts is None
    assert program.fixed(np.arange(2), 0.0).cuts is cuts
    assert paired().cuts is None


def test_implied_rows_have_names_of_their_own() -> None:
    b = ProgramBuilder()
    x = b.variable("x", (2,))
    b.imply("need", (1.0, x), lower=1.0)
    for write in (b.imply, b.constrain):
        with pytest.raises(ValueError, match="row block 'need' already"):
            write("need", (1.0, x), lower=1.0)
    with b.scope("@low", 0.5):
        b.imply("need", (1.0, x), lower=1.0)
    cuts = b.program().cuts
    assert cuts is not None
    assert cuts.label == ("need[0]", "need[1]", "need@low[0]", "need@low[1]")


def test_ratios_are_what_units_cost_that_share_evenly() -> None:
    b = ProgramBuilder()
    count = b.variable("count", (3,), 0.0, 4.0, Integrality.INTEGER)
    power = b.variable("power_mw", (3,), upper=40.0)
    b.minimize(2.0, power)
    b.minimize_ratio([0.5, 0.25, 3.0], power, count)
    with b.scope("@low", 0.1):
        b.minimize_ratio(1.0, power[:1], count[1:2])
    b.minimize_ratio(1.0, power[:0], count[:0])
    program = b.program()
    assert len(program.ratios) == 4
    x = np.array([2.0, 4.0, 0.0, 12.0, 8.0, 0.0])
    expected = 2 * (12 + 8) + 0.5 * 2 * 6.0**2 + 0.25 * 4 * 2.0**2 + 0.1 * 12.0**2 / 4
    assert program.objective(x) == pytest.approx(expected)
    assert program.fixed(np.arange(3), x[:3]).objective(x) == pytest.approx(expected)
    assert program.relaxed().objective(x) == pytest.approx(expected)
    assert len(ProgramBuilder().program().ratios) == 0


def test_an_equivalent_program_stands_for_the_whole_one_only() -> None:
    smaller = Equivalent(paired(), lambda x: x[:4], lambda decided: decided)
    program = replace(implied(), equivalent=smaller)
    assert program.fixed(np.arange(2), 0.0).equivalent is None
    assert program.relaxed().equivalent is None
    rows = AddedRows(sparse.csr_array(np.ones((1, 6))), np.array([1.0]), np.array([2.0]), ("one",))
    assert program.with_rows(rows).n_rows == program.n_rows + 1
