# SPDX-License-Identifier: Apache-2.0
"""Tables and queries of image records: images, properties, tags, members, where the bytes lie. No rule of who may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata

images = schema.table(
    "images", metadata,
    sa.Column("id", schema.Uuid, primary_key=True),
    sa.Column("name", schema.Name),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("owner", schema.Name),
    sa.Column("container_format", sa.String(32)),
    sa.Column("disk_format", sa.String(32)),
    sa.Column("size", sa.BigInteger),
    sa.Column("virtual_size", sa.BigInteger),
    sa.Column("min_disk", sa.Integer, nullable=False, default=0),
    sa.Column("min_ram", sa.Integer, nullable=False, default=0),
    sa.Column("protected", sa.Boolean, nullable=False, default=False),
    sa.Column("os_hidden", sa.Boolean, nullable=False, default=False),
    sa.Column("checksum", sa.String(32)),
    sa.Column("os_hash_algo", sa.String(16)),
    sa.Column("os_hash_value", sa.String(128)),
    sa.Column("created_at", schema.Time, nullable=False),
    sa.Column("updated_at", schema.Time, nullable=False),
    sa.Column("deleted_at", schema.Time),
    sa.Column("upload_id", schema.Uuid),
    sa.Column("upload_seen", schema.Time),
    sa.Index(None, "created_at", "id"),
    sa.Index(None, "owner", "status"),
    sa.Index(None, "visibility", "status"),
    sa.Index(None, "upload_id"),
)

image_properties = schema.table(
    "image_properties", metadata,
    sa.Column("image_id", schema.Uuid, sa.ForeignKey("images.id"), primary_key=True),
    sa.Column("name", schema.Name, primary_key=True),
    sa.Column("value", schema.Text),
)

image_tags = schema.table(
    "image_tags", metadata,
    sa.Column("image_id", schema.Uuid, sa.ForeignKey("images.id"), primary_key=True),
    sa.Column("tag", schema.Name, primary_key=True),
)

image_members = schema.table(
    "image_members", metadata,
    sa.Column("image_id", schema.Uuid, sa.ForeignKey("images.id"), primary_key=True),
    sa.Column("member", schema.Name, primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", schema.Time, nullable=False),
    sa.Column("updated_at", schema.Time, nullable=False),
    sa.Index(None, "member", "status"),
)

#: ``path`` is relative to the store; ``state`` is staged, active or removing.
image_locations = schema.table(
    "image_locations", metadata,
    sa.Column("path", schema.Name, primary_key=True),
    sa.Column("image_id", schema.Uuid, nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("created_at", schema.Time, nullable=False),
)


def insert(conn: sa.Connection, values: Mapping[str, Any], properties: Mapping[str, str | None],
           tags: Iterable[str]) -> None:
    """A new image with its properties and tags; raises IntegrityError when the id was used before."""
    conn.execute(images.insert().values(**values))
    add_properties(conn, values["id"], properties)
    add_tags(conn, values["id"], tags)


def get(conn: sa.Connection, image_id: str, *, lock: bool = False) -> dict[str, Any] | None:
    """The row of an image, deleted ones too; ``lock`` holds off other writers of it until the transaction ends."""
    query = sa.select(images).where(images.c.id == image_id)
    row = conn.execute(query.with_for_update() if lock else query).mappings().first()
    return dict(row) if row else None


def find(conn: sa.Connection, where: Sequence[sa.ColumnElement[bool]], order: Sequence[sa.ColumnElement[Any]],
         limit: int) -> list[dict[str, Any]]:
    query = sa.select(images).where(*where).order_by(*order).limit(limit)
    return [dict(row) for row in conn.execute(query).mappings()]


def update(conn: sa.Connection, image_id: str, values: Mapping[str, Any],
           *conditions: sa.ColumnElement[bool]) -> bool:
    """Change an image that is not deleted and meets the conditions; tells whether it was there to be changed."""
    statement = images.update().where(images.c.id == image_id, images.c.deleted_at.is_(None), *conditions)
    return conn.execute(statement.values(**values)).rowcount == 1


def properties_of(conn: sa.Connection, ids: Sequence[str]) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {i: {} for i in ids}
    table = image_properties
    for image_id, name, value in conn.execute(
            sa.select(table.c.image_id, table.c.name, table.c.value).where(table.c.image_id.in_(ids))):
        found[image_id][name] = value
    return found


def tags_of(conn: sa.Connection, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {i: [] for i in ids}
    query = sa.select(image_tags).where(image_tags.c.image_id.in_(ids)).order_by(image_tags.c.tag)
    for image_id, tag in conn.execute(query):
        found[image_id].append(tag)
    return found


def add_properties(conn: sa.Connection, image_id: str, properties: Mapping[str, str | None]) -> None:
    if properties:
        conn.execute(image_properties.insert(),
                     [{"image_id": image_id, "name": n, "value": v} for n, v in properties.items()])


def remove_properties(conn: sa.Connection, image_id: str, names: Sequence[str] | None = None) -> None:
    """Remove the named properties, or all of them."""
    table = image_properties
    statement = table.delete().where(table.c.image_id == image_id)
    conn.execute(statement if names is None else statement.where(table.c.name.in_(names)))


def add_tags(conn: sa.Connection, image_id: str, tags: Iterable[str]) -> None:
    rows = [{"image_id": image_id, "tag": t} for t in dict.fromkeys(tags)]
    if rows:
        conn.execute(image_tags.insert(), rows)


def remove_tags(conn: sa.Connection, image_id: str, tags: Sequence[str] | None = None) -> int:
    """Remove the named tags, or all of them; returns how many there were."""
    statement = image_tags.delete().where(image_tags.c.image_id == image_id)
    return conn.execute(statement if tags is None else statement.where(image_tags.c.tag.in_(tags))).rowcount


def members(conn: sa.Connection, image_id: str, member: str | None = None) -> list[dict[str, Any]]:
    query = sa.select(image_members).where(image_members.c.image_id == image_id).order_by(
        image_members.c.created_at, image_members.c.member)
    if member is not None:
        query = query.where(image_members.c.member == member)
    return [dict(row) for row in conn.execute(query).mappings()]


def is_member(conn: sa.Connection, image_id: str, member: str) -> bool:
    return bool(members(conn, image_id, member))


def insert_member(conn: sa.Connection, values: Mapping[str, Any]) -> None:
    conn.execute(image_members.insert().values(**values))


def update_member(conn: sa.Connection, image_id: str, member: str, status: str, now: float) -> bool:
    table = image_members
    return conn.execute(table.update().where(table.c.image_id == image_id, table.c.member == member).values(
        status=status, updated_at=now)).rowcount == 1


def remove_members(conn: sa.Connection, image_id: str, member: str | None = None) -> int:
    statement = image_members.delete().where(image_members.c.image_id == image_id)
    return conn.execute(
        statement if member is None else statement.where(image_members.c.member == member)).rowcount


def location(conn: sa.Connection, image_id: str, state: str) -> str | None:
    """The path of an image's bytes in the given state."""
    table = image_locations
    return conn.execute(sa.select(table.c.path).where(
        table.c.image_id == image_id, table.c.state == state)).scalar()


def insert_location(conn: sa.Connection, image_id: str, path: str, state: str, now: float) -> None:
    conn.execute(image_locations.insert().values(image_id=image_id, path=path, state=state, created_at=now))


def set_location(conn: sa.Connection, image_id: str, state: str) -> None:
    """Change the state of every location of an image."""
    conn.execute(image_locations.update().where(image_locations.c.image_id == image_id).values(state=state))


def locations(conn: sa.Connection, state: str | None = None, limit: int | None = None) -> list[str]:
    query = sa.select(image_locations.c.path).limit(limit)
    if state is not None:
        query = query.where(image_locations.c.state == state)
    return list(conn.execute(query).scalars())


def known_paths(conn: sa.Connection, paths: Sequence[str]) -> set[str]:
    """Which of these paths belong to an image."""
    return set(conn.execute(sa.select(image_locations.c.path).where(image_locations.c.path.in_(paths))).scalars())


def remove_location(conn: sa.Connection, path: str) -> None:
    conn.execute(image_locations.delete().where(image_locations.c.path == path))


def begin_upload(conn: sa.Connection, image_id: str, status: str, upload_id: str, now: float) -> bool:
    """Take a queued image for one upload; the loser of two gets False."""
    return update(conn, image_id, {"status": status, "upload_id": upload_id, "upload_seen": schema.db_now(),
                                   "updated_at": now}, images.c.status == "queued")


def refresh_upload(conn: sa.Connection, image_id: str, upload_id: str) -> bool:
    return update(conn, image_id, {"upload_seen": schema.db_now()}, images.c.upload_id == upload_id)


def end_upload(conn: sa.Connection, image_id: str, upload_id: str, values: Mapping[str, Any]) -> bool:
    """Write the outcome of an upload, if it still holds the image."""
    return update(conn, image_id, {**values, "upload_id": None, "upload_seen": None},
                  images.c.upload_id == upload_id)


def abandoned_uploads(conn: sa.Connection, older_than: float) -> list[tuple[str, str]]:
    """(image id, upload id) of uploads that nobody has refreshed for ``older_than`` seconds."""
    rows = conn.execute(sa.select(images.c.id, images.c.upload_id).where(
        images.c.upload_id.is_not(None), images.c.deleted_at.is_(None),
        images.c.upload_seen < schema.db_now() - older_than))
    return [(row.id, row.upload_id) for row in rows]


def forget_deleted(conn: sa.Connection, before: float, limit: int = 500) -> int:
    """Drop the rows of images deleted before a time; returns how many went."""
    held = sa.select(image_locations.c.image_id)
    ids = list(conn.execute(sa.select(images.c.id).where(
        images.c.deleted_at < before, images.c.id.not_in(held)).limit(limit)).scalars())
    if ids:
        conn.execute(images.delete().where(images.c.id.in_(ids)))
    return len(ids)
