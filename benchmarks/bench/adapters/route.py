"""What all peers share: what they are asked, and what they answer.

A peer is a script of a folder here. It has ``PACKAGES``, whose versions are told, ``read(path)``
and ``solve(data, loaded, *, seed, time_limit_s, …)``, whose other keywords are its options;
`run.py` runs it. A name that begins with an underscore is no peer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Plan = dict[str, tuple[Array, Array, Array]]
"""Of each generator its commitment, power and reserve, (T,) each."""


class NotApplicableError(Exception):
    """The peer cannot take this problem; says what of it, and why."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a peer says that it found: all of it claims.

    Parameters
    ----------
    termination : str
        In the peer's own words.
    objective, bound : float
        Of the peer's own program; inf and −inf where it has none.
    plan : dict
        Empty where there is none.
    feasible : bool or None
        What the peer says of its plan; None where it does not say, which is yes for a plan.
    details : dict
        All else that it tells.
    """

    termination: str
    objective: float
    bound: float
    plan: Plan = field(default_factory=dict)
    feasible: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)


def read_instance(path: Path) -> Any:
    """Return a pglib-uc instance as it stands in the file."""
    return json.loads(path.read_text("utf-8"))


def plan_of(names: list[str], committed: Array, power_mw: Array, reserve_mw: Array) -> Plan:
    """Return a plan from arrays (generator, period); commitment is made whole."""
    parts = np.rint(committed).astype(int), power_mw, reserve_mw
    return dict(zip(names, zip(*parts, strict=True), strict=True))
