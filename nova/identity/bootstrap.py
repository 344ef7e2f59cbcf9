# SPDX-License-Identifier: Apache-2.0
"""What a fresh cloud starts with: the default domain, projects, users and roles. Running it again changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from nova import concurrency
from nova.db.api import identity as db
from nova.db.api import identity_projects, identity_roles, identity_users
from nova.db.engine import Database
from nova.identity.models import DEFAULT_DOMAIN, SYSTEM
from nova.identity.passwords import Hasher
from nova.identity.records import new_id

#: Each implies the next; ``service`` stands alone.
_LADDER = ("admin", "manager", "member", "reader")
_ROLES = (*_LADDER, "service")
_PROJECTS = {"admin": "Project of the administrators", "demo": "Project to try things in",
             "service": "Project of the services"}


@dataclasses.dataclass(frozen=True, slots=True)
class Bootstrapped:
    """Ids by name of what is there now, whether made now or before."""

    projects: dict[str, str]
    users: dict[str, str]
    roles: dict[str, str]


def begin_hashing(passwords: Mapping[str, str], cost: int) -> Callable[[str, str], str]:
    """Hash the passwords of these users aside, which takes a while; what is returned gives the hash of a user's."""
    hasher = Hasher(cost)
    done: dict[tuple[str, str], str] = {}

    def hash_one(user: str, password: str) -> None:
        done[user, password] = hasher.hash(password)

    tasks = [concurrency.spawn(hash_one, *one, name="hash") for one in passwords.items()]

    def take(user: str, password: str) -> str:
        for task in tasks:
            task.join()
        return done.get((user, password)) or hasher.hash(password)

    return take


def bootstrap(database: Database, admin_password: str, demo_password: str, *, service_password: str | None = None,
              hash_cost: int = 15, reset_passwords: bool = False,
              hashed: Callable[[str, str], str] | None = None) -> Bootstrapped:
    """Make what is missing, in one transaction. ``hashed`` is what :func:`begin_hashing` gave earlier, if it was asked.

    ``reset_passwords`` sets the passwords also of users that exist, and makes their tokens void; otherwise they keep
    what they have. User ``nova`` of project ``service`` is made only with a ``service_password``.
    """
    wanted = {"admin": admin_password, "demo": demo_password} | ({"nova": service_password} if service_password else {})
    hashed = hashed or begin_hashing(wanted, hash_cost)
    hashes = {name: hashed(name, password) for name, password in wanted.items()}

    def make(conn: sa.Connection) -> Bootstrapped:
        if db.get(conn, identity_projects.domains, DEFAULT_DOMAIN) is None:
            db.insert(conn, identity_projects.domains,
                      {"id": DEFAULT_DOMAIN, "name": "Default", "description": "The default domain"})
        roles = {name: _ensure(conn, identity_roles.roles, {"name": name, "domain_id": ""}, {}) for name in _ROLES}
        for prior, implied in zip(_LADDER, _LADDER[1:], strict=False):
            identity_roles.imply(conn, roles[prior], roles[implied])
        projects = {name: _ensure(conn, identity_projects.projects, {"name": name, "domain_id": DEFAULT_DOMAIN},
                                  {"description": text}) for name, text in _PROJECTS.items()}
        users = {name: _ensure_user(conn, name, hashed, reset_passwords) for name, hashed in hashes.items()}
        _grant(conn, users["admin"], "project", projects["admin"], roles["admin"])
        _grant(conn, users["admin"], "system", SYSTEM, roles["admin"])
        _grant(conn, users["demo"], "project", projects["demo"], roles["member"])
        if "nova" in users:
            _grant(conn, users["nova"], "project", projects["service"], roles["admin"])
            _grant(conn, users["nova"], "project", projects["service"], roles["service"])
        return Bootstrapped(projects, users, roles)

    try:
        return database.run(make)
    except sa.exc.IntegrityError:
        return database.run(make)  # another process was first with some of it; now it is seen


def _ensure(conn: sa.Connection, table: sa.Table, key: dict[str, str], more: dict[str, str]) -> str:
    found = db.find(conn, table, key)
    if found:
        return str(found[0].id)
    record_id = new_id()
    db.insert(conn, table, {"id": record_id, **key, **more})
    return record_id


def _ensure_user(conn: sa.Connection, name: str, hashed: str, reset: bool) -> str:
    table = identity_users.users
    password = {"password_hash": hashed, "password_changed_at": concurrency.time()}
    found = db.find(conn, table, {"name": name, "domain_id": DEFAULT_DOMAIN})
    if not found:
        user_id = new_id()
        db.insert(conn, table, {"id": user_id, "name": name, "domain_id": DEFAULT_DOMAIN, **password})
        return user_id
    if reset:
        db.update(conn, table, found[0].id, {**password, "enabled": True, "generation": found[0].generation + 1})
    return str(found[0].id)


def _grant(conn: sa.Connection, user_id: str, kind: str, target_id: str, role_id: str) -> None:
    identity_roles.add_assignment(conn, {"actor_type": "user", "actor_id": user_id, "target_type": kind,
                                         "target_id": target_id, "role_id": role_id, "inherited": False})
