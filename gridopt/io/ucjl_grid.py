"""Buses, lines and what secures them in a UnitCommitment.jl instance; see `unitcommitment_jl`."""

from __future__ import annotations

import math

import numpy as np

from gridopt.arrays import FloatArray
from gridopt.grid import Grid, Interfaces
from gridopt.io.json_fields import JsonFields
from gridopt.io.ucjl_instance import Instance

LINE_PENALTY = 5000.0
"""Price of a limit that is exceeded, in $/MW and period, where the file gives none."""


def read_grid(instance: Instance) -> Grid:
    """Return the buses and lines, contingencies and interfaces."""
    buses = tuple(instance.bus_at)
    ends: list[tuple[int, int]] = []
    names, susceptance, rating, emergency, soft = [], [], [], [], 0
    for name, line in instance.section("Transmission lines").items():
        names.append(name)
        ends.append((instance.bus(line, "Source bus"), instance.bus(line, "Target bus")))
        susceptance.append(line.number("Susceptance (S)"))
        if susceptance[-1] == 0.0:
            line.note("Susceptance (S)", 0.0, "a number other than 0")
        rating.append(_limit(instance, line, "Normal flow limit (MW)"))
        emergency.append(_limit(instance, line, "Emergency flow limit (MW)"))
        line.profile("Flow limit penalty ($/MW)", instance.periods, default=LINE_PENALTY)
        line.asked.add("Reactance (ohms)")  # of no use beside the susceptance
        soft += math.isfinite(rating[-1]) or math.isfinite(emergency[-1])
    if soft:
        instance.notes.append(
            f"limits of lines ({soft}) are hard; the file lets them be exceeded at a penalty"
        )
    failing = _contingencies(instance, set(names))
    from_to = np.array(ends, dtype=np.int64).reshape(-1, 2)
    return Grid(
        bus_name=buses or ("system",),
        from_bus=from_to[:, 0],
        to_bus=from_to[:, 1],
        branch_element=tuple(("line", i) for i in range(len(names))),
        branch_name=tuple(names),
        susceptance_mw=np.nan_to_num(np.array(susceptance), nan=1.0),
        shift_rad=np.zeros(len(names)),
        rating_mw=np.array(rating),
        shunt_mw=np.zeros(len(buses) or 1),
        emergency_rating_mw=np.array(emergency),
        may_fail=np.array([name in failing for name in names], dtype=np.bool_),
        interfaces=_interfaces(instance, names),
    )


def _limit(instance: Instance, line: JsonFields, name: str) -> float:
    """Return a line's limit, inf if it has none; the lowest where it changes with time."""
    limits = line.profile(name, instance.periods, default=math.inf, at_least=0.0)
    if np.ptp(limits[np.isfinite(limits)]) if np.isfinite(limits).any() else 0.0:
        instance.notes.append(f"{line.element}: {name} is the lowest of all periods throughout")
    return float(limits.min())


def _contingencies(instance: Instance, lines: set[str]) -> set[str]:
    """Return the lines whose outage must be stood."""
    failing: set[str] = set()
    left_out = 0
    for part in instance.section("Contingencies").values():
        affected = part.texts("Affected lines", lines, "line")
        if len(affected) > 1:
            part.note("Affected lines", affected, "one line: outages of several are not modelled")
        failing.update(affected)
        left_out += any(part.has(name) for name in ("Affected units", "Affected generators"))
        part.asked.update(("Affected units", "Affected generators"))
    if left_out:
        instance.notes.append(
            f"contingencies of generators ({left_out}) are left out, as UnitCommitment.jl does"
        )
    return failing


def _interfaces(instance: Instance, lines: list[str]) -> Interfaces:
    position = {name: i for i, name in enumerate(lines)}
    names, lower, upper = [], [], []
    weights: list[FloatArray] = []
    for name, part in instance.section("Interfaces").items():
        weight = np.zeros(len(lines))
        for field, sign in (("Outbound lines", 1.0), ("Inbound lines", -1.0)):
            for line in part.texts(field, position, "line"):
                weight[position[line]] += sign
        for field in ("Branches", "Lines"):
            part.asked.add(field)
            members = JsonFields(part.element, part.content.get(field) or {}, part.issues)
            for line in members.content:
                if line not in position:
                    part.note(f"{field}.{line}", "unknown", "the name of a line")
                else:
                    weight[position[line]] += members.number(line)
        high = part.profile("Net flow upper limit (MW)", instance.periods, default=math.inf)
        low = part.profile("Net flow lower limit (MW)", instance.periods, default=-math.inf)
        part.profile("Flow limit penalty ($/MW)", instance.periods, default=LINE_PENALTY)
        if len({*high}) > 1 or len({*low}) > 1:
            instance.notes.append(f"{part.element}: the tightest limits of all periods throughout")
        instance.notes.append(
            f"limits of interface {name} are hard; the file lets them be exceeded at a penalty"
        )
        names.append(name)
        weights.append(np.nan_to_num(weight))
        lower.append(float(low.max()))
        upper.append(float(high.min()))
    return Interfaces(
        tuple(names),
        np.array(weights).reshape(len(names), len(lines)),
        np.array(lower),
        np.array(upper),
    )
