"""Time to solution and its interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from gridopt.sampling.success import Success


def test_time_to_solution() -> None:
    half = Success(50, 100, 2.0)
    assert half.tts_s()[0] == 2.0 * math.ceil(math.log(0.01) / math.log(0.5)) == 14.0
    assert Success(100, 100, 2.0).tts_s()[0] == 2.0
    estimate, low, high = Success(0, 100, 2.0).tts_s()
    assert estimate == math.inf
    assert high == math.inf
    assert low == pytest.approx(2.0 * math.ceil(math.log(0.01) / math.log1p(-0.0362)), rel=0.02)
    assert Success(0, 0, 0.0).tts_s() == (math.inf, 0.0, math.inf)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_the_interval_covers_the_truth(share: float) -> None:
    """Exact coverage of the interval: the sum over all outcomes whose interval has the share."""
    reads = 60
    covered = [
        k
        for k in range(reads + 1)
        if Success(k, reads, 1.0).interval()[0] <= share <= Success(k, reads, 1.0).interval()[1]
    ]
    assert np.sum(binom.pmf(covered, reads, share)) >= 0.95


def test_the_interval_is_around_the_estimate() -> None:
    for k in range(11):
        estimate, low, high = Success(k, 10, 1.0).tts_s()
        assert low <= estimate <= high
        assert not np.isnan([estimate, low, high]).any()
