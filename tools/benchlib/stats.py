# SPDX-License-Identifier: Apache-2.0
"""Numbers out of samples. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence


def percentile(samples: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the samples lie, linear between neighbours."""
    if not samples:
        raise ValueError("no samples")
    if not 0 <= share <= 1:
        raise ValueError("a share lies between 0 and 1")
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def rate(count: int, seconds: float) -> float:
    """How many a second; nothing took time is a mistake of the caller."""
    if seconds <= 0:
        raise ValueError("a rate needs a duration")
    return count / seconds


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """The shape of many latencies, in milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        ms = [s * 1000 for s in seconds]
        return cls(len(ms), percentile(ms, 0.5), percentile(ms, 0.95), percentile(ms, 0.99), max(ms))

    def text(self) -> str:
        return f"p95 {short(self.p95)}, p99 {short(self.p99)}, max {short(self.worst)} ms, n={self.count}"


def short(value: float) -> str:
    """A number with three significant digits, as a person writes it."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):,.{min(digits, 6)}f}"
