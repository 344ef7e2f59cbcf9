# SPDX-License-Identifier: Apache-2.0
"""``/allocation_candidates``: providers on which a request would fit now, each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import errors
from nova.api.placement import filters, schemas
from nova.api.placement import versions as v
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import providers
from nova.placement.resources import capacity_of
from nova.web.reply import Reply
from nova.web.request import Request
from nova.web.routing import Resource, Route

ROUTES = (
    Route("GET", "/allocation_candidates", "index", rule="placement:allocation_candidates:list",
          versions=("1.10", None), query=schemas.CANDIDATE_QUERY, doc="List where a request would fit"),
)


class CandidateController:
    def __init__(self, database: Database) -> None:
        self._db = database

    def index(self, request: Request) -> Reply:
        with self._db.read() as conn:
            query = filters.build_query(conn, request)
            if not query.resources:
                raise errors.Invalid("The resources parameter is missing.")
            limit = request.arg("limit")
            rows = providers.search(conn, query)[:int(limit) if limit else None]
            uuids = [row.uuid for row in rows]
            inventories = tables.inventories_of(conn, uuids)
            traits = tables.traits_of(conn, uuids)
        summaries: dict[str, dict[str, Any]] = {uuid: {"resources": {}} for uuid in uuids}
        for row in inventories:
            if row.resource_class in query.resources:
                capacity = capacity_of(row.total, row.reserved, row.allocation_ratio)
                summaries[row.provider_uuid]["resources"][row.resource_class] = {
                    "capacity": capacity, "used": int(row.used)}
        if request.version >= v.SUMMARY_TRAITS:
            for uuid, summary in summaries.items():
                summary["traits"] = sorted(traits.get(uuid, ()))
        return v.reply(request, {"allocation_requests": [_request(request, uuid, query.resources) for uuid in uuids],
                                 "provider_summaries": summaries})


def _request(request: Request, uuid: str, resources: Mapping[str, int]) -> dict[str, Any]:
    """In the form in which the same version takes it back by PUT /allocations."""
    if request.version >= v.ALLOCATION_DICTS:
        return {"allocations": {uuid: {"resources": dict(resources)}}}
    return {"allocations": [{"resource_provider": {"uuid": uuid}, "resources": dict(resources)}]}


def resource(database: Database) -> Resource:
    return Resource(ROUTES, CandidateController(database))
