# SPDX-License-Identifier: Apache-2.0
"""Pages of a list: the limit asked for, the marker, and the link to the next page."""

from __future__ import annotations

from urllib.parse import urlencode

from nova import errors
from nova.web.request import Request

_HUGE = 2**31 - 1


def limit_of(request: Request, maximum: int) -> int:
    """How many items the answer may hold: what is asked, at most ``maximum``; 0 or nothing asked means the maximum."""
    asked = _number(request, "limit")
    return min(asked, maximum) if asked else maximum


def offset_of(request: Request) -> int:
    return _number(request, "offset")


def _number(request: Request, name: str) -> int:
    text = request.arg(name)
    if not text:
        return 0
    try:
        value = int(text)
    except ValueError as e:
        raise errors.Invalid(f"{name} param must be an integer") from e
    if value < 0:
        raise errors.Invalid(f"{name} param must be positive")
    return min(value, _HUGE)


def next_link(request: Request, collection: str, last_id: str) -> list[dict[str, str]]:
    """The ``next`` link: the same query, the marker after the last item shown."""
    query = [(k, v) for k, values in request.args.items() if k != "marker" for v in values]
    query.append(("marker", last_id))
    return [{"rel": "next", "href": f"{request.base_url}/{collection}?{urlencode(query)}"}]
