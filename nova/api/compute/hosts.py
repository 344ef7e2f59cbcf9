# SPDX-License-Identifier: Apache-2.0
"""Hosts and services as the Compute API sees them: read from the API database and every cell, kept a second.

States of services come from heartbeats by each database's own clock; a host's zone from the aggregates it is in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from nova import concurrency, errors
from nova.cells import Cell, Cells
from nova.db.api import aggregates
from nova.db.api import cells as mappings
from nova.db.api.tables import services as api_services
from nova.db.cell import compute_nodes, task_log
from nova.db.cell.tables import services as cell_services
from nova.db.engine import Database
from nova.store import usage_audit

COMPUTE = "nova-compute"
_KEEP = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """One service with what is derived of it. ``cell`` None: it belongs to the API level. ``known`` False: its cell did
    not answer, and only the name of the host is known."""

    row: dict[str, Any]
    cell: Cell | None
    up: bool
    zone: str
    known: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class _Snapshot:
    at: float
    services: list[Service]
    zones: dict[str, str]
    status: dict[str, str]


class Hosts:
    """Answers about services and hosts."""

    def __init__(self, api: Database, cells: Cells, conf: cfg.ConfigOpts,
                 changed: Callable[[], None] = lambda: None) -> None:
        """``changed`` is called for every change of services, aggregates and zones that goes through this API."""
        self._api = api
        self._changed = changed
        self._cells = cells
        self._conf = conf
        self._last: _Snapshot | None = None

    @property
    def default_zone(self) -> str:
        return str(self._conf.default_availability_zone)

    @property
    def audit_period(self) -> str:
        return str(self._conf.instance_usage_audit_period)

    def audits(self, beginning: float, ending: float) -> dict[str, dict[str, Any]]:
        """Host → what the log tells of its usage audit of that period, from all cells that answer."""
        def ask(cell: Cell) -> dict[str, dict[str, Any]]:
            with cell.database.read() as conn:
                return task_log.of_period(conn, usage_audit.TASK, beginning, ending)

        answers = self._cells.scatter(ask, self._cells.with_hosts()).values()
        return {host: row for found in answers if not isinstance(found, errors.NovaError)
                for host, row in found.items()}

    def services(self, *, fresh: bool = True) -> list[Service]:
        """All services, of the API level first."""
        return self._snapshot(fresh).services

    def zones(self, *, fresh: bool = False) -> dict[str, str]:
        """The zone of every compute host."""
        return self._snapshot(fresh).zones

    def status(self) -> dict[str, str]:
        """The state of every compute host in the words of ``host_status``."""
        return self._snapshot(False).status

    def cell_of(self, host: str) -> Cell:
        """The cell of a compute host. Raises NotFound for a host that no cell has."""
        with self._api.read() as conn:
            rows = mappings.list_hosts(conn, [host])
        if not rows:
            raise errors.NotFound(f"Compute host {host} could not be found.")
        return self._cells.get(rows[0]["cell_uuid"])

    def has_hypervisor(self, name: str, host: str | None = None) -> bool:
        """Has any host, or this one, reported a hypervisor of that name? One whose cell is silent is not known."""
        def ask(cell: Cell) -> bool:
            with cell.database.read() as conn:
                return any(node["hypervisor_hostname"] == name for node in compute_nodes.list_nodes(conn, host=host))

        return any(answer is True for answer in self._cells.scatter(ask, self._cells.with_hosts()).values())

    def forget(self) -> None:
        """Read anew at the next question: something was changed here."""
        self._last = None
        self._changed()

    def _snapshot(self, fresh: bool) -> _Snapshot:
        now = concurrency.monotonic()
        last = self._last
        if last is None or fresh or now - last.at > _KEEP:
            last = self._last = self._read(now)
        return last

    def _read(self, now: float) -> _Snapshot:
        answers = self._cells.scatter(_services_of, self._cells.with_hosts())
        with self._api.read() as conn:
            own = api_services.list(conn)
            zones = aggregates.zones(conn)
            silent = {cell.uuid: cell for cell, a in answers.items() if isinstance(a, errors.NovaError)}
            lost = [r for r in mappings.list_hosts(conn) if r["cell_uuid"] in silent] if silent else []
        internal = str(self._conf.internal_service_availability_zone)
        found = [self._service(row, None, internal) for row in own]
        listed = {row["incarnation"] for row in own}
        for cell, answer in answers.items():
            if isinstance(answer, errors.NovaError):
                continue
            for row in answer:
                if row["incarnation"] in listed:  # a lease in the cell of a process that stands in the list already
                    continue
                zone = zones.get(row["host"], self.default_zone) if row["binary"] == COMPUTE else internal
                found.append(self._service(row, cell, zone))
        found += [Service({"host": r["host"], "binary": COMPUTE}, silent[r["cell_uuid"]], False, "", known=False)
                  for r in lost]
        computes = [s for s in found if s.row["binary"] == COMPUTE]
        return _Snapshot(now, found, {s.row["host"]: s.zone for s in computes if s.known},
                         {s.row["host"]: _word(s) for s in computes})

    def _service(self, row: dict[str, Any], cell: Cell | None, zone: str) -> Service:
        up = not row["forced_down"] and row["age"] <= self._conf.service_down_time
        return Service(row, cell, up, zone)


def _services_of(cell: Cell) -> list[dict[str, Any]]:
    with cell.database.read() as conn:
        return cell_services.list(conn)


def _word(service: Service) -> str:
    if not service.known:
        return "UNKNOWN"
    if service.row["disabled"]:
        return "MAINTENANCE"
    if service.row["forced_down"]:
        return "DOWN"
    return "UP" if service.up else "UNKNOWN"
