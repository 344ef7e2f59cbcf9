# SPDX-License-Identifier: Apache-2.0
"""JSON schemas: those that request bodies must meet, and those that the API shows under ``/v2/schemas``."""

from __future__ import annotations

from typing import Any

from nova.images import model
from nova.images.model import Limits
from nova.web.routing import Resource, Route

_TEXT = {"type": ["null", "string"]}
_UUID = {"type": "string", "pattern": "^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_TAG = {"type": "string", "minLength": 1, "maxLength": 255}
_TIME = {"type": "string"}

MEMBER_CREATE: dict[str, Any] = {
    "type": "object", "required": ["member"], "additionalProperties": False,
    "properties": {"member": {"type": "string", "minLength": 1, "maxLength": 255}}}

MEMBER_UPDATE: dict[str, Any] = {
    "type": "object", "required": ["status"],
    "properties": {"status": {"type": "string", "enum": list(model.MEMBER_STATUSES)}}}

IMPORT: dict[str, Any] = {
    "type": "object", "required": ["method"], "additionalProperties": False,
    "properties": {
        "method": {"type": "object", "required": ["name"],
                   "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 255}}},
        "stores": {"type": "array", "items": {"type": "string"}, "maxItems": 16},
        "all_stores": {"type": "boolean"},
        "all_stores_must_succeed": {"type": "boolean"}}}

#: Operations of both patch media types; their paths and values are checked by :mod:`nova.api.image.patches`.
PATCH: dict[str, Any] = {"type": "array", "maxItems": 512, "items": {"type": "object"}}


def create(limits: Limits) -> dict[str, Any]:
    """The body of a create. Read-only names may be of any kind here: the library refuses them in better words."""
    properties = {**_writable(limits), "id": _UUID, "owner": {"type": ["null", "string"], "maxLength": 255},
                  "tags": {"type": "array", "items": _TAG, "maxItems": 1024}}
    properties |= {name: {} for name in (*model.READ_ONLY, *model.RESERVED)}
    return {"type": "object", "properties": properties,
            "additionalProperties": {"type": ["null", "string"], "maxLength": 65535}}


def _writable(limits: Limits) -> dict[str, Any]:
    return {
        "name": {"type": ["null", "string"], "maxLength": 255, "description": "Descriptive name for the image"},
        "visibility": {"type": "string", "enum": list(model.VISIBILITIES), "description": "Who may see the image"},
        "container_format": {"type": ["null", "string"], "enum": [None, *limits.container_formats],
                             "description": "Format of the container"},
        "disk_format": {"type": ["null", "string"], "enum": [None, *limits.disk_formats],
                        "description": "Format of the disk"},
        "min_disk": {**_COUNT, "description": "Gigabytes of disk that a server needs to boot from the image"},
        "min_ram": {**_COUNT, "description": "Megabytes of memory that a server needs to boot from the image"},
        "protected": {"type": "boolean", "description": "If true, the image cannot be deleted"},
        "os_hidden": {"type": "boolean", "description": "If true, lists leave the image out unless asked for it"},
    }


def image(limits: Limits) -> dict[str, Any]:
    """The schema document of an image."""
    kinds: dict[str, dict[str, Any]] = {
        "status": {"type": "string", "enum": list(model.STATUSES)},
        "size": {"type": ["null", "integer"]}, "virtual_size": {"type": ["null", "integer"]},
        "checksum": {**_TEXT, "maxLength": 32}, "os_hash_algo": {**_TEXT, "maxLength": 64},
        "os_hash_value": {**_TEXT, "maxLength": 128}, "created_at": _TIME, "updated_at": _TIME,
        "self": {"type": "string"}, "file": {"type": "string"}, "schema": {"type": "string"},
        "stores": {"type": "string"}}
    shown = {name: {**kind, "readOnly": True} for name, kind in kinds.items()}
    return {
        "name": "image",
        "properties": {"id": _UUID, **_writable(limits), "owner": {**_TEXT, "maxLength": 255},
                       "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}}, **shown},
        "additionalProperties": {"type": "string"},
        "links": [{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"},
                  {"rel": "describedby", "href": "{schema}"}]}


MEMBER: dict[str, Any] = {
    "name": "member",
    "properties": {
        "member_id": {"type": "string", "description": "The project that the image is shared with"},
        "image_id": _UUID, "created_at": _TIME, "updated_at": _TIME,
        "status": {"type": "string", "enum": list(model.MEMBER_STATUSES)},
        "schema": {"type": "string", "readOnly": True}}}


def collection(name: str, plural: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": plural,
        "properties": {plural: {"type": "array", "items": item}, "first": {"type": "string"},
                       "next": {"type": "string"}, "schema": {"type": "string"}},
        "links": [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"},
                  {"rel": "describedby", "href": "{schema}"}]}


ROUTES = (
    Route("GET", "/v2/schemas/image", "image", doc="Show the schema of an image"),
    Route("GET", "/v2/schemas/images", "images", doc="Show the schema of a list of images"),
    Route("GET", "/v2/schemas/member", "member", doc="Show the schema of a member"),
    Route("GET", "/v2/schemas/members", "members", doc="Show the schema of a list of members"),
)


class SchemaController:
    def __init__(self, limits: Limits) -> None:
        self._image = image(limits)

    def image(self, request: Any) -> dict[str, Any]:
        return self._image

    def images(self, request: Any) -> dict[str, Any]:
        return collection("image", "images", self._image)

    def member(self, request: Any) -> dict[str, Any]:
        return MEMBER

    def members(self, request: Any) -> dict[str, Any]:
        return collection("member", "members", MEMBER)


def resource(limits: Limits) -> Resource:
    return Resource(ROUTES, SchemaController(limits))
