# SPDX-License-Identifier: Apache-2.0
"""Flavors: the sizes that servers come in. Extra specs and access have files of their own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import exc

from nova import concurrency, errors
from nova.api.compute import schemas as s
from nova.api.compute.numbers import to_int
from nova.db.api import flavors as table
from nova.db.engine import Database
from nova.store import record_events
from nova.web import paging
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_SIZES = {
    "name": s.NAME,
    "id": {"type": ["string", "number", "null"], "minLength": 0, "maxLength": 255, "pattern": "^[a-zA-Z0-9. _-]*$"},
    "ram": s.integer(1), "vcpus": s.integer(1), "disk": s.integer(), "swap": s.integer(),
    "OS-FLV-EXT-DATA:ephemeral": s.integer(), "os-flavor-access:is_public": s.BOOLEAN,
}
_RXTX = {"rxtx_factor": {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?$", "minimum": 0,
                         "exclusiveMinimum": True, "maximum": 3.40282e+38, "minLength": 1, "maxLength": 40}}
_DESCRIPTION = {"description": {"type": ["string", "null"], "minLength": 0, "maxLength": 65535}}
_REQUIRED = ("name", "ram", "vcpus", "disk")


def _create(members: s.Schema) -> s.Schema:
    return s.wrapped("flavor", s.object_of(members, _REQUIRED))


CREATE = (("2.1", "2.54", _create(_SIZES | _RXTX)), ("2.55", "2.101", _create(_SIZES | _RXTX | _DESCRIPTION)),
          ("2.102", None, _create(_SIZES | _DESCRIPTION)))
UPDATE = s.wrapped("flavor", s.object_of(_DESCRIPTION, ("description",)))
_FILTERS = s.PAGING | {name: s.TEXT for name in ("is_public", "minRam", "minDisk", "sort_key", "sort_dir")}
INDEX = (("2.1", "2.74", query(_FILTERS)), ("2.75", "2.101", query(_FILTERS, strict=True)),
         ("2.102", None, query(_FILTERS | {"name": s.TEXT}, strict=True)))

_MANAGE = "os_compute_api:os-flavor-manage:"
ROUTES = (
    Route("GET", "/flavors", "index", query=INDEX, doc="List flavors"),
    Route("GET", "/flavors/detail", "detail", query=INDEX, doc="List flavors with details"),
    Route("GET", "/flavors/{id}", "show", doc="Show a flavor"),
    Route("POST", "/flavors", "create", rule=_MANAGE + "create", body=CREATE, doc="Create a flavor"),
    Route("PUT", "/flavors/{id}", "update", rule=_MANAGE + "update", body=UPDATE, versions=("2.55", None),
          doc="Describe a flavor"),
    Route("DELETE", "/flavors/{id}", "delete", rule=_MANAGE + "delete", success=202, doc="Delete a flavor"),
)
_SHOW_SPECS = "os_compute_api:os-flavor-extra-specs:index"
#: Answers that are kept at most.
_KEEP = 256
_SORT_NAMES = {"memory_mb": "memory_mb", "ram": "memory_mb", "disk": "root_gb"}


class Flavors:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, max_limit: int) -> None:
        self._database = database
        self._max_limit = max_limit
        self._generation: tuple[Any, ...] = ()
        self._kept: dict[tuple[Any, ...], bytes] = {}

    def index(self, request: Request) -> Reply:
        return self._keep(request, False, self._index)

    def detail(self, request: Request) -> Reply:
        specs = request.version >= (2, 61) and request.allowed(_SHOW_SPECS)
        return self._keep(request, specs, functools.partial(self._detail, specs=specs))

    def _keep(self, request: Request, specs: bool, make: Callable[[Request], dict[str, Any]]) -> Reply:
        """The same answer as last time, while no flavor has changed: lists of flavors are asked for all the time."""
        who = request.context
        environ = request.environ
        key = (environ["PATH_INFO"], environ.get("QUERY_STRING", ""), request.base_url, request.root_url,
               request.version, specs, who.is_admin, who.project_id)
        with self._database.read() as conn:
            generation = table.generation(conn)
        if generation != self._generation or len(self._kept) >= _KEEP:
            self._kept, self._generation = {}, generation
        kept = self._kept
        body = kept.get(key)
        if body is None:
            body = kept[key] = orjson.dumps(make(request))
        return Reply(body)

    def _index(self, request: Request) -> dict[str, Any]:
        rows = self._page(request)
        named = []
        for row in rows:
            item = {"id": row["flavorid"], "name": row["name"], "links": request.links("flavors", row["flavorid"])}
            if request.version >= (2, 55):
                item["description"] = row["description"]
            named.append(item)
        return self._listing(request, rows, named, "flavors")

    def _detail(self, request: Request, specs: bool) -> dict[str, Any]:
        rows = self._page(request)
        return self._listing(request, rows, [view(request, row, specs) for row in rows], "flavors/detail")

    def show(self, request: Request) -> dict[str, Any]:
        who = request.context
        with self._database.read() as conn:
            row = find(conn, request.match["id"], None if who.is_admin else who.project_id)
        return self._one(request, row)

    def create(self, request: Request) -> dict[str, Any]:
        values = _values(request.body_json["flavor"])
        try:
            with self._database.write() as conn:
                _refuse_clash(table.clash(conn, values["flavorid"], values["name"]), values)
                table.create(conn, values)
                record_events.flavor(conn, request.context, "create", values["flavorid"])
                item = request.promise(self._one(request, find(conn, values["flavorid"])))
        except exc.IntegrityError as e:
            raise errors.Conflict(f"Flavor with name {values['name']} already exists.") from e
        return item

    def update(self, request: Request) -> dict[str, Any]:
        flavorid = request.match["id"]
        with self._database.write() as conn:
            table.describe(conn, flavorid, request.body_json["flavor"]["description"])
            row = find(conn, flavorid)
            record_events.flavor(conn, request.context, "update", flavorid)
        return self._one(request, row)

    def delete(self, request: Request) -> None:
        with self._database.write() as conn:
            record_events.flavor(conn, request.context, "delete", request.match["id"])
            if not table.delete(conn, request.match["id"]):
                raise missing(request.match["id"])

    def _one(self, request: Request, row: dict[str, Any]) -> dict[str, Any]:
        return {"flavor": view(request, row, request.version >= (2, 61) and request.allowed(_SHOW_SPECS))}

    def _page(self, request: Request) -> list[dict[str, Any]]:
        sort_key = request.arg("sort_key") or "flavorid"
        sort_dir = request.arg("sort_dir") or "asc"
        sort_key = _SORT_NAMES.get(sort_key, sort_key)
        if sort_key not in table.SORT_KEYS:
            raise errors.Invalid("Sort key supplied was not valid.")
        if sort_dir not in ("asc", "desc"):
            raise errors.Invalid("Unknown sort direction, must be one of: asc, desc")
        marker = request.arg("marker")
        with self._database.read() as conn:
            rows = table.page(conn, _filter(request), sort_key=sort_key, descending=sort_dir == "desc",
                              limit=paging.limit_of(request, self._max_limit), marker=marker)
        if rows is None:
            raise errors.Invalid(f"marker [{marker}] not found")
        return rows

    def _listing(self, request: Request, rows: list[dict[str, Any]], items: list[dict[str, Any]],
                 path: str) -> dict[str, Any]:
        body: dict[str, Any] = {"flavors": items}
        # A page without a limit asked for ends the list, unless it is as long as a page can be.
        if rows and len(rows) == paging.limit_of(request, self._max_limit):
            body["flavors_links"] = paging.next_link(request, path, rows[-1]["flavorid"])
        return body


def view(request: Request, row: dict[str, Any], specs: bool) -> dict[str, Any]:
    """A flavor on the wire at the request's microversion."""
    version = request.version
    item: dict[str, Any] = {
        "id": row["flavorid"], "name": row["name"], "ram": row["memory_mb"], "disk": row["root_gb"],
        "swap": row["swap"] if row["swap"] or version >= (2, 75) else "",
        "OS-FLV-EXT-DATA:ephemeral": row["ephemeral_gb"]}
    if version < (2, 102):
        item["OS-FLV-DISABLED:disabled"] = row["disabled"]
    item["vcpus"] = row["vcpus"]
    item["os-flavor-access:is_public"] = row["is_public"]
    if version < (2, 102):
        item["rxtx_factor"] = row["rxtx_factor"]
    item["links"] = request.links("flavors", row["flavorid"])
    if version >= (2, 55):
        item["description"] = row["description"]
    if specs:
        item["extra_specs"] = row["extra_specs"]
    return item


def find(conn: Any, flavorid: str, project_id: str | None = None) -> dict[str, Any]:
    row = table.get(conn, flavorid, project_id)
    if row is None:
        raise missing(flavorid)
    return row


def missing(flavorid: str) -> errors.NotFound:
    return errors.NotFound(f"Flavor {flavorid} could not be found.")


def _refuse_clash(clash: str | None, values: dict[str, Any]) -> None:
    if clash == "flavorid":
        raise errors.Conflict(f"Flavor with ID {values['flavorid']} already exists.")
    if clash == "name":
        raise errors.Conflict(f"Flavor with name {values['name']} already exists.")


def _values(body: dict[str, Any]) -> dict[str, Any]:
    flavorid = body.get("id")
    flavorid = concurrency.uuid4() if flavorid is None or flavorid == "" else str(flavorid)
    if flavorid != flavorid.strip():
        raise errors.Invalid("id cannot contain leading and/or trailing whitespace.")
    return {
        "flavorid": flavorid, "name": body["name"],
        "memory_mb": to_int(body["ram"], "ram", 1), "vcpus": to_int(body["vcpus"], "vcpus", 1),
        "root_gb": to_int(body["disk"], "disk"), "swap": to_int(body.get("swap", 0), "swap"),
        "ephemeral_gb": to_int(body.get("OS-FLV-EXT-DATA:ephemeral", 0), "OS-FLV-EXT-DATA:ephemeral"),
        "rxtx_factor": float(body.get("rxtx_factor", 1.0)), "description": body.get("description"),
        "is_public": s.is_true(body.get("os-flavor-access:is_public", True)),
    }


def _filter(request: Request) -> table.Filter:
    who = request.context
    sizes = {}
    for name in ("minRam", "minDisk"):
        text = request.arg(name) or "0"
        if not text.isdecimal() or len(text) > 10:
            raise errors.Invalid(f"Invalid {name} filter [{text}]")
        sizes[name] = min(int(text), s.MAX_INT)
    public = _is_public(request.arg("is_public")) if who.is_admin else True
    return table.Filter(is_public=public, project_id=who.project_id if public else None, min_memory_mb=sizes["minRam"],
                        min_root_gb=sizes["minDisk"], name=request.arg("name"))


def _is_public(text: str | None) -> bool | None:
    """What an administrator asks to see: by default the public ones, ``None`` for all."""
    if text is None:
        return True
    if text.lower() == "none":
        return None
    if text.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off", "t", "f", "y", "n"):
        raise errors.Invalid(f"Invalid is_public filter [{text}]")
    return text.lower() in ("true", "1", "yes", "on", "t", "y")
