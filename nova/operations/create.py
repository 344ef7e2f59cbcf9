# SPDX-License-Identifier: Apache-2.0
"""Accepting a create (T1): quota charge, build request, request spec, mapping and operation in one transaction."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors, states
from nova.clients.scheduler import SchedulerClient
from nova.context import RequestContext
from nova.db.api import cells as mappings
from nova.db.api import server_groups
from nova.db.api.tables import operations as api_operations
from nova.networks import allocation
from nova.operations.acceptance import Deps
from nova.operations.details import short_v6
from nova.placement.resources import resources_of
from nova.store import events, record_events
from nova.store.beginnings import new_row
from nova.virt.hardware import plan
from nova.virt.hardware.wishes import Wishes
from nova.workflow.operations import CREATE

GIB = 1024**3
_TRIES = 3
#: Key of a server's system metadata: the memory that its image asks for, in MiB.
IMAGE_MIN_RAM = "image_min_ram"


@dataclasses.dataclass(frozen=True)
class CreateRequest:
    """A create whose references are resolved: ``flavor`` as a dict (see the flavor modules), ``image`` with id,
    min_disk (GiB), min_ram (MiB), size (bytes), properties and status, or None. ``networks`` is None, "auto", "none" or
    a list of {"uuid", "fixed_ip"}. ``group`` is a server group's row with members, or None.
    ``files`` are contents in base64 by their paths, for the config drive. ``local_disks``, if any are named: the root
    disk's device, and disks in place of those that the flavor gives, as the table of block devices keeps them."""

    name: str
    flavor: dict[str, Any]
    image: dict[str, Any] | None = None
    min_count: int = 1
    max_count: int = 1
    networks: Any = None
    key_name: str | None = None
    key_data: str | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    description: str | None = None
    hostname: str | None = None
    tags: Sequence[str] = ()
    user_data: str | None = None
    config_drive: bool = False
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    auto_disk_config: bool = False
    security_groups: Sequence[str] = ("default",)
    availability_zone: str | None = None
    force_host: str | None = None
    force_node: str | None = None
    requested_destination: dict[str, str] | None = None
    scheduler_hints: dict[str, Any] = dataclasses.field(default_factory=dict)
    group: dict[str, Any] | None = None
    trusted_certs: Sequence[str] | None = None
    admin_pass: str | None = dataclasses.field(default=None, repr=False)
    files: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    local_disks: Sequence[dict[str, Any]] = ()


@dataclasses.dataclass(frozen=True)
class Created:
    """``servers`` are rows as reads give them; the first answers a single create."""

    servers: list[dict[str, Any]]
    reservation_id: str


Accepting = Callable[[Created], Any]


def create(deps: Deps, context: RequestContext, request: CreateRequest,
           accepting: Accepting = lambda created: None) -> Created:
    """Raises Invalid for what cannot be built, and OverQuota. ``accepting`` is told what is made, within the
    transaction that makes it."""
    _check(request)
    reservation = f"r-{concurrency.uuid4().replace('-', '')[:8]}"
    for _ in range(_TRIES):
        try:
            return _accept(deps, context, request, _count(deps, context, request), reservation, accepting)
        except errors.OverQuota:
            if request.min_count == request.max_count:
                raise  # with a range, another request took of the room that was counted: count again
    return _accept(deps, context, request, request.min_count, reservation, accepting)


def explain(deps: Deps, context: RequestContext, request: CreateRequest) -> dict[str, Any]:
    """The scheduler's own decision about such a create, without a claim. Raises what ``create`` raises but OverQuota,
    which is told beside it."""
    _check(request)
    over = None
    with deps.api.read() as conn:
        try:
            deps.quota.fitting(conn, context.project_id or "", _charge_of(request.flavor), request.min_count,
                               request.max_count, user_id=context.user_id or "")
        except errors.OverQuota as e:
            over = e.message
    spec = _spec(context, request, concurrency.uuid4())
    told = SchedulerClient(deps.api_bus).explain(context, spec, request.max_count)
    return told | {"over_quota": over}


def _accept(deps: Deps, context: RequestContext, request: CreateRequest, count: int, reservation: str,
            accepting: Accepting) -> Created:
    servers = [_server(context, request, i, count, reservation) for i in range(count)]
    rows = [deps.sealed(_operation(context, request, s), _secrets(request)) for s in servers]
    charge = _charge_of(request.flavor)
    now = concurrency.time()
    created = Created([s | {"cell_uuid": None, "fault": None, "volumes": []} for s in servers], reservation)

    def accept(conn: sa.Connection) -> None:
        deps.quota.charge(conn, context.project_id or "", {k: v * count for k, v in charge.items()},
                          user_id=context.user_id or "")
        allocation.check(conn, context.project_id or "", request.networks)
        conn.execute(mappings.NEW_MAPPING, [
            {"instance_uuid": s["uuid"], "cell_uuid": None, "project_id": context.project_id,
             "user_id": context.user_id, "queued_for_delete": False, "fence": 0, "charge": charge, "created_at": now}
            for s in servers])
        conn.execute(mappings.NEW_REQUEST, [
            {"instance_uuid": s["uuid"], "project_id": context.project_id, "instance": s,
             "block_devices": _block_devices(request, s, now), "created_at": now} for s in servers])
        conn.execute(mappings.NEW_SPEC, [
            {"instance_uuid": s["uuid"], "spec": r["inputs"]["spec"]} for s, r in zip(servers, rows, strict=True)])
        if request.group is not None:
            _check_members(deps, conn, context, request.group["uuid"], count)
            conn.execute(server_groups.server_group_members.insert(), [
                {"group_uuid": request.group["uuid"], "instance_uuid": s["uuid"]} for s in servers])
        api_operations.insert(conn, rows)
        events.created(conn, servers, rows)
        if request.group is not None:
            record_events.server_group(conn, context, "add_member",
                                       request.group | {"members": [s["uuid"] for s in servers]})
        accepting(created)

    deps.api.run(accept)
    deps.nudge_api(context, [[r["uuid"], r["epoch"]] for r in rows])
    return created


def _check(request: CreateRequest) -> None:
    flavor, image = request.flavor, request.image
    if request.min_count > request.max_count:
        raise errors.Invalid("min_count must be <= max_count")
    if image is None:
        raise errors.Invalid("Invalid image identifier or unable to use as a boot source: give imageRef.")
    check_image(flavor, image)


def check_image(flavor: Mapping[str, Any], image: Mapping[str, Any]) -> None:
    """Raises Invalid when a server of the flavor cannot boot from the image."""
    check_memory(image.get("min_ram"), flavor)
    asked = Wishes(flavor.get("extra_specs") or {}, image.get("properties") or {})
    plan.check(asked, flavor["vcpus"], flavor["memory_mb"])
    root = flavor["root_gb"]
    if root:
        if (image.get("size") or 0) > root * GIB:
            raise errors.Invalid(f"Flavor's disk is too small for requested image. Flavor disk is {root * GIB} bytes, "
                                 f"image is {image['size']} bytes.")
        if (image.get("min_disk") or 0) > root:
            raise errors.Invalid(f"Flavor's disk is smaller than the minimum size specified in image metadata. Flavor "
                                 f"disk is {root * GIB} bytes, minimum size is {image['min_disk'] * GIB} bytes.")


def remembered(known: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """System metadata with what a later resize must know of the image, which may be gone by then."""
    rest = {k: v for k, v in known.items() if k != IMAGE_MIN_RAM}
    return rest | ({IMAGE_MIN_RAM: image["min_ram"]} if image.get("min_ram") else {})


def check_memory(needed: int | None, flavor: Mapping[str, Any]) -> None:
    """Raises Invalid for a flavor with less memory than an image asks for."""
    if needed and needed > flavor["memory_mb"]:
        raise errors.Invalid("Flavor's memory is too small for requested image.")


def _check_members(deps: Deps, conn: sa.Connection, context: RequestContext, group: str, count: int) -> None:
    limit = deps.quota.limits(conn, context.project_id or "", context.user_id or "")["server_group_members"]
    deps.quota.check_count("server_group_members", limit, server_groups.count_members(conn, group) + count)


def _count(deps: Deps, context: RequestContext, request: CreateRequest) -> int:
    """As many as asked for, or as many as quota has room for; OverQuota when that is fewer than ``min_count``."""
    if request.min_count == request.max_count:
        return request.max_count
    with deps.api.read() as conn:
        return deps.quota.fitting(conn, context.project_id or "", _charge_of(request.flavor), request.min_count,
                                  request.max_count, user_id=context.user_id or "")


def _needs_config_drive(image: dict[str, Any]) -> bool:
    return (image.get("properties") or {}).get("img_config_drive") == "mandatory"


def _charge_of(flavor: dict[str, Any]) -> dict[str, int]:
    return {"instances": 1, "cores": flavor["vcpus"], "ram": flavor["memory_mb"]}


def hostname_of(name: str, uuid: str) -> str:
    """A host name made of a display name: ASCII letters, digits and hyphens, at most 63."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    host = re.sub(r"[^A-Za-z0-9-]+", "-", re.sub(r"[ _.]", "-", plain)).strip("-").lower()[:63].strip("-")
    return host or f"Server-{uuid}"[:63]


def _server(context: RequestContext, request: CreateRequest, index: int, count: int,
            reservation: str) -> dict[str, Any]:
    uuid = concurrency.uuid4()
    name = request.name if count == 1 else f"{request.name}-{index + 1}"
    hostname = request.hostname or hostname_of(name, uuid)
    flavor, image = request.flavor, request.image or {}
    now = concurrency.time()
    return {
        "uuid": uuid, "project_id": context.project_id, "user_id": context.user_id, "display_name": name,
        "display_description": request.description, "name": None,
        "hostname": hostname if count == 1 or not request.hostname else f"{hostname}-{index + 1}",
        "reservation_id": reservation, "launch_index": index, "image_ref": image.get("id"),
        "image_properties": dict(image.get("properties") or {}), "kernel_id": "", "ramdisk_id": "",
        "key_name": request.key_name, "key_data": request.key_data, "user_data": request.user_data,
        "host": None, "node": None, "compute_uuid": None, "availability_zone": request.availability_zone,
        "pinned_availability_zone": request.availability_zone, "vm_state": states.BUILDING,
        "task_state": "scheduling", "power_state": states.NOSTATE, "progress": 0, "flavor": flavor,
        "flavorid": flavor["flavorid"], "vcpus": flavor["vcpus"], "memory_mb": flavor["memory_mb"],
        "root_gb": flavor["root_gb"], "ephemeral_gb": flavor["ephemeral_gb"], "metadata": request.metadata,
        "system_metadata": remembered({}, image), "tags": list(request.tags), "network_info": [], "addresses": "",
        "block_devices": list(request.local_disks) or None,
        "security_groups": list(request.security_groups), "scheduler_hints": request.scheduler_hints,
        "server_group": request.group["uuid"] if request.group else None,
        "trusted_certs": list(request.trusted_certs) if request.trusted_certs else None,
        "config_drive": "True" if request.config_drive or _needs_config_drive(image) else "",
        "access_ip_v4": request.access_ip_v4,
        "access_ip_v6": short_v6(request.access_ip_v6), "auto_disk_config": request.auto_disk_config,
        "root_device_name": None, "locked_by": None, "locked_reason": None, "epoch": 0, "op_seq": 0,
        "deleted": False, "created_at": now, "updated_at": now, "launched_at": None, "terminated_at": None,
        "deleted_at": None}


def _spec(context: RequestContext, request: CreateRequest, uuid: str) -> dict[str, Any]:
    """What the scheduler is asked for."""
    group, properties = request.group, dict((request.image or {}).get("properties") or {})
    return {
        "instance_uuid": uuid, "project_id": context.project_id, "user_id": context.user_id,
        "flavor": request.flavor, "resources": resources_of(request.flavor, image_properties=properties),
        "image_properties": properties,
        "availability_zone": request.availability_zone, "force_host": request.force_host,
        "force_node": request.force_node, "requested_destination": request.requested_destination,
        "scheduler_hints": request.scheduler_hints,
        "group": {"uuid": group["uuid"], "policy": group["policy"], "rules": group.get("rules") or {},
                  "members": []} if group else None}


def _operation(context: RequestContext, request: CreateRequest, server: dict[str, Any]) -> dict[str, Any]:
    return new_row(context, CREATE, server, seq=0, epoch=0, level="api", step="schedule", inputs={
        "spec": _spec(context, request, server["uuid"]), "networks": request.networks,
        "image_id": (request.image or {}).get("id"), "security_groups": list(request.security_groups)})


def _secrets(request: CreateRequest) -> dict[str, Any]:
    """What goes sealed to the host."""
    secrets: dict[str, Any] = {"admin_pass": request.admin_pass} if request.admin_pass else {}
    return secrets | ({"files": request.files} if request.files else {})


def _block_devices(request: CreateRequest, server: dict[str, Any], now: float) -> list[dict[str, Any]]:
    """The local disks, as the table of block devices keeps them: the root disk, and what else the create named."""
    root = {"boot_index": 0, "source_type": "image", "destination_type": "local", "guest_format": None,
            "device_type": "disk", "disk_bus": None, "volume_size": request.flavor["root_gb"], "tag": None,
            "delete_on_termination": True}
    return [disk | {"uuid": concurrency.uuid4(), "instance_uuid": server["uuid"], "created_at": now}
            | ({"image_id": (request.image or {}).get("id"), "device_name": "/dev/vda"}
               if disk["source_type"] == "image" else {"image_id": None, "device_name": None})
            for disk in request.local_disks or [root]]
