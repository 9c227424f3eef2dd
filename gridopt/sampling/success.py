"""How often a sampler succeeds, and how long it takes to do so at least once.

Time to solution: Rønnow et al. 2014, "Defining and detecting quantum speedup",
doi 10.1126/science.1252319. With a share s of reads that succeed, each of t seconds,

    TTS = t ⌈ln(1 − p) / ln(1 − s)⌉

until one read succeeds with probability p; t itself where every read does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import beta

CONFIDENCE = 0.99
"""Probability p with which at least one read succeeds."""

INTERVAL = 0.95
"""Probability that the interval of a share covers it."""


@dataclass(frozen=True)
class Success:
    """How many reads succeeded, and how long each took.

    Parameters
    ----------
    successes, reads : int
    seconds_per_read : float
    """

    successes: int
    reads: int
    seconds_per_read: float

    @property
    def probability(self) -> float:
        """Share of the reads that succeeded."""
        return self.successes / self.reads if self.reads else 0.0

    def interval(self) -> tuple[float, float]:
        """Return an interval of the probability, of Clopper & Pearson 1934.

        doi 10.1093/biomet/26.4.404; it covers the true value in at least 95 % of the cases, with
        few successes as well, where a bootstrap would say that there is nothing but none.
        """
        if not self.reads:
            return 0.0, 1.0
        k, n, rest = self.successes, self.reads, (1.0 - INTERVAL) / 2.0
        low = float(beta.ppf(rest, k, n - k + 1)) if k else 0.0
        high = float(beta.ppf(1.0 - rest, k + 1, n - k)) if k < n else 1.0
        return low, high

    def tts_s(self) -> tuple[float, float, float]:
        """Return the time to solution and its interval, in seconds; inf where nothing is known."""
        low, high = self.interval()
        return self._tts_s(self.probability), self._tts_s(high), self._tts_s(low)

    def _tts_s(self, probability: float) -> float:
        if probability <= 0.0:
            return math.inf
        if probability >= 1.0:
            return self.seconds_per_read
        reads = math.log(1.0 - CONFIDENCE) / math.log1p(-probability)
        return self.seconds_per_read * math.ceil(reads)
