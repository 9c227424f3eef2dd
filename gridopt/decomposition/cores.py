"""Cores, one after the other: sampled, dispatched, repaired, and learned from.

Before a core is sampled its most promising schedules are dispatched, each alone, so that their
energies are exact; what they are off in the median is added to those of the others. A schedule that
misses something alone costs a little more than it saves, and gets back from others what they bring
of it. Then the core is sampled again and again: of each sample some changes are taken, those that
lower the energy most, and what they come to corrects the core.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gridopt.arrays import IntArray
from gridopt.decomposition.core import Core, core
from gridopt.decomposition.dispatch import Dispatched
from gridopt.decomposition.priced import Priced
from gridopt.errors import TooLargeError
from gridopt.sampling.qubo_solver import QuboSolver
from gridopt.sampling.samples import Deadline, Samples

SHORT = 30.0
"""What a unit costs that several schedules miss together, in typical prices: more than any agent
asks for it."""

MARGIN = 0.1
"""By how much more than it saves a schedule costs that misses something alone: enough to be left
alone, and little, so that what others save it is not overrated."""

READS, SWEEPS, NATIVE_SWEEPS = 16, 100, 20
"""Of a core, where the sampler has no numbers of its own; of sweeps that keep one-of-many by
themselves fewer do."""

ROUNDS = 24
"""Times that a core is sampled, at most, each time corrected by what the samples before came to."""

WORK = 600_000
"""Dispatches of a core: so many that their number times that of the decisions is this, at most."""

ALONE, MOST_ALONE = 0.4, 64
"""Share of them that goes to single schedules, before the core is sampled; and most in number."""

DISPATCHED, REPAIRED = 8, 4
"""Samples that are dispatched in a round; of those that miss something, how many are repaired."""

RADIUS, MOST_RADIUS = 4, 64
"""Changes of a sample that are taken, at least and at most: twice as many after a round with a
better answer, half as many after one without."""

PRICE_NOISE = (0.0, 0.02, 0.05, 0.1)
"""Relative noise of the prices at which agents are asked for more schedules."""

STALL = 20
"""Cores in a row without a better answer after which there are no more."""

COUNTED = ("circuits", "evaluations")
"""Of what samplers record: what is summed over all cores."""


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
        self._number, self._in_vain = 0, 0
        self._native = "cardinality" in sampler.native

    @property
    def is_done(self) -> bool:
        """Whether more cores are in vain."""
        return self._in_vain >= STALL

    def step(self, best: Dispatched) -> None:
        """Sample a core near `best`, and again with what its samples taught."""
        priced, record = self._priced, self._priced.record
        self._ask_for_more(best)
        around = self._fitting(
            core(
                *(priced.parts, priced.pool, best, priced.prices, priced.room),
                *(self._most, record.is_over),
            )
        )
        record.count("core_s")
        if len(around):
            self._choose(around, best)
        most = max(len(around), int(record.details.get("core_bits", 0)))
        record.details |= {"cores": self._number + 1, "core_bits": most}
        self._number += 1
        self._in_vain = 0 if priced.dispatch.best is not best else self._in_vain + 1

    def _choose(self, around: Core, best: Dispatched) -> None:
        """Dispatch schedules alone, then samples, and correct the core by what they come to."""
        record, dispatch = self._priced.record, self._priced.dispatch
        n_dispatches = max(WORK // max(len(self._priced.pool.columns), 1), 2)
        end = dispatch.calls + n_dispatches
        around = self._measured(around, min(int(ALONE * n_dispatches), MOST_ALONE), best)
        radius = RADIUS
        for number in range(ROUNDS):
            record.count("dispatch_s")
            if record.is_over() or dispatch.calls >= end:
                break
            samples = self._sampled(around, number)
            record.count("sample_s")
            known = dispatch.best
            around, n_new = self._tried(around, samples, radius, best)
            if not n_new:
                break
            factor = 0.5 if dispatch.best is known else 2.0
            radius = min(max(int(radius * factor), RADIUS), MOST_RADIUS)
        record.count("dispatch_s")

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

    def _sampled(self, around: Core, number: int) -> Samples:
        record, sampler = self._priced.record, self._sampler
        qubo = around.qubo(self._native)
        seed = sampler.seed + ROUNDS * self._number + number
        changes: dict[str, Any] = {"seed": seed % 2**31}
        sweeps = NATIVE_SWEEPS if self._native else SWEEPS
        usual = {"reads": READS, "sweeps": sweeps}  # by the clock, they would not be repeatable
        changes |= {name: n for name, n in usual.items() if getattr(sampler, name, 0) is None}
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

    def _measured(self, around: Core, n: int, best: Dispatched) -> Core:
        """Dispatch schedules alone, n new ones; return the core corrected by what they come to.

        What the others save those that miss something is part of it from here on.
        """
        priced, first = self._priced, around.linear
        missed, worth = np.zeros_like(around.brings), np.zeros_like(around.brings)
        missing: list[tuple[float, int, Dispatched]] = []
        n_new = 0
        for k in map(int, np.argsort(first, kind="stable")):
            if n_new == n or priced.record.is_over():
                break
            alone = np.array([k])
            found, is_told, is_new = self._dispatched(around, alone)
            if found is None:
                break
            n_new += is_new
            cost = found.usual_cost(priced.typical) - best.usual_cost(priced.typical)
            worths = priced.typical * np.abs(found.missed)
            if worths.any():
                missing.append((cost, k, found))
                saved, cost = -cost, MARGIN * max(-cost, 0.0)
                missed[k], worth[k] = found.missed, (saved + cost) / worths.sum() * worths
            if is_told:
                around = around.corrected(alone, cost)
        self._mend(missing)
        return around.shifted(first).with_scarcity(missed, worth)

    def _tried(
        self, around: Core, samples: Samples, radius: int, best: Dispatched
    ) -> tuple[Core, int]:
        """Dispatch what is new of the best samples; return the core corrected by that, and number.

        Of each sample `radius` changes are taken, at most.
        """
        priced = self._priced
        chosen = (around.chosen(row, radius) for row in samples.distinct()[0])
        choices = {tuple(each): each for each in chosen if len(each)}
        missing: list[tuple[float, int, Dispatched]] = []
        n_new = 0
        for choice in choices.values():
            if n_new == DISPATCHED or priced.record.is_over():
                break
            found, is_told, is_new = self._dispatched(around, choice)
            if found is None:
                break
            n_new += is_new
            short = SHORT * float(priced.typical @ np.abs(found.missed))
            cost = found.usual_cost(priced.typical) - best.usual_cost(priced.typical) + short
            if is_told:
                around = around.corrected(choice, cost)
            if is_new and short:
                missing.append((cost, n_new, found))
        self._mend(missing)
        return around, n_new

    def _dispatched(self, around: Core, chosen: IntArray) -> tuple[Dispatched | None, bool, bool]:
        """Return what schedules come to, whether as they are, and whether that is new."""
        decisions = around.decisions(chosen)
        settled = self._priced.settled(decisions)
        is_new = self._priced.dispatch.known(settled) is None
        return self._priced.take(settled, "core"), np.array_equal(settled, decisions), is_new

    def _mend(self, missing: list[tuple[float, int, Dispatched]]) -> None:
        for _, _, found in sorted(missing)[:REPAIRED]:
            self._priced.mend(found, "core, repaired")
