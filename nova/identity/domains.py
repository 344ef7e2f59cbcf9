# SPDX-License-Identifier: Apache-2.0
"""Domains: the name spaces of users, groups and projects."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import identity as db
from nova.db.api import identity_projects, identity_roles, identity_users
from nova.identity.models import DEFAULT_DOMAIN, Domain
from nova.identity.records import Records


class Domains(Records[Domain]):
    table, kind, word = identity_projects.domains, Domain, "domain"

    def create(self, /, name: str, **attributes: Any) -> Domain:
        return self._create({"name": name, **attributes})

    def update(self, domain_id: str, /, **changes: Any) -> Domain:
        return self._update(domain_id, changes)

    def delete(self, domain_id: str) -> None:
        """Delete a disabled domain with all users, groups, projects and assignments in it."""
        self._delete(domain_id, self._empty)

    def _empty(self, conn: sa.Connection, domain: Domain) -> None:
        if domain.id == DEFAULT_DOMAIN:
            raise errors.Forbidden("Cannot delete the default domain.")
        if domain.enabled:
            raise errors.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
        inside = [("user", identity_users.users), ("group", identity_users.groups),
                  ("project", identity_projects.projects)]
        for kind, table in inside:
            side = "target" if kind == "project" else "actor"
            for row in db.find(conn, table, {"domain_id": domain.id}):
                identity_roles.remove_assignments(conn, {f"{side}_type": kind, f"{side}_id": row.id})
        identity_roles.remove_assignments(conn, {"target_type": "domain", "target_id": domain.id})
        conn.execute(sa.delete(identity_roles.roles).where(identity_roles.roles.c.domain_id == domain.id))
