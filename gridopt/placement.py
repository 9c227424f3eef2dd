"""The decoded placement: which batteries stand where, and how everything runs with them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from gridopt.arrays import FloatArray, IntArray, frozen
from gridopt.display import card, figure
from gridopt.elements import NO_BUS, Storage
from gridopt.results import Plan, Schedule
from gridopt.study import Study

BATTERY = "battery"
"""Element type of a battery that was placed: the net has none of it."""


@dataclass(frozen=True, eq=False)
class Placement:
    """A battery-placement plan.

    Parameters
    ----------
    study : Study
        What it was made for, with its candidate sites.
    modules : array of int, (C, M)
        Modules of each kind at each candidate.
    schedules : tuple of Schedule
        How everything runs: one for each scenario of the study, or one. Each is of a study in
        which the batteries are storage: see `placed`.
    network : str
        ``"copperplate"``, ``"dc"`` or ``"radial"``: which limits are among its rules.
    reserve_mw : tuple of array, (P, N, T) each
        Of each reserve product, held by each of the N batteries, for each schedule: its study
        requires as much less. Nothing unless given.
    """

    study: Study
    modules: IntArray
    schedules: tuple[Schedule, ...]
    network: str = "copperplate"
    reserve_mw: tuple[FloatArray, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "modules", frozen(self.modules, np.int64))
        held = self.reserve_mw or tuple(self._no_reserve(it) for it in self.schedules)
        object.__setattr__(self, "reserve_mw", tuple(frozen(it) for it in held))

    def _no_reserve(self, schedule: Schedule) -> FloatArray:
        built = int((self.modules > 0).sum())
        return np.zeros((len(self.study.reserves), built, schedule.study.n_periods))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenarios; one empty name where there are none."""
        return tuple(scenario.name for scenario in self.study.scenarios) or ("",)

    def table(self) -> pd.DataFrame:
        """Return one row for each site and kind: the table of ``placement.csv``.

        Returns
        -------
        DataFrame
            Columns bus, module, modules, power_mw, energy_mwh, investment_cost.
        """
        sites, kinds = self.study.sites, self.study.sites.modules
        site, kind = np.nonzero(self.modules)
        count = self.modules[site, kind]
        return pd.DataFrame(
            {
                "bus": [self.study.grid.bus_name[bus] for bus in sites.bus[site]],
                "module": [kinds.name[m] for m in kind],
                "modules": count,
                "power_mw": count * kinds.power_mw[kind],
                "energy_mwh": count * kinds.energy_mwh[kind],
                "investment_cost": count * kinds.investment_cost[kind],
            }
        )

    def dispatch(self) -> pd.DataFrame:
        """Return time × element as `Schedule.dispatch` does, after its scenario where several."""
        tables = [schedule.dispatch() for schedule in self.schedules]
        if len(tables) == 1:
            return tables[0]
        joined = pd.concat(tables, keys=self.names, names=["scenario", "time"])
        return joined.reset_index("scenario")

    def plot(self) -> Any:
        """Draw the net with its batteries: see `gridopt.placement_plots` for other figures."""
        return figure("placement_plots.network_map", self)

    def _repr_html_(self) -> str:
        table = self.table()
        rows = [
            (
                str(row.bus),
                f"{row.modules} × {row.module}: {row.power_mw:g} MW, {row.energy_mwh:g} MWh",
            )
            for row in table.itertuples()
        ]
        return card(f"Batteries in {self.study.name} at {table['bus'].nunique()} buses", rows)


def placed(study: Study, modules: IntArray, initial_soc_mwh: FloatArray) -> Study:
    """Return a study without scenarios in which the batteries built are storage.

    Parameters
    ----------
    study : Study
    modules : array of int, (C, M)
    initial_soc_mwh : array, (C, M)
        What those of a kind at a site hold before the first period; taken as empty or full where
        it is below or above, as by a solver's rounding.

    Returns
    -------
    Study
        The batteries come after its own storage, candidates first, and need not be left fuller
        than they were. Without candidate sites.
    """
    kinds, (site, kind) = study.sites.modules, np.nonzero(modules)
    count, bus = modules[site, kind], study.sites.bus[site]
    own = study.storage
    usable_mwh = count * kinds.usable_mwh[kind]
    names = [f"{kinds.name[m]} at {study.grid.bus_name[b]}" for m, b in zip(kind, bus, strict=True)]
    built = Storage(
        element=tuple((BATTERY, number) for number in range(len(site))),
        name=tuple(names),
        bus=bus,
        charge_max_mw=count * kinds.power_mw[kind],
        discharge_max_mw=count * kinds.power_mw[kind],
        energy_min_mwh=np.zeros(len(site)),
        energy_max_mwh=usable_mwh,
        initial_soc_mwh=np.clip(initial_soc_mwh[site, kind], 0.0, usable_mwh),
        charge_efficiency=kinds.charge_efficiency[kind],
        discharge_efficiency=kinds.discharge_efficiency[kind],
        discharge_cost_per_mwh=kinds.degradation_cost_per_mwh[kind],
    )
    joined: dict[str, Any] = {
        item.name: (
            (*getattr(own, item.name), *getattr(built, item.name))
            if item.name in ("element", "name")
            else np.concatenate([getattr(own, item.name), getattr(built, item.name)])
        )
        for item in fields(Storage)
    }
    return replace(study, storage=Storage(**joined), sites=replace(study.sites, bus=NO_BUS))


def with_reserve(study: Study, held_mw: FloatArray) -> Study:
    """Return a study that requires less reserve by what batteries in its zones hold.

    Parameters
    ----------
    study : Study
        With the batteries as its last storage.
    held_mw : array, (P, N, T)
        Of each product, by each of the N batteries.
    """
    asked, n = study.reserves, held_mw.shape[1]
    if not held_mw.any():
        return study
    bus = study.storage.bus[len(study.storage) - n :]
    inside = asked.zone[:, bus][:, :, np.newaxis]
    met = (inside * held_mw[asked.of_product]).sum(axis=1)
    return replace(
        study, reserves=replace(asked, required_mw=np.maximum(asked.required_mw - met, 0.0))
    )


Outcome = Plan | Placement
"""What a formulation gives back."""
