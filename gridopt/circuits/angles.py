"""Angles of a QAOA circuit: where to begin without looking, and how to get better.

γ is in units of 1/spread (`gridopt.circuits.ising.Ising.spread`), so that angles are of order 1;
a vector of angles holds γ of each layer, then β of each layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize

from gridopt.arrays import FloatArray
from gridopt.circuits.ising import Ising
from gridopt.sampling.samples import Deadline

RAMPS = (0.25, 0.5, 0.75, 1.0, 1.5)
"""Slopes of the linear ramps that are tried."""

GAMMA_SCALES = (0.6, 0.8, 1.0, 1.25, 1.6)
"""Factors of the fixed γ that are tried: a QUBO's coefficients are not those of the model."""

# γ and β by depth that are optimal in the limit of many spins for the Sherrington–Kirkpatrick model
# and MaxCut on regular graphs of high degree and girth: Basso, Farhi, Marwaha, Villalonga & Zhou
# 2022, arXiv 2110.14206, table 4 (depths 1 to 11: Farhi, Goldstone, Gutmann & Zhou 2022,
# doi 10.22331/q-2022-07-07-759).
_FIXED: dict[int, tuple[str, str]] = {
    1: ("0.5000", "0.3927"),
    2: ("0.3817 0.6655", "0.4960 0.2690"),
    3: ("0.3297 0.5688 0.6406", "0.5500 0.3675 0.2109"),
    4: ("0.2949 0.5144 0.5586 0.6429", "0.5710 0.4176 0.3028 0.1729"),
    5: ("0.2705 0.4804 0.5074 0.5646 0.6397", "0.5899 0.4492 0.3559 0.2643 0.1486"),
    6: (
        "0.2528 0.4531 0.4750 0.5146 0.5650 0.6392",
        "0.6004 0.4670 0.3880 0.3176 0.2325 0.1291",
    ),
    8: (
        "0.2268 0.4162 0.4332 0.4608 0.4818 0.5179 0.5717 0.6393",
        "0.6151 0.4906 0.4244 0.3780 0.3224 0.2606 0.1884 0.1030",
    ),
    10: (
        "0.2089 0.3902 0.4066 0.4305 0.4423 0.4604 0.4858 0.5256 0.5789 0.6402",
        "0.6235 0.5029 0.4437 0.4092 0.3673 0.3246 0.2758 0.2208 0.1578 0.0855",
    ),
    12: (
        "0.1958 0.3708 0.3875 0.4103 0.4185 0.4297 0.4430 0.4639 0.4933 0.5343 0.5851 0.6410",
        "0.6293 0.5103 0.4553 0.4275 0.3937 0.3612 0.3248 0.2849 0.2406 0.1913 0.1356 0.0731",
    ),
    17: (
        "0.1735 0.3376 0.3562 0.3789 0.3844 0.3907 0.3946 0.4016 0.4099 0.4217 0.4370 0.4565 "
        "0.4816 0.5138 0.5530 0.5962 0.6429",
        "0.6375 0.5197 0.4697 0.4499 0.4255 0.4054 0.3832 0.3603 0.3358 0.3092 0.2807 0.2501 "
        "0.2171 0.1816 0.1426 0.1001 0.0536",
    ),
}


def ramp(layers: int, slope: float) -> FloatArray:
    """Return angles that turn the cost on and the mixer off linearly, (2p,)."""
    place = (np.arange(layers) + 0.5) / layers
    return slope * np.concatenate((place, 1.0 - place))


def fixed(model: Ising, layers: int) -> FloatArray:
    """Return the published angles of a depth, their γ rescaled to the model's coefficients, (2p,).

    The Sherrington–Kirkpatrick model has a `local_field` of 1, so γ is divided by the one at hand
    (the rule of Shaydulin, Lotshaw, Larson, Ostrowski & Humble 2023, arXiv 2201.11785, for weighted
    MaxCut, with fields counted as couplings to one more spin). Depths that are not in the table are
    interpolated from the nearest one that is.
    """
    nearest = min(_FIXED, key=lambda depth: (abs(depth - layers), depth))
    tabled = [np.array(column.split(), dtype=np.float64) for column in _FIXED[nearest]]
    gammas, betas = (_stretched(column, layers) for column in tabled)
    return np.concatenate((gammas * model.spread / model.local_field, betas))


def initial_angles(kind: str, model: Ising, layers: int) -> list[FloatArray]:
    """Return the angles to begin with; `kind` is ``"linear_ramp"`` or ``"fixed"``."""
    if kind == "linear_ramp":
        return [ramp(layers, slope) for slope in RAMPS]
    angles = fixed(model, layers)
    scaled = np.repeat([1.0, 0.0], layers)
    return [angles * (1.0 + (scale - 1.0) * scaled) for scale in GAMMA_SCALES]


def _stretched(column: FloatArray, layers: int) -> FloatArray:
    if len(column) == layers:
        return column
    place = (np.arange(layers) + 0.5) / layers
    return np.interp(place, (np.arange(len(column)) + 0.5) / len(column), column)


class _OutOfTime(Exception):  # noqa: N818 - no error: it ends a search
    """The search for angles has used its time."""


class AngleSearch:
    """Tries angles to begin with, then improves the best; keeps the best seen.

    Parameters
    ----------
    value : callable
        What is minimized, of a vector of angles.
    deadline : Deadline
        When to stop; the first evaluation is always made.
    """

    def __init__(self, value: Callable[[FloatArray], float], deadline: Deadline) -> None:
        self._value = value
        self._deadline = deadline
        self.angles: FloatArray = np.zeros(0)
        self.value = np.inf
        self.evaluations = 0

    def run(self, initial: Sequence[FloatArray], iterations: int, step: float = 0.2) -> None:
        """Try all of `initial`, then let COBYLA spend `iterations`, its first steps of `step`."""
        self.angles = initial[0]
        try:
            for angles in initial:
                self._try(angles)
            if iterations:
                minimize(
                    self._try,
                    self.angles,
                    method="COBYLA",
                    options={"maxiter": max(iterations, len(self.angles) + 2), "rhobeg": step},
                )
        except _OutOfTime:
            return

    def _try(self, angles: FloatArray) -> float:
        if self.evaluations and self._deadline.passed:
            raise _OutOfTime
        value = self._value(np.asarray(angles))
        self.evaluations += 1
        if value < self.value:
            self.value, self.angles = value, np.array(angles)
        return value
