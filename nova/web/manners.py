# SPDX-License-Identifier: Apache-2.0
"""Which clients have of late sent little that could be done, and so come after the others."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable

from nova import concurrency

#: How many refusals in a row anybody may cause, and which share of the answers beyond them.
FEW, SHARE = 20.0, 0.5
#: Seconds after which an answer counts half.
HALF_LIFE = 10.0
#: For how many seconds a record keeps its place among the others.
_FRESH = 1.0
#: Of how many clients the latest answers are kept.
CLIENTS = 10_000


@dataclasses.dataclass(slots=True)
class _Record:
    """Answers of a client; each weighs half as much after every :data:`HALF_LIFE`. ``placed``: when it was last put
    behind all others."""

    good: float
    bad: float
    at: float
    placed: float

    def note(self, bad: bool, now: float) -> None:
        weight = 0.5 ** ((now - self.at) / HALF_LIFE)
        self.good, self.bad, self.at = self.good * weight + (not bad), self.bad * weight + bad, now

    def clumsy(self, now: float) -> bool:
        bad = self.bad * 0.5 ** ((now - self.at) / HALF_LIFE)
        return bad > FEW and self.bad > SHARE * (self.good + self.bad)


class Manners:
    """A client is its token, or its address as long as no token of its was taken: tokens that are made up count for the
    address that they come from. ``clock`` tells seconds."""

    def __init__(self, clients: int = CLIENTS, clock: Callable[[], float] = concurrency.monotonic) -> None:
        self._records: collections.OrderedDict[int, _Record] = collections.OrderedDict()
        self._clients, self._clock = clients, clock
        self._lock = concurrency.Lock()

    def clumsy(self, token: str | None, address: str) -> bool:
        """Whether most of what this client has sent lately was refused. Asked for every request, so without a lock."""
        record = (self._records.get(hash(token)) if token else None) or self._records.get(hash(address))
        return record is not None and record.bad > FEW and record.clumsy(self._clock())

    def note(self, token: str | None, address: str, status: int) -> None:
        """``status`` is what a request of the client was answered with. Of two answers of one client at the same moment
        one may be lost."""
        key, now = hash(token if token and status != 401 else address), self._clock()
        record = self._records.get(key)
        if record is None or now - record.placed > _FRESH:
            record = self._latest(key, now)
        record.note(status >= 400, now)

    def _latest(self, key: int, now: float) -> _Record:
        """The record, as the last one that will be forgotten."""
        with self._lock:
            record = self._records.pop(key, None) or _Record(0.0, 0.0, now, now)
            record.placed = now
            self._records[key] = record
            if len(self._records) > self._clients:
                self._records.popitem(last=False)
        return record
