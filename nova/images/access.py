# SPDX-License-Identifier: Apache-2.0
"""Who may see and who may change an image. Pure rules, as functions on rows and as SQL conditions on lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.context import RequestContext
from nova.db.api import images as db
from nova.images import checks


def owns(ctx: RequestContext, row: Mapping[str, Any]) -> bool:
    """True for administrators and for the project that owns the image."""
    return ctx.is_admin or (row["owner"] is not None and row["owner"] == ctx.project_id)


def visible_at_once(ctx: RequestContext, row: Mapping[str, Any]) -> bool:
    """True if the image can be shown without looking at its members."""
    return owns(ctx, row) or row["visibility"] in ("public", "community")


def not_found(image_id: str) -> errors.NotFound:
    return errors.NotFound(f"No image found with ID {image_id}")


def readable(conn: sa.Connection, ctx: RequestContext, image_id: str, *, lock: bool = False) -> dict[str, Any]:
    """The row of an image that ``ctx`` may see; for everyone else it does not exist."""
    row = db.get(conn, image_id, lock=lock) if checks.is_uuid(image_id) else None
    if row is None or row["deleted_at"] is not None:
        raise not_found(image_id)
    if visible_at_once(ctx, row):
        return row
    if row["visibility"] == "shared" and ctx.project_id and db.is_member(conn, image_id, ctx.project_id):
        return row
    raise not_found(image_id)


def writable(conn: sa.Connection, ctx: RequestContext, image_id: str, what: str = "modify") -> dict[str, Any]:
    """The row, locked, of an image that ``ctx`` may change; one that it only may see is Forbidden."""
    row = readable(conn, ctx, image_id, lock=True)
    if not owns(ctx, row):
        raise errors.Forbidden(f"You are not permitted to {what} this image.")
    return row


def check_visibility(ctx: RequestContext, visibility: str) -> None:
    """Only administrators publish an image to everyone."""
    if visibility == "public" and not ctx.is_admin:
        raise errors.Forbidden("You are not authorized to make an image public.")


def listed(ctx: RequestContext, visibility: str | None, member_status: str) -> sa.ColumnElement[bool]:
    """The condition that keeps a list to what ``ctx`` may see in it.

    ``visibility`` is the one asked for, ``all``, or None for the default: own, public, and shared with the project and
    accepted. Images of a community are listed only when asked for.
    """
    columns = db.images.c
    if ctx.is_admin:
        return sa.true() if visibility in (None, "all") else columns.visibility == visibility
    own = columns.owner == (ctx.project_id or "")
    shared = sa.and_(columns.visibility == "shared", _membership(ctx.project_id or "", member_status))
    by_kind: dict[str, sa.ColumnElement[bool]] = {
        "public": columns.visibility == "public",
        "private": sa.and_(own, columns.visibility == "private"),
        "shared": sa.or_(sa.and_(own, columns.visibility == "shared"), shared),
        "community": columns.visibility == "community",
    }
    if visibility is None:
        return sa.or_(own, by_kind["public"], shared)
    if visibility == "all":
        return sa.or_(own, by_kind["public"], by_kind["community"], shared)
    return by_kind[visibility]


def _membership(project_id: str, status: str) -> sa.ColumnElement[bool]:
    members = db.image_members.c
    condition = sa.and_(members.image_id == db.images.c.id, members.member == project_id)
    if status != "all":
        condition = sa.and_(condition, members.status == status)
    return sa.exists().where(condition)
