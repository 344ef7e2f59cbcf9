# SPDX-License-Identifier: Apache-2.0
"""What happens to servers, told to whoever listens: notifications and events for streams, in the transaction that makes
it happen. While nobody listens :func:`before` gives None at once and nothing else runs.

    was = events.before(conn, uuid)
    ...                                     # change the server's row, its operation
    events.after(conn, was, Happened(...))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from nova import concurrency, states
from nova.db.cell import instances
from nova.objects.notifications import legacy, servers
from nova.objects.notifications.catalogue import ERROR, INFO, LIVE_PARTS, OPERATIONS, legacy_name
from nova.objects.notifications.payloads import (
    ComputeTaskPayload,
    ExceptionPayload,
    FlavorPayload,
    RequestSpecPayload,
)
from nova.store.recorder import Note, Recorder, recorder_of

API, CONDUCTOR, COMPUTE = "nova-api", "nova-conductor", "nova-compute"
#: A change of one of these is a change of state; of one of the others, of the record.
STATE = ("vm_state", "task_state", "power_state", "progress")
RECORD = ("display_name", "display_description", "hostname", "metadata", "tags", "locked_by", "locked_reason",
          "addresses", "host", "access_ip_v4", "access_ip_v6", "flavorid", "image_ref")
#: Phases that are an event of their own name.
_PLAIN = frozenset({"lock", "unlock"})
_EXCEPTION, _TASK = "exception", "task"
#: The parts of a resize that have events of their own, and what they are called in the unversioned format.
_PARTS = {"prep": "resize.prep", "finish": "finish_resize"}


@dataclasses.dataclass(frozen=True, slots=True)
class Before:
    """A server as it was when the transaction began; ``row`` None: it was not here."""

    recorder: Recorder
    uuid: str
    row: dict[str, Any] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Happened:
    """What a transaction did to an operation. ``phases`` are the last parts of the names of its events."""

    action: str
    operation: str
    actor: Mapping[str, Any]
    phases: tuple[str, ...] = ()
    step: str | None = None
    state: str = "open"
    progress: int = 0
    host: str | None = None
    fault: Mapping[str, Any] | None = None
    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def before(conn: sa.Connection, uuid: str) -> Before | None:
    """The server's row, to be compared with what it will be; None while nobody listens."""
    recorder = recorder_of(conn)
    return None if recorder is None else Before(recorder, uuid, recorder.server(conn, uuid))


def seen(conn: sa.Connection, row: dict[str, Any]) -> Before | None:
    """As :func:`before`, of a server whose row was just read."""
    recorder = recorder_of(conn)
    return None if recorder is None else Before(recorder, row["uuid"], row)


def after(conn: sa.Connection, was: Before | None, happened: Happened | None = None, *,
          actor: Mapping[str, Any] | None = None, service: str = API, gone: bool = False) -> None:
    """Tell what became of the server. ``actor`` is who asked, where there is no operation; with ``gone`` the server has
    left this database because it was deleted."""
    if was is None:
        return
    row = was.recorder.server(conn, was.uuid)
    if row is None and was.row is not None:
        row = was.row | ({"vm_state": states.DELETED, "task_state": None, "deleted": True} if gone else {})
    if row is not None:
        tell(conn, was.recorder, was.row, row, happened, actor=actor, service=service)


def created(conn: sa.Connection, servers: list[dict[str, Any]], operations: list[dict[str, Any]]) -> None:
    """Creates were accepted: these servers exist from now on."""
    recorder = recorder_of(conn)
    if recorder is None:
        return
    for row, record in zip(servers, operations, strict=True):
        tell(conn, recorder, None, row, Happened(record["action"], record["uuid"], record["actor"],
                                                 step=record["step"]))


def placed(conn: sa.Connection, uuid: str, operation: Mapping[str, Any]) -> None:
    """A server that was known to the API level only has got its cell; its build begins now if it has a host."""
    recorder = recorder_of(conn)
    row = recorder.server(conn, uuid) if recorder is not None else None
    if recorder is None or row is None:
        return
    was = row | {"task_state": "scheduling", "vm_state": states.BUILDING, "host": None}
    begins = ("start",) if operation.get("host") else ()
    tell(conn, recorder, was, row, Happened(
        operation["action"], operation["uuid"], operation["actor"], begins, operation["step"], operation["state"],
        fault=operation.get("fault")), service=CONDUCTOR)


def exist(conn: sa.Connection, rows: Iterable[dict[str, Any]], beginning: float, ending: float) -> None:
    """These servers existed in a period of a usage audit."""
    recorder = recorder_of(conn)
    if recorder is None or not recorder.settings.formats:
        return
    for row in rows:
        teller = _Teller(conn, recorder, row, {}, COMPUTE)
        recorder.put(conn, {}, [teller.exists(beginning, ending)])


def tell(conn: sa.Connection, recorder: Recorder, was: dict[str, Any] | None, row: dict[str, Any],
         happened: Happened | None, *, actor: Mapping[str, Any] | None = None, service: str = API) -> None:
    """Write the notifications and the event of the stream for a change from ``was`` to ``row``."""
    who = happened.actor if happened is not None else actor or {}
    changed = set(STATE + RECORD) if was is None else {k for k in STATE + RECORD if was.get(k) != row.get(k)}
    if recorder.settings.formats:
        teller = _Teller(conn, recorder, row, who, service)
        notes = teller.of_operation(happened) if happened is not None else []
        if _update_wanted(recorder, was, changed):
            notes.append(teller.update(was or row))
        recorder.put(conn, who, notes)
    if recorder.streamed(conn) and (changed or happened is not None):
        recorder.tables.add_events(conn, [_streamed(was, row, changed, happened)])


def _update_wanted(recorder: Recorder, was: dict[str, Any] | None, changed: set[str]) -> bool:
    if was is None or not changed:
        return False
    if changed == {"tags"}:
        return True
    if recorder.settings.on_change == "vm_and_task_state":
        return True
    return recorder.settings.on_change == "vm_state" and bool(changed - {"task_state"})


# -- streams -----------------------------------------------------------------------------------------------------------


def _streamed(was: Mapping[str, Any] | None, row: Mapping[str, Any], changed: set[str],
              happened: Happened | None) -> dict[str, Any]:
    """The row of ``server_events``. Nothing in it is for administrators only: no host, no trace."""
    if row.get("deleted") and not (was or {}).get("deleted"):
        event = "server.deleted"
    elif was is None:
        event = "server.created"
    elif changed & set(STATE):
        event = "server.state"
    else:
        event = "server.operation" if happened is not None else "server.updated"
    server = {"id": row["uuid"], "name": row["display_name"], "project_id": row["project_id"],
              "status": states.status(row["vm_state"], row["task_state"]), "vm_state": row["vm_state"],
              "task_state": row["task_state"], "power_state": row.get("power_state") or 0,
              "progress": row.get("progress") or 0}
    body: dict[str, Any] = {"server": server}
    if was is not None and changed & set(STATE):
        body["before"] = {"status": states.status(was["vm_state"], was["task_state"]), **{
            k: was.get(k) for k in STATE if k in changed}}
    if changed & set(RECORD) - {"host"} and was is not None:
        body["changed"] = sorted(changed & set(RECORD) - {"host"})
    if happened is not None:
        fault = happened.fault or {}
        body["operation"] = {"id": happened.operation, "action": happened.action, "step": happened.step,
                             "state": happened.state, "progress": happened.progress,
                             "request_id": happened.actor.get("request_id"), "error": fault.get("message")}
    return {"project_id": row["project_id"], "instance_uuid": row["uuid"], "event": event, "body": body,
            "created_at": concurrency.time()}


# -- notifications -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(slots=True)
class _Teller:
    """Makes the notifications of one change of one server."""

    conn: sa.Connection
    recorder: Recorder
    row: dict[str, Any]
    actor: Mapping[str, Any]
    service: str
    _devices: list[dict[str, Any]] | None = None

    @property
    def devices(self) -> Iterable[dict[str, Any]]:
        if self._devices is None:
            wanted = self.recorder.settings.devices and self.row.get("id") is not None
            found = instances.volumes_of(self.conn, [self.row["uuid"]]) if wanted else {}
            self._devices = found.get(self.row["uuid"], [])
        return self._devices

    def of_operation(self, happened: Happened) -> list[Note]:
        return [note for phase in happened.phases if (note := self._note(happened, phase)) is not None]

    def update(self, was: dict[str, Any]) -> Note:
        now = concurrency.time()
        payload = servers.update(self.row, self.devices, self.actor, was, now)
        return Note("instance.update", self._publisher(self.service == COMPUTE), payload, INFO,
                    ("compute.instance.update", legacy.update(self.row, was, now)))

    def exists(self, beginning: float, ending: float) -> Note:
        return Note("instance.exists", self._publisher(True), servers.exists(self.row, self.devices, beginning, ending),
                    INFO, ("compute.instance.exists", legacy.exists(self.row, beginning, ending)))

    def _note(self, happened: Happened, phase: str) -> Note | None:
        if phase == _TASK:
            return self._task(happened)
        if phase == _EXCEPTION:
            return Note("compute.exception", self._publisher(True), ExceptionPayload.of(happened.fault or {}), ERROR)
        name, old = _names(happened.action, phase)
        if name is None:
            return None
        fault = happened.fault if phase == "error" else None
        make = servers.create if happened.action == "create" else servers.action
        told = None
        if old is not None:
            told = old, legacy.action(self.row, fault, with_addresses=old == "compute.instance.create.end")
        on_host = phase not in _PLAIN and not phase.endswith(("compute_down", "not_scheduled"))
        return Note(name, self._publisher(on_host), make(self.row, self.devices, self.actor, fault),
                    ERROR if phase == "error" else INFO, told)

    def _publisher(self, on_host: bool) -> str:
        host = self.row.get("host")
        return self.recorder.publisher(COMPUTE, host) if on_host and host else self.recorder.publisher(self.service)

    def _task(self, happened: Happened) -> Note:
        spec = happened.inputs.get("spec") or {}
        row = self.row
        request = RequestSpecPayload.new(
            instance_uuid=row["uuid"], project_id=row["project_id"], user_id=row["user_id"],
            availability_zone=spec.get("availability_zone"), flavor=FlavorPayload.of(row["flavor"]),
            image={"id": row.get("image_ref")}, scheduler_hints=row.get("scheduler_hints") or {},
            security_groups=list(row.get("security_groups") or []))
        payload = ComputeTaskPayload.new(instance_uuid=row["uuid"], request_spec=request, state=states.ERROR,
                                         reason=ExceptionPayload.of(happened.fault or {}))
        told = legacy.task({"instance_uuid": row["uuid"], "state": states.ERROR,
                            "reason": payload.reason.as_dict()}, "build_instances")
        return Note("compute_task.build_instances.error", self.recorder.publisher(CONDUCTOR), payload, ERROR,
                    ("compute_task.build_instances", told))


def _names(action: str, phase: str) -> tuple[str | None, str | None]:
    """The name of an event in both formats."""
    if phase in _PLAIN:
        return f"instance.{phase}", None
    if action in ("delete", "delete_unplaced"):
        noun = "shutdown" if phase.startswith("shutdown") else "delete"
        phase = phase.removeprefix("shutdown_")
        return f"instance.{noun}.{phase}", f"compute.instance.{noun}.{phase.partition('_')[0]}"
    noun, _, rest = phase.rpartition("_")
    if noun in LIVE_PARTS and action.startswith("live"):
        return f"instance.live_migration_{noun}.{rest}", f"compute.instance.{LIVE_PARTS[noun]}.{rest}"
    spoken = OPERATIONS.get(action)
    if spoken is None:
        return None, None
    noun, _, rest = phase.partition("_")
    if noun in _PARTS:
        return f"instance.resize_{noun}.{rest}", f"compute.instance.{_PARTS[noun]}.{rest}"
    return f"instance.{spoken.name}.{phase}", legacy_name(spoken.legacy, phase) if spoken.legacy else None
