# SPDX-License-Identifier: Apache-2.0
"""nova-manage audit and nova-status on a cloud of files, as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from nova import concurrency
from nova.db import migrate
from nova.db.api import cells as mappings
from nova.db.api import quotas
from nova.db.api.tables import operations
from nova.db.cell.tables import services
from nova.db.engine import Database


def run(module: str, config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, "--config-file", str(config), "-f", "json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=os.environ)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An API database, cell0 and cell1 on SQLite files, set up by nova-manage itself. Tests leave it as they found it:
    each command is a process of its own and takes its time."""
    path = tmp_path_factory.mktemp("site")
    file = path / "nova.conf"
    file.write_text(f"[DEFAULT]\nstate_path = {path}\ntransport_url = nova-memory://cell1\n"
                    f"[api_database]\nconnection = sqlite:///{path}/api.sqlite\n"
                    f"[database]\nconnection = sqlite:///{path}/cell1.sqlite\n")
    assert run("nova.cmd.manage", file, "api_db", "sync").returncode == 0
    done = run("nova.cmd.manage", file, "cell_v2", "simple_cell_setup")
    assert done.returncode == 0, done.stderr
    assert run("nova.cmd.manage", file, "host", "enroll").returncode == 0
    return file


def test_an_audit_finds_and_repairs(config: Path) -> None:
    assert run("nova.cmd.manage", config, "audit").returncode == 0
    api = Database(f"sqlite:///{config.parent}/api.sqlite")
    with api.write() as conn:
        conn.execute(sa.insert(quotas.quota_usages).values(project_id="p", resource="cores", used=3))
    api.dispose()
    found = run("nova.cmd.manage", config, "audit")
    assert found.returncode == 3
    assert json.loads(found.stdout) == [{"kind": "usage", "subject": "p/cores", "detail": "3, not 0", "state": "found"}]
    repaired = run("nova.cmd.manage", config, "audit", "--repair", "--interval", "0")
    assert repaired.returncode == 0
    assert json.loads(repaired.stdout)[0]["state"] == "released"
    assert json.loads(run("nova.cmd.manage", config, "audit").stdout) == []


def test_upgrade_check_of_a_cloud_in_order(config: Path) -> None:
    done = run("nova.cmd.status", config, "upgrade", "check")
    assert done.returncode == 0, done.stdout
    assert {c["result"] for c in json.loads(done.stdout)} == {"Success"}


def test_upgrade_check_names_what_is_missing(config: Path) -> None:
    cell, aside = config.parent / "cell1.sqlite", config.parent / "aside.sqlite"
    cell.rename(aside)
    try:
        done = run("nova.cmd.status", config, "upgrade", "check")
    finally:
        aside.rename(cell)
    assert done.returncode == 2
    failed = [c for c in json.loads(done.stdout) if c["result"] == "Failure"]
    assert [c["check"] for c in failed] == ["Database of cell1 migrated"]
    assert "nova-manage" in failed[0]["details"]


def test_upgrade_check_without_a_database(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_text("[DEFAULT]\n")
    done = run("nova.cmd.status", file, "upgrade", "check")
    assert done.returncode == 255
    assert "[api_database] connection is not set" in done.stderr


def test_versions_are_told(config: Path) -> None:
    told = json.loads(run("nova.cmd.manage", config, "api_db", "version").stdout)
    assert migrate.head("api") in str(told)


def test_operations_and_why_as_commands(config: Path) -> None:
    """A create that no conductor moves: listed, shown, made due, explained, cancelled."""
    server, operation = "5eed5eed-0000-4000-8000-00000000000a", "5eed5eed-0000-4000-8000-00000000000b"
    api = Database(f"sqlite:///{config.parent}/api.sqlite")
    now = concurrency.time()
    with api.write() as conn:
        conn.execute(mappings.NEW_MAPPING, {"instance_uuid": server, "project_id": "p", "user_id": "u",
                                            "queued_for_delete": False, "fence": 0, "created_at": now})
        conn.execute(mappings.NEW_REQUEST, {"instance_uuid": server, "project_id": "p", "block_devices": [],
                                            "instance": {"display_name": "slow"}, "created_at": now})
        operations.insert(conn, [{"uuid": operation, "instance_uuid": server, "project_id": "p", "request_id": "req-1",
                                  "seq": 0, "action": "create", "actor": {}, "inputs": {}, "level": "api",
                                  "step": "schedule", "epoch": 0, "created_at": now - 90}], due_in=600.0)
    listed = run("nova.cmd.manage", config, "operation", "list", "--older-than", "1m", "--action", "create")
    assert listed.returncode == 0, listed.stderr
    assert [(o["uuid"], o["step"], o["where"]) for o in json.loads(listed.stdout)] == [(operation, "schedule", "api")]
    assert json.loads(run("nova.cmd.manage", config, "operation", "list", "--older-than", "1h").stdout) == []
    shown = json.loads(run("nova.cmd.manage", config, "operation", "show", operation).stdout)
    assert shown["due_in_seconds"] > 500 and shown["steps"][0]["stands"] == "here"
    assert run("nova.cmd.manage", config, "operation", "retry", operation).returncode == 0
    why = json.loads(run("nova.cmd.manage", config, "why", server).stdout)
    assert why["operations"][0]["due_in"] <= 0 and "no cell has it yet" in why["told"][0]
    assert "bury" in run("nova.cmd.manage", config, "operation", "cancel", operation).stdout
    with api.write() as conn:
        for table in (mappings.instance_mappings, mappings.build_requests, operations.operations):
            conn.execute(table.delete())
    api.dispose()
    refused = run("nova.cmd.manage", config, "operation", "cancel", operation)
    assert refused.returncode == 1 and "there is no operation" in refused.stderr


def test_a_drain_as_commands(config: Path) -> None:
    api = Database(f"sqlite:///{config.parent}/api.sqlite")
    with api.write() as conn:
        cell = next(c for c in mappings.list_cells(conn) if c["name"] == "cell1")
        mappings.map_host(conn, "node7", cell["uuid"])
    made = run("nova.cmd.manage", config, "host", "drain", "node7", "--cold", "--parallel", "3", "--reason", "fans")
    assert made.returncode == 0, made.stderr
    [drain] = json.loads(made.stdout)
    assert (drain["host"], drain["mode"], drain["parallel"], drain["state"]) == ("node7", "cold", 3, "open")
    again = run("nova.cmd.manage", config, "host", "drain", "node7")
    assert again.returncode == 1 and "being emptied already" in again.stderr
    shown = json.loads(run("nova.cmd.manage", config, "host", "drain-status", "node7").stdout)
    assert (shown["uuid"], shown["reason"], shown["servers"]) == (drain["uuid"], "fans", [])
    cancelled = run("nova.cmd.manage", config, "host", "drain-cancel", drain["uuid"])
    assert json.loads(cancelled.stdout)[0]["state"] == "cancelled"
    with api.write() as conn:
        conn.execute(mappings.host_mappings.delete())
    api.dispose()


def test_a_fence_as_commands(config: Path) -> None:
    """A host that is silent may be said to be off, one that is heard may not."""
    api, cell = (Database(f"sqlite:///{config.parent}/{name}.sqlite") for name in ("api", "cell1"))
    with api.write() as conn:
        mappings.map_host(conn, "node8", next(c["uuid"] for c in mappings.list_cells(conn) if c["name"] == "cell1"))
    with cell.write() as conn:
        row = services.register(conn, uuid=concurrency.uuid4(), host="node8", binary="nova-compute", topic="compute",
                                version=1, incarnation=concurrency.uuid4())
        conn.execute(services.services.update().values(last_seen=concurrency.time() + 60))
    unsure = run("nova.cmd.manage", config, "host", "fence", "node8")
    assert unsure.returncode == 2 and "--confirmed" in unsure.stderr
    refused = run("nova.cmd.manage", config, "host", "fence", "node8", "--confirmed")
    assert refused.returncode == 1 and "it is not off" in refused.stderr
    with cell.write() as conn:
        conn.execute(services.services.update().values(last_seen=concurrency.time() - 60))
    fenced = run("nova.cmd.manage", config, "host", "fence", "node8", "--confirmed")
    assert fenced.returncode == 0 and "[ha] enabled is not set" in fenced.stderr
    assert [(f["host"], f["state"]) for f in json.loads(fenced.stdout)] == [("node8", "confirmed")]
    with cell.write() as conn:
        services.update(conn, row["uuid"], forced_down=True)
    assert run("nova.cmd.manage", config, "host", "unfence", "node8").returncode == 0
    with cell.write() as conn:
        assert not services.list(conn, host="node8")[0]["forced_down"]
        conn.execute(services.services.delete())
    assert json.loads(run("nova.cmd.manage", config, "host", "fence-status").stdout) == []
    again = run("nova.cmd.manage", config, "host", "unfence", "node9")
    assert again.returncode == 1 and "no compute host" in again.stderr
    with api.write() as conn:
        conn.execute(mappings.host_mappings.delete())
    for database in (api, cell):
        database.dispose()
