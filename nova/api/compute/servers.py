# SPDX-License-Identifier: Apache-2.0
"""Servers: list, show, create, update, delete. Actions, metadata and addresses have files of their own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from nova import errors
from nova.api.compute import server_queries as queries
from nova.api.compute import server_schemas as schemas
from nova.api.compute import server_views as views
from nova.api.compute.hosts import Hosts
from nova.api.compute.schemas import is_true
from nova.api.compute.server_create import CreateReader
from nova.cells import Cell
from nova.db.api import cells as mappings
from nova.db.engine import Database
from nova.operations import Created, Operations
from nova.store.pages import Page
from nova.store.query import Query
from nova.store.servers import Servers as ServerStore
from nova.web import paging, timestamps
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_RULE = "os_compute_api:servers:"
SHOW = (("2.1", "2.101", query({})), ("2.102", None, query({}, strict=True)))
ROUTES = (
    Route("GET", "/servers", "index", rule=_RULE + "index", query=queries.INDEX, doc="List servers"),
    Route("GET", "/servers/detail", "detail", rule=_RULE + "detail", query=queries.INDEX,
          doc="List servers with details"),
    Route("GET", "/servers/{id}", "show", rule=_RULE + "show", query=SHOW, doc="Show a server"),
    Route("POST", "/servers", "create", rule=_RULE + "create", success=202, body=schemas.CREATE,
          doc="Create servers"),
    Route("PUT", "/servers/{id}", "update", rule=_RULE + "update", body=schemas.UPDATE, doc="Change a server"),
    Route("DELETE", "/servers/{id}", "delete", rule=_RULE + "delete", success=204, doc="Delete a server"),
)
_INDEX_COLUMNS = ("uuid", "display_name", "created_at")
_UPDATES = {"name": "display_name", "description": "display_description", "hostname": "hostname",
            "accessIPv4": "access_ip_v4", "accessIPv6": "access_ip_v6",
            "pinned_availability_zone": "pinned_availability_zone"}


class Servers:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, store: ServerStore, operations: Operations, reader: CreateReader,
                 hosts: Hosts, conf: cfg.ConfigOpts) -> None:
        self._database = database
        self._store = store
        self._operations = operations
        self._reader = reader
        self._hosts = hosts
        self._conf = conf

    def index(self, request: Request) -> dict[str, Any]:
        wanted = queries.build(request, action="index", max_limit=self._conf.api.max_limit, columns=_INDEX_COLUMNS)
        if wanted is None:
            return {"servers": []}
        page = self._store.page(request.context, wanted, details=False)
        items = [views.basic(request, row) for row in page.rows]
        return self._listing(request, wanted, page, items, "servers")

    def detail(self, request: Request) -> dict[str, Any]:
        wanted = queries.build(request, action="detail", max_limit=self._conf.api.max_limit,
                               columns=views.columns(request.version))
        if wanted is None:
            return {"servers": []}
        page = self._store.page(request.context, wanted)
        return self._listing(request, wanted, page, self._view(request).many(page.columns), "servers/detail")

    def show(self, request: Request) -> dict[str, Any]:
        row = self._store.show(request.context, request.match["id"])
        return {"server": self._view(request, single=True).one(row)}

    def create(self, request: Request) -> Reply:
        answers: list[Reply] = []
        asked = self._reader.read(request)

        def accepting(created: Created) -> None:
            answers.append(request.promise(self._created(request, created, asked.admin_pass)))

        self._operations.create(request.context, asked, accepting)
        return answers[-1]  # of the transaction that stood

    def _created(self, request: Request, created: Created, password: str | None) -> Reply:
        wanted = request.body_json["server"]
        if is_true(wanted.get("return_reservation_id", False)):
            return Reply({"reservation_id": created.reservation_id})
        row = created.servers[0]
        server = {"id": row["uuid"], "links": request.links("servers", row["uuid"]),
                  "OS-DCF:diskConfig": "AUTO" if row["auto_disk_config"] else "MANUAL",
                  "security_groups": [{"name": name} for name in row["security_groups"]]}
        if self._conf.api.enable_instance_password:
            server["adminPass"] = password
        return Reply({"server": server}, headers={"Location": request.link(f"servers/{row['uuid']}")})

    def update(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["server"]
        values = {_UPDATES[name]: value for name, value in wanted.items() if name in _UPDATES}
        if "OS-DCF:diskConfig" in wanted:
            values["auto_disk_config"] = wanted["OS-DCF:diskConfig"] == "AUTO"
        if isinstance(values.get("display_name"), str):
            values["display_name"] = values["display_name"].strip()
        zone = values.get("pinned_availability_zone")
        if zone is not None and zone not in set(self._hosts.zones(fresh=True).values()):
            raise errors.Invalid("The requested availability zone is not available")
        uuid = request.match["id"]
        row = (self._operations.update(request.context, uuid, values) if values
               else self._store.show(request.context, uuid))
        return {"server": self._view(request, single=True, extended=request.version >= (2, 75)).one(row)}

    def delete(self, request: Request) -> None:
        self._operations.delete(request.context, request.match["id"])

    def _view(self, request: Request, *, single: bool = False, extended: bool = True) -> views.ServerView:
        return views.ServerView(request, host_status=self._hosts.status(), zones=self._hosts.zones(),
                                default_zone=self._hosts.default_zone, single=single, extended=extended)

    def _listing(self, request: Request, wanted: Query, page: Page, items: list[dict[str, Any]],
                 path: str) -> dict[str, Any]:
        body: dict[str, Any] = {"servers": items}
        if page.down:
            body["servers"] = items + self._of_silent_cells(request, wanted, page.down)
        count = len(items)
        if count and (count >= self._conf.api.max_limit or (count == wanted.limit and "limit" in request.args)):
            body["servers_links"] = paging.next_link(request, path, items[-1]["id"])
        return body

    def _of_silent_cells(self, request: Request, wanted: Query, down: list[Cell]) -> list[dict[str, Any]]:
        """What the mappings know of servers whose cell did not answer (2.69). Not with pages, orders or filters."""
        if not self._conf.api.list_records_by_skipping_down_cells:
            raise errors.Unavailable("Some servers are in a cell that does not answer now.", retry_after=10)
        plain = set(request.args) <= {"all_tenants"}
        if request.version < (2, 69) or not plain:
            return []
        m = mappings.instance_mappings.c
        query = sa.select(m.instance_uuid, m.project_id, m.created_at).where(
            m.cell_uuid.in_([cell.uuid for cell in down]), m.queued_for_delete.is_(False)).limit(wanted.limit)
        if wanted.project_id is not None:
            query = query.where(m.project_id == wanted.project_id)
        with self._database.read() as conn:
            found = conn.execute(query).all()
        return [{"id": uuid, "status": "UNKNOWN", "tenant_id": project, "created": timestamps.iso(created),
                 "links": request.links("servers", uuid)} for uuid, project, created in found]
