# SPDX-License-Identifier: Apache-2.0
"""Domains and the projects in them. What users may do in them is in ``identity_roles``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova.db import schema
from nova.db.api import metadata
from nova.db.api.identity import Id

domains = schema.table(
    "identity_domains", metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", schema.Name, nullable=False, unique=True),
    sa.Column("description", schema.Text, nullable=False, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("tags", schema.Json, nullable=False, default=list),
    sa.Column("options", schema.Json, nullable=False, default=dict),
    sa.Column("extra", schema.Json, nullable=False, default=dict),
)

projects = schema.table(
    "identity_projects", metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("domain_id", Id, sa.ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", schema.Name, nullable=False),
    sa.Column("parent_id", Id, nullable=True, index=True),
    sa.Column("description", schema.Text, nullable=False, default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("tags", schema.Json, nullable=False, default=list),
    sa.Column("options", schema.Json, nullable=False, default=dict),
    sa.Column("extra", schema.Json, nullable=False, default=dict),
    sa.UniqueConstraint("domain_id", "name"),
)


def children(conn: sa.Connection, project_id: str) -> list[str]:
    return list(conn.execute(sa.select(projects.c.id).where(projects.c.parent_id == project_id)).scalars())


def parents(conn: sa.Connection) -> dict[str, str | None]:
    """Project id → parent project id, over the few projects that have one."""
    query = sa.select(projects.c.id, projects.c.parent_id).where(projects.c.parent_id.is_not(None))
    return {row.id: row.parent_id for row in conn.execute(query)}


_WITH_DOMAIN = sa.select(
    projects.c.id, projects.c.name, projects.c.enabled, projects.c.domain_id, projects.c.parent_id,
    domains.c.name.label("domain_name"), domains.c.enabled.label("domain_enabled"),
).join(domains, domains.c.id == projects.c.domain_id).where(projects.c.id == sa.bindparam("project_id"))


def with_domain(conn: sa.Connection, project_id: str) -> Any:
    """The project with its domain's name and state, as tokens show it."""
    return conn.execute(_WITH_DOMAIN, {"project_id": project_id}).first()
