"""Gaps over time, profiles and times to solution against figures computed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridopt.bench.analysis import prepared
from gridopt.bench.progress import (
    ALL_POINTS,
    LEAST_POINTS,
    beside_milp,
    cost_ratios,
    curves,
    gap_at,
    profile,
    steps,
    success,
    time_ratios,
    time_to_gap,
    time_to_solution,
    times_to_gaps,
)

MakeFrame = Callable[..., pd.DataFrame]


def trace(*moments: tuple[float, float | None, float | None]) -> str:
    names = ("elapsed_s", "cost", "bound")
    return json.dumps([{**dict(zip(names, it, strict=True)), "stage": ""} for it in moments])


def row(**changes: object) -> dict[str, object]:
    return {"solver": "highs", "bound": 100.0, **changes}


def test_steps_believe_no_more_than_was_verified(make_frame: MakeFrame) -> None:
    told = trace((1.0, 120.0, None), (2.0, 90.0, 99.0), (3.0, 110.0, 140.0), (4.0, 104.0, 100.0))
    run = next(prepared(make_frame(row(cost=104.0, trace=told))).itertuples())
    found = steps(run)
    assert found.time_s.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert found.cost.tolist() == [120.0, 104.0, 104.0, 104.0]  # 90 was claimed
    assert found.bound.tolist() == [-np.inf, 99.0, 100.0, 100.0]  # 140 was claimed
    infeasible = make_frame(row(feasible=False, trace=told))
    assert np.isinf(steps(next(prepared(infeasible).itertuples())).cost).all()


def test_gap_at_a_time_and_time_to_a_gap(make_frame: MakeFrame) -> None:
    told = trace((1.0, 125.0, 90.0), (3.0, 101.0, 100.0))
    found = steps(next(prepared(make_frame(row(cost=101.0, trace=told))).itertuples()))
    assert gap_at(found, 100.0, [0.5, 1.0, 2.9, 3.0, 99.0]).tolist() == (
        pytest.approx([np.inf, 0.2, 0.2, 1 / 101, 1 / 101])
    )
    assert time_to_gap(found, 100.0, 0.2) == 1.0
    assert time_to_gap(found, 100.0, 0.01) == 3.0
    assert time_to_gap(found, 100.0, 0.001) == np.inf
    assert time_to_gap(found, -np.inf, 0.01) == np.inf  # no bound


def test_a_run_without_a_trace_has_its_end(make_frame: MakeFrame) -> None:
    runs = prepared(make_frame(row(cost=100.5, build_s=1.0, solve_s=4.0)))
    assert times_to_gaps(runs).set_index("gap")["time_s"].to_dict() == {
        0.01: 5.0,
        0.005: 5.0,
        0.001: np.inf,
    }


def test_a_curve_is_the_median_with_best_and_worst(make_frame: MakeFrame) -> None:
    runs = prepared(
        make_frame(
            row(cost=100.0, seed=0, trace=trace((1.0, 200.0, None), (4.0, 100.0, None))),
            row(cost=125.0, seed=1, trace=trace((2.0, 125.0, None))),
        )
    )
    table = curves(runs).set_index("time_s")
    assert table["low"].to_dict() == pytest.approx({1.0: 0.5, 2.0: 0.2, 4.0: 0.0})
    assert table["high"].to_dict() == pytest.approx({1.0: np.inf, 2.0: 0.5, 4.0: 0.2})
    assert table["gap"].to_dict() == pytest.approx({1.0: np.inf, 2.0: 0.35, 4.0: 0.1})


def test_curves_are_bounded_in_size(make_frame: MakeFrame) -> None:
    told = trace(*((0.01 * i, 300.0 - 0.1 * i, None) for i in range(1, 1001)))
    some = make_frame(*(row(cost=200.0, solver=f"s{i}", trace=told) for i in range(400)))
    table = curves(prepared(some))
    most = max(LEAST_POINTS, ALL_POINTS // 400)
    assert table.groupby("solver").size().max() <= most
    last = table.groupby("solver").last()
    assert set(last["time_s"]) == {10.0}
    assert set(last["gap"]) == {0.5}


def test_profile_of_dolan_and_more() -> None:
    times = pd.DataFrame(
        {"a": [1.0, 4.0, np.inf, np.inf], "b": [2.0, 1.0, 3.0, np.inf]}, index=list("pqrs")
    )
    ratios = time_ratios(times)
    assert ratios.to_numpy().tolist() == [[1, 2], [4, 1], [np.inf, 1], [np.inf, np.inf]]
    table = profile(ratios).set_index(["solver", "ratio"])["share"]
    assert table["a"].to_dict() == {1.0: 0.25, 4.0: 0.5}
    assert table["b"].to_dict() == {1.0: 0.5, 2.0: 0.75, 4.0: 0.75}  # s stays in the count


def test_times_below_the_clock_are_level() -> None:
    times = pd.DataFrame({"a": [1e-6], "b": [1e-4]})
    assert time_ratios(times).to_numpy().tolist() == [[1.0, 1.0]]


def test_cost_ratios_of_any_sign() -> None:
    costs = pd.DataFrame({"a": [100.0, -100.0, np.inf], "b": [110.0, -90.0, np.inf]})
    assert cost_ratios(costs).to_numpy().tolist() == (
        [[1.0, pytest.approx(1.1)], [1.0, pytest.approx(1.1)], [np.inf, np.inf]]
    )


def test_time_to_solution_by_the_formula() -> None:
    share, trials, tts_s, low_s, high_s = time_to_solution([1, 0], [1, 1], [2.0, 2.0])
    assert (share, trials, tts_s) == (0.5, 2, 14.0)  # 2 s · ⌈ln 0.01 / ln 0.5⌉ = 2 · 7
    assert low_s < tts_s < high_s


def test_time_to_solution_where_all_or_none_succeed() -> None:
    _, _, tts_s, low_s, high_s = time_to_solution([1] * 10, [1] * 10, [3.0] * 10)
    assert (tts_s, low_s) == (3.0, 3.0)
    # Clopper-Pearson, 10 of 10: at least 0.025^(1/10) = 0.6915, ⌈4.605 / 1.176⌉ = 4 runs
    assert high_s == 12.0
    _, _, tts_s, low_s, high_s = time_to_solution([0] * 10, [1] * 10, [3.0] * 10)
    assert (tts_s, high_s) == (np.inf, np.inf)
    assert low_s == 39.0  # at most 1 − 0.6915 = 0.3085, ⌈4.605 / 0.3689⌉ = 13 runs


def test_time_to_solution_bootstraps_over_runs() -> None:
    # resampled, 4 of 5 come to 2 or less with 5.8 % and to 1 or less with 0.7 %: 97.5 % is 2 of 5
    _, _, tts_s, low_s, high_s = time_to_solution([1, 1, 1, 1, 0], [1] * 5, [1.0] * 5)
    assert tts_s == 3.0  # ⌈4.605 / 1.609⌉
    assert low_s == 1.0
    assert high_s == 10.0  # ⌈4.605 / 0.5108⌉
    assert time_to_solution([1, 1, 1, 1, 0], [1] * 5, [1.0] * 5)[4] == high_s


def test_success_of_runs_and_of_reads(make_frame: MakeFrame) -> None:
    read = {"reads": 100, "successes": 0.5, "known_optimum": 100.0, "bits": 30}
    stages = '{"sample_s": 2.0}'
    runs = prepared(
        make_frame(
            row(solver="neal", cost=100.05, stages_s=stages, **read),
            row(solver="neal", cost=101.0, seed=1, stages_s=stages, **{**read, "successes": 0.0}),
            row(solver="exact", status="not_applicable", feasible=False),
        )
    )
    table: Any = success(runs).set_index(["solver", "of"])
    assert table.index.tolist() == [("neal", "runs"), ("neal", "reads")]  # nothing of a refusal
    assert table.loc[("neal", "runs"), "share"] == 0.5  # 100.05 is within 0.1 %
    assert table.loc[("neal", "runs"), "tts_s"] == 70.0
    of_reads = table.loc[("neal", "reads")]
    assert (of_reads["share"], of_reads["trials"]) == (0.25, 200)
    assert of_reads["tts_s"] == pytest.approx(0.02 * 17)  # ⌈4.605 / 0.2877⌉


def test_the_baseline_at_the_same_time(make_frame: MakeFrame) -> None:
    told = trace((1.0, 125.0, None), (8.0, 100.0, None))
    runs = prepared(
        make_frame(
            row(cost=100.0, trace=told),
            row(solver="quick", cost=110.0, solve_s=2.0),
            row(solver="slow", cost=110.0, solve_s=9.0),
        )
    )
    table = beside_milp(runs).set_index("solver")
    assert table["milp_gap"].to_dict() == pytest.approx({"quick": 0.2, "slow": 0.0})
    assert table["gap"].to_dict() == pytest.approx({"quick": 10 / 110, "slow": 10 / 110})
