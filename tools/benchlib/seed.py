# SPDX-License-Identifier: Apache-2.0
"""Fills the databases of a cloud with servers that nobody built, to see how lists behave when there are many.

Rows go straight into the cells and the mappings, evenly over cells and hosts; no host hears of them and no quota is
charged, so this is for clouds that will be thrown away. The rows are the same each time.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from nova.db.api import cells as mappings
from nova.db.cell import instances
from nova.db.engine import Database

STARTED = 1_790_000_000.0
TAGS = ("web", "db", "blue", "green", "rare")
_SPACE = uuid.UUID("5eed5eed-0000-4000-8000-000000000000")
_BATCH = 500
_IMAGE = "60410716-a418-49db-98b2-cc5c5a48e5dd"
_FLAVORS = [{"flavorid": str(n), "name": f"m1.{word}", "memory_mb": memory, "vcpus": n, "root_gb": n, "ephemeral_gb": 0,
             "swap": 0, "rxtx_factor": 1.0, "is_public": True, "extra_specs": {"hw:cpu_policy": "shared"},
             "description": None} for n, word, memory in ((1, "tiny", 512), (2, "small", 2048), (4, "large", 8192))]


def server(number: int, project_id: str, user_id: str, host: str) -> dict[str, Any]:
    """The row of one server: every 20th is stopped, every 100th in error, tags, metadata and addresses repeat."""
    flavor, own = _FLAVORS[number % 3], str(uuid.uuid5(_SPACE, f"{project_id}/{number}"))
    made = STARTED + number * 7.0
    vm_state = "error" if number % 100 == 7 else "stopped" if number % 20 == 3 else "active"
    address = f"10.{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    return {
        "uuid": own, "project_id": project_id, "user_id": user_id, "display_name": f"server-{number:05}",
        "display_description": None, "hostname": f"server-{number:05}", "name": None,
        "reservation_id": f"r-{number // 10:08x}", "launch_index": number % 10, "image_ref": _IMAGE,
        "image_properties": {"hw_disk_bus": "virtio"}, "kernel_id": "", "ramdisk_id": "",
        "key_name": f"key{number % 5}", "key_data": None, "user_data": None, "host": host, "node": host,
        "compute_uuid": None, "availability_zone": None, "pinned_availability_zone": None, "vm_state": vm_state,
        "task_state": None,
        "power_state": 1 if vm_state == "active" else 4, "progress": 0, "flavor": flavor,
        "flavorid": flavor["flavorid"], "vcpus": flavor["vcpus"], "memory_mb": flavor["memory_mb"],
        "root_gb": flavor["root_gb"], "ephemeral_gb": 0,
        "metadata": {"role": f"role{number % 50}", "number": str(number)}, "system_metadata": {},
        "tags": _tags(number), "network_info": [_vif(own, address, number)],
        "addresses": address, "security_groups": ["default"], "scheduler_hints": {}, "server_group": None,
        "trusted_certs": None, "config_drive": "", "access_ip_v4": None, "access_ip_v6": None,
        "auto_disk_config": False, "root_device_name": "/dev/vda", "locked_by": None, "locked_reason": None, "epoch": 1,
        "op_seq": 0, "deleted": False, "created_at": made, "updated_at": made + 3.0, "launched_at": made + 2.0,
        "terminated_at": None, "deleted_at": None}


def _tags(number: int) -> list[str]:
    found = [TAGS[number % 2], TAGS[2 + number // 2 % 2]]
    return [*found, TAGS[4]] if number % 200 == 0 else found


def _vif(server_uuid: str, address: str, number: int) -> dict[str, Any]:
    port = str(uuid.uuid5(_SPACE, f"port/{server_uuid}"))
    mac = ":".join(("fa:16:3e", *(f"{number >> shift & 255:02x}" for shift in (16, 8, 0))))
    return {"id": port, "address": mac, "index": 0, "device": "tap" + port[:11], "model": "virtio",
            "security_groups": ["default"], "port_security": True, "version": 1,
            "ips": [{"address": address, "version": 4, "type": "fixed"}],
            "network": {"id": str(_SPACE), "label": "private", "bridge": "br100", "mtu": 1500, "cidr": "10.100.0.0/14",
                        "gateway": "10.100.0.1", "dns": [], "dhcp_server": "10.100.0.1", "vlan": None,
                        "multi_host": True}}


def fill(api: Database, cells: dict[str, tuple[Database, Sequence[str]]], count: int, project_id: str,
         user_id: str) -> list[str]:
    """``count`` servers over ``cells`` (uuid → database and hosts); their uuids, oldest first."""
    made: list[str] = []
    names = sorted(cells)
    for first in range(0, count, _BATCH):
        numbers = range(first, min(first + _BATCH, count))
        rows = {name: [] for name in names}  # type: dict[str, list[dict[str, Any]]]
        for number in numbers:
            name = names[number % len(names)]
            hosts = cells[name][1]
            rows[name].append(server(number, project_id, user_id, hosts[number // len(names) % len(hosts)]))
        for name, batch in rows.items():
            if batch:
                _insert(api, cells[name][0], name, batch)
        made += [str(uuid.uuid5(_SPACE, f"{project_id}/{number}")) for number in numbers]
    return made


def _insert(api: Database, cell: Database, cell_uuid: str, rows: list[dict[str, Any]]) -> None:
    with cell.write() as conn:
        instances.insert(conn, rows)
        conn.execute(instances.block_devices.insert(), [
            {"uuid": str(uuid.uuid5(_SPACE, f"disk/{row['uuid']}")), "instance_uuid": row["uuid"], "boot_index": 0,
             "source_type": "image", "destination_type": "local", "device_type": "disk", "device_name": "/dev/vda",
             "image_id": _IMAGE, "volume_size": row["root_gb"], "delete_on_termination": True,
             "created_at": row["created_at"]} for row in rows])
        for row in rows:
            if row["vm_state"] == "error":
                instances.add_fault(conn, row["uuid"], {"code": 500, "message": "It was made so."})
    with api.write() as conn:
        conn.execute(mappings.instance_mappings.insert(), [
            {"instance_uuid": row["uuid"], "cell_uuid": cell_uuid, "project_id": row["project_id"],
             "user_id": row["user_id"], "queued_for_delete": False, "fence": 1, "charge": None,
             "created_at": row["created_at"]} for row in rows])


def _cells_of(api: Database) -> Iterator[tuple[str, tuple[Database, list[str]]]]:
    with api.read() as conn:
        rows, hosts = mappings.list_cells(conn), mappings.list_hosts(conn)
    for row in rows:
        named = [h["host"] for h in hosts if h["cell_uuid"] == row["uuid"]]
        if row["uuid"] != mappings.CELL0_UUID and named:
            yield row["uuid"], (Database(row["database_connection"], name=row["name"] or "cell"), named)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools/bench-seed", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", required=True, metavar="URL", help="the API database; it names the cells")
    parser.add_argument("--project", required=True, metavar="ID")
    parser.add_argument("--user", default="seed", metavar="ID")
    parser.add_argument("--count", type=int, default=10_000)
    asked = parser.parse_args(argv)
    api = Database(asked.database)
    cells = dict(_cells_of(api))
    if not cells:
        print("the database knows no cell with hosts", file=sys.stderr)
        return 1
    try:
        with api.read() as conn:
            known = conn.execute(sa.select(sa.func.count()).select_from(mappings.instance_mappings).where(
                mappings.instance_mappings.c.user_id == asked.user,
                mappings.instance_mappings.c.project_id == asked.project)).scalar_one()
        if known:
            print(f"project {asked.project} has {known} servers of user {asked.user} already", file=sys.stderr)
            return 1
        print(len(fill(api, cells, asked.count, asked.project, asked.user)))
    finally:
        for database, _ in cells.values():
            database.dispose()
        api.dispose()
    return 0
