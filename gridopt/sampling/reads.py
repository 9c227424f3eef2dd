"""Reads in threads: in an order of their own, until all are taken, time is up, or Ctrl-C.

A job is a fixed number of reads with seeds of their own, so that neither the number of threads nor
the clock changes what a job gives; the clock only decides how many jobs there are, and cuts the
last ones short.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, islice
from threading import Event

import numpy as np

from gridopt.sampling.samples import BitArray, Deadline

LARGEST_JOB = 16
"""Reads of one job, at most."""

JOB_WORK = 1e7
"""Work of one job (`gridopt.sampling.effort.sweep_work`), a tenth of a second or so."""

Job = Callable[[int, int], BitArray]
"""From the number of its first read and the number of its reads to these, (R, n)."""


class Stop:
    """Tells the threads of one solve when to end; called, it says whether to.

    Parameters
    ----------
    deadline : Deadline
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._now = Event()

    def __call__(self, needed_s: float = 0.0) -> bool:
        """Tell whether less time is left than the next step needs."""
        return self._now.is_set() or self._deadline.left_s <= needed_s

    def wait(self) -> None:
        """Wait for the deadline, or until it is all ended."""
        self._now.wait(max(self._deadline.left_s, 0.0))

    def now(self) -> None:
        """End it all."""
        self._now.set()


def seed_of(seed: int, *place: int) -> int:
    """Return a seed of its own, 1 to 2³¹ − 1, for one place among the reads of a seed."""
    state = np.random.SeedSequence(seed, spawn_key=place).generate_state(1)
    return int(state[0] >> 1) or 1


def job_size(work: float) -> int:
    """Return how many reads of the given work (`gridopt.sampling.effort.sweep_work`) make a job."""
    return int(np.clip(JOB_WORK / work, 1, LARGEST_JOB))


def in_threads(
    job: Job, reads: int | None, size: int, threads: int, stop: Stop
) -> Iterator[BitArray]:
    """Yield the reads 0, 1, 2, … in this order, job by job.

    Ctrl-C reaches the caller's thread, which only waits; the jobs are told to stop, what they have
    by then is yielded, and the interruption goes on.

    Parameters
    ----------
    job : callable
        From the number of its first read and the number of its reads to these; fewer, where `stop`
        says so. It releases Python's lock for most of its time.
    reads : int or None
        None for no end but `stop`.
    size : int
        Reads of one job; the last one may have fewer.
    threads : int
    stop : Stop
    """
    timed = _Timed(job, stop)
    waiting: deque[Future[BitArray | None]] = deque()
    firsts = iter(range(0, reads, size)) if reads is not None else count(0, size)
    pool = ThreadPoolExecutor(threads)
    try:
        while True:
            for first in islice(firsts, max(2 * threads - len(waiting), 0)):
                n = size if reads is None else min(size, reads - first)
                waiting.append(pool.submit(timed, first, n))
            if not waiting:
                break
            found = waiting[0].result()
            if stop():
                break
            waiting.popleft()
            if found is not None:
                yield found
        yield from _rest(waiting)
    except KeyboardInterrupt:
        stop.now()
        yield from _rest(waiting)
        raise
    finally:
        stop.now()
        pool.shutdown(cancel_futures=True)


class _Timed:
    """A job that is not begun where the last one took longer than there is time left."""

    def __init__(self, job: Job, stop: Stop) -> None:
        self._job = job
        self._stop = stop
        self._last_s = 0.0

    def __call__(self, first: int, n: int) -> BitArray | None:
        if first and self._stop(self._last_s):
            self._stop.wait()  # so that time is up, and not all reads taken
            return None
        begun = time.monotonic()
        found = self._job(first, n)
        self._last_s = time.monotonic() - begun
        return found


def _rest(waiting: deque[Future[BitArray | None]]) -> Iterator[BitArray]:
    """Yield what is still to come at the end, as one array: nobody asks again once time is up."""
    found = [reads for reads in (future.result() for future in waiting) if reads is not None]
    waiting.clear()
    if found:
        yield np.concatenate(found)
