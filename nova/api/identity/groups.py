# SPDX-License-Identifier: Apache-2.0
"""Groups and their members on the wire."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.api.identity import schemas, views, wire
from nova.identity.manager import Identity
from nova.web.request import Request
from nova.web.routing import ANYONE, Route

_GROUP = "/v3/groups/{group_id}"
_MEMBER = f"{_GROUP}/users/{{user_id}}"

ROUTES = (
    Route("GET", "/v3/groups", "index", rule="identity:list_groups", doc="List groups"),
    Route("POST", "/v3/groups", "create", rule="identity:create_group", body=schemas.GROUP_CREATE, success=201,
          doc="Create a group"),
    Route("GET", _GROUP, "show", rule="identity:get_group", doc="Show a group"),
    Route("PATCH", _GROUP, "update", rule="identity:update_group", body=schemas.GROUP_UPDATE, doc="Change a group"),
    Route("DELETE", _GROUP, "delete", rule="identity:delete_group", success=204, doc="Delete a group"),
    Route("GET", f"{_GROUP}/users", "users", rule="identity:list_users_in_group", doc="List the users in a group"),
    Route("GET", _MEMBER, "check_user", rule=ANYONE, success=204, doc="Is a user in a group"),
    Route("PUT", _MEMBER, "add_user", rule="identity:add_user_to_group", success=204, doc="Add a user to a group"),
    Route("DELETE", _MEMBER, "remove_user", rule="identity:remove_user_from_group", success=204,
          doc="Remove a user from a group"),
)


class GroupController:
    def __init__(self, identity: Identity) -> None:
        self._groups = identity.groups

    def index(self, request: Request) -> dict[str, Any]:
        groups = self._groups.find(**wire.equals(request, "name", "domain_id"))
        return wire.listing(request, "groups", (views.group(request, g) for g in wire.inexact(request, groups)))

    def create(self, request: Request) -> dict[str, Any]:
        values = wire.attributes(request, "group")
        values.setdefault("domain_id", request.context.project_domain_id or request.context.user_domain_id)
        return {"group": views.group(request, self._groups.create(**values))}

    def show(self, request: Request) -> dict[str, Any]:
        return {"group": views.group(request, self._groups.get(request.match["group_id"]))}

    def update(self, request: Request) -> dict[str, Any]:
        changed = self._groups.update(request.match["group_id"], **wire.updates(request, "group"))
        return {"group": views.group(request, changed)}

    def delete(self, request: Request) -> None:
        self._groups.delete(request.match["group_id"])

    def users(self, request: Request) -> dict[str, Any]:
        users = self._groups.users(request.match["group_id"])
        return wire.listing(request, "users", (views.user(request, u) for u in wire.inexact(request, users)))

    def check_user(self, request: Request) -> None:
        group_id, user_id = request.match["group_id"], request.match["user_id"]
        request.authorize("identity:check_user_in_group", {"user_id": user_id})
        if not self._groups.has_user(group_id, user_id):
            raise errors.NotFound(f"User {user_id} is not in group {group_id}.")

    def add_user(self, request: Request) -> None:
        self._groups.add_user(request.match["group_id"], request.match["user_id"])

    def remove_user(self, request: Request) -> None:
        self._groups.remove_user(request.match["group_id"], request.match["user_id"])
