# SPDX-License-Identifier: Apache-2.0
"""What happens to flavors, key pairs, aggregates, server groups, services and addresses, told to whoever listens.

Called within the transaction that makes it happen; while nobody wants notifications each call returns at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova.context import RequestContext
from nova.db.api import flavors
from nova.db.engine import Database
from nova.db.services import ServiceTables
from nova.objects.base import NovaObject
from nova.objects.notifications import legacy as unversioned
from nova.objects.notifications.payloads import (
    AggregatePayload,
    FlavorPayload,
    KeypairPayload,
    RequestSpecPayload,
    ServerGroupPayload,
    ServiceStatusPayload,
)
from nova.store.recorder import KEY, Note, Recorder, recorder_of

API = "nova-api"


def _listened(conn: sa.Connection) -> Recorder | None:
    recorder = recorder_of(conn)
    return recorder if recorder is not None and recorder.settings.formats else None


def _put(conn: sa.Connection, recorder: Recorder, context: RequestContext | None,
         notes: Iterable[tuple[str, NovaObject | None, tuple[str, Mapping[str, Any]] | None]],
         service: str = API) -> None:
    publisher = recorder.publisher(service)
    actor = context.to_dict() if context is not None else {}
    recorder.put(conn, actor, [Note(name, publisher, payload, legacy=legacy) for name, payload, legacy in notes])


def flavor(conn: sa.Connection, context: RequestContext, what: str, flavorid: str) -> None:
    """``create``, ``update``, or ``delete``, which is to be told before the row goes."""
    recorder = _listened(conn)
    row = flavors.get(conn, flavorid) if recorder is not None else None
    if recorder is not None and row is not None:
        projects = [] if row["is_public"] else flavors.projects(conn, row["id"])
        _put(conn, recorder, context, [(f"flavor.{what}", FlavorPayload.of(row, projects), None)])


def key_pair(conn: sa.Connection, context: RequestContext, what: str, row: Mapping[str, Any] | None) -> None:
    """``create``, ``import`` or ``delete``."""
    recorder = _listened(conn)
    if recorder is None or row is None:
        return
    payload = KeypairPayload.new(**{name: row[name] for name in KeypairPayload.fields})
    legacy = {"tenant_id": context.project_id, "user_id": row["user_id"], "key_name": row["name"]}
    _put(conn, recorder, context, [(f"keypair.{what}.{phase}", payload, (f"keypair.{what}.{phase}", legacy))
                                   for phase in ("start", "end")])


def aggregate(conn: sa.Connection, context: RequestContext, what: str, before: Mapping[str, Any],
              after: Mapping[str, Any]) -> None:
    """An aggregate as it was and as it is: ``create``, ``add_host``, ``update_prop`` …"""
    recorder = _listened(conn)
    if recorder is None:
        return
    notes = []
    for phase, row in (("start", before), ("end", after)):
        payload = AggregatePayload.new(id=row.get("id"), uuid=row["uuid"], name=row["name"],
                                       hosts=list(row["hosts"]), metadata=dict(row["metadata"]))
        legacy = {"aggregate_id": row.get("id"), "name": row["name"], "meta_data": dict(row["metadata"]),
                  "hosts": list(row["hosts"])}
        notes.append((f"aggregate.{what}.{phase}", payload, (f"aggregate.{what.replace('_', '')}.{phase}", legacy)))
    _put(conn, recorder, context, notes)


def server_group(conn: sa.Connection, context: RequestContext, what: str, row: Mapping[str, Any]) -> None:
    """``create``, ``delete`` or ``add_member``; of the last, ``members`` are those that are new."""
    recorder = _listened(conn)
    if recorder is None:
        return
    legacy = {"server_group_id": row["uuid"], "project_id": row["project_id"], "user_id": row["user_id"],
              "name": row["name"], "policies": [row["policy"]]}
    if what == "add_member":
        legacy |= {"instance_uuids": list(row["members"])}
    _put(conn, recorder, context, [(f"server_group.{what}", ServerGroupPayload.of(row),
                                    (f"servergroup.{what.replace('_', '')}", legacy))])


def service(conn: sa.Connection, context: RequestContext | None, what: str, tables: ServiceTables, uuid: str,
            publisher: str = API) -> None:
    """``create``, ``update``, or ``delete``, which is to be told before the row goes."""
    recorder = _listened(conn)
    if recorder is None:
        return
    s = tables.services
    row = conn.execute(sa.select(s).where(s.c.uuid == uuid)).mappings().one_or_none()
    if row is not None:
        payload = ServiceStatusPayload.of({str(name): value for name, value in row.items()})
        _put(conn, recorder, context, [(f"service.{what}", payload, None)], publisher)


def fixed_address(conn: sa.Connection, context: RequestContext, what: str, server: Mapping[str, Any],
                  vifs: Callable[[], list[dict[str, Any]]]) -> None:
    """A server got or lost a fixed address: ``create_ip`` or ``delete_ip``; ``vifs`` reads what it has now."""
    recorder = _listened(conn)
    if recorder is None:
        return
    told = unversioned.server(server)
    now = told | {"fixed_ips": unversioned.addresses({**server, "network_info": vifs()})}
    _put(conn, recorder, context, [(name, None, (name, payload)) for name, payload in (
        (f"compute.instance.{what}.start", told), (f"compute.instance.{what}.end", now))])


def floating_ip(conn: sa.Connection, context: RequestContext, what: str, row: Mapping[str, Any]) -> None:
    """``allocate``, ``associate``, ``disassociate`` or ``deallocate``."""
    recorder = _listened(conn)
    if recorder is None:
        return
    name = f"network.floating_ip.{what}"
    payload = {"project_id": row["project_id"], "floating_ip": row["address"]}
    if what.endswith("associate"):
        payload["instance_id"] = row["instance_uuid"]
    _put(conn, recorder, context, [(name, None, (name, payload))])


def listened(database: Database) -> bool:
    """Whether notifications of this database are wanted at all."""
    recorder: Recorder | None = database.engine.get_execution_options().get(KEY)
    return recorder is not None and bool(recorder.settings.formats)


def destinations(conn: sa.Connection, context: RequestContext, specs: Sequence[Mapping[str, Any]]) -> None:
    """Hosts were looked for: for so many servers of the first one's kind."""
    recorder = _listened(conn)
    if recorder is None:
        return
    payload = RequestSpecPayload.wanted(specs[0], len(specs))
    legacy = {"request_spec": {"instance_uuids": [spec["instance_uuid"] for spec in specs],
                               "num_instances": len(specs), "instance_properties": {"uuid": specs[0]["instance_uuid"]}}}
    names = [f"scheduler.select_destinations.{phase}" for phase in ("start", "end")]
    _put(conn, recorder, context, [(name, payload, (name, legacy)) for name in names], "nova-scheduler")


def registered(conn: sa.Connection, tables: ServiceTables, host: str, binary: str,
               register: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run ``register`` and tell if the service was not known before."""
    fresh = _listened(conn) is not None and not tables.list(conn, host=host, binary=binary)
    row = register()
    if fresh:
        service(conn, None, "create", tables, row["uuid"], "nova-conductor")
    return row
