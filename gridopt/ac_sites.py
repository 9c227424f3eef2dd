"""What batteries at some sites cost by AC power flow, and a quadratic model of that.

For batteries that run by one profile (`Sites.profile`), so that every choice of sites is so many
power flows: of all choices where there are few (the oracle), or of single sites and pairs beside
a base b, from which finite differences give the natural QUBO (`ACSites.quadratic`).

All else runs as it does without batteries, but for the source at the slack of the net, which gives
the rest at its price.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from math import comb

import numpy as np

from gridopt.ac_items import ACItems
from gridopt.arrays import BoolArray, FloatArray, IntArray
from gridopt.base_dispatch import base_dispatch
from gridopt.base_points import base_points
from gridopt.compiling import threads_within
from gridopt.errors import TooLargeError, UnsupportedError
from gridopt.placing import Checked
from gridopt.quadratic_model import QuadraticModel, Residual
from gridopt.study import Study

MOST_CHOICES = 1_000_000
"""Choices of sites that `ACSites.best` enumerates, at most."""

BATCH = 2000
"""Choices that are solved at a time."""


class ACSites:
    """Sites of a study whose batteries run by a profile, one module a site of one kind.

    Parameters
    ----------
    study : Study
        With a net and sites.
    before : Checked
        How all runs without batteries; see `ACSites.of`.
    threads : int, optional
        Periods at a time; as many as there are cores by default.

    Raises
    ------
    UnsupportedError
        Where the sites are of another form, or no one unit or trade stands for the slack.
    GridoptError
        Where periods have no AC power flow without batteries: which, and how far they are from one.

    Notes
    -----
    On radial nets costs are those of `gridopt.place`: losses at their own price. On meshed nets
    the source gives the losses, as any other power. What it cannot give, voltages and loadings
    that have no price, and power flows that do not converge cost inf.
    """

    def __init__(self, study: Study, before: Checked, threads: int | None = None) -> None:
        _check(study)
        self._threads = threads_within(threads)
        self._points = base_points(before.placement.schedules[0])
        self._items = ACItems.of(study, before, self._points[0])
        self._study = study

    @staticmethod
    def of(
        study: Study, *, time_limit_s: float | None = None, threads: int | None = None
    ) -> ACSites:
        """Return the sites of a study, all else dispatched without batteries by HiGHS.

        Parameters
        ----------
        study : Study
            With a net and sites.
        time_limit_s : float, optional
            Of a dispatch.
        threads : int, optional

        Raises
        ------
        UnsupportedError, GridoptError
            As the class does, and where there is no plan without batteries: see `base_dispatch`.
        """
        _check(study)
        return ACSites(study, base_dispatch(study, time_limit_s), threads)

    @property
    def n_sites(self) -> int:
        """Number of candidates C."""
        return len(self._items.site)

    def cost(self, batteries: BoolArray | FloatArray) -> FloatArray:
        """Return what N choices of sites cost by AC power flow.

        inf where it diverges, where something is beyond a limit that has no price, or the source
        cannot give what is left.

        Parameters
        ----------
        batteries : array, (N, C)
            Whether each site has one, or how many; parts of one are allowed.
        """
        whole = np.sum(list(self.items(batteries).values()), axis=0)
        return np.asarray(np.where(np.isfinite(whole), whole, np.inf))

    def items(self, batteries: BoolArray | FloatArray) -> dict[str, FloatArray]:
        """Return the same by item: supply by the source, losses, voltage, overload, …, (N,) each.

        NaN where a power flow diverges.
        """
        batteries = np.asarray(batteries, dtype=np.float64)
        starts = range(0, max(len(batteries), 1), BATCH)
        parts = [self._batch(batteries[start : start + BATCH]) for start in starts]
        return {item: np.concatenate([part[item] for part in parts]) for item in parts[0]}

    def best(self, count: int, keep: int = 10) -> list[tuple[float, IntArray]]:
        """Return the cheapest choices of `count` sites, by power flow of all of them.

        Raises
        ------
        TooLargeError
            Where there are more than `MOST_CHOICES`.
        """
        number = comb(self.n_sites, count)
        if number > MOST_CHOICES:
            raise TooLargeError(f"{number} choices of {count} sites: at most {MOST_CHOICES}")
        found: list[tuple[float, IntArray]] = []
        for batch in _batches(self.n_sites, count):
            cost = self.cost(_indicator(batch, self.n_sites))
            order = np.argsort(cost, kind="stable")[:keep]
            found += [(float(cost[k]), batch[k]) for k in order]
            found = sorted(found, key=lambda one: one[0])[:keep]
        return found

    def quadratic(self, count: int | None = None) -> QuadraticModel:
        """Return the quadratic model of the cost, by finite differences.

        Around no battery (b = 0), or with a number of sites K > 2 around K − 2 batteries spread
        evenly over all C, b = (K − 2) / C, so that differences are taken where the choices are:

            H_ij = L(b + e_i + e_j) − L(b + e_i) − L(b + e_j) + L(b),  also for i = j
            g_i = L(b + e_i) − L(b) − H_ii / 2
            cost(z) ≈ L(b) + Σ_i g_i (z_i − b) + ½ Σ_ij H_ij (z_i − b) (z_j − b)

        With b = 0 it is exact for none, one and two batteries. Where a site cannot take two,
        H_ii is 4 (L(b + e_i) − 2 L(b + e_i / 2) + L(b)).

        Parameters
        ----------
        count : int, optional
            K; that of the study where not given.

        Raises
        ------
        UnsupportedError
            Where some of these cost inf: limits without a price above all.
        """
        self._check_prices()
        C, count = self.n_sites, self._study.sites.count if count is None else count
        base = np.full(C, max((count or 0) - 2, 0) / C)
        none = float(self._finite(base[np.newaxis])[0])
        one = self._finite(base + np.eye(C))
        curvature = self._mixed(base, none, one)
        if base.any():  # around 0 z² = z, so that it makes no difference
            np.fill_diagonal(curvature, self._own(base, none, one))
        slope = one - none - curvature.diagonal() / 2.0
        return QuadraticModel.around(base, none, slope, curvature, count)

    def _check_prices(self) -> None:
        sites, is_rated = self._study.sites, self._study.grid.is_rated.any()
        if np.isinf(sites.voltage_cost_per_pu_h) or (
            is_rated and np.isinf(sites.overload_cost_per_mwh)
        ):
            raise UnsupportedError(
                "a quadratic model needs prices in place of hard limits: voltage_cost_per_pu_h, "
                "and overload_cost_per_mwh where branches are rated"
            )

    def _mixed(self, base: FloatArray, none: float, one: FloatArray) -> FloatArray:
        """Return the differences of pairs beside a base, (C, C), 0 on the diagonal."""
        C, each = self.n_sites, np.eye(self.n_sites)
        i, j = np.triu_indices(C, 1)
        parts = [slice(k, k + BATCH) for k in range(0, len(i), BATCH)]
        both = [self._finite(base + each[i[part]] + each[j[part]]) for part in parts]
        found = np.zeros((C, C))
        found[i, j] = np.concatenate([*both, []]) - one[i] - one[j] + none
        return found + found.T

    def _own(self, base: FloatArray, none: float, one: FloatArray) -> FloatArray:
        """Return the second differences at each site, (C,): of two batteries, or of two halves."""
        each = np.eye(self.n_sites)
        twice = self.cost(base + 2.0 * each) - 2.0 * one + none
        halves = 4.0 * (one - 2.0 * self._finite(base + each / 2.0) + none)
        return np.where(np.isfinite(twice), twice, halves)

    def residual(self, model: QuadraticModel, count: int, choices: int, seed: int) -> Residual:
        """Return how far a model is from AC power flow on random choices of `count` sites.

        Raises
        ------
        UnsupportedError
            Where some of them cost inf.
        """
        rng = np.random.default_rng(seed)
        picked = np.array([rng.choice(self.n_sites, count, replace=False) for _ in range(choices)])
        chosen = _indicator(picked, self.n_sites)
        return Residual.of(model.cost(chosen), self._finite(chosen))

    def _finite(self, batteries: BoolArray | FloatArray) -> FloatArray:
        """Return costs of choices; raise where some are inf."""
        cost = self.cost(batteries)
        wrong = np.flatnonzero(np.isinf(cost))
        if not len(wrong):
            return cost
        most = np.flatnonzero(batteries[wrong[0]] >= 1.0)
        names = [self._study.grid.bus_name[bus] for bus in self._study.sites.bus[most]]
        where = f", the first with batteries at {', '.join(names)}" if names else ""
        raise UnsupportedError(
            f"a quadratic model needs every choice to have a cost: {len(wrong)} of {len(cost)} "
            f"have none{where}; power flow diverges, or {self._items.source.name} at the slack "
            "cannot give what is left"
        )

    def _batch(self, batteries: FloatArray) -> dict[str, FloatArray]:
        """Return costs by item; periods are solved in parallel and summed in their order."""
        period = partial(self._items.period, batteries=batteries)
        with ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(period, range(len(self._points)), self._points))
        highest = np.max([source for source, _ in found], axis=0, initial=0.0)
        return {
            **self._items.once(batteries.sum(axis=1)),
            "peak": self._study.sites.peak_cost_per_mw * highest,
            **{item: np.sum([cost[item] for _, cost in found], axis=0) for item in found[0][1]},
        }


def _check(study: Study) -> None:
    sites = study.sites
    if sites.is_optimized or len(sites.modules) != 1 or sites.modules_max != 1:
        raise UnsupportedError(
            "power flow of every choice needs operation = 'profile' and one module of one kind a "
            "site"
        )
    if study.scenarios:
        raise UnsupportedError("power flow of every choice needs a study without scenarios")


def _batches(n_sites: int, count: int) -> Iterator[IntArray]:
    """Yield all choices of `count` of n sites, some at a time, (N, count)."""
    batch: list[tuple[int, ...]] = []
    for choice in combinations(range(n_sites), count):
        batch.append(choice)
        if len(batch) == BATCH:
            yield np.array(batch, dtype=np.int64)
            batch = []
    if batch:
        yield np.array(batch, dtype=np.int64).reshape(len(batch), count)


def _indicator(picked: IntArray, n_sites: int) -> BoolArray:
    """Return choices given by positions, (N, k), as 0/1, (N, C)."""
    chosen = np.zeros((len(picked), n_sites), dtype=np.bool_)
    np.put_along_axis(chosen, picked, True, axis=1)
    return chosen
