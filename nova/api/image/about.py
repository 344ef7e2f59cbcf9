# SPDX-License-Identifier: Apache-2.0
"""What the Image API says of itself: versions, import methods, stores."""

from __future__ import annotations

from typing import Any

from nova.api.image.images import METHODS
from nova.api.image.views import STORE
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

#: The newest has multihash and hidden images; what came later (several stores, caching) is not here.
VERSIONS = ("v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")

ROUTES = (
    Route("GET", "/", "choices", rule=None, success=300, doc="List versions"),
    Route("GET", "/versions", "versions", rule=None, doc="List versions"),
    Route("GET", "/v2", "versions", rule=None, doc="List versions"),
    Route("GET", "/v2/info/import", "imports", doc="List import methods"),
    Route("GET", "/v2/info/stores", "stores", doc="List stores"),
)


class AboutController:
    def __init__(self, public_endpoint: str | None) -> None:
        self._endpoint = public_endpoint

    def versions(self, request: Request) -> dict[str, Any]:
        href = f"{(self._endpoint or request.base_url).rstrip('/')}/v2/"
        return {"versions": [
            {"id": version, "status": "CURRENT" if version == VERSIONS[0] else "SUPPORTED",
             "links": [{"rel": "self", "href": href}]} for version in VERSIONS]}

    def choices(self, request: Request) -> Reply:
        return Reply(self.versions(request))

    def imports(self, request: Request) -> dict[str, Any]:
        return {"import-methods": {"description": "Import methods available.", "type": "array",
                                   "value": list(METHODS)}}

    def stores(self, request: Request) -> dict[str, Any]:
        return {"stores": [{"id": STORE, "default": "true", "description": "Files of this service"}]}


def resource(public_endpoint: str | None) -> Resource:
    return Resource(ROUTES, AboutController(public_endpoint))
