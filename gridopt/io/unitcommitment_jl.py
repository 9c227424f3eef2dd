"""Reads instances of UnitCommitment.jl in their JSON format, versions 0.2, 0.3 and 0.4.

Format: documentation of UnitCommitment.jl (A. Xavier, A. Kazachkov, O. Yurdakul, F. Qiu,
"UnitCommitment.jl: A Julia/JuMP optimization package for security-constrained unit commitment",
doi 10.5281/zenodo.4269874), pages "JSON data format" and "Problem definition".
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray, IntArray
from gridopt.elements import Exchange
from gridopt.errors import collected
from gridopt.io.json_fields import JsonFields, read_json
from gridopt.io.ucjl_grid import read_grid
from gridopt.io.ucjl_instance import Instance, constant
from gridopt.io.ucjl_storage import flexible_demand, storage
from gridopt.io.ucjl_units import Products, generators
from gridopt.requirements import SPINNING, Reserves
from gridopt.study import Study

KEYS = frozenset({"Parameters", "Buses", "Generators"})
"""Fields by any of which the format is recognized."""

VERSIONS = ("0.2", "0.3", "0.4")

BALANCE_PENALTY = 1000.0
"""Price of demand not served, in $/MW and period, where the file gives none."""

SECTIONS = frozenset({"SOURCE", "Changelog"})
"""Sections that say nothing about the instance."""

SYSTEM_RESERVE = "spinning"
"""Name of the one reserve of version 0.2."""


def read_unitcommitment_jl(
    path: str | Path,
    *,
    unserved_cost_per_mwh: float | None = None,
    surplus_cost_per_mwh: float | None = None,
) -> Study:
    """Read an instance of UnitCommitment.jl: buses, lines, units, reserves, storage, loads.

    Parameters
    ----------
    path : str or Path
        A ``.json`` or ``.json.gz`` file of format version 0.2, 0.3 or 0.4: one scenario.
    unserved_cost_per_mwh : float, optional
        Price of demand not served, in place of the file's power balance penalty.
    surplus_cost_per_mwh : float, optional
        Price of energy nobody takes; without, there must be none, as in the package's model.

    Returns
    -------
    Study
        Named after the file; elements are ``("thermal", i)``, ``("profiled", i)``,
        ``("storage", i)``, ``("load", i)`` and ``("line", i)`` in the order of the file. What the
        file states and a study cannot hold is told in `Study.assumptions`.

    Raises
    ------
    StudyError
        With every fault of the file, each with the path of its field.

    Notes
    -----
    - Costs, penalties and ramp limits of the format hold for one time step, whatever its length;
      in the study they hold for an hour.
    - Susceptances enter as they are: flows depend on their ratios only.
    - Limits of lines and interfaces are soft in the format and hard here.
    - A load that is sensitive to prices costs its revenue where it is not served; objectives are
      higher than the package's by the revenue of all such loads.
    - A thermal unit whose limits change with time must be free of what commits it (minimum
      output, no-load and start-up cost, ramps, fixed hours); it is taken as an infeed.
    - A unit without an initial status is off, for as long as makes it free and cold.
    """
    path = Path(path)
    top = read_json(path, "UnitCommitment.jl file")
    parameters = _part(top, "Parameters")
    version = _version(parameters)
    periods, period_h = _periods(parameters)
    buses = top.parts("Buses")
    demand = [bus.profile("Load (MW)", periods) for bus in buses.values()]
    instance = Instance(top, periods, period_h, {name: b for b, name in enumerate(buses)})
    instance.read["Buses"] = list(buses.values())
    penalty = constant(
        parameters,
        "Power balance penalty ($/MW)",
        parameters.profile(
            "Power balance penalty ($/MW)", periods, default=BALANCE_PENALTY, at_least=0.0
        ),
    )
    if unserved_cost_per_mwh is None:
        unserved_cost_per_mwh = penalty / period_h
    products = _products(instance, parameters, version)
    grid = read_grid(instance)
    found = generators(instance, products, version)
    stores = storage(instance)
    loads = flexible_demand(instance)
    _note_unread(instance, parameters)
    return collected(
        lambda: Study(
            name=path.name.removesuffix(".gz").removesuffix(".json"),
            grid=grid,
            time=pd.RangeIndex(periods, name="period"),
            period_h=period_h,
            demand_mw=np.nan_to_num(np.array(demand)).reshape(-1, periods),
            thermal=found.thermal,
            renewables=found.renewables,
            storage=stores,
            exchange=Exchange.none(periods),
            reserves=_reserves(products, found.eligible),
            flexible=loads,
            fixed_status=found.fixed_status,
            # with faults, the study is made to find more of them; what is missing from it must
            # not count as a lack of capacity
            unserved_cost_per_mwh=0.0 if top.issues else unserved_cost_per_mwh,
            surplus_cost_per_mwh=surplus_cost_per_mwh,
            assumptions=tuple(instance.notes),
        ),
        top.issues,
    )


def _part(top: JsonFields, name: str) -> JsonFields:
    """Return the fields of one section; of none if it is missing, which is noted."""
    content = top.content.get(name)
    if not isinstance(content, dict):
        top.note(name, "missing" if content is None else content, "an object")
        content = {}
    top.asked.add(name)
    return JsonFields(name, content, top.issues)


def _version(parameters: JsonFields) -> str:
    expected = f"one of {', '.join(VERSIONS)}"
    text = parameters.content.get("Version")
    parameters.asked.add("Version")
    found = re.fullmatch(r"v?(\d+\.\d+)(\.\d+)*", str(text))
    version = found[1] if found else ""
    if version not in VERSIONS:
        parameters.note("Version", "missing" if text is None else text, expected)
        return VERSIONS[-1]
    return version


def _periods(parameters: JsonFields) -> tuple[int, float]:
    """Return the number of periods and the hours of each."""
    step_min = parameters.number("Time step (min)", default=60.0, at_least=1.0)
    if 60.0 % step_min:
        parameters.note("Time step (min)", step_min, "a divisor of 60")
    names = ("Time horizon (h)", "Time horizon (min)", "Time (h)")
    name = next((name for name in names if parameters.has(name)), names[0])
    minutes = parameters.number(name, at_least=1e-9) * (1.0 if name.endswith("(min)") else 60.0)
    count = minutes / step_min
    if math.isnan(count):
        return 1, 1.0
    if count != int(count):
        parameters.note(name, parameters.content[name], f"whole steps of {step_min:g} min")
    return max(int(count), 1), step_min / 60.0


def _products(instance: Instance, parameters: JsonFields, version: str) -> Products:
    """Return what reserve is required, and at which price it may be missing."""
    top, periods = instance.top, instance.periods
    fallback = constant(
        parameters,
        "Reserve shortfall penalty ($/MW)",
        parameters.profile("Reserve shortfall penalty ($/MW)", periods, default=-1.0),
    )
    parameters.asked.add("Flexiramp penalty ($/MW)")
    if version == "0.2":
        section = JsonFields("Reserves", top.content.get("Reserves") or {}, top.issues)
        top.asked.add("Reserves")
        required = section.profile("Spinning (MW)", periods, default=0.0, at_least=0.0)
        if not required.any():
            return Products((), np.zeros((0, periods)), np.zeros(0))
        return Products((SYSTEM_RESERVE,), required[np.newaxis], instance.shortage_cost([fallback]))
    names, amounts, penalties = [], [], []
    for name, part in instance.section("Reserves").items():
        kind = part.text("Type").lower()
        if part.has("Type") and kind != "spinning":
            part.note("Type", part.content["Type"], "spinning, the only kind that can be planned")
        amounts.append(part.profile("Amount (MW)", periods, at_least=0.0))
        field = "Shortfall penalty ($/MW)"
        penalties.append(constant(part, field, part.profile(field, periods, default=fallback)))
        names.append(name)
    return Products(
        tuple(names),
        np.nan_to_num(np.array(amounts)).reshape(len(names), periods),
        instance.shortage_cost(penalties),
    )


def _reserves(products: Products, eligible: FloatArray) -> Reserves:
    count = len(products.name)
    order: IntArray = np.arange(count)
    return Reserves(
        product=products.name,
        kind=(SPINNING,) * count,
        offer_max_mw=np.where(eligible > 0, np.inf, 0.0),
        offer_cost_per_mwh=np.zeros_like(eligible),
        requirement=products.name,
        of_product=order,
        zone=np.ones((count, 1), dtype=np.bool_),
        required_mw=products.required_mw,
        shortage_cost_per_mwh=products.shortage_cost_per_mwh,
    )


def _note_unread(instance: Instance, parameters: JsonFields) -> None:
    """Tell what the file states beyond the documented format."""
    parameters.asked.update(("Scenario name", "Scenario weight"))
    unread = [f"Parameters: {name}" for name in parameters.unread()]
    unread += [name for name in instance.top.unread() if name not in SECTIONS]
    if unread:
        instance.notes.append(f"not used of the file: {', '.join(unread)}")
    instance.note_unread()
