# SPDX-License-Identifier: Apache-2.0
"""A host that is cut off stops the guests that others are about to start elsewhere: those with an availability policy.

Which they are is kept in a file, because a host that is started while it is cut off can ask nobody; also which ones it
has stopped, so that they run again when the cell is back, whoever restarted what meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from nova import concurrency, errors, states
from nova.host import files
from nova.objects.availability import EVACUATE, policy
from nova.objects.instance import Instance

LOG = logging.getLogger(__name__)


class Lonely:
    """``after`` seconds without a word of the conductor its guests are stopped; 0: never."""

    def __init__(self, path: Path, driver: Any, after: float) -> None:
        self._path, self._driver, self._after = path, driver, after
        self._lock = concurrency.Lock()
        self._heard_at = concurrency.monotonic()
        self._told = False
        self._guests: frozenset[str] = frozenset()
        self._stopped: set[str] = set()
        if after and path.exists():
            kept = orjson.loads(path.read_bytes())
            self._guests, self._stopped = frozenset(kept["guests"]), set(kept["stopped"])

    def heard(self) -> bool:
        """The conductor has answered. True: guests were stopped meanwhile; see :meth:`revive`."""
        self._heard_at, self._told = concurrency.monotonic(), False
        return bool(self._stopped)

    def revive(self, servers: Iterable[Instance]) -> list[str]:
        """Start again what was stopped and still belongs here, as ``servers`` tell; gives what it was. Call it when
        what moved away has been removed."""
        running = {s.uuid for s in servers if s.vm_state == states.ACTIVE and s.task_state is None}
        with self._lock:
            stopped, self._stopped = self._stopped, set()
        revived = [uuid for uuid in sorted(stopped & running) if self._started(uuid)]
        if revived:
            LOG.warning("%d guests that were stopped while the conductor was away run again", len(revived))
        with self._lock:
            self._save()
        return revived

    def _started(self, uuid: str) -> bool:
        try:
            self._driver.power_on(uuid)
        except errors.NovaError as e:
            LOG.error("guest %s could not be started again: %s", uuid, e.message)
            return False
        return True

    def learn(self, servers: Iterable[Instance], *, all_of_host: bool = False) -> None:
        """Servers as they are now; ``all_of_host``: there are no others here."""
        if not self._after:
            return
        found = {s.uuid: policy(s.metadata, s.flavor) == EVACUATE for s in servers}
        with self._lock:
            kept = set() if all_of_host else set(self._guests) - set(found)
            guests = frozenset(kept | {uuid for uuid, wants in found.items() if wants})
            if guests != self._guests:
                self._guests = guests
                self._save()

    def _save(self) -> None:
        """With the lock."""
        files.write_atomic(self._path, orjson.dumps({"guests": sorted(self._guests), "stopped": sorted(self._stopped)}))

    def check(self) -> list[str]:
        """Stop what must not run any more; gives what was stopped."""
        silent = concurrency.monotonic() - self._heard_at
        if not self._after or silent < self._after:
            return []
        if self._guests and not self._told:
            self._told = True
            LOG.warning("the conductor has not answered for %.0f s: %d guests with the policy 'evacuate' are stopped",
                        silent, len(self._guests))
        stopped = [uuid for uuid in sorted(self._guests) if self._stop(uuid)]
        if stopped:
            with self._lock:
                self._stopped |= set(stopped)
                self._save()
        return stopped

    def _stop(self, uuid: str) -> bool:
        """An operation in hand does not keep a guest running: it could not report either."""
        try:
            if self._driver.info(uuid).power_state in (states.SHUTDOWN, states.NOSTATE, states.CRASHED):
                return False
            self._driver.power_off(uuid, timeout=0)
        except errors.NotFound:
            return False
        except errors.NovaError as e:
            LOG.error("guest %s could not be stopped: %s", uuid, e.message)
            return False
        LOG.warning("guest %s is stopped: its server may be started elsewhere", uuid)
        return True
