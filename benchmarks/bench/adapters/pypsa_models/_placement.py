"""Battery placement as PyPSA writes it, in a process of its own; prints its figures as JSON.

    python _placement.py PROBLEM.json --gap 1e-2 --time-limit 600 --seed 0

PyPSA's own components wherever it has them: lines, committable generators, storage units that are
extended module by module. What it does not have is added as `extra_functionality` would: the
number of sites, and that a battery's charge and discharge share its power.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypsa  # type: ignore[import-not-found]


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("problem", type=Path)
    parser.add_argument("--gap", type=float, required=True)
    parser.add_argument("--time-limit", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    problem = json.loads(asked.problem.read_text("utf-8"))
    cpu_begun, begun = time.process_time(), time.perf_counter()
    n = network(problem)
    model = n.optimize.create_model(include_objective_constant=False)
    choose_sites(model, problem["sites"])
    built = time.perf_counter()
    status, condition = model.solve(
        solver_name="highs",
        io_api="direct",  # in half the time of its default, a file
        threads=1,
        random_seed=asked.seed,
        mip_rel_gap=asked.gap,
        time_limit=asked.time_limit,
        output_flag=False,
    )
    solved = time.perf_counter()
    value = model.objective.value
    objective = np.inf if value is None else float(value)
    row = {
        "termination": f"{status}, {condition}",
        "objective": objective,
        "bound": float(model.solver_model.getInfo().mip_dual_bound),
        "build_s": built - begun,
        "solve_s": solved - built,
        "cpu_s": time.process_time() - cpu_begun,
        "columns": int(model.nvars),
        "rows": int(model.ncons),
        "versions": {name: version(name) for name in ("pypsa", "linopy", "highspy")},
        "plan": plan(model, problem) if np.isfinite(objective) else None,
    }
    print(json.dumps(row))


def network(problem: dict[str, Any]) -> pypsa.Network:
    """Return the system with a battery of any size at each candidate bus."""
    n = pypsa.Network()
    n.set_snapshots(range(problem["periods"]))
    n.add("Carrier", "AC")
    buses = pd.Index(problem["buses"])
    n.add("Bus", buses, v_nom=1.0, carrier="AC")
    branches = problem["branches"]
    n.add(
        "Line",
        branches["name"],
        bus0=buses[branches["from_bus"]],
        bus1=buses[branches["to_bus"]],
        x=branches["x"],
        r=0.0,
        s_nom=branches["rating_mw"],
        carrier="AC",
    )
    demand = pd.DataFrame(np.transpose(problem["demand_mw"]), index=n.snapshots, columns=buses)
    loaded = buses[(demand > 0.0).any()]
    n.add("Load", loaded + " load", bus=loaded, p_set=demand[loaded].add_suffix(" load"))
    n.add(
        "Generator",
        loaded + " unserved",
        bus=loaded,
        p_nom=1.0,
        p_max_pu=demand[loaded].add_suffix(" unserved"),
        marginal_cost=problem["unserved_cost_per_mwh"],
    )
    add_units(n, buses, problem["units"])
    sites = problem["sites"]
    candidates = buses[sites["bus"]]
    n.add(
        "StorageUnit",
        candidates + " battery",
        bus=candidates,
        p_nom_extendable=True,
        p_nom_mod=sites["power_mw"],
        p_nom_max=sites["power_mw"] * sites["modules_max"],
        capital_cost=sites["cost_per_module"] / sites["power_mw"],
        marginal_cost=sites["degradation_cost_per_mwh"],
        max_hours=sites["usable_mwh"] / sites["power_mw"],
        efficiency_store=sites["charge_efficiency"],
        efficiency_dispatch=sites["discharge_efficiency"],
        cyclic_state_of_charge=True,
    )
    return n


def add_units(n: pypsa.Network, buses: pd.Index[str], units: dict[str, Any]) -> None:
    """Add the generators: committable, but where all of them are always on."""
    most = np.array(units["p_max_mw"])
    commitment = {
        "committable": True,
        "stand_by_cost": units["no_load_cost_per_h"],
        "start_up_cost": units["startup_cost"],
        "min_up_time": units["min_up_periods"],
        "min_down_time": units["min_down_periods"],
        "up_time_before": np.maximum(units["initial_status_periods"], 0),
        "down_time_before": np.maximum(-np.array(units["initial_status_periods"]), 0),
    }
    n.add(
        "Generator",
        units["name"],
        bus=buses[units["bus"]],
        p_nom=most,
        p_min_pu=np.array(units["p_min_mw"]) / most,
        marginal_cost=units["cost_per_mwh"],
        **(commitment if units["committable"] else {}),
    )


def choose_sites(model: Any, sites: dict[str, Any]) -> None:
    """Add how many sites get modules, and c + d ≤ P n."""
    modules = model["StorageUnit-n_mod"]
    site = model.add_variables(binary=True, coords=modules.coords, name="site")
    model.add_constraints(modules - sites["modules_max"] * site <= 0, name="site_most")
    model.add_constraints(modules - sites["modules_min"] * site >= 0, name="site_least")
    if sites["count"] is not None:
        model.add_constraints(site.sum() == sites["count"], name="site_count")
    used = model["StorageUnit-p_store"] + model["StorageUnit-p_dispatch"]
    model.add_constraints(used - model["StorageUnit-p_nom"] <= 0, name="shared_power")


def plan(model: Any, problem: dict[str, Any]) -> dict[str, Any]:
    """Return modules and operation as lists, elements in the problem's order."""
    units, T = problem["units"]["name"], problem["periods"]
    names = [problem["buses"][bus] + " battery" for bus in problem["sites"]["bus"]]

    def values(variable: str, elements: list[str]) -> Any:
        return model.solution[variable].sel(name=elements).transpose("name", ...).values.tolist()

    loaded = [
        bus for bus, mw in zip(problem["buses"], problem["demand_mw"], strict=True) if any(mw)
    ]
    unserved = values("Generator-p", [f"{bus} unserved" for bus in loaded])
    served = dict(zip(loaded, unserved, strict=True))
    on = (
        values("Generator-status", units)
        if problem["units"]["committable"]
        else np.ones((len(units), T)).tolist()
    )
    return {
        "modules": values("StorageUnit-n_mod", names),
        "committed": on,
        "power_mw": values("Generator-p", units),
        "charge_mw": values("StorageUnit-p_store", names),
        "discharge_mw": values("StorageUnit-p_dispatch", names),
        "soc_mwh": values("StorageUnit-state_of_charge", names),
        "unserved_mw": [served.get(bus, [0.0] * T) for bus in problem["buses"]],
    }


if __name__ == "__main__":
    main()
