# SPDX-License-Identifier: Apache-2.0
"""Changes of a server's record that need no host: names, metadata, lock, forced state."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from nova import errors, states
from nova.clients.compute import ComputeClient
from nova.context import RequestContext
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.networks import documents
from nova.operations import interfaces
from nova.operations.acceptance import Deps, check_state, held, located, refuse_locked
from nova.operations.leftovers import images_of
from nova.store import events, phases
from nova.store.beginnings import actor_of, leave_record

#: Columns that an update may set.
UPDATABLE = frozenset({"display_name", "display_description", "hostname", "access_ip_v4", "access_ip_v6",
                       "auto_disk_config", "pinned_availability_zone"})


def _change(deps: Deps, context: RequestContext, uuid: str, change: Callable[[dict[str, Any]], dict[str, Any]], *,
            action: str | None = None, also: Callable[[sa.Connection, dict[str, Any]], None] | None = None
            ) -> dict[str, Any]:
    """Apply ``change(row) -> columns`` to the row, which is held; with ``action``, leave a finished operation behind.

    ``also(conn, row)`` runs in the same transaction.
    """
    cell, _ = located(deps, context, uuid)

    def write(conn: sa.Connection) -> None:
        row = held(conn, uuid)
        values = change(row)
        if action is not None:
            values["op_seq"] = row["op_seq"] + 1
        instances.update(conn, uuid, **values)
        if also is not None:
            also(conn, row)
        record = leave_record(conn, context, row, action) if action is not None else None
        if (was := events.seen(conn, row)) is not None:
            events.after(conn, was, phases.accepted(record) if record else None, actor=actor_of(context))

    cell.database.run(write)
    return deps.servers.show(context, uuid)


def update(deps: Deps, context: RequestContext, uuid: str, values: dict[str, Any]) -> dict[str, Any]:
    """Set columns of :data:`UPDATABLE`."""
    unknown = set(values) - UPDATABLE
    if unknown:
        raise errors.Invalid(f"A server's {', '.join(sorted(unknown))} cannot be changed.")
    if "access_ip_v6" in values:
        values = values | {"access_ip_v6": short_v6(values["access_ip_v6"])}
    return _change(deps, context, uuid, lambda row: dict(values))


def short_v6(address: str | None) -> str | None:
    """An IPv6 address as it is kept and shown, however it was written. Raises Invalid for what is none."""
    try:
        return str(ipaddress.IPv6Address(address)) if address else address
    except ValueError as e:
        raise errors.Invalid(f"{address} is not an IPv6 address") from e


def change_metadata(deps: Deps, context: RequestContext, uuid: str,
                    change: Callable[[dict[str, str]], dict[str, str]]) -> dict[str, str]:
    """Metadata after ``change(before)``; quota of metadata items holds."""
    with deps.api.read() as conn:
        limit = deps.quota.limits(conn, context.project_id or "", context.user_id or "")["metadata_items"]

    def apply(row: dict[str, Any]) -> dict[str, Any]:
        refuse_locked(context, row)
        check_state(row, "metadata", "update metadata")
        after = change(dict(row["metadata"]))
        deps.quota.check_count("metadata_items", limit, len(after))
        return {"metadata": after}

    metadata: dict[str, str] = _change(deps, context, uuid, apply)["metadata"]
    return metadata


def change_tags(deps: Deps, context: RequestContext, uuid: str,
                change: Callable[[list[str]], list[str]]) -> list[str]:
    """Tags after ``change(before)``; any state will do, and a lock does not matter."""
    tags: list[str] = _change(deps, context, uuid, lambda row: {"tags": change(list(row["tags"]))})["tags"]
    return tags


def refresh_network(deps: Deps, context: RequestContext, uuid: str) -> None:
    """Read the server's ports again: what the network records say goes into the server's row."""
    with deps.api.read() as conn:
        vifs = documents.network_info(conn, [uuid])[uuid]
    known = documents.all_addresses(vifs)
    _change(deps, context, uuid, lambda row: {"network_info": vifs, "addresses": known})


def forget_system_metadata(deps: Deps, context: RequestContext, uuid: str, key: str) -> None:
    """Drop a key of what the guest or its host told; it may be missing."""
    def without(row: dict[str, Any]) -> dict[str, Any]:
        return {"system_metadata": {k: v for k, v in row["system_metadata"].items() if k != key}}

    _change(deps, context, uuid, without)


def keep_volume(deps: Deps, context: RequestContext, uuid: str, device_uuid: str, *, keep: bool) -> None:
    """Whether an attached volume outlives its server."""
    def write(conn: sa.Connection, row: dict[str, Any]) -> None:
        t = instances.block_devices
        conn.execute(t.update().where(t.c.uuid == device_uuid, t.c.instance_uuid == uuid)
                     .values(delete_on_termination=not keep))

    def check(row: dict[str, Any]) -> dict[str, Any]:
        refuse_locked(context, row)
        return {}

    _change(deps, context, uuid, check, also=write)


def lock(deps: Deps, context: RequestContext, uuid: str, reason: str | None) -> None:
    def apply(row: dict[str, Any]) -> dict[str, Any]:
        owner = row["project_id"] == context.project_id and not context.is_admin
        return {"locked_by": "owner" if owner or row["project_id"] == context.project_id else "admin",
                "locked_reason": reason}

    _change(deps, context, uuid, apply, action="lock")


def unlock(deps: Deps, context: RequestContext, uuid: str, *, may_override: bool) -> None:
    """``may_override``: policy lets the caller lift an administrator's lock."""
    def apply(row: dict[str, Any]) -> dict[str, Any]:
        if row["locked_by"] == "admin" and not may_override:
            raise errors.Forbidden("Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be "
                                   "performed.")
        return {"locked_by": None, "locked_reason": None}

    _change(deps, context, uuid, apply, action="unlock")


def reset_state(deps: Deps, context: RequestContext, uuid: str, vm_state: str) -> None:
    """Force the vm state and end what is under way: its rows are superseded and the epoch rises, so late reports change
    nothing. An accepted delete goes on all the same. The host then looks at the guest: an active server whose guest is
    off is not left active. Interfaces that were coming or going are taken away."""
    if vm_state not in (states.ACTIVE, states.ERROR):
        raise errors.Invalid("state must be active or error")

    def apply(row: dict[str, Any]) -> dict[str, Any]:
        return {"vm_state": vm_state} if row["task_state"] == "deleting" else {"vm_state": vm_state, "task_state": None}

    left: dict[str, Any] = {}

    def end(conn: sa.Connection, row: dict[str, Any]) -> None:
        if row["task_state"] != "deleting":
            superseded = cell_operations.supersede(conn, uuid)
            left.update(images_of(row, superseded))
            instances.raise_epoch(conn, uuid, row["epoch"])
            after = row | {"epoch": row["epoch"] + 1, "op_seq": row["op_seq"] + 1}
            if rows := interfaces.take_back(conn, context, after, superseded, lease=deps.lease):
                instances.update(conn, uuid, op_seq=rows[-1]["seq"])
                left["detached"] = rows

    row = _change(deps, context, uuid, apply, action="resetState", also=end)
    for image_id in left.get("unfinished", ()):
        deps.snapshots.discard(image_id)
    cell, _ = located(deps, context, uuid)
    for operation in left.get("detached", ())[:1]:  # the others wait for it
        deps.nudge_row(context, cell, operation)
    if row["host"]:
        deps.sender.send("compute.settle", ComputeClient(cell.bus).settle, context, row["host"], uuid)
