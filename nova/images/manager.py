# SPDX-License-Identifier: Apache-2.0
"""Image records: create, list, show, change, delete, tags; and what a build needs to know. Bytes are in ``data``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy import exc

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db.api import images as db
from nova.db.engine import Database
from nova.images import access, checks, model, query
from nova.images.data import ImageData
from nova.images.members import Members
from nova.images.model import Image, Limits
from nova.images.query import Query
from nova.images.signing import Keyring, UrlSigner
from nova.images.store import FileStore

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What an edit asks for. ``properties`` are set, ``removed`` are dropped; ``tags`` replace all tags unless None."""

    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    properties: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    removed: Sequence[str] = ()
    tags: Sequence[str] | None = None


class Images:
    """The images of a cloud. ``members`` and ``data`` hold what concerns sharing and bytes."""

    def __init__(self, database: Database, store: FileStore, signer: UrlSigner, limits: Limits, *,
                 endpoint: str | None = None, upload_timeout: float = 60.0, retention: float = 30 * 86400) -> None:
        self._db = database
        self._limits = limits
        self._signer = signer
        self._endpoint = endpoint
        self._retention = retention
        self.members = Members(database, limits)
        self.data = ImageData(database, store, upload_timeout=upload_timeout)

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts, database: Database) -> Images:
        section = conf.image
        store = FileStore(section.filesystem_store_datadir, cap=section.image_size_cap,
                          reserve=section.free_space_reserve)
        signer = UrlSigner(Keyring(section.signing_keys_dir), section.signed_url_ttl)
        return cls(database, store, signer, Limits.from_conf(conf), endpoint=section.public_endpoint,
                   upload_timeout=section.upload_timeout, retention=section.deleted_retention)

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def signer(self) -> UrlSigner:
        return self._signer

    # -- records

    def create(self, ctx: RequestContext, values: Mapping[str, Any], properties: Mapping[str, str | None] | None = None,
               tags: Sequence[str] = ()) -> Image:
        """A new queued image. ``values`` holds writable attributes and, if wished, ``id`` and (admin) ``owner``."""
        properties = properties or {}
        row = self.new_row(ctx, values)
        checks.check_properties(properties)
        checks.check_tags(tags)
        checks.check_amount("properties", len(properties), self._limits.properties)
        checks.check_amount("tags", len(set(tags)), self._limits.tags)
        try:
            self._db.run(lambda conn: db.insert(conn, row, properties, tags))
        except exc.IntegrityError:
            raise errors.Conflict(f"Image ID {row['id']} already exists!") from None
        return Image.from_row(row, dict(properties), sorted(set(tags)))

    def new_row(self, ctx: RequestContext, values: Mapping[str, Any]) -> Row:
        """A queued image as its table keeps it, checked; nothing is written."""
        row: Row = dict.fromkeys(model.COLUMNS)
        now = concurrency.time()
        row |= {"id": concurrency.uuid4(), "status": "queued", "visibility": "shared", "owner": ctx.project_id,
                "min_disk": 0, "min_ram": 0, "protected": False, "os_hidden": False, "created_at": now,
                "updated_at": now}
        allowed = (*model.WRITABLE, "owner", "id")
        unknown = [n for n in values if n not in allowed]
        if unknown:
            raise errors.Forbidden(f"Attribute '{unknown[0]}' is read-only.")
        row |= values
        checks.check_values({n: row[n] for n in (*model.WRITABLE, "owner")}, self._limits)
        checks.check_formats(row["disk_format"], row["container_format"])
        access.check_visibility(ctx, row["visibility"])
        if row["owner"] != ctx.project_id and not ctx.is_admin:
            raise errors.Forbidden("You are not permitted to create images owned by another project.")
        if not isinstance(row["id"], str) or not checks.is_uuid(row["id"].lower()):
            raise errors.Invalid("The id of an image must be a UUID")
        row["id"] = row["id"].lower()
        return row

    def show(self, ctx: RequestContext, image_id: str) -> Image:
        with self._db.read() as conn:
            return self._load(conn, [access.readable(conn, ctx, image_id)])[0]

    def list(self, ctx: RequestContext, asked: Query | None = None) -> Sequence[Image]:
        """A page of images: at most ``limit`` of those that come after ``marker``."""
        asked = asked or Query()
        visibility, status = self._scope(asked)
        where = [access.listed(ctx, visibility, status), *query.conditions(asked)]
        order = query.order_columns(asked.sort)
        limit = self.page_size(asked.limit)
        with self._db.read() as conn:
            if asked.marker is not None:
                where.append(query.after(order, self._marker(conn, ctx, asked.marker)))
            rows = db.find(conn, where, query.order_by(order), limit) if limit else []
            return self._load(conn, rows)

    def page_size(self, limit: int | None) -> int:
        """How many images a page holds when ``limit`` was asked for."""
        return min(self._limits.page if limit is None else limit, self._limits.page_max)

    def _scope(self, asked: Query) -> tuple[str | None, str]:
        visibility = asked.last("visibility")
        if visibility is not None and visibility not in (*model.VISIBILITIES, "all"):
            raise errors.Invalid(f"Invalid visibility value: {visibility[:64]}")
        status = asked.last("member_status") or "accepted"
        if status not in (*model.MEMBER_STATUSES, "all"):
            raise errors.Invalid(f"Invalid member_status value: {status[:64]}")
        return visibility, status

    def _marker(self, conn: sa.Connection, ctx: RequestContext, marker: str) -> Row:
        try:
            return access.readable(conn, ctx, marker)
        except errors.NotFound:
            raise errors.Invalid(f"Invalid marker. Image could not be found: {marker[:64]}") from None

    def _load(self, conn: sa.Connection, rows: Sequence[Row]) -> Sequence[Image]:
        if not rows:
            return []
        ids = [row["id"] for row in rows]
        properties, tags = db.properties_of(conn, ids), db.tags_of(conn, ids)
        return [Image.from_row(row, properties[row["id"]], tags[row["id"]]) for row in rows]

    def update(self, ctx: RequestContext, image_id: str, edit: Callable[[Image], Changes]) -> Image:
        """Apply ``edit`` to the image as it is when nobody else changes it; ``edit`` may run more than once."""
        return self._db.run(lambda conn: self._update(conn, ctx, image_id, edit))

    def _update(self, conn: sa.Connection, ctx: RequestContext, image_id: str,
                edit: Callable[[Image], Changes]) -> Image:
        row = access.writable(conn, ctx, image_id)
        before = self._load(conn, [row])[0]
        changes = edit(before)
        values = self._check_changes(ctx, before, changes)
        properties = {n: v for n, v in before.properties.items() if n not in changes.removed}
        properties |= changes.properties
        if len(properties) > len(before.properties):
            checks.check_amount("properties", len(properties), self._limits.properties)
        tags = before.tags if changes.tags is None else tuple(sorted(set(changes.tags)))
        checks.check_amount("tags", len(tags), self._limits.tags)
        values["updated_at"] = concurrency.time()
        db.update(conn, image_id, values)
        if changes.removed or changes.properties:
            db.remove_properties(conn, image_id, [*changes.removed, *changes.properties])
            db.add_properties(conn, image_id, changes.properties)
        if tags != before.tags:
            db.remove_tags(conn, image_id)
            db.add_tags(conn, image_id, tags)
        return Image.from_row(row | values, properties, list(tags))

    def _check_changes(self, ctx: RequestContext, before: Image, changes: Changes) -> Row:
        values = dict(changes.values)
        for name in values:
            if name not in model.WRITABLE and not (name == "owner" and ctx.is_admin):
                raise errors.Forbidden(f"Attribute '{name}' is read-only.")
        checks.check_values(values, self._limits)
        checks.check_properties(changes.properties)
        checks.check_tags(changes.tags or ())
        for name in ("disk_format", "container_format"):
            if name in values and values[name] != getattr(before, name) and before.status != "queued":
                raise errors.Forbidden(f"Attribute {name} can be only replaced for a queued image.")
        checks.check_formats(values.get("disk_format", before.disk_format),
                             values.get("container_format", before.container_format))
        if values.get("visibility", before.visibility) != before.visibility:
            access.check_visibility(ctx, values["visibility"])
        return values

    def delete(self, ctx: RequestContext, image_id: str) -> None:
        """Delete an image and its bytes; a protected one is Forbidden."""

        def mark(conn: sa.Connection) -> None:
            row = access.writable(conn, ctx, image_id, "delete")
            if row["protected"]:
                raise errors.Forbidden(f"Image {image_id} is protected and cannot be deleted.")
            now = concurrency.time()
            db.update(conn, image_id, {"status": "deleted", "deleted_at": now, "updated_at": now, "upload_id": None})
            db.set_location(conn, image_id, "removing")
            db.remove_properties(conn, image_id)
            db.remove_tags(conn, image_id)
            db.remove_members(conn, image_id)

        self._db.run(mark)
        self.data.remove_marked()

    # -- tags

    def add_tag(self, ctx: RequestContext, image_id: str, tag: str) -> None:
        self.update(ctx, image_id, lambda image: Changes(tags=[*image.tags, tag]))

    def remove_tag(self, ctx: RequestContext, image_id: str, tag: str) -> None:
        def without(image: Image) -> Changes:
            if tag not in image.tags:
                raise errors.NotFound(f"Image {image_id} does not have the tag {tag[:255]!r}")
            return Changes(tags=[t for t in image.tags if t != tag])

        self.update(ctx, image_id, without)

    # -- what a build needs

    def reference(self, ctx: RequestContext, image_id: str) -> Image:
        """The image that a server request names; Invalid with the Compute API's words when it cannot be used."""
        try:
            image = self.show(ctx, image_id)
        except errors.NotFound:
            raise errors.Invalid("Can not find requested image") from None
        if image.status != "active":
            raise errors.Invalid(f"Image {image_id} is not active.")
        return image

    def signed_url(self, image_id: str, method: str = "GET") -> str:
        """Lets a host read an image's bytes, or with ``PUT`` send them, without a token and for a while (see
        ``[image]signed_url_ttl``)."""
        if not self._endpoint:
            raise errors.ConfigError("[image]public_endpoint is not set; give the URL under which hosts reach the "
                                     "Image API, e.g. http://controller:8774/image")
        return self._signer.url(self._endpoint, image_id, method)

    def source(self, ctx: RequestContext, image_id: str) -> dict[str, Any]:
        """What a build carries, with a signed URL."""
        image = self.reference(ctx, image_id)
        return {"id": image.id, "name": image.name, "url": self.signed_url(image.id),
                "size": image.size, "virtual_size": image.virtual_size, "disk_format": image.disk_format,
                "container_format": image.container_format, "checksum": image.checksum,
                "hash_algo": image.os_hash_algo, "hash_value": image.os_hash_value, "min_disk": image.min_disk,
                "min_ram": image.min_ram, "properties": dict(image.properties)}

    def sweep(self) -> None:
        """Queue images of abandoned uploads again, remove files of no image, forget images deleted long ago."""
        self.data.sweep()
        self._db.run(lambda conn: db.forget_deleted(conn, concurrency.time() - self._retention))

    def run_sweeper(self, stop: Any, interval: float) -> None:
        """Sweep until ``stop`` (a concurrency event) is set; a failed sweep is logged and the next one tries again."""
        while not stop.wait(interval):
            self.data.guarded(self.sweep)
