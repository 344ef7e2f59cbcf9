# SPDX-License-Identifier: Apache-2.0
"""nova-manage audit: what is held by no living server."""

from __future__ import annotations

from typing import Any

import click

from nova import concurrency
from nova.cells import Cells
from nova.cmd.manage.tool import State
from nova.conductor.audit import Auditor
from nova.db.engine import Database

FOUND = 3


@click.command("audit")
@click.option("--repair", is_flag=True, help="Release what two scans both saw.")
@click.option("--interval", type=click.FloatRange(min=0), default=60.0, show_default=True,
              help="Seconds between the two scans of --repair.")
@click.pass_obj
def audit(state: State, repair: bool, interval: float) -> None:
    """Compare claims, ports, addresses, quota and records with the living servers of all cells.

    Servers with an operation under way are left alone. A conductor does the same by itself every minute; this tells,
    and with --repair does it now. Exit code 3 when something was found and not repaired.
    """
    with state.database("api", synced=True) as api:
        cells = Cells(api, _without_bus, timeout=60)
        auditor = Auditor(api, cells)
        found = auditor.scan()
        if repair and found:
            click.echo(f"{len(found)} found; looking again in {interval:g} s", err=True)
            concurrency.sleep(interval)
            both = sorted(set(found) & set(auditor.scan()))
            auditor.repair(both)
            state.show(["Kind", "Subject", "Detail", "State"],
                       [[leak.kind, leak.subject, leak.detail, "released" if leak in both else "gone"]
                        for leak in found])
        else:
            state.show(["Kind", "Subject", "Detail", "State"],
                       [[leak.kind, leak.subject, leak.detail, "found"] for leak in found])
        cells.close()
    if found and not repair:
        raise SystemExit(FOUND)


def _without_bus(row: dict[str, Any]) -> tuple[Database, None]:
    return Database(row["database_connection"], name=row["name"] or row["uuid"], pool_size=2), None
