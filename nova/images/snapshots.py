# SPDX-License-Identifier: Apache-2.0
"""Images that are made of servers: what their records say, how hosts may fill them, and when they go again.

A record has its id before anything else happens, so whoever makes, fills or removes it may do so twice. The bytes go
from the host to the store over HTTP; nothing of them is here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.context import RequestContext, service_context
from nova.db.api import images as db
from nova.images import checks
from nova.images.manager import Images
from nova.images.query import Query

LOG = logging.getLogger(__name__)
#: Properties that belong to one image and not to the disk in it, whatever the operator adds to them.
_OWN = frozenset({"image_type", "instance_uuid", "user_id", "owner_id", "base_image_ref", "boot_roles", "backup_type",
                  "kernel_id", "ramdisk_id", "image_location", "image_state"})
_SIGNATURE = "img_signature"
_PAGE = 500

Record = dict[str, Any]


class Snapshots:
    """``disk_format`` is what snapshots are kept as; ``withheld`` are names of properties that are not passed on."""

    def __init__(self, images: Images, *, disk_format: str = "qcow2", withheld: tuple[str, ...] = ()) -> None:
        self._images, self._format, self._withheld = images, disk_format, frozenset(withheld)

    @classmethod
    def from_conf(cls, conf: Any, database: Any) -> Snapshots:
        return cls(Images.from_conf(conf, database), disk_format=conf.image.snapshot_image_format,
                   withheld=tuple(conf.non_inheritable_image_properties))

    def describe(self, ctx: RequestContext, server: Mapping[str, Any], image_id: str, name: str, kind: str,
                 more: Mapping[str, str] | None = None) -> Record:
        """The record of a new image of a server, as plain JSON. ``kind`` is snapshot or backup; ``more`` are properties
        that the user gives. Raises what the Image API would raise for them."""
        inherited = {k: v for k, v in (server["image_properties"] or {}).items()
                     if v is not None and k not in _OWN | self._withheld and not k.startswith(_SIGNATURE)}
        properties = inherited | {
            "image_type": kind, "instance_uuid": server["uuid"], "user_id": ctx.user_id or "",
            "owner_id": server["project_id"], "base_image_ref": server["image_ref"] or "",
            "boot_roles": ",".join(sorted(ctx.roles)), "image_location": "snapshot", "image_state": "available",
            **(more or {})}
        checks.check_text("name", name)
        checks.check_properties(properties)
        checks.check_amount("properties", len(properties), self._images.limits.properties)
        least_disk, least_memory = self._base(server["image_ref"])
        return {"id": image_id, "name": name, "owner": server["project_id"], "visibility": "private",
                "container_format": "bare", "disk_format": self._format,
                "min_disk": max(least_disk, server["root_gb"]), "min_ram": least_memory, "properties": properties}

    def _base(self, image_id: str | None) -> tuple[int, int]:
        try:
            image = self._images.show(service_context(), image_id) if image_id else None
        except errors.NotFound:
            image = None
        return (image.min_disk, image.min_ram) if image else (0, 0)

    def register(self, conn: sa.Connection, record: Record) -> None:
        """Have the record, queued, in the caller's transaction of the API database. One that was there before, or was
        deleted since, stays as it is."""
        if db.get(conn, record["id"]) is None:
            values = {k: v for k, v in record.items() if k != "properties"}
            db.insert(conn, self._images.new_row(service_context(), values), record["properties"], ())

    def upload_url(self, image_id: str) -> str:
        """Where a host sends the bytes of this image, and of no other, for a while."""
        return self._images.signed_url(image_id, "PUT")

    def source(self, image_id: str) -> dict[str, Any]:
        """What a build from the image carries."""
        return self._images.source(service_context(), image_id)

    def discard(self, image_id: str) -> None:
        """Remove an image that did not get its bytes; a finished one is its owner's by now."""
        self._delete(image_id, unfinished=True)

    def remove(self, image_id: str) -> None:
        """Remove an image; one that is gone is fine."""
        self._delete(image_id, unfinished=False)

    def _delete(self, image_id: str, *, unfinished: bool) -> None:
        service = service_context()
        try:
            if unfinished and self._images.show(service, image_id).status in ("active", "deactivated"):
                return
            self._images.delete(service, image_id)
        except errors.NotFound:
            LOG.debug("image %s is gone already", image_id)
        except errors.Forbidden:
            LOG.info("image %s is protected and stays", image_id)

    def rotate(self, server_uuid: str, backup_type: str, keep: int) -> int:
        """Remove all but the ``keep`` newest backups of one type of a server; returns how many were to go."""
        filters = (("instance_uuid", server_uuid), ("image_type", "backup"), ("backup_type", backup_type),
                   ("visibility", "all"))
        found = self._images.list(service_context(), Query(filters=filters, sort=(("created_at", "desc"),),
                                                           limit=_PAGE))
        for image in found[keep:]:
            self.remove(image.id)
        return len(found[keep:])
