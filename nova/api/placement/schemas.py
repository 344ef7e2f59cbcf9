# SPDX-License-Identifier: Apache-2.0
"""Bodies and queries of the Placement API as JSON Schema, by microversion where they differ."""

from __future__ import annotations

from typing import Any

from nova.web.validation import query

UUID = {"type": "string", "format": "uuid", "maxLength": 36}
NAME = {"type": "string", "minLength": 1, "maxLength": 200}
OWNER = {"type": "string", "minLength": 1, "maxLength": 255}
TEXT = {"type": "string", "maxLength": 8192}
GENERATION = {"type": "integer"}
CLASS = "^[A-Z0-9_]{1,255}$"
_INT = {"type": "integer", "minimum": 0, "maximum": 2147483647}
_POSITIVE = {"type": "integer", "minimum": 1, "maximum": 2147483647}


def obj(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return schema | {"required": list(required)} if required else schema


def keyed(pattern: str, value: dict[str, Any], *, least: int = 0) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {pattern: value}, "additionalProperties": False,
            "minProperties": least}


_PARENT = {"anyOf": [UUID, {"type": "null"}]}
PROVIDER_CREATE = (
    ("1.0", "1.13", obj({"name": NAME, "uuid": UUID}, ("name",))),
    ("1.14", None, obj({"name": NAME, "uuid": UUID, "parent_provider_uuid": _PARENT}, ("name",))))
PROVIDER_UPDATE = (
    ("1.0", "1.13", obj({"name": NAME}, ("name",))),
    ("1.14", None, obj({"name": NAME, "parent_provider_uuid": _PARENT}, ("name",))))


def _provider_query(*names: str) -> dict[str, Any]:
    uuids = ("uuid", "in_tree")
    return query({name: UUID if name in uuids else TEXT for name in names}, strict=True)


PROVIDER_QUERY = (
    ("1.0", "1.2", _provider_query("name", "uuid")),
    ("1.3", "1.3", _provider_query("name", "uuid", "member_of")),
    ("1.4", "1.13", _provider_query("name", "uuid", "member_of", "resources")),
    ("1.14", "1.17", _provider_query("name", "uuid", "member_of", "resources", "in_tree")),
    ("1.18", None, _provider_query("name", "uuid", "member_of", "resources", "in_tree", "required")))

_FIELDS: dict[str, Any] = {
    "total": _POSITIVE, "reserved": _INT, "min_unit": _POSITIVE, "max_unit": _POSITIVE, "step_size": _POSITIVE,
    "allocation_ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1e9}}
INVENTORY_CREATE = obj({"resource_class": {"type": "string", "pattern": CLASS}, "resource_provider_generation":
                        GENERATION} | _FIELDS, ("resource_class", "total"))
INVENTORY_UPDATE = obj({"resource_provider_generation": GENERATION} | _FIELDS,
                       ("resource_provider_generation", "total"))
INVENTORIES = obj({"resource_provider_generation": GENERATION,
                   "inventories": keyed(CLASS, obj(_FIELDS, ("total",)))},
                  ("resource_provider_generation", "inventories"))

_AGGREGATES = {"type": "array", "items": UUID, "uniqueItems": True}
AGGREGATES = (
    ("1.1", "1.18", _AGGREGATES),
    ("1.19", None, obj({"aggregates": _AGGREGATES, "resource_provider_generation": GENERATION},
                       ("aggregates", "resource_provider_generation"))))

TRAITS = obj({"traits": {"type": "array", "items": {"type": "string", "pattern": CLASS}, "uniqueItems": True},
              "resource_provider_generation": GENERATION}, ("traits", "resource_provider_generation"))
TRAIT_QUERY = query({"name": TEXT, "associated": {"type": "string", "enum": ["true", "false", "True", "False"]}},
                    strict=True)

CLASS_NAME = obj({"name": {"type": "string", "pattern": "^CUSTOM_[A-Z0-9_]{1,248}$"}}, ("name",))
CLASS_UPDATE = (("1.2", "1.6", CLASS_NAME),)

_AMOUNTS = keyed(CLASS, _POSITIVE, least=1)
_LIST = {"type": "array", "minItems": 1, "items": obj(
    {"resource_provider": obj({"uuid": UUID}, ("uuid",)), "resources": _AMOUNTS}, ("resource_provider", "resources"))}
_OWNERS = {"project_id": OWNER, "user_id": OWNER}
_UUID_KEY = "^[0-9a-fA-F-]{36}$"


def _dict(least: int) -> dict[str, Any]:
    return keyed(_UUID_KEY, obj({"resources": _AMOUNTS, "generation": GENERATION}, ("resources",)), least=least)


_ALL = ("allocations", "project_id", "user_id")
ALLOCATIONS = (
    ("1.0", "1.7", obj({"allocations": _LIST}, ("allocations",))),
    ("1.8", "1.11", obj({"allocations": _LIST} | _OWNERS, _ALL)),
    ("1.12", None, obj({"allocations": _dict(1)} | _OWNERS, _ALL)))
MANY_ALLOCATIONS = keyed(_UUID_KEY, obj({"allocations": _dict(0)} | _OWNERS, _ALL), least=1)

_LIMIT = {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"}
CANDIDATE_QUERY = (
    ("1.10", "1.15", query({"resources": TEXT}, strict=True)),
    ("1.16", "1.16", query({"resources": TEXT, "limit": _LIMIT}, strict=True)),
    ("1.17", "1.20", query({"resources": TEXT, "limit": _LIMIT, "required": TEXT}, strict=True)),
    ("1.21", None, query({"resources": TEXT, "limit": _LIMIT, "required": TEXT, "member_of": TEXT}, strict=True)))
USAGE_QUERY = query({"project_id": OWNER, "user_id": OWNER}, strict=True) | {"required": ["project_id"]}
