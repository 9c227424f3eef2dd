"""Windows: HiGHS decides what is nearly undecided, all else held as in the best answer.

A large neighborhood search: Pisinger & Ropke 2019, "Large neighborhood search", doi
10.1007/978-3-319-91086-4_4. Which decisions are nearly undecided is told by the agents: those that
cost little more the other way round, at the prices that prove the bound. Of these a window has in
turn the nearest ones, those of one stretch of tying rows (such as some hours), and those of some
agents. Each kind of window gets wider as long as its windows are easy: Hendel 2022, "Adaptive large
neighborhood search for mixed integer programming", doi 10.1007/s12532-021-00209-7; what counts is
how many steps HiGHS takes, not how long, so that the same seed gives the same windows. The first
window is around the best mix of the agents' answers, rounded, and has what is fractional there:
Berthold 2014, "RENS: the optimal rounding", doi 10.1007/s12532-013-0060-9.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.decomposition.dispatch import Dispatched
from gridopt.decomposition.parts import Parts
from gridopt.decomposition.priced import Priced
from gridopt.decomposition.schedules import Decisions
from gridopt.highs_model import Clock, HighsModel
from gridopt.linearization import linearized
from gridopt.program import Program
from gridopt.solution import relative_gap

NODES = 50
"""Branch-and-bound nodes of a window, at most."""

ROUNDS = 3
"""Times at most that a window is searched again with rows that its answer missed."""

TIME = 0.8
"""Share of the time left that a window may take: what it finds is still to be dispatched."""

ROWS_A_ROUND = 1000
"""Rows of each lazy family that a round adds, at most."""

STALL = 20
"""Windows in a row without a better answer after which there are no more."""

FIRST, SHARE = 300, 0.025
"""Decisions that are free in the first window of a kind at least, and which share of all."""

NARROWEST = 0.25
"""Share of these that are free in every window of a kind, at least."""

WIDER = 1.5
"""By what factor more decisions are free in the next window of a kind after an easy one, and fewer
after a hard one."""

EFFORT, EFFORT_SHARE, EASY, HARD = 5_000, 0.25, 0.5, 2.0
"""Simplex iterations that a window is meant to take at least, and per decision of the program, as
dispatch alone takes many where it is large; both grow as the width does once one of each kind was
in vain. And shares of them below which a window is easy, and above which hard."""

FINE = 0.1
"""Share of the gap that is left at which a window is done: finer takes longer than wider."""

MUCH = 0.2
"""Share of the gap that is left by which an answer of a window is better to be told of at once:
what it leads to is still to be dispatched."""

CANDIDATES = 3
"""How many times as many decisions as a window has it is chosen from."""

FRACTIONAL = 1e-6

TURN = ("nearest", "stretch", "agents", "stretch")
"""Kinds of windows, in turn."""

GOLDEN = (5.0**0.5 - 1.0) / 2.0
"""By what share of what is nearest the next stretch lies further on, modulo 1: the sequence that
spreads evenly however long it is."""


def chosen(
    parts: Parts,
    excess: FloatArray,
    room: float,
    size: int,
    kind: str,
    rng: np.random.Generator,
    where: float,
) -> IntArray:
    """Return which of the decisions that agents decide are free in a window, at most `size`.

    Parameters
    ----------
    parts : Parts
    excess : array, (k,)
        What each costs more the other way round, at least.
    room : float
        Those with more are out of the question.
    size : int
    kind : str
        The nearest, a stretch of tying rows, or some agents: see `TURN`.
    rng : numpy.random.Generator
        Draws agents.
    where : float
        Share of the nearest that lie before the middle of a stretch.
    """
    nearest = _by_turns(parts, excess)[: size * CANDIDATES]
    nearest = nearest[excess[nearest] <= room]
    if kind == "stretch" and len(nearest):
        tie = parts.first_tie[nearest]
        middle = np.sort(tie)[int(where * len(tie))]
        nearest = nearest[np.argsort(np.abs(tie - middle), kind="stable")]
    elif kind == "agents":
        turn = rng.random(parts.n_agents)[parts.agents.owner[parts.decided[nearest]]]
        nearest = nearest[np.argsort(turn, kind="stable")]
    return nearest[:size]


def _by_turns(parts: Parts, excess: FloatArray) -> IntArray:
    """Return decisions in order of excess, those of each block spread evenly over the others."""
    first = np.array([block.first for block in parts.program.variables.values()])
    order = np.argsort(excess, kind="stable")
    block = np.searchsorted(np.sort(first), parts.decided[order], side="right")
    share = np.zeros(len(order))
    for own in np.unique(block):
        places = np.flatnonzero(block == own)
        share[places] = np.arange(len(places)) / len(places)
    return np.asarray(order[np.argsort(share, kind="stable")])


class Window:
    """A program of which only some decisions are free at a time.

    Parameters
    ----------
    program : Program
    seed : int
    clock : Clock
    is_in_vain : callable
        Asked while a window is searched: whether to stop, as better is known elsewhere.
    found : callable, optional
        Told of decisions, (k,), that are better by a large part of the gap, while it is searched.

    Attributes
    ----------
    effort : int
        Simplex iterations of the last run.
    """

    def __init__(
        self,
        program: Program,
        seed: int,
        clock: Clock,
        is_in_vain: Callable[[], bool],
        found: Callable[[FloatArray], None] = lambda _: None,
    ) -> None:
        smaller = program.equivalent
        self._program, self._smaller = program, smaller
        self._target = program if smaller is None else smaller.program
        self._columns = np.flatnonzero(self._target.is_decision)
        model = linearized(self._target)
        self._highs = HighsModel(
            *(model, clock), seed=seed, stage="window", integer=True, is_in_vain=is_in_vain
        )
        if not model.is_exact:
            self._highs.add_tangents(*model.first_tangents())
        self._highs.set(mip_max_nodes=NODES)
        self._highs.trust_presolve(True)
        self._found, self._told, self._least = found, np.inf, 0.0
        self.effort = 0
        self._highs.on_better(self._look, lambda _: None)

    def _look(self, x: FloatArray) -> None:
        """Tell of an answer that is much better than the last one told."""
        objective = self._target.objective(x[: self._target.n_columns])
        if objective < self._told - self._least:
            self._told = objective
            self._found(self._decisions(x))

    def __call__(
        self,
        held: FloatArray,
        free: BoolArray,
        gap: float,
        objective: float = np.inf,
        least: float = 0.0,
    ) -> FloatArray | None:
        """Return decisions at least as good, (k,), or None where time is over.

        Parameters
        ----------
        held : array, (k,)
            Values of the program's decision columns.
        free : array of bool, (k,)
            Those that may change.
        gap : float
            Relative gap at which the window is done.
        objective, least : float
            What `held` costs, and by how much answers must be better to be told of at once.
        """
        program, highs = self._program, self._highs
        self._told, self._least = objective, least
        lower = np.where(free, program.lower[program.is_decision], held)
        upper = np.where(free, program.upper[program.is_decision], held)
        highs.restrict(self._columns, self._counts(lower), self._counts(upper))
        highs.set(mip_rel_gap=gap)
        x = self._run_from(held)
        for _ in range(ROUNDS):
            if x is None:
                return None
            missed = self._target.separate(x[: self._target.n_columns], ROWS_A_ROUND)
            if not len(missed):
                break
            highs.add_rows(missed.A, missed.lower, missed.upper)
            x = self._run_from(held)
        return None if x is None else self._decisions(x)

    def _run_from(self, held: FloatArray) -> FloatArray | None:
        self._highs.offer(self._columns, self._counts(held))
        self._highs.run(TIME)
        self.effort = self._highs.iterations
        return self._highs.x

    def _counts(self, values: FloatArray) -> FloatArray:
        return values if self._smaller is None else self._smaller.counts(values)

    def _decisions(self, x: FloatArray) -> FloatArray:
        if self._smaller is None:
            return np.rint(x[self._columns])
        return np.rint(self._smaller.decisions(x[: self._target.n_columns]))


class Windows:
    """Windows of a program, each around the best answer by then.

    Parameters
    ----------
    priced : Priced
    rng : numpy.random.Generator
    seed : int
        Of HiGHS.
    """

    def __init__(self, priced: Priced, rng: np.random.Generator, seed: int) -> None:
        parts, record = priced.parts, priced.record
        self._priced, self._rng = priced, rng
        self._window = Window(
            *(record.program, seed, record.clock, record.is_outdone, self._take_up)
        )
        marginals = parts.agents.marginals(parts.costs(priced.prices))[:, parts.decided]
        answers = priced.dual.best.answers
        self._excess = marginals.max(axis=0) - answers.least[parts.agents.owner[parts.decided]]
        self._answered = priced.pool.decisions(answers.x)
        self._mixed = priced.dual.mixed()
        self._first = max(FIRST, SHARE * len(parts.decided))
        self._sizes = dict.fromkeys(TURN, self._first)
        self._where = float(rng.random())
        self._effort = max(EFFORT, EFFORT_SHARE * len(parts.decided))
        self._number, self._in_vain, self._stage = 0, 0, ""

    @property
    def _kind(self) -> str:
        return TURN[self._number % len(TURN)]

    def _take_up(self, decisions: FloatArray) -> None:
        self._priced.take_up(decisions, self._stage)

    @property
    def is_done(self) -> bool:
        """Whether more windows are in vain."""
        return self._in_vain >= STALL

    def _around_mix(self) -> tuple[Decisions, IntArray]:
        """Return the best mix of answers, rounded, and where it has fractions."""
        whole = np.rint(self._mixed)
        fractions = np.flatnonzero(np.abs(self._mixed - whole) > FRACTIONAL)
        return whole.astype(np.int64), fractions

    def _around(self, best: Dispatched) -> tuple[Decisions, IntArray]:
        """Return the best answer's decisions, and which are free."""
        excess = np.where(best.decisions == self._answered, self._excess, -np.inf)
        room, parts = self._priced.room, self._priced.parts
        size = int(self._sizes[self._kind])
        self._where = (self._where + GOLDEN) % 1.0
        few = chosen(parts, excess, room, size, self._kind, self._rng, self._where)
        return best.decisions, few

    def step(self, best: Dispatched) -> None:
        """Search a window around `best`."""
        priced, record = self._priced, self._priced.record
        program, decided = record.program, priced.parts.decided
        base, few = self._around_mix() if self._number == 0 else self._around(best)
        x = np.zeros(program.n_columns) if record.x is None else record.x.copy()
        free = np.ones(program.n_columns, dtype=np.bool_)
        x[decided], free[decided], free[decided[few]] = base, False, True
        whole = program.is_decision
        fine = FINE * max(relative_gap(record.objective, record.bound), record.gap)
        self._stage = f"window of {len(few)}"
        much = MUCH * (record.objective - record.bound)
        much = much if np.isfinite(much) else np.inf
        found = self._window(np.rint(x[whole]), free[whole], fine, record.objective, much)
        if found is not None:
            self._take_up(found)
        self._resize()
        self._number += 1
        record.details |= {"windows": self._number, "window": len(few)}
        record.count("window_s")
        if priced.dispatch.best is not best:
            self._in_vain = 0
        elif not record.is_outdone():  # which cuts a window short
            self._in_vain += 1
        if self._number % len(TURN) == 0 and self._in_vain >= len(TURN):
            self._effort *= WIDER

    def _resize(self) -> None:
        """Let the next window of this kind be wider or narrower."""
        if self._number == 0 or self._priced.record.is_outdone():
            return  # around the mix it has a width of its own; outdone it was cut short
        effort = self._window.effort / self._effort
        if effort < EASY:
            self._sizes[self._kind] *= WIDER
        elif effort > HARD:
            narrower = self._sizes[self._kind] / WIDER
            self._sizes[self._kind] = max(narrower, NARROWEST * self._first)
