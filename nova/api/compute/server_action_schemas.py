# SPDX-License-Identifier: Apache-2.0
"""Schemas of the bodies of actions on servers that have more than a name, by microversion."""

from __future__ import annotations

from typing import Any

from nova.api.compute import schemas as s
from nova.api.compute import server_schemas as servers

Schema = s.Schema
Versions = tuple[tuple[str, str | None, Schema], ...]

_PASSWORD: Schema = {"type": "string"}
_DISK_CONFIG = {"type": "string", "enum": ["AUTO", "MANUAL"]}
_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_HOST_OR_NULL = servers.HOST | {"type": ["string", "null"]}


def _or_null(schema: Schema) -> Schema:
    return schema | {"type": ["object", "null"]}


RESIZE = s.wrapped("resize", s.object_of(
    {"flavorRef": {"type": ["string", "integer"], "minLength": 1, "maxLength": 255}, "OS-DCF:diskConfig": _DISK_CONFIG},
    ("flavorRef",)))
CREATE_IMAGE = s.wrapped("createImage", s.object_of({"name": s.NAME, "metadata": s.METADATA}, ("name",)))
CREATE_BACKUP = s.wrapped("createBackup", s.object_of(
    {"name": s.NAME, "backup_type": {"type": "string"}, "rotation": s.integer(0), "metadata": s.METADATA},
    ("name", "backup_type", "rotation")))
CHANGE_PASSWORD = s.wrapped("changePassword", s.object_of({"adminPass": _PASSWORD}, ("adminPass",)))
RESCUE = s.wrapped("rescue", _or_null(s.object_of({"adminPass": _PASSWORD, "rescue_image_ref": s.UUID})))
CRASH_DUMP = s.wrapped("trigger_crash_dump", {"type": "null"})


def security_group(action: str) -> Schema:
    return s.wrapped(action, s.object_of({"name": _NAME}, ("name",)))


ADD_FIXED_IP = s.wrapped("addFixedIp", s.object_of({"networkId": {"type": ["string", "number"], "minLength": 1}},
                                                   ("networkId",)))
_IP = {"type": "string", "format": "ip"}
REMOVE_FIXED_IP = s.wrapped("removeFixedIp", s.object_of({"address": _IP}, ("address",)))
ADD_FLOATING_IP = s.wrapped("addFloatingIp", s.object_of({"address": _IP, "fixed_address": _IP}, ("address",)))
REMOVE_FLOATING_IP = s.wrapped("removeFloatingIp", s.object_of({"address": _IP}, ("address",)))


def _evacuate(required: tuple[str, ...] = (), **more: Any) -> Schema:
    return s.wrapped("evacuate", s.object_of({"host": servers.HOST, "adminPass": _PASSWORD} | more, required))


EVACUATE: Versions = (
    ("2.1", "2.13", _evacuate(("onSharedStorage",), onSharedStorage=s.BOOLEAN)), ("2.14", "2.28", _evacuate()),
    ("2.29", "2.67", _evacuate(force=s.BOOLEAN)), ("2.68", None, _evacuate()))

MIGRATE: Versions = (
    ("2.1", "2.55", s.wrapped("migrate", {})),
    ("2.56", None, s.wrapped("migrate", _or_null(s.object_of({"host": _HOST_OR_NULL})))))


def _live(block_migration: Schema, **more: Any) -> Schema:
    needed = ("block_migration", "host", *(name for name in more if name == "disk_over_commit"))
    return s.wrapped("os-migrateLive", s.object_of(
        {"block_migration": block_migration, "host": _HOST_OR_NULL} | more, needed))


_AUTO = {"type": ["boolean", "string"], "enum": [*s.BOOLEAN["enum"], "auto"]}
MIGRATE_LIVE: Versions = (
    ("2.1", "2.24", _live(s.BOOLEAN, disk_over_commit=s.BOOLEAN)), ("2.25", "2.29", _live(_AUTO)),
    ("2.30", "2.67", _live(_AUTO, force=s.BOOLEAN)), ("2.68", None, _live(_AUTO)))

_ZONE = {"availability_zone": _NAME}
_PLACE = {"availability_zone": {"type": ["string", "null"], "minLength": 1, "maxLength": 255}, "host": servers.HOST}
UNSHELVE: Versions = (
    ("2.1", "2.76", s.wrapped("unshelve", {})),
    ("2.77", "2.90", s.wrapped("unshelve", _or_null(s.object_of(_ZONE, ("availability_zone",))))),
    ("2.91", None, s.wrapped("unshelve", _or_null(s.object_of(_PLACE, minProperties=1)))))


def _rebuilds() -> Versions:
    """Each line is what a microversion changed."""
    changes: list[tuple[str, Schema]] = [
        ("2.1", {"imageRef": s.UUID, "name": s.NAME, "adminPass": _PASSWORD, "metadata": s.METADATA,
                 "preserve_ephemeral": s.BOOLEAN, "OS-DCF:diskConfig": _DISK_CONFIG, "accessIPv4": servers.ACCESS_IPV4,
                 "accessIPv6": servers.ACCESS_IPV6, **servers.PERSONALITY}),
        ("2.19", {"description": servers.DESCRIPTION}),
        ("2.54", {"key_name": _NAME | {"type": ["string", "null"]}}),
        ("2.57", {"personality": None,
                  "user_data": {"type": ["string", "null"], "format": "base64", "maxLength": 65535}}),
        ("2.63", {"trusted_image_certificates": servers.CERTIFICATES}),
        ("2.90", {"hostname": servers.HOSTNAME}), ("2.94", {"hostname": servers.FQDN})]
    members: Schema = {}
    table: list[tuple[str, str | None, Schema]] = []
    for i, (first, change) in enumerate(changes):
        members = {k: v for k, v in (members | change).items() if v is not None}
        last = f"2.{int(changes[i + 1][0].partition('.')[2]) - 1}" if i + 1 < len(changes) else None
        table.append((first, last, s.wrapped("rebuild", s.object_of(members, ("imageRef",)))))
    return tuple(table)


REBUILD = _rebuilds()
