# SPDX-License-Identifier: Apache-2.0
"""The microversions that this front offers, and what an answer owes to the one that was asked for."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from nova.web.reply import Reply
from nova.web.request import Request

MINIMUM = "1.0"
#: Up to here every version does what its description says. 1.25 would need numbered request groups.
MAXIMUM = "1.24"

AGGREGATES = (1, 1)
CLASS_PUT_CREATES = (1, 7)
OWNED_ALLOCATIONS = (1, 8)
TRAITS = (1, 6)
ALLOCATION_LINKS = (1, 11)
ALLOCATION_DICTS = (1, 12)
NESTED = (1, 14)
CACHE_HEADERS = (1, 15)
SUMMARY_TRAITS = (1, 17)
AGGREGATE_GENERATION = (1, 19)
PROVIDER_BODY = (1, 20)
FORBIDDEN_TRAITS = (1, 22)


def reply(request: Request, body: Any, *, modified: float | None = None, status: int = 200,
          headers: dict[str, str] | None = None) -> Reply:
    """An answer with the caching headers of 1.15; ``modified`` (epoch seconds) is now when nothing is known."""
    extra = dict(headers or {})
    if request.version >= CACHE_HEADERS:
        extra |= {"Last-Modified": formatdate(modified, usegmt=True), "Cache-Control": "no-cache"}
    return Reply(body, status, extra)
