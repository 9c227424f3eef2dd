"""Tidy tables against figures computed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridopt.bench.analysis import (
    ablation,
    errors,
    errors_apart,
    feasibility,
    leaders,
    prepared,
    references,
    relative_gaps,
    sampler_of,
    summary,
)
from gridopt.errors import StudyError

MakeFrame = Callable[..., pd.DataFrame]


def test_all_faults_of_a_frame_are_told_at_once(make_frame: MakeFrame) -> None:
    frame = make_frame({"solver": "highs"}).drop(columns=["cost", "seed"]).head(0)
    with pytest.raises(StudyError) as caught:
        prepared(frame)
    assert [issue.field for issue in caught.value.issues] == ["seed", "cost", "rows"]


def test_an_infeasible_run_costs_infinity(make_frame: MakeFrame) -> None:
    runs = prepared(make_frame({"solver": "a", "feasible": False, "cost": 90.0}, {"solver": "b"}))
    assert runs["cost"].tolist() == [np.inf, 100.0]
    assert runs["best_cost"].tolist() == [100.0, 100.0]


def test_the_best_bound_is_one_that_no_verified_cost_refutes(make_frame: MakeFrame) -> None:
    runs = prepared(
        make_frame(
            {"solver": "a", "bound": 95.0, "bound_source": "HiGHS"},
            {"solver": "b", "bound": 101.0, "cost": 110.0},  # above the verified 100
            {"solver": "c", "bound": None},
        )
    )
    assert set(runs["best_bound"]) == {95.0}
    assert set(runs["best_bound_source"]) == {"a (HiGHS)"}
    assert runs["best_gap"].tolist() == pytest.approx([0.05, 15 / 110, 0.05])


def test_without_a_bound_a_gap_is_infinite(make_frame: MakeFrame) -> None:
    runs = prepared(make_frame({"solver": "a"}))
    assert runs["best_gap"].tolist() == [np.inf]


def test_gaps() -> None:
    assert relative_gaps([110.0, np.inf, 0.0, 100.0], [100.0, 1.0, 0.0, -np.inf]).tolist() == (
        pytest.approx([10 / 110, np.inf, 0.0, np.inf])
    )
    assert relative_gaps(-100.0, -110.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, {"case"}),
        ({"formulation_options": '{"ramps": "pglib"}'}, {"case"}),  # the same problem
        ({"formulation_options": '{"network": "dc"}'}, {"case", "case · network dc"}),
        ({"fingerprint": "other"}, {"case · data f", "case · data other"}),
        ({"formulation": "another label"}, {"case"}),
        (
            {"formulation_name": "battery_placement"},
            {"case · unit_commitment", "case · battery_placement"},
        ),
    ],
)
def test_problems_are_told_apart(
    changes: dict[str, str], labels: set[str], make_frame: MakeFrame
) -> None:
    runs = prepared(make_frame({"solver": "a"}, {"solver": "b", **changes}))
    assert set(runs["problem"]) == labels


def test_one_label_with_two_forms_is_two_solvers(make_frame: MakeFrame) -> None:
    forms = [{"solver": "a", "formulation_options": f'{{"ramps": "{it}"}}'} for it in "xy"]
    assert set(prepared(make_frame(*forms))["solver"]) == {"a · ramps x", "a · ramps y"}


def test_medians_say_what_half_of_the_runs_reach(make_frame: MakeFrame) -> None:
    costs = [{"solver": "a", "seed": i, "cost": cost} for i, cost in enumerate((101.0, 103.0))]
    worse = [{"solver": "b", "feasible": False, "seed": i} for i in range(2)]
    runs = prepared(make_frame(*costs, *worse, {"solver": "b", "seed": 2, "bound": 100.0}))
    table: Any = summary(runs).set_index("solver")
    assert table.loc["a", ["cost", "low_cost", "high_cost"]].tolist() == [102.0, 101.0, 103.0]
    assert table.loc["a", "own_gap"] == np.inf
    assert table.loc["a", "gap"] == pytest.approx((1 / 101 + 3 / 103) / 2)
    assert table.loc["b", "cost"] == np.inf
    assert table.loc["b", ["runs", "feasible"]].tolist() == [3, 1]
    best: Any = leaders(runs)
    assert best.loc[0, ["best_cost", "best_of", "gap"]].tolist() == [100.0, "b", 0.0]


def test_feasibility_by_rule(make_frame: MakeFrame) -> None:
    broken = {"solver": "a", "feasible": False, "violations": '{"reserve": 3, "ramp": 0}'}
    both = {**broken, "violations": '{"reserve": 2, "balance": 1}'}
    nothing = {"solver": "a", "feasible": False, "violations": None}
    declined = {**nothing, "solver": "b", "status": "not_applicable"}
    runs = prepared(make_frame(broken, both, nothing, {"solver": "a"}, declined))
    table: Any = feasibility(runs).set_index(["solver", "finding"])
    assert table.loc["a", "share"].to_dict() == {
        "feasible": 0.25,
        "no answer": 0.25,
        "declined": 0.0,
        "reserve": 0.5,
        "balance": 0.25,
    }
    assert table.loc[("a", "reserve"), "violations"] == 5
    assert table.loc["b", "share"].to_dict() == {"feasible": 0, "no answer": 0, "declined": 1}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"sampler": None}, "none"),
        ({"sampler": "none"}, "none"),
        ({"sampler": "greedy"}, "greedy"),
        ({"sampler": {"solver": "anneal", "reads": 5}}, "anneal"),
        ({}, "neal"),  # the default of the decomposition
    ],
)
def test_samplers_by_name(options: dict[str, object], name: str) -> None:
    assert sampler_of(options) == name


def test_ablation(make_frame: MakeFrame) -> None:
    def row(sampler: str, cost: float, **more: object) -> dict[str, object]:
        options = json.dumps({"sampler": sampler, **more})
        base = {"solver": sampler, "solver_name": "decomposition", "solver_options": options}
        return {**base, "cost": cost, "null_cost": 125.0, "bound": 90.0}

    table = ablation(prepared(make_frame(row("none", 120.0), row("anneal", 100.0))))
    assert table["sampler"].tolist() == ["anneal", "none"]
    assert table["setting"].tolist() == ["", ""]
    assert table["gap"].tolist() == pytest.approx([0.1, 0.25])
    assert table["null_gap"].tolist() == pytest.approx([0.28, 0.28])
    assert table["gain"].tolist() == pytest.approx([0.2, 0.04])
    other = ablation(prepared(make_frame(row("none", 120.0), row("none", 100.0, windows=False))))
    assert set(other["setting"]) == {"", "windows False"}
    assert ablation(prepared(make_frame({"solver": "highs"}))).empty


def test_errors_are_kept_apart(make_frame: MakeFrame) -> None:
    sampled = {
        "solver": "neal",
        "bits": 50,
        "reads": 10,
        "known_optimum": 100.0,
        "encoded_optimum": 101.0,
        "raw_feasible_share": 0.5,
        "raw_cost": 105.0,
        "redispatch_cost": 103.0,
        "repaired_cost": 102.0,
        "control_cost": 110.0,
        "cost": 102.0,
    }
    found = errors_apart(errors(prepared(make_frame(sampled)))).iloc[0]
    assert found[2:].to_dict() == pytest.approx(
        {
            "encoding": 0.01,
            "raw": 0.05,
            "sampler": 0.04,
            "redispatch": 0.02,
            "repair": 0.01,
            "left": 0.02,
            "coins": 0.10,
        }
    )


def test_a_read_without_a_cost_is_not_one_that_is_infeasible(make_frame: MakeFrame) -> None:
    base = {"bits": 50, "reads": 10, "redispatch_cost": 100.0, "known_optimum": 100.0}
    compact = {**base, "solver": "compact", "raw_feasible_share": 1.0}
    nothing = {**base, "solver": "nothing", "raw_feasible_share": 0.0}
    table = errors(prepared(make_frame(compact, nothing)))
    raw = table[table["stage"] == "raw reads"]
    assert raw[["solver", "excess"]].to_numpy().tolist() == [["nothing", np.inf]]
    apart: Any = errors_apart(table).set_index("solver")
    assert np.isnan(apart.loc["compact", "raw"])
    assert np.isnan(apart.loc["nothing", "redispatch"])  # it began with nothing
    assert apart["left"].tolist() == [0.0, 0.0]
    assert apart["repair"].isna().all()  # nothing was repaired


def test_an_optimum_that_a_verified_cost_refutes_is_none(make_frame: MakeFrame) -> None:
    beaten = make_frame({"solver": "a", "known_optimum": 100.4}, {"solver": "b", "cost": 101.0})
    assert references(prepared(beaten)) == {"case": (100.0, "best cost of these runs")}
    held = beaten.assign(known_optimum=99.0)
    assert references(prepared(held)) == {"case": (99.0, "known optimum")}
