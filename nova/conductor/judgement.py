# SPDX-License-Identifier: Apache-2.0
"""When silence is held against the owner of a row. Who cannot hear judges nobody; what to do then is the janitor's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nova import concurrency, errors

#: So few services may fall silent together by chance.
_SEVERAL = 3


class Judgement:
    """``lease``: seconds that an owner may be silent; ``down_after``: those after which a service is shown as down."""

    def __init__(self, lease: float, down_after: float,
                 clock: Callable[[], float] = lambda: concurrency.monotonic()) -> None:
        self._lease, self._down_after, self._clock = lease, down_after, clock
        #: What can be reached, and since when by the clock.
        self.since: dict[str, float] = {}

    def reach(self, what: str, attempt: Callable[[], Any]) -> None:
        """Make an attempt at ``what`` (a database, a broker) and remember since when that works without a break."""
        try:
            attempt()
        except errors.Unavailable:
            self.since.pop(what, None)
            raise
        self.since.setdefault(what, self._clock())

    def may(self, *needed: str) -> bool:
        """Leases are only held against others by who has himself had all that is needed for a whole one."""
        return all(self._clock() - self.since.get(what, self._clock()) >= self._lease for what in needed)

    def limit(self, services: Iterable[dict[str, Any]]) -> float:
        """After how many seconds of silence an owner counts as gone. When several fall silent at once, more than a
        fifth of all, the fault is rather with what they report through: they get as long as it takes to be shown as
        down. Services that signed off or are long gone are not counted."""
        ages = [s["age"] for s in services if s["last_seen"] and s["age"] < 10 * self._down_after]
        silent = sum(self._lease < age <= self._down_after for age in ages)
        return self._down_after if silent >= _SEVERAL and silent > len(ages) / 5 else self._lease

    def heard(self, services: Iterable[dict[str, Any]]) -> bool:
        """Does anybody of them speak? Then what they speak through works."""
        return any(s["age"] <= self._lease / 2 for s in services)

    def is_down(self, service: dict[str, Any]) -> bool:
        """Is it shown as down? One that signed off is, when that is so long ago."""
        age = service["age"] if service["last_seen"] else service["age"] - (service["updated_at"] or 0.0)
        return bool(service["forced_down"] or age > self._down_after)
