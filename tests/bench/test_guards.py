"""Each guard finds what is unfair, and is silent where that alone is mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridopt.bench.analysis import prepared
from gridopt.bench.guards import COVERAGE, GUARDS, REASONS, Concern, concerns

MakeFrame = Callable[..., pd.DataFrame]
Rows = dict[str, dict[str, Any]]

FAIR: Rows = {
    "highs": {"bound": 99.9, "gap_tolerance": 1e-3, "termination": "optimal", "cost": 100.0},
    "neal": {
        "cost": 101.0,
        "bits": 60,
        "components": 1,
        "largest_component": 60,
        "reads": 50,
        "raw_feasible_share": 0.4,
        "successes": 0.1,
        "control_cost": 130.0,
    },
    "decomposition": {
        "cost": 100.5,
        "bound": 99.0,
        "solver_options": '{"sampler": "anneal"}',
        "null_cost": 110.0,
    },
}
"""A comparison of three solvers that no guard minds."""


def frame_of(make_frame: MakeFrame, changes: Rows) -> pd.DataFrame:
    """Return two seeds of each fair solver, changed, without those that changed to nothing."""
    rows = {name: {**row, **changes.get(name, {})} for name, row in FAIR.items()}
    rows |= {name: row for name, row in changes.items() if name not in FAIR}
    return make_frame(
        *(
            {"solver": name, "seed": seed, **row}
            for name, row in rows.items()
            if changes.get(name) != {}
            for seed in (0, 1)
        )
    )


def found(frame: pd.DataFrame) -> list[Concern]:
    return concerns(prepared(frame))


UNFAIR: dict[str, tuple[Rows, Rows, str]] = {
    # guard: changes that it minds, others that it does not, and what it says
    "refuted: feasible": (
        {"neal": {"feasible": False, "worst_violation": "reserve at hour 3: 5 MW short"}},
        {"neal": {"feasible": False, "claimed_feasible": False}},
        "neal claims a feasible plan in 2 of 2 runs; the verifier: reserve at hour 3: 5 MW short",
    ),
    "refuted: cost": (
        {"neal": {"claimed_cost": 99.0}},
        {"neal": {"claimed_cost": 101.0}},
        "neal claims a cost of 99.00 $; it is 101.00 $ (2 of 2 runs)",
    ),
    "refuted: bound": (
        {"peer": {"peer": True, "claimed_bound": 100.2, "cost": 101.5}},
        {"peer": {"peer": True, "claimed_bound": 99.8, "cost": 101.5}},
        "peer says 100.20 $ is a bound; a verified plan costs 100.00 $",
    ),
    "refuted: optimum": (
        {"neal": {"known_optimum": 100.4}},
        {"neal": {"known_optimum": 100.0}},
        "neal takes 100.40 $ for the optimum; a verified plan costs 100.00 $",
    ),
    "no plan": (
        {name: {"feasible": False, "claimed_feasible": False} for name in FAIR},
        {name: {"feasible": False, "claimed_feasible": False} for name in ("highs", "neal")},
        "no run has a feasible plan: there is nothing to compare",
    ),
    "no bound": (
        {"highs": {"bound": None}, "decomposition": {"bound": None}},
        {"highs": {"bound": None}},
        "no run proved a bound that holds",
    ),
    "within the gap tolerance": (
        {"neal": {"cost": 100.05}},
        {"neal": {"cost": 100.05}, "highs": {"termination": "time_limit"}},
        "highs is 0.05 % below neal, but highs stopped at a gap of 0.1 %: this ranks nobody",
    ),
    "time limits": (
        {"neal": {"time_limit_s": 600.0}},
        {name: {"time_limit_s": 600.0} for name in FAIR},
        "time limits differ: decomposition 60 s; highs 60 s; neal 600 s",
    ),
    "overtime": (
        {"neal": {"solve_s": 75.0}},
        {"neal": {"solve_s": 61.0}},
        "neal took 75 s with a limit of 60 s (2 of 2 runs)",
    ),
    "machines": (
        {"neal": {"host": "there"}},
        {name: {"host": "there"} for name in FAIR},
        "seconds are of 2 machines: here, there",
    ),
    "copied units": (
        {name: {"units": 100} for name in FAIR},
        {name: {"units": 100, "distinct_units": 100} for name in FAIR},
        "100 units, but only 10 different ones",
    ),
    "tiny QUBO": (
        {"neal": {"components": 5, "largest_component": 14}},
        {"neal": {"components": 2, "largest_component": 59}},
        "neal: no part of the QUBO has more than 14 bits",
    ),
    "best of many": (
        {"neal": {"successes": None}},
        {"neal": {"successes": None, "reads": 1}},
        "neal tells the best of 50 reads, not the share that succeeds",
    ),
    "repair": (
        {"neal": {"raw_feasible_share": 0.0}},
        {"neal": {"raw_feasible_share": 0.02}},
        "neal: no read is feasible as sampled (2 of 2 runs)",
    ),
    "coins": (
        {"neal": {"control_cost": 101.0}},
        {"neal": {"control_cost": 101.1}},
        "neal is no better than fair coins re-dispatched alike (2 of 2 runs)",
    ),
    "prices alone": (
        {"decomposition": {"null_cost": 100.5}},
        {"decomposition": {"null_cost": 100.5, "solver_options": '{"sampler": "none"}'}},
        "decomposition is no better than its prices without a sampler (2 of 2 runs)",
    ),
    "no baseline": (
        {"highs": {}},
        {"highs": {}, "peer": {"peer": True}},
        "there is no outside baseline",
    ),
    "no control": (
        {"neal": {"control_cost": None}},
        {"neal": {"control_cost": None}, "random": {"cost": 150.0}},
        "neal has no control beside it",
    ),
    "no null sampler": (
        {"decomposition": {"null_cost": None}},
        {"decomposition": {"null_cost": None, "solver_options": '{"sampler": "none"}'}},
        "what the decomposition finds without a sampler is not told",
    ),
}


def test_nothing_is_found_in_a_fair_comparison(make_frame: MakeFrame) -> None:
    assert found(frame_of(make_frame, {})) == []


@pytest.mark.parametrize("guard", UNFAIR)
def test_a_guard_fires(guard: str, make_frame: MakeFrame) -> None:
    changes, _, text = UNFAIR[guard]
    frame = frame_of(make_frame, changes)
    told = [concern for concern in found(frame) if concern.guard == guard]
    assert any(text in concern.text for concern in told), told
    assert all(concern.problem == "case" for concern in told)
    assert {key for concern in told for key in concern.run_keys} <= set(frame["run_key"])
    assert all(concern.run_keys for concern in told)


@pytest.mark.parametrize("guard", UNFAIR)
def test_a_guard_is_silent_on_the_fair_twin(guard: str, make_frame: MakeFrame) -> None:
    _, fair, _ = UNFAIR[guard]
    assert guard not in {concern.guard for concern in found(frame_of(make_frame, fair))}


def test_a_qubo_that_falls_apart(make_frame: MakeFrame) -> None:
    changes = {"neal": {"bits": 300, "components": 9, "largest_component": 40}}
    told = [it.text for it in found(frame_of(make_frame, changes)) if it.guard == "tiny QUBO"]
    assert told == [
        "neal: 300 bits fall into 9 parts of at most 40 bits, each a problem of its own"
    ]


def test_a_refuted_bound_is_no_bound(make_frame: MakeFrame) -> None:
    changes: Rows = {"highs": {"bound": 100.2}, "decomposition": {"bound": None}}
    assert {"refuted: bound", "no bound"} <= {
        it.guard for it in found(frame_of(make_frame, changes))
    }


def test_seeds(make_frame: MakeFrame) -> None:
    frame = frame_of(make_frame, {})
    more = frame[frame["solver"] == "neal"].assign(seed=[2, 3], run_key=["more", "yet more"])
    told = found(pd.concat([frame, more]))
    assert [it.guard for it in told] == ["seeds"]
    assert told[0].text == "numbers of seeds differ: decomposition 2, neal 4"
    assert found(frame.drop(index=0)) == []  # a run fewer of what draws nothing


def test_solvers_that_were_not_run_everywhere(make_frame: MakeFrame) -> None:
    frame = frame_of(make_frame, {})
    other = frame.assign(case_name="other", run_key=frame["run_key"] + ", other")
    assert found(pd.concat([frame, other])) == []
    told = found(pd.concat([frame, other[other["solver"] != "neal"]]))
    assert [(it.guard, it.problem) for it in told] == [(COVERAGE, "other")]


def test_every_guard_has_a_reason_and_a_test() -> None:
    assert set(REASONS) == {*GUARDS, COVERAGE}
    assert {*UNFAIR, "seeds"} == set(GUARDS)


def test_bare_rows_are_minded_by_no_mistake(make_frame: MakeFrame) -> None:
    bare = {"status": "killed_time", "feasible": None, "cost": None, "time_limit_s": None}
    frame = make_frame({"solver": "highs", **bare, "solve_s": np.nan, "claimed_feasible": None})
    assert [it.guard for it in found(frame)] == ["no plan", "no bound"]


def test_peers_are_held_to_what_they_were_told(make_frame: MakeFrame) -> None:
    def found(claims: str) -> list[str]:
        row = {"solver": "peer", "peer": True, "claimed_cost": 100.1}
        frame = make_frame({**row, "details": f'{{"false_claims": {claims}}}'})
        return [it.text for it in concerns(prepared(frame)) if it.guard == "refuted: cost"]

    assert found("[]") == []
    assert found('["claims a cost of 5, which is 6", "claims a bound of 7, above"]') == [
        "peer claims a cost of 5, which is 6"
    ]
