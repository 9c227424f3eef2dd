"""What surrounds every sampler: both forms, rounds, repair, control, how often reads succeed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import pytest

import gridopt
from gridopt.errors import OptionError, UnsupportedError
from gridopt.formulations.unit_commitment import UnitCommitment
from gridopt.lowering.encoding import Lowering
from gridopt.lowering.qubo import Qubo
from gridopt.program import Program, ProgramBuilder
from gridopt.sampling.judging import Judging
from gridopt.sampling.qubo_solver import QuboSolver
from gridopt.sampling.samples import Deadline, Samples
from gridopt.solution import Termination
from gridopt.solvers.exact import Exact
from gridopt.solvers.neal import Neal
from gridopt.study import Study

StudyFactory = Callable[..., Study]


@final
@dataclass(frozen=True)
class Given(QuboSolver):
    """Gives the same bit everywhere: a sampler whose reads are known beforehand."""

    bit: int = 0
    reads: int = 4
    seed: int = 0
    time_limit_s: float | None = None
    lowering: Lowering = field(default_factory=Lowering)
    judging: Judging = field(default_factory=Judging)

    kind: ClassVar[str] = "test"
    limits: ClassVar[str] = "none"
    package: ClassVar[str] = "numpy"

    def check(self, qubo: Qubo) -> None:
        """Take anything."""

    def sample(self, qubo: Qubo, deadline: Deadline) -> Iterator[Samples]:  # noqa: ARG002
        """Yield all reads at once."""
        yield Samples.of(qubo, np.full((self.reads, qubo.n_bits), self.bit))


def cover() -> Program:
    b = ProgramBuilder()
    x = b.binary("take", (4,))
    b.minimize([5.0, 4.0, 3.0, 7.0], x)
    b.constrain("weight", ([2.0, 3.0, 1.0, 4.0], x[np.newaxis]), lower=[5.0])
    return b.program()


def test_compact_form_finds_the_best_commitment(make_study: StudyFactory) -> None:
    study = make_study(demand_mw=(70.0, 110.0, 60.0, 45.0))
    best = gridopt.solve(study, gap=1e-9)
    run = gridopt.solve(study, "unit_commitment", "exact", form="compact")
    assert run.is_feasible
    assert run.cost == pytest.approx(best.cost)
    details = run.solution.details
    assert details["form"] == "compact"
    assert "success_probability" in details
    assert "raw_success_probability" not in details
    assert int(details["bits"]) - int(details["slack_bits"]) <= 8
    assert details["rounds"] == 3
    # an enumeration of the compact form is a model's optimum, and no proof for the program
    assert run.termination is Termination.SAMPLED
    assert run.solution.bound_source.startswith("HiGHS")


def test_compact_form_needs_a_program_that_has_one() -> None:
    with pytest.raises(UnsupportedError, match="no compact form"):
        Exact(lowering=Lowering(form="compact")).solve(cover())


def test_repair_is_told_apart(make_study: StudyFactory) -> None:
    """All off serves nothing; what the repair makes of it is the whole answer."""
    study = make_study(demand_mw=(70.0, 110.0, 60.0, 45.0))
    program = UnitCommitment().build(study)
    lowering = Lowering(form="compact")
    found = Given(lowering=lowering, judging=Judging(control_reads=0)).solve(program)
    assert found.is_feasible
    assert found.details["raw_feasible_share"] == 0.0
    assert found.details["redispatch_feasible_share"] == 0.0
    assert found.details["redispatch_objective"] == np.inf
    assert found.details["repair_objective"] == found.objective
    without = Given(lowering=lowering, judging=Judging(repair=False, control_reads=0)).solve(
        program
    )
    assert not without.is_feasible
    assert without.details["repaired"] == 0


def test_control_never_becomes_the_answer() -> None:
    """All bits off is infeasible; coins find an answer, and it is reported, not given."""
    found = Given(judging=Judging(control_reads=200)).solve(cover())
    assert not found.is_feasible
    assert found.details["control_reads"] == 200
    assert found.details["control_raw_objective"] == 9.0
    assert found.details["control_objective"] == 9.0
    assert 0.0 < float(found.details["control_raw_feasible_share"]) < 1.0
    assert "control_reads" not in Given(judging=Judging(control_reads=0)).solve(cover()).details


def test_success_is_measured_against_the_proved_optimum() -> None:
    """All on costs 19, the optimum is 9: no read succeeds until the threshold says so."""
    found = Given(bit=1).solve(cover())
    assert found.objective == 19.0
    assert found.details["known_optimum"] == pytest.approx(9.0)
    assert found.details["raw_feasible_share"] == 1.0
    assert found.details["success_probability"] == 0.0
    assert found.details["tts99_s"] == np.inf
    wide = Given(bit=1, judging=Judging(success_gap=2.0)).solve(cover())
    assert wide.details["success_probability"] == wide.details["raw_success_probability"] == 1.0
    assert wide.details["tts99_s"] == pytest.approx(float(wide.details["sample_s"]) / 4, rel=0.5)
    told = Given(bit=1, judging=Judging(known_optimum=19.0, bound_time_limit_s=0.0)).solve(cover())
    assert told.details["success_probability"] == 1.0


def test_success_after_redispatch_counts_the_reads_behind_it(make_study: StudyFactory) -> None:
    study = make_study(demand_mw=(70.0, 110.0))
    run = gridopt.solve(study, "unit_commitment", "neal", reads=30, levels=4, seed=1)
    details = run.solution.details
    assert float(details["success_probability"]) > 0.0
    assert float(details["success_probability"]) >= float(details["raw_success_probability"])
    low, middle, high = (float(details[f"tts99{end}_s"]) for end in ("_low", "", "_high"))
    assert 0.0 < low <= middle <= high


def test_presolve_solves_what_is_easy_and_says_so() -> None:
    found = Given(lowering=Lowering(presolve=True)).solve(cover())
    assert found.objective == 9.0
    assert found.termination is Termination.OPTIMAL
    assert found.bound_source == "enumeration"
    assert "by" in str(found.details["presolve"])
    assert found.details["bits_left"] == 0


def test_multipliers_follow_what_presolving_leaves() -> None:
    """Eight items and a lone one that roof duality takes: multipliers are of the whole QUBO."""
    rng = np.random.default_rng(3)
    b = ProgramBuilder()
    x = b.binary("take", (25,))
    b.minimize(rng.uniform(1.0, 5.0, 25), x)
    lone = b.binary("lone", (1,))
    b.minimize(-1.0, lone)
    b.constrain("weight", (rng.uniform(1.0, 4.0, 25), x[np.newaxis]), lower=[20.0])
    lowering = Lowering(inequalities="augmented_lagrangian", presolve=True)
    found = Neal(reads=20, sweeps=200, lowering=lowering).solve(b.program())
    assert found.is_feasible
    assert found.details["rounds"] == 3
    assert 0 < int(found.details["bits_left"]) < 26


def test_reduced_costs_fix_what_cannot_be_in_a_better_answer(make_study: StudyFactory) -> None:
    study = make_study(demand_mw=(70.0, 110.0, 60.0, 45.0))
    best = gridopt.solve(study, gap=1e-9).cost
    options: dict[str, Any] = {"reads": 20, "seed": 1, "levels": 4}
    plain = gridopt.solve(study, "unit_commitment", "neal", **options)
    run = gridopt.solve(study, "unit_commitment", "neal", upper_bound=best, **options)
    assert int(run.solution.details["fixed_by_reduced_cost"]) > 0
    assert int(run.solution.details["bits"]) < int(plain.solution.details["bits"])
    assert run.cost == pytest.approx(best)


def test_rounds_get_seeds_of_their_own(make_study: StudyFactory) -> None:
    study = make_study(demand_mw=(70.0, 110.0, 60.0, 45.0))
    program = UnitCommitment().build(study)
    one, three = (
        Neal(reads=5, seed=3, lowering=Lowering(form="compact"), judging=Judging(rounds=rounds))
        for rounds in (1, 3)
    )
    assert one.solve(program).details["reads"] == 5
    assert three.solve(program).details["reads"] == 15
    assert three.solve(program).objective == three.solve(program).objective


@pytest.mark.parametrize(
    "options",
    [
        {"rounds": 0},
        {"rounds": True},
        {"repair": 1},
        {"control_reads": -1},
        {"known_optimum": np.inf},
        {"success_gap": -1.0},
        {"bound_time_limit_s": -1.0},
    ],
)
def test_bad_options_are_one_clear_error(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Judging(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"form": "short"}, {"presolve": 1}, {"upper_bound": "low"}])
def test_bad_lowerings_are_one_clear_error(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Lowering(**options)  # type: ignore[arg-type]
