# SPDX-License-Identifier: Apache-2.0
"""Images and members as documents of the Image API, and its faults. Pure functions of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from nova.images import model
from nova.images.members import Member
from nova.web.faults import Fault
from nova.web.timestamps import iso

#: The one store there is.
STORE = "file"
_PLAIN = ("id", "name", "status", "visibility", "owner", "container_format", "disk_format", "size", "virtual_size",
          "min_disk", "min_ram", "protected", "os_hidden", "checksum", "os_hash_algo", "os_hash_value")


def image(value: model.Image) -> dict[str, Any]:
    """The document of an image; properties stand beside attributes and never hide one."""
    document: dict[str, Any] = dict(value.properties)
    document |= {name: getattr(value, name) for name in _PLAIN}
    document |= {"created_at": iso(value.created_at), "updated_at": iso(value.updated_at), "tags": list(value.tags),
                 "self": f"/v2/images/{value.id}", "file": f"/v2/images/{value.id}/file",
                 "schema": "/v2/schemas/image"}
    if value.status in ("active", "deactivated"):
        document["stores"] = STORE
    return document


def member(value: Member) -> dict[str, Any]:
    return {"member_id": value.member, "image_id": value.image_id, "status": value.status,
            "created_at": iso(value.created_at), "updated_at": iso(value.updated_at), "schema": "/v2/schemas/member"}


class ImageFaults:
    """``{"message", "code", "title"}`` as the API has it, and under ``error`` where client libraries look."""

    def render(self, fault: Fault, environ: Mapping[str, Any]) -> tuple[str, bytes]:
        return "application/json", orjson.dumps({
            "message": fault.message, "code": f"{fault.status} {fault.title}", "title": fault.title,
            "error": {"code": fault.status, "message": fault.message}})
