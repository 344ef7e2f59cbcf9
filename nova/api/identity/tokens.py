# SPDX-License-Identifier: Apache-2.0
"""Logging in, looking at tokens and revoking them, and what a token may reach (``/v3/auth``)."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.identity import auth_body, views, wire
from nova.identity.manager import Identity
from nova.identity.models import Session
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import ANYONE, Route

_TOKENS = "/v3/auth/tokens"

ROUTES = (
    Route("POST", _TOKENS, "create", rule=None, body=auth_body.AUTH, success=201, doc="Log in"),
    Route("GET", _TOKENS, "show", rule=ANYONE, doc="Look at a token: X-Subject-Token"),
    Route("DELETE", _TOKENS, "delete", rule=ANYONE, success=204, doc="Make a token void: X-Subject-Token"),
    Route("GET", "/v3/auth/catalog", "catalog", rule="identity:get_auth_catalog", doc="The catalogue of one's token"),
    Route("GET", "/v3/auth/projects", "projects", rule="identity:get_auth_projects", doc="Projects one may scope to"),
    Route("GET", "/v3/auth/domains", "domains", rule="identity:get_auth_domains", doc="Domains one may scope to"),
    Route("GET", "/v3/auth/system", "system", rule="identity:get_auth_system", doc="May one scope to the system"),
)


class TokenController:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def create(self, request: Request) -> Reply:
        proofs, wish = auth_body.parse(request.body_json)
        address = request.environ.get("REMOTE_ADDR", "")
        token_id, session = self._identity.authentication.authenticate(proofs, wish, address)
        return self._reply(request, token_id, session, 201)

    def show(self, request: Request) -> Reply:
        window = self._identity.options.allow_expired_window if wire.flag(request, "allow_expired") else 0
        token_id, session = self._subject(request, window)
        request.authorize("identity:validate_token", {"user_id": session.user.id})
        return self._reply(request, token_id, session, 200)

    def delete(self, request: Request) -> None:
        _token_id, session = self._subject(request)
        request.authorize("identity:revoke_token", {"user_id": session.user.id})
        self._identity.revoke(session.token)

    def _subject(self, request: Request, window: float = 0) -> tuple[str, Session]:
        token_id = request.environ.get("HTTP_X_SUBJECT_TOKEN", "")
        try:
            return token_id, self._identity.sessions.validate(token_id, window)
        except errors.Unauthorized as e:
            raise errors.NotFound("Could not find the token that X-Subject-Token names.") from e

    def _reply(self, request: Request, token_id: str, session: Session, status: int) -> Reply:
        entries = None if "nocatalog" in request.args else self._catalog(request, session)
        return Reply(views.token(session, entries), status, {"X-Subject-Token": token_id, "Vary": "X-Auth-Token"})

    def _catalog(self, request: Request, session: Session) -> list[dict[str, Any]]:
        project_id = session.token.scope.id if session.token.scope.kind == "project" else None
        return views.catalog(self._identity.catalog.for_scope(base_url(self._identity, request), project_id,
                                                              session.user.id))

    def catalog(self, request: Request) -> dict[str, Any]:
        session = wire.session(request)
        if session.token.scope.kind == "unscoped":
            raise errors.Forbidden("A token without a scope has no catalogue.")
        return wire.listing(request, "catalog", self._catalog(request, session))

    def projects(self, request: Request) -> dict[str, Any]:
        projects, _, _ = self._identity.assignments.targets(wire.session(request).user.id)
        return wire.listing(request, "projects", (views.project(request, p) for p in projects))

    def domains(self, request: Request) -> dict[str, Any]:
        _, domains, _ = self._identity.assignments.targets(wire.session(request).user.id)
        return wire.listing(request, "domains", (views.domain(request, d) for d in domains))

    def system(self, request: Request) -> dict[str, Any]:
        _, _, system = self._identity.assignments.targets(wire.session(request).user.id)
        return wire.listing(request, "system", [{"all": True}] if system else [])


def base_url(identity: Identity, request: Request) -> str:
    """Where the fronts of this cloud are for this client: as configured, else as the client has reached us."""
    return str(identity.options.public_endpoint or request.root_url)
