# SPDX-License-Identifier: Apache-2.0
"""Users and their passwords. Logging in is in ``authentication``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import identity as db
from nova.db.api import identity_roles, identity_users
from nova.db.engine import Database
from nova.identity.models import DEFAULT_DOMAIN, Group, User
from nova.identity.passwords import Hasher
from nova.identity.records import Records, require_domain


class Users(Records[User]):
    table, kind, word = identity_users.users, User, "user"
    immutable = frozenset({"id", "domain_id"})
    internal = frozenset({"password_hash", "password_changed_at", "generation"})

    def __init__(self, database: Database, changed: Callable[[], None], hasher: Hasher) -> None:
        super().__init__(database, changed)
        self._hasher = hasher

    def create(self, /, name: str, domain_id: str = DEFAULT_DOMAIN, password: str | None = None,
               **attributes: Any) -> User:
        """A user, who cannot log in without a password."""
        with self._db.read() as conn:
            require_domain(conn, domain_id)
        return self._create({"name": name, "domain_id": domain_id, **attributes}, self._password(password))

    def _password(self, password: str | None) -> dict[str, Any]:
        if password is None:
            return {"password_hash": None}
        return {"password_hash": self._hasher.hash(password), "password_changed_at": concurrency.time()}

    def update(self, user_id: str, /, **changes: Any) -> User:
        """Change a user. A new password, or being disabled, makes all its tokens void."""
        columns: dict[str, Any] = {}
        if "password" in changes:
            columns = self._password(changes.pop("password"))

        def check(conn: sa.Connection, before: User) -> dict[str, Any]:
            if columns or (before.enabled and changes.get("enabled") is False):
                columns["generation"] = before.generation + 1
            return columns
        return self._update(user_id, changes, check)

    def change_password(self, user_id: str, original: str, password: str) -> None:
        """Set a password knowing the one before. Raises Unauthorized alike for an unknown user and a wrong password."""
        with self._db.read() as conn:
            row = identity_users.with_domain(conn, user_id=user_id)
        alive = row is not None and row.enabled and row.domain_enabled
        if not self._hasher.verify(original, row.password_hash if row else None) or not alive:
            raise errors.Unauthorized()
        if original == password:
            raise errors.Invalid("The new password must differ from the original one.")
        self.update(user_id, password=password)

    def delete(self, user_id: str) -> None:
        """Delete a user with its memberships, assignments and application credentials."""
        self._delete(user_id, lambda conn, _user: _forget_actor(conn, "user", user_id))

    def groups(self, user_id: str) -> list[Group]:
        with self._db.read() as conn:
            self._get(conn, user_id)
            return [_group(row) for row in identity_users.user_groups(conn, user_id)]


class Groups(Records[Group]):
    table, kind, word = identity_users.groups, Group, "group"
    immutable = frozenset({"id", "domain_id"})

    def create(self, /, name: str, domain_id: str = DEFAULT_DOMAIN, **attributes: Any) -> Group:
        with self._db.read() as conn:
            require_domain(conn, domain_id)
        return self._create({"name": name, "domain_id": domain_id, **attributes})

    def update(self, group_id: str, /, **changes: Any) -> Group:
        return self._update(group_id, changes)

    def delete(self, group_id: str) -> None:
        self._delete(group_id, lambda conn, _group: _forget_actor(conn, "group", group_id))

    def users(self, group_id: str) -> list[User]:
        with self._db.read() as conn:
            self._get(conn, group_id)
            rows = identity_users.group_users(conn, group_id)
        return [User(**{name: row._mapping[name] for name in User.__slots__}) for row in rows]

    def has_user(self, group_id: str, user_id: str) -> bool:
        with self._db.read() as conn:
            return identity_users.is_member(conn, group_id, user_id)

    def add_user(self, group_id: str, user_id: str) -> None:
        with self._writing(None) as conn:
            self._get(conn, group_id)
            if db.get(conn, identity_users.users, user_id) is None:
                raise errors.NotFound(f"Could not find user: {user_id}.")
            identity_users.add_member(conn, group_id, user_id)

    def remove_user(self, group_id: str, user_id: str) -> None:
        with self._writing(None) as conn:
            if not identity_users.remove_member(conn, group_id, user_id):
                raise errors.NotFound(f"User {user_id} is not in group {group_id}.")


def _group(row: sa.Row[Any]) -> Group:
    return Group(**{name: row._mapping[name] for name in Group.__slots__})


def _forget_actor(conn: sa.Connection, kind: str, actor_id: str) -> None:
    identity_roles.remove_assignments(conn, {"actor_type": kind, "actor_id": actor_id})
