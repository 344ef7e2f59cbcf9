# SPDX-License-Identifier: Apache-2.0
"""What a list of servers may be asked for: filters, sort keys and pages, and who may use which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nova import errors, states
from nova.api.compute import schemas as s
from nova.store.query import Query
from nova.web import paging, timestamps
from nova.web.request import Request
from nova.web.validation import query

_SORT = {
    "access_ip_v4": "access_ip_v4", "access_ip_v6": "access_ip_v6", "auto_disk_config": "auto_disk_config",
    "availability_zone": "availability_zone", "config_drive": "config_drive", "created_at": "created_at",
    "display_description": "display_description", "display_name": "display_name", "host": "host",
    "hostname": "hostname", "image_ref": "image_ref", "instance_type_id": "flavorid", "kernel_id": "kernel_id",
    "key_name": "key_name", "launch_index": "launch_index", "launched_at": "launched_at", "locked_by": "locked_by",
    "node": "node", "power_state": "power_state", "progress": "progress", "project_id": "project_id",
    "ramdisk_id": "ramdisk_id", "root_device_name": "root_device_name", "task_state": "task_state",
    "terminated_at": "terminated_at", "updated_at": "updated_at", "user_id": "user_id", "uuid": "uuid",
    "vm_state": "vm_state",
}
#: Accepted before 2.75 and without effect.
_IGNORED_SORT = ("architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted",
                 "deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data",
                 "launched_on", "locked", "memory_mb", "os_type", "reservation_id", "root_gb", "shutdown_terminate",
                 "user_data", "vcpus", "vm_mode")
_ADMIN_SORT = frozenset({"host", "node"})

#: Names of tables that once could be reached through a filter.
_FORBIDDEN = ("block_device_mapping", "extra", "info_cache", "metadata", "pci_devices", "security_groups", "services",
              "system_metadata")
_FORBIDDEN_SCHEMA: s.Schema = {"not": {}}


def _yes(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "t", "true", "on", "y", "yes", ""):
        return True
    if lowered in ("0", "f", "false", "off", "n", "no"):
        return False
    raise errors.Invalid(f"Unrecognized value '{text[:64]}', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', "
                         "'off', 'on', 't', 'true', 'y', 'yes'")


def _number(text: str) -> int:
    try:
        return max(-s.MAX_INT, min(s.MAX_INT, int(text)))
    except ValueError as e:
        raise errors.Invalid(f"Invalid filter value: {text[:64]} is not a number") from e


def _config_drive(text: str) -> str:
    return "True" if _yes(text) else ""


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


#: Query parameter → (name of the filter below, how its text is read).
_EVERYONE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "reservation_id": ("reservation_id", str), "name": ("name_regex", str), "image": ("image_ref", str),
    "flavor": ("flavorid", str), "ip": ("ip_regex", str), "changes-since": ("changes_since", timestamps.parse)}
_SINCE: list[tuple[tuple[int, int], dict[str, tuple[str, Callable[[str], Any]]]]] = [
    ((2, 5), {"ip6": ("ip6_regex", str)}),
    ((2, 26), {"tags": ("tags_all", _words), "tags-any": ("tags_any", _words), "not-tags": ("not_tags_all", _words),
               "not-tags-any": ("not_tags_any", _words)}),
    ((2, 66), {"changes-before": ("changes_before", timestamps.parse)}),
    ((2, 73), {"locked": ("locked", _yes)}),
    ((2, 83), {"availability_zone": ("availability_zone", str), "config_drive": ("config_drive", _config_drive),
               "key_name": ("key_name", str), "created_at": ("created_at", timestamps.parse),
               "launched_at": ("launched_at", timestamps.parse), "terminated_at": ("terminated_at", timestamps.parse),
               "power_state": ("power_state", _number), "task_state": ("task_state", str),
               "vm_state": ("vm_state", str), "progress": ("progress", _number), "user_id": ("user_id", str)}),
    ((2, 90), {"hostname": ("hostname_regex", str)}),
]
_PRIVILEGED: dict[str, tuple[str, Callable[[str], Any]]] = {
    **{name: (name, str) for name in (
        "host", "node", "uuid", "user_id", "key_name", "kernel_id", "ramdisk_id", "root_device_name", "locked_by",
        "access_ip_v4", "access_ip_v6", "availability_zone", "task_state", "vm_state", "hostname", "display_name",
        "display_description")},
    **{name: (name, _number) for name in ("launch_index", "power_state", "progress")},
    **{name: (name, timestamps.parse) for name in ("created_at", "launched_at", "terminated_at", "updated_at")},
    "ip6": ("ip6_regex", str), "description": ("display_description", str), "image_ref": ("image_ref", str),
    "config_drive": ("config_drive", _config_drive), "auto_disk_config": ("auto_disk_config", _yes),
    "instance_type_id": ("flavorid", str),
}
#: Known, and answered by code of their own.
_SPECIAL = ("status", "deleted", "soft_deleted", "all_tenants", "project_id", "tenant_id", "limit", "marker",
            "sort_key", "sort_dir")
_OLD = ("architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted_at",
        "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "memory_mb",
        "os_type", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode")


def _index(version: tuple[int, int], *, strict: bool = False) -> s.Schema:
    names = [*_EVERYONE, *_PRIVILEGED, *_SPECIAL, *(() if strict else _OLD)]
    names += [name for since, filters in _SINCE if since <= version for name in filters]
    properties = {name: s.TEXT for name in names}
    keys = [*_SORT, *(("locked",) if version >= (2, 73) else ())]
    properties |= {"limit": s.NUMBER, "sort_key": {"type": "string", "enum": keys if strict else [*keys, *(
                       k for k in _IGNORED_SORT if k not in keys)]},
                   "sort_dir": {"type": "string", "enum": ["asc", "desc"]},
                   **{name: {"type": "string", "format": "date-time"} for name in ("changes-since", "changes-before")
                      if name in properties}}
    properties |= {name: _FORBIDDEN_SCHEMA for name in _FORBIDDEN}
    return query(properties, strict=strict, patterns={"^_": _FORBIDDEN_SCHEMA})


INDEX = (
    ("2.1", "2.4", _index((2, 1))), ("2.5", "2.25", _index((2, 5))), ("2.26", "2.65", _index((2, 26))),
    ("2.66", "2.72", _index((2, 66))), ("2.73", "2.74", _index((2, 73))),
    ("2.75", "2.82", _index((2, 75), strict=True)), ("2.83", "2.89", _index((2, 83), strict=True)),
    ("2.90", None, _index((2, 90), strict=True)),
)


def build(request: Request, *, action: str, max_limit: int, columns: tuple[str, ...]) -> Query | None:
    """The query that a request means; ``action`` is ``index`` or ``detail``. None: nothing can match."""
    privileged = request.allowed("os_compute_api:servers:allow_all_filters")
    filters = _filters(request, privileged)
    limit = request.arg("limit")
    if not _add_status(request, filters) or (limit and not limit.strip("0")):
        return None
    project_id, deleted = _project(request, action, filters), _deleted(request, privileged, filters)
    if deleted is False and "SOFT_DELETED" not in filters.get("statuses", ()) and not (
            privileged and _yes(request.arg("soft_deleted") or "no")):
        filters["soft_deleted"] = False
    return Query(project_id=project_id, filters=filters, sort=_sort(request), limit=paging.limit_of(request, max_limit),
                 marker=request.arg("marker") or None, deleted=deleted, columns=columns)


def _filters(request: Request, privileged: bool) -> dict[str, Any]:
    known = dict(_PRIVILEGED) if privileged else {}
    for since, more in _SINCE:
        if request.version >= since:
            known |= more
    known |= _EVERYONE
    filters: dict[str, Any] = {}
    for name, values in request.args.items():
        if name in known:
            column, read = known[name]
            filters[column] = read(values[-1])
    after, before = filters.get("changes_since"), filters.get("changes_before")
    if after is not None and before is not None and after > before:
        raise errors.Invalid("The value of changes-since must be less than or equal to changes-before.")
    return filters


def _add_status(request: Request, filters: dict[str, Any]) -> bool:
    """Status words may be repeated. False: none of them exists, so no server can have it."""
    wanted = [word.upper() for word in request.args.get("status", ()) if word]
    if not wanted:
        return True
    known = [word for word in wanted if word in states.STATUSES]
    if not known:
        if request.version >= (2, 38):
            raise errors.Invalid("Invalid status value")
        return False
    if "DELETED" in known and not request.context.is_admin:
        raise errors.Forbidden("Only administrators may list deleted instances")
    filters["statuses"] = known
    return True


def _project(request: Request, action: str, filters: dict[str, Any]) -> str | None:
    everyone = request.arg("all_tenants")
    if everyone is not None and _yes(everyone):
        request.authorize(f"os_compute_api:servers:{action}:get_all_tenants")
        return request.arg("project_id") or request.arg("tenant_id")
    return request.context.project_id or ""


def _deleted(request: Request, privileged: bool, filters: dict[str, Any]) -> bool | None:
    asked = request.arg("deleted")
    if asked is not None and privileged:
        return _yes(asked)
    if "DELETED" in filters.get("statuses", ()):
        return True if filters["statuses"] == ["DELETED"] else None
    return None if "changes_since" in filters or "changes_before" in filters else False


def _sort(request: Request) -> list[tuple[str, str]]:
    keys, directions = request.args.get("sort_key", []), request.args.get("sort_dir", [])
    if len(directions) > len(keys) and keys:
        raise errors.Invalid("Sort direction size exceeds sort key size")
    default = directions[0] if directions else "desc"
    pairs: list[tuple[str, str]] = []
    for i, key in enumerate(keys):
        if key in _ADMIN_SORT and not request.context.is_admin:
            raise errors.Forbidden(f"Only administrators can sort servers by {key}")
        column = "locked_by" if key == "locked" and request.version >= (2, 73) else _SORT.get(key)
        direction = directions[i] if i < len(directions) else default
        if column is not None and column not in dict(pairs):
            pairs.append((column, direction))
    return pairs or [("created_at", default)]
