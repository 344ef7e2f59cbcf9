# SPDX-License-Identifier: Apache-2.0
"""Is this token good now, and for what? The token is opened and its user, scope and roles are looked up, at most
``cache_time`` ago: what an administrator changes holds for tokens that are already out.
"""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import identity as db
from nova.db.api import identity_credentials, identity_projects, identity_roles, identity_users
from nova.db.engine import Database
from nova.identity.cache import Cache
from nova.identity.models import ApplicationCredential, Place, Scope, Session, Token
from nova.identity.projects import ancestors
from nova.identity.roles import RoleGraph, read_graph
from nova.identity.tokens import TokenCodec


class Sessions:
    def __init__(self, database: Database, codec: TokenCodec, cache_time: float, cache_size: int) -> None:
        self._db = database
        self._codec = codec
        self._sessions: Cache[bytes, Session] = Cache(cache_time, cache_size)
        self._graphs: Cache[str, RoleGraph] = Cache(cache_time, 1)

    def forget(self) -> None:
        """Something changed in this process: look everything up again."""
        self._sessions.clear()
        self._graphs.clear()

    def validate(self, token_id: str, expired_window: float = 0) -> Session:
        """The session of a good token; raises Unauthorized. ``expired_window``: seconds that an expiry is forgiven."""
        key = hashlib.sha256(token_id.encode("utf-8", "surrogateescape")).digest()
        session = self._sessions.get(key)
        if session is None:
            epoch = self._sessions.epoch
            session = self.look_up(self._codec.open(token_id))
            self._sessions.put(key, session, epoch)
        if concurrency.time() >= session.token.expires_at + expired_window:
            raise errors.Unauthorized()
        return session

    def look_up(self, token: Token) -> Session:
        """Everything about a token that is not written in it; raises Unauthorized when any part forbids its use."""
        with self._db.read() as conn:
            row = identity_users.with_domain(conn, user_id=token.user_id)
            if row is None or not row.enabled or not row.domain_enabled or row.generation != token.generation:
                raise errors.Unauthorized()
            if token.audit_ids and identity_credentials.is_revoked(conn, token.audit_ids[0]):
                raise errors.Unauthorized()
            user = Place(row.id, row.name, row.domain_id, row.domain_name)
            if token.scope.kind == "unscoped":
                return Session(token, user, None, ())
            place, roles = self._where(conn, user.id, token.scope)
            credential = None
            if token.credential_id is not None:
                credential = self._credential(conn, token.credential_id)
                roles &= set(credential.role_ids)
            named = self._graph(conn).named(roles)
        if not named:
            raise errors.Unauthorized()
        return Session(token, user, place, named, credential)

    def _where(self, conn: sa.Connection, user_id: str, scope: Scope) -> tuple[Place | None, set[str]]:
        target = scope.target
        if target is None:
            raise errors.Unauthorized()
        place, above = find_place(conn, scope)
        roles = identity_roles.role_ids(conn, user_id, target, above)
        return place, set(self._graph(conn).expand(roles))

    def _credential(self, conn: sa.Connection, credential_id: str) -> ApplicationCredential:
        row = db.get(conn, identity_credentials.application_credentials, credential_id)
        if row is None or (row.expires_at is not None and row.expires_at <= concurrency.time()):
            raise errors.Unauthorized()
        return ApplicationCredential(**row._mapping)

    def _graph(self, conn: sa.Connection) -> RoleGraph:
        graph = self._graphs.get("")
        if graph is None:
            epoch = self._graphs.epoch
            graph = read_graph(conn)
            self._graphs.put("", graph, epoch)
        return graph


def find_place(conn: sa.Connection, scope: Scope) -> tuple[Place | None, list[tuple[str, str]]]:
    """The enabled project or domain of a scope, and the targets above it from which roles are inherited."""
    if scope.kind == "project" and scope.id:
        row = identity_projects.with_domain(conn, scope.id)
        if row is None or not row.enabled or not row.domain_enabled:
            raise errors.Unauthorized()
        above = [("domain", row.domain_id)]
        above += [("project", p) for p in ancestors(conn, row.id)] if row.parent_id else []
        return Place(row.id, row.name, row.domain_id, row.domain_name), above
    if scope.kind == "domain" and scope.id:
        domain: sa.Row[Any] | None = db.get(conn, identity_projects.domains, scope.id)
        if domain is None or not domain.enabled:
            raise errors.Unauthorized()
        return Place(domain.id, domain.name, domain.id, domain.name), []
    return None, []
