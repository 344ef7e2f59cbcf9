# SPDX-License-Identifier: Apache-2.0
"""Janitor and auditor over many servers at rest: processor time of one turn each, in this process, on SQLite files."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import pathlib
import pkgutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import nova.db.api
import nova.db.cell
from benchlib import seed
from nova import concurrency
from nova.cells import Cells
from nova.clients.nudges import Sender
from nova.conductor.audit import Auditor
from nova.conductor.environment import Environment
from nova.conductor.janitor import Janitor
from nova.conductor.orchestrator import Orchestrator
from nova.db.api import cells as mappings
from nova.db.api import networks as tables
from nova.db.api import placement, quotas
from nova.db.cell import instances
from nova.db.cell.tables import operations, services
from nova.db.engine import Database
from nova.networks.manager import Networks
from nova.workflow import Workflows

_CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")


def _tables(database: Database, package: Any) -> None:
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    package.metadata.create_all(database.engine)


def build(path: pathlib.Path, count: int, hosts: int) -> tuple[Database, Cells]:
    """A cloud of one cell with ``count`` servers, each with claim, port, address, charge and two operations done."""
    api, cell = (Database(f"sqlite:///{path}/{name}.sqlite", name=name, synchronous="OFF") for name in ("api", "cell1"))
    _tables(api, nova.db.api)
    _tables(cell, nova.db.cell)
    uuid = concurrency.uuid4()
    with api.write() as conn:
        conn.execute(mappings.cell_mappings.insert().values(
            uuid=uuid, name="cell1", created_at=0.0, disabled=False, database_connection=str(cell.url)))
    network = Networks(api).create_network("private", "10.100.0.0/14", lease_time=60)
    names = [f"host{i}" for i in range(hosts)]
    servers = seed.fill(api, {uuid: (cell, names)}, count, "p" * 32, "u" * 32)
    _hold(api, cell, network["id"], servers, hosts)
    _operate(cell, servers)
    with cell.write() as conn:
        for name in names:
            services.register(conn, uuid=concurrency.uuid4(), host=name, binary="nova-compute", topic="compute",
                              version=1, incarnation=concurrency.uuid4())
        conn.execute(services.services.update().values(last_seen=4e9))
    return api, Cells(api, lambda row: (cell, Silence()))


class Silence:
    """A bus that nobody is asked on."""

    def check(self) -> None:
        return None


def _hold(api: Database, cell: Database, network: str, servers: list[str], hosts: int) -> None:
    providers = [concurrency.uuid4() for _ in range(hosts)]
    i = instances.instances
    with cell.write() as conn:
        for n, provider in enumerate(providers):
            conn.execute(i.update().where(i.c.host == f"host{n}").values(compute_uuid=provider))
    with api.write() as conn:
        conn.execute(placement.providers.insert(), [
            {"uuid": p, "name": f"host{i}", "generation": 1, "root_uuid": p, "created_at": 0.0, "updated_at": 0.0}
            for i, p in enumerate(providers)])
        per = [sum(1 for n in range(len(servers)) if n % hosts == i) for i in range(hosts)]
        conn.execute(placement.inventories.insert(), [
            {"provider_uuid": p, "resource_class": c, "total": 10 * per[i] + 1, "max_unit": 10 ** 6, "used": per[i]}
            for i, p in enumerate(providers) for c in _CLASSES])
        conn.execute(placement.consumers.insert(), [
            {"uuid": s, "project_id": "p" * 32, "user_id": "u" * 32, "generation": 1, "type": "INSTANCE",
             "created_at": 0.0} for s in servers])
        conn.execute(placement.allocations.insert(), [
            {"consumer_uuid": s, "provider_uuid": providers[n % hosts], "resource_class": c, "used": 1}
            for n, s in enumerate(servers) for c in _CLASSES])
        conn.execute(tables.ports.insert(), [
            {"uuid": s[::-1].replace("-", "x"), "network_uuid": network, "project_id": "p" * 32, "instance_uuid": s,
             "nic_index": 0, "mac": f"fa:16:{n:08x}", "device": f"tap{n:08x}", "host": f"host{n % hosts}",
             "created_at": 0.0, "version": 1} for n, s in enumerate(servers)])
        conn.execute(tables.addresses.insert(), [
            {"network_uuid": network, "number": n, "address": f"10.0.{n >> 8}.{n & 255}", "reusable_at": 0.0,
             "port_uuid": s[::-1].replace("-", "x"), "leased": False} for n, s in enumerate(servers)])
        m = mappings.instance_mappings
        conn.execute(m.update().values(charge={"instances": 1, "cores": 1, "ram": 512}))
        conn.execute(quotas.quota_usages.insert(), [
            {"project_id": "p" * 32, "resource": r, "used": n * len(servers)}
            for r, n in (("instances", 1), ("cores", 1), ("ram", 512))])


def _operate(cell: Database, servers: list[str]) -> None:
    with cell.write() as conn:
        operations.insert(conn, [
            {"uuid": concurrency.uuid4(), "instance_uuid": s, "project_id": "p" * 32, "request_id": "req", "seq": n,
             "action": action, "actor": {}, "inputs": {}, "state": "done", "level": "host", "host": "host0",
             "step": "build", "epoch": 1, "created_at": 1.0, "finished_at": 2.0}
            for s in servers for n, action in enumerate(("create", "stop"))])


def turn(work: Callable[[], Any], times: int) -> float:
    """Processor seconds of one turn, the mean of ``times``."""
    work()
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def measure(count: int, hosts: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        api, cells = build(pathlib.Path(name), count, hosts)
        auditor = Auditor(api, cells)
        assert auditor.scan() == [], auditor.scan()[:3]
        given = {"api": api, "cells": cells, "owner": "bench", "lease": 8.0}
        environment = Environment(**dict.fromkeys(f.name for f in dataclasses.fields(Environment)) | given)
        orchestrator = Orchestrator(environment, Workflows([]), Sender())
        janitor = Janitor(orchestrator, Sender())
        everything, spread = turn(auditor.scan, 5), turn(auditor.look_and_mend, 60)
        scan = turn(janitor.scan, 100)
        cells.close()
        api.dispose()
    return {"servers": count, "audit_everything_s": everything, "audit_turn_s": spread, "janitor_scan_s": scan,
            "everything_each_minute_cpu_percent": 100 * everything / 60, "auditor_cpu_percent": 100 * spread / 60,
            "janitor_cpu_percent": 100 * scan / 2}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench-rest", description=__doc__)
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args(argv)
    figures = measure(asked.servers, asked.hosts)
    if asked.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        for name, value in figures.items():
            sys.stdout.write(f"{name:36} {value:.6g}\n")
    return 0
