# SPDX-License-Identifier: Apache-2.0
"""Payloads of the unversioned notifications: plain dictionaries under the names that consumers of old know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova import states
from nova.objects.notifications.payloads import when


def _time(seconds: float | None) -> str:
    text = when(seconds)
    return text.removesuffix("Z") + ".000000" if text else ""


def server(row: Mapping[str, Any]) -> dict[str, Any]:
    """What every event of a server tells."""
    flavor = row["flavor"]
    properties = row.get("image_properties") or {}
    return {
        "tenant_id": row["project_id"], "user_id": row["user_id"], "instance_id": row["uuid"],
        "display_name": row["display_name"], "reservation_id": row.get("reservation_id"),
        "hostname": row.get("hostname"), "instance_type": flavor["name"], "instance_type_id": None,
        "instance_flavor_id": flavor["flavorid"], "architecture": properties.get("hw_architecture"),
        "memory_mb": row["memory_mb"], "disk_gb": row["root_gb"] + row["ephemeral_gb"], "vcpus": row["vcpus"],
        "root_gb": row["root_gb"], "ephemeral_gb": row["ephemeral_gb"], "host": row.get("host"),
        "node": row.get("node"), "availability_zone": row.get("availability_zone"), "cell_name": "",
        "created_at": _time(row.get("created_at")), "terminated_at": _time(row.get("terminated_at")),
        "deleted_at": _time(row.get("deleted_at")), "launched_at": _time(row.get("launched_at")),
        "image_ref_url": f"images/{row['image_ref']}" if row.get("image_ref") else "",
        "os_type": properties.get("os_type"), "kernel_id": row.get("kernel_id") or "",
        "ramdisk_id": row.get("ramdisk_id") or "", "state": row["vm_state"],
        "state_description": row.get("task_state") or "", "progress": row.get("progress") or "",
        "access_ip_v4": row.get("access_ip_v4"), "access_ip_v6": row.get("access_ip_v6"),
        "image_meta": {**properties, "base_image_ref": row.get("image_ref") or ""}, "metadata": row.get("metadata"),
    }


def action(row: Mapping[str, Any], fault: Mapping[str, Any] | None, *, with_addresses: bool) -> dict[str, Any]:
    payload = server(row)
    if with_addresses:
        payload["fixed_ips"] = addresses(row)
        payload["message"] = "Success"
    if fault:
        payload |= {"code": fault.get("code", 500), "message": fault.get("message", ""),
                    "exception": fault.get("message", "")}
    return payload


def addresses(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"address": ip["address"], "type": ip.get("type", "fixed"), "version": ip["version"], "meta": {},
             "floating_ips": [], "label": vif["network"]["label"], "vif_mac": vif["address"]}
            for vif in row.get("network_info") or [] for ip in vif["ips"]]


def update(row: Mapping[str, Any], before: Mapping[str, Any], now: float) -> dict[str, Any]:
    payload = server(row) | {
        "old_state": before["vm_state"], "state": row["vm_state"], "old_task_state": before["task_state"],
        "new_task_state": row["task_state"], "bandwidth": {}, "tags": list(row.get("tags") or []),
        "audit_period_beginning": f"{when(now) or '':.7}-01T00:00:00.000000", "audit_period_ending": _time(now)}
    if before["display_name"] != row["display_name"]:
        payload["old_display_name"] = before["display_name"]
    return payload


def exists(row: Mapping[str, Any], beginning: float, ending: float) -> dict[str, Any]:
    return server(row) | {"audit_period_beginning": _time(beginning), "audit_period_ending": _time(ending),
                          "bandwidth": {}}


def task(payload: Mapping[str, Any], method: str) -> dict[str, Any]:
    """A failed task, from the data of its versioned payload."""
    return {"instance_id": payload["instance_uuid"], "instance_properties": {}, "method": method,
            "request_spec": {"instance_properties": {"uuid": payload["instance_uuid"]}},
            "state": payload.get("state") or states.ERROR, "reason": payload["reason"]["exception_message"]}
