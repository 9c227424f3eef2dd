"""Cores, one after the other: sampled, dispatched, repaired, and learned from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gridopt.decomposition.core import Core, core
from gridopt.decomposition.dispatch import Dispatched
from gridopt.decomposition.priced import Priced
from gridopt.errors import TooLargeError
from gridopt.sampling.qubo_solver import QuboSolver
from gridopt.sampling.samples import Deadline, Samples

SHORT = 2.0
"""Of samples that miss something: what a unit of it counts, in typical prices."""

READS = 16
"""Of a core, where the sampler has no number of its own."""

SCORED = 8
"""Samples that are dispatched, of one core."""

REPAIRED = 1
"""Of those that miss something, how many are repaired."""

PRICE_NOISE = (0.0, 0.02, 0.05, 0.1)
"""Relative noise of the prices at which agents are asked for more schedules."""

STALL = 20
"""Cores in a row without a better answer after which there are no more."""

RAISE, DECAY, MOST_EXTRA = 0.1, 0.97, 10.0
"""Of the extra cost of a row, in typical prices: rise with a sample that misses most there, decay
with one that does not, and most."""

COUNTED = ("circuits", "evaluations")
"""Of what samplers record: what is summed over all cores."""

SOFTER, STIFFER = 0.5, 2.0
"""Most change of the stiffness from one core to the next."""


class Cores:
    """Cores of a program, each near the best answer by then.

    Parameters
    ----------
    priced : Priced
    sampler : QuboSolver
    most : int
        Schedules in a core, at most.
    rng : numpy.random.Generator
    """

    def __init__(
        self, priced: Priced, sampler: QuboSolver, most: int, rng: np.random.Generator
    ) -> None:
        self._priced, self._sampler, self._most, self._rng = priced, sampler, most, rng
        self._number, self._in_vain, self._stiffness = 0, 0, 1.0
        self._native = "cardinality" in sampler.native

    @property
    def is_done(self) -> bool:
        """Whether more cores are in vain."""
        return self._in_vain >= STALL

    def step(self, best: Dispatched) -> None:
        """Sample a core near `best`."""
        priced, record = self._priced, self._priced.record
        self._ask_for_more(best)
        around = self._fitting(
            core(
                *(priced.parts, priced.pool, best, priced.prices, priced.room),
                *(self._most, self._stiffness, priced.extra, record.is_over),
            )
        )
        record.count("core_s")
        if len(around):
            samples = self._sampled(around)
            record.count("sample_s")
            ratios = self._score(around, samples, best)
            record.count("dispatch_s")
            if ratios:
                self._stiffness *= min(max(float(np.median(ratios)), SOFTER), STIFFER)
        most = max(len(around), int(record.details.get("core_bits", 0)))
        record.details |= {"cores": self._number + 1, "core_bits": most}
        self._number += 1
        self._in_vain = 0 if priced.dispatch.best is not best else self._in_vain + 1

    def _ask_for_more(self, best: Dispatched) -> None:
        """Ask agents for schedules at the answer's prices and at prices near those of the bound."""
        if self._number == 0:
            self._ask_the_other_way_round()
        self._ask_for_neighbors(best)
        for prices in (self._priced.prices, self._priced.prices_at(best)):
            for noise in PRICE_NOISE:
                if self._priced.record.is_over():
                    return
                self._priced.answers(prices * (1.0 + noise * self._rng.normal(size=len(prices))))

    def _ask_for_neighbors(self, best: Dispatched) -> None:
        """Keep what differs from an answer by one in a number: no prices ask for those between."""
        parts, pool = self._priced.parts, self._priced.pool
        costs, program = parts.costs(self._priced.prices), parts.program
        is_number = (program.upper - program.lower)[pool.columns] > 1.0
        for which in range(max(int(is_number[place].sum()) for place in pool.place)):
            for step in (-1, 1):
                decisions = best.decisions.copy()
                for place in pool.place:
                    decisions[place[is_number[place]][which : which + 1]] += step
                least = parts.agents.answers(costs, pool.x(decisions)).least
                pool.add(decisions, np.isfinite(least))

    def _ask_the_other_way_round(self) -> None:
        """Ask agents for their best schedules with all that one tying row has at 1, and at 0.

        Such schedules, a peaker on for an hour, are the answer to hardly any prices.
        """
        parts = self._priced.parts
        costs, much = parts.costs(self._priced.prices), abs(self._priced.record.objective)
        for tie in np.unique(parts.first_tie):
            columns = parts.decided[parts.first_tie == tie]
            for change in (-much, much):
                if self._priced.record.is_over():
                    return
                changed = costs.copy()
                changed[columns] += change
                self._priced.keep(parts.agents.answers(changed))

    def _fitting(self, around: Core) -> Core:
        """Return the core, or as much of it as the sampler takes."""
        while len(around):
            try:
                self._sampler.check(around.qubo(self._native))
                break
            except TooLargeError:
                around = around.first(len(around) * 3 // 4)
        return around

    def _sampled(self, around: Core) -> Samples:
        record, sampler = self._priced.record, self._sampler
        qubo = around.qubo(self._native)
        changes: dict[str, Any] = {"seed": (sampler.seed + self._number) % 2**31}
        if getattr(sampler, "reads", 0) is None:
            changes["reads"] = READS  # chosen by the clock, they would not be repeatable
        seeded = replace(sampler, **changes)  # type: ignore[type-var]
        deadline = Deadline.after(record.clock.left_s())
        bits = [np.zeros((0, qubo.n_bits), dtype=np.uint8)]
        for batch in seeded.sample(qubo, deadline):
            bits.append(batch.bits)
            record.clock.report(record.objective, record.bound, f"core {self._number + 1}")
            for name in COUNTED:
                if name in batch.details:
                    record.add(name, int(batch.details[name]))
            if deadline.passed:
                break
        whole = np.concatenate(bits)
        record.add("samples", len(whole))
        return Samples.of(qubo, whole)

    def _score(self, around: Core, samples: Samples, best: Dispatched) -> list[float]:
        """Dispatch the best samples; return by what factor each one's curvature was too low."""
        priced = self._priced
        bits, energies, _ = samples.distinct()
        ratios: list[float] = []
        missing: list[tuple[float, int, Dispatched]] = []
        scored = 0
        for row, energy in zip(bits, energies, strict=True):
            if scored == SCORED or priced.record.is_over():
                break
            sampled = around.decisions(row)
            decisions = priced.settled(sampled)
            is_new = priced.dispatch.known(decisions) is None
            found = priced.take(decisions, "core")
            if found is None:
                break
            self._learn(found)
            if not is_new:
                continue
            scored += 1
            if np.isfinite(found.objective):
                z = row[: len(around)].astype(np.float64)
                linear, curved = float(around.cost @ z), float(z @ around.coupling @ z) / 2.0
                if curved > 0.0 and np.array_equal(decisions, sampled):
                    ratios.append((found.objective - best.objective - linear) / curved)
            else:
                short = SHORT * float(priced.typical @ np.abs(found.missed))
                missing.append((float(energy) + short, scored, found))
        for _, _, found in sorted(missing)[:REPAIRED]:
            priced.mend(found, "core, repaired")
        return ratios

    def _learn(self, found: Dispatched) -> None:
        """Raise what rows cost that a sample misses; lower a little what it does not."""
        priced = self._priced
        missed, typical, extra = found.missed, priced.typical, priced.extra
        worth = typical * missed
        step = RAISE * typical * worth / max(float(np.abs(worth).max(initial=0.0)), 1e-9)
        moved = np.where(missed == 0.0, DECAY * extra, extra + step)
        priced.extra = np.clip(moved, -MOST_EXTRA * typical, MOST_EXTRA * typical)
