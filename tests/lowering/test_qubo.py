"""The QUBO of a program: exact on its grid, or a clear error."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gridopt.arrays import FloatArray
from gridopt.errors import OptionError, ResolutionError, TooLargeError, UnsupportedError
from gridopt.lowering.penalties import common_unit, counting_weights, slack_weights
from gridopt.lowering.qubo import Lowering, Qubo, discretized, to_qubo
from gridopt.lowering.reduction import reduced
from gridopt.program import Integrality, Program, ProgramBuilder

MOST_BITS = 12
RESOLUTION = 0.5

bounded = settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Small programs with every kind of column and row, on multiples of the resolution."""
    b = ProgramBuilder()
    small = st.integers(-3, 3)
    bits = b.binary("bit", (draw(st.integers(1, 4)),), implied=draw(st.booleans()))
    lower = draw(st.integers(-2, 2))
    whole = b.variable(
        "whole",
        (draw(st.integers(0, 1)),),
        lower=lower,
        upper=lower + draw(st.integers(0, 5)),
        integrality=Integrality.INTEGER,
    )
    real = b.variable(
        "real", (draw(st.integers(0, 2)),), lower=-1.0, upper=-1.0 + draw(st.integers(1, 3)) / 2.0
    )
    free = b.variable("free", (draw(st.integers(0, 1)),), lower=-np.inf)
    columns = np.concatenate((bits, whole, real))
    for column in columns:
        b.minimize(draw(st.integers(-6, 6)) / 2.0, column)
    for _ in range(draw(st.integers(0, 3))):
        left, right = (
            draw(st.sampled_from(columns.tolist())),
            draw(st.sampled_from(columns.tolist())),
        )
        b.minimize_product(draw(small), left, right)
    for k in range(draw(st.integers(0, 3))):
        weights = np.array([draw(small) for _ in columns], dtype=float)
        side = np.array([draw(st.integers(-6, 10)) / 2.0])
        kind = draw(st.sampled_from(["upper", "lower", "equal", "both"]))
        low = {"lower": side, "both": side - 1.0}.get(kind)
        high = {"upper": side, "both": side + draw(st.integers(0, 2))}.get(kind)
        equal = side if kind == "equal" else None
        b.constrain(f"row{k}", (weights, columns[np.newaxis]), lower=low, upper=high, equal=equal)
    if len(free):
        b.minimize(draw(small), free)
        b.minimize_product(1.0, free, free)
        row = np.array([*(draw(small) for _ in columns), 2.0])
        everything = np.concatenate((columns, free))[np.newaxis]
        b.constrain("balance", (row, everything), equal=np.array([draw(st.integers(-4, 4)) + 0.3]))
    return b.program()


def bit_strings(n: int) -> FloatArray:
    return ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.float64)


def grid_points(program: Program) -> list[FloatArray]:
    """Every point of a discretized program that holds its rows."""
    ranges = [range(int(upper) + 1) for upper in program.upper]
    points = [np.array(point, dtype=np.float64) for point in itertools.product(*ranges)]
    return [point for point in points if program.is_feasible(point)]


def key(x: FloatArray) -> tuple[float, ...]:
    return tuple((np.round(x, 6) + 0.0).tolist())


def assert_exact(program: Program, lowering: Lowering) -> Qubo:
    """Check every bit string of the QUBO against every point of the discretized program."""
    qubo = to_qubo(program, lowering)
    grid = discretized(program, lowering)
    feasible = [grid.lift(point) for point in grid_points(grid.program)]
    allowed = {key(x) for x in feasible}
    z = bit_strings(qubo.n_bits)
    energies, points = qubo.energy(z), qubo.lift(z)
    np.testing.assert_allclose(qubo.spectrum(), energies, atol=1e-7)
    above = energies - np.array([program.objective(x) for x in points])
    assert above.min() > -1e-6
    on_rows = above < 1e-6
    assert {key(x) for x in points[on_rows]} == allowed
    assert all(program.is_feasible(x) for x in points[on_rows])
    if feasible:
        best = min(program.objective(x) for x in feasible)
        ground = energies <= energies.min() + 1e-7
        assert energies.min() == pytest.approx(best, abs=1e-6)
        assert on_rows[ground].all()
    return qubo


@bounded
@given(programs())
def test_ground_state_is_the_optimum_of_the_discretized_program(program: Program) -> None:
    assume(to_qubo(program, Lowering(resolution=RESOLUTION)).n_bits <= MOST_BITS)
    qubo = assert_exact(program, Lowering(resolution=RESOLUTION))
    assert qubo.exact
    assert not qubo.rounded


@bounded
@given(programs())
def test_stronger_penalty_is_exact_too(program: Program) -> None:
    assume(to_qubo(program, Lowering(resolution=RESOLUTION)).n_bits <= MOST_BITS)
    assert assert_exact(program, Lowering(resolution=RESOLUTION, penalty=3.0)).exact


@bounded
@given(programs(), st.integers(0, 2**31))
def test_reduction_keeps_objective_and_rows(program: Program, seed: int) -> None:
    found = reduced(program)
    inner = found.program
    assume(bool(np.all(inner.lower <= inner.upper)))
    rng = np.random.default_rng(seed)
    y = inner.lower + rng.random(inner.n_columns) * (inner.upper - inner.lower)
    y = np.where(inner.is_integer, np.rint(y), y)
    x = found.lift(y)
    assert program.objective(x) == pytest.approx(inner.objective(y), abs=1e-7)
    if inner.is_feasible(y):
        assert program.violation(x) < 1e-5
    assert len(found.columns) == inner.n_columns
    assert len(found.rows) == inner.n_rows


def test_spans_are_exact() -> None:
    for span in range(1, 200):
        sums = _sums(counting_weights(span))
        assert sums == set(range(span + 1))
        near = {s + d for s in _sums(slack_weights(span)) for d in (0, 1)}
        assert near == set(range(span + 1))
        assert len(slack_weights(span)) == len(counting_weights(span)) - 1
    assert counting_weights(0) == ()


def _sums(weights: tuple[int, ...]) -> set[int]:
    return {
        sum(part) for k in range(len(weights) + 1) for part in itertools.combinations(weights, k)
    }


def test_common_unit() -> None:
    assert common_unit([0.5, 0.3]) == pytest.approx(0.1)
    assert common_unit([76.0, 12.0, -20.0]) == pytest.approx(4.0)
    assert common_unit([1.0 / 3.0, 1.0]) == pytest.approx(1.0 / 3.0)
    assert common_unit([1.0, np.sqrt(2.0)]) is None
    assert common_unit([]) == 1.0


def _commitment(n_units: int, n_hours: int) -> Program:
    """Return a commitment window: logic, up and down times of two hours, a priced import."""
    b = ProgramBuilder()
    shape = (n_units, n_hours)
    low, span = 30.0 + 10.0 * np.arange(n_units), 20.0
    on, start = b.binary("on", shape), b.binary("start", shape)
    stop = b.binary("stop", shape, implied=True)
    above = b.variable("above_min_mw", shape, upper=span)
    bought = b.variable("import_mw", (n_hours,), lower=-np.inf)
    b.minimize((200.0 + 20.0 * low)[:, None], on)
    b.minimize(120.0, start)
    b.minimize(25.0 + np.arange(n_units)[:, None], above)
    b.minimize(30.0, bought)
    b.minimize_product(0.1, bought, bought)
    demand = 60.0 + 40.0 * np.arange(n_hours)
    b.constrain("balance", (1.0, above.T), (low, on.T), (1.0, bought), equal=demand)
    b.constrain("capacity", (1.0, above), (-span, on), upper=0.0)
    b.constrain(
        "logic", (1.0, on[:, 1:]), (-1.0, on[:, :-1]), (-1.0, start[:, 1:]), (1.0, stop[:, 1:]),
        equal=0.0,
    )  # fmt: skip
    b.constrain("first", (1.0, on[:, 0]), (-1.0, start[:, 0]), (1.0, stop[:, 0]), equal=0.0)
    b.constrain("start_is_on", (1.0, start), (-1.0, on), upper=0.0)
    b.constrain("up", (1.0, start[:, :-1]), (1.0, start[:, 1:]), (-1.0, on[:, 1:]), upper=0.0)
    b.constrain("down", (1.0, stop[:, :-1]), (1.0, stop[:, 1:]), (1.0, on[:, 1:]), upper=1.0)
    return b.program()


def test_commitment_takes_no_slack_no_stop_bits_and_no_balance_penalty() -> None:
    program = _commitment(1, 3)
    qubo = assert_exact(program, Lowering(resolution=20.0))
    assert qubo.n_slack == 0
    assert qubo.n_bits == 3 + 2 + 3
    assert not any(label.startswith(("stop", "import")) for label in qubo.labels)
    assert "balance" not in qubo.penalties
    finer = to_qubo(program, Lowering(resolution=1.0))
    assert (finer.n_bits, finer.n_slack, finer.exact) == (3 + 2 + 3 * 5, 0, True)


def test_weights_follow_the_component_not_the_whole() -> None:
    two, four = (to_qubo(_commitment(n, 3), Lowering(resolution=20.0)) for n in (2, 4))
    assert max(four.penalties.values()) < 2.0 * max(two.penalties.values())
    ratios = [float(qubo.describe()["penalty_ratio"]) for qubo in (two, four)]
    assert ratios[1] < ratios[0]


def _row(weights: list[float], **sides: float) -> Program:
    b = ProgramBuilder()
    x = b.binary("x", (len(weights),))
    b.minimize(-1.0 - np.arange(len(weights)), x)
    arrays = {side: np.array([value]) for side, value in sides.items()}
    b.constrain("row", (np.array(weights), x[np.newaxis]), **arrays)
    return b.program()


@pytest.mark.parametrize(
    ("weights", "sides", "n_slack"),
    [
        ([1, 1, 1, 1], {"upper": 1.0}, 0),  # one of many
        ([1, 1, 1, -3], {"upper": 0.0}, 0),  # cover
        ([5, 4, 1, 1], {"upper": 7.0}, 0),  # two heavy, two light beside
        ([1, -1], {"upper": 0.0}, 0),  # implication
        ([1, 1, 1], {"upper": 2.0}, 1),  # a triple without helper
        ([0.5, 0.3], {"upper": 0.5}, 0),  # what generic converters get wrong
        ([1, 1, 1, 1, 1], {"lower": 2.0, "upper": 3.0}, 0),  # adjacent values need no slack
        ([1, 2, 3, 4, 5], {"upper": 7.0}, 2),  # range 7 in bits of 2 and 4
        ([1, 1, 1], {"equal": 2.0}, 0),
        ([3, 3, 3, 3], {"upper": 7.0}, 1),  # in units of 3
    ],
)
def test_slack_bits_of_a_row(weights: list[float], sides: dict[str, float], n_slack: int) -> None:
    qubo = assert_exact(_row(weights, **sides), Lowering())
    assert qubo.n_slack == n_slack


def test_triple_with_helper_takes_no_slack() -> None:
    b = ProgramBuilder()
    now, before, start = b.binary("now", ()), b.binary("before", ()), b.binary("start", ())
    b.minimize(3.0, start)
    b.minimize(-2.0, now)
    b.minimize(1.0, before)
    b.constrain("start", (1.0, now), (-1.0, before), (-1.0, start), upper=0.0)
    b.constrain("is_on", (1.0, start), (-1.0, now), upper=0.0)
    assert assert_exact(b.program(), Lowering()).n_slack == 0


def test_equal_and_forced_bits_leave() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (5,))
    b.minimize(np.array([1.0, -2.0, 3.0, -4.0, -1.0]), x)
    b.constrain("same", (1.0, x[0]), (-1.0, x[1]), equal=0.0)
    b.constrain("other", (1.0, x[2]), (1.0, x[3]), equal=1.0)
    b.constrain("heavy", (3.0, x[4]), (1.0, x[0]), upper=2.0)
    assert assert_exact(b.program(), Lowering()).n_bits == 2


def test_infeasible_program_has_no_state_without_penalty() -> None:
    for program in (_row([2, 2], equal=1.0), _row([1, 1], lower=3.0), _row([2, 4, 6], equal=5.0)):
        qubo = to_qubo(program)
        z = bit_strings(qubo.n_bits)
        objective = np.array([program.objective(x) for x in qubo.lift(z)])
        assert (qubo.energy(z) - objective).min() > 0.5


def _ranges(upper: list[float]) -> Program:
    b = ProgramBuilder()
    p = b.variable("power_mw", (len(upper),), upper=upper)
    on = b.binary("on", (len(upper),))
    b.minimize(1.0, p)
    b.constrain("capacity", (1.0, p), (-np.array(upper), on), upper=0.0)
    b.constrain("total", (np.ones((1, len(upper))), p[np.newaxis]), equal=np.array([10.0]))
    return b.program()


def test_resolution_error_names_columns_and_rows_at_once() -> None:
    with pytest.raises(ResolutionError) as caught:
        to_qubo(_ranges([7.0, 8.0, 9.0]), Lowering(resolution=4.0))
    text = str(caught.value)
    for part in ("resolution 4", "power_mw[0]", "power_mw[2]", "total[0]", "rounding=True"):
        assert part in text
    assert "power_mw[1]" not in text
    with pytest.raises(ResolutionError, match=r"power_mw\[0\] \(range 7\)"):
        discretized(_ranges([7.0, 8.0, 9.0]), Lowering(resolution=4.0))


def test_resolution_error_is_shortened() -> None:
    with pytest.raises(ResolutionError, match="and 7 more"):
        discretized(_ranges([7.0] * 12), Lowering(resolution=4.0))


@pytest.mark.parametrize(
    ("weights", "side", "part"),
    [
        ([1.0, 1.0, 3.3], 8.0, "3.3 is no multiple"),
        ([1.0, np.sqrt(2.0), 2.0], 8.0, "no multiple"),
        ([1.0, 1.0, 4.0], 8.5, "8.5 is no multiple"),
    ],
)
def test_rows_that_do_not_divide(weights: list[float], side: float, part: str) -> None:
    b = ProgramBuilder()
    p = b.variable("power_mw", (2,), upper=10.0)
    on = b.binary("on", (1,))
    columns = np.concatenate((p, on))[np.newaxis]
    b.constrain("balance", (np.array(weights), columns), equal=np.array([side]))
    program = b.program()
    with pytest.raises(ResolutionError, match="balance") as caught:
        to_qubo(program, Lowering(resolution=2.0))
    assert part in str(caught.value)
    qubo = to_qubo(program, Lowering(resolution=2.0, rounding=True))
    assert (qubo.exact, qubo.rounded) == (False, ("balance[0]",))


def test_whole_rows_without_common_unit() -> None:
    program = _row([1.0, np.sqrt(2.0), np.pi, 1.7, 1.9], lower=4.0)
    with pytest.raises(ResolutionError, match="no common unit"):
        to_qubo(program, Lowering(resolution=1.0))
    assert not to_qubo(program).exact


def test_automatic_resolution_spans_each_column() -> None:
    program = _ranges([7.0, 8.0, 9.0])
    qubo = to_qubo(program, Lowering(levels=2))
    assert qubo.resolution == pytest.approx(9.0)
    assert qubo.rounded == ("total[0]",)
    assert not qubo.exact
    points = qubo.lift(bit_strings(qubo.n_bits))
    np.testing.assert_allclose(np.unique(points[:, 0]), [0.0, 7.0])


def test_rounding_changes_nothing_where_all_divides() -> None:
    stated = to_qubo(_ranges([8.0, 6.0]), Lowering(resolution=2.0))
    rounded = to_qubo(_ranges([8.0, 6.0]), Lowering(resolution=2.0, rounding=True))
    assert rounded.exact
    np.testing.assert_array_equal(stated.Q.toarray(), rounded.Q.toarray())


def test_unbounded_columns_are_named() -> None:
    b = ProgramBuilder()
    p = b.variable("power_mw", (2,))
    b.minimize(1.0, p)
    with pytest.raises(UnsupportedError, match=r"power_mw\[0\], power_mw\[1\]"):
        to_qubo(b.program())


def test_rows_bound_unbounded_columns() -> None:
    b = ProgramBuilder()
    p, on = b.variable("power_mw", (1,)), b.binary("on", (1,))
    b.minimize(-1.0, p)
    b.constrain("capacity", (1.0, p), (-6.0, on), upper=0.0)
    qubo = assert_exact(b.program(), Lowering(resolution=2.0))
    assert qubo.energy(np.ones(qubo.n_bits)) == pytest.approx(-6.0)


def test_weak_penalty_is_recorded() -> None:
    qubo = to_qubo(_row([1, 2, 3], upper=3.0), Lowering(penalty=0.2))
    assert not qubo.exact
    assert qubo.describe()["exact"] == 0


def test_nothing_left_to_decide() -> None:
    b = ProgramBuilder()
    b.minimize(2.0, b.variable("x", (1,), lower=3.0, upper=3.0))
    qubo = to_qubo(b.program())
    assert qubo.n_bits == 0
    assert qubo.spectrum().tolist() == [6.0]
    np.testing.assert_array_equal(qubo.lift(np.zeros(0)), [3.0])


@pytest.mark.parametrize(
    "options",
    [
        {"resolution": 0.0},
        {"resolution": np.nan},
        {"resolution": "fine"},
        {"levels": 1},
        {"levels": 2.5},
        {"penalty": 0.0},
        {"penalty": np.inf},
        {"rounding": 1},
    ],
)
def test_bad_options_are_one_clear_error(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Lowering(**options)  # type: ignore[arg-type]


def test_too_many_bits_are_refused_before_they_are_made() -> None:
    lowering = Lowering(levels=2**20, encoding="unary")
    with pytest.raises(TooLargeError, match=r"1\.26e\+07 bits"):
        to_qubo(_ranges([7.0] * 12), lowering)


def test_too_many_products_are_refused_before_they_are_made() -> None:
    b = ProgramBuilder()
    x = b.binary("x", (70_000,))
    b.minimize(1.0, x)
    b.constrain("half", (1.0, x[np.newaxis]), equal=np.array([35_000.0]))
    with pytest.raises(TooLargeError, match=r"2\.45e\+09 products, 37 GiB"):
        to_qubo(b.program())
