# SPDX-License-Identifier: Apache-2.0
"""``/v2/images/{id}/members``: the projects an image is shared with."""

from __future__ import annotations

from typing import Any

from nova.api.image import schemas, views
from nova.images.manager import Images
from nova.web.request import Request
from nova.web.routing import Resource, Route

ROUTES = (
    Route("GET", "/v2/images/{id}/members", "index", rule="image:get_members", doc="List the members of an image"),
    Route("POST", "/v2/images/{id}/members", "create", rule="image:add_member", body=schemas.MEMBER_CREATE,
          doc="Share an image with a project"),
    Route("GET", "/v2/images/{id}/members/{member}", "show", rule="image:get_member", doc="Show a member"),
    Route("PUT", "/v2/images/{id}/members/{member}", "update", rule="image:modify_member",
          body=schemas.MEMBER_UPDATE, doc="Accept or reject a shared image"),
    Route("DELETE", "/v2/images/{id}/members/{member}", "delete", rule="image:delete_member", success=204,
          doc="Stop sharing an image with a project"),
)


class MemberController:
    def __init__(self, images: Images) -> None:
        self._members = images.members

    def index(self, request: Request) -> dict[str, Any]:
        found = self._members.list(request.context, request.match["id"])
        return {"members": [views.member(m) for m in found], "schema": "/v2/schemas/members"}

    def create(self, request: Request) -> dict[str, Any]:
        return views.member(self._members.add(request.context, request.match["id"], request.body_json["member"]))

    def show(self, request: Request) -> dict[str, Any]:
        return views.member(self._members.show(request.context, request.match["id"], request.match["member"]))

    def update(self, request: Request) -> dict[str, Any]:
        return views.member(self._members.answer(request.context, request.match["id"], request.match["member"],
                                                 request.body_json["status"]))

    def delete(self, request: Request) -> None:
        self._members.remove(request.context, request.match["id"], request.match["member"])


def resource(images: Images) -> Resource:
    return Resource(ROUTES, MemberController(images))
