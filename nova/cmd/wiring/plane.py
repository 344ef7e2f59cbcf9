# SPDX-License-Identifier: Apache-2.0
"""Opening what a process of the API level stands on, and refusing a start with one line when it is not there."""

from __future__ import annotations

from typing import Any

from nova import errors
from nova.cells import Cells
from nova.cmd.wiring.broker import ready_bus, transport_url
from nova.cmd.wiring.bus import Identity, open_bus
from nova.cmd.wiring.control import ControlPlane, database_at, open_database
from nova.db import migrate
from nova.db.engine import Database


def ready_database(conf: Any, which: migrate.Which) -> Database:
    """The database of this process, which must answer and be synced."""
    section = conf.api_database if which == "api" else conf.database
    option = f"[{'api_database' if which == 'api' else 'database'}] connection"
    database = open_database(section, which)
    try:
        database.check()
    except errors.Unavailable as e:
        cause = str(e.details.get("cause", "")).strip()
        raise errors.ConfigError(f"{option}: the database {database.url.render_as_string(hide_password=True)} does not "
                                 f"answer ({cause}); start it or correct the URL") from e
    migrate.check_synced(database, which)
    return database


def control_plane(conf: Any, identity: Identity) -> ControlPlane:
    """API database, cells and API bus. Cells are opened on demand, so one that is away does not stop a start."""
    api = ready_database(conf, "api")
    own_url, own_bus = transport_url(conf), ready_bus(conf, "api", identity)

    def connect(row: dict[str, Any]) -> tuple[Database, Any]:
        database = database_at(row["database_connection"], conf.api_database, row["name"] or row["uuid"])
        url = row["transport_url"]
        if not url or url == own_url:  # cell0 has none; a cell may share ours
            return database, own_bus if url else None
        return database, open_bus(conf, url, database.name, identity)

    cells = Cells(api, connect)
    if not cells.with_hosts():
        raise errors.ConfigError("the API database knows no cell with hosts; run 'nova-manage cell_v2 "
                                 "simple_cell_setup'")
    return ControlPlane(conf, api, cells, own_bus)
