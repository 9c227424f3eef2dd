"""Decomposition into agents: prices and a proved bound, and answers from any sampler of QUBOs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar, final

from gridopt.decomposition.search import Options, Search
from gridopt.highs_model import Clock
from gridopt.program import Program
from gridopt.sampling.qubo_solver import QuboSolver, check_whole
from gridopt.solution import Solution, Termination
from gridopt.solver import ProgressCallback, Solver, check_common, check_option, is_number
from gridopt.solvers.neal import Neal


@final
@dataclass(frozen=True)
class Decomposition(Solver):
    """Prices of what ties agents together, their answers, and a sampler for the core.

    For programs with agents (`gridopt.agents`): each thermal unit is one in unit commitment and in
    battery placement, and each candidate site. Programs without agents are refused: those of
    scenarios that share the commitment of thermal units.

    Parameters
    ----------
    sampler : QuboSolver or None
        Chooses among the schedules of agents that are undecided; by name (``"anneal"``) or as an
        object. None for no core.
    windows : bool
        Whether HiGHS, in turn with the sampler, decides what is nearly undecided. Without windows
        and without a sampler there is only what the agents answer to the prices.
    beside : bool
        With a time limit: whether HiGHS also works on the whole program, in a thread beside, and
        both tell each other what they find. What is found by then depends on the machine, as the
        time limit itself does.
    gap : float
        Relative gap, (objective − bound) / |objective|, at which to stop.
    core_bits : int
        Schedules that the sampler chooses among at once, at most; fewer where it takes no more.
    seed : int
        The same seed gives the same answers in the same order with any number of threads. The
        search ends where the gap is proved or time is up, for which the clock has a say.
    time_limit_s : float, optional
        Wall seconds for all of it; none by default.
    """

    sampler: QuboSolver | None = field(default_factory=Neal)
    windows: bool = True
    beside: bool = True
    gap: float = 1e-3
    core_bits: int = 300
    seed: int = 0
    time_limit_s: float | None = None

    kind: ClassVar[str] = "decomposition"
    limits: ClassVar[str] = (
        "programs with agents: unit commitment and battery placement, any size; without scenarios "
        "where there are thermal units"
    )
    package: ClassVar[str] = "highspy"

    def __post_init__(self) -> None:
        check_common("decomposition", self.seed, self.time_limit_s)
        right = self.sampler is None or isinstance(self.sampler, QuboSolver)
        check_option("decomposition", "sampler", self.sampler, right, "a sampler, or none")
        for option in ("windows", "beside"):
            value = getattr(self, option)
            check_option("decomposition", option, value, isinstance(value, bool), "True or False")
        right = is_number(self.gap) and 0 <= self.gap < 1
        check_option("decomposition", "gap", self.gap, right, "at least 0, less than 1")
        check_whole("decomposition", "core_bits", self.core_bits, 1, 100_000)

    def solve(self, program: Program, progress: ProgressCallback | None = None) -> Solution:
        """Return the best answer found, with the best bound that is proved.

        The termination is OPTIMAL where the gap is proved, SAMPLED where the search found nothing
        better for some time.

        Raises
        ------
        UnsupportedError
            Where the program has no agents.
        """
        if self.sampler is not None:
            self.sampler.check_ready()
        clock = Clock(self.time_limit_s, progress)
        names = [item.name for item in fields(Options)]
        options = Options(**{name: getattr(self, name) for name in names})
        try:
            search = Search(program, options, clock)
        except KeyboardInterrupt:  # before the first prices there is neither answer nor bound
            return Solution.at(program, None, Termination.INTERRUPTED)
        return search.run()
