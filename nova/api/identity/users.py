# SPDX-License-Identifier: Apache-2.0
"""Users on the wire."""

from __future__ import annotations

from typing import Any

from nova.api.identity import schemas, views, wire
from nova.identity.manager import Identity
from nova.web.request import Request
from nova.web.routing import ANYONE, Route

_USER = "/v3/users/{user_id}"

ROUTES = (
    Route("GET", "/v3/users", "index", rule="identity:list_users", doc="List users"),
    Route("POST", "/v3/users", "create", rule="identity:create_user", body=schemas.USER_CREATE, success=201,
          doc="Create a user"),
    Route("GET", _USER, "show", rule=ANYONE, doc="Show a user"),
    Route("PATCH", _USER, "update", rule="identity:update_user", body=schemas.USER_UPDATE, doc="Change a user"),
    Route("DELETE", _USER, "delete", rule="identity:delete_user", success=204, doc="Delete a user"),
    Route("POST", f"{_USER}/password", "change_password", rule=None, body=schemas.PASSWORD_CHANGE, success=204,
          doc="Change one's password, knowing the one before"),
    Route("GET", f"{_USER}/projects", "projects", rule=ANYONE, doc="List the projects of a user"),
    Route("GET", f"{_USER}/groups", "groups", rule=ANYONE, doc="List the groups of a user"),
)


class UserController:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._users = identity.users

    def index(self, request: Request) -> dict[str, Any]:
        users = self._users.find(**wire.equals(request, "name", "domain_id", "enabled"))
        return wire.listing(request, "users", (views.user(request, u) for u in wire.inexact(request, users)))

    def create(self, request: Request) -> dict[str, Any]:
        values = wire.attributes(request, "user")
        values.setdefault("domain_id", request.context.project_domain_id or request.context.user_domain_id)
        return {"user": views.user(request, self._users.create(**values))}

    def show(self, request: Request) -> dict[str, Any]:
        user_id = self._may(request, "get_user")
        return {"user": views.user(request, self._users.get(user_id))}

    def update(self, request: Request) -> dict[str, Any]:
        changed = self._users.update(request.match["user_id"], **wire.updates(request, "user"))
        return {"user": views.user(request, changed)}

    def delete(self, request: Request) -> None:
        self._users.delete(request.match["user_id"])

    def change_password(self, request: Request) -> None:
        values = request.body_json["user"]
        self._identity.change_password(request.match["user_id"], values["original_password"], values["password"],
                                       request.environ.get("REMOTE_ADDR", ""))

    def projects(self, request: Request) -> dict[str, Any]:
        user_id = self._may(request, "list_user_projects")
        self._users.get(user_id)
        projects, _, _ = self._identity.assignments.targets(user_id)
        return wire.listing(request, "projects", (views.project(request, p) for p in wire.inexact(request, projects)))

    def groups(self, request: Request) -> dict[str, Any]:
        groups = self._users.groups(self._may(request, "list_groups_for_user"))
        return wire.listing(request, "groups", (views.group(request, g) for g in wire.inexact(request, groups)))

    @staticmethod
    def _may(request: Request, rule: str) -> str:
        user_id = request.match["user_id"]
        request.authorize(f"identity:{rule}", {"user_id": user_id})
        return user_id
