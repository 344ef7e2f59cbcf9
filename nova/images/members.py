# SPDX-License-Identifier: Apache-2.0
"""Members: the projects an image is shared with, and what they answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db.api import images as db
from nova.db.engine import Database
from nova.images import access, checks, model


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    image_id: str
    member: str
    status: str
    created_at: float
    updated_at: float


class Members:
    """The owner adds and removes members; a member answers for itself and sees only itself."""

    def __init__(self, database: Database, limits: model.Limits) -> None:
        self._db = database
        self._limits = limits

    def list(self, ctx: RequestContext, image_id: str) -> Sequence[Member]:
        with self._db.read() as conn:
            row = self._shared(access.readable(conn, ctx, image_id))
            only = None if access.owns(ctx, row) else ctx.project_id
            return [Member(**m) for m in db.members(conn, image_id, only)]

    def show(self, ctx: RequestContext, image_id: str, member: str) -> Member:
        with self._db.read() as conn:
            return self._get(conn, ctx, image_id, member)

    def add(self, ctx: RequestContext, image_id: str, member: str) -> Member:
        checks.check_text("member", member)
        if not member:
            raise errors.Invalid("Member can't be empty")

        def insert(conn: sa.Connection) -> Member:
            self._shared(access.writable(conn, ctx, image_id))
            known = [m["member"] for m in db.members(conn, image_id)]
            if member in known:
                raise errors.Conflict(f"Member {member} is already a member of image {image_id}")
            checks.check_amount("members", len(known) + 1, self._limits.members)
            now = concurrency.time()
            new = Member(image_id, member, "pending", now, now)
            db.insert_member(conn, dataclasses.asdict(new))
            return new

        try:
            return self._db.run(insert)
        except exc.IntegrityError:
            raise errors.Conflict(f"Member {member} is already a member of image {image_id}") from None

    def answer(self, ctx: RequestContext, image_id: str, member: str, status: str) -> Member:
        """The member accepts or rejects; its owner cannot do that for it."""
        if status not in model.MEMBER_STATUSES:
            raise errors.Invalid(f"status must be one of {', '.join(model.MEMBER_STATUSES)}")

        def change(conn: sa.Connection) -> Member:
            found = self._get(conn, ctx, image_id, member)
            if not ctx.is_admin and ctx.project_id != member:
                raise errors.Forbidden("You are not permitted to modify the membership of another project.")
            changed = dataclasses.replace(found, status=status, updated_at=concurrency.time())
            if not db.update_member(conn, image_id, member, status, changed.updated_at):
                raise _unknown(image_id, member)
            return changed

        return self._db.run(change)

    def remove(self, ctx: RequestContext, image_id: str, member: str) -> None:
        def delete(conn: sa.Connection) -> None:
            self._shared(access.writable(conn, ctx, image_id))
            if not db.remove_members(conn, image_id, member):
                raise _unknown(image_id, member)

        self._db.run(delete)

    def _get(self, conn: sa.Connection, ctx: RequestContext, image_id: str, member: str) -> Member:
        row = self._shared(access.readable(conn, ctx, image_id))
        checks.check_text("member", member)
        if not access.owns(ctx, row) and member != ctx.project_id:
            raise _unknown(image_id, member)
        found = db.members(conn, image_id, member)
        if not found:
            raise _unknown(image_id, member)
        return Member(**found[0])

    def _shared(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["visibility"] != "shared":
            raise errors.Forbidden("Only shared images have members.")
        return row


def _unknown(image_id: str, member: str) -> errors.NotFound:
    return errors.NotFound(f"Member {member[:255]} not found in image {image_id}")
