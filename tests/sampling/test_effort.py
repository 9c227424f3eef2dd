"""The rule of reads and sweeps, and reads in threads."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from gridopt.compiling import threads_within
from gridopt.lowering.qubo import Qubo
from gridopt.sampling.effort import (
    FEWEST_READS,
    MOST_READS,
    TOTAL_WORK,
    reads_for,
    reads_within,
    scaled,
    sweep_work,
    sweeps_for,
)
from gridopt.sampling.reads import LARGEST_JOB, Stop, in_threads, job_size, seed_of
from gridopt.sampling.samples import BitArray, Deadline


def qubo(n: int, degree: float) -> Qubo:
    rng = np.random.default_rng(0)
    Q = np.triu(rng.integers(-3, 4, (n, n)) * (rng.random((n, n)) < degree / n))
    return Qubo.of(Q + np.diag(np.arange(1.0, n + 1)))


@pytest.mark.parametrize(("n", "degree"), [(1, 0), (20, 5), (300, 8), (1500, 6), (1200, 1200)])
def test_effort_stays_within_its_budget(n: int, degree: float) -> None:
    given = qubo(n, degree)
    sweeps = sweeps_for(given)
    reads = reads_for(given, sweeps)
    assert FEWEST_READS <= reads <= MOST_READS
    assert reads * sweeps * sweep_work(given) <= TOTAL_WORK * 1.01
    assert sweeps_for(given, cost=50.0) <= sweeps


def test_larger_problems_get_longer_reads_and_fewer() -> None:
    sizes = [qubo(n, degree) for n, degree in ((10, 6), (200, 6), (1200, 1200))]
    sweeps = [sweeps_for(given) for given in sizes]
    reads = [reads_for(given, sweep) for given, sweep in zip(sizes, sweeps, strict=True)]
    assert sweeps == sorted(sweeps)
    assert reads == sorted(reads, reverse=True)
    assert sweeps[0] < sweeps[-1]
    assert reads[0] > reads[-1]


def test_only_a_time_limit_without_reads_goes_on() -> None:
    given = qubo(20, 4)
    assert reads_within(7, given, 100, Deadline()) == 7
    assert reads_within(7, given, 100, Deadline.after(1.0)) == 7
    assert reads_within(None, given, 100, Deadline()) == reads_for(given, 100)
    assert reads_within(None, given, 100, Deadline.after(1.0)) is None
    assert threads_within(3) == 3
    assert threads_within(None) >= 1


def test_scaling_keeps_the_order_of_energies() -> None:
    given = Qubo.of(np.diag([2e6, -4.0, 4.0, 8.0]), offset=5.0)
    states = np.random.default_rng(0).integers(0, 2, (9, 4))
    assert np.median(np.abs(scaled(given).Q.data)) == 1.0
    np.testing.assert_allclose(
        scaled(given).energy(states) * 6.0, given.energy(states) - 5.0, rtol=1e-12
    )
    assert scaled(Qubo.of(np.zeros((3, 3)))).Q.nnz == 0


def numbered(first: int, n: int) -> BitArray:
    """Return reads that tell their number in bits."""
    time.sleep(0.002 * (first % 3))
    numbers = np.arange(first, first + n)
    return ((numbers[:, np.newaxis] >> np.arange(12)) & 1).astype(np.uint8)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(("reads", "size"), [(1, 1), (10, 3), (12, 4), (5, 16)])
def test_reads_come_in_order_whatever_the_threads(threads: int, reads: int, size: int) -> None:
    found = np.concatenate(list(in_threads(numbered, reads, size, threads, Stop(Deadline()))))
    assert (found @ (1 << np.arange(12))).tolist() == list(range(reads))


def test_no_number_of_reads_goes_on_until_time_is_up() -> None:
    begun = time.perf_counter()
    found = np.concatenate(list(in_threads(numbered, None, 2, 2, Stop(Deadline.after(0.2)))))
    assert 0.15 < time.perf_counter() - begun < 1.0
    numbers = found @ (1 << np.arange(12))
    assert len(numbers) > 10
    # in order; of the last jobs, one may be cut short while a later one is done
    assert (np.diff(numbers) > 0).all()
    assert numbers[:-8].tolist() == list(range(len(numbers) - 8))


def test_a_job_that_takes_longer_than_there_is_time_is_not_begun() -> None:
    begun: list[int] = []

    def slow(first: int, n: int) -> BitArray:
        begun.append(first)
        time.sleep(0.2)
        return np.zeros((n, 1), dtype=np.uint8)

    found = list(in_threads(slow, None, 1, 1, Stop(Deadline.after(0.5))))
    assert begun == [0, 1]
    assert sum(map(len, found)) == 2


def test_the_first_job_runs_however_short_the_time() -> None:
    found = list(in_threads(numbered, 100, 2, 2, Stop(Deadline.after(-1.0))))
    assert np.array_equal(np.concatenate(found), numbered(0, 2))


def test_ctrl_c_keeps_what_the_threads_have() -> None:
    stop = Stop(Deadline())
    started = threading.Event()

    def job(first: int, n: int) -> BitArray:
        if first == 2:
            started.set()
            while not stop():  # a long read that looks at the clock
                time.sleep(0.001)
        return numbered(first, n)

    reads = in_threads(job, None, 2, 1, stop)
    assert np.array_equal(next(reads), numbered(0, 2))
    assert started.wait(5.0)
    assert np.array_equal(_interrupted(reads), numbered(2, 2))
    with pytest.raises(KeyboardInterrupt):
        next(reads)


def _interrupted(reads: Iterator[BitArray]) -> BitArray:
    """Take the next reads while Ctrl-C comes."""
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    try:
        return next(reads)
    finally:
        timer.join()


def test_a_fault_in_a_thread_is_raised() -> None:
    def broken(first: int, n: int) -> BitArray:
        raise ZeroDivisionError(first, n)

    with pytest.raises(ZeroDivisionError):
        list(in_threads(broken, 4, 1, 2, Stop(Deadline())))


def test_seeds_are_their_own() -> None:
    seeds = {seed_of(seed, *place) for seed in (0, 1) for place in [(0,), (1,), (0, 0), (0, 1)]}
    assert len(seeds) == 8
    assert all(0 < seed < 2**31 for seed in seeds)
    assert seed_of(5, 3) == seed_of(5, 3)


def test_jobs_are_larger_the_shorter_the_reads() -> None:
    assert job_size(1.0) == LARGEST_JOB
    assert job_size(1e12) == 1
    assert 1 <= job_size(3e6) <= 4
