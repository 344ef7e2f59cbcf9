# SPDX-License-Identifier: Apache-2.0
"""Application credentials, and the tokens that were revoked before their time."""

from __future__ import annotations

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata
from nova.db.api.identity import Id

application_credentials = schema.table(
    "identity_application_credentials", metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("identity_users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("project_id", Id, sa.ForeignKey("identity_projects.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("name", schema.Name, nullable=False),
    sa.Column("description", schema.Text, nullable=False, default=""),
    sa.Column("secret_hash", sa.String(255), nullable=False),
    sa.Column("role_ids", schema.Json, nullable=False, default=list),
    sa.Column("expires_at", schema.Time, nullable=True),
    sa.Column("unrestricted", sa.Boolean, nullable=False, default=False),
    sa.Column("access_rules", schema.Json, nullable=True, comment="null: no rules; else all that is allowed"),
    sa.Column("created_at", schema.Time, nullable=False),
    sa.UniqueConstraint("user_id", "name"),
)

revocations = schema.table(
    "identity_revocations", metadata,
    sa.Column("audit_id", sa.String(32), primary_key=True),
    sa.Column("expires_at", schema.Time, nullable=False, index=True),
)


def revoke(conn: sa.Connection, audit_id: str, expires_at: float) -> None:
    if not is_revoked(conn, audit_id):
        conn.execute(sa.insert(revocations).values(audit_id=audit_id, expires_at=expires_at))


_REVOKED = sa.select(revocations.c.audit_id).where(revocations.c.audit_id == sa.bindparam("audit_id"))


def is_revoked(conn: sa.Connection, audit_id: str) -> bool:
    return conn.execute(_REVOKED, {"audit_id": audit_id}).first() is not None


def prune(conn: sa.Connection, before: float) -> int:
    """Forget revocations of tokens that have expired by themselves."""
    return int(conn.execute(sa.delete(revocations).where(revocations.c.expires_at < before)).rowcount)
