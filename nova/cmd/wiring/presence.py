# SPDX-License-Identifier: Apache-2.0
"""The heartbeat of a service that has a database: one lease in each database whose rows it may own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from nova import concurrency, errors
from nova.concurrency.periodic import Periodic
from nova.db.engine import Database
from nova.db.services import ServiceTables
from nova.store import record_events

LOG = logging.getLogger(__name__)
Place = tuple[Database, ServiceTables]


class Presence:
    """``places()`` gives the databases now; a new one is registered in as it appears."""

    def __init__(self, host: str, binary: str, incarnation: str, places: Callable[[], Sequence[Place]], *,
                 interval: float = 2.0, topic: str | None = None, version: int = 1) -> None:
        self.host, self.binary, self.incarnation = host, binary, incarnation
        self._places = places
        self._topic, self._version = topic or binary.removeprefix("nova-"), version
        self._registered: dict[str, None] = {}
        self._periodic = Periodic(f"presence-{binary}", interval, self.beat)

    def start(self) -> None:
        """Register everywhere, then keep the leases; a database that is away now is tried again with each beat."""
        self.beat()
        self._periodic.start()

    def stop(self) -> None:
        """Give the leases back."""
        self._periodic.stop()
        for database, services in self._safe_places():
            try:
                database.run(lambda conn, s=services: s.retire(conn, self.incarnation))  # type: ignore[misc]
            except errors.Unavailable as e:
                LOG.warning("%s could not sign off: %s", self.binary, e.message)

    def _safe_places(self) -> Sequence[Place]:
        try:
            return self._places()
        except errors.Unavailable as e:
            LOG.warning("%s: %s", self.binary, e.message)
            return []

    def _register(self, conn: sa.Connection, services: ServiceTables) -> None:
        record_events.registered(conn, services, self.host, self.binary, lambda: services.register(
            conn, uuid=concurrency.uuid4(), host=self.host, binary=self.binary, topic=self._topic,
            version=self._version, incarnation=self.incarnation))

    def beat(self) -> None:
        for database, services in self._safe_places():
            key = str(database.url)
            try:
                if key not in self._registered:
                    database.run(lambda conn, s=services: self._register(conn, s))  # type: ignore[misc]
                    self._registered[key] = None
                else:
                    database.run(lambda conn, s=services: s.heartbeat(conn, [self.incarnation]))  # type: ignore[misc]
            except errors.Unavailable as e:
                LOG.warning("%s: the heartbeat waits: %s", self.binary, e.message)
