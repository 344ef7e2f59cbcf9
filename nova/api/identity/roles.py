# SPDX-License-Identifier: Apache-2.0
"""Roles, and which role implies which, on the wire."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.identity import schemas, views, wire
from nova.identity.manager import Identity
from nova.identity.models import Role
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route

_ROLE = "/v3/roles/{role_id}"
_IMPLIED = f"{_ROLE}/implies/{{implied_id}}"

ROUTES = (
    Route("GET", "/v3/roles", "index", rule="identity:list_roles", doc="List roles"),
    Route("POST", "/v3/roles", "create", rule="identity:create_role", body=schemas.ROLE_CREATE, success=201,
          doc="Create a role"),
    Route("GET", _ROLE, "show", rule="identity:get_role", doc="Show a role"),
    Route("PATCH", _ROLE, "update", rule="identity:update_role", body=schemas.ROLE_UPDATE, doc="Change a role"),
    Route("DELETE", _ROLE, "delete", rule="identity:delete_role", success=204, doc="Delete a role"),
    Route("GET", f"{_ROLE}/implies", "implied", rule="identity:list_implied_roles", doc="List what a role implies"),
    Route("GET", _IMPLIED, "show_implied", rule="identity:get_implied_role", doc="Does a role imply another"),
    Route("HEAD", _IMPLIED, "has_implied", rule="identity:get_implied_role", success=204,
          doc="Does a role imply another, without telling more"),
    Route("PUT", _IMPLIED, "imply", rule="identity:create_implied_role", success=201, doc="Make a role imply another"),
    Route("DELETE", _IMPLIED, "unimply", rule="identity:delete_implied_role", success=204,
          doc="Make a role not imply another"),
    Route("GET", "/v3/role_inferences", "inferences", rule="identity:list_role_inference_rules",
          doc="List all implications"),
)


class RoleController:
    def __init__(self, identity: Identity) -> None:
        self._roles = identity.roles

    def index(self, request: Request) -> dict[str, Any]:
        filters = wire.equals(request, "name")
        filters["domain_id"] = request.arg("domain_id") or ""
        roles = wire.inexact(request, self._roles.find(**filters))
        return wire.listing(request, "roles", (views.role(request, r) for r in roles))

    def create(self, request: Request) -> dict[str, Any]:
        return {"role": views.role(request, self._roles.create(**wire.attributes(request, "role")))}

    def show(self, request: Request) -> dict[str, Any]:
        return {"role": views.role(request, self._roles.get(request.match["role_id"]))}

    def update(self, request: Request) -> dict[str, Any]:
        changed = self._roles.update(request.match["role_id"], **wire.updates(request, "role"))
        return {"role": views.role(request, changed)}

    def delete(self, request: Request) -> None:
        self._roles.delete(request.match["role_id"])

    def implied(self, request: Request) -> dict[str, Any]:
        prior = self._roles.get(request.match["role_id"])
        return {"role_inference": self._inference(request, prior), "links": wire.listing(request, "", ())["links"]}

    def inferences(self, request: Request) -> dict[str, Any]:
        graph = self._roles.graph()
        return {"role_inferences": [self._inference(request, graph.roles[r]) for r in sorted(graph.implied)],
                "links": wire.listing(request, "", ())["links"]}

    def _inference(self, request: Request, prior: Role) -> dict[str, Any]:
        graph = self._roles.graph()
        return {"prior_role": _short(request, prior),
                "implies": [_short(request, graph.roles[r]) for r in sorted(graph.implied.get(prior.id, ()))]}

    def show_implied(self, request: Request) -> dict[str, Any]:
        prior, implied = self._pair(request)
        if implied.id not in self._roles.graph().implied.get(prior.id, ()):
            raise errors.NotFound(f"Role {prior.id} does not imply {implied.id}.")
        return _rule(request, prior, implied)

    def has_implied(self, request: Request) -> None:
        self.show_implied(request)

    def imply(self, request: Request) -> Reply:
        prior, implied = self._pair(request)
        self._roles.imply(prior.id, implied.id)
        return Reply(_rule(request, prior, implied), 201)

    def unimply(self, request: Request) -> None:
        self._roles.unimply(request.match["role_id"], request.match["implied_id"])

    def _pair(self, request: Request) -> tuple[Role, Role]:
        return self._roles.get(request.match["role_id"]), self._roles.get(request.match["implied_id"])


def _short(request: Request, role: Role) -> dict[str, Any]:
    return {"id": role.id, "name": role.name, "links": wire.self_link(request, "roles", role.id)}


def _rule(request: Request, prior: Role, implied: Role) -> dict[str, Any]:
    return {"role_inference": {"prior_role": _short(request, prior), "implies": _short(request, implied)},
            "links": wire.self_link(request, f"roles/{prior.id}/implies", implied.id)}
