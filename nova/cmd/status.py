# SPDX-License-Identifier: Apache-2.0
"""nova-status: is this cloud set up as it must be, and may it be upgraded."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click

from nova import errors
from nova.cmd.commandline import Tool
from nova.cmd.manage.tool import State, operators_tool
from nova.cmd.wiring.bus import keys_path
from nova.db import migrate
from nova.db.api import cells as mappings
from nova.db.cell import compute_nodes
from nova.db.cell.tables import services
from nova.db.engine import Database
from nova.rpc.keyring import Keyring

#: The oldest version of a service that this release works with.
OLDEST = 1
ERROR = 255


class Result(enum.IntEnum):
    """Also the exit code of the command: that of the worst check."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


@dataclasses.dataclass(frozen=True)
class Check:
    name: str
    result: Result
    details: str = ""


@operators_tool("nova-status")
def nova_status() -> None:
    """Check the state of a cloud.

    Exit codes of a check: 0 all is well, 1 warnings, 2 something must be mended first, 255 the check could not run.
    """


@nova_status.group("upgrade", cls=Tool)
def upgrade() -> None:
    """Before and after an upgrade."""


@upgrade.command("check")
@click.pass_obj
def check(state: State) -> None:
    """Look at databases, cells, hosts, services, keys and policies."""
    try:
        checks = list(_checks(state))
    except errors.NovaError as e:
        click.echo(f"nova-status: {e.message}", err=True)
        raise SystemExit(ERROR) from e
    state.show(["Check", "Result", "Details"], [[c.name, c.result.name.capitalize(), c.details] for c in checks])
    raise SystemExit(int(max(c.result for c in checks)))


def _checks(state: State) -> Iterator[Check]:
    with state.database("api") as api:
        synced = _synced(api, "api", "API database")
        yield synced
        if synced.result is Result.FAILURE:
            return
        with api.read() as conn:
            cells = mappings.list_cells(conn)
            mapped = {row["host"] for row in mappings.list_hosts(conn)}
        yield _cells(cells)
        for row in cells:
            yield from _cell(row, mapped)
    yield _keys(state)
    yield _policy(state)


def _synced(database: Database, which: migrate.Which, name: str) -> Check:
    try:
        database.check()
        migrate.check_synced(database, which)
    except errors.NovaError as e:
        return Check(f"{name} migrated", Result.FAILURE, e.message)
    return Check(f"{name} migrated", Result.SUCCESS)


def _cells(rows: list[dict[str, object]]) -> Check:
    uuids = {row["uuid"] for row in rows}
    if mappings.CELL0_UUID not in uuids:
        return Check("Cells", Result.FAILURE, "There is no cell0; run 'nova-manage cell_v2 map_cell0'.")
    if len(uuids) < 2:
        return Check("Cells", Result.FAILURE, "There is no cell with hosts; run 'nova-manage cell_v2 create_cell'.")
    return Check("Cells", Result.SUCCESS)


def _cell(row: dict[str, object], mapped: set[str]) -> Iterator[Check]:
    database = Database(str(row["database_connection"]), name=str(row["name"]), pool_size=1)
    try:
        synced = _synced(database, "cell", f"Database of {row['name']}")
        yield synced
        if synced.result is Result.FAILURE or row["uuid"] == mappings.CELL0_UUID:
            return
        with database.read() as conn:
            known = services.list(conn)
            nodes = {node["host"] for node in compute_nodes.list_nodes(conn)}
        yield from _services(str(row["name"]), known, nodes, mapped)
    finally:
        database.dispose()


def _services(cell: str, known: list[dict[str, object]], nodes: set[str], mapped: set[str]) -> Iterator[Check]:
    old = sorted({f"{s['binary']} on {s['host']}" for s in known if int(str(s["version"])) < OLDEST})
    yield Check(f"Services of {cell}", Result.FAILURE if old else Result.SUCCESS,
                f"Too old: {', '.join(old)}; upgrade them first." if old else "")
    hosts = {str(s["host"]) for s in known if s["binary"] == "nova-compute"}
    silent, strangers = sorted(hosts - nodes), sorted(hosts - mapped)
    if strangers:
        yield Check(f"Hosts of {cell}", Result.WARNING,
                    f"Not mapped: {', '.join(strangers)}; run 'nova-manage cell_v2 discover_hosts'.")
    elif silent:
        yield Check(f"Hosts of {cell}", Result.WARNING, f"Have not reported what they have: {', '.join(silent)}.")
    else:
        yield Check(f"Hosts of {cell}", Result.SUCCESS)


def _keys(state: State) -> Check:
    try:
        Keyring.load(keys_path(state.conf))
    except errors.ConfigError as e:
        return Check("Keys of the message bus", Result.FAILURE, e.message)
    return Check("Keys of the message bus", Result.SUCCESS)


def _policy(state: State) -> Check:
    """A JSON policy file is no longer read by oslo.policy's tools."""
    path = Path(state.conf.oslo_policy.policy_file) if "oslo_policy" in state.conf else Path("policy.yaml")
    if path.suffix == ".json":
        return Check("Policy file", Result.FAILURE, f"{path} is JSON; convert it with oslopolicy-convert-json-to-yaml.")
    return Check("Policy file", Result.SUCCESS)


def main() -> NoReturn:
    nova_status.main(prog_name="nova-status", standalone_mode=True)
    raise SystemExit(0)


if __name__ == "__main__":
    main()
