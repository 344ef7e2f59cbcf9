# SPDX-License-Identifier: Apache-2.0
"""Application credentials: a user's secrets for programs, for one project and some of the user's roles there."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from nova import concurrency, errors
from nova.db.api import identity_credentials
from nova.db.engine import Database
from nova.identity.models import ApplicationCredential
from nova.identity.passwords import Hasher
from nova.identity.records import Records, new_id

_MOST = 200


class ApplicationCredentials(Records[ApplicationCredential]):
    table, kind = identity_credentials.application_credentials, ApplicationCredential
    word = "application credential"
    internal = frozenset({"user_id", "project_id", "role_ids", "secret_hash", "access_rules", "created_at"})

    def __init__(self, database: Database, changed: Callable[[], None], hasher: Hasher) -> None:
        super().__init__(database, changed)
        self._hasher = hasher

    def create(self, user_id: str, project_id: str, name: str, role_ids: Sequence[str], *, secret: str | None = None,
               access_rules: Sequence[dict[str, Any]] | None = None, **attributes: Any,
               ) -> tuple[ApplicationCredential, str]:
        """The credential and its secret, which is known only now. ``role_ids`` must be roles that the user has.

        An empty list of access rules is none, as clients send one when the user named no rule.
        """
        if not role_ids:
            raise errors.Invalid("An application credential needs at least one role.")
        if len(self.find(user_id=user_id)) >= _MOST:
            raise errors.Forbidden(f"A user may have at most {_MOST} application credentials.")
        secret = secret or secrets.token_urlsafe(64)
        rules = [{**rule, "id": new_id()} for rule in access_rules] if access_rules else None
        credential = self._create({"name": name, **attributes}, {
            "user_id": user_id, "project_id": project_id, "role_ids": list(role_ids), "access_rules": rules,
            "secret_hash": self._hasher.hash(secret), "created_at": concurrency.time()})
        return credential, secret

    def of(self, user_id: str, credential_id: str) -> ApplicationCredential:
        """The credential, if it is this user's; that of another is not found."""
        credential = self.get(credential_id)
        if credential.user_id != user_id:
            raise self.unknown(credential_id)
        return credential

    def delete(self, user_id: str, credential_id: str) -> None:
        self.of(user_id, credential_id)
        self._delete(credential_id)


def allowed(credential: ApplicationCredential, service: str, method: str, paths: Sequence[str]) -> bool:
    """Do the access rules let a request through? ``paths`` are the names of one resource: with and without the front's
    prefix. Without rules everything is allowed; with rules only what one of them names.
    """
    if credential.access_rules is None:
        return True
    return any(rule.get("service") == service and rule.get("method") == method
               and any(_pattern(rule.get("path", "")).fullmatch(p) for p in paths) for rule in credential.access_rules)


def _pattern(path: str) -> re.Pattern[str]:
    """``*`` and ``{name}`` stand for one part of a path, ``**`` for any number of them."""
    parts = re.split(r"(\*\*|\*|\{[^}/]*\})", path)
    return re.compile("".join(".*" if p == "**" else "[^/]+" if p == "*" or p.startswith("{") else re.escape(p)
                              for p in parts))
