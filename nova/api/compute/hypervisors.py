# SPDX-License-Identifier: Apache-2.0
"""Hypervisors as their hosts reported them, and what servers use of them (until 2.87; placement tells since)."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson
import sqlalchemy as sa

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute.hosts import COMPUTE, Hosts, Service
from nova.api.compute.schemas import is_true
from nova.cells import Cell, Cells
from nova.db.cell import compute_nodes
from nova.db.cell.instances import guest_name, instances
from nova.web import paging
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_WITH = {"with_servers": s.BOOLEAN}
_PATTERN = {"hypervisor_hostname_pattern": {"type": "string", "minLength": 1, "maxLength": 255}}
INDEX = (("2.1", "2.32", query({})), ("2.33", "2.52", query(s.PAGING, strict=True)),
         ("2.53", None, query(s.PAGING | _PATTERN | _WITH, strict=True)))
SHOW = (("2.1", "2.52", query({})), ("2.53", None, query(_WITH, strict=True)))

_RULE = "os_compute_api:os-hypervisors:"
_OLD = ("2.1", "2.87")
ROUTES = (
    Route("GET", "/os-hypervisors", "index", rule=_RULE + "list", query=INDEX, doc="List hypervisors"),
    Route("GET", "/os-hypervisors/detail", "detail", rule=_RULE + "list-detail", query=INDEX,
          doc="List hypervisors with details"),
    Route("GET", "/os-hypervisors/statistics", "statistics", rule=_RULE + "statistics", versions=_OLD,
          doc="Sum over all hypervisors"),
    Route("GET", "/os-hypervisors/{id}", "show", rule=_RULE + "show", query=SHOW, doc="Show a hypervisor"),
    Route("GET", "/os-hypervisors/{id}/uptime", "uptime", rule=_RULE + "uptime", versions=_OLD, doc="Uptime"),
    Route("GET", "/os-hypervisors/{id}/search", "search", rule=_RULE + "search", versions=("2.1", "2.52"),
          doc="Search by host name"),
    Route("GET", "/os-hypervisors/{id}/servers", "servers", rule=_RULE + "servers", versions=("2.1", "2.52"),
          doc="Servers by host name of the hypervisor"),
)
#: What a host keeps for itself in these old sums, MiB.
_RESERVED_MB = 512


@dataclasses.dataclass(frozen=True, slots=True)
class _Use:
    """What the servers of a host use."""

    vcpus: int = 0
    memory_mb: int = 0
    local_gb: int = 0
    servers: int = 0
    busy: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class _Node:
    row: dict[str, Any]
    use: _Use
    servers: tuple[tuple[str, str], ...]


class Hypervisors:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, cells: Cells, hosts: Hosts, max_limit: int) -> None:
        self._cells = cells
        self._hosts = hosts
        self._max_limit = max_limit

    def index(self, request: Request) -> dict[str, Any]:
        return self._list(request, details=False)

    def detail(self, request: Request) -> dict[str, Any]:
        return self._list(request, details=True)

    def show(self, request: Request) -> dict[str, Any]:
        node = self._one(request)
        return {"hypervisor": self._view(request, node, self._services(), details=True, servers=_asks_servers(request))}

    def statistics(self, request: Request) -> dict[str, Any]:
        services = self._services()
        nodes = [node for node in self._nodes() if _enabled(services.get(node.row["host"]))]
        totals = [_usage(node) for node in nodes]
        names = ("current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb", "local_gb_used",
                 "memory_mb", "memory_mb_used", "running_vms", "vcpus", "vcpus_used")
        return {"hypervisor_statistics": {"count": len(nodes)} | {
            name: sum(total[name] or 0 for total in totals) for name in names}}

    def uptime(self, request: Request) -> dict[str, Any]:
        node = self._one(request)
        if node.row["uptime"] is None:
            raise errors.NotSupported("The requested functionality is not supported.")
        return {"hypervisor": self._view(request, node, self._services(), details=False) | {
            "uptime": node.row["uptime"]}}

    def search(self, request: Request) -> dict[str, Any]:
        return self._matching(request, servers=False)

    def servers(self, request: Request) -> dict[str, Any]:
        return self._matching(request, servers=True)

    def _matching(self, request: Request, *, servers: bool) -> dict[str, Any]:
        nodes = _by_pattern(self._nodes(), request.match["id"])
        services = self._services()
        return {"hypervisors": [self._view(request, node, services, details=False, servers=servers) for node in nodes]}

    def _list(self, request: Request, *, details: bool) -> dict[str, Any]:
        pattern, nodes = request.arg("hypervisor_hostname_pattern"), self._nodes()
        paged = request.version >= (2, 33)
        if pattern is not None:
            if "limit" in request.args or "marker" in request.args:
                raise errors.Invalid("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is "
                                     "not supported.")
            nodes, paged = _by_pattern(nodes, pattern), False
        limit = paging.limit_of(request, self._max_limit) if paged else len(nodes)
        more = False
        if paged:
            nodes = _after(request, nodes)
            more, nodes = len(nodes) >= limit, nodes[:limit]
        services, with_servers = self._services(), _asks_servers(request)
        body: dict[str, Any] = {"hypervisors": [
            self._view(request, node, services, details=details, servers=with_servers) for node in nodes]}
        if more and nodes:
            path = "os-hypervisors/detail" if details else "os-hypervisors"
            body["hypervisors_links"] = paging.next_link(request, path, str(_id(request, nodes[-1])))
        return body

    def _nodes(self) -> list[_Node]:
        answers = self._cells.scatter(_nodes_of, self._cells.with_hosts())
        return [node for answer in answers.values() if not isinstance(answer, errors.NovaError) for node in answer]

    def _one(self, request: Request) -> _Node:
        asked = request.match["id"]
        if request.version >= (2, 53) and len(asked) != 36:
            raise errors.Invalid(f"Invalid uuid {asked[:64]}")
        found = [node for node in self._nodes() if str(_id(request, node)) == asked.lower()]
        if not found:
            raise errors.NotFound(f"Hypervisor with ID '{asked}' could not be found.")
        if len(found) > 1:
            raise errors.Invalid("Hypervisor id is not unique in this cloud; use microversion 2.53 and the uuid.")
        return found[0]

    def _services(self) -> dict[str, Service]:
        return {x.row["host"]: x for x in self._hosts.services() if x.known and x.row["binary"] == COMPUTE}

    @staticmethod
    def _view(request: Request, node: _Node, services: dict[str, Service], *, details: bool,
              servers: bool = False) -> dict[str, Any]:
        row, service = node.row, services.get(node.row["host"])
        item: dict[str, Any] = {"id": _id(request, node), "hypervisor_hostname": row["hypervisor_hostname"],
                                "state": "up" if service is not None and service.up else "down",
                                "status": "enabled" if _enabled(service) else "disabled"}
        if details:
            item |= _details(request, node, service)
        if servers and (node.servers or request.version >= (2, 75)):
            item["servers"] = [{"name": name, "uuid": uuid} for uuid, name in node.servers]
        return item


def _nodes_of(cell: Cell) -> list[_Node]:
    t = instances.c
    with cell.database.read() as conn:
        rows = compute_nodes.list_nodes(conn)
        living = conn.execute(sa.select(
            t.host, t.uuid, t.name, t.vcpus, t.memory_mb, t.root_gb + t.ephemeral_gb, t.task_state, t.id).where(
            t.host.is_not(None), t.deleted.is_(False)).order_by(t.id)).all()
    by_host: dict[str, list[Any]] = {}
    for server in living:
        by_host.setdefault(server[0], []).append(server)
    nodes = []
    for row in rows:
        held = by_host.get(row["host"], [])
        use = _Use(sum(x[3] for x in held), sum(x[4] for x in held), sum(x[5] for x in held), len(held),
                   sum(1 for x in held if x[6] is not None))
        nodes.append(_Node(row, use, tuple((x[1], guest_name(x[7], x[2])) for x in held)))
    return nodes


def _id(request: Request, node: _Node) -> Any:
    return node.row["uuid"] if request.version >= (2, 53) else node.row["id"]


def _enabled(service: Service | None) -> bool:
    return service is not None and not service.row["disabled"]


def _asks_servers(request: Request) -> bool:
    return is_true(request.arg("with_servers", "false"))


def _by_pattern(nodes: list[_Node], pattern: str) -> list[_Node]:
    found = [node for node in nodes if pattern.lower() in node.row["hypervisor_hostname"].lower()]
    if not found:
        raise errors.NotFound(f"No hypervisor matching '{pattern[:255]}' could be found.")
    return found


def _after(request: Request, nodes: list[_Node]) -> list[_Node]:
    marker = request.arg("marker")
    if not marker:
        return nodes
    for i, node in enumerate(nodes):
        if str(_id(request, node)) == marker:
            return nodes[i + 1:]
    raise errors.Invalid(f"marker [{marker}] not found")


def _usage(node: _Node) -> dict[str, Any]:
    row, use = node.row, node.use
    memory = use.memory_mb + _RESERVED_MB
    return {"vcpus": row["vcpus"], "memory_mb": row["memory_mb"], "local_gb": row["local_gb"], "vcpus_used": use.vcpus,
            "memory_mb_used": memory, "local_gb_used": use.local_gb, "free_ram_mb": row["memory_mb"] - memory,
            "free_disk_gb": row["local_gb"] - use.local_gb, "current_workload": use.busy, "running_vms": use.servers,
            "disk_available_least": row["local_gb"] - use.local_gb}


def _details(request: Request, node: _Node, service: Service | None) -> dict[str, Any]:
    row, version = node.row, request.version
    of_service: dict[str, Any] = {"id": None, "host": row["host"], "disabled_reason": None}
    if service is not None:
        of_service |= {"id": service.row["uuid"] if version >= (2, 53) else service.row["id"],
                       "disabled_reason": service.row["disabled_reason"]}
    item: dict[str, Any] = {"hypervisor_type": row["hypervisor_type"], "hypervisor_version": row["hypervisor_version"],
                            "host_ip": row["host_ip"], "service": of_service}
    if version >= (2, 88):
        return item | {"uptime": row["uptime"]}
    cpu_info = row["cpu_info"] or {}
    return item | _usage(node) | {"cpu_info": cpu_info if version >= (2, 28) else orjson.dumps(cpu_info).decode()}
