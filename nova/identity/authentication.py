# SPDX-License-Identifier: Apache-2.0
"""Logging in: proof of who one is (password, token, application credential) against a token for a scope.

Every refusal is the same error, takes the same work, and says nothing of what was wrong.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.db.api import identity as db
from nova.db.api import identity_credentials, identity_projects, identity_users
from nova.db.engine import Database
from nova.identity.lockout import Lockout
from nova.identity.models import SYSTEM, UNSCOPED, Scope, ScopeKind, Session, Token
from nova.identity.passwords import Hasher
from nova.identity.sessions import Sessions
from nova.identity.tokens import TokenCodec, new_audit_id

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """A record by id, or by its name in a domain that is given by id or name."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None

    def __str__(self) -> str:
        return self.id or f"{self.domain_id or self.domain_name}/{self.name}"


@dataclasses.dataclass(frozen=True, slots=True)
class PasswordProof:
    user: Name
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class TokenProof:
    token: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class CredentialProof:
    """An application credential by id, or by name with its user."""

    secret: str = dataclasses.field(repr=False)
    id: str | None = None
    name: str | None = None
    user: Name = Name()


Proof = PasswordProof | TokenProof | CredentialProof


@dataclasses.dataclass(frozen=True, slots=True)
class ScopeWish:
    """The scope that was asked for; ``kind`` None leaves it to the user's default project."""

    kind: ScopeKind | None = None
    target: Name = Name()


@dataclasses.dataclass(frozen=True, slots=True)
class _Proven:
    """Who it is, by one proof, and what that proof limits the new token to."""

    user_id: str
    generation: int
    methods: tuple[str, ...]
    default_project_id: str | None = None
    parent: Token | None = None
    credential: sa.Row[Any] | None = None


class Authentication:
    def __init__(self, database: Database, sessions: Sessions, codec: TokenCodec, lockout: Lockout,
                 hasher: Hasher, *, expiration: float) -> None:
        self._db = database
        self._sessions = sessions
        self._codec = codec
        self._lockout = lockout
        self._expiration = expiration
        self._hasher = hasher

    def authenticate(self, proofs: Sequence[Proof], wish: ScopeWish, address: str = "") -> tuple[str, Session]:
        """A token and its session. Raises Unauthorized; all proofs must be of the same user."""
        proven = [self._prove(proof, address) for proof in proofs]
        if not proven or len({p.user_id for p in proven}) != 1:
            raise errors.Unauthorized()
        if any(p.credential is not None for p in proven) and (len(proven) > 1 or wish.kind is not None):
            raise errors.Unauthorized()
        return self._grant(proven, wish)

    def _grant(self, proven: Sequence[_Proven], wish: ScopeWish) -> tuple[str, Session]:
        first, now = proven[0], concurrency.time()
        parent = next((p.parent for p in proven if p.parent), None)
        token = Token(
            user_id=first.user_id, scope=UNSCOPED, methods=tuple(dict.fromkeys(m for p in proven for m in p.methods)),
            issued_at=now, expires_at=min([now + self._expiration, *([parent.expires_at] if parent else [])]),
            audit_ids=(new_audit_id(), *((parent.audit_ids[-1],) if parent else ())), generation=first.generation)
        if first.credential is not None:
            token = dataclasses.replace(token, credential_id=first.credential.id,
                                        scope=Scope("project", first.credential.project_id))
        elif wish.kind is not None:
            token = dataclasses.replace(token, scope=self._resolve(wish))
        elif first.default_project_id:
            default = dataclasses.replace(token, scope=Scope("project", first.default_project_id))
            try:
                return self._codec.seal(default), self._sessions.look_up(default)
            except errors.Unauthorized:
                LOG.debug("default project of user %s cannot be used; the token is unscoped", first.user_id)
        return self._codec.seal(token), self._sessions.look_up(token)

    def _resolve(self, wish: ScopeWish) -> Scope:
        if wish.kind in (None, "unscoped"):
            return UNSCOPED
        if wish.kind == "system":
            return Scope("system", SYSTEM)
        with self._db.read() as conn:
            found = _find_id(conn, wish)
        if found is None:
            raise errors.Unauthorized()
        return Scope("project" if wish.kind == "project" else "domain", found)

    def _prove(self, proof: Proof, address: str) -> _Proven:
        if isinstance(proof, PasswordProof):
            return self._by_password(proof, address)
        if isinstance(proof, TokenProof):
            return self._by_token(proof)
        return self._by_credential(proof, address)

    def _by_password(self, proof: PasswordProof, address: str) -> _Proven:
        with self._db.read() as conn:
            row = _find_user(conn, proof.user)
        with self.guard(row.id if row else str(proof.user), address):
            good = self._hasher.verify(proof.password, row.password_hash if row else None)
            if not good or row is None or not row.enabled or not row.domain_enabled:
                raise errors.Unauthorized()
        return _Proven(row.id, row.generation, ("password",), row.default_project_id)

    def _by_token(self, proof: TokenProof) -> _Proven:
        session = self._sessions.validate(proof.token)
        token = session.token
        if token.credential_id is not None:
            raise errors.Unauthorized()  # it would shed the limits of the credential
        with self._db.read() as conn:
            row = identity_users.with_domain(conn, user_id=token.user_id)
        return _Proven(token.user_id, token.generation, tuple(dict.fromkeys((*token.methods, "token"))),
                       row.default_project_id if row else None, parent=token)

    def _by_credential(self, proof: CredentialProof, address: str) -> _Proven:
        with self._db.read() as conn:
            credential, user = _find_credential(conn, proof)
        with self.guard(f"credential {credential.id if credential else proof.id or proof.name}", address):
            good = self._hasher.verify(proof.secret, credential.secret_hash if credential else None)
            if not good or credential is None or user is None or not user.enabled or not user.domain_enabled:
                raise errors.Unauthorized()
            if credential.expires_at is not None and credential.expires_at <= concurrency.time():
                raise errors.Unauthorized()
        return _Proven(user.id, user.generation, ("application_credential",), credential=credential)

    def guard(self, user: str, address: str) -> Guard:
        """A block in which a failed attempt is counted, and which is not entered by who failed too often."""
        return Guard(self._lockout, user, address)


class Guard:
    def __init__(self, lockout: Lockout, user: str, address: str) -> None:
        self._lockout, self._user, self._address = lockout, user, address

    def __enter__(self) -> None:
        if self._lockout.locked(self._user, self._address):
            LOG.warning("login of %s from %s is shut out after too many failures", self._user, self._address)
            raise errors.Unauthorized()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, errors.Unauthorized):
            LOG.info("login of %s from %s failed", self._user, self._address)
            self._lockout.failed(self._user, self._address)
        elif error is None:
            self._lockout.succeeded(self._user, self._address)


def _find_user(conn: sa.Connection, user: Name) -> sa.Row[Any] | None:
    return identity_users.with_domain(conn, user_id=user.id, name=user.name, domain_id=user.domain_id,
                                      domain_name=user.domain_name)


def _find_credential(conn: sa.Connection, proof: CredentialProof) -> tuple[sa.Row[Any] | None, sa.Row[Any] | None]:
    table = identity_credentials.application_credentials
    if proof.id is not None:
        row = db.get(conn, table, proof.id)
        return row, identity_users.with_domain(conn, user_id=row.user_id) if row else None
    user = _find_user(conn, proof.user)
    rows = db.find(conn, table, {"user_id": user.id, "name": proof.name}) if user else []
    return (rows[0] if rows else None), user


def _find_id(conn: sa.Connection, wish: ScopeWish) -> str | None:
    """The id of the project or domain that is wished for; whether it may be used is judged later."""
    if wish.target.id is not None:
        return wish.target.id
    domain_id = wish.target.domain_id
    if wish.kind == "domain" or domain_id is None:
        name = wish.target.name if wish.kind == "domain" else wish.target.domain_name
        domains = db.find(conn, identity_projects.domains, {"name": name})
        domain_id = domains[0].id if domains else None
    if wish.kind == "domain" or domain_id is None:
        return domain_id
    found = db.find(conn, identity_projects.projects, {"domain_id": domain_id, "name": wish.target.name})
    return found[0].id if found else None
