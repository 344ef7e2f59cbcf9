# SPDX-License-Identifier: Apache-2.0
"""Body schemas of the Identity API. Attributes that are not named here are kept with a record, so bodies stay open."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[a-zA-Z0-9-_.]+$"}
NULLABLE_ID: Schema = {"anyOf": [ID, {"type": "null"}]}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"\S"}
TEXT: Schema = {"type": ["string", "null"], "maxLength": 65535}
SECRET: Schema = {"type": ["string", "null"], "minLength": 1, "maxLength": 4096}
ENABLED: Schema = {"type": "boolean"}
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^,/]*$"}
TAGS: Schema = {"type": "array", "items": TAG, "maxItems": 80, "uniqueItems": True}
OPTIONS: Schema = {"type": "object"}
URL: Schema = {"type": "string", "minLength": 1, "maxLength": 2048, "pattern": r"^[a-zA-Z0-9+.-]+:.+"}


def one(key: str, properties: Schema, *required: str) -> Schema:
    """A body that is one object under ``key``."""
    inner: Schema = {"type": "object", "properties": properties, "minProperties": 1}
    if required:
        inner["required"] = list(required)
    return {"type": "object", "properties": {key: inner}, "required": [key]}


_USER = {"name": NAME, "domain_id": ID, "password": SECRET, "enabled": ENABLED, "default_project_id": NULLABLE_ID,
         "description": TEXT, "options": OPTIONS, "email": {"type": ["string", "null"], "maxLength": 255}}
USER_CREATE, USER_UPDATE = one("user", _USER, "name"), one("user", _USER)

_PLAIN = {"type": "string", "minLength": 1, "maxLength": 4096}
PASSWORD_CHANGE = one("user", {"original_password": _PLAIN, "password": _PLAIN}, "original_password", "password")

_SHORT = NAME | {"maxLength": 64}
_PROJECT = {"name": _SHORT, "domain_id": NULLABLE_ID, "parent_id": NULLABLE_ID, "enabled": ENABLED, "description": TEXT,
            "is_domain": {"type": "boolean"}, "tags": TAGS, "options": OPTIONS}
PROJECT_CREATE, PROJECT_UPDATE = one("project", _PROJECT, "name"), one("project", _PROJECT)
PROJECT_TAGS: Schema = {"type": "object", "properties": {"tags": TAGS}, "required": ["tags"],
                        "additionalProperties": False}

_DOMAIN = {"name": _SHORT, "enabled": ENABLED, "description": TEXT, "tags": TAGS, "options": OPTIONS,
           "explicit_domain_id": {"type": "string", "pattern": r"^[0-9a-f]{32}$"}}
DOMAIN_CREATE, DOMAIN_UPDATE = one("domain", _DOMAIN, "name"), one("domain", _DOMAIN)

_GROUP = {"name": NAME, "domain_id": ID, "description": TEXT}
GROUP_CREATE, GROUP_UPDATE = one("group", _GROUP, "name"), one("group", _GROUP)

_ROLE = {"name": NAME, "domain_id": NULLABLE_ID, "description": TEXT, "options": OPTIONS}
ROLE_CREATE, ROLE_UPDATE = one("role", _ROLE, "name"), one("role", _ROLE)

_REGION_ID: Schema = {"type": ["string", "null"], "maxLength": 255, "pattern": r"^[^/]*$"}
_REGION = {"id": _REGION_ID, "description": TEXT, "parent_region_id": _REGION_ID}
REGION_CREATE: Schema = {"type": "object", "required": ["region"],
                         "properties": {"region": {"type": "object", "properties": _REGION}}}
REGION_UPDATE = one("region", _REGION)

_SERVICE = {"type": NAME, "name": {"type": "string", "maxLength": 255}, "description": TEXT, "enabled": ENABLED}
SERVICE_CREATE, SERVICE_UPDATE = one("service", _SERVICE, "type"), one("service", _SERVICE)

_ENDPOINT = {"service_id": ID, "interface": {"enum": ["public", "internal", "admin"]}, "url": URL, "enabled": ENABLED,
             "region_id": _REGION_ID, "region": _REGION_ID}
ENDPOINT_CREATE = one("endpoint", _ENDPOINT, "service_id", "interface", "url")
ENDPOINT_UPDATE = one("endpoint", _ENDPOINT)

_RULE: Schema = {"type": "object", "required": ["path", "method", "service"], "additionalProperties": False,
                 "properties": {
                     "id": ID, "service": NAME, "path": {"type": "string", "maxLength": 128, "pattern": "^/"},
                     "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]}}}
_ROLE_NAME: Schema = {"type": "object", "properties": {"id": ID, "name": NAME}, "minProperties": 1}
CREDENTIAL_CREATE = one("application_credential", {
    "name": NAME, "description": TEXT, "secret": SECRET, "unrestricted": {"type": ["boolean", "null"]},
    "expires_at": {"type": ["string", "null"], "format": "date-time"},
    "roles": {"type": "array", "items": _ROLE_NAME, "maxItems": 100},
    "access_rules": {"type": ["array", "null"], "items": _RULE, "maxItems": 100}}, "name")
