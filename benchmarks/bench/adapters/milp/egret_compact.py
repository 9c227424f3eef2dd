"""Egret's compact unit commitment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _egret import PACKAGES, read, solved
from egret.models.unit_commitment import (  # type: ignore[import-not-found]
    create_compact_unit_commitment_model,
)
from route import Answer

__all__ = ["PACKAGES", "read", "solve"]


def solve(
    data: Any,
    loaded: Callable[[], None],
    *,
    seed: int,
    time_limit_s: float,
    gap: float = 1e-4,
) -> Answer:
    """Solve it."""
    return solved(
        create_compact_unit_commitment_model,
        data,
        loaded,
        seed=seed,
        time_limit_s=time_limit_s,
        gap=gap,
    )
