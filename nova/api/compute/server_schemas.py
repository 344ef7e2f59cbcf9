# SPDX-License-Identifier: Apache-2.0
"""Schemas of bodies that make or change servers, by microversion."""

from __future__ import annotations

from typing import Any

from nova.api.compute import schemas as s

Schema = s.Schema

HOST = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9_.\-]+$"}
_COUNT = s.integer(1)
_DISK_CONFIG = {"type": "string", "enum": ["AUTO", "MANUAL"]}
DESCRIPTION = {"type": ["string", "null"], "minLength": 0, "maxLength": 255, "pattern": r"^[^\x00-\x08\x0b-\x1f\x7f]*$"}
TAG = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
_DEVICE_TAG = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
HOSTNAME = {"type": "string", "minLength": 2, "maxLength": 63, "pattern": r"^[a-zA-Z0-9]+[a-zA-Z0-9\-]*[a-zA-Z0-9]+$"}
FQDN = {"type": "string", "minLength": 2, "maxLength": 255, "pattern": r"^[a-zA-Z0-9]+[a-zA-Z0-9\-.]*[a-zA-Z0-9]+$"}
CERTIFICATES = {"type": ["array", "null"], "minItems": 1, "maxItems": 50, "uniqueItems": True,
                 "items": {"type": "string", "minLength": 1}}
ACCESS_IPV4 = {"type": "string", "format": "ipv4"}
ACCESS_IPV6 = {"type": "string", "format": "ipv6"}

_NETWORK = {"fixed_ip": {"type": "string", "format": "ip"}, "port": {"oneOf": [s.UUID, {"type": "null"}]},
            "uuid": s.UUID}


def _networks(members: Schema, *, words: bool) -> Schema:
    listed: Schema = {"type": "array", "items": s.object_of(members), "maxItems": 128}
    return {"oneOf": [listed, {"type": "string", "enum": ["none", "auto"]}]} if words else listed


def _block_device(**more: Any) -> Schema:
    return s.object_of({
        "virtual_name": {"type": "string", "maxLength": 255}, "volume_id": s.UUID, "snapshot_id": s.UUID,
        "volume_size": s.integer(1), "no_device": {"type": "string"}, "connection_info": {"type": "object"},
        "device_name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._/-]*$"},
        "delete_on_termination": s.BOOLEAN, **more})


def _block_device_v2(**more: Any) -> Schema:
    return _block_device(
        source_type={"type": "string", "enum": ["volume", "image", "snapshot", "blank"]},
        uuid={"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$"},
        image_id=s.UUID, destination_type={"type": "string", "enum": ["local", "volume"]},
        guest_format={"type": "string", "maxLength": 255}, device_type={"type": "string", "maxLength": 255},
        disk_bus={"type": "string", "maxLength": 255},
        boot_index={"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"}, **more)


def _devices(schema: Schema) -> Schema:
    return {"type": "array", "items": schema, "maxItems": 64}


_IMAGE_REF = {"oneOf": [s.UUID | {"minLength": 1}, {"type": "string", "maxLength": 0}]}
_BASE: Schema = {
    "name": s.NAME, "imageRef": _IMAGE_REF,
    "flavorRef": {"type": ["string", "integer"], "minLength": 1, "maxLength": 255},
    "adminPass": {"type": "string"}, "metadata": s.METADATA, "networks": _networks(_NETWORK, words=False),
    "OS-DCF:diskConfig": _DISK_CONFIG, "accessIPv4": ACCESS_IPV4, "accessIPv6": ACCESS_IPV6,
    "availability_zone": {"type": "string", "minLength": 1, "maxLength": 255},
    "block_device_mapping": _devices(_block_device()), "block_device_mapping_v2": _devices(_block_device_v2()),
    "config_drive": s.BOOLEAN, "key_name": {"type": "string", "minLength": 1, "maxLength": 255},
    "min_count": _COUNT, "max_count": _COUNT, "return_reservation_id": s.BOOLEAN,
    "security_groups": {"type": "array", "maxItems": 64,
                        "items": {"type": "object", "properties": {"name": s.NAME}, "additionalProperties": False}},
    "user_data": {"type": "string", "format": "base64", "maxLength": 65535},
}
PERSONALITY = {"personality": {"type": "array", "maxItems": 64, "items": s.object_of(
    {"path": {"type": "string"}, "contents": {"type": "string", "format": "base64"}})}}

_HINT_UUIDS = {"oneOf": [s.UUID, {"type": "array", "items": s.UUID, "maxItems": 128}]}
_HINTS: Schema = {"type": "object", "properties": {
    "group": s.UUID, "different_host": _HINT_UUIDS, "same_host": _HINT_UUIDS,
    "query": {"type": ["string", "object"]}, "target_cell": {"type": "string", "minLength": 1, "maxLength": 255},
    "different_cell": {"type": ["string", "array"], "items": {"type": "string"}},
    "build_near_host_ip": {"type": "string", "format": "ip"}, "cidr": {"type": "string", "pattern": "^/[0-9a-f.:]+$"},
}, "additionalProperties": True, "maxProperties": 64}


def _create(members: Schema, *required: str) -> Schema:
    return {"type": "object", "required": ["server"], "additionalProperties": False, "properties": {
        "server": s.object_of(members, ("name", "flavorRef", *required)),
        "os:scheduler_hints": _HINTS, "OS-SCH-HNT:scheduler_hints": _HINTS}}


def _versions() -> list[tuple[str, str | None, Schema]]:
    """Each line is what a microversion changed; the table of the route is made of them."""
    tagged = _NETWORK | {"tag": _DEVICE_TAG}
    v2, v1 = _block_device_v2(), _block_device_v2(tag=_DEVICE_TAG)
    volume_type = {"type": ["string", "null"], "minLength": 0, "maxLength": 255}
    changes: list[tuple[str, Schema]] = [
        ("2.1", PERSONALITY),
        ("2.19", {"description": DESCRIPTION}),
        ("2.32", {"networks": _networks(tagged, words=False), "block_device_mapping_v2": _devices(v1)}),
        ("2.33", {"block_device_mapping_v2": _devices(v2)}),
        ("2.37", {"networks": _networks(_NETWORK, words=True)}),
        ("2.42", {"networks": _networks(tagged, words=True), "block_device_mapping_v2": _devices(v1)}),
        ("2.52", {"tags": {"type": "array", "items": TAG, "maxItems": 50, "uniqueItems": True}}),
        ("2.57", {"personality": None}),
        ("2.63", {"trusted_image_certificates": CERTIFICATES}),
        ("2.67", {"block_device_mapping_v2": _devices(_block_device_v2(tag=_DEVICE_TAG, volume_type=volume_type))}),
        ("2.74", {"host": HOST, "hypervisor_hostname": HOST}),
        ("2.90", {"hostname": HOSTNAME}),
        ("2.94", {"hostname": FQDN}),
    ]
    members, table = dict(_BASE), []
    for i, (first, change) in enumerate(changes):
        members = {k: v for k, v in (members | change).items() if v is not None}
        minor = int(first.partition(".")[2])
        last = f"2.{int(changes[i + 1][0].partition('.')[2]) - 1}" if i + 1 < len(changes) else None
        table.append((first, last, _create(members, *(("networks",) if minor >= 37 else ()))))
    return table


CREATE = tuple(_versions())

_UPDATE: Schema = {"name": s.NAME, "OS-DCF:diskConfig": _DISK_CONFIG, "accessIPv4": ACCESS_IPV4,
                   "accessIPv6": ACCESS_IPV6}
_ZONE = {"type": ["string", "null"], "minLength": 1, "maxLength": 255}


def _update(**more: Schema) -> Schema:
    return s.wrapped("server", s.object_of(_UPDATE | more))


UPDATE = (
    ("2.1", "2.18", _update()), ("2.19", "2.89", _update(description=DESCRIPTION)),
    ("2.90", "2.93", _update(description=DESCRIPTION, hostname=HOSTNAME)),
    ("2.94", "2.103", _update(description=DESCRIPTION, hostname=FQDN)),
    ("2.104", None, _update(description=DESCRIPTION, hostname=FQDN, pinned_availability_zone=_ZONE)),
)

METADATA = s.wrapped("metadata", s.METADATA)
META = s.wrapped("meta", {**s.METADATA, "minProperties": 1, "maxProperties": 1})
