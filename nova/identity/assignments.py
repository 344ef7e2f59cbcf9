# SPDX-License-Identifier: Apache-2.0
"""Who has which role where: granting, revoking, listing, and what comes of groups, implied and inherited roles."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from nova import errors
from nova.db.api import identity as db
from nova.db.api import identity_projects, identity_roles, identity_users
from nova.db.engine import Database
from nova.identity.models import SYSTEM, Assignment, Domain, Project
from nova.identity.projects import ancestors
from nova.identity.roles import RoleGraph, read_graph

_ACTORS = {"user": identity_users.users, "group": identity_users.groups}
_TARGETS = {"project": identity_projects.projects, "domain": identity_projects.domains}


@dataclasses.dataclass(frozen=True, slots=True)
class Effective:
    """An assignment to a user as it works, and where it comes from: a group, a prior role, a target above."""

    assignment: Assignment
    group_id: str | None = None
    prior_role_id: str | None = None
    origin: tuple[str, str] | None = None


class Assignments:
    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._db = database
        self._changed = changed

    def grant(self, assignment: Assignment) -> None:
        """Give a role; giving it again changes nothing."""
        with self._db.write() as conn:
            self._check(conn, assignment)
            identity_roles.add_assignment(conn, dataclasses.asdict(assignment))
        self._changed()

    def revoke(self, assignment: Assignment) -> None:
        with self._db.write() as conn:
            if not identity_roles.remove_assignments(conn, dataclasses.asdict(assignment)):
                raise self._unknown(assignment)
        self._changed()

    def require(self, assignment: Assignment) -> None:
        """Raise NotFound unless this very assignment was made."""
        with self._db.read() as conn:
            if not identity_roles.has_assignment(conn, dataclasses.asdict(assignment)):
                raise self._unknown(assignment)

    @staticmethod
    def _unknown(a: Assignment) -> errors.NotFound:
        return errors.NotFound(f"Could not find role assignment with role: {a.role_id}, {a.actor_type}: {a.actor_id}, "
                               f"{a.target_type}: {a.target_id}.")

    @staticmethod
    def _check(conn: sa.Connection, a: Assignment) -> None:
        wanted = [(_ACTORS[a.actor_type], a.actor_type, a.actor_id), (identity_roles.roles, "role", a.role_id)]
        if a.target_type != "system":
            wanted.append((_TARGETS[a.target_type], a.target_type, a.target_id))
        for table, word, record_id in wanted:
            if db.get(conn, table, record_id) is None:
                raise errors.NotFound(f"Could not find {word}: {record_id}.")

    def find(self, **equals: Any) -> list[Assignment]:
        """Assignments as they were made, by any of the fields of :class:`Assignment`."""
        with self._db.read() as conn:
            return [Assignment(**row._mapping) for row in identity_roles.find_assignments(conn, equals)]

    def roles_on(self, user_id: str, target: tuple[str, str]) -> list[tuple[str, str]]:
        """(id, name) of the roles that a user has on a target, all taken into account."""
        with self._db.read() as conn:
            above: list[tuple[str, str]] = []
            if target[0] == "project" and (row := db.get(conn, identity_projects.projects, target[1])):
                above = [("domain", row.domain_id), *(("project", p) for p in ancestors(conn, row.id))]
            return list(read_graph(conn).named(identity_roles.role_ids(conn, user_id, target, above)))

    def targets(self, user_id: str) -> tuple[list[Project], list[Domain], bool]:
        """The enabled projects and domains in which a user has a role, and whether it has one on the system."""
        with self._db.read() as conn:
            rows = [Assignment(**r._mapping) for r in identity_roles.user_assignments(conn, user_id)]
            direct = {kind: {a.target_id for a in rows if a.target_type == kind and not a.inherited}
                      for kind in ("project", "domain", "system")}
            inherited = {(a.target_type, a.target_id) for a in rows if a.inherited}
            ids = direct["project"] | set(_below(conn, inherited))
            projects = [Project(**r._mapping) for r in db.find(conn, identity_projects.projects,
                                                               {"id": sorted(ids), "enabled": True})]
            all_domains = sorted(direct["domain"] | {p.domain_id for p in projects})
            domains = {r.id: Domain(**r._mapping) for r in db.find(conn, identity_projects.domains,
                                                                   {"id": all_domains, "enabled": True})}
        return ([p for p in projects if p.domain_id in domains],
                [d for d in domains.values() if d.id in direct["domain"]], SYSTEM in direct["system"])

    def effective(self) -> list[Effective]:
        """Every assignment as it works: groups become users, roles what they imply, inherited ones the projects."""
        with self._db.read() as conn:
            graph = read_graph(conn)
            members: dict[str, list[str]] = {}
            for group_id, user_id in identity_users.memberships(conn):
                members.setdefault(group_id, []).append(user_id)
            made = [Assignment(**r._mapping) for r in identity_roles.find_assignments(conn, {})]
            return [e for a in made for p in _placed(conn, a) for u in _peopled(p, members) for e in _implied(u, graph)]


def _below(conn: sa.Connection, targets: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The projects that inherit from any of the targets."""
    targets = set(targets)
    if not targets:
        return
    for row in db.find(conn, identity_projects.projects, {}):
        above = [("domain", row.domain_id), *(("project", p) for p in ancestors(conn, row.id))] if row.parent_id else [
            ("domain", row.domain_id)]
        if targets.intersection(above):
            yield row.id


def _placed(conn: sa.Connection, a: Assignment) -> list[Effective]:
    if not a.inherited:
        return [Effective(a)]
    origin = (a.target_type, a.target_id)
    return [Effective(dataclasses.replace(a, target_type="project", target_id=project, inherited=False), origin=origin)
            for project in _below(conn, [origin])]


def _peopled(e: Effective, members: dict[str, list[str]]) -> list[Effective]:
    a = e.assignment
    if a.actor_type == "user":
        return [e]
    return [Effective(dataclasses.replace(a, actor_type="user", actor_id=user), group_id=a.actor_id, origin=e.origin)
            for user in members.get(a.actor_id, [])]


def _implied(e: Effective, graph: RoleGraph) -> list[Effective]:
    """The roles of the whole cloud that come of it; one of a domain works only by what it implies."""
    return [dataclasses.replace(e, assignment=dataclasses.replace(e.assignment, role_id=role), prior_role_id=prior)
            for role, prior in graph.expand([e.assignment.role_id]).items() if not graph.roles[role].domain_id]
