"""The page of a battery placement: what was built, what it is worth, how everything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gridopt import placement_plots
from gridopt.network_plots import can_be_mapped
from gridopt.pages.parts import TEXT, Page, Part, Picture, Section, Table, shown
from gridopt.pages.plans import committing, dispatching
from gridopt.pages.repeating import Origin, repeating, solving
from gridopt.pages.run_page import MOST_SCENARIOS, converging
from gridopt.pages.sections import MONEY, WHOSE, asked, broken, costs, solved
from gridopt.placement import Placement
from gridopt.placing import Checked, Placing
from gridopt.study import Study
from gridopt.verification import Verification

FLOW_ROWS = {
    "converged": "periods that converge",
    "min_vm_pu": "lowest voltage, pu",
    "max_vm_pu": "highest voltage, pu",
    "max_loading_percent": "highest loading, %",
    "loss_mwh": "losses, MWh",
}
"""What is shown of AC power flow, and its name."""


def placing_page(placing: Placing, origin: Origin | None = None) -> Page:
    """Return the page of a placement.

    Parameters
    ----------
    placing : Placing
    origin : Origin, optional
        Where it comes from.
    """
    run, after = placing.run, placing.after
    record, solver = placing.summary(), placing.solver or run.solver
    python, imports = solving("gridopt.place", run.formulation, solver)
    seconds = {
        "to build the program, last round": run.build_s,
        "to solve it, last round": run.solve_s,
    }
    record["details"] = {"rounds_with_ac": placing.rounds, **record["details"]}
    found = run.verification if after is None else after.verification
    return Page(
        title=f"Battery placement in {run.study.name}",
        is_good=placing.is_feasible,
        verdict=placing.verdict,
        figures=tuple(_figures(placing)),
        sections=(
            asked(run.study, record, dict(_sites(run.study))),
            broken(found, run.missing),
            *_placed(placing),
            converging(run),
            solved(record, seconds),
            repeating(origin or Origin(), run.study, f"placing = {python}", imports),
        ),
    )


def _figures(placing: Placing) -> Iterator[tuple[str, str]]:
    run, before, after = placing.run, placing.before, placing.after
    yield "Cost", shown(run.cost, MONEY)
    if after is not None and after.flows and run.study.feeder is not None:
        yield "Cost by AC power flow", shown(after.cost, MONEY)
    if before is not None:
        yield "Cost without batteries", shown(before.verification.total_cost, MONEY)
    yield "Proved bound", shown(run.bound, MONEY)
    yield "Certified gap", shown(run.gap, ".4%")
    yield "Stopped", str(run.termination)


def _sites(study: Study) -> Iterator[tuple[str, str]]:
    sites = study.sites
    yield "modules", ", ".join(sites.modules.name)
    yield "sites with a battery", "any number" if sites.count is None else str(sites.count)
    yield "modules at a site", f"{sites.modules_min} to {sites.modules_max}"
    if sites.budget is not None:
        yield "budget", f"{sites.budget:,.0f}"
    if study.feeder is not None:
        for name, price in (
            ("voltage", sites.voltage_cost_per_pu_h),
            ("loading", sites.overload_cost_per_mwh),
        ):
            yield f"limit of {name}", f"at {price:g}" if np.isfinite(price) else "hard"


def _placed(placing: Placing) -> Iterator[Section]:
    before, after = placing.before, placing.after
    if after is None:
        yield costs(placing.run.verification)
        return
    placement = after.placement
    yield Section("placement", "What is built", tuple(_built(after)))
    yield _worth(placing, after)
    yield Section("energy", "State of charge", (_charge(placement),))
    yield Section("network", "Power flow", tuple(_flows(before, after)))
    plans = list(zip(placement.names, placement.schedules, strict=True))
    for number, (name, schedule) in enumerate(plans[:MOST_SCENARIOS]):
        key = f"dispatch-{number}" if name else "dispatch"
        yield dispatching(schedule, key, f"Dispatch {name}".rstrip())
    yield committing(placement.schedules[0])


def _built(after: Checked) -> Iterator[Part]:
    placement, forms = after.placement, {"bus": TEXT, "module": TEXT, "modules": ",d"}
    forms |= {"power MW": ",.3g", "energy MWh": ",.3g", "investment": ",.0f"}
    rows = list(placement.table().itertuples(index=False))
    yield Table.of("Batteries", forms, rows)
    if can_be_mapped(placement.study):
        where = ", ".join(str(row[0]) for row in rows) or "nowhere"
        how = "AC power flow" if after.flows else "the model"
        text = (
            f"The net with its batteries, at {where}, and the highest loading of each branch by "
            f"{how}."
        )
        figure = placement_plots.network_map(placement, after.flows)
        yield Picture("map", figure, f"Map of {placement.study.name}", text)


def _worth(placing: Placing, after: Checked) -> Section:
    """Return costs without and with batteries, item by item, and those of simple placements."""
    before, parts = placing.before, list(costs(after.verification).parts)
    if before is not None:
        parts[0] = _two_costs(before.verification, after.verification)
        change = after.verification.total_cost - before.verification.total_cost
        word = "lower" if change < 0 else "raise"
        text = f"Batteries {word} the cost by {abs(change):,.2f}; each bar is an item that changes."
        figure = placement_plots.cost_waterfall(before, after)
        parts.insert(1, Picture("costs", figure, "From the cost without batteries", text))
    if placing.controls:
        rows = [(it.name, it.cost, it.modules) for it in placing.controls]
        rows.append(("this answer", placing.run.cost, int(after.placement.modules.sum())))
        forms = {"placement": TEXT, "cost": MONEY, "modules": ",d"}
        parts.append(Table.of("Simple placements to compare with, by the model", forms, rows))
    return replace(costs(after.verification), key="worth", parts=tuple(parts))


def _two_costs(before: Verification, after: Verification) -> Table:
    old, new = ({**it.cost, **it.penalty} for it in (before, after))
    pairs = {item: (old.get(item, 0.0), new.get(item, 0.0)) for item in {**old, **new}}
    rows: list[Any] = [(item, *pair) for item, pair in pairs.items() if any(pair)]
    rows.append(("all", before.total_cost, after.total_cost))
    forms = {"item": TEXT, "without batteries": MONEY, "with batteries": MONEY}
    return Table.of(f"Cost by item{WHOSE}", forms, rows)


def _charge(placement: Placement) -> Picture:
    text = (
        "Energy of each battery over time, beside the price of energy where it changes, else the "
        "demand. Each number is in the file of the dispatch."
    )
    title = f"Energy of the batteries in {placement.study.name}"
    return Picture("state_of_charge", placement_plots.state_of_charge(placement), title, text)


def _flows(before: Checked | None, after: Checked) -> Iterator[Part]:
    """Yield the voltage band, and figures of AC power flow without and with batteries."""
    if not after.flows:
        return
    if before is not None and before.flows:
        title = f"Lowest and highest voltage in {after.placement.study.name}"
        text = (
            "Lowest and highest voltage of all buses over time, without and with batteries, by AC "
            "power flow. The table has the extremes."
        )
        figure = placement_plots.voltage_band(before, after)
        yield Picture("voltage", figure, title, text)
    columns = {"without batteries": _extremes(before), "with batteries": _extremes(after)}
    names = {name: ".4f" if "vm" in name else ",.1f" for name in FLOW_ROWS} | {"converged": ",d"}
    rows = [
        (text, *(shown(column.get(name), names[name]) for column in columns.values()))
        for name, text in FLOW_ROWS.items()
    ]
    table = Table.of(
        "AC power flow of every period", dict.fromkeys(("of all", *columns), TEXT), rows
    )
    yield replace(table, numbers=(False, True, True))


def _extremes(checked: Checked | None) -> dict[str, Any]:
    """Return the worst of all scenarios; None where nothing converged."""
    flows = () if checked is None else checked.flows
    found = [flow.summary() for flow in flows]
    worst: dict[str, Callable[[list[Any]], Any]] = {
        "converged": sum,
        "loss_mwh": sum,
        "min_vm_pu": min,
    }
    merged: dict[str, Any] = {}
    for name in FLOW_ROWS:
        values = [part[name] for part in found if part[name] is not None]
        merged[name] = worst.get(name, max)(values) if values else None
    return merged
