# SPDX-License-Identifier: Apache-2.0
"""Projects: what owns servers, images and networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import identity_projects, identity_roles, identity_users
from nova.identity.models import DEFAULT_DOMAIN, Project
from nova.identity.records import Records, require_domain

_DEEPEST = 5
_MOST_TAGS = 80


class Projects(Records[Project]):
    table, kind, word = identity_projects.projects, Project, "project"
    immutable = frozenset({"id", "domain_id", "parent_id"})

    def create(self, /, name: str, domain_id: str = DEFAULT_DOMAIN, **attributes: Any) -> Project:
        """A project in a domain, or below another project when ``parent_id`` names one."""
        if attributes.pop("is_domain", False):
            raise errors.Invalid("A project that is a domain cannot be made; make a domain.")
        parent_id = attributes.pop("parent_id", None)
        attributes["parent_id"] = None if parent_id in (None, domain_id) else parent_id
        with self._db.read() as conn:
            require_domain(conn, domain_id)
            if attributes["parent_id"]:
                self._check_parent(conn, attributes["parent_id"], domain_id)
        return self._create({"name": name, "domain_id": domain_id, **attributes})

    def _check_parent(self, conn: sa.Connection, parent_id: str, domain_id: str) -> None:
        parent = self._get(conn, parent_id)
        if parent.domain_id != domain_id:
            raise errors.Invalid("A project and its parent must be in the same domain.")
        if not parent.enabled:
            raise errors.Forbidden(f"Cannot create a project below the disabled project {parent_id}.")
        if len(ancestors(conn, parent_id)) + 2 > _DEEPEST:
            raise errors.Forbidden(f"Projects may be nested at most {_DEEPEST} deep.")

    def update(self, project_id: str, /, **changes: Any) -> Project:
        # The API shows the domain as the parent of a project at the top, and a client may send back what it saw.
        if changes.get("parent_id") and changes["parent_id"] == self.get(project_id).domain_id:
            changes["parent_id"] = None
        if changes.pop("is_domain", False):
            raise errors.Invalid(f"Attribute is_domain of project {project_id} cannot be changed.")

        def check(conn: sa.Connection, before: Project) -> dict[str, Any]:
            if changes.get("enabled") is False:
                self._check_no_children(conn, project_id, "disable", enabled_only=True)
            return {}
        return self._update(project_id, changes, check)

    def delete(self, project_id: str) -> None:
        def also(conn: sa.Connection, project: Project) -> None:
            self._check_no_children(conn, project_id, "delete", enabled_only=False)
            identity_roles.remove_assignments(conn, {"target_type": "project", "target_id": project_id})
            users = identity_users.users
            conn.execute(sa.update(users).where(users.c.default_project_id == project_id)
                         .values(default_project_id=None))
        self._delete(project_id, also)

    def _check_no_children(self, conn: sa.Connection, project_id: str, verb: str, *, enabled_only: bool) -> None:
        children = [self._get(conn, child) for child in identity_projects.children(conn, project_id)]
        if any(c.enabled or not enabled_only for c in children):
            raise errors.Forbidden(f"Cannot {verb} project {project_id}: there are projects below it.")

    def change_tags(self, project_id: str, change: Callable[[list[str]], list[str]]) -> list[str]:
        """Replace the tags by ``change`` of them, under the lock of the row."""
        def check(conn: sa.Connection, before: Project) -> dict[str, Any]:
            tags = list(dict.fromkeys(change(list(before.tags))))
            if len(tags) > _MOST_TAGS:
                raise errors.Invalid(f"A project may have at most {_MOST_TAGS} tags.")
            return {"tags": tags}
        return self._update(project_id, {}, check).tags


def ancestors(conn: sa.Connection, project_id: str) -> list[str]:
    """The projects above one, nearest first."""
    parents = identity_projects.parents(conn)
    found: list[str] = []
    while (parent := parents.get(project_id)) and parent not in found:
        found.append(parent)
        project_id = parent
    return found
