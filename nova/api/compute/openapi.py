# SPDX-License-Identifier: Apache-2.0
"""``GET /openapi.json``: the Compute API at one microversion, for generators of clients and for machines that test.

The document is made from the routes (:mod:`nova.web.openapi`); here stands what they do not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from nova.api.compute import openapi_records as records
from nova.api.compute import versions
from nova.web import openapi
from nova.web.reply import REASONS, Reply
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query
from nova.web.versions import Version, VersionRefused, parse

Schema = dict[str, Any]
ROUTES = (
    Route("GET", "/", "show", query=query({"microversion": {"type": "string", "maxLength": 16}}, strict=True),
          doc="This API as an OpenAPI document; ?microversion=2.N, the newest without"),
)
_ABOUT = ("The OpenStack Compute API at one microversion. Every request names it in the header OpenStack-API-Version; "
          "`x-nova-microversions` tells since when and until when an operation is served, `x-nova-policy` the rule of "
          "the policy that decides who may call it. Bodies of /action paths have one key, the action.")
_SERVER = "@server@"

#: Errors that any request may meet: a body or query that means nothing, no token, no right, an old microversion.
_ANY = (400, 401, 403, 404, 406)
#: Beside what changes a server and what makes something, these may find a state that does not allow them.
_CONFLICTS = frozenset({
    "PUT /flavors/{}/os-extra_specs/{}", "PUT /os-aggregates/{}", "DELETE /os-aggregates/{}", "DELETE /os-services/{}",
    "DELETE /os-floating-ips/{}", "DELETE /os-security-group-rules/{}", "DELETE /os-security-groups/{}",
    "DELETE /images/{}", "PUT /images/{}/metadata", "PUT /images/{}/metadata/{}", "DELETE /images/{}/metadata/{}",
    "GET /servers/{}/diagnostics"})
#: Not every host, and not every cloud, can do these.
_ABILITIES = re.compile(r"/servers/{}/(action|diagnostics|os-interface|remote-consoles)|/os-baremetal-nodes"
                        r"|/os-hosts/{}|/os-hypervisors/{}/uptime")
#: Paths that reach into cells or other services, which may be silent.
_REACHING = ("/servers", "/os-volumes", "/os-snapshots", "/os-migrations", "/os-server-external-events",
             "/os-assisted-volume-snapshots")
_FAULT = {"type": "object", "required": ["code", "message"],
          "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "retryAfter": {"type": "string"}}}
#: Before a request reaches the API proper, its faults have these forms.
_OUTER = {"type": "object", "required": ["message", "code", "title"],
          "properties": {name: {"type": "string"} for name in ("message", "code", "title")}}
_TOKEN_FAULT = {"type": "object", "required": ["error"], "properties": {"error": {
    "type": "object", "required": ["code", "title", "message"],
    "properties": {"code": {"type": "integer"}, "title": {"type": "string"}, "message": {"type": "string"}}}}}
_NAMES = {400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
          409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented",
          503: "serviceUnavailable"}
_FAILURES = (400, 401, 403, 404, 406, 409, 410, 413, 415, 422, 501, 503)


def shape(route: Route) -> str:
    """``METHOD /path/{} action``: an operation by what clients see of it."""
    path = re.sub(r"{[^}]+}", "{}", route.path)
    return f"{route.method} {path}" + (f" {route.action}" if route.action else "")


def _aliased(operation: str) -> str:
    """``os-volumes_boot`` is a second name for servers."""
    return operation.replace("/os-volumes_boot", "/servers", 1)


def _successes(route: Route, version: Version) -> Sequence[int]:
    match shape(route):
        case "POST /os-keypairs":
            return (201,) if version >= (2, 2) else (200,)
        case "DELETE /os-keypairs/{}":
            return (204,) if version >= (2, 2) else (202,)
        case "PUT /servers/{}/tags/{}":
            return 201, 204
        case "POST /os-server-external-events":
            return 200, 207
        case "POST /servers/{}/os-volume_attachments":
            return (202,) if version >= (2, 101) else (200,)
    return (410,) if route.handler == "gone" else (route.success,)


def _failures(route: Route) -> Iterable[int]:
    if route.rule is None:
        return 400, 404, 406
    operation = _aliased(shape(route))
    path = operation.split()[1]
    found = [*_ANY]
    if route.method in ("POST", "PUT", "PATCH"):
        found += [413, 415]
    if operation in _CONFLICTS or route.method != "GET" and path.startswith("/servers"):
        found.append(409)
    if route.method == "POST":
        found += [409, 422]
    if _ABILITIES.search(path):
        found.append(501)
    if path.startswith(_REACHING):
        found.append(503)
    return found


def _answer(route: Route, version: Version) -> Schema | None:
    operation = _aliased(shape(route))
    if operation == "GET /servers/events":
        return {"type": "string", "description": "Server-sent events, without an end."}
    if operation == "POST /servers":
        return {"anyOf": [
            {"type": "object", "required": ["server"],
             "properties": {"server": {"$ref": "#/components/schemas/created_server"}}},
            {"type": "object", "required": ["reservation_id"], "properties": {"reservation_id": {"type": "string"}}}]}
    if operation == "POST /servers/{}/os-volume_attachments" and version < (2, 101):
        return records.answer("GET /servers/{}/os-volume_attachments/{}")
    if operation == "POST /servers/{}/action rebuild":
        return {"type": "object", "required": ["server"],
                "properties": {"server": {"$ref": "#/components/schemas/server"}}}
    if operation.endswith((" createImage", " createBackup")) and version >= (2, 45):
        return {"type": "object", "required": ["image_id"], "properties": {"image_id": {"type": "string"}}}
    return records.answer(operation)


def _headers(route: Route, version: Version) -> Sequence[Schema]:
    if route.rule is None:
        return ()
    made = [{"$ref": "#/components/parameters/microversion"}]
    if route.method == "POST":
        made.append({"$ref": "#/components/parameters/idempotency_key"})
    return made


def _response(status: int) -> Schema:
    name = _NAMES.get(status, "computeFault")
    forms: list[Schema] = [{"type": "object", "required": [name], "properties": {name: _FAULT}}]
    if status == 401:
        forms.append(_TOKEN_FAULT)
    elif status in (400, 404, 413):
        forms.append(_OUTER)
    return {"description": REASONS[status],
            "content": {"application/json": {"schema": forms[0] if len(forms) == 1 else {"anyOf": forms}}}}


def _components(version: Version) -> dict[str, Any]:
    wanted = {"name": "OpenStack-API-Version", "in": "header", "required": version != versions.MICROVERSIONS.minimum,
              "description": "The microversion that this document describes.",
              "schema": {"type": "string", "enum": [f"compute {version}"]}}
    key = {"name": "Idempotency-Key", "in": "header", "required": False,
           "description": "The same key again gives the first answer again; with another request it is refused.",
           "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}}
    return {"schemas": records.components(version), "responses": {str(code): _response(code) for code in _FAILURES},
            "parameters": {"microversion": wanted, "idempotency_key": key},
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token",
                                          "description": "A token of the identity service"}}}


def description(version: Version) -> openapi.Description:
    return openapi.Description(
        title="Compute API", about=_ABOUT, components=_components(version), successes=_successes, failures=_failures,
        answer=_answer, headers=_headers, repeated=frozenset({"sort_key", "sort_dir", "status", "server", "event"}),
        media_types={"/servers/events": "text/event-stream"})


class OpenApi:
    """Handler of :data:`ROUTES`. A document is made once per microversion and kept."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """``routes`` are those of the versioned API, which is mounted next to this."""
        self._routes = routes
        self._kept: dict[Version, bytes] = {}

    def show(self, request: Request) -> Reply:
        asked = (request.arg("microversion") or "latest").lower()
        newest, oldest = versions.MICROVERSIONS.maximum, versions.MICROVERSIONS.minimum
        version = newest if asked == "latest" else parse(asked)
        if not oldest <= version <= newest:
            raise VersionRefused(version, oldest, newest)
        server = orjson.dumps(f"{request.root_url}/v2.1")
        return Reply(self._document(version).replace(b'"%s"' % _SERVER.encode(), server))

    def _document(self, version: Version) -> bytes:
        kept = self._kept.get(version)
        if kept is None:
            made = openapi.document(self._routes, version, description(version), _SERVER)
            kept = self._kept[version] = orjson.dumps(made)
        return kept
