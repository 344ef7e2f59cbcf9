# SPDX-License-Identifier: Apache-2.0
"""What is written in a token, and how: a few fields in msgpack, encrypted and signed. Nothing is stored.

Whether a token is still good is judged in ``sessions``.
"""

from __future__ import annotations

import base64
import os
from typing import Any

import msgpack  # type: ignore[import-untyped]

from nova import errors
from nova.identity.keys import KeyRepository
from nova.identity.models import Scope, ScopeKind, Token

_VERSION = 1
_LONGEST = 2048
_SCOPES: tuple[ScopeKind, ...] = ("unscoped", "project", "domain", "system")
METHODS = ("password", "token", "application_credential")


def new_audit_id() -> str:
    return base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")


class TokenCodec:
    def __init__(self, keys: KeyRepository) -> None:
        self._keys = keys

    def seal(self, token: Token) -> str:
        payload = [_VERSION, _pack_id(token.user_id), _SCOPES.index(token.scope.kind), _pack_id(token.scope.id),
                   sum(1 << METHODS.index(m) for m in token.methods), token.issued_at, token.expires_at,
                   [base64.urlsafe_b64decode(a + "==") for a in token.audit_ids], token.generation,
                   _pack_id(token.credential_id)]
        return self._keys.seal(msgpack.packb(payload))

    def open(self, token_id: str) -> Token:
        """What the token says; raises Unauthorized for anything that we did not seal. The time is not looked at."""
        if len(token_id) > _LONGEST:
            raise errors.Unauthorized()
        payload = msgpack.unpackb(self._keys.open(token_id))
        if payload[0] != _VERSION:
            raise errors.Unauthorized()
        _, user, kind, target, methods, issued, expires, audit, generation, credential = payload
        return Token(
            user_id=_unpack_id(user) or "", scope=Scope(_SCOPES[kind], _unpack_id(target)),
            methods=tuple(m for i, m in enumerate(METHODS) if methods & 1 << i), issued_at=issued, expires_at=expires,
            audit_ids=tuple(base64.urlsafe_b64encode(a).decode().rstrip("=") for a in audit), generation=generation,
            credential_id=_unpack_id(credential))


def _pack_id(value: str | None) -> Any:
    """32 hex digits take 16 bytes; other ids stay as they are."""
    if value is not None and len(value) == 32:
        try:
            raw = bytes.fromhex(value)
        except ValueError:
            return value
        return raw if raw.hex() == value else value
    return value


def _unpack_id(value: Any) -> str | None:
    return value.hex() if isinstance(value, bytes) else value
