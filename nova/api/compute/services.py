# SPDX-License-Identifier: Apache-2.0
"""Services of the cloud: their state, and taking compute hosts out of and back into use."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.hosts import COMPUTE, Hosts, Service
from nova.db.api import cells as mappings
from nova.db.api.aggregates import aggregate_hosts
from nova.db.api.tables import services as api_services
from nova.db.cell.compute_nodes import compute_nodes
from nova.db.cell.instances import instances
from nova.db.cell.tables import services as cell_services
from nova.db.engine import Database
from nova.placement import inventory
from nova.store import record_events
from nova.web import timestamps
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_REASON = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$"}
_NAMED: s.Schema = {"host": {"type": "string", "minLength": 1, "maxLength": 255},
                    "binary": {"type": "string", "minLength": 1, "maxLength": 255}}
VERBS = (
    ("2.1", "2.10", s.object_of(_NAMED | {"disabled_reason": _REASON}, ("host", "binary"))),
    ("2.11", "2.52", s.object_of(_NAMED | {"disabled_reason": _REASON, "forced_down": s.BOOLEAN}, ("host", "binary"))))
UPDATE = s.object_of({"status": {"type": "string", "enum": ["enabled", "disabled"]}, "disabled_reason": _REASON,
                      "forced_down": s.BOOLEAN})
_FILTERS = {"host": s.TEXT, "binary": s.TEXT}
INDEX = (("2.1", "2.74", query(_FILTERS)), ("2.75", None, query(_FILTERS, strict=True)))

_RULE = "os_compute_api:os-services:"
ROUTES = (
    Route("GET", "/os-services", "index", rule=_RULE + "list", query=INDEX, doc="List services"),
    Route("PUT", "/os-services/{id}", "do", rule=_RULE + "update", body=VERBS, versions=("2.1", "2.52"),
          doc="Enable, disable or force down by host and binary"),
    Route("PUT", "/os-services/{id}", "update", rule=_RULE + "update", body=UPDATE, versions=("2.53", None),
          doc="Enable, disable or force down"),
    Route("DELETE", "/os-services/{id}", "delete", rule=_RULE + "delete", success=204, doc="Delete a service"),
)
_UUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")


class Services:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, hosts: Hosts) -> None:
        self._database = database
        self._hosts = hosts

    def index(self, request: Request) -> dict[str, Any]:
        host, binary = request.arg("host"), request.arg("binary")
        found = [service for service in self._hosts.services()
                 if (not host or service.row["host"] == host) and (not binary or service.row["binary"] == binary)]
        return {"services": [_view(request, service) for service in found
                             if service.known or request.version >= (2, 69)]}

    def do(self, request: Request) -> dict[str, Any]:
        verb, body = request.match["id"], request.body_json
        values = _values_of_verb(request, verb, body)
        service = next((x for x in self._hosts.services() if x.known and x.row["host"] == body["host"]
                        and x.row["binary"] == body["binary"]), None)
        if service is None:
            raise errors.NotFound(f"Could not find binary {body['binary']} on host {body['host']}.")
        self._write(request, service, values)
        item = {"host": body["host"], "binary": body["binary"]}
        if verb == "force-down":
            return {"service": item | {"forced_down": values["forced_down"]}}
        item["status"] = "disabled" if values["disabled"] else "enabled"
        if verb == "disable-log-reason":
            item["disabled_reason"] = body["disabled_reason"]
        return {"service": item}

    def update(self, request: Request) -> dict[str, Any]:
        service = self._find(request)
        if service.row["binary"] != COMPUTE:
            raise errors.Invalid(f"Updating a {service.row['binary']} service is not supported. Only nova-compute "
                                 "services can be updated.")
        self._write(request, service, _values(request.body_json))
        return {"service": _view(request, self._find(request))}

    def delete(self, request: Request) -> None:
        service = self._find(request)
        host = service.row["host"]
        if service.cell is None:
            with self._database.write() as conn:
                record_events.service(conn, request.context, "delete", api_services, service.row["uuid"])
                api_services.delete(conn, service.row["uuid"])
        else:
            nodes = self._delete_in_cell(request, service)
            if service.row["binary"] == COMPUTE:
                self._forget_host(host, nodes)
        self._hosts.forget()

    def _delete_in_cell(self, request: Request, service: Service) -> list[str]:
        """Remove the service and its nodes' records; returns the nodes' uuids."""
        host, cell = service.row["host"], service.cell
        if cell is None:
            return []
        with cell.database.write() as conn:
            record_events.service(conn, request.context, "delete", cell_services, service.row["uuid"])
            if service.row["binary"] != COMPUTE:
                cell_services.delete(conn, service.row["uuid"])
                return []
            living = sa.select(instances.c.id).where(instances.c.host == host, instances.c.deleted.is_(False)).limit(1)
            if conn.execute(living).first() is not None:
                raise errors.Conflict("Unable to delete compute service that is hosting instances. Migrate or delete "
                                      "the instances first.")
            n = compute_nodes.c
            nodes = list(conn.execute(sa.select(n.uuid).where(n.host == host)).scalars())
            conn.execute(compute_nodes.delete().where(n.host == host))
            cell_services.delete(conn, service.row["uuid"])
            return nodes

    def _forget_host(self, host: str, nodes: list[str]) -> None:
        with self._database.write() as conn:
            for uuid in nodes:
                inventory.delete_provider(conn, uuid)
            conn.execute(aggregate_hosts.delete().where(aggregate_hosts.c.host == host))
            conn.execute(mappings.host_mappings.delete().where(mappings.host_mappings.c.host == host))

    def _find(self, request: Request) -> Service:
        asked = request.match["id"]
        by_uuid = request.version >= (2, 53)
        if by_uuid and not _UUID.match(asked):
            raise errors.Invalid(f"Invalid uuid {asked[:64]}")
        if not by_uuid and not (asked.isascii() and asked.isdecimal()):
            raise errors.Invalid(f"Invalid service id {asked[:64]}: it is not a number")
        found = [x for x in self._hosts.services()
                 if x.known and (x.row["uuid"] == asked.lower() if by_uuid else str(x.row["id"]) == asked)]
        if not found:
            raise errors.NotFound(f"Service {asked} could not be found.")
        if len(found) > 1:
            raise errors.Invalid("Service id is not unique in this cloud; use microversion 2.53 and the uuid.")
        return found[0]

    def _write(self, request: Request, service: Service, values: dict[str, Any]) -> None:
        if service.cell is None:
            with self._database.write() as conn:
                api_services.update(conn, service.row["uuid"], **values)
                record_events.service(conn, request.context, "update", api_services, service.row["uuid"])
        else:
            with service.cell.database.write() as conn:
                cell_services.update(conn, service.row["uuid"], **values)
                record_events.service(conn, request.context, "update", cell_services, service.row["uuid"])
        self._hosts.forget()


def _values_of_verb(request: Request, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    if verb == "enable":
        return {"disabled": False, "disabled_reason": None}
    if verb == "disable":
        return {"disabled": True, "disabled_reason": None}
    if verb == "disable-log-reason":
        if "disabled_reason" not in body:
            raise errors.Invalid("Missing disabled reason field")
        return {"disabled": True, "disabled_reason": body["disabled_reason"]}
    if verb == "force-down" and request.version >= (2, 11):
        if "forced_down" not in body:
            raise errors.Invalid("Missing forced_down field")
        return {"forced_down": s.is_true(body["forced_down"])}
    raise errors.NotFound("Unknown action")


def _values(body: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    status, reason = body.get("status"), body.get("disabled_reason")
    if status is None and "forced_down" not in body:
        raise errors.Invalid("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    if reason is not None and status != "disabled":
        raise errors.Invalid("Specifying 'disabled_reason' requires that status is 'disabled'.")
    if status is not None:
        values |= {"disabled": status == "disabled", "disabled_reason": reason}
    if "forced_down" in body:
        values["forced_down"] = s.is_true(body["forced_down"])
    return values


def _view(request: Request, service: Service) -> dict[str, Any]:
    row = service.row
    if not service.known:
        return {"binary": row["binary"], "host": row["host"], "status": "UNKNOWN"}
    item = {"binary": row["binary"], "host": row["host"],
            "id": row["uuid"] if request.version >= (2, 53) else row["id"], "zone": service.zone,
            "status": "disabled" if row["disabled"] else "enabled", "state": "up" if service.up else "down",
            "updated_at": timestamps.micro(row["last_seen"] or row["updated_at"]),
            "disabled_reason": row["disabled_reason"]}
    if request.version >= (2, 11):
        item["forced_down"] = row["forced_down"]
    return item
