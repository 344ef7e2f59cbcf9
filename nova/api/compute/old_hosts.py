# SPDX-License-Identifier: Apache-2.0
"""Hosts of the cloud as clients of old ask for them (until 2.42): services by host, resources, out of use and back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.hosts import COMPUTE, Hosts, Service
from nova.db.cell import compute_nodes
from nova.db.cell.instances import instances
from nova.db.cell.tables import services as cell_services
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_SWITCH: s.Schema = {"type": "string", "enum": ["enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"]}
UPDATE = s.object_of({"status": _SWITCH, "maintenance_mode": _SWITCH}, minProperties=1)
_RULE = "os_compute_api:os-hosts:"
_OLD = ("2.1", "2.42")
ROUTES = (
    Route("GET", "/os-hosts", "index", rule=_RULE + "list", query=query({"zone": s.TEXT, "service": s.TEXT}),
          versions=_OLD, doc="List hosts and services"),
    Route("GET", "/os-hosts/{id}", "show", rule=_RULE + "show", versions=_OLD, doc="Resources of a host"),
    Route("PUT", "/os-hosts/{id}", "update", rule=_RULE + "update", body=UPDATE, versions=_OLD,
          doc="Take a host out of use or back"),
    Route("GET", "/os-hosts/{id}/reboot", "power", rule=_RULE + "reboot", versions=_OLD, doc="Reboot a host"),
    Route("GET", "/os-hosts/{id}/shutdown", "power", rule=_RULE + "shutdown", versions=_OLD, doc="Shut a host down"),
    Route("GET", "/os-hosts/{id}/startup", "power", rule=_RULE + "start", versions=_OLD, doc="Start a host"),
)
_I = instances.c
_Sums = tuple[int, int, int]


class OldHosts:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def index(self, request: Request) -> dict[str, Any]:
        zone, wanted = request.arg("zone"), request.arg("service")
        items = [{"host_name": service.row["host"], "service": service.row["binary"].removeprefix("nova-"),
                  "zone": service.zone} for service in self._hosts.services() if service.known]
        return {"hosts": [item for item in items if (not zone or item["zone"] == zone)
                          and (not wanted or item["service"] == wanted)]}

    def show(self, request: Request) -> dict[str, Any]:
        host = request.match["id"]
        total, by_project = self._resources(self._find(host), host)
        used = _sum(list(by_project.values()))
        lines = {"(total)": total, "(used_now)": used, "(used_max)": used} | by_project
        return {"host": [{"resource": {"host": host, "project": project, "cpu": cpu, "memory_mb": memory,
                                       "disk_gb": disk}} for project, (cpu, memory, disk) in lines.items()]}

    def update(self, request: Request) -> dict[str, Any]:
        wanted = {name: value.lower() for name, value in request.body_json.items()}
        service = self._find(request.match["id"])
        if "maintenance_mode" in wanted:
            raise errors.NotSupported("Virt driver does not implement host maintenance mode.")
        disabled = wanted["status"] == "disable"
        if service.cell is not None:
            with service.cell.database.write() as conn:
                cell_services.update(conn, service.row["uuid"], disabled=disabled, disabled_reason=None)
        self._hosts.forget()
        return {"host": request.match["id"], "status": "disabled" if disabled else "enabled"}

    def power(self, request: Request) -> None:
        self._find(request.match["id"])
        raise errors.NotSupported("Virt driver does not implement host power management.")

    def _find(self, host: str) -> Service:
        for service in self._hosts.services():
            if service.known and service.row["host"] == host and service.row["binary"] == COMPUTE:
                return service
        raise errors.NotFound(f"Compute host {host} could not be found.")

    @staticmethod
    def _resources(service: Service, host: str) -> tuple[_Sums, dict[str, _Sums]]:
        """What the host has, and what the servers of each project have of it: processors, MiB, GiB."""
        if service.cell is None:
            raise errors.NotFound(f"Compute host {host} could not be found.")
        disk = _I.root_gb + _I.ephemeral_gb
        with service.cell.database.read() as conn:
            nodes = compute_nodes.list_nodes(conn, host=host)
            rows = conn.execute(
                sa.select(_I.project_id, sa.func.sum(_I.vcpus), sa.func.sum(_I.memory_mb), sa.func.sum(disk))
                .where(_I.host == host, _I.deleted.is_(False)).group_by(_I.project_id).order_by(_I.project_id)).all()
        total = _sum([(node["vcpus"], node["memory_mb"], node["local_gb"]) for node in nodes])
        return total, {project: (int(cpu), int(memory), int(disk)) for project, cpu, memory, disk in rows}


def _sum(parts: list[_Sums]) -> _Sums:
    return sum(p[0] for p in parts), sum(p[1] for p in parts), sum(p[2] for p in parts)
