# SPDX-License-Identifier: Apache-2.0
"""What tests ask of the databases behind a cloud: rows, claims, ports, usage, guests."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from nova.cmd.wiring.control import CellConductorService, OrchestratorService
from nova.conductor.audit import Auditor
from nova.conductor.availability import Availability
from nova.conductor.janitor import Janitor
from nova.db.api import cells as mappings
from nova.db.api import networks, placement, quotas
from nova.db.api.tables import operations as api_operations
from nova.db.cell import instances
from nova.db.cell.tables import operations as cell_operations
from nova.db.cell.tables import services as cell_services
from nova.db.operations import OPEN_STATES
from nova.db.schema import db_now
from nova.placement import claims
from tests.functional.cloud import Cloud


def claim_of(cloud: Cloud, uuid: str) -> dict[str, dict[str, int]]:
    """Provider → resource class → amount."""
    with cloud.api.read() as conn:
        return claims.allocations_of(conn, [uuid]).get(uuid, {})


def ports_of(cloud: Cloud, uuid: str) -> int:
    with cloud.api.read() as conn:
        p = networks.ports.c
        return int(conn.execute(sa.select(sa.func.count()).where(p.instance_uuid == uuid)).scalar_one())


def port_hosts(cloud: Cloud, uuid: str) -> set[str]:
    """Where the server's ports are bound."""
    with cloud.api.read() as conn:
        p = networks.ports.c
        return set(conn.scalars(sa.select(p.host).where(p.instance_uuid == uuid)))


def usage(cloud: Cloud, project: str = "p1") -> dict[str, int]:
    with cloud.api.read() as conn:
        return {r: n for r, n in quotas.usages(conn, project).items() if n}


def mapping(cloud: Cloud, uuid: str) -> dict[str, Any]:
    with cloud.api.read() as conn:
        row = mappings.mapping(conn, uuid)
    assert row is not None
    return row


def cell_of(cloud: Cloud, uuid: str) -> str:
    """The name of the server's cell."""
    return cloud.cells.get(mapping(cloud, uuid)["cell_uuid"]).name


def provider_of(cloud: Cloud, host: str) -> str:
    with cloud.api.read() as conn:
        p = placement.providers.c
        return str(conn.execute(sa.select(p.uuid).where(p.name == host)).scalar_one())


def write_heartbeats(cloud: Cloud) -> None:
    """What the conductors of cells have heard of their hosts goes into the tables now."""
    for service in cloud.services:
        if isinstance(service, CellConductorService):
            service.heartbeats.flush()


def out_of_hand(cloud: Cloud, uuid: str) -> None:
    """Wait until no host has an operation or check of it in hand: what its guest does now, it does by itself."""
    turns = [service.manager._turns for service in cloud.hosts.values()]
    cloud.wait(lambda: not any(turn.busy(uuid) for turn in turns), what="all hosts have done with the server")


def let_pass(cloud: Cloud, seconds: float) -> None:
    """As if all that orchestrators judge others by had worked for so much longer: nobody is judged by who began a
    moment ago."""
    for service in cloud.services:
        if isinstance(service, OrchestratorService):
            for judge in (service.janitor, *service.keepers):
                if isinstance(judge, Janitor | Availability):
                    since = judge.judgement.since
                    since.update({what: at - seconds for what, at in list(since.items())})


def silence(cloud: Cloud, host: str, seconds: float) -> None:
    """As if so many seconds had passed in which all but this host was heard. Whose line is not cut is heard again
    soon."""
    let_pass(cloud, seconds)
    write_heartbeats(cloud)
    s = cell_services.services
    for cell in cloud.cells.with_hosts():
        with cell.database.write() as conn:
            conn.execute(s.update().where(s.c.host == host).values(last_seen=s.c.last_seen - seconds))


def wake(cloud: Cloud) -> None:
    """Operations that wait for their time to try again wait no longer."""
    for database, tables in [(cloud.api, api_operations), *((c.database, cell_operations) for c in cloud.cells.all())]:
        o = tables.operations
        with database.write() as conn:
            conn.execute(o.update().where(o.c.state.in_(OPEN_STATES), o.c.due_at > db_now()).values(due_at=db_now()))


def guests(cloud: Cloud) -> dict[str, str]:
    """Guest → host, as the hypervisors know it."""
    return {uuid: name for name, service in cloud.hosts.items() for uuid in service.manager.driver.list()}


def open_rows(cloud: Cloud) -> list[dict[str, Any]]:
    """Operations that have not ended, everywhere."""
    rows: list[dict[str, Any]] = []
    for database, tables in [(cloud.api, api_operations), *((c.database, cell_operations) for c in cloud.cells.all())]:
        o = tables.operations
        with database.read() as conn:
            rows += [dict(r) for r in conn.execute(sa.select(o).where(o.c.state.in_(OPEN_STATES))).mappings()]
    return rows


def cell_row(cloud: Cloud, uuid: str) -> dict[str, Any] | None:
    """The server's row in whichever cell has one, deleted or not."""
    for cell in cloud.cells.all():
        with cell.database.read() as conn:
            row = instances.get(conn, uuid)
        if row is not None:
            return row
    return None


def actions(cloud: Cloud, uuid: str) -> list[tuple[str, str]]:
    """(action, state) of all operations of a server, oldest first."""
    rows = cloud.servers.operations(cloud.context(admin=True), uuid)
    return [(r["action"], r["state"]) for r in reversed(rows)]


def settled(cloud: Cloud, uuid: str) -> dict[str, Any]:
    """The server once nothing is under way with it."""
    def quiet() -> dict[str, Any] | None:
        row = cloud.server(uuid)
        return row if row is not None and row["task_state"] is None else None

    found: dict[str, Any] = cloud.wait(quiet, what=f"server {uuid} settles")
    return found


def operation(cloud: Cloud, uuid: str, action: str) -> dict[str, Any]:
    """The newest operation of that kind."""
    return next(r for r in cloud.servers.operations(cloud.context(admin=True), uuid) if r["action"] == action)


def events(cloud: Cloud, uuid: str, action: str) -> list[dict[str, Any]]:
    context = cloud.context(admin=True)
    return cloud.servers.events(context, uuid, operation(cloud, uuid, action)["uuid"])


def nothing_left(cloud: Cloud) -> None:
    """No open operation, no guest, nothing held."""
    cloud.wait(lambda: not open_rows(cloud), what="every operation has ended")
    assert usage(cloud) == {}
    cloud.wait(lambda: guests(cloud) == {}, what="no guest is left, nor made by a host that was overtaken")
    assert Auditor(cloud.api, cloud.cells).scan() == []
    with cloud.api.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(placement.allocations)).scalar_one() == 0
        assert conn.execute(sa.select(sa.func.count()).select_from(networks.ports)).scalar_one() == 0
        assert conn.execute(sa.select(sa.func.count()).select_from(mappings.build_requests)).scalar_one() == 0
