"""Simple placements to compare with: greedy, greedy with swaps, and random ones.

Greedy and swaps choose by the compact form near the relaxation (`Program.compact`); what they
choose, and random choices of as many modules, are dispatched on the program itself, as all answers
are. Where benefits of batteries fall the more of them there are, greedy is close to the best
(Nemhauser, Wolsey, Fisher 1978, doi 10.1007/BF01588971), so that a method that does not beat it
adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.linear_prices import linear_prices
from gridopt.program import Program
from gridopt.sampling.redispatch import Redispatch
from gridopt.sampling.samples import Deadline

RANDOM = 5
"""Random placements."""

MOST_SWAPS = 200

LIMIT_S = 30.0
"""Seconds for all controls together, at most."""


@dataclass(frozen=True)
class Control:
    """A placement to compare with.

    Parameters
    ----------
    name : str
    cost : float
        Of the program; inf where it is not feasible.
    modules : int
        How many were placed.
    """

    name: str
    cost: float
    modules: int


def controls(
    program: Program, count: int | None, modules: int, seed: int, limit_s: float | None = None
) -> tuple[Control, ...]:
    """Return the controls of a placement program that has a compact form; none of others.

    Parameters
    ----------
    program : Program
    count : int or None
        Sites that must get a battery.
    modules : int
        How many modules the answer has; random placements have as many.
    seed : int
    limit_s : float or None
        Seconds for all of them; `LIMIT_S` at most. What is not done by then is left out.
    """
    if program.compact is None:
        return ()
    whole_s = LIMIT_S if limit_s is None else min(limit_s, LIMIT_S)
    deadline = Deadline.after(whole_s)
    prices = linear_prices(program, whole_s / 3.0)
    if prices is None:
        return ()
    columns = program.compact.columns
    model = program.compact.near(prices.x, program.lower[columns], program.upper[columns])
    choice = _Choice(model.program, count)
    greedy = program.compact.repaired(choice.greedy())
    found = {"greedy": greedy, "greedy and swaps": choice.swapped(greedy)}
    rng = np.random.default_rng(seed)
    for number in range(RANDOM):
        found[f"random {number + 1}"] = choice.random(modules, rng)
    redispatch, reached = Redispatch(program, repair=False), []
    for name, values in found.items():
        answer = redispatch(columns, values, deadline).best
        if deadline.passed:
            break
        reached.append(Control(name, answer.objective, choice.number(values)))
    return tuple(reached)


class _Choice:
    """Numbers of modules that change by one or by swaps, judged by a quadratic program."""

    def __init__(self, program: Program, count: int | None) -> None:
        self._program, self._count = program, count
        self._modules = program.columns("modules")
        self._site = program.columns("site") if "site" in program.variables else None

    def number(self, values: FloatArray) -> int:
        """Return how many modules there are."""
        return int(values[self._modules].sum())

    def greedy(self) -> FloatArray:
        """Return modules added one by one, each the best, as many as are asked for or pay."""
        values = np.zeros(self._program.n_columns)
        while True:
            tried = list(self._added(values))
            if not tried:
                return values
            best = min(tried, key=self._program.objective)
            is_short = self._count is not None and self._sites(values) < self._count
            if not is_short and self._program.objective(best) >= self._program.objective(values):
                return values
            values = best

    def swapped(self, values: FloatArray) -> FloatArray:
        """Return the placement that no move of one module makes better."""
        for _ in range(MOST_SWAPS):
            tried = [
                added
                for removed in self._removed(values)
                for added in self._added(removed)
                if self._is_feasible(added)
            ]
            best = min(tried, key=self._program.objective, default=values)
            if self._program.objective(best) >= self._program.objective(values) - 1e-9:
                return values
            values = best
        return values

    def random(self, modules: int, rng: np.random.Generator) -> FloatArray:
        """Return as many modules at sites drawn by chance."""
        values = np.zeros(self._program.n_columns)
        for _ in range(modules):
            tried = list(self._added(values))
            if not tried:
                break
            values = tried[int(rng.integers(len(tried)))]
        return values

    def _sites(self, values: FloatArray) -> int:
        return int((values[self._modules].sum(axis=1) > 0.0).sum())

    def _added(self, values: FloatArray) -> list[FloatArray]:
        """Return placements with one module more that rules allow but for the number of sites."""
        found = []
        for column in self._modules.ravel():
            more = values.copy()
            more[column] += 1.0
            more = self._with_sites(more)
            if self._is_allowed(more):
                found.append(more)
        return found

    def _removed(self, values: FloatArray) -> list[FloatArray]:
        found = []
        for column in self._modules.ravel()[values[self._modules.ravel()] > 0.0]:
            less = values.copy()
            less[column] -= 1.0
            found.append(self._with_sites(less))
        return found

    def _with_sites(self, values: FloatArray) -> FloatArray:
        if self._site is not None:
            values[self._site] = values[self._modules].sum(axis=1) > 0.0
        return values

    def _is_allowed(self, values: FloatArray) -> bool:
        """Whether bounds, budget and modules at a site hold, and sites are not too many."""
        program = self._program
        if (values > program.upper + 1e-9).any():
            return False
        if self._count is not None and self._sites(values) > self._count:
            return False
        activity = program.A @ values
        checked = np.ones(program.n_rows, dtype=np.bool_)
        if "site_count" in program.rows:
            checked[program.rows["site_count"].numbers] = False
        over = activity > program.row_upper + 1e-9
        return not bool((over & checked).any())

    def _is_feasible(self, values: FloatArray) -> bool:
        return self._program.is_feasible(values)
