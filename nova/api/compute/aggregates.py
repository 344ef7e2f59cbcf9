# SPDX-License-Identifier: Apache-2.0
"""Host aggregates and, through their metadata, availability zones. A host is in at most one zone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova import concurrency, errors
from nova.api.compute import schemas as s
from nova.api.compute.hosts import Hosts
from nova.db.api import aggregates as table
from nova.db.cell.instances import instances
from nova.db.engine import Database
from nova.store import record_events
from nova.web import timestamps
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_ZONE = {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": "^[^:]*$"}
CREATE = s.wrapped("aggregate", s.object_of({"name": s.NAME, "availability_zone": _ZONE}, ("name",)))
UPDATE = s.wrapped("aggregate", s.object_of({"name": s.NAME, "availability_zone": _ZONE}, minProperties=1))
_HOST = s.object_of({"host": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9_.\-]+$"}},
                    ("host",))
_METADATA = s.object_of({"metadata": {
    "type": "object", "additionalProperties": False, "patternProperties": {
        "^[a-zA-Z0-9-_:. ]{1,255}$": {"type": ["string", "null"], "maxLength": 255}}}}, ("metadata",))
_CACHE = s.wrapped("cache", {"type": "array", "minItems": 1, "items": s.object_of({"id": s.UUID}, ("id",))})
READ = (("2.1", "2.101", query({})), ("2.102", None, query({}, strict=True)))

_RULE = "os_compute_api:os-aggregates:"
_ACTION = "/os-aggregates/{id}/action"
ROUTES = (
    Route("GET", "/os-aggregates", "index", rule=_RULE + "index", query=READ, doc="List aggregates"),
    Route("POST", "/os-aggregates", "create", rule=_RULE + "create", body=CREATE, doc="Create an aggregate"),
    Route("GET", "/os-aggregates/{id}", "show", rule=_RULE + "show", query=READ, doc="Show an aggregate"),
    Route("PUT", "/os-aggregates/{id}", "update", rule=_RULE + "update", body=UPDATE, doc="Rename or change the zone"),
    Route("DELETE", "/os-aggregates/{id}", "delete", rule=_RULE + "delete", doc="Delete an empty aggregate"),
    Route("POST", _ACTION, "add_host", rule=_RULE + "add_host", action="add_host", body=s.wrapped("add_host", _HOST),
          doc="Add a host"),
    Route("POST", _ACTION, "remove_host", rule=_RULE + "remove_host", action="remove_host",
          body=s.wrapped("remove_host", _HOST), doc="Remove a host"),
    Route("POST", _ACTION, "set_metadata", rule=_RULE + "set_metadata", action="set_metadata",
          body=s.wrapped("set_metadata", _METADATA), doc="Set and unset metadata"),
    Route("POST", "/os-aggregates/{id}/images", "cache_images", rule="compute:aggregates:images", body=_CACHE,
          success=202, versions=("2.81", None), doc="Have hosts fetch images before they need them"),
)


class Aggregates:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, hosts: Hosts) -> None:
        self._database = database
        self._hosts = hosts

    def index(self, request: Request) -> dict[str, Any]:
        with self._database.read() as conn:
            return {"aggregates": [_view(request, row) for row in table.list_all(conn)]}

    def show(self, request: Request) -> dict[str, Any]:
        with self._database.read() as conn:
            return {"aggregate": _view(request, _find(conn, _id(request)))}

    def create(self, request: Request) -> dict[str, Any]:
        wanted = request.body_json["aggregate"]
        zone = wanted.get("availability_zone")
        with self._unique(wanted["name"]), self._database.write() as conn:
            number = table.create(conn, concurrency.uuid4(), wanted["name"], {table.ZONE: zone} if zone else {})
            row = _find(conn, number)
            record_events.aggregate(conn, request.context, "create", row | {"id": None}, row)
            item = _view(request, row)
            shown = {k: v for k, v in item.items() if k not in ("hosts", "metadata")}
            return request.promise({"aggregate": shown})

    def update(self, request: Request) -> dict[str, Any]:
        wanted, number = request.body_json["aggregate"], _id(request)
        with self._unique(wanted.get("name", "")), self._database.write() as conn:
            row = _find(conn, number)
            values = {"name": wanted["name"]} if "name" in wanted else {}
            if "availability_zone" in wanted:
                values["metadata"] = self._rezoned(conn, row, {table.ZONE: wanted["availability_zone"]}, "update")
            table.update(conn, number, **values)
            record_events.aggregate(conn, request.context, "update_prop", row, _find(conn, number))
            item = request.promise({"aggregate": _view(request, _find(conn, number))})
        self._hosts.forget()
        return item

    def delete(self, request: Request) -> None:
        number = _id(request)
        with self._database.write() as conn:
            row = _find(conn, number)
            if row["hosts"]:
                raise errors.Invalid(f"Cannot remove host from aggregate {number}. Reason: Host aggregate is not "
                                     "empty.")
            table.delete(conn, number)
            record_events.aggregate(conn, request.context, "delete", row, row)

    def add_host(self, request: Request) -> dict[str, Any]:
        number, host = _id(request), request.body_json["add_host"]["host"]
        with self._database.read() as conn:
            _find(conn, number)
        self._hosts.cell_of(host)
        try:
            with self._database.write() as conn:
                row = _find(conn, number)
                zone = row["metadata"].get(table.ZONE)
                if zone is not None:
                    self._refuse_move(conn, number, host, zone, "add host to", errors.Conflict)
                table.add_host(conn, number, host)
                record_events.aggregate(conn, request.context, "add_host", row, _find(conn, number))
                item = request.promise({"aggregate": _view(request, _find(conn, number))})
        except exc.IntegrityError as e:
            raise errors.Conflict(f"Aggregate {number} already has host {host}.") from e
        self._hosts.forget()
        return item

    def remove_host(self, request: Request) -> dict[str, Any]:
        number, host = _id(request), request.body_json["remove_host"]["host"]
        with self._database.write() as conn:
            row = _find(conn, number)
            if row["metadata"].get(table.ZONE, self._hosts.default_zone) != self._hosts.default_zone \
                    and host in row["hosts"] and self._has_servers(host):
                raise errors.Conflict(f"Cannot remove host from aggregate {number}. Reason: Host has servers, which "
                                      "would change their availability zone.")
            if not table.remove_host(conn, number, host):
                raise errors.NotFound(f"Aggregate {number} has no host {host}.")
            record_events.aggregate(conn, request.context, "remove_host", row, _find(conn, number))
            item = request.promise({"aggregate": _view(request, _find(conn, number))})
        self._hosts.forget()
        return item

    def set_metadata(self, request: Request) -> dict[str, Any]:
        number, changes = _id(request), request.body_json["set_metadata"]["metadata"]
        with self._database.write() as conn:
            row = _find(conn, number)
            table.update(conn, number, metadata=self._rezoned(conn, row, changes, "update metadata of"))
            record_events.aggregate(conn, request.context, "update_metadata", row, _find(conn, number))
            item = request.promise({"aggregate": _view(request, _find(conn, number))})
        self._hosts.forget()
        return item

    def cache_images(self, request: Request) -> None:
        """An aggregate without hosts has nothing to fetch; hosts of ours fetch images when a server needs them."""
        wanted = [item["id"] for item in request.body_json["cache"]]
        repeated = sorted({id for id in wanted if wanted.count(id) > 1})
        if repeated:
            raise errors.Invalid(f"Duplicate images in request: {', '.join(repeated)}")
        with self._database.read() as conn:
            row = _find(conn, _id(request))
        if row["hosts"]:
            raise errors.Invalid(f"Hosts of aggregate {row['id']} cannot fetch images before a server needs them.")

    def _rezoned(self, conn: sa.Connection, row: dict[str, Any], changes: dict[str, str | None],
                 what: str) -> dict[str, str]:
        """The metadata after ``changes`` (None unsets), if no host would be in two zones or move with its servers."""
        if table.ZONE in changes and changes[table.ZONE] != row["metadata"].get(table.ZONE):
            if changes[table.ZONE] == "":
                raise errors.Invalid(f"Cannot {what} aggregate {row['id']}. Reason: the name of a zone is empty.")
            for host in row["hosts"]:
                self._refuse_move(conn, row["id"], host, changes[table.ZONE], what, errors.Invalid)
        merged = row["metadata"] | changes
        return {key: value for key, value in merged.items() if value is not None}

    def _refuse_move(self, conn: sa.Connection, number: int, host: str, zone: str | None, what: str,
                     refusal: type[errors.NovaError]) -> None:
        others = {a["metadata"][table.ZONE] for a in table.list_all(conn)
                  if a["id"] != number and host in a["hosts"] and a["metadata"].get(table.ZONE)}
        if zone is not None and others - {zone}:
            raise refusal(f"Cannot {what} aggregate {number}. Reason: One or more hosts already in availability "
                          f"zone(s) {sorted(others - {zone})}.")
        now = table.zones(conn).get(host, self._hosts.default_zone)
        if (zone or self._hosts.default_zone) != now and self._has_servers(host):
            raise refusal(f"Cannot {what} aggregate {number}. Reason: One or more hosts contain instances in this "
                          "zone.")

    def _has_servers(self, host: str) -> bool:
        with self._hosts.cell_of(host).database.read() as conn:
            living = sa.select(instances.c.id).where(instances.c.host == host, instances.c.deleted.is_(False)).limit(1)
            return conn.execute(living).first() is not None

    @staticmethod
    def _unique(name: str) -> _Unique:
        return _Unique(name)


class _Unique:
    """Turns a name that is taken into the Conflict that clients know."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, exc.IntegrityError):
            raise errors.Conflict(f"Aggregate {self._name} already exists.") from error


def _id(request: Request) -> int:
    text = request.match["id"]
    if not text.isascii() or not text.removeprefix("-").isdecimal() or len(text) > 10:
        raise errors.Invalid(f"Invalid input received: {text[:64]} is not the number of an aggregate")
    return int(text)


def _find(conn: sa.Connection, number: int) -> dict[str, Any]:
    row = table.get(conn, number) if 0 <= number <= s.MAX_INT else None
    if row is None:
        raise errors.NotFound(f"Aggregate {number} could not be found.")
    return row


def _view(request: Request, row: dict[str, Any]) -> dict[str, Any]:
    item = {"id": row["id"], "uuid": row["uuid"], "name": row["name"], "hosts": row["hosts"],
            "metadata": row["metadata"], "created_at": timestamps.micro(row["created_at"]),
            "updated_at": timestamps.micro(row["updated_at"]), "deleted_at": None, "deleted": False,
            "availability_zone": row["metadata"].get(table.ZONE)}
    if request.version < (2, 41):
        del item["uuid"]
    return item
