# SPDX-License-Identifier: Apache-2.0
"""What an image is: the value that the library hands out, and the limits it keeps. No database and no rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

VISIBILITIES = ("public", "private", "shared", "community")
STATUSES = ("queued", "saving", "uploading", "importing", "active", "deactivated", "killed", "deleted")
MEMBER_STATUSES = ("pending", "accepted", "rejected")

#: Attributes that a user may give or change; everything else is the service's.
WRITABLE = ("name", "visibility", "container_format", "disk_format", "min_disk", "min_ram", "protected", "os_hidden")
#: Attributes that only the service writes.
READ_ONLY = ("status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at",
             "deleted_at", "self", "file", "schema", "direct_url", "deleted", "is_public")
#: Names that users can neither set as attributes nor as properties; nor any that begin with OURS.
RESERVED = ("locations", "stores")
OURS = "os_glance_"


def is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith(OURS)


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """An image record. Sizes are bytes, ``min_disk`` GiB, ``min_ram`` MiB, times epoch seconds."""

    id: str
    name: str | None
    status: str
    visibility: str
    owner: str | None
    container_format: str | None
    disk_format: str | None
    size: int | None
    virtual_size: int | None
    min_disk: int
    min_ram: int
    protected: bool
    os_hidden: bool
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    created_at: float
    updated_at: float
    properties: Mapping[str, str | None]
    tags: tuple[str, ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any], properties: Mapping[str, str | None], tags: list[str]) -> Image:
        return cls(**{f: row[f] for f in COLUMNS}, properties=properties, tags=tuple(tags))


COLUMNS = tuple(f.name for f in dataclasses.fields(Image) if f.name not in ("properties", "tags"))


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What images may have; -1 stands for no limit."""

    disk_formats: tuple[str, ...]
    container_formats: tuple[str, ...]
    properties: int = 128
    tags: int = 128
    members: int = 128
    page: int = 25
    page_max: int = 1000

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> Limits:
        section = conf.image
        return cls(disk_formats=tuple(section.disk_formats), container_formats=tuple(section.container_formats),
                   properties=section.image_property_quota, tags=section.image_tag_quota,
                   members=section.image_member_quota, page=section.limit_param_default,
                   page_max=section.api_limit_max)
