# SPDX-License-Identifier: Apache-2.0
"""Roles and which role implies which. Who has them is in ``assignments``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import identity as db
from nova.db.api import identity_roles
from nova.identity.models import Role
from nova.identity.records import Records, require_domain


@dataclasses.dataclass(frozen=True, slots=True)
class RoleGraph:
    """All roles and implications at one moment: small, read as a whole, cached."""

    roles: Mapping[str, Role]
    implied: Mapping[str, frozenset[str]]

    def expand(self, role_ids: Iterable[str]) -> dict[str, str | None]:
        """Role ids with all that they imply; the value is the role that brought one in, None for the given ones."""
        found: dict[str, str | None] = {r: None for r in role_ids if r in self.roles}
        queue = list(found)
        while queue:
            prior = queue.pop()
            for implied in sorted(self.implied.get(prior, ())):
                if implied not in found:
                    found[implied] = prior
                    queue.append(implied)
        return found

    def named(self, role_ids: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """(id, name) of the expanded roles of the whole cloud, by name: what a token lists."""
        expanded = (self.roles[r] for r in self.expand(role_ids))
        return tuple(sorted(((r.id, r.name) for r in expanded if not r.domain_id), key=lambda pair: pair[1]))


class Roles(Records[Role]):
    table, kind, word = identity_roles.roles, Role, "role"
    immutable = frozenset({"id", "domain_id"})

    def create(self, /, name: str, domain_id: str | None = None, **attributes: Any) -> Role:
        if domain_id:
            with self._db.read() as conn:
                require_domain(conn, domain_id)
        return self._create({"name": name, "domain_id": domain_id or "", **attributes})

    def update(self, role_id: str, /, **changes: Any) -> Role:
        if "domain_id" in changes:
            changes["domain_id"] = changes["domain_id"] or ""
        return self._update(role_id, changes)

    def delete(self, role_id: str) -> None:
        """Delete a role and, with it, every assignment and implication of it."""
        self._delete(role_id)

    def graph(self) -> RoleGraph:
        with self._db.read() as conn:
            return read_graph(conn)

    def imply(self, prior_id: str, implied_id: str) -> None:
        """Whoever has the prior role has the implied one too. Refused are a circle, and the role of a domain that one
        of the whole cloud would imply."""
        with self._writing(None) as conn:
            prior, implied = self._get(conn, prior_id), self._get(conn, implied_id)
            if implied.domain_id and not prior.domain_id:
                raise errors.Forbidden(f"Role {prior_id} cannot imply {implied_id}: that is the role of a domain.")
            if prior_id in read_graph(conn).expand([implied_id]):
                raise errors.Invalid(f"Role {prior_id} cannot imply {implied_id}: it would imply itself.")
            identity_roles.imply(conn, prior_id, implied_id)

    def unimply(self, prior_id: str, implied_id: str) -> None:
        with self._writing(None) as conn:
            if not identity_roles.unimply(conn, prior_id, implied_id):
                raise errors.NotFound(f"Role {prior_id} does not imply {implied_id}.")


def read_graph(conn: sa.Connection) -> RoleGraph:
    rows = db.find(conn, identity_roles.roles, {})
    roles = {row.id: Role(**{name: row._mapping[name] for name in Role.__slots__}) for row in rows}
    implied: dict[str, set[str]] = {}
    for prior, follows in identity_roles.all_implications(conn):
        implied.setdefault(prior, set()).add(follows)
    return RoleGraph(roles, {prior: frozenset(follows) for prior, follows in implied.items()})
