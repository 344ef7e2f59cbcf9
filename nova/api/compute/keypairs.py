# SPDX-License-Identifier: Apache-2.0
"""Key pairs of users: imported, or generated for clients of before microversion 2.92."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import exc

from nova import concurrency, errors
from nova.api.compute import schemas as s
from nova.db.api import keypairs as table
from nova.db.engine import Database
from nova.quota import Quota
from nova.store import record_events
from nova.web import paging, timestamps
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

_OLD = {"name": s.NAME, "public_key": {"type": "string"}}
_TYPE = {"type": {"type": "string", "enum": ["ssh", "x509"]}}
_USER = {"user_id": {"type": "string", "minLength": 1, "maxLength": 255}}
_NEW = {"name": {**s.NAME, "pattern": r"^[A-Za-z0-9_\- @.]+$"}, "public_key": {"type": "string", "minLength": 1}}


def _create(members: s.Schema, *required: str) -> s.Schema:
    return s.wrapped("keypair", s.object_of(members, ("name", *required)))


CREATE = (("2.1", "2.1", _create(_OLD)), ("2.2", "2.9", _create(_OLD | _TYPE)),
          ("2.10", "2.91", _create(_OLD | _TYPE | _USER)), ("2.92", None, _create(_NEW | _TYPE | _USER, "public_key")))
_OF_USER = {"user_id": s.TEXT}
INDEX = (("2.1", "2.9", query({})), ("2.10", "2.34", query(_OF_USER)), ("2.35", "2.74", query(_OF_USER | s.PAGING)),
         ("2.75", None, query(_OF_USER | s.PAGING, strict=True)))
ONE = (("2.1", "2.9", query({})), ("2.10", "2.74", query(_OF_USER)), ("2.75", None, query(_OF_USER, strict=True)))

_RULE = "os_compute_api:os-keypairs:"
ROUTES = (
    Route("GET", "/os-keypairs", "index", rule=_RULE + "index", query=INDEX, doc="List key pairs of a user"),
    Route("POST", "/os-keypairs", "create", rule=_RULE + "create", body=CREATE, doc="Import or generate a key pair"),
    Route("GET", "/os-keypairs/{id}", "show", rule=_RULE + "show", query=ONE, doc="Show a key pair"),
    Route("DELETE", "/os-keypairs/{id}", "delete", rule=_RULE + "delete", query=ONE, doc="Delete a key pair"),
)
_SAFE_NAME = re.compile(r"[A-Za-z0-9_\- ]+")


class KeyPairs:
    """Handlers of :data:`ROUTES`. The rule of each route is asked once more for the user that the request names."""

    def __init__(self, database: Database, quota: Quota, max_limit: int) -> None:
        self._database = database
        self._quota = quota
        self._max_limit = max_limit

    def index(self, request: Request) -> dict[str, Any]:
        user_id = _user(request, "index")
        paged = request.version >= (2, 35)
        limit = paging.limit_of(request, self._max_limit) if paged else None
        marker = request.arg("marker") if paged else None
        with self._database.read() as conn:
            rows = table.page(conn, user_id, limit=limit, marker=marker)
        if rows is None:
            raise errors.Invalid(f"marker [{marker}] not found")
        body: dict[str, Any] = {"keypairs": [{"keypair": _view(request, row)} for row in rows]}
        if limit is not None and len(rows) == limit:
            body["keypairs_links"] = paging.next_link(request, "os-keypairs", rows[-1]["name"])
        return body

    def show(self, request: Request) -> dict[str, Any]:
        user_id = _user(request, "show")
        with self._database.read() as conn:
            row = table.get(conn, user_id, request.match["id"])
        if row is None:
            raise _missing(request.match["id"], user_id)
        item = _view(request, row)
        item |= {"user_id": user_id, "created_at": timestamps.micro(row["created_at"]), "deleted": False,
                 "deleted_at": None, "id": row["id"], "updated_at": timestamps.micro(row["updated_at"])}
        return {"keypair": item}

    def create(self, request: Request) -> Reply:
        wanted = request.body_json["keypair"]
        user_id = wanted.get("user_id") or _caller(request)
        request.authorize(_RULE + "create", {"user_id": user_id})
        name = wanted["name"]
        if request.version < (2, 92) and not _SAFE_NAME.fullmatch(name):
            raise errors.Invalid("Keypair data is invalid: Keypair name contains unsafe characters")
        kind = wanted.get("type", "ssh")
        private, public, fingerprint = _keys(kind, wanted.get("public_key"), user_id)
        item = {"type": kind} if request.version >= (2, 2) else {}
        item |= {"private_key": private} if private else {}
        item |= {"name": name, "public_key": public, "fingerprint": fingerprint, "user_id": user_id}
        reply = Reply({"keypair": item}, status=201 if request.version >= (2, 2) else 200)
        self._insert(request, user_id, name, kind, fingerprint, public, reply)
        return reply

    def delete(self, request: Request) -> Reply:
        user_id = _user(request, "delete")
        with self._database.write() as conn:
            record_events.key_pair(conn, request.context, "delete", table.get(conn, user_id, request.match["id"]))
            if not table.delete(conn, user_id, request.match["id"]):
                raise _missing(request.match["id"], user_id)
        return Reply(status=204 if request.version >= (2, 2) else 202)

    def _insert(self, request: Request, user_id: str, name: str, kind: str, fingerprint: str, public: str,
                reply: Reply) -> None:
        try:
            with self._database.write() as conn:
                limit = self._quota.limits(conn, request.context.project_id or "", user_id)["key_pairs"]
                self._quota.check_count("key_pairs", limit, table.count(conn, user_id) + 1)
                table.create(conn, user_id, name, kind, fingerprint, public)
                what = "import" if "public_key" in request.body_json["keypair"] else "create"
                record_events.key_pair(conn, request.context, what, {
                    "user_id": user_id, "name": name, "type": kind, "fingerprint": fingerprint, "public_key": public})
                request.promise(reply)
        except exc.IntegrityError as e:
            raise errors.Conflict(f"Key pair '{name}' already exists.") from e


def _keys(kind: str, public_key: str | None, user_id: str) -> tuple[str | None, str, str]:
    """Private key (None when imported), public key and fingerprint."""
    from nova.api.compute import sshkeys  # loads much of cryptography, which no other request needs

    if public_key is not None:
        fingerprint = sshkeys.ssh_fingerprint if kind == "ssh" else sshkeys.x509_fingerprint
        return None, public_key, fingerprint(public_key)
    if kind == "ssh":
        return concurrency.offload(sshkeys.generate_ssh)
    return concurrency.offload(sshkeys.generate_x509, user_id, concurrency.time())


def _caller(request: Request) -> str:
    return request.context.user_id or ""


def _user(request: Request, action: str) -> str:
    """Whose keys: the caller's, or from 2.10 those of the user that the query names, if the caller may."""
    user_id = request.arg("user_id") if request.version >= (2, 10) else None
    if user_id is None:
        return _caller(request)
    request.authorize(_RULE + action, {"user_id": user_id})
    return user_id


def _missing(name: str, user_id: str) -> errors.NotFound:
    return errors.NotFound(f"Keypair {name} not found for user {user_id}")


def _view(request: Request, row: dict[str, Any]) -> dict[str, Any]:
    item = {"name": row["name"], "public_key": row["public_key"], "fingerprint": row["fingerprint"]}
    if request.version >= (2, 2):
        item["type"] = row["type"]
    return item
