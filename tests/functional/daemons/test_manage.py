# SPDX-License-Identifier: Apache-2.0
"""nova-manage as an operator uses it."""

from __future__ import annotations

import json
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

from nova.db.api import cells as mappings
from nova.db.api.cells import CELL0_UUID
from nova.db.engine import Database
from tests.functional.daemons.conftest import manage


def asked(config: Path, *arguments: str) -> Any:
    done = manage(config, "-f", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_nothing_to_a_cloud(config: Path) -> None:
    assert asked(config, "api_db", "version")[0]["revision"] is None
    synced = asked(config, "api_db", "sync")[0]["revision"]
    assert asked(config, "api_db", "version") == [{"database": "api", "revision": synced, "release": synced}]
    cells = asked(config, "cell_v2", "simple_cell_setup")
    assert [c["name"] for c in cells] == ["cell0", "cell1"]
    assert asked(config, "cell_v2", "simple_cell_setup") == cells
    assert asked(config, "cell_v2", "list_hosts") == []
    assert {row["database"] for row in asked(config, "db", "sync")} == {"[database]", "cell0", "cell1"}


def test_a_second_cell_is_made_disabled(cloud_config: Path, tmp_path: Path) -> None:
    made = asked(cloud_config, "cell_v2", "create_cell", "--name", "cell2", "--disabled", "--transport-url",
                 "rabbit://nova:hidden@broker/cell2", "--database_connection", f"sqlite:///{tmp_path}/cell2.sqlite")
    listed = {c["name"]: c for c in asked(cloud_config, "cell_v2", "list_cells")}
    assert listed["cell2"]["uuid"] == made[0]["uuid"] and listed["cell2"]["disabled"] is True
    assert listed["cell2"]["transport_url"] == "rabbit://nova:***@broker/cell2"
    verbose = {c["name"]: c for c in asked(cloud_config, "cell_v2", "list_cells", "--verbose")}
    assert "hidden" in verbose["cell2"]["transport_url"]


def test_a_cell_is_enabled_renamed_moved_and_forgotten(cloud_config: Path, tmp_path: Path) -> None:
    [made] = asked(cloud_config, "cell_v2", "create_cell", "--name", "cell2", "--disabled", "--transport-url",
                   "rabbit://broker/cell2", "--database_connection", f"sqlite:///{tmp_path}/cell2.sqlite")
    cell = ("--cell_uuid", made["uuid"])
    listed = asked(cloud_config, "cell_v2", "update_cell", *cell, "--enable", "--name", "west", "--transport-url",
                   "rabbit://elsewhere/cell2")
    assert [(c["name"], c["transport_url"], c["disabled"]) for c in listed if c["uuid"] == made["uuid"]] == [
        ("west", "rabbit://elsewhere/cell2", False)]
    for refused, why in (([*cell, "--name", "cell1"], "cell1 has this name"), (list(cell), "nothing to change"),
                         (["--cell_uuid", CELL0_UUID, "--disable"], "cell0")):
        done = manage(cloud_config, "cell_v2", "update_cell", *refused)
        assert done.returncode == 1 and why in done.stderr
    assert manage(cloud_config, "cell_v2", "delete_cell", "--cell_uuid", CELL0_UUID).returncode == 1
    assert manage(cloud_config, "cell_v2", "delete_cell", *cell).returncode == 0
    assert made["uuid"] not in [c["uuid"] for c in asked(cloud_config, "cell_v2", "list_cells")]


def test_a_cell_is_not_forgotten_with_what_is_in_it(cloud_config: Path) -> None:
    cell = {c["name"]: c["uuid"] for c in asked(cloud_config, "cell_v2", "list_cells")}["cell1"]
    url = RawConfigParser()
    url.read(cloud_config)
    api = Database(url["api_database"]["connection"], pool_size=1)
    try:
        with api.write() as conn:
            mappings.map_host(conn, "node7", cell)
            conn.execute(mappings.instance_mappings.insert().values(
                instance_uuid=CELL0_UUID, cell_uuid=cell, project_id="p", user_id="u", created_at=1.0))
        done = manage(cloud_config, "cell_v2", "delete_cell", "--cell_uuid", cell, "--force")
        assert done.returncode == 1 and "1 servers are in the cell" in done.stderr
        with api.write() as conn:
            conn.execute(mappings.instance_mappings.delete())
        done = manage(cloud_config, "cell_v2", "delete_cell", "--cell_uuid", cell)
        assert done.returncode == 1 and "node7" in done.stderr and "--force" in done.stderr
        assert manage(cloud_config, "cell_v2", "delete_host", "--cell_uuid", cell, "--host", "node7").returncode == 0
        assert manage(cloud_config, "cell_v2", "delete_host", "--cell_uuid", cell, "--host", "node7").returncode == 1
        assert manage(cloud_config, "cell_v2", "delete_cell", "--cell_uuid", cell).returncode == 0
    finally:
        api.dispose()


def test_what_is_not_possible_ends_with_one_line_and_1(cloud_config: Path) -> None:
    for command in (["cell_v2", "create_cell", "--name", "cell1"], ["cell_v2", "list_hosts", "--cell_uuid", "none"],
                    ["host", "enroll", "a/b"]):
        done = manage(cloud_config, *command)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr


def test_wrong_usage_ends_with_2(config: Path) -> None:
    assert manage(config, "cell_v2", "no_such_thing").returncode == 2


def test_a_host_gets_its_own_key_only(cloud_config: Path, tmp_path: Path) -> None:
    asked(cloud_config, "host", "enroll", "node2", "--output", str(tmp_path / "for-node2"))
    given = tmp_path / "for-node2"
    assert [p.name for p in given.iterdir()] == ["host:node2.key"]
    assert (given / "host:node2.key").stat().st_mode & 0o777 == 0o600
    kept = asked(cloud_config, "host", "enroll", "node2")
    assert {row["state"] for row in kept} == {"kept"}
