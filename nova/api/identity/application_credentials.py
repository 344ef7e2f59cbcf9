# SPDX-License-Identifier: Apache-2.0
"""Application credentials and their access rules on the wire."""

from __future__ import annotations

from typing import Any

from nova import concurrency, errors
from nova.api.identity import schemas, views, wire
from nova.identity.manager import Identity
from nova.identity.models import Session
from nova.web import timestamps
from nova.web.request import Request
from nova.web.routing import ANYONE, Route

_CREDENTIALS = "/v3/users/{user_id}/application_credentials"
_RULES = "/v3/users/{user_id}/access_rules"

ROUTES = (
    Route("GET", _CREDENTIALS, "index", rule=ANYONE, doc="List application credentials of a user"),
    Route("POST", _CREDENTIALS, "create", rule=ANYONE, body=schemas.CREDENTIAL_CREATE, success=201,
          doc="Create an application credential; the secret is shown only now"),
    Route("GET", f"{_CREDENTIALS}/{{credential_id}}", "show", rule=ANYONE, doc="Show an application credential"),
    Route("DELETE", f"{_CREDENTIALS}/{{credential_id}}", "delete", rule=ANYONE, success=204,
          doc="Delete an application credential"),
    Route("GET", _RULES, "rules", rule=ANYONE, doc="List the access rules of a user's application credentials"),
    Route("GET", f"{_RULES}/{{rule_id}}", "show_rule", rule=ANYONE, doc="Show an access rule"),
)


class ApplicationCredentialController:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._credentials = identity.application_credentials

    def index(self, request: Request) -> dict[str, Any]:
        user_id = self._may(request, "list_application_credentials")
        found = self._credentials.find(user_id=user_id, **wire.equals(request, "name"))
        names = self._role_names()
        return wire.listing(request, "application_credentials", (
            views.credential(request, c, names) for c in wire.inexact(request, found)))

    def show(self, request: Request) -> dict[str, Any]:
        user_id = self._may(request, "get_application_credential")
        found = self._credentials.of(user_id, request.match["credential_id"])
        return {"application_credential": views.credential(request, found, self._role_names())}

    def create(self, request: Request) -> dict[str, Any]:
        user_id = self._may(request, "create_application_credential")
        session = self._unrestricted(request)
        project_id = session.token.scope.id
        if session.token.scope.kind != "project" or project_id is None:
            raise errors.Invalid("An application credential is made with a token for a project.")
        body = request.body_json["application_credential"]
        made, secret = self._credentials.create(
            user_id, project_id, body["name"], _role_ids(session, body.get("roles")), secret=body.get("secret"),
            access_rules=body.get("access_rules"), description=body.get("description"),
            expires_at=_expiry(body.get("expires_at")), unrestricted=bool(body.get("unrestricted")))
        return {"application_credential": {**views.credential(request, made, self._role_names()), "secret": secret}}

    def delete(self, request: Request) -> None:
        user_id = self._may(request, "delete_application_credential")
        self._unrestricted(request)
        self._credentials.delete(user_id, request.match["credential_id"])

    def rules(self, request: Request) -> dict[str, Any]:
        user_id = self._may(request, "list_access_rules")
        return wire.listing(request, "access_rules", self._rules(request, user_id))

    def show_rule(self, request: Request) -> dict[str, Any]:
        user_id, rule_id = self._may(request, "get_access_rule"), request.match["rule_id"]
        for rule in self._rules(request, user_id):
            if rule["id"] == rule_id:
                return {"access_rule": rule}
        raise errors.NotFound(f"Could not find access rule: {rule_id}.")

    def _rules(self, request: Request, user_id: str) -> list[dict[str, Any]]:
        return [{**rule, "links": wire.self_link(request, f"users/{user_id}/access_rules", rule["id"])}
                for credential in self._credentials.find(user_id=user_id) for rule in credential.access_rules or ()]

    def _role_names(self) -> dict[str, str]:
        return {r.id: r.name for r in self._identity.roles.find()}

    @staticmethod
    def _unrestricted(request: Request) -> Session:
        session = wire.session(request)
        if session.credential is not None and not session.credential.unrestricted:
            raise errors.Forbidden("A restricted application credential may not manage application credentials.")
        return session

    @staticmethod
    def _may(request: Request, rule: str) -> str:
        user_id = request.match["user_id"]
        request.authorize(f"identity:{rule}", {"user_id": user_id})
        return user_id


def _role_ids(session: Session, wanted: list[dict[str, str]] | None) -> list[str]:
    """Ids of the wanted roles, which must be among those of the caller's token; all of those when none are named."""
    by_name = {name: role_id for role_id, name in session.roles}
    ids = []
    for role in wanted or [{"id": role_id} for role_id, _name in session.roles]:
        role_id = role.get("id") or by_name.get(role.get("name", ""), "")
        if role_id not in by_name.values():
            raise errors.Invalid(f"You do not have the role {role.get('id') or role.get('name')} in this project.")
        ids.append(role_id)
    return list(dict.fromkeys(ids))


def _expiry(text: str | None) -> float | None:
    if text is None:
        return None
    moment = timestamps.parse(text)
    if moment <= concurrency.time():
        raise errors.Invalid("expires_at must be in the future.")
    return moment
