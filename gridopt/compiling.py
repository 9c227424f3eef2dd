"""The one way in which loops are compiled, and in how many threads they run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def jit(function: Function) -> Function:
    """Compile `function` on its first call, to run without the lock of the interpreter.

    The machine code is kept beside the source or in the user's cache; where neither can be
    written, each process compiles it once.
    """
    compiled: Any
    try:
        compiled = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no place to keep it
        compiled = numba.njit(nogil=True)(function)
    return compiled  # type: ignore[no-any-return]


def threads_within(given: int | None) -> int:
    """Return the given number of threads, or as many as this process has processors."""
    if given is not None:
        return given
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
