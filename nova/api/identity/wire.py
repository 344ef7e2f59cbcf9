# SPDX-License-Identifier: Apache-2.0
"""What the handlers of all nouns share: the shape of lists, links, filters, and the caller's session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from nova import errors
from nova.identity.models import Session
from nova.web.request import Request

T = TypeVar("T")
_FALSE = frozenset({"0", "false", "no", "off", "f", "n"})
_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda have, want: want in have,
    "icontains": lambda have, want: want.lower() in have.lower(),
    "startswith": lambda have, want: have.startswith(want),
    "istartswith": lambda have, want: have.lower().startswith(want.lower()),
    "endswith": lambda have, want: have.endswith(want),
    "iendswith": lambda have, want: have.lower().endswith(want.lower()),
}


def listing(request: Request, name: str, members: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A whole list; the Identity API has no pages, but its lists have places for their links."""
    query = request.environ.get("QUERY_STRING")
    path = quote(request.environ.get("PATH_INFO", ""), encoding="latin-1")
    here = request.link(path) + (f"?{query}" if query else "")
    return {"links": {"next": None, "self": here, "previous": None}, name: list(members)}


def self_link(request: Request, collection: str, member_id: str) -> dict[str, str]:
    return {"self": request.link(f"v3/{collection}/{member_id}")}


def equals(request: Request, *names: str) -> dict[str, Any]:
    """Those of the named query parameters that were given, as columns equal to values."""
    found: dict[str, Any] = {}
    for name in names:
        value = request.arg(name)
        if value is not None:
            found[name] = flag(request, name) if name == "enabled" else value
    return found


def flag(request: Request, name: str) -> bool:
    """A parameter that is true by being there, unless it says otherwise."""
    value = request.arg(name)
    return value is not None and value.strip().lower() not in _FALSE


def inexact(request: Request, items: Iterable[T]) -> list[T]:
    """Keep what meets the ``name__contains`` kind of parameters; those about attributes unknown here do nothing."""
    kept = list(items)
    for parameter, values in request.args.items():
        attribute, _, comparison = parameter.partition("__")
        compare = _COMPARE.get(comparison)
        if compare is not None:
            kept = [i for i in kept if all(_meets(i, attribute, compare, v) for v in values)]
    return kept


def _meets(item: object, attribute: str, compare: Callable[[str, str], bool], value: str) -> bool:
    have = getattr(item, attribute, None) if attribute in ("name", "description", "type") else None
    return not isinstance(have, str) or compare(have, value)


def session(request: Request) -> Session:
    """The caller's own token and what it is for."""
    found = request.environ.get("nova.session")
    if not isinstance(found, Session):
        raise errors.Unauthorized()
    return found


def attributes(request: Request, key: str) -> dict[str, Any]:
    """The members of the body's one object, less those that only we set."""
    return {k: v for k, v in request.body_json[key].items() if k not in ("id", "links")}


def updates(request: Request, key: str) -> dict[str, Any]:
    """As :func:`attributes`, but with an ``id``, so that changing it is refused."""
    return {k: v for k, v in request.body_json[key].items() if k != "links"}
