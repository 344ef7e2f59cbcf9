# SPDX-License-Identifier: Apache-2.0
"""An OpenAPI 3.1 document from routes, as they are at one microversion. What one API adds to them it says in a
:class:`Description`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nova.web.reply import REASONS
from nova.web.routing import Route, Schemas, in_range, segments, version_range
from nova.web.versions import Version, parse

Schema = dict[str, Any]
_VARIABLE = re.compile(r"{([^}:]+)(?::[^}]*)?}")
#: Keywords of draft 4 that mean something else in the dialect of OpenAPI 3.1.
_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


@dataclasses.dataclass(frozen=True)
class Description:
    """What routes do not say. The functions take a route and the microversion.

    ``successes``: statuses of success; ``failures``: error statuses; ``answer``: the schema of a success's body, None
    when there is none or it is not known. ``repeated``: query parameters that mean something when given twice.
    """

    title: str
    about: str
    components: Mapping[str, Any]
    successes: Callable[[Route, Version], Sequence[int]]
    failures: Callable[[Route], Iterable[int]]
    answer: Callable[[Route, Version], Schema | None]
    headers: Callable[[Route, Version], Sequence[Schema]]
    repeated: frozenset[str] = frozenset()
    media_types: Mapping[str, str] = dataclasses.field(default_factory=dict)


def document(routes: Iterable[Route], version: Version, description: Description, server: str) -> dict[str, Any]:
    """The document. ``server`` is the address below which the paths lie."""
    served: dict[tuple[str, str], dict[str, Route]] = {}
    for route in routes:
        if in_range(version_range(route.versions), version):
            served.setdefault((plain(route.path), route.method), {}).setdefault(route.action or "", route)
    paths: dict[str, dict[str, Any]] = {}
    for (path, method), by_action in served.items():
        item = paths.setdefault(path, _path_item(path))
        item[method.lower()] = _Operation(path, list(by_action.values()), version, description).made()
    return {
        "openapi": "3.1.0",
        "info": {"title": description.title, "version": str(version), "description": description.about},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in sorted({_tag(path) for path in paths})],
        "paths": paths,
        "components": dict(description.components),
    }


def plain(path: str) -> str:
    """A path of a route without the patterns of its variables."""
    return _VARIABLE.sub(r"{\1}", path)


def at(schemas: Schemas, version: Version) -> Schema | None:
    """The one of several schemas that holds at ``version``."""
    if schemas is None or isinstance(schemas, dict):
        return schemas or None
    for first, last, schema in schemas:
        if parse(first) <= version and (last is None or version <= parse(last)):
            return schema
    return None


def modern(schema: Any) -> Any:
    """A schema of draft 4 in the dialect of OpenAPI 3.1."""
    if isinstance(schema, (list, tuple)):
        return [modern(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: modern(value) for key, value in schema.items() if key not in _BOUNDS}
    for exclusive, bound in _BOUNDS.items():
        if schema.get(exclusive) is True:
            made[exclusive] = made.pop(bound)
    return made


def _path_item(path: str) -> dict[str, Any]:
    names = _VARIABLE.findall(path)
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
                           for name in names]} if names else {}


def _tag(path: str) -> str:
    return segments(path)[0] or "versions"


class _Operation:
    """One method of one path: a route, or all the actions there."""

    def __init__(self, path: str, routes: list[Route], version: Version, description: Description) -> None:
        self._path, self._routes, self._version, self._description = path, routes, version, description
        self._first = routes[0]

    def made(self) -> dict[str, Any]:
        first = self._first
        made: dict[str, Any] = {
            "operationId": "_".join([first.method.lower(), *(re.sub(r"\W", "-", part.strip("{}"))
                                                             for part in segments(self._path) if part)]),
            "summary": first.doc if first.action is None else "Do what the key of the body names",
            "tags": [_tag(self._path)]}
        parameters = [*self._description.headers(first, self._version), *self._query()]
        if parameters:
            made["parameters"] = parameters
        body = self._body()
        if body is not None:
            made["requestBody"] = body
        made["responses"] = self._responses()
        if first.rule is None:
            made["security"] = []
        if all(route.versions and route.versions[1] or 410 in self._successes(route) for route in self._routes):
            made["deprecated"] = True
        return made | self._extensions()

    def _extensions(self) -> dict[str, Any]:
        """Who may, and at which microversions; by action, where the path has actions."""
        def told(route: Route) -> dict[str, Any]:
            least, last = route.versions or (None, None)
            return {"x-nova-policy": route.rule, "x-nova-microversions": {"min": least, "max": last}}

        def answer(route: Route) -> dict[str, Any]:
            schema = self._description.answer(route, self._version)
            return {"answer": schema} if schema is not None else {}

        if self._first.action is None:
            return told(self._first)
        return {"x-nova-actions": {route.action: {"summary": route.doc, "success": route.success, **told(route),
                                                   **answer(route)}
                                   for route in self._routes}}

    def _query(self) -> list[Schema]:
        schema = at(self._first.query, self._version)
        if schema is None:
            return []
        made = []
        for name, listed in sorted(schema["properties"].items()):
            each = modern(listed.get("items", {}))
            if "not" in each:
                continue
            made.append({"name": name, "in": "query",
                         "schema": {"type": "array", "items": each} if name in self._description.repeated else each})
        return made

    def _body(self) -> dict[str, Any] | None:
        schemas = []
        for route in self._routes:
            schema = modern(at(route.body, self._version))
            if route.action is not None:
                schema = {"title": route.action, "description": route.doc,
                          **(schema or {"type": "object", "required": [route.action], "maxProperties": 1})}
            if schema is not None:
                schemas.append(schema)
        if not schemas or schemas == [{"type": "null"}]:
            return None
        schema = schemas[0] if self._first.action is None else {"oneOf": schemas}
        return {"required": schema.get("type") == "object" or "oneOf" in schema,
                "content": {"application/json": {"schema": schema}}}

    def _successes(self, route: Route) -> Sequence[int]:
        return self._description.successes(route, self._version)

    def _responses(self) -> dict[str, Any]:
        answers: dict[int, list[Schema | None]] = {}
        failures: set[int] = set()
        for route in self._routes:
            for status in self._successes(route):
                schema = None if status == 204 else self._description.answer(route, self._version)
                known = answers.setdefault(status, [])
                if schema not in known:
                    known.append(schema)
            failures.update(self._description.failures(route))
        made: dict[str, Any] = {}
        for status, schemas in sorted(answers.items()):
            made[str(status)] = self._success(status, schemas)
        for status in sorted(failures - set(answers)):
            made[str(status)] = {"$ref": f"#/components/responses/{status}"}
        return made

    def _success(self, status: int, schemas: list[Schema | None]) -> dict[str, Any]:
        if status >= 400:
            return {"$ref": f"#/components/responses/{status}"}
        answer: dict[str, Any] = {"description": REASONS[status]}
        if None not in schemas:  # one of several actions may answer without a body
            media = self._description.media_types.get(self._path, "application/json")
            answer["content"] = {media: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
        return answer
