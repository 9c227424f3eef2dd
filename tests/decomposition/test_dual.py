"""Bounds and prices, against optima that HiGHS proves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gridopt.decomposition.dual import Dual
from gridopt.decomposition.parts import Parts
from gridopt.elements import Exchange, Renewables, Storage
from gridopt.errors import UnsupportedError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.highs_model import Clock
from gridopt.program import ProgramBuilder
from gridopt.requirements import Reserves
from gridopt.solution import Termination
from gridopt.solvers.highs import HiGHS
from gridopt.study import Study

MakeStudy = Callable[..., Study]

DEMAND = (70.0, 110.0, 60.0, 45.0, 95.0, 130.0)


def reserve(make_study: MakeStudy) -> Study:
    return make_study(DEMAND, reserves=Reserves.spinning(np.full(6, 15.0)))


def mixed(make_study: MakeStudy) -> Study:
    """Wind, a battery, a market whose price rises, and demand that may be left."""
    return make_study(
        DEMAND,
        renewables=Renewables(
            (("sgen", 7),),
            ("wind",),
            np.zeros(1, dtype=np.int64),
            np.zeros((1, 6)),
            np.array([[20.0, 5.0, 30.0, 50.0, 10.0, 0.0]]),
            np.zeros(1),
        ),
        storage=Storage(
            (("storage", 0),),
            ("battery",),
            np.zeros(1, dtype=np.int64),
            *(np.array([value]) for value in (10.0, 10.0, 0.0, 30.0, 10.0, 0.9, 0.9)),
        ),
        exchange=Exchange(
            (("ext_grid", 0),),
            ("market",),
            np.zeros(1, dtype=np.int64),
            np.array([40.0]),
            np.array([10.0]),
            np.full((1, 6), 18.0),
            np.full((1, 6), 0.1),
        ),
        unserved_cost_per_mwh=500.0,
    )


STUDIES = {"reserve": reserve, "mixed": mixed}


@pytest.mark.parametrize("name", STUDIES)
def test_any_prices_give_a_bound_and_good_ones_a_better_one(
    make_study: MakeStudy, name: str
) -> None:
    program = UnitCommitment().build(STUDIES[name](make_study))
    optimum = HiGHS(gap=1e-7).solve(program)
    assert optimum.is_feasible
    parts = Parts.of(program)
    rng = np.random.default_rng(0)
    for _ in range(20):
        prices = rng.uniform(-10.0, 60.0, len(parts.ties))
        low, high = np.isinf(parts.upper), np.isinf(parts.lower)
        prices = np.where(low, np.abs(prices), np.where(high, -np.abs(prices), prices))
        costs = parts.costs(prices)
        assert parts.bound(prices, costs, parts.agents.answers(costs)) <= optimum.objective
    dual = Dual(parts, Clock(None))
    first = dual.best.bound
    for _ in range(100):
        if dual.is_converged:
            break
        before = dual.best.bound
        assert dual.step() is Termination.OPTIMAL
        assert dual.best.bound >= before
        assert dual.may_exceed(before)
    assert dual.is_converged
    assert not dual.may_exceed(dual.best.bound + 2e-5 * abs(dual.best.bound))
    assert first < dual.best.bound <= optimum.objective
    assert dual.best.bound >= 0.9 * optimum.objective


@pytest.mark.parametrize("name", STUDIES)
def test_slope_is_a_subgradient(make_study: MakeStudy, name: str) -> None:
    """The Lagrangian is concave: it lies below each of its tangents."""
    parts = Parts.of(UnitCommitment().build(STUDIES[name](make_study)))
    rng = np.random.default_rng(1)

    def at(prices: np.ndarray) -> tuple[float, np.ndarray]:
        costs = parts.costs(prices)
        answers = parts.agents.answers(costs)
        return parts.bound(prices, costs, answers), parts.slope(prices, costs, answers)

    points = np.abs(rng.uniform(1.0, 60.0, (6, len(parts.ties))))
    points = np.where(np.isinf(parts.lower), -points, points)
    values = [at(point) for point in points]
    for value, slope in values:
        for point, (other, _) in zip(points, values, strict=True):
            here = points[[v is value for v, _ in values]][0]
            assert other <= value + slope @ (point - here) + 1e-6 * abs(value)


def test_a_program_without_agents_is_refused() -> None:
    b = ProgramBuilder()
    b.minimize(1.0, b.binary("x", (2,)))
    with pytest.raises(UnsupportedError, match="no agents"):
        Parts.of(b.program())
