# SPDX-License-Identifier: Apache-2.0
"""The body of a create, asked as a question: which hosts could take it, who refuses and why. Nothing is changed."""

from __future__ import annotations

from typing import Any

from nova.api.compute import server_schemas as schemas
from nova.api.compute.server_create import CreateReader
from nova.operations import Operations
from nova.web.request import Request
from nova.web.routing import Route

_RULE = "compute:placement-explain"
ROUTES = (
    Route("POST", "/os-placement-explain", "explain", rule=_RULE, body=schemas.CREATE,
          doc="What would become of a create"),
)


class PlacementExplain:
    """Handler of :data:`ROUTES`."""

    def __init__(self, operations: Operations, reader: CreateReader) -> None:
        self._operations = operations
        self._reader = reader

    def explain(self, request: Request) -> dict[str, Any]:
        told = self._operations.explain(request.context, self._reader.read(request))
        by_name = request.allowed(f"{_RULE}:hosts")
        refusal = told["refusal"]
        return {"placement_explain": {
            "asked": told["asked"], "placed": told["placed"], "over_quota": told["over_quota"],
            "first": _decision(told["first"], by_name), "refusal": _decision(refusal, by_name) if refusal else None}}


def _decision(decision: dict[str, Any], by_name: bool) -> dict[str, Any]:
    """Counts and reasons are for everyone; which hosts, and what they weigh, for those whom policy lets."""
    filters = [{"filter": label, "refused": entry["count"], "example": entry["example"],
                **({"hosts": entry["hosts"]} if by_name else {})} for label, entry in decision["reasons"].items()]
    item = {"considered": decision["considered"], "candidates": decision["candidates"], "filters": filters,
            "message": decision["message"] or None}
    if by_name:
        item |= {"selected": decision["selected"], "alternates": decision["alternates"], "weights": decision["weights"]}
    return item
