# SPDX-License-Identifier: Apache-2.0
"""Payloads of events of servers ("instance" in their names), made from a server's row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nova import states
from nova.objects.base import Json, NovaObject, register
from nova.objects.notifications.payloads import ExceptionPayload, FlavorPayload, KeypairPayload, when

POWER = {states.NOSTATE: "pending", states.RUNNING: "running", states.PAUSED_POWER: "paused",
         states.SHUTDOWN: "shutdown", states.CRASHED: "crashed", states.SUSPENDED_POWER: "suspended"}


@register
class IpPayload(NovaObject):
    """An address of a server on one of its interfaces."""

    label: str
    mac: str
    meta: Json = {}
    port_uuid: str | None
    version: int
    address: str
    device_name: str | None

    @classmethod
    def all_of(cls, network_info: Iterable[Mapping[str, Any]]) -> list[IpPayload]:
        return [cls.new(label=vif["network"]["label"], mac=vif["address"], port_uuid=vif["id"],
                        version=ip["version"], address=ip["address"], device_name=vif.get("device"))
                for vif in network_info for ip in vif["ips"]]


@register
class BlockDevicePayload(NovaObject):
    """A volume of a server."""

    boot_index: int | None
    delete_on_termination: bool = False
    device_name: str | None
    tag: str | None
    volume_id: str | None


@register
class InstancePayload(NovaObject):
    """What every event of a server tells. ``shares`` is empty: no host of ours can share directories."""

    VERSION = "1.9"

    uuid: str
    user_id: str | None
    tenant_id: str | None
    reservation_id: str | None
    display_name: str | None
    display_description: str | None
    host_name: str | None
    host: str | None
    node: str | None
    os_type: str | None
    architecture: str | None
    availability_zone: str | None
    flavor: FlavorPayload
    image_uuid: str | None
    key_name: str | None
    kernel_id: str | None
    ramdisk_id: str | None
    created_at: str | None
    launched_at: str | None
    terminated_at: str | None
    deleted_at: str | None
    updated_at: str | None
    state: str | None
    power_state: str | None
    task_state: str | None
    progress: int | None
    ip_addresses: list[IpPayload]
    block_devices: list[BlockDevicePayload]
    metadata: Json = {}
    locked: bool
    locked_reason: str | None
    auto_disk_config: str
    request_id: str | None
    action_initiator_user: str | None
    action_initiator_project: str | None
    shares: Json = []


@register
class InstanceActionPayload(InstancePayload):
    """An operation on a server begins, ends or fails."""

    VERSION = "1.9"

    fault: ExceptionPayload | None


@register
class InstanceCreatePayload(InstanceActionPayload):
    VERSION = "1.13"

    keypairs: list[KeypairPayload]
    tags: Json = []
    trusted_image_certificates: Json = None
    instance_name: str | None


@register
class InstanceStateUpdatePayload(NovaObject):
    old_state: str | None
    state: str | None
    old_task_state: str | None
    new_task_state: str | None


@register
class AuditPeriodPayload(NovaObject):
    audit_period_beginning: str
    audit_period_ending: str


@register
class InstanceUpdatePayload(InstancePayload):
    """``bandwidth`` is empty: the hosts do not count it. The audit period is the calendar month so far."""

    VERSION = "1.10"

    state_update: InstanceStateUpdatePayload
    audit_period: AuditPeriodPayload
    bandwidth: Json = []
    old_display_name: str | None
    tags: Json = []


@register
class InstanceExistsPayload(InstancePayload):
    """``bandwidth`` is empty: the hosts do not count it."""

    VERSION = "1.4"

    audit_period: AuditPeriodPayload
    bandwidth: Json = []


def common(row: Mapping[str, Any], devices: Iterable[Mapping[str, Any]], actor: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of :class:`InstancePayload` from a server's row. ``actor``: who asked."""
    properties = row.get("image_properties") or {}
    names = ("uuid", "user_id", "reservation_id", "display_name", "display_description", "host", "node",
             "availability_zone", "key_name", "task_state", "progress", "metadata", "locked_reason")
    times = ("created_at", "launched_at", "terminated_at", "deleted_at", "updated_at")
    return {name: row.get(name) for name in names} | {name: when(row.get(name)) for name in times} | {
        "tenant_id": row["project_id"], "host_name": row.get("hostname"), "image_uuid": row.get("image_ref") or "",
        "kernel_id": row.get("kernel_id") or "", "ramdisk_id": row.get("ramdisk_id") or "",
        "os_type": properties.get("os_type"), "architecture": properties.get("hw_architecture"),
        "state": row["vm_state"], "power_state": POWER.get(row.get("power_state") or 0, "pending"),
        "locked": row.get("locked_by") is not None,
        "auto_disk_config": "AUTO" if row.get("auto_disk_config") else "MANUAL",
        "flavor": FlavorPayload.of(row["flavor"]),
        "ip_addresses": IpPayload.all_of(row.get("network_info") or []),
        "block_devices": [BlockDevicePayload.new(**{name: device.get(name) for name in BlockDevicePayload.fields})
                          for device in devices],
        "request_id": actor.get("request_id"), "action_initiator_user": actor.get("user_id"),
        "action_initiator_project": actor.get("project_id")}


def action(row: Mapping[str, Any], devices: Iterable[Mapping[str, Any]], actor: Mapping[str, Any],
           fault: Mapping[str, Any] | None) -> InstanceActionPayload:
    return InstanceActionPayload.new(fault=_fault(fault), **common(row, devices, actor))


def create(row: Mapping[str, Any], devices: Iterable[Mapping[str, Any]], actor: Mapping[str, Any],
           fault: Mapping[str, Any] | None) -> InstanceCreatePayload:
    """With what only a create tells: key, tags, certificates."""
    keys = []
    if row.get("key_name"):
        keys.append(KeypairPayload.new(user_id=row["user_id"], name=row["key_name"], type=_kind(row.get("key_data")),
                                       public_key=row.get("key_data")))
    return InstanceCreatePayload.new(
        fault=_fault(fault), keypairs=keys, tags=list(row.get("tags") or []),
        trusted_image_certificates=row.get("trusted_certs") or None,
        instance_name=row.get("name") or (f"instance-{row['id']:08x}" if row.get("id") else None),
        **common(row, devices, actor))


def exists(row: Mapping[str, Any], devices: Iterable[Mapping[str, Any]], beginning: float,
           ending: float) -> InstanceExistsPayload:
    """Nobody asked for it; the period is that of the audit."""
    period = AuditPeriodPayload.new(audit_period_beginning=when(beginning) or "",
                                    audit_period_ending=when(ending) or "")
    return InstanceExistsPayload.new(audit_period=period, **common(row, devices, {}))


def update(row: Mapping[str, Any], devices: Iterable[Mapping[str, Any]], actor: Mapping[str, Any],
           before: Mapping[str, Any], now: float) -> InstanceUpdatePayload:
    """``before`` is the row as it was."""
    renamed = before["display_name"] != row["display_name"]
    month = f"{when(now) or '':.7}-01T00:00:00Z"
    return InstanceUpdatePayload.new(
        state_update=InstanceStateUpdatePayload.new(
            old_state=before["vm_state"], state=row["vm_state"], old_task_state=before["task_state"],
            new_task_state=row["task_state"]),
        audit_period=AuditPeriodPayload.new(audit_period_beginning=month, audit_period_ending=when(now) or month),
        old_display_name=before["display_name"] if renamed else None, tags=list(row.get("tags") or []),
        **common(row, devices, actor))


def _fault(fault: Mapping[str, Any] | None) -> ExceptionPayload | None:
    return ExceptionPayload.of(fault) if fault else None


def _kind(key: str | None) -> str:
    return "x509" if key and key.startswith("-----BEGIN") else "ssh"
