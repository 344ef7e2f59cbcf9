# SPDX-License-Identifier: Apache-2.0
"""Which versions of the Identity API are here: what clients ask first."""

from __future__ import annotations

from typing import Any

from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route

ROUTES = (
    Route("GET", "/", "index", rule=None, success=300, doc="List versions"),
    Route("GET", "/v3", "show", rule=None, doc="Show version 3"),
)
_MEDIA = [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]


class VersionController:
    def index(self, request: Request) -> Reply:
        return Reply({"versions": {"values": [self._version(request)]}}, 300, {"Location": request.link("v3/")})

    def show(self, request: Request) -> dict[str, Any]:
        return {"version": self._version(request)}

    @staticmethod
    def _version(request: Request) -> dict[str, Any]:
        return {"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z", "media-types": _MEDIA,
                "links": [{"rel": "self", "href": request.link("v3/")}]}
