"""Where batteries may be built, which modules there are, and what counts when they are placed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from gridopt.arrays import FloatArray, IntArray, freeze
from gridopt.elements import NO_BUS
from gridopt.errors import Issue

HOURS_A_YEAR = 8760.0

DEFAULT_INTEREST = 0.07
"""Rate at which investments are turned into annuities, unless another is given."""


@dataclass(frozen=True, eq=False)
class BatteryModules:
    """Kinds of battery that can be bought: M of them, every array (M,).

    Parameters
    ----------
    name : tuple of str
        Unique names.
    power_mw, energy_mwh : array
        Of one module, more than 0: power at the grid either way, and nameplate energy.
    charge_efficiency, discharge_efficiency : array
        In (0, 1].
    depth_of_discharge : array
        Share of the nameplate energy that is used, in (0, 1].
    investment_cost : array
    annual_cost : array
        Annuity of the investment, and fixed operation and maintenance.
    degradation_cost_per_mwh : array
        Of energy discharged.
    """

    name: tuple[str, ...] = ()
    power_mw: FloatArray = field(default_factory=partial(np.zeros, 0))
    energy_mwh: FloatArray = field(default_factory=partial(np.zeros, 0))
    charge_efficiency: FloatArray = field(default_factory=partial(np.zeros, 0))
    discharge_efficiency: FloatArray = field(default_factory=partial(np.zeros, 0))
    depth_of_discharge: FloatArray = field(default_factory=partial(np.zeros, 0))
    investment_cost: FloatArray = field(default_factory=partial(np.zeros, 0))
    annual_cost: FloatArray = field(default_factory=partial(np.zeros, 0))
    degradation_cost_per_mwh: FloatArray = field(default_factory=partial(np.zeros, 0))

    def __post_init__(self) -> None:
        freeze(
            self,
            floats="power_mw energy_mwh charge_efficiency discharge_efficiency "
            "depth_of_discharge investment_cost annual_cost degradation_cost_per_mwh",
        )

    def __len__(self) -> int:
        return len(self.name)

    @property
    def usable_mwh(self) -> FloatArray:
        """Energy between empty and full as it is used, (M,)."""
        return np.asarray(self.energy_mwh * self.depth_of_discharge)

    def issues(self) -> Iterator[Issue]:
        """Yield what no module can be."""
        for m, name in enumerate(self.name):
            for field_name in ("power_mw", "energy_mwh"):
                value = float(getattr(self, field_name)[m])
                if not (np.isfinite(value) and value > 0.0):
                    yield Issue(f"module {name}", field_name, value, "more than 0")
            for field_name in ("charge_efficiency", "discharge_efficiency", "depth_of_discharge"):
                value = float(getattr(self, field_name)[m])
                if not 0.0 < value <= 1.0:
                    yield Issue(f"module {name}", field_name, value, "more than 0, at most 1")
            for field_name in ("investment_cost", "annual_cost", "degradation_cost_per_mwh"):
                value = float(getattr(self, field_name)[m])
                if not (np.isfinite(value) and value >= 0.0):
                    yield Issue(f"module {name}", field_name, value, "at least 0")


@dataclass(frozen=True, eq=False)
class Sites:
    """Candidate buses for batteries, and what placing them is judged by: C candidates.

    Parameters
    ----------
    bus : array of int, (C,)
        Positions in the grid's buses.
    modules : BatteryModules
    count : int or None
        How many sites get a battery; any number where None.
    budget : float or None
        Most that all modules together may cost to buy.
    modules_max : int
        Most modules at a site, of all kinds together.
    modules_min : int
        Fewest modules at a site that gets a battery.
    profile : array, (M, T), or empty
        How batteries of each kind run, in shares of their power, + for discharging: as full at
        the end as at the beginning. Empty where it is optimized.
    holds_reserve : bool
        Whether batteries whose operation is optimized may hold spinning reserve.
    loss_cost_per_mwh : array, (T,), or empty
        Of what is lost in branches, on radial grids; empty where losses do not count.
    voltage_cost_per_pu_h : float
        Of each pu outside of a bus's band in an hour, where AC power flow counts (on radial grids,
        and in `gridopt.ac_sites`); inf where nothing may be.
    overload_cost_per_mwh : float
        Of energy beyond a branch's rating, where AC power flow counts; inf where nothing may be.
    peak_cost_per_mw : float
        Of the highest power taken at the reference bus.
    vm_min_pu, vm_max_pu : array, (B,), or empty
        The voltage band of meshed grids in place of the net's, empty for the net's own; that of
        radial ones is the feeder's.

    Notes
    -----
    Costs of modules count for as much of a year as the periods of the study cover, so that they
    compare with what the batteries save in them.
    """

    bus: IntArray = field(default_factory=partial(np.array, NO_BUS))
    modules: BatteryModules = field(default_factory=BatteryModules)
    count: int | None = None
    budget: float | None = None
    modules_max: int = 1
    modules_min: int = 1
    profile: FloatArray = field(default_factory=partial(np.zeros, (0, 0)))
    holds_reserve: bool = False
    loss_cost_per_mwh: FloatArray = field(default_factory=partial(np.zeros, 0))
    voltage_cost_per_pu_h: float = np.inf
    overload_cost_per_mwh: float = np.inf
    peak_cost_per_mw: float = 0.0
    vm_min_pu: FloatArray = field(default_factory=partial(np.zeros, 0))
    vm_max_pu: FloatArray = field(default_factory=partial(np.zeros, 0))

    def __post_init__(self) -> None:
        floats = "profile loss_cost_per_mwh vm_min_pu vm_max_pu"
        freeze(self, floats=floats, integers="bus")

    def __len__(self) -> int:
        return len(self.bus)

    @property
    def is_optimized(self) -> bool:
        """Whether how batteries run is decided too."""
        return not len(self.profile)

    def during(self, hours: slice) -> Sites:
        """Return what holds for some of the periods."""
        return replace(
            self, profile=self.profile[:, hours], loss_cost_per_mwh=self.loss_cost_per_mwh[hours]
        )

    def module_cost(self, hours: float) -> FloatArray:
        """Return what each module costs in a span of hours, (M,)."""
        return np.asarray(self.modules.annual_cost * hours / HOURS_A_YEAR)

    def profile_soc_mwh(self, period_h: float) -> FloatArray:
        """Return what a module of each kind that runs by its profile holds, (M, T + 1).

        At the beginning and after each period, counted from the least that it holds.
        """
        modules = self.modules
        p_mw = modules.power_mw[:, np.newaxis] * self.profile
        charged = modules.charge_efficiency[:, np.newaxis] * np.maximum(-p_mw, 0.0)
        drawn = np.maximum(p_mw, 0.0) / modules.discharge_efficiency[:, np.newaxis]
        soc = period_h * np.cumsum(np.pad(charged - drawn, ((0, 0), (1, 0))), axis=1)
        return np.asarray(soc - soc.min(axis=1, keepdims=True))

    def issues(self, bus_name: tuple[str, ...], n_periods: int, period_h: float) -> Iterator[Issue]:
        """Yield what cannot be placed."""
        if not len(self):
            return
        yield from self.modules.issues()
        checks: list[tuple[bool, str, Any, str]] = [
            (len(self.modules) > 0, "modules", "none", "at least one"),
            (
                self.count is None or 0 <= self.count <= len(self),
                "count",
                self.count,
                f"0 to the number of candidates, {len(self)}",
            ),
            (
                self.budget is None or (np.isfinite(self.budget) and self.budget >= 0.0),
                "budget",
                self.budget,
                "at least 0",
            ),
            (self.modules_max >= 1, "modules_max", self.modules_max, "at least 1"),
            (
                1 <= self.modules_min <= self.modules_max,
                "modules_min",
                self.modules_min,
                f"1 to modules_max = {self.modules_max}",
            ),
        ]
        for name in ("voltage_cost_per_pu_h", "overload_cost_per_mwh", "peak_cost_per_mw"):
            value = float(getattr(self, name))
            is_open = name != "peak_cost_per_mw"  # the others are hard limits where inf
            right = value >= 0.0 and (is_open or np.isfinite(value))
            checks.append((right, name, value, "at least 0"))
        losses = len(self.loss_cost_per_mwh)
        expected = f"{n_periods} values, one a period"
        checks.append((losses in (0, n_periods), "loss_cost_per_mwh", losses, expected))
        for name in ("vm_min_pu", "vm_max_pu"):
            length = len(getattr(self, name))
            expected = f"{len(bus_name)} values, one a bus, or none"
            checks.append((length in (0, len(bus_name)), name, length, expected))
        shape = len(self.modules), n_periods
        if not self.is_optimized and self.profile.shape != shape:
            checks.append((False, "shape of profile", self.profile.shape, str(shape)))
        elif not self.is_optimized:
            checks += self._profile_checks(period_h)
        price = self.loss_cost_per_mwh
        wrong = price[~(np.isfinite(price) & (price >= 0.0))]
        value = float(wrong[0]) if len(wrong) else 0.0
        checks.append((not len(wrong), "loss_cost_per_mwh", value, "at least 0"))
        for right, name, value, expected in checks:
            if not right:
                yield Issue("battery sites", name, value, expected)
        for bus in sorted({int(bus) for bus in self.bus if (self.bus == bus).sum() > 1}):
            yield Issue(f"candidate {bus_name[bus]}", "bus", "named twice", "once")

    def _profile_checks(self, period_h: float) -> Iterator[tuple[bool, str, Any, str]]:
        worst = float(np.abs(self.profile).max(initial=0.0))
        yield worst <= 1.0 + 1e-9, "profile", worst, "shares of the power, at most 1"
        if any(self.modules.issues()):
            return
        held = self.profile_soc_mwh(period_h)
        for m, name in enumerate(self.modules.name):
            most, swing = float(self.modules.usable_mwh[m]), float(held[m].max())
            expected = f"at most the usable {most:g} MWh"
            yield swing <= most * (1 + 1e-6), f"energy of the profile of {name}", swing, expected
            change = float(held[m, -1] - held[m, 0])
            right = abs(change) <= 1e-6 * most
            yield right, f"change of energy by the profile of {name}", change, "0 MWh"


def annuity(rate: float, years: FloatArray) -> FloatArray:
    """Return the yearly payment for an investment of 1: r / (1 − (1 + r)^−n)."""
    if rate == 0.0:
        return np.asarray(1.0 / years)
    return np.asarray(rate / (1.0 - (1.0 + rate) ** -years))
