# SPDX-License-Identifier: Apache-2.0
"""Recorders for the databases of a process, and the relays of those whose outboxes it publishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova.clients.nudges import Sender as NudgeSender
from nova.clients.relay import RelayClient
from nova.conductor.relaying import RelayEndpoint
from nova.context import service_context
from nova.db.api import cells as mappings
from nova.db.api.outbox import outbox as api_outbox
from nova.db.cell import instances
from nova.db.cell.outbox import outbox as cell_outbox
from nova.db.engine import Database
from nova.db.outbox import OutboxTables
from nova.notifications.relay import Relay
from nova.rpc.envelope import Sender
from nova.rpc.notifier import Publisher, drivers
from nova.store.recorder import KEY, UNVERSIONED, VERSIONED, Recorder, Settings

_FORMATS = {"versioned": frozenset({VERSIONED}), "unversioned": frozenset({UNVERSIONED}),
            "both": frozenset({VERSIONED, UNVERSIONED})}


def settings_of(conf: Any) -> Settings:
    section = conf.notifications
    return Settings(host=conf.host, formats=_FORMATS[section.notification_format] if drivers(conf) else frozenset(),
                    on_change=section.notify_on_state_change, devices=section.bdms_in_notifications)


def _unplaced(conn: sa.Connection, uuid: str) -> dict[str, Any] | None:
    """A server as the API database knows it before it has a cell."""
    request = mappings.build_request(conn, uuid)
    return request["instance"] if request is not None else None


def record_cell(conf: Any, database: Database) -> Recorder:
    """The recorder of a cell's database; the one that it has, if it has one."""
    known: Recorder | None = database.engine.get_execution_options().get(KEY)
    if known is None:
        known = Recorder(cell_outbox, instances.get, settings_of(conf))
        known.attach(database)
    return known


class Eventing:
    """Recorders of the API database and of cells as they are opened. Relays elsewhere are told through ``sender``,
    which whoever runs the process sets."""

    def __init__(self, conf: Any, api: Database, bus: Any) -> None:
        self._conf, self._bus = conf, bus
        self.sender: NudgeSender | None = None
        recorder = Recorder(api_outbox, _unplaced, settings_of(conf))
        recorder.nudge = self._remote(bus, "orchestrator", "api")
        recorder.attach(api)

    def open_cell(self, database: Database, bus: Any) -> None:
        recorder = record_cell(self._conf, database)
        name = "cell0" if bus is None else "cell"
        recorder.nudge = self._remote(bus or self._bus, "conductor" if bus is not None else "orchestrator", name)

    def _remote(self, bus: Any, topic: str, name: str) -> Callable[[], None]:
        def nudge() -> None:
            if self.sender is not None:
                self.sender.send("relay", RelayClient(bus, topic).look, service_context(), name)

        return nudge


class Relays:
    """The relays of one process: made and started together, with one publisher. Without a driver there are none."""

    def __init__(self, conf: Any, bus: Any, host: str, incarnation: str) -> None:
        self._conf = conf
        self._publisher = (Publisher(conf, bus.url, Sender("nova-conductor", host, incarnation))
                           if drivers(conf) else None)
        self._relays: dict[str, Relay] = {}

    def add(self, name: str, database: Database, tables: OutboxTables) -> None:
        """Relay ``database``; what this process stores there is told to the relay without a message."""
        if self._publisher is None:
            return
        relay = Relay(database, tables, self._publisher, interval=self._conf.notifications.relay_interval)
        recorder: Recorder | None = database.engine.get_execution_options().get(KEY)
        if recorder is not None:
            recorder.nudge = relay.nudge
        self._relays[name] = relay

    @property
    def endpoint(self) -> RelayEndpoint:
        return RelayEndpoint({name: relay.nudge for name, relay in self._relays.items()})

    def start(self) -> None:
        for relay in self._relays.values():
            relay.start()

    def stop(self) -> None:
        for relay in self._relays.values():
            relay.stop()
        if self._publisher is not None:
            self._publisher.close()


def api_relays(conf: Any, bus: Any, host: str, incarnation: str, api: Database, cell0: Database | None) -> Relays:
    relays = Relays(conf, bus, host, incarnation)
    relays.add("api", api, api_outbox)
    if cell0 is not None:
        relays.add("cell0", cell0, cell_outbox)
    return relays


def cell_relays(conf: Any, bus: Any, host: str, incarnation: str, database: Database) -> Relays:
    record_cell(conf, database)
    relays = Relays(conf, bus, host, incarnation)
    relays.add("cell", database, cell_outbox)
    return relays
