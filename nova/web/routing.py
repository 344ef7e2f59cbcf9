# SPDX-License-Identifier: Apache-2.0
"""Routes as values, and the router that finds the one a request means. What a route does stands in its controller.

    ROUTES = (Route("GET", "/flavors", "index", rule="os_compute_api:flavors", query=INDEX), ...)
    Resource(ROUTES, FlavorController(...))

Path variables are written ``{id}`` or, with a pattern, ``{id:[0-9]+}``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import routes as routes_library

from nova.web.versions import Version, parse

T = TypeVar("T")

#: A schema, or several by microversion: ``((min, max | None, schema), ...)``.
Schemas = dict[str, Any] | Sequence[tuple[str, str | None, dict[str, Any]]] | None

#: The rule of a route that every authenticated user may call.
ANYONE = "@"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    rule: str | None = ANYONE
    success: int = 200
    body: Schemas = None
    query: Schemas = None
    versions: tuple[str, str | None] | None = None
    action: str | None = None
    max_body: int | None = None
    raw: bool = False
    doc: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Route(_Options):
    """One operation of the API.

    ``rule``: policy rule checked before the handler with the caller's own project as target; None is public, without
    authentication. ``versions``: first and last microversion (last None: still served). ``action``: key of the body on
    an ``…/action`` path. ``max_body``: bytes, in place of the front's limit. ``raw``: the body is not JSON; the handler
    reads ``request.stream``.
    """

    method: str
    path: str
    handler: str

    @property
    def template(self) -> str:
        return f"{self.method} {self.path}" + (f" {self.action}" if self.action else "")


@dataclasses.dataclass(frozen=True)
class Resource:
    """The routes of one noun and the object whose methods handle them."""

    routes: Sequence[Route]
    controller: Any


def version_range(versions: tuple[str, str | None] | None) -> tuple[Version, Version | None] | None:
    if versions is None:
        return None
    first, last = versions
    return parse(first), parse(last) if last else None


def in_range(versions: tuple[Version, Version | None] | None, version: Version) -> bool:
    return versions is None or (versions[0] <= version and (versions[1] is None or version <= versions[1]))


def segments(path: str) -> list[str]:
    return path.strip("/").split("/")


class Router(Generic[T]):
    """Finds by path the entries connected there; T is whatever the front keeps per path.

    The routes library compiles and matches templates. Its mapper tries them one after another, so there is one small
    mapper per number of segments and leading literals; a path is then compared with a handful of templates.
    """

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._entries: dict[str, T] = {}
        self._mappers: dict[tuple[Any, ...], routes_library.Mapper] = {}
        self._plain: dict[str, T] = {}
        for path, entry in entries:
            self._entries[path] = entry
            if "{" not in path:
                self._plain["/" + path.strip("/")] = entry
                continue
            mapper = self._mappers.setdefault(self._bucket(path), routes_library.Mapper(explicit=True))
            mapper.minimization = False
            mapper.connect(None, "/" + path.strip("/"), entry=path)

    @staticmethod
    def _bucket(path: str) -> tuple[Any, ...]:
        parts = segments(path)
        return (len(parts), *(None if "{" in part else part for part in parts[:2]))

    def match(self, path: str) -> tuple[T, dict[str, str]] | None:
        """The entry at ``path`` and its variables; None when nothing is there. A trailing slash does not matter."""
        path = "/" + path.strip("/")
        entry = self._plain.get(path)
        if entry is not None:
            return entry, {}
        parts = segments(path)
        count, first, second = len(parts), parts[0], parts[1] if len(parts) > 1 else None
        for key in ((first, second), (first, None), (None, second), (None, None)):
            mapper = self._mappers.get((count, *key[:count]))
            found = mapper.match(path) if mapper is not None else None
            if found:
                return self._entries[found.pop("entry")], found
        return None
