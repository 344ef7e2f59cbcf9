# SPDX-License-Identifier: Apache-2.0
"""Which versions there are, and the documents that say so."""

from __future__ import annotations

from typing import Any

from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.versions import Microversions

#: The newest microversion that is true of every route served here.
MAX = "2.104"
MIN = "2.1"
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"
MICROVERSIONS = Microversions.between("compute", MIN, MAX, LEGACY_HEADER)
#: ``/v2`` answers as 2.1 whatever is asked.
LEGACY = Microversions("compute", MICROVERSIONS.minimum, MICROVERSIONS.minimum, None, fixed=True)

ROOT_ROUTES = (Route("GET", "/", "index", rule=None, doc="List the versions of this API"),)
ROUTES = (
    Route("GET", "/", "show", rule=None, doc="The document of this version"),
    Route("GET", "/versions/{id}", "one", rule=None, doc="The document of a version by its id"),
)
_LIST = {
    "v2.0": {"id": "v2.0", "status": "DEPRECATED", "version": "", "min_version": "", "updated": "2025-07-04T12:00:00Z"},
    "v2.1": {"id": "v2.1", "status": "CURRENT", "version": MAX, "min_version": MIN, "updated": "2013-07-23T11:33:21Z"},
}
_PATHS = {"v2.0": "v2", "v2.1": "v2.1"}
_DOCUMENTATION = {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}


def _entry(id: str, base: str) -> dict[str, Any]:
    return {**_LIST[id], "links": [{"rel": "self", "href": f"{base}/{_PATHS[id]}/"}]}


def document(id: str, base: str) -> dict[str, Any]:
    """The document of one version; ``base`` is the URL above ``/v2.1``."""
    entry = _entry(id, base)
    number = id.removeprefix("v").removesuffix(".0")
    media = [{"base": "application/json", "type": f"application/vnd.openstack.compute+json;version={number}"}]
    return {"version": {**entry, "links": [*entry["links"], _DOCUMENTATION], "media-types": media}}


class RootVersions:
    """Handler of :data:`ROOT_ROUTES`."""

    def index(self, request: Request) -> dict[str, Any]:
        return {"versions": [_entry(id, request.base_url) for id in _LIST]}


class Versions:
    """Handlers of :data:`ROUTES` under ``/v2.1`` or ``/v2``."""

    def __init__(self, id: str) -> None:
        self._id = id

    def show(self, request: Request) -> dict[str, Any]:
        return document(self._id, request.root_url)

    def one(self, request: Request) -> Any:
        asked = request.match["id"]
        if asked not in _LIST:
            return Reply({"itemNotFound": {"code": 404, "message": "The resource could not be found."}}, status=404)
        return document(asked, request.root_url)
