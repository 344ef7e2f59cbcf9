# SPDX-License-Identifier: Apache-2.0
"""A scheduler that is away holds some of the workers here, never all: deletes and reschedules go on meanwhile."""

from __future__ import annotations

from typing import Any

from nova import concurrency, errors
from nova.clients.scheduler import SchedulerClient
from nova.context import RequestContext


class PatientScheduler:
    """Asks through ``client``, ``waiting`` questions at a time. When none was answered for ``silence`` seconds, further
    ones are refused at once as Unavailable, so that their operations wait in their rows."""

    def __init__(self, client: SchedulerClient, *, waiting: int, silence: float = 2.0) -> None:
        self._client, self._waiting, self._silence = client, max(1, waiting), silence
        self._changed = concurrency.Condition()
        self._open = 0
        self._heard_at = concurrency.monotonic()

    def select(self, context: RequestContext, specs: list[dict[str, Any]], fresh: bool = False) -> list[dict[str, Any]]:
        with self._changed:
            if not self._open:
                self._heard_at = concurrency.monotonic()
            while self._open >= self._waiting:
                patience = self._heard_at + self._silence - concurrency.monotonic()
                if patience <= 0:
                    raise errors.Unavailable("The scheduler does not answer now.", retry_after=2)
                self._changed.wait(patience)
            self._open += 1
        try:
            decisions = self._client.select(context, specs, fresh=fresh)
            with self._changed:
                self._heard_at = concurrency.monotonic()
            return decisions
        finally:
            with self._changed:
                self._open -= 1
                self._changed.notify()
