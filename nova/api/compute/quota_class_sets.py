# SPDX-License-Identifier: Apache-2.0
"""Quota classes. Only the class ``default`` has an effect: it holds for projects without quotas of their own."""

from __future__ import annotations

from typing import Any

from nova.api.compute import quota_views, schemas
from nova.api.compute.numbers import to_int
from nova.api.compute.quota_sets import LIMIT
from nova.db.api import quotas as table
from nova.db.engine import Database
from nova.quota import UNLIMITED, Quota
from nova.web.request import Request
from nova.web.routing import Route
from nova.web.validation import query
from nova.web.versions import Version


def _update(minor: int) -> schemas.Schema:
    members = {name: LIMIT for name in quota_views.settable(Version(2, minor), of_class=True)}
    return schemas.wrapped("quota_class_set", schemas.object_of(members))


UPDATE = (("2.1", "2.49", _update(1)), ("2.50", "2.56", _update(50)), ("2.57", None, _update(57)))
_RULE = "os_compute_api:os-quota-class-sets:"
ROUTES = (
    Route("GET", "/os-quota-class-sets/{id}", "show", rule=_RULE + "show", doc="Show a quota class",
          query=(("2.1", "2.101", query({})), ("2.102", None, query({}, strict=True)))),
    Route("PUT", "/os-quota-class-sets/{id}", "update", rule=_RULE + "update", body=UPDATE, doc="Change a quota class"),
)


class QuotaClassSets:
    """Handlers of :data:`ROUTES`."""

    def __init__(self, database: Database, quota: Quota) -> None:
        self._database = database
        self._quota = quota

    def show(self, request: Request) -> dict[str, Any]:
        name = request.match["id"]
        with self._database.read() as conn:
            limits = self._quota.class_limits(conn, name)
        return {"quota_class_set": {"id": name, **_chosen(request, limits)}}

    def update(self, request: Request) -> dict[str, Any]:
        values = {name: to_int(limit, name, -1) for name, limit in request.body_json["quota_class_set"].items()}
        kept = {name: limit for name, limit in values.items() if name != "networks"}
        with self._database.write() as conn:
            table.set_class_limits(conn, request.match["id"], kept)
            limits = self._quota.class_limits(conn, request.match["id"])
        return {"quota_class_set": _chosen(request, limits)}


def _chosen(request: Request, limits: dict[str, int]) -> dict[str, int]:
    return {name: limits.get(name, UNLIMITED) for name in quota_views.shown(request.version, of_class=True)}
