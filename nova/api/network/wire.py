# SPDX-License-Identifier: Apache-2.0
"""What all lists of the Networking API have in common (filters, fields, order, pages), and how it words its faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from nova import errors
from nova.web import paging
from nova.web.faults import Fault
from nova.web.request import Request

Item = dict[str, Any]
_CONTROLS = ("fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse")
_TYPES = {400: "BadRequest", 403: "PolicyNotAuthorized", 404: "NotFound", 409: "Conflict", 413: "OverQuota",
          503: "ServiceUnavailable"}
_MAX = 10_000


class NetworkFaults:
    """``{"NeutronError": {"type", "message", "detail"}}``."""

    def render(self, fault: Fault, environ: Mapping[str, Any]) -> tuple[str, bytes]:
        if fault.outer:
            return "application/json", orjson.dumps(
                {"error": {"code": fault.status, "title": fault.title, "message": fault.message}})
        kind = "OverQuota" if fault.code == errors.OverQuota.code else _TYPES.get(fault.status, fault.title)
        return "application/json", orjson.dumps(
            {"NeutronError": {"type": kind, "message": fault.message, "detail": ""}})


def listing(request: Request, collection: str, items: Sequence[Item]) -> dict[str, Any]:
    """The page that the query asks for. A name that no item has is no filter."""
    known = set(items[0]) if items else set[str]()
    filters = {name: values for name, values in request.args.items() if name in known and name not in _CONTROLS}
    found = [i for i in items if all(_matches(i[name], values) for name, values in filters.items())]
    for key, direction in reversed(list(zip(
            request.args.get("sort_key", []), request.args.get("sort_dir", ["asc"]) * _MAX, strict=False))):
        if key not in known:
            raise errors.Invalid(f"{key} is invalid attribute for sort_key")
        found.sort(key=lambda item: str(item[key] or ""), reverse=direction == "desc")
    limit = paging.limit_of(request, _MAX)
    marker = request.arg("marker")
    if marker is not None:
        place = next((n for n, item in enumerate(found) if item.get("id") == marker), None)
        if place is None:
            raise errors.Invalid(f"Marker {marker} could not be found.")
        found = found[place + 1:]
    document: dict[str, Any] = {collection: [chosen(request, item) for item in found[:limit]]}
    if len(found) > limit:
        document[f"{collection}_links"] = paging.next_link(request, f"v2.0/{collection}", found[limit - 1]["id"])
    return document


def _matches(value: Any, wanted: Sequence[str]) -> bool:
    if isinstance(value, bool):
        return str(value).lower() in {"true" if w in ("1", "True") else w.lower() for w in wanted}
    if isinstance(value, list):
        return any(_part(entry, w) for entry in value for w in wanted)
    return ("" if value is None else str(value)) in wanted


def _part(entry: Any, wanted: str) -> bool:
    """An entry of a list; of objects, a member is named: ``ip_address=10.0.0.3``."""
    if isinstance(entry, dict):
        name, _, value = wanted.partition("=")
        return str(entry.get(name)) == value
    return str(entry) == wanted


def chosen(request: Request, item: Item) -> Item:
    """The members that the query names, or all."""
    fields = [f for given in request.args.get("fields", ()) for f in given.split(",") if f]
    return {name: value for name, value in item.items() if name in fields} if fields else item


def project_of(request: Request, wanted: Mapping[str, Any]) -> str:
    """Whose a new resource is: administrators make them for any project."""
    own = request.context.project_id or ""
    named = wanted.get("project_id") or wanted.get("tenant_id") or own
    if named != own and not request.context.is_admin:
        raise errors.Forbidden("Only an administrator makes resources for another project.")
    return str(named)


def owned(project_id: str | None) -> Item:
    return {"project_id": project_id or "", "tenant_id": project_id or ""}
