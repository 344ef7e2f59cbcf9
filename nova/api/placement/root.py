# SPDX-License-Identifier: Apache-2.0
"""The version document at ``/``: public, and claims only what is served."""

from __future__ import annotations

from typing import Any

from nova.api.placement.versions import MAXIMUM, MINIMUM
from nova.db.engine import Database
from nova.web.request import Request
from nova.web.routing import Resource, Route

ROUTES = (Route("GET", "/", "show", rule=None, doc="Show the version"),)


class RootController:
    def show(self, request: Request) -> dict[str, Any]:
        return {"versions": [{"id": "v1.0", "status": "CURRENT", "min_version": MINIMUM, "max_version": MAXIMUM,
                              "links": [{"rel": "self", "href": ""}]}]}


def resource(database: Database) -> Resource:
    return Resource(ROUTES, RootController())
