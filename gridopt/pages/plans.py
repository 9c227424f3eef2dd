"""Sections on how everything runs: dispatch, commitment, prices, the network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridopt import network_plots, plots
from gridopt.arrays import FloatArray
from gridopt.network_plots import can_be_mapped
from gridopt.pages.parts import TEXT, Part, Picture, Section, Table
from gridopt.price_table import Prices
from gridopt.results import Schedule
from gridopt.study import Study

MOST_BRANCHES = 12
"""Rows of the table of loaded branches."""
DEAREST = 5
"""Buses with the highest and with the lowest prices that are named."""
SHOWN_MWH = 1e-6

POWER, PRICE = ",.1f", ",.2f"


def dispatching(schedule: Schedule, key: str = "dispatch", title: str = "Dispatch") -> Section:
    """Return who serves the demand."""
    study = schedule.study
    demand = study.total_demand_mw
    text = (
        f"Stacked power of all that feeds in, over {study.n_periods} periods, and the demand as a "
        f"line: {demand.min():,.1f} to {demand.max():,.1f} MW, highest in period "
        f"{study.time[int(demand.argmax())]}. The table has the energy of each layer."
    )
    picture = Picture(key, plots.dispatch(schedule), f"Dispatch of {study.name}", text)
    total_mwh = float(demand.sum() * study.period_h)
    rows = [
        (name, energy, 100.0 * energy / total_mwh if total_mwh else np.nan)
        for name, energy in energy_mwh(schedule)
    ]
    forms = {"who": TEXT, "MWh": ",.1f", "share of demand %": ".1f"}
    return Section(key, title, (picture, Table.of(f"{title}: energy by group", forms, rows)))


def energy_mwh(schedule: Schedule) -> Iterator[tuple[str, float]]:
    """Yield what each layer of the dispatch stack feeds in, MWh; what is taken up is negative."""
    study, trade = schedule.study, schedule.import_mw
    layers = {label: schedule.power_mw[members] for label, members in plots.unit_groups(study)}
    layers |= {
        "renewables": schedule.renewable_mw,
        "discharge": schedule.discharge_mw,
        "import": np.maximum(trade, 0.0),
        "unserved": schedule.unserved_mw,
        "charge": -schedule.charge_mw,
        "export": np.minimum(trade, 0.0),
        "surplus": -schedule.surplus_mw,
    }
    for name, power in layers.items():
        energy = float(power.sum() * study.period_h)
        if abs(energy) > SHOWN_MWH:
            yield name, energy


def committing(schedule: Schedule) -> Section:
    """Return which units run when; no parts where there is no thermal unit."""
    study, on = schedule.study, schedule.committed
    title = "Commitment"
    if not len(on):
        return Section("commitment", title, ())
    before = np.column_stack([study.thermal.initial_on, on[:, :-1]])
    number = on.sum(axis=0)
    text = (
        f"When each thermal unit is on, and how far it is loaded. Of {len(on)}, "
        f"{number.min()} to {number.max()} are on at once, {int(on.any(axis=1).sum())} at some "
        f"time; {int((on & ~before).sum())} starts. Each number is in the file of the schedule."
    )
    picture = Picture("commitment", plots.commitment(schedule), f"Commitment of {study.name}", text)
    return Section("commitment", title, (picture,))


def pricing(found: Prices, key: str = "prices", title: str = "Prices") -> Section:
    """Return what energy and reserve are worth."""
    energy = found.energy_per_mwh
    text = (
        f"Price of one more MWh over time, at the reference bus: {energy.min():,.2f} to "
        f"{energy.max():,.2f}, {energy.mean():,.2f} in the mean. Congestion rent: "
        f"{found.congestion_rent:,.2f}."
    )
    parts: list[Part] = [
        Picture(key, plots.prices(found), f"Prices of {found.schedule.study.name}", text)
    ]
    rows = list(_price_rows(found))
    forms = {"what": TEXT, "lowest": PRICE, "mean": PRICE, "highest": PRICE}
    parts.append(Table.of(f"{title}: per MWh, and per MW and hour of reserve", forms, rows))
    return Section(key, title, tuple(parts))


def _price_rows(found: Prices) -> Iterator[tuple[str, float, float, float]]:
    def row(name: str, price: FloatArray) -> tuple[str, float, float, float]:
        return name, float(price.min()), float(price.mean()), float(price.max())

    yield row("energy", found.energy_per_mwh)
    order = np.argsort(found.price_per_mwh.mean(axis=1), kind="stable")
    if len(order) > 1 and found.congestion_per_mwh.any():
        few = order if len(order) <= 2 * DEAREST else [*order[:DEAREST], *order[-DEAREST:]]
        for bus in few:
            yield row(f"bus {found.bus[bus]}", found.price_per_mwh[bus])
    names = found.schedule.study.reserves.requirement
    for name, price in zip(names, found.reserve_per_mwh, strict=True):
        yield row(f"reserve {name}", price)


def loading(schedule: Schedule, suffix: str = "", title: str = "Network") -> Section:
    """Return how far the branches are loaded; no parts where there is none."""
    study = schedule.study
    parts: list[Part] = []
    if study.grid.n_branches:
        power, percent = network_plots.highest(schedule)
        if can_be_mapped(study):
            parts.append(_map(schedule, percent, f"map{suffix}"))
        if np.isfinite(percent).any():
            parts.append(_matrix(schedule, f"line_loading{suffix}"))
        parts.append(_most_loaded(study, power, percent))
    return Section("network", title, tuple(parts))


def _map(schedule: Schedule, percent: FloatArray, key: str) -> Picture:
    grid = schedule.study.grid
    text = (
        f"{grid.n_buses} buses and {grid.n_branches} branches, colored by their highest flow by "
        "DC power flow; gray ones have no rating."
    )
    if np.isfinite(percent).any():
        most = int(np.nanargmax(percent))
        text += f" Highest: {grid.branch_name[most]}, {percent[most]:.1f} % of its rating."
    title = f"Map of {schedule.study.name}"
    return Picture(key, network_plots.loading_map(schedule), title, text)


def _matrix(schedule: Schedule, key: str) -> Picture:
    limits = "were" if schedule.network == "dc" else "were not"
    text = (
        "Loading of the branches that are loaded most, in each period. Limits of branches "
        f"{limits} among the rules of this plan. A white dot marks a branch at its limit."
    )
    title = f"Branch loading of {schedule.study.name}"
    return Picture(key, plots.line_loading(schedule), title, text)


def _most_loaded(study: Study, power: FloatArray, percent: FloatArray) -> Table:
    grid = study.grid
    order = np.lexsort((-power, -np.nan_to_num(percent, nan=-1.0)))[:MOST_BRANCHES]
    rows = [
        (grid.branch_name[branch], power[branch], grid.rating_mw[branch], percent[branch])
        for branch in order
    ]
    forms = {"branch": TEXT, "highest MW": POWER, "rating MW": POWER, "loading %": ".1f"}
    return Table.of("Branches loaded most, by DC power flow", forms, rows)
