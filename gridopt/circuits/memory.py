"""Whether something fits in memory, asked before it is allocated."""

from __future__ import annotations

import math
import os
from pathlib import Path

from gridopt.errors import TooLargeError

USABLE = 0.8
"""Part of the free memory that one array of states may take."""


def available_bytes() -> float:
    """Return the free memory; inf where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024.0
    except OSError:
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return float("inf")


def fits(n_bytes: float) -> bool:
    """Tell whether `n_bytes` may be allocated."""
    return n_bytes <= USABLE * available_bytes()


def check_memory(what: str, n_bytes: float, instead: str) -> None:
    """Raise `TooLargeError` where `n_bytes` do not fit.

    Parameters
    ----------
    what : str
        What would take them.
    n_bytes : float
    instead : str
        What to do about it.
    """
    if not fits(n_bytes):
        raise TooLargeError(
            f"{what} takes {in_words(n_bytes)} of memory, {in_words(available_bytes())} are "
            f"free: {instead}"
        )


def in_words(n_bytes: float) -> str:
    """Return a number of bytes in GB; a power of two where that is out of all proportion."""
    if n_bytes > 1e18:
        return f"2^{math.log2(n_bytes):.0f} bytes"
    return f"{n_bytes / 1e9:.2g} GB"
