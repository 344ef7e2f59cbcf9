# SPDX-License-Identifier: Apache-2.0
"""Images through the Compute API (until 2.35), and their properties as metadata (until 2.38), for clients of old."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nova import errors
from nova.api.compute import schemas as s
from nova.api.compute import server_schemas
from nova.images.manager import Changes, Images
from nova.images.model import Image
from nova.images.query import Query
from nova.web import paging, timestamps
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query

#: Parameter → the image service's name for it.
_FILTERS = {"name": "name", "status": "status", "minRam": "min_ram", "minDisk": "min_disk",
            "changes-since": "updated_at"}
INDEX = query({name: s.TEXT for name in (*_FILTERS, "server", "type")} | s.PAGING)
_OLD, _META = ("2.1", "2.35"), ("2.1", "2.38")
_PATH = "/images/{image_id}/metadata"
ROUTES = (
    Route("GET", "/images", "index", query=INDEX, versions=_OLD, doc="List images"),
    Route("GET", "/images/detail", "detail", query=INDEX, versions=_OLD, doc="List images with details"),
    Route("GET", "/images/{id}", "show", versions=_OLD, doc="Show an image"),
    Route("DELETE", "/images/{id}", "delete", success=204, versions=_OLD, doc="Delete an image"),
    Route("GET", _PATH, "metadata", versions=_META, doc="List properties"),
    Route("POST", _PATH, "merge", body=server_schemas.METADATA, versions=_META, doc="Add or change properties"),
    Route("PUT", _PATH, "replace", body=server_schemas.METADATA, versions=_META, doc="Replace all properties"),
    Route("GET", _PATH + "/{id}", "show_item", versions=_META, doc="Show a property"),
    Route("PUT", _PATH + "/{id}", "set_item", body=server_schemas.META, versions=_META, doc="Set a property"),
    Route("DELETE", _PATH + "/{id}", "delete_item", success=204, versions=_META, doc="Remove a property"),
)
_STATUS = {"active": ("ACTIVE", 100), "queued": ("SAVING", 0), "saving": ("SAVING", 50), "uploading": ("SAVING", 50),
           "importing": ("SAVING", 75), "deleted": ("DELETED", 0), "pending_delete": ("DELETED", 0)}
_ASKED = {"ACTIVE": "active", "SAVING": "saving", "DELETED": "deleted", "ERROR": "killed"}


class ImageProxy:
    """Handlers of :data:`ROUTES`. ``endpoint`` is where the image service itself is, for the alternate links."""

    def __init__(self, images: Images, endpoint: str | None, max_limit: int) -> None:
        self._images = images
        self._endpoint = endpoint
        self._max_limit = max_limit

    def index(self, request: Request) -> dict[str, Any]:
        return self._list(request, "images", self._basic)

    def detail(self, request: Request) -> dict[str, Any]:
        return self._list(request, "images/detail", self._detailed)

    def show(self, request: Request) -> dict[str, Any]:
        return {"image": self._detailed(request, self._find(request, "id"))}

    def delete(self, request: Request) -> None:
        self._images.delete(request.context, self._find(request, "id").id)

    def metadata(self, request: Request) -> dict[str, Any]:
        return {"metadata": dict(self._find(request, "image_id").properties)}

    def merge(self, request: Request) -> dict[str, Any]:
        def merged(before: dict[str, str | None]) -> dict[str, str | None]:
            after: dict[str, str | None] = before | request.body_json["metadata"]
            request.promise({"metadata": after})
            return after

        return {"metadata": self._change(request, merged)}

    def replace(self, request: Request) -> dict[str, Any]:
        return {"metadata": self._change(request, lambda before: dict(request.body_json["metadata"]))}

    def show_item(self, request: Request) -> dict[str, Any]:
        properties, key = self._find(request, "image_id").properties, request.match["id"]
        if key not in properties:
            raise errors.NotFound("Metadata item was not found")
        return {"meta": {key: properties[key]}}

    def set_item(self, request: Request) -> dict[str, Any]:
        item, key = request.body_json["meta"], request.match["id"]
        if key not in item:
            raise errors.Invalid("Request body and URI mismatch")
        self._change(request, lambda before: before | item)
        return {"meta": item}

    def delete_item(self, request: Request) -> None:
        key = request.match["id"]

        def without(before: dict[str, str | None]) -> dict[str, str | None]:
            if key not in before:
                raise errors.NotFound("Metadata item was not found")
            return {k: v for k, v in before.items() if k != key}

        self._change(request, without)

    def _list(self, request: Request, path: str, view: Callable[[Request, Image], dict[str, Any]]) -> dict[str, Any]:
        limit = paging.limit_of(request, self._max_limit)
        found = self._images.list(request.context, Query(_filters(request), limit=limit, marker=request.arg("marker")))
        body: dict[str, Any] = {"images": [view(request, image) for image in found]}
        if found and len(found) == limit and "limit" in request.args:
            body["images_links"] = paging.next_link(request, path, found[-1].id)
        return body

    def _find(self, request: Request, name: str) -> Image:
        return self._images.show(request.context, request.match[name].lower())

    def _change(self, request: Request, change: Callable[[dict[str, str | None]], dict[str, str | None]]
                ) -> Mapping[str, str | None]:
        def edit(image: Image) -> Changes:
            before = dict(image.properties)
            after = change(dict(before))
            return Changes(properties=after, removed=[key for key in before if key not in after])

        return dict(self._images.update(request.context, self._find(request, "image_id").id, edit).properties)

    def _basic(self, request: Request, image: Image) -> dict[str, Any]:
        there = (self._endpoint or request.root_url).rstrip("/")
        links = [*request.links("images", image.id), {
            "rel": "alternate", "type": "application/vnd.openstack.image", "href": f"{there}/images/{image.id}"}]
        return {"id": image.id, "name": image.name, "links": links}

    def _detailed(self, request: Request, image: Image) -> dict[str, Any]:
        status, progress = _STATUS.get(image.status, ("UNKNOWN", 0))
        item = self._basic(request, image) | {
            "status": status, "progress": progress, "minRam": image.min_ram, "minDisk": image.min_disk,
            "metadata": dict(image.properties), "created": timestamps.iso(image.created_at),
            "updated": timestamps.iso(image.updated_at), "OS-EXT-IMG-SIZE:size": image.size}
        automatic = image.properties.get("auto_disk_config")
        if automatic is not None:
            item["OS-DCF:diskConfig"] = "AUTO" if s.is_true(automatic) else "MANUAL"
        server = image.properties.get("instance_uuid")
        if server:
            item["server"] = {"id": server, "links": request.links("servers", server)}
        return item


def _filters(request: Request) -> list[tuple[str, str]]:
    """The filters in the image service's words."""
    found = []
    for name, known in _FILTERS.items():
        value = request.arg(name)
        if value is None:
            continue
        if name == "status":
            value = _ASKED.get(value.upper(), value)
        found.append((known, f"gte:{value}" if name == "changes-since" else value))
    server = request.arg("server")
    if server:
        found.append(("instance_uuid", server.rstrip("/").rpartition("/")[2]))
    kind = request.arg("type")
    if kind:
        found.append(("image_type", kind))
    return found
