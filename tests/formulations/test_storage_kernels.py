"""The best cycle of a battery, against linear programs by another solver."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from gridopt.arrays import FloatArray
from gridopt.formulations.blocks.storage_kernels import (
    Battery,
    Cycles,
    _at,
    best_cycle,
    best_cycles,
)


def drawn_costs(rng: np.random.Generator, T: int) -> FloatArray:
    """Return α, β, γ, (3, T): now both directions cost, now doing both at once pays."""
    up = rng.uniform(-5.0, 40.0, T)
    kind = rng.integers(3)
    down = -up + rng.uniform(-6.0, 10.0, T) if kind else rng.uniform(-40.0, 20.0, T)
    if kind == 2:
        down = -up  # no losses: every path of the same prices costs the same
    held = np.maximum(rng.uniform(-4.0, 6.0, T), 0.0) * rng.integers(2)
    return np.stack([up, down, held])


def by_linear_program(battery: Battery, costs: FloatArray) -> float:
    """Columns a, b, e and min(e, B) before."""
    full, up, down = battery
    T = costs.shape[1]
    one, before = np.eye(T), np.roll(np.eye(T), -1, axis=1)  # e_{t−1}
    none = np.zeros((T, T))
    cost = np.concatenate([costs[0], costs[1], np.zeros(T), -costs[2]])
    found = linprog(
        cost,
        A_ub=np.block([[one / up, one / down, none, none], [none, none, -before, one]]),
        b_ub=np.concatenate([np.ones(T), np.zeros(T)]),
        A_eq=np.block([-one, one, one - before, none]),
        b_eq=np.zeros(T),
        bounds=[(0, None)] * (2 * T) + [(0, full)] * T + [(None, down)] * T,
    )
    assert found.fun is not None
    return float(found.fun)


@pytest.mark.parametrize("seed", range(60))
def test_cycles_are_the_best_and_can_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    T = int(rng.integers(1, 12))
    battery = Battery(*rng.uniform(0.2, 4.0, 3))
    costs, path = drawn_costs(rng, T), np.empty((3, T))
    least = best_cycle(battery, costs, path)
    assert least == pytest.approx(by_linear_program(battery, costs), abs=1e-7)
    up, down, covered = path
    assert costs[0] @ up + costs[1] @ down - costs[2] @ covered == pytest.approx(least, abs=1e-7)
    assert path.min() >= -1e-9
    assert (up / battery.up + down / battery.down).max() <= 1.0 + 1e-9
    swing = np.concatenate([[0.0], np.cumsum(up - down)])
    assert np.ptp(swing) <= battery.full + 1e-9
    assert swing[-1] == pytest.approx(0.0, abs=1e-9)


def test_a_bound_holds_whatever_the_price_of_the_end() -> None:
    """So that it holds wherever the search for that price stops."""
    rng = np.random.default_rng(1)
    battery, costs = Battery(2.0, 1.0, 0.7), drawn_costs(rng, 8)
    exact, path = by_linear_program(battery, costs), np.empty((3, 8))
    values = [_at(battery, costs, price, path)[1] for price in np.linspace(-60.0, 60.0, 50)]
    assert max(values) <= exact + 1e-9
    assert min(values) < exact - 1.0


def test_many_at_once_are_the_same_as_each() -> None:
    rng = np.random.default_rng(0)
    full, up, down = rng.uniform(0.5, 4.0, (3, 5))
    costs = np.stack([drawn_costs(rng, 6) for _ in range(5)])
    found = Cycles(np.zeros(5), *(np.zeros((5, 6)) for _ in range(3)))
    best_cycles(full, up, down, costs, found)
    path = np.empty((3, 6))
    for i in range(5):
        assert found.least[i] == best_cycle(Battery(full[i], up[i], down[i]), costs[i], path)
        assert np.array_equal([found.up[i], found.down[i], found.covered[i]], path)
