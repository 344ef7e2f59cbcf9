# SPDX-License-Identifier: Apache-2.0
"""The body of a login: its schema, and its proofs and scope as the library takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.identity.authentication import CredentialProof, Name, PasswordProof, Proof, ScopeWish, TokenProof

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 255}
_SECRET: dict[str, Any] = {"type": "string", "maxLength": 4096}
_DOMAIN: dict[str, Any] = {"type": "object", "properties": {"id": _TEXT, "name": _TEXT}}
_NAMED: dict[str, Any] = {"id": _TEXT, "name": _TEXT, "domain": _DOMAIN}


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), **({"required": list(required)} if required else {})}


_METHODS = {"type": "array", "items": {"type": "string", "maxLength": 64}, "minItems": 1, "maxItems": 8}
_IDENTITY = _object({
    "methods": _METHODS,
    "password": _object({"user": _object(_NAMED | {"password": _SECRET}, "password")}, "user"),
    "token": _object({"id": {"type": "string", "maxLength": 4096}}, "id"),
    "application_credential": _object(
        {"id": _TEXT, "name": _TEXT, "secret": _SECRET, "user": _object(_NAMED)}, "secret"),
}, "methods")
_SCOPE = {"anyOf": [
    {"enum": ["unscoped"]},
    _object({"project": _object(_NAMED), "domain": _DOMAIN, "unscoped": {"type": "object"},
             "system": _object({"all": {"type": "boolean"}})}) | {"minProperties": 1, "maxProperties": 1}]}
AUTH = _object({"auth": _object({"identity": _IDENTITY, "scope": _SCOPE}, "identity")}, "auth")


def parse(body: Mapping[str, Any]) -> tuple[list[Proof], ScopeWish]:
    """The proofs and the scope of a body that meets :data:`AUTH`.

    Raises Invalid for what is incomplete and Unauthorized for a method that we do not know.
    """
    auth = body["auth"]
    return [_proof(m, auth["identity"]) for m in dict.fromkeys(auth["identity"]["methods"])], _wish(auth)


def _proof(method: str, identity: Mapping[str, Any]) -> Proof:
    if method not in ("password", "token", "application_credential"):
        raise errors.Unauthorized("Attempted to authenticate with an unsupported method.")
    if method not in identity:
        raise errors.Invalid(f"Expecting to find {method} in identity.")
    given = identity[method]
    if method == "password":
        return PasswordProof(_name(given["user"], "user"), given["user"]["password"])
    if method == "token":
        return TokenProof(given["id"])
    if "id" in given:
        return CredentialProof(given["secret"], id=given["id"])
    if "name" not in given or "user" not in given:
        raise errors.Invalid("Expecting to find id, or name and user, in application_credential.")
    return CredentialProof(given["secret"], name=given["name"], user=_name(given["user"], "user"))


def _name(given: Mapping[str, Any], word: str) -> Name:
    if "id" in given:
        return Name(id=given["id"])
    domain = given.get("domain", {})
    if "name" not in given or not ("id" in domain or "name" in domain):
        raise errors.Invalid(f"Expecting to find id, or name and domain, in {word}.")
    return Name(name=given["name"], domain_id=domain.get("id"), domain_name=domain.get("name"))


def _wish(auth: Mapping[str, Any]) -> ScopeWish:
    scope = auth.get("scope", {})
    if scope == "unscoped" or "unscoped" in scope:
        return ScopeWish("unscoped")
    if "project" in scope:
        return ScopeWish("project", _name(scope["project"], "project"))
    if "domain" in scope:
        domain = scope["domain"]
        if "id" not in domain and "name" not in domain:
            raise errors.Invalid("Expecting to find id or name in domain.")
        return ScopeWish("domain", Name(id=domain.get("id"), name=domain.get("name")))
    if "system" in scope:
        if scope["system"].get("all") is not True:
            raise errors.Invalid("The only scope of the system is all.")
        return ScopeWish("system")
    if scope:
        raise errors.Invalid("Expecting to find project, domain, system or unscoped in scope.")
    return ScopeWish()
