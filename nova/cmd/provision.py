# SPDX-License-Identifier: Apache-2.0
"""What makes a cloud out of empty databases: cells and their mappings, and the content that a fresh cloud has.

All of it may be repeated: what is there already stays as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nova import concurrency, errors
from nova.context import RequestContext
from nova.db import migrate
from nova.db.api import cells as mappings
from nova.db.api import flavors
from nova.db.cell import instances
from nova.db.cell.tables import services
from nova.db.engine import Database, normal_url
from nova.db.schema import db_now
from nova.images.manager import Images
from nova.images.query import Query
from nova.networks.manager import Networks
from nova.networks.pools import Pools

FLAVORS: tuple[dict[str, Any], ...] = tuple(
    {"flavorid": flavorid, "name": name, "memory_mb": memory_mb, "vcpus": vcpus, "root_gb": root_gb,
     "ephemeral_gb": 0, "swap": 0, "rxtx_factor": 1.0, "is_public": True, "disabled": False}
    for flavorid, name, vcpus, memory_mb, root_gb in (
        ("0", "m1.nano", 1, 128, 1), ("1", "m1.tiny", 1, 512, 1), ("2", "m1.small", 1, 2048, 20),
        ("3", "m1.medium", 2, 4096, 40), ("4", "m1.large", 4, 8192, 80)))
_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True)
class CellSpec:
    """A cell to be. ``database_url`` as an operator writes it."""

    name: str
    database_url: str
    transport_url: str | None
    uuid: str | None = None
    disabled: bool = False


def cell0_url(cell_url: str) -> str:
    """Where cell0's database is when nobody says: beside that of the cell, with ``_cell0`` in its name."""
    url = normal_url(cell_url)
    name = url.database or ""
    if url.get_backend_name() == "sqlite":
        path = Path(name)
        return _text(url.set(database=str(path.with_name(f"{path.stem}_cell0{path.suffix}"))))
    return _text(url.set(database=f"{name}_cell0"))


def _text(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def map_cell0(api: Database, database_url: str) -> bool:
    """Record cell0, where servers are kept that never got a host. False: it was there, with another database or not."""
    return _add(api, CellSpec("cell0", database_url, None, mappings.CELL0_UUID)) is not None


def create_cell(api: Database, spec: CellSpec) -> str | None:
    """Record a cell and give its uuid. None: a cell of that name, or with that database, is there."""
    return _add(api, spec)


def _add(api: Database, spec: CellSpec) -> str | None:
    t, url = mappings.cell_mappings, _text(normal_url(spec.database_url))

    def insert(conn: sa.Connection) -> str | None:
        same = sa.or_(t.c.name == spec.name, t.c.uuid == spec.uuid, t.c.database_connection == url)
        if conn.execute(sa.select(t.c.id).where(same)).first() is not None:
            return None
        uuid = spec.uuid or concurrency.uuid4()
        conn.execute(t.insert().values(uuid=uuid, name=spec.name, transport_url=spec.transport_url, created_at=db_now(),
                                       database_connection=url, disabled=spec.disabled))
        return uuid

    return api.run(insert)


def update_cell(api: Database, uuid: str, *, name: str | None = None, database_url: str | None = None,
                transport_url: str | None = None, disabled: bool | None = None) -> None:
    """Change what is given. Raises Conflict when another cell has the name or the database, Invalid for cell0's use."""
    if uuid == mappings.CELL0_UUID and (disabled is not None or transport_url is not None):
        raise errors.Invalid("cell0 has neither hosts nor a broker: there is nothing to enable, disable or move there")
    t = mappings.cell_mappings
    url = _text(normal_url(database_url)) if database_url else None
    values = {k: v for k, v in {"name": name, "database_connection": url, "transport_url": transport_url,
                                "disabled": disabled}.items() if v is not None}
    if not values:
        raise errors.Invalid("nothing to change: give --name, --database_connection, --transport-url, --enable or "
                             "--disable")

    def change(conn: sa.Connection) -> None:
        same = sa.or_(t.c.name == name if name else sa.false(), t.c.database_connection == url if url else sa.false())
        taken = conn.execute(sa.select(t.c.name).where(same, t.c.uuid != uuid)).first()
        if taken is not None:
            raise errors.Conflict(f"cell {taken.name} has this name or database already")
        conn.execute(t.update().where(t.c.uuid == uuid).values(updated_at=db_now(), **values))

    api.run(change)


def delete_cell(api: Database, uuid: str, *, force: bool = False) -> None:
    """Forget a cell, with its hosts when forced. Raises Conflict while servers (or, unforced, hosts) are in it."""
    if uuid == mappings.CELL0_UUID:
        raise errors.Invalid("cell0 keeps servers that never got a host and can not be deleted")
    h = mappings.host_mappings

    def delete(conn: sa.Connection) -> None:
        _no_servers(conn, uuid)
        hosts = list(conn.execute(sa.select(h.c.host).where(h.c.cell_uuid == uuid)).scalars())
        if hosts and not force:
            raise errors.Conflict(f"hosts are in the cell ({', '.join(hosts[:5])}): delete them first, or use --force")
        conn.execute(h.delete().where(h.c.cell_uuid == uuid))
        conn.execute(mappings.cell_mappings.delete().where(mappings.cell_mappings.c.uuid == uuid))

    api.run(delete)


def _no_servers(conn: sa.Connection, cell_uuid: str) -> None:
    m = mappings.instance_mappings
    count = conn.execute(sa.select(sa.func.count()).where(
        m.c.cell_uuid == cell_uuid, m.c.deleted_at.is_(None))).scalar_one()
    if count:
        raise errors.Conflict(f"{count} servers are in the cell: delete them first")


def delete_host(api: Database, cell_uuid: str, host: str) -> None:
    """Forget where a host is. Raises NotFound when it is not there, Conflict while servers are on it."""
    with api.read() as conn:
        row = conn.execute(sa.select(mappings.cell_mappings).where(
            mappings.cell_mappings.c.uuid == cell_uuid)).mappings().one()
    cell = Database(row["database_connection"], name=row["name"], pool_size=1)
    i, h = instances.instances, mappings.host_mappings
    try:
        with cell.read() as conn:
            count = conn.execute(sa.select(sa.func.count()).where(
                i.c.host == host, i.c.deleted.is_(False))).scalar_one()
    finally:
        cell.dispose()
    if count:
        raise errors.Conflict(f"{count} servers are on host {host}: delete or move them first")
    gone = api.run(lambda conn: conn.execute(h.delete().where(h.c.cell_uuid == cell_uuid, h.c.host == host)).rowcount)
    if not gone:
        raise errors.NotFound(f"there is no host {host} in this cell; see 'nova-manage cell_v2 list_hosts'")


def discover_hosts(api: Database, cell_uuid: str | None = None) -> list[tuple[str, str]]:
    """Map hosts that have registered in a cell and are in none yet; (host, cell name) of the new ones."""
    with api.read() as conn:
        rows = [r for r in mappings.list_cells(conn) if r["uuid"] != mappings.CELL0_UUID]
    found: list[tuple[str, str]] = []
    for row in rows:
        if cell_uuid is not None and row["uuid"] != cell_uuid:
            continue
        cell = Database(row["database_connection"], name=row["name"], pool_size=1)
        try:
            with cell.read() as conn:
                hosts = [s["host"] for s in services.list(conn, binary="nova-compute")]
        finally:
            cell.dispose()
        new = api.run(lambda conn, names=hosts, uuid=row["uuid"]:  # type: ignore[misc]
                      [h for h in names if mappings.map_host(conn, h, uuid)])
        found += [(host, row["name"]) for host in new]
    return found


def sync_cells(api: Database) -> list[tuple[str, str | None]]:
    """Migrate the database of every cell; (cell name, revision)."""
    with api.read() as conn:
        rows = mappings.list_cells(conn)
    done = []
    for row in rows:
        database = Database(row["database_connection"], name=row["name"], pool_size=1)
        try:
            done.append((str(row["name"]), migrate.upgrade(database, "cell")))
        finally:
            database.dispose()
    return done


def add_flavors(api: Database) -> None:
    """m1.nano to m1.large."""
    def insert(conn: sa.Connection) -> None:
        for values in FLAVORS:
            if flavors.clash(conn, values["flavorid"], values["name"]) is None:
                flavors.create(conn, values)

    api.run(insert)


def add_network(api: Database, cidr: str, **options: Any) -> None:
    """The shared network ``private``."""
    Networks(api).ensure_network("private", cidr, **options)


def add_floating_pool(api: Database) -> None:
    """The pool ``public``, with addresses that lead nowhere beyond this cloud until an operator gives it others."""
    Pools(api).ensure("public", "172.24.4.0/24")


def add_image(images: Images, project_id: str, name: str, file: Path, disk_format: str) -> str:
    """A public image from a file, unless one of that name is there; its id."""
    context = RequestContext(user_id="nova", project_id=project_id, roles=("admin",), is_admin=True)
    for image in images.list(context, Query([("name", name), ("visibility", "public")])):
        if image.status == "active":
            return image.id
    image = images.create(context, {"name": name, "disk_format": disk_format, "container_format": "bare",
                                    "visibility": "public", "min_disk": 0, "min_ram": 0})
    images.data.upload(context, image.id, _chunks(file), file.stat().st_size)
    return image.id


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as e:
        raise errors.ConfigError(f"--image {file}: {e.strerror}") from e
