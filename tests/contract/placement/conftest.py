# SPDX-License-Identifier: Apache-2.0
"""An API database with the tables of placement, on each engine in turn, and hosts to claim on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from nova.db.api import metadata
from nova.db.api import placement as tables
from nova.db.engine import Database
from nova.placement import inventory

ROOM: dict[str, dict[str, Any]] = {
    "VCPU": {"total": 4, "allocation_ratio": 2.0}, "MEMORY_MB": {"total": 4096, "reserved": 512},
    "DISK_GB": {"total": 100}}
SMALL = {"VCPU": 1, "MEMORY_MB": 256, "DISK_GB": 5}


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url, synchronous="OFF")
    metadata.create_all(database.engine, tables=[t for t in metadata.sorted_tables if t in placement_tables()])
    yield database
    database.dispose()


def placement_tables() -> list[sa.Table]:
    return [value for value in vars(tables).values() if isinstance(value, sa.Table)]


def add_host(db: Database, uuid: str, name: str = "", inventories: dict[str, dict[str, Any]] | None = None) -> str:
    with db.write() as conn:
        inventory.apply_report(conn, uuid, name or f"host-{uuid}", inventories or ROOM, ["HW_CPU_X86_AVX"])
    return uuid


def used(db: Database, uuid: str) -> dict[str, int]:
    with db.read() as conn:
        return {row.resource_class: int(row.used) for row in tables.inventories_of(conn, [uuid])}


def generation(db: Database, uuid: str) -> int:
    with db.read() as conn:
        return next(int(row.generation) for row in tables.changed_providers(conn) if row.uuid == uuid)
